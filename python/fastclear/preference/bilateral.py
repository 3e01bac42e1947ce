"""Bilateral offers: made, countered, accepted, refused, taken back, run out, or forbidden by the network operator."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear import _core
from fastclear.errors import SchemaError
from fastclear.frames import framed
from fastclear.orders.column import array_or_series
from fastclear.orders.frames import items
from fastclear.preference.pairs import ALWAYS, NO_CAP, WHOLE_PPM, PairTable, instants

BilateralCode = IntEnum("BilateralCode", {name.upper(): code for code, name in enumerate(_core.BILATERAL_CODES)})  # type: ignore[misc]  # the names live in Rust
BilateralCode.__doc__ = "What became of an event: 0 is OK; otherwise it changed nothing, and the code says why."
BilateralCode.__module__ = __name__

_KINDS: Final = {name: number for number, name in enumerate(_core.BILATERAL_KINDS)}
_UNKNOWN: Final = 255
_IDS: Final = ("offer", "party", "counterparty")
_TERMS: Final = {
    "price": -(2**63),
    "quantity": 0,
    "share_ppm": 0,
    "valid_from": ALWAYS[0],
    "valid_to": ALWAYS[1],
    "expires": ALWAYS[1],
}
_TIMES: Final = ("time", "valid_from", "valid_to", "expires")
_COLUMNS: Final = ("kind", "time", *_IDS, "sells", *_TERMS)


class _Names:
    """Ids as integers: those that are integers stay, texts are numbered as they come."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.kind: type | None = None
        self.numbers: dict[str, int] = {}

    def encode(self, series: pl.Series) -> NDArray[np.int64]:
        if series.dtype in (pl.Categorical, pl.Enum):
            series = series.cast(pl.String)
        is_text = series.dtype == pl.String
        if not is_text and (not series.dtype.is_integer() or series.dtype == pl.UInt64):
            raise SchemaError(
                f"column '{series.name}' is {series.dtype}; give integers up to 64 bits or text", column=series.name
            )
        kind = str if is_text else int
        if self.kind is not None and self.kind is not kind:
            raise SchemaError(
                f"column '{series.name}': {self.what} were {self.kind.__name__} before; name them alike",
                column=series.name,
            )
        self.kind = kind
        if not is_text:
            return series.cast(pl.Int64).to_numpy()
        names = series.unique(maintain_order=True)
        for name in names.to_list():
            self.numbers.setdefault(name, len(self.numbers))
        numbers = pl.Series([self.numbers[name] for name in names.to_list()], dtype=pl.Int64)
        return series.replace_strict(names, numbers, return_dtype=pl.Int64).to_numpy()

    def decode(self, name: str, ids: NDArray[np.int64]) -> pl.Series:
        if self.kind is not str:
            return pl.Series(name, ids)
        return pl.Series(list(self.numbers), dtype=pl.String).gather(pl.Series(ids, dtype=pl.Int64)).alias(name)


class Bilateral:
    """Offers between two parties, over the counter and at their own time.

    A party offers another a fixed quantity a slot, or a share of what the seller has over. Whoever spoke last waits;
    the other may counter, accept or refuse, and the one who waits may take it back. An offer that nobody took by its
    ``expires`` is over. The network operator may forbid offers that are open and deals that were made. What is closed
    stays closed: no deal is made twice.

    Notes
    -----
    Accepted deals go to market as a stage: ``fc.Preference([fp.Contracts(desk.contracts()), "community"])`` trades them
    first, and what they leave meets whoever comes next.

    Examples
    --------
    >>> from fastclear.preference import Bilateral, BilateralCode
    >>> desk = Bilateral()
    >>> codes = desk.apply(
    ...     {
    ...         "kind": ["offer", "counter", "accept", "accept"],
    ...         "time": [1, 2, 3, 4],
    ...         "offer": ["o1", "o1", "o1", "o1"],
    ...         "party": ["roof", "shop", "roof", "roof"],
    ...         "counterparty": ["shop", None, None, None],
    ...         "sells": [True, None, None, None],
    ...         "price": [120_000, 100_000, None, None],
    ...         "share_ppm": [500_000, 500_000, None, None],
    ...         "expires": [10, 10, None, None],
    ...     }
    ... )
    >>> [BilateralCode(code).name for code in codes]
    ['OK', 'OK', 'OK', 'OFFER_CLOSED']
    >>> desk.offers.select("offer", "buyer", "seller", "state", "price", "share_ppm", "rounds").rows()
    [('o1', 'shop', 'roof', 'accepted', 100000, 500000, 2)]
    """

    def __init__(self) -> None:
        self._core = _core.Bilateral()
        self._offers = _Names("offers")
        self._parties = _Names("parties")

    def apply(self, events: object) -> NDArray[np.uint8]:
        """Let events happen, row by row.

        Parameters
        ----------
        events : frame or mapping of columns
            ``kind``
                ``offer``, ``counter``, ``accept``, ``refuse``, ``withdraw`` or ``veto``.
            ``time``
                When: int64 nanoseconds since 1970 UTC, or datetimes with a time zone; no earlier than the event before.
            ``offer``, ``party``
                Which offer, and who acts (of a veto: nobody, null). Integers or text.
            ``counterparty``, ``sells``
                Of an offer: with whom, and whether ``party`` sells.
            ``price``, ``quantity`` or ``share_ppm``, ``valid_from``, ``valid_to``, ``expires``
                Of offers and counters: ticks a unit; lots a slot, or parts per million of what the seller has over; the
                slots that it is for (null: all); when it runs out (null: never).

        Returns
        -------
        ndarray of uint8, shape (n,), read-only
            A :class:`BilateralCode` a row; 0 is OK, and an event with another code changed nothing.

        Raises
        ------
        SchemaError
            A column is missing or unreadable; nothing happened then.
        """
        given: dict[str, pl.Series] = {}
        for name, column in items(events, "events"):
            if name not in _COLUMNS:
                raise SchemaError(
                    f"column '{name}' is no column of events; there is {', '.join(_COLUMNS)}", column=name
                )
            given[name] = pl.Series(name, array_or_series(name, column))
        for name in ("kind", "time", "offer", "party"):
            if name not in given:
                raise SchemaError(f"column '{name}' is missing from events", column=name)
        n = len(given["kind"])
        for name, series in given.items():
            if len(series) != n:
                raise SchemaError(
                    f"column '{name}' has {len(series)} rows and 'kind' has {n}; give columns of one length",
                    column=name,
                )
        kind = given["kind"].cast(pl.String).replace_strict(_KINDS, default=_UNKNOWN, return_dtype=pl.UInt8)
        columns = {name: _whole(name, given.get(name), n) for name in ("time", *_TERMS)}
        sells = given.get("sells", pl.Series("sells", [False]).new_from_index(0, n))
        if sells.dtype == pl.Null:
            sells = sells.cast(pl.Boolean)
        if sells.dtype != pl.Boolean:
            raise SchemaError(f"column 'sells' is {sells.dtype}; give true or false", column="sells")
        ids = self._ids(given, n)
        codes = self._core.apply(
            kind.fill_null(_UNKNOWN).to_numpy(),
            columns["time"],
            ids["offer"],
            ids["party"],
            ids["counterparty"],
            sells.fill_null(value=False).cast(pl.UInt8).to_numpy(),
            [columns[name] for name in _TERMS],
        )
        codes.flags.writeable = False
        return codes

    def _ids(self, given: dict[str, pl.Series], n: int) -> dict[str, NDArray[np.int64]]:
        columns = {}
        for name in _IDS:
            series = given.get(name, pl.Series(name, [None] * n, dtype=given["party"].dtype))
            if series.dtype == pl.Null:
                series = series.cast(given["party"].dtype if given["party"].dtype != pl.Null else pl.Int64)
            if name == "offer" and series.null_count():
                raise SchemaError("column 'offer' holds nulls; name the offer of every event", column=name)
            present = series.drop_nulls()
            names = self._offers if name == "offer" else self._parties
            ids = np.full(n, -(2**63), np.int64)  # nobody
            if len(present):
                ids[series.is_not_null().to_numpy()] = names.encode(present)
            columns[name] = ids
        return columns

    def advance(self, time: int) -> None:
        """Let time pass: offers that have run out by then are over.

        Raises
        ------
        SchemaError
            It is before the last event.
        """
        if not self._core.advance(time):
            raise SchemaError(f"time={time} is before the last event, which was at {self._core.clock}", column="time")

    @property
    def offers(self) -> pl.DataFrame:
        """One row an offer, in the order in which they were made, as they stand at the time of the last event.

        ``offer``, ``buyer``, ``seller``, ``state`` (``offered``, ``countered``, ``accepted``, ``refused``,
        ``withdrawn``,
        ``expired``, ``vetoed``), ``waits`` (who spoke last: ``buyer`` or ``seller``), ``price``, ``quantity`` and
        ``share_ppm`` (one of them null), ``valid_from``, ``valid_to``, ``expires`` (null: without end), ``since``,
        ``rounds``.
        """
        columns = self._core.offers()
        states = pl.Series(_core.BILATERAL_STATES, dtype=pl.String)
        ends = {name: pl.Series(name, columns[name]) for name in ("valid_from", "valid_to", "expires")}
        return framed(
            [
                self._offers.decode("offer", columns["offer"]),
                self._parties.decode("buyer", columns["buyer"]),
                self._parties.decode("seller", columns["seller"]),
                states.gather(pl.Series(columns["state"], dtype=pl.UInt32)).alias("state"),
                pl.Series(["buyer", "seller"])
                .gather(pl.Series(columns["seller_waits"], dtype=pl.UInt32))
                .alias("waits"),
                pl.Series("price", columns["price"]),
                _or_null("quantity", columns["quantity"], 0),
                _or_null("share_ppm", columns["share_ppm"], 0),
                *(_or_null(name, columns[name], ALWAYS[name != "valid_from"]) for name in ends),
                pl.Series("since", columns["since"]),
                pl.Series("rounds", columns["rounds"]),
            ]
        )

    def contracts(self) -> PairTable:
        """Accepted deals as pairs, in the order in which they were offered: what :class:`Contracts` takes."""
        deals = self.offers.filter(state="accepted")
        return PairTable(
            deals.select(
                "buyer",
                source="seller",
                price="price",
                cap_quantity=pl.col("quantity").fill_null(NO_CAP),
                share_ppm=pl.col("share_ppm").fill_null(WHOLE_PPM),
                valid_from="valid_from",
                valid_to="valid_to",
            ),
            several=True,
        )


def _or_null(name: str, values: NDArray[np.int64], nothing: int) -> pl.Series:
    column = pl.Series(name, values)
    return column.set(column == nothing, None)


def _whole(name: str, series: pl.Series | None, n: int) -> NDArray[np.int64]:
    default = _TERMS.get(name)
    if default is not None and (series is None or series.dtype == pl.Null):
        return np.full(n, default, np.int64)
    assert series is not None  # columns without a default are asked for before
    if default is None and series.null_count():
        raise SchemaError(f"column '{name}' holds nulls; give every event its {name}", column=name)
    if name in _TIMES:
        series = instants(name, series)
    elif not series.dtype.is_integer() or series.dtype == pl.UInt64:
        raise SchemaError(f"column '{name}' is {series.dtype}; give whole numbers", column=name)
    return np.ascontiguousarray(series.cast(pl.Int64).fill_null(0 if default is None else default).to_numpy())
