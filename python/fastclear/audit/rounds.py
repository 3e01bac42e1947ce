"""Invariants of auctions in rounds: every round run again."""

from __future__ import annotations

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
        before = (bids, asks)
        bids = [bid._replace(price=min(bid.price + up, limit[bid.row])) for bid in _left(bids, met, 0)]
        asks = [ask._replace(price=max(ask.price - down, limit[ask.row])) for ask in _left(asks, met, 1)]
        if not met and (bids, asks) == before:
            break
    return Outcome(trades, columns={"rounds": number})


def _left(side: list[Entry], met: list[tuple[Entry, Entry, int]], which: int) -> list[Entry]:
    taken: dict[int, int] = {}
    for trade in met:
        row = trade[which].row  # type: ignore[union-attr]
        taken[row] = taken.get(row, 0) + trade[2]
    left = [order._replace(quantity=order.quantity - taken.get(order.row, 0)) for order in side]
    return [order for order in left if order.quantity]
