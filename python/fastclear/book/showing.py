"""What rests in a book: best prices, depth, every order, every market."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl

from fastclear import _core
from fastclear.book.commands import PEGS, TIFS, TYPES
from fastclear.book.levels import level_count
from fastclear.book.names import NULL, Names, nulled


class Best(NamedTuple):
    """The best price of each side, and the lots there; None where a side is empty."""

    bid: int | None
    bid_quantity: int | None
    ask: int | None
    ask_quantity: int | None


class Showing:
    """The part of a book that shows what rests; of :class:`fastclear.OrderBook`."""

    _core: _core.OrderBook
    _names: dict[str, Names]

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
