"""How members bid on a platform: agents keep to their limits, learn from what they see, and repeat with a seed."""

import numpy as np
import polars as pl
import pytest

import fastclear as fc
from fastclear.platforms.agents import LEARNERS

AGENTS = ("zero_intelligence", "posted_price", *LEARNERS)
PRICES = {"brooklyn": (50_000, 275_000), "piclo": (50_000, 280_000), "vcg-contract": (50_000, 275_000)}
"""Feed-in price, and the retail price less the fees, ticks."""


def exact(platform):
    """A platform whose members know their meters, so that only bids decide who gains."""
    return fc.load_preset(platform).with_values("test", set_up__forecast_error_percent="0")


@pytest.fixture(scope="module")
def runs():
    return {agent: fc.run(exact("brooklyn"), days=1, agent=agent) for agent in AGENTS}


@pytest.mark.parametrize("agent", AGENTS)
def test_nobody_bids_beyond_its_limit_or_loses(runs, agent):
    low, high = PRICES["brooklyn"]
    bids = runs[agent].orders.filter(pl.col("tranche") == "auction")
    assert bids.height > 1000
    assert bids["price_ticks"].is_between(low, high).all()
    members = runs[agent].members
    assert (members["bill_nano"] <= members["bill_without_nano"]).all()


@pytest.mark.parametrize("agent", LEARNERS)
@pytest.mark.parametrize("platform", [*PRICES, "brooklyn pay as bid"])
def test_a_seed_is_a_run(agent, platform):
    name, _, paid = platform.partition(" ")
    reading = {"mechanism": "discriminatory"} if paid else {}
    one, two = (fc.run(name, days=1, agent=agent, seed=5, **reading) for _ in range(2))
    assert one.head == two.head
    assert one.orders.equals(two.orders)
    assert one.trades.height


def test_the_truthful_say_their_limits(runs):
    bids = runs["truthful"].orders.filter(pl.col("tranche") == "auction")
    assert bids.filter(pl.col("buy"))["price_ticks"].unique().to_list() == [275_000]
    assert bids.filter(~pl.col("buy"))["price_ticks"].unique().to_list() == [50_000]


def test_all_that_can_trade_trades_among_the_truthful(runs):
    traded = {
        agent: int(run.slots.select(pl.col("auction_wh") + pl.col("essential_wh")).sum().item())
        for agent, run in runs.items()
    }
    assert all(traded["truthful"] >= wh for wh in traded.values())
    assert traded["zero_intelligence"] < traded["truthful"]


def test_learners_move_their_prices(runs):
    for agent in ("zip", "gjerstad_dickhaut", "roth_erev"):
        bids = runs[agent].orders.filter(pl.col("tranche") == "auction", ~pl.col("buy"))
        prices = bids.group_by("participant").agg(pl.col("price_ticks").n_unique(), pl.len())
        assert (prices.filter(pl.col("len") > 20)["price_ticks"] > 1).all(), agent


def test_zip_closes_in_on_one_price():
    """Cliff's traders drift together; those without intelligence draw anew for ever."""
    week = {agent: fc.run(exact("brooklyn"), days=7, agent=agent) for agent in ("zip", "zero_intelligence")}
    spread = {}
    for agent, run in week.items():
        last = run.orders.filter(
            pl.col("tranche") == "auction", pl.col("slot") >= pl.col("slot").max() - pl.duration(days=1)
        )
        asks = last.filter(~pl.col("buy"))["price_ticks"].to_numpy()
        spread[agent] = float(np.percentile(asks, 75) - np.percentile(asks, 25))
    assert spread["zip"] < spread["zero_intelligence"] / 2


def test_wrong_agents_say_so():
    with pytest.raises(fc.PresetError, match=r"market\.agent\.value must be .*'zip'.*'roth_erev'"):
        fc.run("brooklyn", days=1, agent="oracle")
    with pytest.raises(fc.PresetError, match="agent must be none"):
        fc.run("community", days=1, agent="zip")
    free = fc.load_preset("brooklyn").with_values("test", price__feed_in="0")
    with pytest.raises(fc.PresetError, match=r"market\.agent zip cannot bid at these prices: limit of trader"):
        fc.run(free, days=1, agent="zip")
