"""A book that is followed from outside: a snapshot of it, and its events since."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear import _core
from fastclear.book.events import KINDS, BookEvents
from fastclear.book.levels import Levels, side_names, whole
from fastclear.book.names import NULL, Names
from fastclear.errors import SchemaError
from fastclear.orders.column import Column, array_or_series
from fastclear.orders.flaws import Flaws
from fastclear.orders.frames import items
from fastclear.orders.words import sides

if TYPE_CHECKING:
    from fastclear.units import Units

_CODES: Final = {name: code for code, name in KINDS.items()}
_COLUMNS: Final = (
    *("seq", "kind", "market", "order", "counter_order", "side"),
    *("command", "price", "quantity", "remaining"),
)
"""Columns of events that a view reads."""


class BookView(Levels):
    """What stands in an order book, known from a snapshot and from the events since.

    For whoever has the events of a book and not the book: a screen, another process, a log. It knows market, side,
    price, open and shown lots of every order, and the place of each that is shown; not whose it is, when it expires, or
    what it waits for.

    Parameters
    ----------
    snapshot : frame or mapping of columns
        ``market``, ``order``, ``side``, ``price``, ``quantity`` and ``shown`` as :meth:`OrderBook.snapshot` returns
        them, first to last. Without ``shown`` all of every order is.
    seq : int
        Number of the first event that the snapshot does not have in it: ``book.next_seq`` at its time.

    Raises
    ------
    SchemaError
        A snapshot whose columns or rows cannot be.

    Notes
    -----
    :meth:`OrderBook.view` makes one of a live book. An event costs some 0.2 microseconds, text ids more. Levels have
    what is shown: of an iceberg its ``display``, nothing of an order that stands beside or outside the book.

    Examples
    --------
    >>> import fastclear as fc
    >>> book = fc.OrderBook()
    >>> _ = book.submit({"side": ["buy", "sell"], "price": [5, 9], "quantity": [3, 4]})
    >>> view = fc.BookView(book.snapshot(), seq=book.next_seq)
    >>> view.update(book.submit({"side": ["buy"], "price": [9], "quantity": [6]}))["quantity"].to_list()
    [0, 0, 2]
    >>> view.level2().equals(book.level2())
    True
    """

    def __init__(self, snapshot: object, *, seq: int) -> None:
        self._begin({name: Names(name) for name in ("market", "order")}, snapshot, seq, [])

    @classmethod
    def _of(cls, book: Any) -> BookView:
        """A view of a live book."""
        view = object.__new__(cls)
        names = {name: book._names[name].copy() for name in ("market", "order")}
        view._begin(names, book.snapshot(), book.next_seq, book.markets["market"])
        view._units = book._units
        return view

    def _begin(self, names: dict[str, Names], snapshot: object, seq: int, markets: Any) -> None:
        if isinstance(seq, bool) or not isinstance(seq, int | np.integer) or not 0 <= seq < 2**63:
            raise SchemaError(f"seq={seq!r} is no number of an event; give book.next_seq at the time of the snapshot")
        self._units: Units | None = None
        self._names = names
        columns = _columns(snapshot, "the snapshot", ("market", "order", "side", "price", "quantity"), ("shown",))
        if "shown" not in columns:
            _refuse_hidden(snapshot)
        self._core: _core.BookView = _core.BookView(
            int(seq),
            names["market"].encode(pl.Series(markets), add=True) if len(markets) else np.empty(0, np.int64),
            names["market"].encode(columns["market"], add=True),
            names["order"].encode(columns["order"], add=True),
            _sides(columns["side"]),
            _numbers("price", columns["price"]),
            _numbers("quantity", columns["quantity"]),
            _numbers("shown", columns.get("shown", columns["quantity"])),
        )

    def __len__(self) -> int:
        """Return how many orders rest or wait."""
        return len(self._core)

    def __repr__(self) -> str:
        """Say how many orders there are, and up to where."""
        return f"BookView({len(self):,} orders before event {self.next_seq:,})"

    @property
    def next_seq(self) -> int:
        """Number of the first event that is not known yet."""
        return self._core.next_seq

    def update(self, events: BookEvents | object) -> pl.DataFrame:
        """Take in the events that follow.

        Parameters
        ----------
        events : BookEvents, or frame or mapping of columns
            What a call of the book returned, or the columns of :attr:`BookEvents.frame`, whole commands in order.
            Events that are known already are passed over.

        Returns
        -------
        polars.DataFrame
            The levels that changed, each time they did: ``seq`` (of the event after which it is so), ``market``,
            ``side``, ``price`` (ticks), ``quantity`` (lots of all orders at this price from now on; 0 where the price
            is gone), ``orders`` (how many they are). An order that comes in counts when it has traded, so that of what
            holds after any ``seq`` no bid meets an ask, but in a call and where one command moves several pegged
            orders, until the last of them has moved.

        Raises
        ------
        SchemaError
            Events are missing (the message names their numbers), only trades were kept, or an event does not fit what
            is there: then nothing has changed.

        Examples
        --------
        >>> import fastclear as fc
        >>> book = fc.OrderBook()
        >>> view = book.view()
        >>> first = book.submit({"side": ["buy"], "price": [5], "quantity": [3]})
        >>> second = book.submit({"side": ["sell"], "price": [5], "quantity": [1]})
        >>> view.update(second)
        Traceback (most recent call last):
        ...
        fastclear.errors.SchemaError: event 0 is missing; hand in the events in order, or begin with a new snapshot
        >>> view.update(first).rows(), view.update(second).rows()
        ([(0, 0, 'buy', 5, 3, 1)], [(2, 0, 'buy', 5, 2, 1)])
        """
        columns = self._follow(events)
        return pl.DataFrame(
            [
                pl.Series("seq", columns["seq"]),
                self._names["market"].series("market", columns["market"]),
                side_names(columns["side"]),
                *(pl.Series(name, columns[name]) for name in ("price", "quantity", "orders")),
            ]
        )

    def _follow(self, events: BookEvents | object) -> dict[str, NDArray[Any]]:
        if isinstance(events, BookEvents):
            if len(events) != events.count:
                raise SchemaError('only trades were kept; leave keep="trades" out to have the events to follow')
            kinds = [self._names[name].kind for name in self._names]
            if not any(kinds) and not any(events._names[name].is_text for name in self._names):
                columns = self._core.follow(events._core)
                for names in self._names.values():
                    names.kind = False if len(events) else names.kind
                return columns
            events = events.frame
        given = _columns(events, "the events", _COLUMNS)
        first = _first_seq(given["seq"], self.next_seq)
        kind = given["kind"]
        if not isinstance(kind, pl.Series) or kind.dtype != pl.String or kind.null_count():
            raise SchemaError("column 'kind' of the events is not text without nulls", column="kind")
        codes = kind.replace_strict(_CODES, default=255, return_dtype=pl.UInt8).to_numpy()
        market, order = (self._names[name] for name in ("market", "order"))
        before = {name: names.kind for name, names in self._names.items()}
        try:
            return self._core.follow_columns(
                first,
                _numbers("command", given["command"]),
                np.ascontiguousarray(codes),
                market.encode(given["market"], add=True),
                order.encode(given["order"], add=True),
                order.encode(given["counter_order"], add=True),
                _sides(given["side"]),
                _numbers("price", given["price"]),
                _numbers("quantity", given["quantity"]),
                _numbers("remaining", given["remaining"]),
            )
        except SchemaError:
            for name, known in before.items():
                self._names[name].kind = known
            raise

    def snapshot(self) -> pl.DataFrame:
        """Every order, level 3.

        Returns
        -------
        polars.DataFrame
            ``market``, ``order``, ``side``, ``price`` (ticks), ``quantity`` (open lots), ``shown`` (lots that levels
            count), as in :meth:`OrderBook.snapshot`. Markets alike; of each side first what is shown, in the order in
            which it would trade, then what stands beside or outside the book (its price is its limit, or null), in the
            order in which it came there.
        """
        columns = self._core.snapshot()
        names = [self._names[name].series(name, columns[name]) for name in ("market", "order")]
        numbers = [
            whole("price", columns["price"]),
            *(pl.Series(name, columns[name]) for name in ("quantity", "shown")),
        ]
        return pl.DataFrame([*names, side_names(columns["side"].astype(np.uint8)), *numbers])


def _columns(given: object, what: str, wanted: tuple[str, ...], if_there: tuple[str, ...] = ()) -> dict[str, Column]:
    all_columns = dict(items(given, what))
    for name in wanted:
        if name not in all_columns:
            raise SchemaError(f"column '{name}' of {what} is missing", column=name)
    names = [name for name in (*wanted, *if_there) if name in all_columns]
    columns = {name: array_or_series(name, all_columns[name]) for name in names}
    lengths = {len(columns[name]) for name in wanted}
    if len(lengths) > 1:
        raise SchemaError(f"the columns of {what} have different lengths")
    return columns


def _numbers(name: str, column: Column) -> NDArray[np.int64]:
    """Whole numbers of 64 bits, null as the least."""
    series = pl.Series(name, column)
    if series.dtype == pl.Null:
        return np.full(len(series), NULL)
    if not series.dtype.is_integer():
        raise SchemaError(f"column '{name}' is {series.dtype}, not integers", column=name)
    try:
        return np.ascontiguousarray(series.cast(pl.Int64).fill_null(NULL).to_numpy())
    except pl.exceptions.InvalidOperationError as error:
        raise SchemaError(f"column '{name}' leaves 64 bits", column=name) from error


def _sides(column: Column) -> NDArray[np.uint8]:
    if isinstance(column, pl.Series) and column.dtype == pl.Null:
        return np.full(len(column), 255, np.uint8)
    return np.ascontiguousarray(sides(column, Flaws(len(column))), np.uint8)


def _first_seq(column: Column, following: int) -> int:
    """The number of the first event, of numbers without a gap."""
    series = pl.Series("seq", column)
    if not series.dtype.is_integer() or series.null_count():
        raise SchemaError(
            "column 'seq' has nulls or no integers; events of which trades alone were kept have no numbers"
        )
    numbers = np.asarray(series.to_numpy(), np.uint64)
    if not len(numbers):
        return following
    steps = np.flatnonzero(np.diff(numbers) != 1)
    if len(steps):
        row = int(steps[0])
        last, following = int(numbers[row]), int(numbers[row + 1])
        missing = f"event {last + 1} is" if following == last + 2 else f"events {last + 1} to {following - 1} are"
        said = f"{missing} missing" if following > last else f"event {following} comes after event {last}"
        raise SchemaError(f"{said}; hand in the events in order", column="seq", row=row + 1)
    return int(numbers[0])


def _refuse_hidden(snapshot: object) -> None:
    """Refuse a snapshot that does not say how much of its orders is shown, where that is not all."""
    columns = dict(items(snapshot, "the snapshot"))
    for name in ("display", "min_quantity", "stop", "peg"):
        column = pl.Series(name, array_or_series(name, columns.get(name, [])))
        if column.null_count() < len(column):
            raise SchemaError(
                f"the snapshot has orders with a {name} and no column 'shown'; leave it in, as book.snapshot() has it",
                column="shown",
            )
