"""Zones: names as ranks, and what lies between them as a matrix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear.errors import SchemaError
from fastclear.orders.column import array_or_series
from fastclear.orders.frames import items

_PAIR = ("buyer_zone", "seller_zone")


class Zones:
    """Zones of the orders by rank, in ascending names; the last rank is that of orders of no zone, if there are any.

    Parameters
    ----------
    column : polars.Series or None
        Zone of each order, Int64 or String; nulls are of no zone. Without it all orders are in one.
    n : int
        Number of orders.
    """

    def __init__(self, column: pl.Series | None, n: int) -> None:
        if column is None:
            self.names: list[Any] = [None]
            self.rank: NDArray[np.uint32] | None = None
            self.everywhere = True
            return
        names = column.drop_nulls().unique().sort()
        self.everywhere = False
        self.names = names.to_list()
        rank = np.full(n, len(names), np.int64)
        present = column.is_not_null().to_numpy()
        if len(names):
            rank[present] = names.search_sorted(column.drop_nulls()).to_numpy()
        if not present.all() or not len(names):
            self.names.append(None)
        self.rank = rank.astype(np.uint32)

    def __len__(self) -> int:
        """Return the number of zones."""
        return len(self.names)

    def plain_distances(self) -> NDArray[np.int64]:
        """0 within a zone, 1 between two."""
        matrix = np.ones((len(self), len(self)), np.int64)
        np.fill_diagonal(matrix, 0)
        if self.names[-1] is None and not self.everywhere:
            matrix[-1, -1] = 1  # two orders of no zone are not in the same
        return matrix

    def distances(self, table: Mapping[tuple[Any, Any], int]) -> NDArray[np.int64]:
        """Distances of a table, which hold in both directions unless the other is named; 0 within a zone.

        Raises
        ------
        SchemaError
            A distance is missing.
        """
        matrix = np.zeros((len(self), len(self)), np.int64)
        for i, buyer in enumerate(self.names):
            for j, seller in enumerate(self.names):
                distance = table.get((buyer, seller), table.get((seller, buyer), 0 if i == j else None))
                if distance is None:
                    raise SchemaError(
                        f"distances: there is none between zones {buyer!r} and {seller!r}; add a row", column="zone"
                    )
                matrix[i, j] = distance
        return matrix


def table_of(given: object, value: str, what: str) -> dict[tuple[Any, Any], int]:
    """A frame ``buyer_zone``, ``seller_zone``, ``value``, or a mapping of pairs of zones, as a dictionary.

    Raises
    ------
    SchemaError
        A column is missing, a value is no whole number, or a pair is named twice.
    """
    if isinstance(given, Mapping) and all(isinstance(key, tuple) and len(key) == 2 for key in given):
        rows = [(*key, number) for key, number in given.items()]
    else:
        columns = {name: pl.Series(name, array_or_series(name, column)) for name, column in items(given, what)}
        for name in (*_PAIR, value):
            if name not in columns:
                raise SchemaError(f"column '{name}' is missing from {what}", column=name)
        rows = list(zip(*(columns[name].to_list() for name in (*_PAIR, value)), strict=True))
    table: dict[tuple[Any, Any], int] = {}
    for row, (buyer, seller, number) in enumerate(rows):
        if isinstance(number, bool) or not isinstance(number, int | np.integer):
            raise SchemaError(f"{what}, row {row}: {value}={number!r} is no whole number", column=value, row=row)
        if (buyer, seller) in table:
            raise SchemaError(f"{what}, row {row}: {buyer!r} and {seller!r} are named twice", column=value, row=row)
        table[buyer, seller] = int(number)
    return table
