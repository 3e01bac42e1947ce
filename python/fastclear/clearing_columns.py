"""Clearings and meter readings as the core of a bank takes them, and which clearings it has settled."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear import _core
from fastclear.amounts import trade_amounts
from fastclear.book.events import BookEvents
from fastclear.columns import int64
from fastclear.errors import SettlementError
from fastclear.imbalance import OWNERS
from fastclear.members import Members
from fastclear.orders import Orders
from fastclear.sharing import SharingClearing

ClearedColumns = tuple[
    NDArray[np.uint8],
    NDArray[np.uint64],
    NDArray[np.uint64],
    NDArray[np.uint64],
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.int64],
    tuple[NDArray[np.int64], NDArray[np.int64], int, bool, int, NDArray[np.int64] | None],
]


@runtime_checkable
class Cleared(Protocol):
    """What :meth:`Settlement.settle` reads of a clearing; :class:`fastclear.Clearing` is one."""

    @property
    def orders(self) -> Orders:
        """The orders that were cleared."""

    @property
    def trade_columns(self) -> Mapping[str, NDArray[Any]]:
        """``buy_row``, ``sell_row``, ``quantity``, ``buy_price``, ``sell_price``: one row a trade.

        ``buy_amount`` and ``sell_amount`` too where money is not price x quantity; it is over ``den`` where the
        clearing has one, and ``mechanism.deficit_to`` says who makes up for what buyers do not pay.
        """


class Settled:
    """The clearings that a bank has settled, for as long as they live."""

    def __init__(self) -> None:
        self._known: dict[int, weakref.ref[Cleared | BookEvents]] = {}
        self._of_slot: dict[int, list[int]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def copy(self) -> Settled:
        """The same clearings, watched once more."""
        twin = Settled()
        twin._of_slot = {slot: list(known) for slot, known in self._of_slot.items()}
        twin.remember([clearing for ref in list(self._known.values()) if (clearing := ref()) is not None])
        return twin

    def check_new(self, clearings: Sequence[Cleared | BookEvents]) -> None:
        """Refuse a clearing with trades that was settled before, in this call or an earlier one: the object itself."""
        seen: dict[int, int] = {}
        for index, clearing in enumerate(clearings):
            if not _trades(clearing):
                continue
            known = self._known.get(id(clearing))
            if id(clearing) in seen:
                raise SettlementError(
                    f"clearing {index} {_described(clearing)} is clearing {seen[id(clearing)]} once more; "
                    "settle each clearing once"
                )
            if known is not None and known() is clearing:
                raise SettlementError(
                    f"clearing {index} {_described(clearing)} has been settled already; settle each clearing once"
                )
            seen[id(clearing)] = index

    def forget(self, slot: int) -> None:
        """Let the clearings of a slot that was taken back be settled again."""
        for key in self._of_slot.pop(slot, []):
            self._known.pop(key, None)

    def remember(self, clearings: Iterable[Cleared | BookEvents], provisional_slot: int | None = None) -> None:
        """Keep in mind that these are settled, for as long as they live; and with which slot they may be taken back."""
        known = self._known
        for clearing in clearings:
            key = id(clearing)
            if provisional_slot is not None:
                self._of_slot.setdefault(provisional_slot, []).append(key)
            try:
                known[key] = weakref.ref(clearing, _forget(known, key))
            except TypeError:  # an object of another kind that cannot be watched
                known.pop(key, None)


def cleared_columns(
    clearing: Cleared,
    members: Members,
    fees: Callable[[NDArray[np.uint64], NDArray[np.int64], NDArray[np.int64]], NDArray[np.int64] | None],
) -> ClearedColumns:
    """Columns of a clearing; ``fees`` says the network fee of each trade from accounts of orders and rows of trades.

    A clearing that knows its own network fees has them charged instead.

    Raises
    ------
    SettlementError
        What is no clearing, a stranger, or a deficit of nobody's.
    """
    if not isinstance(clearing, Cleared):
        raise SettlementError(f"{type(clearing).__name__} is no clearing; give what fc.clear returned")
    orders, trades, money = clearing.orders, clearing.trade_columns, trade_amounts(clearing)
    deficit_to = getattr(getattr(clearing, "mechanism", None), "deficit_to", "platform")
    if deficit_to not in OWNERS:
        raise SettlementError(f"deficit_to={deficit_to!r} is no account; use 'platform', 'dso' or 'backstop'")

    def column(name: str) -> NDArray[np.int64]:
        return np.ascontiguousarray(trades[name], np.int64)

    accounts, buy_row, sell_row = members.of_orders(orders), column("buy_row"), column("sell_row")
    fee: NDArray[np.int64] | None = getattr(clearing, "network_fee", None)
    buy_price, buy_amount = money.buy_price, money.buy_amount
    if fee is not None and getattr(
        clearing, "fee_inside", False
    ):  # the network's part of the price is a line of its own
        buy_price, buy_amount = buy_price - fee * money.den, buy_amount - fee * money.den * column("quantity")
    return (
        np.ascontiguousarray(orders.side, np.uint8),
        accounts,
        ids(orders, "market"),
        ids(orders, "order"),
        buy_row,
        sell_row,
        column("quantity"),
        buy_price,
        money.sell_price,
        (
            buy_amount,
            money.sell_amount,
            money.den,
            money.per_unit,
            OWNERS[deficit_to],
            fees(accounts, buy_row, sell_row) if fee is None else fee,
        ),
    )


def meter_columns(meter: object, members: Members) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Account and net energy of each reading.

    Raises
    ------
    SettlementError
        What is no frame, a column that is missing or no integers, or a stranger.
    """
    if meter is None:
        return np.empty(0, np.uint64), np.empty(0, np.int64)
    columns = meter_frame(meter)
    for name in ("participant", "energy_wh"):
        if name not in columns:
            raise SettlementError(f"meter has no column '{name}'; give participant and energy_wh")
    names = columns["participant"]
    if isinstance(names, pl.Series):
        names = names.to_list()
    return members.of_names(names), int64("energy_wh", columns["energy_wh"])


def meter_frame(meter: object) -> Mapping[str, Any]:
    """Readings by column.

    Raises
    ------
    SettlementError
        What is no frame.
    """
    if not isinstance(meter, Mapping | pl.DataFrame) and not hasattr(meter, "iloc"):
        if not hasattr(meter, "__arrow_c_stream__"):
            raise SettlementError(f"meter is a {type(meter).__name__}; give a frame with participant and energy_wh")
        meter = pl.DataFrame(cast("Any", meter))
    return cast("Mapping[str, Any]", meter)


def ids(orders: Orders, column: str) -> NDArray[np.uint64]:
    """Ids that mean the same in every slot: integers in two's complement, text by its hash."""
    ids = getattr(orders, column)
    if ids is None:  # one market; the row is the order's id
        return np.zeros(orders.n, np.uint64) if column == "market" else np.arange(orders.n, dtype=np.uint64)
    texts = orders.texts.get(column)
    if texts is None:
        return cast("NDArray[np.uint64]", np.ascontiguousarray(ids, np.int64).view(np.uint64))
    table = np.array([_core.text_id(text) for text in texts.to_list()], np.uint64)
    return cast("NDArray[np.uint64]", table[ids])


def _forget(settled: dict[int, weakref.ref[Cleared | BookEvents]], key: int) -> Callable[[object], None]:
    """What to do when a clearing that was settled is gone: another object may get its number."""

    def forget(_: object) -> None:
        settled.pop(key, None)

    return forget


def _trades(clearing: Cleared | BookEvents) -> int:
    """How many trades it has; a pool pairs nobody, and every load is one."""
    if isinstance(clearing, BookEvents):
        record = clearing._core.record()
        return 0 if record is None else len(record[1]["quantity"])
    if isinstance(clearing, SharingClearing):
        return clearing.orders.n
    return len(clearing.trade_columns["quantity"])


def _described(clearing: Cleared | BookEvents) -> str:
    """Which clearing it is: its markets and its size."""
    if isinstance(clearing, BookEvents):
        return f"(events {clearing.first_seq} to {clearing.first_seq + clearing.count - 1} of a book)"
    markets = [0] if clearing.orders.market is None else np.unique(clearing.orders.market).tolist()
    named = clearing.orders.names("market", np.array(markets[:3], np.int64)).to_list()
    listed = ", ".join(str(name) for name in named) + (", …" if len(markets) > 3 else "")
    trades = _trades(clearing)
    return f"({clearing.orders.n} orders and {trades} trades in market {listed})"
