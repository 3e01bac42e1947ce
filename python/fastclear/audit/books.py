"""One market at a time, in plain Python: its orders in merit order, what a rule makes of them, and the comparison."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from fastclear.audit.report import broken
from fastclear.audit.state import State


class Entry(NamedTuple):
    """An order as it competes: its price in ticks, its rank by (time, id), its id and its participant."""

    row: int
    price: int
    quantity: int
    turn: int
    id: int
    agent: int


@dataclass(slots=True)
class Book:
    """The orders of one market, best first: dearest bids, cheapest asks, ties by time, then id."""

    index: int
    bids: list[Entry]
    asks: list[Entry]


class Trade(NamedTuple):
    """A trade that a rule calls for; prices in half ticks, None where payments are not per unit."""

    buy: int
    sell: int
    quantity: int
    buy_price: int | None = None
    sell_price: int | None = None


@dataclass(slots=True)
class Outcome:
    """What a rule makes of one market.

    Attributes
    ----------
    trades : list of Trade
        In order.
    amounts : list of (int, int), optional
        Money in halves that the buyer of each trade pays and its seller receives, where payments are not per unit.
    has_price : bool
        Whether the rule has one price a side, so that the market shows it.
    low, high : int, optional
        The clearing interval in half ticks, where all trade at one price.
    columns : dict of str to int
        Further columns of the market: prices in half ticks, codes and counts as they are.
    """

    trades: list[Trade]
    amounts: list[tuple[int, int]] | None = None
    has_price: bool = False
    low: int | None = None
    high: int | None = None
    columns: dict[str, Any] = field(default_factory=dict)

    def fills(self) -> dict[int, int]:
        """Lots by row."""
        filled: dict[int, int] = defaultdict(int)
        for trade in self.trades:
            filled[trade.buy] += trade.quantity
            filled[trade.sell] += trade.quantity
        return filled


class Rule(NamedTuple):
    """The texts of the checks that a mechanism's outcome is held against."""

    fills: str
    pairs: str
    prices: str


def books(state: State, markets: Sequence[int] | None = None) -> Iterator[Book]:
    """Books of the orders that take part, market by market (all of them, or the rows of ``columns`` given).

    Cost: one sort of the orders in numpy, then about two microseconds an order.
    """
    present = state.present
    if markets is not None:
        wanted = np.zeros(len(state.columns["market"]), bool)
        wanted[list(markets)] = True
        present = present & wanted[state.index]
    rows = np.flatnonzero(present)
    merit = np.where(state.is_bid, -state.competing, state.competing)[rows]
    rows = rows[np.lexsort((state.turn[rows], merit, ~state.is_bid[rows], state.index[rows]))]
    columns = (rows, state.competing[rows], state.quantity[rows], state.turn[rows], state.ids[rows], state.agents[rows])
    entries = list(map(Entry._make, zip(*(column.tolist() for column in columns), strict=True)))
    every = range(len(state.columns["market"])) if markets is None else markets
    starts = np.searchsorted(state.index[rows], np.arange(len(state.columns["market"]) + 1))
    middles = starts[:-1] + np.bincount(state.index[rows], state.is_bid[rows], len(starts) - 1).astype(np.int64)
    for index in every:
        start, middle, end = int(starts[index]), int(middles[index]), int(starts[index + 1])
        yield Book(index, entries[start:middle], entries[middle:end])


def sweep(
    bids: Sequence[Entry],
    asks: Sequence[Entry],
    meets: Callable[[int, int], bool] = lambda bid, ask: bid >= ask,
) -> list[tuple[Entry, Entry, int]]:
    """Pairs of best bid and cheapest ask, as long as they meet."""
    return list(_pairs([(bid, bid.quantity) for bid in bids], [(ask, ask.quantity) for ask in asks], meets))


def pair(bids: Iterable[tuple[Entry, int]], asks: Iterable[tuple[Entry, int]]) -> list[tuple[Entry, Entry, int]]:
    """Pair what each bid buys with what each ask sells, in the order given."""
    return list(_pairs(list(bids), list(asks), lambda _bid, _ask: True))


def _pairs(
    bids: list[tuple[Entry, int]], asks: list[tuple[Entry, int]], meets: Callable[[int, int], bool]
) -> Iterator[tuple[Entry, Entry, int]]:
    waiting = iter([one for one in asks if one[1]])
    ask, on_offer = next(waiting, (None, 0))
    for bid, wanted in bids:
        left = wanted
        while left and ask is not None and meets(bid.price, ask.price):
            lots = min(left, on_offer)
            yield bid, ask, lots
            left, on_offer = left - lots, on_offer - lots
            if not on_offer:
                ask, on_offer = next(waiting, (None, 0))
        if left:
            return


def interval(bids: Sequence[Entry], asks: Sequence[Entry]) -> tuple[int, int] | None:
    """Lowest and highest clearing price; best bid and best ask where nothing meets; None where a side is empty."""
    if not bids or not asks:
        return None
    volume = sum(lots for _, _, lots in sweep(bids, asks))
    if not volume:
        return bids[0].price, asks[0].price
    (bid_last, bid_next), (ask_last, ask_next) = (_at_margin(side, volume) for side in (bids, asks))
    low = ask_last if bid_next is None else max(ask_last, bid_next)
    high = bid_last if ask_next is None else min(bid_last, ask_next)
    return low, high


def _at_margin(side: Sequence[Entry], volume: int) -> tuple[int, int | None]:
    """Price of the last unit within the volume, and of the first beyond it."""
    last = side[0].price
    for order in side:
        if volume <= 0:
            return last, order.price
        last = order.price
        if order.quantity > volume:
            return last, last
        volume -= order.quantity
    return last, None


def rounded(exact: Fraction, rounding: str) -> int:
    """Return a whole tick: ``floor``, ``ceil`` or ``half_up``."""
    if rounding == "ceil":
        return -((-exact.numerator) // exact.denominator)
    if rounding == "half_up":
        return (2 * exact.numerator + exact.denominator) // (2 * exact.denominator)
    return exact.numerator // exact.denominator


def share(k: Any) -> Fraction:
    """Return a mechanism's ``k`` as the exact fraction it stands for."""
    if isinstance(k, tuple):
        return Fraction(*k)
    return Fraction(float(k)).limit_denominator(10**6) if isinstance(k, float | np.floating) else Fraction(k)


def split(total: int, weights: Sequence[int]) -> list[int]:
    """Split money in proportion, left-over units to the largest remainders, earlier ones first."""
    whole = sum(weights)
    parts = [total * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: (-(total * weights[i] % whole), i))
    for i in by_remainder[: total - sum(parts)]:
        parts[i] += 1
    return parts


def check(state: State, rule: Rule, clear: Callable[[Book], Outcome]) -> None:
    """Hold every market of a result against what a rule makes of its orders."""
    result = _Result(state, rule)
    ends = np.searchsorted(state.trades["market"], state.columns["market"], side="right").tolist()
    start = 0
    for book in books(state):
        outcome, end = clear(book), ends[book.index]
        result.compare(book, outcome, start, end)
        start = end


_TRADE_COLUMNS = ("buy_row", "sell_row", "quantity", "buy_price", "sell_price", "buy_amount", "sell_amount")
_PRICES = ("price", "price_low", "price_high", "price_buy", "price_sell")


class _Result:
    """A result as plain Python numbers, prices and money in halves."""

    def __init__(self, state: State, rule: Rule) -> None:
        self.state, self.rule = state, rule
        scale = 2 // state.den
        self.filled: list[int] = state.filled.tolist()
        columns = [state.trades[name] * (1 if i < 3 else scale) for i, name in enumerate(_TRADE_COLUMNS)]
        self.trades = list(zip(*(column.tolist() for column in columns), strict=True))
        names = (*_PRICES, "has_price", "branch", "rounds", "has_left", "has_right", "price_left", "price_right")
        self.markets: dict[str, list[int]] = {
            name: (state.columns[name] * (scale if name.startswith("price") else 1)).tolist()
            for name in names
            if name in state.columns
        }

    def compare(self, book: Book, outcome: Outcome, start: int, end: int) -> None:
        """Raise at the first difference: fills, then pairs, then prices, then the market's columns."""
        fills = outcome.fills()
        for order in (*book.bids, *book.asks):
            if self.filled[order.row] != fills.get(order.row, 0):
                given, due = self.filled[order.row], fills.get(order.row, 0)
                raise broken(self.rule.fills, f"row {order.row}: filled {given}, due {due}")
        shown = self.trades[start:end]
        if [trade[:3] for trade in shown] != [trade[:3] for trade in outcome.trades]:
            raise broken(self.rule.pairs, self._pairs(book, shown, outcome))
        for number, (told, trade) in enumerate(zip(shown, outcome.trades, strict=True), start):
            if trade.buy_price is not None and told[3:5] != trade[3:]:
                self._differ(f"trade {number}: price", told[3:5], trade[3:])
            if outcome.amounts is not None and told[5:] != outcome.amounts[number - start]:
                self._differ(f"trade {number}: amount", told[5:], outcome.amounts[number - start])
        self._compare_market(book.index, outcome)

    def _compare_market(self, index: int, outcome: Outcome) -> None:
        """The market's own columns; prices are shown where all of a side trade at one."""
        one = outcome.has_price and bool(outcome.trades)
        due = outcome.columns | {"has_price": one}
        if one:
            _, _, _, due["price_buy"], due["price_sell"] = outcome.trades[0]
            if due["price_buy"] == due["price_sell"]:
                due |= {"price": due["price_buy"], "price_low": outcome.low, "price_high": outcome.high}
        for name, value in due.items():
            if self.markets[name][index] != value:
                where = f"market {self.state.market(index)}: {name}"
                if name.startswith("price"):
                    self._differ(where, (self.markets[name][index],), (value,))
                raise broken(self.rule.prices, f"{where} {self.markets[name][index]}, due {value}")

    def _pairs(self, book: Book, shown: list[tuple[int, ...]], outcome: Outcome) -> str:
        here = f"market {self.state.market(book.index)}"
        for number, (told, trade) in enumerate(zip(shown, outcome.trades, strict=False)):
            if told[:3] != trade[:3]:
                return f"{here}, trade {number} in it: rows and lots {told[:3]}, due {trade[:3]}"
        return f"{here}: {len(shown)} trades, due {len(outcome.trades)}"

    def _differ(self, where: str, given: Sequence[int], due: Sequence[int | None]) -> None:
        """Raise, naming buyers' and sellers' figures in ticks (or their halves)."""
        told, called = (" and ".join(_ticks(halves) for halves in pair if halves is not None) for pair in (given, due))
        raise broken(self.rule.prices, f"{where} {told}, due {called}")


def _ticks(halves: int) -> str:
    return str(halves // 2) if halves % 2 == 0 else f"{halves / 2:.1f}"
