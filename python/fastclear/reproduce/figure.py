"""One published figure beside ours, and how far apart they may be."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

Relation = Literal["=", "<", ">", ">="]
Verdict = Literal["exact", "agrees", "unclear", "differs", "-"]
Step = Callable[[int], None]
"""Told how many markets were done since it was last called."""

ERRORS: Final = 3
"""Standard errors of the difference within which two figures agree."""

CLEAR_ERRORS: Final = 2
"""Standard errors that a figure must lie on its side of a bound to be told from it."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One number that somebody published, and the one that we get.

    Attributes
    ----------
    quantity : str
        What it is, short.
    ours : float
        Our figure.
    error : float
        Its standard error; 0 where it is exact.
    runs : int
        Markets (or seeds) behind it; 0 where it is computed and not simulated.
    published : float or None
        The published figure, or the bound that it has to keep; None where there is none.
    relation : {"=", "<", ">", ">="}
        What our figure should be to the published one.
    tolerance : float
        With ``=``: largest difference that counts as agreement.
    digits : int
        Digits behind the point that are shown.
    """

    quantity: str
    ours: float
    error: float
    runs: int
    published: float | None = None
    relation: Relation = "="
    tolerance: float = 0.0
    digits: int = 2

    @property
    def verdict(self) -> Verdict:
        """What comes of the comparison.

        ``exact``: equal, and computed without chance. ``agrees``: within the tolerance, or on the published side of a
        bound by two standard errors. ``unclear``: too near a bound to tell. ``differs``. ``-``: nothing was published.
        """
        if self.published is None:
            return "-"
        if self.relation == "=":
            if self.runs == 0 and self.ours == self.published:
                return "exact"
            return "agrees" if abs(self.ours - self.published) <= self.tolerance else "differs"
        distance = self.published - self.ours if self.relation == "<" else self.ours - self.published
        if distance > CLEAR_ERRORS * self.error or (self.relation == ">=" and distance == 0 == self.error):
            return "agrees"
        return "differs" if distance < -CLEAR_ERRORS * self.error else "unclear"


@dataclass(frozen=True)
class Estimate:
    """A simulated figure with its standard error and the spread of a single run, all as floats."""

    value: float
    error: float
    spread: float
    runs: int

    def against(self, quantity: str, published: float | None, runs: int | None, *, digits: int = 2) -> Figure:
        """Compare with a published mean over `runs` runs, rounded to `digits`.

        They agree within three standard errors of their difference, plus half of the last published digit. The
        published figure's standard error is taken from the spread of our runs; None means that it has none.
        """
        other = self.spread / math.sqrt(runs) if runs else 0.0
        tolerance = ERRORS * math.hypot(self.error, other) + 0.5 * 10.0**-digits
        return Figure(
            quantity=quantity,
            ours=self.value,
            error=self.error,
            runs=self.runs,
            published=published,
            tolerance=tolerance,
            digits=digits,
        )


def ratio(part: NDArray[np.int64], whole: NDArray[np.int64], scale: int = 1) -> Estimate:
    """The ratio of two means, ``scale * sum(part) / sum(whole)``, with its standard error by the delta method.

    With residuals ``e = part - r * whole`` of n runs the variance of the ratio is
    ``sum(e^2) / (n (n - 1)) / mean(whole)^2``. Sums are taken in whole numbers, so that no result depends on the
    order in which a processor adds.

    Examples
    --------
    >>> found = ratio(np.array([1, 2, 3]), np.array([2, 4, 6]), scale=100)
    >>> found.value, found.error
    (50.0, 0.0)
    """
    n = len(part)
    a, b = part.astype(object), whole.astype(object)
    total = int(b.sum())
    r = Fraction(int(a.sum()), total) if total else Fraction(0)
    squares = int(a.dot(a)) - 2 * r * int(a.dot(b)) + r * r * int(b.dot(b))
    spread = scale * math.sqrt(squares / (n - 1)) / (total / n) if n > 1 and total else math.inf
    return Estimate(float(scale * r), spread / math.sqrt(n), spread, n)


def mean(values: NDArray[np.int64], unit: int = 1) -> Estimate:
    """The mean of whole numbers, divided by `unit`, with its standard error."""
    return ratio(values, np.full(len(values), unit, np.int64))


def mean_of(values: Sequence[Fraction]) -> Estimate:
    """The mean of exact fractions with its standard error."""
    n = len(values)
    centre = sum(values, Fraction(0)) / n
    squares = sum(((value - centre) ** 2 for value in values), Fraction(0))
    spread = math.sqrt(squares / (n - 1)) if n > 1 else math.inf
    return Estimate(float(centre), spread / math.sqrt(n), spread, n)


def frame(name: str, source: str, figures: Sequence[Figure]) -> pl.DataFrame:
    """Figures as a frame, one row each.

    ``experiment``, ``quantity``, ``relation``, ``published``, ``source``, ``ours``, ``standard_error``, ``runs``,
    ``tolerance`` (of the difference, null for a bound), ``verdict``.
    """
    return pl.DataFrame(
        {
            "experiment": [name] * len(figures),
            "quantity": [figure.quantity for figure in figures],
            "relation": [figure.relation if figure.published is not None else None for figure in figures],
            "published": [figure.published for figure in figures],
            "source": [source] * len(figures),
            "ours": [figure.ours for figure in figures],
            "standard_error": [figure.error for figure in figures],
            "runs": [figure.runs for figure in figures],
            "tolerance": [
                figure.tolerance if figure.relation == "=" and figure.published is not None else None
                for figure in figures
            ],
            "verdict": [figure.verdict for figure in figures],
        },
        schema={
            "experiment": pl.String,
            "quantity": pl.String,
            "relation": pl.String,
            "published": pl.Float64,
            "source": pl.String,
            "ours": pl.Float64,
            "standard_error": pl.Float64,
            "runs": pl.Int64,
            "tolerance": pl.Float64,
            "verdict": pl.String,
        },
    )
