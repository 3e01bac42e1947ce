"""Collateral, the layers of a loss, and charges that wait, recomputed from the lines that profiles enter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from fastclear import _core
from fastclear.audit.report import broken

LAYERS: Final = "collateral is its member's, and no layer bears a loss before the one above it is empty"
ARREARS: Final = "what is recovered was put off before, and as much money is paid for it"

COLLATERAL: Final = frozenset({"pledged", "contributed"})
"""Deposits that a member makes into its own purses."""

_HOUSE: Final = {name: number for number, name in _core.HOUSE_ACCOUNTS}
_STEP: Final = _core.PURSE_STEP
_PURSE: Final = {name: number * _STEP for number, name in _core.PURSES}
_OWN: Final = {
    "pledged": "margin",
    "released": "margin",
    "margin_taken": "margin",
    "contributed": "default_fund",
    "returned": "default_fund",
    "fund_taken": "default_fund",
}


@dataclass(slots=True)
class _Loss:
    member: int
    left: int


class Layers:
    """Follows what members pledge, who bears what a member left unpaid, and what waits to be paid."""

    def __init__(self) -> None:
        self._losses: dict[int, _Loss] = {}  # by the seq of what the operator paid
        self._covered: Counter[tuple[int, int]] = Counter()  # loss and who bore it -> how much, less what came back
        self._waits: dict[int, int] = {}  # purse -> claims
        self._paid: tuple[int, int, int] | None = None  # the fee before: member, seq, amount

    def note(self, p: Mapping[str, int], kind: str, line: str, accounts: Mapping[int, Any], where: str) -> None:
        """Follow one posting, which the accounts have taken in.

        Raises
        ------
        AuditError
            Collateral that moves between two members, a layer out of its turn or beyond the loss, a recovery of more
            than waits or without money.
        """
        amount, debit, credit = p["amount"], p["debit"], p["credit"]
        paid, self._paid = self._paid, None
        if kind == "fee" and line == "subscription":
            self._paid = (debit, p["seq"], amount)
        elif kind == "net" and line == "novation" and p["asset"] == 0:
            self._losses[p["seq"]] = _Loss(credit, amount)
        elif kind in ("deposit", "withdrawal", "net") and line in _OWN:
            member, purse = min(debit, credit), max(debit, credit)
            gives = line in COLLATERAL
            if purse != _PURSE[_OWN[line]] + member or (purse == credit) != gives:
                raise broken(LAYERS, f"{where}: {line} between accounts {debit} and {credit}")
            if kind == "net":
                self._bear(p, [_PURSE["margin"]] if line == "fund_taken" else [], accounts, where)
                if self._losses[p["group"]].member != member:
                    raise broken(LAYERS, f"{where}: account {member} pays for another member that failed")
        elif kind == "net" and line == "covered":
            self._cover(p, accounts, where)
        elif kind == "net" and line == "passed_on":
            self._covered[p["group"], credit] -= amount
            if debit != _HOUSE["platform"] or self._covered[p["group"], credit] < 0:
                raise broken(LAYERS, f"{where}: account {credit} is given back what it did not bear")
        elif kind == "net" and line in ("put_off", "recovered"):
            self._wait(p, line, paid, where)

    def _cover(self, p: Mapping[str, int], accounts: Mapping[int, Any], where: str) -> None:
        guarantee = p["debit"] == _HOUSE["guarantee"]
        other = p["debit"] - _PURSE["default_fund"]
        loss = self._losses.get(p["group"])
        if p["credit"] != _HOUSE["platform"] or not (guarantee or _core.FIRST_MEMBER <= other < _STEP):
            raise broken(LAYERS, f"{where}: account {p['debit']} covers a loss of account {p['credit']}")
        if loss is not None and other == loss.member:
            raise broken(LAYERS, f"{where}: account {other} is one of the others of its own loss")
        self._covered[p["group"], p["debit"]] += p["amount"]
        above = [_PURSE["margin"], _PURSE["default_fund"]]
        self._bear(p, above, accounts, where)
        if not guarantee and _posted(accounts, _HOUSE["guarantee"]):
            raise broken(LAYERS, f"{where}: the guarantee is not empty")

    def _bear(self, p: Mapping[str, int], above: list[int], accounts: Mapping[int, Any], where: str) -> None:
        """A layer bears part of a loss; the defaulter's own layers above it are empty."""
        loss = self._losses.get(p["group"])
        if loss is None:
            raise broken(LAYERS, f"{where}: it belongs to posting {p['group']}, which paid for nobody")
        loss.left -= p["amount"]
        if loss.left < 0:
            raise broken(LAYERS, f"{where}: the layers bear {-loss.left} more than the loss")
        for layer in above:
            if _posted(accounts, layer + loss.member):
                raise broken(LAYERS, f"{where}: account {layer + loss.member} is not empty")

    def _wait(self, p: Mapping[str, int], line: str, paid: tuple[int, int, int] | None, where: str) -> None:
        put_off = line == "put_off"
        purse, house = (p["debit"], p["credit"]) if put_off else (p["credit"], p["debit"])
        member = purse - _PURSE["owed_charges"]
        if house != _HOUSE["arrears"] or not _core.FIRST_MEMBER <= member < _STEP:
            raise broken(ARREARS, f"{where}: a claim between accounts {p['debit']} and {p['credit']}")
        waits = self._waits.get(purse, 0) + (p["amount"] if put_off else -p["amount"])
        if waits < 0:
            raise broken(ARREARS, f"{where}: {-waits} more than waits is recovered")
        if not put_off and paid != (member, p["group"], p["amount"]):
            raise broken(ARREARS, f"{where}: {p['amount']} is recovered, and as much money was not paid before it")
        self._waits[purse] = waits


def _posted(accounts: Mapping[int, Any], account: int) -> int:
    return accounts[account].posted if account in accounts else 0
