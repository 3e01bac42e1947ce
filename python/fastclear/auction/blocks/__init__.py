"""Block, linked and exclusive orders on top of hourly orders: the mechanism and its clearing."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear.auction.blocks.orders import BlockOrders, Read, encode_blocks, read
from fastclear.auction.blocks.result import Result
from fastclear.auction.blocks.search import Branching, Decision, enumerate_sets
from fastclear.auction.parameters import Mechanism, by_parameters, plain, receiver, whole, word
from fastclear.auction.properties import described
from fastclear.audit.blocks import check_blocks
from fastclear.trades import MONEY, Clearing

if TYPE_CHECKING:
    from fastclear.audit import AuditReport
    from fastclear.units import Units

LISTED_MAX: Final = 12
"""Up to so many blocks ``method="auto"`` lists every admissible set; it needs no solver for that."""

_NODES_MAX: Final = 10**9


@described
@dataclass(frozen=True, slots=True)
class Blocks:
    """Hourly uniform-price markets with block, linked and exclusive orders (EUPHEMIA in short).

    Every market is an hour. Orders may carry three more columns, integers or text:

    ``block``
        Rows of one block lie in different markets, on either side. They are accepted together, in full, or not at all.
        A row without one is an hourly order.
    ``parent``
        A block of which this one needs the acceptance; the same in all its rows.
    ``exclusive``
        A group of which at most one block is accepted; the same in all its rows.

    The limit of a block is money: at prices p it loses where the sum over its rows of (limit - p) x quantity for bids
    and (p - limit) x quantity for asks is below zero. Rows may repeat one limit or name one an hour.

    Parameters
    ----------
    method : {"auto", "enumerate", "branch"}
        ``"enumerate"`` clears every admissible set, up to 2**20 of them. ``"branch"`` is branch and bound on linear
        programs; it needs ``pip install fastclear[opt]`` (HiGHS). ``"auto"`` enumerates up to 12 blocks. All three give
        the same result, or none.
    rationing : {"pro_rata", "time", "equal"}
        How hourly orders at the margin of an hour share, as in :class:`Uniform`. Blocks are never rationed.
    nodes_max : int, default 20,000
        Nodes after which branch and bound gives up with an error, rather than with a set that may not be the best.

    Raises
    ------
    MechanismError
        A parameter that is out of range or unknown. While clearing: ``nodes_max`` nodes were not enough, there are too
        many sets to list, or the exact prices need more than 300,000 partial sums.
    MissingLibraryError
        While clearing: branch and bound is called for, and highspy is not installed.

    Notes
    -----
    The rule, exactly:

    1. A set of blocks is admissible if it holds the parent of each member and at most one block of a group.
    2. For a set, accepted blocks come first in each of their hours, whatever their limits; the rest of the hour is the
       uniform-price auction of the hourly orders (units without surplus trade). A set with a block that cannot be
       filled is out. ``[price_low, price_high]`` holds the prices that support the hour; an end that no hourly order
       sets is the lowest or highest limit that any order of the market names, as for market orders.
    3. A set is supported if there are whole ticks in those intervals at which no accepted block loses together with its
       accepted descendants. So children may carry a parent, but no child may lose with its own descendants.
    4. Among supported sets: most welfare (limits x fills), then most volume over all markets, then the smallest
       list of accepted ids, each list sorted ascending (integers as numbers, text as bytes) and lists compared from the
       front, a shorter one first where it begins the other. The empty set is always supported.
    5. Of the supporting prices of that set: those with the smallest sum over markets of
       (2 price - price_low - price_high)^2; among equals the smallest price in the first market, then in the second, …
       Where nothing trades there is no price.

    No step depends on a tolerance: the linear programs propose, integers decide. Welfare is the most that one price a
    market supports, not the most there is: a block that would earn money at the prices may be rejected
    (``paradoxical``). Not offered: minimum acceptance ratios, complex orders, networks.

    Examples
    --------
    >>> import fastclear as fc
    >>> orders = {
    ...     "market": [1, 1, 2, 2, 1, 2],
    ...     "side": ["buy", "sell", "buy", "sell", "sell", "sell"],
    ...     "price": [40, 30, 50, 45, 35, 35],
    ...     "quantity": [10, 4, 10, 9, 5, 5],
    ...     "block": [None, None, None, None, "K", "K"],
    ... }
    >>> clearing = fc.clear(orders, fc.Blocks())
    >>> clearing.markets.select("price", "volume").rows()
    [(40, 9), (45, 10)]
    >>> clearing.blocks.select("block", "accepted", "surplus").rows()
    [('K', True, Decimal('75'))]
    """

    method: Literal["auto", "enumerate", "branch"] = "auto"
    rationing: Literal["pro_rata", "time", "equal"] = "pro_rata"
    nodes_max: int = 20_000

    def __post_init__(self) -> None:
        plain(self)
        word("method", self.method, ("auto", "enumerate", "branch"))
        word("rationing", self.rationing, ("pro_rata", "time", "equal"))
        whole("nodes_max", self.nodes_max, 1, _NODES_MAX, "nodes")

    __reduce__ = by_parameters

    def clear_orders(
        self, orders: object, *, units: Units | None = None, out: NDArray[np.int64] | None = None
    ) -> BlockClearing:
        """Clear ``orders``; :func:`fastclear.clear` calls this.

        Parameters
        ----------
        orders : frame or mapping of columns, n rows
            As :func:`fastclear.clear` takes them, with the block columns.
        units : Units, optional
            What price and quantity are given in.
        out : ndarray of int64, shape (n,), optional
            Receives each order's filled quantity.
        """
        given = encode_blocks(orders, units)
        filled = receiver(out, given.orders)
        found = read(given)
        few = len(found.book.blocks) <= LISTED_MAX
        if self.method == "enumerate" or (self.method == "auto" and few):
            decision = enumerate_sets(found.book)
        else:
            decision = Branching(found.book, self.nodes_max).solve()
        return BlockClearing(self, found, decision, filled, fresh=out is None)


class BlockClearing(Clearing):
    """The outcome of :func:`fastclear.clear` with :class:`Blocks`: a :class:`Clearing` that also knows its blocks.

    Attributes
    ----------
    block_orders : BlockOrders
        The orders with their block columns.
    """

    def __init__(
        self, mechanism: Blocks, found: Read, decision: Decision, filled: NDArray[np.int64], *, fresh: bool
    ) -> None:
        result = Result(found, decision, mechanism.rationing)
        filled[:] = result.filled
        if fresh:
            filled.flags.writeable = False
        # To the frames a Result is what the Rust half returns; what asks a mechanism for its core is overridden here.
        super().__init__(found.orders.orders, cast("Mechanism", mechanism), cast("Any", result), filled, 1)
        self.block_orders = found.orders
        self._found = found
        self._decision = decision

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        """Pickle as orders and mechanism: clearing them again gives the same bytes."""
        return _again, (cast("Any", self.mechanism), self.block_orders)

    @cached_property
    def _own_filled(self) -> NDArray[np.int64]:
        return np.array(cast("Any", self._cleared).filled, np.int64)

    @property
    def _one_price(self) -> bool:
        return True

    @property
    def pays_sums(self) -> bool:
        """Whether what an order pays is a sum, not a price a unit."""
        return False

    @cached_property
    def blocks(self) -> pl.DataFrame:
        """One row a block that was not refused, ascending id.

        ``block``, ``accepted`` (Boolean), ``surplus`` (what it earns, or would have earned, beyond its limits at the
        prices; null where one of its markets has none), ``family_surplus`` (the same with its accepted descendants),
        ``paradoxical`` (rejected although its surplus is above zero), ``parent``, ``exclusive``. Money is in
        nano-currency, Decimal(38, 0).
        """
        book, accepted = self._found.book, set(self._decision.outcome.accepted)
        surplus = [self._surplus(rank) for rank in range(len(book.blocks))]
        family = list(surplus)
        for rank in reversed(book.order):
            parent = book.blocks[rank].parent
            if parent is not None and rank in accepted:
                family[parent] = cast("int", family[parent]) + cast("int", family[rank])
        ranks = pl.Series(self._found.ranks, dtype=pl.Int64)
        names, groups = self.block_orders.blocks, self.block_orders.groups
        parents = pl.Series([block.parent for block in book.blocks], dtype=pl.Int64)
        kin = pl.Series([block.group for block in book.blocks], dtype=pl.Int64)
        block = names.gather(ranks)
        chosen = [rank in accepted for rank in range(len(book.blocks))]
        return pl.DataFrame(
            [
                block.alias("block"),
                pl.Series("accepted", chosen, dtype=pl.Boolean),
                _money("surplus", surplus),
                _money("family_surplus", family),
                pl.Series(
                    "paradoxical",
                    [not yes and (s or 0) > 0 for yes, s in zip(chosen, surplus, strict=True)],
                    dtype=pl.Boolean,
                ),
                block.gather(parents).alias("parent"),
                groups.gather(kin).alias("exclusive"),
            ]
        )

    def _surplus(self, rank: int) -> int | None:
        total = 0
        for row in self._found.book.blocks[rank].rows:
            price = self._decision.prices[row.hour]
            if price is None:
                return None
            total += row.sign * (row.price - price) * row.quantity
        return total

    def audit(self) -> AuditReport:
        """Recompute every invariant of blocks and hours from the orders and this result.

        It shares no code with the clearing. That no better set exists is not looked at: see the tests.

        Returns
        -------
        AuditReport
            What was checked, over how many orders, markets and trades.

        Raises
        ------
        AuditError
            The first invariant that does not hold: which, in which market, order or block, and by how much.
        """
        return check_blocks(self)


def _again(mechanism: Blocks, orders: BlockOrders) -> BlockClearing:
    return mechanism.clear_orders(orders)


def _money(name: str, values: list[int | None]) -> pl.Series:
    return pl.Series(name, [None if value is None else Decimal(value) for value in values], dtype=MONEY)
