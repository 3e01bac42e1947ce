"""The tables of a run: for people at a terminal, and in Markdown for the documentation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from fastclear.bench.cases import SMALL_MARKET
from fastclear.bench.goals import Aim, Goal, size
from fastclear.bench.runner import DEFAULT, Measured
from fastclear.console import Column, Sheet

YARDSTICKS: Final = (
    ("numpy usual", "usual", "cpu"),
    ("numpy sort", "tuned", "cpu"),
    ("numpy sample", "sample", "cpu"),
    ("polars", "polars", "wall"),
    ("np.sort", "sort", "cpu"),
    ("np.argsort", "argsort", "cpu"),
    ("np.copyto", "copy", "cpu"),
)
"""Contestant, heading, clock."""
LEGEND: Final = (
    "ns: fastclear, an order, one thread. The other columns: how many times as long others take. usual, tuned and "
    "sample are clearings in numpy (sorting as usually written; sorting, tuned; sampling as fastclear does), polars "
    "one in its expressions on all cores; sort, argsort and copy are numpy's, of one column, and clear nothing. book: "
    "one market. timed: its marginal level served by time. trades: at prices pair by pair, with the list of trades. "
    f"many: markets of {SMALL_MARKET} orders, sorted by market; mixed: shuffled. narrow: few ticks, wide: many. "
    "postings, netting: transfers and obligations, near: between a hundredth as many accounts, far: between as many; "
    "slot: markets of so many orders paid out, without clearing them; transfers: with ids, into new accounts; kept: "
    "the same, on disk and sealed; kinds: with reservations, posts, voids and chains too."
)
_HEADINGS: Final = ("case", "orders", "ns", *(heading for _, heading, _ in YARDSTICKS))


def figure(value: float) -> str:
    """Two or three digits that matter.

    Examples
    --------
    >>> figure(0.1234), figure(1.234), figure(12.34), figure(1234.5)
    ('0.12', '1.2', '12', '1,234')
    """
    return f"{value:,.0f}" if value >= 9.95 else f"{value:.1f}" if value >= 0.995 else f"{value:.2f}"


def cells(run: Measured) -> Iterator[list[str]]:
    """The rows of the table of yardsticks as text."""
    for row in run.settings[DEFAULT]:
        case, n = row["case"], row["n"]
        if case == "call":
            continue
        shares = (run.ratio(case, n, "fastclear", name, clock) for name, _, clock in YARDSTICKS)
        taken = run.nanoseconds(case, n)
        assert taken is not None  # fastclear takes part in every case
        yield [case, size(n), figure(taken), *("" if share is None else figure(1 / share) for share in shares)]


def _aimed(aim: Aim | None) -> tuple[str, str]:
    if aim is None:
        return "", ""
    exact = f"{aim.reached:.3f}" if aim.reached < 0.995 else f"{aim.reached:.2f}" if aim.reached < 9.95 else None
    reached = exact or figure(aim.reached)
    if aim.bound is None:
        return "", reached
    bound = f"{aim.bound:.2f}".rstrip("0").rstrip(".")
    return f"{'≥' if aim.at_least else '≤'} {bound}", reached if aim.met else f"{reached} ✗"


def goal_cells(goals: Sequence[Goal]) -> list[list[str]]:
    """The rows of the table of goals as text."""
    return [[goal.what, goal.unit, *_aimed(goal.narrow), *_aimed(goal.wide)] for goal in goals]


_GOAL_HEADINGS: Final = ("what", "unit", "narrow", "reached", "wide", "reached")


def tally(goals: Sequence[Goal]) -> str:
    """How many goals are reached."""
    aims = [aim for goal in goals for aim in (goal.narrow, goal.wide) if aim is not None and aim.bound is not None]
    return f"{sum(aim.met for aim in aims)} of {len(aims)} goals reached (✗: not)"


def heading(machine: dict[str, Any]) -> str:
    """What the numbers were measured on."""
    version = machine["fastclear"] + (f", commit {machine['commit']}" if "commit" in machine else "")
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['system']}; Python {machine['python']}, "
        f"numpy {machine['numpy']}, polars {machine['polars']}, fastclear {version}; {machine['date']}"
    )


def report(run: Measured, goals: Sequence[Goal]) -> RenderableType:
    """Both tables for a terminal."""
    table = Sheet([Column(name, words=at == 0) for at, name in enumerate(_HEADINGS)], list(cells(run)))
    aims = Sheet(
        [
            Column("what", words=True, wraps=True),
            Column("unit", words=True),
            Column("narrow"),
            Column("reached"),
            Column("wide"),
            Column("reached"),
        ],
        goal_cells(goals),
    )
    return Group(
        Text(heading(run.machine)),
        Padding(table, (1, 0)),
        Text(LEGEND, style="dim"),
        Padding(aims, (1, 0)),
        Text(tally(goals)),
    )


def markdown(headings: Sequence[str], rows: Sequence[Sequence[str]], words: int = 1) -> str:
    """A table in Markdown whose source can be read, too; the first `words` columns are to the left."""
    widths = [max(len(row[at]) for row in (headings, *rows)) for at in range(len(headings))]

    def line(row: Sequence[str]) -> str:
        padded = (f"{c:<{w}}" if at < words else f"{c:>{w}}" for at, (c, w) in enumerate(zip(row, widths, strict=True)))
        return f"| {' | '.join(padded)} |"

    rule = (f"{'-' * (width + 2)}" if at < words else f"{'-' * (width + 1)}:" for at, width in enumerate(widths))
    return "\n".join([line(headings), f"|{'|'.join(rule)}|", *(line(row) for row in rows)])


def markdown_report(run: Measured, goals: Sequence[Goal]) -> str:
    """Both tables for the documentation."""
    return (
        f"{heading(run.machine)}.\n\n{tally(goals)}.\n\n{markdown(_GOAL_HEADINGS, goal_cells(goals), 2)}\n\n"
        f"{markdown(_HEADINGS, list(cells(run)))}"
    )


def document(run: Measured, goals: Sequence[Goal]) -> dict[str, Any]:
    """Everything that was measured, and what it says of the goals, for JSON."""

    def aim(of: Aim | None) -> dict[str, Any] | None:
        return None if of is None else {"goal": of.bound, "reached": of.reached, "met": of.met}

    aims = [
        {"what": goal.what, "unit": goal.unit, "narrow": aim(goal.narrow), "wide": aim(goal.wide)} for goal in goals
    ]
    return {"machine": run.machine, "settings": run.settings, "peaks": run.peaks, "goals": aims}
