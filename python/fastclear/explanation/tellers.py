"""Who tells the story of an order: one function a mechanism."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from fastclear.explanation.blocks import blocks
from fastclear.explanation.double_auction import discriminatory, uniform
from fastclear.explanation.matching import maximal_volume, random_matching
from fastclear.explanation.muda import muda
from fastclear.explanation.preference import preference
from fastclear.explanation.reasons import nobody_there, out_of_reach
from fastclear.explanation.refusals import refused
from fastclear.explanation.rounds import average, multi_round
from fastclear.explanation.sharing import load
from fastclear.explanation.story import Story
from fastclear.explanation.truthful import huang, sbba, trade_reduction, vickrey
from fastclear.explanation.words import outcome, paid


def _generic(story: Story) -> list[str]:
    """For a mechanism that says nothing more about itself: limits against the price."""
    if story.fill:
        return [paid(story)]
    reason = nobody_there(story) or out_of_reach(story)
    if reason is not None:
        return [reason]
    price = story.view.shown_figure("price_buy" if story.buy else "price_sell")
    if price is None:
        return ["The mechanism gave its lots to others."]
    text = story.words.price(int(price), of_clearing=True)
    if story.worse(story.limit * story.words.den, int(price)):
        return [f"Its limit is {'below' if story.buy else 'above'} the price of {text}."]
    return [f"Its limit reaches the price of {text}, but the mechanism gave its lots to others."]


TELLERS: Final[dict[str, Callable[[Story], list[str]]]] = {
    "Uniform": uniform,
    "Discriminatory": discriminatory,
    "MaximalVolume": maximal_volume,
    "RandomMatching": random_matching,
    "Vickrey": vickrey,
    "TradeReduction": trade_reduction,
    "Huang": huang,
    "Sbba": sbba,
    "Muda": muda,
    "Average": average,
    "MultiRound": multi_round,
    "Blocks": blocks,
    "Preference": preference,
}


def told(story: Story) -> str:
    """Everything about one order, in a few sentences."""
    code = int(story.clearing.reject[story.row])
    if code:
        return refused(story, code)
    if hasattr(story.clearing, "loads"):
        return load(story)
    # Clearings with rules of their own tell their own story.
    own: Callable[[Story], list[str]] | None = getattr(story.clearing, "teller", None)
    teller = own or TELLERS.get(type(story.clearing.mechanism).__name__, _generic)
    return " ".join([outcome(story), *teller(story)])
