"""The continuous double auction, in one market or in very many."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, Literal, NamedTuple, TypedDict, Unpack, cast, get_args

import numpy as np
import polars as pl

from fastclear import _core
from fastclear.book.commands import OPS, PEGS, TIFS, TYPES, Encoded, encode
from fastclear.book.covering import Covering
from fastclear.book.events import BookEvents
from fastclear.book.levels import Levels, level_count
from fastclear.book.names import NULL, Names, nulled
from fastclear.book.phases import Phased
from fastclear.book.saved import Saved
from fastclear.book.stepping import Stepping
from fastclear.book.times import times_of
from fastclear.book.view import BookView
from fastclear.columns import single
from fastclear.errors import SchemaError
from fastclear.orders.column import array_or_series
from fastclear.units import Units

SelfTrade = Literal["off", "cancel_resting", "cancel_incoming", "cancel_both", "decrement"]
Keep = Literal["events", "trades"]

_TAKES: Final = {
    "market": np.isin(np.arange(256), [OPS[name] for name in ("new", "mass_cancel", "halt", "resume", "phase")]),
    "order": np.arange(256) == OPS["new"],
}
"""Commands, by code, that take market 0, or an id of the book's, where there is no such column."""
_FAR_OUT: Final = 2**62  # out of every range, and no null


class Best(NamedTuple):
    """The best price of each side, and the lots there; None where a side is empty."""

    bid: int | None
    bid_quantity: int | None
    ask: int | None
    ask_quantity: int | None


class Placed(NamedTuple):
    """What became of one order."""

    order: int | str
    reject: int
    traded: int
    open: int


class More(TypedDict, total=False):
    """What an order may ask for beyond a plain one."""

    expires: object
    post_only: bool
    display: int | None
    min_quantity: int | None
    all_or_none: bool
    stop: int | None
    peg: Literal["best", "mid"] | None
    offset: int | None
    slide: bool


_SIDES: Final = {"buy": True, "sell": False}
_PLACED_TIFS: Final = {name: TIFS[name] for name in ("gtc", "ioc", "fok")}
_placed: Final = cast("Callable[[tuple[int, int, int, int]], Placed]", partial(tuple.__new__, Placed))
"""As ``Placed._make``, without what checks the length."""


class OrderBook(Covering, Saved, Stepping, Levels, Phased):
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
    counter gives are found fastest; text costs a look into a dictionary each. Calls hold the interpreter. A book can be
    copied (``copy.copy``) and shares nothing with its copy, pickled, and saved (:meth:`save`).

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
        encoded = self._encode(orders, "orders")
        if encoded["op"] is not None:
            raise SchemaError("column 'op' is one of commands; hand mixed commands to apply()", column="op")
        self._need(encoded, ("side", "price", "quantity"), "orders")
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

    def place(
        self,
        side: Literal["buy", "sell"],
        price: int | None,
        quantity: int,
        *,
        market: int | str = 0,
        participant: int | str | None = None,
        order: int | str | None = None,
        tif: Literal["gtc", "ioc", "fok"] = "gtc",
        **more: Unpack[More],
    ) -> Placed:
        """Hand in one order, for who writes one at a time.

        Parameters
        ----------
        side : {"buy", "sell"}
            Side.
        price : int or None
            Limit in ticks; None takes any price.
        quantity : int
            Lots.
        market, participant, order : int or str, optional
            Ids, as in :meth:`submit`.
        tif : {"gtc", "ioc", "fok"}
            As in :meth:`submit`.
        **more
            ``expires``, ``post_only``, ``display``, ``min_quantity``, ``all_or_none``, ``stop``, ``peg``, ``offset``,
            ``slide``, each as one cell of the columns of :meth:`submit`.

        Returns
        -------
        Placed
            ``order``, ``reject`` (code), ``traded`` (lots) and ``open`` (lots that rest).

        Raises
        ------
        SchemaError
            What is neither; prices and quantities out of range get a reject code.

        Notes
        -----
        Some hundreds of nanoseconds, and some tens of microseconds with ``more``; :meth:`placer` is for who needs it
        faster, and columns cost a tenth of it a row.
        What it did is settled and sealed with the next call that returns events (``advance(book.clock)`` for none).

        Examples
        --------
        >>> import fastclear as fc
        >>> book = fc.OrderBook()
        >>> book.place("sell", 20, 5)
        Placed(order=0, reject=0, traded=0, open=5)
        >>> book.place("buy", 21, 8)
        Placed(order=1, reject=0, traded=5, open=3)
        >>> book.place("sell", 21, 9, display=2)  # an iceberg: 3 lots trade, and of 6 it shows 2
        Placed(order=2, reject=0, traded=3, open=6)
        """
        if more:
            return self._place_row(side, price, quantity, market, participant, order, tif, more)
        try:
            buys, code = _SIDES[side], _PLACED_TIFS[tif]
        except (KeyError, TypeError):
            raise SchemaError(f"side={side!r}, tif={tif!r}; give buy or sell, and gtc, ioc or fok") from None
        if self._has_integers and (participant is None or self._names["participant"].kind is False):
            try:
                return _placed(self._core.place(buys, price, quantity, market, participant, order, code))  # type: ignore[arg-type]  # what is no integer raises
            except (TypeError, OverflowError):
                pass  # nothing has happened: what is wrong is said below
        return self._place_checked(buys, price, quantity, market, participant, order, code)

    def _place_checked(
        self,
        buys: bool,
        price: int | None,
        quantity: int,
        market: int | str,
        participant: int | str | None,
        order: int | str | None,
        tif: int,
    ) -> Placed:
        if self._units is not None:
            raise SchemaError("this book takes units; hand orders to submit(), which reads them")
        for name, value in (("price", price), ("quantity", quantity)):
            if not (isinstance(value, int | np.integer) or (value is None and name == "price")) or value is True:
                raise SchemaError(f"{name}={value!r} is no integer; give ticks and lots", column=name)
        names = self._names
        if order is None:
            names["order"].left_out()
        placed = self._core.place(
            buys,
            None if price is None else max(min(int(price), _FAR_OUT), -_FAR_OUT),
            max(min(int(quantity), _FAR_OUT), -_FAR_OUT),
            names["market"].single(market, add=True),
            None if participant is None else names["participant"].single(participant, add=True),
            None if order is None else names["order"].single(order, add=True),
            tif,
        )
        self._has_integers = names["market"].kind is False and names["order"].kind is False
        return Placed(*placed) if order is None else Placed(order, *placed[1:])

    def _place_row(
        self,
        side: str,
        price: int | None,
        quantity: int,
        market: int | str,
        participant: int | str | None,
        order: int | str | None,
        tif: str,
        more: More,
    ) -> Placed:
        for name in more:
            if name not in More.__annotations__:
                raise SchemaError(f"{name!r} is none of an order's; give some of {', '.join(More.__annotations__)}")
        given = {"side": side, "quantity": quantity, "market": market, "participant": participant, "order": order}
        given |= {"price": price, "tif": None if tif == "gtc" else tif, **more}
        if price is None and more.get("peg") is None:
            given["type"] = "market"
        encoded = encode(
            {name: [cell] for name, cell in given.items() if cell is not None}, self._names, self._units, "order"
        )
        if order is None:
            self._names["order"].left_out()
        placed = self._core.place_row(encoded)
        self._has_integers = self._names["market"].kind is False and self._names["order"].kind is False
        return Placed(*placed) if order is None else Placed(order, *placed[1:])

    def placer(self) -> Callable[..., tuple[int, int, int, int]]:
        """Return a function that hands in one order, for who writes very many one at a time.

        It takes what :meth:`place` takes, in another form: ``buys`` (bool), ``price`` (None takes any), ``quantity``,
        and, by place or by name, ``market=0``, ``participant=None``, ``order=None``, ``tif=0`` (0 gtc, 1 ioc, 2 fok).
        All are plain integers. It gives a tuple: order, reject code, lots that traded, lots that rest.

        Raises
        ------
        SchemaError
            A book that takes units, or whose ids are text.

        Notes
        -----
        A call costs about 150 nanoseconds more than the order itself. The function is the book's: what it does and what
        other methods do is one sequence. What is no integer of 64 bits raises TypeError or OverflowError, and a ``tif``
        that is none SchemaError.

        Examples
        --------
        >>> import fastclear as fc
        >>> book = fc.OrderBook()
        >>> place = book.placer()
        >>> place(False, 20, 5), place(True, 21, 8)
        ((0, 0, 0, 5), (1, 0, 5, 3))
        """
        if self._units is not None:
            raise SchemaError("this book takes units; hand orders to submit(), which reads them")
        for names in self._names.values():
            names.left_out()
        return self._core.place

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

    def _apply(self, encoded: Encoded, keep: Keep) -> BookEvents:
        if keep not in get_args(Keep):
            raise SchemaError(f'keep={keep!r}; give "events" or "trades"')
        op = encoded["op"]
        for name in ("market", "order"):
            # Once the ids are known to be integers, there is nothing to find out.
            if encoded[name] is None and self._names[name].kind is not False:
                takes = _TAKES[name]
                if op is None or takes[op].any():
                    self._names[name].left_out()
        clock, time = self._core.clock, encoded["time"]
        events = self._core.apply(encoded, keep == "trades")
        # Copied: a caller may use its column again, and the tape is made when it is asked for.
        time = None if time is None else time.copy()
        return BookEvents(events, self._names, encoded["rows"], clock=clock, time=time)

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

    def best(self, market: int | str = 0) -> Best:
        """The best bid and ask of a market, and the lots at each.

        Parameters
        ----------
        market : int or str, default 0
            Market id; one that nobody named is empty.
        """
        bid, ask = self._core.best(self._names["market"].single(market))
        return Best(*(bid or (None, None)), *(ask or (None, None)))

    def depth(self, market: int | str = 0, levels: int = 10) -> pl.DataFrame:
        """The best prices of both sides of a market.

        Parameters
        ----------
        market : int or str, default 0
            Market id; one that nobody named is empty.
        levels : int, default 10
            Prices a side, at most.

        Returns
        -------
        polars.DataFrame
            ``side``, ``level`` (0 = best), ``price`` (ticks), ``quantity`` (lots of all orders there), ``orders``; bids
            first, each side best first.

        Examples
        --------
        >>> import fastclear as fc
        >>> book = fc.OrderBook()
        >>> _ = book.submit({"side": ["buy"] * 3 + ["sell"], "price": [5, 7, 7, 9], "quantity": [1, 2, 3, 4]})
        >>> book.depth(levels=1).rows()
        [('buy', 0, 7, 5, 2), ('sell', 0, 9, 4, 1)]
        """
        most = level_count(levels)
        number = self._names["market"].single(market)
        frames = []
        for code, side in ((1, "buy"), (0, "sell")):
            price, quantity, orders = self._core.depth(number, code, most)
            frame = {"level": np.arange(len(price)), "price": price, "quantity": quantity, "orders": orders}
            frames.append(pl.DataFrame(frame).insert_column(0, pl.Series("side", [side] * len(price), dtype=pl.String)))
        return pl.concat(frames)

    def snapshot(self, market: int | str | None = None) -> pl.DataFrame:
        """Every order that rests, in the order in which they would trade.

        Parameters
        ----------
        market : int or str, optional
            Of this market alone.

        Returns
        -------
        polars.DataFrame
            ``market``, ``order``, ``participant`` (null of an order that is nobody's), ``side``, ``price`` (ticks),
            ``quantity`` (open lots, shown or not), ``expires`` (ns; null if it does not), ``type``, ``tif``,
            ``display``, ``min_quantity``, ``stop``, ``peg``, ``offset`` (null of a plain order), and ``shown`` (lots
            that levels count; 0 of an order with a minimum, and of one outside the book). Markets as they were
            named first where ids are text, else ascending; bids first, each side first to last, orders outside the
            book last of all (their price is their limit, or null). Handed to :meth:`submit` of a new book (without
            ``participant`` where all are null) it gives the same resting orders; of an iceberg what is shown begins
            anew, and a pegged order goes no farther than where it stood.
        """
        number = None if market is None else self._names["market"].single(market)
        columns = self._core.snapshot(number)
        series = [self._names[name].series(name, columns[name]) for name in ("market", "order", "participant")]
        series.append(pl.Series("side", ["sell", "buy"]).gather(columns["side"]).alias("side"))
        series += [pl.Series(name, columns[name]) for name in ("price", "quantity")]
        expires = columns["expires"]
        series.append(nulled(pl.Series("expires", expires), expires == NULL))
        series.append(pl.Series("type", list(TYPES)).gather(columns["is_market_order"]).alias("type"))
        series.append(pl.Series("tif", list(TIFS)).gather(columns["tif"]).alias("tif"))
        # No more than is open: what an order has lost since it came cannot be shown, or asked for, any more.
        for name in ("display", "min_quantity"):
            cells = columns[name]
            series.append(nulled(pl.Series(name, np.minimum(cells, columns["quantity"])), cells == NULL))
        series.append(nulled(pl.Series("stop", columns["stop"]), columns["stop"] == NULL))
        peg = pl.Series("peg", list(PEGS)).gather(columns["peg"]).alias("peg")
        series.append(nulled(peg, columns["peg"] == 0))
        series.append(nulled(pl.Series("offset", columns["offset"]), columns["offset"] == NULL))
        series.append(pl.Series("shown", columns["shown"]))
        price = columns["price"]
        series[4] = nulled(series[4], price == NULL)
        return pl.DataFrame(series)

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

    @property
    def markets(self) -> pl.DataFrame:
        """Every market that was ever named.

        ``market``, ``gate`` (ns; null if it does not close), ``halted``, ``closed``.
        """
        columns = self._core.markets()
        gate = columns["gate"]
        return pl.DataFrame(
            [
                self._names["market"].series("market", columns["market"]),
                nulled(pl.Series("gate", gate), gate == NULL),
                pl.Series("halted", columns["halted"]),
                pl.Series("closed", columns["closed"]),
            ]
        )
