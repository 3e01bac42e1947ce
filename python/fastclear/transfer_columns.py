"""Columns of transfers and obligations as the core reads them; what cannot be read raises with its column and row."""

from __future__ import annotations

import warnings
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear import _core
from fastclear.errors import SchemaError
from fastclear.orders.column import array_or_series
from fastclear.orders.frames import items

KINDS: Final[dict[str, int]] = {name: number for number, name in enumerate(_core.TRANSFER_KINDS)}
"""Number of each kind of transfer by its word."""

_HALF: Final = 2**64
_WIDE: Final = tuple(getattr(pl, name) for name in ("Int128", "UInt128") if hasattr(pl, name))
_ID_BYTES: Final = 16

_warned_of: set[str] = set()


def table(given: object, what: str, known: frozenset[str], required: tuple[str, ...]) -> dict[str, object]:
    """Return the known columns of a frame or mapping by name; of others it warns once.

    Raises
    ------
    SchemaError
        No frame or mapping, a column given twice, or one that is missing.
    """
    columns: dict[str, object] = {}
    for name, column in items(given, what):
        if name in columns:
            raise SchemaError(f"column '{name}' is given twice; leave one out", column=name)
        if name in known:
            columns[name] = column
        elif (what + name) not in _warned_of:
            _warned_of.add(what + name)
            warnings.warn(f"column '{name}' is no column of {what} and is ignored", UserWarning, stacklevel=4)
    for name in required:
        if name not in columns:
            have = ", ".join(columns) or "none"
            raise SchemaError(f"column '{name}' of {what} is missing (columns given: {have})", column=name)
    return columns


def same_length(columns: dict[str, NDArray[Any]]) -> None:
    """Raise where a column is not as long as the first one."""
    first = next(iter(columns))
    rows = len(columns[first])
    for name, column in columns.items():
        if len(column) != rows:
            raise SchemaError(
                f"column '{name}' has {len(column)} rows and '{first}' has {rows}; give one value a row", column=name
            )


def accounts(debit: object, credit: object) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return two columns of accounts as uint32 where both are, else as uint64; a number below 0 is no account."""
    both = _account("debit", debit), _account("credit", credit)
    if all(column.dtype == np.uint32 for column in both):
        return both
    return both[0].astype(np.uint64, copy=False), both[1].astype(np.uint64, copy=False)


def refuse_negative(name: str, column: object) -> None:
    """Raise at the first number below 0 of a column of signed integers."""
    array = array_or_series(name, column)
    if isinstance(array, np.ndarray) and array.dtype.kind == "i" and len(array) and array.min() < 0:
        row = int((array < 0).argmax())
        raise SchemaError(
            f"column '{name}', row {row} is {array[row]}; number accounts from 0 up", column=name, row=row
        )


def _account(name: str, column: object) -> NDArray[Any]:
    array = _integers(name, column, "an account number")
    if array.dtype.kind == "i":
        return np.ascontiguousarray(array, np.int64).view(np.uint64)
    return array.astype(np.uint64 if array.dtype.itemsize == 8 else np.uint32, copy=False)


def unsigned(name: str, column: object) -> NDArray[np.uint64]:
    """Return a column of integers of 0 to 2**64 - 1."""
    refuse_negative(name, column)
    return np.ascontiguousarray(_integers(name, column, "integers of 0 or more"), np.uint64)


def small(name: str, column: object) -> NDArray[np.uint16]:
    """Return a column of integers of 0 to 65,535."""
    array = _integers(name, column, "integers of 0 to 65535")
    _refuse(name, array, (array < 0) | (array > 0xFFFF), "give 0 to 65535")
    return np.ascontiguousarray(array, np.uint16)


def amounts(column: object, name: str = "amount") -> NDArray[np.int64]:
    """Return a column of money, of either sign: an amount that is not above 0 gets its code."""
    array = _integers(name, column, "integers in the smallest unit of the asset")
    if array.dtype == np.uint64:
        _refuse(name, array, array > 2**63 - 1, "give less than 2^63")
    return np.ascontiguousarray(array, np.int64)


def kinds(column: object, known: dict[str, int] = KINDS) -> NDArray[np.uint8]:
    """Return a column of kinds, given by word or number, as numbers."""
    array = array_or_series("kind", column)
    remedy = "give " + ", ".join(f"{word} ({number})" for word, number in known.items())
    if isinstance(array, pl.Series) and array.dtype in (pl.String, pl.Categorical, pl.Enum) and not array.null_count():
        words = array.cast(pl.String)
        numbers = words.replace_strict(known, default=None, return_dtype=pl.UInt8)
        if numbers.null_count():
            row = int(numbers.is_null().arg_max() or 0)
            raise SchemaError(f"column 'kind', row {row} is {words[row]!r}; {remedy}", column="kind", row=row)
        return np.ascontiguousarray(numbers.to_numpy(), np.uint8)
    array = _integers("kind", array, "words or numbers of kinds")
    _refuse("kind", array, (array < 0) | (array >= len(known)), remedy)
    return np.ascontiguousarray(array, np.uint8)


def flags(name: str, column: object) -> NDArray[np.uint8]:
    """Return a column of Booleans, or of 0 and 1, as 0 and 1."""
    array = array_or_series(name, column)
    if isinstance(array, pl.Series) and array.dtype == pl.Boolean and not array.null_count():
        array = array.to_numpy()
    if isinstance(array, np.ndarray) and array.dtype == np.bool_:
        return np.ascontiguousarray(array, np.uint8)
    array = _integers(name, array, "Booleans")
    _refuse(name, array, (array < 0) | (array > 1), "give True or False")
    return np.ascontiguousarray(array, np.uint8)


def halves(name: str, column: object, high: object) -> tuple[NDArray[np.uint64], NDArray[np.uint64] | None]:
    """Return a column of 128-bit ids as low and high halves.

    ``column`` holds integers below 2**64 and ``high``, if it is given, those of the other half; or ``column`` alone
    holds whole ids: 16 bytes each (``V16`` or ``S16``, the most significant first, as in ``uuid.UUID.bytes``), a
    128-bit column of polars, or Python integers or UUIDs.
    """
    if high is not None:
        return unsigned(name, column), unsigned(f"{name}_high", high)
    if isinstance(column, np.ndarray) and column.dtype.kind in "VS" and column.dtype.itemsize == _ID_BYTES:
        words = np.ascontiguousarray(column).view(">u8").astype(np.uint64).reshape(-1, 2)
        return np.ascontiguousarray(words[:, 1]), np.ascontiguousarray(words[:, 0])
    if isinstance(column, pl.Series) and column.dtype in _WIDE:
        column = column.to_list()
    if isinstance(column, list | tuple):
        whole = [getattr(value, "int", value) for value in column]  # that of a UUID
        if any(isinstance(value, int) and not 0 <= value < _HALF for value in whole):
            return _split(name, whole)
        column = whole
    return unsigned(name, column), None


def _split(name: str, values: list[Any]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    for row, value in enumerate(values):
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _HALF**2:
            raise SchemaError(
                f"column '{name}', row {row} is {value!r}; give an integer of 0 to 2^128 - 1", column=name, row=row
            )
    low, high = ([part(value, _HALF) for value in values] for part in (int.__mod__, int.__floordiv__))
    return np.array(low, np.uint64), np.array(high, np.uint64)


def _integers(name: str, column: object, wanted: str) -> NDArray[Any]:
    array = array_or_series(name, column)
    if isinstance(array, pl.Series):
        if array.null_count():
            row = int(array.is_null().arg_max() or 0)
            if not len(array) or array.null_count() == len(array) == 0:
                return np.empty(0, np.int64)
            raise SchemaError(f"column '{name}', row {row} is null; give {wanted}", column=name, row=row)
        if not len(array):
            return np.empty(0, np.int64)
        raise SchemaError(f"column '{name}' is {array.dtype}; give {wanted}", column=name)
    if array.dtype.kind not in "iu":
        if not len(array):
            return np.empty(0, np.int64)
        raise SchemaError(f"column '{name}' is {array.dtype}; give {wanted}", column=name)
    return array


def _refuse(name: str, array: NDArray[Any], bad: NDArray[np.bool_], remedy: str) -> None:
    if bad.any():
        row = int(bad.argmax())
        raise SchemaError(f"column '{name}', row {row} is {array[row]}; {remedy}", column=name, row=row)
