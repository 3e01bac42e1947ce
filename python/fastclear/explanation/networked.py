"""Auctions with fees from zone to zone inside: why an order did or did not trade."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from fastclear.explanation.reasons import nobody_there
from fastclear.explanation.story import Story
from fastclear.explanation.words import paid_by_trade

if TYPE_CHECKING:
    from fastclear.preference.networked import FeeClearing


def networked(story: Story) -> list[str]:
    """Best pairs after fees: nobody in reach, the fee in between, or others brought more."""
    clearing = cast("FeeClearing", story.clearing)
    said = [paid_by_trade(story)] if story.fill else []
    if story.fill == story.lots:
        return said
    alone = nobody_there(story)
    if alone is not None:
        return [*said, alone]
    zones = clearing.preference_orders.extras.get("zone")
    network = clearing.network
    gains = []
    for other in story.others.tolist():
        buy, sell = (story.row, other) if story.buy else (other, story.row)
        pair = (None, None) if zones is None else (zones[buy], zones[sell])
        same = zones is None or (pair[0] is not None and pair[0] == pair[1])
        local = network.between if network.local is None else network.local
        fee = network.fees.get(pair, local if same else network.between)
        book = clearing.book
        gains.append((int(book.limit[buy] - book.limit[sell]), int(fee)))
    if max(gain for gain, _ in gains) < 0:
        return [*said, f"Nobody accepts its limit of {story.at(story.limit)}."]
    if max(gain - fee for gain, fee in gains) < 0:
        least = min(fee for gain, fee in gains if gain >= 0)
        return [*said, f"The network fee stands in between: it is at least {story.at(least)} to those within its limit."]
    return [*said, "Those within its limit brought more elsewhere, fees included: outbid."]
