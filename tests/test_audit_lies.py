"""Coherent lies: fills, trades, payments and markets agree, and only the mechanism's own rule is broken.

A `Forgery` rewrites a clearing from a list of trades, so that every check that holds for all auctions still holds.
"""

import re

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastclear as fc
from fastclear import testing
from fastclear.audit import chacha, double_auction, matching, refusals, rounds, truthful, universal
from fastclear.audit.state import MARKETS

# In the second market every ask is sold out.
STEPS = pl.DataFrame(
    {
        "market": [1] * 6 + [2] * 5,
        "side": ["buy", "buy", "buy", "sell", "sell", "sell", "buy", "buy", "buy", "sell", "sell"],
        "price": [3000, 2500, 1800, 1000, 1600, 2400, 3000, 2500, 1800, 1000, 1600],
        "quantity": [5, 4, 3, 4, 5, 6, 5, 6, 3, 4, 5],
        "time": [2, 4, 6, 3, 1, 5, 2, 4, 6, 3, 1],
    }
)
# One price level of bids for less supply.
LEVEL = pl.DataFrame(
    {
        "side": ["buy"] * 5 + ["sell"],
        "price": [30] * 5 + [10],
        "quantity": [1, 7, 12, 3, 5, 11],
        "time": [3, 1, 2, 5, 4, 0],
    }
)
UNITS = pl.DataFrame(
    {
        "market": [1] * 8 + [2] * 8,
        "side": (["buy"] * 4 + ["sell"] * 4) * 2,
        "price": [40, 34, 27, 16, 10, 14, 20, 30, 40, 34, 27, 25, 10, 14, 20, 33],
        "quantity": [1] * 16,
    }
)
SIZES = pl.DataFrame(
    {
        "participant": ["a", "b", "c", "d", "e", "f", "g", "h"],
        "side": ["buy"] * 4 + ["sell"] * 4,
        "price": [45, 40, 33, 20, 10, 15, 24, 38],
        "quantity": [10, 8, 6, 9, 7, 10, 12, 5],
    }
)
OPENING = pl.DataFrame(
    {
        "side": ["buy", "buy", "buy", "sell", "sell"],
        "price": [30, 24, 12, 10, 16],
        "start_price": [18, 15, 10, 20, 26],
        "quantity": [5, 4, 1, 3, 6],
    }
)
BOTH_HALVES = pl.DataFrame(
    {
        "participant": ["B1", "B2", "B3", "B4", "B3", "S1", "S2", "S3", "S4", "S3"],
        "side": ["buy"] * 5 + ["sell"] * 5,
        "price": [50, 45, 41, 34, 30, 7, 12, 20, 28, 33],
        "quantity": [3, 4, 3, 5, 2, 4, 3, 3, 5, 4],
        "time": [1, 0, 2, 3, 1, 0, 0, 2, 1, 4],
    }
)
HALF = ("B1", "B3", "S1", "S4")
TURNS = ("B2", "B1", "B4", "B3", "S4", "S1", "S3", "S2")

BIG = pl.DataFrame(testing.random_orders(400, markets=6, seed=3))


class Forgery:
    """The trades of a clearing, to be changed at will; `sign` makes all the rest agree."""

    def __init__(self, clearing):
        self.clearing = clearing
        self.trades = [
            {name: int(column[i]) for name, column in clearing.trade_columns.items()}
            for i in range(len(clearing.trade_columns["trade"]))
        ]
        self.markets = {name: column.copy() for name, column in clearing.market_columns.items()}
        clearing.payment  # noqa: B018 - of the result as it was

    def sign(self):
        clearing, trades = self.clearing, self.trades
        orders, per_unit = clearing.orders, universal.prices_units(clearing.mechanism)
        filled, payment = np.zeros(orders.n, np.int64), np.zeros(orders.n, np.int64)
        for number, trade in enumerate(trades):
            trade["trade"] = number
            for side, sign in (("buy", 1), ("sell", -1)):
                if per_unit:
                    trade[f"{side}_amount"] = trade[f"{side}_price"] * trade["quantity"]
                row = trade[f"{side}_row"]
                trade[f"{side}_order"] = row if orders.order is None else int(orders.order[row])
                filled[row] += trade["quantity"]
                payment[row] += sign * trade[f"{side}_amount"]
        types = {name: column.dtype for name, column in clearing.trade_columns.items()}
        value = np.where(orders.side == 1, 1, -1) * orders.price.astype(np.int64) * filled * clearing.den
        where = np.zeros(orders.n, np.int64) if orders.market is None else orders.market
        for index, market in enumerate(self.markets["market"]):
            mine = where == market
            bids, asks = mine & (orders.side == 1), mine & (orders.side == 0)
            self.markets["volume"][index] = filled[bids].sum()
            self.markets["welfare"][index] = value[mine].sum()
            self.markets["buyer_payment"][index] = payment[bids].sum()
            self.markets["seller_revenue"][index] = -payment[asks].sum()
            self.markets["surplus"][index] = payment[mine].sum()
        clearing.__dict__["filled"] = filled
        clearing.__dict__["payment"] = payment
        clearing.__dict__["trade_columns"] = {
            name: np.array([trade[name] for trade in trades], dtype) for name, dtype in types.items()
        }
        clearing.__dict__["market_columns"] = self.markets
        return clearing


def cleared(frame, rule):
    clearing = fc.clear(frame, rule)
    clearing.audit()
    return clearing


def caught(clearing, check):
    with pytest.raises(fc.AuditError, match=re.escape(check)):
        clearing.audit()


def caught_as(frame, was, claimed, check):
    """The outcome of one rule, claimed to be that of another."""
    clearing = cleared(frame, was)
    cleared(frame, claimed)
    clearing.mechanism = claimed
    caught(clearing, check)


def test_a_forgery_without_a_lie_passes():
    for frame, rule in [
        (STEPS, fc.Uniform()),
        (UNITS, fc.TradeReduction()),
        (BOTH_HALVES, fc.Muda(variant="vickrey", seed=1)),
        (OPENING, fc.MultiRound(3, 3)),
    ]:
        Forgery(cleared(frame, rule)).sign().audit()


# -- uniform and discriminatory --------------------------------------------------------------------------------

PRICE_RULES = [
    "interval",
    "marginal_ask",
    "marginal_bid",
    "last_pair_midpoint",
    "scarce_side",
    "cut_order",
    "capped_midpoint",
]


@pytest.mark.parametrize("was", PRICE_RULES)
@pytest.mark.parametrize("claimed", PRICE_RULES)
def test_another_price_rule_is_caught(was, claimed):
    if was != claimed:
        check = double_auction.ONE_PRICE if claimed == "interval" else double_auction.PRICE_RULE
        caught_as(STEPS, fc.Uniform(price_rule=was), fc.Uniform(price_rule=claimed), check)


@pytest.mark.parametrize("rule", PRICE_RULES)
def test_a_price_one_tick_off_is_caught(rule):
    check = double_auction.ONE_PRICE if rule == "interval" else double_auction.PRICE_RULE
    for step in (-1, 1):
        forgery = Forgery(cleared(STEPS, fc.Uniform(price_rule=rule, fee=3)))
        for trade in forgery.trades:
            if trade["market"] == 1:
                trade["buy_price"] += step
                trade["sell_price"] += step
        for name in ("price", "price_buy", "price_sell"):
            forgery.markets[name][0] += step
        with pytest.raises(fc.AuditError, match=f"{re.escape(check)}|{re.escape(universal.RATIONALITY)}"):
            forgery.sign().audit()


@pytest.mark.parametrize("rounding", ["floor", "ceil", "half_up"])
def test_another_rounding_of_a_midpoint_is_caught(rounding):
    frame = STEPS.with_columns(price=pl.col("price") + (pl.col("price") == 1600))
    exact = fc.Uniform(price_rule="last_pair_midpoint")
    rounded = fc.Uniform(price_rule="last_pair_midpoint", price_round=rounding)
    assert cleared(frame, exact).den == 2
    caught_as(frame, exact, rounded, universal.HALVES)
    caught_as(frame, rounded, exact, double_auction.PRICE_RULE)


def test_a_hidden_spread_is_caught():
    forgery = Forgery(cleared(STEPS, fc.Uniform()))
    for trade in forgery.trades:
        trade["buy_price"] += trade["market"] == 1
    forgery.markets["price_buy"][0] += 1
    caught(forgery.sign(), double_auction.ONE_PRICE)
    forgery = Forgery(cleared(STEPS, fc.Discriminatory()))
    forgery.trades[0]["buy_price"] += 1
    caught(forgery.sign(), double_auction.PAIR_PRICES)


RATIONING = [
    fc.Uniform(rationing="time"),
    fc.Uniform(rationing="quantity"),
    fc.Uniform(rationing="equal"),
    fc.Uniform(rationing="pro_rata"),
]


@pytest.mark.parametrize("was", range(5))
@pytest.mark.parametrize("claimed", range(5))
def test_another_rationing_is_caught(was, claimed):
    rules = [*RATIONING, fc.Uniform(rationing="lottery", seed=4)]
    if was != claimed:
        caught_as(LEVEL, rules[was], rules[claimed], double_auction.RATIONING)


def test_another_seed_of_the_lottery_is_caught():
    fills = {tuple(cleared(LEVEL, fc.Uniform(rationing="lottery", seed=seed)).filled) for seed in range(60)}
    assert len(fills) > 10
    caught_as(
        LEVEL,
        fc.Uniform(rationing="lottery", seed=1),
        fc.Uniform(rationing="lottery", seed=2),
        double_auction.RATIONING,
    )


def test_whole_orders_of_a_level_that_change_places_are_caught():
    """No order is filled in part: that the earlier one is left out shows only where the level is shared again."""
    frame = {"side": ["buy", "buy", "sell"], "price": [9, 9, 5], "quantity": [4, 4, 4], "time": [1, 2, 0]}
    for rule in (fc.Uniform(rationing="time"), fc.Discriminatory()):
        forgery = Forgery(cleared(frame, rule))
        assert forgery.trades[0]["buy_row"] == 0
        forgery.trades[0]["buy_row"] = 1
        if isinstance(rule, fc.Discriminatory):
            forgery.trades[0]["buy_order"] = 1
        caught(forgery.sign(), double_auction.RATIONING)


def test_a_trade_split_in_two_is_caught():
    forgery = Forgery(cleared(STEPS, fc.Uniform()))
    first = forgery.trades[0]
    forgery.trades.insert(0, first | {"quantity": 1})
    first["quantity"] -= 1
    caught(forgery.sign(), double_auction.PAIRS)


def test_a_reserve_is_checked():
    rule = fc.Uniform()
    caught_as(STEPS, rule, fc.Uniform(reserve=2200), double_auction.RESERVE)
    caught_as(STEPS, rule, fc.Uniform(reserve=2700), double_auction.RESERVE)
    caught_as(STEPS, fc.Uniform(reserve=2700), rule, double_auction.SUPPORTED)
    caught_as(STEPS, fc.Discriminatory(k=0), fc.Discriminatory(k=0, reserve=1500), double_auction.RESERVE)
    caught_as(STEPS, fc.Discriminatory(k=0, reserve=1500), fc.Discriminatory(k=0), double_auction.PAIR_PRICES)


def test_caps_are_checked():
    # fc.Uniform(cap_high=2500) refuses the bids at 3000 and the ask at 2600.
    caught_as(STEPS, fc.Uniform(), fc.Uniform(cap_high=2500), refusals.REFUSALS)
    caught_as(STEPS, fc.Uniform(cap_low=1600), fc.Uniform(), refusals.REFUSALS)
    at_market = STEPS.with_columns(type=pl.Series(["market"] + ["limit"] * 10))
    caught_as(at_market, fc.Uniform(), fc.Uniform(cap_high=9000), universal.WELFARE)


MINIMA = pl.DataFrame(
    {
        "side": ["buy", "buy", "buy", "buy", "sell", "sell"],
        "price": [30, 25, 25, 20, 10, 12],
        "quantity": [4, 6, 6, 9, 7, 5],
        "time": [0, 1, 2, 3, 4, 5],
        "min_quantity": [0, 5, 5, 2, None, 0],
    }
)


@pytest.mark.parametrize("rule", [fc.Uniform(), fc.Uniform(rationing="time"), fc.Discriminatory()])
def test_minimum_quantities_are_checked(rule):
    clearing = cleared(MINIMA, rule)
    assert 0 in clearing.filled[:3]  # someone left
    # As if nobody had named a minimum.
    open_to_all = cleared(MINIMA.drop("min_quantity"), rule)
    open_to_all.orders.min_quantity = clearing.orders.min_quantity
    caught(open_to_all, double_auction.MINIMA)
    # As if the other of the two had left.
    swapped = cleared(MINIMA.with_columns(time=pl.Series([0, 2, 1, 3, 4, 5])), rule)
    assert swapped.filled.tolist() != clearing.filled.tolist()
    swapped.orders.time = clearing.orders.time
    caught(swapped, double_auction.MINIMA)
    # As if an order that stays had left, too.
    fewer = cleared(MINIMA.with_columns(min_quantity=pl.Series([0, 6, 6, 9, 0, 0])), rule)
    assert fewer.filled.tolist() != clearing.filled.tolist()
    fewer.orders.min_quantity = clearing.orders.min_quantity
    with pytest.raises(fc.AuditError):
        fewer.audit()


def test_whole_levels_are_checked():
    whole = fc.Uniform(price_rule="marginal_bid", whole_levels=True)
    for was, claimed, check in [
        (fc.Uniform(price_rule="marginal_bid"), whole, double_auction.LEVELS),
        (whole, fc.Uniform(price_rule="marginal_bid"), double_auction.SUPPORTED),
    ]:
        caught_as(STEPS, was, claimed, check)


@pytest.mark.parametrize(
    ("was", "claimed"),
    [
        (fc.Discriminatory(k=0), fc.Discriminatory(k=1)),
        (fc.Discriminatory(k=(1, 3)), fc.Discriminatory(k=(1, 3), price_round="ceil")),
        (fc.Discriminatory(rule="bid"), fc.Discriminatory(rule="ask")),
        (fc.Discriminatory(rule="earlier"), fc.Discriminatory(rule="bid")),
        (fc.Discriminatory(rule="bid"), fc.Discriminatory(rule="earlier")),
        (fc.Discriminatory(spread_to="seller"), fc.Discriminatory(spread_to="buyer")),
        (fc.Discriminatory(spread_to="operator"), fc.Discriminatory(spread_to="seller")),
        (fc.Discriminatory(spread_to="buyer"), fc.Discriminatory(spread_to="operator")),
    ],
)
def test_another_price_of_pairs_is_caught(was, claimed):
    caught_as(STEPS, was, claimed, double_auction.PAIR_PRICES)


# -- matchings -------------------------------------------------------------------------------------------------

CROSSED = pl.DataFrame(
    {"side": ["buy"] * 3 + ["sell"] * 3, "price": [10, 6, 8, 5, 9, 7], "quantity": [2, 1, 3, 1, 2, 2]}
)


def test_less_than_the_most_volume_is_caught():
    caught_as(CROSSED, fc.Discriminatory(), fc.MaximalVolume(), matching.MOST)
    forgery = Forgery(cleared(CROSSED, fc.MaximalVolume()))
    forgery.trades.pop()
    caught(forgery.sign(), matching.MOST)


def test_other_pairs_of_the_most_volume_are_caught():
    frame = CROSSED.with_columns(quantity=pl.Series([2, 2, 3, 1, 2, 2]))
    up, down = fc.MaximalVolume(), fc.MaximalVolume(pairing="descending")
    assert cleared(frame, up).filled.tolist() != cleared(frame, down).filled.tolist()
    caught_as(frame, up, down, matching.GREEDY)
    caught_as(frame, down, up, matching.GREEDY)
    for rule in (up, down):
        forgery = Forgery(cleared(frame, rule))
        forgery.trades[0], forgery.trades[1] = forgery.trades[1], forgery.trades[0]
        caught(forgery.sign(), matching.GREEDY_PAIRS)


@pytest.mark.parametrize("pairing", ["ascending", "descending"])
def test_another_price_of_matched_pairs_is_caught(pairing):
    for was, claimed in [
        (fc.MaximalVolume(k=0, pairing=pairing), fc.MaximalVolume(k=1, pairing=pairing)),
        (fc.MaximalVolume(rule="bid", pairing=pairing), fc.MaximalVolume(rule="earlier", pairing=pairing)),
    ]:
        frame = CROSSED.with_columns(time=pl.Series([3, 3, 3, 1, 2, 3]))
        caught_as(frame, was, claimed, matching.PAIR_PRICES)


def test_another_seed_of_random_partners_is_caught():
    outcomes = {str(cleared(CROSSED, fc.RandomMatching(seed)).trades.rows()) for seed in range(40)}
    assert len(outcomes) > 5
    for was, claimed in [(1, 2), (2, 1), (0, 2**64 - 1)]:
        clearing = cleared(BIG, fc.RandomMatching(was))
        clearing.mechanism = fc.RandomMatching(claimed)
        caught(clearing, matching.DRAWN)


def test_a_price_or_the_sequence_of_random_partners_is_caught():
    forgery = Forgery(cleared(CROSSED, fc.RandomMatching(seed=1)))
    forgery.trades.reverse()
    caught(forgery.sign(), matching.DRAWN_PAIRS)
    caught_as(CROSSED, fc.RandomMatching(1, rule="bid"), fc.RandomMatching(1, rule="ask"), matching.PAIR_PRICES)


# -- truthful ones ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["buy", "sell"])
@pytest.mark.parametrize("step", [1, -1])
def test_a_vickrey_payment_is_recomputed(side, step):
    frame = SIZES.with_columns(participant=pl.Series(["a", "b", "c", "a", "e", "f", "g", "e"]))
    forgery = Forgery(cleared(frame, fc.Vickrey()))
    forgery.trades[0][f"{side}_amount"] += step
    caught(forgery.sign(), truthful.VICKREY.prices)


def test_vickrey_money_moved_between_orders_of_one_agent_is_caught():
    frame = SIZES.with_columns(participant=pl.Series(["a", "a", "a", "b", "c", "c", "d", "d"]))
    forgery = Forgery(cleared(frame, fc.Vickrey()))
    assert {trade["buy_row"] for trade in forgery.trades} > {0, 1}
    first, other = (next(trade for trade in forgery.trades if trade["buy_row"] == row) for row in (0, 1))
    first["buy_amount"] += 1
    other["buy_amount"] -= 1
    caught(forgery.sign(), truthful.VICKREY.prices)


def test_vickrey_leaves_out_whole_agents():
    """The payments of agents of one order each, where one has two."""
    alone = cleared(SIZES, fc.Vickrey())
    together = SIZES.with_columns(participant=pl.Series(["a", "b", "a", "d", "e", "f", "g", "h"]))
    assert cleared(together, fc.Vickrey()).payment.tolist() != alone.payment.tolist()
    alone.orders.participant = np.array([0, 1, 0, 3, 4, 5, 6, 7])
    caught(alone, truthful.VICKREY.prices)


def test_another_allocation_than_vickreys_is_caught():
    forgery = Forgery(cleared(SIZES, fc.Vickrey()))
    forgery.trades.pop()
    caught(forgery.sign(), truthful.VICKREY.fills)


def test_payments_of_large_markets_are_worked_out_at_the_margin(monkeypatch):
    agents = np.arange(400) * 7 % 150 * 2 + (testing.random_orders(400, markets=6, seed=3)["side"] == 1)
    frame = BIG.with_columns(participant=agents)
    assert truthful.VICKREY_AT_MARGIN not in cleared(frame, fc.Vickrey()).audit().checks
    monkeypatch.setattr(truthful, "REPLAY_MAX", 10)
    assert truthful.VICKREY_AT_MARGIN in cleared(frame, fc.Vickrey()).audit().checks
    for step in (1, -1):
        forgery = Forgery(cleared(frame, fc.Vickrey()))
        forgery.trades[step]["buy_amount"] += step
        with pytest.raises(fc.AuditError):
            forgery.sign().audit()


def test_trade_reduction_is_recomputed():
    caught_as(UNITS, fc.TradeReduction(), fc.TradeReduction(use_p0=False), truthful.TRADE_REDUCTION.fills)
    caught_as(UNITS, fc.TradeReduction(use_p0=False), fc.TradeReduction(), truthful.TRADE_REDUCTION.fills)
    # No fourth bid: the cap stands in for it, or else the third pair gives up.
    short = UNITS.filter((pl.col("side") == "sell") | (pl.col("price") > 25))
    caught_as(short, fc.TradeReduction(), fc.TradeReduction(cap_low=10, cap_high=40), truthful.TRADE_REDUCTION.fills)


@pytest.mark.parametrize("step", [1, -1])
def test_prices_of_trade_reduction_are_recomputed(step):
    for market, sides in ((1, ("buy", "sell")), (2, ("buy",)), (2, ("sell",))):
        forgery = Forgery(cleared(UNITS, fc.TradeReduction()))
        for trade in forgery.trades:
            if trade["market"] == market:
                for side in sides:
                    trade[f"{side}_price"] += step
        names = [f"price_{side}" for side in sides] + (["price"] if market == 1 else [])
        for name in names:
            forgery.markets[name][market - 1] += step
        caught(forgery.sign(), truthful.TRADE_REDUCTION.prices)


def test_the_branch_of_trade_reduction_is_recomputed():
    clearing = cleared(UNITS, fc.TradeReduction())
    assert clearing.markets["branch"].to_list() == ["all_trade", "reduced"]
    forgery = Forgery(clearing)
    forgery.markets["branch"] = forgery.markets["branch"][::-1].copy()
    caught(forgery.sign(), truthful.TRADE_REDUCTION.prices)


def test_huangs_burden_is_recomputed():
    forgery = Forgery(cleared(SIZES, fc.Huang()))
    sellers = {trade["sell_row"] for trade in forgery.trades}
    buyers = sorted({trade["buy_row"] for trade in forgery.trades})
    assert len(sellers) == 2
    assert len(buyers) == 2
    # One lot of the first buyer's goes to the second.
    at_border = [trade for trade in forgery.trades if trade["buy_row"] == buyers[0]][-1]
    other = next(trade for trade in forgery.trades if trade["buy_row"] == buyers[1])
    at_border["quantity"] -= 1
    if other["sell_row"] == at_border["sell_row"]:
        other["quantity"] += 1
    else:
        forgery.trades.insert(forgery.trades.index(other), other | {"sell_row": at_border["sell_row"], "quantity": 1})
    caught(forgery.sign(), truthful.HUANG.fills)
    caught_as(SIZES.drop("participant"), fc.Uniform(), fc.Huang(), truthful.HUANG.fills)


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_huangs_prices_are_recomputed(side):
    forgery = Forgery(cleared(SIZES, fc.Huang()))
    for trade in forgery.trades:
        trade[f"{side}_price"] += 1 if side == "buy" else -1
    forgery.markets[f"price_{side}"] += 1 if side == "buy" else -1
    caught(forgery.sign(), truthful.HUANG.prices)


def test_the_seller_left_out_by_lot_is_drawn_again():
    fills = {seed: cleared(UNITS, fc.Sbba(seed)).filled.tolist() for seed in range(20)}
    other = next(seed for seed in fills if fills[seed] != fills[0])
    caught_as(UNITS, fc.Sbba(0), fc.Sbba(other), truthful.SBBA.fills)


def test_sbbas_price_is_recomputed():
    forgery = Forgery(cleared(UNITS, fc.Sbba(1)))
    for trade in forgery.trades:
        trade["buy_price"] += 1
        trade["sell_price"] += 1
    for name in ("price", "price_buy", "price_sell"):
        forgery.markets[name] += 1
    with pytest.raises(fc.AuditError, match=f"{re.escape(truthful.SBBA.prices)}|{re.escape(universal.RATIONALITY)}"):
        forgery.sign().audit()


def test_other_unit_auctions_are_caught():
    caught_as(UNITS, fc.Uniform(), fc.Average(), truthful.AVERAGE.prices)
    forgery = Forgery(cleared(UNITS, fc.Average()))
    forgery.trades.pop()
    caught(forgery.sign(), truthful.AVERAGE.fills)
    # Its price keeps to the sides' limits, and is not midway.
    forgery = Forgery(cleared(UNITS, fc.Average()))
    for trade in forgery.trades:
        trade["buy_price"] += 2
        trade["sell_price"] += 2
    for name in ("price", "price_buy", "price_sell"):
        forgery.markets[name] += 2
    caught(forgery.sign(), truthful.AVERAGE.prices)


@pytest.mark.parametrize("variant", ["lottery", "vickrey"])
def test_another_split_of_muda_is_caught(variant):
    turns = {} if variant == "vickrey" else {"permutation": TURNS}
    was = fc.Muda(variant, partition=HALF, **turns)
    claimed = fc.Muda(variant, partition=(*HALF[:2], "S2", "S3"), **turns)
    clearing = cleared(BOTH_HALVES, was)
    clearing.mechanism = claimed
    with pytest.raises(fc.AuditError, match=r"in each half|each half (trades at|pays)"):
        clearing.audit()
    seeds = {seed: cleared(BOTH_HALVES, fc.Muda(variant, seed=seed)) for seed in range(8)}
    other = next(seed for seed in seeds if seeds[seed].filled.tolist() != seeds[0].filled.tolist())
    caught_as(
        BOTH_HALVES,
        fc.Muda(variant, seed=0),
        fc.Muda(variant, seed=other),
        (truthful.MUDA_VICKREY if variant == "vickrey" else truthful.MUDA_LOTTERY).fills,
    )


def test_another_turn_of_mudas_long_side_is_caught():
    was = fc.Muda(partition=HALF, permutation=TURNS)
    claimed = fc.Muda(partition=HALF, permutation=TURNS[::-1])
    if cleared(BOTH_HALVES, was).filled.tolist() != cleared(BOTH_HALVES, claimed).filled.tolist():
        caught_as(BOTH_HALVES, was, claimed, truthful.MUDA_LOTTERY.fills)
    by_lot = [fc.Muda(partition=HALF, seed=seed) for seed in range(12)]
    fills = [cleared(BOTH_HALVES, rule).filled.tolist() for rule in by_lot]
    other = next(i for i in range(12) if fills[i] != fills[0])
    caught_as(BOTH_HALVES, by_lot[0], by_lot[other], truthful.MUDA_LOTTERY.fills)


def test_a_fee_of_muda_is_recomputed():
    for side, step in (("buy", 1), ("buy", -1), ("sell", -1), ("sell", 1)):
        for trade in range(len(cleared(BOTH_HALVES, fc.Muda("vickrey", partition=HALF)).trades)):
            forgery = Forgery(cleared(BOTH_HALVES, fc.Muda("vickrey", partition=HALF)))
            forgery.trades[trade][f"{side}_amount"] += step
            with pytest.raises(
                fc.AuditError, match=f"{re.escape(truthful.MUDA_VICKREY.prices)}|{re.escape(universal.RATIONALITY)}"
            ):
                forgery.sign().audit()


@pytest.mark.parametrize("name", ["price_left", "price_right"])
def test_a_half_price_of_muda_is_recomputed(name):
    clearing = cleared(BOTH_HALVES, fc.Muda("vickrey", partition=HALF))
    forgery = Forgery(clearing)
    forgery.markets[name] += clearing.den
    caught(forgery.sign(), truthful.MUDA_VICKREY.prices)


# -- rounds ----------------------------------------------------------------------------------------------------


def test_rounds_are_run_again():
    caught_as(OPENING, fc.MultiRound(3, 3), fc.MultiRound(3, 3, max_rounds=2), rounds.ROUNDS.fills)
    clearing = cleared(OPENING, fc.MultiRound(3, 3))
    clearing.mechanism = fc.MultiRound(2, 5)
    with pytest.raises(fc.AuditError, match="|".join(map(re.escape, rounds.ROUNDS))):
        clearing.audit()
    forgery = Forgery(cleared(OPENING, fc.MultiRound(3, 3)))
    forgery.markets["rounds"] += 1
    caught(forgery.sign(), rounds.ROUNDS.prices)
    forgery = Forgery(cleared(OPENING, fc.MultiRound(3, 3)))
    for trade in forgery.trades[-1:]:
        trade["buy_price"] += 1
        trade["sell_price"] += 1
    caught(forgery.sign(), rounds.ROUNDS.prices)


def test_halves_of_ticks_are_declared_only_where_there_are_some():
    for frame, rule in [(UNITS, fc.TradeReduction()), (UNITS, fc.Average()), (OPENING, fc.MultiRound(4, 4))]:
        clearing = cleared(frame, rule)
        clearing.__dict__["den"] = 3 - clearing.den
        with pytest.raises(fc.AuditError):
            clearing.audit()


# -- what every result says of itself ---------------------------------------------------------------------------


def test_a_market_that_is_not_reported_is_caught():
    clearing = cleared(STEPS, fc.Uniform())
    forgery = Forgery(clearing)
    forgery.trades = [trade for trade in forgery.trades if trade["market"] == 1]
    forgery.sign()
    clearing.__dict__["market_columns"] = {name: column[:1] for name, column in forgery.markets.items()}
    caught(clearing, MARKETS)


@pytest.mark.parametrize("name", ["buy_orders", "sell_orders", "best_bid", "best_ask"])
def test_counts_and_best_prices_are_recomputed(name):
    frame = {"market": [1, 1, 2, 2], "side": ["buy", "sell"] * 2, "price": [9, 4, 4, 9], "quantity": [1] * 4}
    for rule in (fc.Uniform(), fc.Huang(), fc.MultiRound(0, 0)):
        forgery = Forgery(cleared(frame, rule))
        forgery.markets[name][1] += 1
        caught(forgery.sign(), MARKETS)


@pytest.mark.parametrize("rule", [fc.Uniform(), fc.MaximalVolume(), fc.MultiRound(1, 1)])
def test_amounts_and_ids_of_trades_are_recomputed(rule):
    for name, check in [
        ("buy_amount", universal.AMOUNTS),
        ("sell_amount", universal.AMOUNTS),
        ("buy_order", universal.TRADES),
        ("trade", universal.TRADES),
    ]:
        clearing = cleared(STEPS, rule)
        column = clearing.trade_columns[name].copy()
        column[0] += 1
        clearing.trade_columns[name] = column
        caught(clearing, check)


# -- reject codes ----------------------------------------------------------------------------------------------

REFUSED = {
    "duplicate_order": (SIZES.with_columns(order=pl.Series([1, 1, 2, 3, 4, 5, 6, 7])), fc.Uniform(), [0, 1]),
    "no_reference_price": (
        pl.DataFrame(
            {"side": ["buy"], "price": [None], "quantity": [1], "type": ["market"]},
            schema_overrides={"price": pl.Int64},
        ),
        fc.Uniform(),
        [0],
    ),
    "price_outside_caps": (SIZES, fc.Uniform(cap_low=15, cap_high=40), [0, 4]),
    "min_quantity_out_of_range": (
        SIZES.with_columns(min_quantity=pl.Series([11, -1, 6, 0, 0, 0, 0, 0])),
        fc.Discriminatory(),
        [0, 1],
    ),
    "both_sides": (SIZES.with_columns(participant=pl.Series(list("abcdefga"))), fc.Vickrey(), [0, 7]),
    "several_orders": (SIZES.with_columns(participant=pl.Series(list("abcbefgh"))), fc.Huang(), [1, 3]),
    "not_one_unit": (SIZES, fc.Average(unit=5), [0, 1, 2, 3, 4, 5, 6]),
    "start_beyond_limit": (
        OPENING.with_columns(start_price=pl.Series([31, 15, 10, 9, 26])),
        fc.MultiRound(1, 1),
        [0, 3],
    ),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_a_reject_code_is_derived_again(reason):
    frame, rule, rows = REFUSED[reason]
    code = fc.RejectReason[reason.upper()]
    clearing = cleared(frame, rule)
    assert np.flatnonzero(clearing.reject).tolist() == rows
    assert set(clearing.reject[rows].tolist()) == {code}
    # Another code for the same order.
    for row in rows:
        clearing = cleared(frame, rule)
        changed = clearing.reject.copy()
        changed[row] = fc.RejectReason.QUANTITY_MISSING
        clearing.__dict__["reject"] = changed
        caught(clearing, refusals.REFUSALS)


@pytest.mark.parametrize("reason", REFUSED)
def test_a_refused_order_that_is_let_in_is_caught(reason):
    frame, rule, rows = REFUSED[reason]
    clearing = cleared(frame, rule)
    changed = clearing.reject.copy()
    changed[rows] = 0
    clearing.__dict__["reject"] = changed
    with pytest.raises(fc.AuditError):
        clearing.audit()


def test_an_order_refused_without_a_fault_is_caught():
    clearing = cleared(STEPS, fc.Uniform())
    row = int(np.flatnonzero(clearing.filled == 0)[0])
    changed = clearing.reject.copy()
    changed[row] = fc.RejectReason.CREDIT_EXCEEDED
    clearing.__dict__["reject"] = changed
    counts = Forgery(clearing)
    counts.markets["buy_orders" if clearing.orders.side[row] == 1 else "sell_orders"][0] -= 1
    caught(counts.sign(), refusals.REFUSALS)


# -- lots ------------------------------------------------------------------------------------------------------


def test_the_audits_chacha8_gives_the_published_keystream():
    """Of the all-zero key, nonce and counter (eSTREAM, ChaCha8 with 256 bits)."""
    draws = chacha.Draws(seed=0, stream=0)
    stream = b"".join(draws.next().to_bytes(8, "little") for _ in range(8))
    assert stream.hex() == (
        "3e00ef2f895f40d67f5bb8e81f09a5a12c840ec3ce9a7f3b181be188ef711a1e"
        "984ce172b9216f419f445367456d5619314a42a3da86b001387bfdb80e0cfe42"
    )


def test_draws_are_fair_and_differ_by_market():
    counts = np.bincount([chacha.Draws(seed, 3).below(3) for seed in range(900)])
    assert counts.min() > 250
    assert [chacha.Draws(7, 0).next(), chacha.Draws(7, 1).next()] != [chacha.Draws(7, 0).next()] * 2
    assert sorted(chacha.Draws(7, 0).shuffled("abcdef")) == list("abcdef")
    assert 30 < sum(chacha.Draws(seed, 0).coin() for seed in range(100)) < 70


# -- every mechanism on every book -----------------------------------------------------------------------------

EVERY = {
    "MaximalVolume": fc.MaximalVolume(),
    "MaximalVolume descending": fc.MaximalVolume(pairing="descending", rule="earlier"),
    "RandomMatching": fc.RandomMatching(7),
    "Vickrey": fc.Vickrey(),
    "TradeReduction": fc.TradeReduction(),
    "Huang": fc.Huang(),
    "Sbba": fc.Sbba(5),
    "Average": fc.Average(),
    "Muda lottery": fc.Muda(seed=3),
    "Muda Vickrey": fc.Muda("vickrey", seed=3),
    "MultiRound": fc.MultiRound(2, 3, max_rounds=20),
    "lottery": fc.Uniform(rationing="lottery", seed=4),
    "quantity": fc.Uniform(rationing="quantity", reserve=0, fee=2),
    "whole levels": fc.Uniform(price_rule="marginal_bid", whole_levels=True, rationing="time"),
    "operator": fc.Discriminatory(spread_to="operator", fee=1, reserve=3),
    **{rule: fc.Uniform(price_rule=rule) for rule in PRICE_RULES},
}


@pytest.mark.parametrize("name", EVERY)
@given(st.data())
def test_every_result_passes_and_a_random_change_is_caught(name, data):
    unit = name in ("TradeReduction", "Sbba", "Average")
    frame = data.draw(
        testing.orders(
            market_orders=True,
            faults=True,
            quantities=(1, 1) if unit else None,
            min_quantity=isinstance(EVERY[name], fc.Uniform | fc.Discriminatory),
            start_price=name == "MultiRound",
        )
    )
    clearing = fc.clear(frame, EVERY[name])
    report = clearing.audit()
    assert len(report.checks) >= 1
    names = ["filled", "payment"]
    names += [f"market_columns.{name}" for name in ("volume", "welfare", "buyer_payment", "surplus", "buy_orders")]
    names += [f"trade_columns.{name}" for name in ("quantity", "buy_amount", "sell_amount")]
    where, _, column = data.draw(st.sampled_from(names)).rpartition(".")
    array = (getattr(clearing, where)[column] if where else getattr(clearing, column)).copy()
    if not len(array):
        return
    index = data.draw(st.integers(0, len(array) - 1))
    array[index] += 1
    if where:
        getattr(clearing, where)[column] = array
    else:
        clearing.__dict__[column] = array
    with pytest.raises(fc.AuditError):
        clearing.audit()


@pytest.mark.parametrize("name", EVERY)
def test_larger_books_pass(name):
    frame = BIG.with_columns(participant=pl.int_range(pl.len()) // 2) if name.startswith(("Vickrey", "Muda")) else BIG
    if name in ("TradeReduction", "Sbba", "Average"):
        frame = frame.with_columns(quantity=pl.lit(1))
    report = fc.clear(frame, EVERY[name]).audit()
    assert report.markets == 6
    assert report.trades > 0
    assert set(universal.CHECKS) < set(report.checks)
    assert len(set(report.checks)) == len(report.checks) >= 13
