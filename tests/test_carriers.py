"""R47: heat as well as power. The core has markets, quantities and slots, and no constant of electricity."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

import fastclear as fc

HOUR = 3600 * 10**9


def test_heat_by_the_hour_runs_as_power_by_the_quarter_does() -> None:
    """Three days of heat (60 minutes a slot): money and energy are conserved, prices lie within the band of heat."""
    # solar collectors and demand for heat; no batteries
    power = fc.load_community().days(3)
    shape = (len(power.slots) // 4, 4, power.members.height)
    heat = replace(
        power,
        name="heat",
        slots=power.slots[::4],
        slot_ns=HOUR,
        load_wh=power.load_wh.reshape(shape).sum(axis=1) * 3,
        pv_wh=power.pv_wh.reshape(shape).sum(axis=1) * 2,
        members=power.members.with_columns(battery_wh=pl.lit(0, pl.Int64), battery_w=pl.lit(0, pl.Int64)),
    )
    preset = fc.load_preset("brooklyn").with_values(
        "heat",
        set_up__slot_minutes=60,
        price__retail="12",
        price__feed_in="1",
        price__essential_rate="8",
    )
    result = fc.run(preset.renamed("heat"), community=heat, days=3)
    assert result.slots.height == 72
    assert result.trades.height > 100
    assert sum(result.members["bill_nano"]) == sum(result.house.values())
    taken = sum(result.slots["load_wh"])
    assert taken == sum(result.slots["pv_wh"]) + sum(result.slots["from_grid_wh"]) - sum(result.slots["to_grid_wh"])
    auction = result.trades.filter(pl.col("tranche") == "auction")
    assert int(auction["sell_price_ticks"].min()) >= 10_000  # type: ignore[arg-type]
    assert int(auction["buy_price_ticks"].max()) <= 120_000  # type: ignore[arg-type]
    assert len(result.ledger) == 73


def test_carriers_in_one_call_do_not_meet() -> None:
    random = np.random.default_rng(5)
    rows = 400
    orders = pl.DataFrame(
        {
            "side": random.integers(0, 2, rows).astype(np.int8),
            "price": random.integers(10_000, 300_000, rows),
            "quantity": random.integers(1, 5000, rows),
            "order": np.arange(rows),
            "market": random.integers(0, 3, rows),  # 0: power, 1: heat, 2: gas
        }
    )
    together = fc.clear(orders, fc.Uniform())
    carrier = dict(zip(orders["order"], orders["market"], strict=True))
    assert together.trades.height > 50
    for row in together.trades.iter_rows(named=True):
        assert carrier[row["buy_order"]] == carrier[row["sell_order"]] == row["market"]
    for market in range(3):
        own = orders.filter(pl.col("market") == market)
        alone = fc.clear(own, fc.Uniform())
        at = orders["market"].to_numpy() == market
        assert together.filled[at].tolist() == alone.filled.tolist()
        assert together.payment[at].tolist() == alone.payment.tolist()
