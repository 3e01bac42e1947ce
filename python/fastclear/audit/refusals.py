"""Which orders must be refused, and why, derived again from the orders."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastclear.audit.report import broken, first
from fastclear.audit.state import BOTH_SIDES, SEVERAL_ORDERS, State

REFUSALS = "the orders refused are those that the rules refuse, each for the first of its faults"

_UNKNOWN_SIDE = 1
_PRICE_OUT_OF_RANGE = 5
_QUANTITY_OUT_OF_RANGE = 8
_DUPLICATE_ORDER = 11
_NO_REFERENCE_PRICE = 12
_PRICE_OUTSIDE_CAPS = 14
_MIN_QUANTITY_OUT_OF_RANGE = 15
_NOT_ONE_UNIT = 18
_START_BEYOND_LIMIT = 19

_HAVE_MINIMA = {"Uniform", "Discriminatory"}
_ONE_SIDE_AN_AGENT = {"Vickrey", "TradeReduction", "Huang", "Sbba", "Muda"}
_ONE_ORDER_AN_AGENT = {"TradeReduction", "Huang", "Sbba", "Average"}
_UNIT_ORDERS = {"TradeReduction", "Sbba", "Average"}
_BOUND = 2**31


def check(state: State) -> tuple[str, ...]:
    """Check every reject code. Cost: up to two sorts of the orders (by id, by participant)."""
    due, given = _codes(state), state.clearing.reject
    row = first(due != given)
    if row is not None:
        raise broken(REFUSALS, f"row {row}: reject code {given[row]}, due {due[row]}")
    return (REFUSALS,)


def _codes(state: State) -> NDArray[np.uint16]:
    orders, mechanism = state.clearing.orders, state.mechanism
    name = type(mechanism).__name__
    price, quantity = orders.price.astype(np.int64), orders.quantity.astype(np.int64)
    at_market = np.zeros(orders.n, bool) if orders.is_market_order is None else orders.is_market_order == 1
    codes = np.zeros(orders.n, np.uint16) if orders.refused is None else orders.refused.astype(np.uint16)

    def mark(rows: NDArray[np.bool_], code: int) -> None:
        codes[rows & ((codes == 0) | (codes > code))] = code

    mark(orders.side > 1, _UNKNOWN_SIDE)
    mark(~at_market & _outside(price, 1 - _BOUND, _BOUND - 1), _PRICE_OUT_OF_RANGE)
    mark(_outside(quantity, 1, _BOUND - 1), _QUANTITY_OUT_OF_RANGE)
    if state.cap_low is not None or state.cap_high is not None:
        mark(~at_market & _outside(price, state.cap_low, state.cap_high), _PRICE_OUTSIDE_CAPS)
    minimum = getattr(orders, "min_quantity", None)
    if minimum is not None and name in _HAVE_MINIMA:
        mark((minimum < 0) | (minimum > quantity), _MIN_QUANTITY_OUT_OF_RANGE)
    if name in _UNIT_ORDERS:
        mark(quantity != int(mechanism.unit), _NOT_ONE_UNIT)
    start = getattr(orders, "start_price", None)
    if start is not None and name == "MultiRound":
        beyond = np.where(state.is_bid, start > price, start < price) | _outside(start, 1 - _BOUND, _BOUND - 1)
        mark(~at_market & beyond, _START_BEYOND_LIMIT)

    # What follows looks at the orders that are sound so far, stage by stage.
    if orders.order is not None:
        sound = np.flatnonzero(codes == 0)
        groups, sizes = _groups(state.index[sound], orders.order[sound])
        codes[sound[sizes[groups] > 1]] = _DUPLICATE_ORDER
    if at_market.any():
        named = np.zeros(len(state.columns["market"]), bool)
        named[state.index[(codes == 0) & ~at_market]] = True
        capped = np.where(state.is_bid, state.cap_high is not None, state.cap_low is not None)
        codes[(codes == 0) & at_market & ~named[state.index] & ~capped] = _NO_REFERENCE_PRICE
    if orders.participant is not None and name in _ONE_SIDE_AN_AGENT:
        sound = np.flatnonzero(codes == 0)
        groups, sizes = _groups(state.index[sound], orders.participant[sound])
        bids = np.bincount(groups, state.is_bid[sound], len(sizes)).astype(np.int64)
        codes[sound[((bids > 0) & (bids < sizes))[groups]]] = BOTH_SIDES
    if orders.participant is not None and name in _ONE_ORDER_AN_AGENT:
        sound = np.flatnonzero(codes == 0)
        groups, sizes = _groups(state.index[sound], orders.participant[sound])
        codes[sound[sizes[groups] > 1]] = SEVERAL_ORDERS
    return codes


def _outside(values: NDArray[np.int64], low: int | None, high: int | None) -> NDArray[np.bool_]:
    rows = np.zeros(len(values), bool)
    if low is not None:
        rows |= values < low
    if high is not None:
        rows |= values > high
    return rows


def _groups(market: NDArray[np.int64], key: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The number of each row's group of equal (market, key), and the size of every group."""
    if not len(market):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    order = np.lexsort((key, market))
    new: NDArray[Any] = (np.diff(market[order]) != 0) | (key[order][1:] != key[order][:-1])
    groups = np.empty(len(market), np.int64)
    groups[order] = np.cumsum(np.r_[False, new])
    return groups, np.bincount(groups)
