"""Prices and quantities on their grid: whole ticks and lots."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final, NamedTuple, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear.errors import SchemaError
from fastclear.orders.column import FAR_OUT, Column, wrong_type
from fastclear.orders.flaws import Flaws
from fastclear.reject import RejectReason


class Field(NamedTuple):
    """A column of ticks or lots, and the reject codes of its cells; ``missing`` is None where nulls are welcome."""

    name: str
    missing: int | None
    off_grid: int


PRICE: Final = Field("price", RejectReason.PRICE_MISSING, RejectReason.PRICE_OFF_GRID)
QUANTITY: Final = Field("quantity", RejectReason.QUANTITY_MISSING, RejectReason.QUANTITY_OFF_GRID)
MIN_QUANTITY: Final = Field("min_quantity", None, RejectReason.MIN_QUANTITY_OUT_OF_RANGE)
START_PRICE: Final = Field("start_price", None, RejectReason.START_BEYOND_LIMIT)


def whole_numbers(
    column: Column,
    field: Field,
    scale: tuple[int, str] | None,
    flaws: Flaws,
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
            raise wrong_type(name, column.dtype, "integers, or numbers with units=fc.Units(...)")
        column = column.fill_null(0).rechunk().to_numpy()
    kind = column.dtype.kind
    if kind in "iu":
        return _whole(column, factor)
    if kind != "f":
        raise wrong_type(name, column.dtype, "integers, or numbers with units=fc.Units(...)")
    factor, rounding = _declared(scale, name, column.dtype)
    missing = np.isnan(column)
    mark(missing, field.missing)
    exact = np.where(missing, 0.0, column.astype(np.float64))
    with np.errstate(over="ignore", invalid="ignore"):
        nearest = np.rint(exact * factor)
        if rounding == "refuse":
            # On the grid is what is the closest floating-point number to some whole tick: 0.1 ct is, 0.1 + 0.2 is not.
            mark((nearest / factor != exact) & np.isfinite(exact), field.off_grid)
    whole: NDArray[np.int64] = np.clip(nearest, -FAR_OUT, FAR_OUT).astype(np.int64)
    return whole


def optional_whole_numbers(
    column: Column,
    field: Field,
    scale: tuple[int, str] | None,
    flaws: Flaws,
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
    whole = whole_numbers(column, field, scale, flaws).astype(np.int64, copy=False)
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
    bound = FAR_OUT // factor
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
        whole.append(max(-FAR_OUT, min(FAR_OUT, round(ticks))))
    return np.array(whole, np.int64), np.array(off_grid, bool)
