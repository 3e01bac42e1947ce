"""Uniform clearing in polars expressions: the best alternative to numpy for somebody who keeps orders in frames.

The same work as `numpy_clearing.uniform`, fills by largest remainder included. polars uses every core it may, so it is
compared by wall clock.
"""

from __future__ import annotations

import polars as pl

_BID = pl.col("side") == 1


def uniform(orders: pl.DataFrame) -> pl.DataFrame:
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
