"""Platforms side by side: the figures are those of single runs, the tables fit, the report draws in a browser."""

import json
import re
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path
from urllib.parse import quote

import polars as pl
import pytest
from test_platforms import profiles
from typer.testing import CliRunner

import fastclear as fc
from fastclear.cli import app
from fastclear.comparison import grid_peak_w
from fastclear.platforms import platforms

NAMES = platforms()["name"].to_list()
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[fc.Comparison, Path]:
    out = tmp_path_factory.mktemp("compared") / "out"
    return fc.compare(days=1, seed=2, out=out), out


def test_every_platform_trades_with_the_same_members(written: tuple[fc.Comparison, Path]) -> None:
    comparison, _ = written
    assert list(comparison.runs) == comparison.figures["platform"].to_list() == NAMES
    members = [run.members["participant"].to_list() for run in comparison.runs.values()]
    assert all(each == members[0] for each in members)
    loads = {run.slots["load_wh"].sum() for run in comparison.runs.values()}
    assert len(loads) == 1


def test_its_figures_are_those_of_single_runs(written: tuple[fc.Comparison, Path]) -> None:
    comparison, _ = written
    for name in ("brooklyn", "credit-bank"):
        alone = fc.run(name, days=1, seed=2)
        assert comparison.runs[name].head == alone.head
        row = comparison.figures.filter(platform=name).row(0, named=True)
        assert row["bills_nano"] == alone.members["bill_nano"].sum()
        assert row["bills_without_nano"] == alone.members["bill_without_nano"].sum()
        assert row["worse_off"] == alone.members.filter(pl.col("bill_nano") > pl.col("bill_without_nano")).height
        houses = ("operator_nano", "dso_nano", "tax_nano", "supplier_nano", "lender_nano")
        assert sum(row[key] for key in houses) + alone.house["rounding"] == row["bills_nano"]
        net = (alone.slots["import_wh"] - alone.slots["export_wh"]).to_list()
        assert row["grid_peak_w"] == max(abs(wh) for wh in net) * 4


def test_fairness_is_that_of_savings_and_who_loses_counts_as_nothing() -> None:
    comparison = fc.compare(["elecbay", "sonnen"], days=1)
    for name, run in comparison.runs.items():
        saving = [a - b for a, b in run.members.select("bill_without_nano", "bill_nano").rows()]
        row = comparison.figures.filter(platform=name).row(0, named=True)
        assert row["worse_off"] == sum(one < 0 for one in saving) > 0
        assert row["largest_loss_nano"] == -min(saving)
        positive = [max(one, 0) for one in saving]
        mean = Fraction(sum(positive), len(positive))
        variance = sum((share - mean) ** 2 for share in positive) / len(positive)
        # the other form of Jain's index, by the coefficient of variation
        assert row["jain"] == float(1 / (1 + variance / mean**2))


def test_the_peak_counts_power_and_not_energy() -> None:
    quarter = fc.run("brooklyn", days=1)
    hour = fc.run(fc.load_preset("brooklyn").with_values("the test", set_up__slot_minutes=60), days=1)
    assert grid_peak_w(hour) <= grid_peak_w(quarter) < 2 * grid_peak_w(hour)


def test_what_it_writes_can_be_read_and_verified(written: tuple[fc.Comparison, Path]) -> None:
    comparison, out = written
    assert pl.read_parquet(out / "figures.parquet").equals(comparison.figures)
    members = pl.read_parquet(out / "members.parquet")
    assert members.equals(comparison.members)
    assert members["platform"].n_unique() == len(NAMES)
    document = json.loads((out / "comparison.json").read_text())
    assert [row["head"] for row in document["figures"]] == comparison.figures["head"].to_list()
    for name, run in comparison.runs.items():
        assert fc.verify_directory(out / name / "ledger").head == run.head
        assert fc.load_preset(out / name / "preset.toml") == run.preset
    frames = ["slots", "members", "trades", "orders"]
    assert {path.name for path in out.iterdir()} == {
        *NAMES,
        *(f"{frame}.parquet" for frame in frames),
        *("figures.parquet", "comparison.json", "report.html"),
    }


def test_its_tables_fit_a_hundred_columns_and_name_every_platform(written: tuple[fc.Comparison, Path]) -> None:
    text = repr(written[0])
    lines = text.splitlines()
    assert max(map(len, lines)) <= 100
    for name in NAMES:
        assert len([line for line in lines if line.startswith(name)]) == 2  # one row in each of the two tables
    for word in ("bills", "Jain", "lose", "own use", "own supply", "welfare", "network", "tax", "peak", "blocks"):
        assert word in text


def test_a_changed_copy_stands_beside_the_original() -> None:
    free = fc.load_preset("brooklyn").with_values("no fee", price__platform_fee="0").renamed("free")
    both = fc.compare(["brooklyn", free], days=1)
    assert both.figures["operator_nano"][0] > both.figures["operator_nano"][1] == 0
    with pytest.raises(fc.PresetError, match="two platforms are called 'brooklyn'"):
        fc.compare(["brooklyn", "brooklyn"], days=1)
    with pytest.raises(fc.PresetError, match="no platform to compare"):
        fc.compare([], days=1)
    with pytest.raises(fc.PresetError, match="did you mean brooklyn"):
        fc.compare(["broklyn"], days=1)


def test_a_frame_of_ones_own_is_compared_too_and_one_without_trades() -> None:
    dark = profiles().with_columns(pl.lit(0).alias("pv_wh"))
    figures = fc.compare(["brooklyn", "community", "sonnen"], community=dark, days=1).figures
    assert figures["price_ticks"].to_list() == [None] * 3
    assert figures["jain"].to_list() == [None] * 3
    assert figures["worse_off"].to_list() == [0, 0, 3]
    shared = fc.compare(["community"], community=profiles(), days=1)
    assert shared.figures["worse_off"].to_list() == [0]
    assert "1 platforms" not in repr(shared)


def test_the_command_prints_tables_or_json(tmp_path: Path) -> None:
    command = ["compare", "brooklyn", "suncontract", "--days", "1"]
    shown = CliRunner().invoke(app, command, env={"COLUMNS": "100"})
    assert shown.exit_code == 0, shown.output
    assert max(map(len, shown.stdout.splitlines())) <= 100
    assert "suncontract" in shown.stdout
    report = tmp_path / "both.html"
    machine = CliRunner().invoke(app, [*command, "--json", "--quiet", "--report", str(report)])
    assert [row["platform"] for row in json.loads(machine.stdout)["figures"]] == ["brooklyn", "suncontract"]
    assert report.stat().st_size > 500_000
    assert CliRunner().invoke(app, ["compare", "broklyn"]).exit_code == 2


# -- the report -------------------------------------------------------------------------------------------------------


def test_the_report_fetches_nothing_and_has_all_its_parts(written: tuple[fc.Comparison, Path]) -> None:
    page = (written[1] / "report.html").read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="charts">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    specs = json.loads(found[1])
    assert sorted(specs) == ["bands", "changes", "curves", "flows", "receivers", "trades"]
    assert "http" not in found[1]
    assert "default-src 'none'" in page
    for name, run in written[0].runs.items():
        assert run.head in page
        assert f"<b>{name}</b>" in page
    assert page.count('<textarea id="proof-') == len(NAMES)


def drawn(path: Path, fragment: str = "") -> str:
    """The page as a browser has it once its scripts have run."""
    command = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=15000", "--dump-dom"]
    done = subprocess.run(
        [*command, f"file://{path}{fragment}"], capture_output=True, text=True, timeout=120, check=True
    )
    return done.stdout


@pytest.mark.skipif(BROWSER is None, reason="no browser here: install chromium to see the reports drawn")
def test_a_browser_draws_every_plot_of_both_reports(written: tuple[fc.Comparison, Path], tmp_path: Path) -> None:
    comparison, out = written
    single = comparison.runs["brooklyn"].report(tmp_path / "one.html")
    for path, plots in (
        (out / "report.html", ("bands", "changes", "curves", "flows", "receivers", "trades")),
        (single, ("curves", "energy", "prices", "savings", "trades")),
    ):
        page = drawn(path)
        for plot in plots:
            part = page.split(f'id="{plot}"')[1][:200_000].split('class="plot"')[0]
            assert "<svg" in part, f"{path.name}: nothing is drawn in {plot}"
            assert "Infinity" not in part
            assert ">NaN<" not in part
        assert "Javascript Error" not in page


@pytest.mark.skipif(BROWSER is None, reason="no browser here: install chromium to see the reports drawn")
def test_a_reader_chooses_the_slot_whose_curves_are_drawn(written: tuple[fc.Comparison, Path]) -> None:
    comparison, out = written
    slots = comparison.runs["suncontract"].slots.filter(pl.col("price_ticks").is_not_null())
    row = slots.row(7, named=True)
    name = f"{row['slot']:%Y-%m-%d %H:%M}"
    page = drawn(out / "report.html", f"#platform=suncontract&slot={quote(name)}")
    words = f"{row['auction_wh'] / 1000:.2f} kWh at "
    assert words in page
    assert "on average, from" in page
    assert words not in drawn(out / "report.html")
