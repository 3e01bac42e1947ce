"""Columns over members: whole numbers within bounds, or an error that says whose value is wrong."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastclear.errors import PresetError

PPM: Final = 1_000_000
"""Parts of a whole."""
NS_PER_HOUR: Final = 3600 * 10**9
ENERGY_LIMIT: Final = 2**31
"""Quantities of an order stay below it; times `PPM` they still fit an int64."""


def member_column(
    name: str, values: ArrayLike, length: int | None = None, *, low: int = 0, top: int = ENERGY_LIMIT - 1
) -> NDArray[np.int64]:
    """One-dimensional int64 copy within bounds.

    Raises
    ------
    PresetError
        Naming the column, the first member at fault and the bounds.

    Examples
    --------
    >>> member_column("power_w", [5, 0])
    array([5, 0])
    """
    array = np.asarray(values)
    if array.ndim != 1 or (length is not None and len(array) != length):
        raise PresetError(f"{name} must have one value a member{f' ({length})' if length else ''}, got {array.shape}")
    if array.dtype.kind not in "iu" and array.size:
        raise PresetError(f"{name} must be whole numbers, got {array.dtype}; round first and cast to int64")
    wild = (array < low) | (array > top)
    if wild.any():
        first = int(np.argmax(wild))
        raise PresetError(f"{name} of member {first} is {array[first]}; it must be from {low} to {top}")
    return array.astype(np.int64)


def slot_energy(power_w: NDArray[np.int64], slot_ns: int) -> NDArray[np.int64]:
    """Whole Wh that a power gives in a slot, rounded down.

    Raises
    ------
    PresetError
        If a slot is not from 1 ns to 24 hours long.

    Examples
    --------
    >>> slot_energy(np.array([2001]), 15 * 60 * 10**9)
    array([500])
    """
    if not 0 < slot_ns <= 24 * NS_PER_HOUR:
        raise PresetError(f"slot_ns must be from 1 ns to 24 hours, got {slot_ns}")
    # W * ns can pass 2^63 (a 2 GW battery, an hour): split off whole seconds first
    seconds, rest = divmod(slot_ns, 10**9)
    energy: NDArray[np.int64] = (power_w * seconds + power_w * rest // 10**9) // 3600
    return energy
