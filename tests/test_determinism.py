"""Same orders, any row order, any thread count, any company of other markets: same bytes."""

import copy
import os
import pickle
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.compare import discriminatory_parameters, fingerprint, mechanism, uniform_parameters

import fastclear as fc
from fastclear import testing

mechanisms = st.one_of(
    uniform_parameters.map(lambda parameters: mechanism("uniform", parameters)),
    discriminatory_parameters.map(lambda parameters: mechanism("discriminatory", parameters)),
)
BOTH = [fc.Uniform(), fc.Uniform(rationing="equal", fee=5), fc.Discriminatory()]


@given(testing.orders(market_orders=True, faults=True), mechanisms, st.data())
def test_shuffled_rows_give_the_same_results(frame, rule, data):
    if "order" not in frame.columns:
        ids = data.draw(st.permutations(range(frame.height)))
        frame = frame.with_columns(order=pl.Series(ids, dtype=pl.Int64))
    rows = data.draw(st.permutations(range(frame.height)))
    shuffled = frame[rows] if rows else frame
    one, two = fc.clear(frame, rule), fc.clear(shuffled, rule)
    assert two.fills.equals(one.fills[rows] if rows else one.fills)
    assert two.markets.equals(one.markets)
    assert two.trades.equals(one.trades)


@given(testing.orders(market_orders=True, faults=True), mechanisms)
def test_threads_do_not_matter(frame, rule):
    one, again, two = (fc.clear(frame, rule, threads=threads) for threads in (1, 1, 2))
    assert fingerprint(one) == fingerprint(again) == fingerprint(two)


@pytest.mark.parametrize("rule", BOTH, ids=repr)
@pytest.mark.parametrize("distribution", ["narrow", "wide"])
@pytest.mark.parametrize("markets", [1, 700, 20_000])
def test_large_batches_are_the_same_on_any_thread_and_in_any_order(rule, distribution, markets):
    columns = testing.random_orders(100_000, markets=markets, seed=11, distribution=distribution)
    one = fc.clear(columns, rule, threads=1)
    two = fc.clear(columns, rule, threads=2)
    assert fingerprint(one, frames=False) == fingerprint(two, frames=False)
    rows = np.random.default_rng(5).permutation(100_000)
    shuffled = fc.clear({name: column[rows] for name, column in columns.items()}, rule)
    assert np.array_equal(shuffled.filled, one.filled[rows])
    assert np.array_equal(shuffled.payment, one.payment[rows])
    assert shuffled.markets.equals(one.markets)
    assert shuffled.trades.equals(one.trades)
    one.audit()


@given(testing.orders(market_orders=True, max_markets=4), mechanisms)
def test_many_markets_in_one_call_are_each_market_alone(frame, rule):
    if "market" not in frame.columns:
        frame = frame.with_columns(market=pl.lit(0, dtype=pl.Int64))
    if "order" not in frame.columns:
        frame = frame.with_columns(order=pl.int_range(frame.height, dtype=pl.Int64))
    together = fc.clear(frame, rule)
    labels = together.markets["market"].to_list()
    assert set(labels) == set(frame["market"].to_list())
    for row, label in enumerate(labels):
        mine = frame["market"] == label
        alone = fc.clear(frame.filter(mine), rule)
        assert alone.fills.equals(together.fills.filter(mine))
        assert alone.markets.equals(together.markets[row])
        trades = together.trades.filter(pl.col("market") == label).drop("trade")
        assert alone.trades.drop("trade").equals(trades)


def test_markets_come_in_ascending_order_and_trades_are_numbered_over_the_call():
    frame = pl.DataFrame(
        {
            "side": ["buy", "sell"] * 3,
            "price": [3, 1] * 3,
            "quantity": [1] * 6,
            "market": [7, 7, -2, -2, 30, 30],
        }
    )
    clearing = fc.clear(frame, fc.Uniform())
    assert clearing.markets["market"].to_list() == [-2, 7, 30]
    assert clearing.trades["market"].to_list() == [-2, 7, 30]
    assert clearing.trades["trade"].to_list() == [0, 1, 2]
    text = frame.with_columns(pl.col("market").cast(pl.String))
    assert fc.clear(text, fc.Uniform()).markets["market"].to_list() == ["-2", "30", "7"]


def test_text_ids_compare_fingerprint():
    # One lot for four equal bids at the same time: the smallest id gets it, in the order of UTF-8 bytes.
    names = ["é", "z", "Z", "a", "日", "🜂", "10", "9"]
    for _ in range(len(names)):
        names = [*names[1:], names[0]]
        frame = pl.DataFrame(
            {
                "side": ["buy"] * len(names) + ["sell"],
                "price": 5,
                "quantity": 1,
                "order": [*names, "ask"],
            }
        )
        clearing = fc.clear(frame, fc.Uniform(rationing="time"))
        winner = clearing.fills.filter(pl.col("filled") > 0)["order"][0]
        assert winner == min(names, key=lambda name: name.encode()) == "10"


@pytest.mark.parametrize("threads", [0, -1, 1.5, "two"])
def test_impossible_thread_counts_are_refused(threads):
    with pytest.raises((fc.SchemaError, TypeError)):
        fc.clear({"side": [True], "price": [1], "quantity": [1]}, fc.Uniform(), threads=threads)


@pytest.mark.parametrize("rule", [fc.Uniform(k=(1, 3), fee=1), fc.Discriminatory(rule="earlier")])
def test_results_and_mechanisms_survive_pickling(rule):
    frame = testing.random_orders(200, markets=3, seed=4)
    clearing = fc.clear(frame, rule)
    for copied in (copy.deepcopy(clearing), pickle.loads(pickle.dumps(clearing))):
        assert copied.mechanism == rule
        assert copied.markets.equals(clearing.markets)
        assert copied.fills.equals(clearing.fills)
        assert copied.trades.equals(clearing.trades)
        copied.audit()


def test_the_scalar_path_gives_the_same_bytes():
    """A process of its own, since the path is chosen at import."""
    script = (
        "import hashlib, fastclear as fc; from fastclear import testing, _core;"
        "c = fc.clear(testing.random_orders(30_000, markets=4, seed=9), fc.Uniform());"
        "print(_core.SIMD, hashlib.sha256(c.filled.tobytes() + c.payment.tobytes()).hexdigest())"
    )
    printed = {}
    for path in ("scalar", "avx2"):
        environment = {**os.environ, "FASTCLEAR_SIMD": path}
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment
        )
        name, digest = done.stdout.split()
        printed[path] = digest
        assert path == "avx2" or name == "scalar"
    assert printed["scalar"] == printed["avx2"]
