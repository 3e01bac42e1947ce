"""`fastclear bench`: that it measures every row, shows it, and that all contestants agree. How fast is no test."""

import itertools
import json
import subprocess
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from test_cli import call, refused

import fastclear as fc
from fastclear.bench import memory, numpy_clearing, polars_clearing, runner, workloads
from fastclear.bench.cases import DISTRIBUTIONS, PRICES, Plan, cases
from fastclear.bench.child import avx512
from fastclear.bench.goals import Aim, Goal, goals
from fastclear.bench.plot import Line, chart
from fastclear.bench.runner import DEFAULT, WITHOUT_AVX512, Measured
from fastclear.bench.timing import Contest, ratio, run, typical
from fastclear.bench.view import cells, figure, markdown, report, tally
from fastclear.console import as_text

PLAN = Plan.up_to((100, 2_000), rounds=3, slow_rounds=1)


@pytest.fixture(scope="module")
def document() -> dict:
    """What the command prints, run once for all tests of it."""
    result = call("bench", "--quick", "--json")
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def measured(document: dict) -> Measured:
    return Measured(document["machine"], document["settings"], document["peaks"])


# -- what is measured ---------------------------------------------------------------------------------------------


def test_every_case_has_a_row_and_every_contestant_its_rounds(document: dict) -> None:
    expected = [(case.name, case.n) for case in cases(PLAN)]
    rows = document["settings"][DEFAULT]
    assert [(row["case"], row["n"]) for row in rows] == expected
    assert len(expected) > 20
    assert len(set(expected)) == len(expected)
    for row in rows:
        assert "fastclear" in row["cpu"]
        for clock in {"cpu", "wall"} & set(row):
            for taken in row[clock].values():
                assert len(taken) == 3
                assert taken[0] > 0


def test_the_second_setting_of_numpy_has_what_sorts(document: dict) -> None:
    if not avx512():
        assert WITHOUT_AVX512 not in document["settings"]
        return
    rows = document["settings"][WITHOUT_AVX512]
    assert [(row["case"], row["n"]) for row in rows] == [(case.name, case.n) for case in cases(PLAN) if case.sorts]
    assert all("wall" not in row for row in rows)


def test_numpy_really_leaves_avx512_alone_in_the_second_setting() -> None:
    names = avx512()
    words = runner.command(PLAN, only_sorts=True)
    environment = dict(runner.os.environ, NPY_DISABLE_CPU_FEATURES=" ".join(names))
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True) as child:
        facts = json.loads(child.stdout.readline())
        child.kill()
    assert facts["avx512"] == []


def test_a_plan_covers_what_the_goals_are_about() -> None:
    full = Plan.up_to((10_000_000, 100, 10_000, 1_000_000, 100_000))
    names = {case.name for case in cases(full)}
    assert names >= {f"{case} {kind}" for case in ("book", "timed", "trades", "many", "mixed") for kind in PRICES}
    assert names >= {kind.replace("_", " ") for kind in DISTRIBUTIONS} | {"one price", "call"}
    assert full.orders == (100, 10_000, 100_000, 1_000_000, 10_000_000)
    assert (full.distributions, full.one_price, full.markets) == (4_000_000, 1_000_000, 100_000)


def test_memory_is_measured_where_the_system_tells_it(document: dict) -> None:
    if not memory.can_measure():
        assert document["peaks"] == []
        return
    assert [peak["kind"] for peak in document["peaks"]] == list(PRICES)
    assert all(peak["bytes_per_order"] >= 0 for peak in document["peaks"])


def test_a_round_calls_everyone_and_ratios_are_taken_within_it() -> None:
    called = []
    contest = Contest.of({name: lambda name=name: called.append(name) for name in "abc"}, 10, "wall")
    taken = run(contest, rounds=4, slow_rounds=2)
    assert {name: len(rounds) for name, rounds in taken.items()} == {"a": 4, "b": 4, "c": 4}
    assert set(called) == {"a", "b", "c"}
    firsts = [name for before, name in itertools.pairwise(called) if before != name]
    assert len(firsts) >= 11  # in turn, whatever the repeats
    assert ratio([2.0, 9.0, None], [1.0, 3.0, 7.0]) == 2.5
    assert typical([3.0, None, 1.0]) == 2.0


# -- the yardsticks -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", workloads.KINDS)
@pytest.mark.parametrize("n", [2, 3, 50, 4_097, 70_000, 150_000])
def test_the_yardsticks_of_one_market_give_the_same_result(kind: str, n: int) -> None:
    columns = workloads.book(n, kind)
    clearing = fc.clear(columns, fc.Uniform())
    market = clearing.market_columns
    for yardstick in (numpy_clearing.uniform, numpy_clearing.uniform_sorted, numpy_clearing.uniform_usual):
        result = yardstick(columns, np.empty(n, np.int64))
        assert np.array_equal(result.filled, clearing.filled)
        found = (result.low, result.high, result.price, result.volume, result.welfare)
        names = ("price_low", "price_high", "price", "volume", "welfare")
        assert found == tuple(int(market[name][0]) for name in names)
    assert np.array_equal(polars_clearing.one_market(pl.DataFrame(columns))["filled"].to_numpy(), clearing.filled)
    timed = workloads.timed(columns)
    by_time = fc.clear(timed, fc.Uniform(rationing="time"))
    assert np.array_equal(numpy_clearing.by_time(timed, result), by_time.filled)


def test_the_bracket_of_the_sample_is_checked() -> None:
    """Prices that the sample never sees: the level lies outside its bracket, and is found all the same."""
    n = 100_000
    columns = {name: column.copy() for name, column in workloads.book(n, "wide").items()}
    seen = slice(6, None, 12)  # the places that it looks at
    columns["price"][:] = 1_000_000
    columns["price"][seen] = np.arange(len(columns["price"][seen]))
    result = numpy_clearing.uniform(columns, np.empty(n, np.int64))
    clearing = fc.clear(columns, fc.Uniform())
    assert result.low == clearing.market_columns["price_low"][0] == 1_000_000
    assert np.array_equal(result.filled, clearing.filled)


def test_a_yardstick_that_differs_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = numpy_clearing.uniform

    def wrong(*arguments: object) -> numpy_clearing.Result:
        result = honest(*arguments)
        result.filled[0] += 1
        return result

    monkeypatch.setattr(numpy_clearing, "uniform", wrong)
    with pytest.raises(AssertionError, match=r"numpy .* and fastclear differ in a fill"):
        next(case for case in cases(PLAN) if case.name == "book wide").races()


# -- what is shown ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [40, 80, 100])
def test_the_tables_fit(width: int, measured: Measured) -> None:
    text = as_text(report(measured, goals(PLAN, measured)), width)
    assert max(len(line) for line in text.splitlines()) <= width
    assert "…" not in text
    for words in ("book narrow", "argsort", "call of 50, in all", "of np.argsort"):
        assert words.split()[0] in text
    if width >= 80:
        rows = len(list(cases(PLAN))) + len(goals(PLAN, measured))
        assert len(text.splitlines()) < rows + 25  # tables, a line a row, not lists


def test_the_command_prints_the_tables() -> None:
    result = call("bench", "--quick", "--orders", 500, width=80)
    assert result.exit_code == 0
    assert "book wide" in result.stdout
    assert "goals reached" in result.stdout
    assert max(len(line) for line in result.stdout.splitlines()) <= 80


def test_the_table_has_times_of_others_over_ours() -> None:
    row = {"case": "book wide", "n": 100, "cpu": {"fastclear": [2.0, 4.0, 2.0], "np.sort": [6.0, 8.0, 5.0]}}
    faster = {"case": "book wide", "n": 100, "cpu": {"fastclear": [2.0, 2.0, 2.0], "np.sort": [4.0, 4.0, 4.0]}}
    one = Measured({}, {DEFAULT: [row]})
    assert one.ratio("book wide", 100, "fastclear", "np.sort") == 0.4
    both = Measured({}, {DEFAULT: [row], WITHOUT_AVX512: [faster]})
    assert both.ratio("book wide", 100, "fastclear", "np.sort") == 0.5  # the setting that is harder for us
    (line,) = cells(both)
    assert line[:3] == ["book wide", "100", "2.0"]
    assert "2.0" in line[3:]


def test_goals_are_judged_by_the_harder_setting_and_only_at_their_sizes(measured: Measured) -> None:
    small = goals(PLAN, measured)
    assert {aim.bound for goal in small for aim in (goal.narrow, goal.wide) if aim} == {None, 3, 20, 25}
    book = {
        "case": "book wide",
        "n": 10_000,
        "cpu": {"fastclear": [0.5], "np.sort": [1.0]},
    }
    plan = Plan.up_to((10_000,))
    (goal,) = [goal for goal in goals(plan, Measured({}, {DEFAULT: [book]})) if goal.wide]
    assert goal.wide == Aim(0.5, 0.60)
    assert goal.met
    slower = {**book, "cpu": {"fastclear": [0.7], "np.sort": [1.0]}}
    (goal,) = goals(plan, Measured({}, {DEFAULT: [book], WITHOUT_AVX512: [slower]}))
    assert not goal.met
    assert tally([goal]) == "0 of 1 goals reached (✗: not)"
    assert not Aim(49.0, 50, at_least=True).met
    assert Goal("what", "unit", None, Aim(1.0)).met


def test_markdown_is_a_table() -> None:
    lines = markdown(("name", "n"), [["a", "1"], ["long name", "100"]]).splitlines()
    assert lines == ["| name      |   n |", "|-----------|----:|", "| a         |   1 |", "| long name | 100 |"]
    assert (figure(0.998), figure(9.96), figure(99.6)) == ("1.0", "10", "100")


def test_the_plot_names_every_line_once_and_none_covers_another(tmp_path: Path) -> None:
    drawn = [Line("a", "#000000", {10: 1e-6, 100: 1e-5}), Line("b", "#111111", {10: 1e-6, 100: 1.1e-5})]
    layers = chart(drawn).to_dict()["layer"]
    names = next(layer for layer in layers if layer["mark"]["type"] == "text")["data"]["values"]
    assert [name["who"] for name in names] == ["a", "b"]
    assert names[1]["label"] / names[0]["label"] > 1.5
    early = [Line("a", "#000000", {10: 1.0}), Line("b", "#111111", {30: 0.9, 10: 0.1}), Line("c", "#222222", {1000: 1})]
    by_side = [layer["data"]["values"] for layer in chart(early).to_dict()["layer"] if layer["mark"]["type"] == "text"]
    assert [[name["who"] for name in names] for names in by_side] == [["b", "c"], ["a"]]
    picture = tmp_path / "time.svg"
    result = call("bench", "--quick", "--orders", 100, "--plot", picture, "--json")
    assert result.exit_code == 0
    svg = picture.read_text(encoding="utf-8")
    for words in ("fastclear", "numpy, sampling", "polars", "Orders in one market", "Time to clear it"):
        assert words in svg


# -- how it refuses -----------------------------------------------------------------------------------------------


def test_what_cannot_be_measured_is_refused(tmp_path: Path) -> None:
    refused(call("bench", "--orders", 1))
    refused(call("bench", "--orders", 30_000_000))
    refused(call("bench", "--quick", "--plot", tmp_path / "time.bmp"), ".html, .png, .svg")


def test_a_process_that_dies_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(*_: object, **__: object) -> None:
        raise subprocess.CalledProcessError(-9, ["python"])

    monkeypatch.setattr(runner, "measure", dies)
    refused(call("bench", "--quick"), "code -9", "fewer --orders")
