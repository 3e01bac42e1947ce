"""The naive twin against linear programs, brute force and order statistics: is the yardstick straight?"""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import oracles
from reference.naive import naive_discriminatory, naive_uniform
from reference.rationing import RULES, pro_rata

from fastclear import testing

TICKS = range(-2, 43)
RATIONINGS = st.sampled_from(["time", "pro_rata", "equal"])


def sides(orders, fee=0):
    bids = [(order["price"] - fee, order["quantity"]) for order in orders if order["side"] == "buy"]
    asks = [(order["price"], order["quantity"]) for order in orders if order["side"] == "sell"]
    return bids, asks


def only_market(result):
    if result["markets"]:
        return result["markets"][0]
    return {"volume": 0, "welfare": 0, "surplus": 0}


@given(testing.books(), RATIONINGS)
def test_uniform_welfare_volume_and_interval(book, rationing):
    orders = book.to_dicts()
    bids, asks = sides(orders)
    market = only_market(naive_uniform(orders, rationing=rationing))
    assert market["welfare"] == oracles.lp_welfare(bids, asks)
    assert market["volume"] == oracles.lp_volume(bids, asks)
    volume, clearing = oracles.brute_force(bids, asks, TICKS)
    assert market["volume"] == volume
    if volume:
        low, high = market["price_low"], market["price_high"]
        assert (low, high) == oracles.lp_interval(bids, asks)
        assert (low, high) == oracles.order_statistics(bids, asks)
        assert clearing == list(range(low, high + 1))
    elif bids and asks:
        assert market["indicative"] == oracles.lp_interval(bids, asks)
        assert market["indicative"] == oracles.order_statistics(bids, asks)


@given(testing.books())
def test_without_zero_surplus_the_volume_is_the_smallest_welfare_optimum(book):
    orders = book.to_dicts()
    bids, asks = sides(orders)
    market = only_market(naive_uniform(orders, zero_surplus=False))
    assert market["welfare"] == oracles.lp_welfare(bids, asks)
    assert market["volume"] == oracles.lp_volume(bids, asks, largest=False)
    if market["volume"]:
        assert (market["price_low"], market["price_high"]) == oracles.lp_interval(bids, asks)


@given(testing.books(), st.integers(0, 15))
def test_a_fee_is_the_book_with_bids_shifted(book, fee):
    orders = book.to_dicts()
    bids, asks = sides(orders, fee)
    for twin in (naive_uniform, naive_discriminatory):
        market = only_market(twin(orders, fee=fee))
        assert market["volume"] == oracles.lp_volume(bids, asks)
        assert market["surplus"] == fee * market["volume"]
        assert market["welfare"] - market["surplus"] == oracles.lp_welfare(bids, asks)
    market = only_market(naive_uniform(orders, fee=fee))
    if market["volume"]:
        assert market["shifted"] == oracles.lp_interval(bids, asks)


@given(testing.books(), st.sampled_from(["k", "bid", "ask", "earlier"]))
def test_discriminatory_reaches_the_welfare_optimum(book, rule):
    orders = book.to_dicts()
    bids, asks = sides(orders)
    result = naive_discriminatory(orders, rule=rule)
    market = only_market(result)
    assert market["welfare"] == oracles.lp_welfare(bids, asks)
    assert market["volume"] == oracles.lp_volume(bids, asks)
    assert result["filled"] == naive_uniform(orders, rationing="time")["filled"]
    most = oracles.lp_max_volume(bids, asks)
    assert market["volume"] <= most <= 2 * market["volume"]


classes = st.lists(st.integers(1, 12), min_size=1, max_size=5).flatmap(
    lambda quantities: st.tuples(st.integers(0, sum(quantities)), st.just(quantities))
)


@given(classes, RATIONINGS)
def test_rationing_shares_out_exactly(case, rule):
    lots, quantities = case
    fills = RULES[rule](lots, quantities)
    assert sum(fills) == lots
    assert all(0 <= fill <= quantity for fill, quantity in zip(fills, quantities, strict=True))
    if rule == "equal":
        # No lot could move from an order to one that has two fewer and still wants some.
        for fill, quantity in zip(fills, quantities, strict=True):
            assert fill == quantity or max(fills) - fill <= 1
    if rule == "time":
        assert all(fill in (0, quantity) for fill, quantity in zip(fills, quantities, strict=True)) or (
            sum(0 < fill < quantity for fill, quantity in zip(fills, quantities, strict=True)) == 1
        )


@settings(max_examples=30)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=4), st.data())
def test_hamilton_is_the_closest_whole_sharing(quantities, data):
    lots = data.draw(st.integers(0, sum(quantities)))
    shares = [Fraction(lots * quantity, sum(quantities)) for quantity in quantities]

    def sharings(lots, quantities):
        if not quantities:
            return [[]] if lots == 0 else []
        return [
            [first, *rest]
            for first in range(min(lots, quantities[0]) + 1)
            for rest in sharings(lots - first, quantities[1:])
        ]

    def distance(fills):
        return sum((fill - share) ** 2 for fill, share in zip(fills, shares, strict=True))

    best = min(distance(fills) for fills in sharings(lots, quantities))
    assert distance(pro_rata(lots, quantities)) == best


def test_books_meet_the_interesting_situations():
    seen = set()

    @settings(max_examples=200, derandomize=True, database=None)
    @given(testing.books())
    def look(book):
        orders = book.to_dicts()
        bids, asks = sides(orders)
        if not orders:
            seen.add("no order")
        if bool(bids) != bool(asks):
            seen.add("one side")
        market = only_market(naive_uniform(orders))
        if market["volume"]:
            seen.add("open interval" if market["price_low"] < market["price_high"] else "one price")
            if market["welfare"] == 0:
                seen.add("volume without welfare")
            fills = [tuple(naive_uniform(orders, rationing=rule)["filled"]) for rule in RULES]
            seen.add(f"{len(set(fills))} rationings differ")
        elif bids and asks:
            seen.add("no crossing")

    look()
    assert seen >= {
        "no order",
        "one side",
        "open interval",
        "one price",
        "volume without welfare",
        "no crossing",
        "2 rationings differ",
        "3 rationings differ",
    }


@pytest.mark.parametrize("rounding", ["floor", "ceil", "half_up"])
def test_rounding_of_negative_prices_is_mathematical(rounding):
    orders = [
        {"side": "buy", "price": -4, "quantity": 1},
        {"side": "sell", "price": -7, "quantity": 1},
    ]
    expected = {"floor": -6, "ceil": -5, "half_up": -5}[rounding]
    assert only_market(naive_uniform(orders, price_round=rounding))["price"] == expected
    assert naive_discriminatory(orders, price_round=rounding)["trades"][0]["sell_price"] == expected
