"""Terms of profiles as the core takes them, and what all profiles check."""

from __future__ import annotations

from typing import Final

from fastclear.columns import whole
from fastclear.errors import SettlementError

Terms = tuple[int, int, int, int]
"""Interest in ppm, the days it is for, the term in days, the penalty in ppm a day."""

Rules = tuple[int, int | None, tuple[int, int]]
"""Money to be kept, ppm of a bond where payments wait in escrow, ppm of proceeds to the platform and the network."""

NO_LOANS: Final[Terms] = (0, 1, 0, 0)
NO_RULES: Final[Rules] = (0, None, (0, 0))


def within(name: str, value: object, most: int) -> None:
    """Refuse what is no integer from 0 to ``most``."""
    if not 0 <= whole(name, value) <= most:
        raise SettlementError(f"{name} = {value}; keep it between 0 and {most}")


def check_minimum(value: object) -> None:
    """Refuse a minimum holding that cannot be."""
    within("minimum_holding", value, 2**62)
