"""The credit bank and netting: the worked ledger, random histories against a bank kept by hand, calls refused."""

from __future__ import annotations

import copy
import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import polars as pl
import pytest
from reference.credit_model import OPERATOR, TREASURY, Loan, Model

import fastclear as fc
from fastclear.orders import encode

EUR = 10**9
DAY = 86_400 * EUR
RETAIL = 300_000


class Deal:
    """One buy order and one sell order, of which ``quantity`` Wh trade at ``price``."""

    def __init__(self, book: Any, price: int, quantity: int) -> None:
        self.orders = encode(book)
        row = np.array([0] if quantity else [], np.int64)
        self.trade_columns = {
            "buy_row": row,
            "sell_row": row + 1,
            "quantity": row + quantity,
            "buy_price": row + price,
            "sell_price": row + price,
        }


def book(buyer: str, seller: str, price: int, quantity: int, order: int = 0) -> dict[str, list[Any]]:
    return {
        "side": ["buy", "sell"],
        "price": [price, -(2**30)],
        "quantity": [quantity, quantity],
        "participant": [buyer, seller],
        "order": [2 * order, 2 * order + 1],
    }


def cents(bank: fc.Settlement) -> dict[str, Decimal]:
    posted = bank.balances.with_columns(pl.coalesce(pl.col("participant"), pl.col("role")).alias("who"))
    return {who: (money / 10**7).quantize(Decimal("1")) / 100 for who, money in posted.select("who", "posted").rows()}


def test_the_worked_ledger() -> None:
    """platforms.md 4.i: 500 kWh at 0.18, two per cent of it on top, a loan of 51.80 for thirty days at 4.7 %."""
    bank = fc.Settlement(profile="credit_bank", tariff=fc.Tariff(RETAIL, 50_000, tax_ppm=20_000))
    bank.open(["buyer", "seller", "other"])
    bank.deposit(["buyer", "seller", "other"], [40 * EUR, 10 * EUR, 60 * EUR])
    bank.fund(500 * EUR)
    bank.set_limit("buyer", fc.credit_limit(most=80 * EUR, income=150 * EUR, share="0.8", score="0.65"))
    orders = book("buyer", "seller", 200_000, 500_000)
    assert bank.reserve(orders).tolist() == [0, 0]
    held = bank.balances.filter(participant="buyer").row(0, named=True)
    assert (held["pending_out"], held["limit"]) == (102 * EUR, 78 * EUR)
    assert bank.available("buyer") == 78 * EUR - 62 * EUR - 2_914_000_000  # E = 62.00, and 4.7 % on a loan of it
    receipts = bank.settle(Deal(orders, 180_000, 500_000))
    after = cents(bank)
    table = {who: str(after[who]) for who in ("buyer", "seller", "treasury", "tax", "other")}
    assert table == {"buyer": "0", "seller": "100", "treasury": "448.2", "tax": "1.8", "other": "60"}
    lent = receipts.frame.filter(kind="net").select("line", "payer", "payee", "asset", "amount").rows()
    assert lent == [
        ("draw", "treasury", "buyer", 0, 51_800_000_000),
        ("draw", "buyer, debt", "loans", 1, 51_800_000_000),
    ]
    bank.advance(20 * DAY)
    bank.withdraw("other", 60 * EUR)
    bank.deposit("buyer", 60 * EUR)  # earned elsewhere
    late = copy.copy(bank)
    bank.advance(datetime.datetime(1970, 1, 31, tzinfo=datetime.UTC))
    assert bank.available("buyer") == 5_765_400_000 + 78 * EUR
    assert {who: str(money) for who, money in cents(bank).items() if who in ("buyer", "treasury")} == {
        "buyer": "5.77",
        "treasury": "502.43",
    }
    assert bank.loans.height == 0
    assert bank.treasury == {
        "money": 502_434_600_000,
        "capital": 500 * EUR,
        "interest": 2_434_600_000,
        "penalty": 0,
        "lent": 0,
        "written_off": 0,
    }
    assert bank.close_cycle()["net"].sum() == 0
    # The late branch: 30.00 of the 60.00 are gone.
    late.withdraw("buyer", 30 * EUR)
    late.advance(30 * DAY)
    assert late.loans["principal"].to_list() == [24_234_600_000]
    assert late.status["buyer"] == "overdue"
    assert late.reserve(book("buyer", "seller", 1, 1)).tolist() == [fc.RejectReason.ACCOUNT_BLOCKED, 0]
    late.advance(40 * DAY)
    row = late.loans.row(0, named=True)
    assert (row["penalty"], row["interest"], row["status"]) == (242_346_000, 379_675_400, "overdue")
    assert (row["drawn_on"], row["due_on"]) == (datetime.date(1970, 1, 1), datetime.date(1970, 1, 31))
    late.write_off("buyer")
    assert (late.status["buyer"], late.loans.height) == ("defaulted", 0)
    assert late.treasury["money"] == 478_200_000_000
    assert late.treasury["written_off"] == 24_234_600_000
    late.close_cycle()


NAMES = ["Ada", "Bo", "Cem", "Dana"]


def loans_of(bank: fc.Settlement) -> list[tuple[Any, ...]]:
    frame = bank.loans.select("participant", "lender", "principal", "interest", "penalty")
    return [(name, lender, int(a), int(b), int(c)) for name, lender, a, b, c in frame.rows()]


def model_loans(model: Model) -> list[tuple[Any, ...]]:
    return [
        (name, loan.lender, loan.principal, loan.owed("interest"), loan.owed("penalty"))
        for name in NAMES
        for loan in model.loans[name]
    ]


class History:
    """One bank and one model, and random steps that both take."""

    def __init__(self, seed: int, steps: int, lends: bool, audit: bool = False) -> None:
        self.random = random = np.random.default_rng(seed)
        rate, per_days, term, penalty = (
            int(random.choice(a)) for a in ([0, 1, 47_000, 10**7], [1, 30], [0, 1, 5], [0, 7_777])
        )
        if not lends:
            rate, per_days, term = 0, 1, 0
        self.model = Model(NAMES, rate, per_days, term, penalty, lends)
        profile = fc.CreditBank(rate, per_days, term, penalty) if lends else fc.PostpaidNetting(penalty)
        self.bank = fc.Settlement(profile=profile, tariff=fc.Tariff(30, 30), audit=audit)
        self.receipts: list[fc.Receipts] = []
        self.bank.open(NAMES)
        self.open: dict[int, tuple[str, str, int, int]] = {}
        self.order = 0
        for _ in range(steps):
            step = random.choice([name for name in dir(self) if name.startswith("step_")])
            getattr(self, step)()
            self.check()

    def name(self) -> str:
        return str(self.random.choice(NAMES))

    def money(self) -> int:
        return int(self.random.choice([0, 1, int(self.random.integers(0, 2_000)), int(self.random.integers(0, 10**6))]))

    def step_deposit(self) -> None:
        name, money = self.name(), self.money()
        self.bank.deposit(name, money)
        self.model.cash[name] += money
        self.model.follow_up([name] if money else [])

    def step_withdraw(self) -> None:
        name, money = self.name(), self.money()
        model = self.model
        own = model.cash[name] - (model.reserved(name) if model.lends else 0)
        if money > min(own, model.available(name)):
            self.refused("withdraw", name, money)
            return
        self.bank.withdraw(name, money)
        model.cash[name] -= money

    def step_limit(self) -> None:
        name, money = self.name(), self.money()
        self.bank.set_limit(name, money)
        self.model.limit[name] = money
        if money:
            self.model.defaulted.discard(name)
        self.model.follow_up([name])

    def step_fund(self) -> None:
        model, money = self.model, self.money() * int(self.random.choice([1, -1]))
        if not model.lends or (money < 0 and -money > model.treasury - model.promised()):
            self.refused("fund", money)
            return
        self.bank.fund(money)
        model.treasury += money
        model.capital += money

    def step_reserve(self) -> None:
        buyer, seller = (str(name) for name in self.random.choice(NAMES, 2, replace=False))
        price, quantity = int(self.random.integers(-5, 60)), int(self.random.integers(1, 100))
        code = int(self.bank.reserve(book(buyer, seller, price, quantity, self.order))[0])
        assert code == self.model.reserve(buyer, self.order, max(price, 0) * quantity)
        if code == 0:
            self.open[self.order] = (buyer, seller, price, quantity)
        self.order += 1

    def step_settle(self) -> None:
        if not self.open:
            return
        order = int(self.random.choice(list(self.open)))
        buyer, seller, limit, quantity = self.open.pop(order)
        price = limit - int(self.random.integers(0, 20))
        traded = int(self.random.integers(0, quantity + 1))
        self.receipts.append(self.bank.settle(Deal(book(buyer, seller, limit, quantity, order), price, traded)))
        model = self.model
        del model.held[buyer][order]
        model.cash[buyer] -= price * traded
        model.cash[seller] += price * traded
        model.follow_up([buyer, seller] if traded else [buyer])

    def step_meter(self) -> None:
        name, energy = self.name(), int(self.random.integers(-50, 50)) * int(self.random.choice([1, 100]))
        self.receipts.append(self.bank.settle([], {"participant": [name], "energy_wh": [energy]}))
        self.model.cash[name] -= 30 * energy
        self.model.follow_up([name])

    def step_advance(self) -> None:
        model = self.model
        model.day += int(self.random.choice([0, 1, 1, 3, 40]))
        self.bank.advance(model.day * DAY + 10**6)
        model.charge()
        model.collect()

    def step_repay(self) -> None:
        name, money = self.name(), self.money()
        owed = sum(loan.total() for loan in self.model.loans[name])
        free = max(self.model.cash[name] - self.model.reserved(name), 0)
        if self.random.random() < 0.5:
            assert self.bank.repay(name) == self.model.pay(name, free, only_due=False) == min(owed, free)
        elif money > min(owed, free):
            self.refused("repay", name, money)
        else:
            assert self.bank.repay(name, money) == self.model.pay(name, money, only_due=False) == money

    def step_write_off(self) -> None:
        if self.random.random() < 0.8:
            return
        name = self.name()
        before = self.model.treasury
        overdue = any(loan.due <= self.model.day for loan in self.model.loans[name])
        if not overdue:
            self.refused("write_off", name)
            return
        self.bank.write_off(name)
        self.model.write_off(name)
        assert self.model.treasury == before, "what could be collected was collected long ago"

    def step_close_cycle(self) -> None:
        model = self.model
        if model.lends:
            assert self.bank.close_cycle()["net"].sum() == 0
            return
        owing = [name for name in NAMES if model.cash[name] < 0]
        failed = [name for name in owing if self.random.random() < 0.3]
        payments = self.bank.net_payments(failed)
        parties = set(payments["payer"]) | set(payments["payee"])
        assert payments.height < max(len(parties), 1)
        assert not parties & set(failed)
        for name in set(NAMES) - set(failed):
            received = sum(payments.filter(payee=name)["amount"]) - sum(payments.filter(payer=name)["amount"])
            assert received == model.cash[name]
        self.bank.close_cycle(failed)
        for name in NAMES:
            if name in failed:
                model.operator += model.cash[name]
                model.loans[name].append(Loan(OPERATOR, -model.cash[name], model.day, 0))
            model.cash[name] = 0

    def refused(self, call: str, *arguments: Any) -> None:
        """The call raises and leaves no trace."""
        before = self.bank.next_seq
        with pytest.raises(fc.SettlementError):
            getattr(self.bank, call)(*arguments)
        assert self.bank.next_seq == before

    def check(self) -> None:
        bank, model = self.bank, self.model
        members = bank.balances.filter(role="member")
        assert [int(money) for money in members["posted"]] == [model.cash[name] for name in NAMES]
        assert [int(money) for money in members["available"]] == [model.available(name) for name in NAMES]
        assert members["status"].to_list() == [model.status(name) for name in NAMES]
        assert loans_of(bank) == model_loans(model)
        treasury = bank.treasury
        assert treasury["money"] == model.treasury
        lent = sum(loan.principal for loans in model.loans.values() for loan in loans if loan.lender == TREASURY)
        assert treasury["lent"] == lent
        earned = treasury["interest"] + treasury["penalty"]
        assert treasury["money"] == treasury["capital"] + earned - lent - treasury["written_off"]  # P-I5
        assert bank.balances["posted"].sum() == 0  # P-I1
        if model.lends:
            house = dict(bank.balances.filter(pl.col("role") != "member").select("role", "posted").rows())
            assert house["treasury"] >= 0  # P-I2


@pytest.mark.parametrize("lends", [True, False])
@pytest.mark.parametrize("seed", range(25))
def test_a_bank_kept_by_hand(seed: int, lends: bool) -> None:
    History(seed, 80, lends)  # its steps assert


@pytest.mark.parametrize("lends", [True, False])
@pytest.mark.parametrize("seed", range(100, 104))
def test_the_audit_follows_loans(seed: int, lends: bool) -> None:
    """Every call is checked as it is made, the whole afterwards, and statements come to the same balances."""
    bank = History(seed, 80, lends, audit=True).bank
    assert "what members owe is what loans and payments come to" in str(bank.audit())
    plain = History(seed, 80, lends)
    receipts = [*plain.receipts, plain.bank.receipts()]
    assert plain.bank.audit(receipts).postings == sum(len(item) for item in receipts)
    history = fc.History(receipts)
    for name, posted in plain.bank.balances.filter(role="member").select("participant", "posted").rows():
        assert history.statement(name).closing == posted


@pytest.mark.parametrize(
    ("line", "field", "change"),
    [
        ("draw", "amount", 1),
        ("interest", "amount", -(10**6)),
        ("interest_paid", "amount", 1),
        ("repaid", "credit", -5),
        ("repaid", "group", 1),
        ("written_off", "amount", -1),
    ],
)
def test_a_lie_about_a_loan_is_found(line: str, field: str, change: int) -> None:
    from fastclear.audit.settlement import Books

    bank = fc.Settlement(profile=fc.CreditBank(interest_ppm=100_000, per_days=1, term_days=1), tariff=fc.Tariff(30, 30))
    bank.open(["Ada", "Bo"], limit=10**6)
    bank.fund(10**6)
    bank.settle([], {"participant": ["Ada", "Bo"], "energy_wh": [100, 200]})
    columns = dict(bank.last_receipts.columns)  # type: ignore[union-attr]
    bank.advance(3 * DAY)
    bank.deposit("Ada", 10**5)
    bank.write_off("Bo")
    more = bank.receipts()
    columns = {name: np.concatenate([columns[name], more.columns[name]]) for name in columns}
    Books().follow(columns)
    code = next(code for kind, code, name in fc._core.LINE_NAMES if (kind, name) == (8, line))
    for row in np.flatnonzero((columns["kind"] == 8) & (columns["code"] == code)):
        lie = {name: column.copy() for name, column in columns.items()}
        lie[field][row] += np.array(change).astype(lie[field].dtype)
        with pytest.raises(fc.AuditError):
            Books().follow(lie)


def test_histories_reach_every_status_and_every_refusal() -> None:
    seen: set[str] = set()
    codes: set[int] = set()

    class Watched(History):
        def check(self) -> None:
            seen.update(self.bank.status.values())

        def step_reserve(self) -> None:
            super().step_reserve()
            codes.add(int(self.bank.reserve(book(self.name(), "Ada", 10**6, 10**6, self.order))[0]))

    for seed in range(6):
        Watched(seed, 150, lends=True)
    assert seen == {"active", "restricted", "overdue", "defaulted"}
    assert codes >= {fc.RejectReason.ACCOUNT_BLOCKED, fc.RejectReason.CREDIT_EXCEEDED}


def test_a_closed_account_stays_closed() -> None:
    bank = fc.Settlement(tariff=fc.Tariff(30, 5))
    bank.open(["Ada", "Bo"])
    bank.deposit("Ada", 5)
    with pytest.raises(fc.SettlementError, match=r"Ada: cannot be closed with 5 nano-currency posted.*withdraw first"):
        bank.close("Ada")
    bank.withdraw("Ada", 5)
    bank.close("Ada")
    assert bank.status == {"Ada": "closed", "Bo": "active"}
    for call in (lambda: bank.deposit("Ada", 1), lambda: bank.close("Ada"), lambda: bank.set_limit("Ada", 1)):
        with pytest.raises(fc.SettlementError, match="closed"):
            call()
    assert bank.reserve(book("Bo", "Ada", 0, 1)).tolist() == [0, fc.RejectReason.ACCOUNT_BLOCKED]
    with pytest.raises(fc.SettlementError, match="closed"):
        bank.settle([], {"participant": ["Ada"], "energy_wh": [1]})


def test_a_ledger_keeps_loans(tmp_path: Any) -> None:
    """Claims are postings like any other: sealed, folded again by the verifier, read back."""
    bank = fc.Settlement(profile=fc.CreditBank(penalty_ppm=0), tariff=fc.Tariff(RETAIL, 0))
    bank.open(["Ada", "Bo"], limit=10 * EUR)
    bank.fund(100 * EUR)
    ledger = fc.Ledger.open(tmp_path / "ledger")
    ledger.seal(None, bank.settle([], {"participant": ["Ada", "Bo"], "energy_wh": [1000, 2000]}))
    bank.advance(45 * DAY)
    bank.deposit("Ada", EUR)
    ledger.seal(None, bank.receipts())
    bank.write_off("Bo")
    ledger.seal(None, bank.receipts())
    assert fc.verify_directory(tmp_path / "ledger").blocks == 3
    assert bank.status == {"Ada": "active", "Bo": "defaulted"}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fc.Settlement(profile="credit", tariff=fc.Tariff(1, 1)), "profile 'credit' is unknown; use 'prepaid'"),
        (lambda: fc.Settlement(profile=3, tariff=fc.Tariff(1, 1)), "profile 3 is unknown"),
        (lambda: fc.CreditBank(interest_ppm=10_000_001), "interest_ppm = 10000001; keep it between 0 and 10000000"),
        (lambda: fc.CreditBank(per_days=0), "per_days = 0; keep it between 1 and 36500"),
        (lambda: fc.CreditBank(term_days=-1), "term_days = -1; keep it"),
        (lambda: fc.PostpaidNetting(penalty_ppm=0.5), "penalty_ppm = 0.5 is no integer"),
        (lambda: fc.Settlement(tariff=fc.Tariff(1, 1)).fund(1), "this bank gives no credit"),
        (lambda: fc.Settlement("postpaid_netting", tariff=fc.Tariff(1, 1)).fund(1), "this bank has no treasury"),
        (
            lambda: fc.Settlement("credit_bank", tariff=fc.Tariff(1, 1)).net_payments(),
            "cycles of this bank are not net",
        ),
        (lambda: fc.Settlement("credit_bank", tariff=fc.Tariff(1, 1)).fund(-1), "cannot take 1 nano-currency out"),
    ],
)
def test_what_makes_no_sense_is_refused(call: Any, message: str) -> None:
    with pytest.raises(fc.SettlementError, match=message):
        call()


# -- prices of loans, limits, scores


def test_the_loan_price_of_the_worked_example() -> None:
    group = fc.Borrower(12, 100)
    price = fc.loan_price(group, funding=0.01, default=0.02, loss=0.6, late=0.05, penalty=0.1)
    assert price.rate == pytest.approx(0.05190, abs=5e-6)
    assert price.interest == pytest.approx(0.04690, abs=5e-6)
    assert price.loans == pytest.approx((131.20,), abs=5e-3)
    assert price.profit == pytest.approx(3.787, abs=5e-4)
    capped = fc.loan_price(fc.Borrower(12, 100, 80), funding=0.01, default=0.02, loss=0.6, late=0.05, penalty=0.1)
    assert capped.rate == pytest.approx(12 / 180)
    assert (capped.interest, capped.profit) == pytest.approx((0.06167, 3.467), abs=5e-4)
    assert fc.Borrower(6, 90).loan(capped.rate) == 0  # one rate for all would shut the small one out


def brute_force(group: list[fc.Borrower], cost: float, default: float) -> float:
    rates = np.geomspace(cost * 1.0001, max(b.alpha / b.kappa for b in group) * 1.01 + cost, 200_001)
    profit = np.zeros_like(rates)
    for borrower in group:
        profit += np.clip(borrower.alpha / rates - borrower.kappa, 0, borrower.loan_max)
    return float(((1 - default) * (rates - cost) * profit).max())


@pytest.mark.parametrize("seed", range(40))
def test_no_rate_on_a_fine_grid_earns_more(seed: int) -> None:
    random = np.random.default_rng(seed)
    group = [
        fc.Borrower(float(random.uniform(1, 20)), float(random.uniform(5, 200)), float(random.choice([10, 50, np.inf])))
        for _ in range(random.integers(1, 6))
    ]
    funding, default, loss = random.uniform(0.001, 0.2), random.uniform(0, 0.3), random.uniform(0, 1)
    price = fc.loan_price(group, funding=funding, default=default, loss=loss)
    best = brute_force(group, (funding + default * loss) / (1 - default), default)
    assert price.profit >= best - 1e-9
    assert price.profit <= best * (1 + 1e-5) + 1e-9, "and a grid as fine as this comes close"
    assert price.loans == tuple(b.loan(price.rate) for b in group)


def test_loan_price_refuses_what_it_cannot_price() -> None:
    for arguments, message in [
        ({"borrowers": [], "funding": 0.1}, "no borrowers"),
        ({"borrowers": fc.Borrower(1, 1), "funding": 0.0}, "costs nothing"),
        ({"borrowers": fc.Borrower(1, 1), "funding": -0.1}, "funding = -0.1"),
        ({"borrowers": fc.Borrower(1, 1), "funding": 0.1, "default": 1.0}, "default = 1.0"),
        ({"borrowers": fc.Borrower(1, 1), "funding": float("nan")}, "funding = nan"),
    ]:
        with pytest.raises(fc.SettlementError, match=message):
            fc.loan_price(**arguments)
    with pytest.raises(fc.SettlementError, match="kappa = 0"):
        fc.Borrower(1, 0)
    free = fc.loan_price(fc.Borrower(12, 100, 80), funding=0.0)
    assert free.loans == pytest.approx((80,))


def test_limits_and_scores() -> None:
    assert fc.credit_limit(most=80, income=150, share="0.8", score="0.65") == 78
    assert fc.credit_limit(most=80, income=150, treasury=100, treasury_share="1/3") == 33
    assert fc.credit_limit(most=80, income=-150) == 0
    # platforms.md 4.ii: seller 1 delivers 6 of 10, seller 2 all of it, and the order of the two turns.
    assert fc.credit_score("0.80", metered_wh=6, contract_wh=10) == Fraction("0.64")
    assert fc.credit_score("0.60", metered_wh=10, contract_wh=10) == Fraction("0.62")
    assert fc.credit_score(1, metered_wh=30, contract_wh=10) == Fraction(1, 2)
    for bad in (1.5, "2", "x", -1, True):
        with pytest.raises(fc.SettlementError, match="score"):
            fc.credit_score(bad, metered_wh=1, contract_wh=1)
    with pytest.raises(fc.SettlementError, match="contract above 0"):
        fc.credit_score(1, metered_wh=1, contract_wh=0)
