"""What the naive twins share: the sweep, rationing, pairing, and the bookkeeping of a call.

A twin takes `orders`, a list of dicts with side, price, quantity and, where the column exists, type, market, order,
participant, time, min_quantity, start_price. A null is None. Numbers are ticks and lots. Its result is a dict:

    reject, filled, payment    one int a row
    markets                    one dict a market, in ascending order of id
    trades                     one dict a trade, with row numbers; numbered over the whole call
    den                        1 or 2: what every price and every sum of money is an integer over

Inside, prices and money are exact (int or Fraction); `run` multiplies by den at the end.
"""

from fractions import Fraction
from itertools import groupby
from math import ceil, floor

from reference.chacha import ChaCha8
from reference.rationing import split_money
from reference.refusal import accept

ROUNDINGS = {"floor": floor, "ceil": ceil, "half_up": lambda x: floor(x + Fraction(1, 2))}
PRICES = ("price", "price_low", "price_high", "price_buy", "price_sell")
HALF_PRICES = ("price_left", "price_right")
MONEY = ("welfare", "buyer_payment", "seller_revenue", "surplus")


def crossing(buys, sells, zero_surplus=True):
    """Matched volume and interval of clearing prices; without a match, [best bid, best ask]."""
    sweep = matches(buys, sells, zero_surplus)
    left = {order["row"]: order["quantity"] for order in buys + sells}
    last_bid = last_ask = None
    for b, s, lots in sweep:
        left[b["row"]] -= lots
        left[s["row"]] -= lots
        last_bid, last_ask = b["price"], s["price"]
    lows = [last_ask, max((b["price"] for b in buys if left[b["row"]] > 0), default=None)]
    highs = [last_bid, min((s["price"] for s in sells if left[s["row"]] > 0), default=None)]
    low = max((price for price in lows if price is not None), default=None)
    high = min((price for price in highs if price is not None), default=None)
    return sum(lots for _, _, lots in sweep), low, high


def matches(buys, sells, zero_surplus=True):
    """The two-pointer sweep: (buy, sell, lots), best bid with cheapest ask for as long as they agree."""
    left = {order["row"]: order["quantity"] for order in buys + sells}
    trades = []
    i, j = 0, 0
    while i < len(buys) and j < len(sells):
        bid, ask = buys[i]["price"], sells[j]["price"]
        if bid < ask or (bid == ask and not zero_surplus):
            break
        lots = min(left[buys[i]["row"]], left[sells[j]["row"]])
        trades.append((buys[i], sells[j], lots))
        left[buys[i]["row"]] -= lots
        left[sells[j]["row"]] -= lots
        i += left[buys[i]["row"]] == 0
        j += left[sells[j]["row"]] == 0
    return trades


def ration(side, volume, rule):
    """Whole price classes from the best one while they fit; the first that does not fit is rationed."""
    fills = {order["row"]: 0 for order in side}
    for _, members in groupby(side, key=lambda order: order["price"]):
        members = in_time(members)
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


def by_merit(orders, buy):
    """The total order of one side: best price, then time, then id."""
    side = [order for order in orders if order["buy"] == buy]
    return sorted(side, key=lambda order: (-order["price"] if buy else order["price"], order["time"], order["id"]))


def in_time(orders):
    return sorted(orders, key=lambda order: (order["time"], order["id"]))


def pair_price(b, s, k, rule, rounding):
    """Price of one pair, in competing prices."""
    bid, ask = b["price"], s["price"]
    if rule == "earlier":
        return bid if (b["time"], b["id"]) < (s["time"], s["id"]) else ask
    share = {"k": Fraction(k), "bid": Fraction(1), "ask": Fraction(0)}[rule]
    return ROUNDINGS[rounding](ask + share * (bid - ask))


def at_price(matched, buy_price, sell_price):
    return [(b, s, lots, buy_price, sell_price) for b, s, lots in matched]


def quotes_of(buys, sells, buy_price, sell_price):
    """A price a side; where they are the same, one price and the clearing interval of the book."""
    quotes = {"price_buy": buy_price, "price_sell": sell_price}
    if buy_price == sell_price:
        _, low, high = crossing(buys, sells)
        quotes |= {"price": sell_price, "price_low": low, "price_high": high}
    return quotes


def run(orders, clear_market, asks=None, fee=0, seed=None):
    """Refuses, clears market by market, adds up.

    `clear_market(buys, sells, generator)` gets both sides in merit order and returns (trades, quotes) or
    (trades, quotes, amounts, dens). A trade is (buy, sell, lots, buyer's price, seller's price). Where prices are not
    per unit they are None, `amounts` says {row: what the buyer pays or the seller receives}, and `dens` {row: 1 or 2,
    what units that is parted in over its trades, if not in whole ones}.
    """
    codes, books = accept(orders, asks)
    cleared = {}
    for rank, market in enumerate(sorted(books)):
        # The fee is taken out of the bids; the book so shifted is cleared; buyers pay the fee on top.
        shifted = [order | {"price": order["price"] - fee * order["buy"]} for order in books[market]]
        buys, sells = by_merit(shifted, buy=True), by_merit(shifted, buy=False)
        generator = None if seed is None else ChaCha8(seed, rank)
        cleared[market] = (buys, sells, *clear_market(buys, sells, generator))

    den = max((den_of(trades, quotes) for _, _, trades, quotes, *_ in cleared.values()), default=1)

    def over_den(number):
        if number is None:
            return None
        assert number * den == int(number * den)
        return int(number * den)

    filled, payment = [0] * len(orders), [Fraction(0)] * len(orders)
    market_rows, trade_rows = [], []
    for market, (buys, sells, trades, quotes, *amounts) in cleared.items():
        if not amounts:
            amount_pairs = [(buy_price * lots, sell_price * lots) for _, _, lots, buy_price, sell_price in trades]
        else:
            amount_pairs = amounts_of_trades(trades, *amounts)
        for (b, s, lots, buy_price, sell_price), (paid, received) in zip(trades, amount_pairs, strict=True):
            filled[b["row"]] += lots
            filled[s["row"]] += lots
            payment[b["row"]] += paid
            payment[s["row"]] -= received
            trade_rows.append(
                {
                    "market": market,
                    "trade": len(trade_rows),
                    "buy_row": b["row"],
                    "sell_row": s["row"],
                    "buy_order": b["id"],
                    "sell_order": s["id"],
                    "quantity": lots,
                    "buy_price": over_den(buy_price),
                    "sell_price": over_den(sell_price),
                    "buy_amount": over_den(paid),
                    "sell_amount": over_den(received),
                }
            )
        paid = sum(payment[b["row"]] for b in buys)
        received = -sum(payment[s["row"]] for s in sells)
        money = {
            "welfare": sum((b["price"] + fee) * filled[b["row"]] for b in buys)
            - sum(s["price"] * filled[s["row"]] for s in sells),
            "buyer_payment": paid,
            "seller_revenue": received,
            "surplus": paid - received,
        }
        row = dict.fromkeys(PRICES) | {"market": market, "volume": sum(lots for _, _, lots, _, _ in trades)}
        row |= {"buy_orders": len(buys), "sell_orders": len(sells)} | quotes | money
        # Where nothing traded: the best limit of each side.
        row["best_bid"] = buys[0]["price"] + fee if buys and not trades else None
        row["best_ask"] = sells[0]["price"] if sells and not trades else None
        for name in (*PRICES, "best_bid", "best_ask", *HALF_PRICES, *MONEY):
            if name in row:
                row[name] = over_den(row[name])
        market_rows.append(row)
    return {
        "reject": codes,
        "filled": filled,
        "payment": [over_den(money) for money in payment],
        "markets": market_rows,
        "trades": trade_rows,
        "den": den,
    }


def den_of(trades, quotes):
    """2 where a price of the market lies at half a tick."""
    prices = [quotes.get(name) for name in (*PRICES, *HALF_PRICES)]
    prices += [price for trade in trades for price in trade[3:]]
    return max((Fraction(price).denominator for price in prices if price is not None), default=1)


def amounts_of_trades(trades, amounts, dens):
    """Every order's amount over its trades, in proportion to lots; left-over units in the order of the trades."""
    shares = {}
    for side in (0, 1):
        for row in {trade[side]["row"] for trade in trades}:
            mine = [number for number, trade in enumerate(trades) if trade[side]["row"] == row]
            parts = split_money(amounts[row], [trades[number][2] for number in mine], dens.get(row, 1))
            for number, part in zip(mine, parts, strict=True):
                shares[number, side] = part
    return [(shares[number, 0], shares[number, 1]) for number in range(len(trades))]
