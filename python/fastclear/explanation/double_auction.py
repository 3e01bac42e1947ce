"""Auctions with price priority: one price for all, or one a pair."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Final

from fastclear.auction.parameters import fraction
from fastclear.explanation.reasons import behind, empty_market, rationed
from fastclear.explanation.story import Story
from fastclear.explanation.words import paid, paid_by_trade

_PRICE_RULES: Final = {
    "marginal_ask": "the dearest ask that traded",
    "marginal_bid": "the lowest bid that traded",
    "last_pair_midpoint": "half way between the lowest bid and the dearest ask that traded",
    "scarce_side": "the last limit served on the side that ran out",
    "cut_order": "the limit of the order that is cut, else half way between the last bid and the last ask",
    "capped_midpoint": "half way between the last bid and the last ask, at most 5 % above the ask",
}
_PAIR_RULES: Final = {
    "bid": "each pair trades at its bid",
    "ask": "each pair trades at its ask",
    "earlier": "each pair trades at the limit of the order that came first",
}
_SPREADS: Final = {
    "seller": "each pair trades at its bid: the seller keeps what lies between bid and ask",
    "buyer": "each pair trades at its ask: the buyer keeps what lies between bid and ask",
    "operator": "the buyer pays its bid, the seller receives its ask, and the operator keeps what lies between",
}


def uniform(story: Story) -> list[str]:
    """One price for all of a market."""
    return [*_why_not_whole(story), *([paid(story), _uniform_price(story)] if story.fill else [])]


def discriminatory(story: Story) -> list[str]:
    """A price for each pair."""
    return [*_why_not_whole(story), *([paid_by_trade(story), pair_rule(story)] if story.fill else [])]


def _why_not_whole(story: Story) -> list[str]:
    """Why an order of a call auction with price priority is not filled whole: the first reason that holds."""
    if story.fill == story.lots:
        return []
    return [next(reason for why in _REASONS if (reason := why(story)) is not None)]


def _below_reserve(story: Story) -> str | None:
    reserve = story.view.setting("reserve")
    if reserve is None or not story.buy or story.competing >= reserve:
        return None
    return f"It took no part: its limit of {story.at(story.limit)} is below the reserve price of {story.at(reserve)}."


def _below_its_minimum(story: Story) -> str | None:
    minimum, worst = _minimum(story), story.view.worst_served(buy=story.buy)
    if not minimum or story.fill or worst is None or not _left_by_itself(story, worst):
        return None
    return (
        f"Its minimum of {story.words.quantity(minimum)} could not be met: what was left for it was less, so it left "
        "the market and the others were cleared without it."
    )


def _left_by_itself(story: Story, worst: int) -> bool:
    """Whether an order without a fill would have one in the market as it was cleared: then it was not in there."""
    if not story.worse(story.competing, worst):
        return True
    left = story.left_over
    if left is None or story.worse(story.competing, left):
        return False
    return story.competing != left or story.view.setting("zero_surplus") is not False


def _minimum(story: Story) -> int:
    minimums = getattr(story.clearing.orders, "min_quantity", None)
    return 0 if minimums is None else int(minimums[story.row])


def _no_gain(story: Story) -> str | None:
    if story.left_over != story.competing or story.view.setting("zero_surplus") is not False:
        return None
    return (
        f"The {story.counter}s that are left name exactly its limit of {story.at(story.limit)}: such a trade gains "
        "nothing, and zero_surplus=False leaves it out."
    )


def _nothing_traded(story: Story) -> str | None:
    if story.view.volume:
        return None
    if minimum := _minimum(story):
        return f"Its minimum of {story.words.quantity(minimum)} could not be met, so it left the market."
    reserve = story.view.setting("reserve")
    if reserve is not None:
        return f"No bid reaches the reserve price of {story.at(reserve)}: nothing trades in this market."
    return "Others left the market because their minimum quantity could not be met; nobody was left to trade with."


def _at_the_margin(story: Story) -> str | None:
    _, _, got = story.level
    return rationed(story, story.view.setting("rationing", "time")) if got else None


def _outbid(story: Story) -> str | None:
    view, words = story.view, story.words
    worst = view.worst_served(buy=story.buy)
    if worst is None or not story.worse(story.competing, worst):
        return None
    price = view.shown_figure("price_buy" if story.buy else "price_sell")
    ranks = behind(story, worst)
    if price is None:
        left = story.left_over
        rest = (
            f"no {story.counter} is left"
            if left is None
            else f"what is left of the {story.counter}s starts at {story.at(left + (0 if story.buy else view.fee))}"
        )
        return f"{ranks} After the trades {rest}{_beyond(story, left)}."
    limit = story.limit * words.den
    if not story.worse(limit, int(price)):
        text = words.price(int(price), of_clearing=True)
        return f"{ranks} Its limit would reach the price of {text}, but nothing was left for it at that price."
    sellers = view.shown_figure("price_sell")
    if story.buy and view.fee and sellers is not None and limit >= int(sellers):
        return (
            f"Its limit of {story.at(story.limit)} covers the sellers' price of "
            f"{words.price(int(sellers), of_clearing=True)} but not the fee of {story.at(view.fee)} on top."
        )
    side = "below" if story.buy else "above"
    whose = "" if view.shown_figure("price") is not None else (" for buyers" if story.buy else " for sellers")
    at_price = f"its limit is {side} the price{whose} of {words.price(int(price), of_clearing=True)}"
    return f"{ranks.removesuffix('.')}, and {at_price}."


def _beyond(story: Story, left: int | None) -> str:
    if left is None:
        return ""
    if story.buy and story.view.fee and story.limit >= left:
        return (
            f", which its limit of {story.at(story.limit)} reaches only without the fee of {story.at(story.view.fee)}"
        )
    return f", {'above' if story.buy else 'below'} its limit of {story.at(story.limit)}"


def _part_of_a_level(story: Story) -> str | None:
    if not story.view.setting("whole_levels"):
        return None
    return "Supply does not cover its whole price level, and whole_levels=True serves a level whole or not at all."


def _left_with_others(story: Story) -> str:  # noqa: ARG001  # stands at the end of a table of reasons
    return "It left the market with those whose minimum quantity could not be met."  # pragma: no cover - for safety


_REASONS: Final[tuple[Callable[[Story], str | None], ...]] = (
    _below_reserve,
    _below_its_minimum,
    empty_market,
    _no_gain,
    _nothing_traded,
    _at_the_margin,
    _outbid,
    _part_of_a_level,
    _left_with_others,
)
"""Looked at in this order; the last holds always."""


def _uniform_price(story: Story) -> str:
    """Where the one price of a market comes from."""
    view, words = story.view, story.words
    buyers, sellers = view.shown_figure("price_buy"), view.shown_figure("price_sell")
    if view.fee:
        return (
            f"Buyers pay {words.price(int(buyers), of_clearing=True)}, sellers get "
            f"{words.price(int(sellers), of_clearing=True)}; the fee of {story.at(view.fee)} lies between."
        )
    price = int(view.shown_figure("price"))
    text = words.price(price, of_clearing=True)
    low, high = (int(view.shown_figure(name)) for name in ("price_low", "price_high"))
    ends = f"{words.bare_price(low, of_clearing=True)} to {words.price(high, of_clearing=True)}"
    rule = view.setting("price_rule", "interval")
    reserve = view.setting("reserve")
    if reserve is not None and price == reserve * words.den:
        return f"The price is the reserve price, {text}."
    if rule != "interval":
        clearing = f"the only clearing price is {words.price(low, of_clearing=True)}" if low == high else ""
        clearing = clearing or f"the clearing prices are {ends}"
        return f"The price is {text}: {_PRICE_RULES[rule]} (rule {rule}; {clearing})."
    if low == high:
        return f"The price is {text}, the only one that clears this market."
    k = fraction("k", view.setting("k", Fraction(1, 2)))
    rounded = "" if low + k * (high - low) == price else ", rounded to a tick"
    return f"The price is {text}: k = {k} of the way up the interval of clearing prices, {ends}{rounded}."


def pair_rule(story: Story) -> str:
    """Where the price of each pair comes from."""
    view = story.view
    rule, keeper, reserve = view.setting("rule", "k"), view.setting("spread_to"), view.setting("reserve")
    if keeper is not None:
        text = _SPREADS[keeper]
    elif rule == "k":
        k = fraction("k", view.setting("k", Fraction(1, 2)))
        text = f"each pair trades at k = {k} of the way from its ask up to its bid"
    else:
        text = _PAIR_RULES[rule]
    least = "" if reserve is None else f", sellers at the reserve price of {story.at(reserve)} at least"
    fee = f"; the buyer's price includes the fee of {story.at(view.fee)}" if view.fee and story.buy else ""
    return f"{text[0].upper()}{text[1:]}{least}{fee}."
