"""Provisional slots: what is taken back leaves balances as they were, what is confirmed stays."""

from __future__ import annotations

from copy import copy, deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_bill import Rates
from test_delivery import NAMES, Slot, columns, lively, policies, rates_of

import fastclear as fc
from fastclear.audit.settlement import Books

MINUTE = 60 * 10**9
START = datetime(2026, 7, 1, tzinfo=UTC)


def bank(rates: Rates, policy: Any = None, *, after: Any = timedelta(minutes=1), money: int = 10**6) -> fc.Settlement:
    tariff = fc.Tariff(rates.retail, rates.feed_in, rates.platform_fee, rates.network_fee, rates.tax_ppm)
    new = fc.Settlement(tariff=tariff, imbalance=policy, confirm_after=after, audit=True)
    new.open(NAMES)
    new.deposit(NAMES, money)
    new.receipts()
    return new


def posted(house: fc.Settlement) -> bytes:
    return house.balances.drop("status").write_csv().encode()


ORDERS = {
    "side": ["buy", "buy", "sell"],
    "participant": ["Ada", "Cem", "Bo"],
    "price": [20, 3, 10],
    "quantity": [8, 5, 8],
}
RATES = Rates(30, 5, 1, 2, 200_000)


@settings(max_examples=150)
@given(policies, rates_of, lively(), st.dictionaries(st.sampled_from(NAMES), st.integers(-12, 12)))
def test_what_is_taken_back_leaves_balances_as_they_were(
    policy: Any, rates: Rates, both: tuple[Slot, dict[str, int]], later: dict[str, int]
) -> None:
    slot, meter = both
    house = bank(rates, policy, money=10**15)
    before = posted(house)
    first = house.settle(slot.clearings, columns(meter))
    house.resettle(first, columns(later))
    house.reverse(first)
    assert posted(house) == before
    assert house.slots["standing"].to_list() == ["reversed"]
    plain = bank(rates, policy, money=10**15)
    plain.settle(slot.clearings, columns(meter))
    house.settle(slot.clearings, columns(meter))  # the same clearings once more
    assert posted(house) == posted(plain)
    house.audit()


def test_reservations_are_made_again_and_settled_again() -> None:
    house = bank(RATES)
    house.reserve(ORDERS)
    before = posted(house)
    clearing = fc.clear(ORDERS, fc.Uniform())
    first = house.settle(clearing, columns({"Ada": 9, "Bo": -8}), slot=START)
    assert house.available("Cem") == 10**6
    with pytest.raises(fc.SettlementError, match="settled already"):
        house.settle(clearing)
    back = house.reverse(START)
    assert posted(house) == before
    lines = back.frame.select("kind", "line").rows()
    assert lines.count(("reserve", "restored")) == 2
    assert set(back.frame.filter(kind="correction")["group"]) <= set(first.frame["seq"])
    assert back.by_participant()["correction"].sum() + first.by_participant()["net"].sum() == 0
    again = house.settle(clearing, columns({"Ada": 8, "Bo": -8}), slot=START)
    assert again.frame.filter(kind="post").height == 1
    assert len(house.versions(START)) == 1
    assert house.slots["standing"].to_list() == ["reversed", "provisional"]


def test_earnings_wait() -> None:
    house = bank(RATES, money=1000)
    house.settle(fc.clear(ORDERS, fc.Uniform()), columns({"Ada": 8, "Bo": -8}))
    earned = house.unconfirmed("Bo")
    assert earned > 0
    assert (house.available("Bo"), house.confirmed_income("Bo"), house.unconfirmed("Ada")) == (1000, 0, 0)
    with pytest.raises(fc.SettlementError, match="cannot withdraw 1001: 1000 nano-currency"):
        house.withdraw("Bo", 1001)
    house.set_limit("Bo", 500)
    with pytest.raises(fc.SettlementError, match="cannot withdraw 1001"):
        house.withdraw("Bo", 1001)  # credit is for trading, and so is what is not confirmed
    house.withdraw("Bo", 1000)
    house.set_limit("Bo", 0)
    bid = {"side": [1], "participant": ["Bo"], "price": [1], "quantity": [1]}
    assert house.reserve(bid)[0] != 0
    house.advance(MINUTE // 2)
    assert house.unconfirmed("Bo") == earned
    house.advance(2 * MINUTE)
    assert (house.unconfirmed("Bo"), house.available("Bo"), house.confirmed_income("Bo")) == (0, earned, earned)
    assert house.reserve(bid)[0] == 0
    assert house.slots["standing"].to_list() == ["confirmed"]


def test_earnings_make_up_for_nothing_before_they_are_confirmed() -> None:
    house = bank(RATES, money=0)
    house.settle([], columns({"Bo": 4}))
    assert house.status["Bo"] == "restricted"
    house.settle([], columns({"Bo": -100}))
    assert house.status["Bo"] == "restricted"
    house.advance(2 * MINUTE)
    assert house.status["Bo"] == "active"


def test_later_readings_change_what_waits() -> None:
    house = bank(RATES, money=1000)
    first = house.settle([], columns({"Bo": -10}))
    assert house.unconfirmed("Bo") == 50
    house.resettle(first, columns({"Bo": -6}))
    assert house.unconfirmed("Bo") == 30
    house.resettle(first, columns({"Bo": 1, "Cem": -2}))
    assert (house.unconfirmed("Bo"), house.unconfirmed("Cem")) == (0, 10)
    house.advance(2 * MINUTE)
    house.resettle(first, columns({"Bo": -6}))
    assert (house.unconfirmed("Bo"), house.confirmed_income("Cem")) == (0, 10)


def test_confirmed_slots_stay() -> None:
    house = bank(RATES)
    first = house.settle([], columns({"Bo": -10}))
    house.advance(MINUTE // 2)
    second = house.settle([], columns({"Bo": -10}))
    house.advance(MINUTE + 100)
    assert house.slots["standing"].to_list() == ["confirmed", "provisional"]
    before = posted(house)
    with pytest.raises(fc.SettlementError, match="is confirmed"):
        house.reverse(first)
    house.reverse(second)
    with pytest.raises(fc.SettlementError, match="was taken back"):
        house.reverse(second)
    with pytest.raises(fc.SettlementError, match="was taken back"):
        house.resettle(second, columns({"Bo": 1}))
    assert posted(house) != before


def test_without_a_delay_nothing_is_provisional_and_no_byte_changes() -> None:
    plain, zero = bank(RATES, after=0), bank(RATES, after=timedelta(0))
    for house in (plain, zero):
        house.reserve(ORDERS)
        first = house.settle(fc.clear(ORDERS, fc.Uniform()), columns({"Ada": 9, "Bo": -8}))
        with pytest.raises(fc.SettlementError, match="is confirmed"):
            house.reverse(first)
        with pytest.raises(fc.SettlementError, match="final at once"):
            house.confirmed_income("Bo")
        assert not {"provisional", "confirmed"} & set(first.frame["line"].drop_nulls())
    assert plain.last_receipts is not None
    assert zero.last_receipts is not None
    for name, column in plain.last_receipts.columns.items():
        assert column.tobytes() == zero.last_receipts.columns[name].tobytes()


def test_a_slot_that_was_taken_back_is_on_no_invoice() -> None:
    house = bank(RATES)
    house.open_invoicing("S")
    first = house.settle(fc.clear(ORDERS, fc.Uniform()), columns({"Ada": 9_000_000, "Bo": -8}), slot=START)
    house.invoice("2026-07")
    before = posted(house)
    house.reverse(first)
    new = house.invoice("2026-07")
    assert set(new.frame["kind"]) == {"credit_note"}
    assert int(house.invoices.frame["gross"].sum()) == 0
    assert posted(house) != before
    assert all(int(value) == 10**6 for value in house.balances.filter(role="member")["posted"])


def test_a_ruling_just_before_a_slot_is_taken_back_is_invoiced() -> None:
    house = bank(RATES)
    house.open_invoicing("S")
    house.advance(START)
    first = house.settle(fc.clear(ORDERS, fc.Uniform()), columns({"Ada": 9, "Bo": -8}), slot=START)
    number = house.dispute("Ada", "Bo", 100)
    house.give_evidence(number, "x")
    house.rule(number, 100)
    house.post_ruling(number)
    house.reverse(first)
    lines = house.invoice("2026-07").frame.select("participant", "line", "exact").rows()
    assert [(name, line, int(exact)) for name, line, exact in lines] == [("Ada", "ruling", -100), ("Bo", "ruling", 100)]


def test_copies_go_on_by_themselves() -> None:
    house = bank(RATES)
    first = house.settle([], columns({"Bo": -10}))
    twin = copy(house)
    house.reverse(first)
    assert (twin.unconfirmed("Bo"), house.unconfirmed("Bo")) == (50, 0)
    twin.advance(2 * MINUTE)
    assert twin.confirmed_income("Bo") == 50
    assert house.slots["standing"].to_list() == ["reversed"]


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({"confirm_after": -1}, "0 or more"),
        ({"confirm_after": timedelta(seconds=-1)}, "0 or more"),
        ({"confirm_after": 1.5}, "is no integer"),
        ({"confirm_after": 1, "profile": "credit_bank"}, "final at once"),
        ({"confirm_after": 1, "profile": "postpaid_netting"}, "final at once"),
    ],
)
def test_delays_that_cannot_be(terms: Any, message: str) -> None:
    with pytest.raises(fc.SettlementError, match=message):
        fc.Settlement(tariff=fc.Tariff(30, 5), **terms)


def taken_back() -> tuple[dict[str, Any], dict[str, Any]]:
    fresh = fc.Settlement(tariff=bank(RATES).tariff, confirm_after=1000)
    fresh.open(NAMES)
    fresh.deposit(NAMES, 10**6)
    fresh.reserve(ORDERS)
    first = fresh.settle(fc.clear(ORDERS, fc.Uniform()), columns({"Ada": 9, "Bo": -8}))
    return dict(first.columns), dict(fresh.reverse(first).columns)


@pytest.mark.parametrize("field", ["amount", "debit", "code"])
def test_the_audit_finds_lies_about_what_is_taken_back(field: str) -> None:
    before, back = taken_back()
    books = Books()
    books.follow(before)
    rows = [row for row, kind in enumerate(back["kind"]) if kind == 14]
    assert len(rows) > 5
    for row in rows:
        lie = back[field].copy()
        lie[row] = {"amount": lie[row] + 1, "debit": 1004, "code": 2}[field]
        others = deepcopy(books)
        with pytest.raises(fc.AuditError):
            others.follow({**back, field: lie})
    books.follow(back)
    more = len(back["seq"])
    once_more = {**back, "seq": back["seq"] + more, "time_ns": back["time_ns"] + more}
    with pytest.raises(fc.AuditError):
        books.follow({name: column[rows] for name, column in once_more.items()})
