"""What the processes of the peers share: the book that fastclear clears too, the clock, the report."""

from __future__ import annotations

import json
import runpy
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

WORKLOADS = Path(__file__).resolve().parent.parent / "python" / "fastclear" / "bench" / "workloads.py"
ENOUGH_SECONDS = 3
REPEATS = 3

Built = TypeVar("Built")


def book(n: int) -> dict[str, Any]:
    """Make the wide book of ``n`` orders; the peers' environment has no fastclear, so the file is run by its path."""
    columns: dict[str, Any] = runpy.run_path(str(WORKLOADS))["book"](n, "wide")
    return columns


def timed(build: Callable[[], Built], clear: Callable[[Built], Any]) -> tuple[float, Any]:
    """Median CPU seconds of a few clearings, each of a market made anew, and the last one's result."""
    taken: list[float] = []
    while len(taken) < REPEATS and sum(taken) < ENOUGH_SECONDS:
        market = build()
        start = time.process_time_ns()
        result = clear(market)
        taken.append((time.process_time_ns() - start) / 1e9)
    return median(taken), result


def report(seconds: float, volume: float) -> None:
    print(json.dumps({"seconds": seconds, "volume": float(volume)}))
