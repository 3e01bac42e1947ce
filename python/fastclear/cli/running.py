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

CommunityOption = Annotated[
    str,
    typer.Option(help="embedded, simbench, simbench:GRIDCODE, or a .parquet or .csv file.", show_default=True),
]
Days = Annotated[int, typer.Option(min=1, help="Days to trade, from the start of the data.")]
Seed = Annotated[int, typer.Option(metavar="N", help="Everything random comes from it; 0 to 2^64 - 1.")]
Zone = Annotated[str | None, typer.Option(help="Zone of times without one in --community, such as Europe/Berlin.")]
RoundingOption = Annotated[Rounding, typer.Option(help="Energy in --community that is not whole Wh.")]
AllowGaps = Annotated[bool, typer.Option("--allow-gaps", help="Accept slots that nobody in --community has.")]
SlotMinutes = Annotated[
    int | None, typer.Option(min=1, max=1440, help="Length of a slot in --community, where it cannot be seen.")
]
Report = Annotated[
    Path | None, typer.Option(help="Write the report, one HTML file that opens offline.", show_default=False)
]


def run(
    platform: Annotated[str, typer.Argument(help="A platform's name (see `fastclear platforms`) or a preset file.")],
    community: CommunityOption = "embedded",
    days: Days = 7,
    seed: Seed = 1,
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
    tz: Zone = None,
    rounding: RoundingOption = Rounding.refuse,
    allow_gaps: AllowGaps = False,
    slot_minutes: SlotMinutes = None,
    out: Annotated[
        Path | None,
        typer.Option(help="New directory for frames, ledger, preset and report.", show_default=False),
    ] = None,
    report: Report = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar and no remarks.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of the table.")] = False,
) -> None:
    """Let a community trade on a platform: orders, clearing, settlement and a sealed block in every slot."""
    from fastclear.console import result_view
    from fastclear.platforms import load_preset
    from fastclear.platforms.output import summary
    from fastclear.platforms.simulation import run as simulate

    check_report(report)
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
        say_where(out, report)


def check_report(report: Path | None) -> None:
    """Refuse, before anything is run, a report that could not be written."""
    if report is not None and not report.absolute().parent.is_dir():
        fail(f"--report {report}: the directory {report.absolute().parent} does not exist; make it first")


def say_where(out: Path | None, report: Path | None) -> None:
    """Say what was written, and where."""
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
