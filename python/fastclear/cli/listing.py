"""``fastclear mechanisms`` and ``fastclear platforms``."""

from __future__ import annotations

import difflib
import json
from typing import Annotated

import typer

import fastclear
from fastclear.cli.terminal import display, fail, say


def mechanisms(
    name: Annotated[
        str | None, typer.Argument(help="One of them: its rule, claims, source and options.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of the table.")] = False,
) -> None:
    """List the auctions and pools, and what each of them promises."""
    from fastclear.auction.properties import every
    from fastclear.auction.registry import name_of
    from fastclear.console import mechanism_view, mechanisms_view

    rows = table = every()
    if name is not None:
        key = name.lower().replace("-", "_")
        rows = tuple(row for row in table if name_of(row.mechanism) == key)
        if not rows:
            known = list(dict.fromkeys(name_of(row.mechanism) for row in table))
            close = difflib.get_close_matches(key, known, n=1)
            fail(
                f"no mechanism {name!r}: " + (f"did you mean {close[0]}?" if close else f"there is {', '.join(known)}")
            )
    if as_json:
        frame = fastclear.mechanisms(terms=True).filter([row in rows for row in table])
        commands = [name_of(row.mechanism) for row in rows]
        typer.echo(json.dumps([{"command": c, **d} for c, d in zip(commands, frame.to_dicts(), strict=True)], indent=2))
        return
    if name is not None:
        display(mechanism_view(rows))
        return
    display(mechanisms_view(rows))
    say("More about one: fastclear mechanisms NAME. Use it: fastclear clear FILE --mechanism NAME")


def platforms(
    show: Annotated[
        str | None,
        typer.Option(help="Print the preset of this platform, to copy and change.", show_default=False),
    ] = None,
    every: Annotated[
        bool,
        typer.Option("--all", help="Every system that the reviews name: its preset, what it waits for, or why not."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of the table.")] = False,
) -> None:
    """List the platforms that come with the package."""
    from fastclear.console import catalogue_view, platforms_view
    from fastclear.platforms import platforms as listing
    from fastclear.platforms import preset_text

    if show is not None:
        typer.echo(preset_text(show), nl=False)
        return
    frame = fastclear.catalogue() if every else listing()
    if as_json:
        typer.echo(json.dumps(frame.to_dicts(), indent=2))
        return
    if every:
        display(catalogue_view(frame.to_dicts()))
        return
    display(platforms_view(frame.to_dicts()))
    say(
        "Run one: fastclear run NAME. Copy and change one: fastclear platforms --show NAME > my_rules.toml. "
        "All that the reviews name: fastclear platforms --all"
    )
