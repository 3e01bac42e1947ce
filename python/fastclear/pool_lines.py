"""A sharing clearing as bank and ledger read it: what each load pays, what the grid and the operator get."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from fastclear import _core
from fastclear.clearing_columns import ids
from fastclear.columns import INT64_MAX
from fastclear.errors import SettlementError
from fastclear.sharing import SharingClearing

Int64 = NDArray[np.int64]
UInt64 = NDArray[np.uint64]
PoolColumns = tuple[
    tuple[UInt64, UInt64, UInt64],
    tuple[Int64, Int64, Int64],
    tuple[UInt64, Int64, Int64],
    tuple[UInt64, Int64, Int64, Int64],
]

_KIND = {name: number for number, name in _core.KIND_NAMES}
_CODE = {(kind, name): code for kind, code, name in _core.LINE_NAMES}


class PoolLines(NamedTuple):
    """What a sharing clearing comes to, one array a column; money in nano-currency.

    Attributes
    ----------
    row : ndarray of int64, shape (loads,)
        Rows of the loads that have energy or pay, by market, then id.
    market, order : ndarray of uint64, shape (loads,)
        Ids as they enter the ledger.
    net, local, payment : ndarray of int64, shape (loads,)
        Lots, + imports; lots of them that stay in the community; + pays.
    grid_market, grid_quantity, grid_price : ndarray, shape (deals with the grid,)
        Lots, + from the grid at retail, - to it at feed-in, and ticks a lot.
    operator_market, operator_quantity, operator_price, operator_amount : ndarray, shape (sums,)
        What the operator gets: fees a lot (ticks), or a fixed cost, whose price is 0.
    """

    row: Int64
    market: UInt64
    order: UInt64
    net: Int64
    local: Int64
    payment: Int64
    grid_market: UInt64
    grid_quantity: Int64
    grid_price: Int64
    operator_market: UInt64
    operator_quantity: Int64
    operator_price: Int64
    operator_amount: Int64


def pool_lines(clearing: SharingClearing) -> PoolLines:
    """Read a sharing clearing.

    Examples
    --------
    >>> import fastclear as fc
    >>> lines = pool_lines(fc.clear({"net_load": [10, -6]}, fc.MidMarketRate(retail=25, feed_in=5, fee=1)))
    >>> lines.payment, lines.grid_quantity, lines.grid_price, lines.operator_amount
    (array([196, -90]), array([4]), array([25]), array([6]))
    """
    loads, columns = clearing.loads, clearing.market_columns
    sound = clearing.reject == 0
    rows = np.flatnonzero(sound & ((loads.net != 0) | (clearing.payment != 0)))
    if not len(rows):
        none, nowhere = np.zeros(0, np.int64), np.zeros(0, np.uint64)
        return PoolLines(rows, nowhere, nowhere, none, none, none, nowhere, none, none, nowhere, none, none, none)
    given = np.arange(loads.n) if loads.order is None else loads.order
    at = clearing.market_of
    rows = rows[np.lexsort((given[rows], at[rows]))]
    markets, orders = ids(clearing.orders, "market"), ids(clearing.orders, "order")
    named = np.zeros(len(columns["market"]), np.uint64)  # id of each market, read off one of its loads
    accepted = np.flatnonzero(sound)
    named[at[accepted]] = markets[accepted]
    bought, sold = columns["grid_import"], columns["grid_export"]
    index = np.arange(len(named)).repeat(2)
    quantity = np.column_stack([bought, -sold]).ravel()
    price = np.column_stack([columns["retail"], columns["feed_in"]]).ravel()
    deals = np.flatnonzero(quantity)
    operator = _operator(clearing, columns)
    return PoolLines(
        rows,
        markets[rows],
        orders[rows],
        _plain(loads.net[rows]),
        _plain(clearing.filled[rows]),
        _plain(clearing.payment[rows]),
        named[index[deals]],
        _plain(quantity[deals]),
        _plain(price[deals]),
        named[operator[0]],
        *operator[1:],
    )


def pool_columns(clearing: SharingClearing, accounts: UInt64) -> PoolColumns:
    """Columns of a pool as the core of a bank takes them; `accounts` has that of each load."""
    lines = pool_lines(clearing)
    return (
        (np.ascontiguousarray(accounts[lines.row]), lines.market, lines.order),
        (lines.net, lines.local, lines.payment),
        lines[6:9],
        lines[9:],
    )


def plain_postings(clearing: SharingClearing) -> dict[str, NDArray[Any]]:
    """The lines of a pool that no bank has settled, between accounts 0; `seq` and `group` count from 0."""
    lines = pool_lines(clearing)
    load, grid, operator = (len(column) for column in (lines.row, lines.grid_market, lines.operator_market))
    exports = lines.net < 0

    def codes(kind: str, names: Sequence[str], second: NDArray[np.bool_]) -> NDArray[np.int64]:
        first, other = (_CODE[_KIND[kind], name] for name in names)
        return np.where(second, other, first)

    def joined(of_load: Any, of_grid: Any, of_operator: Any, dtype: Any) -> NDArray[Any]:
        parts = zip((of_load, of_grid, of_operator), (load, grid, operator), strict=True)
        return np.concatenate([np.broadcast_to(np.asarray(part, dtype), (n,)) for part, n in parts])

    price = lines.operator_price
    columns = {
        "kind": joined(_KIND["trade"], _KIND["imbalance"], _KIND["fee"], np.uint8),
        "code": joined(
            codes("trade", ("pool_paid", "pool_received"), lines.payment < 0),
            codes("imbalance", ("grid_import", "grid_export"), lines.grid_quantity < 0),
            _CODE[_KIND["fee"], "pool"],
            np.uint16,
        ),
        "market": joined(lines.market, lines.grid_market, lines.operator_market, np.uint64),
        "buy_order": joined(np.where(exports, 0, lines.order), 0, 0, np.uint64),
        "sell_order": joined(np.where(exports, lines.order, 0), 0, 0, np.uint64),
        "quantity": joined(lines.net, np.abs(lines.grid_quantity), lines.operator_quantity, np.int64),
        "price": joined(0, lines.grid_price, price, np.int64),
        "amount": joined(
            np.abs(lines.payment),
            np.abs(_money(lines.grid_quantity, lines.grid_price)),
            np.abs(lines.operator_amount),
            np.int64,
        ),
    }
    places = np.arange(load + grid + operator, dtype=np.uint64)
    nothing = {name: np.zeros(len(places), dtype) for name, dtype in (("flags", np.uint8), ("asset", np.uint16))}
    zeros = {name: np.zeros(len(places), np.uint64) for name in ("time_ns", "debit", "credit")}
    return columns | nothing | zeros | {"seq": places, "group": places}


def _operator(clearing: SharingClearing, columns: dict[str, NDArray[Any]]) -> tuple[Int64, Int64, Int64, Int64]:
    """Row of the market, lots, ticks and money of what the operator gets."""
    rule = cast("Any", clearing.mechanism)
    there = np.flatnonzero(columns["loads"] > 0)
    if type(rule).__name__ == "BillSharing":
        # one sum a period, under the first of its markets
        _, first = np.unique(columns["period"][there], return_index=True)
        at = there[first] if rule.fixed_cost else there[:0]
        zeros = np.zeros(len(at), np.int64)
        return at, zeros, zeros, zeros + rule.fixed_cost
    at = there[columns["volume"][there] != 0] if rule.fee else there[:0]
    volume = _plain(columns["volume"][at])
    fee = np.full(len(at), rule.fee, np.int64)
    return at, volume, fee, _money(volume, fee)


def _money(quantity: Int64, price: Int64) -> Int64:
    """Lots times ticks.

    Raises
    ------
    SettlementError
        A product that no posting can carry.
    """
    exact = [lots * ticks for lots, ticks in zip(quantity.tolist(), price.tolist(), strict=True)]
    if any(abs(amount) > INT64_MAX for amount in exact):
        raise SettlementError("a pool moves more money than 64 bits hold; clear and settle it in parts")
    return np.array(exact, np.int64)


def _plain(column: NDArray[Any]) -> Int64:
    return np.ascontiguousarray(column, np.int64)
