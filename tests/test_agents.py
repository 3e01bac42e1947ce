"""Batteries by rule, zero-intelligence bids and forecasts: exact, bounded, reproducible."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastclear.community import Batteries, agents, forecast, load_community, zero_intelligence
from fastclear.errors import PresetError

TOP = 2**31 - 1
QUARTER_NS = 15 * 60 * 10**9


class OneBattery:
    """Naive twin: one battery, exact fractions, the rule as one would say it."""

    def __init__(self, capacity_wh, power_w, efficiency_ppm, slot_ns):
        self.capacity, self.efficiency = capacity_wh, Fraction(efficiency_ppm, 10**6)
        self.limit = int(Fraction(power_w * slot_ns, 3600 * 10**9))
        self.stored = Fraction(0)

    def step(self, net):
        if net < 0:
            most = int((self.capacity - self.stored) / self.efficiency) if self.capacity else 0
            charge = min(-net, self.limit, most)
            self.stored += charge * self.efficiency
            return charge
        discharge = min(net, self.limit, int(self.stored))
        self.stored -= discharge
        return -discharge


batteries = st.lists(
    st.tuples(
        st.one_of(st.just(0), st.integers(1, 20_000), st.just(TOP)),
        st.one_of(st.integers(0, 12_000), st.just(TOP)),
        st.one_of(st.integers(1, 10**6), st.just(10**6)),
    ),
    min_size=1,
    max_size=5,
)
nets = st.one_of(st.integers(-5000, 5000), st.integers(-TOP, TOP), st.just(0))


@settings(max_examples=200, deadline=None)
@given(batteries, st.sampled_from([QUARTER_NS, 4 * QUARTER_NS, 7 * 60 * 10**9, 10**9 + 1]), st.data())
def test_batteries_equal_the_naive_twin_and_lose_nothing(members, slot_ns, data):
    capacity, power, efficiency = (np.array(column, dtype=np.int64) for column in zip(*members, strict=True))
    fleet = Batteries(capacity, power, efficiency, slot_ns=slot_ns)
    twins = [OneBattery(*member, slot_ns) for member in members]
    charged, discharged = [0] * len(members), [0] * len(members)
    for _ in range(data.draw(st.integers(1, 20))):
        net = data.draw(st.lists(nets, min_size=len(members), max_size=len(members)))
        did = fleet.step(net)
        assert did.tolist() == [twin.step(n) for twin, n in zip(twins, net, strict=True)]
        stored = fleet.stored_micro_wh
        assert (stored >= 0).all()
        assert (stored <= capacity * 10**6).all()
        for m, (d, n) in enumerate(zip(did.tolist(), net, strict=True)):
            charged[m] += max(d, 0)
            discharged[m] += max(-d, 0)
            assert abs(n + d) <= abs(n)  # never against the home
            assert (n + d) * n >= 0  # never to the other side
            # energy in, times efficiency, is energy out plus energy kept: exactly, to the millionth of a Wh
            assert charged[m] * int(efficiency[m]) == discharged[m] * 10**6 + int(stored[m])
            assert int(stored[m]) == twins[m].stored * 10**6


def test_battery_of_a_day_by_hand():
    fleet = Batteries([1000], [2000], [900_000])
    assert [int(fleet.step([n])[0]) for n in (-300, -600, -600, 200, 600, 600)] == [
        300,
        500,
        311,
        -200,
        -500,
        -299,
    ]
    # charged 1,111 Wh keep 999.9; 999 came out and 0.9 Wh is left
    assert fleet.stored_micro_wh.tolist() == [900_000]
    assert fleet.stored_wh.tolist() == [0]
    assert repr(fleet) == "<Batteries: 1 of 1 members, 0 of 1000 Wh stored>"


def test_batteries_of_a_community():
    week = load_community().days(7)
    fleet, again = Batteries.of(week), Batteries.of(week)
    plan = fleet.plan(week.net_wh)
    np.testing.assert_array_equal(plan, np.array([again.step(row) for row in week.net_wh]))
    assert (plan[:, week.battery_wh == 0] == 0).all()
    assert (plan[:, week.battery_wh > 0] != 0).any(axis=0).all()
    assert (np.abs(plan) <= week.battery_w // 4).all()
    # self-consumption rises: less is bought and less is sold than without
    met = week.net_wh + plan
    assert np.maximum(met, 0).sum() < np.maximum(week.net_wh, 0).sum()
    assert np.maximum(-met, 0).sum() < np.maximum(-week.net_wh, 0).sum()


def test_batteries_have_no_foresight():
    """What happens later does not change what happened."""
    week = load_community().days(2)
    whole = Batteries.of(week).plan(week.net_wh)
    other = week.net_wh.copy()
    other[100:] = -other[100:]
    np.testing.assert_array_equal(Batteries.of(week).plan(other)[:100], whole[:100])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"capacity_wh": [-1, 1]}, "capacity_wh of member 0 is -1"),
        ({"capacity_wh": [1.5, 1]}, "capacity_wh must be whole numbers"),
        ({"power_w": [1]}, r"power_w must have one value a member \(2\)"),
        ({"power_w": [1, 2**31]}, "power_w of member 1 is 2147483648"),
        ({"efficiency_ppm": [0, 900_000]}, "efficiency_ppm is 0 for a battery that exists"),
        ({"efficiency_ppm": [1_000_001, 1]}, "from 0 to 1000000"),
        ({"stored_wh": [0, 101]}, "stored_wh of member 1 is above its capacity_wh"),
        ({"slot_ns": 0}, "slot_ns must be"),
    ],
)
def test_bad_batteries(change, message):
    good = {"capacity_wh": [100, 100], "power_w": [100, 100], "efficiency_ppm": [900_000, 900_000]}
    Batteries(**good)
    with pytest.raises(PresetError, match=message):
        Batteries(**{**good, **change})


@pytest.mark.parametrize("net", [[1], [1.0, 2.0], [[1, 2]], [2**31, 0], [-(2**31), 0]])
def test_bad_net_leaves_batteries_alone(net):
    fleet = Batteries([100, 100], [400, 400], [10**6, 10**6], stored_wh=[50, 50])
    with pytest.raises(PresetError, match="net_wh"):
        fleet.step(net)
    assert fleet.stored_wh.tolist() == [50, 50]
    with pytest.raises(PresetError, match="net_wh must have the shape"):
        fleet.plan([1, 2])


# --- bids -------------------------------------------------------------------------------------------------

PRICES = {"retail": 320_000, "feed_in": 80_000, "fees": 25_000}


@settings(max_examples=200, deadline=None)
@given(
    st.lists(nets, max_size=30),
    st.integers(-(2**31) + 1, TOP),
    st.integers(-(2**31) + 1, TOP),
    st.integers(0, 10**6),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**31 - 1),
)
def test_nobody_bids_where_it_could_lose(net, retail, feed_in, fees, seed, slot):
    orders = zero_intelligence(net, retail=retail, feed_in=feed_in, fees=fees, seed=seed, slot=slot)
    wanted = [(m, n) for m, n in enumerate(net) if n] if feed_in <= retail - fees else []
    assert orders.participant.tolist() == [m for m, _ in wanted]
    assert orders.quantity.tolist() == [abs(n) for _, n in wanted]
    assert orders.side.tolist() == [int(n > 0) for _, n in wanted]
    assert orders.order.tolist() == [slot * len(net) + m for m, _ in wanted]
    assert (orders.price + fees <= retail).all()
    assert (orders.price >= feed_in).all()
    assert orders.side.dtype == np.uint8
    assert {a.dtype for a in (orders.price, orders.quantity, orders.order, orders.participant)} == {np.dtype("int64")}
    assert list(orders.columns()) == ["side", "price", "quantity", "order", "participant"]
    assert len(orders) == len(wanted)


def test_no_trade_can_leave_anyone_worse_off_than_the_backstop():
    """All prices a rule may set between an ask and a bid, against buying at retail and selling at feed-in."""
    for slot in range(50):
        net = np.array([400, -300, 200, -500, 100, -50])
        orders = zero_intelligence(net, **PRICES, seed=3, slot=slot)
        bids, asks = orders.price[orders.side == 1], orders.price[orders.side == 0]
        for bid in bids:
            for ask in asks[asks <= bid]:
                for price in (ask, (ask + bid) // 2, bid):
                    assert price + PRICES["fees"] <= PRICES["retail"]
                    assert price >= PRICES["feed_in"]


def test_bids_are_the_same_whatever_the_run_length_and_the_others_do():
    net = np.array([400, -300, 200, -500])
    one = zero_intelligence(net, **PRICES, seed=7, slot=12)
    for slot in range(20):
        zero_intelligence(net, **PRICES, seed=7, slot=slot)
        forecast(net, seed=7, slot=slot, error_ppm=1000)
    np.testing.assert_array_equal(zero_intelligence(net, **PRICES, seed=7, slot=12).price, one.price)
    # a member that stays away, or changes sides, does not move the prices of the rest
    np.testing.assert_array_equal(
        zero_intelligence([0, 300, 200, -500], **PRICES, seed=7, slot=12).price, one.price[1:]
    )
    assert zero_intelligence(net, **PRICES, seed=8, slot=12).price.tolist() != one.price.tolist()
    assert zero_intelligence(net, **PRICES, seed=7, slot=13).price.tolist() != one.price.tolist()


def test_bids_are_pinned():
    """PCG64 and SeedSequence are stable by numpy's promise; a change here changes every published run."""
    orders = zero_intelligence([400, -300, 200], **PRICES, seed=1, slot=0)
    assert orders.price.tolist() == [269533, 272322, 123666]
    assert forecast([1000, -2000, 3000], seed=1, slot=0, error_ppm=100_000).tolist() == [1059, -1882, 3533]


def test_bids_are_uniform_over_the_whole_interval():
    narrow = {"retail": 12, "feed_in": 0, "fees": 2}
    drawn = np.concatenate(
        [zero_intelligence(np.full(500, 10), **narrow, seed=5, slot=slot).price for slot in range(40)]
    )
    count = np.bincount(drawn, minlength=11)
    assert len(count) == 11  # both ends belong to it
    expected = len(drawn) / 11
    chi2 = ((count - expected) ** 2 / expected).sum()
    assert chi2 < 29.6  # 10 degrees of freedom, 0.1 %; the seed is fixed


def test_nobody_bids_where_fees_eat_the_gain():
    assert len(zero_intelligence([5, -5], retail=100, feed_in=90, fees=11, seed=0, slot=0)) == 0
    assert zero_intelligence([5, -5], retail=100, feed_in=90, fees=10, seed=0, slot=0).price.tolist() == [
        90,
        90,
    ]
    assert len(zero_intelligence([], **PRICES, seed=0, slot=0)) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"retail": 0.3}, "retail must be whole ticks"),
        ({"feed_in": 2**31}, "feed_in must be whole ticks"),
        ({"fees": -1}, "fees must not be negative"),
        ({"fees": True}, "fees must be whole ticks"),
        ({"seed": -1}, "seed must be a whole number"),
        ({"seed": 2**64}, "seed must be a whole number"),
        ({"slot": -1}, "slot must be a whole number"),
        ({"slot": 1.0}, "slot must be a whole number"),
        ({"net_wh": [0.5]}, "net_wh must be one whole number"),
        ({"net_wh": 5}, "net_wh must be one whole number"),
        ({"net_wh": [2**31]}, "net_wh must stay between"),
    ],
)
def test_bad_arguments_of_bids(change, message):
    good = {"net_wh": [5, -5], **PRICES, "seed": 0, "slot": 0}
    with pytest.raises(PresetError, match=message):
        zero_intelligence(**{**good, **change})


# --- forecasts --------------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(st.lists(nets, max_size=20), st.integers(0, 2**64 - 1), st.integers(0, 2**31 - 1), st.integers(0, 10**6))
def test_forecast_stays_within_its_bounds(net, seed, slot, error_ppm):
    expected = forecast(net, seed=seed, slot=slot, error_ppm=error_ppm)
    assert expected.dtype == np.int64
    assert expected.tolist() == forecast(net, seed=seed, slot=slot, error_ppm=error_ppm).tolist()
    for n, e in zip(net, expected.tolist(), strict=True):
        assert abs(e - n) <= abs(n) * 3 * error_ppm / 10**6 + 0.5
        assert abs(e) <= TOP
        if error_ppm <= 333_333:
            assert e * n >= 0


@settings(max_examples=300, deadline=None)
@given(
    nets,
    st.one_of(st.integers(-3 * 10**6, 3 * 10**6), st.sampled_from([500_000, -500_000, 100_000, -300_000])),
)
def test_forecast_rounds_halves_to_even(net, error):
    exact = round(Fraction(net * (10**6 + error), 10**6))  # Python rounds halves to even
    assert agents._with_error(np.array([net]), np.array([error])).tolist() == [max(min(exact, TOP), -TOP)]


@pytest.mark.parametrize(("net", "expected"), [(1, 2), (3, 4), (5, 8), (-1, -2), (-3, -4), (-5, -8)])
def test_forecast_of_exact_halves(net, expected):
    assert agents._with_error(np.array([net]), np.array([500_000])).tolist() == [expected]


def test_forecast_without_error_is_the_truth():
    net = load_community().days(1).net_wh
    for slot, row in enumerate(net):
        np.testing.assert_array_equal(forecast(row, seed=1, slot=slot, error_ppm=0), row)


def test_forecast_error_has_the_stated_size():
    net = np.full(2000, 10**6)
    error = np.concatenate(
        [forecast(net, seed=2, slot=slot, error_ppm=100_000) - net for slot in range(20)]
    )  # in ppm, as net is a million
    assert abs(error.std() - 100_000) < 1500
    assert abs(error.mean()) < 1500
    assert np.abs(error).max() <= 300_000


@pytest.mark.parametrize("error_ppm", [-1, 0.1, 10**6 + 1, True])
def test_bad_forecast(error_ppm):
    with pytest.raises(PresetError, match="error_ppm must be"):
        forecast([1], seed=0, slot=0, error_ppm=error_ppm)


def test_draws_are_raw_words_scaled_down():
    """The same by whole numbers of any length."""
    seed, slot = 11, 40
    low, width = PRICES["feed_in"], PRICES["retail"] - PRICES["fees"] - PRICES["feed_in"] + 1
    words = np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(0, slot))).random_raw(500)
    orders = zero_intelligence([1] * 500, **PRICES, seed=seed, slot=slot)
    assert orders.price.tolist() == [low + (word * width >> 64) for word in words.tolist()]
