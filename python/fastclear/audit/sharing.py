"""Pools settled again: whole-number arithmetic of Python, market by market, from the loads and the rule alone."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from fastclear.audit.report import AuditReport, broken, first

if TYPE_CHECKING:
    from fastclear.sharing import SharingClearing

QUANTITIES: Final = "no load shares more than its energy, no refused load shares or pays anything"
VOLUMES: Final = "in every market what importers get locally is what exporters give, and is the reported volume"
KEYS: Final = "local energy is divided as the key says, left-over lots to the largest remainders"
VALUE: Final = "each side's payments are what the rule says, left-over units to the largest remainders"
BALANCE: Final = "payments add up to the bill of the grid connection, fees and fixed costs, to the last unit"
NOBODY_LOSES: Final = "nobody pays more or earns less than with the grid alone"
REPORTED: Final = "the reported sums of every market are those of its loads"
CHECKS: Final = (QUANTITIES, VOLUMES, KEYS, VALUE, BALANCE, REPORTED)

_MILLION: Final = 10**6


def check_sharing(clearing: SharingClearing) -> AuditReport:
    """Check every invariant of a clearing without bids; see :meth:`fastclear.SharingClearing.audit`.

    Cost: some microseconds a load.
    """
    loads, rule = clearing.loads, clearing.mechanism
    net = np.where(clearing.reject == 0, loads.net, 0)
    row = first((clearing.filled < 0) | (clearing.filled > np.abs(net)))
    if row is not None:
        raise broken(QUANTITIES, f"row {row}: shares {clearing.filled[row]} of {net[row]}")
    row = first((clearing.reject != 0) & (clearing.payment != 0))
    if row is not None:
        raise broken(QUANTITIES, f"row {row}: refused, and pays {clearing.payment[row]}")
    columns = clearing.market_columns
    pools: dict[Any, list[_Market]] = {}
    rows_of = _rows_by_market(clearing)
    for index, market in enumerate(columns["market"].tolist()):
        one = _Market(clearing, index, rows_of.get(index, []))
        one.check_energy()
        pool = ("market", int(market))
        if clearing.pools_are_periods and one.rows and loads.period is not None:
            pool = ("period", int(loads.period[one.rows[0]]))
        pools.setdefault(pool, []).append(one)
    for markets in pools.values():
        _check_money(clearing, markets)
    checks: tuple[str, ...] = CHECKS
    if nobody_loses(rule, columns):
        row = first(clearing.payment > clearing.alone)
        if row is not None:
            raise broken(NOBODY_LOSES, f"row {row}: pays {clearing.payment[row]}, alone {clearing.alone[row]}")
        checks = (*CHECKS, NOBODY_LOSES)
    return AuditReport(checks, loads.n, len(columns["market"]), clearing.trades.height)


def nobody_loses(rule: Any, columns: Any) -> bool:
    """Whether the rule promises that nobody is worse off, at the prices of these markets."""
    kind = type(rule).__name__
    if kind == "BillSharing":
        return False
    if kind == "FixedPrice":
        return bool((columns["feed_in"] <= rule.price).all() and (rule.price + rule.fee <= columns["retail"]).all())
    return bool(rule.fee == 0)


def _rows_by_market(clearing: SharingClearing) -> dict[int, list[int]]:
    """Accepted rows of each market, by id."""
    loads = clearing.loads
    ids = range(loads.n) if loads.order is None else loads.order.tolist()
    rows: dict[int, list[int]] = {}
    for row in sorted(np.flatnonzero(clearing.reject == 0).tolist(), key=ids.__getitem__):
        rows.setdefault(int(clearing.market_of[row]), []).append(row)
    return rows


class _Market:
    """One market as plain integers."""

    def __init__(self, clearing: SharingClearing, index: int, rows: list[int]) -> None:
        loads = clearing.loads
        self.clearing, self.index, self.rows = clearing, index, rows
        self.name = clearing.orders.names("market", clearing.market_columns["market"][[index]])[0]
        self.net = loads.net[rows].tolist()
        self.filled = clearing.filled[rows].tolist()
        self.paid = clearing.payment[rows].tolist()
        self.demand = sum(net for net in self.net if net > 0)
        self.supply = -sum(net for net in self.net if net < 0)
        self.volume = sum(fill for fill, net in zip(self.filled, self.net, strict=True) if net > 0)
        self.retail, self.feed_in = (
            price if isinstance(price, int) else int(price[rows[0]]) if rows else 0
            for price in (loads.retail, loads.feed_in)
        )

    @property
    def grid(self) -> int:
        """What the community pays the grid."""
        bill: int = self.retail * (self.demand - self.volume) - self.feed_in * (self.supply - self.volume)
        return bill

    def check_energy(self) -> None:
        """Check who shares what."""
        given = sum(fill for fill, net in zip(self.filled, self.net, strict=True) if net < 0)
        reported = int(self.clearing.market_columns["volume"][self.index])
        if not self.volume == given == reported:
            raise broken(VOLUMES, f"market {self.name!r}: {self.volume} got, {given} given, volume {reported}")
        wanted = [max(net, 0) for net in self.net]
        key = getattr(self.clearing.mechanism, "key", "dynamic")
        due = [0] * len(wanted)
        if key == "dynamic":
            due = apportioned(min(self.supply, self.demand), wanted)
        else:
            shares = self.clearing.loads.share
            assert shares is not None  # the mechanism needs them
            parts = shares[self.rows].tolist()
            claims = apportioned(self.supply * sum(parts) // _MILLION, parts)
            due = [min(claim, want) for claim, want in zip(claims, wanted, strict=True)]
            if key == "hybrid":
                lacking = [want - got for want, got in zip(wanted, due, strict=True)]
                more = apportioned(min(self.supply - sum(due), sum(lacking)), lacking)
                due = [got + extra for got, extra in zip(due, more, strict=True)]
        offered = [max(-net, 0) for net in self.net]
        sold = apportioned(sum(due), offered)
        for row, fill, buy, sell in zip(self.rows, self.filled, due, sold, strict=True):
            if fill != buy + sell:
                raise broken(KEYS, f"market {self.name!r}, row {row}: shares {fill}, due {buy + sell}")


def apportioned(total: int, weights: Sequence[int]) -> list[int]:
    """``total`` in proportion to ``weights``: whole parts, left-over units to the largest remainders, then the first.

    Examples
    --------
    >>> apportioned(10, [1, 1, 1]), apportioned(-10, [2, 0, 1]), apportioned(0, [0])
    ([4, 3, 3], [-7, 0, -3], [0])
    """
    whole = sum(weights)
    if whole == 0:
        return [0] * len(weights)
    ideal = [divmod(total * weight, whole) for weight in weights]
    parts = [part for part, _ in ideal]
    line = sorted(range(len(weights)), key=lambda at: (-ideal[at][1], at))
    for at in line[: total - sum(parts)]:
        parts[at] += 1
    return parts


def _local_value(rule: Any, market: _Market) -> int:
    """What a market's local energy is worth, to the nearest unit, halves up."""
    supply, demand, retail, feed_in = market.supply, market.demand, market.retail, market.feed_in
    volume = min(supply, demand)
    if not volume:
        return 0
    if type(rule).__name__ == "MidMarketRate":
        exact = Fraction(volume * (retail + feed_in), 2)
    else:
        least = feed_in + rule.compensation
        ratio = Fraction(supply, demand)
        over = (retail - least) * min(ratio, Fraction(1)) + least
        exact = Fraction(0) if over == 0 else volume * Fraction(least * retail) / over
        if ratio > 1:
            exact = Fraction(volume * least)
    doubled = 2 * exact + 1
    return doubled.numerator // doubled.denominator // 2


def _check_money(clearing: SharingClearing, pool: list[_Market]) -> None:
    """Check what the loads of a pool pay."""
    rule: Any = clearing.mechanism
    kind = type(rule).__name__
    net = [load for market in pool for load in market.net]
    paid = [money for market in pool for money in market.paid]
    rows = [row for market in pool for row in market.rows]
    bill, extra = sum(market.grid for market in pool), 0
    imports, exports = [max(load, 0) for load in net], [max(-load, 0) for load in net]
    if kind == "BillSharing":
        fixed = rule.fixed_cost if rows else 0
        equally = rule.fixed_cost_by == "equal" or not any(imports)
        cost = sum(market.retail * max(market.demand - market.supply, 0) for market in pool)
        revenue = sum(market.feed_in * max(market.supply - market.demand, 0) for market in pool)
        due = _sides(imports, cost + (0 if equally else fixed), exports, revenue)
        if equally:
            due = [one + part for one, part in zip(due, apportioned(fixed, [1] * len(net)), strict=True)]
        extra = fixed
    else:
        (market,) = pool
        extra = rule.fee * market.volume
        if kind == "FixedPrice":
            due = [
                fill * (rule.price + rule.fee) + (load - fill) * market.retail
                if load > 0
                else -fill * rule.price - (-load - fill) * market.feed_in
                for load, fill in zip(net, market.filled, strict=True)
            ]
        else:
            value = _local_value(rule, market)
            buyers = value + market.retail * (market.demand - market.volume) + extra
            due = _sides(imports, buyers, exports, value + market.feed_in * (market.supply - market.volume))
    for row, money, owed in zip(rows, paid, due, strict=True):
        if money != owed:
            raise broken(VALUE, f"row {row}: pays {money}, the rule says {owed}")
    where = ", ".join(repr(market.name) for market in pool[:3])
    if sum(paid) != bill + extra:
        raise broken(BALANCE, f"market {where}: {sum(paid)} is paid, {bill} is the bill and {extra} comes on top")
    _check_reported(clearing, pool)


def _sides(imports: list[int], cost: int, exports: list[int], revenue: int) -> list[int]:
    bought, sold = apportioned(cost, imports), apportioned(revenue, exports)
    return [buy - sell for buy, sell in zip(bought, sold, strict=True)]


def _check_reported(clearing: SharingClearing, pool: list[_Market]) -> None:
    columns = clearing.market_columns
    for market in pool:
        buyers = sum(money for money, load in zip(market.paid, market.net, strict=True) if load >= 0)
        sums = {
            "supply": market.supply,
            "demand": market.demand,
            "buyer_payment": buyers,
            "seller_revenue": buyers - sum(market.paid),
            "grid_payment": market.grid,
            "surplus": sum(market.paid) - market.grid,
            "welfare": (market.retail - market.feed_in) * market.volume,
        }
        for name, total in sums.items():
            if int(columns[name][market.index]) != total:
                reported = columns[name][market.index]
                raise broken(REPORTED, f"market {market.name!r}: {name} {reported}, loads say {total}")
