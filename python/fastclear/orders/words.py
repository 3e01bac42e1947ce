"""Columns of words: the side of an order, and whether it names a price."""

from __future__ import annotations

from typing import Final, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear.orders.column import Column, wrong_type
from fastclear.orders.flaws import Flaws
from fastclear.reject import RejectReason

BUY_WORDS: Final[tuple[str, ...]] = ("buy", "bid")
SELL_WORDS: Final[tuple[str, ...]] = ("sell", "ask", "offer")

_NO_SIDE: Final = 255


def plain_sides(column: pl.Series) -> NDArray[np.uint8] | None:
    """1 where the order buys, 0 where it sells, if nothing but ``buy`` and ``sell`` or Booleans is there."""
    if column.dtype == pl.String:
        buys = column == BUY_WORDS[0]
        known = int(buys.sum()) + int((column == SELL_WORDS[0]).sum())  # a null is neither
        if known != len(column):
            return None
    elif column.dtype == pl.Boolean and not column.null_count():
        buys = column
    else:
        return None
    return buys.rechunk().to_numpy().view(np.uint8)


def sides(column: Column, flaws: Flaws) -> NDArray[np.uint8]:
    """1 where the order buys, 0 where it sells, something else where nobody knows."""
    wanted = "text (buy/sell, bid/ask/offer), bool, or integers (1 = buy, 0 = sell)"
    if isinstance(column, np.ndarray):
        if column.dtype.char == "B":  # uint8
            return column
        if column.dtype.char in "?b":  # bool, int8
            return cast("NDArray[np.uint8]", column.view(np.uint8))
        if column.dtype.kind not in "iu":
            raise wrong_type("side", column.dtype, wanted)
        side = np.full(len(column), _NO_SIDE, np.uint8)
        side[column == 1] = 1
        side[column == 0] = 0
        return side
    if column.dtype in (pl.Categorical, pl.Enum):
        column = column.cast(pl.String)
    plain = plain_sides(column)
    if plain is not None:
        return plain
    if column.dtype == pl.String:
        words = column.str.to_lowercase()
        buys, sells = (words.is_in(list(known)).fill_null(value=False) for known in (BUY_WORDS, SELL_WORDS))
    elif column.dtype == pl.Boolean:
        buys, sells = column.fill_null(value=False), (~column).fill_null(value=False)
    elif column.dtype.is_integer():
        buys, sells = (column == 1).fill_null(value=False), (column == 0).fill_null(value=False)
    elif column.dtype == pl.Null:
        buys = sells = pl.Series([False]).new_from_index(0, len(column))
    else:
        raise wrong_type("side", column.dtype, wanted)
    side = np.where(buys.to_numpy(), 1, np.where(sells.to_numpy(), 0, _NO_SIDE)).astype(np.uint8)
    flaws.mark(side == _NO_SIDE, RejectReason.UNKNOWN_SIDE)
    return side


def market_orders(column: Column, flaws: Flaws) -> NDArray[np.uint8]:
    """1 where the order names no price and takes what there is, else 0."""
    if isinstance(column, np.ndarray) or column.dtype not in (pl.String, pl.Categorical, pl.Enum, pl.Null):
        raise wrong_type("type", column.dtype, "text: limit or market")
    words = column.cast(pl.String).str.to_lowercase()
    market, limit = (words.is_in([word]).fill_null(value=False).to_numpy() for word in ("market", "limit"))
    flaws.mark(~(market | limit), RejectReason.UNKNOWN_TYPE)
    return cast("NDArray[np.uint8]", market.astype(np.uint8))
