"""Plans: no hidden foresight, exact balances, and linear programs held against brute force and against scipy."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastclear.community import (
    Batteries,
    Community,
    DeferrableLoads,
    DieselGenerators,
    EvChargers,
    HeatPumps,
    SharedStorage,
    Windows,
    community_from_frame,
    expectation,
    load_community,
    plan_devices,
)
from fastclear.errors import PresetError

HOUR = 3600 * 10**9


def tiny(load, pv) -> Community:
    """A community of hours from tables of the shape (slots, members)."""
    load, pv = np.asarray(load), np.asarray(pv)
    slots, members = load.shape
    return community_from_frame(
        {
            "slot": np.repeat(1_720_396_800_000_000_000 + HOUR * np.arange(slots), members),
            "participant": np.tile(np.arange(members), slots),
            "load_wh": load.ravel(),
            "pv_wh": pv.ravel(),
        },
        slot_minutes=60,
    )


def some_of_everything(community):
    """Every kind of device at every third member or so."""
    n, slots = community.members.height, len(community.slots)
    pick = np.arange(n) % 3
    return {
        "battery": Batteries.of(community),
        "car": EvChargers(
            Windows.daily(
                community, [0, 3], tz="Europe/Berlin", arrival="18:00", departure="07:00", energy_wh=[9000, 4000]
            ),
            capacity_wh=[40_000] * n,
            charge_w=[11_000] * n,
            discharge_w=np.where(pick == 0, 5000, 0),
            efficiency_ppm=[930_000] * n,
        ),
        "boiler": DeferrableLoads(
            Windows.daily(
                community, [1, 4], tz="Europe/Berlin", arrival="06:00", departure="20:00", energy_wh=[3000, 2500]
            ),
            power_w=[2000] * n,
        ),
        "heat": HeatPumps(
            power_w=np.where(pick == 2, 3000, 0),
            store_wh=[6000] * n,
            demand_wh=np.broadcast_to(np.where(pick == 2, 300, 0), (slots, n)),
            cop_ppm=[3_100_000] * n,
            loss_ppm=[2000] * n,
        ),
        "pool": SharedStorage(20_000, pick, community.slots, 10_000, charge_efficiency_ppm=950_000),
        "diesel": DieselGenerators(
            np.where(pick == 1, 3000, 0), [4000] * n, [250_000] * n, least_power_w=np.where(pick == 1, 1000, 0)
        ),
    }


def small_community(days=2):
    community = load_community().days(days)
    keep = np.arange(community.members.height) < 6
    return replace(
        community,
        members=community.members.filter(keep),
        load_wh=community.load_wh[:, keep],
        pv_wh=community.pv_wh[:, keep],
    )


PRICES = {"retail": 320_000, "feed_in": 80_000}


# --- what a plan may know ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("forecast", ["yesterday", "persistence"])
@pytest.mark.parametrize("rule", ["self_consumption", "price", "lp"])
def test_a_plan_does_not_depend_on_the_future(rule, forecast):
    """Change all load, PV, heat demand and cars after a slot: what was done until then stays the same."""
    community = small_community(2)
    cut = 130
    load, pv = community.load_wh.copy(), community.pv_wh.copy()
    load[cut:], pv[cut:] = pv[cut:] * 2 + 7, load[cut:] // 3
    other = replace(community, load_wh=load, pv_wh=pv)
    assert not np.array_equal(community.net_wh[cut:], other.net_wh[cut:])
    slots, n = community.net_wh.shape
    retail = np.where(np.arange(slots) % 96 < 24, 150_000, 320_000)

    def devices(of, changed):
        demand = np.full((slots, n), 200)
        arrivals, departures, energy = [40, 110, 140], [80, 125, 180], [6000, 3000, 5000]
        if changed:
            demand[cut:] = 900
            arrivals[2], energy[2] = 150, 9000
        return {
            "battery": Batteries.of(of),
            "car": EvChargers(Windows([0] * 3, arrivals, departures, energy), [40_000] * n, [11_000] * n),
            "heat": HeatPumps([2000] * n, [5000] * n, demand, [3_000_000] * n),
        }

    # the program is solved anew in a slot after the cut as well, and every few slots before it
    kw = {"rule": rule, "retail": retail, "feed_in": 80_000, "forecast": forecast, "replan_slots": 26}
    one = plan_devices(community, devices(community, False), **kw)
    two = plan_devices(other, devices(other, True), **kw)
    for name in one.energy_wh:
        np.testing.assert_array_equal(one.energy_wh[name][:cut], two.energy_wh[name][:cut], err_msg=name)
    assert any(not np.array_equal(one.energy_wh[name][cut:], two.energy_wh[name][cut:]) for name in one.energy_wh)


def test_perfect_foresight_does_depend_on_the_future_and_is_cheaper():
    community = tiny([[0], [0], [800]], [[0], [0], [0]])
    other = tiny([[0], [0], [0]], [[0], [0], [0]])

    def battery():
        return {"battery": Batteries([1000], [500], [10**6], slot_ns=HOUR)}

    kw = {"rule": "lp", "retail": [100, 200, 400], "feed_in": 10}
    seeing = plan_devices(community, battery(), foresight="perfect", **kw)
    assert seeing.energy_wh["battery"].ravel().tolist() == [500, 0, -500]
    blind = plan_devices(community, battery(), **kw)
    assert blind.energy_wh["battery"].ravel().tolist() == [0, 0, 0]
    assert not plan_devices(other, battery(), foresight="perfect", **kw).energy_wh["battery"].any()
    assert seeing.cost_nano(kw["retail"], kw["feed_in"]) < blind.cost_nano(kw["retail"], kw["feed_in"])


def test_expectations_see_nothing_after_their_slot():
    table = np.arange(60).reshape(20, 3)
    for slot, steps in ((0, 20), (5, 9), (11, 9), (19, 1)):
        for forecast in ("persistence", "yesterday"):
            other = table.copy()
            other[slot + 1 :] = -5
            told, again = (expectation(t, slot, steps, forecast=forecast, slots_a_day=4) for t in (table, other))
            np.testing.assert_array_equal(told, again)
            assert told[0].tolist() == table[slot].tolist()
    assert expectation(table, 5, 6, forecast="yesterday", slots_a_day=4)[:, 0].tolist() == [15, 6, 9, 12, 15, 6]
    noise = expectation(table, 5, 6, forecast="noise", slots_a_day=4, error_ppm=0)
    np.testing.assert_array_equal(noise, table[5:11])


# --- balances ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["self_consumption", "price"])
def test_every_wh_is_accounted_for(rule):
    community = small_community(2)
    plan = plan_devices(community, some_of_everything(community), rule=rule, **PRICES)
    total = community.load_wh - community.pv_wh
    for energy in plan.energy_wh.values():
        assert energy.dtype == np.int64
        total = total + energy
    np.testing.assert_array_equal(plan.metered_wh, total)
    assert all(not short.any() for short in plan.unserved_wh.values())
    # cars: what came in, less losses, less what went out, is at least what was asked for
    car = plan.energy_wh["car"]
    kept = np.maximum(car, 0).sum(axis=0) * 930_000 - np.maximum(-car, 0).sum(axis=0) * 10**6
    assert (kept[[0, 3]] > np.array([8999, 3999]) * 10**6).all()  # the meter counts whole Wh
    assert plan.energy_wh["boiler"].sum(axis=0)[[1, 4]].tolist() == [6000, 5000]
    frame = plan.to_frame()
    assert frame["metered_wh"].sum() == int(total.sum())
    assert repr(plan) == "<DevicePlan: battery, car, boiler, heat, pool, diesel; 192 slots, 6 members>"
    burnt = -plan.energy_wh["diesel"].sum(axis=0)
    assert plan.fuel_nano.tolist() == (burnt * 250_000).tolist()
    bills = plan.cost_nano(**PRICES)
    meter = plan.metered_wh.tolist()
    for m, bill in enumerate(bills):
        assert bill == sum(320_000 * w[m] if w[m] > 0 else 80_000 * w[m] for w in meter) + int(plan.fuel_nano[m])


def test_the_rule_of_a_battery_is_what_batteries_do_alone():
    day = load_community().days(1)
    plan = plan_devices(day, {"battery": Batteries.of(day)})
    np.testing.assert_array_equal(plan.energy_wh["battery"], Batteries.of(day).plan(day.net_wh))


def test_cheapest_slots_first_is_what_a_search_finds():
    """A load that can wait, and no PV: by price it costs what the cheapest choice of slots costs."""
    random = np.random.default_rng(4)
    for _ in range(60):
        slots, power = 6, 300
        price = random.integers(1, 5, slots) * 100
        begin = int(random.integers(0, 3))
        end = int(random.integers(begin + 1, slots + 1))
        energy = int(random.integers(0, power * (end - begin) + 1))
        nothing = np.zeros((slots, 1), np.int64)
        plan = plan_devices(
            tiny(nothing, nothing),
            {"load": DeferrableLoads(Windows([0], [begin], [end], [energy]), [power], slot_ns=HOUR)},
            rule="price",
            retail=price,
            feed_in=0,
            horizon_slots=slots,
        )
        left, cheapest = energy, 0
        for cost in sorted(price[begin:end].tolist()):
            taken = min(left, power)
            cheapest, left = cheapest + taken * cost, left - taken
        assert plan.cost_nano(price, 0) == [cheapest]
        assert left == 0
        assert plan.unserved_wh["load"].tolist() == [0]


def test_batteries_by_price_keep_energy_for_the_dear_evening():
    load = [[0], [300], [300], [0], [300], [300]] * 2
    pv = [[300], [0], [0], [300], [0], [0]] * 2
    price = [100, 100, 400, 100, 100, 400] * 2
    community = tiny(load, pv)

    def battery():
        return {"battery": Batteries([300], [300], [10**6], slot_ns=HOUR)}

    kw = {"retail": price, "feed_in": 0}
    at_once = plan_devices(community, battery(), **kw)
    kept = plan_devices(community, battery(), rule="price", forecast="noise", error_ppm=0, horizon_slots=6, **kw)
    assert kept.cost_nano(price, 0)[0] < at_once.cost_nano(price, 0)[0]


# --- linear programs --------------------------------------------------------------------------------------------


def brute_force(net, price, sell, capacity, power, efficiency_ppm):
    """The least cost over every sequence of whole energies of one battery."""
    best = None
    for moves in itertools.product(range(-power, power + 1), repeat=len(net)):
        stored, cost = 0, 0
        for n, move, buy, earn in zip(net, moves, price, sell, strict=True):
            stored += move * efficiency_ppm if move > 0 else move * 10**6
            if not 0 <= stored <= capacity * 10**6:
                break
            meter = n + move
            cost += buy * meter if meter > 0 else earn * meter
        else:
            best = cost if best is None else min(best, cost)
    return best


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-3, 3), st.integers(-2, 9), st.integers(-3, 9)), min_size=1, max_size=4),
    st.integers(0, 4),
    st.integers(0, 2),
)
def test_perfect_plans_cost_what_brute_force_finds(slots, capacity, power):
    """Without losses the program has whole solutions: also where prices are negative, or export is dearer than
    import."""
    net, buy, sell = (np.array(column, np.int64) for column in zip(*slots, strict=True))
    # 1 Wh is too fine for a solver's tolerance of 1e-7 to hide anything
    community = tiny(np.maximum(net, 0)[:, None], np.maximum(-net, 0)[:, None])
    plan = plan_devices(
        community,
        {"battery": Batteries([capacity], [power], [10**6], slot_ns=HOUR)},
        rule="lp",
        foresight="perfect",
        retail=buy,
        feed_in=sell,
        replan_slots=100,
    )
    found = plan.cost_nano(buy, sell)[0]
    assert found == brute_force(net.tolist(), buy.tolist(), sell.tolist(), capacity, power, 10**6)


def test_diesel_with_a_least_load_is_switched_as_brute_force_says():
    random = np.random.default_rng(8)
    seen = set()
    for _ in range(25):
        load = random.integers(0, 5, 3)
        retail = random.integers(2, 9, 3)
        fuel, least, power, tank = int(random.integers(1, 8)), 2, 4, int(random.integers(0, 9))
        community = tiny(load[:, None], np.zeros((3, 1), np.int64))
        generator = DieselGenerators([power], [tank], [fuel], least_power_w=[least], slot_ns=HOUR)
        plan = plan_devices(
            community, {"diesel": generator}, rule="lp", foresight="perfect", retail=retail, feed_in=1, replan_slots=9
        )
        choices = [c for c in itertools.product([0, 2, 3, 4], repeat=3) if sum(c) <= tank]
        costs = [
            sum(
                fuel * g + (r * (n - g) if n > g else n - g)
                for n, g, r in zip(load.tolist(), choice, retail.tolist(), strict=True)
            )
            for choice in choices
        ]
        assert plan.cost_nano(retail, 1) == [min(costs)]
        seen |= set((-plan.energy_wh["diesel"]).ravel().tolist())
    assert {0, 2} <= seen


def test_cars_and_heat_cost_what_brute_force_finds():
    """A car with V2G and a target, and a heat pump with a store, each over every sequence of whole energies."""
    random = np.random.default_rng(9)
    given_back = 0
    for _ in range(30):
        net, buy = random.integers(-2, 3, 4), random.integers(2, 9, 4)
        sell = random.integers(0, 3, 4)
        first, energy, capacity = int(random.integers(0, 3)), int(random.integers(0, 4)), 7
        community = tiny(np.maximum(net, 0)[:, None], np.maximum(-net, 0)[:, None])
        kw = {"rule": "lp", "foresight": "perfect", "retail": buy, "feed_in": sell, "replan_slots": 9}
        windows = Windows([0], [0], [3], [energy], [first])
        car = EvChargers(windows, [capacity], [3], [2], slot_ns=HOUR)
        plan = plan_devices(community, {"car": car}, **kw)

        def cost(moves, net=net, buy=buy, sell=sell):
            meters = [n + m for n, m in zip(net.tolist(), moves, strict=True)]
            return sum(b * m if m > 0 else s * m for b, s, m in zip(buy.tolist(), sell.tolist(), meters, strict=True))

        def fits(moves, start, low, high, goal):
            stored = [start + sum(moves[: k + 1]) for k in range(len(moves))]
            return all(low <= s <= high for s in stored) and stored[-1] >= goal

        best = min(
            cost((*moves, 0))
            for moves in itertools.product(range(-2, 4), repeat=3)
            if fits(moves, first, 0, capacity, first + energy)
        )
        assert plan.cost_nano(buy, sell) == [best]
        given_back += int((plan.energy_wh["car"] < 0).sum())

        demand = random.integers(0, 3, 4)
        pump = HeatPumps([3], [4], demand[:, None], [10**6], slot_ns=HOUR)
        plan = plan_devices(community, {"heat": pump}, **kw)
        best = min(
            cost(moves)
            for moves in itertools.product(range(4), repeat=4)
            if fits([m - d for m, d in zip(moves, demand.tolist(), strict=True)], 0, 0, 4, 0)
        )
        assert plan.cost_nano(buy, sell) == [best]
        assert not plan.unserved_wh["heat"].any()
    assert given_back > 5


def test_bills_beyond_64_bits_are_exact():
    top = 2**31 - 1
    community = tiny([[top]] * 4, [[0]] * 4)
    plan = plan_devices(community, {"battery": Batteries([top], [top], [10**6], slot_ns=HOUR)})
    assert plan.cost_nano(top, 0) == [4 * top * top]


def test_a_plan_becomes_a_community_again():
    community = small_community(1)
    plan = plan_devices(community, some_of_everything(community))
    planned = plan.community(community)
    np.testing.assert_array_equal(planned.net_wh, plan.metered_wh)
    assert not planned.battery_wh.any()
    assert planned.source.endswith("; planned: battery, car, boiler, heat, pool, diesel")
    with pytest.raises(PresetError, match="not the community that was planned"):
        plan.community(small_community(2))


def test_linear_plans_agree_with_scipy():
    """One battery with losses over a day, written down a second time, densely, for scipy's linprog."""
    scipy = pytest.importorskip("scipy.optimize", reason="scipy comes with the group `data`")
    from fastclear.community.devices.outlook import Known
    from fastclear.community.linear_plan import cheapest

    random = np.random.default_rng(5)
    for _ in range(5):
        steps, members = 24, 3
        net = random.integers(-1500, 1500, (steps, members))
        buy = random.integers(100, 400, steps)
        sell = random.integers(0, 100, steps)
        capacity, power, efficiency = random.integers(500, 5000, 3), random.integers(200, 1500, 3), 900_000
        fleet = Batteries(capacity, power, [efficiency] * 3, slot_ns=HOUR)
        known = Known(all_ahead=True, expect=lambda table: table)
        ours = cheapest(net, [fleet.outlook(steps, known)], buy, sell).cost
        theirs = 0.0
        for m in range(members):
            # variables: import, export, charge, discharge of each step
            eye, lower = np.eye(steps), np.tril(np.ones((steps, steps)))
            stored = np.hstack([0 * eye, 0 * eye, lower * efficiency / 10**6, -lower])
            answer = scipy.linprog(
                np.concatenate([buy, -sell, np.zeros(2 * steps)]),
                A_ub=np.vstack([stored, -stored]),
                b_ub=np.concatenate([np.full(steps, capacity[m]), np.zeros(steps)]),
                A_eq=np.hstack([eye, -eye, -eye, eye]),
                b_eq=net[:, m],
                bounds=[(0, None)] * (2 * steps) + [(0, power[m])] * (2 * steps),
            )
            assert answer.status == 0
            theirs += answer.fun
        assert ours == pytest.approx(theirs, rel=1e-9)


def test_perfect_foresight_is_a_bound_for_every_rule():
    """No rule is cheaper than the program that knows all: with everything there is but stores of other worth at the
    end."""
    community = small_community(1)
    retail = np.where(np.arange(96) < 28, 150_000, 320_000)

    def devices():
        n = 6
        return {
            "battery": Batteries.of(community),
            "car": EvChargers(Windows([0, 1], [10, 40], [60, 90], [9000, 7000]), [40_000] * n, [7000] * n),
            "boiler": DeferrableLoads(Windows([2], [30], [80], [3000]), [2000] * n),
        }

    cost = {}
    for rule, foresight in (("self_consumption", "none"), ("price", "none"), ("lp", "none"), ("lp", "perfect")):
        plan = plan_devices(
            community, devices(), rule=rule, foresight=foresight, retail=retail, feed_in=80_000, replan_slots=48
        )
        assert all(not short.any() for short in plan.unserved_wh.values())
        cost[rule, foresight] = sum(plan.cost_nano(retail, 80_000))
    bound = cost["lp", "perfect"]
    assert all(bound <= other + 6 * 96 * 320_000 // 2 for other in cost.values())  # half a Wh a slot is rounding
    assert bound < cost["self_consumption", "none"]


def test_program_meets_heat_demand_and_cars_through_all_devices():
    """All kinds of devices together, program and rule: nothing is left unserved."""
    community = small_community(1).take(slice(40, 72))
    devices = some_of_everything(community)
    plan = plan_devices(community, devices, rule="lp", foresight="perfect", **PRICES, replan_slots=48)
    assert all(not short.any() for short in plan.unserved_wh.values())


# --- degenerate communities -------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["self_consumption", "price", "lp"])
@pytest.mark.parametrize(
    ("load", "pv"),
    [
        ([[100]] * 4, [[0]] * 4),
        ([[0]] * 4, [[100]] * 4),
        ([[0, 0]] * 4, [[0, 0]] * 4),
        ([[0, 0, 0]] * 4, [[500, 500, 500]] * 4),
        ([[100]], [[300]]),
    ],
    ids=["one member, no PV", "one member, no load", "nothing at all", "all PV", "one slot"],
)
def test_degenerate_communities(rule, load, pv):
    community = tiny(load, pv)
    n = community.members.height
    devices = {
        "battery": Batteries([1000] * n, [300] * n, [900_000] * n, slot_ns=HOUR),
        "none": Batteries([0] * n, [0] * n, [0] * n, slot_ns=HOUR),
        "car": EvChargers(Windows([], [], [], []), [0] * n, [0] * n),
    }
    plan = plan_devices(community, devices, rule=rule, **PRICES)
    battery = plan.energy_wh["battery"]
    assert not plan.energy_wh["none"].any()
    assert not plan.energy_wh["car"].any()
    net = community.net_wh
    if rule == "self_consumption":
        assert (np.abs(plan.metered_wh) <= np.abs(net)).all()
        if (net <= 0).all():
            assert (battery >= 0).all()
    assert not plan_devices(community, {}, rule=rule, **PRICES).energy_wh


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rule": "magic"}, "rule is one of"),
        ({"forecast": "oracle"}, "forecast is one of"),
        ({"foresight": "some"}, "foresight is one of"),
        ({"rule": "price", "retail": None}, "needs prices"),
        ({"retail": [1, 2]}, "retail must have one value"),
        ({"retail": 0.3}, "retail must be whole numbers"),
        ({"replan_slots": 0}, "replan_slots must be"),
        ({"horizon_slots": True}, "horizon_slots must be"),
    ],
)
def test_plans_that_make_no_sense(change, message):
    community = tiny([[1]] * 4, [[0]] * 4)
    with pytest.raises(PresetError, match=message):
        plan_devices(community, {}, **{**PRICES, **change})


def test_devices_of_another_community():
    with pytest.raises(PresetError, match="device 'battery' has 2 members, the community 1"):
        plan_devices(tiny([[1]], [[0]]), {"battery": Batteries([1, 1], [1, 1], [1, 1])})
