"""What all devices share: in each slot an interval of energy, of which one value is taken."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastclear.community.devices.outlook import Known, Outlook
from fastclear.community.member_columns import member_column
from fastclear.errors import PresetError

Int64 = NDArray[np.int64]


class Device(ABC):
    """One kind of device at every member, as columns; state is whole numbers and moves slot by slot.

    A rule asks for :meth:`bounds`, picks an energy within them for every member, and :meth:`take` books it: + takes
    energy from the home, - gives. Whatever is picked within the bounds, later slots can keep what was promised (a car
    is charged in time) as far as power and time ever allowed it.
    """

    @abstractmethod
    def bounds(self) -> tuple[Int64, Int64]:
        """Least and most energy of this slot, Wh at the home's side; int64, shape (members,) each."""

    @abstractmethod
    def _book(self, energy_wh: Int64) -> None:
        """Change the state by an energy that is known to be allowed, and go to the next slot."""

    @abstractmethod
    def outlook(self, steps: int, known: Known) -> Outlook:
        """What a linear program has to know of the next `steps` slots."""

    def allowed(self, wish_wh: Int64) -> Int64:
        """The allowed energy that is closest to a wish; int64, shape (members,)."""
        return np.clip(wish_wh, *self.bounds())

    def take(self, energy_wh: ArrayLike) -> None:
        """Book the energy of this slot and go to the next.

        Parameters
        ----------
        energy_wh : array_like of int, shape (members,)
            Wh, + takes, - gives.

        Raises
        ------
        PresetError
            If it is not allowed for a member; then nothing has changed.
        """
        low, high = self.bounds()
        energy = member_column("energy_wh", energy_wh, len(low), low=-(2**62), top=2**62)
        wrong = self.allowed(energy) != energy
        if wrong.any():
            at = int(np.argmax(wrong))
            raise PresetError(
                f"energy_wh of member {at} is {energy[at]}, beyond what its {type(self).__name__} can do in this slot "
                f"({low[at]} to {high[at]} Wh); pass it through allowed() first"
            )
        self._book(energy)

    @property
    def unserved_wh(self) -> Int64:
        """What was promised and could not be given so far, whole Wh; int64, shape (members,)."""
        return np.zeros(len(self.bounds()[0]), np.int64)

    def __repr__(self) -> str:
        missing = int(self.unserved_wh.sum())
        return f"<{type(self).__name__}: {len(self.unserved_wh)} members, {missing} Wh unserved>"
