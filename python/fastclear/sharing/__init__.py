"""Community pricing: members of a pool share what they have, without bids.

:func:`fastclear.clear` takes loads where an auction takes orders, one row a member (or meter) and market:

``net_load``
    Net energy in lots, + imports, - exports, 0 for none; or ``side`` and ``quantity`` as in orders, where a quantity
    may be 0. A column ``price`` is not looked at.
``market`` (optional)
    int64 or text: a community in a slot. Without it all loads are of one market.
``order``, ``participant`` (optional)
    int64 or text. ``order`` is the id of the load, which breaks ties; without it the row index does. ``participant``
    is whose load it is, for ``clearing.members``.
``period`` (optional)
    int64 or text: the markets that :class:`fastclear.BillSharing` settles together. A market lies in one period.
``share`` (optional)
    Parts per million, for allocation keys: :class:`fastclear.FixedPrice`.
``retail_price``, ``feed_in_price`` (optional)
    Where the mechanism has no ``retail`` or ``feed_in``: prices of the grid in ticks (or declared units), the same for
    all loads of a market.

A bad row gets a reject code and its market is settled without it. Terms that no rule can work with raise
:class:`fastclear.MechanismError` and name the market.
"""

from __future__ import annotations

from fastclear.sharing.clearing import SharingClearing
from fastclear.sharing.mechanisms import BillSharing, FixedPrice, MidMarketRate, SharingMechanism, SupplyDemandRatio

__all__ = [
    "BillSharing",
    "FixedPrice",
    "MidMarketRate",
    "SharingClearing",
    "SharingMechanism",
    "SupplyDemandRatio",
]
