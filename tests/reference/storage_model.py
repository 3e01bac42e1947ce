"""A shared battery in exact fractions: every fault of a row collected before the lowest is taken."""

from fractions import Fraction
from math import ceil, floor

import fastclear as fc

DAY = 86_400 * 10**9
KINDS = ["charge", "discharge", "transfer"]


def shares(total, weights):
    """Largest remainder: everyone's share rounded down, then one more to whom most was cut off, the first first."""
    exact = [Fraction(total * weight, sum(weights)) for weight in weights]
    cut = sorted(range(len(weights)), key=lambda i: (floor(exact[i]) - exact[i], i))
    more = set(cut[: total - sum(map(floor, exact))])
    return [floor(share) + (i in more) for i, share in enumerate(exact)]


class Model:
    def __init__(self, capacity, weights, *, charge=1, discharge=1, limits=(None, None), kept=1, virtual=None, op=None):
        names = list(weights)
        of = lambda total: dict(zip(names, shares(total, list(weights.values())), strict=True))  # noqa: E731
        self.capacity, self.charge, self.discharge, self.kept = capacity, charge, discharge, kept
        self.share = of(capacity if virtual is None else virtual)
        self.limit = [None if limit is None else of(limit) for limit in limits]
        self.held = dict.fromkeys(names, Fraction(0))
        self.operator_wh = None if op is None else 0
        self.smallest = 1 / (10**6 * discharge * 10**6)  # what is lost with time is rounded to this
        self.slot, self.used = None, {}
        self.physical = Fraction(0)  # a battery of the same efficiencies, without accounts

    def enter(self, slot):
        if slot is None or slot == self.slot:
            return
        midnights = 0 if self.slot is None else slot // DAY - self.slot // DAY
        self.slot, self.used = slot, {}
        for _ in range(midnights):
            self.physical *= self.kept
            for name, held in self.held.items():
                self.held[name] = floor(held * self.kept / self.smallest) * self.smallest

    def faults(self, kind, name, to, wh):
        found = []
        add = lambda wrong, code: found.append(fc.StorageCode[code]) if wrong else None  # noqa: E731
        moves = kind == "transfer"
        add(name not in self.held, "UNKNOWN_MEMBER")
        add(moves and to not in self.held, "UNKNOWN_COUNTERPARTY")
        add(moves and name == to and name in self.held, "MEMBERS_MUST_DIFFER")
        add(wh <= 0, "ENERGY_MUST_BE_POSITIVE")
        if found:
            return found
        if not moves:
            limit = self.limit[KINDS.index(kind)]
            add(limit is not None and self.used.get((kind, name), 0) + wh > limit[name], "OVER_POWER")
        gained = {"charge": wh * self.charge, "discharge": -wh / self.discharge, "transfer": -wh}[kind]
        whole = sum(self.held.values()) + (self.operator_wh or 0) + gained
        add(self.held[name] + gained < 0 or (kind == "discharge" and whole < 0), "EMPTY")
        into, more = (to, wh) if moves else (name, gained)
        add(more > 0 and self.held[into] + more > self.share[into], "OVER_SHARE")
        add(kind == "charge" and whole > self.capacity, "OVER_CAPACITY")
        return found

    def row(self, kind, name, to, wh):
        found = self.faults(kind, name, to, wh)
        if found:
            return min(found)
        if kind == "charge":
            self.held[name] += wh * self.charge
            self.physical += wh * self.charge
        elif kind == "discharge":
            self.held[name] -= wh / self.discharge
            self.physical -= wh / self.discharge
        else:
            self.held[name] -= wh
            self.held[to] += wh
        self.used[kind, name] = self.used.get((kind, name), 0) + wh
        return fc.StorageCode.OK

    def reconcile(self, physical):
        if self.operator_wh is not None:
            had, self.operator_wh = self.operator_wh, physical - floor(sum(self.held.values()))
            return self.operator_wh - had
        names = list(self.held)
        stored = [floor(self.held[name]) for name in names]
        difference = left = physical - sum(stored)
        if left < 0:
            stored = [had + part for had, part in zip(stored, shares(left, stored), strict=True)]
        else:
            key = list(stored)
            while left:
                room = [self.share[name] - had for name, had in zip(names, stored, strict=True)]
                open_ = [weight if free else 0 for weight, free in zip(key, room, strict=True)]
                given = shares(left, open_ if any(open_) else room)
                taken = [min(pair) for pair in zip(given, room, strict=True)]
                stored = [had + part for had, part in zip(stored, taken, strict=True)]
                left -= sum(taken)
        self.held = dict(zip(names, map(Fraction, stored), strict=True))
        return difference

    def balances(self):
        whole = sum(self.held.values()) + (self.operator_wh or 0)
        rows = []
        for name, held in self.held.items():
            most = []
            for way, (kind, bound) in enumerate(
                [
                    ("charge", min(self.share[name] - held, self.capacity - whole) / self.charge),
                    ("discharge", min(held, whole) * self.discharge),
                ]
            ):
                limit = self.limit[way]
                left = bound if limit is None else min(bound, limit[name] - self.used.get((kind, name), 0))
                most.append(min(max(0, floor(left)), 2**63 - 1))
            rows.append((name, self.share[name], floor(held), floor(held % 1 * 10**9), *most))
        if self.operator_wh is not None:
            rows.append(("operator", None, self.operator_wh, 0, None, None))
        return rows

    def room_to_read(self, rng):
        """A reading of the physical battery, a little wrong now and then."""
        exact = floor(self.physical)
        wrong = rng.integers(-5, 6) if rng.integers(3) == 0 else 0
        return max(0, min(self.capacity, exact + int(wrong), ceil(self.capacity)))
