"""A bank and its model side by side: every step is done to both, and everything they say is compared."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from random import Random
from typing import Any

import numpy as np

import fastclear as fc
from reference.bank_model import Bid, Gate, Prepaid, Rates, RefusedError, Trade

PROFILES: dict[str, type[Prepaid]] = {"prepaid": Prepaid}
POLICIES: dict[str, Callable[[Rates], Any]] = {
    "backup": lambda _: fc.Backup(),
    "single": lambda _: fc.SinglePrice(),
    "dual": lambda rates: fc.DualPrice(rates.penalty, rates.dead_band),
}
MECHANISMS = [
    fc.Uniform(),
    fc.Uniform(k=1, zero_surplus=False),
    fc.Discriminatory(spread_to="operator"),
    fc.Uniform(price_rule="last_pair_midpoint", price_round=None),
    fc.Uniform(rationing="lottery", seed=3),
    fc.Vickrey(),
    fc.Vickrey(deficit_to="dso"),
    fc.MaximalVolume(rule="earlier"),
]
Ask = tuple[Any, Any, Any, int, int]  # member, market, order, price, quantity
Tranche = tuple[list[Bid], list[Ask], Any]
BIG = 2**31 - 1
MOST = 2**63 - 1
FLAW = 0
"""The quantity of a bid that has a flaw."""


class Pair:
    """Both of them. A step that the model refuses has to be refused by the bank, and the other way round."""

    def __init__(self, rates: Rates, profile: str = "prepaid", audit: bool = True) -> None:
        self.bank = fc.Settlement(
            profile, tariff=fc.Tariff(*rates[:5]), imbalance=POLICIES[rates.policy](rates), audit=audit
        )
        self.model = PROFILES[profile](rates)
        self.stranger: Any = 34
        self.big = False  # numbers at the ends of their ranges
        self.standing: list[Bid] = []
        self.cleared: Any = None
        self.receipts: list[fc.Receipts] = []
        self.house = {role: row[0] for row, role in zip(self.rows(), self.bank.balances["role"], strict=True)}
        self.steps = self.refusals = self.next_order = 0

    @property
    def names(self) -> list[Any]:
        return list(self.model.limit)  # in the order of opening, as the accounts are

    def rows(self) -> list[tuple[int, ...]]:
        return self.bank._bank.balances()

    def both(self, on_bank: Callable[[], Any], on_model: Callable[[], Any]) -> tuple[Any, Any]:
        """What each of them returns, or (None, None) where both refuse."""
        self.steps += 1
        refused, error, said, expected = False, None, None, None
        try:
            expected = on_model()
        except RefusedError:
            refused = True
        try:
            said = on_bank()
        except fc.SettlementError as found:
            error = found
        assert refused == (error is not None), "the bank allowed it" if refused else f"the bank refused it: {error}"
        self.refusals += refused
        self.compare()
        return said, expected

    def compare(self) -> None:
        model = self.model
        accounts = [*self.house, *self.names]
        rows = self.rows()
        assert len(rows) == len(accounts)
        for name, (_, posted, pending_out, pending_in, available, limit, *_) in zip(accounts, rows, strict=True):
            pending = (0, model.held[name]) if name in self.house else (model.held[name], 0)
            assert (posted, pending_out, pending_in) == (model.posted[name], *pending), name
            if name not in self.house:
                assert (available, limit) == (model.available(name), model.limit[name]), name
        assert model.posted["clearing"] == 0
        assert sum(model.posted.values()) == 0

    # -- steps
    # ---------------------------------------------------------------------------------------------

    def open(self, names: list[Any], limit: int) -> None:
        self.both(lambda: self.bank.open(names, limit), lambda: self.model.open(names, limit))

    def set_limit(self, name: Any, limit: int) -> None:
        self.both(lambda: self.bank.set_limit(name, limit), lambda: self.model.set_limit(name, limit))

    def pay_in(self, rows: list[tuple[Any, int]], sign: int = 1) -> None:
        call = self.bank.deposit if sign > 0 else self.bank.withdraw
        names, amounts = [name for name, _ in rows], [amount for _, amount in rows]
        self.both(lambda: call(names, amounts), lambda: self.model.pay_in(rows, sign))

    def reserve(self, bids: list[Bid], asks: list[Ask]) -> None:
        codes, expected = self.both(
            lambda: self.bank.reserve(columns(bids, asks)).tolist(), lambda: self.model.reserve(bids)
        )
        if codes is not None:
            reasons = fc.RejectReason
            number = {"ok": 0, "credit": reasons.CREDIT_EXCEEDED, "flaw": reasons.QUANTITY_OUT_OF_RANGE}
            assert codes == [number[word] for word in expected] + [0] * len(asks)
            self.standing += [bid for bid, word in zip(bids, expected, strict=True) if word == "ok"]

    def settle(self, tranches: list[Tranche], meter: dict[Any, int]) -> None:
        clearings, gates = [], []
        for bids, asks, mechanism in tranches:
            clearing = fc.clear(columns(bids, asks), mechanism)
            clearings.append(clearing)
            gates.append(Gate(bids, trades(clearing, bids, asks), getattr(mechanism, "deficit_to", "platform")))
        readings = {"participant": list(meter), "energy_wh": list(meter.values())}
        receipts, _ = self.both(lambda: self.bank.settle(clearings, readings), lambda: self.model.settle(gates, meter))
        if receipts is not None:
            self.receipts.append(receipts)
            self.cleared = next((item for item in clearings if len(item.trade_columns["quantity"])), None)
            done = {bid[:3] for gate in gates for bid in gate.bids}
            self.standing = [bid for bid in self.standing if bid[:3] not in done]
            for bid in done:  # of two reservations with one name only as many are drawn as there were rows
                self.standing += [Bid(*bid, 1, 1)] * len(self.model.open_bids.get(bid, []))

    def replay(self) -> None:
        """What was settled is settled once."""
        if self.cleared is not None:
            self.both(lambda: self.bank.settle(self.cleared), refuse)

    def advance(self, time: int) -> None:
        self.both(lambda: self.bank.advance(time), lambda: self.model.advance(time))

    def close_cycle(self) -> None:
        said, expected = self.both(self.bank.close_cycle, self.model.close_cycle)
        for name, account in zip([*self.house, *self.names], said.rows(named=True), strict=True):
            opening, deposited, closing = expected.get(name, (0, 0, 0))
            found = [int(account[column]) for column in ("opening", "deposited", "net", "closing")]
            assert found == [opening, deposited, closing - opening - deposited, closing], name

    def take(self) -> None:
        self.receipts.append(self.bank.receipts())


def refuse() -> None:
    raise RefusedError


def columns(bids: list[Bid], asks: list[Ask]) -> dict[str, Any]:
    """Orders as `fc.clear` takes them: bids, then asks. Arrays of integers are read as they stand."""
    rows = [(1, *bid) if bid.price is not None else (1, *bid[:3], 5, FLAW) for bid in bids]
    rows += [(0, *ask) for ask in asks]
    names = ("side", "participant", "market", "order", "price", "quantity")
    values = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in names]
    return {
        name: column if any(isinstance(value, str) for value in column) else np.array(column, np.int64)
        for name, column in zip(names, values, strict=True)
    }


def trades(clearing: fc.Clearing, bids: list[Bid], asks: list[Ask]) -> list[Trade]:
    table = clearing.trade_columns
    names = ("buy_row", "sell_row", "quantity", "buy_amount", "sell_amount")
    return [
        Trade(buy, asks[sell - len(bids)][0], quantity, Fraction(pays, clearing.den), Fraction(gets, clearing.den))
        for buy, sell, quantity, pays, gets in zip(*(table[name].tolist() for name in names), strict=True)
    ]


# -- random histories
# ---------------------------------------------------------------------------------------------------


def random_rates(rng: Random) -> Rates:
    return Rates(
        retail=rng.randint(-5, 60),
        feed_in=rng.randint(-5, 30),
        platform_fee=rng.randint(-2, 3),
        network_fee=rng.randint(0, 4),
        tax_ppm=rng.choice([0, 190_000, 200_000, 333_333, 500_000, 1_000_000]),
        policy=rng.choice(list(POLICIES)),
        penalty=rng.randint(0, 9),
        dead_band=rng.randint(0, 5),
    )


def random_bid(rng: Random, pair: Pair) -> Bid:
    pair.next_order += 1
    order = rng.randint(0, 9) if rng.random() < 0.2 else 10 + pair.next_order  # some share their name
    price, quantity = random_size(rng, pair, -6, 40)
    return Bid(rng.choice(pair.names), rng.randint(0, 2), order, None if rng.random() < 0.04 else price, quantity)


def random_size(rng: Random, pair: Pair, low: int, high: int) -> tuple[int, int]:
    if pair.big:
        return rng.choice([-BIG, -1, 0, 7, BIG]), rng.choice([1, 5, BIG // 2, BIG])
    return rng.randint(low, high), rng.randint(1, 12)


def random_ask(rng: Random, pair: Pair) -> Ask:
    pair.next_order += 1
    return rng.choice(pair.names), rng.randint(0, 2), 10 + pair.next_order, *random_size(rng, pair, -9, 30)


def random_step(rng: Random, pair: Pair) -> None:
    name = rng.choice(pair.names)
    match rng.choices(range(10), (14, 12, 4, 3, 28, 26, 3, 4, 4, 2))[0]:
        case 0:
            most = MOST if pair.big else 1500
            pair.pay_in([(rng.choice(pair.names), rng.randint(0, most)) for _ in range(rng.randint(1, 2))])
        case 1:
            rows = [(name, min(MOST, max(-1, pair.model.free(name) + rng.choice([-20, -1, 0, 1]))))]
            if rng.random() < 0.3:
                rows.append((rng.choice([*pair.names, pair.stranger]), rng.randint(-1, 40)))
            pair.pay_in(rows, -1)
        case 2:
            pair.set_limit(
                name if rng.random() < 0.9 else pair.stranger, rng.choice([-1, 0, 50, MOST if pair.big else 700])
            )
        case 3 if len(pair.names) < 9:
            late = f"late {len(pair.names)}" if isinstance(name, str) else len(pair.names)
            pair.open([late, *([name] if rng.random() < 0.3 else [])], rng.choice([-1, 0, 99]))
        case 4:
            bids = [random_bid(rng, pair) for _ in range(rng.randint(0, 4))]
            if rng.random() < 0.03:
                bids.append(Bid(pair.stranger, 0, 1, 5, 5))
            pair.reserve(bids, [random_ask(rng, pair)] if rng.random() < 0.3 else [])
        case 5:
            random_gate(rng, pair)
        case 6:
            pair.replay()
        case 7:
            pair.close_cycle()
        case 8:
            pair.advance(max(0, pair.model.clock + rng.choice([-1, 0, 1, 5_000])))
        case _:
            pair.take()


def random_gate(rng: Random, pair: Pair) -> None:
    """Most of the standing bids, some that were never covered, asks, and readings; some bids in both tranches."""
    bids = [bid for bid in dict.fromkeys(pair.standing) if rng.random() < 0.85 or len(pair.standing) > 20]
    bids += [random_bid(rng, pair) for _ in range(rng.choice([0, 0, 1, 2]))]
    asks = [random_ask(rng, pair) for _ in range(rng.randint(0, 4))]
    rng.shuffle(bids)
    cut = rng.randint(0, len(bids)) if rng.random() < 0.3 else len(bids)
    mechanism = rng.choice(MECHANISMS)
    tranches: list[Tranche] = [(bids[:cut], asks, mechanism)]
    if cut < len(bids):
        shared = bids[:1] if rng.random() < 0.3 and not isinstance(mechanism, fc.Vickrey) else []
        tranches.append((shared + bids[cut:], [random_ask(rng, pair) for _ in range(2)], rng.choice(MECHANISMS)))
    most = rng.choice([9, BIG, MOST // 70, MOST]) if pair.big else 30
    meter = {name: rng.randint(-most, most) for name in pair.names if rng.random() < 0.5}
    if rng.random() < 0.02:
        meter[pair.stranger] = 1
    pair.settle([tranche for tranche in tranches if tranche[0] or tranche[1]], meter)


def random_history(seed: int, steps: int, audit: bool = True, profile: str = "prepaid") -> Pair:
    """A history of its own for each seed: of sixteen, two have text for names, four have the largest numbers."""
    rng = Random(seed)
    law = seed // 4 % 8
    rates = random_rates(rng)
    if law == 3:
        rates = rates._replace(platform_fee=rng.choice([0, 1, BIG]), retail=rng.choice([0, -BIG, BIG, 20]))
    pair = Pair(rates, profile, audit)
    pair.big = law in (2, 3)
    names: list[Any] = [-7, 10**12, 33, -1]
    if law == 0:
        names, pair.stranger = ["Ada", "Bo", "Cem", "Dana"], "stranger"
    pair.open(names[:3], rng.choice([0, 0, 400]))
    pair.open(names[3:], 0)
    while pair.steps < steps:
        random_step(rng, pair)
    pair.take()
    return pair
