"""The invariants of a clearing, recomputed from orders and result in numpy, sharing no code with the core."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastclear.errors import FastclearError

if TYPE_CHECKING:
    from fastclear.trades import Clearing


class AuditError(FastclearError, AssertionError):
    """An invariant of a result does not hold."""


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What an audit looked at. It exists only where every check held.

    Attributes
    ----------
    checks : tuple of str
        The invariants that were checked.
    orders, markets, trades : int
        How many of each they were checked over.
    """

    checks: tuple[str, ...]
    orders: int
    markets: int
    trades: int

    def __str__(self) -> str:
        counts = f"{self.orders:,} orders, {self.markets:,} markets, {self.trades:,} trades"
        return "\n".join([f"Audit passed over {counts}:", *(f"  - {check}" for check in self.checks)])


CHECKS = (
    "no order is filled beyond its quantity, no refused order at all",
    "in every market what is bought is what is sold, and is the reported volume",
    "trades add up to fills, order by order, and each lies in one market",
    "payments are what trades say, and buyer payment - seller revenue = surplus in every market",
    "nobody buys above their bid or sells below their ask",
    "welfare is bids x fills - asks x fills",
    "price priority: nobody is left out while a worse order of the market trades",
    "the volume is the most that any single price supports (less units without surplus, where they are left out)",
    "fills are paired best bid with cheapest ask, ties by time, then id",
    "orders of the marginal price share what is left by the rule of the mechanism",
    "one price a side in every market, where k puts it in the clearing interval (uniform price only)",
)


def check_clearing(clearing: Clearing) -> AuditReport:
    """Check every invariant of a clearing; see :meth:`Clearing.audit`.

    Cost: a few sorts of the orders in numpy, tens of times the clearing itself.
    """
    if not len(clearing.market_columns["market"]):  # no order named a market
        if clearing.filled.any() or len(clearing.trade_columns["quantity"]):
            raise _fail(0, "something is filled, and no order named a market")
        return AuditReport(CHECKS, clearing.orders.n, 0, 0)
    state = _State(clearing)
    for check in (_quantities, _volumes, _trades, _money, _rationality, _welfare, _crossing, _pairing, _rationing):
        check(state)
    if clearing._one_price:
        _one_price(state)
    markets, trades = len(state.columns["market"]), len(state.trades["quantity"])
    return AuditReport(CHECKS if clearing._one_price else CHECKS[:-1], clearing.orders.n, markets, trades)


class _State:
    """Columns at one width, market indices, and the limits at which market orders competed."""

    def __init__(self, clearing: Clearing) -> None:
        orders = clearing.orders
        self.clearing = clearing
        self.columns = clearing.market_columns
        self.trades = clearing.trade_columns
        self.filled = clearing.filled
        self.payment = clearing.payment
        self.accepted = clearing.reject == 0
        self.is_bid = orders.side == 1
        self.quantity = np.where(self.accepted, orders.quantity.astype(np.int64), 0)
        markets = np.zeros(orders.n, np.int64) if orders.market is None else orders.market
        self.index = np.searchsorted(self.columns["market"], markets)
        self.limit = self._limits(orders.price.astype(np.int64), orders.is_market_order)
        self.fee = int(getattr(clearing.mechanism, "fee", 0))

    def _limits(self, price: NDArray[np.int64], kinds: NDArray[np.uint8] | None) -> NDArray[np.int64]:
        if kinds is None:
            return price
        limits = self.accepted & (kinds == 0)
        high = np.full(len(self.columns["market"]), np.iinfo(np.int64).min)
        low = np.full(len(self.columns["market"]), np.iinfo(np.int64).max)
        np.maximum.at(high, self.index[limits], price[limits])
        np.minimum.at(low, self.index[limits], price[limits])
        return np.where(kinds == 1, np.where(self.is_bid, high[self.index], low[self.index]), price)

    def by_market(self, values: NDArray[Any], index: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        """Sums of int64 values by market, exactly."""
        sums = np.zeros(len(self.columns["market"]), np.int64)
        np.add.at(sums, self.index if index is None else index, values)
        return sums

    def market(self, index: int) -> object:
        return self.clearing.orders.names("market", self.columns["market"][[index]])[0]


def _fail(check: int, where: str) -> AuditError:
    return AuditError(f"broken: {CHECKS[check]}; {where}")


def _first(rows: NDArray[np.bool_]) -> int | None:
    return int(np.argmax(rows)) if rows.any() else None


def _quantities(state: _State) -> None:
    row = _first((state.filled < 0) | (state.filled > state.quantity))
    if row is not None:
        raise _fail(0, f"row {row}: filled {state.filled[row]} of {state.quantity[row]}")


def _volumes(state: _State) -> None:
    bought = state.by_market(np.where(state.is_bid, state.filled, 0))
    sold = state.by_market(np.where(state.is_bid, 0, state.filled))
    index = _first((bought != sold) | (bought != state.columns["volume"]))
    if index is not None:
        raise _fail(
            1,
            f"market {state.market(index)}: bought {bought[index]}, sold {sold[index]}, "
            f"volume {state.columns['volume'][index]}",
        )


def _trades(state: _State) -> None:
    trades = state.trades
    for side in ("buy", "sell"):
        rows = trades[f"{side}_row"]
        strangers = _first(
            (state.columns["market"][state.index[rows]] != trades["market"]) | (state.is_bid[rows] != (side == "buy"))
        )
        if strangers is not None:
            raise _fail(2, f"trade {strangers} names a {side} order of another market or side")
    total = np.zeros(len(state.filled), np.int64)
    np.add.at(total, trades["buy_row"], trades["quantity"])
    np.add.at(total, trades["sell_row"], trades["quantity"])
    row = _first((total != state.filled) | False)
    if row is None and (trades["quantity"] < 1).any():
        raise _fail(2, "a trade of no quantity")
    if row is not None:
        raise _fail(2, f"row {row}: trades of {total[row]}, filled {state.filled[row]}")


def _money(state: _State) -> None:
    trades = state.trades
    owed = np.zeros(len(state.filled), np.int64)
    np.add.at(owed, trades["buy_row"], trades["buy_price"] * trades["quantity"])
    np.subtract.at(owed, trades["sell_row"], trades["sell_price"] * trades["quantity"])
    row = _first(owed != state.payment)
    if row is not None:
        raise _fail(3, f"row {row}: pays {state.payment[row]}, trades say {owed[row]}")
    paid, received, surplus = (
        state.columns[name].astype(object) for name in ("buyer_payment", "seller_revenue", "surplus")
    )
    sums = {True: np.zeros(len(paid), object), False: np.zeros(len(paid), object)}
    for is_bid, total in sums.items():
        rows = (state.is_bid == is_bid) & (state.payment != 0)
        np.add.at(total, state.index[rows], state.payment[rows].astype(object))
    index = _first(((paid != sums[True]) | (received != -sums[False]) | (paid - received != surplus)).astype(bool))
    if index is not None:
        raise _fail(
            3,
            f"market {state.market(index)}: buyers pay {paid[index]} (orders {sums[True][index]}), sellers receive "
            f"{received[index]} (orders {-sums[False][index]}), surplus {surplus[index]}",
        )


def _rationality(state: _State) -> None:
    worst = state.limit * state.filled  # within 62 bits by the ranges of price and quantity
    harmed = np.where(state.is_bid, state.payment > worst, -state.payment < worst)
    row = _first(harmed & (state.filled > 0))
    if row is not None:
        raise _fail(4, f"row {row}: limit {state.limit[row]}, filled {state.filled[row]}, pays {state.payment[row]}")


def _welfare(state: _State) -> None:
    value = np.where(state.is_bid, 1, -1) * state.limit * state.filled
    total = np.zeros(len(state.columns["market"]), object)
    rows = value != 0
    np.add.at(total, state.index[rows], value[rows].astype(object))
    index = _first((total != state.columns["welfare"].astype(object)).astype(bool))
    if index is not None:
        raise _fail(5, f"market {state.market(index)}: {state.columns['welfare'][index]}, recomputed {total[index]}")


def _crossing(state: _State) -> None:
    """Price priority and maximal volume, from sorted curves."""
    competing = state.limit - np.where(state.is_bid, state.fee, 0)
    for side, better in ((state.is_bid, 1), (~state.is_bid, -1)):
        # Of one side of one market: the best price left with a remainder is no better than the worst price filled.
        rank = competing * better
        left = np.full(len(state.columns["market"]), np.iinfo(np.int64).min)
        served = np.full(len(state.columns["market"]), np.iinfo(np.int64).max)
        short = side & state.accepted & (state.filled < state.quantity)
        np.maximum.at(left, state.index[short], rank[short])
        np.minimum.at(served, state.index[side & (state.filled > 0)], rank[side & (state.filled > 0)])
        index = _first(left > served)
        if index is not None:
            raise _fail(
                6,
                f"market {state.market(index)}: {left[index] * better} waits while {served[index] * better} trades",
            )
    most = _supported_volume(state, competing, bool(getattr(state.clearing.mechanism, "zero_surplus", True)))
    index = _first(most != state.columns["volume"])
    if index is not None:
        raise _fail(
            7,
            f"market {state.market(index)}: volume {state.columns['volume'][index]}, possible {most[index]}",
        )


def _supported_volume(state: _State, competing: NDArray[np.int64], zero_surplus: bool) -> NDArray[np.int64]:
    """The most units whose bid reaches (or, without zero surplus, exceeds) their ask, market by market.

    Bids descend and asks ascend along cumulated quantity; the curves are walked in merged order: with W(p) the
    quantity of all orders at or below p and B that of all bids, demand above p less supply up to p is B - W(p).
    """
    rows = np.flatnonzero(state.accepted & (state.quantity > 0))
    order = rows[np.lexsort((competing[rows], state.index[rows]))]
    index, price = state.index[order], competing[order]
    bids = np.where(state.is_bid[order], state.quantity[order], 0)
    asks = state.quantity[order] - bids
    starts = (
        np.flatnonzero(np.r_[True, (index[1:] != index[:-1]) | (price[1:] != price[:-1])])
        if len(order)
        else np.array([], int)
    )
    most = np.zeros(len(state.columns["market"]), np.int64)
    if not len(order):
        return most
    level_bids, level_asks = np.add.reduceat(bids, starts), np.add.reduceat(asks, starts)
    market = index[starts]
    first = np.flatnonzero(np.r_[True, market[1:] != market[:-1]])
    group = np.cumsum(np.r_[True, market[1:] != market[:-1]]) - 1
    run_bids, run_asks = np.cumsum(level_bids), np.cumsum(level_asks)
    run_bids -= (run_bids[first] - level_bids[first])[group]
    run_asks -= (run_asks[first] - level_asks[first])[group]
    all_bids = state.by_market(bids, index)[market]
    demand, demand_above = all_bids - run_bids + level_bids, all_bids - run_bids
    supply, supply_below = run_asks, run_asks - level_asks
    # With zero surplus, the best single price; without, at that price only what is strictly better on one side.
    supported = (
        np.minimum(demand, supply)
        if zero_surplus
        else np.maximum(np.minimum(demand_above, supply), np.minimum(demand, supply_below))
    )
    np.maximum.at(most, market, supported)
    return most


def _priority(state: _State) -> NDArray[np.int64]:
    """Rank of each order by time, then id, then row."""
    orders = state.clearing.orders
    rows = np.arange(orders.n)
    ids = rows if orders.order is None else orders.order
    times = np.zeros(orders.n, np.int64) if orders.time is None else orders.time
    rank = np.empty(orders.n, np.int64)
    rank[np.lexsort((rows, ids, times))] = rows
    return rank


def _pairing(state: _State) -> None:
    trades, priority = state.trades, _priority(state)
    same_market = trades["market"][1:] == trades["market"][:-1]
    for side, better in (("buy", -1), ("sell", 1)):
        rows = trades[f"{side}_row"]
        price = state.limit[rows] * better
        ahead = (price[1:] > price[:-1]) | ((price[1:] == price[:-1]) & (priority[rows][1:] >= priority[rows][:-1]))
        trade = _first(same_market & ~ahead)
        if trade is not None:
            raise _fail(8, f"trade {trade + 1} has a better {side} order than trade {trade} of the same market")


def _rationing(state: _State) -> None:
    """Recompute, in plain integers, every level of which a part is filled."""
    rule = getattr(state.clearing.mechanism, "rationing", "time")
    competing = state.limit - np.where(state.is_bid, state.fee, 0)
    part = np.flatnonzero(state.accepted & (state.filled > 0) & (state.filled < state.quantity))
    levels = {(int(state.index[row]), bool(state.is_bid[row]), int(competing[row])) for row in part}
    if not levels:
        return
    priority = _priority(state)
    accepted = np.flatnonzero(state.accepted)
    order = accepted[
        np.lexsort((priority[accepted], competing[accepted], state.is_bid[accepted], state.index[accepted]))
    ]
    edges = np.flatnonzero(
        np.r_[
            True,
            (np.diff(state.index[order]) != 0) | np.diff(state.is_bid[order]) | (np.diff(competing[order]) != 0),
            True,
        ]
    )
    for start, end in pairwise(edges):
        rows = order[start:end]
        if (int(state.index[rows[0]]), bool(state.is_bid[rows[0]]), int(competing[rows[0]])) not in levels:
            continue
        asked, given = state.quantity[rows].tolist(), state.filled[rows].tolist()
        expected = _shares(rule, asked, sum(given))
        if given != expected:
            wrong = next(i for i, (was, due) in enumerate(zip(given, expected, strict=True)) if was != due)
            raise _fail(9, f"row {rows[wrong]}: filled {given[wrong]}, due {expected[wrong]} by {rule}")


def _shares(rule: str, asked: list[int], left: int) -> list[int]:
    """What each order of a level is due, the orders being in priority order."""
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


def _price_at(mechanism: Any, low: int, high: int) -> int:
    k = mechanism.k if isinstance(mechanism.k, tuple) else Fraction(mechanism.k).as_integer_ratio()
    share = Fraction(*k)
    if isinstance(mechanism.k, float):
        share = share.limit_denominator(10**6)
    exact = low + share * (high - low)
    return {"floor": math.floor(exact), "ceil": math.ceil(exact), "half_up": math.floor(exact + Fraction(1, 2))}[
        mechanism.price_round
    ]


def _one_price(state: _State) -> None:
    columns, trades = state.columns, state.trades
    index = np.searchsorted(columns["market"], trades["market"])
    for side in ("buy", "sell"):
        trade = _first(trades[f"{side}_price"] != columns[f"price_{side}"][index])
        if trade is not None:
            raise _fail(
                8,
                f"trade {trade}: {side} price {trades[f'{side}_price'][trade]}, "
                f"market {columns[f'price_{side}'][index[trade]]}",
            )
    traded = columns["volume"] > 0
    low, high, price = columns["price_low"], columns["price_high"], columns["price_sell"]
    outside = _first(traded & ((price < low) | (price > high) | (columns["price_buy"] != price + state.fee)))
    if outside is not None:
        raise _fail(
            10,
            f"market {state.market(outside)}: price {price[outside]} outside [{low[outside]}, {high[outside]}]",
        )
    for market in np.flatnonzero(traded):
        due = _price_at(state.clearing.mechanism, int(low[market]), int(high[market]))
        if due != price[market]:
            raise _fail(10, f"market {state.market(int(market))}: price {price[market]}, k puts it at {due}")
    # The interval itself: no order with a remainder is willing inside it, no accepted order unwilling.
    competing = state.limit - np.where(state.is_bid, state.fee, 0)
    short = state.accepted & (state.filled < state.quantity) & traded[state.index]
    full = state.filled > 0
    least = np.full(len(low), np.iinfo(np.int64).min)
    most = np.full(len(low), np.iinfo(np.int64).max)
    np.maximum.at(least, state.index[full & ~state.is_bid], competing[full & ~state.is_bid])
    np.maximum.at(least, state.index[short & state.is_bid], competing[short & state.is_bid])
    np.minimum.at(most, state.index[full & state.is_bid], competing[full & state.is_bid])
    np.minimum.at(most, state.index[short & ~state.is_bid], competing[short & ~state.is_bid])
    wrong = _first(traded & ((low != least) | (high != most)))
    if wrong is not None:
        raise _fail(
            10,
            f"market {state.market(wrong)}: interval [{low[wrong]}, {high[wrong]}], "
            f"recomputed [{least[wrong]}, {most[wrong]}]",
        )
