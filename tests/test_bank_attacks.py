"""What members may try: splitting, replaying, releasing twice, paying themselves, leaving, prices below zero, overflow.

Every bank here runs with `audit=True`, so that each call is also held against the postings.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import fastclear as fc
from fastclear.orders import encode

NAMES = ["Ada", "Bo", "Cem"]
BIG = 2**31 - 1
CREDIT = fc.RejectReason.CREDIT_EXCEEDED


def bank(deposit: int = 10**6, limit: int = 0, tax_ppm: int = 200_000, **rates: int) -> fc.Settlement:
    tariff = fc.Tariff(**{"retail": 30, "feed_in": 5, "platform_fee": 1, "network_fee": 2, **rates}, tax_ppm=tax_ppm)
    new = fc.Settlement(tariff=tariff, audit=True)
    new.open(NAMES, limit)
    new.deposit(NAMES, deposit)
    return new


def book(*rows: tuple[str, str, int, int]) -> pl.DataFrame:
    """Rows of side, participant, price, quantity; the row is the order's id."""
    frame = pl.DataFrame(rows, schema=["side", "participant", "price", "quantity"], orient="row")
    return frame.with_columns(order=pl.int_range(pl.len()))


def posted(house: fc.Settlement, name: str) -> int:
    row = house.balances.filter((pl.col("participant") == name) | (pl.col("role") == name))
    return int(row["posted"].item())


class Hand:
    """A clearing by hand: any trades, whether or not an auction would make them."""

    def __init__(self, orders: Any, *trades: tuple[int, int, int, int, int]) -> None:
        self.orders = encode(orders)
        names = ("buy_row", "sell_row", "quantity", "buy_price", "sell_price")
        frame = pl.DataFrame(trades, schema=dict.fromkeys(names, pl.Int64), orient="row")
        self.trade_columns = {name: frame[name].to_numpy() for name in names}


# -- splitting
# ------------------------------------------------------------------------------------------------------

cuts = st.lists(st.integers(1, 30), min_size=1, max_size=8)


@given(cuts, st.integers(-4, 60), st.sampled_from([0, 1, 190_000, 333_333, 500_000, 1_000_000]))
@example([1] * 8, 2, 200_000)
def test_splitting_a_bid_saves_half_a_nano_a_trade_at_most(pieces: list[int], price: int, tax_ppm: int) -> None:
    """Tax is rounded line by line: that is all there is to gain, and the tax office loses what the member gains."""
    results = []
    for parts in ([sum(pieces)], pieces):
        house = bank(tax_ppm=tax_ppm)
        rows = book(*[("buy", "Ada", price, part) for part in parts], ("sell", "Bo", price, sum(parts)))
        assert not house.reserve(rows).any()
        results.append((house.available("Ada"), len(parts)))
        house.settle(Hand(rows, *[(row, len(parts), part, price, price) for row, part in enumerate(parts)]))
        results[-1] += (posted(house, "Ada"), posted(house, "Bo"), posted(house, "tax"))
    (free, one, ada, bo, tax), (split_free, many, split_ada, split_bo, split_tax) = results
    assert split_free == free, "no way of splitting needs less cover"
    assert abs(split_ada - ada) <= (one + many) / 2
    assert split_ada - ada == tax - split_tax, "nobody else pays for it"
    assert split_bo == bo


@given(cuts, st.integers(0, 400))
def test_splitting_never_reaches_beyond_the_limit(pieces: list[int], deposit: int) -> None:
    house = bank(deposit, limit=50, tax_ppm=333_333)
    codes = house.reserve(book(*[("buy", "Ada", 7, part) for part in pieces]))
    unit = 7 + 3 + 4  # a third of ten, rounded up
    left = deposit + 50
    for code, part in zip(codes.tolist(), pieces, strict=True):
        assert code == (CREDIT if unit * part > left else 0)
        left -= 0 if code else unit * part
    assert house.available("Ada") == left


@given(cuts)
def test_splitting_a_midpoint_feeds_the_rounding_account_only(pieces: list[int]) -> None:
    """At a price between two ticks buyer and seller both lose the half that nobody can hold."""
    house = bank(platform_fee=0, network_fee=0, tax_ppm=0)
    rows = [row for part in pieces for row in (("buy", "Ada", 16, part), ("sell", "Bo", 15, part))]
    orders = book(*rows).with_columns(market=pl.int_range(pl.len()) // 2)
    house.settle(fc.clear(orders, fc.Uniform(price_rule="last_pair_midpoint", price_round=None)))
    assert 0 <= posted(house, "rounding") <= len(pieces)
    assert posted(house, "rounding") == sum(part % 2 for part in pieces)
    assert sum(posted(house, name) for name in (*NAMES, "rounding")) == 3 * 10**6


# -- the same again, in another order
# -------------------------------------------------------------------------------

PAIR = book(("buy", "Ada", 20, 10), ("sell", "Bo", 15, 10))


def test_a_replayed_submission_is_covered_again_and_drawn_once() -> None:
    """Ids are the member's own: the same bid twice is two bids, and can never cost more than both covers."""
    house = bank(300)
    assert house.reserve(PAIR).tolist() == [0, 0]
    assert house.reserve(PAIR).tolist() == [CREDIT, 0], "280 are set aside, 20 are left"
    house.deposit("Ada", 300)
    assert house.reserve(PAIR).tolist() == [0, 0]
    clearing = fc.clear(PAIR, fc.Uniform(k=0))
    house.settle(clearing)
    assert house.balances["pending_out"].sum() == 280, "one is drawn, one is open"
    with pytest.raises(fc.SettlementError, match="settled already"):
        house.settle(clearing)
    assert posted(house, "Bo") == 300 + 150


def test_orders_settle_the_same_in_any_order_of_rows_and_clearings() -> None:
    rows = [("buy", "Ada", 20, 4), ("buy", "Bo", 19, 3), ("sell", "Cem", 9, 5), ("sell", "Ada", 11, 2)]
    elsewhere = PAIR.with_columns(market=pl.lit(1))
    ends = set()
    for shuffled in permutations(range(4)):
        house = bank()
        orders = book(*rows)[list(shuffled)]
        assert not house.reserve(orders).any()
        readings = pl.DataFrame({"participant": NAMES, "energy_wh": [4, 2, -5]})
        clearings = [fc.clear(orders, fc.Uniform()), fc.clear(elsewhere, fc.Uniform(k=0))]
        house.settle(clearings[:: 1 if shuffled[1] < 2 else -1], readings[:: 1 if shuffled[0] < 2 else -1])
        ends.add(tuple(house.balances["posted"].to_list()))
    assert len(ends) == 1


def test_a_bid_is_released_once() -> None:
    house = bank(300)
    house.reserve(PAIR)
    nothing = [fc.clear(PAIR.with_columns(price=pl.Series([1, 2])), fc.Uniform()) for _ in range(2)]
    assert house.available("Ada") == 20
    house.settle(nothing[0])
    assert house.available("Ada") == 300
    for again in nothing:
        house.settle(again)
    house.settle([nothing[0], nothing[1]])
    assert house.available("Ada") == 300
    house.reserve(PAIR)
    house.settle([nothing[1], nothing[0]])
    assert house.available("Ada") == 300, "one bid in two clearings of a slot is one bid"


# -- one member on both sides, and members who leave
# ------------------------------------------------------------------


@given(st.integers(-9, 40), st.integers(1, 50), st.booleans())
def test_paying_oneself_costs_fees_and_tax(price: int, quantity: int, reserve: bool) -> None:
    house = bank()
    rows = book(("buy", "Ada", price, quantity), ("sell", "Ada", price, quantity))
    if reserve:
        house.reserve(rows)
    receipts = house.settle(fc.clear(rows, fc.Uniform()), {"participant": ["Ada"], "energy_wh": [0]})
    bill = receipts.by_participant().row(0, named=True)
    tax = round((price + 3) * quantity * 0.2)  # far from what a float cannot hold
    assert (bill["energy"], bill["platform"], bill["network"], bill["tax"]) == (0, quantity, 2 * quantity, tax)
    assert bill["imbalance"] == bill["residual"] == bill["feed_in"] == 0
    assert posted(house, "Ada") == 10**6 - 3 * quantity - tax


def test_who_leaves_with_open_positions_has_paid_for_them() -> None:
    house = bank(300)
    house.reserve(PAIR)
    with pytest.raises(fc.SettlementError, match="20"):
        house.withdraw("Ada", 21)
    house.withdraw("Ada", 20)
    house.set_limit("Ada", 0)
    others = posted(house, "Cem")
    house.settle(fc.clear(PAIR, fc.Uniform(k=1)))
    assert (posted(house, "Ada"), posted(house, "Bo"), posted(house, "Cem")) == (4, 500, others)
    house.settle([], {"participant": ["Ada"], "energy_wh": [10]})  # energy flows after the money is gone
    assert (house.available("Ada"), house.status["Ada"]) == (-356, "restricted")
    assert house.reserve(book(("buy", "Ada", -3, 1))).tolist() == [CREDIT]
    with pytest.raises(fc.SettlementError):
        house.withdraw("Ada", 1)
    assert house.exposure.frame.filter(participant="Ada")["exposure"].item() == 356


def test_a_limit_that_is_cut_leaves_bids_in_flight_and_stops_new_ones() -> None:
    house = bank(0, limit=280)
    assert house.reserve(PAIR).tolist() == [0, 0]
    house.set_limit("Ada", 100)
    assert (house.available("Ada"), house.status["Ada"]) == (-180, "restricted")
    assert house.reserve(PAIR).tolist() == [CREDIT, 0]
    house.settle(fc.clear(PAIR, fc.Uniform(k=0)))
    assert posted(house, "Ada") == -(150 + 30 + 36)
    house.deposit("Ada", 116)
    assert house.status["Ada"] == "active"


# -- prices below zero
# ------------------------------------------------------------------------------------------------


def test_at_negative_prices_the_seller_pays_and_may_end_restricted() -> None:
    house = bank(0)
    rows = book(("buy", "Ada", -10, 8), ("sell", "Bo", -20, 8))
    assert house.reserve(rows).tolist() == [0, 0], "the worst case of a negative bid is nothing"
    house.settle(fc.clear(rows, fc.Uniform(k=1)))
    # -10 and 3 of fees, and 20 % of -7, which is -1.4: (-80 + 24) and round(-11.2)
    assert (posted(house, "Ada"), posted(house, "Bo")) == (80 - 24 + 11, -80)
    assert (posted(house, "tax"), house.status["Bo"]) == (-11, "restricted")
    house.withdraw("Ada", 67)
    with pytest.raises(fc.SettlementError):
        house.withdraw("Ada", 1)


def test_a_restricted_member_may_be_paid_for_taking_energy() -> None:
    house = bank(0)
    house.settle([], {"participant": ["Ada"], "energy_wh": [1]})
    assert house.status["Ada"] == "restricted"
    rows = book(("buy", "Ada", -10, 8), ("sell", "Bo", -20, 8))
    assert house.reserve(rows).tolist() == [CREDIT, 0]
    house.settle(fc.clear(rows, fc.Uniform(k=1)))  # on the spot: she owes less than nothing
    assert house.available("Ada") == -36 + 67


# -- the ends of the ranges
# -------------------------------------------------------------------------------------------


def test_the_dearest_bid_there_can_be() -> None:
    cover = 2 * (BIG + 2 * BIG) * BIG  # price, both fees at their largest, tax of 100 %
    assert cover > 2**63
    house = bank(2**62, limit=2**63 - 1, platform_fee=BIG, network_fee=BIG, tax_ppm=1_000_000)
    for _ in range(4):
        house.deposit("Ada", 2**63 - 1)
    assert house.reserve(book(("buy", "Ada", BIG, BIG))).tolist() == [CREDIT], "no posting holds its cover"
    assert house.reserve(book(("buy", "Ada", BIG, BIG // 4))).tolist() == [0]


def test_balances_pass_64_bits_and_come_back() -> None:
    house = bank(0)
    most = 2**63 - 1
    house.deposit(["Ada"] * 3, most)
    assert house.available("Ada") == 3 * most > 2**64
    statement = house.receipts().statement("Ada")
    assert statement.closing == 3 * most
    assert [int(value) for value in statement.frame["balance"]] == [0, most, 2 * most, 3 * most]
    house.withdraw(["Ada"] * 3, most)
    assert house.available("Ada") == 0


@pytest.mark.parametrize("sign", [1, -1])
def test_the_largest_readings(sign: int) -> None:
    house = bank(0, platform_fee=0, network_fee=0, tax_ppm=0, retail=1, feed_in=1)
    energy = sign * (2**63 - 1)
    house.settle([], {"participant": ["Ada"], "energy_wh": [energy]})
    assert posted(house, "Ada") == -energy
    with pytest.raises(fc.SettlementError, match="64 bits"):
        bank().settle([], {"participant": ["Ada"], "energy_wh": [energy]})  # at 30 ticks


REFUSALS: dict[str, Callable[[], Any]] = {
    "more than 64 bits in one order": lambda: Hand(
        book(*[("buy", "Ada", BIG, BIG)], *[("sell", "Bo", 0, BIG)] * 3), *[(0, 1 + i, BIG, BIG, 0) for i in range(3)]
    ),
    "a price out of range": lambda: Hand(PAIR, (0, 1, 1, 2**31, 15)),
    "a quantity out of range": lambda: Hand(PAIR, (0, 1, 2**31, 20, 15)),
    "no energy": lambda: Hand(PAIR, (0, 1, 0, 20, 15)),
    "energy backwards": lambda: Hand(PAIR, (0, 1, -1, 20, 15)),
    "sides exchanged": lambda: Hand(PAIR, (1, 0, 1, 20, 15)),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_no_auction_makes_is_refused_whole(name: str) -> None:
    house = bank(2**63 - 1, limit=2**63 - 1)
    before = house.balances
    with pytest.raises(fc.SettlementError):
        house.settle(REFUSALS[name]())
    assert house.balances.equals(before)
