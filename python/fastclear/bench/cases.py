"""What is measured: each case makes its orders, lets every contestant clear them, compares the results, and races them.

``fastclear`` is the clearing of a case through Python, on one thread, with fills into an array that is there already;
contestants whose names begin with it differ from that as they say.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
import polars as pl

import fastclear as fc
from fastclear.bench import memory, numpy_clearing, polars_clearing, settlement_cases, workloads
from fastclear.bench.timing import Call, Contest

PRICES: Final = ("narrow", "wide")
DISTRIBUTIONS: Final = (
    "sorted",
    "pareto",
    "whale",
    "apart",
    "one_sided",
    "concatenated",
    "periodic",
    "two_prices",
)
SMALL_MARKET: Final = 50
"""Orders of a small market: a slot of a small community."""
KNOWS_FILLS: Final = "fills" in inspect.signature(fc.clear).parameters
"""Whether :func:`fastclear.clear` can be asked for price and volume only."""

_clear: Any = fc.clear  # its overloads cannot be handed to `partial`


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes
    ----------
    orders : tuple of int
        Sizes of the one market.
    distributions, one_price : int
        Size of the markets of odd distributions, and of the one where all orders name one price.
    markets : int
        How many small markets are cleared in one call.
    rounds, slow_rounds : int
        Rounds, and rounds of contestants that take half a second and longer.
    """

    orders: tuple[int, ...]
    distributions: int
    one_price: int
    markets: int
    rounds: int = 7
    slow_rounds: int = 3

    @classmethod
    def up_to(cls, orders: tuple[int, ...], rounds: int = 7, slow_rounds: int = 3) -> Plan:
        """Everything that fits the largest of these sizes."""
        most = max(orders)
        return cls(
            tuple(sorted(set(orders))),
            distributions=min(most, 4_000_000),
            one_price=min(most, 1_000_000),
            markets=max(1, min(most // SMALL_MARKET, 100_000)),
            rounds=rounds,
            slow_rounds=slow_rounds,
        )


@dataclass(frozen=True)
class Case:
    """One row of the table.

    Attributes
    ----------
    name : str
        What is cleared.
    n : int
        Number of orders.
    races : callable
        Makes the contests.
    sorts : bool
        Whether a yardstick in it depends on how numpy sorts: it is then measured in both settings of numpy.
    """

    name: str
    n: int
    races: Callable[[], list[Contest]]
    sorts: bool = True


SLOTS: Final = (10, 50)
"""Orders of a market where the markets of a slot are settled."""


def cases(plan: Plan) -> Iterator[Case]:
    """Every case of a plan, in the order of the table."""
    most = plan.orders[-1]
    for kind in PRICES:
        for n in plan.orders:
            yield Case(f"book {kind}", n, partial(uniform, n, kind))
    for kind in PRICES:
        for n in plan.orders:
            if n == most or n >= 1_000_000:
                yield Case(f"timed {kind}", n, partial(by_time, n, kind))
    for kind in DISTRIBUTIONS:
        yield Case(kind.replace("_", " "), plan.distributions, partial(distribution, plan.distributions, kind), False)
    yield Case("one price", plan.one_price, partial(one_price, plan.one_price), False)
    for kind in PRICES:
        for n in plan.orders:
            if n == most or n >= 100_000:
                yield Case(f"trades {kind}", n, partial(trades, n, kind))
    for rows in ("many", "mixed"):
        for kind in PRICES:
            races = partial(many, plan.markets, kind, by_market=rows == "many")
            yield Case(f"{rows} {kind}", plan.markets * SMALL_MARKET, races)
    yield Case("call", SMALL_MARKET, border, False)
    for where, accounts in accounts_of(plan).items():
        yield Case(f"postings {where}", most, partial(settlement_cases.postings, most, accounts), False)
        yield Case(f"netting {where}", most, partial(settlement_cases.netting, most, accounts), False)
    for mean in SLOTS:
        yield Case(f"slot of {mean}", plan.markets * mean, partial(settlement_cases.slot, plan.markets, mean), False)
    few = min(most, 100_000)
    yield Case("transfers", few, partial(settlement_cases.with_ids, few, max(2, few // 10)), False)
    yield Case("kept", few, partial(settlement_cases.kept, few, max(2, few // 10)), False)
    many_kinds = min(most, 1_000_000)
    yield Case("kinds", many_kinds, partial(settlement_cases.every_kind, many_kinds, max(2, many_kinds // 10)), False)


def accounts_of(plan: Plan) -> dict[str, int]:
    """How many accounts postings go between: as many as the second cache holds, and as there are postings."""
    most = plan.orders[-1]
    return {"near": max(2, most // 100), "far": most}


def peaks(plan: Plan) -> Iterator[tuple[str, int]]:
    """Kind and size of the markets whose memory is measured, each in a process of its own."""
    if memory.can_measure():
        for kind in PRICES:
            yield kind, plan.orders[-1]


# ------------------------------------------------------------------------------------------------- the same answer


def _same(ours: fc.Clearing, theirs: numpy_clearing.Result, who: str) -> None:
    columns = ours.market_columns
    expected = {"low": "price_low", "high": "price_high", "price": "price", "volume": "volume", "welfare": "welfare"}
    for name, column in expected.items():
        if not np.array_equal(np.atleast_1d(getattr(theirs, name)), columns[column]):
            raise AssertionError(f"{who} and fastclear differ in {name}")
    _equal(ours.filled, theirs.filled, who)


def _equal(ours: Any, theirs: Any, who: str, what: str = "a fill") -> None:
    if not np.array_equal(ours, theirs):
        raise AssertionError(f"{who} and fastclear differ in {what}")


def _price_only(columns: workloads.Columns, clearing: fc.Clearing) -> dict[str, Call]:
    """The contestant that computes price and volume and no fill, where it can be asked for."""
    if not KNOWS_FILLS:
        return {}
    call = partial(_clear, columns, fc.Uniform(), threads=1, fills=False)
    outcome = call().market_columns
    for name in ("price", "volume"):
        _equal(outcome[name], clearing.market_columns[name], "fills=False", name)
    return {"fastclear price": call}


# ------------------------------------------------------------------------------------------------- one market


def uniform(n: int, kind: str) -> list[Contest]:
    """One market: all work of a uniform clearing."""
    columns = workloads.book(n, kind)
    out, theirs = np.empty(n, np.int64), np.empty(n, np.int64)
    mechanism = fc.Uniform()
    clearing = fc.clear(columns, mechanism, threads=1)
    calls: dict[str, Call] = {
        "fastclear": partial(_clear, columns, mechanism, threads=1, out=out),
        "fastclear frame": lambda: fc.clear(columns, mechanism, threads=1).fills,
        **_price_only(columns, clearing),
        "np.sort": partial(np.sort, columns["price"]),
        "np.argsort": partial(np.argsort, columns["price"]),
        "np.copyto": partial(np.copyto, theirs, columns["quantity"]),
    }
    for name, call in (
        ("numpy usual", numpy_clearing.uniform_usual),
        ("numpy sort", numpy_clearing.uniform_sorted),
        ("numpy sample", numpy_clearing.uniform),
    ):
        calls[name] = partial(call, columns, theirs)
        _same(clearing, call(columns, theirs), name)
    frame = pl.DataFrame(columns)
    _equal(polars_clearing.one_market(frame)["filled"].to_numpy(), clearing.filled, "polars")
    by_wall: dict[str, Call] = {"fastclear": calls["fastclear"], "polars": partial(polars_clearing.one_market, frame)}
    return [Contest.of(calls, n), Contest.of(by_wall, n, "wall")]


def by_time(n: int, kind: str) -> list[Contest]:
    """One market whose orders came at different times and in no order; the marginal level is served by time."""
    columns = workloads.timed(workloads.book(n, kind))
    out, theirs = np.empty(n, np.int64), np.empty(n, np.int64)
    mechanism = fc.Uniform(rationing="time")
    clearing = fc.clear(columns, mechanism, threads=1)
    expected = numpy_clearing.by_time(columns, numpy_clearing.uniform(columns, theirs))
    _equal(expected, clearing.filled, "numpy")
    calls: dict[str, Call] = {
        "fastclear": partial(_clear, columns, mechanism, threads=1, out=out),
        "np.sort": partial(np.sort, columns["price"]),
        "np.copyto": partial(np.copyto, theirs, columns["quantity"]),
    }
    return [Contest.of(calls, n)]


def distribution(n: int, kind: str) -> list[Contest]:
    """One market as no selection likes it."""
    columns = workloads.book(n, kind)
    out, theirs = np.empty(n, np.int64), np.empty(n, np.int64)
    mechanism = fc.Uniform()
    _same(fc.clear(columns, mechanism, threads=1), numpy_clearing.uniform(columns, theirs), "numpy")
    calls: dict[str, Call] = {
        "fastclear": partial(_clear, columns, mechanism, threads=1, out=out),
        "np.copyto": partial(np.copyto, theirs, columns["quantity"]),
    }
    return [Contest.of(calls, n)]


def one_price(n: int) -> list[Contest]:
    """One market where all orders name one price, so that one side of it is rationed."""
    columns = workloads.timed(workloads.book(n, "one_price"))
    columns_in_order = {name: columns[name] for name in ("side", "price", "quantity")}
    out, theirs = np.empty(n, np.int64), np.empty(n, np.int64)
    result = numpy_clearing.uniform(columns_in_order, theirs)
    _same(fc.clear(columns_in_order, fc.Uniform(), threads=1), result, "numpy")
    first_come = fc.Uniform(rationing="time")
    _equal(fc.clear(columns, first_come, threads=1).filled, numpy_clearing.by_time(columns, result), "numpy")
    calls: dict[str, Call] = {
        "fastclear": partial(_clear, columns_in_order, fc.Uniform(), threads=1, out=out),
        "fastclear by time": partial(_clear, columns, first_come, threads=1, out=out),
        "numpy usual": partial(numpy_clearing.uniform_usual, columns_in_order, theirs),
        "np.copyto": partial(np.copyto, theirs, columns["quantity"]),
    }
    return [Contest.of(calls, n)]


def trades(n: int, kind: str) -> list[Contest]:
    """One market at discriminatory prices: the list of trades."""
    columns = workloads.book(n, kind)
    out, theirs = np.empty(n, np.int64), np.empty(n, np.int64)
    mechanism = fc.Discriminatory()

    def ours() -> Mapping[str, Any]:
        return fc.clear(columns, mechanism, threads=1, out=out).trade_columns

    expected = ours()
    found = numpy_clearing.discriminatory(columns, theirs)
    for name, column in zip(("buy_row", "sell_row", "quantity", "sell_price"), found, strict=True):
        _equal(column, expected[name], "numpy", f"{name} of a trade")
    del expected, found
    calls: dict[str, Call] = {
        "fastclear": ours,
        "numpy sample": partial(numpy_clearing.discriminatory, columns, theirs),
        "np.sort": partial(np.sort, columns["price"]),
        "np.argsort": partial(np.argsort, columns["price"]),
        "np.copyto": partial(np.copyto, theirs, columns["quantity"]),
    }
    return [Contest.of(calls, n)]


# ------------------------------------------------------------------------------------------------- many markets


def many(markets: int, kind: str, *, by_market: bool) -> list[Contest]:
    """Many small markets in one call, rows sorted by market or shuffled; on two threads by the clock on the wall."""
    columns = workloads.many_markets(markets, kind, mean=SMALL_MARKET, by_market=by_market)
    n = len(columns["side"])
    out, theirs = np.empty(n, np.int64), np.empty(n, np.int64)
    mechanism = fc.Uniform()
    clearing = fc.clear(columns, mechanism, threads=1)
    baseline = numpy_clearing.many_sorted if by_market else numpy_clearing.many_unsorted
    _same(clearing, baseline(columns, theirs), "numpy")
    ours: Call = partial(_clear, columns, mechanism, threads=1, out=out)
    calls: dict[str, Call] = {
        "fastclear": ours,
        "numpy sort": partial(baseline, columns, theirs),
        "np.sort": partial(np.sort, columns["price"]),
        "np.argsort": partial(np.argsort, columns["market"]),
        "np.copyto": partial(np.copyto, theirs, columns["quantity"]),
    }
    by_wall: dict[str, Call] = {"fastclear": ours}
    if by_market:  # it groups by hash: in which order rows come makes little difference
        frame = pl.DataFrame(columns)
        _equal(polars_clearing.many_markets(frame)["filled"].to_numpy(), clearing.filled, "polars")
        by_wall["polars"] = partial(polars_clearing.many_markets, frame)
    if (os.cpu_count() or 1) > 1:
        by_wall["fastclear two threads"] = partial(_clear, columns, mechanism, threads=2, out=out)
    return [Contest.of(calls, n), Contest.of(by_wall, n, "wall")]


# ------------------------------------------------------------------------------------------------- small calls


def border() -> list[Contest]:
    """What a call costs beside its clearing; nanoseconds a call, and of the kernel a market of the same size."""
    columns, mechanism = workloads.book(SMALL_MARKET), fc.Uniform()
    out, theirs = np.empty(SMALL_MARKET, np.int64), np.empty(SMALL_MARKET, np.int64)
    _same(fc.clear(columns, mechanism), numpy_clearing.uniform_usual(columns, theirs), "numpy")
    frame = pl.DataFrame(columns)
    # Small enough to stay in the cache, as one market does: what is left is the kernel's own time.
    kernel_markets = 200
    side_by_side = {name: np.tile(column, kernel_markets) for name, column in columns.items()}
    side_by_side["market"] = np.repeat(np.arange(kernel_markets), SMALL_MARKET)
    for column in side_by_side.values():
        column.flags.writeable = False
    wide_out = np.empty(len(side_by_side["side"]), np.int64)
    calls: dict[str, Call] = {
        "fastclear": partial(_clear, columns, mechanism, out=out),
        "fastclear fresh": partial(_clear, columns, mechanism),
        "fastclear frame in": partial(_clear, frame, mechanism, out=out),
        "fastclear frames": lambda: fc.clear(frame, mechanism).fills,
        "fastclear kernel": partial(_clear, side_by_side, mechanism, threads=1, out=wide_out),
        "numpy usual": partial(numpy_clearing.uniform_usual, columns, theirs),
    }
    per = dict.fromkeys(calls, 1) | {"fastclear kernel": kernel_markets}
    return [Contest(calls, per)]
