"""Invoices: cents once, numbers without gaps, and the balance moves by exactly what is invoiced."""

from __future__ import annotations

from collections import Counter
from copy import copy
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_delivery import NAMES, Slot, columns, lively_trades, policies
from test_tariff_settlement import plan

import fastclear as fc
from fastclear.invoices.rounding import CENT, part_of, to_cents

MARCH = datetime(2026, 3, 1, tzinfo=UTC)
DATA: dict[str, Any] = {
    "taxes": [
        {"since": "2020-01-01", "percent": 21},
        {"since": "2026-03-10", "on": ["energy", "residual"], "percent": 9},
        {"since": "2026-03-20", "percent": "33.3333"},
    ],
}


def tariff_plan() -> fc.TariffPlan:
    return plan(
        {"platform_fee": "0.5", "network_fee": "2", "subscription_per_month": "4.95"},
        {"since": "2026-03-15", "retail": "41.1", "feed_in": "-1.1", "platform_fee": "0.7", "network_fee": "3.3"},
        **DATA,
    )


def house(policy: Any = None, *, audit: bool = False, tariff: Any = None, **terms: Any) -> fc.Settlement:
    bank = fc.Settlement(tariff=tariff or tariff_plan(), imbalance=policy, audit=audit)
    bank.open(NAMES)
    bank.deposit(NAMES, 10**15)
    bank.open_invoicing("Street", **terms)
    return bank


def members(bank: fc.Settlement) -> dict[str, int]:
    frame = bank.balances.filter(role="member")
    return {name: int(posted) for name, posted in frame.select("participant", "posted").rows()}


def in_force(bank: fc.Settlement) -> dict[str, list[Any]]:
    """Lines of the invoices that no credit note takes back."""
    frame = bank.invoices.frame
    gone = set(frame.filter(kind="credit_note")["replaces"].to_list())
    lines = frame.filter((pl.col("kind") == "invoice") & ~pl.col("number").is_in(list(gone)))
    return {
        name: lines.filter(participant=name)
        .select("line", "tax_ppm", "energy_wh", "net", "tax", "gross", "exact")
        .rows()
        for name in lines["participant"].unique().to_list()
    }


kwh = st.integers(-3, 9).map(lambda n: n * 1_003 + 7)
some_slots = st.lists(
    st.tuples(st.integers(0, 30), lively_trades, st.dictionaries(st.sampled_from(NAMES), kwh)), min_size=1, max_size=4
)


def scaled(trades: list[tuple[str, str, int, int, int]]) -> Slot:
    return Slot([(b, s, q * 997, p * 10_007, r * 9_001) for b, s, q, p, r in trades])


@settings(max_examples=60)
@given(policies, some_slots, st.sampled_from(["half_even", "half_up"]), st.booleans())
def test_balances_move_by_what_is_invoiced(policy: Any, slots: Any, rule: str, fixed: bool) -> None:
    bank = house(policy, audit=True, rounding=rule)
    before = members(bank)
    billed: Counter[str] = Counter()
    if fixed:
        bank.subscribe(["Ada", "Bo"], date(2026, 3, 3))
    for day, trades, meter in slots:
        receipts = bank.settle(scaled(trades).clearings, columns(meter), slot=MARCH + timedelta(days=day))
        billed.update(dict(receipts.by_participant().select("participant", "net").rows()))
    if fixed:  # in the month after it: what counts is the month that it is for
        bank.advance(MARCH + timedelta(days=35))
        receipts = bank.charge_subscriptions("2026-03")
        billed.update(dict(receipts.by_participant().select("participant", "net").rows()))
    settled = members(bank)
    invoices = bank.invoice("2026-03")
    after = members(bank)
    lines = invoices.frame
    for name in NAMES:
        mine = lines.filter(participant=name)
        assert sum(map(int, mine["exact"])) == before[name] - settled[name] == billed[name]
        assert sum(map(int, mine["gross"])) == before[name] - after[name]
        assert abs(settled[name] - after[name]) <= CENT // 2 * len(mine)
    rounding = bank.balances.filter(role="rounding")["posted"].item()
    assert int(rounding) >= sum(settled.values()) - sum(after.values())
    for row in lines.iter_rows(named=True):
        assert all(int(row[name]) % CENT == 0 for name in ("net", "tax", "gross"))
        assert row["net"] + row["tax"] == row["gross"]
        assert int(row["gross"]) == to_cents(int(row["exact"]), rule)  # type: ignore[arg-type]
        assert row["first_seq"] <= row["last_seq"] < bank.next_seq
    documents = invoices.documents
    assert documents["number"].to_list() == [f"{n + 1:06d}" for n in range(len(documents))]
    for number in documents["number"]:
        made_of = bank.invoice_postings(number)
        expected = lines.filter(number=number)
        assert made_of["amount"].sum() == sum(map(int, expected["exact"]))
        assert len(made_of) >= expected["postings"].sum()  # lines that come to nothing are left out
        totals = made_of.group_by("tax_ppm").agg(pl.col("amount").sum()).rows()
        assert Counter(dict(totals)) == Counter(
            dict(expected.group_by("tax_ppm").agg(pl.col("exact").cast(pl.Int64).sum()).rows())
        )
    count, seq = len(bank.invoices.documents), bank.next_seq
    assert len(bank.invoice("2026-03")) == 0
    assert (len(bank.invoices.documents), bank.next_seq) == (count, seq), "what is invoiced is invoiced"


@settings(max_examples=60)
@given(policies, some_slots, st.data())
def test_a_later_reading_makes_a_credit_note_and_the_invoice_of_final_data(policy: Any, slots: Any, data: Any) -> None:
    bank, twin = house(policy, audit=True), house(policy)
    starts = [MARCH + timedelta(days=day, minutes=15 * i) for i, (day, _, _) in enumerate(slots)]
    clearings = [scaled(trades).clearings for _, trades, _ in slots]
    final = [dict(meter) for *_, meter in slots]
    for start, cleared, (*_, meter) in zip(starts, clearings, slots, strict=True):
        bank.settle(cleared, columns(meter), slot=start)
    opening = members(bank)
    bank.invoice("2026-03")
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(slots) - 1))
        later = data.draw(st.dictionaries(st.sampled_from(NAMES), kwh))
        final[at] |= later
        bank.resettle(starts[at], columns(later))
        before = dict(bank.invoices.frame.group_by("number"))
        new = bank.invoice("2026-03").documents
        for document, frame in bank.invoices.frame.group_by("number"):
            assert document not in before or before[document].equals(frame), "what is issued never changes"
        notes = new.filter(kind="credit_note")
        assert notes["participant"].is_unique().all()
        for note in notes.iter_rows(named=True):
            taken_back = bank.invoices.frame.filter(number=note["replaces"])
            back = bank.invoices.frame.filter(number=note["number"])
            assert back["gross"].to_list() == [-value for value in taken_back["gross"]]
    for start, cleared, meter in zip(starts, clearings, final, strict=True):
        twin.settle(cleared, columns(meter), slot=start)
    twin.invoice("2026-03")
    assert {name: [row[:6] for row in rows] for name, rows in in_force(bank).items()} == {
        name: [row[:6] for row in rows] for name, rows in in_force(twin).items()
    }
    assert members(bank) == members(twin)
    assert opening.keys() == members(twin).keys()
    numbers = bank.invoices.documents["number"].to_list()
    assert numbers == [f"{n + 1:06d}" for n in range(len(numbers))]
    total = bank.invoices.documents.group_by("participant").agg(pl.col("gross").sum()).rows()
    expected = Counter({name: 10**15 - posted for name, posted in members(bank).items()})
    assert Counter({name: int(gross) for name, gross in total}) == expected, "documents sum to what was paid"


def test_a_month_by_hand() -> None:
    """One buyer, one seller, one trade on each side of a change of tax; every number by hand."""
    bank = house(audit=True, number="S-{:03d}", time_zone="UTC")
    trade = [("Ada", "Bo", 1_000, 200_000, 190_000)]  # 1 kWh: Ada pays 20 ct, Bo has 19
    for day in (5, 12):
        bank.settle(Slot(trade).clearings, columns({"Ada": 1_500, "Bo": -1_000}), slot=MARCH + timedelta(days=day))
    shown = bank.invoice("2026-03").frame
    ada = shown.filter(participant="Ada").select("number", "line", "tax_ppm", "energy_wh", "net", "tax", "gross")
    ct = CENT
    assert [(n, line, ppm, int(wh), *(int(v) // ct for v in money)) for n, line, ppm, wh, *money in ada.rows()] == [
        ("S-001", "energy_bought", 90_000, 1000, 20, 2, 22),  # 20 ct and 1.8
        ("S-001", "energy_bought", 210_000, 1000, 20, 4, 24),  # 20 ct and 4.2
        ("S-001", "platform_fee", 210_000, 2000, 1, 0, 1),  # 1.0 ct and 0.21
        ("S-001", "network_fee", 210_000, 2000, 4, 1, 5),  # 4.0 ct and 0.84
        ("S-001", "residual", 90_000, 500, 15, 1, 16),
        ("S-001", "residual", 210_000, 500, 15, 3, 18),  # 15 ct and 3.15
    ]
    bo = shown.filter(participant="Bo").select("number", "line", "tax_ppm", "self_billed", "gross").rows()
    assert bo == [("S-002", "energy_sold", 0, True, -38 * ct)]


def test_a_slot_belongs_to_the_local_month() -> None:
    data = plan({}, time_zone="Europe/Amsterdam")
    bank = house(tariff=data)
    for hour in (22, 23):  # 23:00 and, the next local day, 00:00
        bank.settle([], columns({"Ada": 1_000}), slot=datetime(2026, 1, 31, hour, tzinfo=UTC))
    assert bank.invoice("2026-01").frame["energy_wh"].to_list() == [1_000]
    assert bank.invoice("2026-02").frame["energy_wh"].to_list() == [1_000]
    assert bank.invoices.documents["start"].to_list()[1] == datetime(2026, 1, 31, 23, tzinfo=UTC)


def test_periods_do_not_overlap() -> None:
    bank = house()
    bank.settle([], columns({"Ada": 1_000}), slot=MARCH)
    bank.invoice((MARCH, MARCH + timedelta(days=7)))
    with pytest.raises(fc.SettlementError, match="overlaps one"):
        bank.invoice("2026-03")
    bank.settle([], columns({"Ada": 1_000}), slot=MARCH + timedelta(days=7))
    assert len(bank.invoice((date(2026, 3, 8), date(2026, 4, 1)))) == 1
    assert bank.invoices.documents["number"].to_list() == ["000001", "000002"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda b: b.invoice("2026-13"), "is no month"),
        (lambda b: b.invoice("March"), "is no month"),
        (lambda b: b.invoice(7), "give a month like"),
        (lambda b: b.invoice((MARCH, MARCH)), "ends before it begins"),
        (lambda b: b.invoice((MARCH.replace(tzinfo=None), MARCH)), "has no time zone"),
        (lambda b: b.open_invoicing("Other"), "one issuer a bank"),
        (lambda b: b.invoice_postings("7"), "no such document"),
    ],
)
def test_calls_that_make_no_sense_use_no_number(call: Any, message: str) -> None:
    bank = house()
    bank.settle([], columns({"Ada": 1_000}), slot=MARCH)
    before = bank.next_seq
    with pytest.raises(fc.SettlementError, match=message):
        call(bank)
    assert bank.next_seq == before
    assert bank.invoice("2026-03").frame["number"].to_list() == ["000001"]


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({"issuer": ""}, "is no name"),
        ({"issuer": "S", "number": "x"}, "no place for the count"),
        ({"issuer": "S", "number": "{a}"}, "no place for the count"),
        ({"issuer": "S", "rounding": "down"}, "use 'half_even' or 'half_up'"),
        ({"issuer": "S", "time_zone": "Mars"}, "not known here"),
        ({"issuer": "S", "self_billing": 1}, "give True or False"),
    ],
)
def test_terms_that_cannot_be(terms: Any, message: str) -> None:
    bank = fc.Settlement(tariff=fc.Tariff(30, 5))
    with pytest.raises(fc.SettlementError, match=message):
        bank.open_invoicing(**terms)
    with pytest.raises(fc.SettlementError, match="writes no invoices"):
        bank.invoice("2026-03")


def test_numbers_have_no_gap_when_booking_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    bank = house()
    bank.settle([], columns({"Ada": 1_001, "Bo": 333}), slot=MARCH)
    office = bank._office
    assert office is not None
    with monkeypatch.context() as patch:

        def refuse(_: Any) -> None:
            raise fc.SettlementError("full")

        patch.setattr(type(office), "_book", lambda self, cents: refuse(cents))
        with pytest.raises(fc.SettlementError, match="full"):
            bank.invoice("2026-03")
    assert len(bank.invoices) == 0
    assert bank.invoice("2026-03").documents["number"].to_list() == ["000001", "000002"]


def test_who_has_left_is_invoiced_and_nothing_is_booked() -> None:
    bank = fc.Settlement(tariff=fc.Tariff(30_001, 5))
    bank.open(["Ada", "Bo"])
    bank.open_invoicing("S")
    bank.settle([], columns({"Ada": 333, "Bo": 333}), slot=MARCH)
    bank.deposit("Ada", 333 * 30_001)
    bank.close("Ada")
    assert len(bank.invoice("2026-03").documents) == 2
    assert [int(posted) % CENT for posted in bank.balances["posted"][-2:]] == [0, 0]


def test_copies_write_invoices_of_their_own() -> None:
    bank = house()
    bank.settle([], columns({"Ada": 1_000}), slot=MARCH)
    twin = copy(bank)
    assert len(bank.invoice("2026-03")) == 1
    assert len(twin.invoices) == 0
    twin.settle([], columns({"Bo": 1_000}), slot=MARCH)
    assert twin.invoice("2026-03").documents["participant"].to_list() == ["Ada", "Bo"]
    assert len(bank.invoice("2026-03")) == 0


def test_invoices_export(tmp_path: Path) -> None:
    bank = house()
    bank.settle([], columns({"Ada": 1_000}), slot=MARCH)
    invoices = bank.invoice("2026-03")
    assert "1 documents of Street" in repr(invoices)
    assert "000001" in repr(invoices)
    assert pl.read_parquet(invoices.write(tmp_path / "i.parquet")).equals(invoices.frame)
    assert pl.DataFrame(invoices).equals(invoices.frame)
    assert pl.read_csv(invoices.write(tmp_path / "i.csv"))["gross"].to_list() == [
        int(v) for v in invoices.frame["gross"]
    ]


@given(st.integers(-(10**20), 10**20) | st.integers(-8, 8).map(lambda n: n * CENT // 2))
def test_rounding_is_the_nearest_cent_and_symmetric(nano: int) -> None:
    even, up = to_cents(nano, "half_even"), to_cents(nano, "half_up")
    assert even == round(Fraction(nano, CENT)) * CENT
    assert abs(up - nano) * 2 <= CENT
    assert (to_cents(-nano, "half_even"), to_cents(-nano, "half_up")) == (-even, -up)
    if abs(up - nano) * 2 == CENT:
        assert abs(up) > abs(nano)
    assert part_of(nano, 210_001) == round(Fraction(nano * 210_001, 10**6))


def test_a_million_random_lines_round_to_at_most_half_a_cent_each() -> None:
    rng = np.random.default_rng(1)
    values = rng.integers(-(10**12), 10**12, 100_000).tolist()
    rounded = [to_cents(value, "half_even") for value in values]
    assert abs(sum(rounded) - sum(values)) <= CENT // 2 * len(values)
    assert max(abs(a - b) for a, b in zip(rounded, values, strict=True)) <= CENT // 2
