"""Values and columns as settlement accepts them: integers and names, checked once at the border."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear.errors import SettlementError

Participant = str | int
"""A participant as the caller names it."""

INT64_MAX: Final = 2**63 - 1


def whole(name: str, value: object) -> int:
    """Return a 64-bit integer; bools and floats are refused."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise SettlementError(f"{name} = {value!r} is no integer; see the docstring for its unit")
    if not -INT64_MAX <= int(value) <= INT64_MAX:
        raise SettlementError(f"{name} = {value} does not fit 64 bits")
    return int(value)


def int64(name: str, values: object) -> NDArray[np.int64]:
    """Return a column of integers; floats are refused, because nothing that is paid or metered is one."""
    if isinstance(values, pl.Series) and values.null_count():
        row = int(values.is_null().arg_max() or 0)
        raise SettlementError(f"column '{name}', row {row} is null; leave the row out or give its value")
    if isinstance(values, np.ma.MaskedArray) and np.ma.getmaskarray(values).any():
        row = int(np.ma.getmaskarray(values).argmax())
        raise SettlementError(f"column '{name}', row {row} is masked; leave the row out or give its value")
    try:
        array = np.asarray(values)
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError) as error:
        raise SettlementError(f"column '{name}' cannot be read as integers: {error}") from error
    if array.ndim != 1:
        raise SettlementError(f"column '{name}' has {array.ndim} dimensions; give one")
    if array.dtype == np.int64 and array.dtype.isnative:
        return np.ascontiguousarray(array) if array.flags.aligned else array.copy()
    if array.dtype.kind in "iu":
        if array.dtype == np.uint64 and len(array) and int(array.max()) > INT64_MAX:
            raise SettlementError(f"column '{name}' does not fit 64 bits")
        return array.astype(np.int64)
    if array.size == 0:
        return np.empty(0, np.int64)
    if array.dtype.kind == "f" and np.isnan(array).any():
        row = int(np.isnan(array).argmax())
        raise SettlementError(f"column '{name}', row {row} is NaN; leave the row out or give its value")
    raise SettlementError(f"column '{name}' is {array.dtype}; give integers that fit 64 bits")


def checked_name(name: object) -> Participant:
    """Return a participant's name as plain text or a plain integer."""
    value = plain(name)
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise SettlementError(f"participant {name!r} is a {type(name).__name__}; name it by text or an integer")
    if isinstance(value, int) and not -INT64_MAX <= value <= INT64_MAX:
        raise SettlementError(f"participant {value} does not fit 64 bits; use text")
    return value


def plain(value: object) -> Any:
    """Return a numpy scalar as the Python value it holds."""
    return cast("Any", value).item() if isinstance(value, np.generic) or _without_axis(value) else value


def _without_axis(value: object) -> bool:
    return isinstance(value, np.ndarray) and value.ndim == 0


def single(values: object) -> bool:
    """Whether this is one value, and not an iterable of them."""
    return isinstance(values, str) or not isinstance(values, Iterable) or _without_axis(values)


def items(values: object) -> list[Any]:
    """List one value, or every value of an iterable of them."""
    return [plain(values)] if single(values) else list(cast("Iterable[Any]", values))
