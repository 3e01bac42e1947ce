"""Every mechanism against its naive twin: all that comes out, on books of every kind."""

import random
from fractions import Fraction

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.books import many_books
from reference.compare import (
    BOOKS,
    PARAMETERS,
    check_against_twin,
    check_universal,
    mechanism,
    parameters_of,
    twin,
)
from reference.twins import TWINS

import fastclear as fc
from fastclear import testing

EVERY = pytest.mark.parametrize("name", TWINS)
SOME = settings(max_examples=max(25, settings.default.max_examples // 2))


def agree(frame, name, parameters):
    clearing, expected = check_against_twin(frame, name, parameters)
    spread = parameters.get("spread_to") == "operator"
    check_universal(frame, clearing, parameters.get("fee", 0), name, spread=spread)
    return clearing, expected


@EVERY
@SOME
@given(st.data())
def test_all_outputs_equal_the_twin(name, data):
    """The whole range of numbers, market orders, faults, several markets, ids and columns of every kind."""
    columns = {"market_orders": data.draw(st.booleans()), "faults": data.draw(st.booleans())}
    if data.draw(st.booleans()):
        # Columns that are none of most mechanisms' business.
        columns |= {"min_quantity": True, "start_price": True}
    frame = data.draw(testing.orders(**columns | BOOKS.get(name, {})))
    agree(frame, name, data.draw(parameters_of(name)))


@EVERY
@SOME
@given(st.data())
def test_dense_books_equal_the_twin(name, data):
    """Few prices and small quantities: ties everywhere."""
    options = {"quantities": (1, 6)} | BOOKS.get(name, {})
    frame = data.draw(testing.orders(max_size=24, max_markets=2, prices=(-3, 6), **options))
    agree(frame, name, data.draw(parameters_of(name)))


@EVERY
@pytest.mark.parametrize("seed", range(10))
def test_a_thousand_books_equal_the_twin(name, seed):
    """A hundred books in each of ten calls, each with parameters of its own."""
    rng = random.Random(seed)
    frame = many_books(seed, 100, **BOOKS.get(name, {}))
    agree(frame, name, PARAMETERS[name](rng.choice))


@EVERY
@pytest.mark.parametrize("distribution", ["narrow", "community", "wide", "one_price", "crossed", "apart"])
def test_larger_books_equal_the_twin(name, distribution):
    columns = testing.random_orders(300, markets=4, seed=9, distribution=distribution)
    sides = pl.when(pl.col("side") == 1).then(pl.lit("buy")).otherwise(pl.lit("sell"))
    frame = pl.DataFrame(columns).with_columns(side=sides)
    if BOOKS.get(name, {}).get("quantities") == (1, 1):
        frame = frame.with_columns(quantity=pl.lit(1, dtype=pl.Int64))
    if name in ("vickrey", "muda"):
        # Twenty participants a side, so that most have several orders.
        owner = pl.col("order") % 20 * 2 + (pl.col("side") == "buy")
        frame = frame.with_columns(participant=owner.cast(pl.Int64))
    if name == "multi_round":
        away = pl.when(pl.col("side") == "buy").then(40_000).otherwise(-40_000)
        inside = (pl.col("price") - away).clip(-testing.PRICE_MAX, testing.PRICE_MAX)
        frame = frame.with_columns(start_price=inside)
    parameters = {
        "random_matching": {"seed": 2**64 - 1},
        "sbba": {"seed": 2**64 - 1},
        "muda": {"seed": 2**64 - 1, "variant": "vickrey"},
        "multi_round": {"buyer_step": 2_500, "seller_step": 1_500, "max_rounds": 40},
    }
    agree(frame, name, parameters.get(name, {}))


@EVERY
@settings(SOME, max_examples=25)
@given(st.data())
def test_the_order_of_rows_changes_nothing(name, data):
    """U5: with ids of their own, shuffled rows give every order the same."""
    frame = data.draw(testing.orders(prices=(-3, 6), max_size=12, **{"quantities": (1, 4)} | BOOKS.get(name, {})))
    if "order" not in frame.columns:
        frame = frame.with_row_index("order").with_columns(pl.col("order").cast(pl.Int64))
    rule = mechanism(name, data.draw(parameters_of(name)))
    moved = data.draw(st.permutations(range(frame.height)))
    one = fc.clear(frame, rule)
    two = fc.clear(frame[moved], rule)
    assert two.filled.tolist() == one.filled[moved].tolist()
    assert two.payment.tolist() == one.payment[moved].tolist()
    assert two.reject.tolist() == one.reject[moved].tolist()
    assert two.markets.equals(one.markets)
    assert two.trades.equals(one.trades)


@EVERY
@pytest.mark.parametrize("seed", range(3))
def test_a_market_does_not_know_the_others(name, seed):
    """Alone or among others, in lots and exact money: only the lots drawn hang on the rank of the market."""
    rng = random.Random(seed)
    frame = many_books(seed, 12, **BOOKS.get(name, {}))
    parameters = PARAMETERS[name](rng.choice)
    first = frame["market"].min()
    together = fc.clear(frame, mechanism(name, parameters))
    for market in frame["market"].unique().to_list():
        if "seed" in parameters and market != first:
            continue
        mine = (frame["market"] == market).to_numpy().nonzero()[0]
        alone = fc.clear(frame[mine], mechanism(name, parameters))
        assert alone.filled.tolist() == together.filled[mine].tolist()
        assert alone.reject.tolist() == together.reject[mine].tolist()
        exact = [Fraction(money, together.den) for money in together.payment[mine].tolist()]
        assert [Fraction(money, alone.den) for money in alone.payment.tolist()] == exact


@EVERY
def test_twins_reach_every_outcome_that_has_a_name(name):
    """Books that trade, and every branch: a comparison of nothing with nothing would prove nothing."""
    seen = set()
    for seed in range(16):
        rng = random.Random(seed)
        result = twin(name, PARAMETERS[name](rng.choice), many_books(seed, 100, **BOOKS.get(name, {})).to_dicts())
        for market in result["markets"]:
            seen.add("trade" if market["volume"] else "none")
            seen.add(market.get("branch"))
            if market.get("rounds", 0) > 2:
                seen.add("rounds")
            if market["surplus"]:
                seen.add("surplus")
        seen.update(result["reject"])
    wanted = {"trade", "none", 0}
    wanted |= {
        "uniform": {14, 15, "surplus"},
        "discriminatory": {14, 15, "surplus"},
        "vickrey": {16, "surplus"},
        "trade_reduction": {"all_trade", "reduced", 14, 16, 17, "surplus"},
        "huang": {16, 17, "surplus"},
        "sbba": {"seller_sets_price", "buyer_sets_price", 16, 17},
        "muda": {16, "surplus"},
        "average": {17},
        "multi_round": {19, "rounds"},
    }.get(name, set())
    assert wanted <= seen
