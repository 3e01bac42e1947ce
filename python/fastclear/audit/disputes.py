"""Disputes, followed from the postings: legal steps, one end, the ruled amount, nothing held after it."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Final

from fastclear.audit.report import broken

DISPUTED: Final = "a dispute takes legal steps to one end, pays what was ruled, and holds nothing afterwards"

_NEXT: Final = {
    "evidence": ("opened", "evidence"),
    "ruled": ("evidence",),
    "posted": ("ruled",),
    "rejected": ("opened", "evidence", "ruled"),
}


@dataclass(slots=True)
class _Dispute:
    parties: tuple[int, int]
    amount: int
    state: str = "opened"
    ruled: int = 0
    paid: int = 0
    hold: int | None = None


class Disputes:
    """Every dispute, by the seq of the record that opened it."""

    def __init__(self) -> None:
        self._disputes: dict[int, _Dispute] = {}
        self._ended: list[_Dispute] = []  # in this call

    def note(self, p: Mapping[str, int], kind: str, line: str, where: str) -> None:
        """Follow one posting; those of other kinds change nothing.

        Raises
        ------
        AuditError
            A step that cannot be, or money that was not ruled.
        """
        ours = kind == "dispute" or (kind, line) in (("correction", "ruled"), ("reserve", "disputed"))
        if not ours or not line:
            return
        parties = (p["debit"], p["credit"])
        if (kind, line) == ("dispute", "opened"):
            self._disputes[p["seq"]] = _Dispute(parties, p["amount"])
            return
        dispute = self._disputes.get(p["group"])
        if dispute is None or dispute.parties != parties:
            raise broken(DISPUTED, f"{where}: it belongs to posting {p['group']}, which opened no dispute of the two")
        if kind == "reserve":
            if dispute.state != "opened" or dispute.hold is not None or p["amount"] > dispute.amount:
                raise broken(DISPUTED, f"{where}: {p['amount']} of the {dispute.amount} in dispute is held")
            dispute.hold = p["seq"]
        elif kind == "correction":
            if dispute.state != "ruled" or dispute.paid or p["amount"] != dispute.ruled:
                raise broken(DISPUTED, f"{where}: {p['amount']} is paid, {dispute.ruled} was ruled, once")
            dispute.paid = p["amount"]
        else:
            self._go(dispute, line, p["amount"], where)

    def _go(self, dispute: _Dispute, line: str, amount: int, where: str) -> None:
        if dispute.state not in _NEXT[line]:
            raise broken(DISPUTED, f"{where}: {line} after {dispute.state}")
        if line == "ruled":
            if amount > dispute.amount:
                raise broken(DISPUTED, f"{where}: {amount} is ruled, {dispute.amount} was in dispute")
            dispute.ruled = amount
        elif line in ("posted", "rejected"):
            self._ended.append(dispute)
            if dispute.paid != (dispute.ruled if line == "posted" else 0) or (line == "rejected" and dispute.ruled):
                raise broken(DISPUTED, f"{where}: {line}, with {dispute.ruled} ruled and {dispute.paid} paid")
        dispute.state = line

    def check(self, reservations: Container[int]) -> None:
        """Nothing is held for what has ended.

        Raises
        ------
        AuditError
            Something is.
        """
        ended, self._ended = self._ended, []
        for dispute in ended:
            if dispute.hold is not None and dispute.hold in reservations:
                raise broken(DISPUTED, f"reservation {dispute.hold} is open, and its dispute has ended")
