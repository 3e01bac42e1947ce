"""The command ``python -m fastclear.reproduce``. Tables and JSON go to standard output, progress to standard error."""

from __future__ import annotations

import io
import json
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console, Group
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

import fastclear
from fastclear.cli.files import check_plot, draw
from fastclear.console import number
from fastclear.errors import FastclearError
from fastclear.reproduce import EXPERIMENTS, Experiment, experiment, figures
from fastclear.reproduce.figure import Figure, frame

_BAD_INPUT = 2
_WIDTH = 80
_STYLES = {"exact": "green", "agrees": "green", "unclear": "yellow", "differs": "red", "-": "dim"}

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def _table(found: list[Figure]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("", no_wrap=True)
    for name in ("published", "ours", "s.e.", "runs"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for figure in found:
        published = ""
        if figure.published is not None:
            equal = figure.relation == "="
            published = number(figure.published, figure.digits) if equal else f"{figure.relation} {figure.published:g}"
        chance = figure.runs > 0 and figure.error > 0
        table.add_row(
            figure.quantity,
            published,
            number(figure.ours, figure.digits),
            number(figure.error, max(figure.digits, 2)) if chance else "",
            number(figure.runs, 0) if figure.runs else "",
            Text(figure.verdict, style=_STYLES[figure.verdict]),
        )
    return table


def _view(chosen: Experiment, found: list[Figure]) -> Group:
    return Group(
        Text.assemble((chosen.NAME, "bold"), f": {chosen.TITLE}"),
        Text(chosen.SOURCE, style="dim"),
        Text(f"in {chosen.UNIT}", style="dim"),
        "",
        _table(found),
        "",
        Text(f"Reading: {chosen.READING}.", style="dim"),
        "",
    )


def _document(chosen: Experiment, found: list[Figure]) -> dict[str, object]:
    rows = frame(chosen.NAME, chosen.SOURCE, found).drop("experiment", "source").to_dicts()
    return {
        "name": chosen.NAME,
        "title": chosen.TITLE,
        "source": chosen.SOURCE,
        "unit": chosen.UNIT,
        "reading": chosen.READING,
        "figures": rows,
    }


def _draw(chosen: list[Experiment], file: Path, runs: int | None, seed: int) -> None:
    """Draw the one experiment that was named, in place of its table."""
    drawn = [each for each in chosen if hasattr(each, "plot")]
    if len(chosen) != 1 or not drawn:
        names = [name for name in EXPERIMENTS if hasattr(experiment(name), "plot")]
        raise FastclearError(f"--plot draws one experiment: name it by --only {' or --only '.join(names)}")
    check_plot(file)
    chart: Any = drawn[0].plot(drawn[0].RUNS if runs is None else runs, seed)
    draw(chart, file)


@app.command()
def reproduce(
    only: Annotated[
        list[str] | None,
        typer.Option(help=f"Only this experiment; may be given again. One of {', '.join(EXPERIMENTS)}."),
    ] = None,
    runs: Annotated[
        int | None, typer.Option(min=2, help="Runs of each size, instead of as many as the documentation shows.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Everything random comes from it.")] = 1,
    plot: Annotated[
        Path | None,
        typer.Option(help="Draw an experiment that has a plot (pv_share): .html, .png or .svg.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of tables.")] = False,
) -> None:
    """Print published figures of the field beside ours."""
    out = Console(highlight=False, emoji=False, width=_WIDTH)
    documents = []
    try:
        chosen = [experiment(name) for name in dict.fromkeys(only or EXPERIMENTS)]
        if plot is not None:
            _draw(chosen, plot, runs, seed)
            return
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            disable=not sys.stderr.isatty(),
        ) as progress:
            for each in chosen:
                task = progress.add_task(f"{each.NAME}: markets", total=each.work(each.RUNS if runs is None else runs))
                found = figures(each.NAME, runs=runs, seed=seed, step=partial(progress.advance, task))
                progress.remove_task(task)
                if as_json:
                    documents.append(_document(each, found))
                else:
                    out.print(_view(each, found))
    except FastclearError as error:
        typer.echo(f"fastclear.reproduce: {error}", err=True)
        raise typer.Exit(_BAD_INPUT) from None
    if as_json:
        typer.echo(json.dumps({"fastclear": fastclear.__version__, "seed": seed, "experiments": documents}, indent=2))


def main() -> None:
    """Run the command line."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    app(prog_name="python -m fastclear.reproduce")


if __name__ == "__main__":
    main()
