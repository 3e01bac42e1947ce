"""An independent bill of one slot, in exact fractions; shares nothing with the package."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

LINES = ("energy", "platform", "network", "residual", "feed_in", "imbalance", "tax")


@dataclass(frozen=True)
class Rates:
    retail: int
    feed_in: int
    platform_fee: int
    network_fee: int
    tax_ppm: int


@dataclass(frozen=True)
class Deal:
    buyer: object
    seller: object
    quantity: int
    buy_price: int
    sell_price: int
    # money where it is not price x quantity
    buy_money: Fraction | None = None
    sell_money: Fraction | None = None

    @property
    def paid(self) -> int:
        return ceil(self.buy_price * self.quantity if self.buy_money is None else self.buy_money)

    @property
    def received(self) -> int:
        return floor(self.sell_price * self.quantity if self.sell_money is None else self.sell_money)


def bills(rates: Rates, deals: list[Deal], metered: dict[object, int]) -> dict[object, dict[str, int]]:
    """Lines of each member: + pays, - receives."""
    # Fraction rounds half to even: the rule of the tax, from the standard library.
    tax = Fraction(rates.tax_ppm, 1_000_000)
    out: dict[object, dict[str, int]] = defaultdict(lambda: dict.fromkeys(LINES, 0))
    contract: dict[object, int] = defaultdict(int)
    for deal in deals:
        contract[deal.buyer] += deal.quantity
        contract[deal.seller] -= deal.quantity
        platform, network = rates.platform_fee * deal.quantity, rates.network_fee * deal.quantity
        energy = deal.paid
        for line, amount in (("energy", energy), ("platform", platform), ("network", network)):
            out[deal.buyer][line] += amount
        out[deal.buyer]["tax"] += round(tax * (energy + platform + network))
        out[deal.seller]["energy"] -= deal.received
    for member, energy in metered.items():
        deviation = energy - contract[member]
        own = max(0, min(deviation, energy)) if deviation > 0 else min(0, max(deviation, energy))
        price = rates.retail if deviation > 0 else rates.feed_in
        bill = out[member]
        bill["residual" if deviation > 0 else "feed_in"] += price * own
        bill["imbalance"] += price * (deviation - own)
        if deviation > 0:
            bill["tax"] += round(tax * price * own)
    return dict(out)
