"""Escrow and access tokens against models by hand: random histories of hostile calls, every balance and state compared.

Every step runs on both, `audit=True` recomputes the accounts from the postings after it. `FASTCLEAR_BOOKS=10` takes ten
times as many steps.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from copy import copy, deepcopy
from fractions import Fraction
from math import ceil
from random import Random
from typing import Any, ClassVar

import pytest
from reference.held_model import Escrow, Money, Order, RefusedError, Tokens, Trade

import fastclear as fc
from fastclear import _core
from fastclear.audit.settlement import Books, state_root

STEPS = round(12_000 * float(os.environ.get("FASTCLEAR_BOOKS", "1")))
HISTORY = 300
PARTS = 4
TARIFF = fc.Tariff(30, 5, 1, 0, 200_000)
MEMBERS = ["Ada", "Bo", "Cem", "Di"]
ANYBODY = [*MEMBERS, "Zoe"]
RULES = [fc.Uniform(), fc.Discriminatory(rule="bid", spread_to="seller")]


class Pair:
    """A bank and its model, taking the same steps."""

    MOVES: ClassVar[dict[str, float]] = {}

    def __init__(self, random: Random) -> None:
        self.random = random
        self.refused = self.done = self.orders = 0
        self.kept: list[fc.Receipts] = []
        self.standing: list[Order] = []
        minimum = random.choice([0, 0, 25])
        self.model: Any
        self.begin(minimum)
        self.bank.open(MEMBERS)

    def begin(self, minimum: int) -> None:
        raise NotImplementedError

    def step(self) -> None:
        names, weights = zip(*self.MOVES.items(), strict=True)
        name = self.random.choices(names, weights)[0]
        on_bank, on_model = getattr(self, name)()
        before, state, seq = deepcopy(self.model.__dict__), self.state(), self.bank.next_seq
        try:
            on_model()
            expected = True
        except RefusedError:
            self.model.__dict__.clear()
            self.model.__dict__.update(before)
            expected = False
        if expected:
            on_bank()
            self.done += 1
        else:
            with pytest.raises(fc.SettlementError):
                on_bank()
            assert (self.state(), self.bank.next_seq) == (state, seq), name
            self.refused += 1
        self.after(name)
        self.compare(name)

    def after(self, name: str) -> None:
        pass

    def compare(self, name: str) -> None:
        rows = [(number, posted) for number, posted, *_ in self.bank._bank.balances()]
        names = self.bank.names(number for number, _ in rows)
        money = {name or HOUSE[number]: posted for (number, posted), name in zip(rows, names, strict=True)}
        money["outside"] = money.pop("boundary")
        assert {k: v for k, v in money.items() if v} == {k: v for k, v in self.model.money.items() if v}, name
        for member in MEMBERS:
            assert self.bank.available(member) == self.model.free(member), name

    def compare_whole(self) -> None:
        """What takes too long after every step."""

    def state(self) -> Any:
        return self.bank._bank.balances()

    # -- what every bank does

    def deposit(self) -> tuple[Callable[[], Any], Callable[[], Any]]:
        rows = [(self.anybody(), self.random.randint(-1, 400)) for _ in range(self.random.randint(1, 2))]
        return lambda: self.bank.deposit(*zip(*rows, strict=True)), lambda: self.model.pay_in(rows)

    def withdraw(self) -> tuple[Callable[[], Any], Callable[[], Any]]:
        member = self.anybody()
        free = self.model.free(member) if member in MEMBERS else 3
        amount = free + self.random.randint(-60, 1)
        return lambda: self.bank.withdraw(member, amount), lambda: self.model.pay_out(member, amount)

    def market(self) -> tuple[Callable[[], Any], Callable[[], Any]]:
        random, orders = self.random, []
        for _ in range(random.randint(2, 5)):
            price, quantity = random.randint(0, 20), random.randint(1, 12)
            self.orders += 1
            orders.append(Order(random.random() < 0.5, random.choice(MEMBERS), price, quantity, self.orders))
        if random.random() < 0.7:
            codes = self.bank.reserve(table(orders)).tolist()
            taken = self.model.reserve(orders)
            assert [code == 0 for code in codes] == taken
            orders = [order for order, ok in zip(orders, taken, strict=True) if ok]
        if random.random() < 0.1:
            self.standing += [order for order in orders if order in self.model.aside]
            return lambda: None, lambda: None
        orders, self.standing = self.standing + orders, []
        clearing = fc.clear(table(orders), random.choice(RULES))
        rows = zip(*(clearing.trade_columns[name].tolist() for name in COLUMNS), strict=True)
        trades = [Trade(orders[buy], orders[sell], wh, price) for buy, sell, wh, price in rows]
        kept: list[fc.Receipts] = []

        def on_model() -> None:
            try:
                self.model.settle(orders, trades)
            except RefusedError:
                self.standing = [order for order in orders if order in self.model.aside]
                raise

        def on_bank() -> None:
            kept.append(self.bank.settle(clearing))
            self.kept += kept

        return on_bank, on_model

    def twin(self) -> tuple[Callable[[], Any], Callable[[], Any]]:
        """What happens to a copy does not happen here."""
        other = copy(self)
        other.bank, other.model = copy(self.bank), deepcopy(self.model)
        other.kept, other.standing = [], list(self.standing)
        state = self.state()
        for _ in range(4):
            other.step()
        assert self.state() == state
        return lambda: None, lambda: None

    def anybody(self) -> str:
        return self.random.choice(ANYBODY if self.random.random() < 0.1 else MEMBERS)


HOUSE = dict(_core.HOUSE_ACCOUNTS)
COLUMNS = ("buy_row", "sell_row", "quantity", "buy_price")


def table(orders: list[Order]) -> dict[str, list[Any]]:
    return {
        "side": [int(order.buys) for order in orders],
        "participant": [order.member for order in orders],
        "price": [order.price for order in orders],
        "quantity": [order.quantity for order in orders],
        "order": [order.number for order in orders],
    }


class EscrowPair(Pair):
    MOVES: ClassVar = {
        "deposit": 3,
        "withdraw": 2,
        "market": 3,
        "offer": 4,
        "agree": 4,
        "fund": 4,
        "deliver": 8,
        "approve": 12,
    }
    MOVES |= {"refund": 3, "advance": 2, "twin": 0.3}

    def begin(self, minimum: int) -> None:
        ppm, penalty, timeout = self.random.choice([0, 100_000, 333_333]), self.random.choice([0, 2, 9]), 400
        terms = fc.Escrow2of3(ppm, penalty, timeout, minimum)
        self.bank = fc.Settlement(terms, tariff=TARIFF, audit=True)
        self.model = Escrow(MEMBERS, minimum, Fraction(ppm, 10**6), penalty, timeout)

    def after(self, name: str) -> None:
        self.model.start_clock(self.bank._bank.now())

    def compare(self, name: str) -> None:
        super().compare(name)
        deals = list(self.bank._deals.by_number.values())
        assert [deal.state for deal in deals] == [deal["state"] for deal in self.model.deals], name
        assert sum(deal.held for deal in deals) == self.model.money["escrow"], name

    def compare_whole(self) -> None:
        """What the frame shows of each deal."""
        shown = self.bank.escrows.select("state", "buyer", "seller", "held", "energy_wh").rows()
        for row, deal in zip(shown, self.model.deals, strict=True):
            held = deal["payment"] + 2 * deal["bond"] if deal["state"] in ("funded", "delivered") else 0
            assert row == (deal["state"], deal["buyer"], deal["seller"], held, deal["wh"])

    def state(self) -> Any:
        return super().state(), dict(self.bank._deals.by_number)

    def some(self) -> int:
        """A deal, mostly one of the last, once in a while none."""
        last = len(self.model.deals)
        return self.random.randint(max(last - 8, -1), last)

    def offer(self) -> Any:
        row = (self.anybody(), self.anybody(), self.random.randint(0, 12), self.random.randint(-1, 20))
        by = self.random.choice(["buyer", "seller", "seller", "arbiter"])
        return lambda: self.bank.offer(*row, by=by), lambda: self.model.offer(*row, by)

    def agree(self) -> Any:
        deal, by = self.some(), self.random.choice(["buyer", "buyer", "seller", "arbiter"])
        return lambda: self.bank.agree(deal, by), lambda: self.model.agree(deal, by)

    def fund(self) -> Any:
        ready = [number for number, deal in enumerate(self.model.deals) if deal["state"] == "agreed"]
        deals = self.random.choice([ready[-2:], ready[-1:], [self.some()], [self.some(), self.some()]]) or [self.some()]
        return lambda: self.kept.append(self.bank.fund_escrow(deals)), lambda: self.model.fund(deals)

    def deliver(self) -> Any:
        deal = self.some()
        most = self.model.deals[deal]["wh"] if 0 <= deal < len(self.model.deals) else 1
        wh = self.random.choice([most, most, self.random.randint(-1, most + 1)])
        return lambda: self.bank.deliver(deal, wh), lambda: self.model.deliver(deal, wh)

    def approve(self) -> Any:
        open_ = [n for n, deal in enumerate(self.model.deals) if deal["state"] == "delivered"] or [self.some()]
        roles = ["buyer", "seller", "arbiter", "arbiter", "dso"]
        rows: list[tuple[int, str, int | None]] = []
        for _ in range(self.random.randint(1, 3)):
            deal = self.random.choice([*open_, self.random.choice(open_)])
            wh = self.random.choice([None, None, None, self.random.randint(-1, 4)])
            rows.append((deal, self.random.choices(roles, [9, 9, 4, 4, 1])[0], wh))

        def on_bank() -> None:
            if all(wh is None for _, _, wh in rows):
                self.bank.approve([deal for deal, _, _ in rows], [by for _, by, _ in rows])
            else:
                self.bank.approve(*map(list, zip(*rows, strict=True)))

        rows = [
            (d, by, self.delivered(d) if wh is None and any(w is not None for *_, w in rows) else wh)
            for d, by, wh in rows
        ]
        return on_bank, lambda: self.model.approve(rows)

    def delivered(self, deal: int) -> int:
        known = 0 <= deal < len(self.model.deals)
        return int(self.model.deals[deal].get("delivered", 0)) if known else 0

    def refund(self) -> Any:
        late = [
            n for n, deal in enumerate(self.model.deals) if deal["state"] in ("offer", "agreed", "funded", "delivered")
        ]
        deal = self.random.choice([*late, self.some()])
        return lambda: self.bank.refund(deal), lambda: self.model.refund(deal)

    def advance(self) -> Any:
        to = self.bank._bank.now() + self.random.choice([1, 50, 500])
        return lambda: self.bank.advance(to), lambda: None


class TokenPair(Pair):
    MOVES: ClassVar = {
        "deposit": 6,
        "withdraw": 3,
        "market": 4,
        "bond": 4,
        "release": 3,
        "price": 2,
        "join": 1,
        "twin": 0.3,
    }

    def begin(self, minimum: int) -> None:
        self.parts = self.random.choice([(0, 0), (40_000, 100_000), (333_333, 666_667)])
        haircut = self.random.choice([0, 250_000, 1_000_000, 333_333])
        peg = self.random.choice(["1", "0.01", "1/3"])
        per_nano = Fraction(peg) * Fraction(1, 10**9)  # so that one token carries about one nano-credit
        terms = fc.DualToken(per_nano * 10**9, haircut, 1, *self.parts, minimum)
        self.bank = fc.Settlement(terms, tariff=TARIFF, audit=True)
        shares = tuple(Fraction(ppm, 10**6) for ppm in self.parts)
        self.model = Tokens(MEMBERS, minimum, Fraction(peg), Fraction(haircut, 10**6), shares)
        tiny = Fraction(peg) / 10**9
        self.bank.set_token_price(tiny)
        self.model.price = tiny

    def compare(self, name: str) -> None:
        super().compare(name)
        model = self.model
        rows = self.bank.hosts.select("participant", "bond", "outstanding", "frozen", "tokens_free", "capacity").rows()
        shown = {row[0]: row[1:] for row in rows}
        assert shown.keys() == {member for member in MEMBERS if model.bonds[member] or model.issued[member]}
        for host, (bond, outstanding, frozen, free, capacity) in shown.items():
            assert (bond, outstanding) == (model.bonds[host], model.issued[host]), name
            assert frozen == (model.issued[host] > model.worth(bond)), name
            assert capacity <= model.worth(bond) < capacity + 1, name
            assert model.worth(bond - free) >= outstanding or free == 0, name
            assert free == bond or model.worth(bond - free - 1) < outstanding, name
        assert self.bank.fiat_reserve == model.issued.total() * model.peg == -model.money["outside"] * model.peg

    def state(self) -> Any:
        bonds = self.bank._bonds
        return super().state(), bonds.price, dict(bonds.host_of), dict(bonds.outstanding)

    def bond(self) -> Any:
        host, tokens = self.anybody(), self.random.randint(-1, 500)
        return lambda: self.bank.bond(host, tokens), lambda: self.model.put_up(host, tokens)

    def release(self) -> Any:
        host = self.anybody()
        tokens = self.random.choice([self.random.randint(-1, 300), int(self.model.bonds[host])])
        return lambda: self.bank.release_bond(host, tokens), lambda: self.model.give_back(host, tokens)

    def price(self) -> Any:
        price = self.model.peg * Fraction(self.random.choice([0, 1, 2, 3, 5]), self.random.choice([1, 2, 3])) / 10**9
        return lambda: self.bank.set_token_price(price), lambda: setattr(self.model, "price", price)

    def join(self) -> Any:
        member, host = self.random.choice(MEMBERS), self.random.choice(MEMBERS)
        return lambda: self.bank.join(member, host), lambda: self.model.host.update({member: host})


def run(kind: type[Pair], seed: int, steps: int) -> Pair:
    pair = kind(Random(seed))
    for _ in range(steps):
        pair.step()
    pair.kept.append(pair.bank.receipts())
    pair.bank.audit()
    pair.compare_whole()
    return pair


@pytest.mark.parametrize("kind", [EscrowPair, TokenPair])
@pytest.mark.parametrize("part", range(PARTS))
def test_random_histories_end_as_the_model_says(kind: type[Pair], part: int) -> None:
    done = refused = 0
    states: Counter[str] = Counter()
    lines: Counter[Any] = Counter()
    for seed in range(part, STEPS // HISTORY, PARTS):
        pair = run(kind, seed, HISTORY)
        done, refused = done + pair.done, refused + pair.refused
        if kind is EscrowPair:
            states.update(deal["state"] for deal in pair.model.deals)
        if seed // PARTS % 3 == 0:
            sealed_root(pair)
        for receipts in pair.kept:
            lines.update(receipts.frame["line"].drop_nulls().to_list())
    assert min(done, refused) > (done + refused) // 20
    if kind is EscrowPair:
        assert min(states[state] for state in ("released", "ruled", "refunded")) > 0, states
        assert lines.keys() >= {"escrowed", "released", "returned", "bond_returned", "delivery_penalty"}, lines
    else:
        assert lines.keys() >= {"bonded", "unbonded", "platform_proceeds", "dso_proceeds"}, lines


def sealed_root(pair: Pair) -> None:
    """A ledger folds the same postings; the audit's own accounts hash to the root that its block carries."""
    ledger, books = fc.Ledger(seed=1), Books()
    for receipts in pair.kept:
        block = ledger.seal(None, receipts)
        books.follow(receipts.columns)
        assert block.state_root == state_root(books)


class ForgetsTheCap(Escrow):
    def end(self, deal: dict[str, Any], wh: int) -> None:
        self.move(deal["seller"], deal["buyer"], max(self.penalty * (deal["wh"] - wh) - deal["bond"], 0))
        super().end(deal, wh)


class RoundsBondsUp(Escrow):
    def bond(self, amount: int) -> int:
        return ceil(max(amount, 0) * self.share)


class OneKeyIsEnough(Escrow):
    def say(self, deal: dict[str, Any], by: str, wh: int | None) -> None:
        deal["said"].setdefault("arbiter", deal["delivered"])
        super().say(deal, by, wh)


@pytest.mark.parametrize("wrong", [ForgetsTheCap, RoundsBondsUp, OneKeyIsEnough])
def test_a_bank_by_another_rule_is_told_apart(wrong: type[Money], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "Escrow", wrong)
    with pytest.raises((AssertionError, pytest.fail.Exception, fc.SettlementError)):
        all(run(EscrowPair, seed, 200) for seed in range(20))
