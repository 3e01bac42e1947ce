"""`Community`: who takes part, what they have, and what they consume and produce in every slot.

All energy is integer Wh a slot, all times are int64 nanoseconds UTC and name the start of a slot, so that
switch days of local time need no care: a day is 24 hours of UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from types import MappingProxyType

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear.community.digest import columns_digest
from fastclear.errors import PresetError

NS_PER_DAY = 86_400 * 10**9
"""Nanoseconds of a day of UTC."""

MEMBER_COLUMNS: Mapping[str, pl.DataType] = MappingProxyType(
    {
        "participant": pl.String(),
        "kind": pl.String(),
        "bus": pl.Int64(),
        "feeder": pl.Int64(),
        "pv_wp": pl.Int64(),
        "battery_wh": pl.Int64(),
        "battery_w": pl.Int64(),
        "battery_efficiency_ppm": pl.Int64(),
        "essential": pl.Boolean(),
    }
)
"""Columns of :attr:`Community.members`, in their order."""


def utc_text(ns: int) -> str:
    """Write a slot as people read it.

    Parameters
    ----------
    ns : int
        Nanoseconds since 1970 UTC.

    Returns
    -------
    str
        ISO 8601 with a ``Z``; seconds only where they are not zero.

    Examples
    --------
    >>> utc_text(1_720_396_800_000_000_000)
    '2024-07-08T00:00Z'
    """
    moment = datetime.fromtimestamp(ns // 10**9, tz=UTC)
    shape = "%Y-%m-%dT%H:%M:%S" if moment.second else "%Y-%m-%dT%H:%M"
    return moment.strftime(shape) + "Z"


def read_only(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give a C-contiguous int64 copy that nobody can write to."""
    fresh = np.array(values, dtype=np.int64, order="C", copy=True)
    fresh.flags.writeable = False
    return fresh


@dataclass(frozen=True, eq=False, repr=False)
class Community:
    """Members and their energy, slot by slot. Immutable; its arrays are read-only.

    Made by :func:`fastclear.community.load_community` or :func:`fastclear.community.community_from_frame`.

    Attributes
    ----------
    name : str
        Short name, such as ``embedded``.
    source : str
        One line that says what data this is; commands print it.
    slots : ndarray of int64, shape (slots,)
        Start of each slot, nanoseconds since 1970 UTC, strictly rising.
    slot_ns : int
        Length of a slot in nanoseconds.
    members : polars.DataFrame
        One row a member, in the order of the columns of `load_wh`: participant, kind (``home`` or
        ``clinic``, free text in a user's own data), bus, feeder (null where there is no grid), pv_wp,
        battery_wh, battery_w, battery_efficiency_ppm (parts per million of a full cycle), essential.
    load_wh, pv_wh : ndarray of int64, shape (slots, members)
        Consumption and production in Wh a slot, both >= 0.
    tariff : mapping of str to int
        What the data says about prices, in ticks (1e-6 currency a kWh): ``retail``, ``feed_in``,
        ``network_fee`` in the embedded data; empty where the data says nothing. Presets may set their own.

    Examples
    --------
    >>> from fastclear.community import load_community
    >>> community = load_community(season="summer")
    >>> community
    <Community embedded: 61 members, 7 days of 15-minute slots, 2024-07-08 to 2024-07-14>
    >>> community.load_wh.shape
    (672, 61)
    """

    name: str
    source: str
    slots: NDArray[np.int64]
    slot_ns: int
    members: pl.DataFrame
    load_wh: NDArray[np.int64]
    pv_wh: NDArray[np.int64]
    tariff: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shape = (len(self.slots), self.members.height)
        if self.load_wh.shape != shape or self.pv_wh.shape != shape:
            raise PresetError(
                f"load_wh {self.load_wh.shape} and pv_wh {self.pv_wh.shape} must have one row a slot and one "
                f"column a member: {shape}"
            )
        if 0 in shape:
            raise PresetError(f"a community needs at least one slot and one member, this has {shape[0]} and {shape[1]}")
        if self.slot_ns <= 0 or bool((np.diff(self.slots) < self.slot_ns).any()):
            raise PresetError("slots must rise, each by at least slot_ns")
        for column in ("slots", "load_wh", "pv_wh"):
            # object.__setattr__ is the documented way to finish a frozen dataclass; sharing the caller's
            # writable array would let the data change after its digest was taken
            object.__setattr__(self, column, read_only(getattr(self, column)))
        object.__setattr__(self, "members", _checked_members(self.members))
        object.__setattr__(self, "tariff", MappingProxyType(dict(self.tariff)))

    @property
    def participants(self) -> list[str]:
        """Names of the members, in the order of the columns of `load_wh`."""
        return self.members["participant"].to_list()

    @cached_property
    def essential(self) -> NDArray[np.bool_]:
        """Whether a member's load is essential and is served first; bool, shape (members,)."""
        values = self.members["essential"].to_numpy().copy()
        values.flags.writeable = False
        return values

    @cached_property
    def battery_wh(self) -> NDArray[np.int64]:
        """Usable capacity of each member's battery in Wh, 0 where there is none; int64, shape (members,)."""
        return self._member_column("battery_wh")

    @cached_property
    def battery_w(self) -> NDArray[np.int64]:
        """Power of each member's battery in W, the same in both directions; int64, shape (members,)."""
        return self._member_column("battery_w")

    @cached_property
    def battery_efficiency_ppm(self) -> NDArray[np.int64]:
        """Efficiency of a full cycle in parts per million; int64, shape (members,)."""
        return self._member_column("battery_efficiency_ppm")

    @cached_property
    def net_wh(self) -> NDArray[np.int64]:
        """Load minus PV in Wh, + = consumption; int64, shape (slots, members). Batteries are not in it."""
        return read_only(self.load_wh - self.pv_wh)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content (slots, members, energy, tariff), 64 hexadecimal digits.

        Two communities with equal digests give equal runs. Name and source are labels and not part of it.
        """
        tariff = sorted(self.tariff.items())
        members = {
            name: self.members[name].to_list()
            if isinstance(dtype, pl.String)
            # a null bus or feeder is hashed as -1, which is no bus
            else self.members[name].fill_null(-1 if not isinstance(dtype, pl.Boolean) else False).to_numpy()
            for name, dtype in MEMBER_COLUMNS.items()
        }
        return columns_digest(
            {
                "slot_ns": np.array([self.slot_ns]),
                "slots": self.slots,
                **members,
                "load_wh": self.load_wh,
                "pv_wh": self.pv_wh,
                "tariff": [name for name, _ in tariff],
                "ticks": np.array([value for _, value in tariff], dtype=np.int64),
            }
        )

    @property
    def slots_a_day(self) -> int:
        """Slots of a day of UTC, 96 for quarter-hours."""
        if NS_PER_DAY % self.slot_ns:
            raise PresetError(
                f"a slot of {self.slot_ns // 10**9} s does not divide a day; use slots that do, such as "
                "15 or 60 minutes"
            )
        return NS_PER_DAY // self.slot_ns

    @property
    def n_days(self) -> int:
        """Whole days in the data, counted in slots (days without data between two seasons do not count)."""
        return len(self.slots) // self.slots_a_day

    def days(self, n: int, start: int = 0) -> Community:
        """Take `n` whole days.

        Parameters
        ----------
        n : int
            How many days, at least 1.
        start : int, default 0
            The first of them, counted from 0.

        Returns
        -------
        Community
            The same members over those days.

        Raises
        ------
        PresetError
            If the data has fewer days.

        Examples
        --------
        >>> from fastclear.community import load_community
        >>> load_community().days(2).load_wh.shape
        (192, 61)
        """
        for name, value, least in (("n", n, 1), ("start", start, 0)):
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
                raise PresetError(f"days: {name} must be a whole number of at least {least}, got {value!r}")
        if start + n > self.n_days:
            after = f" after day {start}" if start else ""
            raise PresetError(
                f"days {n}{after} is beyond the data: {self.name} has {self.n_days} days "
                f"({utc_text(int(self.slots[0]))} to {utc_text(int(self.slots[-1]))}); ask for at most "
                f"{max(self.n_days - start, 0)} or load more data"
            )
        return self.take(slice(start * self.slots_a_day, (start + n) * self.slots_a_day))

    def take(self, window: slice) -> Community:
        """Take a range of slots by position; same members.

        Parameters
        ----------
        window : slice
            Positions in `slots`, step 1.

        Returns
        -------
        Community
            A community of its own.

        Raises
        ------
        PresetError
            If nothing is left, or the step is not 1.
        """
        if window.step not in (None, 1):
            raise PresetError("take: slots are taken one after the other, use a slice of step 1")
        return replace(self, slots=self.slots[window], load_wh=self.load_wh[window], pv_wh=self.pv_wh[window])

    def to_frame(self) -> pl.DataFrame:
        """Give the profiles as rows: slot (UTC), participant, load_wh, pv_wh; sorted by slot, then member.

        Examples
        --------
        >>> from fastclear.community import load_community
        >>> load_community().days(1).to_frame().columns
        ['slot', 'participant', 'load_wh', 'pv_wh']
        """
        n_members = self.members.height
        return pl.DataFrame(
            {
                "slot": np.repeat(self.slots, n_members),
                "participant": self.participants * len(self.slots),
                "load_wh": self.load_wh.ravel(),
                "pv_wh": self.pv_wh.ravel(),
            }
        ).with_columns(pl.col("slot").cast(pl.Datetime("ns", "UTC")))

    def __reduce__(self) -> tuple[type[Community], tuple[object, ...]]:
        # a read-only mapping cannot be pickled, and sweeps send communities to other processes
        plain = (self.name, self.source, self.slots, self.slot_ns, self.members, self.load_wh, self.pv_wh)
        return Community, (*plain, dict(self.tariff))

    def __repr__(self) -> str:
        minutes = self.slot_ns / 60e9
        day = NS_PER_DAY // self.slot_ns if NS_PER_DAY % self.slot_ns == 0 else 0
        span = f"{self.n_days} days" if day and len(self.slots) % day == 0 else f"{len(self.slots)} slots"
        first, last = (utc_text(int(self.slots[i]))[:10] for i in (0, -1))
        return (
            f"<Community {self.name}: {self.members.height} members, {span} of {minutes:g}-minute slots, "
            f"{first} to {last}>"
        )

    def _member_column(self, name: str) -> NDArray[np.int64]:
        return read_only(self.members[name].to_numpy())


def _checked_members(members: pl.DataFrame) -> pl.DataFrame:
    """Members with exactly the columns of `MEMBER_COLUMNS`, or a PresetError that names what is wrong."""
    missing = [name for name in MEMBER_COLUMNS if name not in members.columns]
    if missing:
        raise PresetError(f"members lack the column {missing[0]!r}; they need {', '.join(MEMBER_COLUMNS)}")
    try:
        members = members.select(pl.col(name).cast(dtype) for name, dtype in MEMBER_COLUMNS.items())
    except pl.exceptions.PolarsError as error:
        raise PresetError(f"members have a column of the wrong type: {error}") from error
    twice = members.filter(members["participant"].is_duplicated())
    if twice.height:
        raise PresetError(f"members: participant {twice['participant'][0]!r} is there twice; keep one row a member")
    for name in (
        "participant",
        "kind",
        "pv_wp",
        "battery_wh",
        "battery_w",
        "battery_efficiency_ppm",
        "essential",
    ):
        holes = members.filter(members[name].is_null())
        if holes.height:
            raise PresetError(
                f"members: {name} is null for {holes['participant'][0]!r}; give 0, or leave the column out"
            )
    for name in ("pv_wp", "battery_wh", "battery_w", "battery_efficiency_ppm"):
        # 2^31 is the widest quantity of an order, see contract.md; efficiency has its own bound
        top = 1_000_000 if name == "battery_efficiency_ppm" else 2**31 - 1
        wild = members.filter((members[name] < 0) | (members[name] > top))
        if wild.height:
            raise PresetError(
                f"members: {name} of {wild['participant'][0]!r} is {wild[name][0]}; it must be from 0 to {top}"
            )
    # a battery that keeps nothing of what it takes is a missing number, not a battery
    dead = members.filter((members["battery_wh"] > 0) & (members["battery_efficiency_ppm"] == 0))
    if dead.height:
        raise PresetError(
            f"members: {dead['participant'][0]!r} has a battery with battery_efficiency_ppm 0; give it, e.g. 900000"
        )
    return members
