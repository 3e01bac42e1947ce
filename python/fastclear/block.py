"""Blocks and proofs: what a ledger hands out, and what verifying one finds."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

from fastclear import light_client
from fastclear.errors import LedgerError
from fastclear.light_client import Header

RECORD_ENTRY_LEN: Final = light_client.RECORD_LEN + light_client.SALT_LEN
"""Bytes of a record with its salt: 112."""
ORDER_ENTRY_LEN: Final = light_client.ORDER_LEN + light_client.SALT_LEN
"""Bytes of an order leaf with its salt: 80."""


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
    cosigned : int
        How many of the blocks the checkpoint in the directory covers, its signatures checked; 0 without a checkpoint.
    signers : tuple of str
        Who has signed it, as consortium or policy name them.
    erased : int
        Leaves whose content is gone: of these only the hash was verified.
    """

    blocks: int
    records: int
    orders: int
    accounts: int
    head: str
    has_state: bool
    cosigned: int = 0
    signers: tuple[str, ...] = ()
    erased: int = 0


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
    def validators_hash(self) -> str | None:
        """Hash of the consortium that cosigns the log up to this block, hexadecimal; None where there is none."""
        return self.fields.validators_hash.hex() if any(self.fields.validators_hash) else None

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
    checkpoint : str or None
        A signed checkpoint of that log.
    growth : tuple or None
        Number of headers of an earlier log, and the hashes that show that it is the beginning of this one.
    main : Proof or None
        That a main chain says where the log stands, if the block is one of a sub-chain.
    """

    leaf: bytes
    index: int
    path: tuple[bytes, ...]
    header: bytes
    log_size: int
    log_root: bytes
    log_path: tuple[bytes, ...]
    checkpoint: str | None = None
    growth: tuple[int, tuple[bytes, ...]] | None = None
    main: Proof | None = None

    def to_json(self) -> str:
        """Write the proof as the text that ``light_client.py`` reads."""
        return json.dumps(self._document(), indent=1) + "\n"

    def within(self, main: Proof) -> Proof:
        """Return the proof of a sub-chain's leaf, led on into the main chain.

        What signs the whole is a checkpoint of the main chain: that of ``main`` takes the place of this proof's own.
        """
        return replace(
            self, main=replace(main, checkpoint=None, growth=None), checkpoint=main.checkpoint, growth=main.growth
        )

    def _document(self) -> dict[str, Any]:
        kind = "record" if len(self.leaf) == RECORD_ENTRY_LEN else "order"
        document: dict[str, Any] = {
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
        if self.checkpoint is not None:
            document["checkpoint"] = self.checkpoint
        if self.growth is not None:
            document["growth"] = {"old": self.growth[0], "path": [item.hex() for item in self.growth[1]]}
        if self.main is not None:
            document["main"] = self.main._document()
        return document

    @classmethod
    def from_json(cls, text: str) -> Proof:
        """Read a proof; what it proves is checked by :func:`verify` and ``light_client.py``, not here.

        Raises
        ------
        LedgerError
            The text is no proof.
        """
        try:
            return cls._read(json.loads(text))
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise LedgerError(f"this text is no fastclear proof: {error!r}") from error

    @classmethod
    def _read(cls, document: dict[str, Any]) -> Proof:
        log, growth, main = document["log"], document.get("growth"), document.get("main")
        checkpoint = document.get("checkpoint")
        return cls(
            leaf=bytes.fromhex(document["leaf"]),
            index=int(document["index"]),
            path=tuple(bytes.fromhex(item) for item in document["path"]),
            header=bytes.fromhex(document["header"]),
            log_size=int(log["size"]),
            log_root=bytes.fromhex(log["root"]),
            log_path=tuple(bytes.fromhex(item) for item in log["path"]),
            checkpoint=None if checkpoint is None else str(checkpoint),
            growth=None
            if growth is None
            else (int(growth["old"]), tuple(bytes.fromhex(item) for item in growth["path"])),
            main=None if main is None else cls._read(main),
        )
