"""Net metering on a platform: what members draw from the grid and give it, month by month, under energy credits."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear.energy_credit_desk import compensation
from fastclear.energy_credits import CreditMonth, EnergyCredits
from fastclear.ledger import Ledger
from fastclear.platforms.parameters import ppm
from fastclear.platforms.preset import NetMeteringOptions, Preset
from fastclear.platforms.recording import Recording
from fastclear.settlement import Settlement

_WH_PER_KWH: Final = 1000

Int64 = NDArray[np.int64]


class NetMetering:
    """Energy credits of every member over a run; months are those of UTC, the last one ends with the run."""

    def __init__(self, options: NetMeteringOptions, slots: Int64, members: int) -> None:
        self.share = Fraction(ppm(options.compensated_percent), 10**6)
        self.accounts = EnergyCredits(options.validity_months.value, options.minimum_kwh.value * _WH_PER_KWH)
        self._months = slots.astype("datetime64[ns]").astype("datetime64[M]")
        self._drawn, self._given = (np.zeros(members, np.int64) for _ in range(2))
        self._open: np.datetime64 | None = None

    def begins(self, slot: int) -> bool:
        """Whether another month than that of the slots so far begins with this one."""
        return self._open is not None and self._months[slot] != self._open

    def add(self, slot: int, metered: Int64, contract: Int64) -> None:
        """Take in a slot: what each member drew and gave beyond what it bought and sold."""
        self._open = self._months[slot]
        left = metered - contract
        self._drawn += np.clip(left, 0, np.maximum(metered, 0))
        self._given += np.clip(-left, 0, np.maximum(-metered, 0))

    def close(self) -> CreditMonth | None:
        """End the month; None where no slot was taken in."""
        if self._open is None:
            return None
        month = self.accounts.close_month(
            str(self._open),
            {"participant": np.arange(len(self._drawn)), "consumed_wh": self._drawn, "injected_wh": self._given},
        )
        self._drawn, self._given, self._open = self._drawn * 0, self._given * 0, None
        return month


def net_metering(preset: Preset, slots: Int64, members: int) -> NetMetering | None:
    """The credits of a run, where the preset has any."""
    options = preset.regulation.credited
    return None if options is None else NetMetering(options, slots, members)


def settle_month(
    metering: NetMetering, bank: Settlement, ledger: Ledger, recording: Recording, start: int, slot: int
) -> None:
    """End the month that `slot`, which begins at `start`, is the last of; settle and seal it in a block of its own."""
    month = metering.close()
    if month is None:
        return
    receipts = bank.settle_energy_credits(month, compensated=metering.share)
    ledger.seal([], receipts, slot=start)
    recording.note_money(slot, receipts.bill_columns)
    recording.other_records += len(receipts)


def without_market(preset: Preset, slots: Int64, metered_wh: Int64) -> tuple[list[int], int]:
    """What net metering would change without the local market.

    Returns
    -------
    tuple of list of int and int
        Nano-currency by which each member pays more (+) or less, and by which the supplier has more; the rest is tax.
    """
    members = metered_wh.shape[1]
    metering = net_metering(preset, slots, members)
    if metering is None:
        return [0] * members, 0
    months: list[CreditMonth | None] = []
    for slot, metered in enumerate(metered_wh):
        if metering.begins(slot):
            months.append(metering.close())
        metering.add(slot, metered, np.zeros_like(metered))
    months.append(metering.close())
    rates = {"retail": preset.ticks("retail"), "feed_in": preset.ticks("feed_in"), "tax_ppm": preset.tax_ppm}
    more, supplier = [0] * members, 0
    for month in months:
        if month is None:
            continue
        set_off = pl.sum_horizontal("own_wh", "from_units_wh", "from_credits_wh")
        for member, injected, off in month.units.select("participant", "injected_wh", set_off).iter_rows():
            back, worth, tax = compensation(injected, off, share=metering.share, **rates)
            more[member] += back - worth - tax
            supplier += back - worth
    return more, supplier


def credit_notes(metering: NetMetering | None) -> list[str]:
    """What is banked at the end of a run, which no bill shows."""
    if metering is None:
        return []
    totals = metering.accounts.totals
    return [
        f"Energy credits at the end: {totals['held'] / 1000:,.3f} kWh held by "
        f"{metering.accounts.balances['participant'].n_unique()} members, "
        f"{totals['expired'] / 1000:,.3f} kWh expired; energy that became credits earned no feed-in."
    ]
