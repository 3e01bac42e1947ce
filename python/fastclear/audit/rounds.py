"""Invariants of auctions in rounds: every round run again."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable

import numpy as np

from fastclear.audit import books
from fastclear.audit.books import Book, Entry, Outcome, Rule, Trade, sweep
from fastclear.audit.state import State
from fastclear.audit.universal import BALANCED, check_budget

ROUNDS = Rule(
    "each order trades what the rounds give it, quotes moving by their steps, run again",
    "pairs are best bid with cheapest ask by the quotes of each round, round after round",
    "each round trades midway between its last bid and ask that meet, and the number of rounds is as reported",
)


def check(state: State) -> tuple[str, ...]:
    """Check a MultiRound clearing; return the checks.

    Cost: plain Python, a sort and some microseconds an order in every round.
    """
    orders = state.clearing.orders
    start = getattr(orders, "start_price", None)
    opening = state.limit
    if start is not None:
        opening = np.where(orders.is_market_order == 1, opening, start) if orders.is_market_order is not None else start
    quotes = opening.tolist()
    books.check(state, ROUNDS, lambda book: _rounds(state, book, quotes))
    check_budget(state, BALANCED)
    return (*ROUNDS, BALANCED)


def _rounds(state: State, book: Book, opening: list[int]) -> Outcome:
    mechanism = state.mechanism
    up, down = int(mechanism.buyer_step), int(mechanism.seller_step)
    limit = {order.row: order.price for order in (*book.bids, *book.asks)}
    bids, asks = ([order._replace(price=opening[order.row]) for order in side] for side in (book.bids, book.asks))
    trades: list[Trade] = []
    number = 0
    while bids and asks and number < int(mechanism.max_rounds):
        number += 1
        bids.sort(key=lambda order: (-order.price, order.turn))
        asks.sort(key=lambda order: (order.price, order.turn))
        met = sweep(bids, asks)
        if met:
            halves = met[-1][0].price + met[-1][1].price
            trades += [Trade(bid.row, ask.row, lots, halves, halves) for bid, ask, lots in met]
        bids, asks = _left(bids, met, 0), _left(asks, met, 1)
        steps = 1
        if not met:
            # Rounds in which nothing meets only move quotes: find the next that trades, or in which nobody can move.
            movable = max(_concessions(bids, limit, up), _concessions(asks, limit, down))
            if not movable:
                break
            last = min(movable, int(mechanism.max_rounds) - number + 1)
            steps = 1 + bisect_left(
                range(1, last),
                True,
                key=lambda c: _best(bids, limit, c * up, max) >= _best(asks, limit, c * down, min),
            )
            number += steps - 1
        bids = [bid._replace(price=_moved(bid, limit, steps * up)) for bid in bids]
        asks = [ask._replace(price=_moved(ask, limit, steps * down)) for ask in asks]
    return Outcome(trades, columns={"rounds": number})


def _moved(order: Entry, limit: dict[int, int], way: int) -> int:
    """The quote of an order after it moved ``way`` ticks towards its limit."""
    gap = limit[order.row] - order.price
    return order.price + max(-way, min(gap, way))


def _best(side: list[Entry], limit: dict[int, int], way: int, best: Callable[[Iterable[int]], int]) -> int:
    return best(_moved(order, limit, way) for order in side)


def _concessions(side: list[Entry], limit: dict[int, int], step: int) -> int:
    """How many rounds until every order of a side stands at its limit."""
    return max((-(-abs(limit[order.row] - order.price) // step) for order in side), default=0) if step else 0


def _left(side: list[Entry], met: list[tuple[Entry, Entry, int]], which: int) -> list[Entry]:
    taken: dict[int, int] = {}
    for trade in met:
        row = trade[which].row  # type: ignore[union-attr]
        taken[row] = taken.get(row, 0) + trade[2]
    left = [order._replace(quantity=order.quantity - taken.get(order.row, 0)) for order in side]
    return [order for order in left if order.quantity]
