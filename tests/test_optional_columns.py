"""The columns `min_quantity` and `start_price` at the border: scaled as quantity and price, null = none."""

import ast
import subprocess
import sys
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import fastclear as fc
from fastclear.orders import NO_START, encode

UNITS = fc.Units(price="ct/kWh", quantity="kWh")
BASE = {"side": ["buy", "sell", "buy"], "price": [30, 10, 12], "quantity": [5, 4, 3]}
MIN_CODE, START_CODE = 15, 19


def encoded(units=None, base=BASE, **columns):
    return encode(base | columns, units)


def codes(orders):
    return [0] * orders.n if orders.refused is None else orders.refused.tolist()


def test_without_them_there_are_none():
    orders = encoded()
    assert orders.min_quantity is None
    assert orders.start_price is None


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", ">i8"])
def test_integers_of_every_width(dtype):
    orders = encoded(min_quantity=np.array([1, 0, 3], dtype), start_price=np.array([20, 15, 1], dtype))
    assert orders.min_quantity.tolist() == [1, 0, 3]
    assert orders.start_price.tolist() == [20, 15, 1]
    assert orders.min_quantity.dtype == orders.start_price.dtype == np.int64
    assert codes(orders) == [0, 0, 0]


KINDS = {
    "list": lambda values: values,
    "polars": lambda values: pl.Series(values),
    "polars int32": lambda values: pl.Series(values, dtype=pl.Int32),
    "polars int128": lambda values: pl.Series(values, dtype=pl.Int128),
    "objects": lambda values: np.array(values, dtype=object),
    "pandas": lambda values: pd.Series(values, dtype="Int64"),
    "arrow": lambda values: pa.array(values),
}


@pytest.mark.parametrize("kind", KINDS)
def test_null_is_none(kind):
    make = KINDS[kind]
    orders = encoded(min_quantity=make([2, None, None]), start_price=make([None, 15, None]))
    assert orders.min_quantity.tolist() == [2, 0, 0]
    assert orders.start_price.tolist() == [30, 15, 12]
    assert codes(orders) == [0, 0, 0]


def test_a_column_of_nulls_is_none_for_all():
    orders = encoded(min_quantity=[None] * 3, start_price=[None] * 3)
    assert orders.min_quantity.tolist() == [0, 0, 0]
    assert orders.start_price.tolist() == [30, 10, 12]
    assert codes(orders) == [0, 0, 0]


def test_they_are_scaled_like_quantity_and_price():
    floats = {"min_quantity": [0.5, float("nan"), None], "start_price": [29.99, None, float("nan")]}
    for make in (list, np.array, pl.Series):
        columns = {
            name: make([np.nan if value is None else value for value in cells] if make is np.array else cells)
            for name, cells in floats.items()
        }
        orders = encoded(UNITS, **columns)
        assert orders.min_quantity.tolist() == [500, 0, 0]
        assert orders.start_price.tolist() == [299_900, 100_000, 120_000]
        assert codes(orders) == [0, 0, 0]
    whole = encoded(UNITS, min_quantity=[1, 2, None], start_price=[1, None, -1])
    assert whole.min_quantity.tolist() == [1_000, 2_000, 0]
    assert whole.start_price.tolist() == [10_000, 100_000, -10_000]
    exact = encoded(
        UNITS,
        min_quantity=pl.Series([Decimal("0.5"), None, Decimal(1)]),
        start_price=pl.Series([None, Decimal("0.1"), None]),
    )
    assert exact.min_quantity.tolist() == [500, 0, 1_000]
    assert exact.start_price.tolist() == [300_000, 1_000, 120_000]


def test_off_the_grid_is_refused():
    floats = encoded(UNITS, min_quantity=[0.0005, 1.0, 1.0], start_price=[1.0, 1.00005, 1.0])
    assert codes(floats) == [MIN_CODE, START_CODE, 0]
    decimals = encoded(UNITS, min_quantity=pl.Series([Decimal("0.0005"), None, None]))
    assert codes(decimals) == [MIN_CODE, 0, 0]
    nearest = fc.Units(price="ct/kWh", quantity="kWh", rounding="nearest")
    assert codes(encoded(nearest, min_quantity=[0.0005, 1.0, 1.0], start_price=[1.0, 1.00005, 1.0])) == [0, 0, 0]


def test_the_first_fault_wins():
    base = BASE | {"quantity": [5, None, 3], "side": ["buy", "sell", "hold"]}
    orders = encoded(UNITS, base, min_quantity=[0.0005] * 3, start_price=[0.00001] * 3)
    assert codes(orders) == [MIN_CODE, 6, 1]


def test_numbers_beyond_64_bits_stay_out_of_every_range():
    orders = encoded(min_quantity=[2**70, -(2**70), 2**63], start_price=[2**70, -(2**70), 2**63])
    assert all(abs(value) > 2**40 for value in [*orders.min_quantity.tolist(), *orders.start_price.tolist()])
    wide = encoded(UNITS, min_quantity=np.array([2**64 - 1, 0, 0], np.uint64), start_price=[np.inf, -np.inf, 1e300])
    assert wide.min_quantity[0] > 2**40
    assert [abs(value) > 2**40 for value in wide.start_price.tolist()] == [True] * 3


def test_a_market_order_without_a_start_opens_at_a_limit_that_the_core_knows():
    base = BASE | {"type": ["market", "limit", "market"], "price": np.array([0, 10, 0], np.int32)}
    orders = encoded(None, base, start_price=[None, None, 7])
    assert orders.start_price.tolist() == [NO_START, 10, 7]


@pytest.mark.parametrize("column", ["min_quantity", "start_price"])
def test_wrong_types_are_named(column):
    for values in (["1", "2", "3"], [True, False, True], [[1], [2], [3]]):
        with pytest.raises(fc.SchemaError, match=column) as caught:
            encoded(**{column: values})
        assert caught.value.column == column
    with pytest.raises(fc.SchemaError, match=rf"{column}.*units"):
        encoded(**{column: [1.0, 2.0, 3.0]})
    with pytest.raises(fc.SchemaError, match=rf"{column}.*4 rows"):
        encoded(**{column: [1, 2, 3, 4]})


def test_the_callers_arrays_are_read_not_written():
    lots, quotes = np.array([1, 2, 3]), np.array([30, 10, 12])
    orders = encoded(min_quantity=lots, start_price=quotes)
    assert orders.min_quantity.tolist() == lots.tolist()
    assert not orders.frozen
    lots.flags.writeable = quotes.flags.writeable = False
    assert np.array_equal(encoded(min_quantity=lots).min_quantity, [1, 2, 3])


def test_a_column_that_the_mechanism_does_not_take_is_warned_of_once():
    script = """
import warnings, fastclear as fc
sides = {"side": ["buy", "sell"], "price": [9, 4], "quantity": [2, 2]}
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for rule in (fc.Vickrey(), fc.Vickrey(), fc.Uniform(), fc.MultiRound(1, 1)):
        fc.clear({**sides, "min_quantity": [1, 1], "start_price": [8, 5]}, rule)
print([str(warning.message) for warning in caught])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ast.literal_eval(done.stdout) == [
        "column 'min_quantity' is not used by Vickrey and is ignored",
        "column 'start_price' is not used by Vickrey and is ignored",
        "column 'start_price' is not used by Uniform and is ignored",
        "column 'min_quantity' is not used by MultiRound and is ignored",
    ]
