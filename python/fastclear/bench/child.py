"""The process that measures, in one setting of numpy: ``python -m fastclear.bench.child PLAN``, with a plan in JSON.

It prints one JSON document a line: first what it runs on, then each case as it is done. numpy reads the variable that
switches parts of it off when it is imported, which is why this is a process of its own.
"""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import asdict
from typing import Any

import numpy as np
import polars as pl

import fastclear as fc
from fastclear.bench.cases import Plan, cases
from fastclear.bench.timing import run


def avx512() -> list[str]:
    """List numpy's names of the AVX-512 code that it would use here."""
    core = importlib.import_module("numpy._core._multiarray_umath")  # no public door tells these names
    found: dict[str, bool] = core.__cpu_features__
    return [name for name in core.__cpu_dispatch__ if name.startswith(("AVX512", "X86_V4")) and found[name]]


def _say(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Measure the plan given on the command line."""
    given = json.loads(sys.argv[1])
    only_sorts = given.pop("only_sorts", False)
    plan = Plan(**{**given, "orders": tuple(given["orders"])})
    _say({"fastclear": fc.__version__, "numpy": np.__version__, "polars": pl.__version__, "avx512": avx512()})
    for case in cases(plan):
        if only_sorts and not case.sorts:
            continue
        row: dict[str, Any] = {"case": case.name, "n": case.n}
        for contest in case.races():
            if not (only_sorts and contest.clock == "wall"):  # what is timed by the wall does not sort in numpy
                row[contest.clock] = run(contest, plan.rounds, plan.slow_rounds)
        _say(row)


def command(plan: Plan, *, only_sorts: bool = False) -> list[str]:
    """The command that measures a plan."""
    return [sys.executable, "-m", "fastclear.bench.child", json.dumps(asdict(plan) | {"only_sorts": only_sorts})]


if __name__ == "__main__":
    main()
