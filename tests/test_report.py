"""The report: one file, nothing fetched, nothing of the user's data taken for markup."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest
from test_platforms import profiles

import fastclear as fc
from fastclear import report


@pytest.fixture(scope="module")
def result() -> fc.RunResult:
    return fc.run("brooklyn", days=1)


@pytest.fixture(scope="module")
def page(result: fc.RunResult) -> str:
    return report.render(result)


class Reader(HTMLParser):
    """Addresses, scripts and visible text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.tags: list[str] = []
        self.script = ""
        self.text: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "data", "action", "poster", "srcset"):
                self.addresses.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.script += data
        elif self.open and self.open[-1] != "style":
            self.text.append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    assert len(reader.tags) > 100  # it has read something
    return reader


def specs(page: str) -> dict[str, object]:
    found = re.search(r'<script type="application/json" id="charts">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return dict(json.loads(found[1]))


def test_nothing_is_fetched(page: str) -> None:
    reader = read(page)
    assert reader.addresses == []
    assert not {"link", "img", "iframe", "object", "embed", "base"} & set(reader.tags)
    assert "default-src 'none'" in page  # and the browser is told so
    assert "@import" not in page
    assert "url(" not in report._CSS
    text = json.dumps(specs(page))
    assert "http" not in text
    assert "$schema" not in text
    assert '"url"' not in text


def test_it_has_its_four_plots_with_units_on_the_axes(page: str) -> None:
    found = specs(page)
    assert sorted(found) == ["curves", "energy", "prices", "savings"]
    text = json.dumps(found)
    for title in (
        "Price (ct/kWh)",
        "Energy (kWh per hour)",
        "Energy (kWh in the slot)",
        "Time (UTC)",
        "(USD)",
    ):
        assert title in text
    for name in found:
        assert f'id="{name}"' in page


def test_it_says_what_it_is_made_of(page: str, result: fc.RunResult) -> None:
    text = " ".join(read(page).text)
    for part in (
        "Brooklyn Microgrid",
        "embedded synthetic community",
        "not metered data",
        result.head,
        result.preset.digest(),
        result.community.digest,
        fc.__version__,
    ):
        assert part in text
    for key, value, origin, _ in result.preset.parameters():
        assert key in text
        assert value in text
        assert origin in text
    assert "seed 1" in page


def test_the_curves_are_those_of_the_busiest_slot(result: fc.RunResult) -> None:
    found = report._busiest(result)
    assert found is not None
    orders, outcome, _ = found
    assert outcome["volume"] == result.slots["auction_wh"].max() / 1000  # type: ignore[operator]
    assert outcome["low"] <= outcome["price"] <= outcome["high"]
    # what was traded lies under both curves; prices and sums here are floats, for display alone
    tick = 1e-6
    above = orders.filter(pl.col("buy") & (pl.col("price") >= outcome["low"] - tick))["quantity"].sum()
    below = orders.filter(~pl.col("buy") & (pl.col("price") <= outcome["high"] + tick))["quantity"].sum()
    assert min(above, below) >= outcome["volume"] - 1e-9


def test_names_are_not_markup() -> None:
    result = fc.run("brooklyn", community=profiles(), days=1)
    page = report.render(result)
    assert "<b>eve</b>" not in page
    assert "\\u003cb>eve\\u003c/b>" in page  # in the data of the plot
    names = profiles().with_columns(
        pl.col("participant").replace({"ann": "</script><script>alert(1)</script>", "bob": "{{b}}"})
    )
    page = report.render(fc.run("brooklyn", community=names, days=1))
    assert "<script>alert" not in page


def test_a_run_without_any_trade_has_a_report_too() -> None:
    dark = profiles().with_columns(pl.lit(0).alias("pv_wh"))
    page = report.render(fc.run("brooklyn", community=dark, days=1))
    assert "Nothing was traded" in page
    assert sorted(specs(page)) == ["energy", "prices", "savings"]


def test_who_ran_out_of_deposit_stands_in_it() -> None:
    preset = fc.load_preset("brooklyn").with_values("the test", settlement__deposit="1")
    assert "ran out of the deposit of 1 USD" in report.render(fc.run(preset, days=1))


def test_discriminatory_prices_are_explained() -> None:
    page = report.render(fc.run("brooklyn", days=1, mechanism="discriminatory"))
    assert "Each pair trades at a price of its own" in page


def test_the_file_appears_whole_or_not_at_all(result: fc.RunResult, tmp_path: Path) -> None:
    path = result.report(tmp_path / "week.html")
    assert path.read_text(encoding="utf-8").endswith("</html>\n")
    assert [found.name for found in tmp_path.iterdir()] == ["week.html"]
    with pytest.raises(fc.StoreError, match="cannot be written"):
        result.report(tmp_path / "none" / "week.html")


def test_a_long_run_is_shown_by_the_day() -> None:
    page = report.render(fc.run("brooklyn", days=28))
    assert "Energy (kWh per day)" in page
    assert len(page) < 3_000_000


def test_notebooks_get_a_table(result: fc.RunResult) -> None:
    assert "<table>" in result._repr_html_()
