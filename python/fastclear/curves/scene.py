"""One market as it is drawn: numbers for the eye, and where the picture ends."""

from __future__ import annotations

from typing import Final

import polars as pl

from fastclear.market_view import MarketView, Wording
from fastclear.units import Units

DEMAND: Final = "Demand (bids)"
SUPPLY: Final = "Supply (asks)"
TRADES: Final = "Price of each trade"


class Scene:
    """One market with everything that its picture shows.

    Parameters
    ----------
    view : MarketView
        The market.
    steps : polars.DataFrame
        Its curves.
    units : Units
        Units of the axes.
    """

    def __init__(self, view: MarketView, steps: pl.DataFrame, units: Units) -> None:
        self.view = view
        self.units = units
        self.words = Wording(units, view.clearing.den)
        self.remarks: list[str] = []
        self.sides = {name: steps.filter(pl.col("side") == side) for name, side in ((DEMAND, "bid"), (SUPPLY, "ask"))}
        self.prices = {
            name: None if (price := view.shown_figure(name)) is None else int(price)
            for name in ("price_low", "price_high", "price_buy", "price_sell")
        }
        self.right = self._right()

    def _right(self) -> int:
        """Where the picture ends: long curves are cut, so that the crossing can be seen."""
        ends = {name: int(steps["to"][-1]) if steps.height else 0 for name, steps in self.sides.items()}
        shorter, longer = sorted(ends.values())
        right = longer if shorter == 0 else min(longer, 2 * shorter)
        if self.view.volume:
            right = min(right, 4 * self.view.volume)
        # one order may be larger than all others together, such as the grid's: it is cut as well
        others = max(end - _largest(self.sides[name]["quantity"]) for name, end in ends.items())
        if others:
            right = min(right, max(4 * others, self.view.volume))
        for name, end in ends.items():
            if end > right:
                self.remarks.append(f"{name.split()[0]} runs on to {self.words.quantity(end)}")
        return right or self.units.lots

    def price(self, ticks: float, *, of_clearing: bool = False) -> float:
        """A price in the unit of the axis; ``of_clearing`` says that it is an integer over ``den``."""
        return float(ticks / (self.units.ticks * (self.words.den if of_clearing else 1)))

    def energy(self, lots: float) -> float:
        """A quantity in the unit of the axis."""
        return float(lots / self.units.lots)

    @property
    def by_trade(self) -> bool:
        """Whether each trade has a price of its own."""
        return (
            self.view.volume > 0
            and self.prices["price_buy"] is None
            and self.prices["price_sell"] is None
            and not self.view.clearing.pays_sums
        )


def _largest(quantities: pl.Series) -> int:
    return int(quantities.to_numpy().max(initial=0))
