"""Network charges: fees from zone to zone, inside the clearing or after it, and the network operator's veto."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear.auction.parameters import PRICE_MAX, Share, by_parameters, fraction, plain, whole, yes_or_no
from fastclear.errors import MechanismError, SchemaError
from fastclear.frames import framed
from fastclear.preference.pairs import PairTable
from fastclear.preference.zones import Zones, table_of

if TYPE_CHECKING:
    from fastclear.trades import Clearing

COLUMNS = ("zone", "vetoed")


@dataclass(frozen=True, slots=True)
class Network:
    """Network charges a unit by the zones of buyer and seller, in ticks; and whom the network operator does not allow.

    Given to :func:`fastclear.clear` as ``network=``. Orders then have a column ``zone`` (integers or text, null: of no
    zone), and, where the operator has a say, ``vetoed`` (Boolean): such orders are refused with
    ``RejectReason.NETWORK_VETO`` before anything is matched.

    Parameters
    ----------
    between : int, default 0
        Fee of a trade between two zones, or with an order of no zone.
    local : int, optional
        Fee of a trade within a zone; by default as ``between``.
    fees : mapping or frame, optional
        Of single pairs of zones, above both: (buyer's zone, seller's zone) to ticks, or a frame ``buyer_zone``,
        ``seller_zone``, ``fee``.
    inside : bool, default True
        Inside the clearing: no trade is made whose bid less its ask is below the fee, and the buyer pays price and fee,
        within its bid. False: the clearing knows of no fee, and the buyer is charged it afterwards, bid or no bid:
        ``clearing.network_charges``.
    wires : frame or mapping of columns, optional
        ``buyer``, ``source`` (participants) that are joined by a wire of their own, after the clearing only.
    wire_fee : int, default 0
        Their fee.

    Raises
    ------
    MechanismError
        A parameter that is out of range, or wires inside the clearing.
    SchemaError
        A frame that cannot be read.

    Notes
    -----
    What takes a network: ``Preference`` (each stage of pairs or of the open kind respects the fees), ``Discriminatory``
    (all pairs together with the highest sum of bid - ask - fee; its ``k`` shares bid - ask - fee), ``Uniform`` where all
    trades have one fee; any auction where ``inside=False``. Fees go to the network operator: ``clearing.network_revenue``
    is their sum, and inside the clearing the ``surplus`` of the markets.

    Two ways to charge local trades (platforms of the reviews): :meth:`duos`, the full use-of-system charge less a
    discount; :meth:`private_wire`, the price of the wire that they could have laid.

    Examples
    --------
    >>> import fastclear as fc
    >>> orders = {"side": ["buy", "sell"], "price": [30, 20], "quantity": [5, 5], "zone": ["north", "south"]}
    >>> fc.clear(orders, fc.Discriminatory(k=0.5), network=fc.Network(between=4, local=1)).trades.select(
    ...     "quantity", "buy_price", "sell_price"
    ... ).row(0)
    (5, 27, 23)
    >>> fc.clear(orders, fc.Discriminatory(k=0.5), network=fc.Network(between=11)).filled
    array([0, 0])
    """

    between: int = 0
    local: int | None = None
    fees: Any = field(default_factory=dict)
    inside: bool = True
    wires: Any = None
    wire_fee: int = 0

    def __post_init__(self) -> None:
        plain(self)
        for name in ("between", "local", "wire_fee"):
            value = getattr(self, name)
            if value is not None:
                whole(name, value, 0, PRICE_MAX, "ticks")
        table = table_of(self.fees, "fee", "fees")
        for pair, fee in table.items():
            whole(f"fees[{pair!r}]", fee, 0, PRICE_MAX, "ticks")
        object.__setattr__(self, "fees", table)
        object.__setattr__(self, "inside", yes_or_no("inside", self.inside))
        if self.wires is not None:
            object.__setattr__(self, "wires", PairTable.of(self.wires, what="wires"))
            if self.inside:
                raise MechanismError("wires join participants, not zones; charge them after the clearing: inside=False")

    __reduce__ = by_parameters
    __hash__ = None  # type: ignore[assignment]  # fees are a dictionary

    @classmethod
    def duos(
        cls, charge: int, *, discount: Share = 0, fees: Mapping[tuple[Any, Any], int] | None = None, inside: bool = False
    ) -> Network:
        """Use-of-system charge with a discount for trades within a zone.

        Parameters
        ----------
        charge : int
            Ticks a unit.
        discount : float, Fraction or (int, int), default 0
            Part of it that local trades are spared; what is left is rounded down to a tick.
        fees, inside
            As of :class:`Network`; after the clearing by default.

        Examples
        --------
        >>> import fastclear as fc
        >>> fc.Network.duos(20_000, discount=0.25).local
        15000
        """
        whole("charge", charge, 0, PRICE_MAX, "ticks")
        local = charge * (1 - fraction("discount", discount))
        return cls(between=charge, local=local.numerator // local.denominator, fees=fees or {}, inside=inside)

    @classmethod
    def private_wire(cls, charge: int, wire: int, *, inside: bool = False) -> Network:
        """The charge of a wire of their own for trades within a zone, the use-of-system charge for all others.

        Parameters
        ----------
        charge, wire : int
            Ticks a unit.
        inside : bool, default False
            As of :class:`Network`.
        """
        return cls(between=charge, local=wire, inside=inside)

    def matrix(self, zones: Zones) -> NDArray[np.int64]:
        """Every fee: row by the buyer's zone, column by the seller's."""
        local = self.between if self.local is None else self.local
        matrix = np.full((len(zones), len(zones)), self.between, np.int64)
        np.fill_diagonal(matrix, local)
        if zones.names[-1] is None and not zones.everywhere:
            matrix[-1, -1] = self.between
        place = {name: rank for rank, name in enumerate(zones.names)}
        for (buyer, seller), fee in self.fees.items():
            if buyer in place and seller in place:
                matrix[place[buyer], place[seller]] = fee
        return matrix


class Charges:
    """What the trades of a clearing pay for the network.

    Parameters
    ----------
    clearing : Clearing
        The clearing.
    network : Network
        Its network.
    zone : polars.Series or None
        Zone of each order.
    """

    def __init__(self, clearing: Clearing, network: Network, zone: pl.Series | None) -> None:
        self.network = network
        orders, trades = clearing.orders, clearing.trade_columns
        zones = Zones(zone, orders.n)
        matrix = network.matrix(zones)
        buyer, seller = np.asarray(trades["buy_row"]), np.asarray(trades["sell_row"])
        if zones.rank is None:
            fee = np.full(len(buyer), int(matrix[0, 0]), np.int64)
        else:
            fee = matrix[zones.rank[buyer], zones.rank[seller]]
        if network.wires is not None:
            fee = np.where(_wired(clearing, network.wires, buyer, seller), network.wire_fee, fee)
        self.fee = fee
        self.amount = fee * np.asarray(trades["quantity"])

    def frame(self, clearing: Clearing) -> pl.DataFrame:
        """One row a trade."""
        from fastclear.trades import MONEY

        trades = clearing.trade_columns
        orders = clearing.orders
        return framed(
            [
                orders.names("market", trades["market"]),
                pl.Series("trade", trades["trade"]),
                orders.names("order", trades["buy_order"]).alias("buy_order"),
                orders.names("order", trades["sell_order"]).alias("sell_order"),
                pl.Series("quantity", trades["quantity"]),
                pl.Series("fee", self.fee),
                pl.Series("charge", self.amount).cast(MONEY),
            ]
        )

    @property
    def revenue(self) -> int:
        """Sum of all charges."""
        return sum(self.amount.tolist())


def _wired(
    clearing: Clearing, wires: PairTable, buyer: NDArray[np.int64], seller: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Which trades run over a wire of their own."""
    orders = clearing.orders
    if orders.participant is None:
        raise SchemaError("wires join participants; give the orders a column 'participant'", column="participant")
    names = orders.names("participant", orders.participant)
    pairs = pl.DataFrame({"buyer": names.gather(buyer), "source": names.gather(seller)})
    if pairs["buyer"].dtype != wires.frame["buyer"].dtype:
        raise SchemaError("wires: participants are named in another type than in the orders", column="buyer")
    joined = pairs.join(
        wires.frame.select("buyer", "source", wired=pl.lit(value=True)).unique(), on=["buyer", "source"], how="left",
        maintain_order="left",
    )
    return joined["wired"].fill_null(value=False).to_numpy()


