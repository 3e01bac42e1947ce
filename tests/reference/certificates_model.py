"""A register of certificates as one would explain it: a list that is searched, and sums taken when asked for."""

from dataclasses import dataclass, replace

import fastclear as fc

NONE_YET = object()
END = 2**40


@dataclass
class Certificate:
    device: str
    slot: int
    energy: int
    source: str | None
    attributes: str | None
    owner: str
    state: str = "active"
    parent: int | None = None
    beneficiary: str | None = None
    used_for: int | None = None
    compensates: str | None = None


class Model:
    def __init__(self, term=None):
        self.term, self.now = term, None
        self.all, self.readings, self.devices, self.compensated = [], {}, [], {}
        self.history = []  # (device, slot, id) as they came about
        self.events = []

    def of(self, device, slot, *states):
        ids = [i for d, s, i in self.history if (d, s) == (device, slot)]
        return [i for i in ids if self.all[i].state in states]

    def standing(self, device, slot):
        return sum(self.all[i].energy for i in self.of(device, slot, "active", "cancelled", "expired"))

    def owed(self, device, slot):
        metered = self.readings[device, slot][0]
        return max(0, self.standing(device, slot) - metered - self.compensated.get((device, slot), 0))

    def is_over(self, slot):
        return self.term is not None and self.now is not None and slot + self.term <= self.now

    def new(self, certificate):
        self.all.append(certificate)
        self.history.append((certificate.device, certificate.slot, len(self.all) - 1))
        return len(self.all) - 1

    def note(self, kind, i, to=None):
        holder = None if kind == "issue" else self.all[i].owner
        self.events.append((self.now, kind, i, self.all[i].energy, holder, to))

    def split(self, i, energy):
        one = self.all[i]
        if energy == one.energy:
            return i
        one.energy -= energy
        return self.new(replace(one, energy=energy, parent=i))

    def read(self, device, slot, generated, owner, source, attributes):
        found = []
        add = lambda wrong, code: found.append(fc.CertificateCode[code]) if wrong else None  # noqa: E731
        add(device is None, "UNKNOWN_DEVICE")
        add(owner is None, "UNKNOWN_HOLDER")
        add(not 0 <= generated < END, "ENERGY_OUT_OF_RANGE")
        if device is not None and device not in self.devices:
            self.devices.append(device)
        if device is not None:
            known = self.readings.get((device, slot))
            add(known is not None and known[1] != source, "SOURCE_DIFFERS")
            add(generated > self.standing(device, slot) and self.is_over(slot), "TERM_IS_OVER")
        if found:
            return min(found), None, 0
        self.readings[device, slot] = (generated, source)
        more = generated - self.standing(device, slot)
        if more > 0:
            i = self.new(Certificate(device, slot, more, source, attributes, owner))
            self.note("issue", i, owner)
            return 0, i, more
        left = -more
        for i in reversed(self.of(device, slot, "active", "expired")):
            if left:
                taken = min(left, self.all[i].energy)
                i = self.split(i, taken)
                self.all[i].state = "revoked"
                self.note("revoke", i)
                left -= taken
        revoked = -more - left
        owed = self.owed(device, slot) > 0
        word = "OWED" if owed else "REVOKED" if revoked else "UNCHANGED"
        return fc.CertificateCode[word], None, -revoked

    def faults(self, kind, i, name, energy, owner, slot):
        found = []
        add = lambda wrong, code: found.append(fc.CertificateCode[code]) if wrong else None  # noqa: E731
        owing = None
        if kind == "compensate":
            add((name, slot) not in self.readings, "UNKNOWN_DEVICE")
            owing = 0 if found else self.owed(name, slot)
        add(kind == "transfer" and name is None, "UNKNOWN_HOLDER")
        known = 0 <= i < len(self.all)
        add(not known, "UNKNOWN_CERTIFICATE")
        if known:
            one = self.all[i]
            energy = one.energy if energy is NONE_YET else energy
            add(one.state == "cancelled", "ALREADY_CANCELLED")
            add(one.state == "expired", "EXPIRED")
            add(one.state == "revoked", "ALREADY_REVOKED")
            add(owner is not NONE_YET and owner != one.owner, "NOT_OWNER")
            add(kind == "transfer" and name == one.owner, "OWNERS_MUST_DIFFER")
            add(energy > one.energy, "EXCEEDS_CERTIFICATE")
        add(energy is not NONE_YET and not 0 < energy < END, "ENERGY_OUT_OF_RANGE")
        add(owing is not None and energy is not NONE_YET and energy > owing, "EXCEEDS_OWED")
        return found

    def step(self, kind, i, name, energy, owner, slot):
        found = self.faults(kind, i, name, energy, owner, slot)
        if found:
            return min(found), None
        energy = self.all[i].energy if energy is NONE_YET else energy
        i = self.split(i, energy)
        one = self.all[i]
        self.note(kind, i, {"transfer": name, "cancel": one.owner if name is None else name}.get(kind))
        if kind == "transfer":
            one.owner = name
        elif kind == "cancel":
            one.state, one.beneficiary = "cancelled", one.owner if name is None else name
            one.used_for = one.slot if slot is NONE_YET else slot
        else:
            one.state, one.compensates, one.used_for = "cancelled", name, slot
            self.compensated[name, slot] = self.compensated.get((name, slot), 0) + energy
        return 0, i

    def claimed(self, holder, slot):
        mine = [one for one in self.all if one.beneficiary == holder and one.used_for == slot]
        return sum(one.energy for one in mine if one.compensates is None)

    def match(self, holder, slot, consumed):
        if holder is None:
            return 0
        left = consumed - self.claimed(holder, slot)
        for i in range(len(self.all)):
            one = self.all[i]
            if left > 0 and (one.owner, one.slot, one.state) == (holder, slot, "active"):
                i = self.split(i, min(left, one.energy))
                one = self.all[i]
                one.state, one.beneficiary, one.used_for = "cancelled", holder, slot
                self.note("cancel", i, holder)
                left -= one.energy
        return min(self.claimed(holder, slot), max(consumed, 0))

    def advance(self, time):
        self.now = time
        late = [i for i, one in enumerate(self.all) if one.state == "active" and self.is_over(one.slot)]
        for i in sorted(late, key=lambda i: (self.all[i].slot, i)):
            self.all[i].state = "expired"
            self.note("expire", i)
        return sum(self.all[i].energy for i in late)

    def shown(self, i):
        fields = "device slot energy source attributes owner state parent beneficiary used_for compensates"
        return [getattr(self.all[i], name) for name in fields.split()]

    def totals(self):
        rows = []
        for device, slot in sorted(self.readings, key=lambda key: (self.devices.index(key[0]), key[1])):
            sums = [
                sum(self.all[i].energy for i in self.of(device, slot, state))
                for state in ("active", "cancelled", "expired", "revoked")
            ]
            made_up = self.compensated.get((device, slot), 0)
            rows.append((device, slot, self.readings[device, slot][0], *sums, made_up, self.owed(device, slot)))
        return rows
