"""Zero-intelligence traders of Gode & Sunder, with and without the constraint not to lose."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from fastclear.community.bidders.bidder import LIMIT, Bidder, Int64, generator
from fastclear.errors import MechanismError

_PURPOSE = 10


class ZeroIntelligence(Bidder):
    """Traders that draw their price, uniform over whole ticks.

    Constrained (ZI-C), a buyer draws from ``price_min .. limit`` and a seller from ``limit .. price_max``.
    Unconstrained (ZI-U), both draw from ``price_min .. price_max`` and may trade at a loss. Source: Gode & Sunder
    1993, "Allocative efficiency of markets with zero-intelligence traders", J. Political Economy 101.

    Parameters
    ----------
    side, limit : array_like of int, shape (traders,)
        1 = buys, 0 = sells; ticks. Limits lie within ``price_min .. price_max``.
    price_max : int
        Highest price that anyone would say.
    price_min : int, default 1
        Lowest price.
    constrained : bool, default True
        ZI-C, or ZI-U.
    seed : int
        0 to 2^64 - 1. Same seed, same prices; one draw a trader and quote, whether it trades or not.

    Raises
    ------
    MechanismError
        If a limit or price is out of range.

    Examples
    --------
    >>> traders = ZeroIntelligence([1, 1, 0], [30, 5, 20], price_max=50, seed=1)
    >>> price = traders.quote()
    >>> bool((price[:2] <= [30, 5]).all()), bool(price[2] >= 20)
    (True, True)
    """

    def __init__(
        self,
        side: ArrayLike,
        limit: ArrayLike,
        *,
        price_max: int,
        price_min: int = 1,
        constrained: bool = True,
        seed: int,
    ) -> None:
        super().__init__(side, limit)
        if not -LIMIT < price_min <= price_max < LIMIT:
            raise MechanismError(f"prices need -2^31 < price_min <= price_max < 2^31, got {price_min} and {price_max}")
        outside = (self.limit < price_min) | (self.limit > price_max)
        if outside.any():
            at = int(np.argmax(outside))
            raise MechanismError(f"limit of trader {at} is {self.limit[at]}, outside {price_min} .. {price_max}")
        self.price_min, self.price_max, self.constrained = price_min, price_max, constrained
        self._random = generator(seed, _PURPOSE)

    def quote(self) -> Int64:
        """Draw one price a trader; int64, shape (traders,)."""
        low = np.full(len(self), self.price_min, np.int64)
        high = np.full(len(self), self.price_max, np.int64)
        if self.constrained:
            low = np.where(self.buys, low, self.limit)
            high = np.where(self.buys, self.limit, high)
        return self._random.integers(low, high, endpoint=True, dtype=np.int64)
