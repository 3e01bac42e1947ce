"""What a book traded in some calls, as settlement and ledger read a clearing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear.book.events import BookEvents
from fastclear.book.names import NULL, Names
from fastclear.errors import SchemaError
from fastclear.market_view import shown
from fastclear.orders import Orders

Clearing = TypeVar("Clearing")
_Columns = Mapping[str, NDArray[np.int64]]


class BookClearing:
    """The orders and trades of some calls of one book, joined.

    Orders are all that came in, traded or were replaced in those calls, one row each however many calls it took: with
    the keenest price that they ever named and the most lots that they stood for. Trades are in the order in which they
    happened.

    Parameters
    ----------
    events : sequence of BookEvents
        Of one book that settles, in any order.

    Raises
    ------
    SchemaError
        Events of a book that does not know whose its orders are, or the same ones twice.
    """

    den = 1
    pays_sums = False

    def __init__(self, events: Sequence[BookEvents]) -> None:
        self._names: Mapping[str, Names] = events[0]._names
        seen: dict[int, int] = {}
        cards, deals = [], []
        for call in sorted(events, key=lambda call: call.first_seq):
            if id(call) in seen:
                raise SchemaError("the same events are given twice; give those of each call once")
            seen[id(call)] = 1
            record = call._core.record()
            if record is None:
                raise SchemaError(
                    "this book does not know whose its orders are; make it with fc.OrderBook(settles=True)"
                )
            cards.append(record[0])
            deals.append(record[1])
        self._deals = _joined(deals)
        every = _joined(cards)
        # of an order that several calls were about, the last of them knows best
        number, last = np.unique(every["number"][::-1], return_index=True)
        self._number = number
        self._cards = {name: np.ascontiguousarray(column[::-1][last]) for name, column in every.items()}

    def __len__(self) -> int:
        """Return the number of orders."""
        return len(self._number)

    @cached_property
    def orders(self) -> Orders:
        """The orders, in the order in which they came in."""
        cards = self._cards
        price = cards["price"]
        takes_any = price == NULL
        orders = Orders(
            cards["side"].astype(np.uint8),
            np.where(takes_any, 0, price),
            cards["quantity"],
            cards["market"],
            cards["order"],
            cards["participant"],
            cards["time"],
            is_market_order=takes_any.astype(np.uint8) if takes_any.any() else None,
        )
        nobodys = cards["participant"] == NULL
        if nobodys.all():
            orders.participant = None
        elif nobodys.any():
            orders.missing["participant"] = nobodys
        for name, names in self._names.items():
            if names.is_text and (name != "participant" or orders.participant is not None):
                orders.texts[name] = pl.Series(name, names.texts, dtype=pl.String)
        return orders

    @cached_property
    def reject(self) -> NDArray[np.uint16]:
        """Reject code of each order: 0, because what was refused is not among them."""
        return np.zeros(len(self), np.uint16)

    @cached_property
    def trade_columns(self) -> dict[str, NDArray[Any]]:
        """Columns of the trades as an auction has them, encoded ids."""
        deals = self._deals
        rows = {side: np.searchsorted(self._number, deals[side]) for side in ("buy", "sell")}
        amount = deals["price"] * deals["quantity"]
        columns = {
            "market": deals["market"],
            "trade": np.arange(len(amount), dtype=np.uint64),
            "buy_row": rows["buy"],
            "sell_row": rows["sell"],
            "buy_order": self._cards["order"][rows["buy"]],
            "sell_order": self._cards["order"][rows["sell"]],
            "quantity": deals["quantity"],
            "buy_price": deals["price"],
            "sell_price": deals["price"],
            "buy_amount": amount,
            "sell_amount": amount,
        }
        for column in columns.values():
            column.flags.writeable = False
        return columns

    def told(self, row: int, words: Any) -> str:
        """Say what became of an order, with a :class:`fastclear.market_view.Wording` for its numbers."""
        orders, trades = self.orders, self.trade_columns
        is_buy = bool(orders.side[row])
        own, other = ("buy", "sell") if is_buy else ("sell", "buy")
        name = shown(self._names["order"].series("order", self._cards["order"][row : row + 1])[0])
        kind, verb = ("Bid", "bought") if is_buy else ("Ask", "sold")
        price = self._cards["price"][row]
        bound = "no more than" if is_buy else "no less than"
        limit = "any price" if price == NULL else f"{bound} {words.price(int(price))}"
        told = f"{kind} {name} ({words.quantity(int(orders.quantity[row]))} at {limit})"
        mine = np.flatnonzero(trades[f"{own}_row"] == row)
        if not len(mine):
            return f"{told} did not trade."
        others = self._names["order"].series("order", trades[f"{other}_order"][mine]).to_list()
        lots, prices = trades["quantity"][mine].tolist(), trades["buy_price"][mine].tolist()
        parts = [
            f"{words.quantity(lot)} at {words.price(tick)} with order {shown(with_)}"
            for lot, tick, with_ in zip(lots, prices, others, strict=True)
        ]
        return f"{told} {verb} {', '.join(parts)}."


def joined(clearing: Clearing | Sequence[Clearing]) -> list[Any]:
    """What was cleared, as a list, with all events of one book as one :class:`BookClearing`.

    Parameters
    ----------
    clearing : Clearing, BookEvents, or a sequence of them
        Anything else is passed on as it is.

    Raises
    ------
    SchemaError
        As :class:`BookClearing`.
    """
    given: list[Any] = list(clearing) if isinstance(clearing, Sequence) else [clearing]
    if not any(isinstance(item, BookEvents) for item in given):
        return given
    books: dict[int, list[BookEvents]] = {}
    out: list[Any] = []
    for item in given:
        if isinstance(item, BookEvents):
            calls = books.setdefault(id(item._names), [])
            if not calls:
                out.append(calls)
            calls.append(item)
        else:
            out.append(item)
    return [BookClearing(item) if isinstance(item, list) else item for item in out]


def _joined(parts: Sequence[_Columns]) -> dict[str, NDArray[np.int64]]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
