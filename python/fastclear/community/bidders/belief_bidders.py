"""Gjerstad & Dickhaut: traders that weigh a better price against the chance that it is taken."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import ArrayLike

from fastclear.community.bidders.bidder import ASK, BID, LIMIT, Bidder, Float64, Int64, Seen
from fastclear.errors import MechanismError

_CELLS = 2**20  # of the table trader x price that is looked at in one go
_TIE = 1e-12


class GjerstadDickhaut(Bidder):
    """Traders with beliefs, taken from the history of shouts that all of them have seen.

    For a price ``a`` that was shouted, a seller believes that an ask of ``a`` is taken with the probability
    ``(TA + B) / (TA + B + RA)``: TA asks taken at >= a, B bids at >= a, RA asks refused at <= a; a buyer that a bid
    ``b`` is taken with ``(TB + A) / (TB + A + RB)``: TB bids taken at <= b, A asks at <= b, RB bids refused at >= b.
    0/0 is 0. Sellers believe in 1 at price 0 and in 0 at `price_max`, buyers the other way round. Between two prices
    the belief is the cubic with zero slope at both ends. The quote is the whole price that maximises gain x belief, of
    equals the lowest. Source: Gjerstad & Dickhaut 1998, "Price formation in double auctions", Games and Economic
    Behavior 22.

    Parameters
    ----------
    side, limit : array_like of int, shape (traders,)
        1 = buys, 0 = sells; ticks from 0 to `price_max`.
    price_max : int
        Where belief ends.
    memory : int, default 60
        How many shouts are remembered, the latest. The paper counts trades; we count shouts, so that a step costs the
        same whatever happened.
    step : int, default 1
        Quotes are multiples of it (and limits): raise it where prices are finer than opinions.

    Notes
    -----
    The first quote, with nothing seen, follows from the end points alone. Cost of a round: traders x (price_max /
    step), in blocks.

    Examples
    --------
    >>> seller = GjerstadDickhaut([0], [15], price_max=50)
    >>> side, price = [0, 1, 0, 1, 0, 1, 0, 0, 1], [30, 18, 26, 22, 24, 25, 28, 27, 21]
    >>> taken = [False, False, True, False, False, True, True, False, False]
    >>> seller.observe(Seen.shouts(side, price, taken, traders=1))
    >>> seller.quote(), seller.expected_gain()
    (array([25]), array([7.5]))
    """

    def __init__(self, side: ArrayLike, limit: ArrayLike, *, price_max: int, memory: int = 60, step: int = 1) -> None:
        super().__init__(side, limit)
        if not 0 < price_max < LIMIT or not 0 < step <= price_max or memory < 1:
            raise MechanismError(
                f"price_max, step and memory are above 0, step is at most price_max; got {price_max}, {step}, {memory}"
            )
        outside = (self.limit < 0) | (self.limit > price_max)
        if outside.any():
            at = int(np.argmax(outside))
            raise MechanismError(f"limit of trader {at} is {self.limit[at]}, outside 0 .. {price_max}")
        self.price_max, self.step = price_max, step
        self._history: deque[tuple[int, int, bool]] = deque(maxlen=memory)
        self._grid = np.arange(0, price_max + 1, step, dtype=np.int64)

    def observe(self, seen: Seen) -> None:
        """Remember bids and asks; the price of a call, which nobody shouted, says nothing of what is taken."""
        for side, price, traded in zip(seen.side.tolist(), seen.price.tolist(), seen.traded.tolist(), strict=True):
            if side in (BID, ASK) and 0 <= price <= self.price_max:
                self._history.append((side, price, traded))

    def beliefs(self, *, buyers: bool) -> tuple[Int64, Float64]:
        """Prices that were shouted, with both ends, and what is believed of them.

        Returns
        -------
        price : ndarray of int64, shape (knots,)
            Ticks, rising.
        chance : ndarray of float64, shape (knots,)
            Falling for sellers, rising for buyers.
        """
        past = np.array(list(self._history), np.int64).reshape(-1, 3)
        side, price, taken = past[:, 0], past[:, 1], past[:, 2].astype(np.bool_)
        knots = np.unique(np.concatenate([price, [0, self.price_max]]))

        def at_least(values: Int64) -> Int64:
            return (len(values) - np.searchsorted(np.sort(values), knots, side="left")).astype(np.int64)

        def at_most(values: Int64) -> Int64:
            return np.searchsorted(np.sort(values), knots, side="right").astype(np.int64)

        own = side == (BID if buyers else ASK)
        if buyers:
            good = at_most(price[own & taken]) + at_most(price[~own])
            bad = at_least(price[own & ~taken])
        else:
            good = at_least(price[own & taken]) + at_least(price[~own])
            bad = at_most(price[own & ~taken])
        chance: Float64 = good / np.maximum(good + bad, 1)
        chance[0], chance[-1] = (0.0, 1.0) if buyers else (1.0, 0.0)
        return knots, chance

    def _chances(self, *, buyers: bool) -> Float64:
        """Beliefs at every price of the grid."""
        knots, chance = self.beliefs(buyers=buyers)
        right = np.clip(np.searchsorted(knots, self._grid, side="left"), 1, len(knots) - 1)
        left = right - 1
        t = (self._grid - knots[left]) / (knots[right] - knots[left])
        smooth: Float64 = chance[left] + (chance[right] - chance[left]) * (3.0 * t**2 - 2.0 * t**3)
        return smooth

    def _best(self) -> tuple[Int64, Float64]:
        price, gain = self.limit.copy(), np.zeros(len(self))
        for buyers in (False, True):
            who = np.flatnonzero(self.buys == buyers)
            if not who.size:
                continue
            chance = self._chances(buyers=buyers)
            for rows in np.array_split(who, -(-who.size * len(self._grid) // _CELLS)):
                margin = self._grid - self.limit[rows, None]
                expected = np.where(margin * (-1 if buyers else 1) >= 0, np.abs(margin) * chance, -1.0)
                most = expected.max(axis=1)
                # of prices that are equally good but for the last bit, the lowest
                at = (expected >= (most * (1.0 - _TIE))[:, None]).argmax(axis=1)
                hopeful = most > 0
                price[rows] = np.where(hopeful, self._grid[at], self.limit[rows])
                gain[rows] = np.maximum(most, 0.0)
        return price, gain

    def quote(self) -> Int64:
        """Give the best prices; who expects nothing from any price quotes its limit; int64, shape (traders,)."""
        return self._best()[0]

    def expected_gain(self) -> Float64:
        """What each trader expects of its quote, ticks a lot; float64, shape (traders,)."""
        return self._best()[1]
