"""Nano-currency to cents: the one place of the house where money is rounded to what a bank can transfer."""

from __future__ import annotations

from typing import Final, Literal

from fastclear.errors import SettlementError

CENT: Final = 10**7
"""Nano-currency in a cent."""
Rule = Literal["half_even", "half_up"]
RULES: Final = ("half_even", "half_up")


def checked_rule(rule: object) -> Rule:
    """Return the rule.

    Raises
    ------
    SettlementError
        It is none.
    """
    if rule not in RULES:
        raise SettlementError(f"rounding={rule!r}; use 'half_even' or 'half_up'")
    return rule


def to_cents(nano: int, rule: Rule) -> int:
    """Whole cents nearest to ``nano``, in nano-currency; what is negative is rounded as what is positive.

    Parameters
    ----------
    nano : int
        Nano-currency.
    rule : {"half_even", "half_up"}
        Half a cent goes to the even cent, or away from zero.

    Examples
    --------
    >>> [to_cents(nano, "half_even") for nano in (5_000_000, 15_000_000, -15_000_001, 4_999_999)]
    [0, 20000000, -20000000, 0]
    >>> [to_cents(nano, "half_up") for nano in (5_000_000, -5_000_000, -25_000_000)]
    [10000000, -10000000, -30000000]
    """
    cents, rest = divmod(abs(nano), CENT)
    more = 2 * rest > CENT or (2 * rest == CENT and (rule == "half_up" or cents % 2 == 1))
    return (1 if nano >= 0 else -1) * (cents + more) * CENT


def part_of(nano: int, ppm: int) -> int:
    """``ppm`` millionths of an amount in whole nano-currency, half to even.

    Examples
    --------
    >>> part_of(25, 20_000), part_of(75, 20_000), part_of(-75, 20_000)
    (0, 2, -2)
    """
    whole, rest = divmod(abs(nano) * ppm, 10**6)
    more = 2 * rest > 10**6 or (2 * rest == 10**6 and whole % 2 == 1)
    return (1 if nano >= 0 else -1) * (whole + more)
