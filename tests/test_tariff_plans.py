"""Tariff plans: local time, versions, tax dates, files, and the messages of what cannot be."""

from __future__ import annotations

import copy
import itertools
import pickle
from collections import Counter
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
import reference_tariff as oracle
from hypothesis import given
from hypothesis import strategies as st

import fastclear as fc

QUARTER = timedelta(minutes=15)
NS = 10**9
ZONES = [
    "Europe/Amsterdam",
    "Europe/London",
    "Europe/Lisbon",
    "America/New_York",
    "America/St_Johns",  # -03:30
    "America/Sao_Paulo",  # went back and forth at midnight
    "Asia/Kathmandu",  # +05:45
    "Asia/Tehran",
    "Africa/Casablanca",  # winter time in Ramadan
    "Australia/Lord_Howe",  # 30 minutes of summer time
    "Pacific/Apia",  # one date fell out
    "Pacific/Chatham",  # +12:45
    "UTC",
]
PLAN: dict[str, Any] = {
    "name": "everything",
    "time_zone": "Europe/Amsterdam",
    "holidays": ["2026-04-27", "2026-12-25"],
    "windows": {
        "night": {"hours": ["23:00-07:00"]},
        "switch": {"hours": ["00:30-00:45", "02:00-03:00"]},
        "winter_peak": {"days": ["weekday"], "months": [1, 2, 11, 12], "hours": ["17:00-20:15", "08:00-09:00"]},
        "free_days": {"days": ["weekend", "holiday"]},
        "market_day": {"days": ["saturday", "monday"], "hours": ["12:00-24:00"]},
    },
    "versions": [
        {
            "since": "1999-12-01",
            "retail": {"winter_peak": "41.5", "switch": "19.99", "night": "22", "otherwise": "30"},
            "feed_in": {"free_days": "-1.25", "otherwise": "5"},
            "platform_fee": "0.5",
            "network_fee": {"market_day": "3.5", "night": "0", "otherwise": "2"},
            "local_discount_percent": "60",
        },
        {
            "since": "2020-02-29",
            "retail": {"free_days": "25", "winter_peak": "41.5", "otherwise": "31"},
            "feed_in": 6,
            "network_fee": Decimal("1.5"),
        },
    ],
    "taxes": [
        {"since": "1999-12-01", "percent": "19"},
        {"since": "2012-10-01", "percent": "21", "on": ["energy", "residual"]},
        {"since": "2022-07-01", "percent": "9", "on": ["energy", "residual", "network_fee"]},
        {"since": "2023-01-01", "percent": "21", "on": ["network_fee"], "reverse_charge": True},
    ],
}
START, END = date(2000, 1, 1), date(2038, 1, 1)


def plan(**changes: Any) -> fc.TariffPlan:
    return fc.TariffPlan.from_dict(PLAN | changes)


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The first instant of a local day, found the other way round: from local time to UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def days(start: date, end: date) -> list[date]:
    return [start + timedelta(days=i) for i in range((end - start).days)]


def ns(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000


def slots_between(start: datetime, end: datetime) -> np.ndarray:
    return np.arange(ns(start), ns(end), 900 * NS)


# -- local time ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ZONES)
def test_every_local_day_has_the_slots_its_clock_gives_it(name: str) -> None:
    zone = ZoneInfo(name)
    # until 2011 clocks there went back at 00:01, over midnight: a date was then no interval (the walk below covers it)
    start = date(2012, 1, 1) if name == "America/St_Johns" else START
    starts = [midnight(day, zone) for day in days(start, END + timedelta(days=1))]
    expected = {day: (b - a) // QUARTER for day, a, b in zip(days(start, END), starts, starts[1:], strict=False)}
    expected = {day: count for day, count in expected.items() if count}  # a date that fell out has none
    if name in ("Europe/Amsterdam", "Australia/Lord_Howe", "Asia/Kathmandu"):
        walked = list(expected)  # every day of 38 years
    else:
        odd = [day for day, count in expected.items() if count != 96]
        near = {day + timedelta(days=i) for day in odd for i in (-1, 0, 1)} | set(days(END - timedelta(days=400), END))
        walked = sorted(near & set(expected))
    slots = np.concatenate(
        [slots_between(midnight(day, zone), midnight(day, zone) + expected[day] * QUARTER) for day in walked]
    )
    table = plan(time_zone=name).table(slots)
    counted = Counter(table["local"].dt.date().to_list())
    assert counted == {day: expected[day] for day in walked}
    lengths = Counter(expected.values())
    if name in ("Europe/Amsterdam", "Europe/London"):
        assert lengths == {96: len(expected) - 76, 92: 38, 100: 38}
    if name == "Australia/Lord_Howe":
        assert lengths == {96: len(expected) - 76, 94: 38, 98: 38}
    if name in ("Asia/Kathmandu", "UTC"):
        assert set(lengths) == {96}
    if name == "Pacific/Apia":
        assert date(2011, 12, 30) not in counted


@pytest.mark.parametrize("name", ZONES)
def test_prices_of_every_switch_day_are_those_of_a_walk_by_hand(name: str) -> None:
    zone = ZoneInfo(name)
    everything = days(START, END)
    lengths = [midnight(b, zone) - midnight(a, zone) for a, b in itertools.pairwise(everything)]
    odd = [day for day, length in zip(everything, lengths, strict=False) if length != timedelta(days=1)]
    turns = [date(2020, 2, 28), date(2026, 4, 27), date(2026, 12, 25), date(2012, 9, 30), date(2022, 12, 31)]
    slots = np.concatenate(
        [slots_between(midnight(day, zone), midnight(day, zone) + timedelta(hours=26)) for day in odd + turns]
    )
    fields = PLAN | {"time_zone": name}
    table = fc.TariffPlan.from_dict(fields).table(slots)
    got = table.select(
        "retail",
        "feed_in",
        "platform_fee",
        "network_fee",
        "local_network_fee",
        "energy_tax",
        "platform_fee_tax",
        "network_fee_tax",
        "residual_tax",
        "subscription_tax",
    ).rows()
    assert len(odd) >= 40 or name in ("Asia/Kathmandu", "UTC", "Pacific/Apia", "America/Sao_Paulo", "Africa/Casablanca")
    for slot, local, row in zip(slots.tolist(), table["local"].to_list(), got, strict=True):
        due = oracle.resolve(fields, slot)
        assert local == due.local.replace(tzinfo=None)
        rates = (
            due.taxes[key] * 10**6 for key in ("energy", "platform_fee", "network_fee", "residual", "subscription")
        )
        fees = due.network_fee("a", "b"), due.network_fee("a", "a")
        assert row == (due.retail, due.feed_in, due.platform_fee, *fees, *rates), (name, local)


def test_the_hour_that_comes_twice_costs_the_same_twice_and_the_one_left_out_never_comes() -> None:
    one = plan(
        windows={"two": {"hours": ["02:00-03:00"]}},
        versions=[{"since": "2020-01-01", "retail": {"two": 1, "otherwise": 9}, "feed_in": 0}],
    )
    zone = ZoneInfo("Europe/Amsterdam")
    for day, count in ((date(2026, 10, 25), 8), (date(2026, 3, 29), 0), (date(2026, 3, 30), 4)):
        table = one.table(slots_between(midnight(day, zone), midnight(day + timedelta(days=1), zone)))
        assert (table["retail"] == 10_000).sum() == count
    before, after = (datetime(2026, 10, 25, hour, 30, tzinfo=UTC) for hour in (0, 1))
    assert before.astimezone(zone).hour == after.astimezone(zone).hour == 2
    assert one.at(before) == one.at(after) == fc.Tariff(10_000, 0, tax_ppm=90_000)


def test_a_slot_between_two_hours_has_the_price_of_its_start() -> None:
    one = plan(
        taxes=[],
        windows={"w": {"hours": ["12:10-12:50"]}},
        versions=[{"since": "2020-01-01", "retail": {"w": 1, "otherwise": 9}, "feed_in": 0}],
    )
    retail = [one.at(datetime(2026, 1, 1, 11, minute, tzinfo=UTC)).retail // 10_000 for minute in (9, 10, 30, 49, 50)]
    assert retail == [9, 1, 1, 1, 9]
    early = ns(datetime(2026, 1, 1, 11, 10, tzinfo=UTC)) - 1  # a nanosecond
    assert one.at(early).retail == one.table([early])["retail"][0] == 90_000


@given(
    st.sampled_from(ZONES),
    st.lists(st.integers(946_684_800 + 86_400, 2_145_916_800 - 1), min_size=1, max_size=40),
)
def test_one_slot_and_many_say_the_same_at_any_second(name: str, seconds: list[int]) -> None:
    fields = PLAN | {"time_zone": name}
    one = fc.TariffPlan.from_dict(fields)
    table = one.table([second * NS for second in seconds])
    for second, row in zip(seconds, table.rows(named=True), strict=True):
        terms, due = one.terms(second * NS), oracle.resolve(fields, second * NS)
        flat = (terms.tariff.retail, terms.tariff.feed_in, terms.tariff.platform_fee, terms.tariff.network_fee)
        assert flat == (row["retail"], row["feed_in"], row["platform_fee"], row["network_fee"])
        assert flat[:3] == (due.retail, due.feed_in, due.platform_fee)
        assert set(row["windows"]) == due.windows
        assert terms.tax_ppm == {line: int(rate * 10**6) for line, rate in due.taxes.items()}
        for pair in ((None, None), ("a", None), ("a", "a"), ("a", "b")):
            assert terms.network.fee(*pair) == due.network_fee(*pair)


def test_reverse_charge_is_a_rate_that_is_not_charged() -> None:
    terms = plan().terms(datetime(2023, 1, 1, tzinfo=UTC))
    assert terms.reverse_charge == {"network_fee"}
    assert terms.tax_ppm["network_fee"] == 0
    assert plan().terms(datetime(2022, 12, 31, 22, 45, tzinfo=UTC)).tax_ppm["network_fee"] == 90_000


# -- slots -----------------------------------------------------------------------------------------------


def test_a_slot_is_nanoseconds_or_a_datetime_of_any_zone() -> None:
    moment = datetime(2026, 7, 1, 4, 45, tzinfo=UTC)
    same = [moment, ns(moment), np.int64(ns(moment)), moment.astimezone(timezone(timedelta(hours=-9)))]
    assert len({plan().at(slot) for slot in same}) == 1
    columns = [[moment], np.array([ns(moment)]), pl.Series([moment]), pl.Series([ns(moment)]), (s for s in [moment])]
    frames = [plan().table(column) for column in columns]
    assert all(frame.equals(frames[0]) for frame in frames)
    assert plan().table([]).height == 0


@pytest.mark.parametrize(
    ("slot", "message"),
    [
        (datetime(2026, 7, 1), "no time zone"),
        (1.5, "is a float; give nanoseconds"),
        (True, "is a bool"),
        ("2026-07-01", "is a str"),
        (None, "is a NoneType"),
        (2**63, "does not fit 64 bits"),
        (0, "begins on 1999-12-01, 1970-01-01 is before it"),
    ],
)
def test_what_is_no_slot(slot: Any, message: str) -> None:
    for call in (plan().at, plan().terms, plan().network_fees, lambda slot: plan().table([slot])):
        with pytest.raises(fc.SettlementError, match=message):
            call(slot)


def test_what_are_no_slots() -> None:
    for slots, message in (
        (np.array(["2026-01-01"], "datetime64[ns]"), "without a time zone"),
        (pl.Series([datetime(2026, 1, 1)]), "no time zone"),
        ("2026", "is a str"),
        (3, "is a int"),
        (np.array([1.0]), "is float64"),
    ):
        with pytest.raises(fc.SettlementError, match=message):
            plan().table(slots)


# -- files -----------------------------------------------------------------------------------------------

names = st.text(min_size=1, max_size=6).filter(lambda text: text != "otherwise")
prices = st.integers(-(2**31) + 1, 2**31 - 1).map(lambda n: str(Decimal(n) / 10_000))
texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)


@st.composite
def plans(draw: Any) -> dict[str, Any]:
    windows = draw(st.lists(texts.filter(lambda text: text != "otherwise"), unique=True, max_size=3))
    hours = st.tuples(st.integers(0, 23), st.integers(0, 59)).map(lambda t: f"{t[0]:02}:{t[1]:02}")
    spans = st.tuples(hours, hours).filter(lambda t: t[0] != t[1]).map("-".join)
    schedules = (
        st.lists(st.sampled_from(windows), unique=True).flatmap(
            lambda chosen: st.fixed_dictionaries({**dict.fromkeys(chosen, prices), "otherwise": prices})
        )
        if windows
        else prices
    )
    zones = draw(st.lists(texts, unique=True, max_size=3))
    since = sorted(draw(st.sets(st.dates(), min_size=1, max_size=3)))
    pairs = (
        st.lists(st.tuples(st.sampled_from(zones), st.sampled_from(zones)), unique=True, max_size=3)
        if zones
        else st.just([])
    )
    share = st.fixed_dictionaries(
        {"to": st.sampled_from(["platform", "dso", "backstop"]), "percent": st.integers(0, 100)}
    )
    versions = [
        {
            "since": day,
            "retail": draw(schedules),
            "feed_in": draw(schedules),
            "platform_fee": draw(schedules),
            "network_fee": draw(schedules),
            "local_discount_percent": draw(st.sampled_from([0, 100])),
            "zone_pairs": [{"buyer": b, "seller": s, "network_fee": draw(schedules)} for b, s in draw(pairs)],
            "subscription_per_month": draw(st.integers(0, 10**18).map(lambda n: str(Decimal(n) / 10**9))),
            **({"network_fee_share": draw(share)} if draw(st.booleans()) else {}),
        }
        for day in since
    ]
    members = iter(draw(st.lists(st.one_of(texts, st.integers(-(2**40), 2**40)), unique=True, max_size=5)))
    return {
        "name": draw(texts),
        "time_zone": draw(st.sampled_from(ZONES)),
        "holidays": draw(st.lists(st.dates(), max_size=3)),
        "windows": {
            name: {
                "days": draw(st.lists(st.sampled_from(["weekday", "holiday", "sunday"]), max_size=2)),
                "months": draw(st.lists(st.integers(1, 12), max_size=2)),
                "hours": draw(st.lists(spans, max_size=2)),
            }
            for name in windows
        },
        "versions": versions,
        "taxes": [
            {"since": day, "percent": draw(st.integers(0, 100)), "reverse_charge": draw(st.booleans())} for day in since
        ],
        "zones": {zone: [name for _, name in zip(range(2), members, strict=False)] for zone in zones},
    }


@given(plans())
def test_a_plan_survives_its_file(fields: dict[str, Any]) -> None:
    one = fc.TariffPlan(**fields)
    assert fc.TariffPlan.from_toml(one.to_toml()) == one
    assert fc.TariffPlan.from_dict(one.to_dict()) == one
    assert pickle.loads(pickle.dumps(one)) == one
    assert hash(fc.TariffPlan.from_toml(one.to_toml())) == hash(one)
    assert copy.deepcopy(one) is copy.copy(one) is one


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(plan().to_toml(), encoding="utf-8")
    assert fc.TariffPlan.load(path) == fc.TariffPlan.load(str(path)) == plan()
    assert repr(plan()) == "TariffPlan('everything', Europe/Amsterdam, versions since 1999-12-01, 2020-02-29)"
    assert plan() != plan(name="other")
    assert plan() != "everything"
    for text, message in (("x = ", "is no TOML"), ("\xff", "is no TOML"), ("x = 1", "unknown key x")):
        path.write_bytes(text.encode("latin-1"))
        with pytest.raises(fc.SettlementError, match=message) as error:
            fc.TariffPlan.load(path)
        assert str(path) in str(error.value)
    with pytest.raises(fc.SettlementError, match=r"cannot be read: No such file"):
        fc.TariffPlan.load(tmp_path / "none.toml")


def test_the_order_of_windows_is_part_of_a_plan() -> None:
    def ordered(*windows: str) -> fc.TariffPlan:
        schedule = {window: str(i) for i, window in enumerate(windows)} | {"otherwise": "9"}
        return plan(versions=[{"since": "2020-01-01", "retail": schedule, "feed_in": 0}])

    one, other = ordered("night", "free_days"), ordered("free_days", "night")
    sunday_night = datetime(2026, 6, 7, 3, tzinfo=UTC)
    assert one.at(sunday_night).retail == other.at(sunday_night).retail == 0
    both = {"night": "1", "free_days": "2", "otherwise": "9"}
    swapped = {"free_days": "2", "night": "1", "otherwise": "9"}
    one, other = (plan(versions=[{"since": "2020-01-01", "retail": r, "feed_in": 0}]) for r in (both, swapped))
    assert (one.at(sunday_night).retail, other.at(sunday_night).retail) == (10_000, 20_000)
    assert one != other


V = PLAN["versions"][1]
BAD: list[tuple[Any, str]] = [
    ({"tz": 1}, "unknown key tz; known: name, time_zone"),
    ({"time_zon": "UTC"}, "unknown key time_zon; did you mean time_zone"),
    ({"time_zone": "Mars/Phobos"}, "'Mars/Phobos' is not known here; use a name such as"),
    ({"time_zone": "../etc/passwd"}, "is not known here"),
    ({"time_zone": 1}, "time_zone: input should be a valid string"),
    ({"versions": []}, "versions"),
    ({"versions": [V, V]}, "give each a later since"),
    ({"versions": [V | {"since": "29-03-2026"}]}, r"versions.0.since: write a date, like 2026-03-29, not '29-03-2026'"),
    ({"versions": [V | {"since": datetime(2026, 1, 1)}]}, "write a date"),
    ({"versions": [{"since": "2026-01-01", "retail": 1}]}, "versions.0.feed_in is missing; add it"),
    ({"versions": [V | {"feedin": 1}]}, "unknown key versions.0.feedin; did you mean feed_in"),
    ({"versions": [V | {"retail": 0.1}]}, r"versions.0.retail.otherwise: price = 0.1 is a float; give text"),
    ({"versions": [V | {"retail": "0.00001"}]}, "lies between two ticks"),
    ({"versions": [V | {"retail": "214748.3648"}]}, "keep it between -214748.3647"),
    ({"versions": [V | {"retail": "much"}]}, "'much' is no number"),
    (
        {"versions": [V | {"retail": {"nite": 1, "otherwise": 2}}]},
        "versions.0.retail: no window 'nite'; the windows are: night",
    ),
    ({"versions": [V | {"retail": {"night": 1}}]}, "versions.0.retail: no price where no window holds; add otherwise"),
    (
        {"versions": [V | {"zone_pairs": [{"buyer": "a", "seller": "b", "network_fee": {"nite": 1, "otherwise": 2}}]}]},
        r"versions.0.zone_pairs.0.network_fee: no window 'nite'",
    ),
    ({"versions": [V | {"zone_pairs": [{"buyer": "a", "seller": "b", "network_fee": 1}] * 2}]}, "a to b twice"),
    ({"versions": [V | {"zone_pairs": [{"buyer": "", "seller": "b", "network_fee": 1}]}]}, r"zone_pairs.0.buyer"),
    (
        {"versions": [V | {"local_discount_percent": "33.3333", "network_fee": "0.0001"}]},
        "lies between two ticks; give the fee itself",
    ),
    ({"versions": [V | {"local_discount_percent": 101}]}, "101 per cent; keep it between 0 and 100"),
    (
        {"versions": [V | {"platform_fee_share": {"to": "tax", "percent": 1}}]},
        "platform_fee_share.to must be 'platform', 'dso' or 'backstop'",
    ),
    ({"versions": [V | {"platform_fee_share": {"percent": 1}}]}, r"platform_fee_share.to is missing"),
    ({"versions": [V | {"subscription_per_month": "-1"}]}, "no amount of currency of 0 or more"),
    ({"versions": [V | {"subscription_per_month": 4.95}]}, "amount = 4.95 is a float; give text"),
    ({"versions": [V | {"subscription_per_month": "x"}]}, "amount = 'x' is no number"),
    ({"versions": [V | {"subscription_per_month": "1e-999999999"}]}, "out of range"),
    ({"versions": [V | {"retail": "1e999999999"}]}, "price = 1e999999999 is out of range"),
    ({"versions": [V | {"retail": Decimal("NaN")}]}, "is no number"),
    ({"versions": [V | {"retail": "Infinity"}]}, "is no number"),
    ({"windows": {"otherwise": {}}}, "windows.otherwise"),
    ({"windows": {"w": {"hours": ["7:00-9:00"]}}}, r'windows.w.hours.0: write hours like "07:00-23:00"'),
    ({"windows": {"w": {"hours": ["07:00-07:00"]}}}, "is empty"),
    ({"windows": {"w": {"hours": ["24:00-07:00"]}}}, "write hours like"),
    ({"windows": {"w": {"days": ["someday"]}}}, r"windows.w.days.0 must be 'weekday'"),
    ({"windows": {"w": {"months": [13]}}}, r"windows.w.months.0: input should be less than"),
    ({"windows": {"w": {"hour": []}}}, "unknown key windows.w.hour; did you mean hours"),
    ({"windows": 3}, "windows must be a table"),
    ({"holidays": "2026-12-25"}, "holidays must be a list"),
    ({"zones": {"a": "Ada"}}, "zones.a must be a list"),
    ({"holidays": ["Christmas"]}, r"holidays.0: write a date"),
    ({"taxes": [{"since": "2020-01-01", "percent": 200}]}, r"taxes.0.percent: 200 per cent"),
    ({"taxes": [{"since": "2020-01-01", "percent": 20, "on": ["fee"]}]}, r"taxes.0.on.0 must be 'energy'"),
    ({"taxes": [{"since": "2020-01-01", "percent": 20}] * 2}, "two rules for energy since 2020-01-01; give one"),
    ({"zones": {"a": ["Ada"], "b": ["Ada"]}}, "participant 'Ada' is in a and in b; name one"),
    ({"zones": {"a": [1.5]}}, "name it by text or an integer"),
]


@pytest.mark.parametrize(("changes", "message"), BAD, ids=[message[:30] for _, message in BAD])
def test_a_plan_that_cannot_be_names_the_field_and_the_remedy(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(fc.SettlementError, match=message) as error:
        plan(**{"windows": {**PLAN["windows"]}} | changes)
    assert str(error.value).startswith("tariff plan: ")


def test_a_plan_is_a_table() -> None:
    with pytest.raises(fc.SettlementError, match="the plan must be a table"):
        fc.TariffPlan.from_dict(3)  # type: ignore[arg-type]
    with pytest.raises(fc.SettlementError, match=r"here\.toml: name is missing; add it"):
        fc.TariffPlan.from_dict({}, where="here.toml")


def test_the_plot_shows_every_price_that_is_not_zero_or_said_already() -> None:
    zone = ZoneInfo("Europe/Amsterdam")
    three = {"retail", "feed_in", "network_fee"}
    for day, lines in ((date(2026, 1, 5), three), (date(2019, 1, 7), three | {"platform_fee", "local_network_fee"})):
        chart = plan().plot(slots_between(midnight(day, zone), midnight(day + timedelta(days=1), zone))).to_dict()
        values = chart["data"]["values"]
        assert {row["line"] for row in values} == lines
        assert len(values) == len(lines) * 96
        assert (values[0]["local"], values[0]["price"]) == (f"{day}T00:00:00Z", 31 if day.year == 2026 else 22)
        assert "Europe/Amsterdam" in chart["encoding"]["x"]["title"]
