"""Auctions with a network: fees inside the clearing or after it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear import _core
from fastclear.auction.double_auction import Discriminatory, Uniform
from fastclear.auction.parameters import Mechanism, fraction, receiver
from fastclear.errors import MechanismError
from fastclear.preference.network import COLUMNS, Charges, Network
from fastclear.preference.pipeline import with_one_fee
from fastclear.preference.reading import Book, PreferenceOrders, encode_preferences, read
from fastclear.preference.result import Deals, Matched
from fastclear.preference.zones import Zones
from fastclear.trades import Clearing, run

if TYPE_CHECKING:
    from fastclear.audit import AuditReport
    from fastclear.units import Units


def check_network(network: object) -> None:
    """Raise where ``network`` is none.

    Raises
    ------
    MechanismError
        It is not.
    """
    if network is not None and not isinstance(network, Network):
        raise MechanismError(f"network={network!r} is none; give fc.Network(…)")


class NetworkedClearing(Clearing):
    """A :class:`Clearing` of an auction that also knows what its trades pay for the network.

    Attributes
    ----------
    network : Network
        The network.
    preference_orders : PreferenceOrders
        The orders with their zones.
    """

    network: Network
    preference_orders: PreferenceOrders

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        """Pickle as orders, mechanism and network: clearing them again gives the same bytes."""
        return _again, (self.preference_orders, self.mechanism, self.network, self._threads)

    @property
    def network_fee(self) -> NDArray[np.int64]:
        """Ticks a unit that each trade pays for the network, which settlement charges in place of the tariff's.

        It is part of the buyer's price where :attr:`fee_inside` is true, and comes on top of it elsewhere.
        """
        return self._charges.fee

    @property
    def fee_inside(self) -> bool:
        """Whether the network's fee is part of the buyer's price."""
        return self.network.inside

    @cached_property
    def _charges(self) -> Charges:
        return Charges(self, self.network, self.preference_orders.extras.get("zone"))

    @property
    def network_charges(self) -> pl.DataFrame:
        """What each trade pays for the network: ``market``, ``trade``, order ids, ``quantity``, ``fee``, ``charge``.

        ``fee`` in ticks a unit, ``charge`` in nano-currency, Decimal(38, 0). Inside the clearing it is part of what the
        buyer pays; after it, the buyer pays it on top.
        """
        return self._charges.frame(self)

    @property
    def network_revenue(self) -> int:
        """What the network operator receives, in nano-currency."""
        return self._charges.revenue


class FeeClearing(NetworkedClearing):
    """The outcome of ``Discriminatory`` with fees from zone to zone inside: the largest sum of bid - ask - fee."""

    def __init__(
        self,
        given: PreferenceOrders,
        book: Book,
        mechanism: Discriminatory,
        network: Network,
        deals: Deals,
        filled: NDArray[np.int64],
        threads: int | None,
    ) -> None:
        result = Matched(book, deals)
        filled[:] = result.filled
        super().__init__(given.orders, mechanism, cast("Any", result), filled, threads)
        self.preference_orders = given
        self.network = network
        self.book = book

    @classmethod
    def cleared(
        cls,
        given: PreferenceOrders,
        mechanism: Discriminatory,
        network: Network,
        threads: int | None,
        out: NDArray[np.int64] | None = None,
    ) -> FeeClearing:
        """Clear; see :func:`clear_networked`.

        Raises
        ------
        MechanismError
            The auction has a reserve, caps, a fee, a receiver of the spread or another rounding of its own.
        """
        beside = (mechanism.reserve, mechanism.cap_low, mechanism.cap_high, mechanism.spread_to)
        if mechanism.fee or mechanism.price_round != "floor" or any(limit is not None for limit in beside):
            raise MechanismError(
                "fees from zone to zone inside take no fee=, reserve=, caps, spread_to= or price_round= beside them; "
                "leave them out"
            )
        filled = receiver(out, given.orders)
        book = read(given, threads)
        zones = Zones(given.extras.get("zone"), given.orders.n)
        columns = {
            "side": np.ascontiguousarray(book.is_bid).view(np.uint8),
            "limit": book.limit,
            "left": book.quantity,
            "market": book.market,
            "time": given.orders.time,
            "order": given.orders.order,
            "zone": zones.rank,
        }
        fee = np.ascontiguousarray(network.matrix(zones).reshape(-1))
        share = fraction("k", mechanism.k)
        rule = {
            "rate": None,
            "k": {"bid": (1, 1), "ask": (0, 1)}.get(mechanism.rule, (share.numerator, share.denominator)),
            "earlier": mechanism.rule == "earlier",
        }
        done = _core.clear_with_fees(columns, (len(zones), np.zeros_like(fee), fee), rule, len(book.markets), threads)
        rows = {name: done[name].astype(np.int64) for name in ("buy_row", "sell_row")}
        deals = Deals(
            done["market"], done["stage"], **rows, **{name: done[name] for name in ("quantity", "price", "fee")}
        )
        clearing = cls(given, book, mechanism, network, deals, filled, threads)
        if out is None:
            filled.flags.writeable = False
        return clearing

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        """Pickle as orders, mechanism and network: clearing them again gives the same bytes."""
        return FeeClearing.cleared, (self.preference_orders, cast("Any", self.mechanism), self.network, self._threads)

    @cached_property
    def _own_filled(self) -> NDArray[np.int64]:
        return cast("Matched", self._cleared).filled

    def audit(self) -> AuditReport:
        """Recompute every invariant from the orders and this result, sharing no code with the core.

        That no allocation has more net welfare is shown by prices from zone to zone that support this one.

        Returns
        -------
        AuditReport
            What was checked, over how many orders, markets and trades.

        Raises
        ------
        AuditError
            The first invariant that does not hold.
        """
        from fastclear.audit.networked import check_fees

        return check_fees(self)

    def teller(self, story: Any) -> list[str]:
        """Why an order did or did not trade, in words."""
        from fastclear.explanation.networked import networked

        return networked(story)


def clear_networked(
    orders: object,
    mechanism: Any,
    *,
    units: Units | None,
    network: Network,
    threads: int | None,
    out: NDArray[np.int64] | None,
) -> Clearing:
    """Clear an auction with a network.

    Raises
    ------
    MechanismError
        The auction takes no fees inside.
    """
    if not isinstance(getattr(mechanism, "core", None), _core.Mechanism):
        raise MechanismError(f"{type(mechanism).__name__} takes no network; use Preference or an auction of the core")
    given = encode_preferences(orders, units, COLUMNS)
    if network.inside:
        fee = network.matrix(Zones(given.extras.get("zone"), given.orders.n))
        if isinstance(mechanism, Uniform) or (
            isinstance(mechanism, Discriminatory) and int(fee.min()) == int(fee.max())
        ):
            mechanism = with_one_fee(mechanism, fee)
        elif isinstance(mechanism, Discriminatory):
            return FeeClearing.cleared(given, mechanism, network, threads, out)
        else:
            raise MechanismError(
                f"{type(mechanism).__name__} takes no fees from zone to zone inside; use Uniform, Discriminatory or "
                "Preference, or Network(inside=False)"
            )
    return _cleared(given, mechanism, network, threads, out)


def _cleared(
    given: PreferenceOrders, mechanism: Mechanism, network: Network, threads: int | None, out: NDArray[np.int64] | None
) -> NetworkedClearing:
    filled = receiver(out, given.orders)
    cleared = run(given.orders, mechanism, filled, threads=threads, trades=True)
    if out is None:
        filled.flags.writeable = False
    clearing = NetworkedClearing(given.orders, mechanism, cleared, filled, threads)
    clearing.network = network
    clearing.preference_orders = given
    return clearing


def _again(given: PreferenceOrders, mechanism: Mechanism, network: Network, threads: int | None) -> NetworkedClearing:
    return _cleared(given, mechanism, network, threads, None)
