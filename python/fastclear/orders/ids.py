"""Ids of markets, orders and participants as integers."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear.errors import SchemaError
from fastclear.orders.column import Column, wrong_type
from fastclear.orders.flaws import Flaws
from fastclear.reject import RejectReason

_INT64_MAX: Final = 2**63 - 1


def integer_ids(
    column: Column,
    name: str,
    texts: dict[str, pl.Series],
    missing: dict[str, NDArray[np.bool_]],
    flaws: Flaws,
) -> NDArray[np.int64]:
    """Ids as integers; text becomes its rank among the distinct texts, compared as bytes."""
    if isinstance(column, np.ndarray):
        if column.dtype.kind not in "iu":
            raise wrong_type(name, column.dtype, "integers or text")
        if column.dtype == np.uint64 and len(column) and int(column.max()) > _INT64_MAX:
            raise SchemaError(f"column '{name}' holds ids beyond 2**63 - 1; give smaller ids or text", column=name)
        return column.astype(np.int64, copy=False)
    if column.dtype == pl.Null:
        column = column.cast(pl.Int64)
    elif column.dtype in (pl.Categorical, pl.Enum):
        column = column.cast(pl.String)
    is_text = column.dtype == pl.String
    if not (is_text or column.dtype.is_integer()):
        raise wrong_type(name, column.dtype, "integers or text")
    if column.null_count():
        missing[name] = column.is_null().to_numpy()
        flaws.mark(missing[name], RejectReason.ID_MISSING)
        # The row is refused: any id that the column has will do.
        present = column.drop_nulls()
        column = column.fill_null(present[0] if len(present) else ("" if is_text else 0))
    if not is_text:
        return integer_ids(column.rechunk().to_numpy(), name, texts, missing, flaws)
    distinct = column.unique().sort()  # polars sorts text by its bytes
    texts[name] = distinct.alias(name)
    return column.cast(pl.Enum(distinct)).to_physical().cast(pl.Int64).rechunk().to_numpy()
