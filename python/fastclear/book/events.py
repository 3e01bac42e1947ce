"""What a call did to a book: events and trades, as columns that are built when they are first read."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear import _core
from fastclear.book.names import NULL, Names, nulled
from fastclear.errors import SchemaError
from fastclear.exports import Exported

KINDS: Final[dict[int, str]] = dict(_core.BOOK_KINDS)
"""Name of each kind of event by its code."""

_NO_SIDE: Final = 255
_PREVIEW_ROWS: Final = 10


class BookEvents(Exported):
    """The events of one call of :class:`fastclear.OrderBook`.

    Attributes
    ----------
    first_seq : int
        Number of the first event. Numbers have no gaps over the life of a book.
    count : int
        How many events there were, also where only trades were kept.
    """

    _EXPORTED = "frame"

    def __init__(
        self,
        core: _core.Events,
        names: Mapping[str, Names],
        rows: int,
        *,
        clock: int | None = None,
        time: NDArray[np.int64] | None = None,
    ) -> None:
        self._core = core
        self._names = names
        self._rows = rows
        self._clock = clock
        self._time = time
        self.first_seq = core.first_seq
        self.count = core.count

    def __len__(self) -> int:
        """Return the number of events that are kept."""
        return len(self._core)

    def __repr__(self) -> str:
        """Say how many events and trades there are, and show the first."""
        return f"BookEvents({self.count:,} events, {self._core.trades:,} trades)\n{self.frame.head(_PREVIEW_ROWS)}"

    def _repr_html_(self) -> str:
        """Show the first events in a notebook."""
        caption = f"<p>{self.count:,} events, {self._core.trades:,} trades</p>"
        return caption + self.frame.head(_PREVIEW_ROWS)._repr_html_()

    def column(self, name: str, *, trades: bool = False) -> NDArray[Any]:
        """One column as the core has it: a fresh array, ids encoded, null as the least integer of 64 bits.

        Parameters
        ----------
        name : str
            ``command``, ``kind`` (uint8), ``market``, ``order``, ``counter_order``, ``price``, ``quantity``,
            ``remaining``, ``reject`` (uint16), ``side`` (uint8, 255 = none), ``buy_order``, ``sell_order``.
        trades : bool, default False
            Of the trades alone.

        Raises
        ------
        KeyError
            No such column.

        Examples
        --------
        >>> import fastclear as fc
        >>> book = fc.OrderBook()
        >>> events = book.submit({"side": ["buy", "sell"], "price": [7, 5], "quantity": [3, 2]})
        >>> events.column("price", trades=True), events.column("quantity", trades=True)
        (array([7]), array([2]))
        """
        return self._core.get(name, trades)

    def _ids(self, name: str, of: str, *, trades: bool) -> pl.Series:
        return self._names[of].series(name, self.column(name, trades=trades))

    @cached_property
    def frame(self) -> pl.DataFrame:
        """One row an event, in the order in which they happened.

        ``seq`` (UInt64), ``command`` (row of the call; null where time alone did it), ``kind``, ``market``, ``order``,
        ``counter_order``, ``side`` (of ``order``), ``price`` (ticks), ``quantity`` (lots that were accepted, traded,
        cancelled or expired, or that a replacement has open), ``remaining`` (lots that ``order`` has open afterwards),
        ``reject`` (code of :class:`fastclear.RejectReason`, 0 = none).
        """
        n = len(self)
        if n == self.count:
            seq = np.arange(self.first_seq, self.first_seq + n, dtype=np.uint64)
            numbers = pl.Series("seq", seq)
        else:  # only the trades were kept, and what came between them is not known
            numbers = pl.Series("seq", [None] * n, dtype=pl.UInt64)
        side = self.column("side")
        return pl.DataFrame(
            [
                numbers,
                _whole("command", self.column("command")),
                _words("kind", _KIND_WORDS, self.column("kind")),
                self._ids("market", "market", trades=False),
                self._ids("order", "order", trades=False),
                self._ids("counter_order", "order", trades=False),
                nulled(_words("side", _SIDE_WORDS, side & 1), side == _NO_SIDE),
                _whole("price", self.column("price")),
                pl.Series("quantity", self.column("quantity")),
                pl.Series("remaining", self.column("remaining")),
                pl.Series("reject", self.column("reject")),
            ]
        )

    @cached_property
    def trades(self) -> pl.DataFrame:
        """One row a trade, in the columns that an auction's trades have.

        ``market``, ``trade`` (UInt64, number within the call), ``buy_order``, ``sell_order``, ``quantity`` (lots),
        ``buy_price``, ``sell_price`` (ticks: both that of the order that rested).
        """
        price = pl.Series("buy_price", self.column("price", trades=True))
        return pl.DataFrame(
            [
                self._ids("market", "market", trades=True),
                pl.Series("trade", np.arange(len(price), dtype=np.uint64)),
                self._ids("buy_order", "order", trades=True),
                self._ids("sell_order", "order", trades=True),
                pl.Series("quantity", self.column("quantity", trades=True)),
                price,
                price.alias("sell_price"),
            ]
        )

    @cached_property
    def tape(self) -> pl.DataFrame:
        """One row a trade, as a ticker shows it.

        ``seq`` (UInt64; null where only trades were kept), ``time`` (ns: the book's clock when the command was obeyed;
        null before its first time), ``market``, ``price`` (ticks), ``quantity`` (lots), ``side`` (of the order that
        came in; "buy" in a call), ``buy_order``, ``sell_order``. :func:`fastclear.bars` makes bars of it.

        Examples
        --------
        >>> import fastclear as fc
        >>> book = fc.OrderBook()
        >>> orders = {"side": ["buy", "sell"], "price": [7, 5], "quantity": [3, 2], "time": [100, 250]}
        >>> book.submit(orders).tape.rows()
        [(2, 250, 0, 7, 2, 'sell', 0, 1)]
        """
        is_trade = self.column("kind") == _TRADE
        seq = np.flatnonzero(is_trade).astype(np.uint64) + np.uint64(self.first_seq)
        whole = len(self) == self.count
        return pl.DataFrame(
            [
                pl.Series("seq", seq) if whole else pl.Series("seq", [None] * len(seq), dtype=pl.UInt64),
                self._times(self.column("command", trades=True)),
                self._ids("market", "market", trades=True),
                pl.Series("price", self.column("price", trades=True)),
                pl.Series("quantity", self.column("quantity", trades=True)),
                _words("side", _SIDE_WORDS, self.column("side", trades=True)),
                self._ids("buy_order", "order", trades=True),
                self._ids("sell_order", "order", trades=True),
            ]
        )

    def _times(self, commands: NDArray[np.int64]) -> pl.Series:
        """The clock at commands: the latest time up to each."""
        before = NULL if self._clock is None else self._clock
        if self._time is None:
            times = np.full(len(commands), before)
        else:
            clock = np.maximum(np.maximum.accumulate(self._time), before)
            times = clock[np.maximum(commands, 0)]
        return _whole("time", times)

    @cached_property
    def reject(self) -> NDArray[np.uint16]:
        """Reject code of every command, 0 where it was obeyed, read-only, shape (rows of the call,).

        Raises
        ------
        SchemaError
            Trades alone were kept.
        """
        if len(self) != self.count:
            raise SchemaError('only trades were kept; leave keep="trades" out to have reject codes')
        codes = np.zeros(self._rows, np.uint16)
        is_rejected = self.column("kind") == _REJECTED
        codes[self.column("command")[is_rejected]] = self.column("reject")[is_rejected]
        codes.flags.writeable = False
        return codes


_REJECTED: Final = next(code for code, name in KINDS.items() if name == "rejected")
_TRADE: Final = next(code for code, name in KINDS.items() if name == "trade")
_KIND_WORDS: Final = pl.Series([KINDS.get(code) for code in range(max(KINDS) + 1)], dtype=pl.String)
_SIDE_WORDS: Final = pl.Series(["sell", "buy"])


def _words(name: str, words: pl.Series, codes: NDArray[Any]) -> pl.Series:
    # As polars counts places: anything else it would look through first.
    return words.gather(pl.Series(codes.astype(np.uint32))).alias(name)


def _whole(name: str, values: NDArray[np.int64]) -> pl.Series:
    return nulled(pl.Series(name, values), values == NULL)
