"""A virtual pool: what members cannot keep at home goes into the free room of all their batteries together.

Every battery serves its own home first. Whatever room is left in all of them is one pool, in which each owner of a
battery has an account. What the account holds is its owner's: for its own home first, and then for sale to members who
lack energy. Where a home needs the room of its battery, accounts give way. In which battery a kWh lies is nobody's
business: only the sums are those of the batteries, which is what makes the pool virtual.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fastclear.community import Batteries
from fastclear.platforms.parameters import ppm
from fastclear.platforms.preset import Preset

Int64 = NDArray[np.int64]
_PPM: Final = 1_000_000


def in_proportion(total: int, parts: Int64) -> Int64:
    """`total` divided in proportion to `parts`, in whole Wh, nobody above its part; int64, shape of `parts`.

    Each has the difference of two rounded running sums, so that the whole is divided to the last Wh.

    Parameters
    ----------
    total : int
        At most the sum of the parts.
    parts : ndarray of int64
        Not negative.

    Examples
    --------
    >>> in_proportion(7, np.array([10, 0, 5, 5]))
    array([3, 0, 2, 2])
    """
    numbers = [int(part) for part in parts]
    whole = sum(numbers)
    if not total or not whole:
        return np.zeros(len(numbers), np.int64)
    # integers of Python: a product of two sums of many members may leave 64 bits
    ends = np.array([total * running // whole for running in accumulate(numbers)], dtype=np.int64)
    return np.diff(ends, prepend=0)


@dataclass(frozen=True)
class PoolTotals:
    """What a pool has done, in Wh, and exactly in millionths.

    Attributes
    ----------
    taken_wh : int
        From members, at their meters.
    own_wh, sold_wh, displaced_wh : int
        Given back: to the home of the account; because other members lacked energy; because a home needed the room of
        its battery, whether anybody lacked energy then or not.
    stored_micro_wh, lost_micro_wh : int
        What is left in the accounts, and what was lost:
        ``taken * 1e6 == (own + sold + displaced) * 1e6 + stored + lost``.
    """

    taken_wh: int
    own_wh: int
    sold_wh: int
    displaced_wh: int
    stored_micro_wh: int
    lost_micro_wh: int


class VirtualPool:
    """Accounts of members in the free room of their batteries.

    Parameters
    ----------
    batteries : Batteries
        Of the members; the pool reads them after each of their slots, and never changes them.
    efficiency_ppm : int
        Of a full cycle through the pool; what is lost is lost on the way in.
    account_percent : int
        The most that an account may hold, in per cent of its owner's battery.

    Examples
    --------
    Ann's battery of 1 kWh is full, Bo's is empty: what Ann has left over goes into it.

    >>> home = Batteries([1000, 1000, 0], [4000, 4000, 0], [10**6, 10**6, 0], stored_wh=[1000, 0, 0])
    >>> pool = VirtualPool(home, efficiency_ppm=900_000, account_percent=100)
    >>> pool.step(np.array([-500, 0, 100]), home.step([0, 0, 0]))     # Cy takes 100 Wh of it, the pool the rest
    array([400,   0,   0])
    >>> pool.step(np.array([0, 0, 300]), home.step([0, 0, 0]))        # and gives them later, less a tenth
    array([-300,    0,    0])
    >>> pool.stored_wh
    array([60,  0,  0])
    """

    def __init__(self, batteries: Batteries, *, efficiency_ppm: int, account_percent: int) -> None:
        self._batteries = batteries
        self._capacity = batteries.capacity_wh * _PPM
        self._most = self._capacity * account_percent // 100
        self._efficiency = efficiency_ppm
        self._power_wh = batteries.power_wh
        self._stored = np.zeros(len(self._capacity), np.int64)
        self._taken = self._own = self._sold = self._displaced = self._dropped = 0

    @property
    def stored_wh(self) -> Int64:
        """What each account could give now, whole Wh; int64, shape (members,)."""
        return self._stored // _PPM

    @property
    def totals(self) -> PoolTotals:
        """What the pool has done since it was made."""
        lost = self._taken * (_PPM - self._efficiency) + self._dropped
        return PoolTotals(self._taken, self._own, self._sold, self._displaced, int(self._stored.sum()), lost)

    def step(self, meter_wh: Int64, battery_wh: Int64) -> Int64:
        """One slot of the pool.

        Parameters
        ----------
        meter_wh : ndarray of int64, shape (members,)
            What each member takes (+) or gives after its own battery has had its say, Wh.
        battery_wh : ndarray of int64, shape (members,)
            What the batteries did in this slot, which leaves so much less of their power.

        Returns
        -------
        ndarray of int64, shape (members,)
            Wh at the member's side: + goes into its account, - comes out of it. An account gives more than its home
            takes only while other members take more than there is, or where it gives way.
        """
        power = int((self._power_wh - np.abs(battery_wh)).sum())
        lacks, left = np.maximum(meter_wh, 0), np.maximum(-meter_wh, 0)
        # its own home first
        own = np.minimum(lacks, self.stored_wh)
        own = own if int(own.sum()) <= power else in_proportion(power, own)
        self._give(own)
        power -= int(own.sum())
        # a home needs the room of its battery: that is one kWh instead of another, and moves no energy
        displaced = self._give_way()
        # energy of this moment serves this moment; the accounts have the rest of it, or what is missing
        missing = int((lacks - own).sum()) - int((left + displaced).sum())
        sold, taken = np.zeros_like(own), np.zeros_like(own)
        if missing > 0:
            sold = in_proportion(min(missing, power, int(self.stored_wh.sum())), self.stored_wh)
            self._give(sold)
        elif missing < 0:
            taken = self._take(left, min(-missing, power))
        self._own += int(own.sum())
        self._sold += int(sold.sum())
        self._displaced += int(displaced.sum())
        self._taken += int(taken.sum())
        return taken - own - sold - displaced

    def _give(self, energy_wh: Int64) -> None:
        self._stored = self._stored - energy_wh * _PPM

    def _free(self) -> int:
        """Room in all batteries together, in millionths of a Wh; negative where homes have taken it."""
        return int((self._capacity - self._batteries.stored_micro_wh - self._stored).sum())

    def _give_way(self) -> Int64:
        """Take out of the accounts what no longer has room, in proportion to what they hold; Wh."""
        over = -self._free()
        if over <= 0:
            return np.zeros_like(self._stored)
        held = self.stored_wh
        out = in_proportion(min(-(-over // _PPM), int(held.sum())), held)
        self._give(out)
        # only parts of a Wh can be left, which no meter shows: they count as lost
        dust = max(-self._free(), 0)
        dropped = in_proportion(dust, self._stored)
        self._stored = self._stored - dropped
        self._dropped += dust
        return out

    def _take(self, left: Int64, most_wh: int) -> Int64:
        """Store what is left over, in proportion to it, as far as accounts and room go; Wh."""
        fits = np.minimum(left, np.maximum(self._most - self._stored, 0) // self._efficiency)
        taken = in_proportion(min(most_wh, max(self._free(), 0) // self._efficiency, int(fits.sum())), fits)
        self._stored = self._stored + taken * self._efficiency
        return taken

    def note(self) -> str:
        """What the pool did, for a reader of a report."""
        did = self.totals
        return (
            f"The virtual pool took {did.taken_wh / 1000:,.1f} kWh: {did.own_wh / 1000:,.1f} went back to the homes "
            f"they came from, {did.sold_wh / 1000:,.1f} to other members, {did.displaced_wh / 1000:,.1f} had to give "
            f"way to what a battery stored for its own home; {did.lost_micro_wh / 1e9:,.1f} were lost and "
            f"{did.stored_micro_wh / 1e9:,.1f} are left in it."
        )


def virtual_pool(preset: Preset, batteries: Batteries) -> VirtualPool | None:
    """The virtual pool of a platform over the batteries of its members, empty; None where it has none."""
    options = preset.set_up.virtual_pool
    if options is None:
        return None
    return VirtualPool(
        batteries,
        efficiency_ppm=ppm(options.efficiency_percent),
        account_percent=options.account_percent.value,
    )
