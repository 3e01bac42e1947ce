"""A battery that members own together, or a virtual one: accounts in `fc.Storage`, used like a battery at home."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastclear.community.devices.device import Device
from fastclear.community.devices.outlook import Known, Outlook
from fastclear.community.member_columns import NS_PER_HOUR, PPM, member_column, slot_energy
from fastclear.errors import PresetError

if TYPE_CHECKING:
    from fastclear.storage import Storage

Int64 = NDArray[np.int64]


@dataclass(eq=False, repr=False)
class SharedStorage(Device):
    """Shares of one battery, a virtual pool included. What it holds is kept by :class:`fastclear.Storage`.

    A member charges its own account and discharges from it, within its share of capacity and power. Where a virtual
    pool has handed out more than there is, what is free is offered in proportion to the shares, so that no charge is
    refused.

    Parameters
    ----------
    capacity_wh : int
        What the battery can hold.
    weights : array_like of int, shape (members,)
        Ownership; 0 for who has no share.
    slots : sequence of int
        Starts of the slots of the run, nanoseconds UTC: ``community.slots``.
    power_w : int
        Power limit of the battery in both directions, W.
    charge_efficiency_ppm, discharge_efficiency_ppm : int, default 1,000,000
    virtual_capacity_wh : int, optional
        What is divided into shares, if it is more than there is.
    slot_ns : int, default 15 minutes

    Raises
    ------
    PresetError
        If a value is out of range or nobody has a share.

    Examples
    --------
    >>> pool = SharedStorage(10_000, weights=[1, 3, 0], slots=range(3), power_w=8000)
    >>> pool.bounds()                                      # 2,000 Wh a slot, a quarter of it for the first
    (array([0, 0, 0]), array([ 500, 1500,    0]))
    >>> pool.take([500, 100, 0]); pool.bounds()[0], pool.storage.energy_wh
    (array([-500, -100,    0]), 600)
    """

    capacity_wh: int
    weights: ArrayLike
    slots: Sequence[int] | Int64
    power_w: int
    charge_efficiency_ppm: int = PPM
    discharge_efficiency_ppm: int = PPM
    virtual_capacity_wh: int | None = None
    slot_ns: int = NS_PER_HOUR // 4

    def __post_init__(self) -> None:
        # the account lives right of this room; it is fetched when it is needed
        from fastclear.storage import Storage

        self._weights = member_column("weights", self.weights)
        self._owners = np.flatnonzero(self._weights)
        if not len(self._owners):
            raise PresetError("weights are all 0; somebody must own the storage")
        energy = int(slot_energy(np.array([self.power_w], np.int64), self.slot_ns)[0])
        self.storage: Storage = Storage(
            self.capacity_wh,
            {int(owner): int(self._weights[owner]) for owner in self._owners},
            charge_efficiency_ppm=self.charge_efficiency_ppm,
            discharge_efficiency_ppm=self.discharge_efficiency_ppm,
            charge_limit_wh=energy,
            discharge_limit_wh=energy,
            virtual_capacity_wh=self.virtual_capacity_wh,
        )
        self._slot = 0
        self._open()

    def _open(self) -> None:
        """Begin the slot: limits of power are used anew."""
        if self._slot < len(self.slots):
            nothing = np.zeros(0, np.int64)
            rows = {"kind": nothing, "member": nothing, "energy_wh": nothing}
            self.storage.submit(rows, slot=int(self.slots[self._slot]))

    def bounds(self) -> tuple[Int64, Int64]:
        """What each member can take out of its account (negative) and put into it."""
        if self._slot >= len(self.slots):
            raise PresetError(f"slots end after {len(self.slots)}; give the starts of all slots of the run")
        balances = self.storage.balances
        least, most = (np.zeros(len(self._weights), np.int64) for _ in range(2))
        least[self._owners] = -balances["dischargeable_wh"].to_numpy()
        most[self._owners] = balances["chargeable_wh"].to_numpy()
        if self.virtual_capacity_wh is not None:
            # shares are rounded down, and one Wh is left out, so that parts of a Wh can never add up to too much
            free = max(self.capacity_wh - self.storage.energy_wh - 1, 0) * PPM // self.charge_efficiency_ppm
            most = np.minimum(most, free * self._weights // int(self._weights.sum()))
        return least, most

    @property
    def unserved_wh(self) -> Int64:
        """Nothing: a share promises nothing; int64, shape (members,)."""
        return np.zeros(len(self._weights), np.int64)

    def _book(self, energy_wh: Int64) -> None:
        kinds, members, energies = [], [], []
        # who discharges first: it makes room
        for kind, sign in ((1, -1), (0, 1)):
            who = np.flatnonzero(sign * energy_wh > 0)
            kinds.append(np.full(len(who), kind))
            members.append(who)
            energies.append(np.abs(energy_wh[who]))
        rows = {
            "kind": np.concatenate(kinds),
            "member": np.concatenate(members).astype(np.int64),
            "energy_wh": np.concatenate(energies),
        }
        codes = self.storage.submit(rows, slot=int(self.slots[self._slot]))
        if codes.any():
            raise PresetError(f"the storage refused what its own bounds allow (code {codes[codes > 0][0]})")
        self._slot += 1
        self._open()

    def outlook(self, steps: int, known: Known) -> Outlook:
        """Each share is a battery of its own."""
        del known
        look = Outlook.still(steps, len(self._weights), storing=True)
        balances = self.storage.balances
        share, stored = (np.zeros(len(self._weights)) for _ in range(2))
        share[self._owners], stored[self._owners] = balances["share_wh"].to_numpy(), balances["stored_wh"].to_numpy()
        power = self.power_w * self._weights / self._weights.sum() * self.slot_ns / NS_PER_HOUR
        look.up_wh[:], look.down_wh[:] = power, power
        look.gain[:] = self.charge_efficiency_ppm / PPM
        look.drain[:] = PPM / self.discharge_efficiency_ppm
        look.high_wh[:], look.start_wh[:] = share, stored
        return look
