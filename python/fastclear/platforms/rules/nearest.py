"""Bids, dearest first, take the nearest asks, cheapest first within a zone; each pair at a price of its own."""

from __future__ import annotations

from typing import Any, Literal

from fastclear.community import Community as Members
from fastclear.platforms.parameters import Frozen, Parameter
from fastclear.platforms.rules.rule import Rule
from fastclear.platforms.rules.staged import Stager
from fastclear.preference import Community, Preference


class Options(Frozen):
    """Whose price a pair has: the buyer's (pay as bid) or the seller's."""

    price: Parameter[Literal["bid", "ask"]]


def _staged(options: Options, community: Members, seed: int) -> Stager:
    del community, seed
    mechanism: Any = Preference(stages=(Community(first="distance", rule=options.price.value),))
    return lambda _: mechanism


RULE = Rule("nearest", Options, None, says="nearest first", staged=_staged)
