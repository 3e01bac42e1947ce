"""SimBench low-voltage grids as communities, with their year of quarter-hourly load and PV profiles.

Needs the extra ``fastclear[simbench]``. The first load of a grid takes some seconds and is kept as Parquet
in the user's cache directory; after that neither SimBench nor pandas is imported.

SimBench: Meinecke et al., "SimBench - A Benchmark Dataset of Electric Power Systems to Compare Innovative
Solutions Based on Power Flow Analysis", Energies 13 (2020) 3290. Its data is under the ODbL: keep to it
when you pass data on.

What is done to the data, and what is not:

- A member is a connection point (a bus with load): loads, PV systems and batteries of a bus have one meter.
- MW become Wh by ``p_mw * 250_000`` a quarter-hour, summed over a connection point and rounded to the whole
  Wh, halves to even. Rounding is at most half a Wh a slot and is not carried on.
- SimBench stamps the year 2016 with naive local times that do follow daylight saving: on 27 March an hour is
  missing, on 30 October one comes twice. They are read as Europe/Berlin.
- SimBench's homes share few profiles (``1-LV-rural3--1-sw``: 145 loads, 18 profiles), so that homes are in
  proportion to each other and tie everywhere. Load is therefore jittered from a seed (``jitter_ppm=0`` turns
  it off). PV is not: neighbours do share their sun.
- Batteries keep their size, power and efficiency; SimBench's own storage profiles are dropped, the plan is
  the run's. In ``1-LV-rural3--1-sw`` none of the 14 batteries shares its bus with PV, so that a plan of
  self-consumption leaves them empty.
- Grid losses, reactive power and limits are ignored: this is who uses and produces what, not a power flow.
- Nobody's load is essential, and there is no tariff: SimBench says nothing on either.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import warnings
from dataclasses import replace
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear.community.frame import NS_PER_DAY, Community
from fastclear.errors import PresetError, StoreError

DEFAULT_GRID = "1-LV-rural3--1-sw"
_FORMAT = 1  # of the cache; a number that differs is made again
_SLOT_NS = 15 * 60 * 10**9
_WH_PER_MW_SLOT = 250_000  # 1 MW for a quarter of an hour
_ZONE = "Europe/Berlin"
_PPM = 1_000_000
_CODE = re.compile(r"[A-Za-z0-9_.-]+")


def load_simbench(
    code: str = DEFAULT_GRID,
    *,
    start: str = "2016-07-04",
    days: int | None = None,
    seed: int = 0,
    jitter_ppm: int = 100_000,
    cache_dir: str | os.PathLike[str] | None = None,
) -> Community:
    """Load a SimBench low-voltage grid.

    Parameters
    ----------
    code : str, default ``"1-LV-rural3--1-sw"``
        SimBench code of a low-voltage grid (``1-LV-...``), scenario 0, 1 or 2.
    start : str, default ``"2016-07-04"``
        First day, UTC, ISO 8601. The default is a Monday in summer, so that seven days hold a week in which
        homes trade; the data runs from 2016-01-01 to 2016-12-30 in whole days of UTC.
    days : int, optional
        How many days; by default all that are left of 2016.
    seed : int, default 0
        Seed of the jitter.
    jitter_ppm : int, default 100,000
        Each load of a slot is multiplied by ``1 + e``, `e` drawn uniformly from whole parts per million
        between ``-jitter_ppm`` and ``+jitter_ppm``, and rounded to the Wh, halves up. 0 gives SimBench's own
        numbers.
    cache_dir : path, optional
        Where to keep the converted grid. By default ``fastclear`` in the user's cache directory:
        ``XDG_CACHE_HOME`` or ``~/.cache`` on Linux, ``~/Library/Caches`` on macOS, ``LOCALAPPDATA`` on
        Windows.

    Returns
    -------
    Community
        One member a connection point, named ``bus<number>``.

    Raises
    ------
    PresetError
        If SimBench is not installed, has no such grid, or an argument is out of range.
    StoreError
        If the cache cannot be written.

    Examples
    --------
    >>> community = load_simbench(days=7)  # doctest: +SKIP
    >>> community  # doctest: +SKIP
    <Community 1-LV-rural3--1-sw: 118 members, 7 days of 15-minute slots, 2016-07-04 to 2016-07-10>
    """
    if not isinstance(code, str) or not _CODE.fullmatch(code) or "-LV-" not in code:
        raise PresetError(f"{code!r} is no code of a SimBench low-voltage grid; use one such as {DEFAULT_GRID!r}")
    for name, value, top in (("seed", seed, 2**64 - 1), ("jitter_ppm", jitter_ppm, _PPM)):
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= top:
            raise PresetError(f"{name} must be a whole number from 0 to {top}, got {value!r}")
    try:
        monday = (date.fromisoformat(start) - date(1970, 1, 1)).days * NS_PER_DAY
    except (TypeError, ValueError) as error:
        raise PresetError(f"start must be a date such as '2016-07-04', got {start!r}") from error

    slots, members, load_wh, pv_wh = _grid(code, _cache_folder(cache_dir))
    first = int(np.searchsorted(slots, monday))
    if len(slots) - first < 96 or slots[first] != monday:
        raise PresetError(f"start {start} is beyond the data: SimBench has 2016-01-01 to 2016-12-30 (days of UTC)")
    last = first + (len(slots) - first) // 96 * 96
    window = slice(first, last)
    note = f"load jittered by up to {jitter_ppm / 1e4:g} %, seed {seed}" if jitter_ppm else "no jitter"
    community = Community(
        name=code,
        source=f"SimBench {code}, 2016, {members.height} connection points (ODbL; {note}; grid losses ignored)",
        slots=slots[window],
        slot_ns=_SLOT_NS,
        members=members,
        load_wh=load_wh[window],
        pv_wh=pv_wh[window],
    )
    if days is not None:
        community = community.days(days)
    return replace(community, load_wh=_jittered(community.load_wh, first, seed, jitter_ppm))


def _jittered(load_wh: NDArray[np.int64], first: int, seed: int, jitter_ppm: int) -> NDArray[np.int64]:
    """Load times (1 + e): drawn slot by slot of the year, so that a window does not change its numbers."""
    if jitter_ppm == 0:
        return load_wh
    out = np.empty_like(load_wh)
    for row, load in enumerate(load_wh):
        sequence = np.random.SeedSequence(seed, spawn_key=(first + row,))
        generator = np.random.Generator(np.random.PCG64(sequence))
        error = generator.integers(-jitter_ppm, jitter_ppm, size=len(load), endpoint=True)
        out[row] = (load * (_PPM + error) + _PPM // 2) // _PPM
    return out


def _cache_folder(cache_dir: str | os.PathLike[str] | None) -> Path:
    """Where converted grids are kept."""
    if cache_dir is not None:
        return Path(cache_dir)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "fastclear" / "simbench"


def _grid(code: str, folder: Path) -> tuple[NDArray[np.int64], pl.DataFrame, NDArray[np.int64], NDArray[np.int64]]:
    """Slots, members, load and PV of the year, from the cache or from SimBench."""
    profiles, members = (folder / f"{code}.v{_FORMAT}.{part}.parquet" for part in ("profiles", "members"))
    if not (profiles.is_file() and members.is_file()):
        tables = _converted(code)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for path, table in zip((profiles, members), tables, strict=True):
                _write(path, table)
        except OSError as error:
            raise StoreError(f"cannot write the cache {folder}: {error}; give cache_dir=") from error
    try:
        with profiles.open("rb") as stream:
            year = pl.read_parquet(stream)
        with members.open("rb") as stream:
            who = pl.read_parquet(stream)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise StoreError(f"the cache {profiles} cannot be read: {error}; delete it and run again") from error
    names = who["participant"].to_list()
    load, pv = (
        year.select(pl.col(f"{name}.{what}").cast(pl.Int64) for name in names).to_numpy() for what in ("load", "pv")
    )
    return year["slot"].to_physical().to_numpy(), who, load, pv


def _write(path: Path, table: pl.DataFrame) -> None:
    """Write whole or not at all: two runs may convert the same grid at once."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as stream:
            table.write_parquet(stream, compression="zstd", statistics=False)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _converted(code: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Give the grid as SimBench has it, one column a connection point and quantity, whole Wh."""
    net = _simbench_net(code)
    load, pv = net["load"], net["pv"]
    buses = sorted(set(load["bus"]))
    feeders = net["feeders"]
    columns: dict[str, NDArray[np.int64]] = {}
    rows = []
    for bus in buses:
        for what, table in (("load", load), ("pv", pv)):
            mw = table["mw"][:, [i for i, b in enumerate(table["bus"]) if b == bus]].sum(axis=1)
            wh = np.rint(np.clip(mw, 0.0, None) * _WH_PER_MW_SLOT)
            columns[f"bus{bus}.{what}"] = wh.astype(np.int32)
        battery = net["batteries"].get(bus, (0, 0, 0))
        pv_wp = round(sum(p for p, b in zip(pv["nominal_mw"], pv["bus"], strict=True) if b == bus) * 1e6)
        rows.append((f"bus{bus}", "home", bus, feeders.get(bus), pv_wp, *battery, False))
    members = pl.DataFrame(
        rows,
        schema={
            "participant": pl.String,
            "kind": pl.String,
            "bus": pl.Int64,
            "feeder": pl.Int64,
            "pv_wp": pl.Int64,
            "battery_wh": pl.Int64,
            "battery_w": pl.Int64,
            "battery_efficiency_ppm": pl.Int64,
            "essential": pl.Boolean,
        },
        orient="row",
    )
    return pl.DataFrame({"slot": _utc(net["stamps"]), **columns}), members


def _utc(stamps: list[str]) -> pl.Series:
    """SimBench's naive local stamps as UTC; refuse a year that does not come out whole."""
    naive = pl.Series(stamps).str.to_datetime("%d.%m.%Y %H:%M", time_unit="ns")
    turn = pl.int_range(pl.len()).over("t")
    choice = pl.when(turn == 0).then(pl.lit("earliest")).otherwise(pl.lit("latest"))
    slots = (
        naive.to_frame("t")
        .select(pl.col("t").dt.replace_time_zone(_ZONE, ambiguous=choice, non_existent="null"))
        .to_series()
        .dt.convert_time_zone("UTC")
    )
    steps = slots.to_physical().diff().drop_nulls()
    if slots.null_count() or not (steps == _SLOT_NS).all():
        raise PresetError(f"the stamps of this SimBench version are not quarter-hours of {_ZONE}; please report it")
    return slots


def _simbench_net(code: str) -> dict[str, Any]:
    """Ask SimBench; everything that touches pandas and pandapower is in here."""
    try:
        with warnings.catch_warnings():
            # pandapower warns about numba and about its own pandas calls on import; our reader can do nothing
            # about either
            warnings.simplefilter("ignore")
            # by name: neither ships types, and neither is there where types are checked
            simbench, topology = (import_module(name) for name in ("simbench", "pandapower.topology"))
    except ImportError as error:
        raise PresetError(
            f"SimBench is not installed ({error}); pip install 'fastclear[simbench]' (about 400 MB; it "
            "pins pandas 2: use an environment of its own if you need pandas 3)"
        ) from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if code not in simbench.collect_all_simbench_codes():
            raise PresetError(f"SimBench has no grid {code!r}; use one such as {DEFAULT_GRID!r}")
        net = simbench.get_simbench_net(code)
        values = simbench.get_absolute_values(net, profiles_instead_of_study_cases=True)
        graph = topology.create_nxgraph(net)
        stamps = net.profiles["load"]["time"].to_list()
        transformers = set(net.trafo["lv_bus"].astype(int))
        lv = {int(bus) for bus in net.bus.index[net.bus["vn_kv"] < 1.0]}
        wanted = net.sgen["type"].astype(str).str.upper().str.contains("PV").to_numpy()
        if not wanted.all():
            warnings.warn("generators that are no PV are left out", stacklevel=2)
        return {
            "stamps": stamps,
            "load": {"bus": net.load["bus"].astype(int).to_list(), "mw": values["load", "p_mw"].to_numpy()},
            "pv": {
                "bus": net.sgen["bus"].astype(int)[wanted].to_list(),
                "mw": values["sgen", "p_mw"].to_numpy()[:, wanted],
                "nominal_mw": net.sgen["p_mw"].astype(float)[wanted].to_list(),
            },
            "batteries": _batteries(net.storage),
            "feeders": _feeders(graph, transformers, lv),
        }


def _batteries(storage: Any) -> dict[int, tuple[int, int, int]]:
    """Capacity (Wh), power (W) and efficiency (ppm) at each bus that has a battery."""
    found: dict[int, tuple[int, int, int]] = {}
    for row in storage.itertuples():
        wh, watt = round(float(row.max_e_mwh) * 1e6), round(float(row.sn_mva) * 1e6)
        # the column says percent and holds a fraction (0.95); take either
        efficiency = float(row.efficiency_percent)
        ppm = round(efficiency * (_PPM if efficiency <= 1 else _PPM / 100))
        old = found.get(int(row.bus), (0, 0, ppm))
        found[int(row.bus)] = (old[0] + wh, old[1] + watt, min(old[2], ppm))
    return found


def _feeders(graph: Any, transformers: set[int], lv: set[int]) -> dict[int, int]:
    """Give each bus the number of its feeder: what hangs together without the transformer's busbar."""
    numbers = dict.fromkeys(transformers, 0)
    number = 0
    for root in sorted(lv - transformers):
        if root in numbers:
            continue
        number += 1
        stack = [root]
        while stack:
            bus = stack.pop()
            if bus in numbers or bus not in lv:
                continue
            numbers[bus] = number
            stack.extend(int(other) for other in graph.neighbors(bus) if bus in graph)
    return numbers
