"""Which blocks to accept: list every admissible set, or branch and bound on linear programs solved by HiGHS.

Both are exact: bounds hold in integers (see program), sets are compared and their prices looked for in integers.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from itertools import count

from fastclear.auction.blocks.model import Book, Outcome
from fastclear.auction.blocks.prices import closest_prices
from fastclear.auction.blocks.program import Program
from fastclear.errors import MechanismError


@dataclass(frozen=True, slots=True)
class Decision:
    """The accepted set, its hours, the price of every hour (None where nothing traded) and how many sets were tried."""

    outcome: Outcome
    prices: tuple[int | None, ...]
    tried: int


def supporting_prices(book: Book, outcome: Outcome) -> tuple[int | None, ...] | None:
    """Return the closest prices at which no accepted block loses, or None where there are none."""
    found = closest_prices(
        [state.low if state.volume else 0 for state in outcome.hours],
        [state.high if state.volume else 0 for state in outcome.hours],
        book.no_loss(outcome.accepted),
    )
    if found is None:
        return None
    return tuple(price if state.volume else None for price, state in zip(found, outcome.hours, strict=True))


def enumerate_sets(book: Book) -> Decision:
    """Clear every admissible set, then take the best one that prices support."""
    outcomes = [outcome for chosen in book.admissible() if (outcome := book.outcome(chosen)) is not None]
    outcomes.sort(key=lambda outcome: (-outcome.welfare, -outcome.volume, outcome.accepted))
    for tried, outcome in enumerate(outcomes, start=1):
        prices = supporting_prices(book, outcome)
        if prices is not None:
            return Decision(outcome, prices, tried)
    raise MechanismError("the empty set of blocks was not supported by prices; please report this as a defect")


class Branching:
    """Best-first branch and bound over accept and reject.

    Parameters
    ----------
    book : Book
        Hours and blocks.
    nodes_max : int
        Nodes after which the search gives up with an error.
    """

    def __init__(self, book: Book, nodes_max: int) -> None:
        self.book = book
        self.nodes_max = nodes_max
        self.program = Program(book)
        n = len(book.blocks)
        # Accepting i needs everything in needs[i]: its parent, and the twin before it in the order of ids.
        self.needs: list[list[int]] = [[] for _ in range(n)]
        self.needed_by: list[list[int]] = [list(children) for children in book.children]
        for rank, block in enumerate(book.blocks):
            if block.parent is not None:
                self.needs[rank].append(block.parent)
        alike: dict[tuple[tuple[int, int, int, int], ...], int] = {}
        for rank, block in enumerate(book.blocks):
            if block.parent is None and block.group is None and not book.children[rank]:
                profile = tuple(sorted((row.hour, row.sign, row.price, row.quantity) for row in block.rows))
                if profile in alike:
                    self.needs[rank].append(alike[profile])
                    self.needed_by[alike[profile]].append(rank)
                alike[profile] = rank
        self.best: Outcome | None = None
        self.prices: tuple[int | None, ...] = ()
        self.seen: set[tuple[int, ...]] = set()
        self.unpriced: list[tuple[Outcome, MechanismError]] = []  # sets whose prices were too much to find

    def solve(self) -> Decision:
        """Run until no open node can hold a better set.

        Raises
        ------
        MechanismError
            ``nodes_max`` nodes were not enough, or a set that may be the best has prices too hard to find.
        """
        self._try(())
        root: tuple[int, ...] = (-1,) * len(self.book.blocks)
        for rank, most in enumerate(self.book.most_surplus()):
            if most < 0 and root[rank] != 0:  # loses at every price, with all its descendants
                decided = self._decide(root, rank, accept=False)
                assert decided is not None  # nothing is accepted yet, so nothing contradicts a rejection
                root = decided
        numbers = count()
        heap: list[tuple[float | int, int, tuple[int, ...]]] = []

        def push(node: tuple[int, ...] | None) -> None:
            if node is None:
                return
            if -1 not in node:
                self._try(tuple(rank for rank, value in enumerate(node) if value == 1))
                return
            bound, branch = self._bound(node)
            if bound >= self._welfare():
                heapq.heappush(heap, (-bound, next(numbers), (*node, branch)))

        push(root)
        nodes = 1
        while heap:
            bound, _, packed = heapq.heappop(heap)
            if -bound < self._welfare():
                break
            node, branch = packed[:-1], packed[-1]
            for accept in (True, False):
                nodes += 1
                push(self._decide(node, branch, accept=accept))
            if nodes > self.nodes_max:
                raise MechanismError(
                    f"{len(self.book.blocks)} blocks were not decided within nodes_max={self.nodes_max:,} nodes: the "
                    f"best set found has welfare {self._welfare()}, and no set has more than {-bound}; raise nodes_max "
                    "or clear fewer blocks in one call"
                )
        assert self.best is not None  # the empty set is always supported
        for outcome, error in self.unpriced:
            if outcome.better(self.best):
                raise error
        return Decision(self.best, self.prices, len(self.seen))

    def _welfare(self) -> int:
        assert self.best is not None  # set by the first trial
        return self.best.welfare

    def _try(self, accepted: tuple[int, ...]) -> None:
        """Take a set for the best so far if it is admissible, better, and supported by prices."""
        if accepted in self.seen:
            return
        self.seen.add(accepted)
        outcome = self.book.outcome(accepted)
        if outcome is None or not outcome.better(self.best):
            return
        try:
            prices = supporting_prices(self.book, outcome)
        except MechanismError as error:
            self.unpriced.append((outcome, error))
            return
        if prices is not None:
            self.best, self.prices = outcome, prices

    def _repair(self, node: tuple[int, ...]) -> None:
        """Try a decided node; while some family loses, reject the one that loses most, and try again."""
        while True:
            accepted = tuple(rank for rank, value in enumerate(node) if value == 1)
            self._try(accepted)
            outcome = self.book.outcome(accepted)
            if outcome is None:
                return
            spare = [
                sum(a * (outcome.hours[h].high if a > 0 else outcome.hours[h].low) for h, a in entries.items()) - target
                for entries, target in self.book.no_loss(accepted)
            ]
            if not spare or min(spare) >= 0:
                return
            free = tuple(0 if value == 0 else -1 for value in node)
            without = self._decide(free, accepted[spare.index(min(spare))], accept=False)
            assert without is not None  # nothing is accepted, so nothing contradicts a rejection
            node = tuple(abs(value) for value in without)

    def _climb(self) -> None:
        """Change one decision of the best set at a time while that makes it better."""
        start = None
        while start is not self.best:
            start = self.best
            for rank in range(len(self.book.blocks)):
                assert self.best is not None  # the empty set was tried first
                chosen = set(self.best.accepted)
                fixed = tuple(1 if other in chosen else 0 for other in range(len(self.book.blocks)))
                accept = rank not in chosen
                # What the flip forces comes with it; everything else stays.
                forced = self._decide((-1,) * len(fixed), rank, accept=accept)
                if forced is not None:
                    merged = (was if now == -1 else now for was, now in zip(fixed, forced, strict=True))
                    self._try(tuple(other for other, value in enumerate(merged) if value == 1))

    def _decide(self, node: tuple[int, ...], rank: int, *, accept: bool) -> tuple[int, ...] | None:
        """Fix one block and all that follows from it; None where that contradicts the node."""
        values = list(node)
        waiting = [(rank, int(accept))]
        while waiting:
            rank, value = waiting.pop()
            if values[rank] == value:
                continue
            if values[rank] != -1:
                return None
            values[rank] = value
            if value:
                waiting += [(other, 1) for other in self.needs[rank]]
                group = self.book.blocks[rank].group
                if group is not None:
                    waiting += [(other, 0) for other in self.book.groups[group] if other != rank]
            else:
                waiting += [(other, 0) for other in self.needed_by[rank]]
        return tuple(values)

    def _bound(self, node: tuple[int, ...]) -> tuple[float | int, int]:
        """An upper bound of the welfare in a node, and the block to branch on."""
        free = [rank for rank, value in enumerate(node) if value == -1]
        solved = self.program.solve(node)
        if solved is None:
            return math.inf, free[0]
        bound, shares = solved
        # The blocks that the program accepts by half, in order of its conviction, make a set to try.
        rounded: tuple[int, ...] | None = node
        for rank in sorted(free, key=lambda rank: (-shares[rank], rank)):
            if rounded is not None and rounded[rank] == -1:
                rounded = self._decide(rounded, rank, accept=shares[rank] > 0.5) or self._decide(
                    rounded, rank, accept=shares[rank] <= 0.5
                )
        if rounded is not None:
            before = self.best
            self._repair(rounded)
            if self.best is not before:
                self._climb()
        branch = min(free, key=lambda rank: (abs(shares[rank] - 0.5), rank))
        return bound, branch
