"""Energy credits of net metering: held against a twin that moves one Wh at a time, month by month, with expiry."""

from __future__ import annotations

import random
from copy import copy, deepcopy
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Any

import polars as pl
import pytest
from reference import pools_twin

import fastclear as fc


class Twin:
    """Every Wh that was banked is an entry of its own: the month it is of."""

    def __init__(self, validity: int) -> None:
        self.validity = validity
        self.wh: dict[Any, list[int]] = {}
        self.expired = 0

    def close(self, month: int, rows: list[tuple[Any, int, int, int]]) -> list[list[int]]:
        """Own, from units, from credits, billed, to units, banked: one list a row."""
        for name, entries in self.wh.items():
            kept = [since for since in entries if month - since <= self.validity]
            self.expired += len(entries) - len(kept)
            self.wh[name] = kept
        found = [[0, 0, 0, consumed, 0, 0] for _, consumed, _, _ in rows]
        left = [injected for _, _, injected, _ in rows]
        lacks = [max(consumed - minimum, 0) for _, consumed, _, minimum in rows]

        def take(row: int, line: int) -> None:
            found[row][line] += 1
            found[row][3] -= 1
            lacks[row] -= 1

        for row in range(len(rows)):
            while left[row] and lacks[row]:
                left[row] -= 1
                take(row, 0)
        for row, (name, *_) in enumerate(rows):
            for other, (owner, *_) in enumerate(rows):
                while owner == name and left[other] and lacks[row]:
                    left[other] -= 1
                    found[other][4] += 1
                    take(row, 1)
        for row, (name, *_) in enumerate(rows):
            entries = self.wh.setdefault(name, [])
            while lacks[row] and entries:
                entries.remove(min(entries))
                take(row, 2)
        for row, (name, *_) in enumerate(rows):
            found[row][5] = left[row]
            self.wh[name] += [month] * left[row]
        return found


LINES = ["own_wh", "from_units_wh", "from_credits_wh", "billed_wh", "to_units_wh", "banked_wh"]


@pytest.mark.parametrize("part", range(3))
def test_histories_are_those_of_the_twin(part: int) -> None:
    expired = used = shared = 0
    for seed in range(part, 90, 3):
        rng = random.Random(seed)
        validity, minimum = rng.choice([0, 1, 2, 5, 60]), rng.choice([0, 0, 3])
        accounts, twin = fc.EnergyCredits(validity, minimum), Twin(validity)
        month = 2025 * 12
        for _ in range(rng.randint(3, 14)):
            month += rng.choice([1, 1, 1, 2, validity + 1, validity + 2])
            names = [rng.choice(["Ana", "Bea", 7]) for _ in range(rng.randint(0, 5))]
            rows = [
                (name, rng.choice([0, 1, rng.randint(0, 40)]), rng.choice([0, rng.randint(0, 60)])) for name in names
            ]
            meters = {
                "participant": names,
                "unit": list(range(len(rows))),
                "consumed_wh": [consumed for _, consumed, _ in rows],
                "injected_wh": [injected for _, _, injected in rows],
            }
            got = accounts.close_month(f"{month // 12}-{month % 12 + 1:02d}", meters)
            due = twin.close(month, [(*row, minimum) for row in rows])
            assert got.units.select(LINES).rows() == [tuple(row) for row in due], seed
            totals = accounts.totals
            held = sum(len(entries) for entries in twin.wh.values())
            assert (totals["held"], totals["expired"]) == (held, twin.expired)
            assert totals["banked"] == totals["used"] + totals["expired"] + totals["held"]
            assert accounts.balances["credit_wh"].sum() == held
            units = got.units
            assert units["to_units_wh"].sum() == units["from_units_wh"].sum()
            given = units.select(pl.sum_horizontal("own_wh", "to_units_wh", "banked_wh")).to_series()
            assert given.to_list() == units["injected_wh"].to_list()
            eaten = units.select(pl.sum_horizontal(LINES[:4])).to_series()
            assert eaten.to_list() == units["consumed_wh"].to_list()
            shared += units["to_units_wh"].sum()
        expired, used = expired + totals["expired"], used + totals["used"]
    assert min(expired, used, shared) > 100


def one(consumed: int, injected: int) -> dict[str, list[Any]]:
    return {"participant": ["Ana"], "consumed_wh": [consumed], "injected_wh": [injected]}


@pytest.mark.parametrize(("validity", "last", "gone"), [(60, "2031-01", "2031-02"), (36, "2029-01", "2029-02")])
def test_a_credit_lasts_to_its_last_month_and_no_longer(validity: int, last: str, gone: str) -> None:
    accounts = fc.EnergyCredits(validity)
    accounts.close_month("2026-01", one(0, 100))
    assert accounts.balances.rows() == [("Ana", "2026-01", 100, last)]
    later = copy(accounts)
    assert accounts.close_month(last, one(30, 0)).units["from_credits_wh"].to_list() == [30]
    assert later.close_month(gone, one(30, 0)).units["billed_wh"].to_list() == [30]
    assert later.totals == {"banked": 100, "used": 0, "expired": 100, "held": 0}
    month = accounts.close_month(gone, one(0, 0))
    assert month.expired.rows() == [("Ana", "2026-01", 70)]
    assert deepcopy(accounts).totals == accounts.totals


def test_the_oldest_credit_goes_first_across_the_end_of_a_year() -> None:
    accounts = fc.EnergyCredits(2)
    for month, injected in (("2025-11", 10), ("2025-12", 20), ("2026-01", 40)):
        accounts.close_month(month, one(0, injected))
    found = accounts.close_month(date(2026, 2, 28), one(25, 0))
    assert found.expired.rows() == [("Ana", "2025-11", 10)]
    assert found.month == "2026-02"
    assert accounts.balances.select("since", "credit_wh").rows() == [("2026-01", 35)]


def test_the_minimum_of_a_unit_is_always_billed() -> None:
    accounts = fc.EnergyCredits(minimum_wh=30)
    both = {"participant": ["Ana", "Ana"], "unit": ["a", "b"], "consumed_wh": [100, 20], "injected_wh": [500, 0]}
    found = accounts.close_month("2026-01", both)
    assert found.units["billed_wh"].to_list() == [30, 20]
    assert found.units["banked_wh"].to_list() == [430, 0]
    own = accounts.close_month("2026-02", both | {"minimum_wh": [0, 5], "injected_wh": [0, 0]})
    assert own.units["billed_wh"].to_list() == [0, 5]


def test_credits_stay_with_their_member_and_names_are_what_they_are() -> None:
    accounts = fc.EnergyCredits()
    accounts.close_month("2026-01", {"participant": [1, "1"], "consumed_wh": [0, 0], "injected_wh": [5, 9]})
    found = accounts.close_month("2026-02", pl.DataFrame({"participant": [1], "consumed_wh": [50], "injected_wh": [0]}))
    assert found.units["from_credits_wh"].to_list() == [5]
    assert accounts.totals["held"] == 9
    assert "9 Wh held, valid for 60 months, closed to 2026-02" in repr(accounts)


@pytest.mark.parametrize(
    ("month", "meters", "words"),
    [
        ("2026-01", one(0, 0), "does not come after"),
        ("2025-12", one(0, 0), "does not come after"),
        ("2026-13", one(0, 0), "month is '2026-13'"),
        (202602, one(0, 0), "month is 202602"),
        ("2026-02", one(-1, 0), "column 'consumed_wh', row 0 is -1"),
        ("2026-02", one(0, 10**15 + 1), "column 'injected_wh', row 0"),
        ("2026-02", {"participant": ["Ana"], "consumed_wh": [1]}, "no column 'injected_wh'"),
        ("2026-02", one(0, 0) | {"injected_wh": [1, 2]}, "column 'injected_wh' has 2 rows"),
        ("2026-02", one(0, 0) | {"injected_wh": [1.5]}, "injected_wh"),
        ("2026-02", {name: column * 2 for name, column in one(0, 9).items()}, "row 1 is the unit of row 0 again"),
        ("2026-02", one(0, 0) | {"participant": [None]}, "participant"),
        ("2026-02", 7, "meters is a int"),
    ],
)
def test_bad_calls_change_nothing(month: Any, meters: Any, words: str) -> None:
    accounts = fc.EnergyCredits(1)
    accounts.close_month("2026-01", one(0, 100))
    with pytest.raises(fc.SettlementError, match=words):
        accounts.close_month(month, meters)
    assert accounts.totals == {"banked": 100, "used": 0, "expired": 0, "held": 100}
    assert accounts.close_month("2026-02", one(40, 0)).units["from_credits_wh"].to_list() == [40]


def test_accounts_that_cannot_be() -> None:
    for arguments, words in (((-1,), "validity_months"), ((1201,), "validity_months"), ((60, -1), "minimum_wh")):
        with pytest.raises(fc.SettlementError, match=words):
            fc.EnergyCredits(*arguments)


# -- in a bank and on a platform --------------------------------------------------------------------------------------


def test_a_bank_gives_back_retail_and_takes_back_feed_in() -> None:
    bank = fc.Settlement(tariff=fc.Tariff(300_000, 50_000, 0, 0, 190_000), audit=True)
    bank.open(["Ana", "Bea"])
    bank.settle([], {"participant": ["Ana", "Bea"], "energy_wh": [-700, 900]}, slot=0)
    bank.settle([], {"participant": ["Ana", "Bea"], "energy_wh": [300, 0]}, slot=1)
    accounts = fc.EnergyCredits()
    meters = {"participant": ["Ana", "Bea"], "consumed_wh": [300, 900], "injected_wh": [700, 0]}
    month = accounts.close_month("2026-01", meters)
    receipts = bank.settle_energy_credits(month, compensated="0.8")
    worth = 300 * 240_000
    assert receipts.frame.select("kind", "line", "payer", "payee", "quantity", "price", "amount").rows() == [
        ("imbalance", "credited", "Ana", "backstop", 700, 50_000, 700 * 50_000),
        ("imbalance", "compensated", "backstop", "Ana", 300, 240_000, worth),
        ("tax", "compensated", "tax", "Ana", 300, 0, worth * 19 // 100),
    ]
    # Ana pays a fifth of the energy that was set off, and its tax; its injection waits as credits
    posted = dict(bank.balances.select("participant", "posted").drop_nulls().rows())
    assert int(posted["Ana"]) == -(300 * 60_000 + round(300 * 60_000 * 19 / 100))
    assert int(posted["Bea"]) == -(900 * 300_000 + 900 * 300_000 * 19 // 100)
    before = bank.balances
    for bad, words in (
        (month, "does not come after 2026-01"),
        ("2026-02", "month is a str"),
        (accounts.close_month("2026-02", meters | {"participant": ["Ana", "Cy"]}), "Cy"),
    ):
        with pytest.raises(fc.SettlementError, match=words):
            bank.settle_energy_credits(bad)  # type: ignore[arg-type]
    assert bank.balances.equals(before)
    assert "set off by energy fed in" in receipts.statement("Ana").frame["text"].str.join(" ")[0]
    bank.audit()


def test_invoices_take_a_month_of_credits() -> None:
    bank = fc.Settlement(tariff=fc.Tariff(300_000, 50_000, 0, 0, 190_000), audit=True)
    bank.open("Ana")
    bank.open_invoicing("Street")
    bank.advance(datetime(2026, 1, 31, tzinfo=UTC))
    bank.settle([], {"participant": ["Ana"], "energy_wh": [-700]}, slot=datetime(2026, 1, 5, tzinfo=UTC))
    bank.settle([], {"participant": ["Ana"], "energy_wh": [300]}, slot=datetime(2026, 1, 6, tzinfo=UTC))
    bank.settle_energy_credits(fc.EnergyCredits().close_month("2026-01", one(300, 700)))
    assert int(bank.balances.filter(participant="Ana")["posted"][0]) == 0
    lines = bank.invoice("2026-01").frame
    assert lines["exact"].sum() == 0
    assert lines["gross"].sum() == 0
    bank.audit()


def two_days_over_the_end_of_a_month() -> fc.Community:
    """Much sun on 31 January, none on 1 February, in quarter-hours of UTC."""
    rng, rows = random.Random(4), []
    for slot in range(192):
        for name, pv in (("a", 3000), ("b", 1200), ("c", 0), ("d", 0)):
            sun = pv * (30 <= slot <= 60)
            rows.append((slot, name, rng.randint(0, 300), rng.randint(sun // 2, sun)))
    frame = pl.DataFrame(rows, schema=["slot", "participant", "load_wh", "pv_wh"], orient="row")
    start = datetime(2026, 1, 31, tzinfo=UTC)
    when = pl.lit(start) + pl.duration(minutes=15 * pl.col("slot"))
    return fc.community_from_frame(frame.with_columns(when.alias("slot")))


@pytest.mark.parametrize("share", ["100", "55"])
@pytest.mark.parametrize("rule", ["mid_market_rate", "supply_demand_ratio"])
def test_a_community_under_net_metering_pays_what_the_twin_says_to_the_unit(rule: str, share: str) -> None:
    people = two_days_over_the_end_of_a_month()
    preset = fc.load_preset("community").with_values(
        "the test",
        regulation__crediting="net_metering",
        regulation__net_metering__compensated_percent=share,
        settlement__deposit="5000",
    )
    run = fc.run(preset, community=people, days=2, mechanism=rule)
    retail, feed_in, price = 300_000, 50_000, 300_000 * int(share) // 100
    net = people.net_wh.tolist()
    bills, alone = [0] * 4, [0] * 4
    for shared, bill in ((True, bills), (False, alone)):
        banked = [0] * 4
        for day in (net[:96], net[96:]):
            drawn, given = [0] * 4, [0] * 4
            for slot in day:
                loads = [(at, wh, 0) for at, wh in enumerate(slot)]
                stays = pools_twin.local_fills(loads) if shared else {}
                paid = pools_twin.sides(rule, loads, retail, feed_in) if shared else {}
                for at, wh in enumerate(slot):
                    left = abs(wh) - stays.get(at, 0)
                    owed = paid.get(at, 0) if shared else wh * (retail if wh > 0 else feed_in)
                    bill[at] += owed + (round(Fraction(owed, 5)) if wh > 0 else 0)
                    drawn[at] += left if wh > 0 else 0
                    given[at] += left if wh < 0 else 0
            for at in range(4):
                own = min(drawn[at], given[at])
                used = min(drawn[at] - own, banked[at])
                banked[at] += given[at] - own - used
                worth = (own + used) * price
                bill[at] += given[at] * feed_in - worth - round(Fraction(worth, 5))
        if shared:
            held = sum(banked)
    assert held > 0
    assert run.members["bill_nano"].to_list() == bills
    assert run.members["bill_without_nano"].to_list() == alone
    assert sum(run.house.values()) == sum(bills)
    figures = fc.metrics.by_key(run.metrics)
    assert figures["tax"].without + figures["backstop"].without == sum(alone)
    assert any(f"{held / 1000:,.3f} kWh held" in note for note in run.notes)
    assert run.blocks == 192 + 1 + 2  # genesis, and one for each month
    assert fc.run(preset, community=people, days=2, mechanism=rule).head == run.head
    with pytest.raises(fc.PresetError, match="add the section"):
        fc.load_preset("brooklyn").with_values("x", regulation__crediting="net_metering")


def test_no_credits_without_net_metering() -> None:
    people = two_days_over_the_end_of_a_month()
    run = fc.run("community", community=people, days=2)
    assert run.blocks == 193
    assert not any("credits" in note for note in run.notes)
