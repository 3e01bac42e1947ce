"""A day of Powerpeers with ten sources a member: 600 members, and with FASTCLEAR_BOOKS=100 the 60,000 of the review."""

import os
from pathlib import Path

import numpy as np
import polars as pl

import fastclear as fc
from fastclear.platforms import load_preset
from fastclear.platforms.simulation import simulate

MEMBERS = round(600 * float(os.environ.get("FASTCLEAR_BOOKS", "1")))
SLOTS, HALF_HOUR = 48, 1800 * 10**9


def town() -> fc.Community:
    """Homes with a load in every half-hour; one in twenty has PV by day."""
    draw = np.random.default_rng(1)
    start = np.datetime64("2024-07-08", "ns").astype(np.int64)
    pv = np.zeros((SLOTS, MEMBERS), np.int64)
    producers = draw.permutation(MEMBERS)[: MEMBERS // 20]
    pv[12:38, producers] = draw.integers(2_000, 20_000, (26, len(producers)))
    home = fc.load_community().members.head(1)
    members = pl.concat([home] * MEMBERS).with_columns(
        pl.Series("participant", [f"m{at}" for at in range(MEMBERS)]),
        pl.Series("feeder", np.arange(MEMBERS, dtype=np.int64) % 100),
        *(pl.lit(0).cast(pl.Int64).alias(name) for name in ("battery_wh", "battery_w")),
    )
    slots = start + np.arange(SLOTS, dtype=np.int64) * HALF_HOUR
    load = draw.integers(50, 600, (SLOTS, MEMBERS))
    return fc.Community("town", "drawn", slots, HALF_HOUR, members, load, pv)


def test_a_day_of_powerpeers_balances_and_nobody_has_more_than_ten_sources(tmp_path: Path) -> None:
    preset = load_preset("powerpeers").with_values("the test", set_up__slot_minutes=30)
    result = simulate(preset, town(), 1, 1, tmp_path, lambda: None)
    assert result.slots.height == SLOTS
    assert sum(result.members["bill_nano"]) == sum(result.house.values())
    assert sum(result.members["bought_wh"]) == sum(result.members["sold_wh"]) > 0
    sources = result.trades.group_by("buyer").agg(pl.col("seller").n_unique())["seller"]
    assert 1 < sources.max() <= 10  # type: ignore[operator]
    assert fc.verify_directory(tmp_path / "ledger").head == result.head
