"""The one command of all figures: ``python benches/ratios.py [--quick] [--peers PYTHON]``; `python3 dev.py bench`.

It runs what ``fastclear bench`` runs, up to 10 million orders; the peers, where there is an interpreter that has them;
and the instruction counts. It prints everything, writes ``benches/results/latest.json``, and redraws the tables and the
plot of ``docs/6_performance.md``. ``--quick`` shows that everything runs and agrees, and writes nothing.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import instructions
import peers

from fastclear.bench.cases import Plan
from fastclear.bench.goals import goals, size
from fastclear.bench.plot import Line, lines, themed
from fastclear.bench.runner import measure
from fastclear.bench.view import document, figure, markdown, markdown_report
from fastclear.charts import GREY, SKY

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benches" / "results" / "latest.json"
PAGE = ROOT / "docs" / "6_performance.md"
PLOT = ROOT / "docs" / "6_performance.svg"
BEGIN, END = "<!-- ratios: begin -->", "<!-- ratios: end -->"
PLAN = Plan.up_to((100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000))
QUICK = Plan.up_to((100, 2_000), rounds=3, slow_rounds=1)


def commit() -> str:
    """Name the commit that is measured; with a plus where files differ from it."""
    git = ["git", "-C", str(ROOT)]
    name = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    changed = subprocess.run([*git, "status", "--porcelain", "--untracked-files=no"], capture_output=True, check=False)
    return name.stdout.strip() + ("+" if changed.stdout else "")


def peer_table(rows: list[dict[str, Any]]) -> str:
    cells = [
        [row["peer"], size(row["n"]), f"{row['seconds']:.2g}", f"{row['fastclear'] * 1e6:,.0f}", figure(row["ratio"])]
        for row in rows
    ]
    return markdown(("peer", "orders", "seconds", "fastclear, µs", "times as long"), cells)


def instruction_table(rows: list[dict[str, Any]]) -> str:
    cells = [
        [
            row["case"],
            size(row["n"]),
            "" if row["goal"] is None else f"≤ {row['goal']}",
            f"{row['instructions_per_order']:.1f}"
            + ("" if row["goal"] is None or row["instructions_per_order"] <= row["goal"] else " ✗"),
        ]
        for row in rows
    ]
    return markdown(("case", "orders", "goal", "instructions an order"), cells)


def peer_lines(rows: list[dict[str, Any]]) -> list[Line]:
    by_peer: dict[str, dict[int, float]] = {}
    for row in rows:
        by_peer.setdefault(row["peer"].split(",")[0], {})[row["n"]] = row["seconds"]
    return [Line(name, color, seconds) for (name, seconds), color in zip(by_peer.items(), (GREY, SKY), strict=False)]


def readable(document: dict[str, Any]) -> str:
    """JSON with the rounds of a contestant on one line, so that a difference between two runs can be read."""
    numbers = re.compile(r"\[([^\[\]{}]*)\]")
    text = numbers.sub(lambda found: "[" + " ".join(found[1].split()) + "]", json.dumps(document, indent=1))
    return text + "\n"


def told(what: str, done: int, total: int) -> None:
    print(f"{done}/{total} {what}", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure fastclear against its yardsticks and print the ratios.")
    parser.add_argument("--quick", action="store_true", help="small sizes, few rounds; writes nothing")
    parser.add_argument("--peers", metavar="PYTHON", help="interpreter that has ASSUME and pymarket")
    options = parser.parse_args()
    plan = QUICK if options.quick else PLAN
    run = measure(plan, told)
    run.machine["commit"] = commit()
    aims = goals(plan, run)
    parts = [markdown_report(run, aims)]
    found: list[dict[str, Any]] = []
    if options.peers:
        found = peers.measure(options.peers, peers.QUICK_SIZES if options.quick else peers.SIZES)
        parts.append(peer_table(found))
    counted, reason = instructions.count(quick=options.quick)
    parts.append(f"Instructions: not counted, {reason}." if reason else instruction_table(counted))
    text = "\n\n".join(parts)
    print(text)
    drawn = themed([*lines(plan, run), *peer_lines(found)])
    if options.quick:
        drawn.to_dict()
        return
    RESULTS.parent.mkdir(exist_ok=True)
    everything = document(run, aims) | {"peers": found, "instructions": counted}
    RESULTS.write_text(readable(everything))
    drawn.save(PLOT, format="svg")
    head, rest = PAGE.read_text().split(BEGIN, 1)
    _, tail = rest.split(END, 1)
    PAGE.write_text(f"{head}{BEGIN}\n{text}\n{END}{tail}")


if __name__ == "__main__":
    main()
