"""From a decided book to rows: fills, payments, trades and markets, as the Rust half returns them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fastclear import _core
from fastclear.auction.blocks.model import State
from fastclear.auction.blocks.orders import Read
from fastclear.auction.blocks.search import Decision
from fastclear.trades import MarketBlocks

_NO_BID: Final = int(np.iinfo(np.int64).min)
_NO_ASK: Final = int(np.iinfo(np.int64).max)

_SHOWN: Final = _core.MARKET_VALUES.index("market")
"""How many of the values of a market may mean nothing."""


class Result:
    """Columns of a cleared book.

    Parameters
    ----------
    read : Read
        Orders, reject codes and book.
    decision : Decision
        Accepted blocks, hours and prices.
    rationing : {"pro_rata", "time", "equal"}
        How hourly orders at the margin share.
    """

    def __init__(self, read: Read, decision: Decision, rationing: str) -> None:
        self._read = read
        self._decision = decision
        self._rationing = rationing
        orders = read.orders.orders
        self._is_bid: list[bool] = (orders.side == 1).tolist()
        self._quantity: list[int] = orders.quantity.tolist()
        ids = np.arange(orders.n) if orders.order is None else orders.order
        times = np.zeros(orders.n, np.int64) if orders.time is None else orders.time
        priority = np.empty(orders.n, np.int64)
        priority[np.lexsort((np.arange(orders.n), ids, times))] = np.arange(orders.n)
        self._priority: list[int] = priority.tolist()
        blocks = read.book.blocks
        self._inelastic = {row.row for rank in decision.outcome.accepted for row in blocks[rank].rows}
        self.filled: list[int] = [0] * orders.n
        self._payment: list[int] = [0] * orders.n
        self._trades: list[tuple[int, int, int, int, int]] = []  # market, buy row, sell row, quantity, price
        self._markets: list[dict[str, int]] = []
        by_hour: list[list[int]] = [[] for _ in read.markets]
        for row in np.flatnonzero(read.codes == 0).tolist():
            by_hour[read.hour[row]].append(row)
        for hour, rows in enumerate(by_hour):
            self._clear(hour, rows, decision.outcome.hours[hour], decision.prices[hour])

    def _clear(self, hour: int, rows: list[int], state: State, price: int | None) -> None:
        limit, blocks, filled = self._read.limit, self._read.orders.block, self.filled
        queues = []
        for buying, lots in ((True, state.bid_lots), (False, state.ask_lots)):
            side = [row for row in rows if self._is_bid[row] == buying]
            first = sorted((row for row in side if row in self._inelastic), key=self._priority.__getitem__)
            for row in first:
                filled[row] = self._quantity[row]
            better = -1 if buying else 1
            hourly = sorted(
                (row for row in side if blocks[row] < 0), key=lambda row: (better * limit[row], self._priority[row])
            )
            self._serve(hourly, lots)
            queues.append([row for row in first + hourly if filled[row]])
        market = int(self._read.markets[hour])
        self._pair(market, queues[0], queues[1], 0 if price is None else price)
        self._markets.append(self._row(market, rows, state, price))

    def _serve(self, rows: list[int], lots: int) -> None:
        """Fill hourly orders level by level; the level that does not fit is rationed."""
        start = 0
        while lots and start < len(rows):
            end = start
            while end < len(rows) and self._read.limit[rows[end]] == self._read.limit[rows[start]]:
                end += 1
            asked = [self._quantity[row] for row in rows[start:end]]
            shares = asked if sum(asked) <= lots else _share(self._rationing, asked, lots)
            for row, share in zip(rows[start:end], shares, strict=True):
                self.filled[row] = share
            lots -= sum(shares)
            start = end

    def _pair(self, market: int, bids: list[int], asks: list[int], price: int) -> None:
        """Pair fills in the order of service: accepted blocks first, then hourly orders by price, time and id."""
        left = {row: self.filled[row] for row in bids + asks}
        i = j = 0
        while i < len(bids) and j < len(asks):
            buy, sell = bids[i], asks[j]
            lots = min(left[buy], left[sell])
            self._trades.append((market, buy, sell, lots, price))
            self._payment[buy] += price * lots
            self._payment[sell] -= price * lots
            left[buy] -= lots
            left[sell] -= lots
            i, j = i + (not left[buy]), j + (not left[sell])

    def _row(self, market: int, rows: list[int], state: State, price: int | None) -> dict[str, int]:
        limit = self._read.limit
        bids, asks = ([row for row in rows if self._is_bid[row] == buying] for buying in (True, False))
        quiet = price is None
        paid = sum(self._payment[row] for row in bids)
        received = -sum(self._payment[row] for row in asks)
        row = dict.fromkeys(("price", "price_buy", "price_sell"), 0 if price is None else price)
        return row | {
            "market": market,
            "price_low": 0 if quiet else state.low,
            "price_high": 0 if quiet else state.high,
            "volume": state.volume,
            "buy_orders": len(bids),
            "sell_orders": len(asks),
            "best_bid": max((limit[row] for row in bids), default=_NO_BID) if quiet else 0,
            "best_ask": min((limit[row] for row in asks), default=_NO_ASK) if quiet else 0,
            "welfare": sum(
                (1 if self._is_bid[row] else -1) * limit[row] * self.filled[row] for row in rows if self.filled[row]
            ),
            "buyer_payment": paid,
            "seller_revenue": received,
            "surplus": paid - received,
        }

    # -- what the Rust half offers ------------------------------------------------------------------------------

    den: Final = 1
    pays_prices: Final = False
    has_payment: Final = True
    has_trades: Final = True

    @property
    def all_accepted(self) -> bool:
        """Whether no order was refused."""
        return not self._read.codes.any()

    def reject(self) -> NDArray[np.uint16]:
        """Reject codes."""
        return self._read.codes

    def payment(self) -> NDArray[np.int64]:
        """Payments; + pays, - receives."""
        return np.array(self._payment, np.int64)

    def trades(self) -> dict[str, NDArray[Any]]:
        """Columns of trades."""
        columns = list(zip(*self._trades, strict=True)) or [()] * 5
        market, buy, sell, quantity, price = (np.array(column, np.int64) for column in columns)
        return {
            "market": market,
            "trade": np.arange(len(self._trades), dtype=np.uint64),
            "buy_row": buy,
            "sell_row": sell,
            "quantity": quantity,
            "buy_price": price,
            "sell_price": price.copy(),
        }

    def markets(self) -> MarketBlocks:
        """Columns of markets side by side."""
        rows, quiet = self._markets, [row["volume"] == 0 for row in self._markets]
        wide = {
            name: [row[name] for row in rows]
            for name in _core.MARKET_VALUES
            if any(not -(2**63) <= row[name] < 2**63 for row in rows)
        }
        values = [[0 if name in wide else row[name] for row in rows] for name in _core.MARKET_VALUES]
        counts = [[row[name] for row in rows] for name in _core.MARKET_COUNTS]
        none = {"best_bid": "buy_orders", "best_ask": "sell_orders"}  # shown where nothing traded and there is one
        shown = [
            [
                is_quiet and row[none[name]] > 0 if name in none else not is_quiet
                for row, is_quiet in zip(rows, quiet, strict=True)
            ]
            for name in _core.MARKET_VALUES[:_SHOWN]
        ]
        n = len(rows)
        return (
            np.array(values, np.int64).reshape(len(values), n),
            np.array(shown, bool).reshape(len(shown), n),
            np.array(counts, np.uint32).reshape(len(counts), n),
            {},
            wide,
        )


def _share(rule: str, asked: Sequence[int], lots: int) -> list[int]:
    """What each order of a level gets of ``lots``, the orders in priority order."""
    if rule == "time":
        shares = []
        for quantity in asked:
            shares.append(min(quantity, lots))
            lots -= shares[-1]
        return shares
    if rule == "pro_rata":
        total = sum(asked)
        shares = [lots * quantity // total for quantity in asked]
        by_remainder = sorted(range(len(asked)), key=lambda i: -(lots * asked[i] % total))
        for i in by_remainder[: lots - sum(shares)]:
            shares[i] += 1
        return shares
    # Equal: the smallest orders are full as soon as an equal part covers them; the last lots go by priority.
    shares = [0] * len(asked)
    active = sorted(range(len(asked)), key=lambda i: asked[i])
    for place, i in enumerate(active):
        part = lots // (len(active) - place)
        if asked[i] > part:
            extra = lots - part * (len(active) - place)
            for rank, other in enumerate(sorted(active[place:])):
                shares[other] = part + (rank < extra)
            break
        shares[i] = asked[i]
        lots -= asked[i]
    return shares
