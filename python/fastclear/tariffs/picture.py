"""A tariff plan as a plot: prices and fees over the local clock."""

from __future__ import annotations

from typing import Final

import altair as alt
import polars as pl

from fastclear.charts import BLUE, GREEN, GREY, ORANGE, VERMILION, AnyChart, inline

_TICKS_PER_CT: Final = 10_000
_COLOURS: Final = {
    "retail": VERMILION,
    "feed_in": GREEN,
    "platform_fee": GREY,
    "network_fee": BLUE,
    "local_network_fee": ORANGE,
}
"""Colour of each line; those of Okabe and Ito."""


def drawn(table: pl.DataFrame, name: str, time_zone: str) -> AnyChart:
    """Steps of every price that is not 0 throughout; the local fee only where it is another.

    Parameters
    ----------
    table : DataFrame
        What :meth:`fastclear.TariffPlan.table` returns.
    name, time_zone : str
        For title and axis.
    """
    shown = [key for key in _COLOURS if (table[key] != 0).any()] or ["retail"]
    if "local_network_fee" in shown and table["local_network_fee"].equals(table["network_fee"]):
        shown.remove("local_network_fee")
    # Local clocks are drawn as if they were UTC: the clock of whoever looks at the plot has no say.
    long = (
        table.select(pl.col("local").dt.strftime("%Y-%m-%dT%H:%M:%SZ"), pl.col(shown) / _TICKS_PER_CT)
        .unpivot(index="local", variable_name="line", value_name="price")
        .to_dicts()
    )
    clock = alt.Axis(format="%a %d %b %H:%M", labelOverlap=True)
    colour = alt.Scale(domain=shown, range=[_COLOURS[key] for key in shown])
    chart: AnyChart = (
        alt.Chart(inline(long), title=name)
        .mark_line(interpolate="step-after", strokeWidth=2)
        .encode(
            alt.X("local:T", scale=alt.Scale(type="utc"), title=f"Local time ({time_zone})", axis=clock),
            alt.Y("price:Q", title="ct/kWh"),
            alt.Color("line:N", scale=colour, title=None),
            alt.StrokeDash("line:N", scale=alt.Scale(domain=shown), title=None),
        )
        .properties(width=640, height=240)
    )
    return chart
