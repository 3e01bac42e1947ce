"""Curves of many orders: drawn with a few thousand steps, exact near the margin."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear.curves.scene import Scene
from fastclear.market_view import exact

STEPS_DRAWN: Final = 2_000
"""Most steps of one curve that a picture draws."""


def thinned(scene: Scene, name: str, steps: pl.DataFrame) -> list[dict[str, Any]]:
    """The steps of one curve as they are drawn, at most a few thousand of them."""
    steps = steps.filter(pl.col("from") < scene.right)
    if not steps.height:
        return []
    many = steps.height > STEPS_DRAWN
    orders = steps["order"].cast(pl.String)
    columns = {column: steps[column].to_numpy() for column in ("price", "quantity", "from", "to", "filled")}
    marginal = steps["marginal"].to_numpy()
    groups = _levels(columns["price"]) if many else [np.array([row]) for row in range(steps.height)]
    if len(groups) > STEPS_DRAWN:
        middle = int(np.searchsorted(columns["to"][[group[-1] for group in groups]], scene.view.volume))
        chosen = chosen_runs(len(groups), middle)
        groups = [np.concatenate([groups[i] for i in run]) for run in chosen]
        scene.remarks.append(
            f"{name.split()[0]} of {steps.height:,} orders drawn with {len(groups):,} steps, exact near the margin"
        )
    drawn = []
    for group in groups:
        prices, quantity = columns["price"][group], columns["quantity"][group]
        first, last = exact(int(prices[0]), scene.units.ticks), exact(int(prices[-1]), scene.units.ticks)
        drawn.append(
            {
                "from": scene.energy(float(columns["from"][group[0]])),
                # cut here and not by clipping: renderers lose lines that end a million pixels away
                "to": scene.energy(min(float(columns["to"][group[-1]]), scene.right)),
                "price": scene.price(float(np.average(prices.astype(float), weights=quantity))),
                "limit": first if first == last else f"{first} to {last}",
                "orders": orders[int(group[0])] if len(group) == 1 else f"{len(group):,} orders",
                "quantity": scene.words.bare_quantity(int(quantity.sum())),
                "filled": scene.words.bare_quantity(int(columns["filled"][group].sum())),
                "marginal": bool(marginal[group].any()),
            }
        )
    return drawn


def _levels(prices: NDArray[np.int64]) -> list[NDArray[np.intp]]:
    """Rows of equal price, neighbours as they are."""
    return np.split(np.arange(len(prices)), np.flatnonzero(np.diff(prices)) + 1)


def chosen_runs(count: int, middle: int | None) -> list[NDArray[np.intp]]:
    """``count`` steps in at most a few thousand runs: single ones within 500 of ``middle``, equal runs elsewhere."""
    every = np.arange(count)
    if count <= STEPS_DRAWN:
        return np.split(every, every[1:])
    near = 500 if middle is not None else 0
    low, high = (max(0, (middle or 0) - near), min(count, (middle or 0) + near))
    size = -(-count // (STEPS_DRAWN - 2 * near))
    cuts = np.concatenate([np.arange(size, low, size), np.arange(low, high), np.arange(high, count, size)])
    cuts = np.unique(cuts)
    return np.split(every, cuts[(cuts > 0) & (cuts < count)])
