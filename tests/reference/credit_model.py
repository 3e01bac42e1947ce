"""A credit bank as one would do it by hand: dicts, fractions, no postings. It shares no code with the product."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor

TREASURY, OPERATOR = "treasury", "platform"


class Loan:
    """Interest and penalty are fractions; whole nano-currency of them is owed."""

    def __init__(self, lender, principal, day, term):
        self.lender, self.principal, self.due, self.day = lender, principal, day + term, day
        self.grown = {"penalty": Fraction(0), "interest": Fraction(0)}
        self.paid = {"penalty": 0, "interest": 0}

    def owed(self, part):
        return self.principal if part == "principal" else floor(self.grown[part]) - self.paid[part]

    def total(self):
        return sum(self.owed(part) for part in ("penalty", "interest", "principal"))


class Model:
    """Members with cash, reservations, loans and a limit; a treasury."""

    def __init__(self, members, rate, per_days, term, penalty, lends=True):
        self.cash = dict.fromkeys(members, 0)
        self.held = {name: {} for name in members}
        self.limit = dict.fromkeys(members, 0)
        self.loans = {name: [] for name in members}
        self.defaulted, self.closed = set(), set()
        self.rate, self.term, self.penalty = Fraction(rate, 10**6 * per_days), term, Fraction(penalty, 10**6)
        self.treasury = self.capital = self.day = 0
        self.lends = lends
        self.operator = 0

    # -- what a member has
    def reserved(self, name):
        return sum(self.held[name].values())

    def exposure(self, name, more=0):
        lacking = self.reserved(name) + more - self.cash[name]
        owed = 0
        for loan in self.loans[name]:
            to_come = loan.grown["interest"] + loan.principal * self.rate * max(loan.due - loan.day, 0)
            owed += loan.total() + ceil(to_come) - floor(loan.grown["interest"])
        draw = max(lacking, 0) if self.lends else 0
        return lacking + owed + ceil(draw * self.rate * self.term)

    def available(self, name):
        return self.limit[name] - self.exposure(name)

    def status(self, name):
        if name in self.closed:
            return "closed"
        if name in self.defaulted:
            return "defaulted"
        if any(loan.due <= self.day for loan in self.loans[name]):
            return "overdue"
        return "restricted" if self.available(name) < 0 else "active"

    def promised(self):
        return sum(max(self.reserved(name) - self.cash[name], 0) for name in self.cash)

    # -- what happens
    def charge(self):
        for loans in self.loans.values():
            for loan in loans:
                late = max(self.day - max(loan.due, loan.day), 0)
                loan.grown["interest"] += loan.principal * self.rate * (self.day - loan.day)
                loan.grown["penalty"] += loan.principal * self.penalty * late
                loan.day = self.day

    def pay(self, name, money, only_due):
        paid = 0
        for part in ("penalty", "interest", "principal"):
            for loan in self.loans[name]:
                if only_due and loan.due > self.day:
                    continue
                step = min(money - paid, loan.owed(part))
                if part == "principal":
                    loan.principal -= step
                else:
                    loan.paid[part] += step
                paid += step
                self.cash[name] -= step
                if loan.lender == TREASURY:
                    self.treasury += step
                else:
                    self.operator += step
        self.loans[name] = [loan for loan in self.loans[name] if loan.total()]
        return paid

    def follow_up(self, touched):
        """Lend to those touched what they lack, in the order of the members; then collect what is due."""
        if self.lends:
            for name in [name for name in self.cash if name in touched]:
                short = min(-self.cash[name], self.treasury)
                if short > 0:
                    self.cash[name] += short
                    self.treasury -= short
                    self.loans[name].append(Loan(TREASURY, short, self.day, self.term))
        self.collect()

    def collect(self):
        for name in self.cash:
            free = self.cash[name] - self.reserved(name)
            if free > 0:
                self.pay(name, free, only_due=True)

    def reserve(self, name, order, cover):
        """Return the reject code: 0, 21 (blocked) or 13 (credit)."""
        if self.status(name) in ("closed", "defaulted", "overdue"):
            return 21
        more = max(self.reserved(name) + cover - self.cash[name], 0) - max(self.reserved(name) - self.cash[name], 0)
        if self.lends and more and self.promised() + more > self.treasury:
            return 13
        if self.exposure(name, cover) > self.limit[name]:
            return 13
        self.held[name][order] = cover
        return 0

    def write_off(self, name):
        self.charge()
        self.collect()
        if not any(loan.due <= self.day for loan in self.loans[name]):
            return False
        self.loans[name] = []
        self.defaulted.add(name)
        self.limit[name] = 0
        return True
