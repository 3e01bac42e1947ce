"""What the table of order books makes of figures."""

from __future__ import annotations

from typing import Any

import pytest
from order_books import BATCH, LARGE_BATCH, goals, table


def _run() -> dict[str, Any]:
    """Figures as the processes tell them, all goals just reached."""
    ours = {("W1", BATCH): 10.0, ("W2", BATCH): 10.0, ("W3", BATCH): 10.0, ("W3", LARGE_BATCH): 8.0}
    theirs = {("W1", "textbook"): 80.0, ("W2", "textbook"): 80.0, ("W3", "textbook"): 280.0}
    peers = {("W1", "matchcore 0.4"): 30.0, ("W2", "matchcore 0.4"): 30.0}
    core = {"Events of 10000 rows a call": 20.0, "Trades of 10000 rows a call": 10.0, "one order a call": 50.0}
    return {
        "core": [{"workload": w, "who": who, "ns": ns} for (w, who), ns in (ours | theirs | peers).items()],
        "turns": [{"core": core, "python": {"events": 26.0, "trades": 13.0, "single": 200.0}}],
        "beside": {"trades": [12.0], "limit-order-book": [120.0]},
        "threads": {"one": [60.0, 61.0, 90.0], "two": [30.5, 33.0, 30.0]},
        "memory": 3_000.0,
        "machine": {"processor": "P", "cores": 2, "system": "S", "commit": "c", "date": "d"},
    }


def test_every_goal_of_the_order_book_is_judged() -> None:
    judged = [goal for goal in goals(_run()) if goal.narrow is not None and goal.narrow.bound is not None]
    assert len(judged) == 11
    assert all(goal.met for goal in judged), judged


def test_threads_are_told_and_not_judged() -> None:
    told = [goal for goal in goals(_run()) if goal.narrow is not None and goal.narrow.bound is None]
    assert [goal.narrow.reached for goal in told if goal.narrow is not None] == [0.5]


@pytest.mark.parametrize(
    ("what", "worse"),
    [
        ("W1, 60 % new orders, textbook", {"W1": {"textbook": 79.0}}),
        ("W2, like a feed, matchcore 0.4", {"W2": {"matchcore 0.4": 29.0}}),
        ("W3, 100k small books at random, textbook", {"W3": {BATCH: 15.0}}),
        ("W3, in calls of 1M, textbook", {"W3": {LARGE_BATCH: 9.0}}),
    ],
)
def test_what_is_slower_is_not_reached(what: str, worse: dict[str, dict[str, float]]) -> None:
    run = _run()
    for row in run["core"]:
        row["ns"] = worse.get(row["workload"], {}).get(row["who"], row["ns"])
    assert [goal.what for goal in goals(run) if not goal.met] == [what]


def test_python_is_judged_within_a_turn() -> None:
    run = _run()
    slow = {"core": {who: 10 * ns for who, ns in run["turns"][0]["core"].items()}}
    slow["python"] = {"events": 261.0, "trades": 130.0, "single": 651.0}
    run["turns"] = [slow]
    assert [goal.unit for goal in goals(run) if not goal.met] == ["of the core", "ns"]


def test_without_the_peer_the_table_says_why() -> None:
    run = _run() | {"beside": {}, "memory": None}
    text = table(run)
    assert "limit-order-book was not there" in text
    assert "9 of 9 goals reached" in text
    assert "✗" not in text.partition("| what")[2]
    assert "limit-order-book was not there" not in table(_run())
