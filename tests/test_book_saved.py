"""Saving a book and going on: the bytes, the texts of ids, and what is no saved book.

What the core itself saves, and every cut and flipped bit, is tested in rust/fastclear-core/tests/book/saved.rs.
"""

import pickle

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastclear as fc


def flow(rng, n, text_ids):
    """Mixed commands: orders that tie and cross, cancels and replacements of what may rest, halts, expiries."""
    order = rng.integers(0, 3 * n, n)
    market = rng.integers(0, 4, n)
    who = rng.integers(-2, 3, n)
    time = np.arange(n) + rng.integers(-2, 3, n)
    expires = pl.Series(time + rng.integers(1, 40, n)).set(pl.Series(rng.integers(0, 3, n) > 0), None)
    op = rng.choice(["new", "cancel", "reduce", "replace", "halt", "resume"], n, p=[0.7, 0.1, 0.05, 0.1, 0.02, 0.03])
    columns = {
        "op": op,
        "market": market,
        "order": order,
        "participant": pl.Series(who).set(pl.Series(op != "new"), None),
        "side": rng.choice(["buy", "sell"], n),
        "price": rng.integers(95, 105, n),
        "quantity": rng.integers(1, 7, n),
        "expires": expires.set(pl.Series(op != "new"), None),
        "time": time,
    }
    frame = pl.DataFrame(columns)
    if text_ids:
        texts = [("é" + pl.col(name).cast(pl.String)).alias(name) for name in ("market", "order", "participant")]
        frame = frame.with_columns(texts)
    return frame


@given(
    seed=st.integers(0, 2**32),
    text_ids=st.booleans(),
    rule=st.sampled_from(["off", "decrement", "cancel_both"]),
    gates=st.booleans(),
)
def test_a_restored_book_goes_on_as_the_other(seed, text_ids, rule, gates):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 120))
    commands = flow(rng, n, text_ids)
    cut = int(rng.integers(0, n + 1))
    book = fc.OrderBook(self_trade=rule)
    if gates:
        markets = ["é3", "é0"] if text_ids else [3, 0]
        book.set_gates(dict(zip(markets, (int(at) for at in rng.integers(20, 150, 2)), strict=True)))
    book.apply(commands[:cut])
    state = book.save()
    again = fc.OrderBook.restore(state)
    assert again.save() == state
    assert again.snapshot().equals(book.snapshot())
    assert again.markets.equals(book.markets)
    assert (again.clock, len(again), repr(again)) == (book.clock, len(book), repr(book))
    for rest in (commands[cut:], flow(rng, 20, text_ids).with_columns(pl.col("time") + n)):
        one, other = book.apply(rest), again.apply(rest)
        assert one.first_seq == other.first_seq
        assert one.frame.equals(other.frame)
        for name in ("market", "order", "counter_order"):
            assert (one.column(name) == other.column(name)).all()  # the numbers of texts, too
    assert book.save() == again.save()


def test_calls_schedules_collars_and_pauses_come_back():
    book = fc.OrderBook()
    book.set_phases({"m": [(20, "pre_open"), (40, "continuous")], "n": [(90, "closed")]})
    book.set_collar("m", 5, 15)
    book.set_breaker("n", 2, 30)
    n = 6
    orders = {
        "market": ["m", "n"] * 3,
        "order": [f"o{number}" for number in range(n)],
        "side": ["buy", "buy", "sell", "sell", "sell", "sell"],
        "price": [12, 12, 9, 12, 16, 20],
        "quantity": [3] * n,
        "time": [25, 26, 27, 28, 29, 30],
    }
    book.submit(orders)
    later = [
        {"market": ["n", "n"], "order": ["p", "q"], "side": ["buy", "sell"], "price": [20, 12], "quantity": [4, 1]},
        {"market": ["m", "n"], "order": ["r", "s"], "side": ["sell", "buy"], "price": [6, 20], "quantity": [9, 9]},
    ]
    seen = []
    for nth, time in enumerate((35, 100)):
        again = fc.OrderBook.restore(book.save())
        assert again.save() == book.save()
        assert [again.phase(market) for market in "mn"] == [book.phase(market) for market in "mn"]
        assert again.indicative("m") == book.indicative("m")
        orders = later[nth] | {"time": [time, time]}
        one, other = book.submit(orders).frame, again.submit(orders).frame
        assert one.equals(other)
        seen += one["kind"].to_list()
        one, other = (twin.advance(time + 50).frame for twin in (book, again))
        assert one.equals(other)
        seen += one["kind"].to_list()
        assert again.save() == book.save()
    assert {"phase", "trade", "accepted", "filled"} <= set(seen)


def rich_flow(rng, n, first=0, *, text_ids=False):
    """Orders of every kind, cancels and replacements of what may be there."""

    def some(values, one_in):
        return pl.Series(values).set(pl.Series(rng.integers(0, one_in, n) > 0), None)

    op = rng.choice(["new", "cancel", "replace", "reduce", "halt", "resume"], n, p=[0.7, 0.08, 0.14, 0.03, 0.01, 0.04])
    new, pegs = pl.Series(op == "new"), rng.integers(0, 5, n) == 0
    number = np.arange(first, first + n)
    order = np.where(op == "new", number, np.maximum(number - rng.integers(1, 20, n), 0))
    stop = some(rng.integers(96, 105, n), 5)
    columns = {
        "op": op,
        "market": some(rng.integers(0, 3, n), 1).set(~new & pl.Series(rng.integers(0, 2, n) > 0), None),
        "order": order,
        "participant": pl.Series(rng.integers(0, 3, n)).set(~new, None),
        "side": rng.choice(["buy", "sell"], n),
        "price": rng.integers(97, 104, n),
        "quantity": rng.integers(1, 9, n),
        "display": some(rng.integers(1, 3, n), 4).set(~new, None),
        "min_quantity": some(rng.integers(2, 6, n), 6).set(~new, None),
        "stop": stop.set(~new | pl.Series(pegs), None),
        "peg": pl.Series(rng.choice(["best", "mid"], n)).set(~new | pl.Series(~pegs), None),
    }
    frame = pl.DataFrame(columns)
    texts = [("é" + pl.col(name).cast(pl.String)).alias(name) for name in ("market", "order", "participant")]
    return frame.with_columns(texts) if text_ids else frame


@given(seed=st.integers(0, 2**32), text_ids=st.booleans(), settles=st.booleans())
def test_a_restored_book_of_richer_orders_goes_on_as_the_other(seed, text_ids, settles):
    rng = np.random.default_rng(seed)
    parts = [rich_flow(rng, 60, first, text_ids=text_ids) for first in (0, 60)]
    book = fc.OrderBook(self_trade=str(rng.choice(["off", "decrement", "cancel_both"])), settles=settles)
    book.apply(parts[0])
    state = book.save()
    again = fc.OrderBook.restore(state)
    assert again.save() == state
    assert again.snapshot().equals(book.snapshot())
    one, other = book.apply(parts[1]), again.apply(parts[1])
    assert one.frame.equals(other.frame)
    assert again.save() == book.save()


def test_richer_orders_come_back_where_they_stand():
    book = fc.OrderBook()
    orders = {
        "order": range(6),
        "side": ["buy", "sell", "buy", "buy", "sell", "buy"],
        "price": [10, 20, 9, None, None, 12],
        "quantity": [6, 2, 5, 4, 4, 3],
        "display": [2, None, None, None, None, None],
        "min_quantity": [None, None, 4, None, None, None],
        "stop": [None, None, None, 30, None, 20],
        "peg": [None, None, None, None, "mid", None],
        "type": ["limit"] * 3 + ["market"] + ["limit"] * 2,
    }
    assert not book.submit(orders).reject.any()
    again = fc.OrderBook.restore(book.save())
    assert again.snapshot().rows() == book.snapshot().rows()
    assert again.snapshot()["shown"].to_list() == [2, 0, 0, 0, 4, 2]
    takes = {
        "order": [9, 10],
        "side": ["buy", "sell"],
        "price": [None, 5],
        "quantity": [7, 9],
        "type": ["market", "limit"],
    }
    events = again.submit(takes)
    assert events.frame.equals(book.submit(takes).frame)
    assert {"triggered", "replaced", "trade", "filled"} <= set(events.frame["kind"])


def test_units_text_and_pickles_come_back():
    book = fc.OrderBook(erase_after_trade=True, units=fc.Units(price="ct/kWh", quantity="kWh", rounding="nearest"))
    orders = {"market": ["m", "m"], "side": ["buy", "sell"], "price": [12.5, 13.0], "quantity": [1.5, 2.0]}
    book.submit(orders)
    for again in (fc.OrderBook.restore(book.save()), pickle.loads(pickle.dumps(book))):
        assert again.snapshot().equals(book.snapshot())
        more = {"market": ["m"], "side": ["buy"], "price": [13.0], "quantity": [1.00001]}
        assert again.submit(more).frame["kind"].to_list() == ["accepted", "trade", "filled", *["cancelled"] * 2]
        with pytest.raises(fc.SchemaError, match="units"):
            again.place("buy", 1, 1, market="m")
    empty = fc.OrderBook.restore(fc.OrderBook().save())
    assert empty.clock is None
    assert empty.place("buy", 5, 1).order == 0


def test_a_state_is_small():
    book = fc.OrderBook()
    n = 10_000
    book.submit({"side": ["buy"] * n, "price": np.arange(n), "quantity": np.ones(n, int)})
    assert len(book.save()) < 16 * n + 200


@pytest.mark.parametrize("wrong", [None, "text", 5, b"", b"FCOB", bytes(200), [1, 2]])
def test_what_is_no_state_raises(wrong):
    with pytest.raises(fc.SchemaError):
        fc.OrderBook.restore(wrong)


def test_changed_bytes_raise():
    book = fc.OrderBook()
    book.submit({"market": ["a"], "side": ["buy"], "price": [5], "quantity": [2], "participant": ["p"]})
    state = book.save()
    for at in range(len(state)):
        with pytest.raises(fc.SchemaError, match="cannot be read"):
            fc.OrderBook.restore(state[:at])
        with pytest.raises(fc.SchemaError, match="cannot be read"):
            fc.OrderBook.restore(state[:at] + bytes([state[at] ^ 64]) + state[at + 1 :])
    with pytest.raises(fc.SchemaError, match="reads version 2"):
        fc.OrderBook.restore(state[:4] + b"\x09" + state[5:])


def test_an_id_that_is_no_unicode_cannot_be_saved():
    book = fc.OrderBook()
    book.place("buy", 5, 1, participant="\ud800")
    with pytest.raises(fc.SchemaError, match="Unicode"):
        book.save()
