"""`clearing.audit()` passes on every result (see reference/compare.py) and fails on every tampered one."""

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from reference.compare import discriminatory_parameters, mechanism, uniform_parameters

import fastclear as fc
from fastclear import testing
from fastclear.audit import matching
from fastclear.audit.books import Entry

FRAME = pl.DataFrame(
    {
        "market": [1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2],
        "side": ["buy", "buy", "buy", "sell", "sell", "sell", "buy", "buy", "sell", "buy", "sell"],
        "price": [30, 25, 18, 10, 16, 24, 99, 9, 4, 9, 20],
        "quantity": [5, 4, 3, 4, 5, 6, 0, 5, 7, 5, 1],
        "time": [1, 2, 3, 4, 5, 6, 7, 0, 0, 0, 0],
    }
)
RULES = {"uniform": fc.Uniform(), "with a fee": fc.Uniform(fee=2), "discriminatory": fc.Discriminatory()}

MARKET_COLUMNS = ["volume", "welfare", "buyer_payment", "seller_revenue", "surplus"]
PRICE_COLUMNS = ["price_low", "price_high", "price_buy", "price_sell"]
TRADE_COLUMNS = ["market", "buy_row", "sell_row", "quantity", "buy_price", "sell_price"]


def cleared(rule):
    clearing = fc.clear(FRAME, rule)
    clearing.audit()
    return clearing


def change(clearing, name, index, value):
    """Puts `value` in place of one number of a result, as an attacker who holds the object could."""
    where, _, column = name.rpartition(".")
    array = (getattr(clearing, where)[column] if where else getattr(clearing, column)).copy()
    assert array[index] != value
    array[index] = value
    if where:
        getattr(clearing, where)[column] = array
    else:
        clearing.__dict__[column] = array


def changed_by(clearing, name, index, step):
    where, _, column = name.rpartition(".")
    array = getattr(clearing, where)[column] if where else getattr(clearing, column)
    change(clearing, name, index, array[index] + step)


def test_the_sample_has_something_to_tamper_with():
    clearing = cleared(fc.Uniform())
    assert clearing.reject.tolist() == [0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0]
    assert clearing.markets["volume"].to_list() == [9, 7]
    assert clearing.markets.select("price_low", "price_high").rows() == [(18, 24), (9, 9)]
    assert len(clearing.trades) == 5


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", ["filled", "payment"])
@pytest.mark.parametrize("step", [1, -1])
def test_a_changed_order_is_caught(rule, name, step):
    for row in range(FRAME.height):
        clearing = cleared(RULES[rule])
        changed_by(clearing, name, row, step)
        with pytest.raises(fc.AuditError):
            clearing.audit()


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", MARKET_COLUMNS)
def test_a_changed_market_is_caught(rule, name):
    for step in (1, -1):
        for market in (0, 1):
            clearing = cleared(RULES[rule])
            changed_by(clearing, f"market_columns.{name}", market, step)
            with pytest.raises(fc.AuditError):
                clearing.audit()


@pytest.mark.parametrize("rule", ["uniform", "with a fee"])
@pytest.mark.parametrize("name", PRICE_COLUMNS)
def test_a_changed_price_is_caught(rule, name):
    for step in (1, -1):
        for market in (0, 1):
            clearing = cleared(RULES[rule])
            changed_by(clearing, f"market_columns.{name}", market, step)
            with pytest.raises(fc.AuditError):
                clearing.audit()


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", TRADE_COLUMNS)
def test_a_changed_trade_is_caught(rule, name):
    for step in (1, -1):
        for trade in range(5):
            clearing = cleared(RULES[rule])
            value = int(clearing.trade_columns[name][trade]) + step
            if name.endswith("row") and not 0 <= value < FRAME.height:
                continue
            change(clearing, f"trade_columns.{name}", trade, value)
            with pytest.raises(fc.AuditError):
                clearing.audit()


@pytest.mark.parametrize("rule", RULES)
def test_a_refused_order_that_trades_is_caught(rule):
    for row in (0, 3, 7):
        clearing = cleared(RULES[rule])
        change(clearing, "reject", row, 8)
        with pytest.raises(fc.AuditError):
            clearing.audit()


def test_a_market_cleared_at_less_than_its_volume_is_caught():
    """A coherent lie: one lot of the last trade of market 2 never happened, anywhere in the result."""
    clearing = cleared(fc.Uniform())
    trade = 4
    columns = clearing.trade_columns
    buy, sell = int(columns["buy_row"][trade]), int(columns["sell_row"][trade])
    price = int(columns["buy_price"][trade])
    value, cost = FRAME["price"][buy], FRAME["price"][sell]
    changed_by(clearing, "trade_columns.quantity", trade, -1)
    changed_by(clearing, "filled", buy, -1)
    changed_by(clearing, "filled", sell, -1)
    changed_by(clearing, "payment", buy, -price)
    changed_by(clearing, "payment", sell, price)
    changed_by(clearing, "market_columns.volume", 1, -1)
    changed_by(clearing, "market_columns.buyer_payment", 1, -price)
    changed_by(clearing, "market_columns.seller_revenue", 1, -price)
    changed_by(clearing, "market_columns.welfare", 1, cost - value)
    with pytest.raises(fc.AuditError):
        clearing.audit()


@given(testing.orders(market_orders=True), uniform_parameters, discriminatory_parameters, st.data())
def test_a_random_change_is_caught(frame, uniform, discriminatory, data):
    name, parameters = data.draw(st.sampled_from([("uniform", uniform), ("discriminatory", discriminatory)]))
    rule = mechanism(name, parameters)
    clearing = fc.clear(frame, rule)
    clearing.audit()
    names = ["filled", "payment"] + [f"market_columns.{name}" for name in MARKET_COLUMNS]
    names += [f"trade_columns.{name}" for name in ("quantity", "buy_price", "sell_price")]
    name = data.draw(st.sampled_from(names))
    where, _, column = name.rpartition(".")
    array = getattr(clearing, where)[column] if where else getattr(clearing, column)
    assume(len(array) > 0)
    index = data.draw(st.integers(0, len(array) - 1))
    changed_by(clearing, name, index, data.draw(st.sampled_from([-1, 1])))
    with pytest.raises(fc.AuditError):
        clearing.audit()


def test_the_report_says_what_was_looked_at():
    clearing = cleared(fc.Uniform())
    report = clearing.audit()
    assert (report.orders, report.markets, report.trades) == (FRAME.height, 2, 5)
    assert len(report.checks) >= 8
    assert "11 orders" in str(report)


def test_an_overwritten_out_buffer_is_noticed():
    out = np.zeros(FRAME.height, dtype=np.int64)
    clearing = fc.clear(FRAME, fc.Uniform(), out=out)
    out[0] += 1
    with pytest.raises(fc.FastclearError, match="out"):
        clearing.payment  # noqa: B018 - the property does the work


@pytest.mark.parametrize(
    ("was", "claimed"),
    [
        (fc.Uniform(k=0), fc.Uniform(k=1)),
        (fc.Uniform(k=0.5, price_round="floor"), fc.Uniform(k=(2, 3), price_round="ceil")),
        (fc.Uniform(rationing="time"), fc.Uniform(rationing="pro_rata")),
        (fc.Uniform(rationing="pro_rata"), fc.Uniform(rationing="equal")),
        (fc.Uniform(rationing="equal"), fc.Uniform(rationing="time")),
    ],
)
def test_the_outcome_of_another_rule_is_caught(was, claimed):
    tied = pl.DataFrame(
        {
            "market": [1, 1, 1, 1, 2, 2],
            "side": ["buy", "buy", "buy", "sell", "buy", "sell"],
            "price": [30, 30, 30, 10, 30, 10],
            "quantity": [1, 5, 12, 10, 4, 4],
            "time": [3, 2, 1, 0, 0, 0],
        }
    )
    clearing = fc.clear(tied, was)
    clearing.audit()
    clearing.mechanism = claimed
    with pytest.raises(fc.AuditError):
        clearing.audit()


@pytest.mark.parametrize("rule", RULES)
def test_another_pairing_is_caught(rule):
    clearing = cleared(RULES[rule])
    for name, column in clearing.trade_columns.items():
        swapped = column.copy()
        if name != "trade":
            swapped[[0, 1]] = column[[1, 0]]
        clearing.trade_columns[name] = swapped
    with pytest.raises(fc.AuditError, match="paired best bid"):
        clearing.audit()


@given(st.lists(st.integers(-3, 3), max_size=40), st.lists(st.integers(-4, 4), max_size=60))
def test_queue_of_drawn_sellers_gives_the_first_that_a_buyer_can_afford(asks, limits):
    free = [Entry(row, price, 1, row, row, row) for row, price in enumerate(asks)]
    queue = matching._Queue(list(free))
    for limit in limits:
        first = next((seller for seller in free if seller.price <= limit), None)
        assert queue.take(limit) == first
        if first is not None:
            free.remove(first)
