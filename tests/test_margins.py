"""Margins: the worked ledger, a book kept by hand over random histories, calls refused, lies found."""

from __future__ import annotations

import copy
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastclear as fc
from fastclear.audit.settlement import Books

EUR = 10**9
DAY = 86_400 * EUR
# mean 40, standard deviation 15, maximum 95
WORKED = [
    30,
    15,
    50,
    55,
    50,
    40,
    35,
    20,
    25,
    20,
    30,
    45,
    30,
    50,
    50,
    45,
    25,
    30,
    30,
    35,
    50,
    55,
    45,
    30,
    50,
    35,
    40,
    45,
]
WORKED += [45, 95]


# -- pure functions


def test_the_worked_margin() -> None:
    """platforms.md 4.vi-c: mean 40, sd 15, 30-day max 95 -> max(82.0, 142.5)."""
    history = [day * EUR for day in WORKED]
    assert fc.initial_margin(history, alpha="2.8", beta="1.5", days=30) == 142_500_000_000
    assert fc.initial_margin(history, alpha="2.8", beta=0, days=30) == 82 * EUR
    assert fc.initial_margin(history, alpha=0, beta=1) == 95 * EUR
    assert fc.initial_margin([10**12, *history]) == 142_500_000_000, "what is older than 30 days does not count"


def test_the_worked_waterfall() -> None:
    """platforms.md 4.vi-c: a loss of 300 = margin 202.5, own fund 25, operator 20, others pro rata 52.5."""
    others = {"Bo": 50 * EUR, "Cem": 30 * EUR, "Dana": 25 * EUR}
    fell = fc.waterfall(300 * EUR, {"margin": 202_500_000_000, "fund": 25 * EUR, "operator": 20 * EUR}, others)
    assert fell.layers == {"margin": 202_500_000_000, "fund": 25 * EUR, "operator": 20 * EUR}
    assert fell.others == {"Bo": 25 * EUR, "Cem": 15 * EUR, "Dana": 12_500_000_000}
    assert fell.uncovered == 0


ratios = st.fractions(min_value=0, max_value=10, max_denominator=1000)


@given(st.lists(st.integers(0, 2**62), max_size=12), ratios, ratios, st.integers(1, 10))
def test_a_margin_is_the_least_whole_amount_that_is_enough(
    history: list[int], alpha: Fraction, beta: Fraction, days: int
) -> None:
    window = history[-days:]
    margin = fc.initial_margin(history, alpha=alpha, beta=beta, days=days)
    if not window:
        assert margin == 0
        return
    mean = Fraction(sum(window), len(window))
    variance = sum((day - mean) ** 2 for day in window) / len(window)

    def enough(amount: int) -> bool:
        over = amount - mean
        return amount >= beta * max(window) and over >= 0 and over * over >= alpha * alpha * variance

    assert enough(margin)
    assert margin == 0 or not enough(margin - 1)


amounts = st.integers(0, 50) | st.integers(0, 2**62)


@given(amounts, st.lists(amounts, max_size=4), st.lists(amounts, max_size=6))
def test_layers_sum_to_the_loss_and_fill_in_order(loss: int, layers: list[int], others: list[int]) -> None:
    fell = fc.waterfall(loss, {str(i): held for i, held in enumerate(layers)}, dict(enumerate(others)))
    used, shares = list(fell.layers.values()), list(fell.others.values())
    assert sum(used) + sum(shares) + fell.uncovered == loss
    asked = [*zip(used, layers, strict=True), (sum(shares), sum(others))]
    for (above, held), (below, _) in zip(asked, [*asked[1:], (fell.uncovered, 0)], strict=True):
        assert 0 <= above <= held
        assert not below or above == held, "no layer before the previous is empty"
    borne, total = sum(shares), sum(others)
    for share, held in zip(shares, others, strict=True):
        assert share <= held
        assert not total or abs(share - Fraction(borne * held, total)) < 1, "in proportion, to the unit"
    for i in range(len(others)):
        for j in range(i):
            if others[i] == others[j]:
                assert shares[j] - shares[i] in (0, 1), "ties to the one that is named first"


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: fc.initial_margin([1], alpha=2.8), "alpha = 2.8 is a float"),
        (lambda: fc.initial_margin([1], beta="-1"), "beta = -1; give 0 or more"),
        (lambda: fc.initial_margin([1], days=0), "days = 0"),
        (lambda: fc.initial_margin([1, -1]), r"history\[1\] = -1; give nano-currency"),
        (lambda: fc.initial_margin([1.5]), r"history\[0\] = 1.5; give nano-currency"),  # type: ignore[list-item]
        (lambda: fc.waterfall(-1, {}, {}), "loss = -1"),
        (lambda: fc.waterfall(1, {"margin": -1}, {}), "layer 'margin' = -1"),
        (lambda: fc.waterfall(1, {}, {"Bo": -1}), "contribution of 'Bo' = -1"),
        (lambda: fc.CcpMargin(haircut_ppm=10**6), "haircut_ppm = 1000000"),
        (lambda: fc.CcpMargin(days=9999), "days = 9999"),
        (lambda: fc.CcpMargin(penalty_ppm=-1), "penalty_ppm = -1"),
        (lambda: fc.CcpMargin(alpha="x"), "alpha = 'x' is no number"),
    ],
)
def test_what_cannot_be_is_refused(call: Any, says: str) -> None:
    with pytest.raises(fc.SettlementError, match=says):
        call()


# -- on the bank


def use(bank: fc.Settlement, name: str, nano: int) -> fc.Receipts:
    """The member consumes energy for so much, at a tick a Wh; below 0 it generates."""
    return bank.settle([], {"participant": [name], "energy_wh": [nano]})


def posted(bank: fc.Settlement) -> dict[str, int]:
    rows = bank.balances.select("participant", "role", "posted").rows()
    return {f"{name} {role}" if name else role: int(money) for name, role, money in rows if money}


def worked(audit: bool = True) -> fc.Settlement:
    """Ada owed the worked history day by day, and paid it; she has pledged 202.5 and the others stand behind her."""
    bank = fc.Settlement(profile="ccp_margin", tariff=fc.Tariff(1, 1), audit=audit)
    bank.open(["Ada", "Bo", "Cem", "Dana"])
    bank.deposit(["Ada", "Bo", "Cem", "Dana"], [227_500_000_000, 50 * EUR, 30 * EUR, 25 * EUR])
    bank.pledge("Ada", 202_500_000_000)
    for name, money in (("Ada", 25), ("Bo", 50), ("Cem", 30), ("Dana", 25)):
        bank.contribute(name, money * EUR)
    bank.guarantee(20 * EUR)
    for day, owed in enumerate(WORKED):
        use(bank, "Ada", owed * EUR)
        bank.close_cycle()
        bank.advance((day + 1) * DAY)
    return bank


def test_the_worked_ledger() -> None:
    bank = worked()
    use(bank, "Ada", 60 * EUR)
    row = bank.margins.frame.row(0, named=True)
    assert (row["initial_margin"], row["exposure"], row["requirement"]) == (142_500_000_000, 60 * EUR, 202_500_000_000)
    assert (row["limit"], row["call"], bank.available("Ada")) == (60 * EUR, 0, 0)
    use(bank, "Ada", 240 * EUR)
    assert bank.status["Ada"] == "restricted"
    (call,) = bank.margin_calls.frame.select("participant", "call").rows()
    assert call == ("Ada", 240 * EUR)
    bid = {"side": ["buy"], "price": [1], "quantity": [1], "participant": ["Ada"]}
    assert bank.reserve(bid).tolist() == [fc.RejectReason.CREDIT_EXCEEDED]
    before = posted(bank)
    bank.close_cycle(failed="Ada")
    (fell,) = bank.defaults.drop("account", "loan", "passed_on").rows(named=True)
    assert {name: str(money / EUR) for name, money in fell.items() if name != "participant"} == {
        "loss": "300",
        "margin": "202.5",
        "default_fund": "25",
        "guarantee": "20",
        "others": "52.5",
        "platform": "0",
    }
    after = posted(bank)
    assert after.get("Ada margin", 0) == after.get("Ada default_fund", 0) == after.get("guarantee", 0) == 0
    shares = {name: before[f"{name} default_fund"] - after[f"{name} default_fund"] for name in ("Bo", "Cem", "Dana")}
    assert shares == {"Bo": 25 * EUR, "Cem": 15 * EUR, "Dana": 12_500_000_000}
    assert "platform" not in after, "the operator paid 300 and got 300"
    assert sum(after.values()) == 0
    # What Ada's own layers did not pay, she owes to the operator still.
    assert bank.loans.select("participant", "owed", "status").rows() == [("Ada", Decimal(72_500_000_000), "overdue")]
    bank.audit()


def test_payments_of_a_cycle_leave_collateral_where_it_is() -> None:
    bank = fc.Settlement(profile="ccp_margin", tariff=fc.Tariff(1, 1), audit=True)
    bank.open(["Ada", "Bo"])
    bank.deposit(["Ada", "Bo"], 100)
    bank.pledge("Ada", 60)
    bank.contribute("Bo", 30)
    bank.guarantee(5)
    use(bank, "Ada", 90)
    assert sorted(bank.net_payments().rows()) == [
        ("Ada", "Bo", Decimal(50)),
        ("boundary", "Bo", Decimal(20)),
        ("boundary", "backstop", Decimal(90)),
    ]
    bank.close_cycle(failed="Ada")
    assert bank.net_payments().rows() == [("Ada, margin", "platform", Decimal(50))]


def test_what_is_paid_later_goes_up_the_layers_again() -> None:
    bank = fc.Settlement(profile=fc.CcpMargin(penalty_ppm=10**6), tariff=fc.Tariff(1, 1), audit=True)
    bank.open(["Ada", "Bo", "Cem"])
    bank.deposit(["Ada", "Bo", "Cem"], 100)
    for name, part in (("Ada", 10), ("Bo", 20), ("Cem", 10)):
        bank.contribute(name, part)
    bank.guarantee(5)
    use(bank, "Ada", 150)
    bank.close_cycle(failed="Ada")  # of 60: 10 her own, 5 the guarantee's, 30 the others', 15 the operator's
    rows = []
    for paid in (15, 4, 0, 26, 4, 3):
        bank.deposit("Ada", paid)
        bank.pass_on()
        money = posted(bank)
        rows.append([money.get(role, 0) for role in ("platform", "Bo default_fund", "Cem default_fund", "guarantee")])
    assert rows == [[0, 0, 0, 0], [0, 3, 1, 0], [0, 3, 1, 0], [0, 20, 10, 0], [0, 20, 10, 4], [0, 20, 10, 5]]
    assert bank.defaults.select("platform", "passed_on").rows() == [(Decimal(15), Decimal(35))]
    assert bank.balances.filter(participant="Ada", role="member")["posted"].to_list() == [2]
    # what is given up is not paid
    use(bank, "Ada", 10)
    bank.close_cycle(failed="Ada")
    bank.write_off("Ada")
    before = bank.next_seq
    bank.deposit("Ada", 50)
    bank.pass_on()
    assert bank.next_seq == before + 1


def test_what_no_layer_reaches_is_the_operators() -> None:
    bank = fc.Settlement(profile="ccp_margin", tariff=fc.Tariff(1, 1), audit=True)
    bank.open(["Ada", "Bo", "Cem"])
    bank.deposit(["Ada", "Bo", "Cem"], 100)
    bank.pledge("Ada", 10)
    bank.contribute("Bo", 7)
    bank.guarantee(5)
    use(bank, "Ada", 150)
    use(bank, "Cem", 103)
    bank.close_cycle(failed=["Cem", "Ada"])
    rows = bank.defaults.select(
        "participant", "loss", "margin", "default_fund", "guarantee", "others", "platform"
    ).rows()
    assert [(name, *map(int, money)) for name, *money in rows] == [
        ("Ada", 60, 10, 0, 5, 7, 38),
        ("Cem", 3, 0, 0, 0, 0, 3),
    ]
    assert posted(bank)["platform"] == -41
    receipts = bank.receipts().frame.filter(pl.col("line").is_in(["margin_taken", "covered", "repaid"]), asset=0)
    assert receipts.select("line", "payer", "payee", "amount").rows() == [
        ("margin_taken", "Ada, margin", "Ada", 10),
        ("covered", "guarantee", "platform", 5),
        ("covered", "Bo, default fund", "platform", 7),
        ("repaid", "Ada", "platform", 10),
    ]


def test_limits_follow_collateral_at_once_and_margins_at_the_end_of_a_day() -> None:
    bank = fc.Settlement(profile=fc.CcpMargin(alpha=0, beta=1, haircut_ppm=100_000), tariff=fc.Tariff(1, 1), audit=True)
    bank.open(["Ada"])
    bank.deposit("Ada", 1000)
    bank.pledge("Ada", 1000)
    assert bank.available("Ada") == 900
    use(bank, "Ada", 300)
    assert bank.available("Ada") == 600
    bank.advance(DAY)  # the worst day so far: 300
    row = bank.margins.frame.row(0, named=True)
    assert [int(row[name]) for name in ("collateral", "value", "initial_margin", "exposure", "limit", "call")] == [
        *(1000, 900, 300, 300, 600, 0)
    ]
    with pytest.raises(fc.SettlementError, match="can spare 333 of its collateral, not 334: 600 are required"):
        bank.release("Ada", 334)
    bank.release("Ada", 333)
    row = bank.margins.frame.row(0, named=True)
    assert [int(row[name]) for name in ("value", "limit", "call")] == [600, 300, 0]
    assert bank.available("Ada") == 333, "what was released is money again"
    use(bank, "Ada", 734)
    bank.advance(5 * DAY)
    assert bank.margins.frame["initial_margin"].to_list() == [734]
    (call,) = bank.margin_calls.frame["call"].to_list()
    bank.deposit("Ada", 10_000)
    bank.pledge("Ada", int(call))
    bank.withdraw("Ada", 1)
    assert bank.margin_calls.frame.height == 0


def test_a_day_counts_once_however_its_cycles_are_cut() -> None:
    banks = [fc.Settlement(profile="ccp_margin", tariff=fc.Tariff(1, 1)) for _ in range(2)]
    for number, bank in enumerate(banks):
        bank.open(["Ada"])
        for day in range(4):
            use(bank, "Ada", 7)
            if number:
                bank.close_cycle()
            use(bank, "Ada", 5 - day)
            bank.deposit("Ada", 3)
            bank.advance((day + 1) * DAY)
    first, second = (bank.margins.frame["initial_margin"].to_list() for bank in banks)
    assert first == second == [18]


class RefusedError(Exception):
    """What the model says cannot be."""


class Claim:
    """What one failed member owes, and who gets what it pays, in that order."""

    def __init__(self, left: int) -> None:
        self.left, self.paid = left, 0
        self.uncovered = self.guarantee = 0
        self.others: dict[str, int] = {}


def divided(amount: int, held: dict[str, int]) -> dict[str, int]:
    """At most what is held, in proportion, by largest remainder."""
    total = sum(held.values())
    amount = min(amount, total)
    shares = {name: amount * part // total if total else 0 for name, part in held.items()}
    rest = sorted(held, key=lambda name: -(amount * held[name] % total) if total else 0)
    for name in rest[: amount - sum(shares.values())]:
        shares[name] += 1
    return shares


class Book:
    """A margin bank kept by hand, in plain Python."""

    def __init__(self, names: list[str], alpha: Fraction, beta: Fraction, days: int, haircut: int) -> None:
        self.alpha, self.beta, self.days, self.haircut = alpha, beta, days, haircut
        self.names = names
        self.cash = dict.fromkeys(names, 0)
        self.margin, self.fund = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
        self.owed: dict[str, list[Claim]] = {name: [] for name in names}
        self.claims: list[Claim] = []
        self.limit, self.initial, self.today = (dict.fromkeys(names, 0) for _ in range(3))
        self.history: dict[str, list[int]] = {name: [] for name in names}
        self.house = self.platform = self.outside = 0
        self.day = 0

    def owes(self, name: str) -> int:
        return sum(claim.left for claim in self.owed[name])

    def exposure(self, name: str) -> int:
        return max(self.owes(name) - self.cash[name], 0)

    def available(self, name: str) -> int:
        return self.limit[name] + self.cash[name] - self.owes(name)

    def set_limit(self, name: str) -> None:
        self.limit[name] = max(self.margin[name] * (10**6 - self.haircut) // 10**6 - self.initial[name], 0)

    def collect(self, name: str) -> None:
        """Whoever has money and owes pays at once."""
        while self.owed[name] and self.cash[name] > 0:
            claim = self.owed[name][0]
            paid = min(claim.left, self.cash[name])
            self.cash[name] -= paid
            self.platform += paid
            claim.left -= paid
            claim.paid += paid
            if not claim.left:
                self.owed[name].pop(0)

    def needed(self, amount: int) -> int:
        return -(-amount * 10**6 // (10**6 - self.haircut))

    def pay_in(self, purse: dict[str, int], name: str, amount: int) -> None:
        if amount <= 0 or amount > min(self.cash[name], self.available(name)):
            raise RefusedError
        self.cash[name] -= amount
        purse[name] += amount

    def pledge(self, name: str, amount: int) -> None:
        self.pay_in(self.margin, name, amount)
        self.set_limit(name)

    def release(self, name: str, amount: int) -> None:
        if not 0 < amount <= self.margin[name] - self.needed(self.initial[name] + self.exposure(name)):
            raise RefusedError
        self.margin[name] -= amount
        self.cash[name] += amount
        self.set_limit(name)
        self.collect(name)

    def contribute(self, name: str, amount: int) -> None:
        if amount >= 0:
            self.pay_in(self.fund, name, amount)
            return
        if self.exposure(name) or -amount > self.fund[name]:
            raise RefusedError
        self.fund[name] += amount
        self.cash[name] -= amount
        self.collect(name)

    def guarantee(self, amount: int) -> None:
        if self.house + amount < 0:
            raise RefusedError
        self.house += amount

    def deposit(self, name: str, amount: int) -> None:
        self.cash[name] += amount
        self.collect(name)

    def use(self, name: str, amount: int) -> None:
        self.cash[name] -= amount
        self.today[name] -= amount
        self.collect(name)

    def advance(self, days: int) -> None:
        for name in self.names:
            if days:
                self.history[name] += [max(-self.today[name], 0)] + [0] * (days - 1)
                self.today[name] = 0
                window = self.history[name][-self.days :]
                mean = Fraction(sum(window), len(window))
                variance = sum((x - mean) ** 2 for x in window) / len(window)
                margin = -(-self.beta * max(window) // 1)
                while margin < mean or (margin - mean) ** 2 < self.alpha**2 * variance:
                    margin += 1
                self.initial[name] = int(margin)
                self.set_limit(name)
        self.day += days

    def pass_on(self) -> None:
        for claim in self.claims:
            left, claim.paid = claim.paid, 0
            kept = min(left, claim.uncovered)
            claim.uncovered -= kept
            back = divided(left - kept, claim.others)
            for other, share in back.items():
                self.fund[other] += share
                claim.others[other] -= share
            rest = left - kept - sum(back.values())
            assert rest <= claim.guarantee
            claim.guarantee -= rest
            self.house += rest
            self.platform -= rest + sum(back.values())

    def close_cycle(self, failed: list[str]) -> None:
        if any(self.cash[name] >= 0 for name in failed):
            raise RefusedError
        losses = {name: -self.cash[name] for name in self.names if name in failed}
        self.cash = dict.fromkeys(self.names, 0)
        for name, loss in losses.items():
            self.platform -= loss
            claim = Claim(loss)
            self.owed[name].append(claim)
            self.claims.append(claim)
            for purse in (self.margin, self.fund):
                taken = min(purse[name], loss)
                purse[name] -= taken
                self.cash[name] += taken
                claim.paid -= taken  # its own: nobody has that back
                loss -= taken
            claim.guarantee = min(self.house, loss)
            self.house -= claim.guarantee
            loss -= claim.guarantee
            claim.others = divided(loss, {other: self.fund[other] for other in self.names if other not in failed})
            for other, share in claim.others.items():
                self.fund[other] -= share
                loss -= share
            claim.uncovered = loss
            self.platform += claim.guarantee + sum(claim.others.values())
        for name in losses:
            self.collect(name)
        for name in self.names:
            self.set_limit(name)


NAMES = ["Ada", "Bo", "Cem"]


class Run:
    """One bank and one book, and random steps that both take; what one refuses the other refuses."""

    def __init__(self, seed: int, steps: int, audit: bool) -> None:
        self.random = random = np.random.default_rng(seed)
        alpha, beta = (Fraction(int(random.integers(0, 30)), 10) for _ in range(2))
        days, haircut = int(random.integers(1, 5)), int(random.choice([0, 1, 250_000, 999_999]))
        self.book = Book(NAMES, alpha, beta, days, haircut)
        profile = fc.CcpMargin(alpha=alpha, beta=beta, days=days, haircut_ppm=haircut)
        self.bank = fc.Settlement(profile=profile, tariff=fc.Tariff(1, 1), audit=audit)
        self.bank.open(NAMES)
        self.seen: set[str] = set()
        self.kept: list[fc.Receipts] = []
        for _ in range(steps):
            self.step()
            self.check()
        self.bank.audit([*self.kept, self.bank.receipts()])

    def step(self) -> None:
        random, book, bank = self.random, self.book, self.bank
        name = str(random.choice(NAMES))
        money = int(random.choice([0, 1, random.integers(0, 60), random.integers(0, 500)]))
        steps = [
            "deposit",
            "pledge",
            "release",
            "contribute",
            "guarantee",
            "use",
            "advance",
            "close_cycle",
            "copy",
            "pass_on",
        ]
        kind = str(random.choice(steps, p=[0.18, 0.14, 0.1, 0.1, 0.06, 0.2, 0.1, 0.08, 0.02, 0.02]))
        match kind:
            case "deposit":
                bank.deposit(name, money)
                book.deposit(name, money)
            case "pledge" | "release":
                self.both(kind, name, money)
            case "contribute":
                self.both(kind, name, money * int(random.choice([1, 1, -1])))
            case "pass_on":
                before = bank.next_seq
                bank.pass_on()
                book.pass_on()
                if bank.next_seq > before:
                    self.seen.add("passed on")
            case "guarantee":
                self.both(kind, money * int(random.choice([1, -1])))
            case "use":
                money *= int(random.choice([1, 1, -1]))
                self.kept.append(use(bank, name, money))
                book.use(name, money)
            case "advance":
                days = int(random.integers(0, 4))
                bank.advance((book.day + days) * DAY + bank.next_seq)
                book.advance(days)
            case "close_cycle":
                failed = [
                    name for name in NAMES if random.random() < 0.4 and (book.cash[name] < 0 or random.random() < 0.05)
                ]
                self.both(kind, failed)
            case "copy":
                twin = copy.copy(bank)
                use(twin, name, 10**6)
                twin.close_cycle(name)
                twin.advance((book.day + 9) * DAY)
        self.seen.add(kind)

    def both(self, call: str, *arguments: Any) -> None:
        before = self.bank.next_seq, copy.deepcopy(self.book.__dict__)
        try:
            getattr(self.book, call)(*arguments)
        except RefusedError:
            self.book.__dict__.update(before[1])
            with pytest.raises(fc.SettlementError):
                getattr(self.bank, call)(*arguments)
            assert self.bank.next_seq == before[0], "a call that is refused changes nothing"
            self.seen.add(f"{call} refused")
            return
        getattr(self.bank, call)(*arguments)

    def check(self) -> None:
        bank, book = self.bank, self.book
        money = posted(bank)
        for name in NAMES:
            own = [money.get(f"{name} {role}", 0) for role in ("member", "margin", "default_fund")]
            assert own == [book.cash[name], book.margin[name], book.fund[name]], name
        assert (money.get("guarantee", 0), money.get("platform", 0)) == (book.house, book.platform)
        assert sum(money.values()) == 0
        rows = bank.margins.frame.select("initial_margin", "exposure", "limit", "call").rows()
        for name, row in zip(NAMES, rows, strict=True):
            need = book.needed(book.initial[name] + book.exposure(name))
            expected = [book.initial[name], book.exposure(name), book.limit[name], max(need - book.margin[name], 0)]
            assert [int(cell) for cell in row] == expected, name
            assert bank.available(name) == book.available(name)
        for fell in bank.defaults.select("loss", "margin", "default_fund", "guarantee", "others", "platform").rows():
            assert fell[0] == sum(fell[1:])


@pytest.mark.parametrize("seed", range(60))
def test_a_book_kept_by_hand(seed: int) -> None:
    Run(seed, 200, audit=False)


@pytest.mark.parametrize("seed", range(100, 104))
def test_the_audit_follows_margins(seed: int) -> None:
    run = Run(seed, 120, audit=True)
    assert "no layer bears a loss before the one above it is empty" in str(run.bank.audit())


def test_histories_reach_every_call_and_every_refusal() -> None:
    seen = set().union(*(Run(seed, 150, audit=False).seen for seed in range(200, 206)))
    calls = {"pledge", "release", "contribute", "guarantee", "close_cycle"}
    assert seen >= calls | {f"{call} refused" for call in calls} | {"copy", "advance", "passed on"}


# -- refusals and lies


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda bank: bank.pledge("Ada", 101), "'Ada' has 100 free, not 101; deposit it first"),
        (lambda bank: bank.pledge("Ada", 0), "pledge: amount 0; give nano-currency above 0"),
        (lambda bank: bank.pledge("Ada", 1.5), "amount = 1.5 is no integer"),
        (lambda bank: bank.pledge("Zoe", 1), "participant 'Zoe' has no account"),
        (lambda bank: bank.release("Ada", 1), "can spare 0 of its collateral, not 1: 0 are required"),
        (lambda bank: bank.contribute("Ada", -1), "has 0 in the default fund and is exposed by 0"),
        (lambda bank: bank.guarantee(-1), "lacks 1"),
        (lambda bank: bank.pledge("Gone", 1), "the account of participant 'Gone' is closed"),
        (lambda bank: bank.close_cycle(failed="Ada"), "Ada"),
    ],
)
def test_calls_that_are_refused_change_nothing(call: Any, says: str) -> None:
    bank = fc.Settlement(profile="ccp_margin", tariff=fc.Tariff(1, 1), audit=True)
    bank.open(["Ada", "Gone"])
    bank.close("Gone")
    bank.deposit("Ada", 100)
    before = bank.balances, bank.next_seq
    with pytest.raises(fc.SettlementError, match=says):
        call(bank)
    assert bank.balances.equals(before[0])
    assert bank.next_seq == before[1]


@pytest.mark.parametrize("call", ["pledge", "release", "contribute"])
def test_other_profiles_take_no_collateral(call: str) -> None:
    bank = fc.Settlement(tariff=fc.Tariff(1, 1))
    bank.open("Ada")
    with pytest.raises(
        fc.SettlementError, match=f"{call}: this bank takes no collateral; give it profile='ccp_margin'"
    ):
        getattr(bank, call)("Ada", 1)


def test_collateral_is_no_reason_to_close_an_account() -> None:
    bank = fc.Settlement(profile="ccp_margin", tariff=fc.Tariff(1, 1), audit=True)
    bank.open(["Ada"])
    bank.deposit("Ada", 5)
    bank.pledge("Ada", 5)
    with pytest.raises(fc.SettlementError, match="Ada: cannot be closed"):
        bank.close("Ada")
    bank.release("Ada", 5)
    bank.withdraw("Ada", 5)
    bank.close("Ada")
    bank.advance(DAY)
    assert bank.status == {"Ada": "closed"}


def follow(columns: dict[str, Any], bank: fc.Settlement) -> None:
    books = Books()
    books.follow(columns)
    books.check_balances(bank._bank.balances())


def test_lies_about_collateral_and_layers_are_found() -> None:
    """Every line of collateral, with another amount, another account or another loss."""
    receipts: list[fc.Receipts] = []
    bank = fc.Settlement(profile="ccp_margin", tariff=fc.Tariff(1, 1))
    bank.open(["Ada", "Bo", "Cem"])
    bank.deposit(["Ada", "Bo", "Cem"], 100)
    bank.pledge("Ada", 10)
    bank.contribute("Ada", 4)
    bank.contribute("Bo", 50)
    bank.contribute("Cem", 50)
    bank.guarantee(5)
    receipts.append(bank.settle([], {"participant": ["Ada", "Cem"], "energy_wh": [150, 51]}))
    bank.close_cycle(failed=["Ada", "Cem"])
    bank.contribute("Bo", -1)
    bank.guarantee(2)
    bank.guarantee(-1)
    bank.deposit("Ada", 900)
    bank.pass_on()
    bank.pledge("Ada", 9)
    bank.release("Ada", 3)
    receipts.append(bank.receipts())
    columns = {name: np.concatenate([item.columns[name] for item in receipts]) for name in receipts[0].columns}
    names = {(kind, code): name for kind, code, name in fc._core.LINE_NAMES}
    step = fc._core.PURSE_STEP
    follow(columns, bank)
    looked = set()
    for row in range(len(columns["seq"])):
        line = names.get((int(columns["kind"][row]), int(columns["code"][row])))
        if line is None or int(columns["code"][row]) not in range(41, 45):
            continue
        looked.add(line)
        for field, value in (
            ("amount", columns["amount"][row] + 1),
            ("debit", columns["debit"][row] + 1),
            ("credit", columns["credit"][row] + 1),
            ("debit", columns["debit"][row] + step),
            ("credit", columns["credit"][row] + step),
            ("group", 0),
        ):
            if field == "group" and line not in ("margin_taken", "fund_taken", "covered", "passed_on"):
                continue  # these stand alone
            lie = {name: column.copy() for name, column in columns.items()}
            lie[field][row] = value
            with pytest.raises(fc.AuditError):
                follow(lie, bank)
    assert looked == {
        *("pledged", "released", "contributed", "returned", "guaranteed", "guarantee_returned"),
        *("margin_taken", "fund_taken", "covered", "passed_on"),
    }


STEP = fc._core.PURSE_STEP
ADA, BO, CEM = 1000, 1001, 1002
PLATFORM, GUARANTEE = 3, 11


@pytest.mark.parametrize(
    ("line", "nth", "changes", "says"),
    [
        ("pledged", 1, {"credit": 2 * STEP + BO}, "pledged between accounts 1000 and"),
        ("released", 0, {"credit": BO}, "released between accounts"),
        ("contributed", 0, {"debit": BO}, "contributed between accounts 1001"),
        ("guaranteed", 0, {"amount": 11}, "the guarantee is not empty"),
        ("pledged", 1, {"amount": 11}, f"account {2 * STEP + ADA} is not empty"),
        ("margin_taken", 0, {"line": "fund_taken", "debit": 3 * STEP + ADA}, f"account {2 * STEP + ADA} is not empty"),
        ("margin_taken", 0, {"line": "covered", "debit": GUARANTEE, "credit": PLATFORM}, "is not empty"),
        ("margin_taken", 0, {"group": 0}, "it belongs to posting 0, which paid for nobody"),
        ("margin_taken", 0, {"loss": 1}, "account 1000 pays for another member that failed"),
        ("fund_taken", 0, {"line": "covered", "credit": PLATFORM}, "account 1000 is one of the others of its own loss"),
        ("covered", 0, {"credit": GUARANTEE}, "covers a loss of account 11"),
        ("covered", 1, {"debit": 2 * STEP + BO}, "covers a loss of account 3"),
        ("covered", 1, {"amount": 81}, "the layers bear 1 more than the loss"),
        ("covered", 2, {"amount": 26}, "the layers bear 1 more than the loss"),
        ("passed_on", 0, {"amount": 81}, "is given back what it did not bear"),
        ("passed_on", 0, {"debit": 4}, "is given back what it did not bear"),
    ],
)
def test_a_layer_out_of_its_turn_is_found(line: str, nth: int, changes: dict[str, Any], says: str) -> None:
    """Ada loses 110 and has 20 of her own, Cem loses 5; the guarantee bears 10, Bo the rest."""
    bank = fc.Settlement(profile="ccp_margin", tariff=fc.Tariff(1, 1))
    bank.open(["Ada", "Bo", "Cem"])
    bank.deposit(["Ada", "Bo"], 200)
    bank.pledge("Bo", 5)
    bank.pledge("Ada", 15)
    bank.release("Ada", 5)
    bank.contribute("Ada", 10)
    bank.contribute("Bo", 150)
    bank.guarantee(10)
    kept = [bank.settle([], {"participant": ["Ada", "Cem"], "energy_wh": [290, 25]})]
    bank.close_cycle(failed=["Ada", "Cem"])
    bank.deposit("Ada", 300)
    bank.pass_on()
    kept.append(bank.receipts())
    columns = {name: np.concatenate([item.columns[name] for item in kept]) for name in kept[0].columns}
    Books().follow(columns)
    codes = {name: (kind, code) for kind, code, name in fc._core.LINE_NAMES if code >= 41 or name == "novation"}

    def rows(name: str) -> list[int]:
        kind, code = codes[name]
        money = columns["asset"] == 0
        return np.flatnonzero((columns["kind"] == kind) & (columns["code"] == code) & money).tolist()

    row = rows(line)[nth]
    for field, value in changes.items():
        match field:
            case "line":
                columns["code"][row] = codes[value][1]
            case "loss":
                columns["group"][row] = columns["seq"][rows("novation")[value]]
            case _:
                columns[field][row] = value
    with pytest.raises(fc.AuditError, match=f"no layer bears a loss before the one above it is empty.*{says}"):
        Books().follow(columns)


def test_statements_ledger_and_journal_tell_of_collateral(tmp_path: Any) -> None:
    bank = fc.Settlement(profile="ccp_margin", tariff=fc.Tariff(1, 1), audit=True)
    bank.open(["Ada", "Bo"])
    ledger = fc.Ledger.open(tmp_path / "ledger")
    bank.deposit(["Ada", "Bo"], 100)
    bank.pledge("Ada", 10)
    bank.contribute("Bo", 20)
    bank.guarantee(5)
    bank.release("Ada", 2)
    kept = [bank.settle([], {"participant": ["Ada"], "energy_wh": [150]})]
    ledger.seal(None, kept[0])
    bank.close_cycle(failed="Ada")
    kept.append(bank.receipts())
    ledger.seal(None, kept[1])
    assert fc.verify_directory(tmp_path / "ledger").blocks == 2
    texts = fc.History(kept).statement("Ada").frame["text"].to_list()
    for text in ("pledged as collateral", "collateral given back", "collateral used for what was not paid"):
        assert text in texts
    assert "part of what another member did not pay" in str(fc.History(kept).journal().frame["text"].to_list())
    accounts = set(fc.History(kept).journal().frame["account"])
    assert {"Liabilities:Margin:1000-Ada", "Liabilities:Default-Fund:1001-Bo", "Liabilities:Guarantee"} <= accounts
    totals = fc.History(kept).journal().frame.select(pl.col("debit", "credit").sum()).row(0)
    assert totals[0] == totals[1]
    summary = fc.History(kept).summary().frame
    assert summary["participant"].to_list() == ["Ada", "Bo"]
    assert [int(money) for money in summary["deposited"]] == [90, 80]
    assert [int(money) for money in summary["withdrawn"]] == [-2, 0]
