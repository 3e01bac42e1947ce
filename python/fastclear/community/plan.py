"""Battery plans by rule: what a home's battery does in a slot, without foresight and without floats.

Self-consumption first: surplus charges, deficit discharges, nothing else. The rule looks at the slot at
hand only, so that it can run slot by slot beside a market.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastclear.community.frame import Community
from fastclear.errors import PresetError

PPM = 1_000_000
"""Parts of a whole."""
_NS_PER_HOUR = 3600 * 10**9
_LIMIT = 2**31  # quantities of contract.md stay below it; times PPM it still fits an int64


class Batteries:
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

    __slots__ = ("_capacity", "_efficiency", "_power_wh", "_stored")

    def __init__(
        self,
        capacity_wh: ArrayLike,
        power_w: ArrayLike,
        efficiency_ppm: ArrayLike,
        *,
        slot_ns: int = _NS_PER_HOUR // 4,
        stored_wh: ArrayLike | None = None,
    ) -> None:
        capacity = _column("capacity_wh", capacity_wh, top=_LIMIT - 1)
        members = len(capacity)
        power = _column("power_w", power_w, members, top=_LIMIT - 1)
        efficiency = _column("efficiency_ppm", efficiency_ppm, members, top=PPM)
        stored = _column("stored_wh", np.zeros(members, np.int64) if stored_wh is None else stored_wh, members)
        if not 0 < slot_ns <= 24 * _NS_PER_HOUR:
            raise PresetError(f"slot_ns must be from 1 ns to 24 hours, got {slot_ns}")
        if ((efficiency == 0) & (capacity > 0)).any():
            raise PresetError("efficiency_ppm is 0 for a battery that exists; give it, e.g. 900000")
        if (stored > capacity).any():
            first = int(np.argmax(stored > capacity))
            raise PresetError(
                f"stored_wh of member {first} is above its capacity_wh ({stored[first]} > {capacity[first]})"
            )
        self._capacity = capacity * PPM
        # W * ns can pass 2^63 (a 2 GW battery, an hour): split off whole seconds first
        seconds, rest = divmod(slot_ns, 10**9)
        self._power_wh = (power * seconds + power * rest // 10**9) // 3600
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
        net = _column("net_wh", net_wh, len(self._capacity), low=1 - _LIMIT, top=_LIMIT - 1)
        room = (self._capacity - self._stored) // self._efficiency
        charge = np.minimum(np.minimum(np.maximum(-net, 0), self._power_wh), room)
        discharge = np.minimum(np.minimum(np.maximum(net, 0), self._power_wh), self._stored // PPM)
        self._stored = self._stored + charge * self._efficiency - discharge * PPM
        battery: NDArray[np.int64] = charge - discharge
        return battery

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


def _column(
    name: str, values: ArrayLike, length: int | None = None, *, low: int = 0, top: int = _LIMIT - 1
) -> NDArray[np.int64]:
    """One-dimensional int64 copy within bounds, or a PresetError."""
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
