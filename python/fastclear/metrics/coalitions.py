"""What members are worth to each other: Shapley values, exact or sampled, and the core.

A game over n members is a table of 2^n whole numbers: the value of the coalition whose members are the bits set in the
index.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import factorial, lcm
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastclear.errors import SchemaError
from fastclear.metrics.run_figures import exact_sum

Int64 = NDArray[np.int64]
Value = Callable[[NDArray[np.bool_]], Int64]

EXACT_MEMBERS_MAX: Final = 16
_TOP = 2**62


def sharing_value(net_wh: ArrayLike, retail: int, feed_in: int) -> Value:
    """What coalitions save by sharing, as a function of who is in them.

    ``v(S) = (retail - feed_in) * sum_t min(demand_t(S), supply_t(S))``: superadditive, and its core is never empty (in
    each slot it is a market game; Shapley & Shubik 1969, J. Economic Theory 1).

    Parameters
    ----------
    net_wh : array_like of int, shape (members,) or (slots, members)
        Meters, + takes.
    retail, feed_in : int
        Ticks; ``retail >= feed_in``.

    Returns
    -------
    callable
        Takes bool (coalitions, members), gives int64 (coalitions,): nano-currency.

    Examples
    --------
    >>> value = sharing_value([-2, -2, 3, 1], 20, 8)
    >>> value(np.array([[True, False, True, False], [True] * 4]))
    array([24, 48])
    """
    net = np.atleast_2d(np.asarray(net_wh))
    if net.ndim != 2 or net.dtype.kind not in "iu" or retail < feed_in:
        raise SchemaError("net_wh must be whole Wh of the shape (slots, members), and retail not below feed_in")
    demand, supply = (np.maximum(sign * net, 0).astype(np.int64).T for sign in (1, -1))
    if min(exact_sum(demand), exact_sum(supply)) * (retail - feed_in) >= _TOP:
        raise SchemaError("what all save together must stay below 2^62 nano-currency; take fewer slots at a time")

    def value(inside: NDArray[np.bool_]) -> Int64:
        who = inside.astype(np.int64)
        saved: Int64 = np.minimum(who @ demand, who @ supply).sum(axis=1) * (retail - feed_in)
        return saved

    return value


def tabulated(value: Value, members: int) -> Int64:
    """The whole table of a game, for up to 16 members.

    Raises
    ------
    SchemaError
        For more members: there would be 2^members coalitions.

    Examples
    --------
    >>> tabulated(sharing_value([-4, 4], 20, 8), 2)
    array([ 0,  0,  0, 48])
    """
    if not 1 <= members <= EXACT_MEMBERS_MAX:
        raise SchemaError(
            f"a table of all coalitions is for 1 to {EXACT_MEMBERS_MAX} members, these are {members}; "
            "use sampled_shapley"
        )
    sets = np.arange(2**members)[:, None] >> np.arange(members) & 1
    return value(sets.astype(np.bool_))


def _table(values: ArrayLike) -> tuple[Int64, int]:
    table = np.asarray(values)
    members = len(table).bit_length() - 1
    if table.ndim != 1 or table.dtype.kind not in "iu" or len(table) != 2**members or members < 1:
        raise SchemaError(f"values must be 2^members whole numbers, got {table.dtype} of shape {table.shape}")
    if members > EXACT_MEMBERS_MAX:
        raise SchemaError(f"{members} members are more than {EXACT_MEMBERS_MAX}; use sampled_shapley")
    if (np.abs(table) >= _TOP).any():
        raise SchemaError("values must stay below 2^62, so that differences fit 64 bits")
    if table[0]:
        raise SchemaError(f"values[0] is {table[0]}; nobody is worth nothing")
    return table.astype(np.int64), members


def shapley(values: ArrayLike) -> list[Fraction]:
    """The Shapley value of each member, exact.

    ``phi_i = sum_S |S|! (n - |S| - 1)! / n! * (v(S + i) - v(S))``. Source: Shapley 1953. It sums to the value of all.
    O(n 2^n).

    Parameters
    ----------
    values : array_like of int, shape (2^n,)
        See the module; n up to 16; ``values[0]`` is 0.

    Returns
    -------
    list of Fraction

    Raises
    ------
    SchemaError
        If the table has another size, or a value beyond 2^62.

    Examples
    --------
    >>> game = tabulated(sharing_value([-4, -4, 4], 20, 8), 3)
    >>> [int(share) for share in shapley(game)]
    [8, 8, 32]
    """
    table, n = _table(values)
    sets = np.arange(len(table))
    sizes = np.bitwise_count(sets).astype(np.int64)
    weight = [factorial(size) * factorial(n - size - 1) for size in range(n)]
    shares = []
    for member in range(n):
        without = sets[sets >> member & 1 == 0]
        marginal = table[without | 1 << member] - table[without]
        # halves of 32 bits: 2^15 of them sum exactly within the 53 bits of a float
        high = np.bincount(sizes[without], marginal >> 32, minlength=n)
        low = np.bincount(sizes[without], marginal & 0xFFFF_FFFF, minlength=n)
        total = sum(w * ((int(h) << 32) + int(part)) for w, h, part in zip(weight, high, low, strict=True))
        shares.append(Fraction(total, factorial(n)))
    return shares


@dataclass(frozen=True, eq=False)
class SampledShapley:
    """Estimates with an interval each.

    Attributes
    ----------
    share, low, high : ndarray of float64, shape (members,)
        Mean of the marginal contributions, and the bounds of its confidence interval.
    confidence : float
    orders : int
        How many orders of the members were drawn, their reverses included.
    """

    share: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    confidence: float
    orders: int


def sampled_shapley(
    value: Value, members: int, *, pairs: int = 500, confidence: float = 0.95, seed: int
) -> SampledShapley:
    """Shapley values of any number of members from random orders, each with its reverse.

    A member's share is its mean marginal contribution as members join in a random order (Castro, Gómez & Tejada 2009,
    Computers & Operations Research 36). An order and its reverse make one observation (antithetic, Mitchell et al.
    2022, JMLR 23), and the interval is that of their mean: ``mean +- z * s / sqrt(pairs)``. Shares of every order sum
    to the value of all, and so do the estimates.

    Parameters
    ----------
    value : callable
        Takes bool (coalitions, members), gives int64 (coalitions,).
    members : int
    pairs : int, default 500
        At least 30, below which the interval says little.
    confidence : float, default 0.95
        For each member by itself.
    seed : int

    Returns
    -------
    SampledShapley

    Examples
    --------
    >>> estimate = sampled_shapley(sharing_value([-4, -4, 4], 20, 8), 3, seed=1)
    >>> bool(((estimate.low <= [8, 8, 32]) & (estimate.high >= [8, 8, 32])).all())
    True
    """
    if members < 1 or pairs < 30 or not 0 < confidence < 1:
        raise SchemaError(f"members >= 1, pairs >= 30 and 0 < confidence < 1, got {members}, {pairs}, {confidence}")
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**64:
        raise SchemaError(f"seed must be a whole number from 0 to 2^64 - 1, got {seed!r}")
    random = np.random.Generator(np.random.PCG64(np.random.SeedSequence(int(seed), spawn_key=(20,))))
    total, squares = np.zeros(members), np.zeros(members)
    joined = np.tri(members, dtype=np.bool_)  # row k: the first k + 1 of an order
    for _ in range(pairs):
        order = random.permutation(members)
        observed = np.zeros(members)
        for turn in (order, order[::-1]):
            inside = np.zeros((members, members), np.bool_)
            inside[:, turn] = joined
            observed[turn] += np.diff(value(inside), prepend=0)
        total += observed / 2
        squares += (observed / 2) ** 2
    mean = total / pairs
    spread = np.sqrt(np.maximum(squares / pairs - mean**2, 0.0) / (pairs - 1))
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    return SampledShapley(mean, mean - z * spread, mean + z * spread, confidence, 2 * pairs)


@dataclass(frozen=True)
class CoreCheck:
    """Whether a division is in the core.

    Attributes
    ----------
    in_core : bool
        It gives out the value of all, and no coalition could do better by itself.
    excess : Fraction
        ``max_S v(S) - x(S)`` over coalitions other than nobody and all; 0 or below in the core.
    blocking : tuple of int or None
        Members of the coalition that could gain most by leaving; the first by number of equals, None if none could.
    """

    in_core: bool
    excess: Fraction
    blocking: tuple[int, ...] | None


def core_check(values: ArrayLike, shares: Sequence[int | Fraction]) -> CoreCheck:
    """Whether any coalition would do better by itself. Source: Gillies 1959.

    Parameters
    ----------
    values : array_like of int, shape (2^n,)
        The game, n up to 16.
    shares : sequence of int or Fraction
        What each member gets.

    Returns
    -------
    CoreCheck

    Examples
    --------
    >>> game = tabulated(sharing_value([-4, -4, 4], 20, 8), 3)
    >>> core_check(game, [12, 12, 24])
    CoreCheck(in_core=False, excess=Fraction(12, 1), blocking=(0, 2))
    >>> core_check(game, [0, 0, 48]).in_core
    True
    """
    table, n = _table(values)
    if len(shares) != n:
        raise SchemaError(f"shares has {len(shares)} members, the game {n}", column="shares")
    exact = [Fraction(share) for share in shares]
    den = lcm(*(share.denominator for share in exact))
    given = np.zeros(1, dtype=object)  # Python integers: a common denominator can pass 64 bits
    for share in exact:
        given = np.concatenate([given, given + int(share * den)])
    excess = table.astype(object) * den - given
    inner = excess[1:-1]
    at = int(np.argmax(inner)) + 1 if n > 1 else 0
    most = Fraction(int(excess[at]), den) if n > 1 else Fraction(0)
    whole = excess[-1] == 0
    blocking = tuple(m for m in range(n) if at >> m & 1) if most > 0 else None
    return CoreCheck(in_core=bool(whole and most <= 0), excess=most, blocking=blocking)
