"""``clearing.explain(order)``: in words, why an order did or did not trade, and what it pays.

One function a mechanism; all of them read the public result and the orders, none asks the core.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fastclear.errors import SchemaError
from fastclear.explanation.story import Story
from fastclear.explanation.tellers import told
from fastclear.market_view import encoded, listed, market_index, market_names, shown

if TYPE_CHECKING:
    from fastclear.trades import Clearing

__all__ = ["explain"]


def explain(clearing: Clearing, order: object, market: object = None) -> str:
    """Say in words why an order did or did not trade; see :meth:`fastclear.Clearing.explain`.

    Parameters
    ----------
    clearing : Clearing
        The result.
    order : int or str
        The caller's id; the row number where there is no column ``order``.
    market : int or str, optional
        The caller's id of the market; needed where orders of several markets share the id.

    Returns
    -------
    str
        A few sentences; one line an order where several rows of one market carry the id.

    Raises
    ------
    SchemaError
        No order has that id, or orders of several markets have it.
    """
    rows = _rows_of(clearing, order, market)
    texts = [told(Story(clearing, int(row))) for row in rows]
    if len(texts) == 1:
        return texts[0]
    return "\n".join(f"Row {row}: {text}" for row, text in zip(rows, texts, strict=True))


def _rows_of(clearing: Clearing, order: object, market: object) -> NDArray[np.intp]:
    orders = clearing.orders
    number = encoded(clearing, "order", order)
    within = None if market is None else encoded(clearing, "market", market)
    if market is not None:
        market_index(clearing, market)  # says which markets there are, if not that one
    if orders.order is None:
        assert number is not None  # only text can be unknown there
        if not 0 <= number < orders.n:
            raise SchemaError(f"order={order!r}: there are rows 0 to {orders.n - 1}", column="order", row=number)
        rows = np.array([number])
    else:
        named = np.zeros(orders.n, bool) if number is None else orders.order == number
        if "order" in orders.missing:
            named &= ~orders.missing["order"]
        rows = np.flatnonzero(named)
    if within is not None and orders.market is not None:
        rows = rows[orders.market[rows] == within]
    if not len(rows):
        where = "" if market is None else f" in market {shown(market)}"
        known = orders.order_ids().drop_nulls().unique(maintain_order=True)
        raise SchemaError(
            f"order={order!r}: no order has this id{where}; there is {listed(known.to_list()) or 'none'}",
            column="order",
        )
    if orders.market is not None and len(rows) > 1:
        markets = np.unique(orders.market[rows])
        if len(markets) > 1:
            names = market_names(clearing, markets)
            raise SchemaError(
                f"order={order!r}: there is one in each of the markets {listed(names)}; "
                f"say which with market={names[0]!r}",
                column="order",
            )
    return rows
