"""Many markets in one call, rows in any order: ids of every kind, markets of every size, every mechanism."""

import numpy as np
import pytest
from reference.compare import fingerprint

import fastclear as fc

MECHANISMS = [
    fc.Uniform(),
    fc.Uniform(rationing="time", fee=3),
    fc.Uniform(rationing="lottery", seed=5, k=(1, 3)),
    fc.Uniform(reserve=2, cap_high=900),
    fc.Discriminatory(),
    fc.MaximalVolume(),
    fc.RandomMatching(seed=2),
    fc.Vickrey(),
    fc.TradeReduction(),
    fc.Huang(),
    fc.Sbba(seed=3),
    fc.Muda(seed=4),
    fc.Average(),
    fc.MultiRound(buyer_step=2, seller_step=1),
]


def _near(draw, markets):
    return np.arange(markets) - markets // 3


def _far(draw, markets):
    return draw.integers(-(2**63), 2**63 - 1, markets)


def _clusters(draw, markets):
    ids = np.arange(markets) % 3 * 2**50 + np.arange(markets)
    ids[[0, -1]] = -(2**63), 2**63 - 1
    return ids


def _text(draw, markets):
    return np.array([f"market {market:05}" for market in draw.permutation(markets)])


SIZES = {
    "alike": lambda draw, markets: draw.poisson(30, markets) + 1,
    "one huge": lambda draw, markets: np.where(np.arange(markets) == markets // 2, 40_000, 2),
    "its own": lambda draw, markets: np.ones(markets, np.int64),
}


def _orders(ids, sizes, seed, quantity=20):
    draw = np.random.default_rng(seed)
    ids = np.sort(ids(draw, 2_000))
    market = np.repeat(ids, SIZES[sizes](draw, len(ids)))
    n = len(market)
    return {
        "market": market,
        "side": draw.integers(0, 2, n).astype(np.int8),
        "price": draw.integers(-10, 30, n).astype(np.int32),
        "quantity": draw.integers(1, quantity + 1, n),
        "time": draw.integers(0, 3, n),
        "order": np.arange(n),
    }


def _same_in_any_order(columns, rule, seed):
    one = fc.clear(columns, rule, threads=1)
    rows = np.random.default_rng(seed).permutation(len(columns["side"]))
    shuffled = {name: column[rows] for name, column in columns.items()}
    for threads in (1, 2, 5, 16):
        other = fc.clear(shuffled, rule, threads=threads)
        assert np.array_equal(other.filled, one.filled[rows])
        assert np.array_equal(other.payment, one.payment[rows])
        assert other.fills.equals(one.fills[rows])
        assert other.markets.equals(one.markets)
        assert other.trades.equals(one.trades)
        in_order = fc.clear(columns, rule, threads=threads)
        assert fingerprint(in_order, frames=False) == fingerprint(one, frames=False)
    return one


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("ids", [_near, _far, _clusters, _text])
@pytest.mark.parametrize("rule", [fc.Uniform(), fc.Discriminatory()], ids=repr)
def test_ids_and_sizes_of_every_kind_in_any_order(rule, ids, sizes):
    one = _same_in_any_order(_orders(ids, sizes, 7), rule, 8)
    labels = one.markets["market"].to_list()
    assert labels == sorted(labels)
    assert sizes == "its own" or one.markets["volume"].sum() > 0


@pytest.mark.parametrize("rule", MECHANISMS, ids=repr)
@pytest.mark.parametrize("ids", [_near, _far])
def test_every_mechanism_in_any_order(rule, ids):
    one = _same_in_any_order(_orders(ids, "alike", 11, quantity=1), rule, 12)
    assert one.markets["volume"].sum() > 0


@pytest.mark.parametrize("column", ["price", "quantity", "side"])
def test_rows_to_refuse_among_shuffled_markets(column):
    columns = _orders(_far, "alike", 21)
    refused = np.random.default_rng(22).choice(len(columns["side"]), 40, replace=False)
    columns[column] = columns[column].astype(np.int64)
    columns[column][refused] = {"price": 2**40, "quantity": 0, "side": 7}[column]
    one = _same_in_any_order(columns, fc.Uniform(), 23)
    assert (one.fills["reject"].to_numpy() != 0).sum() == 40


def test_the_same_id_twice_in_a_shuffled_market_is_refused():
    columns = _orders(_near, "alike", 31)
    columns["order"][1] = columns["order"][0]
    assert columns["market"][0] == columns["market"][1]
    columns["order"][-1] = columns["order"][0]  # in another market it is another order
    one = _same_in_any_order(columns, fc.Uniform(), 32)
    assert (one.fills["reject"].to_numpy() != 0).sum() == 2


def test_rows_without_ids_keep_their_order_within_a_market():
    columns = _orders(_far, "alike", 41)
    del columns["order"], columns["time"]  # so that the row decides
    rule = fc.Uniform(rationing="time")
    one = fc.clear(columns, rule)
    # Markets take turns at random, and each turn is the next row of the market.
    turns = np.random.default_rng(42).permutation(columns["market"])
    rows = np.empty(len(turns), np.int64)
    rows[np.argsort(turns, kind="stable")] = np.arange(len(turns))
    other = fc.clear({name: column[rows] for name, column in columns.items()}, rule)
    assert other.markets.equals(one.markets)
    assert np.array_equal(other.filled, one.filled[rows])
    backwards = fc.clear({name: column[::-1].copy() for name, column in columns.items()}, rule)
    assert not np.array_equal(backwards.filled, one.filled[::-1])
