"""Metrics against plain Python, on exact integers."""

from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastclear import metrics

wide = st.integers(-(2**62), 2**62)


@given(st.lists(wide, max_size=50))
def test_exact_sum_never_wraps(values: list[int]) -> None:
    assert metrics.exact_sum(np.array(values, dtype=np.int64)) == sum(values)


@given(st.lists(st.integers(0, 2**62), min_size=1, max_size=20), st.integers(0, 1_000_000))
def test_tax_rounds_half_even_to_the_nano(bases: list[int], ppm: int) -> None:
    want = [
        int((Decimal(base) * ppm).scaleb(-6).to_integral_value(ROUND_HALF_EVEN))
        if base * ppm < 10**27
        else round(Fraction(base * ppm, 10**6))
        for base in bases
    ]
    assert metrics.tax_nano(np.array(bases, dtype=np.int64), ppm).tolist() == want


@given(
    st.lists(st.lists(st.integers(-(10**6), 10**6), min_size=3, max_size=3), min_size=1, max_size=6),
    st.integers(-(10**6), 10**6),
    st.integers(-(10**6), 10**6),
    st.integers(0, 10**6),
)
def test_bill_without_market_is_retail_feed_in_and_tax(
    meters: list[list[int]], retail: int, feed_in: int, ppm: int
) -> None:
    def bill(member: int) -> int:
        total = 0
        for row in meters:
            energy = retail * max(row[member], 0)
            # Python rounds fractions half-even, and symmetrically about zero
            total += energy + round(Fraction(energy * ppm, 10**6)) - feed_in * max(-row[member], 0)
        return total

    got = metrics.bill_without_market(np.array(meters, dtype=np.int64), retail, feed_in, ppm)
    assert got == [bill(member) for member in range(3)]


@st.composite
def slots(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    """Meters and balanced contracts of one slot; sellers may fail to deliver, buyers to use."""
    meters = draw(st.lists(st.integers(-50, 50), min_size=2, max_size=6))
    contracts = [0] * len(meters)
    for _ in range(draw(st.integers(0, 6))):
        buyer, seller = draw(st.permutations(range(len(meters))))[:2]
        quantity = draw(st.integers(1, 20))
        contracts[buyer] += quantity
        contracts[seller] -= quantity
    return meters, contracts


@given(slots())
def test_each_kwh_counts_once(slot: tuple[list[int], list[int]]) -> None:
    meters, contracts = (np.array([column], dtype=np.int64) for column in slot)
    flows = metrics.energy_flows(np.maximum(meters, 0), np.maximum(-meters, 0), meters, contracts)
    imports, exports, local = (int(column[0]) for column in (flows.imports, flows.exports, flows.local))
    assert 0 <= local <= min(imports, exports)
    assert flows.from_grid[0] - flows.to_grid[0] == meters.sum()
    # what the backstop sells and buys, in pure Python, nets to the same
    open_wh = [m - c for m, c in zip(*slot, strict=True)]
    assert sum(open_wh) == meters.sum()


def test_all_traded_and_delivered_is_all_local() -> None:
    meters = np.array([[30, -20, -10]])
    flows = metrics.energy_flows(np.array([[40, 0, 0]]), np.array([[10, 20, 10]]), meters, meters)
    assert flows.local.tolist() == [30]
    assert metrics.self_sufficiency(flows, market=True) == 1
    assert metrics.self_sufficiency(flows, market=False) == Fraction(1, 4)
    assert metrics.self_consumption(flows, market=True) == 1
    assert metrics.self_consumption(flows, market=False) == Fraction(1, 4)


def test_nothing_delivered_is_nothing_local() -> None:
    # a seller of 10 that delivers none, a buyer of 10 that uses none: no kWh has moved
    zero = np.zeros((1, 2), dtype=np.int64)
    flows = metrics.energy_flows(zero, zero, zero, np.array([[-10, 10]]))
    assert flows.local.tolist() == [0]


def test_a_share_of_nothing_is_none() -> None:
    zero = np.zeros((1, 1), dtype=np.int64)
    flows = metrics.energy_flows(zero, zero, zero, zero)
    assert metrics.self_sufficiency(flows, market=True) is None
    assert metrics.self_consumption(flows, market=False) is None
    assert metrics.mean_price(zero[0][:0], zero[0][:0]) is None


def test_welfare_and_mean_price_of_the_golden_slot() -> None:
    # platforms.md 1.8: H 3@20; B1 5@26, B2 4@22, B3 1 of 6@18; S1 3+1@8, S2 5@11, S3 4@16
    buy = np.array([True] * 4 + [False] * 3)
    price = np.array([20, 26, 22, 18, 8, 11, 16])
    filled = np.array([3, 5, 4, 1, 4, 5, 4])
    assert metrics.welfare_nano(buy, price, filled) == 60 + 130 + 88 + 18 - 32 - 55 - 64
    assert metrics.mean_price(np.array([5, 4, 1]), np.array([18, 18, 18])) == 18


def test_a_metric_reads_in_the_unit_of_people() -> None:
    metric = metrics.Metric("bills", "Bills", 1_500_000_000, "nano", "sum")
    assert metric.readable(metric.value) == pytest.approx(1.5, abs=0)
    assert metric.shown_unit("EUR") == "EUR"
    assert metrics.Metric("s", "S", Fraction(1, 4), "share", "").readable(Fraction(1, 4)) == 25
