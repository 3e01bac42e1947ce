"""The outcome of a staged matching: a clearing that knows its stages."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear.errors import MechanismError
from fastclear.frames import framed
from fastclear.preference.network import Charges, Network
from fastclear.preference.reading import Book, PreferenceOrders
from fastclear.preference.result import Deals, Matched, exact_sums
from fastclear.trades import Clearing, money

if TYPE_CHECKING:
    from fastclear.audit import AuditReport
    from fastclear.preference.mechanism import Preference


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
