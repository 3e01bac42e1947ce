"""Mechanisms that pair bids and asks without regard to price priority."""

from __future__ import annotations

from fastclear.explanation.double_auction import pair_rule
from fastclear.explanation.reasons import nobody_there, out_of_reach
from fastclear.explanation.story import Story
from fastclear.explanation.words import paid_by_trade


def _matching(story: Story, how: str) -> list[str]:
    """Maximal-volume and random matching: who is left finds nobody left within its limit."""
    paid = [paid_by_trade(story), pair_rule(story)] if story.fill else []
    if story.fill == story.lots:
        return paid
    reason = nobody_there(story) or out_of_reach(story)
    if reason is None:
        side = "at or below" if story.buy else "at or above"
        reason = f"Every {story.counter} {side} its limit went to other {story.noun}s, or ran out: {how}"
    return [reason, *paid]


def maximal_volume(story: Story) -> list[str]:
    """As many lots as possible."""
    return _matching(story, "the pairs are chosen so that as many lots as possible trade.")


def random_matching(story: Story) -> list[str]:
    """Partners by lot."""
    return _matching(story, f"partners are drawn by lot (seed {story.view.setting('seed')}).")
