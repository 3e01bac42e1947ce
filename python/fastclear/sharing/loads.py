"""Loads as the core reads them: net energy by member and market, and the prices of the grid."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear.errors import SchemaError
from fastclear.orders import Orders
from fastclear.orders.column import Column, wrong_type
from fastclear.orders.flaws import Flaws
from fastclear.orders.frames import by_own_names, items
from fastclear.orders.grid import QUANTITY, Field, whole_numbers
from fastclear.orders.ids import integer_ids
from fastclear.orders.memory import frozen
from fastclear.orders.words import sides
from fastclear.reject import RejectReason
from fastclear.units import Units

LOAD_COLUMNS: Final = frozenset(
    {
        *("net_load", "side", "quantity", "market", "order", "participant", "period", "share"),
        *("retail_price", "feed_in_price"),
        *("price", "type", "time", "min_quantity", "start_price"),  # of orders, which a pool does not look at
    }
)
_NET: Final = Field("net_load", RejectReason.QUANTITY_MISSING, RejectReason.QUANTITY_OFF_GRID)
_QUANTITY_MAX: Final = 2**31 - 1

GridPrice = int | NDArray[np.int64]
"""A price of the grid in ticks: one, or one a load."""


@dataclass(slots=True, eq=False)
class Loads:
    """Loads as the core reads them: one numpy array a column, one row a load.

    Attributes
    ----------
    net : ndarray of int64, shape (n,)
        Lots; + imports, - exports.
    market, order, participant, period : ndarray of int64, shape (n,), or None
        Ids; text ids are ranks into ``texts[name]``.
    share : ndarray of int64, shape (n,), or None
        Agreed share of local energy in parts per million.
    retail, feed_in : int or ndarray of int64, shape (n,)
        Ticks a lot from and to the grid.
    refused : ndarray of uint16, shape (n,), or None
        Reject codes that the columns themselves show.
    texts, missing, units
        As in :class:`fastclear.Orders`.
    """

    net: NDArray[np.int64]
    retail: GridPrice
    feed_in: GridPrice
    market: NDArray[np.int64] | None = None
    order: NDArray[np.int64] | None = None
    participant: NDArray[np.int64] | None = None
    period: NDArray[np.int64] | None = None
    share: NDArray[np.int64] | None = None
    refused: NDArray[np.uint16] | None = None
    texts: dict[str, pl.Series] = field(default_factory=dict)
    missing: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    units: Units | None = None

    @property
    def n(self) -> int:
        """Number of loads."""
        return len(self.net)

    @property
    def frozen(self) -> bool:
        """Whether no Python code can write to any of the columns."""
        prices = [price for price in (self.retail, self.feed_in) if isinstance(price, np.ndarray)]
        return frozen(self.net, self.market, self.order, self.period, self.share, *prices)

    def as_orders(self) -> Orders:
        """The loads as orders: imports bid the retail price, exports ask the feed-in price."""
        buys = self.net > 0
        orders = Orders(
            buys.astype(np.uint8), np.where(buys, self.retail, self.feed_in).astype(np.int64), np.abs(self.net)
        )
        orders.market, orders.order, orders.participant = self.market, self.order, self.participant
        orders.refused, orders.texts, orders.missing, orders.units = self.refused, self.texts, self.missing, self.units
        return orders


def encode_loads(
    loads: object, units: Units | None, retail: int | None, feed_in: int | None, *, needs_share: bool
) -> Loads:
    """Turn a frame or mapping of columns into :class:`Loads`.

    Parameters
    ----------
    loads : frame or mapping
        As the mechanisms of :mod:`fastclear.sharing` take it.
    units : Units, optional
        What energy and the columns of prices are given in.
    retail, feed_in : int or None
        Prices of the mechanism; None where columns name them.
    needs_share : bool
        Whether agreed shares decide.

    Raises
    ------
    SchemaError
        A column is missing, given twice, of a type that cannot be read, or longer or shorter than the others.
    """
    if isinstance(loads, Loads):
        return loads
    if units is not None and not isinstance(units, Units):
        raise SchemaError(f'units={units!r} are none; give fc.Units(price="ct/kWh", quantity="kWh")')
    given = items(loads, "loads")
    columns = by_own_names(given, "loads", LOAD_COLUMNS)
    _check_there(columns, given)
    n = len(columns["net_load"] if "net_load" in columns else columns["side"])
    for name, column in columns.items():
        if len(column) != n:
            raise SchemaError(
                f"column '{name}' has {len(column)} rows and the others have {n}; give columns of one length",
                column=name,
            )
    flaws = Flaws(n)
    ticks = lots = None
    if units is not None:
        ticks, lots = (units.ticks, units.rounding), (units.lots, units.rounding)
    net = _net(columns, lots, flaws)
    prices = {
        name: _price(name, price, columns, ticks, flaws)
        for name, price in (("retail_price", retail), ("feed_in_price", feed_in))
    }
    encoded = Loads(net, prices["retail_price"], prices["feed_in_price"], units=units)
    for name in ("market", "order", "participant", "period"):
        if name in columns:
            setattr(encoded, name, integer_ids(columns[name], name, encoded.texts, encoded.missing, flaws))
    if "share" in columns:
        encoded.share = _shares(columns["share"])
    elif needs_share:
        raise SchemaError(
            "column 'share' is missing; give each member's share of local energy in parts per million", column="share"
        )
    encoded.refused = flaws.codes
    return encoded


def _check_there(columns: dict[str, Column], given: list[tuple[str, object]]) -> None:
    have = ", ".join(name for name, _ in given) or "none"
    if "net_load" in columns:
        if "side" in columns or "quantity" in columns:
            raise SchemaError("loads have 'net_load' and 'side' or 'quantity'; give one of the two", column="net_load")
        return
    for name in ("side", "quantity"):
        if name not in columns:
            raise SchemaError(
                f"column '{name}' is missing (columns given: {have}); give net_load, or side and quantity", column=name
            )


def _net(columns: dict[str, Column], lots: tuple[int, str] | None, flaws: Flaws) -> NDArray[np.int64]:
    """Net energy of each load: signed as it is, or from side and quantity."""
    if "net_load" in columns:
        return whole_numbers(columns["net_load"], _NET, lots, flaws).astype(np.int64, copy=False)
    side = sides(columns["side"], flaws)
    quantity = whole_numbers(columns["quantity"], QUANTITY, lots, flaws).astype(np.int64, copy=False)
    flaws.mark(side > 1, RejectReason.UNKNOWN_SIDE)
    flaws.mark((quantity < 0) | (quantity > _QUANTITY_MAX), RejectReason.QUANTITY_OUT_OF_RANGE)
    net: NDArray[np.int64] = np.where(side == 1, quantity, -quantity)
    return net


def _price(
    name: str, price: int | None, columns: dict[str, Column], ticks: tuple[int, str] | None, flaws: Flaws
) -> GridPrice:
    parameter = name.removesuffix("_price")
    if price is not None:
        if name in columns:
            raise SchemaError(f"the mechanism has {parameter}={price} and loads have '{name}'; give one", column=name)
        return price
    if name not in columns:
        raise SchemaError(
            f"column '{name}' is missing and the mechanism has no {parameter}; give one of them", column=name
        )
    known = Field(name, RejectReason.PRICE_MISSING, RejectReason.PRICE_OFF_GRID)
    return whole_numbers(columns[name], known, ticks, flaws).astype(np.int64, copy=False)


def _shares(column: Column) -> NDArray[np.int64]:
    if isinstance(column, pl.Series):
        if column.dtype == pl.Null or column.dtype.is_integer():
            column = column.cast(pl.Int64).fill_null(0).rechunk().to_numpy()
        else:
            raise wrong_type("share", column.dtype, "parts per million as integers; 1,000,000 is all there is")
    if column.dtype.kind not in "iu":
        raise wrong_type("share", column.dtype, "parts per million as integers; 1,000,000 is all there is")
    if column.dtype == np.uint64:
        column = np.minimum(column, np.uint64(2**62))
    return column.astype(np.int64, copy=False)
