"""Commands as the core reads them: any frame or mapping of columns becomes plain integer columns.

Nothing here looks at a row: what a row asks for decides which of its cells matter, and that the core knows. A cell that
cannot be read is handed on as null, or as off the grid; only columns that make no sense raise.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypedDict

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear import _core
from fastclear.book.names import NULL, Names
from fastclear.errors import SchemaError
from fastclear.orders.column import Column, wrong_type
from fastclear.orders.flaws import Flaws
from fastclear.orders.frames import by_own_names, items
from fastclear.orders.grid import PRICE, QUANTITY, Field, whole_numbers
from fastclear.orders.times import nanoseconds
from fastclear.orders.words import sides
from fastclear.reject import RejectReason
from fastclear.units import Units

OFF_GRID: Final = _core.BOOK_OFF_GRID
OPS: Final[dict[str, int]] = {name: code for code, name in enumerate(_core.BOOK_OPS)}
TIFS: Final[dict[str, int]] = {name: code for code, name in enumerate(_core.BOOK_TIFS)}
TYPES: Final[dict[str, int]] = {"limit": 0, "market": 1}
FLAGS: Final[dict[str, int]] = {"": 0, **dict(_core.BOOK_FLAGS)}
PEGS: Final[dict[str, int]] = {"": 0, **{name: code for code, name in _core.BOOK_PEGS}}
PHASES: Final[dict[str, int]] = {name: code for code, name in enumerate(_core.BOOK_PHASES)}
KNOWN: Final[frozenset[str]] = frozenset(
    {"op", "market", "order", "participant", "side", "type", "tif", "price", "quantity", "expires", "flags", "time"}
    | {"display", "min_quantity", "stop", "peg", "offset", "phase", "post_only", "slide", "all_or_none"}
    | {"shown"}
)
"""Columns that a command may have, and ``shown``, which a snapshot has and a new order does not ask for."""

_UNKNOWN: Final = 255
_DISPLAY: Final = QUANTITY._replace(name="display")
_MIN_QUANTITY: Final = QUANTITY._replace(name="min_quantity")
_STOP: Final = PRICE._replace(name="stop")
_OFFSET: Final = PRICE._replace(name="offset")


class Encoded(TypedDict):
    """Columns as :meth:`fastclear._core.OrderBook.apply` takes them."""

    rows: int
    op: NDArray[np.uint8] | None
    market: NDArray[np.int64] | None
    order: NDArray[np.int64] | None
    participant: NDArray[np.int64] | None
    side: NDArray[np.uint8] | None
    is_market_order: NDArray[np.uint8] | None
    tif: NDArray[np.uint8] | None
    price: NDArray[Any] | None
    quantity: NDArray[Any] | None
    expires: NDArray[np.int64] | None
    flags: NDArray[np.uint8] | None
    display: NDArray[Any] | None
    min_quantity: NDArray[Any] | None
    stop: NDArray[Any] | None
    peg: NDArray[np.uint8] | None
    offset: NDArray[Any] | None
    phase: NDArray[np.uint8] | None
    time: NDArray[np.int64] | None


def encode(given: object, names: Mapping[str, Names], units: Units | None, what: str) -> Encoded:
    """Turn a frame or mapping of columns into what the core reads.

    Parameters
    ----------
    given : frame or mapping
        Columns by name; see :meth:`fastclear.OrderBook.apply`.
    names : dict of str to Names
        What text ids of this book stand for.
    units : Units or None
        What prices and quantities are given in.
    what : str
        What complaints call it.

    Raises
    ------
    SchemaError
        A column of a type that cannot be read, or longer or shorter than the others, or none at all.
    """
    columns = _named(given, what)
    first = next(iter(columns), None)
    if first is None:
        raise SchemaError(f"{what} have no columns; give at least 'side', 'price' and 'quantity', or 'op' and 'order'")
    rows = len(columns[first])
    for name, column in columns.items():
        if len(column) != rows:
            raise SchemaError(
                f"column '{name}' has {len(column)} rows and '{first}' has {rows}; give columns of one length",
                column=name,
            )
    ticks = None if units is None else (units.ticks, units.rounding)
    lots = None if units is None else (units.lots, units.rounding)
    get = columns.get
    given_sides = get("side")
    encoded = Encoded(
        rows=rows,
        op=_codes(get("op"), "op", OPS),
        market=None,
        order=None,
        participant=None,
        side=None if given_sides is None else sides(given_sides, Flaws(rows)),
        is_market_order=_codes(get("type"), "type", TYPES),
        tif=_codes(get("tif"), "tif", TIFS),
        price=_numbers(get("price"), PRICE, ticks),
        quantity=_numbers(get("quantity"), QUANTITY, lots),
        expires=_times(get("expires"), "expires"),
        flags=_flags(columns, rows),
        display=_numbers(get("display"), _DISPLAY, lots),
        min_quantity=_numbers(get("min_quantity"), _MIN_QUANTITY, lots),
        stop=_numbers(get("stop"), _STOP, ticks),
        peg=_words(get("peg"), "peg", PEGS),
        offset=_numbers(get("offset"), _OFFSET, ticks),
        phase=_codes(get("phase"), "phase", PHASES),
        time=_times(get("time"), "time"),
    )
    # Last, since what was seen is remembered: also text of orders that are refused, so that their events can name them.
    kinds = {name: ids.kind for name, ids in names.items()}
    try:
        encoded["market"], encoded["order"], encoded["participant"] = (
            names[name].encode(columns[name], add=True) if name in columns else None
            for name in ("market", "order", "participant")
        )
    except SchemaError:
        for name, kind in kinds.items():
            names[name].kind = kind
        raise
    return encoded


def _named(given: object, what: str) -> dict[str, Column]:
    return by_own_names(items(given, what), what, KNOWN)


def _codes(column: Column | None, name: str, codes: Mapping[str, int]) -> NDArray[np.uint8] | None:
    """Words as their codes, and codes as they are; what is neither is unknown."""
    if column is None:
        return None
    if isinstance(column, np.ndarray):
        if column.dtype == np.uint8:
            return column
        if column.dtype.kind not in "iu":
            raise wrong_type(name, column.dtype, "text: " + ", ".join(word for word in codes if word))
        return np.where((column >= 0) & (column < _UNKNOWN), column, _UNKNOWN).astype(np.uint8)
    if column.dtype in (pl.Categorical, pl.Enum):
        column = column.cast(pl.String)
    if column.dtype == pl.Null:
        return np.full(len(column), _UNKNOWN, np.uint8)
    if column.dtype.is_integer():
        return _codes(column.fill_null(_UNKNOWN).rechunk().to_numpy(), name, codes)
    if column.dtype != pl.String:
        raise wrong_type(name, column.dtype, "text: " + ", ".join(word for word in codes if word))
    numbers = column.str.to_lowercase().replace_strict(codes, default=_UNKNOWN, return_dtype=pl.UInt8)
    return np.ascontiguousarray(numbers.fill_null(_UNKNOWN).to_numpy(), np.uint8)


def _words(column: Column | None, name: str, codes: Mapping[str, int]) -> NDArray[np.uint8] | None:
    """Words as their codes, where null says as little as empty text."""
    if isinstance(column, pl.Series):
        column = column.fill_null("") if column.dtype == pl.String else column.cast(pl.Int64).fill_null(0)
    return _codes(column, name, codes)


def _flags(columns: Mapping[str, Column], rows: int) -> NDArray[np.uint8] | None:
    """The flags of a column of them, null or empty text being none, or of Booleans, one column a flag."""
    given = [name for name in FLAGS if name in columns]
    if not given:
        return _words(columns.get("flags"), "flags", FLAGS)
    if "flags" in columns:
        raise SchemaError(f"columns 'flags' and '{given[0]}' say the same; leave one out", column=given[0])
    flags = np.zeros(rows, np.uint8)
    for name in given:
        column = columns[name]
        if isinstance(column, pl.Series) and column.dtype in (pl.Boolean, pl.Null):
            column = column.cast(pl.Boolean).fill_null(value=False).to_numpy()
        if not isinstance(column, np.ndarray) or column.dtype != np.bool_:
            raise wrong_type(name, column.dtype, "bool")
        flags |= np.where(column, np.uint8(FLAGS[name]), np.uint8(0))
    return flags


def _numbers(column: Column | None, field: Field, scale: tuple[int, str] | None) -> NDArray[Any] | None:
    """Whole ticks or lots, null as :data:`NULL`, off the grid as :data:`OFF_GRID`."""
    if column is None:
        return None
    flaws = Flaws(len(column))
    whole = whole_numbers(column, field, scale, flaws)
    if whole.dtype == np.int64 and len(whole) and whole.min() <= OFF_GRID:
        whole = np.maximum(whole, OFF_GRID + 1)  # a number out of every range, which is no null
    if flaws.codes is None:
        return whole
    whole = whole.astype(np.int64)
    whole[flaws.codes == field.off_grid] = OFF_GRID
    whole[flaws.codes == field.missing] = NULL
    return whole


def _times(column: Column | None, name: str) -> NDArray[np.int64] | None:
    """Nanoseconds since 1970 UTC, null as :data:`NULL`."""
    if column is None:
        return None
    flaws = Flaws(len(column))
    try:
        times = nanoseconds(column, flaws)
    except SchemaError as error:
        raise SchemaError(str(error).replace("'time'", f"'{name}'"), column=name) from None
    if flaws.codes is None:
        return times
    return np.where(flaws.codes == RejectReason.TIME_MISSING, NULL, times)
