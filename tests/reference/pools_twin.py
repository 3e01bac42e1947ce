"""Pools settled the slow and obvious way: exact fractions, one market after the other, nothing shared with the product.

A load is ``(id, net, share)``; a market is a list of them. Prices are ticks, money ticks x lots. Returned are fills and
payments by id.
"""

from fractions import Fraction
from math import floor


def nearest(value):
    """The nearest whole number, halves up."""
    return floor(value + Fraction(1, 2))


def hamilton(total, claims):
    """``total`` over ``{id: weight}`` in proportion: everybody's share rounded down, the rest by largest remainder."""
    whole = sum(claims.values())
    if not whole:
        return dict.fromkeys(claims, 0)
    ideal = {name: Fraction(total) * weight / whole for name, weight in claims.items()}
    given = {name: floor(share) for name, share in ideal.items()}
    while sum(given.values()) < total:
        behind = min(claims, key=lambda name: (given[name] - ideal[name], name))
        given[behind] += 1
    return given


def split(market):
    imports = {name: net for name, net, _ in market if net > 0}
    exports = {name: -net for name, net, _ in market if net < 0}
    return imports, exports


def local_fills(market, key="dynamic"):
    imports, exports = split(market)
    demand, supply = sum(imports.values()), sum(exports.values())
    if key == "dynamic":
        got = hamilton(min(demand, supply), imports)
    else:
        shares = {name: share for name, _, share in market}
        claims = hamilton(supply * sum(shares.values()) // 10**6, shares)
        got = {name: min(claims[name], wanted) for name, wanted in imports.items()}
        if key == "hybrid":
            lacking = {name: wanted - got[name] for name, wanted in imports.items()}
            more = hamilton(min(supply - sum(got.values()), sum(lacking.values())), lacking)
            got = {name: got[name] + more[name] for name in got}
    return got | hamilton(sum(got.values()), exports)


def prices(rule, market, retail, feed_in, compensation=0):
    """The formulas as the papers print them; None where a side is empty."""
    imports, exports = split(market)
    demand, supply = sum(imports.values()), sum(exports.values())
    buy = Fraction(retail) if demand else None
    sell = Fraction(feed_in) if supply else None
    if not demand or not supply:
        return buy, sell
    middle, ratio = Fraction(retail + feed_in, 2), Fraction(supply, demand)
    if rule == "mid_market_rate":
        if supply >= demand:
            return middle, (middle * demand + feed_in * (supply - demand)) / supply
        return (middle * supply + retail * (demand - supply)) / demand, middle
    least = feed_in + compensation
    if ratio > 1:
        return Fraction(least), feed_in + compensation / ratio
    over = (retail - least) * ratio + least
    sell = Fraction(least * retail) / over if over else Fraction(0)
    return sell * ratio + retail * (1 - ratio), sell


def sides(rule, market, retail, feed_in, compensation=0, fee=0):
    """Payments of the mid-market rate and the supply-demand ratio."""
    imports, exports = split(market)
    demand, supply = sum(imports.values()), sum(exports.values())
    _, sell = prices(rule, market, retail, feed_in, compensation)
    revenue = nearest(sell * supply) if supply else 0
    bill = retail * max(demand - supply, 0) - feed_in * max(supply - demand, 0)
    paid = hamilton(revenue + bill + fee * min(demand, supply), imports)
    earned = hamilton(revenue, exports)
    return paid | {name: -money for name, money in earned.items()}


def fixed(market, price, retail, feed_in, fee=0, key="dynamic"):
    got = local_fills(market, key)
    paid = {}
    for name, net, _ in market:
        local = got.get(name, 0)
        if net > 0:
            paid[name] = local * (price + fee) + (net - local) * retail
        elif net < 0:
            paid[name] = -(local * price + (-net - local) * feed_in)
    return paid


def bill(period, retail, feed_in, fixed_cost=0, by="bought"):
    """Payments of a period: ``{market: loads}`` in, ``{(market, id): money}`` out; prices are by market."""
    imports, exports, everybody = {}, {}, {}
    cost = revenue = 0
    for slot, market in period.items():
        net = sum(load for _, load, _ in market)
        cost += retail[slot] * max(net, 0)
        revenue += feed_in[slot] * max(-net, 0)
        for name, load, _ in market:
            everybody[slot, name] = 1
            if load > 0:
                imports[slot, name] = load
            elif load < 0:
                exports[slot, name] = -load
    equally = by == "equal" or not imports
    paid = dict.fromkeys(everybody, 0)
    for name, money in hamilton(cost if equally else cost + fixed_cost, imports).items():
        paid[name] += money
    for name, money in hamilton(revenue, exports).items():
        paid[name] -= money
    if equally:
        for name, money in hamilton(fixed_cost, everybody).items():
            paid[name] += money
    return paid


def alone(market, retail, feed_in):
    return {name: net * (retail if net > 0 else feed_in) for name, net, _ in market}
