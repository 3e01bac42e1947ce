"""The order book at the Python border: columns in, events out. The rules themselves are compared with a naive twin in
Rust (rust/fastclear-core/tests/book)."""

import copy
import json
import pickle
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastclear as fc

FOLDER = Path(__file__).resolve().parent / "cases" / "book"
CASES = [json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*/case.json"))]
NULL = -(2**63)


def kinds(events):
    return events.frame["kind"].to_list()


def names(events):
    return [fc.RejectReason(code).name.lower() for code in events.frame["reject"] if code]


def resting(book):
    return book.snapshot().select("order", "side", "price", "quantity").rows()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
@pytest.mark.parametrize("one_by_one", [False, True])
def test_worked_examples(case, one_by_one):
    assert len(CASES) >= 4
    book = fc.OrderBook(**case["rules"])
    frame = pl.DataFrame(case["commands"])
    calls = frame.iter_slices(1) if one_by_one else [frame]
    events = [book.apply(call) for call in calls]
    trades = pl.concat([call.trades for call in events])
    expected = case["expected"]
    columns = ["buy_order", "sell_order", "quantity", "buy_price"]
    assert [list(row) for row in trades.select(columns).rows()] == expected["trades"]
    assert trades["buy_price"].equals(trades["sell_price"], check_names=False)
    snapshot = book.snapshot()
    for side, key in (("buy", "bids"), ("sell", "asks")):
        rows = snapshot.filter(side=side).select("order", "price", "quantity").rows()
        assert [list(row) for row in rows] == expected[key]
    if "cancelled" in expected:
        told = pl.concat([call.frame for call in events]).filter(kind="cancelled")
        got = [
            [order, fc.RejectReason(code).name.lower(), lots]
            for order, code, lots in told.select("order", "reject", "quantity").rows()
        ]
        assert got == expected["cancelled"]


def test_events_are_numbered_over_calls():
    book = fc.OrderBook()
    numbers = []
    for price in (5, 6, 5, 7):
        events = book.submit({"side": ["buy", "sell"], "price": [price, price + 1], "quantity": [2, 3]})
        assert events.first_seq == len(numbers)
        numbers += events.frame["seq"].to_list()
        assert len(events) == events.count == len(events.frame)
    assert numbers == list(range(len(numbers)))


GOOD = {"side": ["buy"], "price": [5], "quantity": [2]}


@pytest.mark.parametrize(
    "columns",
    [
        {"side": np.array([1], np.uint8), "price": np.array([5], np.int32), "quantity": np.array([2], np.int32)},
        {"side": np.array([True]), "price": np.array([5]), "quantity": np.array([2], np.uint8)},
        {"side": np.array([1], np.int8), "price": [5], "quantity": (2,)},
        {"side": pl.Series(["BID"]), "price": pl.Series([5], dtype=pl.Int8), "quantity": pl.Series([2])},
        pl.DataFrame(GOOD),
        pl.DataFrame(GOOD).lazy(),
        GOOD | {"type": ["limit"], "tif": ["gtc"], "post_only": [False], "flags": None},
        GOOD | {"type": np.array([0]), "tif": pl.Series(["GTC"], dtype=pl.Categorical), "market": [0]},
        GOOD | {"flags": pl.Series([None], dtype=pl.String), "time": [datetime(2026, 1, 1, tzinfo=UTC)]},
        GOOD | {"flags": [""], "expires": [None], "order_id": [0]},
    ],
)
def test_columns_of_any_kind(columns):
    if isinstance(columns, dict):
        columns = {name: column for name, column in columns.items() if column is not None}
    book = fc.OrderBook()
    assert kinds(book.submit(columns)) == ["accepted"]
    assert resting(book) == [(0, "buy", 5, 2)]


@pytest.mark.parametrize(
    ("columns", "column"),
    [
        ({"price": [5], "quantity": [2]}, "side"),
        ({"side": ["buy"], "quantity": [2]}, "price"),
        ({"side": ["buy"], "price": [5]}, "quantity"),
        ({}, None),
        (GOOD | {"price": [5, 6]}, "price"),
        (GOOD | {"price": [5.5]}, "price"),
        (GOOD | {"price": np.array([[5]])}, "price"),
        (GOOD | {"price": "5"}, "price"),
        (GOOD | {"quantity": ["two"]}, "quantity"),
        (GOOD | {"side": [1.0]}, "side"),
        (GOOD | {"order": [1.5]}, "order"),
        (GOOD | {"market": [[1]]}, "market"),
        (GOOD | {"participant": np.array([2**63], np.uint64)}, "participant"),
        (GOOD | {"tif": [1.5]}, "tif"),
        (GOOD | {"type": [True]}, "type"),
        (GOOD | {"expires": ["soon"]}, "expires"),
        (GOOD | {"expires": [datetime(2026, 1, 1)]}, "expires"),
        (GOOD | {"time": [1.0]}, "time"),
        (GOOD | {"post_only": [1]}, "post_only"),
        (GOOD | {"post_only": [True], "flags": ["post_only"]}, "post_only"),
        (GOOD | {"op": ["new"]}, "op"),
        (GOOD | {"order": [1], "order_id": [1]}, "order"),
    ],
)
def test_columns_that_make_no_sense_raise_and_change_nothing(columns, column):
    book = fc.OrderBook()
    book.submit(GOOD)
    before = (resting(book), len(book), book.clock)
    with pytest.raises(fc.SchemaError) as caught:
        book.submit(columns)
    assert caught.value.column == column or column is None
    assert (resting(book), len(book), book.clock) == before
    assert book.submit(GOOD).first_seq == 1


@pytest.mark.parametrize("frame", [5, None, "orders", [1, 2], object()])
def test_what_is_no_frame_raises(frame):
    with pytest.raises(fc.SchemaError):
        fc.OrderBook().submit(frame)


SELL = {"side": "sell", "price": 5, "quantity": 2, "order": 1}
BUY = SELL | {"side": "buy", "order": 2}
NEW = {"op": "new", "market": 0, "tif": "gtc", "type": "limit", "participant": 1, "time": 10, "flags": None}

# reason -> rows of commands, of which the last shows it, and rules of the book
REACHED = {
    "unknown_op": ([{"op": "stop"}], {}),
    "unknown_side": ([BUY | {"side": "hold"}], {}),
    "unknown_type": ([BUY | {"type": "stop"}], {}),
    "unknown_tif": ([BUY | {"tif": "day"}], {}),
    "price_missing": ([BUY | {"price": None}], {}),
    "price_out_of_range": ([BUY | {"price": 2**31}], {}),
    "quantity_missing": ([BUY | {"quantity": None}], {}),
    "quantity_out_of_range": ([BUY | {"quantity": 0}], {}),
    "id_missing": ([BUY | {"participant": None}], {}),
    "time_missing": ([BUY | {"time": None}], {}),
    "instructions_invalid": ([BUY | {"tif": "ioc", "flags": "post_only"}], {}),
    "expiry_invalid": ([BUY | {"tif": "gtt", "expires": 10}], {}),
    "min_quantity_out_of_range": ([BUY | {"min_quantity": 3}], {}),
    "display_invalid": ([BUY | {"display": 3}], {}),
    "stop_invalid": ([BUY | {"stop": 2**31}], {}),
    "peg_invalid": ([BUY | {"peg": "best", "offset": -1}], {}),
    "duplicate_order": ([SELL, SELL], {}),
    "unknown_order": ([SELL, {"op": "cancel", "order": 1, "market": 3}], {}),
    "market_halted": ([{"op": "halt"}, BUY], {}),
    "unknown_phase": ([{"op": "phase", "phase": "lunch"}], {}),
    "not_in_phase": ([{"op": "phase", "phase": "pre_open"}, BUY | {"tif": "ioc"}], {}),
    "would_trade": ([SELL, BUY | {"flags": "post_only"}], {}),
    "not_filled": ([SELL, BUY | {"quantity": 3, "tif": "fok"}], {}),
    "self_trade": ([SELL, BUY], {"self_trade": "cancel_resting"}),
    "book_erased": ([SELL, BUY | {"quantity": 1}], {"erase_after_trade": True}),
}


def frame_of(rows):
    schema = {
        "op": pl.String,
        "order": pl.Int64,
        "side": pl.String,
        "price": pl.Int64,
        "quantity": pl.Int64,
        "market": pl.Int64,
        "tif": pl.String,
        "type": pl.String,
        "participant": pl.Int64,
        "time": pl.Int64,
        "flags": pl.String,
        "expires": pl.Int64,
        "phase": pl.String,
        "min_quantity": pl.Int64,
        "display": pl.Int64,
        "stop": pl.Int64,
        "peg": pl.String,
        "offset": pl.Int64,
    }
    return pl.DataFrame([NEW | row for row in rows], schema=schema)


@pytest.mark.parametrize("reason", REACHED)
def test_reasons_are_reached(reason):
    rows, rules = REACHED[reason]
    events = fc.OrderBook(**rules).apply(frame_of(rows))
    told = events.frame.filter(command=len(rows) - 1)
    assert int(fc.RejectReason[reason.upper()]) in told["reject"].to_list()
    if "rejected" in kinds(events):
        assert events.reject[-1] == fc.RejectReason[reason.upper()]
        assert len(told) == 1


def test_reasons_that_units_and_gates_reach():
    book = fc.OrderBook(units=fc.Units(price="ct/kWh", quantity="kWh"))
    off = book.submit({"side": ["buy"] * 3, "price": [12.00005, 12.0, None], "quantity": [1.0, 1.0005, 1.0]})
    assert names(off) == ["price_off_grid", "quantity_off_grid", "price_missing"]
    assert kinds(book.submit({"side": ["buy"], "price": [12.5], "quantity": [1.5]})) == ["accepted"]
    assert resting(book) == [(3, "buy", 125_000, 1500)]
    book.set_gates({0: 100})
    events = book.submit({"side": ["buy"], "price": [12.5], "quantity": [1.5], "time": [100]})
    assert kinds(events) == ["expired", "rejected"]
    assert names(events) == ["market_closed"] * 2
    with pytest.raises(fc.SchemaError, match="closed"):
        book.set_gates({5: 300, 0: 200})
    assert book.markets["market"].to_list() == [0]
    with pytest.raises(fc.SchemaError, match="after the book's clock"):
        book.set_gates({5: 100})
    with pytest.raises(fc.SchemaError, match="null is no market"):
        fc.OrderBook().set_gates({None: 100})


def test_the_extremes_of_64_bits_are_out_of_range_and_no_null():
    extremes = [-(2**63), -(2**63) + 1, -(2**31), 2**31, 2**63 - 1]
    columns = {"side": ["buy"] * 5, "price": np.array(extremes), "quantity": [1] * 5}
    assert names(fc.OrderBook().submit(columns)) == ["price_out_of_range"] * 5
    columns = {"side": ["buy"] * 5, "price": [1] * 5, "quantity": np.array(extremes)}
    assert names(fc.OrderBook().submit(columns)) == ["quantity_out_of_range"] * 5


def test_text_ids_come_back_as_they_were_given():
    book = fc.OrderBook(self_trade="cancel_incoming")
    first = {"market": ["z", "a", "z"], "order": ["o1", "o2", "o3"], "participant": ["ann", "bob", "ann"]}
    book.submit(first | {"side": ["buy"] * 3, "price": [5, 6, 7], "quantity": [1] * 3})
    events = book.apply(
        {
            "op": ["new", "cancel", "cancel", "new"],
            "market": ["z", None, "b", "a"],
            "order": ["o4", "o1", "o2", "o5"],
            "participant": ["ann", None, None, "cat"],
            "side": ["sell", None, None, "sell"],
            "price": [7, None, None, 6],
            "quantity": [1, None, None, 1],
        }
    )
    assert events.frame.select("kind", "market", "order", "counter_order").rows() == [
        ("accepted", "z", "o4", None),
        ("cancelled", "z", "o4", "o3"),
        ("cancelled", "z", "o1", None),
        ("rejected", None, "o2", None),
        ("accepted", "a", "o5", None),
        ("trade", "a", "o5", "o2"),
        ("filled", "a", "o2", "o5"),
        ("filled", "a", "o5", "o2"),
    ]
    assert events.trades.rows() == [("a", 0, "o2", "o5", 1, 6, 6)]
    assert book.snapshot().rows() == [("z", "o3", "ann", "buy", 7, 1, None, "limit", "gtc", *[None] * 5, 1)]
    assert book.best("z").bid == 7
    assert book.best("nowhere") == (None,) * 4
    assert book.snapshot("a").is_empty()
    for ids in ({"market": [1]}, {"order": [1]}, {"participant": [1]}):
        with pytest.raises(fc.SchemaError, match="before"):
            book.submit(GOOD | {"market": ["z"], "order": ["o9"], "participant": ["ann"]} | ids)
    with pytest.raises(fc.SchemaError):
        book.best(1)
    for left_out in ("market", "order"):
        whole = GOOD | {"market": ["z"], "order": ["o9"], "participant": ["ann"]}
        with pytest.raises(fc.SchemaError, match="missing") as caught:
            book.submit({name: column for name, column in whole.items() if name != left_out})
        assert caught.value.column == left_out
    with pytest.raises(fc.SchemaError, match="missing"):
        book.place("buy", 1, 1, market="z")
    with pytest.raises(fc.SchemaError, match="missing"):
        book.apply({"op": ["halt"]})
    assert names(book.cancel("o77")) == ["unknown_order"]
    assert kinds(book.cancel(["o3"])) == ["cancelled"]
    counted = fc.OrderBook()
    counted.submit(GOOD)
    for text in ({"market": ["z"]}, {"order": ["o1"]}):
        with pytest.raises(fc.SchemaError, match="before"):
            counted.submit(GOOD | text)


def test_cancel_and_replace_take_one_id_or_a_column():
    book = fc.OrderBook()
    book.submit({"side": ["buy"] * 4, "price": [5] * 4, "quantity": [4] * 4})
    assert kinds(book.replace(0, quantity=3)) == ["replaced"]
    assert kinds(book.replace([1, 2], price=5, quantity=[5, 4])) == ["replaced"] * 2
    assert resting(book) == [(0, "buy", 5, 3), (3, "buy", 5, 4), (1, "buy", 5, 5), (2, "buy", 5, 4)]
    frame = pl.DataFrame(
        {"order": [3, 1], "price": [6, None], "quantity": [None, 1]}, schema_overrides={"price": pl.Int64}
    )
    assert kinds(book.replace(frame)) == ["replaced"] * 2
    assert resting(book) == [(3, "buy", 6, 4), (0, "buy", 5, 3), (1, "buy", 5, 1), (2, "buy", 5, 4)]
    assert kinds(book.cancel(np.array([3, 0]))) == ["cancelled"] * 2
    assert kinds(book.cancel(1)) == ["cancelled"]
    assert len(book) == 1
    with pytest.raises(fc.SchemaError):
        book.replace(frame, price=5)
    with pytest.raises(fc.SchemaError):
        book.replace([2], price=[5, 6])
    with pytest.raises(fc.SchemaError):
        book.cancel([1.5])


def test_a_copy_shares_nothing():
    book = fc.OrderBook()
    book.submit(GOOD | {"market": ["m"], "order": ["o"]})
    for twin in (copy.copy(book), copy.deepcopy(book)):
        twin.submit(GOOD | {"market": ["n"], "order": ["p"]})
        assert (len(book), len(twin)) == (1, 2)
        assert book.markets["market"].to_list() == ["m"]
    assert pickle.loads(pickle.dumps(book)).save() == book.save()


def test_views_of_many_markets():
    book = fc.OrderBook()
    n = 3000
    markets = np.arange(n) % 1000
    book.submit(
        {
            "market": markets,
            "side": np.arange(n) % 2 == 0,
            "price": 50 + np.arange(n) % 7 - 8 * (np.arange(n) % 2 == 0),
            "quantity": np.ones(n, int),
            "participant": np.arange(n),
        }
    )
    assert book.markets["market"].to_list() == list(range(1000))
    snapshot = book.snapshot()
    assert snapshot["market"].is_sorted()
    assert len(snapshot) == len(book) == n
    for market in (0, 17, 999):
        own = snapshot.filter(market=market)
        assert own.equals(book.snapshot(market))
        depth = book.depth(market, 100)
        totals = own.group_by("side", "price", maintain_order=True).agg(pl.col("quantity").sum(), orders=pl.len())
        assert depth.select("side", "price", "quantity").rows() == totals.select("side", "price", "quantity").rows()
        bid = own.filter(side="buy")["price"].max()
        assert book.best(market).bid == bid
    assert book.depth(5, 0).is_empty()
    for levels in (-1, 1.5, True, "all"):
        with pytest.raises(fc.SchemaError):
            book.depth(0, levels)


def test_a_snapshot_handed_in_gives_the_same_orders():
    book = fc.OrderBook()
    rng = np.random.default_rng(5)
    n = 2000
    book.submit(
        {
            "market": rng.integers(0, 5, n),
            "participant": rng.integers(0, 50, n),
            "side": rng.integers(0, 2, n),
            "price": rng.integers(90, 110, n),
            "quantity": rng.integers(1, 9, n),
            "expires": pl.Series(rng.integers(1, 99, n)).set(pl.Series(rng.integers(0, 2, n) == 1), None),
        }
    )
    again = fc.OrderBook()
    events = again.submit(book.snapshot())
    assert set(kinds(events)) == {"accepted"}
    assert again.snapshot().equals(book.snapshot())
    later = {"side": ["buy"], "price": [99], "quantity": [10**6], "market": [2], "time": [50], "participant": [99]}
    assert (
        again.submit(later)
        .frame.drop("seq", "order", "counter_order")
        .sort(pl.all())
        .equals(book.submit(later).frame.drop("seq", "order", "counter_order").sort(pl.all()))
    )


def test_trades_alone_are_the_trades_of_all_events():
    rng = np.random.default_rng(1)
    orders = {
        "side": rng.integers(0, 2, 5000),
        "price": rng.integers(0, 20, 5000),
        "quantity": rng.integers(1, 9, 5000),
    }
    one, other = fc.OrderBook(), fc.OrderBook()
    everything, trades = one.submit(orders), other.submit(orders, keep="trades")
    assert everything.trades.equals(trades.trades)
    assert len(trades.trades) > 1000
    assert everything.count == trades.count
    assert trades.frame["seq"].null_count() == len(trades)
    with pytest.raises(fc.SchemaError, match="trades"):
        _ = trades.reject
    with pytest.raises(fc.SchemaError, match="keep"):
        one.submit(orders, keep="all")
    assert one.submit(orders).first_seq == everything.count


def test_time_goes_by_without_commands():
    book = fc.OrderBook()
    assert book.clock is None
    book.submit({"side": ["buy"] * 3, "price": [5] * 3, "quantity": [1] * 3, "expires": [30, 20, 20]})
    assert book.advance(19).count == 0
    events = book.advance(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))
    assert events.frame.select("kind", "order", "command").rows() == [("expired", n, None) for n in (1, 2, 0)]
    assert book.clock == 10**9
    assert book.advance(5).count == 0
    for wrong in (None, "now", 1.5):
        with pytest.raises(fc.SchemaError):
            book.advance(wrong)


def test_one_order_at_a_time_is_a_row_of_a_column():
    rng = np.random.default_rng(9)
    one, other = fc.OrderBook(self_trade="decrement"), fc.OrderBook(self_trade="decrement")
    words = ["gtc", "gtc", "gtc", "ioc", "fok"]
    for _ in range(500):
        side, tif = ("buy", "sell")[rng.integers(2)], words[rng.integers(5)]
        price, quantity, who = (int(rng.integers(low, high)) for low, high in ((0, 9), (0, 6), (0, 3)))
        placed = one.place(side, price, quantity, participant=who, tif=tif)
        row = {"side": [side], "price": [price], "quantity": [quantity], "participant": [who], "tif": [tif]}
        events = other.submit(row)
        assert placed.reject == events.reject[0]
        assert placed.traded == events.trades["quantity"].sum()
        assert one.snapshot().equals(other.snapshot())
        open_now = one.snapshot().filter(order=placed.order)["quantity"].sum()
        assert placed.open == open_now
    assert one.place("buy", None, 1).traded == 1 or one.best().ask is None
    named = fc.OrderBook()
    assert named.place("buy", 5, 2, market="m", participant="p", order="o") == ("o", 0, 0, 2)
    assert named.snapshot().rows() == [("m", "o", "p", "buy", 5, 2, None, "limit", "gtc", *[None] * 5, 2)]
    assert fc.RejectReason(named.place("buy", 2**70, 1, market="m", order="n").reject).name == "PRICE_OUT_OF_RANGE"
    for wrong in (("hold", 1, 1), ("buy", 1.5, 1), ("buy", 1, None), ("buy", True, 1), ("buy", 1, "2")):
        with pytest.raises(fc.SchemaError):
            named.place(*wrong)


def test_a_placer_does_what_place_does():
    rng = np.random.default_rng(10)
    one, other = fc.OrderBook(self_trade="cancel_both"), fc.OrderBook(self_trade="cancel_both")
    place, words = one.placer(), ["gtc", "ioc", "fok"]
    for _ in range(500):
        side, tif, market = int(rng.integers(2)), int(rng.integers(3)), int(rng.integers(3))
        price, quantity, who = (int(rng.integers(low, high)) for low, high in ((0, 9), (0, 6), (0, 3)))
        price, who = None if rng.integers(20) == 0 else price, None if rng.integers(5) == 0 else who
        placed = other.place(("sell", "buy")[side], price, quantity, market=market, participant=who, tif=words[tif])
        assert place(side == 1, price, quantity, market, who, tif=tif) == placed
        assert one.best(market) == other.best(market)
    assert one.snapshot().equals(other.snapshot())
    assert place(True, 3, 1, order=10**6)[0] == 10**6
    assert place(True, 3, 1)[0] == 10**6 + 1
    before = len(one)
    for wrong in (
        (True, 1.5, 1),
        (True, True, 1),
        (True, 1, None),
        (True, 1, 2**63),
        (True, 1, 1, "m"),
        (True, -(2**63), 1),
    ):
        with pytest.raises((TypeError, OverflowError)):
            place(*wrong)
    with pytest.raises(fc.SchemaError):
        place(True, 1, 1, tif=3)
    with pytest.raises(fc.SchemaError):
        one.submit({"side": ["buy"], "price": [1], "quantity": [1], "market": ["m"]})
    assert len(one) == before
    named = fc.OrderBook()
    named.place("buy", 5, 2, market="m", order="o")
    with pytest.raises(fc.SchemaError):
        named.placer()
    with pytest.raises(fc.SchemaError):
        fc.OrderBook(units=fc.Units(price="ct/kWh", quantity="kWh")).placer()


def test_what_one_order_is_given_is_looked_at():
    book = fc.OrderBook()
    for _ in range(2):  # the first order settles what ids are, and the second takes another way
        for price, quantity, reason in (
            (2**70, 1, "PRICE_OUT_OF_RANGE"),
            (-(2**63), 1, "PRICE_OUT_OF_RANGE"),
            (1, -(2**63), "QUANTITY_OUT_OF_RANGE"),
            (1, False, "QUANTITY_OUT_OF_RANGE"),
        ):
            assert fc.RejectReason(book.place("buy", price, quantity).reject).name == reason
        assert book.place("buy", np.int32(3), np.uint8(4)).open == 4
        for wrong in ({"market": "m"}, {"order": "o"}, {"market": True}, {"order": -(2**63)}, {"market": None}):
            with pytest.raises(fc.SchemaError):
                book.place("buy", 1, 1, **wrong)
        for wrong in (("hold", 1, 1), ([], 1, 1), ("buy", 1.5, 1), ("buy", 1, None), ("buy", True, 1), ("buy", 1, "2")):
            with pytest.raises(fc.SchemaError):
                book.place(*wrong)
        assert book.place("buy", 1, 1, participant="p").open == 1


def test_rules_that_are_none_raise():
    for rules in ({"self_trade": "never"}, {"self_trade": None}, {"units": "kWh"}):
        with pytest.raises(fc.SchemaError):
            fc.OrderBook(**rules)


CELLS = st.one_of(
    st.none(),
    st.integers(-3, 8),
    st.sampled_from([2**31, -(2**31), 2**63 - 1, -(2**63), 2**64]),
)
COLUMNS = st.fixed_dictionaries(
    {
        "op": st.lists(
            st.sampled_from(["new", "new", "new", "cancel", "reduce", "replace", "mass_cancel", "halt", "x", None]),
            min_size=6,
            max_size=6,
        ),
        "side": st.lists(st.sampled_from(["buy", "sell", "", None]), min_size=6, max_size=6),
        **{
            name: st.lists(CELLS, min_size=6, max_size=6)
            for name in ("price", "quantity", "order", "market", "participant")
        },
    }
)


@given(columns=COLUMNS)
def test_hostile_cells_raise_or_are_rejected(columns):
    book = fc.OrderBook(self_trade="decrement")
    book.submit({"side": ["buy", "sell"], "price": [1, 3], "quantity": [2, 2], "order": [1, 2], "participant": [1, 2]})
    before = resting(book)
    try:
        events = book.apply(columns)
    except fc.SchemaError:
        assert resting(book) == before
        return
    assert len(events.reject) == 6
    assert len(events.frame) == events.count
    best = book.best()
    assert best.bid is None or best.ask is None or best.bid < best.ask
    assert book.snapshot()["quantity"].min() is None or book.snapshot()["quantity"].min() > 0
    assert "BookEvents" in repr(events)
    assert "OrderBook" in repr(book)


RICH = [
    {"order": 3, "display": 2, "quantity": 5},
    {"order": 3, "all_or_none": True, "quantity": 5, "price": 9},
    {"order": 3, "min_quantity": 4, "quantity": 5, "price": 9},
    {"order": 3, "stop": 8, "price": 9},
    {"order": 3, "stop": 8, "type": "market", "price": None},
    {"order": 3, "peg": "best", "offset": 1, "price": 1},
    {"order": 3, "peg": "mid", "price": 1},
]


@pytest.mark.parametrize("rich", RICH)
def test_richer_orders_are_in_the_snapshot_that_is_handed_in(rich):
    """Icebergs, minimums, stops and pegs come out as the columns by which they came in."""
    rows = [SELL | {"price": 7, "quantity": 1}, BUY | {"price": 5}, BUY | rich]
    columns = sorted({name for row in rows for name in row})
    orders = pl.DataFrame([{name: row.get(name) for name in columns} for row in rows], infer_schema_length=None)
    if "type" in columns:
        orders = orders.with_columns(pl.col("type").fill_null("limit"))
    book, again = fc.OrderBook(), fc.OrderBook()
    first = book.submit(orders)
    assert "rejected" not in kinds(first)
    rests = book.snapshot().drop("participant")
    assert "rejected" not in kinds(again.submit(rests))
    same = ["order", "side", "price", "quantity", "display", "min_quantity", "stop", "peg", "offset", "type"]
    assert again.snapshot().select(same).equals(book.snapshot().select(same))
    assert again.depth().equals(book.depth())


def test_an_order_that_slides_rests_one_tick_short():
    book = fc.OrderBook()
    orders = {"side": ["sell", "buy"], "price": [7, 9], "quantity": [2, 2], "slide": [False, True]}
    assert book.submit(orders).frame["price"].to_list() == [7, 6]
    assert book.best() == (6, 2, 7, 2)


@pytest.mark.parametrize("name", ["display", "min_quantity", "stop", "offset"])
def test_richer_columns_that_make_no_sense_raise(name):
    with pytest.raises(fc.SchemaError) as caught:
        fc.OrderBook().submit(GOOD | {name: ["many"]})
    assert caught.value.column == name


def test_richer_columns_are_in_the_units_of_the_book():
    book = fc.OrderBook(units=fc.Units(price="ct/kWh", quantity="kWh"))
    order = {"side": ["buy"], "price": [12.5], "quantity": [2.0], "display": [0.5]}
    book.submit(order)
    assert book.depth()["quantity"].to_list() == [500]
    wrong = {"display": 0.0001, "min_quantity": 0.0001, "stop": 0.00001, "offset": 0.00001}
    codes = ["display_invalid", "min_quantity_out_of_range", "stop_invalid", "peg_invalid"]
    for (name, value), code in zip(wrong.items(), codes, strict=True):
        row = order | {"display": [None], "peg": ["best"] if name == "offset" else [None], name: [value]}
        assert book.submit(row).reject.tolist() == [fc.RejectReason[code.upper()]]
