"""Richer orders one at a time (`place`) and as actions of agents (`step`): as if they came in columns."""

import copy

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastclear as fc

prices = st.integers(8, 12)
lots = st.integers(1, 9)
orders = st.fixed_dictionaries(
    {"side": st.sampled_from(["buy", "sell"]), "price": prices, "quantity": lots},
    optional={
        "display": st.integers(-1, 4),
        "min_quantity": st.integers(0, 9),
        "all_or_none": st.booleans(),
        "stop": prices,
        "peg": st.sampled_from(["best", "mid"]),
        "offset": st.integers(-1, 2),
        "post_only": st.booleans(),
        "slide": st.booleans(),
        "tif": st.sampled_from(["ioc", "fok"]),
        "participant": st.integers(1, 3),
        "market": st.integers(0, 1),
        "expires": st.sampled_from([5, 10**6]),
    },
)


@given(st.lists(orders, max_size=25), st.booleans())
def test_placed_one_by_one_is_submitted_one_by_one(sequence, settles):
    one, other = (fc.OrderBook(self_trade="cancel_resting", settles=settles) for _ in range(2))
    for number, order in enumerate(sequence):
        placed = one.place(**order)
        events = other.submit({name: [cell] for name, cell in order.items()})
        own = events.frame.filter(pl.col("order") == number)
        traded = own.filter(pl.col("kind") == "trade")["quantity"].sum()
        rejected = own["reject"].drop_nulls().item() if own["kind"][0] == "rejected" else 0
        assert placed == (number, rejected, traded, own["remaining"][-1])
        assert one.next_seq == other.next_seq
        assert one.snapshot().equals(other.snapshot())


def test_what_an_order_may_ask_for():
    book = fc.OrderBook()
    book.place("sell", 20, 5)
    assert book.place("buy", 19, 4, peg="best", offset=0, participant=1).open == 4
    assert book.place("buy", None, 4, peg="best").open == 4
    assert book.place("buy", None, 4, stop=20).open == 4
    assert book.place("buy", 20, 6, all_or_none=True, tif="ioc").traded == 0
    assert book.place("buy", 20, 2, post_only=True).reject == fc.RejectReason.WOULD_TRADE
    assert book.place("buy", 20, 2, slide=True).open == 2
    assert book.best().bid == 19
    book.advance(3)
    assert book.place("buy", 20, 2, expires=3).reject == fc.RejectReason.EXPIRY_INVALID
    assert book.place("buy", 20, 1, display=None, stop=None).traded == 1
    with pytest.raises(fc.SchemaError, match="'displays' is none of an order's; give some of expires, post_only"):
        book.place("buy", 20, 1, displays=3)
    with pytest.raises(fc.SchemaError, match="display"):
        book.place("buy", 20, 1, display="all")
    named = fc.OrderBook(units=fc.Units(price="ct/kWh", quantity="kWh"))
    assert named.place("sell", 20.0, 0.5, display=0.1, market="north", order="a").open == 500


@given(st.lists(orders, min_size=1, max_size=20), st.integers(0, 9), st.randoms())
def test_a_step_takes_them_in_any_order_of_rows(sequence, seed, random):
    names = sorted({name for order in sequence for name in order} | {"market"})
    rows = [order | {"agent": order.get("participant", 7)} for order in sequence]
    names = ["agent", *(name for name in names if name != "participant")]
    shuffled = random.sample(range(len(rows)), len(rows))
    book = fc.OrderBook(settles=True)
    book.place("sell", 10, 3, participant=9)
    results = []
    for order in (range(len(rows)), shuffled):
        acting = copy.copy(book)
        columns = {name: [rows[row].get(name) for row in order] for name in names}
        columns["market"] = [market or 0 for market in columns["market"]]
        for flag in ("all_or_none", "post_only", "slide"):
            if flag in columns:
                columns[flag] = [bool(cell) for cell in columns[flag]]
        columns = {name: column for name, column in columns.items() if any(cell is not None for cell in column)}
        if "tif" in columns:
            columns["tif"] = [
                word or ("gtc" if columns.get("expires", [None] * len(rows))[row] is None else "gtt")
                for row, word in enumerate(columns["tif"])
            ]
        step = acting.step(columns, seed=seed)
        assert int(step.agent_cash.sum()) == 0
        rejected = step.events.frame.filter(pl.col("kind") == "rejected")
        assert sorted(step.reject[step.reject > 0].tolist()) == sorted(rejected["reject"].to_list())
        results.append((step.events.frame.drop("command").rows(), acting.snapshot().rows()))
    assert results[0] == results[1]


def test_a_stop_of_a_step_goes_off_in_it():
    book = fc.OrderBook()
    actions = {
        "agent": [1, 2, 3],
        "side": ["sell", "buy", "buy"],
        "price": [10, 10, 12],
        "quantity": [5, 2, 2],
        "stop": [None, None, 10],
    }
    step = book.step(actions, seed=3)
    assert step.traded.tolist() == [4, 2, 2]
    assert step.cash.tolist() == [40, -20, -20]
    with pytest.raises(fc.SchemaError, match="column 'phase' is none of an action's"):
        book.step(actions | {"phase": np.zeros(3, np.uint8)}, seed=3)
