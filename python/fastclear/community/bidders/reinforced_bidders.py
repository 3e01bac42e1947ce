"""Roth-Erev: traders that repeat what has paid."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from fastclear.community.bidders.bidder import Bidder, Float64, Int64, Seen, generator
from fastclear.errors import MechanismError

_PURPOSE = 12


class RothErev(Bidder):
    """Traders that choose one of K mark-ups, the likelier the more it has earned.

    The choice is drawn with the probabilities ``q / sum(q)``. After a round the propensities become

        q_j = (1 - recency) * q_j + E_j,  E_chosen = profit * (1 - experimentation),

    and for the others ``E_j = q_j * experimentation / (K - 1)`` (modified; Nicolaisen, Petrov & Tesfatsion 2001, IEEE
    Trans. Evolutionary Computation 5) or ``profit * experimentation / (K - 1)`` (Roth & Erev 1995). With a profit of 0
    the original leaves the probabilities as they were, the modified rule does not.

    Parameters
    ----------
    side, limit : array_like of int, shape (traders,)
        1 = buys, 0 = sells; ticks.
    markups : array_like of int, shape (K,)
        What a seller adds to its limit, and a buyer takes off it: ticks, >= 0, at least two.
    recency, experimentation : float
        0 to 1; the paper's best fit is 0.1 and 0.2.
    initial : float, default 9
        First propensity of each choice, above 0 (S(1) of the paper over K would be the same idea).
    scale : float, default 1
        Profit is divided by it: what a unit of propensity is in ticks x lots.
    modified : bool, default True
    seed : int

    Examples
    --------
    >>> traders = RothErev([0], [10], markups=[0, 5, 10], seed=1)
    >>> traders.propensity[:] = [2, 3, 5]
    >>> traders.reinforce(np.array([2]), np.array([0.0]))
    >>> traders.propensity
    array([[2. , 3. , 4.5]])
    """

    def __init__(
        self,
        side: ArrayLike,
        limit: ArrayLike,
        *,
        markups: ArrayLike,
        recency: float = 0.1,
        experimentation: float = 0.2,
        initial: float = 9.0,
        scale: float = 1.0,
        modified: bool = True,
        seed: int,
    ) -> None:
        super().__init__(side, limit)
        choices = np.asarray(markups)
        if choices.ndim != 1 or len(choices) < 2 or choices.dtype.kind not in "iu" or (choices < 0).any():
            raise MechanismError("markups must be at least two whole numbers of ticks, none below 0")
        if not (0 <= recency <= 1 and 0 <= experimentation <= 1 and initial > 0 and scale > 0):
            raise MechanismError("recency and experimentation are from 0 to 1, initial and scale above 0")
        self.markups: Int64 = choices.astype(np.int64)
        self.recency, self.experimentation, self.scale, self.modified = recency, experimentation, scale, modified
        self.propensity: Float64 = np.full((len(self), len(choices)), float(initial))
        self.chosen: Int64 = np.zeros(len(self), np.int64)
        self._random = generator(seed, _PURPOSE)

    @property
    def probability(self) -> Float64:
        """How likely each choice is; float64, shape (traders, K)."""
        total = self.propensity.sum(axis=1, keepdims=True)
        # all propensities can reach 0, by recency 1 and no profit: then nothing is known, and all are alike
        even: Float64 = np.full_like(self.propensity, 1 / len(self.markups))
        shares: Float64 = np.divide(self.propensity, total, out=even, where=total > 0)
        return shares

    def quote(self) -> Int64:
        """Draw a mark-up for each trader; int64, shape (traders,)."""
        steps = self.probability.cumsum(axis=1)
        drawn = self._random.random((len(self), 1)) * steps[:, -1:]
        self.chosen = (steps <= drawn).sum(axis=1).clip(max=len(self.markups) - 1).astype(np.int64)
        markup = self.markups[self.chosen]
        price: Int64 = np.where(self.buys, self.limit - markup, self.limit + markup)
        return price

    def reinforce(self, chosen: Int64, profit: Float64) -> None:
        """Update the propensities by what the chosen mark-ups earned.

        Parameters
        ----------
        chosen : ndarray of int64, shape (traders,)
            Index of the choice.
        profit : ndarray of float64, shape (traders,)
            In units of propensity. A loss cannot push a propensity below 0.
        """
        others = len(self.markups) - 1
        if self.modified:
            gain = self.propensity * (self.experimentation / others)
        else:
            gain = np.repeat((profit * self.experimentation / others)[:, None], others + 1, axis=1)
        gain[np.arange(len(self)), chosen] = profit * (1.0 - self.experimentation)
        self.propensity = np.maximum((1.0 - self.recency) * self.propensity + gain, 0.0)

    def observe(self, seen: Seen) -> None:
        """Learn from one's own profit; what others shout is not looked at."""
        self.reinforce(self.chosen, seen.profit / self.scale)
