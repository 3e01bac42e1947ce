"""What `fastclear.clear` takes: kinds of frames and columns; what it refuses, and what it says then."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import fastclear as fc
from fastclear import testing

SIDES = ["buy", "sell", "buy", "sell", "buy"]
COLUMNS = {
    "side": SIDES,
    "price": [30, 10, 25, 12, 11],
    "quantity": [5, 4, 4, 3, 9],
    "market": [1, 1, 1, 1, 1],
    "order": [50, 40, 30, 20, 10],
    "participant": [1, 2, 1, 3, 3],
    "time": [0, 1, 2, 2, 0],
}
FRAME = pl.DataFrame(COLUMNS)
WANTED = fc.clear(FRAME, fc.Uniform())


def same(orders, **options):
    clearing = fc.clear(orders, fc.Uniform(), **options)
    assert clearing.reject.tolist() == [0] * 5
    assert clearing.filled.tolist() == WANTED.filled.tolist()
    assert clearing.payment.tolist() == WANTED.payment.tolist()
    assert clearing.markets.drop("market").equals(WANTED.markets.drop("market"))
    return clearing


def arrays(**changes):
    return {name: np.array(values) for name, values in (COLUMNS | changes).items()}


def test_the_wanted_numbers():
    assert WANTED.filled.tolist() == [5, 4, 2, 3, 0]
    assert WANTED.payment.tolist() == [125, -100, 50, -75, 0]


KINDS = {
    "polars": lambda: FRAME,
    "polars in several chunks": lambda: pl.concat([FRAME[:2], FRAME[2:3], FRAME[3:]], rechunk=False),
    "pandas": lambda: pd.DataFrame(COLUMNS),
    "pandas with an index": lambda: pd.DataFrame(COLUMNS, index=[9, 8, 7, 6, 5]),
    "pyarrow table": lambda: pa.table(COLUMNS),
    "pyarrow in chunks": lambda: pa.concat_tables([pa.table(COLUMNS)[:1], pa.table(COLUMNS)[1:]]),
    "pyarrow record batch": lambda: pa.RecordBatch.from_pydict(COLUMNS),
    "pyarrow reader": lambda: pa.table(COLUMNS).to_reader(max_chunksize=2),
    "dict of lists": lambda: COLUMNS,
    "dict of tuples": lambda: {name: tuple(values) for name, values in COLUMNS.items()},
    "dict of numpy": arrays,
    "dict of polars series": lambda: FRAME.to_dict(),
    "dict of pandas series": lambda: dict(pd.DataFrame(COLUMNS).items()),
}


@pytest.mark.parametrize("kind", KINDS)
def test_input_kinds(kind):
    clearing = same(KINDS[kind]())
    assert clearing.fills["order"].to_list() == COLUMNS["order"]
    clearing.audit()


SIDE_COLUMNS = {
    "bid and ask": pl.Series(["bid", "ask", "bid", "ask", "bid"]),
    "bid and offer": pl.Series(["bid", "offer", "bid", "offer", "bid"]),
    "all words": pl.Series(["buy", "ask", "bid", "offer", "buy"]),
    "bool": pl.Series([True, False, True, False, True]),
    "int8": pl.Series([1, 0, 1, 0, 1], dtype=pl.Int8),
    "uint8": pl.Series([1, 0, 1, 0, 1], dtype=pl.UInt8),
    "int64": pl.Series([1, 0, 1, 0, 1], dtype=pl.Int64),
    "categorical": pl.Series(SIDES, dtype=pl.Categorical),
    "enum": pl.Series(SIDES, dtype=pl.Enum(["sell", "hold", "buy"])),
    "numpy text": np.array(SIDES),
    "numpy objects": np.array(SIDES, dtype=object),
    "numpy bool": np.array([True, False, True, False, True]),
    "numpy int8": np.array([1, 0, 1, 0, 1], dtype=np.int8),
    "pandas text": pd.Series(SIDES),
    "pandas categorical": pd.Series(SIDES, dtype="category"),
    "arrow dictionary": pa.array(SIDES).dictionary_encode(),
    "list of bool": [True, False, True, False, True],
}


@pytest.mark.parametrize("kind", SIDE_COLUMNS)
def test_side_columns(kind):
    same(arrays() | {"side": SIDE_COLUMNS[kind]})


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"])
def test_integer_widths(dtype):
    columns = arrays()
    for name in COLUMNS:
        # Time is signed: nothing of 64 unsigned bits is a time.
        if name != "side" and (name, dtype) != ("time", "uint64"):
            columns[name] = columns[name].astype(dtype)
    same(columns)
    same(pl.DataFrame(columns))


def test_unsigned_numbers_beyond_int64_do_not_wrap():
    columns = arrays() | {"quantity": np.array([5, 4, 4, 3, 2**64 - 1], dtype=np.uint64)}
    clearing = fc.clear(columns, fc.Uniform())
    assert clearing.reject.tolist() == [0, 0, 0, 0, int(fc.RejectReason.QUANTITY_OUT_OF_RANGE)]


def test_memory_layouts():
    columns = arrays()
    frozen = {name: values.copy() for name, values in columns.items()}
    for values in frozen.values():
        values.flags.writeable = False
    same(frozen)
    same({name: np.repeat(values, 2)[::2] for name, values in columns.items()})
    same({name: values[::-1].copy()[::-1] for name, values in columns.items()})
    table = np.asfortranarray(np.stack([columns["price"], columns["quantity"]]))
    same(columns | {"price": table[0], "quantity": table[1]})
    swapped = {n: v.astype(v.dtype.newbyteorder(">")) for n, v in columns.items() if n != "side"}
    same(columns | swapped)
    # The caller's arrays are never written.
    assert all(np.array_equal(columns[name], arrays()[name]) for name in columns)


@pytest.mark.parametrize("column", ["market", "order", "participant"])
def test_text_ids(column):
    # Zero-padded text sorts as the numbers do.
    words = [f"{number:03}" for number in COLUMNS[column]]
    for values in (words, np.array(words), pl.Series(words), pd.Series(words), pa.array(words)):
        same(arrays() | {column: values})
    same(FRAME.with_columns(pl.Series(column, words, dtype=pl.Categorical)))
    clearing = same(FRAME.with_columns(pl.Series(column, words)))
    if column == "order":
        assert clearing.fills["order"].to_list() == words
        assert clearing.trades["buy_order"].to_list() == ["050", "050", "030"]
    if column == "market":
        assert clearing.markets["market"].to_list() == ["001"]


@pytest.mark.parametrize(("alias", "name"), [("order_id", "order"), ("agent", "participant")])
def test_aliases(alias, name):
    same(FRAME.rename({name: alias}))


def test_optional_columns():
    clearing = same(FRAME.select("side", "price", "quantity"))
    assert clearing.fills["order"].to_list() == [0, 1, 2, 3, 4]
    assert clearing.trades["buy_order"].to_list() == clearing.trade_columns["buy_row"].tolist()


def test_datetimes_with_a_zone():
    start = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)
    utc = pl.Series([start + timedelta(minutes=45 * step) for step in COLUMNS["time"]])
    for unit in ("ms", "us", "ns"):
        same(FRAME.with_columns(time=utc.dt.cast_time_unit(unit)))
    same(FRAME.with_columns(time=utc.dt.convert_time_zone("Europe/Berlin")))
    same(pd.DataFrame(COLUMNS).assign(time=pd.to_datetime(utc.to_list())))
    clearing = fc.clear(FRAME.with_columns(time=utc), fc.Uniform())
    assert clearing.orders.time[0] == int(start.timestamp()) * 10**9


def test_naive_datetimes_are_refused_with_the_remedy():
    naive = pl.Series([datetime(2026, 1, 1, hour) for hour in COLUMNS["time"]])
    stamps = naive.to_numpy()
    for orders in (FRAME.with_columns(time=naive), arrays() | {"time": stamps}):
        with pytest.raises(fc.SchemaError, match=r"time.*(tz|zone)") as caught:
            fc.clear(orders, fc.Uniform())
        assert caught.value.column == "time"


@pytest.mark.parametrize("column", ["side", "price", "quantity"])
def test_a_missing_column_is_named(column):
    with pytest.raises(fc.SchemaError, match=column) as caught:
        fc.clear(FRAME.drop(column), fc.Uniform())
    assert caught.value.column == column


WRONG = {
    "price as text": ("price", ["1", "2", "3", "4", "5"]),
    "quantity as text": ("quantity", ["1", "2", "3", "4", "5"]),
    "price as bool": ("price", [True] * 5),
    "quantity as bool": ("quantity", [True] * 5),
    "side as float": ("side", [1.0] * 5),
    "order as float": ("order", [1.0, 2.0, 3.0, 4.0, 5.0]),
    "market as float": ("market", [1.5] * 5),
    "participant as bool": ("participant", [True] * 5),
    "time as text": ("time", ["2026"] * 5),
    "type as int": ("type", [0] * 5),
    "price as lists": ("price", [[1]] * 5),
    "price as dates": ("price", [datetime(2026, 1, 1, tzinfo=UTC)] * 5),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_dtype_is_named(name):
    column, values = WRONG[name]
    with pytest.raises(fc.SchemaError, match=column) as caught:
        fc.clear(FRAME.with_columns(pl.Series(column, values)), fc.Uniform())
    assert caught.value.column == column
    with pytest.raises(fc.SchemaError, match=column):
        fc.clear(COLUMNS | {column: values}, fc.Uniform())


def test_lengths_that_differ_are_named():
    with pytest.raises(fc.SchemaError, match=r"quantity|price|side"):
        fc.clear(arrays() | {"quantity": np.array([1, 2])}, fc.Uniform())
    with pytest.raises(fc.SchemaError, match="time"):
        fc.clear(COLUMNS | {"time": [1, 2, 3, 4, 5, 6]}, fc.Uniform())


@pytest.mark.parametrize("orders", [None, 5, "orders.parquet", [1, 2], np.arange(4), object()], ids=repr)
def test_what_is_no_frame_is_refused(orders):
    with pytest.raises((fc.SchemaError, TypeError)):
        fc.clear(orders, fc.Uniform())


def test_two_dimensional_columns_are_refused():
    with pytest.raises(fc.SchemaError, match="price"):
        fc.clear(arrays() | {"price": np.ones((5, 1), dtype=np.int64)}, fc.Uniform())


@pytest.mark.parametrize("rule", [None, "uniform", fc.Uniform, 0.5], ids=repr)
def test_what_is_no_mechanism_is_refused(rule):
    with pytest.raises((fc.MechanismError, TypeError)):
        fc.clear(FRAME, rule)


@pytest.mark.parametrize(
    "empty",
    [
        lambda: FRAME[:0],
        lambda: {name: [] for name in COLUMNS},
        lambda: {name: [] for name in ("side", "price", "quantity")},
        lambda: {name: values[:0] for name, values in arrays().items()},
        lambda: pd.DataFrame(COLUMNS)[:0],
        lambda: pa.table(COLUMNS)[:0],
        lambda: testing.random_orders(0),
    ],
)
def test_an_empty_frame_gives_an_empty_result(empty):
    for rule in (fc.Uniform(), fc.Discriminatory()):
        clearing = fc.clear(empty(), rule)
        for frame, reference in (
            (clearing.markets, WANTED.markets),
            (clearing.fills, WANTED.fills),
            (clearing.trades, WANTED.trades),
        ):
            assert frame.height == 0
            assert frame.columns == reference.columns
        assert clearing.filled.shape == (0,)
        clearing.audit()


def test_unknown_columns_are_ignored_with_one_warning(monkeypatch):
    with pytest.warns(UserWarning, match="colour"):
        fc.clear(FRAME.with_columns(colour=pl.lit("green")), fc.Uniform())


UNITS = fc.Units(price="ct/kWh", quantity="kWh")
IN_KWH = {"side": ["buy", "sell"], "price": [30.01, 29.99], "quantity": [0.1, 0.3]}


@pytest.mark.parametrize("column", ["price", "quantity"])
def test_floats_without_units_are_refused_with_the_remedy(column):
    for make in (pl.DataFrame, lambda columns: columns):
        columns = {"side": ["buy"], "price": [1], "quantity": [1]} | {column: [1.0]}
        with pytest.raises(fc.SchemaError, match=r"(?s)(float|Float).*[uU]nits") as caught:
            fc.clear(make(columns), fc.Uniform())
        assert caught.value.column == column


def test_floats_with_units_are_exact():
    clearing = fc.clear(IN_KWH, fc.Uniform(k=1), units=UNITS)
    assert clearing.reject.tolist() == [0, 0]
    assert clearing.filled.tolist() == [100, 100]
    # The ask is left with a remainder, so 29.99 ct/kWh = 299,900 ticks; times 100 Wh in nano-currency.
    assert clearing.payment.tolist() == [299_900 * 100, -299_900 * 100]


def test_every_cent_grid_float_is_exact():
    cents = np.arange(-5_000, 5_000)
    frame = pl.DataFrame({"side": ["buy"] * 10_000, "price": cents / 100, "quantity": (cents + 5_001) / 1_000})
    clearing = fc.clear(frame, fc.Uniform(), units=UNITS)
    assert clearing.reject.tolist() == [0] * 10_000
    assert np.array_equal(clearing.orders.price, cents * 100)
    assert np.array_equal(clearing.orders.quantity, cents + 5_001)


def test_decimals_with_units_are_exact():
    columns = {
        "side": ["buy", "sell"],
        "price": [Decimal("30.0100"), Decimal("-0.0001")],
        "quantity": [Decimal("0.001"), Decimal("2147483.647")],
    }
    clearing = fc.clear(pl.DataFrame(columns), fc.Uniform(), units=UNITS)
    assert clearing.orders.price.tolist() == [300_100, -1]
    assert clearing.orders.quantity.tolist() == [1, 2**31 - 1]


def test_off_grid_values_are_refused_one_by_one():
    columns = {"side": ["buy"] * 4, "price": [1.0, 1.00005, 1.0, 1.0], "quantity": [1.0, 1.0, 0.0015, 0.0]}
    clearing = fc.clear(pl.DataFrame(columns), fc.Uniform(), units=UNITS)
    names = ["price_off_grid", "quantity_off_grid", "quantity_out_of_range"]
    assert [fc.RejectReason(code).name.lower() for code in clearing.reject[1:]] == names


def test_masked_cells_are_nulls():
    columns = arrays() | {"price": np.ma.array(COLUMNS["price"], mask=[1, 0, 0, 0, 0])}
    clearing = fc.clear(columns, fc.Uniform())
    assert clearing.reject.tolist() == [int(fc.RejectReason.PRICE_MISSING), 0, 0, 0, 0]


def test_numbers_beyond_64_bits_never_wrap():
    wide = COLUMNS | {"price": [2**70, 10, 25, 12, 11], "quantity": [5, -(2**70), 4, 3, 9]}
    assert fc.clear(wide, fc.Uniform()).reject.tolist() == [5, 8, 0, 0, 0]
    with pytest.raises(fc.SchemaError, match="time"):
        fc.clear(COLUMNS | {"time": [2**64, 0, 0, 0, 0]}, fc.Uniform())
    with pytest.raises(fc.MechanismError, match="fee"):
        fc.Uniform(fee=2**64)


def test_nullable_pandas_integers():
    frame = pd.DataFrame(COLUMNS).convert_dtypes()
    same(frame)
    frame.loc[4, "market"] = pd.NA
    assert fc.clear(frame, fc.Uniform()).reject.tolist() == [0, 0, 0, 0, int(fc.RejectReason.ID_MISSING)]


@pytest.mark.parametrize(("column", "code"), [("price", 3), ("quantity", 6), ("market", 9), ("order", 9), ("time", 10)])
def test_a_column_of_nulls_refuses_every_row(column, code):
    clearing = fc.clear(COLUMNS | {column: [None] * 5}, fc.Uniform())
    assert clearing.reject.tolist() == [code] * 5
    clearing.audit()


def test_object_arrays_are_read_as_lists():
    orders = {
        "side": np.array(["buy", "sell", "sell"], dtype=object),
        "price": np.array([30, 10, None], dtype=object),
        "quantity": np.array([2, 3, 4], dtype=object),
    }
    clearing = fc.clear(orders, fc.Uniform())
    assert clearing.filled.tolist() == [2, 2, 0]
    assert clearing.reject.tolist() == [0, 0, fc.RejectReason.PRICE_MISSING]
