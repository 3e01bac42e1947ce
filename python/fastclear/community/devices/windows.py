"""Energy by a deadline: cars that stay for a while, and loads that can wait."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastclear.community.devices.device import Device
from fastclear.community.devices.outlook import Known, Outlook, Run
from fastclear.community.frame import Community
from fastclear.community.member_columns import ENERGY_LIMIT, NS_PER_HOUR, PPM, member_column, slot_energy
from fastclear.errors import PresetError

Int64 = NDArray[np.int64]
_FAR: Final = 2**32


@dataclass(frozen=True, eq=False)
class Windows:
    """When something may take energy, and how much it needs by the end; one row a window.

    Parameters
    ----------
    member : array_like of int
        Position of the member.
    arrival_slot, departure_slot : array_like of int
        First slot, and the first slot after the last, counted from 0 over the run.
    energy_wh : array_like of int
        What has to be stored more at departure than at arrival, Wh.
    arrival_wh : array_like of int, optional
        What is stored at arrival; by default 0.

    Raises
    ------
    PresetError
        If columns differ in length, a window is empty, or two windows of a member overlap.

    Examples
    --------
    >>> windows = Windows(member=[0, 0], arrival_slot=[72, 168], departure_slot=[124, 220], energy_wh=[8000, 12_000])
    >>> len(windows)
    2
    """

    member: ArrayLike
    arrival_slot: ArrayLike
    departure_slot: ArrayLike
    energy_wh: ArrayLike
    arrival_wh: ArrayLike | None = None
    columns: dict[str, Int64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        member = member_column("member", self.member)
        rows = len(member)
        columns = {
            "member": member,
            "arrival_slot": member_column("arrival_slot", self.arrival_slot, rows),
            "departure_slot": member_column("departure_slot", self.departure_slot, rows),
            "energy_wh": member_column("energy_wh", self.energy_wh, rows),
            "arrival_wh": member_column(
                "arrival_wh", np.zeros(rows, np.int64) if self.arrival_wh is None else self.arrival_wh, rows
            ),
        }
        empty = columns["departure_slot"] <= columns["arrival_slot"]
        if empty.any():
            at = int(np.argmax(empty))
            raise PresetError(
                f"window {at} departs in slot {columns['departure_slot'][at]}, which is not after its arrival in "
                f"{columns['arrival_slot'][at]}"
            )
        rank = np.lexsort((columns["arrival_slot"], member))
        columns = {name: values[rank] for name, values in columns.items()}
        same = columns["member"][1:] == columns["member"][:-1]
        overlap = same & (columns["arrival_slot"][1:] < columns["departure_slot"][:-1])
        if overlap.any():
            at = int(np.argmax(overlap))
            raise PresetError(
                f"member {columns['member'][at]} has a window that ends in slot {columns['departure_slot'][at]} "
                f"and one that begins in {columns['arrival_slot'][at + 1]}; give overlapping ones to two devices"
            )
        object.__setattr__(self, "columns", columns)

    def __len__(self) -> int:
        return len(self.columns["member"])

    @classmethod
    def daily(
        cls, community: Community, members: ArrayLike, *, tz: str, arrival: str, departure: str, energy_wh: ArrayLike
    ) -> Windows:
        """The same window of the local clock on every day, for some members.

        Parameters
        ----------
        community : Community
            Whose slots the windows are in. Windows that do not lie in them whole, or span a gap, are left out.
        members : array_like of int
            Positions.
        tz : str
            Zone of the clock, such as ``"Europe/Amsterdam"``. On days when clocks change, a window is as much shorter
            or longer as the clock says; a time that comes twice is the first, one that does not come is as much later.
        arrival, departure : str
            ``"18:00"``; a departure that is not later than the arrival is of the next day. Slots count whole: the first
            that begins at or after the arrival, the last that ends by the departure.
        energy_wh : array_like of int, shape (len(members),)
            Energy of each window.

        Returns
        -------
        Windows

        Examples
        --------
        >>> from fastclear.community import load_community
        >>> cars = Windows.daily(
        ...     load_community().days(2), [3], tz="Europe/Berlin", arrival="18:00", departure="07:00", energy_wh=[9000]
        ... )
        >>> cars.columns["arrival_slot"], cars.columns["departure_slot"]
        (array([64]), array([116]))
        """
        who = member_column("members", members, top=community.members.height - 1)
        energy = member_column("energy_wh", energy_wh, len(who))
        begin, end = _clock("arrival", arrival), _clock("departure", departure)
        try:
            zone = ZoneInfo(tz)
        except (KeyError, ValueError, OSError) as error:
            raise PresetError(f"tz={tz!r} is no time zone; use a name such as 'Europe/Amsterdam'") from error
        slots = community.slots
        first, last = (datetime.fromtimestamp(int(slots[at]) // 10**9, tz=zone).date() for at in (0, -1))
        found: list[tuple[int, int]] = []
        for number in range(-1, (last - first).days + 1):
            day = first + timedelta(days=number)
            start = _instant(day, begin, zone)
            stop = _instant(day if end > begin else day + timedelta(days=1), end, zone)
            a = int(np.searchsorted(slots, start))
            d = int(np.searchsorted(slots, stop - community.slot_ns, side="right"))
            whole = start >= slots[0] and stop <= slots[-1] + community.slot_ns and d > a
            if whole and slots[d - 1] - slots[a] == (d - 1 - a) * community.slot_ns:
                found.append((a, d))
        starts, stops = np.array(found, np.int64).reshape(-1, 2).T
        return cls(
            np.repeat(who, len(starts)),
            np.tile(starts, len(who)),
            np.tile(stops, len(who)),
            np.repeat(energy, len(starts)),
        )


def _clock(name: str, text: str) -> time:
    try:
        return time.fromisoformat(text)
    except (TypeError, ValueError) as error:
        raise PresetError(f"{name}={text!r} is no time of day; write '18:00'") from error


def _instant(day: date, clock: time, zone: ZoneInfo) -> int:
    moment = datetime.combine(day, clock, tzinfo=zone)
    return int(moment.timestamp()) * 10**9


class Charging(Device):
    """Windows with a store: what :class:`EvChargers` and :class:`DeferrableLoads` have in common.

    State is kept in millionths of a Wh, as in :class:`fastclear.community.Batteries`: all loss is booked when charging.
    """

    def __init__(
        self,
        windows: Windows,
        capacity_wh: Int64,
        charge_wh: Int64,
        discharge_wh: Int64,
        efficiency_ppm: Int64,
    ) -> None:
        members = len(capacity_wh)
        rows = windows.columns
        stray = rows["member"] >= members
        if stray.any():
            raise PresetError(f"a window names member {rows['member'][stray][0]}, there are {members}")
        full = rows["arrival_wh"] + rows["energy_wh"]
        over = full > capacity_wh[rows["member"]]
        if over.any():
            at = int(np.argmax(over))
            raise PresetError(
                f"a window of member {rows['member'][at]} needs {full[at]} Wh stored at departure, its capacity_wh is "
                f"{capacity_wh[rows['member'][at]]}"
            )
        self._rows = rows
        self._by_arrival = np.argsort(rows["arrival_slot"], kind="stable")
        self._arrivals = rows["arrival_slot"][self._by_arrival]
        self._capacity, self._efficiency = capacity_wh * PPM, efficiency_ppm
        self._charge, self._discharge = charge_wh, discharge_wh
        self._slot = 0
        self._departure = np.zeros(members, np.int64)  # of the window at hand; not later than the slot: none
        self._target = np.zeros(members, np.int64)
        self._stored = np.zeros(members, np.int64)
        self._short = np.zeros(members, np.int64)
        self._arrive()

    @property
    def stored_wh(self) -> Int64:
        """Whole Wh stored in what is there now, 0 where nothing is; int64, shape (members,)."""
        return np.where(self._here, self._stored // PPM, 0)

    @property
    def unserved_wh(self) -> Int64:
        """What was missing at departures so far, whole Wh each; int64, shape (members,)."""
        return self._short.copy()

    @property
    def _here(self) -> NDArray[np.bool_]:
        return self._departure > self._slot

    def _arrive(self) -> None:
        first, last = np.searchsorted(self._arrivals, [self._slot, self._slot + 1])
        rows = self._by_arrival[first:last]
        who = self._rows["member"][rows]
        self._departure[who] = self._rows["departure_slot"][rows]
        self._stored[who] = self._rows["arrival_wh"][rows] * PPM
        self._target[who] = self._stored[who] + self._rows["energy_wh"][rows] * PPM

    def needs(self) -> tuple[Int64, Int64]:
        """Wh that still have to be taken at the meter, and slots that are left for it, this one included."""
        room = (self._capacity - self._stored) // self._efficiency
        need = np.minimum(-((self._stored - self._target) // self._efficiency), room)
        return np.where(self._here, np.maximum(need, 0), 0), np.where(self._here, self._departure - self._slot, 0)

    def bounds(self) -> tuple[Int64, Int64]:
        """Least (negative where it can give) and most energy of this slot."""
        here = self._here
        need, left = self.needs()
        later = np.minimum(np.maximum(left - 1, 0) * self._charge, _FAR)
        room = (self._capacity - self._stored) // self._efficiency
        most = np.minimum(self._charge, room)
        must = np.minimum(np.maximum(need - later, 0), most)
        # it may give what can be made up for until departure
        spare = np.maximum(self._stored - np.maximum(self._target - later * self._efficiency, 0), 0) // PPM
        give = np.where(need > later, 0, np.minimum(self._discharge, spare))
        return np.where(here, must - give, 0), np.where(here, most, 0)

    def _book(self, energy_wh: Int64) -> None:
        charge, discharge = np.maximum(energy_wh, 0), np.maximum(-energy_wh, 0)
        here = self._here
        self._stored = self._stored + charge * self._efficiency - discharge * PPM
        self._slot += 1
        leaves = here & ~self._here
        self._short += np.where(leaves, np.maximum(self._target - self._stored, 0) // PPM, 0)
        self._arrive()

    def outlook(self, steps: int, known: Known) -> Outlook:
        """Windows that are open now, and with perfect foresight those to come."""
        members = len(self._capacity)
        look = Outlook.still(steps, members, storing=True)
        look.gain[:] = self._efficiency / PPM
        look.high_wh[:] = self._capacity / PPM
        look.start_wh[:] = np.where(self._here, self._stored / PPM, 0.0)
        here = np.flatnonzero(self._here)
        none = np.zeros(len(here), np.int64)
        opened = [(here, none, self._departure[here] - self._slot, self._target[here] / PPM, none / 1.0)]
        if known.all_ahead:
            rows = self._rows
            ahead = (rows["arrival_slot"] > self._slot) & (rows["arrival_slot"] < self._slot + steps)
            start = rows["arrival_wh"][ahead]
            opened.append(
                (
                    rows["member"][ahead],
                    rows["arrival_slot"][ahead] - self._slot,
                    rows["departure_slot"][ahead] - self._slot,
                    (start + rows["energy_wh"][ahead]) / 1.0,
                    start / 1.0,
                )
            )
        for who, begin, end, target, stored in opened:
            for m, b, e, goal, first in zip(who, begin, end, target, stored, strict=True):
                stays = slice(b, min(e, steps))
                look.up_wh[stays, m], look.down_wh[stays, m] = self._charge[m], self._discharge[m]
                if b:  # the store that arrives is another one
                    look.keep[b, m], look.change_wh[b, m] = 0.0, first
                if e <= steps:
                    look.low_wh[e - 1, m], look.may_fall_short[e - 1, m] = goal, True
        return look


@dataclass(eq=False, repr=False)
class EvChargers(Charging):
    """Cars: they arrive, have to have so much more by departure, and may give energy back (V2G).

    Parameters
    ----------
    windows : Windows
        When they are there and what they need. Nothing is known of a car before it arrives.
    capacity_wh : array_like of int, shape (members,)
        What a full car can give, Wh.
    charge_w, discharge_w : array_like of int, shape (members,)
        Power limits, W; `discharge_w` 0 (the default) means no V2G.
    efficiency_ppm : array_like of int, optional
        Efficiency of a full cycle, booked when charging; by default 1,000,000.
    slot_ns : int, default 15 minutes

    Raises
    ------
    PresetError
        If a value is out of range or a window asks for more than fits.

    Examples
    --------
    >>> car = EvChargers(Windows([0], [0], [3], [1500]), capacity_wh=[40_000], charge_w=[4000])
    >>> car.bounds()                                       # 4 kW are 1,000 Wh a slot: two of three slots are enough
    (array([0]), array([1000]))
    >>> car.take([0]); car.take([700]); car.bounds()
    (array([800]), array([1000]))
    """

    windows: Windows
    capacity_wh: ArrayLike
    charge_w: ArrayLike
    discharge_w: ArrayLike | None = None
    efficiency_ppm: ArrayLike | None = None
    slot_ns: int = NS_PER_HOUR // 4

    def __post_init__(self) -> None:
        capacity = member_column("capacity_wh", self.capacity_wh)
        n = len(capacity)

        def column(name: str, values: Any, default: int, low: int, top: int) -> Int64:
            return member_column(name, np.full(n, default) if values is None else values, n, low=low, top=top)

        charge = slot_energy(column("charge_w", self.charge_w, 0, 0, ENERGY_LIMIT - 1), self.slot_ns)
        discharge = slot_energy(column("discharge_w", self.discharge_w, 0, 0, ENERGY_LIMIT - 1), self.slot_ns)
        efficiency = column("efficiency_ppm", self.efficiency_ppm, PPM, 1, PPM)
        super().__init__(self.windows, capacity, charge, discharge, efficiency)


@dataclass(eq=False, repr=False)
class DeferrableLoads(Charging):
    """Loads that can wait: so much energy by a deadline (a boiler, a pool pump, a washing machine).

    Parameters
    ----------
    windows : Windows
        From when until when, and how much; `arrival_wh` is not used.
    power_w : array_like of int, shape (members,)
        Power limit, W.
    slot_ns : int, default 15 minutes
    interruptible : bool, default True
        Whether they may stop and go on, at any power up to the limit. If not, each window is one run at full power,
        without a break (the last slot of it takes the rest), which begins in time to end by the deadline; where the
        window is too short for that it begins at once, and what is missing is unserved.

    Examples
    --------
    >>> boiler = DeferrableLoads(Windows([0], [0], [2], [900]), power_w=[2000])
    >>> boiler.bounds()                                        # at most 500 Wh a slot: 400 cannot wait
    (array([400]), array([500]))
    >>> washing = DeferrableLoads(Windows([0], [0], [4], [900]), power_w=[2000], interruptible=False)
    >>> washing.bounds(), washing.allowed(np.array([300])), washing.allowed(np.array([200]))     # 0 or 500
    ((array([0]), array([500])), array([500]), array([0]))
    >>> washing.take([500]); washing.bounds()                  # once it has begun it runs through
    (array([400]), array([400]))
    """

    windows: Windows
    power_w: ArrayLike
    slot_ns: int = NS_PER_HOUR // 4
    interruptible: bool = True

    def __post_init__(self) -> None:
        power = member_column("power_w", self.power_w)
        rows = self.windows.columns
        if rows["arrival_wh"].any():
            raise PresetError("a deferrable load has nothing stored as it begins; leave arrival_wh out")
        # capacity is what each window needs, so that nothing more is taken; per member the largest will do, see bounds
        capacity = np.zeros(len(power), np.int64)
        inside = rows["member"] < len(power)
        np.maximum.at(capacity, rows["member"][inside], rows["energy_wh"][inside])
        none = np.zeros(len(power), np.int64)
        super().__init__(self.windows, capacity, slot_energy(power, self.slot_ns), none, np.full(len(power), PPM))

    def bounds(self) -> tuple[Int64, Int64]:
        """Least and most energy of this slot; never more than is still needed."""
        least, most = super().bounds()
        need, left = self.needs()
        most = np.minimum(most, need)
        if self.interruptible:
            return least, most
        return np.where(self.begun | (left <= self.run_slots), most, 0), most

    def allowed(self, wish_wh: Int64) -> Int64:
        """The allowed energy that is closest to a wish; a run is taken whole or not at all, and waits in a tie."""
        energy = super().allowed(wish_wh)
        if self.interruptible:
            return energy
        least, most = self.bounds()
        return np.where(2 * energy > most, most, least)

    @property
    def begun(self) -> NDArray[np.bool_]:
        """Whether something of the window at hand has been taken; bool, shape (members,)."""
        return self._here & (self._stored > 0)

    @property
    def run_slots(self) -> Int64:
        """Slots that a run at full power still takes, 0 where nothing is needed; int64, shape (members,)."""
        return -(-self.needs()[0] // np.maximum(self._charge, 1))

    def may_begin(self) -> list[tuple[int, int]]:
        """Members whose run has not begun and need not begin yet, each with the slots that its window has left."""
        need, left = self.needs()
        waits = (need > 0) & (self._charge > 0) & ~self.begun & (left > self.run_slots)
        return [(int(member), int(left[member])) for member in np.flatnonzero(waits)]

    def profile(self, member: int, need_wh: int) -> Int64:
        """What a run takes slot by slot: full power, and the rest in the last; int64."""
        power = int(self._charge[member])
        full, rest = divmod(need_wh, power) if power else (0, 0)
        return np.array([power] * full + [rest] * (rest > 0), np.int64)

    def outlook(self, steps: int, known: Known) -> Outlook:
        """As for cars, but nothing is stored beyond the need, and nothing is given back."""
        if not self.interruptible:
            return self._outlook_of_runs(steps, known)
        look = super().outlook(steps, known)
        # the store of a window is full when it ends: what is more would be thrown away, and is not taken
        starts = np.where(self._here, self._target / PPM, 0.0)
        look.high_wh[:] = np.maximum(starts, np.where(look.may_fall_short, look.low_wh, 0.0).max(axis=0, initial=0.0))
        return look

    def _outlook_of_runs(self, steps: int, known: Known) -> Outlook:
        """Each window is a run that begins once."""
        look = Outlook.still(steps, len(self._capacity), storing=False)
        need, left = self.needs()
        open_now = [(int(m), 0, int(left[m]), int(need[m]), bool(self.begun[m])) for m in np.flatnonzero(need)]
        if known.all_ahead:
            rows = self._rows
            ahead = np.flatnonzero((rows["arrival_slot"] > self._slot) & (rows["arrival_slot"] < self._slot + steps))
            names = ("member", "arrival_slot", "departure_slot", "energy_wh")
            for member, begin, end, energy in zip(*(rows[name][ahead].tolist() for name in names), strict=True):
                open_now.append((member, begin - self._slot, end - self._slot, energy, False))
        runs = []
        for member, first, end, energy, begun in open_now:
            profile = self.profile(member, energy).astype(np.float64)
            if not len(profile):
                continue
            latest = first if begun else max(end - len(profile), first)  # too late already: at once
            # what lies beyond the steps at hand costs nothing here, as with everything else that can wait so long
            last = min(latest, steps - 1)
            ends = min(end, steps)
            runs.append(Run(member, first, last, profile[: end - first], may_wait=latest > last))
            look.up_wh[first:ends, member] = self._charge[member]
        look.gain[:] = 0.0
        return replace(look, runs=tuple(runs))
