"""The virtual pool of sonnen: a slow twin, bounds and balances over random histories, a week on the platform."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastclear as fc
from fastclear.community import Batteries, forecast
from fastclear.errors import PresetError
from fastclear.platforms import load_preset, parse_preset
from fastclear.platforms.preset import Preset
from fastclear.platforms.simulation import choose_community
from fastclear.platforms.virtual_pool import VirtualPool, in_proportion


def share(total: int, parts: list[int]) -> list[int]:
    """Wh by Wh of running sums: each has what lies between two of them, rounded down."""
    whole, before, out = sum(parts), 0, []
    for part in parts:
        out.append((total * (before + part)) // whole - total * before // whole if whole else 0)
        before += part
    return out


class Twin:
    """The rule of the pool in words of one member after the other, with fractions of a Wh."""

    def __init__(self, capacity: list[int], power: list[int], efficiency: Fraction, percent: int) -> None:
        self.capacity, self.power, self.efficiency, self.percent = capacity, power, efficiency, percent
        self.account = [Fraction(0)] * len(capacity)
        self.lost = Fraction(0)
        self.taken = self.own = self.sold = self.displaced = 0

    def whole(self) -> list[int]:
        return [int(held) for held in self.account]

    def step(self, meter: list[int], battery: list[int], at_home: list[Fraction]) -> list[int]:
        members = range(len(meter))
        power = sum(self.power) - sum(abs(b) for b in battery)
        # 1. every home takes what it lacks out of its own account
        own = [min(max(meter[m], 0), self.whole()[m]) for m in members]
        if sum(own) > power:
            own = share(power, own)
        for m in members:
            self.account[m] -= own[m]
        power -= sum(own)
        # 2. what no longer has room beside what homes hold comes out, whole Wh; parts of a Wh are lost
        over = sum(at_home) + sum(self.account) - sum(self.capacity)
        out = [0] * len(meter)
        if over > 0:
            up = int(over) + (over != int(over))
            out = share(min(up, sum(self.whole())), self.whole())
            for m in members:
                self.account[m] -= out[m]
            dust = max(sum(at_home) + sum(self.account) - sum(self.capacity), Fraction(0))
            for m, less in enumerate(share(int(dust * 10**6), [int(held * 10**6) for held in self.account])):
                self.account[m] -= Fraction(less, 10**6)
            self.lost += dust
        # 3. neighbours first, then accounts
        lacks = sum(max(meter[m], 0) - own[m] for m in members)
        offers = sum(max(-meter[m], 0) + out[m] for m in members)
        sold, taken = [0] * len(meter), [0] * len(meter)
        if lacks > offers:
            sold = share(min(lacks - offers, power, sum(self.whole())), self.whole())
        else:
            fits = []
            for m in members:
                room = max(Fraction(self.capacity[m] * self.percent, 100) - self.account[m], Fraction(0))
                fits.append(min(max(-meter[m], 0), int(room / self.efficiency)))
            free = max(sum(self.capacity) - sum(at_home) - sum(self.account), Fraction(0))
            taken = share(min(offers - lacks, power, int(free / self.efficiency), sum(fits)), fits)
        for m in members:
            self.account[m] += taken[m] * self.efficiency - sold[m]
        self.lost += sum(taken) * (1 - self.efficiency)
        self.taken, self.own = self.taken + sum(taken), self.own + sum(own)
        self.sold, self.displaced = self.sold + sum(sold), self.displaced + sum(out)
        return [taken[m] - own[m] - sold[m] - out[m] for m in members]


@st.composite
def histories(draw: Any) -> dict[str, Any]:
    members = draw(st.integers(1, 5))
    size = st.sampled_from([0, 1, 3, 100, 999, 5000])
    column = st.lists(size, min_size=members, max_size=members)
    net = st.lists(
        st.sampled_from([0, 1, -1, 7, -7, 350, -350, 2000, -2000, 9999, -9999]), min_size=members, max_size=members
    )
    return {
        "capacity": draw(column),
        "power": draw(column),
        "efficiency": draw(st.sampled_from([1, 333_333, 870_000, 900_000, 1_000_000])),
        "home": draw(st.sampled_from([1, 700_001, 1_000_000])),
        "percent": draw(st.sampled_from([0, 33, 100, 400])),
        "net": draw(st.lists(net, min_size=1, max_size=30)),
    }


@settings(max_examples=300)
@given(histories())
def test_histories_are_those_of_the_twin_and_keep_every_bound(history: dict[str, Any]) -> None:
    capacity, power = (np.array(history[name], dtype=np.int64) for name in ("capacity", "power"))
    home = Batteries(capacity, power * 4, np.full(len(capacity), history["home"]))
    pool = VirtualPool(home, efficiency_ppm=history["efficiency"], account_percent=history["percent"])
    twin = Twin(
        capacity.tolist(), home.power_wh.tolist(), Fraction(history["efficiency"], 10**6), int(history["percent"])
    )
    for row in history["net"]:
        net = np.array(row, dtype=np.int64)
        before = pool.totals
        battery = home.step(net)
        meter = net + battery
        moved = pool.step(meter, battery)
        at_home = [Fraction(int(held), 10**6) for held in home.stored_micro_wh]
        assert moved.tolist() == twin.step(meter.tolist(), battery.tolist(), at_home)
        held = pool.totals
        assert held.stored_micro_wh == sum(twin.account) * 10**6
        assert held.lost_micro_wh == twin.lost * 10**6
        # energy: nothing comes from nowhere, to the millionth of a Wh
        given_back = held.own_wh + held.sold_wh + held.displaced_wh
        assert held.taken_wh * 10**6 == given_back * 10**6 + held.stored_micro_wh + held.lost_micro_wh
        # state of charge: accounts within their bounds, and with the homes' own within all batteries
        assert (pool.stored_wh >= 0).all()
        assert (pool.stored_wh * 100 <= capacity * int(history["percent"])).all()
        assert sum(home.stored_micro_wh.tolist()) + held.stored_micro_wh <= int(capacity.sum()) * 10**6
        # nobody stores what it lacks, and nobody gives to others while it lacks energy itself
        assert (moved[meter >= 0] <= 0).all()
        assert (moved[meter < 0] <= -meter[meter < 0]).all()
        # power, but for what only changes its name
        through = np.abs(battery).sum() + sum(
            getattr(held, name) - getattr(before, name) for name in ("taken_wh", "own_wh", "sold_wh")
        )
        assert through <= home.power_wh.sum()


@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=20), st.fractions(0, 1))
def test_parts_add_up_and_nobody_has_more_than_its_part(parts: list[int], of: Fraction) -> None:
    total = int(sum(parts) * of)
    divided = in_proportion(total, np.array(parts, dtype=np.int64))
    assert divided.tolist() == share(total, parts)
    assert divided.sum() == total
    assert (divided >= 0).all()
    assert (divided <= parts).all()
    assert all(abs(int(d) * sum(parts) - total * p) < sum(parts) for d, p in zip(divided, parts, strict=True) if p)


def without_pool(name: str) -> Preset:
    data = load_preset(name).model_dump()
    data["set_up"].pop("virtual_pool")
    return parse_preset(data)


@pytest.fixture(scope="module")
def weeks() -> tuple[fc.RunResult, fc.RunResult]:
    """A week of autumn with the pool and without it."""
    preset = load_preset("sonnen")
    community = choose_community(preset, fc.load_community(season="autumn"))
    return fc.run(preset, community=community), fc.run(without_pool("sonnen"), community=community)


def test_seven_days_of_sonnen_are_those_of_the_twin_and_balance_to_the_unit(
    weeks: tuple[fc.RunResult, fc.RunResult],
) -> None:
    result, _ = weeks
    people, slots = result.community, result.slots
    home = Batteries.of(people)
    twin = Twin(people.battery_wh.tolist(), home.power_wh.tolist(), Fraction(9, 10), 100)
    moved, most = [], Fraction(0)
    for slot, net in enumerate(people.net_wh):
        battery = home.step(forecast(net, seed=result.seed, slot=slot, error_ppm=100_000))
        at_home = [Fraction(int(held), 10**6) for held in home.stored_micro_wh]
        pool = twin.step((net + battery).tolist(), battery.tolist(), at_home)
        moved.append(int(battery.sum()) + sum(pool))
        most = max(most, sum(twin.account, Fraction(0)))
    assert slots["battery_wh"].to_list() == moved
    told = [twin.taken, twin.own, twin.sold, twin.displaced, twin.lost, sum(twin.account)]
    assert [f"{float(wh) / 1000:,.1f}" for wh in told] == re.findall(r"\d+\.\d", result.notes[-1])
    assert 5_000 < most <= people.battery_wh.sum()
    taken = sum(slots["load_wh"]) + sum(slots["battery_wh"])
    assert taken == sum(slots["pv_wh"]) + sum(slots["from_grid_wh"]) - sum(slots["to_grid_wh"])
    assert sum(result.members["bill_nano"]) == sum(result.house.values())
    assert set(result.trades["sell_price_ticks"]) == {230_000}


def test_stored_energy_replaces_the_grid_and_whoever_stores_or_buys_gains(
    weeks: tuple[fc.RunResult, fc.RunResult],
) -> None:
    with_pool, plain = weeks
    for name in ("from_grid_wh", "to_grid_wh"):
        assert with_pool.slots[name].sum() < plain.slots[name].sum()
    saved = plain.members["bill_nano"] - with_pool.members["bill_nano"]
    assert saved.sum() > 0
    assert [note for note in with_pool.notes if "virtual pool" in note]
    assert not [note for note in plain.notes if "virtual pool" in note]
    # members sell in slots in which they had nothing left over, which is what the pool is for
    sold, before = (run.trades.filter(pl.col("seller").is_not_null()) for run in weeks)
    later = sold.join(before, on=["slot", "seller"], how="anti")
    assert later["quantity_wh"].sum() > 10_000
    assert set(later["sell_price_ticks"]) == {230_000}


def test_a_pool_goes_by_meters_and_needs_a_rule_without_bids() -> None:
    data = load_preset("brooklyn").model_dump()
    data["set_up"]["virtual_pool"] = load_preset("sonnen").model_dump()["set_up"]["virtual_pool"]
    with pytest.raises(PresetError, match=r"set_up\.virtual_pool: mechanism uniform has bids"):
        parse_preset(data)
    zero = load_preset("sonnen").model_dump()
    zero["set_up"]["virtual_pool"]["efficiency_percent"]["value"] = "0"
    with pytest.raises(PresetError, match="efficiency_percent"):
        parse_preset(zero)


def test_a_platform_without_batteries_has_an_empty_pool() -> None:
    day = choose_community(load_preset("sonnen"), fc.load_community(season="autumn")).days(1)
    bare = replace(day, members=day.members.with_columns(battery_wh=pl.lit(0, pl.Int64), battery_w=pl.lit(0, pl.Int64)))
    runs = [fc.run(preset, community=bare, days=1) for preset in (load_preset("sonnen"), without_pool("sonnen"))]
    assert runs[0].trades.equals(runs[1].trades)
    assert runs[0].members.equals(runs[1].members)
    assert set(runs[0].slots["battery_wh"]) == {0}
