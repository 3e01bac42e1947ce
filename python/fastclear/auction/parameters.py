"""Parameters of mechanisms: checked once, when a mechanism is made."""

from __future__ import annotations

from dataclasses import fields
from fractions import Fraction
from typing import Any, Protocol, runtime_checkable

import numpy as np

from fastclear import _core
from fastclear.errors import MechanismError

Share = float | Fraction | tuple[int, int] | int
"""A fraction from 0 to 1: a float is taken as its nearest fraction with a denominator of at most 10**6."""

_DENOMINATOR_MAX = 10**6


def fraction(name: str, value: Share) -> Fraction:
    """Return the share ``value`` as an exact fraction from 0 to 1."""
    try:
        if isinstance(value, tuple):
            numerator, denominator = value
            share = Fraction(numerator, denominator)
        else:
            share = Fraction(value)
    except (TypeError, ValueError, OverflowError, ZeroDivisionError) as error:
        raise MechanismError(f"{name}={value!r} is no fraction; use a number from 0 to 1") from error
    if isinstance(value, float):
        share = share.limit_denominator(_DENOMINATOR_MAX)
    if not 0 <= share <= 1:
        raise MechanismError(f"{name}={value!r} is outside 0 to 1; 0 favours buyers, 1 favours sellers")
    if share.denominator > 10**9:
        raise MechanismError(f"{name}={value!r} has a denominator above 10**9; use a simpler fraction")
    return share


def ticks(name: str, value: object) -> int:
    """Return ``value`` as a whole number of ticks from 0 up."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise MechanismError(f"{name}={value!r} is no whole number of ticks")
    if not 0 <= value < 2**31:
        raise MechanismError(f"{name}={value!r} is outside 0 to 2**31 - 1 ticks")
    return int(value)


def by_parameters(mechanism: Any) -> tuple[Any, tuple[object, ...]]:
    """Pickle a mechanism as its parameters: the checked half is made anew."""
    return type(mechanism), tuple(getattr(mechanism, field.name) for field in fields(mechanism) if field.init)


@runtime_checkable
class Mechanism(Protocol):
    """A call auction that :func:`clear` can run."""

    @property
    def core(self) -> _core.Mechanism:
        """The checked mechanism of the Rust half."""
