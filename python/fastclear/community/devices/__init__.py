"""Devices of members, as columns: what each can do in a slot, and what it has done.

`EvChargers`, `DeferrableLoads` (both over `Windows`), `HeatPumps`, `DieselGenerators` and `SharedStorage`; batteries
at home are :class:`fastclear.community.Batteries`.
"""

from __future__ import annotations

from fastclear.community.devices.device import Device
from fastclear.community.devices.diesel import DieselGenerators
from fastclear.community.devices.heat_pumps import HeatPumps
from fastclear.community.devices.shared_storage import SharedStorage
from fastclear.community.devices.windows import DeferrableLoads, EvChargers, Windows

__all__ = [
    "DeferrableLoads",
    "Device",
    "DieselGenerators",
    "EvChargers",
    "HeatPumps",
    "SharedStorage",
    "Windows",
]
