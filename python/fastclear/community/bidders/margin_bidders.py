"""ZIP: traders that hold a profit margin and move it towards what the market shows."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from fastclear.community.bidders.bidder import (
    ASK,
    BID,
    CALL,
    Bidder,
    Bool,
    Float64,
    Int64,
    Seen,
    generator,
    whole_column,
)
from fastclear.errors import MechanismError

_PURPOSE = 11


class Zip(Bidder):
    """Zero-intelligence-plus traders.

    A trader quotes ``limit * (1 + margin)``, a seller with ``margin >= 0``, a buyer with ``margin <= 0``. After a
    shout at ``q``, a seller raises its margin if there was a trade at ``q >= quote``; a seller that still has
    something to sell lowers it after a bid that traded at ``q <= quote``, or an ask at ``q <= quote`` that did not.
    Buyers mirror that. A raise or a fall aims at
    ``target = R q + A``; the step is that of Widrow & Hoff with momentum:

        momentum = gamma * momentum + (1 - gamma) * beta * (target - quote),  margin = (quote + momentum) / limit - 1

    held at 0 where it would cross. ``R`` and ``A`` are drawn for each trader and shout: up, R from [1, 1.05] and A from
    [0, 0.05] x `scale`; down, R from [0.95, 1] and A from [-0.05, 0] x `scale`. Source: Cliff 1997,
    "Minimal-intelligence agents for bargaining behaviors in market-based environments", HPL-97-91. The price of a call
    auction counts as a trade of both sides; that is our reading, the paper knows shouts only.

    Parameters
    ----------
    side, limit : array_like of int, shape (traders,)
        1 = buys, 0 = sells; ticks, more than 0 (a margin is relative).
    seed : int
        For what is not given, and for R and A.
    margin, beta, gamma : array_like of float, optional
        First margin, learning rate and momentum of each trader; by default drawn from 0.05 .. 0.35 (negative for
        buyers), 0.1 .. 0.5 and 0 .. 0.1.
    scale : float, default 1
        What a price of 1 of the paper is in ticks: absolute steps of 0.05 mean little where prices are hundreds of
        thousands.

    Examples
    --------
    >>> seller = Zip([0], [20], seed=1, margin=[0.1], beta=[0.3], gamma=[0.05])
    >>> seller.learn(25, np.array([1.02]), np.array([0.03]), np.array([True]))
    >>> round(float(seller.margin[0]), 7), seller.quote()
    (0.1503025, array([24]))
    """

    def __init__(
        self,
        side: ArrayLike,
        limit: ArrayLike,
        *,
        seed: int,
        margin: ArrayLike | None = None,
        beta: ArrayLike | None = None,
        gamma: ArrayLike | None = None,
        scale: float = 1.0,
    ) -> None:
        super().__init__(side, limit)
        if (self.limit <= 0).any():
            at = int(np.argmax(self.limit <= 0))
            raise MechanismError(
                f"limit of trader {at} is {self.limit[at]}; a margin is relative, so it must be above 0"
            )
        self._random = generator(seed, _PURPOSE)
        sign = np.where(self.buys, -1.0, 1.0)
        # all three are drawn whether given or not: a given margin does not move the other draws
        drawn = self._random.random((3, len(self)))
        self.margin = self._own("margin", margin, sign * (0.05 + 0.3 * drawn[0]))
        self.beta = self._own("beta", beta, 0.1 + 0.4 * drawn[1])
        self.gamma = self._own("gamma", gamma, 0.1 * drawn[2])
        self.momentum: Float64 = np.zeros(len(self))
        self.scale = float(scale)
        if (sign * self.margin < 0).any():
            at = int(np.argmax(sign * self.margin < 0))
            raise MechanismError(f"margin of trader {at} is {self.margin[at]}; it is >= 0 for sellers, <= 0 for buyers")

    def _own(self, name: str, given: ArrayLike | None, drawn: Float64) -> Float64:
        if given is None:
            return drawn
        values = np.asarray(given, np.float64)
        if values.shape != drawn.shape or not np.isfinite(values).all():
            raise MechanismError(f"{name} must be one finite number a trader, got shape {values.shape} for {len(self)}")
        return values.copy()

    @property
    def exact_quote(self) -> Float64:
        """``limit * (1 + margin)`` before it is rounded to ticks."""
        quote: Float64 = self.limit * (1.0 + self.margin)
        return quote

    def quote(self) -> Int64:
        """Give the quotes, whole ticks within limits; int64, shape (traders,)."""
        return self.kept_to_limit(self.exact_quote)

    def learn(self, price: int, r: Float64, a: Float64, who: Bool) -> None:
        """One step of those in `who` towards ``r * price + a``.

        Parameters
        ----------
        price : int
            What was shouted, ticks.
        r, a : ndarray of float64, shape (traders,)
            The relative and absolute part of the target.
        who : ndarray of bool, shape (traders,)
            Who learns.
        """
        quote = self.exact_quote
        step = (1.0 - self.gamma) * self.beta * (r * price + a - quote)
        momentum = self.gamma * self.momentum + step
        margin = (quote + momentum) / self.limit - 1.0
        margin = np.where(self.buys, np.minimum(margin, 0.0), np.maximum(margin, 0.0))
        self.momentum = np.where(who, momentum, self.momentum)
        self.margin = np.where(who, margin, self.margin)

    def observe(self, seen: Seen) -> None:
        """Learn from each shout in its order."""
        if seen.active.shape != (len(self),):
            raise MechanismError(f"active has the shape {seen.active.shape} for {len(self)} traders")
        active = seen.active
        whole_column("price", seen.price)
        for side, price, traded in zip(seen.side.tolist(), seen.price.tolist(), seen.traded.tolist(), strict=True):
            # whole ticks are compared: a bid rounded down would else never reach the quote that it came from
            quote = self.quote()
            above, below = price >= quote, price <= quote
            # the side whose shout makes sellers, or buyers, give in: a bid (an ask) that traded, an own side's that
            # did not
            sellers_yield = (side in (BID, CALL)) if traded else side == ASK
            buyers_yield = (side in (ASK, CALL)) if traded else side == BID
            gain = np.where(self.buys, below, above) & traded
            fall = np.where(self.buys, above & buyers_yield, below & sellers_yield) & active & ~gain
            draws = self._random.random((2, len(self)))
            up = np.where(self.buys, fall, gain)  # a buyer that gives in, like a seller that gains, quotes more
            r = np.where(up, 1.0 + 0.05 * draws[0], 1.0 - 0.05 * draws[0])
            a = np.where(up, 0.05, -0.05) * draws[1] * self.scale
            self.learn(price, r, a, gain | fall)
