"""Markets for bidders to learn in: the same call auction round after round, and continuous books, many at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from fastclear.auction import Uniform, clear
from fastclear.book import OrderBook
from fastclear.community.bidders.bidder import CALL, Bidder, Int64, Seen, generator, whole_column
from fastclear.errors import MechanismError

Shown = Literal["price", "orders"]
_PURPOSE = 13


def best_gain(buys: NDArray[np.bool_], limit: Int64, quantity: Int64) -> int:
    """The largest gain from trade that limits and lots allow, ticks times lots.

    Highest values meet lowest costs until they no longer agree: ``sum of value x lots - sum of cost x lots``.

    Examples
    --------
    >>> best_gain(np.array([True, True, False]), np.array([30, 20, 10]), np.array([2, 2, 3]))
    50
    """

    def stack(side: NDArray[np.bool_], order: int) -> tuple[Int64, Int64]:
        rank = np.argsort(order * limit[side], kind="stable")
        return limit[side][rank], quantity[side][rank].cumsum()

    (value, bought), (cost, sold) = stack(buys, -1), stack(~buys, 1)
    if not len(value) or not len(cost):
        return 0
    ends = np.unique(np.concatenate([bought, sold]))
    ends = ends[(ends > 0) & (ends <= min(bought[-1], sold[-1]))]
    margin = value[np.searchsorted(bought, ends)] - cost[np.searchsorted(sold, ends)]
    lots = np.diff(ends, prepend=0)
    return sum(int(m) * int(n) for m, n in zip(margin.tolist(), lots.tolist(), strict=True) if m > 0)


def call_rounds(
    bidders: Bidder | Sequence[Bidder],
    quantity: ArrayLike,
    rounds: int,
    *,
    mechanism: Any = None,
    show: Shown = "price",
) -> pl.DataFrame:
    """Clear the same traders again and again; between rounds they learn.

    Parameters
    ----------
    bidders : Bidder or sequence of Bidder
        Who trades; several kinds meet in one market, in the order given.
    quantity : array_like of int, shape (traders,)
        Lots of each trader in every round, above 0.
    rounds : int
        How many.
    mechanism : mechanism, optional
        What :func:`fastclear.clear` takes, with one price a market; by default ``Uniform()``.
    show : {"price", "orders"}
        What everybody sees: the clearing price (where nothing traded: the best bid and the best ask), or every order
        and whether it traded.

    Returns
    -------
    polars.DataFrame
        One row a round: round, price (null without trade), volume, gain (true gain from trade, by limits, not by
        quotes), best_gain (the largest possible), efficiency (their ratio, null where nothing can be gained).

    Raises
    ------
    MechanismError
        If there is no trader, no round, or a quantity out of range.

    Examples
    --------
    >>> from fastclear.community.bidders import Truthful
    >>> call_rounds(Truthful([1, 1, 0], [30, 20, 10]), [2, 2, 3], rounds=1).row(0)
    (0, 20, 3, 50, 50, 1.0)
    """
    groups = [bidders] if isinstance(bidders, Bidder) else list(bidders)
    traders = sum(len(group) for group in groups)
    if not traders or rounds < 1:
        raise MechanismError(f"there must be a trader and a round, got {traders} and {rounds}")
    lots = whole_column("quantity", quantity, traders)
    if (lots <= 0).any():
        raise MechanismError(f"quantity of trader {int(np.argmax(lots <= 0))} must be above 0")
    if show not in ("price", "orders"):
        raise MechanismError(f"show is 'price' or 'orders', not {show!r}")
    rule = Uniform() if mechanism is None else mechanism
    buys = np.concatenate([group.buys for group in groups])
    ends = np.cumsum([len(group) for group in groups])
    rows: list[tuple[int, int | None, int, int, int, float | None]] = []
    for turn in range(rounds):
        limit = np.concatenate([group.limit for group in groups])
        price = np.concatenate([group.quote() for group in groups])
        clearing = clear({"side": buys.view(np.uint8), "price": price, "quantity": lots}, rule)
        filled = np.asarray(clearing.filled, np.int64)
        sign = np.where(buys, 1, -1)
        profit = sign * limit * filled - _whole_payment(clearing)
        shown = clearing.markets.row(0, named=True)
        at = shown.get("price")
        at = None if at is None else int(at) // clearing.den
        if at is None and shown["volume"] and show == "price":
            raise MechanismError(f"{rule!r} has no single price to show; give show='orders'")
        gain = int((sign * limit * filled).sum())
        most = best_gain(buys, limit, lots)
        rows.append((turn, at, int(shown["volume"]), gain, most, gain / most if most else None))
        side, level, traded = _shown(show, at, buys, price, filled)
        for group, end in zip(groups, ends.tolist(), strict=True):
            own = slice(end - len(group), end)
            group.observe(Seen(side, level, traded, filled[own], profit[own], filled[own] < lots[own]))
    return pl.DataFrame(
        rows,
        schema={
            "round": pl.Int64,
            "price": pl.Int64,
            "volume": pl.Int64,
            "gain": pl.Int64,
            "best_gain": pl.Int64,
            "efficiency": pl.Float64,
        },
        orient="row",
    )


def _whole_payment(clearing: Any) -> Int64:
    """What each order pays, ticks times lots; a half goes to the market."""
    payment = clearing.fills["payment"].to_numpy()
    whole: Int64 = -(-payment // clearing.den)
    return whole


def _shown(
    show: Shown, at: int | None, buys: NDArray[np.bool_], price: Int64, filled: Int64
) -> tuple[NDArray[np.int8], Int64, NDArray[np.bool_]]:
    """Side, price and fate of what everybody sees of a round."""
    if show == "orders":
        return buys.astype(np.int8), price, filled > 0
    if at is not None:
        return np.array([CALL], np.int8), np.array([at]), np.array([True])
    best = [(1, int(price[buys].max()))] if buys.any() else []
    best += [(0, int(price[~buys].min()))] if not buys.all() else []
    side, level = zip(*best, strict=True)
    return np.array(side, np.int8), np.array(level, np.int64), np.zeros(len(best), np.bool_)


@dataclass(frozen=True, eq=False)
class BookSession:
    """What came of continuous trading.

    Attributes
    ----------
    trades : polars.DataFrame
        One row a trade: market, step, buyer, seller (positions among the traders of the market), price, gain (of both).
    gain, best_gain : ndarray of int64, shape (markets,)
        True gain from trade, and the largest possible.
    shouts : int
        How many orders were shouted.
    """

    trades: pl.DataFrame
    gain: Int64
    best_gain: Int64
    shouts: int

    @property
    def efficiency(self) -> NDArray[np.float64]:
        """``gain / best_gain`` of each market (Smith 1962); nan where nothing can be gained."""
        share: NDArray[np.float64] = np.divide(
            self.gain, self.best_gain, out=np.full(len(self.gain), np.nan), where=self.best_gain > 0
        )
        return share


def book_rounds(
    bidder: Bidder, side: ArrayLike, limits: ArrayLike, steps: int, *, markets: int = 1, seed: int
) -> BookSession:
    """Continuous trading in :class:`fastclear.OrderBook`: at each step one trader of each market shouts, for one lot.

    Traders have several lots of different worth and trade them in their order; the book is erased after every trade; a
    trader that shouts again takes its earlier order back. These are the rules of Gode & Sunder 1993.

    Parameters
    ----------
    bidder : Bidder
        ``markets * traders`` traders, market by market; its limits are set by this function.
    side : array_like of int, shape (traders,)
        Of one market; all markets are alike.
    limits : array_like of int, shape (traders, lots)
        What each further lot is worth (falling for buyers) or costs (rising for sellers), ticks.
    steps : int
        Shouts a market.
    markets : int, default 1
        Markets at a time. Bidders that learn from shouts need one each: they see one market.
    seed : int
        Who shouts when.

    Returns
    -------
    BookSession

    Raises
    ------
    MechanismError
        If shapes do not agree, or a bidder that learns is given several markets.

    Examples
    --------
    >>> from fastclear.community.bidders import ZeroIntelligence
    >>> side, limits = [1, 1, 0, 0], [[30, 20], [28, 15], [10, 16], [12, 25]]
    >>> traders = ZeroIntelligence(side * 50, [row[0] for row in limits] * 50, price_max=40, seed=1)
    >>> session = book_rounds(traders, side, limits, steps=300, markets=50, seed=1)
    >>> bool(session.efficiency.mean() > 0.95)
    True
    """
    table = np.asarray(limits)
    if table.ndim != 2 or table.dtype.kind not in "iu" or 0 in table.shape:
        raise MechanismError(
            f"limits must be whole ticks of the shape (traders, lots), got {table.dtype} {table.shape}"
        )
    traders, lots = table.shape
    buys = np.asarray(side) == 1
    if len(bidder) != markets * traders or not np.array_equal(bidder.buys, np.tile(buys, markets)):
        raise MechanismError(
            f"the bidder must be {markets} x {traders} traders with the sides of `side`, market by market"
        )
    if markets > 1 and type(bidder).observe is not Bidder.observe:
        raise MechanismError("a bidder that learns sees one market; give markets=1 and one bidder a market")
    worth = np.tile(table.astype(np.int64), (markets, 1))
    used = np.zeros(markets * traders, np.int64)
    resting = np.full(markets * traders, -1, np.int64)
    random = generator(seed, _PURPOSE)
    book = OrderBook(erase_after_trade=True)
    rows: list[dict[str, Int64]] = []
    gain = np.zeros(markets, np.int64)
    shouts = 0
    for step in range(steps):
        active = used < lots
        bidder.limit = worth[np.arange(len(used)), np.minimum(used, lots - 1)]
        # a market where nobody is left has no shout; the draw is made all the same
        turn = np.where(active, random.random(len(used)), -1.0).reshape(markets, traders)
        who = turn.argmax(axis=1) + traders * np.arange(markets)
        who = who[active[who]]
        quote = bidder.quote()
        if not who.size:
            break
        again = resting[who]
        if (again >= 0).any():
            book.cancel(again[again >= 0])
        order = step * len(used) + who
        columns = {
            "market": who // traders,
            "order": order,
            "side": bidder.buys[who].view(np.uint8),
            "price": quote[who],
            "quantity": np.ones(len(who), np.int64),
        }
        events = book.submit(columns, keep="trades")
        resting[who] = order
        shouts += len(who)
        trades = events.trades
        if trades.height:
            buyer, seller = (trades[name].to_numpy() % len(used) for name in ("buy_order", "sell_order"))
            market, price = buyer // traders, trades["buy_price"].to_numpy()
            made = bidder.limit[buyer] - bidder.limit[seller]
            gain[market] += made  # one trade a market and step: one shout, one lot
            rows.append(
                {
                    "market": market,
                    "step": np.full(len(market), step),
                    "buyer": buyer % traders,
                    "seller": seller % traders,
                    "price": price,
                    "gain": made,
                }
            )
            used[buyer] += 1
            used[seller] += 1
            resting.reshape(markets, traders)[market] = -1
        if markets == 1:
            bidder.observe(_after(bidder, who, quote, trades, used < lots))
    frame = pl.DataFrame(
        {name: np.concatenate([r[name] for r in rows]) if rows else np.zeros(0, np.int64) for name in _TRADE_COLUMNS}
    )
    one = best_gain(np.repeat(buys, lots), table.astype(np.int64).ravel(), np.ones(table.size, np.int64))
    return BookSession(frame, gain, np.full(markets, one), shouts)


_TRADE_COLUMNS = ("market", "step", "buyer", "seller", "price", "gain")


def _after(bidder: Bidder, who: Int64, quote: Int64, trades: pl.DataFrame, active: NDArray[np.bool_]) -> Seen:
    """What the one market shows after one shout."""
    filled, profit = np.zeros(len(bidder), np.int64), np.zeros(len(bidder), np.int64)
    price = quote[who]
    if trades.height:
        at = int(trades["buy_price"][0])
        price = np.array([at])
        for name, sign in (("buy_order", 1), ("sell_order", -1)):
            trader = int(trades[name][0]) % len(bidder)
            filled[trader], profit[trader] = 1, sign * (int(bidder.limit[trader]) - at)
    return Seen(bidder.buys[who].astype(np.int8), price, np.array([bool(trades.height)]), filled, profit, active)
