"""What a market rule is: a name, parameters of its own, and the mechanism that they make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastclear.auction.parameters import Mechanism
from fastclear.platforms.parameters import Frozen


@dataclass(frozen=True)
class Rule:
    """A market rule that a preset can name.

    Attributes
    ----------
    name : str
        Value of ``market.mechanism``, and name of the section with its parameters.
    options : type
        The keys of that section.
    mechanism : callable
        Makes the mechanism of :func:`fastclear.clear` from them.
    says : str
        What a table calls it.
    one_price : bool
        Whether all of a market trade at one price, within the clearing interval.
    pool : callable or None
        Where nobody bids: the price in ticks at which everybody's meter is traded once a slot is over, from the
        parameters, retail and feed-in price (ticks) and what was metered (Wh). None: members bid before the slot.
    """

    name: str
    options: type[Frozen]
    mechanism: Callable[[Any], Mechanism]
    says: str
    one_price: bool = False
    pool: Callable[[Any, int, int, NDArray[np.int64]], int] | None = None
