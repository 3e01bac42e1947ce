"""Levels of all markets at once, of a live book or of one that is followed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear.book.names import NULL, Names, nulled
from fastclear.errors import SchemaError

if TYPE_CHECKING:
    from fastclear.book.depth_chart import AnyChart
    from fastclear.units import Units

LEVELS_MAX: Final = 2**32


class Levels:
    """Best prices and depth of every market, and a picture of one."""

    if TYPE_CHECKING:
        _core: Any  # of the book itself, or of a view
        _units: Units | None
        _names: dict[str, Names]

    def level1(self) -> pl.DataFrame:
        """The best bid and ask of every market.

        Returns
        -------
        polars.DataFrame
            ``market``, ``bid``, ``bid_quantity``, ``ask``, ``ask_quantity``: ticks, and the lots of all orders there;
            null where a side is empty. A row for every market that was ever named, in the order of :meth:`snapshot`.

        Examples
        --------
        >>> import fastclear as fc
        >>> book = fc.OrderBook()
        >>> sides = ["buy", "buy", "sell"]
        >>> _ = book.submit({"market": [7, 7, 8], "side": sides, "price": [5, 5, 9], "quantity": [1, 2, 4]})
        >>> book.level1().rows()
        [(7, 5, 3, None, None), (8, None, None, 9, 4)]
        """
        columns = self._core.level1()
        sides = [name for name in columns if name != "market"]
        return pl.DataFrame([self._markets_of(columns), *(whole(name, columns[name]) for name in sides)])

    def level2(self, levels: int = 10) -> pl.DataFrame:
        """The best prices of both sides of every market.

        Parameters
        ----------
        levels : int, default 10
            Prices a side, at most.

        Returns
        -------
        polars.DataFrame
            ``market``, ``side``, ``level`` (0 = best), ``price`` (ticks), ``quantity`` (lots of all orders there),
            ``orders`` (how many they are); markets in the order of :meth:`snapshot`, bids first, each side best first.

        Raises
        ------
        SchemaError
            ``levels`` is no whole number of 0 or more.

        Examples
        --------
        >>> import fastclear as fc
        >>> book = fc.OrderBook()
        >>> _ = book.submit({"side": ["buy"] * 3 + ["sell"], "price": [5, 7, 7, 9], "quantity": [1, 2, 3, 4]})
        >>> book.level2(1).rows()
        [(0, 'buy', 0, 7, 5, 2), (0, 'sell', 0, 9, 4, 1)]
        """
        columns = self._core.level2(level_count(levels))
        numbers = [pl.Series(name, columns[name]) for name in ("level", "price", "quantity", "orders")]
        return pl.DataFrame([self._markets_of(columns), side_names(columns["side"]), *numbers])

    def plot(self, market: int | str | None = None, *, levels: int = 100, units: Units | None = None) -> AnyChart:
        """Draw the depth of a market: what stands at each price or better, with the best bid and ask.

        Parameters
        ----------
        market : int or str, optional
            Market id; needed only where there are several. One that nobody named is empty.
        levels : int, default 100
            Prices a side, at most; the picture says how many more there are.
        units : Units, optional
            Units of the axes. By default those of the book, else ticks and lots.

        Returns
        -------
        altair.LayerChart
            With its theme; ``.save("depth.html")``, ``.save("depth.png")``.

        Raises
        ------
        SchemaError
            There are several markets and none was named, or ids of another kind.
        """
        from fastclear.book.depth_chart import drawn  # altair, which the book itself has no use for

        quotes = self.level1()["market"]
        if market is None:
            if len(quotes) > 1:
                raise SchemaError(f"there are {len(quotes):,} markets; say which with market=...", column="market")
            market = quotes[0] if len(quotes) else 0
        else:
            self._names["market"].single(market)
        return drawn(self.level2(LEVELS_MAX), market, level_count(levels), units or self._units)

    def _markets_of(self, columns: dict[str, NDArray[Any]]) -> pl.Series:
        return self._names["market"].series("market", columns["market"])


def level_count(levels: object) -> int:
    """A number of levels.

    Raises
    ------
    SchemaError
        It is none.
    """
    if isinstance(levels, bool) or not isinstance(levels, int | np.integer) or not 0 <= levels <= LEVELS_MAX:
        raise SchemaError(f"levels={levels!r}; give a whole number of 0 or more")
    return int(levels)


def side_names(codes: NDArray[np.uint8]) -> pl.Series:
    """Sides by their codes, a code of none as null."""
    return nulled(pl.Series(["sell", "buy"]).gather(codes & 1).alias("side"), codes > 1)


def whole(name: str, values: NDArray[np.int64]) -> pl.Series:
    """Integers with nulls."""
    return nulled(pl.Series(name, values), values == NULL)
