"""What a market rule is: a name, parameters of its own, and the mechanism that they make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastclear.auction.parameters import Mechanism
from fastclear.community import Community
from fastclear.platforms.parameters import Frozen
from fastclear.sharing import SharingMechanism


@dataclass(frozen=True)
class Rule:
    """A market rule that a preset can name.

    Attributes
    ----------
    name : str
        Value of ``market.mechanism``, and name of the section with its parameters.
    options : type
        The keys of that section.
    mechanism : callable or None
        Makes the mechanism of :func:`fastclear.clear` from them; None where every slot has one of its own (`staged`),
        and in a pool.
    says : str
        What a table calls it.
    one_price : bool
        Whether all of a market trade at one price, within the clearing interval.
    pool : callable or None
        Where nobody bids: the sharing mechanism that divides what was metered once a slot is over, from the parameters,
        retail and feed-in price (ticks). None: members bid before the slot.
    staged : callable or None
        Where the mechanism knows members: from the parameters, the community and a seed a function from the position of
        a slot to its mechanism. Orders then carry the zone of their member.
    """

    name: str
    options: type[Frozen]
    mechanism: Callable[[Any], Mechanism] | None
    says: str
    one_price: bool = False
    pool: Callable[[Any, int, int], SharingMechanism] | None = None
    staged: Callable[[Any, Community, int], Callable[[int], Any]] | None = None
