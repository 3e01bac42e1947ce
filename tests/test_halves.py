"""`clearing.halves`: coins flipped again in Python must split every market as the core did."""

import numpy as np
import polars as pl
import pytest

import fastclear as fc
from fastclear import testing


@pytest.mark.parametrize("seed", [0, 7, 2**64 - 1])
@pytest.mark.parametrize("named", ["participant", "order", None])
def test_every_trade_lies_in_one_half_and_at_the_price_of_the_other(seed, named):
    orders = pl.DataFrame(testing.random_orders(3_000, markets=60, seed=5))
    rng = np.random.default_rng(2)
    orders = orders.with_columns(pl.Series("order", rng.permutation(orders.height)))
    if named == "participant":
        orders = orders.with_columns(pl.Series("participant", rng.integers(0, 40, orders.height)))
    if named is None:
        orders = orders.drop("order")
    clearing = fc.clear(orders, fc.Muda(seed=seed))
    halves, trades, markets = clearing.halves, clearing.trade_columns, clearing.market_columns
    assert not halves.flags.writeable
    assert ((halves == 2) == (clearing.reject > 0)).all()
    assert (clearing.reject > 0).any() == (named == "participant")
    half = halves[trades["buy_row"]]
    assert (half == halves[trades["sell_row"]]).all()
    assert set(half.tolist()) == {0, 1}
    index = np.searchsorted(markets["market"], trades["market"])
    other = np.where(half == 0, markets["price_right"][index], markets["price_left"][index])
    assert (trades["buy_price"] == other).all()


def test_a_partition_says_it_by_itself_and_others_have_no_halves():
    orders = {"side": ["buy", "buy", "sell", "sell"], "price": [9, 8, 3, 4], "quantity": [1, 1, 1, 1]}
    named = {**orders, "participant": ["a", "b", "c", "c"]}
    assert fc.clear(named, fc.Muda(variant="vickrey", partition=["a", "c"])).halves.tolist() == [0, 1, 0, 0]
    both_sides = {**orders, "participant": ["a", "b", "b", "c"]}
    assert fc.clear(both_sides, fc.Muda(variant="vickrey", partition=["a"])).halves.tolist() == [0, 2, 2, 1]
    with pytest.raises(fc.MechanismError, match="Uniform splits no market"):
        _ = fc.clear(orders, fc.Uniform()).halves
