"""One price a market, within the clearing interval."""

from __future__ import annotations

from typing import Literal

from fastclear.auction import Uniform
from fastclear.platforms.parameters import Frozen, Parameter, Share
from fastclear.platforms.rules.rule import Rule


class Options(Frozen):
    """Where in the interval the price lies, and who is served at the margin."""

    k: Parameter[Share]
    rationing: Parameter[Literal["pro_rata", "time", "equal"]]
    price_round: Parameter[Literal["floor", "ceil", "half_up"]]


def _mechanism(options: Options) -> Uniform:
    return Uniform(k=options.k.value, rationing=options.rationing.value, price_round=options.price_round.value)


RULE = Rule("uniform", Options, _mechanism, says="uniform auction", one_price=True)
