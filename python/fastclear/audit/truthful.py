"""Invariants of the auctions built for truth-telling (and of Average, their careless cousin), cleared again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from heapq import merge
from typing import Any

import polars as pl

from fastclear.audit import books
from fastclear.audit.books import Book, Entry, Outcome, Rule, Trade, interval, pair, split, sweep
from fastclear.audit.chacha import Draws
from fastclear.audit.state import State
from fastclear.audit.universal import BALANCED, NO_DEFICIT, NO_SURPLUS, check_budget

PAIRS = "fills are paired best bid with cheapest ask, ties by time, then id"
REPLAY_MAX = 4_000_000

_NO_BRANCH, _ALL_TRADE, _REDUCED, _SELLER_SETS_PRICE, _BUYER_SETS_PRICE = range(5)  # codes of column `branch`

_MERIT = "the orders that meet trade, dearest bids and cheapest asks first, ties by time, then id"
VICKREY = Rule(
    _MERIT, PAIRS, "each winner pays what its presence costs the others, cleared again without all its orders"
)
VICKREY_AT_MARGIN = (
    "in markets too large to clear again without each winner, it pays the value of the units it keeps out"
)
TRADE_REDUCTION = Rule(
    "all pairs that meet trade where the midpoint of the next pair suits them, else all but the last",
    PAIRS,
    "pairs trade at the midpoint of the next pair, or else at the prices of the pair left out",
)
HUANG = Rule(
    "the last bid and ask that meet are left out, and the longer side's excess is shared equally",
    PAIRS,
    "buyers pay the bid left out, sellers receive the ask left out",
)
SBBA = Rule(
    "all pairs trade where the next seller sets the price, else all but the last bid and a seller drawn from the seed",
    PAIRS,
    "one price: the next ask where the last bid reaches it, else the bid left out",
)
AVERAGE = Rule(
    "all pairs that meet trade",
    PAIRS,
    "one price: midway between the last bid and ask that meet",
)
_MUDA_FILLS = "in each half the short side trades in full at the other half's price, and on the long side "
_MUDA_PAIRS = "fills of a half are paired best bid with cheapest ask, the left half first"
MUDA_LOTTERY = Rule(
    _MUDA_FILLS + "agents in drawn order",
    _MUDA_PAIRS,
    "each half trades at the midpoint of the other half's clearing prices",
)
MUDA_VICKREY = Rule(
    _MUDA_FILLS + "the best units",
    _MUDA_PAIRS,
    "each half pays the midpoint of the other half's clearing prices, and winners the surplus of those they displace",
)


def check_vickrey(state: State) -> tuple[str, ...]:
    """Check a Vickrey clearing; return the checks.

    Cost: plain Python, winners x orders of a market at some tenths of a microsecond each. Where that product passes
    `REPLAY_MAX` in a market, payments are worked out there by a theorem, winner by winner at the margin, and the report
    says so.
    """
    at_margin: list[int] = []

    def clear(book: Book) -> Outcome:
        met = sweep(book.bids, book.asks)
        winners = {order.agent for bid, ask, _ in met for order in (bid, ask)}
        if len(winners) * len(book.bids + book.asks) <= REPLAY_MAX:
            sums = _vickrey_sums(met, lambda agent, fills, buys: _without(book, met, agent, fills, buys))
        else:
            at_margin.append(book.index)
            sums = _vickrey_sums(met, _Margin(book, met).kept_out)
        trades = [Trade(bid.row, ask.row, lots) for bid, ask, lots in met]
        return Outcome(trades, _amounts(trades, sums, grain=2))

    books.check(state, VICKREY, clear)
    check_budget(state, NO_SURPLUS)
    return (*VICKREY, *((VICKREY_AT_MARGIN,) if at_margin else ()), NO_SURPLUS)


def _welfare(bids: Sequence[Entry], asks: Sequence[Entry]) -> int:
    return sum((bid.price - ask.price) * lots for bid, ask, lots in sweep(bids, asks))


def _vickrey_sums(
    met: list[tuple[Entry, Entry, int]], due: Callable[[int, dict[Entry, int], bool], int]
) -> dict[int, int]:
    """Money in halves, by row, that each bid pays or ask receives; ``due`` says what an agent's fills come to."""
    won: dict[tuple[bool, int], dict[Entry, int]] = defaultdict(lambda: defaultdict(int))
    for bid, ask, lots in met:
        won[True, bid.agent][bid] += lots
        won[False, ask.agent][ask] += lots
    sums: dict[int, int] = {}
    for (buys, agent), fills in won.items():
        sums |= _by_fill(2 * due(agent, fills, buys), fills, grain=2)
    return sums


def _without(book: Book, met: list[tuple[Entry, Entry, int]], agent: int, fills: dict[Entry, int], buys: bool) -> int:
    """What an agent pays or receives, from the welfare of a market cleared without it."""
    total = sum((bid.price - ask.price) * lots for bid, ask, lots in met)
    value = sum(order.price * lots for order, lots in fills.items())
    if buys:  # pays what the others lose
        return _welfare([bid for bid in book.bids if bid.agent != agent], book.asks) - (total - value)
    # A seller receives its cost and what it adds.
    return total + value - _welfare(book.bids, [ask for ask in book.asks if ask.agent != agent])


class _Margin:
    """Units on both sides of the margin of one market, those next to it first.

    A buyer of x units keeps out the x dearest of: asked units that trade (nobody would have to deliver them), and bid
    units of others that do not. It pays their value. A seller likewise, with the cheapest.
    """

    def __init__(self, book: Book, met: list[tuple[Entry, Entry, int]]) -> None:
        served: dict[Entry, int] = defaultdict(int)
        for bid, ask, lots in met:
            served[bid] += lots
            served[ask] += lots
        sides = {True: book.bids, False: book.asks}
        self._served = {
            buys: [(order.price, served[order]) for order in reversed(side) if order in served]
            for buys, side in sides.items()
        }
        self._waiting = {
            buys: [
                (order.price, order.quantity - served.get(order, 0), order.agent)
                for order in side
                if order.quantity > served.get(order, 0)
            ]
            for buys, side in sides.items()
        }

    def kept_out(self, agent: int, fills: dict[Entry, int], buys: bool) -> int:
        """Value of the units that an agent's fills keep out."""
        lots, value = sum(fills.values()), 0
        others = ((price, left) for price, left, whose in self._waiting[buys] if whose != agent)
        for price, left in merge(self._served[not buys], others, key=lambda unit: -unit[0] if buys else unit[0]):
            value += price * min(left, lots)
            lots -= min(left, lots)
            if not lots:
                break
        return value


def _by_fill(amount: int, fills: dict[Entry, int], grain: int) -> dict[int, int]:
    """An agent's money over its orders that trade, in proportion to their fills, ties by time, then id."""
    orders = sorted(fills, key=lambda order: order.turn)
    parts = split(amount // grain, [fills[order] for order in orders])
    return {order.row: part * grain for order, part in zip(orders, parts, strict=True)}


def _amounts(trades: list[Trade], sums: dict[int, int], grain: int) -> list[tuple[int, int]]:
    """What each order's money comes to in each of its trades, in proportion to their lots, ties in trade order."""
    of_row: dict[int, list[int]] = defaultdict(list)
    for number, trade in enumerate(trades):
        of_row[trade.buy].append(number)
        of_row[trade.sell].append(number)
    parts: dict[tuple[int, int], int] = {}
    for row, numbers in of_row.items():
        split_up = split(sums[row] // grain, [trades[number].quantity for number in numbers])
        parts |= {(row, number): part * grain for number, part in zip(numbers, split_up, strict=True)}
    return [(parts[trade.buy, number], parts[trade.sell, number]) for number, trade in enumerate(trades)]


def _meeting(book: Book) -> int:
    """How many pairs of unit orders meet."""
    return sum(1 for bid, ask in zip(book.bids, book.asks, strict=False) if bid.price >= ask.price)


def _priced(bids: Iterable[Entry], asks: Iterable[Entry], unit: int, buy: int, sell: int) -> list[Trade]:
    pairs = zip(bids, asks, strict=True)
    return [Trade(bid.row, ask.row, unit, buy, sell) for bid, ask in pairs]


def _one_price_outcome(book: Book, trades: list[Trade], **columns: int) -> Outcome:
    ends = interval(book.bids, book.asks)
    low, high = (None, None) if ends is None else (2 * ends[0], 2 * ends[1])
    return Outcome(trades, has_price=True, low=low, high=high, columns=columns)


def check_trade_reduction(state: State) -> tuple[str, ...]:
    """Check a TradeReduction clearing; return the checks. Cost: plain Python, some microseconds an order."""
    mechanism = state.mechanism

    def clear(book: Book) -> Outcome:
        k, unit = _meeting(book), int(mechanism.unit)
        if not k:
            return Outcome([], columns={"branch": _NO_BRANCH})
        last_bid, last_ask = book.bids[k - 1].price, book.asks[k - 1].price
        next_bid = book.bids[k].price if k < len(book.bids) else state.cap_low
        next_ask = book.asks[k].price if k < len(book.asks) else state.cap_high
        if mechanism.use_p0 and next_bid is not None and next_ask is not None:
            halves = next_bid + next_ask
            if 2 * last_ask <= halves <= 2 * last_bid:
                trades = _priced(book.bids[:k], book.asks[:k], unit, halves, halves)
                return _one_price_outcome(book, trades, branch=_ALL_TRADE)
        trades = _priced(book.bids[: k - 1], book.asks[: k - 1], unit, 2 * last_bid, 2 * last_ask)
        return _one_price_outcome(book, trades, branch=_REDUCED)

    return _checked(state, TRADE_REDUCTION, clear, NO_DEFICIT)


def check_sbba(state: State) -> tuple[str, ...]:
    """Check an Sbba clearing; return the checks.

    Cost: plain Python, some microseconds an order, and some 100 a market where a seller is drawn.
    """
    unit = int(state.mechanism.unit)

    def clear(book: Book) -> Outcome:
        k = _meeting(book)
        if not k:
            return Outcome([], columns={"branch": _NO_BRANCH})
        last_bid = book.bids[k - 1].price
        if k < len(book.asks) and book.asks[k].price <= last_bid:
            price = 2 * book.asks[k].price
            trades = _priced(book.bids[:k], book.asks[:k], unit, price, price)
            return _one_price_outcome(book, trades, branch=_SELLER_SETS_PRICE)
        out = Draws(int(state.mechanism.seed), book.index).below(k)
        asks = [ask for place, ask in enumerate(book.asks[:k]) if place != out]
        trades = _priced(book.bids[: k - 1], asks, unit, 2 * last_bid, 2 * last_bid)
        return _one_price_outcome(book, trades, branch=_BUYER_SETS_PRICE)

    return _checked(state, SBBA, clear, BALANCED)


def check_average(state: State) -> tuple[str, ...]:
    """Check an Average clearing; return the checks. Cost: plain Python, some microseconds an order."""
    unit = int(state.mechanism.unit)

    def clear(book: Book) -> Outcome:
        k = _meeting(book)
        if not k:
            return Outcome([])
        halves = book.bids[k - 1].price + book.asks[k - 1].price
        return _one_price_outcome(book, _priced(book.bids[:k], book.asks[:k], unit, halves, halves))

    return _checked(state, AVERAGE, clear, BALANCED)


def check_huang(state: State) -> tuple[str, ...]:
    """Check a Huang clearing; return the checks. Cost: plain Python, some microseconds an order."""
    return _checked(state, HUANG, _huang, NO_DEFICIT)


def _huang(book: Book) -> Outcome:
    met = sweep(book.bids, book.asks)
    if not met:
        return Outcome([])
    last_bid, last_ask = met[-1][0], met[-1][1]
    bids = book.bids[: book.bids.index(last_bid)]
    asks = book.asks[: book.asks.index(last_ask)]
    wanted, offered = (sum(order.quantity for order in side) for side in (bids, asks))
    if not wanted or not offered:
        return Outcome([])
    fills = pair(_less(bids, max(0, wanted - offered)), _less(asks, max(0, offered - wanted)))
    trades = [Trade(bid.row, ask.row, lots, 2 * last_bid.price, 2 * last_ask.price) for bid, ask, lots in fills]
    return _one_price_outcome(book, trades)


def _less(side: list[Entry], burden: int) -> list[tuple[Entry, int]]:
    """What is left to each order when all give up the same; who has less than that gives up all."""
    # Smallest first, later first among equals.
    active = sorted(side, key=lambda order: (order.quantity, -order.turn))
    gone: set[int] = set()
    while active and active[0].quantity * len(active) < burden:
        burden -= active[0].quantity
        gone.add(active.pop(0).row)
    each, extra = divmod(burden, len(active)) if active else (0, 0)
    late = {order.row for order in sorted(active, key=lambda order: -order.turn)[:extra]}
    return [(order, 0 if order.row in gone else order.quantity - each - (order.row in late)) for order in side]


def check_muda(state: State) -> tuple[str, ...]:
    """Check a Muda clearing; return the checks.

    Cost: plain Python, some ten microseconds an order, and a microsecond or two for each random number.
    """
    mechanism = state.mechanism
    vickrey = mechanism.variant == "vickrey"
    left = _encoded(state, mechanism.partition)
    ranks = _encoded(state, mechanism.permutation)
    places = None if ranks is None else {agent: place for place, agent in enumerate(ranks)}

    def clear(book: Book) -> Outcome:
        draws = None if mechanism.seed is None else Draws(int(mechanism.seed), book.index)
        return _Muda(state, book, None if left is None else set(left), places, draws, vickrey).outcome()

    return _checked(state, MUDA_VICKREY if vickrey else MUDA_LOTTERY, clear, NO_DEFICIT if vickrey else BALANCED)


def _encoded(state: State, names: Any) -> list[int] | None:
    """Participants as the orders carry them: text ids are ranks among the texts, and who is not there drops out."""
    if names is None:
        return None
    orders = state.clearing.orders
    texts = orders.texts.get("participant" if orders.participant is not None else "order")
    if texts is None:
        return [int(name) for name in names]
    ranks = {text: rank for rank, text in enumerate(texts.cast(pl.String).to_list())}
    return [ranks[name] for name in names if name in ranks]


class _Muda:
    """One market split in halves, each trading at the price of the other."""

    def __init__(
        self,
        state: State,
        book: Book,
        left: set[int] | None,
        places: dict[int, int] | None,
        draws: Draws | None,
        vickrey: bool,
    ) -> None:
        self.state, self.book, self.places, self.draws, self.vickrey = state, book, places, draws, vickrey
        agents = sorted({order.agent for order in (*book.bids, *book.asks)})
        if left is None:
            assert draws is not None
            left = {agent for agent in agents if not draws.coin()}
        self.halves = [
            (
                [bid for bid in book.bids if (bid.agent in left) == on_left],
                [ask for ask in book.asks if (ask.agent in left) == on_left],
            )
            for on_left in (True, False)
        ]
        self.trades: list[Trade] = []
        self.amounts: list[tuple[int, int]] = []

    def outcome(self) -> Outcome:
        ends = [interval(*half) for half in self.halves]
        prices = [None if one is None else one[0] + one[1] for one in ends]
        for half, price in zip(self.halves, reversed(prices), strict=True):
            if price is not None:
                self._trade(*half, price)
        columns: dict[str, int] = {}
        for name, price in zip(("left", "right"), prices, strict=True):
            columns |= {f"has_{name}": int(price is not None), f"price_{name}": price or 0}
        return Outcome(self.trades, self.amounts if self.vickrey else None, columns=columns)

    def _trade(self, bids: list[Entry], asks: list[Entry], halves: int) -> None:
        bids = [bid for bid in bids if 2 * bid.price > halves]
        asks = [ask for ask in asks if 2 * ask.price < halves]
        wanted, offered = (sum(order.quantity for order in side) for side in (bids, asks))
        volume = min(wanted, offered)
        bought, sold = ({order: order.quantity for order in side} for side in (bids, asks))
        fees: dict[int, int] = {}
        if wanted > volume:
            bought, fees = self._long(bids, volume, halves)
        elif offered > volume:
            sold, fees = self._long(asks, volume, halves)
        price = None if self.vickrey else halves
        met = pair(bought.items(), sold.items())
        trades = [Trade(bid.row, ask.row, lots, price, price) for bid, ask, lots in met]
        self.trades += trades
        if self.vickrey:
            # Money is split in whole ticks x lots where the price is a whole tick.
            grain = 1 if halves % 2 else 2
            sums = self._sums(bought, 1, fees, halves, grain) | self._sums(sold, -1, fees, halves, grain)
            self.amounts += _amounts(trades, sums, grain)

    def _long(self, side: list[Entry], volume: int, halves: int) -> tuple[dict[Entry, int], dict[int, int]]:
        """Fills of the long side in merit order, and the fee of each agent in half ticks."""
        if self.vickrey:
            fills = _served(side, volume)
            return fills, _fees(side, fills, halves)
        agents = sorted({order.agent for order in side})
        places = self.places
        if places is not None:
            agents.sort(key=lambda agent: places.get(agent, len(places)))
        else:
            assert self.draws is not None
            agents = self.draws.shuffled(agents)
        place = {agent: number for number, agent in enumerate(agents)}
        drawn = _served(sorted(side, key=lambda order: place[order.agent]), volume)
        return {order: drawn.get(order, 0) for order in side}, {}

    @staticmethod
    def _sums(fills: dict[Entry, int], sign: int, fees: dict[int, int], halves: int, grain: int) -> dict[int, int]:
        """Money in halves, by row: the price, and a fee on top for bids, off it for asks."""
        by_agent: dict[int, dict[Entry, int]] = defaultdict(dict)
        for order, lots in fills.items():
            if lots:
                by_agent[order.agent][order] = lots
        sums: dict[int, int] = {}
        for agent, won in by_agent.items():
            sums |= _by_fill(sum(won.values()) * halves + sign * fees.get(agent, 0), won, grain)
        return sums


def _fees(side: list[Entry], fills: dict[Entry, int], halves: int) -> dict[int, int]:
    """For each agent, the surplus in halves of the best losing units of others, as many as it won."""
    won: dict[int, int] = defaultdict(int)
    for order, lots in fills.items():
        won[order.agent] += lots
    losing = [(order, order.quantity - fills.get(order, 0)) for order in side]
    losing = [(order, lots) for order, lots in losing if lots]
    fees: dict[int, int] = {}
    for agent, displaced in won.items():
        left, fees[agent] = displaced, 0
        for order, lots in losing:
            if order.agent != agent:
                fees[agent] += min(left, lots) * abs(2 * order.price - halves)
                left -= min(left, lots)
            if not left:
                break
    return fees


def _served(side: Iterable[Entry], volume: int) -> dict[Entry, int]:
    fills: dict[Entry, int] = {}
    for order in side:
        fills[order] = min(order.quantity, volume)
        volume -= fills[order]
    return {order: lots for order, lots in fills.items() if lots}


def _checked(state: State, rule: Rule, clear: Callable[[Book], Outcome], budget: str) -> tuple[str, ...]:
    books.check(state, rule, clear)
    check_budget(state, budget)
    return (*rule, budget)
