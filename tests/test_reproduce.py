"""Published figures beside ours: the arithmetic, every experiment in small, and the printed tables in full."""

import json
import math
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from reference import pools_twin as twin
from test_readme import lines
from typer.testing import CliRunner

import fastclear as fc
from fastclear.reproduce import (
    EXPERIMENTS,
    bargaining,
    draws,
    electricity,
    experiment,
    figure,
    oversupply,
    pv_share,
    run,
)
from fastclear.reproduce.__main__ import app
from fastclear.reproduce.figure import Estimate, Figure

ROOT = Path(__file__).parent.parent
SMALL = {
    "mcafee": 2000,
    "bargaining": 20_000,
    "muda": 100,
    "oversupply": 3000,
    "electricity": 100,
    "huang": 200,
    "pv_share": 2,
}


def call(*words):
    return CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "200", "TERM": "dumb"})


# -- arithmetic ---------------------------------------------------------------------------------------------------


def test_linear_strategies_reach_what_was_published():
    assert bargaining.exact() == (Fraction(9, 32), Fraction(27, 32))


def test_expected_lowest_bid_by_another_sum():
    width = oversupply.HIGH - oversupply.LOW + 1
    expected = Fraction(0)
    for step in range(width):
        chance = Fraction(
            (width - step) ** oversupply.BIDS - (width - step - 1) ** oversupply.BIDS, width**oversupply.BIDS
        )
        expected += chance * (oversupply.LOW + step)
    assert oversupply.exact() == expected / 100


def test_truthful_market_power_by_hand():
    # RCAP 2: 10 units from 11 at 24 and 10 from 16 at 26.5, all to the buyer at 37; equilibrium: 20 units at 26
    buyers, sellers = electricity.truthful()["2"]
    assert buyers == Fraction(10 * 13 + 10 * Fraction(21, 2), 20 * 11) - 1
    assert sellers == Fraction(10 * 13 + 10 * Fraction(21, 2), 10 * 15 + 10 * 10) - 1


def test_learning_without_profit_lowers_the_choice():
    propensity = np.array([[2.0, 3.0, 5.0]])
    electricity.experience(propensity, np.array([2]), np.array([0.0]))
    assert propensity == pytest.approx(np.array([[2.0, 3.0, 4.5]]))


def test_choices_follow_propensities():
    share = (np.arange(1000) + 0.5) / 1000
    chosen = electricity.choose(np.tile([1.0, 0.0, 3.0], (1000, 1)), share)
    assert np.bincount(chosen, minlength=3).tolist() == [250, 0, 750]


def test_the_ratio_and_its_error():
    part, whole = np.array([3, 5, 0, 9, 4]), np.array([10, 12, 3, 11, 9])
    found = figure.ratio(part, whole)
    value = part.sum() / whole.sum()
    assert found.value == pytest.approx(value)
    residual = part - value * whole
    assert found.error == pytest.approx(math.sqrt(residual.dot(residual) / (5 * 4)) / whole.mean())
    sample = np.array([1, 4, 4, 7])
    assert figure.mean(sample).error == pytest.approx(sample.std(ddof=1) / 2)
    assert figure.mean_of([Fraction(int(value)) for value in sample]).error == pytest.approx(sample.std(ddof=1) / 2)


def test_ratios_stay_exact_where_squares_leave_64_bits():
    large = np.full(3, 2**40)
    assert figure.ratio(large, large) == Estimate(1.0, 0.0, 0.0, 3)


@pytest.mark.parametrize(
    ("ours", "error", "runs", "published", "relation", "tolerance", "verdict"),
    [
        (1.0, 0.0, 0, 1.0, "=", 0.0, "exact"),
        (1.0, 0.0, 9, 1.0, "=", 0.0, "agrees"),
        (1.1, 0.0, 0, 1.0, "=", 0.2, "agrees"),
        (1.3, 0.1, 9, 1.0, "=", 0.2, "differs"),
        (-0.3, 0.1, 9, 0.0, "<", 0.0, "agrees"),
        (-0.1, 0.1, 9, 0.0, "<", 0.0, "unclear"),
        (0.1, 0.1, 9, 0.0, "<", 0.0, "unclear"),
        (0.3, 0.1, 9, 0.0, "<", 0.0, "differs"),
        (0.3, 0.1, 9, 0.0, ">", 0.0, "agrees"),
        (-0.3, 0.1, 9, 0.0, ">", 0.0, "differs"),
        (0.9, 0.01, 9, 0.87, ">=", 0.0, "agrees"),
        (0.8, 0.01, 9, 0.87, ">=", 0.0, "differs"),
        (0.8, 0.01, 9, None, "=", 0.0, "-"),
    ],
)
def test_verdicts(ours, error, runs, published, relation, tolerance, verdict):
    found = Figure(
        quantity="x", ours=ours, error=error, runs=runs, published=published, relation=relation, tolerance=tolerance
    )
    assert found.verdict == verdict


def test_figures_agree_within_three_errors_of_the_difference():
    ours = Estimate(value=50.0, error=0.3, spread=4.0, runs=178)
    tolerance = 3 * math.hypot(0.3, 4.0 / math.sqrt(100)) + 0.005
    assert ours.against("x", 50.0, 100).tolerance == pytest.approx(tolerance)
    assert ours.against("x", 50.0, None, digits=0).tolerance == pytest.approx(0.9 + 0.5)
    assert ours.against("x", 50.0 + 1.01 * tolerance, 100).verdict == "differs"
    assert ours.against("x", 50.0 + 0.99 * tolerance, 100).verdict == "agrees"


def test_draws_are_pinned():
    """These numbers may never change: every printed table rests on them."""
    assert draws.whole(1, (2, 3), (6,), 1, 1000).tolist() == [90, 229, 947, 837, 329, 143]
    word = 1651299849932390616
    assert draws.one_seed(1, (2, 3)) == word
    assert draws.shares(1, (2, 3), (1,))[0] == (word >> 11) / 2**53


def test_draws_cover_their_range_evenly():
    drawn = draws.whole(7, (0,), (70_000,), -3, 3)
    counts = np.bincount(drawn + 3)
    assert len(counts) == 7
    assert abs(counts - 10_000).max() < 4 * math.sqrt(10_000)


# -- experiments --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_small_runs_contradict_nothing(name):
    # Not seed 1: its first 2000 markets of n = 5 are 4.5 standard errors off, the worst of 150 seeds (spread: 1.0).
    found = run(name, runs=SMALL[name], seed=2)
    assert found.height >= 3
    assert found.schema["published"] == pl.Float64
    assert set(found["experiment"]) == {name}
    differs = found.filter(verdict="differs")
    # what these two runs say against the published ordering is told in chapter 7
    assert differs.is_empty() or (name == "pv_share" and differs["quantity"].str.contains("SDR - MMR").all()), found
    assert not found.filter(pl.col("verdict").is_in(["agrees", "exact"])).is_empty()
    assert (found["standard_error"].is_finite()).all()


@pytest.mark.parametrize("name", ["mcafee", "electricity"])
def test_results_follow_from_the_seed(name):
    runs = 5
    assert run(name, runs=runs, seed=3).equals(run(name, runs=runs, seed=3))
    assert not run(name, runs=runs, seed=3).equals(run(name, runs=runs, seed=4))


def test_one_pair_trades_alike_at_a_uniform_and_a_pairs_price():
    bids = draws.whole(5, (0,), (500,), 0, 100)
    asks = draws.whole(5, (1,), (500,), 0, 100)
    orders = {
        "market": np.repeat(np.arange(500), 2),
        "side": np.tile([1, 0], 500),
        "price": np.stack([bids, asks], axis=1).ravel(),
        "quantity": np.ones(1000, np.int64),
    }
    uniform = fc.clear(orders, fc.Uniform(k=Fraction(1, 2)))
    pairs = fc.clear(orders, fc.Discriminatory(k=Fraction(1, 2)))
    assert np.array_equal(uniform.filled, pairs.filled)
    assert np.array_equal(uniform.payment, pairs.payment)


def test_signs_of_market_power_do_not_hang_on_the_first_propensity():
    for initial in (electricity.INITIAL / electricity.CHOICES, 10 * electricity.INITIAL):
        found = electricity.learn(100, 2, initial=initial)
        for rcap in ("1/2", "1"):
            efficiency, buyers, sellers = found[rcap].estimates()
            assert efficiency.value > 0.85
            assert buyers.value + 2 * buyers.error < 0 < sellers.value - 2 * sellers.error


def test_what_cannot_be_run_is_refused():
    with pytest.raises(fc.FastclearError, match="no experiment 'nobody'"):
        experiment("nobody")
    with pytest.raises(fc.FastclearError, match="runs=1 "):
        run("bargaining", runs=1)
    with pytest.raises(fc.FastclearError, match="seed=-1 "):
        run("bargaining", seed=-1)


def test_sharing_rules_divide_one_saving_and_differ_only_in_who_has_it():
    found = pv_share.sweep(2, 5)
    for share in pv_share.SHARES:
        for run_ in range(2):
            one = {rule: found[share, rule][run_].indices for rule in pv_share.RULES}
            for name in ("value_tapping", "energy_balance", "power_flatness", "self_sufficiency"):
                assert len({getattr(indices, name) for indices in one.values()}) == 1, (share, name)
            assert one["MMR"].value_tapping == 1  # to the unit
            assert one["MMR"].participation_willingness == one["SDR"].participation_willingness == 1
            assert one["BS"].participation_willingness < 1
    # homes with PV keep it as the share grows
    before = np.zeros(60, bool)
    for share in pv_share.SHARES:
        load, net, owns = pv_share.homes_with_pv(share, 1, 5)
        assert owns.sum() == 60 * share // 100
        assert (owns | ~before).all()
        assert ((load - net).any(axis=0) == owns).all()
        before = owns


def test_indices_of_a_share_are_those_of_the_twin():
    load, net, owns = (part[..., ::8] for part in pv_share.homes_with_pv(60, 0, 3))
    load, net = load[40:60], net[40:60]
    assert 0 < owns.sum() < len(owns)
    for rule, name in (("MMR", "mid_market_rate"), ("SDR", "supply_demand_ratio")):
        bills = np.zeros(len(owns), dtype=object)
        for slot in net:
            paid = twin.sides(name, [(at, int(wh), 0) for at, wh in enumerate(slot)], 300_000, 50_000)
            for at, money in paid.items():
                bills[at] += money
        alone = [
            sum(300_000 * max(wh, 0) - 50_000 * max(-wh, 0) for wh in member)
            for member in net.T.astype(object).tolist()
        ]
        indices = fc.metrics.sharing_indices(load, net, bills.tolist(), alone, retail=300_000, feed_in=50_000)
        found = pv_share.outcome(rule, load, net, owns)
        assert found.indices == indices
        saved = [a - b for a, b in zip(alone, bills, strict=True)]
        assert found.to_consumers == Fraction(sum(np.array(saved)[~owns]), sum(saved))


# -- the command --------------------------------------------------------------------------------------------------


def test_the_table_fits_80_columns():
    result = call("--only", "bargaining", "--only", "electricity", "--runs", 5)
    assert result.exit_code == 0
    assert result.stderr == ""
    assert max(len(line) for line in result.stdout.splitlines()) <= 80
    for words in (
        "Chatterjee & Samuelson 1983",
        "trade probability 9/32",
        "exact",
        "signs as the structure has them",
        "Reading:",
    ):
        assert words in result.stdout


def test_the_sweep_is_drawn(tmp_path):
    file = tmp_path / "sweep.svg"
    result = call("--only", "pv_share", "--runs", 2, "--plot", file)
    assert result.exit_code == 0, result.stderr
    svg = file.read_text(encoding="utf-8")
    for words in ("bill sharing", "mid-market rate", "supply-demand ratio", "homes with PV (%)", "overall index (%)"):
        assert words in svg
    assert "name it by --only pv_share" in call("--plot", file).stderr
    assert "name it by --only pv_share" in call("--only", "muda", "--plot", file).stderr
    assert ".html, .png, .svg" in call("--only", "pv_share", "--plot", tmp_path / "sweep.bmp").stderr


def test_json_holds_what_the_frame_holds():
    result = call("--only", "bargaining", "--runs", 500, "--seed", 9, "--json")
    document = json.loads(result.stdout)
    (found,) = document["experiments"]
    assert (document["fastclear"], document["seed"], found["name"]) == (fc.__version__, 9, "bargaining")
    frame = run("bargaining", runs=500, seed=9)
    assert found["figures"] == frame.drop("experiment", "source").to_dicts()


def test_bad_input_is_one_line_and_code_2():
    result = call("--only", "nobody")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "no experiment 'nobody'; take one of mcafee, bargaining" in result.stderr
    assert call("--runs", 1).exit_code == 2
    assert call("--only", "bargaining", "--seed", 2**64).exit_code == 2


def test_the_documentation_shows_what_the_command_prints():
    text = (ROOT / "docs" / "7_reproductions.md").read_text(encoding="utf-8")
    shown = lines("\n".join(block.split("```")[0] for block in text.split("```text\n")[1:]))
    printed = subprocess.run(
        [sys.executable, "-m", "fastclear.reproduce"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
        env={**os.environ, "COLUMNS": "80", "PYTHONIOENCODING": "utf-8"},
    ).stdout
    assert len(shown) > 60
    assert shown == lines(printed)
