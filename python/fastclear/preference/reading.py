"""Orders with the columns that preferences and networks ask for, and what the core reads of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear import _core
from fastclear.auction.double_auction import Uniform
from fastclear.errors import SchemaError
from fastclear.orders import Orders, encode
from fastclear.orders.column import array_or_series
from fastclear.orders.frames import items
from fastclear.preference.pairs import instants, places_in
from fastclear.reject import RejectReason
from fastclear.trades import run
from fastclear.units import Units

COLUMNS: Final = ("zone", "source", "wants", "strict", "essential", "max_distance", "quality", "slot", "vetoed")
TYPES_MAX: Final = 64
STRICT: Final = 1
ESSENTIAL: Final = 2
_MARKET: Final = _core.MARKET_VALUES.index("market")
_IDS: Final = ("zone", "source", "quality")
_YES_OR_NO: Final = ("strict", "essential", "vetoed")
_ANYWHERE: Final = 2**63 - 1


@dataclass(slots=True, eq=False)
class PreferenceOrders:
    """Orders with further columns.

    Attributes
    ----------
    orders : Orders
        The orders as every auction reads them; those that the network operator does not allow are refused.
    extras : dict of str to polars.Series
        The columns of :data:`COLUMNS` that were given: ids as Int64 or String, answers as Boolean.
    """

    orders: Orders
    extras: dict[str, pl.Series] = field(default_factory=dict)


def encode_preferences(orders: object, units: Units | None, wanted: Iterable[str]) -> PreferenceOrders:
    """Read orders and those of the columns :data:`COLUMNS` that are ``wanted``; the others of them are left out.

    Raises
    ------
    SchemaError
        A column cannot be read.
    """
    if isinstance(orders, PreferenceOrders):
        return orders
    if isinstance(orders, Orders):
        return PreferenceOrders(orders)
    names = frozenset(wanted)
    rest: dict[str, object] = {}
    extras: dict[str, pl.Series] = {}
    for name, column in items(orders):
        if name in (extras if name in names else rest):
            raise SchemaError(f"column '{name}' is given twice; leave one out", column=name)
        if name in names:
            extras[name] = _extra(name, column)
        elif name not in COLUMNS:
            rest[name] = column
    encoded = encode(rest, units)
    for name, series in extras.items():
        if len(series) != encoded.n:
            raise SchemaError(
                f"column '{name}' has {len(series)} rows and 'side' has {encoded.n}; give columns of one length",
                column=name,
            )
    if "vetoed" in extras:
        encoded = _veto(encoded, extras["vetoed"].to_numpy())
    return PreferenceOrders(encoded, extras)


def _veto(orders: Orders, vetoed: NDArray[np.bool_]) -> Orders:
    """Refuse what the network operator does not allow; a fault of the order itself stands before that."""
    codes = np.zeros(orders.n, np.uint16) if orders.refused is None else orders.refused.copy()
    codes[vetoed & (codes == 0)] = RejectReason.NETWORK_VETO
    return replace(orders, refused=codes)


def _extra(name: str, column: object) -> pl.Series:
    if name == "wants":
        return _wants(column)
    series = pl.Series(name, array_or_series(name, column))
    if name == "slot":
        series = instants(name, series)
        if series.null_count():
            raise SchemaError("column 'slot' holds nulls; give the begin of delivery of every order", column=name)
        return series
    if name in _YES_OR_NO:
        if series.dtype == pl.Null:
            series = series.cast(pl.Boolean)
        if series.dtype.is_integer() and series.is_in([0, 1]).all():
            series = series.cast(pl.Boolean)
        if series.dtype != pl.Boolean:
            raise SchemaError(f"column '{name}' is {series.dtype}; give true or false", column=name)
        return series.fill_null(value=False)
    if series.dtype in (pl.Categorical, pl.Enum):
        return series.cast(pl.String)
    if series.dtype == pl.Null:
        return series.cast(pl.Int64)
    if series.dtype.is_integer() and series.dtype != pl.UInt64:
        series = series.cast(pl.Int64)
        if name == "max_distance" and (series < 0).any():
            raise SchemaError("column 'max_distance' holds a distance below 0; give 0 or more, or null", column=name)
        return series
    if name in _IDS and series.dtype == pl.String:
        return series
    raise SchemaError(f"column '{name}' is {series.dtype}; give integers{' or text' if name in _IDS else ''}", column=name)


def _wants(column: object) -> pl.Series:
    """Wanted source types as lists: one type a row, or a list a row."""
    if isinstance(column, list | tuple) and any(isinstance(cell, list | tuple) for cell in column):
        lists = [list(cell) if isinstance(cell, list | tuple) else [] if cell is None else [cell] for cell in column]
        return pl.Series("wants", lists, strict=False)
    series = column if isinstance(column, pl.Series) else pl.Series("wants", array_or_series("wants", column))
    series = series.alias("wants")
    if isinstance(series.dtype, pl.List):
        return series
    if series.dtype in (pl.Categorical, pl.Enum):
        series = series.cast(pl.String)
    return pl.DataFrame([series]).select(
        pl.when(pl.col("wants").is_null()).then(None).otherwise(pl.concat_list("wants")).alias("wants")
    )["wants"]


@dataclass(slots=True, eq=False)
class Book:
    """Orders by row, ready for the core.

    Attributes
    ----------
    given : PreferenceOrders
        What was given.
    codes : ndarray of uint16, shape (n,)
        Reject codes.
    markets : ndarray of int64
        Encoded ids, ascending.
    market : ndarray of uint32, shape (n,)
        Rank of each order's market.
    is_bid : ndarray of bool, shape (n,)
    limit : ndarray of int64, shape (n,)
        Ticks; a market order has the limit that it competes at.
    quantity : ndarray of int64, shape (n,)
        Lots; 0 where refused.
    """

    given: PreferenceOrders
    codes: NDArray[np.uint16]
    markets: NDArray[np.int64]
    market: NDArray[np.uint32]
    is_bid: NDArray[np.bool_]
    limit: NDArray[np.int64]
    quantity: NDArray[np.int64]

    @property
    def orders(self) -> Orders:
        """The orders."""
        return self.given.orders


def read(given: PreferenceOrders, threads: int | None) -> Book:
    """Refuse what must be refused, rank markets, and give market orders their limits."""
    orders = given.orders
    plain = replace(orders, min_quantity=None, start_price=None)  # which stages do not know
    cleared = run(plain, Uniform(), None, threads=threads)
    codes = cleared.reject().copy()
    markets = cleared.markets()[0][_MARKET].copy()
    nowhere = orders.missing.get("market")
    if nowhere is not None and nowhere.all():
        markets = markets[:0]
    if orders.market is None:
        market = np.zeros(orders.n, np.uint32)
    else:
        market = np.minimum(np.searchsorted(markets, orders.market), max(len(markets) - 1, 0)).astype(np.uint32)
    limit = orders.price.astype(np.int64)
    is_bid = orders.side == 1
    if orders.is_market_order is not None:
        at_market = orders.is_market_order == 1
        named = (codes == 0) & ~at_market
        low = np.full(len(markets), np.iinfo(np.int64).max)
        high = np.full(len(markets), np.iinfo(np.int64).min)
        np.minimum.at(low, market[named], limit[named])
        np.maximum.at(high, market[named], limit[named])
        live = at_market & (codes == 0)
        limit[live] = np.where(is_bid[live], high[market[live]], low[market[live]])
    quantity = np.where(codes == 0, orders.quantity.astype(np.int64), 0)
    return Book(given, codes, markets, market, is_bid, limit, quantity)


def core_columns(book: Book, left: NDArray[np.int64], participant: NDArray[np.uint32] | None) -> dict[str, Any]:
    """What the core reads, apart from zones."""
    orders, extras = book.orders, book.given.extras
    columns: dict[str, Any] = {
        "side": np.ascontiguousarray(book.is_bid).view(np.uint8),
        "limit": book.limit,
        "left": left,
        "market": book.market,
        "time": orders.time,
        "order": orders.order,
        "participant": participant,
    }
    flags = np.zeros(orders.n, np.uint8)
    for name, bit in (("strict", STRICT), ("essential", ESSENTIAL)):
        if name in extras:
            flags |= np.where(extras[name].to_numpy(), bit, 0).astype(np.uint8)
    if flags.any():
        columns["flags"] = flags
    if "max_distance" in extras:
        columns["reach"] = np.ascontiguousarray(extras["max_distance"].fill_null(_ANYWHERE).to_numpy())
    columns.update(_types(book))
    if "slot" in extras:
        columns["slot"] = slots(book)
    return columns


def slots(book: Book) -> NDArray[np.int64]:
    """Begin of delivery of each market: one for all its orders.

    Raises
    ------
    SchemaError
        Orders of a market have several.
    """
    slot = book.given.extras["slot"].to_numpy()
    first = np.full(len(book.markets), np.iinfo(np.int64).max)
    last = np.full(len(book.markets), np.iinfo(np.int64).min)
    np.minimum.at(first, book.market, slot)
    np.maximum.at(last, book.market, slot)
    apart = np.flatnonzero(first < last)
    if len(apart):
        name = book.orders.names("market", book.markets[apart[:1]])[0]
        raise SchemaError(f"column 'slot': market {name!r} has several; give all its orders one", column="slot")
    return first


def _types(book: Book) -> dict[str, Any]:
    """Source types of asks as numbers, and those that bids want as bits of a word."""
    extras = book.given.extras
    if "source" not in extras or "wants" not in extras:
        return {}
    source, wants = extras["source"], extras["wants"]
    inner = wants.dtype.inner if isinstance(wants.dtype, pl.List) else source.dtype  # type: ignore[attr-defined]
    if inner == pl.Null:
        wants = wants.cast(pl.List(source.dtype))
    elif (inner == pl.String) != (source.dtype == pl.String):
        raise SchemaError(f"column 'wants' is {inner} and 'source' is {source.dtype}; name types alike", column="wants")
    elif inner != pl.String:
        wants = wants.cast(pl.List(pl.Int64))
    names = source.filter(~pl.Series(book.is_bid)).drop_nulls().unique().sort()
    if len(names) >= TYPES_MAX:
        raise SchemaError(
            f"column 'source' names {len(names)} types; name fewer than {TYPES_MAX}, such as sun, wind, biomass",
            column="source",
        )
    nothing = len(names)  # a type of its own, which nobody wants
    place, known = places_in(names, source)
    kind = np.where(known, place, nothing).astype(np.uint8)
    rows = pl.DataFrame([wants.alias("wants")]).with_row_index("row").explode("wants", empty_as_null=True).drop_nulls()
    place, known = places_in(names, rows["wants"])
    mask = np.zeros(book.orders.n, np.uint64)
    np.bitwise_or.at(mask, rows["row"].to_numpy()[known], np.uint64(1) << place[known].astype(np.uint64))
    return {"source": kind, "wants": mask}
