"""Every system that the reviews name, and what became of it here.

The reviews are cited by number, as in the presets: 000 Castelão et al. (virtual power plants), 001 Evens, Ercoli &
Arteconi (blockchain-enabled microgrids), 002 Shan et al. (case study of platforms), 003 Liu, Tian & Mao (overview of
P2P trading), 004 Peer-to-Peer Energy Sharing: A Comprehensive Review.
"""

from __future__ import annotations

from importlib.resources import files

import polars as pl

COLUMNS = ("name", "place", "source", "preset", "waits_for", "out_of_scope")
"""Columns of :func:`catalogue`, in their order."""


def catalogue() -> pl.DataFrame:
    """Every platform, pilot and published design that the five reviews name.

    Returns
    -------
    polars.DataFrame
        One row a system, all columns String: ``name``; ``place`` (country and year; null where the review gives
        none); ``source`` (review and section); and exactly one of ``preset`` (the name of the preset that runs it),
        ``waits_for`` (what is not in the library yet) and ``out_of_scope`` (why there will be no preset).

    Examples
    --------
    >>> import fastclear as fc
    >>> rows = fc.catalogue()
    >>> rows.filter(preset="brooklyn")["source"][0]
    '002 3.6, table 2; 003 5.2; 001 7'
    >>> rows.filter(name="Spectral")["out_of_scope"].item()
    'optimiser and forecaster behind the meter'
    """
    text = files("fastclear.platforms").joinpath("catalogue.csv").read_bytes()
    return pl.read_csv(text, schema_overrides=dict.fromkeys(COLUMNS, pl.String))
