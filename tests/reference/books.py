"""Many small books in one frame, from a seed: as many cases as markets at the price of one call."""

import random

import polars as pl

TOP = 2**31 - 1


def many_books(seed, markets, participants="any", quantities=None, min_quantity=False, start_price=False):
    """A frame of `markets` books of up to ten orders, rows and ids shuffled over the whole frame.

    The options are those of `fastclear.testing.orders`.
    """
    rng = random.Random(seed)
    rows = []
    for market in rng.sample(range(-markets, markets), markets):
        rows += one_book(rng, market, participants, quantities, min_quantity, start_price)
    rng.shuffle(rows)
    # Ids count within a market; here they are dense over the frame, in no order.
    for row, number in zip(rows, rng.sample(range(len(rows)), len(rows)), strict=True):
        row["order"] = number
    schema = {"side": pl.String, "type": pl.String}
    names = list(rows[0])
    return pl.DataFrame(rows, schema={name: schema.get(name, pl.Int64) for name in names})


def one_book(rng, market, participants, quantities, min_quantity, start_price):
    n = rng.choice([1, 2, 4, 6, 8, 10])
    level = rng.choice([(0, 1), (-3, 6), (-3, 6), (0, 40), (TOP - 3, TOP), (-TOP, 2 - TOP), (-TOP, TOP)])
    size = quantities or rng.choice([(1, 1), (1, 3), (1, 9), (1, 9), (TOP - 2, TOP), (1, TOP)])
    lacking = rng.randrange(16)
    market_orders = rng.random() < 0.2
    half = rng.choice([1, 2, 3])
    names = rng.sample(range(-9, 9), 18)
    rows = []
    for number in range(n):
        side = {0: "buy", 1: "sell"}.get(lacking, rng.choice(["buy", "sell"]))
        row = {
            "side": side,
            "price": rng.randint(*level),
            "quantity": rng.randint(*size),
            "type": "limit",
            "market": market,
            "order": None,
            "time": rng.randint(0, 2),
        }
        if market_orders and rng.random() < 0.3:
            row |= {"price": None, "type": "market"}
        if participants == "any":
            row["participant"] = rng.randint(0, 3)
        elif participants == "one_side":
            row["participant"] = names[rng.randrange(half) + half * (side == "buy")]
        else:
            row["participant"] = names[number]
        if participants != "any" and rng.random() < 0.03:
            row["participant"] = names[0]
        if min_quantity:
            chosen = [None, None, 0, rng.randint(1, row["quantity"]), row["quantity"]]
            row["min_quantity"] = rng.choice(chosen if rng.random() < 0.98 else [-1, row["quantity"] + 1])
        if start_price:
            distance = rng.choice([0, 1, 2, 3, 5, 9]) if rng.random() < 0.98 else -1
            away = distance if side == "buy" else -distance
            row["start_price"] = None if row["price"] is None or rng.random() < 0.1 else row["price"] - away
        rows.append(row)
    return rows
