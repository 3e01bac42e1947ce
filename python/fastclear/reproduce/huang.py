"""Huang, Scheller-Wolf & Sycara 2002: the efficiency of their auction goes to 1 as traders become many."""

from __future__ import annotations

from itertools import pairwise
from math import hypot
from typing import Any, Final

import numpy as np

import fastclear as fc
from fastclear.reproduce.draws import whole
from fastclear.reproduce.figure import Estimate, Figure, Step
from fastclear.reproduce.markets import Gains, columns, largest_gain, parts

NAME: Final = "huang"
TITLE: Final = "Huang's multi-unit auction loses nothing in the limit of many traders"
SOURCE: Final = "Huang, Scheller-Wolf & Sycara 2002, abstract: efficiency tends to 1"
UNIT: Final = "per cent of the largest gain from trade"
READING: Final = (
    "n buyers and n sellers with one order each, prices U[1, 1000] in steps of 0.00001, quantities U{1..10}: the "
    "paper's own distributions are not at hand. The limit is twice the share at n=400 less that at n=200, which is "
    "right where the loss falls as 1/n"
)
RUNS: Final = 4_000
LOW: Final = 100_000  # steps of 0.00001
HIGH: Final = 100_000_000
SIZES: Final = (3, 5, 10, 25, 50, 100, 200, 400)


def work(runs: int) -> int:
    """Markets that are drawn."""
    return len(SIZES) * runs


def figures(runs: int, seed: int, step: Step) -> list[Figure]:
    """Shares for each n, in how many steps they rise, and what they tend to."""
    rows, shares = [], {}
    for n in SIZES:
        gains = Gains()
        for number, part in parts(runs, 2 * n):
            orders = _orders(part, n, seed, number)
            gains.add(fc.clear(orders, fc.Huang()), largest_gain(orders))
            step(part)
        shares[n] = gains.total, gains.traders
        rows += [ours.against(f"n={n}, {what}", None, None) for what, ours in zip(_WHAT, shares[n], strict=True)]
    for index, what in enumerate(_WHAT):
        found = [shares[n][index] for n in SIZES]
        rises = sum(later.value > former.value for former, later in pairwise(found))
        rows.append(
            Figure(
                quantity=f"steps of n that rise, {what}",
                ours=rises,
                error=0.0,
                runs=runs,
                published=len(SIZES) - 1,
                digits=0,
            )
        )
        rows.append(_limit(*found[-2:]).against(f"limit, {what}", 100.0, None))
    return rows


_WHAT: Final = ("total", "traders")


def _limit(half: Estimate, full: Estimate) -> Estimate:
    error = hypot(2 * full.error, half.error)
    return Estimate(2 * full.value - half.value, error, error * full.runs**0.5, full.runs)


def _orders(runs: int, n: int, seed: int, number: int) -> dict[str, Any]:
    price = whole(seed, (6, n, number, 0), (runs, 2 * n), LOW, HIGH)
    quantity = whole(seed, (6, n, number, 1), (runs, 2 * n), 1, 10)
    return columns(np.repeat(np.array([1, 0], np.uint8), n), price, quantity)
