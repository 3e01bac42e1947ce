"""Bill sharing, slot by slot: importers share the bill of the grid connection, exporters its earnings."""

from __future__ import annotations

from typing import Literal

from fastclear.platforms.parameters import Frozen, Parameter
from fastclear.platforms.rules.pool import pool_rule
from fastclear.sharing import BillSharing


class Options(Frozen):
    """Over what time members are netted."""

    period: Parameter[Literal["slot"]]


RULE = pool_rule(
    "bill_sharing",
    Options,
    lambda _, retail, feed_in: BillSharing(retail=retail, feed_in=feed_in),
    says="bill sharing",
)
