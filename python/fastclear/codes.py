"""Result codes whose numbers and words live in Rust, as enumerations."""

from __future__ import annotations

from enum import IntEnum
from typing import Any


def codes(name: str, told: list[tuple[str, int, str]], doc: str, module: str) -> Any:
    """Return an enumeration of codes, each with its ``meaning``.

    Parameters
    ----------
    name : str
        Its name.
    told : list of (str, int, str)
        Name, number and meaning of each code.
    doc, module : str
        Its docstring, and where it is found.
    """
    meanings = {number: meaning for _, number, meaning in told}

    class Code(IntEnum):
        @property
        def meaning(self) -> str:
            """What it means or what to do, in one line."""
            return meanings[int(self)]

    members = {word.upper(): number for word, number, _ in told}
    functional: Any = Code  # of names to numbers, which a type checker takes for a look-up
    made = functional(name, members, module=module)
    made.__doc__ = doc
    return made
