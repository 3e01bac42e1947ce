"""What a run writes down while it goes, as columns, and the frames that come of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear import metrics
from fastclear.community import Community
from fastclear.platforms.gate import AUCTION, ESSENTIAL, POOL, TRANCHES, Gate, Outcome
from fastclear.platforms.pieces import Pieces
from fastclear.platforms.rules.pool import local_price
from fastclear.reject import RejectReason
from fastclear.sharing import SharingClearing

Int64 = NDArray[np.int64]
_VETO = int(RejectReason.NETWORK_VETO)
_THE_POOL = -1
"""Instead of a member: a pool, on the other side of each of its trades."""

_ORDER_COLUMNS = ("order", "member", "buy", "essential", "price", "quantity", "served", "filled", "reject")
_TRADE_COLUMNS = ("market", "trade", "tranche", "buyer", "seller", "quantity", "buy_price", "sell_price")


@dataclass
class Recording:
    """Columns of a run. Arrays have one row a slot and one column a member, or one number a slot."""

    slots: int
    members: int
    battery_wh: Int64 = field(init=False)
    contract_wh: Int64 = field(init=False)
    metered_wh: Int64 = field(init=False)
    cash_nano: Int64 = field(init=False)
    price_low: Int64 = field(init=False)
    price_high: Int64 = field(init=False)
    records: Int64 = field(init=False)
    height: Int64 = field(init=False)
    account: Int64 = field(init=False)
    other_records: int = 0  # in blocks that are no slot's
    orders: Pieces = field(init=False)
    trades: Pieces = field(init=False)

    def __post_init__(self) -> None:
        shape = (self.slots, self.members)
        for name in ("contract_wh", "metered_wh", "cash_nano"):
            setattr(self, name, np.zeros(shape, dtype=np.int64))
        for name in ("battery_wh", "price_low", "price_high", "records", "height"):
            setattr(self, name, np.zeros(self.slots, dtype=np.int64))
        self.account = np.zeros(self.members, dtype=np.int64)
        self.orders, self.trades = Pieces(_ORDER_COLUMNS), Pieces(_TRADE_COLUMNS)

    def note_meters(self, slot: int, battery_wh: Int64, metered_wh: Int64) -> None:
        """Write down what batteries took and meters read."""
        self.battery_wh[slot] = battery_wh.sum()
        self.metered_wh[slot] = metered_wh

    def note_orders(self, gate: Gate, outcome: Outcome, refused: NDArray[np.uint16]) -> None:
        """Write down the orders of a gate, refused ones too."""
        self.orders.add(
            gate.slot,
            {
                "order": gate.order,
                "member": gate.member,
                "buy": gate.buy,
                "essential": gate.essential,
                "price": gate.limit,
                "quantity": gate.quantity,
                "served": outcome.served,
                "filled": outcome.filled,
                "reject": refused,
            },
        )
        signed = np.where(gate.buy, outcome.filled, -outcome.filled)
        np.add.at(self.contract_wh[gate.slot], gate.member, signed)

    def note_trades(self, gate: Gate, outcome: Outcome) -> None:
        """Write down the trades of a gate, and the price interval of its auction."""
        for clearing, tranche, rows in zip(outcome.clearings, outcome.tranches, outcome.rows, strict=True):
            if isinstance(clearing, SharingClearing):
                self._note_pool(gate, clearing)
                continue
            trades = clearing.trade_columns
            n = len(trades["quantity"])
            if not n:
                continue
            member = gate.member[rows]
            unit = trades["quantity"] * clearing.den  # a rule that asks for sums has a price a unit too: rounded down
            prices = trades["sell_amount"] // unit
            self.trades.add(
                gate.slot,
                {
                    "market": trades["market"],
                    "trade": trades["trade"],
                    "tranche": np.full(n, tranche, dtype=np.int64),
                    "buyer": member[trades["buy_row"]],
                    "seller": member[trades["sell_row"]],
                    "quantity": trades["quantity"],
                    "buy_price": trades["buy_amount"] // unit,
                    "sell_price": prices,
                },
            )
            if tranche == AUCTION:
                market = clearing.market_columns
                one_price = bool(market["has_price"][0])
                self.price_low[gate.slot] = market["price_low"][0] if one_price else prices.min()
                self.price_high[gate.slot] = market["price_high"][0] if one_price else prices.max()

    def _note_pool(self, gate: Gate, clearing: SharingClearing) -> None:
        """Write down what each member takes from a pool or gives it, at the price that this comes to."""
        rows = np.flatnonzero(clearing.filled)
        n = len(rows)
        if not n:
            return
        price = local_price(clearing)
        member, buys = gate.member[rows], gate.buy[rows]
        columns = {
            "market": np.full(n, 2 * gate.slot + AUCTION, dtype=np.int64),
            "trade": np.arange(n),
            "tranche": np.full(n, POOL, dtype=np.int64),
            "buyer": np.where(buys, member, _THE_POOL),
            "seller": np.where(buys, _THE_POOL, member),
            "quantity": clearing.filled[rows],
            "buy_price": np.full(n, price, dtype=np.int64),
            "sell_price": np.full(n, price, dtype=np.int64),
        }
        self.trades.add(gate.slot, columns)
        self.price_low[gate.slot] = self.price_high[gate.slot] = price

    def note_money(self, slot: int, bills: dict[str, NDArray[np.generic]]) -> None:
        """Write down what a slot cost each member, from the bills of its receipts (+ pays)."""
        # accounts were opened in the order of the members, so that both ascend
        rows = np.searchsorted(self.account, bills["account"].astype(np.int64))
        np.add.at(self.cash_nano[slot], rows, -bills["net"].astype(np.int64))

    def note_block(self, slot: int, records: int, height: int) -> None:
        """Write down how many records a slot has, and in which block they are."""
        self.records[slot], self.height[slot] = records, height


def _when(slots: Int64, index: NDArray[np.generic]) -> pl.Series:
    return pl.Series("slot", slots[index]).cast(pl.Datetime("ns", "UTC"))


def _named(community: Community, member: NDArray[np.generic]) -> pl.Series:
    names = pl.Series([*community.participants, None], dtype=pl.String)  # the last one is the pool
    return names.gather(np.minimum(member, len(names) - 1))


def order_frame(recording: Recording, community: Community, *, pooled: bool) -> pl.DataFrame:
    """One row an order.

    ``slot``, ``order``, ``participant``, ``tranche`` ("essential", "auction" or "pool"), ``buy``, ``price_ticks``,
    ``quantity_wh``, ``essential_wh`` (of it, served to or by essential loads), ``filled_wh`` (in all), ``reject``
    (0, or a :class:`~fastclear.RejectReason`). In a pool, where nobody bids, an order is what was metered, and
    its price what the grid would charge (less fees) or pay. The recording forgets its orders here, column by column,
    so that the two do not need memory at once.
    """
    orders = recording.orders
    stated = np.array([POOL if pooled else AUCTION, ESSENTIAL], dtype=np.uint32)
    return pl.DataFrame(
        [
            _when(community.slots, orders.slots()),
            pl.Series("order", orders.take("order")),
            _named(community, orders.take("member", np.uint32)).alias("participant"),
            pl.Series(TRANCHES).gather(stated[orders.take("essential", np.intp)]).alias("tranche"),
            pl.Series("buy", orders.take("buy", np.bool_)),
            pl.Series("price_ticks", orders.take("price")),
            pl.Series("quantity_wh", orders.take("quantity")),
            pl.Series("essential_wh", orders.take("served")),
            pl.Series("filled_wh", orders.take("filled")),
            pl.Series("reject", orders.take("reject", np.uint16)),
        ]
    )


def trade_frame(recording: Recording, community: Community) -> pl.DataFrame:
    """One row a trade.

    ``slot``, ``tranche``, ``market``, ``trade``, ``buyer``, ``seller``, ``quantity_wh``, ``buy_price_ticks``,
    ``sell_price_ticks``. A pool pairs nobody: there each member that shares has a row with the pool, which stands as
    null, at the price that sharing comes to, so that volume is the sum over rows with a buyer. The recording forgets
    its trades here.
    """
    trades = recording.trades
    return pl.DataFrame(
        [
            _when(community.slots, trades.slots()),
            pl.Series(TRANCHES).gather(trades.take("tranche", np.uint32)).alias("tranche"),
            pl.Series("market", trades.take("market")),
            pl.Series("trade", trades.take("trade")),
            _named(community, trades.take("buyer", np.uint32)).alias("buyer"),
            _named(community, trades.take("seller", np.uint32)).alias("seller"),
            pl.Series("quantity_wh", trades.take("quantity")),
            pl.Series("buy_price_ticks", trades.take("buy_price")),
            pl.Series("sell_price_ticks", trades.take("sell_price")),
        ]
    )


def _traded(recording: Recording) -> dict[str, Int64]:
    """What was traded in each slot; ``money`` is that of the auction at its sellers' prices."""
    sums = {name: np.zeros(recording.slots, dtype=np.int64) for name in ("auction_wh", "essential_wh", "money")}
    for slot, trades in recording.trades:
        quantity, essential = trades["quantity"], trades["tranche"] == ESSENTIAL
        auction = ~essential & (trades["buyer"] != _THE_POOL)
        sums["auction_wh"][slot] += quantity[auction].sum()
        sums["essential_wh"][slot] += quantity[essential].sum()
        sums["money"][slot] += (quantity[auction] * trades["sell_price"][auction]).sum()
    return sums


def _stated(recording: Recording) -> dict[str, Int64]:
    """What the orders of each slot come to."""
    names = ("bid_wh", "ask_wh", "refused", "vetoed", "welfare_nano")
    sums = {name: np.zeros(recording.slots, dtype=np.int64) for name in names}
    for slot, orders in recording.orders:
        buy, quantity, reject = orders["buy"].astype(np.bool_), orders["quantity"], orders["reject"]
        value = orders["price"] * orders["filled"]
        sums["bid_wh"][slot] += quantity[buy].sum()
        sums["ask_wh"][slot] += quantity[~buy].sum()
        sums["refused"][slot] += ((reject > 0) & (reject != _VETO)).sum()
        sums["vetoed"][slot] += (reject == _VETO).sum()
        sums["welfare_nano"][slot] += value[buy].sum() - value[~buy].sum()
    return sums


def slot_frame(recording: Recording, community: Community, flows: metrics.EnergyFlows) -> pl.DataFrame:
    """One row a slot; energy in Wh, prices in ticks, money in nano-currency.

    ``slot``; ``price_ticks`` (of auction or pool: volume-weighted mean of its trades, rounded down, which is the
    clearing price where there is one; null without trades), ``price_low_ticks``, ``price_high_ticks`` (the clearing
    interval; lowest and highest trade where each pair has its own price); ``auction_wh``, ``essential_wh`` (traded);
    ``bid_wh``, ``ask_wh``, ``refused`` (orders for want of cover), ``vetoed`` (by the network operator); ``load_wh``,
    ``pv_wh``, ``battery_wh`` (+ charges), ``import_wh``, ``export_wh`` (over all meters), ``local_wh``,
    ``from_grid_wh``, ``to_grid_wh`` (see :class:`~fastclear.metrics.EnergyFlows`); ``welfare_nano``; ``records`` and
    ``block`` (height) in the ledger.
    """
    sums = {**_traded(recording), **_stated(recording)}
    slots = pl.DataFrame(
        [
            pl.Series("slot", community.slots).cast(pl.Datetime("ns", "UTC")),
            pl.Series("price_low_ticks", recording.price_low),
            pl.Series("price_high_ticks", recording.price_high),
            pl.Series("load_wh", flows.load),
            pl.Series("pv_wh", flows.pv),
            pl.Series("battery_wh", recording.battery_wh),
            pl.Series("import_wh", flows.imports),
            pl.Series("export_wh", flows.exports),
            pl.Series("local_wh", flows.local),
            pl.Series("from_grid_wh", flows.from_grid),
            pl.Series("to_grid_wh", flows.to_grid),
            pl.Series("records", recording.records),
            pl.Series("block", recording.height),
        ]
    )
    priced = pl.col("auction_wh") > 0
    return slots.with_columns(pl.Series(name, values) for name, values in sums.items()).select(
        "slot",
        price_ticks=pl.when(priced).then(pl.col("money") // pl.col("auction_wh")),
        price_low_ticks=pl.when(priced).then("price_low_ticks"),
        price_high_ticks=pl.when(priced).then("price_high_ticks"),
        auction_wh="auction_wh",
        essential_wh="essential_wh",
        bid_wh="bid_wh",
        ask_wh="ask_wh",
        refused="refused",
        vetoed="vetoed",
        load_wh="load_wh",
        pv_wh="pv_wh",
        battery_wh="battery_wh",
        import_wh="import_wh",
        export_wh="export_wh",
        local_wh="local_wh",
        from_grid_wh="from_grid_wh",
        to_grid_wh="to_grid_wh",
        welfare_nano="welfare_nano",
        records="records",
        block="block",
    )
