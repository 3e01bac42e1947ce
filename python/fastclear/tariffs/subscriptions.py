"""Fixed charges by the month, prorated by local days.

A month of *D* days at an amount *m* has cost floor(m·d / D) after *d* of them. What a run of days costs is the
difference of two such sums: however a month is cut, by joining, leaving, moving house or weekly bills, its parts sum to
*m* exactly.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final

from fastclear.columns import INT64_MAX, Participant, whole
from fastclear.errors import SettlementError
from fastclear.tariff import Tariff
from fastclear.tariffs.plan import TariffPlan

Month = str | tuple[date, date]
"""A period: a calendar month, ``"2026-03"``, or (first day, first day after it)."""

_MONTH: Final = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True)
class Charge:
    """One line: what a participant pays for a run of days of one month at one amount and tax."""

    participant: Participant
    first: date
    until: date
    amount: int
    tax_ppm: int


@dataclass(frozen=True, slots=True)
class _Membership:
    since: date
    until: date
    per_month: int | None
    charged_until: date


class Subscriptions:
    """Who has a fixed charge and since when, and up to which day it has been charged."""

    def __init__(self, tariff: Tariff | TariffPlan) -> None:
        self._tariff = tariff
        self._members: dict[Participant, tuple[_Membership, ...]] = {}

    def __copy__(self) -> Subscriptions:
        """Return one that goes on by itself."""
        twin = Subscriptions(self._tariff)
        twin._members = dict(self._members)
        return twin

    def begin(self, names: Sequence[Participant], since: date, per_month: int | None) -> None:
        """Let a charge run from `since` on.

        Raises
        ------
        SettlementError
            No day, no amount, or one who is charged on that day already.
        """
        first = _day("since", since)
        if per_month is None:
            if isinstance(self._tariff, Tariff):
                raise SettlementError("a flat tariff names no fixed charge; give per_month in nano-currency")
            self._tariff.subscription(first)
        elif not 0 <= whole("per_month", per_month) <= INT64_MAX:
            raise SettlementError(f"per_month = {per_month}; give nano-currency a month, 0 or more")
        for name in names:
            for earlier in self._members.get(name, ()):
                if earlier.until > first:
                    raise SettlementError(
                        f"participant {name!r} has a fixed charge since {earlier.since}; end it with unsubscribe first"
                    )
        if len(set(names)) < len(names):
            raise SettlementError("a participant is named twice; name each one once")
        for name in names:
            begun = _Membership(first, date.max, per_month, first)
            self._members[name] = (*self._members.get(name, ()), begun)

    def end(self, names: Sequence[Participant], until: date) -> None:
        """Let a charge end before `until`.

        Raises
        ------
        SettlementError
            One who has no charge that runs, or days that have been charged.
        """
        last = _day("until", until)
        for name in names:
            runs = self._members.get(name, ())
            if not runs or runs[-1].until < date.max:
                raise SettlementError(f"participant {name!r} has no fixed charge that runs; subscribe it first")
            if last < runs[-1].charged_until:
                raise SettlementError(
                    f"participant {name!r} has been charged up to {runs[-1].charged_until}; end it then or later"
                )
        for name in names:
            *earlier, latest = self._members[name]
            self._members[name] = (*earlier, replace(latest, until=last))

    def charges(self, period: Month) -> list[Charge]:
        """What the period costs, by participant in the order of joining, then by day.

        Raises
        ------
        SettlementError
            A period that cannot be read or reaches into charged days, or a day before the plan.
        """
        first, until = _period(period)
        lines: list[Charge] = []
        priced: dict[tuple[date, date, int | None], list[tuple[date, date, int, int]]] = {}  # most have the same days
        for name, memberships in self._members.items():
            for membership in memberships:
                start, end = max(first, membership.since), min(until, membership.until)
                if start >= end:
                    continue
                if start < membership.charged_until:
                    raise SettlementError(
                        f"participant {name!r} has been charged up to {membership.charged_until}; "
                        "charge each day once, from there on"
                    )
                days = start, end, membership.per_month
                if days not in priced:
                    priced[days] = [
                        (run_start, run_end, prorated(per_month, run_start, run_end), tax_ppm)
                        for run_start, run_end, (per_month, tax_ppm) in self._runs(*days)
                    ]
                lines += [Charge(name, *run) for run in priced[days]]
        return lines

    def charged(self, period: Month) -> None:
        """Note that a period has been charged."""
        first, until = _period(period)
        for name, memberships in self._members.items():
            self._members[name] = tuple(
                replace(item, charged_until=max(item.charged_until, min(until, item.until)))
                if max(first, item.since) < min(until, item.until)
                else item
                for item in memberships
            )

    def _rate(self, day: date, per_month: int | None) -> tuple[int, int]:
        """Nano-currency a month and its tax on one day."""
        if isinstance(self._tariff, Tariff):
            return per_month or 0, self._tariff.tax_ppm
        planned, tax_ppm = self._tariff.subscription(day)
        return planned if per_month is None else per_month, tax_ppm

    def _runs(self, start: date, end: date, per_month: int | None) -> Iterator[tuple[date, date, tuple[int, int]]]:
        """Days of one month each at one amount and tax, with both."""
        changes = [] if isinstance(self._tariff, Tariff) else self._tariff.changes()
        while start < end:
            rate = self._rate(start, per_month)
            month = min(end, _next_month(start))
            other = (day for day in changes if start < day < month and self._rate(day, per_month) != rate)
            stop = next(other, month)
            yield start, stop, rate
            start = stop


def prorated(per_month: int, start: date, until: date) -> int:
    """What the days from `start` to before `until`, all of one month, cost at `per_month`.

    Examples
    --------
    >>> prorated(100, date(2028, 2, 1), date(2028, 2, 15)), prorated(100, date(2028, 2, 15), date(2028, 3, 1))
    (48, 52)
    """
    days = calendar.monthrange(start.year, start.month)[1]
    before = start.day - 1
    after = before + (until - start).days
    return per_month * after // days - per_month * before // days


def _next_month(day: date) -> date:
    return (day.replace(day=28) + timedelta(days=4)).replace(day=1)


def _day(name: str, value: object) -> date:
    if not isinstance(value, date) or isinstance(value, datetime):
        raise SettlementError(f"{name} = {value!r} is no date; give a datetime.date, a local day")
    if value.year >= date.max.year:
        raise SettlementError(f"{name} = {value} is too late; give a year before {date.max.year}")
    return value


def _period(period: object) -> tuple[date, date]:
    if isinstance(period, str) and (match := _MONTH.fullmatch(period)) and 0 < int(match[1]) < date.max.year:
        first = date(int(match[1]), int(match[2]), 1)
        return first, _next_month(first)
    if isinstance(period, tuple) and len(period) == 2:
        first, until = (_day("period", day) for day in period)
        if first < until:
            return first, until
        raise SettlementError(f"period from {first} to {until} has no day; give (first day, first day after it)")
    raise SettlementError(f'period {period!r}; give a month like "2026-03", or (first day, first day after it)')
