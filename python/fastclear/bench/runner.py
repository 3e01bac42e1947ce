"""Runs the measuring processes and reads what they say."""

from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from fastclear.bench import timing
from fastclear.bench.cases import Plan, cases, peaks
from fastclear.bench.child import command

DEFAULT: Final = "default"
WITHOUT_AVX512: Final = "without AVX-512"

Row = dict[str, Any]
"""``case``, ``n``, and by clock (``cpu``, ``wall``) the nanoseconds of each contestant in each round."""
Told = Callable[[str, int, int], None]
"""Called with what was just measured, how much is done, and how much there is."""


@dataclass
class Measured:
    """Everything that one run measured.

    Attributes
    ----------
    machine : dict
        What the numbers depend on.
    settings : dict
        Rows by setting of numpy; the second holds only cases in which numpy sorts.
    peaks : list of dict
        ``kind``, ``n``, ``bytes_per_order``.
    """

    machine: dict[str, Any]
    settings: dict[str, list[Row]]
    peaks: list[dict[str, Any]] = field(default_factory=list)

    def rows(self, case: str, n: int) -> list[Row]:
        """The rows of a case, one a setting that has it."""
        return [row for rows in self.settings.values() for row in rows if (row["case"], row["n"]) == (case, n)]

    def nanoseconds(self, case: str, n: int, who: str = "fastclear", clock: str = "cpu") -> float | None:
        """The median time of a contestant, in the setting in which it does better."""
        found = [timing.typical(row[clock][who]) for row in self.rows(case, n) if who in row.get(clock, ())]
        return min(found, default=None)

    def ratio(self, case: str, n: int, who: str, than: str, clock: str = "cpu") -> float | None:
        """The median over rounds of the time of `who` as a part of that of `than`, where `than` does better."""
        both = [row[clock] for row in self.rows(case, n) if {who, than} <= set(row.get(clock, ()))]
        return max((timing.ratio(row[who], row[than]) for row in both), default=None)


def machine() -> dict[str, Any]:
    """What the numbers depend on, apart from the libraries."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def _lines(plan: Plan, settings: dict[str, str], *, only_sorts: bool) -> Iterator[dict[str, Any]]:
    """What a child says, line by line."""
    environment = os.environ | settings
    words = command(plan, only_sorts=only_sorts)
    # In a session of its own, a child hears no Ctrl-C: it is ended below, without a traceback of its own.
    with subprocess.Popen(
        words, env=environment, stdout=subprocess.PIPE, text=True, encoding="utf-8", start_new_session=True
    ) as child:
        assert child.stdout is not None  # asked for in the line above
        try:
            for line in child.stdout:
                yield json.loads(line)
        except BaseException:
            child.kill()
            raise
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, words)


def _peak(kind: str, n: int) -> dict[str, Any]:
    words = [sys.executable, "-m", "fastclear.bench.memory", kind, str(n)]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    return {"kind": kind, "n": n, "bytes_per_order": float(done.stdout)}


def measure(plan: Plan, told: Told = lambda *_: None) -> Measured:
    """Measure a plan: everything with numpy as it comes, what sorts without its AVX-512 code too, then memory."""
    here = machine()
    first, second = len(list(cases(plan))), sum(case.sorts for case in cases(plan))
    memory = list(peaks(plan))
    total, done = first + second + len(memory), 0
    settings: dict[str, list[Row]] = {}
    for name in (DEFAULT, WITHOUT_AVX512):
        alone = name == DEFAULT
        variables = {} if alone else {"NPY_DISABLE_CPU_FEATURES": " ".join(here["avx512"])}
        if not alone and not here["avx512"]:
            total -= second
            continue
        lines = _lines(plan, variables, only_sorts=not alone)
        facts = next(lines)
        if alone:
            here |= facts
        settings[name] = []
        for row in lines:
            settings[name].append(row)
            done += 1
            told(f"{row['case']} {row['n']:,}", done, total)
    found = []
    for kind, n in memory:
        found.append(_peak(kind, n))
        done += 1
        told(f"memory {kind} {n:,}", done, total)
    return Measured(here, settings, found)
