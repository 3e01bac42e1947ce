"""What a loan should cost and how much of it a member should get: pure functions, outside of the accounts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Final

from fastclear.columns import whole
from fastclear.errors import SettlementError

Share = int | str | Decimal | Fraction
"""A number between 0 and 1, exactly: text such as ``"0.65"``, a Fraction or a Decimal; floats are refused."""

_ONE: Final = Fraction(1)


@dataclass(frozen=True, slots=True)
class Borrower:
    """Who may borrow: satisfaction ``alpha ln(1 + L / kappa)`` less ``rate L`` for a loan of L.

    Parameters
    ----------
    alpha : float
        Weight of the satisfaction, above 0.
    kappa : float
        Size of loan at which it begins to flatten, above 0, in units of money.
    loan_max : float, optional
        The most it may borrow, above 0.

    Raises
    ------
    SettlementError
        A value that is not above 0.

    Examples
    --------
    >>> import fastclear as fc
    >>> round(fc.Borrower(12, 100).loan(0.0519), 2)
    131.21
    """

    alpha: float
    kappa: float
    loan_max: float = math.inf

    def __post_init__(self) -> None:
        for name in ("alpha", "kappa", "loan_max"):
            if not getattr(self, name) > 0:
                raise SettlementError(f"{name} = {getattr(self, name)}; give a number above 0")

    def loan(self, rate: float) -> float:
        """Return what it borrows at ``rate``: its best answer, alpha / rate - kappa within 0 and ``loan_max``."""
        return self.loan_max if rate <= 0 else min(max(self.alpha / rate - self.kappa, 0.0), self.loan_max)


@dataclass(frozen=True, slots=True)
class LoanPrice:
    """The price that a bank should post, and what comes of it.

    ``rate`` (what a borrower expects to pay on each unit, penalty included), ``interest`` (the rate to post beside the
    penalty), ``loans`` (one a borrower), ``profit`` (expected, of the bank).
    """

    rate: float
    interest: float
    loans: tuple[float, ...]
    profit: float


def loan_price(
    borrowers: Borrower | Sequence[Borrower],
    *,
    funding: float,
    default: float = 0.0,
    loss: float = 1.0,
    penalty: float = 0.0,
    late: float = 0.0,
) -> LoanPrice:
    """Return the loan price of a bank that leads and whose borrowers follow (a Stackelberg game).

    The bank earns (1 - d)(rate - c) a unit, with c = (funding + d loss) / (1 - d). Between the rates at which a
    borrower drops out or reaches its most, the profit is concave with its top at sqrt(A c / K) (A and K: sums of alpha,
    and of kappa less the loans at their most); the best of these tops and of the ends is exact. Cost O(n²).

    Parameters
    ----------
    borrowers : Borrower, or a sequence of them
        One posted rate for all of them. It may shut the small ones out: price each class by itself.
    funding : float
        What a unit costs the bank, for the term.
    default, loss : float
        Probability that a loan is not repaid, below 1, and the share of it that is lost then.
    penalty, late : float
        Penalty on a unit that is late, and the probability of being late: ``rate = interest + late * penalty``.

    Returns
    -------
    LoanPrice

    Raises
    ------
    SettlementError
        No borrower, or a number out of its range.

    Notes
    -----
    Li, Kang, Yu, Ye, Deng & Zhang 2018 price loans of a credit bank this way; their utility functions are not public,
    these have the same shape (concave satisfaction, linear cost).

    Examples
    --------
    >>> import fastclear as fc
    >>> price = fc.loan_price(fc.Borrower(12, 100), funding=0.01, default=0.02, loss=0.6)
    >>> f"{price.rate:.3%} {price.loans[0]:.2f} {price.profit:.2f}"
    '5.190% 131.20 3.79'
    """
    group = [borrowers] if isinstance(borrowers, Borrower) else list(borrowers)
    if not group:
        raise SettlementError("no borrowers; give at least one fc.Borrower")
    for name, value, top in (("default", default, 1 - 1e-12), ("loss", loss, 1.0), ("late", late, 1.0)):
        if not 0 <= value <= top:
            raise SettlementError(f"{name} = {value}; give a probability or share, default below 1")
    for name, value in (("funding", funding), ("penalty", penalty)):
        if not (0 <= value < math.inf):
            raise SettlementError(f"{name} = {value}; give a number of 0 or more")
    cost = (funding + default * loss) / (1 - default)
    if cost == 0 and any(math.isinf(borrower.loan_max) for borrower in group):
        raise SettlementError("money that costs nothing has no best price; give funding, default or every loan_max")

    def profit(rate: float) -> float:
        return (1 - default) * (rate - cost) * sum(borrower.loan(rate) for borrower in group)

    ends = {b.alpha / b.kappa for b in group} | {b.alpha / (b.kappa + b.loan_max) for b in group}
    edges = sorted({max(end, cost) for end in ends} | {cost})
    candidates = [rate for rate in edges if rate > 0]
    for low, high in pairwise(edges):
        middle = (low + high) / 2
        free = [b for b in group if 0 < b.loan(middle) < b.loan_max]
        full = sum(b.loan_max for b in group if b.loan(middle) == b.loan_max)
        weight, size = sum(b.alpha for b in free), sum(b.kappa for b in free) - full
        if size > 0:
            candidates.append(min(max(math.sqrt(weight * cost / size), low), high))
    best = max((rate for rate in candidates if rate > 0), key=profit, default=cost)
    return LoanPrice(best, best - late * penalty, tuple(b.loan(best) if best > 0 else 0.0 for b in group), profit(best))


def credit_limit(
    *,
    most: int,
    income: int,
    share: Share = 1,
    score: Share = 1,
    treasury: int | None = None,
    treasury_share: Share = 1,
) -> int:
    """Return the limit of a member: the least of ``most``, a share of its income, and a share of the treasury.

    Set it with :meth:`fastclear.Settlement.set_limit` when a period ends, from income that is settled.

    Parameters
    ----------
    most : int
        Nano-currency.
    income : int
        What the member received over the window, nano-currency.
    share, score : int, str, Decimal or Fraction
        Share of the income, and the member's credit score, 0 to 1 each.
    treasury : int, optional
        Money of the treasury, nano-currency.
    treasury_share : int, str, Decimal or Fraction
        Share of it that one member may have.

    Returns
    -------
    int
        Nano-currency, rounded down, 0 or more.

    Raises
    ------
    SettlementError
        A float, or a share outside 0 to 1.

    Examples
    --------
    >>> import fastclear as fc
    >>> fc.credit_limit(most=80 * 10**9, income=150 * 10**9, share="0.8", score="0.65")
    78000000000
    """
    earned = whole("income", income) * _share("share", share) * _share("score", score)
    bounds = [Fraction(whole("most", most)), earned]
    if treasury is not None:
        bounds.append(whole("treasury", treasury) * _share("treasury_share", treasury_share))
    return max(math.floor(min(bounds)), 0)


def credit_score(
    score: Share,
    *,
    metered_wh: int,
    contract_wh: int,
    gain: Share = "0.05",
    loss: Share = "0.5",
    threshold: Share = "0.9",
) -> Fraction:
    """Return the credit score of a member after a delivery: slow to earn, quick to lose.

    With fulfilment f = 1 - abs(metered - contract) / contract, cut off at 0 and 1: the score S becomes
    S + gain (1 - S) f where f reaches the threshold, else S - loss S (1 - f). It is for admission, ties, limits and
    deposits, never for the merit order. The shape is that of fulfilment scores in the literature (Zhou, Chong, Lu &
    Yang 2022 and their family; their own formulas are not public).

    Parameters
    ----------
    score, gain, loss, threshold : int, str, Decimal or Fraction
        0 to 1 each.
    metered_wh, contract_wh : int
        Delivered and contracted energy in Wh; the contract above 0.

    Returns
    -------
    Fraction
        0 to 1, exactly.

    Raises
    ------
    SettlementError
        A float, a share outside 0 to 1, or no contract.

    Examples
    --------
    >>> import fastclear as fc
    >>> fc.credit_score("0.8", metered_wh=6, contract_wh=10), fc.credit_score("0.6", metered_wh=10, contract_wh=10)
    (Fraction(16, 25), Fraction(31, 50))
    """
    contract = whole("contract_wh", contract_wh)
    if contract <= 0:
        raise SettlementError(f"contract_wh = {contract}; a score needs a contract above 0 Wh")
    missed = min(Fraction(abs(whole("metered_wh", metered_wh) - contract), contract), _ONE)
    before, fulfilment = _share("score", score), _ONE - missed
    if fulfilment >= _share("threshold", threshold):
        return before + _share("gain", gain) * (_ONE - before) * fulfilment
    return before - _share("loss", loss) * before * missed


def exact(name: str, value: object) -> Fraction:
    """Return a number that is given exactly, as text, an integer, a Fraction or a Decimal; floats are refused."""
    if isinstance(value, bool | float) or not isinstance(value, int | str | Decimal | Fraction):
        raise SettlementError(f"{name} = {value!r} is a {type(value).__name__}; give text, a Fraction or a Decimal")
    try:
        return Fraction(value)
    except (ValueError, OverflowError, ZeroDivisionError) as error:
        raise SettlementError(f"{name} = {value!r} is no number") from error


def _share(name: str, value: object) -> Fraction:
    share = exact(name, value)
    if not 0 <= share <= 1:
        raise SettlementError(f"{name} = {value}; keep it between 0 and 1")
    return share
