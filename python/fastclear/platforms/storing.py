"""A battery that members share on a platform."""

from __future__ import annotations

import numpy as np

from fastclear.community import Community, SharedStorage
from fastclear.platforms.parameters import ppm
from fastclear.platforms.preset import Preset


def shared_storage(preset: Preset, community: Community) -> SharedStorage | None:
    """The battery of a platform, empty, with an equal share for each member; None where it has none.

    What a cycle loses is lost while charging.

    Parameters
    ----------
    preset : Preset
        The platform.
    community : Community
        Over the slots of the run.
    """
    options = preset.set_up.shared_storage
    if options is None:
        return None
    return SharedStorage(
        options.capacity_kwh.value * 1000,
        weights=np.ones(community.members.height, dtype=np.int64),
        slots=community.slots,
        power_w=options.power_kw.value * 1000,
        charge_efficiency_ppm=ppm(options.efficiency_percent),
        slot_ns=community.slot_ns,
    )
