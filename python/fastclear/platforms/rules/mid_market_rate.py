"""Mid-market rate: local energy half way between retail and feed-in price."""

from __future__ import annotations

from typing import Literal

from fastclear.platforms.parameters import Frozen, Parameter
from fastclear.platforms.rules.pool import pool_rule
from fastclear.sharing import MidMarketRate


class Options(Frozen):
    """How a price of half a tick is rounded."""

    price_round: Parameter[Literal["half_up"]]


RULE = pool_rule(
    "mid_market_rate",
    Options,
    lambda _, retail, feed_in: MidMarketRate(retail=retail, feed_in=feed_in),
    says="mid-market rate",
)
