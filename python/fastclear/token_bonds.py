"""Bonds of access tokens, and how much pegged credit they carry: exact, and nothing here touches an account.

``token_desk.py`` has the calls of a bank.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from typing import Final

from fastclear.errors import SettlementError
from fastclear.profile_terms import NO_LOANS, Rules, Terms, check_minimum, within
from fastclear.ratio import Ratio, ratio

NANO: Final = 10**9
_WHOLE: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class DualToken:
    """The bank's money is a pegged credit; hosts bond access tokens and may issue as much as their bond is worth.

    Credit is issued to a member against outside money (a deposit) while what its host has outstanding stays within
    bond x price x (1 - haircut) / peg, and is burnt by a withdrawal. A fall of the price stops issues, and takes
    nothing from anybody. After Power Ledger (POWR and Sparkz); the worked ledger is in
    ``docs/3h_escrow_and_tokens.md``.

    Parameters
    ----------
    peg : int, str, Decimal or Fraction, default "0.01"
        Outside currency that one unit of credit is bought and redeemed for, above 0.
    haircut_ppm : int, default 250000
        Part of a bond's worth that carries no credit, in parts per million; at most 1,000,000.
    price : int, str, Decimal or Fraction, default 1
        Outside currency that one token is worth to begin with, 0 or more; see
        :meth:`fastclear.Settlement.set_token_price`.
    platform_ppm, dso_ppm : int, default 0
        Parts per million of what a seller receives for a trade that the platform and the network take out of it, each
        rounded down; the seller has what is rounded off. 1,000,000 together at most.
    minimum_holding : int, default 0
        As in :class:`fastclear.Prepaid`.

    Raises
    ------
    SettlementError
        A float, or a value that is out of range.

    Examples
    --------
    >>> import fastclear as fc
    >>> bank = fc.Settlement(profile=fc.DualToken(price="0.40"), tariff=fc.Tariff(30_000_000, 5_000_000))
    >>> bank.open(["host", "Ada"])
    >>> bank.join("Ada", "host")
    >>> bank.bond("host", 10_000)
    >>> bank.deposit("Ada", 200_000 * 10**9)
    >>> bank.set_token_price("0.25")
    >>> bank.hosts.select("participant", "frozen", "tokens_needed").rows()
    [('host', True, 667)]
    """

    peg: Ratio = "0.01"
    haircut_ppm: int = 250_000
    price: Ratio = 1
    platform_ppm: int = 0
    dso_ppm: int = 0
    minimum_holding: int = 0

    def __post_init__(self) -> None:
        if ratio("peg", self.peg) <= 0:
            raise SettlementError(f"peg = {self.peg}; give what one unit of credit costs, above 0")
        token_price(self.price)
        within("haircut_ppm", self.haircut_ppm, _WHOLE)
        within("platform_ppm", self.platform_ppm, _WHOLE)
        within("dso_ppm", self.dso_ppm, _WHOLE - self.platform_ppm)
        check_minimum(self.minimum_holding)

    @property
    def terms(self) -> Terms:
        """Unused: nobody lends."""
        return NO_LOANS

    @property
    def rules(self) -> Rules:
        """What holds for bids and trades, as the core takes it."""
        return (self.minimum_holding, None, (self.platform_ppm, self.dso_ppm))


def token_price(value: object) -> Fraction:
    """Outside currency that one token is worth; 0 or more."""
    return ratio("price", value)


class Bonds:
    """Who hosts whom, what each host has outstanding, and the price of a token.

    Attributes
    ----------
    price : Fraction
        Outside currency a token.
    host_of : dict of int to int
        Account of the host of a member; who is not here is its own.
    outstanding : dict of int to int
        Nano-credit by account of the host.
    """

    def __init__(self, profile: DualToken) -> None:
        self.profile = profile
        self.peg = ratio("peg", profile.peg)
        self.price = token_price(profile.price)
        self.host_of: dict[int, int] = {}
        self.outstanding: dict[int, int] = {}

    def __copy__(self) -> Bonds:
        """Bonds of their own."""
        twin = Bonds(self.profile)
        twin.price = self.price
        twin.host_of, twin.outstanding = self.host_of.copy(), self.outstanding.copy()
        return twin

    @property
    def carries(self) -> Fraction:
        """Nano-credit that one token carries."""
        return self.price * (_WHOLE - self.profile.haircut_ppm) / _WHOLE / self.peg * NANO

    def capacity(self, tokens: int) -> int:
        """Nano-credit that tokens carry, rounded down."""
        return floor(tokens * self.carries)

    def needed(self, outstanding: int) -> int | None:
        """Tokens that carry an amount, rounded up; None where no number does."""
        if not outstanding:
            return 0
        return ceil(outstanding / self.carries) if self.carries else None

    def reserve(self, outstanding: int) -> Fraction:
        """Outside money that stands behind an amount, in its nano-currency."""
        return outstanding * self.peg

    def issued(
        self, rows: Iterable[tuple[int, int]], bond: Callable[[int], int], name: Callable[[int], object]
    ) -> dict[int, int]:
        """What is outstanding once each (account, amount) is issued by the member's host.

        Raises
        ------
        SettlementError
            A host whose bond carries no more.
        """
        after = self.outstanding.copy()
        for account, amount in rows:
            host = self.host_of.get(account, account)
            after[host] = after.get(host, 0) + max(amount, 0)
            capacity = self.capacity(bond(host))
            if amount > 0 and after[host] > capacity:
                raise SettlementError(
                    f"participant {name(account)}: {amount} cannot be issued; the {bond(host)} tokens that host "
                    f"{name(host)} has bonded carry {capacity}, {after[host] - amount} is outstanding; bond more tokens"
                )
        return after

    def burnt(self, rows: Iterable[tuple[int, int]]) -> dict[int, int]:
        """What is outstanding once each (account, amount) is burnt: of the member's host first, then of the others.

        Credit is the same whoever issued it, and wanders by trade. So a member may redeem more than its own host has
        outstanding; the rest is taken from the other hosts in order of account.

        Raises
        ------
        SettlementError
            More than all hosts have outstanding.
        """
        after = self.outstanding.copy()
        for account, amount in rows:
            own, left = self.host_of.get(account, account), max(amount, 0)
            for host in (own, *(other for other in sorted(after) if other != own)):
                part = min(left, after.get(host, 0))
                if part:
                    after[host] -= part
                    left -= part
            if left:
                raise SettlementError(
                    f"cannot redeem {amount}: {amount - left} is outstanding, and no outside money stands behind the "
                    "rest"
                )
        return after
