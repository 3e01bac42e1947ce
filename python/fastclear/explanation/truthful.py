"""Truthful mechanisms: what an order pays does not come from its own limit."""

from __future__ import annotations

from fastclear.explanation.reasons import beyond_crossing, rationed
from fastclear.explanation.story import Story
from fastclear.explanation.words import amount, paid, side_price
from fastclear.market_view import shown


def vickrey(story: Story) -> list[str]:
    """Each pays what its trade costs the others."""
    if not story.fill:
        return [beyond_crossing(story) or "The allocation of highest welfare does without it."]
    reasons = []
    if story.fill < story.lots:
        reasons.append(rationed(story, "time"))
    own = abs(story.limit * story.fill * story.words.den)
    at_limit = f"its own limit would come to {story.words.money(own)}"
    has_participants = story.clearing.orders.participant is not None
    shared = " (over all its orders, split by what they fill)" if has_participants else ""
    what = "what its trade costs all others" if story.buy else "what its trade is worth to all others"
    return [
        *reasons,
        f"{amount(story)}, {what}{shared}; {at_limit}. As long as it trades the same, no other limit changes that.",
    ]


def trade_reduction(story: Story) -> list[str]:
    """The marginal pair sets the prices and sits out."""
    view, words = story.view, story.words
    branch = view.shown_figure("branch")
    _, k, _ = view.crossing
    if story.fill:
        if branch == "all_trade":
            why = f"All {k:,} pairs that gain trade at half way between the first bid and the first ask left out."
        else:
            why = (
                f"Buyers pay {side_price(story, 'price_buy')} and sellers get {side_price(story, 'price_sell')}: the "
                "limits of the pair that was left out."
            )
        return [paid(story), why]
    reason = beyond_crossing(story)
    if reason is not None:
        return [reason]
    partner = (view.asks if story.buy else view.bids)[k - 1]
    name = shown(story.clearing.orders.order_ids()[int(partner)])
    gain = words.price(int(view.limits(view.bids[k - 1 : k])[0] - view.limits(view.asks[k - 1 : k])[0]))
    others = f": its limit is the price of {_the_others(k - 1, story.noun)}" if k > 1 else "; there is no other pair"
    return [
        f"It is half of the marginal pair (with {story.counter} {name}, gain {gain}), which trade reduction leaves "
        f"out so that nobody sets their own price{others}."
    ]


def huang(story: Story) -> list[str]:
    """The marginal bid and ask set the prices and sit out; the longer side gives up the rest."""
    view, words = story.view, story.words
    if story.fill == story.lots:
        return [paid(story), _huang_price(story)]
    _, bids, asks = view.crossing
    taking_part = bids if story.buy else asks
    if not story.fill:
        reason = beyond_crossing(story)
        if reason is not None:
            return [reason]
        if story.place == taking_part - 1:
            others = "sets the price of the other " + ("buyers" if story.buy else "sellers")
            if not view.volume:
                return [
                    f"It is the marginal {story.noun}, which never trades; without it and the marginal {story.counter} "
                    "nothing is left to trade."
                ]
            return [f"It is the marginal {story.noun}, which never trades: its limit {others}."]
        if not view.volume:
            return [f"Without the marginal bid and the marginal ask no {story.counter} is left to trade with."]
    before = story.own[: taking_part - 1]
    wanted = int(view.quantity(before).sum())
    cut = wanted - view.volume
    what = (
        f"Before the marginal {story.noun} come {words.quantity(wanted)} of {story.noun}s and "
        f"{words.quantity(view.volume)} trade: each {story.noun} gives up the same part of the difference of "
        f"{words.quantity(cut)}"
    )
    if not story.fill:
        return [f"{what}; this one is no larger than its part."]
    return [f"{what}; this one gives up {words.quantity(story.lots - story.fill)}.", paid(story), _huang_price(story)]


def _huang_price(story: Story) -> str:
    return (
        f"Buyers pay {side_price(story, 'price_buy')} and sellers get {side_price(story, 'price_sell')}: the limits "
        "of the marginal bid and the marginal ask, which do not trade themselves."
    )


def sbba(story: Story) -> list[str]:
    """A limit that is left out is the price of all."""
    view = story.view
    _, k, _ = view.crossing
    by_seller = view.shown_figure("branch") == "seller_sets_price"
    if story.fill:
        setter = "ask that is left out" if by_seller else "bid that is left out"
        return [paid(story), f"The price is the limit of the best {setter}: all pay it and all get it."]
    if by_seller and not story.buy and story.place == k:
        return ["It is the best ask left out: its limit is the price that all others trade at."]
    reason = beyond_crossing(story)
    if reason is not None:
        return [reason]
    if story.buy:
        if k == 1:
            return ["It is the only bid that could trade, and a bid that sets the price does not trade itself."]
        return [
            f"It is the marginal bid: its limit is the price of {_the_others(k - 1, 'pair')}, and it does not trade."
        ]
    if k == 1:
        return [
            "It is the only ask that could trade, and the bid that it would meet sets the price and does not trade."
        ]
    return [
        f"It lost the lottery (seed {view.setting('seed')}): {k:,} asks could trade, the marginal bid is left out, and "
        "so one seller, drawn by lot, sits out."
    ]


def _the_others(count: int, noun: str) -> str:
    return f"the other {noun}" if count == 1 else f"the {count:,} other {noun}s"
