"""The naive twin's first step: which orders are refused, and why (rust/fastclear-core/src/reject.rs)."""

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

BUY = ("buy", "bid", True, 1)
SELL = ("sell", "ask", "offer", False, 0)


def is_missing(number):
    return number is None or (isinstance(number, float) and isnan(number))


def first_fault(order):
    """The first fault that one order has by itself, or 0."""
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
        if not -(2**31) < order["price"] < 2**31:
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
    return 0


def accept(orders):
    """Splits rows into reject codes and the clean orders of every market.

    Returns (codes, {market: [clean order, ...]}). A clean order is a dict of row, buy (bool), price,
    quantity, id, time; a market order carries its reference price.
    """
    codes = [first_fault(order) for order in orders]

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
        elif market in limits:
            price = max(limits[market]) if buy else min(limits[market])
        else:
            codes[row] = NO_REFERENCE_PRICE
            continue
        clean = {
            "row": row,
            "buy": buy,
            "price": price,
            "quantity": int(order["quantity"]),
            "id": order.get("order", row),
            "time": order.get("time", 0),
        }
        markets[market].append(clean)
    return codes, markets
