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
    if len(producers) <= max(_FEW, 4 * sources):
        keys = stream.random_raw(members * len(producers)).reshape(members, len(producers))
        drawn = producers[np.argsort(keys, axis=1, kind="stable")]
    else:
        # of so many, a few times as many draws hold enough different ones: nobody has picked all of them
        width = 4 * sources + 8
        words = stream.random_raw(members * width) >> np.uint64(32)
        drawn = producers[(words * np.uint64(len(producers)) >> np.uint64(32)).astype(np.int64)].reshape(members, width)
    frame = pl.DataFrame({"buyer": np.repeat(np.arange(members), drawn.shape[1]), "source": drawn.reshape(-1)})
    others = frame.filter(pl.col("buyer") != pl.col("source")).unique(keep="first", maintain_order=True)
    ranks = others.with_columns(rank=pl.int_range(1, pl.len() + 1).over("buyer"))
    return ranks.filter(pl.col("rank") <= sources)
