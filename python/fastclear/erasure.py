"""Erasing what may be erased: order leaves and meter readings, with their salts; the leaf hash stays in the tree."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear import _core
from fastclear.block import Block
from fastclear.clearing_proof import ERASED
from fastclear.errors import LedgerError
from fastclear.leaves import ORDER_DTYPE, RECORD_DTYPE

_METER = 9
_FILES = {"orders": ("orders.bin", ORDER_DTYPE), "records": ("records.bin", RECORD_DTYPE)}
Tree = Literal["orders", "records"]


@dataclass(frozen=True)
class Erasure:
    """The event of an erasure, to be handed out or kept: it names leaves by place and hash, and nothing of theirs.

    Attributes
    ----------
    height : int
        The block.
    tree : {"orders", "records"}
        Which leaves.
    leaves : tuple of int
        Their places.
    hashes : tuple of str
        What is left of them: leaf hashes, hexadecimal. Each still stands in the block, as a path shows.
    header : str
        Hash of the block's header, hexadecimal: unchanged.
    reason : str
        Why, in the operator's words.
    """

    height: int
    tree: str
    leaves: tuple[int, ...]
    hashes: tuple[str, ...]
    header: str
    reason: str

    def to_json(self) -> str:
        """Write the event as a text."""
        return json.dumps({"format": "fastclear erasure", "version": 1} | self.__dict__, indent=1) + "\n"


class ErasureDesk:
    """The part of a ledger that erases."""

    _chain: Any
    block: Any

    def erase(self, height: int, leaves: int | Sequence[int], *, tree: Tree = "orders", reason: str = "") -> Erasure:
        """Erase leaves of a block with their salts, from memory or from the files, for good.

        Every root, header and head stays what it was; proofs of other leaves stay valid and can still be made. Of what
        is erased, only the leaf hash is left, which without the salt nobody can guess from.

        Parameters
        ----------
        height : int
            The block.
        leaves : int or sequence of int
            Places of the leaves in their tree. Erasing one again changes nothing.
        tree : {"orders", "records"}
            Orders can be erased, and of the records meter readings.
        reason : str
            Why, for the event.

        Returns
        -------
        Erasure

        Raises
        ------
        LedgerError
            There is no such block or leaf, or it is a record that is kept: balances are replayed from money records.
            Nothing is erased then.
        StoreError
            The files could not be written; :meth:`reopen` the ledger, which finishes what was begun.

        Notes
        -----
        In a directory the leaves are overwritten where they stand, all or none of one call, whatever happens. Backups,
        and file systems that keep old versions, are beyond its reach.

        Examples
        --------
        >>> import fastclear as fc
        >>> orders = {"side": ["buy", "sell"], "price": [30, 10], "quantity": [5, 5], "participant": [7, 8]}
        >>> ledger = fc.Ledger()
        >>> block = ledger.seal(fc.clear(orders, fc.Uniform()), slot=0)
        >>> ledger.erase(0, 1, reason="left").leaves
        (1,)
        >>> ledger.orders(0)["participant"].to_list(), ledger.block(0) == block
        ([7], True)
        """
        block: Block = self.block(height)
        if tree not in _FILES:
            raise LedgerError(f"tree is {tree!r}; give 'orders' or 'records'")
        if not isinstance(reason, str):
            raise LedgerError(f"reason is a {type(reason).__name__}; give text")
        wanted = [leaves] if isinstance(leaves, int | np.integer) else list(leaves)
        for leaf in wanted:
            if isinstance(leaf, bool) or not isinstance(leaf, int | np.integer) or not 0 <= leaf < 2**63:
                raise LedgerError(f"leaves holds {leaf!r}; give places in the block")
        places = sorted({int(leaf) for leaf in wanted})
        hashes = self._chain.erase(block.height, tree == "orders", places)
        return Erasure(block.height, tree, tuple(places), tuple(item.hex() for item in hashes), block.hash, reason)

    def erase_member(self, member: int | str, *, reason: str = "") -> list[Erasure]:
        """Erase every order of a member, and every meter reading: all leaves that carry this pseudonym or account.

        Parameters
        ----------
        member : int or str
            The participant as the orders named it, or the account where a bank is used. One that has rotated has a
            pseudonym a period: :meth:`fastclear.Pseudonyms.all`.
        reason : str
            Why, for the events.

        Returns
        -------
        list of Erasure
            One a block and tree in which there was something.

        Raises
        ------
        LedgerError
            Something else than an id; or 0, which orders without a participant carry.
        """
        if isinstance(member, str):
            theirs_is = np.uint64(_core.text_ids([member])[0])
        elif isinstance(member, bool) or not isinstance(member, int | np.integer) or not -(2**63) <= member < 2**64:
            raise LedgerError(f"member is {member!r}; give an id, integer or text")
        elif member == 0:
            raise LedgerError("0 is what orders without a participant carry; erase leaves by their places")
        else:
            theirs_is = np.uint64(int(member) % 2**64)
        found = []
        for height in range(self._chain.height):
            orders = np.frombuffer(self._chain.orders(height), ORDER_DTYPE)
            records = np.frombuffer(self._chain.records(height), RECORD_DTYPE)
            theirs = (orders["tag"] != ERASED) & (orders["participant"] == theirs_is)
            is_reading = (records["tag"] != ERASED) & (records["kind"] == _METER)
            read = is_reading & (records["debit"] == theirs_is)
            trees: list[tuple[Tree, Any]] = [("orders", theirs), ("records", read)]
            for tree, rows in trees:
                if rows.any():
                    found.append(self.erase(height, np.flatnonzero(rows).tolist(), tree=tree, reason=reason))
        return found

    def erased(self) -> pl.DataFrame:
        """List what has been erased, one row a leaf: ``height``, ``tree``, ``leaf`` (its place) and ``hash``."""
        rows = []
        for height in range(self._chain.height):
            for tree, dtype in (("orders", ORDER_DTYPE), ("records", RECORD_DTYPE)):
                content = self._chain.orders(height) if tree == "orders" else self._chain.records(height)
                size = dtype.itemsize
                rows += [
                    (height, tree, leaf, content[leaf * size + 16 : leaf * size + 48].hex())
                    for leaf in np.flatnonzero(np.frombuffer(content, dtype)["tag"] == ERASED).tolist()
                ]
        schema = {"height": pl.UInt64, "tree": pl.String, "leaf": pl.UInt64, "hash": pl.String}
        return pl.DataFrame(rows, schema=schema, orient="row")


def present(entries: bytes, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Entries that have not been erased."""
    table = np.frombuffer(entries, dtype)
    erased = table["tag"] == ERASED
    return table[~erased] if erased.any() else table


def erased_leaves(path: str) -> int:
    """How many leaves of a ledger directory have been erased."""
    count = 0
    for name, dtype in _FILES.values():
        table = np.fromfile(os.path.join(path, name), dtype)  # noqa: PTH118 - as the rest of the ledger
        count += int(np.count_nonzero(table["tag"] == ERASED))
    return count
