"""Ctrl-C while the command is still being imported: stop in silence instead of with a traceback.

Imported first by the package. It looks whether Python was started for the command; everyone else keeps their handlers.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import PurePath
from types import FrameType

_INTERRUPTED = 130
_is_ready = False


def is_command(argv: list[str]) -> bool:
    """Whether a process started with these words runs the command: ``fastclear`` or ``python -m fastclear``.

    Examples
    --------
    >>> is_command(["python", "/usr/bin/fastclear", "run"]), is_command(["python", "-m", "fastclear"])
    (True, True)
    >>> is_command(["python", "-m", "pytest", "fastclear"])
    False
    """
    if "-m" in argv:
        return argv[argv.index("-m") + 1 :][:1] in (["fastclear"], ["fastclear.cli"])
    return any(PurePath(word).stem == "fastclear" for word in argv[:2])


def _stop(number: int, frame: FrameType | None) -> None:
    if _is_ready:
        signal.default_int_handler(number, frame)
    os._exit(_INTERRUPTED)


def ready() -> None:
    """From here on Ctrl-C raises ``KeyboardInterrupt``, which the command handles."""
    global _is_ready
    _is_ready = True


# One handler for both: polars puts one of its own around what it finds, and would be cut off by a second change.
if is_command(sys.orig_argv) and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    try:
        signal.signal(signal.SIGINT, _stop)
    except ValueError:  # not the main thread
        ready()
