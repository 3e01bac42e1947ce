"""One canonical hash of a table: same numbers, same hash, whatever file or library held them.

Parquet bytes change with the version of the writer; the content does not. What is recorded beside the
embedded data, and what :attr:`fastclear.community.Community.digest` returns, is therefore a hash of the
decoded columns.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray


def columns_digest(columns: Mapping[str, NDArray[np.int64] | NDArray[np.bool_] | Sequence[str]]) -> str:
    """SHA-256 of named columns, in the order given.

    Each column is hashed as the length of its name, its name, a type letter, its number of values, and its
    values: ``i`` little-endian int64, ``b`` one byte each, ``s`` a length and UTF-8 each. Lengths are
    little-endian uint64, so that no two different tables give the same byte string. Two-dimensional arrays
    are read row by row.

    Parameters
    ----------
    columns : mapping of str to int64 array, bool array or sequence of str
        The table.

    Returns
    -------
    str
        64 hexadecimal digits.

    Examples
    --------
    >>> columns_digest({"load_wh": np.array([1, 2])})[:12]
    'f92b6d3e8c97'
    """
    state = hashlib.sha256()

    def length(value: int) -> bytes:
        return value.to_bytes(8, "little")

    for name, values in columns.items():
        encoded = name.encode()
        state.update(length(len(encoded)) + encoded)
        if isinstance(values, np.ndarray):
            letter, dtype = (b"b", "u1") if values.dtype == np.bool_ else (b"i", "<i8")
            state.update(letter + length(values.size))
            state.update(np.ascontiguousarray(values, dtype=dtype).tobytes())
        else:
            state.update(b"s" + length(len(values)))
            for text in values:
                encoded = text.encode()
                state.update(length(len(encoded)) + encoded)
    return state.hexdigest()
