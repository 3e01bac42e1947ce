"""The stages of a staged matching over one book: those of the core together, auctions between them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear import _core
from fastclear.auction.double_auction import Discriminatory, Uniform
from fastclear.errors import MechanismError, SchemaError
from fastclear.orders import Orders
from fastclear.preference.network import Network
from fastclear.preference.pairs import PairTable, People
from fastclear.preference.reading import Book, core_columns
from fastclear.preference.result import Deals
from fastclear.preference.stages import (
    Auction,
    Community,
    Contracts,
    Essential,
    Nominated,
    PreferredTypes,
    Qualities,
    Stage,
)
from fastclear.preference.zones import Zones
from fastclear.trades import run

if TYPE_CHECKING:
    from fastclear.preference.mechanism import Preference

_CORE_STAGES = (Contracts, Nominated, PreferredTypes, Community, Essential)


class Pipeline:
    """The stages over one book."""

    def __init__(self, mechanism: Preference, book: Book, network: Network | None, threads: int | None) -> None:
        self.mechanism = mechanism
        self.book = book
        self.threads = threads
        extras = book.given.extras
        self.zones = Zones(extras.get("zone"), book.orders.n)
        table = mechanism.distances
        self.distance = self.zones.plain_distances() if table is None else self.zones.distances(table)
        self.fee = None if network is None or not network.inside else network.matrix(self.zones)
        self.left = book.quantity.copy()
        self.parts: list[Deals] = []

    def run(self) -> Deals:
        """Run all stages: those of the core together as long as no auction is between them."""
        waiting: list[tuple[int, Stage]] = []
        for place, stage in enumerate(self.mechanism.plan):
            if isinstance(stage, _CORE_STAGES):
                waiting.append((place, stage))
                continue
            self._match(waiting)
            waiting = []
            if isinstance(stage, Auction):
                self._auction(place, stage.mechanism, ~self._sits_out())
            elif isinstance(stage, Qualities):
                self._qualities(place, stage)
        self._match(waiting)
        return Deals.joined(self.parts)

    def _add(self, deals: Deals) -> None:
        self.left -= deals.traded(len(self.left))
        self.parts.append(deals)

    def _match(self, stages: list[tuple[int, Stage]]) -> None:
        if not stages or not len(self.book.markets):
            return
        people = None if self.book.orders.participant is None else People(self.book.orders)
        columns = core_columns(self.book, self.left, None if people is None else people.rank)
        fee = None if self.fee is None else np.ascontiguousarray(self.fee.reshape(-1))
        zones = (len(self.zones), np.ascontiguousarray(self.distance.reshape(-1)), fee)
        columns["zone"] = self.zones.rank
        plan = [self._plan(stage, people) for _, stage in stages]
        count = 0 if people is None else people.count
        done = _core.match_preferences(columns, zones, plan, count, len(self.book.markets), self.threads)
        places = np.array([place for place, _ in stages], np.uint8)
        self._add(
            Deals(
                done["market"],
                places[done["stage"]],
                done["buy_row"].astype(np.int64),
                done["sell_row"].astype(np.int64),
                done["quantity"],
                done["price"],
                done["fee"],
            )
        )

    def _plan(self, stage: Stage, people: People | None) -> dict[str, Any]:
        plan: dict[str, Any] = {
            "equal": getattr(stage, "share", "in_turn") == "equal",
            "nearest": getattr(stage, "first", "price") == "distance",
            "wanted": isinstance(stage, PreferredTypes),
            "essential": isinstance(stage, Essential),
            "skips_strict": isinstance(stage, Community),
            "rate": stage.rate if isinstance(stage, Essential) else None,
            "k": (1, 2),
            "earlier": False,
        }
        if not isinstance(stage, Essential):
            rule, share = cast("Any", stage).rule, cast("Any", stage).k
            k = {"bid": (1, 1), "ask": (0, 1)}.get(rule, (share.numerator, share.denominator))
            plan |= {"k": k, "earlier": rule == "earlier"}
        if isinstance(stage, PreferredTypes):
            for name in ("source", "wants"):
                if name not in self.book.given.extras:
                    raise SchemaError(f"column '{name}' is missing: PreferredTypes reads it", column=name)
        if isinstance(stage, Contracts | Nominated):
            plan |= self._pairs(stage, people)
        return plan

    def _pairs(self, stage: Contracts | Nominated, people: People | None) -> dict[str, Any]:
        if people is None:
            raise SchemaError(
                f"column 'participant' is missing: the stage {stage.name!r} reads it", column="participant"
            )
        table = pairs_of(stage)
        if table.dated and "slot" not in self.book.given.extras:
            raise SchemaError(
                "column 'slot' is missing: pairs have valid_from or valid_to; give each order's begin of delivery",
                column="slot",
            )
        columns = table.columns(people)
        del columns["buyer"]
        return columns

    def _sits_out(self) -> NDArray[np.bool_]:
        """Bids that take part in no auction: strict ones and essential loads."""
        out = np.zeros(self.book.orders.n, bool)
        for name in ("strict", "essential"):
            if name in self.book.given.extras:
                out |= self.book.given.extras[name].to_numpy() & self.book.is_bid
        return out

    def _auction(self, place: int, mechanism: Uniform | Discriminatory, takes_part: NDArray[np.bool_]) -> None:
        if self.fee is not None:
            mechanism = with_one_fee(mechanism, self.fee)
        rows = np.flatnonzero(takes_part & (self.left > 0))
        if not len(rows):
            return
        book, orders = self.book, self.book.orders
        part = Orders(
            orders.side[rows],
            book.limit[rows],
            self.left[rows],
            market=book.market[rows].astype(np.int64),
            order=(np.arange(orders.n) if orders.order is None else orders.order)[rows],
            time=None if orders.time is None else orders.time[rows],
            participant=None if orders.participant is None else orders.participant[rows],
        )
        filled = np.zeros(len(rows), np.int64)
        cleared = run(part, mechanism, filled, threads=self.threads, trades=True)
        trades = cleared.trades()
        market = cleared.trade_markets()
        assert trades is not None  # asked for in the line above
        assert market is not None
        sell_price = trades["sell_price"]
        self._add(
            Deals(
                market.astype(np.uint32),
                np.full(len(market), place, np.uint8),
                rows[trades["buy_row"]],
                rows[trades["sell_row"]],
                trades["quantity"].copy(),
                sell_price.copy(),
                trades["buy_price"] - sell_price,
            )
        )

    def _qualities(self, place: int, stage: Qualities) -> None:
        if "quality" not in self.book.given.extras:
            raise SchemaError("column 'quality' is missing: Qualities reads it", column="quality")
        quality = self.book.given.extras["quality"]
        named = pl.Series(stage.classes)
        if len(quality.drop_nulls()) and (quality.dtype == pl.String) != (named.dtype == pl.String):
            raise SchemaError(f"column 'quality' is {quality.dtype}; name classes as in classes=", column="quality")
        known = quality.is_null() | quality.cast(named.dtype).is_in(named.to_list())
        if not known.all():
            row = int((~known).arg_max() or 0)
            raise SchemaError(
                f"column 'quality', row {row}: {quality[row]!r} is no class of {stage.classes!r}",
                column="quality",
                row=row,
            )
        rank = class_ranks(quality, stage.classes)
        free = ~self._sits_out()
        classes = range(len(stage.classes))
        for level in classes if stage.order != "low_to_high" else reversed(classes):
            mine = rank == level
            asks = mine if stage.order == "separate" else (rank >= 0) & (rank <= level)
            self._auction(place, stage.mechanism, free & np.where(self.book.is_bid, mine, asks))


def class_ranks(quality: pl.Series, classes: tuple[str | int, ...]) -> NDArray[np.int64]:
    """Place of each order's class, 0 the best; -1 where it names none."""
    places = pl.Series(range(len(classes)), dtype=pl.Int64)
    ranks = quality.replace_strict(pl.Series(classes), places, default=-1, return_dtype=pl.Int64)
    return ranks.fill_null(-1).to_numpy()


def pairs_of(stage: Contracts | Nominated) -> PairTable:
    """The pairs of a stage that both sides agree on."""
    accepts = getattr(stage, "accepts", None)
    pairs: PairTable = stage.pairs
    return pairs if accepts is None else pairs.agreed(accepts)


def with_one_fee(mechanism: Uniform | Discriminatory, fee: NDArray[np.int64]) -> Uniform | Discriminatory:
    """The auction with the fee that all trades have.

    Raises
    ------
    MechanismError
        Fees differ from zone to zone.
    """
    least, most = int(fee.min()), int(fee.max())
    if mechanism.fee or (isinstance(mechanism, Discriminatory) and mechanism.spread_to is not None):
        raise MechanismError("fee= and spread_to= beside a network's fees would be paid to the network; leave them out")
    if least != most:
        raise MechanismError(
            f"{type(mechanism).__name__} has one fee for all trades and the network has {least} to {most} ticks; use a "
            "stage Community, or fc.Discriminatory() by itself, or Network(inside=False)"
        )
    return replace(mechanism, fee=least)
