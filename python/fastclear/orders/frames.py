"""Any frame or mapping as columns under their own names."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, Final, cast

import polars as pl

from fastclear.errors import SchemaError
from fastclear.orders.column import Column, array_or_series
from fastclear.orders.foreign import Foreign

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

_warned_of: set[str] = set()


def named_columns(orders: object) -> dict[str, Column]:
    """Columns by their own names, aliases resolved, unknown ones left out."""
    columns: dict[str, Column] = {}
    given_columns = items(orders)
    for given, column in given_columns:
        name = ALIASES.get(given, given)
        if name not in KNOWN:
            if given not in _warned_of:
                _warned_of.add(given)
                warnings.warn(f"column '{given}' is no column of orders and is ignored", UserWarning, stacklevel=4)
            continue
        if name in columns:
            raise SchemaError(f"column '{name}' is given twice, once as '{given}'; leave one out", column=name)
        columns[name] = array_or_series(name, column)
    for name in ("side", "price", "quantity"):
        if name not in columns:
            have = ", ".join(given for given, _ in given_columns) or "none"
            raise SchemaError(f"column '{name}' is missing (columns given: {have})", column=name)
    return columns


def items(orders: object) -> list[tuple[str, object]]:
    """Names and columns, unread: a column that nobody asked for may be of any kind."""
    if type(orders) is dict and orders.keys() <= KNOWN:  # most calls, and nothing to find out
        return list(orders.items())
    if isinstance(orders, pl.DataFrame):
        return [(series.name, series) for series in orders.get_columns()]
    frame = cast("Any", orders)
    with Foreign("orders"):
        if isinstance(orders, pl.LazyFrame):
            return items(orders.collect())
        if isinstance(orders, Mapping):
            return [(str(name), column) for name, column in orders.items()]
        if hasattr(orders, "__dataframe__") and hasattr(orders, "iloc"):  # pandas, with or without pyarrow beside it
            return [(str(name), frame.iloc[:, place]) for place, name in enumerate(frame.columns)]
        if hasattr(orders, "__arrow_c_stream__"):
            if hasattr(orders, "schema") and hasattr(orders, "column"):  # a pyarrow table or batch
                return [(str(name), frame.column(place)) for place, name in enumerate(frame.schema.names)]
            return items(pl.DataFrame(frame))
    raise SchemaError(
        f"orders is a {type(orders).__name__}; give a polars, pandas or pyarrow frame, or a mapping of columns"
    )
