"""Devices: bounds that keep promises, exact balances, and twins one member at a time."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.devices import OneHeatPump, OneWindow

from fastclear.community import (
    Batteries,
    DeferrableLoads,
    DieselGenerators,
    EvChargers,
    HeatPumps,
    SharedStorage,
    Windows,
    community_from_frame,
)
from fastclear.errors import PresetError

QUARTER = 15 * 60 * 10**9
HOUR = 3600 * 10**9


# --- twins ----------------------------------------------------------------------------------------------------

windows_of_one = st.lists(
    st.tuples(st.integers(0, 3), st.integers(1, 5), st.integers(0, 12), st.integers(0, 4)), min_size=0, max_size=3
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(windows_of_one, st.integers(0, 5), st.integers(0, 5), st.sampled_from([10**6, 900_000, 333_333])),
        min_size=1,
        max_size=3,
    ),
    st.data(),
)
def test_cars_equal_the_twin_that_tries_every_energy(members, data):
    capacity = 16
    rows, twins = [], []
    for who, (drawn, charge, discharge, efficiency) in enumerate(members):
        slot, mine = 0, []
        for gap, length, energy, stored in drawn:
            mine.append((slot + gap, slot + gap + length, energy, stored))
            slot += gap + length
        rows += [(who, *window) for window in mine]
        twins.append(OneWindow(mine, capacity, charge, discharge, efficiency))
    table = np.array(rows, np.int64).reshape(-1, 5).T
    cars = EvChargers(
        Windows(*table),
        capacity_wh=[capacity] * len(members),
        charge_w=[m[1] for m in members],
        discharge_w=[m[2] for m in members],
        efficiency_ppm=[m[3] for m in members],
        slot_ns=HOUR,
    )
    for _ in range(16):
        low, high = cars.bounds()
        for twin, least, most in zip(twins, low.tolist(), high.tolist(), strict=True):
            allowed = twin.allowed()
            assert (least, most) == (min(allowed), max(allowed))
            assert allowed == list(range(least, most + 1))  # an interval without holes
        energy = [data.draw(st.integers(a, b)) for a, b in zip(low.tolist(), high.tolist(), strict=True)]
        cars.take(energy)
        for twin, e in zip(twins, energy, strict=True):
            twin.take(e)
        assert cars.unserved_wh.tolist() == [twin.unserved for twin in twins]


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 6),
    st.integers(0, 30),
    st.lists(st.integers(0, 20), min_size=1, max_size=12),
    st.sampled_from([10**6, 2_500_000, 3_333_333]),
    st.sampled_from([0, 1000, 333_333]),
    st.data(),
)
def test_heat_pumps_equal_the_twin(power, store, demand, cop, loss, data):
    pump = HeatPumps([power], [store], [[d] for d in demand], [cop], loss_ppm=[loss], slot_ns=HOUR)
    twin = OneHeatPump(power, store, demand, cop, loss)
    for _ in demand:
        low, high = (int(bound[0]) for bound in pump.bounds())
        assert (low, high) == twin.allowed()
        energy = data.draw(st.integers(low, high))
        pump.take([energy])
        twin.take(energy)
        assert pump.stored_wh[0] == int(twin.stored)
        assert pump.unserved_wh[0] == int(twin.unserved)
        assert 0 <= twin.stored <= store


def test_deferrable_loads_take_exactly_what_they_need():
    random = np.random.default_rng(1)
    for _ in range(200):
        n = 5
        energy, power = random.integers(0, 3000, n), random.integers(0, 4000, n)
        loads = DeferrableLoads(Windows(np.arange(n), np.full(n, 1), np.full(n, 6), energy), power)
        total = np.zeros(n, np.int64)
        for _ in range(8):
            taken = random.integers(*loads.bounds(), endpoint=True)
            loads.take(taken)
            total += taken
        possible = np.minimum(energy, 5 * (power // 4))
        np.testing.assert_array_equal(total, possible)
        np.testing.assert_array_equal(loads.unserved_wh, energy - possible)


# --- storage over 10^5 random steps -----------------------------------------------------------------------------


def test_batteries_stay_within_bounds_in_100_000_random_sequences():
    """Energy in x efficiency = energy out + stored, to the millionth of a Wh, after each of 20 slots."""
    random = np.random.default_rng(2)
    n = 100_000
    capacity, power = random.integers(0, 5000, n), random.integers(0, 12_000, n)
    efficiency = random.integers(1, 10**6, n, endpoint=True)
    fleet = Batteries(capacity, power, efficiency)
    charged, discharged = np.zeros(n, np.int64), np.zeros(n, np.int64)
    for _ in range(20):
        energy = random.integers(*fleet.bounds(), endpoint=True)
        fleet.take(energy)
        charged += np.maximum(energy, 0)
        discharged += np.maximum(-energy, 0)
        assert ((fleet.stored_wh >= 0) & (fleet.stored_wh <= capacity)).all()
        np.testing.assert_array_equal(charged * efficiency, discharged * 10**6 + fleet.stored_micro_wh)
    assert (discharged > 0).mean() > 0.5


def test_cars_leave_as_promised_in_100_000_random_sequences():
    """Whatever is taken or given within the bounds: a car is short only of what full power from the start could not
    do."""
    random = np.random.default_rng(6)
    n, slots = 100_000, 16
    capacity, charge, discharge = (random.integers(1, top, n) for top in (9000, 8000, 8000))
    efficiency = random.integers(500_000, 10**6, n, endpoint=True)
    arrival = random.integers(0, slots - 1, n)
    departure = random.integers(arrival + 1, slots, endpoint=True)
    stored = random.integers(0, capacity, endpoint=True)
    energy = random.integers(0, capacity - stored, endpoint=True)
    cars = EvChargers(
        Windows(np.arange(n), arrival, departure, energy, stored), capacity, charge, discharge, efficiency
    )
    for _ in range(slots):
        low, high = cars.bounds()
        assert (low <= high).all()
        # often at the edge, where promises break
        wish = np.where(random.random(n) < 0.5, low, random.integers(low, high, endpoint=True))
        cars.take(wish)
        assert ((cars.stored_wh >= 0) & (cars.stored_wh <= capacity)).all()
    best = stored * 10**6
    for step in range(slots):
        room = (capacity * 10**6 - best) // efficiency
        best += np.where(step < departure - arrival, np.minimum(charge // 4, room), 0) * efficiency
    missing = np.maximum((stored + energy) * 10**6 - best, 0) // 10**6
    np.testing.assert_array_equal(cars.unserved_wh, missing)
    assert 0.05 < (missing == 0).mean() < 0.95


@pytest.mark.parametrize("virtual", [None, 150_000_000])
def test_shared_storage_in_100_000_random_sequences(virtual):
    """R26: accounts sum to what the battery holds within 1 Wh and stay within shares; also where shares are
    oversold."""
    random = np.random.default_rng(3)
    n, slots = 100_000, 8
    pool = SharedStorage(
        100_000_000,
        random.integers(0, 4, n),
        np.arange(slots) * QUARTER,
        200_000_000,
        charge_efficiency_ppm=950_000,
        discharge_efficiency_ppm=900_000,
        virtual_capacity_wh=virtual,
    )
    charged = discharged = 0
    for _ in range(slots):
        low, high = pool.bounds()
        energy = random.integers(low, high, endpoint=True)
        if random.random() < 0.4:
            energy = high if random.random() < 0.7 else low
        pool.take(energy)
        charged += int(np.maximum(energy, 0).sum())
        discharged += int(np.maximum(-energy, 0).sum())
        balances, held = pool.storage.balances, pool.storage.energy_wh
        parts = balances["carried_nwh"].sum()
        # each account's parts are rounded down to the nWh
        assert 0 <= held - balances["stored_wh"].sum() - parts // 10**9 <= 1
        assert (balances["stored_wh"] >= 0).all()
        assert (balances["stored_wh"] <= balances["share_wh"]).all()
        assert 0 <= held <= 100_000_000
    exact = Fraction(charged * 950_000, 10**6) - Fraction(discharged * 10**6, 900_000)
    assert held == int(exact)
    assert discharged > 0


def test_virtual_pool_never_refuses_what_it_offers():
    pool = SharedStorage(1000, [1, 1, 1], range(0, 20 * QUARTER, QUARTER), 4000, virtual_capacity_wh=3000)
    for _ in range(19):
        pool.take(pool.bounds()[1])
    assert 990 <= pool.storage.energy_wh <= 1000


# --- windows of the local clock ----------------------------------------------------------------------------------


def days_of(tz, first, count, minutes=15):
    """A community of local days, whole."""
    slots = (
        pl.datetime_range(
            pl.lit(first).str.to_datetime().dt.replace_time_zone(tz),
            pl.lit(first).str.to_datetime().dt.offset_by(f"{count}d").dt.replace_time_zone(tz),
            f"{minutes}m",
            closed="left",
            eager=True,
        )
        .dt.convert_time_zone("UTC")
        .dt.cast_time_unit("ns")
    )
    frame = pl.DataFrame({"slot": slots, "participant": "ann", "load_wh": 100, "pv_wh": 0})
    return community_from_frame(frame)


@pytest.mark.parametrize(
    ("tz", "day", "slots", "night"),
    [
        ("Europe/Amsterdam", "2025-03-30", 92, 4 * 11 - 4),
        ("Europe/Amsterdam", "2025-10-26", 100, 4 * 11 + 4),
        ("Europe/London", "2025-03-30", 92, 4 * 11 - 4),
        ("Europe/London", "2025-10-26", 100, 4 * 11 + 4),
        ("Australia/Lord_Howe", "2025-04-06", 98, 4 * 11 + 2),
        ("Australia/Lord_Howe", "2025-10-05", 94, 4 * 11 - 2),
    ],
)
def test_windows_on_switch_days(tz, day, slots, night):
    """A car from 20:00 to 07:00 stays longer, or less long, on the night when clocks change: by half an hour on Lord
    Howe."""
    whole = days_of(tz, day, 1)
    assert len(whole.slots) == slots
    before = str(np.datetime64(day) - 1)
    community = days_of(tz, before, 2)
    windows = Windows.daily(community, [0], tz=tz, arrival="20:00", departure="07:00", energy_wh=[5000])
    assert (windows.columns["departure_slot"] - windows.columns["arrival_slot"]).tolist() == [night]
    at_noon = Windows.daily(community, [0], tz=tz, arrival="11:00", departure="13:00", energy_wh=[1])
    assert (at_noon.columns["departure_slot"] - at_noon.columns["arrival_slot"]).tolist() == [8, 8]
    hour = pl.Series(community.slots[at_noon.columns["arrival_slot"]]).cast(pl.Datetime("ns", "UTC"))
    assert hour.dt.convert_time_zone(tz).dt.hour().to_list() == [11, 11]
    car = EvChargers(windows, [50_000], [11_000])
    for _ in community.slots:
        car.take(car.bounds()[0])
    assert car.unserved_wh.tolist() == [0]


def test_windows_do_not_span_gaps():
    community = days_of("UTC", "2025-01-01", 2)
    holed = community_from_frame(
        community.to_frame().filter(pl.col("slot").dt.hour() != 3), allow_gaps=True, slot_minutes=15
    )
    windows = Windows.daily(holed, [0], tz="UTC", arrival="20:00", departure="07:00", energy_wh=[1])
    assert len(windows) == 0
    windows = Windows.daily(holed, [0], tz="UTC", arrival="20:10", departure="02:50", energy_wh=[1])
    assert windows.columns["departure_slot"] - windows.columns["arrival_slot"] == [26]


# --- comfort, diesel ---------------------------------------------------------------------------------------------


def test_comfort_band_keeps_the_temperature():
    """At the lower bounds the house stays at its lowest temperature: heat in is heat lost."""
    house = HeatPumps.comfort_band(
        [4000],
        low_mc=[20_000],
        high_mc=[22_000],
        capacitance_wh_per_k=[5000],
        loss_w_per_k=[200],
        outside_mc=[0] * 96,
        cop_ppm=[4_000_000],
    )
    total = 0
    for _ in range(96):
        energy = house.bounds()[0]
        house.take(energy)
        total += int(energy[0])
    assert total == 24_000  # 200 W/K x 20 K x 24 h / COP 4
    assert house.unserved_wh.tolist() == [0]
    assert house.stored_wh.tolist() == [0]


def test_diesel_has_a_least_load_and_a_tank():
    generator = DieselGenerators([4000, 4000], tank_wh=[1500, 10_000], fuel_ticks=[1, 1], least_power_w=[2000, 0])
    assert generator.allowed(np.array([-499, -499])).tolist() == [0, -499]
    with pytest.raises(PresetError, match=r"energy_wh of member 0 is -499, beyond what its DieselGenerators"):
        generator.take([-499, 0])
    generator.take([-1000, -1000])
    assert generator.bounds()[0].tolist() == [-500, -1000]
    generator.take([-500, 0])
    assert generator.tank_left_wh.tolist() == [0, 9000]
    assert generator.bounds()[0].tolist() == [0, -1000]


# --- calls that make no sense ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Windows([0], [5], [5], [1]), "window 0 departs in slot 5"),
        (lambda: Windows([0, 0], [0, 2], [3, 5], [1, 1]), "member 0 has a window that ends in slot 3"),
        (lambda: Windows([0], [0], [1], [-1]), "energy_wh of member 0 is -1"),
        (lambda: Windows([0], [0], [1, 2], [1]), "departure_slot must have one value"),
        (lambda: EvChargers(Windows([0], [0], [1], [10]), [5], [1]), "needs 10 Wh stored at departure"),
        (lambda: EvChargers(Windows([1], [0], [1], [1]), [5], [1]), "a window names member 1, there are 1"),
        (lambda: EvChargers(Windows([0], [0], [1], [1]), [5], [1], efficiency_ppm=[0]), "efficiency_ppm of member 0"),
        (lambda: DeferrableLoads(Windows([0], [0], [1], [1], [1]), [5]), "leave arrival_wh out"),
        (lambda: DeferrableLoads(Windows([3], [0], [1], [1]), [5]), "a window names member 3"),
        (lambda: HeatPumps([1], [1], [[1, 1]], [10**6]), "demand_wh must be whole numbers of the shape"),
        (lambda: HeatPumps([1], [1], [[1]], [0]), "cop_ppm is 0"),
        (lambda: HeatPumps([1], [1], [[1]], [[10**6], [10**6]]), "cop_ppm has 2 slots"),
        (lambda: HeatPumps([1], [1], [[-1]], [10**6]), "demand_wh of member 0 in slot 0 is -1"),
        (lambda: HeatPumps([1], [1], [[1]], [10**6], stored_wh_at_start=[2]), "above store_wh"),
        (lambda: DieselGenerators([1], [1], [1], least_power_w=[2]), "above its power_w"),
        (lambda: SharedStorage(10, [0, 0], [0], 1), "weights are all 0"),
        (lambda: Batteries([10], [10], [10**6]).take([11]), "energy_wh of member 0 is 11"),
        (lambda: Batteries([10], [10], [10**6]).take([1, 2]), "energy_wh must have one value"),
    ],
)
def test_calls_that_make_no_sense(make, message):
    with pytest.raises(PresetError, match=message):
        make()


def test_a_refused_energy_changes_nothing():
    car = EvChargers(Windows([0], [0], [3], [1500]), [40_000], [4000])
    before = car.bounds()
    for wrong in ([1001], [-1], [2**40]):
        with pytest.raises(PresetError):
            car.take(wrong)
    assert [b.tolist() for b in car.bounds()] == [b.tolist() for b in before]


def test_devices_say_what_they_are():
    assert (
        repr(EvChargers(Windows([0], [0], [3], [1500]), [40_000], [4000])) == "<EvChargers: 1 members, 0 Wh unserved>"
    )


def test_a_run_longer_than_the_slots_of_a_storage_says_so():
    pool = SharedStorage(1000, [1], [0], 1000)
    pool.take([5])
    with pytest.raises(PresetError, match="slots end after 1"):
        pool.bounds()
    assert pool.unserved_wh.tolist() == [0]


def test_a_run_longer_than_the_demand_says_so():
    pump = HeatPumps([1], [1], [[0]], [10**6])
    pump.take([0])
    with pytest.raises(PresetError, match="demand_wh ends after 1 slots"):
        pump.bounds()


@pytest.mark.parametrize("bad", ["25:00", "noon", None])
def test_bad_clock(bad):
    community = days_of("UTC", "2025-01-01", 1)
    with pytest.raises(PresetError, match="no time of day"):
        Windows.daily(community, [0], tz="UTC", arrival=bad, departure="07:00", energy_wh=[1])
    with pytest.raises(PresetError, match="no time zone"):
        Windows.daily(community, [0], tz="Mars", arrival="01:00", departure="07:00", energy_wh=[1])
