"""Energy flows, bills and the figures that a run shows, from meters, trades and tariffs alone.

Energy is in Wh, prices in ticks (1e-6 currency/kWh), money in nano-currency; ticks times Wh is nano-currency exactly.
Everything here is computed from meters, trades and tariffs alone, apart from the settlement, so that the two can be
held against each other.

Symbols, for member *i* and slot *t*: ``m`` is the meter (net, + takes from the grid), ``m+ = max(m, 0)`` its import,
``m- = max(-m, 0)`` its export, ``c`` what the member bought minus what it sold, ``d = m - c`` what it did not trade.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

_MILLION = 1_000_000
_LOW_32 = 0xFFFF_FFFF
_MEMBERS_AT_ONCE = 4096
"""So many, and what is worked out of their meters stays small."""

Int64 = NDArray[np.int64]
Unit = Literal["nano", "wh", "ticks", "share", "count", "seconds"]


def exact_sum(values: Int64) -> int:
    """The sum of an int64 array as a Python integer; never wraps.

    Examples
    --------
    >>> exact_sum(np.full(4, 2**62))
    18446744073709551616
    """
    high, low = values >> 32, values & _LOW_32  # both halves sum within 64 bits for fewer than 2^31 values
    return (int(high.sum()) << 32) + int(low.sum())


def tax_nano(base: Int64, ppm: int) -> Int64:
    """Tax on each of `base` (nano-currency, not negative), rounded half-even to the nano.

    ``tax = round_half_even(base * ppm / 1e6)``, the rule of the settlement, without leaving 64 bits.

    Examples
    --------
    >>> tax_nano(np.array([5, 15, 7]), 100_000)
    array([0, 2, 1])
    """
    whole, rest = np.divmod(base, _MILLION)
    quotient, left = np.divmod(rest * ppm, _MILLION)
    up = (2 * left > _MILLION) | ((2 * left == _MILLION) & ((whole * ppm + quotient) % 2 == 1))
    tax: Int64 = whole * ppm + quotient + up
    return tax


def bill_without_market(metered_wh: Int64, retail: int, feed_in: int, tax_ppm: int) -> list[int]:
    """What each member would pay if there were no local market.

    ``bill_i = sum_t (retail * m+ + tax(retail * m+) - feed_in * m-)``: each slot alone, all of it at the backstop.

    Parameters
    ----------
    metered_wh : numpy.ndarray of int64, shape (slots, members)
        Meters, Wh, + takes from the grid.
    retail, feed_in : int
        Backstop prices in ticks.
    tax_ppm : int
        Tax on what is bought, parts per million.

    Returns
    -------
    list of int
        Nano-currency a member, + pays.

    Examples
    --------
    >>> bill_without_market(np.array([[1000], [-500]]), 300_000, 50_000, 200_000)
    [335000000]
    """
    bills: list[int] = []
    for start in range(0, metered_wh.shape[1], _MEMBERS_AT_ONCE):
        metered = metered_wh[:, start : start + _MEMBERS_AT_ONCE]
        energy = retail * np.maximum(metered, 0)
        bought = energy + tax_nano(np.abs(energy), tax_ppm) * np.sign(energy)
        slots = bought - feed_in * np.maximum(-metered, 0)
        high, low = (slots >> 32).sum(axis=0), (slots & _LOW_32).sum(axis=0)  # as in exact_sum
        bills += [(one << 32) + other for one, other in zip(high.tolist(), low.tolist(), strict=True)]
    return bills


@dataclass(frozen=True)
class EnergyFlows:
    """Where the energy of a run came from and went, Wh, one number a slot.

    Attributes
    ----------
    load, pv : numpy.ndarray of int64
        Consumption and production behind all meters.
    imports, exports : numpy.ndarray of int64
        ``sum_i m+`` and ``sum_i m-``: what crossed the members' meters.
    local : numpy.ndarray of int64
        What left one member's meter and served another by contract:
        ``min(imports - residual, exports - feed_in)``, where ``residual`` is import at retail (energy a member took
        and had not bought) and ``feed_in`` is export at the feed-in price (energy it gave and had not sold). The
        smaller of the two, because energy that a seller sold and failed to deliver came from the backstop, and
        energy that a buyer bought and did not use went there. So each kWh counts once.
    """

    load: Int64
    pv: Int64
    imports: Int64
    exports: Int64
    local: Int64

    @property
    def from_grid(self) -> Int64:
        """Import that no member supplied: ``imports - local``."""
        return self.imports - self.local

    @property
    def to_grid(self) -> Int64:
        """Export that no member used: ``exports - local``."""
        return self.exports - self.local


def energy_flows(load_wh: Int64, pv_wh: Int64, metered_wh: Int64, contract_wh: Int64) -> EnergyFlows:
    """Energy flows from meters and contracts.

    Parameters
    ----------
    load_wh, pv_wh, metered_wh, contract_wh : numpy.ndarray of int64, shape (slots, members)
        Load, production, meter (net, + import; battery within) and what was bought minus sold.

    Returns
    -------
    EnergyFlows

    Examples
    --------
    Ann takes 700 Wh and had bought 500; Bo gives 600 and had sold 500: 500 Wh went from Bo to Ann.

    >>> load, pv = np.array([[700, 0]]), np.array([[0, 600]])
    >>> flows = energy_flows(load, pv, load - pv, np.array([[500, -500]]))
    >>> flows.local, flows.from_grid, flows.to_grid
    (array([500]), array([200]), array([100]))
    """
    imports, exports = np.maximum(metered_wh, 0), np.maximum(-metered_wh, 0)
    open_wh = metered_wh - contract_wh
    residual = np.minimum(np.maximum(open_wh, 0), imports)
    feed_in = np.minimum(np.maximum(-open_wh, 0), exports)
    return EnergyFlows(
        load=load_wh.sum(axis=1),
        pv=pv_wh.sum(axis=1),
        imports=imports.sum(axis=1),
        exports=exports.sum(axis=1),
        local=np.minimum((imports - residual).sum(axis=1), (exports - feed_in).sum(axis=1)),
    )


def self_sufficiency(flows: EnergyFlows, *, market: bool) -> Fraction | None:
    """The share of the load that the grid did not supply.

    ``1 - sum_t from_grid / sum_t load``; without the market ``from_grid`` is all import. What a battery gives back
    counts as the community's own; batteries are empty at the start. ``None`` where there is no load.

    Examples
    --------
    >>> load, pv = np.array([[700, 0]]), np.array([[0, 600]])
    >>> flows = energy_flows(load, pv, load - pv, np.array([[500, -500]]))
    >>> self_sufficiency(flows, market=True), self_sufficiency(flows, market=False)
    (Fraction(5, 7), Fraction(0, 1))
    """
    load = exact_sum(flows.load)
    grid = exact_sum(flows.from_grid if market else flows.imports)
    return 1 - Fraction(grid, load) if load else None


def self_consumption(flows: EnergyFlows, *, market: bool) -> Fraction | None:
    """The share of the production that stayed in the community.

    ``1 - sum_t to_grid / sum_t pv``; without the market ``to_grid`` is all export. What a battery takes has stayed,
    its losses too. ``None`` where there is no production.

    Examples
    --------
    >>> load, pv = np.array([[700, 0]]), np.array([[0, 600]])
    >>> flows = energy_flows(load, pv, load - pv, np.array([[500, -500]]))
    >>> self_consumption(flows, market=True)
    Fraction(5, 6)
    """
    pv = exact_sum(flows.pv)
    grid = exact_sum(flows.to_grid if market else flows.exports)
    return 1 - Fraction(grid, pv) if pv else None


def welfare_nano(side_buy: NDArray[np.bool_], price: Int64, filled: Int64) -> int:
    """Gains from trade as the orders state them.

    ``sum over buys of price * filled - sum over sells of price * filled``, nano-currency. Essential loads count at
    their fixed rate.

    Examples
    --------
    >>> welfare_nano(np.array([True, False]), np.array([300, 100]), np.array([5, 5]))
    1000
    """
    value = price * filled
    return exact_sum(value[side_buy]) - exact_sum(value[~side_buy])


def mean_price(quantity: Int64, price: Int64) -> Fraction | None:
    """The volume-weighted mean price: ``sum(price * quantity) / sum(quantity)``, ticks; ``None`` without trades.

    Examples
    --------
    >>> mean_price(np.array([1, 3]), np.array([100, 200]))
    Fraction(175, 1)
    """
    volume = exact_sum(quantity)
    return Fraction(exact_sum(price * quantity), volume) if volume else None


@dataclass(frozen=True)
class Metric:
    """One line of a result.

    Attributes
    ----------
    key : str
        Stable name, for machines.
    label : str
        Name for people.
    value, without : int, float, Fraction or None
        The number in the unit's smallest part (nano-currency, Wh, ticks, share of one), with the market and, where
        that makes sense, without it.
    unit : str
        ``"nano"``, ``"wh"``, ``"ticks"``, ``"share"``, ``"count"`` or ``"seconds"``.
    formula : str
        What it is, in one line.
    """

    key: str
    label: str
    value: int | float | Fraction | None
    unit: Unit
    formula: str
    without: int | float | Fraction | None = None

    def shown_unit(self, currency: str) -> str:
        """The unit in which people read the metric."""
        units = {"nano": currency, "wh": "kWh", "ticks": "ct/kWh", "share": "%", "count": "", "seconds": "s"}
        return units[self.unit]

    @staticmethod
    def scale(unit: Unit) -> int | Fraction:
        """Smallest parts in one readable unit."""
        scales: dict[str, int | Fraction] = {
            "nano": 10**9,
            "wh": 1000,
            "ticks": 10_000,
            "share": Fraction(1, 100),
            "count": 1,
            "seconds": 1,
        }
        return scales[unit]

    def readable(self, value: int | float | Fraction | None) -> float | None:
        """`value` in the readable unit, for display and plots only."""
        return None if value is None else float(value / self.scale(self.unit))


def by_key(metrics: Sequence[Metric]) -> dict[str, Metric]:
    """Metrics by their keys."""
    return {metric.key: metric for metric in metrics}


def figures(
    flows: EnergyFlows,
    members: pl.DataFrame,
    trades: pl.DataFrame,
    orders: pl.DataFrame,
    house: Mapping[str, int],
    sealed: Mapping[str, int],
    seconds: Mapping[str, float],
    *,
    retail: int,
    feed_in: int,
    pooled: bool = False,
    credited: int = 0,
) -> list[Metric]:
    """All figures of a run, in the order in which they are shown.

    Parameters
    ----------
    flows : EnergyFlows
        See :func:`energy_flows`.
    members, trades, orders : polars.DataFrame
        Frames of :class:`~fastclear.platforms.result.RunResult`.
    house : mapping of str to int
        ``operator``, ``dso``, ``tax``, ``backstop`` in nano-currency.
    sealed : mapping of str to int
        ``blocks`` and ``records``.
    seconds : mapping of str to float
        ``clearing`` and ``total``.
    retail, feed_in : int
        Backstop prices in ticks, for what the supplier and the state would get without the market.
    pooled : bool, default False
        Whether nobody bids: then what an auction would trade is what the pool shares.
    credited : int, default 0
        By how much more the supplier would get without the market under net metering, nano-currency.
    """
    essential = trades["tranche"] == "essential"
    # the other half of what a pool shares is that of who gives it
    auction = ~essential & trades["buyer"].is_not_null()
    of_all = "of all slots of the pool" if pooled else "of all trades in the auction"
    quantity, price = (trades[name].filter(auction).to_numpy() for name in ("quantity_wh", "sell_price_ticks"))
    served = trades["quantity_wh"].filter(essential).to_numpy()
    bills, without = (exact_sum(members[name].to_numpy()) for name in ("bill_nano", "bill_without_nano"))
    supplier_without = retail * exact_sum(flows.imports) - feed_in * exact_sum(flows.exports) + credited
    welfare = welfare_nano(*(orders[name].to_numpy() for name in ("buy", "price_ticks", "filled_wh")))
    return [
        Metric("bills", "Members' bills", bills, "nano", "energy, fees and tax of all members", without),
        Metric(
            "price_mean",
            "Price, mean",
            mean_price(quantity, price),
            "ticks",
            "pool, weighted by volume" if pooled else "auction, weighted by volume",
        ),
        Metric("price_min", "Price, lowest", _extreme(price, min), "ticks", of_all),
        Metric("price_max", "Price, highest", _extreme(price, max), "ticks", of_all),
        Metric(
            "auction",
            "Shared in the pool" if pooled else "Traded in the auction",
            exact_sum(quantity),
            "wh",
            "sum of what members take from it" if pooled else "sum of its trades",
        ),
        Metric("essential", "Sold to essential loads", exact_sum(served), "wh", "at their fixed rate"),
        Metric(
            "local",
            "Used by neighbours",
            exact_sum(flows.local),
            "wh",
            "delivered and used, each kWh once",
            0,
        ),
        Metric(
            "self_consumption",
            "Self-consumption",
            self_consumption(flows, market=True),
            "share",
            "share of PV that stayed in the community",
            self_consumption(flows, market=False),
        ),
        Metric(
            "self_sufficiency",
            "Self-sufficiency",
            self_sufficiency(flows, market=True),
            "share",
            "share of load not bought from the grid",
            self_sufficiency(flows, market=False),
        ),
        Metric(
            "welfare",
            "Welfare",
            welfare,
            "nano",
            "retail less feed-in, of all that is shared" if pooled else "bids less asks of all that traded, as stated",
        ),
        Metric("operator", "Operator", house["operator"], "nano", "platform fee", 0),
        Metric("dso", "Network (DSO)", house["dso"], "nano", "network fee on local kWh", 0),
        Metric("tax", "Tax", house["tax"], "nano", "on what members bought", without - supplier_without),
        Metric(
            "backstop",
            "Retail supplier",
            house["backstop"],
            "nano",
            "sold at retail less bought at feed-in",
            supplier_without,
        ),
        Metric("blocks", "Blocks", sealed["blocks"], "count", "one of genesis, one a slot"),
        Metric("records", "Records", sealed["records"], "count", "sealed in them"),
        Metric("seconds_clearing", "Time clearing", seconds["clearing"], "seconds", "within fc.clear"),
        Metric("seconds_total", "Time in all", seconds["total"], "seconds", "the whole run"),
    ]


def _extreme(values: Int64, pick: Callable[[Int64], np.int64]) -> int | None:
    return int(pick(values)) if values.size else None
