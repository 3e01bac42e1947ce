"""What staged rules share: who may sell, and the zones of the network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear.community import Community

Stager = Callable[[int], Any]
"""The mechanism of one slot, by its position in the run."""
_FEW = 64
_BUYERS_AT_ONCE = 8192
_PICKS = 16  # purpose of the stream: those of the agents are other numbers


def zones(community: Community) -> NDArray[np.int64]:
    """The zone of each member: its feeder, 0 where the data names none; int64, shape (members,)."""
    return community.members["feeder"].fill_null(0).to_numpy().astype(np.int64)


def picks(community: Community, sources: int, seed: int, period: int) -> pl.DataFrame:
    """Which producers each member has picked, drawn at random: ``buyer``, ``source`` (positions), ``rank`` from 1.

    Parameters
    ----------
    community : Community
        Producers are members with PV.
    sources : int
        How many each picks; fewer where there are not so many others, or, once in a great many draws of many
        producers, where too many of the draws fell on the same.
    seed, period : int
        The draw of one period knows nothing of the others.
    """
    producers = np.flatnonzero(community.pv_wh.any(axis=0))
    members = community.members.height
    stream = np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(_PICKS, period)))
    whole = len(producers) <= max(_FEW, 4 * sources)
    # of so many, a few times as many draws hold enough different ones: nobody has picked all of them
    width = len(producers) if whole else 4 * sources + 8
    found: list[tuple[NDArray[np.int64], ...]] = []
    for first in range(0, members, _BUYERS_AT_ONCE):
        buyers = np.arange(first, min(first + _BUYERS_AT_ONCE, members), dtype=np.int64)
        words = stream.random_raw(len(buyers) * width).reshape(len(buyers), width)
        if whole:
            drawn = producers[np.argsort(words, axis=1, kind="stable")[:, : sources + 1]]  # itself may be among them
        else:
            drawn = producers[((words >> np.uint64(32)) * np.uint64(len(producers)) >> np.uint64(32)).astype(np.int64)]
        keep = (drawn != buyers[:, None]) & _first_of_its_row(drawn)
        rank = np.cumsum(keep, axis=1)
        keep &= rank <= sources
        found.append((np.broadcast_to(buyers[:, None], keep.shape)[keep], drawn[keep], rank[keep]))
    names = ("buyer", "source", "rank")
    return pl.DataFrame(
        [pl.Series(name, np.concatenate([part[at] for part in found])) for at, name in enumerate(names)]
    )


def _first_of_its_row(drawn: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Where a value stands in its row for the first time."""
    order = np.argsort(drawn, axis=1, kind="stable")
    ranked = np.take_along_axis(drawn, order, axis=1)
    fresh = np.ones(drawn.shape, dtype=np.bool_)
    fresh[:, 1:] = ranked[:, 1:] != ranked[:, :-1]
    first = np.empty(drawn.shape, dtype=np.bool_)
    np.put_along_axis(first, order, fresh, axis=1)
    return first
