"""Members pick producers, in an order of their own, at the price that each producer asks; the supplier has the rest."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any

from pydantic import Field

from fastclear.community import Community
from fastclear.platforms.parameters import Frozen, Parameter
from fastclear.platforms.rules.rule import Rule
from fastclear.platforms.rules.staged import Stager, picks
from fastclear.preference import Nominated, Preference

_NS_PER_DAY = 86_400 * 10**9


class Options(Frozen):
    """How many producers a member picks, and for how many days a choice holds (0: for the run)."""

    sources: Parameter[Annotated[int, Field(ge=1, le=10)]]
    holds_days: Parameter[Annotated[int, Field(ge=0, le=3_650)]]


def _staged(options: Options, community: Community, seed: int) -> Stager:
    days = options.holds_days.value
    first = int(community.slots[0])

    @lru_cache(maxsize=2)
    def of_period(period: int) -> Any:
        pairs = picks(community, options.sources.value, seed, period)
        return Preference(stages=(Nominated(pairs, rule="ask"),))

    def of_slot(slot: int) -> Any:
        passed = (int(community.slots[slot]) - first) // _NS_PER_DAY
        return of_period(passed // days if days else 0)

    return of_slot


RULE = Rule("nominated", Options, None, says="picked producers", staged=_staged)
