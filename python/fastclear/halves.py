"""Where the orders of a MUDA market stood: the coins of its seed, flipped again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fastclear.auction.truthful import Muda
from fastclear.audit.chacha import Draws
from fastclear.errors import MechanismError

if TYPE_CHECKING:
    from fastclear.trades import Clearing

REFUSED = 2
"""Half of an order that was refused."""


def halves(clearing: Clearing) -> NDArray[np.uint8]:
    """Half in which each order stood, shape (n,): 0 left, 1 right, 2 refused. One coin a participant and market.

    Raises
    ------
    MechanismError
        The clearing is not Muda's.
    """
    mechanism, orders, accepted = clearing.mechanism, clearing.orders, clearing.reject == 0
    if not isinstance(mechanism, Muda):
        raise MechanismError(f"{type(mechanism).__name__} splits no market; only Muda does")
    given, _ = mechanism.places(orders)
    if given is not None:
        return np.where(accepted, given, REFUSED).astype(np.uint8)
    assert mechanism.seed is not None  # it is needed where no partition is given
    agents = next(ids for ids in (orders.participant, orders.order, np.arange(orders.n)) if ids is not None)
    markets = np.zeros(orders.n, np.int64) if orders.market is None else orders.market
    _, ranks = np.unique(markets, return_inverse=True)
    pairs, which = np.unique(np.stack([ranks[accepted], agents[accepted]]), axis=1, return_inverse=True)
    coins = np.empty(pairs.shape[1], np.uint8)
    draws = Draws(mechanism.seed, 0)
    rank_before = 0
    for pair, rank in enumerate(pairs[0].tolist()):  # by market, then id: the order in which coins fall
        if rank != rank_before:
            draws, rank_before = Draws(mechanism.seed, rank), rank
        coins[pair] = draws.coin()
    found = np.full(orders.n, REFUSED, np.uint8)
    found[accepted] = coins[which.reshape(-1)]
    return found
