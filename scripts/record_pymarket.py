#!/usr/bin/env python3
"""Record what pymarket 0.7.6 answers to some hundred books; `tests/test_pymarket.py` compares fastclear with it.

``python3 dev.py record`` runs this in an environment of its own: pymarket needs a pandas that the tests are past. The
books are seeded, so that the file comes out the same each time. It holds the books too: one list a book of
``[buying, price, quantity]``, the place in the list being the user.

Every price of a book is distinct: pymarket merges orders of one price on one side, and trades nothing where a bid meets
an ask of its price.
"""

from __future__ import annotations

import json
import random
import sys
import warnings
from fractions import Fraction
from importlib.metadata import version
from math import isinf
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
TARGET = HERE.parent / "tests" / "data" / "pymarket_0_7_6.json"
VERSION = "0.7.6"
HUANG_BOOKS = 300
MUDA_BOOKS = 400


def book(rng: random.Random, most: int) -> list[list[Any]]:
    """Make a random book with both sides and no price twice."""
    buyers, sellers = rng.randint(1, most), rng.randint(1, most)
    prices = rng.sample(range(1, 100), buyers + sellers)
    sides = [True] * buyers + [False] * sellers
    rng.shuffle(sides)
    return [[side, price, rng.randint(1, 12)] for side, price in zip(sides, prices, strict=True)]


def exact(number: float) -> Any:
    """Write a quantity or sum: whole as it is, else as the text of a fraction with a small denominator."""
    fraction = Fraction(float(number)).limit_denominator(1_000)
    if abs(fraction - Fraction(float(number))) > Fraction(1, 10**9):
        raise ValueError(f"{number} is no small fraction")
    return int(fraction) if fraction.denominator == 1 else str(fraction)


def market_of(orders: list[list[Any]]) -> Any:
    """Make pymarket's market of one book."""
    import pymarket

    market = pymarket.Market()
    for user, (buying, price, quantity) in enumerate(orders):
        market.accept_bid(quantity, float(price), user, buying)
    return market


def fills(transactions: Any, users: int) -> list[Any]:
    """Sum the quantities that each user's order traded."""
    traded = [Fraction(0)] * users
    for row in transactions.get_df().itertuples():
        traded[int(row.bid)] += Fraction(exact(row.quantity))
    return [exact(float(quantity)) for quantity in traded]


def huang(orders: list[list[Any]]) -> dict[str, Any]:
    """Record fills and both prices of the Huang auction."""
    transactions, extra = market_of(orders).run("huang")
    return {
        "book": orders,
        "filled": fills(transactions, len(orders)),
        "price_buy": exact(extra["price_buy"]) if extra else None,
        "price_sell": exact(extra["price_sell"]) if extra else None,
    }


def muda(orders: list[list[Any]], seed: int) -> dict[str, Any]:
    """Record partition, half prices, fills and fees of MUDA in its Vickrey form."""
    import numpy as np

    transactions, extra = market_of(orders).run("muda", r=np.random.RandomState(seed))
    prices = [float(extra["price_left"]), float(extra["price_right"])]
    return {
        "book": orders,
        "left": [int(user) for user in extra["left"]],
        "price_left": None if isinf(prices[0]) else exact(prices[0]),
        "price_right": None if isinf(prices[1]) else exact(prices[1]),
        "filled": fills(transactions, len(orders)),
        "fees": [exact(fee) for fee in extra["fees"]],
    }


def main() -> None:
    """Run both mechanisms over their books and write the record."""
    if version("pymarket") != VERSION:
        sys.exit(f"pymarket {VERSION} is wanted, {version('pymarket')} is installed")
    warnings.simplefilter("ignore")
    rng = random.Random(20_260_103)
    record = {
        "huang": [huang(book(rng, 8)) for _ in range(HUANG_BOOKS)],
        "muda": [muda(book(rng, 7), seed) for seed in range(MUDA_BOOKS)],
    }
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET
    target.parent.mkdir(parents=True, exist_ok=True)
    lines = {
        name: "[\n" + ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases) + "\n]"
        for name, cases in record.items()
    }
    text = ",\n".join(f'"{name}": {cases}' for name, cases in lines.items())
    target.write_text(f'{{"pymarket": "{VERSION}",\n{text}}}\n', encoding="utf-8")
    print(f"{target}: {HUANG_BOOKS} + {MUDA_BOOKS} books, {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
