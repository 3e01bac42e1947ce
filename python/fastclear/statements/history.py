"""A history: postings without gaps, from one or many receipts or from a ledger, and what can be read off them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear import _core
from fastclear.columns import Participant, checked_name
from fastclear.errors import SettlementError
from fastclear.leaves import POSTING_DTYPES
from fastclear.ledger import Ledger
from fastclear.members import called, participant_series, role
from fastclear.receipts import MONEY, Receipts, posting_frame
from fastclear.statements.sums import sums
from fastclear.statements.words import KIND_NUMBERS

if TYPE_CHECKING:
    from fastclear.settlement import Settlement
    from fastclear.statements.journal import Journal
    from fastclear.statements.statement import Statement
    from fastclear.statements.summary import Summary

HOUSE: Final = dict(_core.HOUSE_ACCOUNTS)
RESERVE, POST, VOID = (KIND_NUMBERS[name] for name in ("reserve", "post", "void"))
_MOVING = ("trade", "post", "deposit", "withdrawal", "net", "imbalance", "fee", "tax", "correction")
MOVING: Final = frozenset(KIND_NUMBERS[name] for name in _MOVING)
"""Kinds whose amount goes from the debited to the credited account."""
_Rows = list[dict[str, Any]]


class History:
    """Postings without gaps: what statements, summaries and journals are read off.

    Parameters
    ----------
    source : Receipts, iterable of Receipts, or Ledger
        Receipts of one bank, in the order in which it gave them. A ledger holds what was sealed, under account
        numbers.
    names : Settlement, or mapping of int to str or int, optional
        The bank that knows the names of a ledger's accounts, or a participant for each account number; without it
        members are named by number. Receipts know their bank; those of a bank and of its copy need the copy.
    opening : frame, optional
        What ``bank.balances`` was before the first posting. Needed only where the postings neither begin with the
        first one of the bank nor end with its last.

    Raises
    ------
    SettlementError
        Receipts with a gap, out of order or of several banks, a ledger without accounts, or something else than these.

    Examples
    --------
    >>> import fastclear as fc
    >>> bank = fc.Settlement(tariff=fc.Tariff(30, 5))
    >>> bank.open(["Ada", "Bo"])
    >>> bank.deposit("Ada", 5_000_000_000)
    >>> kept = [bank.receipts()]
    >>> bank.withdraw("Ada", 1_500_000_000)
    >>> kept.append(bank.receipts())
    >>> fc.History(kept).statement("Ada").frame.select("text", "amount", "balance").rows()
    [('account opened', 0, Decimal('0')), ('deposit', 5000000000, Decimal('5000000000')), \
('withdrawal', -1500000000, Decimal('3500000000'))]
    """

    def __init__(
        self,
        source: Receipts | Iterable[Receipts] | Ledger,
        names: Settlement | Mapping[int, Participant] | None = None,
        *,
        opening: pl.DataFrame | None = None,
    ) -> None:
        if isinstance(source, Ledger):
            if source.height and source.block(0).state_root is None:
                raise SettlementError("this ledger was sealed without receipts: it has trades, and no accounts")
            parts = [_records(source, height) for height in range(source.height)]
        else:
            receipts = [source] if isinstance(source, Receipts) else list(source)
            names = _one_bank(receipts) if names is None else names
            parts = [item.columns for item in receipts]
        self.columns = _joined(parts)
        self._names = names
        self._opening = opening

    def __len__(self) -> int:
        """Return the number of postings."""
        return len(self.columns["seq"])

    def __repr__(self) -> str:
        """Say which postings these are."""
        seq = self.columns["seq"]
        return f"History of {len(self):,} postings" + (f", {seq[0]:,} to {seq[-1]:,}" if len(seq) else "")

    # -- views
    # -------------------------------------------------------------------------------------------------

    def statement(self, participant: Participant) -> Statement:
        """Every posting that touches one member, with its balance after each.

        Parameters
        ----------
        participant : str or int
            Who; an account number where the names are not known.

        Raises
        ------
        SettlementError
            A stranger, or a history whose opening balances are not known.
        """
        from fastclear.statements.statement import statement

        return statement(self, participant)

    def summary(self) -> Summary:
        """One row a member: opening balance, deposits, every line of its bill, closing balance.

        Raises
        ------
        SettlementError
            A history whose opening balances are not known.
        """
        from fastclear.statements.summary import summary

        return summary(self)

    def journal(self, currency: str = "EUR", *, tz: str = "UTC", by: Literal["posting", "day"] = "posting") -> Journal:
        """The postings as a double-entry journal, for a general ledger.

        Parameters
        ----------
        currency : str, default "EUR"
            What money is counted in.
        tz : str, default "UTC"
            Zone whose dates the entries carry.
        by : {"posting", "day"}
            An entry each posting, or each day, pair of accounts and kind of line.

        Raises
        ------
        SettlementError
            A currency that is no code in capitals, an unknown zone or ``by``, or opening balances that are not known.
        """
        from fastclear.statements.journal import journal

        return journal(self, currency, tz, by)

    @property
    def postings(self) -> pl.DataFrame:
        """One row a posting, as :attr:`fastclear.Receipts.frame` has them."""
        columns = self.columns
        return posting_frame(columns, self.called(columns["debit"].tolist()), self.called(columns["credit"].tolist()))

    @property
    def balances(self) -> pl.DataFrame:
        """What each account holds after the last posting: ``account``, ``participant``, ``role``, ``posted``."""
        closing = self.closing
        accounts = sorted(closing)
        return pl.DataFrame(
            [
                pl.Series("account", accounts, dtype=pl.UInt64),
                participant_series(self.named(accounts)),
                pl.Series("role", [role(account) for account in accounts], dtype=pl.String),
                decimals("posted", (closing[account] for account in accounts)),
            ]
        )

    # -- names
    # -------------------------------------------------------------------------------------------------

    def named(self, accounts: Sequence[int]) -> list[Participant | None]:
        """Participants of accounts, None for the house's; account numbers where no bank is known."""
        if self._names is None:
            return [None if account < _core.FIRST_MEMBER else account for account in accounts]
        if isinstance(self._names, Mapping):
            return [self._names.get(account, None if account in HOUSE else account) for account in accounts]
        return self._names.names(accounts)

    def called(self, accounts: Sequence[int]) -> list[str | None]:
        """Names of members, with what a further account of theirs is for, and of house accounts; None for account 0."""
        owners = self.named([account % _core.PURSE_STEP for account in accounts])
        return [called(account, owner) for account, owner in zip(accounts, owners, strict=True)]

    def account(self, participant: Participant) -> int:
        """Return the account number of a member.

        Raises
        ------
        SettlementError
            A stranger.
        """
        if self._names is not None and not isinstance(self._names, Mapping):
            return self._names.account(participant)
        name = checked_name(participant)
        accounts = sorted(self.opening.keys() | self.moved.keys())
        for account, known in zip(accounts, self.named(accounts), strict=True):
            if known == name and type(known) is type(name):
                return account
        raise SettlementError(f"{participant!r} is no member of this history; give names=, the bank that knows them")

    # -- money
    # -------------------------------------------------------------------------------------------------

    def rows(self, of: NDArray[np.bool_] | None = None) -> _Rows:
        """Postings as dictionaries of Python numbers."""
        columns = {name: (column if of is None else column[of]).tolist() for name, column in self.columns.items()}
        return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]

    @cached_property
    def moved(self) -> Counter[int]:
        """What each account received less what it paid, nano-currency; every account that was opened or touched."""
        columns = self.columns
        sides = np.concatenate([columns["debit"], columns["credit"]])
        accounts, index = np.unique(sides, return_inverse=True)
        amounts = np.where(np.isin(columns["kind"], list(MOVING)), columns["amount"], 0)
        total = sums(index, np.concatenate([-amounts, amounts]), len(accounts))
        moved = Counter(dict(zip(accounts.tolist(), total, strict=True)))
        moved.pop(0, None)  # nobody's: the other side of openings, limits and readings
        return moved

    @cached_property
    def opening(self) -> dict[int, int]:
        """What each account held before the first posting, nano-currency.

        Raises
        ------
        SettlementError
            The postings do not tell.
        """
        if self._opening is not None:
            return _posted(self._opening)
        seq = self.columns["seq"]
        if not len(seq) or int(seq[0]) == 0:
            return {}
        bank = None if isinstance(self._names, Mapping) else self._names
        if bank is not None and bank.next_seq == int(seq[-1]) + 1:
            now = _posted(bank.balances)
            moved = self.moved
            return {account: posted - moved[account] for account, posted in now.items()}
        raise SettlementError(
            f"postings {seq[0]} to {seq[-1]} do not tell what was there before them; add the earlier receipts, or give "
            "opening=, what bank.balances was then"
        )

    @cached_property
    def closing(self) -> dict[int, int]:
        """What each account holds after the last posting, nano-currency."""
        total = Counter(self.opening)
        for account, moved in self.moved.items():
            total[account] += moved
        return dict(total)


def decimals(name: str, values: Iterable[int]) -> pl.Series:
    """Money as Decimal(38, 0), exactly."""
    return pl.Series(name, [Decimal(value) for value in values], dtype=MONEY)


def _posted(balances: pl.DataFrame) -> dict[int, int]:
    missing = [name for name in ("account", "posted") if name not in balances.columns]
    if missing:
        raise SettlementError(f"opening has no column {', '.join(missing)}; give what bank.balances was")
    return {account: int(posted) for account, posted in balances.select("account", "posted").rows()}


def _records(ledger: Ledger, height: int) -> dict[str, NDArray[Any]]:
    frame = ledger.records(height)
    columns = {name: frame[name].to_numpy() for name in frame.columns if name != "kind"}
    columns["kind"] = np.array([KIND_NUMBERS[name] for name in frame["kind"].cast(pl.String).to_list()], np.uint8)
    return columns


def _one_bank(receipts: Sequence[object]) -> Settlement | None:
    banks = []
    for item in receipts:
        if not isinstance(item, Receipts):
            raise SettlementError(f"{type(item).__name__} is no source of postings; give receipts or a ledger")
        banks.append(item.bank)
    if any(bank is not banks[0] for bank in banks):
        raise SettlementError("these receipts are of several banks; give those of one, or names=, who has them all")
    return banks[0] if banks else None


def _joined(parts: Sequence[Any]) -> dict[str, NDArray[Any]]:
    """Columns of all parts one after another, ``seq`` without gaps."""
    next_seq: int | None = None
    for part in parts:
        seq = cast("NDArray[np.uint64]", part["seq"])
        if not len(seq):
            continue
        if next_seq is not None and int(seq[0]) != next_seq:
            raise SettlementError(
                f"postings {seq[0]} to {seq[-1]} do not follow posting {next_seq - 1}; give all receipts, in order"
            )
        next_seq = int(seq[-1]) + 1
    return {
        name: np.concatenate([part[name] for part in parts]) if parts else np.empty(0, dtype)
        for name, dtype in POSTING_DTYPES.items()
    }
