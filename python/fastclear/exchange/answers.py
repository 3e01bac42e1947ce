"""What an exchange answers, as arrays and frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear import _core
from fastclear.members import participant_series
from fastclear.receipts import Receipts, read_only
from fastclear.reject import RejectReason

if TYPE_CHECKING:
    from fastclear.exchange.house import Exchange

_KINDS: Final = dict(_core.EXCHANGE_EVENTS)
_REASONS: Final = {int(reason): reason.name.lower() for reason in RejectReason}


class Answer:
    """What came of one command.

    Attributes
    ----------
    repeated : bool
        Whether the same command was done before under the same key: then this is the answer that it got, and nothing
        has happened again.
    """

    def __init__(self, reply: _core.ExchangeReply, exchange: Exchange) -> None:
        self._reply = reply
        self._exchange = exchange
        self.repeated: bool = reply.repeated

    @property
    def raw(self) -> bytes:
        """The canonical bytes of the answer; see ``docs/4c_exchange.md``."""
        return self._reply.raw

    def event_columns(self, kind: str | None = None) -> dict[str, NDArray[Any]]:
        """Events, or those of one kind: one read-only array a field, shape (events,); ids as they enter the ledger."""
        return {name: read_only(column) for name, column in self._reply.events(kind).items()}

    @cached_property
    def events(self) -> pl.DataFrame:
        """One row an event: ``kind`` by name, ``reject`` by name (null: none), then every field of the format."""
        columns = self.event_columns()
        # of markets and trades the code says what their prices are
        rejects = np.where(np.isin(columns["kind"], _PRICED), 0, columns["code"])
        return pl.DataFrame(
            [
                pl.Series("kind", [_KINDS[kind] for kind in columns["kind"].tolist()], dtype=pl.String),
                _reasons(rejects),
                self._exchange._participants("participant", columns["account"]),
                *(pl.Series(name, column) for name, column in columns.items() if name != "kind"),
            ]
        )

    @cached_property
    def receipts(self) -> Receipts:
        """The postings that the command made; see :class:`fastclear.receipts.Receipts`."""
        return Receipts(self._reply.postings(), cast("Any", self._exchange))

    def __repr__(self) -> str:
        """Show how many events of which kind there were."""
        counts = self.events["kind"].value_counts(sort=True).rows()
        told = ", ".join(f"{count} {kind}" for kind, count in counts) or "done"
        return f"{type(self).__name__}({told}{', repeated' if self.repeated else ''})"


class Submitted(Answer):
    """What came of orders: one code a row."""

    @cached_property
    def _rows(self) -> Mapping[str, NDArray[Any]]:
        return self.event_columns()

    @property
    def reject(self) -> NDArray[np.uint16]:
        """0 where the order stands in the book, else a :class:`fastclear.RejectReason`; shape (n,)."""
        return self._rows["code"]

    @property
    def order(self) -> NDArray[np.uint64]:
        """Id of each order as it enters the ledger, shape (n,): given by the exchange where the orders had none."""
        return self._rows["order"]

    @property
    def accepted(self) -> int:
        """How many orders stand in the book."""
        return int((self.reject == 0).sum())

    @cached_property
    def frame(self) -> pl.DataFrame:
        """One row an order: ``market``, ``order``, ``participant``, ``side``, ``price``, ``quantity``, ``reject``."""
        rows, shown = self._rows, self._exchange._shown
        return pl.DataFrame(
            [
                shown("market", rows["market"]),
                shown("order", rows["order"]),
                self._exchange._participants("participant", rows["account"]),
                _sides(rows["detail"]),
                pl.Series("price", rows["price"]),
                pl.Series("quantity", rows["quantity"]),
                _reasons(rows["code"]),
            ]
        )


class GateResult(Answer):
    """What a gate came to: markets, fills and trades."""

    @property
    def digest(self) -> str:
        """Merkle root over every order of the book, hexadecimal: fixed when the gate was closed."""
        return cast("bytes", self._reply.digest).hex()

    @cached_property
    def markets(self) -> pl.DataFrame:
        """One row a market.

        ``market``, ``price`` (null where buyers and sellers have different ones, or none), ``price_buy``,
        ``price_sell``, ``volume``; prices in ticks over ``den``.
        """
        rows = self.event_columns("cleared")
        priced = rows["code"] == 1
        frame = pl.DataFrame(
            [
                self._exchange._shown("market", rows["market"]),
                pl.Series("price_buy", rows["counter_price"]).set(pl.Series(~priced), None),
                pl.Series("price_sell", rows["price"]).set(pl.Series(~priced), None),
                pl.Series("volume", rows["quantity"]),
                pl.Series("den", rows["detail"]),
            ]
        )
        same = pl.when(pl.col("price_buy") == pl.col("price_sell")).then("price_buy")
        return frame.select("market", same.alias("price"), "price_buy", "price_sell", "volume", "den")

    @cached_property
    def fills(self) -> pl.DataFrame:
        """One row an order that stood in the book, in the order of coming.

        ``market``, ``order``, ``participant``, ``side``, ``price``, ``filled``, ``payment`` (+ pays, - receives, over
        ``den`` of the markets), ``reject``.
        """
        rows, shown = self.event_columns("filled"), self._exchange._shown
        return pl.DataFrame(
            [
                shown("market", rows["market"]),
                shown("order", rows["order"]),
                self._exchange._participants("participant", rows["account"]),
                _sides(rows["detail"]),
                pl.Series("price", rows["price"]),
                pl.Series("filled", rows["quantity"]),
                pl.Series("payment", rows["amount"]),
                _reasons(rows["code"]),
            ]
        )

    @cached_property
    def trades(self) -> pl.DataFrame:
        """One row a trade.

        ``market``, ``trade``, ``buy_order``, ``sell_order``, ``buyer``, ``seller``, ``quantity``, ``buy_price``,
        ``sell_price`` (ticks; null where a mechanism pays sums), ``buy_amount``, ``sell_amount`` (what the buyer pays
        and the seller receives, nano-currency); prices and amounts over ``den`` of the markets.
        """
        rows, orders = self.event_columns("trade"), self.event_columns("filled")
        keys = zip(orders["market"].tolist(), orders["order"].tolist(), strict=True)
        whose = dict(zip(keys, orders["account"].tolist(), strict=True))
        pairs = zip(rows["market"].tolist(), rows["counter_order"].tolist(), strict=True)
        sellers = np.array([whose[pair] for pair in pairs], np.uint64)
        shown, sums = self._exchange._shown, pl.Series(rows["code"] == 1)
        lots = np.where(rows["code"] == 1, 1, rows["quantity"])
        return pl.DataFrame(
            [
                shown("market", rows["market"]),
                pl.Series("trade", rows["row"]),
                shown("order", rows["order"]).alias("buy_order"),
                shown("order", rows["counter_order"]).alias("sell_order"),
                self._exchange._participants("buyer", rows["account"]),
                self._exchange._participants("seller", sellers),
                pl.Series("quantity", rows["quantity"]),
                pl.Series("buy_price", rows["price"]).set(sums, None),
                pl.Series("sell_price", rows["counter_price"]).set(sums, None),
                pl.Series("buy_amount", rows["price"] * lots),
                pl.Series("sell_amount", rows["counter_price"] * lots),
            ]
        )

    def __repr__(self) -> str:
        """Show what traded."""
        volume = self.markets["volume"].sum()
        return (
            f"GateResult({len(self.fills)} orders, {len(self.trades)} trades, {volume} Wh in "
            f"{len(self.markets)} markets{', repeated' if self.repeated else ''})"
        )


_PRICED: Final = [number for number, name in _core.EXCHANGE_EVENTS if name in ("cleared", "trade")]


def shown_ids(name: str, ids: NDArray[np.uint64], texts: Mapping[int, str]) -> pl.Series:
    """Ids as the caller wrote them, as far as this process has seen: text where one of them was, else integers."""
    numbers = ids.view(np.int64)
    if not texts or not any(number in texts for number in ids.tolist()):
        return pl.Series(name, numbers)
    return pl.Series(
        name,
        [texts.get(key, str(number)) for key, number in zip(ids.tolist(), numbers.tolist(), strict=True)],
        dtype=pl.String,
    )


def participants(
    name: str, accounts: NDArray[np.uint64], names: Callable[[list[int]], list[str | int | None]]
) -> pl.Series:
    """Names of accounts; null where an account is nobody's."""
    return participant_series(names(accounts.tolist())).alias(name)


def _reasons(codes: NDArray[Any]) -> pl.Series:
    return pl.Series("reject", [_REASONS.get(code) for code in codes.tolist()], dtype=pl.String)


def _sides(sides: NDArray[np.uint8]) -> pl.Series:
    return pl.Series("side", [("sell", "buy")[side] if side < 2 else None for side in sides.tolist()], dtype=pl.String)
