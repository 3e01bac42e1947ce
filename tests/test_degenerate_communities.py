"""Communities at the edge, through a whole run: conservation, and nobody is asked for what is not there."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import fastclear as fc
from fastclear.community import community_from_frame
from fastclear.errors import PresetError

QUARTER = 15 * 60 * 10**9
START = int(np.datetime64("2025-06-01T00:00", "ns").astype(np.int64))


def table(load, pv, slots=96, start=START):
    """A frame of members with constant load and PV."""
    members = len(load)
    return pl.DataFrame(
        {
            "slot": np.repeat(start + QUARTER * np.arange(slots), members),
            "participant": np.tile(np.arange(members), slots),
            "load_wh": np.tile(load, slots),
            "pv_wh": np.tile(pv, slots),
        }
    )


def check(result):
    """Money and energy of a run add up: what members pay is what the house has, and each meter is load less PV."""
    assert sum(result.members["bill_nano"].to_list()) == sum(result.house.values())
    community = result.community
    # without batteries the meters are the net energy
    assert not community.battery_wh.any()
    trades = result.trades
    for row in trades.iter_rows(named=True):
        assert row["quantity_wh"] > 0
    sold, bought = trades["sell_price_ticks"], trades["buy_price_ticks"]
    assert (sold == bought).all()


@pytest.mark.parametrize(
    ("load", "pv", "trades"),
    [
        ([300], [0], False),
        ([0], [300], False),
        ([300, 200, 100], [0, 0, 0], False),
        ([0, 0, 0], [300, 200, 100], False),
        ([0, 0], [0, 0], False),
        ([300, 0], [0, 300], True),
    ],
    ids=["one member", "one member, all PV", "no PV", "no load", "nothing at all", "two who fit"],
)
def test_a_day_at_the_edge(load, pv, trades):
    result = fc.run("brooklyn", community=table(load, pv), days=1, seed=1)
    check(result)
    assert bool(result.trades.height) == trades
    if not trades:
        # without trades everybody pays what it would pay without the market
        assert result.members["bill_nano"].to_list() == result.members["bill_without_nano"].to_list()


def test_a_meter_missing_for_a_day():
    """Refused with the remedy; filled from the day before on request, and the run says so."""
    whole = table([300, 100], [0, 250], slots=3 * 96).with_columns(
        pl.when(pl.col("slot") < START + 96 * QUARTER).then(pl.col("load_wh")).otherwise(pl.col("load_wh") + 7)
    )
    second_day = pl.col("slot").is_between(START + 96 * QUARTER, START + 2 * 96 * QUARTER, closed="left")
    holed = whole.filter(~(second_day & (pl.col("participant") == 1)))
    with pytest.raises(PresetError, match=r"'1' has no row for the slot 2025-06-02T00:00Z.*missing='day_before'"):
        community_from_frame(holed)
    filled = community_from_frame(holed, missing="day_before")
    assert filled.load_wh[:, 1].tolist() == [100] * 192 + [107] * 96
    assert filled.load_wh[:, 0].tolist() == [300] * 96 + [307] * 192
    assert filled.source.endswith("; 96 missing values filled from the day before or after")
    result = fc.run("brooklyn", community=filled, days=3, seed=1)
    check(result)
    assert "96 missing values" in result.data


def test_holes_at_the_start_are_filled_from_the_day_after_and_others_stay_refused():
    whole = table([300, 100], [0, 250], slots=3 * 96)
    late = whole.filter((pl.col("participant") == 0) | (pl.col("slot") >= START + 96 * QUARTER))
    filled = community_from_frame(late, missing="day_before")
    np.testing.assert_array_equal(filled.load_wh, community_from_frame(whole).load_wh)
    two_days = whole.filter((pl.col("participant") == 0) | (pl.col("slot") >= START + 2 * 96 * QUARTER))
    assert community_from_frame(two_days, missing="day_before").digest == filled.digest
    one_slot = whole.filter((pl.col("participant") == 0) | (pl.col("slot") == START))
    with pytest.raises(PresetError, match="has no row for the slot 2025-06-01T00:15Z"):
        community_from_frame(one_slot, missing="day_before")
    with pytest.raises(PresetError, match="missing is 'refuse' or 'day_before'"):
        community_from_frame(whole, missing="zero")
    # nothing missing: nothing changes
    assert community_from_frame(whole, missing="day_before").source == community_from_frame(whole).source


@pytest.mark.parametrize(
    ("tz", "day", "slots"),
    [
        ("Europe/Amsterdam", "2025-03-30", 92),
        ("Europe/Amsterdam", "2025-10-26", 100),
        ("Europe/London", "2025-03-30", 92),
        ("Europe/London", "2025-10-26", 100),
        ("Australia/Lord_Howe", "2025-04-06", 98),
        ("Australia/Lord_Howe", "2025-10-05", 94),
    ],
)
def test_runs_over_switch_days(tz, day, slots):
    """Naive local stamps of a switch day, as a meter writes them: as many slots as the clock says, none twice, none
    missing."""
    first = np.datetime64(day) - 1
    local = (
        pl.datetime_range(
            pl.lit(str(first)).str.to_datetime().dt.replace_time_zone(tz),
            pl.lit(str(first + 3)).str.to_datetime().dt.replace_time_zone(tz),
            "15m",
            closed="left",
            eager=True,
        )
        .dt.replace_time_zone(None)
        .alias("slot")
    )
    assert (local.dt.date() == first.astype(object) + (np.datetime64(day) - first).astype(object)).sum() == slots
    frame = pl.concat(
        [
            pl.DataFrame({"slot": local}).with_columns(participant=pl.lit(name), load_wh=load, pv_wh=pv)
            for name, load, pv in (("ann", 300, 0), ("bob", 0, 250))
        ]
    )
    community = community_from_frame(frame, tz=tz)
    assert len(community.slots) == 2 * 96 + slots
    assert (np.diff(community.slots) == QUARTER).all()
    result = fc.run("brooklyn", community=community, days=2, seed=1)
    check(result)
    assert result.slots.height == 192
