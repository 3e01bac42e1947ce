"""The one command of all ratios: ``python benches/ratios.py [--quick]``.

Runs `measure.py` twice, with numpy as it comes and with its AVX-512 code switched off (on some machines numpy sorts
several times faster without it, on others slower), takes for every case the setting in which the yardstick does
better, prints the table, writes ``benches/results/latest.json`` and puts the table into ``docs/6_performance.md``
between its markers. ``--quick`` (continuous integration) only shows that everything runs and agrees: it writes nothing.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "latest.json"
PAGE = HERE.parent / "docs" / "6_performance.md"
BEGIN, END = "<!-- ratios: begin -->", "<!-- ratios: end -->"
NO_AVX512 = "X86_V4 AVX512_ICL AVX512_SPR"
YARDSTICKS = ("numpy", "numpy_sort", "polars", "np.sort", "np.argsort", "np.copyto")
HEADINGS = ("numpy", "by sort", "polars", "sort", "argsort", "copyto")


def measure(*, quick: bool, settings: dict[str, str]) -> dict[str, Any]:
    """Run one child with extra environment variables and read what it measured."""
    command = [sys.executable, str(HERE / "measure.py")] + (["--quick"] if quick else [])
    done = subprocess.run(command, env=os.environ | settings, stdout=subprocess.PIPE, check=True, text=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def pymarket(python: str | None, sizes: tuple[int, ...]) -> list[dict[str, Any]]:
    """Time pymarket's Huang auction; nothing where it is not installed."""
    if python is None and importlib.util.find_spec("pymarket") is None:
        return []
    rows = []
    for n in sizes:
        command = [python or sys.executable, str(HERE / "pymarket_child.py"), str(n)]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
        rows.append({"n": n, "ns_per_order": json.loads(done.stdout)["seconds"] * 1e9 / n})
    return rows


def machine() -> dict[str, Any]:
    """What the numbers depend on: processor, cores, versions, commit."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    git = ["git", "-C", str(HERE)]
    commit = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    changed = subprocess.run([*git, "status", "--porcelain", "--untracked-files=no"], capture_output=True, check=False)
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "commit": commit.stdout.strip() + ("+" if changed.stdout else ""),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def harder(default: dict[str, Any], avx2: dict[str, Any]) -> list[dict[str, Any]]:
    """Every case once; of each yardstick the setting in which it comes closer to fastclear (or beats it by more)."""
    rows = []
    for one, two in zip(default["rows"], avx2["rows"], strict=True):
        row = {"case": one["case"], "n": one["n"]}
        row["fastclear"] = min(one["fastclear"]["ns_per_order"], two["fastclear"]["ns_per_order"])
        for name in YARDSTICKS:
            if name in one:
                row[name] = min(one[name]["ratio"], two[name]["ratio"])
        rows.append(row)
    return rows


def _cell(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown, at most 100 columns wide."""
    lines = [
        f"| {'case':<29} | {'orders':>10} | {'ns/order':>8} | " + " | ".join(f"{h:>7}" for h in HEADINGS) + " |",
        f"|{'-' * 31}|{'-' * 11}:|{'-' * 9}:|" + "|".join(f"{'-' * 8}:" for _ in HEADINGS) + "|",
    ]
    for row in rows:
        cells = " | ".join(f"{_cell(row.get(name)):>7}" for name in YARDSTICKS)
        lines.append(f"| {row['case']:<29} | {row['n']:>10,} | {_cell(row['fastclear']):>8} | {cells} |")
    return "\n".join(lines)


def report(facts: dict[str, Any], rows: list[dict[str, Any]], peers: list[dict[str, Any]]) -> str:
    """The table with its facts, as it stands in the documentation."""
    text = (
        f"{facts['processor']}, {facts['cores']} cores, {facts['system']}; Python {facts['python']}, "
        f"numpy {facts['numpy']}, polars {facts['polars']}; commit {facts['commit']}, {facts['date']}.\n\n{table(rows)}"
    )
    for peer in peers:
        text += f"\n\npymarket (Huang auction), {peer['n']:,} orders: {peer['ns_per_order']:,.0f} ns an order."
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure fastclear against its yardsticks and print the ratios.")
    parser.add_argument("--quick", action="store_true", help="small sizes, two rounds; writes nothing")
    parser.add_argument("--pymarket", metavar="PYTHON", help="interpreter that has pymarket (default: this one)")
    options = parser.parse_args()
    default = measure(quick=options.quick, settings={})
    avx2 = measure(quick=options.quick, settings={"NPY_DISABLE_CPU_FEATURES": NO_AVX512})
    rows = harder(default, avx2)
    peers = pymarket(options.pymarket, (100,) if options.quick else (100, 1_000))
    facts = machine() | {"numpy": default["numpy"], "polars": default["polars"]}
    text = report(facts, rows, peers)
    print(text)
    if options.quick:
        return
    RESULTS.parent.mkdir(exist_ok=True)
    everything = {
        "machine": facts,
        "ratios": rows,
        "default": default["rows"],
        "without_avx512": avx2["rows"],
        "pymarket": peers,
    }
    RESULTS.write_text(json.dumps(everything, indent=1) + "\n")
    page = PAGE.read_text()
    head, rest = page.split(BEGIN, 1)
    _, tail = rest.split(END, 1)
    PAGE.write_text(f"{head}{BEGIN}\n{text}\n{END}{tail}")


if __name__ == "__main__":
    main()
