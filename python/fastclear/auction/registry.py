"""Mechanisms by name, for the command line: one table from names to classes, made of the table of properties.

The settings that reproduce other engines can be named as well.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

import fastclear
from fastclear.auction.engines import ENGINES
from fastclear.auction.parameters import Mechanism
from fastclear.auction.properties import every
from fastclear.errors import MechanismError

_TABLES = ("partition", "permutation", "distances")  # parameters that no command line should hold


def name_of(mechanism: str) -> str:
    """The name of a class on the command line: ``TradeReduction`` is ``trade_reduction``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", mechanism).lower()


def classes() -> dict[str, type[Any]]:
    """Every mechanism class by its name on the command line, in the order of the documentation."""
    names = dict.fromkeys(row.mechanism for row in every())
    return {name_of(name): getattr(fastclear, name) for name in names if hasattr(fastclear, name)}


def options_of(name: str) -> dict[str, bool]:
    """The parameters of a mechanism that fit on a command line, and whether each must be given."""
    mechanism = classes().get(_plain(name))
    if mechanism is None:
        return {}
    return {
        field.name: field.default is MISSING and field.default_factory is MISSING
        for field in fields(mechanism)
        if field.init and field.name not in _TABLES
    }


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")


def _as_option(parameter: str) -> str:
    return f"--{parameter.replace('_', '-')}"


def make(name: str, options: Mapping[str, Any]) -> Mechanism:
    """Make a mechanism from its name and the parameters that were given.

    Raises
    ------
    MechanismError
        There is no such mechanism, a parameter is not one of its own, or one that it needs is missing; in the words of
        the command line.
    """
    key = _plain(name)
    known = classes()
    if key in ENGINES:
        if options:
            given = ", ".join(map(_as_option, options))
            raise MechanismError(f"{key} is a fixed setting that reproduces another engine; leave out {given}")
        return ENGINES[key][0]()
    if key not in known:
        close = difflib.get_close_matches(key, [*known, *ENGINES], n=1)
        hint = f"did you mean {close[0]}?" if close else f"there is {', '.join([*known, *ENGINES])}"
        raise MechanismError(f"--mechanism {name}: there is no such mechanism; {hint}")
    own = options_of(key)
    for option in options:
        if option not in own:
            takes = ", ".join(map(_as_option, own)) or "none"
            raise MechanismError(f"{_as_option(option)} is no option of {key}; it takes {takes}")
    for option, needed in own.items():
        if needed and option not in options:
            raise MechanismError(f"{key} needs {_as_option(option)}; give one")
    mechanism: Mechanism = known[key](**options)
    return mechanism
