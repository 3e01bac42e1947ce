"""Every preset: what the reviews state of it, a week that balances to the unit, the golden slot through its rule."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from reference import pools_twin as twin
from test_platforms import profiles

import fastclear as fc
from fastclear.platforms import load_preset, parse_preset, platforms
from fastclear.platforms.gate import Gate, clear_gate, clear_pool, mechanisms
from fastclear.platforms.opening import open_bank
from fastclear.platforms.preset import SECTIONS, Preset
from fastclear.platforms.rules import RULES
from fastclear.platforms.rules.pool import local_price
from fastclear.platforms.rules.staged import picks, zones
from fastclear.platforms.simulation import choose_community, simulate
from fastclear.platforms.storing import shared_storage

NAMES = platforms()["name"].to_list()
HOMES = 11
SUMMER = datetime(2024, 7, 8, tzinfo=UTC)

# what the reviews state, in their words; everything else in a file must say that it is assumed
STATED = {
    "brooklyn": {
        "set_up.members": "50",
        "set_up.feeders": "3",
        "information.structure": "pool_auction",
        "information.ledger": "private",
        "information.block_per": "slot",
        "market.essential_first": "true",
        "market.discriminatory.k": "1",
        "price.currency": "USD",
        "price.essential_rate": "20",
        "price.platform_fee": "0.5",
        "regulation.backstop": "retailer",
    },
    "credit-bank": {
        "information.structure": "pool_auction",
        "information.ledger": "consortium",
        "information.block_minutes": "10",
        "information.confirmations": "6",
        "settlement.profile": "credit_bank",
    },
    "powerledger": {
        "market.mechanism": "discriminatory",
        "market.discriminatory.k": "1",
        "price.currency": "AUD",
        "information.ledger": "public",
        "settlement.profile": "dual_token",
        "settlement.dual_token.dso_percent": "10",
    },
    "suncontract": {
        "market.mechanism": "discriminatory",
        "market.discriminatory.k": "1",
        "price.currency": "EUR",
        "information.structure": "pool_auction",
        "information.ledger": "public",
        "settlement.profile": "token_holding",
        "settlement.token_holding.minimum_tokens": "1000",
        "settlement.token_holding.covers_months": "2",
    },
    "community": {
        "market.agent": "none",
        "price.currency": "BRL",
        "information.structure": "community_share",
        "information.ledger": "private",
        "regulation.network_fee": "0",
    },
    "sonnen": {
        "market.mechanism": "fixed_price",
        "market.agent": "none",
        "market.fixed_price.price": "23",
        "price.currency": "EUR",
        "price.platform_fee": "0",
        "price.subscription": "19.99",
        "information.structure": "community_share",
        "information.ledger": "central",
        "regulation.backstop": "retailer",
    },
    "renew-nexus": {
        "set_up.members": "36",
        "set_up.shared_storage.capacity_kwh": "670",
        "price.currency": "AUD",
        "information.ledger": "public",
    },
    "vandebron": {
        "market.mechanism": "nominated",
        "market.agent": "posted_price",
        "market.nominated.sources": "1",
        "price.currency": "EUR",
        "price.subscription": "12",
        "price.subscription_in.currency": "USD",
        "information.structure": "retailer_match",
        "regulation.backstop": "retailer",
    },
    "powerpeers": {
        "market.mechanism": "nominated",
        "market.agent": "posted_price",
        "market.nominated.sources": "10",
        "market.nominated.holds_days": "1",
        "price.currency": "EUR",
        "price.subscription": "5",
        "information.structure": "retailer_match",
        "information.ledger": "private",
        "regulation.network_fee": "2",
    },
    "piclo": {
        "set_up.slot_minutes": "30",
        "market.mechanism": "nearest",
        "market.nearest.price": "bid",
        "price.currency": "GBP",
        "information.structure": "retailer_match",
        "information.ledger": "central",
        "regulation.backstop": "retailer",
        "regulation.local_charge": "duos",
    },
    "vcg-contract": {"market.mechanism": "vickrey", "information.ledger": "public"},
    "elecbay": {
        "set_up.slot_minutes": "30",
        "market.mechanism": "discriminatory",
        "market.discriminatory.k": "0",
        "price.platform_fee": "0.5",
        "information.ledger": "central",
        "regulation.veto.zone_export_kw": "20",
        "settlement.imbalance": "dual_price",
    },
}


@pytest.fixture(scope="session", params=NAMES)
def week(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[fc.RunResult, Path]:
    preset = load_preset(request.param).with_values("the test", set_up__members=HOMES)
    out = tmp_path_factory.mktemp("weeks")
    people = choose_community(preset, None).days(7)
    return simulate(preset, people, 7, 5, out, lambda: None), out


@pytest.mark.parametrize("name", NAMES)
def test_what_the_reviews_state_is_what_the_preset_says(name: str) -> None:
    preset = load_preset(name)
    stated = {key: value for key, value, origin, _ in preset.parameters() if origin == "stated"}
    assert stated == STATED[name]
    for _, _, origin, text in preset.parameters():
        assert origin in ("stated", "assumed")
        if origin == "stated" and "review" not in text:
            assert "public notes" in text or "the platform is in" in text
    assert preset.references


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_has_its_six_sections_and_survives_its_own_toml(name: str, tmp_path: Path) -> None:
    preset = load_preset(name)
    assert SECTIONS == ("set_up", "market", "price", "information", "regulation", "settlement")
    assert {key.split(".")[0] for key, *_ in preset.parameters()} == set(SECTIONS)
    path = tmp_path / "copy.toml"
    path.write_text(preset.to_toml(), encoding="utf-8")
    assert load_preset(path) == preset
    assert load_preset(path).digest() == preset.digest()


def test_a_week_conserves_money_and_energy_to_the_unit(week: tuple[fc.RunResult, Path]) -> None:
    result, _ = week
    members, slots, trades = result.members, result.slots, result.trades
    assert sum(members["bill_nano"]) == sum(result.house.values())
    # what a member holds at the end is what it paid in and borrowed, less its bill
    held = members["deposit_nano"] + members["owed_nano"] - members["bill_nano"]
    assert held.to_list() == members["balance_nano"].to_list()
    assert sum(members["credit_nano"]) == result.house["lender"]
    # energy: what loads and batteries took is PV and what crossed the boundary of the community
    taken = sum(slots["load_wh"]) + sum(slots["battery_wh"])
    assert taken == sum(slots["pv_wh"]) + sum(slots["from_grid_wh"]) - sum(slots["to_grid_wh"])
    bought = trades.filter(pl.col("buyer").is_not_null())  # what a pool hands out, it has been given in other rows
    assert sum(members["bought_wh"]) == sum(members["sold_wh"]) == sum(bought["quantity_wh"])
    assert trades.height > 100


def test_a_week_is_the_same_again_and_verifies(week: tuple[fc.RunResult, Path]) -> None:
    result, out = week
    report = fc.verify_directory(out / "ledger")
    subscription = result.preset.price.subscription is not None
    assert (report.head, report.blocks) == (result.head, result.slots.height + 1 + subscription)
    assert (report.blocks, report.records) == (result.blocks, result.records)
    day, again = (fc.run(result.preset, days=1, seed=5) for _ in range(2))
    assert day.head == again.head
    assert day.members.equals(again.members)
    assert day.trades.equals(result.trades.filter(pl.col("slot") < day.slots["slot"][-1] + pl.duration(minutes=1)))


def test_nobody_who_trades_at_its_own_limits_loses_by_the_rule(week: tuple[fc.RunResult, Path]) -> None:
    result, _ = week
    assert result.orders.filter(pl.col("filled_wh") > pl.col("quantity_wh")).height == 0
    by_slot = result.orders.select("slot", "participant", "buy", "price_ticks")
    for buy, who, paid in ((True, "buyer", "buy_price_ticks"), (False, "seller", "sell_price_ticks")):
        own = by_slot.filter(buy=buy).rename({"participant": who, "price_ticks": "limit"})
        joined = result.trades.join(own, on=["slot", who])
        assert joined.height == result.trades[who].count()
        # a price a unit of a sum is rounded down, which may take a seller one tick below its ask
        slack = joined[paid] - joined["limit"] if buy else joined["limit"] - joined[paid]
        assert int(slack.max()) <= (0 if buy else 1)  # type: ignore[arg-type]


# -- R52: where each datum lives ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["brooklyn", "credit-bank"])
def test_every_file_that_a_run_leaves_is_in_the_table_of_places(name: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = fc.run(name, days=1, out=out)
    places = result.preset.information.places
    named = {file for place in places for file in place.files}
    # files of consortia are named by their hashes, so that the table has their folder
    kept = out / "ledger" / "validators"
    left = {(path.parent if path.parent == kept else path).relative_to(out).as_posix() for path in _files(out)}
    assert left - named == set()
    assert named - left == set()


def test_one_engine_keeps_the_data_of_all_platforms_but_for_what_authorised_nodes_sign() -> None:
    plain = load_preset("brooklyn").information.places
    for name in NAMES:
        information = load_preset(name).information
        signed = information.places[len(plain) :]
        assert information.places[: len(plain)] == plain
        assert [place.datum for place in signed] == (
            [] if information.consortium is None else ["names, keys and signatures of authorised nodes"]
        )


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


# -- the golden slot --------------------------------------------------------------------------------------------------

BIDS = {"H": (3, 20), "B1": (5, 26), "B2": (4, 22), "B3": (6, 18), "B4": (3, 12)}
ASKS = {"S1": (4, 8), "S2": (5, 11), "S3": (4, 16), "S4": (5, 21)}
METERED = {"H": 3, "B1": 6, "B2": 4, "B3": 6, "B4": 3, "S1": -4, "S2": -4, "S3": -4, "S4": -5}
WHO = [*BIDS, *ASKS]
CT, KWH = 10_000, 1_000
READINGS = [
    (name, reading) for name in NAMES for reading in load_preset(name).market.readings if not RULES[reading].pool
]
POOLS = [(name, reading) for name in NAMES for reading in load_preset(name).market.readings if RULES[reading].pool]


def people() -> fc.Community:
    """The members of the golden slot in a community, for rules that know members."""
    frame = pl.DataFrame(
        {
            "slot": np.repeat(np.datetime64("2024-07-08T00:00", "ns") + np.arange(96) * np.timedelta64(15, "m"), 9),
            "participant": [f"{at}{name}" for at, name in enumerate(WHO)] * 96,
            "load_wh": [int(name in BIDS) for name in WHO] * 96,
            "pv_wh": [int(name in ASKS) for name in WHO] * 96,
        }
    ).with_columns(pl.col("slot").cast(pl.Datetime("ns")).dt.replace_time_zone("UTC"))
    community = fc.community_from_frame(frame)
    assert [name[1:] for name in community.participants] == WHO
    return community


def golden(preset: Preset) -> tuple[dict[str, tuple[int, int]], fc.Settlement, Any]:
    """kWh and ct that each member bought (+) or sold (-), the bank after the slot, its receipts."""
    buy = np.array([name in BIDS for name in WHO])
    first = np.array([name == "H" and preset.market.essential_first.value for name in WHO])
    quantity, price = (np.array([(BIDS | ASKS)[name][at] for name in WHO]) for at in (0, 1))
    ids = np.arange(len(WHO), dtype=np.int64)
    gate = Gate(0, buy, first, price * CT, quantity * KWH, ids, ids, limit=price * CT)
    bank = open_bank(preset, [500 * 10**9] * len(WHO), [0] * len(WHO))
    refused = bank.reserve(gate.columns(ids, gate.market, gate.quantity), slot=0)
    assert not refused.any()
    essential, auction = mechanisms(preset)
    rule = preset.market.rule
    if rule.staged is not None:
        gate = replace(gate, zone=np.zeros(len(WHO), dtype=np.int64))
        auction = rule.staged(preset.market.options, people(), 7)(0)
    outcome = clear_gate(gate, refused == 0, essential, auction)
    meter = {"participant": ids, "energy_wh": np.array([METERED[name] for name in WHO]) * KWH}
    receipts = bank.settle(outcome.clearings, meter, slot=0)
    traded = dict.fromkeys(WHO, (0, 0))
    for clearing, rows in zip(outcome.clearings, outcome.rows, strict=True):
        for row, filled, paid in zip(rows, clearing.filled.tolist(), clearing.payment.tolist(), strict=True):
            kwh, ct = traded[WHO[row]]
            sign = 1 if buy[row] else -1
            traded[WHO[row]] = (kwh + sign * filled // KWH, ct + paid // (CT * KWH))
    return traded, bank, receipts


def most(bids: dict[str, tuple[int, int]], asks: dict[str, tuple[int, int]]) -> int:
    """The largest welfare, kWh by kWh."""
    values = sorted((price for kwh, price in bids.values() for _ in range(kwh)), reverse=True)
    costs = sorted(price for kwh, price in asks.values() for _ in range(kwh))
    return sum(max(value - cost, 0) for value, cost in zip(values, costs, strict=False))


def without(orders: dict[str, tuple[int, int]], name: str) -> dict[str, tuple[int, int]]:
    return {other: order for other, order in orders.items() if other != name}


# the 13 kWh that the open book trades: all of H, B1, B2 and one of B3, from all of S1, S2 and S3
SERVED = {"H": 3, "B1": 5, "B2": 4, "B3": 1, "B4": 0, "S1": -4, "S2": -5, "S3": -4, "S4": 0}


def expected(name: str, reading: str, preset: Preset) -> dict[str, int]:
    """Ct that each member pays (+) or receives (-) for what it traded, by the definition of the rule."""
    value = {who: (BIDS | ASKS)[who][1] * SERVED[who] for who in WHO}
    if reading == "uniform":
        own = {who: 18 * SERVED[who] for who in WHO}
        # Brooklyn: the hospital takes 3 kWh of the cheapest ask at 20
        return own | {"H": 60, "S1": -78} if name == "brooklyn" else own
    if reading == "vickrey":
        everyone = most(BIDS, ASKS)
        return {
            who: most(without(BIDS, who), without(ASKS, who)) - (everyone - value[who]) if SERVED[who] else 0
            for who in WHO
        }
    # nearest first, all in one zone, is cheapest first
    k = (
        {"bid": 1, "ask": 0}[preset.market.options.price.value]
        if reading == "nearest"
        else preset.market.options.k.value
    )
    if name == "brooklyn":  # the hospital first, at 20 from S1; then dearest bid to cheapest ask, at the bid
        return {"H": 60, "B1": 130, "B2": 88, "B3": 18, "B4": 0, "S1": -60 - 26, "S2": -126, "S3": -84, "S4": 0}
    if k == 0:
        # asks 8, 11, 16 go to bids from the dearest: B1 takes 4 at 8 and 1 at 11, B2 4 at 11, H 3 at 16, B3 1 at 16
        return {"B1": 43, "B2": 44, "H": 48, "B3": 16, "B4": 0, "S1": -32, "S2": -55, "S3": -64, "S4": 0}
    assert k == 1
    return {"B1": 130, "B2": 88, "H": 60, "B3": 18, "B4": 0, "S1": -104, "S2": -114, "S3": -78, "S4": 0}


def by_list(sources: int) -> dict[str, tuple[int, int]]:
    """KWh and ct by picked producers: bids from the dearest, each along its list, at the price asked."""
    lists = picks(people(), sources, 7, 0)
    left = {who: kwh for who, (kwh, _) in ASKS.items()}
    traded = dict.fromkeys(WHO, (0, 0))
    for who, (kwh, bid) in sorted(BIDS.items(), key=lambda item: -item[1][1]):
        named = lists.filter(buyer=WHO.index(who)).sort("rank")["source"].to_list()
        for source in (WHO[at] for at in named):
            ask = ASKS[source][1]
            taken = min(kwh, left[source]) if ask <= bid else 0
            kwh, left[source] = kwh - taken, left[source] - taken
            traded[who] = (traded[who][0] + taken, traded[who][1] + taken * ask)
            traded[source] = (traded[source][0] - taken, traded[source][1] - taken * ask)
    return traded


@pytest.mark.parametrize(("name", "reading"), READINGS)
def test_the_golden_slot_goes_by_the_rule_of_every_preset(name: str, reading: str) -> None:
    preset = load_preset(name).with_values("the test", market__mechanism=reading)
    traded, bank, receipts = golden(preset)
    if reading == "nominated":
        assert traded == by_list(preset.market.options.sources.value)
    else:
        assert {who: kwh for who, (kwh, _) in traded.items()} == SERVED
        assert {who: ct for who, (_, ct) in traded.items()} == expected(name, reading, preset)

    # bills: what was traded, fees on it, what was metered and not traded at the backstop, and tax on what buyers pay
    local = preset.regulation.local_fee
    fees = (preset.fees if local is None else preset.ticks("platform_fee") + local) / CT
    rules = preset.settlement
    kept = 1 - rules.payment.seller_share(rules.options) / 10**6
    penalty = 1 if rules.imbalance.value == "dual_price" else 0
    bills = {}
    for who, (kwh, ct) in traded.items():
        open_kwh = METERED[who] - kwh
        residual = 30 * open_kwh if open_kwh > 0 else 5 * open_kwh
        tax = 0.2 * (max(ct + fees * kwh, 0) + (residual if METERED[who] > 0 else 0))
        dead_band = 0.05 if penalty else 0
        fine = penalty * max(abs(open_kwh) - dead_band, 0)
        bills[who] = (ct if ct > 0 else ct * kept) + fees * max(kwh, 0) + residual + tax + fine
    got = receipts.by_participant().select("participant", "net").iter_rows()
    assert {WHO[int(who)]: net / (CT * KWH) for who, net in got} == pytest.approx(bills, abs=1e-9)
    assert sum(int(row["posted"]) for row in bank.balances.iter_rows(named=True)) == 0


@pytest.mark.parametrize(("name", "reading"), POOLS)
def test_the_meters_of_the_golden_slot_share_by_the_rule_of_every_pool(name: str, reading: str) -> None:
    preset = load_preset(name).with_values("the test", market__mechanism=reading)
    market = preset.market
    net = np.array([METERED[who] for who in WHO]) * KWH
    assert market.rule.pool is not None
    gate = Gate.of_meters(net, 0, 30 * CT - preset.fees, 5 * CT)
    outcome = clear_pool(gate, market.rule.pool(market.options, 30 * CT, 5 * CT))
    (clearing,) = outcome.clearings
    local = {
        "mid_market_rate": Fraction(35, 2),
        "supply_demand_ratio": Fraction(30 * 5) / (25 * Fraction(17, 22) + 5),
        "bill_sharing": Fraction(0),
        "fixed_price": Fraction(23),
    }[reading]
    assert abs(Fraction(local_price(clearing), CT) - local) <= Fraction(1, 2 * CT)  # type: ignore[arg-type]

    # the twin knows nothing of the product: 17 kWh of supply, 22 of demand, all of the supply stays
    loads = [(at, int(load), 0) for at, load in enumerate(net)]
    shared = twin.local_fills(loads)
    if reading == "bill_sharing":
        paid = {at: nano for (_, at), nano in twin.bill({0: loads}, {0: 30 * CT}, {0: 5 * CT}).items()}
    elif reading == "fixed_price":
        paid = twin.fixed(loads, 23 * CT, 30 * CT, 5 * CT)
    else:
        paid = twin.sides(reading, loads, 30 * CT, 5 * CT)
    bank = open_bank(preset, [500 * 10**9] * len(WHO))
    receipts = bank.settle(outcome.clearings, {"participant": np.arange(len(WHO)), "energy_wh": net})
    got = dict(receipts.by_participant().select("participant", "net").rows())
    for at, load, _ in loads:
        fees = preset.fees * shared[at] if load > 0 else 0
        tax = round(Fraction(paid[at] + fees, 5)) if load > 0 else 0
        assert got[at] == paid[at] + fees + tax, WHO[at]
    assert sum(int(row["posted"]) for row in bank.balances.iter_rows(named=True)) == 0


def test_the_golden_slot_of_brooklyn_is_that_of_the_settlement_page() -> None:
    _, bank, receipts = golden(load_preset("brooklyn"))
    net = {WHO[int(who)]: n / (CT * KWH) for who, n in receipts.by_participant().select("participant", "net").rows()}
    assert net == {
        "H": 81.0,
        "B1": 159.0,
        "B2": 98.4,
        "B3": 204.6,
        "B4": 108.0,
        "S1": -78.0,
        "S2": -60.0,
        "S3": -72.0,
        "S4": -25.0,
    }
    house = {row["role"]: int(row["posted"]) / (CT * KWH) for row in bank.balances.iter_rows(named=True)}
    assert [house[role] for role in ("platform", "dso", "tax", "backstop")] == [6.5, 26.0, 108.5, 275.0]


# -- what each profile is for -----------------------------------------------------------------------------------------


def test_without_credit_the_delay_of_confirmation_stops_trade_and_with_it_it_does_not() -> None:
    homes = load_preset("credit-bank").with_values("the test", set_up__members=HOMES)
    lent = fc.run(homes, days=2)
    none = fc.run(homes.with_values("no credit", settlement__credit_bank__limit="0"), days=2)
    assert lent.members["refused"].sum() == 0
    assert none.members["refused"].sum() > 100
    homes_bought = [run.members.filter(~pl.col("essential"))["bought_wh"].sum() for run in (none, lent)]
    assert homes_bought[0] < homes_bought[1] // 2
    assert any("settlement.credit_bank.limit" in note for note in none.notes)
    assert lent.members["owed_nano"].max() > 0  # type: ignore[operator]


def test_a_slot_of_the_credit_bank_is_paid_for_an_hour_after_it_ends() -> None:
    result = fc.run(load_preset("credit-bank").with_values("the test", set_up__members=HOMES), days=1)
    delay = result.preset.information.delay_ns
    assert delay == 3600 * 10**9
    height = int(result.slots["block"][40])
    paid = result.ledger.records(height).filter(pl.col("kind") == "trade")
    assert paid.height > 0
    end = int(result.community.slots[40]) + result.community.slot_ns
    assert (paid["time_ns"].cast(pl.Int64) >= end + delay).all()


def test_interest_is_the_lenders_and_within_the_bill() -> None:
    homes = load_preset("credit-bank").with_values(
        "the test", set_up__members=HOMES, settlement__credit_bank__term_days=1
    )
    result = fc.run(homes, days=7)
    assert result.house["lender"] > 0
    assert sum(result.members["credit_nano"]) == result.house["lender"]
    assert sum(result.members["bill_nano"]) == sum(result.house.values())


def test_a_member_of_suncontract_never_holds_less_than_its_tokens_for_a_bid() -> None:
    low = load_preset("suncontract").with_values("the test", settlement__deposit="105", set_up__members=HOMES)
    result = fc.run(low, days=7)
    # homes that have spent their 5 above the holding are refused, and keep the holding but for what meters cost
    assert result.members["refused"].sum() > 0
    needed = result.members.filter(~pl.col("essential"))["needed_deposit_nano"]
    assert int(needed.max()) > 100 * 10**9  # type: ignore[arg-type]
    assert any("1000 tokens" in note for note in fc.run("suncontract", days=7).notes)


def test_the_distribution_operator_of_power_ledger_has_its_share_of_proceeds() -> None:
    preset = load_preset("powerledger").with_values("the test", set_up__members=HOMES)
    result = fc.run(preset, days=2)
    proceeds = sum((result.trades["quantity_wh"] * result.trades["sell_price_ticks"]).to_list())
    trades = result.trades.height
    assert proceeds // 10 - trades <= result.house["dso"] <= proceeds // 10
    assert proceeds // 25 - trades <= result.house["operator"] <= proceeds // 25
    # sellers still get at least the feed-in price
    assert int(result.trades["sell_price_ticks"].min()) * 86 >= 50_000 * 100  # type: ignore[arg-type]


def test_vcg_with_fifteen_per_cent_lost_balances_to_the_wh() -> None:
    preset = load_preset("vcg-contract").with_values("the case", set_up__members=HOMES)
    whole, lossy = (fc.run(preset.with_values("loss", set_up__loss_percent=p), days=1) for p in ("0", "15"))
    assert lossy.trades.equals(whole.trades)
    assert sum(lossy.members["bill_nano"]) == sum(lossy.house.values())
    # what was lost had to be bought: by retail, or by less feed-in
    lost = sum(
        int(fc.network_losses(slot["quantity_wh"].to_numpy(), 150_000).sum())
        for slot in lossy.trades.partition_by("slot", maintain_order=True)
    )
    more = sum(lossy.members["bill_nano"]) - sum(whole.members["bill_nano"])
    assert lost > 0
    assert 50_000 * lost <= more <= 300_000 * 12 // 10 * lost


def test_the_network_operator_rejects_what_a_zone_would_export_beyond_its_limit() -> None:
    preset = load_preset("elecbay")
    result = fc.run(preset, days=1)
    zone = dict(zip(result.community.participants, zones(result.community).tolist(), strict=True))
    asks = result.orders.filter(~pl.col("buy")).with_columns(
        zone=pl.col("participant").replace_strict(zone), vetoed=pl.col("reject") == fc.RejectReason.NETWORK_VETO
    )
    limit_wh = 20_000 // 2
    kept = asks.filter(~pl.col("vetoed")).group_by("slot", "zone").agg(pl.col("quantity_wh").sum().alias("kept"))
    assert int(kept["kept"].max()) <= limit_wh  # type: ignore[arg-type]
    rejected = asks.filter("vetoed").join(kept, on=["slot", "zone"])
    assert rejected.height > 5
    # none was rejected that would have fitted beside all that were kept
    assert (rejected["kept"] + rejected["quantity_wh"] > limit_wh).all()
    assert rejected["filled_wh"].sum() == 0
    assert result.slots["vetoed"].sum() == asks["vetoed"].sum()
    assert result.members["refused"].sum() == 0  # nobody lacked cover
    # and the block says so
    slot, height = result.slots.filter(pl.col("vetoed") > 0).select("slot", "block").row(0)
    sealed = result.ledger.orders(height).filter(pl.col("reject") == fc.RejectReason.NETWORK_VETO)
    assert sealed.height == asks.filter(pl.col("slot") == slot, pl.col("vetoed")).height


# -- pools ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pools() -> dict[str, fc.RunResult]:
    preset = load_preset("community").with_values("the test", set_up__members=HOMES, regulation__tax_percent="0")
    return {name: fc.run(preset, days=7, mechanism=name) for name in preset.market.readings}


def test_mid_market_rate_and_ratio_leave_nobody_worse_off_and_bill_sharing_does(pools: dict[str, fc.RunResult]) -> None:
    worse = {
        name: run.members.filter(pl.col("bill_nano") > pl.col("bill_without_nano")).height
        for name, run in pools.items()
    }
    assert worse["mid_market_rate"] == worse["supply_demand_ratio"] == 0
    assert worse["bill_sharing"] > 0


def test_all_pools_distribute_the_same_saving_to_the_unit(pools: dict[str, fc.RunResult]) -> None:
    totals = {sum(run.members["bill_nano"]) for run in pools.values()}
    assert len(totals) == 1
    assert totals.pop() < sum(pools["bill_sharing"].members["bill_without_nano"])
    # and differently
    bills = [run.members["bill_nano"].to_list() for run in pools.values()]
    assert bills[0] != bills[1] != bills[2]


def test_bills_of_a_pool_are_those_of_its_mechanism_to_the_unit(pools: dict[str, fc.RunResult]) -> None:
    """Meters read back from the ledger, divided by the twin, slot by slot: bills, and the house's, to the nano."""
    retail, feed_in = 30 * CT, 5 * CT
    for name, run in pools.items():
        bills: Counter[int] = Counter()
        supplier = 0
        for height in range(1, run.blocks):
            records = run.ledger.records(height).filter(pl.col("kind") == "meter")
            loads = [(account, wh, 0) for account, wh in records.select("debit", "quantity").iter_rows()]
            if name == "bill_sharing":
                bill = twin.bill({0: loads}, {0: retail}, {0: feed_in})
                bills.update({account: nano for (_, account), nano in bill.items()})
            else:
                bills.update(twin.sides(name, loads, retail, feed_in))
            net = sum(wh for _, wh, _ in loads)
            supplier += retail * max(net, 0) - feed_in * max(-net, 0)
        assert dict(run.members.select("account", "bill_nano").iter_rows()) == {
            account: bills[account] for account in run.members["account"]
        }
        assert run.house["backstop"] == supplier == sum(bills.values())
        assert run.house["operator"] == run.house["rounding"] == 0


def test_a_pool_shows_what_members_share_with_it(pools: dict[str, fc.RunResult]) -> None:
    for name, run in pools.items():
        taken, given = (run.trades.filter(pl.col(side).is_not_null()) for side in ("buyer", "seller"))
        assert taken["quantity_wh"].sum() == given["quantity_wh"].sum() == run.slots["auction_wh"].sum()
        assert taken.height + given.height == run.trades.height
        assert set(run.trades["tranche"]) == set(run.orders["tranche"]) == {"pool"}
        shown = fc.metrics.by_key(run.metrics)
        assert shown["auction"].value == run.slots["auction_wh"].sum() == shown["local"].value
        for metric in run.metrics:
            assert "auction" not in metric.label + metric.formula, (name, metric)
        assert run.slots["refused"].sum() == 0
    prices = {name: run.trades["sell_price_ticks"].unique().to_list() for name, run in pools.items()}
    assert prices["mid_market_rate"] == [175_000]
    assert prices["bill_sharing"] == [0]
    assert len(prices["supply_demand_ratio"]) > 20


def test_a_pool_refuses_nobody_and_says_who_ends_below_zero() -> None:
    preset = load_preset("community").with_values("the test", set_up__members=HOMES, settlement__deposit="1")
    run = fc.run(preset, days=2)
    assert run.members["refused"].sum() == 0
    below = run.members.filter(pl.col("balance_nano") < 0)
    assert any(f"{below.height} members end below zero" in note for note in run.notes)
    assert run.members["needed_deposit_nano"].null_count() == run.members.height
    rich = fc.run(preset.with_values("the test", settlement__deposit="500"), days=2)
    assert not any("below zero" in note for note in rich.notes if "clinic" not in note)


@pytest.mark.parametrize(
    "values",
    [
        {"market__essential_first": True, "price__essential_rate": "20"},
        {"regulation__veto__zone_export_kw": 5},
        {"set_up__loss_percent": "5"},
    ],
)
def test_a_pool_has_no_orders_to_serve_first_or_to_reject(values: dict[str, object]) -> None:
    with pytest.raises(fc.PresetError, match="a pool: it has no orders"):
        load_preset("community").with_values("the test", **values)


def test_a_subscription_is_charged_by_the_day_and_sealed() -> None:
    result = fc.run(load_preset("sonnen").with_values("the test", set_up__members=HOMES), days=7)
    each = 19_990_000_000 * 14 // 31 - 19_990_000_000 * 7 // 31  # 8 to 14 July
    assert result.house["operator"] == result.members.height * each
    last = result.ledger.records(result.blocks - 1)
    assert last.filter(pl.col("kind") == "fee")["amount"].to_list() == [each] * result.members.height
    nobody = load_preset("sonnen").with_values("none", price__subscription="0", set_up__members=HOMES)
    free = fc.run(nobody, days=7)
    taxed = each + round(Fraction(each, 5))
    assert (result.members["bill_nano"] - free.members["bill_nano"]).to_list() == [taxed] * result.members.height


def test_the_fee_of_vandebron_is_in_dollars_and_paid_in_euros() -> None:
    preset = load_preset("vandebron").with_values("the test", set_up__members=HOMES)
    assert preset.subscription_nano == 10_800_000_000
    result = fc.run(preset, days=7)
    each = 10_800_000_000 * 14 // 31 - 10_800_000_000 * 7 // 31  # 8 to 14 July
    assert result.house["operator"] == result.members.height * each
    assert load_preset(preset.name).price.currency.value == "EUR"
    dearer = preset.with_values("the dollar of 2000", price__subscription_in__rate="1.08")
    assert fc.run(dearer, days=1).house["operator"] > fc.run(preset, days=1).house["operator"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"price__subscription_in__rate": "0"}, "price.subscription_in.rate.value: must lie between"),
        ({"price__subscription_in__rate": "0.0000001"}, "finer than the grid"),
        ({"price__subscription_in__currency": "EUR"}, "that of the platform"),
        ({"price__subscription": "0.000000001"}, "comes to parts of 1e-9 currency"),
    ],
)
def test_a_fee_in_another_currency_that_cannot_be_is_refused(change: dict[str, str], message: str) -> None:
    with pytest.raises(fc.PresetError, match=message):
        load_preset("vandebron").with_values("the test", **change)


def test_a_pool_in_the_dark_shares_nothing() -> None:
    dark = fc.run("community", community=profiles().with_columns(pl.lit(0).alias("pv_wh")), days=1)
    assert dark.trades.height == dark.orders.height == 0
    assert dark.members["bill_nano"].to_list() == dark.members["bill_without_nano"].to_list()


# -- staged rules -----------------------------------------------------------------------------------------------------


def test_picks_are_so_many_others_with_pv_and_hold_as_long_as_they_say() -> None:
    community = fc.load_community()
    producers = set(np.flatnonzero(community.pv_wh.any(axis=0)).tolist())
    first, again, later = (picks(community, 10, 3, period) for period in (0, 0, 1))
    assert first.equals(again)
    assert not first.equals(later)
    assert set(first["source"]) <= producers
    assert (first["buyer"] != first["source"]).all()
    assert first.group_by("buyer").len()["len"].unique().to_list() == [10]
    assert first.group_by("buyer").agg(pl.col("source").n_unique())["source"].unique().to_list() == [10]
    assert first.height == 10 * community.members.height


def test_picks_of_many_producers_are_drawn_without_a_table_of_all_pairs() -> None:
    many = 3_000
    start = np.datetime64("2024-07-08T00:00", "ns").astype(np.int64)
    small = fc.load_community()
    names = pl.Series("participant", [f"m{at}" for at in range(many)])
    people = replace(
        small,
        slots=np.array([start, start + small.slot_ns]),
        members=pl.concat([small.members.head(1)] * many).with_columns(names),
        load_wh=np.zeros((2, many), np.int64),
        pv_wh=np.ones((2, many), np.int64),
    )
    drawn = picks(people, 10, 3, 0)
    assert drawn.group_by("buyer").len()["len"].unique().to_list() == [10]
    assert drawn.group_by("buyer").agg(pl.col("source").n_unique())["source"].unique().to_list() == [10]
    assert (drawn["buyer"] != drawn["source"]).all()
    # every producer is as likely: how often each is picked is Poisson around 10
    counts = np.bincount(drawn["source"].to_numpy(), minlength=many)
    assert counts.mean() == 10
    assert abs(counts.var() - 10) < 2
    assert counts.max() < 40


def test_a_customer_of_vandebron_buys_from_one_producer_at_the_price_that_it_posts() -> None:
    result = fc.run(load_preset("vandebron").with_values("the test", set_up__members=HOMES), days=3)
    assert result.trades.height > 20
    assert result.trades.group_by("buyer").agg(pl.col("seller").n_unique())["seller"].to_list() == [1] * (
        result.trades["buyer"].n_unique()
    )
    assert result.trades.group_by("seller").agg(pl.col("sell_price_ticks").n_unique())["sell_price_ticks"].max() == 1


def test_sources_of_powerpeers_change_from_day_to_day() -> None:
    preset = load_preset("powerpeers").with_values("the test", set_up__members=30, market__nominated__sources=2)
    result = fc.run(preset, days=2)
    daily = result.trades.group_by(pl.col("slot").dt.date().alias("day"), "buyer").agg(pl.col("seller").unique())
    assert daily["seller"].list.len().max() <= 2  # type: ignore[operator]
    both = result.trades.group_by("buyer").agg(pl.col("seller").n_unique())
    assert both["seller"].max() > 2  # type: ignore[operator]


def test_local_trades_of_piclo_pay_less_for_the_network() -> None:
    preset = load_preset("piclo").with_values("the test", set_up__members=30)
    runs = {
        charge: fc.run(preset.with_values("the test", regulation__local_charge=charge), days=2)
        for charge in ("same", "duos", "private_wire")
    }
    assert runs["same"].trades.equals(runs["duos"].trades)
    zone = dict(zip(runs["same"].community.participants, zones(runs["same"].community).tolist(), strict=True))
    wh = {True: 0, False: 0}
    for buyer, seller, quantity in runs["same"].trades.select("buyer", "seller", "quantity_wh").iter_rows():
        wh[zone[buyer] == zone[seller]] += quantity
    assert wh[True] > 0
    assert wh[False] > 0
    for charge, fee in (("same", 20_000), ("duos", 15_000), ("private_wire", 2_000)):
        assert runs[charge].house["dso"] == wh[True] * fee + wh[False] * 20_000


def test_nearest_first_trades_no_farther_than_it_must() -> None:
    """No bid buys from another zone in a slot in which an ask of its own zone, no dearer, is left over."""
    result = fc.run(load_preset("piclo").with_values("the test", set_up__members=30), days=2)
    zone = dict(zip(result.community.participants, zones(result.community).tolist(), strict=True))
    left = result.orders.filter(~pl.col("buy") & (pl.col("filled_wh") < pl.col("quantity_wh")))
    asks: dict[Any, list[tuple[int, int]]] = {}
    for slot, who, price in left.select("slot", "participant", "price_ticks").iter_rows():
        asks.setdefault(slot, []).append((zone[who], price))
    far = 0
    for slot, buyer, seller, paid in result.trades.select("slot", "buyer", "seller", "buy_price_ticks").iter_rows():
        if zone[buyer] != zone[seller]:
            far += 1
            assert all(price > paid for where, price in asks.get(slot, []) if where == zone[buyer])
    assert far > 0


def test_the_shared_battery_of_renew_nexus_keeps_its_accounts_and_its_limits() -> None:
    preset = load_preset("renew-nexus").with_values("the test", set_up__members=HOMES)
    people = choose_community(preset, None).days(2)
    battery = shared_storage(preset, people)
    assert battery is not None
    stored = 0
    for net in people.net_wh:
        part = battery.allowed(-net)
        assert np.abs(part).sum() <= 200_000 // 4
        assert (np.sign(part) * np.sign(net) <= 0).all()
        battery.take(part)
        balances = battery.storage.balances
        assert balances["stored_wh"].sum() <= battery.storage.energy_wh + 1
        assert int(balances["stored_wh"].min()) >= 0  # type: ignore[arg-type]
        stored = max(stored, battery.storage.energy_wh)
    assert 0 < stored <= 670_000

    with_it, without = (fc.run(chosen, days=2) for chosen in (preset, without_storage(preset)))
    assert with_it.slots["battery_wh"].abs().sum() > without.slots["battery_wh"].abs().sum()
    assert with_it.slots["export_wh"].sum() < without.slots["export_wh"].sum()
    assert with_it.slots["import_wh"].sum() < without.slots["import_wh"].sum()


def without_storage(preset: Preset) -> Preset:
    data = preset.model_dump()
    data["set_up"].pop("shared_storage")
    return parse_preset(data)


# -- communities at the edge ------------------------------------------------------------------------------------------


def edge(kind: str) -> pl.DataFrame:
    frame = profiles()
    match kind:
        case "one member":
            return frame.filter(pl.col("participant") == "ann")
        case "no PV":
            return frame.with_columns(pl.lit(0).alias("pv_wh"))
        case "all PV":
            return frame.with_columns(pl.lit(500).alias("pv_wh"), pl.lit(0).alias("load_wh"))
        case _:
            return frame.with_columns(pl.lit(0).alias("pv_wh"), pl.lit(0).alias("load_wh"))


@pytest.mark.parametrize("kind", ["one member", "no PV", "all PV", "nothing at all"])
@pytest.mark.parametrize("name", NAMES)
def test_a_community_at_the_edge_trades_nothing_and_pays_the_grid(name: str, kind: str) -> None:
    result = fc.run(name, community=edge(kind), days=1)
    assert result.trades.height == 0
    assert sum(result.members["bill_nano"]) == sum(result.house.values())
    fixed = result.members["bill_nano"] - result.members["bill_without_nano"]
    preset = result.preset
    if preset.price.subscription is not None:
        assert fixed.n_unique() == 1
        assert int(fixed[0]) > 0
    elif preset.settlement.imbalance.value == "dual_price":
        assert (fixed >= 0).all()  # a penalty on every kWh beyond the dead band
    else:
        assert fixed.to_list() == [0] * result.members.height


@pytest.mark.parametrize("day", ["2024-03-31", "2024-10-27", "2024-04-07"])  # Amsterdam and London, and Lord Howe
def test_days_on_which_clocks_change_are_days_of_96_slots_of_utc(day: str) -> None:
    moved = profiles().with_columns(
        pl.col("slot").dt.offset_by("0d") + (pl.lit(day).str.to_datetime("%Y-%m-%d", time_zone="UTC") - SUMMER)
    )
    here, there = (fc.run("brooklyn", community=frame, days=1) for frame in (profiles(), moved))
    assert there.slots.height == 96
    assert there.slots["slot"][0].strftime("%Y-%m-%d") == day
    assert there.members["bill_nano"].to_list() == here.members["bill_nano"].to_list()
