"""The depth of one market as a picture: what stands at each price or better."""

from __future__ import annotations

from typing import Any, Final

import altair as alt
import numpy as np
import polars as pl

from fastclear.charts import BLUE, GREY, INK, THEME, VERMILION, AnyChart, inline
from fastclear.market_view import Wording, shown
from fastclear.units import Units

__all__ = ["AnyChart", "drawn"]

_SIDES: Final = {"buy": "Bids", "sell": "Asks"}
_COLOURS: Final = {"Bids": BLUE, "Asks": VERMILION}


def drawn(depth: pl.DataFrame, market: object, levels: int, units: Units | None) -> AnyChart:
    """The picture, with its theme.

    Parameters
    ----------
    depth : polars.DataFrame
        Level 2, of all levels; rows of other markets are passed over.
    market : int or str
        Which market.
    levels : int
        Prices a side that are drawn.
    units : Units or None
        Units of the axes; None for ticks and lots.
    """
    units = units or Units()
    words = Wording(units, 1)
    own = depth.filter(pl.col("market") == market) if depth.height else depth  # without rows ids may be of no type
    sides = {name: own.filter(pl.col("side") == side) for side, name in _SIDES.items()}
    shown_sides = {name: rows.head(levels) for name, rows in sides.items()}
    left_out = {name: rows.height - shown_sides[name].height for name, rows in sides.items()}
    title, subtitle = _caption(market, shown_sides, left_out, words)
    chart: AnyChart = (
        alt.layer(*_areas(shown_sides, words), *_best(shown_sides, words))
        .properties(
            width=640,
            height=360,
            title=alt.Title(title, subtitle=subtitle, anchor="start", offset=14, subtitlePadding=6),
        )
        .configure(**THEME)
    )
    return chart


def _caption(
    market: object, sides: dict[str, pl.DataFrame], left_out: dict[str, int], words: Wording
) -> tuple[str, list[str]]:
    """What stands at the top, and how much is drawn."""
    best = {name: int(rows["price"][0]) if rows.height else None for name, rows in sides.items()}
    bid, ask = best["Bids"], best["Asks"]
    if bid is None and ask is None:
        said = "no orders"
    elif bid is None or ask is None:
        have, price, none = ("bid", bid, "asks") if ask is None else ("ask", ask, "bids")
        said = f"best {have} {words.price(price or 0)}, no {none}"
    else:
        apart = f"spread {words.price(ask - bid)}" if bid < ask else "crossed"
        said = f"bid {words.bare_price(bid)}, ask {words.price(ask)}, {apart}"
    # altair puts titles into the script of its pages as they are: a break of no width after each "<" ends no script
    name = shown(market).replace("<", "<\u200b")
    lines = []
    for side, rows in sides.items():
        orders = int(rows["orders"].sum())
        held = f"{words.quantity(int(rows['quantity'].sum()))} in {orders:,} order{'' if orders == 1 else 's'}"
        more = f"; {left_out[side]:,} worse prices are not drawn" if left_out[side] else ""
        lines.append(f"{side}: {held if rows.height else 'none'}{more}")
    return f"Market {name}: {said}", lines


def _axes(sides: dict[str, pl.DataFrame], words: Wording) -> tuple[dict[str, Any], dict[str, Any]]:
    """How prices and quantities are laid out."""
    units = words.units
    prices = np.concatenate([rows["price"].to_numpy() for rows in sides.values()])
    low, high = (float(prices.min()), float(prices.max())) if len(prices) else (0.0, 10.0)
    room = 0.06 * (high - low) or max(abs(high) * 0.05, 1.0)
    most = max((int(rows["quantity"].sum()) for rows in sides.values()), default=0) or 10 * units.lots
    price_title = "Price (ticks of 0.0001 ct/kWh)" if units.price == "tick" else f"Price ({units.price})"
    unit = "lots of 1 Wh" if units.quantity == "lot" else units.quantity
    x = {
        "title": price_title,
        "scale": alt.Scale(domain=[(low - room) / units.ticks, (high + room) / units.ticks], nice=False, zero=False),
        "axis": alt.Axis(tickMinStep=1 / units.ticks, tickCount=8),
    }
    y = {
        "title": f"Quantity at this price or better ({unit})",
        "scale": alt.Scale(domain=[0, 1.12 * most / units.lots], nice=False),
        "axis": alt.Axis(tickMinStep=1 / units.lots, tickCount=6),
    }
    return x, y


def _areas(sides: dict[str, pl.DataFrame], words: Wording) -> list[Any]:
    x, y = _axes(sides, words)
    units = words.units
    ends = x["scale"].domain
    names = list(sides)
    legend = alt.Legend(orient="top", title=None, symbolType="stroke", offset=4, symbolOpacity=1, symbolStrokeWidth=2)
    colour = alt.Color("side:N", scale=alt.Scale(domain=names, range=[_COLOURS[name] for name in names]), legend=legend)
    dash = alt.StrokeDash("side:N", scale=alt.Scale(domain=names, range=[[1, 0], [7, 3]]), legend=None)
    layers: list[Any] = []
    for name, rows in sides.items():
        prices = (rows["price"].to_numpy() / units.ticks).tolist()
        sums = (np.cumsum(rows["quantity"].to_numpy()) / units.lots).tolist()
        points: list[dict[str, Any]] = [
            {
                "side": name,
                "price": price,
                "sum": total,
                "limit": words.bare_price(int(row["price"])),
                "quantity": words.bare_quantity(int(row["quantity"])),
                "orders": int(row["orders"]),
                "total": words.bare_quantity(int(whole)),
            }
            for price, total, row, whole in zip(
                prices, sums, rows.iter_rows(named=True), rows["quantity"].cum_sum(), strict=True
            )
        ]
        # Beyond the worst price there is no more: the depth stays what it is, to the end of the picture.
        end = [{"side": name, "price": ends[0 if name == "Bids" else 1], "sum": sums[-1]}] if sums else []
        step: Any = "step-before" if name == "Bids" else "step-after"
        over = {"x": alt.X("price:Q", **x), "y": alt.Y("sum:Q", **y), "color": colour}
        whole = alt.Chart(inline([*points, *end]))
        layers.append(whole.mark_area(interpolate=step, opacity=0.18, clip=True).encode(**over))
        layers.append(whole.mark_line(interpolate=step, strokeWidth=2, clip=True).encode(strokeDash=dash, **over))
        tooltip = [
            alt.Tooltip("side:N", title="Side"),
            alt.Tooltip("limit:N", title=f"Price ({units.price})"),
            alt.Tooltip("quantity:N", title=f"At this price ({units.quantity})"),
            alt.Tooltip("orders:Q", title="Orders"),
            alt.Tooltip("total:N", title=f"At this price or better ({units.quantity})"),
        ]
        touch = alt.Chart(inline(points)).mark_circle(size=110, opacity=0.001)
        layers.append(touch.encode(x=over["x"], y=over["y"], tooltip=tooltip))
    return layers


def _best(sides: dict[str, pl.DataFrame], words: Wording) -> list[Any]:
    """A rule at the best price of each side, and its words: two lines, so that they never lie on each other."""
    x, _ = _axes(sides, words)
    layers: list[Any] = []
    for line, (name, rows) in enumerate(sides.items()):
        if not rows.height:
            continue
        price = int(rows["price"][0])
        lots = int(rows["quantity"][0])
        said = f"best {name[:-1].lower()} {words.price(price)}, {words.quantity(lots)}"
        data = inline([{"price": price / words.units.ticks, "words": said}])
        at = alt.X("price:Q", **x)
        low, high = x["scale"].domain
        place = (price / words.units.ticks - low) / (high - low)
        to_the_left = place > 1 / 3 if name == "Bids" else place > 2 / 3  # outwards, but not out of the picture
        text = alt.Chart(data).mark_text(
            align="right" if to_the_left else "left",
            dx=-6 if to_the_left else 6,
            dy=10 + 14 * line,
            color=INK,
            fontSize=11,
        )
        layers.append(alt.Chart(data).mark_rule(color=GREY, strokeDash=[4, 3]).encode(x=at))
        layers.append(text.encode(x=at, y=alt.value(0), text="words:N"))
    return layers
