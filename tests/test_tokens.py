"""Access tokens and pegged credit: the worked ledger, rounding, calls refused; and money that bidders must keep."""

from __future__ import annotations

from copy import copy
from decimal import Decimal
from fractions import Fraction
from typing import Any

import polars as pl
import pytest

import fastclear as fc

CREDIT = 10**9
TARIFF = fc.Tariff(40_000_000, 5_000_000)
TERMS = fc.DualToken(peg="0.01", haircut_ppm=250_000, price="0.40", platform_ppm=40_000, dso_ppm=100_000)


def opened(terms: fc.DualToken = TERMS, tokens: int = 10_000) -> fc.Settlement:
    bank = fc.Settlement(profile=terms, tariff=TARIFF, audit=True)
    bank.open(["host", "other", "Ada", "Bo"])
    bank.join(["Ada", "Bo"], "host")
    bank.bond("host", tokens)
    return bank


def shown(bank: fc.Settlement, *columns: str) -> tuple[Any, ...]:
    return bank.hosts.filter(participant="host").select(columns).row(0)


def posted(bank: fc.Settlement) -> dict[str, Decimal]:
    rows = bank.balances.select("participant", "role", "posted").rows()
    return {name or role: money / CREDIT for name, role, money in rows if money}


def test_the_worked_ledger() -> None:
    """10,000 tokens at 0.40 carry 300,000; 200,000 issued; 25 kWh x 18; 0.25 freezes, 667 tokens more end it."""
    bank = opened()
    assert shown(bank, "bond", "capacity", "issuable") == (10_000, 300_000 * CREDIT, 300_000 * CREDIT)
    bank.deposit(["Ada", "Bo"], [150_000 * CREDIT, 50_000 * CREDIT])
    assert bank.fiat_reserve == 2_000 * CREDIT
    assert shown(bank, "outstanding", "reserve", "frozen") == (200_000 * CREDIT, 2_000 * CREDIT, False)
    orders = {
        "side": ["buy", "sell"],
        "participant": ["Ada", "Bo"],
        "price": [18_000_000] * 2,
        "quantity": [25_000] * 2,
    }
    assert bank.reserve(orders).tolist() == [0, 0]
    receipts = bank.settle(fc.clear(orders, fc.Uniform()))
    sale = (
        receipts.frame.filter(pl.col("kind").is_in(["fee", "trade"])).select("line", "payer", "payee", "amount").rows()
    )
    assert sale == [
        ("seller", "clearing", "Bo", 450 * CREDIT),
        ("platform_proceeds", "Bo", "platform", 18 * CREDIT),
        ("dso_proceeds", "Bo", "dso", 45 * CREDIT),
    ]
    bills = receipts.by_participant().select("participant", "energy", "platform", "network", "net").rows()
    assert bills == [
        ("Ada", 450 * CREDIT, 0, 0, 450 * CREDIT),
        ("Bo", -450 * CREDIT, 18 * CREDIT, 45 * CREDIT, -387 * CREDIT),
    ]
    bank.set_token_price("0.25")
    columns = ("capacity", "frozen", "issuable", "tokens_needed", "tokens_free")
    assert shown(bank, *columns) == (187_500 * CREDIT, True, 0, 667, 0)
    with pytest.raises(fc.SettlementError, match=r"participant Ada: 1 cannot be issued; .* host host .* carry 187500"):
        bank.deposit("Ada", 1)
    before = posted(bank)
    bank.bond("host", 666)
    assert shown(bank, "frozen", "tokens_needed") == (True, 1)
    bank.bond("host", 1)
    assert shown(bank, "frozen", "capacity") == (False, 200_006_250 * CREDIT // 1000)
    after = posted(bank)
    assert {name: after[name] for name in ("Ada", "Bo", "platform", "dso")} == {
        name: before[name] for name in ("Ada", "Bo", "platform", "dso")
    }, "nobody loses anything"
    bank.deposit("Ada", 6_250_000_000)
    with pytest.raises(fc.SettlementError, match="cannot be issued"):
        bank.deposit("Ada", 1)


def test_a_bond_is_released_down_to_what_carries_what_is_outstanding() -> None:
    bank = opened()
    bank.deposit("Ada", 200_000 * CREDIT + 1)
    assert shown(bank, "tokens_free") == (10_000 - 6_667,)
    with pytest.raises(fc.SettlementError, match="3333 of 10000 can"):
        bank.release_bond("host", 3_334)
    bank.release_bond("host", 3_333)
    assert shown(bank, "bond", "frozen", "tokens_free") == (6_667, False, 0)
    bank.withdraw("Ada", 200_000 * CREDIT + 1)
    bank.release_bond("host", 6_667)
    assert bank.hosts.is_empty()
    bank.close("host")
    bank.audit()


def test_a_worthless_token_carries_nothing_and_holds_its_bond() -> None:
    bank = opened()
    bank.deposit("Ada", 1)
    bank.set_token_price(0)
    assert shown(bank, "capacity", "frozen", "tokens_needed", "tokens_free") == (0, True, None, 0)
    with pytest.raises(fc.SettlementError, match="0 of 10000 can"):
        bank.release_bond("host", 1)
    bank.withdraw("Ada", 1)
    assert shown(bank, "frozen", "tokens_needed", "tokens_free") == (False, 0, 10_000)


@pytest.mark.parametrize("price", ["1e-30", "1e60", Fraction(1, 3)])
def test_prices_out_of_all_reason(price: Any) -> None:
    bank = opened(tokens=2**63 - 1)
    bank.deposit("Ada", 2**62)
    bank.set_token_price(price)
    capacity, needed, frozen = shown(bank, "capacity", "tokens_needed", "frozen")
    exact = (2**63 - 1) * Fraction(price) * 75 * CREDIT
    assert capacity == min(exact // 1, 10**38 - 1)
    assert frozen == (exact < 2**62) == (needed != 0)
    bank.withdraw("Ada", 2**62)
    with pytest.raises(fc.SettlementError):
        bank.bond("host", 1)
    assert bank.hosts["outstanding"].sum() == 0


def test_redeeming_what_another_host_issued() -> None:
    bank = opened()
    bank.bond("other", 1)
    bank.deposit(["other", "Ada"], [10 * CREDIT, 90 * CREDIT])
    orders = {
        "side": ["buy", "sell"],
        "participant": ["Ada", "other"],
        "price": [10_000_000] * 2,
        "quantity": [5_000] * 2,
    }
    bank.settle(fc.clear(orders, fc.Uniform()))
    bank.withdraw("other", 40 * CREDIT)
    assert bank.hosts.select("participant", "outstanding").rows() == [
        ("host", Decimal(60 * CREDIT)),
        ("other", Decimal(0)),
    ]
    assert bank.fiat_reserve == Fraction(60 * CREDIT, 100)
    boundary = bank.balances.filter(role="boundary")["posted"].item()
    assert -boundary == 60 * CREDIT


def test_credit_that_nobody_issued_cannot_be_redeemed() -> None:
    bank = opened()
    bank.deposit("Ada", 5 * CREDIT)
    bank.settle([], {"participant": ["Bo"], "energy_wh": [-2_000]})  # the supplier owes 10 for it
    with pytest.raises(fc.SettlementError, match="no outside money stands behind"):
        bank.withdraw("Bo", 6 * CREDIT)
    bank.withdraw("Bo", 5 * CREDIT)


def test_an_audit_compares_what_is_outstanding_with_what_came_in() -> None:
    bank = opened()
    bank.deposit("Ada", 5)
    bank.audit()
    assert bank._bonds is not None
    bank._bonds.outstanding = {}
    with pytest.raises(fc.AuditError, match="0 is outstanding, 5 came in"):
        bank.audit()


def test_statements_and_journals_keep_tokens_apart() -> None:
    bank = opened()
    bank.deposit("Ada", 100 * CREDIT)
    history = fc.History(bank.receipts())
    assert history.summary().frame["participant"].to_list() == ["host", "other", "Ada", "Bo"]
    journal = history.journal("AUD")
    tokens = journal.frame.filter(currency="TOKEN").select("account", "debit", "credit").rows()
    host = "Liabilities:Bond:1000-host"
    assert tokens == [("Assets:Tokens", Decimal(10_000), None), (host, None, Decimal(10_000))]
    assert f"open {host} TOKEN\n" in journal.beancount
    assert f"{host}  -10000.000000000 TOKEN\n" in journal.beancount
    assert f"balance {host} -10000.000000000 ~ 0 TOKEN\n" in journal.beancount
    daily = history.journal("AUD", by="day").frame.filter(currency="TOKEN")
    assert daily["debit"].sum() == 10_000
    bank.bond("host", 5)
    later = fc.History(bank.receipts(), opening=history.balances).journal("AUD").frame
    assert later.filter(kind="opening balance", account=host).select("credit", "currency").rows() == [
        (Decimal(10_000), "TOKEN")
    ]


@pytest.mark.parametrize(
    "call",
    [
        lambda bank: bank.bond("Zoe", 1),
        lambda bank: bank.bond("host", -1),
        lambda bank: bank.bond("host", 0.5),
        lambda bank: bank.join(["Ada", "Zoe"], "other"),
        lambda bank: bank.join("Ada", "Zoe"),
        lambda bank: bank.release_bond("Ada", 1),
        lambda bank: bank.release_bond("host", -1),
        lambda bank: bank.set_token_price(0.4),
        lambda bank: bank.set_token_price("-0.4"),
        lambda bank: bank.set_token_price("1/0"),
        lambda bank: bank.deposit("other", 1),
        lambda bank: bank.deposit(["Ada", "other"], 1),
        lambda bank: bank.deposit(["Ada", "Bo"], [1, 300_000 * CREDIT]),
        lambda bank: bank.deposit(["Ada", "Bo"], [-1, 1]),
        lambda bank: bank.withdraw("Ada", 2),
        lambda bank: bank.withdraw("Ada", -2),
        lambda bank: bank.close("host"),
    ],
)
def test_a_call_that_makes_no_sense_changes_nothing(call: Any) -> None:
    bank = opened()
    bank.deposit("Ada", 1)
    before = (bank.hosts, bank.balances, bank.next_seq, bank.fiat_reserve)
    with pytest.raises(fc.SettlementError):
        call(bank)
    after = (bank.hosts, bank.balances, bank.next_seq, bank.fiat_reserve)
    assert before[0].equals(after[0])
    assert before[1].equals(after[1])
    assert before[2:] == after[2:]


@pytest.mark.parametrize(
    "terms",
    [
        {"peg": 0},
        {"peg": 0.01},
        {"peg": "-1"},
        {"price": -1},
        {"price": True},
        {"haircut_ppm": 1_000_001},
        {"platform_ppm": -1},
        {"dso_ppm": 1_000_001},
        {"dso_ppm": 500_001, "platform_ppm": 500_000},
    ],
)
def test_terms_that_cannot_be(terms: dict[str, Any]) -> None:
    with pytest.raises(fc.SettlementError, match=next(iter(terms))):
        fc.DualToken(**terms)


def test_other_profiles_have_no_tokens_and_copies_have_their_own() -> None:
    bank = fc.Settlement(tariff=TARIFF)
    bank.open("Ada")
    for call in (lambda: bank.bond("Ada", 1), lambda: bank.hosts, lambda: bank.fiat_reserve):
        with pytest.raises(fc.SettlementError, match="use profile dual_token"):
            call()
    one = opened()
    two = copy(one)
    two.deposit("Ada", 7)
    two.set_token_price(3)
    two.join("Bo", "other")
    assert (shown(one, "outstanding"), one.fiat_reserve) == ((0,), 0)
    one.deposit("Bo", 300_000 * CREDIT)


# -- money to be kept
# --------------------------------------------------------------------------------------------------


def bid(price: int, wh: int = 1000) -> dict[str, list[Any]]:
    return {"side": ["buy"], "participant": ["Ada"], "price": [price], "quantity": [wh]}


def test_the_worked_minimum() -> None:
    """1,040 held, 1,000 to be kept, an order of 50: it would leave 990."""
    bank = fc.Settlement(profile=fc.Prepaid(minimum_holding=1_000 * CREDIT), tariff=TARIFF, audit=True)
    bank.open("Ada", limit=10_000 * CREDIT)
    refused = fc.RejectReason.CREDIT_EXCEEDED
    assert bank.status == {"Ada": "restricted"}
    assert bank.reserve(bid(0)).tolist() == [refused], "who holds less than the minimum makes no bid at all"
    bank.deposit("Ada", 1_040 * CREDIT)
    assert bank.status == {"Ada": "active"}
    assert bank.reserve(bid(50_000_000)).tolist() == [refused]
    with pytest.raises(fc.SettlementError, match="cannot withdraw 50"):
        bank.withdraw("Ada", 50 * CREDIT)
    assert bank.reserve(bid(30_000_000)).tolist() == [0]
    assert bank.available("Ada") == 10 * CREDIT
    assert bank.reserve(bid(30_000_000)).tolist() == [refused], "pending debits count"
    bank.deposit("Ada", 20 * CREDIT)
    assert bank.reserve(bid(30_000_000)).tolist() == [0]


def test_a_slot_paid_on_the_spot_keeps_the_minimum() -> None:
    bank = fc.Settlement(profile=fc.Prepaid(minimum_holding=100), tariff=fc.Tariff(30, 5), audit=True)
    bank.open(["Ada", "Bo"])
    bank.deposit("Ada", 119)
    orders = {"side": ["buy", "sell"], "participant": ["Ada", "Bo"], "price": [2, 2], "quantity": [10, 10]}
    clearing = fc.clear(orders, fc.Uniform())
    with pytest.raises(fc.SettlementError, match="owes 20 nano-currency of 19 available"):
        bank.settle(clearing)
    bank.deposit("Ada", 1)
    bank.settle(clearing)
    assert bank.available("Ada") == 0


@pytest.mark.parametrize("profile", [fc.CreditBank, fc.Escrow2of3, fc.DualToken])
def test_every_profile_with_money_before_the_market_can_ask_for_a_minimum(profile: Any) -> None:
    bank = fc.Settlement(profile=profile(minimum_holding=100), tariff=fc.Tariff(30, 5), audit=True)
    bank.open("Ada", limit=1000)
    if profile is fc.DualToken:
        bank.bond("Ada", 1)
    if profile is fc.CreditBank:
        bank.fund(1000)
    bank.deposit("Ada", 150)
    refused = fc.RejectReason.CREDIT_EXCEEDED
    assert bank.reserve(bid(51, 1)).tolist() == [refused]
    assert bank.reserve(bid(20, 1)).tolist() == [0]
    assert bank.reserve(bid(31, 1)).tolist() == [refused]


def test_a_minimum_that_cannot_be() -> None:
    for value in (-1, 2**62 + 1, 1.5):
        with pytest.raises(fc.SettlementError, match="minimum_holding"):
            fc.Prepaid(minimum_holding=value)  # type: ignore[arg-type]
