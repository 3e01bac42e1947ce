"""Naive twins of the matchings that do not serve the dearest bids and the cheapest asks. See `reference.parts`."""

from fractions import Fraction

from reference.parts import pair_price, run


def naive_maximal_volume(orders, k=Fraction(1, 2), rule="k", price_round="floor", pairing="ascending"):
    def clear_market(buys, sells, generator):
        down = -1 if pairing == "descending" else 1
        bids = sorted(buys, key=lambda order: (down * order["price"], order["time"], order["id"]))
        asks = sorted(sells, key=lambda order: (down * order["price"], order["time"], order["id"]))
        left = {order["row"]: order["quantity"] for order in buys + sells}
        trades = []
        while bids and asks:
            b, s = bids[0], asks[0]
            if b["price"] < s["price"]:
                # The cheapest bid left reaches no ask, or the dearest ask left no bid.
                (bids if pairing == "ascending" else asks).pop(0)
                continue
            lots = min(left[b["row"]], left[s["row"]])
            price = pair_price(b, s, k, rule, price_round)
            trades.append((b, s, lots, price, price))
            left[b["row"]] -= lots
            left[s["row"]] -= lots
            if left[b["row"]] == 0:
                bids.pop(0)
            if left[s["row"]] == 0:
                asks.pop(0)
        return trades, {}

    return run(orders, clear_market)


def naive_random_matching(orders, seed, k=Fraction(1, 2), rule="k", price_round="floor"):
    def clear_market(buys, sells, generator):
        left = {order["row"]: order["quantity"] for order in buys + sells}

        def drawn(side):
            active = [order for order in side if left[order["row"]] > 0]
            return generator.shuffled(sorted(active, key=lambda order: order["id"]))

        trades = []
        while True:
            buyers, free = drawn(buys), drawn(sells)
            before = len(trades)
            for b in buyers:
                s = next((s for s in free if s["price"] <= b["price"]), None)
                if s is None:
                    continue
                free.remove(s)
                lots = min(left[b["row"]], left[s["row"]])
                price = pair_price(b, s, k, rule, price_round)
                trades.append((b, s, lots, price, price))
                left[b["row"]] -= lots
                left[s["row"]] -= lots
            if len(trades) == before:
                return trades, {}

    return run(orders, clear_market, seed=seed)
