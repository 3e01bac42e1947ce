"""Who gains by misreporting. Where a proof says nobody, every report is tried; where it says somebody, a lie is found.

All misreports are markets of one call of `fastclear.clear` (tests/reference/lies.py).
"""

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from itertools import permutations, product
from math import sqrt

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given
from reference import lies
from reference.lies import BOOKS, TOP, assert_truthful, book, count, draw, price_lies, search, shapes, traded
from reference.naive import naive_uniform

import fastclear as fc
from fastclear import testing

# ---- truthful: no report gains -----------------------------------------------------------------------------


def search_vickrey_prices():
    founds = []
    for buyers, sellers in shapes():
        for orders, most in ((1, 1), (1, 5), (2, 4)):
            books = draw(11, count(40), buyers, sellers, orders=orders, most=most)
            founds.append(assert_truthful(search(fc.Vickrey(), books, price_lies(books))))
    assert traded(founds) > BOOKS * 200


def test_vickrey_no_quantity_gains():
    founds = []
    for buyers, sellers in shapes():
        for orders in (1, 2):
            books = draw(12, count(60), buyers, sellers, orders=orders, most=5)
            founds.append(assert_truthful(search(fc.Vickrey(), books, lies.quantity_lies(books, 9))))
    assert traded(founds) > BOOKS * 300


def test_vickrey_no_joint_report_gains():
    founds = []
    for buyers, sellers in shapes():
        books = draw(13, count(60), buyers, sellers, orders=3, most=4)
        founds.append(assert_truthful(search(fc.Vickrey(), books, lies.joint_lies(books, 1, 40, most=9))))
    assert traded(founds) > BOOKS * 300


REDUCTIONS = {
    "p0": {},
    "pure": {"use_p0": False},
    "p0 with caps": {"cap_low": 0, "cap_high": TOP},
    "pure with caps": {"use_p0": False, "cap_low": 0, "cap_high": TOP},
}


def search_trade_reduction():
    founds = []
    for parameters in REDUCTIONS.values():
        for buyers, sellers in shapes():
            books = draw(21, count(80), buyers, sellers)
            founds.append(assert_truthful(search(fc.TradeReduction(**parameters), books, price_lies(books))))
    assert traded(founds) > BOOKS * 500


def test_trade_reduction_takes_every_branch():
    branches = Counter()
    for buyers, sellers in shapes():
        books = draw(21, count(80), buyers, sellers)
        call = lies.columns(books, books.price[:, None, :], books.quantity[:, None, :])
        branches.update(fc.clear(call, fc.TradeReduction()).markets["branch"])
    assert branches["all_trade"] > BOOKS * 50
    assert branches["reduced"] > BOOKS * 50


def test_trade_reduction_of_lots_of_several_units():
    books = draw(22, count(60), 3, 3)
    books = replace(books, quantity=np.full_like(books.quantity, 7))
    assert_truthful(search(fc.TradeReduction(unit=7), books, price_lies(books)))


def search_huang_prices():
    founds = []
    for buyers, sellers in shapes():
        for most in (1, 9):
            books = draw(31, count(80), buyers, sellers, most=most)
            founds.append(assert_truthful(search(fc.Huang(), books, price_lies(books))))
    assert traded(founds) > BOOKS * 100


def sbba_expectation(books, clearing, price):
    """Expected utilities over the lottery: one of the k best sellers, each as likely, stays without a deal."""
    n, worlds, _ = price.shape
    merit = np.empty_like(price)
    for buy in (True, False):
        rows = np.flatnonzero(books.buy == buy)
        keys = (
            np.broadcast_to(books.order[:, None, rows], (n, worlds, len(rows))),
            np.broadcast_to(books.time[:, None, rows], (n, worlds, len(rows))),
            (-1 if buy else 1) * price[:, :, rows],
        )
        ranks = np.argsort(np.lexsort(keys, axis=2), axis=2)
        merit[:, :, rows] = ranks
    bids = -np.sort(-price[:, :, books.buy], axis=2)
    asks = np.sort(price[:, :, ~books.buy], axis=2)
    pairs = min(bids.shape[2], asks.shape[2])
    k = (bids[:, :, :pairs] >= asks[:, :, :pairs]).sum(axis=2)
    volume = clearing.market_columns["volume"].reshape(n, worlds)
    assert ((volume == k) | (volume == k - 1)).all()
    at = clearing.market_columns["price"].reshape(n, worlds)
    # Times k (at most 3 of them here, so 6 serves every world) to stay with whole numbers.
    seats = 6 * volume // np.maximum(k, 1)
    chance = np.where(books.buy, 6 * (merit < volume[:, :, None]), seats[:, :, None] * (merit < k[:, :, None]))
    sign = np.where(books.buy, 1, -1)
    utility = chance * sign * (books.price[:, None, :] - at[:, :, None])
    # The draw itself is one of those whose mean was taken.
    filled = clearing.filled.reshape(price.shape)
    assert (filled[:, :, books.buy] == chance[:, :, books.buy] // 6).all()
    assert ((filled == 0) | (chance > 0)).all()
    assert (filled[:, :, ~books.buy].sum(axis=2) == volume).all()
    return utility


def search_sbba():
    founds = []
    for buyers, sellers in shapes():
        books = draw(41, count(120), buyers, sellers)
        founds.append(assert_truthful(search(fc.Sbba(seed=5), books, price_lies(books), sbba_expectation)))
    assert traded(founds) > BOOKS * 200


def test_sbba_once_drawn_can_be_regretted():
    # Why the claim is about the expectation: known the draw, a seller left out would rather set the price itself.
    books = draw(41, count(200), 3, 3)
    found = search(fc.Sbba(seed=5), books, price_lies(books))
    assert found.gain.max() > 0
    assert found.utility[:, 0, :].min() >= 0


@pytest.mark.parametrize("k", [2, 3, 5])
def test_sbba_drops_every_seller_equally_often(k):
    # b_k sets the price: the k-th bid has no seller k + 1 to undercut it.
    rows = [("buy", 50 - i, 1) for i in range(k)] + [("sell", 3 * i, 1) for i in range(k)]
    one = book(*rows)
    draws = 6_000
    price = np.broadcast_to(one.price[:, None, :], (1, draws, 2 * k))
    call = lies.columns(one, price, np.ones_like(price))
    # Over the markets of one call (one stream each) ...
    filled = fc.clear(call, fc.Sbba(seed=2**64 - 1)).filled.reshape(draws, 2 * k)
    check_even(draws - filled[:, k:].sum(axis=0), draws)
    # ... and over seeds.
    single = lies.columns(one, price[:, :1], np.ones_like(price[:, :1]))
    seeds = 1_500
    filled = np.array([fc.clear(single, fc.Sbba(seed=seed)).filled for seed in range(seeds)])
    check_even(seeds - filled[:, k:].sum(axis=0), seeds)


def check_even(dropped, draws):
    """As many drops as draws, and each seller within 5 standard deviations of its fair number."""
    fair = 1 / len(dropped)
    assert dropped.sum() == draws
    assert np.abs(dropped - draws * fair).max() < 5 * sqrt(draws * fair * (1 - fair))


def partitions(buyers, sellers):
    """Left halves worth trying: up to five that leave both halves both sides, and one that may not."""
    rng = np.random.default_rng([buyers, sellers])
    every = [
        [agent for agent, left in enumerate(halves) if left]
        for halves in rng.permutation(list(product((True, False), repeat=buyers + sellers))).tolist()
    ]
    both = [
        left
        for left in every
        if 0 < sum(a < buyers for a in left) < buyers and 0 < sum(a >= buyers for a in left) < sellers
    ]
    return [*both[:5], every[0]]


def search_muda_vickrey():
    founds = []
    for buyers, sellers in [*shapes(), (4, 4)]:
        for partition in partitions(buyers, sellers):
            books = draw(51, count(40), buyers, sellers, most=5)
            rule = fc.Muda("vickrey", partition=partition)
            founds.append(assert_truthful(search(rule, books, price_lies(books))))
    assert traded(founds) > BOOKS * 200


def test_muda_vickrey_of_agents_with_several_orders():
    founds = []
    for partition in ([0, 2], [0, 3], [1, 2], [0, 1, 4], [0, 3, 5]):
        agents = 3 if max(partition) > 3 else 2
        books = draw(52, count(24), agents, agents, orders=2, most=4)
        rule = fc.Muda("vickrey", partition=partition)
        founds.append(assert_truthful(search(rule, books, price_lies(books))))
    assert traded(founds) > BOOKS * 20


def muda_lottery(books, partition, found_of):
    """Sums over all orders of the agents within each half: `found_of(permutation)` searches one of them."""
    sides = [[int(agent) for agent in books.agents if books.buy[books.rows(agent)[0]] == buy] for buy in (True, False)]
    groups = [[a for a in side if (a in partition) == left] for left in (True, False) for side in sides]
    orders = [sum(order, ()) for order in product(*(permutations(group) for group in groups))]
    founds = [found_of(list(order)) for order in orders]
    return replace(
        founds[0],
        utility=sum(found.utility for found in founds),
        gain=sum(found.gain for found in founds),
    )


def search_muda_lottery():
    founds = []
    for buyers, sellers in [*shapes(), (4, 4)]:
        for partition in partitions(buyers, sellers):
            books = draw(53, count(24), buyers, sellers, most=5)

            def found_of(permutation, books=books, partition=partition):
                rule = fc.Muda("lottery", partition=partition, permutation=permutation)
                return search(rule, books, price_lies(books))

            founds.append(assert_truthful(muda_lottery(books, partition, found_of)))
    assert traded(founds) > BOOKS * 80


def test_muda_vickrey_no_joint_report_of_prices_and_quantities_gains():
    founds = []
    for partition in ([0, 2], [1, 2], [0, 1, 4], [0, 3, 5]):
        agents = 3 if max(partition) > 3 else 2
        books = draw(55, count(60), agents, agents, orders=2, most=4)
        rule = fc.Muda("vickrey", partition=partition)
        founds.append(assert_truthful(search(rule, books, lies.joint_lies(books, 2, 40, most=9))))
    assert traded(founds) > BOOKS * 30


def test_muda_lottery_of_agents_with_several_orders():
    founds = []
    for partition in ([0, 2], [1, 2], [0, 1, 4]):
        agents = 3 if max(partition) > 3 else 2
        books = draw(54, count(16), agents, agents, orders=2, most=4)

        def found_of(permutation, books=books, partition=partition):
            return search(fc.Muda("lottery", partition=partition, permutation=permutation), books, price_lies(books))

        founds.append(assert_truthful(muda_lottery(books, partition, found_of)))
    assert traded(founds) > BOOKS * 8


# ---- not truthful: a lie is found --------------------------------------------------------------------------


def test_a_search_can_come_back_empty_handed():
    one = book(("buy", 40, 1), ("buy", 20, 5), ("sell", 10, 3))
    assert search(fc.Uniform(), one, [[(0, price, None)] for price in range(TOP + 1)]).largest[0] == 0
    one = book(("buy", 30, 2), ("sell", 10, 2))
    found = search(fc.Discriminatory(rule="ask"), one, [[(0, price, None)] for price in range(TOP + 1)])
    assert found.largest[0] == 0


def test_uniform_a_partly_filled_bid_sets_the_price_alone():
    # Case A23.
    one = book(("buy", 30, 5), ("buy", 22, 1), ("sell", 10, 4))
    found = search(fc.Uniform(rationing="time"), one, [[(0, price, None)] for price in range(TOP + 1)])
    assert found.largest[0] == 60
    assert found.gain[0].tolist().index(60) == 10


def lie_uniform():
    books = draw(61, count(60), 3, 3, most=5)
    found = search(fc.Uniform(), books, price_lies(books))
    assert (found.largest > 0).sum() > len(books) / 4
    # One lot each: both sides gain, and never more than the interval.
    one = book(("buy", 30, 1), ("sell", 10, 1))
    found = search(fc.Uniform(), one, price_lies(one))
    assert [found.gain[0, : TOP + 1].max(), found.gain[0, TOP + 1 :].max()] == [10, 10]


@pytest.mark.parametrize("rationing", ["time", "pro_rata", "equal", "quantity", "lottery"])
def test_uniform_one_lot_agents_gain_at_most_the_interval(rationing):
    reached = 0
    for buyers, sellers in shapes():
        books = draw(62, count(60), buyers, sellers)
        for k in (Fraction(1, 2), Fraction(0), Fraction(1), Fraction(1, 3)):
            seed = 1 if rationing == "lottery" else None
            found = search(fc.Uniform(k=k, rationing=rationing, seed=seed), books, price_lies(books))
            width = found.width[:, 0]
            assert (found.largest <= width).all()
            reached += ((found.largest == width) & (width > 0)).sum()
    assert reached > 0


@given(testing.books(max_size=7))
def test_uniform_a_one_lot_agent_among_larger_ones_gains_at_most_the_interval(frame):
    assume(frame.height > 0)
    quantity = frame["quantity"].to_list()
    quantity[0] = 1
    frame = frame.with_columns(quantity=pl.Series(quantity))
    (market,) = naive_uniform(frame.to_dicts())["markets"]
    width = market["price_high"] - market["price_low"] if market["volume"] else 0
    one = book(*frame.select("side", "price", "quantity").rows())
    one = replace(one, order=frame["order"].to_numpy()[None, :], time=frame["time"].to_numpy()[None, :])
    found = search(fc.Uniform(rationing="time"), one, [[(0, price, None)] for price in range(TOP + 1)])
    assert found.largest[0] <= width


def lie_discriminatory():
    books = draw(63, count(60), 3, 3, most=5)
    for rule in ("bid", "ask", "k", "earlier"):
        found = search(fc.Discriminatory(rule=rule), books, price_lies(books))
        assert (found.largest > 0).sum() > len(books) / 4, rule
    one = book(("buy", 35, 4), ("buy", 28, 6), ("sell", 11, 5), ("sell", 18, 4), ("sell", 27, 3))
    for rule, liar in (("bid", 0), ("k", 0), ("ask", 2), ("k", 2)):
        mine = [[(liar, price, None)] for price in range(TOP + 1)]
        assert search(fc.Discriminatory(rule=rule), one, mine).largest[0] > 0


def lie_maximal_volume():
    books = draw(64, count(60), 3, 3, most=5)
    for rule in ("bid", "ask", "k"):
        for pairing in ("ascending", "descending"):
            found = search(fc.MaximalVolume(rule=rule, pairing=pairing), books, price_lies(books))
            assert (found.largest > 0).sum() > len(books) / 4, (rule, pairing)


def lie_average():
    books = draw(65, count(300), 3, 3, distinct=True)
    found = search(fc.Average(), books, price_lies(books))
    # On most books that trade.
    assert (found.largest[found.volume[:, 0] > 0] > 0).mean() > 0.5
    # Case H01: the first seller gains 7 by reporting 25.
    one = book(("buy", 30, 1), ("buy", 25, 1), ("buy", 24, 1), ("sell", 6, 1), ("sell", 11, 1), ("sell", 26, 1))
    found = search(fc.Average(), one, [[(3, price, None)] for price in range(TOP + 1)])
    assert found.largest[0] == 7 * found.den
    assert found.gain[0, 25] == 7 * found.den


def lie_multi_round():
    # The quote is the order's own: here a bid opens at 0, an ask at TOP, whatever limit is claimed.
    books = draw(66, count(60), 3, 3, most=5)
    start = np.broadcast_to(np.where(books.buy, 0, TOP)[None, None, :], (1, 1, 6))
    rule = fc.MultiRound(buyer_step=7, seller_step=5, max_rounds=30)
    found = search(rule, books, price_lies(books), start_price=start)
    assert found.utility[:, 0, :].min() >= 0
    assert (found.largest > 0).sum() > len(books) / 10


def lie_huang_quantity():
    books = draw(67, count(200), 3, 3, most=9)
    found = search(fc.Huang(), books, lies.quantity_lies(books, 9))
    assert (found.largest > 0).sum() > BOOKS * 5


def lie_random_matching():
    # Two agents: nothing is left to chance, and the buyer shades.
    one = book(("buy", 40, 1), ("sell", 10, 1))
    found = search(fc.RandomMatching(seed=1), one, price_lies(one))
    assert found.gain[0, 10] == 15 * found.den
    # Two and two: the mean over many draws.
    one = book(("buy", 40, 1), ("buy", 35, 1), ("sell", 10, 1), ("sell", 14, 1))
    draws = 1_000
    many = one[np.zeros(draws, dtype=np.int64)]
    found = search(fc.RandomMatching(seed=2), many, [[(0, report, None)] for report in (20, 40)])
    shaded, honest = found.gain.mean(axis=0)
    assert shaded > 5 * found.den
    assert abs(honest) < found.den


@pytest.mark.parametrize("price_rule", ["marginal_ask", "marginal_bid", "last_pair_midpoint", "scarce_side"])
def test_uniform_a_lie_gains_whatever_the_price_rule(price_rule):
    books = draw(68, count(60), 3, 3, most=5)
    found = search(fc.Uniform(price_rule=price_rule), books, price_lies(books))
    assert (found.largest > 0).sum() > len(books) / 10
    assert found.utility[:, 0, :].min() >= 0


def test_lots_of_one_agent_shade_each_other_under_trade_reduction():
    # Why an agent may have but one unit: its own unit number 2 is the price of its unit number 1.
    one = book(("buy", 50, 1), ("buy", 30, 1), ("sell", 10, 1), ("sell", 12, 1))
    owner = replace(one, participant=np.array([0, 0, 1, 2]))
    call = lies.columns(owner, owner.price[:, None, :], owner.quantity[:, None, :])
    assert fc.clear(call, fc.TradeReduction()).reject.tolist()[:2] == [fc.RejectReason.SEVERAL_ORDERS] * 2


def lie_blocks():
    # Without a block, the hours are uniform-price auctions (case A23).
    one = book(("buy", 30, 5), ("buy", 22, 1), ("sell", 10, 4))
    found = search(fc.Blocks(rationing="time"), one, [[(0, 10, None)]])
    assert found.largest[0] == 60


# ---- the table ---------------------------------------------------------------------------------------------


# What `fc.mechanisms()` says of truthfulness, before the semicolon, and the search that holds it.
CLAIMS = {
    "Uniform": ("no", [lie_uniform]),
    "Discriminatory": ("no", [lie_discriminatory]),
    "MaximalVolume": ("no", [lie_maximal_volume]),
    "RandomMatching": ("no", [lie_random_matching]),
    "Vickrey": ("yes", [search_vickrey_prices]),
    "TradeReduction": ("yes", [search_trade_reduction]),
    "Huang": ("price only", [search_huang_prices, lie_huang_quantity]),
    "Sbba": ("in expectation", [search_sbba]),
    "Muda, lottery": ("given the halves", [search_muda_lottery]),
    "Muda, vickrey": ("given the halves", [search_muda_vickrey]),
    "Average": ("no", [lie_average]),
    "MultiRound": ("no", [lie_multi_round]),
    "Blocks": ("no", [lie_blocks]),
}
HELD = [
    pytest.param(run, id=f"{name}: {claim} ({run.__name__})") for name, (claim, runs) in CLAIMS.items() for run in runs
]


@pytest.mark.parametrize("run", HELD)
def test_each_claim_of_the_table_is_held_by_a_search(run):
    run()


def test_the_table_claims_what_the_searches_hold():
    table = {row["name"]: row["truthfulness"].partition(";")[0] for row in fc.mechanisms().to_dicts()}
    table = {name: claim for name, claim in table.items() if claim != "no bids"}  # see test_sharing.py
    assert table == {name: claim for name, (claim, _) in CLAIMS.items()}
