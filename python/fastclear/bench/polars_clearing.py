"""Uniform clearing in polars expressions: the best alternative to numpy for somebody who keeps orders in frames.

The fills of `numpy_clearing.uniform`, largest remainder included; welfare and the upper end of the interval, which
fastclear gives as well, are left out. polars uses every core it may, so it is compared by wall clock.
"""

from __future__ import annotations

import polars as pl

_BID = pl.col("side") == 1
_QUANTITY = pl.col("quantity")
_ZERO = pl.repeat(0, pl.len(), dtype=pl.Int64)
_LOOKED_AT = 1_000
"""Orders from which :func:`one_market` guesses whether prices repeat."""


def one_market(orders: pl.DataFrame) -> pl.DataFrame:
    """Clear one market; ``orders`` has side (Int8), price and quantity. Returns filled, in input order.

    Where prices repeat, grouping by price is several times faster than sorting; where they do not, sorting is.
    """
    bid_quantity = orders.select(_QUANTITY.filter(_BID).sum()).item()
    rows = orders.lazy().select("price", "quantity")
    if orders["price"].head(_LOOKED_AT).n_unique() < min(_LOOKED_AT, orders.height) // 2:
        rows = rows.group_by("price").agg(_QUANTITY.sum())
    reached = _QUANTITY.cum_sum().search_sorted(bid_quantity).clip(upper_bound=pl.len() - 1)
    low = rows.sort("price").select(pl.col("price").gather(reached).first()).collect().item()
    above, below = _BID & pl.col("price").gt(low), ~_BID & pl.col("price").lt(low)
    on_level = orders.lazy().with_row_index("row").filter(pl.col("price").eq(low))
    sums, placed, level = pl.collect_all(
        [
            orders.lazy().select(bids=_QUANTITY.filter(above).sum(), asks=_QUANTITY.filter(below).sum()),
            orders.lazy().select(filled=pl.when(above | below).then(_QUANTITY).otherwise(0)),
            on_level.with_columns(total=_QUANTITY.sum().over("side")),
        ]
    )
    bids_above, asks_below = sums.row(0)
    bids_at = level.select(_QUANTITY.filter(_BID).sum()).item()
    asks_at = level.select(_QUANTITY.filter(~_BID).sum()).item()
    volume = min(bids_above + bids_at, asks_below + asks_at) if bid_quantity else 0
    if volume == 0:
        return placed.select(filled=_ZERO)
    shares = (
        level.lazy()
        .with_columns(left=pl.when(_BID).then(volume - bids_above).otherwise(volume - asks_below))
        .with_columns(
            share=pl.col("left") * _QUANTITY // pl.col("total"),
            remainder=pl.col("left") * _QUANTITY % pl.col("total"),
        )
        .sort("side", "remainder", "row", descending=[False, True, False])
        .with_columns(
            over=pl.col("left") - pl.col("share").sum().over("side"),
            rank=pl.int_range(1, pl.len() + 1).over("side"),
        )
        .select("row", share=pl.col("share") + (pl.col("rank") <= pl.col("over")))
        .collect()
    )
    return placed["filled"].scatter(shares["row"], shares["share"]).to_frame()


def many_markets(orders: pl.DataFrame) -> pl.DataFrame:
    """Clear every market; ``orders`` has side (Int8), price, quantity and market. Returns filled, in input order.

    The levels come from one group-by on (market, price) and a running sum within each market; orders off the level are
    decided by comparison, those on it ranked by remainder.
    """
    rows = orders.lazy().with_row_index("row").with_columns(pl.col("price").cast(pl.Int64))
    bids = rows.group_by("market").agg(bid_quantity=pl.col("quantity").filter(_BID).sum())
    levels = (
        rows.group_by("market", "price")
        .agg(
            demand=pl.col("quantity").filter(_BID).sum(),
            supply=pl.col("quantity").filter(~_BID).sum(),
        )
        .sort("market", "price")
        .with_columns(
            asks_below=pl.col("supply").cum_sum().over("market") - pl.col("supply"),
            bids_up_to=pl.col("demand").cum_sum().over("market"),
        )
        .join(bids, on="market", maintain_order="left")
        .filter(pl.col("asks_below") + pl.col("supply") + pl.col("bids_up_to") >= pl.col("bid_quantity"))
        .group_by("market", maintain_order=True)
        .first()
        .with_columns(bids_above=pl.col("bid_quantity") - pl.col("bids_up_to"))
        .with_columns(
            volume=pl.when(pl.col("bid_quantity") == 0)
            .then(0)
            .otherwise(
                pl.min_horizontal(pl.col("bids_above") + pl.col("demand"), pl.col("asks_below") + pl.col("supply"))
            )
        )
        .select(
            "market",
            low="price",
            demand="demand",
            supply="supply",
            bid_left=pl.col("volume") - pl.col("bids_above"),
            ask_left=pl.col("volume") - pl.col("asks_below"),
            trades=pl.col("volume") > 0,
        )
    )
    placed = rows.join(levels, on="market", how="left", maintain_order="left")
    left, total = (
        pl.when(_BID).then(pl.col(bid)).otherwise(pl.col(ask))
        for bid, ask in (("bid_left", "ask_left"), ("demand", "supply"))
    )
    level = (
        placed.filter((pl.col("price") == pl.col("low")) & pl.col("trades"))
        .with_columns(left=left, total=total)
        .with_columns(
            share=pl.col("left") * pl.col("quantity") // pl.col("total"),
            remainder=pl.col("left") * pl.col("quantity") % pl.col("total"),
        )
        .sort("market", "side", "remainder", "row", descending=[False, False, True, False])
        .with_columns(
            over=pl.col("left") - pl.col("share").sum().over("market", "side"),
            rank=pl.int_range(1, pl.len() + 1).over("market", "side"),
        )
        .select("row", share=pl.col("share") + (pl.col("rank") <= pl.col("over")))
    )
    off_level = ((pl.col("price") > pl.col("low")) & _BID) | ((pl.col("price") < pl.col("low")) & ~_BID)
    return (
        placed.join(level, on="row", how="left", maintain_order="left")
        .select(
            filled=pl.when(pl.col("share").is_not_null())
            .then(pl.col("share"))
            .when(off_level & pl.col("trades"))
            .then(pl.col("quantity"))
            .otherwise(0)
        )
        .collect()
    )
