"""Exact sums of money by account, and money in units of currency, over millions of postings."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear.statements.view import CURRENCY

_LOW = 0xFFFF_FFFF


def sums(index: NDArray[Any], values: NDArray[Any], count: int) -> list[int]:
    """Sums of int64 values by index, which may leave 64 bits.

    Parameters
    ----------
    index : ndarray of int, shape (n,)
        From 0 to count - 1.
    values : ndarray of int64, shape (n,)
        At most 2**31 of them.
    count : int
        How many sums.

    Examples
    --------
    >>> sums(np.array([0, 1, 0]), np.array([2**62, -5, 2**62]), 3)
    [9223372036854775808, -5, 0]
    """
    low, high = np.zeros(count, np.int64), np.zeros(count, np.int64)
    np.add.at(low, index, values & _LOW)  # halves of 32 bits: 2**31 of them fit 64
    np.add.at(high, index, values >> 32)
    return [top * 2**32 + bottom for top, bottom in zip(high.tolist(), low.tolist(), strict=True)]


def in_units(nano: pl.Series) -> pl.Series:
    """Nano-currency, integers or Decimal(38, 0) of 0 or more, as units of currency, Decimal(38, 9).

    Examples
    --------
    >>> in_units(pl.Series([81_000_000_001, None])).to_list()
    [Decimal('81.000000001'), None]
    """
    digits = nano.cast(pl.String).str.zfill(10)
    return (digits.str.head(-9) + "." + digits.str.tail(9)).str.to_decimal(scale=9).cast(CURRENCY)
