"""Call auctions that serve the dearest bids and the cheapest asks: one price a market, or one a pair."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from fastclear import _core
from fastclear.auction.parameters import (
    PAIR_RULES,
    ROUNDINGS,
    Share,
    by_parameters,
    fraction,
    parameters_of,
    price,
    remembered,
    reserve_below,
    seed_of,
    ticks,
    word,
    yes_or_no,
)
from fastclear.auction.properties import described
from fastclear.errors import MechanismError

PriceRule = Literal[
    "interval",
    "marginal_ask",
    "marginal_bid",
    "last_pair_midpoint",
    "scarce_side",
    "cut_order",
    "capped_midpoint",
]
Rationing = Literal["pro_rata", "time", "equal", "quantity", "lottery"]


@described
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
    rationing : {"pro_rata", "time", "equal", "quantity", "lottery"}
        How orders at the marginal price share what is left: in proportion to quantity with the left-over lots to the
        largest remainders; earlier first; the same to each as far as they ask for it; larger first; or one after the
        other as drawn by lot. Ties: time, then id.
    price_rule : str, default "interval"
        ``"interval"`` puts the price in the clearing interval by ``k``. The others reproduce other engines on the same
        trades: ``"marginal_ask"`` (highest accepted ask), ``"marginal_bid"`` (lowest accepted bid),
        ``"last_pair_midpoint"`` (midpoint of the two), ``"scarce_side"`` (lowest accepted bid where every ask is sold
        out and some bid goes short, else highest accepted ask), ``"cut_order"`` (the order that is served in part;
        where none is, the midpoint of the last pair, kept in the interval), ``"capped_midpoint"`` (midpoint, at most
        5 % above the ask). See :func:`fastclear.mechanism`.
    seed : int, optional
        Of the lottery, 0 to 2**64 - 1; needed with ``rationing="lottery"``, refused without.
    zero_surplus : bool, default True
        Whether units whose bid equals their ask trade.
    price_round : {"floor", "ceil", "half_up"}, optional
        Rounding of the price to a tick; the result stays in the interval. By default down, but the midpoint of the last
        pair is kept exactly: prices and money are then over ``clearing.den``.
    fee : int, default 0
        Ticks a unit that the buyer pays on top of the price, inside the clearing: no trade whose bid less its ask is
        below the fee. Buyers pay ``price_buy = price_sell + fee``; the difference is the market's ``surplus``.
    reserve : int, optional
        Lowest price in ticks that sellers may receive: bids that compete below it take no part, and the interval and
        the price are raised to it.
    cap_low, cap_high : int, optional
        Limit orders priced outside are refused (``price_outside_caps``). A market bid then competes at ``cap_high``, a
        market ask at ``cap_low``.
    whole_levels : bool, default False
        Bids of one price trade whole or not at all, as in gsy: the price is the lowest bid at which supply covers all
        demand, else the highest bid that reaches an ask. Only with ``price_rule="marginal_bid"``.

    Raises
    ------
    MechanismError
        A parameter that is out of range or unknown.

    Notes
    -----
    The k-double auction is Satterthwaite & Williams 1989; the interval as M-th and (M+1)-th price is Wurman, Walsh &
    Wellman 1998.

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
    rationing: Rationing = "pro_rata"
    price_rule: PriceRule = "interval"
    seed: int | None = None
    zero_surplus: bool = True
    price_round: Literal["floor", "ceil", "half_up"] | None = None
    fee: int = 0
    reserve: int | None = None
    cap_low: int | None = None
    cap_high: int | None = None
    whole_levels: bool = False
    core: _core.Mechanism = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "core", _uniform(self, _UNIFORM(self)))

    __reduce__ = by_parameters


@remembered
def _uniform(
    k: Share,
    rationing: str,
    price_rule: str,
    seed: int | None,
    zero_surplus: bool,
    price_round: str | None,
    fee: int,
    reserve: int | None,
    cap_low: int | None,
    cap_high: int | None,
    whole_levels: bool,
) -> _core.Mechanism:
    return _core.Mechanism.uniform(
        fraction("k", k).as_integer_ratio(),
        word("rationing", rationing, get_args(Rationing)),
        word("price_rule", price_rule, get_args(PriceRule)),
        None if seed is None else seed_of(seed),
        None if price_round is None else word("price_round", price_round, ROUNDINGS),
        yes_or_no("zero_surplus", zero_surplus),
        yes_or_no("whole_levels", whole_levels),
        ticks("fee", fee),
        reserve_below(price("reserve", reserve), price("cap_high", cap_high)),
        price("cap_low", cap_low),
        price("cap_high", cap_high),
    )


_UNIFORM = parameters_of(Uniform)


@described
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
    spread_to : {"seller", "buyer", "operator"}, optional
        Who keeps ``bid - ask``: the seller (both trade at the bid), the buyer (both at the ask), or the operator (the
        buyer pays its bid, the seller receives its ask, and the market's ``surplus`` holds the rest). By default as
        ``rule`` says.
    reserve : int, optional
        Lowest price in ticks that a seller may receive: bids that compete below it take no part, and the prices of the
        others are raised to it.
    cap_low, cap_high : int, optional
        Limit orders priced outside are refused (``price_outside_caps``). A market bid then competes at ``cap_high``, a
        market ask at ``cap_low``.

    Raises
    ------
    MechanismError
        A parameter that is out of range or unknown.

    Notes
    -----
    k per pair is Chatterjee & Samuelson 1983, the midpoint Nicolaisen, Petrov & Tesfatsion 2001, pay as bid Federico &
    Rahman 2003.

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
    spread_to: Literal["seller", "buyer", "operator"] | None = None
    reserve: int | None = None
    cap_low: int | None = None
    cap_high: int | None = None
    core: _core.Mechanism = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "core", _discriminatory(self, _DISCRIMINATORY(self)))

    __reduce__ = by_parameters


@remembered
def _discriminatory(
    k: Share,
    rule: str,
    price_round: str,
    fee: int,
    spread_to: str | None,
    reserve: int | None,
    cap_low: int | None,
    cap_high: int | None,
) -> _core.Mechanism:
    return _core.Mechanism.discriminatory(
        fraction("k", k).as_integer_ratio(),
        _pair_rule(rule, spread_to),
        word("price_round", price_round, ROUNDINGS),
        ticks("fee", fee),
        reserve_below(price("reserve", reserve), price("cap_high", cap_high)),
        price("cap_low", cap_low),
        price("cap_high", cap_high),
    )


_DISCRIMINATORY = parameters_of(Discriminatory)


def _pair_rule(rule: str, spread_to: str | None) -> str:
    rule = word("rule", rule, PAIR_RULES)
    if spread_to is None:
        return rule
    keeper = word("spread_to", spread_to, ("seller", "buyer", "operator"))
    allowed = {"seller": ("k", "bid"), "buyer": ("k", "ask"), "operator": ("k", "bid", "ask")}[keeper]
    if rule not in allowed:
        raise MechanismError(f"spread_to={keeper!r} contradicts rule={rule!r}; leave one of them out")
    return {"seller": "bid", "buyer": "ask", "operator": "apart"}[keeper]
