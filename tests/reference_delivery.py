"""What happens after delivery, restated in exact fractions from chapter 3; shares nothing with the package.

A row is what one posting says: kind, line, who pays, who receives, Wh, price, amount, the trade it names, and the place
of the row it belongs to (None: itself).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from typing import Any, NamedTuple

LARGEST = 2**63 - 1


class Row(NamedTuple):
    kind: str
    line: str | None
    payer: str | None
    payee: str | None
    quantity: int
    price: int
    amount: int
    trade: tuple[int, int, int] = (0, 0, 0)
    parent: int | None = None


@dataclass(frozen=True)
class Trade:
    buyer: str
    seller: str
    quantity: int
    paid: Fraction
    received: Fraction
    price: int  # the seller's a unit, 0 where it is no whole number
    names: tuple[int, int, int]  # market, buy order, sell order


class TooLargeError(Exception):
    """Something that no posting can say."""


def small(number: Fraction | int) -> int:
    assert number == int(number), "whole nano-currency, whole Wh"
    if abs(number) > LARGEST:
        raise TooLargeError(number)
    return int(number)


def shares(total: int, weights: Sequence[int]) -> list[int]:
    """Largest remainder: everyone's share rounded down, then one more to whom most was cut off, the first first."""
    exact = [Fraction(total * small(weight), sum(weights)) for weight in weights]
    small(total)
    cut = sorted(range(len(weights)), key=lambda i: (floor(exact[i]) - exact[i], i))
    more = set(cut[: total - sum(map(floor, exact))])
    return [floor(share) + (i in more) for i, share in enumerate(exact)]


class Delivery:
    """All rows of one slot after its trades."""

    def __init__(
        self,
        rates: Any,
        policy: Any,
        trades: list[Trade],
        metered: dict[str, int],
        members: list[str],
        losses: int = 0,
    ):
        self.rates, self.policy, self.trades = rates, type(policy).__name__, trades
        self.rule, self.owner = getattr(policy, "rule", None), getattr(policy, "residual_to", "backstop")
        self.penalty = (getattr(policy, "penalty", 0), getattr(policy, "dead_band_wh", 0))
        self.metered = {name: metered[name] for name in members if name in metered}
        self.rows: list[Row] = []
        self.contract = self.contracts([trade.quantity for trade in trades])
        self.delivered = [trade.quantity for trade in trades]
        self.lost: Counter[str] = Counter()
        if losses:
            volume: Counter[str] = Counter()
            for trade in trades:
                volume[trade.buyer] += trade.quantity
                volume[trade.seller] += trade.quantity
            traders = [name for name in members if name in volume]
            self.lost.update(dict(zip(traders, shares(losses, [volume[name] for name in traders]), strict=True)))
        if self.policy == "ShortfallAllocation":
            self.allocate()
        binding = self.contracts(self.delivered) if self.rule == "buyer_pays_retail" else self.contract
        self.deviation = {name: energy + self.lost[name] - binding[name] for name, energy in self.metered.items()}
        self.readings: dict[str, int] = {}
        self.netted = dict.fromkeys(self.metered, 0)
        if self.policy == "Pooled":
            self.net()
        for name in self.metered:
            self.member(name)
        for name in members:
            if name not in metered and any(name in (trade.buyer, trade.seller) for trade in trades):
                self.loss(name, self.add("meter", "missing", name, None, self.contract[name], 0, 0))
        self.left_over()

    def contracts(self, quantities: list[int]) -> Counter[str]:
        contract: Counter[str] = Counter()
        for trade, quantity in zip(self.trades, quantities, strict=True):
            contract[trade.buyer] += quantity
            contract[trade.seller] -= quantity
        return contract

    def add(
        self,
        kind: str,
        line: str | None,
        payer: str | None,
        payee: str | None,
        quantity: int,
        price: Fraction | int,
        amount: Fraction | int,
        trade: tuple[int, int, int] = (0, 0, 0),
        parent: int | None = None,
    ) -> int:
        if amount < 0:
            payer, payee, amount = payee, payer, -amount
        unit = int(price) if price == int(price) else 0
        self.rows.append(Row(kind, line, payer, payee, small(quantity), unit, small(amount), trade, parent))
        return len(self.rows) - 1

    # -- who delivered what, who nets what

    def allocate(self) -> None:
        """A seller has delivered at most what it bought and generated, in proportion to what it sold."""
        for name, energy in self.metered.items():
            sold = [i for i, trade in enumerate(self.trades) if trade.seller == name]
            bought = sum(trade.quantity for trade in self.trades if trade.buyer == name)
            quantities = [self.trades[i].quantity for i in sold]
            if sold:
                delivered = max(0, min(sum(quantities), bought + max(0, -energy) - self.lost[name]))
                for i, part in zip(sold, shares(delivered, quantities), strict=True):
                    self.delivered[i] = part

    def net(self) -> None:
        lacking = {name: d for name, d in self.deviation.items() if d > 0}
        left_over = {name: -d for name, d in self.deviation.items() if d < 0}
        both = min(sum(lacking.values()), sum(left_over.values()))
        for side in (lacking, left_over):
            if lacking and side:
                self.netted.update(zip(side, shares(both, list(side.values())), strict=True))

    # -- the lines

    def member(self, name: str) -> None:
        energy, d = self.metered[name], self.deviation[name]
        reading = self.readings[name] = self.add("meter", None, name, None, energy, 0, 0)
        self.loss(name, reading)
        told = 0
        for trade, delivered in zip(self.trades, self.delivered, strict=True):
            gap = trade.quantity - delivered
            if trade.seller != name or gap == 0:
                continue
            if self.rule == "buyer_made_whole":
                money = self.rates.retail * gap
                self.add(
                    "imbalance", "shortfall", name, "backstop", gap, self.rates.retail, money, trade.names, reading
                )
                told += gap
            else:
                self.give_back(trade, gap, reading)
        if self.policy == "SinglePrice":
            retail = feed_in = self.rates.retail if sum(self.deviation.values()) > 0 else self.rates.feed_in
        else:
            retail, feed_in = self.rates.retail, self.rates.feed_in
        mid = Fraction(self.rates.retail + self.rates.feed_in, 2)
        # Its own energy first, then the rest; the pool first, then the backstop.
        own = max(0, min(abs(d), energy if d > 0 else -energy))
        pool_own = min(own, self.netted[name])
        pool_rest = self.netted[name] - pool_own
        parts = [
            ("residual" if d > 0 else "feed_in", [(pool_own, "clearing"), (own - pool_own, "backstop")]),
            (
                "shortfall" if d > 0 else "over_bought",
                [(pool_rest, "clearing"), (abs(d) - own - pool_rest - told, "backstop")],
            ),
        ]
        for line, halves in parts:
            for quantity, other in halves:
                if quantity == 0:
                    continue
                price = mid if other == "clearing" else Fraction(retail if d > 0 else feed_in)
                if d > 0:
                    at = self.add(
                        "imbalance", line, name, other, quantity, price, ceil(price * quantity), parent=reading
                    )
                    if line == "residual":
                        self.tax("residual", name, ceil(price * quantity), 0, quantity, at)
                else:
                    self.add("imbalance", line, other, name, quantity, price, floor(price * quantity), parent=reading)
        penalty, band = self.penalty
        beyond = abs(d - self.lost[name]) - band
        if penalty and beyond > 0:
            to = "clearing" if self.owner == "members" else self.owner
            self.add("imbalance", "penalty", name, to, beyond, penalty, penalty * beyond, parent=reading)

    def loss(self, name: str, reading: int) -> None:
        if self.lost[name]:
            self.add("meter", "losses", name, None, self.lost[name], 0, 0, parent=reading)

    def give_back(self, trade: Trade, gap: int, reading: int) -> None:
        got = floor(trade.received)
        back = got - floor(Fraction(got * (trade.quantity - gap), trade.quantity))
        at = self.add(
            "imbalance", "undelivered", trade.seller, trade.buyer, gap, trade.price, back, trade.names, reading
        )
        base = ceil(trade.paid) + (self.rates.platform_fee + self.rates.network_fee) * trade.quantity
        self.tax("undelivered", trade.buyer, base - back, base, gap, at, trade.names)

    def tax(
        self, line: str, name: str, on: int, less: int, gap: int, at: int, trade: tuple[int, int, int] = (0, 0, 0)
    ) -> None:
        """``name`` pays the tax on ``on``, less that on ``less``."""
        rate = Fraction(self.rates.tax_ppm, 10**6)
        if tax := round(rate * on) - round(rate * less):  # half to even: the standard library's rule
            self.add("tax", line, name, "tax", gap, 0, tax, trade, at)

    def left_over(self) -> None:
        in_clearing = sum(row.amount * ((row.payee == "clearing") - (row.payer == "clearing")) for row in self.rows)
        if self.policy in ("Backup", "ShortfallAllocation"):
            lacking, left_over = (sum(max(0, sign * d) for d in self.deviation.values()) for sign in (1, -1))
            price = self.rates.retail - self.rates.feed_in
            amount = price * min(lacking, left_over)
            if self.owner == "members":
                self.share("netting", "backstop", amount)
            elif self.owner != "backstop" and amount:
                self.add("imbalance", "netting", "backstop", self.owner, min(lacking, left_over), price, amount)
        elif self.policy == "DualPrice":
            self.share("penalty_share", "clearing", in_clearing)
        elif in_clearing:
            self.add("imbalance", "rounding", "clearing", "rounding", 0, 0, in_clearing)

    def share(self, line: str, payer: str, amount: int) -> None:
        if amount:
            weights = [abs(energy) for energy in self.metered.values()]
            for name, part in zip(
                self.metered, shares(amount, weights if any(weights) else [1] * len(weights)), strict=True
            ):
                if part:
                    self.add("imbalance", line, payer, name, 0, 0, part, parent=self.readings[name])

    # -- what it comes to

    def bill(self, trading: dict[str, dict[str, int]]) -> dict[str, Counter[str]]:
        """Every line of a bill, and their sum, from those of the trades."""
        out = {name: Counter(lines) for name, lines in trading.items()}
        for row in self.rows:
            line = "tax" if row.kind == "tax" else row.line if row.line in ("residual", "feed_in") else "imbalance"
            for name, sign in ((row.payer, 1), (row.payee, -1)):
                if name in out:
                    out[name][str(line)] += sign * row.amount
        for bill in out.values():
            bill["net"] = sum(bill.values())
        return out
