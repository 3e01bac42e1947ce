"""From deals to fills, payments, trades and markets, in the form in which the Rust half returns them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fastclear import _core
from fastclear.preference.reading import Book
from fastclear.trades import MarketBlocks

_LEAST, _MOST = np.iinfo(np.int64).min, np.iinfo(np.int64).max
_SHOWN: Final = _core.MARKET_VALUES.index("market")
"""How many of the values of a market may mean nothing."""


@dataclass(slots=True, eq=False)
class Deals:
    """Deals as columns, one row a deal.

    Attributes
    ----------
    market : ndarray of uint32
        Rank of the market.
    stage : ndarray of uint8
        Place of the stage.
    buy_row, sell_row : ndarray of int64
        Rows of the orders.
    quantity, price, fee : ndarray of int64
        Lots; what the seller receives a unit; what the buyer pays on top.
    """

    market: NDArray[np.uint32]
    stage: NDArray[np.uint8]
    buy_row: NDArray[np.int64]
    sell_row: NDArray[np.int64]
    quantity: NDArray[np.int64]
    price: NDArray[np.int64]
    fee: NDArray[np.int64]

    @classmethod
    def joined(cls, parts: list[Deals]) -> Deals:
        """All deals, market by market, those of a market in the order of the parts."""
        names = ("market", "stage", "buy_row", "sell_row", "quantity", "price", "fee")
        if not parts:
            kinds = (np.uint32, np.uint8, *[np.int64] * 5)
            return cls(*(np.zeros(0, kind) for kind in kinds))
        if len(parts) == 1:
            return parts[0]
        columns = [np.concatenate([getattr(part, name) for part in parts]) for name in names]
        turn = np.argsort(columns[0], kind="stable")
        return cls(*(column[turn] for column in columns))

    def traded(self, n: int) -> NDArray[np.int64]:
        """Lots of each of ``n`` orders."""
        lots = np.zeros(n, np.int64)
        np.add.at(lots, self.buy_row, self.quantity)
        np.add.at(lots, self.sell_row, self.quantity)
        return lots


def exact_sums(values: NDArray[np.int64], where: NDArray[Any], groups: int) -> NDArray[Any]:
    """Exact sums by group, as int64 or, where they might leave 64 bits, as Python integers."""
    if not len(values) or int(np.abs(values).max()) < 2**62 // len(values):
        sums = np.zeros(groups, np.int64)
        np.add.at(sums, where, values)
        return sums
    halves = [np.zeros(groups, np.int64) for _ in range(2)]  # of 32 bits: 2**31 of them fit
    np.add.at(halves[0], where, values & 0xFFFF_FFFF)
    np.add.at(halves[1], where, values >> 32)
    total: NDArray[Any] = halves[0].astype(object) + halves[1].astype(object) * 2**32
    return total


class Matched:
    """Columns of a matched book.

    Parameters
    ----------
    book : Book
        The orders.
    deals : Deals
        What they came to.
    """

    den: Final = 1
    pays_prices: Final = False
    has_payment: Final = True
    has_trades: Final = True

    def __init__(self, book: Book, deals: Deals) -> None:
        self.book = book
        self.deals = deals
        self.filled = deals.traded(book.orders.n)

    @property
    def all_accepted(self) -> bool:
        """Whether no order was refused."""
        return not self.book.codes.any()

    def reject(self) -> NDArray[np.uint16]:
        """Reject codes."""
        return self.book.codes

    @cached_property
    def _payment(self) -> NDArray[np.int64]:
        deals = self.deals
        payment = np.zeros(self.book.orders.n, np.int64)
        np.add.at(payment, deals.buy_row, (deals.price + deals.fee) * deals.quantity)
        np.subtract.at(payment, deals.sell_row, deals.price * deals.quantity)
        return payment

    def payment(self) -> NDArray[np.int64]:
        """Payments; + pays, - receives."""
        return self._payment

    def trade_markets(self) -> NDArray[np.int64]:
        """Market of each trade, as encoded."""
        return self.book.markets[self.deals.market]

    def trades(self) -> dict[str, NDArray[Any]]:
        """Columns of trades."""
        deals = self.deals
        columns = {
            "buy_row": deals.buy_row,
            "sell_row": deals.sell_row,
            "quantity": deals.quantity,
            "buy_price": deals.price + deals.fee,
            "sell_price": deals.price.copy(),
        }
        for column in columns.values():
            column.flags.writeable = False
        return columns

    def markets(self) -> MarketBlocks:
        """Columns of markets side by side."""
        book, deals, n = self.book, self.deals, len(self.book.markets)
        live, bids = book.codes == 0, book.is_bid
        volume = np.zeros(n, np.int64)
        np.add.at(volume, deals.market, deals.quantity)
        sign = np.where(bids, 1, -1)
        paid = exact_sums((deals.price + deals.fee) * deals.quantity, deals.market, n)
        received = exact_sums(deals.price * deals.quantity, deals.market, n)
        totals = {
            "welfare": exact_sums((sign * book.limit * self.filled)[live], book.market[live], n),
            "buyer_payment": paid,
            "seller_revenue": received,
            "surplus": paid - received,
        }
        counts = {
            side: np.bincount(book.market[live & of], minlength=n) for side, of in (("buy", bids), ("sell", ~bids))
        }
        best_bid, best_ask = np.full(n, _LEAST), np.full(n, _MOST)
        np.maximum.at(best_bid, book.market[live & bids], book.limit[live & bids])
        np.minimum.at(best_ask, book.market[live & ~bids], book.limit[live & ~bids])
        quiet = volume == 0
        values: dict[str, NDArray[Any]] = {
            "market": book.markets,
            "volume": volume,
            "best_bid": np.where(quiet, best_bid, 0),
            "best_ask": np.where(quiet, best_ask, 0),
            **totals,
        }
        wide: dict[str, list[int]] = {}
        for name, sums in totals.items():
            if sums.dtype == object:
                if all(_LEAST <= total <= _MOST for total in sums):
                    values[name] = sums.astype(np.int64)
                else:
                    wide[name], values[name] = [int(total) for total in sums], np.zeros(n, np.int64)
        nothing = np.zeros(n, np.int64)  # one price for a market there is not: stages and pairs have their own
        shown = {"best_bid": quiet & (counts["buy"] > 0), "best_ask": quiet & (counts["sell"] > 0)}
        never = np.zeros(n, bool)
        rows = [np.asarray(values.get(name, nothing), np.int64) for name in _core.MARKET_VALUES]
        numbers = [counts[name.removesuffix("_orders")] for name in _core.MARKET_COUNTS]
        return (
            np.array(rows, np.int64).reshape(len(rows), n),
            np.array([shown.get(name, never) for name in _core.MARKET_VALUES[:_SHOWN]], bool).reshape(_SHOWN, n),
            np.array(numbers, np.uint32).reshape(len(numbers), n),
            {},
            wide,
        )
