"""Community pricing: bill sharing, mid-market rate, supply-demand ratio, fixed price."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastclear import _core
from fastclear.auction.parameters import PRICE_MAX, by_parameters, plain, price, ticks, whole, word
from fastclear.errors import MechanismError
from fastclear.sharing.properties import described

if TYPE_CHECKING:
    from fastclear.sharing.clearing import SharingClearing
    from fastclear.units import Units


def _grid(mechanism: Any) -> None:
    """Check the prices of the grid, as far as they are parameters."""
    retail, feed_in = price("retail", mechanism.retail), price("feed_in", mechanism.feed_in)
    if retail is not None and feed_in is not None and feed_in > retail:
        raise MechanismError(
            f"feed_in={feed_in} is above retail={retail}: what is shared would be worth more sold to the grid and "
            "bought back; give a feed-in price up to the retail price"
        )


class _Pooled:
    """What all mechanisms of this file have in common."""

    __slots__ = ()

    def clear_loads(
        self,
        loads: object,
        *,
        units: Units | None = None,
        threads: int | None = None,
        out: NDArray[np.int64] | None = None,
    ) -> SharingClearing:
        """Settle every pool of ``loads``; :func:`fastclear.clear` calls this.

        Parameters
        ----------
        loads : frame or mapping of columns, n rows
            As the class describes.
        units : Units, optional
            What energy and columns of prices are given in.
        threads : int, optional
            Most threads to use.
        out : ndarray of int64, shape (n,), optional
            Receives the lots that each load shares.
        """
        from fastclear.sharing.clearing import cleared

        return cleared(self, loads, units, threads, out)  # type: ignore[arg-type]


@described
@dataclass(frozen=True, slots=True)
class BillSharing(_Pooled):
    """Bill sharing: importers share what the community's imports cost, exporters what its exports earn.

    In each market (a community in a slot) members are netted; what is left is bought at ``retail`` or sold at
    ``feed_in``. Over a period the imports of all members bear the cost of the community's imports, each lot the same,
    and the exports of all members share its revenue. The column ``period`` says which markets are one period; without
    it each market is.

    Parameters
    ----------
    retail, feed_in : int, optional
        Ticks a lot from and to the grid. Left out, columns ``retail_price`` and ``feed_in_price`` name them, the same
        for all loads of a market.
    fixed_cost : int, default 0
        What each period costs beside energy, in nano-currency.
    fixed_cost_by : {"bought", "equal"}
        Who pays it: imports, each lot the same (equally where there are none), or every load of the period equally.

    Raises
    ------
    MechanismError
        A parameter that is out of range, or a feed-in price above the retail price; while clearing also where columns
        name such prices, or several in one market.

    Notes
    -----
    Columns of the loads: :mod:`fastclear.sharing`. Exporters may earn less than alone: ``clearing.members`` says who.

    Examples
    --------
    >>> import fastclear as fc
    >>> loads = {
    ...     "period": [1] * 9,
    ...     "market": [1, 1, 1, 2, 2, 2, 3, 3, 3],
    ...     "participant": ["P1", "P2", "C1"] * 3,
    ...     "net_load": [-5, -1, 4, 2, 3, 4, -3, 1, 5],
    ... }
    >>> clearing = fc.clear(loads, fc.BillSharing(retail=20, feed_in=8))
    >>> clearing.members.select("participant", "payment", "alone", "worse_off").rows()
    [('C1', Decimal('164'), Decimal('260'), False), ('P1', Decimal('11'), Decimal('-24'), True), \
('P2', Decimal('49'), Decimal('72'), False)]
    """

    retail: int | None = None
    feed_in: int | None = None
    fixed_cost: int = 0
    fixed_cost_by: Literal["bought", "equal"] = "bought"
    rule: _core.SharingRule = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        plain(self)
        _grid(self)
        limit = _core.FIXED_COST_MAX
        cost = whole("fixed_cost", self.fixed_cost, -limit, limit, "nano-currency")
        equally = word("fixed_cost_by", self.fixed_cost_by, ("bought", "equal")) == "equal"
        object.__setattr__(self, "rule", _core.SharingRule.bill_sharing(cost, equally))

    __reduce__ = by_parameters


@described
@dataclass(frozen=True, slots=True)
class MidMarketRate(_Pooled):
    """Mid-market rate: local energy is worth half way between retail and feed-in price.

    With m = (retail + feed_in) / 2, supply S and demand D of a market: buyers pay m where S >= D, else
    (m S + retail (D - S)) / D; sellers get m where S <= D, else (m D + feed_in (S - D)) / S.

    Parameters
    ----------
    retail, feed_in : int, optional
        Ticks a lot from and to the grid. Left out, columns ``retail_price`` and ``feed_in_price`` name them, the same
        for all loads of a market.
    fee : int, default 0
        Ticks that buyers pay the operator for each lot of local energy, on top.

    Raises
    ------
    MechanismError
        A parameter that is out of range, or a feed-in price above the retail price; while clearing also where columns
        name such prices, or several in one market.

    Notes
    -----
    Columns of the loads: :mod:`fastclear.sharing`.

    Examples
    --------
    >>> import fastclear as fc
    >>> loads = {"participant": ["P1", "P2", "C1", "C2"], "net_load": [-4, -2, 5, 7]}
    >>> clearing = fc.clear(loads, fc.MidMarketRate(retail=20, feed_in=8))
    >>> clearing.markets.select("price_buy", "price_sell", "volume").rows()
    [(17.0, 14.0, 6)]
    >>> clearing.payment
    array([-56, -28,  85, 119])
    """

    retail: int | None = None
    feed_in: int | None = None
    fee: int = 0
    rule: _core.SharingRule = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        plain(self)
        _grid(self)
        object.__setattr__(self, "rule", _core.SharingRule.mid_market_rate(ticks("fee", self.fee)))

    __reduce__ = by_parameters


@described
@dataclass(frozen=True, slots=True)
class SupplyDemandRatio(_Pooled):
    """Supply-demand ratio: the more local energy there is, the less it is worth.

    With r = supply / demand of a market and a = feed_in + compensation: where r <= 1, sellers get
    a retail / ((retail - a) r + a) and buyers pay that x r + retail x (1 - r); where r > 1, buyers pay a and sellers
    get feed_in + compensation / r. Without compensation both are the feed-in price then. Where a = 0, sellers get 0 as
    soon as anybody sells.

    Parameters
    ----------
    retail, feed_in : int, optional
        Ticks a lot from and to the grid. Left out, columns ``retail_price`` and ``feed_in_price`` name them, the same
        for all loads of a market.
    compensation : int, default 0
        Ticks by which local energy is worth at least more than fed in; 0 to retail - feed_in.
    fee : int, default 0
        Ticks that buyers pay the operator for each lot of local energy, on top.

    Raises
    ------
    MechanismError
        A parameter that is out of range, a feed-in price below zero (the formula divides prices), or with the
        compensation above the retail price; while clearing also where columns name such prices, or several in one
        market.

    Notes
    -----
    Columns of the loads: :mod:`fastclear.sharing`. Where nobody sells, ``price_sell`` is what the formula tends to.

    Examples
    --------
    >>> import fastclear as fc
    >>> loads = {"participant": ["P1", "P2", "C1", "C2"], "net_load": [-9, -6, 4, 2]}
    >>> clearing = fc.clear(loads, fc.SupplyDemandRatio(retail=20, feed_in=8, compensation=2))
    >>> clearing.markets.select("price_buy", "price_sell", "volume").rows()
    [(10.0, 8.8, 6)]
    >>> clearing.exact_prices()
    (Fraction(10, 1), Fraction(44, 5))
    """

    retail: int | None = None
    feed_in: int | None = None
    compensation: int = 0
    fee: int = 0
    rule: _core.SharingRule = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        plain(self)
        _grid(self)
        if self.feed_in is not None and self.feed_in < 0:
            raise MechanismError(f"feed_in={self.feed_in} is below 0, and the ratio divides prices; use MidMarketRate")
        compensation, fee = ticks("compensation", self.compensation), ticks("fee", self.fee)
        if self.retail is not None and self.feed_in is not None and self.feed_in + compensation > self.retail:
            raise MechanismError(
                f"compensation={compensation} is above retail - feed_in = {self.retail - self.feed_in}; lower it"
            )
        object.__setattr__(self, "rule", _core.SharingRule.supply_demand_ratio(compensation, fee))

    __reduce__ = by_parameters


@described
@dataclass(frozen=True, slots=True)
class FixedPrice(_Pooled):
    """Fixed price: local energy has one price, and an allocation key says who gets it.

    Each member pays for its own lots: local ones at ``price`` (buyers with the ``fee`` on top), the others at the
    prices of the grid. Sellers share in proportion to what they export.

    Parameters
    ----------
    price : int
        Ticks a lot of local energy, for buyers and sellers.
    retail, feed_in : int, optional
        Ticks a lot from and to the grid. Left out, columns ``retail_price`` and ``feed_in_price`` name them, the same
        for all loads of a market.
    fee : int, default 0
        Ticks that buyers pay the operator for each lot of local energy, on top.
    key : {"dynamic", "static", "hybrid"}
        Who gets local energy: ``"dynamic"`` in proportion to consumption; ``"static"`` by the column ``share`` (parts
        per million of the market's supply, 1,000,000 in all at most), and what a member does not use is lost to the
        others and goes to the grid; ``"hybrid"`` by ``share`` first, then what is left in proportion to what members
        still lack. Whole lots: left-over ones go to the largest remainders, ties to the smaller id.

    Raises
    ------
    MechanismError
        A parameter that is out of range, or a feed-in price above the retail price; while clearing also where columns
        name such prices, or several in one market, or shares above the whole.

    Notes
    -----
    Columns of the loads: :mod:`fastclear.sharing`. Nobody is worse off than alone where
    feed_in <= price and price + fee <= retail.

    Examples
    --------
    >>> import fastclear as fc
    >>> loads = {"order": ["P", "R", "A", "B", "C"], "net_load": [-5, -3, 4, 5, 2]}
    >>> clearing = fc.clear(loads, fc.FixedPrice(23, retail=30, feed_in=8, fee=1))
    >>> clearing.fills.select("order", "filled", "payment").rows()
    [('P', 5, -115), ('R', 3, -69), ('A', 3, 102), ('B', 4, 126), ('C', 1, 54)]
    """

    price: int
    retail: int | None = None
    feed_in: int | None = None
    fee: int = 0
    key: Literal["dynamic", "static", "hybrid"] = "dynamic"
    rule: _core.SharingRule = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        plain(self)
        _grid(self)
        local = whole("price", self.price, -PRICE_MAX, PRICE_MAX, "ticks")
        key = word("key", self.key, ("dynamic", "static", "hybrid"))
        object.__setattr__(self, "rule", _core.SharingRule.fixed_price(local, ticks("fee", self.fee), key))

    __reduce__ = by_parameters


SharingMechanism = BillSharing | MidMarketRate | SupplyDemandRatio | FixedPrice
"""A mechanism of this package."""
