"""``fastclear compare``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from fastclear.cli.options import Rounding, checked_seed
from fastclear.cli.running import (
    AllowGaps,
    CommunityOption,
    Days,
    Report,
    RoundingOption,
    Seed,
    SlotMinutes,
    Zone,
    check_report,
    chosen_community,
    say_where,
)
from fastclear.cli.terminal import display


def compare(
    platforms: Annotated[
        list[str] | None,
        typer.Argument(help="Names (see `fastclear platforms`) or preset files; all of the package without any."),
    ] = None,
    community: CommunityOption = "embedded",
    days: Days = 7,
    seed: Seed = 1,
    tz: Zone = None,
    rounding: RoundingOption = Rounding.refuse,
    allow_gaps: AllowGaps = False,
    slot_minutes: SlotMinutes = None,
    out: Annotated[
        Path | None,
        typer.Option(help="New directory: Parquet of all platforms, report, a ledger each.", show_default=False),
    ] = None,
    report: Report = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar and no remarks.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of the tables.")] = False,
) -> None:
    """Let the same community trade on several platforms, and show them side by side."""
    from fastclear.comparison import compare as side_by_side
    from fastclear.console import comparison_view

    check_report(report)
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
        say_where(out, report)
