"""Staged matching: in which stage an order traded, and why what is left of it did not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from fastclear.explanation.story import Story
from fastclear.explanation.words import paid_by_trade

if TYPE_CHECKING:
    from fastclear.preference import PreferenceClearing


def preference(story: Story) -> list[str]:
    """Stage by stage what it traded; then why no more."""
    clearing = cast("PreferenceClearing", story.clearing)
    stages: Any = clearing.mechanism.stages  # type: ignore[attr-defined]  # Preference has stages
    said = []
    deals = clearing.deals
    mine = (deals.buy_row if story.buy else deals.sell_row) == story.row
    for place, stage in enumerate(stages):
        lots = int(deals.quantity[mine & (deals.stage == place)].sum())
        if lots:
            said.append(f"Stage {place + 1} ({stage.name}) gave it {story.words.quantity(lots)}.")
    if story.fill:
        said.append(paid_by_trade(story))
    if story.fill < story.lots:
        left = story.words.quantity(story.lots - story.fill)
        said += [f"Why {left} did not trade:", *_Why(clearing, story).reasons()]
    return said


class _Why:
    """Reasons by stage, from the orders and the result."""

    def __init__(self, clearing: PreferenceClearing, story: Story) -> None:
        self.clearing = clearing
        self.story = story
        self.stages: Any = clearing.mechanism.stages  # type: ignore[attr-defined]  # Preference has stages
        book = clearing.book
        here = (book.market == book.market[story.row]) & (book.codes == 0)
        self.others: list[int] = np.flatnonzero(here & (book.is_bid != story.buy)).tolist()
        self.extras = clearing.preference_orders.extras
        people = clearing.orders.participant
        self.names = None if people is None else clearing.orders.names("participant", people)

    def reasons(self) -> Iterator[str]:
        """One sentence a stage."""
        if not len(self.others):
            yield f"there is no {self.story.counter} in this market: no counterparty."
            return
        for place, stage in enumerate(self.stages):
            yield f"stage {place + 1} ({stage.name}): {self._reason(stage)}."

    def _reason(self, stage: Any) -> str:
        kind = type(stage).__name__
        story = self.story
        essential = self._answer("essential", story.row)
        if story.buy and essential != (kind == "Essential"):
            return "it serves essential loads only" if kind == "Essential" else "the bid is an essential load"
        if kind == "Essential" and story.buy and story.limit < stage.rate:
            return f"limit: the rate is {story.at(stage.rate)}"
        if story.buy and self._answer("strict", story.row) and kind in ("Community", "Auction", "Qualities"):
            return "preference: the bid is strict and trades with those it named or wants only"
        if hasattr(stage, "pairs"):
            met = self._named(stage)
            if not len(met):
                who = "names nobody" if story.buy else "is named by nobody"
                return f"preference: it {who} with an order in this market and slot"
            return self._limits(met)
        if kind == "PreferredTypes":
            met = [row for row in self.others if self._wanted(row)]
            if not len(met):
                return "preference: no order in this market is of a type that is wanted"
            return self._limits(met)
        if kind == "Qualities":
            met = [row for row in self.others if self._good_enough(stage, row)]
            if not len(met):
                return f"preference: no {story.counter} of a class that fits it"
            return self._limits(met)
        return self._limits(self.others)

    def _limits(self, met: list[int]) -> str:
        """Among those whom the stage could bring it together with: too far, beyond its limit, or taken by others."""
        story, book = self.story, self.clearing.book
        near = np.array([row for row in met if not self._too_far(row)], np.int64)
        if not len(near):
            return "distance: all of them are farther than max_distance"
        best = int(book.limit[near].min() if story.buy else book.limit[near].max())
        if story.worse(story.limit, best):
            return f"limit: the best {story.counter} there is at {story.at(best)}"
        fees = np.array([self._fee(row) for row in near.tolist()], np.int64)
        gain = (story.limit - book.limit[near] - fees) if story.buy else (book.limit[near] - story.limit - fees)
        if (gain < 0).all():
            return f"network fee: with at least {story.at(int(fees.min()))} on top nobody there is within its limit"
        return f"outbid: every {story.counter} within its limit went to {story.noun}s before it, or ran out"

    def _answer(self, name: str, row: int) -> bool:
        return name in self.extras and bool(self.extras[name][row])

    def _of(self, row: int) -> tuple[int, int]:
        """Bid and ask of this order and another."""
        return (self.story.row, row) if self.story.buy else (row, self.story.row)

    def _named(self, stage: Any) -> list[int]:
        from fastclear.preference.pipeline import pairs_of

        frame = pairs_of(stage).frame
        assert self.names is not None  # a stage of pairs needs participants
        me = self.names[self.story.row]
        slot = int(self.extras["slot"][self.story.row]) if "slot" in self.extras else 0
        valid = frame.filter((frame["valid_from"] <= slot) & (frame["valid_to"] > slot))
        mine, theirs = ("buyer", "source") if self.story.buy else ("source", "buyer")
        others = set(valid.filter(valid[mine] == me)[theirs].to_list())
        return [row for row in self.others if self.names[row] in others]

    def _wanted(self, row: int) -> bool:
        buy, sell = self._of(row)
        wants, source = self.extras["wants"][buy], self.extras["source"][sell]
        return source is not None and wants is not None and source in wants.to_list()

    def _good_enough(self, stage: Any, row: int) -> bool:
        buy, sell = (self.extras["quality"][side] for side in self._of(row))
        if buy is None or sell is None:
            return False
        place = {name: rank for rank, name in enumerate(stage.classes)}
        return place[sell] == place[buy] if stage.order == "separate" else place[sell] <= place[buy]

    def _zones(self, row: int) -> tuple[Any, Any]:
        buy, sell = self._of(row)
        return (self.extras["zone"][buy], self.extras["zone"][sell]) if "zone" in self.extras else (None, None)

    def _too_far(self, row: int) -> bool:
        if "max_distance" not in self.extras:
            return False
        buy, _ = self._of(row)
        reach = self.extras["max_distance"][buy]
        table = self.clearing.mechanism.distances  # type: ignore[attr-defined]  # Preference has distances
        zones = self._zones(row)
        if table is None:
            distance = int("zone" in self.extras and (zones[0] is None or zones[0] != zones[1]))
        else:
            distance = table.get(zones, table.get((zones[1], zones[0]), 0))
        return reach is not None and distance > reach

    def _fee(self, row: int) -> int:
        network = self.clearing.network
        if network is None or not network.inside:
            return 0
        zones = self._zones(row)
        if zones in network.fees:
            return int(network.fees[zones])
        same = "zone" not in self.extras or (zones[0] is not None and zones[0] == zones[1])
        return int(network.local if same and network.local is not None else network.between)
