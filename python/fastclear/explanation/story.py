"""All that is known about one order, without words for it yet."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fastclear.market_view import MarketView, Wording, shown

if TYPE_CHECKING:
    from fastclear.trades import Clearing


class Story:
    """All that is known about one order.

    Parameters
    ----------
    clearing : Clearing
        The result.
    row : int
        The order's row.
    """

    def __init__(self, clearing: Clearing, row: int) -> None:
        orders = clearing.orders
        self.clearing = clearing
        self.row = row
        self.words = Wording(orders.units, clearing.den)
        self.buy = bool(orders.side[row] == 1)
        self.noun, self.counter = ("bid", "ask") if self.buy else ("ask", "bid")
        self.lots = int(orders.quantity[row])
        self.fill = int(clearing.filled[row])

    @cached_property
    def view(self) -> MarketView:
        """Its market."""
        columns = self.clearing.market_columns["market"]
        market = self.clearing.orders.market
        number = columns[0] if market is None else market[self.row]
        return MarketView(self.clearing, int(np.searchsorted(columns, number)))

    @cached_property
    def limit(self) -> int:
        """Its limit in ticks; a market order's is the one at which it competes."""
        return int(self.view.limits(np.array([self.row]))[0])

    @cached_property
    def competing(self) -> int:
        """The limit, of a bid less the fee."""
        return int(self.view.competing(np.array([self.row]))[0])

    @cached_property
    def own(self) -> NDArray[np.intp]:
        """Rows of the accepted orders of its side, best first."""
        return self.view.without_blocks(self.view.bids if self.buy else self.view.asks)

    @cached_property
    def others(self) -> NDArray[np.intp]:
        """Rows of the accepted orders of the other side, best first."""
        return self.view.asks if self.buy else self.view.bids

    @cached_property
    def place(self) -> int:
        """Its place in the merit order of its side, from 0."""
        return int(np.flatnonzero(self.own == self.row)[0])

    @cached_property
    def level(self) -> tuple[int, int, int]:
        """Orders at its price on its side: how many, lots they ask for, lots they got."""
        rows = self.own[self.view.competing(self.own) == self.competing]
        return len(rows), int(self.view.quantity(rows).sum()), int(self.view.filled(rows).sum())

    @cached_property
    def left_over(self) -> int | None:
        """The best price of the other side that has lots left, or None where all was taken."""
        left = self.others[self.view.filled(self.others) < self.view.quantity(self.others)]
        if not len(left):
            return None
        prices = self.view.competing(left)
        return int(prices.min() if self.buy else prices.max())

    def worse(self, one: int, other: int) -> bool:
        """Whether ``one`` ranks behind ``other`` on this side."""
        return one < other if self.buy else one > other

    @property
    def title(self) -> str:
        """``Bid 'a'``."""
        ids = self.clearing.orders.order_ids()
        name = shown(ids[self.row])
        return f"{self.noun.capitalize()} {name}"

    @property
    def where(self) -> str:
        """Its market, where there are several."""
        return f" in market {shown(self.view.name)}" if len(self.clearing.market_columns["market"]) > 1 else ""

    def at(self, price: int) -> str:
        """A price at which an order competes, in words."""
        return self.words.price(price)
