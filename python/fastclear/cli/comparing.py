"""``fastclear compare``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from fastclear.cli.options import Rounding, checked_seed
from fastclear.cli.running import chosen_community
from fastclear.cli.terminal import display, fail, say


def compare(
    platforms: Annotated[
        list[str] | None,
        typer.Argument(help="Names (see `fastclear platforms`) or preset files; all of the package without any."),
    ] = None,
    community: Annotated[
        str,
        typer.Option(help="embedded, simbench, simbench:GRIDCODE, or a .parquet or .csv file.", show_default=True),
    ] = "embedded",
    days: Annotated[int, typer.Option(min=1, help="Days to trade, from the start of the data.")] = 7,
    seed: Annotated[int, typer.Option(metavar="N", help="Everything random comes from it; 0 to 2^64 - 1.")] = 1,
    tz: Annotated[
        str | None, typer.Option(help="Zone of times without one in --community, such as Europe/Berlin.")
    ] = None,
    rounding: Annotated[Rounding, typer.Option(help="Energy in --community that is not whole Wh.")] = Rounding.refuse,
    allow_gaps: Annotated[
        bool, typer.Option("--allow-gaps", help="Accept slots that nobody in --community has.")
    ] = False,
    slot_minutes: Annotated[
        int | None, typer.Option(min=1, max=1440, help="Length of a slot in --community, where it cannot be seen.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="New directory: Parquet of all platforms, report, a ledger each.", show_default=False),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="Write the report, one HTML file that opens offline.", show_default=False),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar and no remarks.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of the tables.")] = False,
) -> None:
    """Let the same community trade on several platforms, and show them side by side."""
    from fastclear.comparison import compare as side_by_side
    from fastclear.console import comparison_view

    if report is not None and not report.absolute().parent.is_dir():
        fail(f"--report {report}: the directory {report.absolute().parent} does not exist; make it first")
    reading = {"tz": tz, "rounding": rounding.value, "allow_gaps": allow_gaps, "slot_minutes": slot_minutes}
    result = side_by_side(
        platforms or None,
        community=chosen_community(community, reading),
        days=days,
        seed=checked_seed(seed),
        out=out,
        progress=not quiet and sys.stderr.isatty(),
    )
    if report is not None:
        result.report(report)
    if as_json:
        typer.echo(json.dumps({**result.summary(), "out": None if out is None else str(out)}, indent=2))
    else:
        display(comparison_view(result))
    if not quiet:
        for what, where in (("all files", out), ("report", report)):
            if where is not None:
                say(f"{what}: {where}")
