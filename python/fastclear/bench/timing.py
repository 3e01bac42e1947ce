"""The stopwatch: contestants in turn, round by round."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Final

Call = Callable[[], object]
Rounds = dict[str, list[float | None]]
"""Nanoseconds of each contestant in each round; None where it sat the round out."""

SHORTEST_NS: Final = 3_000_000
"""A contestant is repeated within a round until it takes about this long, ..."""
REPEATS: Final = 5
LONGEST_NS: Final = 15_000_000
"""... and this often, unless that takes longer than this."""
SETTLED: Final = 2
"""So many untimed calls go before those of a contestant that is repeated: caches hold then what they do in a loop."""
SLOW_NS: Final = 600_000_000
"""One that takes longer than this a call sits out after ``slow_rounds`` rounds."""
CLOCKS: Final[dict[str, Callable[[], int]]] = {"cpu": time.process_time_ns, "wall": time.perf_counter_ns}


@dataclass
class Contest:
    """Contestants of one case, timed by one clock.

    Attributes
    ----------
    calls : dict of callable
        What each contestant does.
    per : dict of int
        What a contestant's time is divided by: orders, or calls.
    clock : str
        ``cpu`` (time of all threads of the process) or ``wall``.
    """

    calls: dict[str, Call]
    per: Mapping[str, int]
    clock: str = "cpu"

    @classmethod
    def of(cls, calls: dict[str, Call], n: int, clock: str = "cpu") -> Contest:
        """All contestants do the same ``n`` orders."""
        return cls(calls, dict.fromkeys(calls, n), clock)


def run(contest: Contest, rounds: int, slow_rounds: int) -> Rounds:
    """Time every contestant once a round; the one that starts is another in every round."""
    calls, now = contest.calls, CLOCKS[contest.clock]
    repeats, turns = {}, {}
    for name, call in calls.items():
        start = time.perf_counter_ns()
        call()
        took = max(1, time.perf_counter_ns() - start)
        repeats[name] = max(1, SHORTEST_NS // took, min(REPEATS, LONGEST_NS // took))
        turns[name] = min(rounds, slow_rounds) if took > SLOW_NS else rounds
    names = list(calls)
    taken: Rounds = {name: [] for name in names}
    gc.collect()
    gc.disable()
    try:
        for turn in range(rounds):
            cut = turn % len(names)
            for name in names[cut:] + names[:cut]:
                if turn >= turns[name]:
                    taken[name].append(None)
                    continue
                call, times = calls[name], repeats[name]
                for _ in range(SETTLED if times > 1 else 0):
                    call()
                start = now()
                for _ in range(times):
                    call()
                taken[name].append(round((now() - start) / times / contest.per[name], 4))
    finally:
        gc.enable()
    return taken


def typical(taken: list[float | None]) -> float:
    """The median of the rounds."""
    return median(value for value in taken if value is not None)


def ratio(one: list[float | None], two: list[float | None]) -> float:
    """The median over rounds of one / two within the round."""
    return median(a / b for a, b in zip(one, two, strict=True) if a is not None and b is not None)
