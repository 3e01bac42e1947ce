"""The plots of a report: altair charts over the frames of a run. Units are on every axis.

Colours are those of Okabe and Ito, which people with any colour vision can tell apart; no meaning rests on colour
alone.
"""

from __future__ import annotations

import json
from typing import Any

import altair as alt
import polars as pl

BLUE, SKY, GREEN, ORANGE, VERMILION, GREY = "#0072B2", "#56B4E9", "#009E73", "#E69F00", "#D55E00", "#6B7280"
INK = "#1F2937"
AnyChart = alt.Chart | alt.LayerChart | alt.FacetChart
"""What altair says that its layers and properties return."""

_HOURLY_UP_TO_DAYS = 10
_SLOTS_UP_TO_DAYS = 31
_LABELS_AT_MOST = 10
BARS_AT_MOST = 1_000
"""Members that have a bar each."""


def inline(values: list[dict[str, Any]], name: str | None = None) -> alt.Data:
    """Data within the chart itself: no size limit of altair, no file beside the report.

    With a name it stays where its layer is, so that a script in the page can find and replace it.
    """
    named = {} if name is None else {"name": name}
    data: alt.Data = alt.Data(values=values, **named)  # type: ignore[no-untyped-call]  # altair's schemas are untyped
    return data


def _rows(frame: pl.DataFrame) -> alt.Data:
    """The rows of a frame as inline data, times as text."""
    text = frame.with_columns(
        pl.col(name).dt.strftime("%Y-%m-%dT%H:%M:%SZ")
        for name, dtype in frame.schema.items()
        if isinstance(dtype, pl.Datetime)
    )
    return inline(text.to_dicts())


def _placed(slots: pl.DataFrame, days: int) -> pl.DataFrame:
    """The slots with their place in the run, in days from its start: gaps between weeks of data take no room."""
    return slots.with_columns(place=pl.int_range(pl.len()) * days / slots.height)


def _time(slots: pl.DataFrame, days: int, **kwargs: Any) -> alt.X:
    """A time axis over the run, labelled with the start of its days."""
    a_day = slots.height // days
    step = -(-days // _LABELS_AT_MOST)
    starts = [slots["slot"][day * a_day] for day in range(days)]
    clock = "" if (starts[0].hour, starts[0].minute) == (0, 0) else " %H:%M"
    labels = [f"{start:%a %d %b{clock}}" for start in starts]
    axis = alt.Axis(
        title="Time (UTC)",
        values=list(range(0, days, step)),
        labelExpr=f"{json.dumps(labels)}[datum.value]",
        labelAlign="left",
        labelFlush=False,
        tickBand="extent",
    )
    return alt.X("place:Q", scale=alt.Scale(domain=[0, days], nice=False), axis=axis, **kwargs)


def prices(slots: pl.DataFrame, levels: dict[str, float], days: int) -> AnyChart:
    """Price of the auction over time, with the prices that stand still.

    Parameters
    ----------
    slots : polars.DataFrame
        ``slot``, ``price_ticks``, ``price_low_ticks``, ``price_high_ticks``.
    levels : dict
        Label and ct/kWh of each fixed price.
    days : int
        Length of the run; long runs are shown by the hour.
    """
    frame = _placed(slots, days).select("slot", "place", pl.col("^price.*ticks$") / 10_000)
    if days > _SLOTS_UP_TO_DAYS:
        frame = frame.group_by_dynamic("slot", every="1h").agg(pl.col("place").min(), pl.exclude("place").mean())
    data = _rows(
        frame.select("slot", "place", price="price_ticks", low="price_low_ticks", high="price_high_ticks").with_columns(
            pl.col("price", "low", "high").round(4)
        )
    )
    y = alt.Y("price:Q", title="Price (ct/kWh)", scale=alt.Scale(zero=True))
    tooltip = [
        alt.Tooltip("slot:T", title="Slot (UTC)", format="%a %d %b %H:%M", timeUnit="utcyearmonthdatehoursminutes"),
        alt.Tooltip("price:Q", title="Price (ct/kWh)", format=".2f"),
        alt.Tooltip("low:Q", title="Lowest (ct/kWh)", format=".2f"),
        alt.Tooltip("high:Q", title="Highest (ct/kWh)", format=".2f"),
    ]
    base = alt.Chart(data)
    band = base.mark_rule(color=SKY, opacity=0.8, strokeWidth=3).encode(
        x=_time(slots, days), y=alt.Y("low:Q", title="Price (ct/kWh)"), y2="high:Q"
    )
    line = base.mark_circle(color=BLUE, size=14, opacity=0.9).encode(x=_time(slots, days), y=y, tooltip=tooltip)
    fixed = inline([{"name": f"{name}  {value:g}", "price": value} for name, value in levels.items()])
    rules = alt.Chart(fixed).mark_rule(color=GREY, strokeDash=[5, 3]).encode(y=alt.Y("price:Q"))
    labels = (
        alt.Chart(fixed)
        .mark_text(align="left", baseline="bottom", dx=4, dy=-2, color=INK, fontSize=11)
        .encode(y="price:Q", x=alt.value(0), text="name:N")
    )
    return alt.layer(band, line, rules, labels).properties(height=280, width="container")


def energy(slots: pl.DataFrame, days: int) -> AnyChart:
    """What served the load over time, and what left for the grid (below zero), stacked bars in kWh.

    Parameters
    ----------
    slots : polars.DataFrame
        ``slot``, ``load_wh``, ``import_wh``, ``local_wh``, ``from_grid_wh``, ``to_grid_wh``.
    days : int
        Length of the run: by the hour up to ten days, by the day beyond.
    """
    every, step = ("1h", "hour") if days <= _HOURLY_UP_TO_DAYS else ("1d", "day")
    parts = {
        "Own PV and battery": (pl.col("load_wh") - pl.col("import_wh")).clip(lower_bound=0),
        "Neighbours": pl.col("local_wh"),
        "Grid": pl.col("from_grid_wh"),
        "Fed into the grid": -pl.col("to_grid_wh"),
    }
    frame = (
        _placed(slots, days)
        .select("slot", "place", *(expression.alias(name) for name, expression in parts.items()))
        .group_by_dynamic("slot", every=every)
        .agg(
            pl.col("place").min(),
            (pl.col("place").max() + days / slots.height).alias("end"),
            pl.col(list(parts)).sum() / 1000,
        )
        .unpivot(index=["slot", "place", "end"], variable_name="source", value_name="kwh")
        .with_columns(pl.col("kwh").round(3))
    )
    order = list(parts)
    bars = (
        alt.Chart(_rows(frame))
        .mark_bar(stroke=None)
        .encode(
            x=_time(slots, days, bin="binned"),
            x2="end:Q",
            y=alt.Y("kwh:Q", title=f"Energy (kWh per {step})", stack="zero"),
            color=alt.Color(
                "source:N",
                sort=order,
                scale=alt.Scale(domain=order, range=[GREEN, BLUE, ORANGE, GREY]),
                legend=alt.Legend(orient="top", title=None),
            ),
            order=alt.Order("rank:Q"),
            tooltip=[
                alt.Tooltip(
                    "slot:T",
                    title="From (UTC)",
                    format="%a %d %b %H:%M",
                    timeUnit="utcyearmonthdatehoursminutes",
                ),
                alt.Tooltip("source:N", title="Energy"),
                alt.Tooltip("kwh:Q", title="kWh", format=".2f"),
            ],
        )
        .transform_calculate(rank=f"indexof({order!r}, datum.source)")
    )
    zero = alt.Chart(inline([{"y": 0}])).mark_rule(color=INK, strokeWidth=1).encode(y="y:Q")
    return alt.layer(bars, zero).properties(height=280, width="container")


def load_and_trades(slots: pl.DataFrame, days: int) -> AnyChart:
    """Load and PV over time as lines, and what members traded as an area, kW on average.

    Parameters
    ----------
    slots : polars.DataFrame
        ``slot``, ``load_wh``, ``pv_wh``, ``auction_wh``, ``essential_wh``.
    days : int
        Length of the run: by the slot up to ten days, by the hour up to a month, by the day beyond.
    """
    every = "1h" if days <= _SLOTS_UP_TO_DAYS else "1d"
    a_slot = 24 * days / slots.height
    parts = {
        "Load": pl.col("load_wh"),
        "PV": pl.col("pv_wh"),
        "Traded": pl.col("auction_wh") + pl.col("essential_wh"),
    }
    frame = _placed(slots, days).select("slot", "place", *((wh / 1000 / a_slot).alias(k) for k, wh in parts.items()))
    if days > _HOURLY_UP_TO_DAYS:
        frame = frame.group_by_dynamic("slot", every=every).agg(pl.col("place").min(), pl.col(list(parts)).mean())
    long = frame.unpivot(index=["slot", "place"], variable_name="what", value_name="kw").with_columns(
        pl.col("kw").round(3)
    )
    names = list(parts)
    colour = alt.Color(
        "what:N",
        sort=names,
        scale=alt.Scale(domain=names, range=[INK, ORANGE, BLUE]),
        legend=alt.Legend(orient="top", title=None),
    )
    tooltip = [
        alt.Tooltip("slot:T", title="From (UTC)", format="%a %d %b %H:%M", timeUnit="utcyearmonthdatehoursminutes"),
        alt.Tooltip("what:N", title="What"),
        alt.Tooltip("kw:Q", title="kW", format=".2f"),
    ]
    base = alt.Chart(_rows(long)).encode(
        x=_time(slots, days), y=alt.Y("kw:Q", title="Power (kW)"), color=colour, tooltip=tooltip
    )
    area = base.transform_filter("datum.what === 'Traded'").mark_area(opacity=0.45, interpolate="step-after")
    lines = base.transform_filter("datum.what !== 'Traded'").mark_line(strokeWidth=1.6, interpolate="step-after")
    return alt.layer(area, lines).properties(height=240, width="container")


def _steps(orders: pl.DataFrame, *, buy: bool) -> list[dict[str, Any]]:
    """Corner points of a step curve: cumulative kWh and ct/kWh, in the order of the line."""
    name = "Demand (bids)" if buy else "Supply (asks)"
    ranked = orders.filter(pl.col("buy") == buy).sort("price", descending=buy)
    points: list[dict[str, Any]] = []
    reached = 0.0
    for price, quantity in ranked.select("price", "quantity").iter_rows():  # the orders of one slot: dozens
        points.append({"curve": name, "at": len(points), "kwh": reached, "price": price})
        reached = round(reached + quantity, 3)
        points.append({"curve": name, "at": len(points), "kwh": reached, "price": price})
    return points


def curves(
    orders: pl.DataFrame,
    low: float,
    high: float,
    price: float,
    volume: float,
    *,
    uniform: bool = True,
    pool: bool = False,
) -> AnyChart:
    """Supply and demand of one slot, with the clearing interval and the price in it.

    Parameters
    ----------
    orders : polars.DataFrame
        ``buy`` (Boolean), ``price`` (ct/kWh), ``quantity`` (kWh) of one market.
    low, high, price : float
        Clearing interval and price, ct/kWh.
    volume : float
        Traded energy, kWh.
    uniform : bool
        Whether all trade at one price; else `low` and `high` are the lowest and highest price of a trade.
    pool : bool
        Whether nobody bids, so that there is no interval to speak of.
    """
    demand, supply = _steps(orders, buy=True), _steps(orders, buy=False)
    points = inline(demand + supply, "points")
    # the longer curve is cut at twice the shorter one, so that the crossing can be seen
    ends = sorted(steps[-1]["kwh"] for steps in (demand, supply))
    right = min(ends[1], 2 * ends[0])
    names = ["Demand (bids)", "Supply (asks)"]
    lines = (
        alt.Chart(points)
        .mark_line(strokeWidth=2.2, strokeJoin="miter", clip=True)
        .encode(
            x=alt.X(
                "kwh:Q",
                title="Energy (kWh in the slot)",
                scale=alt.Scale(domain=[0, right], nice=False),
                axis=alt.Axis(tickCount=10),
            ),
            y=alt.Y("price:Q", title="Price (ct/kWh)", scale=alt.Scale(zero=True)),
            color=alt.Color(
                "curve:N",
                scale=alt.Scale(domain=names, range=[BLUE, VERMILION]),
                legend=alt.Legend(orient="top", title=None, symbolType="stroke"),
            ),
            strokeDash=alt.StrokeDash("curve:N", scale=alt.Scale(domain=names, range=[[1, 0], [7, 3]]), legend=None),
            order="at:Q",
            tooltip=[
                alt.Tooltip("curve:N", title="Curve"),
                alt.Tooltip("kwh:Q", title="kWh", format=".3f"),
                alt.Tooltip("price:Q", title="ct/kWh", format=".4f"),
            ],
        )
    )
    interval = (
        alt.Chart(inline([{"low": low, "high": high}], "interval"))
        .mark_rect(color=SKY, opacity=0.35, stroke=SKY)
        .encode(y="low:Q", y2="high:Q")
    )
    if pool:
        span = "which stay in the community"
    elif uniform:
        span = f"interval {low:.2f} to {high:.2f}" if low < high else "the interval is this one price"
    else:
        span = f"on average, from {low:.2f} to {high:.2f}"
    note = f"{volume:.2f} kWh at {price:.2f} ct/kWh, {span}"
    point = alt.Chart(inline([{"kwh": volume, "price": price, "text": note}], "outcome"))
    mark = point.mark_point(shape="circle", filled=True, size=90, color=INK, opacity=1).encode(x="kwh:Q", y="price:Q")
    # twice: a white outline below keeps the words legible where a curve runs through them
    # what a pool shares ends at the end of the shorter curve, beyond which there is no room
    side: dict[str, Any] = {"align": "right", "dx": -12} if pool else {"align": "left", "dx": 12}
    words: dict[str, Any] = {**side, "dy": -14, "fontSize": 12, "fontWeight": 600}
    looks: tuple[dict[str, Any], ...] = ({"color": "white", "stroke": "white", "strokeWidth": 5}, {"color": INK})
    texts = [point.mark_text(**words, **look).encode(x="kwh:Q", y="price:Q", text="text:N") for look in looks]
    return alt.layer(interval, lines, mark, *texts).properties(height=340, width="container")


def savings(members: pl.DataFrame, currency: str) -> AnyChart:
    """What each member saves by the market, one bar a member, largest first; of a crowd, every so many-th of them.

    Parameters
    ----------
    members : polars.DataFrame
        ``participant``, ``bill_nano``, ``bill_without_nano``, ``essential``.
    currency : str
        For the axis.
    """
    step = -(-members.height // BARS_AT_MOST)
    title = "Member" if step <= 1 else f"Member (1 of {step}, by saving)"
    if step > 1:
        saved = pl.col("bill_without_nano") - pl.col("bill_nano")
        members = members.sort(saved, "participant", descending=[True, False]).gather_every(step)
    frame = members.select(
        "participant",
        saving=((pl.col("bill_without_nano") - pl.col("bill_nano")) / 10**9).round(4),
        bill=(pl.col("bill_nano") / 10**9).round(4),
        without=(pl.col("bill_without_nano") / 10**9).round(4),
    ).with_columns(outcome=pl.when(pl.col("saving") < 0).then(pl.lit("pays more")).otherwise(pl.lit("pays less")))
    chart: AnyChart = (
        alt.Chart(_rows(frame))
        .mark_bar()
        .encode(
            x=alt.X("participant:N", sort="-y", title=title, axis=alt.Axis(labelAngle=-90, labelOverlap=True)),
            y=alt.Y("saving:Q", title=f"Saving against no market ({currency})"),
            color=alt.Color(
                "outcome:N",
                scale=alt.Scale(domain=["pays less", "pays more"], range=[BLUE, VERMILION]),
                legend=alt.Legend(orient="top", title=None),
            ),
            tooltip=[
                alt.Tooltip("participant:N", title="Member"),
                alt.Tooltip("saving:Q", title=f"Saving ({currency})", format=".2f"),
                alt.Tooltip("bill:Q", title=f"Bill ({currency})", format=".2f"),
                alt.Tooltip("without:Q", title=f"Bill without ({currency})", format=".2f"),
            ],
        )
        .properties(height=300, width="container")
    )
    return chart


THEME: dict[str, Any] = {
    "font": "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', Arial, sans-serif",
    "background": "white",
    "view": {"stroke": "#E5E7EB"},
    "axis": {
        "labelFontSize": 11,
        "titleFontSize": 12,
        "titleFontWeight": 600,
        "labelColor": INK,
        "titleColor": INK,
        "gridColor": "#EEF0F3",
        "domainColor": "#9CA3AF",
        "tickColor": "#9CA3AF",
    },
    "legend": {"labelFontSize": 12, "labelColor": INK, "symbolSize": 120},
}
"""Fonts, sizes and greys of all charts."""


def specification(chart: AnyChart) -> dict[str, Any]:
    """A chart as Vega-Lite without the address of its schema: a report names no host."""
    spec: dict[str, Any] = chart.configure(**THEME).to_dict()
    spec.pop("$schema", None)
    return spec
