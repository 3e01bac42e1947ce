"""Call auctions that serve the dearest bids and the cheapest asks: one price a market, or one a pair."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from fastclear import _core
from fastclear.auction.parameters import Share, by_parameters, fraction, ticks


@dataclass(frozen=True, slots=True)
class Uniform:
    """Uniform-price call (double) auction: everyone in a market trades at one price.

    Bids are served from the dearest, asks from the cheapest, as long as a bid reaches an ask. The market-clearing
    prices form an interval ``[low, high]``: ``low`` is the dearer of the last accepted ask and the best bid left with
    a remainder, ``high`` the cheaper of the last accepted bid and the best ask left with one. The price is
    ``low + k * (high - low)``.

    Parameters
    ----------
    k : float, Fraction or (int, int), default 1/2
        Share of the interval that goes to sellers: 0 leaves it to buyers, 1 to sellers.
    rationing : {"pro_rata", "time", "equal"}
        How orders at the marginal price share what is left: in proportion to quantity with the left-over lots to the
        largest remainders; earlier first; or the same to each as far as they ask for it. Ties: time, then id.
    price_round : {"floor", "ceil", "half_up"}
        Rounding of the price to a tick; the result stays in the interval.
    zero_surplus : bool, default True
        Whether units whose bid equals their ask trade.
    fee : int, default 0
        Ticks a unit that the buyer pays on top of the price, inside the clearing: no trade whose bid less its ask is
        below the fee. Buyers pay ``price_buy = price_sell + fee``; the difference is the market's ``surplus``.

    Raises
    ------
    MechanismError
        A parameter that is out of range or unknown.

    Notes
    -----
    Budget balanced (surplus = fee x volume), individually rational, efficient as reported; not truthful: a one-lot
    trader gains at most ``high - low`` by misreporting, a partly filled marginal order can gain more. Cost O(N) plus a
    sort of the orders near the price. Sources: Satterthwaite & Williams 1989 (k-double auction); Wurman, Walsh &
    Wellman 1998 (the interval as M-th and (M+1)-th price).

    Examples
    --------
    >>> import fastclear as fc
    >>> orders = {"side": ["buy", "buy", "sell"], "price": [30, 25, 10], "quantity": [5, 4, 6]}
    >>> clearing = fc.clear(orders, fc.Uniform())
    >>> clearing.filled
    array([5, 1, 6])
    >>> int(clearing.market_columns["price"][0])
    25
    """

    k: Share = 0.5
    rationing: Literal["pro_rata", "time", "equal"] = "pro_rata"
    price_round: Literal["floor", "ceil", "half_up"] = "floor"
    zero_surplus: bool = True
    fee: int = 0
    core: _core.Mechanism = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        k = fraction("k", self.k)
        core = _core.Mechanism.uniform(
            k.as_integer_ratio(),
            self.rationing,
            self.price_round,
            bool(self.zero_surplus),
            ticks("fee", self.fee),
        )
        object.__setattr__(self, "core", core)

    __reduce__ = by_parameters


@dataclass(frozen=True, slots=True)
class Discriminatory:
    """Discriminatory-price call auction: the same trades as at a uniform price, each at a price of its own.

    The best bid is paired with the cheapest ask, ties by time, then id; the pairing is part of the rule.

    Parameters
    ----------
    k : float, Fraction or (int, int), default 1/2
        With ``rule="k"`` a pair trades at ``ask + k * (bid - ask)``: 1 is pay as bid, 0 pay as ask.
    rule : {"k", "bid", "ask", "earlier"}
        ``"bid"`` and ``"ask"`` are k = 1 and k = 0; ``"earlier"`` takes the limit of the order that came first.
    price_round : {"floor", "ceil", "half_up"}
        Rounding of the price to a tick; the result stays between ask and bid.
    fee : int, default 0
        Ticks a unit that the buyer pays on top of the seller's price: no trade whose bid less its ask is below it.

    Raises
    ------
    MechanismError
        A parameter that is out of range or unknown.

    Notes
    -----
    Budget balanced (surplus = fee x volume), individually rational, efficient as reported; not truthful. Cost
    O(N + W log W) for W winning orders. Sources: Chatterjee & Samuelson 1983 (k per pair); Nicolaisen, Petrov &
    Tesfatsion 2001 (midpoint); Federico & Rahman 2003 (pay as bid).

    Examples
    --------
    >>> import fastclear as fc
    >>> orders = {"side": ["buy", "buy", "sell"], "price": [30, 25, 10], "quantity": [5, 4, 6]}
    >>> fc.clear(orders, fc.Discriminatory(rule="bid")).payment
    array([ 150,   25, -175])
    """

    k: Share = 0.5
    rule: Literal["k", "bid", "ask", "earlier"] = "k"
    price_round: Literal["floor", "ceil", "half_up"] = "floor"
    fee: int = 0
    core: _core.Mechanism = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        k = fraction("k", self.k)
        core = _core.Mechanism.discriminatory(k.as_integer_ratio(), self.rule, self.price_round, ticks("fee", self.fee))
        object.__setattr__(self, "core", core)

    __reduce__ = by_parameters
