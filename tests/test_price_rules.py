"""Price rules, reserves, minimums, whole levels: small books worked out by hand, on the twin and on `clear`."""

from fractions import Fraction

import polars as pl
import pytest
from reference.compare import by_clear, by_twin


@pytest.fixture(params=[by_twin, by_clear], ids=["twin", "clear"])
def run(request):
    def run_it(name, frame, **parameters):
        result = request.param(name, frame, parameters)
        (market,) = result["markets"]
        for key in ("price", "price_low", "price_high", "price_buy", "price_sell"):
            market[key] = None if market[key] is None else Fraction(market[key], result["den"])
        return result | market

    return run_it


def book(*rows, **columns):
    data = {"side": [row[0] for row in rows], "price": [row[1] for row in rows], "quantity": [row[2] for row in rows]}
    return pl.DataFrame(data | columns)


BID_CUT = book(("buy", 30, 5), ("buy", 26, 5), ("sell", 8, 4), ("sell", 13, 3))
"""A20 with an odd ask: 7 lots, the second bid is cut, asks are sold out. Interval [26, 26], last pair 26 and 13."""

ASK_CUT = book(("buy", 30, 5), ("buy", 20, 2), ("sell", 8, 4), ("sell", 13, 9))
"""7 lots, the second ask is cut. Interval [13, 13], last pair 20 and 13."""

BOTH_WHOLE = book(("buy", 30, 5), ("buy", 10, 2), ("sell", 9, 5), ("sell", 24, 1))
"""5 lots, nobody is cut. Interval [10, 24], last pair 30 and 9, a bid and an ask left over."""


@pytest.mark.parametrize(
    ("rule", "bid_cut", "ask_cut", "both_whole"),
    [
        ("interval", 26, 13, 17),
        ("marginal_bid", 26, 20, 30),
        ("marginal_ask", 13, 13, 9),
        ("last_pair_midpoint", Fraction(39, 2), Fraction(33, 2), Fraction(39, 2)),
        # Only where every ask is sold out and some bid is not served.
        ("scarce_side", 26, 13, 9),
        # 19.5 clamped into the interval of one price; kept in [10, 24] and rounded down.
        ("cut_order", 26, 13, 19),
        # 1.05 x 13 = 13.65, 1.05 x 9 = 9.45: below the midpoint.
        ("capped_midpoint", 13, 13, 9),
    ],
)
def test_price_rules(run, rule, bid_cut, ask_cut, both_whole):
    for frame, price in ((BID_CUT, bid_cut), (ASK_CUT, ask_cut), (BOTH_WHOLE, both_whole)):
        result = run("uniform", frame, price_rule=rule)
        assert result["price"] == price
        assert result["den"] == Fraction(price).denominator
    # The interval is that of the book whatever the rule.
    assert (result["price_low"], result["price_high"]) == (10, 24)


def test_a_capped_midpoint_is_the_midpoint_where_that_is_nearer(run):
    for bid, ask, price in (
        (1_010, 1_000, 1_005),
        (2_000, 1_000, 1_050),
        (2_000, 1_010, 1_060),
        (-900, -1_000, -1_000),
    ):
        # 1.05 x 1010 = 1060.5.
        result = run("uniform", book(("buy", bid, 1), ("sell", ask, 1)), price_rule="capped_midpoint")
        assert result["price"] == price
    up = run("uniform", book(("buy", 2_000, 1), ("sell", 1_010, 1)), price_rule="capped_midpoint", price_round="ceil")
    assert up["price"] == 1_061


def test_a_rounded_midpoint_needs_no_half_ticks(run):
    for rounding, price in (("floor", 19), ("ceil", 20), ("half_up", 20)):
        result = run("uniform", BID_CUT, price_rule="last_pair_midpoint", price_round=rounding)
        assert (result["price"], result["den"]) == (price, 1)


def test_money_is_over_den(run):
    result = run("uniform", BID_CUT, price_rule="last_pair_midpoint")
    assert result["den"] == 2
    assert result["payment"] == [5 * 39, 2 * 39, -4 * 39, -3 * 39]
    assert int(result["buyer_payment"]) == 7 * 39
    assert int(result["welfare"]) == 2 * (30 * 5 + 26 * 2 - 8 * 4 - 13 * 3)


def test_a_reserve_keeps_low_bids_out_and_raises_the_price(run):
    frame = book(("buy", 30, 5), ("buy", 25, 4), ("buy", 18, 3), ("sell", 10, 4), ("sell", 16, 5), ("sell", 24, 6))
    # As it is: 9 lots, [18, 24]. Without the bid at 18: [16, 24].
    result = run("uniform", frame, reserve=19)
    assert (result["volume"], result["price_low"], result["price_high"]) == (9, 19, 24)
    assert result["buy_orders"] == 3
    assert result["reject"] == [0] * 6
    # k is put into the interval with its raised ends: 19 + 5 / 2.
    assert result["price"] == 21
    assert run("uniform", frame, reserve=19, k=1)["price"] == 24
    assert run("uniform", frame, reserve=19, k=0)["price"] == 19
    # Above the interval the reserve is the price, and above a bid the bid is out.
    result = run("uniform", frame, reserve=25)
    assert (result["volume"], result["price"], result["price_low"], result["price_high"]) == (9, 25, 25, 25)
    result = run("uniform", frame, reserve=26)
    assert (result["volume"], result["price"]) == (5, 26)
    assert result["filled"] == [5, 0, 0, 4, 1, 0]
    # It is a price of sellers: with a fee a bid competes at its limit less the fee.
    result = run("uniform", frame, reserve=24, fee=2)
    assert (result["volume"], result["price_sell"], result["price_buy"]) == (5, 24, 26)
    assert run("uniform", frame, reserve=19, price_rule="marginal_ask")["price"] == 19


def test_a_reserve_of_pairs(run):
    frame = book(("buy", 30, 5), ("buy", 25, 4), ("sell", 10, 5), ("sell", 16, 5))
    result = run("discriminatory", frame, reserve=22)
    assert [trade["sell_price"] for trade in result["trades"]] == [22, 22]
    result = run("discriminatory", frame, reserve=22, rule="bid")
    assert [trade["sell_price"] for trade in result["trades"]] == [30, 25]
    assert run("discriminatory", frame, reserve=26)["volume"] == 5


@pytest.mark.parametrize(
    ("spread_to", "buyers", "sellers"),
    [("seller", [35, 28], [35, 28]), ("buyer", [11, 18], [11, 18]), ("operator", [35, 28], [11, 18])],
)
def test_who_gets_the_spread(run, spread_to, buyers, sellers):
    frame = book(("buy", 35, 4), ("buy", 28, 6), ("sell", 11, 4), ("sell", 18, 6))
    result = run("discriminatory", frame, spread_to=spread_to)
    assert [trade["buy_price"] for trade in result["trades"]] == buyers
    assert [trade["sell_price"] for trade in result["trades"]] == sellers
    assert int(result["surplus"]) == (156 if spread_to == "operator" else 0)
    result = run("discriminatory", frame, spread_to=spread_to, fee=1)
    pays = [trade["buy_price"] - trade["sell_price"] for trade in result["trades"]]
    assert pays == ([24, 10] if spread_to == "operator" else [1, 1])


def test_larger_orders_first(run):
    frame = book(("buy", 9, 2), ("buy", 9, 5), ("buy", 9, 5), ("buy", 9, 1), ("sell", 1, 8), time=[0, 2, 1, 0, 0])
    assert run("uniform", frame, rationing="quantity")["filled"] == [0, 3, 5, 0, 8]


def test_a_minimum_that_is_missed_takes_its_order_out(run):
    rows = [("buy", 9, 6), ("buy", 9, 6), ("sell", 1, 8)]
    shared = run("uniform", book(*rows))
    assert shared["filled"] == [4, 4, 8]
    # Both miss their minimum; the later leaves, and what is left serves the other whole.
    assert run("uniform", book(*rows, min_quantity=[5, 5, 0]))["filled"] == [6, 0, 6]
    # Only the first has one: it leaves although it came first.
    assert run("uniform", book(*rows, min_quantity=[5, None, 0]))["filled"] == [0, 6, 6]
    # The seller's minimum is looked at again when the buyer has left.
    assert run("uniform", book(*rows, min_quantity=[5, 5, 7]))["filled"] == [0, 0, 0]
    assert run("uniform", book(*rows, min_quantity=[4, 4, 8]))["filled"] == [4, 4, 8]
    # The price is that of the orders that stayed: [1, 9], not [9, 9].
    left = run("uniform", book(*rows, min_quantity=[5, 5, 0]))
    assert (left["price_low"], left["price_high"], left["price"]) == (1, 1, 1)
    assert left["buy_orders"] == 2
    pairs = run("discriminatory", book(*rows, min_quantity=[0, 3, 0]), rule="bid")
    assert pairs["filled"] == [6, 0, 6]


def test_the_last_by_time_leaves_first(run):
    rows = [("buy", 9, 6), ("buy", 9, 6), ("sell", 1, 8)]
    frame = book(*rows, min_quantity=[5, 5, 0], time=[1, 0, 0])
    assert run("uniform", frame)["filled"] == [0, 6, 6]
    frame = book(*rows, min_quantity=[5, 5, 0], order=["b", "a", "c"])
    assert run("uniform", frame)["filled"] == [0, 6, 6]


def test_whole_levels(run):
    parameters = {"whole_levels": True, "price_rule": "marginal_bid"}
    # Supply 6 covers 5 at 30, but not 9 at 25: the bids at 25 do not trade, though a sweep would serve one lot.
    frame = book(("buy", 30, 5), ("buy", 25, 4), ("sell", 10, 4), ("sell", 16, 2))
    result = run("uniform", frame, **parameters)
    assert (result["price"], result["volume"], result["filled"]) == (30, 5, [5, 0, 4, 1])
    assert (result["price_low"], result["price_high"]) == (30, 30)
    # No level is covered: the highest is served as far as supply goes, and the last level is rationed.
    frame = book(("buy", 30, 5), ("buy", 30, 5), ("buy", 25, 4), ("sell", 10, 4))
    assert run("uniform", frame, **parameters)["filled"] == [2, 2, 0, 4]
    assert run("uniform", frame, **parameters, rationing="time")["filled"] == [4, 0, 0, 4]
    # The highest level reaches no ask.
    result = run("uniform", book(("buy", 30, 5), ("sell", 31, 5)), **parameters)
    assert (result["volume"], result["price"]) == (0, None)


@pytest.mark.parametrize("name", ["uniform", "discriminatory"])
def test_caps_do_not_bound_what_competes_after_the_fee(run, name):
    frame = book(("buy", 10, 1), ("sell", 4, 1), ("buy", 11, 1), ("sell", 3, 1))
    result = run(name, frame, cap_low=4, cap_high=10, fee=2)
    assert result["reject"] == [0, 0, 14, 14]
    assert result["filled"] == [1, 1, 0, 0]
    assert int(result["surplus"]) == 2
