"""Exact ratios, as callers write them: text, integers, Decimals and Fractions; never floats."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from fastclear.errors import SettlementError

Ratio = int | str | Decimal | Fraction
"""A number of 0 or more, exactly: text such as ``"2.8"``, a Fraction or a Decimal; floats are refused."""


def exact(name: str, value: object) -> Fraction:
    """Return a number that is given exactly.

    Raises
    ------
    SettlementError
        A float, or no number.
    """
    if isinstance(value, bool | float) or not isinstance(value, int | str | Decimal | Fraction):
        raise SettlementError(f"{name} = {value!r} is a {type(value).__name__}; give text, a Fraction or a Decimal")
    try:
        return Fraction(value)
    except (ValueError, OverflowError, ZeroDivisionError) as error:
        raise SettlementError(f"{name} = {value!r} is no number") from error


def ratio(name: str, value: object, most: int | None = None) -> Fraction:
    """Return a ratio of 0 or more, and of at most ``most`` where that is given.

    Raises
    ------
    SettlementError
        A float, no number, or one out of range.
    """
    number = exact(name, value)
    if number < 0 or (most is not None and number > most):
        told = "give 0 or more" if most is None else f"keep it between 0 and {most}"
        raise SettlementError(f"{name} = {value}; {told}")
    return number
