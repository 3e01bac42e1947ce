"""Prices half way between bid and ask: once, or round by round."""

from __future__ import annotations

from fastclear.explanation.reasons import beyond_crossing, nobody_there, out_of_reach
from fastclear.explanation.story import Story
from fastclear.explanation.words import paid, paid_by_trade


def average(story: Story) -> list[str]:
    """One price, half way between the last bid and the last ask."""
    if story.fill:
        return [paid(story), "The price is half way between the last bid and the last ask that trade."]
    reason = beyond_crossing(story)
    return [reason or "It is not among the pairs that trade at a gain."]


def multi_round(story: Story) -> list[str]:
    """Quotes move towards each other, round by round."""
    view = story.view
    rounds = view.shown_figure("rounds")
    ran = f"{rounds} round{'' if rounds == 1 else 's'}"
    paid = [paid_by_trade(story), "Each round has one price, half way between its last bid and its last ask."]
    if story.fill == story.lots:
        return paid
    reason = nobody_there(story) or out_of_reach(story)
    if reason is None:
        step = view.setting("buyer_step" if story.buy else "seller_step")
        how, end = ("raises", "up") if story.buy else ("lowers", "down")
        reason = (
            f"After {ran} no {story.counter} was left that accepts its quote; in each round an order with lots left "
            f"{how} its quote by {story.at(int(step))}, {end} to its limit."
        )
    return [reason, *(paid if story.fill else [])]
