"""Transfers as one would explain them: dicts, and every fault of a transfer collected before the lowest is taken."""

from collections import namedtuple

import fastclear as fc

Account = namedtuple("Account", "posted out into limit asset unlimited closed")
Transfer = namedtuple("Transfer", "id debit credit amount kind reference timeout code linked", defaults=[0] * 9)
Entry = namedtuple("Entry", "transfer fate debit credit expires")  # fate: moved, open, posted, voided, expired, failed
SINGLE, PENDING, POST, VOID = range(4)
FIELDS = ["kind", "debit", "credit", "amount", "reference", "timeout", "code", "linked"]
GONE = {
    "posted": "RESERVATION_ALREADY_POSTED",
    "voided": "RESERVATION_ALREADY_VOIDED",
    "expired": "RESERVATION_EXPIRED",
}
PASSING = {"RESERVATION_NOT_FOUND", "DEBIT_NOT_FOUND", "CREDIT_NOT_FOUND", "DEBIT_CLOSED", "CREDIT_CLOSED"}
PASSING |= {"EXCEEDS_AVAILABLE", "OUT_OF_RANGE"}


class Model:
    def __init__(self):
        self.accounts, self.entries, self.now, self.journal = {}, {}, 0, []

    def available(self, account):
        return account.posted + account.limit - account.out

    def put(self, table, key, value):
        self.journal.append((table, key, table.get(key)))
        table[key] = value

    def faults(self, t):
        found = []
        add = lambda wrong, name: found.append(fc.TransferCode[name]) if wrong else None  # noqa: E731
        old, held, resolves = self.entries.get(t.id) if t.id else None, None, t.kind in (POST, VOID)
        add(t.kind == PENDING and not t.id, "ID_MUST_NOT_BE_ZERO")
        if old and old.fate == "failed":
            add(True, "ID_ALREADY_FAILED")
        elif old:
            for field in FIELDS:
                add(getattr(t, field) != getattr(old.transfer, field), "EXISTS_WITH_DIFFERENT_" + field.upper())
            add(t == old.transfer, "EXISTS")
        add(t.amount < 0 or (t.amount == 0 and t.kind != VOID), "AMOUNT_MUST_BE_POSITIVE")
        add(not resolves and t.reference, "REFERENCE_MUST_BE_ZERO")
        add(resolves and not t.reference, "REFERENCE_MUST_NOT_BE_ZERO")
        add(t.kind != PENDING and t.timeout, "TIMEOUT_MUST_BE_ZERO")
        add(self.now + t.timeout >= 2**64, "TIMEOUT_OUT_OF_RANGE")
        debit, credit = t.debit, t.credit
        if resolves:
            held = self.entries.get(t.reference)
            if held is None or held.fate in ("moved", "failed"):
                return [*found, fc.TransferCode.RESERVATION_NOT_FOUND]
            if held.fate != "open":
                return [*found, fc.TransferCode[GONE[held.fate]]]
            other = debit not in (0, held.debit) or credit not in (0, held.credit)
            add(other or (t.kind == VOID and t.amount not in (0, held.transfer.amount)), "RESERVATION_DIFFERS")
            add(t.amount > held.transfer.amount, "EXCEEDS_RESERVATION")
            debit, credit = held.debit, held.credit
        payer, payee = self.accounts.get(debit), self.accounts.get(credit)
        add(payer is None, "DEBIT_NOT_FOUND")
        add(payee is None, "CREDIT_NOT_FOUND")
        add(debit == credit, "ACCOUNTS_MUST_DIFFER")
        add(payer and payee and payer.asset != payee.asset, "ASSETS_DIFFER")
        add(payer and payer.closed and t.kind != VOID, "DEBIT_CLOSED")
        add(payee and payee.closed and t.kind != VOID, "CREDIT_CLOSED")
        short = payer and not payer.unlimited and t.amount > self.available(payer)
        add(short and not resolves, "EXCEEDS_AVAILABLE")
        return found

    def execute(self, t):
        if found := self.faults(t):
            return min(found)
        held = self.entries[t.reference] if t.kind in (POST, VOID) else None
        debit, credit = (held.debit, held.credit) if held else (t.debit, t.credit)
        reserved = t.amount if t.kind == PENDING else -held.transfer.amount if held else 0
        self.move(debit, credit, 0 if t.kind in (PENDING, VOID) else t.amount, reserved)
        if held:
            self.put(self.entries, t.reference, held._replace(fate="posted" if t.kind == POST else "voided"))
        if t.id:
            expires = self.now + t.timeout if t.timeout else None
            self.put(self.entries, t.id, Entry(t, "open" if t.kind == PENDING else "moved", debit, credit, expires))
        return fc.TransferCode.OK

    def move(self, debit, credit, posted, reserved):
        payer = self.accounts[debit]
        self.put(self.accounts, debit, payer._replace(posted=payer.posted - posted, out=payer.out + reserved))
        payee = self.accounts[credit]
        self.put(self.accounts, credit, payee._replace(posted=payee.posted + posted, into=payee.into + reserved))

    def submit(self, transfers):
        codes = []
        while len(codes) < len(transfers):
            rest = transfers[len(codes) :]
            size = next((place + 1 for place, t in enumerate(rest) if not t.linked), len(rest))
            codes += self.chain(rest[:size], whole=not rest[size - 1].linked)
        return codes

    def chain(self, chain, *, whole):
        self.journal.clear()
        failed = [fc.TransferCode.LINKED_EVENT_FAILED] * len(chain)
        if not whole:
            failed[-1] = fc.TransferCode.LINKED_EVENT_CHAIN_OPEN
        for place, t in enumerate(chain if whole else chain[:-1]):
            code = self.execute(t)
            if code:
                failed[place] = code
                break
        else:
            if whole:
                return [fc.TransferCode.OK] * len(chain)
            t, code = chain[-1], failed[-1]
        for table, key, value in reversed(self.journal):
            table[key] = value
            if value is None:
                del table[key]
        if code.name in PASSING and t.id:
            self.entries[t.id] = Entry(t, "failed", 0, 0, None)
        return failed

    def advance(self, time):
        self.now = time
        places = enumerate(self.entries.values())  # in order of acceptance
        due = [(e.expires, place, e) for place, e in places if e.fate == "open" and e.expires and e.expires <= time]
        for *_, entry in sorted(due, key=lambda found: found[:2]):
            self.move(entry.debit, entry.credit, 0, -entry.transfer.amount)
            self.entries[entry.transfer.id] = entry._replace(fate="expired")
        return [entry.transfer.id for *_, entry in sorted(due, key=lambda found: found[:2])]
