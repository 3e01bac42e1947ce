"""A frame that is shown to people and handed on: it prints as text, exports as columns, writes files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import Context, Decimal
from html import escape
from pathlib import Path
from shutil import get_terminal_size
from typing import Any, Final

import polars as pl

from fastclear.errors import StoreError
from fastclear.exports import Exported

NANO: Final = 10**9
"""Nano-currency in one unit of currency."""
CURRENCY: Final = pl.Decimal(38, 9)
"""Money in units of currency, to the nano."""
_ENDS: Final = 6
_WIDE: Final = Context(prec=60)  # the default of 28 digits would round what a balance may hold


def in_currency(nano: int) -> Decimal:
    """Money in units of currency, exactly.

    Examples
    --------
    >>> in_currency(-81_000_000_001)
    Decimal('-81.000000001')
    """
    return Decimal(nano).scaleb(-9, _WIDE)


def money_text(nano: int) -> str:
    """Money in units of currency as people read it: two decimals, and more where there are any.

    Examples
    --------
    >>> money_text(1_234_500_000_000), money_text(-1)
    ('1,234.50', '-0.000000001')
    """
    whole, rest = divmod(abs(nano), NANO)
    return f"{'-' if nano < 0 else ''}{whole:,}.{f'{rest:09d}'.rstrip('0'):0<2}"


class View(Exported):
    """What a view of the accounts hands out: a polars frame with a title.

    It prints in units of currency and kWh, while the frame holds the integers. ``to_pandas``, ``to_arrow`` and the
    Arrow stream export the frame, :meth:`write` keeps it.

    Attributes
    ----------
    frame : polars.DataFrame
        The columns.
    title : str
        What it shows.
    """

    _MONEY: tuple[str, ...] = ()
    """Columns in nano-currency."""
    _HIDDEN: tuple[str, ...] = ()
    """Columns that are not printed."""

    def __init__(self, frame: pl.DataFrame, title: str) -> None:
        self.frame = frame
        self.title = title

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.frame)

    def write(self, path: str | Path) -> Path:
        """Write the frame to a ``.csv`` or ``.parquet`` file, whole or not at all.

        Raises
        ------
        StoreError
            Another suffix, or a file that cannot be written.
        """
        target = Path(path)
        suffix = target.suffix.lower()
        if suffix not in (".csv", ".parquet"):
            raise StoreError(f"{target}: is neither .csv nor .parquet; name it by what it is to hold")
        with whole_file(target) as part:
            if suffix == ".csv":
                self.frame.write_csv(part)
            else:
                self.frame.write_parquet(part)
        return target

    def __repr__(self) -> str:
        """Show the title and the first and last rows."""
        rows = self._printed()
        count = f"({len(self):,} rows, {len(self) - 2 * _ENDS:,} of them not shown)\n" if len(rows) < len(self) else ""
        with _table():
            return f"{self.title}\n{count}{rows}"

    def _repr_html_(self) -> str:
        with _table():
            return f"<p>{escape(self.title)}</p>{self._printed()._repr_html_()}"

    def _printed(self) -> pl.DataFrame:
        """The first and last rows as text."""
        frame = self.frame.drop(self._HIDDEN)
        if len(frame) > 2 * _ENDS:
            frame = pl.concat([frame.head(_ENDS), frame.tail(_ENDS)])
        texts = [pl.Series(name, map(_printable, frame[name].to_list()), pl.String) for name in _names(frame)]
        return frame.with_columns(*texts, *(right(name, frame[name], money_text) for name in self._MONEY))


def right(name: str, numbers: Iterable[Any], words: Any) -> pl.Series:
    """Numbers as text that stands to the right; nothing where there is none."""
    texts = ["" if number is None else words(int(number)) for number in numbers]
    width = max([len(name), *map(len, texts)])
    return pl.Series(name, [text.rjust(width) for text in texts], dtype=pl.String)


def _names(frame: pl.DataFrame) -> list[str]:
    """Columns that hold what callers wrote."""
    return [name for name in ("participant", "counterparty") if frame.schema.get(name) == pl.String]


def _printable(name: str | None) -> str | None:
    """A name without anything that a terminal would obey."""
    return name if name is None or name.isprintable() else repr(name)


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """A file beside ``target`` that takes its place when all of it is written.

    Raises
    ------
    StoreError
        It cannot be written.
    """
    part = target.with_name(f".{target.name}.part")
    try:
        yield part
        part.replace(target)
    except OSError as error:
        raise StoreError(f"{target}: cannot be written: {error.strerror or error}") from None
    finally:
        part.unlink(missing_ok=True)


def table_width() -> int:
    """Columns of the terminal, 120 where there is none."""
    return min(max(get_terminal_size((120, 0)).columns, 80), 140)


def _table() -> pl.Config:
    return pl.Config(
        tbl_rows=2 * _ENDS,
        tbl_cols=-1,
        tbl_hide_dataframe_shape=True,
        tbl_hide_column_data_types=True,
        tbl_width_chars=table_width(),
        fmt_str_lengths=80,
    )
