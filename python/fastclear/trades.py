"""What an auction returns: markets, fills and trades, built when first asked for."""

from __future__ import annotations

from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear import _core
from fastclear.audit import AuditReport, check_clearing
from fastclear.buffers import empty
from fastclear.errors import FastclearError
from fastclear.exports import Exported
from fastclear.frames import cut, framed, no_rejects
from fastclear.orders import Orders, as_they_stand
from fastclear.reject import RejectReason
from fastclear.trade_columns import TradeColumns
from fastclear.units import Units

if TYPE_CHECKING:
    from fastclear.auction import Mechanism

MONEY: Final = pl.Decimal(38, 0)
"""The type of totals of money in frames: nano-currency, exact in 128 bits."""

BRANCHES: Final[tuple[str | None, ...]] = (None, "all_trade", "reduced", "seller_sets_price", "buyer_sets_price")
"""Names of the ways that a mechanism with several can go, by the code in ``market_columns["branch"]``."""

_PREVIEW_ROWS = 10
_NULL: Final = pl.Series([None], dtype=pl.Int64)
_CHANGED: Final = (
    "the columns given to clear() have changed since, or 'out' was overwritten; read .filled, .payment and .trades "
    "before you reuse the arrays, or hand over copies"
)
_HAS_PRICE: Final = _core.MARKET_VALUES.index("price_buy")  # which means something where there is a price a side
_MONEY: Final = ("welfare", "buyer_payment", "seller_revenue", "surplus")
_MARKETS: Final = (
    *("market", "price", "price_low", "price_high", "price_buy", "price_sell", "volume", "buy_orders", "sell_orders"),
    *("best_bid", "best_ask", *_MONEY),
)

MarketBlocks = tuple[
    NDArray[np.int64], NDArray[np.bool_], NDArray[np.uint32], dict[str, NDArray[Any]], dict[str, list[int]]
]
"""int64 values by row (``_core.MARKET_VALUES``), which of the first mean something, counts by row
(``_core.MARKET_COUNTS``), columns of one mechanism, and money that leaves 64 bits."""


def run(
    orders: Orders,
    mechanism: Mechanism,
    out: NDArray[np.int64] | None,
    *,
    threads: int | None,
    payment: bool = False,
    trades: bool = False,
) -> _core.Cleared:
    """Hand encoded columns to the core; without ``out`` it does not say what each order was filled."""
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


class Clearing(Exported):
    """The outcome of :func:`fastclear.clear`.

    Frames are built when first asked for; the numpy views below them cost no frame at all.

    Attributes
    ----------
    mechanism : Mechanism
        What cleared the orders.
    """

    _EXPORTED = "markets"

    def __init__(
        self,
        given: Orders | dict[str, Any],
        mechanism: Mechanism,
        cleared: _core.Cleared,
        filled: NDArray[np.int64] | None,
        threads: int | None,
    ) -> None:
        self.mechanism = mechanism
        self._given = given
        self._cleared = cleared
        self._threads = threads
        if filled is not None:
            self.filled = filled

    def __len__(self) -> int:
        """Return the number of orders."""
        return self.orders.n

    def __reduce__(self) -> tuple[Any, tuple[Orders, Mechanism, int | None, bool]]:
        """Pickle as orders and mechanism: clearing them again gives the same bytes."""
        return _again, (self.orders, self.mechanism, self._threads, "filled" in self.__dict__)

    def __copy__(self) -> Clearing:
        """Another clearing with the same results, of which none is computed again."""
        again, arguments = self.__reduce__()
        filled = self.__dict__.get("filled")
        is_owned = filled is not None and filled.flags.writeable  # by somebody who may have written to it since
        if type(self) is not Clearing or is_owned:
            return cast("Clearing", again(*arguments))
        twin = Clearing(self.orders, self.mechanism, self._cleared, filled, self._threads)
        if "_complete" in self.__dict__:
            twin._complete = self._complete
        return twin

    # -- what the first run left for later ---------------------------------------------------------------------

    @cached_property
    def orders(self) -> Orders:
        """The orders as the core read them."""
        given = self._given
        return given if isinstance(given, Orders) else as_they_stand(given)

    @cached_property
    def den(self) -> int:
        """1 or 2: every price and every amount of money of this clearing is a whole number over it.

        It is 2 only where a mechanism needs exact midpoints and one of them lies between two ticks.
        """
        return self._cleared.den

    @cached_property
    def filled(self) -> NDArray[np.int64]:
        """Filled lots of each order, in input order, shape (n,)."""
        return self._run_again()[1]

    def _run_again(self, *, payment: bool = False, trades: bool = False) -> tuple[_core.Cleared, NDArray[np.int64]]:
        """Run again for what the first run was not asked for, and see whether it comes to the same."""
        filled = empty(self.orders.n)
        again = run(self.orders, self.mechanism, filled, threads=self._threads, payment=payment, trades=trades)
        before = self.__dict__.get("filled")
        if not self._cleared.agrees_with(again) or not (before is None or _core.equal(filled, before)):
            raise FastclearError(_CHANGED)
        return again, _read_only(filled)

    @cached_property
    def _own_filled(self) -> NDArray[np.int64]:
        """What each order was filled, where nobody writes it; ``out`` is the caller's, who may have done so since."""
        return self._run_again()[1] if self.filled.flags.writeable else self.filled

    def _completed(self, *, payment: bool = False, trades: bool = False) -> _core.Cleared:
        """A run that kept payments or trades; clearing costs less than keeping everything."""
        have: _core.Cleared = self.__dict__.get("_complete", self._cleared)
        if (payment and have.has_payment) or (trades and have.has_trades):
            return have
        again, filled = self._run_again(payment=payment, trades=trades)
        for name in ("filled", "_own_filled"):
            self.__dict__.setdefault(name, filled)
        if trades:
            self._complete = again
        return again

    # -- numpy views -------------------------------------------------------------------------------------------

    @cached_property
    def reject(self) -> NDArray[np.uint16]:
        """Reject code of each order, shape (n,), read-only; 0 = accepted, else a :class:`RejectReason`."""
        return _read_only(self._cleared.reject())

    @cached_property
    def payment(self) -> NDArray[np.int64]:
        """Money of each order in nano-currency, shape (n,), read-only; + pays, - receives."""
        if self._cleared.pays_prices:
            return self._payment_at_prices()
        payment = self._completed(payment=True).payment()
        assert payment is not None  # asked for in the line above
        return _read_only(payment)

    def _payment_at_prices(self) -> NDArray[np.int64]:
        """What was filled, at the prices of the markets: one pass in place of a second clearing."""
        payment = empty(self.orders.n)
        if not self._cleared.pay(self.orders.side, self.orders.market, self._own_filled, payment):
            raise FastclearError(_CHANGED)
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
        values, shown, counts, details, wide = self._market_blocks
        columns: dict[str, NDArray[Any]] = dict(zip(_core.MARKET_VALUES, values, strict=True))
        columns.update(zip(_core.MARKET_COUNTS, counts, strict=True))
        columns["has_price"] = shown[_HAS_PRICE]
        columns.update(details)
        columns.update({name: _read_only(np.array(totals, dtype=object)) for name, totals in wide.items()})
        return columns

    @cached_property
    def _market_blocks(self) -> MarketBlocks:
        """Columns of the markets side by side, read-only."""
        values, shown, counts, details, wide = self._cleared.markets()
        given = self._given
        nowhere = given.missing.get("market") if isinstance(given, Orders) else None
        if nowhere is not None and nowhere.all():  # every id was null: there is no market to report on
            values, shown, counts, wide = values[:, :0], shown[:, :0], counts[:, :0], {}
            details = {name: column[:0] for name, column in details.items()}
        for block in (values, shown, counts, *details.values()):
            block.flags.writeable = False
        return values, shown, counts, details, wide

    @cached_property
    def trade_columns(self) -> TradeColumns:
        """Columns of :attr:`trades` as numpy arrays, one row a trade: a mapping that builds what is read.

        int64: ``market`` (encoded id), ``buy_row``, ``sell_row`` (rows of the input), ``buy_order``, ``sell_order``
        (encoded ids), ``quantity``, ``buy_price``, ``sell_price`` (0 where a mechanism pays sums), ``buy_amount``,
        ``sell_amount`` (money of the trade); uint64: ``trade`` (number within the call). Prices and money are over
        :attr:`den`.
        """
        return TradeColumns(self._completed(trades=True), self.orders.order)

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
        values, shown, counts, details, wide = self._market_blocks
        n, (*ticks, market, volume, _, _, _, _) = values.shape[1], _core.MARKET_VALUES
        flat = pl.Series(values.reshape(-1))
        shown_ticks = flat.head(len(ticks) * n).zip_with(pl.Series(shown.reshape(-1)), _NULL)
        frame = dict(zip(ticks, cut(shown_ticks, len(ticks)), strict=True))
        ids, frame[volume] = cut(flat.slice(len(ticks) * n, 2 * n), 2)
        frame[market] = self.orders.names(market, ids.to_numpy()) if market in self.orders.texts else ids
        frame.update(zip(_MONEY, cut(flat.tail(len(_MONEY) * n).cast(MONEY), len(_MONEY)), strict=True))
        frame.update({name: money(np.array(amounts, dtype=object)) for name, amounts in wide.items()})
        frame.update(zip(_core.MARKET_COUNTS, cut(pl.Series(counts.reshape(-1)), len(counts)), strict=True))
        columns = [frame[name].alias(name) for name in _MARKETS]
        if "branch" in details:
            columns.append(pl.Series(BRANCHES, dtype=pl.String).gather(details["branch"]).alias("branch"))
        if "rounds" in details:
            columns.append(pl.Series("rounds", details["rounds"]))
        for half in ("left", "right"):
            if f"price_{half}" in details:
                price = pl.Series(f"price_{half}", details[f"price_{half}"])
                columns.append(price.zip_with(pl.Series(details[f"has_{half}"]), _NULL))
        return framed(columns)

    @cached_property
    def fills(self) -> pl.DataFrame:
        """One row an order, in input order: ``order``, ``filled``, ``payment`` (+ pays, - receives), ``reject``."""
        payment, filled = self.payment, self._own_filled
        accepted = self._cleared.all_accepted
        return framed(
            [
                self.orders.order_ids(),
                pl.Series("filled", filled),
                pl.Series("payment", payment),
                no_rejects(len(filled)) if accepted else pl.Series("reject", self.reject),
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
        prices, sums = ("buy_price", "sell_price"), ("buy_amount", "sell_amount")
        nothing = _NULL.new_from_index(0, len(columns["quantity"]))
        return framed(
            [
                self.orders.names("market", columns["market"]),
                pl.Series("trade", columns["trade"]),
                self.orders.names("order", columns["buy_order"]).alias("buy_order"),
                self.orders.names("order", columns["sell_order"]).alias("sell_order"),
                pl.Series("quantity", columns["quantity"]),
                *(nothing.alias(name) if self.pays_sums else pl.Series(name, columns[name]) for name in prices),
                *(pl.Series(name, columns[name]) for name in sums if self.pays_sums),
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


def _again(orders: Orders, mechanism: Mechanism, threads: int | None, fills: bool) -> Clearing:
    filled = empty(orders.n) if fills else None
    cleared = run(orders, mechanism, filled, threads=threads)
    return Clearing(orders, mechanism, cleared, None if filled is None else _read_only(filled), threads)


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    array.flags.writeable = False
    return array


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
