"""The escrow desk of a bank: offers, deals in escrow, what was delivered, and who agrees to that."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import copy
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear.audit.deals import DEALS
from fastclear.audit.report import broken
from fastclear.columns import Participant, checked_name, int64, items
from fastclear.credit_desk import CreditDesk
from fastclear.desks import Desk
from fastclear.entries import HOUSE, line
from fastclear.errors import SettlementError
from fastclear.escrow_deals import OPEN, PRICE_MAX, Deal, Deals, Escrow2of3, Line
from fastclear.members import participant_series
from fastclear.netting import money as money_series
from fastclear.tariffs.local_time import slot_ns

if TYPE_CHECKING:
    from fastclear.receipts import Receipts
    from fastclear.settlement import Settlement

_ESCROWED: Final = line("trade", "escrowed")
_BUYER_BOND, _SELLER_BOND = line("net", "buyer_bond"), line("net", "seller_bond")
_QUANTITY_MAX: Final = 2**31 - 1
_NO_ROWS: Final = (np.empty(0, np.uint64), np.empty(0, np.int64))

Integers = int | Iterable[int]
Words = str | Iterable[str]


class DealBook(Desk):
    """The deals of a bank; those that a slot funds begin when it is settled."""

    def __init__(self, profile: Escrow2of3) -> None:
        self.deals = Deals(profile)
        self._first = 0

    def __copy__(self) -> DealBook:
        """Return a book of its own."""
        twin = DealBook(self.deals.profile)
        twin.deals = copy(self.deals)
        return twin

    def before_slot(self, bank: Settlement) -> None:
        """Note where the postings of the slot begin."""
        self._first = bank._bank.postings()

    def after_slot(self, bank: Settlement, receipts: Receipts) -> None:
        """Begin the deals that it has funded."""
        bank._begin_deals(receipts, self._first)

    def check(self, bank: Settlement) -> None:
        """What deals hold is in escrow."""
        posted = int(bank._bank.available(HOUSE["escrow"]) or 0)
        if (held := sum(deal.held for deal in self.deals.by_number.values())) > posted:
            raise broken(DEALS, f"deals hold {held}, {posted} is in escrow")


class EscrowDesk(CreditDesk):
    """What a bank with the profile ``escrow_2of3`` can do beside what every bank does.

    Columns are one value or one value a row. A call with a row that cannot be raises and changes nothing.
    """

    _desk: Desk

    def offer(
        self,
        buyer: Participant | Iterable[Participant],
        seller: Participant | Iterable[Participant],
        energy_wh: Integers,
        price: Integers,
        *,
        by: Words = "seller",
    ) -> NDArray[np.int64]:
        """Offer deals between two members, outside of any market.

        Parameters
        ----------
        buyer, seller : str, int, or an iterable of them
            Between whom.
        energy_wh : int, or an iterable of them
            Wh, 1 to 2^31 - 1.
        price : int, or an iterable of them
            Ticks a unit, 0 to 2^31 - 1.
        by : {"seller", "buyer"}, or an iterable of them
            Who offers; the other one can :meth:`agree`.

        Returns
        -------
        ndarray of int64
            The number of each deal.

        Raises
        ------
        SettlementError
            Another profile, a stranger, a deal with oneself, or a value out of range; then nothing is offered.
        """
        deals = self._escrow()
        members = [[self._self.account(checked_name(name)) for name in items(side)] for side in (buyer, seller)]
        columns = _columns(
            buyer=members[0],
            seller=members[1],
            energy_wh=int64("energy_wh", items(energy_wh)).tolist(),
            price=int64("price", items(price)).tolist(),
            by=items(by),
        )
        deadline = deals.deadline(self._bank.now())
        offered = []
        for number, (buys, sells, energy, ticks, role) in enumerate(zip(*columns, strict=True), len(deals)):
            if buys == sells:
                raise SettlementError(f"deal {number}: {self._self.names([buys])[0]!r} on both sides; name two members")
            if not 1 <= energy <= _QUANTITY_MAX or not 0 <= ticks <= PRICE_MAX:
                raise SettlementError(f"deal {number}: {energy} Wh at {ticks} ticks; both have to be below 2^31")
            if role not in ("buyer", "seller"):
                raise SettlementError(f"by={role!r}; a deal is offered by its 'buyer' or its 'seller'")
            offered.append(Deal(number, buys, sells, energy, ticks, energy * ticks, deadline, offered_by=role))
        deals.by_number.update((deal.number, deal) for deal in offered)
        return np.array([deal.number for deal in offered], np.int64)

    def agree(self, deal: Integers, by: Words, terms_hash: Words | None = None) -> None:
        """Agree to offers, as the side that did not make them.

        Parameters
        ----------
        deal : int, or an iterable of them
            Numbers of deals.
        by : {"buyer", "seller"}, or an iterable of them
            Who agrees.
        terms_hash : str, or an iterable of them, optional
            What it agrees to: ``bank.escrows["terms_hash"]``. Given, it has to be that of the deal.

        Raises
        ------
        SettlementError
            A deal that is no open offer, the side that offered it, or other terms.
        """
        deals, now = self._escrow(), self._bank.now()

        def step(found: Deal, role: str, terms: str | None) -> Deal:
            if terms is not None and terms != found.terms_hash(deals.profile):
                raise SettlementError(f"deal {found.number} has other terms than {terms}; look at bank.escrows")
            return found.agreed(role, now)

        self._step(step, deal=_numbers(deal), by=items(by), terms_hash=items(terms_hash))

    def fund_escrow(self, deal: Integers, *, slot: int | datetime | None = None) -> Receipts:
        """Take payments, fees, tax and bonds of deals that are agreed, as in the settlement of a slot.

        Deals of a clearing are funded by :meth:`fastclear.Settlement.settle`. The lines carry the first 24 bytes of the
        terms hash: ``market``, ``buy_order`` and ``sell_order``, little-endian.

        Parameters
        ----------
        deal : int, or an iterable of them
            Numbers of deals.
        slot : int or datetime, optional
            Whose prices hold; needed under a :class:`fastclear.TariffPlan`.

        Returns
        -------
        Receipts
            Every posting since the last receipts.

        Raises
        ------
        SettlementError
            A deal that is not agreed or has lapsed, a buyer or seller that lacks money; then nothing is taken.
        """
        deals, now = self._escrow(), self._bank.now()
        found = [deals.get(number) for number in _numbers(deal)]
        for each in found:
            each.needs("agreed")
            each.before_deadline(now)
        numbers = [each.number for each in found]
        if len(set(numbers)) < len(numbers):
            raise SettlementError("a deal is named twice; fund each one once")
        n = len(found)
        rows = np.arange(n, dtype=np.int64)
        accounts = np.array([member for each in found for member in (each.buyer, each.seller)], np.uint64)
        price = np.array([each.price for each in found], np.int64)
        payment = np.array([each.payment for each in found], np.int64)
        plan = self._self._plan
        terms = plan.terms(slot)
        fees = plan.fees_of_trades(terms, accounts, 2 * rows, 2 * rows + 1)
        plan.tell(self._bank, terms)
        first = self._bank.postings()
        hashes = b"".join(bytes.fromhex(each.terms_hash(deals.profile))[:24] for each in found)
        agreed = np.frombuffer(hashes, "<u8").astype(np.uint64).reshape(n, 3)
        clearing = (
            np.tile(np.array([1, 0], np.uint8), n),
            accounts,
            np.repeat(agreed[:, 0], 2),
            agreed[:, 1:].flatten(),
            2 * rows,
            2 * rows + 1,
            np.array([each.energy_wh for each in found], np.int64),
            price,
            price,
            (payment, payment, 1, True, HOUSE["platform"], fees),
        )
        try:
            self._bank.settle([clearing], [], *_NO_ROWS, False, 0)
        except SettlementError as error:
            raise SettlementError(f"deals {numbers} cannot be funded: {error}") from error
        slots = self._self._slots
        slots.add(None if slot is None else slot_ns(slot), _NO_ROWS[0], None)
        receipts = self._self._hand_out(slot_number=len(slots) - 1)
        self._begin_deals(receipts, first, found)
        return receipts

    def deliver(self, deal: Integers, energy_wh: Integers) -> None:
        """Say what the meter attests for deals that are funded.

        Parameters
        ----------
        deal : int, or an iterable of them
            Numbers of deals.
        energy_wh : int, or an iterable of them
            Wh that were delivered, from 0 to those of the deal.

        Raises
        ------
        SettlementError
            A deal that is not funded or has its attestation, or energy that cannot be.
        """
        energy = int64("energy_wh", items(energy_wh)).tolist()
        self._step(Deal.delivered, deal=_numbers(deal), energy_wh=energy)

    def approve(self, deal: Integers, by: Words, energy_wh: Integers | None = None) -> None:
        """Approve what was delivered; two of the three who approve the same energy end a deal.

        Buyer and seller together release it, the arbiter and one of them rule. Then the seller is paid for what it
        delivered, the buyer gets back the rest and a penalty out of the seller's bond, and both get back their bonds. A
        role counts once; one that speaks again has changed its mind.

        Parameters
        ----------
        deal : int, or an iterable of them
            Numbers of deals; one may stand in several rows.
        by : {"buyer", "seller", "arbiter"}, or an iterable of them
            Who approves.
        energy_wh : int, or an iterable of them, optional
            Wh that it approves; by default what the meter attested.

        Raises
        ------
        SettlementError
            A deal without an attestation or at its end, another role, or energy that cannot be.
        """
        energy = [None] if energy_wh is None else int64("energy_wh", items(energy_wh)).tolist()
        self._step(Deal.approved, deal=_numbers(deal), by=items(by), energy_wh=energy)

    def refund(self, deal: Integers) -> None:
        """End deals after their timeout: everybody has their own back. Fees and tax are not given back.

        Parameters
        ----------
        deal : int, or an iterable of them
            Numbers of deals, delivered or not; offers that have lapsed are ended as well.

        Raises
        ------
        SettlementError
            A deal before its deadline or at its end.
        """
        now = self._bank.now()
        self._step(lambda found: found.refunded(now), deal=_numbers(deal))

    @property
    def escrows(self) -> pl.DataFrame:
        """One row a deal, by number.

        ``deal``, ``state`` (``offer``, ``agreed``, ``funded``, ``delivered``; at the end ``released``, ``ruled`` or
        ``refunded``), ``buyer``, ``seller``, ``energy_wh``, ``price`` (ticks, null where the payment is none a unit),
        ``payment``, ``buyer_bond``, ``seller_bond``, ``held`` (in escrow now; nano-currency, Decimal(38, 0)),
        ``delivered_wh`` (attested, or agreed at the end), ``approved_by`` (list of roles), ``deadline`` (ns of engine
        time), ``funded_by`` (seq of the posting that brought the payment), ``terms_hash`` (see the chapter on escrow).
        """
        deals = self._escrow()
        found = list(deals.by_number.values())
        named: dict[str, pl.Series] = {}
        for side in ("buyer", "seller"):
            names = self._self.names([getattr(each, side) for each in found])
            named[side] = participant_series(names).alias(side)
        money = {
            name: money_series(name, [getattr(each, name) for each in found])
            for name in ("payment", "buyer_bond", "seller_bond", "held")
        }
        return pl.DataFrame(
            [
                pl.Series("deal", [each.number for each in found], dtype=pl.Int64),
                pl.Series("state", [each.state for each in found], dtype=pl.String),
                *named.values(),
                pl.Series("energy_wh", [each.energy_wh for each in found], dtype=pl.Int64),
                pl.Series("price", [each.price for each in found], dtype=pl.Int64),
                *money.values(),
                pl.Series("delivered_wh", [each.delivered_wh for each in found], dtype=pl.Int64),
                pl.Series("approved_by", [[r for r, _ in each.approvals] for each in found], dtype=pl.List(pl.String)),
                pl.Series("deadline", [each.deadline for each in found], dtype=pl.Int64),
                pl.Series("funded_by", [each.seq for each in found], dtype=pl.UInt64),
                pl.Series("terms_hash", [each.terms_hash(deals.profile) for each in found], dtype=pl.String),
            ]
        )

    def close(self, participant: Participant) -> None:
        """Close an account for good: nothing moves on it any more, and its orders are refused (``account_blocked``).

        Raises
        ------
        SettlementError
            A stranger, an account closed already, one that still holds, owes or has reserved something, or that has a
            deal which is not at its end.
        """
        account = self._self.account(participant)
        for deal in self._deals.by_number.values() if self._deals else ():
            if deal.state in OPEN and account in (deal.buyer, deal.seller):
                raise SettlementError(f"participant {participant}: deal {deal.number} is {deal.state}; end it first")
        super().close(participant)

    # -- steps
    # --------------------------------------------------------------------------------------------------

    def _step(self, step: Callable[..., Deal], deal: list[int], **columns: list[Any]) -> None:
        """Take one step a row, on copies, and enter what ends a deal; then keep the copies."""
        deals = self._escrow()
        changed: dict[int, Deal] = {}
        numbers, *rest = _columns(deal=deal, **columns)
        for number, *values in zip(numbers, *rest, strict=True):
            changed[number] = step(changed.get(number) or deals.get(number), *values)
        over = [found for found in changed.values() if found.state not in OPEN]
        self._enter([(found, each) for found in over for each in found.payout(deals.profile.shortfall_penalty)])
        deals.by_number.update(changed)

    def _enter(self, lines: list[tuple[Deal, Line]]) -> None:
        """Enter the lines that end deals. They only give back, so that nothing can be lacking."""
        if not lines:
            return
        kinds = [each.kind for _, each in lines]
        self._bank.enter(
            np.array([kind for kind, _ in kinds], np.uint8),
            np.array([code for _, code in kinds], np.uint16),
            np.array([each.debit for _, each in lines], np.uint64),
            np.array([each.credit for _, each in lines], np.uint64),
            np.array([each.amount for _, each in lines], np.int64),
            group=np.array([found.seq for found, _ in lines], np.int64),
            quantity=np.array([each.quantity for _, each in lines], np.int64),
            price=np.array([each.price for _, each in lines], np.int64),
            forced=True,
        )

    def _begin_deals(self, receipts: Receipts, first: int, agreed: list[Deal] | None = None) -> None:
        """Note the deals that postings from ``first`` on have funded: those agreed, or new ones."""
        deals = self._escrow()
        columns = receipts.columns
        new = columns["seq"] >= first
        of = {
            key: np.flatnonzero(new & (columns["kind"] == key[0]) & (columns["code"] == key[1]))
            for key in (_ESCROWED, _BUYER_BOND, _SELLER_BOND)
        }
        deadline = deals.deadline(self._bank.now())
        fields = ("seq", "quantity", "price", "amount")
        payments = zip(*(columns[name][of[_ESCROWED]].tolist() for name in fields), strict=True)
        bonds = zip(
            *(columns[name][of[key]].tolist() for key in (_BUYER_BOND, _SELLER_BOND) for name in ("debit", "amount")),
            strict=True,
        )
        start = len(deals)
        for index, ((seq, energy, price, amount), bond) in enumerate(zip(payments, bonds, strict=True)):
            buyer, buyer_bond, seller, seller_bond = bond
            ticks = price if price * energy == amount else None
            deal = (
                Deal(start + index, buyer, seller, energy, ticks, amount, deadline) if agreed is None else agreed[index]
            )
            deals.by_number[deal.number] = replace(
                deal, state="funded", seq=seq, buyer_bond=buyer_bond, seller_bond=seller_bond, deadline=deadline
            )

    @property
    def _deals(self) -> Deals | None:
        return self._desk.deals if isinstance(self._desk, DealBook) else None

    def _escrow(self) -> Deals:
        if self._deals is None:
            raise SettlementError("this bank has no escrow; use profile escrow_2of3")
        return self._deals

    @property
    def _self(self) -> Settlement:
        return cast("Settlement", self)


def _numbers(deal: object) -> list[int]:
    return cast("list[int]", int64("deal", items(deal)).tolist())


def _columns(**columns: list[Any]) -> list[list[Any]]:
    """Columns of one length; one value stands for as many as there are."""
    n = max(map(len, columns.values()))
    if any(not column for column in columns.values()):
        n = 0
    for name, column in columns.items():
        if len(column) not in (1, n):
            raise SettlementError(
                f"column '{name}' has {len(column)} rows, the others {n}; give one value, or one a row"
            )
    return [column * n if len(column) == 1 else column for column in columns.values()]
