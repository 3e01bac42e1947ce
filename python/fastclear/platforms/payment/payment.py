"""What a way of payment is: a settlement profile with parameters of its own, and what a bank needs to begin with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from fastclear.platforms.parameters import Frozen
from fastclear.profiles import Profile
from fastclear.settlement import Settlement


def no_more(bank: Settlement, members: Sequence[int], options: Any) -> None:
    """Members have accounts, and that is all a bank of this profile needs."""
    del bank, members, options


def nothing_to_say(members: pl.DataFrame, days: int, currency: str, options: Any) -> list[str]:
    """A profile of which a reader must know nothing more."""
    del members, days, currency, options
    return []


def nothing(options: Any) -> int:
    """A profile without this rule."""
    del options
    return 0


@dataclass(frozen=True)
class Payment:
    """A settlement profile that a preset can name.

    Attributes
    ----------
    name : str
        Value of ``settlement.profile``, and name of the section with its parameters.
    options : type or None
        The keys of that section; None where there are none.
    profile : callable
        Makes the profile of :class:`fastclear.Settlement` from them.
    begin : callable
        What happens at the bank once the members, named 0, 1, 2, …, have accounts, and before their deposits.
    holding : callable
        Nano-currency that a member must keep at all times.
    seller_share : callable
        Parts per million of what a seller receives that others take out of it.
    remedy : str
        What to change where members lack cover, as the end of a sentence.
    notes : callable
        What a reader must know after a run: from the frame of the members, the days, the currency and the parameters.
    lends : bool
        Whether cover can be other than money that was paid in.
    """

    name: str
    options: type[Frozen] | None
    profile: Callable[[Any], Profile]
    begin: Callable[[Settlement, Sequence[int], Any], None] = no_more
    holding: Callable[[Any], int] = nothing
    seller_share: Callable[[Any], int] = nothing
    remedy: str = "set settlement.deposit"
    notes: Callable[[pl.DataFrame, int, str, Any], list[str]] = nothing_to_say
    lends: bool = False
