"""What members owe, recomputed from the postings of a bank with credit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fastclear import _core
from fastclear.audit.report import broken

LOANS: Final = "what members owe is what loans and payments come to, and the treasury has the rest"

_HOUSE: Final = {name: number for number, name in _core.HOUSE_ACCOUNTS}
_TREASURY: Final = _HOUSE["treasury"]
_LOANS: Final = _HOUSE["loans"]
_PART: Final = {
    "draw": "principal",
    "novation": "principal",
    "repaid": "principal",
    "interest": "interest",
    "interest_paid": "interest",
    "penalty": "penalty",
    "penalty_paid": "penalty",
}


@dataclass(slots=True)
class _Loan:
    lender: int
    member: int
    drawn: int
    owed: Counter[str]


class Loans:
    """Every loan, from the postings that drew, charged and paid it; money and claims are followed apart."""

    def __init__(self) -> None:
        self._loans: dict[int, _Loan] = {}  # by the seq of the draw
        self._treasury = 0  # what it should hold
        self._paid: tuple[str, int, int] | None = None  # money whose claim comes next: line, draw, amount

    def note(self, p: Mapping[str, int], kind: str, line: str, where: str) -> None:
        """Follow one posting; those of other kinds change nothing.

        Raises
        ------
        AuditError
            A payment of more than is owed, by or to somebody else, or for no loan.
        """
        amount, group = p["amount"], p["group"]
        expected, self._paid = self._paid, None
        if kind in ("deposit", "withdrawal"):
            self._treasury += amount * ((p["credit"] == _TREASURY) - (p["debit"] == _TREASURY))
        if kind != "net" or (line not in _PART and line != "written_off"):
            return
        is_claim = p["asset"] != 0
        if not is_claim:
            self._paid = (line, group, amount)
        if line in ("draw", "novation") and not is_claim:
            self._loans[p["seq"]] = _Loan(p["debit"], p["credit"], amount, Counter())
            self._treasury -= amount if p["debit"] == _TREASURY else 0
            return
        loan = self._loans.get(group)
        if loan is None:
            raise broken(LOANS, f"{where}: it belongs to posting {group}, which drew nothing")
        if line == "written_off":
            if amount != loan.owed.total():
                raise broken(LOANS, f"{where}: {amount} of the {loan.owed.total()} that is owed is written off")
            loan.owed.clear()
        elif not is_claim:
            if (p["debit"], p["credit"]) != (loan.member, loan.lender):
                raise broken(LOANS, f"{where}: somebody else pays, or is paid, for the loan of posting {group}")
            self._treasury += amount if loan.lender == _TREASURY else 0
        else:
            if line not in ("interest", "penalty") and expected != (line, group, amount):
                raise broken(LOANS, f"{where}: a claim of {amount}, and no money of as much before it")
            part = _PART[line]
            loan.owed[part] += amount if p["credit"] == _LOANS else -amount
            if loan.owed[part] < 0 or (line in ("draw", "novation") and loan.owed[part] != loan.drawn):
                raise broken(LOANS, f"{where}: {loan.owed[part]} of the {part} of posting {group} is owed then")

    def check(self, posted: Mapping[int, int]) -> None:
        """Hold debts against loans, and the treasury against what was put in and paid, less what it lent.

        Raises
        ------
        AuditError
            They differ, or the treasury is below zero.
        """
        if _LOANS not in posted:
            return
        owed: Counter[int] = Counter()
        for loan in self._loans.values():
            owed[loan.member] += loan.owed.total()
        for member, amount in owed.items():
            debt = posted[member + _core.DEBT_OFFSET]
            if debt != -amount:
                raise broken(LOANS, f"account {member} owes {amount}, its debt account says {debt}")
        if posted[_LOANS] != owed.total():
            raise broken(LOANS, f"members owe {owed.total()}, the loans account says {posted[_LOANS]}")
        if posted[_TREASURY] != self._treasury or self._treasury < 0:
            raise broken(LOANS, f"the treasury holds {posted[_TREASURY]}, it should hold {self._treasury}")
