"""The `slot` column of a user's frame, whatever it holds, as int64 nanoseconds UTC."""

from __future__ import annotations

import polars as pl

from fastclear.errors import PresetError

_REMEDY = 'name the zone of these clocks, such as tz="Europe/Berlin" (or tz="UTC")'
_OFFSET = r"(?:[Zz]|[+-]\d{2}:?\d{2})$"


def slots_to_utc(frame: pl.DataFrame, tz: str | None) -> pl.Series:
    """Read column ``slot`` as nanoseconds UTC.

    Taken: integers (nanoseconds since 1970 UTC), datetimes with a zone, ISO 8601 text with an offset;
    datetimes or text without one only together with `tz`. Where clocks are set back, the first of two equal
    times is the earlier.

    Parameters
    ----------
    frame : polars.DataFrame
        With the columns ``slot`` and ``participant``; slot has no nulls.
    tz : str or None
        Zone of naive times.

    Returns
    -------
    polars.Series
        Int64, in the order of the rows.

    Raises
    ------
    PresetError
        Naming the column, the first row at fault and the remedy.
    """
    slot = frame["slot"]
    if tz is not None:
        try:
            # polars brings its own zones; those of the standard library are missing on Windows
            pl.Series([0]).cast(pl.Datetime("ns")).dt.replace_time_zone(tz or "(none)")  # "" would mean naive
        except (pl.exceptions.PolarsError, TypeError, ValueError) as error:
            raise PresetError(f"tz={tz!r} is no time zone; use a name such as 'Europe/Berlin' or 'UTC'") from error
    if slot.dtype.is_integer():
        largest = slot.sort()[-1] if slot.len() else 0
        if largest >= 2**63:
            raise PresetError("column slot: integers are nanoseconds since 1970 UTC and must fit 64 signed bits")
        # 1970-04-26 in nanoseconds: seconds or milliseconds of any day since would lie below
        if 0 < largest < 10**16:
            raise PresetError(
                f"column slot: integers are nanoseconds since 1970 UTC, {largest} looks like seconds "
                "or milliseconds; "
                "multiply, or give datetimes"
            )
        return slot.cast(pl.Int64)
    if slot.dtype == pl.String:
        slot = _parsed(slot)
    if not isinstance(slot.dtype, pl.Datetime):
        raise PresetError(
            f"column slot has the type {slot.dtype}; give datetimes with a zone, ISO 8601 text with an "
            "offset, or int64 "
            "nanoseconds UTC"
        )
    if slot.dtype.time_zone is None:
        if tz is None:
            raise PresetError(f"column slot holds naive datetimes (row 0: {slot[0]}); {_REMEDY}")
        slot = _localised(frame.with_columns(slot.alias("slot")), tz)
    return slot.dt.convert_time_zone("UTC").cast(pl.Datetime("ns", "UTC")).to_physical()


def _parsed(text: pl.Series) -> pl.Series:
    """Datetimes from ISO 8601 text; with a zone where every row has an offset, naive where none has."""
    with_offset = text.str.contains(_OFFSET)
    if with_offset.any() and not with_offset.all():
        row = int((~with_offset).arg_max() or 0)
        raise PresetError(f"column slot mixes times with and without an offset (row {row}: {text[row]!r})")
    tidy = (
        text.str.replace(" ", "T", literal=True)
        .str.replace(r"[Zz]$", "+00:00")
        .str.replace(r"T(\d{2}:\d{2})($|[+-])", "T$1:00$2")
        .str.replace(r"^(\d{4}-\d{2}-\d{2})$", "${1}T00:00:00")
    )
    if with_offset.any():
        parsed = tidy.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%z", time_unit="ns", time_zone="UTC", strict=False)
    else:
        parsed = tidy.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="ns", strict=False)
    if parsed.null_count():
        row = int(parsed.is_null().arg_max() or 0)
        raise PresetError(
            f"column slot, row {row}: cannot read {text[row]!r}; write ISO 8601, such as 2024-07-08T12:15+02:00"
        )
    return parsed


def _localised(frame: pl.DataFrame, tz: str) -> pl.Series:
    """Naive wall time of `tz` as time with a zone."""
    # On the day clocks are set back an hour of wall time comes twice, and so does (slot, participant): the
    # first is the earlier one. A third would stay a duplicate and is reported as one later on.
    turn = pl.int_range(pl.len()).over("slot", "participant")
    choice = pl.when(turn == 0).then(pl.lit("earliest")).otherwise(pl.lit("latest"))
    local = frame.select(pl.col("slot").dt.replace_time_zone(tz, ambiguous=choice, non_existent="null")).to_series()
    if local.null_count():
        row = int(local.is_null().arg_max() or 0)
        raise PresetError(
            f"column slot, row {row}: {frame['slot'][row]} does not exist in {tz} (clocks were set "
            "forward over it); "
            "is the zone right, or are these times UTC?"
        )
    return local
