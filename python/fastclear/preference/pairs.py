"""Who named whom: contracts, nominations and consents as frames, one row a pair."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear.errors import SchemaError
from fastclear.orders import Orders
from fastclear.orders.column import array_or_series
from fastclear.orders.frames import items

NO_CAP: Final = 2**63 - 1
NO_PRICE: Final = -(2**63)
WHOLE_PPM: Final = 1_000_000
ALWAYS: Final = (-(2**63), 2**63 - 1)

_IDS: Final = ("buyer", "source")
_INTEGERS: Final = {
    "rank": 0,
    "cap_price": NO_CAP,
    "cap_quantity": NO_CAP,
    "share_ppm": WHOLE_PPM,
    "price": NO_PRICE,
}
_RANGES: Final = {"rank": (-(2**31), 2**31), "cap_quantity": (0, NO_CAP), "share_ppm": (0, WHOLE_PPM)}
_TIMES: Final = {"valid_from": ALWAYS[0], "valid_to": ALWAYS[1]}
_COLUMNS: Final = (*_IDS, *_INTEGERS, *_TIMES, "consent")
_PRICE_MAX: Final = 2**31 - 1


def places_in(names: pl.Series, values: pl.Series) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Places of values among sorted names, and which of them are there."""
    if not len(names) or not len(values):
        return np.zeros(len(values), np.int64), np.zeros(len(values), bool)
    place = names.search_sorted(values.fill_null(names[0])).to_numpy().astype(np.int64)
    place = np.minimum(place, len(names) - 1)
    return place, (names.gather(place) == values).fill_null(value=False).to_numpy()


class PairTable:
    """A frame of pairs, checked: who may buy from whom, in which order, up to what, and when.

    Parameters
    ----------
    pairs : frame or mapping of columns, optional
        ``buyer``, ``source``
            Participants, integers or text as in the orders.
        ``rank`` (optional)
            Place in the buyer's list, lowest first; all alike where it is not given.
        ``price`` (optional)
            Ticks a unit that both agreed on, without network fee; null: by the rule of the stage.
        ``cap_price`` (optional)
            Most that the buyer pays this source a unit, network fee included, in ticks; null: its bid.
        ``cap_quantity`` (optional)
            Most lots that one bid takes from this source; null: any.
        ``share_ppm`` (optional)
            Most that one bid takes of what this source asks in the market, in parts per million, rounded down; null: all.
        ``valid_from``, ``valid_to`` (optional)
            Slots for which the row stands, first included, last not: int64 nanoseconds since 1970 UTC, or datetimes with
            a time zone; null: without end.
        ``consent`` (optional)
            Boolean: rows that are not true do not count.

    Raises
    ------
    SchemaError
        A column is missing or unreadable, a value is out of range, or two rows of a pair are valid at once.

    Examples
    --------
    >>> from fastclear.preference import PairTable
    >>> PairTable({"buyer": ["ann", "ann"], "source": ["wind", "sun"], "rank": [1, 2]})
    PairTable(2 pairs of 1 buyers)
    """

    __slots__ = ("frame",)

    def __init__(self, pairs: object = None, *, what: str = "pairs") -> None:
        frame = _read({} if pairs is None else pairs, what)
        _check_overlaps(frame, what)
        self.frame = frame

    @classmethod
    def of(cls, pairs: object, *, what: str = "pairs") -> PairTable:
        """``pairs`` as a table."""
        return pairs if isinstance(pairs, cls) else cls(pairs, what=what)

    def __len__(self) -> int:
        """Return the number of rows that count."""
        return self.frame.height

    def __repr__(self) -> str:
        """Say how many there are."""
        return f"PairTable({len(self):,} pairs of {self.frame['buyer'].n_unique():,} buyers)"

    def __eq__(self, other: object) -> bool:
        """Whether both hold the same rows."""
        return isinstance(other, PairTable) and self.frame.equals(other.frame)

    def __hash__(self) -> int:
        """Hash the number of rows, which equal tables share."""
        return hash(len(self))

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        """Pickle as the frame."""
        return _whole, (self.frame,)

    @property
    def dated(self) -> bool:
        """Whether any row is not valid for ever."""
        frame = self.frame
        return bool((frame["valid_from"] != ALWAYS[0]).any() or (frame["valid_to"] != ALWAYS[1]).any())

    def check_most(self, most: int) -> None:
        """Raise where a buyer names more than ``most`` sources for one instant.

        Raises
        ------
        SchemaError
            It does.
        """
        if not len(self):
            return
        ends = pl.concat(
            [
                self.frame.select("buyer", at="valid_from", step=pl.lit(1, pl.Int32)),
                self.frame.select("buyer", at="valid_to", step=pl.lit(-1, pl.Int32)),
            ]
        ).sort("buyer", "at", "step")
        count = ends.select("buyer", open=pl.col("step").cum_sum().over("buyer"))
        over = count.filter(pl.col("open") > most)
        if over.height:
            raise SchemaError(
                f"pairs: buyer {over['buyer'][0]!r} names {over['open'].max()} sources at once; "
                f"name at most most={most}, or let rows end (valid_to) before others begin",
                column="buyer",
            )

    def agreed(self, accepts: PairTable) -> PairTable:
        """Pairs whose source has named the buyer too, while both rows stand."""
        if not len(self) or not len(accepts):
            return _whole(self.frame.clear())
        other = accepts.frame
        if other["buyer"].dtype != self.frame["buyer"].dtype:
            raise SchemaError("accepts: ids are of another type than those of pairs; write them alike", column="buyer")
        both = self.frame.join(other, on=["buyer", "source"], how="inner", suffix="_of_source")
        both = both.with_columns(
            valid_from=pl.max_horizontal("valid_from", "valid_from_of_source"),
            valid_to=pl.min_horizontal("valid_to", "valid_to_of_source"),
            cap_quantity=pl.min_horizontal("cap_quantity", "cap_quantity_of_source"),
            share_ppm=pl.min_horizontal("share_ppm", "share_ppm_of_source"),
        ).filter(pl.col("valid_from") < pl.col("valid_to"))
        return _whole(both.select(self.frame.columns))

    def columns(self, orders: Orders, people: People) -> dict[str, NDArray[Any]]:
        """What the core reads, with participants by rank; pairs of participants without an order are left out."""
        frame = self.frame
        buyer, known_buyer = people.ranks(frame["buyer"], "buyer")
        source, known_source = people.ranks(frame["source"], "source")
        rows = np.flatnonzero(known_buyer & known_source)
        rank = frame["rank"].to_numpy()[rows]
        by_buyer = np.lexsort((source[rows], rank, buyer[rows]))
        rows = rows[by_buyer]
        begins = np.searchsorted(buyer[rows], np.arange(people.count + 1))
        columns: dict[str, NDArray[Any]] = {
            "begins": begins.astype(np.int64),
            "buyer": buyer[rows],
            "source": source[rows].astype(np.uint32),
        }
        for name in (*_INTEGERS, *_TIMES):
            columns[name] = np.ascontiguousarray(frame[name].to_numpy()[rows])
        return columns


def _whole(frame: pl.DataFrame) -> PairTable:
    """A table of rows that have been checked, with every column filled."""
    table = object.__new__(PairTable)
    table.frame = frame
    return table


class People:
    """Participants of the orders by rank.

    Parameters
    ----------
    orders : Orders
        With a column ``participant``.
    """

    def __init__(self, orders: Orders) -> None:
        assert orders.participant is not None
        self._texts = orders.texts.get("participant")
        ids = orders.participant
        low, high = (int(ids.min()), int(ids.max())) if len(ids) else (0, -1)
        self._known: NDArray[np.int64] | None = None
        if self._texts is not None:
            self.count = len(self._texts)
            self.rank = ids.astype(np.uint32)
        elif low >= 0 and high < 4 * len(ids) + 1024:  # ranks as good as any
            self.count = high + 1
            self.rank = ids.astype(np.uint32)
        else:
            self._known, inverse = np.unique(ids, return_inverse=True)
            self.count = len(self._known)
            self.rank = inverse.astype(np.uint32)

    def ranks(self, names: pl.Series, column: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Ranks of ids, and which of them have an order at all."""
        if not len(names):
            return np.zeros(0, np.int64), np.zeros(0, bool)
        if (names.dtype == pl.String) != (self._texts is not None):
            kind = "text" if self._texts is not None else "integers"
            raise SchemaError(
                f"column '{column}' of pairs is {names.dtype} and participants are {kind}; name them alike", column=column
            )
        if self._texts is not None:
            return places_in(self._texts, names)
        ids = names.to_numpy()
        if self._known is None:
            found = (ids >= 0) & (ids < self.count)
            return np.where(found, ids, 0), found
        places = np.minimum(np.searchsorted(self._known, ids), max(self.count - 1, 0))
        found = self._known[places] == ids if self.count else np.zeros(len(ids), bool)
        return places.astype(np.int64), found


def _read(pairs: object, what: str) -> pl.DataFrame:
    given: dict[str, pl.Series] = {}
    for name, column in items(pairs, what):
        if name not in _COLUMNS:
            raise SchemaError(f"column '{name}' is no column of {what}; there is {', '.join(_COLUMNS)}", column=name)
        given[name] = pl.Series(name, array_or_series(name, column))
    if not given:
        given = {name: pl.Series(name, [], dtype=pl.Int64) for name in _IDS}
    for name in _IDS:
        if name not in given:
            raise SchemaError(f"column '{name}' is missing from {what}", column=name)
    n = len(given["buyer"])
    columns = []
    for name, series in given.items():
        if len(series) != n:
            raise SchemaError(
                f"column '{name}' has {len(series)} rows and 'buyer' has {n}; give columns of one length", column=name
            )
    for name in _IDS:
        columns.append(_ids(name, given[name], what))
    if columns[0].dtype != columns[1].dtype:
        raise SchemaError(
            f"column 'source' is {columns[1].dtype} and 'buyer' is {columns[0].dtype}; name both alike", column="source"
        )
    for name, default in _INTEGERS.items():
        columns.append(_integers(name, given.get(name), n, default, what))
    for name, default in _TIMES.items():
        columns.append(_times(name, given.get(name), n, default))
    frame = pl.DataFrame(columns)
    if "consent" in given:
        consent = given["consent"]
        if consent.dtype != pl.Boolean and not (consent.dtype == pl.Null):
            raise SchemaError(f"column 'consent' is {consent.dtype}; give true or false", column="consent")
        frame = frame.filter(consent.cast(pl.Boolean).fill_null(value=False))
    return frame


def _ids(name: str, series: pl.Series, what: str) -> pl.Series:
    if series.dtype in (pl.Categorical, pl.Enum):
        series = series.cast(pl.String)
    if series.dtype == pl.Null:
        series = series.cast(pl.Int64)
    if series.null_count():
        row = int(series.is_null().arg_max() or 0)
        raise SchemaError(f"column '{name}' of {what}, row {row}: null; name a participant", column=name, row=row)
    if series.dtype == pl.String:
        return series
    if not series.dtype.is_integer() or series.dtype == pl.UInt64:
        raise SchemaError(f"column '{name}' is {series.dtype}; give integers up to 64 bits or text", column=name)
    return series.cast(pl.Int64)


def _integers(name: str, series: pl.Series | None, n: int, default: int, what: str) -> pl.Series:
    if series is None or series.dtype == pl.Null:
        return pl.Series(name, np.full(n, default, np.int64))
    if not series.dtype.is_integer() or series.dtype == pl.UInt64:
        raise SchemaError(f"column '{name}' is {series.dtype}; give whole numbers (ticks, lots, ranks)", column=name)
    series = series.cast(pl.Int64)
    low, high = _RANGES.get(name, (-_PRICE_MAX, _PRICE_MAX))
    wrong = ((series < low) | (series > high)).fill_null(value=False)
    if wrong.any():
        row = int(wrong.arg_max() or 0)
        raise SchemaError(
            f"column '{name}' of {what}, row {row}: {series[row]} is outside {low} to {high}", column=name, row=row
        )
    return series.fill_null(default)


def _times(name: str, series: pl.Series | None, n: int, default: int) -> pl.Series:
    if series is None or series.dtype == pl.Null:
        return pl.Series(name, np.full(n, default, np.int64))
    return instants(name, series).fill_null(default)


def instants(name: str, series: pl.Series) -> pl.Series:
    """Nanoseconds since 1970 UTC, nulls kept.

    Raises
    ------
    SchemaError
        Neither integers nor datetimes with a time zone.
    """
    if isinstance(series.dtype, pl.Datetime):
        if series.dtype.time_zone is None:
            raise SchemaError(
                f"column '{name}' holds datetimes without a time zone; say which one with "
                '.dt.replace_time_zone("UTC"), or the zone of your clock, "Europe/Amsterdam"',
                column=name,
            )
        return series.dt.timestamp("ns").cast(pl.Int64).alias(name)
    if series.dtype.is_integer() and series.dtype != pl.UInt64:
        return series.cast(pl.Int64).alias(name)
    raise SchemaError(
        f"column '{name}' is {series.dtype}; give int64 nanoseconds since 1970 UTC, or datetimes with a time zone",
        column=name,
    )


def _check_overlaps(frame: pl.DataFrame, what: str) -> None:
    """Refuse rows that end before they begin, and two rows of a pair that are valid at once."""
    empty = frame["valid_from"] >= frame["valid_to"]
    if empty.any():
        row = int(empty.arg_max() or 0)
        raise SchemaError(f"{what}, row {row}: valid_to is not after valid_from", column="valid_to", row=row)
    ordered = frame.with_row_index("row").sort("buyer", "source", "valid_from")
    after = ordered.select(
        "row",
        "buyer",
        "source",
        clash=(pl.col("buyer") == pl.col("buyer").shift(-1))
        & (pl.col("source") == pl.col("source").shift(-1))
        & (pl.col("valid_to") > pl.col("valid_from").shift(-1)),
    ).filter(pl.col("clash").fill_null(value=False))
    if after.height:
        row, buyer, source, _ = after.row(0)
        raise SchemaError(
            f"{what}, row {row}: buyer {buyer!r} names {source!r} twice for the same time; leave one out, or let it end",
            column="source",
            row=row,
        )
