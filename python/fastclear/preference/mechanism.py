"""Staged matching: the mechanism, and the clearing that knows its stages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear import _core
from fastclear.auction.double_auction import Discriminatory, Uniform
from fastclear.auction.parameters import by_parameters, receiver
from fastclear.auction.properties import described
from fastclear.errors import MechanismError, SchemaError
from fastclear.frames import framed
from fastclear.orders import Orders
from fastclear.preference.network import Charges, Network
from fastclear.preference.pairs import PairTable, People
from fastclear.preference.reading import Book, PreferenceOrders, core_columns, encode_preferences, read
from fastclear.preference.result import Deals, Matched, exact_sums
from fastclear.preference.stages import (
    Auction,
    Community,
    Contracts,
    Essential,
    Nominated,
    PreferredTypes,
    Qualities,
    Stage,
    stage_of,
)
from fastclear.preference.zones import Zones, table_of
from fastclear.trades import Clearing, money, run

if TYPE_CHECKING:
    from fastclear.audit import AuditReport
    from fastclear.units import Units

STAGES_MAX: Final = 100
_CORE_STAGES = (Contracts, Nominated, PreferredTypes, Community, Essential)
_MARKET: Final = _core.MARKET_VALUES.index("market")
_PRICES: Final = tuple(_core.MARKET_VALUES.index(name) for name in ("price_buy", "price_sell"))


@described
@dataclass(frozen=True, slots=True)
class Preference:
    """Staged matching: each stage takes from what the one before it left; what is left at the end is the supplier's.

    Every order goes through the stages in their order, market by market. A deal is made only where the ask is at or
    below
    the price, and price and network fee at or below the bid (or the pair's own cap, where that is lower); nobody trades
    with itself, nor farther than its ``max_distance``. Orders may carry, besides those of :func:`fastclear.clear`:

    ``participant``
        Whose the order is; needed for contracts and nominations.
    ``zone``, ``max_distance``
        Where it is; how far a bid buys at most (null: any distance).
    ``source``, ``wants``
        Type of an ask; type or list of types that a bid prefers (``PreferredTypes``).
    ``strict``
        Bids that trade with those whom they named, and with types that they want, and else not at all.
    ``essential``
        Bids that :class:`~fastclear.preference.Essential` serves, and no other stage; without that stage, bids like
        any.
    ``quality``
        Class of bid and ask (``Qualities``).
    ``slot``
        Begin of delivery, one a market; needed where pairs have ``valid_from`` or ``valid_to``.

    Parameters
    ----------
    stages : sequence of stages, or of the names of stages without parameters
        ``Contracts``, ``Nominated``, ``PreferredTypes``, ``Community``, ``Essential``, ``Auction`` and ``Qualities`` of
        :mod:`fastclear.preference`, in the order in which they are run.
    distances : mapping or frame, optional
        (buyer's zone, seller's zone) to a whole number from 0 up, or a frame ``buyer_zone``, ``seller_zone``,
        ``distance``; a row holds in both directions unless the other is given. By default 0 within a zone, else 1.

    Raises
    ------
    MechanismError
        A stage or parameter that cannot be.
    SchemaError
        While clearing: a column that a stage needs is missing or unreadable.

    Notes
    -----
    In turn (``share="in_turn"``): bids by price (dearest first), time, id; each goes along its list, or along all
    asks in
    the order of the stage, and takes all it can. In equal rounds (``share="equal"``): rank by rank, one lot more for
    every
    bid that can still be served, first to last, until none can. That is the largest volume that any matching of the
    rank
    has, and no share of it can be raised without lowering one that is as small (max-min fairness, Megiddo 1974); which
    ask serves which bid is settled bid by bid, cheapest ask first.

    Ties, here and everywhere: time, then id. Deals are listed in the order in which they were made.

    Examples
    --------
    >>> import fastclear as fc
    >>> orders = {
    ...     "participant": ["ann", "bob", "sun", "wind"],
    ...     "side": ["buy", "buy", "sell", "sell"],
    ...     "price": [25, 28, 20, 15],
    ...     "quantity": [6, 5, 4, 9],
    ... }
    >>> mine = fc.preference.Nominated({"buyer": ["ann"], "source": ["sun"]})
    >>> clearing = fc.clear(orders, fc.Preference(stages=[mine, "community"]))
    >>> clearing.trades.select("stage", "buy_order", "sell_order", "quantity", "sell_price").rows()
    [('nominated', 0, 2, 4, 20), ('community', 1, 3, 5, 15), ('community', 0, 3, 2, 15)]
    """

    stages: Sequence[Stage | str] | Stage | str = (Community(),)
    distances: Any = None

    def __post_init__(self) -> None:
        given: Any = self.stages
        stages = (given,) if isinstance(given, str) or not hasattr(given, "__iter__") else tuple(given)
        made = tuple(map(stage_of, stages))
        if not 1 <= len(made) <= STAGES_MAX:
            raise MechanismError(f"stages={stages!r}: {len(made)} of them; give 1 to {STAGES_MAX}")
        object.__setattr__(self, "stages", made)
        if self.distances is not None:
            table = table_of(self.distances, "distance", "distances")
            for pair, distance in table.items():
                if not 0 <= distance < 2**62:
                    raise MechanismError(f"distances[{pair!r}]={distance}; give 0 or more")
            object.__setattr__(self, "distances", table)

    __reduce__ = by_parameters
    __hash__ = None  # type: ignore[assignment]  # distances are a dictionary

    @property
    def plan(self) -> tuple[Stage, ...]:
        """The stages, however they were given."""
        return cast("tuple[Stage, ...]", self.stages)

    @property
    def wanted(self) -> tuple[str, ...]:
        """Further columns of orders that its stages read."""
        names = {"zone", "max_distance", "strict"}
        for stage in self.plan:
            if isinstance(stage, Essential):
                names.add("essential")
            if isinstance(stage, PreferredTypes):
                names |= {"source", "wants"}
            if isinstance(stage, Qualities):
                names.add("quality")
            if isinstance(stage, Contracts | Nominated):
                names.add("slot")
        return tuple(sorted(names))

    def clear_orders(
        self,
        orders: object,
        *,
        units: Units | None = None,
        out: NDArray[np.int64] | None = None,
        network: Network | None = None,
        threads: int | None = None,
    ) -> PreferenceClearing:
        """Clear ``orders``; :func:`fastclear.clear` calls this.

        Parameters
        ----------
        orders : frame or mapping of columns, n rows
            As :func:`fastclear.clear` takes them, with the columns named above.
        units : Units, optional
            What price and quantity are given in. Pairs, rates and distances are in ticks and lots all the same.
        out : ndarray of int64, shape (n,), optional
            Receives each order's filled quantity.
        network : Network, optional
            Fees and vetoes.
        threads : int, optional
            Most threads to use.
        """
        given = encode_preferences(orders, units, self.wanted if network is None else (*self.wanted, "vetoed"))
        filled = receiver(out, given.orders)
        book = read(given, threads)
        deals, prices = _Pipeline(self, book, network, threads).run()
        return PreferenceClearing(self, book, deals, prices, network, filled, threads, fresh=out is None)


class _Pipeline:
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
        self.prices: list[tuple[int, NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]] = []

    def run(self) -> tuple[Deals, list[tuple[int, NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]]:
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
        return Deals.joined(self.parts), self.prices

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
        if isinstance(mechanism, Uniform):
            values, shown, *_ = cleared.markets()
            traded = np.flatnonzero(shown[_PRICES[0]])
            buy, sell = (values[index][traded] for index in _PRICES)
            self.prices.append((place, values[_MARKET][traded], buy, sell))

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


class PreferenceClearing(Clearing):
    """The outcome of :func:`fastclear.clear` with :class:`Preference`: a :class:`Clearing` that knows its stages.

    Attributes
    ----------
    preference_orders : PreferenceOrders
        The orders with their further columns.
    network : Network or None
        The network that was given.
    """

    def __init__(
        self,
        mechanism: Preference,
        book: Book,
        deals: Deals,
        prices: list[tuple[int, NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]],
        network: Network | None,
        filled: NDArray[np.int64],
        threads: int | None,
        *,
        fresh: bool,
    ) -> None:
        result = Matched(book, deals)
        filled[:] = result.filled
        if fresh:
            filled.flags.writeable = False
        # To the frames this is what the Rust half returns; what asks a mechanism for its core is overridden here.
        super().__init__(book.orders, cast("Any", mechanism), cast("Any", result), filled, threads)
        self.preference_orders = book.given
        self.network = network
        self.book = book
        self._prices = prices

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        """Pickle as orders and mechanism: clearing them again gives the same bytes."""
        return _again, (cast("Any", self.mechanism), self.preference_orders, self.network, self._threads)

    @property
    def deals(self) -> Deals:
        """Deals as columns, with stage and fee."""
        return cast("Matched", self._cleared).deals

    @cached_property
    def _own_filled(self) -> NDArray[np.int64]:
        return cast("Matched", self._cleared).filled

    @property
    def _one_price(self) -> bool:
        return False

    @property
    def pays_sums(self) -> bool:
        """Whether what an order pays is a sum, not a price a unit."""
        return False

    @cached_property
    def trades(self) -> pl.DataFrame:
        """One row a trade, as of any clearing, in the order in which they were made; and ``stage`` and ``fee``.

        ``stage`` is the name of the stage (String), ``fee`` what the buyer pays the network a unit within
        ``buy_price``.
        """
        names = pl.Series([stage.name for stage in cast("Preference", self.mechanism).plan], dtype=pl.String)
        plain = cast("Any", Clearing.trades).func(self)
        stage = names.gather(pl.Series(self.deals.stage, dtype=pl.UInt32)).alias("stage")
        frame: pl.DataFrame = plain.with_columns(stage, pl.Series("fee", self.deals.fee))
        return frame

    @cached_property
    def stages(self) -> pl.DataFrame:
        """One row a market and stage in which it traded, by market, then stage.

        ``market``, ``stage`` (place from 0), ``name``, ``trades``, ``volume`` (lots), ``price_low``, ``price_high``
        (what sellers receive a unit, least and most, in ticks), ``buyer_payment``, ``seller_revenue``, ``fees``
        (nano-currency, Decimal(38, 0)).
        """
        deals = self.deals
        count = len(cast("Preference", self.mechanism).plan)
        key = deals.market.astype(np.int64) * count + deals.stage
        found, group = np.unique(key, return_inverse=True)
        groups = len(found)
        volume, low, high = np.zeros(groups, np.int64), np.full(groups, 2**62), np.full(groups, -(2**62))
        np.add.at(volume, group, deals.quantity)
        np.minimum.at(low, group, deals.price)
        np.maximum.at(high, group, deals.price)
        paid = exact_sums((deals.price + deals.fee) * deals.quantity, group, groups)
        received = exact_sums(deals.price * deals.quantity, group, groups)
        names = pl.Series([stage.name for stage in cast("Preference", self.mechanism).plan], dtype=pl.String)

        return framed(
            [
                self.orders.names("market", self.book.markets[found // count]),
                pl.Series("stage", (found % count).astype(np.uint8)),
                names.gather(pl.Series(found % count, dtype=pl.UInt32)).alias("name"),
                pl.Series("trades", np.bincount(group, minlength=groups).astype(np.uint32)),
                pl.Series("volume", volume),
                pl.Series("price_low", low),
                pl.Series("price_high", high),
                money(paid).alias("buyer_payment"),
                money(received).alias("seller_revenue"),
                money(paid - received).alias("fees"),
            ]
        )

    @property
    def network_fee(self) -> NDArray[np.int64] | None:
        """Ticks a unit that each trade pays for the network, which settlement charges in place of the tariff's.

        It is part of the buyer's price where :attr:`fee_inside` is true, and comes on top of it elsewhere.
        """
        return None if self.network is None else self._charges.fee

    @property
    def fee_inside(self) -> bool:
        """Whether the network's fee is part of the buyer's price."""
        return self.network is not None and self.network.inside

    @cached_property
    def _charges(self) -> Charges:
        if self.network is None:
            raise MechanismError("this clearing has no network; pass fc.clear(…, network=fc.Network(…))")
        return Charges(self, self.network, self.preference_orders.extras.get("zone"))

    @property
    def network_charges(self) -> pl.DataFrame:
        """What each trade pays for the network: ``market``, ``trade``, order ids, ``quantity``, ``fee``, ``charge``.

        Inside the clearing it is part of what the buyer pays; after it, the buyer pays it on top.
        """
        return self._charges.frame(self)

    @property
    def network_revenue(self) -> int:
        """What the network operator receives, in nano-currency."""
        return self._charges.revenue

    def audit(self) -> AuditReport:
        """Recompute every invariant from the orders and this result, sharing no code with the core.

        Every stage is run again in plain Python, order by order: some microseconds a pair, and more in equal rounds.

        Returns
        -------
        AuditReport
            What was checked, over how many orders, markets and trades.

        Raises
        ------
        AuditError
            The first invariant that does not hold: which, in which market or order, and by how much.
        """
        from fastclear.audit.preference import check_preference

        return check_preference(self)


def _again(
    mechanism: Preference, orders: PreferenceOrders, network: Network | None, threads: int | None
) -> PreferenceClearing:
    return mechanism.clear_orders(orders, network=network, threads=threads)
