"""Block orders, which are accepted whole or not at all, and the orders beside them."""

from __future__ import annotations

from fastclear.explanation.reasons import rationed
from fastclear.explanation.story import Story
from fastclear.explanation.words import paid
from fastclear.market_view import shown


def blocks(story: Story) -> list[str]:
    """Prices of all markets together, and blocks accepted whole or not at all."""
    view, words = story.view, story.words
    price = view.shown_figure("price")
    block = -1 if view.block_of is None else int(view.block_of[story.row])
    if block >= 0:
        return _block(story, block)
    if story.fill:
        low, high = (int(view.shown_figure(name)) for name in ("price_low", "price_high"))
        ends = f"{words.bare_price(low, of_clearing=True)} to {words.price(high, of_clearing=True)}"
        why = f"The prices that support this market are {ends}; among them, blocks and all markets together decide."
        if low == high:
            why = "No other price supports this market."
        reason = [] if story.fill == story.lots else [rationed(story, view.setting("rationing", "pro_rata"))]
        return [*reason, paid(story), why]
    if price is None:
        return ["Nothing trades in this market."]
    text = words.price(int(price), of_clearing=True)
    if story.worse(story.limit * words.den, int(price)):
        return [f"Its limit is {'below' if story.buy else 'above'} the price of {text}."]
    return [rationed(story, view.setting("rationing", "pro_rata"))]


def _block(story: Story, block: int) -> list[str]:
    """Why a block was accepted or rejected as a whole."""
    frame = story.clearing.blocks  # type: ignore[attr-defined]  # a BlockClearing's
    names = story.clearing.block_orders.blocks  # type: ignore[attr-defined]
    fate = frame.filter(frame["block"] == names[block]).row(0, named=True)
    title = f"block {shown(names[block])}"
    surplus, family = (None if fate[name] is None else int(fate[name]) for name in ("surplus", "family_surplus"))
    accepted = set(frame.filter("accepted")["block"].to_list())
    if fate["accepted"]:
        earns = "" if surplus is None else f": at the prices it earns {story.words.money(surplus)} beyond its limits"
        with_kin = "" if family == surplus or family is None else f", {story.words.money(family)} with its children"
        return [f"It is part of {title}, which was accepted whole{earns}{with_kin}.", paid(story)]
    reason = "every choice of blocks with it has less welfare, or prices at which somebody loses"
    group = fate["exclusive"]
    rivals = [] if group is None else frame.filter("accepted").filter(exclusive=group)["block"].to_list()
    if fate["parent"] is not None and fate["parent"] not in accepted:
        reason = f"its parent {shown(fate['parent'])} was rejected"
    elif rivals:
        reason = f"block {shown(rivals[0])} of the same exclusive group was accepted"
    elif surplus is not None and surplus < 0:
        reason = f"at the prices it would lose {story.words.money(-surplus)}"
    paradox = ""
    if fate["paradoxical"] and surplus is not None:
        paradox = f" At the prices it would have earned {story.words.money(surplus)}: with it, prices would be others."
    return [f"It is part of {title}, which was rejected: {reason}.{paradox}"]
