"""Supply-demand ratio: the more local energy there is, the less it is worth."""

from __future__ import annotations

from fastclear.platforms.parameters import CtPerKwh, Frozen, Parameter, ticks
from fastclear.platforms.rules.pool import pool_rule
from fastclear.sharing import SupplyDemandRatio


class Options(Frozen):
    """By how much local energy is worth at least more than energy fed in."""

    compensation: Parameter[CtPerKwh]


def _mechanism(options: Options, retail: int, feed_in: int) -> SupplyDemandRatio:
    return SupplyDemandRatio(retail=retail, feed_in=feed_in, compensation=ticks(options.compensation))


RULE = pool_rule("supply_demand_ratio", Options, _mechanism, says="supply-demand ratio")
