"""What a pool settles to: markets, fills and trades with the pool, members and what each of them saves."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NoReturn, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear import _core
from fastclear.auction.parameters import receiver
from fastclear.buffers import empty
from fastclear.errors import MechanismError
from fastclear.market_view import market_index, shown
from fastclear.orders import Orders
from fastclear.sharing import prices
from fastclear.sharing.loads import GridPrice, Loads, encode_loads
from fastclear.trades import MONEY, Clearing, money

if TYPE_CHECKING:
    from fastclear.audit import AuditReport
    from fastclear.sharing.mechanisms import SharingMechanism
    from fastclear.trade_columns import TradeColumns
    from fastclear.units import Units

_WHOLE: Final = "1,000,000"
_NO_PAIRS: Final = (
    "a pool pairs nobody: members trade with the pool and through it with the grid; read .trades, .payment or .members"
)
_REMEDIES: Final[dict[str, str]] = {
    "retail_differs": "loads name the retail prices {0} and {1}; give all loads of a market one",
    "feed_in_differs": "loads name the feed-in prices {0} and {1}; give all loads of a market one",
    "period_differs": "loads name two periods; give all loads of a market one",
    "feed_in_above_retail": (
        "the feed-in price of {0} is above the retail price of {1}: what is shared would be worth more sold to the "
        "grid and bought back; give a feed-in price up to the retail price"
    ),
    "negative_feed_in": "the feed-in price of {0} is below 0, and the ratio divides prices; use MidMarketRate",
    "compensation_too_large": (
        "with the compensation the feed-in price of {0} is above the retail price of {1}; lower the compensation"
    ),
    "shares_above_whole": "shares come to {0} parts per million; lower them to " + _WHOLE + " in all",
    "share_out_of_range": "a share of {0} is outside 0 to " + _WHOLE + " parts per million",
    "too_much": "a side has 2**61 lots or more; declare coarser units, or clear in several calls",
}


def cleared(
    mechanism: SharingMechanism,
    loads: object,
    units: Units | None,
    threads: int | None,
    out: NDArray[np.int64] | None,
) -> SharingClearing:
    """Settle every pool of ``loads``; see :func:`fastclear.clear`.

    Raises
    ------
    SchemaError
        Columns that make no sense.
    MechanismError
        Terms of a market that the rule cannot work with.
    """
    needs_share = getattr(mechanism, "key", "dynamic") != "dynamic"
    encoded = encode_loads(loads, units, mechanism.retail, mechanism.feed_in, needs_share=needs_share)
    filled, payment = empty(encoded.n), empty(encoded.n)
    if out is not None:
        receiver(out, encoded.as_orders())
        filled = out
    found = _core.share(
        encoded.net,
        encoded.market,
        encoded.order,
        encoded.period,
        encoded.share,
        encoded.retail,
        encoded.feed_in,
        encoded.refused,
        mechanism.rule,
        filled,
        payment,
        threads,
        encoded.frozen,
    )
    if isinstance(found, tuple):
        flaw, market, numbers = found
        where = f"market {shown(encoded_name(encoded, market))}: " if encoded.market is not None else ""
        raise MechanismError(where + _REMEDIES[flaw].format(*numbers))
    if out is None:
        filled.flags.writeable = False
    payment.flags.writeable = False
    return SharingClearing(mechanism, encoded, found, filled, payment, threads)


def encoded_name(loads: Loads, market: int) -> Any:
    """A market as the caller named it."""
    texts = loads.texts.get("market")
    return market if texts is None else texts[market]


class SharingClearing(Clearing):
    """The outcome of :func:`fastclear.clear` with a mechanism of :mod:`fastclear.sharing`.

    A :class:`fastclear.Clearing` without pairs: members trade with the pool, and the pool with the grid. ``filled`` is
    what each load shares inside the community; ``payment`` is for all of its energy, shared or not, in nano-currency
    (+ pays, - receives), and adds up exactly to the bill of the grid connection, the fees and the fixed costs.

    Attributes
    ----------
    mechanism : BillSharing, MidMarketRate, SupplyDemandRatio or FixedPrice
        The rule.
    loads : Loads
        The loads as the core read them.
    filled : ndarray of int64, shape (n,)
        Lots of each load that stay in the community, in input order.
    """

    def __init__(
        self,
        mechanism: SharingMechanism,
        loads: Loads,
        found: dict[str, Any],
        filled: NDArray[np.int64],
        payment: NDArray[np.int64],
        threads: int | None,
    ) -> None:
        self.mechanism = cast("Any", mechanism)
        self.loads = loads
        self.filled = filled
        self._found = found
        self._payment = payment
        self._threads = threads

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as loads and mechanism: clearing them again gives the same bytes."""
        return cleared, (self.mechanism, self.loads, None, self._threads, None)

    # -- numpy views -------------------------------------------------------------------------------------------

    @cached_property
    def orders(self) -> Orders:
        """The loads as orders: imports bid the retail price, exports ask the feed-in price; what each does alone."""
        return self.loads.as_orders()

    @cached_property
    def den(self) -> int:
        """1: money is whole nano-currency."""
        return 1

    @cached_property
    def payment(self) -> NDArray[np.int64]:
        """Money of each load in nano-currency, shape (n,), read-only; + pays, - receives."""
        return self._payment

    @cached_property
    def _own_filled(self) -> NDArray[np.int64]:
        return self.filled

    @cached_property
    def reject(self) -> NDArray[np.uint16]:
        """Reject code of each load, shape (n,), read-only; 0 = accepted, else a :class:`RejectReason`."""
        codes: NDArray[np.uint16] | None = self._found["reject"]
        codes = np.zeros(self.loads.n, np.uint16) if codes is None else codes
        codes.flags.writeable = False
        return codes

    @cached_property
    def market_of(self) -> NDArray[np.intp]:
        """Row of :attr:`markets` for each load, shape (n,)."""
        if self.loads.market is None:
            return np.zeros(self.loads.n, np.intp)
        return np.searchsorted(self._found["market"], self.loads.market)

    @cached_property
    def alone(self) -> NDArray[np.int64]:
        """What each load would pay (+) or receive (-) with the grid alone, in nano-currency, shape (n,), read-only."""
        net, columns = self.loads.net, self.market_columns

        def price(given: GridPrice, name: str) -> GridPrice:
            return given if isinstance(given, int) or not len(columns["market"]) else columns[name][self.market_of]

        retail, feed_in = price(self.loads.retail, "retail"), price(self.loads.feed_in, "feed_in")
        sound = np.where(self.reject == 0, net, 0)
        alone: NDArray[np.int64] = sound * np.where(sound > 0, retail, feed_in)
        alone.flags.writeable = False
        return alone

    @cached_property
    def market_columns(self) -> dict[str, NDArray[Any]]:
        """Columns of :attr:`markets` as numpy arrays, one row a market, ascending id.

        int64 unless said otherwise: ``market``, ``period`` (encoded ids), ``supply``, ``demand``, ``volume``,
        ``grid_import``, ``grid_export``, ``retail``, ``feed_in``, ``loads``, ``buy_orders``, ``sell_orders`` (uint32),
        ``has_price`` (bool, false: prices are fractions), ``price_buy``, ``price_sell`` (float64, NaN for none),
        ``welfare``, ``buyer_payment``, ``seller_revenue``, ``grid_payment``, ``surplus`` (int64, or Python integers in
        an object array where a total leaves 64 bits).
        """
        found = self._found
        names = ("market", "period", "supply", "demand", "volume", "retail", "feed_in", "loads")
        columns: dict[str, NDArray[Any]] = {name: found[name] for name in names}
        columns["buy_orders"], columns["sell_orders"] = found["buyers"], found["sellers"]
        for name in ("buyer_payment", "seller_revenue", "grid_payment"):
            values = found[name]
            columns[name] = values if isinstance(values, np.ndarray) else np.array(values, dtype=object)
        columns["grid_import"] = columns["demand"] - columns["volume"]
        columns["grid_export"] = columns["supply"] - columns["volume"]
        gain = columns["retail"] - columns["feed_in"]
        columns["welfare"] = _exact_product(gain, columns["volume"])
        columns["surplus"] = _narrow(
            columns["buyer_payment"].astype(object) - columns["seller_revenue"] - columns["grid_payment"]
        )
        columns["has_price"] = np.zeros(len(columns["market"]), bool)
        columns["price_buy"], columns["price_sell"] = prices.shown(cast("Any", self.mechanism), columns)
        nowhere = self.loads.missing.get("market")
        if nowhere is not None and nowhere.all():  # every id was null: there is no market to report on
            columns = {name: column[:0] for name, column in columns.items()}
        for column in columns.values():
            column.flags.writeable = False
        return columns

    @cached_property
    def trade_columns(self) -> TradeColumns:
        """There are none: a pool pairs nobody, and :attr:`trades` are with the pool.

        Raises
        ------
        MechanismError
            Always; it says what to read instead.
        """
        raise MechanismError(_NO_PAIRS)

    @cached_property
    def halves(self) -> NDArray[np.uint8]:
        """Halves of a market are those of ``Muda``: always a :class:`MechanismError`."""
        raise MechanismError(f"{type(self.mechanism).__name__} knows no halves of a market; they are those of Muda")

    @property
    def _one_price(self) -> bool:
        return True

    @property
    def pays_sums(self) -> bool:
        """True: what a load pays is a sum, not a price a unit."""
        return True

    # -- frames ------------------------------------------------------------------------------------------------

    @cached_property
    def markets(self) -> pl.DataFrame:
        """One row a market, ascending id.

        ``market``; ``price``, ``price_low``, ``price_high``, ``best_bid``, ``best_ask`` (null: there are no bids);
        ``price_buy``, ``price_sell`` (ticks, Float64, to look at: payments are authoritative; null where a side has no
        energy; of bill sharing, those of the period; of a fixed price, with what came from the grid); ``volume`` (lots
        shared); ``buy_orders``, ``sell_orders`` (loads that import and export); ``welfare`` (what sharing saves the
        community against the grid alone), ``buyer_payment``, ``seller_revenue``, ``surplus`` (what is left after the
        grid is paid: fees; of bill sharing it comes to the fixed cost over the period, not in each market), in
        nano-currency, Decimal(38, 0); ``supply``, ``demand``, ``grid_import``, ``grid_export`` (lots), ``retail``,
        ``feed_in`` (ticks), ``grid_payment`` (what the community pays the grid, Decimal(38, 0)).
        """
        columns = self.market_columns
        n = len(columns["market"])
        nothing = pl.Series([None], dtype=pl.Int64).new_from_index(0, n)
        frame = [self.orders.names("market", columns["market"])]
        frame += [nothing.alias(name) for name in ("price", "price_low", "price_high")]
        frame += [pl.Series(name, columns[name], nan_to_null=True) for name in ("price_buy", "price_sell")]
        frame += [pl.Series(name, columns[name]) for name in ("volume", "buy_orders", "sell_orders")]
        frame += [nothing.alias(name) for name in ("best_bid", "best_ask")]
        frame += [
            money(columns[name]).alias(name) for name in ("welfare", "buyer_payment", "seller_revenue", "surplus")
        ]
        whole = ("supply", "demand", "grid_import", "grid_export", "retail", "feed_in")
        frame += [pl.Series(name, columns[name]) for name in whole]
        return pl.DataFrame([*frame, money(columns["grid_payment"]).alias("grid_payment")])

    @cached_property
    def fills(self) -> pl.DataFrame:
        """One row a load, in input order: ``order``, ``filled`` (lots shared), ``payment``, ``reject``."""
        return pl.DataFrame(
            [
                self.orders.order_ids(),
                pl.Series("filled", self.filled),
                pl.Series("payment", self.payment),
                pl.Series("reject", self.reject),
            ]
        )

    @cached_property
    def trades(self) -> pl.DataFrame:
        """One row a load that has energy or pays, by market, then id: its trade with the pool, which stands as null.

        ``market``, ``trade``, ``buy_order``, ``sell_order``, ``quantity`` (all of its lots), ``buy_price``,
        ``sell_price`` (null: it pays a sum), ``buy_amount``, ``sell_amount`` (nano-currency; null for the pool),
        ``local`` (lots of it that stay in the community).
        """
        net, loads = self.loads.net, self.loads
        rows = np.flatnonzero((self.reject == 0) & ((net != 0) | (self.payment != 0)))
        ids = np.arange(loads.n) if loads.order is None else loads.order
        order = np.lexsort((ids[rows], self.market_of[rows]))
        rows = rows[order]
        buys = pl.Series(net[rows] >= 0)
        paid = pl.Series(self.payment[rows])
        names, none = self.orders.order_ids().gather(rows), pl.Series([None], dtype=pl.Int64)
        nobody = names.clear(len(rows))
        nothing = none.new_from_index(0, len(rows))
        return pl.DataFrame(
            [
                self.orders.names("market", self.market_columns["market"][self.market_of[rows]]),
                pl.Series("trade", np.arange(len(rows), dtype=np.uint64)),
                names.zip_with(buys, nobody).alias("buy_order"),
                nobody.zip_with(buys, names).alias("sell_order"),
                pl.Series("quantity", np.abs(net[rows])),
                nothing.alias("buy_price"),
                nothing.alias("sell_price"),
                paid.zip_with(buys, nothing).alias("buy_amount"),
                nothing.zip_with(buys, -paid).alias("sell_amount"),
                pl.Series("local", self.filled[rows]),
            ]
        )

    @cached_property
    def members(self) -> pl.DataFrame:
        """One row a participant (a load id where there are none), over all markets of the call, ascending id.

        ``participant`` (or ``order``), ``bought``, ``sold`` (lots, in all), ``local_bought``, ``local_sold`` (lots
        shared), ``payment``, ``alone`` (what it would pay with the grid alone), ``saving`` (alone less payment), in
        nano-currency, Decimal(38, 0); ``worse_off`` (Boolean, exact).
        """
        loads = self.loads
        name = "participant" if loads.participant is not None or loads.order is None else "order"
        ids = loads.participant if name == "participant" else loads.order
        accepted = pl.Series(self.reject == 0)
        net, filled = pl.Series(loads.net), pl.Series(self.filled)
        frame = pl.DataFrame(
            {
                name: np.arange(loads.n) if ids is None else ids,
                "bought": net.clip(0),
                "sold": (-net).clip(0),
                "local_bought": filled.zip_with(net > 0, net * 0),
                "local_sold": filled.zip_with(net < 0, net * 0),
                "payment": self.payment,
                "alone": self.alone,
            }
        )
        wide = pl.all().exclude(name).cast(pl.Int128).sum()
        table = frame.filter(accepted).group_by(name).agg(wide).sort(name)
        named = table[name] if ids is None else self.orders.names(name, table[name].to_numpy())
        lots = ("bought", "sold", "local_bought", "local_sold")
        return table.select(
            named.alias(name),
            *(pl.col(column).cast(pl.Int64) for column in lots),
            pl.col("payment").cast(MONEY),
            pl.col("alone").cast(MONEY),
            (pl.col("alone") - pl.col("payment")).cast(MONEY).alias("saving"),
            (pl.col("payment") > pl.col("alone")).alias("worse_off"),
        )

    @cached_property
    def periods(self) -> pl.DataFrame:
        """One row a pool (a period of bill sharing; else a market) with loads, ascending id, money in Decimal(38, 0).

        ``period``, ``payment`` (what its members pay in all), ``grid_payment`` (what the grid gets), ``surplus`` (the
        difference: fees and fixed cost), ``alone`` (what members would pay alone), ``saving``.
        """
        columns = self.market_columns
        of_market = columns["period"]
        rows = np.flatnonzero(self.reject == 0)
        loads = pl.DataFrame(
            {"period": of_market[self.market_of[rows]], "payment": self.payment[rows], "alone": self.alone[rows]}
        )
        wide = pl.col("payment", "alone").cast(pl.Int128).sum()
        sums = {period: totals for period, *totals in loads.group_by("period").agg(wide).iter_rows()}
        grid = dict.fromkeys(of_market[columns["loads"] > 0].tolist(), 0)
        for period, amount in zip(of_market.tolist(), columns["grid_payment"].tolist(), strict=True):
            if period in grid:  # else nobody of the market was accepted
                grid[period] += amount
        ids = sorted(grid)
        texts = self.loads.texts.get("period" if self.pools_are_periods else "market")
        named = pl.Series(ids, dtype=pl.Int64)
        table = {
            "payment": [sums[period][0] for period in ids],
            "grid_payment": [grid[period] for period in ids],
            "surplus": [sums[period][0] - grid[period] for period in ids],
            "alone": [sums[period][1] for period in ids],
            "saving": [sums[period][1] - sums[period][0] for period in ids],
        }
        money = [pl.Series(name, [Decimal(one) for one in column], dtype=MONEY) for name, column in table.items()]
        return pl.DataFrame([(named if texts is None else texts.gather(named)).alias("period"), *money])

    @property
    def pools_are_periods(self) -> bool:
        """Whether several markets may be one pool."""
        return type(self.mechanism).__name__ == "BillSharing" and self.loads.period is not None

    def exact_prices(self, market: object = None) -> tuple[Fraction | None, Fraction | None]:
        """Prices of buyers and sellers of one market in ticks, as exact fractions.

        Parameters
        ----------
        market : int or str, optional
            Which market; needed only where there are several.

        Returns
        -------
        tuple of Fraction or None
            None where a side has no energy. Of bill sharing, the prices of the market's period. Payments are these
            prices times energy, but for the rounding to whole nano-currency.

        Raises
        ------
        SchemaError
            There is no such market, or several and none was named.
        """
        index = market_index(self, market)
        columns = self.market_columns

        def row(at: int) -> dict[str, int]:
            names = ("supply", "demand", "volume", "retail", "feed_in")
            return {name: int(columns[name][at]) for name in names}

        if type(self.mechanism).__name__ != "BillSharing":
            return prices.exact(cast("Any", self.mechanism), row(index))
        pool = [row(int(at)) for at in np.flatnonzero(columns["period"] == columns["period"][index])]
        demand, supply = sum(one["demand"] for one in pool), sum(one["supply"] for one in pool)
        cost = sum(one["retail"] * (one["demand"] - one["volume"]) for one in pool)
        revenue = sum(one["feed_in"] * (one["supply"] - one["volume"]) for one in pool)
        rule = cast("Any", self.mechanism)
        cost += rule.fixed_cost if rule.fixed_cost_by == "bought" else 0
        return Fraction(cost, demand) if demand else None, Fraction(revenue, supply) if supply else None

    # -- checks and words --------------------------------------------------------------------------------------

    def audit(self) -> AuditReport:
        """Settle every pool again in plain Python, sharing no code with the core, and compare.

        Returns
        -------
        AuditReport
            What was checked, over how many loads, markets and trades with the pool.

        Raises
        ------
        AuditError
            The first invariant that does not hold: which, in which market or load, and by how much.
        """
        from fastclear.audit.sharing import check_sharing

        return check_sharing(self)

    def explain(self, order: object, market: object = None) -> str:
        """Say in words what a load shares and pays; see :meth:`fastclear.Clearing.explain`.

        Parameters
        ----------
        order : int or str
            The id of the load; the row number where there is no column ``order``.
        market : int or str, optional
            The market of the load; needed only where loads of several markets share the id.

        Examples
        --------
        >>> import fastclear as fc
        >>> clearing = fc.clear({"net_load": [-4, -2, 5, 7]}, fc.MidMarketRate(retail=20, feed_in=8))
        >>> for sentence in clearing.explain(2).split(". "):
        ...     print(sentence)
        Load 2 imports 5 lots and pays 85 nano-currency: 17 ticks a lot
        3 lots come from the community, 2 lots from the grid
        Alone it would pay 100 nano-currency: it saves 15 nano-currency.
        """
        return super().explain(order, market)

    def curves(self, market: object = None) -> NoReturn:  # noqa: ARG002 - the signature of every clearing
        """A pool has no curves, since nobody bids.

        Raises
        ------
        MechanismError
            Always.
        """
        raise MechanismError("a pool has no supply and demand curves, since nobody bids; see .markets and .members")

    def plot(self, market: object = None, *, units: Units | None = None) -> NoReturn:  # noqa: ARG002 - as above
        """A pool has no curves to draw, since nobody bids.

        Raises
        ------
        MechanismError
            Always.
        """
        self.curves(market)


def _exact_product(one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[Any]:
    """Products of int64 columns, as Python integers where one of them leaves 64 bits."""
    if not len(one) or int(np.abs(one).max()) * int(np.abs(other).max()) < 2**63:
        return one * other
    return _narrow(one.astype(object) * other.astype(object))


def _narrow(values: NDArray[Any]) -> NDArray[Any]:
    """Python integers as int64 where all of them fit."""
    if not len(values) or (int(values.max()) < 2**63 and int(values.min()) >= -(2**63)):
        return values.astype(np.int64)
    return values
