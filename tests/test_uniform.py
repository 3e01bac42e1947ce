"""The uniform-price auction: every output against the twin, and what the market must obey."""

from fractions import Fraction

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from reference import oracles
from reference.compare import check_against_twin, check_universal, mechanism, uniform_parameters

import fastclear as fc
from fastclear import testing

prices = st.integers(0, 40)
quantities = st.integers(1, 9)


def book_of(*rows):
    """A book from (side, price, quantity) or (side, price, quantity, time) tuples; ids are row numbers."""
    return pl.DataFrame(
        {
            "side": [row[0] for row in rows],
            "price": [row[1] for row in rows],
            "quantity": [row[2] for row in rows],
            "time": [row[3] if len(row) > 3 else 0 for row in rows],
        }
    )


def with_order(book, side, price, quantity):
    """The book and one order more, which comes last in every tie."""
    new = {
        "side": [side],
        "price": [price],
        "quantity": [quantity],
        "order": [book.height + 1],
        "time": [10],
    }
    return pl.concat([book, pl.DataFrame(new)])


def interval(clearing):
    if clearing.markets.is_empty():
        return None
    (row,) = clearing.markets.select("price_low", "price_high").rows()
    return None if row[0] is None else row


@given(testing.orders(market_orders=True, faults=True), uniform_parameters)
def test_all_outputs_equal_the_twin(frame, parameters):
    clearing, _ = check_against_twin(frame, "uniform", parameters)
    check_universal(frame, clearing, parameters["fee"])


@given(testing.orders(max_size=40, max_markets=2, prices=(-3, 6), quantities=(1, 6)), uniform_parameters)
def test_dense_books_equal_the_twin(frame, parameters):
    clearing, _ = check_against_twin(frame, "uniform", parameters)
    check_universal(frame, clearing, parameters["fee"])


@pytest.mark.parametrize("distribution", ["narrow", "community", "wide", "one_price", "crossed", "apart"])
def test_larger_books_equal_the_twin(distribution):
    columns = testing.random_orders(600, markets=5, seed=7, distribution=distribution)
    frame = pl.DataFrame(columns).with_columns(
        side=pl.when(pl.col("side") == 1).then(pl.lit("buy")).otherwise(pl.lit("sell"))
    )
    for rationing in ("pro_rata", "time", "equal"):
        parameters = {"k": Fraction(1, 3), "rationing": rationing, "fee": 17}
        clearing, _ = check_against_twin(frame, "uniform", parameters)
        check_universal(frame, clearing, 17)


@given(testing.books(), uniform_parameters)
def test_welfare_is_the_optimum_of_the_linear_program(book, parameters):
    fee = min(parameters["fee"], 15)
    clearing = fc.clear(book, mechanism("uniform", parameters | {"fee": fee}))
    assume(not clearing.markets.is_empty())
    bids = book.filter(side="buy").select(pl.col("price") - fee, "quantity").rows()
    asks = book.filter(side="sell").select("price", "quantity").rows()
    row = clearing.markets.row(0, named=True)
    assert row["welfare"] - row["surplus"] == oracles.lp_welfare(bids, asks)
    assert row["volume"] == oracles.lp_volume(bids, asks, largest=parameters["zero_surplus"])
    if row["price"] is not None:
        low, high = oracles.lp_interval(bids, asks)
        assert (row["price_low"], row["price_high"]) == (low, high)
        assert low <= row["price"] <= high


@given(testing.books(), uniform_parameters)
def test_a_clearing_price_leaves_nobody_wanting(book, parameters):
    """Strictly better than the price: filled whole. Strictly worse: not at all."""
    clearing = fc.clear(book, mechanism("uniform", parameters | {"fee": 0}))
    assume(interval(clearing) is not None)
    price = clearing.markets["price"][0]
    for order, filled in zip(book.to_dicts(), clearing.filled.tolist(), strict=True):
        gain = (order["price"] - price) * (1 if order["side"] == "buy" else -1)
        if gain > 0:
            assert filled == order["quantity"]
        if gain < 0:
            assert filled == 0


@st.composite
def open_books(draw):
    """Books whose interval of clearing prices holds at least one tick strictly inside."""
    book = draw(testing.books(max_size=10))
    (low, high) = sorted(draw(st.lists(prices, min_size=2, max_size=2, unique_by=lambda price: price // 3)))
    # Bids at or below `low` and asks at or above `high` are losers; the rest trades in equal quantity.
    winners = draw(quantities)
    shift = pl.when(pl.col("side") == "buy").then(pl.col("price").clip(upper_bound=low))
    book = book.with_columns(price=shift.otherwise(pl.col("price").clip(lower_bound=high)))
    return with_order(with_order(book, "buy", high, winners), "sell", low, winners)


@given(open_books(), quantities, st.sampled_from(["buy", "sell"]), st.data())
def test_an_order_inside_the_interval_moves_its_end_and_nothing_else(book, quantity, side, data):
    before = fc.clear(book, fc.Uniform(rationing="time"))
    low, high = interval(before)
    assume(low + 1 < high)
    price = data.draw(st.integers(low + 1, high - 1))
    after = fc.clear(with_order(book, side, price, quantity), fc.Uniform(rationing="time"))
    assert after.filled.tolist() == [*before.filled.tolist(), 0]
    assert interval(after) == ((price, high) if side == "buy" else (low, price))


@given(testing.books(), st.integers(1, 20), quantities, st.sampled_from(["buy", "sell"]), uniform_parameters)
def test_an_order_beyond_the_interval_changes_nothing(book, distance, quantity, side, parameters):
    rule = mechanism("uniform", parameters | {"fee": 0})
    before = fc.clear(book, rule)
    assume(interval(before) is not None)
    low, high = interval(before)
    price = low - distance if side == "buy" else high + distance
    after = fc.clear(with_order(book, side, price, quantity), rule)
    assert after.filled.tolist() == [*before.filled.tolist(), 0]
    assert after.payment.tolist() == [*before.payment.tolist(), 0]
    assert interval(after) == interval(before)


@given(testing.books(), st.integers(-(10**6), 10**6), uniform_parameters)
def test_prices_shift_together(book, shift, parameters):
    rule = mechanism("uniform", parameters | {"fee": 0})
    before = fc.clear(book, rule)
    after = fc.clear(book.with_columns(pl.col("price") + shift), rule)
    assert after.filled.tolist() == before.filled.tolist()
    if interval(before) is not None:
        columns = pl.col("price", "price_low", "price_high")
        expected = before.markets.select(columns + shift)
        assert after.markets.select(columns).equals(expected)


@given(testing.books(), st.sampled_from(["pro_rata", "time", "equal"]), st.booleans())
def test_swapped_sides_with_negated_prices_mirror_the_market(book, rationing, zero_surplus):
    mirrored = book.with_columns(-pl.col("price"), side=pl.col("side").replace_strict({"buy": "sell", "sell": "buy"}))
    # The mirror image of floor with share k is ceil with share 1 - k.
    one = fc.clear(
        book,
        fc.Uniform(k=Fraction(1, 3), rationing=rationing, price_round="floor", zero_surplus=zero_surplus),
    )
    two = fc.clear(
        mirrored,
        fc.Uniform(k=Fraction(2, 3), rationing=rationing, price_round="ceil", zero_surplus=zero_surplus),
    )
    assert two.filled.tolist() == one.filled.tolist()
    assert two.payment.tolist() == one.payment.tolist()
    if interval(one) is not None:
        low, high = interval(one)
        assert interval(two) == (-high, -low)


@given(testing.books(), st.data())
def test_splitting_an_order_changes_nothing_under_time(book, data):
    wide = [row for row in range(book.height) if book["quantity"][row] > 1]
    assume(wide)
    row = data.draw(st.sampled_from(wide))
    part = data.draw(st.integers(1, book["quantity"][row] - 1))
    # Ids are doubled to make room for the second half right behind the first.
    roomy = book.with_columns(pl.col("order") * 2)
    whole = fc.clear(roomy, fc.Uniform(rationing="time"))
    quantity = roomy["quantity"].to_list()
    quantity[row] -= part
    rest = roomy[row].with_columns(pl.col("order") + 1, quantity=pl.lit(part, dtype=pl.Int64))
    split = fc.clear(pl.concat([roomy.with_columns(quantity=pl.Series(quantity)), rest]), fc.Uniform(rationing="time"))
    filled = split.filled.tolist()
    filled[row] += filled.pop()
    assert filled == whole.filled.tolist()
    assert interval(split) == interval(whole)


def test_splitting_an_order_matters_under_pro_rata():
    """Hamilton is not split-proof: the largest of 4, 3, 3 gets the one lot; as 2 + 2 it does not."""
    whole = fc.clear(book_of(("buy", 9, 4), ("buy", 9, 3), ("buy", 9, 3), ("sell", 1, 1)), fc.Uniform())
    assert whole.filled.tolist() == [1, 0, 0, 1]
    split = fc.clear(book_of(("buy", 9, 2), ("buy", 9, 2), ("buy", 9, 3), ("buy", 9, 3), ("sell", 1, 1)), fc.Uniform())
    assert split.filled.tolist() == [0, 0, 1, 0, 1]


@given(testing.books(), st.integers(1, 20), st.data(), uniform_parameters)
def test_raising_a_filled_bid_never_lowers_its_fill(book, rise, data, parameters):
    rule = mechanism("uniform", parameters)
    before = fc.clear(book, rule)
    filled = [r for r in range(book.height) if book["side"][r] == "buy" and before.filled[r] > 0]
    assume(filled)
    row = data.draw(st.sampled_from(filled))
    price = book["price"].to_list()
    price[row] += rise
    after = fc.clear(book.with_columns(price=pl.Series(price)), rule)
    assert after.filled[row] >= before.filled[row]


@given(testing.orders(market_orders=True), uniform_parameters)
def test_quantities_scale_under_time(frame, parameters):
    """Lots are only a unit: three times the quantities trade three times as much at the same prices."""
    assume(frame["quantity"].max() is None or frame["quantity"].max() < 2**29)
    rule = mechanism("uniform", parameters | {"rationing": "time"})
    one = fc.clear(frame, rule)
    three = fc.clear(frame.with_columns(pl.col("quantity") * 3), rule)
    assert three.filled.tolist() == [3 * lots for lots in one.filled.tolist()]
    assert three.payment.tolist() == [3 * money for money in one.payment.tolist()]


def test_extremes_stay_exact():
    top, most = testing.PRICE_MAX, testing.QUANTITY_MAX
    n = 50
    frame = pl.DataFrame({"side": ["buy", "sell"] * n, "price": [top, top] * n, "quantity": [most] * 2 * n})
    for rationing in ("pro_rata", "time", "equal"):
        clearing = fc.clear(frame, fc.Uniform(rationing=rationing))
        assert clearing.filled.tolist() == [most] * 2 * n
        assert clearing.payment.tolist() == [top * most, -top * most] * n
        # More than 64 bits hold.
        assert int(clearing.markets["buyer_payment"][0]) == n * top * most > 2**63
    frame = frame.with_columns(-pl.col("price"))
    assert fc.clear(frame, fc.Uniform()).payment.tolist() == [-top * most, top * most] * n
    far = pl.DataFrame({"side": ["buy", "sell"], "price": [top, -top], "quantity": [most, most]})
    clearing = fc.clear(far, fc.Uniform())
    assert clearing.markets.select("price", "price_low", "price_high").row(0) == (0, -top, top)
    assert int(clearing.markets["welfare"][0]) == 2 * top * most
    clearing.audit()


def test_pro_rata_of_huge_quantities_needs_more_than_64_bits():
    most = testing.QUANTITY_MAX
    book = book_of(*[("buy", 5, most - i, 0) for i in range(9)], ("sell", 5, most), ("sell", 5, most // 2))
    check_against_twin(book, "uniform", {"rationing": "pro_rata"})
    check_against_twin(book, "uniform", {"rationing": "equal"})


@pytest.mark.parametrize("k", [0.5, Fraction(1, 2), (1, 2), 0, 1, 1.0, np.float64(0.25), (999_999, 1_000_000)])
def test_k_is_taken_exactly(k):
    exact = Fraction(*k) if isinstance(k, tuple) else Fraction(k)
    book = book_of(("buy", 1_000_000, 1), ("sell", 0, 1))
    clearing = fc.clear(book, fc.Uniform(k=k))
    assert clearing.markets["price"].to_list() == [int(exact * 1_000_000)]


def test_k_as_float_is_the_nearest_fraction_with_a_small_denominator():
    # 0.7 as a double lies below 7/10: taken at its exact value, the floor would be 6,999.
    for k, price in ((0.1, 1_000), (0.7, 7_000), (0.3, 3_000), (1 / 3, 3_333)):
        assert fc.clear(book_of(("buy", 10_000, 1), ("sell", 0, 1)), fc.Uniform(k=k)).markets["price"].to_list() == [
            price
        ]


@pytest.mark.parametrize(
    "bad",
    [
        {"k": -0.1},
        {"k": 1.1},
        {"k": float("nan")},
        {"k": (1, 0)},
        {"k": "half"},
        {"rationing": "fair"},
        {"price_round": "up"},
        {"fee": -1},
        {"fee": 0.5},
    ],
    ids=str,
)
def test_impossible_parameters_are_refused(bad):
    with pytest.raises(fc.MechanismError, match=next(iter(bad))):
        fc.Uniform(**bad)
