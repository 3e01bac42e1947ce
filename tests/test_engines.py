"""`fc.mechanism(name)` against the rules of the engines it stands for, each written down again here in plain Python.

The rules were read from the engines' sources or found by running them: ASSUME `PayAsClearRole`, lemlab
`clearing_ex_ante`, Grid Singularity `PayAsClearMatchingAlgorithm` (aggregation 1) and `PayAsBidMatchingAlgorithm`, GSy
DEX `pay_as_clear.rs`, simply `TwoSidedPayAsClear`, TESP `simple_auction`, Power TAC `AuctionService`, AMIRIS
`MarketClearing`. Compared are prices and volumes, per limit price where an engine gives them; who wins a tie is each
engine's own affair (some draw).
"""

from collections import Counter
from fractions import Fraction
from math import floor

import numpy as np
import pytest
from reference import lies
from reference.lies import BOOKS, count, draw

import fastclear as fc
from fastclear.auction.engines import ENGINES

# bids 50x6, 30x10, 30x10, 30x10; asks 10x8, 20x12, 31x10
E = ([(50, 6), (30, 10), (30, 10), (30, 10)], [(10, 8), (20, 12), (31, 10)])


def units(side, sign):
    """One entry a lot, best first."""
    return sorted((price for price, quantity in side for _ in range(quantity)), key=lambda price: sign * price)


def met(bids, asks):
    """The pairs of lots that meet, best with best: (bid, ask) each."""
    pairs = zip(units(bids, -1), units(asks, 1), strict=False)
    return [(bid, ask) for bid, ask in pairs if bid >= ask]


def last_pair(price_of):
    """A rule that prices all lots that meet by their last pair."""

    def rule(bids, asks):
        pairs = met(bids, asks)
        return (price_of(*pairs[-1], bids, asks), len(pairs)) if pairs else (None, 0)

    return rule


def dex(bid, ask, bids, asks):
    """Supply sold out while demand is left: the lowest accepted bid. Else the highest accepted ask (`max_offer`)."""
    volume = len(met(bids, asks))
    demand_left = sum(quantity for _, quantity in bids) > volume
    supply_left = sum(quantity for _, quantity in asks) > volume
    return bid if demand_left and not supply_left else ask


def power_tac(bid, ask, *_):
    """Half the surplus to the seller, at most a margin of 5 %."""
    return floor(min(Fraction(bid + ask, 2), Fraction(105 * ask, 100)))


def tesp(bids, asks):
    """Walk both curves: the block that is cut names the price; where both end, the mean, kept from waking others."""
    bids, asks = sorted(bids, reverse=True), sorted(asks)
    i = j = demand = supply = volume = 0
    price = None
    while i < len(bids) and j < len(asks) and bids[i][0] >= asks[j][0]:
        (bid, buys), (ask, sells) = bids[i], asks[j]
        volume = min(demand + buys, supply + sells)
        if demand + buys > supply + sells:
            supply += sells
            j += 1
            price = bid
        elif demand + buys < supply + sells:
            demand += buys
            i += 1
            price = ask
        else:
            demand, supply = demand + buys, supply + sells
            i, j = i + 1, j + 1
            price = Fraction(bid + ask, 2)
            if i < len(bids):
                price = max(price, bids[i][0])
            if j < len(asks):
                price = min(price, asks[j][0])
    return (floor(price), volume) if volume else (None, 0)


def amiris(bids, asks):
    """The price of the block that is cut; without one the larger of the next bid and the last ask."""
    pairs = met(bids, asks)
    if not pairs:
        return None, 0
    bid, ask = pairs[-1]
    left_bids = units(bids, -1)[len(pairs) :]
    left_asks = units(asks, 1)[len(pairs) :]
    if left_bids and left_bids[0] == bid:
        return bid, len(pairs)
    if left_asks and left_asks[0] == ask:
        return ask, len(pairs)
    return max([ask, *left_bids[:1]]), len(pairs)


def gsy_levels(bids, asks):
    """(price, lots wanted at it or above, lots offered at it or below) of each bid price, ascending."""
    for level in sorted({price for price, _ in bids}):
        wanted = sum(quantity for price, quantity in bids if price >= level)
        offered = sum(quantity for price, quantity in asks if price <= level)
        yield level, wanted, offered


def gsy(bids, asks):
    """The lowest bid price at which supply covers all demand; without one the highest that meets any offer."""
    levels = list(gsy_levels(bids, asks))
    for price, wanted, offered in levels:
        if offered >= wanted:
            return price, wanted
    for price, _, offered in reversed(levels):
        if offered:
            return price, offered
    return None, 0


def gsy_pab(bids, asks):
    """Offers from the dearest, each scanning the bids from the highest: lots of each (bid, ask) price."""
    left = [quantity for _, quantity in bids]
    order = sorted(range(len(bids)), key=lambda row: -bids[row][0])
    trades = Counter()
    for ask, quantity in sorted(asks, reverse=True):
        for row in order:
            lots = min(quantity, left[row])
            if lots and bids[row][0] >= ask:
                trades[bids[row][0], ask] += lots
                left[row] -= lots
                quantity -= lots
    return trades


RULES = {
    "assume": last_pair(lambda bid, ask, *_: ask),
    "lemlab": last_pair(lambda bid, ask, *_: (bid + ask) // 2),
    "gsy": gsy,
    "gsy_dex": last_pair(dex),
    "simply": last_pair(lambda bid, ask, *_: ask),
    "tesp": tesp,
    "powertac": last_pair(power_tac),
    "amiris": amiris,
}
# Lots of each (bid, ask) price, and the price that the pair trades at.
PAIRWISE = {
    "gsy_pab": (gsy_pab, lambda bid, ask: bid),
    "lemlab_discriminatory": (lambda bids, asks: Counter(met(bids, asks)), lambda bid, ask: (bid + ask) // 2),
    "simply_pab": (lambda bids, asks: Counter(met(bids, asks)), lambda bid, ask: bid),
}

ON_E = {
    "assume": (20, 20),
    "lemlab": (25, 20),
    "gsy": (50, 6),
    "gsy_dex": (20, 20),
    "simply": (20, 20),
    "tesp": (30, 20),
    "powertac": (21, 20),
    "amiris": (30, 20),
}


@pytest.mark.parametrize("name", RULES)
def test_example_e_by_hand(name):
    assert RULES[name](*E) == ON_E[name]


def clear_side_lists(name, bids, asks):
    rows = [("buy", *order) for order in bids] + [("sell", *order) for order in asks]
    one = lies.book(*rows)
    return fc.clear(lies.columns(one, one.price[:, None, :], one.quantity[:, None, :]), fc.mechanism(name))


@pytest.mark.parametrize("name", RULES)
def test_example_e(name):
    clearing = clear_side_lists(name, *E)
    (market,) = clearing.markets.to_dicts()
    assert (Fraction(market["price"], clearing.den), market["volume"]) == ON_E[name]
    clearing.audit()


def test_example_e_pay_as_bid():
    clearing = clear_side_lists("gsy_pab", *E)
    assert clearing.markets["volume"].to_list() == [26]
    # The ask at 31 trades although it is beyond the crossing.
    assert clearing.filled.tolist()[-1] == 6


def test_one_book_four_prices():
    assert {price for price, _ in ON_E.values()} == {20, 21, 25, 30, 50}


SHAPES = [(0, 2), (2, 0), (1, 1), (2, 3), (4, 4), (7, 5)]


def random_books(seed):
    for buyers, sellers in SHAPES:
        yield draw(seed, count(120), buyers, sellers, most=6, top=24)


@pytest.mark.parametrize("name", RULES)
def test_random_books(name):
    traded = 0
    for books in random_books(91):
        call = lies.columns(books, books.price[:, None, :], books.quantity[:, None, :])
        clearing = fc.clear(call, fc.mechanism(name))
        clearing.audit()
        markets = clearing.markets
        filled = clearing.filled.reshape(books.price.shape)
        for number in range(len(books)):
            price, volume = RULES[name](*books.sides(number))
            got = markets["price"][number]
            assert markets["volume"][number] == volume
            assert (None if got is None else Fraction(got, clearing.den)) == price
            traded += volume > 0
            check_merit(books, number, filled[number])
    assert traded > BOOKS * 200


def check_merit(books, number, filled):
    """Nobody trades while a better-priced order of the same side is left with lots."""
    for buy in (True, False):
        rows = np.flatnonzero(books.buy == buy)
        gain = books.price[number, rows] * (1 if buy else -1)
        worst = gain[filled[rows] > 0].min(initial=10**6)
        better = gain > worst
        assert (filled[rows][better] == books.quantity[number, rows][better]).all()


@pytest.mark.parametrize("name", PAIRWISE)
def test_random_books_pair_by_pair(name):
    rule, price_of = PAIRWISE[name]
    for books in random_books(92):
        call = lies.columns(books, books.price[:, None, :], books.quantity[:, None, :])
        clearing = fc.clear(call, fc.mechanism(name))
        clearing.audit()
        got = [Counter() for _ in range(len(books))]
        trades = clearing.trade_columns
        limits = books.price.reshape(-1).tolist()
        size = len(books.buy)
        rows = (trades[key].tolist() for key in ("buy_row", "sell_row", "quantity", "buy_price", "sell_price"))
        for buy, sell, lots, pays, gets in zip(*rows, strict=True):
            # The buyer pays what the seller receives.
            assert pays == gets == clearing.den * price_of(limits[buy], limits[sell])
            got[buy // size][limits[buy], limits[sell]] += lots
        for number in range(len(books)):
            assert got[number] == rule(*books.sides(number))


def test_every_engine_is_written_down_here():
    assert set(RULES) | set(PAIRWISE) == set(ENGINES)
    for name in ENGINES:
        assert fc.mechanism(name.replace("_", "-")) == fc.mechanism(name)


def test_where_the_engines_disagree():
    """How often the engines quote another price, or another volume, than the assume preset."""
    prices, volumes = Counter(), Counter()
    for books in random_books(93):
        for number in range(len(books)):
            quotes = {name: rule(*books.sides(number)) for name, rule in RULES.items()}
            for name, (price, volume) in quotes.items():
                prices[name] += price != quotes["assume"][0]
                volumes[name] += volume != quotes["assume"][1]
    assert prices["simply"] == 0
    assert {name for name, differing in prices.items() if differing == 0} == {"assume", "simply"}
    assert {name for name, differing in volumes.items() if differing} == {"gsy"}


def test_scarce_side_looks_at_the_whole_book():
    """A bid that is cut does not count as scarcity while an ask is left, however dear (GSy DEX)."""
    cases = [
        ([(20, 5)], [(10, 3), (30, 1)], 10),
        ([(20, 5)], [(10, 3)], 20),
        ([(20, 3), (17, 4), (5, 1)], [(8, 3), (10, 4)], 17),
        ([(20, 3), (17, 4)], [(8, 3), (10, 4)], 10),
        ([(20, 3), (17, 4), (9, 100)], [(8, 3), (10, 4), (30, 1)], 10),
        ([(17, 1)], [(10, 2)], 10),
    ]
    for bids, asks, price in cases:
        assert RULES["gsy_dex"](bids, asks)[0] == price
        assert clear_side_lists("gsy_dex", bids, asks).markets["price"].to_list() == [price]
