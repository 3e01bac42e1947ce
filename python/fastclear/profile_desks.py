"""Which desk a profile has beside the core."""

from __future__ import annotations

from fastclear.desks import Desk
from fastclear.margin_desk import MarginBook
from fastclear.margins import CcpMargin
from fastclear.prepayment import Prepayment
from fastclear.prepayment_desk import PrepaymentBook
from fastclear.profiles import Profile


def desk_of(profile: Profile) -> Desk:
    """A new desk for a bank with this profile."""
    match profile:
        case CcpMargin():
            return MarginBook(profile)
        case Prepayment():
            return PrepaymentBook(profile)
        case _:
            return Desk()
