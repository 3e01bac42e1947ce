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
    half = _half(story)
    offered = {name: price for name, price in made.items() if half is None or name != half}
    stands = "" if half is None else f" It stands in the {half} half."
    known = [int(price) for price in offered.values() if price is not None]
    limit = story.limit * words.den
    willing = [price for price in known if (limit > price if story.buy else limit < price)]
    side, beyond = ("above", "at or below") if story.buy else ("below", "at or above")
    if not known:
        return [f"{rule}{stands} It has no price to trade at."]
    if not willing:
        return [f"{rule}{stands} Its limit is not {side} the price that it could trade at ({beyond} is not enough)."]
    if len(willing) == len(offered):
        return [f"{rule}{stands}", _muda_long_side(story)]
    if len(known) < len(offered):
        half_of = "the half that found the only price, which then has none to trade at"
    else:
        half_of = "the half whose price to trade at its limit does not reach"
    return [rule, f"Either it stands in {half_of}; or {_muda_long_side(story, later=True)}"]


def _half(story: Story) -> str | None:
    """Where a partition was given: the half in which the order stands."""
    if story.view.setting("partition") is None:
        return None
    halves, _ = story.clearing.mechanism.places(story.clearing.orders)  # type: ignore[attr-defined]  # Muda's
    return "right" if halves[story.row] else "left"


def _muda_long_side(story: Story, *, later: bool = False) -> str:
    first = "more" if later else "More"
    if story.clearing.pays_sums:
        end = f"and {story.noun}s of better price came first"
    else:
        end = "and the lottery did not reach all of it" if story.fill else "and the lottery did not reach it"
    return f"{first} lots of its side than of the other were willing in its half, {end}."
