"""Phases of the markets of a book: calls at one price, schedules, price collars and circuit breakers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import numpy as np

from fastclear import _core
from fastclear.book.times import times_of
from fastclear.errors import SchemaError
from fastclear.orders.column import array_or_series

if TYPE_CHECKING:
    from fastclear.book.names import Names

Phase = Literal["pre_open", "continuous", "halted", "closed"]

_NUMBERS: Final = {name: number for number, name in enumerate([*_core.BOOK_PHASES, "closed"])}
_FAR_OUT: Final = 2**62  # out of every range


class Indicative(NamedTuple):
    """What a call would trade if it were over now; None and zeros where nothing crosses."""

    price: int | None
    volume: int
    imbalance: int


class Phased:
    """What an order book's markets do by phase; a part of :class:`fastclear.OrderBook`."""

    _core: _core.OrderBook
    _names: dict[str, Names]

    def phase(self, market: int | str = 0) -> Phase:
        """What a market does now.

        Parameters
        ----------
        market : int or str, default 0
            Market id; one that nobody named is continuous.

        Returns
        -------
        str
            "pre_open" (orders rest, none match), "continuous", "halted" (orders are refused) or "closed".

        Examples
        --------
        >>> import fastclear as fc
        >>> book = fc.OrderBook()
        >>> _ = book.apply({"op": ["phase"], "market": [0], "phase": ["pre_open"]})
        >>> book.phase()
        'pre_open'
        """
        phase: Any = self._core.phase(self._names["market"].single(market))
        return "closed" if phase is None else phase

    def set_phases(self, phases: Mapping[Any, Sequence[tuple[object, Phase]]]) -> None:
        """Set when markets change their phase, instead of what was set for them before.

        The book's clock obeys the schedule, each change at its own time however far the clock moves at once; at one
        time orders expire first, and gates close last. A market that goes on from a call trades all that crosses at one
        price. Before its first time it stays as it is, which is continuous unless a command said otherwise.

        Parameters
        ----------
        phases : mapping of market id to list of (time, phase)
            Times in nanoseconds since 1970 UTC, or datetimes with a zone, rising, after the book's clock. Phases are
            "pre_open", "continuous", "halted" and, at the end alone, "closed", which is the market's gate: a market in
            a call then trades before what is left expires.

        Raises
        ------
        SchemaError
            A phase that there is not, a time that does not come after the clock and the one before it, or a market that
            has closed: then no schedule is set.

        Notes
        -----
        A market with a schedule looks at every command more closely than one of plain orders. It takes orders of every
        kind: in a call icebergs take part with all that they have; stops, pegs and minimums wait until it is over.

        Examples
        --------
        >>> import fastclear as fc
        >>> book = fc.OrderBook()
        >>> book.set_phases({0: [(10, "pre_open"), (20, "continuous"), (90, "pre_open"), (100, "closed")]})
        >>> orders = {"side": ["buy", "sell", "sell"], "price": [9, 5, 8], "quantity": [4, 3, 3], "time": [11, 12, 13]}
        >>> _ = book.submit(orders)
        >>> book.indicative()
        Indicative(price=8, volume=4, imbalance=-2)
        >>> book.advance(20).trades.select("buy_order", "sell_order", "quantity", "buy_price").rows()
        [(0, 1, 3, 8), (0, 2, 1, 8)]
        """
        if not isinstance(phases, Mapping):
            raise SchemaError(f"phases={phases!r} is no mapping; give {{market: [(time, phase), …]}}")
        days = {market: [_change(market, row) for row in schedule] for market, schedule in phases.items()}
        rows = [row for schedule in days.values() for row in schedule]
        for market, schedule in days.items():
            if not schedule:
                raise SchemaError(f"market {market!r} has an empty schedule; give one or more (time, phase)")
        if not rows:
            return
        times = times_of([time for time, _ in rows])
        ids = self._names["market"].encode(array_or_series("market", list(days)), add=True)
        markets = np.repeat(ids, [len(schedule) for schedule in days.values()])
        self._core.set_phases(markets, times, np.array([number for _, number in rows], np.uint8))

    def indicative(self, market: int | str = 0) -> Indicative:
        """What the call of a market would trade if it were over now.

        Of all prices in whole ticks those with the largest volume; of these those with the smallest imbalance; of
        these, where bids alone are left over the highest and where asks alone are the lowest; of these the one nearest
        to the market's last price, or to the middle of the interval in which the market clears if it has none.

        Parameters
        ----------
        market : int or str, default 0
            Market id.

        Returns
        -------
        Indicative
            ``price`` (ticks; None where nothing crosses), ``volume`` (lots), ``imbalance`` (lots of bids at the price
            or above less lots of asks at the price or below). What icebergs hide counts.

        Examples
        --------
        >>> import fastclear as fc
        >>> fc.OrderBook().indicative()
        Indicative(price=None, volume=0, imbalance=0)
        """
        return Indicative(*(self._core.indicative(self._names["market"].single(market)) or (None, 0, 0)))

    def set_collar(self, market: int | str, low: int | None, high: int | None) -> None:
        """Set the prices at which orders of a market are taken, from now on.

        An order or a replacement priced outside is rejected (``price_outside_caps``); a market order without a price
        takes none outside. So no trade is outside.

        Parameters
        ----------
        market : int or str
            Market id.
        low, high : int or None
            Lowest and highest price in ticks; None is no bound.

        Raises
        ------
        SchemaError
            No such prices, a low one above the high one, an order that is there and could trade outside, or a market
            that has closed: then nothing is set.

        Examples
        --------
        >>> import fastclear as fc
        >>> book = fc.OrderBook()
        >>> book.set_collar(0, 10, 30)
        >>> events = book.submit({"side": ["buy"], "price": [31], "quantity": [1]})
        >>> [fc.RejectReason(code).name for code in events.reject]
        ['PRICE_OUTSIDE_CAPS']
        """
        low, high = (_whole(name, end) for name, end in (("low", low), ("high", high)))
        self._core.set_collar(self._names["market"].single(market, add=True), low, high)

    def set_breaker(self, market: int | str, ticks: int | None, pause_ns: int | None = None) -> None:
        """Set how far a market may trade from its reference before it pauses, and for how long.

        The reference is the price of the last call or, where that traded nothing, of the first trade since; at first it
        is that of the next trade. An order trades as far as the breaker lets it. Where the next order that it meets is
        farther away, that trade does not happen: what is left of it rests, or is cancelled if it does not rest, and
        the market is in a call (``pre_open``) until the book's clock has moved on by ``pause_ns``; then it trades all
        that crosses at one price and goes on. Whatever else changes the phase ends the pause.

        Parameters
        ----------
        market : int or str
            Market id.
        ticks : int or None
            Farthest that a trade may be from the reference; None takes the breaker out.
        pause_ns : int
            Nanoseconds of the book's clock, 1 or more.

        Raises
        ------
        SchemaError
            Ticks below zero, no pause, or a market that has closed: then nothing is set.

        Examples
        --------
        >>> import fastclear as fc
        >>> book = fc.OrderBook()
        >>> book.set_breaker(0, 5, 1_000)
        >>> _ = book.submit({"side": ["sell", "sell"], "price": [20, 26], "quantity": [1, 1]})
        >>> book.submit({"side": ["buy"], "price": [30], "quantity": [2]}).frame["kind"].to_list()
        ['accepted', 'trade', 'filled', 'phase']
        >>> book.phase(), book.indicative()
        ('pre_open', Indicative(price=26, volume=1, imbalance=0))
        """
        if ticks is None:
            breaker = None
        else:
            width, pause = _whole("ticks", ticks), _whole("pause_ns", pause_ns)
            if width is None or pause is None:
                raise SchemaError("a breaker needs its pause; give pause_ns in nanoseconds")
            breaker = (width, pause)
        self._core.set_breaker(self._names["market"].single(market, add=True), breaker)


def _change(market: object, row: object) -> tuple[object, int]:
    """Time and number of the phase of one change."""
    if not isinstance(row, tuple | list) or len(row) != 2:  # a pair
        raise SchemaError(f"market {market!r}: {row!r} is no (time, phase)")
    time, phase = row
    if phase not in _NUMBERS:
        raise SchemaError(f"market {market!r}: phase={phase!r} is none; give one of {', '.join(_NUMBERS)}")
    return time, _NUMBERS[phase]


def _whole(name: str, value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise SchemaError(f"{name}={value!r} is no integer")
    return max(min(int(value), _FAR_OUT), -_FAR_OUT)
