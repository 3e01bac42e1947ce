"""Which windows hold when: every slot is in one of a few cells, and a cell says which windows hold.

Windows ask for the kind of day, the month and the time of day only. All that they can tell apart is laid out once as a
grid (weekday and holiday x month x stretch of the day between two hours that some window names), and equal columns of
it are one cell. A slot is then a look-up, one by one or as an array.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fastclear.tariffs.local_time import LocalTime, local_of, localised, time_zone
from fastclear.tariffs.model import DAYS, Window

_EPOCH_DAY: Final = date(1970, 1, 1)
_SATURDAY: Final = 5
_Ints = NDArray[np.int64]
_Bools = NDArray[np.bool_]


class Calendar:
    """The windows of a plan over the local clock.

    Attributes
    ----------
    names : tuple of str
        The windows.
    masks : ndarray of bool, shape (cells, windows)
        Which of them hold in each cell.
    """

    def __init__(self, zone: str, windows: Mapping[str, Window], holidays: Iterable[date]) -> None:
        self._zone = time_zone(zone)
        self._holidays = frozenset(day_number(day) for day in holidays)
        self.names = tuple(windows)
        stretches = {0, *(second for window in windows.values() for hours in window.seconds() for second in hours)}
        self._starts = np.array(sorted(stretches), np.int64)
        shape = (len(DAYS), 2, 12, len(self._starts))
        weekday, holiday, month, stretch = (axis.ravel() for axis in np.indices(shape))
        columns = [
            _covers(window, weekday, holiday == 1, month + 1, self._starts[stretch]) for window in windows.values()
        ]
        if columns:
            self.masks, cell = np.unique(np.array(columns).T, axis=0, return_inverse=True)
        else:
            self.masks, cell = np.zeros((1, 0), bool), np.zeros(len(weekday), np.int64)
        self._cells = cell.reshape(shape).astype(np.int64)

    def cells(self, slots: _Ints) -> tuple[LocalTime, _Ints]:
        """Local time and cell of each slot, given in nanoseconds since 1970 UTC."""
        local = localised(slots, self._zone)
        holiday = np.isin(local.day, np.array(sorted(self._holidays), np.int64)).astype(np.int64)
        stretch = np.searchsorted(self._starts, local.second, side="right") - 1
        return local, self._cells[local.weekday, holiday, local.month - 1, stretch]

    def cell(self, slot: int) -> tuple[int, int]:
        """Local day (since 1970-01-01) and cell of one slot: what :meth:`cells` says, without arrays."""
        day, second = local_of(slot, self._zone)
        today = date_of(day)
        stretch = int(self._starts.searchsorted(second, side="right")) - 1
        return day, int(self._cells[today.weekday(), int(day in self._holidays), today.month - 1, stretch])


def _covers(window: Window, weekday: _Ints, holiday: _Bools, month: _Ints, second: _Ints) -> _Bools:
    """Whether a window holds, element by element."""
    covered = np.ones(len(weekday), bool)
    if window.days:
        weekend = weekday >= _SATURDAY
        kinds = {"holiday": holiday, "weekend": weekend & ~holiday, "weekday": ~weekend & ~holiday}
        named = {name: weekday == index for index, name in enumerate(DAYS)}
        covered &= np.logical_or.reduce([(kinds | named)[name] for name in window.days])
    if window.months:
        covered &= np.isin(month, window.months)
    if window.hours:
        covered &= np.logical_or.reduce([(second >= start) & (second < end) for start, end in window.seconds()])
    return covered


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return (day - _EPOCH_DAY).days


def date_of(day: int) -> date:
    """The date that is so many days after 1970-01-01."""
    return _EPOCH_DAY + timedelta(days=day)
