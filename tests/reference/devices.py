"""Naive twins of devices: one member, exact fractions, the rule as one would say it."""

from fractions import Fraction


class OneWindow:
    """A car (or a load that can wait) at one member: what it stores, and what can be done without breaking a
    promise."""

    def __init__(self, windows, capacity, charge, discharge, efficiency_ppm):
        self.windows = sorted(windows)  # (arrival, departure, energy, arrival_wh)
        self.capacity, self.charge, self.discharge = capacity, charge, discharge
        self.efficiency = Fraction(efficiency_ppm, 10**6)
        self.slot, self.stored, self.unserved = 0, Fraction(0), 0
        self.taken = self.given = 0
        self._enter()

    def window(self):
        return next((w for w in self.windows if w[0] <= self.slot < w[1]), None)

    def _enter(self):
        for arrival, _, _, stored in self.windows:
            if arrival == self.slot:
                self.stored = Fraction(stored)

    def reachable(self, stored, slots):
        """Whether the target can be met in whole Wh from here at full power."""
        _, _, energy, first = self.window()
        for _ in range(slots):
            if stored >= first + energy:
                return True
            stored += min(self.charge, int((self.capacity - stored) / self.efficiency)) * self.efficiency
        # a Wh of the meter may not fit any more
        return stored >= first + energy or int((self.capacity - stored) / self.efficiency) == 0

    def allowed(self):
        """Every whole energy that keeps the promise, by trying; or full power where none does."""
        if self.window() is None:
            return [0]
        left = self.window()[1] - self.slot - 1
        most = min(self.charge, int((self.capacity - self.stored) / self.efficiency))
        least = -min(self.discharge, int(self.stored))
        after = {e: self.stored + (e * self.efficiency if e > 0 else e) for e in range(least, most + 1)}
        kept = [e for e, stored in after.items() if self.reachable(stored, left)]
        return kept or [most]

    def take(self, energy):
        here = self.window()
        self.stored += energy * self.efficiency if energy > 0 else energy
        self.slot += 1
        if here and here[1] == self.slot:
            self.unserved += int(max(here[3] + here[2] - self.stored, 0))
        self._enter()


class OneHeatPump:
    def __init__(self, power, store, demand, cop_ppm, loss_ppm):
        self.power, self.store, self.demand = power, store, demand
        self.cop, self.loss = Fraction(cop_ppm, 10**6), Fraction(loss_ppm, 10**6)
        self.stored, self.unserved, self.slot = Fraction(0), Fraction(0), 0

    def _after(self, energy):
        micro = 10**6
        whole = int(self.stored)
        rest = (self.stored - whole) * micro
        lost = whole * self.loss + Fraction(int(rest * self.loss), micro)
        return self.stored - lost + energy * self.cop - self.demand[self.slot]

    def allowed(self):
        fits = [e for e in range(self.power + 1) if self._after(e) <= self.store] or [0]
        enough = [e for e in fits if self._after(e) >= 0]
        return (min(enough), max(fits)) if enough else (max(fits), max(fits))

    def take(self, energy):
        after = self._after(energy)
        self.unserved += max(-after, 0)
        self.stored = max(after, Fraction(0))
        self.slot += 1
