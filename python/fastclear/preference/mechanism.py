"""Staged matching: the mechanism."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from fastclear.auction.parameters import by_parameters, receiver
from fastclear.auction.properties import described
from fastclear.errors import MechanismError
from fastclear.preference.clearing import PreferenceClearing
from fastclear.preference.network import Network
from fastclear.preference.pipeline import Pipeline
from fastclear.preference.reading import encode_preferences, read
from fastclear.preference.stages import (
    Community,
    Contracts,
    Essential,
    Nominated,
    PreferredTypes,
    Qualities,
    Stage,
    stage_of,
)
from fastclear.preference.zones import table_of

if TYPE_CHECKING:
    from fastclear.units import Units

STAGES_MAX: Final = 100


@described
@dataclass(frozen=True, slots=True)
class Preference:
    """Staged matching: each stage takes from what the one before it left; what is left at the end is the supplier's.

    Every order goes through the stages in their order, market by market. A deal is made only where the ask is at or
    below the price, and price and network fee at or below the bid (or the pair's own cap, where that is lower); nobody
    trades with itself, nor farther than its ``max_distance``. Orders may carry, besides those of
    :func:`fastclear.clear`:

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
    In turn (``share="in_turn"``): bids by price (dearest first), time, id; each goes along its list, or along all asks
    in the order of the stage, and takes all it can. In equal rounds (``share="equal"``): rank by rank, one lot more for
    every bid that can still be served, first to last, until none can. That is the largest volume that any matching of
    the rank has, and no share of it can be raised without lowering one that is as small (max-min fairness, Megiddo
    1974); which ask serves which bid is settled bid by bid, cheapest ask first.

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
        deals = Pipeline(self, book, network, threads).run()
        return PreferenceClearing(self, book, deals, network, filled, threads, fresh=out is None)
