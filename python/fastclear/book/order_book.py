"""The continuous double auction, in one market or in very many."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear import _core
from fastclear.book.commands import OPS, Encoded, encode
from fastclear.book.covering import Covering
from fastclear.book.events import BookEvents
from fastclear.book.levels import Levels
from fastclear.book.names import Names
from fastclear.book.phases import Phased
from fastclear.book.placing import Placing
from fastclear.book.saved import Saved
from fastclear.book.showing import Showing
from fastclear.book.stepping import Stepping
from fastclear.book.times import times_of
from fastclear.book.view import BookView
from fastclear.columns import single
from fastclear.errors import SchemaError
from fastclear.orders.column import array_or_series
from fastclear.units import Units

SelfTrade = Literal["off", "cancel_resting", "cancel_incoming", "cancel_both", "decrement"]
Keep = Literal["events", "trades"]

_KEEPS: Final = get_args(Keep)
_NEW: Final = ("side", "price", "quantity")
"""Columns of new orders, the first one that is missing first."""
_TAKES: Final = {
    "market": np.isin(np.arange(256), [OPS[name] for name in ("new", "mass_cancel", "halt", "resume", "phase")]),
    "order": np.arange(256) == OPS["new"],
}
"""Commands, by code, that take market 0, or an id of the book's, where there is no such column."""


class OrderBook(Covering, Placing, Saved, Showing, Stepping, Levels, Phased):
    """Resting orders of one or very many markets, which trade as others come in.

    Of a market the best price trades first, and of one price the order that came first; the price is that of the
    order that rested. Commands go in as columns, in the order in which they are to be obeyed; events come out as
    columns, numbered over the life of the book. A command that cannot be obeyed is a ``rejected`` event and its reason.

    Parameters
    ----------
    self_trade : {"off", "cancel_resting", "cancel_incoming", "cancel_both", "decrement"}
        What happens where bid and ask are of one ``participant``: they trade; the order that rests is cancelled; what
        is left of the one that comes in is; both are; or the lots of the smaller one are taken out of both.
    erase_after_trade : bool, default False
        Both sides of a market are erased after every trade, as in the experiments of Gode and Sunder (J. Political
        Economy 101, 1993).
    units : Units, optional
        What prices and quantities of commands are given in. Without it they must be whole ticks and lots. Events and
        views are in ticks and lots.
    settles : bool, default False
        Whether the book remembers whose each order is, so that what its calls return can be settled
        (:meth:`fastclear.Settlement.settle`) and sealed (:meth:`fastclear.Ledger.seal`). :meth:`set_cover` and
        :meth:`step` turn it on in a book that has had no orders.

    Notes
    -----
    There is no clock: time is the latest ``time`` of all commands, or of :meth:`advance`. A cancel or a replacement
    looks its order up by id and touches nothing else; an order that comes in costs as much as it has trades. Ids that a
    counter gives are found fastest; text costs a look into a dictionary each. Calls of 4,096 rows or more let go of the
    interpreter where nobody can write the columns: several threads, each with a book for a range of markets, work at
    the same time; those that ask one book take turns. A book can be copied (``copy.copy``) and shares nothing with its
    copy, pickled, and saved (:meth:`save`).

    Examples
    --------
    >>> import fastclear as fc
    >>> book = fc.OrderBook()
    >>> events = book.submit({"side": ["sell", "sell", "buy"], "price": [20, 22, 22], "quantity": [5, 5, 8]})
    >>> events.trades.select("buy_order", "sell_order", "quantity", "buy_price").rows()
    [(2, 0, 5, 20), (2, 1, 3, 22)]
    >>> book.best()
    Best(bid=None, bid_quantity=None, ask=22, ask_quantity=2)
    """

    def __init__(
        self,
        *,
        self_trade: SelfTrade = "off",
        erase_after_trade: bool = False,
        units: Units | None = None,
        settles: bool = False,
    ) -> None:
        if self_trade not in get_args(SelfTrade):
            raise SchemaError(f"self_trade={self_trade!r} is no rule; give one of {', '.join(get_args(SelfTrade))}")
        if units is not None and not isinstance(units, Units):
            raise SchemaError(f'units={units!r} are none; give fc.Units(price="ct/kWh", quantity="kWh")')
        self._core = _core.OrderBook(self_trade, bool(erase_after_trade), settles=bool(settles))
        self._units = units
        self._names = {name: Names(name) for name in ("market", "order", "participant")}
        # Whether ids of markets and orders are known to be integers, so that one order needs no look at them.
        self._has_integers = False

    def __len__(self) -> int:
        """Return how many orders rest."""
        return len(self._core)

    def __copy__(self) -> OrderBook:
        """Return a book of its own in the same state, for what-if questions."""
        twin = object.__new__(type(self))
        twin._core = self._core.copy()
        twin._units = self._units
        twin._names = {name: names.copy() for name, names in self._names.items()}
        twin._has_integers = self._has_integers
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> OrderBook:
        """Return what :func:`copy.copy` does: nothing is shared."""
        return self.__copy__()

    def __repr__(self) -> str:
        """Say how many orders rest, in how many markets."""
        return f"OrderBook({len(self):,} orders in {len(self._core.markets()['market']):,} markets)"

    # -- commands
    # ----------------------------------------------------------------------------------------------

    def submit(self, orders: object, *, keep: Keep = "events") -> BookEvents:
        """Hand in new orders, obeyed row by row.

        Parameters
        ----------
        orders : frame or mapping of columns
            ``side``, ``price``, ``quantity`` as in :func:`fastclear.clear`. Optional ``market`` (without it all are of
            market 0), ``order`` (without it the book counts on from the largest id so far), ``participant`` (without it
            every order is its own), ``type`` ("limit", or "market", whose ``price`` is the worst that it takes, or
            null), ``tif`` ("gtc", "ioc", "fok", "gtt"), ``expires`` (of "gtt"; ns or datetimes with a zone),
            ``post_only`` (bool), ``time``. Without ``tif`` an order with an expiry is good till then, any other until
            cancelled. Of richer orders: ``display`` (lots shown at a time, a thousandth of all at least),
            ``min_quantity`` (lots traded at one moment at least), ``all_or_none`` (bool), ``stop`` (price of the last
            trade at which it comes in), ``peg`` ("best" or "mid") with ``offset`` (ticks less keen), ``slide`` (bool:
            post-only that moves off the other side's best instead of being refused); null asks for nothing.
        keep : {"events", "trades"}
            Trades alone come faster where nobody reads the rest. All events are numbered either way.

        Raises
        ------
        SchemaError
            Columns that cannot be read, of different lengths, or an ``op`` column: then nothing has happened.
        """
        if type(orders) is dict and "op" not in orders and all(name in orders for name in _NEW):
            events = self._apply_plain(orders, keep)
            if events is not None:
                return events
        encoded = self._encode(orders, "orders")
        if encoded["op"] is not None:
            raise SchemaError("column 'op' is one of commands; hand mixed commands to apply()", column="op")
        self._need(encoded, _NEW, "orders")
        return self._apply(encoded, keep)

    def apply(self, commands: object, *, keep: Keep = "events") -> BookEvents:
        """Obey mixed commands row by row.

        Parameters
        ----------
        commands : frame or mapping of columns
            ``op``: "new" (as :meth:`submit`), "cancel" (``order``), "reduce" (``order``; ``quantity`` lots are taken
            out), "replace" (as :meth:`replace`; of an order that waits, also its ``stop``), "mass_cancel" (all of a
            ``market``, or those of one ``participant`` there), "halt" and "resume" (a ``market``), "phase" (takes a
            ``market`` into ``phase``: "pre_open", "continuous" or "halted"). Cells that a row's command does not ask
            for may be null. A
            ``market`` or ``participant`` beside an ``order`` says where, or whose, it must be; null says nothing.
        keep : {"events", "trades"}
            As in :meth:`submit`.

        Raises
        ------
        SchemaError
            Columns that cannot be read or of different lengths: then nothing has happened.

        Examples
        --------
        >>> import fastclear as fc
        >>> book = fc.OrderBook()
        >>> events = book.apply({
        ...     "op": ["new", "new", "replace", "cancel"],
        ...     "order": [1, 2, 1, 2],
        ...     "side": ["buy", "buy", None, None],
        ...     "price": [10, 11, 12, None],
        ...     "quantity": [5, 5, None, None],
        ... })
        >>> events.frame.select("kind", "order", "price", "remaining").rows()
        [('accepted', 1, 10, 5), ('accepted', 2, 11, 5), ('replaced', 1, 12, 5), ('cancelled', 2, 11, 0)]
        """
        if type(commands) is dict and "op" in commands:
            events = self._apply_plain(commands, keep)
            if events is not None:
                return events
        encoded = self._encode(commands, "commands")
        self._need(encoded, ("op",), "commands")
        return self._apply(encoded, keep)

    def cancel(self, ids: object) -> BookEvents:
        """Take orders out.

        Parameters
        ----------
        ids : order id, or a column of them
            One that does not rest is rejected (``unknown_order``).

        Raises
        ------
        SchemaError
            Ids that cannot be read.

        Examples
        --------
        >>> import fastclear as fc
        >>> book = fc.OrderBook()
        >>> _ = book.submit({"side": ["buy"], "price": [7], "quantity": [3]})
        >>> [fc.RejectReason(code).name for code in book.cancel([0, 0]).reject if code]
        ['UNKNOWN_ORDER']
        """
        return self._apply(self._orders({"order": [ids] if single(ids) else ids}, "cancel"), "events")

    def replace(self, orders: object, *, price: object = None, quantity: object = None) -> BookEvents:
        """Give orders another price or open quantity.

        Fewer lots at the same price keep their place. Anything else goes to the back, and first trades like an order
        that comes in.

        Parameters
        ----------
        orders : order id, column of ids, or frame or mapping of columns
            A frame has ``order`` and ``price`` or ``quantity`` or both, null leaving what there is, and may have
            ``market``, ``participant`` (which must be the order's) and ``post_only``.
        price, quantity : int, or one an order, optional
            Ticks and lots, where ``orders`` are ids.

        Raises
        ------
        SchemaError
            Columns that cannot be read or of different lengths: then nothing has happened.
        """
        if isinstance(orders, Mapping) or (hasattr(orders, "__arrow_c_stream__") and not isinstance(orders, pl.Series)):
            if price is not None or quantity is not None:
                raise SchemaError("price and quantity are columns of the frame already; leave the arguments out")
            return self._apply(self._orders(orders, "replace"), "events")
        ids = array_or_series("order", [orders] if single(orders) else orders)
        columns: dict[str, object] = {"order": ids}
        for name, value in (("price", price), ("quantity", quantity)):
            if value is not None:
                columns[name] = [value] * len(ids) if single(value) else value
        return self._apply(self._orders(columns, "replace"), "events")

    def _orders(self, columns: object, op: str) -> Encoded:
        encoded = self._encode(columns, "orders")
        self._need(encoded, ("order",), "orders")
        encoded["op"] = np.full(encoded["rows"], OPS[op], np.uint8)
        return encoded

    def _encode(self, given: object, what: str) -> Encoded:
        return encode(given, self._names, self._units, what)

    @staticmethod
    def _need(encoded: Encoded, names: tuple[str, ...], what: str) -> None:
        for name in names:
            if encoded[name] is None:  # type: ignore[literal-required]  # every name is one of its keys
                raise SchemaError(f"column '{name}' of {what} is missing", column=name)

    def _apply_plain(self, columns: dict[str, Any], keep: Keep) -> BookEvents | None:
        """Obey commands whose columns are arrays that the core takes as they are: None where that is not known."""
        names = self._names
        has_integers = names["market"].kind is False and names["order"].kind is False
        if "participant" in columns:
            has_integers = has_integers and names["participant"].kind is False
        if not has_integers or self._units is not None or keep not in _KEEPS:
            return None
        clock = self._core.clock
        events = self._core.apply_plain(columns, keep == "trades")
        if events is None:
            return None
        return self._told(events, len(next(iter(columns.values()))), clock, columns.get("time"))

    def _apply(self, encoded: Encoded, keep: Keep) -> BookEvents:
        if keep not in _KEEPS:
            raise SchemaError(f'keep={keep!r}; give "events" or "trades"')
        op = encoded["op"]
        for name in ("market", "order"):
            # Once the ids are known to be integers, there is nothing to find out.
            if encoded[name] is None and self._names[name].kind is not False:
                takes = _TAKES[name]
                if op is None or takes[op].any():
                    self._names[name].left_out()
        clock = self._core.clock
        events = self._core.apply(encoded, keep == "trades")
        return self._told(events, encoded["rows"], clock, encoded["time"])

    def _told(self, events: _core.Events, rows: int, clock: int | None, time: NDArray[np.int64] | None) -> BookEvents:
        # Copied: a caller may use its column again, and the tape is made when it is asked for.
        time = None if time is None else time.copy()
        return BookEvents(events, self._names, rows, clock=clock, time=time)

    # -- time
    # ----------------------------------------------------------------------------------------------

    def advance(self, time: object) -> BookEvents:
        """Let time go by: orders and markets whose time is over are gone.

        Parameters
        ----------
        time : int or datetime
            Nanoseconds since 1970 UTC, or a datetime with a zone. A time before the clock changes nothing.

        Raises
        ------
        SchemaError
            No time.
        """
        events = self._core.advance(int(times_of([time])[0]))
        return BookEvents(events, self._names, 0, clock=self._core.clock)

    def set_gates(self, gates: Mapping[Any, object]) -> None:
        """Set when markets close: from then on what rests has expired, and what comes is refused.

        Parameters
        ----------
        gates : mapping of market id to time
            Nanoseconds since 1970 UTC, or datetimes with a zone.

        Raises
        ------
        SchemaError
            A gate that is not after the book's clock, or a market that has closed: then no gate is set.

        Examples
        --------
        >>> import fastclear as fc
        >>> book = fc.OrderBook()
        >>> book.set_gates({0: 1000})
        >>> late = {"side": ["buy"] * 2, "price": [5] * 2, "quantity": [1] * 2, "time": [999, 1000]}
        >>> book.submit(late).frame["kind"].to_list()
        ['accepted', 'expired', 'rejected']
        """
        if not gates:
            return
        markets = self._names["market"].encode(array_or_series("market", list(gates)), add=True)
        self._core.set_gates(markets, times_of(list(gates.values())))

    @property
    def clock(self) -> int | None:
        """The latest time that the book has seen, in nanoseconds since 1970 UTC; None before the first."""
        return self._core.clock

    # -- views
    # ----------------------------------------------------------------------------------------------

    def view(self) -> BookView:
        """Return a view of what rests now, which the events of later calls keep up to date.

        Examples
        --------
        >>> import fastclear as fc
        >>> book = fc.OrderBook()
        >>> view = book.view()
        >>> _ = view.update(book.submit({"side": ["buy"], "price": [5], "quantity": [3]}))
        >>> view.snapshot().rows()
        [(0, 0, 'buy', 5, 3, 3)]
        """
        return BookView._of(self)

    @property
    def next_seq(self) -> int:
        """Number that the next event will have."""
        return self._core.next_seq
