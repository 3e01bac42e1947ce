"""A bank in plain integers and dictionaries: what `fc.Settlement` must come to. Shares no code with the package.

`Prepaid` is the model; another profile is a subclass that overrides what it does differently: what covers a bid
(`available`), who may withdraw what (`free`), what a deviation costs (`imbalance`), what a cycle does (`close_cycle`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor
from typing import Any, NamedTuple


class RefusedError(Exception):
    """A call that the bank must refuse; nothing has changed."""


class Rates(NamedTuple):
    retail: int
    feed_in: int
    platform_fee: int = 0
    network_fee: int = 0
    tax_ppm: int = 0
    policy: str = "backup"  # or "single", "dual"
    penalty: int = 0
    dead_band: int = 0


class Bid(NamedTuple):
    member: Any
    market: Any
    order: Any
    price: int | None  # None: a flaw that the bank must find
    quantity: int


class Trade(NamedTuple):
    bid: int  # row of the bid in its gate
    seller: Any
    quantity: int
    pays: Fraction  # money, before rounding
    receives: Fraction


@dataclass
class Gate:
    bids: list[Bid]
    trades: list[Trade]
    deficit_to: str = "platform"


@dataclass
class Prepaid:
    rates: Rates
    posted: Counter[Any] = field(default_factory=Counter)
    held: Counter[Any] = field(default_factory=Counter)
    limit: dict[Any, int] = field(default_factory=dict)
    open_bids: dict[tuple[Any, ...], list[tuple[int, int]]] = field(default_factory=dict)  # bid -> (number, cover)
    opening: Counter[Any] = field(default_factory=Counter)
    deposited: Counter[Any] = field(default_factory=Counter)
    clock: int = 0
    count: int = 0

    def available(self, member: Any) -> int:
        return self.posted[member] + self.limit[member] - self.held[member]

    def free(self, member: Any) -> int:
        return min(self.posted[member], self.available(member))

    def move(self, payer: Any, payee: Any, amount: int, quantity: int = 0) -> None:
        """One posting, which has 64 bits for each number."""
        if max(abs(amount), abs(quantity)) >= 1 << 63:
            raise RefusedError
        self.posted[payer] -= amount
        self.posted[payee] += amount

    def open(self, names: list[Any], limit: int) -> None:
        if limit < 0 or len(set(names)) < len(names) or any(name in self.limit for name in names):
            raise RefusedError
        self.limit.update(dict.fromkeys(names, limit))

    def set_limit(self, member: Any, limit: int) -> None:
        if member not in self.limit or limit < 0:
            raise RefusedError
        self.limit[member] = limit

    def pay_in(self, rows: list[tuple[Any, int]], sign: int) -> None:
        """Deposits (sign 1) or withdrawals (sign -1): all or none."""
        before = self.posted.copy()
        for member, amount in rows:
            if member not in self.limit or amount < 0 or (sign < 0 and amount > self.free(member)):
                self.posted = before
                raise RefusedError
            self.move("boundary", member, sign * amount)
        for member, amount in rows:
            self.deposited[member] += sign * amount
            self.deposited["boundary"] -= sign * amount

    def tax(self, base: int) -> int:
        return round(Fraction(base * self.rates.tax_ppm, 10**6))  # halves to even

    def reserve(self, bids: list[Bid]) -> list[str]:
        if any(bid.member not in self.limit for bid in bids):
            raise RefusedError
        return [self.reserve_one(bid) for bid in bids]

    def reserve_one(self, bid: Bid) -> str:
        if bid.price is None:
            return "flaw"
        unit = bid.price + self.rates.platform_fee + self.rates.network_fee
        cover = max(0, unit + ceil(Fraction(unit * self.rates.tax_ppm, 10**6))) * bid.quantity if unit > 0 else 0
        if cover > min(self.available(bid.member), (1 << 63) - 1):
            return "credit"
        self.hold(bid.member, cover)
        self.count += 1
        self.open_bids.setdefault(bid[:3], []).append((self.count, cover))
        return "ok"

    def hold(self, member: Any, cover: int) -> None:
        self.held[member] += cover
        self.held["clearing"] += cover

    def settle(self, gates: list[Gate], meter: dict[Any, int]) -> None:
        before = self.posted.copy(), self.held.copy(), {bid: list(found) for bid, found in self.open_bids.items()}
        try:
            contract = self.trade(gates)
            self.read(meter, contract)
        except RefusedError:
            self.posted, self.held, self.open_bids = before
            raise

    def trade(self, gates: list[Gate]) -> Counter[Any]:
        members = {bid.member for gate in gates for bid in gate.bids if bid.price is not None}
        if (members | {trade.seller for gate in gates for trade in gate.trades}) - self.limit.keys():
            raise RefusedError
        due: Counter[int] = Counter()  # claim -> money
        wanted: Counter[int] = Counter()  # claim -> Wh
        claims: list[tuple[Any, tuple[int, int] | None]] = []  # member, reservation
        last: dict[Any, int] = {}
        contract: Counter[Any] = Counter()
        payments = []
        for gate in gates:
            claim_of = []
            for bid in gate.bids:  # each row takes the oldest reservation of its name, then shares the last claim
                found = self.open_bids.get(bid[:3], [])
                if found or bid[:3] not in last:
                    last[bid[:3]] = len(claims)
                    claims.append((bid.member, found.pop(0) if found else None))
                claim_of.append(last[bid[:3]])
            lacking: Counter[Any] = Counter()  # market -> what its sellers receive beyond what its buyers pay
            for trade in gate.trades:
                lacking[gate.bids[trade.bid].market] += trade.receives - trade.pays
            for trade in gate.trades:
                bid, claim = gate.bids[trade.bid], claim_of[trade.bid]
                owner = gate.deficit_to if lacking[bid.market] > 0 else "platform"
                fees = [rate * trade.quantity for rate in (self.rates.platform_fee, self.rates.network_fee)]
                owed, got, spread = ceil(trade.pays), floor(trade.receives), floor(trade.pays - trade.receives)
                tax = self.tax(owed + sum(fees))
                due[claim] += owed + sum(fees) + tax
                wanted[claim] += trade.quantity
                contract[bid.member] += trade.quantity
                contract[trade.seller] -= trade.quantity
                payments += [(trade.seller, got), ("platform", fees[0]), ("dso", fees[1]), ("tax", tax)]
                payments += [(owner, spread), ("rounding", owed - got - spread)]
        for claim in sorted(range(len(claims)), key=lambda claim: (claims[claim][1] or (1 << 60, 0), claim)):
            member, reservation = claims[claim]
            if reservation is not None:
                self.hold(member, -reservation[1])
            elif due[claim] > 0 and due[claim] > self.available(member):
                raise RefusedError
            if reservation is not None and due[claim] > reservation[1]:
                raise RefusedError
            self.move(member, "clearing", due[claim], wanted[claim])
        for payee, amount in payments:
            self.move("clearing", payee, amount)
        return contract

    def read(self, meter: dict[Any, int], contract: Counter[Any]) -> None:
        if meter.keys() - self.limit.keys():
            raise RefusedError
        total = sum(metered - contract[member] for member, metered in meter.items())
        for member, metered in meter.items():
            self.imbalance(member, metered, metered - contract[member], total)

    def imbalance(self, member: Any, metered: int, deviation: int, total: int) -> None:
        lacks = total > 0 if self.rates.policy == "single" else deviation > 0
        price = self.rates.retail if lacks else self.rates.feed_in
        own = min(deviation, max(metered, 0)) if deviation > 0 else max(deviation, min(metered, 0))
        self.move(member, "backstop", price * own, own)
        self.move(member, "tax", self.tax(price * max(0, own)))
        self.move(member, "backstop", price * (deviation - own), deviation - own)
        if self.rates.policy == "dual":
            beyond = max(0, abs(deviation) - self.rates.dead_band) if self.rates.penalty else 0
            self.move(member, "platform", self.rates.penalty * beyond, beyond)

    def advance(self, time: int) -> None:
        if time < self.clock:
            raise RefusedError
        self.clock = time

    def close_cycle(self) -> dict[Any, tuple[int, int, int]]:
        accounts = self.posted.keys() | self.limit.keys()
        lines = {a: (self.opening[a], self.deposited[a], self.posted[a]) for a in accounts}
        self.opening, self.deposited = self.posted.copy(), Counter()
        return lines
