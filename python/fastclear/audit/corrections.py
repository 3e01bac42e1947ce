"""Corrections of settled slots, followed from the postings: what later readings move, and nothing else.

A slot is found by the seq of its readings and notes. Each member has there what explains it: its reading, or without
one what it bought less what it sold. Where the reading changes, the lines that correct it must account for every Wh.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from fastclear.audit.report import broken

CORRECTED = "a correction belongs to a slot that was settled, and later readings account for every Wh of it"

_IMPORTED: Final = {"residual": 1, "shortfall": 1, "feed_in": -1, "over_bought": -1}
_AFTER_DELIVERY: Final = frozenset(
    {*_IMPORTED, "penalty", "undelivered", "netting", "penalty_share", "rounding", "tax_residual", "tax_undelivered"}
)

_MOVES: Final = frozenset({"post", "trade", "fee", "tax", "imbalance", "correction"})
_NO_SLOT: Final = frozenset({"subscription", "cents", "ruled"})


@dataclass(slots=True)
class Slot:
    """Energy of a slot by member: the reading, or the contract of those who have none."""

    value: dict[int, int]
    read: set[int]
    whole: bool = True  # whether who is not in it has traded nothing


@dataclass(slots=True)
class Effect:
    """What a slot has moved, all versions together: nano-currency by account."""

    money: Counter[int] = field(default_factory=Counter)
    taken_back: bool = False


@dataclass(slots=True)
class Correcting:
    """What the postings of one call correct."""

    slot: Slot | None = None
    corrected: int | None = None  # seq of the first line that corrects something after delivery
    readings: dict[int, int] = field(default_factory=dict)  # member -> Wh
    losses: Counter[int] = field(default_factory=Counter)  # member -> Wh, as if its meter had read so much more
    seqs: list[int] = field(default_factory=list)  # readings, notes, lines of the slot
    revised: dict[int, int] = field(default_factory=dict)
    money: Counter[int] = field(default_factory=Counter)  # what the lines of the slot move
    span: tuple[int, int] = (0, -1)  # first and last seq of them
    groups: set[int] = field(default_factory=set)  # what corrections and later readings belong to
    taking_back: int | None = None  # seq of the first line that is taken back
    moved: Counter[int] = field(default_factory=Counter)  # member -> Wh imported more than before
    shifted: Counter[int] = field(default_factory=Counter)  # member -> Wh bought less sold more than before


class Corrections:
    """Every slot that was settled with readings or is corrected."""

    def __init__(self) -> None:
        self._slot_of: dict[int, Slot] = {}
        self._effects: list[tuple[int, int, Effect]] = []  # first seq, last seq
        self._seller: dict[int, int] = {}  # seq of what was not delivered, or of a reading -> the seller

    def note_reading(self, p: Mapping[str, int], line: str, call: Correcting, where: str) -> None:
        """Follow a reading, a note of a missing one, or one that takes the place of another."""
        seq, member = p["seq"], p["debit"]
        call.seqs.append(seq)
        self._seller[seq] = member
        if line == "revised":
            if member in call.revised:
                raise broken(CORRECTED, f"{where}: a second reading of account {member}")
            call.revised[member] = p["quantity"]
            call.groups.add(p["group"])
            if p["group"] not in call.seqs:  # which holds itself, and those of the slot that come with it
                self._find(p["group"], call, where)
        elif line == "losses":
            call.losses[member] += p["quantity"]
        elif line != "missing":
            call.readings[member] = p["quantity"]

    def note_money(self, p: Mapping[str, int], kind: str, line: str, call: Correcting) -> None:
        """Follow what a slot moves."""
        if kind not in _MOVES or line in _NO_SLOT:
            return
        call.span = (p["seq"] if call.span[1] < 0 else call.span[0], p["seq"])
        call.money[p["debit"]] -= p["amount"]
        call.money[p["credit"]] += p["amount"]
        if kind == "correction":
            call.groups.add(p["group"])
        if line == "reversed" and call.taking_back is None:
            call.taking_back = p["seq"]

    def note_sale(self, seq: int, seller: int, call: Correcting) -> None:
        """Follow a line of energy that was sold and not delivered."""
        call.seqs.append(seq)
        self._seller[seq] = seller

    def note_line(self, p: Mapping[str, int], line: str, call: Correcting, where: str) -> None:
        """Follow a correction.

        Raises
        ------
        AuditError
            One of something that was never settled, or between accounts that it cannot be between.
        """
        if line not in _AFTER_DELIVERY:
            return
        if call.corrected is None:
            call.corrected = p["seq"]
        if line == "undelivered":
            seller = self._seller.get(p["group"])
            if seller is None or seller not in (p["debit"], p["credit"]):
                raise broken(CORRECTED, f"{where}: it belongs to posting {p['group']}, which is none of its seller's")
            call.shifted[seller] += p["quantity"]
            call.shifted[p["credit"] if seller == p["debit"] else p["debit"]] -= p["quantity"]
        elif line in _IMPORTED:
            call.moved[max(p["debit"], p["credit"])] += _IMPORTED[line] * p["quantity"]

    def check(self, call: Correcting, contract: Counter[int]) -> None:
        """Hold what was moved against what later readings changed; then keep what explains each member.

        Raises
        ------
        AuditError
            Energy that no reading explains, or corrections without a reading.
        """
        self._check_effect(call)
        if call.corrected is not None and not call.revised:
            raise broken(CORRECTED, f"posting {call.corrected}: no later reading comes with it")
        if call.revised:
            slot = call.slot or Slot({}, set(), whole=False)
            for member in sorted(call.revised.keys() | call.moved.keys() | call.shifted.keys()):
                moved = call.moved[member] + call.shifted[member]
                was, now = slot.value.get(member, 0 if slot.whole else None), call.revised.get(member)
                if now is None and member not in slot.read:
                    if call.moved[member]:
                        raise broken(CORRECTED, f"account {member} has no reading, and {call.moved[member]} Wh more")
                    if was is not None:
                        slot.value[member] = was + moved
                elif was is not None and (was if now is None else now) - was != moved:
                    raise broken(CORRECTED, f"account {member}: lines move {moved} Wh of its reading of {was} Wh")
            slot.value.update(call.revised)
            slot.read |= call.revised.keys()
        elif call.seqs:
            unread = {member: energy - call.losses[member] for member, energy in contract.items()}
            slot = Slot({**unread, **call.readings}, set(call.readings))
        else:
            return
        self._slot_of.update(dict.fromkeys(call.seqs, slot))

    def _check_effect(self, call: Correcting) -> None:
        """What is taken back is all of a slot, once."""
        first, last = call.span
        if last < 0 and not call.seqs:
            return
        first, last = min([first, *call.seqs[:1]] if last >= 0 else call.seqs), max([last, *call.seqs])
        starts = [begin for begin, _, _ in self._effects]
        found = []
        for seq in call.groups:
            at = bisect_right(starts, seq) - 1
            if at >= 0 and seq <= self._effects[at][1] and seq < first:
                found.append(self._effects[at][2])
        effect = found[0] if found else Effect()
        if any(other is not effect for other in found):
            raise broken(CORRECTED, f"postings {first} to {last} correct several slots")
        if effect.taken_back:
            raise broken(CORRECTED, f"postings {first} to {last} correct a slot that was taken back")
        effect.money.update(call.money)
        if call.taking_back is not None:
            effect.taken_back = True
            left = {account: amount for account, amount in effect.money.items() if amount}
            if not found or left:
                raise broken(CORRECTED, f"posting {call.taking_back}: taking the slot back leaves {left}")
        self._effects.append((first, last, effect))

    def _find(self, seq: int, call: Correcting, where: str) -> None:
        slot = self._slot_of.get(seq)
        if slot is None or (call.slot is not None and slot is not call.slot):
            raise broken(CORRECTED, f"{where}: it belongs to posting {seq}, which is no reading of the slot")
        call.slot = slot
