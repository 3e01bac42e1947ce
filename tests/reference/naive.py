"""Naive twins of the two call auctions that serve the dearest bids and the cheapest asks.

Plain Python, ints and Fractions, written from the specification alone. Orders and result: see `reference.parts`.
"""

from fractions import Fraction

from reference.parts import ROUNDINGS, at_price, by_merit, crossing, in_time, pair, pair_price, ration, run
from reference.rationing import RULES
from reference.refusal import Asks


def naive_uniform(
    orders,
    k=Fraction(1, 2),
    rationing="pro_rata",
    price_rule="interval",
    seed=None,
    zero_surplus=True,
    price_round=None,
    fee=0,
    reserve=None,
    cap_low=None,
    cap_high=None,
    whole_levels=False,
):
    def clear_once(buys, sells, generator):
        buys = at_least(buys, reserve)
        volume, low, high = crossing(buys, sells, zero_surplus)
        if whole_levels:
            volume, low, high = whole_level(buys, sells)
        fills = {}
        for side in (buys, sells):
            rule = RULES[rationing] if rationing != "lottery" else None
            fills |= ration_by_lot(side, volume, generator) if rule is None else ration(side, volume, rule)
        return buys, sells, volume, low, high, fills

    def clear_market(buys, sells, generator):
        staying = buys + sells
        while True:
            # Cleared again, lots drawn anew: as if those that left had never been there.
            buys, sells, volume, low, high, fills = clear_once(
                by_merit(staying, buy=True), by_merit(staying, buy=False), generator and generator.anew()
            )
            if not (leaver := leaves(staying, fills)):
                break
            staying = [order for order in staying if order is not leaver]
        if volume == 0:
            return [], {"indicative": (low, high)}
        price = price_by_rule(buys, sells, fills, low, high)
        if reserve is not None:
            low, high, price = max(low, reserve), max(high, reserve), max(price, reserve)
        quotes = {"price_buy": price + fee, "price_sell": price, "shifted": (low, high)}
        if fee == 0:
            quotes |= {"price": price, "price_low": low, "price_high": high}
        return at_price(pair(buys, sells, fills), price + fee, price), quotes

    def price_by_rule(buys, sells, fills, low, high):
        rounded = ROUNDINGS[price_round or "floor"]
        last_bid = min(b["price"] for b in buys if fills[b["row"]] > 0)
        last_ask = max(s["price"] for s in sells if fills[s["row"]] > 0)
        midpoint = Fraction(last_bid + last_ask, 2)
        if price_rule == "interval":
            if reserve is not None:
                low, high = max(low, reserve), max(high, reserve)
            return rounded(low + Fraction(k) * (high - low))
        if price_rule == "marginal_ask":
            return last_ask
        if price_rule == "marginal_bid":
            return last_bid
        if price_rule == "last_pair_midpoint":
            return midpoint if price_round is None else rounded(midpoint)
        if price_rule == "cut_order":
            return low if low == high else rounded(min(max(midpoint, low), high))
        if price_rule == "capped_midpoint":
            return rounded(min(midpoint, max(last_ask, Fraction(105, 100) * last_ask)))
        assert price_rule == "scarce_side"

        def wants(order):
            return fills[order["row"]] < order["quantity"]

        return last_bid if any(map(wants, buys)) and not any(map(wants, sells)) else last_ask

    asks = Asks(cap_low=cap_low, cap_high=cap_high, min_quantity=True)
    return run(orders, clear_market, asks, fee=fee, seed=seed)


def naive_discriminatory(
    orders,
    k=Fraction(1, 2),
    rule="k",
    price_round="floor",
    fee=0,
    spread_to=None,
    reserve=None,
    cap_low=None,
    cap_high=None,
):
    def prices_of(b, s):
        """What the buyer pays, without the fee, and what the seller receives."""
        if spread_to is None:
            both = pair_price(b, s, k, rule, price_round)
            prices = (both, both)
        else:
            bid, ask = b["price"], s["price"]
            prices = {"seller": (bid, bid), "buyer": (ask, ask), "operator": (bid, ask)}[spread_to]
        return prices if reserve is None else tuple(max(price, reserve) for price in prices)

    def clear_market(buys, sells, generator):
        staying = buys + sells
        while True:
            buys = at_least(by_merit(staying, buy=True), reserve)
            sells = by_merit(staying, buy=False)
            volume, _, _ = crossing(buys, sells)
            fills = ration(buys, volume, RULES["time"]) | ration(sells, volume, RULES["time"])
            if not (leaver := leaves(staying, fills)):
                break
            staying = [order for order in staying if order is not leaver]
        trades = []
        for b, s, lots in pair(buys, sells, fills):
            buy_price, sell_price = prices_of(b, s)
            trades.append((b, s, lots, buy_price + fee, sell_price))
        return trades, {}

    asks = Asks(cap_low=cap_low, cap_high=cap_high, min_quantity=True)
    return run(orders, clear_market, asks, fee=fee)


def at_least(buys, reserve):
    return [b for b in buys if reserve is None or b["price"] >= reserve]


def leaves(staying, fills):
    """The last order by (time, id) that got something, but less than its minimum."""
    short = [order for order in staying if 0 < fills.get(order["row"], 0) < order["minimum"]]
    return in_time(short)[-1] if short else None


def ration_by_lot(side, volume, generator):
    def lottery(lots, members):
        """Serves the members of the one class that does not fit in an order drawn by lot."""
        fills = {}
        for order in generator.shuffled(sorted(members, key=lambda order: order["id"])):
            fills[order["row"]] = min(lots, order["quantity"])
            lots -= fills[order["row"]]
        return fills

    fills = {order["row"]: 0 for order in side}
    for price in dict.fromkeys(order["price"] for order in side):
        members = [order for order in side if order["price"] == price]
        wanted = sum(order["quantity"] for order in members)
        if wanted > volume:
            return fills | (lottery(volume, members) if volume > 0 else {})
        fills |= {order["row"]: order["quantity"] for order in members}
        volume -= wanted
    return fills


def whole_level(buys, sells):
    """Volume and price of the lowest level of bids that supply at that level covers whole."""
    best_bid = max((b["price"] for b in buys), default=None)
    best_ask = min((s["price"] for s in sells), default=None)
    nothing = (0, best_bid, best_ask)
    if not buys:
        return nothing

    def demand(level):
        return sum(b["quantity"] for b in buys if b["price"] >= level)

    def supply(level):
        return sum(s["quantity"] for s in sells if s["price"] <= level)

    levels = sorted({b["price"] for b in buys})
    covered = [level for level in levels if supply(level) >= demand(level)]
    level = covered[0] if covered else levels[-1]
    volume = min(demand(level), supply(level))
    return (volume, level, level) if volume > 0 else nothing
