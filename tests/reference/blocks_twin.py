"""Naive twin of `fc.Blocks`: every set of blocks, every price, unit by unit, written from the rule alone.

`orders` is a list of dicts as in naive.py, with block, parent and exclusive where the columns exist. The result has the
keys of naive.py's and `blocks`, one dict a block that was not refused, in ascending order of id. Keep intervals small:
prices are found by trying all of them.
"""

from itertools import chain, combinations, product

from reference.rationing import RULES
from reference.refusal import BUY, DUPLICATE_ORDER, NO_REFERENCE_PRICE, Asks, first_fault

BLOCK_INVALID = 20


def naive_blocks(orders, rationing="pro_rata"):
    codes, blocks = refuse(orders)
    markets = sorted({order.get("market", 0) for order in orders if order.get("market", 0) is not None})
    book = {market: hour(orders, codes, market) for market in markets}
    best = None
    for accepted in subsets(sorted(blocks)):
        if not admissible(accepted, blocks):
            continue
        hours = {market: clear_hour(book[market], set(accepted)) for market in markets}
        if None in hours.values():
            continue
        welfare = sum(state["welfare"] for state in hours.values())
        volume = sum(state["volume"] for state in hours.values())
        if best is not None and ((welfare, volume) < best[0] or ((welfare, volume) == best[0] and accepted > best[1])):
            continue
        prices = closest(hours, accepted, blocks)
        if prices is not None:
            best = ((welfare, volume), accepted, hours, prices)
    _, accepted, hours, prices = best
    return report(orders, codes, blocks, book, set(accepted), hours, prices, rationing)


def subsets(names):
    return chain.from_iterable(combinations(names, size) for size in range(len(names) + 1))


def refuse(orders):
    """Codes of all rows, and the sound blocks: name -> parent, exclusive, rows."""
    codes = [first_fault(order, Asks()) for order in orders]
    for row, order in enumerate(orders):
        same = [
            other
            for other, twin in enumerate(orders)
            if first_fault(twin, Asks()) == 0
            and twin.get("market", 0) == order.get("market", 0)
            and twin.get("order", other) == order.get("order", row)
        ]
        if codes[row] == 0 and len(same) > 1:
            codes[row] = DUPLICATE_ORDER
    names = {order["block"] for order in orders if order.get("block") is not None}
    blocks = {}
    for name in names:
        rows = [row for row, order in enumerate(orders) if order.get("block") == name]
        blocks[name] = {
            "rows": rows,
            "parent": orders[rows[0]].get("parent"),
            "exclusive": orders[rows[0]].get("exclusive"),
        }
    bad = set()
    while True:
        more = {name for name in names - bad if is_bad(name, blocks, orders, codes, bad)}
        if not more:
            break
        bad |= more
    for row, order in enumerate(orders):
        stray = order.get("block") is None and (order.get("parent") is not None or order.get("exclusive") is not None)
        if codes[row] == 0 and (stray or order.get("block") in bad):
            codes[row] = BLOCK_INVALID
    for row, order in enumerate(orders):
        market = order.get("market", 0)
        named = [
            other
            for other, twin in enumerate(orders)
            if codes[other] in (0, NO_REFERENCE_PRICE)
            and twin.get("market", 0) == market
            and twin.get("type", "limit") == "limit"
        ]
        if codes[row] == 0 and order.get("type") == "market" and not named:
            codes[row] = NO_REFERENCE_PRICE
    return codes, {name: block for name, block in blocks.items() if name not in bad}


def is_bad(name, blocks, orders, codes, bad):
    block = blocks[name]
    rows = [orders[row] for row in block["rows"]]
    markets = [order.get("market", 0) for order in rows]
    line, here = [name], block["parent"]
    while here is not None and here in blocks and here not in line:
        line.append(here)
        here = blocks[here]["parent"]
    return (
        any(codes[row] for row in block["rows"])
        or any(order.get("type") == "market" for order in rows)
        or len(set(markets)) < len(markets)
        or len({(order.get("parent"), order.get("exclusive")) for order in rows}) > 1
        or here is not None  # an unknown parent, or one met before
        or block["parent"] in bad
    )


def admissible(accepted, blocks):
    groups = [blocks[name]["exclusive"] for name in accepted if blocks[name]["exclusive"] is not None]
    parents = [blocks[name]["parent"] for name in accepted if blocks[name]["parent"] is not None]
    return len(set(groups)) == len(groups) and set(parents) <= set(accepted)


def hour(orders, codes, market):
    """The accepted orders of a market, market orders with the limit they compete at."""
    here = [(row, order) for row, order in enumerate(orders) if order.get("market", 0) == market and codes[row] == 0]
    limits = [order["price"] for _, order in here if order.get("type", "limit") == "limit"]
    clean = []
    for row, order in here:
        buy = order["side"] in BUY
        at_market = order.get("type", "limit") == "market"
        price = (max(limits) if buy else min(limits)) if at_market else order["price"]
        clean.append(
            {
                "row": row,
                "buy": buy,
                "price": price,
                "quantity": order["quantity"],
                "id": order.get("order", row),
                "time": order.get("time", 0),
                "block": order.get("block"),
            }
        )
    return {"orders": clean, "low": min(limits, default=0), "high": max(limits, default=0)}


def curve(orders, price, accepted, buy, strict):
    """Lots that trade at `price`: accepted blocks at any, hourly orders that reach it (or are strictly better)."""
    total = 0
    for order in orders:
        if order["buy"] != buy or (order["block"] is not None and order["block"] not in accepted):
            continue
        gain = (order["price"] - price) * (1 if buy else -1)
        if order["block"] is not None or gain > 0 or (gain == 0 and not strict):
            total += order["quantity"]
    return total


def clear_hour(book, accepted):
    orders, ticks = book["orders"], range(book["low"], book["high"] + 1)
    inelastic = {
        buy: sum(o["quantity"] for o in orders if o["buy"] == buy and o["block"] in accepted and o["block"] is not None)
        for buy in (True, False)
    }
    volume = max(min(curve(orders, p, accepted, True, False), curve(orders, p, accepted, False, False)) for p in ticks)
    if volume < max(inelastic.values()):
        return None
    supporting = [
        p
        for p in ticks
        if max(curve(orders, p, accepted, True, True), curve(orders, p, accepted, False, True)) <= volume
        and min(curve(orders, p, accepted, True, False), curve(orders, p, accepted, False, False)) >= volume
    ]
    welfare = 0
    for buy in (True, False):
        sign = 1 if buy else -1
        units = [
            order["price"]
            for order in orders
            if order["buy"] == buy and order["block"] is None
            for _ in range(order["quantity"])
        ]
        units.sort(reverse=buy)
        welfare += sign * sum(units[: volume - inelastic[buy]])
        welfare += sign * sum(
            order["price"] * order["quantity"]
            for order in orders
            if order["buy"] == buy and order["block"] is not None and order["block"] in accepted
        )
    return {
        "volume": volume,
        "interval": (supporting[0], supporting[-1]) if volume else None,
        "welfare": welfare,
        "orders": orders,
    }


def surplus(name, blocks, hours, prices):
    """What a block earns at the prices, or None where one of its markets has none."""
    total = 0
    for market, state in hours.items():
        for order in state["orders"]:
            if order["block"] == name:
                if prices.get(market) is None:
                    return None
                total += (order["price"] - prices[market]) * order["quantity"] * (1 if order["buy"] else -1)
    return total


def family_surplus(name, accepted, blocks, hours, prices):
    own = surplus(name, blocks, hours, prices)
    children = [child for child in accepted if blocks[child]["parent"] == name]
    return own + sum(family_surplus(child, accepted, blocks, hours, prices) for child in children)


def closest(hours, accepted, blocks):
    priced = [market for market, state in hours.items() if state["volume"]]
    intervals = [hours[market]["interval"] for market in priced]
    best = None
    for point in product(*(range(low, high + 1) for low, high in intervals)):
        distance = sum((2 * p - low - high) ** 2 for p, (low, high) in zip(point, intervals, strict=True))
        if best is not None and (distance, point) > best:
            continue
        prices = dict(zip(priced, point, strict=True))
        if all(family_surplus(name, accepted, blocks, hours, prices) >= 0 for name in accepted):
            best = (distance, point)
    return None if best is None else dict(zip(priced, best[1], strict=True))


def fill_side(orders, buy, volume, accepted, rule):
    """The side's orders that trade, in order of service, with their lots."""
    mine = [order for order in orders if order["buy"] == buy]
    by_time = sorted(mine, key=lambda order: (order["time"], order["id"]))
    served = [
        (order, order["quantity"]) for order in by_time if order["block"] in accepted and order["block"] is not None
    ]
    volume -= sum(lots for _, lots in served)
    hourly = [order for order in by_time if order["block"] is None]
    for price in sorted({order["price"] for order in hourly}, reverse=buy):
        level = [order for order in hourly if order["price"] == price]
        asked = [order["quantity"] for order in level]
        lots = min(volume, sum(asked))
        shares = asked if lots == sum(asked) else RULES[rule](lots, asked)
        served += [(order, share) for order, share in zip(level, shares, strict=True) if share]
        volume -= lots
    return served


def report(orders, codes, blocks, book, accepted, hours, prices, rationing):
    filled, payment = [0] * len(orders), [0] * len(orders)
    markets, trades = [], []
    for market, state in hours.items():
        sides = [fill_side(state["orders"], buy, state["volume"], accepted, rationing) for buy in (True, False)]
        price = prices.get(market)
        units = [[order for order, lots in side for _ in range(lots)] for side in sides]
        pairs = []
        for buy, sell in zip(*units, strict=True):
            if pairs and pairs[-1][:2] == [buy["row"], sell["row"]]:
                pairs[-1][2] += 1
            else:
                pairs.append([buy["row"], sell["row"], 1])
            filled[buy["row"]] += 1
            filled[sell["row"]] += 1
            payment[buy["row"]] += price
            payment[sell["row"]] -= price
        for buy, sell, lots in pairs:
            trades.append(
                {
                    "market": market,
                    "trade": len(trades),
                    "buy_row": buy,
                    "sell_row": sell,
                    "buy_order": orders[buy].get("order", buy),
                    "sell_order": orders[sell].get("order", sell),
                    "quantity": lots,
                    "buy_price": price,
                    "sell_price": price,
                }
            )
        low, high = state["interval"] or (None, None)
        bids = [order["price"] for order in state["orders"] if order["buy"]]
        asks = [order["price"] for order in state["orders"] if not order["buy"]]
        money = 0 if price is None else price * state["volume"]
        markets.append(
            dict.fromkeys(("price", "price_buy", "price_sell"), price)
            | {
                "market": market,
                "price_low": low,
                "price_high": high,
                "volume": state["volume"],
                "buy_orders": len(bids),
                "sell_orders": len(asks),
                "best_bid": max(bids, default=None) if price is None else None,
                "best_ask": min(asks, default=None) if price is None else None,
                "welfare": state["welfare"],
                "buyer_payment": money,
                "seller_revenue": money,
                "surplus": 0,
            }
        )
    frame = []
    for name in sorted(blocks):
        own = surplus(name, blocks, hours, prices)
        family = family_surplus(name, accepted, blocks, hours, prices) if name in accepted else own
        frame.append(
            {
                "block": name,
                "accepted": name in accepted,
                "surplus": own,
                "family_surplus": family,
                "paradoxical": name not in accepted and own is not None and own > 0,
                "parent": blocks[name]["parent"],
                "exclusive": blocks[name]["exclusive"],
            }
        )
    return {
        "reject": codes,
        "filled": filled,
        "payment": payment,
        "markets": markets,
        "trades": trades,
        "blocks": frame,
        "prices": prices,
    }
