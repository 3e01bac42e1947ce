"""Communities: members, their load, PV and batteries, and agents that bid for them.

`load_community` gives the embedded (synthetic) data or a source by name, `community_from_frame` your own
profiles; `Batteries` and :mod:`fastclear.community.devices` are what members have, `plan_devices` what they do with it;
`zero_intelligence` and :mod:`fastclear.community.bidders` bid; `forecast` and `expectation` say what members expect.
"""

from __future__ import annotations

from fastclear.community.agents import OrderColumns, forecast, zero_intelligence
from fastclear.community.devices import (
    DeferrableLoads,
    Device,
    DieselGenerators,
    EvChargers,
    HeatPumps,
    SharedStorage,
    Windows,
)
from fastclear.community.embedded import load_community
from fastclear.community.foresight import expectation
from fastclear.community.frame import Community
from fastclear.community.plan import Batteries
from fastclear.community.reading import community_from_frame
from fastclear.community.schedule import DevicePlan, plan_devices

__all__ = [
    "Batteries",
    "Community",
    "DeferrableLoads",
    "Device",
    "DevicePlan",
    "DieselGenerators",
    "EvChargers",
    "HeatPumps",
    "OrderColumns",
    "SharedStorage",
    "Windows",
    "community_from_frame",
    "expectation",
    "forecast",
    "load_community",
    "plan_devices",
    "zero_intelligence",
]
