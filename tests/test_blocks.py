"""Block, linked and exclusive orders: against the twin, against brute force, and where they go wrong."""

import dataclasses
import itertools
import json
import pickle
import random
import sys

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import cases
from reference.blocks_twin import admissible, clear_hour, hour, naive_blocks, refuse, subsets
from reference.compare import MARKET_NUMBERS, TRADE_KEYS, fingerprint

import fastclear as fc
from fastclear import testing
from fastclear.auction.blocks import model as blocks_model
from fastclear.auction.blocks import prices as blocks_prices
from fastclear.auction.blocks import program as blocks_program
from fastclear.auction.blocks.prices import closest_prices

SCHEMA = {
    "market": pl.Int64,
    "order": pl.Int64,
    "side": pl.String,
    "type": pl.String,
    "price": pl.Int64,
    "quantity": pl.Int64,
    "time": pl.Int64,
    "block": pl.Int64,
    "parent": pl.Int64,
    "exclusive": pl.Int64,
}
METHODS = ["enumerate", "branch"]
RULES = ["pro_rata", "time", "equal"]
CASES = [json.loads(path.read_text("utf-8")) for path in sorted(cases.FOLDER.glob("blocks/*/case.json"))]
BLOCK_INVALID = fc.RejectReason.BLOCK_INVALID


def row(market, side, price, quantity, block=None, **more):
    return {"market": market, "side": side, "price": price, "quantity": quantity, "block": block} | more


def frame_of(rows):
    """Rows as a frame; without an id of their own they are numbered."""
    full = [dict.fromkeys(SCHEMA) | {"type": "limit", "time": 0, "order": i} | r for i, r in enumerate(rows)]
    return pl.DataFrame(full, schema=SCHEMA)


def clear(rows, method="enumerate", **options):
    return fc.clear(frame_of(rows), fc.Blocks(method=method, **options))


def accepted(clearing):
    return clearing.blocks.filter("accepted")["block"].to_list()


def random_book(seed):
    """A small book full of ties, links, groups, market orders and now and then a fault."""
    rnd = random.Random(seed)
    hours, top, lots = rnd.randint(1, 4), rnd.choice([2, 5, 9]), rnd.choice([1, 3, 5])
    rows = []
    for market in range(hours):
        for _ in range(rnd.randint(0, 5)):
            at_market = rnd.random() < 0.05
            quantity = rnd.randint(1, lots) if rnd.random() < 0.97 else 0
            price = None if at_market else rnd.randint(0, top)
            rows.append(row(market, rnd.choice(["buy", "sell"]), price, quantity))
            rows[-1]["type"] = "market" if at_market else "limit"
    names = rnd.sample(range(20), rnd.randint(0, 6))
    for name in names:
        side, price = rnd.choice(["buy", "sell"]), rnd.randint(0, top)
        parent = rnd.choice(names) if rnd.random() < 0.35 else None
        if parent == name and rnd.random() < 0.8:
            parent = None
        if rnd.random() < 0.03:
            parent = 99
        group = rnd.randint(0, 1) if rnd.random() < 0.3 else None
        markets = rnd.sample(range(hours), rnd.randint(1, hours))
        for market in markets:
            market = market if rnd.random() < 0.99 else markets[0]
            limit = price if rnd.random() < 0.7 else rnd.randint(0, top)
            rows.append(row(market, side if rnd.random() < 0.9 else "buy", limit, rnd.randint(1, lots), name))
            rows[-1] |= {"parent": parent, "exclusive": group if rnd.random() < 0.98 else None}
    for number, order in enumerate(rows):
        order |= {"order": number if rnd.random() < 0.95 else 1, "time": rnd.randint(0, 2)}
    rnd.shuffle(rows)
    return frame_of(rows)


SEEDS = st.integers(0, 2**32)
BOOKS = SEEDS.map(random_book)


def check_against_twin(frame, expected, mechanism):
    clearing = fc.clear(frame, mechanism)
    for name in ("filled", "payment", "reject"):
        assert getattr(clearing, name).tolist() == expected[name], name
    assert clearing.blocks.to_dicts() == expected["blocks"]
    assert clearing.markets["market"].to_list() == [market["market"] for market in expected["markets"]]
    for key in [*MARKET_NUMBERS, "best_bid", "best_ask"]:
        got = [None if value is None else int(value) for value in clearing.markets[key].to_list()]
        assert got == [market[key] for market in expected["markets"]], key
    for key in TRADE_KEYS:
        assert clearing.trades[key].to_list() == [trade[key] for trade in expected["trades"]], key
    for key in ("buy_row", "sell_row"):
        assert clearing.trade_columns[key].tolist() == [trade[key] for trade in expected["trades"]], key
    clearing.audit()
    return clearing


# -- the worked examples -----------------------------------------------------------------------------------------------


def stated(case, rows, result):
    """Every number that a case states, from the twin's form of a result."""
    expected = case["expected"]
    blocks = {block["block"]: block for block in result["blocks"]}
    markets = sorted(result["markets"], key=lambda market: market["market"])
    assert {name: block["accepted"] for name, block in blocks.items()} == expected["accepted"]
    assert sum(int(market["welfare"]) for market in markets) == expected["welfare"]
    assert [[market["price_low"], market["price_high"]] for market in markets] == expected["price_intervals"]
    assert [market["price"] for market in markets] == expected["prices"]
    assert {name: int(blocks[name]["surplus"]) for name in blocks} == expected["block_surplus"]
    assert [name for name in blocks if blocks[name]["paradoxical"]] == expected["paradoxically_rejected"]
    for number, order in enumerate(rows):
        if order.get("block"):
            assert result["filled"][number] == order["quantity"] * expected["accepted"][order["block"]]


def test_cases_are_all_there():
    assert [case["id"] for case in CASES] == ["Q01", "Q02"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_case_through_the_twin(case):
    rows = case["orders"]
    stated(case, rows, naive_blocks(rows))
    codes, blocks = refuse(rows)
    book = {market: hour(rows, codes, market) for market in (1, 2)}
    welfare = []
    for chosen in subsets(sorted(blocks)):
        hours = [clear_hour(book[market], set(chosen)) for market in book]
        if admissible(chosen, blocks) and None not in hours:
            welfare.append(sum(state["welfare"] for state in hours))
    assert max(welfare) == case["expected"]["welfare_without_no_loss_condition"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_case_through_clear(case, method):
    rows = case["orders"]
    frame = pl.DataFrame(rows, schema_overrides={"block": pl.String})
    clearing = check_against_twin(frame, naive_blocks(rows), fc.Blocks(method=method))
    result = {"blocks": clearing.blocks.to_dicts(), "markets": clearing.markets.to_dicts()}
    stated(case, rows, result | {"filled": clearing.filled.tolist()})
    book = clearing._found.book
    most = max(outcome.welfare for chosen in book.admissible() if (outcome := book.outcome(chosen)))
    assert most == case["expected"]["welfare_without_no_loss_condition"]


def test_the_rejected_block_of_q02_would_lose_16():
    case = CASES[1]
    clearing = fc.clear(pl.DataFrame(case["orders"], schema_overrides={"block": pl.String}), fc.Blocks())
    book = clearing._found.book
    outcome = book.outcome((0,))
    assert outcome.welfare == 620
    ((coefficients, target),) = book.no_loss((0,))
    best = sum(a * (outcome.hours[h].high if a > 0 else outcome.hours[h].low) for h, a in coefficients.items())
    assert best - target == -16


# -- the twin ----------------------------------------------------------------------------------------------------------


@given(BOOKS, st.sampled_from(RULES))
def test_both_methods_are_the_twin(frame, rationing):
    expected = naive_blocks(frame.to_dicts(), rationing)
    for method in METHODS:
        check_against_twin(frame, expected, fc.Blocks(method=method, rationing=rationing))


def test_random_books_have_what_they_test():
    """Losing parents, paradoxes, refusals, prices off the midpoint."""
    seen = dict.fromkeys(["carried", "paradoxical", "refused", "shifted"], 0)

    for seed in range(300):
        clearing = fc.clear(random_book(seed), fc.Blocks())
        rows = clearing.blocks.to_dicts()
        seen["carried"] += any(block["accepted"] and block["surplus"] < 0 for block in rows)
        seen["paradoxical"] += any(block["paradoxical"] for block in rows)
        seen["refused"] += BLOCK_INVALID in clearing.reject.tolist()
        middle = (pl.col("price_low") + pl.col("price_high")).floordiv(2)
        seen["shifted"] += clearing.markets.filter(pl.col("price") != middle).height > 0
    assert min(seen.values()) >= 3, seen


@given(testing.orders(faults=True, market_orders=True), st.sampled_from(RULES))
def test_without_blocks_it_is_uniform_to_the_byte(frame, rationing):
    blocks = fc.clear(frame, fc.Blocks(rationing=rationing))
    assert fingerprint(blocks) == fingerprint(fc.clear(frame, fc.Uniform(rationing=rationing)))
    assert blocks.blocks.height == 0
    blocks.audit()


@given(BOOKS, SEEDS)
def test_row_order_changes_nothing(frame, seed):
    order = list(range(frame.height))
    random.Random(seed).shuffle(order)
    frame = frame.with_columns(order=pl.int_range(frame.height, dtype=pl.Int64))
    here, there = fc.clear(frame, fc.Blocks()), fc.clear(frame[order], fc.Blocks())
    for name in ("markets", "blocks", "trades"):
        assert getattr(here, name).equals(getattr(there, name)), name
    assert here.fills[order].equals(there.fills)


@given(BOOKS)
def test_blocks_add_welfare_or_stay_out(frame):
    """The hourly orders alone are a supported set, so that nothing is lost by letting blocks in."""
    clearing = fc.clear(frame, fc.Blocks())
    if clearing.reject.any():
        return  # a refused order may be a duplicate of one that the other book does not have
    hourly = frame.filter(pl.col("block").is_null())
    alone = fc.clear(hourly, fc.Blocks())
    if alone.reject.any():
        return  # a market order that had only a block's limit to go by
    if "market" in frame["type"].to_list():
        return  # market orders take the limits of blocks for theirs, so that the two welfares do not compare
    assert clearing.markets["welfare"].sum() >= alone.markets["welfare"].sum()


# -- prices ------------------------------------------------------------------------------------------------------------


def brute_prices(low, high, rows):
    best = None
    for prices in itertools.product(*(range(a, b + 1) for a, b in zip(low, high, strict=True))):
        if all(sum(a * prices[h] for h, a in entries.items()) >= target for entries, target in rows):
            distance = sum((2 * p - a - b) ** 2 for p, a, b in zip(prices, low, high, strict=True))
            if best is None or (distance, prices) < best:
                best = (distance, prices)
    return None if best is None else list(best[1])


@given(SEEDS)
def test_prices_are_the_closest_of_all(seed):
    rnd = random.Random(seed)
    hours = rnd.randint(1, 4)
    low = [rnd.randint(-10, 10) for _ in range(hours)]
    high = [end + rnd.randint(0, 6) for end in low]
    rows = []
    for _ in range(rnd.randint(0, 4)):
        entries = {
            h: rnd.choice([-5, -3, -2, -1, 0, 1, 2, 3, 5]) for h in rnd.sample(range(hours), rnd.randint(1, hours))
        }
        middle = sum(a * (low[h] + high[h]) // 2 for h, a in entries.items())
        rows.append((entries, middle + rnd.randint(-8, 8)))
    assert closest_prices(low, high, rows) == brute_prices(low, high, rows)


def test_equal_quantities_share_a_shift_and_the_first_markets_stay_lowest():
    # 24 hours must rise by 30 ticks together: 18 by one, 6 by two; the later ones by two.
    prices = closest_prices([100] * 24, [200] * 24, [(dict.fromkeys(range(24), 500), 500 * (24 * 150 + 30))])
    assert prices == [151] * 18 + [152] * 6


def test_of_equally_close_prices_the_lexicographically_smallest():
    rows = [({0: 3, 2: -2, 3: 3, 4: 2, 5: -2}, 6)]
    prices = closest_prices([0] * 6, [2, 5, 6, 1, 6, 2], rows)
    assert prices == brute_prices([0] * 6, [2, 5, 6, 1, 6, 2], rows) == [1, 2, 2, 1, 3, 1]


def test_no_integer_between_two_rows():
    # 2 p = 101 has a solution, but no whole one; the intervals are far too wide to try them all.
    rows = [({0: 2, 1: 2}, 101), ({0: -2, 1: -2}, -101)]
    assert closest_prices([-(2**30)] * 2, [2**30] * 2, rows) is None


def test_contradicting_rows_of_wide_intervals_are_refuted_at_once():
    rows = [({0: 5, 1: 7}, 12_000_001), ({0: -5, 1: -7}, -12_000_000), ({0: 1, 2: 1}, 7)]
    assert closest_prices([0] * 3, [2**31] * 3, rows) is None


def test_heterogeneous_profiles_are_solved_exactly():
    rnd = random.Random(24)
    low = [rnd.randint(20_000, 200_000) for _ in range(24)]
    high = [end + rnd.randint(20_000, 60_000) for end in low]
    entries = {h: rnd.randint(1_000, 9_000) for h in range(24)}
    middle = sum(a * (low[h] + high[h]) // 2 for h, a in entries.items())
    target = middle + sum(entries.values()) * 3_333 + 7
    prices = closest_prices(low, high, [(entries, target)])
    reached = sum(a * prices[h] for h, a in entries.items())
    assert target <= reached
    # Nothing closer by moving one hour, or two against one another, a tick or two.
    distance = [(2 * p - a - b) ** 2 for p, a, b in zip(prices, low, high, strict=True)]
    for i, j in itertools.permutations(range(24), 2):
        for up, down in itertools.product(range(3), repeat=2):
            if reached + up * entries[i] - down * entries[j] < target:
                continue
            moved = [(2 * (prices[h] + d) - low[h] - high[h]) ** 2 for h, d in ((i, up), (j, -down))]
            assert sum(moved) >= distance[i] + distance[j]


@pytest.mark.parametrize("method", METHODS)
def test_prices_that_are_too_hard_are_an_error_and_no_worse_set(monkeypatch, method):
    # Nine hours open from 0 to 90, in which one block must lift prices, by quantities that have nothing in common.
    lots = [1_000_003, 999_983, 1_000_033, 999_979, 1_000_037, 999_961, 1_000_039, 999_959, 1_000_081]
    rows = [row(hour, "buy", 90, quantity) for hour, quantity in enumerate(lots)]
    rows += [row(hour, "buy", 0, 10) for hour in range(9)]
    rows += [row(hour, "sell", 61 + hour % 4, quantity, 1) for hour, quantity in enumerate(lots)]
    clearing = clear(rows, method)
    assert accepted(clearing) == [1]
    assert min(clearing.markets["price"].to_list()) > 45
    monkeypatch.setattr(blocks_prices, "STATES_MAX", 3)
    with pytest.raises(fc.MechanismError, match="coarser ticks or lots"):
        clear(rows, method)


def test_prices_give_up_with_a_remedy(monkeypatch):
    monkeypatch.setattr(blocks_prices, "STATES_MAX", 3)
    with pytest.raises(fc.MechanismError, match="coarser ticks or lots"):
        closest_prices([0] * 9, [90] * 9, [({h: 100 + 7 * h for h in range(9)}, 60_007)])


# -- the rule ----------------------------------------------------------------------------------------------------------

# One hour: bids of 10 at 50 and at 20, asks of 10 at 30 and at 60.
HOUR = [row(1, "buy", 50, 10), row(1, "buy", 20, 10), row(1, "sell", 30, 10), row(1, "sell", 60, 10)]


@pytest.mark.parametrize("method", METHODS)
def test_all_or_none(method):
    # 11 lots at 40 displace the ask at 30 and leave one lot to a bid at 20: at 20 the block loses.
    assert accepted(clear([*HOUR, row(1, "sell", 25, 10, 7)], method)) == [7]
    clearing = clear([*HOUR, row(1, "sell", 25, 11, 7)], method)
    assert accepted(clearing) == []
    assert clearing.filled.tolist() == [10, 0, 10, 0, 0]
    assert clearing.blocks["paradoxical"].to_list() == [True]


@pytest.mark.parametrize("method", METHODS)
def test_a_child_is_not_accepted_without_its_parent(method):
    child = row(1, "sell", 10, 5, 2, parent=1)
    dear = row(1, "sell", 90, 5, 1)
    assert accepted(clear([*HOUR, child, dear], method)) == []
    assert accepted(clear([*HOUR, child | {"parent": None}, dear], method)) == [2]
    assert accepted(clear([*HOUR, child, dear | {"price": 11}], method)) == [1, 2]


@pytest.mark.parametrize("method", METHODS)
def test_children_carry_a_parent_but_a_parent_carries_no_child(method):
    # Ten lots of blocks meet ten bid lots at 50; asks at 30 wait, so the price is at most 30.
    loses, earns = row(1, "sell", 33, 5, 1), row(1, "sell", 20, 5, 2)
    assert accepted(clear([*HOUR, loses, earns | {"parent": 1}], method)) == [1, 2]
    clearing = clear([*HOUR, loses, earns | {"parent": 1}], method)
    assert clearing.blocks["family_surplus"].to_list() == [
        sum(clearing.blocks["surplus"].to_list()),
        clearing.blocks["surplus"][1],
    ]
    assert clearing.blocks["surplus"][0] < 0
    assert accepted(clear([*HOUR, loses | {"parent": 2}, earns], method)) == [2]


@pytest.mark.parametrize("method", METHODS)
def test_of_an_exclusive_group_at_most_one(method):
    rows = [row(1, "sell", 10 + name, 2, name, exclusive=5) for name in (3, 1, 2)]
    assert accepted(clear([*HOUR, *rows], method)) == [1]
    clearing = clear([*HOUR, *rows], method)
    assert clearing.blocks["exclusive"].to_list() == [5, 5, 5]
    assert clearing.blocks["paradoxical"].to_list() == [False, True, True]


@pytest.mark.parametrize("method", METHODS)
def test_ties_go_to_volume_then_to_the_smaller_ids(method):
    # At 30 a block adds no welfare; the ask at 30 gives way to it lot by lot. Volume is the same, so fewer ids win.
    assert accepted(clear([*HOUR, row(1, "sell", 30, 4, 7)], method)) == []
    # A sell and a buy block at one price add volume and no welfare.
    pair = [row(2, "sell", 30, 4, 8), row(2, "buy", 30, 4, 9)]
    assert accepted(clear([*HOUR, *pair], method)) == [8, 9]
    # Alike but for the id: the smaller id, as a number.
    alike = [row(1, "sell", 25, 10, name) for name in (10, 9)]
    assert accepted(clear([*HOUR, *alike], method)) == [9]
    words = frame_of([*HOUR, *alike]).with_columns(pl.col("block").cast(pl.String))
    assert accepted(fc.clear(words, fc.Blocks(method=method))) == ["10"]


def test_a_short_list_of_ids_comes_before_the_longer_that_it_begins():
    empty = [row(2, "sell", 30, 4, 8), row(2, "buy", 30, 4, 9), row(3, "buy", 30, 4, 8), row(3, "sell", 30, 4, 9)]
    more = [row(4, "sell", 30, 4, 20), row(4, "buy", 30, 4, 21), row(1, "sell", 30, 1, 22)]
    # Block 22 changes neither welfare nor volume.
    assert accepted(clear([*HOUR, *empty, *more])) == [8, 9, 20, 21]


@pytest.mark.parametrize("method", METHODS)
def test_blocks_alone_in_a_market_are_priced_between_its_limits(method):
    clearing = clear([row(1, "sell", 10, 5, 1), row(1, "buy", 41, 5, 2)], method)
    (market,) = clearing.markets.to_dicts()
    assert (market["price_low"], market["price_high"], market["price"]) == (10, 41, 25)
    clearing.audit()


@pytest.mark.parametrize("method", METHODS)
def test_prices_leave_the_middle_only_as_far_as_they_must(method):
    # Hour 1 is pinned at 20 by a bid that is served in part; hour 2 is open from 20 to 60.
    rows = [row(1, "buy", 20, 9), row(1, "sell", 5, 3), row(2, "buy", 60, 5), row(2, "buy", 20, 9)]
    assert accepted(clear([*rows, row(1, "sell", 45, 5, 1), row(2, "sell", 45, 5, 1)], method)) == []
    clearing = clear([*rows, row(1, "sell", 35, 5, 1), row(2, "sell", 35, 5, 1)], method)
    assert clearing.markets["price"].to_list() == [20, 50]
    assert clearing.markets["price_low"].to_list() == [20, 20]
    assert clearing.markets["price_high"].to_list() == [20, 60]
    assert clearing.blocks["family_surplus"].to_list() == [0]


def test_market_orders_take_limits_of_blocks_too():
    rows = [row(1, "buy", None, 5, type="market"), row(1, "sell", 10, 5, 1)]
    clearing = clear(rows)
    assert clearing.reject.tolist() == [0, 0]
    assert clearing.markets["price"].to_list() == [10]
    rows[1]["parent"] = 99
    assert clear(rows).reject.tolist() == [12, BLOCK_INVALID]


# -- exactness ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_one_unit_of_money_in_2_to_the_62_decides(method):
    top, lots = 2**31 - 1, 2**31 - 1
    hourly = [row(m, "buy", top, lots) for m in (1, 2)] + [row(m, "sell", top, lots) for m in (1, 2)]
    for better in (1, 2):
        limits = {1: -top, 2: -top}
        rows = [row(m, "sell", limits[m] + (name != better and m == 2), lots, name) for name in (1, 2) for m in (1, 2)]
        rows += [row(3, "sell", 0, lots, 3), row(3, "buy", top, lots)]
        clearing = clear([*hourly, *rows], method)
        assert accepted(clearing) == [better, 3]
        clearing.audit()
    assert clearing.markets["welfare"].sum() == 5 * top * lots


class Garbage(blocks_program.Program):
    """A solver without a clue: wrong dual values, wrong solutions, and now and then none."""

    rnd = random.Random(3)

    def solve(self, node):
        if self.rnd.random() < 0.2:
            return None
        lower, upper = list(self._lower), list(self._upper)
        for column, value in zip(self._accept, node, strict=True):
            lower[column], upper[column] = max(value, 0), abs(value)
        duals = [self.rnd.uniform(-2, 2) for _ in self._rows]
        return self._bound(duals, lower, upper), [self.rnd.random() for _ in node]


@given(BOOKS)
@settings(max_examples=60)
def test_no_answer_of_the_solver_reaches_the_result(frame):
    with pytest.MonkeyPatch.context() as patch:
        honest = fingerprint(fc.clear(frame, fc.Blocks(method="enumerate")))
        patch.setattr("fastclear.auction.blocks.search.Program", Garbage)
        assert fingerprint(fc.clear(frame, fc.Blocks(method="branch"))) == honest


@given(BOOKS, SEEDS)
@settings(max_examples=60)
def test_any_dual_values_give_a_bound(frame, seed):
    """Those of the solver, with noise, with the wrong sign, and none at all: no supported set has more welfare."""
    rnd = random.Random(seed)
    clearing = fc.clear(frame, fc.Blocks())
    book, best = clearing._found.book, clearing.markets["welfare"].sum()
    program = blocks_program.Program(book)
    node = (-1,) * len(book.blocks)
    bound, _ = program.solve(node)
    assert bound >= best
    duals = list(program._solver.getSolution().row_dual)
    lower, upper = list(program._lower), list(program._upper)
    assert program._bound(duals, lower, upper) == bound
    for spoilt in (
        [-dual for dual in duals],
        [dual * rnd.uniform(0, 2) for dual in duals],
        [dual + rnd.gauss(0, 1) for dual in duals],
        [rnd.choice([1, 1, 1, -1]) * dual for dual in duals],
        [0.0] * len(duals),
        [dual if abs(dual) > 1e-9 else -0.01 for dual in duals],
    ):
        assert program._bound(spoilt, lower, upper) >= best


def large_book(rnd, blocks, hours=24, levels=12):
    rows = []
    for market in range(hours):
        for _ in range(levels):
            rows.append(row(market, "buy", rnd.randint(20, 200) * 1_000, rnd.randint(1, 5_000)))
            rows.append(row(market, "sell", rnd.randint(20, 200) * 1_000, rnd.randint(1, 5_000)))
    for name in range(blocks):
        first, side, price = rnd.randrange(hours - 4), rnd.choice(["buy", "sell"]), rnd.randint(60, 160) * 1_000
        quantity = rnd.randint(100, 3_000)
        parent = rnd.randrange(name) if name and rnd.random() < 0.2 else None
        for market in range(first, first + rnd.randint(1, 4)):
            rows.append(row(market, side, price, quantity, name, parent=parent))
            rows[-1]["exclusive"] = name % 3 if name % 7 == 0 else None
    return rows


def test_a_day_of_many_blocks_is_decided_and_stands_up_to_the_audit():
    rows = large_book(random.Random(11), 60)
    clearing = fc.clear(frame_of(rows), fc.Blocks())
    clearing.audit()
    taken = accepted(clearing)
    assert 0 < len(taken) < 60
    alone = clear([order for order in rows if order["block"] is None])
    assert clearing.markets["welfare"].sum() > alone.markets["welfare"].sum()


def test_enumeration_and_branch_and_bound_agree_on_a_day():
    for seed in range(3):
        frame = frame_of(large_book(random.Random(seed), 11, hours=8))
        first, second = (fc.clear(frame, fc.Blocks(method=method)) for method in METHODS)
        assert fingerprint(first) == fingerprint(second)
        assert first.blocks.equals(second.blocks)


def test_forty_alike_blocks_are_no_forty_choices():
    rows = [row(1, "buy", 50, 100), row(1, "sell", 30, 500), row(1, "buy", 20, 7)]
    rows += [row(1, "sell", 25, 8, name) for name in range(40)]
    clearing = clear(rows, "branch", nodes_max=200)
    assert accepted(clearing) == list(range(12))


# -- refusals and bad calls --------------------------------------------------------------------------------------------

GOOD = [row(1, "sell", 20, 2, 1), row(2, "sell", 20, 2, 1)]
OTHER = [row(1, "sell", 20, 2, 2), row(2, "sell", 20, 2, 2)]


def with_(changes, rows=GOOD):
    return [rows[0] | changes, *rows[1:]]


@pytest.mark.parametrize(
    ("rows", "codes"),
    [
        (GOOD, [0, 0]),
        (with_({"price": None}), [3, 20]),
        (with_({"price": None, "type": "market"}), [20, 20]),
        (with_({"quantity": 0}), [8, 20]),
        (with_({"market": 2}), [20, 20]),
        (with_({"parent": 2}), [20, 20]),
        (with_({"exclusive": 2}), [20, 20]),
        ([order | {"parent": 99} for order in GOOD], [20, 20]),
        ([order | {"parent": 1} for order in GOOD], [20, 20]),
        ([*[o | {"parent": 2} for o in GOOD], *[o | {"parent": 1} for o in OTHER]], [20] * 4),
        ([*with_({"price": None}), *[order | {"parent": 1} for order in OTHER]], [3, 20, 20, 20]),
        ([*[order | {"parent": 2} for order in GOOD], *OTHER], [0] * 4),
        ([*GOOD, row(1, "sell", 20, 2, order=0)], [11, 20, 11]),
        ([*GOOD, row(1, "sell", 20, 2, parent=1)], [0, 0, 20]),
        ([*GOOD, row(1, "sell", 20, 2, exclusive=1)], [0, 0, 20]),
    ],
    ids=[
        *("good", "null price", "market order", "no quantity", "two rows in a market", "parents differ"),
        *("groups differ", "unknown parent", "own parent", "cycle", "refused parent", "sound link", "duplicate"),
        *("hourly with a parent", "hourly in a group"),
    ],
)
def test_refusals(rows, codes):
    assert int(BLOCK_INVALID) == 20
    clearing = clear([*rows, row(1, "buy", 60, 50, order=900), row(2, "buy", 60, 50, order=901)])
    assert clearing.reject.tolist() == [*codes, 0, 0]
    assert naive_blocks(frame_of(rows).to_dicts())["reject"] == codes
    assert (clearing.filled[clearing.reject > 0] == 0).all()
    listed = {order["block"] for order, code in zip(rows, codes, strict=True) if code == 0} - {None}
    assert clearing.blocks["block"].to_list() == sorted(listed)
    clearing.audit()


def test_a_long_chain_of_parents_into_a_cycle_is_refused_and_a_long_sound_one_is_not():
    rows = [row(1, "sell", 20, 1, name, parent=name + 1 if name < 29 else 27) for name in range(30)]
    assert set(clear([*HOUR, *rows]).reject.tolist()[4:]) == {BLOCK_INVALID}
    rows[-1]["parent"] = None
    assert set(clear([*HOUR, *rows]).reject.tolist()) == {0}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"parent": ["a"] * 2}, "column 'parent' is String and 'block' is Int64"),
        ({"block": [1.5, 2.5]}, "column 'block' is Float64; give integers up to 64 bits or text"),
        ({"exclusive": [1]}, "column 'exclusive' has 1 rows and 'side' has 2"),
        ({"block": np.zeros((2, 2), np.int64)}, "column 'block' has 2 dimensions"),
        ({"block": [1, "a"]}, "column 'block' cannot be read"),
        ({"block": [True, False]}, "column 'block' is Boolean"),
        ({"block": "ab"}, "column 'block' is one str"),
    ],
)
def test_columns_that_make_no_sense(columns, message):
    good = {"side": ["buy", "sell"], "price": [3, 2], "quantity": [1, 1], "block": [1, 2]}
    with pytest.raises(fc.SchemaError, match=message):
        fc.clear(good | columns, fc.Blocks())


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"method": "milp"}, "method='milp' is unknown; use 'auto', 'enumerate', 'branch'"),
        ({"rationing": "fair"}, "rationing='fair' is unknown"),
        ({"nodes_max": 0}, "nodes_max=0 is outside 1 to"),
        ({"nodes_max": True}, "nodes_max=True"),
        ({"nodes_max": 1.0}, "nodes_max=1.0"),
    ],
)
def test_parameters_that_make_no_sense(parameters, message):
    with pytest.raises(fc.MechanismError, match=message):
        fc.Blocks(**parameters)


def test_without_highspy_few_blocks_clear_and_many_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "highspy", None)
    rows = [row(1, "sell", 10 + name, 1, name) for name in range(13)]
    assert accepted(clear([*HOUR, *rows[:12]], "auto")) == list(range(11))
    for method in ("auto", "branch"):
        with pytest.raises(fc.MissingLibraryError, match=r"pip install 'fastclear\[opt\]'"):
            clear([*HOUR, *rows], method)


def test_too_many_sets_to_list(monkeypatch):
    monkeypatch.setattr(blocks_model, "SETS_MAX", 100)
    rows = [row(1, "sell", 10 + name, 1, name) for name in range(7)]
    with pytest.raises(fc.MechanismError, match=r'use fc.Blocks\(method="branch"\)'):
        clear([*HOUR, *rows])


def test_too_few_nodes_is_an_error_and_no_guess():
    with pytest.raises(fc.MechanismError, match="raise nodes_max") as caught:
        fc.clear(frame_of(large_book(random.Random(11), 60)), fc.Blocks(nodes_max=3))
    assert "best set found has welfare" in str(caught.value)


# -- one function, one result ------------------------------------------------------------------------------------------


def test_any_frame_gives_the_same(monkeypatch):
    frame = frame_of([*HOUR, *GOOD, row(2, "buy", 30, 4)])
    expected = fingerprint(fc.clear(frame, fc.Blocks()))
    columns = {name: frame[name].to_list() for name in frame.columns}
    pandas = pytest.importorskip("pandas")
    nullable = {name: pandas.array(columns[name], "Int64") for name in ("block", "parent", "exclusive")}
    for given_as in (
        frame.lazy(),
        frame.to_arrow(),
        columns,
        pandas.DataFrame(columns | nullable),
        frame.rename({"order": "order_id"}),
    ):
        assert fingerprint(fc.clear(given_as, fc.Blocks())) == expected
    with pytest.raises(fc.SchemaError, match="orders is a int"):
        fc.clear(7, fc.Blocks())


def test_a_column_given_twice_is_refused():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame([["buy", 3, 1, 1, 1]], columns=["side", "price", "quantity", "block", "block"])
    with pytest.raises(fc.SchemaError, match="column 'block' is given twice"):
        fc.clear(frame, fc.Blocks())


def test_units_apply_to_blocks():
    rows = {"side": ["buy", "sell"], "price": [40.0, 20.5], "quantity": [1.5, 1.5], "block": [None, "K"]}
    clearing = fc.clear(rows, fc.Blocks(), units=fc.Units(price="ct/kWh", quantity="kWh"))
    assert clearing.blocks["surplus"].to_list() == [(302_500 - 205_000) * 1_500]


def test_pickle_out_and_the_rest_of_a_clearing():
    frame = frame_of([*HOUR, *GOOD, row(2, "buy", 30, 4)])
    clearing = fc.clear(frame, fc.Blocks(rationing="time"))
    again = pickle.loads(pickle.dumps(clearing))
    assert isinstance(again, fc.BlockClearing)
    assert again.mechanism == fc.Blocks(rationing="time")
    assert fingerprint(again) == fingerprint(clearing)
    assert again.blocks.equals(clearing.blocks)
    out = np.full(frame.height, -1, np.int64)
    assert fc.clear(frame, fc.Blocks(), out=out).filled is out
    assert out.tolist() == clearing.filled.tolist()
    assert not clearing.filled.flags.writeable
    with pytest.raises(fc.SchemaError, match="out is int32"):
        fc.clear(frame, fc.Blocks(), out=np.zeros(frame.height, np.int32))
    with pytest.raises(fc.SchemaError, match="threads=0"):
        fc.clear(frame, fc.Blocks(), threads=0)
    with pytest.raises(fc.MechanismError, match="Blocks takes no network"):
        fc.clear(frame, fc.Blocks(), network=fc.Network())
    assert "kWh traded" in repr(clearing)


def test_no_orders_and_orders_without_a_market():
    empty = fc.clear(frame_of([]), fc.Blocks())
    assert empty.blocks.height == 0
    empty.audit()
    nowhere = clear([row(None, "buy", 3, 1), row(None, "sell", 2, 1, 1)])
    assert nowhere.reject.tolist() == [9, 9]
    assert nowhere.markets.height == 0
    nowhere.audit()


# -- the audit ---------------------------------------------------------------------------------------------------------


def tampered(change):
    """A good clearing with links, of which `change` spoils something."""
    rows = [*HOUR, row(1, "buy", 50, 3), *GOOD, row(2, "buy", 30, 3), row(2, "buy", 21, 4), row(2, "sell", 25, 1)]
    rows += [row(1, "sell", 31, 1, 5, exclusive=4), row(1, "sell", 14, 1, 6, parent=1, exclusive=4)]
    clearing = clear(rows)
    clearing.audit()
    for name in ("filled", "payment"):
        clearing.__dict__[name] = getattr(clearing, name).copy()
    for name in ("market_columns", "trade_columns"):
        clearing.__dict__[name] = {key: column.copy() for key, column in getattr(clearing, name).items()}
    change(clearing)
    return clearing


def spoil(group, name, position, by):
    def change(clearing):
        getattr(clearing, group)[name][position] += by

    return change


def spoil_array(name, position, by):
    def change(clearing):
        getattr(clearing, name)[position] += by

    return change


def spoil_frame(column, value):
    def change(clearing):
        clearing.__dict__["blocks"] = clearing.blocks.with_columns(pl.lit(value).alias(column))

    return change


def shift_price(clearing):
    """Another price within the interval of market 2, with all that follows from it."""
    first, second = clearing._decision.prices
    clearing._decision = dataclasses.replace(clearing._decision, prices=(first, second - 1))
    del clearing.__dict__["blocks"]
    columns, trades = clearing.market_columns, clearing.trade_columns
    for name in ("price", "price_buy", "price_sell"):
        columns[name][1] -= 1
    for name in ("buyer_payment", "seller_revenue"):
        columns[name][1] -= columns["volume"][1]
    rows = trades["market"] == 2
    for side, sign in (("buy", 1), ("sell", -1)):
        trades[f"{side}_price"][rows] -= 1
        np.subtract.at(clearing.payment, trades[f"{side}_row"][rows], sign * trades["quantity"][rows])


def drop_child_parent(clearing):
    clearing.block_orders.parent[clearing.block_orders.block == 2] = 1  # block 6 now needs block 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (spoil_array("filled", 0, 1), "filled 11 of 10"),
        (spoil("market_columns", "volume", 0, 1), "what is bought is what is sold"),
        (spoil_array("filled", 6, -1), "bought"),
        (drop_child_parent, "its parent is not"),
        (spoil("trade_columns", "quantity", 0, 1), "trades add up to fills"),
        (spoil("trade_columns", "buy_price", 0, 1), "one price a market"),
        (spoil_array("payment", 0, 1), "one price a market"),
        (spoil("market_columns", "price_low", 0, 1), "every price is in its interval"),
        (spoil("market_columns", "welfare", 0, 1), "welfare is bids"),
        (spoil("market_columns", "buy_orders", 0, 1), "take part"),
        (spoil("market_columns", "surplus", 0, 1), "one price a market"),
        (spoil_frame("accepted", value=True), "the frame of blocks"),
        (spoil_frame("paradoxical", value=True), "the frame of blocks"),
        (shift_price, "midpoint"),
    ],
)
def test_the_audit_catches(change, message):
    clearing = tampered(change)
    with pytest.raises(fc.AuditError, match=message):
        clearing.audit()


def test_the_audit_catches_a_paradoxically_accepted_block():
    """Trap u.21: a block program without the no-loss condition accepts the block of Q02."""
    rows = [{key: value for key, value in order.items() if key != "participant"} for order in CASES[1]["orders"]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks_model.Book, "no_loss", lambda self, chosen: [])
        clearing = fc.clear(pl.DataFrame(rows, schema_overrides={"block": pl.String}), fc.Blocks())
    assert accepted(clearing) == ["K"]
    with pytest.raises(fc.AuditError, match="block K loses"):
        clearing.audit()


def test_the_audit_catches_a_second_block_of_a_group_and_a_part_of_one():
    rows = [*HOUR, row(1, "sell", 10, 2, 1, exclusive=5), row(1, "sell", 11, 2, 2, exclusive=6)]
    clearing = clear(rows)
    clearing.block_orders.exclusive[5] = clearing.block_orders.exclusive[4]
    with pytest.raises(fc.AuditError, match="second accepted of its group"):
        clearing.audit()
    clearing = clear([*HOUR, row(1, "sell", 10, 2, 1), row(2, "sell", 10, 2, 2), row(2, "buy", 20, 2)])
    clearing.block_orders.block[5] = 0  # what was two blocks is one, of which the hour 1 row is taken away
    clearing.__dict__["filled"] = clearing.filled.copy()
    clearing.filled[[4, 2]] += [-2, 2]
    with pytest.raises(fc.AuditError, match="is filled in part"):
        clearing.audit()
