"""What every check reads: a result's columns at one width, and what each order competed at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastclear.audit.report import broken, first

if TYPE_CHECKING:
    from fastclear.trades import Clearing

MARKETS = "every market is reported once, with the count of its accepted orders, and their best where nothing traded"

BOTH_SIDES, SEVERAL_ORDERS = 16, 17

_LEAST, _MOST = np.iinfo(np.int64).min, np.iinfo(np.int64).max


class State:
    """A clearing's columns, the market of each order, and its limit: for a market order, what it competed at.

    Attributes
    ----------
    index : ndarray of int64, shape (n,)
        Of each order, the row of its market in ``columns``.
    trade_index : ndarray of int64, shape (trades,)
        Of each trade likewise.
    accepted, is_bid : ndarray of bool, shape (n,)
    quantity : ndarray of int64, shape (n,)
        Lots on offer; 0 where refused.
    limit, competing : ndarray of int64, shape (n,)
        Ticks: the dearest a bid may pay and the least an ask may get; and the same less the fee, for bids.
    present : ndarray of bool, shape (n,)
        Accepted orders that took part. A rule that sends orders away (reserve, minimum quantity) narrows it.
    den : int
        What prices and money of the result are over.
    turn : ndarray of int64, shape (n,)
        Rank of each order by time, then id, then row.
    """

    def __init__(self, clearing: Clearing) -> None:
        orders = clearing.orders
        self.clearing = clearing
        self.mechanism: Any = clearing.mechanism
        self.columns = clearing.market_columns
        self.trades = clearing.trade_columns
        self.filled = clearing.filled
        self.payment = clearing.payment
        self.accepted = clearing.reject == 0
        self.is_bid = orders.side == 1
        self.quantity = np.where(self.accepted, orders.quantity.astype(np.int64), 0)
        self.den = int(getattr(clearing, "den", 1))
        self.fee = int(getattr(clearing.mechanism, "fee", 0))
        markets = np.zeros(orders.n, np.int64) if orders.market is None else orders.market
        self.index = self._index(markets)
        self.trade_index = np.searchsorted(self.columns["market"], self.trades["market"])
        self.trade_index[self.trade_index == len(self.columns["market"])] = 0  # no such market: the trades check says
        self.cap_low = _optional(getattr(clearing.mechanism, "cap_low", None))
        self.cap_high = _optional(getattr(clearing.mechanism, "cap_high", None))
        self.limit = self._limits(orders.price.astype(np.int64), orders.is_market_order)
        self.competing = self.limit - np.where(self.is_bid, self.fee, 0) if self.fee else self.limit
        self.present = self.accepted
        self._turn: NDArray[np.int64] | None = None

    def _index(self, markets: NDArray[np.int64]) -> NDArray[np.int64]:
        reported = self.columns["market"]
        descent = first(reported[1:] <= reported[:-1])
        if descent is not None:
            raise broken(MARKETS, f"row {descent + 1} of the markets is out of ascending order")
        index = np.searchsorted(reported, markets)
        known = self.clearing.orders.missing.get("market", np.zeros(len(markets), bool))
        index[index == len(reported)] = 0
        row = first((reported[index] != markets) & ~known)
        if row is not None:
            raise broken(MARKETS, f"row {row}: its market is not there")
        return index

    def _limits(self, price: NDArray[np.int64], kinds: NDArray[np.uint8] | None) -> NDArray[np.int64]:
        if kinds is None or not kinds.any():
            return price
        # Orders refused for their participant came to the market, and named a price, before it was known.
        named = self.accepted | np.isin(self.clearing.reject, (BOTH_SIDES, SEVERAL_ORDERS))
        limits = named & (kinds == 0)
        high = np.full(len(self.columns["market"]), _LEAST)
        low = np.full(len(self.columns["market"]), _MOST)
        np.maximum.at(high, self.index[limits], price[limits])
        np.minimum.at(low, self.index[limits], price[limits])
        dear = high[self.index] if self.cap_high is None else np.int64(self.cap_high)
        cheap = low[self.index] if self.cap_low is None else np.int64(self.cap_low)
        return np.where((kinds == 1) & self.accepted, np.where(self.is_bid, dear, cheap), price)

    @property
    def turn(self) -> NDArray[np.int64]:
        """Rank of each order by time, then id, then row."""
        if self._turn is None:
            orders = self.clearing.orders
            rows = np.arange(orders.n)
            keys = [key for key in (orders.order, orders.time) if key is not None]
            self._turn = np.empty(orders.n, np.int64)
            self._turn[np.lexsort((rows, *keys)) if keys else rows] = rows
        return self._turn

    @property
    def ids(self) -> NDArray[np.int64]:
        """Id of each order; without a column, its row."""
        orders = self.clearing.orders
        return np.arange(orders.n) if orders.order is None else orders.order

    @property
    def agents(self) -> NDArray[np.int64]:
        """Participant of each order; without a column, every order is its own, named as the order is."""
        participant = self.clearing.orders.participant
        return self.ids if participant is None else participant

    def sums(self, values: NDArray[np.int64], index: NDArray[np.int64] | None = None) -> NDArray[Any]:
        """Exact sums by market, as int64 or, where they might leave 64 bits, as Python integers."""
        where = self.index if index is None else index
        markets = len(self.columns["market"])
        if not len(values) or int(np.abs(values).max()) < 2**62 // len(values):
            sums = np.zeros(markets, np.int64)
            np.add.at(sums, where, values)
            return sums
        halves = [np.zeros(markets, np.int64) for _ in range(2)]  # of 32 bits: 2**31 of them fit
        np.add.at(halves[0], where, values & 0xFFFF_FFFF)
        np.add.at(halves[1], where, values >> 32)
        total: NDArray[Any] = halves[0].astype(object) + halves[1].astype(object) * 2**32
        return total

    def worst_and_best(
        self, rows: NDArray[np.bool_], values: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Least and largest of ``values[rows]`` by market; the far ends of int64 where there is none."""
        least = np.full(len(self.columns["market"]), _MOST)
        most = np.full(len(self.columns["market"]), _LEAST)
        np.minimum.at(least, self.index[rows], values[rows])
        np.maximum.at(most, self.index[rows], values[rows])
        return least, most

    def market(self, index: int) -> object:
        """Name of a market as the caller wrote it."""
        return self.clearing.orders.names("market", self.columns["market"][[index]])[0]


def _optional(value: Any) -> int | None:
    return None if value is None else int(value)
