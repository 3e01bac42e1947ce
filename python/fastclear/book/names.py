"""Ids that were text, over the life of a book."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear import _core
from fastclear.errors import SchemaError
from fastclear.orders.column import Column
from fastclear.orders.flaws import Flaws
from fastclear.orders.ids import integer_ids

NULL: Final = _core.BOOK_NULL


class Names:
    """Ids of one kind: integers as they are, or text numbered in the order in which it was first seen.

    Parameters
    ----------
    column : {"market", "order", "participant"}
        Which ids.

    Attributes
    ----------
    kind : bool or None
        Whether ids are text; None before the first.
    """

    __slots__ = ("_column", "_known", "_numbers", "kind")

    def __init__(self, column: str) -> None:
        self._column = column
        self.kind: bool | None = None
        self._numbers: dict[str, int] = {}
        self._known: list[str] = []

    def copy(self) -> Names:
        """Return names of their own."""
        twin = Names(self._column)
        twin.kind, twin._numbers, twin._known = self.kind, dict(self._numbers), list(self._known)
        return twin

    @classmethod
    def of(cls, column: str, kind: bool | None, texts: list[str]) -> Names:
        """Return names that know texts by their place in a list."""
        names = cls(column)
        names.kind, names._known = kind, list(texts)
        names._numbers = {text: number for number, text in enumerate(texts)}
        return names

    @property
    def texts(self) -> list[str]:
        """Texts by number."""
        return self._known

    @property
    def is_text(self) -> bool:
        """Whether the ids are text."""
        return bool(self.kind)

    def encode(self, column: Column, *, add: bool) -> NDArray[np.int64]:
        """Ids as integers, null as :data:`NULL`.

        Parameters
        ----------
        column : ndarray or polars.Series
            Ids as the caller wrote them.
        add : bool
            Whether unknown text gets a number; without it, it is an id that nothing has.

        Raises
        ------
        SchemaError
            Text where the ids of this book are integers, or the other way round.
        """
        texts: dict[str, pl.Series] = {}
        missing: dict[str, NDArray[np.bool_]] = {}
        ids = integer_ids(column, self._column, texts, missing, Flaws(len(column)))
        nowhere = missing.get(self._column)
        if nowhere is not None and nowhere.all():
            return np.full(len(ids), NULL)
        is_text = bool(texts)
        if len(ids):
            self._settle(is_text, add=add)
        if is_text:
            distinct = texts[self._column].to_list()
            ids = np.array([self._number(text, add=add) for text in distinct], np.int64)[ids]
        if nowhere is not None:
            ids = np.where(nowhere, NULL, ids)
        return ids

    def left_out(self) -> None:
        """Take note of a call that leaves ids to the book, which gives integers.

        Raises
        ------
        SchemaError
            The ids of this book are text.
        """
        if self.kind:
            raise SchemaError(
                f"column '{self._column}' is missing, and this book's ids are text; name them", column=self._column
            )
        self.kind = False

    def _settle(self, is_text: bool, *, add: bool) -> None:
        if self.kind is None:
            self.kind = is_text if add else None
        elif self.kind != is_text:
            was, now = ("text", "integers") if self.kind else ("integers", "text")
            raise SchemaError(
                f"column '{self._column}' holds {now} and this book's ids were {was} before; give one kind",
                column=self._column,
            )

    def _number(self, text: str, *, add: bool) -> int:
        number = self._numbers.get(text)
        if number is None:
            if not add:
                return -1
            number = self._numbers[text] = len(self._known)
            self._known.append(text)
        return number

    def single(self, name: object, *, add: bool = False) -> int:
        """Number of one id.

        Parameters
        ----------
        name : int or str
            Id as the caller writes it.
        add : bool
            Whether unknown text gets a number; without it, it is an id that nothing has.

        Raises
        ------
        SchemaError
            Neither text nor an integer of 64 bits, or not the kind that this book's ids are.
        """
        if isinstance(name, str):
            self._settle(True, add=add)
            return self._number(name, add=add)
        if isinstance(name, bool) or not isinstance(name, int | np.integer) or not -(2**63) < int(name) < 2**63:
            raise SchemaError(
                f"{self._column}={name!r} is no id; give an integer of 64 bits, or text", column=self._column
            )
        self._settle(False, add=add)
        return int(name)

    def series(self, name: str, ids: NDArray[np.int64]) -> pl.Series:
        """Ids as the caller wrote them, :data:`NULL` as null.

        Parameters
        ----------
        name : str
            Name of the series.
        ids : ndarray of int64
            Encoded ids.
        """
        nowhere = ids == NULL
        if not self.is_text:
            return nulled(pl.Series(name, ids), nowhere)
        known = pl.Series(name, self._known, dtype=pl.String)
        out = nowhere | (ids < 0) | (ids >= len(known))
        if not len(known):
            return pl.Series(name, [None] * len(ids), dtype=pl.String)
        return nulled(known.gather(np.where(out, 0, ids)).alias(name), out)


def nulled(series: pl.Series, nowhere: NDArray[np.bool_]) -> pl.Series:
    """Return a series with nulls where an array says so."""
    if not nowhere.any():
        return series
    return series.zip_with(pl.Series(~nowhere), pl.Series([None], dtype=series.dtype))
