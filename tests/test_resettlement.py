"""Later readings: what they move is what settling with them at once would have come to, line by line."""

from __future__ import annotations

from collections import Counter
from copy import copy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_bill import Rates
from test_delivery import NAMES, Slot, columns, meters, policies, rates_of, slots
from test_delivery import lively as lively_slots
from test_tariff_settlement import plan

import fastclear as fc
from fastclear.audit.settlement import Books

HOUR = 3600 * 10**9
START = int(datetime(2026, 7, 1, tzinfo=UTC).timestamp()) * 10**9
lost = st.sampled_from([0, 0, 1, 7, 1000])
AFTER_DELIVERY = ("imbalance", "tax", "correction")


def bank(rates: Rates, policy: Any, *, audit: bool = False) -> fc.Settlement:
    tariff = fc.Tariff(rates.retail, rates.feed_in, rates.platform_fee, rates.network_fee, rates.tax_ppm)
    new = fc.Settlement(tariff=tariff, imbalance=policy, audit=audit)
    new.open(NAMES)
    new.deposit(NAMES, 2**62)
    new.receipts()
    return new


def lines(frame: pl.DataFrame) -> Counter[Any]:
    """Wh and money of each line after delivery between two accounts, corrections where they belong; without zeros."""
    total: Counter[Any] = Counter()
    for row in frame.iter_rows(named=True):
        if row["kind"] not in AFTER_DELIVERY or row["line"] in ("trade", "platform", "network"):
            continue
        line = row["line"].removeprefix("tax_")
        kind = "tax" if row["kind"] == "tax" or line != row["line"] else "imbalance"
        ends = (row["debit"], row["credit"])
        trade = (row["market"], row["buy_order"], row["sell_order"])
        total[kind, line, min(ends), max(ends), trade, row["price"], "wh"] += row["quantity"]
        sign = (ends[0] < ends[1]) - (ends[0] > ends[1])  # who pays itself moves nothing
        total[kind, line, min(ends), max(ends), trade, row["price"], "nano"] += row["amount"] * sign
    return Counter({key: value for key, value in total.items() if value})


def posted(house: fc.Settlement) -> list[Any]:
    return house.balances.select("account", "posted", "pending_out", "pending_in", "limit").rows()


def bills(*frames: pl.DataFrame) -> dict[str, Counter[str]]:
    total: dict[str, Counter[str]] = {}
    for frame in frames:
        for name, *values in frame.drop("account").rows():
            total.setdefault(name, Counter()).update(dict(zip(frame.columns[2:], values, strict=True)))
    return {name: Counter({line: value for line, value in bill.items() if value}) for name, bill in total.items()}


def settles_the_same(policy: Any, rates: Rates, slot: Slot, readings: list[dict[str, int]], losses: int) -> None:
    """v0 + the sum of all deltas = one settlement from the final readings, whatever came between."""
    first, *later = readings
    final: dict[str, int] = {}
    for some in readings:
        final |= some
    house = bank(rates, policy, audit=True)
    twin = bank(rates, policy)
    try:
        at_once = twin.settle(slot.clearings, columns(final), losses=losses)
        parts = [house.settle(slot.clearings, columns(first), losses=losses)]
    except fc.SettlementError as error:
        if "64 bits" not in str(error):
            raise
        return
    for some in later:
        before = posted(house)
        try:
            parts.append(house.resettle(parts[0], columns(some)))
        except fc.SettlementError as error:
            if "64 bits" not in str(error) or posted(house) != before:
                raise
            return
        again = house.resettle(parts[0], columns(some))
        assert len(again) == 0, "the same readings again change nothing"
    assert posted(house) == posted(twin)
    assert lines(pl.concat([part.frame for part in parts])) == lines(at_once.frame)
    try:
        expected, found = (bills(*(part.by_participant() for part in each)) for each in ([at_once], parts))
    except fc.SettlementError:
        return  # a total beyond 64 bits
    assert found == expected


def modest(meter: dict[str, int]) -> dict[str, int]:
    return {name: max(-(2**30), min(2**30, energy)) for name, energy in meter.items()}


@settings(max_examples=250)
@given(policies, rates_of, slots, st.lists(meters.map(modest), min_size=2, max_size=4), lost)
def test_deltas_sum_to_the_final_readings(
    policy: Any, rates: Rates, slot: Slot, readings: list[dict[str, int]], losses: int
) -> None:
    settles_the_same(policy, rates, slot, readings, losses if slot.trades else 0)


@settings(max_examples=250)
@given(
    policies,
    rates_of,
    lively_slots(),
    st.lists(st.dictionaries(st.sampled_from(NAMES), st.integers(-12, 12)), max_size=3),
    lost,
)
def test_deltas_where_deviations_are_shared(
    policy: Any, rates: Rates, both: tuple[Slot, dict[str, int]], changes: list[dict[str, int]], losses: int
) -> None:
    slot, meter = both
    later = [{name: meter[name] + change for name, change in some.items()} for some in changes]
    settles_the_same(policy, rates, slot, [meter, *later], losses if slot.trades else 0)


@settings(max_examples=100)
@given(policies, rates_of, lively_slots())
def test_estimated_then_measured_is_one_delta_and_back_leaves_nothing(
    policy: Any, rates: Rates, both: tuple[Slot, dict[str, int]]
) -> None:
    slot, meter = both
    house = bank(rates, policy, audit=True)
    first = house.settle(slot.clearings, columns(meter))
    before = posted(house)
    changed = {"Ada": meter["Ada"] + 3}
    there = house.resettle(first, columns(changed)).frame
    assert there.filter(kind="meter").select("line", "payer", "quantity").rows() == [
        ("revised", "Ada", meter["Ada"] + 3)
    ]
    back = house.resettle(first, columns({"Ada": meter["Ada"]})).frame
    assert posted(house) == before
    assert not lines(pl.concat([there, back]))
    versions = house.versions(first)
    assert versions["readings"].to_list() == [len(meter), 1, 1]
    assert versions["first_seq"].to_list()[1:] == [there["seq"][0], back["seq"][0]]
    assert versions["moved"][1] == versions["moved"][2] == there.filter(kind="correction")["amount"].sum()


def test_no_meter_frame_then_all_readings() -> None:
    rates, slot = Rates(30, 5, 1, 2, 200_000), Slot([("Ada", "Bo", 8, 20, 20), ("Cem", "Bo", 3, 9, 9)])
    for policy in (fc.Pooled(), fc.ShortfallAllocation("buyer_pays_retail", residual_to="members"), fc.SinglePrice()):
        house, twin = bank(rates, policy, audit=True), bank(rates, policy)
        first = house.settle(slot.clearings)
        meter = columns({"Ada": 9, "Bo": -7, "Dana": 4})
        house.resettle(first, meter)
        twin.settle(slot.clearings, meter)
        assert posted(house) == posted(twin)


@settings(max_examples=40)
@given(
    policies,
    st.lists(st.tuples(st.integers(0, 3), st.dictionaries(st.sampled_from(NAMES), st.integers(-20, 20))), max_size=6),
)
def test_old_slots_go_by_their_own_tariff(policy: Any, late: list[tuple[int, dict[str, int]]]) -> None:
    """Four slots, two before and two after a change of tariff and of tax; readings come in any order."""
    data = plan(
        {"platform_fee": "0.5", "network_fee": "2"},
        {"since": "2026-07-02", "retail": "40", "feed_in": "-1", "platform_fee": "0.7", "network_fee": "3"},
        taxes=[
            {"since": "2020-01-01", "percent": 21},
            {"since": "2026-07-02", "on": ["energy", "residual"], "percent": 9},
        ],
    )
    starts = [START, START + HOUR, START + 24 * HOUR, START + 25 * HOUR]
    meters = [dict.fromkeys(NAMES, 5) for _ in starts]
    final = [dict(meter) for meter in meters]
    house, twin = (fc.Settlement(tariff=data, imbalance=policy, audit=audit) for audit in (True, False))
    for some in (house, twin):
        some.open(NAMES)
        some.deposit(NAMES, 10**12)
    trades = [Slot([("Ada", "Bo", 8, 200_000, 200_000)]) for _ in starts]
    parts = [
        house.settle(slot.clearings, columns(meter), slot=start)
        for slot, meter, start in zip(trades, meters, starts, strict=True)
    ]
    for index, change in late:
        final[index] |= change
        parts.append(house.resettle(starts[index], columns(change)))
    at_once = [
        twin.settle(slot.clearings, columns(meter), slot=start)
        for slot, meter, start in zip(trades, final, starts, strict=True)
    ]
    assert posted(house) == posted(twin)
    assert bills(*(part.by_participant() for part in parts)) == bills(*(part.by_participant() for part in at_once))
    house.audit()


def test_the_worked_example() -> None:
    """Backup, 20 % tax: S2 was said to have delivered one kWh less than it did, B3 used one more."""
    house = bank(Rates(30, 5, 0, 0, 200_000), fc.Backup(), audit=True)
    slot = Slot([("Ada", "Bo", 5, 18, 18)])
    first = house.settle(slot.clearings, columns({"Ada": 6, "Bo": -4}))
    delta = house.resettle(first, columns({"Ada": 7, "Bo": -5})).frame
    assert delta.select("kind", "line", "payer", "payee", "quantity", "price", "amount").rows() == [
        ("meter", "revised", "Ada", None, 7, 0, 0),
        ("meter", "revised", "Bo", None, -5, 0, 0),
        ("correction", "residual", "Ada", "backstop", 1, 30, 30),
        ("correction", "tax_residual", "Ada", "tax", 1, 0, 6),
        ("correction", "shortfall", "backstop", "Bo", -1, 30, 30),
    ] or delta.select("kind", "line", "payer", "payee", "quantity", "price", "amount").rows() == [
        ("meter", "revised", "Ada", None, 7, 0, 0),
        ("meter", "revised", "Bo", None, -5, 0, 0),
        ("correction", "tax_residual", "Ada", "tax", 1, 0, 6),
        ("correction", "residual", "Ada", "backstop", 1, 30, 30),
        ("correction", "shortfall", "backstop", "Bo", -1, 30, 30),
    ]
    original = first.frame.filter(pl.col("kind").is_in(["meter", "imbalance", "tax"]))
    seq_of = {
        (kind, line, payer): seq for kind, line, payer, seq in original.select("kind", "line", "payer", "seq").rows()
    }
    groups = dict(delta.filter(kind="correction").select("line", "group").rows())
    assert groups["residual"] == seq_of["imbalance", "residual", "Ada"]
    assert groups["tax_residual"] == seq_of["tax", "residual", "Ada"]
    assert groups["shortfall"] == seq_of["imbalance", "shortfall", "Bo"]
    assert delta["group"][0] == seq_of["meter", None, "Ada"]


def test_a_delta_may_lift_exposure_above_the_limit() -> None:
    house = fc.Settlement(tariff=fc.Tariff(30, 5), audit=True)
    house.open(["Ada", "Bo"], limit=10)
    house.settle([], {"participant": ["Ada"], "energy_wh": [0]}, slot=START)
    house.resettle(START, {"participant": ["Ada"], "energy_wh": [2]})
    assert house.status["Ada"] == "restricted"
    house.resettle(datetime(2026, 7, 1, tzinfo=UTC), {"participant": ["Ada"], "energy_wh": [0]})
    assert house.status["Ada"] == "active"


def test_versions_of_readings_guard_against_what_comes_out_of_order() -> None:
    house = fc.Settlement(tariff=fc.Tariff(30, 5), audit=True)
    house.open(["Ada", "Bo"])
    first = {"participant": ["Ada", "Bo"], "energy_wh": [5, 6], "version": [2, 2]}
    house.settle([], first, slot=START)
    assert len(house.resettle(START, first)) == 0
    late = {"participant": ["Ada", "Bo"], "energy_wh": [99, 8], "version": [1, 3]}
    assert house.resettle(START, late).frame.filter(kind="meter")["payer"].to_list() == ["Bo"]
    before = posted(house)
    with pytest.raises(fc.SettlementError, match="'Bo': version 3 of the reading was 8 Wh and is 7 Wh now"):
        house.resettle(START, {"participant": ["Bo"], "energy_wh": [7], "version": [3]})
    assert posted(house) == before


def test_what_is_frozen_stays() -> None:
    house = fc.Settlement(tariff=fc.Tariff(30, 5), audit=True)
    house.open(["Ada"])
    for hour in range(4):
        house.settle([], {"participant": ["Ada"], "energy_wh": [hour]}, slot=START + hour * HOUR)
    assert house.freeze(START + 2 * HOUR) == 2
    with pytest.raises(fc.SettlementError, match="up to where all is final"):
        house.resettle(START + HOUR, {"participant": ["Ada"], "energy_wh": [9]})
    with pytest.raises(fc.SettlementError, match="up to where all is final"):
        house.settle([], {"participant": ["Ada"], "energy_wh": [9]}, slot=START)
    with pytest.raises(fc.SettlementError, match="final already"):
        house.freeze(START)
    assert len(house.resettle(START + 2 * HOUR, {"participant": ["Ada"], "energy_wh": [9]})) == 2
    assert len(house.versions(START)) == 1
    assert house.freeze(datetime(2026, 7, 2, tzinfo=UTC)) == 2
    assert house.freeze(datetime(2026, 7, 2, tzinfo=UTC)) == 0


def test_slots_without_a_start_freeze_by_the_engine_clock() -> None:
    house = fc.Settlement(tariff=fc.Tariff(30, 5))
    house.open(["Ada"])
    house.advance(START)
    early = house.settle([], {"participant": ["Ada"], "energy_wh": [1]})
    house.advance(START + HOUR)
    late = house.settle([], {"participant": ["Ada"], "energy_wh": [1]})
    assert house.freeze(START + HOUR) == 1
    with pytest.raises(fc.SettlementError, match="its readings are final"):
        house.resettle(early, {"participant": ["Ada"], "energy_wh": [2]})
    house.resettle(late, {"participant": ["Ada"], "energy_wh": [2]})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda b, r: b.resettle(START + 1, {"participant": ["Ada"], "energy_wh": [1]}), "no slot was settled there"),
        (lambda b, r: b.resettle(START, {"participant": ["Eve"], "energy_wh": [1]}), "'Eve' has no account"),
        (lambda b, r: b.resettle(START, {"participant": ["Ada"] * 2, "energy_wh": [1, 2]}), "two meter readings"),
        (lambda b, r: b.resettle(START, {"participant": ["Ada"], "energy_wh": [1.5]}), "give integers"),
        (lambda b, r: b.resettle(START, {"participant": ["Ada"]}), "no column 'energy_wh'"),
        (lambda b, r: b.resettle(START, None), "there are no readings"),
        (lambda b, r: b.resettle("2026-07-01", {}), "give nanoseconds since 1970 UTC"),
        (lambda b, r: b.resettle(True, {}), "give nanoseconds since 1970 UTC"),
        (lambda b, r: b.resettle(datetime(2026, 7, 1), {}), "has no time zone"),
        (lambda b, r: b.resettle(START, {"participant": ["Ada"], "energy_wh": [1], "version": [1, 2]}), "has 2 rows"),
        (lambda b, r: b.resettle(START + HOUR, {"participant": ["Ada"], "energy_wh": [1]}), "settled 2 times"),
        (lambda b, r: b.versions(7), "no slot was settled there"),
        (lambda b, r: b.freeze("today"), "give nanoseconds since 1970 UTC"),
    ],
)
def test_calls_that_make_no_sense(call: Any, message: str) -> None:
    house = fc.Settlement(tariff=fc.Tariff(30, 5), audit=True)
    house.open(["Ada", "Bo"])
    receipts = house.settle([], {"participant": ["Ada"], "energy_wh": [1]}, slot=START)
    for _ in range(2):
        house.settle([], {"participant": ["Ada"], "energy_wh": [1]}, slot=START + HOUR)
    before, count = posted(house), house.next_seq
    with pytest.raises(fc.SettlementError, match=message):
        call(house, receipts)
    assert (posted(house), house.next_seq) == (before, count)


def test_who_has_left_is_corrected_where_no_money_moves() -> None:
    house = fc.Settlement(tariff=fc.Tariff(0, 0), audit=True)
    house.open(["Ada", "Bo"])
    house.settle([], {"participant": ["Ada", "Bo"], "energy_wh": [5, 1]}, slot=START)
    house.close("Ada")
    house.resettle(START, {"participant": ["Bo"], "energy_wh": [2]})
    with pytest.raises(fc.SettlementError, match="closed"):
        house.resettle(START, {"participant": ["Ada"], "energy_wh": [6]})


def test_copies_go_on_by_themselves() -> None:
    house = fc.Settlement(tariff=fc.Tariff(30, 5), audit=True)
    house.open(["Ada"])
    first = house.settle([], {"participant": ["Ada"], "energy_wh": [5]}, slot=START)
    twin = copy(house)
    house.resettle(START, {"participant": ["Ada"], "energy_wh": [6]})
    assert (len(house.versions(first)), len(twin.versions(first))) == (2, 1)
    twin.freeze(START + 1)
    house.resettle(START, {"participant": ["Ada"], "energy_wh": [7]})
    twin.settle([], {"participant": ["Ada"], "energy_wh": [5]}, slot=START + HOUR)
    with pytest.raises(fc.SettlementError, match="no slot was settled"):
        house.versions(START + HOUR)


# -- lies about corrections ------------------------------------------------------------------------------


def corrected() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Postings of a bank up to a correction, and of the correction."""
    slot = Slot([("Ada", "Bo", 5, 18, 18)])
    fresh = fc.Settlement(
        tariff=fc.Tariff(30, 5, tax_ppm=200_000), imbalance=fc.ShortfallAllocation("buyer_pays_retail")
    )
    fresh.open(NAMES)
    fresh.deposit(NAMES, 1000)
    first = fresh.settle(slot.clearings, columns({"Ada": 6, "Bo": -4, "Cem": 1}))
    delta = fresh.resettle(first, columns({"Ada": 7, "Bo": -3, "Cem": 2}))
    return dict(first.columns), dict(delta.columns)


def test_the_audit_takes_the_truth() -> None:
    books = Books()
    for part in corrected():
        books.follow(part)


def lies() -> list[tuple[int, str, int]]:
    """What can be told from the postings alone: row, field, value."""
    _, delta = corrected()
    names = {(kind, code): name for kind, code, name in fc._core.LINE_NAMES}  # type: ignore[attr-defined]
    told = []
    for row, key in enumerate(zip(delta["kind"].tolist(), delta["code"].tolist(), strict=True)):
        line = names[key]
        if not line.startswith("tax"):
            told.append((row, "quantity", int(delta["quantity"][row]) + 1))
        if line == "revised":
            told += [(row, "group", 1), (row, "debit", 1003), (row, "code", 1)]
        elif line == "undelivered":
            told += [(row, "group", 1), (row, "code", 1003)]
        elif line == "residual":
            told.append((row, "code", 1003))
    return told


@pytest.mark.parametrize(("row", "field", "value"), lies())
def test_the_audit_finds_lies_about_corrections(row: int, field: str, value: int) -> None:
    before, delta = corrected()
    lie = delta[field].copy()
    lie[row] = value
    books = Books()
    books.follow(before)
    with pytest.raises(fc.AuditError):
        books.follow({**delta, field: lie})


def test_the_audit_wants_a_reading_with_a_correction() -> None:
    before, delta = corrected()
    books = Books()
    books.follow(before)
    only = delta["kind"] != 9
    without = {name: column[only] for name, column in delta.items()}
    without["seq"] = np.arange(len(without["seq"]), dtype=np.uint64) + delta["seq"][0]
    with pytest.raises(fc.AuditError, match="later reading"):
        books.follow(without)


def test_months_of_slots_are_found_by_start() -> None:
    house = fc.Settlement(tariff=fc.Tariff(30, 5))
    house.open(["Ada"])
    begin = datetime(2026, 7, 1, tzinfo=UTC)
    for index in range(200):
        house.settle([], {"participant": ["Ada"], "energy_wh": [index]}, slot=begin + timedelta(hours=index))
    for index in (0, 63, 199):
        delta = house.resettle(begin + timedelta(hours=index), {"participant": ["Ada"], "energy_wh": [1000]})
        assert delta.frame.filter(kind="correction")["quantity"].to_list() == [1000 - index]


# -- with the rest of the house ------------------------------------------------------------------------------


def test_a_delta_after_the_cycle_is_collected_in_the_next() -> None:
    houses = [fc.Settlement("postpaid_netting", tariff=fc.Tariff(30, 5), audit=True) for _ in range(2)]
    net: list[Counter[str]] = [Counter(), Counter()]
    for index, house in enumerate(houses):
        house.open(["Ada", "Bo"], limit=10**6)
        house.settle([], {"participant": ["Ada", "Bo"], "energy_wh": [[10, -4], [25, -1]][index]}, slot=START)
        for part in range(2):
            net[index].update({n: int(v) for n, v in house.close_cycle().select("participant", "net").rows() if n})
            if index == 0 and part == 0:
                house.resettle(START, {"participant": ["Ada", "Bo"], "energy_wh": [25, -1]})
    assert net[0] == net[1] == Counter({"Ada": -750, "Bo": 5})
    assert posted(houses[0])[-2:] == posted(houses[1])[-2:]


def test_the_treasury_lends_what_a_delta_lacks() -> None:
    house = fc.Settlement("credit_bank", tariff=fc.Tariff(30, 5), audit=True)
    house.open(["Ada", "Bo"], limit=1000)
    house.fund(10_000)
    house.deposit("Ada", 300)
    house.settle([], {"participant": ["Ada"], "energy_wh": [10]}, slot=START)
    assert len(house.loans) == 0
    house.resettle(START, {"participant": ["Ada"], "energy_wh": [12]})
    assert house.loans["principal"].to_list() == [60]
    house.resettle(START, {"participant": ["Ada"], "energy_wh": [11]})
    assert int(house.balances.filter(participant="Ada")["posted"].item()) == 30
    house.close_cycle()


def test_a_ledger_seals_what_is_corrected(tmp_path: Path) -> None:
    bank = fc.Settlement(tariff=fc.Tariff(30, 5), confirm_after=1000)
    bank.open(["Ada", "Bo"])
    bank.deposit("Ada", 1000)
    bank.open_invoicing("Street")
    ledger = fc.Ledger.open(tmp_path / "ledger", seed=1)
    orders = {"side": [1, 0], "participant": ["Ada", "Bo"], "price": [20, 20], "quantity": [8, 8]}
    meter = {"participant": ["Ada", "Bo"], "energy_wh": [9, -8]}
    bank.reserve(orders)
    clearing = fc.clear(orders, fc.Uniform())
    ledger.seal(clearing, bank.settle(clearing, meter, slot=START))
    ledger.seal(None, bank.resettle(START, {"participant": ["Bo"], "energy_wh": [-7]}))
    ledger.seal(None, bank.reverse(START))
    ledger.seal(None, bank.settle(clearing, meter, slot=START))
    number = bank.dispute("Ada", "Bo", 30)
    bank.give_evidence(number, "x")
    bank.rule(number, 10)
    bank.post_ruling(number)
    bank.advance(10**6)
    bank.invoice("2026-07")
    ledger.seal(None, bank.receipts())
    assert fc.verify_directory(tmp_path / "ledger").blocks == 5
    history = fc.History(ledger, bank)
    assert history.balances["posted"].to_list() == bank.balances["posted"].to_list()
    assert history.journal().frame["debit"].sum() == history.journal().frame["credit"].sum()
    summary = history.summary().frame
    assert summary["closing"].to_list() == bank.balances["posted"].to_list()[-2:]
    assert "by a later reading" in " ".join(history.statement("Bo").frame["text"])
