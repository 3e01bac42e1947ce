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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Literal, cast

import numpy as np
import polars as pl

from fastclear import _core, clearing_proof, light_client
from fastclear.block import ORDER_ENTRY_LEN, RECORD_ENTRY_LEN, Block, Proof, VerificationError, VerificationReport
from fastclear.book.clearing import joined
from fastclear.book.events import BookEvents
from fastclear.checkpoints import Checkpoint
from fastclear.consortium import Consortium
from fastclear.erasure import ErasureDesk, erased_leaves, present
from fastclear.errors import LedgerError, expect
from fastclear.leaves import (
    ORDER_DTYPE,
    POSTING_DTYPES,
    RECORD_DTYPE,
    Cleared,
    order_columns,
    pseudonyms,
    sealable,
    trade_columns,
)
from fastclear.ledger_signing import CHECKPOINT, LedgerSigning, read_checkpoint, read_consortia
from fastclear.light_client import Refused
from fastclear.pool_lines import plain_postings
from fastclear.proof_desk import ProofDesk
from fastclear.sharing import SharingClearing

_KIND: Final = pl.Enum(light_client.KINDS)


class Ledger(LedgerSigning, ProofDesk, ErasureDesk):
    """A chain of sealed blocks, in memory; :meth:`open` keeps one in a directory.

    Parameters
    ----------
    params : mapping, optional
        What the ledger runs under (tariff, mechanism, versions). Its canonical JSON text is hashed into every header.
    seed : int, optional
        Makes the salts, and with them every hash, repeatable: for simulations. Without it salts are random, which
        is what keeps members' records from being guessed.
    consortium : Consortium, optional
        Who vouches for the blocks, from the first one on.

    Examples
    --------
    >>> import fastclear as fc
    >>> fc.Ledger({"market": "demo"}, seed=7).height
    0
    """

    def __init__(
        self,
        params: Mapping[str, object] | None = None,
        seed: int | None = None,
        *,
        consortium: Consortium | None = None,
    ) -> None:
        self._seed = _seed(seed)
        self._place: tuple[str, bool] | None = None
        self._known = 0, b""
        self._open: _core.Chain | None = _core.Chain(None, _canonical(params), _key(self._seed), False)
        self._load_signing()
        self._found(consortium)

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        params: Mapping[str, object] | None = None,
        seed: int | None = None,
        durability: Literal["sync", "none"] = "sync",
        *,
        consortium: Consortium | None = None,
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
        consortium : Consortium, optional
            As for :class:`Ledger`. An existing ledger knows its consortium; another one is refused.

        Raises
        ------
        LedgerError
            The directory does not verify (block, file and offset are named), or was begun with other parameters or
            another consortium.
        StoreError
            It has other content, is open elsewhere, or cannot be read or written.
        """
        if durability not in ("sync", "none"):
            raise LedgerError(f"durability is {durability!r}; give 'sync' or 'none'")
        ledger = cls.__new__(cls)
        ledger._seed, ledger._known = _seed(seed), (0, b"")
        ledger._place = place = _path(path), durability == "sync"
        ledger._open = _core.Chain(place[0], _canonical(params), _key(ledger._seed), place[1])
        ledger._load_signing()
        ledger._found(consortium)
        return ledger

    def reopen(self) -> None:
        """Close the directory and open it again, as it has to be after a failed write.

        Afterwards :meth:`seal` takes the same clearing and receipts again. A block whose header had reached the disk
        is kept: :attr:`next_seq` tells whether the receipts are in it.

        Raises
        ------
        LedgerError
            The ledger lives in memory, or the directory does not verify or does not hold the blocks it held.
        StoreError
            The directory cannot be read or written.

        Notes
        -----
        After an error the ledger stays closed; it can be reopened later.
        """
        if self._place is None:
            raise LedgerError("this ledger lives in memory; there is nothing to open again")
        path, sync = self._place
        if self._open is not None:
            self._known = self._open.height, self._open.head
        self._open = None  # lets go of the lock
        if not os.path.isfile(os.path.join(path, "head")):  # noqa: PTH113, PTH118 - else an empty ledger would be begun
            raise LedgerError(f"{path} holds no ledger any more; was the directory moved?")
        found = _core.Chain(path, None, _key(self._seed), sync)
        height, head = self._known
        last = found.header(height - 1) if height else None
        if height and (last is None or last[1] != head):
            raise LedgerError(f"{path} holds another ledger, or one without its last blocks")
        self._open = found

    @property
    def _chain(self) -> _core.Chain:
        if self._open is None:
            raise LedgerError("this ledger is closed, because opening it again failed; call reopen() once more")
        return self._open

    def __reduce__(self) -> Any:
        """Pickle or copy a ledger in memory as its bytes, which are verified again, with their salts and its seed.

        A ledger in a directory has one writer: it refuses.
        """
        if self._place is not None:
            raise LedgerError(
                "a ledger in a directory cannot be pickled or copied, because it has one writer; open its directory, "
                "or a copy of the directory"
            )
        return _restored, (type(self), self._chain.contents(), self._seed, self._signing())

    def _in_memory(self) -> Ledger:
        """A ledger in memory that holds the same blocks."""
        return _restored(type(self), self._chain.contents(), self._seed, self._signing())

    def _signing(self) -> tuple[list[bytes], bytes, str | None, str | None]:
        """Consortia, the validators hash of the next block, what was signed last, and the cosigned checkpoint."""
        accepted = None if self._accepted is None else self._accepted.text
        return [item.encoded for item in self._consortia.values()], self._chain.validators, self._chain.signed, accepted

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
        """Read the records of one block: every field of the format by name, ``kind`` as text, one row a record.

        Erased ones are left out.
        """
        table = present(self._chain.records(_natural(height, "height")), RECORD_DTYPE)
        names = [name for name in POSTING_DTYPES if name != "kind"]
        kinds = pl.Series("kind", [light_client.KINDS[kind - 1] for kind in table["kind"].tolist()], dtype=_KIND)
        return pl.DataFrame([kinds, *(pl.Series(name, np.ascontiguousarray(table[name])) for name in names)])

    def orders(self, height: int) -> pl.DataFrame:
        """Read the order leaves of one block, one row an order, in leaf order: market, order, then everything else.

        Erased ones are left out.
        """
        table = present(self._chain.orders(_natural(height, "height")), ORDER_DTYPE)
        names = ["market", "order", "participant", "side", "type", "price", "quantity", "time", "reject"]
        return pl.DataFrame([pl.Series(name, np.ascontiguousarray(table[name])) for name in names])

    # -- sealing -----------------------------------------------------------------------------------------------

    def seal(
        self,
        clearing: Cleared | BookEvents | Sequence[Cleared | BookEvents] | None,
        receipts: Any | None = None,
        *,
        slot: int | None = None,
        time: int | None = None,
    ) -> Block:
        """Seal the next block.

        Parameters
        ----------
        clearing : Clearing, BookEvents, sequence of them, or None
            Everything cleared at this gate, several markets or tranches of one slot. Events of one
            :class:`fastclear.OrderBook` are sealed as one clearing: every order that they are about, and every trade.
        receipts : Receipts, optional
            The postings of the bank since the last block. The ledger folds them into account states of its own and
            seals the root of those. Without receipts the bare trades are sealed, between accounts 0: a ``trade``
            record each with what the seller receives, and ``fee`` records where the buyer pays another amount; of a
            pool, what each load pays or receives, and what the grid and the operator get.
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
            The block could not be written; :meth:`reopen` the ledger.

        Notes
        -----
        After an error the bank is ahead of the ledger. Seal the same clearing and receipts again, with what was wrong
        put right, before those of the next slot: ``bank.last_receipts`` has them still. Threads may seal at once;
        receipts still have to come in the order in which the bank gave them.
        """
        return self._prepared(clearing, receipts, slot=slot, time=time)()

    def _prepared(
        self,
        clearing: Cleared | BookEvents | Sequence[Cleared | BookEvents] | None,
        receipts: Any | None = None,
        *,
        slot: int | None = None,
        time: int | None = None,
    ) -> Callable[[], Block]:
        """Read everything that :meth:`seal` needs, and return the call that seals the block.

        That call does next to nothing in Python, so that another thread can make it while this one goes on.
        Parameters and errors as in :meth:`seal`; columns that cannot be read are refused here.
        """
        clearings: list[Cleared] = [] if clearing is None else joined(clearing)
        start = 0 if slot is None else _natural(slot, "slot")
        orders = [order_columns(item, pseudonyms(receipts, item)) for item in clearings]
        if receipts is None:
            not_before = start if time is None else _natural(time, "time")
            pools = [item for item in clearings if isinstance(item, SharingClearing)]
            trades = [trade_columns(item) for item in clearings if not isinstance(item, SharingClearing)]
            lines = [plain_postings(item) for item in pools]
            return lambda: _block(self._chain.seal_plain(orders, trades, lines, start, not_before))
        postings = sealable(receipts)
        count = len(postings["seq"]) if isinstance(postings, dict) else len(postings)
        earliest = start if time is None and count == 0 else time
        not_before = 0 if earliest is None else _natural(earliest, "time")
        return lambda: _block(self._chain.seal(orders, postings, start, not_before))

    # -- proving -----------------------------------------------------------------------------------------------

    def prove(
        self,
        height: int,
        leaf: int | bytes,
        *,
        tree: Literal["records", "orders"] = "records",
        size: int | None = None,
        checkpoint: Checkpoint | None = None,
        since: int | None = None,
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
        size : int, optional
            Number of blocks of the log that the proof leads to; all by default.
        checkpoint : Checkpoint, optional
            Put into the proof, which then leads to its size: with a policy, ``light_client.py`` needs nothing else.
        since : int, optional
            Number of blocks that the reader has seen: the proof then shows too that nothing of them was rewritten.

        Raises
        ------
        LedgerError
            There is no such block or leaf, or the log does not have this size or checkpoint.
        """
        block = self.block(height)
        if tree not in ("records", "orders"):
            raise LedgerError(f"tree is {tree!r}; give 'records' or 'orders'")
        if isinstance(leaf, bytes):
            tree = "orders" if len(leaf) in (ORDER_ENTRY_LEN, light_client.ORDER_LEN) else "records"
        of_orders = tree == "orders"
        entries = self._chain.orders(height) if of_orders else self._chain.records(height)
        width = ORDER_ENTRY_LEN if of_orders else RECORD_ENTRY_LEN
        index = _find(entries, width, leaf, height) if isinstance(leaf, bytes) else _natural(leaf, "leaf")
        path = self._tree(block, of_orders).prove(index)
        if entries[index * width] == clearing_proof.ERASED:
            raise LedgerError(f"leaf {index} of block {height} has been erased: only its hash is left")
        log_size = self.height if size is None else _natural(size, "size")
        if checkpoint is not None:
            expect(checkpoint, Checkpoint, "checkpoint")
            log_size = checkpoint.size if size is None else log_size
            if log_size != checkpoint.size or self.log_root(log_size) != checkpoint.root:
                raise LedgerError(f"the checkpoint of {checkpoint.size} blocks is not one of this log at {log_size}")
        seen = None if since is None else _natural(since, "since")
        return Proof(
            leaf=entries[index * width : (index + 1) * width],
            index=index,
            path=tuple(path),
            header=block.header,
            log_size=log_size,
            log_root=self._chain.log_root(log_size),
            log_path=tuple(self._chain.prove_header(height, log_size)),
            checkpoint=None if checkpoint is None else checkpoint.text,
            growth=None if seen is None else (seen, tuple(self._chain.prove_growth(seen, log_size))),
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

    Raises
    ------
    LedgerError
        An argument of another type, or a proof whose place is no integer or whose path does not hold bytes.
    """
    raw = header.header if isinstance(header, Block) else header
    for name, value in (("leaf", leaf), ("header", raw)):
        if not isinstance(value, bytes):
            raise LedgerError(f"{name} is a {type(value).__name__}; give bytes")
    if not isinstance(proof, Proof):
        raise LedgerError(
            f"proof is a {type(proof).__name__}; give a fastclear.Proof, for example Proof.from_json(text)"
        )
    whole = isinstance(proof.index, int) and not isinstance(proof.index, bool)
    if not (whole and isinstance(proof.path, Sequence) and all(isinstance(item, bytes) for item in proof.path)):
        raise LedgerError("the proof is malformed: its index has to be an integer and its path a sequence of bytes")
    try:
        light_client.check_leaf(leaf, proof.index, list(proof.path), raw)
    except Refused:
        return False
    return True


def verify_directory(
    path: str | os.PathLike[str], *, head: str | None = None, policy: str | bytes | None = None
) -> VerificationReport:
    """Verify a ledger directory: every hash, every leaf, and the account states by replaying every posting.

    Parameters
    ----------
    path : path
        A ledger directory; it is read only, and not locked.
    head : str, optional
        A header hash that you remember, hexadecimal. It must be in the chain: only that shows that the last blocks
        were not cut off or replaced.
    policy : str or bytes, optional
        Whose signatures you ask for, as the text that :meth:`fastclear.Consortium.policy` writes. The checkpoint in the
        directory has to satisfy it. Without a policy it is held against the consortium that its last block names.

    Raises
    ------
    VerificationError
        Names the first bad block, the record where one can be named, file, offset and reason.
    StoreError
        There is no ledger directory, or it cannot be read.
    """
    where = _path(path)
    found = _core.verify_ledger(where)
    if len(found) == 5:
        raise VerificationError(*found)
    report = VerificationReport(*found, erased=erased_leaves(where))
    with open(os.path.join(where, "headers.bin"), "rb") as file:  # noqa: PTH118, PTH123
        headers = file.read()[: report.blocks * light_client.HEADER_LEN]
    last = max(report.blocks - 1, 0)
    hashes = light_client.check_headers(headers)
    if head is not None and head not in [item.hex() for item in hashes]:
        reason = "no header has the hash that you remember: blocks were cut off or replaced"
        raise VerificationError(last, None, "headers.bin", 0, reason)
    try:
        checkpoint = read_checkpoint(Path(where))
        if checkpoint is None and policy is None:
            return report
        if checkpoint is not None:
            last = min(max(checkpoint.size - 1, 0), last)
        size, signers = _check_signatures(checkpoint, headers, hashes, Path(where), policy)
    except (Refused, LedgerError) as error:
        raise VerificationError(last, None, CHECKPOINT, 0, str(error)) from error
    return replace(report, cosigned=size, signers=tuple(sorted(signers)))


def _check_signatures(
    checkpoint: Checkpoint | None, headers: bytes, hashes: list[bytes], folder: Path, policy: str | bytes | None
) -> tuple[int, dict[str, int]]:
    """Hold a cosigned checkpoint against the blocks, and against a policy or the consortium that they name."""
    if checkpoint is None:
        raise Refused("there is no cosigned checkpoint")
    size, root = checkpoint.size, bytes.fromhex(checkpoint.root)
    if not 1 <= size <= len(hashes) or light_client.tree_root(hashes[:size]) != root:
        raise Refused(f"the checkpoint of {size} blocks is not one of these: they were cut off or replaced")
    if policy is not None:
        rules = light_client.parse_policy(policy.encode() if isinstance(policy, str) else policy)
        return size, light_client.check_checkpoint(checkpoint.text.encode(), rules).witnesses
    start = (size - 1) * light_client.HEADER_LEN
    named = light_client.parse_header(headers[start : start + light_client.HEADER_LEN]).validators_hash.hex()
    consortium = read_consortia(folder).get(named)
    if consortium is None:
        raise Refused(f"the consortium of block {size - 1} is not known here: its file is missing")
    return size, checkpoint.verify(consortium)


def _block(sealed: tuple[bytes, bytes]) -> Block:
    header, digest = sealed
    return Block(header, digest.hex())


def _canonical(params: Mapping[str, object] | None) -> bytes | None:
    """Parameters as one text: keys sorted, no blanks, no NaN."""
    if params is None:
        return None
    try:
        text = json.dumps(dict(params), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return text.encode()
    except (TypeError, ValueError, RecursionError) as error:  # half a surrogate pair is a ValueError too
        raise LedgerError(f"params cannot be written as JSON in UTF-8: {error}") from error


def _restored(
    cls: type[Ledger],
    contents: tuple[bytes, bytes, bytes, bytes],
    seed: int | None,
    signing: tuple[list[bytes], bytes, str | None, str | None],
) -> Ledger:
    ledger = cls.__new__(cls)
    ledger._seed, ledger._place, ledger._known = seed, None, (0, b"")
    ledger._open = chain = _core.Chain.restore(*contents, _key(seed))
    consortia, validators, signed, accepted = signing
    ledger._consortia = {item.hash: item for item in map(Consortium.decode, consortia)}
    ledger._accepted = None if accepted is None else Checkpoint(accepted)
    if chain.height == 0:
        chain.found(validators)
    if signed is not None:
        chain.restore_signed(signed.encode())
    return ledger


def _path(path: object) -> str:
    """Take text, bytes or a path object."""
    try:
        return os.fsdecode(path)  # type: ignore[arg-type]
    except TypeError as error:
        raise LedgerError(f"path is a {type(path).__name__}; give text or a path") from error


def _seed(seed: int | None) -> int | None:
    return None if seed is None else _natural(seed, "seed")


def _key(seed: int | None) -> int | bytes:
    """The seed, or fresh randomness, of which no copy is kept here: whoever has it can make salts again."""
    return os.urandom(32) if seed is None else seed


def _natural(value: int, name: str) -> int:
    """Take an integer that fits 64 bits unsigned; numpy integers are welcome, bools and floats are not."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not 0 <= value < 2**64:
        raise LedgerError(f"{name} is {value!r}; give a whole number from 0 to 2^64-1")
    return int(value)


def _find(entries: bytes, size: int, leaf: bytes, height: int) -> int:
    """Place of a leaf, given with or without its salt."""
    whole = len(leaf) in (size, size - light_client.SALT_LEN)
    for index in range(len(entries) // size) if whole else ():
        if entries[index * size : index * size + len(leaf)] == leaf:
            return index
    raise LedgerError(f"block {height} holds no such leaf ({len(leaf)} bytes)")
