"""The door through which orders enter: any frame or mapping of columns becomes plain integer columns.

Nothing here looks at a row: every check is over a column. A row that makes no sense gets a reject code; only columns
that make no sense raise.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear.errors import SchemaError
from fastclear.reject import RejectReason
from fastclear.units import Units

ALIASES: Final[dict[str, str]] = {
    "order_id": "order",
    "agent": "participant",
    "participant_id": "participant",
    "market_id": "market",
    "order_type": "type",
}
"""Other names under which columns are accepted."""

KNOWN: Final[frozenset[str]] = frozenset(
    {"side", "price", "quantity", "type", "market", "order", "participant", "time", "min_quantity", "start_price"}
)
BUY_WORDS: Final[tuple[str, ...]] = ("buy", "bid")
SELL_WORDS: Final[tuple[str, ...]] = ("sell", "ask", "offer")

NO_START: Final = -(2**63)
"""``Orders.start_price`` of a market order that names none: its opening quote is its limit, which the core sets."""

_NO_SIDE: Final = 255
_INT64_MAX: Final = 2**63 - 1
_FAR_OUT: Final = 2**62  # stands in for integers beyond 64 bits: out of every range all the same
_NUMBERS: Final[frozenset[str]] = frozenset({"price", "quantity", "min_quantity", "start_price"})
_NESTED: Final = (list, tuple, dict, set, frozenset, np.ndarray, pl.Series)
_WIDE: Final = tuple(getattr(pl, name) for name in ("Int128", "UInt128") if hasattr(pl, name))
_IDS: Final = (np.int64,)
_DTYPES: Final[dict[str, tuple[type[np.generic], ...]]] = {
    "side": (np.uint8,),
    "price": (np.int64, np.int32),
    "quantity": (np.int64, np.int32),
    "market": _IDS,
    "order": _IDS,
    "participant": _IDS,
    "time": _IDS,
    "is_market_order": (np.uint8,),
    "min_quantity": _IDS,
    "start_price": _IDS,
    "refused": (np.uint16,),
}
_OURS: Final = (SchemaError, MemoryError)
_warned_of: set[str] = set()


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
    frozen: bool = False
    units: Units | None = None

    @property
    def n(self) -> int:
        """Number of orders."""
        return len(self.side)

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
            return pl.Series("order", np.arange(self.n, dtype=np.int64))
        names = self.names("order", self.order)
        missing = self.missing.get("order")
        return names if missing is None else names.set(pl.Series(missing), None)


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
        _check_given(orders)
        return orders
    if units is not None and not isinstance(units, Units):
        raise SchemaError(f'units={units!r} are none; give fc.Units(price="ct/kWh", quantity="kWh")')
    columns = _columns(orders)
    side = columns["side"]
    n = len(side)
    for name, column in columns.items():
        if len(column) != n:
            raise SchemaError(
                f"column '{name}' has {len(column)} rows and 'side' has {n}; give columns of one length",
                column=name,
            )
    flaws = _Flaws(n)
    texts: dict[str, pl.Series] = {}
    missing: dict[str, NDArray[np.bool_]] = {}

    def ids(name: str) -> NDArray[np.int64] | None:
        return _id(columns[name], name, texts, missing, flaws) if name in columns else None

    kinds = _market_orders(columns["type"], flaws) if "type" in columns else None
    ticks, lots = (None, None) if units is None else ((units.ticks, units.rounding), (units.lots, units.rounding))
    price = _number(columns["price"], _PRICE, ticks, flaws, kinds)
    encoded = Orders(
        side=_side(side, flaws),
        price=price,
        quantity=_number(columns["quantity"], _QUANTITY, lots, flaws),
        market=ids("market"),
        order=ids("order"),
        participant=ids("participant"),
        time=_time(columns["time"], flaws) if "time" in columns else None,
        is_market_order=kinds,
        texts=texts,
        missing=missing,
        units=units,
    )
    if "min_quantity" in columns:
        encoded.min_quantity = _optional(columns["min_quantity"], _MIN_QUANTITY, lots, flaws, 0)
    if "start_price" in columns:
        limits = price if kinds is None else np.where(kinds != 0, NO_START, price.astype(np.int64, copy=False))
        encoded.start_price = _optional(columns["start_price"], _START_PRICE, ticks, flaws, limits)
    encoded.refused = flaws.codes
    for array in (
        encoded.side,
        encoded.price,
        encoded.quantity,
        encoded.market,
        encoded.order,
        encoded.participant,
        encoded.time,
        encoded.min_quantity,
        encoded.start_price,
    ):
        if array is not None and not _nobody_writes(array):
            return encoded
    encoded.frozen = True
    return encoded


def _check_given(orders: Orders) -> None:
    """Refuse hand-made :class:`Orders` that the core could not read."""
    n = len(orders.side) if isinstance(orders.side, np.ndarray) else 0
    for name, dtypes in _DTYPES.items():
        array = getattr(orders, name)
        if array is None and name not in ("side", "price", "quantity"):
            continue
        if not (
            isinstance(array, np.ndarray) and array.dtype in dtypes and array.shape == (n,) and array.dtype.isnative
        ):
            raise SchemaError(f"Orders.{name} is no {dtypes[0].__name__} array of shape ({n},)", column=name)
        if not (array.flags.c_contiguous and array.flags.aligned):
            raise SchemaError(f"Orders.{name} is not contiguous or not aligned; give a plain array", column=name)


def _nobody_writes(array: NDArray[Any]) -> bool:
    """Whether no Python code holds this memory writable: a read-only view of a writable array does not count."""
    while not array.flags.writeable:
        if not isinstance(array.base, np.ndarray):
            return True
        array = array.base
    return False


@dataclass(frozen=True, slots=True)
class _Field:
    """A column of ticks or lots, and the reject codes of its cells; ``missing`` is None where nulls are welcome."""

    name: str
    missing: int | None
    off_grid: int


_PRICE: Final = _Field("price", RejectReason.PRICE_MISSING, RejectReason.PRICE_OFF_GRID)
_QUANTITY: Final = _Field("quantity", RejectReason.QUANTITY_MISSING, RejectReason.QUANTITY_OFF_GRID)
_MIN_QUANTITY: Final = _Field("min_quantity", None, RejectReason.MIN_QUANTITY_OUT_OF_RANGE)
_START_PRICE: Final = _Field("start_price", None, RejectReason.START_BEYOND_LIMIT)


class _Flaws:
    """Reject codes that the border finds; the first reason in precedence wins."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.codes: NDArray[np.uint16] | None = None

    def mark(self, rows: NDArray[np.bool_], reason: int) -> None:
        if not rows.any():
            return
        if self.codes is None:
            self.codes = np.zeros(self.n, np.uint16)
        worse = rows & ((self.codes == 0) | (self.codes > reason))
        self.codes[worse] = reason


def _columns(orders: object) -> dict[str, NDArray[Any] | pl.Series]:
    """Columns by their own names, aliases resolved, unknown ones left out."""
    columns: dict[str, NDArray[Any] | pl.Series] = {}
    items = _items(orders)
    for given, column in items:
        name = ALIASES.get(given, given)
        if name not in KNOWN:
            if given not in _warned_of:
                _warned_of.add(given)
                warnings.warn(f"column '{given}' is no column of orders and is ignored", UserWarning, stacklevel=4)
            continue
        if name in columns:
            raise SchemaError(f"column '{name}' is given twice, once as '{given}'; leave one out", column=name)
        columns[name] = _series_or_array(name, column)
    for name in ("side", "price", "quantity"):
        if name not in columns:
            have = ", ".join(given for given, _ in items) or "none"
            raise SchemaError(f"column '{name}' is missing (columns given: {have})", column=name)
    return columns


def _items(orders: object) -> list[tuple[str, object]]:
    """Names and columns, unread: a column that nobody asked for may be of any kind."""
    if isinstance(orders, pl.DataFrame):
        return [(series.name, series) for series in orders.get_columns()]
    frame = cast("Any", orders)
    with _Foreign("orders"):
        if isinstance(orders, pl.LazyFrame):
            return _items(orders.collect())
        if isinstance(orders, Mapping):
            return [(str(name), column) for name, column in orders.items()]
        if hasattr(orders, "__dataframe__") and hasattr(orders, "iloc"):  # pandas, with or without pyarrow beside it
            return [(str(name), frame.iloc[:, place]) for place, name in enumerate(frame.columns)]
        if hasattr(orders, "__arrow_c_stream__"):
            if hasattr(orders, "schema") and hasattr(orders, "column"):  # a pyarrow table or batch
                return [(str(name), frame.column(place)) for place, name in enumerate(frame.schema.names)]
            return _items(pl.DataFrame(frame))
    raise SchemaError(
        f"orders is a {type(orders).__name__}; give a polars, pandas or pyarrow frame, or a mapping of columns"
    )


class _Foreign:
    """Run code of other libraries and of the caller: whatever it raises comes out as one SchemaError."""

    __slots__ = ("column", "what")

    def __init__(self, what: str, column: str | None = None) -> None:
        self.what = what
        self.column = column

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception | pl.exceptions.PanicException) and not isinstance(error, _OURS):
            first = next(iter(str(error).splitlines()), "") or type(error).__name__
            raise SchemaError(f"{self.what} cannot be read: {first}", column=self.column) from error


def _series_or_array(name: str, column: object) -> NDArray[Any] | pl.Series:
    """Plain numeric columns as numpy arrays without a copy where that is possible, all others as polars series."""
    if isinstance(column, np.ndarray):
        if column.ndim != 1:
            raise SchemaError(f"column '{name}' has {column.ndim} dimensions; give one", column=name)
        if isinstance(column, np.ma.MaskedArray) or column.dtype == object:
            column = column.tolist()  # masked values become None
        elif column.dtype.kind in "biuf":
            return _plain(column)
        elif column.dtype.kind == "M":
            with _Foreign(f"column '{name}'", name):
                column = _stamps(name, column)
    elif isinstance(column, str | bytes | bytearray):
        raise SchemaError(f"column '{name}' is one {type(column).__name__}; give one value an order", column=name)
    elif hasattr(column, "to_numpy") and hasattr(column, "iloc"):  # a pandas series
        with _Foreign(f"column '{name}'", name):
            column = _from_pandas(name, column)
        if isinstance(column, np.ndarray):
            return column
    if isinstance(column, Iterator):
        with _Foreign(f"column '{name}'", name):
            column = list(column)
    if isinstance(column, list | tuple):
        column = _cells(name, column)
    if isinstance(column, pl.Series):
        series = column
    else:
        with _Foreign(f"column '{name}'", name):
            series = pl.Series(name, cast("Any", column), strict=True)
    dtype = series.dtype
    if dtype in _WIDE:
        return _narrowed(name, series)
    if (dtype.is_integer() or dtype.is_float()) and series.null_count() == 0:
        return _plain(series.rechunk().to_numpy())
    return series


def _plain(array: NDArray[Any]) -> NDArray[Any]:
    """The array itself where its memory is contiguous, aligned and of this machine's byte order, else a copy."""
    if array.dtype.isnative and array.flags.aligned:
        return np.ascontiguousarray(array)
    return array.astype(array.dtype.newbyteorder("="))  # a copy, and as every copy aligned


def _cells(name: str, cells: list[Any] | tuple[Any, ...]) -> list[Any]:
    """Python values of one kind, ready for polars; pandas' NA and NaT are null."""
    kinds = set(map(type, cells))
    if any(kind.__name__ in ("NAType", "NaTType") for kind in kinds):
        cells = [None if type(cell).__name__ in ("NAType", "NaTType") else cell for cell in cells]
        kinds = set(map(type, cells))
    nested = next((kind for kind in kinds if issubclass(kind, _NESTED)), None)
    if nested is not None:  # polars would descend, into a list that holds itself without end
        raise SchemaError(f"column '{name}' holds a {nested.__name__}; give one value an order", column=name)
    kinds.discard(type(None))
    if name != "side" and len(kinds) > 1 and any(issubclass(kind, bool | np.bool_) for kind in kinds):
        raise SchemaError(f"column '{name}' mixes bool with other values; give values of one type", column=name)
    if any(issubclass(kind, datetime) for kind in kinds):
        zones = {cell.tzinfo is None for cell in cells if isinstance(cell, datetime)}
        if len(zones) > 1:
            raise SchemaError(f"column '{name}' mixes datetimes with and without a time zone", column=name)
    if name not in _NUMBERS:
        return list(cells)
    near = [_near(cell) for cell in cells]
    if len(kinds) > 1 and all(issubclass(kind, int | float | np.integer | np.floating) for kind in kinds):
        number = float if any(issubclass(kind, float | np.floating) for kind in kinds) else int
        near = [None if cell is None else number(cell) for cell in near]
    return near


def _near(value: Any) -> Any:
    """A number beyond every range as one that 64 bits hold and no range does, NaN as null; all else as it is."""
    if isinstance(value, int | np.integer):
        if not -_FAR_OUT <= value <= _FAR_OUT:
            return _FAR_OUT if value > 0 else -_FAR_OUT
    elif isinstance(value, Decimal):
        if value.is_nan():
            return None
        if not -_FAR_OUT <= value <= _FAR_OUT:
            return Decimal(_FAR_OUT if value > 0 else -_FAR_OUT)
    return value


def _narrowed(name: str, series: pl.Series) -> NDArray[Any] | pl.Series:
    """A 128-bit column in 64 bits; of prices and quantities what does not fit stays out of every range."""
    if name in _NUMBERS:
        narrow = series.clip(-_FAR_OUT if series.dtype == pl.Int128 else 0, _FAR_OUT).cast(pl.Int64)
    else:
        narrow = series.cast(pl.Int64, strict=False)
        if narrow.null_count() != series.null_count() and name != "side":
            row = int((narrow.is_null() & series.is_not_null()).arg_max() or 0)
            raise SchemaError(
                f"column '{name}', row {row} is beyond 64 bits; give a smaller number", column=name, row=row
            )
    return _series_or_array(name, narrow)


def _from_pandas(name: str, column: Any) -> NDArray[Any] | pl.Series | list[Any]:
    """A pandas series, with pyarrow beside it or without."""
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "biuf":
        return _plain(column.to_numpy())
    if column.dtype.kind == "M":
        has_zone = column.dt.tz is not None
        stamps = (column.dt.tz_convert("UTC").dt.tz_localize(None) if has_zone else column).to_numpy()
        return _stamps(name, stamps, "UTC" if has_zone else None)
    return cast("list[Any]", column.astype(object).where(column.notna(), None).to_list())


def _stamps(name: str, stamps: NDArray[Any], zone: str | None = None) -> pl.Series:
    """Numpy datetimes of any unit as a series of datetimes; what is beyond it becomes null."""
    unit = np.datetime_data(stamps.dtype)[0]
    if unit not in ("ms", "us", "ns"):
        stamps, unit = stamps.astype("datetime64[ms]"), "ms"
    counts = np.ascontiguousarray(stamps.astype(f"datetime64[{unit}]")).view(np.int64)
    series = pl.Series(name, counts).cast(pl.Datetime(cast("Any", unit), zone))
    return series.set(pl.Series(np.isnat(stamps)), None)


def _wrong_type(name: str, dtype: object, wanted: str) -> SchemaError:
    return SchemaError(f"column '{name}' is {dtype}; give {wanted}", column=name)


def _side(column: NDArray[Any] | pl.Series, flaws: _Flaws) -> NDArray[np.uint8]:
    wanted = "text (buy/sell, bid/ask/offer), bool, or integers (1 = buy, 0 = sell)"
    if isinstance(column, np.ndarray):
        if column.dtype.char in "?bB":  # bool, int8, uint8
            return cast("NDArray[np.uint8]", column.view(np.uint8))
        if column.dtype.kind not in "iu":
            raise _wrong_type("side", column.dtype, wanted)
        side = np.full(len(column), _NO_SIDE, np.uint8)
        side[column == 1] = 1
        side[column == 0] = 0
        return side
    if column.dtype in (pl.Categorical, pl.Enum):
        column = column.cast(pl.String)
    if column.dtype == pl.String:
        words = column.str.to_lowercase()
        buys, sells = (words.is_in(list(known)).fill_null(value=False) for known in (BUY_WORDS, SELL_WORDS))
    elif column.dtype == pl.Boolean:
        buys, sells = column.fill_null(value=False), (~column).fill_null(value=False)
    elif column.dtype.is_integer():
        buys, sells = (column == 1).fill_null(value=False), (column == 0).fill_null(value=False)
    elif column.dtype == pl.Null:
        buys = sells = pl.Series([False]).new_from_index(0, len(column))
    else:
        raise _wrong_type("side", column.dtype, wanted)
    side = np.where(buys.to_numpy(), 1, np.where(sells.to_numpy(), 0, _NO_SIDE)).astype(np.uint8)
    flaws.mark(side == _NO_SIDE, RejectReason.UNKNOWN_SIDE)
    return side


def _market_orders(column: NDArray[Any] | pl.Series, flaws: _Flaws) -> NDArray[np.uint8]:
    if isinstance(column, np.ndarray) or column.dtype not in (pl.String, pl.Categorical, pl.Enum, pl.Null):
        raise _wrong_type("type", column.dtype, "text: limit or market")
    words = column.cast(pl.String).str.to_lowercase()
    market, limit = (words.is_in([word]).fill_null(value=False).to_numpy() for word in ("market", "limit"))
    flaws.mark(~(market | limit), RejectReason.UNKNOWN_TYPE)
    return cast("NDArray[np.uint8]", market.astype(np.uint8))


def _number(
    column: NDArray[Any] | pl.Series,
    field: _Field,
    scale: tuple[int, str] | None,
    flaws: _Flaws,
    is_market_order: NDArray[np.uint8] | None = None,
) -> NDArray[np.int64]:
    """Whole ticks or lots; ``scale`` is how many of them one unit of the column is, and the rounding asked for."""
    factor = 1 if scale is None else scale[0]
    if isinstance(column, np.ndarray) and column.dtype.kind in "iu":
        return _whole(column, factor)

    def mark(rows: NDArray[np.bool_], reason: int | None) -> None:
        if reason is not None:
            flaws.mark(rows if is_market_order is None else rows & (is_market_order == 0), reason)

    name = field.name
    if isinstance(column, pl.Series):
        if column.dtype == pl.Null:
            column = column.cast(pl.Int64)
        mark(column.is_null().to_numpy(), field.missing)
        if column.dtype.is_decimal():
            ticks, off_grid = _decimal(column, _declared(scale, name, column.dtype))
            mark(off_grid, field.off_grid)
            return ticks
        if not (column.dtype.is_integer() or column.dtype.is_float()):
            raise _wrong_type(name, column.dtype, "integers, or numbers with units=fc.Units(...)")
        column = column.fill_null(0).rechunk().to_numpy()
    kind = column.dtype.kind
    if kind in "iu":
        return _whole(column, factor)
    if kind != "f":
        raise _wrong_type(name, column.dtype, "integers, or numbers with units=fc.Units(...)")
    factor, rounding = _declared(scale, name, column.dtype)
    missing = np.isnan(column)
    mark(missing, field.missing)
    exact = np.where(missing, 0.0, column.astype(np.float64))
    with np.errstate(over="ignore", invalid="ignore"):
        nearest = np.rint(exact * factor)
        if rounding == "refuse":
            # On the grid is what is the closest floating-point number to some whole tick: 0.1 ct is, 0.1 + 0.2 is not.
            mark((nearest / factor != exact) & np.isfinite(exact), field.off_grid)
    whole: NDArray[np.int64] = np.clip(nearest, -_FAR_OUT, _FAR_OUT).astype(np.int64)
    return whole


def _optional(
    column: NDArray[Any] | pl.Series,
    field: _Field,
    scale: tuple[int, str] | None,
    flaws: _Flaws,
    default: NDArray[np.int64] | int,
) -> NDArray[np.int64]:
    """Whole ticks or lots of a column whose cells may be null or NaN; those get ``default``."""
    absent = None
    if isinstance(column, pl.Series):
        absent = column.is_null().to_numpy()
        if column.dtype.is_float():
            absent |= column.is_nan().fill_null(value=False).to_numpy()
    elif column.dtype.kind == "f":
        absent = np.isnan(column)
    whole = _number(column, field, scale, flaws).astype(np.int64, copy=False)
    return whole if absent is None else np.where(absent, default, whole)


def _declared(scale: tuple[int, str] | None, name: str, dtype: object) -> tuple[int, str]:
    if scale is None:
        raise SchemaError(
            f"column '{name}' is {dtype} and no units are declared; cast it to integers (ticks, lots), "
            'or pass units=fc.Units(price="ct/kWh", quantity="kWh")',
            column=name,
        )
    return scale


def _whole(column: NDArray[Any], factor: int) -> NDArray[np.int64]:
    """An integer column in ticks or lots; what leaves 62 bits stays out of every range."""
    if factor == 1 and column.dtype.kind == "i" and column.dtype.itemsize >= 4:
        return cast("NDArray[np.int64]", column)
    bound = _FAR_OUT // factor
    if column.dtype == np.uint64:
        column = np.minimum(column, np.uint64(bound))
    whole: NDArray[np.int64] = np.clip(column.astype(np.int64), -bound, bound) * factor
    return whole


def _decimal(column: pl.Series, scale: tuple[int, str]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """A decimal column in ticks or lots, exactly, and which rows lie off the grid."""
    factor, rounding = scale
    whole: list[int] = []
    off_grid: list[bool] = []
    for value in column.to_list():
        ticks = Fraction(0 if value is None else value) * factor
        off_grid.append(rounding == "refuse" and ticks.denominator != 1)
        whole.append(max(-_FAR_OUT, min(_FAR_OUT, round(ticks))))
    return np.array(whole, np.int64), np.array(off_grid, bool)


def _id(
    column: NDArray[Any] | pl.Series,
    name: str,
    texts: dict[str, pl.Series],
    missing: dict[str, NDArray[np.bool_]],
    flaws: _Flaws,
) -> NDArray[np.int64]:
    """Ids as integers; text becomes its rank among the distinct texts, compared as bytes."""
    if isinstance(column, np.ndarray):
        if column.dtype.kind not in "iu":
            raise _wrong_type(name, column.dtype, "integers or text")
        if column.dtype == np.uint64 and len(column) and int(column.max()) > _INT64_MAX:
            raise SchemaError(f"column '{name}' holds ids beyond 2**63 - 1; give smaller ids or text", column=name)
        return column.astype(np.int64, copy=False)
    if column.dtype == pl.Null:
        column = column.cast(pl.Int64)
    elif column.dtype in (pl.Categorical, pl.Enum):
        column = column.cast(pl.String)
    is_text = column.dtype == pl.String
    if not (is_text or column.dtype.is_integer()):
        raise _wrong_type(name, column.dtype, "integers or text")
    if column.null_count():
        missing[name] = column.is_null().to_numpy()
        flaws.mark(missing[name], RejectReason.ID_MISSING)
        # The row is refused: any id that the column has will do.
        present = column.drop_nulls()
        column = column.fill_null(present[0] if len(present) else ("" if is_text else 0))
    if not is_text:
        return _id(column.rechunk().to_numpy(), name, texts, missing, flaws)
    distinct = column.unique().sort()  # polars sorts text by its bytes
    texts[name] = distinct.alias(name)
    return column.cast(pl.Enum(distinct)).to_physical().cast(pl.Int64).rechunk().to_numpy()


def _time(column: NDArray[Any] | pl.Series, flaws: _Flaws) -> NDArray[np.int64]:
    """Nanoseconds since 1970 UTC."""
    wanted = "int64 nanoseconds since 1970 UTC, or datetimes with a time zone"
    if isinstance(column, np.ndarray):
        if column.dtype.kind not in "iu" or column.dtype == np.uint64:
            raise _wrong_type("time", column.dtype, wanted)
        return column.astype(np.int64, copy=False)
    if column.dtype == pl.Null:
        column = column.cast(pl.Int64)
    if isinstance(column.dtype, pl.Datetime):
        if column.dtype.time_zone is None:
            raise SchemaError(
                "column 'time' holds datetimes without a time zone; say which one with "
                '.dt.replace_time_zone("UTC"), or the zone of your clock, tz="Europe/Berlin"',
                column="time",
            )
        column = column.dt.timestamp("ns")
    elif not column.dtype.is_integer() or column.dtype == pl.UInt64:
        raise _wrong_type("time", column.dtype, wanted)
    flaws.mark(column.is_null().to_numpy(), RejectReason.TIME_MISSING)
    return column.fill_null(0).cast(pl.Int64).rechunk().to_numpy()
