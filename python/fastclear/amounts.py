"""The money of a clearing's trades, as settlement and ledger read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Amounts(NamedTuple):
    """What the trades of one clearing move.

    Attributes
    ----------
    buy_price, sell_price : ndarray of int64, shape (trades,)
        Ticks over ``den``; nothing where the money is no price a unit.
    buy_amount, sell_amount : ndarray of int64, shape (trades,)
        What each buyer pays and each seller receives, nano-currency over ``den``.
    den : int
        1, or 2 where a price is a midpoint between two ticks.
    per_unit : bool
        Whether every amount is its price times the quantity. If not, amounts are shares of sums.
    """

    buy_price: NDArray[np.int64]
    sell_price: NDArray[np.int64]
    buy_amount: NDArray[np.int64]
    sell_amount: NDArray[np.int64]
    den: int
    per_unit: bool


def trade_amounts(clearing: Any) -> Amounts:
    """Read the money of ``clearing.trade_columns``.

    A clearing that says nothing else has whole ticks, and every amount is price times quantity.

    Examples
    --------
    >>> import fastclear as fc
    >>> clearing = fc.clear({"side": ["buy", "sell"], "price": [30, 10], "quantity": [3, 3]}, fc.Uniform())
    >>> money = trade_amounts(clearing)
    >>> money.buy_amount, money.den, money.per_unit
    (array([60]), 1, True)
    """
    trades: Mapping[str, NDArray[Any]] = clearing.trade_columns

    def column(name: str) -> NDArray[np.int64]:
        return np.ascontiguousarray(trades[name], np.int64)

    quantity, prices = column("quantity"), (column("buy_price"), column("sell_price"))
    names = ("buy_amount", "sell_amount")
    given = [column(name) if name in trades else price * quantity for name, price in zip(names, prices, strict=True)]
    sums = getattr(clearing, "pays_sums", None)
    if sums is None:  # sums that happen to be price times quantity may as well be called so
        stated = zip(names, given, prices, strict=True)
        sums = not all(name not in trades or np.array_equal(amount, price * quantity) for name, amount, price in stated)
    return Amounts(prices[0], prices[1], given[0], given[1], int(getattr(clearing, "den", 1)), not sums)
