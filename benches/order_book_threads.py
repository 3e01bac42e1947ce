"""Times books on threads: ``python order_book_threads.py MARKETS ROWS ROUNDS``, which prints JSON.

MARKETS markets of 40 orders, then ROWS commands at random (55 in a hundred new orders, the others cancels), obeyed by
one book, and by two books with half of the markets each on a thread each, by turns; the wall clock in nanoseconds a
command. What two threads take of one says something on an idle machine with two cores only.
"""

from __future__ import annotations

import copy
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import fastclear as fc

EACH = 40
"""Orders a market before the clock runs."""
THREADS = 2

Columns = dict[str, np.ndarray]


def drawn(rng: np.random.Generator, markets: int, rows: int, first: int) -> Columns:
    """New orders, ids from one on."""
    side = rng.integers(0, 2, rows).astype(np.uint8)
    away = rng.integers(-2, 12, rows)
    return {
        "op": np.zeros(rows, np.uint8),
        "market": rng.integers(0, markets, rows),
        "order": np.arange(first, first + rows),
        "participant": rng.integers(0, 1_000, rows),
        "side": side,
        "price": (1_000 + np.where(side == 1, -away, away)).astype(np.int32),
        "quantity": rng.integers(1, 100, rows).astype(np.int32),
    }


def flow(markets: int, rows: int) -> tuple[Columns, Columns]:
    """What is in the books before the clock runs, and what is timed."""
    rng = np.random.default_rng(8)
    before = drawn(rng, markets, markets * EACH, 0)
    after = drawn(rng, markets, rows, markets * EACH)
    cancels = np.flatnonzero(rng.random(rows) < 0.45)
    named = rng.integers(0, markets * EACH, len(cancels))
    after["op"][cancels] = 1
    for name in ("market", "order", "participant"):
        after[name][cancels] = before[name][named]
    return before, after


def part(columns: Columns, one: int, of: int) -> Columns:
    """The rows of every so many-th market, which nobody can write."""
    own = columns["market"] % of == one
    found = {name: column[own] for name, column in columns.items()}
    for column in found.values():
        column.flags.writeable = False
    return found


def loaded(before: Columns, of: int) -> list[fc.OrderBook]:
    """So many books, each with its markets."""
    books = [fc.OrderBook(self_trade="cancel_resting") for _ in range(of)]
    for one, book in enumerate(books):
        book.apply(part(before, one, of), keep="trades")
    return books


def main() -> None:
    """Let one thread and two obey the flow in turns."""
    markets, rows, rounds = map(int, sys.argv[1:])
    before, after = flow(markets, rows)
    contestants = {
        name: (loaded(before, of), [part(after, one, of) for one in range(of)])
        for name, of in (("one", 1), ("two", THREADS))
    }
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    happened: set[int] = set()
    with ThreadPoolExecutor(THREADS) as threads:
        for _ in range(rounds):
            for name, (books, parts) in contestants.items():
                own = [copy.copy(book) for book in books]
                start = time.perf_counter_ns()
                events = list(threads.map(fc.OrderBook.apply, own, parts))
                taken[name].append((time.perf_counter_ns() - start) / rows)
                happened.add(sum(map(len, events)))
                del events, own
    assert len(happened) == 1, happened
    print(json.dumps(taken))


if __name__ == "__main__":
    main()
