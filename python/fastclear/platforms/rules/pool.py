"""Pools without bids: what a metered kWh is worth inside the community, and how that is traded.

A sharing mechanism says what importers and exporters of a slot pay in all. Energy that stays in the community has the
price that this comes to once the grid's part is taken out, to the tick; it is divided in proportion to what was
metered, in whole Wh, and everything else is at retail and feed-in price. So a bank can settle it trade by trade.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastclear.auction import Uniform, clear
from fastclear.platforms.parameters import Frozen
from fastclear.platforms.rules.rule import Rule
from fastclear.sharing import SharingMechanism

Int64 = NDArray[np.int64]


def local_price(mechanism: SharingMechanism, net_wh: Int64) -> int:
    """The price of energy that stays in the community, to the nearest tick.

    ``(what importers pay - retail x what comes from the grid) / what stays``; halves of a tick go up.

    Parameters
    ----------
    mechanism : BillSharing, MidMarketRate, SupplyDemandRatio or FixedPrice
        With the prices of the grid in it, and without fees.
    net_wh : ndarray of int64, shape (members,)
        Metered in one slot, + imports, with both signs in it.

    Examples
    --------
    >>> import fastclear as fc
    >>> local_price(fc.MidMarketRate(retail=250_000, feed_in=50_000), np.array([10_000, -6_000]))
    150000
    >>> local_price(fc.SupplyDemandRatio(retail=250_000, feed_in=50_000), np.array([10_000, -6_000]))
    73529
    >>> local_price(fc.BillSharing(retail=250_000, feed_in=50_000), np.array([10_000, -6_000]))
    0
    """
    retail = mechanism.retail
    if retail is None:
        raise ValueError("a pool needs the prices of the grid")
    cleared = clear({"net_load": net_wh}, mechanism)
    demand, supply = int(net_wh[net_wh > 0].sum()), -int(net_wh[net_wh < 0].sum())
    stays = min(demand, supply)
    paid = int(cleared.payment[net_wh > 0].sum())
    # each payment is rounded to a nano-currency, which must not push a price of whole ticks below itself
    return (2 * (paid - retail * (demand - stays)) + stays) // (2 * stays)


def pool_rule(
    name: str, options: type[Frozen], mechanism: Callable[[Any, int, int], SharingMechanism], says: str
) -> Rule:
    """A rule of a pool: everybody's meter at the local price, in proportion."""
    return Rule(
        name,
        options,
        lambda _: Uniform(rationing="pro_rata"),
        says=says,
        one_price=True,
        pool=lambda chosen, retail, feed_in, net: local_price(mechanism(chosen, retail, feed_in), net),
    )
