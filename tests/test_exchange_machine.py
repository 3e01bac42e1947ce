"""Calls in any order on an exchange that is kept, opened again at any moment, against the slow twin."""

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from reference.exchange_twin import RefusedError, Twin
from test_exchange import GATE, SLOT, TARIFF, frame, same_block, same_money, same_postings

import fastclear as fc

MEMBERS = [1, 2, 3]
GOOD = st.sampled_from([2 * SLOT, 3 * SLOT, 4 * SLOT])
SLOTS = GOOD | GOOD | st.sampled_from([SLOT + 1, -SLOT])
SEED = 5
ROW = st.fixed_dictionaries(
    {
        "side": st.sampled_from([0, 1, 1, 2]),
        "price": st.sampled_from([0, 90, 100, 100, 110, -5, 2**31]),
        "quantity": st.sampled_from([1, 7, 7, 30, 0]),
        "market": st.sampled_from([0, 1]),
        "participant": st.sampled_from([*MEMBERS, 99]),
        "late": st.sampled_from([None, None, -1, 0]),
    }
)


class ExchangeMachine(RuleBasedStateMachine):
    """An exchange with a gate, in a directory, and its twin."""

    def __init__(self):
        super().__init__()
        self.path = Path(tempfile.mkdtemp())
        self.clock, self.order, self.key, self.asked = 0, 0, 0, []

    def teardown(self):
        self.ex.close()
        shutil.rmtree(self.path)

    def opened(self):
        return fc.Exchange.open(
            self.path / "ex",
            mechanism=fc.Uniform(),
            tariff=TARIFF,
            gate=GATE,
            seed=SEED,
            clock="manual",
            durability="none",
            segment_bytes=1 << 20,
        )

    def at(self, ahead=1_000_000):
        self.clock += max(ahead, 1_000_000)
        self.ex.advance(self.clock)
        self.twin.at(self.clock)

    def both(self, mine, its):
        """Both do it, or both refuse it."""
        self.at()
        try:
            expected = its()
        except RefusedError:
            with pytest.raises(fc.ExchangeError):
                mine()
            return None
        return mine(), expected

    @initialize(amounts=st.lists(st.sampled_from([0, 1_000, 10**6]), min_size=3, max_size=3))
    def begin(self, amounts):
        self.ex = self.opened()
        self.twin = Twin(self.ex.params, fc.Uniform(), TARIFF, GATE, SLOT, SEED)
        self.both(lambda: self.ex.open_accounts(MEMBERS), lambda: self.twin.open(MEMBERS))
        for member, amount in zip(MEMBERS, amounts, strict=True):
            self.both(
                lambda m=member, a=amount: self.ex.deposit(m, a),
                lambda m=member, a=amount: self.twin.bank.deposit(m, a),
            )

    @rule(slot=SLOTS, rows=st.lists(ROW, max_size=5), same=st.booleans())
    def submit(self, slot, rows, same):
        self.order += 0 if same else 1
        batch = []
        for nth, row in enumerate(rows):
            opens, closes = GATE.of(slot)
            late = row["late"]
            when = self.clock if late is None else (closes if slot % 2 else opens) + late
            batch.append({name: value for name, value in row.items() if name != "late"} | {"time": when})
            # an id of this slot alone
            batch[-1]["order"] = slot * 1000 + self.order * 10 + (0 if same else nth)
        self.key += 1
        self.asked.append((slot, batch, self.key))
        done = self.both(
            lambda: self.ex.submit(frame(batch), slot, key=self.key), lambda: self.twin.submit(slot, batch)
        )
        if done is not None:
            assert done[0].reject.tolist() == done[1]

    @rule(slot=GOOD, quantity=st.integers(1, 20), price=st.sampled_from([90, 100]))
    def trade(self, slot, quantity, price):
        """A bid and an ask that meet, if the gate is open and there is money."""
        row = {"quantity": quantity, "market": 0, "late": None}
        rows = [row | {"side": 1, "price": price, "participant": 1}, row | {"side": 0, "price": 90, "participant": 2}]
        self.submit(slot, rows, same=False)

    @rule(nth=st.integers(0, 50))
    def submit_again(self, nth):
        """Under its key nothing happens, whatever happened since."""
        if not self.asked:
            return
        slot, batch, key = self.asked[nth % len(self.asked)]
        before = self.ex.balances
        self.at()
        if slot % SLOT or slot < 0:
            with pytest.raises(fc.ExchangeError, match="no slot starts"):
                self.ex.submit(frame(batch), slot, key=key)
        else:
            assert self.ex.submit(frame(batch), slot, key=key).repeated
        assert self.ex.balances.equals(before)

    @rule(slot=SLOTS, nth=st.integers(0, 50), whose=st.sampled_from([None, 1, 99]))
    def cancel(self, slot, nth, whose):
        if not self.asked:
            return
        batch = self.asked[nth % len(self.asked)][1][:2]
        rows = [row | ({} if whose is None else {"participant": whose}) for row in batch]
        names = ("market", "order", "participant")
        columns = {name: np.array([row[name] for row in rows], np.int64) for name in names}
        done = self.both(lambda: self.ex.cancel(columns, slot), lambda: self.twin.cancel(slot, rows))
        if done is not None:
            assert done[0].reject.tolist() == done[1]

    @rule(slot=SLOTS, readings=st.dictionaries(st.sampled_from(MEMBERS), st.integers(-40, 40)))
    def meter(self, slot, readings):
        columns = {"participant": list(readings), "energy_wh": np.array(list(readings.values()), np.int64)}
        self.both(lambda: self.ex.meter(columns, slot), lambda: self.twin.meter(slot, readings))

    @rule(slot=SLOTS)
    def close_gate(self, slot):
        done = self.both(lambda: self.ex.close_gate(slot), lambda: self.twin.close_gate(slot))
        if done is not None and done[1] is not None:
            assert done[0].fills["filled"].to_list() == done[1].filled.tolist()

    @rule(slot=SLOTS)
    def settle(self, slot):
        done = self.both(lambda: self.ex.settle(slot), lambda: self.twin.settle(slot))
        if done is not None:
            same_postings(*done)

    @rule(slot=SLOTS | st.none())
    def seal(self, slot):
        done = self.both(lambda: self.ex.seal(slot), lambda: self.twin.seal(slot))
        if done is not None:
            same_block(self.ex, done[0], self.twin, done[1])

    @rule(member=st.sampled_from(MEMBERS), amount=st.integers(0, 2_000))
    def withdraw(self, member, amount):
        self.at()
        try:
            self.twin.bank.withdraw(member, amount)
        except fc.SettlementError:
            with pytest.raises(fc.SettlementError):
                self.ex.withdraw(member, amount)
        else:
            self.ex.withdraw(member, amount)

    @rule(ahead=st.sampled_from([SLOT // 2, SLOT, 2 * SLOT]))
    def wait(self, ahead):
        self.at(ahead)

    @rule(slot=GOOD, then=st.sampled_from([(), ("settle",), ("settle", "seal")]))
    def end(self, slot, then):
        """Wait for the end of a gate, and go on from there."""
        self.at(GATE.of(slot)[1] - self.clock)
        for call in ("close_gate", *then):
            getattr(self, call)(slot)

    @rule(how=st.sampled_from(["closed", "dropped", "snapshot"]))
    def open_again(self, how):
        root = self.ex.state_root
        if how == "snapshot":
            self.ex.snapshot()
        if how != "dropped":
            self.ex.close()
        del self.ex
        self.ex = self.opened()
        assert self.ex.state_root == root

    @invariant()
    def money_is_the_same(self):
        if hasattr(self, "twin"):
            same_money(self.ex, self.twin)
            phases = {slot: found["phase"] for slot, found in self.twin.slots.items()}
            assert dict(self.ex.slots.select("slot", "phase").rows()) == phases


TestExchangeMachine = ExchangeMachine.TestCase
TestExchangeMachine.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)
