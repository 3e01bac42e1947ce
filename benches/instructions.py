"""Instructions an order, counted by callgrind: ``python benches/instructions.py [--quick]``.

A count does not depend on what else the machine does. callgrind knows no AVX-512, so that the AVX2 path is counted; it
counts one call of the core on columns that are there, without Python. Where there is no valgrind, every case runs once
uncounted and the reason is said.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CASES = (
    # case, orders, most instructions an order that are aimed at
    ("uniform_narrow", 10_000, 65),
    ("uniform_wide", 10_000, 65),
    ("uniform_narrow", 1_000_000, 22),
    ("uniform_wide", 1_000_000, 22),
    ("one_price", 1_000_000, 75),
    ("trades_narrow", 1_000_000, None),
    ("trades_wide", 1_000_000, None),
    ("many_narrow", 1_000_000, None),
    ("many_wide", 1_000_000, None),
)


def example() -> Path:
    """Build the program that is counted, and say where it is."""
    command = ["cargo", "build", "--release", "--package", "fastclear-core", "--example", "instructions"]
    done = subprocess.run([*command, "--message-format=json"], cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True)
    made = (json.loads(line) for line in done.stdout.splitlines())
    return Path(next(one["executable"] for one in made if one.get("executable")))


def why_not() -> str | None:
    """Why nothing can be counted here; None where it can."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return f"the AVX2 path does not exist on {platform.machine()}"
    return None if shutil.which("valgrind") else "valgrind is not installed"


def instructions(program: Path, case: str, n: int) -> int:
    """Instructions of one clearing."""
    with tempfile.TemporaryDirectory() as folder:
        options = ["--collect-atstart=no", "--toggle-collect=*measured*", f"--callgrind-out-file={folder}/out"]
        command = ["valgrind", "--tool=callgrind", *options, str(program), case, str(n)]
        done = subprocess.run(command, capture_output=True, check=True, text=True)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if found is None or int(found[1]) == 0:
        raise RuntimeError(f"callgrind counted nothing in {case}:\n{done.stderr}")
    return int(found[1])


def count(*, quick: bool = False) -> tuple[list[dict[str, Any]], str | None]:
    """Every case, and why there is none if there is none."""
    program = example()
    reason = why_not()
    if reason is not None:
        subprocess.run([str(program)], check=True, stdout=subprocess.DEVNULL)
        return [], reason
    rows = []
    cases = dict.fromkeys((case, 2_000, None) for case, _, _ in CASES) if quick else CASES
    for case, n, most in cases:
        per_order = round(instructions(program, case, n) / n, 2)
        rows.append({"case": case.replace("_", " "), "n": n, "instructions_per_order": per_order, "goal": most})
    return rows, None


def main() -> None:
    parser = argparse.ArgumentParser(description="Count instructions an order.")
    parser.add_argument("--quick", action="store_true", help="small books: shows that it works")
    rows, reason = count(quick=parser.parse_args().quick)
    if reason is not None:
        print(f"nothing counted: {reason}; every case ran once")
    for row in rows:
        print(f"{row['case']:<16} {row['n']:>10,} {row['instructions_per_order']:>8.1f}")


if __name__ == "__main__":
    main()
