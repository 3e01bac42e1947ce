"""The exchange: the whole house behind commands, in memory or kept in a directory.

Orders in at a gate; trades, payments and sealed blocks out. ``docs/4c_exchange.md`` walks through a day of one.
"""

from fastclear.exchange.answers import Answer, GateResult, Submitted
from fastclear.exchange.house import Exchange
from fastclear.exchange.terms import Gate

__all__ = ["Answer", "Exchange", "Gate", "GateResult", "Submitted"]
