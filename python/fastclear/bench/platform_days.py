"""A day of the two largest platforms of the reviews, from bids to sealed blocks, each in a process of its own.

``python -m fastclear.bench.platform_days [SHARE [NAME ...]]`` runs a share of each (all of it by default) and prints
seconds, processor time and the largest memory. Powerpeers has 60,000 members with up to ten sources each and 48
half-hours; Vandebron 100,000 homes that pick one of 50 producers, and 96 quarter-hours. The ledger is kept in a
temporary directory, as it is with ``out=``: of all of Vandebron it takes 7.5 GB.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from fastclear.community import Community, load_community
from fastclear.platforms import load_preset
from fastclear.platforms.result import RunResult
from fastclear.platforms.simulation import simulate

NS_PER_MINUTE: Final = 60 * 10**9
DAYS: Final = {"powerpeers": (60_000, 3_000, 30), "vandebron": (100_000, 50, 15)}
"""Members, producers among them, and minutes of a slot."""
_FEWEST_PRODUCERS: Final = 30


def town(members: int, producers: int, minutes: int) -> Community:
    """Homes with a load in every slot of a day; some have PV by day."""
    draw = np.random.default_rng(1)
    slots = 24 * 60 // minutes
    start = np.datetime64("2024-07-08", "ns").astype(np.int64)
    pv = np.zeros((slots, members), np.int64)
    roofs = draw.permutation(members)[:producers]
    day = slice(slots // 4, slots * 19 // 24)
    share = members // producers
    pv[day, roofs] = draw.integers(
        2_000 * minutes * share // 600, 20_000 * minutes * share // 600, pv[day, roofs].shape
    )
    home = load_community().members.head(1)
    listed = pl.concat([home] * members).with_columns(
        pl.Series("participant", [f"m{at}" for at in range(members)]),
        pl.Series("feeder", np.arange(members, dtype=np.int64) % 100),
        *(pl.lit(0).cast(pl.Int64).alias(name) for name in ("battery_wh", "battery_w")),
    )
    slot_ns = minutes * NS_PER_MINUTE
    times = start + np.arange(slots, dtype=np.int64) * slot_ns
    load = draw.integers(50, 20 * minutes, (slots, members))
    return Community("town", "drawn", times, slot_ns, listed, load, pv)


def day(name: str, share: float, folder: Path) -> RunResult:
    """Run a share of a platform's day, with the ledger in a folder."""
    members, producers, minutes = DAYS[name]
    members = round(members * share)
    producers = producers if name == "vandebron" else max(round(producers * share), _FEWEST_PRODUCERS)
    preset = load_preset(name).with_values("the benchmark", set_up__slot_minutes=minutes)
    return simulate(preset, town(members, producers, minutes), 1, 1, folder, lambda: None)


def measured(name: str, share: float) -> str:
    """What a day took, in one line."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        result = day(name, share, Path(folder))
        wall = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_SELF)
    return (
        f"{name}: {result.members.height:,} members, {result.slots.height} slots, {result.trades.height:,} trades, "
        f"{result.records:,} records; {wall:.1f} s, of them {result.seconds['clearing']:.1f} s clearing; "
        f"{used.ru_utime + used.ru_stime:.1f} s of processors, at most {used.ru_maxrss / 2**20:.2f} GB; "
        f"head {result.head[:16]}"
    )


def main(share: str = "1", *names: str) -> None:
    """Measure one platform here, or several in processes of their own."""
    if len(names) == 1:
        sys.stdout.write(measured(names[0], float(share)) + "\n")
        return
    for name in names or DAYS:
        subprocess.run([sys.executable, "-m", "fastclear.bench.platform_days", share, name], check=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
