"""Kostmann & Haerdle 2019: the price of a local market that has more solar power than its members need.

Every member's bid is served then, and the price is that of the last of them: the lowest of 88 bids drawn uniformly
from the feed-in price to the retail price.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

import fastclear as fc
from fastclear.reproduce.draws import whole
from fastclear.reproduce.figure import Figure, Step, mean
from fastclear.reproduce.markets import columns, parts

NAME: Final = "oversupply"
TITLE: Final = "The price of a local market with more supply than demand"
SOURCE: Final = "Kostmann & Haerdle 2019, result tables"
UNIT: Final = "ct/kWh"
READING: Final = (
    "88 bids for one unit each, U{12.31..28.69} in steps of 0.0001 ct; one ask at 12.31 for more than all of them "
    "together; the price is the last accepted bid. How many slots the published means are over is not stated: 0.01 ct "
    "are allowed, since the two published means, which should be equal, are 0.0092 apart"
)
RUNS: Final = 20_000

BIDS: Final = 88
LOW: Final = 123_100  # ticks of 0.0001 ct
HIGH: Final = 286_900
PUBLISHED: Final = {"true values": 12.4987, "forecasts": 12.4895}
_TICKS: Final = 10_000
_TOLERANCE: Final = 0.01


def exact() -> Fraction:
    """Expected lowest of 88 bids in ct/kWh: ``low + sum over j >= 1 of P(lowest >= low + j)``.

    Examples
    --------
    >>> round(float(exact()), 4)
    12.494
    """
    width = HIGH - LOW + 1
    return (LOW + Fraction(sum(left**BIDS for left in range(1, width)), width**BIDS)) / _TICKS


def work(runs: int) -> int:
    """Markets that are cleared."""
    return runs


def figures(runs: int, seed: int, step: Step) -> list[Figure]:
    """Clear `runs` markets with more supply than demand."""
    price = np.concatenate([_prices(*part, seed, step) for part in parts(runs, BIDS + 1)])
    found = mean(price, _TICKS)
    expected = float(exact())
    rows = [
        Figure(
            quantity=f"mean price, {what}",
            ours=found.value,
            error=found.error,
            runs=runs,
            published=published,
            tolerance=_TOLERANCE,
            digits=4,
        )
        for what, published in PUBLISHED.items()
    ]
    rows.append(
        Figure(
            quantity="expected lowest of 88 bids",
            ours=expected,
            error=0.0,
            runs=0,
            published=sum(PUBLISHED.values()) / len(PUBLISHED),
            tolerance=_TOLERANCE,
            digits=4,
        )
    )
    return rows


def _prices(chunk: int, runs: int, seed: int, step: Step) -> NDArray[np.int64]:
    price = np.full((runs, BIDS + 1), LOW)
    price[:, :BIDS] = whole(seed, (4, chunk), (runs, BIDS), LOW, HIGH)
    side = np.ones((runs, BIDS + 1), np.uint8)
    side[:, BIDS] = 0
    quantity = np.ones((runs, BIDS + 1), np.int64)
    quantity[:, BIDS] = 2 * BIDS
    orders = columns(side, price, quantity)
    clearing = fc.clear(orders, fc.Uniform(price_rule="marginal_bid"))
    assert clearing.den == 1, "a bid is a whole number of ticks"
    step(runs)
    found: NDArray[np.int64] = clearing.market_columns["price"]
    return found
