"""What a slot was for one member, in words: its orders, its meter, its bill."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from fastclear.book.clearing import BookClearing, joined
from fastclear.columns import Participant
from fastclear.market_view import Wording, shown
from fastclear.receipts import Receipts
from fastclear.statements.history import History
from fastclear.statements.view import money_text
from fastclear.statements.words import KINDS, LINES, energy_text, told
from fastclear.units import Units

if TYPE_CHECKING:
    from fastclear.book.events import BookEvents
    from fastclear.clearing_columns import Cleared

_READ: Final = Units(price="ct/kWh", quantity="kWh")
_LINES: Final = {
    "energy": "traded energy",
    "platform": "platform fee",
    "network": "network fee",
    "residual": "energy from the supplier",
    "feed_in": "energy to the supplier",
    "imbalance": "deviation from what was traded",
    "tax": "tax",
}


def told_to(
    receipts: Receipts, participant: Participant, clearing: Cleared | BookEvents | Sequence[Cleared | BookEvents]
) -> str:
    """Tell a member its slot; see :meth:`fastclear.Receipts.explain`."""
    account = receipts.bank.account(participant)
    clearings = joined(clearing)
    lines = [f"{shown(participant)}, account {account}"]
    for item in clearings:
        lines += _orders(item, receipts.bank.pseudonyms(item.orders) == account)
    columns = receipts.columns
    mine = History(receipts).rows((columns["debit"] == account) | (columns["credit"] == account))
    lines += _meter(mine)
    lines += _bill(receipts, participant, account)
    lines += _since(receipts, account)
    return "\n  ".join(lines)


def _orders(clearing: Any, mine: Any) -> Iterator[str]:
    """What became of each of its orders, as the clearing explains it."""
    from fastclear.explanation.story import Story
    from fastclear.explanation.tellers import told as told_of_order
    from fastclear.trades import Clearing

    if isinstance(clearing, BookClearing):
        for row in np.flatnonzero(mine).tolist():
            yield clearing.told(row, Wording(_READ, 1))
    if isinstance(clearing, Clearing):
        for row in np.flatnonzero(mine).tolist():
            story = Story(clearing, row)
            if clearing.orders.units is None:
                story.words = Wording(_READ, clearing.den)
            yield told_of_order(story)


def _meter(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Readings against what was traded, and what the difference cost."""
    traded = {"bought": 0, "sold": 0}
    for row in rows:
        kind, line = KINDS.get(row["kind"]), LINES.get((row["kind"], row["code"]))
        if kind == "post":
            traded["bought"] += row["quantity"]
        elif line in ("pool_paid", "pool_received"):
            traded["bought" if row["quantity"] >= 0 else "sold"] += abs(row["quantity"])
            text = told(row)
            yield f"{text[0].upper()}{text[1:]}: {money_text(row['amount'])}."
        elif line == "seller_bond" or (kind == "trade" and line not in ("buyer", "released", "returned")):
            traded["sold"] += row["quantity"]
        elif kind == "meter" and line == "losses":
            text = told(row)
            yield f"{text[0].upper()}{text[1:]}."
        elif kind == "meter":
            words = " and ".join(f"{energy_text(wh)} {how}" for how, wh in traded.items() if wh) or "nothing traded"
            text = told(row)
            yield f"{text[0].upper()}{text[1:]}, with {words}."
        elif kind in ("imbalance", "correction"):
            yield f"{told(row)}: {money_text(row['amount'])}."


def _since(receipts: Receipts, account: int) -> Iterator[str]:
    """What became of the slot: where it stands, later versions, disputes, the invoice that it is on."""
    slot, bank = receipts.slot_number, receipts.bank
    if slot is None:
        return
    of_slot = bank.slots.row(slot, named=True)
    if of_slot["standing"] != "confirmed":
        yield "The slot was taken back." if of_slot["standing"] == "reversed" else "The slot is provisional."
    for version, _, first, _, readings, moved in bank._versions(slot).rows()[1:]:
        count = "one later reading" if readings == 1 else f"{readings} later readings"
        yield f"Version {version}, from posting {first} on: {count}, {money_text(int(moved))} moved in all."
    start = bank._slots.start(slot)
    if start is not None:
        for dispute in bank._disputes.values():
            if dispute.slot == start and account in (dispute.claimant, dispute.respondent):
                who = "claimant" if account == dispute.claimant else "respondent"
                ruled = "" if dispute.ruled is None else f", {money_text(dispute.ruled)} ruled"
                yield f"Dispute {dispute.number} over {money_text(dispute.amount)}, as {who}: {dispute.state}{ruled}."
    if bank._office is not None:
        for kind, number in bank._office.numbers_of(account, bank._slot_time(slot)):
            yield f"On {kind.replace('_', ' ')} {number} of {bank._office.issuer}."


def _bill(receipts: Receipts, participant: Participant, account: int) -> Iterator[str]:
    """Each line of its bill that is not nothing, and their sum."""
    bills = receipts.bill_columns
    found = np.flatnonzero(bills["account"] == account)
    if not len(found):
        yield "Nothing was paid."
        return
    bill = {name: int(column[found[0]]) for name, column in bills.items()}
    parts = [f"{words} {money_text(bill[name])}" for name, words in _LINES.items() if bill[name]]
    net = bill["net"]
    verb = "pays" if net >= 0 else "receives"
    yield f"In all {shown(participant)} {verb} {money_text(abs(net))}" + (f": {', '.join(parts)}." if parts else ".")
