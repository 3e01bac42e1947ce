"""One price for local energy, fixed beforehand."""

from __future__ import annotations

from fastclear.platforms.parameters import CtPerKwh, Frozen, Parameter, ticks
from fastclear.platforms.rules.pool import pool_rule
from fastclear.sharing import FixedPrice


class Options(Frozen):
    """The price, in ct/kWh."""

    price: Parameter[CtPerKwh]


def _mechanism(options: Options, retail: int, feed_in: int) -> FixedPrice:
    return FixedPrice(ticks(options.price), retail=retail, feed_in=feed_in)


RULE = pool_rule("fixed_price", Options, _mechanism, says="fixed price")
