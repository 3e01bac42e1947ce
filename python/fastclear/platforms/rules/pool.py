"""Pools without bids: what was metered is divided by a sharing mechanism, and paid for to the unit.

A sharing clearing says what each member pays in all. To show a price, energy that stays in the community has the one
that this comes to once the grid's part is taken out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastclear.platforms.parameters import Frozen
from fastclear.platforms.rules.rule import Rule
from fastclear.sharing import SharingClearing, SharingMechanism


def local_price(clearing: SharingClearing) -> int:
    """The price of energy that stays in the community, to the nearest tick, halves up; to look at.

    ``(what importers pay - retail x what comes from the grid) / what stays``. No payment is worked out from it.

    Parameters
    ----------
    clearing : SharingClearing
        Of one market in which something stays.

    Examples
    --------
    >>> import fastclear as fc
    >>> loads = {"net_load": [10_000, -6_000]}
    >>> local_price(fc.clear(loads, fc.MidMarketRate(retail=250_000, feed_in=50_000)))
    150000
    >>> local_price(fc.clear(loads, fc.SupplyDemandRatio(retail=250_000, feed_in=50_000)))
    73529
    >>> local_price(fc.clear(loads, fc.BillSharing(retail=250_000, feed_in=50_000)))
    0
    """
    columns = clearing.market_columns
    paid, retail, stays, drawn = (
        int(columns[name][0]) for name in ("buyer_payment", "retail", "volume", "grid_import")
    )
    return (2 * (paid - retail * drawn) + stays) // (2 * stays)


def pool_rule(
    name: str, options: type[Frozen], mechanism: Callable[[Any, int, int], SharingMechanism], says: str
) -> Rule:
    """A rule of a pool: everybody's meter, divided by a sharing mechanism."""
    return Rule(name, options, None, says=says, one_price=True, pool=mechanism)
