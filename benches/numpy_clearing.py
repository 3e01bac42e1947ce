"""The yardstick: uniform and discriminatory clearing in vectorised numpy, as fast as we could write them.

They do the same work as fastclear: the exact clearing interval, the price, volume, welfare and every fill with
largest-remainder rationing (uniform) or the list of trades (discriminatory). `measure.py` asserts equal results before
it times anything. Two ways to find the level: by sorting, which is what one finds in other people's code, and by
selection (weigh into bins, look into one), which is the algorithm of fastclear itself and several times faster than the
sort. Goals are set against the faster.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

I64 = npt.NDArray[np.int64]
_BINS = 1 << 12


class Result(NamedTuple):
    """Per market: interval, price at k = 1/2 rounded down, volume, welfare (0 without trades); fills per order."""

    low: Any
    high: Any
    price: Any
    volume: Any
    welfare: Any
    filled: I64


def level_by_sort(price: npt.NDArray[Any], quantity: I64, bid_quantity: int) -> tuple[int, int]:
    """The M-th and (M+1)-th price of the merged book, from one argsort (the default kind is the fastest)."""
    order = np.argsort(price)
    reached = np.cumsum(quantity[order])
    last = len(order) - 1
    at = int(np.searchsorted(reached, bid_quantity, "left"))
    above = int(np.searchsorted(reached, bid_quantity, "right"))
    return int(price[order[min(at, last)]]), int(price[order[min(above, last)]])


def level_by_selection(price: npt.NDArray[Any], quantity: I64, bid_quantity: int) -> tuple[int, int]:
    """The same from one weighted bincount (exact: sums stay below 2^53) and a sort of the one bin that holds it."""
    least, most = int(price.min()), int(price.max())
    shift = max((most - least).bit_length() - (_BINS.bit_length() - 1), 0)
    # numpy counts bins of the machine's word only; anything narrower is converted inside bincount.
    bins = (price - price.dtype.type(least)) >> shift if shift else price - price.dtype.type(least)
    reached = np.cumsum(np.bincount(bins, weights=quantity)).astype(np.int64)
    chosen = int(np.searchsorted(reached, bid_quantity, "left"))
    after = int(np.searchsorted(reached, bid_quantity, "right"))
    inside = np.flatnonzero(bins == chosen)
    below = int(reached[chosen - 1]) if chosen else 0
    low, high = level_by_sort(price[inside], quantity[inside], bid_quantity - below)
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


def uniform(columns: dict[str, Any], out: I64, find: Any = level_by_selection) -> Result:
    """Clear one market into ``out``."""
    side, price, quantity = columns["side"], columns["price"], columns["quantity"]
    is_bid = side.view(np.bool_)
    bid_quantity = int(quantity.sum(where=is_bid))
    low, high = find(price, quantity, bid_quantity)
    # An order off the level is filled whole if it is a bid above or an ask below it.
    np.multiply(quantity, (price > low) == is_bid, out=out)
    level = np.flatnonzero(price == low)
    bid_rows, ask_rows = level[is_bid[level]], level[~is_bid[level]]
    bids_at, asks_at = int(quantity[bid_rows].sum()), int(quantity[ask_rows].sum())
    out[level] = 0
    bids_above = int(out.sum(where=is_bid))
    asks_below = int(out.sum()) - bids_above
    volume = min(bids_above + bids_at, asks_below + asks_at) if bid_quantity else 0
    if volume == 0:
        out[:] = 0
        return Result(0, 0, 0, 0, 0, out)
    out[bid_rows] = largest_remainder(volume - bids_above, bids_at, quantity[bid_rows]) if bids_at else 0
    out[ask_rows] = largest_remainder(volume - asks_below, asks_at, quantity[ask_rows]) if asks_at else 0
    value = out * price
    welfare = 2 * int(value.sum(where=is_bid)) - int(value.sum())
    return Result(low, high, low + (high - low) // 2, volume, welfare, out)


def uniform_sorted(columns: dict[str, Any], out: I64) -> Result:
    """:func:`uniform`, by sorting."""
    return uniform(columns, out, level_by_sort)


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
    side, price, quantity = columns["side"], columns["price"], columns["quantity"]
    is_bid = side.view(np.bool_)
    result = uniform(columns, out)
    if result.volume == 0:
        return (np.empty(0, np.int64),) * 4
    for bids in (True, False):  # the level by row instead of in proportion
        rows = np.flatnonzero((price == result.low) & (is_bid == bids))
        asked = quantity[rows]
        out[rows] = np.clip(int(out[rows].sum()) - (np.cumsum(asked) - asked), 0, asked)
    row_bits = len(price).bit_length()

    def ranked(rows: I64, sign: int) -> I64:
        key = (sign * price[rows].astype(np.int64) << row_bits) | rows
        key.sort()
        return key & ((1 << row_bits) - 1)

    bids = ranked(np.flatnonzero(is_bid & (out > 0)), -1)
    asks = ranked(np.flatnonzero(~is_bid & (out > 0)), 1)
    bought, sold = np.cumsum(out[bids]), np.cumsum(out[asks])
    ends = np.concatenate((bought, sold))
    ends.sort(kind="stable")  # two ascending runs: a merge
    ends = ends[np.concatenate((ends[1:] != ends[:-1], [True]))]
    buy_row, sell_row = bids[np.searchsorted(bought, ends)], asks[np.searchsorted(sold, ends)]
    bid, ask = price[buy_row].astype(np.int64), price[sell_row].astype(np.int64)
    return buy_row, sell_row, np.diff(ends, prepend=0), ask + ((bid - ask) >> 1)
