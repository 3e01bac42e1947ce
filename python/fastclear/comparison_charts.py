"""The plots of a comparison: one mark a platform, or one row of plots a platform. Units are on every axis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt
import polars as pl

from fastclear.charts import BLUE, GREEN, GREY, INK, ORANGE, SKY, VERMILION, AnyChart, inline

_SOURCES = {"Own PV and battery": GREEN, "Neighbours": BLUE, "Grid": ORANGE, "Fed into the grid": GREY}
_RECEIVERS = {"Retail supplier": ORANGE, "Tax": GREY, "Network": GREEN, "Operator": BLUE, "Lender": VERMILION}


def _platform(names: list[str], **kwargs: Any) -> alt.Y:
    return alt.Y("platform:N", sort=names, title=None, axis=alt.Axis(labelLimit=160), **kwargs)


def receivers(figures: pl.DataFrame) -> AnyChart:
    """Who has what members pay, stacked, a bar a platform; a black mark is the bill without the market.

    Parameters
    ----------
    figures : polars.DataFrame
        Of a :class:`fastclear.Comparison`.
    """
    names = figures["platform"].to_list()
    keys = dict(zip(_RECEIVERS, ("supplier_nano", "tax_nano", "dso_nano", "operator_nano", "lender_nano"), strict=True))
    rows = [
        {"platform": row["platform"], "who": who, "amount": round(row[key] / 1e9, 4), "in": row["currency"]}
        for row in figures.iter_rows(named=True)
        for who, key in keys.items()
    ]
    order = list(_RECEIVERS)
    bars = (
        alt.Chart(inline(rows))
        .mark_bar()
        .encode(
            y=_platform(names),
            x=alt.X("amount:Q", title="Paid by all members (currency of the platform)", stack="zero"),
            color=alt.Color(
                "who:N",
                sort=order,
                scale=alt.Scale(domain=order, range=list(_RECEIVERS.values())),
                legend=alt.Legend(orient="top", title=None),
            ),
            order=alt.Order("rank:Q"),
            tooltip=[
                alt.Tooltip("platform:N", title="Platform"),
                alt.Tooltip("who:N", title="Receives"),
                alt.Tooltip("amount:Q", title="Amount", format=".2f"),
                alt.Tooltip("in:N", title="Currency"),
            ],
        )
        .transform_calculate(rank=f"indexof({order!r}, datum.who)")
    )
    without = [
        {"platform": row["platform"], "amount": round(row["bills_without_nano"] / 1e9, 4)}
        for row in figures.iter_rows(named=True)
    ]
    marks = (
        alt.Chart(inline(without))
        .mark_tick(color=INK, thickness=3, size=24)
        .encode(
            y=_platform(names),
            x="amount:Q",
            tooltip=[alt.Tooltip("amount:Q", title="Without the market", format=".2f")],
        )
    )
    return alt.layer(bars, marks).properties(height=alt.Step(34), width="container")


def changes(members: pl.DataFrame, names: list[str]) -> AnyChart:
    """What each member saves on each platform, in per cent of its bill without the market; one mark a member.

    Parameters
    ----------
    members : polars.DataFrame
        Of a :class:`fastclear.Comparison`; members whose bill without the market is zero are left out.
    names : list of str
        Platforms, in order.
    """
    frame = members.filter(pl.col("bill_without_nano") != 0).select(
        "platform",
        "participant",
        saving=((pl.col("bill_without_nano") - pl.col("bill_nano")) / 1e9).round(4),
        percent=(100 * (pl.col("bill_without_nano") - pl.col("bill_nano")) / pl.col("bill_without_nano").abs()).round(
            3
        ),
    )
    frame = frame.with_columns(
        outcome=pl.when(pl.col("percent") < 0).then(pl.lit("pays more")).otherwise(pl.lit("pays less"))
    )
    base = alt.Chart(inline(frame.to_dicts()))
    marks = base.mark_tick(thickness=2, size=20, opacity=0.75).encode(
        y=_platform(names),
        x=alt.X(
            "percent:Q",
            title="Saving (% of the bill without the market; beyond 150 % at the edge)",
            scale=alt.Scale(domain=[-50, 150], clamp=True),
        ),
        color=alt.Color(
            "outcome:N",
            scale=alt.Scale(domain=["pays less", "pays more"], range=[BLUE, VERMILION]),
            legend=alt.Legend(orient="top", title=None),
        ),
        tooltip=[
            alt.Tooltip("participant:N", title="Member"),
            alt.Tooltip("platform:N", title="Platform"),
            alt.Tooltip("saving:Q", title="Saving (currency)", format=".2f"),
            alt.Tooltip("percent:Q", title="Saving (%)", format=".1f"),
        ],
    )
    median = base.mark_point(shape="diamond", filled=True, size=90, color=INK, opacity=1).encode(
        y=_platform(names), x="median(percent):Q", tooltip=[alt.Tooltip("median(percent):Q", title="Median (%)")]
    )
    zero = alt.Chart(inline([{"x": 0}])).mark_rule(color=INK).encode(x="x:Q")
    return alt.layer(zero, marks, median).properties(height=alt.Step(34), width="container")


def flows(sums: Mapping[str, Mapping[str, float]]) -> AnyChart:
    """Where the energy of each platform came from and went, kWh over the run, a stacked bar a platform.

    Parameters
    ----------
    sums : mapping
        By platform: kWh by the names of the legend; what was fed into the grid is below zero.
    """
    names, order = list(sums), list(_SOURCES)
    rows = [{"platform": name, "source": source, "kwh": sums[name][source]} for name in names for source in order]
    chart: AnyChart = (
        alt.Chart(inline(rows))
        .mark_bar()
        .encode(
            y=_platform(names),
            x=alt.X("kwh:Q", title="Energy (kWh over the run)", stack="zero"),
            color=alt.Color(
                "source:N",
                sort=order,
                scale=alt.Scale(domain=order, range=list(_SOURCES.values())),
                legend=alt.Legend(orient="top", title=None),
            ),
            order=alt.Order("rank:Q"),
            tooltip=[
                alt.Tooltip("platform:N", title="Platform"),
                alt.Tooltip("source:N", title="Energy"),
                alt.Tooltip("kwh:Q", title="kWh", format=".1f"),
            ],
        )
        .transform_calculate(rank=f"indexof({order!r}, datum.source)")
        .properties(height=alt.Step(34), width="container")
    )
    return chart


def price_bands(hours: pl.DataFrame, names: list[str], levels: Mapping[str, tuple[float, float]]) -> AnyChart:
    """Prices by the hour of the day on each platform: the span of all days, the mean, feed-in and retail.

    Parameters
    ----------
    hours : polars.DataFrame
        ``platform``, ``hour`` (0 to 23, UTC), ``low``, ``mean``, ``high`` (ct/kWh).
    names : list of str
        Platforms, in order.
    levels : mapping
        By platform: feed-in and retail price, ct/kWh.
    """
    hour = alt.X("hour:Q", title="Hour of the day (UTC)", scale=alt.Scale(domain=[0, 24], nice=False))
    rows = [*hours.to_dicts()]
    # one source for all layers, as facets need: the levels are rows of their own
    rows += [
        {"platform": name, "level": level, "at": kind}
        for name in names
        for kind, level in zip(("feed-in", "retail"), levels[name], strict=True)
    ]
    base = alt.Chart()
    span = (
        base.transform_filter("isValid(datum.low)")
        .transform_calculate(end="datum.hour + 1")
        .mark_rect(color=SKY, opacity=0.55)
        .encode(x=hour, x2="end:Q", y=alt.Y("low:Q", title="ct/kWh"), y2="high:Q")
    )
    middle = (
        base.transform_filter("isValid(datum.mean)")
        .transform_calculate(at_half="datum.hour + 0.5")
        .mark_point(filled=True, size=26, color=BLUE, opacity=1)
        .encode(
            x="at_half:Q",
            y="mean:Q",
            tooltip=[
                alt.Tooltip("hour:Q", title="Hour (UTC)"),
                alt.Tooltip("mean:Q", title="Mean (ct/kWh)", format=".2f"),
                alt.Tooltip("low:Q", title="Lowest", format=".2f"),
                alt.Tooltip("high:Q", title="Highest", format=".2f"),
            ],
        )
    )
    rules = (
        base.transform_filter("isValid(datum.level)")
        .mark_rule(color=GREY, strokeDash=[5, 3])
        .encode(y="level:Q", tooltip=[alt.Tooltip("at:N", title="Price"), alt.Tooltip("level:Q", title="ct/kWh")])
    )
    facet: AnyChart = (
        alt.layer(span, rules, middle, data=inline(rows))
        .properties(width=290, height=120)
        .facet(facet=alt.Facet("platform:N", sort=names, title=None), columns=3)
    )
    return facet
