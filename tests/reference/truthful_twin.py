"""Naive twins of the auctions built for truth: Vickrey, McAfee, Huang, SBBA, MUDA. See `reference.parts`."""

from fractions import Fraction

from reference.parts import (
    at_price,
    crossing,
    in_time,
    matches,
    pair,
    quotes_of,
    run,
)
from reference.rationing import split_money
from reference.refusal import Asks, agents_of


def welfare_of(matched):
    return sum((b["price"] - s["price"]) * lots for b, s, lots in matched)


def fills_of(matched):
    fills = {}
    for b, s, lots in matched:
        for order in (b, s):
            fills[order["row"]] = fills.get(order["row"], 0) + lots
    return fills


def over_orders(total, mine, fills, den):
    """An agent's money over its filled orders, in proportion to fill; ties by (time, id)."""
    mine = in_time(order for order in mine if fills.get(order["row"], 0) > 0)
    parts = split_money(total, [fills[order["row"]] for order in mine], den)
    return {order["row"]: part for order, part in zip(mine, parts, strict=True)}


def unpriced(matched):
    return at_price(matched, None, None)


def naive_vickrey(orders, deficit_to="platform"):
    def clear_market(buys, sells, generator):
        matched = matches(buys, sells)
        welfare, fills = welfare_of(matched), fills_of(matched)
        amounts = {}
        for agent, mine in agents_of(buys + sells).items():
            value = sum(order["price"] * fills.get(order["row"], 0) for order in mine)
            if all(order["row"] not in fills for order in mine):
                continue
            without = welfare_of(
                matches([b for b in buys if b["agent"] != agent], [s for s in sells if s["agent"] != agent])
            )
            # A buyer pays what the others lose by it; a seller receives what the others gain by it.
            total = without - (welfare - value) if mine[0]["buy"] else welfare + value - without
            amounts |= over_orders(total, mine, fills, den=1)
        return unpriced(matched), {}, amounts, {}

    return run(orders, clear_market, Asks(one_side=True))


def count_of_deals(buys, sells):
    """k: how many pairs of unit orders, best with best, agree."""
    return sum(b["price"] >= s["price"] for b, s in zip(buys, sells, strict=False))


def naive_trade_reduction(orders, use_p0=True, unit=1, cap_low=None, cap_high=None):
    def clear_market(buys, sells, generator):
        k = count_of_deals(buys, sells)
        if k == 0:
            return [], {"branch": None}
        last_bid, last_ask = buys[k - 1]["price"], sells[k - 1]["price"]
        next_bid = buys[k]["price"] if len(buys) > k else cap_low
        next_ask = sells[k]["price"] if len(sells) > k else cap_high
        if use_p0 and next_bid is not None and next_ask is not None:
            p0 = Fraction(next_bid + next_ask, 2)
            if last_ask <= p0 <= last_bid:
                pairs = zip(buys[:k], sells[:k], strict=True)
                trades = [(b, s, unit, p0, p0) for b, s in pairs]
                return trades, quotes_of(buys, sells, p0, p0) | {"branch": "all_trade"}
        pairs = zip(buys[: k - 1], sells[: k - 1], strict=True)
        trades = [(b, s, unit, last_bid, last_ask) for b, s in pairs]
        quotes = quotes_of(buys, sells, last_bid, last_ask) if trades else {}
        return trades, quotes | {"branch": "reduced"}

    asks = Asks(cap_low=cap_low, cap_high=cap_high, one_side=True, one_order=True, unit=unit)
    return run(orders, clear_market, asks)


def naive_huang(orders):
    def clear_market(buys, sells, generator):
        matched = matches(buys, sells)
        if not matched:
            return [], {}
        last_buyer, last_seller, _ = matched[-1]
        before_buyer = buys[: buys.index(last_buyer)]
        before_seller = sells[: sells.index(last_seller)]
        demand = sum(b["quantity"] for b in before_buyer)
        supply = sum(s["quantity"] for s in before_seller)
        if demand == 0 or supply == 0:
            return [], {"marginal": (last_buyer["id"], last_seller["id"])}
        fills = relieved(before_buyer, max(demand - supply, 0)) | relieved(before_seller, max(supply - demand, 0))
        trades = at_price(pair(before_buyer, before_seller, fills), last_buyer["price"], last_seller["price"])
        quotes = quotes_of(buys, sells, last_buyer["price"], last_seller["price"])
        return trades, quotes | {"marginal": (last_buyer["id"], last_seller["id"])}

    return run(orders, clear_market, Asks(one_side=True, one_order=True))


def relieved(side, burden):
    """Fills of a side that must give up `burden` lots, each as much as any other."""
    fills = {order["row"]: 0 for order in side}
    active = in_time(side)
    while True:
        too_small = [order for order in active if order["quantity"] * len(active) < burden]
        if not too_small:
            break
        # The smallest, among equals the latest, gives up all it has, and the rest carry what is left.
        smallest = min(order["quantity"] for order in too_small)
        leaver = [order for order in too_small if order["quantity"] == smallest][-1]
        burden -= leaver["quantity"]
        active.remove(leaver)
    each, extra = divmod(burden, len(active))
    for place, order in enumerate(active):
        late = place >= len(active) - extra
        fills[order["row"]] = order["quantity"] - each - late
    return fills


def naive_sbba(orders, seed, unit=1):
    def clear_market(buys, sells, generator):
        k = count_of_deals(buys, sells)
        if k == 0:
            return [], {"branch": None}
        last_bid = buys[k - 1]["price"]
        if len(sells) > k and sells[k]["price"] <= last_bid:
            price, branch = sells[k]["price"], "seller_sets_price"
            buyers, sellers = buys[:k], sells[:k]
        else:
            price, branch = last_bid, "buyer_sets_price"
            out = generator.bounded(k)
            buyers, sellers = buys[: k - 1], sells[:out] + sells[out + 1 : k]
        trades = [(b, s, unit, price, price) for b, s in zip(buyers, sellers, strict=True)]
        quotes = quotes_of(buys, sells, price, price) if trades else {}
        return trades, quotes | {"branch": branch}

    return run(orders, clear_market, Asks(one_side=True, one_order=True, unit=unit), seed=seed)


def naive_muda(orders, variant="lottery", seed=None, partition=None, permutation=None):
    def clear_market(buys, sells, generator):
        agents = sorted(agents_of(buys + sells))
        if partition is None:
            right = {agent for agent in agents if generator.coin() == 1}
        else:
            right = {agent for agent in agents if agent not in partition}
        halves = [
            (
                [b for b in buys if (b["agent"] in right) == is_right],
                [s for s in sells if (s["agent"] in right) == is_right],
            )
            for is_right in (False, True)
        ]
        prices = [half_price(*half) for half in halves]
        quotes = {"price_left": prices[0], "price_right": prices[1]}
        matched, amounts, dens, fees = [], {}, {}, {}
        # Each half trades at the price of the other.
        for half, price in zip(halves, reversed(prices), strict=True):
            if price is None:
                continue
            fills, fees_here = serve(*half, price, generator)
            made = pair(*half, fills)
            if variant == "lottery":
                matched += at_price(made, price, price)
                continue
            matched += unpriced(made)
            fees |= fees_here
            # Money is parted in whole units where the price of the half is whole, in halves where it is not.
            den = price.denominator
            for agent, mine in agents_of(half[0] + half[1]).items():
                lots = sum(fills[order["row"]] for order in mine)
                if lots > 0:
                    fee = fees_here.get(agent, 0)
                    total = price * lots + (fee if mine[0]["buy"] else -fee)
                    amounts |= over_orders(total, mine, fills, den)
                    dens |= dict.fromkeys((order["row"] for order in mine), den)
        quotes["fees"] = fees
        return (matched, quotes) if variant == "lottery" else (matched, quotes, amounts, dens)

    def serve(buys, sells, price, generator):
        """Fills of one half, and the fees of the winners on its long side."""
        willing_buys = [b for b in buys if b["price"] > price]
        willing_sells = [s for s in sells if s["price"] < price]
        fills = {order["row"]: 0 for order in buys + sells}
        demand = sum(b["quantity"] for b in willing_buys)
        supply = sum(s["quantity"] for s in willing_sells)
        short, long = (willing_sells, willing_buys) if demand > supply else (willing_buys, willing_sells)
        fills |= {order["row"]: order["quantity"] for order in short}
        if demand == supply:
            return fills | {order["row"]: order["quantity"] for order in long}, {}
        left = min(demand, supply)
        mine_of = agents_of(long)
        if variant == "lottery":
            agents = sorted(mine_of)
            queue = generator.shuffled(agents) if permutation is None else in_turn(agents, permutation)
            # `long` is in merit order, and so is what each agent has in it.
            served = [order for agent in queue for order in mine_of[agent]]
        else:
            served = long
        for order in served:
            fills[order["row"]] = min(order["quantity"], left)
            left -= fills[order["row"]]
        return fills, {} if variant == "lottery" else fees_of(long, mine_of, fills, price)

    return run(orders, clear_market, Asks(one_side=True), seed=seed)


def in_turn(agents, permutation):
    """Those who are named, in that order; then the others by id."""
    return [name for name in permutation if name in agents] + [name for name in agents if name not in permutation]


def half_price(buys, sells):
    """Exact midpoint of the half's interval of clearing prices; None where a side is empty."""
    if not buys or not sells:
        return None
    _, low, high = crossing(buys, sells)
    return Fraction(low + high, 2)


def fees_of(long, mine_of, fills, price):
    """A winner of n lots pays for the n best lots of others that lost to it, each its distance to the price."""
    fees = {}
    for agent, mine in mine_of.items():
        won = sum(fills[order["row"]] for order in mine)
        fee = 0
        for order in long:
            if order["agent"] != agent:
                lost = min(order["quantity"] - fills[order["row"]], won)
                fee += lost * abs(order["price"] - price)
                won -= lost
        if fee:
            fees[agent] = fee
    return fees
