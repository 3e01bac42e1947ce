"""What all bidders share: columns over traders, what they see of a market, and two bidders that need no memory.

A bidder is many traders at once. Limits and quotes are whole ticks; margins, beliefs and propensities are floats,
since they are opinions and nobody is paid by them. A float becomes money only as a quote: rounded towards the trader's
own advantage, so that rounding never crosses a limit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastclear.errors import MechanismError

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

BID: Final = 1
ASK: Final = 0
CALL: Final = -1
"""Side of a price that no trader shouted: the clearing price of a call auction."""
LIMIT: Final = 2**31
"""Prices stay below it in both directions, as everywhere."""


@dataclass(frozen=True, eq=False)
class Seen:
    """What a market shows after a shout or a call, and what it did to each trader.

    Attributes
    ----------
    side : ndarray of int8, shape (shouts,)
        1 a bid, 0 an ask, -1 the price of a call auction, which is on neither side.
    price : ndarray of int64, shape (shouts,)
        What was shouted; for a bid or an ask that traded at once against a resting order, the price of the trade.
    traded : ndarray of bool, shape (shouts,)
        Whether it traded.
    filled : ndarray of int64, shape (traders,)
        Lots that each trader traded.
    profit : ndarray of int64, shape (traders,)
        Gain of each trader in ticks times lots: (limit - price) x lots for a buyer, (price - limit) x lots for a
        seller.
    active : ndarray of bool, shape (traders,)
        Who still has something to trade.
    """

    side: NDArray[np.int8]
    price: Int64
    traded: Bool
    filled: Int64
    profit: Int64
    active: Bool

    @classmethod
    def shouts(cls, side: ArrayLike, price: ArrayLike, traded: ArrayLike, *, traders: int) -> Seen:
        """Shouts that did nothing to any trader here, all of whom are active.

        Examples
        --------
        >>> Seen.shouts([0], [25], [True], traders=2).active
        array([ True,  True])
        """
        nothing = np.zeros(traders, np.int64)
        return cls(
            np.atleast_1d(np.asarray(side, np.int8)),
            np.atleast_1d(np.asarray(price, np.int64)),
            np.atleast_1d(np.asarray(traded, np.bool_)),
            nothing,
            nothing,
            np.ones(traders, np.bool_),
        )


def whole_column(name: str, values: ArrayLike, length: int | None = None) -> Int64:
    """A column of whole ticks or lots, int64, checked.

    Raises
    ------
    MechanismError
        Naming the column, the first trader at fault and the range.
    """
    array = np.asarray(values)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise MechanismError(f"{name} must be one whole number a trader, got {array.dtype} of shape {array.shape}")
    if length is not None and len(array) != length:
        raise MechanismError(f"{name} has {len(array)} values for {length} traders")
    wild = (array <= -LIMIT) | (array >= LIMIT)
    if wild.any():
        at = int(np.argmax(wild))
        raise MechanismError(f"{name} of trader {at} is {array[at]}; it must stay between -2^31 and 2^31")
    return array.astype(np.int64)


def sides(values: ArrayLike, length: int | None = None) -> Bool:
    """A column of sides (1 = buy, 0 = sell, or bool) as "is a buyer"."""
    array = np.asarray(values)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iub") or not np.isin(array, (0, 1)).all():
        raise MechanismError(f"side must be 1 (buys) or 0 (sells), one a trader, got {array!r:.80}")
    if length is not None and len(array) != length:
        raise MechanismError(f"side has {len(array)} values for {length} traders")
    return array.astype(np.bool_)


def generator(seed: int, purpose: int) -> np.random.Generator:
    """A generator of its own for each purpose of a seed.

    Raises
    ------
    MechanismError
        If the seed is no whole number from 0 to 2^64 - 1.
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**64:
        raise MechanismError(f"seed must be a whole number from 0 to 2^64 - 1, got {seed!r}")
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(int(seed), spawn_key=(purpose,))))


class Bidder(ABC):
    """Traders of one kind: they quote, and they learn from what they see.

    Attributes
    ----------
    buys : ndarray of bool, shape (traders,)
        Who buys; the others sell.
    limit : ndarray of int64, shape (traders,)
        What a lot is worth to a buyer, or costs a seller, in ticks. It may be replaced between rounds.
    """

    def __init__(self, side: ArrayLike, limit: ArrayLike) -> None:
        self.limit: Int64 = whole_column("limit", limit)
        self.buys: Bool = sides(side, len(self.limit))

    def __len__(self) -> int:
        return len(self.limit)

    @abstractmethod
    def quote(self) -> Int64:
        """One price a trader, whole ticks; int64, shape (traders,)."""

    def observe(self, seen: Seen) -> None:
        """Learn from what a market showed. By default nothing is learnt."""
        del seen

    def kept_to_limit(self, price: Float64) -> Int64:
        """Whole ticks within limits: a bid is rounded down, an ask up, and none crosses the limit."""
        whole = np.where(self.buys, np.floor(price), np.ceil(price))
        whole = np.clip(whole, 1 - LIMIT, LIMIT - 1).astype(np.int64)
        kept: Int64 = np.where(self.buys, np.minimum(whole, self.limit), np.maximum(whole, self.limit))
        return kept


class Truthful(Bidder):
    """Traders that quote what a lot is worth to them.

    Examples
    --------
    >>> Truthful([1, 0], [30, 10]).quote()
    array([30, 10])
    """

    def quote(self) -> Int64:
        """Give the limits; int64, shape (traders,)."""
        return self.limit.copy()


@dataclass(frozen=True)
class Columns:
    """What one's own rule is given: columns over traders, and the last thing that was seen (None at first).

    Attributes
    ----------
    buys : ndarray of bool
    limit : ndarray of int64
    step : int
        How often quotes were asked for before.
    seen : Seen or None
    memory : dict
        Kept between calls, for whatever the rule wants to remember.
    """

    buys: Bool
    limit: Int64
    step: int
    seen: Seen | None
    memory: dict[str, Any] = field(default_factory=dict)


class OwnRule(Bidder):
    """Traders that quote what a function of yours says, over columns.

    Parameters
    ----------
    side, limit : array_like of int, shape (traders,)
        1 = buys, 0 = sells; ticks.
    rule : callable
        Takes :class:`Columns`, gives one whole price a trader. It is not held to the limits: that is its own affair.

    Raises
    ------
    MechanismError
        If the rule gives anything but one whole number a trader in the range of prices; the traders stay as they were.

    Examples
    --------
    >>> shade = OwnRule([1, 0], [30, 10], lambda see: np.where(see.buys, see.limit - 2, see.limit + 2))
    >>> shade.quote()
    array([28, 12])
    """

    def __init__(self, side: ArrayLike, limit: ArrayLike, rule: Callable[[Columns], ArrayLike]) -> None:
        super().__init__(side, limit)
        self._rule = rule
        self._step = 0
        self._seen: Seen | None = None
        self._memory: dict[str, Any] = {}

    @property
    def memory(self) -> Mapping[str, Any]:
        """What the rule has kept."""
        return self._memory

    def quote(self) -> Int64:
        """Ask the rule; int64, shape (traders,)."""
        told = Columns(self.buys.copy(), self.limit.copy(), self._step, self._seen, self._memory)
        price = whole_column("the price of your rule", self._rule(told), len(self))
        self._step += 1
        return price

    def observe(self, seen: Seen) -> None:
        """Keep what was seen for the next call of the rule."""
        self._seen = seen
