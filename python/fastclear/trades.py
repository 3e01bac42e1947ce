"""What an auction returns: markets, fills and trades, built when first asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear import _core
from fastclear.audit import AuditReport, check_clearing
from fastclear.errors import FastclearError, MissingLibraryError
from fastclear.orders import Orders
from fastclear.reject import RejectReason
from fastclear.units import Units

if TYPE_CHECKING:
    from fastclear.auction import Mechanism

MONEY: Final = pl.Decimal(38, 0)
"""The type of totals of money in frames: nano-currency, exact in 128 bits."""

BRANCHES: Final[tuple[str | None, ...]] = (None, "all_trade", "reduced", "seller_sets_price", "buyer_sets_price")
"""Names of the ways that a mechanism with several can go, by the code in ``market_columns["branch"]``."""

_PRICES = ("price", "price_low", "price_high", "price_buy", "price_sell")
_PREVIEW_ROWS = 10


def run(
    orders: Orders,
    mechanism: Mechanism,
    out: NDArray[np.int64],
    *,
    threads: int,
    payment: bool = False,
    trades: bool = False,
) -> _core.Cleared:
    """Hand encoded columns to the core."""
    places = getattr(mechanism, "places", None)
    half, turn = (None, None) if places is None else places(orders)
    return _core.clear(
        orders.side,
        orders.price,
        orders.quantity,
        orders.market,
        orders.order,
        orders.time,
        orders.is_market_order,
        orders.participant,
        orders.min_quantity,
        orders.start_price,
        half,
        turn,
        orders.refused,
        mechanism.core,
        out,
        payment,
        trades,
        threads,
        orders.frozen,
    )


class Clearing:
    """The outcome of :func:`fastclear.clear`.

    Frames are built when first asked for; the numpy views below them cost no frame at all.

    Attributes
    ----------
    orders : Orders
        The orders as the core read them.
    mechanism : Mechanism
        What cleared them.
    filled : ndarray of int64, shape (n,)
        Filled lots of each order, in input order.
    den : int
        1 or 2: every price and every amount of money of this clearing is a whole number over it. It is 2 only where a
        mechanism needs exact midpoints and one of them lies between two ticks.
    """

    def __init__(
        self,
        orders: Orders,
        mechanism: Mechanism,
        cleared: _core.Cleared,
        filled: NDArray[np.int64],
        threads: int,
    ) -> None:
        self.orders = orders
        self.mechanism = mechanism
        self.filled = filled
        self.den = cleared.den
        self._cleared = cleared
        self._threads = threads
        self._complete = cleared

    def __len__(self) -> int:
        """Return the number of orders."""
        return self.orders.n

    def __reduce__(self) -> tuple[Any, tuple[Orders, Mechanism, int]]:
        """Pickle as orders and mechanism: clearing them again gives the same bytes."""
        return _again, (self.orders, self.mechanism, self._threads)

    # -- numpy views -------------------------------------------------------------------------------------------

    @cached_property
    def reject(self) -> NDArray[np.uint16]:
        """Reject code of each order, shape (n,), read-only; 0 = accepted, else a :class:`RejectReason`."""
        return _read_only(self._cleared.reject())

    @cached_property
    def payment(self) -> NDArray[np.int64]:
        """Money of each order in nano-currency, shape (n,), read-only; + pays, - receives."""
        payment = self._completed(payment=True).payment()
        assert payment is not None  # asked for in the line above
        return _read_only(payment)

    @cached_property
    def market_columns(self) -> dict[str, NDArray[Any]]:
        """Columns of :attr:`markets` as numpy arrays, one row a market, ascending id.

        int64 unless said otherwise: ``market`` (encoded id), ``has_price`` (bool: something traded, at one price a
        side), ``price``, ``price_low``, ``price_high``, ``price_buy``, ``price_sell`` (0 where ``has_price`` is
        false), ``volume``, ``buy_orders``, ``sell_orders`` (uint32), ``best_bid``, ``best_ask`` (where nothing traded;
        the extremes of int64 where there is none), ``welfare``, ``buyer_payment``, ``seller_revenue``, ``surplus``
        (int64, or Python integers in an object array where a total leaves 64 bits). Some mechanisms add ``branch``
        (uint8, index into :data:`BRANCHES`), ``rounds`` (uint32), or ``price_left`` and ``price_right`` with
        ``has_left`` and ``has_right``. Prices and money are over :attr:`den`.
        """
        columns: dict[str, NDArray[Any]] = {}
        for name, values in self._cleared.markets().items():
            columns[name] = _read_only(values if isinstance(values, np.ndarray) else np.array(values, dtype=object))
        nowhere = self.orders.missing.get("market")
        if nowhere is not None and nowhere.all():  # every id was null: there is no market to report on
            columns = {name: _read_only(values[:0]) for name, values in columns.items()}
        return columns

    @cached_property
    def trade_columns(self) -> dict[str, NDArray[Any]]:
        """Columns of :attr:`trades` as numpy arrays, one row a trade.

        int64: ``market`` (encoded id), ``buy_row``, ``sell_row`` (rows of the input), ``buy_order``, ``sell_order``
        (encoded ids), ``quantity``, ``buy_price``, ``sell_price`` (0 where a mechanism pays sums), ``buy_amount``,
        ``sell_amount`` (money of the trade); uint64: ``trade`` (number within the call). Prices and money are over
        :attr:`den`.
        """
        trades = self._completed(trades=True).trades()
        assert trades is not None  # asked for in the line above
        for side in ("buy", "sell"):
            rows = trades[f"{side}_row"]
            trades[f"{side}_order"] = rows if self.orders.order is None else self.orders.order[rows]
            if f"{side}_price" in trades:
                trades[f"{side}_amount"] = trades[f"{side}_price"] * trades["quantity"]
            else:
                trades[f"{side}_price"] = np.zeros(len(rows), np.int64)
        return {name: _read_only(column) for name, column in trades.items()}

    @cached_property
    def halves(self) -> NDArray[np.uint8]:
        """Half of the market in which each order stood under ``Muda``, shape (n,), read-only: 0 left, 1 right.

        2 where the order was refused. Coins are flipped again from the seed.

        Raises
        ------
        MechanismError
            Another mechanism knows no halves.

        Examples
        --------
        >>> import fastclear as fc
        >>> orders = {"side": ["buy", "buy", "sell", "sell"], "price": [9, 8, 3, 4], "quantity": [1, 1, 1, 1]}
        >>> fc.clear(orders, fc.Muda(seed=3)).halves.tolist()
        [1, 0, 1, 1]
        """
        from fastclear.halves import halves

        return _read_only(halves(self))

    def _completed(self, *, payment: bool = False, trades: bool = False) -> _core.Cleared:
        """Run again for what the first run was not asked for; clearing costs less than keeping everything."""
        have = self._complete
        if (payment and have.payment() is not None) or (trades and have.trades() is not None):
            return have
        filled = np.empty(self.orders.n, np.int64)
        again = run(self.orders, self.mechanism, filled, threads=self._threads, payment=payment, trades=trades)
        if not np.array_equal(filled, self.filled):
            raise FastclearError(
                "the columns given to clear() have changed since, or 'out' was overwritten; read .payment and .trades "
                "before you reuse the arrays, or hand over copies"
            )
        if trades:
            self._complete = again
        return again

    @property
    def _one_price(self) -> bool:
        """Whether the mechanism has one price a side in each market."""
        return not self.mechanism.core.prices_by_trade

    @property
    def pays_sums(self) -> bool:
        """Whether what an order pays is a sum, not a price a unit."""
        return self.mechanism.core.pays_sums

    # -- frames ------------------------------------------------------------------------------------------------

    @cached_property
    def markets(self) -> pl.DataFrame:
        """One row a market, ascending id.

        ``market``, ``price``, ``price_low``, ``price_high`` (ticks; null where nothing traded or buyers and sellers
        pay different prices), ``price_buy``, ``price_sell`` (ticks; null where nothing traded or prices differ from
        trade to trade), ``volume`` (lots), ``buy_orders``, ``sell_orders`` (accepted), ``best_bid``, ``best_ask``
        (ticks; where nothing traded: the best of each side), ``welfare``, ``buyer_payment``,
        ``seller_revenue``, ``surplus`` (nano-currency, Decimal(38, 0)). Prices and money are over :attr:`den`. Some
        mechanisms add ``branch``, ``rounds``, or ``price_left`` and ``price_right``.
        """
        columns = self.market_columns
        frame: dict[str, pl.Series] = {"market": self.orders.names("market", columns["market"])}
        has_price = pl.Series(columns["has_price"])
        one_price = has_price & pl.Series(columns["price_buy"] == columns["price_sell"])
        for name in _PRICES:
            shown = has_price if name in ("price_buy", "price_sell") else one_price
            frame[name] = _null_where(columns[name], ~shown)
        frame["volume"] = pl.Series(columns["volume"])
        frame["buy_orders"] = pl.Series(columns["buy_orders"])
        frame["sell_orders"] = pl.Series(columns["sell_orders"])
        frame["best_bid"] = _null_where(
            columns["best_bid"], pl.Series((columns["buy_orders"] == 0) | (columns["volume"] > 0))
        )
        frame["best_ask"] = _null_where(
            columns["best_ask"], pl.Series((columns["sell_orders"] == 0) | (columns["volume"] > 0))
        )
        for name in ("welfare", "buyer_payment", "seller_revenue", "surplus"):
            frame[name] = money(columns[name])
        if "branch" in columns:
            frame["branch"] = pl.Series(BRANCHES, dtype=pl.String).gather(columns["branch"])
        if "rounds" in columns:
            frame["rounds"] = pl.Series(columns["rounds"])
        for half in ("left", "right"):
            if f"price_{half}" in columns:
                frame[f"price_{half}"] = _null_where(columns[f"price_{half}"], ~pl.Series(columns[f"has_{half}"]))
        return pl.DataFrame([series.alias(name) for name, series in frame.items()])

    @cached_property
    def fills(self) -> pl.DataFrame:
        """One row an order, in input order: ``order``, ``filled``, ``payment`` (+ pays, - receives), ``reject``."""
        return pl.DataFrame(
            [
                self.orders.order_ids().alias("order"),
                pl.Series("filled", self.filled.copy()),
                pl.Series("payment", self.payment),
                pl.Series("reject", self.reject),
            ]
        )

    @cached_property
    def trades(self) -> pl.DataFrame:
        """One row a trade: its market, number, both order ids, quantity (lots) and both prices (ticks).

        ``market``, ``trade``, ``buy_order``, ``sell_order``, ``quantity``, ``buy_price``, ``sell_price``.

        Prices are over :attr:`den`. Where a mechanism pays sums (Vickrey, Muda's ``"vickrey"``) prices are null, and
        ``buy_amount`` and ``sell_amount`` (nano-currency over :attr:`den`) stand beside them.

        Fills are paired in price, then time, then id order, so that a market of b winning bids and a winning asks has
        at most a + b - 1 trades.
        """
        columns = self.trade_columns
        unpriced = pl.Series([self.pays_sums]).new_from_index(0, len(columns["quantity"]))
        sums = ("buy_amount", "sell_amount") if self.pays_sums else ()
        return pl.DataFrame(
            [
                self.orders.names("market", columns["market"]).alias("market"),
                pl.Series("trade", columns["trade"]),
                self.orders.names("order", columns["buy_order"]).alias("buy_order"),
                self.orders.names("order", columns["sell_order"]).alias("sell_order"),
                pl.Series("quantity", columns["quantity"]),
                *(_null_where(columns[name], unpriced).alias(name) for name in ("buy_price", "sell_price")),
                *(pl.Series(name, columns[name]) for name in sums),
            ]
        )

    # -- checks, display, export -------------------------------------------------------------------------------

    def audit(self) -> AuditReport:
        """Recompute every invariant from the orders and this result, sharing no code with the core.

        Returns
        -------
        AuditReport
            What was checked, over how many orders, markets and trades.

        Raises
        ------
        AuditError
            The first invariant that does not hold: which, in which market or order, and by how much.
        """
        return check_clearing(self)

    def explain(self, order: object, market: object = None) -> str:
        """Say in words why an order did or did not trade, and what it pays.

        Parameters
        ----------
        order : int or str
            The id that the caller gave; the row number where there is no column ``order``.
        market : int or str, optional
            The market of the order; needed only where orders of several markets share the id.

        Returns
        -------
        str
            A few sentences, with numbers in the units of the call: ticks and lots where none were declared.

        Raises
        ------
        SchemaError
            No order has that id, or orders of several markets have it.

        Examples
        --------
        >>> import fastclear as fc
        >>> orders = {"side": ["buy", "sell"], "price": [20, 28], "quantity": [5, 6]}
        >>> for sentence in fc.clear(orders, fc.Uniform()).explain(0).split(". "):
        ...     print(sentence)
        Bid 0 (5 lots at no more than 20 ticks) did not trade
        Nothing trades in this market: the best bid (20 ticks) is below the best ask (28 ticks).
        """
        from fastclear.explanation import explain

        return explain(self, order, market)

    def curves(self, market: object = None) -> pl.DataFrame:
        """The supply and demand of one market, one row a step: see :func:`fastclear.curves.curves`.

        Parameters
        ----------
        market : int or str, optional
            Which market; needed only where there are several.

        Returns
        -------
        polars.DataFrame
            ``side`` (bid or ask), ``order``, ``price`` (ticks), ``quantity``, ``from``, ``to``, ``filled`` (lots),
            ``marginal`` (Boolean); bids before asks, each in the order in which they are served.

        Raises
        ------
        SchemaError
            There is no such market, or several and none was named.

        Examples
        --------
        >>> import fastclear as fc
        >>> orders = {"side": ["buy", "buy", "sell"], "price": [30, 25, 10], "quantity": [5, 4, 6]}
        >>> fc.clear(orders, fc.Uniform()).curves().select("side", "price", "from", "to", "filled").rows()
        [('bid', 30, 0, 5, 5), ('bid', 25, 5, 9, 1), ('ask', 10, 0, 6, 6)]
        """
        from fastclear.curves import curves

        return curves(self, market)

    def plot(self, market: object = None, *, units: Units | None = None) -> Any:
        """A picture of one market: supply and demand, price, interval, traded volume, marginal orders.

        Parameters
        ----------
        market : int or str, optional
            Which market; needed only where there are several.
        units : Units, optional
            Units of the axes. By default those of the call; without any, ct/kWh and kWh, or ticks and lots where no
            price of the market reaches 0.1 ct/kWh.

        Returns
        -------
        altair.LayerChart
            ``.save("market.html")``, ``.save("market.png")``, or shown as it is in a notebook.

        Raises
        ------
        SchemaError
            There is no such market, or several and none was named.
        """
        from fastclear.curves import plot

        return plot(self, market, units=units)

    def __repr__(self) -> str:
        """Show the first markets and a line of totals."""
        with pl.Config(
            tbl_rows=_PREVIEW_ROWS, tbl_cols=8, tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True
        ):
            return f"{self._totals()}\n{self._preview()}"

    def _repr_html_(self) -> str:
        with pl.Config(tbl_rows=_PREVIEW_ROWS):
            return f"<p>{self._totals()}</p>{self._preview()._repr_html_()}"

    def _preview(self) -> pl.DataFrame:
        """Markets in the units people read: kWh, ct/kWh and currency."""
        ticks, lots = pl.lit(10_000 * self.den), pl.lit(1_000)
        return self.markets.select(
            "market",
            (pl.col("price_buy") / ticks).alias("buy_ct_per_kwh"),
            (pl.col("price_sell") / ticks).alias("sell_ct_per_kwh"),
            (pl.col("volume") / lots).alias("volume_kwh"),
            "buy_orders",
            "sell_orders",
            (pl.col("welfare").cast(pl.Float64) / (1e9 * self.den)).alias("welfare"),
        )

    def _totals(self) -> str:
        columns = self.market_columns
        volume = int(columns["volume"].sum()) / 1000
        refused = int(np.count_nonzero(self.reject))
        note = ""
        if refused:
            codes, counts = np.unique(self.reject[self.reject > 0], return_counts=True)
            reason = RejectReason(int(codes[np.argmax(counts)])).name.lower()
            note = f", {refused:,} refused ({'mostly ' if len(codes) > 1 else ''}{reason})"
        markets = f"{len(columns['market']):,} market{'' if len(columns['market']) == 1 else 's'}"
        return f"Clearing of {self.orders.n:,} orders{note} in {markets}: {volume:,.3f} kWh traded"

    def to_polars(self) -> pl.DataFrame:
        """:attr:`markets`."""
        return self.markets

    def to_pandas(self) -> Any:
        """:attr:`markets` as a pandas frame; needs pandas and pyarrow, else raises :class:`MissingLibraryError`."""
        with _libraries("pandas and pyarrow"):
            return self.markets.to_pandas()

    def to_arrow(self) -> Any:
        """:attr:`markets` as a pyarrow table; needs pyarrow, else raises :class:`MissingLibraryError`."""
        with _libraries("pyarrow"):
            return self.markets.to_arrow()

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """:attr:`markets` over the Arrow PyCapsule interface."""
        return self.markets.__arrow_c_stream__(requested_schema)


def _again(orders: Orders, mechanism: Mechanism, threads: int) -> Clearing:
    filled = np.empty(orders.n, np.int64)
    cleared = run(orders, mechanism, filled, threads=threads)
    return Clearing(orders, mechanism, cleared, _read_only(filled), threads)


@contextmanager
def _libraries(names: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise MissingLibraryError(
            f"this needs {names} ({error}); pip install {names.replace(' and', '')}, or use .markets, a polars frame"
        ) from error


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    array.flags.writeable = False
    return array


def _null_where(values: NDArray[Any], rows: pl.Series) -> pl.Series:
    return pl.select(pl.when(rows).then(None).otherwise(pl.Series(values))).to_series()


def money(values: NDArray[Any]) -> pl.Series:
    """Nano-currency as Decimal(38, 0), exactly.

    Parameters
    ----------
    values : ndarray of int64, or of object holding int
        Amounts.
    """
    if values.dtype == object:
        return pl.Series([Decimal(int(value)) for value in values], dtype=MONEY)
    return pl.Series(values).cast(MONEY)
