"""Order books and threads: a book of its own for the markets of each, and one book that several threads ask."""

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl
import pytest

import fastclear as fc

MARKETS = 40
ROWS = 20_000


def frozen(columns):
    """Arrays that nobody can write, which is what a book lets go of the interpreter for."""
    copies = {name: np.array(column) for name, column in columns.items()}
    for column in copies.values():
        column.flags.writeable = False
    return copies


def flow(rows, *, seed=7, markets=MARKETS):
    """New orders around one price, and cancels of some that came before."""
    rng = np.random.default_rng(seed)
    market, side = rng.integers(0, markets, rows), rng.integers(0, 2, rows).astype(np.uint8)
    order, participant = np.arange(rows), rng.integers(0, 9, rows)
    op = (rng.random(rows) < 0.3).astype(np.uint8)
    op[0] = 0
    cancels = np.flatnonzero(op)
    named = rng.integers(0, cancels)
    order[cancels], market[cancels], participant[cancels] = named, market[named], participant[named]
    price = (1_000 + rng.integers(-9, 10, rows)).astype(np.int32)
    quantity = rng.integers(1, 30, rows).astype(np.int32)
    names = ("op", "market", "order", "participant", "side", "price", "quantity")
    return dict(zip(names, (op, market, order, participant, side, price, quantity), strict=True))


def told(events):
    """What was told of every market, in its order."""
    return events.frame.drop("seq", "command").sort("market", maintain_order=True)


def calls(columns, rows=6_000):
    return [
        frozen({name: column[at : at + rows] for name, column in columns.items()})
        for at in range(0, len(columns["op"]), rows)
    ]


def test_a_book_a_thread_tells_of_every_market_what_one_book_does():
    whole = flow(ROWS)
    one = fc.OrderBook(self_trade="cancel_resting")
    expected = pl.concat([told(one.apply(call)) for call in calls(whole)]).sort("market", maintain_order=True)
    books = [fc.OrderBook(self_trade="cancel_resting") for _ in range(3)]
    own = [{name: column[whole["market"] % 3 == at] for name, column in whole.items()} for at in range(3)]

    def obey(book, columns):
        return pl.concat([told(book.apply(call)) for call in calls(columns)])

    with ThreadPoolExecutor(len(books)) as threads:
        found = list(threads.map(obey, books, own))
    assert pl.concat(found).sort("market", maintain_order=True).equals(expected)
    assert pl.concat([book.snapshot() for book in books]).sort("market", maintain_order=True).equals(one.snapshot())


@pytest.mark.parametrize("settles", [False, True])
def test_threads_that_share_a_book_take_turns(settles):
    """Every call is obeyed as a whole, and nobody who asks meanwhile is sent away."""
    book = fc.OrderBook(settles=settles)
    ids = iter(range(10**9))
    lock = threading.Lock()

    def work(seed):
        counts = []
        for turn in range(6):
            rows = 5_000
            with lock:
                first = next(ids) * rows
            columns = flow(rows, seed=seed * 10 + turn) | {"op": np.zeros(rows, np.uint8)}
            events = book.apply(frozen(columns | {"order": first + np.arange(rows)}))
            counts.append((events.first_seq, len(events)))
            assert len(book) >= 0
            assert book.best(turn) is not None
            assert book.snapshot(market=seed)["market"].n_unique() <= 1
            assert (events.frame["kind"] == "accepted").sum() == rows
        return counts

    with ThreadPoolExecutor(4) as threads:
        counts = sorted(count for of_thread in threads.map(work, range(4)) for count in of_thread)
    next_seq = 0
    for first_seq, count in counts:
        assert first_seq == next_seq
        next_seq += count
    assert len(counts) == 24


def progress_meanwhile(columns):
    """Whether another thread that waits for the interpreter gets it while a book obeys."""
    book = fc.OrderBook()
    go, seen = threading.Event(), []

    def other():
        go.wait()
        seen.append(time.perf_counter_ns())

    before = sys.getswitchinterval()
    sys.setswitchinterval(1_000)
    thread = threading.Thread(target=other)
    try:
        thread.start()
        book.apply({name: column[:1] for name, column in columns.items()})
        go.set()
        start = time.perf_counter_ns()
        book.apply(columns)
        end = time.perf_counter_ns()
    finally:
        sys.setswitchinterval(before)
        thread.join()
    return any(start < at < end for at in seen)


def test_columns_that_nobody_can_write_are_obeyed_without_the_interpreter():
    columns = flow(200_000, markets=1)
    assert any(progress_meanwhile(frozen(columns)) for _ in range(50))
    assert not any(progress_meanwhile({name: np.array(c) for name, c in columns.items()}) for _ in range(3))
