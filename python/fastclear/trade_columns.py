"""The trades of a clearing as columns, each built when somebody first reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fastclear import _core
from fastclear.buffers import empty

_Column = NDArray[Any]

_NAMES: Final = (
    *("market", "trade", "buy_row", "sell_row", "buy_order", "sell_order"),
    *("quantity", "buy_price", "sell_price", "buy_amount", "sell_amount"),
)


class TradeColumns(MutableMapping[str, NDArray[Any]]):
    """A mapping of names to read-only arrays, one row a trade.

    Rows, quantities and prices lie where the core wrote them; what follows from them is computed when it is first read,
    and kept.

    Parameters
    ----------
    cleared : _core.Cleared
        A clearing that kept its trades.
    order : ndarray of int64, optional
        Encoded order ids by input row; without it the row is the id.

    Raises
    ------
    ValueError
        A clearing that kept no trades.
    """

    __slots__ = ("_built", "_cleared", "_given", "_money", "_order")

    def __init__(self, cleared: _core.Cleared, order: NDArray[np.int64] | None) -> None:
        given = cleared.trades()
        if given is None:
            raise ValueError("this clearing kept no trades")
        self._cleared = cleared
        self._order = order
        self._given = given
        self._built: dict[str, _Column] = dict(given)
        self._money: _Column | None = None  # of both sides, where they trade at one price

    def __getitem__(self, name: str) -> _Column:
        """Return a column, which is built if need be."""
        column = self._built.get(name)
        if column is None:
            column = self._built[name] = _BUILDERS[name](self)
            column.flags.writeable = False
        return column

    def __setitem__(self, name: str, column: _Column) -> None:
        """Put another column in the place of one, for who wants to see what an audit makes of it."""
        if name not in _NAMES:
            raise KeyError(name)
        self._built[name] = column

    def __delitem__(self, name: str) -> None:
        """Take a column that was put there away again; columns of the clearing stay."""
        del self._built[name]
        if name in self._given:
            self._built[name] = self._given[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over all names, built or not."""
        return iter(_NAMES)

    def __len__(self) -> int:
        """Return the number of columns."""
        return len(_NAMES)

    def __repr__(self) -> str:
        """Say how many trades there are, and build nothing."""
        return f"TradeColumns({len(self._given['quantity']):,} trades: {', '.join(self)})"

    def _market(self) -> _Column:
        markets = self._cleared.trade_markets()
        assert markets is not None  # there is a list of trades
        return markets

    def _ids(self, side: str) -> _Column:
        rows = self._given[f"{side}_row"]
        return rows if self._order is None else self._order[rows]

    def _amount(self, side: str) -> _Column:
        price, quantity = self._given[f"{side}_price"], self._given["quantity"]
        if self._given["buy_price"] is not self._given["sell_price"]:
            return np.multiply(price, quantity, out=empty(len(quantity)))
        if self._money is None:
            self._money = np.multiply(price, quantity, out=empty(len(quantity)))
        return self._money

    def _zeros(self) -> _Column:
        """What a unit costs where a mechanism pays sums."""
        return np.zeros(len(self._given["quantity"]), np.int64)

    def _numbers(self) -> _Column:
        return np.arange(len(self._given["quantity"]), dtype=np.uint64)


_BUILDERS: Final[dict[str, Callable[[TradeColumns], _Column]]] = {
    "market": TradeColumns._market,
    "trade": TradeColumns._numbers,
    "buy_order": lambda columns: columns._ids("buy"),
    "sell_order": lambda columns: columns._ids("sell"),
    "buy_price": TradeColumns._zeros,
    "sell_price": TradeColumns._zeros,
    "buy_amount": lambda columns: columns._amount("buy"),
    "sell_amount": lambda columns: columns._amount("sell"),
}
"""How each column comes about where the core does not hand it over: prices or amounts, as a mechanism pays."""
