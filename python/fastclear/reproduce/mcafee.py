"""Gonen & Segal-Halevi, AAAI 2020: what truthful double auctions keep of the gain from trade.

The setting is that of McAfee (1992), table I: n buyers and n sellers of one unit each, values uniform from 1 to 1000.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

import fastclear as fc
from fastclear.reproduce.draws import one_seed, whole
from fastclear.reproduce.figure import Figure, Step
from fastclear.reproduce.markets import Gains, columns, largest_gain, parts

NAME: Final = "mcafee"
TITLE: Final = "What truthful double auctions of one unit each keep of the gain from trade"
SOURCE: Final = "Gonen & Segal-Halevi, AAAI 2020: result file, 50,000 runs a size"
UNIT: Final = "per cent of the largest gain from trade"
READING: Final = (
    "n buyers and n sellers, values U[1, 1000] in steps of 0.00001, as the authors' program draws them (and not whole "
    "numbers, which tie); gains summed over runs and then divided; SBBA beside their auction by external competition; "
    "without a (k+1)-st pair McAfee's rule reduces"
)
RUNS: Final = 50_000
PUBLISHED_RUNS: Final = 50_000
PUBLISHED: Final = {
    2: (77.18, 69.01, 62.69, 24.96, 16.57),
    5: (94.61, 86.08, 88.03, 79.11, 53.42),
    10: (98.37, 91.78, 94.53, 94.32, 73.46),
    100: (99.98, 99.01, 99.49, 99.94, 97.04),
}
LOW: Final = 100_000  # steps of 0.00001
HIGH: Final = 100_000_000
LABELS: Final = ("McAfee, total", "McAfee, traders", "SBBA", "pure reduction, total", "pure reduction, traders")


def work(runs: int) -> int:
    """Markets that are drawn."""
    return len(PUBLISHED) * runs


def figures(runs: int, seed: int, step: Step) -> list[Figure]:
    """Compare five shares for each n."""
    rows = []
    for n, published in PUBLISHED.items():
        mcafee, sbba, reduction = Gains(), Gains(), Gains()
        for number, part in parts(runs, 2 * n):
            orders = _orders(part, n, seed, number)
            best = largest_gain(orders)
            mcafee.add(fc.clear(orders, fc.TradeReduction(use_p0=True)), best)
            sbba.add(fc.clear(orders, fc.Sbba(one_seed(seed, (1, n, number, 1)))), best)
            reduction.add(fc.clear(orders, fc.TradeReduction(use_p0=False)), best)
            step(part)
        found = (mcafee.total, mcafee.traders, sbba.total, reduction.total, reduction.traders)
        rows += [
            ours.against(f"n={n} {label}", value, PUBLISHED_RUNS)
            for label, value, ours in zip(LABELS, published, found, strict=True)
        ]
    return rows


def _orders(runs: int, n: int, seed: int, number: int) -> dict[str, Any]:
    price = whole(seed, (1, n, number, 0), (runs, 2 * n), LOW, HIGH)
    side = np.repeat(np.array([1, 0], np.uint8), n)
    return columns(side, price, np.ones(1, np.int64))
