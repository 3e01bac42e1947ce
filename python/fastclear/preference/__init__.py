"""Staged matching by preference, network charges, and bilateral deals.

:class:`fastclear.Preference` runs stages over the orders of any number of markets; the stages are here.
"""

from __future__ import annotations

from fastclear.preference.bilateral import Bilateral, BilateralCode
from fastclear.preference.clearing import PreferenceClearing
from fastclear.preference.concession import concede
from fastclear.preference.demand_merit import demand_merit
from fastclear.preference.mechanism import Preference
from fastclear.preference.network import Network
from fastclear.preference.pairs import PairTable
from fastclear.preference.stages import (
    Auction,
    Community,
    Contracts,
    Essential,
    Nominated,
    PreferredTypes,
    Qualities,
)

__all__ = [
    "Auction",
    "Bilateral",
    "BilateralCode",
    "Community",
    "Contracts",
    "Essential",
    "Network",
    "Nominated",
    "PairTable",
    "Preference",
    "PreferenceClearing",
    "PreferredTypes",
    "Qualities",
    "concede",
    "demand_merit",
]
