"""R8: forward, day-ahead, intraday, balancing: what was traded at all gates is what meters are held against."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

import fastclear as fc

SLOT = 1_777_636_800_000_000_000
HOUR = 3600 * 10**9
RETAIL, FEED_IN = 300_000, 50_000
# how long before delivery each gate closes, and its rule
GATES = {
    "forward": (24 * 30 * HOUR, fc.Discriminatory()),
    "day-ahead": (12 * HOUR, fc.Uniform()),
    "intraday": (HOUR, fc.Discriminatory(rule="bid")),
}
NAMES = ["Ada", "Bo", "Cy", "Dee", "Eve"]

order = st.tuples(
    st.sampled_from(NAMES), st.booleans(), st.integers(0, 4).map(lambda p: 60_000 + 50_000 * p), st.integers(1, 900)
)


@settings(max_examples=120)
@given(st.lists(st.lists(order, max_size=8), min_size=3, max_size=3), st.lists(st.integers(-900, 900), min_size=5))
def test_positions_of_all_gates_add_up_to_what_the_meter_is_held_against(gates: list[Any], meters: list[int]) -> None:
    bank = fc.Settlement(tariff=fc.Tariff(RETAIL, FEED_IN))
    bank.open(NAMES)
    bank.deposit(NAMES, 10**12)
    position: dict[str, int] = defaultdict(int)
    paid: dict[str, int] = defaultdict(int)
    cleared, number = [], 0
    for market, ((before, rule), orders) in enumerate(zip(GATES.values(), gates, strict=True)):
        # who has traded may trade again, on either side; nobody meets themselves
        kept = list({name: (name, buys, price, lots) for name, buys, price, lots in orders}.values())
        if not kept:
            continue
        columns = {
            "side": ["buy" if buys else "sell" for _, buys, _, _ in kept],
            "price": [price for _, _, price, _ in kept],
            "quantity": [lots for _, _, _, lots in kept],
            "participant": [name for name, _, _, _ in kept],
            "order": list(range(number, number + len(kept))),
            "market": [market] * len(kept),
        }
        names = dict(zip(columns["order"], columns["participant"], strict=True))
        number += len(kept)
        bank.advance(SLOT - before)
        assert not bank.reserve(columns, slot=SLOT).any()
        clearing = fc.clear(columns, rule)
        cleared.append(clearing)
        for trade in clearing.trades.iter_rows(named=True):
            position[names[trade["buy_order"]]] += trade["quantity"]
            position[names[trade["sell_order"]]] -= trade["quantity"]
        for (name, buys, _, _), money in zip(kept, clearing.payment.tolist(), strict=True):
            paid[name] += money // clearing.den
            assert buys == (money >= 0) or money == 0
    bank.advance(SLOT + HOUR)
    readings = dict(zip(NAMES, meters, strict=False))
    meter = {"participant": list(readings), "energy_wh": list(readings.values())}
    receipts = bank.settle(cleared, meter, slot=SLOT)
    frame = receipts.frame
    lines = frame.filter(pl.col("kind") == "imbalance")
    bills = {row["participant"]: row for row in receipts.by_participant().iter_rows(named=True)}
    for name in NAMES:
        open_wh = readings[name] - position[name]
        found = lines.filter((pl.col("payer") == name) | (pl.col("payee") == name))
        # + lacks energy and pays for it, - has left it over
        signed = sum(
            row["quantity"] if row["payer"] == name else -row["quantity"] for row in found.iter_rows(named=True)
        )
        assert signed == open_wh
        cost = RETAIL * open_wh if open_wh > 0 else FEED_IN * open_wh
        row = bills.get(name)
        assert (0 if row is None else row["net"]) == paid[name] + cost
    assert sum(position.values()) == 0
    # what nobody traded away is what the balancing supplier delivers
    assert sum(readings.values()) == sum(readings[name] - position[name] for name in NAMES)


def test_what_was_bought_ahead_can_be_sold_again_later() -> None:
    bank = fc.Settlement(tariff=fc.Tariff(RETAIL, FEED_IN))
    bank.open(["Ada", "Bo", "Cy"])
    bank.deposit(["Ada", "Bo", "Cy"], 10**12)

    def gate(market: int, rows: list[tuple[str, str, int, int]]) -> Any:
        columns = {
            "side": [row[1] for row in rows],
            "price": [row[2] for row in rows],
            "quantity": [row[3] for row in rows],
            "participant": [row[0] for row in rows],
            "order": [10 * market + at for at in range(len(rows))],
            "market": [market] * len(rows),
        }
        assert not bank.reserve(columns, slot=SLOT).any()
        return fc.clear(columns, fc.Uniform(k=0))

    ahead = gate(0, [("Ada", "buy", 200_000, 1000), ("Bo", "sell", 100_000, 1000)])
    intraday = gate(1, [("Ada", "sell", 150_000, 400), ("Cy", "buy", 250_000, 400)])
    meter = {"participant": ["Ada", "Bo", "Cy"], "energy_wh": [600, -1000, 400]}
    receipts = bank.settle([ahead, intraday], meter, slot=SLOT)
    assert receipts.frame.filter(pl.col("kind") == "imbalance").height == 0
    bills = dict(receipts.by_participant().select("participant", "net").iter_rows())
    assert bills == {"Ada": 100_000 * 1000 - 150_000 * 400, "Bo": -100_000 * 1000, "Cy": 150_000 * 400}
    assert np.sum(list(bills.values())) == 0
