"""A tariff plan read and billed by hand: plain Python and exact fractions, nothing of the package.

Takes the same plain values as ``fc.TariffPlan``. Local time comes from dateutil, which reads the zones by itself.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from math import ceil, floor
from typing import Any

from dateutil import tz

LINES = ("energy", "platform", "network", "residual", "feed_in", "imbalance", "subscription", "tax")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NAMES = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


def ticks(price: object) -> int:
    exact = Fraction(str(price)) * 10_000
    assert exact.denominator == 1
    return exact.numerator


def as_date(value: object) -> date:
    return value if isinstance(value, date) else date.fromisoformat(str(value))


@dataclass
class Slot:
    """What a plan says of one slot, in ticks and fractions."""

    local: datetime
    retail: int
    feed_in: int
    platform_fee: int
    version: dict[str, Any]
    windows: set[str]
    taxes: dict[str, Fraction]

    def price(self, schedule: object) -> int:
        if not isinstance(schedule, dict):
            return ticks(schedule)
        for window, price in schedule.items():
            if window != "otherwise" and window in self.windows:
                return ticks(price)
        return ticks(schedule["otherwise"])

    def network_fee(self, buyer: str | None, seller: str | None) -> int:
        fee = self.price(self.version.get("network_fee", 0))
        if buyer is None or seller is None:
            return fee
        for pair in self.version.get("zone_pairs", ()):
            if (pair["buyer"], pair["seller"]) == (buyer, seller):
                return self.price(pair["network_fee"])
        discount = Fraction(str(self.version.get("local_discount_percent", 0))) / 100
        local = fee * (1 - discount)
        assert local.denominator == 1
        return int(local) if buyer == seller else fee


def resolve(plan: dict[str, Any], slot: int) -> Slot:
    """Walk the rules one by one."""
    seconds, rest = divmod(slot, 10**9)
    local = (EPOCH + timedelta(seconds=seconds)).astimezone(tz.gettz(plan["time_zone"]))
    assert rest == 0
    holiday = local.date() in {as_date(day) for day in plan.get("holidays", ())}
    windows = {name for name, window in plan.get("windows", {}).items() if holds(window, local, holiday)}
    version = None
    for candidate in plan["versions"]:
        if as_date(candidate["since"]) <= local.date():
            version = candidate
    assert version is not None
    out = Slot(local, 0, 0, 0, version, windows, taxes(plan, local.date()))
    out.retail, out.feed_in = out.price(version["retail"]), out.price(version["feed_in"])
    out.platform_fee = out.price(version.get("platform_fee", 0))
    return out


def taxes(plan: dict[str, Any], day: date) -> dict[str, Fraction]:
    everything = ["energy", "platform_fee", "network_fee", "residual", "subscription"]
    out = dict.fromkeys(everything, Fraction(0))
    for rule in sorted(plan.get("taxes", ()), key=lambda rule: as_date(rule["since"])):
        if as_date(rule["since"]) <= day:
            for line in rule.get("on", everything):
                out[line] = Fraction(0) if rule.get("reverse_charge") else Fraction(str(rule["percent"])) / 100
    return out


def holds(window: dict[str, Any], local: datetime, holiday: bool) -> bool:
    if window.get("days"):
        kind = "holiday" if holiday else "weekend" if local.weekday() > 4 else "weekday"
        if not {kind, NAMES[local.weekday()]} & set(window["days"]):
            return False
    if window.get("months") and local.month not in window["months"]:
        return False
    if not window.get("hours"):
        return True
    clock = f"{local:%H:%M}"
    for text in window["hours"]:
        start, end = text[:5], text[6:]
        if start <= clock < end if start < end else clock >= start or clock < end:
            return True
    return False


@dataclass(frozen=True)
class Deal:
    buyer: object
    seller: object
    quantity: int
    price: Fraction


def slot_bills(
    slot: Slot, zones: dict[object, str | None], deals: list[Deal], metered: dict[object, int]
) -> tuple[dict[object, dict[str, int]], dict[str, int]]:
    """Lines of each member (+ pays, - receives), and what the house accounts receive."""
    out: dict[object, dict[str, int]] = defaultdict(lambda: dict.fromkeys(LINES, 0))
    house: dict[str, int] = defaultdict(int)
    contract: dict[object, int] = defaultdict(int)
    for deal in deals:
        contract[deal.buyer] += deal.quantity
        contract[deal.seller] -= deal.quantity
        energy, received = ceil(deal.price * deal.quantity), floor(deal.price * deal.quantity)
        platform = slot.platform_fee * deal.quantity
        network = slot.network_fee(zones.get(deal.buyer), zones.get(deal.seller)) * deal.quantity
        rates = slot.taxes
        # one tax line for the energy with every fee of its rate, one for each other fee; half to even
        bases = {"energy": Fraction(energy), "platform_fee": Fraction(platform), "network_fee": Fraction(network)}
        for line in ("platform_fee", "network_fee"):
            if rates[line] == rates["energy"]:
                bases["energy"] += bases.pop(line)
        tax = sum(round(base * rates[line]) for line, base in bases.items())
        bill = out[deal.buyer]
        for line, amount in (("energy", energy), ("platform", platform), ("network", network), ("tax", tax)):
            bill[line] += amount
        out[deal.seller]["energy"] -= received
        for account, fee, line in (("platform", platform, "platform_fee"), ("dso", network, "network_fee")):
            share = slot.version.get(f"{line}_share")
            part = 0
            if share is not None:
                exact = fee * Fraction(str(share["percent"])) / 100
                part = floor(exact) if exact >= 0 else ceil(exact)
                house[share["to"]] += part
            house[account] += fee - part
        house["rounding"] += energy - received
        house["tax"] += tax
    for member, energy in metered.items():
        deviation = energy - contract[member]
        own = max(0, min(deviation, energy)) if deviation > 0 else min(0, max(deviation, energy))
        price = slot.retail if deviation > 0 else slot.feed_in
        bill = out[member]
        bill["residual" if deviation > 0 else "feed_in"] += price * own
        bill["imbalance"] += price * (deviation - own)
        house["backstop"] += price * deviation
        if deviation > 0:
            tax = round(slot.taxes["residual"] * price * own)
            bill["tax"] += tax
            house["tax"] += tax
    return dict(out), dict(house)


def subscription_bills(plan: dict[str, Any], spans: dict[object, tuple[date, date]], month: str) -> dict[object, Any]:
    """What each member pays for its days of a month, day by day: (charge, tax)."""
    year, number = int(month[:4]), int(month[5:])
    first = date(year, number, 1)
    days = (date(year + number // 12, number % 12 + 1, 1) - first).days
    out: dict[object, Any] = {}
    for member, (since, until) in spans.items():
        runs: dict[tuple[int, Fraction], list[int]] = defaultdict(list)
        for offset in range(days):
            day = first + timedelta(days=offset)
            if since <= day < until:
                version = [v for v in plan["versions"] if as_date(v["since"]) <= day][-1]
                amount = int(Fraction(str(version.get("subscription_per_month", 0))) * 10**9)
                runs[amount, taxes(plan, day)["subscription"]].append(offset)
        charge = tax = 0
        for (amount, rate), held in runs.items():
            # the runs of these tests have no gap: floor of what the month has cost by then, less the same before
            due = floor(Fraction(amount * (held[-1] + 1), days)) - floor(Fraction(amount * held[0], days))
            charge, tax = charge + due, tax + round(rate * due)
        if runs:
            out[member] = (charge, tax)
    return out
