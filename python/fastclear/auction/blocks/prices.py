"""Whole-tick prices closest to the middle of their intervals at which no accepted block loses: exact, in integers.

The problem: choose integers p_h in [low_h, high_h] with sum a_bh p_h >= c_b for every row b, so that the sum of
(2 p_h - low_h - high_h)^2 is smallest; among equals the lexicographically smallest p.

For any multipliers m_b >= 0 the sum equals a constant plus, hour by hour, how much dearer p_h is than the best integer
of its hour under those multipliers, plus m_b times the slack of row b; all these terms are >= 0. So every solution
within a budget of the constant is found by walking the hours and keeping, for each vector of partial row sums, the
cheapest way to reach it. The multipliers are a guess in floats, turned into fractions over 2^40: a bad guess
costs time and changes no result.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd
from typing import Final

from fastclear.auction.blocks.model import Loss
from fastclear.errors import MechanismError

STATES_MAX: Final = 300_000
"""Most partial sums kept at an hour before the search gives up with an error."""

_SCALE: Final = 2**40
_SWEEPS: Final = 200


def closest_prices(low: Sequence[int], high: Sequence[int], rows: Sequence[Loss]) -> list[int] | None:
    """Return the closest prices, or None where no integer prices in the intervals satisfy every row.

    Parameters
    ----------
    low, high : sequence of int
        Ends of the interval of every hour, in ticks; ``low <= high``.
    rows : sequence of (dict from hour to int, int)
        Coefficients and right-hand side of every no-loss row.

    Raises
    ------
    MechanismError
        The search would keep more than 300,000 partial sums.
    """
    prices = [(a + b) // 2 for a, b in zip(low, high, strict=True)]
    binding: dict[tuple[tuple[int, int], ...], int] = {}
    for coefficients, target in rows:
        # A fixed price is a constant; what is left is divided by its common factor.
        target -= sum(a * low[h] for h, a in coefficients.items() if low[h] == high[h])
        free = {h: a for h, a in sorted(coefficients.items()) if a and low[h] != high[h]}
        if sum(a * (high[h] if a > 0 else low[h]) for h, a in free.items()) < target:
            return None
        if sum(a * (low[h] if a > 0 else high[h]) for h, a in free.items()) >= target:
            continue
        factor = gcd(*free.values())
        key = tuple((h, a // factor) for h, a in free.items())
        target = -(-target // factor)
        binding[key] = max(target, binding.get(key, target))
    for part in _components(binding):
        hours = sorted({h for key, _ in part for h, _ in key})
        if all(sum(a * prices[h] for h, a in key) >= target for key, target in part):
            continue
        place = {h: i for i, h in enumerate(hours)}
        matrix = [[0] * len(hours) for _ in part]
        for b, (key, _) in enumerate(part):
            for h, a in key:
                matrix[b][place[h]] = a
        problem = _Problem([low[h] for h in hours], [high[h] for h in hours], matrix, [target for _, target in part])
        found = problem.solve()
        if found is None:
            return None
        for h, price in zip(hours, found, strict=True):
            prices[h] = price
    return prices


_Rows = list[tuple[tuple[tuple[int, int], ...], int]]


def _components(binding: dict[tuple[tuple[int, int], ...], int]) -> list[_Rows]:
    """Rows that share hours, directly or through others, belong together."""
    parts: list[tuple[set[int], _Rows]] = []
    for key, target in sorted(binding.items()):
        hours, rows = {h for h, _ in key}, [(key, target)]
        apart = []
        for other, members in parts:
            if other & hours:
                hours, rows = hours | other, members + rows
            else:
                apart.append((other, members))
        parts = [*apart, (hours, rows)]
    return [sorted(rows) for _, rows in parts]


class _Problem:
    def __init__(self, low: list[int], high: list[int], matrix: list[list[int]], target: list[int]) -> None:
        self.low, self.high, self.matrix, self.target = low, high, matrix, target
        self.n = len(low)

    def solve(self) -> list[int] | None:
        multipliers = self._multipliers()
        if multipliers is None:
            return None
        weight = [sum(m * row[h] for m, row in zip(multipliers, self.matrix, strict=True)) for h in range(self.n)]
        best = [self._best(h, weight[h]) for h in range(self.n)]
        constant = sum(self._cost(h, best[h], weight[h]) for h in range(self.n))
        constant += sum(m * c for m, c in zip(multipliers, self.target, strict=True))
        most = _SCALE * sum((b - a) ** 2 for a, b in zip(self.low, self.high, strict=True)) - constant
        budget = 8 * _SCALE
        while True:
            budget = min(budget, most)
            if budget < 0:
                return None
            found = self._within(budget, multipliers, weight, best)
            if found is not None or budget == most:
                return found
            budget += budget // 8  # in small steps: the sums within a budget grow with its power n / 2

    def _cost(self, h: int, price: int, weight: int) -> int:
        return int(_SCALE * (2 * price - self.low[h] - self.high[h]) ** 2 - weight * price)

    def _best(self, h: int, weight: int) -> int:
        """The integer of [low, high] that is cheapest under the multipliers: the rounded vertex of a parabola."""
        vertex = (4 * _SCALE * (self.low[h] + self.high[h]) + weight + 4 * _SCALE) // (8 * _SCALE)
        return max(self.low[h], min(self.high[h], vertex))

    def _window(self, h: int, budget: int, weight: int, best: int) -> list[tuple[int, int]]:
        """Prices of an hour whose excess over the best is within the budget, with that excess."""
        floor = self._cost(h, best, weight)
        window = [(best, 0)]
        for step, end in ((-1, self.low[h]), (1, self.high[h])):
            price = best
            while price != end:
                price += step
                excess = self._cost(h, price, weight) - floor
                if excess > budget:
                    break
                window.append((price, excess))
                if len(window) > STATES_MAX:
                    raise self._too_many()
        return sorted(window)

    def _within(self, budget: int, multipliers: list[int], weight: list[int], best: list[int]) -> list[int] | None:
        """The best solution that costs at most ``budget`` above the constant, or None."""
        rows = range(len(self.matrix))
        windows = [self._window(h, budget, weight[h], best[h]) for h in range(self.n)]
        ends = [(window[0][0], window[-1][0]) for window in windows]
        # What the hours after h can add to each row, at least and at most.
        least = [[0] * (self.n + 1) for _ in rows]
        most = [[0] * (self.n + 1) for _ in rows]
        for b in rows:
            for h in reversed(range(self.n)):
                adds = [self.matrix[b][h] * end for end in ends[h]]
                least[b][h] = least[b][h + 1] + min(adds)
                most[b][h] = most[b][h + 1] + max(adds)
        states: dict[tuple[int, ...], tuple[int, tuple[int, ...]]] = {(0,) * len(self.matrix): (0, ())}
        for h in range(self.n):
            column = [self.matrix[b][h] for b in rows]
            after: dict[tuple[int, ...], tuple[int, tuple[int, ...]]] = {}
            for sums, (spent, prefix) in states.items():
                for price, excess in windows[h]:
                    cost = spent + excess
                    if cost > budget:
                        continue
                    key = tuple(total + a * price for total, a in zip(sums, column, strict=True))
                    slack = 0
                    for b in rows:
                        if key[b] + most[b][h + 1] < self.target[b]:
                            break
                        slack += multipliers[b] * max(0, key[b] + least[b][h + 1] - self.target[b])
                    else:
                        if cost + slack > budget:
                            continue
                        known = after.get(key)
                        if known is None or (cost, (*prefix, price)) < known:
                            after[key] = (cost, (*prefix, price))
            if len(after) > STATES_MAX:
                raise self._too_many()
            states = after
        ends_at = [
            (cost + sum(m * (s - c) for m, s, c in zip(multipliers, sums, self.target, strict=True)), prices)
            for sums, (cost, prices) in states.items()
        ]
        return list(min(ends_at)[1]) if ends_at else None

    def _multipliers(self) -> list[int] | None:
        """Multipliers over 2^40 that make the bound about tight, or None with proof that no prices exist."""
        rows = range(len(self.matrix))
        norm = [float(max(map(abs, row))) for row in self.matrix]
        # Prices are counted from the middle of their interval, so that floats keep their digits.
        matrix = [[a / norm[b] for a in self.matrix[b]] for b in rows]
        doubled = [a + b for a, b in zip(self.low, self.high, strict=True)]
        target = [
            (2 * self.target[b] - sum(a * s for a, s in zip(self.matrix[b], doubled, strict=True))) / (2 * norm[b])
            for b in rows
        ]
        half = [(b - a) / 2 for a, b in zip(self.low, self.high, strict=True)]
        guess = [0.0] * len(rows)
        pull = [0.0] * self.n
        for sweep in range(_SWEEPS):
            before = list(guess)
            for b in rows:
                rest = [pull[h] - guess[b] * matrix[b][h] for h in range(self.n)]
                guess[b] = _reach(matrix[b], rest, half, target[b])
                pull = [rest[h] + guess[b] * matrix[b][h] for h in range(self.n)]
            step = [now - was for now, was in zip(guess, before, strict=True)]
            if self._refuted([m / q for m, q in zip(step, norm, strict=True)]) or (
                sweep % 8 == 7 and self._refuted([m / q for m, q in zip(guess, norm, strict=True)])
            ):
                return None
            if max(map(abs, step)) <= 1e-12 * max(guess):
                break
        return [max(0, round(m / q * _SCALE)) for m, q in zip(guess, norm, strict=True)]

    def _refuted(self, guess: list[float]) -> bool:
        """Whether a weighted sum of the rows fails at all prices of the box; exact for the weights it takes."""
        top = max(guess)
        if top <= 0:
            return False
        weights = [max(0, round(m / top * _SCALE)) for m in guess]
        reach = -sum(m * c for m, c in zip(weights, self.target, strict=True))
        for h in range(self.n):
            a = sum(m * row[h] for m, row in zip(weights, self.matrix, strict=True))
            reach += a * (self.high[h] if a > 0 else self.low[h])
        return reach < 0

    def _too_many(self) -> MechanismError:
        return MechanismError(
            f"the closest prices of {self.n} hours under {len(self.matrix)} no-loss rows need more than {STATES_MAX:,} "
            "partial sums; declare coarser ticks or lots, or give blocks rounder quantities"
        )


def _reach(row: list[float], rest: list[float], half: list[float], target: float) -> float:
    """The multiplier of one row, the others fixed, at which prices (from the middle) reach its target."""

    def total(multiplier: float) -> float:
        return sum(a * max(-w, min(w, (r + multiplier * a) / 8)) for a, r, w in zip(row, rest, half, strict=True) if a)

    if total(0.0) >= target:
        return 0.0
    low, high = 0.0, max((8 * w * (1 if a > 0 else -1) - r) / a for a, r, w in zip(row, rest, half, strict=True) if a)
    high = max(high, 0.0)
    for _ in range(60):
        middle = (low + high) / 2
        if total(middle) >= target:
            high = middle
        else:
            low = middle
    return high
