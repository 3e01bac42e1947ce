"""Midpoints of the last pair: in one round, or in rounds of concession."""

from __future__ import annotations

from dataclasses import dataclass, field

from fastclear import _core
from fastclear.auction.parameters import by_parameters, plain, ticks, unit_lots, whole
from fastclear.auction.properties import described


@described
@dataclass(frozen=True, slots=True)
class Average:
    """Average mechanism: all efficient pairs trade at the midpoint of the last one.

    Parameters
    ----------
    unit : int, default 1
        Lots that every order trades; orders of another quantity are refused (``not_one_unit``), participants with
        several orders too (``several_orders``). For orders of any size take
        ``Uniform(price_rule="last_pair_midpoint")``.

    Raises
    ------
    MechanismError
        ``unit`` is no quantity.

    Notes
    -----
    The price may lie outside the clearing interval. Prices and money are over ``clearing.den``.

    Examples
    --------
    >>> import fastclear as fc
    >>> orders = {"side": ["buy"] * 3 + ["sell"] * 3, "price": [30, 25, 24, 6, 11, 26], "quantity": [1] * 6}
    >>> fc.clear(orders, fc.Average()).markets.select("price", "price_low", "price_high", "volume").rows()
    [(18, 24, 25, 2)]
    """

    unit: int = 1
    core: _core.Mechanism = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        plain(self)
        object.__setattr__(self, "core", _core.Mechanism.average(unit_lots(self.unit)))

    __reduce__ = by_parameters


@described
@dataclass(frozen=True, slots=True)
class MultiRound:
    """Multi-round double auction: quotes meet, trade, and those left over concede until nobody can.

    In each round the quotes are swept as in a call auction, with ties by time, then id; what meets trades at the
    midpoint of the last pair. Then every bid with a remainder rises by ``buyer_step`` up to its limit, and every ask
    falls by ``seller_step`` down to its limit. It ends when a side is empty, when nothing traded and nobody can move,
    or after ``max_rounds``.

    Parameters
    ----------
    buyer_step, seller_step : int
        Concession in ticks, 0 or more.
    max_rounds : int, default 100
        Most rounds, 1 to 100,000.

    Raises
    ------
    MechanismError
        A parameter that is out of range.

    Notes
    -----
    Orders may carry ``start_price``, the opening quote; without it they open at their limit (``price``). A bid that
    opens above its limit, or an ask below, is refused (``start_beyond_limit``). Prices and money are over
    ``clearing.den``. The concession rule is our reading of its source.

    Examples
    --------
    >>> import fastclear as fc
    >>> orders = {
    ...     "side": ["buy", "buy", "sell", "sell"],
    ...     "price": [30, 24, 10, 16],
    ...     "start_price": [18, 15, 20, 26],
    ...     "quantity": [5, 4, 3, 6],
    ... }
    >>> clearing = fc.clear(orders, fc.MultiRound(buyer_step=3, seller_step=3, max_rounds=6))
    >>> [(lots, price / clearing.den) for lots, price in clearing.trades.select("quantity", "buy_price").rows()]
    [(3, 19.0), (2, 20.5), (4, 20.5)]
    """

    buyer_step: int
    seller_step: int
    max_rounds: int = 100
    core: _core.Mechanism = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        plain(self)
        core = _core.Mechanism.multi_round(
            ticks("buyer_step", self.buyer_step),
            ticks("seller_step", self.seller_step),
            whole("max_rounds", self.max_rounds, 1, 100_000, "rounds"),
        )
        object.__setattr__(self, "core", core)

    __reduce__ = by_parameters
