"""Naive twins of the average mechanism and of the auction in rounds. See `reference.parts`."""

from fractions import Fraction

from reference.parts import by_merit, matches, quotes_of, run
from reference.refusal import Asks
from reference.truthful_twin import count_of_deals


def naive_average(orders, unit=1):
    def clear_market(buys, sells, generator):
        k = count_of_deals(buys, sells)
        if k == 0:
            return [], {}
        price = Fraction(buys[k - 1]["price"] + sells[k - 1]["price"], 2)
        trades = [(b, s, unit, price, price) for b, s in zip(buys[:k], sells[:k], strict=True)]
        return trades, quotes_of(buys, sells, price, price)

    return run(orders, clear_market, Asks(one_order=True, unit=unit))


def naive_multi_round(orders, buyer_step, seller_step, max_rounds=100):
    def clear_market(buys, sells, generator):
        limits = {order["row"]: order["price"] for order in buys + sells}
        # From here on the price of an order is its quote, and its quantity what is left of it.
        quoted = [order | {"price": order["start"]} for order in buys + sells]
        trades, history = [], []
        while len(history) < max_rounds:
            active = [order for order in quoted if order["quantity"] > 0]
            bids, asks = by_merit(active, buy=True), by_merit(active, buy=False)
            if not bids or not asks:
                break
            matched = matches(bids, asks)
            price = Fraction(matched[-1][0]["price"] + matched[-1][1]["price"], 2) if matched else None
            quotes = {order["id"]: order["price"] for order in active}
            history.append({"quotes": quotes, "price": price, "pairs": [(b["id"], s["id"], q) for b, s, q in matched]})
            for b, s, lots in matched:
                trades.append((b, s, lots, price, price))
                b["quantity"] -= lots
                s["quantity"] -= lots
            moved = False
            for order in active:
                if order["quantity"] > 0:
                    before, limit = order["price"], limits[order["row"]]
                    if order["buy"]:
                        order["price"] = min(limit, before + buyer_step)
                    else:
                        order["price"] = max(limit, before - seller_step)
                    moved |= order["price"] != before
            if not matched and not moved:
                break
        return trades, {"rounds": len(history), "history": history}

    return run(orders, clear_market, Asks(start_price=True))
