"""Times as nanoseconds since 1970 UTC."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear.errors import SchemaError
from fastclear.orders.column import Column, wrong_type
from fastclear.orders.flaws import Flaws
from fastclear.reject import RejectReason


def nanoseconds(column: Column, flaws: Flaws) -> NDArray[np.int64]:
    """Nanoseconds since 1970 UTC."""
    wanted = "int64 nanoseconds since 1970 UTC, or datetimes with a time zone"
    if isinstance(column, np.ndarray):
        if column.dtype.kind not in "iu" or column.dtype == np.uint64:
            raise wrong_type("time", column.dtype, wanted)
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
        raise wrong_type("time", column.dtype, wanted)
    flaws.mark(column.is_null().to_numpy(), RejectReason.TIME_MISSING)
    return column.fill_null(0).cast(pl.Int64).rechunk().to_numpy()
