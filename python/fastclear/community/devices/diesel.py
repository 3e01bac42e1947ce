"""Diesel generators: energy for fuel, with a least load."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastclear.community.devices.device import Device
from fastclear.community.devices.outlook import Known, Outlook
from fastclear.community.member_columns import ENERGY_LIMIT, NS_PER_HOUR, member_column, slot_energy
from fastclear.errors import PresetError

Int64 = NDArray[np.int64]


@dataclass(eq=False, repr=False)
class DieselGenerators(Device):
    """Generators that burn what is in their tank: off, or between a least and a greatest power.

    Parameters
    ----------
    power_w : array_like of int, shape (members,)
        Greatest power, W; 0 where there is none.
    tank_wh : array_like of int, shape (members,)
        What the fuel in the tank gives, Wh of electricity.
    fuel_ticks : array_like of int, shape (members,)
        What a kWh of electricity costs in fuel, ticks.
    least_power_w : array_like of int, shape (members,), optional
        Least power while running; by default 0.
    slot_ns : int, default 15 minutes

    Examples
    --------
    >>> generator = DieselGenerators([8000], tank_wh=[3000], fuel_ticks=[450_000], least_power_w=[2000])
    >>> generator.bounds(), generator.allowed(np.array([-300])), generator.allowed(np.array([-900]))
    ((array([-2000]), array([0])), array([0]), array([-900]))
    >>> generator.take([-2000]); generator.tank_left_wh
    array([1000])
    """

    power_w: ArrayLike
    tank_wh: ArrayLike
    fuel_ticks: ArrayLike
    least_power_w: ArrayLike | None = None
    slot_ns: int = NS_PER_HOUR // 4

    def __post_init__(self) -> None:
        power = member_column("power_w", self.power_w)
        n = len(power)
        least = member_column(
            "least_power_w", np.zeros(n, int) if self.least_power_w is None else self.least_power_w, n
        )
        if (least > power).any():
            raise PresetError(f"least_power_w of member {int(np.argmax(least > power))} is above its power_w")
        self._power, self._least = slot_energy(power, self.slot_ns), slot_energy(least, self.slot_ns)
        self._tank = member_column("tank_wh", self.tank_wh, n)
        self.fuel_price_ticks: Int64 = member_column("fuel_ticks", self.fuel_ticks, n, top=ENERGY_LIMIT - 1)

    @property
    def tank_left_wh(self) -> Int64:
        """What is left in the tank, Wh of electricity; int64, shape (members,)."""
        return self._tank.copy()

    def bounds(self) -> tuple[Int64, Int64]:
        """The most it can give (negative), and 0."""
        return -np.minimum(self._power, self._tank), np.zeros_like(self._tank)

    def allowed(self, wish_wh: Int64) -> Int64:
        """Off where less than the least power is wished for."""
        energy = super().allowed(wish_wh)
        return np.where(-energy < self._least, 0, energy)

    def _book(self, energy_wh: Int64) -> None:
        self._tank = self._tank + energy_wh

    def outlook(self, steps: int, known: Known) -> Outlook:
        """A tank that runs empty."""
        del known
        look = Outlook.still(steps, len(self._tank), storing=False)
        look.down_wh[:], look.least_down_wh[:], look.cost_down[:] = self._power, self._least, self.fuel_price_ticks
        look.start_wh[:] = self._tank
        look.high_wh[:] = self._tank
        return look
