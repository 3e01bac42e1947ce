"""MUDA: two halves, each of which trades at the other's price."""

from __future__ import annotations

from fastclear.explanation.reasons import nobody_there
from fastclear.explanation.story import Story
from fastclear.explanation.words import amount, paid_by_trade


def muda(story: Story) -> list[str]:
    """Each half trades at the price that the other half makes."""
    view, words = story.view, story.words
    made = {half: view.shown_figure(f"price_{half}") for half in ("left", "right")}
    prices = " and ".join(
        f"{half} has none" if price is None else f"{half} makes {words.price(int(price), of_clearing=True)}"
        for half, price in made.items()
    )
    rule = f"Each half of the traders trades at the price that the other half makes ({prices})."
    if story.fill:
        if story.clearing.pays_sums:
            fee = f"{'plus' if story.buy else 'less'} a fee for whom it keeps out (none on the short side)"
            paid = f"{amount(story)}: the price of the other half for each lot, {fee}."
        else:
            paid = paid_by_trade(story)
        return [*([] if story.fill == story.lots else [_muda_long_side(story)]), paid, rule]
    alone = nobody_there(story)
    if alone is not None:
        return [alone]
    half = "right" if story.clearing.halves[story.row] else "left"
    price = next(price for name, price in made.items() if name != half)
    stands = f"{rule} It stands in the {half} half."
    if price is None:
        return [f"{stands} It has no price to trade at."]
    limit = story.limit * words.den
    if limit > price if story.buy else limit < price:
        return [stands, _muda_long_side(story)]
    side, beyond = ("above", "at or below") if story.buy else ("below", "at or above")
    return [f"{stands} Its limit is not {side} the price that it could trade at ({beyond} is not enough)."]


def _muda_long_side(story: Story) -> str:
    if story.clearing.pays_sums:
        end = f"and {story.noun}s of better price came first"
    else:
        end = "and the lottery did not reach all of it" if story.fill else "and the lottery did not reach it"
    return f"More lots of its side than of the other were willing in its half, {end}."
