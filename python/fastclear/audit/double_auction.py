"""Invariants of the auctions that serve the dearest bids and the cheapest asks: Uniform and Discriminatory."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastclear.audit.books import Book, Entry, books, share, sweep
from fastclear.audit.chacha import Draws
from fastclear.audit.report import broken, first
from fastclear.audit.state import State

PRIORITY = "price priority: nobody is left out while a worse order of the market trades"
SUPPORTED = (
    "the volume is the most that any single price supports (less units without surplus, where they are left out)"
)
PAIRS = "fills are paired best bid with cheapest ask, ties by time, then id"
RATIONING = "orders of the marginal price share what is left by the rule of the mechanism"
ONE_PRICE = "one price a side in every market, where k puts it in the clearing interval (uniform price only)"
PRICE_RULE = "one price a side in every market, where the price rule puts it, beside the clearing interval"
LEVELS = (
    "the price is the lowest bid that enough asks meet, or the highest bid, and all of that demand or supply trades"
)
PAIR_PRICES = "each pair trades at the price that the rule gives, and what is spread goes where it says"
RESERVE = "no bid below the reserve trades, and no price is below it"
MINIMA = "orders filled below their minimum left, last come first, one by one, and no other order did"

_LEAST, _MOST = np.iinfo(np.int64).min, np.iinfo(np.int64).max


def check(state: State) -> tuple[str, ...]:
    """Check a Uniform or Discriminatory clearing; return the checks.

    Cost: a few sorts of the orders in numpy. Markets that hold a minimum quantity are cleared again in plain Python,
    once for each order that leaves: some microseconds an order and clearing.
    """
    mechanism = state.mechanism
    uniform = type(mechanism).__name__ != "Discriminatory"
    levels = bool(getattr(mechanism, "whole_levels", False))
    checks = [PRIORITY, LEVELS if levels else SUPPORTED, PAIRS, RATIONING]
    reserve = getattr(mechanism, "reserve", None)
    if reserve is not None:
        _reserve(state, int(reserve))
        checks.append(RESERVE)
    minimum = getattr(state.clearing.orders, "min_quantity", None)
    if minimum is not None:
        _minima(state, minimum)
        checks.append(MINIMA)
    margin = _priority(state)
    book = _Levels(state)
    _volume(state, book.whole_level_volume() if levels else book.supported(_zero_surplus(mechanism)), checks[1])
    check_pairs(state, PAIRS)
    _rationing(state, margin)
    if not uniform:
        _no_price_a_market(state, PAIR_PRICES)
        _pair_prices(state)
        return (*checks, PAIR_PRICES)
    rule = getattr(mechanism, "price_rule", "interval")
    text = ONE_PRICE if rule == "interval" else PRICE_RULE
    _one_price(state, book, rule, levels, text)
    return (*checks, text)


def _zero_surplus(mechanism: Any) -> bool:
    return bool(getattr(mechanism, "zero_surplus", True))


# -- who takes part --------------------------------------------------------------------------------------------


def _reserve(state: State, reserve: int) -> None:
    below = state.accepted & state.is_bid & (state.competing < reserve)
    row = first(below & (state.filled > 0))
    if row is not None:
        raise broken(RESERVE, f"row {row}: competes at {state.competing[row]} and trades, reserve {reserve}")
    state.present = state.present & ~below
    trade = first(state.trades["sell_price"] < reserve * state.den)
    if trade is not None:
        raise broken(RESERVE, f"trade {trade}: sold at {state.trades['sell_price'][trade]}, reserve {reserve}")


def _minima(state: State, minimum: NDArray[np.int64]) -> None:
    short = first(state.present & (state.filled > 0) & (state.filled < minimum))
    if short is not None:
        raise broken(MINIMA, f"row {short}: filled {state.filled[short]}, minimum {minimum[short]}")
    markets = np.unique(state.index[state.present & (minimum > 0)]).tolist()
    gone = [row for book in books(state, markets) for row in _leavers(state, book, minimum)]
    row = next((row for row in gone if state.filled[row]), None)
    if row is not None:
        raise broken(MINIMA, f"row {row}: filled {state.filled[row]}, should have left for its minimum")
    state.present = state.present.copy()
    state.present[gone] = False


def _leavers(state: State, book: Book, minimum: NDArray[np.int64]) -> list[int]:
    """Clear again and again, and each time send away the last of the orders filled below their minimum."""
    bids, asks = book.bids, book.asks
    gone: list[int] = []
    while True:
        fills = _fills(state, book.index, bids, asks)
        short = [order for order in (*bids, *asks) if 0 < fills.get(order.row, 0) < minimum[order.row]]
        if not short:
            return gone
        last = max(short, key=lambda order: order.turn)
        gone.append(last.row)
        bids, asks = ([order for order in side if order is not last] for side in (bids, asks))


def _fills(state: State, index: int, bids: list[Entry], asks: list[Entry]) -> dict[int, int]:
    """Fills of one market, side by side and price by price."""
    mechanism = state.mechanism
    if getattr(mechanism, "whole_levels", False):
        price = _whole_level(bids, asks)
        bids = [bid for bid in bids if price is not None and bid.price >= price]
        asks = [ask for ask in asks if price is not None and ask.price <= price]
        volume = min(sum(bid.quantity for bid in bids), sum(ask.quantity for ask in asks))
    else:
        strict = not _zero_surplus(mechanism)
        volume = sum(lots for *_, lots in sweep(bids, asks, (lambda b, a: b > a) if strict else (lambda b, a: b >= a)))
    filled: dict[int, int] = {}
    for side in (bids, asks):
        left = volume
        for level in _by_price(side):
            size = sum(order.quantity for order in level)
            given = [order.quantity for order in level] if size <= left else _level_shares(state, index, level, left)
            filled.update(zip((order.row for order in level), given, strict=True))
            left -= min(size, left)
    return filled


def _whole_level(bids: list[Entry], asks: list[Entry]) -> int | None:
    for bid in reversed(bids):
        demand = sum(one.quantity for one in bids if one.price >= bid.price)
        if sum(ask.quantity for ask in asks if ask.price <= bid.price) >= demand:
            return bid.price
    return bids[0].price if bids and asks and asks[0].price <= bids[0].price else None


def _by_price(side: list[Entry]) -> list[list[Entry]]:
    levels: list[list[Entry]] = []
    for order in side:
        if not levels or levels[-1][0].price != order.price:
            levels.append([])
        levels[-1].append(order)
    return levels


# -- rationing -------------------------------------------------------------------------------------------------


def _level_shares(state: State, index: int, level: list[Entry], left: int) -> list[int]:
    """What each order of a price level is due, the orders being in the order of time, then id."""
    rule = getattr(state.mechanism, "rationing", "time")
    places = list(range(len(level)))
    if rule == "quantity":
        places.sort(key=lambda i: (-level[i].quantity, level[i].turn))
    elif rule == "lottery":
        draws = Draws(int(state.mechanism.seed), index)
        places = draws.shuffled(sorted(places, key=lambda i: level[i].id))
    due = ration(rule, [level[i].quantity for i in places], left)
    shares = [0] * len(level)
    for place, lots in zip(places, due, strict=True):
        shares[place] = lots
    return shares


def ration(rule: str, asked: list[int], left: int) -> list[int]:
    """What each order of a level is due, the orders being in the order in which the rule prefers them."""
    if rule == "pro_rata":
        total = sum(asked)
        shares = [left * lots // total for lots in asked]
        by_remainder = sorted(range(len(asked)), key=lambda i: (-(left * asked[i] % total), i))
        for i in by_remainder[: left - sum(shares)]:
            shares[i] += 1
        return shares
    shares = [0] * len(asked)
    if rule == "equal":
        while left:
            active = [i for i, lots in enumerate(asked) if shares[i] < lots]
            if left < len(active):
                for i in active[:left]:
                    shares[i] += 1
                break
            step = min(left // len(active), min(asked[i] - shares[i] for i in active))
            for i in active:
                shares[i] += step
            left -= step * len(active)
        return shares
    for i, lots in enumerate(asked):
        shares[i] = min(lots, left)
        left -= shares[i]
    return shares


def _rationing(state: State, margin: NDArray[np.bool_]) -> None:
    """Recompute, in plain integers, every price level that trades and leaves something over."""
    rows = np.flatnonzero(margin)
    if not len(rows):
        return
    rows = rows[np.lexsort((state.turn[rows], state.is_bid[rows], state.index[rows]))]
    index, is_bid = state.index[rows], state.is_bid[rows]
    edges = np.flatnonzero(np.r_[True, (np.diff(index) != 0) | (is_bid[1:] != is_bid[:-1]), True])
    rule = getattr(state.mechanism, "rationing", "time")
    columns = (rows, state.competing[rows], state.quantity[rows], state.turn[rows], state.ids[rows], rows)
    entries = list(map(Entry._make, zip(*(column.tolist() for column in columns), strict=True)))
    filled = state.filled[rows].tolist()
    for start, end in pairwise(edges.tolist()):
        level, given = entries[start:end], filled[start:end]
        expected = _level_shares(state, int(index[start]), level, sum(given))
        if given != expected:
            wrong = next(i for i, (was, due) in enumerate(zip(given, expected, strict=True)) if was != due)
            raise broken(RATIONING, f"row {level[wrong].row}: filled {given[wrong]}, due {expected[wrong]} by {rule}")


# -- priority and volume ---------------------------------------------------------------------------------------


def _priority(state: State) -> NDArray[np.bool_]:
    """Check price priority; return the orders of levels that are served in part."""
    margin = np.zeros(len(state.filled), bool)
    for side, better in ((state.is_bid, 1), (~state.is_bid, -1)):
        # Of one side of one market: the best price left with a remainder is no better than the worst price filled.
        rank = state.competing if better == 1 else -state.competing
        short = side & state.present & (state.filled < state.quantity)
        served = side & (state.filled > 0)
        _, left = state.worst_and_best(short, rank)
        worst, _ = state.worst_and_best(served, rank)
        index = first(left > worst)
        if index is not None:
            raise broken(
                PRIORITY,
                f"market {state.market(index)}: {left[index] * better} waits while {worst[index] * better} trades",
            )
        cut = left == worst
        if cut.any():
            margin |= side & state.present & cut[state.index] & (rank == worst[state.index])
    return margin


@dataclass(slots=True)
class _Levels:
    """The curves of all markets: one row a price level, ascending, market after market."""

    state: State
    market: NDArray[np.int64]
    price: NDArray[np.int64]
    bids: NDArray[np.int64]
    demand: NDArray[np.int64]
    demand_above: NDArray[np.int64]
    supply: NDArray[np.int64]
    supply_below: NDArray[np.int64]

    def __init__(self, state: State) -> None:
        self.state = state
        rows = np.flatnonzero(state.present)
        order = rows[np.lexsort((state.competing[rows], state.index[rows]))]
        index, price = state.index[order], state.competing[order]
        bids = np.where(state.is_bid[order], state.quantity[order], 0)
        if not len(order):
            self.market = self.price = self.bids = np.zeros(0, np.int64)
            self.demand = self.demand_above = self.supply = self.supply_below = self.market
            return
        starts = np.flatnonzero(np.r_[True, (index[1:] != index[:-1]) | (price[1:] != price[:-1])])
        self.bids = np.add.reduceat(bids, starts)
        asks = np.add.reduceat(state.quantity[order] - bids, starts)
        self.market, self.price = index[starts], price[starts]
        changes = np.r_[True, self.market[1:] != self.market[:-1]]
        first_level, group = np.flatnonzero(changes), np.cumsum(changes) - 1
        run_bids, run_asks = np.cumsum(self.bids), np.cumsum(asks)
        run_bids -= (run_bids[first_level] - self.bids[first_level])[group]
        run_asks -= (run_asks[first_level] - asks[first_level])[group]
        last_level = np.r_[first_level[1:], len(starts)] - 1
        self.demand_above = run_bids[last_level][group] - run_bids
        self.demand = self.demand_above + self.bids
        self.supply, self.supply_below = run_asks, run_asks - asks

    def supported(self, zero_surplus: bool) -> NDArray[np.int64]:
        """Most units, market by market, whose bid reaches (or, without zero surplus, exceeds) their ask."""
        # With zero surplus, the best single price; without, at that price only what is strictly better on one side.
        supported = (
            np.minimum(self.demand, self.supply)
            if zero_surplus
            else np.maximum(np.minimum(self.demand_above, self.supply), np.minimum(self.demand, self.supply_below))
        )
        return self._most(supported)

    def maximal(self) -> NDArray[np.int64]:
        """Most units that any matching of bids with asks at or below them reaches, market by market.

        The least cut of the flow: for some price, the bids above it and the asks up to it.
        """
        least = self.state.sums(np.where(self.state.present & self.state.is_bid, self.state.quantity, 0))
        np.minimum.at(least, self.market, self.demand_above + self.supply)
        return least

    def whole_level_prices(self) -> NDArray[np.int64]:
        """Lowest bid level that enough asks meet; where none is, the highest if any ask does; else no price."""
        markets = len(self.state.columns["market"])
        is_bid = self.bids > 0
        met = is_bid & (self.supply >= self.demand)
        price = np.full(markets, _MOST)
        np.minimum.at(price, self.market[met], self.price[met])
        highest = np.full(markets, _LEAST)
        some = is_bid & (self.demand_above == 0) & (self.supply > 0)
        highest[self.market[some]] = self.price[some]
        return np.where(price == _MOST, highest, price)

    def whole_level_volume(self) -> NDArray[np.int64]:
        """The lesser of demand and supply at that price."""
        at = self.price == self.whole_level_prices()[self.market]
        return self._most(np.where(at, np.minimum(self.demand, self.supply), 0))

    def _most(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        most = np.zeros(len(self.state.columns["market"]), np.int64)
        np.maximum.at(most, self.market, values)
        return most


def maximal_volume(state: State) -> NDArray[np.int64]:
    """Most units that any matching reaches, market by market."""
    return _Levels(state).maximal()


def _volume(state: State, due: NDArray[np.int64], text: str) -> None:
    index = first(due != state.columns["volume"])
    if index is not None:
        volume = state.columns["volume"][index]
        raise broken(text, f"market {state.market(index)}: volume {volume}, possible {due[index]}")


def check_pairs(state: State, text: str) -> None:
    """Check that trades run through bids and asks in merit order, no pair twice."""
    trades, turn = state.trades, state.turn
    same_market = trades["market"][1:] == trades["market"][:-1]
    again = same_market.copy()
    for side, better in (("buy", -1), ("sell", 1)):
        rows = trades[f"{side}_row"]
        price = state.competing[rows] * better
        ahead = (price[1:] > price[:-1]) | ((price[1:] == price[:-1]) & (turn[rows][1:] >= turn[rows][:-1]))
        trade = first(same_market & ~ahead)
        if trade is not None:
            raise broken(text, f"trade {trade + 1} has a better {side} order than trade {trade} of the same market")
        again &= rows[1:] == rows[:-1]
    trade = first(again)
    if trade is not None:
        raise broken(text, f"trades {trade} and {trade + 1} are one pair")


# -- prices ----------------------------------------------------------------------------------------------------


def _round(numerator: NDArray[np.int64], denominator: int, rounding: str | None) -> NDArray[np.int64]:
    """Whole numbers of ``numerator / denominator``; both below 62 bits."""
    if rounding == "ceil":
        return -(-numerator // denominator)
    if rounding == "half_up":
        whole = numerator // denominator
        return whole + (2 * (numerator - whole * denominator) >= denominator)
    return numerator // denominator


def _between(low: NDArray[np.int64], high: NDArray[np.int64], mechanism: Any) -> NDArray[np.int64]:
    k = share(mechanism.k)
    # Within 62 bits: prices are of 33 with a fee, and denominators at most 10**9.
    return low + _round((high - low) * k.numerator, k.denominator, mechanism.price_round)


def _one_price(state: State, book: _Levels, rule: str, levels: bool, text: str) -> None:
    columns, trades, index = state.columns, state.trades, state.trade_index
    traded = columns["volume"] > 0
    wrong = first(columns["has_price"] != traded)
    if wrong is not None:
        raise broken(text, f"market {state.market(wrong)}: volume {columns['volume'][wrong]}, price shown or not")
    for side in ("buy", "sell"):
        trade = first(trades[f"{side}_price"] != columns[f"price_{side}"][index])
        if trade is not None:
            raise broken(
                text,
                f"trade {trade}: {side} price {trades[f'{side}_price'][trade]}, "
                f"market {columns[f'price_{side}'][index[trade]]}",
            )
    # The interval: no order with a remainder is willing inside it, no accepted order unwilling.
    short = state.present & (state.filled < state.quantity) & traded[state.index]
    full = state.filled > 0
    last_bid, _ = state.worst_and_best(full & state.is_bid, state.competing)
    _, last_ask = state.worst_and_best(full & ~state.is_bid, state.competing)
    _, next_bid = state.worst_and_best(short & state.is_bid, state.competing)
    next_ask, _ = state.worst_and_best(short & ~state.is_bid, state.competing)
    low, high = np.maximum(last_ask, next_bid), np.minimum(last_bid, next_ask)
    if levels:
        low = high = book.whole_level_prices()
    reserve = getattr(state.mechanism, "reserve", None)
    if reserve is not None:
        low, high = np.maximum(low, int(reserve)), np.maximum(high, int(reserve))
    den = state.den
    wrong = first(traded & ((columns["price_low"] != low * den) | (columns["price_high"] != high * den)))
    if wrong is not None:
        raise broken(
            text,
            f"market {state.market(wrong)}: interval [{columns['price_low'][wrong]}, {columns['price_high'][wrong]}], "
            f"recomputed [{low[wrong] * den}, {high[wrong] * den}]",
        )
    rows = np.flatnonzero(traded)
    margin = _Margin(low[rows], high[rows], last_bid[rows], last_ask[rows])
    least = None if reserve is None else int(reserve)
    due = low[rows] * den if levels else _price(state, rule, margin, rows, next_bid, next_ask, least)
    price = columns["price_sell"][rows]
    wrong = first(price != due)
    if wrong is not None:
        how = "k" if rule == "interval" else rule
        raise broken(text, f"market {state.market(rows[wrong])}: price {price[wrong]}, {how} puts it at {due[wrong]}")
    paid = columns["price_buy"][rows]
    wrong = first((paid != due + state.fee * den) | (columns["price"][rows] != due))
    if wrong is not None:
        raise broken(
            text,
            f"market {state.market(rows[wrong])}: buyers pay {paid[wrong]}, price {due[wrong]}, fee {state.fee * den}",
        )


@dataclass(slots=True)
class _Margin:
    """Where the curves cross, in the markets that trade."""

    low: NDArray[np.int64]
    high: NDArray[np.int64]
    last_bid: NDArray[np.int64]
    last_ask: NDArray[np.int64]


def _price(
    state: State,
    rule: str,
    margin: _Margin,
    rows: NDArray[np.int64],
    next_bid: NDArray[np.int64],
    next_ask: NDArray[np.int64],
    reserve: int | None,
) -> NDArray[np.int64]:
    """Prices over den, by rule, of the markets of ``rows``."""
    halves = _halves(state, rule, margin, rows, next_bid, next_ask)
    if reserve is not None:
        halves = np.maximum(halves, 2 * reserve)
    odd = first((halves % 2 == 1) & (state.den == 1))
    if odd is not None:
        raise broken(PRICE_RULE, f"market {state.market(rows[odd])}: the price is at a half, and shown in ticks")
    return halves * state.den // 2


def _halves(
    state: State,
    rule: str,
    margin: _Margin,
    rows: NDArray[np.int64],
    next_bid: NDArray[np.int64],
    next_ask: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Prices in half ticks."""
    rounding = state.mechanism.price_round or "floor"
    bid, ask = margin.last_bid, margin.last_ask
    if rule == "marginal_ask":
        return 2 * ask
    if rule == "marginal_bid":
        return 2 * bid
    if rule == "last_pair_midpoint":
        return bid + ask if state.mechanism.price_round is None else 2 * _round(bid + ask, 2, rounding)
    if rule == "scarce_side":
        supply_is_scarce = (next_bid[rows] != _LEAST) & (next_ask[rows] == _MOST)
        return 2 * np.where(supply_is_scarce, bid, ask)
    if rule == "cut_order":
        middle = np.clip(_round(bid + ask, 2, rounding), margin.low, margin.high)
        return 2 * np.where(margin.low == margin.high, margin.low, middle)
    if rule == "capped_midpoint":
        # In fortieths of a tick: the midpoint, or the last ask and 5 % of it where that is less.
        capped = np.minimum(20 * (bid + ask), np.maximum(40 * ask, 42 * ask))
        return 2 * _round(capped, 40, rounding)
    return 2 * _between(margin.low, margin.high, state.mechanism)


def _no_price_a_market(state: State, text: str) -> None:
    index = first(state.columns["has_price"])
    if index is not None:
        raise broken(text, f"market {state.market(index)}: a price is shown, and prices are those of pairs")


def _pair_prices(state: State) -> None:
    mechanism = state.mechanism
    bid, ask = (state.competing[state.trades[f"{side}_row"]] for side in ("buy", "sell"))
    reserve = getattr(mechanism, "reserve", None)
    spread_to = getattr(mechanism, "spread_to", None)
    if spread_to is None:
        paid = got = pair_prices(state, bid, ask)
    else:
        paid, got = {"seller": (bid, bid), "buyer": (ask, ask), "operator": (bid, ask)}[spread_to]
    if reserve is not None:
        paid, got = np.maximum(paid, int(reserve)), np.maximum(got, int(reserve))
    compare_pair_prices(state, paid + state.fee, got, PAIR_PRICES)


def pair_prices(state: State, bid: NDArray[np.int64], ask: NDArray[np.int64]) -> NDArray[np.int64]:
    """Price of each pair by the mechanism's ``rule``."""
    mechanism = state.mechanism
    if mechanism.rule == "bid":
        return bid
    if mechanism.rule == "ask":
        return ask
    if mechanism.rule == "earlier":
        buyer_first = state.turn[state.trades["buy_row"]] < state.turn[state.trades["sell_row"]]
        return np.where(buyer_first, bid, ask)
    return _between(ask, bid, mechanism)


def compare_pair_prices(state: State, paid: NDArray[np.int64], got: NDArray[np.int64], text: str) -> None:
    """Check the prices of all trades."""
    for side, due in (("buy", paid), ("sell", got)):
        given = state.trades[f"{side}_price"]
        trade = first(given != due * state.den)
        if trade is not None:
            raise broken(text, f"trade {trade}: {side} price {given[trade]}, due {due[trade]}")


def check_prices_of_pairs(state: State, text: str) -> None:
    """Check the prices of trades that are pairs at a price of their own, and that no market shows one."""
    bid, ask = (state.competing[state.trades[f"{side}_row"]] for side in ("buy", "sell"))
    due = pair_prices(state, bid, ask)
    _no_price_a_market(state, text)
    compare_pair_prices(state, due, due, text)
