"""What each mechanism without bids promises; the table of docs/2d_sharing.md is made of it.

Rationality is against trading with the grid alone, on the same loads. Every claim is tested, exactly.
"""

from __future__ import annotations

from typing import Final, TypeVar

from fastclear.auction import properties
from fastclear.auction.properties import Claim, Properties

_BALANCED: Final = Claim("balanced", "payments are the bill of the grid connection and the fees, to the last unit")
_NO_BIDS: Final = Claim("no bids", "loads are metered; shifting load can pay")
_SAVING: Final = Claim("same saving", "(retail - feed_in) x volume in each market, however it is divided")
_YES: Final = Claim("yes", "while the fee is 0, against the grid alone")
_LONG: Final = (
    "Long, Wu, Zhang, Thomas, Cheng & Jenkins 2017 (IEEE PES General Meeting, peer-to-peer energy trading in a "
    "community microgrid)"
)

SHARING: Final[tuple[Properties, ...]] = (
    Properties(
        mechanism="BillSharing",
        summary="importers share the cost of the community's imports, exporters the revenue of its exports",
        budget=Claim("balanced", "over a period, payments are the grid's bill and the fixed cost, to the last unit"),
        rationality=Claim("no", "importers never lose against the grid alone, exporters may: they get feed_in at most"),
        truthfulness=_NO_BIDS,
        efficiency=_SAVING,
        complexity="O(N)",
        source=_LONG,
    ),
    Properties(
        mechanism="MidMarketRate",
        summary="local energy is worth half way between retail and feed-in price",
        budget=_BALANCED,
        rationality=_YES,
        truthfulness=_NO_BIDS,
        efficiency=_SAVING,
        complexity="O(N)",
        source=_LONG,
    ),
    Properties(
        mechanism="SupplyDemandRatio",
        summary="the more local energy there is, the less it is worth",
        budget=_BALANCED,
        rationality=_YES,
        truthfulness=_NO_BIDS,
        efficiency=_SAVING,
        complexity="O(N)",
        source=(
            "Liu, Yu, Wang, Li, Ma & Lei 2017 (IEEE Trans. Power Systems 32, 3569-3583); with compensation Zhou, Wu & "
            "Long 2018 (Applied Energy 222, 993-1022)"
        ),
    ),
    Properties(
        mechanism="FixedPrice",
        summary="one price for local energy, and a key that says who gets it",
        budget=_BALANCED,
        rationality=Claim("in the band", "where feed_in <= price and price + fee <= retail, against the grid alone"),
        truthfulness=_NO_BIDS,
        efficiency=Claim("same saving", "but with a static key, which loses what a member does not use"),
        complexity="O(N)",
        source="sonnenCommunity as reviewed by Shan et al. 2023; allocation keys of energy-sharing law",
    ),
)
"""Every mechanism without bids, in the order of docs/2d_sharing.md."""

C = TypeVar("C", bound=type)


def described(cls: C) -> C:
    """Append the class's properties to its docstring, as :func:`fastclear.auction.properties.described` does."""
    return properties.described(cls, SHARING)
