"""The discriminatory auction: every output against the twin, and what its trades must obey."""

import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from reference import oracles
from reference.compare import check_against_twin, check_universal, discriminatory_parameters, mechanism

import fastclear as fc
from fastclear import testing


@given(testing.orders(market_orders=True, faults=True), discriminatory_parameters)
def test_all_outputs_equal_the_twin(frame, parameters):
    clearing, _ = check_against_twin(frame, "discriminatory", parameters)
    check_universal(frame, clearing, parameters["fee"])


@given(testing.orders(max_size=40, max_markets=2, prices=(-3, 6), quantities=(1, 6)), discriminatory_parameters)
def test_dense_books_equal_the_twin(frame, parameters):
    clearing, _ = check_against_twin(frame, "discriminatory", parameters)
    check_universal(frame, clearing, parameters["fee"])


@pytest.mark.parametrize("distribution", ["narrow", "community", "wide", "one_price", "crossed", "apart"])
def test_larger_books_equal_the_twin(distribution):
    columns = testing.random_orders(600, markets=5, seed=8, distribution=distribution)
    sides = pl.when(pl.col("side") == 1).then(pl.lit("buy")).otherwise(pl.lit("sell"))
    frame = pl.DataFrame(columns).with_columns(side=sides)
    for rule in ("k", "bid", "ask", "earlier"):
        clearing, _ = check_against_twin(frame, "discriminatory", {"rule": rule, "fee": 17})
        check_universal(frame, clearing, 17)


@given(testing.books(), discriminatory_parameters)
def test_every_trade_lies_between_ask_and_bid(book, parameters):
    clearing = fc.clear(book, mechanism("discriminatory", parameters))
    columns = clearing.trade_columns
    bid = book["price"].to_numpy()[columns["buy_row"]]
    ask = book["price"].to_numpy()[columns["sell_row"]]
    assert (columns["buy_price"] <= bid).all()
    assert (columns["sell_price"] >= ask).all()
    fee = parameters["fee"]
    if parameters["rule"] == "bid":
        assert (columns["buy_price"] == bid).all()
    if parameters["rule"] == "ask":
        assert (columns["sell_price"] == ask).all()
    if parameters["rule"] == "earlier":
        assert ((columns["buy_price"] == bid) | (columns["buy_price"] == ask + fee)).all()


@given(testing.books(), discriminatory_parameters)
def test_welfare_is_the_optimum_of_the_linear_program(book, parameters):
    fee = min(parameters["fee"], 15)
    clearing = fc.clear(book, mechanism("discriminatory", parameters | {"fee": fee}))
    assume(not clearing.markets.is_empty())
    bids = book.filter(side="buy").select(pl.col("price") - fee, "quantity").rows()
    asks = book.filter(side="sell").select("price", "quantity").rows()
    row = clearing.markets.row(0, named=True)
    assert row["welfare"] - row["surplus"] == oracles.lp_welfare(bids, asks)
    assert row["volume"] == oracles.lp_volume(bids, asks)
    assert row["volume"] <= oracles.lp_max_volume(bids, asks) <= 2 * row["volume"]


@given(testing.orders(), discriminatory_parameters)
def test_fills_are_those_of_the_uniform_auction_by_time(frame, parameters):
    fee = parameters["fee"]
    one = fc.clear(frame, mechanism("discriminatory", parameters))
    two = fc.clear(frame, fc.Uniform(rationing="time", fee=fee))
    assert one.filled.tolist() == two.filled.tolist()
    for key in ("buy_row", "sell_row", "quantity"):
        assert one.trade_columns[key].tolist() == two.trade_columns[key].tolist()
    assert one.markets["welfare"].equals(two.markets["welfare"])


@given(testing.orders(max_size=10))
def test_bid_and_ask_are_the_ends_of_k(frame):
    for rule, k in (("bid", 1), ("ask", 0)):
        one = fc.clear(frame, fc.Discriminatory(rule=rule))
        two = fc.clear(frame, fc.Discriminatory(k=k))
        assert one.payment.tolist() == two.payment.tolist()


@given(testing.books(), st.integers(-(10**6), 10**6), discriminatory_parameters)
def test_prices_shift_together(book, shift, parameters):
    rule = mechanism("discriminatory", parameters)
    before = fc.clear(book, rule)
    after = fc.clear(book.with_columns(pl.col("price") + shift), rule)
    assert after.filled.tolist() == before.filled.tolist()
    for key in ("buy_price", "sell_price"):
        assert (after.trade_columns[key] - before.trade_columns[key]).tolist() == [shift] * len(before.trades)


def test_earlier_breaks_equal_times_by_id():
    book = {"side": ["buy", "sell"], "price": [30, 10], "quantity": [1, 1], "time": [5, 5]}
    for ids, price in (([1, 2], 30), ([2, 1], 10), ([-1, 0], 30), (["b", "a"], 10), (["B", "a"], 30)):
        clearing = fc.clear(pl.DataFrame(book | {"order": ids}), fc.Discriminatory(rule="earlier"))
        assert clearing.trades["buy_price"].to_list() == [price]
    late = book | {"order": [1, 2], "time": [6, 5]}
    assert fc.clear(pl.DataFrame(late), fc.Discriminatory(rule="earlier")).payment.tolist() == [10, -10]


@pytest.mark.parametrize(
    "bad",
    [
        {"k": -1},
        {"k": 2},
        {"k": float("inf")},
        {"rule": "first"},
        {"price_round": "none"},
        {"fee": -1},
    ],
    ids=str,
)
def test_impossible_parameters_are_refused(bad):
    with pytest.raises(fc.MechanismError, match=next(iter(bad))):
        fc.Discriminatory(**bad)
