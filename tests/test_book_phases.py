"""Phases of an order book at the Python border: calls, schedules, collars, breakers. Every event is compared with a
naive twin in Rust (rust/fastclear-core/tests/book/calls.rs)."""

import copy
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastclear as fc

GOES_ON = {"op": ["phase"], "market": [0], "phase": ["continuous"]}


def in_call(*, self_trade="off"):
    book = fc.OrderBook(self_trade=self_trade)
    book.apply({"op": ["phase"], "market": [0], "phase": ["pre_open"]})
    return book


def resting(book):
    return book.snapshot().select("market", "order", "side", "price", "quantity").rows()


@st.composite
def orders(draw, most=14):
    width, lots = draw(st.sampled_from([(1, 1), (2, 3), (5, 4), (30, 100)]))
    rows = draw(
        st.lists(st.tuples(st.booleans(), st.integers(0, width), st.integers(1, lots)), min_size=1, max_size=most)
    )
    return pl.DataFrame(
        {
            "order": range(len(rows)),
            "side": ["buy" if buys else "sell" for buys, _, _ in rows],
            "price": [price - width // 2 for _, price, _ in rows],
            "quantity": [lots for _, _, lots in rows],
            "time": range(len(rows)),
        }
    )


def demand_and_supply(frame, price):
    buys = frame["side"] == "buy"
    return (
        int(frame.filter(buys & (frame["price"] >= price))["quantity"].sum()),
        int(frame.filter(~buys & (frame["price"] <= price))["quantity"].sum()),
    )


def best_by_trying(frame, low, high, reference):
    """The price by its definition, every price tried; low and high are the ends of the clearing interval."""
    excess = {}
    volumes = {}
    for price in range(frame["price"].min() - 2, frame["price"].max() + 3):
        demand, supply = demand_and_supply(frame, price)
        excess[price], volumes[price] = demand - supply, min(demand, supply)
    prices = [price for price, volume in volumes.items() if volume == max(volumes.values())]
    least = min(abs(excess[price]) for price in prices)
    prices = [price for price in prices if abs(excess[price]) == least]
    if all(excess[price] > 0 for price in prices):
        prices = prices[-1:]
    elif all(excess[price] < 0 for price in prices):
        prices = prices[:1]
    elif least:
        turn = max(price for price in prices if excess[price] > 0)
        prices = [turn, turn + 1]
    reference = (low + high) // 2 if reference is None else reference
    price = min(prices, key=lambda price: abs(price - reference))
    return price, max(volumes.values()), excess[price]


@given(orders(), st.none() | st.integers(-8, 8))
def test_a_call_is_the_uniform_auction_of_its_orders(frame, reference):
    book = in_call()
    if reference is not None:  # a trade before the call: the last price
        book.apply(GOES_ON)
        book.submit({"side": ["sell", "buy"], "price": [reference] * 2, "quantity": [1, 1], "order": [1000, 1001]})
        book.apply(GOES_ON | {"phase": ["pre_open"]})
    events = book.submit(frame)
    assert set(events.frame["kind"]) == {"accepted"}
    said = book.indicative()
    clearing = fc.clear(frame, fc.Uniform(rationing="time"))
    market = clearing.markets.row(0, named=True)
    trades = book.apply(GOES_ON).trades
    fills = np.zeros(len(frame), np.int64)
    for side in ("buy_order", "sell_order"):
        np.add.at(fills, trades[side].to_numpy(), trades["quantity"].to_numpy())
    assert fills.tolist() == clearing.fills["filled"].to_list()
    assert said.volume == market["volume"] == trades["quantity"].sum()
    if said.price is None:
        assert not len(trades)
        return
    assert set(trades["buy_price"]) | set(trades["sell_price"]) == {said.price}
    assert market["price_low"] <= said.price <= market["price_high"]
    assert said == best_by_trying(frame, market["price_low"], market["price_high"], reference)
    best = book.best()
    assert best.bid is None or best.ask is None or best.bid < best.ask
    # What is left over is no better than the price.
    left = book.snapshot()
    assert (left.filter(side="buy")["price"] <= said.price).all()
    assert (left.filter(side="sell")["price"] >= said.price).all()
    assert book.indicative() == (None, 0, 0)


@given(
    orders(), st.lists(st.integers(0, 2), min_size=14, max_size=14), st.sampled_from(["cancel_resting", "decrement"])
)
def test_nobody_trades_with_himself_in_a_call_and_others_get_what_they_would(frame, who, rule):
    frame = frame.with_columns(participant=pl.Series(who[: len(frame)]))
    fills = {}
    for self_trade in ("off", rule):
        book = in_call(self_trade=self_trade)
        book.submit(frame)
        events = book.apply(GOES_ON).frame
        took = events.filter(pl.col("kind").is_in(["trade", "cancelled"]))
        fills[self_trade] = (
            resting(book),
            took["quantity"].sum() - events.filter(kind="cancelled")["quantity"].sum() // 2,
        )
        owner = dict(zip(frame["order"], frame["participant"], strict=True))
        if self_trade == rule:
            trades = events.filter(kind="trade")
            assert all(owner[one] != owner[other] for one, other in trades.select("order", "counter_order").rows())
    assert fills["off"] == fills[rule]


@given(
    orders(),
    st.lists(st.sampled_from(["pre_open", "continuous", "halted"]), min_size=1, max_size=6),
    st.lists(st.integers(0, 40), max_size=8),
    st.booleans(),
)
def test_no_result_depends_on_how_time_is_cut(frame, phases, stops, closes):
    frame = frame.with_columns(expires=pl.Series([20 + 3 * row if row % 3 == 0 else None for row in range(len(frame))]))
    schedule = [(15 + 4 * nth, phase) for nth, phase in enumerate(phases)] + [(45, "closed")] * closes
    book = fc.OrderBook()
    book.apply({"op": ["phase"], "market": [0], "phase": ["pre_open"]})
    book.set_phases({0: schedule})
    book.set_breaker(0, 2, 5)
    book.submit(frame)
    other = copy.copy(book)
    at_once = book.advance(50).frame
    steps = pl.concat([other.advance(time).frame for time in [*sorted(stops), 50]])
    assert at_once.equals(steps)
    assert resting(book) == resting(other)
    assert book.phase() == other.phase() == ("closed" if closes else phases[-1])


def test_a_breaker_pauses_a_market_into_a_call_and_it_resumes():
    book = fc.OrderBook()
    book.set_breaker("18:00", 5, 1_000)
    asks = {
        "market": ["18:00"] * 3,
        "side": ["sell"] * 3,
        "price": [20, 24, 26],
        "quantity": [2] * 3,
        "time": [100] * 3,
    }
    book.submit(asks | {"order": ["a", "b", "c"]})
    order = {"market": ["18:00"], "order": ["d"], "side": ["buy"], "price": [30], "quantity": [7], "time": [200]}
    events = book.submit(order)
    assert events.trades["buy_price"].to_list() == [20, 24]
    assert events.frame.row(-1, named=True)["kind"] == "phase"
    assert book.phase("18:00") == "pre_open"
    assert book.indicative("18:00") == (30, 2, 1)
    late = order | {"order": ["e"], "side": ["sell"], "price": [22], "quantity": [1], "time": [1_199]}
    assert book.submit(late).frame["kind"].to_list() == ["accepted"]
    assert book.submit(late | {"order": ["f"], "tif": ["ioc"]}).reject.tolist() == [fc.RejectReason.NOT_IN_PHASE]
    resumed = book.advance(1_200)
    assert resumed.trades.select("buy_order", "sell_order", "quantity", "buy_price").rows() == [
        ("d", "e", 1, 26),
        ("d", "c", 2, 26),
    ]
    assert book.phase("18:00") == "continuous"
    # It trades on, and fires again from the call's price.
    far = order | {"order": ["g"], "side": ["sell"], "price": [32], "time": [1_300]}
    book.submit(far)
    again = book.submit(order | {"order": ["h"], "price": [33], "time": [1_400]})
    assert again.frame["kind"].to_list() == ["accepted", "phase"]
    assert book.advance(2_400).trades["buy_price"].to_list() == [32]
    book.set_breaker("18:00", None)
    book.submit(order | {"order": ["i"], "side": ["sell"], "price": [90], "time": [3_000]})
    assert book.submit(order | {"order": ["j"], "price": [90], "time": [3_000]}).trades["buy_price"].to_list() == [90]


def test_a_collar_bounds_every_price():
    book = fc.OrderBook()
    book.submit({"side": ["buy", "sell"], "price": [8, 40], "quantity": [1, 1]})
    with pytest.raises(fc.SchemaError, match="order 1 could trade outside"):
        book.set_collar(0, 41, None)
    book.set_collar(0, 10, 30)
    rows = {"side": ["buy", "sell", "sell", "buy"], "price": [9, 31, 10, 30], "quantity": [1] * 4}
    assert book.submit(rows).reject.tolist() == [14, 14, 0, 0]
    # A market order takes nothing outside: the ask at 40 and the bid at 8 are out of reach.
    events = book.submit({"side": ["buy", "sell"], "type": ["market"] * 2, "price": [None] * 2, "quantity": [1, 1]})
    assert events.frame["kind"].to_list() == ["accepted", "cancelled"] * 2
    outside = book.replace(0, price=31)
    assert outside.reject.tolist() == [fc.RejectReason.PRICE_OUTSIDE_CAPS]
    book.set_collar(0, None, None)
    assert book.replace(0, price=31).reject.tolist() == [0]


def test_a_day_by_the_clock_of_datetimes():
    def at(hour):
        return datetime(2026, 3, 1, hour, tzinfo=UTC)

    book = fc.OrderBook()
    book.apply({"op": ["halt"], "market": [5]})
    book.set_phases({5: [(at(8), "pre_open"), (at(9), "continuous"), (at(16), "pre_open"), (at(17), "closed")]})
    seen = []
    for hour in (7, 8, 9, 15, 16, 17):
        book.advance(at(hour))
        seen.append(book.phase(5))
    assert seen == ["halted", "pre_open", "continuous", "continuous", "pre_open", "closed"]
    assert book.phase(6) == "continuous"
    with pytest.raises(fc.SchemaError, match="closed"):
        book.set_phases({5: [(at(18), "continuous")]})


@pytest.mark.parametrize(
    "call",
    [
        lambda book: book.set_phases({0: [(20, "continuous"), (20, "halted")]}),
        lambda book: book.set_phases({1: [(20, "halted")], 0: [(10, "halted")]}),
        lambda book: book.set_phases({0: [(20, "lunch")]}),
        lambda book: book.set_phases({0: [(20, "closed"), (30, "continuous")]}),
        lambda book: book.set_phases({0: [(20, "halted"), (15, "closed")]}),
        lambda book: book.set_phases({0: [(20,)]}),
        lambda book: book.set_phases({0: []}),
        lambda book: book.set_phases({0: [(None, "halted")]}),
        lambda book: book.set_phases({0: [("noon", "halted")]}),
        lambda book: book.set_phases({0: [(datetime(2026, 1, 1), "halted")]}),
        lambda book: book.set_phases([(20, "halted")]),
        lambda book: book.set_phases({None: [(20, "halted")]}),
        lambda book: book.set_phases({"zero": [(20, "halted")]}),
        lambda book: book.set_collar(0, 5, 4),
        lambda book: book.set_collar(0, 2**31, None),
        lambda book: book.set_collar(0, 1.5, None),
        lambda book: book.set_collar(0, None, 6),
        lambda book: book.set_breaker(0, -1, 5),
        lambda book: book.set_breaker(0, 5, 0),
        lambda book: book.set_breaker(0, 5),
        lambda book: book.set_breaker(0, 2**31, 5),
        lambda book: book.set_breaker(0, True, 5),
        lambda book: book.set_breaker("zero", 5, 5),
        lambda book: book.phase("zero"),
        lambda book: book.indicative(1.5),
    ],
)
def test_what_makes_no_sense_raises_and_changes_nothing(call):
    book = fc.OrderBook()
    book.submit({"side": ["buy", "sell"], "price": [7, 9], "quantity": [1, 1], "time": [10, 10]})
    before = (resting(book), book.markets.rows(), book.clock)
    with pytest.raises(fc.SchemaError):
        call(book)
    assert (resting(book), book.markets.rows(), book.clock) == before
    assert book.advance(50).count == 0
    assert book.phase() == "continuous"


def test_a_copy_has_a_day_of_its_own():
    book = in_call()
    book.set_phases({0: [(10, "continuous")]})
    twin = copy.copy(book)
    twin.advance(10)
    assert (book.phase(), twin.phase()) == ("pre_open", "continuous")
    assert book.advance(10).frame["kind"].to_list() == ["phase"]
