"""The door through which orders enter: any frame or mapping of columns becomes plain integer columns.

Nothing here looks at a row: every check is over a column. A row that makes no sense gets a reject code; only columns
that make no sense raise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear.errors import SchemaError
from fastclear.frames import row_numbers
from fastclear.orders.column import Column
from fastclear.orders.flaws import Flaws
from fastclear.orders.frames import ALIASES, KNOWN, named_columns
from fastclear.orders.grid import MIN_QUANTITY, PRICE, QUANTITY, START_PRICE, optional_whole_numbers, whole_numbers
from fastclear.orders.ids import integer_ids
from fastclear.orders.memory import check_given, frozen
from fastclear.orders.times import nanoseconds
from fastclear.orders.words import BUY_WORDS, SELL_WORDS, market_orders, sides
from fastclear.units import Units

__all__ = ["ALIASES", "BUY_WORDS", "KNOWN", "NO_START", "SELL_WORDS", "Orders", "as_they_stand", "encode"]

NO_START: Final = -(2**63)
"""``Orders.start_price`` of a market order that names none: its opening quote is its limit, which the core sets."""


@dataclass(slots=True, eq=False)  # not frozen: to fill a frozen one takes 2 µs of a small call's 10
class Orders:
    """Orders as the core reads them: one numpy array a column, one row an order.

    Attributes
    ----------
    side : ndarray of uint8, shape (n,)
        1 = buy, 0 = sell; anything else is refused.
    price, quantity : ndarray of int64 or int32, shape (n,)
        Ticks and lots.
    market, order, participant : ndarray of int64, shape (n,), or None
        Ids; text ids are ranks into ``texts[name]``.
    time : ndarray of int64, shape (n,), or None
        Nanoseconds since 1970 UTC.
    is_market_order : ndarray of uint8, shape (n,), or None
        1 where ``type`` is ``"market"``.
    min_quantity : ndarray of int64, shape (n,), or None
        Lots below which an order does not want to trade at all; 0 = none.
    start_price : ndarray of int64, shape (n,), or None
        Opening quote in ticks; the limit where none was given (:data:`NO_START` where that is a market order's).
    refused : ndarray of uint16, shape (n,), or None
        Reject codes that the columns themselves show (nulls, unknown words, values off the grid).
    texts : dict of str to polars.Series
        The sorted distinct texts of each id column that was text.
    missing : dict of str to ndarray of bool
        Which rows of an id column were null; their ids mean nothing.
    units : Units or None
        What the caller's prices and quantities were given in, if not in ticks and lots; explanations speak in them.
    """

    side: NDArray[np.uint8]
    price: NDArray[np.int64]
    quantity: NDArray[np.int64]
    market: NDArray[np.int64] | None = None
    order: NDArray[np.int64] | None = None
    participant: NDArray[np.int64] | None = None
    time: NDArray[np.int64] | None = None
    is_market_order: NDArray[np.uint8] | None = None
    min_quantity: NDArray[np.int64] | None = None
    start_price: NDArray[np.int64] | None = None
    refused: NDArray[np.uint16] | None = None
    texts: dict[str, pl.Series] = field(default_factory=dict)
    missing: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    units: Units | None = None

    @property
    def n(self) -> int:
        """Number of orders."""
        return len(self.side)

    @property
    def frozen(self) -> bool:
        """Whether no Python code can write to any of the columns."""
        ids = (self.market, self.order, self.participant, self.time)
        return frozen(self.side, self.price, self.quantity, *ids, self.min_quantity, self.start_price)

    def names(self, column: str, ids: NDArray[np.int64]) -> pl.Series:
        """Ids of ``column`` as the caller wrote them: text where they were text, else the integers.

        Parameters
        ----------
        column : {"market", "order", "participant"}
            Which id.
        ids : ndarray of int64
            Encoded ids.
        """
        texts = self.texts.get(column)
        return pl.Series(column, ids) if texts is None else texts.gather(ids).alias(column)

    def order_ids(self) -> pl.Series:
        """Ids of all orders, row by row, as the caller wrote them; null where the caller wrote null."""
        if self.order is None:
            return row_numbers(self.n)
        # A series of an array shares its memory, which is the caller's to write.
        names = self.names("order", self.order if frozen(self.order) else self.order.copy())
        missing = self.missing.get("order")
        return names if missing is None else names.set(pl.Series(missing), None)


def as_they_stand(columns: dict[str, Any]) -> Orders:
    """Columns that the core read without a look from here, as :class:`Orders`.

    Parameters
    ----------
    columns : dict of str to ndarray
        What ``_core.clear_columns`` has taken: every column under its own name and of a type that the core reads.
    """
    side = columns["side"]
    orders = Orders(side if side.dtype == np.uint8 else side.view(np.uint8), columns["price"], columns["quantity"])
    if len(columns) > 3:
        for name, column in columns.items():
            if name != "side":
                setattr(orders, name, column)
    return orders


def encode(orders: object, units: Units | None = None) -> Orders:
    """Turn a frame or mapping of columns into :class:`Orders`.

    Parameters
    ----------
    orders : frame or mapping
        polars, pandas or pyarrow frame, anything with ``__arrow_c_stream__``, or a mapping from column name to numpy
        array, list or series. Columns: ``side``, ``price``, ``quantity``; optional ``type``, ``market``, ``order``,
        ``participant``, ``time``, ``min_quantity``, ``start_price``. An :class:`Orders` is returned as it is.
    units : Units, optional
        What prices and quantities are given in. Without it they must be integer ticks and lots.

    Raises
    ------
    SchemaError
        A column is missing, of a type that cannot be read, or longer or shorter than the others.
    """
    if isinstance(orders, Orders):
        check_given(orders)
        return orders
    if units is not None and not isinstance(units, Units):
        raise SchemaError(f'units={units!r} are none; give fc.Units(price="ct/kWh", quantity="kWh")')
    columns = named_columns(orders)
    n = len(columns["side"])
    for name, column in columns.items():
        if len(column) != n:
            raise SchemaError(
                f"column '{name}' has {len(column)} rows and 'side' has {n}; give columns of one length",
                column=name,
            )
    flaws = Flaws(n)
    kinds = market_orders(columns["type"], flaws) if "type" in columns else None
    ticks = lots = None
    if units is not None:
        ticks, lots = (units.ticks, units.rounding), (units.lots, units.rounding)
    price = whole_numbers(columns["price"], PRICE, ticks, flaws, kinds)
    side = sides(columns["side"], flaws)
    quantity = whole_numbers(columns["quantity"], QUANTITY, lots, flaws)
    encoded = Orders(side, price, quantity)
    encoded.units = units
    if len(columns) > 3:  # the rest is for those who give more than they must
        encoded.is_market_order = kinds
        _add_optional(encoded, columns, ticks, lots, flaws)
    encoded.refused = flaws.codes
    return encoded


def _add_optional(
    encoded: Orders,
    columns: dict[str, Column],
    ticks: tuple[int, str] | None,
    lots: tuple[int, str] | None,
    flaws: Flaws,
) -> None:
    """Read the columns that orders can do without."""
    for name in ("market", "order", "participant"):
        if name in columns:
            setattr(encoded, name, integer_ids(columns[name], name, encoded.texts, encoded.missing, flaws))
    if "time" in columns:
        encoded.time = nanoseconds(columns["time"], flaws)
    if "min_quantity" in columns:
        encoded.min_quantity = optional_whole_numbers(columns["min_quantity"], MIN_QUANTITY, lots, flaws, 0)
    if "start_price" in columns:
        limits, kinds = encoded.price, encoded.is_market_order
        if kinds is not None:
            limits = np.where(kinds != 0, NO_START, limits.astype(np.int64, copy=False))
        encoded.start_price = optional_whole_numbers(columns["start_price"], START_PRICE, ticks, flaws, limits)
