"""How a credit bank sets the limits of its members by itself: terms, and the sums they are worked out from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from fastclear.columns import Participant, whole
from fastclear.entries import CODES, HOUSE, KINDS
from fastclear.errors import SettlementError
from fastclear.ratio import Ratio, ratio

if TYPE_CHECKING:
    from fastclear.settlement import Settlement

Income = Callable[["Settlement", Participant, date, date], int]
"""What a participant of a bank earned from one day (UTC) to before another, in nano-currency."""

_DAYS_MAX: Final = 3_660
_CLEARING: Final = HOUSE["clearing"]
_BACKSTOP: Final = HOUSE["backstop"]


@dataclass(frozen=True, slots=True)
class LimitPolicy:
    """How limits follow from income and deliveries, for :class:`fastclear.CreditBank`.

    When a period ends, every member's limit becomes the least of ``most``, ``share`` x income x score, and
    ``treasury_share`` of the money in the treasury (:func:`fastclear.credit_limit`). Income is what it was paid for
    energy in settled slots over the window; the score follows from its deliveries, metered against contract
    (:func:`fastclear.credit_score`): slow to earn, quick to lose.

    Parameters
    ----------
    most : int
        Nano-currency.
    share : int, str, Decimal or Fraction, default 1
        Share of the income, 0 to 1.
    window_days : int, default 30
        Days (UTC) before the period over which income is summed, 1 to 3660.
    treasury_share : int, str, Decimal or Fraction, default 1
        Share of the treasury that one member may have.
    period : {"month", "day", "cycle"}
        When limits are worked out: as a month or a day of UTC begins, by :meth:`fastclear.Settlement.advance`, or at
        the end of :meth:`fastclear.Settlement.close_cycle`.
    score : int, str, Decimal or Fraction, default 1
        Score that a member begins with, 0 to 1.
    gain, loss, threshold : int, str, Decimal or Fraction
        As in :func:`fastclear.credit_score`. ``gain=0, loss=0`` leaves scores as they begin.
    income : callable, optional
        ``income(bank, participant, first, until)``: what to count as income from a day to before another, instead of
        what the bank has settled by itself; for example only what is confirmed.

    Raises
    ------
    SettlementError
        A value that cannot be.

    Notes
    -----
    A limit may fall below what its member owes: then the member is ``restricted``, and nothing is forced. Limits set by
    hand hold until the next period. Members that were written off keep none.

    Examples
    --------
    >>> import fastclear as fc
    >>> policy = fc.LimitPolicy(most=80 * 10**9, share="0.8", window_days=31, score="0.65")
    >>> bank = fc.Settlement(profile=fc.CreditBank(limits=policy), tariff=fc.Tariff(0, 150_000))
    >>> bank.open("Ada")
    >>> bank.fund(500 * 10**9)
    >>> _ = bank.settle([], {"participant": ["Ada"], "energy_wh": [-1_000_000]})  # 150.00 on 1 January 1970
    >>> bank.advance(31 * 86_400 * 10**9)  # February begins
    >>> bank.limits.frame.select("limit", "income", "bound").row(0)
    (Decimal('78000000000'), Decimal('150000000000'), 'income')
    """

    most: int
    share: Ratio = 1
    window_days: int = 30
    treasury_share: Ratio = 1
    period: Literal["month", "day", "cycle"] = "month"
    score: Ratio = 1
    gain: Ratio = "0.05"
    loss: Ratio = "0.5"
    threshold: Ratio = "0.9"
    income: Income | None = None

    def __post_init__(self) -> None:
        for name in ("share", "treasury_share", "score", "gain", "loss", "threshold"):
            ratio(name, getattr(self, name), most=1)
        if whole("most", self.most) < 0:
            raise SettlementError(f"most = {self.most}; give nano-currency, 0 or more")
        if not 1 <= whole("window_days", self.window_days) <= _DAYS_MAX:
            raise SettlementError(f"window_days = {self.window_days}; look back 1 to {_DAYS_MAX} days")
        if self.period not in ("month", "day", "cycle"):
            raise SettlementError(f"period = {self.period!r}; use 'month', 'day' or 'cycle'")
        if self.income is not None and not callable(self.income):
            raise SettlementError(
                f"income = {self.income!r} cannot be called; give income(bank, participant, first, until)"
            )


@dataclass(frozen=True, slots=True)
class Slot:
    """What settled slots come to for some members: by account.

    Attributes
    ----------
    income : Counter
        Nano-currency received for energy that was sold, or generated and not sold.
    sold, delivered : dict
        Wh; for those with a reading. Delivered is what was generated and bought, at most what was sold.
    """

    income: Counter[int]
    sold: dict[int, int]
    delivered: dict[int, int]


def slot_of(columns: Mapping[str, NDArray[Any]]) -> Slot:
    """Read income and deliveries off the postings of a slot."""
    kind, code, debit, credit = (columns[name] for name in ("kind", "code", "debit", "credit"))
    amount, quantity = columns["amount"], columns["quantity"]

    def rows_of(of: str, *names: str) -> NDArray[np.intp]:
        number = KINDS[of]
        return np.flatnonzero((kind == number) & np.isin(code, [CODES[number, name] for name in names]))

    def signed(rows: NDArray[np.intp], house: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """Member and what it received: at a negative price it pays."""
        pays = credit[rows] == house
        return np.where(pays, debit[rows], credit[rows]), np.where(pays, -amount[rows], amount[rows])

    sale = rows_of("trade", "seller", "sum", "sum_paid")
    seller, received = signed(sale, _CLEARING)
    income = _sums(seller, received)
    income.update(_sums(*signed(rows_of("imbalance", "feed_in"), _BACKSTOP)))
    pooled = rows_of("trade", "pool_paid", "pool_received")
    pooled = pooled[quantity[pooled] < 0]  # loads that give
    giver, paid = signed(pooled, _CLEARING)
    income.update(_sums(giver, paid))
    meter = np.flatnonzero((kind == KINDS["meter"]) & (code != CODES[KINDS["meter"], "missing"]))
    metered = dict(zip(debit[meter].tolist(), quantity[meter].tolist(), strict=True))
    reader = dict(zip(columns["seq"][meter].tolist(), debit[meter].tolist(), strict=True))
    for row in rows_of("imbalance", "undelivered").tolist():
        given_back = reader[int(columns["group"][row])]
        income[given_back] -= int(amount[row]) * (1 if int(debit[row]) == given_back else -1)
    sold = _sums(seller, quantity[sale])
    post = np.flatnonzero(kind == KINDS["post"])
    bought = _sums(debit[post], quantity[post])
    promised = {account: wh for account, wh in sorted(sold.items()) if wh > 0 and account in metered}
    delivered = {account: min(max(bought[account] - metered[account], 0), wh) for account, wh in promised.items()}
    return Slot(income, promised, delivered)


def _sums(accounts: NDArray[np.uint64], values: NDArray[np.int64]) -> Counter[int]:
    """Sums by account."""
    sums: Counter[int] = Counter()
    for account, value in zip(accounts.tolist(), values.tolist(), strict=True):
        sums[account] += value
    return sums
