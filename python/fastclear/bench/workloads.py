"""Seeded books for every benchmark: the same rows for fastclear and for whatever it is compared with.

Columns are side (int8, 1 = buy), price (int32, ticks), quantity (int64, 1 to 1000 lots) and, with many markets, market
(int64). There is no order column: the row index is the id, as in a simulator that hands over its own arrays. All
columns are read-only, so that nothing needs to copy them and the clearing can run detached.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Columns = dict[str, npt.NDArray[Any]]

SEED = 20_260_101
QUANTITY_MAX = 1_000
"""Largest quantity drawn: totals of price x quantity then fit int64 at 10^7 orders, and the baselines stay simple."""

KINDS = (
    "narrow",
    "wide",
    "one_sided",
    "apart",
    "sorted",
    "one_price",
    "two_prices",
    "pareto",
    "whale",
    "concatenated",
    "periodic",
)
PERIOD = 4_096


def _finished(side: Any, price: Any, quantity: Any, market: Any = None) -> Columns:
    columns: Columns = {
        "side": np.ascontiguousarray(side, np.int8),
        "price": np.ascontiguousarray(price, np.int32),
        "quantity": np.ascontiguousarray(quantity, np.int64),
    }
    if market is not None:
        columns["market"] = np.ascontiguousarray(market, np.int64)
    for column in columns.values():
        column.flags.writeable = False
    return columns


def _prices(rng: np.random.Generator, n: int, *, wide: bool) -> npt.NDArray[np.int64]:
    """Wide: uniform over 2^31 ticks. Narrow: normal, 1000 +- 100 ticks, so that every level holds many orders."""
    if wide:
        return rng.integers(0, 2**31 - 1, n)
    return np.rint(rng.normal(1_000, 100, n)).astype(np.int64)


def book(n: int, kind: str = "narrow", seed: int = SEED) -> Columns:
    """One market of ``n`` orders.

    narrow and wide are what goals are set on; the others look where a selection could degenerate: one_sided (no asks),
    apart (no bid reaches an ask), sorted (by price), one_price and two_prices (long marginal levels), pareto
    (heavy-tailed quantities), whale (one order as large as all others), concatenated (all bids, then all asks),
    periodic (the same few thousand prices, rising, again and again).
    """
    if kind not in KINDS:
        raise ValueError(f"kind={kind!r} is unknown; give one of {', '.join(KINDS)}")
    rng = np.random.default_rng([seed, n, KINDS.index(kind)])
    side = rng.integers(0, 2, n)
    price = _prices(rng, n, wide=kind not in ("narrow", "one_price", "two_prices"))
    quantity = rng.integers(1, QUANTITY_MAX + 1, n)
    if kind == "one_sided":
        side[:] = 1
    elif kind == "apart":
        price = price // 2 + np.where(side == 1, 0, 2**30)
    elif kind == "sorted":
        price.sort()
    elif kind == "one_price":
        price[:] = 1_000
    elif kind == "two_prices":
        price = 1_000 + 100 * (price & 1)
    elif kind == "concatenated":
        side = np.sort(side)[::-1]
    elif kind == "periodic":
        price = np.resize(np.sort(price[:PERIOD]), n)
    elif kind == "pareto":
        quantity = np.minimum(1 + rng.pareto(1.1, n), 100 * QUANTITY_MAX).astype(np.int64)
    elif kind == "whale" and n:
        quantity[n // 2] = min(int(quantity.sum()), 2**31 - 1)
    return _finished(side, price, quantity)


def timed(columns: Columns, seed: int = SEED) -> Columns:
    """The same orders with a column ``time``, in ns: all different, in no order."""
    n = len(columns["side"])
    time = np.random.default_rng([seed, n]).permutation(n).astype(np.int64)
    time.flags.writeable = False
    return {**columns, "time": time}


def many_markets(markets: int, kind: str = "narrow", *, mean: int = 50, by_market: bool = True) -> Columns:
    """``markets`` markets of Poisson(``mean``) orders each, rows sorted by market or shuffled."""
    rng = np.random.default_rng([SEED, markets, mean, KINDS.index(kind)])
    sizes = rng.poisson(mean, markets)
    n = int(sizes.sum())
    market = np.repeat(np.arange(markets), sizes)
    if not by_market:
        rng.shuffle(market)
    price = _prices(rng, n, wide=kind == "wide")
    return _finished(rng.integers(0, 2, n), price, rng.integers(1, QUANTITY_MAX + 1, n), market)
