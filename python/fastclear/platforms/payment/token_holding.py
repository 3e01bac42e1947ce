"""Prepaid, and a number of tokens that nobody may go below: a holding in place of a credit check (SunContract)."""

from __future__ import annotations

from typing import Annotated

import polars as pl
from pydantic import Field

from fastclear.platforms.parameters import NANO_PER_CURRENCY, Currency, Frozen, Parameter, nano
from fastclear.platforms.payment.payment import Payment
from fastclear.profiles import Prepaid

_DAYS_OF_TWELVE_MONTHS = 365


class Options(Frozen):
    """How many tokens a member holds at all times, and what one is worth."""

    minimum_tokens: Parameter[Annotated[int, Field(ge=0, le=1_000_000)]]
    token_price: Parameter[Currency]
    covers_months: Parameter[Annotated[int, Field(ge=1, le=120)]]


def holding(options: Options) -> int:
    """The holding of a member in nano-currency."""
    return options.minimum_tokens.value * nano(options.token_price)


def _profile(options: Options) -> Prepaid:
    return Prepaid(minimum_holding=holding(options))


def _notes(members: pl.DataFrame, days: int, currency: str, options: Options) -> list[str]:
    """Whom the holding does not cover for as long as the platform asks, at the cost of the run."""
    months = options.covers_months.value
    held = holding(options)
    short = members.filter(pl.col("bill_nano") * months * _DAYS_OF_TWELVE_MONTHS > held * days * 12)
    if not short.height:
        return []
    return [
        f"{short.height} of {members.height} members would spend more than {options.minimum_tokens.value} tokens "
        f"({held / NANO_PER_CURRENCY:g} {currency}) in {months} months: the holding does not cover them that long."
    ]


PAYMENT = Payment("token_holding", Options, _profile, holding=holding, notes=_notes)
