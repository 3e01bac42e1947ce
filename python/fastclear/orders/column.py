"""One column of any kind as a numpy array, without a copy where that is possible, or as a polars series."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear.errors import SchemaError
from fastclear.orders.foreign import Foreign
from fastclear.orders.memory import plain

Column = NDArray[Any] | pl.Series
"""A column as it was read: numbers without a gap as an array, all else as a series."""

FAR_OUT: Final = 2**62  # stands in for integers beyond 64 bits: out of every range all the same
_NUMBERS: Final[frozenset[str]] = frozenset(
    {"price", "quantity", "min_quantity", "start_price", "net_load", "retail_price", "feed_in_price"}
)
_MASKED: Final = np.ma.MaskedArray
_NESTED: Final = (list, tuple, dict, set, frozenset, np.ndarray, pl.Series)
_WIDE: Final = tuple(getattr(pl, name) for name in ("Int128", "UInt128") if hasattr(pl, name))


def array_or_series(name: str, column: object) -> Column:
    """Plain numeric columns as numpy arrays without a copy where that is possible, all others as polars series."""
    if isinstance(column, np.ndarray):
        if column.ndim != 1:
            raise SchemaError(f"column '{name}' has {column.ndim} dimensions; give one", column=name)
        kind = column.dtype.kind
        if kind == "O" or isinstance(column, _MASKED):
            column = column.tolist()  # masked values become None
        elif kind in "biuf":
            return plain(column)
        elif kind == "M":
            with Foreign(f"column '{name}'", name):
                column = _stamps(name, column)
    elif isinstance(column, pl.Series):
        return _from_polars(name, column)
    elif isinstance(column, str | bytes | bytearray):
        raise SchemaError(f"column '{name}' is one {type(column).__name__}; give one value an order", column=name)
    elif hasattr(column, "to_numpy") and hasattr(column, "iloc"):  # a pandas series
        with Foreign(f"column '{name}'", name):
            column = _from_pandas(name, column)
        if isinstance(column, np.ndarray):
            return column
    if isinstance(column, Iterator):
        with Foreign(f"column '{name}'", name):
            column = list(column)
    if isinstance(column, list | tuple):
        column = _cells(name, column)
    if not isinstance(column, pl.Series):
        with Foreign(f"column '{name}'", name):
            column = pl.Series(name, cast("Any", column), strict=True)
    return _from_polars(name, column)


def _from_polars(name: str, series: pl.Series) -> Column:
    dtype = series.dtype
    if dtype in _WIDE:
        return _narrowed(name, series)
    if (dtype.is_integer() or dtype.is_float()) and series.null_count() == 0:
        return plain(series.rechunk().to_numpy())
    return series


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
        if not -FAR_OUT <= value <= FAR_OUT:
            return FAR_OUT if value > 0 else -FAR_OUT
    elif isinstance(value, Decimal):
        if value.is_nan():
            return None
        if not -FAR_OUT <= value <= FAR_OUT:
            return Decimal(FAR_OUT if value > 0 else -FAR_OUT)
    return value


def _narrowed(name: str, series: pl.Series) -> Column:
    """A 128-bit column in 64 bits; of prices and quantities what does not fit stays out of every range."""
    if name in _NUMBERS:
        narrow = series.clip(-FAR_OUT if series.dtype == pl.Int128 else 0, FAR_OUT).cast(pl.Int64)
    else:
        narrow = series.cast(pl.Int64, strict=False)
        if narrow.null_count() != series.null_count() and name != "side":
            row = int((narrow.is_null() & series.is_not_null()).arg_max() or 0)
            raise SchemaError(
                f"column '{name}', row {row} is beyond 64 bits; give a smaller number", column=name, row=row
            )
    return array_or_series(name, narrow)


def _from_pandas(name: str, column: Any) -> Column | list[Any]:
    """A pandas series, with pyarrow beside it or without: over the same memory where it holds an array of numbers."""
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "biuf":
        return plain(column.to_numpy())
    if column.dtype.kind == "M":
        has_zone = column.dt.tz is not None
        stamps = (column.dt.tz_convert("UTC").dt.tz_localize(None) if has_zone else column).to_numpy()
        return _stamps(name, stamps, "UTC" if has_zone else None)
    if hasattr(column.array, "__arrow_array__"):  # numbers with gaps, text
        with suppress(ImportError):
            series = pl.Series(name, column.array.__arrow_array__())
            if series.dtype.is_integer() or series.dtype in (pl.String, pl.Boolean):
                return series
    return cast("list[Any]", column.astype(object).where(column.notna(), None).to_list())


def _stamps(name: str, stamps: NDArray[Any], zone: str | None = None) -> pl.Series:
    """Numpy datetimes of any unit as a series of datetimes; what is beyond it becomes null."""
    unit = np.datetime_data(stamps.dtype)[0]
    if unit not in ("ms", "us", "ns"):
        stamps, unit = stamps.astype("datetime64[ms]"), "ms"
    counts = np.ascontiguousarray(stamps.astype(f"datetime64[{unit}]")).view(np.int64)
    series = pl.Series(name, counts).cast(pl.Datetime(cast("Any", unit), zone))
    return series.set(pl.Series(np.isnat(stamps)), None)


def wrong_type(name: str, dtype: object, wanted: str) -> SchemaError:
    """The complaint about a column of a type that cannot be read."""
    return SchemaError(f"column '{name}' is {dtype}; give {wanted}", column=name)
