"""Bilateral offers and alternating concession: against a model, worked examples, and as contracts in a market."""

import json
import os
from fractions import Fraction
from math import ceil, floor
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.bilateral_model import answer, state

import fastclear as fc
from fastclear import preference as fp
from fastclear.preference.concession import part

CASES = Path(__file__).resolve().parent / "cases" / "preference"
SEQUENCES = int(os.environ.get("FASTCLEAR_BILATERAL_SEQUENCES", "2000"))
"""Random sequences here; the core's own test runs 100,000 of them. On demand: FASTCLEAR_BILATERAL_SEQUENCES=100000."""


def draw_events(generator, n):
    """Events of a few parties about a few offers, some of them nonsense, as columns."""
    time = np.maximum(1 + np.cumsum(generator.integers(0, 3, n)) - (generator.random(n) < 0.1) * 2, 0)
    share = generator.random(n) < 0.7
    amount = generator.choice([-1, 0, 1, 2, 3, 4, 5], n, p=[0.02, 0.02, 0.2, 0.24, 0.25, 0.25, 0.02])
    valid_from = generator.integers(0, 2, n)
    offer = generator.integers(0, 3, n)
    first = np.arange(n) < 3  # most sequences begin with three offers
    offer[first] = np.arange(3)[: first.sum()]
    party = generator.choice(3, n, p=[0.45, 0.45, 0.1])
    counterparty = np.where(generator.random(n) < 0.9, 1 - np.minimum(party, 1), party)
    kinds = np.array(["offer", "counter", "accept", "refuse", "withdraw", "veto", "dance"])
    return {
        "kind": np.where(
            first & (generator.random(n) < 0.9),
            "offer",
            kinds[generator.choice(7, n, p=[0.1, 0.2, 0.5, 0.06, 0.06, 0.05, 0.03])],
        ).tolist(),
        "time": time,
        "offer": offer,
        "party": party,
        "counterparty": counterparty,
        "sells": generator.random(n) < 0.5,
        "price": generator.choice([10, -5, 2**31], n, p=[0.9, 0.07, 0.03]),
        "quantity": np.where(share, 0, amount),
        "share_ppm": np.where(share, amount * 250_000, 0),
        "valid_from": valid_from,
        "valid_to": valid_from + generator.choice([0, 1, 2], n, p=[0.03, 0.27, 0.7]),
        "expires": time + generator.integers(0, 20, n),
    }


def names(codes):
    return [fp.BilateralCode(code).name for code in codes.tolist()]


def rows_of(columns):
    plain = {name: np.asarray(column).tolist() for name, column in columns.items()}
    return [dict(zip(plain, row, strict=True)) for row in zip(*plain.values(), strict=True)]


def test_random_sequences_do_what_the_model_says():
    generator = np.random.default_rng(20)
    seen = dict.fromkeys(fp.BilateralCode.__members__, 0)
    for _ in range(SEQUENCES):
        columns = draw_events(generator, int(generator.integers(1, 16)))
        desk, past = fp.Bilateral(), []
        codes = names(desk.apply(columns))
        for event, code in zip(rows_of(columns), codes, strict=True):
            assert code == answer(past, event), (event, past)
            seen[code] += 1
            if code == "OK":
                past.append(event)
        offers = desk.offers
        for number, name in offers.select("offer", "state").rows():
            assert name == state(past, number, past[-1]["time"])
            assert sum(then["offer"] == number and then["kind"] == "accept" for then in past) <= 1
        assert set(offers["offer"]) == {then["offer"] for then in past}
    assert min(seen.values()) > 0, seen  # every code was reached
    assert 4 * seen["OK"] > sum(seen.values()), seen  # and much of it happened


def test_one_batch_is_as_many_calls():
    generator = np.random.default_rng(3)
    columns = draw_events(generator, 200) | {"offer": generator.integers(0, 60, 200)}
    columns["kind"] = generator.choice(["offer", "counter", "accept", "withdraw"], 200).tolist()
    whole, single = fp.Bilateral(), fp.Bilateral()
    codes = whole.apply(columns).tolist()
    again = [single.apply({name: column[i : i + 1] for name, column in columns.items()})[0] for i in range(200)]
    assert codes == again
    assert whole.offers.equals(single.offers)
    assert codes.count(fp.BilateralCode.OK) > 5


def offer(number, seller, buyer, **terms):
    return {"kind": "offer", "time": 1, "offer": number, "party": seller, "counterparty": buyer, "sells": True, **terms}


def take(number, buyer):
    return {"kind": "accept", "time": 2, "offer": number, "party": buyer}


def frame(events):
    return pl.DataFrame(events, infer_schema_length=None)


def test_deals_go_to_market_first_and_the_rest_meets_whoever_comes_next():
    """R7: a fixed quantity and a share of the surplus; what is unmatched falls to the next stage, then the supplier."""
    desk = fp.Bilateral()
    events = frame(
        [
            offer("fixed", "roof", "shop", price=12, quantity=3),
            offer("share", "roof", "gran", price=7, share_ppm=400_000),
            offer("open", "roof", "bob", price=9, quantity=9),
            take("fixed", "shop"),
            take("share", "gran"),
        ]
    )
    assert set(names(desk.apply(events))) == {"OK"}
    assert len(desk.contracts()) == 2
    orders = {
        "participant": ["shop", "gran", "bob", "roof"],
        "order": ["shop", "gran", "bob", "roof"],
        "side": ["buy", "buy", "buy", "sell"],
        "price": [20, 25, 30, 5],
        "quantity": [6, 6, 6, 11],
    }
    clearing = fc.clear(orders, fc.Preference([fp.Contracts(desk.contracts()), "community"]))
    clearing.audit()
    assert clearing.trades.select("stage", "buy_order", "quantity", "sell_price").rows() == [
        ("contracts", "gran", 4, 7),  # 40 % of 11, rounded down
        ("contracts", "shop", 3, 12),
        ("community", "bob", 4, 5),
    ]
    # The network operator forbids a deal: it trades no more, and its parties are like any others.
    assert desk.apply({"kind": ["veto"], "time": [3], "offer": ["share"], "party": [None]}).tolist() == [
        fp.BilateralCode.OK
    ]
    assert desk.offers.filter(offer="share")["state"].item() == "vetoed"
    after = fc.clear(orders, fc.Preference([fp.Contracts(desk.contracts()), "community"]))
    assert after.trades.select("stage", "buy_order", "quantity").rows() == [
        ("contracts", "shop", 3),
        ("community", "bob", 6),
        ("community", "gran", 2),
    ]


def test_two_deals_of_one_pair_stand_beside_each_other():
    desk = fp.Bilateral()
    desk.apply(
        frame([offer(1, 7, 8, price=12, quantity=3), offer(2, 7, 8, price=9, quantity=2), take(1, 8), take(2, 8)])
    )
    orders = {"participant": [8, 7], "side": ["buy", "sell"], "price": [20, 5], "quantity": [9, 9]}
    clearing = fc.clear(orders, fc.Preference(fp.Contracts(desk.contracts())))
    clearing.audit()
    assert clearing.trades.select("quantity", "sell_price").rows() == [(3, 12), (2, 9)]
    with pytest.raises(fc.SchemaError, match="twice for one time"):
        fp.Contracts(desk.contracts(), share="equal")


def test_no_seller_promises_more_than_all():
    desk = fp.Bilateral()
    events = [offer(n, 7, 8 + n, price=1, share_ppm=600_000, valid_from=n, valid_to=n + 2) for n in range(3)]
    events += [take(n, 8 + n) for n in range(3)]
    codes = names(desk.apply(frame(events)))
    assert codes[3:] == ["OK", "SHARE_EXCEEDED", "OK"]


def test_time_passes():
    desk = fp.Bilateral()
    desk.apply(frame([offer(1, 7, 8, price=1, quantity=1, expires=5)]))
    desk.advance(5)
    assert desk.offers["state"].to_list() == ["expired"]
    with pytest.raises(fc.SchemaError, match="before the last event, which was at 5"):
        desk.advance(4)
    late = desk.apply({"kind": ["accept"], "time": [6], "offer": [1], "party": [8]})
    assert names(late) == ["OFFER_CLOSED"]


@pytest.mark.parametrize(
    ("events", "match"),
    [
        ({"kind": ["offer"]}, "'time' is missing"),
        ({"kind": ["veto"], "time": [1.5], "offer": [1], "party": [1]}, "'time' is Float64"),
        ({"kind": ["veto"], "time": [None], "offer": [1], "party": [1]}, "'time' holds nulls"),
        ({"kind": ["veto"], "time": [1], "offer": [None], "party": [1]}, "'offer' holds nulls"),
        ({"kind": ["veto"], "time": [1], "offer": [1.0], "party": [1]}, "'offer' is Float64"),
        ({"kind": ["veto", "veto"], "time": [1], "offer": [1], "party": [1]}, "one length"),
        ({"kind": ["veto"], "time": [1], "offer": [1], "party": [1], "sells": ["yes"]}, "true or false"),
        ({"kind": ["veto"], "time": [1], "offer": [1], "party": [1], "colour": [1]}, "no column of events"),
        ({"kind": ["offer"], "time": [1], "offer": [5], "party": ["a"]}, "parties were int before"),
    ],
)
def test_unreadable_events_raise_and_change_nothing(events, match):
    desk = fp.Bilateral()
    desk.apply(frame([{**offer("made", 7, 8, price=1, quantity=1), "offer": 9}]))
    before = desk.offers
    with pytest.raises(fc.SchemaError, match=match):
        desk.apply(events)
    assert desk.offers.equals(before)


# -- alternating concession ------------------------------------------------------------------------------------


def negotiation(told):
    inputs = told["inputs"]
    columns = {f"{side}_{end}": [inputs[side][end]] for side in ("buyer", "seller") for end in ("start", "limit")}
    return columns, {"buyer_beta": inputs["buyer"]["beta"], "seller_beta": inputs["seller"]["beta"]}


@pytest.mark.parametrize("name", ["K01", "K03"])
def test_worked_negotiations(name):
    told = json.loads((CASES / name / "case.json").read_text("utf-8"))
    columns, betas = negotiation(told)
    deadline = told["inputs"]["deadline"]
    row = fp.concede(columns, deadline=deadline, **betas).row(0, named=True)
    expected = told["expected"]
    assert (row["agreed"], row["price"], row["round"]) == (expected["agreed"], expected["price"], expected["round"])
    for turn, buyer, seller in expected["rounds"]:
        span_b = columns["buyer_limit"][0] - columns["buyer_start"][0]
        span_s = columns["seller_start"][0] - columns["seller_limit"][0]
        up, down = (int(part(np.array([span]), turn, deadline, Fraction(1))[0]) for span in (span_b, span_s))
        assert (columns["buyer_start"][0] + up, columns["seller_start"][0] - down) == (buyer, seller)


@given(
    st.lists(st.tuples(st.integers(-9, 60), st.integers(0, 40), st.integers(-9, 60), st.integers(0, 40)), min_size=1),
    st.integers(1, 12),
    st.sampled_from([1, 2, Fraction(1, 2), Fraction(3, 2), 0.25]),
    st.sampled_from([1, 3, Fraction(2, 3)]),
)
def test_negotiations_one_by_one(rows, deadline, buyer_beta, seller_beta):
    """Each by itself, with exact comparisons of powers instead of roots."""
    columns = {
        "buyer_start": [start for start, *_ in rows],
        "buyer_limit": [start + span for start, span, *_ in rows],
        "seller_start": [start + span for *_, start, span in rows],
        "seller_limit": [start for *_, start, _ in rows],
    }
    got = fp.concede(columns, deadline=deadline, buyer_beta=buyer_beta, seller_beta=seller_beta)
    for number, (agreed, turn, price, *_) in enumerate(got.rows()):
        b0, b1, s0, s1 = (columns[name][number] for name in columns)
        expected = one(b0, b1, s0, s1, deadline, Fraction(buyer_beta), Fraction(seller_beta))
        assert (agreed, turn, price) == expected
        if agreed:
            assert s1 <= price <= b1
        if b1 < s1:
            assert not agreed


def one(b0, b1, s0, s1, deadline, beta_b, beta_s):
    def quotes(turn):
        def moved(span, beta):
            lots = 0
            while (
                lots + 1
            ) ** beta.numerator * deadline**beta.denominator <= span**beta.numerator * turn**beta.denominator:
                lots += 1
            return lots

        return b0 + moved(b1 - b0, beta_b), s0 - moved(s0 - s1, beta_s)

    for turn in range(deadline + 1):
        buyer, seller = quotes(turn)
        if buyer >= seller:
            return True, turn, buyer if turn % 2 else seller
    return False, None, None


def test_the_formula_is_that_of_the_source():
    for turn in range(1, 10):
        exact = 14 * (turn / 10) ** (1 / 0.5)
        assert int(part(np.array([14]), turn, 10, Fraction(1, 2))[0]) == floor(exact + 1e-9)
        assert 30 - int(part(np.array([15]), turn, 10, Fraction(2))[0]) == ceil(30 - 15 * (turn / 10) ** 0.5 - 1e-9)


@pytest.mark.parametrize(
    ("changed", "options", "error", "match"),
    [
        ({"buyer_limit": [3]}, {}, fc.SchemaError, "'buyer_limit', row 0: the party starts beyond"),
        ({"seller_limit": [31]}, {}, fc.SchemaError, "'seller_limit', row 0"),
        ({"buyer_start": [None]}, {}, fc.SchemaError, "whole ticks"),
        ({"buyer_start": [-(2**31)]}, {}, fc.SchemaError, "out of range"),
        ({}, {"deadline": 0}, fc.MechanismError, "outside 1"),
        ({}, {"buyer_beta": 0}, fc.MechanismError, "above 0"),
        ({}, {"seller_beta": "x"}, fc.MechanismError, "no number"),
        ({}, {"seller_beta": 1000}, fc.MechanismError, "up to 32"),
    ],
)
def test_negotiations_that_make_no_sense(changed, options, error, match):
    columns = {"buyer_start": [10], "buyer_limit": [24], "seller_start": [30], "seller_limit": [15]} | changed
    with pytest.raises(error, match=match):
        fp.concede(columns, **({"deadline": 10} | options))


# -- demand merit ----------------------------------------------------------------------------------------------


def test_the_merit_of_demand():
    """O07: the whole supply is sold, even by an ask above the price."""
    told = json.loads((CASES / "O07" / "case.json").read_text("utf-8"))
    expected, params = told["expected"], told["params"]
    markets, rows = fp.demand_merit(frame(told["orders"]), **params)
    assert markets.row(0, named=True) == {
        "market": 0,
        "case": expected["case"],
        "price": expected["price"],
        "demand": expected["demand"],
        "supply": expected["supply"],
        "served": expected["served_qty"],
    }
    below = [
        name
        for (name, local, _, _), order in zip(rows.rows(), told["orders"], strict=True)
        if order["side"] == "sell" and local and order["price"] > expected["price"]
    ]
    assert below == expected["asks_above_price"]
    assert rows["payment"].to_list() == [24 * 4, 24 * 3, 29 * 5, 29 * 4, -24 * 5, -24 * 4]
    uniform = fc.clear(frame(told["orders"]), fc.Uniform())
    assert uniform.markets.select("price", "volume").row(0) == (
        expected["competitive_price"],
        expected["competitive_qty"],
    )


@given(
    st.lists(
        st.tuples(st.sampled_from([3, 4]), st.booleans(), st.integers(0, 9), st.integers(0, 5), st.integers(0, 2)),
        min_size=1,
    )
)
def test_demand_merit_one_market_at_a_time(rows):
    columns = ("market", "side", "price", "quantity", "time")
    orders = {name: [row[i] for row in rows] for i, name in enumerate(columns)}
    markets, got = fp.demand_merit(orders, retail=20, feed_in=1)
    payments = {}
    for name in sorted({row[0] for row in rows}):
        live = [number for number, row in enumerate(rows) if row[0] == name and row[3] > 0]
        bids = sorted((n for n in live if rows[n][1]), key=lambda n: (-rows[n][2], rows[n][4], n))
        asks = [n for n in live if not rows[n][1]]
        supply, demand = sum(rows[n][3] for n in asks), sum(rows[n][3] for n in bids)
        price, left, served = None, supply, []
        for bid in bids:
            left -= rows[bid][3]
            if left < 0:
                break
            served.append(bid)
        if bids and asks:
            price = rows[served[-1]][2] if served else rows[bids[0]][2]
        found = markets.filter(market=name).row(0, named=True)
        assert (found["price"], found["demand"], found["supply"]) == (price, demand, supply)
        for n in live:
            local = price is not None and (n in served if rows[n][1] else supply < demand or rows[n][2] <= price)
            sign = 1 if rows[n][1] else -1
            payments[n] = sign * rows[n][3] * (price if local else 20 if rows[n][1] else 1)
    assert got["payment"].to_list() == [payments.get(n, 0) for n in range(len(rows))]
    refused = fc.RejectReason.QUANTITY_OUT_OF_RANGE
    assert got["reject"].to_list() == [refused if row[3] == 0 else 0 for row in rows]
