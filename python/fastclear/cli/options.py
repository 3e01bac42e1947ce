"""Words of the command line as the values that they stand for."""

from __future__ import annotations

import re
from enum import StrEnum
from fractions import Fraction
from typing import Any

import typer

import fastclear
from fastclear.cli.terminal import fail

_SEED_MAX = 2**64 - 1
_RULE = "Rule (each mechanism takes some of these; see `fastclear mechanisms NAME`)"


class YesOrNo(StrEnum):
    """A choice whose default differs from mechanism to mechanism."""

    yes = "yes"
    no = "no"


class Rounding(StrEnum):
    """What happens to energy that is not whole Wh."""

    refuse = "refuse"
    half_even = "half_even"


def rule_option(help_text: str, **settings: Any) -> Any:
    """An option that belongs to the rule of a mechanism."""
    return typer.Option(help=help_text, show_default=False, rich_help_panel=_RULE, **settings)


def chosen_mechanism(name: str, options: dict[str, Any]) -> Any:
    """A mechanism by its name on the command line; complaints name options and not parameters."""
    from fastclear.auction.registry import make, options_of

    try:
        return make(name, options)
    except fastclear.MechanismError as error:
        message = str(error)
        for option in options_of(name):
            message = re.sub(rf"(?<![\w-]){option}=", f"--{option.replace('_', '-')} ", message)
        message = re.sub(r"Fraction\((-?\d+), (\d+)\)", r"\1/\2", message).replace("/1 is", " is")
        fail(message)


def flag(choice: YesOrNo | None) -> bool | None:
    """``yes`` is True; None where nothing was chosen."""
    return None if choice is None else choice is YesOrNo.yes


def checked_seed(seed: int) -> int:
    """The seed, if the generator takes it."""
    if not 0 <= seed <= _SEED_MAX:
        fail(f"--seed {seed}: is outside 0 to 2^64 - 1, {_SEED_MAX}")
    return seed


def fraction(name: str, text: str) -> Fraction:
    """A share, written as a decimal or a fraction."""
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        fail(f'--{name} {text}: is no number; write a share from 0 to 1, like "1/2" or "0.5"')


def in_units(name: str, text: str, scale: int, whole: str) -> int:
    """A price or quantity of the command line as whole ticks or lots."""
    option = name.replace("_", "-")
    try:
        value = Fraction(text) * scale
    except (ValueError, ZeroDivisionError):
        fail(f"--{option} {text}: is no number")
    if value.denominator != 1:
        fail(f"--{option} {text}: is no whole number of {whole}, of which {scale:,} are 1 of its unit")
    return int(value)
