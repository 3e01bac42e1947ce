"""Net metering with energy credits: what a member feeds in one month makes up for what it draws in later ones.

Energy, not money: what the units of a member gave the grid in a month is set off against what they took in it, and what
is left is banked as credits in Wh, used oldest first, until they expire.

Source: Brazil's compensation system. ANEEL's REN 482/2012 let credits last 36 months, REN 687/2015 60 months; law
14.300/2022 keeps 60, and lets the surplus of a holder's unit go to its other units. Quoted from memory of these texts;
what is stated and what is our reading stands at :class:`EnergyCredits`.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

import polars as pl

from fastclear.columns import Participant, checked_name, int64, items, whole
from fastclear.errors import SettlementError
from fastclear.members import participant_series

_MONTH: Final = re.compile(r"(\d{4})-(\d{2})")
_VALIDITY_MAX: Final = 1200
_WH_MAX: Final = 10**15
_ENERGY: Final = ("consumed_wh", "injected_wh")
_LINES: Final = ("own_wh", "from_units_wh", "from_credits_wh", "billed_wh", "to_units_wh", "banked_wh")

Lots = deque[list[int]]
"""Credits of a member, oldest first: month (counted from year 0) and Wh left of each."""


@dataclass(frozen=True, slots=True)
class CreditMonth:
    """What a month came to; see :meth:`EnergyCredits.close_month`.

    Attributes
    ----------
    month : str
        Year and month, such as ``"2026-01"``.
    units : polars.DataFrame
        One row a unit, in the order given: ``participant``, ``unit`` (null where none was given), ``consumed_wh``,
        ``injected_wh``; of what it consumed, ``own_wh`` (set off by itself within the month), ``from_units_wh`` (by
        other units of its member), ``from_credits_wh``, ``billed_wh`` (the rest); of what it injected beside
        ``own_wh``, ``to_units_wh`` and ``banked_wh``.
    expired : polars.DataFrame
        Credits that expired as the month began: ``participant``, ``since`` (month they are of), ``credit_wh``.
    """

    month: str
    units: pl.DataFrame
    expired: pl.DataFrame


@dataclass(slots=True)
class _Unit:
    """One unit in one month, Wh."""

    consumed: int
    injected: int
    may_offset: int
    own: int = field(init=False)
    from_units: int = 0
    from_credits: int = 0
    to_units: int = 0

    def __post_init__(self) -> None:
        self.own = min(self.may_offset, self.injected)

    @property
    def lacks(self) -> int:
        return self.may_offset - self.own - self.from_units - self.from_credits

    @property
    def surplus(self) -> int:
        return self.injected - self.own - self.to_units

    def row(self) -> tuple[int, ...]:
        billed = self.consumed - self.own - self.from_units - self.from_credits
        return self.own, self.from_units, self.from_credits, billed, self.to_units, self.surplus


class EnergyCredits:
    """Accounts of energy credits, one a member, in Wh and by month of origin.

    Each month, for each member: credits past their validity expire; each unit's injection is set off against its own
    consumption; what is left of it goes to the member's other units that still lack energy; then credits do, oldest
    first; what no unit needs is banked as a credit of this month. A unit always pays for its minimum.

    Parameters
    ----------
    validity_months : int, default 60
        For how many months after its own a credit can be used. 60: law 14.300/2022 (36 under REN 482/2012 before 2015).
        A credit of January 2026 can be used until January 2031 and expires as February 2031 begins.
    minimum_wh : int, default 0
        Consumption of a unit and month that nothing is set off against: the cost of availability, 30 to 100 kWh by
        the number of phases. A column ``minimum_wh`` says it unit by unit.

    Raises
    ------
    SettlementError
        A validity outside 0 to 1200 months, or a minimum below 0.

    Notes
    -----
    Stated by the sources: compensation in energy, within the month first; validity; other units of the same holder.
    Our reading: units are served in the order of their rows (the holder's order of use); what other units have over in
    the month comes before credits; credits belong to the member and serve any of its units. What was injected is own +
    to other units + banked, and what was banked is used + expired + held, to the Wh.

    Examples
    --------
    >>> import fastclear as fc
    >>> credits = fc.EnergyCredits(validity_months=60)
    >>> meters = {"participant": ["Ana", "Ana"], "unit": ["house", "shop"]}
    >>> summer = credits.close_month("2026-01", meters | {"consumed_wh": [100, 200], "injected_wh": [500, 0]})
    >>> summer.units.select("unit", "own_wh", "from_units_wh", "to_units_wh", "banked_wh").rows()
    [('house', 100, 0, 200, 200), ('shop', 0, 200, 0, 0)]
    >>> winter = credits.close_month("2026-07", meters | {"consumed_wh": [100, 150], "injected_wh": [0, 0]})
    >>> winter.units.select("unit", "from_credits_wh", "billed_wh").rows()
    [('house', 100, 0), ('shop', 100, 50)]
    """

    def __init__(self, validity_months: int = 60, minimum_wh: int = 0) -> None:
        self.validity_months = whole("validity_months", validity_months)
        self.minimum_wh = whole("minimum_wh", minimum_wh)
        if not 0 <= self.validity_months <= _VALIDITY_MAX:
            raise SettlementError(f"validity_months is {validity_months}; give 0 to {_VALIDITY_MAX}")
        if self.minimum_wh < 0:
            raise SettlementError(f"minimum_wh is {minimum_wh}; give 0 or more")
        self._held: dict[Participant, Lots] = {}
        self._last: int | None = None
        self._totals: Counter[str] = Counter(banked=0, used=0, expired=0)

    def __copy__(self) -> EnergyCredits:
        """Return accounts of their own that hold the same."""
        twin = EnergyCredits(self.validity_months, self.minimum_wh)
        twin._held = {name: deque(list(lot) for lot in lots) for name, lots in self._held.items()}
        twin._last, twin._totals = self._last, self._totals.copy()
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> EnergyCredits:
        """Return what :func:`copy.copy` does: nothing is shared."""
        return self.__copy__()

    def close_month(self, month: str | date, meters: object) -> CreditMonth:
        """Set off a month's consumption and bank what is left.

        Parameters
        ----------
        month : str or date
            ``"2026-01"``, or any day of it. Months rise; those left out have no meters, and credits age in them too.
        meters : frame or mapping of columns
            ``participant``, ``consumed_wh`` and ``injected_wh`` (integers, 0 or more: what the unit took from the grid
            and gave it over the month, not set off against each other), optional ``unit`` where a participant has
            several and ``minimum_wh``.

        Returns
        -------
        CreditMonth

        Raises
        ------
        SettlementError
            A month that does not come after the last one, a column that is missing or of another length, energy below
            0 or above 10^15 Wh, or a unit that is given twice; then nothing has happened.

        Notes
        -----
        Time O(units + credits used).
        """
        number = _number(month)
        if self._last is not None and number <= self._last:
            raise SettlementError(f"month {_named(number)} does not come after {_named(self._last)}, which is closed")
        names, places, units = self._read(meters)
        expired = self._expire(number)
        of_member: dict[Participant, list[_Unit]] = {}
        for name, unit in zip(names, units, strict=True):
            of_member.setdefault(name, []).append(unit)
        for name, own in of_member.items():
            _share(own)
            self._use(name, own)
            left = sum(unit.surplus for unit in own)
            if left:
                self._held.setdefault(name, deque()).append([number, left])
                self._totals["banked"] += left
        self._last = number
        lines = list(zip(*(unit.row() for unit in units), strict=True)) or [()] * len(_LINES)
        frame = [
            participant_series(names),
            _unit_series(places),
            pl.Series("consumed_wh", [unit.consumed for unit in units], dtype=pl.Int64),
            pl.Series("injected_wh", [unit.injected for unit in units], dtype=pl.Int64),
            *(pl.Series(line, list(wh), dtype=pl.Int64) for line, wh in zip(_LINES, lines, strict=True)),
        ]
        return CreditMonth(_named(number), pl.DataFrame(frame), _credit_frame(expired))

    @property
    def balances(self) -> pl.DataFrame:
        """Credits held: ``participant``, ``since`` (month of origin), ``credit_wh``, ``until`` (last month)."""
        rows = [(name, since, wh) for name, lots in self._held.items() for since, wh in lots]
        frame = _credit_frame(rows)
        until = [_named(since + self.validity_months) for _, since, _ in rows]
        return frame.with_columns(pl.Series("until", until, dtype=pl.String))

    @property
    def totals(self) -> dict[str, int]:
        """Wh since the beginning: ``banked``, ``used``, ``expired``, and ``held``, the first less the others."""
        return {**self._totals, "held": sum(wh for lots in self._held.values() for _, wh in lots)}

    def _expire(self, number: int) -> list[tuple[Participant, int, int]]:
        gone = []
        for name, lots in self._held.items():
            while lots and lots[0][0] + self.validity_months < number:
                since, wh = lots.popleft()
                gone.append((name, since, wh))
                self._totals["expired"] += wh
        return gone

    def _use(self, name: Participant, units: Iterable[_Unit]) -> None:
        """Let credits make up for what units lack, oldest first."""
        lots = self._held.get(name)
        for unit in units:
            while lots and unit.lacks:
                taken = min(unit.lacks, lots[0][1])
                unit.from_credits += taken
                lots[0][1] -= taken
                self._totals["used"] += taken
                if not lots[0][1]:
                    lots.popleft()

    def _read(self, meters: object) -> tuple[list[Participant], list[Any], list[_Unit]]:
        """Names, units' names, and energy of each row, checked."""
        columns: Mapping[str, Any]
        if isinstance(meters, Mapping):
            columns = meters
        elif isinstance(meters, pl.DataFrame) or hasattr(meters, "iloc"):
            columns = {name: meters[name] for name in meters.columns}  # type: ignore[index, attr-defined]
        else:
            raise SettlementError(
                f"meters is a {type(meters).__name__}; give a frame with participant, consumed_wh and injected_wh"
            )
        for name in ("participant", *_ENERGY):
            if name not in columns:
                raise SettlementError(f"meters has no column '{name}'; give participant, consumed_wh and injected_wh")
        names = [checked_name(name) for name in items(columns["participant"])]
        places = items(columns["unit"]) if "unit" in columns else [None] * len(names)
        energy = {name: int64(name, columns[name]).tolist() for name in _ENERGY}
        if "minimum_wh" in columns:
            energy["minimum_wh"] = int64("minimum_wh", columns["minimum_wh"]).tolist()
        else:
            energy["minimum_wh"] = [self.minimum_wh] * len(names)
        for column, values in {"unit": places, **energy}.items():
            if len(values) != len(names):
                raise SettlementError(f"column '{column}' has {len(values)} rows and 'participant' has {len(names)}")
        for column, values in energy.items():
            for row, wh in enumerate(values):
                if not 0 <= wh <= _WH_MAX:
                    raise SettlementError(f"column '{column}', row {row} is {wh}; give Wh from 0 to 10^15")
        seen: dict[tuple[Any, Any], int] = {}
        for row, key in enumerate(zip(((type(n), n) for n in names), places, strict=True)):
            if seen.setdefault(key, row) != row:
                raise SettlementError(
                    f"row {row} is the unit of row {seen[key]} again; give each unit of a member once"
                )
        units = [
            _Unit(consumed, injected, max(consumed - minimum, 0))
            for consumed, injected, minimum in zip(*energy.values(), strict=True)
        ]
        return names, places, units

    def __repr__(self) -> str:
        """Say what is held."""
        held = self.totals["held"]
        since = "no month closed" if self._last is None else f"closed to {_named(self._last)}"
        return f"EnergyCredits({held:,} Wh held, valid for {self.validity_months} months, {since})"


def _share(units: Sequence[_Unit]) -> None:
    """What units of one member have over, in order, goes to those that lack energy, in order."""
    giving = iter([unit for unit in units if unit.surplus])
    giver = next(giving, None)
    for unit in units:
        while giver is not None and unit.lacks:
            given = min(giver.surplus, unit.lacks)
            giver.to_units += given
            unit.from_units += given
            if not giver.surplus:
                giver = next(giving, None)


def _number(month: str | date) -> int:
    """A month, counted from year 0."""
    if isinstance(month, date):
        return month.year * 12 + month.month - 1
    found = _MONTH.fullmatch(month) if isinstance(month, str) else None
    if found is None or not 1 <= int(found[2]) <= 12:
        raise SettlementError(f"month is {month!r}; give year and month, such as '2026-01', or a date")
    return int(found[1]) * 12 + int(found[2]) - 1


def _named(number: int) -> str:
    return f"{number // 12:04d}-{number % 12 + 1:02d}"


def _unit_series(places: list[Any]) -> pl.Series:
    return participant_series(places).alias("unit")


def _credit_frame(rows: Sequence[tuple[Participant, int, int]]) -> pl.DataFrame:
    names, since, wh = (list(column) for column in zip(*rows, strict=True)) if rows else ([], [], [])
    return pl.DataFrame(
        [
            participant_series(names),
            pl.Series("since", [_named(month) for month in since], dtype=pl.String),
            pl.Series("credit_wh", wh, dtype=pl.Int64),
        ]
    )
