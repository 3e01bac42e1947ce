"""Seeded days of the two retail platforms: Powerpeers (ranked sources) and Vandebron (one producer a home).

``python -m fastclear.bench.preference_cases [people]`` clears both and prints what they took.
"""

from __future__ import annotations

import resource
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from fastclear import preference as fp
from fastclear.auction import clear

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SLOT_NS = 30 * 60 * 10**9


def powerpeers_day(
    members: int = 60_000, slots: int = 48, sources: int = 10, seed: int = 1
) -> tuple[dict[str, NDArray[Any]], fp.Preference]:
    """A day of members who each rank so many sources: a tenth of them sells, all others buy, in every slot.

    Parameters
    ----------
    members, slots, sources : int
        How many of each; ``members * slots * sources`` candidate pairs, less those of the members who sell.
    seed : int
        Of numpy's PCG64.
    """
    draw = np.random.default_rng(seed)
    sells = np.zeros(members, bool)
    sells[draw.choice(members, members // 10, replace=False)] = True
    sellers = np.flatnonzero(sells)
    n = members * slots
    participant = np.tile(np.arange(members), slots)
    side = np.where(sells[participant], 0, 1).astype(np.uint8)
    slot = np.repeat(np.arange(slots), members)
    price = np.where(side == 1, draw.integers(150_000, 300_000, n), draw.integers(60_000, 220_000, n))
    quantity = np.where(side == 1, draw.integers(50, 600, n), draw.integers(200, 6_000, n))
    orders: dict[str, NDArray[Any]] = {
        "market": slot,
        "participant": participant,
        "side": side,
        "price": price,
        "quantity": quantity,
        "slot": slot * _SLOT_NS,
    }
    # Each member's list begins at a place of its own among the sellers and goes on by a stride, so that none is twice.
    begin, stride = draw.integers(0, len(sellers), members), draw.integers(1, len(sellers) // sources, members)
    place = (begin[:, None] + stride[:, None] * np.arange(sources)) % len(sellers)
    pairs = {
        "buyer": np.repeat(np.arange(members), sources),
        "source": sellers[place].reshape(-1),
        "rank": np.tile(np.arange(sources), members),
    }
    return orders, fp.Preference([fp.Nominated(pairs, most=sources), fp.Community()])


def vandebron_day(
    homes: int = 100_000, slots: int = 96, producers: int = 50, seed: int = 1
) -> tuple[dict[str, NDArray[Any]], fp.Preference]:
    """A day of homes that each have chosen one of a few producers, who post their prices.

    Parameters
    ----------
    homes, slots, producers : int
        How many of each.
    seed : int
        Of numpy's PCG64.
    """
    draw = np.random.default_rng(seed)
    people = homes + producers
    n = people * slots
    participant = np.tile(np.arange(people), slots)
    side = np.where(participant < homes, 1, 0).astype(np.uint8)
    slot = np.repeat(np.arange(slots), people)
    posted = draw.integers(150_000, 250_000, producers)
    price = np.full(n, 300_000)
    price[side == 0] = np.tile(posted, slots)
    quantity = np.where(side == 1, draw.integers(20, 400, n), draw.integers(0, 2 * 210 * homes // producers, n) + 1)
    orders: dict[str, NDArray[Any]] = {
        "market": slot,
        "participant": participant,
        "side": side,
        "price": price,
        "quantity": quantity,
    }
    pairs = {"buyer": np.arange(homes), "source": homes + draw.integers(0, producers, homes)}
    return orders, fp.Preference(fp.Nominated(pairs, most=1, share="equal"))


def main(people: int | None = None) -> None:
    """Clear both days, and print orders, trades, seconds and the largest memory so far."""
    for name, day, size in (("Powerpeers", powerpeers_day, 60_000), ("Vandebron", vandebron_day, 100_000)):
        count = size if people is None else people
        orders, mechanism = day(count)
        begin = time.perf_counter()
        clearing = clear(orders, mechanism)
        cleared = time.perf_counter()
        trades = clearing.trades.height
        clearing.fills  # noqa: B018  # built when read, which belongs to what a day takes
        done = time.perf_counter()
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        share = int(clearing.market_columns["volume"].sum()) / int(clearing.orders.quantity[clearing.book.is_bid].sum())
        sys.stdout.write(
            f"{name}: {count:,} people, {clearing.orders.n:,} orders, {trades:,} trades, {share:.1%} of demand; "
            f"cleared in {cleared - begin:.2f} s, frames {done - cleared:.2f} s, at most {memory:.2f} GB\n"
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
