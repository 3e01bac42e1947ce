"""Shares of a level against `fractions.Fraction`: one price, and as much on the other side as is to be shared.

Every case is a market of one price, so that all its orders are marginal; one call clears thousands. The twins are
those of `reference.rationing`. `FASTCLEAR_BOOKS=10` looks at ten times as many.
"""

import os
import random

import numpy as np
import pytest
from reference.rationing import RULES, pro_rata

import fastclear as fc

LARGEST = 2**31 - 1
BOOKS = float(os.environ.get("FASTCLEAR_BOOKS", "1"))
PRICE = 7

LAWS = {
    "few lots": lambda rng: rng.randint(1, 9),
    "thousand": lambda rng: rng.randint(1, 1_000),
    "any": lambda rng: rng.randint(1, LARGEST),
    "the largest": lambda rng: LARGEST - rng.randint(0, 1),
    "heavy tails": lambda rng: min(LARGEST, int(rng.paretovariate(0.5))),
}


def quantities_of(rng, n):
    """Quantities of one law, or all equal."""
    law = rng.choice([*LAWS, "equal"])
    if law == "equal":
        return [rng.choice([1, 2, 77, rng.randint(1, LARGEST), LARGEST])] * n
    return [LAWS[law](rng) for _ in range(n)]


def amount_of(rng, total):
    return rng.choice([0, 1, total - 1, total, total // 2, rng.randint(0, total), rng.randint(0, total)])


class Cases:
    """Markets of one price: `quantities` on one side share what the other side has."""

    def __init__(self):
        self.rows, self.expected = [], []

    def add(self, rng, quantities, left, rule=pro_rata):
        market, sharing = len(self.expected), rng.randint(0, 1)
        self.rows += [(market, sharing, quantity) for quantity in quantities]
        others = [LARGEST] * (left // LARGEST) + [left % LARGEST] * (left % LARGEST > 0)
        self.rows += [(market, 1 - sharing, quantity) for quantity in others]
        shares = quantities if left == sum(quantities) else rule(left, quantities)
        self.expected.append(shares + others)

    def check(self, mechanism):
        market, side, quantity = np.array(self.rows).T
        orders = {"market": market, "side": side, "quantity": quantity, "price": np.full(len(market), PRICE)}
        narrow = orders | {"quantity": quantity.astype(np.int32), "price": orders["price"].astype(np.int32)}
        expected = np.array([share for shares in self.expected for share in shares])
        for columns in (orders, narrow):
            assert (fc.clear(columns, mechanism).filled == expected).all()


@pytest.mark.parametrize("seed", range(8))
def test_largest_remainders_of_few_orders(seed):
    rng, cases = random.Random(seed), Cases()
    for _ in range(round(5_000 * BOOKS)):
        quantities = quantities_of(rng, rng.choice([1, 2, 3, 5, rng.randint(1, 12)]))
        cases.add(rng, quantities, amount_of(rng, sum(quantities)))
    cases.check(fc.Uniform())


@pytest.mark.parametrize("seed", range(4))
def test_largest_remainders_of_many_orders(seed):
    """Around the sizes at which other paths take over: 256 sharers, 512 orders, a chunk of 1024; and up to 5000."""
    rng, cases = random.Random(seed), Cases()
    sizes = [255, 256, 257, 511, 512, 513, 1_023, 1_024, 1_025, 2_048, rng.randint(1, 5_000), 5_000]
    for n in sizes + [rng.randint(1, 600) for _ in range(round(60 * BOOKS))]:
        quantities = quantities_of(rng, n)
        cases.add(rng, quantities, amount_of(rng, sum(quantities)))
    cases.check(fc.Uniform())


@pytest.mark.parametrize("law", LAWS)
def test_largest_remainders_of_very_many_orders(law):
    """A hundred thousand orders. Products of Python's integers, since as many fractions take minutes."""
    rng = random.Random(law)
    quantities = [LAWS[law](rng) for _ in range(100_000)]
    total = sum(quantities)

    def by_integers(left, quantities):
        shares, remainders = zip(*(divmod(left * quantity, total) for quantity in quantities), strict=True)
        ranked = sorted(range(len(shares)), key=lambda i: (-remainders[i], i))
        topped_up = set(ranked[: left - sum(shares)])
        return [share + (i in topped_up) for i, share in enumerate(shares)]

    cases = Cases()
    for left in (1, total // 3, rng.randint(1, total), total - 1):
        cases.add(rng, quantities, left, by_integers)
    cases.check(fc.Uniform())


@pytest.mark.parametrize("rule", ["time", "equal", "quantity"])
def test_the_other_rules(rule):
    rng, cases = random.Random(rule), Cases()
    for n in [rng.randint(1, 12) for _ in range(round(2_000 * BOOKS))] + [rng.randint(1, 3_000) for _ in range(12)]:
        quantities = quantities_of(rng, n)
        if rule == "equal" and n > 100:
            quantities = [1 + quantity % 50 for quantity in quantities]  # its twin goes round by round
        cases.add(rng, quantities, amount_of(rng, sum(quantities)), RULES[rule])
    cases.check(fc.Uniform(rationing=rule))
