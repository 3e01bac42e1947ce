"""Names as small numbers: text or integers in, places out, and back. ``1`` is not ``"1"``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear.columns import Participant, checked_name, plain
from fastclear.errors import SchemaError
from fastclear.orders.column import array_or_series

NOBODY: Final = 2**32 - 1
"""Place of who has none."""


class Names:
    """Names in the order in which they were first seen."""

    def __init__(self, names: Iterable[Participant] = ()) -> None:
        self.listed: list[Participant] = list(names)
        self._places = {name: place for place, name in enumerate(self.listed)}

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.listed)

    def copy(self) -> Names:
        """Names of their own."""
        return Names(self.listed)

    def place(self, name: object) -> int:
        """Place of one name, :data:`NOBODY` if it has none."""
        return self._places.get(checked_name(name), NOBODY)

    def places(self, title: str, column: object, *, add: bool = False) -> NDArray[np.uint32]:
        """Places of a column, shape (n,): :data:`NOBODY` for strangers and null.

        Parameters
        ----------
        title : str
            Name of the column.
        column : column of text, integers or both
            Names.
        add : bool, default False
            Whether strangers get the next places, in the order of rows.

        Raises
        ------
        SchemaError
            A column of anything else.
        """
        if isinstance(column, list | tuple):
            return np.array([self._find(title, value, row, add) for row, value in enumerate(column)], np.uint32)
        read = array_or_series(title, column)
        if isinstance(read, np.ndarray):
            if read.dtype.kind not in "iu" and len(read):
                raise SchemaError(f"column '{title}' is {read.dtype}; give text or integers", column=title)
            values, first, inverse = _distinct(read)
            found: NDArray[Any] = np.empty(len(values), np.uint32)
            for at in np.argsort(first, kind="stable").tolist():
                found[at] = self._find(title, int(values[at]), int(first[at]), add)
            return np.ascontiguousarray(found[inverse])
        if read.dtype in (pl.Categorical, pl.Enum):
            read = read.cast(pl.String)
        if read.dtype in (pl.String, pl.Null) or read.dtype.is_integer():
            uniques = read.unique(maintain_order=True)
            places = [self._find(title, value, 0, add) for value in uniques]
            mapped = read.replace_strict(uniques, pl.Series(places, dtype=pl.UInt32), return_dtype=pl.UInt32)
            return np.ascontiguousarray(mapped.fill_null(NOBODY).to_numpy(), np.uint32)
        raise SchemaError(f"column '{title}' is {read.dtype}; give text or integers", column=title)

    def _find(self, title: str, value: Any, row: int, add: bool) -> int:
        if value is None:
            return NOBODY
        value = plain(value)
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise SchemaError(
                f"column '{title}', row {row} is {value!r}; give text or an integer", column=title, row=row
            )
        place = self._places.get(value)
        if place is None and add:
            place = self._places[value] = len(self.listed)
            self.listed.append(value)
        return NOBODY if place is None else place

    def series(self, title: str, places: NDArray[np.uint32]) -> pl.Series:
        """The names at these places, Int64 if all names are integers, else text; null for :data:`NOBODY`."""
        integers = bool(self.listed) and all(isinstance(name, int) for name in self.listed)
        dtype = pl.Int64 if integers else pl.String
        words = pl.Series(title, self.listed if integers else [str(name) for name in self.listed], dtype=dtype)
        index = pl.Series(np.where(places == NOBODY, 0, places)).cast(pl.UInt32)
        known = pl.Series(places != NOBODY)
        if not len(words):
            return pl.Series(title, [None] * len(places), dtype=dtype)
        return words.gather(index).zip_with(known, pl.Series([None] * len(places), dtype=dtype))


def _distinct(column: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64], NDArray[Any]]:
    """Distinct integers, the first row of each, and the place of each row's among them."""
    if not len(column):
        return column, np.empty(0, np.int64), np.empty(0, np.int64)
    least, most = int(column.min()), int(column.max())
    if most - least >= 4 * len(column) + 1024:
        return np.unique(column, return_index=True, return_inverse=True)
    offset = (column - least).astype(np.int64)  # close together: a table is faster than sorting
    first = np.full(most - least + 1, -1, np.int64)
    first[offset[::-1]] = np.arange(len(column) - 1, -1, -1)  # the last to be written stays
    seen = np.flatnonzero(first >= 0)
    place = np.empty(len(first), np.int64)
    place[seen] = np.arange(len(seen))
    return seen + least, first[seen], place[offset]
