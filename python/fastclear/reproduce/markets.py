"""Many markets of one size as columns, and what a mechanism makes of their gain from trade."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

import fastclear as fc
from fastclear.reproduce.figure import Estimate, ratio

_ORDERS_A_CALL: Final = 2_000_000  # bounds memory; no result depends on it but through streams of random numbers


def parts(runs: int, orders: int) -> Iterator[tuple[int, int]]:
    """Number and length of the parts in which `runs` markets of `orders` orders each go into a call.

    Examples
    --------
    >>> list(parts(10_000, 500))
    [(0, 4000), (1, 4000), (2, 2000)]
    """
    most = max(_ORDERS_A_CALL // orders, 1)
    for number, start in enumerate(range(0, runs, most)):
        yield number, min(most, runs - start)


def columns(side: NDArray[Any], price: NDArray[np.int64], quantity: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """Columns of markets from arrays of shape (markets, orders)."""
    markets, orders = price.shape
    return {
        "market": np.repeat(np.arange(markets), orders),
        "side": np.broadcast_to(side, price.shape).ravel(),
        "price": price.ravel(),
        "quantity": np.broadcast_to(quantity, price.shape).ravel(),
    }


class Gains:
    """Gains from trade of one mechanism over many markets: in all, and what the traders keep of it."""

    def __init__(self) -> None:
        self._total: list[NDArray[Any]] = []
        self._traders: list[NDArray[Any]] = []
        self._best: list[NDArray[Any]] = []

    def add(self, clearing: fc.Clearing, best: NDArray[Any]) -> None:
        """Note a call's markets; `best` is the largest gain that each allows."""
        found = clearing.market_columns
        self._total.append(found["welfare"])
        self._traders.append(found["welfare"] - found["surplus"])
        self._best.append(best * clearing.den)  # all over den

    @property
    def total(self) -> Estimate:
        """Per cent of the largest gain, what the auctioneer keeps included."""
        return self._share(self._total)

    @property
    def traders(self) -> Estimate:
        """Per cent of the largest gain that buyers and sellers keep."""
        return self._share(self._traders)

    def _share(self, gains: list[NDArray[Any]]) -> Estimate:
        return ratio(np.concatenate(gains), np.concatenate(self._best), scale=100)


def largest_gain(orders: dict[str, NDArray[Any]]) -> NDArray[Any]:
    """The largest gain from trade of each market."""
    best: NDArray[Any] = fc.clear(orders, fc.Uniform()).market_columns["welfare"]
    return best
