"""Order books and their goals: from the core, through Python, beside matchcore and limit-order-book.

``python benches/order_books.py [--quick] [--peer PYTHON]``; `python3 dev.py books`. It prints a table and writes it
into ``docs/6_performance.md``, and everything that was measured into ``benches/results/order_books.json``. ``--quick``
shows that everything runs and agrees, and writes nothing.

The core's figures come from ``cargo bench --bench order_book``, where all contestants take turns in one process. What a
call through Python costs is set beside the core, which has a process of its own: the two take turns, and the median of
the rounds counts. limit-order-book runs in one process with fastclear, where PYTHON, 3.13 or newer, has both.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from ratios import commit, readable

from fastclear.bench.goals import Aim, Goal
from fastclear.bench.runner import machine
from fastclear.bench.view import goal_cells, markdown, tally

ROOT = Path(__file__).resolve().parent.parent
CHILD = ROOT / "benches" / "order_book_child.py"
THREADS = ROOT / "benches" / "order_book_threads.py"
RESULTS = ROOT / "benches" / "results" / "order_books.json"
PAGE = ROOT / "docs" / "6_performance.md"
BEGIN, END = "<!-- order books: begin -->", "<!-- order books: end -->"
ALL_ROWS, QUICK_ROWS = 1_000_000, 60_000
ROUNDS = 5
EACH = 3
"""Rounds of a process in a turn: the first finds memory that is new."""
FASTER = "\N{MULTIPLICATION SIGN} faster"
BATCH, LARGE_BATCH = "Trades of 16384 rows a call", "Trades of 1000000 rows a call"

Row = dict[str, Any]


def built(*what: str) -> Path:
    """Build a program of the core's, and say where it is."""
    command = ["cargo", *what, "--package", "fastclear-core", "--message-format=json"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True)
    made = (json.loads(line) for line in done.stdout.splitlines())
    return Path(next(one["executable"] for one in made if one.get("executable")))


def lines(program: Path, *words: str, **environment: str) -> list[Row]:
    """What the benchmark says in JSON."""
    done = subprocess.run(
        [str(program), "--json", *words],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def child(python: str, program: Path, *words: object) -> dict[str, list[float]]:
    """What a process in Python says."""
    command = [python, str(program), *map(str, words)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    taken: dict[str, list[float]] = json.loads(done.stdout)
    return taken


def measure(*, quick: bool = False, peer: str | None = None) -> dict[str, Any]:
    """Every figure: lines of the core, rounds of Python and the core by turns, rounds beside limit-order-book."""
    program = built("bench", "--bench", "order_book", "--no-run")
    more = [] if quick else [*lines(program, W3="1"), *lines(program, DOORS="1")]
    core = lines(program, "--test") if quick else [*lines(program, str(ROUNDS)), *more]
    rows, rounds = (QUICK_ROWS, 1) if quick else (ALL_ROWS, ROUNDS)
    turns: list[Row] = []
    beside: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([str(program), f"--write={folder}"], check=True)
        flow = Path(folder) / "W1"
        for _ in range(rounds):
            kernel = {row["who"]: row["ns"] for row in lines(program, "--kernel", str(EACH))}
            python = child(sys.executable, CHILD, flow, rows, EACH)
            turns.append({"core": kernel, "python": {who: median(taken) for who, taken in python.items()}})
        if peer is not None:
            beside = child(peer, CHILD, flow, rows, rounds, "--peer")
    threads = child(sys.executable, THREADS, 1_000 if quick else 100_000, rows, rounds)
    weighed = [str(built("build", "--release", "--example", "book_memory")), "1000" if quick else "100000"]
    printed = subprocess.run(weighed, stdout=subprocess.PIPE, check=True, text=True).stdout.strip()
    memory = float(printed) if printed else None
    return {"core": core, "turns": turns, "beside": beside, "threads": threads, "memory": memory}


def _from_core(core: list[Row], *, judged: bool) -> Iterator[Goal]:
    taken = {(row["workload"], row["who"]): row["ns"] for row in core}

    def line(workload: str, ours: str, theirs: str, what: str, goal: float) -> Iterator[Goal]:
        if {(workload, ours), (workload, theirs)} <= set(taken):
            aim = Aim(taken[workload, theirs] / taken[workload, ours], goal if judged else None, at_least=True)
            yield Goal(f"{what}, {theirs}", FASTER, aim, None)

    for workload, words in (("W1", "W1, 60 % new orders"), ("W2", "W2, like a feed")):
        yield from line(workload, BATCH, "textbook", words, 8)
        yield from line(workload, BATCH, "matchcore 0.4", words, 3)
    for workload, words in (("W1", "W1"), ("W2", "W2"), ("W4", "W4, 10k small books at random")):
        bare, settles = (workload, "Trades of 10000 rows a call"), (workload, "Register, Trades of 10000 rows")
        if {bare, settles} <= set(taken):
            aim = Aim(taken[settles] / taken[bare], None)
            yield Goal(f"{words}, a book that settles", "of a bare one", aim, None)
    yield from line("W3", BATCH, "textbook", "W3, 100k small books at random", 20)
    yield from line("W3", LARGE_BATCH, "textbook", "W3, in calls of 1M", 35)


def goals(run: dict[str, Any], *, judged: bool = True) -> list[Goal]:
    """What was reached of what is aimed at; without goals where it was too little to judge."""
    found = list(_from_core(run["core"], judged=judged))

    def bound(value: float) -> float | None:
        return value if judged else None

    beside = run["beside"]
    if beside:
        aim = Aim(median(beside["limit-order-book"]) / median(beside["trades"]), bound(10), at_least=True)
        found.append(Goal("W1 through Python, limit-order-book 3.1", FASTER, aim, None))
    turns = run["turns"]
    for keep in ("events", "trades"):
        who = f"{keep.capitalize()} of 10000 rows a call"
        shares = [turn["python"][keep] / turn["core"][who] for turn in turns]
        aim = Aim(median(shares), bound(1.3))
        found.append(Goal(f"W1 through Python, 10k rows a call, {keep} kept", "of the core", aim, None))
    above = [turn["python"]["single"] - turn["core"]["one order a call"] for turn in turns]
    found.append(Goal("one order a call through Python, above the core", "ns", Aim(median(above), bound(150)), None))
    threads = run["threads"]
    aim = Aim(median(threads["two"]) / median(threads["one"]), None)
    found.append(Goal("100k small books in two, a thread each, by the clock", "of one", aim, None))
    if run["memory"] is not None:
        aim = Aim(run["memory"] / 1_000, bound(3))
        found.append(Goal("memory of a small book of 50 orders", "KB", aim, None))
    return found


def table(run: dict[str, Any], *, judged: bool = True) -> str:
    """The goals in Markdown."""
    reached = goals(run, judged=judged)
    here = run["machine"]
    heading = f"{here['processor']}, {here['cores']} cores, {here['system']}; commit {here['commit']}; {here['date']}."
    rows = markdown(("what", "unit", "goal", "reached"), [row[:4] for row in goal_cells(reached)], 2)
    text = f"{heading} {tally(reached)}.\n\n{rows}"
    return text if run["beside"] else f"{text}\n\nlimit-order-book was not there: it needs Python 3.13 or later."


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure order books against their goals.")
    parser.add_argument("--quick", action="store_true", help="few commands; writes nothing")
    parser.add_argument("--peer", metavar="PYTHON", help="interpreter that has fastclear and limit-order-book")
    options = parser.parse_args()
    run = measure(quick=options.quick, peer=options.peer)
    run["machine"] = machine() | {"commit": commit()}
    text = table(run, judged=not options.quick)
    print(text)
    if options.quick:
        return
    RESULTS.write_text(readable(run))
    head, rest = PAGE.read_text().split(BEGIN, 1)
    _, tail = rest.split(END, 1)
    PAGE.write_text(f"{head}{BEGIN}\n{text}\n{END}{tail}")


if __name__ == "__main__":
    main()
