"""Pools in bank and ledger: balances are what the rule says, to the unit, and every reader of the postings agrees."""

from __future__ import annotations

import random
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from reference import pools_twin as twin
from test_tariff_settlement import plan as tariff_plan

import fastclear as fc
from fastclear import light_client
from fastclear.audit.settlement import Books

LOADS = {"participant": ["Ada", "Bo", "Cy"], "net_load": [10_000, -6_000, 4_000]}


def half_even(value: Fraction) -> int:
    return round(value)


def community(rng: random.Random, markets: int) -> list[list[tuple[int, int, int]]]:
    """Loads of each market; id over all markets, net, share."""
    size = rng.choice([1, 5, 300, 2**31 - 1])
    found, names = [], iter(range(10_000))
    for _ in range(markets):
        sign = rng.choice([(1,), (-1,), (1, -1), (1, -1, 0)])
        members = rng.randint(1, 6)
        found.append([(next(names), rng.choice(sign) * rng.randint(1, size), 0) for _ in range(members)])
    return found


def by_the_rule(rng: random.Random, loads: list[list[tuple[int, int, int]]]) -> tuple[Any, list[int | None], Any]:
    """A mechanism, the period of each market, and what each load pays by the twin."""
    feed_in = rng.choice([0, 3, 50_000])
    retail = feed_in + rng.choice([0, 1, 7, 250_000])
    fee = rng.choice([0, 0, 1, 900])
    name = rng.choice(["MidMarketRate", "SupplyDemandRatio", "FixedPrice", "BillSharing"])
    paid: dict[int, int] = {}
    if name == "BillSharing":
        cost, by = rng.choice([0, 1, 10**9 + 7, -13]), rng.choice(["bought", "equal"])
        periods = [rng.randint(0, 2) for _ in loads]
        for period in set(periods):
            markets = {at: loads[at] for at, of in enumerate(periods) if of == period}
            grid = dict.fromkeys(markets, retail), dict.fromkeys(markets, feed_in)
            paid |= {load: money for (_, load), money in twin.bill(markets, *grid, cost, by).items()}
        return fc.BillSharing(retail, feed_in, cost, by), list(periods), paid
    if name == "FixedPrice":
        price = rng.randint(0, retail)
        for market in loads:
            paid |= dict.fromkeys([load for load, _, _ in market], 0) | twin.fixed(market, price, retail, feed_in, fee)
        return fc.FixedPrice(price, retail, feed_in, fee), [None] * len(loads), paid
    rule = {"MidMarketRate": "mid_market_rate", "SupplyDemandRatio": "supply_demand_ratio"}[name]
    for market in loads:
        nothing = dict.fromkeys([load for load, _, _ in market], 0)
        paid |= nothing | twin.sides(rule, market, retail, feed_in, fee=fee)
    return getattr(fc, name)(retail=retail, feed_in=feed_in, fee=fee), [None] * len(loads), paid


def local_of(loads: list[list[tuple[int, int, int]]]) -> dict[int, int]:
    return {load: wh for market in loads for load, wh in twin.local_fills(market).items()}


@pytest.mark.parametrize("part", range(4))
def test_balances_are_what_the_twin_says_to_the_unit(part: int) -> None:
    seen: Counter[Any] = Counter()
    for seed in range(part, 240, 4):
        rng = random.Random(seed)
        loads = community(rng, rng.randint(1, 4))
        rule, periods, paid = by_the_rule(rng, loads)
        rows = [(at, *load) for at, market in enumerate(loads) for load in market]
        rng.shuffle(rows)
        who = {load: rng.randint(0, 4) for _, load, _, _ in rows}
        columns = {
            "market": [at for at, *_ in rows],
            "order": [load for _, load, _, _ in rows],
            "net_load": [net for _, _, net, _ in rows],
            "participant": [who[load] for _, load, _, _ in rows],
        }
        if type(rule).__name__ == "BillSharing":
            columns["period"] = [periods[at] for at, *_ in rows]
        tax, platform, network = rng.choice([0, 190_000]), rng.choice([0, 3]), rng.choice([0, 11])
        bank = fc.Settlement(tariff=fc.Tariff(30, 5, platform, network, tax), audit=True)
        bank.open(range(5))
        bank.receipts()
        clearing = fc.clear(columns, rule)
        metered = Counter[int]()
        for _, load, net, _ in rows:
            metered[who[load]] += net
        meter = {"participant": list(metered), "energy_wh": list(metered.values())}
        receipts = bank.settle(clearing, meter)

        local, due = local_of(loads), Counter[Any]()
        for _, load, net, _ in rows:
            due[who[load]] -= paid[load]
            if net > 0:
                fees = (platform + network) * local[load]
                more = half_even(Fraction((paid[load] + fees) * tax, 10**6))
                due[who[load]] -= fees + more
                due.update({"platform": platform * local[load], "dso": network * local[load], "tax": more})
        nets = [sum(net for _, net, _ in market) for market in loads]
        due["backstop"] = sum(rule.retail * max(net, 0) - rule.feed_in * max(-net, 0) for net in nets)
        due["platform"] += sum(paid.values()) - due["backstop"]
        rows_of = bank.balances.select("participant", "role", "posted").rows()
        got = {role if name is None else int(name): int(posted) for name, role, posted in rows_of}
        for name, posted in got.items():
            assert posted == due[name], (seed, rule, name)
        assert sum(got.values()) == 0
        bills = receipts.by_participant()
        assert dict(zip(bills["participant"], bills["net"], strict=True)) == {name: -due[name] for name in metered}
        # nobody deviates from what was metered
        assert set(receipts.frame["kind"]) <= {"trade", "fee", "tax", "imbalance", "meter"}
        assert set(receipts.frame.filter(kind="imbalance")["line"]) <= {"grid_import", "grid_export"}
        seen.update(receipts.frame.select("kind", "line").rows())
        clearing.audit()
    for line in ("pool_paid", "pool_received"):
        assert seen["trade", line] > 20
    for line in ("grid_import", "grid_export"):
        assert seen["imbalance", line] > 10
    assert seen["fee", "pool"] > 5


def bank_of(profile: Any = "prepaid", **named: Any) -> fc.Settlement:
    bank = fc.Settlement(profile, tariff=fc.Tariff(300_000, 50_000, 0, 10_000, 200_000), **named)
    bank.open(["Ada", "Bo", "Cy"])
    return bank


@pytest.mark.parametrize("key", ["static", "hybrid"])
def test_agreed_shares_leave_energy_for_the_grid_in_both_directions(key: Any) -> None:
    rng, both = random.Random(3), 0
    for _ in range(60):
        loads = [(at, rng.choice([1, 1, -1]) * rng.randint(0, 900), rng.randint(0, 200_000)) for at in range(5)]
        columns = {
            "participant": [at for at, _, _ in loads],
            "net_load": [net for _, net, _ in loads],
            "share": [share for _, _, share in loads],
        }
        clearing = fc.clear(columns, fc.FixedPrice(17, 30, 5, 2, key))
        bank = fc.Settlement(tariff=fc.Tariff(30, 5), audit=True)
        bank.open(range(5))
        receipts = bank.settle(clearing)
        paid, shared = twin.fixed(loads, 17, 30, 5, 2, key), twin.local_fills(loads, key)
        posted = dict(bank.balances.filter(role="member").select("participant", "posted").rows())
        assert {name: -int(money) for name, money in posted.items()} == {at: paid.get(at, 0) for at, _, _ in loads}
        stays = sum(shared[at] for at, net, _ in loads if net > 0)
        bought, sold = (sum(max(sign * net, 0) for _, net, _ in loads) - stays for sign in (1, -1))
        house = dict(bank.balances.filter(pl.col("role") != "member").select("role", "posted").rows())
        assert (int(house["backstop"]), int(house["platform"])) == (30 * bought - 5 * sold, 2 * stays)
        both += set(receipts.frame["line"]) >= {"grid_import", "grid_export"}
    assert both > 10 or key == "hybrid"


def test_a_market_whose_loads_are_refused_is_settled_without_them() -> None:
    columns = {"participant": ["Ada", "Bo", "Cy"], "net_load": [10, -6, 2**31]}
    clearing = fc.clear(columns, fc.MidMarketRate(25, 5))
    assert clearing.reject[2]
    bank = bank_of(audit=True)
    bank.settle(clearing)
    assert {"Cy"} == set(bank.balances.filter(pl.col("posted") == 0, role="member")["participant"])


def test_a_pool_is_settled_once_beside_auctions_and_goes_to_strangers_never() -> None:
    bank = bank_of(audit=True)
    bank.deposit("Ada", 10**12)
    clearing = fc.clear(LOADS, fc.MidMarketRate(300_000, 50_000))
    orders = {"side": ["buy", "sell"], "price": [30, 10], "quantity": [5, 5], "participant": ["Ada", "Bo"]}
    auction = fc.clear(orders, fc.Uniform())
    before = bank.balances
    stranger = fc.clear(LOADS | {"participant": ["Ada", "Bo", "Di"]}, fc.MidMarketRate(300_000, 50_000))
    nobody = fc.clear({"net_load": [1, -1]}, fc.MidMarketRate(300_000, 50_000))
    for bad, words in (
        ([clearing, clearing], "once more"),
        (stranger, "Di"),
        (nobody, "participant"),
        ([auction, stranger], "Di"),
    ):
        with pytest.raises(fc.SettlementError, match=words):
            bank.settle(bad)  # type: ignore[arg-type]
        assert bank.balances.equals(before)
    receipts = bank.settle([clearing, auction], {"participant": ["Ada", "Bo"], "energy_wh": [10_005, -6_005]})
    assert receipts.frame.filter(kind="imbalance")["line"].to_list() == ["grid_import"]  # the contract is that of both
    with pytest.raises(fc.SettlementError, match="has been settled already"):
        bank.settle(clearing)
    with pytest.raises(fc.SettlementError, match="losses"):
        bank.settle(fc.clear(LOADS, fc.MidMarketRate(300_000, 50_000)), losses=3)


def test_escrow_has_no_deals_to_hold() -> None:
    bank = bank_of("escrow_2of3")
    before = bank.balances
    with pytest.raises(fc.SettlementError, match="no deals to hold in escrow"):
        bank.settle(fc.clear(LOADS, fc.MidMarketRate(300_000, 50_000)))
    assert bank.balances.equals(before)


def test_a_member_is_charged_beyond_what_it_has_and_is_restricted_then() -> None:
    bank = bank_of(audit=True)
    bank.settle(fc.clear(LOADS, fc.MidMarketRate(300_000, 50_000)))
    assert bank.status == {"Ada": "restricted", "Bo": "active", "Cy": "restricted"}


@pytest.mark.parametrize("profile", ["credit_bank", "postpaid_netting", "prepaid"])
def test_other_profiles_take_a_pool(profile: str) -> None:
    bank = bank_of(profile, audit=True)
    clearing = fc.clear(LOADS, fc.SupplyDemandRatio(300_000, 50_000))
    bills = bank.settle(clearing).by_participant()
    assert dict(zip(bills["participant"], bills["energy"], strict=True)) == dict(
        zip(LOADS["participant"], clearing.payment.tolist(), strict=True)
    )
    bank.close_cycle()


def test_later_readings_and_taking_back_start_from_what_the_pool_divided() -> None:
    bank = bank_of(audit=True)
    clearing = fc.clear(LOADS, fc.MidMarketRate(300_000, 50_000))
    meter = {"participant": LOADS["participant"], "energy_wh": LOADS["net_load"]}
    bank.settle(clearing, meter, slot=0)
    later = bank.resettle(0, {"participant": ["Bo"], "energy_wh": [-5_000]})
    assert later.frame.filter(kind="correction").select("line", "payer", "amount").rows() == [
        ("shortfall", "Bo", 1_000 * 300_000)
    ]
    provisional = bank_of(audit=True, confirm_after=10**9)
    before = provisional.balances.select("participant", "posted")
    provisional.settle(clearing, meter, slot=0)
    provisional.reverse(0)
    assert provisional.balances.select("participant", "posted").equals(before)
    provisional.settle(clearing, meter, slot=0)


def test_statements_explanations_and_invoices_read_a_pool() -> None:
    bank = bank_of(audit=True)
    clearing = fc.clear(LOADS, fc.MidMarketRate(300_000, 50_000, fee=1_000))
    receipts = bank.settle(clearing, {"participant": LOADS["participant"], "energy_wh": LOADS["net_load"]}, slot=0)
    told = receipts.explain("Ada", clearing)
    assert "Pool: took 10 kWh" in told
    assert "with 10 kWh bought" in told
    assert "Pool: gave 6 kWh" in receipts.explain("Bo", clearing)
    bill = receipts.by_participant().row(0, named=True)
    share = Fraction(6 * 10, 14)
    assert bill["energy"] == int(clearing.payment[0])
    assert abs(bill["network"] - share * 1000 * 10_000) <= 10_000
    assert bill["tax"] == half_even(Fraction(bill["energy"] + bill["network"], 5))


def test_the_ledger_seals_a_pool_and_everybody_can_check_it(tmp_path: Path) -> None:
    bank = bank_of()
    ledger = fc.Ledger.open(tmp_path / "ledger", seed=7, durability="none")
    ledger.seal(None, bank.receipts(), slot=0)
    clearing = fc.clear(LOADS | {"market": ["x"] * 3}, fc.MidMarketRate(300_000, 50_000, fee=1_000))
    meter = {"participant": LOADS["participant"], "energy_wh": LOADS["net_load"]}
    receipts = bank.settle(clearing, meter)
    block = ledger.seal(clearing, receipts, slot=900 * 10**9)
    records = ledger.records(block.height)
    trades = records.filter(kind="trade")
    assert sorted(zip(trades["code"], trades["quantity"], trades["amount"], strict=True)) == [
        (4, 4_000, int(clearing.payment[2])),
        (4, 10_000, int(clearing.payment[0])),
        (5, -6_000, -int(clearing.payment[1])),
    ]
    assert fc.verify_directory(tmp_path / "ledger").blocks == 2
    proof = ledger.prove(block.height, 0)
    assert fc.verify(proof.leaf, proof, block.header)
    record = light_client.parse_record(proof.leaf[:96])
    assert (record.kind, record.price) == ("trade", 0)
    assert light_client.is_sum(record)
    assert ledger.orders(block.height)["quantity"].sort().to_list() == [4_000, 6_000, 10_000]


def test_a_pool_is_sealed_without_a_bank_too(tmp_path: Path) -> None:
    ledger = fc.Ledger.open(tmp_path / "ledger", seed=7, durability="none")
    clearing = fc.clear(LOADS, fc.MidMarketRate(300_000, 50_000, fee=1_000))
    orders = {"side": ["buy", "sell"], "price": [30, 10], "quantity": [5, 5]}
    block = ledger.seal([clearing, fc.clear(orders, fc.Uniform())], slot=0)
    ledger.seal(fc.clear({"net_load": [0, 0]}, fc.MidMarketRate(30, 5)), slot=1)
    found = ledger.records(block.height)
    assert found["seq"].to_list() == list(range(found.height))
    assert found.select("kind", "code", "quantity", "price").rows() == [
        ("trade", 0, 5, 20),
        ("trade", 4, 10_000, 0),
        ("trade", 5, -6_000, 0),
        ("trade", 4, 4_000, 0),
        ("imbalance", 10, 8_000, 300_000),
        ("fee", 13, 6_000, 1_000),
    ]
    amounts = found["amount"].to_list()
    assert amounts[1] - amounts[2] + amounts[3] == amounts[4] + amounts[5]
    assert fc.verify_directory(tmp_path / "ledger").blocks == 2
    huge = fc.clear({"net_load": [2**31 - 1] * 9, "order": range(9)}, fc.MidMarketRate(2**31 - 1, 5))
    with pytest.raises(fc.SettlementError, match="64 bits"):
        fc.Ledger().seal(huge, slot=0)


def held_against(books: Books, told: dict[str, Any], bank: fc.Settlement) -> None:
    books.follow(told)
    books.check_balances(bank._bank.balances())


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("amount", ("trade", "imbalance", "fee", "tax")),
        ("quantity", ("trade", "imbalance", "meter")),
        ("price", ("trade", "imbalance")),
        ("debit", ("trade", "imbalance", "fee", "tax")),
        ("code", ("trade", "imbalance")),
    ],
)
def test_lies_about_a_pool_are_found(name: str, kinds: tuple[str, ...]) -> None:
    """Each line of a pool, changed in one field, is refused by the audit of the bank."""
    bank = bank_of()
    first = bank.receipts().columns
    meter = {"participant": LOADS["participant"], "energy_wh": LOADS["net_load"]}
    receipts = bank.settle(fc.clear(LOADS, fc.MidMarketRate(300_000, 50_000, fee=1_000)), meter)
    columns, found = receipts.columns, 0
    for row in np.flatnonzero(receipts.frame["kind"].is_in(kinds).to_numpy()).tolist():
        books = Books()
        books.follow(first)
        told = {field: column.copy() for field, column in columns.items()}
        told[name][row] += 1
        with pytest.raises(fc.AuditError):
            held_against(books, told, bank)
        found += 1
    assert found >= 4


@pytest.mark.parametrize("plan", [False, True])
def test_invoices_say_what_a_pool_cost_to_the_nano(plan: bool) -> None:
    slot = 1_772_582_400 * 10**9  # 2026-03-04
    tariff: Any = fc.Tariff(300_000, 50_000, 7_000, 10_000, 190_000)
    if plan:
        taxes = [{"since": "2020-01-01", "percent": 19}, {"since": "2026-01-02", "on": ["network_fee"], "percent": 7}]
        tariff = tariff_plan({"platform_fee": "0.7", "network_fee": "1"}, taxes=taxes)
    bank = fc.Settlement(tariff=tariff, audit=True)
    bank.open(LOADS["participant"])
    bank.open_invoicing("Street")
    clearing = fc.clear(LOADS, fc.SupplyDemandRatio(300_000, 50_000))
    bank.settle(clearing, {"participant": LOADS["participant"], "energy_wh": LOADS["net_load"]}, slot=slot)
    before = dict(bank.balances.filter(role="member").select("participant", "posted").rows())
    lines = bank.invoice("2026-03").frame
    for name, net, paid in zip(*LOADS.values(), clearing.payment.tolist(), strict=True):
        own = lines.filter(participant=name)
        assert own["exact"].sum() == -int(before[name])
        line = "energy_bought" if paid > 0 else "energy_sold"
        assert own.filter(line=line)["energy_wh"].to_list() == [abs(net)]
        assert set(own["line"]) == ({line, "platform_fee", "network_fee"} if paid > 0 else {line})
    after = dict(bank.balances.filter(role="member").select("participant", "posted").rows())
    assert all(int(money) % 10**7 == 0 for money in after.values()), "cents"


def test_summary_and_journal_of_a_pool_add_up() -> None:
    bank = bank_of()
    clearing = fc.clear(LOADS, fc.MidMarketRate(300_000, 50_000, fee=1_000))
    receipts = bank.settle(clearing)
    history = fc.History([receipts])
    closing = dict(history.balances.select("role", "posted").filter(pl.col("role") != "member").rows())
    held = dict(bank.balances.select("role", "posted").filter(pl.col("role") != "member").rows())
    assert {role: money for role, money in closing.items() if money} == {role: m for role, m in held.items() if m}
    frame = history.summary().frame
    assert [int(x) for x in frame["energy"]] == clearing.payment.tolist()
