"""Disputes: Open, Evidence, Ruled, then Posted or Rejected; the disputed amount is held until the end."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, cast

import polars as pl

from fastclear import _core
from fastclear.columns import INT64_MAX, Participant, plain, whole
from fastclear.entries import Entry, enter
from fastclear.errors import SettlementError
from fastclear.resettlement import Slot
from fastclear.tariffs.local_time import slot_ns

if TYPE_CHECKING:
    from fastclear.settlement import Settlement

RESPONDENTS: Final = {
    name: account for account, name in _core.HOUSE_ACCOUNTS if name in ("platform", "dso", "backstop")
}
"""House accounts that a member can have a dispute with, by name."""
_ENDED: Final = ("posted", "rejected")
_NEXT: Final = {
    "evidence": ("open", "evidence"),
    "ruled": ("evidence",),
    "posted": ("ruled",),
    "rejected": ("ruled",),
}


@dataclass(frozen=True, slots=True)
class Dispute:
    """One dispute as it stands."""

    number: int  # seq of the record that opened it
    claimant: int
    respondent: int
    amount: int
    held: int
    hold: int | None
    slot: int | None
    reason: str
    opened_ns: int
    evidence_until: int | None
    ruling_until: int | None
    state: str = "open"
    ruled: int | None = None
    evidence: tuple[str, ...] = ()


class Disputes:
    """A bank's part that settles disputes; :class:`fastclear.Settlement` is the whole."""

    _bank: _core.Bank
    _disputes: dict[int, Dispute]

    def dispute(
        self,
        claimant: Participant,
        respondent: Participant,
        amount: int,
        *,
        slot: Slot | None = None,
        reason: str = "",
        evidence_until: int | datetime | None = None,
        ruling_until: int | datetime | None = None,
    ) -> int:
        """Open a dispute: ``claimant`` says that ``respondent`` owes it ``amount``.

        As much of it as the respondent has available is held until the dispute ends; what it lacks is noted. A house
        account has nothing held. From here a dispute goes Open, Evidence (:meth:`give_evidence`), Ruled (:meth:`rule`),
        and ends Posted (:meth:`post_ruling`) or Rejected (:meth:`reject`).

        Parameters
        ----------
        claimant : str or int
            A member.
        respondent : str or int
            Another member, or ``"platform"``, ``"dso"`` or ``"backstop"`` where no member is called so.
        amount : int
            Nano-currency, above 0.
        slot : int, datetime or Receipts, optional
            The slot that it is about, as in :meth:`resettle`.
        reason : str, optional
            In words; kept by the bank, never on the ledger.
        evidence_until, ruling_until : int or datetime, optional
            Deadlines on the engine clock: no evidence from the first on; from the second on it may be rejected without
            a ruling, and no longer be ruled.

        Returns
        -------
        int
            Number of the dispute: ``seq`` of the record that opens it.

        Raises
        ------
        SettlementError
            A stranger, a closed account, one party twice, an amount that is not above 0, a slot that was not settled or
            is final, or a deadline that has passed; then nothing has happened.

        Examples
        --------
        >>> import fastclear as fc
        >>> bank = fc.Settlement(tariff=fc.Tariff(30, 5))
        >>> bank.open(["Ada", "Bo"])
        >>> bank.deposit("Bo", 50)
        >>> number = bank.dispute("Ada", "Bo", 80, reason="the meter ran backwards")
        >>> bank.available("Bo"), bank.disputes["held"].to_list()
        (0, [50])
        >>> bank.give_evidence(number, "photo of the meter")
        >>> bank.rule(number, 30)
        >>> bank.post_ruling(number)
        >>> bank.available("Ada"), bank.available("Bo"), bank.disputes["state"].to_list()
        (30, 20, ['posted'])
        """
        bank = self._self
        payee, payer = bank.account(claimant), self._party(respondent)
        if payee == payer:
            raise SettlementError(f"{claimant!r} is on both sides; a dispute is with somebody else")
        value = whole("amount", amount)
        if value <= 0:
            raise SettlementError(f"amount = {value}; give nano-currency, above 0")
        if not isinstance(reason, str):
            raise SettlementError(f"reason is a {type(reason).__name__}; give text")
        status = bank.status
        for name in (claimant, respondent):
            if status.get(name) == "closed":
                raise SettlementError(f"participant {name!r}: the account is closed; nothing can be held or paid there")
        number = None if slot is None else bank._slots.find(self._bank, slot)
        if number is not None:
            bank._check_open(number)
        now = self._bank.now()
        evidence_due, ruling_due = (None if time is None else slot_ns(time) for time in (evidence_until, ruling_until))
        if any(time is not None and time <= now for time in (evidence_due, ruling_due)):
            raise SettlementError("a deadline has passed already; give a later time, or none")
        available = self._bank.available(payer) if payer >= _core.FIRST_MEMBER else None
        held = max(0, min(value, available or 0, INT64_MAX))
        lines: list[Entry] = [Entry("dispute", "opened", payer, payee, value)]
        if held:
            lines.append(Entry("reserve", "disputed", payer, payee, held, -2))
        seqs = enter(self._bank, lines, forced=True)
        self._disputes[seqs[0]] = Dispute(
            seqs[0],
            payee,
            payer,
            value,
            held,
            seqs[1] if held else None,
            None if number is None else bank._slots.start(number),
            reason,
            now,
            evidence_due,
            ruling_due,
        )
        return seqs[0]

    def give_evidence(self, number: int, evidence: str) -> None:
        """Add evidence, in words; a dispute that is open goes on to the state Evidence.

        Raises
        ------
        SettlementError
            No such dispute, one that is ruled or has ended, a deadline that has passed, or what is no text.
        """
        dispute = self._disputed(number, "evidence")
        if not isinstance(evidence, str) or not evidence:
            raise SettlementError("evidence is no text; say what it is, or where it is kept")
        if dispute.evidence_until is not None and self._bank.now() >= dispute.evidence_until:
            raise SettlementError(f"dispute {number}: evidence was due before {dispute.evidence_until} ns")
        enter(self._bank, [Entry("dispute", "evidence", dispute.respondent, dispute.claimant, 0, number)], forced=True)
        self._disputes[number] = replace(dispute, state="evidence", evidence=(*dispute.evidence, evidence))

    def rule(self, number: int, amount: int) -> None:
        """Rule that ``amount`` of the disputed money is owed: 0 for none. It moves when the ruling is posted.

        Raises
        ------
        SettlementError
            No such dispute, one without evidence, ruled already or ended, a deadline that has passed, or an amount that
            is not between 0 and what is disputed.
        """
        dispute = self._disputed(number, "ruled")
        value = whole("amount", amount)
        if not 0 <= value <= dispute.amount:
            raise SettlementError(f"amount = {value}; {dispute.amount} nano-currency is disputed, rule 0 or as much")
        if self._lapsed(dispute):
            raise SettlementError(f"dispute {number}: a ruling was due before {dispute.ruling_until} ns; reject it")
        enter(self._bank, [Entry("dispute", "ruled", dispute.respondent, dispute.claimant, value, number)], forced=True)
        self._disputes[number] = replace(dispute, state="ruled", ruled=value)

    def post_ruling(self, number: int) -> None:
        """Pay what was ruled, and hold nothing any more. The end.

        The line is a ``correction`` (``ruled``), and forced: what the respondent lacks takes it below zero.

        Raises
        ------
        SettlementError
            No such dispute, one that is not ruled or has ended, or one in which nothing is owed: reject it.
        """
        dispute = self._disputed(number, "posted")
        if not dispute.ruled:
            raise SettlementError(f"dispute {number}: nothing is owed by the ruling; reject it")
        parties = (dispute.respondent, dispute.claimant)
        lines: list[Entry] = [
            *self._released(dispute),
            Entry("correction", "ruled", *parties, dispute.ruled, number),
            Entry("dispute", "posted", *parties, dispute.ruled, number),
        ]
        enter(self._bank, lines, forced=True)
        self._disputes[number] = replace(dispute, state="posted", held=0, hold=None)

    def reject(self, number: int) -> None:
        """End a dispute in which nothing is owed, and hold nothing any more.

        Raises
        ------
        SettlementError
            No such dispute, one that has ended or is ruled otherwise, or one that is not ruled and whose deadline for a
            ruling has not passed.
        """
        dispute = self._known(number)
        if not (self._lapsed(dispute) and dispute.state in ("open", "evidence")):
            self._disputed(number, "rejected")
        if dispute.ruled:
            raise SettlementError(f"dispute {number}: {dispute.ruled} nano-currency is owed by the ruling; post it")
        record = Entry("dispute", "rejected", dispute.respondent, dispute.claimant, 0, number)
        enter(self._bank, [*self._released(dispute), record], forced=True)
        self._disputes[number] = replace(dispute, state="rejected", held=0, hold=None)

    @property
    def disputes(self) -> pl.DataFrame:
        """One row a dispute, in the order of opening.

        ``dispute`` (its number, UInt64), ``claimant``, ``respondent``, ``slot`` (UTC; null where none was named),
        ``amount``, ``held``, ``lacking`` (of a member: what could not be held), ``ruled`` (null before), nano-currency,
        Int64; ``state`` (``open``, ``evidence``, ``ruled``, ``posted``, ``rejected``), ``opened``, ``evidence_until``,
        ``ruling_until`` (engine time, UTC), ``evidence`` (how many pieces, UInt32), ``reason``.
        """
        rows = [self._disputes[number] for number in sorted(self._disputes)]
        utc = pl.Datetime("ns", "UTC")
        house = {account: name for name, account in RESPONDENTS.items()}

        def names(accounts: list[int]) -> list[str]:
            members = zip(accounts, self._self.names(accounts), strict=True)
            return [house[account] if name is None else str(name) for account, name in members]

        def times(name: str, attribute: str) -> pl.Series:
            return pl.Series(name, [getattr(row, attribute) for row in rows], dtype=pl.Int64).cast(utc)

        def lacking(row: Dispute) -> int:
            return row.amount - row.held if row.state not in _ENDED and row.respondent not in house else 0

        return pl.DataFrame(
            [
                pl.Series("dispute", [row.number for row in rows], dtype=pl.UInt64),
                pl.Series("claimant", names([row.claimant for row in rows]), dtype=pl.String),
                pl.Series("respondent", names([row.respondent for row in rows]), dtype=pl.String),
                times("slot", "slot"),
                pl.Series("amount", [row.amount for row in rows], dtype=pl.Int64),
                pl.Series("held", [row.held for row in rows], dtype=pl.Int64),
                pl.Series("lacking", [lacking(row) for row in rows], dtype=pl.Int64),
                pl.Series("ruled", [row.ruled for row in rows], dtype=pl.Int64),
                pl.Series("state", [row.state for row in rows], dtype=pl.String),
                times("opened", "opened_ns"),
                times("evidence_until", "evidence_until"),
                times("ruling_until", "ruling_until"),
                pl.Series("evidence", [len(row.evidence) for row in rows], dtype=pl.UInt32),
                pl.Series("reason", [row.reason for row in rows], dtype=pl.String),
            ]
        )

    # -- steps
    # ---------------------------------------------------------------------------------------------

    def _party(self, name: Participant) -> int:
        """Account of a member, or of the house."""
        house = RESPONDENTS.get(name) if isinstance(name, str) else None
        if house is not None and name not in self._self._members.names:
            return house
        return self._self.account(name)

    def _known(self, number: object) -> Dispute:
        value = plain(number)
        dispute = self._disputes.get(value) if isinstance(value, int) and not isinstance(value, bool) else None
        if dispute is None:
            raise SettlementError(f"dispute {number!r}: there is none; give what dispute() returned")
        return dispute

    def _disputed(self, number: object, state: str) -> Dispute:
        """A dispute that may go on to this state."""
        dispute = self._known(number)
        if dispute.state not in _NEXT[state]:
            allowed = " or ".join(_NEXT[state])
            raise SettlementError(
                f"dispute {dispute.number} is {dispute.state}: it cannot go on to {state}; one that is {allowed} can"
            )
        return dispute

    def _lapsed(self, dispute: Dispute) -> bool:
        return dispute.ruling_until is not None and self._bank.now() >= dispute.ruling_until

    def _released(self, dispute: Dispute) -> list[Entry]:
        if dispute.hold is None:
            return []
        return [Entry("void", "disputed", dispute.respondent, dispute.claimant, dispute.held, dispute.hold)]

    def _in_dispute(self, account: int) -> Dispute | None:
        """A dispute of this account that has not ended."""
        for dispute in self._disputes.values():
            if dispute.state not in _ENDED and account in (dispute.claimant, dispute.respondent):
                return dispute
        return None

    @property
    def _self(self) -> Settlement:
        return cast("Settlement", cast("Any", self))
