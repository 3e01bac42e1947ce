"""The naive twins of the whole suite against linear programs and theorems: are the yardsticks straight?"""

from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from reference import oracles
from reference.matching_twin import naive_maximal_volume, naive_random_matching
from reference.naive import naive_discriminatory, naive_uniform
from reference.rounds_twin import naive_average, naive_multi_round
from reference.truthful_twin import naive_huang, naive_muda, naive_sbba, naive_trade_reduction, naive_vickrey

from fastclear import testing

UNITS = testing.books(max_size=10, quantities=(1, 1))
BOOKS = testing.books(max_size=10)


def sides(orders):
    bids = [(order["price"], order["quantity"]) for order in orders if order["side"] == "buy"]
    asks = [(order["price"], order["quantity"]) for order in orders if order["side"] == "sell"]
    return bids, asks


def only_market(result):
    assume(result["markets"])
    (row,) = result["markets"]
    return row


def unit_quantiles(orders):
    """k, b_k, s_k, b_{k+1}, s_{k+1} of a book of unit orders; None where there is none."""
    bids, asks = sides(orders)
    b, s = sorted((p for p, _ in bids), reverse=True), sorted(p for p, _ in asks)
    k = sum(x >= y for x, y in zip(b, s, strict=False))
    assume(k > 0)
    return k, b[k - 1], s[k - 1], *(side[k] if len(side) > k else None for side in (b, s))


def money(result, row):
    return Fraction(result["payment"][row], result["den"])


@given(BOOKS, st.sampled_from(["ascending", "descending"]))
def test_maximal_volume_is_a_maximum_flow(book, pairing):
    orders = book.to_dicts()
    market = only_market(naive_maximal_volume(orders, pairing=pairing))
    assert market["volume"] == oracles.lp_max_volume(*sides(orders))
    assert market["volume"] <= 2 * oracles.lp_volume(*sides(orders))
    assert 0 <= market["welfare"] <= oracles.lp_welfare(*sides(orders))


@given(BOOKS, st.integers(0, 99))
def test_random_matching_leaves_no_pair_that_agrees(book, seed):
    orders = book.to_dicts()
    result = naive_random_matching(orders, seed)
    left = [order["quantity"] - filled for order, filled in zip(orders, result["filled"], strict=True)]
    bids = [order["price"] for order, lots in zip(orders, left, strict=True) if lots and order["side"] == "buy"]
    asks = [order["price"] for order, lots in zip(orders, left, strict=True) if lots and order["side"] == "sell"]
    assert not bids or not asks or max(bids) < min(asks)
    assert only_market(result)["volume"] <= oracles.lp_max_volume(*sides(orders))


@given(testing.orders(max_size=9, max_markets=1, prices=(0, 30), quantities=(1, 6), participants="one_side"))
def test_vickrey_is_the_linear_program_without_each_participant(frame):
    orders = frame.to_dicts()
    result = naive_vickrey(orders)
    taking = [row for row, code in enumerate(result["reject"]) if code == 0]
    bids, asks = sides([orders[row] for row in taking])
    welfare = oracles.lp_welfare(bids, asks)
    assert only_market(result)["welfare"] == welfare
    low, high = oracles.lp_interval(bids, asks) if bids and asks else (0, 0)
    for agent in {orders[row]["participant"] for row in taking}:
        mine = [row for row in taking if orders[row]["participant"] == agent]
        others = sides([orders[row] for row in taking if row not in mine])
        value = sum(
            orders[row]["price"] * result["filled"][row] * (1 if orders[row]["side"] == "buy" else -1) for row in mine
        )
        paid = sum(result["payment"][row] for row in mine)
        # Utility is what the participant adds to the welfare of all.
        assert value - paid == welfare - oracles.lp_welfare(*others)
        lots = sum(result["filled"][row] for row in mine)
        assert paid <= (low * lots if orders[mine[0]]["side"] == "buy" else -high * lots)
    assert only_market(result)["surplus"] <= 0


@given(UNITS)
def test_vickrey_of_units_pays_the_ends_of_the_interval(book):
    orders = book.to_dicts()
    k, b, s, b_next, s_next = unit_quantiles(orders)
    low = max(price for price in (s, b_next) if price is not None)
    high = min(price for price in (b, s_next) if price is not None)
    assert (low, high) == oracles.lp_interval(*sides(orders))
    result = naive_vickrey(orders)
    for order, filled, payment in zip(orders, result["filled"], result["payment"], strict=True):
        assert payment == filled * (low if order["side"] == "buy" else -high)
    assert only_market(result)["surplus"] == -k * (high - low)


@given(UNITS, st.booleans())
def test_trade_reduction_loses_at_most_the_last_pair(book, use_p0):
    orders = book.to_dicts()
    k, b, s, b_next, s_next = unit_quantiles(orders)
    market = only_market(result := naive_trade_reduction(orders, use_p0=use_p0))
    inside = use_p0 and None not in (b_next, s_next) and 2 * s <= b_next + s_next <= 2 * b
    assert market["branch"] == ("all_trade" if inside else "reduced")
    assert market["volume"] == (k if inside else k - 1)
    assert Fraction(market["surplus"], result["den"]) == (0 if inside else (k - 1) * (b - s))
    loss = oracles.lp_welfare(*sides(orders)) - Fraction(market["welfare"], result["den"])
    assert loss == (0 if inside else b - s) <= Fraction(oracles.lp_welfare(*sides(orders)), k)


@given(BOOKS)
def test_huang_drops_the_marginal_two(book):
    orders = book.to_dicts()
    result = naive_huang(orders)
    market = only_market(result)
    assume("marginal" in market)
    rows = [next(row for row, order in enumerate(orders) if order["order"] == name) for name in market["marginal"]]
    assert [result["filled"][row] for row in rows] == [0, 0]
    v, r = (orders[row]["price"] for row in rows)
    assert market["surplus"] == market["volume"] * (v - r)
    demand = sum(o["quantity"] for o in orders if o["side"] == "buy" and o["price"] > v)
    supply = sum(o["quantity"] for o in orders if o["side"] == "sell" and o["price"] < r)
    # All that is strictly better than the margin is on the short side, or gives up its part of the burden.
    assert market["volume"] >= min(demand, supply)
    given_up = {}
    for order, filled in zip(orders, result["filled"], strict=True):
        ahead = order["price"] > v if order["side"] == "buy" else order["price"] < r
        if ahead and filled < order["quantity"]:
            given_up.setdefault(order["side"], []).append((order["quantity"] - filled, filled))
    if market["volume"]:
        assert len(given_up) <= 1
        for burdens in given_up.values():
            kept = [burden for burden, filled in burdens if filled > 0]
            assert not kept or max(kept) - min(kept) <= 1


@given(UNITS, st.integers(0, 99))
def test_sbba_has_one_price_and_loses_one_deal(book, seed):
    orders = book.to_dicts()
    k, b, _, _, s_next = unit_quantiles(orders)
    result = naive_sbba(orders, seed)
    market = only_market(result)
    seller_sets = s_next is not None and s_next <= b
    assert market["volume"] == (k if seller_sets else k - 1)
    if market["volume"]:
        assert market["price"] == (s_next if seller_sets else b)
    assert market["surplus"] == 0


@given(UNITS)
def test_average_is_efficient(book):
    orders = book.to_dicts()
    _, b, s, _, _ = unit_quantiles(orders)
    result = naive_average(orders)
    market = only_market(result)
    assert Fraction(market["welfare"], result["den"]) == oracles.lp_welfare(*sides(orders))
    assert Fraction(market["price"], result["den"]) == Fraction(b + s, 2)
    low, high = (Fraction(market[key], result["den"]) for key in ("price_low", "price_high"))
    assert (low, high) == oracles.lp_interval(*sides(orders))


@given(
    testing.orders(max_size=12, max_markets=1, prices=(0, 12), quantities=(1, 4), participants="one_side"),
    st.integers(0, 99),
    st.sampled_from(["lottery", "vickrey"]),
)
def test_muda_serves_the_short_side_of_each_half(frame, seed, variant):
    orders = frame.to_dicts()
    result = naive_muda(orders, variant=variant, seed=seed)
    market = only_market(result)
    surplus = Fraction(market["surplus"], result["den"])
    assert surplus == sum(market["fees"].values()) >= 0
    taking = [row for row, code in enumerate(result["reject"]) if code == 0]
    for price in (market["price_left"], market["price_right"]):
        if price is None or market["price_left"] == market["price_right"]:
            continue
        # Whatever half an order is in, it never trades at a price that it is not willing at.
        for trade in result["trades"]:
            if variant == "lottery" and trade["buy_price"] == price:
                assert orders[trade["buy_row"]]["price"] * result["den"] > price
                assert orders[trade["sell_row"]]["price"] * result["den"] < price
    gains = {}
    for row in taking:
        sign = 1 if orders[row]["side"] == "buy" else -1
        gain = sign * orders[row]["price"] * result["filled"][row] - money(result, row)
        gains[orders[row]["participant"]] = gains.get(orders[row]["participant"], 0) + gain
    assert all(gain >= 0 for gain in gains.values())


@given(
    testing.orders(max_size=10, max_markets=1, prices=(0, 20), quantities=(1, 6), start_price=True),
    st.integers(1, 9),
    st.integers(1, 9),
)
def test_rounds_trade_within_the_limits_and_the_maximal_volume(frame, buyer_step, seller_step):
    orders = frame.to_dicts()
    result = naive_multi_round(orders, buyer_step, seller_step)
    market = only_market(result)
    taking = [orders[row] for row, code in enumerate(result["reject"]) if code == 0]
    assert market["volume"] <= oracles.lp_max_volume(*sides(taking))
    assert market["rounds"] == len(market["history"]) <= 100
    for trade in result["trades"]:
        price = Fraction(trade["sell_price"], result["den"])
        assert orders[trade["sell_row"]]["price"] <= price <= orders[trade["buy_row"]]["price"]
    # With enough rounds nobody who agrees is left.
    left = [
        (order["side"], order["price"])
        for order, filled, code in zip(orders, result["filled"], result["reject"], strict=True)
        if code == 0 and filled < order["quantity"]
    ]
    bids = [price for side, price in left if side == "buy"]
    asks = [price for side, price in left if side == "sell"]
    assert not bids or not asks or max(bids) < min(asks)


@given(BOOKS, st.integers(-2, 42))
def test_a_reserve_is_the_book_without_low_bids(book, reserve):
    orders = book.to_dicts()
    kept = [order for order in orders if order["side"] == "sell" or order["price"] >= reserve]
    for twin in (naive_uniform, naive_discriminatory):
        with_reserve = only_market(twin(orders, reserve=reserve))
        assert with_reserve["volume"] == oracles.lp_volume(*sides(kept))
        assert with_reserve["welfare"] == oracles.lp_welfare(*sides(kept))
        prices = [trade["sell_price"] for trade in twin(orders, reserve=reserve)["trades"]]
        assert all(price >= reserve for price in prices)


@pytest.mark.parametrize(
    "rule",
    ["interval", "marginal_ask", "marginal_bid", "last_pair_midpoint", "scarce_side", "cut_order", "capped_midpoint"],
)
@given(BOOKS)
def test_every_price_rule_stays_between_the_last_two(rule, book):
    orders = book.to_dicts()
    result = naive_uniform(orders, price_rule=rule)
    market = only_market(result)
    assume(market["volume"])
    price = Fraction(market["price"], result["den"])
    low, high = (Fraction(market[key], result["den"]) for key in ("price_low", "price_high"))
    filled = [(o, lots) for o, lots in zip(orders, result["filled"], strict=True) if lots]
    last_bid = min(o["price"] for o, _ in filled if o["side"] == "buy")
    last_ask = max(o["price"] for o, _ in filled if o["side"] == "sell")
    assert last_ask <= price <= last_bid
    assert (low, high) == oracles.lp_interval(*sides(orders))
    if rule in ("interval", "cut_order"):
        assert low <= price <= high


@given(BOOKS, st.sampled_from(["time", "pro_rata", "equal", "quantity", "lottery"]))
def test_whole_levels_serve_demand_whole_where_supply_allows(book, rationing):
    orders = book.to_dicts()
    bids, asks = sides(orders)
    result = naive_uniform(orders, whole_levels=True, price_rule="marginal_bid", rationing=rationing, seed=5)
    market = only_market(result)
    covered = [p for p, _ in bids if oracles.supply(asks, p) >= oracles.demand(bids, p)]
    if covered:
        assert market["price"] == min(covered)
        assert market["volume"] == oracles.demand(bids, min(covered))
    elif bids and (highest := max(p for p, _ in bids)) >= min((p for p, _ in asks), default=99):
        assert (market["price"], market["volume"]) == (highest, oracles.supply(asks, highest))
    else:
        assert market["volume"] == 0
    assert market["volume"] <= oracles.lp_volume(bids, asks)


@given(testing.orders(max_size=10, max_markets=1, prices=(0, 9), quantities=(1, 6), min_quantity=True))
def test_a_minimum_is_met_or_nothing_trades(frame):
    orders = frame.to_dicts()
    for twin in (naive_uniform, naive_discriminatory):
        result = twin(orders)
        for order, filled in zip(orders, result["filled"], strict=True):
            assert filled == 0 or filled >= (order["min_quantity"] or 0)
