"""The yardstick: uniform and discriminatory clearing in vectorised numpy, as fast as we could write them.

They do the same work as fastclear: the exact clearing interval, the price, volume, welfare and every fill with
largest-remainder rationing (uniform) or the list of trades (discriminatory). Results are compared with fastclear's
before anything is timed. One market is cleared in three ways:

* :func:`uniform_usual` sorts the orders and picks with masks, which is how merit orders are usually written;
* :func:`uniform_sorted` sorts as well, and does the rest with what is quickest in numpy;
* :func:`uniform` sorts a sample only, fastclear's own algorithm, in blocks that stay in the second-level cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

I64 = npt.NDArray[np.int64]
_BLOCK = 1 << 16  # rows at a time: the temporary arrays of a pass stay in the second-level cache
_SORTED_UP_TO = 4_096  # orders; in smaller books a sample saves nothing
_BINS = 1 << 12


class Result(NamedTuple):
    """Per market: interval, price at k = 1/2 rounded down, volume, welfare (0 without trades); fills per order."""

    low: Any
    high: Any
    price: Any
    volume: Any
    welfare: Any
    filled: I64


class Level(NamedTuple):
    """Clearing interval of one market and the quantity of all its bids."""

    low: int
    high: int
    bid_quantity: int


def _blocks(n: int) -> Iterator[slice]:
    return (slice(start, start + _BLOCK) for start in range(0, n, _BLOCK))


def _dot(one: npt.NDArray[Any], two: npt.NDArray[Any]) -> int:
    """Exact scalar product; ten times faster than ``one.sum(where=two)`` or ``one[two].sum()`` where two is a mask."""
    return int(np.einsum("i,i->", one, two))


def _quantile(price: npt.NDArray[Any], quantity: I64, target: int) -> tuple[int, int]:
    """The lowest prices up to which the quantity reaches ``target`` and exceeds it, from one argsort."""
    order = np.argsort(price)
    reached = np.cumsum(quantity[order])
    last = len(order) - 1
    at = int(np.searchsorted(reached, target, "left"))
    above = int(np.searchsorted(reached, target, "right"))
    return int(price[order[min(at, last)]]), int(price[order[min(above, last)]])


def level_by_sort(columns: dict[str, Any]) -> Level:
    """The level from one argsort of the merged book (the default kind is the fastest)."""
    bid_quantity = _dot(columns["quantity"], columns["side"])
    return Level(*_quantile(columns["price"], columns["quantity"], bid_quantity), bid_quantity)


def level_by_sample(columns: dict[str, Any]) -> Level:
    """The level from a sample that brackets it, one pass over all orders, and a sort of those inside the bracket.

    The sums of the pass show whether the bracket holds the level; where it does not, bins are weighed instead.
    """
    side, price, quantity = columns["side"], columns["price"], columns["quantity"]
    n = len(price)
    if n <= _SORTED_UP_TO:
        return level_by_sort(columns)
    least, most = _bracket(columns)
    width = np.uint32(most - least)
    bid_quantity = below = 0
    found = []
    for rows in _blocks(n):
        prices, quantities = price[rows], quantity[rows]
        bid_quantity += _dot(quantities, side[rows])
        below += _dot(quantities, (prices < least).view(np.int8))
        # One comparison for both ends: a price below the bracket wraps to a large one.
        inside = (prices - prices.dtype.type(least)).view(np.uint32) <= width
        found.append(np.flatnonzero(inside) + rows.start)
    inside_rows = np.concatenate(found)
    quantities = quantity[inside_rows]
    if below < bid_quantity < below + int(quantities.sum()):
        return Level(*_quantile(price[inside_rows], quantities, bid_quantity - below), bid_quantity)
    return Level(*_level_by_bins(price, quantity, bid_quantity), bid_quantity)


def _bracket(columns: dict[str, Any]) -> tuple[int, int]:
    """Two prices between which the level most likely lies, from every so-manieth order."""
    step = max(len(columns["price"]) // 8_192, 8)
    some = slice(step // 2, None, step)
    price, quantity = columns["price"][some], columns["quantity"][some]
    order = np.argsort(price)
    reached = np.cumsum(quantity[order])
    target = _dot(quantity, columns["side"][some])
    deviation = 2 * float(np.sqrt(np.square(quantity, dtype=np.float64).sum()))  # four of a sum of random halves
    ends = np.searchsorted(reached, (target - deviation, target + deviation))
    return int(price[order[max(ends[0] - 1, 0)]]), int(price[order[min(ends[1] + 1, len(order) - 1)]])


def _level_by_bins(price: npt.NDArray[Any], quantity: I64, bid_quantity: int) -> tuple[int, int]:
    """The interval from one weighted bincount (exact: sums stay below 2^53) and a sort of the one bin that holds it."""
    least, most = int(price.min()), int(price.max())
    shift = max((most - least).bit_length() - (_BINS.bit_length() - 1), 0)
    # numpy counts bins of the machine's word only; anything narrower is converted inside bincount.
    bins = (price - price.dtype.type(least)) >> shift if shift else price - price.dtype.type(least)
    reached = np.cumsum(np.bincount(bins, weights=quantity)).astype(np.int64)
    chosen = int(np.searchsorted(reached, bid_quantity, "left"))
    after = int(np.searchsorted(reached, bid_quantity, "right"))
    inside = np.flatnonzero(bins == chosen)
    below = int(reached[chosen - 1]) if chosen else 0
    low, high = _quantile(price[inside], quantity[inside], bid_quantity - below)
    if after != chosen:  # the bin ends exactly where the bids' total is reached
        high = int(price[bins == after].min()) if after < len(reached) else low
    return low, high


def largest_remainder(left: int, total: int, asked: I64) -> I64:
    """Shares of ``left`` in proportion to ``asked``, whole lots, the left-over ones to the largest remainders."""
    if left == total:
        return asked
    product = left * asked
    share = product // total
    over = left - int(share.sum())
    remainder = product - share * total
    share[np.argsort(-remainder, kind="stable")[:over]] += 1
    return share


def uniform(columns: dict[str, Any], out: I64, find: Any = level_by_sample) -> Result:
    """Clear one market into ``out``."""
    side, price, quantity = columns["side"], columns["price"], columns["quantity"]
    is_bid = side.view(np.bool_)
    low, high, bid_quantity = find(columns)
    bids_above = above_or_below = welfare = 0
    found = []
    for rows in _blocks(len(price)):
        prices, filled = price[rows], out[rows]
        is_level = prices == low
        # An order off the level is filled whole if it is a bid above or an ask below it.
        np.multiply(quantity[rows], ((prices > low) == is_bid[rows]) & ~is_level, out=filled)
        found.append(np.flatnonzero(is_level) + rows.start)
        bids_above += _dot(filled, side[rows])
        above_or_below += int(filled.sum())
        value = filled * prices
        welfare += 2 * _dot(value, side[rows]) - int(value.sum())
    level = np.concatenate(found) if found else np.empty(0, np.int64)
    bid_rows, ask_rows = level[is_bid[level]], level[~is_bid[level]]
    bids_at, asks_at = int(quantity[bid_rows].sum()), int(quantity[ask_rows].sum())
    asks_below = above_or_below - bids_above
    volume = min(bids_above + bids_at, asks_below + asks_at) if bid_quantity else 0
    if volume == 0:
        out[:] = 0
        return Result(0, 0, 0, 0, 0, out)
    out[bid_rows] = largest_remainder(volume - bids_above, bids_at, quantity[bid_rows]) if bids_at else 0
    out[ask_rows] = largest_remainder(volume - asks_below, asks_at, quantity[ask_rows]) if asks_at else 0
    welfare += low * (asks_below - bids_above)
    return Result(low, high, low + (high - low) // 2, volume, welfare, out)


def uniform_sorted(columns: dict[str, Any], out: I64) -> Result:
    """:func:`uniform`, by sorting."""
    return uniform(columns, out, level_by_sort)


def uniform_usual(columns: dict[str, Any], out: I64) -> Result:
    """:func:`uniform` as merit orders are usually written: an argsort, a running sum, masks."""
    price, quantity = columns["price"], columns["quantity"]
    is_bid = columns["side"] == 1
    bid_quantity = int(quantity[is_bid].sum())
    low, high = _quantile(price, quantity, bid_quantity)
    whole = np.where(is_bid, price > low, price < low)
    level = price == low
    bids_above, asks_below = int(quantity[whole & is_bid].sum()), int(quantity[whole & ~is_bid].sum())
    bids_at, asks_at = quantity[level & is_bid], quantity[level & ~is_bid]
    volume = min(bids_above + int(bids_at.sum()), asks_below + int(asks_at.sum())) if bid_quantity else 0
    if volume == 0:
        out[:] = 0
        return Result(0, 0, 0, 0, 0, out)
    out[:] = np.where(whole, quantity, 0)
    for rows, asked, left in (
        (level & is_bid, bids_at, volume - bids_above),
        (level & ~is_bid, asks_at, volume - asks_below),
    ):
        out[rows] = largest_remainder(left, int(asked.sum()), asked) if len(asked) else 0
    value = out * price
    welfare = int(value[is_bid].sum()) - int(value[~is_bid].sum())
    return Result(low, high, low + (high - low) // 2, volume, welfare, out)


def by_time(columns: dict[str, Any], result: Result) -> I64:
    """The fills of ``result``, a cleared market, with its level served first come, first served."""
    filled = result.filled.copy()
    for bids in (True, False):
        rows = np.flatnonzero((columns["price"] == result.low) & (columns["side"].view(np.bool_) == bids))
        rows = rows[np.argsort(columns["time"][rows], kind="stable")] if "time" in columns else rows
        asked = columns["quantity"][rows]
        filled[rows] = np.clip(int(filled[rows].sum()) - (np.cumsum(asked) - asked), 0, asked)
    return filled


# ------------------------------------------------------------------------------------------------- many markets


def many_sorted(columns: dict[str, Any], out: I64) -> Result:
    """Clear all markets of columns sorted by market: one sort of packed keys and segmented sums.

    ``np.sort`` of (market, price, place in the market) in one 64-bit word is some five times faster than an argsort or
    a lexsort.
    """
    side, price, quantity, market = (columns[name] for name in ("side", "price", "quantity", "market"))
    is_bid = side.view(np.bool_)
    starts = np.flatnonzero(np.concatenate(([True], market[1:] != market[:-1])))
    n, count = len(market), len(starts)
    sizes = np.diff(starts, append=n)
    place_bits = int(sizes.max()).bit_length()
    least = int(price.min())
    price_bits = (int(price.max()) - least).bit_length()
    assert price_bits + place_bits + count.bit_length() <= 64, "Invariant: a key fits one word"
    of_market = np.repeat(np.arange(count), sizes)
    start_of = np.repeat(starts, sizes)
    key = ((of_market << price_bits) + (price.astype(np.int64) - least)) << place_bits
    key |= np.arange(n) - start_of
    key.sort()
    # Sorting keeps every market in its rows, so that ``start_of`` holds for sorted rows as well.
    reached = np.cumsum(quantity[(key & ((1 << place_bits) - 1)) + start_of])
    sorted_price = ((key >> place_bits) & ((1 << price_bits) - 1)) + least
    before = np.concatenate(([0], reached))[starts]
    bid_quantity = np.add.reduceat(quantity * is_bid, starts)
    last = starts + sizes - 1
    target = before + bid_quantity
    at = np.maximum(np.searchsorted(reached, target, "left"), starts)
    above = np.minimum(np.searchsorted(reached, target, "right"), last)
    low, high = sorted_price[at], sorted_price[above]

    low_of = np.repeat(low, sizes)
    np.multiply(quantity, (price > low_of) == is_bid, out=out)
    level = np.flatnonzero(price == low_of)
    out[level] = 0
    bids_above = np.add.reduceat(out * is_bid, starts)
    asks_below = np.add.reduceat(out, starts) - bids_above
    level_market, level_bid, asked = of_market[level], is_bid[level], quantity[level]
    group = 2 * level_market + level_bid  # asks at even places, bids at odd
    total = np.bincount(group, weights=asked, minlength=2 * count).astype(np.int64)
    volume = np.minimum(bids_above + total[1::2], asks_below + total[0::2])
    volume[bid_quantity == 0] = 0
    left = np.empty(2 * count, np.int64)
    left[1::2], left[0::2] = volume - bids_above, volume - asks_below
    product = left[group] * asked
    share = product // total[group]
    over = left - np.bincount(group, weights=share, minlength=2 * count).astype(np.int64)
    remainder = product - share * total[group]
    ranked = np.lexsort((-remainder, group))  # stable: ties by row
    group_start = np.concatenate(([0], np.cumsum(np.bincount(group, minlength=2 * count))))[:-1]
    rank = np.arange(len(ranked)) - group_start[group[ranked]]
    share[ranked] += rank < over[group[ranked]]
    out[level] = share
    nothing = volume == 0
    if nothing.any():
        out[np.repeat(nothing, sizes)] = 0
    value = out * price
    welfare = np.add.reduceat(np.where(is_bid, value, -value), starts)
    traded = ~nothing
    low, high = low * traded, high * traded
    return Result(low, high, low + ((high - low) >> 1), volume, welfare, out)


def many_unsorted(columns: dict[str, Any], out: I64) -> Result:
    """Clear all markets of shuffled columns: rows by market from one sort of packed keys, gather, clear, scatter."""
    market = columns["market"]
    row_bits = len(market).bit_length()
    key = (market << row_bits) | np.arange(len(market))
    key.sort()
    rows = key & ((1 << row_bits) - 1)
    gathered = {name: columns[name][rows] for name in ("side", "price", "quantity")} | {"market": key >> row_bits}
    result = many_sorted(gathered, np.empty(len(rows), np.int64))
    out[rows] = result.filled
    return result._replace(filled=out)


# ------------------------------------------------------------------------------------------------- trades


def discriminatory(columns: dict[str, Any], out: I64) -> tuple[I64, I64, I64, I64]:
    """Trades of one market (buy row, sell row, quantity, price at k = 1/2): best bid with cheapest ask, ties by row."""
    price, is_bid = columns["price"], columns["side"].view(np.bool_)
    result = uniform(columns, out)
    if result.volume == 0:
        return (np.empty(0, np.int64),) * 4
    out[:] = by_time(columns, result)
    row_bits = len(price).bit_length()

    def ranked(rows: I64, sign: int) -> I64:
        key = (sign * price[rows].astype(np.int64) << row_bits) | rows
        key.sort()
        ranks: I64 = key & ((1 << row_bits) - 1)
        return ranks

    bids = ranked(np.flatnonzero(is_bid & (out > 0)), -1)
    asks = ranked(np.flatnonzero(~is_bid & (out > 0)), 1)
    bought, sold = np.cumsum(out[bids]), np.cumsum(out[asks])
    ends = np.concatenate((bought, sold))
    ends.sort(kind="stable")  # two ascending runs: a merge
    ends = ends[np.concatenate((ends[1:] != ends[:-1], [True]))]
    buy_row, sell_row = bids[np.searchsorted(bought, ends)], asks[np.searchsorted(sold, ends)]
    bid, ask = price[buy_row].astype(np.int64), price[sell_row].astype(np.int64)
    return buy_row, sell_row, np.diff(ends, prepend=0), ask + ((bid - ask) >> 1)
