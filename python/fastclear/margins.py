"""Margins and the order in which a loss is borne: pure functions, outside of the accounts, and the profile's terms."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Final

import numpy as np

from fastclear.columns import Participant, whole
from fastclear.errors import SettlementError
from fastclear.ratio import Ratio, ratio

PPM: Final = 1_000_000
_DAYS_MAX: Final = 3_660
_PENALTY_MAX: Final = 10_000_000


def initial_margin(history: Sequence[int], *, alpha: Ratio = "2.8", beta: Ratio = "1.5", days: int = 30) -> int:
    """Return the initial margin: a buffer for what a member may come to owe before it is asked to pay.

    max(mean + ``alpha`` sd, ``beta`` max) over the last ``days`` of the history, rounded up to the nano-currency. The
    standard deviation is that of the days themselves (divided by their number, not by one less), so that a single day
    has one.

    Parameters
    ----------
    history : sequence of int
        What the member came to owe on each day, oldest first: nano-currency, 0 or more. Where there are fewer than
        ``days``, all of them count; without any the margin is 0.
    alpha, beta : int, str, Decimal or Fraction
        Weight of the standard deviation, and of the worst day; 0 or more. ``alpha=0, beta=1`` asks for the worst day.
    days : int
        How far back it looks, 1 to 3660.

    Returns
    -------
    int
        Nano-currency.

    Raises
    ------
    SettlementError
        A float, a negative day, or a parameter out of range.

    Notes
    -----
    Exact: with sums S and Q of the days and of their squares, n sd is the root of nQ - S², and the root is taken in
    integers. The parameters are those that a European clearing house for energy publishes for its spot margin (2021:
    alpha 2.8, beta 1.5, 30 days; before that 3.1, 1.4, 20); the formula is read off their names. O(days).

    Examples
    --------
    >>> import fastclear as fc
    >>> fc.initial_margin([10, 20, 30], alpha=2, beta="1.5")
    45
    >>> fc.initial_margin([10, 20, 30], alpha=2, beta=1)  # 20 + 2 x 8.16…
    37
    """
    steepness, worst = ratio("alpha", alpha), ratio("beta", beta)
    if not 1 <= whole("days", days) <= _DAYS_MAX:
        raise SettlementError(f"days = {days}; look back 1 to {_DAYS_MAX} days")
    window = [_money(f"history[{row}]", day) for row, day in enumerate(history)][-days:]
    if not window:
        return 0
    n, total, squares = len(window), sum(window), sum(day * day for day in window)
    # (total + alpha * sqrt(n * squares - total²)) / n, over the denominator of alpha
    spread = _root_up(steepness.numerator**2 * (n * squares - total**2))
    statistical = -(-(total * steepness.denominator + spread) // (n * steepness.denominator))
    return max(statistical, math.ceil(worst * max(window)))


def _root_up(number: int) -> int:
    """The least integer that is not below the square root."""
    root = math.isqrt(number)
    return root + (root * root < number)


@dataclass(frozen=True, slots=True)
class Waterfall:
    """Who bears a loss, in the order in which they are asked.

    Attributes
    ----------
    loss : int
        Nano-currency. ``loss`` = the sum of ``layers`` + the sum of ``others`` + ``uncovered``.
    layers : dict
        What each layer bears, in their order.
    others : dict
        What each of the others bears.
    uncovered : int
        What nobody's layer reaches: the operator owes it.
    """

    loss: int
    layers: dict[str, int]
    others: dict[Participant, int]
    uncovered: int


def waterfall(loss: int, layers: Mapping[str, int], others: Mapping[Participant, int]) -> Waterfall:
    """Divide a loss over layers: each is used up before the next one is touched, the others share what is left.

    Parameters
    ----------
    loss : int
        Nano-currency, 0 or more.
    layers : mapping of str to int
        What each layer holds, in the order in which they are used.
    others : mapping
        What each of the others has contributed. They bear what the layers leave in proportion to it, in whole
        nano-currency by largest remainder, ties to the one that is named first.

    Returns
    -------
    Waterfall

    Raises
    ------
    SettlementError
        An amount that is negative or no integer.

    Examples
    --------
    >>> import fastclear as fc
    >>> fell = fc.waterfall(3000, {"margin": 2025, "fund": 250, "operator": 200}, {"Bo": 500, "Cem": 250, "Dana": 300})
    >>> fell.layers, fell.others, fell.uncovered
    ({'margin': 2025, 'fund': 250, 'operator': 200}, {'Bo': 250, 'Cem': 125, 'Dana': 150}, 0)
    """
    left = _money("loss", loss)
    used = {}
    for name, held in layers.items():
        used[name] = min(left, _money(f"layer {name!r}", held))
        left -= used[name]
    shares = shared(left, {name: _money(f"contribution of {name!r}", held) for name, held in others.items()})
    return Waterfall(loss, used, shares, left - sum(shares.values()))


def shared(amount: int, held: Mapping[Participant, int]) -> dict[Participant, int]:
    """``amount``, or all that is held if that is less, in proportion to what each holds."""
    total = sum(held.values())
    if amount >= total:
        return dict(held)
    shares = {name: amount * part // total for name, part in held.items()}
    left = amount - sum(shares.values())
    # who lost most by rounding down has one more; a share that was rounded is below what is held
    for name in sorted(held, key=lambda name: -(amount * held[name] % total))[:left]:
        shares[name] += 1
    return shares


def _money(name: str, value: object) -> int:
    """Money of any size: sums over a bank may leave 64 bits."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 0:
        raise SettlementError(f"{name} = {value!r}; give nano-currency, an integer of 0 or more")
    return int(value)


@dataclass(frozen=True, slots=True)
class CcpMargin:
    """Netting with collateral: the bank stands between buyer and seller, and members pledge what they may come to owe.

    As :class:`fastclear.PostpaidNetting`, but a member's limit follows from its collateral: (1 - haircut) x collateral
    - initial margin. The margin is :func:`fastclear.initial_margin` of what the member came to owe day by day, and is
    worked out anew when a day (UTC) ends. What a member who fails leaves unpaid is borne by its margin, its part of the
    default fund, the operator's guarantee and the parts of the others (:func:`fastclear.waterfall`).

    Parameters
    ----------
    alpha, beta : int, str, Decimal or Fraction, default "2.8" and "1.5"
        Weights of the standard deviation and of the worst day.
    days : int, default 30
        How far back the margin looks.
    haircut_ppm : int, default 0
        Parts per million of the collateral that do not count, below 1,000,000.
    penalty_ppm : int, default 0
        Parts per million a day on what a member owes to the operator after it failed; at most 10,000,000.

    Raises
    ------
    SettlementError
        A value that cannot be.

    Notes
    -----
    ``fc.CcpMargin(alpha=0, beta=1)`` is a community whose members leave a deposit for their worst day.

    Examples
    --------
    >>> import fastclear as fc
    >>> bank = fc.Settlement(profile=fc.CcpMargin(haircut_ppm=200_000), tariff=fc.Tariff(30, 5))
    >>> bank.open("Ada")
    >>> bank.deposit("Ada", 1_000)
    >>> bank.pledge("Ada", 1_000)
    >>> bank.available("Ada")
    800
    """

    alpha: Ratio = "2.8"
    beta: Ratio = "1.5"
    days: int = 30
    haircut_ppm: int = 0
    penalty_ppm: int = 0
    stands_on: ClassVar[str] = "postpaid_netting"

    def __post_init__(self) -> None:
        self.margin([])
        if not 0 <= whole("haircut_ppm", self.haircut_ppm) < PPM:
            raise SettlementError(f"haircut_ppm = {self.haircut_ppm}; keep it between 0 and 999999")
        if not 0 <= whole("penalty_ppm", self.penalty_ppm) <= _PENALTY_MAX:
            raise SettlementError(f"penalty_ppm = {self.penalty_ppm}; keep it between 0 and {_PENALTY_MAX}")

    @property
    def terms(self) -> tuple[int, int, int, int]:
        """The terms of what failed members owe, as the core takes them."""
        return (0, 1, 0, self.penalty_ppm)

    def margin(self, history: Sequence[int]) -> int:
        """Return the initial margin for a history of days."""
        return initial_margin(history, alpha=self.alpha, beta=self.beta, days=self.days)

    def value(self, collateral: int) -> int:
        """Return what counts of the collateral, rounded down."""
        return collateral * (PPM - self.haircut_ppm) // PPM

    def needed(self, requirement: int) -> int:
        """Return the least collateral that counts as much as ``requirement``."""
        return math.ceil(Fraction(requirement * PPM, PPM - self.haircut_ppm))
