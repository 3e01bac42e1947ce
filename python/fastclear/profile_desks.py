"""Which desk a profile has beside the core."""

from __future__ import annotations

from fastclear.desks import Desk
from fastclear.margin_desk import MarginBook
from fastclear.margins import CcpMargin
from fastclear.profiles import Profile


def desk_of(profile: Profile) -> Desk:
    """A new desk for a bank with this profile."""
    return MarginBook(profile) if isinstance(profile, CcpMargin) else Desk()
