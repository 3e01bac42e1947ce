"""Battery plans by rule: what a home's battery does in a slot, without foresight and without floats.

Self-consumption first: surplus charges, deficit discharges, nothing else. The rule looks at the slot at
hand only, so that it can run slot by slot beside a market.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastclear.community.devices.device import Device
from fastclear.community.devices.outlook import Known, Outlook
from fastclear.community.frame import Community
from fastclear.community.member_columns import ENERGY_LIMIT, NS_PER_HOUR, PPM, member_column, slot_energy
from fastclear.errors import PresetError


class Batteries(Device):
    """Batteries of all members, and how full they are.

    All loss is booked when charging: of `c` Wh taken from the roof, ``c * efficiency_ppm / 1e6`` Wh can be
    given back later. The state is kept in millionths of a Wh, so that this is exact in integers, slot after
    slot: ``sum(charged) * efficiency_ppm == sum(discharged) * 1e6 + stored - stored at the start``.

    Parameters
    ----------
    capacity_wh : array_like of int, shape (members,)
        Energy that a full battery gives back, Wh; 0 where there is no battery.
    power_w : array_like of int, shape (members,)
        Power limit of charging (at the roof's side) and of discharging, W.
    efficiency_ppm : array_like of int, shape (members,)
        Efficiency of a full cycle, 1 to 1,000,000; ignored where capacity is 0.
    slot_ns : int, default 15 minutes
        Length of a slot in nanoseconds.
    stored_wh : array_like of int, optional
        State of charge at the start, Wh; empty by default.

    Raises
    ------
    PresetError
        If lengths differ or a value is out of range.

    Examples
    --------
    >>> home = Batteries(capacity_wh=[5000], power_w=[2000], efficiency_ppm=[900_000])
    >>> home.step([-800]), home.step([700]), home.stored_wh       # 2,000 W are 500 Wh in a quarter-hour
    (array([500]), array([-450]), array([0]))
    """

    def __init__(
        self,
        capacity_wh: ArrayLike,
        power_w: ArrayLike,
        efficiency_ppm: ArrayLike,
        *,
        slot_ns: int = NS_PER_HOUR // 4,
        stored_wh: ArrayLike | None = None,
    ) -> None:
        capacity = member_column("capacity_wh", capacity_wh, top=ENERGY_LIMIT - 1)
        members = len(capacity)
        power = member_column("power_w", power_w, members, top=ENERGY_LIMIT - 1)
        efficiency = member_column("efficiency_ppm", efficiency_ppm, members, top=PPM)
        stored = member_column("stored_wh", np.zeros(members, np.int64) if stored_wh is None else stored_wh, members)
        if ((efficiency == 0) & (capacity > 0)).any():
            raise PresetError("efficiency_ppm is 0 for a battery that exists; give it, e.g. 900000")
        if (stored > capacity).any():
            first = int(np.argmax(stored > capacity))
            raise PresetError(
                f"stored_wh of member {first} is above its capacity_wh ({stored[first]} > {capacity[first]})"
            )
        self._capacity = capacity * PPM
        self._power_wh = slot_energy(power, slot_ns)
        self._efficiency = np.maximum(efficiency, 1)  # divides below; where there is no battery any divisor will do
        self._stored = stored * PPM

    @classmethod
    def of(cls, community: Community) -> Batteries:
        """Empty batteries of a community's members, with its slot length."""
        return cls(
            community.battery_wh,
            community.battery_w,
            community.battery_efficiency_ppm,
            slot_ns=community.slot_ns,
        )

    @property
    def stored_wh(self) -> NDArray[np.int64]:
        """Whole Wh that each battery could give now, rounded down; int64, shape (members,)."""
        return self._stored // PPM

    @property
    def capacity_wh(self) -> NDArray[np.int64]:
        """What each full battery gives back, Wh; int64, shape (members,)."""
        return self._capacity // PPM

    @property
    def power_wh(self) -> NDArray[np.int64]:
        """Power limit in Wh a slot; int64, shape (members,)."""
        return self._power_wh.copy()

    @property
    def efficiency_ppm(self) -> NDArray[np.int64]:
        """Efficiency of a full cycle, 1 where there is no battery; int64, shape (members,)."""
        return self._efficiency.copy()

    @property
    def stored_micro_wh(self) -> NDArray[np.int64]:
        """The exact state in millionths of a Wh; int64, shape (members,)."""
        return self._stored.copy()

    def step(self, net_wh: ArrayLike) -> NDArray[np.int64]:
        """Run one slot and remember what it did to the batteries.

        Parameters
        ----------
        net_wh : array_like of int, shape (members,)
            Load minus PV in Wh, + = consumption.

        Returns
        -------
        ndarray of int64, shape (members,)
            Wh at the home's side: + charges (adds to consumption), - discharges. ``net_wh + step(net_wh)``
            is what the meter sees; it never changes sides, since the battery only works against `net_wh`
            and never beyond it.

        Raises
        ------
        PresetError
            If the length is wrong or values are not whole Wh below 2^31.
        """
        net = member_column("net_wh", net_wh, len(self._capacity), low=1 - ENERGY_LIMIT, top=ENERGY_LIMIT - 1)
        battery = np.clip(-net, *self.bounds())
        self._book(battery)
        return battery

    def bounds(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The most that each battery can give (negative) and take in this slot, Wh at the home's side."""
        room = (self._capacity - self._stored) // self._efficiency
        return -np.minimum(self._power_wh, self._stored // PPM), np.minimum(self._power_wh, room)

    def _book(self, energy_wh: NDArray[np.int64]) -> None:
        charge, discharge = np.maximum(energy_wh, 0), np.maximum(-energy_wh, 0)
        self._stored = self._stored + charge * self._efficiency - discharge * PPM

    def outlook(self, steps: int, known: Known) -> Outlook:
        """What a linear program has to know of the next `steps` slots."""
        del known  # a battery is there in every slot, and nothing of it has to be forecast
        look = Outlook.still(steps, len(self._capacity), storing=True)
        look.up_wh[:], look.down_wh[:] = self._power_wh, self._power_wh
        look.gain[:], look.high_wh[:] = self._efficiency / PPM, self._capacity / PPM
        look.start_wh[:] = self._stored / PPM
        return look

    def plan(self, net_wh: ArrayLike) -> NDArray[np.int64]:
        """Run many slots one after the other.

        Parameters
        ----------
        net_wh : array_like of int, shape (slots, members)
            Load minus PV in Wh.

        Returns
        -------
        ndarray of int64, shape (slots, members)
            What :meth:`step` gives for each slot.

        Examples
        --------
        >>> from fastclear.community import load_community
        >>> day = load_community().days(1)
        >>> Batteries.of(day).plan(day.net_wh).shape
        (96, 61)
        """
        net = np.asarray(net_wh)
        if net.ndim != 2:
            raise PresetError(f"net_wh must have the shape (slots, members), got {net.shape}")
        out = np.empty(net.shape, dtype=np.int64)
        for slot, row in enumerate(net):
            out[slot] = self.step(row)
        return out

    def __repr__(self) -> str:
        exist = self._capacity > 0
        return (
            f"<Batteries: {int(exist.sum())} of {len(exist)} members, {int(self._stored.sum()) // PPM} of "
            f"{int(self._capacity.sum()) // PPM} Wh stored>"
        )
