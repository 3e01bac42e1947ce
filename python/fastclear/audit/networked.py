"""Invariants of an auction with fees from zone to zone inside, recomputed in plain Python."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from fastclear.audit import universal
from fastclear.audit.report import AuditReport, broken
from fastclear.audit.state import State

if TYPE_CHECKING:
    from fastclear.preference.networked import FeeClearing

COVERED = "no trade whose bid less its ask is below the fee of its zones, and its price is the rule's share of what is left"
FEES = "the surplus of a market is the network's fees, which are its revenue"
SUPPORTED = "zone by zone there are prices at which all who trade want to and nobody else does, apart by no more than the fee"

CHECKS = (*universal.CHECKS, COVERED, FEES, SUPPORTED)


def check_fees(clearing: FeeClearing) -> AuditReport:
    """Check every invariant; see :meth:`FeeClearing.audit`."""
    if not len(clearing.market_columns["market"]):
        return AuditReport((universal.QUANTITIES,), clearing.orders.n, 0, 0)
    state = State(clearing)
    universal.check(state)
    network: Any = clearing.network
    column = clearing.preference_orders.extras.get("zone")
    zones = [None] * clearing.orders.n if column is None else column.to_list()

    def fee(buyer: Any, seller: Any) -> int:
        same = column is None or (buyer is not None and buyer == seller)
        local = network.between if network.local is None else network.local
        return int(network.fees.get((buyer, seller), local if same else network.between))

    rule: Any = clearing.mechanism
    share = Fraction(*rule.k) if isinstance(rule.k, tuple) else Fraction(rule.k).limit_denominator(10**6)
    trades = clearing.trade_columns
    used: dict[int, set[tuple[Any, Any]]] = defaultdict(set)
    surplus: dict[int, int] = defaultdict(int)
    columns = (trades[name].tolist() for name in ("buy_row", "sell_row", "quantity", "buy_price", "sell_price"))
    for number, (buy, sell, lots, paid, received) in enumerate(zip(*columns, strict=True)):
        market = int(state.trade_index[number])
        due = fee(zones[buy], zones[sell])
        top, ask = int(state.limit[buy]) - due, int(state.limit[sell])
        k = {"bid": 1, "ask": 0, "earlier": int(state.turn[buy] < state.turn[sell])}.get(rule.rule, share)
        if top < ask or received != ask + k * (top - ask) // 1 or paid != received + due:
            raise broken(COVERED, f"trade {number}: bid {top + due}, ask {ask}, fee {due}, prices {paid} and {received}")
        used[market].add((zones[buy], zones[sell]))
        surplus[market] += due * lots
    for market in range(len(state.columns["market"])):
        if surplus[market] != state.columns["surplus"][market]:
            raise broken(FEES, f"market {state.market(market)}: {state.columns['surplus'][market]}, fees {surplus[market]}")
    if sum(surplus.values()) != clearing.network_revenue:
        raise broken(FEES, f"revenue {clearing.network_revenue}, fees {sum(surplus.values())}")
    rows: dict[int, list[int]] = defaultdict(list)
    for row in np.flatnonzero(state.accepted).tolist():
        rows[int(state.index[row])].append(row)
    for market, own in rows.items():
        if not _supported(state, own, zones, fee, used[market]):
            raise broken(SUPPORTED, f"market {state.market(market)}")
    return AuditReport(CHECKS, clearing.orders.n, len(state.columns["market"]), len(trades["quantity"]))


def _supported(state: State, rows: list[int], zones: list[Any], fee: Any, used: set[tuple[Any, Any]]) -> bool:
    """Whether differences between zone prices can be met: Bellman and Ford find no cycle that contradicts itself."""
    names = list(dict.fromkeys(zones[row] for row in rows))
    node = {("buy", zone): 1 + i for i, zone in enumerate(names)}
    node |= {("sell", zone): 1 + len(names) + i for i, zone in enumerate(names)}
    arcs: list[tuple[int, int, int]] = []  # (u, v, w): price of v is at most price of u + w; node 0 is a price of 0
    for row in rows:
        bid, limit = bool(state.is_bid[row]), int(state.limit[row])
        here = node["buy" if bid else "sell", zones[row]]
        traded, short = state.filled[row] > 0, state.filled[row] < state.quantity[row]
        if traded if bid else short:
            arcs.append((0, here, limit))  # at or below the limit
        if short if bid else traded:
            arcs.append((here, 0, -limit))  # at or above it
    for buyer in names:
        for seller in names:
            u, v = node["buy", buyer], node["sell", seller]
            arcs.append((v, u, fee(buyer, seller)))
            if (buyer, seller) in used:
                arcs.append((u, v, -fee(buyer, seller)))
    price = [0] * (1 + 2 * len(names))
    for _ in range(len(price) + 1):
        changed = False
        for u, v, w in arcs:
            if price[u] + w < price[v]:
                price[v] = price[u] + w
                changed = True
        if not changed:
            return True
    return False
