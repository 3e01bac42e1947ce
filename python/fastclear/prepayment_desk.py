"""The prepayment desk of a bank: standing charges, recovery, and whose supply is on."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import polars as pl
from numpy.typing import NDArray

from fastclear import _core
from fastclear.columns import Participant, whole
from fastclear.desks import Desk, all_or_none
from fastclear.entries import HOUSE, Entry, enter, purse
from fastclear.errors import SettlementError
from fastclear.members import participant_series
from fastclear.netting import money as money_series
from fastclear.prepayment import Prepayment
from fastclear.statements.view import View

if TYPE_CHECKING:
    from fastclear.receipts import Receipts
    from fastclear.settlement import Settlement

_NOBODY: Final[frozenset[int]] = frozenset()


class Supply(View):
    """One row a member, ascending account: what it has, what it owes, and whether its supply is on.

    ``account``, ``participant``; ``credit``, ``emergency_used``, ``beyond`` (used when even that was gone),
    ``put_off`` (charges that wait), all of them nano-currency, Decimal(38, 0); ``offered`` (emergency credit, which has
    not begun); ``supply``: ``"on"``, ``"emergency"``, ``"protected"`` (it would be off, but for the time of day) or
    ``"off"``.
    """

    _MONEY = ("credit", "emergency_used", "beyond", "put_off")
    _HIDDEN = ("account",)


class _Member(NamedTuple):
    """One member as the core has it; money in nano-currency."""

    account: int
    posted: int
    free: int
    """Credit that no bid has reserved, 0 or more."""
    waits: int
    """Charges that were put off."""


class PrepaymentBook(Desk):
    """What a policy has to remember beside the accounts: times, and who is where on the way to being cut off."""

    def __init__(self, policy: Prepayment) -> None:
        self.policy = policy
        self.clock: int | None = None
        self._day = 0
        self._begun = _NOBODY  # asked for emergency credit
        self._spent = _NOBODY  # used all of it, and have not paid it back yet
        self._shielded = _NOBODY  # had credit when the window began

    def __copy__(self) -> PrepaymentBook:
        """Return one of its own: sets are replaced, never changed."""
        twin = PrepaymentBook(self.policy)
        twin.__dict__.update(self.__dict__)
        return twin

    def advance(self, bank: Settlement, time_ns: int) -> None:
        """Move the clock; charge each local day that begins. Days before the first call are not charged."""
        policy = self.policy
        events = [] if self.clock is None else policy.events(self.clock, time_ns)
        with all_or_none(bank) if events else nullcontext():
            for time, day in events:
                bank._bank.advance(max(time, self.clock or 0))
                if day is None:
                    self._shield(bank)
                elif day > self._day:  # a clock that is set back over midnight does not begin a day again
                    self._day = day
                    self._charge(bank)
            bank._bank.advance(time_ns)
            if self.clock is None:
                self._day = policy.local_day(time_ns)
                self._shield(bank)
            self.clock = time_ns

    def deposit(self, bank: Settlement, accounts: NDArray[Any], amounts: NDArray[Any]) -> None:
        """Top up: what is below zero is made up for first, then a part goes to what was put off."""
        self.note(bank)
        waits = {member.account: member.waits for member in _members(bank, set(accounts.tolist())) if member.waits}
        with all_or_none(bank) if waits else nullcontext():
            bank._bank.deposit(accounts, amounts)
            free = {member.account: member.free for member in _members(bank, set(waits))}
            entries: list[Entry] = []
            for account, amount in zip(accounts.tolist(), amounts.tolist(), strict=True):
                paid = min(self.policy.recoverable(amount), waits.get(account, 0), free.get(account, 0))
                if paid > 0:
                    entries += _recovery(account, paid, len(entries))
                    waits[account] -= paid
                    free[account] -= paid
            enter(bank._bank, entries)
        self.note(bank)

    def before_slot(self, bank: Settlement) -> None:
        """Remember who was cut off before the slot."""
        self.note(bank)

    def after_slot(self, bank: Settlement, _receipts: Receipts, /) -> None:
        """Remember who is cut off after it."""
        self.note(bank)

    def note(self, bank: Settlement) -> None:
        """Remember who has used up its emergency credit; who has credit again may use it again."""
        model = self.policy.model
        posted = {row[0]: row[1] for row in _standing(bank)}
        paid = {account for account, money in posted.items() if money > 0}
        spent = {account for account, money in posted.items() if -money >= model.emergency}
        self._spent = (self._spent | spent) - paid
        self._begun -= {account for account, money in posted.items() if money > model.offered_at}

    def begin(self, account: int) -> None:
        """Let a member use emergency credit."""
        self._begun |= {account}

    def supply(self, member: _Member) -> tuple[bool, str]:
        """Whether emergency credit is offered to a member, and how its supply stands."""
        model, account = self.policy.model, member.account
        begun = account in self._begun or (model.automatic and member.posted <= 0)
        left = account not in self._spent
        offered = left and not begun and member.posted <= model.offered_at
        if member.posted > 0:
            return offered, "on"
        if begun and left:
            return offered, "emergency"
        shielded = not model.requires_credit_before_window or account in self._shielded
        return offered, "protected" if shielded and self.policy.is_protected(self.clock or 0) else "off"

    def _shield(self, bank: Settlement) -> None:
        """A window begins: who has credit is safe in it."""
        self._shielded = frozenset(member.account for member in _members(bank) if member.posted > 0)

    def _charge(self, bank: Settlement) -> None:
        """A local day begins: standing charges, and instalments of what was put off."""
        self.note(bank)
        model = self.policy.model
        entries: list[Entry] = []
        for account, _, free, waits in _members(bank):
            standing = model.standing_per_day
            taken = standing if model.standing_in_emergency == "taken" else min(standing, free)
            if taken:
                entries.append(Entry("fee", "subscription", account, HOUSE["platform"], taken))
            if taken < standing:
                owed = purse("owed_charges", account)
                entries.append(Entry("net", "put_off", owed, HOUSE["arrears"], standing - taken))
            instalment = min(model.instalment_per_day, waits, free - taken)
            if instalment > 0:
                entries += _recovery(account, instalment, len(entries))
        enter(bank._bank, entries, forced=True)
        self.note(bank)


class PrepaymentDesk:
    """What a bank with a :class:`fastclear.Prepayment` can do beside what every bank does."""

    _bank: _core.Bank
    _desk: Desk

    @property
    def supply(self) -> Supply:
        """Whose supply is on: a frame to print, export and write; see its class.

        Raises
        ------
        SettlementError
            Another profile.
        """
        book = self._prepayment("supply")
        bank = cast("Settlement", self)
        book.note(bank)
        members = _members(bank)
        emergency = book.policy.model.emergency
        below = [max(-member.posted, 0) for member in members]
        standing = [book.supply(member) for member in members]
        accounts = [member.account for member in members]
        frame = pl.DataFrame(
            [
                pl.Series("account", accounts, dtype=pl.UInt64),
                participant_series(bank.names(accounts)),
                money_series("credit", [max(member.posted, 0) for member in members]),
                money_series("emergency_used", [min(used, emergency) for used in below]),
                money_series("beyond", [max(used - emergency, 0) for used in below]),
                money_series("put_off", [member.waits for member in members]),
                pl.Series("offered", [offered for offered, _ in standing], dtype=pl.Boolean),
                pl.Series("supply", [supply for _, supply in standing], dtype=pl.String),
            ]
        )
        off = sum(supply == "off" for _, supply in standing)
        return Supply(frame, f"Supply of {len(frame):,} members, {off:,} of them cut off")

    def use_emergency(self, participant: Participant) -> None:
        """Begin to use emergency credit, where it does not begin by itself.

        Raises
        ------
        SettlementError
            Another profile, a stranger, or one to whom it is not offered.
        """
        book = self._prepayment("use_emergency")
        bank = cast("Settlement", self)
        account = bank.account(participant)
        book.note(bank)
        if not any(book.supply(member)[0] for member in _members(bank, {account})):
            raise SettlementError(
                f"emergency credit is not offered to participant {participant!r}: it is for who has no more than "
                "offered_at, and has paid back what it used"
            )
        book.begin(account)

    def put_off(self, participant: Participant, amount: int) -> None:
        """Let a charge wait that is not part of the policy, such as an older debt; top-ups and instalments recover it.

        Parameters
        ----------
        participant : str or int
            Whose.
        amount : int
            Nano-currency above 0.

        Raises
        ------
        SettlementError
            Another profile, a stranger, a closed account, or no amount.
        """
        self._prepayment("put_off")
        bank = cast("Settlement", self)
        account, money = bank.account(participant), whole("amount", amount)
        if money <= 0:
            raise SettlementError(f"put_off: amount {money}; give nano-currency above 0")
        if not _members(bank, {account}):
            raise SettlementError(f"put_off: the account of participant {participant!r} is closed")
        enter(self._bank, [Entry("net", "put_off", purse("owed_charges", account), HOUSE["arrears"], money)])

    def _prepayment(self, call: str) -> PrepaymentBook:
        if not isinstance(self._desk, PrepaymentBook):
            raise SettlementError(f"{call}: this bank has no retail prepayment; give it profile=fc.Prepayment(...)")
        return self._desk


def _recovery(account: int, amount: int, row: int) -> list[Entry]:
    """Money for a charge that was put off, then the end of the claim; `row`: where the money stands in its call."""
    owed = purse("owed_charges", account)
    return [
        Entry("fee", "subscription", account, HOUSE["platform"], amount),
        Entry("net", "recovered", HOUSE["arrears"], owed, amount, -2 - row),
    ]


def _members(bank: Settlement, only: set[int] | None = None) -> list[_Member]:
    """Members that are not closed, ascending account."""
    rows = [row for row in _standing(bank) if only is None or row[0] in only]
    waits = bank._bank.available
    return [
        _Member(row[0], row[1], max(row[1] - row[2], 0), -(waits(purse("owed_charges", row[0])) or 0)) for row in rows
    ]


def _standing(bank: Settlement) -> list[tuple[Any, ...]]:
    """Account, posted, reserved and more of each member that is not closed."""
    return [row for row in bank._bank.balances() if row[7] not in (None, "closed")]
