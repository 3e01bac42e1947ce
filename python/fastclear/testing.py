"""Orders for tests and benchmarks: `hypothesis` strategies and a seeded, vectorised generator.

The strategies look where auctions break: ties, crossings without surplus, one side empty, prices and
quantities at the ends of their ranges, negative prices, several markets interleaved, equal times, ids in no
particular order. `hypothesis` is imported only when a strategy is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import polars as pl

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["PRICE_MAX", "QUANTITY_MAX", "Distribution", "Participants", "books", "orders", "random_orders"]

PRICE_MAX = 2**31 - 1
"""Largest price in ticks that an order may carry; the smallest is its negative."""

QUANTITY_MAX = 2**31 - 1
"""Largest quantity in lots that an order may carry; the smallest is 1."""

Distribution = Literal["narrow", "community", "wide", "one_price", "crossed", "apart"]
"""Names of the price and quantity laws of `random_orders`."""

Participants = Literal["any", "one_side", "one_order"]
"""Who owns the orders of `orders`: anybody any, each one side of a market, each one order of a market."""

_IDS_TEXT = [
    "a",
    "B",
    "b",
    "aa",
    "Z",
    "order-10",
    "order-9",
    "ä",
    "é",
    "10",
    "9",
    "",
    " ",
    "ß",
    "日",
    "🜂",
    "a\x00",
]
_IDS_END = [-(2**63), -(2**63) + 1, -1, 0, 1, 2**63 - 2, 2**63 - 1]
_TIMES_END = [-(2**63), -1, 0, 1, 2**63 - 1]
_PRICES_END = [-PRICE_MAX, 1 - PRICE_MAX, -1, 0, 1, PRICE_MAX - 1, PRICE_MAX]
_QUANTITIES_END = [1, 2, 3, QUANTITY_MAX - 1, QUANTITY_MAX]


def _strategies() -> Any:
    try:
        from hypothesis import strategies
    except ModuleNotFoundError as error:
        message = (
            "fastclear.testing.orders() and books() need the package 'hypothesis', which is not installed; "
            "run `pip install hypothesis` (random_orders() works without it)"
        )
        raise ModuleNotFoundError(message, name="hypothesis") from error
    return strategies


def orders(
    *,
    min_size: int = 0,
    max_size: int = 16,
    max_markets: int = 3,
    prices: tuple[int, int] | None = None,
    quantities: tuple[int, int] | None = None,
    market_orders: bool = False,
    faults: bool = False,
    participants: Participants = "any",
    min_quantity: bool = False,
    start_price: bool = False,
) -> SearchStrategy[pl.DataFrame]:
    """Frames of orders that `fastclear.clear` takes, over one or several markets.

    Parameters
    ----------
    min_size, max_size : int
        Bounds of the number of rows.
    max_markets : int
        Largest number of markets in a frame; a frame of one market may come without the `market` column.
    prices, quantities : (int, int), optional
        Inclusive bounds in ticks and lots. Without them the whole range is used, with a liking for few
        distinct values and for both ends.
    market_orders : bool
        Adds a `type` column in which some rows are market orders, whose price is null.
    faults : bool
        Adds rows that must be refused: nulls, unknown sides and types, numbers out of range, ids used twice.
    participants : {"any", "one_side", "one_order"}
        ``"any"``: at most four, each with orders of both sides. ``"one_side"``: several, most of them on one side
        only. ``"one_order"``: most of them with one order only, or no column, which makes every order its own.
        The exceptions are few, and what the truthful mechanisms refuse.
    min_quantity : bool
        Adds a `min_quantity` column of nulls, zeros and numbers up to the quantity, seldom beyond it.
    start_price : bool
        Adds a `start_price` column: nulls, and opening quotes up to a few ticks from the limit, seldom beyond it.

    Returns
    -------
    hypothesis.strategies.SearchStrategy
        Of `polars.DataFrame` with the columns `side` (String), `price`, `quantity` (Int64) and, in some
        examples, `type` (String), `market`, `order`, `participant` (Int64 or String), `time`, `min_quantity` and
        `start_price` (Int64).

    Raises
    ------
    ModuleNotFoundError
        If `hypothesis` is not installed.
    ValueError
        If a pair of bounds is empty or outside what an order may carry, or `participants` is unknown.

    Examples
    --------
    >>> import hypothesis
    >>> from fastclear import testing
    >>> @hypothesis.given(testing.orders(max_size=5, prices=(0, 40)))
    ... def check(frame):
    ...     assert frame["price"].is_between(0, 40).all()
    >>> check()
    """
    st = _strategies()
    if not 0 <= min_size <= max_size:
        raise ValueError(f"min_size={min_size}, max_size={max_size}: 0 <= min_size <= max_size is needed")
    if max_markets < 1:
        raise ValueError(f"max_markets={max_markets}: at least one market is needed")
    _check_bounds("prices", prices, -PRICE_MAX, PRICE_MAX)
    _check_bounds("quantities", quantities, 1, QUANTITY_MAX)
    if participants not in get_args(Participants):
        names = ", ".join(get_args(Participants))
        raise ValueError(f"participants={participants!r} is unknown; give one of {names}")

    def draw_frame(draw: DrawFn) -> pl.DataFrame:
        columns = _columns(draw, st, (min_size, max_size), max_markets, prices, quantities, market_orders)
        n = len(columns["side"])
        _add_participants(draw, st, columns, n, participants)
        if min_quantity:
            _add_minima(draw, st, columns)
        if start_price:
            _add_starts(draw, st, columns)
        if faults and n:
            for _ in range(draw(st.integers(1, 4))):
                _spoil(draw, st, columns, n)
        return pl.DataFrame(columns)

    strategy: SearchStrategy[pl.DataFrame] = st.composite(draw_frame)()
    return strategy


def books(
    *,
    max_size: int = 12,
    prices: tuple[int, int] = (0, 40),
    quantities: tuple[int, int] = (1, 9),
) -> SearchStrategy[pl.DataFrame]:
    """Books of one market with small numbers: what an exhaustive check or an LP can take.

    Parameters
    ----------
    max_size : int
        Largest number of orders.
    prices, quantities : (int, int)
        Inclusive bounds in ticks and lots.

    Returns
    -------
    hypothesis.strategies.SearchStrategy
        Of `polars.DataFrame` with `side` (String), `price`, `quantity`, `order` and `time` (Int64), without
        any fault and without market orders.

    Raises
    ------
    ModuleNotFoundError
        If `hypothesis` is not installed.
    ValueError
        If a pair of bounds is empty or outside what an order may carry.

    Examples
    --------
    >>> import hypothesis
    >>> from fastclear import testing
    >>> @hypothesis.given(testing.books(max_size=6))
    ... def check(book):
    ...     assert book["order"].n_unique() == book.height
    >>> check()
    """
    st = _strategies()
    _check_bounds("prices", prices, -PRICE_MAX, PRICE_MAX)
    _check_bounds("quantities", quantities, 1, QUANTITY_MAX)

    def draw_book(draw: DrawFn) -> pl.DataFrame:
        n = draw(st.integers(0, max_size))
        side = _column(draw, st, _sides(draw, st), n)
        low, high = prices
        # Half of the books have at most four price levels, so that marginal classes of several orders are
        # common.
        level = st.integers(low, high)
        if draw(st.booleans()):
            level = st.sampled_from(draw(st.lists(level, min_size=1, max_size=4, unique=True)))
        return pl.DataFrame(
            {
                "side": pl.Series(side, dtype=pl.String),
                "price": pl.Series(_column(draw, st, level, n), dtype=pl.Int64),
                "quantity": pl.Series(_column(draw, st, st.integers(*quantities), n), dtype=pl.Int64),
                "order": pl.Series(draw(st.permutations(range(1, n + 1))), dtype=pl.Int64),
                "time": pl.Series(_column(draw, st, st.integers(0, 2), n), dtype=pl.Int64),
            }
        )

    strategy: SearchStrategy[pl.DataFrame] = st.composite(draw_book)()
    return strategy


def random_orders(
    n: int,
    markets: int = 1,
    *,
    seed: int = 0,
    distribution: Distribution = "narrow",
    participants: int | None = None,
) -> dict[str, npt.NDArray[Any]]:
    """`n` seeded orders as numpy columns, made without a Python loop.

    Every cell is a hash (SplitMix64) of seed, column and row, so that the columns are the same on every
    machine and with every version of numpy, and the first rows of a longer draw are those of a shorter one.

    Parameters
    ----------
    n : int
        Number of orders.
    markets : int
        Number of markets; orders are spread over them at random, so that markets are interleaved.
    seed : int
        Any integer; taken modulo 2^64.
    distribution : str
        ``"narrow"``: 64 price levels, ties everywhere. ``"community"``: household orders between a feed-in
        price of 8 ct/kWh and a retail price of 30 ct/kWh in steps of 0.01 ct, asks cheaper than bids on
        average. ``"wide"``: the whole range of prices and quantities. ``"one_price"``: a single price.
        ``"crossed"``: every bid above every ask. ``"apart"``: no bid reaches any ask.
    participants : int, optional
        Number of participants; adds the column `participant`.

    Returns
    -------
    dict of str to numpy.ndarray
        Read-only columns of length `n`: `side` (int8, 1 = buy), `price` (int64, ticks), `quantity` (int64,
        lots), `market`, `order`, `time` (int64) and perhaps `participant` (int64). Orders are numbered from
        0; times lie within one hour before 2026-01-01 00:00 UTC, in ns, whole seconds, so that they tie as
        well.

    Raises
    ------
    ValueError
        If `n` is negative, `markets` or `participants` is below 1, or the distribution is unknown.

    Examples
    --------
    >>> from fastclear import testing
    >>> columns = testing.random_orders(4, markets=2, seed=1)
    >>> {name: column.tolist() for name, column in columns.items() if name in ("side", "market", "quantity")}
    {'side': [0, 1, 0, 1], 'quantity': [3258, 2136, 3330, 291], 'market': [0, 1, 0, 1]}

    References
    ----------
    Steele, Lea and Flood (2014), Fast splittable pseudorandom number generators, OOPSLA.
    """
    if n < 0 or markets < 1 or (participants is not None and participants < 1):
        raise ValueError(
            f"n={n}, markets={markets}, participants={participants}: "
            "n >= 0, markets >= 1 and participants >= 1 are needed"
        )
    if distribution not in get_args(Distribution):
        names = ", ".join(get_args(Distribution))
        raise ValueError(f"distribution={distribution!r} is unknown; give one of {names}")

    def draw(stream: int, low: int, high: int) -> npt.NDArray[np.int64]:
        return _draw(n, seed, stream, low, high)

    buy = draw(0, 0, 1)
    price, quantity = _PRICE_AND_QUANTITY[distribution](draw, buy)
    columns: dict[str, npt.NDArray[Any]] = {
        "side": buy.astype(np.int8),
        "price": price,
        "quantity": quantity,
        "market": draw(3, 0, markets - 1),
        "order": np.arange(n, dtype=np.int64),
        "time": (draw(4, -3_600, -1) + 1_767_225_600) * 1_000_000_000,
    }
    if participants is not None:
        columns["participant"] = draw(5, 0, participants - 1)
    for column in columns.values():
        column.flags.writeable = False
    return columns


# -------------------------------------------------------------------------------- seeded numbers

_Draw = Callable[[int, int, int], npt.NDArray[np.int64]]
_Pair = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


def _draw(n: int, seed: int, stream: int, low: int, high: int) -> npt.NDArray[np.int64]:
    """`n` integers in [low, high], high - low < 2^32: SplitMix64, upper 32 bits, multiply and shift."""
    golden = 0x9E3779B97F4A7C15
    start = _mix_one((seed % 2**64 + (stream + 1) * golden) % 2**64)
    x = np.arange(1, n + 1, dtype=np.uint64)
    x *= np.uint64(golden)
    x += np.uint64(start)
    x ^= x >> np.uint64(30)
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(27)
    x *= np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    # 32 bits times a width below 2^32 stay within 64 bits; the bias, below width / 2^32, is of no matter in a
    # test.
    x >>= np.uint64(32)
    x *= np.uint64(high - low + 1)
    x >>= np.uint64(32)
    drawn = x.view(np.int64)
    drawn += low
    return drawn


def _mix_one(x: int) -> int:
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    x = (x ^ x >> 27) * 0x94D049BB133111EB % 2**64
    return x ^ x >> 31


def _narrow(draw: _Draw, _buy: npt.NDArray[np.int64]) -> _Pair:
    return 100_000 + 1_000 * draw(1, 0, 63), draw(2, 1, 5_000)


def _community(draw: _Draw, buy: npt.NDArray[np.int64]) -> _Pair:
    # Two draws, the larger for a bid and the smaller for an ask: bids lean to retail, asks to feed-in.
    one, two = draw(1, 800, 3_000), draw(6, 800, 3_000)
    return 100 * np.where(buy == 1, np.maximum(one, two), np.minimum(one, two)), draw(2, 1, 3_000)


def _wide(draw: _Draw, _buy: npt.NDArray[np.int64]) -> _Pair:
    return draw(1, -PRICE_MAX, PRICE_MAX), draw(2, 1, QUANTITY_MAX)


def _one_price(draw: _Draw, buy: npt.NDArray[np.int64]) -> _Pair:
    return np.full(len(buy), 150_000, dtype=np.int64), draw(2, 1, 5_000)


def _crossed(draw: _Draw, buy: npt.NDArray[np.int64]) -> _Pair:
    return draw(1, 80_000, 180_000) + 120_000 * buy, draw(2, 1, 5_000)


def _apart(draw: _Draw, buy: npt.NDArray[np.int64]) -> _Pair:
    return draw(1, 80_000, 180_000) + 120_000 * (1 - buy), draw(2, 1, 5_000)


_PRICE_AND_QUANTITY: dict[str, Callable[[_Draw, npt.NDArray[np.int64]], _Pair]] = {
    "narrow": _narrow,
    "community": _community,
    "wide": _wide,
    "one_price": _one_price,
    "crossed": _crossed,
    "apart": _apart,
}


# -------------------------------------------------------------------------------- hypothesis parts


def _check_bounds(name: str, bounds: tuple[int, int] | None, low: int, high: int) -> None:
    if bounds is not None and not low <= bounds[0] <= bounds[1] <= high:
        raise ValueError(f"{name}={bounds}: {low} <= first <= second <= {high} is needed")


def _column(draw: DrawFn, st: Any, cell: Any, n: int) -> list[Any]:
    column: list[Any] = draw(st.lists(cell, min_size=n, max_size=n))
    return column


def _sides(draw: DrawFn, st: Any) -> Any:
    # One book in eight lacks a side.
    lacking = draw(st.integers(0, 15))
    return {0: st.just("buy"), 1: st.just("sell")}.get(lacking, st.sampled_from(["buy", "sell"]))


def _numbers(draw: DrawFn, st: Any, bounds: tuple[int, int] | None, ends: list[int]) -> Any:
    """Draw the law of one numeric column: few levels, small numbers, both ends, or anything."""
    if bounds is not None:
        every = st.integers(*bounds)
        few = st.sampled_from(draw(st.lists(every, min_size=1, max_size=3)))
        return draw(st.sampled_from([few, every]))
    low, high = min(ends), max(ends)
    small = st.integers(max(low, -6), 9)
    base = draw(st.integers(low, high - 3))
    laws = [small, small, st.integers(base, base + 3), st.sampled_from(ends), st.integers(low, high)]
    return draw(st.sampled_from(laws))


def _ids(draw: DrawFn, st: Any, n: int) -> pl.Series:
    """`n` different ids in no order: small integers, integers at the ends of 64 bits, or text."""
    kind = draw(st.sampled_from(["dense", "dense", "ends", "text"]))
    if kind == "text" and n <= len(_IDS_TEXT):
        return pl.Series(draw(st.permutations(_IDS_TEXT))[:n], dtype=pl.String)
    if kind == "ends" and n <= len(_IDS_END):
        return pl.Series(draw(st.permutations(_IDS_END))[:n], dtype=pl.Int64)
    return pl.Series(draw(st.permutations(range(n))), dtype=pl.Int64)


def _columns(
    draw: DrawFn,
    st: Any,
    size: tuple[int, int],
    max_markets: int,
    prices: tuple[int, int] | None,
    quantities: tuple[int, int] | None,
    market_orders: bool,
) -> dict[str, pl.Series]:
    # A drawn length is as often long as short; lists of open length would be short most of the time.
    n = draw(st.integers(*size))
    side = _column(draw, st, _sides(draw, st), n)
    columns: dict[str, pl.Series] = {
        "side": pl.Series(side, dtype=pl.String),
        "price": pl.Series(_column(draw, st, _numbers(draw, st, prices, _PRICES_END), n), dtype=pl.Int64),
        "quantity": pl.Series(_column(draw, st, _numbers(draw, st, quantities, _QUANTITIES_END), n), dtype=pl.Int64),
    }
    if market_orders:
        kinds = _column(draw, st, st.sampled_from(["limit", "limit", "limit", "market"]), n)
        columns["type"] = pl.Series(kinds, dtype=pl.String)
        limits = [None if kind == "market" else p for kind, p in zip(kinds, columns["price"], strict=True)]
        columns["price"] = pl.Series(limits, dtype=pl.Int64)
    count = draw(st.integers(1, max_markets))
    if count > 1 or draw(st.booleans()):
        names = _ids(draw, st, count)
        which = _column(draw, st, st.integers(0, count - 1), n)
        columns["market"] = pl.Series([names[i] for i in which], dtype=names.dtype)
    if draw(st.booleans()):
        columns["order"] = _ids(draw, st, n)
    if draw(st.booleans()):
        law = draw(st.sampled_from([st.integers(0, 2), st.sampled_from(_TIMES_END)]))
        columns["time"] = pl.Series(_column(draw, st, law, n), dtype=pl.Int64)
    return columns


def _add_participants(draw: DrawFn, st: Any, columns: dict[str, pl.Series], n: int, law: Participants) -> None:
    if law == "any":
        if not draw(st.booleans()):
            return
        columns["participant"] = pl.Series(_column(draw, st, st.integers(0, 3), n), dtype=pl.Int64)
        return
    if law == "one_order":
        if draw(st.integers(0, 3)) == 0:
            return
        owners = _ids(draw, st, n)
        cells = owners.to_list()
    else:
        # Half of the names bid, the other half offer: which is which has nothing to do with their order.
        owners = _ids(draw, st, 2 * draw(st.integers(1, 3)))
        half = len(owners) // 2
        places = _column(draw, st, st.integers(0, half - 1), n)
        cells = [owners[i + half * (side == "buy")] for i, side in zip(places, columns["side"], strict=True)]
    rows = st.integers(0, n - 1)
    for _ in range(draw(st.sampled_from([0, 0, 1, 3])) if n else 0):
        cells[draw(rows)] = cells[draw(rows)]
    columns["participant"] = pl.Series(cells, dtype=owners.dtype)


def _add_minima(draw: DrawFn, st: Any, columns: dict[str, pl.Series]) -> None:
    cells: list[int | None] = []
    for quantity in columns["quantity"]:
        laws = [None, None, st.integers(0, quantity), st.just(quantity)]
        if quantity < 4:
            laws.append(st.sampled_from([-1, quantity + 1]))
        law = draw(st.sampled_from(laws))
        cells.append(None if law is None else draw(law))
    columns["min_quantity"] = pl.Series(cells, dtype=pl.Int64)


def _add_starts(draw: DrawFn, st: Any, columns: dict[str, pl.Series]) -> None:
    # Distances to the limit, in the direction in which a quote opens; -1 is beyond it.
    distances = _column(draw, st, st.sampled_from([None, 0, 1, 2, 3, 5, 9, 9, 14, -1]), len(columns["side"]))
    cells = [
        None if distance is None or price is None else price - distance * (1 if side == "buy" else -1)
        for distance, price, side in zip(distances, columns["price"], columns["side"], strict=True)
    ]
    columns["start_price"] = pl.Series(cells, dtype=pl.Int64)


def _spoil(draw: DrawFn, st: Any, columns: dict[str, pl.Series], n: int) -> None:
    """Put one bad cell into `columns`, or give one row the order id of another."""
    name = draw(st.sampled_from(sorted(columns)))
    row = draw(st.integers(0, n - 1))
    column = columns[name]
    bad: list[Any] = [None]
    if name == "side":
        bad += ["hold", ""]
    elif name == "type":
        bad += ["stop", ""]
    elif name == "price":
        bad += [PRICE_MAX + 1, -PRICE_MAX - 1, 2**63 - 1, -(2**63)]
    elif name == "quantity":
        bad += [0, -1, QUANTITY_MAX + 1, 2**63 - 1, -(2**63)]
    elif name == "min_quantity":
        bad += [-1, QUANTITY_MAX, 2**63 - 1, -(2**63)]
    elif name == "start_price":
        bad += [PRICE_MAX + 1, -PRICE_MAX - 1, 2**63 - 1, -(2**63)]
    elif name == "order":
        bad += [column[draw(st.integers(0, n - 1))]] * 3
    cells = column.to_list()
    cells[row] = draw(st.sampled_from(bad))
    columns[name] = pl.Series(cells, dtype=column.dtype)
