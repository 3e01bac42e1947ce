"""Fixed charges by the month: prorated by local days, exact however a month is cut, never in the way."""

from __future__ import annotations

import calendar
import copy
import itertools
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any

import polars as pl
import pytest
import reference_tariff as oracle
from hypothesis import given
from hypothesis import strategies as st

import fastclear as fc

FLAT = fc.Tariff(300_000, 50_000, tax_ppm=200_000)
PLAN: dict[str, Any] = {
    "name": "p",
    "time_zone": "Europe/Amsterdam",
    "versions": [
        {"since": "2020-01-01", "retail": 30, "feed_in": 5, "subscription_per_month": "4.95"},
        {"since": "2026-03-18", "retail": 30, "feed_in": 5, "subscription_per_month": "6"},
    ],
    "taxes": [{"since": "2020-01-01", "percent": 21}, {"since": "2026-03-25", "on": ["subscription"], "percent": 9}],
}


def bank(tariff: Any = FLAT, names: Any = ("Ada", "Bo")) -> fc.Settlement:
    house = fc.Settlement(tariff=tariff)
    house.open(names)
    house.receipts()
    return house


def charged(receipts: fc.Receipts) -> dict[str, tuple[int, int]]:
    return {row["participant"]: (row["subscription"], row["tax"]) for row in receipts.by_participant().to_dicts()}


def test_a_month_costs_its_amount_and_tax() -> None:
    house = bank()
    house.subscribe("Ada", date(2026, 3, 1), per_month=4_950_000_000)
    receipts = house.charge_subscriptions("2026-03")
    assert receipts.frame.select("kind", "line", "payer", "payee", "quantity", "amount").rows() == [
        ("fee", "subscription", "Ada", "platform", 0, 4_950_000_000),
        ("tax", "subscription", "Ada", "tax", 0, 990_000_000),
    ]
    columns = receipts.columns
    assert columns["group"].tolist() == [columns["seq"][0]] * 2
    assert receipts.by_participant()["net"].to_list() == [5_940_000_000]
    # it never blocks: Ada had nothing, and is restricted until a deposit lifts it
    assert house.status == {"Ada": "restricted", "Bo": "active"}
    assert house.balances["posted"].sum() == 0
    order = {"side": ["buy"], "price": [-(10**9)], "quantity": [1], "participant": ["Ada"]}
    assert house.reserve(order).tolist() == [fc.RejectReason.CREDIT_EXCEEDED]
    house.deposit("Ada", 5_940_000_000)
    assert house.reserve(order).tolist() == [0]
    assert house.close_cycle()["net"].sum() == 0


def test_joining_leaving_and_moving_house_share_the_month() -> None:
    house = bank(names=["old", "new", "gone"])
    house.subscribe(["old", "gone"], date(2026, 1, 1), per_month=100)
    house.unsubscribe("gone", date(2026, 2, 1))
    house.unsubscribe("old", date(2026, 2, 11))
    house.subscribe("new", date(2026, 2, 11), per_month=100)
    assert charged(house.charge_subscriptions("2026-02")) == {"old": (35, 7), "new": (65, 13)}  # floor of 100 x 10 / 28
    assert charged(house.charge_subscriptions("2026-03")) == {"new": (100, 20)}


@pytest.mark.parametrize("month", ["2028-02", "2026-02", "2100-02", "2026-04", "2026-12"])
def test_every_cut_of_a_month_sums_to_it(month: str) -> None:
    first = date.fromisoformat(f"{month}-01")
    days = calendar.monthrange(first.year, first.month)[1]
    assert days == {"2028-02": 29, "2026-02": 28, "2100-02": 28, "2026-04": 30, "2026-12": 31}[month]
    end = first + timedelta(days=days)
    for cut in range(1, days):
        house = bank(fc.Tariff(0, 0))
        middle = first + timedelta(days=cut)
        house.subscribe("Ada", first, per_month=10**9 + 7)
        house.subscribe("Bo", first, per_month=10**9 + 7)
        house.unsubscribe("Bo", middle)
        first_part = charged(house.charge_subscriptions((first, middle)))
        second_part = charged(house.charge_subscriptions((middle, end)))
        assert first_part["Ada"][0] + second_part["Ada"][0] == 10**9 + 7
        assert first_part["Ada"] == first_part["Bo"] == ((10**9 + 7) * cut // days, 0)
        assert "Bo" not in second_part


@given(
    st.integers(0, 10**12),
    st.sets(st.dates(date(2027, 11, 2), date(2028, 4, 29)), max_size=12),
)
def test_bills_of_any_rhythm_sum_to_those_by_month(amount: int, cuts: set[date]) -> None:
    start, end = date(2027, 11, 1), date(2028, 4, 30)
    monthly, other = bank(fc.Tariff(0, 0)), bank(fc.Tariff(0, 0))
    for house in (monthly, other):
        house.subscribe("Ada", start, per_month=amount)
        house.unsubscribe("Ada", end)
    for month in ("2027-11", "2027-12", "2028-01", "2028-02", "2028-03", "2028-04"):
        monthly.charge_subscriptions(month)
    edges = [start, *sorted(cuts), end]
    for a, b in itertools.pairwise(edges):
        other.charge_subscriptions((a, b))
    assert monthly.available("Ada") == other.available("Ada") == -(5 * amount + amount * 29 // 30)


def test_a_plan_changes_amount_and_tax_within_a_month() -> None:
    house = bank(fc.TariffPlan(**PLAN))
    house.subscribe("Ada", date(2026, 3, 10))
    house.subscribe("Bo", date(2026, 3, 1), per_month=31)
    receipts = house.charge_subscriptions("2026-03")
    lines = receipts.frame.filter(kind="fee", payer="Ada")["amount"].to_list()
    old, new = 4_950_000_000, 6_000_000_000
    assert lines == [
        old * 17 // 31 - old * 9 // 31,  # 10th to 17th
        new * 24 // 31 - new * 17 // 31,  # 18th to 24th, at the old tax
        new * 31 // 31 - new * 24 // 31,
    ]
    taxes = receipts.frame.filter(kind="tax", payer="Ada")["amount"].to_list()
    assert taxes == [round(Fraction(line * rate, 100)) for line, rate in zip(lines, (21, 21, 9), strict=True)]
    assert charged(receipts)["Bo"] == (31, round(17 * 0.21) + round(7 * 0.21) + round(7 * 0.09))
    expected = oracle.subscription_bills(PLAN, {"Ada": (date(2026, 3, 10), date.max)}, "2026-03")["Ada"]
    assert sum(lines) == expected[0]


def test_no_day_is_charged_twice() -> None:
    house = bank()
    house.subscribe("Ada", date(2026, 1, 1), per_month=100)
    house.charge_subscriptions((date(2026, 1, 1), date(2026, 1, 16)))
    before = house.balances
    for period in ("2026-01", (date(2025, 1, 1), date(2026, 1, 2)), (date(2026, 1, 15), date(2026, 2, 1))):
        with pytest.raises(fc.SettlementError, match="'Ada' has been charged up to 2026-01-16; charge each day once"):
            house.charge_subscriptions(period)
    assert house.balances.equals(before)
    assert len(house.charge_subscriptions((date(2025, 1, 1), date(2026, 1, 1)))) == 0
    assert charged(house.charge_subscriptions((date(2026, 1, 16), date(2026, 2, 1)))) == {"Ada": (52, 10)}


def test_leaving_and_coming_back() -> None:
    house = bank()
    house.subscribe("Ada", date(2026, 1, 1), per_month=31)
    house.unsubscribe("Ada", date(2026, 1, 5))
    with pytest.raises(fc.SettlementError, match="has a fixed charge since 2026-01-01; end it with unsubscribe first"):
        house.subscribe("Ada", date(2026, 1, 4), per_month=31)
    house.subscribe("Ada", date(2026, 1, 20), per_month=62)
    receipts = house.charge_subscriptions("2026-01")
    assert receipts.frame.filter(kind="fee")["amount"].to_list() == [4, 24]
    with pytest.raises(fc.SettlementError, match="charged up to 2026-02-01; end it then or later"):
        house.unsubscribe("Ada", date(2026, 1, 31))
    house.unsubscribe("Ada", date(2026, 2, 1))
    assert len(house.charge_subscriptions("2026-02")) == 0


def test_a_copy_has_charges_of_its_own() -> None:
    house = bank()
    house.subscribe("Ada", date(2026, 1, 1), per_month=31)
    twin = copy.copy(house)
    twin.subscribe("Bo", date(2026, 1, 1), per_month=31)
    twin.charge_subscriptions("2026-01")
    assert charged(house.charge_subscriptions("2026-01")) == {"Ada": (31, 6)}
    assert twin.available("Bo") == -37
    assert house.available("Bo") == 0


BEGIN = date(2026, 1, 1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda b: b.subscribe("Zoe", BEGIN, per_month=1), "'Zoe' has no account"),
        (lambda b: b.subscribe("Ada", BEGIN), "a flat tariff names no fixed charge; give per_month"),
        (lambda b: b.subscribe("Ada", BEGIN, per_month=-1), "give nano-currency a month, 0 or more"),
        (lambda b: b.subscribe("Ada", BEGIN, per_month=1.5), "per_month = 1.5 is no integer"),
        (lambda b: b.subscribe(["Bo", "Ada", "Bo"], BEGIN, per_month=1), "named twice"),
        (lambda b: b.subscribe("Ada", datetime(2026, 1, 1), per_month=1), "since = .* is no date"),
        (lambda b: b.subscribe("Ada", date.max, per_month=1), "too late"),
        (lambda b: b.unsubscribe("Ada", BEGIN), "has no fixed charge that runs; subscribe it first"),
        (lambda b: b.unsubscribe("Ada", "2026-01-01"), "until = '2026-01-01' is no date"),
        (lambda b: b.charge_subscriptions("2026"), 'give a month like "2026-03"'),
        (lambda b: b.charge_subscriptions("2026-13"), "give a month like"),
        (lambda b: b.charge_subscriptions((BEGIN, BEGIN)), "has no day"),
        (lambda b: b.charge_subscriptions((BEGIN,)), "give a month like"),
        (lambda b: b.charge_subscriptions(("2026-01-01", BEGIN)), "is no date"),
    ],
)
def test_calls_that_make_no_sense(call: Any, message: str) -> None:
    house = bank()
    before = house.balances
    with pytest.raises(fc.SettlementError, match=message):
        call(house)
    assert house.balances.equals(before)
    assert len(house.charge_subscriptions("2026-01")) == 0


def test_a_day_before_the_plan() -> None:
    house = bank(fc.TariffPlan(**PLAN))
    with pytest.raises(fc.SettlementError, match="begins on 2020-01-01, 2019-12-31 is before it"):
        house.subscribe("Ada", date(2019, 12, 31))
    house.subscribe("Ada", date(2020, 1, 1))
    assert charged(house.charge_subscriptions((date(2019, 12, 1), date(2020, 2, 1)))) == {
        "Ada": (4_950_000_000, 1_039_500_000)
    }
    assert house.balances.filter(pl.col("role") == "platform")["posted"].to_list() == [4_950_000_000]
