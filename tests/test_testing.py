"""The public generators: reproducible, in range, and rich in what breaks auctions."""

import subprocess
import sys
import time
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.refusal import MIN_QUANTITY_OUT_OF_RANGE, START_BEYOND_LIMIT, Asks, accept, agents_of

import fastclear as fc
from fastclear import testing

DISTRIBUTIONS = get_args(testing.Distribution)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_random_orders_are_in_range_and_of_the_stated_types(distribution):
    columns = testing.random_orders(5_000, markets=7, seed=-3, distribution=distribution, participants=40)
    assert list(columns) == ["side", "price", "quantity", "market", "order", "time", "participant"]
    for name, column in columns.items():
        assert column.dtype == (np.int8 if name == "side" else np.int64)
        assert column.shape == (5_000,)
        assert not column.flags.writeable
    assert set(columns["side"].tolist()) == {0, 1}
    assert np.abs(columns["price"]).max() <= testing.PRICE_MAX
    assert columns["quantity"].min() >= 1
    assert columns["quantity"].max() <= testing.QUANTITY_MAX
    assert set(columns["market"].tolist()) == set(range(7))
    assert set(columns["participant"].tolist()) == set(range(40))
    assert columns["order"].tolist() == list(range(5_000))
    clearing = fc.clear({name: columns[name] for name in columns}, fc.Uniform())
    assert not clearing.reject.any()
    traded = clearing.filled.sum() / columns["quantity"].sum()
    low, high = {"apart": (0, 0), "crossed": (0.9, 1), "one_price": (0.9, 1)}.get(distribution, (0.2, 0.95))
    assert low <= traded <= high
    clearing.audit()


def test_random_orders_never_change():
    # Pinned for ever: benchmarks and reports of different years must mean the same orders.
    columns = testing.random_orders(3, markets=10, seed=2026, distribution="wide", participants=5)
    assert {name: column.tolist() for name, column in columns.items()} == PINNED


PINNED = {
    "side": [0, 0, 0],
    "price": [1609524324, -9179140, -36939966],
    "quantity": [1847147765, 1473322074, 252610244],
    "market": [4, 4, 6],
    "order": [0, 1, 2],
    "time": [1767222715000000000, 1767224980000000000, 1767225334000000000],
    "participant": [2, 3, 0],
}


def test_a_longer_draw_starts_with_the_shorter():
    short, long = (testing.random_orders(n, markets=4, seed=9) for n in (100, 1_000))
    for name, column in short.items():
        assert np.array_equal(column, long[name][:100]), name


def test_seeds_and_columns_are_independent():
    one, two = (testing.random_orders(20_000, markets=2, seed=seed, distribution="wide") for seed in (0, 1))
    pairs = [(one[name], two[name]) for name in ("side", "price", "quantity", "market")]
    pairs += [(one["side"], one["market"]), (one["price"], one["quantity"]), (one["price"], one["side"])]
    for left, right in pairs:
        assert abs(np.corrcoef(left, right)[0, 1]) < 0.03


@pytest.mark.parametrize(
    "bad",
    [{"n": -1}, {"n": 1, "markets": 0}, {"n": 1, "participants": 0}, {"n": 1, "distribution": "normal"}],
    ids=str,
)
def test_random_orders_refuse_nonsense(bad):
    with pytest.raises(ValueError, match=list(bad)[-1]):
        testing.random_orders(**bad)


def test_random_orders_are_vectorised():
    started = time.perf_counter()
    testing.random_orders(1_000_000, markets=1_000)
    assert time.perf_counter() - started < 3  # about 0.15 s; a loop would take minutes


def test_strategies_refuse_nonsense():
    for bad in (
        {"max_markets": 0},
        {"min_size": 3, "max_size": 2},
        {"prices": (2, 1)},
        {"quantities": (0, 3)},
    ):
        with pytest.raises(ValueError, match=next(iter(bad))):
            testing.orders(**bad)
    with pytest.raises(ValueError, match="prices"):
        testing.books(prices=(0, 2**31))
    with pytest.raises(ValueError, match="participants='one'"):
        testing.orders(participants="one")


def test_hypothesis_is_imported_only_for_strategies():
    """Without hypothesis the generator works, and the strategies say what to install."""
    program = """if True:
        import sys
        sys.modules["hypothesis"] = None
        from fastclear import testing
        assert len(testing.random_orders(5)["side"]) == 5
        for strategy in (testing.orders, testing.books):
            try:
                strategy()
            except ModuleNotFoundError as error:
                assert "pip install hypothesis" in str(error) and error.name == "hypothesis"
            else:
                raise SystemExit("no error")
        print("fine")
    """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "fine"), done.stderr


def test_orders_meet_the_interesting_situations():
    seen = set()

    @settings(max_examples=600, derandomize=True, database=None)
    @given(testing.orders(market_orders=True, faults=True))
    def look(frame):
        rows = frame.to_dicts()
        codes, markets = accept(rows)
        seen.update(codes)
        seen.add(f"{len(markets)} markets")
        for name in ("market", "order", "participant", "time"):
            if name in frame.columns:
                seen.add(f"{name} {frame.schema[name]}")
            else:
                seen.add(f"no {name}")
        for clean in markets.values():
            buys = [order["price"] for order in clean if order["buy"]]
            sells = [order["price"] for order in clean if not order["buy"]]
            if bool(buys) != bool(sells):
                seen.add("one side")
            if buys and sells:
                seen.add("crossing" if max(buys) > min(sells) else "none")
                seen.add("touching" if max(buys) == min(sells) else "apart")
            if len(set(buys)) < len(buys):
                seen.add("tie")
            for order in clean:
                if abs(order["price"]) == testing.PRICE_MAX:
                    seen.add("price at an end")
                if order["price"] < 0:
                    seen.add("negative price")
                if order["quantity"] == testing.QUANTITY_MAX:
                    seen.add("quantity at its end")

    look()
    reasons = set(range(1, 13)) - {4, 7}  # integers are always on the grid
    assert seen >= reasons
    assert seen >= {
        "0 markets",
        "1 markets",
        "3 markets",
        "market Int64",
        "market String",
        "no market",
        "order Int64",
        "order String",
        "no order",
        "no time",
        "one side",
        "crossing",
        "touching",
        "apart",
        "tie",
        "price at an end",
        "negative price",
        "quantity at its end",
    }


def test_participants_and_optional_columns_meet_the_interesting_situations():
    seen = set()
    asks = Asks(min_quantity=True, start_price=True)

    @settings(max_examples=600, derandomize=True, database=None)
    @given(st.sampled_from(["one_side", "one_order"]).flatmap(with_every_column))
    def look(drawn):
        law, frame = drawn
        codes, markets = accept(frame.to_dicts(), asks)
        seen.update(codes)
        seen.add(f"{law} {frame.schema.get('participant')}")
        for clean in markets.values():
            for mine in agents_of(clean).values():
                sides = {order["buy"] for order in mine}
                seen.add(f"{law} on {len(sides)}, {min(len(mine), 2)} orders")
            for order in clean:
                seen.add("minimum" if order["minimum"] else "no minimum")
                seen.add("start" if order["start"] != order["price"] else "start at the limit")

    look()
    assert seen >= {0, MIN_QUANTITY_OUT_OF_RANGE, START_BEYOND_LIMIT}
    assert seen >= {"one_side Int64", "one_side String", "one_order None", "one_order Int64", "one_order String"}
    assert seen >= {"one_side on 1, 2 orders", "one_side on 2, 2 orders", "one_order on 1, 1 orders"}
    assert seen >= {"one_order on 1, 2 orders", "one_order on 2, 2 orders"}
    assert seen >= {"minimum", "no minimum", "start", "start at the limit"}


def with_every_column(law):
    frames = testing.orders(participants=law, min_quantity=True, start_price=True)
    return st.tuples(st.just(law), frames)
