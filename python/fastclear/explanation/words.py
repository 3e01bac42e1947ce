"""What any order can be told: what became of it, and what it pays."""

from __future__ import annotations

from typing import Final

from fastclear.explanation.story import Story
from fastclear.market_view import shown

_TRADES_SHOWN: Final = 3


def outcome(story: Story) -> str:
    """The order, and whether it was filled."""
    words = story.words
    if story.view.is_market_order(story.row):
        limit = f"at any price, which competes at {words.price(story.limit)}"
    else:
        limit = f"at {'no more' if story.buy else 'no less'} than {words.price(story.limit)}"
    head = f"{story.title}{story.where} ({words.quantity(story.lots)} {limit})"
    if story.fill == story.lots:
        return f"{head} was filled whole."
    if story.fill:
        return f"{head} was filled in part: {words.bare_quantity(story.fill)} of {words.quantity(story.lots)}."
    return f"{head} did not trade."


def amount(story: Story) -> str:
    """``It pays 105 nano-currency``: what it pays or receives in all."""
    payment = int(story.clearing.payment[story.row])
    if payment == 0:
        return f"It {'pays' if story.buy else 'receives'} nothing"
    return f"It {'pays' if payment > 0 else 'receives'} {story.words.money(abs(payment))}"


def paid_at(story: Story, price: int) -> str:
    """What it pays where all its lots have one price (over ``den``)."""
    words = story.words
    limit = story.limit * words.den
    apart = words.price(abs(price - limit), of_clearing=True)
    if price == limit:
        against = "exactly its limit"
    elif (price < limit) == story.buy:
        against = f"{apart} better than its limit"
    else:
        against = f"{apart} beyond its limit"  # only where units of one order are priced together
    if story.view.is_market_order(story.row):
        return f"{amount(story)}: {words.quantity(story.fill)} at {words.price(price, of_clearing=True)}."
    return f"{amount(story)}: {words.quantity(story.fill)} at {words.price(price, of_clearing=True)}, {against}."


def paid_by_trade(story: Story) -> str:
    """What it pays, trade by trade."""
    trades = story.view.trades_of(story.row)
    names = story.clearing.orders.order_ids()
    preposition = "from" if story.buy else "to"
    parts = [
        f"{story.words.quantity(lots)} {preposition} {shown(names[int(counter)])} at "
        f"{story.words.price(price, of_clearing=True)}"
        for counter, lots, price in zip(
            trades["counter"][:_TRADES_SHOWN].tolist(),
            trades["quantity"].tolist(),
            trades["price"].tolist(),
            strict=False,
        )
    ]
    more = len(trades["counter"]) - _TRADES_SHOWN
    if more > 0:
        prices = trades["price"]
        low, high = int(prices.min()), int(prices.max())
        ends = f"{story.words.bare_price(low, of_clearing=True)} to {story.words.price(high, of_clearing=True)}"
        parts.append(f"and {more:,} more trade{'s' if more > 1 else ''}, all of them at {ends}")
    return f"{amount(story)}: {', '.join(parts)}."


def paid(story: Story) -> str:
    """What it pays: at the price of its side where there is one, else trade by trade."""
    price = story.view.shown_figure("price_buy" if story.buy else "price_sell")
    return paid_by_trade(story) if price is None else paid_at(story, int(price))


def side_price(story: Story, name: str) -> str:
    """One of the prices of its market, ``price_buy`` or ``price_sell``."""
    return story.words.price(int(story.view.shown_figure(name)), of_clearing=True)
