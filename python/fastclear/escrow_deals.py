"""Deals of which the payment waits in escrow: their terms, their states, and who is paid what in the end.

Nothing here touches an account; ``escrow_desk.py`` has the calls of a bank.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, NamedTuple

from fastclear.columns import INT64_MAX, whole
from fastclear.entries import HOUSE, line
from fastclear.errors import SettlementError
from fastclear.profile_terms import NO_LOANS, Rules, Terms, check_minimum, within

PRICE_MAX: Final = 2**31 - 1
BOND_MOST: Final = 10_000_000
ROLES: Final = ("buyer", "seller", "arbiter")
OPEN: Final = ("offer", "agreed", "funded", "delivered")
"""States that a deal can leave; the others are final."""
HELD: Final = ("funded", "delivered")
"""States in which money is in escrow."""

_TERMS: Final = struct.Struct("<8s3Q6q")
_RELEASED, _RETURNED = line("trade", "released"), line("trade", "returned")
_BOND, _PENALTY = line("net", "bond_returned"), line("imbalance", "delivery_penalty")
_ESCROW: Final = HOUSE["escrow"]


@dataclass(frozen=True, slots=True)
class Escrow2of3:
    """What a buyer pays for a trade waits in escrow, with a bond of both, until two of three let it go.

    Buyer, seller and an arbiter have a say; none of them can do anything alone. What was delivered is paid for, what
    was not goes back to the buyer, with a penalty out of the seller's bond. After a timeout everybody has their own
    back. After the multi-signature settlement of Aitzhan & Svetinovic 2016; the worked ledger is in
    ``docs/3h_escrow_and_tokens.md``.

    Parameters
    ----------
    bond_ppm : int, default 100000
        Bond of each side in parts per million of what it pays or is to receive for the energy, rounded down; at most
        10,000,000.
    shortfall_penalty : int, default 0
        Ticks a unit that the seller pays to the buyer for energy it did not deliver, on top of not being paid for it;
        at most its bond.
    timeout : timedelta or int, default 7 days
        After this long on the engine clock (an integer is nanoseconds) an offer lapses, and a funded deal can be
        refunded.
    minimum_holding : int, default 0
        As in :class:`fastclear.Prepaid`.

    Raises
    ------
    SettlementError
        A value that is no integer or out of range.

    Examples
    --------
    >>> import fastclear as fc
    >>> bank = fc.Settlement(profile=fc.Escrow2of3(shortfall_penalty=30_000), tariff=fc.Tariff(300_000, 50_000))
    >>> bank.open(["Ada", "Bo"])
    >>> bank.deposit(["Ada", "Bo"], 5 * 10**9)
    >>> deal = bank.offer("Ada", "Bo", energy_wh=20_000, price=150_000)
    >>> bank.agree(deal, by="buyer")
    >>> _ = bank.fund_escrow(deal)
    >>> bank.deliver(deal, 15_000)
    >>> bank.approve([0, 0], by=["buyer", "seller"])
    >>> bank.escrows["state"].to_list(), bank.available("Ada"), bank.available("Bo")
    (['released'], 2900000000, 7100000000)
    """

    bond_ppm: int = 100_000
    shortfall_penalty: int = 0
    timeout: int | timedelta = timedelta(days=7)
    minimum_holding: int = 0

    def __post_init__(self) -> None:
        within("bond_ppm", self.bond_ppm, BOND_MOST)
        within("shortfall_penalty", self.shortfall_penalty, PRICE_MAX)
        if not 0 < self.timeout_ns <= INT64_MAX:
            raise SettlementError(f"timeout = {self.timeout}; give a timedelta, or nanoseconds, above 0")
        check_minimum(self.minimum_holding)

    @property
    def timeout_ns(self) -> int:
        """The timeout in nanoseconds."""
        if isinstance(self.timeout, timedelta):
            return self.timeout // timedelta(microseconds=1) * 1000
        return whole("timeout", self.timeout)

    @property
    def terms(self) -> Terms:
        """Unused: nobody lends."""
        return NO_LOANS

    @property
    def rules(self) -> Rules:
        """What holds for bids and trades, as the core takes it."""
        return (self.minimum_holding, self.bond_ppm, (0, 0))


class Line(NamedTuple):
    """One line as the core enters it."""

    kind: tuple[int, int]
    debit: int
    credit: int
    amount: int
    quantity: int = 0
    price: int = 0


@dataclass(frozen=True, slots=True)
class Deal:
    """One deal; a step makes another one of it, and money in nano-currency is never divided otherwise than here.

    ``price`` is None where the payment is no price a unit; ``approvals`` has the energy that each role has approved;
    ``seq`` is the posting that brought the payment, None before; ``deadline`` is engine time in ns.
    """

    number: int
    buyer: int
    seller: int
    energy_wh: int
    price: int | None
    payment: int
    deadline: int
    state: str = "offer"
    offered_by: str | None = None
    buyer_bond: int = 0
    seller_bond: int = 0
    seq: int | None = None
    delivered_wh: int | None = None
    approvals: tuple[tuple[str, int], ...] = ()

    def terms_hash(self, profile: Escrow2of3) -> str:
        """SHA-256 of the terms, hexadecimal.

        Of 80 bytes, little-endian: ``FCDEAL1`` and a zero byte; number, account of the buyer, account of the seller
        (u64); energy in Wh, price in ticks (0 where there is none a unit), payment in nano-currency, bond in ppm,
        penalty in ticks, timeout in ns (i64).
        """
        packed = _TERMS.pack(
            b"FCDEAL1\0",
            *(self.number, self.buyer, self.seller),
            *(self.energy_wh, self.price or 0, self.payment),
            *(profile.bond_ppm, profile.shortfall_penalty, profile.timeout_ns),
        )
        return hashlib.sha256(packed).hexdigest()

    @property
    def held(self) -> int:
        """Nano-currency in escrow for it."""
        return self.payment + self.buyer_bond + self.seller_bond if self.state in HELD else 0

    def needs(self, *states: str) -> None:
        """Refuse a step that is not for the state the deal is in."""
        if self.state not in states:
            wanted = " or ".join(states)
            raise SettlementError(f"deal {self.number} is {self.state}; this step is for one that is {wanted}")

    def before_deadline(self, now: int) -> None:
        """Refuse an offer that has lapsed."""
        if now >= self.deadline:
            raise SettlementError(f"the offer of deal {self.number} lapsed at {self.deadline} ns; make another one")

    def agreed(self, by: str, now: int) -> Deal:
        """The offer, taken by the other side."""
        self.needs("offer")
        self.before_deadline(now)
        if by not in ("buyer", "seller") or by == self.offered_by:
            raise SettlementError(
                f"deal {self.number} was offered by its {self.offered_by}; by={by!r} cannot agree to it, the other "
                "side can"
            )
        return replace(self, state="agreed")

    def delivered(self, energy_wh: int) -> Deal:
        """What the meter attests."""
        self.needs("funded")
        return replace(self, state="delivered", delivered_wh=self.checked(energy_wh))

    def checked(self, energy_wh: int) -> int:
        """Energy between nothing and all of the deal."""
        if not 0 <= energy_wh <= self.energy_wh:
            raise SettlementError(f"deal {self.number}: {energy_wh} Wh; give 0 to its {self.energy_wh} Wh")
        return energy_wh

    def approved(self, by: str, energy_wh: int | None) -> Deal:
        """One more say; two of one opinion end the deal. A role that speaks again has changed its mind."""
        self.needs("delivered")
        if by not in ROLES:
            raise SettlementError(f"by={by!r} is no role of a deal; use 'buyer', 'seller' or 'arbiter'")
        energy = self.delivered_wh if energy_wh is None else self.checked(energy_wh)
        said = dict(self.approvals)
        said[by] = energy or 0
        agreeing = {role for role, opinion in said.items() if opinion == said[by]}
        approvals = tuple(sorted(said.items()))
        if len(agreeing) < 2:
            return replace(self, approvals=approvals)
        state = "released" if agreeing == {"buyer", "seller"} else "ruled"
        return replace(self, state=state, delivered_wh=said[by], approvals=approvals)

    def refunded(self, now: int) -> Deal:
        """Everybody has their own back."""
        self.needs(*OPEN)
        if now < self.deadline:
            raise SettlementError(f"deal {self.number} cannot be refunded before {self.deadline} ns; it is {now} ns")
        return replace(self, state="refunded")

    def payout(self, penalty: int) -> Iterator[Line]:
        """The lines that end it: all that is in escrow for it, and the penalty out of the seller's bond."""
        if self.seq is None:
            return
        delivered = 0 if self.state == "refunded" else self.delivered_wh or 0
        short = self.energy_wh - delivered
        earned = self.payment * delivered // self.energy_wh
        price = self.price or 0
        if delivered:
            yield Line(_RELEASED, _ESCROW, self.seller, earned, delivered, price)
        if short:
            yield Line(_RETURNED, _ESCROW, self.buyer, self.payment - earned, short, price)
        for member, bond in ((self.buyer, self.buyer_bond), (self.seller, self.seller_bond)):
            if bond:
                yield Line(_BOND, _ESCROW, member, bond)
        due = penalty * short
        if self.state != "refunded" and min(due, self.seller_bond):
            capped = due > self.seller_bond
            amount, price = (self.seller_bond, 0) if capped else (due, penalty)
            yield Line(_PENALTY, self.seller, self.buyer, amount, short, price)


class Deals:
    """All deals of a bank, by number."""

    def __init__(self, profile: Escrow2of3) -> None:
        self.profile = profile
        self.by_number: dict[int, Deal] = {}

    def __copy__(self) -> Deals:
        """Deals of their own; a deal itself never changes."""
        twin = Deals(self.profile)
        twin.by_number = self.by_number.copy()
        return twin

    def get(self, number: int) -> Deal:
        """The deal with this number."""
        deal = self.by_number.get(number)
        if deal is None:
            raise SettlementError(f"there is no deal {number}; bank.escrows lists them")
        return deal

    def deadline(self, now: int) -> int:
        """When what begins now times out."""
        return min(now + self.profile.timeout_ns, INT64_MAX)

    def __len__(self) -> int:
        return len(self.by_number)
