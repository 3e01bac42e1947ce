"""Credit pegged to money, issued against a host's bond of tokens; operator and network share a seller's proceeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from fastclear.platforms.parameters import Currency, Frozen, Parameter, Percent, ppm
from fastclear.platforms.payment.payment import Payment
from fastclear.settlement import Settlement
from fastclear.token_bonds import DualToken

HOST = "host"
"""Name of the one host that all members are customers of."""


class Options(Frozen):
    """What a token is worth and carries, how many are bonded, and who shares in a seller's proceeds."""

    tokens_bonded: Parameter[Annotated[int, Field(ge=0, le=10**12)]]
    token_price: Parameter[Currency]
    haircut_percent: Parameter[Percent]
    platform_percent: Parameter[Percent]
    dso_percent: Parameter[Percent]


def _profile(options: Options) -> DualToken:
    return DualToken(
        peg=1,  # accounts are kept in the currency itself
        haircut_ppm=ppm(options.haircut_percent),
        price=options.token_price.value,
        platform_ppm=ppm(options.platform_percent),
        dso_ppm=ppm(options.dso_percent),
    )


def _begin(bank: Settlement, members: Sequence[int], options: Options) -> None:
    bank.open(HOST)
    bank.join(members, HOST)
    bank.bond(HOST, options.tokens_bonded.value)


def _seller_share(options: Options) -> int:
    return ppm(options.platform_percent) + ppm(options.dso_percent)


PAYMENT = Payment("dual_token", Options, _profile, _begin, seller_share=_seller_share)
