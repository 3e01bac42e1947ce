"""The report of a town with thousands of members: small, and its curves are those of every order."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from fastclear import charts, report
from fastclear.bench.platform_days import day
from fastclear.platforms.result import RunResult


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    return day("vandebron", 0.025, tmp_path_factory.mktemp("town"))


def curve(book: dict[str, Any]) -> dict[tuple[int, int], int]:
    """Wh by side and price."""
    steps: dict[tuple[int, int], int] = defaultdict(int)
    for buy, price, wh in book["orders"]:
        steps[buy, price] += wh
    return steps


def test_orders_of_a_crowd_make_the_same_curves(town: RunResult, monkeypatch: pytest.MonkeyPatch) -> None:
    books = report.order_books(town, town.slots)
    monkeypatch.setattr(report, "ORDERS_AT_MOST", 10**9)
    each = report.order_books(town, town.slots)
    assert books is not None
    assert each is not None
    assert books["slots"].keys() == each["slots"].keys()
    for name, book in each["slots"].items():
        found = books["slots"][name]
        assert len(book["orders"]) > 2_000
        assert len(found["orders"]) == len(curve(book)) < 100  # all bids at one price, fifty producers
        assert curve(found) == curve(book)
        assert {**found, "orders": 0} == {**book, "orders": 0}


def test_only_crowded_slots_are_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "ORDERS_AT_MOST", 3)
    orders = pl.DataFrame(
        {
            "slot": [1, 2, 1, 2, 2, 1, 2, 3],
            "buy": [1, 1, 1, 0, 1, 0, 1, 1],
            "price_ticks": [5, 5, 5, 5, 5, 4, 6, 7],
            "wh": [10, 1, 20, 2, 3, 30, 4, 5],
        }
    )
    rows = report._crowds_by_price(orders).rows()
    assert rows == [(1, 1, 5, 10), (1, 1, 5, 20), (1, 0, 4, 30), (3, 1, 7, 5), (2, 1, 5, 4), (2, 0, 5, 2), (2, 1, 6, 4)]
    monkeypatch.setattr(report, "ORDERS_AT_MOST", 4)
    assert report._crowds_by_price(orders).equals(orders)


def test_a_crowd_has_a_bar_for_every_so_many_th_member(town: RunResult) -> None:
    chart = charts.savings(town.members, "EUR").to_dict()
    (rows,) = chart["datasets"].values() if "datasets" in chart else (chart["data"]["values"],)
    saved = [row["saving"] for row in rows]
    assert len(rows) == 834  # of 2,500 every third
    assert saved == sorted(saved, reverse=True)
    assert chart["encoding"]["x"]["title"] == "Member (1 of 3, by saving)"
    best = (town.members["bill_without_nano"] - town.members["bill_nano"]).max()
    assert saved[0] == round(best / 10**9, 4)  # type: ignore[operator]
    few = charts.savings(town.members.head(charts.BARS_AT_MOST), "EUR").to_dict()
    assert few["encoding"]["x"]["title"] == "Member"


def test_its_report_is_small(town: RunResult, tmp_path: Path) -> None:
    assert town.report(tmp_path / "report.html").stat().st_size < 3_000_000
