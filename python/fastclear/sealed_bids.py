"""Sealed bids: commit to an order's hash with a deposit, reveal the order later, forfeit the deposit if you do not.

A commitment is the salted hash of the order's canonical bytes (the 64 bytes of an order leaf), with the auction and the
participant in it. So nobody learns an order before everybody is bound, nobody can reveal another order than they
committed to, and who copies a commitment can never reveal it: the participant in it is another one.

The deposit is reserved on the participant's account, released by a reveal in time, and posted to a named account when
the time for reveals is over.
"""

from __future__ import annotations

import hashlib
import operator
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear import light_client
from fastclear.errors import SettlementError
from fastclear.transfers import Accounts

SALT_LEN: Final = 32
_COMMIT, _DEPOSIT = b"\x06", b"\x07"
_WORDS: Final = {"buy": 1, "bid": 1, "sell": 0, "ask": 0, "offer": 0}


class SealedBidCode(IntEnum):
    """What became of a commitment or reveal; of several faults the lowest number is reported."""

    OK = 0
    COMMIT_CLOSED = 1
    MALFORMED = 2
    ALREADY_COMMITTED = 3
    NO_DEPOSIT = 4
    REVEAL_NOT_OPEN = 5
    REVEAL_CLOSED = 6
    NOT_COMMITTED = 7
    ALREADY_REVEALED = 8
    REVEAL_DIFFERS = 9
    ORDER_TAKEN = 10

    @property
    def meaning(self) -> str:
        """In a line."""
        return _MEANINGS[self]


_MEANINGS: Final = {
    SealedBidCode.OK: "accepted",
    SealedBidCode.COMMIT_CLOSED: "the time for commitments is over",
    SealedBidCode.MALFORMED: "a commitment that is not 32 bytes, or an order or salt that has no canonical bytes",
    SealedBidCode.ALREADY_COMMITTED: "this participant has made this commitment already",
    SealedBidCode.NO_DEPOSIT: "the bank cannot reserve the deposit",
    SealedBidCode.REVEAL_NOT_OPEN: "reveals begin when commitments are over",
    SealedBidCode.REVEAL_CLOSED: "the time for reveals is over, and the deposit forfeited",
    SealedBidCode.NOT_COMMITTED: "this participant made no such commitment",
    SealedBidCode.ALREADY_REVEALED: "the commitment has been revealed already",
    SealedBidCode.REVEAL_DIFFERS: "order, salt or participant is not what was committed to",
    SealedBidCode.ORDER_TAKEN: "another revealed order of the market has this id",
}


@dataclass
class _Commitment:
    number: int
    participant: int
    hash: bytes
    deposit: int
    order: tuple[int, int, int, int, int] | None = None
    """Side, price, quantity, order and market, once revealed."""


class SealedBids:
    """One auction with sealed bids: commitments until one time, reveals until another.

    Parameters
    ----------
    bank : Accounts
        Where deposits are reserved; participants are accounts of it.
    auction : str
        Names the auction. It is part of every commitment, so that none can be used in another one.
    deposit : int
        What each commitment reserves, smallest unit of money, above 0.
    forfeits : int
        The account that receives deposits of commitments that are not revealed.
    commit_until, reveal_until : int
        Ends of the two phases, ns: commitments before the one, reveals from it on and before the other.
    time : int, default 0
        Where time stands, ns.

    Raises
    ------
    SettlementError
        A deposit that is not above 0, ends that do not follow each other, or an account that is not open.

    Examples
    --------
    >>> import fastclear as fc
    >>> bank = fc.Accounts()
    >>> bank.open([1], unlimited=True)
    >>> bank.open([7, 8, 99])
    >>> _ = bank.submit({"debit": [1, 1], "credit": [7, 8], "amount": [50, 50]})
    >>> sale = fc.SealedBids(bank, "2027-01-01T10", deposit=20, forfeits=99, commit_until=100, reveal_until=200)
    >>> bids = {"participant": [7, 8], "side": ["buy", "sell"], "price": [30, 10], "quantity": [5, 5], "order": [1, 2]}
    >>> commitments, salts = sale.prepare(bids)
    >>> sale.commit({"participant": [7, 8], "commitment": commitments}).tolist(), bank.available(7)
    ([0, 0], 30)
    >>> sale.advance(100)
    >>> opened = {name: column[:1] for name, column in bids.items()}
    >>> sale.reveal(opened | {"commitment": commitments[:1], "salt": salts[:1]}).tolist(), bank.available(7)
    ([0], 50)
    >>> sale.advance(200)
    >>> bank.available(8), bank.available(99), sale.orders()["order"].tolist()
    (30, 20, [1])
    """

    def __init__(
        self,
        bank: Accounts,
        auction: str,
        *,
        deposit: int,
        forfeits: int,
        commit_until: int,
        reveal_until: int,
        time: int = 0,
    ) -> None:
        if not isinstance(bank, Accounts):
            raise SettlementError(f"bank is a {type(bank).__name__}; give a fastclear.Accounts")
        if not isinstance(auction, str) or not auction:
            raise SettlementError(f"auction is {auction!r}; give a text that names it")
        self._bank = bank
        self._deposit = _whole("deposit", deposit, 1)
        self._forfeits = _whole("forfeits", forfeits, 0)
        bank.available(self._forfeits)
        self._commit_until = _whole("commit_until", commit_until, 0)
        self._reveal_until = _whole("reveal_until", reveal_until, 0)
        self._time = _whole("time", time, 0)
        if not self._time < self._commit_until < self._reveal_until:
            raise SettlementError("the times do not follow each other: give time < commit_until < reveal_until")
        self._auction = hashlib.sha256(auction.encode("utf-8", "surrogatepass")).digest()
        self._made: dict[tuple[int, bytes], _Commitment] = {}
        self._orders: set[tuple[int, int]] = set()
        self._attempts = 0
        self._forfeited = False

    @property
    def time(self) -> int:
        """Where time stands, ns."""
        return self._time

    @property
    def phase(self) -> str:
        """``commit``, ``reveal`` or ``closed``."""
        if self._time < self._commit_until:
            return "commit"
        return "reveal" if self._time < self._reveal_until else "closed"

    def advance(self, time: int) -> None:
        """Move time on; at ``reveal_until`` every deposit whose commitment was not revealed is forfeited.

        Raises
        ------
        SettlementError
            A time before the one that it is, or the bank cannot post a deposit (the account for forfeits was closed);
            time is then as before.
        """
        to = _whole("time", time, 0)
        if to < self._time:
            raise SettlementError(f"time is {self._time} ns and cannot go back to {to}")
        if to >= self._reveal_until and not self._forfeited:
            lost = [item for item in self._made.values() if item.order is None]
            self._resolve(lost, "post")
            self._forfeited = True
        self._time = to

    def prepare(self, bids: Any, salts: Iterable[bytes] | None = None) -> tuple[list[bytes], list[bytes]]:
        """Commitments and salts of bids: what each participant computes at home.

        Parameters
        ----------
        bids : frame or mapping of columns
            ``participant`` (account), ``side``, ``price``, ``quantity``, ``order``, and ``market`` (0 if left out).
        salts : iterable of bytes, optional
            32 random bytes a bid; by default from the operating system. Keep them: without its salt a bid cannot be
            revealed.

        Raises
        ------
        SettlementError
            A column that is missing or malformed.
        """
        rows = _rows(_columns(bids, ("participant", "side", "price", "quantity", "order"), ("market",)))
        salted = [os.urandom(SALT_LEN) for _ in rows] if salts is None else list(salts)
        if len(salted) != len(rows):
            raise SettlementError(f"there are {len(salted)} salts for {len(rows)} bids")
        hashes = [self._hash(row, salt) for row, salt in zip(rows, salted, strict=True)]
        for row, found in enumerate(hashes):
            if found is None:
                raise SettlementError(f"row {row}: the bid or its salt has no canonical bytes")
        return [item for item in hashes if item is not None], salted

    def commit(self, commitments: Any) -> NDArray[np.uint8]:
        """Take commitments, each with its deposit.

        Parameters
        ----------
        commitments : frame or mapping of columns
            ``participant`` (account) and ``commitment`` (32 bytes each).

        Returns
        -------
        ndarray of uint8
            A :class:`SealedBidCode` a row. A row that repeats an earlier one of the same call is a repetition even if
            that one was refused.

        Raises
        ------
        SettlementError
            A column that is missing, of another length or type; then nothing is taken.
        """
        columns = _columns(commitments, ("participant", "commitment"), ())
        participants, hashes = columns["participant"], columns["commitment"]
        codes = np.zeros(len(participants), np.uint8)
        fresh: dict[tuple[int, bytes], int] = {}
        for row, (participant, given) in enumerate(zip(participants, hashes, strict=True)):
            if self.phase != "commit":
                codes[row] = SealedBidCode.COMMIT_CLOSED
            elif not isinstance(given, bytes) or len(given) != 32 or not 0 <= participant < 2**64:
                codes[row] = SealedBidCode.MALFORMED
            elif (participant, given) in self._made or (participant, given) in fresh:
                codes[row] = SealedBidCode.ALREADY_COMMITTED
            else:
                fresh[participant, given] = row
        made = []
        for participant, given in fresh:
            made.append(_Commitment(self._attempts, participant, given, self._deposit))
            self._attempts += 1
        if made:
            reserved = self._bank.submit(
                {
                    "debit": np.array([item.participant for item in made], np.uint64),
                    "credit": np.full(len(made), self._forfeits, np.uint64),
                    "amount": np.array([item.deposit for item in made], np.int64),
                    "id": self._ids(made, 0),
                    "kind": ["pending"] * len(made),
                }
            )
            for item, code in zip(made, reserved.tolist(), strict=True):
                if code:
                    codes[fresh[item.participant, item.hash]] = SealedBidCode.NO_DEPOSIT
                else:
                    self._made[item.participant, item.hash] = item
        codes.flags.writeable = False
        return codes

    def reveal(self, bids: Any) -> NDArray[np.uint8]:
        """Open commitments: the order and salt behind each. The deposit of one that fits is released.

        Parameters
        ----------
        bids : frame or mapping of columns
            Those of :meth:`prepare`, with ``commitment`` and ``salt``.

        Returns
        -------
        ndarray of uint8
            A :class:`SealedBidCode` a row, rows in turn. A refused reveal can be tried again until the time is over.

        Raises
        ------
        SettlementError
            A column that is missing, of another length or type; then nothing is revealed.
        """
        columns = _columns(
            bids, ("participant", "side", "price", "quantity", "order", "commitment", "salt"), ("market",)
        )
        rows = _rows(columns)
        codes = np.zeros(len(rows), np.uint8)
        opened = []
        for at, row in enumerate(rows):
            code, item = self._judge(row, columns["commitment"][at], columns["salt"][at])
            codes[at] = code
            if item is not None:
                item.order = row[1:]
                self._orders.add((row[5], row[4]))
                opened.append(item)
        self._resolve(opened, "void")
        codes.flags.writeable = False
        return codes

    def _judge(
        self, row: tuple[int, int, int, int, int, int], given: object, salt: object
    ) -> tuple[SealedBidCode, _Commitment | None]:
        if self.phase != "reveal":
            return SealedBidCode.REVEAL_NOT_OPEN if self.phase == "commit" else SealedBidCode.REVEAL_CLOSED, None
        found = self._hash(row, salt)
        if found is None or not isinstance(given, bytes):
            return SealedBidCode.MALFORMED, None
        item = self._made.get((row[0], given))
        if item is None:
            return SealedBidCode.NOT_COMMITTED, None
        if item.order is not None:
            return SealedBidCode.ALREADY_REVEALED, None
        if found != given:
            return SealedBidCode.REVEAL_DIFFERS, None
        if (row[5], row[4]) in self._orders:
            return SealedBidCode.ORDER_TAKEN, None
        return SealedBidCode.OK, item

    def orders(self) -> dict[str, NDArray[Any]]:
        """Revealed orders as columns for :func:`fastclear.clear`; ``time`` is the place of the commitment in line.

        Raises
        ------
        SettlementError
            Reveals are not over: until then nobody, the operator included, is to see them.
        """
        if self.phase != "closed":
            raise SettlementError("reveals are not over; the orders are handed out when they are")
        found = [(item.number, item.participant, *item.order) for item in self._made.values() if item.order is not None]
        found.sort()
        names = ("time", "participant", "side", "price", "quantity", "order", "market")
        table = {name: np.array([row[at] for row in found], np.int64) for at, name in enumerate(names)}
        return table | {"side": table["side"].astype(np.uint8)}

    @property
    def commitments(self) -> pl.DataFrame:
        """One row a commitment: ``participant``, ``commitment`` (hex), ``deposit`` and ``state``."""
        lost = "forfeited" if self.phase == "closed" else "sealed"
        rows = [
            (item.participant, item.hash.hex(), item.deposit, lost if item.order is None else "revealed")
            for item in self._made.values()
        ]
        schema = {"participant": pl.UInt64, "commitment": pl.String, "deposit": pl.Int64, "state": pl.String}
        return pl.DataFrame(rows, schema=schema, orient="row")

    def __repr__(self) -> str:
        """Show phase and numbers."""
        revealed = sum(item.order is not None for item in self._made.values())
        return f"SealedBids, {self.phase}: {len(self._made)} commitments, {revealed} revealed"

    def _hash(self, row: tuple[int, int, int, int, int, int], salt: object) -> bytes | None:
        participant, side, price, quantity, order, market = row
        fits = 0 <= participant < 2**64 and min(order, market) >= -(2**63) and max(order, market) < 2**64
        in_range = -(2**31) < price < 2**31 and 1 <= quantity < 2**31 and side in (0, 1)
        if not (fits and in_range and isinstance(salt, bytes) and len(salt) == SALT_LEN):
            return None
        leaf = light_client._ORDER.pack(
            0xFD, 1, side, 0, 0, 0, order % 2**64, participant, market % 2**64, price, quantity, 0, 0
        )
        return hashlib.sha256(_COMMIT + self._auction + leaf + salt).digest()

    def _ids(self, items: list[_Commitment], step: int) -> NDArray[np.void]:
        content = (self._auction + item.number.to_bytes(8, "little") + bytes([step]) for item in items)
        ids = [hashlib.sha256(_DEPOSIT + part).digest()[:16] for part in content]
        return np.frombuffer(b"".join(ids), "V16")

    def _resolve(self, items: list[_Commitment], kind: str) -> None:
        """Void or post the deposits of these."""
        if not items:
            return
        zeros = np.zeros(len(items), np.uint64)
        codes = self._bank.submit(
            {
                "debit": zeros,
                "credit": zeros,
                "amount": np.array([item.deposit for item in items], np.int64),
                "id": self._ids(items, 1),
                "kind": [kind] * len(items),
                "reference": self._ids(items, 0),
                "linked": np.arange(len(items)) + 1 < len(items),
            }
        )
        if codes.any():
            worst = int(codes[codes != 0][0])
            raise SettlementError(f"the bank refuses to {kind} deposits: code {worst}; nothing was moved")


def _columns(given: Any, needed: tuple[str, ...], optional: tuple[str, ...]) -> dict[str, list[Any]]:
    """Columns as lists of one length; integers where there have to be."""
    if not isinstance(given, Mapping) and not hasattr(given, "columns"):
        raise SettlementError(f"{type(given).__name__} is no frame or mapping of columns")
    there = given if isinstance(given, Mapping) else {name: given[name] for name in given.columns}
    missing = [name for name in needed if name not in there]
    if missing:
        raise SettlementError(f"there is no column {', '.join(missing)}")
    columns: dict[str, list[Any]] = {}
    for name in (*needed, *(name for name in optional if name in there)):
        column = there[name]
        to_list = getattr(column, "to_list", None) or getattr(column, "tolist", None)
        columns[name] = list(column) if to_list is None else to_list()
        if name in ("commitment", "salt"):
            continue
        for row, value in enumerate(columns[name]):
            columns[name][row] = _side(value, row) if name == "side" else _integer(name, value, row)
    sizes = {name: len(column) for name, column in columns.items()}
    if len(set(sizes.values())) > 1:
        raise SettlementError(f"columns differ in length: {sizes}")
    return columns


def _integer(name: str, value: object, row: int) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise SettlementError(f"column {name}, row {row}: {value!r} is no integer")
    return operator.index(value)


def _side(value: object, row: int) -> int:
    found = _WORDS.get(value.lower()) if isinstance(value, str) else value
    if not isinstance(found, int | np.integer | np.bool_) or found not in (0, 1):
        raise SettlementError(f"column side, row {row}: {value!r} is no side; give 'buy' or 'sell'")
    return int(found)


def _rows(columns: dict[str, list[Any]]) -> list[tuple[int, int, int, int, int, int]]:
    market = columns.get("market") or [0] * len(columns["participant"])
    names = ("participant", "side", "price", "quantity", "order")
    return list(zip(*(columns[name] for name in names), market, strict=True))


def _whole(name: str, value: object, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not least <= value < 2**63:
        raise SettlementError(f"{name} is {value!r}; give a whole number from {least} to 2^63-1")
    return int(value)
