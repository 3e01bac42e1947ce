"""Prices of a pool: exact fractions of one market, and floating-point numbers of all markets to look at.

Payments are authoritative; they are worked out in the core, from integers.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from fastclear.sharing.mechanisms import BillSharing, FixedPrice, MidMarketRate, SharingMechanism, SupplyDemandRatio

Columns = Mapping[str, NDArray[Any]]
"""``supply``, ``demand``, ``volume``, ``retail``, ``feed_in``, ``period`` of markets."""
Pair = tuple[Any, Any]


def local_price(mechanism: MidMarketRate | SupplyDemandRatio | FixedPrice, market: Mapping[str, int]) -> Fraction:
    """What a lot of local energy is worth, in ticks.

    Parameters
    ----------
    mechanism : MidMarketRate, SupplyDemandRatio or FixedPrice
        The rule.
    market : mapping
        ``supply``, ``demand``, ``retail``, ``feed_in`` of one market; both sides have energy.
    """
    retail, feed_in = market["retail"], market["feed_in"]
    kind = type(mechanism).__name__
    if kind == "MidMarketRate":
        return Fraction(retail + feed_in, 2)
    if kind == "FixedPrice":
        return Fraction(mechanism.price)  # type: ignore[union-attr]
    least = feed_in + mechanism.compensation  # type: ignore[union-attr]
    if market["supply"] > market["demand"]:
        return Fraction(least)
    ratio = Fraction(market["supply"], market["demand"])
    over = (retail - least) * ratio + least
    return Fraction(least * retail) / over if over else Fraction(0)


def exact(mechanism: SharingMechanism, market: Mapping[str, int]) -> tuple[Fraction | None, Fraction | None]:
    """Prices of buyers and sellers in ticks, for rules whose pools are single markets.

    Parameters
    ----------
    mechanism : MidMarketRate, SupplyDemandRatio or FixedPrice
        The rule.
    market : mapping
        ``supply``, ``demand``, ``volume``, ``retail``, ``feed_in`` of one market.
    """
    supply, demand, volume = market["supply"], market["demand"], market["volume"]
    retail, feed_in = market["retail"], market["feed_in"]
    local: Fraction = local_price(mechanism, market) if volume else Fraction(0)  # type: ignore[arg-type]
    fee: int = mechanism.fee  # type: ignore[union-attr]
    buy = sell = None
    if demand:
        buy = ((local + fee) * volume + retail * (demand - volume)) / demand
        if type(mechanism).__name__ == "SupplyDemandRatio":
            sell = Fraction(retail)  # what the formula tends to as supply goes to nothing: a signal, nobody earns it
    if supply:
        sell = (local * volume + feed_in * (supply - volume)) / supply
    return buy, sell


def shown(mechanism: SharingMechanism, columns: Columns) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Prices of buyers and sellers in every market, in ticks; NaN where there is none.

    Parameters
    ----------
    mechanism : BillSharing, MidMarketRate, SupplyDemandRatio or FixedPrice
        The rule.
    columns : mapping of ndarray
        Columns of the markets.
    """
    kind = type(mechanism).__name__
    supply, demand, volume, retail, feed_in = (
        columns[name].astype(np.float64) for name in ("supply", "demand", "volume", "retail", "feed_in")
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        if kind == "BillSharing":
            return _bill(mechanism, columns)  # type: ignore[arg-type]
        if kind == "MidMarketRate":
            local = (retail + feed_in) / 2
        elif kind == "FixedPrice":
            local = np.full(len(retail), float(mechanism.price))  # type: ignore[union-attr]
        else:
            least = feed_in + mechanism.compensation  # type: ignore[union-attr]
            over = (retail - least) * supply + least * demand
            local = np.where(supply > demand, least, np.where(over > 0, least * retail * demand / over, 0.0))
        local = np.where(volume > 0, local, 0.0)
        fee = mechanism.fee  # type: ignore[union-attr]
        buy = ((local + fee) * volume + retail * (demand - volume)) / demand
        sell = (local * volume + feed_in * (supply - volume)) / supply
        if kind == "SupplyDemandRatio":
            sell = np.where((supply == 0) & (demand > 0), retail, sell)
    return buy, sell


def _bill(mechanism: BillSharing, columns: Columns) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The prices of each market's period."""
    _, pool = np.unique(columns["period"], return_inverse=True)
    pools = int(pool.max()) + 1 if len(pool) else 0

    def total(values: NDArray[Any]) -> NDArray[np.float64]:
        return np.bincount(pool, values.astype(np.float64), pools).astype(np.float64, copy=False)

    supply, demand = total(columns["supply"]), total(columns["demand"])
    cost = total(columns["retail"] * (columns["demand"] - columns["volume"]).astype(np.float64))
    revenue = total(columns["feed_in"] * (columns["supply"] - columns["volume"]).astype(np.float64))
    if mechanism.fixed_cost_by == "bought":
        cost = cost + mechanism.fixed_cost
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(demand > 0, cost / demand, np.nan)[pool], np.where(supply > 0, revenue / supply, np.nan)[pool]
