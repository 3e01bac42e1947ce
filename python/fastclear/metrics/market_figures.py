"""What a market looks like from outside: concentration, convergence of prices, peaks at the grid."""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastclear.errors import SchemaError
from fastclear.metrics.fairness import not_negative, whole_numbers

_NS_PER_HOUR = 3600 * 10**9


def hhi(volumes: Iterable[Any]) -> Fraction | None:
    """Concentration: the sum of squared shares, from 1/n to 1; times 10,000 it is in points. None without volume.

    Source: Herfindahl 1950, Hirschman 1945.

    Examples
    --------
    >>> hhi([500, 300, 200])
    Fraction(19, 50)
    """
    numbers = not_negative("volumes", volumes)
    total = sum(numbers)
    return Fraction(sum(x * x for x in numbers), total * total) if total else None


def smiths_alpha(prices: Iterable[Any], equilibrium: int) -> float | None:
    """Convergence: root mean square deviation of trade prices from the equilibrium price, as a share of it.

    Source: Smith 1962, J. Political Economy 70 (who states it in per cent). None without trades.

    Raises
    ------
    SchemaError
        If the equilibrium price is not above 0.

    Examples
    --------
    >>> smiths_alpha([190, 210], 200)
    0.05
    """
    if equilibrium <= 0:
        raise SchemaError(f"equilibrium must be above 0 ticks, got {equilibrium}: alpha is relative to it", column=None)
    numbers = whole_numbers("prices", prices)
    if not numbers:
        return None
    return math.sqrt(Fraction(sum((p - equilibrium) ** 2 for p in numbers), len(numbers))) / equilibrium


def settled_after(prices: Iterable[Any], equilibrium: int, tolerance: int) -> int | None:
    """After how many prices all later ones stay within `tolerance` ticks of the equilibrium; None if they never do.

    Examples
    --------
    >>> settled_after([150, 199, 230, 204, 198], 200, 5)
    3
    """
    numbers = whole_numbers("prices", prices)
    out = [at for at, price in enumerate(numbers) if abs(price - equilibrium) > tolerance]
    first = out[-1] + 1 if out else 0
    return first if first < len(numbers) else None


def grid_peak_w(net_wh: NDArray[np.int64], slot_ns: int) -> tuple[Fraction, Fraction]:
    """The largest mean power of a slot that a community takes from the grid, and that it gives.

    Parameters
    ----------
    net_wh : ndarray of int64, shape (slots,) or (slots, members)
        What meters read, Wh, + takes; members are summed, so that what neighbours exchange does not reach the grid.
    slot_ns : int
        Length of a slot.

    Returns
    -------
    tuple of Fraction
        W of import and W of export, 0 where there is none.

    Examples
    --------
    >>> grid_peak_w(np.array([[500, -200], [-400, 100]]), 15 * 60 * 10**9)
    (Fraction(1200, 1), Fraction(1200, 1))
    """
    total = net_wh.sum(axis=1) if net_wh.ndim == 2 else net_wh
    most, least = int(total.max(initial=0)), int(total.min(initial=0))
    return Fraction(most * _NS_PER_HOUR, slot_ns), Fraction(-least * _NS_PER_HOUR, slot_ns)
