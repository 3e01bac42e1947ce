"""Matchings that no single price supports: the most lots, or partners by lot."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from fastclear import _core
from fastclear.auction.parameters import PAIR_RULES, ROUNDINGS, Share, by_parameters, fraction, plain, seed_of, word
from fastclear.auction.properties import described


@described
@dataclass(frozen=True, slots=True)
class MaximalVolume:
    """Maximal matching: as many lots trade as any pairing can trade, at the cost of welfare.

    Both sides are walked from the cheapest up: a bid meets the cheapest ask left, and where it does not reach it, it is
    passed over. Cheap bids so meet cheap asks, and dear bids are left for dear asks.

    Parameters
    ----------
    k : float, Fraction or (int, int), default 1/2
        With ``rule="k"`` a pair trades at ``ask + k * (bid - ask)``.
    rule : {"k", "bid", "ask", "earlier"}
        As in :class:`fastclear.Discriminatory`.
    price_round : {"floor", "ceil", "half_up"}
        Rounding of the price to a tick; the result stays between ask and bid.
    pairing : {"ascending", "descending"}
        From which end both sides are walked. ``"descending"``, from the dearest down, passes over asks instead; the
        volume is the same, the pairs are not.

    Raises
    ------
    MechanismError
        A parameter that is out of range or unknown.

    Notes
    -----
    Walking down with asks passed over is what Grid Singularity's pay-as-bid does.

    Examples
    --------
    >>> import fastclear as fc
    >>> orders = {"side": ["buy", "buy", "sell", "sell"], "price": [10, 6, 5, 9], "quantity": [1, 1, 1, 1]}
    >>> fc.clear(orders, fc.MaximalVolume()).trades.select("buy_order", "sell_order", "buy_price").rows()
    [(1, 2, 5), (0, 3, 9)]
    """

    k: Share = 0.5
    rule: Literal["k", "bid", "ask", "earlier"] = "k"
    price_round: Literal["floor", "ceil", "half_up"] = "floor"
    pairing: Literal["ascending", "descending"] = "ascending"
    core: _core.Mechanism = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        plain(self)
        core = _core.Mechanism.maximal_volume(
            fraction("k", self.k).as_integer_ratio(),
            word("rule", self.rule, PAIR_RULES),
            word("price_round", self.price_round, ROUNDINGS),
            word("pairing", self.pairing, ("ascending", "descending")) == "ascending",
        )
        object.__setattr__(self, "core", core)

    __reduce__ = by_parameters


@described
@dataclass(frozen=True, slots=True)
class RandomMatching:
    """Random bilateral matching: buyers and sellers meet by lot until nobody can trade any more.

    In each round buyers and sellers are shuffled, and each buyer in turn takes the first seller still free whose ask it
    reaches; the two trade what both have left. Rounds go on until one brings no trade.

    Parameters
    ----------
    seed : int
        Of the lottery, 0 to 2**64 - 1; every market draws from a stream of its own.
    k, rule, price_round
        Price of a pair, as in :class:`fastclear.Discriminatory`.

    Raises
    ------
    MechanismError
        A parameter that is out of range or unknown.

    Notes
    -----
    In pymarket's ``p2p`` any pair may be drawn; here pairs that cannot trade are not, which changes no outcome but the
    lottery itself.

    Examples
    --------
    >>> import fastclear as fc
    >>> orders = {"side": ["buy", "buy", "sell", "sell"], "price": [10, 6, 5, 9], "quantity": [1, 1, 1, 1]}
    >>> int(fc.clear(orders, fc.RandomMatching(seed=1)).market_columns["volume"][0]) in (1, 2)
    True
    """

    seed: int
    k: Share = 0.5
    rule: Literal["k", "bid", "ask", "earlier"] = "k"
    price_round: Literal["floor", "ceil", "half_up"] = "floor"
    core: _core.Mechanism = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        plain(self)
        core = _core.Mechanism.random_matching(
            fraction("k", self.k).as_integer_ratio(),
            word("rule", self.rule, PAIR_RULES),
            word("price_round", self.price_round, ROUNDINGS),
            seed_of(self.seed),
        )
        object.__setattr__(self, "core", core)

    __reduce__ = by_parameters
