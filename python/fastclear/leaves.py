"""Columns on their way into the ledger: orders, trades and postings as the bytes of the format want them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from fastclear import _core
from fastclear.amounts import trade_amounts
from fastclear.errors import LedgerError

_RECORD_FIELDS: Final[list[tuple[str, str]]] = [
    ("tag", "u1"),
    ("version", "u1"),
    ("kind", "u1"),
    ("flags", "u1"),
    ("code", "<u2"),
    ("asset", "<u2"),
    ("seq", "<u8"),
    ("time_ns", "<u8"),
    ("market", "<u8"),
    ("buy_order", "<u8"),
    ("sell_order", "<u8"),
    ("debit", "<u8"),
    ("credit", "<u8"),
    ("quantity", "<i8"),
    ("price", "<i8"),
    ("amount", "<i8"),
    ("group", "<u8"),
    ("salt", "V16"),
]
RECORD_DTYPE: Final = np.dtype(_RECORD_FIELDS)
"""One record entry as a numpy structured type: the same bytes, no decoder."""
ORDER_DTYPE: Final = np.dtype(
    [
        ("tag", "u1"),
        ("version", "u1"),
        ("side", "u1"),
        ("type", "u1"),
        ("reject", "<u2"),
        ("zero", "<u2"),
        ("order", "<u8"),
        ("participant", "<u8"),
        ("market", "<u8"),
        ("price", "<i8"),
        ("quantity", "<i8"),
        ("time", "<i8"),
        ("zeros", "<u8"),
        ("salt", "V16"),
    ]
)
"""One order entry as a numpy structured type."""

POSTING_DTYPES: Final = {
    name: np.dtype(code.lstrip("<")) for name, code in _RECORD_FIELDS if name not in ("tag", "version", "salt")
}


class _Orders(Protocol):
    """What the ledger reads of encoded orders."""

    @property
    def n(self) -> int: ...
    @property
    def side(self) -> NDArray[np.uint8]: ...
    @property
    def price(self) -> NDArray[Any]: ...
    @property
    def quantity(self) -> NDArray[Any]: ...
    @property
    def market(self) -> NDArray[np.int64] | None: ...
    @property
    def order(self) -> NDArray[np.int64] | None: ...
    @property
    def participant(self) -> NDArray[np.int64] | None: ...
    @property
    def time(self) -> NDArray[np.int64] | None: ...
    @property
    def texts(self) -> Mapping[str, Any]: ...


class Cleared(Protocol):
    """What the ledger reads of a clearing; :func:`fastclear.clear` returns one."""

    @property
    def orders(self) -> Any:
        """The encoded orders."""

    @property
    def reject(self) -> NDArray[np.uint16]:
        """Reject code of each order, shape (n,)."""

    @property
    def trade_columns(self) -> Mapping[str, NDArray[Any]]:
        """Columns of the trades, encoded ids."""


def cast_column(column: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Bring a column to this dtype: 64-bit integers are reread as their two's complement, narrower ones widened."""
    array = np.ascontiguousarray(column)
    if array.dtype == dtype:
        return array
    if array.dtype.kind not in "iub":
        raise LedgerError(f"a column of {array.dtype} where integers are needed")
    return array.view(dtype) if array.dtype.itemsize == dtype.itemsize == 8 else array.astype(dtype)


_U8: Final = np.dtype(np.uint8)
_U16: Final = np.dtype(np.uint16)
_U64: Final = np.dtype(np.uint64)
_I64: Final = np.dtype(np.int64)


def _ids(texts: Mapping[str, Any], column: str, ids: NDArray[Any]) -> NDArray[np.uint64]:
    """Ids as they enter the ledger: integers as two's complement, texts by their pseudonym."""
    names = texts.get(column)
    if names is None:
        return cast_column(ids, _U64)
    table = _core.text_ids(list(names))
    known = (ids >= 0) & (ids < len(table))
    if known.all():
        whole: NDArray[np.uint64] = table[ids]
        return whole
    # A refused order may name nothing.
    found = np.zeros(len(ids), _U64)
    found[known] = table[ids[known]]
    return found


def pseudonyms(receipts: Any | None, clearing: Cleared) -> NDArray[np.uint64] | None:
    """Account ids of a clearing's orders, where a bank knows them."""
    known = getattr(receipts, "pseudonyms", None)
    if known is None:
        return None
    return cast_column(known(clearing) if callable(known) else known, _U64)


def order_columns(clearing: Cleared, pseudonyms: NDArray[np.uint64] | None) -> dict[str, NDArray[Any]]:
    """Columns of a clearing's order leaves: one row an order, refused ones too."""
    orders: _Orders = clearing.orders
    n, texts = orders.n, orders.texts
    none = np.zeros(n, _U64)
    if pseudonyms is not None:
        participant = pseudonyms
    else:
        participant = none if orders.participant is None else _ids(texts, "participant", orders.participant)
    kinds = getattr(orders, "is_market_order", None)
    return {
        "side": cast_column(orders.side, _U8),
        "kind": np.zeros(n, _U8) if kinds is None else cast_column(kinds, _U8),
        "reject": cast_column(clearing.reject, _U16),
        "order": np.arange(n, dtype=_U64) if orders.order is None else _ids(texts, "order", orders.order),
        "participant": participant,
        "market": none if orders.market is None else _ids(texts, "market", orders.market),
        "price": cast_column(orders.price, _I64),
        "quantity": cast_column(orders.quantity, _I64),
        "time_ns": np.zeros(n, _I64) if orders.time is None else cast_column(orders.time, _I64),
    }


def trade_columns(clearing: Cleared) -> dict[str, NDArray[Any] | int | bool]:
    """Columns of a clearing's trades, ids as they enter the ledger, with the denominator of their money."""
    trades, texts, money = clearing.trade_columns, clearing.orders.texts, trade_amounts(clearing)
    return {
        "market": _ids(texts, "market", trades["market"]),
        "buy_order": _ids(texts, "order", trades["buy_order"]),
        "sell_order": _ids(texts, "order", trades["sell_order"]),
        "quantity": cast_column(trades["quantity"], _I64),
        **money._asdict(),
    }


def sealable(receipts: Any) -> _core.Postings | dict[str, NDArray[Any]]:
    """The postings of a bank's receipts: as the bank made them where nobody has read their columns, else those."""
    made = getattr(receipts, "unread", None)
    if isinstance(made, _core.Postings):
        return made
    given = receipts.columns
    missing = [name for name in POSTING_DTYPES if name not in given]
    if missing:
        raise LedgerError(f"the receipts have no column {', '.join(missing)}")
    return {name: cast_column(given[name], dtype) for name, dtype in POSTING_DTYPES.items()}
