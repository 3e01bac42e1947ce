"""Each pair at a price of its own between bid and ask: pay as bid, pay as ask, or in between."""

from __future__ import annotations

from typing import Literal

from fastclear.auction import Discriminatory
from fastclear.platforms.parameters import Frozen, Parameter, Share
from fastclear.platforms.rules.rule import Rule


class Options(Frozen):
    """Where between ask (0) and bid (1) a pair trades."""

    k: Parameter[Share]
    price_round: Parameter[Literal["floor", "ceil", "half_up"]]


def _mechanism(options: Options) -> Discriminatory:
    return Discriminatory(k=options.k.value, price_round=options.price_round.value)


RULE = Rule("discriminatory", Options, _mechanism, says="discriminatory auction")
