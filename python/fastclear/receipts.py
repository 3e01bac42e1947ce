"""Receipts: the postings that a bank has made, as columns, frames and bills."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear import _core
from fastclear.members import called, participant_series

if TYPE_CHECKING:
    from fastclear.book.events import BookEvents
    from fastclear.clearing_columns import Cleared
    from fastclear.settlement import Settlement
    from fastclear.statements import History, Journal, Statement, Summary

MONEY: Final = pl.Decimal(38, 0)
_METER, _MISSING = next((kind, code) for kind, code, name in _core.LINE_NAMES if name == "missing")
_Scalar = TypeVar("_Scalar", bound=np.generic)


def read_only(array: NDArray[_Scalar]) -> NDArray[_Scalar]:
    """Mark a fresh array read-only, so that frames may alias it."""
    array.flags.writeable = False
    return array


def posting_frame(
    columns: Mapping[str, NDArray[Any]], payers: list[str | None], payees: list[str | None]
) -> pl.DataFrame:
    """Postings as a frame: every field, the names of ``kind`` and of ``line`` within it, who pays whom."""
    kinds = dict(_core.KIND_NAMES)
    lines = {(kind, code): name for kind, code, name in _core.LINE_NAMES}
    numbers = columns["kind"].tolist()
    keys = zip(numbers, columns["code"].tolist(), strict=True)
    named = {
        "kind": pl.Series("kind", [kinds[kind] for kind in numbers], dtype=pl.String),
        "line": pl.Series("line", [lines.get(key) for key in keys], dtype=pl.String),
        "payer": pl.Series("payer", payers, dtype=pl.String),
        "payee": pl.Series("payee", payees, dtype=pl.String),
    }
    order = ["seq", "time_ns", "kind", "line", "payer", "payee", "quantity", "price", "amount"]
    rest = [name for name in columns if name not in order]
    return pl.DataFrame([named[name] if name in named else pl.Series(name, columns[name]) for name in order + rest])


class Receipts:
    """A run of postings without gaps, in the order in which they were made.

    The ledger seals them as they are: one posting a record.
    """

    def __init__(self, postings: _core.Postings, bank: Settlement) -> None:
        self._postings = postings
        self._bank = bank
        self.slot_number: int | None = None
        """Which of the bank's slots was settled here, counted from 0; None if it was another call."""

    @property
    def bank(self) -> Settlement:
        """The bank that made the postings."""
        return self._bank

    def __len__(self) -> int:
        """Return the number of postings."""
        return len(self._postings)

    @property
    def unread(self) -> _core.Postings | None:
        """The postings as the core holds them, until somebody has their :attr:`columns`: then those are what counts."""
        return None if "columns" in vars(self) else self._postings

    @cached_property
    def columns(self) -> dict[str, NDArray[Any]]:
        """One read-only array a field, shape (postings,).

        ``kind``, ``flags`` (uint8), ``code``, ``asset`` (uint16), ``seq``, ``time_ns``, ``market``,
        ``buy_order``,
        ``sell_order``, ``debit``, ``credit`` (uint64), ``quantity`` (Wh), ``price`` (ticks), ``amount``
        (nano-currency, never negative) (int64), ``group`` (uint64).
        """
        return {name: read_only(column) for name, column in self._postings.columns().items()}

    @cached_property
    def bill_columns(self) -> dict[str, NDArray[Any]]:
        """The bill of each member touched, one read-only array a line, ascending account.

        ``account`` (uint64), ``energy``, ``platform``, ``network``, ``residual``, ``feed_in``, ``imbalance``,
        ``subscription``, ``tax``,
        ``net`` (int64, nano-currency: + the member pays, - receives).
        """
        return {name: read_only(column) for name, column in self._postings.bills().items()}

    @cached_property
    def frame(self) -> pl.DataFrame:
        """One row a posting: every field, the names of ``kind`` and of ``line`` within it, who pays whom.

        ``payer`` and ``payee`` are participants, the names of house accounts, or ``<participant>, debt``.
        """
        columns = self.columns
        return posting_frame(columns, self._called(columns["debit"]), self._called(columns["credit"]))

    def by_participant(self) -> pl.DataFrame:
        """Return each member's bill: ``participant``, ``account``, the lines of :attr:`bill_columns`."""
        bills = self.bill_columns
        names = self._bank.names(bills["account"].tolist())
        return pl.DataFrame([participant_series(names), *(pl.Series(name, column) for name, column in bills.items())])

    @property
    def missing(self) -> pl.DataFrame:
        """Members that traded in a metered slot and have no reading, one row a slot and member.

        ``seq`` of the posting that notes it (UInt64), ``participant``, ``contract_wh`` (Int64: bought less sold). What
        their deviation costs is open.
        """
        columns = self.columns
        noted = (columns["kind"] == _METER) & (columns["code"] == _MISSING)
        names = self._bank.names(columns["debit"][noted].tolist())
        return pl.DataFrame(
            [
                pl.Series("seq", columns["seq"][noted]),
                participant_series(names),
                pl.Series("contract_wh", columns["quantity"][noted]),
            ]
        )

    def statement(self, participant: str | int) -> Statement:
        """Every posting here that touches one member, with its balance after each; see :class:`fastclear.History`.

        Raises
        ------
        SettlementError
            A stranger, or receipts that are neither the bank's first nor its last: put several into a
            :class:`fastclear.History`.
        """
        return self._history().statement(participant)

    def summary(self) -> Summary:
        """One row a member: balance, deposits, every line of its bill; see :class:`fastclear.History`."""
        return self._history().summary()

    def journal(self, currency: str = "EUR", *, tz: str = "UTC", by: Literal["posting", "day"] = "posting") -> Journal:
        """These postings as a double-entry journal; see :class:`fastclear.History`."""
        return self._history().journal(currency, tz=tz, by=by)

    def explain(
        self, participant: str | int, clearing: Cleared | BookEvents | Sequence[Cleared | BookEvents] = ()
    ) -> str:
        """Say in words what became of a member's orders, what it metered and what it paid.

        Parameters
        ----------
        participant : str or int
            Who.
        clearing : Clearing, BookEvents, or sequence of them, optional
            What was settled; without it there is nothing about orders that did not trade.

        Raises
        ------
        SettlementError
            A stranger.
        """
        from fastclear.statements.story import told_to

        return told_to(self, participant, clearing)

    def _history(self) -> History:
        from fastclear.statements import History  # stands on this module

        return History(self)

    def pseudonyms(self, clearing: Cleared) -> NDArray[np.uint64]:
        """Account id of each order of ``clearing``, shape (n,); 0 for participants of no account."""
        return read_only(self._bank.pseudonyms(clearing.orders))

    def _called(self, accounts: NDArray[Any]) -> list[str | None]:
        ids = accounts.tolist()
        owners = self._bank.names([account % _core.PURSE_STEP for account in ids])
        return [called(account, owner) for account, owner in zip(ids, owners, strict=True)]

    def __repr__(self) -> str:
        """Show the first postings."""
        with pl.Config(tbl_rows=10, tbl_cols=9, tbl_hide_dataframe_shape=True):
            return f"Receipts of {len(self):,} postings\n{self.frame}"

    def _repr_html_(self) -> str:
        with pl.Config(tbl_rows=10):
            return f"<p>Receipts of {len(self):,} postings</p>{self.frame._repr_html_()}"
