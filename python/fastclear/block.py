"""Blocks and proofs: what a ledger hands out, and what verifying one finds."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Final

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
    erased : int
        Leaves whose content is gone: of these only the hash was verified.
    """

    blocks: int
    records: int
    orders: int
    accounts: int
    head: str
    has_state: bool
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
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise LedgerError(f"this text is no fastclear proof: {error!r}") from error
