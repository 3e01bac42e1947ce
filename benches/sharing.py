"""Pools beside numpy, in one run: ``python benches/sharing.py [--quick]``.

Two vectorised versions of the same rules: in floating point, which is how the formulas are usually coded and whose
money does not add up; and exact, in integers with largest remainders by a sort, whose payments and lots must be ours.
Times are processor time of one thread, the best of several, in ns a load.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastclear as fc

Ints = NDArray[np.int64]
RETAIL, FEED_IN = 300_000, 80_000


def best(call: Callable[[], Any], repeats: int) -> float:
    """Seconds of processor time of the fastest of some calls."""
    seconds = []
    for _ in range(repeats):
        start = time.thread_time()
        result = call()
        seconds.append(time.thread_time() - start)
        del result
    return min(seconds)


def sides(net: Ints, starts: Ints) -> tuple[Ints, Ints]:
    """Demand and supply of each market."""
    return np.add.reduceat(np.maximum(net, 0), starts), np.add.reduceat(np.maximum(-net, 0), starts)


def in_floats(net: Ints, starts: Ints, rule: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Payments and shared energy by the formulas."""
    demand, supply = (side.astype(np.float64) for side in sides(net, starts))
    many = np.diff(np.append(starts, len(net)))
    volume = np.minimum(demand, supply)
    with np.errstate(divide="ignore", invalid="ignore"):
        if rule == "MidMarketRate":
            local = np.full(len(starts), (RETAIL + FEED_IN) / 2)
        else:
            ratio = supply / demand
            local = np.where(ratio <= 1, RETAIL * FEED_IN / ((RETAIL - FEED_IN) * ratio + FEED_IN), FEED_IN)
        buy = (local * volume + RETAIL * (demand - volume)) / demand
        sell = (local * volume + FEED_IN * (supply - volume)) / supply
        shared = np.repeat(volume / np.maximum(demand, supply), many)
    buys = net > 0
    return np.where(buys, net * np.repeat(buy, many), net * np.repeat(sell, many)), shared * np.abs(net)


def divided(total: Ints, weights: Ints, starts: Ints) -> Ints:
    """Each market's total over its weights by largest remainder; products must fit 64 bits."""
    many = np.diff(np.append(starts, len(weights)))
    market = np.repeat(np.arange(len(starts)), many)
    whole = np.add.reduceat(weights, starts)
    safe = np.maximum(whole, 1)
    each, left = total // safe, total % safe
    product = weights * left[market]
    parts, rest = weights * each[market] + product // safe[market], product % safe[market]
    missing = np.where(whole > 0, total - np.add.reduceat(parts, starts), 0)
    place = np.empty(len(weights), np.int64)
    place[np.lexsort((-rest, market))] = np.arange(len(weights)) - np.repeat(starts, many)
    return parts + (place < missing[market])


def exact(net: Ints, starts: Ints) -> tuple[Ints, Ints]:
    """Payments and shared lots of the mid-market rate, to the unit."""
    demand, supply = sides(net, starts)
    volume = np.minimum(demand, supply)
    value = ((RETAIL + FEED_IN) * volume + 1) // 2
    imports, exports = np.maximum(net, 0), np.maximum(-net, 0)
    paid = divided(value + RETAIL * (demand - volume), imports, starts)
    earned = divided(value + FEED_IN * (supply - volume), exports, starts)
    return paid - earned, divided(volume, imports, starts) + divided(volume, exports, starts)


def main(arguments: list[str]) -> int:
    """Print a table of times and ratios."""
    quick = "--quick" in arguments
    rng = np.random.default_rng(1)
    for markets, each in ((1_000, 10), (1, 10_000)) if quick else ((100_000, 10), (1, 1_000_000)):
        n = markets * each
        net = rng.integers(-5000, 5001, n)
        loads = {"net_load": net, "market": np.repeat(np.arange(markets), each)}
        starts = np.arange(0, n, each)
        clearing = fc.clear(loads, fc.MidMarketRate(RETAIL, FEED_IN))
        paid, shared = exact(net, starts)
        if not ((paid == clearing.payment).all() and (shared == clearing.filled).all()):
            raise SystemExit("numpy and fastclear disagree")
        for column in loads.values():
            column.flags.writeable = False
        repeats = 3 if quick else 15
        exactly = best(lambda: exact(net, starts), 1 if quick else 3)  # noqa: B023 - called at once
        print(f"{markets:,} markets of {each:,} loads; exact numpy {exactly / n * 1e9:.0f} ns a load")
        for mechanism in (
            fc.MidMarketRate(RETAIL, FEED_IN),
            fc.SupplyDemandRatio(RETAIL, FEED_IN),
            fc.FixedPrice(190_000, RETAIL, FEED_IN),
            fc.BillSharing(RETAIL, FEED_IN),
        ):
            name = type(mechanism).__name__
            ours = best(lambda: fc.clear(loads, mechanism, threads=1), repeats)  # noqa: B023 - called at once
            line = f"  {name:18} {ours / n * 1e9:5.1f}"
            if name in ("MidMarketRate", "SupplyDemandRatio"):
                floats = best(lambda: in_floats(net, starts, name), repeats)  # noqa: B023
                line += f" (numpy in floats {floats / n * 1e9:5.1f}, {floats / ours:4.1f}x"
                line += f"; exact {exactly / ours:4.1f}x)" if name == "MidMarketRate" else ")"
            print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
