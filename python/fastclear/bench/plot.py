"""The log-log plot of a run: seconds over orders, one line a contestant, each named at its end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import altair as alt

from fastclear.bench.cases import Plan
from fastclear.bench.runner import Measured
from fastclear.charts import BLUE, GREEN, INK, ORANGE, THEME, VERMILION, AnyChart, inline

_SKETCHED: Final = "wide"
"""Prices of the books that are drawn: peers that know few ticks at best get no advantage from ties."""
_LINES: Final = (
    ("fastclear", "fastclear", "cpu", BLUE),
    ("numpy sample", "numpy, sampling", "cpu", GREEN),
    ("numpy usual", "numpy, as usual", "cpu", ORANGE),
    ("polars", "polars", "wall", VERMILION),
)


@dataclass(frozen=True)
class Line:
    """One contestant: seconds by number of orders."""

    name: str
    color: str
    seconds: dict[int, float]


def lines(plan: Plan, run: Measured) -> list[Line]:
    """The lines that a run gives."""
    drawn = []
    for who, name, clock, color in _LINES:
        taken = {n: run.nanoseconds(f"book {_SKETCHED}", n, who, clock) for n in plan.orders}
        drawn.append(Line(name, color, {n: ns * n / 1e9 for n, ns in taken.items() if ns is not None}))
    return drawn


def chart(drawn: Iterable[Line]) -> AnyChart:
    """The plot."""
    drawn = [line for line in drawn if line.seconds]
    points = [{"who": line.name, "orders": n, "seconds": s} for line in drawn for n, s in sorted(line.seconds.items())]
    ends: list[dict[str, Any]] = [
        {"who": line.name, "orders": max(line.seconds), "seconds": line.seconds[max(line.seconds)]} for line in drawn
    ]
    colors = alt.Scale(domain=[line.name for line in drawn], range=[line.color for line in drawn])
    sizes = [n for line in drawn for n in line.seconds]
    least, most = min(sizes), max(sizes)
    right = max(most * (most / least) ** 0.35, 3 * most)  # a quarter of the width, for the names
    x = alt.X(
        "orders:Q",
        title="Orders in one market",
        scale=alt.Scale(type="log", domain=[least, right], nice=False),
        axis=alt.Axis(format="~s", tickCount=8, values=[10**power for power in range(1, 9) if 10**power <= most]),
    )
    y = alt.Y(
        "seconds:Q",
        title="Time to clear it",
        scale=alt.Scale(type="log"),
        axis=alt.Axis(labelExpr=_SECONDS, values=[10.0**power for power in range(-7, 3)]),
    )
    color = alt.Color("who:N", scale=colors, legend=None)
    base = alt.Chart(inline(points)).encode(x=x, y=y, color=color)
    names = [
        alt.Chart(inline([end for end in _apart(ends) if end["left"] is left]))
        .mark_text(align="right" if left else "left", baseline="middle", dx=-8 if left else 8, **_NAME)
        .encode(x=x, y=alt.Y("label:Q"), text="who:N")
        for left in (False, True)
    ]
    return alt.layer(
        base.mark_line(strokeWidth=2.2),
        base.mark_point(filled=True, size=36, opacity=1),
        *names,
    ).properties(width=640, height=420)


_SECONDS: Final = (
    "datum.value < 0.9e-6 ? format(datum.value * 1e9, '~g') + ' ns' : datum.value < 0.9e-3 ? "
    "format(datum.value * 1e6, '~g') + ' µs' : datum.value < 0.9 ? format(datum.value * 1e3, '~g') + ' ms' : "
    "format(datum.value, '~g') + ' s'"
)
_LABEL_STEP: Final = 1.9
"""Names of lines that end at one size stand at least this factor apart."""
_NAME_SPAN: Final = 30
"""A name reaches over this factor of orders; where another line ends within it, the name stands to the left."""
_NAME: Final[dict[str, Any]] = {"fontSize": 12, "fontWeight": 600, "color": INK}


def _apart(ends: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The ends of the lines with a place for each name, so that none covers another: beside its end, or higher up."""
    placed: list[dict[str, Any]] = []
    for end in sorted(ends, key=lambda end: (end["orders"], end["seconds"])):
        label = end["seconds"]
        if placed and placed[-1]["orders"] == end["orders"]:
            label = max(label, placed[-1]["label"] * _LABEL_STEP)
        close = (other for other in ends if end["orders"] < other["orders"] < end["orders"] * _NAME_SPAN)
        left = any(1 / 3 < other["seconds"] / end["seconds"] < 3 for other in close)
        placed.append({**end, "label": label, "left": left})
    return placed


def themed(drawn: Iterable[Line]) -> Any:
    """The plot with the fonts and greys of all charts, to be saved."""
    return chart(drawn).configure(**THEME)
