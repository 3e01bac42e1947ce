"""What a linear program has to know of a device, whatever it is: one store a member, with flows up and down.

In step *k* a device takes ``e+`` at the meter or gives ``e-``, and what it stores becomes

    s[k+1] = keep * s[k] + gain * e+ - drain * e- + change + short,   low <= s[k+1] <= high,

where ``short >= 0``, allowed where `may_fall_short` says so, is what was asked for and could not be given.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Known:
    """What is known when a plan is made.

    Attributes
    ----------
    all_ahead : bool
        Whether what has not yet been said (cars that have not arrived) is known: only with perfect foresight.
    expect : callable
        Takes a table of shape (slots, members) and gives its next slots, as far as they are asked for: the slot at
        hand as it is, later ones as forecast.
    """

    all_ahead: bool
    expect: Callable[[NDArray[np.int64]], NDArray[np.int64]]


@dataclass(frozen=True, eq=False)
class Run:
    """A programme that runs through once it has begun: what it takes step by step, and when it may begin.

    Attributes
    ----------
    member : int
        Position.
    first, last : int
        Steps in which it may begin.
    energy_wh : ndarray of float64
        Of each step of it; what lies beyond the steps that are planned is left out.
    may_wait : bool
        Whether it may begin later than in these steps.
    """

    member: int
    first: int
    last: int
    energy_wh: Float64
    may_wait: bool


@dataclass(frozen=True, eq=False)
class Outlook:
    """Coefficients of the next steps, all of the shape (steps, members) but `start_wh` (members,).

    Attributes
    ----------
    up_wh, down_wh : ndarray of float64
        Most that is taken and given at the meter.
    keep, gain, drain, change_wh : ndarray of float64
        See the module.
    low_wh, high_wh : ndarray of float64
        Bounds of what is stored after the step.
    may_fall_short : ndarray of bool
    start_wh : ndarray of float64
    storing : bool
        Whether ``e+`` and ``e-`` at once would waste energy, which must be ruled out where prices reward it.
    least_down_wh : ndarray of float64
        What is given is 0 or at least this much.
    cost_down : ndarray of float64
        Ticks for what is given.
    runs : tuple of Run
        Where there are any, a member takes what they say and nothing else.
    """

    up_wh: Float64
    down_wh: Float64
    keep: Float64
    gain: Float64
    drain: Float64
    change_wh: Float64
    low_wh: Float64
    high_wh: Float64
    may_fall_short: NDArray[np.bool_]
    start_wh: Float64
    least_down_wh: Float64
    cost_down: Float64
    storing: bool
    runs: tuple[Run, ...] = ()

    def of(self, members: NDArray[np.int64]) -> Outlook:
        """The same for some members, by position."""
        cut = {name: value[..., members] for name, value in vars(self).items() if name not in ("storing", "runs")}
        place = {int(member): at for at, member in enumerate(members)}
        runs = tuple(replace(run, member=place[run.member]) for run in self.runs if run.member in place)
        return Outlook(**cut, storing=self.storing, runs=runs)

    @classmethod
    def still(cls, steps: int, members: int, *, storing: bool) -> Outlook:
        """A device that is there, keeps what it has and can do nothing."""

        def filled(value: float) -> Float64:
            return np.full((steps, members), float(value))

        return cls(
            up_wh=filled(0),
            down_wh=filled(0),
            keep=filled(1),
            gain=filled(1),
            drain=filled(1),
            change_wh=filled(0),
            low_wh=filled(0),
            high_wh=filled(np.inf),
            may_fall_short=np.zeros((steps, members), np.bool_),
            start_wh=np.zeros(members),
            least_down_wh=filled(0),
            cost_down=filled(0),
            storing=storing,
        )
