"""Ledger: seals what a gate cleared and settled into verifiable blocks.

A block holds every order of the gate and every posting that followed from it, hashed into two Merkle trees whose
roots stand in a header of 280 bytes; each header carries the hash of the one before. ``docs/4_ledger.md`` gives every
byte, and ``light_client.py`` checks one trade with the standard library alone.

>>> import fastclear as fc
>>> orders = {"side": ["buy", "sell"], "price": [300_000, 100_000], "quantity": [1500, 2000]}
>>> clearing = fc.clear(orders, fc.Uniform())
>>> ledger = fc.Ledger(seed=1)
>>> block = ledger.seal(clearing, slot=0)
>>> block.height, block.orders, block.records
(0, 2, 1)
>>> proof = ledger.prove(block.height, 0)
>>> fc.verify(proof.leaf, proof, block.header)
True
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal, Protocol, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear import _core, light_client
from fastclear.errors import LedgerError
from fastclear.light_client import Header, Refused

RECORD_ENTRY_LEN: Final = 112
"""Bytes of a record with its salt."""
ORDER_ENTRY_LEN: Final = 80
"""Bytes of an order leaf with its salt."""

_RECORD_FIELDS: Final[list[tuple[str, str]]] = [
    ("tag", "u1"),
    ("version", "u1"),
    ("kind", "u1"),
    ("flags", "u1"),
    ("code", "<u2"),
    ("asset", "<u2"),
    ("seq", "<u8"),
    ("time_ns", "<u8"),
    ("market", "<u8"),
    ("buy_order", "<u8"),
    ("sell_order", "<u8"),
    ("debit", "<u8"),
    ("credit", "<u8"),
    ("quantity", "<i8"),
    ("price", "<i8"),
    ("amount", "<i8"),
    ("group", "<u8"),
    ("salt", "V16"),
]
RECORD_DTYPE: Final = np.dtype(_RECORD_FIELDS)
"""One record entry as a numpy structured type: the same bytes, no decoder."""
ORDER_DTYPE: Final = np.dtype(
    [
        ("tag", "u1"),
        ("version", "u1"),
        ("side", "u1"),
        ("type", "u1"),
        ("reject", "<u2"),
        ("zero", "<u2"),
        ("order", "<u8"),
        ("participant", "<u8"),
        ("market", "<u8"),
        ("price", "<i8"),
        ("quantity", "<i8"),
        ("time", "<i8"),
        ("zeros", "<u8"),
        ("salt", "V16"),
    ]
)
"""One order entry as a numpy structured type."""

_POSTING_DTYPES: Final = {
    name: np.dtype(code.lstrip("<"))
    for name, code in _RECORD_FIELDS
    if name not in ("tag", "version", "salt")
}
_KIND: Final = pl.Enum(light_client.KINDS)


class _Orders(Protocol):
    """What the ledger reads of encoded orders."""

    @property
    def n(self) -> int: ...
    @property
    def side(self) -> NDArray[np.uint8]: ...
    @property
    def price(self) -> NDArray[Any]: ...
    @property
    def quantity(self) -> NDArray[Any]: ...
    @property
    def market(self) -> NDArray[np.int64] | None: ...
    @property
    def order(self) -> NDArray[np.int64] | None: ...
    @property
    def participant(self) -> NDArray[np.int64] | None: ...
    @property
    def time(self) -> NDArray[np.int64] | None: ...
    @property
    def texts(self) -> Mapping[str, Any]: ...


class Cleared(Protocol):
    """What the ledger reads of a clearing; :func:`fastclear.clear` returns one."""

    @property
    def orders(self) -> Any:
        """The encoded orders."""

    @property
    def reject(self) -> NDArray[np.uint16]:
        """Reject code of each order, shape (n,)."""

    @property
    def trade_columns(self) -> dict[str, NDArray[Any]]:
        """Columns of the trades, encoded ids."""


class VerificationError(LedgerError):
    """A ledger directory that does not verify.

    Attributes
    ----------
    height : int
        The first bad block.
    record : int or None
        The record (or order leaf) in it, where one can be named.
    file : str
        The file at fault.
    offset : int
        Byte in that file where the bad leaf, block or end begins.
    reason : str
        What is wrong.
    """

    def __init__(self, height: int, record: int | None, file: str, offset: int, reason: str) -> None:
        leaf = "" if record is None else f", {'order' if file == 'orders.bin' else 'record'} {record}"
        super().__init__(f"block {height}{leaf} ({file} at byte {offset}): {reason}")
        self.height = height
        self.record = record
        self.file = file
        self.offset = offset
        self.reason = reason


@dataclass(frozen=True)
class VerificationReport:
    """What a ledger directory that verifies holds.

    Attributes
    ----------
    blocks, records, orders, accounts : int
        How many of each; accounts are 0 where the ledger carries no account states.
    head : str
        Hash of the last header in hexadecimal digits, zeros before the first block.
    has_state : bool
        Whether the account states were replayed and agree with every block's state root.
    """

    blocks: int
    records: int
    orders: int
    accounts: int
    head: str
    has_state: bool


@dataclass(frozen=True)
class Block:
    """One sealed block: its header and the hash of it.

    Attributes
    ----------
    header : bytes
        The 280 bytes.
    hash : str
        Header hash in hexadecimal digits: what the next block and the header log carry.
    """

    header: bytes
    hash: str

    @cached_property
    def fields(self) -> Header:
        """Every field of the header; hashes as bytes."""
        return light_client.parse_header(self.header)

    @property
    def height(self) -> int:
        """Position in the chain, from 0."""
        return self.fields.height

    @property
    def slot(self) -> int:
        """Start of the delivery slot, ns since 1970 UTC."""
        return self.fields.slot

    @property
    def time(self) -> int:
        """Engine time of sealing, ns."""
        return self.fields.time_ns

    @property
    def orders(self) -> int:
        """Number of order leaves."""
        return self.fields.orders

    @property
    def records(self) -> int:
        """Number of records."""
        return self.fields.records

    @property
    def gross(self) -> int:
        """Sum of the amounts of the trades, nano-currency."""
        return self.fields.gross

    @property
    def orders_root(self) -> str:
        """Root over the order leaves, hexadecimal."""
        return self.fields.orders_root.hex()

    @property
    def records_root(self) -> str:
        """Root over the records, hexadecimal."""
        return self.fields.records_root.hex()

    @property
    def state_root(self) -> str | None:
        """Root over the accounts after the block, hexadecimal; None where the ledger carries no account states."""
        return self.fields.state_root.hex() if self.fields.has_state else None

    def __repr__(self) -> str:
        """Show what the block holds."""
        return f"Block {self.height}: {self.orders} orders, {self.records} records, hash {self.hash[:16]}…"


@dataclass(frozen=True)
class Proof:
    """That one leaf stands in one block, and that block in the header log.

    Attributes
    ----------
    leaf : bytes
        Record with salt (112 bytes) or order leaf with salt (80 bytes).
    index : int
        Its place in the block.
    path : tuple of bytes
        Hashes from the leaf to the block's root, lowest first.
    header : bytes
        The block's header.
    log_size, log_root, log_path
        Number of headers in the log, its root, and the hashes from the header to it.
    """

    leaf: bytes
    index: int
    path: tuple[bytes, ...]
    header: bytes
    log_size: int
    log_root: bytes
    log_path: tuple[bytes, ...]

    def to_json(self) -> str:
        """Write the proof as the text that ``light_client.py`` reads."""
        kind = "record" if len(self.leaf) == RECORD_ENTRY_LEN else "order"
        document = {
            "format": "fastclear proof",
            "version": 1,
            "kind": kind,
            "leaf": self.leaf.hex(),
            "index": self.index,
            "path": [item.hex() for item in self.path],
            "header": self.header.hex(),
            "log": {
                "size": self.log_size,
                "root": self.log_root.hex(),
                "path": [item.hex() for item in self.log_path],
            },
        }
        return json.dumps(document, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Proof:
        """Read a proof; what it proves is checked by :func:`verify` and ``light_client.py``, not here.

        Raises
        ------
        LedgerError
            The text is no proof.
        """
        try:
            document = json.loads(text)
            log = document["log"]
            return cls(
                leaf=bytes.fromhex(document["leaf"]),
                index=int(document["index"]),
                path=tuple(bytes.fromhex(item) for item in document["path"]),
                header=bytes.fromhex(document["header"]),
                log_size=int(log["size"]),
                log_root=bytes.fromhex(log["root"]),
                log_path=tuple(bytes.fromhex(item) for item in log["path"]),
            )
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise LedgerError(f"this text is no fastclear proof: {error!r}") from error


class Ledger:
    """A chain of sealed blocks, in memory; :meth:`open` keeps one in a directory.

    Parameters
    ----------
    params : mapping, optional
        What the ledger runs under (tariff, mechanism, versions). Its canonical JSON text is hashed into every header.
    seed : int, optional
        Makes the salts, and with them every hash, repeatable: for simulations. Without it salts are random, which
        is what keeps members' records from being guessed.

    Examples
    --------
    >>> import fastclear as fc
    >>> fc.Ledger({"market": "demo"}, seed=7).height
    0
    """

    def __init__(self, params: Mapping[str, object] | None = None, seed: int | None = None) -> None:
        self._chain = _core.Chain(None, _canonical(params), _key(seed), False)

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        params: Mapping[str, object] | None = None,
        seed: int | None = None,
        durability: Literal["sync", "none"] = "sync",
    ) -> Ledger:
        """Open the ledger in a directory, or begin one where there is none.

        Opening verifies every block and replays the account states. A block whose writing was broken off is cut away.

        Parameters
        ----------
        path : path
            A ledger directory, an empty directory, or one that does not exist yet.
        params, seed
            As for :class:`Ledger`. An existing ledger keeps its parameters; other ones are refused.
        durability : {"sync", "none"}
            Whether :meth:`seal` returns only when the block is on disk, or leaves that to the operating system
            (simulations).

        Raises
        ------
        LedgerError
            The directory does not verify (block, file and offset are named), or was begun with other parameters.
        StoreError
            It has other content, is open elsewhere, or cannot be read or written.
        """
        if durability not in ("sync", "none"):
            raise LedgerError(f"durability is {durability!r}; give 'sync' or 'none'")
        ledger = cls.__new__(cls)
        ledger._chain = _core.Chain(os.fspath(path), _canonical(params), _key(seed), durability == "sync")
        return ledger

    # -- what there is -----------------------------------------------------------------------------------------

    @property
    def height(self) -> int:
        """Number of sealed blocks, and the height of the next one."""
        return self._chain.height

    @property
    def head(self) -> str:
        """Hash of the last header, hexadecimal; zeros before the first block."""
        return self._chain.head.hex()

    @property
    def params(self) -> dict[str, Any]:
        """The parameters."""
        return cast("dict[str, Any]", json.loads(self._chain.params))

    @property
    def next_seq(self) -> int:
        """``seq`` that the next sealed posting must have."""
        return self._chain.next_seq

    @property
    def headers(self) -> list[Block]:
        """Every block, by height."""
        return [self.block(height) for height in range(self.height)]

    def block(self, height: int) -> Block:
        """Return the block at one height; raises LedgerError if there is none."""
        found = self._chain.header(_natural(height, "height"))
        if found is None:
            raise LedgerError(f"there is no block {height}; the ledger has {self.height} blocks")
        return Block(found[0], found[1].hex())

    def records(self, height: int) -> pl.DataFrame:
        """Read the records of one block: every field of the format by name, ``kind`` as text, one row a record."""
        table = np.frombuffer(self._chain.records(_natural(height, "height")), RECORD_DTYPE)
        names = [name for name in _POSTING_DTYPES if name != "kind"]
        kinds = pl.Series("kind", table["kind"] - np.uint8(1)).cast(_KIND)
        return pl.DataFrame([kinds, *(pl.Series(name, np.ascontiguousarray(table[name])) for name in names)])

    def orders(self, height: int) -> pl.DataFrame:
        """Read the order leaves of one block, one row an order, in leaf order: market, order, then everything else."""
        table = np.frombuffer(self._chain.orders(_natural(height, "height")), ORDER_DTYPE)
        names = ["market", "order", "participant", "side", "type", "price", "quantity", "time", "reject"]
        return pl.DataFrame([pl.Series(name, np.ascontiguousarray(table[name])) for name in names])

    # -- sealing -----------------------------------------------------------------------------------------------

    def seal(
        self,
        clearing: Cleared | Sequence[Cleared] | None,
        receipts: Any | None = None,
        *,
        slot: int | None = None,
        time: int | None = None,
    ) -> Block:
        """Seal the next block.

        Parameters
        ----------
        clearing : Clearing, sequence of Clearing, or None
            Everything cleared at this gate, several markets or tranches of one slot.
        receipts : Receipts, optional
            The postings of the bank since the last block. The ledger folds them into account states of its own and
            seals the root of those. Without receipts the bare trades are sealed, between accounts 0: a ``trade``
            record at the seller's price each, and a ``fee`` record with code 3 where the buyer pays another price.
            One ledger is sealed either always with receipts or always without.
        slot : int, optional
            Start of the delivery slot, ns since 1970 UTC.
        time : int, optional
            Earliest engine time of sealing, ns. By default the time of the last posting, or ``slot`` where there is
            none; always raised above the block before.

        Returns
        -------
        Block

        Raises
        ------
        LedgerError
            A posting that does not continue the history or does not fit the accounts. Nothing is sealed then.
        StoreError
            The block could not be written.
        """
        if clearing is None:
            clearings: list[Cleared] = []
        elif isinstance(clearing, Sequence):
            clearings = list(clearing)
        else:
            clearings = [clearing]
        start = 0 if slot is None else _natural(slot, "slot")
        orders = [_order_columns(item, _pseudonyms(receipts, item)) for item in clearings]
        if receipts is None:
            not_before = start if time is None else _natural(time, "time")
            trades = [_trade_columns(item) for item in clearings]
            header, digest = self._chain.seal_plain(orders, trades, start, not_before)
        else:
            columns = {name: _cast(receipts.columns[name], dtype) for name, dtype in _POSTING_DTYPES.items()}
            earliest = start if time is None and len(columns["seq"]) == 0 else time
            not_before = 0 if earliest is None else _natural(earliest, "time")
            header, digest = self._chain.seal(orders, columns, start, not_before)
        return Block(header, digest.hex())

    # -- proving -----------------------------------------------------------------------------------------------

    def prove(
        self, height: int, leaf: int | bytes, *, tree: Literal["records", "orders"] = "records"
    ) -> Proof:
        """Prove that a leaf stands in a block.

        Parameters
        ----------
        height : int
            The block.
        leaf : int or bytes
            Place of the leaf in the block, or the leaf itself: a record (96 bytes, 112 with salt) or an order leaf
            (64 bytes, 80 with salt).
        tree : {"records", "orders"}
            Which tree a place is counted in.

        Raises
        ------
        LedgerError
            There is no such block or leaf.
        """
        block = self.block(height)
        if tree not in ("records", "orders"):
            raise LedgerError(f"tree is {tree!r}; give 'records' or 'orders'")
        if isinstance(leaf, bytes):
            tree = "orders" if len(leaf) in (ORDER_ENTRY_LEN, light_client.ORDER_LEN) else "records"
        of_orders = tree == "orders"
        entries = self._chain.orders(height) if of_orders else self._chain.records(height)
        size = ORDER_ENTRY_LEN if of_orders else RECORD_ENTRY_LEN
        index = _find(entries, size, leaf, height) if isinstance(leaf, bytes) else _natural(leaf, "leaf")
        path = self._chain.prove(height, index, of_orders)
        log_size = self.height
        return Proof(
            leaf=entries[index * size : (index + 1) * size],
            index=index,
            path=tuple(path),
            header=block.header,
            log_size=log_size,
            log_root=self._chain.log_root(log_size),
            log_path=tuple(self._chain.prove_header(height, log_size)),
        )

    def log_root(self, size: int | None = None) -> str:
        """Root of the header log over the first ``size`` blocks (all by default), hexadecimal."""
        return self._chain.log_root(self.height if size is None else _natural(size, "size")).hex()

    def prove_growth(self, old: int, new: int | None = None) -> list[str]:
        """Prove that the log of ``old`` blocks is a prefix of that of ``new`` blocks: nothing was rewritten.

        The hashes, hexadecimal, are for :func:`fastclear.light_client.verify_consistency`.
        """
        to = self.height if new is None else _natural(new, "new")
        return [item.hex() for item in self._chain.prove_growth(_natural(old, "old"), to)]

    def __len__(self) -> int:
        """Return the number of sealed blocks."""
        return self.height

    def __repr__(self) -> str:
        """Show where the chain stands."""
        return f"Ledger of {self.height} blocks, {self.next_seq} records, head {self.head[:16]}…"


def verify(leaf: bytes, proof: Proof, header: bytes | Block) -> bool:
    """Whether a leaf stands where the proof says in the block with this header.

    Parameters
    ----------
    leaf : bytes
        Record with salt (112 bytes) or order leaf with salt (80 bytes).
    proof : Proof
        Place and path; its own leaf and header are not looked at.
    header : bytes or Block
        A header that you trust.
    """
    raw = header.header if isinstance(header, Block) else header
    try:
        light_client.check_leaf(leaf, proof.index, list(proof.path), raw)
    except Refused:
        return False
    return True


def verify_directory(path: str | os.PathLike[str], *, head: str | None = None) -> VerificationReport:
    """Verify a ledger directory: every hash, every leaf, and the account states by replaying every posting.

    Parameters
    ----------
    path : path
        A ledger directory; it is read only, and not locked.
    head : str, optional
        A header hash that you remember, hexadecimal. It must be in the chain: only that shows that the last blocks
        were not cut off or replaced.

    Raises
    ------
    VerificationError
        Names the first bad block, the record where one can be named, file, offset and reason.
    StoreError
        There is no ledger directory, or it cannot be read.
    """
    found = _core.verify_ledger(os.fspath(path))
    if len(found) == 5:
        raise VerificationError(*found)
    report = VerificationReport(*found)
    if head is not None:
        with open(os.path.join(os.fspath(path), "headers.bin"), "rb") as file:  # noqa: PTH118, PTH123
            hashes = [item.hex() for item in light_client.check_headers(file.read())]
        if head not in hashes:
            reason = "no header has the hash that you remember: blocks were cut off or replaced"
            raise VerificationError(max(report.blocks - 1, 0), None, "headers.bin", 0, reason)
    return report


# -- columns -----------------------------------------------------------------------------------------------------


def _canonical(params: Mapping[str, object] | None) -> bytes | None:
    """Parameters as one text: keys sorted, no blanks, no NaN."""
    if params is None:
        return None
    try:
        text = json.dumps(
            dict(params), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )
    except (TypeError, ValueError) as error:
        raise LedgerError(f"params cannot be written as JSON: {error}") from error
    return text.encode()


def _key(seed: int | None) -> int | bytes:
    return os.urandom(32) if seed is None else _natural(seed, "seed")


def _natural(value: int, name: str) -> int:
    """Take an integer that fits 64 bits unsigned; numpy integers are welcome, bools and floats are not."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not 0 <= value < 2**64:
        raise LedgerError(f"{name} is {value!r}; give a whole number from 0 to 2^64-1")
    return int(value)


def _cast(column: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Bring a column to this dtype: 64-bit integers are reread as their two's complement, narrower ones widened."""
    array = np.ascontiguousarray(column)
    if array.dtype == dtype:
        return array
    if array.dtype.kind not in "iub":
        raise LedgerError(f"a column of {array.dtype} where integers are needed")
    return array.view(dtype) if array.dtype.itemsize == dtype.itemsize == 8 else array.astype(dtype)


_U8: Final = np.dtype(np.uint8)
_U16: Final = np.dtype(np.uint16)
_U64: Final = np.dtype(np.uint64)
_I64: Final = np.dtype(np.int64)


def _ids(texts: Mapping[str, Any], column: str, ids: NDArray[Any]) -> NDArray[np.uint64]:
    """Ids as they enter the ledger: integers as two's complement, texts by their pseudonym."""
    names = texts.get(column)
    if names is None:
        return _cast(ids, _U64)
    table = _core.text_ids(list(names))
    known = (ids >= 0) & (ids < len(table))
    if known.all():
        whole: NDArray[np.uint64] = table[ids]
        return whole
    # A refused order may name nothing.
    found = np.zeros(len(ids), _U64)
    found[known] = table[ids[known]]
    return found


def _pseudonyms(receipts: Any | None, clearing: Cleared) -> NDArray[np.uint64] | None:
    """Account ids of a clearing's orders, where a bank knows them."""
    known = getattr(receipts, "pseudonyms", None)
    if known is None:
        return None
    return _cast(known(clearing) if callable(known) else known, _U64)


def _order_columns(clearing: Cleared, pseudonyms: NDArray[np.uint64] | None) -> dict[str, NDArray[Any]]:
    orders: _Orders = clearing.orders
    n, texts = orders.n, orders.texts
    none = np.zeros(n, _U64)
    if pseudonyms is not None:
        participant = pseudonyms
    else:
        participant = none if orders.participant is None else _ids(texts, "participant", orders.participant)
    kinds = getattr(orders, "is_market_order", None)
    return {
        "side": _cast(orders.side, _U8),
        "kind": np.zeros(n, _U8) if kinds is None else _cast(kinds, _U8),
        "reject": _cast(clearing.reject, _U16),
        "order": np.arange(n, dtype=_U64) if orders.order is None else _ids(texts, "order", orders.order),
        "participant": participant,
        "market": none if orders.market is None else _ids(texts, "market", orders.market),
        "price": _cast(orders.price, _I64),
        "quantity": _cast(orders.quantity, _I64),
        "time_ns": np.zeros(n, _I64) if orders.time is None else _cast(orders.time, _I64),
    }


def _trade_columns(clearing: Cleared) -> dict[str, NDArray[Any]]:
    trades, texts = clearing.trade_columns, clearing.orders.texts
    return {
        "market": _ids(texts, "market", trades["market"]),
        "buy_order": _ids(texts, "order", trades["buy_order"]),
        "sell_order": _ids(texts, "order", trades["sell_order"]),
        "quantity": _cast(trades["quantity"], _I64),
        "buy_price": _cast(trades["buy_price"], _I64),
        "sell_price": _cast(trades["sell_price"], _I64),
    }


def _find(entries: bytes, size: int, leaf: bytes, height: int) -> int:
    """Place of a leaf, given with or without its salt."""
    whole = len(leaf) in (size, size - light_client.SALT_LEN)
    for index in range(len(entries) // size) if whole else ():
        if entries[index * size : index * size + len(leaf)] == leaf:
            return index
    raise LedgerError(f"block {height} holds no such leaf ({len(leaf)} bytes)")
