"""Many small books in one frame, from a seed: as many cases as markets at the price of one call."""

import random

import polars as pl

TOP = 2**31 - 1


def many_books(seed, markets, participants="any", quantities=None, min_quantity=None, start_price=False):
    """A frame of `markets` books of up to ten orders.

    In half of the frames rows are shuffled, in half they stand sorted by market, time and id; some lack optional
    columns. Other options are those of `fastclear.testing.orders`; `min_quantity` None is "seldom", to see that a
    mechanism without minimums does not mind.
    """
    rng = random.Random(seed)
    min_quantity = rng.random() < 0.25 if min_quantity is None else min_quantity
    market_orders = rng.random() < 0.5
    rows = []
    for market in rng.sample(range(-markets, markets), markets):
        rows += one_book(rng, market, participants, quantities, min_quantity, start_price, market_orders)
    rng.shuffle(rows)
    # Ids count within a market; here they are dense over the frame, in no order.
    for row, number in zip(rows, rng.sample(range(len(rows)), len(rows)), strict=True):
        row["order"] = number
    if rng.random() < 0.5:
        rows.sort(key=lambda row: (row["market"], row["time"], row["order"]))
    absent = [name for name in ("order", "time", "participant") if rng.random() < 0.2]
    absent += ["type"] * all(row["type"] == "limit" for row in rows)
    if participants == "one_side" and "participant" in absent:
        absent.remove("participant")
    schema = {"side": pl.String, "type": pl.String}
    names = [name for name in rows[0] if name not in absent]
    return pl.DataFrame(
        [{name: row[name] for name in names} for row in rows],
        schema={name: schema.get(name, pl.Int64) for name in names},
    )


def one_book(rng, market, participants, quantities, min_quantity, start_price, market_orders):
    n = rng.choice([1, 2, 4, 6, 8, 10])
    level = rng.choice([(0, 1), (-3, 6), (-3, 6), (0, 40), (TOP - 3, TOP), (-TOP, 2 - TOP), (-TOP, TOP)])
    size = quantities or rng.choice([(1, 1), (1, 3), (1, 9), (1, 9), (TOP - 2, TOP), (1, TOP)])
    lacking = rng.randrange(16)
    market_orders = market_orders and rng.random() < 0.3
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
            distance = rng.choice([0, 1, 2, 3, 5, 9, 40, 300]) if rng.random() < 0.98 else -1
            away = distance if side == "buy" else -distance
            quote = (row["price"] or 0) - away
            row["start_price"] = None if rng.random() < 0.1 else min(max(quote, -TOP), TOP)
        rows.append(row)
    return rows
