"""Billing periods: local calendar months, or half-open spans of time."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Final

from fastclear.errors import SettlementError
from fastclear.tariffs.local_time import slot_ns, time_zone

Period = str | tuple[date, date] | tuple[datetime, datetime] | tuple[int, int]
"""``"2026-03"``, or (start, end) with the end excluded: local days, datetimes with a time zone, ns since 1970 UTC."""

_MONTH: Final = re.compile(r"(\d{4})-(\d{2})")


def span(period: object, zone: str) -> tuple[int, int]:
    """First and last (excluded) nanosecond of a period since 1970 UTC.

    Raises
    ------
    SettlementError
        What is no period, or ends before it begins.

    Examples
    --------
    >>> first, end = span("2026-03", "Europe/Amsterdam")
    >>> (end - first) // (3600 * 10**9)  # 31 days, one of them of 23 hours
    743
    """
    if isinstance(period, str):
        match = _MONTH.fullmatch(period)
        if match is None or not (1 <= int(match[2]) <= 12 and 1 <= int(match[1]) < date.max.year):
            raise SettlementError(f'period {period!r} is no month; write it as "2026-03", or give (start, end)')
        year, month = int(match[1]), int(match[2])
        return _day(date(year, month, 1), zone), _day(date(year + month // 12, month % 12 + 1, 1), zone)
    if not isinstance(period, tuple) or len(period) != 2:
        raise SettlementError(f'period {period!r}; give a month like "2026-03", or (start, end)')
    start, end = (
        _day(edge, zone) if isinstance(edge, date) and not isinstance(edge, datetime) else slot_ns(edge)
        for edge in period
    )
    if start >= end:
        raise SettlementError(f"period {period!r} ends before it begins; the end is excluded")
    return start, end


def _day(day: date, zone: str) -> int:
    """Local midnight at which a day begins."""
    return slot_ns(datetime(day.year, day.month, day.day, tzinfo=time_zone(zone)))
