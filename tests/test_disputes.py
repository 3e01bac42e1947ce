"""Disputes: every illegal step raises, one end, and nothing is held afterwards."""

from __future__ import annotations

from copy import copy, deepcopy
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastclear as fc
from fastclear.audit.settlement import Books

NAMES = ["Ada", "Bo", "Cem"]
STEPS = ["evidence", "rule 0", "rule 30", "post", "reject"]


def bank(money: int = 50, **terms: Any) -> fc.Settlement:
    new = fc.Settlement(tariff=fc.Tariff(30, 5), audit=True, **terms)
    new.open(NAMES)
    new.deposit(NAMES, money)
    new.receipts()
    return new


def posted(house: fc.Settlement) -> list[Any]:
    return house.balances.select("account", "posted", "pending_out", "pending_in", "available").rows()


def take(house: fc.Settlement, number: int, step: str) -> None:
    match step.split():
        case ["evidence"]:
            house.give_evidence(number, "a photo")
        case ["rule", amount]:
            house.rule(number, int(amount))
        case ["post"]:
            house.post_ruling(number)
        case ["reject"]:
            house.reject(number)


MODEL = {
    ("open", "evidence"): "evidence",
    ("evidence", "evidence"): "evidence",
    ("evidence", "rule 0"): "ruled 0",
    ("evidence", "rule 30"): "ruled 30",
    ("ruled 30", "post"): "posted",
    ("ruled 0", "reject"): "rejected",
}


@pytest.mark.parametrize("money", [0, 20, 500])
@pytest.mark.parametrize("steps", list(product(STEPS, repeat=3)))
def test_every_sequence_of_steps(money: int, steps: tuple[str, ...]) -> None:
    """Three steps after evidence, and from the start, against a table."""
    for first in ([], ["evidence"]):
        house = bank(money)
        number = house.dispute("Ada", "Bo", 80)
        state = "open"
        assert house.available("Bo") == money - min(80, money)
        for step in [*first, *steps]:
            before, count = posted(house), house.next_seq
            after = MODEL.get((state, step))
            if after is None:
                with pytest.raises(fc.SettlementError, match=f"dispute {number}"):
                    take(house, number, step)
                assert (posted(house), house.next_seq) == (before, count)
            else:
                take(house, number, step)
                state = after
            assert house.disputes["state"].to_list() == [state.split()[0]]
        paid = 30 if state == "posted" else 0
        held = 0 if state in ("posted", "rejected") else min(80, money)
        assert [int(row[1]) for row in posted(house)[-3:]] == [money + paid, money - paid, money]
        assert (house.available("Bo"), house.disputes["held"].item()) == (money - paid - held, held)


def test_the_postings_of_a_dispute() -> None:
    house = bank()
    number = house.dispute("Ada", "Bo", 80)
    house.give_evidence(number, "a photo")
    house.rule(number, 60)
    house.post_ruling(number)
    frame = house.receipts().frame
    assert frame.select("kind", "line", "payer", "payee", "amount").rows() == [
        ("dispute", "opened", "Bo", "Ada", 80),
        ("reserve", "disputed", "Bo", "Ada", 50),
        ("dispute", "evidence", "Bo", "Ada", 0),
        ("dispute", "ruled", "Bo", "Ada", 60),
        ("void", "disputed", "Bo", "Ada", 50),
        ("correction", "ruled", "Bo", "Ada", 60),
        ("dispute", "posted", "Bo", "Ada", 60),
    ]
    others = frame.filter(frame["line"] != "disputed")
    assert set(others["group"]) == {number}
    assert house.status["Bo"] == "restricted"  # the ruling is paid whatever it has
    assert house.last_receipts is not None
    bills = dict(house.last_receipts.by_participant().select("participant", "correction").rows())
    assert bills == {"Ada": -60, "Bo": 60}


def test_the_house_may_be_the_respondent_and_nothing_is_held_there() -> None:
    house = bank()
    number = house.dispute("Ada", "backstop", 80)
    assert house.disputes.select("held", "lacking", "respondent").rows() == [(0, 0, "backstop")]
    house.give_evidence(number, "a photo")
    house.rule(number, 80)
    house.post_ruling(number)
    assert house.available("Ada") == 130


def test_what_is_held_cannot_be_bid_or_withdrawn() -> None:
    house = bank()
    number = house.dispute("Ada", "Bo", 40)
    with pytest.raises(fc.SettlementError, match="cannot withdraw 11"):
        house.withdraw("Bo", 11)
    assert house.reserve({"side": [1], "participant": ["Bo"], "price": [11], "quantity": [1]})[0] != 0
    with pytest.raises(fc.SettlementError, match=f"party to dispute {number}"):
        house.close("Bo")
    second = house.dispute("Cem", "Bo", 40)
    assert house.disputes.select("held", "lacking").rows() == [(40, 0), (10, 30)]
    house.give_evidence(second, "x")
    house.rule(second, 0)
    house.reject(second)
    house.withdraw("Bo", 10)


def test_deadlines() -> None:
    house = bank()
    house.advance(1000)
    with pytest.raises(fc.SettlementError, match="has passed already"):
        house.dispute("Ada", "Bo", 1, evidence_until=999)
    number = house.dispute("Ada", "Bo", 80, evidence_until=2000, ruling_until=3000)
    with pytest.raises(fc.SettlementError, match="cannot go on to rejected"):
        house.reject(number)
    house.give_evidence(number, "in time")
    house.advance(2000)
    with pytest.raises(fc.SettlementError, match="evidence was due"):
        house.give_evidence(number, "late")
    house.advance(3000)
    with pytest.raises(fc.SettlementError, match="a ruling was due"):
        house.rule(number, 80)
    house.reject(number)
    assert house.available("Bo") == 50
    with pytest.raises(fc.SettlementError, match="is rejected"):
        house.reject(number)


def test_a_dispute_about_a_slot() -> None:
    house = bank()
    receipts = house.settle([], {"participant": ["Ada"], "energy_wh": [1]}, slot=10**18)
    house.dispute("Ada", "backstop", 5, slot=10**18)
    house.dispute("Ada", "backstop", 5, slot=receipts)
    assert house.disputes["slot"].n_unique() == 1
    house.freeze(2 * 10**18)
    with pytest.raises(fc.SettlementError, match="all is final"):
        house.dispute("Ada", "backstop", 5, slot=10**18)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda b: b.dispute("Eve", "Bo", 1), "has no account"),
        (lambda b: b.dispute("Ada", "rounding", 1), "has no account"),
        (lambda b: b.dispute("Ada", "Ada", 1), "on both sides"),
        (lambda b: b.dispute("Ada", "Bo", 0), "above 0"),
        (lambda b: b.dispute("Ada", "Bo", 1.5), "no integer"),
        (lambda b: b.dispute("Ada", "Bo", 1, reason=3), "give text"),
        (lambda b: b.dispute("Ada", "Bo", 1, slot=7), "no slot was settled"),
        (lambda b: b.dispute("Ada", "Bo", 1, ruling_until="soon"), "give nanoseconds"),
        (lambda b: b.dispute("Ada", "Cem", 1), "account is closed"),
        (lambda b: b.give_evidence(99, "x"), "there is none"),
        (lambda b: b.give_evidence(True, "x"), "there is none"),
        (lambda b: b.give_evidence(b.dispute("Ada", "Bo", 1), ""), "evidence is no text"),
        (lambda b: b.rule([], 1), "there is none"),
    ],
)
def test_calls_that_make_no_sense(call: Any, message: str) -> None:
    house = bank()
    house.withdraw("Cem", 50)
    house.close("Cem")
    with pytest.raises(fc.SettlementError, match=message):
        call(house)
    house.audit()


def test_copies_go_on_by_themselves() -> None:
    house = bank()
    number = house.dispute("Ada", "Bo", 80)
    twin = copy(house)
    house.give_evidence(number, "x")
    assert twin.disputes["state"].to_list() == ["open"]
    twin.dispute("Cem", "Bo", 80)
    assert len(house.disputes) == 1


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from([*STEPS, "open"]), st.integers(1, 90)), max_size=40))
def test_many_disputes_hold_no_more_than_there_is(steps: list[tuple[int, str, int]]) -> None:
    house = bank()
    opened: list[int] = []
    for index, step, amount in steps:
        try:
            if step == "open":
                opened.append(house.dispute(NAMES[index % 3], NAMES[(index + 1 + amount) % 3], amount))
            elif opened:
                take(house, opened[index % len(opened)], step)
        except fc.SettlementError:
            pass
    frame = house.disputes
    held = frame.filter(frame["state"].is_in(["open", "evidence", "ruled"]))["held"].sum()
    assert held == frame["held"].sum() == sum(int(row[2]) for row in posted(house))
    assert sum(int(row[1]) for row in posted(house)) == 0


def records() -> dict[str, Any]:
    house = fc.Settlement(tariff=fc.Tariff(30, 5))
    house.open(NAMES)
    house.deposit(NAMES, 50)
    number = house.dispute("Ada", "Bo", 80)
    house.give_evidence(number, "x")
    house.rule(number, 30)
    house.post_ruling(number)
    return dict(house.receipts().columns)


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("opened", "amount", 20),
        ("opened", "debit", 1002),
        ("evidence", "code", 4),
        ("ruled", "code", 2),
        ("ruled", "amount", 31),
        ("ruled", "amount", 81),
        ("posted", "code", 5),
        ("posted", "group", 0),
        ("disputed", "amount", 81),
    ],
)
def test_the_audit_finds_lies_about_disputes(line: str, field: str, value: int) -> None:
    names = {(kind, code): name for kind, code, name in fc._core.LINE_NAMES}  # type: ignore[attr-defined]
    table = records()
    Books().follow(deepcopy(table))
    kinds = zip(table["kind"].tolist(), table["code"].tolist(), strict=True)
    row = next(i for i, key in enumerate(kinds) if names.get(key) == line and key[0] in (19, 2))
    lie = table[field].copy()
    lie[row] = value
    with pytest.raises(fc.AuditError):
        Books().follow({**table, field: lie})
