"""Retail prepayment: the worked ledger, other suppliers as data, a book kept by hand, clocks and windows."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest

import fastclear as fc
from fastclear.audit.settlement import Books

EUR = 10**9
HOUR = 3_600 * EUR
DAY = 24 * HOUR


def ns(moment: datetime) -> int:
    return int((moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(seconds=1)) * EUR


def bank_of(audit: bool = True, **policy: object) -> fc.Settlement:
    bank = fc.Settlement(profile=fc.Prepayment(**policy), tariff=fc.Tariff(1, 1), audit=audit)
    bank.open(["Ada"])
    bank.advance(0)
    return bank


def use(bank: fc.Settlement, name: str, nano: int) -> fc.Receipts:
    """The member consumes energy for so much, at a tick a Wh; below 0 it generates."""
    return bank.settle([], {"participant": [name], "energy_wh": [nano]})


def stands(bank: fc.Settlement, row: int = 0) -> tuple[Any, ...]:
    found = bank.supply.frame.select("credit", "emergency_used", "put_off", "supply").row(row)
    return (*(f"{money / EUR:.2f}" for money in found[:3]), found[3])


def test_the_worked_ledger() -> None:
    """platforms.md 4.vi-d: credit 1.20, use 3.00, standing 0.50, top-up 10.00."""
    bank = bank_of(emergency="6.00", offered_at="0.50", standing_per_day="0.50")
    bank.deposit("Ada", 1_200_000_000)
    assert stands(bank) == ("1.20", "0.00", "0.00", "on")
    use(bank, "Ada", 3 * EUR)
    bank.advance(DAY)
    assert stands(bank) == ("0.00", "1.80", "0.50", "emergency")
    kept = bank.receipts()
    bank.deposit("Ada", 10 * EUR)
    assert stands(bank) == ("7.70", "0.00", "0.00", "on")
    lines = bank.receipts().frame.select("kind", "line", "payer", "payee", "asset", "amount").rows()
    assert lines == [
        ("deposit", None, "boundary", "Ada", 0, 10 * EUR),
        ("fee", "subscription", "Ada", "platform", 0, EUR // 2),
        ("net", "recovered", "arrears", "Ada, owed charges", 3, EUR // 2),
    ]
    assert kept.frame.filter(line="put_off").select("payer", "payee", "amount").rows() == [
        ("Ada, owed charges", "arrears", EUR // 2)
    ]
    bank.audit()


def test_standing_charges_are_taken_from_credit_as_far_as_there_is_any() -> None:
    bank = bank_of(emergency="6.00", standing_per_day="0.50")
    bank.deposit("Ada", 1_200_000_000)
    bank.advance(2 * DAY)
    assert stands(bank) == ("0.20", "0.00", "0.00", "on")
    bank.advance(3 * DAY + HOUR)
    assert stands(bank) == ("0.00", "0.00", "0.30", "emergency")
    assert bank.receipts().by_participant()["subscription"].to_list() == [1_200_000_000]
    other = bank_of(emergency="6.00", standing_per_day="0.50", standing_in_emergency="taken")
    other.deposit("Ada", 1_200_000_000)
    other.advance(3 * DAY + HOUR)
    assert stands(other) == ("0.00", "0.30", "0.00", "emergency")


def test_recovery_is_capped() -> None:
    for cap, left in (
        ({"recovery_cap_percent": 20}, "2.00"),
        ({"recovery_cap": "1.50"}, "2.50"),
        ({"recovery_cap": "1.50", "recovery_cap_percent": 10}, "3.00"),
    ):
        bank = bank_of(**cap)
        bank.put_off("Ada", 4 * EUR)
        bank.deposit("Ada", 10 * EUR)
        assert stands(bank)[2] == left
    bank.deposit(["Ada", "Ada"], [5 * EUR, 20 * EUR])  # each top-up by its own cap
    assert stands(bank)[2] == "1.00"
    assert int(bank.balances.filter(role="platform")["posted"][0]) == 3 * EUR


def test_two_top_ups_of_one_call_recover_no_more_than_waits_and_is_there() -> None:
    bank = bank_of()
    bank.put_off("Ada", 4 * EUR)
    use(bank, "Ada", 2 * EUR)
    bank.deposit(["Ada", "Ada"], [3 * EUR, 2 * EUR])
    assert stands(bank) == ("0.00", "0.00", "1.00", "off")
    bank.deposit(["Ada", "Ada"], [3 * EUR, 2 * EUR])
    assert stands(bank) == ("4.00", "0.00", "0.00", "on")


def test_instalments_are_taken_while_there_is_credit() -> None:
    bank = bank_of(instalment_per_day="0.40", recovery_cap_percent=0, emergency=5)
    bank.put_off("Ada", EUR)
    bank.deposit("Ada", 500_000_000)
    bank.advance(3 * DAY)
    assert stands(bank) == ("0.00", "0.00", "0.50", "emergency")
    bank.deposit("Ada", 10 * EUR)
    bank.advance(9 * DAY)
    assert stands(bank) == ("9.50", "0.00", "0.00", "on")


EVENINGS = {"evening": {"hours": ["18:00-09:00"]}, "weekend": {"days": ["weekend", "holiday"]}}


def test_nobody_is_cut_off_in_the_evening_at_a_weekend_or_on_a_holiday() -> None:
    bank = bank_of(time_zone="Europe/London", protected=EVENINGS, holidays=["2026-12-25"], emergency=1)
    zone = ZoneInfo("Europe/London")
    supply = {}
    for day in (23, 24, 25, 26, 28):
        for hour in (8, 9, 17, 18):
            moment = datetime(2026, 12, day, hour, tzinfo=zone)
            bank.advance(moment)
            if not supply:
                use(bank, "Ada", EUR)
            supply[day, hour] = stands(bank)[3]
    workdays = {
        (day, hour): "off" if hour in (9, 17) else "protected" for day in (23, 24, 28) for hour in (8, 9, 17, 18)
    }
    assert supply == workdays | {(day, hour): "protected" for day in (25, 26) for hour in (8, 9, 17, 18)}


def test_some_suppliers_protect_only_who_had_credit_when_the_window_began() -> None:
    policy = {"protected": {"evening": {"hours": ["18:00-24:00"]}}, "requires_credit_before_window": True}
    for credit, supply in ((1, "protected"), (0, "off")):
        for stop in (17, 18, 19):
            bank = bank_of(**policy)
            bank.deposit("Ada", credit)
            bank.advance(stop * HOUR)
            use(bank, "Ada", 5)
            bank.advance(20 * HOUR)
            # at 17 the credit is gone before the window begins
            assert stands(bank)[3] == ("off" if stop == 17 else supply)
            bank.advance(25 * HOUR)
            assert stands(bank)[3] == "off"
            bank.advance(42 * HOUR)
            assert stands(bank)[3] == "off"


def test_the_day_that_begins_with_a_window_is_paid_first() -> None:
    policy = {"protected": {"night": {"hours": ["00:00-06:00"]}}, "requires_credit_before_window": True}
    for credit, supply in ((10, "off"), (11, "protected")):
        bank = bank_of(standing_per_day="0.00000001", **policy)
        bank.deposit("Ada", credit)
        bank.advance(DAY)
        use(bank, "Ada", 1)
        assert stands(bank)[3] == supply


def test_emergency_credit_is_offered_again_when_it_is_paid_back() -> None:
    bank = bank_of(emergency=6, offered_at="0.50")
    bank.deposit("Ada", 400_000_000)
    assert bank.supply.frame["offered"].to_list() == [True]
    use(bank, "Ada", 7 * EUR)
    assert stands(bank) == ("0.00", "6.00", "0.00", "off")
    assert bank.supply.frame["beyond"].to_list() == [600_000_000]
    bank.deposit("Ada", 6 * EUR)
    assert stands(bank) == ("0.00", "0.60", "0.00", "off")
    bank.deposit("Ada", 600_000_001)
    assert stands(bank)[3] == "on"
    use(bank, "Ada", 2)
    assert stands(bank)[3] == "emergency"


def test_where_it_does_not_begin_by_itself_it_is_asked_for() -> None:
    bank = bank_of(emergency=6, offered_at="0.50", automatic=False)
    bank.deposit("Ada", EUR)
    with pytest.raises(fc.SettlementError, match="not offered to participant 'Ada'"):
        bank.use_emergency("Ada")
    use(bank, "Ada", EUR)
    assert stands(bank)[3] == "off"
    bank.use_emergency("Ada")
    use(bank, "Ada", EUR)
    assert stands(bank) == ("0.00", "1.00", "0.00", "emergency")
    with pytest.raises(fc.SettlementError, match="not offered"):
        bank.use_emergency("Ada")
    bank.deposit("Ada", 2 * EUR)
    use(bank, "Ada", 2 * EUR)
    assert stands(bank)[3] == "off", "it was paid back; it has to be asked for anew"


def test_a_policy_is_a_file(tmp_path: Any) -> None:
    text = """
emergency = "6.00"
offered_at = "0.50"
standing_per_day = "0.53"
recovery_cap_percent = "25"
time_zone = "Europe/London"
holidays = ["2026-12-25"]
requires_credit_before_window = true

[protected]
evening = { hours = ["18:00-09:00"] }
"""
    policy = fc.Prepayment.from_toml(text)
    path = tmp_path / "supplier.toml"
    path.write_text(policy.to_toml())
    same = fc.Prepayment.load(path)
    assert same == policy == pickle.loads(pickle.dumps(policy))
    assert hash(same) == hash(policy)
    assert policy != fc.Prepayment()
    assert repr(fc.Prepayment(emergency=6)) == "Prepayment(emergency='6')"
    assert fc.Settlement(profile="prepayment", tariff=fc.Tariff(1, 1)).profile == "prepayment"


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"emergency": 6.0}, "emergency"),
        ({"emergency": "-1"}, "emergency: -1 is no amount of currency of 0 or more"),
        ({"emergancy": 1}, "unknown key emergancy; did you mean emergency?"),
        ({"time_zone": "Mars"}, "time_zone 'Mars' is not known here"),
        ({"protected": {"evening": {"hours": ["18-9"]}}}, "protected.evening.hours.0"),
        ({"protected": {"evening": {"hour": 1}}}, "unknown key protected.evening.hour; did you mean hours?"),
        ({"recovery_cap_percent": 101}, "recovery_cap_percent: 101 per cent"),
        ({"standing_in_emergency": "never"}, "standing_in_emergency must be 'put_off' or 'taken'"),
        ({"holidays": ["soon"]}, "holidays.0: write a date"),
    ],
)
def test_policies_that_cannot_be(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(fc.SettlementError, match=says.replace("?", r"\?")):
        fc.Prepayment(**fields)


def test_files_that_cannot_be_read(tmp_path: Any) -> None:
    with pytest.raises(fc.SettlementError, match="cannot be read"):
        fc.Prepayment.load(tmp_path / "none.toml")
    with pytest.raises(fc.SettlementError, match="is no TOML"):
        fc.Prepayment.from_toml("emergency =")


def test_the_years_before_a_bank_is_used_cost_nothing() -> None:
    bank = fc.Settlement(profile=fc.Prepayment(standing_per_day=1), tariff=fc.Tariff(1, 1), audit=True)
    bank.open("Ada")
    bank.advance(datetime(2026, 3, 28, 12, tzinfo=UTC))
    assert stands(bank)[2] == "0.00"
    bank.advance(datetime(2026, 3, 31, 12, tzinfo=UTC))
    assert stands(bank)[2] == "3.00"


@pytest.mark.parametrize(
    "zone", ["Europe/Amsterdam", "Australia/Lord_Howe", "Asia/Kathmandu", "America/St_Johns", "Pacific/Apia"]
)
def test_each_local_day_costs_once_wherever_the_clock_stops(zone: str) -> None:
    """Clocks that are set back over midnight (St. John's), a date that never was (30 December 2011 in Samoa)."""
    first = datetime(2010, 12, 1, 12, tzinfo=UTC)
    days = 400
    local = ZoneInfo(zone)
    seen = {(first + timedelta(minutes=15 * i)).astimezone(local).date() for i in range(96 * days + 1)}
    for hours in (5, 24, 24 * days):
        bank = fc.Settlement(profile=fc.Prepayment(standing_per_day=1, time_zone=zone), tariff=fc.Tariff(1, 1))
        bank.open("Ada")
        for hour in range(0, 24 * days, hours):
            bank.advance(ns(first) + hour * HOUR)
        bank.advance(ns(first) + 24 * days * HOUR)
        assert int(bank.supply.frame["put_off"][0]) == (len(seen) - 1) * EUR


# -- a book kept by hand

NAMES = ["Ada", "Bo", "Cem"]
ZONE = ZoneInfo("Europe/London")
HOLIDAY = date(2026, 3, 31)
QUARTER = 900 * EUR


def is_protected(time: int) -> bool:
    local = datetime.fromtimestamp(time // EUR, ZONE)
    weekend = local.weekday() >= 5 or local.date() == HOLIDAY
    return weekend or local.hour >= 18 or local.hour < 9


class Book:
    """A prepayment bank kept by hand: a clock that goes a quarter of an hour at a time."""

    def __init__(self, rules: dict[str, Any], clock: int) -> None:
        self.rules = rules
        self.clock = clock
        self.day = datetime.fromtimestamp(clock // EUR, ZONE).date()
        self.cash, self.waits = dict.fromkeys(NAMES, 0), dict.fromkeys(NAMES, 0)
        self.begun, self.spent = dict.fromkeys(NAMES, False), dict.fromkeys(NAMES, False)
        self.shielded = dict.fromkeys(NAMES, False)
        self.put_off = self.recovered = self.platform = 0
        self.note()

    def note(self) -> None:
        for name, cash in self.cash.items():
            if -cash >= self.rules["emergency"]:
                self.spent[name] = True
            if cash > 0:
                self.spent[name] = False
            if cash > self.rules["offered_at"]:
                self.begun[name] = False

    def recover(self, name: str, amount: int) -> None:
        assert amount <= self.waits[name]
        self.cash[name] -= amount
        self.waits[name] -= amount
        self.platform += amount
        self.recovered += amount

    def wait(self, name: str, amount: int) -> None:
        self.waits[name] += amount
        self.put_off += amount

    def top_up(self, name: str, amount: int) -> None:
        self.cash[name] += amount
        cap = min(amount * self.rules["recovery_cap_percent"] // 100, self.rules["recovery_cap"])
        self.recover(name, max(min(cap, self.waits[name], self.cash[name]), 0))
        self.note()

    def use(self, name: str, amount: int) -> None:
        self.cash[name] -= amount
        self.note()

    def advance(self, until: int) -> None:
        before = is_protected(self.clock)
        time = (self.clock // QUARTER + 1) * QUARTER
        while time <= until:
            day, now = datetime.fromtimestamp(time // EUR, ZONE).date(), is_protected(time)
            if day > self.day:
                self.day = day
                self.begin_day()
            if now and not before:
                self.shielded = {name: cash > 0 for name, cash in self.cash.items()}
            before = now
            time += QUARTER
        self.clock = until

    def begin_day(self) -> None:
        standing, instalment = self.rules["standing_per_day"], self.rules["instalment_per_day"]
        for name in NAMES:
            waited = self.waits[name]
            free = max(self.cash[name], 0)
            taken = standing if self.rules["standing_in_emergency"] == "taken" else min(standing, free)
            self.cash[name] -= taken
            self.platform += taken
            self.wait(name, standing - taken)
            self.recover(name, max(min(instalment, waited, free - taken), 0))
        self.note()

    def offered(self, name: str) -> bool:
        cash, begun = self.cash[name], self.begun[name]
        if self.spent[name] or cash > self.rules["offered_at"] or begun:
            return False
        return cash > 0 or not self.rules["automatic"]

    def supply(self, name: str) -> str:
        if self.cash[name] > 0:
            return "on"
        if (self.rules["automatic"] or self.begun[name]) and not self.spent[name]:
            return "emergency"
        shielded = self.shielded[name] or not self.rules["requires_credit_before_window"]
        return "protected" if shielded and is_protected(self.clock) else "off"


def text(nano: int) -> str:
    return f"{nano // EUR}.{nano % EUR:09d}"


class Run:
    """One bank and one book, and random steps that both take, over days on which clocks change."""

    def __init__(self, seed: int, steps: int, audit: bool = False) -> None:
        self.random = random = np.random.default_rng(seed)

        def one(*values: Any) -> Any:
            return values[int(random.integers(len(values)))]

        rules = {
            "emergency": one(0, 1, 60),
            "offered_at": one(0, 5, 30),
            "automatic": one(True, False),
            "standing_per_day": one(0, 7),
            "standing_in_emergency": one("put_off", "taken"),
            "instalment_per_day": one(0, 3),
            "recovery_cap_percent": one(0, 20, 100),
            "recovery_cap": one(4, 10**9),
            "requires_credit_before_window": one(True, False),
        }
        money = {"emergency", "offered_at", "standing_per_day", "instalment_per_day", "recovery_cap"}
        fields = {name: text(value) if name in money else value for name, value in rules.items()}
        windows = {"time_zone": "Europe/London", "protected": EVENINGS, "holidays": [str(HOLIDAY)]}
        self.bank = fc.Settlement(profile=fc.Prepayment(**fields, **windows), tariff=fc.Tariff(1, 1), audit=audit)
        self.bank.open(NAMES)
        start = ns(datetime(2026, 3, 27, int(random.integers(24)), tzinfo=UTC))
        self.bank.advance(start)
        self.book = Book(rules, start)
        self.seen: set[str] = set()
        self.kept: list[fc.Receipts] = []
        for _ in range(steps):
            self.step()
            self.check()
        self.bank.audit([*self.kept, self.bank.receipts()])

    def step(self) -> None:
        random, bank, book = self.random, self.bank, self.book
        name = str(random.choice(NAMES))
        money = int(random.choice([0, 1, random.integers(0, 12), random.integers(0, 90)]))
        match str(
            random.choice(
                ["top_up", "use", "advance", "put_off", "begin", "copy", "refuse"],
                p=[0.2, 0.3, 0.3, 0.08, 0.06, 0.03, 0.03],
            )
        ):
            case "top_up":
                bank.deposit(name, money)
                book.top_up(name, money)
            case "use":
                money *= int(random.choice([1, 1, 1, -1]))
                self.kept.append(use(bank, name, money))
                book.use(name, money)
            case "advance":
                until = book.clock + int(random.choice([0, 1, QUARTER, 3 * HOUR, 11 * HOUR, DAY, 3 * DAY]))
                bank.advance(max(until, book.clock))
                book.advance(until)
            case "put_off" if money:
                bank.put_off(name, money)
                book.wait(name, money)
            case "begin":
                if book.offered(name):
                    bank.use_emergency(name)
                    book.begun[name] = True
                    self.seen.add("begun")
                else:
                    with pytest.raises(fc.SettlementError):
                        bank.use_emergency(name)
            case "copy":
                twin = copy.copy(bank)
                use(twin, name, 10**6)
                twin.advance(book.clock + 2 * DAY)
                twin.deposit(name, 10**7)
            case "refuse":
                before = bank.next_seq
                with pytest.raises(fc.SettlementError):
                    bank.advance(book.clock - 1)
                with pytest.raises(fc.SettlementError):
                    bank.deposit([name, "Zoe"], [1, 1])
                with pytest.raises(fc.SettlementError):
                    bank.put_off(name, 0)
                assert bank.next_seq == before

    def check(self) -> None:
        bank, book = self.bank, self.book
        frame = bank.supply.frame
        for name, row in zip(NAMES, frame.iter_rows(named=True), strict=True):
            cash, emergency = book.cash[name], book.rules["emergency"]
            expected = {
                "credit": max(cash, 0),
                "emergency_used": min(max(-cash, 0), emergency),
                "beyond": max(-cash - emergency, 0),
                "put_off": book.waits[name],
            }
            assert {key: int(row[key]) for key in expected} == expected, name
            assert (row["offered"], row["supply"]) == (book.offered(name), book.supply(name)), name
            if not book.rules["requires_credit_before_window"] and is_protected(book.clock):
                assert row["supply"] != "off", "nobody is cut off within a window"
            self.seen.add(str(row["supply"]))
        assert book.put_off == book.recovered + sum(book.waits.values()), "repaid = advanced in the end"
        money = {
            role: int(posted) for role, posted in bank.balances.select("role", "posted").rows() if role != "member"
        }
        assert money["platform"] == book.platform
        assert bank.balances["posted"].sum() == 0


@pytest.mark.parametrize("seed", range(50))
def test_a_book_kept_by_hand(seed: int) -> None:
    Run(seed, 220)


@pytest.mark.parametrize("seed", range(100, 103))
def test_the_audit_follows_what_waits(seed: int) -> None:
    assert "what is recovered was put off before" in str(Run(seed, 120, audit=True).bank.audit())


def test_histories_reach_every_state() -> None:
    seen = set().union(*(Run(seed, 150).seen for seed in range(200, 206)))
    assert seen == {"on", "emergency", "protected", "off", "begun"}


# -- refusals and lies


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda bank: bank.put_off("Ada", 0), "put_off: amount 0"),
        (lambda bank: bank.put_off("Zoe", 1), "participant 'Zoe' has no account"),
        (lambda bank: bank.put_off("Gone", 1), "the account of participant 'Gone' is closed"),
        (lambda bank: bank.use_emergency("Gone"), "not offered to participant 'Gone'"),
        (lambda bank: bank.deposit("Ada", -1), "negative"),
    ],
)
def test_calls_that_are_refused_change_nothing(call: Any, says: str) -> None:
    bank = fc.Settlement(profile="prepayment", tariff=fc.Tariff(1, 1), audit=True)
    bank.open(["Ada", "Gone"])
    bank.close("Gone")
    bank.put_off("Ada", 5)
    before = bank.balances, bank.next_seq
    with pytest.raises(fc.SettlementError, match=says):
        call(bank)
    assert bank.balances.equals(before[0])
    assert bank.next_seq == before[1]


def test_other_profiles_have_no_prepayment() -> None:
    bank = fc.Settlement(tariff=fc.Tariff(1, 1))
    bank.open("Ada")
    with pytest.raises(fc.SettlementError, match="put_off: this bank has no retail prepayment"):
        bank.put_off("Ada", 1)


def test_who_owes_charges_cannot_close() -> None:
    bank = bank_of()
    bank.put_off("Ada", 5)
    with pytest.raises(fc.SettlementError, match="Ada: cannot be closed"):
        bank.close("Ada")
    bank.deposit("Ada", 5)
    bank.close("Ada")
    assert bank.supply.frame.height == 0


def test_lies_about_what_waits_are_found() -> None:
    bank = bank_of(standing_per_day=1, instalment_per_day="0.25", audit=False)
    bank.open("Bo")
    bank.put_off("Ada", 3 * EUR)
    bank.deposit("Ada", EUR)
    bank.advance(2 * DAY)
    bank.deposit("Ada", 10 * EUR)
    bank.advance(4 * DAY)
    columns = bank.receipts().columns
    Books().follow(columns)
    code = {name: code for kind, code, name in fc._core.LINE_NAMES if kind == 8}
    looked = set()
    for line in ("put_off", "recovered"):
        for row in np.flatnonzero((columns["kind"] == 8) & (columns["code"] == code[line])).tolist():
            looked.add(line)
            for field, change in (("amount", 1), ("debit", 1), ("credit", 1), ("group", -1), ("asset", -3)):
                if field == "group" and line == "put_off":
                    continue  # it stands alone
                if field == "amount" and line == "put_off" and change > 0:
                    change = -1  # less waits than is recovered
                lie = {name: column.copy() for name, column in columns.items()}
                lie[field][row] += np.array(change).astype(lie[field].dtype)
                try:
                    Books().follow(lie)
                except fc.AuditError:
                    continue
                assert (line, field) == ("put_off", "amount"), "only what is not recovered yet may be told wrong"
    assert looked == {"put_off", "recovered"}


def test_a_member_is_told_in_words() -> None:
    bank = bank_of(standing_per_day=1)
    bank.advance(DAY)
    bank.deposit("Ada", 3 * EUR)
    history = fc.History(bank.receipts())
    texts = history.journal().frame["text"].to_list()
    assert {"charge of 1.00 put off", "charge of 1.00 that had been put off is paid", "fixed charge"} <= set(texts)
    assert history.statement("Ada").frame.filter(pl.col("text") == "fixed charge").height == 1
