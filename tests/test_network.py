"""Network charges: fees inside the clearing against a linear program, fees after it, discounts, wires and vetoes."""

import json
import pickle
from fractions import Fraction
from pathlib import Path

import highspy
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastclear as fc
from fastclear import preference as fp

CASES = Path(__file__).resolve().parent / "cases" / "preference"
ZONES = ["n", "s", "w"]

orders_of = st.lists(
    st.tuples(
        st.sampled_from([1, 2]),
        st.booleans(),
        st.integers(-5, 30),
        st.integers(1, 9),
        st.sampled_from([*ZONES, None]),
        st.integers(0, 2),
    ),
    min_size=1,
    max_size=14,
)
networks = st.builds(
    fc.Network,
    between=st.integers(0, 8),
    local=st.none() | st.integers(0, 4),
    fees=st.dictionaries(st.tuples(st.sampled_from(ZONES), st.sampled_from(ZONES)), st.integers(0, 12), max_size=4),
)


def columns(rows):
    market, buy, price, quantity, zone, time = zip(*rows, strict=True)
    return {
        "market": list(market),
        "side": ["buy" if yes else "sell" for yes in buy],
        "price": [p + 5 * b for p, b in zip(price, buy, strict=True)],
        "quantity": list(quantity),
        "zone": pl.Series(list(zone), dtype=pl.String),
        "time": list(time),
        "order": list(range(len(rows))),
    }


def fee_of(network, buyer, seller):
    if (buyer, seller) in network.fees:
        return network.fees[buyer, seller]
    local = network.between if network.local is None else network.local
    return local if buyer == seller and buyer is not None else network.between


def best(orders, network, market):
    """Largest net welfare, by HiGHS, and the largest volume that has it."""
    rows = [row for row, name in enumerate(orders["market"]) if name == market]
    bids = [row for row in rows if orders["side"][row] == "buy"]
    asks = [row for row in rows if orders["side"][row] == "sell"]
    zone, price = orders["zone"].to_list(), orders["price"]
    pairs = [(b, a, price[b] - price[a] - fee_of(network, zone[b], zone[a])) for b in bids for a in asks]
    if not pairs:
        return 0, 0
    found = []
    for volume in (False, True):
        solver = highspy.Highs()
        solver.silent()
        flows = [solver.addVariable(0, highspy.kHighsInf) for _ in pairs]
        for row in rows:
            own = [flow for flow, pair in zip(flows, pairs, strict=True) if row in pair[:2]]
            if own:
                solver.addConstr(sum(own[1:], own[0]) <= orders["quantity"][row])
        welfare = sum((gain * flow for flow, (_, _, gain) in zip(flows, pairs, strict=True)), start=0 * flows[0])
        if volume:
            solver.addConstr(welfare >= found[0])
        solver.maximize(sum(flows[1:], flows[0]) if volume else welfare)
        found.append(round(solver.getObjectiveValue()))
    return tuple(found)


@given(orders_of, networks, st.sampled_from([0, 1, (1, 2), (1, 3)]), st.randoms())
def test_fees_inside_reach_the_largest_net_welfare(rows, network, k, random):
    orders = columns(rows)
    mechanism = fc.Discriminatory(k=k)
    clearing = fc.clear(orders, mechanism, network=network)
    clearing.audit()
    markets = clearing.markets
    trades = clearing.trades
    for market, welfare, surplus, volume in markets.select("market", "welfare", "surplus", "volume").rows():
        net, most = best(orders, network, market)
        assert int(welfare) - int(surplus) == net
        if isinstance(
            clearing, fp.networked.FeeClearing
        ):  # one fee for all: Discriminatory leaves out what gains nothing
            assert volume == most
    price, zone = orders["price"], orders["zone"].to_list()
    for buy, sell, lots, paid, received in trades.select(
        "buy_order", "sell_order", "quantity", "buy_price", "sell_price"
    ).rows():
        fee = fee_of(network, zone[buy], zone[sell])
        assert paid - received == fee
        assert price[buy] - price[sell] >= fee
        assert (
            received
            == price[sell] + Fraction(*(k if isinstance(k, tuple) else (k, 1))) * (price[buy] - price[sell] - fee) // 1
        )
        assert lots > 0
    assert (
        clearing.network_revenue
        == sum(map(int, markets["surplus"]))
        == sum(map(int, clearing.network_charges["charge"]))
    )
    # The same orders in another order of rows, and after a pickle.
    turned = list(range(len(rows)))
    random.shuffle(turned)
    shuffled = {name: [list(column)[row] for row in turned] for name, column in orders.items()}
    shuffled["zone"] = pl.Series(shuffled["zone"], dtype=pl.String)
    assert fc.clear(shuffled, mechanism, network=network).trades.equals(trades)
    assert pickle.loads(pickle.dumps(clearing)).trades.equals(trades)
    for row in range(len(rows)):
        assert clearing.explain(row, market=orders["market"][row])


def test_distance_fees_of_the_literature():
    """N08: every participant its own zone, fees by pair."""
    told = json.loads((CASES / "N08" / "case.json").read_text("utf-8"))
    buyers, sellers = told["inputs"]["buyers"], told["inputs"]["sellers"]
    everyone = {**buyers, **sellers}
    orders = {
        "order": list(everyone),
        "zone": list(everyone),
        "side": ["buy"] * len(buyers) + ["sell"] * len(sellers),
        "price": [one["price"] for one in everyone.values()],
        "quantity": [one["qty"] for one in everyone.values()],
    }
    fees = {
        (buyer, seller): fee for buyer, own in told["inputs"]["fee_per_unit"].items() for seller, fee in own.items()
    }
    doubled = {pair: 2 * fee for pair, fee in fees.items()}  # half ticks of the case are ticks here
    orders["price"] = [2 * price for price in orders["price"]]
    clearing = fc.clear(orders, fc.Discriminatory(k=0.5), network=fc.Network(fees=doubled))
    clearing.audit()
    expected = told["expected"]
    trades = clearing.trades.select("buy_order", "sell_order", "quantity", "buy_price", "sell_price").rows()
    assert {f"{sell}->{buy}": lots for buy, sell, lots, _, _ in trades} == expected["trades"]
    assert {f"{s}->{b}": Fraction(p, 2) for b, s, _, _, p in trades} == number(expected["midpoint_seller_price"])
    assert {f"{s}->{b}": Fraction(p, 2) for b, s, _, p, _ in trades} == number(expected["buyer_pays_per_unit"])
    welfare, surplus = clearing.markets.select("welfare", "surplus").row(0)
    assert (welfare - surplus, clearing.network_revenue) == (
        2 * expected["max_net_welfare"],
        2 * expected["network_revenue"],
    )


def number(stated):
    return {
        key: Fraction(value["num"], value["den"]) if isinstance(value, dict) else Fraction(value)
        for key, value in stated.items()
    }


def golden():
    """The open book of the golden slot, after the hospital took 3 kWh of S1; ct and kWh."""
    return {
        "order": ["B1", "B2", "B3", "B4", "S1", "S2", "S3", "S4"],
        "side": ["buy"] * 4 + ["sell"] * 4,
        "price": [26.0, 22.0, 18.0, 12.0, 8.0, 11.0, 16.0, 21.0],
        "quantity": [5, 4, 6, 3, 1, 5, 4, 5],
    }


UNITS = fc.Units(price="ct/kWh", quantity="kWh")


def test_the_golden_slot_with_the_fee_inside():
    clearing = fc.clear(golden(), fc.Uniform(), units=UNITS, network=fc.Network(between=25_000))
    clearing.audit()
    assert clearing.markets.select("volume", "price_sell", "price_buy").row(0) == (9_000, 160_000, 185_000)
    assert dict(zip(golden()["order"], clearing.filled.tolist(), strict=True))["B3"] == 0
    assert clearing.network_revenue == 25_000 * 9_000


def test_the_golden_slot_charged_afterwards():
    network = fc.Network(between=25_000, inside=False)
    clearing = fc.clear(golden(), fc.Uniform(), units=UNITS, network=network)
    plain = fc.clear(golden(), fc.Uniform(), units=UNITS)
    assert clearing.trades.equals(plain.trades)
    assert clearing.fills.equals(plain.fills)
    clearing.audit()
    volume = plain.markets["volume"].item()
    assert clearing.network_revenue == 25_000 * volume == sum(map(int, clearing.network_charges["charge"]))
    # The trap of mechanisms.md n4: charged afterwards, B3 pays 18 + 2.5 for what is worth 18 to it.
    assert dict(zip(golden()["order"], clearing.filled.tolist(), strict=True))["B3"] == 1_000
    assert pickle.loads(pickle.dumps(clearing)).network_charges.equals(clearing.network_charges)


LOCAL = {
    "participant": ["a", "b", "s"],
    "order": ["a", "b", "s"],
    "side": ["buy", "buy", "sell"],
    "price": [30, 28, 10],
    "quantity": [2, 3, 5],
    "zone": ["x", "y", "x"],
}


def test_a_local_discount_and_a_private_wire():
    """Piclo's two designs: the use-of-system charge less a discount, or the price of a wire of their own."""
    charges = {}
    for name, network in {
        "plain": fc.Network.duos(8),
        "discount": fc.Network.duos(8, discount=0.3),
        "wire": fc.Network.private_wire(8, 1),
    }.items():
        clearing = fc.clear(LOCAL, fc.Preference(), network=network)
        clearing.audit()
        charges[name] = clearing.network_charges["fee"].to_list()
    assert charges == {"plain": [8, 8], "discount": [5, 8], "wire": [1, 8]}
    wires = fc.Network(between=8, inside=False, wires={"buyer": ["b"], "source": ["s"]}, wire_fee=2)
    clearing = fc.clear(LOCAL, fc.Discriminatory(), network=wires)
    assert clearing.network_charges.select("buy_order", "fee").rows() == [("a", 8), ("b", 2)]
    assert clearing.network_revenue == 8 * 2 + 2 * 3


def test_fees_inside_a_staged_matching():
    network = fc.Network(between=19, local=3)
    clearing = fc.clear(LOCAL, fc.Preference(fp.Community(rule="bid")), network=network)
    clearing.audit()
    assert clearing.trades.select("buy_order", "quantity", "buy_price", "sell_price", "fee").rows() == [
        ("a", 2, 30, 27, 3)
    ]
    assert clearing.network_revenue == 6 == int(clearing.markets["surplus"].item())


def test_a_veto_is_a_refusal_with_a_code_of_its_own():
    orders = LOCAL | {"vetoed": [True, False, False]}
    for mechanism in (fc.Preference(), fc.Uniform(), fc.Discriminatory()):
        for inside in (True, False):
            clearing = fc.clear(orders, mechanism, network=fc.Network(inside=inside))
            clearing.audit()
            assert clearing.reject.tolist() == [fc.RejectReason.NETWORK_VETO, 0, 0]
            assert clearing.filled.tolist() == [0, 3, 3]
    both = LOCAL | {"vetoed": [True] * 3, "quantity": [0, 3, 5]}
    clearing = fc.clear(both, fc.Uniform(), network=fc.Network())
    assert clearing.reject.tolist() == [fc.RejectReason.QUANTITY_OUT_OF_RANGE, *[fc.RejectReason.NETWORK_VETO] * 2]


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: fc.clear(LOCAL, fc.Uniform(fee=1), network=fc.Network(between=3)), "leave them out"),
        (lambda: fc.Network(between=-1), "outside 0"),
        (lambda: fc.Network(fees={("a", "b"): 2**31}), "outside 0"),
        (lambda: fc.Network(inside=1), "neither True nor False"),
        (lambda: fc.Network(wires={"buyer": [1], "source": [2]}), "inside=False"),
        (lambda: fc.clear(LOCAL, fc.Vickrey(), network=fc.Network(between=3, local=1)), "takes no fees"),
        (lambda: fc.clear(LOCAL, fc.Uniform(), network=fc.Network(between=3, local=1)), "one fee for all"),
        (lambda: fc.clear(LOCAL, fc.Uniform(), network=7), "is none"),
        (lambda: fc.clear(LOCAL, fc.Blocks(), network=fc.Network()), "takes no network"),
        (lambda: fc.clear(LOCAL, fc.Discriminatory(fee=1), network=fc.Network(between=3, local=1)), "leave them out"),
        (lambda: fc.clear(LOCAL, fc.Preference()).network_charges, "has no network"),
    ],
)
def test_what_makes_no_sense_raises(call, match):
    with pytest.raises(fc.MechanismError, match=match):
        call()


@pytest.mark.parametrize(
    ("fees", "match"),
    [
        ({"buyer_zone": ["a"], "seller_zone": ["b"]}, "'fee' is missing"),
        ({"buyer_zone": ["a", "a"], "seller_zone": ["b", "b"], "fee": [1, 2]}, "named twice"),
        ({"buyer_zone": ["a"], "seller_zone": ["b"], "fee": [1.5]}, "no whole number"),
    ],
)
def test_bad_fees_are_named(fees, match):
    with pytest.raises(fc.SchemaError, match=match):
        fc.Network(fees=fees)


def test_the_audit_notices_a_fee_that_was_not_covered():
    network = fc.Network(between=19, local=3)
    clearing = fc.clear(LOCAL, fc.Discriminatory(k=0.5), network=network)
    clearing.audit()
    better = fc.clear(LOCAL, fc.Discriminatory(k=0.5), network=fc.Network(between=1, local=0, fees={("x", "y"): 2}))
    better.network = network  # the same deals, and other fees
    with pytest.raises(fc.AuditError):
        better.audit()
    left_out = fc.clear(LOCAL, fc.Discriminatory(k=0.5), network=network)
    deals = left_out._cleared.deals
    for name in ("market", "stage", "buy_row", "sell_row", "quantity", "price", "fee"):
        setattr(deals, name, getattr(deals, name)[:0])
    lied = fp.networked.FeeClearing(
        left_out.preference_orders, left_out.book, left_out.mechanism, network, deals, np.empty(3, np.int64), None
    )
    with pytest.raises(fc.AuditError, match="prices at which all who trade"):
        lied.audit()


@pytest.mark.parametrize("mechanism", [fc.Preference(), fc.Discriminatory(k=0.5)])
@pytest.mark.parametrize("inside", [True, False])
def test_the_fees_are_the_network_operators_credit(mechanism, inside):
    """R23: the sum of fees is what the bank credits to the DSO's account."""
    members = LOCAL["participant"]
    clearing = fc.clear(LOCAL, mechanism, network=fc.Network(between=7, local=3, inside=inside))
    bank = fc.Settlement(tariff=fc.Tariff(retail=40, feed_in=5))
    bank.open(members)
    bank.deposit(members, [1000] * 3)
    receipts = bank.settle(clearing, {"participant": members, "energy_wh": [2, 3, -5]})
    assert bank.balances.filter(role="dso")["posted"].item() == clearing.network_revenue == 2 * 3 + 3 * 7
    assert bank.balances.filter(role="platform")["posted"].item() == 0
    paid = sum(money for money in clearing.payment.tolist() if money > 0)
    charged = 0 if inside else clearing.network_revenue
    posted = bank.balances.filter(pl.col("participant").is_in(["a", "b"]))["posted"]
    assert sum(map(int, posted)) == 2000 - paid - charged
    bank.audit(receipts)
    assert fc.Ledger().seal(clearing, receipts).height == 0
