"""What an audit says: a report where every check held, else the first that did not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastclear.errors import FastclearError


class AuditError(FastclearError, AssertionError):
    """An invariant of a result does not hold."""


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What an audit looked at. It exists only where every check held.

    Attributes
    ----------
    checks : tuple of str
        The invariants that were checked.
    orders, markets, trades : int
        How many of each they were checked over.
    """

    checks: tuple[str, ...]
    orders: int
    markets: int
    trades: int

    def __str__(self) -> str:
        counts = f"{self.orders:,} orders, {self.markets:,} markets, {self.trades:,} trades"
        return "\n".join([f"Audit passed over {counts}:", *(f"  - {check}" for check in self.checks)])


def broken(check: str, where: str) -> AuditError:
    """The error of an invariant that does not hold, to be raised by who found it."""
    return AuditError(f"broken: {check}; {where}")


def first(rows: NDArray[np.bool_]) -> int | None:
    """Index of the first true element, or None."""
    return int(np.argmax(rows)) if rows.any() else None
