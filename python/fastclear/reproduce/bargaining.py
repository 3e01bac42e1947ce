"""Chatterjee & Samuelson 1983: one buyer, one seller, and what their private values cost them.

Value and cost are uniform on [0, 1] and private; the pair trades at the mean of bid and ask. In the linear equilibrium
the buyer bids ``2v/3 + 1/12`` and the seller asks ``2c/3 + 1/4``. They then trade in 9/32 of the cases and reach 27/32
of the gain, and Myerson & Satterthwaite (1983) show that no other rule that balances its budget reaches more.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import numpy as np

import fastclear as fc
from fastclear.reproduce.draws import whole
from fastclear.reproduce.figure import Figure, Step, ratio

NAME: Final = "bargaining"
TITLE: Final = "One buyer, one seller: the linear equilibrium of the 1/2-double auction"
SOURCE: Final = "Chatterjee & Samuelson 1983; Myerson & Satterthwaite 1983"
UNIT: Final = "shares of all pairs, and of the largest gain from trade"
READING: Final = "values are the midpoints of a million equal steps of [0, 1]"
RUNS: Final = 100_000

SLOPE: Final = Fraction(2, 3)
BID_AT_0: Final = Fraction(1, 12)
ASK_AT_0: Final = Fraction(1, 4)

PROBABILITY: Final = Fraction(9, 32)
EFFICIENCY: Final = Fraction(27, 32)

_STEPS: Final = 1_000_000  # of [0, 1]; values are whole half steps, prices whole twelfths of a step


def exact() -> tuple[Fraction, Fraction]:
    """Trade probability and efficiency of the linear strategies, by integration.

    A pair trades where ``v - c >= t`` with ``t = (ASK_AT_0 - BID_AT_0) / SLOPE``. Over the unit square

        ``P(t) = integral over c of (1 - t - c) = (1 - t)^2 / 2``
        ``G(t) = integral over d = v - c from t to 1 of d (1 - d) = (1 - t^2) / 2 - (1 - t^3) / 3``

    and the largest gain is ``G(0) = 1/6``.

    Returns
    -------
    tuple of Fraction

    Examples
    --------
    >>> exact()
    (Fraction(9, 32), Fraction(27, 32))
    """
    least = (ASK_AT_0 - BID_AT_0) / SLOPE
    return (1 - least) ** 2 / 2, _gain(least) / _gain(Fraction(0))


def _gain(least: Fraction) -> Fraction:
    return (1 - least**2) / 2 - (1 - least**3) / 3


def work(runs: int) -> int:
    """Markets that are cleared."""
    return runs


def figures(runs: int, seed: int, step: Step) -> list[Figure]:
    """Compare the integrals, and `runs` pairs that are cleared in one call."""
    probability, efficiency = exact()
    drawn = 2 * whole(seed, (1,), (runs, 2), 0, _STEPS - 1) + 1  # value and cost in half steps
    starts = np.array([int(12 * start * _STEPS) for start in (BID_AT_0, ASK_AT_0)])
    price = int(12 * SLOPE / 2) * drawn + starts
    orders = {
        "market": np.repeat(np.arange(runs), 2),
        "side": np.tile(np.array([1, 0], np.uint8), runs),
        "price": price.ravel(),
        "quantity": np.ones(2 * runs, np.int64),
    }
    traded = fc.clear(orders, fc.Uniform(k=Fraction(1, 2))).filled.reshape(runs, 2)[:, 0]
    step(runs)
    gain = drawn[:, 0] - drawn[:, 1]
    pairs = ratio(traded, np.ones(runs, np.int64))
    reached = ratio(traded * gain, np.maximum(gain, 0))
    return [
        _integral("trade probability 9/32, integral", probability, PROBABILITY),
        pairs.against("trade probability, simulated", float(PROBABILITY), None, digits=5),
        _integral("efficiency 27/32, integral", efficiency, EFFICIENCY),
        reached.against("efficiency, simulated", float(EFFICIENCY), None, digits=5),
    ]


def _integral(quantity: str, ours: Fraction, published: Fraction) -> Figure:
    return Figure(quantity=quantity, ours=float(ours), error=0.0, runs=0, published=float(published), digits=5)
