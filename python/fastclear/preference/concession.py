"""Alternating concession: two quotes that move towards each other round by round, until one is taken or time is up."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear.auction.parameters import PRICE_MAX, whole
from fastclear.errors import MechanismError, SchemaError
from fastclear.frames import framed
from fastclear.orders.column import array_or_series
from fastclear.orders.frames import items

ROUNDS_MAX: Final = 10_000
_BETA_MAX: Final = 32
_PRICES: Final = ("buyer_start", "buyer_limit", "seller_start", "seller_limit")


def concede(negotiations: object, *, deadline: int, buyer_beta: Any = 1, seller_beta: Any = 1) -> pl.DataFrame:
    """Negotiate prices by time-dependent concession, one row a negotiation.

    In round t of T the buyer quotes ``floor(start + (limit - start) (t / T) ** (1 / beta))`` and the seller, who comes
    down, the same rounded up. In the first round with the buyer's quote at or above the seller's there is a deal: at
    the seller's quote in even rounds, at the buyer's in odd ones. Quotes never leave the limits, so nobody loses; there
    is no deal if and only if the quotes have not met by round T, and none where the buyer's limit is below the
    seller's.

    Parameters
    ----------
    negotiations : frame or mapping of columns
        ``buyer_start``, ``buyer_limit``, ``seller_start``, ``seller_limit``: ticks. Buyers go up, sellers down.
    deadline : int
        T, from 1 to 10,000.
    buyer_beta, seller_beta : int, float or Fraction, default 1
        Below 1 a party holds out (Boulware), above it gives in early (conceder). A fraction of numbers up to 32.

    Returns
    -------
    polars.DataFrame
        ``agreed`` (Boolean), ``round``, ``price`` (Int64, null without a deal), ``buyer_quote``, ``seller_quote``
        (of the last round that was played).

    Raises
    ------
    SchemaError
        A column is missing or unreadable, or a party would have to move away from the other.
    MechanismError
        ``deadline`` or a beta is out of range.

    Notes
    -----
    Exact: roots are taken of integers. Budget balanced, individually rational, not truthful (holding out may pay), not
    efficient (a deal that both would gain from is made, but not always with the partner who gains most). O(T) a row.
    Source: Faratin, Sierra & Jennings 1998 (Robotics and Autonomous Systems 24).

    Examples
    --------
    >>> from fastclear.preference import concede
    >>> terms = {"buyer_start": [10], "buyer_limit": [24], "seller_start": [30], "seller_limit": [15]}
    >>> concede(terms, deadline=10).row(0)
    (True, 8, 18, 21, 18)
    """
    whole("deadline", deadline, 1, ROUNDS_MAX, "rounds")
    betas = [_beta(name, beta) for name, beta in (("buyer_beta", buyer_beta), ("seller_beta", seller_beta))]
    start_b, limit_b, start_s, limit_s = _columns(negotiations)
    n = len(start_b)
    agreed = np.zeros(n, bool)
    when, price = np.zeros(n, np.int64), np.zeros(n, np.int64)
    quotes = np.stack([start_b, start_s])
    active = np.arange(n)
    for turn in range(deadline + 1):
        up = start_b[active] + part(limit_b[active] - start_b[active], turn, deadline, betas[0])
        down = start_s[active] - part(start_s[active] - limit_s[active], turn, deadline, betas[1])
        quotes[0, active], quotes[1, active] = up, down
        met = up >= down
        done = active[met]
        agreed[done], when[done] = True, turn
        price[done] = (up if turn % 2 else down)[met]
        active = active[~met]
        if not len(active):
            break
    nothing = pl.Series(~agreed)
    return framed(
        [
            pl.Series("agreed", agreed),
            pl.Series("round", when).set(nothing, None),
            pl.Series("price", price).set(nothing, None),
            pl.Series("buyer_quote", quotes[0]),
            pl.Series("seller_quote", quotes[1]),
        ]
    )


def part(span: NDArray[np.int64], turn: int, deadline: int, beta: Fraction) -> NDArray[np.int64]:
    """``floor(span * (turn / deadline) ** (1 / beta))``, exactly.

    Parameters
    ----------
    span : ndarray of int64
        0 or more, below 2**33.
    turn, deadline : int
        Round, and the last one.
    beta : Fraction
        Above 0.
    """
    if beta == 1:
        return span * turn // deadline
    # x = span (t/T)^(d/n) for beta = n/d, so x^n = span^n t^d / T^d: the n-th root of a whole number, rounded down.
    n, d = beta.numerator, beta.denominator
    up, down = turn**d, deadline**d
    known = {int(own): _root(int(own) ** n * up // down, n) for own in np.unique(span)}
    return np.array([known[int(own)] for own in span], np.int64).reshape(span.shape)


def _root(value: int, degree: int) -> int:
    """The largest integer whose power is at most ``value``."""
    low, high = 0, 1 << (value.bit_length() // degree + 1)
    while low < high:
        middle = (low + high + 1) // 2
        if middle**degree <= value:
            low = middle
        else:
            high = middle - 1
    return low


def _beta(name: str, value: Any) -> Fraction:
    try:
        beta = Fraction(value) if not isinstance(value, float) else Fraction(value).limit_denominator(_BETA_MAX)
    except (TypeError, ValueError, OverflowError) as error:
        raise MechanismError(f"{name}={value!r} is no number; give one above 0") from error
    if beta <= 0 or beta.numerator > _BETA_MAX or beta.denominator > _BETA_MAX:
        raise MechanismError(f"{name}={value!r}: give a fraction above 0 of numbers up to {_BETA_MAX}")
    return beta


def _columns(negotiations: object) -> tuple[NDArray[np.int64], ...]:
    given = {
        name: pl.Series(name, array_or_series(name, column)) for name, column in items(negotiations, "negotiations")
    }
    columns = []
    for name in _PRICES:
        if name not in given:
            raise SchemaError(f"column '{name}' is missing from negotiations", column=name)
        series = given[name]
        if not series.dtype.is_integer() or series.null_count() or len(series) != len(given[_PRICES[0]]):
            raise SchemaError(f"column '{name}': give whole ticks, one a row, and columns of one length", column=name)
        wrong = (series < -PRICE_MAX) | (series > PRICE_MAX)
        if wrong.any():
            row = int(wrong.arg_max() or 0)
            raise SchemaError(f"column '{name}', row {row}: {series[row]} is out of range", column=name, row=row)
        columns.append(series.cast(pl.Int64).to_numpy())
    start_b, limit_b, start_s, limit_s = columns
    for name, away in (("buyer_limit", limit_b < start_b), ("seller_limit", limit_s > start_s)):
        if away.any():
            row = int(np.argmax(away))
            raise SchemaError(
                f"column '{name}', row {row}: the party starts beyond its own limit; exchange start and limit",
                column=name,
                row=row,
            )
    return tuple(columns)
