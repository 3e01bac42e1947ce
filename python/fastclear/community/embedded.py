"""`load_community`: the data that ships with the package, and the one door to every other source by name."""

from __future__ import annotations

import json
from datetime import date
from importlib import resources
from typing import Any

import numpy as np
import polars as pl

from fastclear.community.digest import columns_digest
from fastclear.community.frame import NS_PER_DAY, Community
from fastclear.community.reading import community_from_frame
from fastclear.errors import PresetError

_FOLDER = resources.files("fastclear.community") / "data"
_FILE_ENDINGS = (".csv", ".parquet")
DAYS_A_SEASON = 7


def load_community(name: str = "embedded", season: str | None = None, tz: str | None = None) -> Community:
    """Load a community by name.

    The embedded data holds four weeks, Monday to Sunday UTC, in this order: summer (8 July 2024), autumn,
    winter and spring (13 April 2025). Time rises through all of them, and summer comes first on purpose:
    ``.days(7)`` is a summer week, in which homes have something to trade, and ``.days(28)`` is all four
    seasons.

    Parameters
    ----------
    name : str, default ``"embedded"``
        ``embedded``; ``simbench`` or ``simbench:GRIDCODE`` (needs the extra ``fastclear[simbench]``); or
        the path of a ``.csv`` or ``.parquet`` file with the columns slot, participant, load_wh, pv_wh.
    season : {"summer", "autumn", "winter", "spring"}, optional
        Only that week of the embedded data.
    tz : str, optional
        Zone of naive times in a file, such as ``"Europe/Berlin"``.

    Returns
    -------
    Community
        61 members (60 homes and one clinic) for the embedded data.

    Raises
    ------
    PresetError
        If there is no such community or season, or the file cannot be used as it is.

    Examples
    --------
    >>> load_community().days(7)
    <Community embedded: 61 members, 7 days of 15-minute slots, 2024-07-08 to 2024-07-14>
    >>> load_community(season="winter")
    <Community embedded: 61 members, 7 days of 15-minute slots, 2025-01-13 to 2025-01-19>
    """
    if name == "embedded":
        return _embedded(season)
    if season is not None:
        raise PresetError(f"season is a choice of the embedded data; {name!r} has none, use .days(n, start=...)")
    if name.lower().endswith(_FILE_ENDINGS):
        return community_from_frame(name, tz=tz)
    kind, _, code = name.partition(":")
    if kind == "simbench":
        # imported only when asked for: it is an integration, and its libraries are an extra
        from fastclear.integrations.simbench import load_simbench

        return load_simbench(code) if code else load_simbench()
    raise PresetError(
        f"no community is called {name!r}; use 'embedded', 'simbench', 'simbench:GRIDCODE', or the path "
        "of a .csv or "
        ".parquet file with the columns slot, participant, load_wh, pv_wh"
    )


def _embedded(season: str | None) -> Community:
    about: dict[str, Any] = json.loads((_FOLDER / "community.json").read_text(encoding="utf-8"))
    seasons: dict[str, str] = about["seasons"]
    if season is not None and season not in seasons:
        raise PresetError(f"no season is called {season!r}; the embedded data has {', '.join(seasons)}")
    frames = {name: _table(name, about["sha256_of_content"][name]) for name in ("profiles", "members")}
    profiles, members = frames["profiles"], frames["members"]
    # written by member, then slot: the reshape below is the whole of the pivot
    shape = (members.height, -1)
    slots = profiles["slot"].to_physical().to_numpy().reshape(shape)[0]
    community = Community(
        name="embedded",
        source="embedded synthetic community (60 homes, 1 clinic; BDEW H25 and pvlib clear sky, seeded; "
        "not metered data)",
        slots=slots,
        slot_ns=about["slot_minutes"] * 60 * 10**9,
        members=members,
        load_wh=profiles["load_wh"].to_numpy().reshape(shape).T,
        pv_wh=profiles["pv_wh"].to_numpy().reshape(shape).T,
        tariff=about["tariff_ticks"],
    )
    if season is None:
        return community
    monday = (date.fromisoformat(seasons[season]) - date(1970, 1, 1)).days * NS_PER_DAY
    first = int(np.searchsorted(slots, monday))
    return community.take(slice(first, first + DAYS_A_SEASON * community.slots_a_day))


def _table(name: str, expected: str) -> pl.DataFrame:
    """One file of the embedded data, its integers widened, checked against the hash recorded beside it."""
    with (_FOLDER / f"{name}.parquet").open("rb") as stream:
        frame = pl.read_parquet(stream).with_columns(pl.selectors.integer().cast(pl.Int64))
    columns = {
        c: frame[c].to_list() if frame[c].dtype == pl.String else frame[c].to_physical().to_numpy()
        for c in frame.columns
    }
    if columns_digest(columns) != expected:
        raise PresetError(f"the embedded data {name}.parquet is not what was shipped; install fastclear again")
    return frame
