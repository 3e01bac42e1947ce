"""Nicolaisen, Petrov & Tesfatsion 2001: market power and efficiency where traders learn what to bid.

Three buyers and three sellers meet for 1000 rounds in a clearing house that prices each pair at its midpoint. Each
picks a mark-up by the authors' modified Roth-Erev learning. The study asks who gains by it: market power is a side's
profit, less its profit in competitive equilibrium, as a share of the latter.

The paper's finding that is compared here is that efficiency is high, and that the structure of the market (who has how
much capacity) and not the learning decides which side gains. Which side the structure favours is computed as well: it
is the sign of market power where everybody bids the truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

import fastclear as fc
from fastclear.reproduce.draws import shares
from fastclear.reproduce.figure import CLEAR_ERRORS, Estimate, Figure, Relation, Step, mean_of

NAME: Final = "electricity"
TITLE: Final = "Market power where buyers and sellers learn what to bid"
SOURCE: Final = "Nicolaisen, Petrov & Tesfatsion 2001; bounds: the replication test of JASA (Phelps)"
UNIT: Final = "EA: share of the largest gain; MPB, MPS: share of the side's equilibrium profit"
READING: Final = (
    "each trader offers its whole capacity at a mark-up of 0 to 39 whole units, prices below 0 become 0; every "
    "choice starts with propensity S1 = 9; profits are summed over all rounds; competitive equilibrium is mid-way in "
    "its interval of prices. That structure predicts who gains (abstract) is read as: MPB and MPS have the signs that "
    "they have where all bid the truth"
)
RUNS: Final = 500

VALUES: Final = (37, 17, 12)
COSTS: Final = (35, 16, 11)
CAPACITIES: Final = {"1/2": (10, 20), "1": (10, 10), "2": (20, 10)}  # RCAP: (a buyer's, a seller's)
CHOICES: Final = 40
RECENCY: Final = 0.10
EXPERIMENTATION: Final = 0.20
INITIAL: Final = 9.0
ROUNDS: Final = 1000
EFFICIENCY_LEAST: Final = 0.87
SIGNS: Final[dict[str, tuple[Relation | None, Relation | None]]] = {
    "1/2": ("<", ">"),
    "1": ("<", ">"),
    "2": (None, None),
}  # of MPB and MPS, where the replication test states them

_TICKS: Final = 2  # a unit of price, so that midpoints are whole
_SIDES: Final = ("MPB", "MPS")
_TRADERS: Final = len(VALUES) + len(COSTS)


@dataclass(frozen=True)
class Power:
    """Profits of both sides, and in competitive equilibrium, in half units of money."""

    buyers: NDArray[np.int64]
    sellers: NDArray[np.int64]
    buyers_equilibrium: int
    sellers_equilibrium: int

    def estimates(self) -> tuple[Estimate, Estimate, Estimate]:
        """EA, MPB and MPS, their means over the markets."""
        both = self.buyers_equilibrium + self.sellers_equilibrium
        pairs = list(zip(self.buyers.tolist(), self.sellers.tolist(), strict=True))
        return (
            mean_of([Fraction(buyers + sellers, both) for buyers, sellers in pairs]),
            mean_of([Fraction(buyers, self.buyers_equilibrium) - 1 for buyers, _ in pairs]),
            mean_of([Fraction(sellers, self.sellers_equilibrium) - 1 for _, sellers in pairs]),
        )


def experience(propensity: NDArray[np.float64], chosen: NDArray[np.int64], profit: NDArray[np.float64]) -> None:
    """Learn in place by the modified Roth-Erev rule.

    ``q_j <- (1 - r) q_j + profit (1 - e)`` for the chosen j, and ``(1 - r) q_j + q_j e / (K - 1)`` for the others.
    With a profit of 0 the chosen one becomes less likely, which it does not in the original rule.

    Parameters
    ----------
    propensity : ndarray of float64, shape (n, K)
        Of each trader's choices; changed.
    chosen : ndarray of int64, shape (n,)
        What each chose.
    profit : ndarray of float64, shape (n,)
        What it brought.

    Examples
    --------
    >>> propensity = np.full((1, 3), 10.0)
    >>> experience(propensity, np.array([1]), np.array([5.0]))
    >>> propensity
    array([[10., 13., 10.]])
    """
    rows = np.arange(len(chosen))
    learnt = (1 - RECENCY) * propensity[rows, chosen] + (1 - EXPERIMENTATION) * profit
    propensity *= (1 - RECENCY) + EXPERIMENTATION / (propensity.shape[1] - 1)
    propensity[rows, chosen] = learnt


def choose(propensity: NDArray[np.float64], share: NDArray[np.float64]) -> NDArray[np.int64]:
    """Pick a choice with a probability in proportion to its propensity.

    Sums run from the first choice to the last, one addition after the other, so that every machine gets the same.

    Examples
    --------
    >>> choose(np.array([[1.0, 2.0, 1.0]] * 3), np.array([0.24, 0.26, 0.99]))
    array([0, 1, 2])
    """
    reached = np.cumsum(propensity, axis=1)
    mark = share[:, None] * reached[:, -1:]
    chosen: NDArray[np.int64] = np.minimum((reached <= mark).sum(axis=1), propensity.shape[1] - 1)
    return chosen


def truthful() -> dict[str, tuple[Fraction, Fraction]]:
    """MPB and MPS by RCAP where everybody bids the truth: the structure of the market alone.

    Examples
    --------
    >>> {rcap: (str(buyers), str(sellers)) for rcap, (buyers, sellers) in truthful().items()}
    {'1/2': ('-5/13', '5/3'), '1': ('-5/14', '5/4'), '2': ('3/44', '-3/50')}
    """
    house = _House(1)
    profit = house.round(house.limits)
    return {
        rcap: (
            Fraction(int(power.buyers[0]), power.buyers_equilibrium) - 1,
            Fraction(int(power.sellers[0]), power.sellers_equilibrium) - 1,
        )
        for rcap, power in house.powers(profit, 1).items()
    }


def learn(seeds: int, seed: int, *, initial: float = INITIAL, step: Step = lambda _: None) -> dict[str, Power]:
    """Let traders learn; every round is one call over all capacities and seeds.

    Parameters
    ----------
    seeds : int
        Independent markets for each RCAP.
    seed : int
        Everything random comes from it.
    initial : float
        Propensity with which every choice starts.
    step : callable
        Told the number of markets after every round.

    Returns
    -------
    dict of str to Power
        By RCAP.
    """
    house = _House(seeds)
    traders = house.limits.size
    propensity = np.full((traders, CHOICES), initial)
    total = np.zeros_like(house.limits)
    buys = np.arange(_TRADERS) < len(VALUES)
    for number in range(ROUNDS):
        chosen = choose(propensity, shares(seed, (5, number), (traders,)))
        markup = _TICKS * chosen.reshape(house.limits.shape)
        profit = house.round(np.maximum(np.where(buys, house.limits - markup, house.limits + markup), 0))
        total += profit
        experience(propensity, chosen, profit.ravel() / _TICKS)
        step(len(house.limits))
    return house.powers(total, ROUNDS)


class _House:
    """The clearing house: one market for each RCAP and seed."""

    def __init__(self, seeds: int) -> None:
        markets = len(CAPACITIES) * seeds
        self.seeds = seeds
        self.limits = np.tile(_TICKS * np.array(VALUES + COSTS), (markets, 1))
        capacity = [[buyer] * len(VALUES) + [seller] * len(COSTS) for buyer, seller in CAPACITIES.values()]
        self.columns = {
            "market": np.repeat(np.arange(markets), _TRADERS),
            "side": np.tile(np.array([1] * len(VALUES) + [0] * len(COSTS), np.uint8), markets),
            "quantity": np.repeat(np.array(capacity), seeds, axis=0).ravel(),
        }
        truth = fc.clear({**self.columns, "price": self.limits.ravel()}, fc.Uniform())
        columns = truth.market_columns
        middle = columns["price_low"] + columns["price_high"]  # over 2
        gain = (2 * self.limits - middle[:, None]) * truth.filled.reshape(self.limits.shape)
        self.equilibrium = gain // 2
        assert not (gain % 2).any(), "equilibrium profits are whole"

    def round(self, price: NDArray[np.int64]) -> NDArray[np.int64]:
        """Each trader's profit of one round, in half units."""
        clearing = fc.clear({**self.columns, "price": price.ravel()}, fc.Discriminatory(k=Fraction(1, 2)))
        filled = clearing.filled.reshape(price.shape)
        payment = clearing.payment.reshape(price.shape)
        sign = np.where(np.arange(_TRADERS) < len(VALUES), 1, -1)
        profit: NDArray[np.int64] = sign * self.limits * filled - payment
        return profit

    def powers(self, profit: NDArray[np.int64], rounds: int) -> dict[str, Power]:
        """Profits by RCAP beside those of competitive equilibrium."""
        found = {}
        for index, rcap in enumerate(CAPACITIES):
            rows = slice(index * self.seeds, (index + 1) * self.seeds)
            middle = np.abs(self.equilibrium[index * self.seeds])
            found[rcap] = Power(
                buyers=profit[rows, : len(VALUES)].sum(axis=1),
                sellers=profit[rows, len(VALUES) :].sum(axis=1),
                buyers_equilibrium=rounds * int(middle[: len(VALUES)].sum()),
                sellers_equilibrium=rounds * int(middle[len(VALUES) :].sum()),
            )
        return found


def work(runs: int) -> int:
    """Markets that are cleared."""
    return len(CAPACITIES) * runs * ROUNDS


def figures(runs: int, seed: int, step: Step) -> list[Figure]:
    """Compare efficiency and the signs of market power, over `runs` seeds."""
    structure = truthful()
    rows, powers = [], []
    for rcap, power in learn(runs, seed, step=step).items():
        efficiency, *sides = power.estimates()
        rows.append(_bound(f"EA, RCAP {rcap}", efficiency, EFFICIENCY_LEAST, ">="))
        for name, found, relation, predicted in zip(_SIDES, sides, SIGNS[rcap], structure[rcap], strict=True):
            rows.append(_bound(f"{name}, RCAP {rcap}", found, None if relation is None else 0.0, relation or "="))
            powers.append((found, predicted))
    rows.append(
        Figure(
            quantity="signs as the structure has them",
            ours=sum(found.value * predicted > 0 for found, predicted in powers),
            error=0.0,
            runs=runs,
            published=len(powers),
            tolerance=sum(abs(found.value) <= CLEAR_ERRORS * found.error for found, _ in powers),
            digits=0,
        )
    )
    for rcap, values in structure.items():
        for name, value in zip(_SIDES, values, strict=True):
            quantity = f"{name} if all bid truly, RCAP {rcap}"
            rows.append(Figure(quantity=quantity, ours=float(value), error=0.0, runs=0, digits=3))
    return rows


def _bound(quantity: str, found: Estimate, bound: float | None, relation: Relation) -> Figure:
    return Figure(
        quantity=quantity,
        ours=found.value,
        error=found.error,
        runs=found.runs,
        published=bound,
        relation=relation,
        digits=3,
    )
