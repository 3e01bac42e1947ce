"""Shapley values and the core: the worked cases, all orders, axioms, and intervals that cover."""

from __future__ import annotations

import itertools
import json
from fractions import Fraction
from math import factorial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastclear.errors import SchemaError
from fastclear.metrics import core_check, sampled_shapley, shapley, sharing_value, tabulated

CASES = Path(__file__).parent / "cases" / "coalitions"


@pytest.mark.parametrize("name", ["M01", "M02"])
def test_worked_cases(name):
    case = json.loads((CASES / name / "case.json").read_text())
    inputs, stated = case["inputs"], case["expected"]
    names = list(inputs["net_load_by_member"])
    game = tabulated(
        sharing_value(list(inputs["net_load_by_member"].values()), inputs["retail"], inputs["feed_in"]), len(names)
    )
    assert game[-1] == stated["v_N"]
    shares = shapley(game)
    assert dict(zip(names, shares, strict=True)) == stated["shapley"]
    assert core_check(game, shares).excess == stated["shapley_max_excess"]
    middle = core_check(game, list(stated["mmr_allocation"].values()))
    assert (middle.excess, middle.in_core) == (stated["mmr_max_excess"], stated["mmr_in_core"])
    blocking = None if middle.blocking is None else [names[m] for m in middle.blocking]
    assert blocking == stated["mmr_blocking_coalition"]
    nucleolus = core_check(game, [int(x) for x in stated["nucleolus"].values()])
    assert nucleolus.in_core
    assert nucleolus.excess == stated["nucleolus_max_excess"]


games = st.integers(1, 5).flatmap(
    lambda n: st.lists(st.integers(-50, 50) | st.integers(-(2**61), 2**61), min_size=2**n - 1, max_size=2**n - 1).map(
        lambda values: [0, *values]
    )
)


def by_all_orders(values):
    """The definition: the mean of what a member adds over all orders of joining."""
    n = len(values).bit_length() - 1
    total = [0] * n
    for order in itertools.permutations(range(n)):
        inside = 0
        for member in order:
            total[member] += values[inside | 1 << member] - values[inside]
            inside |= 1 << member
    return [Fraction(t, factorial(n)) for t in total]


@settings(max_examples=60, deadline=None)
@given(games)
def test_shapley_equals_all_orders(values):
    shares = shapley(values)
    assert shares == by_all_orders(values)
    assert sum(shares) == values[-1]


@settings(max_examples=40, deadline=None)
@given(games, st.data())
def test_shapley_axioms(values, data):
    values = [v % 1000 - 500 if i else 0 for i, v in enumerate(values)]
    # additivity
    other = [0] + [data.draw(st.integers(-9, 9)) for _ in values[1:]]
    both = [a + b for a, b in zip(values, other, strict=True)]
    assert shapley(both) == [a + b for a, b in zip(shapley(values), shapley(other), strict=True)]
    # a member that adds nothing gets nothing, and changes nothing for the others
    assert shapley(values * 2) == [*shapley(values), 0]


@settings(max_examples=60, deadline=None)
@given(games, st.data())
def test_core_check_equals_every_coalition(values, data):
    n = len(values).bit_length() - 1
    shares = [Fraction(data.draw(st.integers(-60, 60)), data.draw(st.integers(1, 7))) for _ in range(n)]
    shares[0] += values[-1] - sum(shares) if data.draw(st.booleans()) else 0
    found = core_check(values, shares)
    excess = {s: values[s] - sum((shares[m] for m in range(n) if s >> m & 1), Fraction(0)) for s in range(1, 2**n - 1)}
    most = max(excess.values(), default=Fraction(0))
    assert found.excess == most
    assert found.in_core == (sum(shares) == values[-1] and most <= 0)
    if most > 0:
        assert excess[sum(1 << m for m in found.blocking)] == most
    else:
        assert found.blocking is None


def test_sixteen_members_exactly():
    """Beyond what orders can enumerate: sums to the whole, equal members get the same."""
    random = np.random.default_rng(1)
    net = random.integers(-2000, 2000, (24, 16))
    net[:, 5] = net[:, 9]
    game = tabulated(sharing_value(net, 320_000, 80_000), 16)
    shares = shapley(game)
    assert sum(shares) == int(game[-1])
    assert shares[5] == shares[9]


def test_intervals_cover_the_exact_value():
    """R41: the 95 % interval holds the exact value in at least 93 % of runs and members."""
    random = np.random.default_rng(2)
    covered = tried = 0
    for run in range(60):
        net = random.integers(-1500, 1500, (4, 7))
        value = sharing_value(net, 320, 80)
        exact = np.array([float(share) for share in shapley(tabulated(value, 7))])
        estimate = sampled_shapley(value, 7, pairs=100, seed=run)
        assert estimate.share.sum() == pytest.approx(value(np.ones((1, 7), np.bool_))[0])
        # a member whose every contribution is the same has an interval of width 0, but for the last bit
        slack = 1e-9 * max(abs(exact).max(), 1)
        covered += int(((estimate.low - slack <= exact) & (exact <= estimate.high + slack)).sum())
        tried += 7
    assert covered / tried >= 0.93
    # and it is no interval that holds everything
    assert (estimate.high - estimate.low).mean() < 0.2 * abs(exact).mean()


def test_sampling_is_seeded_and_goes_beyond_sixteen():
    value = sharing_value(np.random.default_rng(3).integers(-900, 900, (2, 40)), 300, 100)
    one, two, other = (sampled_shapley(value, 40, pairs=30, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.share, two.share)
    assert not np.array_equal(one.share, other.share)
    assert one.orders == 60
    with pytest.raises(SchemaError, match="use sampled_shapley"):
        tabulated(value, 40)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: shapley([0, 1, 2]), "2\\^members whole numbers"),
        (lambda: shapley([1, 1]), r"values\[0\] is 1"),
        (lambda: shapley([0, 2**62]), "stay below 2"),
        (lambda: shapley([0, 0.5]), "whole numbers"),
        (lambda: core_check([0, 1], [1, 2]), "shares has 2 members, the game 1"),
        (lambda: sharing_value([2**31, -(2**31)], 2**31, 0), "below 2"),
        (lambda: sharing_value([1], 1, 2), "retail not below feed_in"),
        (lambda: sampled_shapley(sharing_value([1], 2, 1), 1, pairs=1, seed=1), "pairs >= 30"),
        (lambda: sampled_shapley(sharing_value([1], 2, 1), 1, seed=-1), "seed must be"),
    ],
)
def test_games_that_make_no_sense(call, message):
    with pytest.raises(SchemaError, match=message):
        call()


def test_one_member():
    assert shapley([0, 7]) == [7]
    assert core_check([0, 7], [7]).in_core
    assert not core_check([0, 7], [6]).in_core
