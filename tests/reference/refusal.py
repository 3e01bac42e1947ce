"""The naive twin's first step: which orders are refused, and why (rust/fastclear-core/src/reject.rs)."""

from dataclasses import dataclass
from fractions import Fraction
from math import isnan

UNKNOWN_SIDE = 1
UNKNOWN_TYPE = 2
PRICE_MISSING = 3
PRICE_OFF_GRID = 4
PRICE_OUT_OF_RANGE = 5
QUANTITY_MISSING = 6
QUANTITY_OFF_GRID = 7
QUANTITY_OUT_OF_RANGE = 8
ID_MISSING = 9
TIME_MISSING = 10
DUPLICATE_ORDER = 11
NO_REFERENCE_PRICE = 12
PRICE_OUTSIDE_CAPS = 14
MIN_QUANTITY_OUT_OF_RANGE = 15
BOTH_SIDES = 16
SEVERAL_ORDERS = 17
NOT_ONE_UNIT = 18
START_BEYOND_LIMIT = 19

BUY = ("buy", "bid", True, 1)
SELL = ("sell", "ask", "offer", False, 0)


def is_missing(number):
    return number is None or (isinstance(number, float) and isnan(number))


@dataclass(frozen=True)
class Asks:
    """What a mechanism asks of orders beyond what every order must have."""

    cap_low: int | None = None
    cap_high: int | None = None
    min_quantity: bool = False
    unit: int | None = None
    start_price: bool = False
    one_side: bool = False
    one_order: bool = False


def in_range(price):
    return -(2**31) < price < 2**31


def first_fault(order, asks):
    """The fault of the smallest code that one order has by itself, or 0."""
    if order["side"] is None or order["side"] not in BUY + SELL:
        return UNKNOWN_SIDE
    kind = order.get("type", "limit")
    if kind not in ("limit", "market"):
        return UNKNOWN_TYPE
    if kind == "limit":
        if is_missing(order["price"]):
            return PRICE_MISSING
        if Fraction(order["price"]).denominator != 1:
            return PRICE_OFF_GRID
        if not in_range(order["price"]):
            return PRICE_OUT_OF_RANGE
    if is_missing(order["quantity"]):
        return QUANTITY_MISSING
    if Fraction(order["quantity"]).denominator != 1:
        return QUANTITY_OFF_GRID
    if not 1 <= order["quantity"] < 2**31:
        return QUANTITY_OUT_OF_RANGE
    for column in ("market", "order", "participant"):
        if column in order and order[column] is None:
            return ID_MISSING
    if "time" in order and order["time"] is None:
        return TIME_MISSING
    if kind == "limit":
        if asks.cap_low is not None and order["price"] < asks.cap_low:
            return PRICE_OUTSIDE_CAPS
        if asks.cap_high is not None and order["price"] > asks.cap_high:
            return PRICE_OUTSIDE_CAPS
    if asks.min_quantity and not 0 <= (order.get("min_quantity") or 0) <= order["quantity"]:
        return MIN_QUANTITY_OUT_OF_RANGE
    if asks.unit is not None and order["quantity"] != asks.unit:
        return NOT_ONE_UNIT
    start = order.get("start_price")
    # A market order has no limit to open below: it opens at the price it competes at, whatever it names.
    if asks.start_price and start is not None and kind == "limit":
        beyond = start > order["price"] if order["side"] in BUY else start < order["price"]
        if beyond or not in_range(start):
            return START_BEYOND_LIMIT
    return 0


def agents_of(clean):
    """{participant: its orders}; without the column every order is its own participant."""
    agents = {}
    for order in clean:
        agents.setdefault(order["agent"], []).append(order)
    return agents


def accept(orders, asks=None):
    """Splits rows into reject codes and the clean orders of every market.

    Returns (codes, {market: [clean order, ...]}). A clean order is a dict of row, buy (bool), price,
    quantity, id, time, agent, minimum and start; a market order carries its reference price: the cap of its side, or
    the best limit of its market.
    """
    asks = asks or Asks()
    codes = [first_fault(order, asks) for order in orders]

    rows_by_id = {}
    for row, order in enumerate(orders):
        if codes[row] == 0:
            key = (order.get("market", 0), order.get("order", row))
            rows_by_id.setdefault(key, []).append(row)
    for rows in rows_by_id.values():
        if len(rows) > 1:
            for row in rows:
                codes[row] = DUPLICATE_ORDER

    limits = {}
    for row, order in enumerate(orders):
        if codes[row] == 0 and order.get("type", "limit") == "limit":
            limits.setdefault(order.get("market", 0), []).append(int(order["price"]))

    markets = {}
    for row, order in enumerate(orders):
        market = order.get("market", 0)
        if market is not None:
            markets.setdefault(market, [])
        if codes[row] != 0:
            continue
        buy = order["side"] in BUY
        if order.get("type", "limit") == "limit":
            price = int(order["price"])
        elif (cap := asks.cap_high if buy else asks.cap_low) is not None:
            price = cap
        elif market in limits:
            price = max(limits[market]) if buy else min(limits[market])
        else:
            codes[row] = NO_REFERENCE_PRICE
            continue
        named = order.get("start_price") if order.get("type", "limit") == "limit" else None
        clean = {
            "row": row,
            "buy": buy,
            "price": price,
            "quantity": int(order["quantity"]),
            "id": order.get("order", row),
            "time": order.get("time", 0),
            "agent": order.get("participant", order.get("order", row)),
            "minimum": order.get("min_quantity") or 0,
            "start": price if named is None else named,
        }
        markets[market].append(clean)

    # What concerns a participant's orders together: first both sides, then several orders.
    stages = [(BOTH_SIDES, asks.one_side, on_both_sides), (SEVERAL_ORDERS, asks.one_order, are_several)]
    for code, asked, at_fault in stages:
        for market, clean in markets.items():
            refused = [order for mine in agents_of(clean).values() if asked and at_fault(mine) for order in mine]
            for order in refused:
                codes[order["row"]] = code
            markets[market] = [order for order in clean if codes[order["row"]] == 0]
    return codes, markets


def on_both_sides(mine):
    return len({order["buy"] for order in mine}) == 2


def are_several(mine):
    return len(mine) > 1
