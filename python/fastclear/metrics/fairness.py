"""Who gains and how evenly: exact figures over bills and gains, one number a member, nano-currency."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from fastclear.errors import SchemaError


def whole_numbers(name: str, values: Iterable[Any]) -> list[int]:
    """A column of whole numbers of any size as Python integers.

    Raises
    ------
    SchemaError
        Naming the column and the row.

    Examples
    --------
    >>> whole_numbers("bill", np.array([3, -1]))
    [3, -1]
    """
    numbers = []
    for row, value in enumerate(values):
        if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
            raise SchemaError(f"{name}, row {row}: {value!r} is no whole number", column=name, row=row)
        numbers.append(int(value))
    return numbers


def not_negative(name: str, values: Iterable[Any]) -> list[int]:
    """The same, none below 0, as figures of evenness need them."""
    numbers = whole_numbers(name, values)
    for row, value in enumerate(numbers):
        if value < 0:
            raise SchemaError(
                f"{name}, row {row}: {value} is below 0, where evenness has no meaning; count losses as 0, "
                "max(gain, 0), and list who is worse off beside it",
                column=name,
                row=row,
            )
    return numbers


def gains(bills: Iterable[Any], without: Iterable[Any]) -> list[int]:
    """What each member saves against no trading: ``bill without - bill``.

    Examples
    --------
    >>> gains([90, 40, -5], [100, 40, -10])
    [10, 0, -5]
    """
    paid, alone = whole_numbers("bills", bills), whole_numbers("without", without)
    if len(paid) != len(alone):
        raise SchemaError(f"bills has {len(paid)} members, without {len(alone)}", column="without")
    return [b - a for a, b in zip(paid, alone, strict=True)]


def worse_off(bills: Iterable[Any], without: Iterable[Any]) -> list[int]:
    """Positions of the members whose bill is above the one without trading; empty means "no one worse off", exactly.

    Examples
    --------
    >>> worse_off([90, 40, -5], [100, 40, -10])
    [2]
    """
    return [member for member, gain in enumerate(gains(bills, without)) if gain < 0]


def min_gain(bills: Iterable[Any], without: Iterable[Any]) -> int | None:
    """The smallest gain of any member, negative where somebody loses; None without members.

    Examples
    --------
    >>> min_gain([90, 40, -5], [100, 40, -10])
    -5
    """
    return min(gains(bills, without), default=None)


def max_regret(bills: Iterable[Any], alternatives: Sequence[Iterable[Any]]) -> int | None:
    """The most that any member pays above the best bill that one of the alternatives would have given it.

    Regret as of Savage 1951, member by member: ``max_i (bill_i - min_k alternative_k,i)``, 0 where nobody would have
    done better.

    Examples
    --------
    >>> max_regret([90, 40], [[100, 35], [80, 60]])
    10
    """
    paid = whole_numbers("bills", bills)
    others = [whole_numbers("alternatives", other) for other in alternatives]
    if any(len(other) != len(paid) for other in others):
        raise SchemaError(f"every alternative needs {len(paid)} members, as bills has", column="alternatives")
    regrets = [bill - min([bill, *(other[member] for other in others)]) for member, bill in enumerate(paid)]
    return max(regrets, default=None)


def jain_index(values: Iterable[Any]) -> Fraction | None:
    """Evenness: ``(sum x)^2 / (n sum x^2)``, from 1/n (one has all) to 1 (all have the same).

    Source: Jain, Chiu & Hawe 1984, "A quantitative measure of fairness and discrimination", DEC-TR-301. None where
    there is nothing to share.

    Raises
    ------
    SchemaError
        If a value is below 0: the index is not made for losses.

    Examples
    --------
    >>> jain_index([2, 2, 0])
    Fraction(2, 3)
    """
    numbers = not_negative("values", values)
    squares = sum(x * x for x in numbers)
    return Fraction(sum(numbers) ** 2, len(numbers) * squares) if squares else None


def gini(values: Iterable[Any]) -> Fraction | None:
    """Unevenness: 0 where all have the same, ``1 - 1/n`` where one has all.

    The mean difference of two members over twice the mean: ``sum_i sum_j |x_i - x_j| / (2 n^2 mean)``, computed from
    the sorted values. Source: Gini 1912, in the form of Sen 1973. None where there is nothing to share.

    Raises
    ------
    SchemaError
        If a value is below 0.

    Examples
    --------
    >>> gini([1, 3])
    Fraction(1, 4)
    """
    numbers = sorted(not_negative("values", values))
    total, n = sum(numbers), len(numbers)
    if not total:
        return None
    return Fraction(sum((2 * rank - n + 1) * x for rank, x in enumerate(numbers)), n * total)
