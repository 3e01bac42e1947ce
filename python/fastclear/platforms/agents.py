"""How members bid on a platform, by the name that a preset gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fastclear.community import OrderColumns, zero_intelligence

Int64 = NDArray[np.int64]


def quotes(
    agent: str, expected_wh: Int64, *, retail: int, feed_in: int, fees: int, seed: int, slot: int
) -> OrderColumns:
    """Bids and asks of one slot.

    Parameters
    ----------
    agent : {"zero_intelligence", "posted_price"}
        Prices drawn anew in every slot where nobody can lose; or sellers that post a price once, drawn alike, and
        buyers that take any price up to what the grid charges less the fees.
    expected_wh : ndarray of int64, shape (members,)
        Net energy, + buys.
    retail, feed_in, fees : int
        Ticks.
    seed, slot : int
        As of :func:`fastclear.community.zero_intelligence`.
    """
    grid = {"retail": retail, "feed_in": feed_in, "fees": fees, "seed": seed}
    drawn = zero_intelligence(expected_wh, **grid, slot=slot)
    if agent == "zero_intelligence":
        return drawn
    # every member has a draw in slot 0, whether it trades then or not: its posted price
    posted = zero_intelligence(np.full(len(expected_wh), -1, dtype=np.int64), **grid, slot=0).price
    buys = drawn.side == 1
    return replace(drawn, price=np.where(buys, retail - fees, posted[drawn.participant]))
