"""Any frame or mapping as columns under their own names."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import polars as pl

from fastclear.errors import SchemaError
from fastclear.orders.column import Column, array_or_series
from fastclear.orders.foreign import Foreign
from fastclear.orders.words import plain_sides

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

_warned_of: set[tuple[frozenset[str], str]] = set()


def named_columns(orders: object) -> dict[str, Column]:
    """Columns by their own names, aliases resolved, unknown ones left out."""
    given_columns = items(orders)
    columns = by_own_names(given_columns, "orders", KNOWN)
    for name in ("side", "price", "quantity"):
        if name not in columns:
            have = ", ".join(given for given, _ in given_columns) or "none"
            raise SchemaError(f"column '{name}' is missing (columns given: {have})", column=name)
    return columns


def by_own_names(given: Sequence[tuple[str, Any]], what: str, known: frozenset[str]) -> dict[str, Column]:
    """Columns of ``what`` by their own names: aliases resolved, unknown ones left out with a warning, once."""
    columns: dict[str, Column] = {}
    for written, column in given:
        name = ALIASES.get(written, written)
        if name not in known:
            if (known, written) not in _warned_of:
                _warned_of.add((known, written))
                warnings.warn(f"column '{written}' is no column of {what} and is ignored", UserWarning, stacklevel=6)
            continue
        if name in columns:
            raise SchemaError(f"column '{name}' is given twice, once as '{written}'; leave one out", column=name)
        columns[name] = array_or_series(name, column)
    return columns


def plain_columns(orders: object) -> dict[str, Any] | None:
    """Columns of a polars frame as arrays over the same memory: None unless each of them can be one.

    Only ``side`` is read where it must be: words and Booleans, which are bits in polars, become bytes.
    """
    if not isinstance(orders, pl.DataFrame):
        return None
    columns: dict[str, Any] = {}
    for series in orders.get_columns():
        name = series.name
        try:
            columns[name] = series.to_numpy(allow_copy=False)
        except RuntimeError:  # nulls, several pieces, or no numbers
            column = plain_sides(series) if name == "side" else None
            if column is None:
                return None
            columns[name] = column
    return columns


def items(orders: object, what: str = "orders") -> list[tuple[str, object]]:
    """Names and columns, unread: a column that nobody asked for may be of any kind. Complaints call them `what`."""
    if type(orders) is dict and orders.keys() <= KNOWN:  # most calls, and nothing to find out
        return list(orders.items())
    if isinstance(orders, pl.DataFrame):
        return [(series.name, series) for series in orders.get_columns()]
    frame = cast("Any", orders)
    with Foreign(what):
        if isinstance(orders, pl.LazyFrame):
            return items(orders.collect(), what)
        if isinstance(orders, Mapping):
            return [(str(name), column) for name, column in orders.items()]
        if hasattr(orders, "__dataframe__") and hasattr(orders, "iloc"):  # pandas, with or without pyarrow beside it
            return [(str(name), column) for name, column in frame.items()]
        if hasattr(orders, "__arrow_c_stream__"):
            if hasattr(orders, "schema") and hasattr(orders, "column"):  # a pyarrow table or batch
                return [(str(name), frame.column(place)) for place, name in enumerate(frame.schema.names)]
            return items(pl.DataFrame(frame), what)
    raise SchemaError(
        f"{what} is a {type(orders).__name__}; give a polars, pandas or pyarrow frame, or a mapping of columns"
    )
