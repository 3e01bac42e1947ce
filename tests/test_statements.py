"""Statements, summaries, exposure and journals against the bank's own balances, over random histories."""

from __future__ import annotations

import copy
import importlib.util
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import accumulate
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from reference.bank_steps import Pair, random_history

import fastclear as fc
from fastclear.statements.history import MOVING
from fastclear.statements.words import KINDS, lined, told

SEEDS = range(0, 32, 3)


@pytest.fixture(scope="module", params=SEEDS)
def pair(request: pytest.FixtureRequest) -> Pair:
    return random_history(request.param, 150, audit=False)


def posted(bank: fc.Settlement) -> dict[int, int]:
    return {account: int(value) for account, value in bank.balances.select("account", "posted").rows()}


def test_a_statement_ends_where_the_bank_stands(pair: Pair) -> None:
    history = fc.History(pair.receipts)
    assert {account: int(value) for account, value in history.balances.select("account", "posted").rows()} == posted(
        pair.bank
    )
    touched = 0
    for row in pair.bank.balances.filter(role="member").iter_rows(named=True):
        statement = history.statement(pair.bank.names([row["account"]])[0])
        frame = statement.frame
        assert (statement.opening, statement.closing) == (0, int(row["posted"]))
        assert int(frame["balance"][-1]) == row["posted"]
        assert sum(frame["amount"].to_list()) == row["posted"]
        assert [int(value) for value in frame["balance"]] == list(accumulate(frame["amount"].to_list()))
        assert sum(frame["held"].to_list()) == row["pending_out"]
        assert frame["seq"].is_sorted()
        assert frame["text"].str.len_chars().min() > 4
        touched += len(frame)
    both = history.postings.filter((pl.col("debit") >= 1000) & (pl.col("credit") >= 1000))
    single = history.postings.filter((pl.col("debit") >= 1000) ^ (pl.col("credit") >= 1000))
    assert touched == len(single) + 2 * len(both), "every posting is on somebody's statement"


def test_a_summary_adds_up_and_agrees_with_the_core(pair: Pair) -> None:
    summary = fc.History(pair.receipts).summary().frame
    lines = ["energy", "platform", "network", "residual", "feed_in", "imbalance", "tax"]
    assert (summary["other"] == 0).all()
    assert summary.select(pl.sum_horizontal(*lines)).to_series().to_list() == summary["net"].to_list()
    closing = summary["opening"] + summary["deposited"] - summary["withdrawn"] - summary["net"]
    assert closing.to_list() == summary["closing"].to_list()
    if pair.big:
        return  # the core's bills have 64 bits, and say so where that is too little
    bills = pl.concat(receipts.by_participant().drop("participant") for receipts in pair.receipts)
    total = bills.group_by("account").agg(pl.exclude("account").cast(pl.Decimal(38, 0)).sum())
    found = summary.join(total, on="account", how="left", suffix="_core").fill_null(0)
    for line in [*lines, "net"]:
        assert [int(value) for value in found[line]] == [int(value) for value in found[f"{line}_core"]], line
    frame = fc.History(pair.receipts).postings
    sold = frame.filter((pl.col("kind") == "trade") & (pl.col("line") != "buyer"))["quantity"].sum()
    assert summary["sold_wh"].sum() == summary["bought_wh"].sum() == sold


def test_a_ledger_read_back_says_the_same(pair: Pair) -> None:
    ledger = fc.Ledger(seed=1)
    for receipts in pair.receipts:
        ledger.seal(None, receipts)
    live, read = fc.History(pair.receipts), fc.History(ledger, pair.bank)
    assert read.postings.equals(live.postings)
    assert read.summary().frame.equals(live.summary().frame)
    assert read.journal().frame.equals(live.journal().frame)
    nameless = fc.History(ledger)
    assert (
        nameless.statement(1000)
        .frame.drop("counterparty")
        .equals(live.statement(pair.names[0]).frame.drop("counterparty"))
    )
    assert nameless.summary().frame["participant"].to_list() == list(range(1000, 1000 + len(pair.names)))


def test_a_part_of_a_history_opens_where_the_rest_ends(pair: Pair) -> None:
    """Known from the bank where the part is its last, else from what the balances were."""
    cut = len(pair.receipts) // 2
    whole, late = fc.History(pair.receipts), fc.History(pair.receipts[cut:])
    name = pair.names[0]
    early = fc.History(pair.receipts[:cut])
    assert late.statement(name).opening == early.statement(name).closing
    middle = [item for item in pair.receipts[cut:] if len(item)][:-1]
    before = fc.History(middle, opening=early.balances)
    assert before.statement(name).opening == early.statement(name).closing
    assert late.summary().frame["closing"].to_list() == whole.summary().frame["closing"].to_list()
    with pytest.raises(fc.SettlementError, match="do not tell what was there before"):
        fc.History(middle).statement(name)


def test_a_run_read_back_from_its_ledger_ends_at_its_balances() -> None:
    result = fc.run("brooklyn", days=1, seed=1)
    members = result.members
    names = dict(members.select("account", "participant").rows())
    history = fc.History(result.ledger, names)
    summary = history.summary().frame.filter(pl.col("participant").is_in(members["participant"].to_list()))
    found = {row["participant"]: int(row["closing"]) for row in summary.iter_rows(named=True)}
    assert found == dict(members.select("participant", "balance_nano").rows())
    name = members["participant"][7]
    assert history.statement(name).closing == found[name]
    assert summary["bought_wh"].sum() == members["bought_wh"].sum()
    assert history.journal().balances["balance"].sum() == 0
    with pytest.raises(fc.SettlementError, match="is no member of this history"):
        history.statement("Zoe")


# -- the journal
# ----------------------------------------------------------------------------------------------------------


def test_every_entry_balances_and_the_accounts_are_the_banks(pair: Pair) -> None:
    for history in (fc.History(pair.receipts), fc.History(pair.receipts[len(pair.receipts) // 2 :])):
        journal = history.journal("CHF")
        entries = journal.frame.group_by("entry", maintain_order=True).agg(pl.col("debit", "credit").sum())
        assert (entries["debit"] == entries["credit"]).all()
        assert journal.frame.select((pl.col("debit").is_null() ^ pl.col("credit").is_null()).all()).item()
        assert (journal.frame.select(pl.coalesce("debit", "credit")).to_series() > 0).all()
        assert journal.frame["currency"].unique().to_list() == ["CHF"]
        assert journal.balances["account"].n_unique() == len(journal.balances)
        left = sorted(int(-balance * 10**9) for balance in journal.balances["balance"])
        assert left == sorted(posted(pair.bank).values())
        for name, balance in journal.balances.filter(pl.col("account").str.contains(":Members:")).iter_rows():
            account = int(name.split(":")[2].partition("-")[0])
            assert int(-balance * 10**9) == posted(pair.bank)[account]


def test_a_journal_by_day_is_the_sum_of_its_postings(pair: Pair) -> None:
    history = fc.History(pair.receipts)
    whole, days = history.journal(), history.journal(by="day")
    assert days.balances.equals(whole.balances)
    assert days.frame["entry"].n_unique() < whole.frame["entry"].n_unique()
    keys = ["date", "account", "kind"]
    sums = [journal.frame.group_by(keys).agg(pl.col("debit", "credit").sum()).sort(keys) for journal in (days, whole)]
    assert sums[0].equals(sums[1])
    text = days.frame.filter(kind="deposit")["text"][0]
    assert text.endswith(" postings: deposit")


REAL = importlib.util.find_spec("beancount") is not None
beancount_is_here = pytest.mark.skipif(not REAL, reason="beancount is not installed; it is in the group `test`")


def loaded(text: str) -> tuple[list[Any], list[Any]]:
    from beancount import loader

    entries, errors, _ = loader.load_string(text)
    return entries, errors


@beancount_is_here
def test_beancount_reads_the_journal_and_agrees_to_the_nano(pair: Pair) -> None:
    from beancount.core.data import Balance, Open, Transaction

    late = fc.History(pair.receipts[len(pair.receipts) // 2 :])
    for journal in (fc.History(pair.receipts).journal(), late.journal(), late.journal(by="day")):
        entries, errors = loaded(journal.beancount)
        assert errors == []
        left: dict[str, Decimal] = {}
        for entry in entries:
            if isinstance(entry, Transaction):
                for side in entry.postings:
                    left[side.account] = left.get(side.account, Decimal(0)) + side.units.number
        account = {entry.account: int(entry.meta["number"]) for entry in entries if isinstance(entry, Open)}
        assert {account[name]: int(-total * 10**9) for name, total in left.items() if total} == {
            number: value for number, value in posted(pair.bank).items() if value
        }
        count = sum(isinstance(entry, Transaction) for entry in entries)
        assert count == journal.frame["entry"].n_unique() > 5
        assert sum(isinstance(entry, Balance) for entry in entries) == len(account)


@beancount_is_here
def test_beancount_finds_a_nano_that_is_wrong() -> None:
    journal = busy_bank()[1].journal()
    lines = journal.beancount.splitlines()
    row = next(index for index, line in enumerate(lines) if " balance Liabilities:Members:1000" in line)
    number, tolerance = lines[row].split(" ")[3:5]
    assert tolerance == "~"
    lines[row] = lines[row].replace(number, f"{Decimal(number) + Decimal('1e-9'):f}")
    _, errors = loaded("\n".join(lines))
    assert [type(error).__name__ for error in errors] == ["BalanceError"]


@beancount_is_here
def test_any_name_is_an_account_of_its_own() -> None:
    bank = fc.Settlement(tariff=fc.Tariff(30, 5))
    names = ["Zoë Ümläut", 'quo"te', "back\\slash", "line\nbreak", "a:b", "", "---", "1000", 7, "Tax", "x" * 300]
    bank.open(names)
    bank.deposit(names, range(1, len(names) + 1))
    entries, errors = loaded(bank.receipts().journal().beancount)
    assert errors == []
    opened = {entry.account: entry.meta.get("participant") for entry in entries if type(entry).__name__ == "Open"}
    assert len([name for name in opened if ":Members:" in name]) == len(names)
    assert set(opened.values()) >= {"Zoë Ümläut", 'quo"te', "back\\slash", "line break", "7"}


# -- by hand
# --------------------------------------------------------------------------------------------------------------


def busy_bank() -> tuple[fc.Settlement, fc.Receipts, fc.Clearing]:
    """Ada bids for 5 kWh at 26 ct and gets 4; Cem's ask is too dear; Ada consumes a kWh more."""
    tariff = fc.Tariff.from_ct_per_kwh(30, 5, platform_fee="0.5", network_fee=2, tax_percent=20)
    bank = fc.Settlement(tariff=tariff)
    bank.open(["Ada", "Bo"])
    bank.open("Cem", limit=4 * 10**9)
    bank.advance(datetime(2026, 3, 1, 22, 30, tzinfo=UTC))
    bank.deposit("Ada", 3 * 10**9)
    orders = pl.DataFrame(
        {
            "side": ["buy", "sell", "sell"],
            "participant": ["Ada", "Bo", "Cem"],
            "price": [260_000, 180_000, 290_000],
            "quantity": [5000, 4000, 1000],
        }
    )
    assert not bank.reserve(orders).any()
    clearing = fc.clear(orders, fc.Uniform(k=0))
    return bank, bank.settle(clearing, {"participant": ["Ada", "Bo"], "energy_wh": [5000, -4000]}), clearing


def test_a_statement_in_words() -> None:
    _, receipts, _ = busy_bank()
    statement = receipts.statement("Ada")
    assert statement.frame.select("text", "amount", "held").rows() == [
        ("account opened", 0, 0),
        ("deposit", 3_000_000_000, 0),
        ("1.71 set aside for a bid of 5 kWh at no more than 26 ct/kWh", 0, 1_710_000_000),
        ("bought 4 kWh, with fees and tax", -1_368_000_000, -1_710_000_000),
        ("meter: consumed 5 kWh, net", 0, 0),
        ("1 kWh from the supplier at 30 ct/kWh: consumed and not bought", -300_000_000, 0),
        ("tax on 1 kWh from the supplier", -60_000_000, 0),
    ]
    assert statement.frame["counterparty"].to_list() == [
        None, "boundary", "clearing", "clearing", None, "backstop", "tax",
    ]  # fmt: skip
    text = repr(statement)
    assert text.startswith("Statement of 'Ada', account 1000: 0.00 before, 1.272 after 7 postings\n")
    assert "2026-03-01 22:30:00" in text
    assert max(map(len, text.splitlines())) <= 140
    assert "<table" in statement._repr_html_()
    sold = receipts.statement("Bo").frame.filter(kind="trade").row(0, named=True)
    assert (sold["text"], sold["order"], sold["price"]) == ("sold 4 kWh at 26 ct/kWh", 1, 260_000)


@pytest.mark.parametrize("columns", ["80", "100", "120", "200"])
def test_a_table_fits_the_terminal_and_cuts_no_number(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    bank, receipts, _ = busy_bank()
    for view in (receipts.statement("Ada"), receipts.summary(), receipts.journal(), bank.exposure):
        lines = repr(view).splitlines()
        assert max(map(len, lines[1:])) <= int(columns)
    assert "-1.04" in repr(receipts.summary())
    assert ("platform" in repr(receipts.summary())) == (int(columns) > 100)


def test_a_long_statement_is_cut_in_the_middle() -> None:
    bank = fc.Settlement(tariff=fc.Tariff(30, 5))
    bank.open("Ada")
    bank.deposit(["Ada"] * 40, range(40))
    text = repr(bank.receipts().statement("Ada"))
    assert "(40 rows, 28 of them not shown)" in text
    assert len(text.splitlines()) == 2 + 3 + 12 + 1, "title, count, head, rows, foot"


def test_every_line_has_words() -> None:
    row = {"quantity": 1500, "price": -25_000, "amount": 37_500_000}
    for kind, code, line in fc._core.LINE_NAMES:
        text = told({**row, "kind": kind, "code": code})
        assert "{" not in text
        assert text != lined(kind, code) != line, "a line that has no words"
    kinds = {name: number for number, name in fc._core.KIND_NAMES}
    assert told({**row, "kind": kinds["membership"], "code": 0}) == "membership"
    assert told({**row, "kind": kinds["imbalance"], "code": 2}).startswith("1.5 kWh from the supplier at -2.5 ct/kWh")


def test_every_kind_is_known_to_move_money_or_not() -> None:
    """A kind that is new belongs into one of the two, or balances come out wrong."""
    still = {"reserve", "void", "limit", "meter", "certificate", "market_opened", "account_opened", "membership"}
    assert {KINDS[number] for number in MOVING} == set(KINDS.values()) - still - {"parameter", "dispute"}


def test_exposure_says_how_much_of_the_credit_is_used() -> None:
    bank, _, _ = busy_bank()
    bank.set_limit("Cem", 10**9)
    assert not bank.reserve({"side": [1], "price": [225_000], "quantity": [1000], "participant": ["Cem"]}).any()
    view = bank.exposure
    rows = {row["participant"]: row for row in view.frame.iter_rows(named=True)}
    assert (rows["Cem"]["reserved"], rows["Cem"]["exposure"], rows["Cem"]["used_share"]) == (300_000_000,) * 2 + (0.3,)
    assert rows["Ada"]["exposure"] == 0
    assert rows["Ada"]["used_share"] is None
    bank.settle([], {"participant": ["Bo"], "energy_wh": [3000]})
    assert repr(bank.exposure).startswith("Exposure of 3 members, 1 of them over their limit\n")
    assert bank.exposure.frame["status"].to_list() == ["active", "restricted", "active"]


def test_a_member_is_told_its_slot() -> None:
    _, receipts, clearing = busy_bank()
    text = receipts.explain("Ada", clearing)
    for words in (
        "'Ada', account 1000\n",
        "(5 kWh at no more than 26 ct/kWh) was filled in part: 4 of 5 kWh.",
        "Meter: consumed 5 kWh, net, with 4 kWh bought.",
        "1 kWh from the supplier at 30 ct/kWh: consumed and not bought: 0.30.",
        "In all 'Ada' pays 1.728: traded energy 1.04, platform fee 0.02, network fee 0.08, energy from the supplier "
        "0.30, tax 0.288.",
    ):
        assert words in text, text
    assert "did not trade. It was undercut" in receipts.explain("Cem", [clearing])
    assert receipts.explain("Cem").endswith("Nothing was paid.")
    assert "In all 'Bo' receives 1.04" in receipts.explain("Bo")
    with pytest.raises(fc.SettlementError, match="has no account"):
        receipts.explain("Zoe")


def test_dates_are_those_of_the_zone() -> None:
    _, receipts, _ = busy_bank()
    for tz, day in (("UTC", 1), ("Europe/Berlin", 1), ("Asia/Kathmandu", 2)):
        deposit = receipts.journal(tz=tz).frame.filter(kind="deposit")
        assert set(deposit["date"]) == {date(2026, 3, day)}, tz
    for call in (
        lambda: receipts.journal(tz="Mars/Olympus"),
        lambda: receipts.journal("eur"),
        lambda: receipts.journal(by="week"),
    ):
        with pytest.raises(fc.SettlementError):
            call()


def test_every_view_exports_and_is_written(tmp_path: Path) -> None:
    bank, receipts, _ = busy_bank()
    for view in (receipts.statement("Ada"), receipts.summary(), receipts.journal(), bank.exposure):
        assert isinstance(view.to_pandas(), pd.DataFrame)
        assert isinstance(view.to_arrow(), pa.Table)
        assert pl.DataFrame(pa.table(view)).shape == view.to_polars().shape == (len(view), view.frame.width)
        assert pl.read_parquet(view.write(tmp_path / "view.parquet")).equals(view.frame)
        assert pl.DataFrame(view).columns == view.frame.columns
        money = [name for name, kind in view.frame.schema.items() if isinstance(kind, pl.Decimal)]
        assert money
        assert not [name for name, kind in view.frame.schema.items() if kind.is_float() and name != "used_share"]
        text = pl.read_csv(view.write(str(tmp_path / "view.csv")), infer_schema=False)
        for name in money:
            read = [None if value is None else Decimal(value) for value in text[name]]
            assert read == view.frame[name].to_list()
    journal = receipts.journal()
    assert journal.write(tmp_path / "books.beancount").read_text() == journal.beancount
    for path in (tmp_path / "view.xlsx", tmp_path / "none" / "view.csv", tmp_path / "none" / "a.beancount"):
        with pytest.raises(fc.StoreError):
            journal.write(path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["books.beancount", "view.csv", "view.parquet"]


def test_no_name_reaches_a_terminal_or_a_page_as_it_stands() -> None:
    bank = fc.Settlement(tariff=fc.Tariff(30, 5))
    name = "\x1b[2J<script>"
    bank.open([name, "Bo"])
    receipts = bank.receipts()
    for view in (receipts.statement(name), receipts.summary(), bank.exposure):
        assert "\x1b" not in repr(view)
        assert "<script>" not in view._repr_html_()
        assert "\\x1b[2J" in repr(view)
    assert receipts.summary().frame["participant"][0] == name
    assert "\x1b" not in receipts.explain(name)


def test_histories_that_make_no_sense() -> None:
    bank, receipts, clearing = busy_bank()
    bank.deposit("Ada", 1)
    second = bank.receipts()
    other = busy_bank()[1]
    for source, message in (
        ([second, receipts], "do not follow"),
        ([receipts, receipts], "do not follow"),
        ([receipts, other], "several banks"),
        ([receipts.frame], "DataFrame is no source"),
    ):
        with pytest.raises(fc.SettlementError, match=message):
            fc.History(source)
    with pytest.raises(fc.SettlementError, match="no column posted"):
        fc.History([second], opening=bank.balances.select("account")).statement("Ada")
    plain = fc.Ledger(seed=1)
    plain.seal(clearing)
    with pytest.raises(fc.SettlementError, match="without receipts"):
        fc.History(plain)
    ledger = fc.Ledger(seed=1)
    ledger.seal(None, receipts)
    for stranger in ("Ada", 999, 1003, True):
        with pytest.raises(fc.SettlementError):
            fc.History(ledger).statement(stranger)
    twin = copy.copy(bank)
    twin.deposit("Ada", 1)
    with pytest.raises(fc.SettlementError, match="several banks"):
        fc.History([receipts, second, twin.receipts()])
    assert fc.History([receipts, second, twin.last_receipts], twin).statement("Ada").closing == twin.available("Ada")
    nothing = fc.History([])
    assert (len(nothing), len(nothing.summary()), len(nothing.journal()), nothing.journal().beancount) == (0, 0, 0, "")
    assert repr(nothing) == "History of 0 postings"
    assert repr(nothing.journal()).startswith("Journal of 0 entries in EUR\n")
    assert repr(fc.History([receipts, second])) == f"History of {len(receipts) + 1} postings, 0 to {len(receipts)}"
