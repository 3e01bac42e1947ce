"""Which desk a profile has beside the core."""

from __future__ import annotations

from fastclear.desks import Desk
from fastclear.escrow_deals import Escrow2of3
from fastclear.escrow_desk import DealBook
from fastclear.limit_desk import LimitBook
from fastclear.limits import LimitPolicy
from fastclear.margin_desk import MarginBook
from fastclear.margins import CcpMargin
from fastclear.prepayment import Prepayment
from fastclear.prepayment_desk import PrepaymentBook
from fastclear.profiles import CreditBank, Profile
from fastclear.token_bonds import DualToken
from fastclear.token_desk import BondBook


def desk_of(profile: Profile) -> Desk:
    """A new desk for a bank with this profile."""
    match profile:
        case Escrow2of3():
            return DealBook(profile)
        case DualToken():
            return BondBook(profile)
        case CcpMargin():
            return MarginBook(profile)
        case Prepayment():
            return PrepaymentBook(profile)
        case CreditBank(limits=LimitPolicy() as limits):
            return LimitBook(limits)
        case _:
            return Desk()
