"""The continuous double auction, in one market or in very many."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear import _core
from fastclear.book.commands import OPS, PEGS, TIFS, TYPES, Encoded, encode
from fastclear.book.events import BookEvents
from fastclear.book.names import NULL, Names, nulled
from fastclear.columns import single
from fastclear.errors import SchemaError
from fastclear.orders.column import array_or_series
from fastclear.orders.flaws import Flaws
from fastclear.orders.times import nanoseconds
from fastclear.units import Units

SelfTrade = Literal["off", "cancel_resting", "cancel_incoming", "cancel_both", "decrement"]
Keep = Literal["events", "trades"]

_LEVELS_MAX: Final = 2**32
_UNNAMED: Final = [OPS[name] for name in ("new", "mass_cancel", "halt", "resume")]
"""Commands that take market 0, or a new order's id, where there is no such column."""
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


class OrderBook:
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

    Notes
    -----
    There is no clock: time is the latest ``time`` of all commands, or of :meth:`advance`. A cancel or a replacement
    looks its order up by id and touches nothing else; an order that comes in costs as much as it has trades. Ids that a
    counter gives are found fastest; text costs a look into a dictionary each. Calls hold the interpreter. A book can be
    copied (``copy.copy``) and shares nothing with its copy.

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
        self, *, self_trade: SelfTrade = "off", erase_after_trade: bool = False, units: Units | None = None
    ) -> None:
        if self_trade not in get_args(SelfTrade):
            raise SchemaError(f"self_trade={self_trade!r} is no rule; give one of {', '.join(get_args(SelfTrade))}")
        if units is not None and not isinstance(units, Units):
            raise SchemaError(f'units={units!r} are none; give fc.Units(price="ct/kWh", quantity="kWh")')
        self._core = _core.OrderBook(self_trade, bool(erase_after_trade))
        self._units = units
        self._names = {name: Names(name) for name in ("market", "order", "participant")}

    def __len__(self) -> int:
        """Return how many orders rest."""
        return len(self._core)

    def __copy__(self) -> OrderBook:
        """Return a book of its own in the same state, for what-if questions."""
        twin = object.__new__(type(self))
        twin._core = self._core.copy()
        twin._units = self._units
        twin._names = {name: names.copy() for name, names in self._names.items()}
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> OrderBook:
        """Return what :func:`copy.copy` does: nothing is shared."""
        return self.__copy__()

    def __reduce__(self) -> Any:
        """Refuse to be pickled: the commands are what a book is kept by."""
        raise SchemaError("a book cannot be pickled; keep its commands, or copy.copy() the book")

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
            cancelled. Of richer orders: ``display`` (lots shown at a time), ``min_quantity`` (lots traded at one moment
            at least), ``all_or_none`` (bool), ``stop`` (price of the last trade at which it comes in), ``peg`` ("best"
            or "mid") with ``offset`` (ticks less keen), ``slide`` (bool: post-only that moves off the other side's
            best instead of being refused); null asks for nothing.
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
            out), "replace" (as :meth:`replace`; of an order that waits, also its ``stop``),
            "mass_cancel" (all of a ``market``, or those of one ``participant``
            there), "halt" and "resume" (a ``market``). Cells that a row's command does not ask for may be null. A
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
        About three microseconds; a row of a column costs some 80 ns, several times as much while memory is fresh.

        Examples
        --------
        >>> import fastclear as fc
        >>> book = fc.OrderBook()
        >>> book.place("sell", 20, 5)
        Placed(order=0, reject=0, traded=0, open=5)
        >>> book.place("buy", 21, 8)
        Placed(order=1, reject=0, traded=5, open=3)
        """
        if side not in ("buy", "sell") or tif not in ("gtc", "ioc", "fok"):
            raise SchemaError(f"side={side!r}, tif={tif!r}; give buy or sell, and gtc, ioc or fok")
        if self._units is not None:
            raise SchemaError("this book takes units; hand orders to submit(), which reads them")
        for name, value in (("price", price), ("quantity", quantity)):
            if not (isinstance(value, int | np.integer) or (value is None and name == "price")) or value is True:
                raise SchemaError(f"{name}={value!r} is no integer; give ticks and lots", column=name)
        names = self._names
        if order is None:
            names["order"].left_out()
        placed = self._core.place(
            side == "buy",
            None if price is None else max(min(int(price), _FAR_OUT), -_FAR_OUT),
            max(min(int(quantity), _FAR_OUT), -_FAR_OUT),
            names["market"].single(market, add=True),
            None if participant is None else names["participant"].single(participant, add=True),
            None if order is None else names["order"].single(order, add=True),
            TIFS[tif],
        )
        return Placed(*placed) if order is None else Placed(order, *placed[1:])

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
        if op is None or np.isin(op, _UNNAMED).any():
            for name in ("market", "order"):
                if encoded[name] is None and (name == "market" or op is None or not op.all()):
                    self._names[name].left_out()
        return BookEvents(self._core.apply(**encoded, trades_only=keep == "trades"), self._names, encoded["rows"])

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
        return BookEvents(self._core.advance(int(_times([time])[0])), self._names, 0)

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
        self._core.set_gates(markets, _times(list(gates.values())))

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
        if isinstance(levels, bool) or not isinstance(levels, int | np.integer) or not 0 <= levels <= _LEVELS_MAX:
            raise SchemaError(f"levels={levels!r}; give a whole number of 0 or more")
        number = self._names["market"].single(market)
        frames = []
        for code, side in ((1, "buy"), (0, "sell")):
            price, quantity, orders = self._core.depth(number, code, int(levels))
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
            ``quantity`` (open lots, shown or not), ``expires`` (ns; null if it does not), ``type``, ``tif``, and
            ``display``, ``min_quantity``, ``stop``, ``peg``, ``offset`` (null of a plain order). Markets as they were
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
        price = columns["price"]
        series[4] = nulled(series[4], price == NULL)
        return pl.DataFrame(series)

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


def _times(times: list[object]) -> NDArray[np.int64]:
    """Times as nanoseconds; none may be missing."""
    flaws = Flaws(len(times))
    stamps = nanoseconds(array_or_series("time", times), flaws)
    if flaws.codes is not None:
        raise SchemaError("a time is missing; give nanoseconds since 1970 UTC, or datetimes with a zone", column="time")
    return stamps
