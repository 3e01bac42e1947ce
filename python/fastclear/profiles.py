"""Profiles of a bank: who gives credit, on what terms, and when money moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fastclear import _core
from fastclear.columns import whole
from fastclear.errors import SettlementError
from fastclear.escrow_deals import Escrow2of3
from fastclear.limits import LimitPolicy
from fastclear.margins import CcpMargin
from fastclear.prepayment import Prepayment
from fastclear.profile_terms import NO_LOANS, NO_RULES, Rules, Terms, check_minimum
from fastclear.tariff import Tariff
from fastclear.token_bonds import DualToken

_UINT32_MAX: Final = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Prepaid:
    """A member can bid for what its balance and credit limit cover, and no more; every slot is final.

    Parameters
    ----------
    minimum_holding : int, default 0
        Nano-currency that a member must keep when all its bids are paid; no credit limit stands in for it. Bids and
        withdrawals that would leave less are refused, and so are all bids of a member that has less. SunContract asks
        its members to hold 1,000 of its tokens at all times.

    Raises
    ------
    SettlementError
        A value that is no integer, or negative.

    Examples
    --------
    >>> import fastclear as fc
    >>> bank = fc.Settlement(profile=fc.Prepaid(minimum_holding=1_000 * 10**9), tariff=fc.Tariff(300_000, 50_000))
    >>> bank.open("Ada")
    >>> bank.deposit("Ada", 1_040 * 10**9)
    >>> order = {"side": ["buy"], "price": [500_000], "quantity": [100_000], "participant": ["Ada"]}  # 50.00
    >>> fc.RejectReason(bank.reserve(order)[0]).name
    'CREDIT_EXCEEDED'
    """

    minimum_holding: int = 0

    def __post_init__(self) -> None:
        check_minimum(self.minimum_holding)

    @property
    def terms(self) -> Terms:
        """Unused: nobody lends."""
        return NO_LOANS

    @property
    def rules(self) -> Rules:
        """What holds for bids and trades, as the core takes it."""
        return (self.minimum_holding, None, (0, 0))


@dataclass(frozen=True, slots=True)
class CreditBank:
    """A treasury lends what a member lacks when a slot is settled, up to its limit.

    The loan, with interest until it is due, counts against the limit from the moment an order is placed. Interest is
    simple: by whole days (UTC) on the principal outstanding. What is due is taken from the member's free money by
    :meth:`fastclear.Settlement.advance` and whenever money comes in: penalty, interest, then the oldest principal.
    After Li, Kang, Yu, Ye, Deng & Zhang 2018 (credit banks of a consortium chain); the figures are those of the worked
    ledger in ``docs/3d_profiles.md``.

    Parameters
    ----------
    interest_ppm : int, default 47000
        Interest on the principal, in parts per million every ``per_days`` days; at most 10,000,000.
    per_days : int, default 30
        What the interest is for, 1 to 36,500 days. 1: a rate a day.
    term_days : int, default 30
        Days from the draw until a loan is due, at most 36,500.
    penalty_ppm : int, default 1000
        Parts per million a day on overdue principal, on top of the interest; at most 10,000,000.
    limits : LimitPolicy, optional
        How limits follow from income and deliveries; without it they are set by hand.
    minimum_holding : int, default 0
        As in :class:`Prepaid`.

    Raises
    ------
    SettlementError
        A value that is no integer or out of range.

    Examples
    --------
    >>> import fastclear as fc
    >>> bank = fc.Settlement(profile=fc.CreditBank(interest_ppm=150, per_days=1), tariff=fc.Tariff(30, 5))
    >>> bank.open("Ada", limit=2_000_000_000)
    >>> bank.fund(10_000_000_000)
    >>> _ = bank.settle([], {"participant": ["Ada"], "energy_wh": [50_000_000]})
    >>> bank.loans.select("participant", "drawn", "due_on", "principal", "status").rows()
    [('Ada', Decimal('1500000000'), datetime.date(1970, 1, 31), Decimal('1500000000'), 'running')]
    """

    interest_ppm: int = 47_000
    per_days: int = 30
    term_days: int = 30
    penalty_ppm: int = 1_000
    limits: LimitPolicy | None = None
    minimum_holding: int = 0

    def __post_init__(self) -> None:
        _check("credit_bank", self.terms)
        if not isinstance(self.limits, LimitPolicy | None):
            raise SettlementError(f"limits is a {type(self.limits).__name__}; give a fc.LimitPolicy")
        check_minimum(self.minimum_holding)

    @property
    def terms(self) -> Terms:
        """The terms as the core takes them."""
        return (self.interest_ppm, self.per_days, self.term_days, self.penalty_ppm)

    @property
    def rules(self) -> Rules:
        """What holds for bids and trades, as the core takes it."""
        return (self.minimum_holding, None, (0, 0))


@dataclass(frozen=True, slots=True)
class PostpaidNetting:
    """Members run up to their limits; what they owe is netted and paid when a cycle is closed.

    Every member's balance is then collected or paid out in one payment. Where a payment fails the operator pays
    (novation), and the member owes it to the operator, overdue at once.

    Parameters
    ----------
    penalty_ppm : int, default 0
        Parts per million a day on what a member owes to the operator; at most 10,000,000.

    Raises
    ------
    SettlementError
        A value that is no integer or out of range.

    Examples
    --------
    >>> import fastclear as fc
    >>> bank = fc.Settlement(profile="postpaid_netting", tariff=fc.Tariff(30, 5))
    >>> bank.open(["Ada", "Bo"], limit=1_000_000_000)
    >>> book = {"side": ["buy", "sell"], "price": [200_000] * 2, "quantity": [1000] * 2, "participant": ["Ada", "Bo"]}
    >>> _ = bank.settle(fc.clear(book, fc.Uniform()))
    >>> bank.net_payments().rows()
    [('Ada', 'Bo', Decimal('200000000'))]
    """

    penalty_ppm: int = 0

    def __post_init__(self) -> None:
        _check("postpaid_netting", self.terms)

    @property
    def terms(self) -> Terms:
        """The terms as the core takes them."""
        return (0, 1, 0, self.penalty_ppm)


Profile = Prepaid | CreditBank | PostpaidNetting | Escrow2of3 | DualToken | CcpMargin | Prepayment
_BY_NAME: Final[dict[str, type[Profile]]] = {
    "prepaid": Prepaid,
    "credit_bank": CreditBank,
    "postpaid_netting": PostpaidNetting,
    "escrow_2of3": Escrow2of3,
    "dual_token": DualToken,
    "ccp_margin": CcpMargin,
    "prepayment": Prepayment,
}
_LENDING: Final = (CreditBank, PostpaidNetting)
_NAMES: Final = {kind: name for name, kind in _BY_NAME.items()}


def named(profile: object) -> tuple[str, Profile]:
    """Return the name of a profile, and the profile with the terms it has by default where only a name is given.

    Raises
    ------
    SettlementError
        What is no profile.
    """
    if isinstance(profile, str) and profile in _BY_NAME:
        return profile, _BY_NAME[profile]()
    if isinstance(profile, Profile):
        return _NAMES[type(profile)], profile
    known = ", ".join(repr(name) for name in _BY_NAME)
    raise SettlementError(f"profile {profile!r} is unknown; use {known}, or an fc.CreditBank with terms of your own")


def set_up(core: _core.Bank, name: str, profile: Profile) -> None:
    """Give a new bank its profile: the one of the core that it stands on, with its terms and rules."""
    stands_on = name if isinstance(profile, _LENDING) else getattr(profile, "stands_on", "prepaid")
    core.set_profile(stands_on, profile.terms)
    core.set_rules(*getattr(profile, "rules", NO_RULES))


def _check(name: str, terms: Terms) -> None:
    for field, value in zip(("interest_ppm", "per_days", "term_days", "penalty_ppm"), terms, strict=True):
        if not 0 <= whole(field, value) <= _UINT32_MAX:
            raise SettlementError(f"profile {name}: {field} = {value}; keep it between 0 and 10000000")
    tariff = Tariff(0, 0)
    _core.Bank((tariff.retail, tariff.feed_in, 0, 0, 0), "backup", (0, 0, 0)).set_profile(name, terms)
