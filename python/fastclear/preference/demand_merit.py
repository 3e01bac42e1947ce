"""The blind double auction of Kostmann & Haerdle 2019, by the merit of demand: to reproduce tables, not to trade by."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear.auction.parameters import PRICE_MAX, whole
from fastclear.errors import MechanismError
from fastclear.frames import framed
from fastclear.orders import encode
from fastclear.reject import RejectReason


def demand_merit(orders: object, *, retail: int, feed_in: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Price local markets by demand alone: the lowest bid that the whole supply can serve in full.

    Bids from the dearest. Where supply is short of demand, the price is the lowest bid that is still served in full
    (the first bid, where none is); bids that are not pay retail for everything, and *every* ask sells everything at the
    price, even below its limit. Where supply reaches demand, the price is the lowest bid; asks above it get the feed-in
    price.

    Parameters
    ----------
    orders : frame or mapping of columns
        As :func:`fastclear.clear` takes them; no market orders.
    retail, feed_in : int
        Ticks that the grid charges and pays.

    Returns
    -------
    markets : polars.DataFrame
        ``market``, ``case`` (``undersupply`` or ``oversupply``; null where a side is missing), ``price`` (ticks),
        ``demand``,
        ``supply``, ``served`` (lots of bids that pay the price).
    rows : polars.DataFrame
        In input order: ``order``, ``local`` (lots at the local price), ``payment`` (nano-currency, + pays, -
        receives, grid included), ``reject``.

    Raises
    ------
    SchemaError
        A column is missing or unreadable.
    MechanismError
        ``retail`` or ``feed_in`` is out of range.

    Notes
    -----
    It is no clearing, and :func:`fastclear.clear` does not run it: not budget balanced (sellers are paid for more than
    buyers of the local market pay, or less), not individually rational for sellers, not truthful, not efficient. O(N
    log N). Source: Kostmann & Haerdle 2019 (Energies 12, 2718), after Mengelkamp et al. 2018. In their code an ask
    equal to the price earns nothing; here it sells.

    Examples
    --------
    >>> from fastclear.preference import demand_merit
    >>> orders = {"side": ["buy", "buy", "sell"], "price": [28, 24, 26], "quantity": [4, 3, 5]}
    >>> markets, rows = demand_merit(orders, retail=29, feed_in=12)
    >>> markets.row(0), rows["payment"].to_list()
    ((0, 'undersupply', 28, 7, 5, 4), [112, 87, -140])
    """
    for name, value in (("retail", retail), ("feed_in", feed_in)):
        whole(name, value, -PRICE_MAX, PRICE_MAX, "ticks")
    given = encode(orders)
    if given.is_market_order is not None and given.is_market_order.any():
        raise MechanismError("demand_merit takes limit orders only; leave market orders out")
    codes = np.zeros(given.n, np.uint16) if given.refused is None else given.refused.copy()
    price, quantity = given.price.astype(np.int64), given.quantity.astype(np.int64)
    codes[(codes == 0) & (np.abs(price) > PRICE_MAX)] = RejectReason.PRICE_OUT_OF_RANGE
    codes[(codes == 0) & ((quantity < 1) | (quantity > PRICE_MAX))] = RejectReason.QUANTITY_OUT_OF_RANGE
    market = np.zeros(given.n, np.int64) if given.market is None else given.market
    names, place = np.unique(market, return_inverse=True)
    quantity = np.where(codes == 0, quantity, 0)
    is_bid = given.side == 1
    local, found = _serve(price, quantity, is_bid & (codes == 0), ~is_bid & (codes == 0), place, len(names), given)
    at = found["price"][place]
    grid = np.where(is_bid, retail, feed_in)
    payment = np.where(is_bid, 1, -1) * (local * at + (quantity - local) * grid)
    case = np.where(found["short"], "undersupply", "oversupply")
    empty = pl.Series(found["empty"])
    markets = framed(
        [
            given.names("market", names),
            pl.Series("case", case).set(empty, None),
            pl.Series("price", found["price"]).set(empty, None),
            *(pl.Series(name, found[name]) for name in ("demand", "supply", "served")),
        ]
    )
    rows = [given.order_ids(), pl.Series("local", local), pl.Series("payment", payment), pl.Series("reject", codes)]
    return markets, framed(rows)


def _serve(
    price: NDArray[np.int64],
    quantity: NDArray[np.int64],
    bids: NDArray[np.bool_],
    asks: NDArray[np.bool_],
    place: NDArray[Any],
    markets: int,
    given: Any,
) -> tuple[NDArray[np.int64], dict[str, NDArray[Any]]]:
    """Lots of each order at the local price, and the markets."""
    supply, demand = np.zeros(markets, np.int64), np.zeros(markets, np.int64)
    np.add.at(supply, place[asks], quantity[asks])
    np.add.at(demand, place[bids], quantity[bids])
    empty = (supply == 0) | (demand == 0)
    short = supply < demand
    rows = np.flatnonzero(bids)
    ids = rows if given.order is None else given.order[rows]
    time = np.zeros(len(rows), np.int64) if given.time is None else given.time[rows]
    rows = rows[np.lexsort((rows, ids, time, -price[rows], place[rows]))]
    total = np.cumsum(quantity[rows])
    where = place[rows]
    first = np.searchsorted(where, np.arange(markets))
    before = np.concatenate([[0], total])[np.minimum(first, len(total))]
    full = total - before[where] <= supply[where]
    served_rows = rows[full & ~empty[where]]
    best = np.full(markets, np.iinfo(np.int64).min)
    np.maximum.at(best, place[rows], price[rows])
    low = np.full(markets, np.iinfo(np.int64).max)
    np.minimum.at(low, place[served_rows], price[served_rows])
    clearing = np.where(empty, 0, np.where(low == np.iinfo(np.int64).max, best, low))
    local = np.zeros(len(price), np.int64)
    local[served_rows] = quantity[served_rows]
    sells = asks & ~empty[place] & (short[place] | (price <= clearing[place]))
    local[sells] = quantity[sells]
    served = np.zeros(markets, np.int64)
    np.add.at(served, place[served_rows], quantity[served_rows])
    return local, {
        "price": clearing, "short": short, "empty": empty, "demand": demand, "supply": supply, "served": served,
    }  # fmt: skip
