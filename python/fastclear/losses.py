"""What a network loses of energy that is sent through it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fastclear.columns import INT64_MAX, int64, whole
from fastclear.errors import SettlementError

_MILLION: Final = 1_000_000


def network_losses(quantity_wh: Iterable[int], loss_ppm: int) -> NDArray[np.int64]:
    """Wh lost of each quantity that is sent, where a network loses a fixed part: received = sent x (1 - loss).

    Parameters
    ----------
    quantity_wh : column of integers, shape (n,)
        Wh that sellers feed in, 0 or more, for example the quantities of trades.
    loss_ppm : int
        Parts per million that are lost, 0 to 1,000,000; 15 % are 150,000.

    Returns
    -------
    ndarray of int64, shape (n,)
        Each quantity's part of floor(sum x loss), by largest remainder, ties to the first row: within 1 Wh of
        quantity x loss, and never above the quantity.

    Raises
    ------
    SettlementError
        A quantity below 0, a column that is not one of integers or sums to 2**63 and more, or a part that is none.

    Notes
    -----
    O(n log n). Integers only. What is lost in a slot goes to :meth:`Settlement.settle` as ``losses``.

    Examples
    --------
    >>> import fastclear as fc
    >>> sent = [1000, 333, 333, 334]
    >>> lost = fc.network_losses(sent, 150_000)
    >>> lost, int(lost.sum())
    (array([150,  50,  50,  50]), 300)
    """
    quantity = int64("quantity_wh", quantity_wh)
    part = whole("loss_ppm", loss_ppm)
    if not 0 <= part <= _MILLION:
        raise SettlementError(f"loss_ppm = {part}; give parts per million, 0 to {_MILLION}")
    if (quantity < 0).any():
        row = int((quantity < 0).argmax())
        raise SettlementError(f"column 'quantity_wh', row {row} is {quantity[row]}; give what is sent, 0 or more")
    # in two halves of 32 bits: no sum of 2**31 rows leaves 64
    total = (int((quantity >> 32).sum()) << 32) + int((quantity & 0xFFFF_FFFF).sum())
    if total > INT64_MAX:
        raise SettlementError("column 'quantity_wh' sums to 2^63 and more; split it")
    millions, rest = np.divmod(quantity, _MILLION)
    lost: NDArray[np.int64] = millions * part + rest * part // _MILLION
    left = total * part // _MILLION - int(lost.sum())
    most_cut_off = np.argsort(-(rest * part % _MILLION), kind="stable")[:left]
    lost[most_cut_off] += 1
    return lost
