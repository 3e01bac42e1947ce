"""Auctions with a network: fees inside the clearing or after it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear import _core
from fastclear.auction.double_auction import Discriminatory, Uniform
from fastclear.auction.parameters import Mechanism, receiver
from fastclear.errors import MechanismError
from fastclear.preference.mechanism import with_one_fee
from fastclear.preference.network import COLUMNS, Charges, Network
from fastclear.preference.reading import PreferenceOrders, encode_preferences
from fastclear.preference.zones import Zones
from fastclear.trades import Clearing, run

if TYPE_CHECKING:
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

    @cached_property
    def _charges(self) -> Charges:
        return Charges(self, self.network, self.preference_orders.extras.get("zone"))

    @property
    def network_charges(self) -> pl.DataFrame:
        """What each trade pays for the network: ``market``, ``trade``, both order ids, ``quantity``, ``fee``, ``charge``.

        ``fee`` in ticks a unit, ``charge`` in nano-currency, Decimal(38, 0). Inside the clearing it is part of what the
        buyer pays; after it, the buyer pays it on top.
        """
        return self._charges.frame(self)

    @property
    def network_revenue(self) -> int:
        """What the network operator receives, in nano-currency."""
        return self._charges.revenue


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
        if isinstance(mechanism, Uniform):
            mechanism = with_one_fee(mechanism, fee)
        elif isinstance(mechanism, Discriminatory) and int(fee.min()) == int(fee.max()):
            mechanism = with_one_fee(mechanism, fee)
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


def _again(
    given: PreferenceOrders, mechanism: Mechanism, network: Network, threads: int | None
) -> NetworkedClearing:
    return _cleared(given, mechanism, network, threads, None)


