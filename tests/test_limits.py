"""Limits that a credit bank sets by itself: the worked figure, a book kept by hand, periods, what bound them."""

from __future__ import annotations

import copy
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import fastclear as fc
from fastclear.limits import slot_of

EUR = 10**9
DAY = 86_400 * EUR
NAMES = ["Ada", "Bo", "Cem"]
FEED_IN, RETAIL = 2, 9


def bank_of(audit: bool = True, fund: int = 10**6, **policy: Any) -> fc.Settlement:
    terms = fc.CreditBank(limits=fc.LimitPolicy(**{"most": 10**9} | policy))
    bank = fc.Settlement(profile=terms, tariff=fc.Tariff(RETAIL, FEED_IN), audit=audit)
    bank.open(NAMES)
    bank.fund(fund)
    return bank


def sale(seller: str, buyer: str, wh: int, price: int, order: int = 0) -> Any:
    orders = {"side": ["buy", "sell"], "participant": [buyer, seller], "price": [price] * 2, "quantity": [wh] * 2}
    return fc.clear(orders | {"order": [2 * order, 2 * order + 1]}, fc.Uniform())


def shown(bank: fc.Settlement, *columns: str) -> list[tuple[Any, ...]]:
    rows = bank.limits.frame.select(columns).rows()
    return [tuple(cell if cell is None or isinstance(cell, str | date) else int(cell) for cell in row) for row in rows]


def test_the_worked_limit() -> None:
    """platforms.md 4.i: L = min(80, 0.8 x 150 x 0.65) = 78."""
    policy = fc.LimitPolicy(most=80 * EUR, share="0.8", score="0.65", window_days=31)
    bank = fc.Settlement(profile=fc.CreditBank(limits=policy), tariff=fc.Tariff(0, 0), audit=True)
    bank.open(["buyer", "seller"])
    bank.deposit("seller", 200 * EUR)
    bank.fund(500 * EUR)
    bank.settle(sale("buyer", "seller", 1_000_000, 150_000))
    bank.advance(datetime(1970, 2, 1, tzinfo=UTC))
    assert shown(bank, "limit", "income", "bound", "since") == [
        (78 * EUR, 150 * EUR, "income", date(1970, 2, 1)),
        (0, 0, "income", date(1970, 2, 1)),
    ]


def test_each_term_binds_and_the_frame_says_which() -> None:
    bank = bank_of(most=500, treasury_share="0.001", period="day", window_days=2)
    assert shown(bank, "limit", "income", "bound", "since") == [(0, None, "by hand", None)] * 3
    bank.deposit(NAMES, 10_000)
    bank.settle([sale("Ada", "Bo", 30, 10), sale("Bo", "Cem", 100, 10)])
    bank.advance(DAY)
    assert shown(bank, "limit", "bound") == [(300, "income"), (500, "most"), (0, "income")]
    bank.fund(-600_000)
    bank.advance(2 * DAY)
    assert shown(bank, "limit", "bound", "treasury") == [
        (300, "income", 400),
        (400, "treasury", 400),
        (0, "income", 400),
    ]
    bank.set_limit("Cem", 77)
    assert shown(bank, "limit", "bound")[2] == (77, "by hand")
    bank.advance(3 * DAY)
    assert shown(bank, "limit", "income") == [(0, 0)] * 3, "what is older than the window is forgotten"


def test_a_limit_may_fall_below_what_is_owed() -> None:
    bank = bank_of(period="day", window_days=1)
    bank.deposit("Bo", 1000)
    bank.settle(sale("Ada", "Bo", 100, 5))
    bank.withdraw("Ada", 500)
    bank.advance(DAY)
    assert bank.available("Ada") == 500
    bank.settle([], {"participant": ["Ada"], "energy_wh": [40]})
    bank.advance(2 * DAY)
    assert (bank.status["Ada"], bank.available("Ada") < -360) == ("restricted", True)
    assert [int(owed) for owed in bank.loans["principal"]] == [360], "nothing is forced"


def test_scores_follow_deliveries() -> None:
    """Delivered is what was generated and bought, at most what was sold; others deliver nothing."""
    bank = bank_of(score="0.8", period="day")
    bank.deposit(NAMES, 10_000)
    metered = {"participant": ["Ada", "Bo"], "energy_wh": [-6, 10]}
    bank.settle([sale("Ada", "Bo", 10, 5), sale("Cem", "Bo", 10, 5)], metered)
    assert shown(bank, "score_ppm") == [(640_000,), (800_000,), (800_000,)]
    bank.settle(sale("Ada", "Bo", 10, 5), {"participant": ["Ada"], "energy_wh": [-25]})
    assert shown(bank, "score_ppm")[0] == (658_000,), "more than was sold is no fault"
    bank.settle([sale("Ada", "Bo", 10, 5), sale("Bo", "Cem", 8, 5)], {"participant": ["Bo"], "energy_wh": [2]})
    assert shown(bank, "score_ppm")[1] == (810_000,), "it passed on what it had bought"


def test_income_counts_what_was_paid_for_energy() -> None:
    bank = fc.Settlement(
        tariff=fc.Tariff(RETAIL, FEED_IN, tax_ppm=200_000), imbalance=fc.ShortfallAllocation("buyer_pays_retail")
    )
    bank.open(NAMES)
    bank.deposit(NAMES, 10_000)
    meter = {"participant": NAMES, "energy_wh": [-6, 10, -4]}
    slot = slot_of(bank.settle([sale("Ada", "Bo", 10, 5)], meter).columns)
    ada, _, cem = (bank.account(name) for name in NAMES)
    assert slot.income == {ada: 50 - 4 * 5, cem: 4 * FEED_IN}
    assert (slot.sold, slot.delivered) == ({ada: 10}, {ada: 6})
    paid = fc.Settlement(tariff=fc.Tariff(RETAIL, -3))
    paid.open(NAMES)
    slot = slot_of(paid.settle([], {"participant": ["Ada"], "energy_wh": [-4]}).columns)
    assert slot.income == {ada: -12}, "at a negative price generating costs"


def test_a_source_of_income_of_ones_own() -> None:
    asked: list[tuple[Any, ...]] = []

    def confirmed(bank: fc.Settlement, participant: Any, first: date, until: date) -> int:
        asked.append((participant, first, until, bank.next_seq > 0))
        return {"Ada": 70, "Bo": -5}.get(participant, 0)

    bank = bank_of(income=confirmed, period="month", window_days=14)
    bank.advance(datetime(2026, 3, 15, tzinfo=UTC))
    assert asked[0] == ("Ada", date(2026, 2, 15), date(2026, 3, 1), True)
    assert shown(bank, "limit", "income") == [(70, 70), (0, 0), (0, 0)]
    wrong = bank_of(income=lambda *_: 1.5, period="day")
    before = wrong.next_seq
    with pytest.raises(fc.SettlementError, match=r"income of participant 'Ada' = 1\.5 is no integer"):
        wrong.advance(DAY)
    assert (wrong.next_seq, wrong._bank.today()) == (before, 0)


def test_cycles_as_periods() -> None:
    bank = bank_of(period="cycle", window_days=2)
    bank.deposit("Bo", 1000)
    bank.settle(sale("Ada", "Bo", 10, 5))
    bank.advance(DAY)
    assert shown(bank, "limit") == [(0,)] * 3
    bank.close_cycle()
    assert shown(bank, "limit", "since")[0] == (50, date(1970, 1, 3))
    bank.advance(2 * DAY)
    bank.close_cycle()
    assert shown(bank, "limit")[0] == (0,)


def test_who_was_written_off_or_closed_gets_no_limit() -> None:
    bank = bank_of(period="day", window_days=30, fund=10**4)
    bank.deposit("Bo", 1000)
    bank.settle(sale("Ada", "Bo", 10, 5))
    bank.advance(DAY)
    bank.settle([], {"participant": ["Ada"], "energy_wh": [30]})
    bank.close("Cem")
    bank.advance(33 * DAY)
    assert bank.status["Ada"] == "overdue"
    bank.write_off("Ada")
    bank.settle([], {"participant": ["Ada"], "energy_wh": [-100]})
    bank.advance(34 * DAY)
    assert (bank.status["Ada"], bank.status["Cem"]) == ("defaulted", "closed")
    assert int(bank.balances.filter(participant="Ada")["limit"][0]) == 0


class Book:
    """Limits worked out by hand."""

    def __init__(self, policy: fc.LimitPolicy) -> None:
        self.policy = policy
        self.income: list[tuple[str, int, int]] = []
        self.score = dict.fromkeys(NAMES, Fraction(str(policy.score)))
        self.limit = dict.fromkeys(NAMES, 0)

    def slot(self, day: int, sales: list[tuple[str, str, int, int]], metered: dict[str, int]) -> None:
        sold, bought = dict.fromkeys(NAMES, 0), dict.fromkeys(NAMES, 0)
        for seller, buyer, wh, price in sales:
            self.income.append((seller, day, wh * price))
            sold[seller] += wh
            bought[buyer] += wh
        for name, energy in metered.items():
            left_over = -(energy - bought[name] + sold[name])  # beyond the contract
            fed_in = min(max(left_over, 0), max(-energy, 0))
            self.income.append((name, day, fed_in * FEED_IN))
            if sold[name]:
                delivered = min(max(bought[name] - energy, 0), sold[name])
                score, kept = self.score[name], Fraction(delivered, sold[name])
                if kept >= Fraction(str(self.policy.threshold)):
                    score += Fraction(str(self.policy.gain)) * (1 - score) * kept
                else:
                    score -= Fraction(str(self.policy.loss)) * score * (1 - kept)
                self.score[name] = Fraction(int(score * 10**9), 10**9)

    def period(self, since: int, treasury: int) -> None:
        policy = self.policy
        for name in NAMES:
            window = range(since - policy.window_days, since)
            income = sum(money for who, day, money in self.income if who == name and day in window)
            self.limit[name] = fc.credit_limit(
                most=policy.most,
                income=income,
                share=policy.share,
                score=self.score[name],
                treasury=treasury,
                treasury_share=policy.treasury_share,
            )


def first_of_month(day: int) -> int:
    return int(np.datetime64(day, "D").astype("datetime64[M]").astype("datetime64[D]").astype(int))


def play(seed: int, steps: int, audit: bool = False) -> set[str]:
    random = np.random.default_rng(seed)
    policy = {
        "most": int(random.choice([0, 300, 10**6, 10**6])),
        "share": str(random.choice(["0.3", "1"])),
        "window_days": int(random.choice([1, 7, 40])),
        "treasury_share": str(random.choice(["0.00002", "0.00002", "1"])),
        "period": str(random.choice(["day", "month", "cycle"])),
        "score": str(random.choice(["0.5", "1", "1", "0"])),
        "gain": str(random.choice(["0.05", "0.3"])),
    }
    bank, book, day, seen = bank_of(audit, **policy), Book(fc.LimitPolicy(**policy)), 0, set()
    kept: list[fc.Receipts] = []
    bank.deposit(NAMES, 10**5)
    for step in range(steps):
        match str(
            random.choice(["slot", "advance", "cycle", "hand", "fund", "copy"], p=[0.5, 0.28, 0.08, 0.05, 0.05, 0.04])
        ):
            case "slot":
                sales = []
                for number in range(int(random.integers(0, 3))):
                    seller, buyer = (str(name) for name in random.choice(NAMES, 2, replace=False))
                    sales.append(
                        (seller, buyer, int(random.integers(1, 20)), int(random.integers(0, 9)), 3 * step + number)
                    )
                metered = {name: int(random.integers(-25, 25)) for name in NAMES if random.random() < 0.7}
                clearings = [sale(*each) for each in sales]
                kept.append(bank.settle(clearings, {"participant": list(metered), "energy_wh": list(metered.values())}))
                book.slot(day, [each[:4] for each in sales], metered)
            case "advance":
                later = day + int(random.choice([0, 1, 1, 5, 40]))
                bank.advance(later * DAY + bank.next_seq)
                if policy["period"] == "day" and later != day:
                    book.period(later, bank.treasury["money"])
                if policy["period"] == "month" and first_of_month(later) != first_of_month(day):
                    book.period(first_of_month(later), bank.treasury["money"])
                day = later
            case "cycle":
                bank.close_cycle()
                if policy["period"] == "cycle":
                    book.period(day + 1, bank.treasury["money"])
            case "hand":
                name = str(random.choice(NAMES))
                book.limit[name] = int(random.integers(0, 500))
                bank.set_limit(name, book.limit[name])
            case "fund":
                bank.fund(1000)
            case "copy":
                twin = copy.copy(bank)
                twin.settle(sale("Ada", "Bo", 10, 10, 10**6), {"participant": ["Ada"], "energy_wh": [0]})
                twin.advance((day + 70) * DAY)
                twin.close_cycle()
        rows = shown(bank, "limit", "score_ppm", "bound", "most", "earned", "treasury")
        for name, (limit, score, bound, most, earned, treasury) in zip(NAMES, rows, strict=True):
            assert limit == book.limit[name]
            assert score == int(book.score[name] * 10**6)
            if bound != "by hand":
                assert (
                    limit
                    == {"most": most, "income": earned, "treasury": treasury}[bound]
                    == min(most, earned, treasury)
                )
            seen.add(bound)
    bank.audit([*kept, bank.receipts()])
    return seen


@pytest.mark.parametrize("seed", range(50))
def test_a_book_kept_by_hand(seed: int) -> None:
    play(seed, 200)


@pytest.mark.parametrize("seed", range(100, 103))
def test_the_audit_follows_limits(seed: int) -> None:
    play(seed, 60, audit=True)


def test_histories_reach_every_bound() -> None:
    assert set().union(*(play(seed, 80) for seed in range(200, 220))) == {"most", "income", "treasury", "by hand"}


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"most": -1}, "most = -1"),
        ({"most": 1.5}, "most = 1.5 is no integer"),
        ({"most": 1, "share": 0.5}, "share = 0.5 is a float"),
        ({"most": 1, "score": 2}, "score = 2; keep it between 0 and 1"),
        ({"most": 1, "window_days": 0}, "window_days = 0"),
        ({"most": 1, "period": "year"}, "period = 'year'; use 'month', 'day' or 'cycle'"),
        ({"most": 1, "income": 5}, "income = 5 cannot be called"),
    ],
)
def test_policies_that_cannot_be(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(fc.SettlementError, match=says):
        fc.LimitPolicy(**fields)


def test_limits_set_by_hand_have_no_frame() -> None:
    bank = fc.Settlement(profile="credit_bank", tariff=fc.Tariff(1, 1))
    with pytest.raises(fc.SettlementError, match="limits: those of this bank are set by hand"):
        _ = bank.limits
    with pytest.raises(fc.SettlementError, match=r"limits is a int; give a fc\.LimitPolicy"):
        fc.CreditBank(limits=5)  # type: ignore[arg-type]
