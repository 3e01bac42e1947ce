"""``clearing.explain(order)``: in words, why an order did or did not trade, and what it pays.

One function a mechanism; all of them read the public result and the orders, none asks the core.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from fastclear.auction.parameters import fraction
from fastclear.errors import SchemaError
from fastclear.market_view import MarketView, Wording, encoded, listed, market_index, market_names, shown
from fastclear.reject import RejectReason, remedy

if TYPE_CHECKING:
    from fastclear.trades import Clearing

_TRADES_SHOWN: Final = 3

_RATIONING: Final = {
    "pro_rata": "Rationing pro rata (in proportion to quantity, left-over lots one each to the largest remainders)",
    "time": "Rationing by time (earlier orders first, then smaller ids)",
    "equal": "Rationing equally (the same to each, as far as they ask for it)",
    "quantity": "Rationing by quantity (larger orders first, then earlier ones)",
    "lottery": "The lottery (orders are served in an order drawn by lot)",
}
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


def explain(clearing: Clearing, order: object, market: object = None) -> str:
    """Say in words why an order did or did not trade; see :meth:`fastclear.Clearing.explain`.

    Parameters
    ----------
    clearing : Clearing
        The result.
    order : int or str
        The caller's id; the row number where there is no column ``order``.
    market : int or str, optional
        The caller's id of the market; needed where orders of several markets share the id.

    Returns
    -------
    str
        A few sentences; one line an order where several rows of one market carry the id.

    Raises
    ------
    SchemaError
        No order has that id, or orders of several markets have it.
    """
    rows = _rows_of(clearing, order, market)
    texts = [_Story(clearing, int(row)).told() for row in rows]
    if len(texts) == 1:
        return texts[0]
    return "\n".join(f"Row {row}: {text}" for row, text in zip(rows, texts, strict=True))


def _rows_of(clearing: Clearing, order: object, market: object) -> NDArray[np.intp]:
    orders = clearing.orders
    number = encoded(clearing, "order", order)
    within = None if market is None else encoded(clearing, "market", market)
    if market is not None:
        market_index(clearing, market)  # says which markets there are, if not that one
    if orders.order is None:
        assert number is not None  # only text can be unknown there
        if not 0 <= number < orders.n:
            raise SchemaError(f"order={order!r}: there are rows 0 to {orders.n - 1}", column="order", row=number)
        rows = np.array([number])
    else:
        named = np.zeros(orders.n, bool) if number is None else orders.order == number
        if "order" in orders.missing:
            named &= ~orders.missing["order"]
        rows = np.flatnonzero(named)
    if within is not None and orders.market is not None:
        rows = rows[orders.market[rows] == within]
    if not len(rows):
        where = "" if market is None else f" in market {shown(market)}"
        known = orders.order_ids().drop_nulls().unique(maintain_order=True)
        raise SchemaError(
            f"order={order!r}: no order has this id{where}; there is {listed(known.to_list()) or 'none'}",
            column="order",
        )
    if orders.market is not None and len(rows) > 1:
        markets = np.unique(orders.market[rows])
        if len(markets) > 1:
            names = market_names(clearing, markets)
            raise SchemaError(
                f"order={order!r}: there is one in each of the markets {listed(names)}; "
                f"say which with market={names[0]!r}",
                column="order",
            )
    return rows


class _Story:
    """All that can be said about one order."""

    def __init__(self, clearing: Clearing, row: int) -> None:
        orders = clearing.orders
        self.clearing = clearing
        self.row = row
        self.words = Wording(orders.units, clearing.den)
        self.buy = bool(orders.side[row] == 1)
        self.noun, self.counter = ("bid", "ask") if self.buy else ("ask", "bid")
        self.lots = int(orders.quantity[row])
        self.fill = int(clearing.filled[row])

    # -- facts ------------------------------------------------------------------------------------------------

    @cached_property
    def view(self) -> MarketView:
        columns = self.clearing.market_columns["market"]
        market = self.clearing.orders.market
        number = columns[0] if market is None else market[self.row]
        return MarketView(self.clearing, int(np.searchsorted(columns, number)))

    @cached_property
    def limit(self) -> int:
        return int(self.view.limits(np.array([self.row]))[0])

    @cached_property
    def competing(self) -> int:
        return int(self.view.competing(np.array([self.row]))[0])

    @cached_property
    def own(self) -> NDArray[np.intp]:
        """Rows of the accepted orders of its side, best first."""
        return self.view.without_blocks(self.view.bids if self.buy else self.view.asks)

    @cached_property
    def others(self) -> NDArray[np.intp]:
        """Rows of the accepted orders of the other side, best first."""
        return self.view.asks if self.buy else self.view.bids

    @cached_property
    def place(self) -> int:
        """Its place in the merit order of its side, from 0."""
        return int(np.flatnonzero(self.own == self.row)[0])

    @cached_property
    def level(self) -> tuple[int, int, int]:
        """Orders at its price on its side: how many, lots they ask for, lots they got."""
        rows = self.own[self.view.competing(self.own) == self.competing]
        return len(rows), int(self.view.quantity(rows).sum()), int(self.view.filled(rows).sum())

    @cached_property
    def left_over(self) -> int | None:
        """The best price of the other side that has lots left, or None where all was taken."""
        left = self.others[self.view.filled(self.others) < self.view.quantity(self.others)]
        if not len(left):
            return None
        prices = self.view.competing(left)
        return int(prices.min() if self.buy else prices.max())

    def worse(self, one: int, other: int) -> bool:
        """Whether ``one`` ranks behind ``other`` on this side."""
        return one < other if self.buy else one > other

    # -- words ------------------------------------------------------------------------------------------------

    def told(self) -> str:
        code = int(self.clearing.reject[self.row])
        if code:
            return self.refused(code)
        sentences = [self.outcome(), *_TELLERS.get(type(self.clearing.mechanism).__name__, _generic)(self)]
        return " ".join(sentences)

    @property
    def title(self) -> str:
        ids = self.clearing.orders.order_ids()
        name = shown(ids[self.row])
        return f"{self.noun.capitalize()} {name}"

    @property
    def where(self) -> str:
        return f" in market {shown(self.view.name)}" if len(self.clearing.market_columns["market"]) > 1 else ""

    def refused(self, code: int) -> str:
        orders = self.clearing.orders
        title = self.title if code != RejectReason.UNKNOWN_SIDE else f"Order {shown(orders.order_ids()[self.row])}"
        missing = orders.missing.get("market")
        where = "" if missing is not None and missing[self.row] else self.where
        return f"{title}{where} was refused ({RejectReason(code).name.lower()}): {remedy(code)}."

    def outcome(self) -> str:
        words = self.words
        if self.view.is_market_order(self.row):
            limit = f"at any price, which competes at {words.price(self.limit)}"
        else:
            limit = f"at {'no more' if self.buy else 'no less'} than {words.price(self.limit)}"
        head = f"{self.title}{self.where} ({words.quantity(self.lots)} {limit})"
        if self.fill == self.lots:
            return f"{head} was filled whole."
        if self.fill:
            return f"{head} was filled in part: {words.bare_quantity(self.fill)} of {words.quantity(self.lots)}."
        return f"{head} did not trade."

    def at(self, price: int) -> str:
        """A price at which an order competes, in words."""
        return self.words.price(price)

    def amount(self) -> str:
        """``It pays 105 nano-currency``: what it pays or receives in all."""
        payment = int(self.clearing.payment[self.row])
        if payment == 0:
            return f"It {'pays' if self.buy else 'receives'} nothing"
        return f"It {'pays' if payment > 0 else 'receives'} {self.words.money(abs(payment))}"

    def paid_at(self, price: int) -> str:
        """What it pays where all its lots have one price (over ``den``)."""
        words = self.words
        limit = self.limit * words.den
        apart = words.price(abs(price - limit), of_clearing=True)
        if price == limit:
            against = "exactly its limit"
        elif (price < limit) == self.buy:
            against = f"{apart} better than its limit"
        else:
            against = f"{apart} beyond its limit"  # only where units of one order are priced together
        if self.view.is_market_order(self.row):
            return f"{self.amount()}: {words.quantity(self.fill)} at {words.price(price, of_clearing=True)}."
        return f"{self.amount()}: {words.quantity(self.fill)} at {words.price(price, of_clearing=True)}, {against}."

    def paid_by_trade(self) -> str:
        """What it pays, trade by trade."""
        trades = self.view.trades_of(self.row)
        names = self.clearing.orders.order_ids()
        preposition = "from" if self.buy else "to"
        parts = [
            f"{self.words.quantity(lots)} {preposition} {shown(names[int(counter)])} at "
            f"{self.words.price(price, of_clearing=True)}"
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
            ends = f"{self.words.bare_price(low, of_clearing=True)} to {self.words.price(high, of_clearing=True)}"
            parts.append(f"and {more:,} more trade{'s' if more > 1 else ''}, all of them at {ends}")
        return f"{self.amount()}: {', '.join(parts)}."

    def paid(self) -> str:
        """What it pays: at the price of its side where there is one, else trade by trade."""
        price = self.view.shown_figure("price_buy" if self.buy else "price_sell")
        return self.paid_by_trade() if price is None else self.paid_at(int(price))

    # -- reasons that several mechanisms share ---------------------------------------------------------------------

    def nobody_there(self) -> str | None:
        """The other side of the market is empty."""
        if len(self.others):
            return None
        orders = self.clearing.orders
        here = self.view.rows
        refused = int(np.count_nonzero((self.clearing.reject[here] > 0) & ((orders.side[here] == 1) != self.buy)))
        note = f" ({refused:,} {'was' if refused == 1 else 'were'} refused)" if refused else ""
        return f"There is no {self.counter} in this market{note}: nobody to trade with."

    def out_of_reach(self) -> str | None:
        """No order of the other side reaches its limit."""
        best = int(self.view.competing(self.others[:1])[0])
        if not self.worse(self.competing, best):
            return None
        other = f"the {'cheapest ask' if self.buy else 'dearest bid'} of the market is at {self.at(best)}"
        return f"Nobody accepts its limit of {self.at(self.limit)}: {other}{self.less_fee(best)}."

    def less_fee(self, best: int) -> str:
        """The fee, where it alone stands between this order and the best of the other side."""
        fee = self.view.fee
        if not fee:
            return ""
        if self.buy:
            return f", and the fee of {self.at(fee)} comes on top"
        return f" after the fee of {self.at(fee)}, which the buyer pays within its limit of {self.at(best + fee)}"

    def empty_market(self) -> str | None:
        """Nothing traded in the market at all, and price alone says why."""
        if self.view.volume:
            return None
        if (alone := self.nobody_there()) is not None:
            return alone
        bid = int(self.view.limits(self.view.bids).max())
        ask = int(self.view.competing(self.view.asks[:1])[0])
        fee = self.view.fee
        if bid < ask:
            return (
                f"Nothing trades in this market: the best bid ({self.at(bid)}) is below the best ask ({self.at(ask)})."
            )
        if bid - fee < ask:
            return (
                f"Nothing trades in this market: between the best bid ({self.at(bid)}) and the best ask "
                f"({self.at(ask)}) there is less than the fee of {self.at(fee)}."
            )
        return None

    def behind(self, worst: int) -> str:
        """It ranks behind the worst order served."""
        return (
            f"It was {'outbid' if self.buy else 'undercut'}: the {'lowest bid' if self.buy else 'dearest ask'} that "
            f"traded is at {self.at(worst + (self.view.fee if self.buy else 0))}."
        )

    def rationed(self, rule: str) -> str:
        """Its price level is the last one served, and there was not enough for all of it."""
        count, wanted, got = self.level
        words = self.words
        if count == 1:
            better = f" after better {self.noun}s" if self.place else ""
            within = f"{self.counter}s within its limit come to {words.quantity(got)}{better}"
            return f"It is the marginal {self.noun}: {within}."
        share = words.quantity(self.fill) if self.fill else "nothing"
        return (
            f"It is at the margin: {count:,} {self.noun}s at {self.at(self.limit)} come to {words.quantity(wanted)}, "
            f"and {words.quantity(got)} {'was' if got == self.words.units.lots else 'were'} left for them. "
            f"{_RATIONING[rule]} gives this one {share}."
        )


# -- one function a mechanism ------------------------------------------------------------------------------------------


def _uniform(story: _Story) -> list[str]:
    if story.fill == story.lots:
        return [story.paid(), _uniform_price(story)]
    reasons = [_call_reason(story, story.view.setting("rationing", "time"))]
    if story.fill:
        reasons += [story.paid(), _uniform_price(story)]
    return reasons


def _discriminatory(story: _Story) -> list[str]:
    if story.fill == story.lots:
        return [story.paid_by_trade(), _pair_rule(story)]
    reasons = [_call_reason(story, "time")]
    if story.fill:
        reasons += [story.paid_by_trade(), _pair_rule(story)]
    return reasons


def _call_reason(story: _Story, rationing: str) -> str:
    """Why an order of a call auction with price priority is not filled whole."""
    view, words = story.view, story.words
    reserve = view.setting("reserve")
    if reserve is not None and story.buy and story.competing < reserve:
        return (
            f"It took no part: its limit of {story.at(story.limit)} is below the reserve price of {story.at(reserve)}."
        )
    minimum = _minimum(story)
    at_margin = story.level[2] > 0
    worst = view.worst_served(buy=story.buy)
    if minimum and not story.fill and worst is not None and _left_by_itself(story, worst):
        return (
            f"Its minimum of {words.quantity(minimum)} could not be met: what was left for it was less, so it left the "
            "market and the others were cleared without it."
        )
    if (nothing := story.empty_market()) is not None:
        return nothing
    exact_match = story.left_over is not None and story.left_over == story.competing
    if exact_match and view.setting("zero_surplus") is False:
        return (
            f"The {story.counter}s that are left name exactly its limit of {story.at(story.limit)}: such a trade gains "
            "nothing, and zero_surplus=False leaves it out."
        )
    if view.volume == 0:
        if minimum:
            return f"Its minimum of {words.quantity(minimum)} could not be met, so it left the market."
        if reserve is not None:
            return f"No bid reaches the reserve price of {story.at(reserve)}: nothing trades in this market."
        return "Others left the market because their minimum quantity could not be met; nobody was left to trade with."
    if at_margin:
        return story.rationed(rationing)
    assert worst is not None  # something traded
    if story.worse(story.competing, worst):
        return _outbid(story, worst)
    if view.setting("whole_levels"):
        return "Supply does not cover its whole price level, and whole_levels=True serves a level whole or not at all."
    return "It left the market with those whose minimum quantity could not be met."  # pragma: no cover - for safety


def _left_by_itself(story: _Story, worst: int) -> bool:
    """Whether an order without a fill would have one in the market as it was cleared: then it was not in there."""
    if not story.worse(story.competing, worst):
        return True
    left = story.left_over
    if left is None or story.worse(story.competing, left):
        return False
    return story.competing != left or story.view.setting("zero_surplus") is not False


def _minimum(story: _Story) -> int:
    minimums = getattr(story.clearing.orders, "min_quantity", None)
    return 0 if minimums is None else int(minimums[story.row])


def _outbid(story: _Story, worst: int) -> str:
    view, words = story.view, story.words
    price = view.shown_figure("price_buy" if story.buy else "price_sell")
    behind = story.behind(worst)
    if price is None:
        left = story.left_over
        rest = (
            f"no {story.counter} is left"
            if left is None
            else f"what is left of the {story.counter}s starts at {story.at(left + (0 if story.buy else view.fee))}"
        )
        return f"{behind} After the trades {rest}{_beyond(story, left)}."
    limit = story.limit * words.den
    if not story.worse(limit, int(price)):
        text = words.price(int(price), of_clearing=True)
        return f"{behind} Its limit would reach the price of {text}, but nothing was left for it at that price."
    sellers = view.shown_figure("price_sell")
    if story.buy and view.fee and sellers is not None and limit >= int(sellers):
        return (
            f"Its limit of {story.at(story.limit)} covers the sellers' price of "
            f"{words.price(int(sellers), of_clearing=True)} but not the fee of {story.at(view.fee)} on top."
        )
    side = "below" if story.buy else "above"
    whose = "" if view.shown_figure("price") is not None else (" for buyers" if story.buy else " for sellers")
    at_price = f"its limit is {side} the price{whose} of {words.price(int(price), of_clearing=True)}"
    return f"{behind.removesuffix('.')}, and {at_price}."


def _beyond(story: _Story, left: int | None) -> str:
    if left is None:
        return ""
    if story.buy and story.view.fee and story.limit >= left:
        return (
            f", which its limit of {story.at(story.limit)} reaches only without the fee of {story.at(story.view.fee)}"
        )
    return f", {'above' if story.buy else 'below'} its limit of {story.at(story.limit)}"


def _uniform_price(story: _Story) -> str:
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


def _pair_rule(story: _Story) -> str:
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


def _matching(story: _Story, how: str) -> list[str]:
    """Maximal-volume and random matching: who is left finds nobody left within its limit."""
    paid = [story.paid_by_trade(), _pair_rule(story)] if story.fill else []
    if story.fill == story.lots:
        return paid
    reason = story.nobody_there() or story.out_of_reach()
    if reason is None:
        side = "at or below" if story.buy else "at or above"
        reason = f"Every {story.counter} {side} its limit went to other {story.noun}s, or ran out: {how}"
    return [reason, *paid]


def _maximal_volume(story: _Story) -> list[str]:
    return _matching(story, "the pairs are chosen so that as many lots as possible trade.")


def _random_matching(story: _Story) -> list[str]:
    return _matching(story, f"partners are drawn by lot (seed {story.view.setting('seed')}).")


def _beyond_crossing(story: _Story) -> str | None:
    """Why an order trades nothing that would not trade under price priority either."""
    reason = story.nobody_there() or story.out_of_reach()
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


def _vickrey(story: _Story) -> list[str]:
    if not story.fill:
        return [_beyond_crossing(story) or "The allocation of highest welfare does without it."]
    reasons = []
    if story.fill < story.lots:
        reasons.append(story.rationed("time"))
    own = abs(story.limit * story.fill * story.words.den)
    at_limit = f"its own limit would come to {story.words.money(own)}"
    has_participants = story.clearing.orders.participant is not None
    shared = " (over all its orders, split by what they fill)" if has_participants else ""
    what = "what its trade costs all others" if story.buy else "what its trade is worth to all others"
    return [
        *reasons,
        f"{story.amount()}, {what}{shared}; {at_limit}. As long as it trades the same, no other limit changes that.",
    ]


def _trade_reduction(story: _Story) -> list[str]:
    view, words = story.view, story.words
    branch = view.shown_figure("branch")
    _, k, _ = view.crossing
    if story.fill:
        if branch == "all_trade":
            why = f"All {k:,} pairs that gain trade at half way between the first bid and the first ask left out."
        else:
            why = (
                f"Buyers pay {_side_price(story, 'price_buy')} and sellers get {_side_price(story, 'price_sell')}: the "
                "limits of the pair that was left out."
            )
        return [story.paid(), why]
    reason = _beyond_crossing(story)
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


def _the_others(count: int, noun: str) -> str:
    return f"the other {noun}" if count == 1 else f"the {count:,} other {noun}s"


def _side_price(story: _Story, name: str) -> str:
    return story.words.price(int(story.view.shown_figure(name)), of_clearing=True)


def _huang(story: _Story) -> list[str]:
    view, words = story.view, story.words
    if story.fill == story.lots:
        return [story.paid(), _huang_price(story)]
    _, bids, asks = view.crossing
    taking_part = bids if story.buy else asks
    if not story.fill:
        reason = _beyond_crossing(story)
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
    return [f"{what}; this one gives up {words.quantity(story.lots - story.fill)}.", story.paid(), _huang_price(story)]


def _huang_price(story: _Story) -> str:
    return (
        f"Buyers pay {_side_price(story, 'price_buy')} and sellers get {_side_price(story, 'price_sell')}: the limits "
        "of the marginal bid and the marginal ask, which do not trade themselves."
    )


def _sbba(story: _Story) -> list[str]:
    view = story.view
    _, k, _ = view.crossing
    by_seller = view.shown_figure("branch") == "seller_sets_price"
    if story.fill:
        setter = "ask that is left out" if by_seller else "bid that is left out"
        return [story.paid(), f"The price is the limit of the best {setter}: all pay it and all get it."]
    if by_seller and not story.buy and story.place == k:
        return ["It is the best ask left out: its limit is the price that all others trade at."]
    reason = _beyond_crossing(story)
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


def _muda(story: _Story) -> list[str]:
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
            paid = f"{story.amount()}: the price of the other half for each lot, {fee}."
        else:
            paid = story.paid_by_trade()
        return [*([] if story.fill == story.lots else [_muda_long_side(story)]), paid, rule]
    alone = story.nobody_there()
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


def _half(story: _Story) -> str | None:
    """Where a partition was given: the half in which the order stands."""
    if story.view.setting("partition") is None:
        return None
    halves, _ = story.clearing.mechanism.places(story.clearing.orders)  # type: ignore[attr-defined]  # Muda's
    return "right" if halves[story.row] else "left"


def _muda_long_side(story: _Story, *, later: bool = False) -> str:
    first = "more" if later else "More"
    if story.clearing.pays_sums:
        end = f"and {story.noun}s of better price came first"
    else:
        end = "and the lottery did not reach all of it" if story.fill else "and the lottery did not reach it"
    return f"{first} lots of its side than of the other were willing in its half, {end}."


def _average(story: _Story) -> list[str]:
    if story.fill:
        return [story.paid(), "The price is half way between the last bid and the last ask that trade."]
    reason = _beyond_crossing(story)
    return [reason or "It is not among the pairs that trade at a gain."]


def _multi_round(story: _Story) -> list[str]:
    view = story.view
    rounds = view.shown_figure("rounds")
    ran = f"{rounds} round{'' if rounds == 1 else 's'}"
    paid = [story.paid_by_trade(), "Each round has one price, half way between its last bid and its last ask."]
    if story.fill == story.lots:
        return paid
    reason = story.nobody_there() or story.out_of_reach()
    if reason is None:
        step = view.setting("buyer_step" if story.buy else "seller_step")
        how, end = ("raises", "up") if story.buy else ("lowers", "down")
        reason = (
            f"After {ran} no {story.counter} was left that accepts its quote; in each round an order with lots left "
            f"{how} its quote by {story.at(int(step))}, {end} to its limit."
        )
    return [reason, *(paid if story.fill else [])]


def _blocks(story: _Story) -> list[str]:
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
        reason = [] if story.fill == story.lots else [story.rationed(view.setting("rationing", "pro_rata"))]
        return [*reason, story.paid(), why]
    if price is None:
        return ["Nothing trades in this market."]
    text = words.price(int(price), of_clearing=True)
    if story.worse(story.limit * words.den, int(price)):
        return [f"Its limit is {'below' if story.buy else 'above'} the price of {text}."]
    return [story.rationed(view.setting("rationing", "pro_rata"))]


def _block(story: _Story, block: int) -> list[str]:
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
        return [f"It is part of {title}, which was accepted whole{earns}{with_kin}.", story.paid()]
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


def _generic(story: _Story) -> list[str]:
    """For a mechanism that says nothing more about itself: limits against the price."""
    if story.fill:
        return [story.paid()]
    reason = story.nobody_there() or story.out_of_reach()
    if reason is not None:
        return [reason]
    price = story.view.shown_figure("price_buy" if story.buy else "price_sell")
    if price is None:
        return ["The mechanism gave its lots to others."]
    text = story.words.price(int(price), of_clearing=True)
    if story.worse(story.limit * story.words.den, int(price)):
        return [f"Its limit is {'below' if story.buy else 'above'} the price of {text}."]
    return [f"Its limit reaches the price of {text}, but the mechanism gave its lots to others."]


_TELLERS: Final[dict[str, Callable[[_Story], list[str]]]] = {
    "Uniform": _uniform,
    "Discriminatory": _discriminatory,
    "MaximalVolume": _maximal_volume,
    "RandomMatching": _random_matching,
    "Vickrey": _vickrey,
    "TradeReduction": _trade_reduction,
    "Huang": _huang,
    "Sbba": _sbba,
    "Muda": _muda,
    "Average": _average,
    "MultiRound": _multi_round,
    "Blocks": _blocks,
}
