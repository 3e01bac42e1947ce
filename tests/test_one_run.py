"""Loads that run through once they have begun: the device, the rules and the program, held against every schedule."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_schedule import HOUR, tiny

from fastclear.community import Batteries, DeferrableLoads, Windows, plan_devices
from fastclear.errors import PresetError


def run_of(energy: int, power: int) -> list[int]:
    """Wh by Wh: what a run takes, slot by slot."""
    slots: list[int] = []
    for _ in range(energy):
        if not slots or slots[-1] == power:
            slots.append(0)
        slots[-1] += 1
    return slots


def schedules(first: int, end: int, energy: int, power: int, slots: int) -> list[list[int]]:
    """Every way in which a load may run: one for each slot in which it can begin and end in time."""
    run = run_of(energy, power) if power else []
    if not run:
        return [[0] * slots]
    begins = [at for at in range(first, end) if at + len(run) <= end] or [first]
    out = []
    for at in begins:
        taken = [0] * slots
        for step, wh in enumerate(run):
            if at + step < min(end, slots):
                taken[at + step] = wh
        out.append(taken)
    return out


def bill(meters: Any, buy: Any, sell: Any) -> int:
    return sum(b * m if m > 0 else s * m for m, b, s in zip(meters, buy, sell, strict=True))


windows = st.tuples(st.integers(0, 2), st.integers(1, 4), st.integers(0, 7), st.integers(0, 3))


@settings(max_examples=150)
@given(windows, st.lists(st.integers(-3, 9), min_size=8, max_size=8))
def test_whatever_is_wished_for_comes_to_one_of_the_schedules(
    window: tuple[int, int, int, int], wishes: list[int]
) -> None:
    first, length, energy, power = window
    load = DeferrableLoads(
        Windows([0], [first], [first + length], [energy]), [power], slot_ns=HOUR, interruptible=False
    )
    taken = []
    for wish in wishes:
        least, most = load.bounds()
        value = load.allowed(np.array([wish]))
        assert value[0] in (least[0], most[0])
        taken.append(int(value[0]))
        load.take(value)
    possible = schedules(first, first + length, energy, power, len(wishes))
    assert taken in possible
    assert load.unserved_wh[0] == energy - sum(taken)
    # and each of them can be reached by wishing for it
    for schedule in possible:
        same = DeferrableLoads(
            Windows([0], [first], [first + length], [energy]), [power], slot_ns=HOUR, interruptible=False
        )
        for wh in schedule:
            same.take([wh])


def test_a_run_cannot_be_broken_off_or_taken_in_part() -> None:
    load = DeferrableLoads(Windows([0], [0], [6], [1000]), [1600], interruptible=False)
    for wrong in (100, 399):
        with pytest.raises(PresetError, match=r"energy_wh of member 0 is .*\(0 to 400 Wh\)"):
            load.take([wrong])
    load.take([400])
    with pytest.raises(PresetError, match=r"is 0, .*\(400 to 400 Wh\)"):
        load.take([0])
    load.take([400])
    load.take([200])
    load.take([0])


prices = st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 9), st.integers(0, 9)), min_size=2, max_size=6)


@settings(max_examples=120, deadline=None)
@given(prices, st.lists(windows, min_size=1, max_size=2), st.integers(0, 2))
def test_the_program_costs_what_every_schedule_comes_to_at_best(
    slots: list[tuple[int, int, int]], loads: list[tuple[int, int, int, int]], battery: int
) -> None:
    """Two members with a run each, or one run after another at one member, beside a small battery without losses."""
    net, buy, sell = (np.array(column, np.int64) for column in zip(*slots, strict=True))
    n = len(net)
    first, length, energy, power = loads[0]
    rows = [(first, first + length, energy)]
    if len(loads) == 2:
        begin = first + length + loads[1][0]
        rows.append((begin, begin + loads[1][1], loads[1][2]))
    begins, ends, needs = (list(column) for column in zip(*rows, strict=True))
    plan = plan_devices(
        tiny(np.maximum(net, 0)[:, None], np.maximum(-net, 0)[:, None]),
        {
            "battery": Batteries([battery], [1], [10**6], slot_ns=HOUR),
            "load": DeferrableLoads(
                Windows([0] * len(rows), begins, ends, needs), [power], slot_ns=HOUR, interruptible=False
            ),
        },
        rule="lp",
        foresight="perfect",
        retail=buy,
        feed_in=sell,
        replan_slots=100,
    )
    # a window may go on after the last slot: what is taken there costs nothing here
    ways = [schedules(begin, end, need, power, n) for begin, end, need in rows]
    moves = [
        move
        for move in itertools.product((-1, 0, 1), repeat=n)
        if all(0 <= held <= battery for held in itertools.accumulate(move))
    ]
    totals = {tuple(map(sum, zip(*choice, strict=True))) for choice in itertools.product(*ways)}
    best = min(
        bill((net + np.array(total) + np.array(move)).tolist(), buy.tolist(), sell.tolist())
        for total in totals
        for move in moves
    )
    assert plan.cost_nano(buy, sell)[0] == best
    assert tuple(plan.energy_wh["load"][:, 0].tolist()) in totals


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=5, max_size=8), st.lists(windows, min_size=1, max_size=4))
def test_by_price_a_run_begins_where_it_costs_least_and_there_at_the_earliest(
    buy: list[int], loads: list[tuple[int, int, int, int]]
) -> None:
    n, members = len(buy), len(loads)
    first, length, energy, power = (list(column) for column in zip(*loads, strict=True))
    ends = [min(a + b, n) for a, b in zip(first, length, strict=True)]
    load = DeferrableLoads(Windows(range(members), first, ends, energy), power, slot_ns=HOUR, interruptible=False)
    nothing = np.zeros((n, members), np.int64)
    plan = plan_devices(tiny(nothing, nothing), {"load": load}, rule="price", retail=buy, feed_in=0, horizon_slots=n)
    for member in range(members):
        ways = schedules(first[member], ends[member], energy[member], power[member], n)
        costs = [sum(p * wh for p, wh in zip(buy, way, strict=True)) for way in ways]
        assert plan.energy_wh["load"][:, member].tolist() == ways[costs.index(min(costs))]


def test_without_prices_it_waits_for_surplus_and_at_last_for_nothing() -> None:
    net = [5, 5, -1, -3, 5, 5, 5, 5]
    for slots, begins in ((net, 3), ([5] * 8, 5)):
        load = DeferrableLoads(Windows([0], [0], [8], [9]), [4], slot_ns=HOUR, interruptible=False)
        profile = np.array(slots)
        plan = plan_devices(tiny(np.maximum(profile, 0)[:, None], np.maximum(-profile, 0)[:, None]), {"load": load})
        assert plan.energy_wh["load"][:, 0].tolist() == [0] * begins + [4, 4, 1] + [0] * (5 - begins)


def test_an_interruptible_load_is_what_it_was() -> None:
    """Two hours of the cheapest, apart: only without a break do they have to lie together."""
    buy = [9, 1, 9, 1, 5, 4]
    nothing = np.zeros((6, 1), np.int64)

    def hours(interruptible: bool) -> list[int]:
        load = DeferrableLoads(Windows([0], [0], [6], [6]), [3], slot_ns=HOUR, interruptible=interruptible)
        plan = plan_devices(tiny(nothing, nothing), {"load": load}, rule="price", retail=buy, feed_in=0)
        return [int(wh) for wh in plan.energy_wh["load"][:, 0]]

    assert hours(interruptible=True) == [0, 3, 0, 3, 0, 0]
    assert hours(interruptible=False) == [0, 0, 0, 3, 3, 0]
