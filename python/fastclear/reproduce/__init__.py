"""Published figures of the field beside our own: ``python -m fastclear.reproduce``.

One module an experiment. Each clears its markets through :func:`fastclear.clear`, as many in a call as memory allows,
draws everything random from a seed, and states its reading where the source leaves one open.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Final, Protocol, cast

import polars as pl

from fastclear.errors import FastclearError
from fastclear.reproduce.draws import check_seed
from fastclear.reproduce.figure import Figure, Step, frame

__all__ = ["EXPERIMENTS", "Experiment", "Figure", "experiment", "run"]


class Experiment(Protocol):
    """What the module of an experiment holds.

    Attributes
    ----------
    NAME, TITLE, SOURCE, UNIT, READING : str
        Its short name, what it shows, who published the figures, their unit, and what we read into the source.
    RUNS : int
        Runs by default.
    """

    NAME: str
    TITLE: str
    SOURCE: str
    UNIT: str
    READING: str
    RUNS: int

    def work(self, runs: int, /) -> int:
        """Markets in `runs` runs, for the progress bar."""

    def figures(self, runs: int, seed: int, step: Step, /) -> list[Figure]:
        """Run it."""


EXPERIMENTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        name: f"fastclear.reproduce.{name}"
        for name in ("mcafee", "bargaining", "muda", "oversupply", "electricity", "huang", "pv_share")
    }
)
"""Modules by name, in the order in which they run."""


def experiment(name: str) -> Experiment:
    """Import an experiment.

    Raises
    ------
    FastclearError
        If there is none of this name.

    Examples
    --------
    >>> experiment("bargaining").RUNS
    100000
    """
    if name not in EXPERIMENTS:
        raise FastclearError(f"there is no experiment {name!r}; take one of {', '.join(EXPERIMENTS)}")
    return cast(Experiment, import_module(EXPERIMENTS[name]))


def figures(name: str, *, runs: int | None = None, seed: int = 1, step: Step = lambda _: None) -> list[Figure]:
    """Run an experiment; arguments as for :func:`run`, and `step`, which hears of markets as they are done."""
    chosen = experiment(name)
    runs = chosen.RUNS if runs is None else runs
    if isinstance(runs, bool) or not isinstance(runs, int) or runs < 2:
        raise FastclearError(f"runs={runs!r} must be a whole number from 2 up: one run has no standard error")
    return chosen.figures(runs, check_seed(seed), step)


def run(name: str, *, runs: int | None = None, seed: int = 1) -> pl.DataFrame:
    """Run an experiment.

    Parameters
    ----------
    name : str
        One of ``EXPERIMENTS``.
    runs : int, optional
        Markets of each size (seeds, for ``electricity``), from 2 up; by default as many as the printed tables are of.
    seed : int
        Everything random comes from it, 0 to 2^64 - 1.

    Returns
    -------
    polars.DataFrame
        One row a figure: ``experiment``, ``quantity``, ``relation`` (what ours should be to the published one: ``=``,
        ``<``, ``>``, ``>=``), ``published``, ``source``, ``ours``, ``standard_error``, ``runs``, ``tolerance``,
        ``verdict`` (``exact``, ``agrees``, ``unclear``, ``differs``, ``-``; see
        :attr:`fastclear.reproduce.figure.Figure.verdict`).

    Raises
    ------
    FastclearError
        If the name, the runs or the seed cannot be used.

    Examples
    --------
    >>> from fastclear.reproduce import run
    >>> found = run("bargaining", runs=1000)
    >>> found.select("quantity", "published", "verdict").row(0)
    ('trade probability 9/32, integral', 0.28125, 'exact')
    """
    return frame(name, experiment(name).SOURCE, figures(name, runs=runs, seed=seed))
