"""`clearing.explain`: every reason has a book that shows it, and no book leaves it without words."""

import random

import numpy as np
import pytest

import fastclear as fc


def book(bids, asks, **columns):
    """Bids b1, b2, ... and asks s1, s2, ... as (price, lots); a price of None is a market order."""
    orders = {
        "order": [f"b{i + 1}" for i in range(len(bids))] + [f"s{i + 1}" for i in range(len(asks))],
        "side": ["buy"] * len(bids) + ["sell"] * len(asks),
        "price": [price for price, _ in bids + asks],
        "quantity": [lots for _, lots in bids + asks],
        "type": ["limit" if price is not None else "market" for price, _ in bids + asks],
    }
    return orders | columns


def units(bids, asks, **columns):
    return book([(price, 1) for price in bids], [(price, 1) for price in asks], **columns)


def says(clearing, order, *parts, market=None):
    """The explanation, which holds all parts in this order."""
    text = clearing.explain(order, market)
    at = 0
    for part in parts:
        found = text.find(part, at)
        assert found >= 0, f"{part!r} is missing from {text!r}"
        at = found + len(part)
    assert text.endswith(".")
    assert "None" not in text
    return text


A01 = book([(30, 5), (25, 4), (18, 3)], [(10, 4), (16, 5), (24, 6)])


# -- uniform price -------------------------------------------------------------------------------------------------


def test_filled_whole_at_a_price_in_the_interval():
    clearing = fc.clear(A01, fc.Uniform())
    says(
        clearing,
        "b1",
        "Bid 'b1' (5 lots at no more than 30 ticks) was filled whole.",
        "It pays 105 nano-currency: 5 lots at 21 ticks, 9 ticks better than its limit.",
        "k = 1/2 of the way up the interval of clearing prices, 18 to 24 ticks",
    )
    says(clearing, "s2", "Ask 's2' (5 lots at no less than 16 ticks) was filled whole.", "receives 105")
    rounded = fc.clear(book([(19, 2)], [(12, 2)]), fc.Uniform())
    says(rounded, "b1", "the interval of clearing prices, 12 to 19 ticks, rounded to a tick")


def test_outbid_and_undercut():
    clearing = fc.clear(A01, fc.Uniform())
    says(
        clearing,
        "b3",
        "did not trade",
        "It was outbid: the lowest bid that traded is at 25 ticks",
        "below the price of 21",
    )
    says(
        clearing,
        "s3",
        "did not trade",
        "It was undercut: the dearest ask that traded is at 16",
        "above the price of 21",
    )


def test_rationed_at_the_margin_by_each_rule():
    tied = book([(26, 3), (26, 5), (26, 9)], [(14, 11)])
    for rule, words, shares in (
        ("pro_rata", "Rationing pro rata", (2, 3, 6)),
        ("time", "Rationing by time", (3, 5, 3)),
        ("equal", "Rationing equally", (3, 4, 4)),
        ("quantity", "Rationing by quantity", (0, 2, 9)),
    ):
        clearing = fc.clear(tied, fc.Uniform(rationing=rule))
        assert clearing.filled[:3].tolist() == list(shares)
        for number, (share, lots) in enumerate(zip(shares, (3, 5, 9), strict=True)):
            if share < lots:
                given = f"{share} lots" if share else "nothing"
                says(
                    clearing,
                    f"b{number + 1}",
                    "It is at the margin: 3 bids at 26 ticks come to 17 lots, and 11 lots were left for them.",
                    words,
                    f"gives this one {given}",
                )
    lottery = fc.clear(tied, fc.Uniform(rationing="lottery", seed=1))
    loser = f"b{int(np.argmin(lottery.filled[:3] - [3, 5, 9])) + 1}"
    says(lottery, loser, "The lottery (orders are served in an order drawn by lot) gives this one")


def test_the_marginal_order_alone():
    clearing = fc.clear(book([(30, 4), (24, 6)], [(15, 4), (24, 9)]), fc.Uniform())
    says(
        clearing,
        "s2",
        "was filled in part: 6 of 9 lots",
        "It is the marginal ask: bids within its limit come to 6 lots after better asks.",
        "exactly its limit",
        "The price is 24 ticks, the only one that clears this market.",
    )
    says(
        fc.clear(book([(9, 5)], [(3, 2)]), fc.Uniform()),
        "b1",
        "the marginal bid: asks within its limit come to 2 lots.",
    )


def test_no_counterparty():
    says(fc.clear(book([(30, 5)], []), fc.Uniform()), "b1", "There is no ask in this market: nobody to trade with.")
    says(fc.clear(book([(30, 5)], [(10, 0)]), fc.Uniform()), "b1", "no ask in this market (1 was refused)")
    says(fc.clear(book([(30, 5)], [(10, 0), (9, 0)]), fc.Uniform()), "b1", "(2 were refused)")
    apart = fc.clear(book([(17, 1), (12, 1)], [(23, 1), (30, 1)]), fc.Uniform())
    for order in ("b1", "b2", "s1", "s2"):
        says(apart, order, "the best bid (17 ticks) is below the best ask (23 ticks)")


def test_trades_without_surplus_left_out():
    clearing = fc.clear(book([(24, 5)], [(24, 4)]), fc.Uniform(zero_surplus=False))
    says(clearing, "b1", "The asks that are left name exactly its limit of 24 ticks", "zero_surplus=False")
    partly = fc.clear(book([(30, 2), (24, 2)], [(24, 5)]), fc.Uniform(zero_surplus=False))
    says(partly, "s1", "filled in part: 2 of 5 lots", "The bids that are left name exactly its limit")


def test_a_fee_that_is_not_covered():
    alone = fc.clear(book([(20, 1)], [(18, 1)]), fc.Uniform(fee=3))
    says(
        alone, "b1", "between the best bid (20 ticks) and the best ask (18 ticks) there is less than the fee of 3 ticks"
    )
    among = fc.clear(book([(30, 5), (20, 2)], [(18, 9)]), fc.Uniform(fee=3))
    says(among, "b2", "Its limit of 20 ticks covers the sellers' price of 18 ticks but not the fee of 3 ticks on top")
    says(among, "b1", "It pays 105", "at 21 ticks", "Buyers pay 21 ticks, sellers get 18 ticks; the fee of 3 ticks")
    pairs = fc.clear(book([(30, 5), (20, 2)], [(18, 9)]), fc.Discriminatory(fee=3))
    says(pairs, "b2", "which its limit of 20 ticks reaches only without the fee of 3 ticks")


def test_reserve():
    clearing = fc.clear(book([(30, 5), (15, 4)], [(10, 9)]), fc.Uniform(reserve=20))
    says(clearing, "b2", "It took no part: its limit of 15 ticks is below the reserve price of 20 ticks.")
    says(clearing, "b1", "The price is the reserve price, 20 ticks.")
    says(
        fc.clear(book([(15, 4)], [(10, 9)]), fc.Uniform(reserve=20)),
        "s1",
        "No bid reaches the reserve price of 20 ticks",
    )


def test_minimum_quantity():
    clearing = fc.clear(book([(30, 5), (25, 4)], [(10, 6)], min_quantity=[0, 3, 0]), fc.Uniform())
    says(clearing, "b2", "Its minimum of 3 lots could not be met")
    alone = fc.clear(book([(30, 5)], [(10, 3)], min_quantity=[5, 0]), fc.Uniform())
    says(alone, "b1", "Its minimum of 5 lots could not be met, so it left the market.")
    says(alone, "s1", "There is no bid" if alone.markets["buy_orders"][0] == 0 else "Others left the market")


def test_market_orders_and_caps():
    clearing = fc.clear(book([(None, 5), (25, 4)], [(10, 6)]), fc.Uniform(cap_high=40))
    says(clearing, "b1", "(5 lots at any price, which competes at 40 ticks) was filled whole", "5 lots at 25 ticks.")
    outside = fc.clear(book([(50, 5)], [(10, 6)]), fc.Uniform(cap_high=40))
    says(outside, "b1", "was refused (price_outside_caps):")


def test_other_price_rules():
    a20 = book([(30, 5), (26, 5)], [(8, 4), (12, 3)])
    middle = fc.clear(a20, fc.Uniform(price_rule="last_pair_midpoint"))
    says(middle, "b2", "the marginal bid", "half way between the lowest bid and the dearest ask that traded")
    says(middle, "b1", "(rule last_pair_midpoint; the only clearing price is 26 ticks)")
    e = book([(50, 6), (30, 10), (30, 10), (30, 10)], [(10, 8), (20, 12), (31, 10)])
    whole = fc.clear(e, fc.mechanism("gsy"))
    says(whole, "b2", "It was outbid: the lowest bid that traded is at 50 ticks")
    ask = fc.clear(book([(30, 2), (25, 2)], [(10, 2)]), fc.Uniform(price_rule="marginal_ask"))
    says(ask, "b2", "It was outbid", "Its limit would reach the price of 10 ticks, but nothing was left for it")


# -- prices of their own ---------------------------------------------------------------------------------------------


def test_discriminatory_prices_trade_by_trade():
    clearing = fc.clear(A01, fc.Discriminatory(rule="bid"))
    says(
        clearing,
        "s2",
        "It receives 130",
        "1 lot to 'b1' at 30 ticks, 4 lots to 'b2' at 25 ticks. Each pair trades at its bid.",
    )
    says(
        clearing, "b3", "It was outbid", "After the trades what is left of the asks starts at 24 ticks, above its limit"
    )
    says(fc.clear(A01, fc.Discriminatory(k=(1, 3))), "b1", "Each pair trades at k = 1/3 of the way from its ask up")
    says(fc.clear(A01, fc.Discriminatory(rule="earlier")), "b1", "the limit of the order that came first")
    operator = fc.clear(A01, fc.Discriminatory(spread_to="operator"))
    says(operator, "b1", "The buyer pays its bid, the seller receives its ask, and the operator keeps")
    many = fc.clear(book([(30, 9)], [(price, 1) for price in range(1, 7)]), fc.Discriminatory(rule="ask"))
    says(many, "b1", "1 lot from 's3' at 3 ticks, and 3 more trades, all of them at 1 to 6 ticks")
    sold_out = fc.clear(book([(30, 4), (20, 4)], [(5, 4)]), fc.Discriminatory())
    says(sold_out, "b2", "After the trades no ask is left.")


def test_matchings():
    crossed = units([10, 6], [5, 9])
    everyone = fc.clear(crossed, fc.MaximalVolume())
    says(everyone, "b2", "was filled whole", "1 lot from 's1' at 5 ticks")
    short = fc.clear(units([10, 9, 3], [5, 20]), fc.MaximalVolume())
    says(short, "b3", "Nobody accepts its limit of 3 ticks: the cheapest ask of the market is at 5 ticks.")
    left = "b1" if short.filled[0] == 0 else "b2"
    says(short, left, "Every ask at or below its limit went to other bids", "as many lots as possible trade")
    drawn = fc.clear(units([10, 9, 3], [5, 20]), fc.RandomMatching(seed=7))
    left = "b1" if drawn.filled[0] == 0 else "b2"
    says(drawn, left, "Every ask at or below its limit", "drawn by lot (seed 7)")
    says(fc.clear(units([10], []), fc.MaximalVolume()), "b1", "There is no ask in this market")


# -- truthful mechanisms ---------------------------------------------------------------------------------------------


def test_vickrey():
    clearing = fc.clear(units([33, 28, 24, 15], [8, 13, 18, 22]), fc.Vickrey())
    says(
        clearing,
        "b1",
        "was filled whole",
        "It pays 18 nano-currency, what its trade costs all others",
        "33 nano-currency",
    )
    says(clearing, "s1", "It receives 22 nano-currency, what its trade is worth to all others")
    says(
        clearing, "b4", "It was outbid: only 3 bids of better price can trade at a gain, the last of them at 24 ticks."
    )
    both = fc.clear(units([33], [8], participant=["p", "p"]), fc.Vickrey())
    says(both, "b1", "was refused (both_sides):")
    tie = fc.clear(units([5, 5], [5]), fc.Vickrey())
    says(tie, "b2", "It is at the margin, 5 ticks, where earlier bids (then smaller ids) come first")


def test_trade_reduction():
    clearing = fc.clear(units([40, 34, 27, 25], [10, 14, 20, 33]), fc.TradeReduction())
    says(clearing, "b3", "half of the marginal pair (with ask 's3', gain 7 ticks)", "the price of the 2 other bids")
    says(clearing, "s3", "half of the marginal pair (with bid 'b3', gain 7 ticks)")
    says(clearing, "b1", "was filled whole", "Buyers pay 27 ticks and sellers get 20 ticks: the limits of the pair")
    says(clearing, "b4", "It was outbid")
    everyone = fc.clear(units([40, 34, 27, 16], [10, 14, 20, 30]), fc.TradeReduction())
    says(everyone, "b3", "All 3 pairs that gain trade at half way between the first bid and the first ask left out.")
    one = fc.clear(units([4], [1]), fc.TradeReduction())
    says(one, "b1", "; there is no other pair.")
    says(fc.clear(book([(40, 2)], [(10, 2)]), fc.TradeReduction()), "b1", "was refused (not_one_unit):")


def test_huang():
    f01 = book([(45, 10), (40, 8), (33, 6), (20, 9)], [(10, 7), (15, 9), (24, 12), (38, 5)])
    clearing = fc.clear(f01, fc.Huang())
    says(clearing, "b3", "It is the marginal bid, which never trades: its limit sets the price of the other buyers.")
    says(
        clearing,
        "b1",
        "9 of 10 lots",
        "come 18 lots of bids and 16 lots trade",
        "difference of 2 lots",
        "gives up 1 lot.",
    )
    says(clearing, "s1", "filled whole", "Buyers pay 33 ticks and sellers get 24 ticks")
    says(clearing, "b4", "It was outbid")
    says(fc.clear(units([9], [2]), fc.Huang()), "b1", "without it and the marginal ask nothing is left to trade")


def test_sbba():
    by_seller = fc.clear(units([38, 33, 29, 14], [7, 12, 19, 26]), fc.Sbba(seed=1))
    says(by_seller, "s4", "It is the best ask left out: its limit is the price that all others trade at.")
    says(by_seller, "b1", "It pays 26", "The price is the limit of the best ask that is left out")
    by_buyer = fc.clear(units([38, 33, 24, 14], [7, 12, 19, 30]), fc.Sbba(seed=1))
    says(by_buyer, "b3", "It is the marginal bid: its limit is the price of the 2 other pairs, and it does not trade.")
    loser = f"s{int(np.argmin(by_buyer.filled[4:7])) + 1}"
    says(by_buyer, loser, "It lost the lottery (seed 1): 3 asks could trade")
    alone = fc.clear(units([38], [7]), fc.Sbba(seed=1))
    says(alone, "b1", "the only bid that could trade")
    says(alone, "s1", "the only ask that could trade")


MUDA = book(
    [(40, 3), (30, 3), (20, 3), (10, 3)],
    [(5, 3), (15, 3), (25, 3), (35, 3)],
    participant=["B1", "B2", "B3", "B4", "S1", "S2", "S3", "S4"],
)


def test_muda():
    halves = ["B1", "B3", "S1", "S4"]
    turns = MUDA["participant"]
    for mechanism in (fc.Muda(partition=halves, permutation=turns), fc.Muda("vickrey", partition=halves)):
        clearing = fc.clear(MUDA, mechanism)
        for row, order in enumerate(MUDA["order"]):
            text = says(clearing, order, "Each half of the traders trades at the price that the other half makes")
            if not clearing.filled[row]:
                assert f"stands in the {'left' if MUDA['participant'][row] in halves else 'right'} half" in text
    drawn = fc.clear(MUDA, fc.Muda(seed=1))
    for row, order in enumerate(MUDA["order"]):
        if not drawn.filled[row]:  # whoever got nothing is told what the coin said
            assert f"stands in the {('left', 'right')[drawn.halves[row]]} half" in drawn.explain(order)
    lonely = fc.clear(units([9], [2], participant=["a", "b"]), fc.Muda(partition=["a", "b"], permutation=[]))
    says(lonely, "b1", "right has none", "It stands in the left half. It has no price to trade at.")


def test_average_and_rounds():
    h01 = fc.clear(units([30, 25, 24], [6, 11, 26]), fc.Average())
    says(h01, "b1", "It pays 18", "The price is half way between the last bid and the last ask that trade.")
    says(h01, "b3", "It was outbid: only 2 bids of better price can trade at a gain, the last of them at 25 ticks.")
    i03 = book([(30, 5), (24, 4)], [(10, 3), (16, 9)], start_price=[18, 15, 20, 26])
    rounds = fc.clear(i03, fc.MultiRound(buyer_step=3, seller_step=3, max_rounds=6))
    assert rounds.den == 2
    says(rounds, "b1", "at 19 ticks", "at 20.5 ticks", "Each round has one price")
    says(
        rounds,
        "s2",
        "After 3 rounds no bid was left that accepts its quote",
        "lowers its quote by 3 ticks, down to its limit",
    )


def test_blocks():
    day = {
        "market": [1, 1, 1, 1, 2, 2, 2, 2, 1, 2],
        "order": ["b1", "b2", "s1", "s2", "b3", "b4", "s3", "s4", "k1", "k2"],
        "side": ["buy", "buy", "sell", "sell", "buy", "buy", "sell", "sell", "sell", "sell"],
        "price": [40, 30, 20, 35, 50, 28, 22, 38, 25, 25],
        "quantity": [10, 5, 8, 10, 12, 6, 9, 8, 5, 5],
        "block": [None] * 8 + ["K", "K"],
    }
    clearing = fc.clear(day, fc.Blocks())
    says(
        clearing,
        "k1",
        "part of block 'K', which was accepted whole: at the prices it earns 40 nano-currency beyond its limits",
    )
    says(clearing, "b1", "filled whole", "10 lots at 30 ticks", "No other price supports this market.")
    says(
        clearing, "b2", "3 of 5 lots", "It is the marginal bid: asks within its limit come to 3 lots after better bids."
    )
    says(clearing, "s2", "Its limit is above the price of 30 ticks.")
    steps = clearing.curves(1)
    assert steps.filter(side="ask")["order"].to_list() == ["k1", "s1", "s2"]  # an accepted block is served first
    assert steps.filter("marginal")["order"].to_list() == ["b2", "s1"]
    assert "Accepted blocks come first, whatever their limits" in clearing.plot(1).title.subtitle
    paradox = day | {"price": [62, 26, 8, 39, 40, 38, 20, 28, 16, 16], "quantity": [6, 5, 9, 10, 9, 5, 8, 11, 8, 4]}
    says(fc.clear(paradox, fc.Blocks()), "k1", "which was rejected:", "it would have earned 128 nano-currency")


def test_blocks_of_families_and_groups():
    orders = {
        "market": [1, 1, 2, 2] + [1, 2] * 5,
        "order": list(range(14)),
        "side": ["buy", "sell"] * 2 + ["sell"] * 10,
        "price": [40, 30, 50, 45, 35, 35, 34, 34, 60, 60, 20, 20, 900, 900],
        "quantity": [10, 4, 10, 9, 5, 5, 5, 5, 2, 2, 3, 3, 1, 1],
        "block": [None] * 4 + ["A", "A", "B", "B", "C", "C", "D", "D", "E", "E"],
        "parent": [None] * 10 + ["C", "C", None, None],
        "exclusive": [None] * 4 + ["g"] * 4 + [None] * 6,
    }
    clearing = fc.clear(orders, fc.Blocks())
    says(clearing, 4, "block 'A', which was rejected: block 'B' of the same exclusive group was accepted")
    says(clearing, 8, "block 'C', which was accepted whole", "with its children")
    says(clearing, 12, "block 'E', which was rejected: at the prices it would lose")
    lonely = {**orders, "parent": [None] * 10 + ["E", "E", None, None]}
    says(fc.clear(lonely, fc.Blocks()), 10, "its parent 'E' was rejected")
    dark = {"market": [1], "order": [1], "side": ["buy"], "price": [3], "quantity": [1], "block": [None]}
    says(fc.clear(dark, fc.Blocks()), 1, "Nothing trades in this market.")


# -- finding the order -------------------------------------------------------------------------------------------------


def test_orders_are_named_as_the_caller_named_them():
    orders = {"side": ["buy", "sell"], "price": [30, 10], "quantity": [5, 8]}
    says(fc.clear(orders, fc.Uniform()), 1, "Ask 1 (8 lots")
    numbered = orders | {"order": [700, 800]}
    says(fc.clear(numbered, fc.Uniform()), np.int64(800), "Ask 800")
    with pytest.raises(fc.SchemaError, match="no order has this id; there is 700, 800") as error:
        fc.clear(numbered, fc.Uniform()).explain(1)
    assert error.value.column == "order"
    with pytest.raises(fc.SchemaError, match="rows 0 to 1"):
        fc.clear(orders, fc.Uniform()).explain(2)
    with pytest.raises(fc.SchemaError, match="row numbers"):
        fc.clear(orders, fc.Uniform()).explain("a")
    with pytest.raises(fc.SchemaError, match="ids are text; give '1'"):
        fc.clear(A01, fc.Uniform()).explain(1)
    with pytest.raises(fc.SchemaError, match="ids are integers"):
        fc.clear(numbered, fc.Uniform()).explain(True)
    many = {"order": list(range(20)), "side": [1] * 20, "price": [1] * 20, "quantity": [1] * 20}
    with pytest.raises(fc.SchemaError, match="0, 1, 2, 3, 4, and 15 more"):
        fc.clear(many, fc.Uniform()).explain(99)


def test_an_id_in_several_markets_needs_its_market():
    orders = {"market": ["m", "n", "n"], "order": ["a", "a", "b"], "side": ["buy", "buy", "sell"]}
    clearing = fc.clear(orders | {"price": [3, 9, 2], "quantity": [1, 1, 1]}, fc.Uniform())
    with pytest.raises(fc.SchemaError, match="one in each of the markets 'm', 'n'; say which with market='m'"):
        clearing.explain("a")
    says(clearing, "a", "Bid 'a' in market 'm'", "There is no ask", market="m")
    says(clearing, "a", "in market 'n'", "was filled whole", market="n")
    says(clearing, "b", "in market 'n'", "was filled whole")
    with pytest.raises(fc.SchemaError, match="no order has this id in market 'm'"):
        clearing.explain("b", "m")
    with pytest.raises(fc.SchemaError, match="there is no such market; there is 'm', 'n'"):
        clearing.explain("b", "x")


def test_duplicates_are_told_row_by_row():
    orders = {"order": ["a", "a", "c"], "side": ["buy", "buy", "sell"], "price": [3, 9, 2], "quantity": [1, 1, 1]}
    text = fc.clear(orders, fc.Uniform()).explain("a")
    assert text.count("\n") == 1
    assert text.startswith("Row 0: Bid 'a' was refused (duplicate_order)")
    assert "\nRow 1: Bid 'a' was refused" in text


def test_refused_orders_get_their_remedy():
    orders = {"order": ["a", None, "c"], "side": ["buy", "buy", "up"], "price": [None, 9, 2], "quantity": [1, 1, 1]}
    clearing = fc.clear(orders, fc.Uniform())
    says(clearing, "a", "Bid 'a' was refused (price_missing): give a price, or type=\"market\".")
    says(clearing, "c", "Order 'c' was refused (unknown_side):")
    nowhere = {"market": [None], "order": ["a"], "side": ["buy"], "price": [1], "quantity": [1]}
    says(fc.clear(nowhere, fc.Uniform()), "a", "was refused (id_missing)")


def test_numbers_are_in_the_units_of_the_call():
    orders = {"order": ["a", "b"], "side": ["buy", "sell"], "price": [30.5, 10.25], "quantity": [1.25, 2.0]}
    clearing = fc.clear(orders, fc.Uniform(), units=fc.Units(price="ct/kWh", quantity="kWh"))
    says(clearing, "a", "(1.25 kWh at no more than 30.5 ct/kWh)", "It pays 12.8125 ct: 1.25 kWh at 10.25 ct/kWh")
    euros = fc.clear(orders, fc.Uniform(), units=fc.Units(price="EUR/MWh", quantity="MWh"))
    says(euros, "a", "It pays 12.8125 EUR: 1.25 MWh at 10.25 EUR/MWh, 20.25 EUR/MWh better than its limit")
    negative = fc.clear(
        orders | {"price": [-30.5, -40.0]}, fc.Uniform(), units=fc.Units(price="ct/kWh", quantity="kWh")
    )
    says(negative, "a", "It receives 50 ct: 1.25 kWh at -40 ct/kWh, 9.5 ct/kWh better than its limit")
    says(negative, "b", "It pays 50 ct")


def test_control_characters_are_escaped():
    clearing = fc.clear(book([(1, 1)], []) | {"order": ["\x1b[31m\n"]}, fc.Uniform())
    assert clearing.explain("\x1b[31m\n").startswith("Bid '\\x1b[31m\\n'")


# -- every book --------------------------------------------------------------------------------------------------------

EVERY = {
    "uniform": fc.Uniform(),
    "no surplus": fc.Uniform(zero_surplus=False, rationing="time"),
    "fee": fc.Uniform(fee=2, rationing="equal"),
    "reserve": fc.Uniform(reserve=12, fee=1),
    "caps": fc.Uniform(cap_low=3, cap_high=17),
    "midpoint": fc.Uniform(price_rule="last_pair_midpoint", rationing="lottery", seed=3),
    "gsy": fc.mechanism("gsy"),
    "tesp": fc.mechanism("tesp"),
    "discriminatory": fc.Discriminatory(reserve=8),
    "operator": fc.Discriminatory(spread_to="operator", fee=1),
    "maximal volume": fc.MaximalVolume(),
    "random": fc.RandomMatching(seed=3),
    "vickrey": fc.Vickrey(),
    "trade reduction": fc.TradeReduction(),
    "huang": fc.Huang(),
    "sbba": fc.Sbba(seed=5),
    "muda": fc.Muda(seed=4),
    "muda vickrey": fc.Muda("vickrey", seed=4),
    "average": fc.Average(),
    "rounds": fc.MultiRound(2, 3),
}


@pytest.mark.parametrize("name", EVERY)
def test_no_book_is_left_without_words(name):
    rng = random.Random(name)
    told = 0
    for number in range(40):
        count = rng.choice([1, 2, 4, 9])
        unit = number % 2 == 0
        orders = {
            "order": [f"o{i}" for i in range(count)],
            "side": [rng.choice(["buy", "sell"]) for _ in range(count)],
            "price": [rng.randint(1, 20) for _ in range(count)],
            "quantity": [1 if unit else rng.randint(2, 6) for _ in range(count)],
            "type": [rng.choice(["limit"] * 9 + ["market"]) for _ in range(count)],
            "min_quantity": [0 if unit else rng.choice([0, 0, 2]) for _ in range(count)],
        }
        clearing = fc.clear(orders, EVERY[name])
        for row, order in enumerate(orders["order"]):
            text = says(clearing, order)
            fill, lots = int(clearing.filled[row]), orders["quantity"][row]
            if clearing.reject[row]:
                outcome = "was refused ("
            elif fill == lots:
                outcome = "was filled whole"
            else:
                outcome = "did not trade" if fill == 0 else f"was filled in part: {fill} of {lots} lots"
            assert outcome in text
            if fill and clearing.payment[row] % clearing.den == 0:
                assert f"{abs(int(clearing.payment[row])) // clearing.den:,} nano-currency" in text
            told += 1
    assert told > 100


def test_every_mechanism_has_words_of_its_own():
    from fastclear.auction.properties import PROPERTIES
    from fastclear.explanation.tellers import TELLERS

    assert set(TELLERS) == {row.mechanism for row in PROPERTIES}
