"""Bars of trades: open, high, low, close, volume, over time or over numbers of trades or lots."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final, Literal

import numpy as np
import polars as pl

from fastclear.errors import SchemaError
from fastclear.orders.column import array_or_series
from fastclear.orders.flaws import Flaws
from fastclear.orders.frames import items
from fastclear.orders.times import nanoseconds

_NANOSECONDS: Final = {
    "ns": 1,
    "us": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
    "d": 86400 * 10**9,
    "w": 7 * 86400 * 10**9,
}
_MOST: Final = 2**62
_NUMBER_MAX: Final = 2**31 - 1
_BARS_MOST: Final = 10**7


def bars(
    trades: object,
    *,
    every: int | str | timedelta | None = None,
    trades_each: int | None = None,
    volume_each: int | None = None,
    gaps: Literal["skip", "carry"] = "skip",
) -> pl.DataFrame:
    """Trades as bars, market by market.

    Parameters
    ----------
    trades : frame or mapping of columns
        ``market`` (optional), ``price`` (ticks), ``quantity`` (lots) and, for bars over time, ``time`` (ns, or
        datetimes with a zone), in the order in which they happened: :attr:`BookEvents.tape`, or several of them one
        below the other.
    every : int, str or timedelta, optional
        Length of a bar: nanoseconds, or text such as ``"15m"`` (ns, us, ms, s, m, h, d, w). A bar is ``start`` ≤ time <
        ``start + every``, and starts are multiples of ``every`` since 1970 UTC.
    trades_each : int, optional
        Trades a bar; the last one of a market may have fewer.
    volume_each : int, optional
        Lots a bar. No trade is cut: a bar has the trades whose first lot is among its lots, counted over the market's
        trades, so that bars neither drift nor depend on where others end.
    gaps : {"skip", "carry"}
        What a time without trades between two bars of a market is: no row, or a row with the close before as all four
        prices and no volume.

    Returns
    -------
    polars.DataFrame
        ``market``; ``start`` (ns) of bars over time, else ``bar`` (number within the market, from 0); ``open``,
        ``high``, ``low``, ``close`` (ticks); ``volume`` (lots); ``turnover`` (Int128: the sum of price times quantity,
        exact; the volume-weighted mean price is exactly ``turnover / volume``); ``vwap`` (ticks, rounded down; null
        without volume); ``trades``. Markets in the order of their first trade, bars in order.

    Raises
    ------
    SchemaError
        Not exactly one of the three lengths, columns that cannot be read, times that go back within a market, or gaps
        of more than ten million bars.

    Examples
    --------
    >>> import fastclear as fc
    >>> tape = {"time": [0, 5, 30], "price": [10, 13, 12], "quantity": [2, 1, 4]}
    >>> fc.bars(tape, every=15, gaps="carry").drop("market", "trades").rows()
    [(0, 10, 13, 10, 13, 3, 33, 11), (15, 13, 13, 13, 13, 0, 0, None), (30, 12, 12, 12, 12, 4, 48, 12)]
    >>> fc.bars(tape, volume_each=3)["bar", "open", "close", "volume"].rows()
    [(0, 10, 13, 3), (1, 12, 12, 4)]
    """
    if sum(length is not None for length in (every, trades_each, volume_each)) != 1:
        raise SchemaError("give exactly one of every, trades_each and volume_each")
    if gaps not in ("skip", "carry") or (gaps == "carry" and every is None):
        raise SchemaError(f'gaps={gaps!r}; give "skip", or "carry" for bars over time')
    frame = _read(trades, needs_time=every is not None)
    span = None if every is None else _span(every)
    if span is not None:
        frame = frame.with_columns(bar=pl.col("time") // span)
    elif trades_each is not None:
        each = _count("trades_each", trades_each)
        frame = frame.with_columns(bar=pl.int_range(pl.len()).over("market") // each)
    else:
        each = _count("volume_each", volume_each)
        before = pl.col("quantity").cum_sum().over("market") - pl.col("quantity")
        frame = frame.with_columns(bar=before // each)
    price, quantity = pl.col("price"), pl.col("quantity")
    found = (
        frame.group_by("market", "bar", maintain_order=True)
        .agg(
            open=price.first(),
            high=price.max(),
            low=price.min(),
            close=price.last(),
            volume=quantity.sum(),
            turnover=(price * quantity).cast(pl.Int128).sum(),  # one product fits into 64 bits, their sum may not
            trades=pl.len().cast(pl.Int64),
        )
        .with_row_index("row")
        .sort(pl.col("row").min().over("market"), "bar")
    )
    if gaps == "carry":
        found = _carried(found)
    mean = pl.col("turnover") // pl.col("volume").clip(1).cast(pl.Int128)
    found = found.with_columns(vwap=pl.when(pl.col("volume") > 0).then(mean.cast(pl.Int64)))
    if span is not None:
        return found.select("market", (pl.col("bar") * span).alias("start"), *_FIGURES)
    return found.select("market", pl.int_range(pl.len()).over("market").alias("bar"), *_FIGURES)


def _carried(found: pl.DataFrame) -> pl.DataFrame:
    """The bars with those between them that have no trades."""
    bar = found["bar"].to_numpy()
    last = (found["market"] != found["market"].shift(-1)).fill_null(value=True).to_numpy()
    steps = np.where(last, 1, np.append(bar[1:], 0) - bar)
    if len(steps) and (steps.min() < 1 or steps.sum(dtype=np.float64) > _BARS_MOST):
        raise SchemaError(f'more than {_BARS_MOST:,} bars without trades; give longer bars, or gaps="skip"')
    rows = np.repeat(np.arange(len(steps)), steps)
    beyond = np.arange(len(rows)) - np.repeat(np.cumsum(steps) - steps, steps)
    empty = pl.Series(beyond > 0)
    prices = [pl.when(empty).then("close").otherwise(name).alias(name) for name in ("open", "high", "low")]
    sums = [pl.when(empty).then(0).otherwise(name).cast(found[name].dtype).alias(name) for name in _SUMS]
    return found[rows].with_columns(pl.col("bar") + pl.Series(beyond), *prices, *sums)


def _read(trades: object, *, needs_time: bool) -> pl.DataFrame:
    given = {name: array_or_series(name, column) for name, column in items(trades, "trades")}
    for name in ("price", "quantity", *(("time",) if needs_time else ())):
        if name not in given:
            raise SchemaError(f"column '{name}' of the trades is missing", column=name)
    n = len(given["price"])
    columns = {"market": given.get("market", np.zeros(n, np.int64))}
    columns |= {name: given[name] for name in ("price", "quantity")}
    for name, low in (("price", -_NUMBER_MAX), ("quantity", 1)):
        series = pl.Series(name, columns[name])
        if len(series) and (series.null_count() or not series.dtype.is_integer()):
            raise SchemaError(f"column '{name}' of the trades has nulls or no integers", column=name)
        out = ~series.is_between(low, _NUMBER_MAX).to_numpy() if len(series) else np.zeros(0, bool)
        if out.any():
            row = int(out.argmax())
            raise SchemaError(f"column '{name}', row {row}: {series[row]} is out of range", column=name, row=row)
        columns[name] = series.cast(pl.Int64)
    if needs_time:
        flaws = Flaws(len(given["time"]))
        columns["time"] = nanoseconds(given["time"], flaws)
        if flaws.codes is not None or (np.abs(columns["time"]) > _MOST).any():
            raise SchemaError("column 'time' of the trades has nulls, or times 140 years from 1970", column="time")
    for name, column in columns.items():
        if len(column) != n:
            raise SchemaError(f"column '{name}' has {len(column)} rows and 'price' has {n}", column=name)
    frame = pl.DataFrame(columns)
    if frame["market"].null_count():
        raise SchemaError("column 'market' of the trades has nulls", column="market")
    if needs_time:
        back = frame.select((pl.col("time").diff() < 0).over("market")).to_series().fill_null(value=False)
        if back.any():
            row = int(back.arg_max() or 0)
            raise SchemaError(
                f"column 'time', row {row}: before the trade above it; sort by time", column="time", row=row
            )
    return frame


def _count(name: str, number: object) -> int:
    if isinstance(number, bool) or not isinstance(number, int | np.integer) or not 1 <= number <= _MOST:
        raise SchemaError(f"{name}={number!r}; give a whole number of 1 or more")
    return int(number)


def _span(every: object) -> int:
    """Nanoseconds of a bar."""
    if isinstance(every, timedelta):
        every = ((every.days * 86400 + every.seconds) * 10**6 + every.microseconds) * 1000
    if isinstance(every, str):
        found = re.fullmatch(r"([0-9]{1,18})(ns|us|ms|s|m|h|d|w)", every)
        if found is None:
            raise SchemaError(f'every={every!r} is no length of time; give such as "15m" (ns, us, ms, s, m, h, d, w)')
        every = int(found[1]) * _NANOSECONDS[found[2]]
    return _count("every", every)


_SUMS: Final = ("volume", "turnover", "trades")
_FIGURES: Final = ("open", "high", "low", "close", "volume", "turnover", "vwap", "trades")
