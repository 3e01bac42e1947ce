"""What a feeder was supplied with and no meter behind it has: losses, errors, or energy that nobody pays for."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from fastclear.errors import SchemaError

Int64 = NDArray[np.int64]
_MILLION: Final = 1_000_000


def feeder_balance(
    supplied_wh: ArrayLike,
    metered_wh: ArrayLike,
    feeder: ArrayLike,
    *,
    noise_wh: int,
    loss_ppm: int = 0,
    window_slots: int = 96,
    false_alarms: float = 0.01,
) -> pl.DataFrame:
    """Compare the meter at the head of each feeder with those of its members, window by window.

    In each slot ``u = supplied - sum of meters - losses`` is unaccounted for. Its running sum ``U`` over a window is
    flagged as soon as it passes ``b = z * noise * sqrt(window)``, rounded up, with ``z`` the normal quantile of
    ``1 - false_alarms / 2``. Where errors are independent and symmetric ``P(max U >= b) <= 2 P(U at the end >= b)``
    (Lévy's inequality), so that at most `false_alarms` of the windows without any theft are flagged. What is stolen
    adds up, and errors do not: that is how a few per cent show.

    Parameters
    ----------
    supplied_wh : array_like of int, shape (slots, feeders)
        What went into each feeder, net of what it gave back, Wh.
    metered_wh : array_like of int, shape (slots, members)
        What meters read, or what the records of a ledger say they did; Wh, + takes.
    feeder : array_like of int, shape (members,)
        The column of `supplied_wh` that each member hangs on.
    noise_wh : int
        Standard deviation of what is unaccounted for in a slot without theft, Wh.
    loss_ppm : int
        Part of what is supplied that the feeder loses, parts per million; rounded half up in each slot.
    window_slots : int
        Slots of a window; the last one may have fewer.
    false_alarms : float
        The share of honest windows that may be flagged.

    Returns
    -------
    polars.DataFrame
        One row a feeder and window: ``feeder``, ``first_slot`` (position), ``supplied_wh``, ``unaccounted_wh`` (at the
        end of the window), ``bound_wh``, ``flagged_after`` (slots until the sum passed the bound; null: it did not).

    Raises
    ------
    SchemaError
        If shapes do not fit or a value is out of range.

    Examples
    --------
    Two feeders with two homes each; 30 Wh a slot are missing on the second.

    >>> meters = np.full((96, 4), 500)
    >>> feeder_balance(meters[:, :2] * 2 + [0, 30], meters, [0, 0, 1, 1], noise_wh=20).select(
    ...     "feeder", "unaccounted_wh", "bound_wh", "flagged_after"
    ... ).rows()
    [(0, 0, 505, None), (1, 2880, 505, 17)]
    """
    supplied, metered = _table("supplied_wh", supplied_wh), _table("metered_wh", metered_wh)
    place = np.asarray(feeder)
    slots, feeders = supplied.shape
    if len(metered) != slots:
        raise SchemaError(f"supplied_wh has {slots} slots and metered_wh {len(metered)}: give both over the same")
    if place.shape != (metered.shape[1],) or place.dtype.kind not in "iu":
        raise SchemaError(f"feeder must have one whole number for each of the {metered.shape[1]} members")
    if place.size and not 0 <= int(place.min()) <= int(place.max()) < feeders:
        raise SchemaError(f"feeder names a column from {place.min()} to {place.max()}, supplied_wh has {feeders}")
    for name, value, low, high in (
        ("noise_wh", noise_wh, 1, 2**31),
        ("loss_ppm", loss_ppm, 0, _MILLION),
        ("window_slots", window_slots, 1, 2**31),
    ):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or not low <= value <= high:
            raise SchemaError(f"{name} must be a whole number from {low} to {high}, got {value!r}")
    if not 0 < false_alarms < 1:
        raise SchemaError(f"false_alarms must lie between 0 and 1, got {false_alarms!r}")
    there = np.zeros((slots, feeders), np.int64)
    np.add.at(there.T, place, metered.T)
    missing = supplied - there - (supplied * loss_ppm + _MILLION // 2) // _MILLION
    z = NormalDist().inv_cdf(1 - false_alarms / 2)
    rows = []
    for first in range(0, slots, window_slots):
        window = slice(first, first + window_slots)
        running = missing[window].cumsum(axis=0)
        bound = math.ceil(z * noise_wh * math.sqrt(len(running)))
        for column in range(feeders):
            over = np.flatnonzero(running[:, column] > bound)
            rows.append(
                (
                    column,
                    first,
                    int(supplied[window, column].sum()),
                    int(running[-1, column]),
                    bound,
                    int(over[0]) + 1 if len(over) else None,
                )
            )
    names = ("feeder", "first_slot", "supplied_wh", "unaccounted_wh", "bound_wh", "flagged_after")
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.Int64), orient="row").sort("feeder", "first_slot")


def _table(name: str, values: ArrayLike) -> Int64:
    array = np.asarray(values)
    if array.ndim != 2 or array.dtype.kind not in "iu":
        raise SchemaError(
            f"{name} must be whole numbers of the shape (slots, columns), got {array.dtype} {array.shape}"
        )
    if array.size and max(-int(array.min()), int(array.max())) >= 2**40:
        raise SchemaError(f"{name} must stay below 2^40 Wh")
    return array.astype(np.int64)
