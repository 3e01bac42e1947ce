"""Blocks on hourly books: what a set of accepted blocks does to every hour, in plain integers.

A block is inelastic where it is accepted: in each of its hours it comes before every hourly order of its side. What is
left of the hour is the uniform-price sweep over the hourly orders' price levels.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

from fastclear.errors import MechanismError

SETS_MAX: Final = 2**20
"""Most admissible sets that are listed one by one."""


@dataclass(frozen=True, slots=True)
class Row:
    """One hour of a block: ``sign`` is 1 for a bid and -1 for an ask, ``hour`` the rank of its market."""

    hour: int
    sign: int
    price: int
    quantity: int
    row: int


@dataclass(frozen=True, slots=True)
class Block:
    """An all-or-none profile over hours; ``parent`` is the rank of another block, ``group`` an exclusive group."""

    rows: tuple[Row, ...]
    parent: int | None = None
    group: int | None = None

    @property
    def worth(self) -> int:
        """Limits times quantities: what acceptance adds to welfare, before the hours make room."""
        return sum(row.sign * row.price * row.quantity for row in self.rows)


@dataclass(frozen=True, slots=True)
class State:
    """An hour, cleared around the blocks: volume, lots of hourly bids and asks, interval, welfare of hourly orders."""

    volume: int
    bid_lots: int
    ask_lots: int
    low: int
    high: int
    welfare: int


class Hour:
    """The hourly orders of one market as price levels.

    Parameters
    ----------
    bids, asks : list of (price, lots)
        Hourly orders in any order.
    low, high : int
        The lowest and highest limit of the market: they stand in for an end of the interval that no hourly order sets.
    """

    def __init__(self, bids: Sequence[tuple[int, int]], asks: Sequence[tuple[int, int]], low: int, high: int) -> None:
        self.low, self.high = low, high
        self.bids = _levels(bids, descending=True)
        self.asks = _levels(asks, descending=False)
        self._sums = [list(accumulate(lots for _, lots in side)) for side in (self.bids, self.asks)]
        self._cleared: dict[tuple[int, int], State | None] = {}

    def clear(self, bought: int, sold: int) -> State | None:
        """Clear the hour around blocks that buy and sell so many lots; None where they cannot all be filled."""
        key = (bought, sold)
        if key not in self._cleared:
            self._cleared[key] = self._clear(bought, sold)
        return self._cleared[key]

    def _clear(self, bought: int, sold: int) -> State | None:
        bid_sums, ask_sums = self._sums
        # The side that blocks leave short is served by hourly orders, whatever their price.
        bid_lots, ask_lots = max(sold - bought, 0), max(bought - sold, 0)
        if bid_lots > (bid_sums[-1] if bid_sums else 0) or ask_lots > (ask_sums[-1] if ask_sums else 0):
            return None
        i, j = bisect_left(bid_sums, bid_lots + 1), bisect_left(ask_sums, ask_lots + 1)
        while i < len(self.bids) and j < len(self.asks) and self.bids[i][0] >= self.asks[j][0]:
            lots = min(bid_sums[i] - bid_lots, ask_sums[j] - ask_lots)
            bid_lots, ask_lots = bid_lots + lots, ask_lots + lots
            i, j = i + (bid_lots == bid_sums[i]), j + (ask_lots == ask_sums[j])
        lows = [self.asks[bisect_left(ask_sums, ask_lots)][0]] if ask_lots else []
        highs = [self.bids[bisect_left(bid_sums, bid_lots)][0]] if bid_lots else []
        lows += [price for price, _ in self.bids[i : i + 1]]
        highs += [price for price, _ in self.asks[j : j + 1]]
        return State(
            volume=bought + bid_lots,
            bid_lots=bid_lots,
            ask_lots=ask_lots,
            low=max(lows, default=self.low),
            high=min(highs, default=self.high),
            welfare=_value(self.bids, bid_lots) - _value(self.asks, ask_lots),
        )


def _levels(orders: Iterable[tuple[int, int]], *, descending: bool) -> list[tuple[int, int]]:
    levels: dict[int, int] = {}
    for price, lots in orders:
        levels[price] = levels.get(price, 0) + lots
    return sorted(levels.items(), reverse=descending)


def _value(levels: list[tuple[int, int]], lots: int) -> int:
    total = 0
    for price, quantity in levels:
        part = min(lots, quantity)
        total += price * part
        lots -= part
        if not lots:
            break
    return total


Loss = tuple[dict[int, int], int]
"""A no-loss row: coefficients by hour and a right-hand side; sum of coefficient x price must reach it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """An admissible set of accepted blocks and the hours around it; ``key`` grows with preference."""

    accepted: tuple[int, ...]
    welfare: int
    volume: int
    hours: tuple[State, ...] = field(repr=False)

    def better(self, other: Outcome | None) -> bool:
        """More welfare, then more volume, then the smaller sorted list of ids."""
        if other is None:
            return True
        mine, theirs = (self.welfare, self.volume), (other.welfare, other.volume)
        return mine > theirs or (mine == theirs and self.accepted < other.accepted)


class Book:
    """Hours and blocks, the blocks in ascending order of id, so that ranks compare as ids do."""

    def __init__(self, hours: Sequence[Hour], blocks: Sequence[Block]) -> None:
        self.hours = tuple(hours)
        self.blocks = tuple(blocks)
        self.children: list[list[int]] = [[] for _ in blocks]
        self.groups: dict[int, list[int]] = {}
        for rank, block in enumerate(blocks):
            if block.parent is not None:
                self.children[block.parent].append(rank)
            if block.group is not None:
                self.groups.setdefault(block.group, []).append(rank)
        self.order = [rank for rank, block in enumerate(blocks) if block.parent is None]  # parents before children
        for rank in self.order:
            self.order += self.children[rank]

    def own_surplus_max(self, rank: int) -> int:
        """The most a block can earn at any prices between the lowest and the highest limit of its hours."""
        hours = self.hours
        return sum(
            row.sign * (row.price - (hours[row.hour].low if row.sign == 1 else hours[row.hour].high)) * row.quantity
            for row in self.blocks[rank].rows
        )

    def most_surplus(self) -> list[int]:
        """For each block: the most that it and the best of its descendants can earn together."""
        most = [self.own_surplus_max(rank) for rank in range(len(self.blocks))]
        for rank in reversed(self.order):
            parent = self.blocks[rank].parent
            if parent is not None:
                most[parent] += max(0, most[rank])
        return most

    def outcome(self, accepted: Iterable[int]) -> Outcome | None:
        """Clear every hour around the accepted blocks; None where one of them cannot be filled."""
        ranks = tuple(sorted(accepted))
        nets: dict[int, list[int]] = {}
        for rank in ranks:
            for row in self.blocks[rank].rows:
                nets.setdefault(row.hour, [0, 0])[row.sign < 0] += row.quantity
        states = []
        for number, hour in enumerate(self.hours):
            bought, sold = nets.get(number, (0, 0))
            state = hour.clear(bought, sold)
            if state is None:
                return None
            states.append(state)
        welfare = sum(state.welfare for state in states) + sum(self.blocks[rank].worth for rank in ranks)
        return Outcome(ranks, welfare, sum(state.volume for state in states), tuple(states))

    def no_loss(self, accepted: Iterable[int]) -> list[Loss]:
        """One row an accepted block: it and its accepted descendants together must not lose."""
        chosen = sorted(accepted)
        rows: dict[int, tuple[dict[int, int], list[int]]] = {rank: ({}, [0]) for rank in chosen}
        for rank in chosen:
            ancestor: int | None = rank
            while ancestor is not None:
                coefficients, target = rows[ancestor]
                for row in self.blocks[rank].rows:
                    coefficients[row.hour] = coefficients.get(row.hour, 0) - row.sign * row.quantity
                target[0] -= self.blocks[rank].worth
                ancestor = self.blocks[ancestor].parent
        return [(rows[rank][0], rows[rank][1][0]) for rank in chosen]

    def admissible(self) -> list[tuple[int, ...]]:
        """Every set that respects links and groups, the empty one included."""
        sets: list[frozenset[int]] = [frozenset()]
        for rank in self.order:
            block = self.blocks[rank]
            rivals = set() if block.group is None else set(self.groups[block.group]) - {rank}
            sets += [
                chosen | {rank}
                for chosen in sets
                if (block.parent is None or block.parent in chosen) and not rivals & chosen
            ]
            if len(sets) > SETS_MAX:
                raise MechanismError(
                    f"{len(self.blocks)} blocks have more than {SETS_MAX:,} admissible sets, too many to list; "
                    'use fc.Blocks(method="branch")'
                )
        return [tuple(sorted(chosen)) for chosen in sets]
