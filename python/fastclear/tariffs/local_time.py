"""Slots in the clock of their place: local day, month, weekday and time of day of UTC instants.

The only place of settlement where local time exists. Offsets come from :mod:`zoneinfo`, slot by slot, so that a day has
as many slots as its clock gives it: 92, 96 or 100 quarter-hours, 94 or 98 on Lord Howe.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear.columns import int64, plain, whole
from fastclear.errors import SettlementError

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NS: Final = 1_000_000_000
_DAY_S: Final = 86_400
_SECOND: Final = timedelta(seconds=1)
_THURSDAY: Final = 3  # 1970-01-01, Monday = 0


@dataclass(frozen=True, slots=True)
class LocalTime:
    """Local calendar of some slots, one array a field, shape (slots,).

    Attributes
    ----------
    day : ndarray of int64
        Local days since 1970-01-01.
    month : ndarray of int64
        1 to 12.
    weekday : ndarray of int64
        Monday = 0.
    second : ndarray of int64
        Seconds since local midnight, as the clock shows them.
    offset : ndarray of int64
        Local time less UTC, seconds.
    """

    day: NDArray[np.int64]
    month: NDArray[np.int64]
    weekday: NDArray[np.int64]
    second: NDArray[np.int64]
    offset: NDArray[np.int64]


def time_zone(name: object) -> ZoneInfo:
    """The zone of this IANA name.

    Raises
    ------
    SettlementError
        No such zone, or none at all on this machine.
    """
    if not isinstance(name, str):
        raise SettlementError(f"time_zone is a {type(name).__name__}; give a name such as 'Europe/Amsterdam'")
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise SettlementError(
            f"time_zone {name!r} is not known here; use a name such as 'Europe/Amsterdam', "
            "and install tzdata where the system has no zones"
        ) from error


def slot_ns(slot: object) -> int:
    """The start of a slot as nanoseconds since 1970 UTC, from those or from a datetime with a time zone.

    Raises
    ------
    SettlementError
        Anything else, and what does not fit 64 bits.
    """
    if isinstance(slot, datetime):
        if slot.tzinfo is None or slot.utcoffset() is None:
            raise SettlementError(f"slot {slot} has no time zone; say which, for example tzinfo=datetime.UTC")
        return whole("slot", (slot - EPOCH) // timedelta(microseconds=1) * 1000)
    value = plain(slot)
    if isinstance(value, bool) or not isinstance(value, int):
        raise SettlementError(
            f"slot {slot!r} is a {type(slot).__name__}; give nanoseconds since 1970 UTC or a datetime with a time zone"
        )
    return whole("slot", value)


def slot_column(slots: object) -> NDArray[np.int64]:
    """Slots as a column of nanoseconds since 1970 UTC.

    Parameters
    ----------
    slots : array, Series or iterable
        Integers (nanoseconds since 1970 UTC) or datetimes with a time zone.

    Raises
    ------
    SettlementError
        Anything else, named with its remedy.
    """
    if isinstance(slots, pl.Series) and isinstance(slots.dtype, pl.Datetime):
        if slots.dtype.time_zone is None:
            raise SettlementError('slots have no time zone; say which one with .dt.replace_time_zone("UTC")')
        slots = slots.dt.timestamp("ns")
    if isinstance(slots, np.ndarray) and slots.dtype.kind == "M":
        raise SettlementError("slots are datetimes without a time zone; give int64 nanoseconds UTC or a polars Series")
    if not isinstance(slots, np.ndarray | pl.Series):
        if isinstance(slots, str) or not isinstance(slots, Iterable):
            raise SettlementError(f"slots is a {type(slots).__name__}; give an array, a Series or a list of slots")
        slots = np.array([slot_ns(slot) for slot in slots], np.int64)
    return int64("slots", slots)


def localised(slots: NDArray[np.int64], zone: ZoneInfo) -> LocalTime:
    """The local calendar of slots given in nanoseconds since 1970 UTC."""
    instants = np.floor_divide(slots, _NS)
    distinct, index = np.unique(instants, return_inverse=True)
    offset = np.array([_offset(instant, zone) for instant in distinct.tolist()], np.int64)[index]
    local = instants + offset
    day = np.floor_divide(local, _DAY_S)
    return LocalTime(
        day=day,
        month=day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12 + 1,
        weekday=(day + _THURSDAY) % 7,
        second=local - day * _DAY_S,
        offset=offset,
    )


def local_of(slot: int, zone: ZoneInfo) -> tuple[int, int]:
    """Local day since 1970-01-01 and seconds since local midnight of one slot, as in :func:`localised`."""
    instant = slot // _NS
    return divmod(instant + _offset(instant, zone), _DAY_S)


def _offset(instant: int, zone: ZoneInfo) -> int:
    """Seconds from UTC to local time."""
    moment = EPOCH + timedelta(seconds=instant)
    return cast("timedelta", moment.astimezone(zone).utcoffset()) // _SECOND
