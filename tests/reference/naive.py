"""Naive twins of the call auctions: plain Python, ints and Fractions, written from the specification alone.

`orders` is a list of dicts with side, price, quantity and, where the column exists, type, market, order,
participant, time. A null is None. Numbers are ticks and lots. The result is a dict:

    reject, filled, payment    one int a row
    markets                    one dict a market, in ascending order of id
    trades                     one dict a trade, with row numbers; numbered over the whole call
"""

from fractions import Fraction
from itertools import groupby
from math import ceil, floor

from reference.rationing import RULES
from reference.refusal import accept

ROUNDINGS = {"floor": floor, "ceil": ceil, "half_up": lambda x: floor(x + Fraction(1, 2))}


def naive_uniform(orders, k=Fraction(1, 2), rationing="pro_rata", price_round="floor", zero_surplus=True, fee=0):
    def clear_market(buys, sells):
        volume, low, high = crossing(buys, sells, zero_surplus)
        fills = {}
        for side in (buys, sells):
            fills.update(ration(side, volume, RULES[rationing]))
        if volume == 0:
            return fills, [], {"indicative": (low, high)}
        price = ROUNDINGS[price_round](low + Fraction(k) * (high - low))
        trades = [(b, s, quantity, price) for b, s, quantity in pair(buys, sells, fills)]
        quotes = {"price_buy": price + fee, "price_sell": price, "shifted": (low, high)}
        if fee == 0:
            quotes |= {"price": price, "price_low": low, "price_high": high}
        return fills, trades, quotes

    return run(orders, clear_market, fee)


def naive_discriminatory(orders, k=Fraction(1, 2), rule="k", price_round="floor", fee=0):
    def price_of(b, s):
        bid, ask = b["price"], s["price"]
        if rule == "earlier":
            return bid if (b["time"], b["id"]) < (s["time"], s["id"]) else ask
        share = {"k": Fraction(k), "bid": Fraction(1), "ask": Fraction(0)}[rule]
        return ROUNDINGS[price_round](ask + share * (bid - ask))

    def clear_market(buys, sells):
        volume, _, _ = crossing(buys, sells, zero_surplus=True)
        fills = {}
        for side in (buys, sells):
            fills.update(ration(side, volume, RULES["time"]))
        return fills, [(b, s, quantity, price_of(b, s)) for b, s, quantity in pair(buys, sells, fills)], {}

    return run(orders, clear_market, fee)


def crossing(buys, sells, zero_surplus):
    """Matched volume and interval of clearing prices; without a match, [best bid, best ask]."""
    left = {order["row"]: order["quantity"] for order in buys + sells}
    volume, i, j = 0, 0, 0
    last_bid = last_ask = None
    while i < len(buys) and j < len(sells):
        bid, ask = buys[i]["price"], sells[j]["price"]
        if bid < ask or (bid == ask and not zero_surplus):
            break
        lots = min(left[buys[i]["row"]], left[sells[j]["row"]])
        volume += lots
        last_bid, last_ask = bid, ask
        left[buys[i]["row"]] -= lots
        left[sells[j]["row"]] -= lots
        i += left[buys[i]["row"]] == 0
        j += left[sells[j]["row"]] == 0
    lows = [last_ask, max((b["price"] for b in buys if left[b["row"]] > 0), default=None)]
    highs = [last_bid, min((s["price"] for s in sells if left[s["row"]] > 0), default=None)]
    low = max((price for price in lows if price is not None), default=None)
    high = min((price for price in highs if price is not None), default=None)
    return volume, low, high


def ration(side, volume, rule):
    """Whole price classes from the best one while they fit; the first that does not fit is rationed."""
    fills = {order["row"]: 0 for order in side}
    for _, members in groupby(side, key=lambda order: order["price"]):
        members = sorted(members, key=lambda order: (order["time"], order["id"]))
        quantities = [order["quantity"] for order in members]
        lots = min(volume, sum(quantities))
        shares = quantities if lots == sum(quantities) else rule(lots, quantities)
        for order, share in zip(members, shares, strict=True):
            fills[order["row"]] = share
        volume -= lots
    return fills


def pair(buys, sells, fills):
    """Trades (buy, sell, quantity): fills paired in priority order by two pointers."""
    trades = []
    left = dict(fills)
    bids = [order for order in buys if fills[order["row"]] > 0]
    asks = [order for order in sells if fills[order["row"]] > 0]
    while bids and asks:
        b, s = bids[0], asks[0]
        lots = min(left[b["row"]], left[s["row"]])
        trades.append((b, s, lots))
        left[b["row"]] -= lots
        left[s["row"]] -= lots
        if left[b["row"]] == 0:
            bids.pop(0)
        if left[s["row"]] == 0:
            asks.pop(0)
    return trades


def run(orders, clear_market, fee):
    codes, books = accept(orders)
    filled = [0] * len(orders)
    payment = [0] * len(orders)
    markets, trades = [], []
    for market in sorted(books):
        # The fee is taken out of the bids; the book so shifted is cleared; buyers pay the fee on top.
        buys = [order | {"price": order["price"] - fee} for order in books[market] if order["buy"]]
        sells = [order for order in books[market] if not order["buy"]]
        buys.sort(key=lambda order: (-order["price"], order["time"], order["id"]))
        sells.sort(key=lambda order: (order["price"], order["time"], order["id"]))
        fills, matched, quotes = clear_market(buys, sells)
        for row, lots in fills.items():
            filled[row] = lots
        for b, s, lots, price in matched:
            payment[b["row"]] += (price + fee) * lots
            payment[s["row"]] -= price * lots
            trades.append(
                {
                    "market": market,
                    "trade": len(trades),
                    "buy_row": b["row"],
                    "sell_row": s["row"],
                    "buy_order": b["id"],
                    "sell_order": s["id"],
                    "quantity": lots,
                    "buy_price": price + fee,
                    "sell_price": price,
                }
            )
        volume = sum(lots for _, _, lots, _ in matched)
        value = sum((b["price"] + fee) * fills[b["row"]] for b in buys)
        cost = sum(s["price"] * fills[s["row"]] for s in sells)
        paid = sum(payment[b["row"]] for b in buys)
        received = -sum(payment[s["row"]] for s in sells)
        markets.append(
            dict.fromkeys(("price", "price_low", "price_high", "price_buy", "price_sell"))
            | {
                "market": market,
                "volume": volume,
                "buy_orders": len(buys),
                "sell_orders": len(sells),
                "welfare": value - cost,
                "buyer_payment": paid,
                "seller_revenue": received,
                "surplus": paid - received,
            }
            | quotes
        )
    return {"reject": codes, "filled": filled, "payment": payment, "markets": markets, "trades": trades}
