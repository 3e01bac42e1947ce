"""Days of the two largest platforms of the reviews: a hundredth of them, and with FASTCLEAR_BOOKS=100 the whole.

Powerpeers has 60,000 members with ten sources each and 48 half-hours; Vandebron 100,000 homes that pick one of 50
producers, and 96 quarter-hours. Where the data is drawn anew, the whole has to fit into 4 GB.
"""

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import fastclear as fc
from fastclear.platforms import load_preset
from fastclear.platforms.simulation import simulate

SCALE = float(os.environ.get("FASTCLEAR_BOOKS", "1"))
NS_PER_MINUTE = 60 * 10**9


def town(members: int, producers: int, minutes: int) -> fc.Community:
    """Homes with a load in every slot of a day; some have PV by day."""
    draw = np.random.default_rng(1)
    slots = 24 * 60 // minutes
    start = np.datetime64("2024-07-08", "ns").astype(np.int64)
    pv = np.zeros((slots, members), np.int64)
    roofs = draw.permutation(members)[:producers]
    day = slice(slots // 4, slots * 19 // 24)
    share = members // producers
    pv[day, roofs] = draw.integers(
        2_000 * minutes * share // 600, 20_000 * minutes * share // 600, pv[day, roofs].shape
    )
    home = fc.load_community().members.head(1)
    listed = pl.concat([home] * members).with_columns(
        pl.Series("participant", [f"m{at}" for at in range(members)]),
        pl.Series("feeder", np.arange(members, dtype=np.int64) % 100),
        *(pl.lit(0).cast(pl.Int64).alias(name) for name in ("battery_wh", "battery_w")),
    )
    slot_ns = minutes * NS_PER_MINUTE
    times = start + np.arange(slots, dtype=np.int64) * slot_ns
    load = draw.integers(50, 20 * minutes, (slots, members))
    return fc.Community("town", "drawn", times, slot_ns, listed, load, pv)


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
