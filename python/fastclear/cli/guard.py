"""Errors of those who call the command, in the words of the command."""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable
from typing import ParamSpec

import typer

from fastclear.cli.terminal import INTERRUPTED, fail, nobody_reads, say
from fastclear.errors import FastclearError

_AS_OPTIONS = (
    (re.compile(r"""units=fc\.Units\(price="([^"]+)", quantity="([^"]+)"\)"""), r"--price-unit \1 --quantity-unit \2"),
    (re.compile(r"""\b(tz|rounding)=(?:"([^"]+)"|'([^']+)')"""), r"--\1 \2\3"),
    (re.compile(r"\ballow_gaps=True"), "--allow-gaps"),
    (re.compile(r"\bslot_minutes=(\d+)"), r"--slot-minutes \1"),
    (re.compile(r"\bmarket=\.\.\."), "--market MARKET"),
    (re.compile(r"""\border=(?:'([^']+)'|(-?\d+))"""), r"--explain \1\2"),
    (re.compile(r"""\bmarket=(?:'([^']+)'|(-?\d+))"""), r"--market \1\2"),
)


def _for_command_line(message: str) -> str:
    """A remedy in the words of the command: ``tz="Europe/Berlin"`` is ``--tz Europe/Berlin`` here."""
    for pattern, option in _AS_OPTIONS:
        message = pattern.sub(option, message)
    return message


P = ParamSpec("P")


def guarded(command: Callable[P, None]) -> Callable[P, None]:
    """A command whose user's errors are one line on standard error and exit code 2, and an interrupt 130."""

    @functools.wraps(command)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
            sys.stdout.flush()
        except FastclearError as error:
            fail(_for_command_line(str(error)))
        except BrokenPipeError:
            nobody_reads(sys.stdout)
        except KeyboardInterrupt:
            say("fastclear: interrupted; nothing was written")
            raise typer.Exit(INTERRUPTED) from None

    return guarded
