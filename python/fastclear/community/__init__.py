"""Communities: members, their load, PV and batteries, and agents that bid for them.

`load_community` gives the embedded (synthetic) data or a source by name, `community_from_frame` your own
profiles; `Batteries` plans batteries slot by slot, `zero_intelligence` bids, `forecast` says what members
expect of a slot.
"""

from __future__ import annotations

from fastclear.community.agents import OrderColumns, forecast, zero_intelligence
from fastclear.community.embedded import load_community
from fastclear.community.frame import Community
from fastclear.community.plan import Batteries
from fastclear.community.reading import community_from_frame

__all__ = [
    "Batteries",
    "Community",
    "OrderColumns",
    "community_from_frame",
    "forecast",
    "load_community",
    "zero_intelligence",
]
