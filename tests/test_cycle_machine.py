"""Slots, later readings, reversals, disputes and invoices in any order, against a model of dictionaries and fractions.

The model keeps no posting: it works every live slot out from its trade and its last readings, again at every step.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from random import Random
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import fastclear as fc

NAMES = ["Ada", "Bo", "Cem"]
RETAIL, FEED_IN, PLATFORM, NETWORK, TAX = 300_100, 50_300, 5_100, 20_200, Fraction(1, 5)
STEPS_A_HISTORY = 300
HISTORIES = round(12 * float(os.environ.get("FASTCLEAR_BOOKS", "1")))
START = datetime(2026, 3, 2, tzinfo=UTC)
CENT, DELAY = 10**7, 10**6
STEPS = ["evidence", "rule", "post", "reject"]


@dataclass
class Gate:
    """A bid, its clearing, and the slot that it was settled in."""

    buyer: str
    seller: str
    price: int
    wh: int
    order: int
    cover: int
    clearing: Any
    slot: int | None = None


@dataclass
class Slot:
    gate: Gate | None
    readings: dict[str, int]
    start: datetime
    due: int
    standing: str = "provisional"


@dataclass
class Model:
    paid_in: Counter[str] = field(default_factory=Counter)
    ruled: Counter[str] = field(default_factory=Counter)
    cents: dict[str, int] = field(default_factory=dict)
    gates: list[Gate] = field(default_factory=list)
    slots: list[Slot] = field(default_factory=list)
    disputes: dict[int, dict[str, Any]] = field(default_factory=dict)

    def lines(self, slot: Slot) -> Counter[Any]:
        """(member, line, "net" or "tax") -> nano-currency, + the member pays."""
        bill: Counter[Any] = Counter()
        contract: Counter[str] = Counter()
        if slot.gate is not None:
            gate = slot.gate
            fees = (PLATFORM * gate.wh, NETWORK * gate.wh)
            bill[gate.buyer, "bought", "net"] += gate.price * gate.wh
            bill[gate.seller, "sold", "net"] -= gate.price * gate.wh
            bill[gate.buyer, "platform", "net"] += fees[0]
            bill[gate.buyer, "network", "net"] += fees[1]
            bill[gate.buyer, "bought", "tax"] += round((gate.price * gate.wh + sum(fees)) * TAX)
            contract[gate.buyer] += gate.wh
            contract[gate.seller] -= gate.wh
        for name, metered in slot.readings.items():
            d = metered - contract[name]
            own = min(abs(d), max(0, metered if d > 0 else -metered))
            if d > 0:
                bill[name, "residual", "net"] += own * RETAIL
                bill[name, "residual", "tax"] += round(own * RETAIL * TAX)
                bill[name, "shortfall", "net"] += (d - own) * RETAIL
            else:
                bill[name, "feed_in", "net"] -= own * FEED_IN
                bill[name, "over_bought", "net"] -= (-d - own) * FEED_IN
        return bill

    def earned(self, slot: Slot, name: str) -> int:
        return -sum(amount for (member, *_), amount in self.lines(slot).items() if member == name)

    def live(self) -> list[Slot]:
        return [slot for slot in self.slots if slot.standing != "reversed"]

    def posted(self, name: str) -> int:
        slots = sum(self.earned(slot, name) for slot in self.live())
        return self.paid_in[name] + slots + self.ruled[name] - self.cents.get(name, 0)

    def unconfirmed(self, name: str) -> int:
        return sum(max(0, self.earned(slot, name)) for slot in self.slots if slot.standing == "provisional")

    def held(self, name: str) -> int:
        bids = sum(gate.cover for gate in self.gates if gate.buyer == name and gate.slot is None)
        disputes = sum(item["held"] for item in self.disputes.values() if item["payer"] == name)
        return bids + disputes + self.unconfirmed(name)

    def available(self, name: str) -> int:
        return self.posted(name) - self.held(name)

    def invoiced(self) -> dict[str, int]:
        """What rounding adds to each member's lines of the month."""
        month: Counter[Any] = Counter()
        for slot in self.live():
            month.update(self.lines(slot))
        rounded = dict.fromkeys(NAMES, 0)
        for name in NAMES:
            for fee in ("platform", "network"):
                part = round(month[name, fee, "net"] * TAX)
                month[name, fee, "tax"] += part
                month[name, "bought", "tax"] -= part
            for line in ("bought", "sold", "platform", "network", "residual", "shortfall", "feed_in", "over_bought"):
                exact = month[name, line, "net"] + month[name, line, "tax"]
                rounded[name] += round(Fraction(exact, CENT)) * CENT - exact
        return rounded


names = st.sampled_from(NAMES)
meters = st.dictionaries(names, st.integers(-9, 12).map(lambda n: n * 1_007))


class CycleMachine(RuleBasedStateMachine):
    @initialize(money=st.sampled_from([10**10, 10**9, 0]))
    def begin(self, money: int) -> None:
        tariff = fc.Tariff(RETAIL, FEED_IN, PLATFORM, NETWORK, 200_000)
        self.bank = fc.Settlement(tariff=tariff, confirm_after=DELAY, audit=True)
        self.bank.open(NAMES)
        self.bank.open_invoicing("Street")
        self.model = Model()
        self.deposited = dict.fromkeys(NAMES, 0)
        self.opening = dict.fromkeys(NAMES, 0)
        for name in NAMES:
            self.pay_in(name, money)

    def refused(self, call: Any) -> bool:
        before, count = self.bank.balances, self.bank.next_seq
        try:
            call()
        except fc.SettlementError:
            assert self.bank.balances.equals(before)
            assert self.bank.next_seq == count
            return True
        return False

    @rule(name=names, amount=st.integers(0, 10**9))
    def pay_in(self, name: str, amount: int) -> None:
        self.bank.deposit(name, amount)
        self.model.paid_in[name] += amount
        self.deposited[name] += amount

    @rule(name=names, amount=st.integers(0, 10**9), all_of_it=st.booleans())
    def pay_out(self, name: str, amount: int, all_of_it: bool) -> None:
        free = min(self.model.available(name), self.model.posted(name) - self.model.unconfirmed(name))
        amount = max(0, free) if all_of_it else amount
        assert self.refused(lambda: self.bank.withdraw(name, amount)) == (amount > free)
        if amount <= free:
            self.model.paid_in[name] -= amount
            self.deposited[name] -= amount

    @rule(buyer=names, seller=names, price=st.integers(1, 30), wh=st.integers(1, 9))
    def bid(self, buyer: str, seller: str, price: int, wh: int) -> None:
        price, wh, order = price * 10_007, wh * 501, 2 * len(self.model.gates)
        orders = {
            "side": ["buy", "sell"],
            "participant": [buyer, seller],
            "price": [price] * 2,
            "quantity": [wh] * 2,
            "order": [order, order + 1],
        }
        unit = price + PLATFORM + NETWORK
        cover = (unit - (-unit * TAX).__floor__()) * wh
        taken = self.bank.reserve(orders)[0] == 0
        assert taken == (cover <= self.model.available(buyer))
        if taken:
            clearing = fc.clear(orders, fc.Uniform())
            self.model.gates.append(Gate(buyer, seller, price, wh, order, cover, clearing))

    @rule(pick=st.integers(0, 99), meter=meters, traded=st.booleans())
    def settle(self, pick: int, meter: dict[str, int], traded: bool) -> None:
        waiting = [gate for gate in self.model.gates if gate.slot is None]
        gate = waiting[pick % len(waiting)] if traded and waiting else None
        number = len(self.model.slots)
        start = START + timedelta(minutes=15 * number)
        now = self.bank._bank.now()
        readings = {"participant": list(meter), "energy_wh": list(meter.values())}
        self.bank.settle([] if gate is None else gate.clearing, readings, slot=start)
        self.model.slots.append(Slot(gate, dict(meter), start, now + DELAY))
        if gate is not None:
            gate.slot = number

    @rule(pick=st.integers(0, 99), meter=meters)
    def later(self, pick: int, meter: dict[str, int]) -> None:
        if not self.model.slots:
            return
        slot = self.model.slots[pick % len(self.model.slots)]
        readings = {"participant": list(meter), "energy_wh": list(meter.values())}
        before, changes = self.bank.next_seq, any(slot.readings.get(name) != wh for name, wh in meter.items())
        refused = self.refused(lambda: self.bank.resettle(slot.start, readings))
        assert refused == (slot.standing == "reversed")
        if not refused:
            assert (self.bank.next_seq > before) == changes
            slot.readings.update(meter)

    @rule(pick=st.integers(0, 99))
    def take_back(self, pick: int) -> None:
        if not self.model.slots:
            return
        slot = self.model.slots[pick % len(self.model.slots)]
        refused = self.refused(lambda: self.bank.reverse(slot.start))
        assert refused == (slot.standing != "provisional")
        if not refused:
            slot.standing = "reversed"
            if slot.gate is not None:
                slot.gate.slot = None

    @rule(ns=st.integers(0, 2 * DELAY))
    def advance(self, ns: int) -> None:
        time = self.bank._bank.now() + ns
        self.bank.advance(time)
        for slot in self.model.slots:
            if slot.standing == "provisional" and slot.due <= time:
                slot.standing = "confirmed"

    @rule(claimant=names, respondent=names, amount=st.integers(1, 10**9))
    def dispute(self, claimant: str, respondent: str, amount: int) -> None:
        held = max(0, min(amount, self.model.available(respondent)))
        opened: list[int] = []
        refused = self.refused(lambda: opened.append(self.bank.dispute(claimant, respondent, amount)))
        assert refused == (claimant == respondent)
        if not refused:
            item = {"payee": claimant, "payer": respondent, "amount": amount, "held": held, "state": "open", "ruled": 0}
            self.model.disputes[opened[0]] = item

    @rule(
        pick=st.integers(0, 99), step=st.sampled_from(["evidence", "rule", "post", "reject"]), share=st.integers(0, 4)
    )
    def step(self, pick: int, step: str, share: int) -> None:
        if not self.model.disputes:
            return
        running = [n for n, item in self.model.disputes.items() if item["state"] not in ("posted", "rejected")]
        numbers = sorted(running if running and pick < 90 else self.model.disputes)
        number = numbers[pick % len(numbers)]
        item = self.model.disputes[number]
        amount = item["amount"] * share // 4
        state, legal = item["state"], False
        if step == "evidence":
            legal = state in ("open", "evidence")
            refused = self.refused(lambda: self.bank.give_evidence(number, "a photo"))
            after = {"state": "evidence"}
        elif step == "rule":
            legal = state == "evidence"
            refused = self.refused(lambda: self.bank.rule(number, amount))
            after = {"state": "ruled", "ruled": amount}
        elif step == "post":
            legal = state == "ruled" and item["ruled"] > 0
            refused = self.refused(lambda: self.bank.post_ruling(number))
            after = {"state": "posted", "held": 0}
        else:
            legal = state == "ruled" and item["ruled"] == 0
            refused = self.refused(lambda: self.bank.reject(number))
            after = {"state": "rejected", "held": 0}
        assert refused == (not legal), (step, item)
        if legal:
            item.update(after)
            if step == "post":
                self.model.ruled[item["payer"]] -= item["ruled"]
                self.model.ruled[item["payee"]] += item["ruled"]

    @rule()
    def invoice(self) -> None:
        self.bank.invoice("2026-03")
        self.model.cents = self.model.invoiced()
        documents = self.bank.invoices.documents
        assert documents["number"].to_list() == [f"{n + 1:06d}" for n in range(len(documents))]
        for name in NAMES:
            exact = -sum(self.model.earned(slot, name) for slot in self.model.live())
            gross = documents.filter(participant=name)["gross"].sum() if len(documents) else 0
            assert int(gross) == exact + self.model.cents[name]
        assert len(self.bank.invoice("2026-03")) == 0

    @rule()
    def close_cycle(self) -> None:
        rows = self.bank.close_cycle().filter(role="member")
        for name, opening, deposited, net, closing in rows.select(
            "participant", "opening", "deposited", "net", "closing"
        ).rows():
            posted = self.model.posted(name)
            assert (opening, deposited, closing) == (self.opening[name], self.deposited[name], posted)
            assert net == posted - self.opening[name] - self.deposited[name]
            self.opening[name], self.deposited[name] = posted, 0

    @rule()
    def a_copy_is_another_bank(self) -> None:
        before = self.bank.balances
        twin = copy(self.bank)
        twin.settle([], {"participant": ["Ada"], "energy_wh": [5]}, slot=START - timedelta(days=9))
        for slot in self.model.slots:
            if slot.standing == "provisional":
                twin.reverse(slot.start)
        twin.invoice("2026-03")
        assert self.bank.balances.equals(before)

    @invariant()
    def balances_are_the_models(self) -> None:
        if not hasattr(self, "bank"):
            return
        rows = {name: (int(p), int(o)) for name, p, o in self.members()}
        assert rows == {name: (self.model.posted(name), self.model.held(name)) for name in NAMES}
        assert [self.bank.unconfirmed(name) for name in NAMES] == [self.model.unconfirmed(name) for name in NAMES]
        assert self.bank.balances["posted"].sum() == 0
        assert self.bank.slots["standing"].to_list() == [slot.standing for slot in self.model.slots]

    def members(self) -> list[Any]:
        return self.bank.balances.filter(role="member").select("participant", "posted", "pending_out").rows()


TestCycleMachine = CycleMachine.TestCase
TestCycleMachine.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


# -- long histories
# ------------------------------------------------------------------------------------------------


def some_meter(random: Random) -> dict[str, int]:
    return {name: random.randint(-9, 12) * 1_007 for name in random.sample(NAMES, random.randint(0, 3))}


MOVES: dict[str, tuple[int, Callable[[CycleMachine, Random], object]]] = {
    "pay_in": (2, lambda m, r: m.pay_in(r.choice(NAMES), r.choice([0, 1, 10**9]))),
    "pay_out": (2, lambda m, r: m.pay_out(r.choice(NAMES), r.choice([0, 10**8]), r.random() < 0.5)),
    "bid": (8, lambda m, r: m.bid(r.choice(NAMES), r.choice(NAMES), r.randint(1, 30), r.randint(1, 9))),
    "settle": (8, lambda m, r: m.settle(r.randint(0, 99), some_meter(r), r.random() < 0.9)),
    "later": (6, lambda m, r: m.later(r.randint(0, 99), some_meter(r))),
    "take_back": (3, lambda m, r: m.take_back(r.choice([0, len(m.model.slots) - 1, r.randint(0, 99)]))),
    "advance": (2, lambda m, r: m.advance(r.choice([0, DELAY // 3, 2 * DELAY]))),
    "dispute": (2, lambda m, r: m.dispute(r.choice(NAMES), r.choice(NAMES), r.randint(1, 10**9))),
    "step": (14, lambda m, r: m.step(r.randint(0, 99), r.choice(STEPS), r.randint(0, 4))),
    "invoice": (2, lambda m, r: m.invoice()),
    "close_cycle": (1, lambda m, r: m.close_cycle()),
    "a_copy": (1, lambda m, r: m.a_copy_is_another_bank()),
}


@pytest.mark.parametrize("part", range(3))
def test_long_histories_end_as_the_model_says(part: int) -> None:
    seen: set[Any] = set()
    names, weights = list(MOVES), [weight for weight, _ in MOVES.values()]
    for seed in range(part, HISTORIES, 3):
        random, machine = Random(seed), CycleMachine()
        machine.begin(10**10)
        for move in random.choices(names, weights, k=STEPS_A_HISTORY):
            MOVES[move][1](machine, random)
            machine.balances_are_the_models()
        machine.invoice()
        machine.bank.audit()
        seen.update((slot.standing, slot.gate is not None) for slot in machine.model.slots)
        seen.update(item["state"] for item in machine.model.disputes.values())
        seen.update(machine.bank.invoices.documents["kind"].unique().to_list())
    expected = {("confirmed", True), ("reversed", True), ("reversed", False), "posted", "rejected", "credit_note"}
    assert seen >= expected, "they looked at little"
