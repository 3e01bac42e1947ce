"""Kostmann & Haerdle 2019: the price of a local market that has more solar power than its members need.

Every member's bid is served then, and the price is that of the last of them: the lowest of 88 bids drawn uniformly
from the feed-in price to the retail price.
"""

from __future__ import annotations

from fractions import Fraction
from math import sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

import fastclear as fc
from fastclear.reproduce.draws import whole
from fastclear.reproduce.figure import ERRORS, Figure, Step, mean
from fastclear.reproduce.markets import columns, parts

NAME: Final = "oversupply"
TITLE: Final = "The price of a local market with more supply than demand"
SOURCE: Final = "Kostmann & Haerdle 2019: result table, 8,836 quarter-hours"
UNIT: Final = "ct/kWh"
READING: Final = (
    "88 bids for one unit each, from 12.31 to 28.69 in steps of 0.01 ct, as the authors' program draws them; one ask "
    "at 12.31 for more than all of them together; the price is the last accepted bid. In the run on true consumption "
    "some quarter-hours lack supply, which raises the published mean: it is an upper bound here"
)
RUNS: Final = 50_000

BIDS: Final = 88
LOW: Final = 1_231  # 0.01 ct
HIGH: Final = 2_869
PUBLISHED_RUNS: Final = 8_836
PUBLISHED: Final = 12.4895
PUBLISHED_BOUND: Final = 12.4987
_TICKS: Final = 100


def exact() -> Fraction:
    """Expected lowest of 88 bids in ct/kWh: ``low + sum over j >= 1 of P(lowest >= low + j)``.

    Examples
    --------
    >>> round(float(exact()), 4)
    12.4892
    """
    width = HIGH - LOW + 1
    return (LOW + Fraction(sum(left**BIDS for left in range(1, width)), width**BIDS)) / _TICKS


def work(runs: int) -> int:
    """Markets that are cleared."""
    return runs


def figures(runs: int, seed: int, step: Step) -> list[Figure]:
    """Clear `runs` markets with more supply than demand, and compute what their price should be on average."""
    price = np.concatenate([_prices(number, part, seed, step) for number, part in parts(runs, BIDS + 1)])
    found = mean(price, _TICKS)
    return [
        Figure(
            quantity="expected lowest of 88 bids",
            ours=float(exact()),
            error=0.0,
            runs=0,
            published=PUBLISHED,
            tolerance=ERRORS * found.spread / sqrt(PUBLISHED_RUNS),
            digits=4,
        ),
        found.against("mean price, forecasts", PUBLISHED, PUBLISHED_RUNS, digits=4),
        Figure(
            quantity="mean price, true consumption",
            ours=found.value,
            error=found.error,
            runs=runs,
            published=PUBLISHED_BOUND,
            relation="<",
            digits=4,
        ),
    ]


def _prices(number: int, runs: int, seed: int, step: Step) -> NDArray[np.int64]:
    price = np.full((runs, BIDS + 1), LOW)
    price[:, :BIDS] = whole(seed, (4, number), (runs, BIDS), LOW, HIGH)
    buys = (np.arange(BIDS + 1) < BIDS).astype(np.uint8)
    orders = columns(buys, price, np.where(buys, 1, 2 * BIDS))
    clearing = fc.clear(orders, fc.Uniform(price_rule="marginal_bid"))
    assert clearing.den == 1, "a bid is a whole number of ticks"
    step(runs)
    found: NDArray[np.int64] = clearing.market_columns["price"]
    return found
