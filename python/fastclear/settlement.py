"""Settlement: accounts, reservations before the market, postings after it.

A :class:`Settlement` is a bank. Before a gate it sets money aside for every bid (:meth:`Settlement.reserve`);
after it, it draws what the trades cost, pays everybody, and prices what was metered but not traded
(:meth:`Settlement.settle`). What it hands out are postings (:class:`~fastclear.receipts.Receipts`), the only
thing that ever changes an account.

Money is an integer number of nano-currency (10**-9), price ticks times Wh. ``docs/3_settlement.md`` has the
rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear import _core
from fastclear.audit.settlement import SettlementReport
from fastclear.audit.watch import Watched, audited
from fastclear.book.clearing import joined
from fastclear.book.events import BookEvents
from fastclear.clearing_columns import Cleared, Settled, cleared_columns, ids, meter_columns, meter_frame
from fastclear.columns import INT64_MAX, Participant, whole
from fastclear.disputes import Dispute, Disputes
from fastclear.energy_credit_desk import EnergyCreditDesk
from fastclear.errors import SettlementError
from fastclear.escrow_deals import Escrow2of3
from fastclear.escrow_desk import EscrowDesk
from fastclear.imbalance import Backup, Imbalance, ShortfallAllocation, encoded
from fastclear.invoices.desk import InvoiceDesk
from fastclear.limit_desk import LimitDesk
from fastclear.margin_desk import MarginDesk
from fastclear.members import Members
from fastclear.netting import money as money_series
from fastclear.orders import Orders, encode
from fastclear.pool_lines import pool_columns
from fastclear.prepayment_desk import PrepaymentDesk
from fastclear.profile_desks import desk_of
from fastclear.profiles import Profile, named, set_up
from fastclear.receipts import Receipts, read_only
from fastclear.resettlement import Resettlement, SettledSlots, delay, reading_versions
from fastclear.sharing import SharingClearing
from fastclear.statements.exposure import Exposure, exposure
from fastclear.tariff import Tariff
from fastclear.tariffs.fixed_charges import FixedCharges
from fastclear.tariffs.in_force import InForce
from fastclear.tariffs.local_time import slot_ns
from fastclear.tariffs.plan import TariffPlan
from fastclear.tariffs.subscriptions import Subscriptions
from fastclear.token_desk import TokenDesk
from fastclear.units import Units

PRICE_MAX: Final = 2**31 - 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Settlement(
    EscrowDesk,
    TokenDesk,
    LimitDesk,
    MarginDesk,
    PrepaymentDesk,
    EnergyCreditDesk,
    FixedCharges,
    Resettlement,
    InvoiceDesk,
    Disputes,
):
    """The accounts of a community, and what happens to them slot by slot.

    Parameters
    ----------
    profile : str, or an object with terms of its own
        ``"prepaid"``: a member can bid for what its balance and credit limit cover, and no more; every slot
        is final. ``"credit_bank"``: a treasury lends what a member lacks. ``"postpaid_netting"``: what members owe is
        netted and paid by :meth:`close_cycle`; ``"ccp_margin"`` asks for collateral before. ``"escrow_2of3"``: payments
        wait in escrow until two of three let them go. ``"dual_token"``: money is a pegged credit, issued against bonds
        of access tokens. ``"prepayment"``: meters with emergency credit. ``docs/3d_profiles.md`` has all of them.
    tariff : Tariff or TariffPlan
        Retail and feed-in price, fees and tax: for all slots, or slot by slot.
    imbalance : Backup, SinglePrice, DualPrice, Pooled or ShortfallAllocation, default Backup()
        What a deviation between metered and traded energy costs, and who has what is left over.
    confirm_after : int or timedelta, default 0
        How long a slot is provisional on the engine clock, in nanoseconds or as a timedelta; with 0 every slot is final
        at once. Needs the profile ``"prepaid"``; see :meth:`reverse`.
    audit : bool, default False
        Check every invariant after every call; see :meth:`audit`. For tests and trials: it costs more than the calls.

    Raises
    ------
    SettlementError
        An unknown profile, a tariff or policy of another type, or a delay that cannot be.

    Notes
    -----
    State is a fold over postings. Every call either does all it says or raises and changes nothing. Available
    money is ``posted + limit - pending_out``; only metering may take it below zero, because energy that has
    flowed must be paid; then the member is ``restricted`` and every bid is refused until a deposit lifts it
    to zero again. Reserving and settling a slot of 60 members costs about 0.2 ms; text ids cost a little more
    than integers.

    Examples
    --------
    >>> import fastclear as fc
    >>> bank = fc.Settlement(tariff=fc.Tariff.from_ct_per_kwh(30, 5))
    >>> bank.open(["Ada", "Bo"])
    >>> bank.deposit("Ada", 1_000_000_000)  # one currency unit
    >>> orders = {
    ...     "side": ["buy", "sell"],
    ...     "price": [200_000, 100_000],
    ...     "quantity": [1000, 1000],
    ...     "participant": ["Ada", "Bo"],
    ... }
    >>> bank.reserve(orders)
    array([0, 0], dtype=uint16)
    >>> receipts = bank.settle(fc.clear(orders, fc.Uniform()), {"participant": ["Ada"], "energy_wh": [1000]})
    >>> receipts.by_participant()["net"].to_list()
    [150000000, -150000000]
    """

    def __init__(
        self,
        profile: str | Profile = "prepaid",
        *,
        tariff: Tariff | TariffPlan,
        imbalance: Imbalance | None = None,
        confirm_after: int | timedelta = 0,
        audit: bool = False,
    ) -> None:
        self.profile, terms = named(profile)
        if not isinstance(tariff, Tariff | TariffPlan):
            raise SettlementError(f"tariff is a {type(tariff).__name__}; give a fc.Tariff or a fc.TariffPlan")
        self.tariff = tariff
        self.imbalance = Backup() if imbalance is None else imbalance
        # under a plan each call of a slot brings its own
        flat = tariff if isinstance(tariff, Tariff) else Tariff(0, 0)
        rates = (flat.retail, flat.feed_in, flat.platform_fee, flat.network_fee, flat.tax_ppm)
        core = _core.Bank(rates, *encoded(self.imbalance))
        set_up(core, self.profile, terms)
        if isinstance(terms, Escrow2of3) and isinstance(self.imbalance, ShortfallAllocation):
            raise SettlementError("under escrow_2of3 a deal says itself what a shortfall costs; use another imbalance")
        self._desk = desk_of(terms)
        self.confirm_after = delay(confirm_after, self.profile)
        core.set_confirm_after(self.confirm_after)
        self._bank = cast("_core.Bank", Watched(core)) if audit else core
        self._plan = InForce(tariff)
        self._subscriptions = Subscriptions(tariff)
        self._members = Members()
        self._settled = Settled()
        self._slots = SettledSlots()
        self._office = None
        self._disputes: dict[int, Dispute] = {}
        self._last: Receipts | None = None
        self._handed_out = 0

    def __copy__(self) -> Settlement:
        """Return a bank of its own with the same accounts, reservations and untaken postings."""
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin._bank = self._bank.copy()
        twin._members, twin._settled = self._members.copy(), self._settled.copy()
        twin._slots = self._slots.copy()
        twin._disputes = self._disputes.copy()
        twin._office = None if self._office is None else self._office.copy(twin)
        twin._plan, twin._subscriptions, twin._desk = copy(self._plan), copy(self._subscriptions), copy(self._desk)
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> Settlement:
        """Return what :func:`copy.copy` does: nothing is shared."""
        return self.__copy__()

    def __reduce__(self) -> Any:
        """Refuse to be pickled: the postings are what a bank is kept by."""
        raise SettlementError("a bank cannot be pickled; keep its receipts (a ledger does), or copy.copy() the bank")

    # -- accounts
    # ----------------------------------------------------------------------------------------------

    def open(
        self, participants: Participant | Iterable[Participant], limit: int = 0, *, zone: str | None = None
    ) -> None:
        """Open one account a participant.

        Parameters
        ----------
        participants : str, int, or an iterable of them
            Names; text and integers may be mixed, and ``1`` is not ``"1"``.
        limit : int, default 0
            Credit below zero that each of them has, in nano-currency.
        zone : str, optional
            Network zone of each of them, under a :class:`fastclear.TariffPlan`; by default the one that the plan
            names, or none.

        Raises
        ------
        SettlementError
            A name that is open already or given twice, a negative limit, or one that does not fit 64 bits, or a zone
            that is not the plan's; then no account is opened.
        """
        names = self._members.new(participants)
        zones = self._plan.zones_of(names, zone)
        first = self._bank.open([str(name) for name in names], whole("limit", limit))
        self._plan.open(zones)
        self._members.add(names, first)

    def set_limit(self, participant: Participant, limit: int) -> None:
        """Set the credit limit of one participant, in nano-currency.

        Raises
        ------
        SettlementError
            A stranger, a negative limit, or one that does not fit 64 bits.
        """
        self._bank.set_limit(self.account(participant), whole("limit", limit))

    def deposit(self, participant: Participant | Iterable[Participant], amount: int | Iterable[int]) -> None:
        """Bring money in.

        Parameters
        ----------
        participant : str, int, or an iterable of them
            Whose.
        amount : int, or an iterable of them
            Nano-currency, 0 or more: one a participant, or one number for each of them. A list of one amount is for
            one participant.

        Raises
        ------
        SettlementError
            A stranger, a negative amount, a float, or columns of different lengths; then nothing is
            deposited.
        """
        self._desk.deposit(self, *self._members.money(participant, amount))

    def withdraw(self, participant: Participant | Iterable[Participant], amount: int | Iterable[int]) -> None:
        """Pay money out: balance, never credit, and as much as leaves every open bid covered.

        Parameters as in :meth:`deposit`.

        Raises
        ------
        SettlementError
            As in :meth:`deposit`, and more than is free; then nothing is paid out.
        """
        self._desk.withdraw(self, *self._members.money(participant, amount))

    def account(self, participant: Participant) -> int:
        """Return the account id of ``participant``.

        Raises
        ------
        SettlementError
            A stranger.
        """
        return self._members.account(participant)

    def available(self, participant: Participant) -> int:
        """Nano-currency that ``participant`` may still reserve.

        ``posted + limit - pending_out``, less what it owes out of loans and the interest on them until they are due.
        """
        return cast("int", self._bank.available(self.account(participant)))

    def advance(self, time: int | datetime) -> None:
        """Move the engine clock, which stamps postings, forward to ``time``.

        The bank has no clock of its own: without this call postings are stamped 0, 1, 2, … ns. The clock never goes
        back; where the postings since the last call, 1 ns each, have passed ``time``, nothing changes.

        Parameters
        ----------
        time : int or datetime
            Nanoseconds since 1970 UTC, or a datetime with a time zone.

        Raises
        ------
        SettlementError
            A negative time, one before that of the last call, or a datetime without a time zone.
        """
        if isinstance(time, datetime):
            if time.tzinfo is None:
                raise SettlementError("time has no time zone; say which, for example tz=datetime.UTC")
            time = (time - _EPOCH) // timedelta(microseconds=1) * 1000
        if not 0 <= (value := whole("time", time)) <= INT64_MAX:
            raise SettlementError(f"time {value} is not between 0 and 2^63 ns")
        self._desk.advance(self, value)

    # -- a slot
    # ------------------------------------------------------------------------------------------------

    def reserve(
        self, orders: object, *, units: Units | None = None, slot: int | datetime | None = None
    ) -> NDArray[np.uint16]:
        """Set money aside for every bid, in row order.

        A bid is covered at its worst case: (price + fees) x quantity and the tax on it, with the largest network fee
        that the zone of a seller could cause; a market order at the largest price there is, so that only a very rich
        member can place one. Asks need no cover; under ``escrow_2of3`` they need a bond.
        Reservations are found again by (participant, market, order): give orders ids that are unique among
        what a member has open.

        Parameters
        ----------
        orders : frame or mapping of columns, or Orders
            As in :func:`fastclear.clear`, with ``participant``.
        units : Units, optional
            As in :func:`fastclear.clear`.
        slot : int or datetime, optional
            Start of the slot that the orders are for: nanoseconds since 1970 UTC, or a datetime with a time zone.
            Needed under a :class:`fastclear.TariffPlan`: its prices hold, and the reservation is for this slot only.
            A flat tariff has no use for it.

        Returns
        -------
        ndarray of uint16, shape (n,)
            0 where the order may go to the market, else a :class:`fastclear.RejectReason`; asks without a bond are 0.

        Raises
        ------
        SettlementError
            An order of a stranger, orders without ``participant``, or no slot under a plan; then nothing is reserved.
        SchemaError
            Columns that cannot be read.
        """
        terms = self._plan.terms(slot)
        encoded = encode(orders, units)
        n = encoded.n
        side = np.ascontiguousarray(encoded.side)
        price = np.ascontiguousarray(encoded.price, np.int64)
        if encoded.is_market_order is not None:
            price = np.where(encoded.is_market_order == 1, PRICE_MAX, price)
        if encoded.refused is None:
            codes = np.zeros(n, np.uint16)
        else:
            codes = np.where(side == 0, 0, encoded.refused).astype(np.uint16)
        accounts = self._members.of_orders(encoded)
        self._plan.tell(self._bank, terms)
        return read_only(
            self._bank.reserve(
                side,
                price,
                np.ascontiguousarray(encoded.quantity, np.int64),
                accounts,
                ids(encoded, "market"),
                ids(encoded, "order"),
                codes,
                self._plan.fees_of_orders(terms, accounts),
            )
        )

    def settle(
        self,
        clearing: Cleared | BookEvents | Sequence[Cleared | BookEvents],
        meter: object = None,
        *,
        slot: int | datetime | None = None,
        losses: int = 0,
    ) -> Receipts:
        """Settle one slot.

        Reservations of the orders in ``clearing`` are drawn or released, each trade is paid, then each meter
        reading is compared with what its member bought and sold, and the imbalance policy prices the difference: by
        default energy beyond the contract is bought at retail, energy left over is sold at feed-in.

        A pool (:class:`fastclear.SharingClearing`) has no bids and no reservations: each load pays what the clearing
        says, forced as metering is, with the tariff's fees on what it takes from others and tax on what it imports on
        top; the grid is paid at the prices of the clearing, and the operator what is left.

        Parameters
        ----------
        clearing : Clearing, BookEvents, or a sequence of them
            Everything that was cleared for the slot. Each with trades can be settled once; what is cleared again
            from the same orders counts as another. Events of one :class:`fastclear.OrderBook` count as one clearing; an
            order that still rests may trade in a later slot, but a reservation that it has ends with this one.
        meter : frame or mapping of columns, optional
            ``participant`` and ``energy_wh`` (integer, net: + consumption, - generation). A member without a
            row has no reading and no imbalance line; zero is never assumed. If it traded, it is noted as missing
            (:attr:`Receipts.missing`), unless the slot has no meter frame at all.
        slot : int or datetime, optional
            Start of the slot, as in :meth:`reserve`; needed under a :class:`fastclear.TariffPlan`. An order is settled
            in the slot that it was reserved for. A flat tariff does not need it, but :meth:`resettle` and
            :meth:`freeze` find the slot by it.
        losses : int, default 0
            What the network lost in the slot, in whole Wh. Who traded shares it in proportion to what each bought and
            sold, by largest remainder, ties to the account opened first, as if its meter had read so much more; no
            penalty is taken on it. Source: pro rata allocation, half to sellers and half to buyers (Conejo et al.
            2002).

        Returns
        -------
        Receipts
            Every posting since the last receipts.

        Raises
        ------
        SettlementError
            A stranger, a clearing that was settled already, two readings of one member, a reading that is no integer,
            a buyer whose cover does not reach, a slot that is final (:meth:`freeze`), an order that was reserved for
            another slot, or no slot under a plan; losses below zero or where nobody traded; a pool under escrow; then
            nothing has happened.
        """
        terms = self._plan.terms(slot)
        clearings = joined(clearing)
        given = clearing if isinstance(clearing, Sequence) else [clearing]
        fees = partial(self._plan.fees_of_trades, terms)
        columns, pools = [], []
        for item in clearings:
            if isinstance(item, SharingClearing):
                pools.append(pool_columns(item, self._members.of_orders(item.orders)))
            else:
                columns.append(cleared_columns(item, self._members, fees))
        self._settled.check_new(given)
        start = None if slot is None else slot_ns(slot)
        self._slots.check_open(start)
        meter = None if meter is None else meter_frame(meter)
        accounts, energy = meter_columns(meter, self._members)
        versions = reading_versions(meter)
        self._plan.tell(self._bank, terms)
        self._desk.before_slot(self)
        self._bank.settle(columns, pools, accounts, energy, meter is not None, whole("losses", losses))
        self._settled.remember(given, len(self._slots) if self.confirm_after else None)
        self._slots.add(start, accounts, versions)
        receipts = self._hand_out(slot_number=len(self._slots) - 1)
        self._desk.after_slot(self, receipts)
        return receipts

    def receipts(self) -> Receipts:
        """Every posting since the last receipts (those of :meth:`settle` included)."""
        return self._hand_out()

    def _hand_out(
        self,
        slot_number: int | None = None,
        subscription_ppm: Sequence[int] = (),
        *,
        period: object = None,
        reverses: bool = False,
    ) -> Receipts:
        """What is new, with what its postings do not say: the slot that it settles, the tax of fixed charges."""
        self._last = Receipts(self._bank.take(), self)
        self._last.slot_number = slot_number
        self._handed_out += len(self._last)
        if self._office is not None:
            self._office.add(self._last, list(subscription_ppm), period, reverses=reverses)
        return self._last

    @property
    def next_seq(self) -> int:
        """``seq`` that the next posting will have: how many there have been."""
        return self._bank.postings()

    @property
    def last_receipts(self) -> Receipts | None:
        """What :meth:`settle` or :meth:`receipts` handed out last, None before the first time.

        The bank goes on whether or not its postings are sealed. Where :meth:`fastclear.Ledger.seal` has failed, these
        are what it has to be given again.
        """
        return self._last

    def close_cycle(self, failed: Participant | Iterable[Participant] = ()) -> pl.DataFrame:
        """End a settlement cycle: recount everything, and say what each account gained.

        Under ``prepaid`` and ``credit_bank`` every slot is final, so no money moves. Under ``postpaid_netting`` the
        balance of every member is collected (below 0) or paid out (above 0) once the cycle is recounted; see
        :meth:`net_payments` for who could pay whom. Open reservations stay open.

        Parameters
        ----------
        failed : str, int, or an iterable of them
            Under ``postpaid_netting``: members whose payment failed. The operator pays, and they owe it to the
            operator.

        Returns
        -------
        DataFrame
            One row an account: ``account``, ``participant``, ``role``, ``opening``, ``deposited`` (less
            withdrawals),
            ``net`` (sums to 0), ``closing``; money in nano-currency, Decimal(38, 0).

        Raises
        ------
        SettlementError
            A member in ``failed`` that owes nothing, or another profile; then the cycle stays open.
        """
        lines = self._desk.close_cycle(self, self._failed(failed))
        accounts, *money = zip(*lines, strict=True)
        names = ("opening", "deposited", "net", "closing")
        return pl.DataFrame(
            [
                *self._members.who(accounts),
                *(money_series(name, list(values)) for name, values in zip(names, money, strict=True)),
            ]
        )

    def audit(self, receipts: Receipts | Iterable[Receipts] = ()) -> SettlementReport:
        """Recompute every account from the postings, in Python, and check every invariant on the way.

        Parameters
        ----------
        receipts : Receipts, or an iterable of them
            Everything that :meth:`settle` and :meth:`receipts` have handed out, in order. Not needed with
            ``Settlement(audit=True)``, which has followed them, nor before anything was handed out.

        Returns
        -------
        SettlementReport
            What was checked, and over how much.

        Raises
        ------
        AuditError
            The first invariant that does not hold.
        SettlementError
            Receipts are missing.
        """
        self._desk.check(self)
        if isinstance(self._bank, Watched):
            return self._bank.check()
        return audited(self._bank, [receipts] if isinstance(receipts, Receipts) else receipts, self._handed_out)

    @property
    def balances(self) -> pl.DataFrame:
        """One row an account, ascending id.

        ``account`` (UInt64), ``participant`` (null for house accounts), ``role`` (``member`` or the house
        account's name), ``posted``, ``pending_out``, ``pending_in``, ``available``, ``limit`` (nano-currency,
        Decimal(38, 0)),
        ``status`` (see :attr:`status`; null for house accounts).
        """
        accounts, *money, _version, status = zip(*self._bank.balances(), strict=True)
        names = ("posted", "pending_out", "pending_in", "available", "limit")
        return pl.DataFrame(
            [
                *self._members.who(accounts),
                *(money_series(name, list(values)) for name, values in zip(names, money, strict=True)),
                pl.Series("status", status, dtype=pl.String),
            ]
        )

    @property
    def exposure(self) -> Exposure:
        """How much of its credit each member uses: a frame to print, export and write; see its class."""
        return exposure(self.balances)

    @property
    def status(self) -> dict[Participant, str]:
        """Where each participant stands.

        ``"active"``; ``"restricted"`` (available below zero: bids are refused); ``"overdue"`` (a loan is due and not
        paid: bids are refused); ``"defaulted"`` (written off, and no limit given since); ``"closed"``.
        """
        rows = [row[-1] for row in self._bank.balances() if row[-1] is not None]
        return dict(zip(self._members.names, rows, strict=True))

    def __repr__(self) -> str:
        """Say how many accounts there are and how they stand."""
        restricted = sum(status == "restricted" for status in self.status.values())
        return f"Settlement(profile={self.profile!r}, members={len(self._members.names)}, restricted={restricted})"

    # -- names
    # -------------------------------------------------------------------------------------------------

    def names(self, accounts: Iterable[int]) -> list[Participant | None]:
        """Participants of these account ids; None for house accounts."""
        return self._members.of(accounts)

    def pseudonyms(self, orders: Orders) -> NDArray[np.uint64]:
        """Account id of each order, shape (n,); 0 where the participant is none of this bank's."""
        return self._members.pseudonyms(orders)
