"""Supply and demand of one market: as a frame, and as a picture.

The frame is exact and whole, in ticks and lots. The picture is for eyes: floats, and at most a few thousand steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from fastclear.market_view import MarketView, market_index
from fastclear.units import Units

if TYPE_CHECKING:
    from fastclear.charts import AnyChart
    from fastclear.trades import Clearing

__all__ = ["curves", "plot"]

_TICKS_OF_PEOPLE: Final = 1_000  # a market without a price of 0.1 ct/kWh is an example in plain numbers


def curves(clearing: Clearing, market: object = None) -> pl.DataFrame:
    """The steps of supply and demand in one market.

    Parameters
    ----------
    clearing : Clearing
        The result.
    market : int or str, optional
        The caller's id of the market; needed only where there are several.

    Returns
    -------
    polars.DataFrame
        One row an accepted order: bids from the dearest, then asks from the cheapest, ties by time, then id.
        ``side`` (``bid`` or ``ask``), ``order`` (id), ``price`` (ticks; a market order's is the one at which it
        competes), ``quantity``, ``from``, ``to`` (lots: where the step begins and ends), ``filled`` (lots),
        ``marginal`` (Boolean: at the last price of its side that was served).

    Raises
    ------
    SchemaError
        There is no such market, or several and none was named.

    Examples
    --------
    >>> import fastclear as fc
    >>> orders = {"side": ["buy", "buy", "sell"], "price": [30, 25, 10], "quantity": [5, 4, 6]}
    >>> fc.clear(orders, fc.Uniform()).curves().filter("marginal").select("side", "order", "filled").rows()
    [('bid', 1, 1), ('ask', 2, 6)]
    """
    view = MarketView(clearing, market_index(clearing, market))
    ids = clearing.orders.order_ids()
    return pl.concat([_side(view, ids, buy=True), _side(view, ids, buy=False)])


def _side(view: MarketView, ids: pl.Series, *, buy: bool) -> pl.DataFrame:
    rows = view.bids if buy else view.asks
    quantity, filled = view.quantity(rows), view.filled(rows)
    ends = np.cumsum(quantity)
    worst = view.worst_served(buy=buy)
    marginal = np.zeros(len(rows), bool) if worst is None else view.competing(rows) == worst
    return pl.DataFrame(
        [
            pl.Series("side", ["bid" if buy else "ask"], dtype=pl.String).new_from_index(0, len(rows)),
            ids.gather(rows).alias("order"),
            pl.Series("price", view.limits(rows)),
            pl.Series("quantity", quantity),
            pl.Series("from", ends - quantity),
            pl.Series("to", ends),
            pl.Series("filled", filled.copy()),
            pl.Series("marginal", marginal),
        ]
    )


def plot(clearing: Clearing, market: object = None, *, units: Units | None = None) -> AnyChart:
    """Draw one market: supply, demand, prices, the clearing interval, the traded volume and the orders at the margin.

    A curve of more than 2,000 orders is drawn by levels of equal price, and one of more than 2,000 levels with every
    few neighbours as one step at their mean price, except near the traded volume; the picture says so.

    Parameters
    ----------
    clearing : Clearing
        The result.
    market : int or str, optional
        The caller's id of the market; needed only where there are several.
    units : Units, optional
        Units of the axes. By default those of the call; without any, ct/kWh and kWh, or ticks and lots where no price
        of the market reaches 0.1 ct/kWh.

    Returns
    -------
    altair.LayerChart
        With its theme; ``.save("market.html")``, ``.save("market.png")``.

    Raises
    ------
    SchemaError
        There is no such market, or several and none was named.
    """
    from fastclear.curves.picture import drawn  # altair, which the frame has no use for
    from fastclear.curves.scene import Scene

    view = MarketView(clearing, market_index(clearing, market))
    steps = curves(clearing, view.name if len(clearing.market_columns["market"]) > 1 else None)
    return drawn(Scene(view, steps, _units(clearing, steps, units)))


def _units(clearing: Clearing, steps: pl.DataFrame, asked: Units | None) -> Units:
    if asked is not None:
        return asked
    declared = clearing.orders.units
    if declared is not None and declared.price != "tick":
        return declared
    largest = steps["price"].abs().max() if steps.height else _TICKS_OF_PEOPLE
    small = isinstance(largest, int) and largest < _TICKS_OF_PEOPLE
    return Units() if small else Units(price="ct/kWh", quantity="kWh")
