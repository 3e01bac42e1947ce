"""``fastclear run``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

import fastclear
from fastclear.cli.options import Rounding, checked_seed
from fastclear.cli.terminal import display, fail, say


def run(
    platform: Annotated[str, typer.Argument(help="A platform's name (see `fastclear platforms`) or a preset file.")],
    community: Annotated[
        str,
        typer.Option(help="embedded, simbench, simbench:GRIDCODE, or a .parquet or .csv file.", show_default=True),
    ] = "embedded",
    days: Annotated[int, typer.Option(min=1, help="Days to trade, from the start of the data.")] = 7,
    seed: Annotated[int, typer.Option(metavar="N", help="Everything random comes from it; 0 to 2^64 - 1.")] = 1,
    mechanism: Annotated[
        str | None,
        typer.Option(help="Another reading of the platform: a market rule that its preset has.", show_default=False),
    ] = None,
    agent: Annotated[
        str | None,
        typer.Option(
            help="How members bid: zero_intelligence, posted_price, truthful, zip, gjerstad_dickhaut or roth_erev.",
            show_default=False,
        ),
    ] = None,
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
        typer.Option(help="New directory for frames, ledger, preset and report.", show_default=False),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="Write the report, one HTML file that opens offline.", show_default=False),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar and no remarks.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of the table.")] = False,
) -> None:
    """Let a community trade on a platform: orders, clearing, settlement and a sealed block in every slot."""
    from fastclear.console import result_view
    from fastclear.platforms import load_preset
    from fastclear.platforms.output import summary
    from fastclear.platforms.simulation import run as simulate

    if report is not None and not report.absolute().parent.is_dir():
        fail(f"--report {report}: the directory {report.absolute().parent} does not exist; make it first")
    if mechanism is not None and mechanism not in (readings := load_preset(platform).market.readings):
        fail(f"--mechanism {mechanism}: {platform} has {', '.join(readings)}")
    result = simulate(
        platform,
        community=chosen_community(
            community,
            {"tz": tz, "rounding": rounding.value, "allow_gaps": allow_gaps, "slot_minutes": slot_minutes},
        ),
        days=days,
        seed=checked_seed(seed),
        mechanism=mechanism,
        agent=agent,
        out=out,
        progress=not quiet and sys.stderr.isatty(),
    )
    if report is not None:
        result.report(report)
    if as_json:
        typer.echo(json.dumps({**summary(result), "out": None if out is None else str(out)}, indent=2))
    else:
        display(result_view(result))
    if not quiet:
        for what, where in (("all files", out), ("report", report)):
            if where is not None:
                say(f"{what}: {where}")


def chosen_community(name: str, reading: dict[str, Any]) -> Any:
    """A community by name, or a file read as asked."""
    if name.lower().endswith((".csv", ".parquet")):
        return fastclear.community_from_frame(name, **reading)
    asked = [
        f"--{option.replace('_', '-')}" for option, value in reading.items() if value not in (None, False, "refuse")
    ]
    if asked:
        fail(f"{', '.join(asked)}: for a .csv or .parquet file only; --community is {name!r}")
    return name
