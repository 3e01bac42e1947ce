"""Fairness, concentration, convergence, peaks and the sharing indices: by hand, by definition, and at the edges."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastclear as fc
from fastclear import metrics
from fastclear.errors import SchemaError

numbers = st.lists(st.one_of(st.just(0), st.integers(0, 10), st.integers(0, 2**70)), min_size=1, max_size=8)


@given(numbers)
def test_gini_equals_its_definition(values):
    n, mean = len(values), Fraction(sum(values), len(values))
    pairs = sum(abs(a - b) for a in values for b in values)
    assert metrics.gini(values) == (Fraction(pairs) / (2 * n * n * mean) if mean else None)


@given(numbers)
def test_jain_equals_its_definition_and_bounds(values):
    index = metrics.jain_index(values)
    if not any(values):
        assert index is None
        return
    assert index == Fraction(sum(values) ** 2, len(values) * sum(v * v for v in values))
    assert Fraction(1, len(values)) <= index <= 1
    assert (index == 1) == (len(set(values)) == 1)


def test_fairness_by_hand():
    assert metrics.jain_index([1, 0, 0, 0]) == Fraction(1, 4)
    assert metrics.jain_index([1, 2, 3]) == Fraction(36, 42)
    assert metrics.gini([0, 0, 0, 8]) == Fraction(3, 4)
    assert metrics.gini([1, 2, 3]) == Fraction(2, 9)
    assert metrics.gini([5, 5]) == 0
    bills, without = [90, 40, -5], [100, 40, -10]
    assert metrics.gains(bills, without) == [10, 0, -5]
    assert metrics.worse_off(bills, without) == [2]
    assert metrics.min_gain(bills, without) == -5
    assert metrics.max_regret(bills, [without, [95, 10, -5]]) == 30
    assert metrics.max_regret([1, 1], [[2, 2]]) == 0
    assert metrics.max_regret([], []) is metrics.min_gain([], []) is None


def test_no_one_worse_off_is_exact():
    """One nano beyond what a float could tell."""
    huge = 2**60
    assert metrics.worse_off([huge], [huge]) == []
    assert metrics.worse_off([huge + 1], [huge]) == [0]
    assert float(huge + 1) == float(huge)


def test_concentration_convergence_and_peaks_by_hand():
    assert metrics.hhi([1, 1, 1, 1]) == Fraction(1, 4)
    assert metrics.hhi([7]) == 1
    assert metrics.hhi([0, 0]) is None
    assert metrics.smiths_alpha([200, 200], 200) == 0
    assert metrics.smiths_alpha([], 200) is None
    assert metrics.smiths_alpha([170, 240], 200) == pytest.approx(((900 + 1600) / 2) ** 0.5 / 200)
    assert metrics.settled_after([1, 2], 200, 5) is None
    assert metrics.settled_after([200, 201], 200, 5) == 0
    assert metrics.settled_after([], 200, 5) is None
    hour = 3600 * 10**9
    assert metrics.grid_peak_w(np.array([[300, 200], [100, -900]]), hour) == (500, 800)
    assert metrics.grid_peak_w(np.array([-5, -7]), hour // 4) == (0, 28)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.jain_index([1, -1]), "values, row 1: -1 is below 0"),
        (lambda: metrics.gini([1, 0.5]), "values, row 1: 0.5 is no whole number"),
        (lambda: metrics.hhi([True]), "volumes, row 0: True is no whole number"),
        (lambda: metrics.gains([1], [1, 2]), "bills has 1 members, without 2"),
        (lambda: metrics.max_regret([1], [[1, 2]]), "every alternative needs 1 members"),
        (lambda: metrics.smiths_alpha([1], 0), "equilibrium must be above 0"),
    ],
)
def test_figures_that_make_no_sense(call, message):
    with pytest.raises(SchemaError, match=message):
        call()


# --- the six indices ---------------------------------------------------------------------------------------------


def test_sharing_indices_by_hand():
    """Two slots, three members; retail 300, feed-in 100. Sun at noon, none in the evening."""
    load = np.array([[1000, 200, 300], [600, 400, 0]])
    meter = np.array([[1000, -800, -400], [600, 400, 0]])
    # apart: 300 x 2000 - 100 x 1200 = 480,000; together: 200 Wh out at noon, 1,000 Wh in at night
    without = [480_000, 40_000, -40_000]
    bills = [480_000 - 90_000, 40_000 - 30_000, -40_000 + 20_000]
    indices = metrics.sharing_indices(load, meter, bills, without, retail=300, feed_in=100)
    apart, together = 480_000, 300 * 1000 - 100 * 200
    assert indices.value_tapping == Fraction(100_000, apart - together) == Fraction(1, 2)
    assert indices.participation_willingness == Fraction(2, 3)
    assert indices.equality == 1 - metrics.gini([90_000, 30_000, 0]) == Fraction(1, 2)
    assert indices.energy_balance == 1 - Fraction(200 + 1000, 1000 + 1200 + 1000)
    assert indices.power_flatness == Fraction(1200, 2 * 1000)
    assert indices.self_sufficiency == 1 - Fraction(1000, 2500)
    six = (Fraction(1, 2), Fraction(2, 3), Fraction(1, 2), Fraction(5, 8), Fraction(3, 5), Fraction(3, 5))
    assert indices.overall() == sum(six, Fraction(0)) / 6
    assert indices.overall({"equality": 3, "self_sufficiency": 1}) == (3 * Fraction(1, 2) + Fraction(3, 5)) / 4
    with pytest.raises(SchemaError, match="weights: 'beauty'"):
        indices.overall({"beauty": 1})


def test_sharing_indices_of_nothing():
    none = np.zeros((2, 1), np.int64)
    indices = metrics.sharing_indices(none, none, [0], [0], retail=300, feed_in=100)
    assert indices.value_tapping is indices.equality is indices.energy_balance is indices.power_flatness is None
    assert indices.self_sufficiency is None
    assert indices.participation_willingness == 1
    with pytest.raises(SchemaError, match="must have the shape"):
        metrics.sharing_indices(none, none, [0, 0], [0, 0], retail=300, feed_in=100)


def test_sharing_indices_of_a_run():
    """A day of Brooklyn: within bounds, and willing members are those that the run itself calls not worse off."""
    result = fc.run("brooklyn", days=1, seed=1)
    members = result.members
    bills, without = (members[name].to_list() for name in ("bill_nano", "bill_without_nano"))
    community = result.community
    indices = metrics.sharing_indices(
        community.load_wh, community.net_wh, bills, without, retail=320_000, feed_in=80_000
    )
    willing = sum(a <= b for a, b in zip(bills, without, strict=True))
    assert indices.participation_willingness == Fraction(willing, len(bills))
    for share in (indices.equality, indices.energy_balance, indices.power_flatness, indices.self_sufficiency):
        assert 0 <= share <= 1
    assert metrics.worse_off(bills, without) == [
        m for m, (a, b) in enumerate(zip(bills, without, strict=True)) if a > b
    ]
