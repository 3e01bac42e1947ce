"""Vickrey-Clarke-Groves: each pays what its presence costs the others; somebody bears the deficit."""

from __future__ import annotations

from typing import Literal

from fastclear.auction import Vickrey
from fastclear.platforms.parameters import Frozen, Parameter
from fastclear.platforms.rules.rule import Rule


class Options(Frozen):
    """Who pays what sellers receive beyond what buyers pay."""

    deficit_to: Parameter[Literal["platform", "dso", "backstop"]]


def _mechanism(options: Options) -> Vickrey:
    return Vickrey(deficit_to=options.deficit_to.value)


RULE = Rule("vickrey", Options, _mechanism, says="Vickrey (VCG) auction")
