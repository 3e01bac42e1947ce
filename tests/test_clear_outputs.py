"""What `fastclear.clear` gives: arrays, frames, `out=`, the encoded orders."""

import numpy as np
import polars as pl
import pytest

import fastclear as fc
from fastclear import testing

FRAME = pl.DataFrame(
    {
        "side": ["buy", "sell", "buy"],
        "price": [30, 10, 5],
        "quantity": [5, 4, 4],
        "market": ["n", "n", "s"],
        "order": ["x", "y", "z"],
        "participant": ["ann", "bob", "ann"],
        "time": [3, 2, 1],
    }
)


@pytest.fixture
def clearing():
    return fc.clear(FRAME, fc.Uniform())


def test_frames_have_the_columns_and_types_of_the_contract(clearing):
    stated = {
        "market": pl.String,
        "price": pl.Int64,
        "price_low": pl.Int64,
        "price_high": pl.Int64,
        "price_buy": pl.Int64,
        "price_sell": pl.Int64,
        "volume": pl.Int64,
        "buy_orders": pl.UInt32,
        "sell_orders": pl.UInt32,
        "welfare": pl.Decimal(38, 0),
        "buyer_payment": pl.Decimal(38, 0),
        "seller_revenue": pl.Decimal(38, 0),
        "surplus": pl.Decimal(38, 0),
    }
    # Further columns may stand beside those of the contract.
    assert {name: clearing.markets.schema.get(name) for name in stated} == stated
    assert dict(clearing.fills.schema) == {
        "order": pl.String,
        "filled": pl.Int64,
        "payment": pl.Int64,
        "reject": pl.UInt16,
    }
    assert dict(clearing.trades.schema) == {
        "market": pl.String,
        "trade": pl.UInt64,
        "buy_order": pl.String,
        "sell_order": pl.String,
        "quantity": pl.Int64,
        "buy_price": pl.Int64,
        "sell_price": pl.Int64,
    }
    assert clearing.markets["price"].to_list() == [30, None]


def test_frames_of_integer_ids_are_integers():
    clearing = fc.clear(testing.random_orders(50, markets=3), fc.Uniform())
    assert clearing.markets.schema["market"] == pl.Int64
    assert clearing.trades.schema["buy_order"] == pl.Int64


def test_frames_are_built_once(clearing):
    assert clearing.markets is clearing.markets
    assert clearing.fills is clearing.fills
    assert clearing.trades is clearing.trades


def test_arrays_are_read_only_and_stay_when_frames_are_made(clearing):
    every = [clearing.filled, clearing.payment, clearing.reject]
    every += [*clearing.market_columns.values(), *clearing.trade_columns.values()]
    assert len(every) > 15
    for array in every:
        assert isinstance(array, np.ndarray)
        assert not array.flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            array[:1] = 1
    before = clearing.filled.tolist()
    assert clearing.fills["filled"].to_list() == before == clearing.filled.tolist()


def test_trade_columns_point_to_rows(clearing):
    columns = clearing.trade_columns
    assert set(columns) >= {"market", "trade", "buy_row", "sell_row", "quantity", "buy_price", "sell_price"}
    assert columns["buy_row"].tolist() == [0]
    assert columns["sell_row"].tolist() == [1]


def test_encoded_orders(clearing):
    orders = clearing.orders
    assert orders.n == 3
    assert orders.side.tolist() == [1, 0, 1]
    assert orders.side.dtype == np.uint8
    assert orders.price.tolist() == [30, 10, 5]
    assert orders.quantity.tolist() == [5, 4, 4]
    assert orders.time.tolist() == [3, 2, 1]
    texts = orders.texts["participant"]
    assert [texts[code] for code in orders.participant.tolist()] == ["ann", "bob", "ann"]
    bare = fc.clear(FRAME.select("side", "price", "quantity"), fc.Uniform()).orders
    assert bare.market is None
    assert bare.order is None
    assert bare.participant is None
    assert bare.time is None


def test_out_receives_the_fills():
    out = np.full(3, -7, dtype=np.int64)
    clearing = fc.clear(FRAME, fc.Uniform(), out=out)
    assert out.tolist() == [4, 4, 0] == clearing.filled.tolist()
    assert out.flags.writeable
    # The buffer is the caller's, to be used again.
    again = fc.clear(FRAME, fc.Uniform(), out=out)
    assert again.filled.tolist() == [4, 4, 0]


@pytest.mark.parametrize(
    "out",
    [
        np.zeros(2, dtype=np.int64),
        np.zeros(4, dtype=np.int64),
        np.zeros(3, dtype=np.int32),
        np.zeros(3, dtype=np.float64),
        np.zeros((3, 1), dtype=np.int64),
        np.zeros(6, dtype=np.int64)[::2],
        np.broadcast_to(np.zeros(1, dtype=np.int64), 3),
        [0, 0, 0],
    ],
    ids=["short", "long", "int32", "float", "2d", "strided", "read-only", "list"],
)
def test_an_unfit_out_is_refused(out):
    with pytest.raises((fc.SchemaError, TypeError), match="out"):
        fc.clear(FRAME, fc.Uniform(), out=out)


def test_results_print_and_export(clearing):
    text = repr(clearing)
    assert "4" in text
    assert len(text.splitlines()) <= 40
    assert "<table" in clearing._repr_html_()
    assert clearing.fills.to_pandas()["filled"].tolist() == [4, 4, 0]
    assert clearing.fills.to_arrow().num_rows == 3


def test_mechanisms_print_and_compare():
    assert repr(fc.Uniform()).startswith("Uniform(")
    assert fc.Uniform() == fc.Uniform(k=0.5)
    assert fc.Uniform() != fc.Uniform(k=1)
    assert hash(fc.Discriminatory(rule="bid")) == hash(fc.Discriminatory(rule="bid"))
    assert fc.Discriminatory(rule="bid") != fc.Discriminatory(rule="ask")
