"""``fastclear bench``."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from fastclear.cli.files import check_plot, draw
from fastclear.cli.terminal import display, fail, say

_ORDERS = (10_000, 1_000_000)
_ORDERS_MAX = 20_000_000  # totals of price x quantity of the yardsticks then fit 64 bits
_QUICK = (100, 2_000)


def bench(
    orders: Annotated[
        list[int] | None,
        typer.Option(
            help="Orders in the one market, up to 20 million; may be repeated.  [default: 10,000 and 1,000,000]",
            show_default=False,
            min=2,
            max=_ORDERS_MAX,
            metavar="N",
        ),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Small markets and few rounds: shows that everything runs and agrees.")
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option(help="Draw time over orders: .html, .png or .svg.", show_default=False),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar and no remarks.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document with every round.")] = False,
) -> None:
    """Time fastclear on this machine, beside numpy and polars doing the same; takes about a minute."""
    from fastclear.bench.cases import Plan
    from fastclear.bench.goals import goals
    from fastclear.bench.runner import measure
    from fastclear.bench.view import document, report

    if plot is not None:
        check_plot(plot)
    sizes = tuple(orders or (_QUICK if quick else _ORDERS))
    plan = Plan.up_to(sizes, rounds=3, slow_rounds=1) if quick else Plan.up_to(sizes)
    with _progress(show=not quiet and sys.stderr.isatty()) as told:
        try:
            run = measure(plan, told)
        except subprocess.CalledProcessError as error:
            fail(
                f"the process that measures ended with code {error.returncode} at {max(sizes):,} orders; "
                "if it ran out of memory, give fewer --orders"
            )
    aims = goals(plan, run)
    if plot is not None:
        from fastclear.bench.plot import lines, themed

        draw(themed(lines(plan, run)), plot)
    if as_json:
        typer.echo(json.dumps(document(run, aims), indent=1))
    else:
        display(report(run, aims))
    if plot is not None and not quiet:
        say(f"plot: {plot}")


@contextlib.contextmanager
def _progress(*, show: bool) -> Iterator[Callable[[str, int, int], None]]:
    """A bar on standard error that says what was just measured; one that does nothing where nobody looks."""
    if not show:
        yield lambda *_: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("measuring"), BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda what, done, total: bar.update(task, description=what, completed=done, total=total)
