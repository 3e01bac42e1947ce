"""How members bid on a platform, by the name that a preset gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fastclear.community import OrderColumns, zero_intelligence
from fastclear.community.bidders import Bidder, GjerstadDickhaut, RothErev, Seen, Truthful, Zip
from fastclear.community.bidders.bidder import CALL
from fastclear.errors import MechanismError, PresetError
from fastclear.platforms.gate import AUCTION, Gate, Outcome

Int64 = NDArray[np.int64]

_CENT: Final = 10_000
"""Ticks of 1 ct/kWh: what the papers' unit of price stands for."""
_MARKUPS: Final = 21
_PROFIT_WH: Final = 100
"""A profit of the whole spread on so many Wh counts as one unit of propensity."""


def _zip(side: Int64, limit: Int64, seed: int) -> Bidder:
    return Zip(side, limit, seed=seed, scale=_CENT)


def _belief(side: Int64, limit: Int64, seed: int) -> Bidder:
    del seed  # it draws nothing
    highest = max(int(limit.max()), 1)
    return GjerstadDickhaut(side, limit, price_max=highest, step=min(_CENT // 10, highest))


def _reinforced(side: Int64, limit: Int64, seed: int) -> Bidder:
    spread = int(np.ptp(limit))
    markups = np.linspace(0, spread, _MARKUPS).astype(np.int64)
    return RothErev(side, limit, markups=markups, scale=float(max(spread, 1) * _PROFIT_WH), seed=seed)


LEARNERS: Final[dict[str, Callable[[Int64, Int64, int], Bidder]]] = {
    "truthful": lambda side, limit, _seed: Truthful(side, limit),
    "zip": _zip,
    "gjerstad_dickhaut": _belief,
    "roth_erev": _reinforced,
}
"""Bidders of :mod:`fastclear.community.bidders` by the name that a preset gives, from side, limit and seed."""
_SEES_ORDERS: Final = ("gjerstad_dickhaut",)
"""Who learns from orders: the price of a call says nothing to them."""


class Agents:
    """The members as bidders, for a whole run.

    Parameters
    ----------
    agent : str
        ``zero_intelligence`` (prices drawn anew in every slot where nobody can lose), ``posted_price`` (sellers post a
        price once, drawn alike; buyers take any price up to what the grid charges less the fees), or one of
        :data:`LEARNERS`: each member is a buyer whose limit is the grid's price less the fees, and a seller whose limit
        is the feed-in price, and both remember what they saw from slot to slot.
    members : int
        How many.
    retail, feed_in, fees : int
        Ticks.
    seed : int
        Of the run.

    Raises
    ------
    PresetError
        If the bidders cannot work with these prices.
    """

    def __init__(self, agent: str, members: int, *, retail: int, feed_in: int, fees: int, seed: int) -> None:
        self.agent, self.members, self.seed = agent, members, seed
        self._grid = {"retail": retail, "feed_in": feed_in, "fees": fees, "seed": seed}
        self._bidder: Bidder | None = None
        if agent in LEARNERS and feed_in <= retail - fees:
            side = np.repeat(np.array([1, 0], dtype=np.int64), members)
            limit = np.repeat(np.array([retail - fees, feed_in], dtype=np.int64), members)
            try:
                self._bidder = LEARNERS[agent](side, limit, seed)
            except MechanismError as error:
                raise PresetError(f"market.agent {agent} cannot bid at these prices: {error}") from None

    def quotes(self, expected_wh: Int64, slot: int) -> OrderColumns:
        """Bids and asks of one slot: net energy, + buys; at most one order a member."""
        drawn = zero_intelligence(expected_wh, **self._grid, slot=slot)
        if self.agent == "zero_intelligence" or not len(drawn):
            return drawn
        buys = drawn.side == 1
        if self._bidder is not None:
            return replace(drawn, price=self._bidder.quote()[self._trader(drawn.participant, buys)])
        # every member has a draw in slot 0, whether it trades then or not: its posted price
        posted = zero_intelligence(np.full(len(expected_wh), -1, dtype=np.int64), **self._grid, slot=0).price
        asked = self._grid["retail"] - self._grid["fees"]
        return replace(drawn, price=np.where(buys, asked, posted[drawn.participant]))

    def observe(self, gate: Gate, outcome: Outcome) -> None:
        """Let those that learn see what came of a gate."""
        bidder = self._bidder
        if bidder is None or not len(gate):
            return
        trader = self._trader(gate.member, gate.buy)
        filled, profit = (np.zeros(2 * self.members, dtype=np.int64) for _ in range(2))
        active = np.zeros(2 * self.members, dtype=np.bool_)
        filled[trader] = outcome.filled
        active[trader] = outcome.filled < gate.quantity
        sign = np.where(gate.buy, 1, -1)
        profit[trader] = sign * bidder.limit[trader] * outcome.filled
        for clearing, rows in zip(outcome.clearings, outcome.rows, strict=True):
            profit[trader[rows]] -= -(-clearing.payment // clearing.den)
        side, price, traded = self._shown(gate, outcome)
        bidder.observe(Seen(side, price, traded, filled, profit, active))

    def _trader(self, member: Int64, buys: NDArray[np.bool_]) -> Int64:
        place: Int64 = np.where(buys, member, member + self.members)
        return place

    def _shown(self, gate: Gate, outcome: Outcome) -> tuple[NDArray[np.int8], Int64, NDArray[np.bool_]]:
        """What everybody sees: the price of the auction (the mean of its trades where there are several), else orders.

        Where nothing traded, the best bid and the best ask.
        """
        orders = ~gate.essential
        if self.agent in _SEES_ORDERS:
            return gate.buy[orders].astype(np.int8), gate.price[orders], outcome.filled[orders] > 0
        for clearing, tranche in zip(outcome.clearings, outcome.tranches, strict=True):
            trades = clearing.trade_columns
            lots = trades["quantity"]
            if tranche == AUCTION and len(lots):
                paid = trades["buy_price"] // 2 + trades["sell_price"] // 2
                mean = int((paid * lots).sum()) // int(lots.sum()) // clearing.den
                return np.array([CALL], np.int8), np.array([mean]), np.array([True])
        sides = [(side, gate.price[orders & (gate.buy == (side == 1))]) for side in (1, 0)]
        best = [(side, int(prices.max() if side else prices.min())) for side, prices in sides if len(prices)]
        shouted = np.array(best, dtype=np.int64).reshape(-1, 2)
        return shouted[:, 0].astype(np.int8), shouted[:, 1], np.zeros(len(best), np.bool_)
