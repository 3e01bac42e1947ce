"""Columns that grow slot by slot and take little memory until a frame is made of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

_NARROW: Final = tuple((dtype, np.iinfo(dtype)) for dtype in (np.int8, np.int16, np.int32))


class Pieces:
    """Integer columns in pieces, each in the narrowest integers that hold it.

    Parameters
    ----------
    names : sequence of str
        The columns.

    Examples
    --------
    >>> pieces = Pieces(["price", "buy"])
    >>> pieces.add(0, {"price": np.array([70_000, 2]), "buy": np.array([True, False])})
    >>> pieces.add(3, {"price": np.array([-1]), "buy": np.array([True])})
    >>> pieces.slots(), pieces.take("price"), pieces.take("buy", np.bool_)
    (array([0, 0, 3]), array([70000,     2,    -1]), array([ True, False,  True]))
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._columns: dict[str, list[NDArray[Any]]] = {name: [] for name in names}
        self._sizes: list[tuple[int, int]] = []

    def add(self, slot: int, columns: Mapping[str, NDArray[Any]]) -> None:
        """Put one piece of each column behind the others; copies what it keeps."""
        for name, pieces in self._columns.items():
            pieces.append(narrow(columns[name]))
        self._sizes.append((slot, len(next(iter(columns.values())))))

    def __iter__(self) -> Iterator[tuple[int, dict[str, NDArray[np.int64]]]]:
        """The pieces with their slots, as int64."""
        for at, (slot, _) in enumerate(self._sizes):
            yield slot, {name: pieces[at].astype(np.int64) for name, pieces in self._columns.items()}

    def slots(self) -> NDArray[np.int64]:
        """The slot of each row."""
        slots, sizes = (np.array([size[at] for size in self._sizes], dtype=np.int64) for at in (0, 1))
        rows: NDArray[np.int64] = np.repeat(slots, sizes)
        return rows

    def take(self, name: str, dtype: DTypeLike = np.int64) -> NDArray[Any]:
        """A whole column, which is forgotten here."""
        pieces = self._columns.pop(name)
        return np.concatenate(pieces, dtype=dtype, casting="unsafe") if pieces else np.zeros(0, dtype=dtype)


def narrow(values: NDArray[Any]) -> NDArray[Any]:
    """A copy in the narrowest signed integers that hold every value.

    Examples
    --------
    >>> [narrow(np.array(values)).dtype.name for values in ([], [True], [-128, 127], [128], [2**31 - 1], [2**31])]
    ['int8', 'int8', 'int8', 'int16', 'int32', 'int64']
    """
    low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
    for dtype, limits in _NARROW:
        if limits.min <= low and high <= limits.max:
            return values.astype(dtype)
    return values.astype(np.int64)
