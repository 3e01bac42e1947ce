"""What is aimed at, for narrow prices (few ticks) and wide ones, and what a run reached."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import Final

from fastclear.bench.cases import DISTRIBUTIONS, PRICES, SLOTS, SMALL_MARKET, Plan, accounts_of
from fastclear.bench.runner import Measured

_COPIES, _FASTER, _LIMITS = (f"\N{MULTIPLICATION SIGN} {what}" for what in ("np.copyto", "faster", "limit"))

STREAM_OF_MARKETS: Final = 29 / 21
"""The least that one market needs is to read 13 bytes an order and to write 8; a copy of one int64 column, which stands
for it here, is somewhat quicker than a loop that does just that (`cargo bench --bench auction limit`). Many markets
read 8 bytes more, their ids."""


def size(n: int) -> str:
    """A round number of orders in short.

    Examples
    --------
    >>> [size(n) for n in (50, 10_000, 4_000_000, 1_250)]
    ['50', '10k', '4M', '1,250']
    """
    for unit, name in ((1_000_000, "M"), (1_000, "k")):
        if n >= unit and n % unit == 0:
            return f"{n // unit}{name}"
    return f"{n:,}"


@dataclass(frozen=True)
class Aim:
    """One number: what was reached, and the goal if there is one."""

    reached: float
    bound: float | None = None
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether the goal is reached, or there is none."""
        if self.bound is None:
            return True
        return self.reached >= self.bound if self.at_least else self.reached <= self.bound


@dataclass(frozen=True)
class Goal:
    """One line: what is measured, in which unit, for narrow and for wide prices (None where it was not measured)."""

    what: str
    unit: str
    narrow: Aim | None
    wide: Aim | None

    @property
    def met(self) -> bool:
        """Whether all goals of the line are reached."""
        return all(aim.met for aim in (self.narrow, self.wide) if aim is not None)


Bounds = tuple[float | None, float | None]
"""For narrow and wide prices."""


def _both(what: str, unit: str, value: Value, bounds: Bounds, *, at_least: bool = False) -> Iterator[Goal]:
    aims: list[Aim | None] = []
    for kind, bound in zip(PRICES, bounds, strict=True):
        reached = value(kind)
        aims.append(None if reached is None else Aim(reached, bound, at_least))
    if any(aim is not None for aim in aims):
        yield Goal(what, unit, aims[0], aims[1])


def _one(what: str, unit: str, reached: float | None, bound: float | None, kind: str = "wide") -> Iterator[Goal]:
    if reached is not None:
        aim = Aim(reached, bound)
        yield Goal(what, unit, aim if kind == "narrow" else None, aim if kind == "wide" else None)


Value = Callable[[str], float | None]
"""What was reached for narrow or wide prices."""


def _share(run: Measured, case: str, n: int, who: str, than: str, clock: str = "cpu") -> Value:
    """The time of one contestant as a part of another's."""
    return lambda kind: run.ratio(f"{case} {kind}", n, who, than, clock)


def _times(run: Measured, n: int, than: str, clock: str = "cpu") -> Value:
    """How many times as long another contestant takes for one market."""

    def times(kind: str) -> float | None:
        share = run.ratio(f"book {kind}", n, "fastclear", than, clock)
        return None if share is None else 1 / share

    return times


_LARGE: Final = 1_000_000
"""Orders from which what a call costs anyhow does not matter."""
_MANY: Final = 100_000
"""Markets from which a slot is judged."""
_SHARE_OF_SORT: Final[dict[int, tuple[float, float]]] = {
    10_000: (0.60, 0.60),
    1_000_000: (0.45, 0.25),
    10_000_000: (0.50, 0.22),
}
_TRADES: Final[dict[int, Bounds]] = {10_000_000: (0.17, 0.23)}


def goals(plan: Plan, run: Measured) -> list[Goal]:
    """Every goal that the sizes of a plan allow to judge, and some figures beside them."""
    markets = [*_one_market(plan, run), *_trades(plan, run), *_markets(plan, run)]
    return [*markets, *_calls(run), *_settlement(plan, run), *_growth(plan, run)]


def _one_market(plan: Plan, run: Measured) -> Iterator[Goal]:
    for n in plan.orders:
        if n in _SHARE_OF_SORT:
            filled = _share(run, "book", n, "fastclear", "np.sort")
            yield from _both(f"{size(n)} orders, fills into out=", "of np.sort", filled, _SHARE_OF_SORT[n])
    for n in plan.orders:
        if n >= _LARGE:
            yield from _big_market(n, run)
    large = plan.distributions >= _LARGE
    for kind in DISTRIBUTIONS:
        name = kind.replace("_", " ")
        n = plan.distributions
        reached = run.ratio(name, n, "fastclear", "np.copyto")
        prices = "narrow" if kind == "two_prices" else "wide"
        yield from _one(f"{size(n)} orders, {name}", _COPIES, reached, 6 if large else None, prices)
    n = plan.one_price
    large = n >= _LARGE
    pro_rata = run.nanoseconds("one price", n)
    by_time = run.nanoseconds("one price", n, "fastclear by time")
    yield from _one(f"{size(n)} orders, one price", "ns/order", pro_rata, 10 if large else None, "narrow")
    yield from _one(f"{size(n)} orders, one price, by time", "ns/order", by_time, 20 if large else None, "narrow")


def _big_market(n: int, run: Measured) -> Iterator[Goal]:
    """Everything that is aimed at from a million orders up."""
    largest = n >= 10_000_000

    market = f"{size(n)} orders"
    frame_bounds: Bounds = (0.95, 0.45) if largest else (None, None)
    price_bounds: Bounds = (0.30, 0.13)
    yield from _both(
        f"{market}, fresh .fills frame",
        "of np.sort",
        _share(run, "book", n, "fastclear frame", "np.sort"),
        frame_bounds,
    )
    yield from _both(
        f"{market}, price and volume only",
        "of np.sort",
        _share(run, "book", n, "fastclear price", "np.sort"),
        price_bounds,
    )
    yield from _both(
        f"{market}, fills into out=", _COPIES, _share(run, "book", n, "fastclear", "np.copyto"), (2.5, 2.5)
    )
    if n in _SHARE_OF_SORT:
        narrow, wide = _SHARE_OF_SORT[n]
        twice: Bounds = (2 * narrow, 2 * wide)
        yield from _both(f"{market}, by time", "of np.sort", _share(run, "timed", n, "fastclear", "np.sort"), twice)
    yield from _both(f"{market}, by time", _COPIES, _share(run, "timed", n, "fastclear", "np.copyto"), (5, 5))
    for name, words in (
        ("numpy usual", "numpy, usual"),
        ("numpy sort", "numpy, tuned"),
        ("numpy sample", "numpy, sample"),
    ):
        yield from _both(f"{market}, {words}", _FASTER, _times(run, n, name), (50, 50), at_least=True)
    polars = _times(run, n, "polars", "wall")
    yield from _both(f"{market}, polars, wall", _FASTER, polars, (20, 20), at_least=True)


def _trades(plan: Plan, run: Measured) -> Iterator[Goal]:
    for n in plan.orders:
        yield from _both(
            f"{size(n)} orders, trade list",
            "of np.argsort",
            _share(run, "trades", n, "fastclear", "np.argsort"),
            _TRADES.get(n, (None, None)),
        )


def _markets(plan: Plan, run: Measured) -> Iterator[Goal]:
    n = plan.markets * SMALL_MARKET
    markets = f"{size(plan.markets)} markets"
    goal = plan.markets >= 100_000

    def of_limit(kind: str) -> float | None:
        share = run.ratio(f"many {kind}", n, "fastclear", "np.copyto")
        return None if share is None else share / STREAM_OF_MARKETS

    yield from _both(f"{markets}, many", _LIMITS, of_limit, (6, 6) if goal else (None, None))
    yield from _both(
        f"{markets}, mixed",
        "of argsort(id)",
        _share(run, "mixed", n, "fastclear", "np.argsort"),
        (0.28, 0.28) if goal else (None, None),
    )
    for rows in ("many", "mixed"):
        yield from _both(
            f"{markets}, {rows}, two threads",
            "of one",
            _share(run, rows, n, "fastclear two threads", "fastclear", "wall"),
            (0.60, 0.60) if goal else (None, None),
        )


def _calls(run: Measured) -> Iterator[Goal]:
    rows = run.rows("call", SMALL_MARKET)
    if not rows:
        return
    taken = rows[0]["cpu"]

    def above(who: str) -> float:
        return float(median(a - b for a, b in zip(taken[who], taken["fastclear kernel"], strict=True))) / 1_000

    call = f"call of {SMALL_MARKET}"
    yield from _one(f"{call}, out=, above the kernel", "µs", above("fastclear"), 3, "narrow")
    yield from _one(f"{call}, frame in, above the kernel", "µs", above("fastclear frame in"), 25, "narrow")
    yield from _one(f"{call}, in all", "µs", median(taken["fastclear fresh"]) / 1_000, 20, "narrow")
    yield from _one(
        f"{call}, frame in, .fills out, in all", "µs", median(taken["fastclear frames"]) / 1_000, None, "narrow"
    )


def _settlement(plan: Plan, run: Measured) -> Iterator[Goal]:
    """Transfers and netting: prices play no part, so that figures stand under the first kind."""
    n = plan.orders[-1]
    judged = n >= 10_000_000
    for (where, accounts), bounds in zip(accounts_of(plan).items(), ((4.5, 4.0), (30.0, 30.0)), strict=True):
        for what, bound in zip(("postings", "netting"), bounds, strict=True):
            reached = run.ratio(f"{what} {where}", n, "fastclear", "np.copyto")
            words = f"{size(n)} {what}, {size(accounts)} accounts"
            yield from _one(words, _COPIES, reached, bound if judged else None, "narrow")
    for mean in SLOTS:
        reached = run.ratio(f"slot of {mean}", plan.markets * mean, "fastclear", "cleared twice")
        words = f"{size(plan.markets)} markets of {mean} settled"
        yield from _one(words, "of clearing twice", reached, 1 if plan.markets >= _MANY else None, "narrow")
    few = min(n, 100_000)
    share = run.ratio("transfers", few, "fastclear", "sqlite")
    if share is not None:
        aim = Aim(1 / share, 5 if few >= 100_000 else None, at_least=True)
        yield Goal(f"{size(few)} transfers with ids, SQLite", _FASTER, aim, None)
    share, on_disk = run.ratio("kept", few, "fastclear", "sqlite"), f"{size(few)} transfers kept"
    if share is not None:
        aim = Aim(1 / share, 5 if few >= 100_000 else None, at_least=True)
        yield Goal(f"{on_disk}, SQLite", _FASTER, aim, None)
    for what, who, most in (("", "fastclear", 600), (", opened again", "fastclear reopened", 500)):
        taken = run.nanoseconds("kept", few, who)
        yield from _one(on_disk + what, "ns each", taken, most if few >= 100_000 else None, "narrow")
    many = min(n, 1_000_000)
    taken = run.nanoseconds("kinds", many)
    words = f"{size(many)} transfers of every kind"
    yield from _one(words, "ns each", taken, 333 if many >= _LARGE else None, "narrow")


def _growth(plan: Plan, run: Measured) -> Iterator[Goal]:
    few, many = 100_000, 10_000_000
    if {few, many} <= set(plan.orders):

        def exponent(case: str) -> Value:
            def of(kind: str) -> float | None:
                ends = [run.nanoseconds(f"{case} {kind}", n) for n in (few, many)]
                if ends[0] is None or ends[1] is None:
                    return None
                return 1 + math.log(ends[1] / ends[0]) / math.log(many / few)

            return of

        span = f"{size(few)} to {size(many)}"
        yield from _both(f"exponent {span}", "power", exponent("book"), (1.08, 1.08))
        yield from _both(f"exponent {span}, trades", "power", exponent("trades"), (None, None))
    peaks = {peak["kind"]: peak["bytes_per_order"] for peak in run.peaks}
    most = plan.orders[-1]
    bounds: Bounds = (2, 2) if most >= _LARGE else (None, None)
    yield from _both(f"{size(most)} orders, memory", "byte/order", peaks.get, bounds)
