"""One gate of a platform with essential loads: who is served first, and what the auction is left with.

Essential loads take the cheapest asks at their fixed rate; the remaining asks and all other bids meet in the auction.
The two are separate markets of one slot: market id = 2 * slot + tranche.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fastclear.auction import Discriminatory, clear
from fastclear.auction.parameters import Mechanism
from fastclear.community import OrderColumns
from fastclear.orders import Orders, encode
from fastclear.platforms.preset import Preset
from fastclear.sharing import SharingMechanism
from fastclear.trades import Clearing

ESSENTIAL: Final = 0
AUCTION: Final = 1
POOL: Final = 2
TRANCHES: Final = ("essential", "auction", "pool")
"""Names of the markets of a slot, by their number; a pool has that of an auction."""

Int64 = NDArray[np.int64]


def mechanisms(preset: Preset) -> tuple[Discriminatory, Any]:
    """The rule for essential loads and the rule of the auction, as the preset says.

    Essential loads pay their bid, which is the fixed rate; so does whoever serves them earn it. A staged rule has a
    mechanism for every slot, a pool one for meters; both have None here.
    """
    rule = preset.market.rule
    return Discriminatory(rule="bid"), None if rule.mechanism is None else rule.mechanism(preset.market.options)


@dataclass(frozen=True)
class Gate:
    """Orders of one slot as they reach the gate, one row an order.

    Attributes
    ----------
    slot : int
        Position of the slot in the run.
    buy : numpy.ndarray of bool
        Bid or ask.
    essential : numpy.ndarray of bool
        A bid of an essential load.
    price, quantity : numpy.ndarray of int64
        Ticks and Wh.
    limit : numpy.ndarray of int64
        What the order is worth to its member, ticks: its price, or in a pool, where nobody bids, what the grid would
        charge (less fees) or pay.
    order, member : numpy.ndarray of int64
        Order id, unique over the run, and position of the member in the community.
    zone : numpy.ndarray of int64 or None
        Of each order's member, where the rule asks for it.
    """

    slot: int
    buy: NDArray[np.bool_]
    essential: NDArray[np.bool_]
    price: Int64
    quantity: Int64
    order: Int64
    member: Int64
    limit: Int64
    zone: Int64 | None = None

    @classmethod
    def of(cls, quotes: OrderColumns, slot: int, essential_member: NDArray[np.bool_], rate: int) -> Gate:
        """The quotes of all members, with the bids of essential loads put at their fixed `rate` (ticks)."""
        buy = quotes.side == 1
        essential = buy & essential_member[quotes.participant]
        price = np.where(essential, rate, quotes.price)
        return cls(
            slot=slot,
            buy=buy,
            essential=essential,
            price=price,
            quantity=quotes.quantity,
            order=quotes.order,
            member=quotes.participant,
            limit=price,
        )

    @classmethod
    def of_meters(cls, metered_wh: Int64, slot: int, retail: int, feed_in: int) -> Gate:
        """Everybody's meter: what a pool divides once a slot is over; `retail` is net of fees."""
        who = np.flatnonzero(metered_wh)
        buy = metered_wh[who] > 0
        return cls(
            slot=slot,
            buy=buy,
            essential=np.zeros(len(who), dtype=np.bool_),
            price=np.where(buy, retail, feed_in),
            quantity=np.abs(metered_wh[who]),
            order=slot * len(metered_wh) + who,
            member=who,
            limit=np.where(buy, retail, feed_in),
        )

    def __len__(self) -> int:
        return len(self.order)

    @property
    def market(self) -> Int64:
        """The market in which each order stands at first."""
        return 2 * self.slot + np.where(self.essential, ESSENTIAL, AUCTION)

    def columns(self, rows: Int64, market: Int64 | int, quantity: Int64) -> dict[str, NDArray[np.generic]]:
        """Some rows as the columns of :func:`fastclear.clear`, in a market and with what is left of them."""
        zone: dict[str, NDArray[np.generic]] = {} if self.zone is None else {"zone": self.zone[rows]}
        return zone | {
            "side": self.buy[rows].astype(np.int8),
            "price": self.price[rows],
            "quantity": quantity[rows],
            "order": self.order[rows],
            "participant": self.member[rows],
            "market": np.broadcast_to(np.asarray(market, dtype=np.int64), (len(rows),)).copy(),
        }


@dataclass
class Outcome:
    """What one gate came to.

    Attributes
    ----------
    clearings : list of Clearing
        At most one a tranche, the essential one first.
    tranches : list of int
        The tranche of each clearing.
    rows : list of numpy.ndarray of int64
        The rows of the gate that each clearing holds.
    served, filled : numpy.ndarray of int64
        Wh of each order that went to or came from essential loads, and in total.
    seconds : float
        Time within ``fc.clear``.
    """

    served: Int64
    filled: Int64
    clearings: list[Clearing] = field(default_factory=list)
    tranches: list[int] = field(default_factory=list)
    rows: list[Int64] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, gate: Gate, tranche: int, rows: Int64, left: Int64, rule: Mechanism) -> Int64:
        """Clear some rows of the gate and note it; Wh filled, one number an order of the gate."""
        orders = gate.columns(rows, 2 * gate.slot + tranche, left)
        start = time.perf_counter()
        clearing = clear(orders, rule)
        filled = np.zeros(len(gate), dtype=np.int64)
        filled[rows] = clearing.filled
        self.seconds += time.perf_counter() - start
        self.clearings.append(clearing)
        self.tranches.append(tranche)
        self.rows.append(rows)
        self.filled = self.filled + filled
        return filled


def clear_gate(gate: Gate, kept: NDArray[np.bool_], essential_rule: Discriminatory, auction: Mechanism) -> Outcome:
    """Essential loads first, then the auction.

    Parameters
    ----------
    gate : Gate
        All orders of the slot.
    kept : numpy.ndarray of bool
        Those with cover; the others take no part.
    essential_rule, auction : mechanism
        See :func:`mechanisms`.

    Returns
    -------
    Outcome
    """
    none = np.zeros(len(gate), dtype=np.int64)
    outcome = Outcome(served=none, filled=none)
    first = np.flatnonzero(kept & (gate.essential | ~gate.buy))
    if bool((kept & gate.essential).any()):
        outcome.served = outcome.add(gate, ESSENTIAL, first, gate.quantity, essential_rule)
    left = gate.quantity - outcome.served
    second = np.flatnonzero(kept & ~gate.essential & (left > 0))
    if second.size:
        outcome.add(gate, AUCTION, second, left, auction)
    return outcome


def clear_pool(gate: Gate, rule: SharingMechanism) -> Outcome:
    """Divide what was metered by the rule of a pool.

    Parameters
    ----------
    gate : Gate
        The meters of a slot; see :meth:`Gate.of_meters`.
    rule : BillSharing, MidMarketRate, SupplyDemandRatio or FixedPrice
        With the prices of the grid in it.
    """
    none = np.zeros(len(gate), dtype=np.int64)
    outcome = Outcome(served=none, filled=none)
    if len(gate):
        start = time.perf_counter()
        loads = {
            "net_load": np.where(gate.buy, gate.quantity, -gate.quantity),
            "order": gate.order,
            "participant": gate.member,
            "market": np.full(len(gate), 2 * gate.slot + AUCTION, dtype=np.int64),
        }
        clearing = clear(loads, rule)
        outcome.filled = clearing.filled.copy()
        outcome.seconds = time.perf_counter() - start
        outcome.clearings.append(clearing)
        outcome.tranches.append(POOL)
        outcome.rows.append(np.arange(len(gate)))
    return outcome


@dataclass(frozen=True)
class RefusedOrders:
    """Orders that never reached a market, in the shape in which the ledger seals orders."""

    orders: Orders
    reject: NDArray[np.uint16]
    trade_columns: dict[str, NDArray[np.int64]] = field(default_factory=dict)


def vetoed(gate: Gate, zone: Int64, limit_wh: int) -> NDArray[np.bool_]:
    """Asks that the network operator rejects: those by which a zone would offer more than `limit_wh` in a slot.

    Members are accepted one after the other in the order of the community, each whole or not at all, and whoever no
    longer fits is rejected while a smaller one behind it may still fit.

    Parameters
    ----------
    gate : Gate
        Orders of one slot.
    zone : numpy.ndarray of int64
        Of each order's member.
    limit_wh : int
        What a zone may offer in the slot.
    """
    out = np.zeros(len(gate), dtype=np.bool_)
    offered: dict[int, int] = {}
    for row in np.flatnonzero(~gate.buy).tolist():  # the asks of one slot: dozens
        at, quantity = int(zone[row]), int(gate.quantity[row])
        total = offered.get(at, 0) + quantity
        if total > limit_wh:
            out[row] = True
        else:
            offered[at] = total
    return out


def refused_orders(gate: Gate, refused: NDArray[np.uint16]) -> list[RefusedOrders]:
    """The orders of a gate that were refused before it, so that a block covers every order; none or one element."""
    rows = np.flatnonzero(refused)
    if not rows.size:
        return []
    columns = gate.columns(rows, gate.market[rows], gate.quantity)
    columns.pop("zone", None)  # an order leaf has none
    return [RefusedOrders(orders=encode(columns, None), reject=refused[rows])]
