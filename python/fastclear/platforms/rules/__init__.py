"""Market rules that a preset can name, one file each. A new one is a file here and a line below."""

from __future__ import annotations

from fastclear.platforms.rules import (
    bill_sharing,
    discriminatory,
    fixed_price,
    mid_market_rate,
    nearest,
    nominated,
    supply_demand_ratio,
    uniform,
    vickrey,
)
from fastclear.platforms.rules.rule import Rule

__all__ = ["RULES", "Rule"]

_MODULES = (
    *(uniform, discriminatory, vickrey),
    *(bill_sharing, mid_market_rate, supply_demand_ratio, fixed_price),
    *(nominated, nearest),
)
RULES: dict[str, Rule] = {module.RULE.name: module.RULE for module in _MODULES}
"""Every rule by its name."""
