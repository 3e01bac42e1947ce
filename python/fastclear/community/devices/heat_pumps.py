"""Heat pumps with a store of heat: a tank, or the house itself within a band of comfort."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastclear.community.devices.device import Device
from fastclear.community.devices.outlook import Known, Outlook
from fastclear.community.member_columns import ENERGY_LIMIT, NS_PER_HOUR, PPM, member_column, slot_energy
from fastclear.errors import PresetError

Int64 = NDArray[np.int64]


@dataclass(eq=False, repr=False)
class HeatPumps(Device):
    """Heat pumps that have to cover a demand for heat, and a store that lets them choose when.

    In a slot, with heat ``h`` stored at its start: ``h' = h - loss + cop x energy - demand``; what is missing below 0
    is noted as unserved, exactly, in millionths of a Wh.

    Parameters
    ----------
    power_w : array_like of int, shape (members,)
        Electric power limit, W; 0 where there is none.
    store_wh : array_like of int, shape (members,)
        Heat that the store can hold, Wh of heat.
    demand_wh : array_like of int, shape (slots, members)
        Heat that is needed in each slot, Wh of heat.
    cop_ppm : array_like of int, shape (members,) or (slots, members)
        Heat for a unit of electricity, in parts per million: 3,500,000 is a COP of 3.5.
    loss_ppm : array_like of int, shape (members,), optional
        Part of what is stored that is lost in a slot; by default 0.
    stored_wh : array_like of int, shape (members,), optional
        Heat stored at the start; by default 0.
    slot_ns : int, default 15 minutes

    Raises
    ------
    PresetError
        If shapes do not agree or a value is out of range.

    Examples
    --------
    >>> pump = HeatPumps(power_w=[4000], store_wh=[6000], demand_wh=[[1500], [1500]], cop_ppm=[3_000_000])
    >>> pump.bounds()                                      # 500 Wh are needed now; 1,000 would fill part of the store
    (array([500]), array([1000]))
    >>> pump.take([1000]); pump.stored_wh
    array([1500])
    >>> pump.bounds()
    (array([0]), array([1000]))
    """

    power_w: ArrayLike
    store_wh: ArrayLike
    demand_wh: ArrayLike
    cop_ppm: ArrayLike
    loss_ppm: ArrayLike | None = None
    stored_wh_at_start: ArrayLike | None = None
    slot_ns: int = NS_PER_HOUR // 4

    def __post_init__(self) -> None:
        power = member_column("power_w", self.power_w)
        n = len(power)
        none = np.zeros(n, np.int64)
        self._power = slot_energy(power, self.slot_ns)
        self._store = member_column("store_wh", self.store_wh, n) * PPM
        self._demand = _table("demand_wh", self.demand_wh, n, top=ENERGY_LIMIT - 1)
        cop = np.asarray(self.cop_ppm)
        self._cop = _table("cop_ppm", cop if cop.ndim == 2 else cop[None], n, top=20 * PPM)
        if (self._cop == 0).any():
            raise PresetError("cop_ppm is 0 somewhere; a heat pump gives some heat, 1000000 is a heating rod")
        if len(self._cop) not in (1, len(self._demand)):
            raise PresetError(f"cop_ppm has {len(self._cop)} slots, demand_wh {len(self._demand)}")
        self._loss = member_column("loss_ppm", none if self.loss_ppm is None else self.loss_ppm, n, top=PPM)
        stored = none if self.stored_wh_at_start is None else self.stored_wh_at_start
        self._stored = member_column("stored_wh_at_start", stored, n) * PPM
        if (self._stored > self._store).any():
            raise PresetError(
                f"stored_wh_at_start of member {int(np.argmax(self._stored > self._store))} is above store_wh"
            )
        self._short = none.copy()
        self._slot = 0

    @classmethod
    def comfort_band(
        cls,
        power_w: ArrayLike,
        *,
        low_mc: ArrayLike,
        high_mc: ArrayLike,
        capacitance_wh_per_k: ArrayLike,
        loss_w_per_k: ArrayLike,
        outside_mc: ArrayLike,
        cop_ppm: ArrayLike,
        slot_ns: int = NS_PER_HOUR // 4,
    ) -> HeatPumps:
        """Houses that are kept between two temperatures: what is stored is the heat above the lower one.

        One node of capacitance C and loss U: ``C dT/dt = heat - U (T - outside)``, in steps of a slot. With ``h = C (T
        - low)`` the demand is ``U (low - outside)``, never below 0 (no cooling), and the part ``U dt / C`` of `h` is
        lost a slot. The first temperature is the lower one.

        Parameters
        ----------
        power_w : array_like of int, shape (members,)
            Electric power limit, W.
        low_mc, high_mc : array_like of int, shape (members,)
            Band of comfort in thousandths of a degree Celsius.
        capacitance_wh_per_k, loss_w_per_k : array_like of int, shape (members,)
            Heat capacity and heat loss coefficient of the house.
        outside_mc : array_like of int, shape (slots,)
            Temperature outside, thousandths of a degree.
        cop_ppm : array_like of int, shape (members,) or (slots, members)
        slot_ns : int, default 15 minutes

        Returns
        -------
        HeatPumps

        Examples
        --------
        >>> house = HeatPumps.comfort_band(
        ...     [4000], low_mc=[20_000], high_mc=[22_000], capacitance_wh_per_k=[5000], loss_w_per_k=[200],
        ...     outside_mc=[0, 0], cop_ppm=[4_000_000],
        ... )
        >>> house.bounds()                                 # 200 W/K x 20 K = 4 kW of heat, 1 kW of electricity
        (array([250]), array([1000]))
        """
        low = member_column("low_mc", low_mc, low=-100_000, top=100_000)
        n = len(low)
        high = member_column("high_mc", high_mc, n, low=-100_000, top=100_000)
        if (high < low).any():
            raise PresetError(f"high_mc of member {int(np.argmax(high < low))} is below its low_mc")
        capacitance = member_column("capacitance_wh_per_k", capacitance_wh_per_k, n, low=1, top=10**7)
        loss = member_column("loss_w_per_k", loss_w_per_k, n, top=10**6)
        outside = member_column("outside_mc", outside_mc, low=-100_000, top=100_000)
        per_kelvin = slot_energy(loss * 1000, slot_ns)  # thousandths of Wh for each kelvin and slot
        demand = np.maximum(low - outside[:, None], 0) * per_kelvin // PPM
        return cls(
            power_w,
            capacitance * (high - low) // 1000,
            demand,
            cop_ppm,
            loss_ppm=np.minimum(per_kelvin * 1000 // capacitance, PPM),
            slot_ns=slot_ns,
        )

    @property
    def stored_wh(self) -> Int64:
        """Whole Wh of heat stored; int64, shape (members,)."""
        return self._stored // PPM

    @property
    def unserved_wh(self) -> Int64:
        """Heat that was missing so far, whole Wh; int64, shape (members,)."""
        return self._short // PPM

    def _now(self) -> tuple[Int64, Int64, Int64]:
        """Heat left after loss, demand and COP of this slot; the first two in millionths of a Wh."""
        if self._slot >= len(self._demand):
            raise PresetError(f"demand_wh ends after {len(self._demand)} slots; give it for the whole run")
        # what is stored can be 2^51 of these parts: whole Wh and the rest apart, so that nothing passes 64 bits
        whole, rest = np.divmod(self._stored, PPM)
        left = self._stored - (whole * self._loss + rest * self._loss // PPM)
        return left, self._demand[self._slot] * PPM, self._cop[min(self._slot, len(self._cop) - 1)]

    def bounds(self) -> tuple[Int64, Int64]:
        """Energy that covers the demand of this slot as far as power goes, and energy that fills the store."""
        left, demand, cop = self._now()
        most = np.clip((self._store - left + demand) // cop, 0, self._power)
        return np.minimum(np.maximum(-((left - demand) // cop), 0), most), most

    def _book(self, energy_wh: Int64) -> None:
        left, demand, cop = self._now()
        after = left - demand + energy_wh * cop
        self._short = self._short + np.maximum(-after, 0)
        self._stored = np.maximum(after, 0)
        self._slot += 1

    def outlook(self, steps: int, known: Known) -> Outlook:
        """Demand as it is expected, the COP as it is stated."""
        look = Outlook.still(steps, len(self._power), storing=False)
        rows = np.minimum(np.arange(self._slot, self._slot + steps), len(self._cop) - 1)
        look.up_wh[:] = self._power
        look.gain[:] = self._cop[rows] / PPM if known.all_ahead else self._cop[rows[:1]] / PPM
        look.keep[:] = 1 - self._loss / PPM
        look.change_wh[:] = -known.expect(self._demand)
        look.high_wh[:] = self._store / PPM
        look.may_fall_short[:] = True
        look.start_wh[:] = self._stored / PPM
        return look


def _table(name: str, values: ArrayLike, members: int, *, top: int) -> Int64:
    table = np.asarray(values)
    if table.ndim != 2 or table.shape[1] != members or table.dtype.kind not in "iu" or not len(table):
        raise PresetError(
            f"{name} must be whole numbers of the shape (slots, {members}), got {table.dtype} of {table.shape}"
        )
    if ((table < 0) | (table > top)).any():
        slot, member = np.argwhere((table < 0) | (table > top))[0]
        raise PresetError(f"{name} of member {member} in slot {slot} is {table[slot, member]}; it must be 0 to {top}")
    return table.astype(np.int64)
