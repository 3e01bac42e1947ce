"""Market rules that a preset can name, one file each. A new one is a file here and a line below."""

from __future__ import annotations

from fastclear.platforms.rules import discriminatory, uniform, vickrey
from fastclear.platforms.rules.rule import Rule

__all__ = ["RULES", "Rule"]

RULES: dict[str, Rule] = {module.RULE.name: module.RULE for module in (uniform, discriminatory, vickrey)}
"""Every rule by its name."""
