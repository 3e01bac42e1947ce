"""Segal-Halevi, Hassidim & Aumann, AAAI 2018: MUDA comes near the largest gain from trade in large markets.

Agents have several units of decreasing value. MUDA splits them into two halves by coins; each half trades at the price
of the other one, and its long side by a lottery or a Vickrey auction.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

import fastclear as fc
from fastclear.reproduce.draws import one_seed, whole
from fastclear.reproduce.figure import Figure, Step
from fastclear.reproduce.markets import Gains, columns, largest_gain, parts

NAME: Final = "muda"
TITLE: Final = "MUDA: how a truthful auction of many units grows into its market"
SOURCE: Final = "Segal-Halevi, Hassidim & Aumann, AAAI 2018: result file, 10 runs a size"
UNIT: Final = "per cent of the largest gain from trade"
READING: Final = (
    "a side of 200 units is 20 agents with 10 units each, every unit a value of its own from U[250, 750] in steps of "
    "0.001, the agent's best one first; gains summed over runs and then divided. Half prices are midpoints; the "
    "authors' program takes an end of the interval"
)
RUNS: Final = 400
PUBLISHED_RUNS: Final = 10
UNITS_AN_AGENT: Final = 10
PUBLISHED: Final = {
    200: (75.12, 62.40, 90.50),
    400: (74.21, 58.13, 89.83),
    1000: (86.71, 77.21, 97.25),
    2000: (90.88, 83.39, 98.42),
    4000: (92.60, 86.15, 99.09),
}
LABELS: Final = ("lottery", "Vickrey, traders", "Vickrey, total")
LOW: Final = 250_000
HIGH: Final = 750_000


def work(runs: int) -> int:
    """Markets that are drawn."""
    return len(PUBLISHED) * runs


def figures(runs: int, seed: int, step: Step) -> list[Figure]:
    """Compare three shares for each size; lottery and Vickrey auction see the same halves."""
    rows = []
    for units, published in PUBLISHED.items():
        lottery, vickrey = Gains(), Gains()
        for number, part in parts(runs, 2 * units):
            orders = _orders(part, units, seed, number)
            best = largest_gain(orders)
            coins = one_seed(seed, (3, units, number, 1))
            lottery.add(fc.clear(orders, fc.Muda(variant="lottery", seed=coins)), best)
            vickrey.add(fc.clear(orders, fc.Muda(variant="vickrey", seed=coins)), best)
            step(part)
        found = (lottery.total, vickrey.traders, vickrey.total)
        rows += [
            ours.against(f"{units} units, {label}", value, PUBLISHED_RUNS)
            for label, value, ours in zip(LABELS, published, found, strict=True)
        ]
    return rows


def _orders(runs: int, units: int, seed: int, number: int) -> dict[str, Any]:
    price = whole(seed, (3, units, number, 0), (runs, 2 * units), LOW, HIGH)
    side = np.repeat(np.array([1, 0], np.uint8), units)
    agents = np.arange(2 * units) // UNITS_AN_AGENT
    return {**columns(side, price, np.ones(1, np.int64)), "participant": np.tile(agents, runs)}
