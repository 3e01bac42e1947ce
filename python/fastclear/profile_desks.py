"""Which desk a profile has beside the core."""

from __future__ import annotations

from fastclear.desks import Desk
from fastclear.limit_desk import LimitBook
from fastclear.limits import LimitPolicy
from fastclear.margin_desk import MarginBook
from fastclear.margins import CcpMargin
from fastclear.prepayment import Prepayment
from fastclear.prepayment_desk import PrepaymentBook
from fastclear.profiles import CreditBank, Profile


def desk_of(profile: Profile) -> Desk:
    """A new desk for a bank with this profile."""
    match profile:
        case CcpMargin():
            return MarginBook(profile)
        case Prepayment():
            return PrepaymentBook(profile)
        case CreditBank(limits=LimitPolicy() as limits):
            return LimitBook(limits)
        case _:
            return Desk()
