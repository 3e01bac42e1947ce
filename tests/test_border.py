"""The border at work: what is read without a copy, what goes straight to the core, and what results are made of."""

import copy
import gc
import pickle
import threading
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastclear as fc
from fastclear import _core, auction, buffers, frames, testing
from fastclear.orders import as_they_stand, encode

COLUMNS = {
    "side": np.array([1, 0, 1, 0, 1, 0], np.int8),
    "price": np.array([30, 10, 25, 12, 11, 25], np.int32),
    "quantity": np.array([5, 4, 4, 3, 9, 2]),
    "market": np.array([1, 1, 1, 2, 2, 1]),
    "order": np.array([50, 40, 30, 20, 10, 0]),
    "participant": np.array([1, 2, 1, 3, 3, 4]),
    "time": np.array([0, 1, 2, 2, 0, 9]),
}
BARE = {name: COLUMNS[name] for name in ("side", "price", "quantity")}


def address(array):
    return array.__array_interface__["data"][0]


def everything(clearing):
    """All that a clearing says, as bytes and text."""
    columns = {**clearing.market_columns, **{f"trade {name}": c for name, c in clearing.trade_columns.items()}}
    return (
        {name: (column.dtype, column.tolist()) for name, column in columns.items()},
        [column.tolist() for column in (clearing.filled, clearing.payment, clearing.reject)],
        clearing.den,
        [str(frame.schema) + str(frame.rows()) for frame in (clearing.markets, clearing.fills, clearing.trades)],
        clearing.audit().checks,
    )


def carefully(orders, mechanism, *, units=None, threads=None, out=None, fills=True):
    """What `clear` does where the columns are not plain."""
    return auction._clear_carefully(orders, mechanism, units, None, threads, out, fills)


@pytest.fixture
def straight(monkeypatch):
    """No call may look at columns one by one."""

    def carefully(*_):
        raise AssertionError("not straight")

    monkeypatch.setattr(auction, "_clear_carefully", carefully)


# -- no copy of any column -------------------------------------------------------------------------------------


def arrow_address(array):
    chunk = array.chunk(0) if isinstance(array, pa.ChunkedArray) else array
    width = chunk.type.bit_width // 8
    return chunk.buffers()[1].address + chunk.offset * width


TABLE = pa.table(COLUMNS)
UNCOPIED = {
    "dict of numpy": (COLUMNS, lambda name: address(COLUMNS[name])),
    "dict of read-only numpy": (
        frozen := {name: np.frombuffer(column.tobytes(), column.dtype) for name, column in COLUMNS.items()},
        lambda name: address(frozen[name]),
    ),
    "polars over numpy": (pl.DataFrame(COLUMNS), lambda name: address(COLUMNS[name])),
    "polars slice": (
        pl.DataFrame(COLUMNS)[2:5],
        lambda name: address(COLUMNS[name]) + 2 * COLUMNS[name].itemsize,
    ),
    "dict of polars series": (
        {name: pl.Series(column) for name, column in COLUMNS.items()},
        lambda name: address(COLUMNS[name]),
    ),
    "pyarrow table": (TABLE, lambda name: arrow_address(TABLE[name])),
    "pyarrow slice": (sliced := TABLE.slice(1, 4), lambda name: arrow_address(sliced[name])),
    "pyarrow batch": (batch := TABLE.to_batches()[0], lambda name: arrow_address(batch[name])),
    "pandas": (panda := pd.DataFrame(COLUMNS), lambda name: address(panda[name].to_numpy())),
    "pandas over numpy": (pd.DataFrame(COLUMNS, copy=False), lambda name: address(COLUMNS[name])),
    "dict of pandas series": (
        series := {name: pd.Series(column) for name, column in COLUMNS.items()},
        lambda name: address(series[name].to_numpy()),
    ),
    "pandas over arrow": (
        pd.DataFrame({name: pd.Series(pd.arrays.ArrowExtensionArray(TABLE[name])) for name in COLUMNS}),
        lambda name: arrow_address(TABLE[name]),
    ),
}


@pytest.mark.parametrize("kind", UNCOPIED)
def test_no_column_is_copied(kind):
    orders, where = UNCOPIED[kind]
    clearing = fc.clear(orders, fc.Uniform())
    read = clearing.orders
    for name in COLUMNS:
        assert address(getattr(read, name)) == where(name), name
    assert read.refused is None
    clearing.audit()


def test_unsigned_and_bool_sides_are_not_copied():
    for dtype in (np.uint8, np.bool_):
        side = BARE["side"].astype(dtype)
        assert address(fc.clear(BARE | {"side": side}, fc.Uniform()).orders.side) == address(side)


def test_results_are_not_copied_into_frames():
    clearing = fc.clear(BARE, fc.Uniform())
    assert address(clearing.fills["filled"].to_numpy()) == address(clearing.filled)
    assert address(clearing.fills["payment"].to_numpy()) == address(clearing.payment)
    one, two = (fc.clear(BARE, fc.Uniform()).fills["order"].to_numpy() for _ in range(2))
    assert address(one) == address(two)  # row numbers are always the same


# -- straight to the core --------------------------------------------------------------------------------------

WIDTHS = [
    {"side": side, "price": price, "quantity": quantity}
    for side in (np.int8, np.uint8, np.bool_)
    for price in (np.int32, np.int64)
    for quantity in (np.int32, np.int64)
]


@pytest.mark.parametrize("widths", WIDTHS, ids=lambda widths: " ".join(dtype.__name__ for dtype in widths.values()))
def test_plain_columns_go_straight(widths, straight):
    columns = COLUMNS | {name: COLUMNS[name].astype(dtype) for name, dtype in widths.items()}
    wanted = everything(carefully_cleared(columns, fc.Uniform()))
    assert everything(fc.clear(columns, fc.Uniform())) == wanted
    assert everything(fc.clear(pl.DataFrame(columns), fc.Uniform())) == wanted
    out = np.empty(6, np.int64)
    clearing = fc.clear(columns, fc.Uniform(), out=out, threads=2)
    assert clearing.filled is out
    assert everything(clearing) == wanted


_CAREFULLY = auction._clear_carefully


def carefully_cleared(orders, mechanism):
    return _CAREFULLY(orders, mechanism, None, None, None, None, True)


def test_words_and_bools_of_polars_go_straight(straight):
    numbers = fc.clear(COLUMNS, fc.Uniform())
    words = pl.Series(["sell", "buy"]).gather(COLUMNS["side"])
    for side in (words, words == "buy", pl.concat([words[:2], words[2:]], rechunk=False)):
        clearing = fc.clear(pl.DataFrame(COLUMNS | {"side": side}), fc.Uniform())
        assert everything(clearing) == everything(numbers)


MECHANISMS = [
    fc.Uniform(),
    fc.Uniform(rationing="time", fee=1),
    fc.Uniform(price_rule="last_pair_midpoint"),
    fc.Discriminatory(),
    fc.MaximalVolume(),
    fc.RandomMatching(seed=1),
    fc.Vickrey(),
    fc.TradeReduction(),
    fc.Average(),
    fc.Huang(),
    fc.Sbba(seed=1),
    fc.MultiRound(1, 2, 5),
]


@pytest.mark.parametrize("mechanism", MECHANISMS, ids=lambda mechanism: type(mechanism).__name__)
def test_every_mechanism_goes_straight(mechanism, straight):
    columns = testing.random_orders(60, markets=4, seed=2, distribution="narrow")
    columns |= {"quantity": np.ones(60, np.int64), "participant": np.arange(60), "order": np.arange(60)[::-1].copy()}
    if mechanism.core.takes_minimums:
        columns["min_quantity"] = np.arange(60) % 2
    if mechanism.core.takes_start_prices:
        columns["start_price"] = np.asarray(columns["price"], np.int64)
    columns = {name: np.asarray(column) for name, column in columns.items()}
    assert everything(fc.clear(columns, mechanism)) == everything(carefully_cleared(columns, mechanism))


def unaligned(column):
    memory = np.zeros(1 + column.nbytes, np.uint8)
    array = memory[1:].view(column.dtype)
    array[:] = column
    return array


ANYHOW = {
    "list": list,
    "tuple": tuple,
    "strided": lambda column: np.repeat(column, 2)[::2],
    "reversed": lambda column: column[::-1].copy()[::-1],
    "swapped": lambda column: column.astype(column.dtype.newbyteorder(">")),
    "unaligned": unaligned,
    "read-only": lambda column: np.frombuffer(column.tobytes(), column.dtype),
    "object": lambda column: column.astype(object),
    "masked": lambda column: np.ma.array(column),
    "subclass": lambda column: column.view(type("Mine", (np.ndarray,), {})),
    "int16": lambda column: column.astype(np.int16),
    "uint64": lambda column: column.astype(np.uint64),
    "polars": pl.Series,
    "polars in pieces": lambda column: pl.concat([pl.Series(column[:2]), pl.Series(column[2:])], rechunk=False),
    "pandas": pd.Series,
    "nullable pandas": lambda column: pd.Series(column).convert_dtypes(),
    "arrow-backed pandas": lambda column: pd.Series(column).convert_dtypes(dtype_backend="pyarrow"),
    "arrow": pa.array,
}


@pytest.mark.parametrize("kind", ANYHOW)
@pytest.mark.parametrize("name", COLUMNS)
def test_any_column_of_any_kind_is_read_alike(name, kind):
    if (name, kind) == ("time", "uint64"):
        return  # nothing of 64 unsigned bits is a time
    column = ANYHOW[kind](COLUMNS[name])
    for rows in (6, 0):
        plain = {key: values[:rows] for key, values in COLUMNS.items()}
        given = plain | {name: column[:rows]}
        for mechanism in (fc.Uniform(), fc.Discriminatory()):
            wanted = everything(fc.clear(plain, mechanism))
            assert everything(fc.clear(given, mechanism)) == wanted


BOOK = st.fixed_dictionaries(
    {
        "side": st.integers(0, 2),
        "price": st.integers(-5, 9) | st.sampled_from([2**31 - 1, -(2**31)]),
        "quantity": st.integers(0, 6) | st.just(2**31 - 1),
        "market": st.integers(-1, 2),
        "order": st.integers(0, 40),
        "participant": st.integers(0, 3),
        "time": st.integers(0, 3),
    }
)
KINDS = [
    lambda columns: columns,
    lambda columns: {name: column.tolist() for name, column in columns.items()},
    pl.DataFrame,
    pd.DataFrame,
    pa.table,
    lambda columns: pd.DataFrame(columns).convert_dtypes(dtype_backend="pyarrow"),
    lambda columns: {name: np.repeat(column, 2)[::2] for name, column in columns.items()},
]


@settings(max_examples=60)
@given(
    st.lists(BOOK, max_size=12),
    st.sets(st.sampled_from(["market", "order", "participant", "time"])),
    st.sampled_from([np.int8, np.uint8, np.int64]),
    st.sampled_from([np.int32, np.int64]),
    st.sampled_from([np.int32, np.int64]),
    st.sampled_from(MECHANISMS),
)
def test_one_book_gives_one_result_whatever_holds_it(rows, optional, side, price, quantity, mechanism):
    types = {"side": side, "price": price, "quantity": quantity} | dict.fromkeys(sorted(optional), np.int64)
    columns = {name: np.array([row[name] for row in rows], dtype) for name, dtype in types.items()}
    wanted = everything(carefully_cleared(columns, mechanism))
    for kind in KINDS:
        assert everything(fc.clear(kind(columns), mechanism)) == wanted


@settings(max_examples=60)
@given(testing.orders(market_orders=True, faults=True, min_quantity=True), st.sampled_from(MECHANISMS))
def test_frames_with_faults_are_read_alike(frame, mechanism):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        assert everything(fc.clear(frame, mechanism)) == everything(carefully_cleared(frame, mechanism))


def test_columns_that_the_core_read_are_those_that_encoding_gives():
    for columns in (BARE, COLUMNS, COLUMNS | {"side": COLUMNS["side"].view(np.bool_)}):
        straight, encoded = as_they_stand(columns), encode(columns)
        for name in (
            *COLUMNS,
            "is_market_order",
            "min_quantity",
            "start_price",
            "refused",
            "units",
            "texts",
            "missing",
        ):
            one, other = getattr(straight, name), getattr(encoded, name)
            assert np.array_equal(one, other), name
            assert getattr(one, "dtype", None) == getattr(other, "dtype", None), name
        assert straight.frozen == encoded.frozen == False  # noqa: E712 - both are bools


def test_bytes_of_bools_that_are_neither():
    side = np.array([1, 2, 0, 255, 1, 0], np.uint8)
    codes = [0, 1, 0, 1, 0, 0]
    for given_side in (side, side.view(np.int8), side.view(np.bool_)):
        assert fc.clear(BARE | {"side": given_side}, fc.Uniform()).reject.tolist() == codes


@pytest.mark.parametrize(
    "orders",
    [
        BARE | {1: np.zeros(6)},
        BARE | {b"price": np.zeros(6)},
        BARE | {"price": BARE["price"][:5]},
        BARE | {"price": BARE["price"].reshape(2, 3)},
        BARE | {"price": BARE["price"].reshape(6, 1)},
        BARE | {"price": np.float64(3)},
        BARE | {"price": np.array(3)},
        BARE | {"price": None},
        BARE | {"price": BARE["price"].astype("M8[s]")},
        BARE | {"price": BARE["price"].astype(float)},
        BARE | {"order": BARE["price"].astype(float)},
        BARE | {"order_id": BARE["price"], "order": BARE["price"]},
        {"side": BARE["side"], "price": BARE["price"]},
        {},
    ],
)
def test_what_makes_no_sense_is_named_as_ever(orders):
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        assert told(lambda: fc.clear(orders, fc.Uniform())) == told(lambda: carefully_cleared(orders, fc.Uniform()))


def told(clear):
    """What a call comes to: all that it says, or its error."""
    try:
        return everything(clear())
    except fc.FastclearError as error:
        return type(error), str(error), error.column


class Upper(dict):
    def items(self):
        return [(name.lower(), column) for name, column in super().items()]


def test_mappings_of_the_callers_own_are_asked():
    orders = Upper({name.upper(): column for name, column in COLUMNS.items()})
    assert everything(fc.clear(orders, fc.Uniform())) == everything(fc.clear(COLUMNS, fc.Uniform()))


def test_lists_and_mappings_may_change_after_the_call():
    wanted = everything(fc.clear(COLUMNS, fc.Uniform()))
    for orders in (dict(COLUMNS), {name: column.tolist() for name, column in COLUMNS.items()}):
        clearing = fc.clear(orders, fc.Uniform())
        for column in orders.values():
            if isinstance(column, list):
                column.clear()
        orders.clear()
        orders["side"] = "gone"
        assert everything(clearing) == wanted


def test_unused_columns_and_strangers_are_warned_of_all_the_same(monkeypatch):
    monkeypatch.setattr(auction, "_warned_of", set())
    with pytest.warns(UserWarning, match="min_quantity") as caught:
        fc.clear(BARE | {"min_quantity": np.ones(6, np.int64)}, fc.Vickrey())
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="colour") as caught:
        fc.clear(BARE | {"colour of this test": np.ones(6)}, fc.Uniform())
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="no order here"):
        fc.clear(COLUMNS, fc.Muda(partition=[1, 77], seed=1))


# -- out -------------------------------------------------------------------------------------------------------


def test_out_that_lies_on_a_column_is_refused_by_memory_and_not_by_object():
    memory = bytearray(8 * 12)
    lots = np.frombuffer(memory, np.int64, 6)
    lots[:] = BARE["quantity"]
    for offset in (0, 8, 40):
        out = np.frombuffer(memory, np.int64, 6, offset)
        with pytest.raises(fc.SchemaError, match="shares memory with column 'quantity'"):
            fc.clear(BARE | {"quantity": lots}, fc.Uniform(), out=out)
        assert lots.tolist() == BARE["quantity"].tolist()
    out = np.frombuffer(memory, np.int64, 6, 48)
    assert fc.clear(BARE | {"quantity": lots}, fc.Uniform(), out=out).filled is out


def test_out_of_every_kind():
    wanted = fc.clear(BARE, fc.Uniform()).filled.tolist()
    subclass = np.zeros(6, np.int64).view(type("Mine", (np.ndarray,), {}))
    assert fc.clear(BARE, fc.Uniform(), out=subclass).filled is subclass
    assert subclass.tolist() == wanted
    for out in (np.zeros(6, ">i8"), np.zeros((6, 1), np.int64), np.zeros(12, np.int64)[::2], unaligned(np.zeros(6)), 5):
        with pytest.raises(fc.SchemaError, match="out") as caught:
            fc.clear(BARE, fc.Uniform(), out=out)
        assert caught.value.column == "out"


def test_calls_at_once():
    rows = 300_000
    columns = {
        name: np.frombuffer(np.asarray(column).tobytes(), np.asarray(column).dtype)
        for name, column in testing.random_orders(rows, seed=1, distribution="narrow").items()
        if name in BARE
    }
    wanted = fc.clear(columns, fc.Uniform()).filled
    out, failed, said = np.zeros(rows, np.int64), [], set()

    def work():
        for _ in range(6):
            for orders, options in ((columns, {"out": out}), (columns | {"quantity": out}, {})):
                try:
                    fc.clear(orders, fc.Uniform(), **options)
                except fc.SchemaError as error:
                    said.add(str(error))
            if not np.array_equal(fc.clear(columns, fc.Uniform()).filled, wanted):
                failed.append("another result")

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert all("in use" in message or "still running" in message for message in said)
    assert np.array_equal(out, wanted)


# -- what is worked out later ----------------------------------------------------------------------------------


@pytest.mark.parametrize("mechanism", MECHANISMS, ids=lambda mechanism: type(mechanism).__name__)
def test_without_fills_the_markets_are_the_same(mechanism):
    columns = {name: np.asarray(column) for name, column in testing.random_orders(80, markets=3, seed=5).items()}
    for orders in (columns, pl.DataFrame(columns), {name: column.tolist() for name, column in columns.items()}):
        full, bare = fc.clear(orders, mechanism), fc.clear(orders, mechanism, fills=False)
        assert bare.markets.equals(full.markets)
        assert "filled" not in vars(bare)
        assert repr(bare) == repr(full)
        assert everything(bare) == everything(full)
        assert not bare.filled.flags.writeable


@pytest.mark.parametrize("distribution", ["narrow", "wide"])
@pytest.mark.parametrize("rows", [4_095, 4_096, 70_000])
def test_without_fills_large_markets_are_the_same(rows, distribution):
    drawn = testing.random_orders(rows, seed=rows, distribution=distribution)
    columns = {name: np.asarray(column) for name, column in drawn.items() if name in BARE}
    faulty = columns | {"price": np.where(np.arange(rows) % 1_000, columns["price"], 2**40)}
    for orders in (columns, faulty):
        for mechanism in (fc.Uniform(), fc.Uniform(price_rule="marginal_bid"), fc.Discriminatory()):
            full, bare = fc.clear(orders, mechanism), fc.clear(orders, mechanism, fills=False)
            assert bare.markets.equals(full.markets)
            assert np.array_equal(bare.reject, full.reject)
            assert np.array_equal(bare.filled, full.filled)


@pytest.mark.parametrize("first", ["payment", "trades", "fills", "trade_columns", "filled", "reject"])
def test_without_fills_anything_may_be_asked_first(first):
    for mechanism in (fc.Uniform(), fc.Discriminatory(), fc.Vickrey()):
        bare = fc.clear(COLUMNS, mechanism, fills=False)
        getattr(bare, first)
        assert everything(bare) == everything(fc.clear(COLUMNS, mechanism))


def test_without_fills_there_is_nothing_for_out():
    with pytest.raises(fc.SchemaError, match="fills=False") as caught:
        fc.clear(BARE, fc.Uniform(), out=np.zeros(6, np.int64), fills=False)
    assert caught.value.column == "out"
    for fills in (0, "no", None):
        with pytest.raises(fc.SchemaError, match="fills"):
            fc.clear(BARE, fc.Uniform(), fills=fills)
    assert "filled" not in vars(fc.clear(BARE, fc.Uniform(), fills=np.bool_(False)))
    assert fc.clear(BARE, fc.Blocks(), fills=False).filled.tolist() == fc.clear(BARE, fc.Blocks()).filled.tolist()


def test_without_fills_copies_know_as_little():
    bare = fc.clear(COLUMNS, fc.Uniform(), fills=False)
    for twin in (copy.copy(bare), copy.deepcopy(bare), pickle.loads(pickle.dumps(bare))):
        assert "filled" not in vars(twin)
        assert everything(twin) == everything(fc.clear(COLUMNS, fc.Uniform()))
    assert "filled" in vars(copy.copy(fc.clear(COLUMNS, fc.Uniform())))


def test_a_copy_is_another_clearing_with_the_same_results():
    clearing = fc.clear(COLUMNS, fc.Uniform())
    trades = clearing.trade_columns
    twin = copy.copy(clearing)
    assert twin.filled is clearing.filled
    assert twin.trade_columns["quantity"] is trades["quantity"]
    trades["quantity"] = trades["quantity"] + 1
    assert everything(twin) == everything(fc.clear(COLUMNS, fc.Uniform()))
    out = np.empty(len(clearing), np.int64)
    own = copy.copy(fc.clear(COLUMNS, fc.Uniform(), out=out))
    out[:] = -1
    assert own.filled.tolist() == clearing.filled.tolist()


@pytest.mark.parametrize("asked", ["filled", "payment", "trades", "fills"])
@pytest.mark.parametrize("name", ["side", "price", "quantity", "market"])
def test_columns_that_have_changed_since_are_noticed(asked, name):
    columns = {key: column.copy() for key, column in COLUMNS.items()}
    clearing = fc.clear(columns, fc.Uniform(), fills=False)
    columns[name][0] = 0 if name == "side" else columns[name][0] + 100
    with pytest.raises(fc.FastclearError, match="changed since"):
        getattr(clearing, asked)


def test_sides_and_markets_that_have_changed_show_in_the_sums():
    for name in ("side", "market"):
        columns = {key: column.copy() for key, column in COLUMNS.items()}
        clearing = fc.clear(columns, fc.Uniform())
        columns[name][0] = 0 if name == "side" else 2
        with pytest.raises(fc.FastclearError, match="changed since"):
            clearing.payment  # noqa: B018 - the property does the work


def test_prices_that_have_changed_since_do_not_reach_payments():
    columns = {key: column.copy() for key, column in BARE.items()}
    clearing = fc.clear(columns, fc.Uniform())
    wanted = fc.clear(BARE, fc.Uniform()).payment.tolist()
    columns["price"] += 1
    assert clearing.payment.tolist() == wanted
    with pytest.raises(fc.FastclearError, match="changed since"):
        clearing.trades  # noqa: B018 - the property does the work


@pytest.mark.parametrize(
    ("mechanism", "asked"),
    [(fc.Uniform(), "payment"), (fc.Uniform(), "fills"), (fc.Uniform(), "trades"), (fc.Vickrey(), "fills")],
)
def test_an_out_that_was_written_since_is_noticed(mechanism, asked):
    out = np.empty(6, np.int64)
    clearing = fc.clear(BARE, mechanism, out=out)
    out[0], out[2] = out[2], out[0]  # which no sum shows
    assert out[0] != out[2]
    with pytest.raises(fc.FastclearError, match="out"):
        getattr(clearing, asked)


@pytest.mark.parametrize("rows", [40, 5_000, 700_000])
@pytest.mark.parametrize("markets", [1, 7])
def test_payments_at_prices_are_those_that_the_core_keeps(rows, markets):
    drawn = testing.random_orders(rows, markets=markets, seed=rows, distribution="narrow")
    columns = {name: np.asarray(column) for name, column in drawn.items() if name in (*BARE, "market")}
    shuffled = dict(columns)
    if markets > 1:
        columns["market"] = np.sort(columns["market"])
        shuffled["market"] = np.random.default_rng(1).permutation(columns["market"]) * 10**12
    for orders in (columns, shuffled):
        for mechanism in (fc.Uniform(fee=3), fc.Uniform(price_rule="last_pair_midpoint")):
            clearing = fc.clear(orders, mechanism)
            kept = clearing._run_again(payment=True)[0].payment()
            assert np.array_equal(clearing.payment, kept)
            assert kept.any()


# -- frames ----------------------------------------------------------------------------------------------------


def test_frames_stay_when_the_callers_arrays_change():
    columns = {key: column.copy() for key, column in COLUMNS.items()}
    out = np.empty(6, np.int64)
    clearing = fc.clear(columns, fc.Uniform(), out=out)
    fills, trades, markets = clearing.fills, clearing.trades, clearing.markets
    before = [str(frame.rows()) for frame in (fills, trades, markets)]
    out[:] = -1
    for column in columns.values():
        column[:] = 0
    assert [str(frame.rows()) for frame in (fills, trades, markets)] == before


def test_row_numbers_are_shared_and_grow(monkeypatch):
    monkeypatch.setattr(frames, "_row_numbers", pl.Series("order", np.arange(3)))
    monkeypatch.setattr(frames, "_no_rejects", pl.Series("reject", np.zeros(3, np.uint16)))
    monkeypatch.setattr(frames, "SHARED_ROWS_MAX", 10)
    for n in (2, 5, 4, 10, 11, 0):
        assert frames.row_numbers(n).to_list() == list(range(n))
        assert frames.no_rejects(n).to_list() == [0] * n
        assert (frames.row_numbers(n).dtype, frames.no_rejects(n).dtype) == (pl.Int64, pl.UInt16)
        assert (frames.row_numbers(n).name, frames.no_rejects(n).name) == ("order", "reject")
    assert len(frames._row_numbers) == len(frames._no_rejects) == 10


def test_markets_of_every_kind_in_one_frame():
    """One market that trades, one without a bid, one without an ask, one that does not cross, one of refused orders."""
    orders = {
        "market": np.array([5, 5, 6, 7, 8, 8, 9]),
        "side": np.array([1, 0, 0, 1, 1, 0, 3], np.int8),
        "price": np.array([9, 4, 3, 8, 2, 6, 1]),
        "quantity": np.array([3, 2, 1, 1, 1, 1, 1]),
    }
    frame = fc.clear(orders, fc.Uniform(k=0)).markets
    names = ["market", "price", "price_low", "price_buy", "volume", "buy_orders", "best_bid", "best_ask", "welfare"]
    assert [tuple(cell if cell is None else int(cell) for cell in row) for row in frame.select(names).rows()] == [
        (5, 9, 9, 9, 2, 1, None, None, 10),
        (6, None, None, None, 0, 0, None, 3, 0),
        (7, None, None, None, 0, 1, 8, None, 0),
        (8, None, None, None, 0, 1, 2, 6, 0),
        (9, None, None, None, 0, 0, None, None, 0),
    ]
    columns = fc.clear(orders, fc.Uniform(k=0)).market_columns
    assert columns["has_price"].tolist() == [True, False, False, False, False]
    assert columns["has_price"].dtype == bool
    assert columns["buy_orders"].dtype == np.uint32


def test_money_beyond_64_bits_is_exact():
    top = 2**31 - 1
    rows = 5
    orders = {
        "side": np.repeat(np.array([1, 0], np.int8), rows),
        "price": np.repeat(np.array([top, -top]), rows),
        "quantity": np.full(2 * rows, top),
    }
    clearing = fc.clear(orders, fc.Uniform(k=1))
    assert clearing.market_columns["welfare"].dtype == object
    assert (
        clearing.market_columns["welfare"].tolist() == [2 * rows * top * top] == [int(clearing.markets["welfare"][0])]
    )
    assert clearing.market_columns["surplus"].dtype == np.int64
    clearing.audit()


# -- memory ----------------------------------------------------------------------------------------------------

LARGE = buffers.LARGE_BYTES // 8


@pytest.fixture
def nothing_kept(monkeypatch):
    gc.collect()
    kept = list(buffers._kept)
    buffers._kept.clear()
    yield buffers._kept
    buffers._kept[:] = kept


def test_memory_is_used_again_when_nobody_holds_it(nothing_kept):
    one = buffers.empty(LARGE + 9)
    where = address(one)
    one[:] = np.arange(LARGE + 9)
    two = buffers.empty(LARGE)
    assert address(two) != where
    part = one[5:9]
    del one
    assert not nothing_kept
    assert part.tolist() == [5, 6, 7, 8]
    series = pl.Series(part)
    del part
    assert not nothing_kept
    assert series.to_list() == [5, 6, 7, 8]
    del series
    assert len(nothing_kept) == 1
    assert address(buffers.empty(LARGE)) == where


def test_small_arrays_have_no_memory_of_their_own(nothing_kept):
    assert buffers.empty(LARGE - 1).base is None
    assert buffers.empty(0).tolist() == []
    assert not nothing_kept


def test_no_more_is_kept_than_said(nothing_kept):
    arrays = [buffers.empty(6_000_000) for _ in range(8)]
    assert len({address(array) for array in arrays}) == 8
    del arrays
    assert 0 < sum(memory.size for memory in nothing_kept) <= buffers.KEPT_BYTES_MAX
    buffers.empty(10 * LARGE)  # much smaller than what is kept: takes memory of its own
    assert min(memory.size for memory in nothing_kept) < 12 * buffers.LARGE_BYTES


def test_results_never_share_memory_that_is_in_use(nothing_kept):
    rows = 600_000
    columns = {
        name: np.asarray(column)
        for name, column in testing.random_orders(rows, seed=3, distribution="narrow").items()
        if name in BARE
    }
    clearings = [fc.clear(columns, fc.Uniform(k=k)) for k in (0, 1, 0, 1)]
    arrays = [array for clearing in clearings for array in (clearing.filled, clearing.payment)]
    assert len({address(array) for array in arrays}) == 8
    fills = [clearing.fills for clearing in clearings]
    before = [clearing.payment.sum() for clearing in clearings]
    del clearings, arrays
    for k in (0, 1):
        fc.clear(columns, fc.Uniform(k=k)).fills  # noqa: B018 - to use what may be used
    assert [frame["payment"].sum() for frame in fills] == before
    assert fills[0].equals(fills[2])
    assert fills[1].equals(fills[3])


def test_threads_take_and_give_back_at_once(nothing_kept):
    failed = []

    def work(mark):
        for turn in range(200):
            array = buffers.empty(LARGE + turn)
            array[:: LARGE // 4] = mark
            if (array[:: LARGE // 4] != mark).any():
                failed.append(mark)

    threads = [threading.Thread(target=work, args=(mark,)) for mark in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed


# -- mechanisms ------------------------------------------------------------------------------------------------


def test_mechanisms_that_were_checked_once_are_remembered_by_type():
    assert fc.Uniform().core is fc.Uniform(k=0.5).core
    for k in (1, 1.0):
        fc.Uniform(k=k)
        with pytest.raises(fc.MechanismError, match="no fraction"):
            fc.Uniform(k=True)
    fc.Uniform(k=(1, 2))
    with pytest.raises(fc.MechanismError, match="no fraction"):
        fc.Uniform(k=(1.0, 2))
    fc.Uniform(fee=1)
    for fee in (True, 1.0, [1]):
        with pytest.raises(fc.MechanismError, match="fee"):
            fc.Uniform(fee=fee)
    assert type(fc.Uniform(fee=np.int64(1)).fee) is int
    assert type(fc.Discriminatory(k=np.float64(0.5)).k) is float


def test_the_core_asks_for_plain_arrays():
    """Guard: what goes straight is decided in one place, which does refuse."""
    core = fc.Uniform().core
    assert _core.clear_columns(BARE, core, None, None, True) is not None
    for orders, *rest in [
        (BARE | {"price": [1] * 6}, None, None, True),
        (BARE | {"type": BARE["side"]}, None, None, True),
        (BARE, True, None, True),
        (BARE, 0, None, True),
        (BARE, 2.0, None, True),
        (BARE, None, np.zeros(5, np.int64), True),
        (BARE, None, np.zeros(6, np.int64), False),
        (BARE | {"min_quantity": np.zeros(6, np.int32)}, None, None, True),
        (BARE | {"start_price": np.zeros(6, np.int64)}, None, None, True),
    ]:
        assert _core.clear_columns(orders, core, *rest) is None
    assert _core.clear_columns(BARE, fc.Muda(seed=1).core, None, None, True) is None
