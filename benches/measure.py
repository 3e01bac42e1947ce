"""Times fastclear and its yardsticks side by side in this process and prints JSON: the child of `ratios.py`.

A round calls every contestant once, in an order that rotates from round to round; a ratio is the median over rounds of
(contestant / fastclear) within the round, so that a slow spell of a shared machine hits both. Single-threaded
contestants are compared by CPU time of the thread; polars, which uses all cores, by wall clock. Every contestant's
result is compared with fastclear's before the clock starts.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import numpy_clearing
import polars as pl
import polars_clearing
import workloads

import fastclear as fc

Contestants = dict[str, Callable[[], object]]

SHORTEST_NS = 3_000_000
"""A contestant is repeated within a round until it takes about this long."""


def compare(contestants: Contestants, n: int, rounds: int, *, by_wall: tuple[str, ...] = ()) -> dict[str, Any]:
    """Median ns an order of each contestant, and its median ratio to fastclear."""
    repeats = {}
    for name, call in contestants.items():
        start = time.perf_counter_ns()
        call()
        repeats[name] = max(1, SHORTEST_NS // max(1, time.perf_counter_ns() - start))
    names = list(contestants)
    cpu: dict[str, list[float]] = {name: [] for name in names}
    wall: dict[str, list[float]] = {name: [] for name in names}
    gc.disable()
    for turn in range(rounds):
        cut = turn % len(names)
        for name in names[cut:] + names[:cut]:
            call, times = contestants[name], repeats[name]
            wall_start, cpu_start = time.perf_counter_ns(), time.thread_time_ns()
            for _ in range(times):
                call()
            cpu[name].append((time.thread_time_ns() - cpu_start) / times / n)
            wall[name].append((time.perf_counter_ns() - wall_start) / times / n)
    gc.enable()
    result = {}
    for name in names:
        clock = wall if name in by_wall else cpu
        pairs = zip(clock[name], clock["fastclear"], strict=True)
        result[name] = {
            "ns_per_order": median(clock[name]),
            "ratio": median(theirs / ours for theirs, ours in pairs),
        }
    return result


def _same(ours: fc.Clearing, theirs: numpy_clearing.Result) -> None:
    columns = ours.market_columns
    expected = {
        "low": "price_low",
        "high": "price_high",
        "price": "price",
        "volume": "volume",
        "welfare": "welfare",
    }
    for name, column in expected.items():
        if not np.array_equal(np.atleast_1d(getattr(theirs, name)), columns[column]):
            raise AssertionError(f"numpy and fastclear differ in {name}")
    if not np.array_equal(theirs.filled, ours.filled):
        raise AssertionError("numpy and fastclear differ in a fill")


def uniform(n: int, kind: str, rounds: int, *, frames: bool) -> dict[str, Any]:
    """One market: all work of a uniform clearing, fills written to an array that is there already."""
    columns = workloads.book(n, kind)
    out, theirs = np.empty(n, np.int64), np.empty(n, np.int64)
    mechanism = fc.Uniform()
    clearing = fc.clear(columns, mechanism, threads=1)
    contestants: Contestants = {"fastclear": partial(fc.clear, columns, mechanism, threads=1, out=out)}
    for name, call in (("numpy", numpy_clearing.uniform), ("numpy_sort", numpy_clearing.uniform_sorted)):
        contestants[name] = partial(call, columns, theirs)
        _same(clearing, call(columns, theirs))
    contestants["np.sort"] = partial(np.sort, columns["price"])
    contestants["np.argsort"] = partial(np.argsort, columns["price"])
    contestants["np.copyto"] = partial(np.copyto, theirs, columns["quantity"])
    if frames:
        frame = pl.DataFrame({**columns, "market": np.zeros(n, np.int64)})
        if not np.array_equal(polars_clearing.uniform(frame)["filled"].to_numpy(), clearing.filled):
            raise AssertionError("polars and fastclear differ in a fill")
        contestants["polars"] = partial(polars_clearing.uniform, frame)
    return compare(contestants, n, rounds, by_wall=("polars",))


def many(markets: int, kind: str, rounds: int, *, by_market: bool, frames: bool) -> dict[str, Any]:
    """Many small markets in one call."""
    columns = workloads.many_markets(markets, kind, by_market=by_market)
    n = len(columns["side"])
    out, theirs = np.empty(n, np.int64), np.empty(n, np.int64)
    mechanism = fc.Uniform()
    clearing = fc.clear(columns, mechanism, threads=1)
    baseline = numpy_clearing.many_sorted if by_market else numpy_clearing.many_unsorted
    _same(clearing, baseline(columns, theirs))
    contestants: Contestants = {
        "fastclear": partial(fc.clear, columns, mechanism, threads=1, out=out),
        "numpy": partial(baseline, columns, theirs),
        "np.sort": partial(np.sort, columns["price"]),
        "np.argsort": partial(np.argsort, columns["market"]),
        "np.copyto": partial(np.copyto, theirs, columns["quantity"]),
    }
    if frames:
        frame = pl.DataFrame(columns)
        if not np.array_equal(polars_clearing.uniform(frame)["filled"].to_numpy(), clearing.filled):
            raise AssertionError("polars and fastclear differ in a fill")
        contestants["polars"] = partial(polars_clearing.uniform, frame)
    return {"n": n} | compare(contestants, n, rounds, by_wall=("polars",))


def trades(n: int, kind: str, rounds: int) -> dict[str, Any]:
    """One market at discriminatory prices: the list of trades."""
    columns = workloads.book(n, kind)
    out, theirs = np.empty(n, np.int64), np.empty(n, np.int64)
    mechanism = fc.Discriminatory()

    def ours() -> dict[str, Any]:
        return fc.clear(columns, mechanism, threads=1, out=out).trade_columns

    expected = ours()
    found = numpy_clearing.discriminatory(columns, theirs)
    for name, column in zip(("buy_row", "sell_row", "quantity", "sell_price"), found, strict=True):
        if not np.array_equal(column, expected[name]):
            raise AssertionError(f"numpy and fastclear differ in {name} of a trade")
    contestants: Contestants = {
        "fastclear": ours,
        "numpy": partial(numpy_clearing.discriminatory, columns, theirs),
        "np.sort": partial(np.sort, columns["price"]),
        "np.argsort": partial(np.argsort, columns["price"]),
        "np.copyto": partial(np.copyto, theirs, columns["quantity"]),
    }
    return compare(contestants, n, rounds)


def run(*, quick: bool) -> list[dict[str, Any]]:
    """Every case; ``quick`` takes small sizes and two rounds, to see that everything runs and agrees."""
    rounds = 2 if quick else 7
    sizes = (50, 1_000, 10_000) if quick else (50, 10_000, 100_000, 1_000_000, 10_000_000)
    rows: list[dict[str, Any]] = []

    def add(case: str, n: int, result: dict[str, Any]) -> None:
        rows.append({"case": case, "n": n} | result)
        print(f"{case} {n}", file=sys.stderr, flush=True)

    for kind in ("narrow", "wide"):
        for n in sizes:
            frames = not 1_000 < n < 1_000_000 and n <= 1_000_000
            add(f"uniform {kind}", n, uniform(n, kind, 7 if n > 10**6 else rounds, frames=frames))
    odd = 2_000 if quick else 1_000_000
    for kind in workloads.KINDS[2:]:
        add(f"uniform {kind}", odd, uniform(odd, kind, rounds if quick else 7, frames=False))
    markets = 200 if quick else 100_000
    for kind in ("narrow", "wide"):
        for by_market in (True, False):
            result = many(markets, kind, rounds if quick else 7, by_market=by_market, frames=quick)
            add(f"many {kind} {'sorted' if by_market else 'shuffled'}", result["n"], result)
    if not quick:
        result = many(10_000, "narrow", 7, by_market=True, frames=True)
        add("many narrow sorted", result["n"], result)
    for kind in ("narrow", "wide"):
        add(f"discriminatory {kind}", odd, trades(odd, kind, rounds if quick else 7))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description="Time fastclear beside its yardsticks; print JSON.")
    parser.add_argument("--quick", action="store_true")
    rows = run(quick=parser.parse_args().quick)
    json.dump({"numpy": np.__version__, "polars": pl.__version__, "rows": rows}, sys.stdout)


if __name__ == "__main__":
    main()
