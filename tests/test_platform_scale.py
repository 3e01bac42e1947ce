"""Days of the two largest platforms of the reviews: a hundredth of them, and with FASTCLEAR_BOOKS=100 the whole.

Powerpeers has 60,000 members with ten sources each and 48 half-hours; Vandebron 100,000 homes that pick one of 50
producers, and 96 quarter-hours. `python -m fastclear.bench.platform_days` measures both days.
"""

import os
import re
from pathlib import Path

import polars as pl
import pytest

import fastclear as fc
from fastclear.bench.platform_days import measured, town
from fastclear.platforms import load_preset
from fastclear.platforms.simulation import simulate

SCALE = float(os.environ.get("FASTCLEAR_BOOKS", "1"))


@pytest.mark.parametrize(
    ("platform", "members", "producers", "minutes", "sources_most"),
    [("powerpeers", round(600 * SCALE), round(30 * SCALE), 30, 10), ("vandebron", round(1000 * SCALE), 50, 15, 1)],
)
def test_a_day_balances_and_nobody_has_too_many_sources(
    tmp_path: Path, platform: str, members: int, producers: int, minutes: int, sources_most: int
) -> None:
    preset = load_preset(platform).with_values("the test", set_up__slot_minutes=minutes)
    result = simulate(preset, town(members, producers, minutes), 1, 1, tmp_path, lambda: None)
    assert result.slots.height == 24 * 60 // minutes
    assert sum(result.members["bill_nano"]) == sum(result.house.values())
    assert sum(result.members["bought_wh"]) == sum(result.members["sold_wh"]) > 0
    sources = result.trades.group_by("buyer").agg(pl.col("seller").n_unique())["seller"]
    assert 1 <= sources.max() <= sources_most  # type: ignore[operator]
    assert fc.verify_directory(tmp_path / "ledger").head == result.head


def test_the_benchmark_says_what_a_day_took() -> None:
    said = measured("vandebron", 0.001)
    assert re.fullmatch(
        r"vandebron: 100 members, 96 slots, [\d,]+ trades, [\d,]+ records; [\d.]+ s, of them [\d.]+ s clearing; "
        r"[\d.]+ s of processors, at most [\d.]+ GB; head [0-9a-f]{16}",
        said,
    )
