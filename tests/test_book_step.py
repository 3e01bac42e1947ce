"""`book.step` against a slow twin: one command a call, an order of arrival from a generator in Python, dictionaries."""

import copy
from collections import Counter
from itertools import groupby

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.chacha import ChaCha8

import fastclear as fc

NOTHING = -(2**63)
SEEN = ["bid", "bid_quantity", "ask", "ask_quantity"]


class Twin:
    """A plain book, who owns which order, and the price of each market's last trade."""

    def __init__(self, **rules):
        self.book, self.seq, self.owners, self.last = fc.OrderBook(**rules), 0, {}, {}
        self.told = []

    def obey(self, command):
        events = self.book.apply(pl.DataFrame([command], schema_overrides={"participant": pl.Int64}))
        self.seq += events.count
        frame = events.frame.drop("command", "seq")
        self.told.append(frame)
        return frame.rows(named=True)

    def step(self, actions, seed, quotes):
        keys = ("market", "agent", "side", "price", "quantity", "type", "tif")
        words = {"side": ["sell", "buy"], "type": ["limit", "market"], "tif": ["gtc", "ioc", "fok"]}

        def sort_key(row):
            cell = actions[row]
            key = [words[name].index(cell[name]) if name in words else cell[name] for name in keys]
            return [NOTHING if value is None else value for value in key] + [row]

        rows = sorted(range(len(actions)), key=sort_key)
        n = len(actions)
        orders, reject, traded, cash = [NOTHING] * n, [0] * n, [0] * n, [0] * n
        agents = {(cell["market"], cell["agent"]): Counter() for cell in actions}
        markets = {market: Counter() for market, _ in agents}
        row_of, begun, self.told = {}, self.seq, []
        for rank, (market, mine) in enumerate(groupby(rows, key=lambda row: actions[row]["market"])):
            generator = ChaCha8(seed, rank)
            generator.counter = begun << 24  # 2**28 words a step
            for turn in generator.shuffled(
                [list(turn) for _, turn in groupby(mine, key=lambda row: actions[row]["agent"])]
            ):
                agent = actions[turn[0]]["agent"]
                if quotes == "replace":
                    self.obey({"op": "mass_cancel", "market": market, "participant": agent})
                for row in turn:
                    cell = actions[row]
                    if cell["quantity"] == 0:
                        continue
                    said = {name: cell[name] for name in keys if name != "agent"}
                    for event in self.obey(said | {"op": "new", "participant": agent}):
                        if event["kind"] == "rejected":
                            reject[row] = event["reject"]
                        elif event["kind"] == "accepted":
                            orders[row], row_of[event["order"]] = event["order"], row
                            self.owners[event["order"]] = agent
                        elif event["kind"] == "trade":
                            pair = event["order"], event["counter_order"]
                            buy, sell = pair if event["side"] == "buy" else pair[::-1]
                            money = event["price"] * event["quantity"]
                            self.last[market] = event["price"]
                            markets[market] += Counter(volume=event["quantity"], trades=1)
                            for order, sign, word in ((buy, -1, "bought"), (sell, 1, "sold")):
                                if order in row_of:
                                    traded[row_of[order]] += event["quantity"]
                                    cash[row_of[order]] += sign * money
                                own = agents.setdefault((market, self.owners[order]), Counter())
                                own[word] += event["quantity"]
                                own["cash"] += sign * money
        seen = []
        for market in sorted(markets):
            best = [0 if value is None else value for value in self.book.best(market)]
            counts = markets[market]["volume"], markets[market]["trades"]
            seen.append((market, *best, self.last.get(market, 0), market in self.last, *counts))
        table = [(*key, own["bought"], own["sold"], own["cash"]) for key, own in sorted(agents.items())]
        return orders, reject, traded, cash, seen, table


prices = st.integers(-2, 6)


@st.composite
def steps(draw):
    cell = st.fixed_dictionaries(
        {
            "market": st.integers(0, 3),
            "agent": st.integers(0, 4),
            "side": st.sampled_from(["buy", "sell"]),
            "price": prices,
            "quantity": st.integers(-1, 4),  # 0 does nothing, -1 is refused
            "type": st.sampled_from(["limit", "limit", "limit", "market"]),
            "tif": st.sampled_from(["gtc", "gtc", "gtc", "ioc", "fok"]),
        }
    )
    return draw(st.lists(st.lists(cell, max_size=14), min_size=1, max_size=5))


def frame_of(actions):
    ints, texts = ("market", "agent", "price", "quantity"), ("side", "type", "tif")
    schema = dict.fromkeys(ints, pl.Int64) | dict.fromkeys(texts, pl.String)
    return pl.DataFrame(actions, schema=schema)


@settings(max_examples=60, deadline=None)
@given(
    steps(),
    st.integers(0, 2**64 - 1),
    st.sampled_from(["add", "replace"]),
    st.sampled_from(["off", "cancel_resting", "decrement"]),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_steps_are_those_of_a_slow_twin_in_any_order_of_rows(calls, seed, quotes, self_trade, erases, random):
    rules = {"self_trade": self_trade, "erase_after_trade": erases}
    book, twin = fc.OrderBook(**rules), Twin(**rules)
    for actions in calls:
        # equal rows are served in their order: make it one
        distinct = list({tuple(sorted(cell.items())): cell for cell in actions}.values())
        shuffled = list(distinct)
        random.shuffle(shuffled)
        other = copy.copy(book)
        step, again = (
            own.step(frame_of(rows), seed=seed, quotes=quotes) for own, rows in ((book, distinct), (other, shuffled))
        )
        orders, reject, traded, cash, seen, table = twin.step(distinct, seed, quotes)
        assert step.order.tolist() == orders
        assert step.reject.tolist() == reject
        assert step.traded.tolist() == traded
        assert step.cash.tolist() == cash
        assert step.markets.rows() == seen
        assert step.agents.rows() == table
        if twin.told:
            assert step.events.frame.drop("seq", "command").equals(pl.concat(twin.told))
        assert book.snapshot().equals(twin.book.snapshot())
        place = {tuple(sorted(cell.items())): row for row, cell in enumerate(shuffled)}
        rows = [place[tuple(sorted(cell.items()))] for cell in distinct]
        for name in ("order", "reject", "traded", "cash"):
            assert getattr(again, name)[rows].tolist() == getattr(step, name).tolist()
        assert again.markets.equals(step.markets)
        assert again.agents.equals(step.agents)
        assert other.snapshot().equals(book.snapshot())


def test_arrays_are_columns_with_places_for_names():
    rng = np.random.default_rng(1)
    for shape in ((6,), (4, 5), (3, 4, 2)):
        form = (1, *shape) if len(shape) == 1 else shape
        by_place, by_name = fc.OrderBook(), fc.OrderBook()
        for seed in range(3):
            arrays = {
                "side": rng.integers(0, 2, shape), "price": rng.integers(1, 9, shape),
                "quantity": rng.integers(0, 4, shape),
            }  # fmt: skip
            market, agent = (places.ravel() for places in np.indices(form)[:2])
            columns = {name: array.ravel() for name, array in arrays.items()}
            one = by_place.step(arrays, seed=seed)
            other = by_name.step({"market": market, "agent": agent, **columns}, seed=seed)
            for name in ("reject", "order", "traded", "cash"):
                assert getattr(one, name).shape == shape
                assert getattr(one, name).ravel().tolist() == getattr(other, name).tolist()
            for name in ("bought", "sold", "agent_cash"):
                assert getattr(one, name).shape == form[:2]
                assert getattr(one, name).ravel().tolist() == getattr(other, name).tolist()
            for name in (*SEEN, "last_price", "has_price", "volume", "trades"):
                assert getattr(one, name).shape == (form[0],)
            assert one.markets.equals(other.markets)
            assert one.agents.equals(other.agents)
            assert int(one.agent_cash.sum()) == 0
            assert one.bought.sum() == one.sold.sum() == one.volume.sum()
            assert not one.cash.flags.writeable
    assert by_place.snapshot().equals(by_name.snapshot())


def test_orders_of_earlier_steps_and_of_others_are_counted_for_their_owners():
    book = fc.OrderBook(settles=True)
    book.submit({"participant": [77, 0], "side": ["sell", "sell"], "price": [3, 4], "quantity": [2, 2]})
    step = book.step({"side": [0, 1], "price": [5, 4], "quantity": [0, 4]}, seed=9)
    assert step.traded.tolist() == [0, 4]
    assert step.sold.tolist() == [[2, 0]]  # agent 0's order of before; agent 77 has no place in the array
    assert step.agents.rows() == [(0, 0, 0, 2, 8), (0, 1, 4, 0, -14), (0, 77, 0, 2, 6)]


def test_a_turn_with_replace_takes_out_what_there_was_also_where_nothing_follows():
    book = fc.OrderBook()
    book.step({"side": [1, 1], "price": [5, 4], "quantity": [2, 2]}, seed=0)
    step = book.step({"side": [1, 1], "price": [5, 3], "quantity": [0, 1]}, seed=0, quotes="replace")
    assert book.snapshot().select("participant", "price", "quantity").rows() == [(1, 3, 1)]
    assert (step.bid.tolist(), step.bid_quantity.tolist()) == ([3], [1])


def test_who_comes_first_is_drawn_anew_at_every_step_and_fair():
    first = Counter()
    book = fc.OrderBook()
    for _ in range(600):
        step = book.step({"side": 1, "price": np.full(3, 5), "quantity": 1}, seed=4)
        first[int(step.order.argmin())] += 1
    assert sorted(first) == [0, 1, 2]
    assert all(150 < count < 250 for count in first.values()), first


def test_text_names_and_units():
    book = fc.OrderBook(units=fc.Units(price="ct/kWh", quantity="kWh"))
    actions = {
        "market": ["z", "z", "a"],
        "agent": ["ann", "bob", "ann"],
        "side": ["buy", "sell", "buy"],
        "price": [12.5, 12.0, 3.0],
    }
    step = book.step(actions | {"quantity": [1.0, 0.5, 0.25]}, seed=2)
    assert step.markets["market"].to_list() == ["a", "z"]
    assert step.agents.select("market", "agent").rows() == [("a", "ann"), ("z", "ann"), ("z", "bob")]
    assert step.volume.tolist() == [0, 500]
    bank = fc.Settlement(tariff=fc.Tariff(0, 0))
    bank.open(["ann", "bob"])
    bank.deposit("ann", 10**12)
    nets = bank.settle(step.events).by_participant()["net"].to_list()
    assert sorted(nets) == [-abs(int(step.cash[0])), abs(int(step.cash[0]))]


GOOD = {"side": [1], "price": [5], "quantity": [2]}


@pytest.mark.parametrize(
    ("actions", "column"),
    [
        ({"side": [1], "price": [5]}, "quantity"),
        ({"side": [1, 0], "price": [5, 6, 7], "quantity": 1}, None),
        ({"side": 1, "price": 5, "quantity": 1}, None),
        ({"side": np.ones((1, 1, 1, 1), int), "price": 5, "quantity": 1}, None),
        (GOOD | {"market": [1]}, None),
        (GOOD | {"agent": [1], "op": ["cancel"]}, "op"),
        (GOOD | {"agent": [1], "order": [4]}, "order"),
        (GOOD | {"agent": [1], "time": [4]}, "time"),
        (GOOD | {"agent": [1, 2]}, "agent"),
        (GOOD | {"price": [None]}, "price"),
        (pl.DataFrame(GOOD), "participant"),
    ],
)
def test_actions_that_make_no_sense_raise_and_change_nothing(actions, column):
    book = fc.OrderBook(settles=True)
    with pytest.raises(fc.SchemaError) as caught:
        book.step(actions, seed=0)
    assert caught.value.column == column or column in (None, "agent")
    assert len(book) == 0
    assert book.submit({"side": ["buy"], "price": [1], "quantity": [1]}).first_seq == 0


@pytest.mark.parametrize("arguments", [{"seed": -1}, {"seed": 2**64}, {"seed": True}, {"seed": 1, "quotes": "new"}])
def test_arguments_that_make_no_sense_raise(arguments):
    with pytest.raises(fc.SchemaError):
        fc.OrderBook().step(GOOD, **arguments)


def test_nothing_to_do_is_no_step():
    book = fc.OrderBook()
    step = book.step({"side": np.zeros((2, 0), int), "price": 1, "quantity": 1}, seed=0)
    assert step.traded.shape == (2, 0)
    step = book.step({"side": np.zeros((2, 3), int), "price": 1, "quantity": 0}, seed=0)
    assert (len(step.events), step.bid.tolist(), step.has_price.tolist()) == (0, [0, 0], [False, False])
