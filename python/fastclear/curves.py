"""Supply and demand of one market: as a frame, and as a picture.

The frame is exact and whole, in ticks and lots. The picture is for eyes: floats, and at most a few thousand steps.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import altair as alt
import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear.charts import BLUE, GREEN, GREY, INK, SKY, THEME, VERMILION, AnyChart
from fastclear.market_view import MarketView, Wording, exact, market_index, shown
from fastclear.units import Units

if TYPE_CHECKING:
    from fastclear.trades import Clearing

_STEPS_DRAWN: Final = 2_000
"""Most steps of one curve that a picture draws."""
_TICKS_OF_PEOPLE: Final = 1_000  # a market without a price of 0.1 ct/kWh is an example in plain numbers
_DEMAND, _SUPPLY, _TRADES = "Demand (bids)", "Supply (asks)", "Price of each trade"


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
    view = MarketView(clearing, market_index(clearing, market))
    steps = curves(clearing, view.name if len(clearing.market_columns["market"]) > 1 else None)
    return _Picture(view, steps, _units(clearing, steps, units)).drawn()


def _units(clearing: Clearing, steps: pl.DataFrame, asked: Units | None) -> Units:
    if asked is not None:
        return asked
    declared = clearing.orders.units
    if declared is not None and declared.price != "tick":
        return declared
    largest = steps["price"].abs().max() if steps.height else _TICKS_OF_PEOPLE
    small = isinstance(largest, int) and largest < _TICKS_OF_PEOPLE
    return Units() if small else Units(price="ct/kWh", quantity="kWh")


class _Picture:
    """One market with everything on it."""

    def __init__(self, view: MarketView, steps: pl.DataFrame, units: Units) -> None:
        self.view = view
        self.units = units
        self.words = Wording(units, view.clearing.den)
        self.remarks: list[str] = []
        self.sides = {name: steps.filter(pl.col("side") == side) for name, side in ((_DEMAND, "bid"), (_SUPPLY, "ask"))}
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

    # -- numbers for the eye -----------------------------------------------------------------------------------

    def price(self, ticks: float, *, of_clearing: bool = False) -> float:
        return float(ticks / (self.units.ticks * (self.words.den if of_clearing else 1)))

    def energy(self, lots: float) -> float:
        return float(lots / self.units.lots)

    # -- layers ------------------------------------------------------------------------------------------------

    def drawn(self) -> AnyChart:
        parts = {name: self._thinned(name, steps) for name, steps in self.sides.items()}
        layers: list[Any] = [*self._interval(), *self._volume(), *self._price_lines()]
        layers += self._curves(parts)
        layers += self._trade_prices()
        title, subtitle = self._words()
        chart: AnyChart = (
            alt.layer(*layers)
            .properties(
                width=640,
                height=380,
                title=alt.Title(title, subtitle=subtitle, anchor="start", offset=14, subtitlePadding=6),
            )
            .configure(**THEME)
        )
        return chart

    @property
    def _x(self) -> dict[str, Any]:
        unit = self.units.quantity
        title = "Quantity (lots of 1 Wh)" if unit == "lot" else f"Energy ({unit})"
        return {
            "title": title,
            "scale": alt.Scale(domain=[0, self.energy(self.right)], nice=False),
            "axis": alt.Axis(tickCount=8, tickMinStep=self.energy(1)),
        }

    @property
    def _y(self) -> dict[str, Any]:
        unit = self.units.price
        title = "Price (ticks of 0.0001 ct/kWh)" if unit == "tick" else f"Price ({unit})"
        scale = alt.Scale(domain=self._span(), nice=True, zero=False)
        return {"title": title, "scale": scale, "axis": alt.Axis(tickMinStep=self.price(1))}

    def _span(self) -> list[float]:
        """Lowest and highest price of what is drawn, and a little room."""
        seen = [steps.filter(pl.col("from") < self.right)["price"].to_numpy() for steps in self.sides.values()]
        known = [price / self.words.den for price in self.prices.values() if price is not None]
        values = np.concatenate([*seen, np.array(known)])
        if not len(values):
            return [0.0, 1.0]
        low, high = self.price(values.min()), self.price(values.max())
        room = 0.06 * (high - low) or abs(high) * 0.1 or 1.0
        return [low - room, high + room]

    def _interval(self) -> list[Any]:
        low, high = self.prices["price_low"], self.prices["price_high"]
        if low is None or high is None or low == high:
            return []
        ends = {"low": self.price(low, of_clearing=True), "high": self.price(high, of_clearing=True)}
        return [
            alt.Chart(_packed([ends]))
            .mark_rect(color=SKY, opacity=0.3)
            .encode(y=alt.Y("low:Q", **self._y), y2="high:Q", tooltip=[alt.Tooltip("low:Q"), alt.Tooltip("high:Q")])
        ]

    def _volume(self) -> list[Any]:
        if not self.view.volume:
            return []
        volume = self.energy(self.view.volume)
        data = _packed([{"volume": volume, "words": f"traded {self.words.quantity(self.view.volume)}"}])
        rule = alt.Chart(data).mark_rule(color=GREY, strokeDash=[4, 3]).encode(x=alt.X("volume:Q", **self._x))
        beyond = volume > 0.8 * self.energy(self.right)
        text = (
            alt.Chart(data)
            .mark_text(align="right" if beyond else "left", dx=-5 if beyond else 5, dy=10, color=GREY, fontSize=11)
            .encode(x=alt.X("volume:Q", **self._x), y=alt.value(0), text="words:N")
        )
        return [rule, text]

    def _curves(self, parts: dict[str, list[dict[str, Any]]]) -> list[Any]:
        colours, dashes = self._looks
        corners = [
            {"curve": name, "at": 2 * number + end, "energy": step["to" if end else "from"], "price": step["price"]}
            for name, steps in parts.items()
            for number, step in enumerate(steps)
            for end in (0, 1)
        ]
        line = (
            alt.Chart(_packed(corners))
            .mark_line(strokeWidth=2, strokeJoin="miter", clip=True)
            .encode(
                x=alt.X("energy:Q", **self._x),
                y=alt.Y("price:Q", **self._y),
                color=colours,
                strokeDash=dashes,
                order="at:Q",
            )
        )
        steps = [{"curve": name, **step} for name, steps in parts.items() for step in steps]
        tooltip = [
            alt.Tooltip("curve:N", title="Curve"),
            alt.Tooltip("orders:N", title="Order"),
            alt.Tooltip("limit:N", title=f"Limit ({self.units.price})"),
            alt.Tooltip("quantity:N", title=f"Quantity ({self.units.quantity})"),
            alt.Tooltip("filled:N", title=f"Filled ({self.units.quantity})"),
        ]
        over = {"x": alt.X("from:Q", **self._x), "x2": "to:Q", "y": alt.Y("price:Q", **self._y)}
        # wide and unseen: what the pointer meets; the line itself is one mark and could show one order only
        touch = (
            alt.Chart(_packed(steps)).mark_rule(strokeWidth=9, opacity=0.001, clip=True).encode(tooltip=tooltip, **over)
        )
        thick = (
            alt.Chart(_packed([step for step in steps if step["marginal"]]))
            .mark_rule(strokeWidth=7, opacity=0.45, clip=True)
            .encode(color=colours, tooltip=tooltip, **over)
        )
        thin = 0.01 * self.energy(self.right)
        dots = [
            {**step, "middle": (step["from"] + step["to"]) / 2}
            for step in steps
            if step["marginal"] and step["to"] - step["from"] < thin
        ]
        dot = (  # a thick line this short would not be seen
            alt.Chart(_packed(dots))
            .mark_circle(size=70, opacity=0.7, clip=True)
            .encode(x=alt.X("middle:Q", **self._x), y=over["y"], color=colours, tooltip=tooltip)
        )
        return [thick, line, dot, touch]

    @property
    def _looks(self) -> tuple[alt.Color, alt.StrokeDash]:
        """Colour and dashes of a curve, the same in every layer."""
        names = [_DEMAND, _SUPPLY, *([_TRADES] if self._by_trade else [])]
        legend = alt.Legend(
            orient="top", title=None, symbolType="stroke", offset=4, symbolOpacity=1, symbolStrokeWidth=2
        )
        colours = alt.Color(
            "curve:N",
            scale=alt.Scale(domain=names, range=[BLUE, VERMILION, GREEN][: len(names)]),
            legend=legend,
        )
        dashes = [[1, 0], [7, 3], [3, 2]][: len(names)]
        return colours, alt.StrokeDash("curve:N", scale=alt.Scale(domain=names, range=dashes), legend=None)

    @property
    def _by_trade(self) -> bool:
        """Whether each trade has a price of its own."""
        return (
            self.view.volume > 0
            and self.prices["price_buy"] is None
            and self.prices["price_sell"] is None
            and not self.view.clearing.pays_sums
        )

    def _trade_prices(self) -> list[Any]:
        if not self._by_trade:
            return []
        columns = self.view.clearing.trade_columns
        number = self.view.clearing.market_columns["market"][self.view.index]
        mine = np.flatnonzero(columns["market"] == number)
        quantity = columns["quantity"][mine]
        ends = np.cumsum(quantity)
        rows: list[dict[str, Any]] = []
        sides = ["buy_price"]
        if (columns["buy_price"][mine] != columns["sell_price"][mine]).any():
            sides.append("sell_price")
        colours, dashes = self._looks
        chosen = _chosen(len(mine), None)
        for side in sides:
            prices = columns[side][mine]
            for group in chosen:
                mean = np.average(prices[group].astype(float), weights=quantity[group])
                rows.append(
                    {
                        "curve": _TRADES,
                        "from": self.energy(float(ends[group[0]] - quantity[group[0]])),
                        "to": self.energy(min(float(ends[group[-1]]), self.right)),
                        "price": self.price(float(mean), of_clearing=True),
                        "limit": self.words.bare_price(round(mean), of_clearing=True),
                        "quantity": self.words.bare_quantity(int(quantity[group].sum())),
                    }
                )
        tooltip = [
            alt.Tooltip("curve:N", title="Curve"),
            alt.Tooltip("limit:N", title=f"Price ({self.units.price})"),
            alt.Tooltip("quantity:N", title=f"Quantity ({self.units.quantity})"),
        ]
        return [
            alt.Chart(_packed(rows))
            .mark_rule(strokeWidth=3, clip=True)
            .encode(
                x=alt.X("from:Q", **self._x),
                x2="to:Q",
                y=alt.Y("price:Q", **self._y),
                color=colours,
                strokeDash=dashes,
                tooltip=tooltip,
            )
        ]

    def _price_lines(self) -> list[Any]:
        buy, sell = self.prices["price_buy"], self.prices["price_sell"]
        lines: list[tuple[str, int, int]] = []
        if buy is not None and sell is not None:
            if buy == sell:
                lines.append((f"price {self.words.bare_price(buy, of_clearing=True)}", buy, 0))
            else:
                upper = 1 if buy > sell else -1
                lines.append((f"buyers pay {self.words.bare_price(buy, of_clearing=True)}", buy, -7 * upper))
                lines.append((f"sellers get {self.words.bare_price(sell, of_clearing=True)}", sell, 7 * upper))
        reserve = self.view.setting("reserve")
        layers: list[Any] = []
        if reserve is not None:
            drawn = _packed([{"price": self.price(reserve)}])
            layers.append(
                alt.Chart(drawn).mark_rule(color=GREY, strokeDash=[2, 3]).encode(y=alt.Y("price:Q", **self._y))
            )
            if all(price != reserve * self.words.den for _, price, _ in lines):
                lines.append((f"reserve {self.words.bare_price(reserve)}", reserve * self.words.den, 0))
        for words, price, shift in lines:
            data = _packed([{"price": self.price(price, of_clearing=True), "words": words}])
            base = alt.Chart(data)
            if not words.startswith("reserve"):
                layers.append(base.mark_rule(color=INK, strokeWidth=1.4).encode(y=alt.Y("price:Q", **self._y)))
            layers.append(
                base.mark_text(
                    align="left", baseline="middle", dx=6, dy=shift, color=INK, fontSize=11, fontWeight=600
                ).encode(x=alt.value("width"), y=alt.Y("price:Q", **self._y), text="words:N")
            )
        return layers

    # -- words -------------------------------------------------------------------------------------------------

    def _words(self) -> tuple[str, list[str]]:
        view, words = self.view, self.words
        # altair puts titles into the script of its pages as they are: a break of no width after each "<" ends no script
        name = shown(view.name).replace("<", "<\u200b")
        market = f"Market {name}: " if view.clearing.orders.market is not None else ""
        mechanism = type(view.clearing.mechanism).__name__
        counts = ", ".join(
            f"{steps.height:,} {noun}{'' if steps.height == 1 else 's'}"
            for noun, steps in (("bid", self.sides[_DEMAND]), ("ask", self.sides[_SUPPLY]))
        )
        lines = [f"{mechanism}, {counts}"]
        if not view.volume:
            lines[0] += f": {self._why_nothing()}"
            return (f"{market}nothing trades" if market else "Nothing trades"), [*lines, *self.remarks]
        buy, sell = self.prices["price_buy"], self.prices["price_sell"]
        title = f"{market}{words.quantity(view.volume)} traded"
        if view.clearing.pays_sums:
            lines[0] += ": payments are sums, not a price a lot"
        elif buy is None or sell is None:
            title += self._range_of_trades()
        elif buy == sell:
            title += f" at {words.price(buy, of_clearing=True)}"
        else:
            title += f", buyers pay {words.bare_price(buy, of_clearing=True)}, sellers get "
            title += words.price(sell, of_clearing=True)
            if view.fee:
                lines[0] += f"; between them lies the fee of {words.price(view.fee)}"
        lines[0] += self._about_interval()
        lines[0] += "; thick: the orders at the margin"
        if view.block_of is not None and (view.block_of[np.concatenate([view.bids, view.asks])] >= 0).any():
            lines.append("Accepted blocks come first, whatever their limits")
        return title, [*lines, *self.remarks]

    def _about_interval(self) -> str:
        """How the price stands to the prices that clear the market."""
        low, high, price = self.prices["price_low"], self.prices["price_high"], self.prices["price_sell"]
        if low is None or high is None or price is None:
            return ""
        inside = low <= price <= high
        if low < high:
            ends = f"{self.words.bare_price(low, of_clearing=True)} to {self.words.price(high, of_clearing=True)}"
            return f"; shaded: the clearing prices, {ends}{'' if inside else ', without this one'}"
        reserve = self.view.setting("reserve")
        if reserve is not None and price == reserve * self.words.den:
            return "; this is the reserve price"
        if inside:
            return "; no other price clears this market"
        return f"; the clearing price would be {self.words.price(low, of_clearing=True)}"

    def _why_nothing(self) -> str:
        bids, asks = self.sides[_DEMAND], self.sides[_SUPPLY]
        if not bids.height and not asks.height:
            return "no order was accepted"
        if not bids.height or not asks.height:
            return f"there is no {'bid' if not bids.height else 'ask'}"
        bid, ask = int(bids["price"][0]), int(asks["price"][0])
        if bid < ask:
            return f"the best bid, {self.words.bare_price(bid)}, is below the best ask, {self.words.price(ask)}"
        return "no pair that the mechanism allows"

    def _range_of_trades(self) -> str:
        columns = self.view.clearing.trade_columns
        mine = columns["market"] == self.view.clearing.market_columns["market"][self.view.index]
        prices = np.concatenate([columns["buy_price"][mine], columns["sell_price"][mine]])
        low, high = int(prices.min()), int(prices.max())
        if low == high:
            return f", all at {self.words.price(low, of_clearing=True)}"
        ends = f"{self.words.bare_price(low, of_clearing=True)} to {self.words.price(high, of_clearing=True)}"
        return f" at {ends}"

    # -- many orders -------------------------------------------------------------------------------------------

    def _thinned(self, name: str, steps: pl.DataFrame) -> list[dict[str, Any]]:
        """The steps of one curve as they are drawn, at most a few thousand of them."""
        steps = steps.filter(pl.col("from") < self.right)
        if not steps.height:
            return []
        many = steps.height > _STEPS_DRAWN
        orders = steps["order"].cast(pl.String)
        columns = {column: steps[column].to_numpy() for column in ("price", "quantity", "from", "to", "filled")}
        marginal = steps["marginal"].to_numpy()
        groups = _levels(columns["price"]) if many else [np.array([row]) for row in range(steps.height)]
        if len(groups) > _STEPS_DRAWN:
            middle = int(np.searchsorted(columns["to"][[group[-1] for group in groups]], self.view.volume))
            chosen = _chosen(len(groups), middle)
            groups = [np.concatenate([groups[i] for i in run]) for run in chosen]
            self.remarks.append(
                f"{name.split()[0]} of {steps.height:,} orders drawn with {len(groups):,} steps, exact near the margin"
            )
        drawn = []
        for group in groups:
            prices, quantity = columns["price"][group], columns["quantity"][group]
            first, last = exact(int(prices[0]), self.units.ticks), exact(int(prices[-1]), self.units.ticks)
            drawn.append(
                {
                    "from": self.energy(float(columns["from"][group[0]])),
                    # cut here and not by clipping: renderers lose lines that end a million pixels away
                    "to": self.energy(min(float(columns["to"][group[-1]]), self.right)),
                    "price": self.price(float(np.average(prices.astype(float), weights=quantity))),
                    "limit": first if first == last else f"{first} to {last}",
                    "orders": orders[int(group[0])] if len(group) == 1 else f"{len(group):,} orders",
                    "quantity": self.words.bare_quantity(int(quantity.sum())),
                    "filled": self.words.bare_quantity(int(columns["filled"][group].sum())),
                    "marginal": bool(marginal[group].any()),
                }
            )
        return drawn


def _packed(rows: list[dict[str, Any]]) -> alt.Data:
    """Rows as one JSON text within the chart: altair checks lists value by value, which takes seconds.

    No ``<`` stands in it, so that no id can end the script element of a page.
    """
    text = json.dumps(rows, separators=(",", ":")).replace("<", "\\u003c")
    data: alt.Data = alt.Data(values=text, format={"type": "json"})  # type: ignore[no-untyped-call]  # as in charts.py
    return data


def _largest(quantities: pl.Series) -> int:
    return int(quantities.to_numpy().max(initial=0))


def _levels(prices: NDArray[np.int64]) -> list[NDArray[np.intp]]:
    """Rows of equal price, neighbours as they are."""
    return np.split(np.arange(len(prices)), np.flatnonzero(np.diff(prices)) + 1)


def _chosen(count: int, middle: int | None) -> list[NDArray[np.intp]]:
    """``count`` steps in at most a few thousand runs: single ones within 500 of ``middle``, equal runs elsewhere."""
    every = np.arange(count)
    if count <= _STEPS_DRAWN:
        return np.split(every, every[1:])
    near = 500 if middle is not None else 0
    low, high = (max(0, (middle or 0) - near), min(count, (middle or 0) + near))
    size = -(-count // (_STEPS_DRAWN - 2 * near))
    cuts = np.concatenate([np.arange(size, low, size), np.arange(low, high), np.arange(high, count, size)])
    cuts = np.unique(cuts)
    return np.split(every, cuts[(cuts > 0) & (cuts < count)])
