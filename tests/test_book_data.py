"""Market data of an order book: levels of all markets, a view that events keep up to date, the tape, bars, the picture.

What the core itself does is tested in rust/fastclear-core/tests/book/replica.rs.
"""

import json
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_book_saved import flow, rich_flow

import fastclear as fc

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PUBLIC = ["market", "order", "side", "price", "quantity", "shown"]


def levels_of(snapshot):
    """Level 2 of a snapshot, the obvious way."""
    rows = {}
    for market, _, side, price, _, shown in snapshot.filter(pl.col("shown") > 0).select(PUBLIC).rows():
        held = rows.setdefault((market, side, price), [0, 0])
        held[0] += shown
        held[1] += 1
    return [(*key, *held) for key, held in rows.items()]


# -- levels ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text_ids", [False, True])
def test_levels_are_those_of_the_orders(text_ids):
    book = fc.OrderBook(self_trade="decrement")
    book.apply(flow(np.random.default_rng(3), 600, text_ids))
    snapshot = book.snapshot()
    assert len(snapshot) > 30
    level2 = book.level2(1000)
    assert level2.drop("level").rows() == levels_of(snapshot)
    assert level2.schema == {
        "market": pl.String if text_ids else pl.Int64,
        "side": pl.String,
        **dict.fromkeys(("level", "price", "quantity", "orders"), pl.Int64),
    }
    level1 = book.level1()
    assert level1["market"].equals(book.markets["market"])
    for market, bid, bid_quantity, ask, ask_quantity in level1.rows():
        assert book.best(market) == (bid, bid_quantity, ask, ask_quantity)
        assert level2.filter(market=market).drop("market").equals(book.depth(market, 1000))
    assert book.level2(2).equals(level2.filter(pl.col("level") < 2))
    assert book.level2(0).is_empty()
    for levels in (-1, 1.5, True, None):
        with pytest.raises(fc.SchemaError, match="levels"):
            book.level2(levels)


def test_levels_of_a_book_without_orders():
    book = fc.OrderBook()
    assert book.level1().is_empty()
    assert book.level2().is_empty()
    book.set_gates({"m": 10})
    assert book.level1().rows() == [("m", None, None, None, None)]


# -- a view ----------------------------------------------------------------------------------------------------------


@given(
    seed=st.integers(0, 2**32),
    text_ids=st.booleans(),
    is_rich=st.booleans(),
    way=st.sampled_from(["events", "frame", "restored"]),
)
def test_a_snapshot_and_the_events_since_are_the_book(seed, text_ids, is_rich, way):
    rng = np.random.default_rng(seed)
    book = fc.OrderBook(self_trade=str(rng.choice(["off", "cancel_both", "decrement"])))
    commands = rich_flow(rng, 80, text_ids=text_ids) if is_rich else flow(rng, 80, text_ids)
    book.apply(commands[:30])
    view = book.view() if way != "frame" else fc.BookView(book.snapshot(), seq=book.next_seq)
    told = {(market, side, price): (q, n) for market, side, price, q, n in levels_of(book.snapshot())}
    for start in range(30, 80, 10):
        events = book.apply(commands[start : start + 10])
        if way == "restored":
            view = fc.BookView(view.snapshot(), seq=view.next_seq)
        changed = view.update(events.frame if way == "frame" else events)
        for _, market, side, price, quantity, orders in changed.rows():
            told[market, side, price] = (quantity, orders)
            if (quantity, orders) == (0, 0):
                del told[market, side, price]
        assert changed["seq"].is_sorted()
        assert view.next_seq == book.next_seq
        assert len(view) == len(book)
        assert sorted(view.snapshot().rows(), key=str) == sorted(book.snapshot().select(PUBLIC).rows(), key=str)
        by_market = pl.col("market").cast(pl.String)
        assert (
            view.level2(99)
            .sort(by_market, maintain_order=True)
            .equals(book.level2(99).sort(by_market, maintain_order=True))
        )
        assert sorted(told) == sorted((row[0], row[1], row[3]) for row in view.level2(99).rows())
        assert {key: list(value) for key, value in told.items()} == {
            (row[0], row[1], row[3]): list(row[4:]) for row in view.level2(99).rows()
        }
        quotes = {row[0]: row[1:] for row in book.level1().rows()}
        assert all(quotes[row[0]] == row[1:] for row in view.level1().rows())


def test_missing_events_are_named_and_known_ones_passed_over():
    book = fc.OrderBook()
    view = book.view()
    calls = [book.submit({"side": ["buy", "buy"], "price": [p, p], "quantity": [1, 2]}) for p in (5, 6, 7)]
    for late in (calls[2], calls[2].frame):
        with pytest.raises(fc.SchemaError, match="events 0 to 3 are missing"):
            view.update(late)
    assert (len(view), view.next_seq) == (0, 0)
    holes = pl.concat([calls[0].frame, calls[2].frame])
    with pytest.raises(fc.SchemaError, match="events 2 to 3 are missing") as caught:
        view.update(holes)
    assert (caught.value.column, caught.value.row) == ("seq", 2)
    with pytest.raises(fc.SchemaError, match="event 1 is missing"):
        view.update(calls[0].frame[0:1].vstack(calls[1].frame[:1]).with_columns(seq=pl.Series([0, 2])))
    with pytest.raises(fc.SchemaError, match="event 0 comes after event 1"):
        view.update(calls[0].frame.reverse())
    assert len(view.update(pl.concat([call.frame for call in calls[:2]]))) == 4
    assert view.update(calls[1]).is_empty()  # twice is once
    assert len(view.update(pl.concat([call.frame for call in calls]))) == 2
    assert view.snapshot().equals(book.snapshot().select(PUBLIC))
    assert "6 orders before event 6" in repr(view)


def test_a_snapshot_says_how_much_is_shown():
    book = fc.OrderBook()
    book.submit({"side": ["buy", "sell"], "price": [5, 9], "quantity": [7, 3], "display": [2, None]})
    rows = book.snapshot()
    assert fc.BookView(rows, seq=book.next_seq).level1().rows() == [(0, 5, 2, 9, 3)]
    with pytest.raises(fc.SchemaError, match="display and no column 'shown'") as caught:
        fc.BookView(rows.drop("shown"), seq=book.next_seq)
    assert caught.value.column == "shown"
    for shown in ([8, 3], [-1, 3], [2**40, 3]):
        with pytest.raises(fc.SchemaError, match="row 0 of the snapshot: more lots are shown"):
            fc.BookView(rows.with_columns(shown=pl.Series(shown)), seq=book.next_seq)
    plain = rows.select(PUBLIC).drop("shown")
    assert fc.BookView(plain, seq=book.next_seq).level1().rows() == [(0, 5, 7, 9, 3)]


def test_what_no_book_told_is_refused_and_changes_nothing():
    book = fc.OrderBook()
    book.submit({"side": ["buy", "sell"], "price": [5, 9], "quantity": [3, 3], "order": [1, 2]})
    view = book.view()
    with pytest.raises(fc.SchemaError, match="only trades"):
        view.update(book.submit({"side": ["buy"], "price": [4], "quantity": [1]}, keep="trades"))
    view = book.view()
    before = view.snapshot()
    good = book.submit({"side": ["sell"], "price": [5], "quantity": [2], "order": [7]}).frame
    for wrong in (
        good.with_columns(order=pl.lit(1)),
        good.with_columns(quantity=pl.lit(99)),
        good.with_columns(kind=pl.lit("triggered")),
        good.with_columns(kind=pl.lit("risen")),
        good.with_columns(kind=pl.lit(None)),
        good.with_columns(counter_order=pl.lit(55)),
        good.with_columns(remaining=pl.lit(2**40)),
        good.with_columns(order=pl.lit("seven")),
        good.drop("remaining"),
        good.with_columns(price=pl.lit(5.0)),
        good.with_columns(seq=pl.lit(None)),
        5,
    ):
        with pytest.raises(fc.SchemaError):
            view.update(wrong)
        assert view.snapshot().equals(before)
    view.update(good)
    assert view.snapshot().equals(book.snapshot().select(PUBLIC))


@pytest.mark.parametrize(
    "edit",
    [
        {"order": [1, 1]},
        {"side": ["buy", None]},
        {"price": [5, 2**31]},
        {"quantity": [1, 0]},
        {"quantity": [1, None]},
        {"market": [0, None]},
        {"quantity": [1]},
        {"price": [5.0, 6.0]},
    ],
)
def test_a_snapshot_that_cannot_be_is_refused(edit):
    good = {"market": [0, 0], "order": [1, 2], "side": ["buy", "sell"], "price": [5, 6], "quantity": [1, 1]}
    assert len(fc.BookView(good, seq=0)) == 2
    with pytest.raises(fc.SchemaError):
        fc.BookView(good | edit, seq=0)
    with pytest.raises(fc.SchemaError, match="missing"):
        fc.BookView({name: good[name] for name in good if name not in edit}, seq=0)
    for seq in (-1, True, None, 1.5, 2**63):
        with pytest.raises(fc.SchemaError, match="seq"):
            fc.BookView(good, seq=seq)


# -- tape and bars ---------------------------------------------------------------------------------------------------


@given(seed=st.integers(0, 2**32), text_ids=st.booleans())
def test_the_tape_has_every_trade_at_its_time(seed, text_ids):
    rng = np.random.default_rng(seed)
    book, clock = fc.OrderBook(), None
    commands = flow(rng, 60, text_ids)
    for call in commands.iter_slices(20):
        events = book.apply(call)
        expected = []
        times = []
        for time in call["time"]:
            clock = time if clock is None else max(clock, time)
            times.append(clock)
        for row in events.frame.filter(kind="trade").rows(named=True):
            buys = row["side"] == "buy"
            pair = (row["order"], row["counter_order"])
            ids = pair if buys else pair[::-1]
            at = times[row["command"]]
            expected.append((row["seq"], at, row["market"], row["price"], row["quantity"], row["side"], *ids))
        assert events.tape.rows() == expected
        assert events.tape.select("buy_order", "quantity").equals(events.trades.select("buy_order", "quantity"))


def test_the_tape_without_times_and_with_trades_alone():
    book = fc.OrderBook()
    orders = {"side": ["buy", "sell"], "price": [5, 5], "quantity": [2, 1]}
    assert book.submit(orders).tape["time"].to_list() == [None]
    book.advance(70)
    alone = book.submit(orders, keep="trades").tape
    assert alone.select("seq", "time", "price").rows() == [(None, 70, 5)]
    time = np.array([80, 90])
    events = book.submit(orders | {"time": time})
    time[:] = 0
    assert events.tape["time"].to_list() == [90]


def slow_bars(rows, key):
    """Bars the obvious way; rows are (market, price, quantity, …)."""
    found = {}
    for row in rows:
        found.setdefault((row[0], key(row)), []).append(row)
    bars = {}
    for place, trades in found.items():
        prices = [row[1] for row in trades]
        volume, turnover = sum(row[2] for row in trades), sum(row[1] * row[2] for row in trades)
        figures = (prices[0], max(prices), min(prices), prices[-1], volume, turnover, turnover // volume, len(trades))
        bars[place] = figures
    return bars


FIGURES = ["open", "high", "low", "close", "volume", "turnover", "vwap", "trades"]
EDGES = st.sampled_from([1 - 2**31, -7, 0, 5, 6, 2**31 - 1])
TRADES = st.lists(
    st.tuples(st.sampled_from("ba"), EDGES, st.sampled_from([1, 2, 9, 2**31 - 1]), st.integers(0, 30)), max_size=40
)


@given(rows=TRADES, every=st.sampled_from([1, 7, 10**9]), start=st.sampled_from([-20, 0, 2**61]))
def test_bars_over_time(rows, every, start):
    time, timed = start, []
    for row in rows:
        time += row[3]
        timed.append((*row[:3], time))
    names = ["market", "price", "quantity", "time"]
    tape = pl.DataFrame(
        timed, schema=dict(zip(names, [pl.String, pl.Int64, pl.Int64, pl.Int64], strict=True)), orient="row"
    )
    expected = slow_bars(timed, lambda row: row[3] // every * every)
    got = fc.bars(tape, every=every)
    assert {row[:2]: row[2:] for row in got.select("market", "start", *FIGURES).rows()} == expected
    assert got["market"].unique(maintain_order=True).equals(tape["market"].unique(maintain_order=True))
    assert got.select((pl.col("start").diff() > 0).over("market")).to_series().drop_nulls().all()
    if every == 1:
        return
    carried = fc.bars(tape, every=every, gaps="carry")
    assert carried.filter(pl.col("trades") > 0).equals(got)
    close = {}
    for market, at, *figures in carried.select("market", "start", *FIGURES).rows():
        if market in close:
            assert at == close[market][0] + every
            if not figures[-1]:
                assert figures == [close[market][1]] * 4 + [0, 0, None, 0]
        close[market] = (at, figures[3])


@given(rows=TRADES, each=st.integers(1, 12))
def test_bars_over_numbers(rows, each):
    tape = {name: [row[place] for row in rows] for place, name in enumerate(("market", "price", "quantity"))}
    tape = {name: pl.Series(column, dtype=pl.String if name == "market" else pl.Int64) for name, column in tape.items()}
    counted, lots = {}, {}
    by_number, by_volume = [], []
    for row in rows:
        by_number.append((*row[:3], counted.get(row[0], 0) // each))
        by_volume.append((*row[:3], lots.get(row[0], 0) // each))
        counted[row[0]] = counted.get(row[0], 0) + 1
        lots[row[0]] = lots.get(row[0], 0) + row[2]
    for length, keyed in (("trades_each", by_number), ("volume_each", by_volume)):
        got = fc.bars(tape, **{length: each})
        expected = slow_bars(keyed, lambda row: row[3])
        assert sorted(got.select("market", *FIGURES).rows(), key=str) == sorted(
            ((market, *figures) for (market, _), figures in expected.items()), key=str
        )
        for own in got.partition_by("market"):
            assert own["bar"].to_list() == list(range(len(own)))
            in_order = [figures for (market, _), figures in expected.items() if market == own["market"][0]]
            assert own.select(FIGURES).rows() == in_order


def test_bars_of_a_book():
    book = fc.OrderBook()
    start = datetime(2026, 3, 1, 12, tzinfo=UTC)
    minutes = [0, 1, 14, 15, 16, 59]
    tape = pl.concat(
        book.submit(
            {"side": ["sell", "buy"], "price": [p, p], "quantity": [q, q], "time": [start + timedelta(minutes=m)] * 2}
        ).tape
        for m, p, q in zip(minutes, [10, 12, 11, 9, 9, 14], [1, 2, 3, 4, 5, 6], strict=True)
    )
    bars = fc.bars(tape, every="15m")
    nanoseconds = int(start.timestamp()) * 10**9
    assert bars["start"].to_list() == [nanoseconds + m * 60 * 10**9 for m in (0, 15, 45)]
    assert bars.row(0)[2:] == (10, 12, 10, 11, 6, 67, 11, 3)
    assert Fraction(bars["turnover"][0], bars["volume"][0]) == Fraction(10 * 1 + 12 * 2 + 11 * 3, 6)
    for every in (timedelta(minutes=15), 15 * 60 * 10**9, "900s"):
        assert fc.bars(tape, every=every).equals(bars)
    zoned = tape.with_columns(
        pl.from_epoch("time", "ns").dt.replace_time_zone("Europe/Berlin").dt.convert_time_zone("UTC")
    )
    assert len(fc.bars(zoned, every="15m")) == 3
    assert len(fc.bars(tape, every="15m", gaps="carry")) == 4


GOOD = {"price": [5, 6], "quantity": [1, 2], "time": [3, 4]}


@pytest.mark.parametrize(
    ("trades", "lengths", "said"),
    [
        (GOOD, {}, "exactly one"),
        (GOOD, {"every": 1, "trades_each": 1}, "exactly one"),
        (GOOD, {"every": 0}, "every"),
        (GOOD, {"every": "quarter"}, "every"),
        (GOOD, {"every": "1mo"}, "every"),
        (GOOD, {"every": 1.5}, "every"),
        (GOOD, {"every": True}, "every"),
        (GOOD, {"trades_each": 0}, "trades_each"),
        (GOOD, {"volume_each": 2**63}, "volume_each"),
        (GOOD, {"trades_each": 1, "gaps": "carry"}, "gaps"),
        (GOOD, {"every": 1, "gaps": "fill"}, "gaps"),
        (GOOD | {"time": [4, 3]}, {"every": 1}, "row 1"),
        (GOOD | {"time": [0, 2**62]}, {"every": 1, "gaps": "carry"}, "longer bars"),
        (GOOD | {"time": [-(2**63), 0]}, {"every": 1}, "time"),
        (GOOD | {"time": [None, 3]}, {"every": 1}, "time"),
        (GOOD | {"time": ["a", "b"]}, {"every": 1}, "time"),
        (GOOD | {"price": [5, None]}, {"every": 1}, "price"),
        (GOOD | {"price": [5.0, 6.0]}, {"every": 1}, "price"),
        (GOOD | {"price": [5, 2**31]}, {"every": 1}, "row 1"),
        (GOOD | {"quantity": [1, 0]}, {"every": 1}, "row 1"),
        (GOOD | {"quantity": [1]}, {"every": 1}, "rows"),
        (GOOD | {"market": [None, "m"]}, {"every": 1}, "market"),
        ({"price": [5], "quantity": [1]}, {"every": 1}, "missing"),
        ({"price": [5]}, {"trades_each": 1}, "missing"),
        (7, {"trades_each": 1}, "trades"),
    ],
)
def test_bars_that_make_no_sense_raise(trades, lengths, said):
    with pytest.raises(fc.SchemaError, match=said):
        fc.bars(trades, **lengths)


# -- the picture -----------------------------------------------------------------------------------------------------


def texts(chart):
    return json.dumps(chart.to_dict())


def book_of(sides, prices, market="m", **rules):
    book = fc.OrderBook(**rules)
    n = len(sides)
    book.submit({"market": [market] * n, "side": sides, "price": prices, "quantity": [1500] * n})
    return book


def test_a_picture_says_what_it_shows():
    book = book_of(["buy", "buy", "sell", "sell"], [12.0, 11.5, 12.1, 13.0], units=fc.Units(price="ct/kWh"))
    said = texts(book.plot())
    for words in (
        "Price (ct/kWh)",
        "Quantity at this price or better (lots of 1 Wh)",
        "Market 'm': bid 12, ask 12.1 ct/kWh, spread 0.1 ct/kWh",
        "best bid 12 ct/kWh, 1,500 lots",
        "Bids: 3,000 lots in 2 orders",
    ):
        assert words in said, words
    assert "1 worse prices are not drawn" in texts(book.plot("m", levels=1))
    assert "(kWh)" in texts(book.plot("m", units=fc.Units(price="EUR/MWh", quantity="kWh")))
    assert texts(book.view().plot("m")) == said
    corners = [layer for layer in book.plot().to_dict()["layer"] if layer["mark"]["type"] == "area"]
    sums = [[(point["price"], point["sum"]) for point in layer["data"]["values"]] for layer in corners]
    assert sums[0][:2] == [(12.0, 1500.0), (11.5, 3000.0)]
    assert sums[1][:2] == [(12.1, 1500.0), (13.0, 3000.0)]


def test_a_picture_of_a_market_that_is_unknown_or_not_named():
    book = book_of(["buy"], [5])
    book.submit({"market": ["n"], "side": ["buy"], "price": [4], "quantity": [1]})
    with pytest.raises(fc.SchemaError, match="2 markets"):
        book.plot()
    with pytest.raises(fc.SchemaError):
        book.plot(5)
    with pytest.raises(fc.SchemaError, match="levels"):
        book.plot("m", levels=-1)
    assert "no orders" in texts(book.plot("nowhere"))
    pages = [book_of(["buy"], [5], market=name).plot().to_html() for name in ("m", "</script>")]
    assert pages[0].count("</script") == pages[1].count("</script")  # a name ends no script


def pictures():
    crossed = fc.BookView(
        {"market": [0] * 2, "order": [1, 2], "side": ["buy", "sell"], "price": [9, 7], "quantity": [4, 6]}, seq=2
    )
    yield "two sides", book_of(["buy", "buy", "sell"], [5, -3, 8]), "spread 3 ticks"
    yield "bids", book_of(["buy"], [5]), "no asks"
    yield "asks", book_of(["sell", "sell"], [2**31 - 1, 1 - 2**31]), "no bids"
    yield "empty", fc.OrderBook(), "no orders"
    yield "crossed", crossed, "crossed"


@pytest.mark.parametrize(("name", "book", "said"), [pytest.param(*case, id=case[0]) for case in pictures()])
@pytest.mark.skipif(BROWSER is None, reason="no browser here: install chromium to see the picture drawn")
def test_a_browser_draws_every_picture(name, book, said, tmp_path):
    chart = book.plot()
    assert said in texts(chart)
    path = tmp_path / "depth.html"
    chart.save(path, inline=True)
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=4000", "--dump-dom"]
    done = subprocess.run([*command, f"file://{path}"], capture_output=True, text=True, timeout=120, check=True)
    page = done.stdout.split("<body", 1)[1]
    assert "<canvas" in page or "<svg" in page, name
    assert "Javascript Error" not in page
