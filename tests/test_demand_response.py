"""R27: demand response as a deal: requested, offered, accepted, verified against a baseline, paid or penalised."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastclear as fc
from fastclear.errors import SettlementError

KWH = 1000
PRICE, PENALTY = 400_000, 100_000  # ticks: 40 ct for a kWh less, 10 ct for one that was promised and not shed


def desk() -> fc.Settlement:
    terms = fc.Escrow2of3(bond_ppm=1_000_000, shortfall_penalty=PENALTY, timeout=timedelta(days=2))
    bank = fc.Settlement(profile=terms, tariff=fc.Tariff.from_ct_per_kwh(30, 5))
    bank.open(["dso", "aggregator"])
    bank.deposit(["dso", "aggregator"], 100 * 10**9)
    return bank


def baseline_wh(days: list[int]) -> int:
    """What would have been taken: the mean of the same slot on the days before, rounded down."""
    return sum(days) // len(days)


def money(bank: fc.Settlement) -> dict[str, int]:
    rows = bank.balances.select(pl.coalesce("participant", "role"), "posted").rows()
    return {name: int(posted) for name, posted in rows if name in ("dso", "aggregator", "escrow")}


def respond(bank: fc.Settlement, committed_wh: int, shed_wh: int) -> Any:
    deal = bank.offer("dso", "aggregator", energy_wh=committed_wh, price=PRICE, by="buyer")  # the request
    bank.agree(deal, by="seller")
    bank.fund_escrow(deal)
    bank.deliver(deal, min(shed_wh, committed_wh))  # the verification
    for role in ("buyer", "seller"):
        bank.approve(deal, by=role)
    return deal


def test_ten_committed_and_seven_shed_pay_for_seven_and_a_penalty_for_three() -> None:
    bank = desk()
    before = money(bank)
    shed = baseline_wh([52 * KWH, 48 * KWH, 50 * KWH]) - 43 * KWH
    assert shed == 7 * KWH
    respond(bank, 10 * KWH, shed)
    after = money(bank)
    earned = 7 * KWH * PRICE - 3 * KWH * PENALTY
    assert earned == 2_500_000_000  # 2.80 less 0.30
    assert after["aggregator"] - before["aggregator"] == earned
    assert after["dso"] - before["dso"] == -earned
    assert after["escrow"] == 0
    assert bank.escrows["state"].to_list() == ["released"]


@given(st.integers(1, 50_000), st.integers(0, 60_000))
def test_what_is_paid_is_what_the_contract_says(committed_wh: int, shed_wh: int) -> None:
    bank = desk()
    before = money(bank)
    respond(bank, committed_wh, shed_wh)
    counted = min(shed_wh, committed_wh)
    earned = counted * PRICE - (committed_wh - counted) * PENALTY
    assert money(bank)["aggregator"] - before["aggregator"] == earned
    assert sum(money(bank).values()) == sum(before.values())


def test_nothing_is_paid_without_a_verification() -> None:
    bank = desk()
    deal = bank.offer("dso", "aggregator", energy_wh=10 * KWH, price=PRICE, by="buyer")
    for early in (
        lambda: bank.fund_escrow(deal),
        lambda: bank.deliver(deal, 1),
        lambda: bank.approve(deal, by="seller"),
    ):
        with pytest.raises(SettlementError):
            early()
    bank.agree(deal, by="seller")
    bank.fund_escrow(deal)
    held = money(bank)
    for role in ("buyer", "seller", "arbiter"):
        with pytest.raises(SettlementError):
            bank.approve(deal, by=role)
    assert money(bank) == held
    # nobody verifies: everybody has their own back
    bank.advance(3 * 86_400 * 10**9)
    bank.refund(deal)
    assert money(bank) == {"dso": 100 * 10**9, "aggregator": 100 * 10**9, "escrow": 0}
    with pytest.raises(SettlementError):
        bank.deliver(deal, 10 * KWH)
