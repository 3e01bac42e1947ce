"""Block columns at the border: which rows form which block, and which blocks are refused."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear import _core
from fastclear.auction.blocks.model import Block, Book, Hour, Row
from fastclear.auction.double_auction import Uniform
from fastclear.errors import SchemaError
from fastclear.orders import Orders, encode
from fastclear.orders.column import array_or_series
from fastclear.orders.frames import items
from fastclear.reject import RejectReason
from fastclear.trades import run
from fastclear.units import Units

COLUMNS: Final = ("block", "parent", "exclusive")
_NONE: Final = -1
_UNKNOWN: Final = -2


@dataclass(slots=True, eq=False)
class BlockOrders:
    """Orders with their block columns.

    Attributes
    ----------
    orders : Orders
        The orders as every auction reads them.
    block, parent, exclusive : ndarray of int64, shape (n,)
        Ranks into the names below; -1 where null. A parent that names no block is -2.
    blocks, groups : polars.Series
        Sorted distinct ids of blocks and of exclusive groups, as the caller wrote them.
    """

    orders: Orders
    block: NDArray[np.int64]
    parent: NDArray[np.int64]
    exclusive: NDArray[np.int64]
    blocks: pl.Series
    groups: pl.Series


def encode_blocks(orders: object, units: Units | None = None) -> BlockOrders:
    """Turn a frame or mapping of columns into :class:`BlockOrders`.

    Parameters
    ----------
    orders : frame or mapping
        What :func:`fastclear.orders.encode` reads, and optional columns ``block``, ``parent`` and ``exclusive``.
    units : Units, optional
        What price and quantity are given in.

    Raises
    ------
    SchemaError
        A column cannot be read, or ``parent`` is text where ``block`` holds integers, or the other way round.
    """
    if isinstance(orders, BlockOrders):
        return orders
    rest, given = _split(orders)
    encoded = encode(rest, units)
    series = {name: _ids(name, given.get(name), encoded.n) for name in COLUMNS}
    block, parent = series["block"], series["parent"]
    if block.dtype != parent.dtype and parent.null_count() < len(parent):
        raise SchemaError(
            f"column 'parent' is {parent.dtype} and 'block' is {block.dtype}; name parents as their blocks are named",
            column="parent",
        )
    blocks, groups = block.drop_nulls().unique().sort(), series["exclusive"].drop_nulls().unique().sort()
    return BlockOrders(
        encoded,
        _ranks(block, blocks),
        _ranks(parent, blocks),
        _ranks(series["exclusive"], groups),
        blocks.alias("block"),
        groups.alias("exclusive"),
    )


def _split(orders: object) -> tuple[object, dict[str, object]]:
    """Apart: what every auction reads, and the block columns."""
    if isinstance(orders, Orders):
        return orders, {}
    rest: dict[str, object] = {}
    given: dict[str, object] = {}
    for name, column in items(orders):
        part = given if name in COLUMNS else rest
        if name in part:
            raise SchemaError(f"column '{name}' is given twice; leave one out", column=name)
        part[name] = column
    return rest, given


def _ids(name: str, column: object, n: int) -> pl.Series:
    """An id column as Int64 or String, nulls kept; all null where it is not given."""
    if column is None:
        return pl.Series(name, [None] * n, dtype=pl.Int64)
    read = array_or_series(name, column)
    series = pl.Series(name, read)
    if len(series) != n:
        raise SchemaError(
            f"column '{name}' has {len(series)} rows and 'side' has {n}; give columns of one length", column=name
        )
    if series.dtype in (pl.Categorical, pl.Enum):
        return series.cast(pl.String)
    if series.dtype == pl.Null or (series.dtype.is_integer() and series.dtype not in (pl.UInt64, pl.Int128)):
        return series.cast(pl.Int64)
    if series.dtype != pl.String:
        raise SchemaError(f"column '{name}' is {series.dtype}; give integers up to 64 bits or text", column=name)
    return series


def _ranks(ids: pl.Series, names: pl.Series) -> NDArray[np.int64]:
    if not len(names) or ids.dtype != names.dtype:
        return np.where(ids.is_null().to_numpy(), _NONE, _UNKNOWN).astype(np.int64)
    places = names.search_sorted(ids.fill_null(names[0])).to_numpy().astype(np.int64)
    places = np.minimum(places, len(names) - 1)
    found = (names.gather(places) == ids).fill_null(value=False).to_numpy()
    return np.where(ids.is_null().to_numpy(), _NONE, np.where(found, places, _UNKNOWN)).astype(np.int64)


@dataclass(slots=True, eq=False)
class Read:
    """Orders after refusal: the book, and what is needed to say the result in rows.

    Attributes
    ----------
    orders : BlockOrders
        The orders.
    codes : ndarray of uint16, shape (n,)
        Reject codes.
    markets : ndarray of int64
        Encoded ids, ascending; ranks in it are the hours of ``book``.
    hour : ndarray of int64, shape (n,)
        Hour of every row.
    limit : list of int
        Limits; a market order has the limit it competes at.
    book : Book
        Hours and the blocks that were not refused.
    ranks : list of int
        Of each block of ``book``: its rank in ``orders.blocks``.
    """

    orders: BlockOrders
    codes: NDArray[np.uint16]
    markets: NDArray[np.int64]
    hour: NDArray[np.int64]
    limit: list[int]
    book: Book
    ranks: list[int]


def read(given: BlockOrders) -> Read:
    """Refuse what must be refused and build the book."""
    orders = given.orders
    plain = replace(orders, min_quantity=None, start_price=None)  # which blocks do not know
    cleared = run(plain, Uniform(), np.empty(orders.n, np.int64), threads=1)
    codes = cleared.reject().copy()
    codes[codes == RejectReason.NO_REFERENCE_PRICE] = 0  # refused blocks may leave fewer limits; looked at below
    markets = cleared.markets()[0][_core.MARKET_VALUES.index("market")]
    hour = np.zeros(orders.n, np.int64) if orders.market is None else np.searchsorted(markets, orders.market)
    kinds = orders.is_market_order
    at_market = np.zeros(orders.n, bool) if kinds is None else kinds == 1
    sound = _refuse_blocks(given, codes, hour, at_market)

    limits = (codes == 0) & ~at_market
    price = orders.price.astype(np.int64)
    low = np.full(len(markets), np.iinfo(np.int64).max)
    high = np.full(len(markets), np.iinfo(np.int64).min)
    np.minimum.at(low, hour[limits], price[limits])
    np.maximum.at(high, hour[limits], price[limits])
    named = low <= high
    codes[(codes == 0) & at_market & ~named[hour]] = RejectReason.NO_REFERENCE_PRICE
    low, high = np.where(named, low, 0), np.where(named, high, 0)
    is_bid = orders.side == 1
    limit = np.where(at_market, np.where(is_bid, high[hour], low[hour]), price).tolist()

    quantity = orders.quantity.tolist()
    books: list[tuple[list[tuple[int, int]], list[tuple[int, int]]]] = [([], []) for _ in markets]
    for row in np.flatnonzero((codes == 0) & (given.block == _NONE)).tolist():
        books[hour[row]][0 if is_bid[row] else 1].append((limit[row], quantity[row]))
    hours = [Hour(*sides, int(a), int(b)) for sides, a, b in zip(books, low, high, strict=True)]
    place = {rank: i for i, rank in enumerate(sorted(sound))}
    blocks = []
    for rank in place:
        rows = sorted(sound[rank], key=lambda row: int(hour[row]))
        parent, group = int(given.parent[rows[0]]), int(given.exclusive[rows[0]])
        blocks.append(
            Block(
                tuple(Row(int(hour[r]), 1 if is_bid[r] else -1, limit[r], quantity[r], r) for r in rows),
                place[parent] if parent >= 0 else None,
                group if group >= 0 else None,
            )
        )
    return Read(given, codes, markets, hour, limit, Book(hours, blocks), list(place))


def _refuse_blocks(
    given: BlockOrders, codes: NDArray[np.uint16], hour: NDArray[np.int64], at_market: NDArray[np.bool_]
) -> dict[int, list[int]]:
    """Mark the rows of bad blocks, and return the rows of the sound ones by rank."""
    members: dict[int, list[int]] = {}
    for row in np.flatnonzero(given.block >= 0).tolist():
        members.setdefault(int(given.block[row]), []).append(row)
    parents: dict[int, int] = {}
    sound = dict(members)
    for rank, rows in members.items():
        links = {(int(given.parent[row]), int(given.exclusive[row])) for row in rows}
        hours = {int(hour[row]) for row in rows}
        parents[rank] = next(iter(links))[0]
        if (
            len(links) > 1
            or len(hours) < len(rows)
            or parents[rank] == _UNKNOWN
            or any(codes[row] or at_market[row] for row in rows)
        ):
            del sound[rank]
    # A block whose line of parents comes to a refused block, or never ends, is refused with it.
    settled: set[int] = set()
    for rank in members:
        line: list[int] = []
        here = rank
        while here in sound and here not in settled and here not in line and here != _NONE:
            line.append(here)
            here = parents[here]
        if here == _NONE or here in settled:
            settled.update(line)
        else:
            for lost in line:
                del sound[lost]
    refused = [row for rank, rows in members.items() if rank not in sound for row in rows]
    refused += np.flatnonzero((given.block == _NONE) & ((given.parent != _NONE) | (given.exclusive != _NONE))).tolist()
    for row in refused:
        if not codes[row]:
            codes[row] = RejectReason.BLOCK_INVALID
    return sound
