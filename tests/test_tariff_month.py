"""Whole months and years under a plan against a bill by hand: a separate oracle recomputes every line."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import reference_tariff as oracle
from reference.naive import naive_uniform

import fastclear as fc

NS = 10**9
QUARTER_NS = 900 * NS
ZONE = ZoneInfo("Europe/Amsterdam")
MONTH = "2026-03"  # with the short day
HOMES = 100
PLAN: dict[str, Any] = {
    "name": "energy community",
    "time_zone": "Europe/Amsterdam",
    "holidays": ["2026-03-06"],
    "windows": {
        "night": {"hours": ["23:00-07:00"]},
        "peak": {"days": ["weekday"], "months": [1, 2, 3, 11, 12], "hours": ["17:00-21:00"]},
        "free_days": {"days": ["weekend", "holiday"]},
    },
    "versions": [
        {
            "since": "2025-01-01",
            "retail": {"peak": "38.25", "night": "22", "free_days": "24", "otherwise": "30"},
            "feed_in": {"free_days": "-0.5", "otherwise": "5"},
            "platform_fee": "0.5123",
            "network_fee": {"peak": "4", "otherwise": "2"},
            "local_discount_percent": "60",
            "zone_pairs": [
                {"buyer": "north", "seller": "south", "network_fee": {"peak": "3.3", "otherwise": "1.1"}},
                {"buyer": "south", "seller": "north", "network_fee": "-0.2"},
            ],
            "platform_fee_share": {"to": "dso", "percent": "33.3333"},
            "subscription_per_month": "4.95",
        },
        {
            "since": "2026-03-16",
            "retail": {"night": "23", "peak": "40", "otherwise": "31"},
            "feed_in": "4.5",
            "platform_fee": "0.6",
            "network_fee": "2.5",
            "network_fee_share": {"to": "platform", "percent": "12.5"},
            "subscription_per_month": "5.05",
        },
    ],
    "taxes": [
        {"since": "2025-01-01", "percent": "21"},
        {"since": "2026-03-11", "on": ["network_fee"], "percent": "9"},
        {"since": "2026-03-21", "on": ["platform_fee"], "percent": "21", "reverse_charge": True},
    ],
    "zones": {"north": [f"home {i}" for i in range(60)], "south": [f"home {i}" for i in range(60, 95)]},
}


def slots_of(start: date, end: date) -> np.ndarray:
    first, last = (datetime(day.year, day.month, day.day, tzinfo=ZONE).astimezone(UTC) for day in (start, end))
    return np.arange(int(first.timestamp()) * NS, int(last.timestamp()) * NS, QUARTER_NS)


def test_a_separate_oracle_recomputes_a_month_of_100_homes() -> None:
    rng = np.random.default_rng(20260301)
    names = list(range(HOMES))
    zones: dict[object, str | None] = {name: zone for zone, members in PLAN["zones"].items() for name in members}
    bank = fc.Settlement(tariff=fc.TariffPlan(**PLAN))
    bank.open(names)
    bank.deposit(names, 170 * NS)
    bank.open_invoicing("energy community")
    spans = {name: (date(2025, 1, 1), date(9998, 1, 1)) for name in names[:97]}
    spans |= {95: (date(2026, 3, 9), date(9998, 1, 1)), 96: (date(2025, 1, 1), date(2026, 3, 29))}
    for name, (since, until) in spans.items():
        bank.subscribe(name, since)
        if until.year < 9998:
            bank.unsubscribe(name, until)
    slots = slots_of(date(2026, 3, 1), date(2026, 4, 1))
    assert len(slots) == 31 * 96 - 4
    expected: dict[tuple[date, object], dict[str, int]] = defaultdict(lambda: dict.fromkeys(oracle.LINES, 0))
    house: dict[str, int] = defaultdict(int)
    parts = []
    delivered: dict[tuple[object, str], int] = defaultdict(int)
    traded = refused = 0
    for slot in slots.tolist():
        # a dozen bid or ask, all are metered
        rows = rng.choice(HOMES, 12, replace=False)
        orders = {
            "side": rng.integers(0, 2, 12).astype(np.int8),
            "price": rng.integers(0, 320_000, 12),
            "quantity": rng.integers(1, 900, 12),
            "participant": rows.astype(np.int64),
        }
        energy = rng.integers(-800, 900, HOMES)
        metered = dict(zip(names, energy.tolist(), strict=True))
        codes = bank.reserve(orders, slot=slot)
        refused += int((codes != 0).sum())
        kept = np.flatnonzero(codes == 0)
        stay = {name: column[kept] for name, column in orders.items()} | {"order": kept}
        receipts = bank.settle(
            fc.clear(stay, fc.Uniform()),
            {"participant": np.arange(HOMES), "energy_wh": energy},
            slot=slot,
        )
        # once more by hand, from the orders, the meters and the words of the plan
        book = [
            dict(zip(stay, row, strict=True))
            for row in zip(*(column.tolist() for column in stay.values()), strict=True)
        ]
        book = [order | {"side": "buy" if order["side"] else "sell"} for order in book]
        result = naive_uniform(book)
        deals = [
            oracle.Deal(
                book[t["buy_row"]]["participant"],
                book[t["sell_row"]]["participant"],
                t["quantity"],
                Fraction(t["buy_price"], result["den"]),
            )
            for t in result["trades"]
        ]
        traded += len(deals)
        for deal in deals:
            delivered[deal.buyer, "energy_bought"] += deal.quantity
            delivered[deal.seller, "energy_sold"] += deal.quantity
        due = oracle.resolve(PLAN, slot)
        bills, received = oracle.slot_bills(due, zones, deals, metered)
        for name, bill in bills.items():
            daily = expected[due.local.date(), name]
            for line, amount in bill.items():
                daily[line] += amount
        for account, amount in received.items():
            house[account] += amount
        columns = receipts.bill_columns
        parts.append(
            pl.DataFrame(
                {"day": [due.local.date()] * len(columns["account"]), "account": columns["account"]}
                | {line: columns[line] for line in oracle.LINES}
            )
        )
    assert traded > 5_000
    assert refused > 0, "somebody ran out of money, and stayed out"
    subscriptions = bank.charge_subscriptions(MONTH).by_participant()
    charged = {row[0]: row[1:] for row in subscriptions.select("participant", "subscription", "tax").rows()}
    for name, (charge, tax) in oracle.subscription_bills(PLAN, spans, MONTH).items():
        assert charged.pop(name) == (charge, tax), name
        house["platform"] += charge
        house["tax"] += tax
    assert not charged
    summed = pl.concat(parts).group_by("day", "account", maintain_order=True).sum()
    got = {
        (row["day"], name): {line: row[line] for line in oracle.LINES}
        for row, name in zip(summed.to_dicts(), bank.names(summed["account"].to_list()), strict=True)
    }
    assert got == dict(expected)
    assert len(got) == 31 * HOMES
    owed: dict[object, int] = defaultdict(int)
    for (_, name), lines in expected.items():
        owed[name] += sum(lines.values())
    for name, amounts in oracle.subscription_bills(PLAN, spans, MONTH).items():
        owed[name] += sum(amounts)
    house["rounding"] = check_invoices(bank, owed, delivered)
    roles = dict(bank.balances.filter(pl.col("role") != "member").select("role", "posted").rows())
    assert {role: int(roles[role]) for role in ("platform", "dso", "tax", "backstop", "rounding", "clearing")} == {
        "clearing": 0,
    } | dict(house)
    assert bank.balances["posted"].sum() == 0
    assert bank.balances["pending_out"].sum() == 0


def check_invoices(bank: fc.Settlement, owed: dict[object, int], delivered: dict[tuple[object, str], int]) -> int:
    """Hold the invoices of the month against the bills by hand; return what rounding leaves."""
    before = dict(bank.balances.filter(role="member").select("participant", "posted").rows())
    lines = bank.invoice(MONTH).frame.with_columns(pl.col("net", "tax", "gross", "exact", "energy_wh").cast(pl.Int64))
    assert dict(lines.group_by("participant").agg(pl.col("exact").sum()).rows()) == owed
    wh = lines.filter(pl.col("line").is_in(["energy_bought", "energy_sold"]))
    sums = wh.group_by("participant", "line").agg(pl.col("energy_wh").sum())
    assert {(name, line): energy for name, line, energy in sums.rows()} == dict(delivered)
    cent = NS // 100
    for net, tax, gross, exact, ppm in lines.select("net", "tax", "gross", "exact", "tax_ppm").rows():
        # of a fraction, `round` takes the nearest integer, ties to the even one
        assert gross == round(Fraction(exact, cent)) * cent
        assert net + tax == gross
        assert tax % cent == 0
        # each posting's tax is rounded to the nano, the line's to the cent
        assert abs(tax - Fraction(exact * ppm, 10**6 + ppm)) <= cent
    after = dict(bank.balances.filter(role="member").select("participant", "posted").rows())
    gross = dict(lines.group_by("participant").agg(pl.col("gross").sum()).rows())
    assert {name: int(before[name] - after[name]) for name in owed} == {name: gross[name] - owed[name] for name in owed}
    left = sum(gross.values()) - sum(owed.values())
    assert 2 * abs(left) <= cent * len(lines)
    return left


def test_a_year_of_days_is_the_year_of_its_slots() -> None:
    """Every quarter-hour of 2026 in Amsterdam, day and night tariff: daily bills against a count of the hours."""
    fields = {
        "name": "day and night",
        "time_zone": "Europe/Amsterdam",
        "windows": {"night": {"hours": ["23:00-07:00"]}},
        "versions": [{"since": "2026-01-01", "retail": {"night": "22", "otherwise": "30"}, "feed_in": "5"}],
        "taxes": [{"since": "2026-01-01", "percent": "21"}],
    }
    bank = fc.Settlement(tariff=fc.TariffPlan(**fields))
    bank.open(["home", "roof"])
    slots = slots_of(date(2026, 1, 1), date(2027, 1, 1))
    assert len(slots) == 365 * 96
    days = np.array([(datetime.fromtimestamp(slot // NS, ZONE)).toordinal() for slot in slots.tolist()])
    nets = np.zeros((len(slots), 2), np.int64)
    meter = {"participant": ["home", "roof"], "energy_wh": [100, -40]}
    for i, slot in enumerate(slots.tolist()):
        nets[i] = bank.settle([], meter, slot=slot).bill_columns["net"]
    daily = {}
    for day in range(date(2026, 1, 1).toordinal(), date(2027, 1, 1).toordinal()):
        rows = days == day
        night = {"2026-03-29": 28, "2026-10-25": 36}.get(str(date.fromordinal(day)), 32)
        quarters = night + 64
        assert rows.sum() == quarters
        daily[day] = nets[rows].sum(axis=0).tolist()
        tax = night * 22_000_00 * 21 // 100 * 10 + 64 * 30_000_00 * 21 // 100 * 10
        assert daily[day] == [night * 22_000_000 + 64 * 30_000_000 + tax, -quarters * 2_000_000], date.fromordinal(day)
    total = np.array(list(daily.values())).sum(axis=0).tolist()
    assert total == nets.sum(axis=0).tolist() == [-bank.available("home"), -bank.available("roof")]
    assert timedelta(days=len(daily)) == timedelta(days=365)
