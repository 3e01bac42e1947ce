"""Orders handed in one at a time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, Literal, NamedTuple, TypedDict, Unpack, cast

import numpy as np

from fastclear import _core
from fastclear.book.commands import TIFS, encode
from fastclear.book.names import Names
from fastclear.errors import SchemaError
from fastclear.units import Units

_FAR_OUT: Final = 2**62  # out of every range, and no null


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


class Placing:
    """The part of a book that takes single orders; of :class:`fastclear.OrderBook`."""

    _core: _core.OrderBook
    _names: dict[str, Names]
    _units: Units | None
    _has_integers: bool

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
