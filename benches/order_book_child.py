"""Times order books through Python: ``python order_book_child.py FLOW ROWS ROUNDS [--peer]``, which prints JSON.

FLOW is workload W1 as ``cargo bench --bench order_book -- --write=FOLDER`` writes it; of it the first ROWS are obeyed,
all contestants in turns, in nanoseconds a command by CPU time. ``--peer`` adds limit-order-book, which needs Python
3.13: it has no orders that are cancelled unless they trade at once, but those of W1 reach all prices and are market
orders to it. It tells no trades, so what rests at the end has to be what rests in ours.
"""

from __future__ import annotations

import copy
import gc
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import fastclear as fc

ROWS_A_CALL = 10_000
SINGLES = 100_000
"""Commands of which the new orders are handed in one by one: the same as in the benchmark in Rust."""
ADD, CANCEL, _, IOC = range(4)
OPS = np.array([0, 1, 3, 0], np.uint8)
TIFS = np.array([0, 0, 0, 1], np.uint8)

Flow = dict[str, np.ndarray]


def read(path: str, rows: int) -> tuple[Flow, Flow]:
    """What is in the book before the clock runs, and what is timed."""
    table = np.fromfile(path, "<i8").reshape(-1, 7)
    names = ("timed", "ask", "order", "side", "price", "quantity", "participant")
    columns = {name: np.ascontiguousarray(table[:, at]) for at, name in enumerate(names)}
    is_timed = columns.pop("timed") == 1
    before = {name: column[~is_timed] for name, column in columns.items()}
    after = {name: column[is_timed][:rows] for name, column in columns.items()}
    return before, after


def commands(flow: Flow) -> Flow:
    """Columns as a book takes them."""
    ask = flow["ask"]
    columns = {name: column for name, column in flow.items() if name != "ask"}
    columns |= {"op": OPS[ask], "tif": TIFS[ask], "side": flow["side"].astype(np.uint8)}
    for column in columns.values():
        column.flags.writeable = False
    return columns


class Ours:
    """fastclear: what is not timed is done anew in every round."""

    def __init__(self, before: Flow, after: Flow) -> None:
        self.loaded = fc.OrderBook(self_trade="cancel_resting")
        self.loaded.apply(commands(before))
        columns = commands(after)
        starts = range(0, len(columns["op"]), ROWS_A_CALL)
        self.parts = [{name: column[at : at + ROWS_A_CALL] for name, column in columns.items()} for at in starts]
        self.count = len(columns["op"])
        new = {name: column[:SINGLES][np.isin(after["ask"][:SINGLES], (ADD, IOC))] for name, column in columns.items()}
        fields = (new["side"] == 1, new["price"], new["quantity"], new["participant"], new["order"], new["tif"])
        self.singles = list(zip(*(field.tolist() for field in fields), strict=True))
        self.book = self.loaded

    def columns(self, keep: str) -> float:
        """Calls of many rows; as in the core, events are gone before those of the next call come."""
        book = self.book = copy.copy(self.loaded)
        count = 0
        start = time.process_time_ns()
        for part in self.parts:
            count += len(book.apply(part, keep=keep))
        taken = time.process_time_ns() - start
        assert count > 0
        return taken / self.count

    def one_by_one(self) -> float:
        """Calls of one order, the result in hand; without what the loop costs."""
        place = copy.copy(self.loaded).placer()
        placed = None
        start = time.process_time_ns()
        for buys, price, quantity, participant, order, tif in self.singles:
            placed = place(buys, price, quantity, 0, participant, order, tif)
        taken = time.process_time_ns() - start
        assert placed is not None
        start = time.process_time_ns()
        for buys, price, quantity, participant, order, tif in self.singles:  # noqa: B007, the loop is what is timed
            pass
        return (taken - (time.process_time_ns() - start)) / len(self.singles)


class Peer:
    """limit-order-book, called as fast as Python calls it: its methods found before, arguments by place."""

    def __init__(self, before: Flow, after: Flow) -> None:
        self.before, self.after = self.rows(before), self.rows(after)
        self.book: Any = None

    @staticmethod
    def rows(flow: Flow) -> list[tuple[int, ...]]:
        kinds = np.select([flow["ask"] == CANCEL, flow["ask"] == IOC], [4, 2], 0) + flow["side"]
        kinds[flow["ask"] == CANCEL] = 4
        return list(zip(*(c.tolist() for c in (kinds, flow["order"], flow["quantity"], flow["price"])), strict=True))

    def obey(self, rows: list[tuple[int, ...]]) -> None:
        book = self.book
        sell, buy, sell_any, buy_any = book.limit_sell, book.limit_buy, book.market_sell, book.market_buy
        cancel = book.cancel
        for kind, order, quantity, price in rows:
            if kind == 0:
                sell(order, quantity, price)
            elif kind == 1:
                buy(order, quantity, price)
            elif kind == 4:
                cancel(order)
            elif kind == 2:
                sell_any(order, quantity)
            else:
                buy_any(order, quantity)

    def run(self) -> float:
        from limit_order_book import LimitOrderBook

        self.book = LimitOrderBook()
        self.obey(self.before)
        start = time.process_time_ns()
        self.obey(self.after)
        return (time.process_time_ns() - start) / len(self.after)

    def check(self, ours: fc.OrderBook) -> None:
        """Every price has the same lots and orders."""
        resting = ours.snapshot()
        price, quantity = resting["price"].to_numpy(), resting["quantity"].to_numpy()
        if self.book.count() != len(price) or self.book.volume() != quantity.sum():
            raise AssertionError(f"limit-order-book has {self.book.count()} orders, fastclear {len(price)}")
        for level in np.unique(price).tolist():
            mine = (int((price == level).sum()), int(quantity[price == level].sum()))
            theirs = (self.book.count_at(level), self.book.volume(level))
            if mine != theirs:
                raise AssertionError(f"at {level} limit-order-book has {theirs} orders and lots, fastclear {mine}")
        best = ours.best()
        if (self.book.best_buy(), self.book.best_sell()) != (best.bid, best.ask):
            raise AssertionError("limit-order-book has other best prices")


def main() -> None:
    """Let all obey the flow in turns."""
    path, rows, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    before, after = read(path, rows)
    ours = Ours(before, after)
    calls: dict[str, Callable[[], float]] = {
        "events": lambda: ours.columns("events"),
        "trades": lambda: ours.columns("trades"),
        "single": ours.one_by_one,
    }
    peer = Peer(before, after) if "--peer" in sys.argv else None
    if peer is not None:
        calls["limit-order-book"] = peer.run
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds):
        names = list(calls)
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            gc.collect()
            taken[name].append(round(calls[name](), 3))
    if peer is not None:
        peer.check(ours.book)
    print(json.dumps(taken))


if __name__ == "__main__":
    main()
