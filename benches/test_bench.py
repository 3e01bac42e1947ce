"""Benchmarks through the Python API, for pytest-benchmark: ``pytest benches``.

With ``--benchmark-disable`` every one runs once, as a test. Each says what it is for and what its cost should follow.
"""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

import fastclear as fc
from fastclear import testing
from fastclear.bench import workloads

pytest.importorskip("pytest_benchmark")

N = 1_000_000
PEOPLE = 60


@pytest.mark.parametrize("kind", ["narrow", "wide"])
def test_uniform(benchmark: Any, kind: str) -> None:
    """The core case: one market of 10^6 orders, fills into a reused array. Cost: columns read, fills written."""
    columns, out = workloads.book(N, kind), np.empty(N, np.int64)
    clearing = benchmark(partial(fc.clear, columns, fc.Uniform(), threads=1, out=out))
    side = columns["side"].view(bool)
    assert out[side].sum() == out[~side].sum() == clearing.market_columns["volume"][0] > 0


def test_by_time(benchmark: Any) -> None:
    """The core case with a shuffled column of times. Cost: as without, and a sort of the marginal level."""
    columns, out = workloads.timed(workloads.book(N)), np.empty(N, np.int64)
    mechanism = fc.Uniform(rationing="time")
    clearing = benchmark(partial(fc.clear, columns, mechanism, threads=1, out=out))
    assert out.sum() == 2 * clearing.market_columns["volume"][0] > 0


@pytest.mark.parametrize("kind", ["narrow", "wide"])
def test_discriminatory(benchmark: Any, kind: str) -> None:
    """Trades of 10^6 orders. Cost: a sort of the winning half, then a merge of two lists."""
    columns, mechanism = workloads.book(N, kind), fc.Discriminatory()
    trades = benchmark(lambda: fc.clear(columns, mechanism, threads=1).trade_columns)
    assert (trades["quantity"] > 0).all()
    assert (trades["buy_price"] == trades["sell_price"]).all()


@pytest.mark.parametrize("rows", ["sorted", "shuffled"])
def test_many_markets(benchmark: Any, rows: str) -> None:
    """10^5 markets of about 50 orders in one call. Cost: linear in rows; shuffled rows are gathered and scattered."""
    columns = workloads.many_markets(100_000, by_market=rows == "sorted")
    clearing = benchmark(partial(fc.clear, columns, fc.Uniform()))
    assert len(clearing.market_columns["market"]) == 100_000


def test_small_call(benchmark: Any) -> None:
    """One slot of a small community, as an agent-based simulation calls it: 50 orders. Cost: the border alone."""
    columns, mechanism = workloads.book(50), fc.Uniform()
    clearing = benchmark(lambda: fc.clear(columns, mechanism))
    assert len(clearing.filled) == 50


@pytest.mark.parametrize("library", ["polars", "pandas", "pyarrow"])
def test_frames_in(benchmark: Any, library: str) -> None:
    """A frame instead of arrays. Cost: that of the arrays, since integer columns are taken without a copy."""
    frame = pl.DataFrame(workloads.book(N))
    orders = {"polars": lambda: frame, "pandas": frame.to_pandas, "pyarrow": frame.to_arrow}[library]()
    clearing = benchmark(partial(fc.clear, orders, fc.Uniform()))
    assert len(clearing) == N


def test_frames_out(benchmark: Any) -> None:
    """Markets, fills and trades of 10^5 orders as polars frames. Cost: sorting winners; frames alias their arrays."""
    columns = workloads.book(100_000)

    def frames() -> tuple[int, ...]:
        clearing = fc.clear(columns, fc.Uniform())
        return len(clearing.markets), len(clearing.fills), len(clearing.trades)

    assert benchmark(frames)[:2] == (1, 100_000)


def _house() -> tuple[fc.Settlement, pl.DataFrame]:
    names = [f"home-{i:02}" for i in range(PEOPLE)]
    bank = fc.Settlement(tariff=fc.Tariff(300_000, 80_000, 2_000, 3_000, 190_000))
    bank.open(names)
    bank.deposit(names, 10**15)
    bank.receipts()
    columns = testing.random_orders(PEOPLE, seed=1, distribution="community")
    frame = pl.DataFrame({name: columns[name] for name in ("side", "price", "quantity", "order")})
    return bank, frame.with_columns(participant=pl.Series(names))


def test_settle_slot(benchmark: Any) -> None:
    """One slot of 60 homes from reservation to the last imbalance line. Cost: postings, under a microsecond each."""
    bank, orders = _house()
    meter = {"participant": orders["participant"], "energy_wh": np.full(PEOPLE, 500)}
    clearing = fc.clear(orders, fc.Uniform())

    def slot() -> int:
        bank.reserve(orders)
        # A clearing can be settled once; this is one of the same content.
        again = SimpleNamespace(orders=clearing.orders, trade_columns=clearing.trade_columns)
        return len(bank.settle(again, meter=meter))

    assert benchmark(slot) > PEOPLE


def test_seal_slot(benchmark: Any) -> None:
    """A block of one slot in memory. Cost: two compressions of SHA-256 a leaf, one a node of its trees."""
    _, orders = _house()
    clearing = fc.clear(orders, fc.Uniform())
    clearing.trade_columns  # noqa: B018, built before the clock starts
    ledger = fc.Ledger(seed=1)
    block = benchmark(lambda: ledger.seal(clearing, slot=0))
    assert block.orders == PEOPLE
