"""The command: what it prints, what it writes, and how it refuses."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
from test_platforms import profiles
from test_report import Reader
from typer.testing import CliRunner, Result

import fastclear as fc
from fastclear.cli import app

ORDERS = {
    "market": ["m1", "m1", "m2", "m2"],
    "order": ["a", "b", "c", "d"],
    "side": ["buy", "sell", "buy", "sell"],
    "price": [300_000, 100_000, 120_000, 200_000],
    "quantity": [1250, 2000, 1000, 1000],
}


def call(*words: object, width: int = 100) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": str(width), "TERM": "dumb"})


def refused(result: Result, *words: str) -> None:
    """Exit code 2, one message on standard error, nothing of Python's."""
    assert result.exit_code == 2
    for word in words:
        assert word in result.stderr
    assert "Traceback" not in result.output


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    path = tmp_path / "orders.parquet"
    pl.DataFrame(ORDERS).write_parquet(path)
    return path


# -- run ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 200])
def test_the_table_fits(width: int) -> None:
    result = call("run", "brooklyn", "--days", 1, width=width)
    assert result.exit_code == 0
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert max(len(line) for line in lines) <= min(width, 100)
    text = " ".join(result.stdout.split())
    for words in (
        "Members' bills",
        "Self-sufficiency",
        "Network (DSO)",
        "Time clearing",
        "embedded synthetic community",
        "71.54",
        "113.59",
        "23,493",
    ):
        assert words in text
    assert "…" not in result.stdout  # nothing is cut off


def test_a_run_shows_itself_like_that_in_python_too() -> None:
    text = repr(fc.run("brooklyn", days=1))
    assert max(len(line) for line in text.splitlines()) <= 100
    assert "Members' bills" in text
    assert "\x1b" not in text


def test_json_is_one_document_with_exact_numbers() -> None:
    result = call("run", "brooklyn", "--days", 1, "--json", "--quiet")
    document = json.loads(result.stdout)
    run = fc.run("brooklyn", days=1)
    assert document["ledger"]["head"] == run.head
    assert document["metrics"]["bills"]["value"] == run.members["bill_nano"].sum()
    assert document["community"]["members"] == 51
    assert document["seed"] == 1


def test_out_holds_everything_and_verifies(tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = call("run", "brooklyn", "--days", 1, "--out", out)
    assert result.exit_code == 0
    assert sorted(path.name for path in out.iterdir()) == [
        "ledger",
        "members.parquet",
        "orders.parquet",
        "preset.toml",
        "report.html",
        "run.json",
        "slots.parquet",
        "trades.parquet",
    ]
    document = json.loads((out / "run.json").read_text())
    assert document["seed"] == 1
    assert document["fastclear"] == fc.__version__
    assert document["community"]["sha256"] == fc.run("brooklyn", days=1).community.digest
    checked = call("verify", out)
    assert checked.exit_code == 0
    assert "97 blocks" in checked.stdout
    assert document["ledger"]["head"] in checked.stdout
    assert list(tmp_path.iterdir()) == [out]
    refused(call("run", "brooklyn", "--days", 1, "--out", out), "exists already")


def test_a_preset_and_a_community_of_ones_own(tmp_path: Path) -> None:
    preset, homes, page = tmp_path / "mine.toml", tmp_path / "homes.csv", tmp_path / "week.html"
    preset.write_text(call("platforms", "--show", "brooklyn").stdout)
    profiles().with_columns(pl.col("slot").dt.strftime("%Y-%m-%dT%H:%M:%SZ")).write_csv(homes)
    result = call("run", preset, "--community", homes, "--days", 1, "--report", page)
    assert result.exit_code == 0, result.stderr
    assert "3 members" in " ".join(result.stdout.split())
    assert page.is_file()
    refused(call("run", preset, "--community", homes, "--days", 2), "beyond the data")


def test_bad_runs(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(call("platforms", "--show", "brooklyn").stdout.replace("\nretail =", "\nretial ="))
    refused(call("run", wrong), "wrong.toml", "unknown key price.retial", "did you mean retail")
    refused(call("run", "brookln"), "did you mean brooklyn")
    refused(call("run", "brooklyn", "--days", 29), "beyond the data")
    refused(call("run", "brooklyn", "--days", 0), "--days")
    refused(call("run", "brooklyn", "--seed", -1), "--seed")
    refused(call("run", "brooklyn", "--mechanism", "vcg"), "--mechanism")
    refused(call("run", "brooklyn", "--community", "nowhere"), "no community is called 'nowhere'")
    refused(call("run", "brooklyn", "--community", "nowhere.csv"), "nowhere.csv")
    refused(call("run", "brooklyn", "--report", tmp_path / "no" / "x.html"), "does not exist")
    refused(call("run", "brooklyn", "--out", tmp_path), "exists already")
    assert [path.name for path in tmp_path.iterdir()] == ["wrong.toml"]


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (lambda f: f.drop("load_wh"), "load_wh"),
        (lambda f: pl.concat([f, f.tail(1)]), "duplicate slot"),
        (lambda f: f[:50].vstack(f[51:]), "eve"),
    ],
)
def test_a_bad_community_leaves_nothing_behind(spoil: object, word: str, tmp_path: Path) -> None:
    homes = tmp_path / "homes.parquet"
    spoil(profiles()).write_parquet(homes)  # type: ignore[operator]
    result = call("run", "brooklyn", "--community", homes, "--days", 1, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert word in result.stderr or word == "eve"
    assert list(tmp_path.iterdir()) == [homes]


# -- clear --------------------------------------------------------------------------------------------------------


def test_clear_prints_markets_in_the_units_of_people(orders: Path) -> None:
    result = call("clear", orders, width=80)
    assert result.exit_code == 0
    assert "20.0000" not in result.stdout
    assert "10.0000" in result.stdout  # ct/kWh: the ask is marginal
    assert "1.250" in result.stdout
    assert "4 orders, 0 refused" in result.stdout
    assert max(len(line) for line in result.stdout.splitlines()) <= 80


def test_clear_takes_its_rule_and_units(orders: Path, tmp_path: Path) -> None:
    document = json.loads(call("clear", orders, "--mechanism", "discriminatory", "--k", "1/2", "--json").stdout)
    assert document["markets"][0]["buyer_payment"] == 200_000 * 1250
    path = tmp_path / "human.csv"
    path.write_text("side,price,quantity\nbuy,30.5,1.25\nsell,10,2\n")
    result = call(
        "clear", path, "--price-unit", "ct/kWh", "--quantity-unit", "kWh", "--k", "0.5", "--rationing", "time"
    )
    assert "1.250" in result.stdout


def test_clear_writes_three_frames(orders: Path, tmp_path: Path) -> None:
    out = tmp_path / "cleared"
    assert call("clear", orders, "--out", out).exit_code == 0
    assert sorted(path.stem for path in out.iterdir()) == ["fills", "markets", "trades"]
    assert pl.read_parquet(out / "trades.parquet")["quantity"].to_list() == [1250]
    refused(call("clear", orders, "--out", out), "exists already")


def test_refused_orders_stop_it_unless_allowed(tmp_path: Path) -> None:
    path, out = tmp_path / "bad.parquet", tmp_path / "out"
    bad = {**ORDERS, "quantity": [1250, 2000, 0, 1000], "price": [300_000, 100_000, 120_000, None]}
    pl.DataFrame(bad).write_parquet(path)
    result = call("clear", path, "--out", out)
    refused(result, "2 of 4 orders", "--allow-rejects")
    for word in ("quantity_out_of_range", "price_missing", "2  c", "3  d"):
        assert word in result.stdout
    assert not out.exists()
    allowed = call("clear", path, "--out", out, "--allow-rejects")
    assert allowed.exit_code == 0
    assert "2 refused" in allowed.stdout
    assert pl.read_parquet(out / "fills.parquet")["reject"].to_list() == [0, 0, 8, 3]


def test_bad_orders(orders: Path, tmp_path: Path) -> None:
    frame = pl.DataFrame(ORDERS)
    lacking, empty, text = (tmp_path / f"{name}.parquet" for name in ("lacking", "empty", "text"))
    frame.drop("price").write_parquet(lacking)
    frame.head(0).write_parquet(empty)
    frame.with_columns(pl.lit("dear").alias("price")).write_parquet(text)
    refused(call("clear", lacking), "price")
    refused(call("clear", text), "price")
    refused(call("clear", empty), "holds no orders")
    ambiguous = tmp_path / "naive.csv"
    ambiguous.write_text("side,price,quantity,time\nbuy,3,1,2024-07-08 10:00:00\n")
    refused(call("clear", ambiguous), "time zone")
    refused(call("clear", tmp_path / "none.parquet"), "no such file")
    refused(call("clear", tmp_path / "orders.xlsx"), "neither .parquet nor .csv")
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"no parquet")
    refused(call("clear", broken), "cannot be read")
    refused(call("clear", orders, "--k", "half"), "--k half")
    refused(call("clear", orders, "--k", "3/2"), "outside 0 to 1")
    refused(call("clear", orders, "--price-unit", "pence"), "pence")


@pytest.mark.parametrize("width", [20, 40, 80])
def test_no_number_of_a_market_is_cut(width: int, tmp_path: Path) -> None:
    path = tmp_path / "large.csv"
    path.write_text("side,price,quantity,market\nbuy,120000,1000000000,m\nsell,-200000,1000000000,m\n")
    result = call("clear", path, width=width)
    assert result.exit_code == 0
    for number in ("\u22124.0000", "1,000,000.000", "320,000.0000"):
        assert number in result.stdout.replace("\n", " ")
    assert "…" not in result.stdout
    assert max(len(line) for line in result.stdout.splitlines()) <= width


def test_every_mechanism_clears(tmp_path: Path) -> None:
    path = tmp_path / "units.csv"
    rows = [("buy", price) for price in (40, 34, 27, 25)] + [("sell", price) for price in (10, 14, 20, 33)]
    path.write_text("side,price,quantity\n" + "".join(f"{side},{price},1\n" for side, price in rows))
    for name, options in {
        "uniform": ("--rationing", "lottery", "--seed", 2**64 - 1, "--zero-surplus", "no"),
        "discriminatory": ("--spread-to", "operator"),
        "maximal-volume": ("--pairing", "descending", "--rule", "bid"),
        "random_matching": ("--seed", 7),
        "vickrey": ("--deficit-to", "dso"),
        "trade_reduction": ("--use-p0", "no", "--unit", 1),
        "huang": (),
        "sbba": ("--seed", 7),
        "muda": ("--variant", "vickrey", "--seed", 7),
        "average": (),
        "multi_round": ("--buyer-step", 1, "--seller-step", 2, "--max-rounds", 9),
        "gsy": (),
    }.items():
        result = call("clear", path, "--mechanism", name, *options, "--json")
        assert result.exit_code == 0, (name, result.stderr)
        document = json.loads(result.stdout)
        assert document["den"] in (1, 2)
        assert document["orders"] == 8


def test_prices_of_options_are_in_the_unit_of_prices(tmp_path: Path) -> None:
    path = tmp_path / "human.csv"
    path.write_text("side,price,quantity\nbuy,30.5,1.25\nsell,10,2\n")
    units = ("--price-unit", "ct/kWh", "--quantity-unit", "kWh")
    document = json.loads(call("clear", path, *units, "--fee", "0.5", "--reserve", 12, "--json").stdout)
    assert document["markets"][0]["price_sell"] == 120_000
    assert document["markets"][0]["price_buy"] == 125_000
    refused(call("clear", path, *units, "--fee", "0.00001"), "--fee 0.00001: is no whole number of ticks")
    refused(call("clear", path, *units, "--fee", "much"), "--fee much: is no number")
    refused(call("clear", path, "--cap-low", 5, "--cap-high", 2), "--cap-low")


def test_wrong_options_are_named_as_options(orders: Path) -> None:
    refused(call("clear", orders, "--mechanism", "vickery"), "did you mean vickrey?")
    refused(call("clear", orders, "--mechanism", "sbba"), "sbba needs --seed")
    refused(call("clear", orders, "--mechanism", "huang", "--k", "1/2"), "--k is no option of huang")
    refused(call("clear", orders, "--rationing", "fair"), "--rationing 'fair' is unknown; use 'pro_rata'")
    refused(call("clear", orders, "--k", "3/2"), "--k 3/2 is outside 0 to 1")
    refused(call("clear", orders, "--mechanism", "muda"), "give a seed, such as --seed 1")
    refused(call("clear", orders, "--mechanism", "sbba", "--seed", 2**64), "--seed 18446744073709551616: is outside")
    refused(call("clear", orders, "--mechanism", "assume", "--fee", 1), "leave out --fee")
    refused(call("clear", orders, "--zero-surplus", "maybe"), "--zero-surplus")


def test_explain(orders: Path, tmp_path: Path) -> None:
    result = call("clear", orders, "--explain", "b", "--explain", "c")
    text = " ".join(result.stdout.split())
    assert "Ask 'b' in market 'm1' (2,000 lots" in text
    assert "Bid 'c' in market 'm2'" in text
    assert "is below the best ask" in text
    document = json.loads(call("clear", orders, "--explain", "a", "--json").stdout)
    assert document["explained"]["a"].startswith("Bid 'a' in market 'm1'")
    refused(call("clear", orders, "--explain", "zz"), "--explain zz: no order has this id; there is 'a'")
    numbered = tmp_path / "numbered.csv"
    numbered.write_text("side,price,quantity,order,market\nbuy,3,1,7,1\nbuy,3,1,7,2\nsell,1,1,8,2\n")
    refused(call("clear", numbered, "--explain", "7"), "say which with --market 1")
    refused(call("clear", numbered, "--explain", "x"), "the ids of this file are integers")
    refused(call("clear", numbered, "--market", "1"), "give one of them")
    result = call("clear", numbered, "--explain", "7", "--market", "2")
    assert "was filled whole" in " ".join(result.stdout.split())
    refused(call("clear", numbered, "--explain", "7", "--market", "3"), "there is no such market")


def test_refused_orders_can_be_explained(tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text("side,price,quantity\nbuy,3,0\nsell,1,1\n")
    result = call("clear", path, "--explain", "0")
    refused(result, "--allow-rejects")
    assert "Bid 0 was refused (quantity_out_of_range)" in result.stdout


def test_plot(orders: Path, tmp_path: Path) -> None:
    for name, start in (("a.html", b"<!DOCTYPE html>"), ("a.png", b"\x89PNG"), ("a.svg", b"<svg")):
        result = call("clear", orders, "--plot", tmp_path / name, "--market", "m1")
        assert result.exit_code == 0, result.stderr
        assert f"plot: {tmp_path / name}" in result.stderr
        assert (tmp_path / name).read_bytes().startswith(start)
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    reader = Reader()
    reader.feed(page)
    assert "script" in reader.tags
    assert reader.addresses == []  # it opens offline
    assert "Price (ct/kWh)" in page
    refused(call("clear", orders, "--plot", tmp_path / "b.png"), "2 markets", "--market MARKET")
    refused(call("clear", orders, "--plot", tmp_path / "b.bmp"), "none of .html, .png, .svg")
    refused(call("clear", orders, "--plot", tmp_path / "no" / "b.png"), "does not exist")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html", "a.png", "a.svg", "orders.parquet"]


def test_control_characters_never_reach_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "evil.csv"
    name = "x\x1b[31m\x9b\u202ey"
    path.write_text(f"side,price,quantity,order,market\nbuy,3,0,{name},{name}\nsell,1,1,q,{name}\n", encoding="utf-8")
    for more in ((), ("--allow-rejects",), ("--explain", name), ("--explain", name + "z")):
        result = call("clear", path, *more)
        for character in ("\x1b", "\x9b", "\u202e"):
            assert character not in result.output
        assert "\\x1b[31m\\x9b\\u202e" in result.output.replace("\n", "")
    refused(call("clear", tmp_path / f"{name}.csv"), "\\x1b[31m")


def test_times_of_orders_without_a_zone(tmp_path: Path) -> None:
    path = tmp_path / "naive.csv"
    path.write_text("side,price,quantity,time\nbuy,3,1,2024-07-08 10:00:00\nsell,1,1,2024-07-08 10:00:00\n")
    refused(call("clear", path), "--tz UTC")
    assert call("clear", path, "--tz", "Europe/Berlin").exit_code == 0
    refused(call("clear", path, "--tz", "Moon"), "--tz Moon")
    path.write_text("side,price,quantity\nbuy,3,1\n")
    refused(call("clear", path, "--tz", "UTC"), "no column 'time'")


def test_remedies_for_communities_are_options(tmp_path: Path) -> None:
    path = tmp_path / "homes.csv"
    naive = profiles().with_columns(pl.col("slot").dt.strftime("%Y-%m-%d %H:%M:%S"), pl.col("load_wh") + 0.5)
    naive.write_csv(path)
    run = ("run", "brooklyn", "--community", path, "--days", 1)
    refused(call(*run), "--rounding half_even")
    run = (*run, "--rounding", "half_even")
    refused(call(*run), "--tz Europe/Berlin (or --tz UTC)")
    assert call(*run, "--tz", "UTC").exit_code == 0
    refused(call(*run, "--tz", "Moon"), "--tz Moon is no time zone")
    holes = naive.filter(pl.col("slot") != naive["slot"][40])
    holes.write_csv(path)
    refused(call(*run, "--tz", "UTC"), "pass --allow-gaps")
    assert "--allow-gaps" not in call(*run, "--tz", "UTC", "--allow-gaps").stderr
    naive.head(1).write_csv(path)
    refused(call(*run, "--tz", "UTC"), "give --slot-minutes 15")
    refused(call("run", "brooklyn", "--tz", "UTC", "--allow-gaps"), "--tz, --allow-gaps: for a .csv or .parquet file")


# -- verify, platforms, and the rest --------------------------------------------------------------------------------


def test_verify_names_the_first_bad_block(tmp_path: Path) -> None:
    out = tmp_path / "out"
    fc.run("brooklyn", days=1, out=out)
    records = out / "ledger" / "records.bin"
    content = bytearray(records.read_bytes())
    first = sum(block.records for block in fc.Ledger.open(out / "ledger").headers[:40])
    content[first * 112 + 80] ^= 1  # the amount of the first record of block 40
    records.write_bytes(content)
    result = call("verify", out)
    assert result.exit_code == 1
    assert "block 40" in result.stderr
    assert "records.bin" in result.stderr
    document = json.loads(call("verify", out, "--json").stdout)
    assert document["ok"] is False
    assert document["first_bad_block"]["height"] == 40


def test_verify_without_a_ledger(tmp_path: Path) -> None:
    refused(call("verify", tmp_path / "nothing"), "no ledger here")
    refused(call("verify", tmp_path), "no ledger here")
    (tmp_path / "photo.jpg").write_bytes(b"x")
    refused(call("verify", tmp_path), "not a ledger")


def test_verify_as_json(tmp_path: Path) -> None:
    run = fc.run("brooklyn", days=1, out=tmp_path / "out")
    document = json.loads(call("verify", tmp_path / "out", "--json").stdout)
    assert (document["ok"], document["head"], document["blocks"]) == (True, run.head, 97)


def test_platforms() -> None:
    assert "brooklyn" in call("platforms").stdout
    assert json.loads(call("platforms", "--json").stdout)[0]["name"] == "brooklyn"
    refused(call("platforms", "--show", "broklyn"), "did you mean brooklyn")


def test_help_and_version() -> None:
    assert call("--version").stdout == f"fastclear {fc.__version__}\n"
    for command in ("run", "clear", "verify", "platforms", "mechanisms", "bench"):
        text = call(command, "--help").stdout
        assert "Usage" in text
        assert command == "platforms" or "Example" in text


def test_an_interrupt_is_clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fastclear.platforms.simulation.write_result", stop)
    result = call("run", "brooklyn", "--days", 1, "--out", tmp_path / "out")
    assert result.exit_code == 130
    assert "interrupted" in result.stderr
    assert list(tmp_path.iterdir()) == []


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "fastclear.cli", *map(str, words)]


def test_a_real_process(tmp_path: Path) -> None:
    env = {**os.environ, "COLUMNS": "90", "NO_COLOR": "1"}
    done = subprocess.run(
        command("run", "brooklyn", "--days", 1),
        capture_output=True,
        text=True,
        env=env,
        check=True,
        cwd=tmp_path,
    )
    assert done.stderr == ""  # no progress bar where there is no terminal
    assert max(len(line) for line in done.stdout.splitlines()) <= 90
    failed = subprocess.run(command("run", "nowhere"), capture_output=True, text=True, check=False, cwd=tmp_path)
    assert failed.returncode == 2
    assert failed.stdout == ""
    assert len(failed.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="interrupts are sent otherwise there")
def test_a_real_interrupt(tmp_path: Path) -> None:
    process = subprocess.Popen(
        command("run", "brooklyn", "--days", 28, "--out", tmp_path / "out"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not list(tmp_path.iterdir()):  # the run has begun when its temporary directory is there
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="interrupts are sent otherwise there")
def test_an_early_interrupt_is_silent() -> None:
    """While the libraries are still being imported, and whatever they do to the handlers."""
    code = (
        "import sys; sys.argv[:] = ['fastclear', '--version']; sys.orig_argv[:] = sys.argv[:];"
        "import fastclear; print('ready', flush=True); import time; time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert error == ""


def test_a_library_user_keeps_the_handlers() -> None:
    code = "import signal, fastclear; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


@pytest.mark.skipif(os.name == "nt", reason="pipes break otherwise there")
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("platforms", "--json"), 0),
        (("mechanisms",), 0),
        (("run", "brooklyn", "--days", "1"), 0),
        (("clear", "nowhere.csv"), 2),
    ],
)
def test_a_reader_that_goes_away(words: tuple[str, ...], code: int, tmp_path: Path) -> None:
    ends = [os.pipe(), os.pipe()]
    for reader, _ in ends:
        os.close(reader)
    out, error = (os.fdopen(writer, "wb") for _, writer in ends)
    with out, error:
        process = subprocess.Popen(command(*words), stdout=out, stderr=subprocess.PIPE, cwd=tmp_path)
        _, said = process.communicate(timeout=60)
        assert process.returncode == code
        assert b"Traceback" not in said
        assert b"Exception ignored" not in said
        both = subprocess.run(command(*words), stdout=out, stderr=error, check=False, cwd=tmp_path)
        assert both.returncode == code


def test_a_plain_terminal_gets_its_table() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C", "COLUMNS": "40"}
    command = [sys.executable, "-m", "fastclear.cli", "run", "brooklyn", "--days", "1"]
    done = subprocess.run(command, capture_output=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert b"Members' bills" in done.stdout
