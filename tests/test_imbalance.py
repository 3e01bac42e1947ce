"""Imbalance policies against an independent statement of each, over random communities."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastclear as fc

NAMES = ["Ada", "Bo", "Cem", "Dana"]
ticks = st.integers(-60, 60) | st.sampled_from([2**31 - 1, 1 - 2**31])
policies = st.one_of(
    st.just(fc.Backup()),
    st.just(fc.SinglePrice()),
    st.builds(
        fc.DualPrice,
        penalty=st.integers(0, 9),
        dead_band_wh=st.integers(0, 5),
        residual_to=st.sampled_from(["platform", "dso", "backstop"]),
    ),
)


def price_of(policy: Any, retail: int, feed_in: int, total: int, deviation: int) -> int:
    if isinstance(policy, fc.SinglePrice):
        return retail if total > 0 else feed_in
    return retail if deviation > 0 else feed_in


def settled(policy: Any, retail: int, feed_in: int, traded: int, meter: list[tuple[str, int]]) -> Any:
    """Ada buys ``traded`` Wh from Bo at 7 ticks, then the meters are read."""
    bank = fc.Settlement(tariff=fc.Tariff(retail, feed_in), imbalance=policy)
    bank.open(NAMES)
    bank.deposit(NAMES, 10**15)
    bank.receipts()
    orders = {"side": ["buy", "sell"], "price": [7, 7], "quantity": [max(traded, 1)] * 2, "participant": ["Ada", "Bo"]}
    clearings = [fc.clear(orders, fc.Uniform())] if traded else []
    readings = pl.DataFrame(meter, schema={"participant": pl.String, "energy_wh": pl.Int64}, orient="row")
    return bank, bank.settle(clearings, readings)


meters = st.dictionaries(st.sampled_from(NAMES), st.integers(-100, 100) | st.sampled_from([10**9, -(10**9)]))


@settings(max_examples=200, deadline=None)
@given(policies, ticks, ticks, st.integers(0, 30), meters, st.randoms())
def test_every_bill_and_every_owner(
    policy: Any, retail: int, feed_in: int, traded: int, meter: dict[str, int], random: Any
) -> None:
    bank, receipts = settled(policy, retail, feed_in, traded, list(meter.items()))
    contract = dict.fromkeys(NAMES, 0) | {"Ada": traded, "Bo": -traded}
    deviation = {name: energy - contract[name] for name, energy in meter.items()}
    total = sum(deviation.values())
    cost = {name: price_of(policy, retail, feed_in, total, d) * d for name, d in deviation.items()}
    owned = dict.fromkeys(("platform", "dso", "backstop"), 0)
    owned["backstop"] = sum(cost.values())
    if isinstance(policy, fc.DualPrice):
        fine = {name: policy.penalty * max(0, abs(d) - policy.dead_band_wh) for name, d in deviation.items()}
        owned[policy.residual_to] += sum(fine.values())
        cost = {name: cost[name] + fine[name] for name in cost}
    net = dict(receipts.by_participant().select("participant", "net").rows())
    assert net == {name: 7 * contract[name] + cost.get(name, 0) for name in NAMES if contract[name] or name in meter}
    balances = dict(bank.balances.select("role", "posted").filter(pl.col("role").is_in(list(owned))).rows())
    assert balances == owned
    assert bank.balances["posted"].sum() == 0
    if len(meter) == len(NAMES):
        flow = sum(meter.values())
        grid_bill = retail * max(flow, 0) - feed_in * max(-flow, 0)
        if isinstance(policy, fc.SinglePrice):
            assert sum(net.values()) == grid_bill  # residual 0
        if isinstance(policy, fc.Backup):
            short, over = (sum(max(0, sign * d) for d in deviation.values()) for sign in (1, -1))
            assert sum(net.values()) == grid_bill + (retail - feed_in) * min(short, over)
    shuffled = list(meter.items())
    random.shuffle(shuffled)
    again = settled(policy, retail, feed_in, traded, shuffled)[1].columns
    assert all(again[name].tobytes() == column.tobytes() for name, column in receipts.columns.items())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"penalty": -1}, "penalty = -1"),
        ({"penalty": 2**31}, "penalty"),
        ({"penalty": 1, "dead_band_wh": -1}, "dead_band_wh = -1"),
        ({"penalty": 0.5}, "penalty"),
        ({"penalty": 1, "residual_to": "Ada"}, "residual_to='Ada'"),
    ],
)
def test_a_policy_that_cannot_be_says_why(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(fc.SettlementError, match=said):
        fc.DualPrice(**arguments)


def test_only_a_policy_is_a_policy() -> None:
    with pytest.raises(fc.SettlementError, match="imbalance is a str"):
        fc.Settlement(tariff=fc.Tariff(30, 5), imbalance="single")  # type: ignore[arg-type]
