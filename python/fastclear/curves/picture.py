"""Layer by layer: supply, demand, prices, the clearing interval, the traded volume, the orders at the margin."""

from __future__ import annotations

import json
from typing import Any

import altair as alt
import numpy as np
import polars as pl

from fastclear.charts import BLUE, GREEN, GREY, INK, SKY, THEME, VERMILION, AnyChart
from fastclear.curves.caption import caption
from fastclear.curves.scene import DEMAND, SUPPLY, TRADES, Scene
from fastclear.curves.thinning import chosen_runs, thinned


def drawn(scene: Scene) -> AnyChart:
    """The whole picture, with its theme."""
    parts = {name: thinned(scene, name, steps) for name, steps in scene.sides.items()}
    layers: list[Any] = [*_interval(scene), *_volume(scene), *_price_lines(scene)]
    layers += _curves(scene, parts)
    layers += _trade_prices(scene)
    title, subtitle = caption(scene)
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


def _x(scene: Scene) -> dict[str, Any]:
    unit = scene.units.quantity
    title = "Quantity (lots of 1 Wh)" if unit == "lot" else f"Energy ({unit})"
    return {
        "title": title,
        "scale": alt.Scale(domain=[0, scene.energy(scene.right)], nice=False),
        "axis": alt.Axis(tickCount=8, tickMinStep=scene.energy(1)),
    }


def _y(scene: Scene) -> dict[str, Any]:
    unit = scene.units.price
    title = "Price (ticks of 0.0001 ct/kWh)" if unit == "tick" else f"Price ({unit})"
    scale = alt.Scale(domain=_span(scene), nice=True, zero=False)
    return {"title": title, "scale": scale, "axis": alt.Axis(tickMinStep=scene.price(1))}


def _span(scene: Scene) -> list[float]:
    """Lowest and highest price of what is drawn, and a little room."""
    seen = [steps.filter(pl.col("from") < scene.right)["price"].to_numpy() for steps in scene.sides.values()]
    known = [price / scene.words.den for price in scene.prices.values() if price is not None]
    values = np.concatenate([*seen, np.array(known)])
    if not len(values):
        return [0.0, 1.0]
    low, high = scene.price(values.min()), scene.price(values.max())
    room = 0.06 * (high - low) or abs(high) * 0.1 or 1.0
    return [low - room, high + room]


def _interval(scene: Scene) -> list[Any]:
    low, high = scene.prices["price_low"], scene.prices["price_high"]
    if low is None or high is None or low == high:
        return []
    ends = {"low": scene.price(low, of_clearing=True), "high": scene.price(high, of_clearing=True)}
    return [
        alt.Chart(_packed([ends]))
        .mark_rect(color=SKY, opacity=0.3)
        .encode(y=alt.Y("low:Q", **_y(scene)), y2="high:Q", tooltip=[alt.Tooltip("low:Q"), alt.Tooltip("high:Q")])
    ]


def _volume(scene: Scene) -> list[Any]:
    if not scene.view.volume:
        return []
    volume = scene.energy(scene.view.volume)
    data = _packed([{"volume": volume, "words": f"traded {scene.words.quantity(scene.view.volume)}"}])
    rule = alt.Chart(data).mark_rule(color=GREY, strokeDash=[4, 3]).encode(x=alt.X("volume:Q", **_x(scene)))
    beyond = volume > 0.8 * scene.energy(scene.right)
    text = (
        alt.Chart(data)
        .mark_text(align="right" if beyond else "left", dx=-5 if beyond else 5, dy=10, color=GREY, fontSize=11)
        .encode(x=alt.X("volume:Q", **_x(scene)), y=alt.value(0), text="words:N")
    )
    return [rule, text]


def _curves(scene: Scene, parts: dict[str, list[dict[str, Any]]]) -> list[Any]:
    colours, dashes = _looks(scene)
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
            x=alt.X("energy:Q", **_x(scene)),
            y=alt.Y("price:Q", **_y(scene)),
            color=colours,
            strokeDash=dashes,
            order="at:Q",
        )
    )
    steps = [{"curve": name, **step} for name, steps in parts.items() for step in steps]
    tooltip = [
        alt.Tooltip("curve:N", title="Curve"),
        alt.Tooltip("orders:N", title="Order"),
        alt.Tooltip("limit:N", title=f"Limit ({scene.units.price})"),
        alt.Tooltip("quantity:N", title=f"Quantity ({scene.units.quantity})"),
        alt.Tooltip("filled:N", title=f"Filled ({scene.units.quantity})"),
    ]
    over = {"x": alt.X("from:Q", **_x(scene)), "x2": "to:Q", "y": alt.Y("price:Q", **_y(scene))}
    # wide and unseen: what the pointer meets; the line itself is one mark and could show one order only
    touch = alt.Chart(_packed(steps)).mark_rule(strokeWidth=9, opacity=0.001, clip=True).encode(tooltip=tooltip, **over)
    thick = (
        alt.Chart(_packed([step for step in steps if step["marginal"]]))
        .mark_rule(strokeWidth=7, opacity=0.45, clip=True)
        .encode(color=colours, tooltip=tooltip, **over)
    )
    thin = 0.01 * scene.energy(scene.right)
    dots = [
        {**step, "middle": (step["from"] + step["to"]) / 2}
        for step in steps
        if step["marginal"] and step["to"] - step["from"] < thin
    ]
    dot = (  # a thick line this short would not be seen
        alt.Chart(_packed(dots))
        .mark_circle(size=70, opacity=0.7, clip=True)
        .encode(x=alt.X("middle:Q", **_x(scene)), y=over["y"], color=colours, tooltip=tooltip)
    )
    return [thick, line, dot, touch]


def _looks(scene: Scene) -> tuple[alt.Color, alt.StrokeDash]:
    """Colour and dashes of a curve, the same in every layer."""
    names = [DEMAND, SUPPLY, *([TRADES] if scene.by_trade else [])]
    legend = alt.Legend(orient="top", title=None, symbolType="stroke", offset=4, symbolOpacity=1, symbolStrokeWidth=2)
    colours = alt.Color(
        "curve:N",
        scale=alt.Scale(domain=names, range=[BLUE, VERMILION, GREEN][: len(names)]),
        legend=legend,
    )
    dashes = [[1, 0], [7, 3], [3, 2]][: len(names)]
    return colours, alt.StrokeDash("curve:N", scale=alt.Scale(domain=names, range=dashes), legend=None)


def _trade_prices(scene: Scene) -> list[Any]:
    if not scene.by_trade:
        return []
    columns = scene.view.clearing.trade_columns
    number = scene.view.clearing.market_columns["market"][scene.view.index]
    mine = np.flatnonzero(columns["market"] == number)
    quantity = columns["quantity"][mine]
    ends = np.cumsum(quantity)
    rows: list[dict[str, Any]] = []
    sides = ["buy_price"]
    if (columns["buy_price"][mine] != columns["sell_price"][mine]).any():
        sides.append("sell_price")
    colours, dashes = _looks(scene)
    chosen = chosen_runs(len(mine), None)
    for side in sides:
        prices = columns[side][mine]
        for group in chosen:
            mean = np.average(prices[group].astype(float), weights=quantity[group])
            rows.append(
                {
                    "curve": TRADES,
                    "from": scene.energy(float(ends[group[0]] - quantity[group[0]])),
                    "to": scene.energy(min(float(ends[group[-1]]), scene.right)),
                    "price": scene.price(float(mean), of_clearing=True),
                    "limit": scene.words.bare_price(round(mean), of_clearing=True),
                    "quantity": scene.words.bare_quantity(int(quantity[group].sum())),
                }
            )
    tooltip = [
        alt.Tooltip("curve:N", title="Curve"),
        alt.Tooltip("limit:N", title=f"Price ({scene.units.price})"),
        alt.Tooltip("quantity:N", title=f"Quantity ({scene.units.quantity})"),
    ]
    return [
        alt.Chart(_packed(rows))
        .mark_rule(strokeWidth=3, clip=True)
        .encode(
            x=alt.X("from:Q", **_x(scene)),
            x2="to:Q",
            y=alt.Y("price:Q", **_y(scene)),
            color=colours,
            strokeDash=dashes,
            tooltip=tooltip,
        )
    ]


def _price_lines(scene: Scene) -> list[Any]:
    buy, sell = scene.prices["price_buy"], scene.prices["price_sell"]
    lines: list[tuple[str, int, int]] = []
    if buy is not None and sell is not None:
        if buy == sell:
            lines.append((f"price {scene.words.bare_price(buy, of_clearing=True)}", buy, 0))
        else:
            upper = 1 if buy > sell else -1
            lines.append((f"buyers pay {scene.words.bare_price(buy, of_clearing=True)}", buy, -7 * upper))
            lines.append((f"sellers get {scene.words.bare_price(sell, of_clearing=True)}", sell, 7 * upper))
    reserve = scene.view.setting("reserve")
    layers: list[Any] = []
    if reserve is not None:
        drawn = _packed([{"price": scene.price(reserve)}])
        layers.append(alt.Chart(drawn).mark_rule(color=GREY, strokeDash=[2, 3]).encode(y=alt.Y("price:Q", **_y(scene))))
        if all(price != reserve * scene.words.den for _, price, _ in lines):
            lines.append((f"reserve {scene.words.bare_price(reserve)}", reserve * scene.words.den, 0))
    for words, price, shift in lines:
        data = _packed([{"price": scene.price(price, of_clearing=True), "words": words}])
        base = alt.Chart(data)
        if not words.startswith("reserve"):
            layers.append(base.mark_rule(color=INK, strokeWidth=1.4).encode(y=alt.Y("price:Q", **_y(scene))))
        layers.append(
            base.mark_text(
                align="left", baseline="middle", dx=6, dy=shift, color=INK, fontSize=11, fontWeight=600
            ).encode(x=alt.value("width"), y=alt.Y("price:Q", **_y(scene)), text="words:N")
        )
    return layers


def _packed(rows: list[dict[str, Any]]) -> alt.Data:
    """Rows as one JSON text within the chart: altair checks lists value by value, which takes seconds.

    No ``<`` stands in it, so that no id can end the script element of a page.
    """
    text = json.dumps(rows, separators=(",", ":")).replace("<", "\\u003c")
    data: alt.Data = alt.Data(values=text, format={"type": "json"})  # type: ignore[no-untyped-call]  # as in charts.py
    return data
