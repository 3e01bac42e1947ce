"""An order book on several threads says what it says on one."""

import copy
import pickle

import numpy as np
import pytest

import fastclear as fc
from fastclear.errors import SchemaError


def flow(rows, *, markets=2_000, seed=1, first=0):
    """New orders, with cancels of every fifth and a few replacements and halts among them."""
    rng = np.random.default_rng(seed)
    order = np.arange(first, first + rows)
    op = np.array(["new"] * rows, dtype=object)
    op[rng.random(rows) < 0.3] = "cancel"
    op[rng.random(rows) < 0.001] = "replace"
    op[rng.random(rows) < 0.0005] = rng.choice(["halt", "resume", "mass_cancel"])
    named = np.isin(op, ["cancel", "replace"])
    order[named] = rng.integers(0, first + rows, named.sum())
    side = rng.integers(0, 2, rows)
    market = rng.integers(0, markets, rows) * 7
    return {
        "op": list(op),
        "market": market,
        "order": order,
        "side": side,
        "price": 500 + np.where(side == 1, -1, 1) * rng.integers(-3, 30, rows),
        "quantity": rng.integers(1, 100, rows),
    }


@pytest.mark.parametrize("threads", [2, 3, 16, None])
def test_events_and_books_are_those_of_one_thread(threads):
    one, many = fc.OrderBook(self_trade="cancel_both"), fc.OrderBook(self_trade="cancel_both", threads=threads)
    many._core.set_threads(many.threads, 64)  # dealt from 64 rows on
    for call in range(4):
        columns = flow(20_000, seed=call, first=call * 20_000)
        expected, got = one.apply(columns), many.apply(columns)
        assert got.frame.equals(expected.frame)
        assert got.trades.equals(expected.trades)
        assert expected.trades.height > 1_000
    assert many.snapshot().equals(one.snapshot())
    assert many.save() == one.save()
    assert many.place("buy", 1, 1, market=7) == one.place("buy", 1, 1, market=7)
    assert many.next_seq == one.next_seq


def test_a_call_as_large_as_threads_are_for():
    one, many = fc.OrderBook(), fc.OrderBook(threads=2)
    for call in range(3):
        columns = flow(50_000, markets=5_000, seed=call, first=call * 50_000)
        assert many.apply(columns, keep="trades").trades.equals(one.apply(columns, keep="trades").trades)
    assert many.save() == one.save()


def test_how_many_threads_can_be_read_and_set():
    book = fc.OrderBook()
    assert book.threads == 1
    book.threads = np.int64(3)
    assert (book.threads, copy.copy(book).threads) == (3, 3)
    assert pickle.loads(pickle.dumps(book)).threads == 1, "no part of the state"
    book.threads = None
    assert book.threads >= 1
    book.threads = 10**30
    assert book.threads <= 1024


@pytest.mark.parametrize("threads", [0, -1, True, 1.5, "2"])
def test_what_is_no_number_of_threads_is_refused(threads):
    with pytest.raises(SchemaError, match=r"threads=.*give a whole number from 1 up, or None"):
        fc.OrderBook(threads=threads)
    book = fc.OrderBook(threads=2)
    with pytest.raises(SchemaError, match="threads="):
        book.threads = threads
    assert book.threads == 2
