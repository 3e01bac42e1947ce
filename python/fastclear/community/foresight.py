"""What members expect of slots to come, from slots that have been; or the truth, where that is asked for."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fastclear.community.agents import forecast as with_noise
from fastclear.community.devices.outlook import Known

Forecast = Literal["persistence", "yesterday", "noise"]
Foresight = Literal["none", "perfect"]
Int64 = NDArray[np.int64]


def expectation(
    table: Int64,
    slot: int,
    steps: int,
    *,
    forecast: Forecast,
    slots_a_day: int,
    seed: int = 1,
    error_ppm: int = 100_000,
) -> Int64:
    """The next `steps` slots as they are expected in `slot`; the slot at hand is seen as it is.

    Parameters
    ----------
    table : ndarray of int64, shape (slots, members)
        What will be metered.
    slot, steps : int
        Where we are, and how far we look; at most to the end of the table.
    forecast : {"persistence", "yesterday", "noise"}
        Every later slot like this one; like the same slot a day before (like this one, where there is no such day); or
        the truth with an error, see :func:`fastclear.community.forecast`. The first two see nothing after `slot`.
    slots_a_day : int
        For ``"yesterday"``.
    seed, error_ppm : int
        For ``"noise"``.

    Returns
    -------
    ndarray of int64, shape (steps, members)

    Examples
    --------
    >>> load = np.array([[10], [20], [30], [40]])
    >>> expectation(load, 2, 2, forecast="yesterday", slots_a_day=2).tolist()
    [[30], [20]]
    >>> expectation(load, 2, 2, forecast="persistence", slots_a_day=2).tolist()
    [[30], [30]]
    """
    rows = slot + np.arange(steps)
    if forecast == "noise":
        told = np.stack([with_noise(table[row], seed=seed, slot=int(row), error_ppm=error_ppm) for row in rows])
    elif forecast == "yesterday":
        # further ahead than a day, the same day is used again
        back = rows - slots_a_day * (1 + (rows - slot - 1) // slots_a_day)
        told = table[np.where((back >= 0) & (rows > slot), back, slot)]
    else:
        told = np.repeat(table[slot][None], steps, axis=0)
    told[0] = table[slot]
    return told


def knowledge(
    slot: int,
    steps: int,
    *,
    foresight: Foresight,
    forecast: Forecast,
    slots_a_day: int,
    seed: int,
    error_ppm: int,
) -> Known:
    """What is known in a slot of any table of the run."""

    def expect(table: Int64) -> Int64:
        if foresight == "perfect":
            return table[slot : slot + steps].copy()
        return expectation(
            table, slot, steps, forecast=forecast, slots_a_day=slots_a_day, seed=seed, error_ppm=error_ppm
        )

    return Known(all_ahead=foresight == "perfect", expect=expect)
