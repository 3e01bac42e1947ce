"""Pools without bids: cases, twins, theorems, hostile columns, and what a clearing of loads shows."""

import itertools
import json
import pickle
import random
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import pools_twin as twin

import fastclear as fc
from fastclear.audit.sharing import apportioned

CASES = Path(__file__).parent / "cases" / "sharing"
NAMES = ("J01", "J02", "J05", "J06", "J09", "J11", "M01", "M02", "R17-mmr", "R17-sdr", "T01")
CLASSES = {
    "mid_market_rate": fc.MidMarketRate,
    "supply_demand_ratio": fc.SupplyDemandRatio,
    "bill_sharing": fc.BillSharing,
    "fixed_price": fc.FixedPrice,
}
MAX = 2**31 - 1


def load_case(name):
    return json.loads((CASES / name / "case.json").read_text("utf-8"))


def stated(number):
    return Fraction(*number) if isinstance(number, list) else number


def settle(case):
    parameters = {key: value for key, value in case["mechanism"].items() if key != "name"}
    return fc.clear(pl.DataFrame(case["loads"]), CLASSES[case["mechanism"]["name"]](**parameters))


# -- worked examples --------------------------------------------------------------------------------------------------


def test_the_cases_are_all_there():
    assert sorted(path.name for path in CASES.iterdir()) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_case(name):
    case = load_case(name)
    expected, clearing = case["expected"], settle(case)
    clearing.audit()
    members = {row["participant"]: row for row in clearing.members.to_dicts()}
    columns = clearing.market_columns
    if "price_buy" in expected:
        first = columns["market"][0].item() if "market" in case["loads"][0] else None
        assert clearing.exact_prices(first) == (stated(expected["price_buy"]), stated(expected["price_sell"]))
        shown = clearing.markets.select("price_buy", "price_sell").row(0)
        assert shown == pytest.approx((float(stated(expected["price_buy"])), float(stated(expected["price_sell"]))))
    for participant, bill in expected.get("bills", {}).items():
        assert abs(members[participant]["payment"] - Decimal(float(stated(bill)))) < 2
    for participant, money in expected.get("payments", {}).items():
        assert members[participant]["payment"] == money
    for participant, lots in expected.get("fills", {}).items():
        assert members[participant]["local_bought"] + members[participant]["local_sold"] == lots
    for participant, money in expected.get("savings", {}).items():
        assert members[participant]["saving"] == money
    for participant, money in expected.get("alone", {}).items():
        assert members[participant]["alone"] == money
    for key, column in (("supply", "supply"), ("demand", "demand"), ("volume", "volume"), ("surplus", "surplus")):
        if key in expected:
            assert columns[column].tolist() == [expected[key]]
    if "community_import" in expected:
        assert columns["grid_import"].sum() == expected["community_import"]
        assert columns["grid_export"].sum() == expected["community_export"]
    if "grid_bill" in expected:
        assert columns["grid_payment"].sum() == expected["grid_bill"]
        assert clearing.payment.sum() - columns["surplus"].sum() == expected["grid_bill"]
    if "saving" in expected:
        assert sum(row["saving"] for row in members.values()) == expected["saving"] == columns["welfare"].sum()
    assert [name for name, row in members.items() if row["worse_off"]] == expected["worse_off"]


@pytest.mark.parametrize("name", ["J02", "J05", "J09", "J11"])
def test_finer_money_comes_as_close_to_the_fractions_as_it_is_fine(name):
    case = load_case(name)
    scale = 10**6
    for key in ("retail", "feed_in", "compensation"):
        if key in case["mechanism"]:
            case["mechanism"][key] *= scale
    members = {row["participant"]: row["payment"] for row in settle(case).members.to_dicts()}
    for participant, bill in case["expected"]["bills"].items():
        assert abs(int(members[participant]) - stated(bill) * scale) < 2


def worth(coalition, nets, retail=20, feed_in=8):
    demand = sum(max(nets[name], 0) for name in coalition)
    supply = sum(max(-nets[name], 0) for name in coalition)
    return (retail - feed_in) * min(demand, supply)


@pytest.mark.parametrize("name", ["M01", "M02"])
def test_the_mid_market_rate_is_in_the_core_of_a_balanced_community_and_not_of_another(name):
    case = load_case(name)
    nets = {load["participant"]: load["net_load"] for load in case["loads"]}
    saved = {row["participant"]: int(row["saving"]) for row in settle(case).members.to_dicts()}
    excess = {
        coalition: worth(coalition, nets) - sum(saved[member] for member in coalition)
        for size in range(1, len(nets))
        for coalition in itertools.combinations(nets, size)
    }
    assert max(excess.values()) == case["expected"]["max_excess"]
    assert (max(excess.values()) <= 0) is case["expected"]["in_core"]
    blocking = case["expected"]["blocking_coalition"]
    if blocking is not None:
        assert excess[tuple(blocking)] == max(excess.values()) > 0


# -- twins ------------------------------------------------------------------------------------------------------------

SHAPES = ("mixed", "one member", "no PV", "all PV", "zeros", "balanced", "equal", "extreme", "small")


def community(draw, shape):
    n = 1 if shape == "one member" else draw.randint(2, 9)
    if shape == "extreme":
        nets = [draw.choice([MAX, -MAX, MAX - 1, 1, -1, 0]) for _ in range(n)]
    elif shape == "small":
        nets = [draw.randint(-3, 3) for _ in range(n)]
    elif shape == "equal":
        nets = [draw.choice([7, -7]) for _ in range(n)]
    elif shape == "zeros":
        nets = [0] * n
    else:
        nets = [draw.randint(-5000, 5000) for _ in range(n)]
    if shape == "no PV":
        nets = [abs(net) for net in nets]
    if shape == "all PV":
        nets = [-abs(net) for net in nets]
    if shape == "balanced":
        nets += [-net for net in nets]
    return nets


def price_pair(draw, *, negative):
    kind = draw.randrange(6)
    if kind == 0:
        return MAX, (-MAX if negative else 0)
    if kind == 1:
        same = draw.choice([0, 1, 80_000, MAX])
        return same, same
    if kind == 2 and negative:
        low = draw.randint(-400_000, 0)
        return draw.randint(low, 0), low
    if kind == 3:
        return draw.randint(1, 30), draw.choice([0, 1])
    feed_in = draw.randint(0, 120_000)
    return feed_in + draw.randint(0, 300_000), feed_in


def communities(seed, many, *, negative):
    """Columns of many markets, shuffled, and the same as ``{market: (loads, retail, feed_in)}``."""
    draw = random.Random(seed)
    markets, rows = {}, []
    for market in range(many):
        nets = community(draw, SHAPES[market % len(SHAPES)])
        retail, feed_in = price_pair(draw, negative=negative)
        cuts = sorted(draw.randint(0, 10**6) for _ in nets)
        shares = [high - low for low, high in zip([0, *cuts], cuts, strict=False)]
        ids = draw.sample(range(-50, 50), len(nets))
        loads = list(zip(ids, nets, shares, strict=True))
        markets[market] = (loads, retail, feed_in)
        rows += [(market, name, net, share, retail, feed_in) for name, net, share in loads]
    draw.shuffle(rows)
    names = ("market", "order", "net_load", "share", "retail_price", "feed_in_price")
    return dict(zip(names, map(np.array, zip(*rows, strict=True)), strict=True)), markets


def without(columns, *names):
    return {name: column for name, column in columns.items() if name not in names}


def by_load(columns, values):
    return {
        (market, order): value
        for market, order, value in zip(
            columns["market"].tolist(), columns["order"].tolist(), values.tolist(), strict=True
        )
    }


@pytest.mark.parametrize("fee", [0, 3, 20_000])
@pytest.mark.parametrize("rule", ["mid_market_rate", "supply_demand_ratio"])
def test_prices_by_side_match_the_twin(rule, fee):
    columns, markets = communities(11, 2700, negative=rule == "mid_market_rate")
    clearing = fc.clear(columns, CLASSES[rule](fee=fee))
    paid, filled = by_load(columns, clearing.payment), by_load(columns, clearing.filled)
    prices = zip(*(clearing.market_columns[name].tolist() for name in ("price_buy", "price_sell")), strict=True)
    looked_at = 0
    for (market, (loads, retail, feed_in)), shown in zip(markets.items(), prices, strict=True):
        due = twin.sides(rule, loads, retail, feed_in, fee=fee)
        got = twin.local_fills(loads)
        for name, _, _ in loads:
            assert paid[market, name] == due.get(name, 0), (market, loads)
            assert filled[market, name] == got.get(name, 0), (market, loads)
            looked_at += 1
        if fee == 0:
            exact = clearing.exact_prices(market)
            for ours, float_of_it, theirs in zip(exact, shown, twin.prices(rule, loads, retail, feed_in), strict=True):
                if theirs is not None:
                    assert ours == theirs
                    assert float_of_it == pytest.approx(float(theirs), rel=1e-9)
    assert looked_at > 10_000


@pytest.mark.parametrize("key", ["dynamic", "static", "hybrid"])
def test_a_fixed_price_matches_the_twin(key):
    columns, markets = communities(12, 2700, negative=True)
    clearing = fc.clear(columns, fc.FixedPrice(150_000, fee=7, key=key))
    paid, filled = by_load(columns, clearing.payment), by_load(columns, clearing.filled)
    lost = 0
    for market, (loads, retail, feed_in) in markets.items():
        due = twin.fixed(loads, 150_000, retail, feed_in, fee=7, key=key)
        got = twin.local_fills(loads, key)
        assert {name: paid[market, name] for name, _, _ in loads} == {name: due.get(name, 0) for name, _, _ in loads}
        assert {name: filled[market, name] for name, _, _ in loads} == {name: got.get(name, 0) for name, _, _ in loads}
        imports, exports = twin.split(loads)
        shared = sum(got.get(name, 0) for name in imports)
        assert shared == sum(got.get(name, 0) for name in exports) <= min(sum(imports.values()), sum(exports.values()))
        lost += shared < min(sum(imports.values()), sum(exports.values()))
    assert (lost > 100) == (key == "static")  # what one member leaves of its share nobody else gets


@pytest.mark.parametrize(("fixed_cost", "by"), [(0, "bought"), (1_000_003, "bought"), (-17, "equal"), (2**61, "equal")])
def test_bill_sharing_matches_the_twin(fixed_cost, by):
    columns, markets = communities(13, 1500, negative=True)
    columns["period"] = columns["market"] * 7919 % 97  # periods whose markets lie apart
    clearing = fc.clear(columns, fc.BillSharing(fixed_cost=fixed_cost, fixed_cost_by=by))
    paid = by_load(columns, clearing.payment)
    periods = {}
    for market in markets:
        periods.setdefault(market * 7919 % 97, []).append(market)
    assert len(periods) == 97
    for members in periods.values():
        due = twin.bill(
            {market: markets[market][0] for market in members},
            {market: markets[market][1] for market in members},
            {market: markets[market][2] for market in members},
            fixed_cost,
            by,
        )
        assert {name: paid[name] for name in due} == due
    assert clearing.periods["surplus"].unique().to_list() == [fixed_cost]


@pytest.mark.parametrize("mechanism", [fc.MidMarketRate(), fc.SupplyDemandRatio(), fc.BillSharing(), fc.FixedPrice(9)])
def test_row_order_threads_and_the_way_in_do_not_matter(mechanism):
    columns, _ = communities(14, 900, negative=False)
    columns = without(columns, "share")
    clearing = fc.clear(columns, mechanism, threads=1)
    order = np.lexsort((columns["order"], columns["market"]))
    as_they_stand = {name: column[order] for name, column in columns.items()}
    again = fc.clear(as_they_stand, mechanism, threads=3)
    assert (again.payment == clearing.payment[order]).all()
    assert (again.filled == clearing.filled[order]).all()
    assert again.markets.equals(clearing.markets)
    assert again.trades.equals(clearing.trades)
    sides = without(columns, "net_load")
    sides |= {"side": columns["net_load"] > 0, "quantity": np.abs(columns["net_load"])}
    assert (fc.clear(sides, mechanism).payment == clearing.payment).all()
    assert fc.clear(pl.DataFrame(columns), mechanism).fills.equals(clearing.fills)
    texts = columns | {"market": [f"m{market:04}" for market in columns["market"].tolist()]}
    assert (fc.clear(texts, mechanism).payment == clearing.payment).all()
    twin_ = pickle.loads(pickle.dumps(clearing))
    assert twin_.fills.equals(clearing.fills)
    assert twin_.mechanism == mechanism


@pytest.mark.parametrize("n", [15, 16, 17, 40, 96, 97, 1024, 5000])
@pytest.mark.parametrize("spread", [1, 2, 40, MAX])
def test_larger_markets_take_other_ways_to_the_same(n, spread):
    rng = np.random.default_rng(n + spread)
    net = rng.integers(-spread, spread, n, endpoint=True)
    order = rng.permutation(n)
    loads = {"net_load": net, "order": order}
    for mechanism in (fc.MidMarketRate(301, 80), fc.SupplyDemandRatio(3_000_017, 80_021), fc.BillSharing(301, 80)):
        fc.clear(loads, mechanism).audit()  # whose Hamilton division is a sort


# -- theorems ---------------------------------------------------------------------------------------------------------


def thousands(*, negative):
    columns, _ = communities(15, 4500, negative=negative)
    return without(columns, "share")


def test_nobody_is_worse_off_and_every_rule_divides_the_same_saving():
    loads = thousands(negative=False)
    rules = (fc.MidMarketRate(), fc.SupplyDemandRatio())
    savings = []
    for rule in rules:
        clearing = fc.clear(loads, rule)
        assert (clearing.payment <= clearing.alone).all()
        assert (clearing.market_columns["surplus"] == 0).all()
        savings.append(clearing.periods["saving"].to_list())
        assert savings[-1] == [Decimal(int(money)) for money in clearing.market_columns["welfare"]]
    bill = fc.clear(loads, fc.BillSharing())
    assert savings[0] == savings[1] == bill.periods["saving"].to_list()
    assert sum(savings[0]) > 0


def test_nobody_is_worse_off_at_negative_prices_at_the_mid_market_rate():
    clearing = fc.clear(thousands(negative=True), fc.MidMarketRate())
    assert (clearing.payment <= clearing.alone).all()
    assert (clearing.market_columns["retail"] < 0).any()


def test_with_compensation_nobody_is_worse_off_as_long_as_it_fits():
    draw = random.Random(3)
    worse = 0
    for _ in range(400):
        nets = community(draw, draw.choice(SHAPES))
        feed_in = draw.randint(0, 50)
        gap = draw.randint(0, 60)
        compensation = draw.randint(0, gap)
        clearing = fc.clear({"net_load": nets}, fc.SupplyDemandRatio(feed_in + gap, feed_in, compensation))
        assert (clearing.payment <= clearing.alone).all()
        buy, sell = clearing.exact_prices()
        if clearing.market_columns["volume"][0]:
            assert feed_in <= sell <= buy <= feed_in + gap
            worse += 1
    assert worse > 50


def test_bill_sharing_leaves_importers_no_worse_and_some_exporters_worse():
    loads = thousands(negative=False)
    clearing = fc.clear(loads, fc.BillSharing())
    imports = loads["net_load"] > 0
    assert (clearing.payment[imports] <= clearing.alone[imports]).all()
    worse = clearing.payment > clearing.alone
    assert worse.sum() > 1000
    assert clearing.members["worse_off"].any()


def test_a_fixed_price_within_the_band_leaves_nobody_worse_off_and_outside_it_somebody():
    loads = without(thousands(negative=False), "retail_price", "feed_in_price")
    inside = fc.clear(loads, fc.FixedPrice(230_000, retail=300_000, feed_in=80_000, fee=70_000))
    assert (inside.payment <= inside.alone).all()
    for price, fee in ((79_999, 0), (230_000, 70_001)):
        outside = fc.clear(loads, fc.FixedPrice(price, retail=300_000, feed_in=80_000, fee=fee))
        assert (outside.payment > outside.alone).any()


def test_a_fee_can_make_somebody_worse_off():
    clearing = fc.clear({"net_load": [-5, 5]}, fc.MidMarketRate(20, 8, fee=7))
    assert (clearing.payment > clearing.alone).tolist() == [False, True]


def test_prices_fall_as_local_energy_grows():
    for rule in (fc.MidMarketRate(20, 8), fc.SupplyDemandRatio(20, 8), fc.SupplyDemandRatio(20, 8, 5)):
        prices = [fc.clear({"net_load": [-supply, 60]}, rule).exact_prices() for supply in range(1, 200)]
        for (buy, sell), (next_buy, next_sell) in itertools.pairwise(prices):
            assert next_buy <= buy
            assert next_sell <= sell


def test_members_of_one_side_pay_one_price():
    columns, _ = communities(16, 600, negative=False)
    clearing = fc.clear(without(columns, "share"), fc.SupplyDemandRatio())
    for market in range(600):
        at = columns["market"] == market
        for net, paid in ((1, 1), (-1, -1)):
            rows = at & (np.sign(columns["net_load"]) == net)
            price = clearing.exact_prices(market)[0 if net > 0 else 1]
            for lots, money in zip(columns["net_load"][rows].tolist(), clearing.payment[rows].tolist(), strict=True):
                assert abs(paid * money - price * abs(lots)) < Fraction(3, 2)


# -- definitions at the edges -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "nets", "prices", "payments"),
    [
        (fc.MidMarketRate(20, 8), [5, 3], (20, None), [100, 60]),
        (fc.MidMarketRate(20, 8), [-5], (None, 8), [-40]),
        (fc.MidMarketRate(20, 8), [0, 0], (None, None), [0, 0]),
        (fc.MidMarketRate(-8, -20), [5, -5], (-14, -14), [-70, 70]),
        (fc.SupplyDemandRatio(20, 8), [5], (20, 20), [100]),
        (fc.SupplyDemandRatio(20, 8), [-5], (None, 8), [-40]),
        (fc.SupplyDemandRatio(20, 0), [5], (20, 20), [100]),
        (fc.SupplyDemandRatio(20, 0), [5, -5], (0, 0), [0, 0]),
        (fc.SupplyDemandRatio(20, 0), [5, -1], (16, 0), [80, 0]),
        (fc.SupplyDemandRatio(0, 0), [5, -3], (0, 0), [0, 0]),
        (fc.SupplyDemandRatio(20, 8, 12), [5, -10], (20, 14), [100, -140]),
        (fc.BillSharing(20, 8), [5, -5], (0, 0), [0, 0]),
        (fc.FixedPrice(14, 20, 8), [4, -6], (14, 12), [56, -72]),
    ],
)
def test_edges(rule, nets, prices, payments):
    clearing = fc.clear({"net_load": nets}, rule)
    assert clearing.exact_prices() == prices
    assert clearing.payment.tolist() == payments
    clearing.audit()


def test_no_payment_leaves_64_bits_and_no_total_128():
    net = np.array([MAX, -MAX] * 500)
    for rule in (
        fc.MidMarketRate(MAX, -MAX, fee=MAX),
        fc.SupplyDemandRatio(MAX, 0, MAX, fee=MAX),
        fc.FixedPrice(MAX, MAX, -MAX, fee=MAX),
        fc.BillSharing(MAX, -MAX, fixed_cost=2**61),
    ):
        for nets in (net, np.abs(net), -np.abs(net)):
            clearing = fc.clear({"net_load": nets}, rule)
            clearing.audit()
            columns = clearing.market_columns
            due = int(columns["grid_payment"][0]) + int(columns["surplus"][0])
            assert sum(clearing.payment.tolist()) == due
    assert clearing.markets["seller_revenue"].dtype == pl.Decimal(38, 0)


def test_no_loads_and_no_markets():
    empty = fc.clear({"net_load": np.array([], np.int64)}, fc.MidMarketRate(20, 8))
    assert len(empty) == 0
    assert empty.members.height == empty.trades.height == 0
    nowhere = fc.clear({"net_load": [1, 2], "market": pl.Series([None, None], dtype=pl.Int64)}, fc.MidMarketRate(20, 8))
    assert nowhere.markets.height == 0
    assert nowhere.reject.tolist() == [fc.RejectReason.ID_MISSING] * 2
    nowhere.audit()


def test_periods_group_slots_and_do_not_net_them():
    loads = {"market": [1, 1, 2, 2], "participant": ["A", "B"] * 2, "net_load": [-10, 4, 10, 0]}
    apart = fc.clear(loads, fc.BillSharing(20, 8)).payment.tolist()
    assert apart == [-48, 0, 200, 0]
    together = fc.clear(loads | {"period": ["may"] * 4}, fc.BillSharing(20, 8))
    # 6 exported at 8 and 10 imported at 20, never 4 imported: prices of the period are 200 / 14 and 48 / 10.
    assert together.exact_prices(1) == together.exact_prices(2) == (Fraction(200, 14), Fraction(48, 10))
    assert together.payment.tolist() == [-48, 57, 143, 0]
    assert together.periods.select("period", "payment", "grid_payment").rows() == [("may", 152, 152)]


# -- what a clearing shows --------------------------------------------------------------------------------------------


def test_frames():
    loads = {
        "market": ["b", "a", "b", "a"],
        "order": ["x", "y", "z", "w"],
        "participant": ["P", "P", "Q", "R"],
        "net_load": [-4, 3, 6, 0],
    }
    clearing = fc.clear(loads, fc.MidMarketRate(20, 8))
    assert (
        clearing.markets.columns[:9]
        == fc.clear({"side": [1, 0], "price": [2, 1], "quantity": [1, 1]}, fc.Uniform()).markets.columns[:9]
    )
    assert clearing.markets.select("market", "volume", "grid_import", "grid_export", "supply", "demand").rows() == [
        ("a", 0, 3, 0, 0, 3),
        ("b", 4, 2, 0, 4, 6),
    ]
    assert clearing.fills.rows() == [("x", 4, -56, 0), ("y", 0, 60, 0), ("z", 4, 96, 0), ("w", 0, 0, 0)]
    assert clearing.trades.select(
        "market", "buy_order", "sell_order", "quantity", "buy_amount", "sell_amount"
    ).rows() == [
        ("a", "y", None, 3, 60, None),
        ("b", None, "x", 4, None, 56),
        ("b", "z", None, 6, 96, None),
    ]
    assert clearing.members.select("participant", "bought", "sold", "payment", "alone", "saving").rows() == [
        ("P", 3, 4, 4, 28, 24),
        ("Q", 6, 0, 96, 120, 24),
        ("R", 0, 0, 0, 0, 0),
    ]
    assert "4 orders in 2 markets" in repr(clearing)
    assert clearing.to_arrow().num_rows == 2
    assert clearing.den == 1


def test_what_a_pool_does_not_have():
    clearing = fc.clear({"net_load": [1, -1]}, fc.MidMarketRate(20, 8))
    for ask in (clearing.curves, clearing.plot, lambda: clearing.halves, lambda: clearing.trade_columns):
        with pytest.raises(fc.MechanismError):
            ask()


def test_out_receives_what_is_shared():
    out = np.full(4, -1)
    clearing = fc.clear({"net_load": [-4, -2, 5, 7]}, fc.MidMarketRate(20, 8), out=out)
    assert out.tolist() == [4, 2, 3, 3]
    assert clearing.filled is out
    net = np.array([-4, -2, 5, 7])
    with pytest.raises(fc.SchemaError):
        fc.clear({"net_load": net}, fc.MidMarketRate(20, 8), out=net)
    assert net.tolist() == [-4, -2, 5, 7]
    with pytest.raises(fc.SchemaError, match="out is"):
        fc.clear({"net_load": net}, fc.MidMarketRate(20, 8), out=np.zeros(3, np.int64))


def test_units():
    units = fc.Units(price="ct/kWh", quantity="kWh")
    loads = {"net_load": [-6.0, 10.0], "retail_price": [25.0, 25.0], "feed_in_price": [5.0, 5.0]}
    clearing = fc.clear(loads, fc.SupplyDemandRatio(), units=units)
    assert clearing.exact_prices() == (Fraction(2_450_000, 17), Fraction(1_250_000, 17))
    assert clearing.payment.sum() == 1_000_000_000
    assert "about 14.4118 ct/kWh a kWh" in clearing.explain(1)


def test_explanations_are_about_what_happened():
    loads = {"order": ["P", "C", "Z"], "net_load": [-9, 4, 0]}
    bill = fc.clear(loads, fc.BillSharing(20, 8, fixed_cost=7, fixed_cost_by="equal"))
    assert bill.explain("P") == (
        "Load 'P' exports 9 lots and receives 38 nano-currency: about 4.4444 ticks a lot. 4 lots go to the community, "
        "5 lots to the grid. Alone it would receive 72 nano-currency: it loses 34 nano-currency."
    )
    assert bill.explain("Z") == "Load 'Z' neither imports nor exports and pays 2 nano-currency of the fixed cost."
    mmr = fc.clear(loads, fc.MidMarketRate(20, 8))
    assert mmr.explain("C").endswith(
        "4 lots come from the community. Alone it would pay 80 nano-currency: it saves 24 nano-currency."
    )
    refused = fc.clear({"net_load": [2**40]}, fc.MidMarketRate(20, 8))
    assert "quantity_out_of_range" in refused.explain(0)


# -- the audit notices ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mechanism", [fc.MidMarketRate(301, 80), fc.BillSharing(301, 80), fc.FixedPrice(150, 301, 80)])
@pytest.mark.parametrize("lie", ["payment", "filled", "shift", "volume", "surplus", "grid_payment"])
def test_the_audit_notices(mechanism, lie):
    clearing = fc.clear({"net_load": [-400, -200, 500, 700, 0]}, mechanism)
    clearing.audit()
    if lie in ("payment", "shift"):
        changed = clearing.payment.copy()
        changed[2] += 1
        changed[3] -= lie == "shift"
        clearing.__dict__["payment"] = changed
    elif lie == "filled":
        changed = clearing.filled.copy()
        changed[2:4] += (1, -1)
        clearing.__dict__["filled"] = changed
    else:
        columns = dict(clearing.market_columns)
        columns[lie] = columns[lie] + 1
        clearing.__dict__["market_columns"] = columns
    with pytest.raises(fc.AuditError, match="broken"):
        clearing.audit()


def test_apportionment_of_the_audit_and_of_the_twin_agree():
    draw = random.Random(5)
    for _ in range(2000):
        weights = [draw.randint(0, 9) for _ in range(draw.randint(1, 6))]
        total = draw.randint(-50, 50) if any(weights) else 0
        assert apportioned(total, weights) == list(twin.hamilton(total, dict(enumerate(weights))).values())


# -- hostile columns --------------------------------------------------------------------------------------------------


def test_bad_rows_are_refused_and_their_markets_settled_without_them():
    loads = pl.DataFrame(
        {
            "market": [1, 1, 1, 1, 1, 1, None, 2],
            "order": [1, 2, 3, 3, 4, 5, 6, 7],
            "net_load": [-4, 5, 9, 9, 2**31, None, 1, -(2**31)],
            "retail_price": [20, 20, 20, 20, 20, 20, 20, 2**31],
            "feed_in_price": [8] * 8,
        }
    )
    clearing = fc.clear(loads, fc.MidMarketRate())
    reasons = [fc.RejectReason(code).name if code else "" for code in clearing.reject.tolist()]
    assert reasons == [
        *("", "", "DUPLICATE_ORDER", "DUPLICATE_ORDER"),
        *("QUANTITY_OUT_OF_RANGE", "QUANTITY_MISSING", "ID_MISSING", "PRICE_OUT_OF_RANGE"),
    ]
    assert clearing.payment.tolist() == [-56, 76, 0, 0, 0, 0, 0, 0]
    assert clearing.markets["market"].to_list() == [1, 2]
    assert clearing.alone.tolist()[2:] == [0] * 6
    clearing.audit()


def test_sides_and_quantities():
    loads = pl.DataFrame(
        {"side": ["buy", "offer", "x", "sell", "buy"], "quantity": [5, 5, 1, -1, 0], "price": [1.5] * 5}
    )
    clearing = fc.clear(loads, fc.MidMarketRate(20, 8))
    assert clearing.reject.tolist() == [0, 0, fc.RejectReason.UNKNOWN_SIDE, fc.RejectReason.QUANTITY_OUT_OF_RANGE, 0]
    assert clearing.payment.tolist() == [70, -70, 0, 0, 0]


@pytest.mark.parametrize(
    ("loads", "mechanism", "words"),
    [
        (
            {"market": ["a", "b"], "retail_price": [20, 7]},
            fc.MidMarketRate(feed_in=8),
            "market 'b': the feed-in price of 8",
        ),
        ({"retail_price": [20, 21]}, fc.MidMarketRate(feed_in=8), "retail prices 20 and 21"),
        ({"feed_in_price": [8, 9]}, fc.BillSharing(retail=20), "feed-in prices 8 and 9"),
        ({"feed_in_price": [-1, -1]}, fc.SupplyDemandRatio(retail=20), "feed-in price of -1 is below 0"),
        ({"feed_in_price": [8, 8]}, fc.SupplyDemandRatio(retail=20, compensation=13), "lower the compensation"),
        ({"share": [600_000, 500_000]}, fc.FixedPrice(9, 20, 8, key="static"), "shares come to 1100000"),
        ({"share": [-1, 0]}, fc.FixedPrice(9, 20, 8, key="hybrid"), "a share of -1"),
        ({"market": [5, 5], "period": [1, 2]}, fc.BillSharing(20, 8), "market 5: loads name two periods"),
    ],
)
def test_terms_that_nothing_works_with(loads, mechanism, words):
    with pytest.raises(fc.MechanismError, match=words):
        fc.clear({"net_load": [4, -4]} | loads, mechanism)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: fc.MidMarketRate(8, 20), "feed_in=20 is above retail=8"),
        (lambda: fc.MidMarketRate(20.5, 8), "retail=20.5 is no whole number of ticks"),
        (lambda: fc.MidMarketRate(2**31, 8), "outside"),
        (lambda: fc.MidMarketRate(20, 8, fee=-1), "fee=-1"),
        (lambda: fc.SupplyDemandRatio(20, -8), "feed_in=-8 is below 0"),
        (lambda: fc.SupplyDemandRatio(20, 8, 13), "compensation=13 is above retail - feed_in = 12"),
        (lambda: fc.SupplyDemandRatio(20, 8, True), "compensation=True"),
        (lambda: fc.BillSharing(20, 8, fixed_cost=2**62), "fixed_cost"),
        (lambda: fc.BillSharing(20, 8, fixed_cost_by="size"), "'bought', 'equal'"),
        (lambda: fc.FixedPrice("x"), "price='x'"),
        (lambda: fc.FixedPrice(9, key="first"), "'dynamic', 'static', 'hybrid'"),
    ],
)
def test_parameters_that_make_no_sense(make, words):
    with pytest.raises(fc.MechanismError, match=words):
        make()


@pytest.mark.parametrize(
    ("loads", "words"),
    [
        ({}, "column 'side' is missing"),
        ({"side": ["buy"]}, "column 'quantity' is missing"),
        ({"net_load": [1], "side": ["buy"]}, "give one of the two"),
        ({"net_load": [1, 2], "market": [1]}, "column 'market' has 1 rows"),
        ({"net_load": ["a"]}, "'net_load' is String"),
        ({"net_load": [0.5]}, "no units are declared"),
        ({"net_load": [1], "retail_price": [20]}, "give one"),
        ({"net_load": [[1]]}, "holds a list"),
        (3, "loads is a int"),
    ],
)
def test_columns_that_make_no_sense(loads, words):
    with pytest.raises(fc.SchemaError, match=words):
        fc.clear(loads, fc.MidMarketRate(20, 8))


def test_columns_that_a_mechanism_needs():
    with pytest.raises(fc.SchemaError, match="column 'retail_price' is missing"):
        fc.clear({"net_load": [1]}, fc.MidMarketRate(feed_in=8))
    with pytest.raises(fc.SchemaError, match="column 'share' is missing"):
        fc.clear({"net_load": [1]}, fc.FixedPrice(9, 20, 8, key="static"))
    with pytest.raises(fc.SchemaError, match="'share' is"):
        fc.clear({"net_load": [1], "share": [0.5]}, fc.FixedPrice(9, 20, 8, key="static"))
    with pytest.raises(fc.SchemaError, match="threads"):
        fc.clear({"net_load": [1]}, fc.MidMarketRate(20, 8), threads=0)
    with pytest.warns(UserWarning, match="column 'colour' is no column of loads"):
        fc.clear({"net_load": [1], "colour": ["red"]}, fc.MidMarketRate(20, 8))


NUMBERS = st.one_of(
    st.none(), st.integers(-9, 9), st.sampled_from([2**31 - 1, -(2**31), 2**63 - 1, -(2**63), 2**70, 10**40])
)
HOSTILE = {
    "net_load": NUMBERS,
    "side": st.sampled_from(["buy", "sell", "ask", "", None]),
    "quantity": NUMBERS,
    "market": st.sampled_from(["a", "b", "", None]),
    "order": st.one_of(st.none(), st.integers(0, 5)),
    "participant": st.sampled_from(["p", "q", None]),
    "period": st.sampled_from([1, 2, None]),
    "share": st.one_of(st.none(), st.integers(-1, 1_000_001)),
    "retail_price": NUMBERS,
    "feed_in_price": NUMBERS,
}
MECHANISMS = st.sampled_from(
    [
        *(fc.MidMarketRate(), fc.MidMarketRate(20, 8), fc.SupplyDemandRatio(), fc.SupplyDemandRatio(20, 8, 3, 1)),
        *(fc.BillSharing(), fc.BillSharing(20, 8, 7, "equal"), fc.FixedPrice(9), fc.FixedPrice(9, 20, 8)),
        *(fc.FixedPrice(9, 20, 8, key="static"), fc.FixedPrice(9, 20, 8, key="hybrid")),
    ]
)


@st.composite
def hostile_loads(draw):
    n = draw(st.integers(0, 8))
    energy = draw(st.sampled_from([("net_load",), ("side", "quantity")]))
    others = draw(st.sets(st.sampled_from(sorted(set(HOSTILE) - {"net_load", "side", "quantity"}))))
    return {name: draw(st.lists(HOSTILE[name], min_size=n, max_size=n)) for name in (*energy, *sorted(others))}


@settings(max_examples=400, deadline=None)
@given(hostile_loads(), MECHANISMS)
def test_whatever_comes_is_settled_or_refused_by_a_typed_error(loads, mechanism):
    try:
        clearing = fc.clear(loads, mechanism)
    except (fc.SchemaError, fc.MechanismError):
        return
    clearing.audit()
    assert clearing.members.height <= len(clearing)
    assert clearing.periods["payment"].sum() == sum(clearing.payment.tolist())
    for row in range(len(clearing) if "order" not in loads else 0):
        assert clearing.explain(row)


# -- the table of claims, and the command line ------------------------------------------------------------------------

POOLS = ("BillSharing", "MidMarketRate", "SupplyDemandRatio", "FixedPrice")
NEEDED = {"FixedPrice": {"price": 9}}


def test_the_table_lists_what_the_theorems_above_hold():
    rows = {row["name"]: row for row in fc.mechanisms(terms=True).to_dicts() if row["name"] in POOLS}
    assert tuple(rows) == POOLS
    claims = {name: row["individual_rationality"].partition(";")[0] for name, row in rows.items()}
    assert claims == dict(zip(POOLS, ("no", "yes", "yes", "in the band"), strict=True))
    assert {row["budget_balance"].partition(";")[0] for row in rows.values()} == {"balanced"}
    assert {row["truthfulness"].partition(";")[0] for row in rows.values()} == {"no bids"}


@pytest.mark.parametrize("name", POOLS)
def test_docstrings_pickles_and_pages(name):
    mechanism = getattr(fc, name)(**NEEDED.get(name, {}))
    assert pickle.loads(pickle.dumps(mechanism)) == mechanism
    assert not hasattr(mechanism, "__dict__")
    doc = type(mechanism).__doc__
    assert doc.count("Properties\n    ----------") == 1
    assert all(len(line) <= 120 for line in doc.splitlines())
    page = (Path(__file__).parent.parent / "docs" / "2d_sharing.md").read_text("utf-8")
    assert any(line.startswith("## ") and f"`{name}`" in line for line in page.splitlines())


def test_the_page_holds_the_table():
    from fastclear.auction.properties import markdown
    from fastclear.sharing.properties import SHARING

    page = (Path(__file__).parent.parent / "docs" / "2d_sharing.md").read_text("utf-8")
    assert markdown(SHARING) in page


def test_the_command_settles_pools(tmp_path):
    from typer.testing import CliRunner

    from fastclear.cli import app

    path = tmp_path / "loads.csv"
    path.write_text("participant,net_load\nP1,-4\nP2,-2\nC1,5\nC2,7\n")
    options = ["--mechanism", "mid-market-rate", "--retail", "20", "--feed-in", "8"]
    done = CliRunner().invoke(app, ["clear", str(path), *options, "--json", "--explain", "2"])
    assert done.exit_code == 0, done.output
    summary = json.loads(done.stdout)
    assert [(row["price_buy"], row["price_sell"], row["volume"]) for row in summary["markets"]] == [(17.0, 14.0, 6)]
    assert "pays 85 nano-currency" in summary["explained"]["2"]
    shown = CliRunner().invoke(app, ["clear", str(path), *options, "--out", str(tmp_path / "out")])
    assert shown.exit_code == 0, shown.output
    assert pl.read_parquet(tmp_path / "out" / "fills.parquet")["payment"].to_list() == [-56, -28, 85, 119]
    fixed = ["--mechanism", "fixed_price", "--price", "14", "--retail", "20", "--feed-in", "8", "--key", "static"]
    wrong = CliRunner().invoke(app, ["clear", str(path), *fixed])
    assert wrong.exit_code == 2
    assert "share" in wrong.output
