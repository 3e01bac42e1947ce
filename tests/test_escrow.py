"""Escrow: the worked ledger, a deal in every state, calls refused, what bills, statements and journals say of it."""

from __future__ import annotations

from copy import copy
from datetime import timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any

import numpy as np
import polars as pl
import pytest

import fastclear as fc

EUR = 10**9
DAY = 86_400 * EUR
TARIFF = fc.Tariff(300_000, 50_000)
TERMS = fc.Escrow2of3(bond_ppm=100_000, shortfall_penalty=30_000, timeout=timedelta(days=2))


def opened(profile: Any = TERMS, tariff: fc.Tariff = TARIFF, deposit: int = 5 * EUR) -> fc.Settlement:
    bank = fc.Settlement(profile=profile, tariff=tariff, audit=True)
    bank.open(["buyer", "seller"])
    bank.deposit(["buyer", "seller"], deposit)
    return bank


def cents(bank: fc.Settlement) -> dict[str, str]:
    rows = bank.balances.select("participant", "role", "posted").rows()
    money = {name or role: posted / 10**7 for name, role, posted in rows}
    return {name: f"{money.get(name, Decimal(0)) / 100:.2f}" for name in ("buyer", "seller", "escrow")}


def cleared(price: int = 150_000, kwh: int = 20) -> fc.Clearing:
    orders = {"side": ["buy", "sell"], "participant": ["buyer", "seller"], "price": [price] * 2}
    return fc.clear(orders | {"quantity": [kwh * 1000] * 2}, fc.Uniform())


def bilateral(bank: fc.Settlement) -> None:
    deal = bank.offer("buyer", "seller", 20_000, 150_000)
    bank.agree(deal, "buyer", bank.escrows["terms_hash"].item())
    bank.fund_escrow(deal)


def market(bank: fc.Settlement) -> None:
    orders = {"side": ["buy", "sell"], "participant": ["buyer", "seller"], "price": [150_000] * 2}
    assert bank.reserve(orders | {"quantity": [20_000] * 2}).tolist() == [0, 0]
    bank.settle(cleared())


@pytest.mark.parametrize("funded", [bilateral, market])
@pytest.mark.parametrize(
    ("delivered", "say", "state", "after"),
    [
        (20_000, ["buyer", "seller"], "released", {"buyer": "2.00", "seller": "8.00", "escrow": "0.00"}),
        (15_000, ["seller", "buyer"], "released", {"buyer": "2.90", "seller": "7.10", "escrow": "0.00"}),
        (15_000, ["arbiter", "buyer"], "ruled", {"buyer": "2.90", "seller": "7.10", "escrow": "0.00"}),
        (20_000, ["seller", "arbiter"], "ruled", {"buyer": "2.00", "seller": "8.00", "escrow": "0.00"}),
    ],
)
def test_the_worked_ledger(funded: Any, delivered: int, say: list[str], state: str, after: dict[str, str]) -> None:
    """20 kWh x 0.15, bonds of 0.30: of 3.60 in escrow the seller has 3.30 or 2.40, the buyer 0.30 or 1.20."""
    bank = opened()
    funded(bank)
    assert cents(bank) == {"buyer": "1.70", "seller": "4.70", "escrow": "3.60"}
    bank.deliver(0, delivered)
    bank.approve(0, say[0])
    assert cents(bank)["escrow"] == "3.60"
    bank.approve(0, say[1])
    assert cents(bank) == after
    deal = bank.escrows.row(0, named=True)
    assert (deal["state"], deal["held"], deal["delivered_wh"]) == (state, 0, delivered)
    assert deal["approved_by"] == sorted(say)


def test_the_lines_of_a_deal_belong_to_its_payment() -> None:
    bank = opened()
    funding = bank.offer("buyer", "seller", 20_000, 150_000)
    bank.agree(funding, "buyer")
    kept = [bank.fund_escrow(funding)]
    bank.deliver(0, 15_000)
    bank.approve([0, 0], ["buyer", "seller"])
    kept.append(bank.receipts())
    seq = bank.escrows["funded_by"].item()
    frame = fc.History(kept).postings.filter((pl.col("group") == seq) | (pl.col("seq") == seq))
    assert frame.select("kind", "line", "payer", "payee", "amount").rows() == [
        ("trade", "escrowed", "clearing", "escrow", 3 * EUR),
        ("net", "buyer_bond", "buyer", "escrow", 300_000_000),
        ("net", "seller_bond", "seller", "escrow", 300_000_000),
        ("trade", "released", "escrow", "seller", 2_250_000_000),
        ("trade", "returned", "escrow", "buyer", 750_000_000),
        ("net", "bond_returned", "escrow", "buyer", 300_000_000),
        ("net", "bond_returned", "escrow", "seller", 300_000_000),
        ("imbalance", "delivery_penalty", "seller", "buyer", 150_000_000),
    ]


def test_who_is_who_after_a_deal() -> None:
    """Bills, summary, statement, journal: what was delivered is what was bought and sold, bonds are in no bill."""
    bank = opened(tariff=fc.Tariff(300_000, 50_000, platform_fee=5_000, tax_ppm=200_000))
    kept = [bank.receipts()]
    deal = bank.offer("buyer", "seller", 20_000, 150_000)
    bank.agree(deal, "buyer")
    kept.append(bank.fund_escrow(deal))
    bank.deliver(0, 15_000)
    bank.approve([0, 0], ["buyer", "seller"])
    kept.append(bank.receipts())
    funded, over = (
        dict(zip(r.bill_columns["account"].tolist(), r.bill_columns["net"].tolist(), strict=True)) for r in kept[1:]
    )
    buyer, seller = bank.account("buyer"), bank.account("seller")
    assert funded == {buyer: 3 * EUR + 100_000_000 + 620_000_000}
    assert over == {buyer: -900_000_000, seller: -2_100_000_000}
    history = fc.History(kept)
    rows = history.summary().frame.rows(named=True)
    of = {row["participant"]: row for row in rows}
    assert [of[name]["energy"] for name in ("buyer", "seller")] == [2_250_000_000, -2_250_000_000]
    assert [of[name]["imbalance"] for name in ("buyer", "seller")] == [-150_000_000, 150_000_000]
    assert (of["buyer"]["bought_wh"], of["seller"]["sold_wh"], of["seller"]["other"]) == (15_000, 15_000, 0)
    texts = history.statement("seller").frame["text"].to_list()
    assert "paid out of escrow for 15 kWh delivered" in texts
    assert not [text for text in texts if "_" in text]
    journal = history.journal("EUR")
    left = dict(journal.balances.rows())
    assert left["Liabilities:Escrow"] == 0
    assert sum(left.values()) == 0


def test_a_seller_below_zero_is_paid_and_pays_its_penalty() -> None:
    """Metering may take a member anywhere; what it has in escrow still goes where it should."""
    bank = opened()
    market(bank)
    bank.settle([], {"participant": ["seller"], "energy_wh": [40_000]})  # 12.00 from the supplier
    assert bank.status["seller"] == "restricted"
    bank.deliver(0, 0)
    bank.approve([0, 0], ["arbiter", "buyer"])
    assert cents(bank) == {"buyer": "5.30", "seller": "-7.30", "escrow": "0.00"}


def test_an_ask_without_its_bond_stays_out_of_the_market() -> None:
    bank = opened(deposit=0)
    bank.deposit("seller", 299_999_999)
    ask = {"side": ["sell"], "participant": ["seller"], "price": [150_000], "quantity": [20_000]}
    assert bank.reserve(ask).tolist() == [fc.RejectReason.CREDIT_EXCEEDED]
    bank.deposit("seller", 1)
    assert bank.reserve(ask).tolist() == [0]
    assert bank.reserve(ask | {"price": [None], "type": ["market"]}).tolist() == [0], "no price to be asked for"
    bank.deposit("buyer", 4 * EUR)
    with pytest.raises(fc.SettlementError, match="participant seller: lacks 20000000 nano-currency of its bonds"):
        bank.settle(cleared(160_000))


def test_a_deal_under_a_plan_has_the_fees_of_its_slot() -> None:
    prices = {"since": "1970-01-01", "retail": 30, "feed_in": 5, "platform_fee": "0.5"}
    plan = fc.TariffPlan(name="p", time_zone="UTC", versions=[prices])
    bank = fc.Settlement(TERMS, tariff=plan, audit=True)
    bank.open(["buyer", "seller"])
    bank.deposit(["buyer", "seller"], 5 * EUR)
    deal = bank.offer("buyer", "seller", 20_000, 150_000)
    bank.agree(deal, "buyer")
    with pytest.raises(fc.SettlementError, match="slot"):
        bank.fund_escrow(deal)
    receipts = bank.fund_escrow(deal, slot=0)
    assert receipts.frame.filter(kind="fee")["amount"].to_list() == [100_000_000]


def test_an_audit_compares_deals_with_the_escrow_account() -> None:
    bank = opened()
    market(bank)
    bank.audit()
    assert bank._deals is not None
    bank._deals.by_number[1] = bank._deals.by_number[0]
    with pytest.raises(fc.AuditError, match="deals hold 7200000000, 3600000000 is in escrow"):
        bank.audit()


def test_explain_says_what_was_sold() -> None:
    bank = opened()
    receipts = bank.settle(cleared(), {"participant": ["buyer", "seller"], "energy_wh": [20_000, -20_000]})
    assert "generated 20 kWh, net, with 20 kWh sold" in receipts.explain("seller")
    assert "consumed 20 kWh, net, with 20 kWh bought" in receipts.explain("buyer")


def test_terms_hash() -> None:
    bank = opened()
    bank.offer("buyer", "seller", 20_000, 150_000)
    numbers = (0, 1000, 1001, 20_000, 150_000, 3 * EUR, 100_000, 30_000, 2 * DAY)
    terms = b"FCDEAL1\0" + b"".join(number.to_bytes(8, "little", signed=True) for number in numbers)
    assert bank.escrows["terms_hash"].to_list() == [sha256(terms).hexdigest()]
    bank.offer("buyer", "seller", 20_000, 150_000)
    assert bank.escrows["terms_hash"].n_unique() == 2, "the same terms twice are two deals"
    bank.agree([0, 1], "buyer")
    lines = bank.fund_escrow([0]).frame.filter(line="escrowed").select("market", "buy_order", "sell_order").row(0)
    assert b"".join(part.to_bytes(8, "little") for part in lines) == sha256(terms).digest()[:24]


def test_a_key_alone_does_nothing() -> None:
    for role in ("buyer", "seller", "arbiter"):
        bank = opened()
        market(bank)
        bank.deliver(0, 20_000)
        for _ in range(3):
            bank.approve(0, role)
        assert bank.escrows.select("state", "approved_by").row(0) == ("delivered", [role])
        assert cents(bank)["escrow"] == "3.60"


def test_two_opinions_are_no_majority_and_a_mind_can_change() -> None:
    bank = opened()
    market(bank)
    bank.deliver(0, 15_000)
    bank.approve([0, 0, 0], ["buyer", "seller", "arbiter"], [10_000, 20_000, 15_000])
    assert bank.escrows["state"].item() == "delivered"
    bank.approve(0, "seller", 15_000)
    assert bank.escrows.select("state", "delivered_wh").row(0) == ("ruled", 15_000)


def test_a_penalty_is_at_most_the_bond() -> None:
    bank = opened(fc.Escrow2of3(bond_ppm=100_000, shortfall_penalty=30_000))
    market(bank)
    bank.deliver(0, 0)
    bank.approve([0, 0], ["arbiter", "buyer"])
    assert cents(bank) == {"buyer": "5.30", "seller": "4.70", "escrow": "0.00"}


def test_after_the_timeout_everybody_has_their_own_back() -> None:
    for attested in (False, True):
        bank = opened()
        market(bank)
        if attested:
            bank.deliver(0, 15_000)
        bank.advance(2 * DAY)
        with pytest.raises(fc.SettlementError, match="cannot be refunded before"):
            bank.refund(0)
        bank.advance(bank.escrows["deadline"].item())
        bank.refund(0)
        assert cents(bank) == {"buyer": "5.00", "seller": "5.00", "escrow": "0.00"}
        with pytest.raises(fc.SettlementError, match="deal 0 is refunded"):
            bank.refund(0)


def test_an_offer_lapses() -> None:
    bank = opened()
    bank.offer(["buyer", "buyer"], "seller", 1000, 100)
    bank.agree(0, "buyer")
    bank.advance(3 * DAY)
    with pytest.raises(fc.SettlementError, match="lapsed"):
        bank.agree(1, "buyer")
    with pytest.raises(fc.SettlementError, match="lapsed"):
        bank.fund_escrow(0)
    bank.refund([0, 1])
    assert bank.escrows["state"].to_list() == ["refunded"] * 2
    assert cents(bank) == {"buyer": "5.00", "seller": "5.00", "escrow": "0.00"}


STEPS: dict[str, Any] = {
    "agree": lambda bank: bank.agree(0, "buyer"),
    "fund": lambda bank: bank.fund_escrow(0),
    "deliver": lambda bank: bank.deliver(0, 1000),
    "approve": lambda bank: bank.approve(0, "buyer"),
    "refund": lambda bank: bank.refund(0),
}
ALLOWED = {
    "offer": {"agree"},
    "agreed": {"fund"},
    "funded": {"deliver"},
    "delivered": {"approve"},
    "released": set(),
    "ruled": set(),
    "refunded": set(),
}


def in_state(state: str) -> fc.Settlement:
    bank = opened()
    bank.offer("buyer", "seller", 1000, 100_000)
    if state == "refunded":
        bank.advance(3 * DAY)
        bank.refund(0)
        return bank
    for step in ("agree", "fund", "deliver"):
        if bank.escrows["state"].item() == state:
            return bank
        STEPS[step](bank)
    if state != "delivered":
        bank.approve([0, 0], ["seller", "buyer" if state == "released" else "arbiter"])
    return bank


@pytest.mark.parametrize("state", ALLOWED)
@pytest.mark.parametrize("step", STEPS)
def test_each_step_is_for_one_state(state: str, step: str) -> None:
    bank = in_state(state)
    assert bank.escrows["state"].item() == state
    before, held = bank.escrows, bank.balances
    if step in ALLOWED[state]:
        STEPS[step](bank)
        assert not bank.escrows.equals(before)
    else:
        with pytest.raises(fc.SettlementError, match="deal 0"):
            STEPS[step](bank)
        assert bank.escrows.equals(before)
        assert bank.balances.equals(held)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda bank: bank.offer("buyer", "buyer", 1, 1), "on both sides"),
        (lambda bank: bank.offer("buyer", "Zoe", 1, 1), "has no account"),
        (lambda bank: bank.offer("buyer", "seller", 0, 1), "below 2"),
        (lambda bank: bank.offer("buyer", "seller", 1, -1), "below 2"),
        (lambda bank: bank.offer("buyer", "seller", 1.5, 1), "integers"),
        (lambda bank: bank.offer("buyer", "seller", [1, 2], [1, 2, 3]), "column 'energy_wh' has 2 rows"),
        (lambda bank: bank.offer("buyer", "seller", 1, 1, by="arbiter"), "offered by its"),
        (lambda bank: bank.agree(0, "seller"), "was offered by its seller"),
        (lambda bank: bank.agree(0, "arbiter"), "was offered by its seller"),
        (lambda bank: bank.agree(0, "buyer", "00" * 32), "has other terms"),
        (lambda bank: bank.agree(7, "buyer"), "no deal 7"),
        (lambda bank: bank.fund_escrow(0), "deal 0 is offer"),
        (lambda bank: bank.fund_escrow([1, 1]), "named twice"),
        (lambda bank: bank.fund_escrow([2]), r"deals \[2\] cannot be funded: participant buyer: .* owes 11000000000 "),
        (lambda bank: bank.fund_escrow([1, 3]), "participant seller: lacks"),
        (lambda bank: bank.deliver([4, 4], 1), "deal 4 is delivered"),
        (lambda bank: bank.deliver(4, 1001), "give 0 to its 1000 Wh"),
        (lambda bank: bank.deliver([4], [-1]), "give 0 to its 1000 Wh"),
        (lambda bank: bank.approve([5, 5, 5], "arbiter", [1, 2]), "column 'energy_wh' has 2 rows"),
        (lambda bank: bank.approve(5, "dso"), "no role"),
        (lambda bank: bank.approve(4, "buyer"), "deal 4 is funded"),
        (lambda bank: bank.close("buyer"), "deal 0 is offer"),
    ],
)
def test_a_call_that_makes_no_sense_changes_nothing(call: Any, message: str) -> None:
    bank = opened(deposit=100_000_000)
    bank.deposit("buyer", 6 * EUR)
    bank.offer("buyer", "seller", [1000, 1000, 100_000, 50_000, 1000, 1000], [100] * 2 + [100_000] * 2 + [100] * 2)
    bank.agree([1, 2, 3, 4, 5], "buyer")
    bank.fund_escrow([4, 5])
    bank.deliver(5, 1000)
    before, balances, seq = bank.escrows, bank.balances, bank.next_seq
    with pytest.raises(fc.SettlementError, match=message):
        call(bank)
    assert bank.escrows.equals(before)
    assert bank.balances.equals(balances)
    assert bank.next_seq == seq


def test_no_rows_do_nothing() -> None:
    bank = opened()
    before = bank.next_seq
    assert bank.offer([], [], [], []).tolist() == []
    assert bank.offer("buyer", "seller", [], 1).tolist() == []
    bank.agree([], "buyer")
    bank.fund_escrow([])
    bank.deliver([], 5)
    bank.approve([], by=[])
    bank.refund([])
    assert (len(bank.escrows), bank.next_seq) == (0, before)


@pytest.mark.parametrize("wide", [np.array([0, 1]), pl.Series([0, 1]), (0, 1)])
def test_columns_of_any_kind(wide: Any) -> None:
    bank = opened()
    bank.offer(["buyer", "buyer"], pl.Series(["seller", "seller"]), np.array([5, 6], np.int32), (7, 8))
    bank.agree(wide, np.array(["buyer", "buyer"]))
    bank.fund_escrow(wide)
    bank.deliver(wide, [5, 6])
    bank.approve(wide, "buyer")
    bank.approve(wide, "seller")
    assert bank.escrows["state"].to_list() == ["released"] * 2


def test_other_profiles_have_no_escrow() -> None:
    bank = fc.Settlement(tariff=TARIFF)
    bank.open(["Ada", "Bo"])
    for call in (lambda: bank.offer("Ada", "Bo", 1, 1), lambda: bank.refund(0), lambda: bank.escrows):
        with pytest.raises(fc.SettlementError, match="use profile escrow_2of3"):
            call()


@pytest.mark.parametrize(
    "terms",
    [
        {"bond_ppm": -1},
        {"bond_ppm": 10_000_001},
        {"bond_ppm": 0.1},
        {"shortfall_penalty": -1},
        {"timeout": 0},
        {"timeout": timedelta(0)},
        {"timeout": 2**63},
        {"minimum_holding": -1},
    ],
)
def test_terms_that_cannot_be(terms: dict[str, Any]) -> None:
    with pytest.raises(fc.SettlementError, match=next(iter(terms))):
        fc.Escrow2of3(**terms)
    with pytest.raises(fc.SettlementError, match="another imbalance"):
        fc.Settlement("escrow_2of3", tariff=TARIFF, imbalance=fc.ShortfallAllocation("buyer_made_whole"))


def test_a_copy_has_deals_of_its_own() -> None:
    bank = opened()
    market(bank)
    bank.deliver(0, 20_000)
    twin = copy(bank)
    twin.approve([0, 0], ["buyer", "seller"])
    assert cents(bank)["escrow"] == "3.60"
    bank.approve([0, 0], ["arbiter", "seller"], 15_000)
    assert (bank.escrows["state"].item(), twin.escrows["state"].item()) == ("ruled", "released")
    third = copy(twin)
    third.offer("buyer", "seller", 1, 1)
    assert (len(twin.escrows), len(third.escrows)) == (1, 2)


def test_a_clearing_of_sums_is_paid_by_what_was_delivered() -> None:
    """Half ticks and Vickrey payments have no price a unit: a third of the energy is a third of it, rounded down."""
    bank = opened(fc.Escrow2of3(bond_ppm=333_333))
    orders = {"side": ["buy", "sell"], "participant": ["buyer", "seller"], "price": [8, 5], "quantity": [3, 3]}
    bank.settle(fc.clear(orders, fc.Vickrey()))
    bank.settle(fc.clear(orders, fc.Uniform(price_rule="last_pair_midpoint")))
    deals = bank.escrows
    assert deals.select("price", "payment", "buyer_bond", "seller_bond").rows() == [(None, 24, 4, 7), (None, 19, 6, 6)]
    bank.deliver([0, 1], 1)
    bank.approve([0, 1, 0, 1], ["buyer", "buyer", "seller", "seller"])
    lines = bank.receipts().frame.filter(kind="trade").select("line", "payee", "quantity", "price", "amount").rows()
    assert lines == [
        ("released", "seller", 1, 0, 8),
        ("returned", "buyer", 2, 0, 16),
        ("released", "seller", 1, 0, 6),
        ("returned", "buyer", 2, 0, 13),
    ]
    assert bank.balances.filter(role="escrow")["posted"].item() == 0


def test_many_deals_of_one_clearing() -> None:
    bank = fc.Settlement(profile=TERMS, tariff=TARIFF, audit=True)
    names = [f"m{i}" for i in range(8)]
    bank.open(names)
    bank.deposit(names, 100 * EUR)
    rng = np.random.default_rng(4)
    orders = {
        "side": ["buy"] * 4 + ["sell"] * 4,
        "participant": names,
        "price": [*rng.integers(100_000, 200_000, 4).tolist(), *rng.integers(10_000, 100_000, 4).tolist()],
        "quantity": rng.integers(1000, 5000, 8).tolist(),
    }
    clearing = fc.clear(orders, fc.Uniform())
    bank.settle(clearing, {"participant": names[:2], "energy_wh": [0, 5]})
    deals = bank.escrows
    trades = clearing.trade_columns
    assert deals["energy_wh"].to_list() == trades["quantity"].tolist()
    assert deals["buyer"].to_list() == [names[row] for row in trades["buy_row"].tolist()]
    assert deals["seller"].to_list() == [names[row] for row in trades["sell_row"].tolist()]
    assert deals["payment"].to_list() == trades["sell_amount"].tolist()
