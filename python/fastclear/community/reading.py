"""`community_from_frame`: a user's own profiles, checked before anything is computed with them.

Each refusal is a `PresetError` that names the column, the row or slot, and what to do. Rows count from 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear.community.frame import MEMBER_COLUMNS, NS_PER_DAY, Community, utc_text
from fastclear.community.slots import slots_to_utc
from fastclear.errors import PresetError

PROFILE_COLUMNS = ("slot", "participant", "load_wh", "pv_wh")
"""Columns that a frame of profiles must have."""
_ENERGY = ("load_wh", "pv_wh")
_ENERGY_LIMIT = 2**31
_OPTIONAL = tuple(name for name in MEMBER_COLUMNS if name != "participant")
# what a member is when the frame does not say
_DEFAULTS: Mapping[str, Any] = {
    "kind": "home",
    "bus": None,
    "feeder": None,
    "pv_wp": 0,
    "battery_wh": 0,
    "battery_w": 0,
    "battery_efficiency_ppm": 0,
    "essential": False,
}


def community_from_frame(
    frame: Any,
    *,
    members: Any = None,
    tz: str | None = None,
    slot_minutes: int | None = None,
    rounding: Literal["refuse", "half_even"] = "refuse",
    allow_gaps: bool = False,
    missing: Literal["refuse", "day_before"] = "refuse",
    name: str = "own data",
    source: str | None = None,
    tariff: Mapping[str, int] | None = None,
) -> Community:
    """Make a community of your own load and PV profiles.

    Parameters
    ----------
    frame : frame, mapping or path
        One row a member and slot: ``slot`` (start of the slot: datetime with a zone, ISO 8601 text with an
        offset, or int64 nanoseconds UTC), ``participant`` (text or integer), ``load_wh``, ``pv_wh`` (whole
        Wh a slot, >= 0, below 2^31). polars, pandas, pyarrow, anything else with ``__arrow_c_stream__``, a
        mapping of columns, or the path of a ``.csv`` or ``.parquet`` file. Row order does not matter. May
        also hold the columns of `members`, constant for each participant. Any other column is ignored.
    members : frame, mapping or path, optional
        One row a member: ``participant`` and any of kind, bus, feeder, pv_wp, battery_wh, battery_w,
        battery_efficiency_ppm, essential. What is left out is ``home``, no bus, no battery, not essential.
    tz : str, optional
        Zone of naive times, such as ``"Europe/Berlin"``. Without it naive times are refused. Where clocks
        are set back, the first of two equal times (in row order, for each participant) is the earlier one.
    slot_minutes : int, optional
        Length of a slot; by default the smallest distance between two slots. Needed where there is one slot
        only.
    rounding : {"refuse", "half_even"}, default "refuse"
        What to do with energy that is not whole Wh.
    allow_gaps : bool, default False
        Accept slots that nobody has, such as between two season weeks.
    missing : {"refuse", "day_before"}, default "refuse"
        What to do where a participant has no row for a slot that others have: its own values of 24 hours before, or,
        where there are none, of 24 hours after. How many were filled is part of `source`.
    name, source : str, optional
        Label, and the line that says what data this is.
    tariff : mapping of str to int, optional
        Prices in ticks that come with the data, see :class:`Community`.

    Returns
    -------
    Community
        Members in ascending order (numbers as numbers, text as bytes), slots in order of time.

    Raises
    ------
    PresetError
        If anything above does not hold.

    Examples
    --------
    >>> frame = pl.DataFrame({
    ...     "slot": ["2024-07-08T12:00+02:00", "2024-07-08T12:15+02:00"] * 2,
    ...     "participant": ["ann", "ann", "bob", "bob"],
    ...     "load_wh": [100, 120, 300, 310],
    ...     "pv_wh": [700, 690, 0, 0],
    ... })
    >>> community = community_from_frame(frame)
    >>> community
    <Community own data: 2 members, 2 slots of 15-minute slots, 2024-07-08 to 2024-07-08>
    >>> community.net_wh
    array([[-600,  300],
           [-570,  310]])
    """
    if rounding not in ("refuse", "half_even"):
        raise PresetError(f"rounding is 'refuse' or 'half_even', not {rounding!r}")
    table = _frame(frame, "the community frame")
    for column in PROFILE_COLUMNS:
        if column not in table.columns:
            raise PresetError(
                f"the community frame lacks the column {column!r}; it needs {', '.join(PROFILE_COLUMNS)} "
                "and has "
                f"{', '.join(table.columns) or 'none'}"
            )
    if table.height == 0:
        raise PresetError("the community frame is empty: it has columns but no row; give one row a member and slot")
    _refuse_nulls(table, PROFILE_COLUMNS)
    labels = _labels(table["participant"], "the community frame")
    energy = {column: _energy(table[column], rounding) for column in _ENERGY}
    long = pl.DataFrame({"slot": slots_to_utc(table, tz), "participant": labels, **energy})
    slots, slot_ns = _grid(long, slot_minutes, allow_gaps=allow_gaps)
    names = long["participant"].unique().sort()
    if missing not in ("refuse", "day_before"):
        raise PresetError(f"missing is 'refuse' or 'day_before', not {missing!r}")
    rows = long.height
    if missing == "day_before":
        long = _fill_holes(long, slots, names)
    _refuse_holes(long, slots, names)
    wide = long.sort("slot", "participant")
    shape = (len(slots), len(names))
    return Community(
        name=name,
        source=(source or f"own data: {_origin(frame)}, {len(names)} members, {len(slots)} slots")
        + (f"; {long.height - rows} missing values filled from the day before or after" if long.height > rows else ""),
        slots=slots,
        slot_ns=slot_ns,
        members=_members(names, table.with_columns(labels.alias("participant")), members),
        load_wh=wide["load_wh"].to_numpy().reshape(shape),
        pv_wh=wide["pv_wh"].to_numpy().reshape(shape),
        tariff=tariff or {},
    )


def _origin(frame: object) -> str:
    if isinstance(frame, (str, Path)):
        return Path(frame).name
    return f"a {type(frame).__module__.partition('.')[0]} frame".replace("a builtins frame", "a mapping of columns")


def _frame(frame: Any, what: str) -> pl.DataFrame:
    """Anything tabular as a polars frame."""
    try:
        if isinstance(frame, pl.LazyFrame):
            return frame.collect()
        if isinstance(frame, pl.DataFrame):
            return frame
        if isinstance(frame, (str, Path)):
            return _file(Path(frame), what)
        if isinstance(frame, Mapping):
            return pl.DataFrame({str(column): values for column, values in frame.items()})
        if hasattr(frame, "__arrow_c_stream__"):
            table = pl.DataFrame(frame)
            if isinstance(table, pl.DataFrame):
                return table
    except ImportError as error:
        raise PresetError(f"{what}: its library cannot hand over Arrow data ({error}); install pyarrow") from error
    except (pl.exceptions.PolarsError, TypeError, ValueError, OverflowError) as error:
        raise PresetError(f"{what} cannot be read as columns: {error}") from error
    raise PresetError(
        f"{what} is a {type(frame).__name__}; give a polars, pandas or pyarrow frame, a mapping of "
        "columns, or the path "
        "of a .csv or .parquet file"
    )


def _file(path: Path, what: str) -> pl.DataFrame:
    if not path.is_file():
        raise PresetError(f"{what}: there is no file {path}")
    try:
        match path.suffix.lower():
            case ".parquet":
                # a stream, so that a path never is a pattern
                with path.open("rb") as stream:
                    return pl.read_parquet(stream)
            case ".csv":
                with path.open("rb") as stream:
                    # the whole file decides on a type: a late 0.5 must not end as "wrong type in row 10,000"
                    return pl.read_csv(stream, infer_schema_length=None)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise PresetError(f"{what}: {path} cannot be read: {error}") from error
    raise PresetError(f"{what}: {path} is neither .csv nor .parquet")


def _refuse_nulls(table: pl.DataFrame, columns: tuple[str, ...]) -> None:
    for column in columns:
        if table[column].null_count():
            row = int(table[column].is_null().arg_max() or 0)
            raise PresetError(
                f"column {column}, row {row}: a value is missing (null); fill it, or leave out that participant"
            )


def _labels(participant: pl.Series, what: str) -> pl.Series:
    """Participants as an ordered Enum: integers by number, text by its bytes."""
    if isinstance(participant.dtype, (pl.Categorical, pl.Enum)):
        participant = participant.cast(pl.String)
    if not (participant.dtype == pl.String or participant.dtype.is_integer()):
        raise PresetError(f"{what}: column participant has the type {participant.dtype}; give text or integers")
    order = participant.unique().sort().cast(pl.String)
    return participant.cast(pl.String).cast(pl.Enum(order))


def _energy(values: pl.Series, rounding: str) -> pl.Series:
    """One energy column as whole Wh, Int64."""
    column = values.name
    if not values.dtype.is_numeric():
        raise PresetError(f"column {column} has the type {values.dtype}; give whole Wh as integers (1 kWh = 1000)")
    if not values.dtype.is_integer():
        values = values.cast(pl.Float64)
        broken = ~values.is_finite()
        if broken.any():
            row = int(broken.arg_max() or 0)
            raise PresetError(f"column {column}, row {row}: {values[row]} is not a number; fill it first")
        whole = values.round(0, mode="half_to_even")
        off = whole != values
        if rounding == "refuse" and off.any():
            row = int(off.arg_max() or 0)
            raise PresetError(
                f"column {column}, row {row}: {values[row]} is not a whole number of Wh; convert to Wh if "
                "this is kWh, "
                'or ask for rounding="half_even"'
            )
        values = whole
    elif values.dtype not in (pl.UInt64, pl.Int128):
        values = values.cast(pl.Int64)  # the bounds below do not fit the narrow types
    for wild, why in ((values < 0, "negative"), (values >= _ENERGY_LIMIT, "2^31 Wh or more")):
        if wild.any():
            row = int(wild.arg_max() or 0)
            raise PresetError(
                f"column {column}, row {row}: {values[row]} is {why}; energy of a slot is 0 <= Wh < 2^31, "
                "consumption in "
                "load_wh and production in pv_wh"
            )
    return values.cast(pl.Int64)


def _grid(long: pl.DataFrame, slot_minutes: int | None, *, allow_gaps: bool) -> tuple[NDArray[np.int64], int]:
    """All slots in order, and their length; refuse uneven ones and, unless allowed, gaps."""
    slots = long["slot"].unique().sort().to_numpy()
    steps = np.diff(slots)
    if slot_minutes is not None:
        if isinstance(slot_minutes, bool) or not isinstance(slot_minutes, int) or not 0 < slot_minutes <= 1440:
            raise PresetError(f"slot_minutes must be a whole number from 1 to 1440, got {slot_minutes!r}")
        slot_ns = slot_minutes * 60 * 10**9
    elif len(steps):
        slot_ns = int(steps.min())
    else:
        raise PresetError("the frame has one slot only, so its length cannot be seen; give slot_minutes=15")
    uneven = steps % slot_ns != 0
    if uneven.any():
        at = int(np.argmax(uneven))
        raise PresetError(
            f"uneven slots: from {utc_text(int(slots[at]))} to {utc_text(int(slots[at + 1]))} are "
            f"{steps[at] / 60e9:g} minutes, which is no multiple of the slot length of {slot_ns / 60e9:g} "
            "minutes; "
            "resample to one length"
        )
    gaps = steps != slot_ns
    if gaps.any() and not allow_gaps:
        at = int(np.argmax(gaps))
        raise PresetError(
            f"a gap: the slot {utc_text(int(slots[at]) + slot_ns)} is missing for everyone (next is "
            f"{utc_text(int(slots[at + 1]))}); fill it, or pass allow_gaps=True"
        )
    return slots, slot_ns


def _fill_holes(long: pl.DataFrame, slots: NDArray[np.int64], names: pl.Series) -> pl.DataFrame:
    """The rows, and those that were missing: a day before, else a day after, as far as there are any."""
    there = np.zeros((len(slots), len(names)), dtype=bool)
    energy = np.zeros((len(_ENERGY), *there.shape), dtype=np.int64)
    at = np.searchsorted(slots, long["slot"].to_numpy()), long["participant"].to_physical().to_numpy()
    there[at] = True
    for column, name in enumerate(_ENERGY):
        energy[(column, *at)] = long[name].to_numpy()
    given = there.copy()
    # forward in time, so that a second day without readings is that of the day before it was missing; then backward
    for step, order in ((-NS_PER_DAY, range(len(slots))), (NS_PER_DAY, range(len(slots) - 1, -1, -1))):
        for slot in order:
            source = int(np.searchsorted(slots, slots[slot] + step))
            if there[slot].all() or source >= len(slots) or slots[source] != slots[slot] + step:
                continue
            take = ~there[slot] & there[source]
            energy[:, slot, take] = energy[:, source, take]
            there[slot] |= take
    slot_at, member = np.nonzero(there & ~given)
    filled = pl.DataFrame(
        {
            "slot": slots[slot_at],
            "participant": names.gather(member),
            **{name: energy[column, slot_at, member] for column, name in enumerate(_ENERGY)},
        }
    )
    return long.vstack(filled.select(long.columns))


def _refuse_holes(long: pl.DataFrame, slots: NDArray[np.int64], names: pl.Series) -> None:
    """Each participant must have each slot exactly once."""
    twice = long.select(pl.struct("slot", "participant").is_duplicated()).to_series()
    if twice.any():
        first = long.row(int(twice.arg_max() or 0), named=True)
        rows = long.with_row_index().filter(
            (pl.col("slot") == first["slot"]) & (pl.col("participant") == first["participant"])
        )["index"]
        raise PresetError(
            f"duplicate slot: {first['participant']!r} has {utc_text(first['slot'])} in rows {rows[0]} "
            f"and {rows[1]}; "
            "keep one (or give an offset with each time, if clocks were set back)"
        )
    if long.height == len(slots) * len(names):
        return
    there = np.zeros((len(slots), len(names)), dtype=bool)
    there[np.searchsorted(slots, long["slot"].to_numpy()), long["participant"].to_physical().to_numpy()] = True
    slot, member = np.argwhere(~there)[0]
    raise PresetError(
        f"a gap: {names[int(member)]!r} has no row for the slot {utc_text(int(slots[slot]))}; fill it, or "
        "leave out that "
        "participant, or pass missing='day_before'"
    )


def _members(names: pl.Series, table: pl.DataFrame, members: Any) -> pl.DataFrame:
    """Members in the order of `names`, from the frame's own columns or from a frame of members."""
    inside = [column for column in _OPTIONAL if column in table.columns]
    if members is None:
        given = table.select("participant", *inside).unique(maintain_order=True)
        torn = given.filter(given["participant"].is_duplicated())
        if torn.height:
            who = torn["participant"][0]
            column = next(c for c in inside if given.filter(pl.col("participant") == who)[c].n_unique() > 1)
            raise PresetError(f"column {column} changes between slots for {who!r}; it must be one value a participant")
    else:
        if inside:
            raise PresetError(f"column {inside[0]} is in the frame and members= is given too; say it in one place")
        given = _frame(members, "members")
        if "participant" not in given.columns:
            raise PresetError("members lack the column 'participant'")
        _refuse_nulls(given, ("participant",))
        given = given.with_columns(given["participant"].cast(pl.String))
    given = given.with_columns(pl.col("participant").cast(pl.String))
    known = set(names.cast(pl.String).to_list())
    for who in given["participant"]:
        if who not in known:
            raise PresetError(f"members: {who!r} has no row in the community frame; leave it out or add its profile")
    for who in names.cast(pl.String):
        if who not in set(given["participant"]):
            raise PresetError(f"members: {who!r} of the community frame is missing; add a row for it")
    for column in (c for c in _OPTIONAL if c in given.columns):
        _check_member_dtype(given[column])
    filled = given.with_columns(
        pl.lit(default, dtype=MEMBER_COLUMNS[column]).alias(column)
        for column, default in _DEFAULTS.items()
        if column not in given.columns
    )
    twice = filled.filter(filled["participant"].is_duplicated())
    if twice.height:
        raise PresetError(f"members: participant {twice['participant'][0]!r} is there twice; keep one row")
    return (
        names.cast(pl.String).to_frame("participant").join(filled, on="participant", how="left", maintain_order="left")
    )


def _check_member_dtype(values: pl.Series) -> None:
    wanted = MEMBER_COLUMNS[values.name]
    fits = {
        pl.String: values.dtype in (pl.String, pl.Categorical) or isinstance(values.dtype, pl.Enum),
        pl.Int64: values.dtype.is_integer() or values.dtype == pl.Null,
        pl.Boolean: values.dtype == pl.Boolean,
    }
    if not fits[type(wanted)]:
        raise PresetError(
            f"members: column {values.name} has the type {values.dtype}; it must be "
            + {pl.String: "text", pl.Int64: "whole numbers", pl.Boolean: "true or false"}[type(wanted)]
        )
