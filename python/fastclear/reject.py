"""Reject codes: why an order took no part in its market."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from fastclear import _core

_REASONS = _core.reject_reasons()

if TYPE_CHECKING:

    class RejectReason(IntEnum):
        """The code in ``clearing.reject`` and in the ``reject`` column of ``clearing.fills``; 0 is no reason."""

        UNKNOWN_SIDE = 1
        UNKNOWN_TYPE = 2
        PRICE_MISSING = 3
        PRICE_OFF_GRID = 4
        PRICE_OUT_OF_RANGE = 5
        QUANTITY_MISSING = 6
        QUANTITY_OFF_GRID = 7
        QUANTITY_OUT_OF_RANGE = 8
        ID_MISSING = 9
        TIME_MISSING = 10
        DUPLICATE_ORDER = 11
        NO_REFERENCE_PRICE = 12
        CREDIT_EXCEEDED = 13
        PRICE_OUTSIDE_CAPS = 14
        MIN_QUANTITY_OUT_OF_RANGE = 15
        BOTH_SIDES = 16
        SEVERAL_ORDERS = 17
        NOT_ONE_UNIT = 18
        START_BEYOND_LIMIT = 19
        BLOCK_INVALID = 20
        ACCOUNT_BLOCKED = 21
        UNKNOWN_OP = 22
        UNKNOWN_TIF = 23
        INSTRUCTIONS_INVALID = 24
        EXPIRY_INVALID = 25
        UNKNOWN_ORDER = 26
        MARKET_CLOSED = 27
        MARKET_HALTED = 28
        WOULD_TRADE = 29
        NOT_FILLED = 30
        SELF_TRADE = 31
        BOOK_ERASED = 32
        GATE_NOT_OPEN = 33
        UNKNOWN_PARTICIPANT = 34
        CANCELLED = 35
        NETWORK_VETO = 36
        DISPLAY_INVALID = 37
        STOP_INVALID = 38
        PEG_INVALID = 39
        UNKNOWN_PHASE = 40
        NOT_IN_PHASE = 41

else:
    # The numbers live in Rust; a type checker needs to see the names.
    RejectReason = IntEnum("RejectReason", {name.upper(): code for name, code, _ in _REASONS})
    RejectReason.__doc__ = (
        "The code in ``clearing.reject`` and in the ``reject`` column of ``clearing.fills``; 0 is no reason."
    )
    RejectReason.__module__ = __name__

_REMEDY = {code: remedy for _, code, remedy in _REASONS}


def remedy(code: int) -> str:
    """What is wrong with an order of this reject code and what to do, in one line.

    Examples
    --------
    >>> import fastclear as fc
    >>> fc.reject.remedy(fc.RejectReason.PRICE_MISSING)
    'give a price, or type="market"'
    """
    return _REMEDY[int(code)] if code else "accepted"
