"""The report: one file, nothing fetched, nothing of the user's data taken for markup."""

import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest
from test_platforms import profiles

import fastclear as fc
from fastclear import light_client, report
from fastclear import page as page_frame


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
    assert "url(" not in page_frame.CSS
    text = json.dumps(specs(page))
    assert "http" not in text
    assert "$schema" not in text
    assert '"url"' not in text


def test_it_has_its_plots_with_units_on_the_axes(page: str) -> None:
    found = specs(page)
    assert sorted(found) == ["curves", "energy", "prices", "savings", "trades"]
    text = json.dumps(found)
    for title in (
        "Price (ct/kWh)",
        "Energy (kWh per hour)",
        "Energy (kWh in the slot)",
        "Power (kW)",
        "Time (UTC)",
        "(USD)",
    ):
        assert title in text
    for name in found:
        assert f'id="{name}"' in page


def test_words_of_an_auction_are_not_said_of_a_pool() -> None:
    preset = fc.load_preset("sonnen").with_values("the test", set_up__members=11)
    pool = report.render(fc.run(preset, days=1))
    assert "mean price inside the pool" in pool
    assert "which stay in the community" in pool
    assert "the subscription for the days of the run" in pool
    for words in ("mean price of the auction", "clearing interval;", 'the interval is this one price"'):
        assert words not in pool.partition("<script")[0]
    auction = report.render(fc.run("brooklyn", days=1))
    assert "mean price of the auction" in auction
    assert "inside the pool" not in auction
    assert "subscription for" not in auction


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


def test_the_books_hold_every_slot_that_traded_and_begin_with_the_busiest(result: fc.RunResult) -> None:
    book = report.order_books(result, result.slots)
    assert book is not None
    traded = result.slots.filter(pl.col("price_ticks").is_not_null())
    assert list(book["slots"]) == traded["slot"].dt.strftime("%Y-%m-%d %H:%M").to_list()
    assert book["slots"][book["busiest"]]["wh"] == result.slots["auction_wh"].max()
    for slot in book["slots"].values():
        assert slot["low"] <= slot["price"] <= slot["high"]
        # what was traded lies under both curves
        above = sum(wh for buy, price, wh in slot["orders"] if buy and price >= slot["low"])
        below = sum(wh for buy, price, wh in slot["orders"] if not buy and price <= slot["high"])
        assert min(above, below) >= slot["wh"] > 0


def test_the_proof_in_it_is_one_that_the_light_client_takes(page: str, result: fc.RunResult, tmp_path: Path) -> None:
    text = html.unescape(re.search(r'<textarea id="proof-run"[^>]*>(.*?)</textarea>', page, re.DOTALL)[1])  # type: ignore[index]
    proof = tmp_path / "proof.json"
    proof.write_text(text, encoding="utf-8")
    command = re.search(r"light_client.py proof.json --head ([0-9a-f]{64})", page)
    assert command is not None
    assert light_client.main([str(proof), "--head", command[1]]) == 0
    assert light_client.main([str(proof), "--head", result.head[::-1]]) == 1


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
    assert sorted(specs(page)) == ["energy", "prices", "savings", "trades"]


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
