"""Parameters of mechanisms: checked once, when a mechanism is made."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import fields
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from numbers import Rational, Real
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from fastclear import _core
from fastclear.buffers import empty
from fastclear.errors import MechanismError, SchemaError
from fastclear.orders import Orders

Share = float | Fraction | tuple[int, int] | int
"""A fraction from 0 to 1: a float is taken as its nearest fraction with a denominator of at most 10**6."""

PRICE_MAX: Final = 2**31 - 1
QUANTITY_MAX: Final = 2**31 - 1
ROUNDINGS: Final = ("floor", "ceil", "half_up")
PAIR_RULES: Final = ("k", "bid", "ask", "earlier")

_DENOMINATOR_MAX = 10**6


def plain(mechanism: Any) -> None:
    """Replace numpy numbers among the parameters by Python's own, which do not overflow.

    Parameters
    ----------
    mechanism : dataclass
        A mechanism being made.
    """
    for field in fields(mechanism):
        value = getattr(mechanism, field.name) if field.init else None
        if isinstance(value, np.generic):
            number = float(value) if isinstance(value, np.floating) else value.item()
            object.__setattr__(mechanism, field.name, number)


_SIMPLE: Final = frozenset((bool, int, float, str, Fraction, type(None)))


def remembered(make: Callable[..., _core.Mechanism]) -> Callable[[Any, tuple[object, ...]], _core.Mechanism]:
    """Remember checked mechanisms by their parameters: to check them again takes longer than to clear a small market.

    Parameters
    ----------
    make : callable
        Checks the parameters of a mechanism, in the order of its fields.
    """
    # By type, since 1 is a seed and True is none; only of simple types, since in a tuple the two are one.
    known = lru_cache(maxsize=256, typed=True)(make)

    def core(mechanism: Any, values: tuple[object, ...]) -> _core.Mechanism:
        if _SIMPLE.issuperset(map(type, values)):
            return known(*values)
        plain(mechanism)
        return make(*(getattr(mechanism, field.name) for field in fields(mechanism) if field.init))

    return core


def fraction(name: str, value: Share) -> Fraction:
    """Return the share ``value`` as an exact fraction from 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, tuple | Real | Decimal):
        raise MechanismError(f"{name}={value!r} is no fraction; use a number from 0 to 1")
    try:
        if isinstance(value, tuple):
            numerator, denominator = value
            share = Fraction(operator.index(numerator), operator.index(denominator))
        elif isinstance(value, Rational | Decimal):
            share = Fraction(value)
        else:
            share = Fraction(float(value)).limit_denominator(_DENOMINATOR_MAX)
    except (TypeError, ValueError, OverflowError, ZeroDivisionError) as error:
        raise MechanismError(f"{name}={value!r} is no fraction; use a number from 0 to 1") from error
    if not 0 <= share <= 1:
        raise MechanismError(f"{name}={value!r} is outside 0 to 1; 0 favours buyers, 1 favours sellers")
    if share.denominator > 10**9:
        raise MechanismError(f"{name}={value!r} has a denominator above 10**9; use a simpler fraction")
    return share


def whole(name: str, value: object, low: int, high: int, what: str) -> int:
    """Return ``value`` as a whole number of ``what`` from ``low`` to ``high``."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise MechanismError(f"{name}={value!r} is no whole number{what and ' of ' + what}")
    if not low <= value <= high:
        raise MechanismError(f"{name}={value!r} is outside {low} to {high}{what and ' ' + what}")
    return int(value)


def ticks(name: str, value: object) -> int:
    """Return ``value`` as a whole number of ticks from 0 up."""
    return whole(name, value, 0, PRICE_MAX, "ticks")


def price(name: str, value: object) -> int | None:
    """Return ``value`` as a price in ticks, or None where there is none."""
    return None if value is None else whole(name, value, -PRICE_MAX, PRICE_MAX, "ticks")


def reserve_below(reserve: int | None, cap_high: int | None) -> int | None:
    """Return the reserve price, which some bid must be able to reach."""
    if reserve is not None and cap_high is not None and reserve > cap_high:
        raise MechanismError(f"reserve={reserve} is above cap_high={cap_high}: no bid could trade; lower it")
    return reserve


def unit_lots(value: object) -> int:
    """Return the unit that every order trades."""
    return whole("unit", value, 1, QUANTITY_MAX, "lots")


def seed_of(value: object) -> int:
    """Return ``value`` as the seed of a lottery."""
    if value is None:
        raise MechanismError("this mechanism draws lots; give it a seed, such as seed=1")
    return whole("seed", value, 0, 2**64 - 1, "")


def word(name: str, value: object, choices: tuple[str, ...]) -> str:
    """Return ``value``, one of the words ``choices``."""
    if not isinstance(value, str) or value not in choices:
        raise MechanismError(f"{name}={value!r} is unknown; use {', '.join(map(repr, choices))}")
    return value


def yes_or_no(name: str, value: object) -> bool:
    """Return ``value`` as a bool; only a bool is one."""
    if not isinstance(value, bool | np.bool_):
        raise MechanismError(f"{name}={value!r} is neither True nor False")
    return bool(value)


def receiver(out: NDArray[np.int64] | None, orders: Orders) -> NDArray[np.int64]:
    """Return the array that receives filled quantities: ``out`` if it is fit for ``orders``, or a new one."""
    n = orders.n
    if out is None:
        return empty(n)
    if not (isinstance(out, np.ndarray) and out.dtype == np.int64 and out.shape == (n,)):
        got = f"{out.dtype} of shape {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
        raise SchemaError(f"out is {got}; give a writable int64 array of shape ({n},)", column="out")
    if not (out.flags.writeable and out.flags.c_contiguous and out.flags.aligned):
        raise SchemaError("out is read-only, not contiguous or not aligned; give a plain int64 array", column="out")
    _check_apart(out, orders)
    return out


_COLUMNS: Final = tuple(field.name for field in fields(Orders))


def _check_apart(out: NDArray[np.int64], orders: Orders) -> None:
    """Refuse an ``out`` that lies on a column which is read while it is written, and again for the trades."""
    owner = out.base is None
    for name in _COLUMNS:
        column = getattr(orders, name)
        if not isinstance(column, np.ndarray):
            continue
        # Two arrays that own their memory are apart, or one.
        if column is out or (not (owner and column.base is None) and np.may_share_memory(out, column)):
            raise SchemaError(
                f"out shares memory with column '{name}'; give an array of its own, or a copy of the column",
                column="out",
            )


def parameters_of(kind: type) -> Callable[[Any], tuple[object, ...]]:
    """Return what reads all parameters of a mechanism of this class, in the order of its fields."""
    return operator.attrgetter(*(field.name for field in fields(kind) if field.init))


def by_parameters(mechanism: Any) -> tuple[Any, tuple[object, ...]]:
    """Pickle a mechanism as its parameters: the checked half is made anew."""
    return type(mechanism), tuple(getattr(mechanism, field.name) for field in fields(mechanism) if field.init)


@runtime_checkable
class Mechanism(Protocol):
    """A call auction that :func:`fastclear.clear` can run."""

    @property
    def core(self) -> _core.Mechanism:
        """The checked mechanism of the Rust half."""
