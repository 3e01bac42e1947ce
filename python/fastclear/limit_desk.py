"""The limits of a credit bank: what they were worked out from, and the frame that says so."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final, cast

import polars as pl
from numpy.typing import NDArray

from fastclear import _core
from fastclear.columns import whole
from fastclear.desks import DAY_NS, CycleRow, Desk, all_or_none
from fastclear.entries import HOUSE
from fastclear.errors import SettlementError
from fastclear.lending import credit_score
from fastclear.limits import LimitPolicy, slot_of
from fastclear.members import participant_series
from fastclear.netting import money as money_series
from fastclear.ratio import ratio
from fastclear.statements.view import View

if TYPE_CHECKING:
    from fastclear.receipts import Receipts
    from fastclear.settlement import Settlement

_EPOCH: Final = date(1970, 1, 1)
_ONE: Final = 10**9
_NO_LIMIT: Final = frozenset({None, "closed", "defaulted"})


class Limits(View):
    """One row a member, ascending account: its limit, and which term bound it.

    ``account``, ``participant``; ``limit`` (in force), ``most``, ``income`` (over the window), ``earned`` (share x
    income x score), ``treasury`` (one member's share of it), nano-currency, Decimal(38, 0), null before the first
    period; ``score_ppm`` (now, Int64); ``bound`` (``"most"``, ``"income"``, ``"treasury"``: the least of the three, the
    first where two are equal; ``"by hand"`` where somebody has set another limit since), ``since`` (Date, the first day
    of the period).
    """

    _MONEY = ("limit", "most", "income", "earned", "treasury")
    _HIDDEN = ("account",)


@dataclass(frozen=True, slots=True)
class _Terms:
    """What one limit came from, nano-currency."""

    since: int
    limit: int
    income: int
    earned: int
    treasury: int


class LimitBook(Desk):
    """What limits follow from: income by day, scores, and how the last ones came about."""

    def __init__(self, policy: LimitPolicy) -> None:
        self.policy = policy
        self.terms: Mapping[int, _Terms] = {}
        self._begin = int(ratio("score", policy.score, most=1) * _ONE)
        self._scores: dict[int, int] = {}  # parts of 10**9, rounded down
        self._income: Counter[tuple[int, int]] = Counter()  # by member and day

    def __copy__(self) -> LimitBook:
        """Return one of its own."""
        twin = LimitBook(self.policy)
        twin.terms, twin._scores, twin._income = self.terms, dict(self._scores), Counter(self._income)
        return twin

    def score(self, account: int) -> Fraction:
        """The score of a member now."""
        return Fraction(self._scores.get(account, self._begin), _ONE)

    def after_slot(self, bank: Settlement, receipts: Receipts, /) -> None:
        """Note what the slot brought in, and what was delivered of what was promised."""
        policy, today, slot = self.policy, bank._bank.today(), slot_of(receipts.columns)
        for account, received in slot.income.items():
            self._income[account, today] += received
        for account, contract in slot.sold.items():
            score = credit_score(
                self.score(account),
                metered_wh=slot.delivered[account],
                contract_wh=contract,
                gain=policy.gain,
                loss=policy.loss,
                threshold=policy.threshold,
            )
            self._scores[account] = int(score * _ONE)

    def advance(self, bank: Settlement, time_ns: int) -> None:
        """Move the clock; where a period begins, work every limit out anew."""
        before, after = (self._period(day) for day in (bank._bank.today(), time_ns // DAY_NS))
        if self.policy.period == "cycle" or before == after:
            bank._bank.advance(time_ns)
            return
        with all_or_none(bank):
            bank._bank.advance(time_ns)
            self._set_limits(bank, after)

    def close_cycle(self, bank: Settlement, failed: NDArray[Any]) -> list[CycleRow]:
        """End a cycle, and work every limit out anew where a cycle is the period."""
        if self.policy.period != "cycle":
            return bank._bank.close_cycle(failed)
        with all_or_none(bank):
            lines = bank._bank.close_cycle(failed)
            self._set_limits(bank, bank._bank.today() + 1)
        return lines

    def _period(self, day: int) -> int:
        """First day of the period that a day is in."""
        if self.policy.period != "month":
            return day
        return (date_of(day).replace(day=1) - _EPOCH).days

    def _set_limits(self, bank: Settlement, since: int) -> None:
        """Every limit as it follows from the days before ``since``."""
        policy, first = self.policy, since - self.policy.window_days
        rows = bank._bank.balances()
        share, of_treasury = ratio("share", policy.share), ratio("treasury_share", policy.treasury_share)
        by_treasury = math.floor(next(row[1] for row in rows if row[0] == HOUSE["treasury"]) * of_treasury)
        self._income = Counter({key: amount for key, amount in self._income.items() if key[1] >= first})
        earned: Counter[int] = Counter()
        for (account, _), amount in self._income.items():
            earned[account] += amount
        terms = {}
        for account, _, _, _, _, in_force, _, status in rows:
            if status in _NO_LIMIT:
                continue
            income = max(self._asked(bank, account, first, since, earned[account]), 0)
            by_income = math.floor(income * share * self.score(account))
            limit = min(policy.most, by_income, by_treasury)
            terms[account] = _Terms(since, limit, income, by_income, by_treasury)
            if limit != in_force:
                bank._bank.set_limit(account, limit)
        self.terms = terms

    def _asked(self, bank: Settlement, account: int, first: int, until: int, own: int) -> int:
        """Income of a member over the window: the bank's own count, or what the policy's source says."""
        if self.policy.income is None:
            return own
        (name,) = bank.names([account])
        income = self.policy.income(bank, cast("Any", name), date_of(max(first, 0)), date_of(until))
        return whole(f"income of participant {name!r}", income)


class LimitDesk:
    """What a bank whose limits follow from a :class:`fastclear.LimitPolicy` can say beside what every bank does."""

    _bank: _core.Bank
    _desk: Desk

    @property
    def limits(self) -> Limits:
        """Each member's limit and what bound it: a frame to print, export and write; see its class.

        Raises
        ------
        SettlementError
            A bank without such a policy.
        """
        book = self._desk
        if not isinstance(book, LimitBook):
            raise SettlementError(
                "limits: those of this bank are set by hand; give it fc.CreditBank(limits=fc.LimitPolicy(...))"
            )
        rows = [row for row in self._bank.balances() if row[7] is not None]
        accounts, in_force = [row[0] for row in rows], [row[5] for row in rows]
        terms = [book.terms.get(account) for account in accounts]
        most = book.policy.most

        def column(name: str) -> pl.Series:
            return money_series(name, [0 if each is None else getattr(each, name) for each in terms])

        frame = pl.DataFrame(
            [
                pl.Series("account", accounts, dtype=pl.UInt64),
                participant_series(cast("Settlement", self).names(accounts)),
                money_series("limit", in_force),
                money_series("most", [most] * len(rows)),
                *(column(name) for name in ("income", "earned", "treasury")),
                pl.Series("score_ppm", [int(book.score(account) * 10**6) for account in accounts], dtype=pl.Int64),
                pl.Series(
                    "bound", [_bound(*each, most) for each in zip(terms, in_force, strict=True)], dtype=pl.String
                ),
                pl.Series("since", [None if each is None else date_of(each.since) for each in terms], dtype=pl.Date),
            ]
        )
        unknown = pl.col("since").is_null()
        nulls = [pl.when(~unknown).then(pl.col(name)).alias(name) for name in ("income", "earned", "treasury")]
        return Limits(frame.with_columns(nulls), f"Limits of {len(frame):,} members")


def _bound(terms: _Terms | None, in_force: int, most: int) -> str:
    """Which term a limit comes from."""
    if terms is None or terms.limit != in_force:
        return "by hand"
    bounds = {"most": most, "income": terms.earned, "treasury": terms.treasury}
    return min(bounds, key=lambda name: bounds[name])


def date_of(day: int) -> date:
    """The date that is so many days after 1970-01-01."""
    return _EPOCH + timedelta(days=day)
