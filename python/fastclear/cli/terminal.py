"""What the command writes: results to standard output, everything else to standard error."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import NoReturn, TextIO

import typer
from rich.console import Console, RenderableType

WRONG_LEDGER = 1
BAD_INPUT = 2
INTERRUPTED = 130
_WIDTH = 100


class _Console(Console):
    """A console that leaves a reader's going away to the command."""

    def on_broken_pipe(self) -> None:
        """Hand it on; rich would end the process with exit code 1, which says something else here."""
        raise BrokenPipeError


def _out() -> Console:
    console = _Console(highlight=False, emoji=False)
    return console if console.width <= _WIDTH else _Console(highlight=False, emoji=False, width=_WIDTH)


def display(view: RenderableType) -> None:
    """Print a result."""
    _out().print(view)


def say(message: str) -> None:
    """Print a remark, which is no result."""
    from fastclear.console import printable

    lines = [printable(line) for line in message.split("\n")]
    try:
        _Console(stderr=True, highlight=False, emoji=False, soft_wrap=True).print("\n".join(lines), markup=False)
    except BrokenPipeError:
        nobody_reads(sys.stderr)


def nobody_reads(stream: TextIO) -> None:
    """Let what is still to be written vanish; the interpreter must not complain about it at exit either."""
    with contextlib.suppress(OSError, ValueError):  # a stream of a test has no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def fail(message: str, code: int = BAD_INPUT) -> NoReturn:
    """Say what is wrong and end the command."""
    say(f"fastclear: {message}")
    raise typer.Exit(code)
