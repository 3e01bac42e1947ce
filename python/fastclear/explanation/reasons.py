"""Why an order did not trade, as far as several mechanisms share the reason."""

from __future__ import annotations

from typing import Final

import numpy as np

from fastclear.explanation.story import Story

_RATIONING: Final = {
    "pro_rata": "Rationing pro rata (in proportion to quantity, left-over lots one each to the largest remainders)",
    "time": "Rationing by time (earlier orders first, then smaller ids)",
    "equal": "Rationing equally (the same to each, as far as they ask for it)",
    "quantity": "Rationing by quantity (larger orders first, then earlier ones)",
    "lottery": "The lottery (orders are served in an order drawn by lot)",
}


def nobody_there(story: Story) -> str | None:
    """The other side of the market is empty."""
    if len(story.others):
        return None
    orders = story.clearing.orders
    here = story.view.rows
    refused = int(np.count_nonzero((story.clearing.reject[here] > 0) & ((orders.side[here] == 1) != story.buy)))
    note = f" ({refused:,} {'was' if refused == 1 else 'were'} refused)" if refused else ""
    return f"There is no {story.counter} in this market{note}: nobody to trade with."


def out_of_reach(story: Story) -> str | None:
    """No order of the other side reaches its limit."""
    best = int(story.view.competing(story.others[:1])[0])
    if not story.worse(story.competing, best):
        return None
    other = f"the {'cheapest ask' if story.buy else 'dearest bid'} of the market is at {story.at(best)}"
    return f"Nobody accepts its limit of {story.at(story.limit)}: {other}{less_fee(story, best)}."


def less_fee(story: Story, best: int) -> str:
    """The fee, where it alone stands between this order and the best of the other side."""
    fee = story.view.fee
    if not fee:
        return ""
    if story.buy:
        return f", and the fee of {story.at(fee)} comes on top"
    return f" after the fee of {story.at(fee)}, which the buyer pays within its limit of {story.at(best + fee)}"


def empty_market(story: Story) -> str | None:
    """Nothing traded in the market at all, and price alone says why."""
    if story.view.volume:
        return None
    if (alone := nobody_there(story)) is not None:
        return alone
    bid = int(story.view.limits(story.view.bids).max())
    ask = int(story.view.competing(story.view.asks[:1])[0])
    fee = story.view.fee
    if bid < ask:
        return f"Nothing trades in this market: the best bid ({story.at(bid)}) is below the best ask ({story.at(ask)})."
    if bid - fee < ask:
        return (
            f"Nothing trades in this market: between the best bid ({story.at(bid)}) and the best ask "
            f"({story.at(ask)}) there is less than the fee of {story.at(fee)}."
        )
    return None


def behind(story: Story, worst: int) -> str:
    """It ranks behind the worst order served."""
    return (
        f"It was {'outbid' if story.buy else 'undercut'}: the {'lowest bid' if story.buy else 'dearest ask'} that "
        f"traded is at {story.at(worst + (story.view.fee if story.buy else 0))}."
    )


def rationed(story: Story, rule: str) -> str:
    """Its price level is the last one served, and there was not enough for all of it."""
    count, wanted, got = story.level
    words = story.words
    if count == 1:
        better = f" after better {story.noun}s" if story.place else ""
        within = f"{story.counter}s within its limit come to {words.quantity(got)}{better}"
        return f"It is the marginal {story.noun}: {within}."
    share = words.quantity(story.fill) if story.fill else "nothing"
    return (
        f"It is at the margin: {count:,} {story.noun}s at {story.at(story.limit)} come to {words.quantity(wanted)}, "
        f"and {words.quantity(got)} {'was' if got == story.words.units.lots else 'were'} left for them. "
        f"{_RATIONING[rule]} gives this one {share}."
    )


def beyond_crossing(story: Story) -> str | None:
    """Why an order trades nothing that would not trade under price priority either."""
    reason = nobody_there(story) or out_of_reach(story)
    if reason is not None:
        return reason
    _, bids, asks = story.view.crossing
    taking_part = bids if story.buy else asks
    if story.place < taking_part:
        return None
    last = int(story.view.competing(story.own[taking_part - 1 : taking_part])[0])
    if last == story.competing:
        return (
            f"It is at the margin, {story.at(story.limit)}, where earlier {story.noun}s (then smaller ids) come first; "
            "nothing was left for it."
        )
    word = "outbid" if story.buy else "undercut"
    left = f"only {taking_part:,} {story.noun}{'s' if taking_part != 1 else ''} of better price can trade at a gain"
    return f"It was {word}: {left}, the last of them at {story.at(last)}."
