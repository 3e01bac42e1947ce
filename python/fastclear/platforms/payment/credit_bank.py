"""A treasury lends what a member lacks when a slot is settled, up to a limit (Li et al. 2018)."""

from __future__ import annotations

from collections.abc import Sequence

from fastclear.platforms.parameters import Currency, Days, Frozen, Parameter, Percent, nano, ppm
from fastclear.platforms.payment.payment import Payment
from fastclear.profiles import CreditBank
from fastclear.settlement import Settlement


class Options(Frozen):
    """Terms of a loan, the limit of each member, and the capital of the bank."""

    limit: Parameter[Currency]
    capital: Parameter[Currency]
    interest_percent: Parameter[Percent]
    per_days: Parameter[Days]
    term_days: Parameter[Days]
    penalty_percent: Parameter[Percent]


def _profile(options: Options) -> CreditBank:
    return CreditBank(
        interest_ppm=ppm(options.interest_percent),
        per_days=options.per_days.value,
        term_days=options.term_days.value,
        penalty_ppm=ppm(options.penalty_percent),
    )


def _begin(bank: Settlement, members: Sequence[int], options: Options) -> None:
    bank.fund(nano(options.capital))
    for member in members:
        bank.set_limit(member, nano(options.limit))


PAYMENT = Payment(
    "credit_bank", Options, _profile, _begin, remedy="raise settlement.credit_bank.limit or the deposits", lends=True
)
