"""What holds for every clearing of every mechanism, over a hundred thousand markets in one call each.

The slow oracles look at a thousand books a mechanism; here numpy looks at many more, at the universal predicates only:
fills within quantities, bought = sold, money conserved, nobody worse off than their limit, trades that add up, and the
same result for rows in another order. `FASTCLEAR_BOOKS=10` looks at a million.
"""

import os

import numpy as np
import pytest

import fastclear as fc

MARKETS = round(100_000 * float(os.environ.get("FASTCLEAR_BOOKS", "1")))
EXTREME = 2**31 - 1

# Mechanism, largest quantity of an order, and the sign that the surplus must have.
SUITE = {
    "uniform": (fc.Uniform(), 9, "zero"),
    "uniform, time, strict": (fc.Uniform(rationing="time", zero_surplus=False, k=1), 9, "zero"),
    "uniform, lottery, midpoint": (fc.Uniform(rationing="lottery", seed=3, price_rule="last_pair_midpoint"), 9, "zero"),
    "uniform, fee, reserve, minimum": (fc.Uniform(rationing="equal", fee=2, reserve=11, cap_high=30), 9, "positive"),
    "uniform, whole levels": (fc.mechanism("gsy"), 9, "zero"),
    "discriminatory": (fc.Discriminatory(), 9, "zero"),
    "discriminatory, operator": (fc.Discriminatory(spread_to="operator", fee=1), 9, "positive"),
    "maximal volume": (fc.MaximalVolume(rule="earlier"), 9, "zero"),
    "maximal volume, descending": (fc.mechanism("gsy_pab"), 9, "zero"),
    "random matching": (fc.RandomMatching(seed=5), 9, "zero"),
    "vickrey": (fc.Vickrey(), 9, "negative"),
    "trade reduction": (fc.TradeReduction(), 1, "positive"),
    "huang": (fc.Huang(), 9, "positive"),
    "sbba": (fc.Sbba(seed=7), 1, "zero"),
    "muda, lottery": (fc.Muda(seed=11), 9, "zero"),
    "muda, vickrey": (fc.Muda(variant="vickrey", seed=13), 9, "positive"),
    "average": (fc.Average(), 1, "zero"),
    "multi round": (fc.MultiRound(buyer_step=3, seller_step=2), 9, "zero"),
}


def books(most, seed):
    """Orders of `MARKETS` markets: mostly a few orders, many ties, some one-sided, some at the ends of the ranges."""
    rng = np.random.default_rng(seed)
    size = rng.integers(0, 13, MARKETS)
    size[:: MARKETS // 50] = rng.integers(13, 400, len(size[:: MARKETS // 50]))
    market = np.repeat(np.arange(MARKETS), size)
    n = len(market)
    law = rng.integers(0, 8, MARKETS)[market]  # of the market: one-sided, extreme, or plain
    buy = np.where(law == 0, market % 2 == 0, rng.random(n) < 0.5)
    price = np.where(law == 1, rng.choice([-EXTREME, -1, 0, 1, EXTREME], n), rng.integers(-3, 37, n))
    largest = np.where(law == 1, EXTREME if most > 1 else 1, most)
    quantity = rng.integers(1, largest + 1)
    concession = rng.integers(0, 9, n)
    start = np.clip(price + np.where(buy, -concession, concession), -EXTREME, EXTREME)
    return {
        "market": market,
        "order": rng.permutation(n),
        "participant": rng.integers(0, 40, n),
        "side": buy.astype(np.uint8),
        "price": price,
        "quantity": quantity,
        "time": rng.integers(0, 4, n),
        "min_quantity": np.where(rng.random(n) < 0.1, rng.integers(1, quantity + 1), 0),
        "start_price": start,
    }


def by_market(market, values):
    """Sums by market, exact: halves of the numbers apart, since sums leave 64 bits only together."""
    low, high = values & 0xFFFF_FFFF, values >> 32
    lows, highs = np.zeros(MARKETS, np.int64), np.zeros(MARKETS, np.int64)
    np.add.at(lows, market, low)
    np.add.at(highs, market, high)
    return [(int(top) << 32) + int(bottom) for top, bottom in zip(highs, lows, strict=True)]


@pytest.mark.parametrize("name", SUITE)
def test_universal_predicates(name):
    mechanism, most, sign = SUITE[name]
    orders = books(most, seed=len(name))
    if "minimum" not in name:
        del orders["min_quantity"]
    clearing = fc.clear(orders, mechanism)
    market, buy, filled, payment = orders["market"], orders["side"] == 1, clearing.filled, clearing.payment
    accepted, den = clearing.reject == 0, clearing.den
    assert accepted.mean() > 0.1
    # U1
    assert (filled >= 0).all()
    assert (filled <= np.where(accepted, orders["quantity"], 0)).all()
    if "minimum" in name:
        assert (filled[filled > 0] >= orders["min_quantity"][filled > 0]).all()
    # U2
    columns = clearing.market_columns
    index = np.searchsorted(columns["market"], market)
    assert (columns["market"][index] == market).all()
    traded = np.zeros(len(columns["market"]), np.int64)
    for side in (buy, ~buy):
        lots = np.zeros_like(traded)
        np.add.at(lots, index[side], filled[side])
        assert (lots == columns["volume"]).all()
        traded += lots
    assert (columns["volume"] > 0).sum() > len(traded) // 10
    # U4; a limit times a fill times den stays within 64 bits
    worst = orders["price"] * filled * den
    assert (payment[buy] <= worst[buy]).all()
    assert (payment[~buy] <= -worst[~buy]).all()
    # U3
    totals = by_market(index, payment)
    surplus = columns["surplus"].tolist()
    assert totals[: len(surplus)] == surplus
    assert all({"zero": money == 0, "positive": money >= 0, "negative": money <= 0}[sign] for money in surplus)
    # U7: welfare is what the fills are worth, and it is never lost in trading
    welfare = by_market(index, np.where(buy, worst, -worst))
    assert welfare[: len(surplus)] == columns["welfare"].tolist()
    assert min(welfare) >= 0
    # U9
    trades = clearing.trade_columns
    assert (trades["quantity"] > 0).all()
    lots, money = np.zeros_like(filled), np.zeros_like(payment)
    for side, sign_of in (("buy", 1), ("sell", -1)):
        rows = trades[f"{side}_row"]
        assert (market[rows] == trades["market"]).all()
        assert (buy[rows] == (side == "buy")).all()
        np.add.at(lots, rows, trades["quantity"])
        np.add.at(money, rows, sign_of * trades[f"{side}_amount"])
    assert (lots == filled).all()
    assert (money == payment).all()
    # U5
    turned = np.random.default_rng(1).permutation(len(market))
    again = fc.clear({column: values[turned] for column, values in orders.items()}, mechanism, threads=1)
    assert (again.filled == filled[turned]).all()
    assert (again.payment == payment[turned]).all()
    assert again.den == den
