"""Files that the command reads and writes."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from fastclear.cli.terminal import fail

_PICTURES = (".html", ".png", ".svg")


def read_orders(path: Path, tz: str | None) -> Any:
    """A file of orders as a frame; ``tz`` is the zone of times without one."""
    import polars as pl

    readers: dict[str, Any] = {
        ".parquet": pl.read_parquet,
        ".csv": functools.partial(pl.read_csv, try_parse_dates=True),
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        fail(f"{path}: is neither .parquet nor .csv; convert it")
    if not path.is_file():
        fail(f"{path}: there is no such file")
    try:
        frame = reader(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        fail(f"{path}: cannot be read: {str(error).splitlines()[0]}")
    time = frame.schema.get("time")
    if isinstance(time, pl.Datetime) and time.time_zone is None:
        if tz is None:
            fail(f"{path}: column 'time' holds times without a time zone; say which with --tz, such as --tz UTC")
        try:
            return frame.with_columns(frame["time"].dt.replace_time_zone(tz))
        except pl.exceptions.PolarsError as error:
            fail(f"--tz {tz}: {str(error).splitlines()[0]}")
    if tz is not None:
        fail(f"--tz {tz}: {path} has no column 'time' without a zone; leave it out")
    return frame


def check_plot(path: Path) -> None:
    """Whether a picture can be written there, before anything is worked out."""
    if path.suffix.lower() not in _PICTURES:
        fail(f"--plot {path}: is none of {', '.join(_PICTURES)}")
    if not path.absolute().parent.is_dir():
        fail(f"--plot {path}: the directory {path.absolute().parent} does not exist; make it first")


def draw(chart: Any, path: Path) -> None:
    """Write a picture, whole or not at all; a page holds its plot library and opens offline."""
    part = path.with_name(f".{path.name}.part")
    try:
        match path.suffix.lower():
            case ".html":
                chart.save(part, format="html", inline=True)
            case ".png":
                chart.save(part, format="png", scale_factor=2)
            case _:
                chart.save(part, format="svg")
        part.replace(path)
    except OSError as error:
        fail(f"--plot {path}: cannot be written: {error.strerror or error}")
    finally:
        part.unlink(missing_ok=True)
