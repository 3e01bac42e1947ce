"""Ctrl-C while the command is still being imported: stop in silence instead of with a traceback.

Imported first by the package. It looks whether Python was started for the command; everyone else keeps their handlers.
"""

from __future__ import annotations

import signal
import sys
from pathlib import PurePath


def _is_command(argv: list[str]) -> bool:
    """Whether this process runs the command: as ``fastclear`` or as ``python -m fastclear.cli``."""
    started = PurePath(sys.argv[0]).stem if sys.argv else ""
    as_module = "-m" in argv and argv[argv.index("-m") + 1 :][:1] == ["fastclear.cli"]
    return started == "fastclear" or as_module


def _quiet() -> bool:
    if not _is_command(sys.orig_argv) or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return False
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return True


try:
    IS_QUIET = _quiet()
except ValueError:  # not the main thread: an embedded interpreter
    IS_QUIET = False


def ready() -> None:
    """Give Ctrl-C back to Python; the command handles it from here on."""
    if IS_QUIET:
        signal.signal(signal.SIGINT, signal.default_int_handler)
