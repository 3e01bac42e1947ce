"""The bank against a model in plain integers: random histories, and a state machine that shrinks what it finds.

Every step runs on both, `audit=True` recomputes the accounts from the postings after it, and every balance, code and
refusal is compared. `FASTCLEAR_BOOKS=10` takes a million steps.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from reference.bank_model import Bid, Gate, Prepaid, Rates, RefusedError, Trade
from reference.bank_steps import MECHANISMS, POLICIES, PROFILES, Pair, random_history

import fastclear as fc
from fastclear.audit.settlement import Books, state_root

STEPS = round(100_000 * float(os.environ.get("FASTCLEAR_BOOKS", "1")))
HISTORY = 400
PARTS = max(4, STEPS // 25_000)

SEEN = {
    ("reserve", None),
    ("post", None),
    ("void", None),
    ("deposit", None),
    ("withdrawal", None),
    ("limit", None),
    ("meter", None),
    *(("trade", line) for line in ("seller", "buyer", "sum", "sum_paid")),
    *(("fee", line) for line in ("platform", "network", "spread", "rounding", "deficit")),
    *(("tax", line) for line in ("trade", "residual")),
    *(("imbalance", line) for line in ("residual", "shortfall", "feed_in", "over_bought", "penalty")),
}
"""What the histories must have met, or they looked at less than they say."""


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("part", range(PARTS))
def test_random_histories_end_as_the_model_says(part: int, profile: str) -> None:
    seen: Counter[Any] = Counter()
    steps = refusals = restricted = 0
    seed = part
    while steps < STEPS // PARTS:
        pair = random_history(seed, HISTORY, profile=profile)
        steps, refusals, seed = steps + pair.steps, refusals + pair.refusals, seed + PARTS
        restricted += sum(status == "restricted" for status in pair.bank.status.values())
        if seed // PARTS % 3 == 0:
            for receipts in pair.receipts:
                seen.update(receipts.frame.select("kind", "line").rows())
            if not pair.big:  # there a block's sum of trades may leave the 64 bits that its header has
                sealed_root(pair)
    assert refusals > steps // 20
    assert restricted > seed // PARTS
    if STEPS >= 100_000:
        assert seen.keys() >= SEEN, SEEN - seen.keys()


def sealed_root(pair: Pair) -> None:
    """A ledger folds the same postings; the audit's own accounts hash to the root that its block carries."""
    ledger, books = fc.Ledger(seed=1), Books()
    for receipts in pair.receipts:
        block = ledger.seal(None, receipts)
        books.follow(receipts.columns)
        assert block.state_root == state_root(books)


def test_the_model_refuses_what_it_should() -> None:
    """The comparison has two sides: a model that allowed everything would not be noticed where nothing is refused."""
    model = Prepaid(Rates(30, 5, 1, 2, 200_000))
    model.open(["Ada", "Bo"], 0)
    model.pay_in([("Ada", 280)], 1)
    assert model.reserve([Bid("Ada", 0, 0, 20, 10), Bid("Ada", 0, 1, -3, 1), Bid("Ada", 0, 2, 1, 1)]) == [
        "ok",
        "ok",
        "credit",
    ]
    gate = Gate([Bid("Ada", 0, 0, 20, 10)], [Trade(0, "Bo", 10, 181, 180)])
    model.settle([gate], {"Ada": 12, "Bo": -10})
    # 181 + 10 + 20 and 20 % of 211, rounded half to even; 2 Wh of residual at 30 and 20 % on them
    expected = {"Ada": 280 - 253 - 72, "Bo": 180, "platform": 11, "dso": 20, "tax": 42 + 12, "backstop": 60}
    assert {name: model.posted[name] for name in expected} == expected
    with pytest.raises(RefusedError):
        model.pay_in([("Bo", 100), ("Bo", 81)], -1)
    assert model.posted["Bo"] == 180


# -- the state machine
# --------------------------------------------------------------------------------------------------

names = st.integers(0, 5)
amounts = st.integers(-1, 1200)
wh = st.integers(1, 12)


def pick(pair: Pair, index: int) -> Any:
    """A member, or once in a while a stranger."""
    return pair.names[index] if index < len(pair.names) else pair.stranger


class BankMachine(RuleBasedStateMachine):
    """One bank under ``profile``, step by step."""

    profile = "prepaid"

    @initialize(
        rates=st.builds(
            Rates,
            retail=st.integers(-5, 60),
            feed_in=st.integers(-5, 30),
            platform_fee=st.integers(-2, 3),
            network_fee=st.integers(0, 4),
            tax_ppm=st.sampled_from([0, 190_000, 333_333, 500_000, 1_000_000]),
            policy=st.sampled_from(list(POLICIES)),
            penalty=st.integers(0, 9),
            dead_band=st.integers(0, 5),
        ),
        limit=st.sampled_from([0, 300]),
    )
    def begin(self, rates: Rates, limit: int) -> None:
        self.pair = Pair(rates, self.profile)
        self.pair.stranger = "stranger"
        self.pair.open(["Ada", "Bo", "Cem"], limit)

    @rule(limit=st.integers(-1, 50), again=st.booleans())
    @precondition(lambda self: len(self.pair.names) < 6)
    def open(self, limit: int, again: bool) -> None:
        self.pair.open([f"member {len(self.pair.names)}", *(self.pair.names[:1] if again else [])], limit)

    @rule(rows=st.lists(st.tuples(names, amounts), max_size=2))
    def deposit(self, rows: list[tuple[int, int]]) -> None:
        self.pair.pay_in([(pick(self.pair, name), amount) for name, amount in rows], 1)

    @rule(name=names, beyond=st.integers(-30, 2))
    def withdraw(self, name: int, beyond: int) -> None:
        member = pick(self.pair, name)
        free = self.pair.model.free(member) if member in self.pair.names else 5
        self.pair.pay_in([(member, free + beyond)], -1)

    @rule(name=names, limit=st.integers(-1, 900))
    def set_limit(self, name: int, limit: int) -> None:
        self.pair.set_limit(pick(self.pair, name), limit)

    @rule(
        bids=st.lists(
            st.tuples(names, st.integers(0, 1), st.integers(0, 4), st.none() | st.integers(-6, 40), wh), max_size=3
        )
    )
    def reserve(self, bids: list[tuple[Any, ...]]) -> None:
        self.pair.reserve([Bid(pick(self.pair, name), *rest) for name, *rest in bids], [])

    @rule(
        share=st.integers(0, 3),
        spot=st.lists(st.tuples(st.integers(0, 2), st.just(0), st.integers(5, 9), st.integers(-6, 40), wh), max_size=2),
        asks=st.lists(
            st.tuples(st.integers(0, 2), st.integers(0, 1), st.integers(20, 29), st.integers(-9, 30), wh), max_size=3
        ),
        mechanism=st.sampled_from(MECHANISMS),
        meter=st.dictionaries(names, st.integers(-30, 30), max_size=3),
    )
    def settle(self, share: int, spot: Any, asks: Any, mechanism: Any, meter: dict[int, int]) -> None:
        standing = list(dict.fromkeys(self.pair.standing))
        bids = standing[: len(standing) * share // 3] + [Bid(pick(self.pair, n), *rest) for n, *rest in spot]
        readings = {pick(self.pair, name): energy for name, energy in meter.items()}
        tranche = (bids, [(pick(self.pair, name), *rest) for name, *rest in asks], mechanism)
        self.pair.settle([tranche] if bids or asks else [], readings)

    @rule()
    def replay(self) -> None:
        self.pair.replay()

    @rule(time=st.integers(0, 9))
    def advance(self, time: int) -> None:
        self.pair.advance(time)

    @rule()
    def close_cycle(self) -> None:
        self.pair.close_cycle()

    @rule()
    def take(self) -> None:
        self.pair.take()

    @invariant()
    def audit(self) -> None:
        if hasattr(self, "pair"):
            self.pair.bank.audit()


TestPrepaid = BankMachine.TestCase
TestPrepaid.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_a_history_is_the_same_whenever_it_is_run() -> None:
    one, other = (random_history(5, 60, audit=audit) for audit in (True, False))
    assert one.bank.balances.equals(other.bank.balances)


# -- the comparison itself
# ------------------------------------------------------------------------------------------------


class RoundsTaxDown(Prepaid):
    def tax(self, base: int) -> int:
        return base * self.rates.tax_ppm // 10**6


class LendsOnWithdrawal(Prepaid):
    def free(self, member: Any) -> int:
        return self.available(member)


class KeepsWhatIsLeftOver(Prepaid):
    def hold(self, member: Any, cover: int) -> None:
        super().hold(member, max(cover, cover // 2 if cover < 0 else cover))


class NeverRestricts(Prepaid):
    def reserve_one(self, bid: Bid) -> str:
        free = bid.price is not None and bid.price + self.rates.platform_fee + self.rates.network_fee <= 0
        before, self.limit[bid.member] = self.limit[bid.member], 1 << 70 if free else self.limit[bid.member]
        word = super().reserve_one(bid)
        self.limit[bid.member] = before
        return word


class PaysFeedInForAll(Prepaid):
    def imbalance(self, member: Any, metered: int, deviation: int, total: int) -> None:
        super().imbalance(member, metered, min(deviation, metered), total)


@pytest.mark.parametrize(
    "wrong", [RoundsTaxDown, LendsOnWithdrawal, KeepsWhatIsLeftOver, NeverRestricts, PaysFeedInForAll]
)
def test_a_bank_by_another_rule_is_told_apart(wrong: type[Prepaid], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PROFILES, "prepaid", wrong)
    with pytest.raises(AssertionError):
        all(random_history(seed, 200, audit=False) for seed in range(40))
