"""Zero-intelligence traders: how much of the gain from trade does a market find when nobody in it thinks?

Gode and Sunder, "Allocative Efficiency of Markets with Zero-Intelligence Traders: Market as a Partial Substitute for
Individual Rationality", Journal of Political Economy 101 (1993), had programs shout random prices in a continuous
double auction that is erased after every trade. With the budget constraint (ZI-C: a buyer never bids above the value of
its next unit, a seller never asks below its cost) their five markets found 97 to 100 % of the gain; without it (ZI-U:
any price from 1 to 200) far less.

The markets here are of our own design: six buyers and six sellers, units in falling order of value and rising order of
cost, prices from 1 to 200. In the last one only five of 18 units a side are worth trading, so that one unlucky trade
costs a great part of the gain. In every step one trader that has a unit left, drawn by lot, shouts one price for one
unit in place of what it shouted before; who meets the price of another trades at the one that stood first, and the book
is erased. All replications of a market run side by side as the markets of one order book, one call a step.

    python examples/zero_intelligence.py [replications] [seed]
"""

import sys

import numpy as np
import polars as pl

import fastclear as fc

PRICE_MAX = 200
STEPS_MAX = 2_000
TRADERS = 6
"""Buyers, and as many sellers."""


def schedules() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Value of each buyer's units and cost of each seller's, shape (traders, units)."""
    rung = np.arange(TRADERS)[:, None]
    unit = np.arange(3)
    return {
        "crossing": (150 - 5 * rung - 25 * unit, 50 + 5 * rung + 25 * unit),
        "flat demand": (np.full((TRADERS, 3), 120) - rung, 40 + 8 * rung + 30 * unit),
        "flat supply": (160 - 8 * rung - 30 * unit, np.full((TRADERS, 3), 80) + rung),
        "steep": (150 - 12 * rung - 10 * unit, 50 + 12 * rung + 10 * unit),
        "scarce supply": (160 - 6 * rung - 20 * np.arange(4), 30 + 8 * rung + 60 * np.arange(2)),
        "thin": (140 - 22 * rung - 10 * unit, 60 + 22 * rung + 10 * unit),
    }


def best_gain(value: np.ndarray, cost: np.ndarray) -> int:
    """The largest gain from trade: highest values with lowest costs, until they no longer agree."""
    values, costs = np.sort(value.ravel())[::-1], np.sort(cost.ravel())
    n = min(len(values), len(costs))
    return int(np.maximum(values[:n] - costs[:n], 0).sum())


def efficiency(value: np.ndarray, cost: np.ndarray, *, constrained: bool, replications: int, seed: int) -> np.ndarray:
    """Gain over the largest gain, one number a replication."""
    rng = np.random.default_rng(seed)
    book = fc.OrderBook(erase_after_trade=True)
    units = max(value.shape[1], cost.shape[1])
    # what the next unit of each trader is worth to it; beyond the last one there is nothing to trade
    limits = np.zeros((2 * TRADERS, units + 1), np.int64)
    limits[:TRADERS, : value.shape[1]], limits[TRADERS:, : cost.shape[1]] = value, cost
    last = np.repeat([value.shape[1], cost.shape[1]], TRADERS)
    done = np.zeros((replications, 2 * TRADERS), np.int64)
    gain = np.zeros(replications, np.int64)
    market = np.arange(replications)
    for number in range(STEPS_MAX):
        if number % 50 == 0 and not can_trade(limits, done, last, constrained=constrained):
            break
        # one trader a market, of those that have a unit left
        agent = np.where(done < last, rng.random(done.shape), -1.0).argmax(axis=1)
        has_unit = done[market, agent] < last[agent]
        buys, limit = agent < TRADERS, limits[agent, done[market, agent]]
        low = np.where(buys | (not constrained), 1, limit)
        high = np.where(buys & constrained, limit, PRICE_MAX)
        price = rng.integers(low, high, endpoint=True)
        actions = {"market": market, "agent": agent, "side": buys, "price": price, "quantity": has_unit.astype(int)}
        step = book.step(actions, seed=seed, quotes="replace")
        if not step.volume.any():
            continue
        traded = step.agents.filter((pl.col("bought") > 0) | (pl.col("sold") > 0))
        at, who = traded["market"].to_numpy(), traded["agent"].to_numpy()
        worth = limits[who, done[at, who]]
        np.add.at(gain, at, np.where(who < TRADERS, worth, -worth))
        done[at, who] += 1
    return gain / best_gain(value, cost)


def can_trade(limits: np.ndarray, done: np.ndarray, last: np.ndarray, *, constrained: bool) -> bool:
    """Whether in any replication a buyer and a seller are left that could meet."""
    left = done < last
    worth = np.take_along_axis(limits[None], done[..., None], axis=2)[..., 0]
    buys = left[:, :TRADERS].any(axis=1)
    sells = left[:, TRADERS:].any(axis=1)
    value = np.where(left, worth, 0)[:, :TRADERS].max(axis=1)
    cost = np.where(left, worth, PRICE_MAX + 1)[:, TRADERS:].min(axis=1)
    return bool((buys & sells & ((value >= cost) | (not constrained))).any())


def main(replications: int = 100, seed: int = 1993) -> list[tuple[str, float, float, float, float]]:
    """Print a table, and return its rows: market, mean and least efficiency with the constraint, and without."""
    print(f"allocative efficiency in %, {replications} replications a market, seed {seed}")
    print(f"{'market':<16}{'ZI-C mean':>10}{'least':>8}{'ZI-U mean':>11}{'least':>8}")
    rows = []
    for name, (value, cost) in schedules().items():
        shares = [
            100 * efficiency(value, cost, constrained=constrained, replications=replications, seed=seed)
            for constrained in (True, False)
        ]
        row = (name, *(float(figure) for share in shares for figure in (share.mean(), share.min())))
        print(f"{name:<16}{row[1]:>10.1f}{row[2]:>8.1f}{row[3]:>11.1f}{row[4]:>8.1f}")
        rows.append(row)
    return rows


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
