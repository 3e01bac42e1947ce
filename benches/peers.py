"""Peers that clear orders in Python, up to the size that each finishes in a minute.

They are timed one after another in the environment of the dependency group `peers`, each with the orders in its own
format already; fastclear clears the same book by the rule that comes nearest, and has to trade the same volume.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fastclear as fc
from fastclear.bench import timing, workloads
from fastclear.bench.timing import Contest

HERE = Path(__file__).resolve().parent
SIZES = (100, 1_000, 3_000, 10_000, 30_000, 100_000)
QUICK_SIZES = (100,)
MINUTE = 60.0


@dataclass(frozen=True)
class Peer:
    """One program and what of fastclear clears like it."""

    name: str
    file: str
    ours: Any
    slope: float = 2.0
    """The exponent by which its time grows at least, to foresee what takes over a minute."""


PEERS = (
    Peer("ASSUME 0.6, pay as clear", "assume_child.py", fc.mechanism("assume")),
    Peer("pymarket 0.7.6, Huang", "pymarket_child.py", fc.Huang()),
)


def _seconds(python: str, peer: Peer, n: int) -> tuple[float, float] | None:
    """Seconds and volume; None where it took over a minute."""
    command = [str(Path(python).absolute()), str(HERE / peer.file), str(n)]
    with tempfile.TemporaryDirectory() as folder:  # ASSUME writes a log where it is started
        try:
            done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, check=True, text=True, timeout=MINUTE)
        except subprocess.TimeoutExpired:
            return None
    answer = json.loads(done.stdout)
    return answer["seconds"], answer["volume"]


def _ours(peer: Peer, n: int) -> tuple[float, int]:
    """Seconds and volume of fastclear."""
    columns = workloads.book(n, "wide")
    clearing = fc.clear(columns, peer.ours, threads=1)
    race = Contest.of({"fastclear": lambda: fc.clear(columns, peer.ours, threads=1)}, n)
    nanoseconds = timing.typical(timing.run(race, rounds=5, slow_rounds=5)["fastclear"])
    return nanoseconds * n / 1e9, int(clearing.market_columns["volume"][0])


def measure(python: str, sizes: tuple[int, ...] = SIZES) -> list[dict[str, Any]]:
    """Rows of every peer: size, seconds of both, ratio."""
    rows = []
    for peer in PEERS:
        before: tuple[int, float] | None = None
        for n in sizes:
            if before is not None and before[1] * (n / before[0]) ** peer.slope > MINUTE:
                break
            found = _seconds(python, peer, n)
            if found is None:
                break
            seconds, volume = found
            before = (n, seconds)
            ours, our_volume = _ours(peer, n)
            if round(volume) != our_volume:
                raise AssertionError(f"{peer.name} trades {volume} of {n} orders, fastclear {our_volume}")
            rows.append({"peer": peer.name, "n": n, "seconds": seconds, "fastclear": ours, "ratio": seconds / ours})
    return rows
