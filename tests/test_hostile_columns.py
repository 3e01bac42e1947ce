"""Columns that nobody should send: every one is read rightly, refused row by row, or named in one SchemaError."""

import subprocess
import sys
import warnings
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import fastclear as fc
from fastclear.columns import int64
from fastclear.orders import Orders

BASE = {"side": ["buy", "sell"], "price": [3, 1], "quantity": [2, 2]}
UNITS = fc.Units(price="ct/kWh", quantity="kWh")
AWARE = datetime(2026, 1, 1, tzinfo=UTC)


def clear(units=None, base=BASE, **columns):
    return fc.clear(base | columns, fc.Uniform(), units=units)


def reads(units=None, **columns):
    clearing = clear(units, **columns)
    clearing.audit()
    return clearing.reject.tolist()


def names_it(column, match=None, units=None, **columns):
    with pytest.raises(fc.SchemaError, match=match or column) as caught:
        clear(units, **columns)
    assert caught.value.column == column


def unaligned(values, dtype=np.int64):
    memory = np.zeros(1 + len(values) * np.dtype(dtype).itemsize, np.uint8)
    array = memory[1:].view(dtype)
    array[:] = values
    assert not array.flags.aligned
    return array


# -- memory ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "column", ["price", "quantity", "market", "order", "participant", "time", "min_quantity", "start_price"]
)
@pytest.mark.parametrize("dtype", [np.int64, ">i8", np.int32, ">i4"])
def test_unaligned_and_swapped_arrays(column, dtype):
    values = [3, 2]
    wanted = clear(**{column: values})
    for given in (unaligned(values, dtype), np.array([3, 9, 2, 9], dtype)[::2], np.array([2, 3], dtype)[::-1]):
        clearing = clear(**{column: given})
        assert clearing.filled.tolist() == wanted.filled.tolist()
        assert clearing.payment.tolist() == wanted.payment.tolist()


def test_a_field_of_a_packed_record_array():
    records = np.array([(1, 3, 2), (0, 1, 2)], dtype=[("side", "i1"), ("price", "i8"), ("quantity", "i4")])
    clearing = fc.clear({name: records[name] for name in records.dtype.names}, fc.Uniform())
    assert clearing.filled.tolist() == [2, 2]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f8", np.longdouble])
def test_floats_of_every_width(dtype):
    assert reads(UNITS, price=np.array([3, 1], dtype), quantity=np.array([1, np.nan], dtype)) == [0, 6]
    names_it("price", "units", price=np.array([3, 1], dtype))


def test_side_in_any_integer():
    for dtype in ("b", "B", ">i4", "u8", "i2"):
        assert reads(side=np.array([1, 0], dtype)) == [0, 0]
        assert reads(side=np.array([1, 2], dtype)) == [0, 1]


@pytest.mark.parametrize("column", ["side", "price", "market", "time"])
def test_what_is_no_column(column):
    for value in (np.array(3), 3, "ab", b"ab", {0: 1, 1: 2}, {1, 2}, object(), np.zeros((2, 1)), np.ma.zeros((1, 2))):
        names_it(column, **{column: value})
    with pytest.raises(fc.SchemaError):
        clear(**{column: None})


def test_kinds_of_array_that_hold_no_orders():
    for column in BASE:
        for values in (np.zeros(2, "c16"), np.zeros(2, "m8[ns]"), np.zeros(2, "V8"), np.zeros(2, [("a", "i8")])):
            names_it(column, **{column: values})
    names_it("side", side=np.array([b"buy", b"sell"]))


def test_other_sequences():
    assert reads(price=(cell for cell in [3, 1])) == [0, 0]
    assert reads(quantity=range(1, 3)) == [0, 0]
    assert reads(price=pd.Index([3, 1])) == [0, 0]
    assert reads(side=np.array(["buy", "sell"], np.dtypes.StringDType())) == [0, 0]


# -- values ----------------------------------------------------------------------------------------------------


def test_wide_integers():
    assert reads(price=np.array([2**64 - 1, 1], np.uint64)) == [5, 0]
    assert reads(price=[2**64 - 1, np.uint64(2**64 - 1)]) == [5, 5]
    assert reads(price=pl.Series([2**100, -(2**100)], dtype=pl.Int128)) == [5, 5]
    assert reads(quantity=pl.Series([2, -(2**100)], dtype=pl.Int128)) == [0, 8]
    for column in ("market", "order", "participant", "time"):
        assert reads(**{column: pl.Series([1, 2], dtype=pl.Int128)}) == [0, 0]
        names_it(column, "row 1", **{column: pl.Series([1, 2**100], dtype=pl.Int128)})
        names_it(column, **{column: np.array([1, 2**63], np.uint64)})
    if hasattr(pl, "UInt128"):
        for column in ("price", "quantity", "market", "time", "side", "min_quantity", "start_price"):
            assert reads(**{column: pl.Series([1, 1]).cast(pl.UInt128)})[0] == 0
        assert reads(quantity=pl.Series([2**127 + 5, 2]).cast(pl.UInt128)) == [8, 0]


def test_lists_of_numbers_of_several_kinds():
    assert reads(UNITS, price=[3, 1.5]) == [0, 0]
    assert reads(UNITS, price=np.array([np.float32(3), 1, None][:2], object)) == [0, 0]
    assert reads(price=[np.int64(3), np.int8(1)]) == [0, 0]
    assert reads(UNITS, price=[3, float("nan")], quantity=[None, 1.5]) == [6, 3]
    names_it("price", "units", price=[3, 1.5])
    names_it("price", "bool", price=[3, True])
    names_it("participant", "bool", participant=[3, True])
    names_it("price", units=UNITS, price=[Decimal(3), 1.5])
    names_it("price", units=UNITS, price=[Fraction(3), 1])
    names_it("price", price=[3, "1"])
    names_it("market", market=["a", 1])
    names_it("market", market=["\ud800", "b"])


def test_decimals_that_are_no_numbers():
    cells = [Decimal("NaN"), Decimal("Infinity"), Decimal("-1e99"), Decimal("1.5"), None]
    columns = {"side": ["buy"] * 5, "price": cells, "quantity": [1] * 5}
    assert fc.clear(columns, fc.Uniform(), units=UNITS).reject.tolist() == [3, 5, 5, 0, 3]
    names_it("price", "units", price=[Decimal(3), Decimal(1)])
    names_it("price", units=UNITS, price=pa.array([Decimal(1), Decimal(2)], pa.decimal256(50, 3)))


def test_a_list_that_holds_a_list():
    endless = [1]
    endless.append(endless)
    for column in ("price", "market", "side", "time", "type"):
        for cells in (endless, [1, [2]], [(1,), 2], np.array([np.array([1]), 1], object), iter(endless)):
            names_it(column, **{column: cells})


def test_not_available_is_null():
    assert reads(price=[3, pd.NA]) == [0, 3]
    assert reads(market=np.array(["a", pd.NA], object)) == [0, 9]
    assert reads(time=[pd.NaT, AWARE]) == [10, 0]
    assert reads(price=np.ma.array([3, 1], mask=[False, True])) == [0, 3]


def test_times_beyond_64_bits_of_nanoseconds_are_missing():
    far = np.array(["3000-01-01", "2026-01-01"], "datetime64[s]")
    assert reads(time=pd.Series(far).dt.tz_localize("UTC")) == [10, 0]
    assert reads(time=[datetime(9999, 1, 1, tzinfo=UTC), AWARE]) == [10, 0]
    assert reads(time=pl.Series([2**60, 1]).cast(pl.Datetime("ms", "UTC"))) == [10, 0]


def test_times_that_say_too_little():
    names_it("time", "time zone", time=[AWARE, datetime(2026, 1, 1)])
    for unit in ("D", "m", "s", "ms", "us", "ns"):
        names_it("time", "time zone", time=np.array(["2026-01-01", "NaT"], f"datetime64[{unit}]"))


# -- every dtype, empty, null and zero -------------------------------------------------------------------------

POLARS = [
    pl.Null,
    pl.Boolean,
    pl.Int8,
    pl.UInt64,
    pl.Int128,
    pl.Float32,
    pl.Float64,
    pl.String,
    pl.Categorical,
    pl.Enum([]),
    pl.Decimal(38, 2),
    pl.Date,
    pl.Datetime("ns"),
    pl.Datetime("us", "UTC"),
    pl.Duration,
    pl.Time,
    pl.Binary,
    pl.List(pl.Int64),
    pl.Struct({"a": pl.Int8}),
    pl.Object,
    pl.Array(pl.Int8, 2),
]
COLUMNS = [*BASE, "type", "market", "order", "participant", "time", "min_quantity", "start_price"]


def clears_or_names(orders, column):
    try:
        clearing = fc.clear(orders, fc.Uniform(), units=UNITS)
    except fc.SchemaError as error:
        return "named" if error.column == column else "another column"
    clearing.audit()
    return "cleared"


@pytest.mark.parametrize("column", COLUMNS)
def test_empty_and_null_columns_of_every_type(column):
    outcomes = []
    for dtype in POLARS:
        for cells in ([], [None, None]):
            base = {name: pl.Series(name, [1] * len(cells), dtype=pl.Int64) for name in BASE}
            frame = pl.DataFrame(base | {column: pl.Series(column, cells, dtype=dtype)})
            outcomes.append(clears_or_names(frame, column))
    for dtype in "?bBhHiIlLqQefdgFDSUVOMm":
        for n in (0, 2):
            base = {name: np.ones(n, np.int64) for name in BASE}
            outcomes.append(clears_or_names(base | {column: np.zeros(n, dtype)}, column))
    assert "another column" not in outcomes
    assert outcomes.count("cleared") >= 4


# -- frames ----------------------------------------------------------------------------------------------------


def test_duplicate_columns_are_named():
    arrow = pa.table(
        [pa.array([1, 0]), *[pa.array([3, 1])] * 2, pa.array([2, 2])], ["side", "price", "price", "quantity"]
    )
    pandas = pd.DataFrame([[1, 3, 3, 2], [0, 1, 1, 2]], columns=["side", "price", "price", "quantity"])
    for orders in (arrow, arrow.to_batches()[0], pandas, BASE | {"order_id": [1, 2], "order": [1, 2]}):
        with pytest.raises(fc.SchemaError, match="twice") as caught:
            fc.clear(orders, fc.Uniform())
        assert caught.value.column in ("price", "order")
    with pytest.raises(fc.SchemaError, match="price"):
        fc.clear(arrow.to_reader(), fc.Uniform())


def test_ten_columns_too_many_of_any_kind():
    extra = {f"surplus {number}": [number, None] for number in range(10)}
    odd = pa.RunEndEncodedArray.from_arrays(pa.array([2], pa.int32()), pa.array([3]))
    frames = [
        pl.DataFrame(BASE | extra),
        pa.table(BASE | extra | {"surplus run-end encoded": odd}),
        BASE | extra | {3: [1], None: object(), ("a",): [], b"x": [1, [2]]},
        pd.DataFrame(BASE | extra).rename(columns={"surplus 3": 3, "surplus 4": "surplus 5"}),
    ]
    for orders in frames:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert fc.clear(orders, fc.Uniform()).filled.tolist() == [2, 2]


def test_arrow_columns_of_every_kind():
    assert reads(price=pa.chunked_array([[3], [1]]), side=pa.array(["buy", "sell"]).dictionary_encode()) == [0, 0]
    assert reads(market=pa.array([7, 7]).dictionary_encode(), order=pa.array(["a", "b"], pa.string_view())) == [0, 0]
    assert reads(market=pa.nulls(2)) == [9, 9]
    assert reads(UNITS, price=pa.array([np.float16(1)] * 2, pa.float16())) == [0, 0]
    assert reads(time=pa.array([1, None], pa.timestamp("s", "+02:00"))) == [0, 10]
    names_it("time", time=pa.array([1, 2], pa.timestamp("s", "Nowhere/X")))
    for column in ("price", "market"):
        for cells in (pa.array([[1], [2]]), pa.array([{"a": 1}, {"a": 2}]), pa.array([b"a", b"b"])):
            names_it(column, **{column: cells})
        names_it(column, **{column: pa.RunEndEncodedArray.from_arrays(pa.array([2], pa.int32()), pa.array([3]))})


def test_pandas_extension_types():
    frame = pd.DataFrame(BASE)
    for backend in ("numpy_nullable", "pyarrow"):
        assert fc.clear(frame.convert_dtypes(dtype_backend=backend), fc.Uniform()).filled.tolist() == [2, 2]
    floats = frame.astype({"price": "Float64"})
    floats.loc[1, "price"] = pd.NA
    assert fc.clear(floats, fc.Uniform(), units=UNITS).reject.tolist() == [0, 3]
    assert reads(price=pd.Series(pd.arrays.SparseArray([3, 1]))) == [0, 0]
    assert reads(market=pd.Series([1, 1]).astype("category"), price=pd.Series([3, 1]).astype("category")) == [0, 0]
    assert reads(side=pd.Series([True, None], dtype="boolean")) == [0, 1]
    names_it("price", price=pd.Series(pd.interval_range(0, 2)))
    names_it("time", time=pd.Series(pd.period_range("2026", periods=2, freq="D")))
    with pytest.warns(UserWarning, match="a"), pytest.raises(fc.SchemaError, match="missing"):
        fc.clear(pd.DataFrame({("a", "side"): [1, 0]}), fc.Uniform())


class Stream:
    def __init__(self, answer):
        self.answer = answer

    def __arrow_c_stream__(self, requested_schema=None):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Mapped(dict):
    def items(self):
        raise KeyError("gone")


class Column:
    def __iter__(self):
        raise OSError("gone")


def test_whatever_foreign_code_raises_is_a_schema_error(tmp_path):
    frames = [
        pl.LazyFrame(BASE).with_columns(pl.col("nowhere")),
        pl.scan_parquet(tmp_path / "none.parquet"),
        Stream(RuntimeError("gone")),
        Stream(5),
        Mapped(BASE),
        BASE | {"price": Column()},
    ]
    for orders in frames:
        with pytest.raises(fc.SchemaError, match="cannot be read"):
            fc.clear(orders, fc.Uniform())
    assert fc.clear(pl.LazyFrame(BASE), fc.Uniform()).filled.tolist() == [2, 2]
    with pytest.raises(MemoryError):
        fc.clear(Stream(MemoryError()), fc.Uniform())


def test_orders_made_by_hand():
    side, price, quantity = np.array([1, 0], np.uint8), np.array([3, 1]), np.array([2, 2], np.int32)
    assert fc.clear(Orders(side, price, quantity), fc.Uniform()).filled.tolist() == [2, 2]
    wrong = [
        Orders(1, 2, 3),
        Orders(side.astype(int), price, quantity),
        Orders(side, price[:1], quantity),
        Orders(side, None, quantity),
        Orders(side, price, quantity, market=[1, 1]),
        Orders(side, price, quantity, time=unaligned([1, 2])),
        Orders(side, np.array([3, 0, 1, 0])[::2], quantity),
        Orders(side, price, quantity, refused=np.zeros(2)),
    ]
    for orders in wrong:
        with pytest.raises(fc.SchemaError, match=r"Orders\."):
            fc.clear(orders, fc.Uniform())


# -- the other arguments ---------------------------------------------------------------------------------------


def test_out_may_not_lie_on_a_column():
    lots, side = np.array([2, 2, 0]), np.zeros(16, np.int8)
    overlaps = [
        ({"quantity": lots[:2]}, lots[:2]),
        ({"quantity": lots[:2]}, lots[1:]),
        ({"market": lots[:2]}, lots[:2]),
        ({"participant": lots[:2]}, lots[:2]),
        ({"min_quantity": lots[:2]}, lots[:2]),
        ({"side": side[:2]}, side.view(np.int64)),
    ]
    for columns, out in overlaps:
        before = out.copy()
        with pytest.raises(fc.SchemaError, match=r"shares memory with column.*copy") as caught:
            fc.clear(BASE | columns, fc.Uniform(), out=out)
        assert caught.value.column == "out"
        assert np.array_equal(out, before)
    with pytest.raises(fc.SchemaError, match="aligned"):
        fc.clear(BASE, fc.Uniform(), out=unaligned([0, 0]))
    with pytest.raises(fc.SchemaError, match="out is >i8"):
        fc.clear(BASE, fc.Uniform(), out=np.zeros(2, ">i8"))
    out = lots[:2]
    assert fc.clear(BASE | {"quantity": lots[:2].copy()}, fc.Uniform(), out=out).filled is out


def test_units_and_threads():
    for units in ("kWh", 5, {"price": "ct/kWh"}, fc.Units):
        with pytest.raises(fc.SchemaError, match="units"):
            clear(units)
    for name in (None, ["ct/kWh"], 5, "kwh"):
        with pytest.raises(fc.SchemaError, match="Units"):
            fc.Units(price=name)
    for threads in (0, -1, 1.0, True, "2", None, np.float64(2)):
        if threads is not None:
            with pytest.raises(fc.SchemaError, match="threads"):
                fc.clear(BASE, fc.Uniform(), threads=threads)
    for threads in (1, np.int64(2), 10**30):
        assert fc.clear(BASE, fc.Uniform(), threads=threads).filled.tolist() == [2, 2]


def test_columns_of_settlement():
    assert int64("a", unaligned([1, 2])).flags.aligned
    assert int64("a", np.array([1, 2], ">i8")).tolist() == [1, 2]
    for values in ([[1], [2, 3]], np.array(3), np.zeros((2, 2), int), [object()], np.ma.array([1, 2], mask=[0, 1])):
        with pytest.raises(fc.SettlementError, match="'a'"):
            int64("a", values)


WITHOUT_PYARROW = """
import sys
sys.modules["pyarrow"] = None
import fastclear as fc
clearing = fc.clear({"side": ["buy", "sell"], "price": [3, 1], "quantity": [2, 2]}, fc.Uniform())
for export in (clearing.to_arrow, clearing.to_pandas):
    try:
        export()
    except fc.FastclearError as error:
        assert isinstance(error, fc.MissingLibraryError) and "pip install" in str(error), error
    else:
        raise SystemExit("no error")
"""


def test_exports_without_their_library_say_what_to_install():
    subprocess.run([sys.executable, "-c", WITHOUT_PYARROW], check=True, timeout=60)
