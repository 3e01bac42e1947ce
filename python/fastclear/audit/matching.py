"""Invariants of matchings other than by merit order: most volume, and pairs drawn by lot."""

from __future__ import annotations

from math import inf

from fastclear.audit.books import Book, Entry, Outcome, Rule, Trade
from fastclear.audit.books import check as check_outcomes
from fastclear.audit.chacha import Draws
from fastclear.audit.double_auction import check_prices_of_pairs, maximal_volume
from fastclear.audit.report import broken, first
from fastclear.audit.state import State
from fastclear.audit.universal import BALANCED, check_budget

MOST = "the volume is the most that any matching of bids with asks at or below them reaches"
GREEDY = "each order trades what the sweep from the low end (or the high end) gives it"
GREEDY_PAIRS = "pairs are those of the sweep from the low end (or the high end), in its order"
DRAWN = "each order trades what the rounds of drawn buyers and sellers give it, drawn again from the seed"
DRAWN_PAIRS = "pairs are those of the rounds drawn again from the seed, in their order"
PAIR_PRICES = "each pair trades at the price that the rule gives"


def check_maximal(state: State) -> tuple[str, ...]:
    """Check a MaximalVolume clearing; return the checks.

    Cost: the volume in numpy, then every market matched again in plain Python, some microseconds an order.
    """
    most = maximal_volume(state)
    index = first(most != state.columns["volume"])
    if index is not None:
        volume = state.columns["volume"][index]
        raise broken(MOST, f"market {state.market(index)}: volume {volume}, possible {most[index]}")
    clear = _descending if state.mechanism.pairing == "descending" else _ascending
    rule = Rule(GREEDY, GREEDY_PAIRS, PAIR_PRICES)
    check_outcomes(state, rule, clear)
    check_prices_of_pairs(state, PAIR_PRICES)
    check_budget(state, BALANCED)
    return (MOST, *rule, BALANCED)


def check_random(state: State) -> tuple[str, ...]:
    """Check a RandomMatching clearing; return the checks.

    Cost: every market matched again in plain Python: some 100 microseconds a market for its random numbers, and
    N log N comparisons a round.
    """
    rule = Rule(DRAWN, DRAWN_PAIRS, PAIR_PRICES)
    check_outcomes(state, rule, lambda book: _drawn(book, Draws(int(state.mechanism.seed), book.index)))
    check_prices_of_pairs(state, PAIR_PRICES)
    check_budget(state, BALANCED)
    return (*rule, BALANCED)


def _ascending(book: Book) -> Outcome:
    """The cheapest bid that reaches the cheapest ask takes it."""
    bids = sorted(book.bids, key=lambda bid: (bid.price, bid.turn))
    return _matched(bids, book.asks, bid_moves=True)


def _descending(book: Book) -> Outcome:
    """The dearest bid takes the dearest ask that it reaches."""
    asks = sorted(book.asks, key=lambda ask: (-ask.price, ask.turn))
    return _matched(book.bids, asks, bid_moves=False)


def _matched(bids: list[Entry], asks: list[Entry], *, bid_moves: bool) -> Outcome:
    trades: list[Trade] = []
    wanted, offered = [bid.quantity for bid in bids], [ask.quantity for ask in asks]
    i = j = 0
    while i < len(bids) and j < len(asks):
        if bids[i].price >= asks[j].price:
            lots = min(wanted[i], offered[j])
            trades.append(Trade(bids[i].row, asks[j].row, lots))
            wanted[i] -= lots
            offered[j] -= lots
            i, j = i + (not wanted[i]), j + (not offered[j])
        else:
            i, j = i + bid_moves, j + (not bid_moves)
    return Outcome(trades)


class _Queue:
    """Sellers in turn; the first within a limit is found by halving: each node holds the least price below it."""

    def __init__(self, sellers: list[Entry]) -> None:
        self._sellers = sellers
        self._leaves = 1 << max(len(sellers) - 1, 0).bit_length()
        self._least: list[float] = [inf] * self._leaves + [seller.price for seller in sellers]
        self._least += [inf] * (2 * self._leaves - len(self._least))
        for node in range(self._leaves - 1, 0, -1):
            self._least[node] = min(self._least[2 * node], self._least[2 * node + 1])

    def take(self, limit: int) -> Entry | None:
        """Take the first seller out who asks no more than ``limit``; None if there is none."""
        least = self._least
        if least[1] > limit:
            return None
        node = 1
        while node < self._leaves:
            node = 2 * node + (least[2 * node] > limit)
        seller = self._sellers[node - self._leaves]
        least[node] = inf
        while node > 1:
            node //= 2
            least[node] = min(least[2 * node], least[2 * node + 1])
        return seller


def _drawn(book: Book, draws: Draws) -> Outcome:
    """Round by round, each buyer in drawn order takes the first free seller that it can afford."""
    trades: list[Trade] = []
    left = {order.row: order.quantity for order in (*book.bids, *book.asks)}
    by_id = [sorted(side, key=lambda order: order.id) for side in (book.bids, book.asks)]
    while True:
        buyers, sellers = (draws.shuffled(order for order in side if left[order.row]) for side in by_id)
        before = len(trades)
        free = _Queue(sellers)
        for buyer in buyers:
            seller = free.take(buyer.price)
            if seller is None:
                continue
            lots = min(left[buyer.row], left[seller.row])
            trades.append(Trade(buyer.row, seller.row, lots))
            left[buyer.row] -= lots
            left[seller.row] -= lots
        if len(trades) == before:
            return Outcome(trades)
