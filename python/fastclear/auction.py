"""Call auctions: the mechanisms, and :func:`clear`, which runs one over any number of markets."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields
from fractions import Fraction
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from fastclear import _core
from fastclear.errors import MechanismError, SchemaError
from fastclear.orders import encode
from fastclear.trades import Clearing, run
from fastclear.units import Units

Share = float | Fraction | tuple[int, int] | int
"""A fraction from 0 to 1: a float is taken as its nearest fraction with a denominator of at most 10**6."""

_DENOMINATOR_MAX = 10**6
_THREADS_MAX = 1024


def _fraction(name: str, value: Share) -> Fraction:
    try:
        if isinstance(value, tuple):
            numerator, denominator = value
            share = Fraction(numerator, denominator)
        else:
            share = Fraction(value)
    except (TypeError, ValueError, OverflowError, ZeroDivisionError) as error:
        raise MechanismError(f"{name}={value!r} is no fraction; use a number from 0 to 1") from error
    if isinstance(value, float):
        share = share.limit_denominator(_DENOMINATOR_MAX)
    if not 0 <= share <= 1:
        raise MechanismError(f"{name}={value!r} is outside 0 to 1; 0 favours buyers, 1 favours sellers")
    if share.denominator > 10**9:
        raise MechanismError(f"{name}={value!r} has a denominator above 10**9; use a simpler fraction")
    return share


def _ticks(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise MechanismError(f"{name}={value!r} is no whole number of ticks")
    if not 0 <= value < 2**31:
        raise MechanismError(f"{name}={value!r} is outside 0 to 2**31 - 1 ticks")
    return int(value)


def _by_parameters(mechanism: Any) -> tuple[Any, tuple[object, ...]]:
    """Pickle a mechanism as its parameters: the checked half is made anew."""
    return type(mechanism), tuple(getattr(mechanism, field.name) for field in fields(mechanism) if field.init)


@runtime_checkable
class Mechanism(Protocol):
    """A call auction that :func:`clear` can run."""

    @property
    def core(self) -> _core.Mechanism:
        """The checked mechanism of the Rust half."""


@dataclass(frozen=True, slots=True)
class Uniform:
    """Uniform-price call (double) auction: everyone in a market trades at one price.

    Bids are served from the dearest, asks from the cheapest, as long as a bid reaches an ask. The market-clearing
    prices form an interval ``[low, high]``: ``low`` is the dearer of the last accepted ask and the best bid left with
    a remainder, ``high`` the cheaper of the last accepted bid and the best ask left with one. The price is
    ``low + k * (high - low)``.

    Parameters
    ----------
    k : float, Fraction or (int, int), default 1/2
        Share of the interval that goes to sellers: 0 leaves it to buyers, 1 to sellers.
    rationing : {"pro_rata", "time", "equal"}
        How orders at the marginal price share what is left: in proportion to quantity with the left-over lots to the
        largest remainders; earlier first; or the same to each as far as they ask for it. Ties: time, then id.
    price_round : {"floor", "ceil", "half_up"}
        Rounding of the price to a tick; the result stays in the interval.
    zero_surplus : bool, default True
        Whether units whose bid equals their ask trade.
    fee : int, default 0
        Ticks a unit that the buyer pays on top of the price, inside the clearing: no trade whose bid less its ask is
        below the fee. Buyers pay ``price_buy = price_sell + fee``; the difference is the market's ``surplus``.

    Raises
    ------
    MechanismError
        A parameter that is out of range or unknown.

    Notes
    -----
    Budget balanced (surplus = fee x volume), individually rational, efficient as reported; not truthful: a one-lot
    trader gains at most ``high - low`` by misreporting, a partly filled marginal order can gain more. Cost O(N) plus a
    sort of the orders near the price. Sources: Satterthwaite & Williams 1989 (k-double auction); Wurman, Walsh &
    Wellman 1998 (the interval as M-th and (M+1)-th price).

    Examples
    --------
    >>> import fastclear as fc
    >>> orders = {"side": ["buy", "buy", "sell"], "price": [30, 25, 10], "quantity": [5, 4, 6]}
    >>> clearing = fc.clear(orders, fc.Uniform())
    >>> clearing.filled
    array([5, 1, 6])
    >>> int(clearing.market_columns["price"][0])
    25
    """

    k: Share = 0.5
    rationing: Literal["pro_rata", "time", "equal"] = "pro_rata"
    price_round: Literal["floor", "ceil", "half_up"] = "floor"
    zero_surplus: bool = True
    fee: int = 0
    core: _core.Mechanism = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        k = _fraction("k", self.k)
        core = _core.Mechanism.uniform(
            k.as_integer_ratio(),
            self.rationing,
            self.price_round,
            bool(self.zero_surplus),
            _ticks("fee", self.fee),
        )
        object.__setattr__(self, "core", core)

    __reduce__ = _by_parameters


@dataclass(frozen=True, slots=True)
class Discriminatory:
    """Discriminatory-price call auction: the same trades as at a uniform price, each at a price of its own.

    The best bid is paired with the cheapest ask, ties by time, then id; the pairing is part of the rule.

    Parameters
    ----------
    k : float, Fraction or (int, int), default 1/2
        With ``rule="k"`` a pair trades at ``ask + k * (bid - ask)``: 1 is pay as bid, 0 pay as ask.
    rule : {"k", "bid", "ask", "earlier"}
        ``"bid"`` and ``"ask"`` are k = 1 and k = 0; ``"earlier"`` takes the limit of the order that came first.
    price_round : {"floor", "ceil", "half_up"}
        Rounding of the price to a tick; the result stays between ask and bid.
    fee : int, default 0
        Ticks a unit that the buyer pays on top of the seller's price: no trade whose bid less its ask is below it.

    Raises
    ------
    MechanismError
        A parameter that is out of range or unknown.

    Notes
    -----
    Budget balanced (surplus = fee x volume), individually rational, efficient as reported; not truthful. Cost
    O(N + W log W) for W winning orders. Sources: Chatterjee & Samuelson 1983 (k per pair); Nicolaisen, Petrov &
    Tesfatsion 2001 (midpoint); Federico & Rahman 2003 (pay as bid).

    Examples
    --------
    >>> import fastclear as fc
    >>> orders = {"side": ["buy", "buy", "sell"], "price": [30, 25, 10], "quantity": [5, 4, 6]}
    >>> fc.clear(orders, fc.Discriminatory(rule="bid")).payment
    array([ 150,   25, -175])
    """

    k: Share = 0.5
    rule: Literal["k", "bid", "ask", "earlier"] = "k"
    price_round: Literal["floor", "ceil", "half_up"] = "floor"
    fee: int = 0
    core: _core.Mechanism = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        k = _fraction("k", self.k)
        core = _core.Mechanism.discriminatory(
            k.as_integer_ratio(), self.rule, self.price_round, _ticks("fee", self.fee)
        )
        object.__setattr__(self, "core", core)

    __reduce__ = _by_parameters


def clear(
    orders: Any,
    mechanism: Mechanism,
    *,
    units: Units | None = None,
    network: None = None,
    threads: int | None = None,
    out: NDArray[np.int64] | None = None,
) -> Clearing:
    """Clear every market of ``orders`` with one call auction.

    Parameters
    ----------
    orders : frame or mapping of columns, n rows
        polars, pandas or pyarrow frame (anything with ``__arrow_c_stream__``), or a mapping of numpy arrays, lists or
        series. Columns:

        ``side``
            ``buy``/``sell`` (also ``bid``, ``ask``, ``offer``), bool or int8 with 1 = buy.
        ``price``, ``quantity``
            Integer ticks and lots; other numbers only with ``units``. A price may be null where ``type`` is ``market``.
        ``type`` (optional)
            ``limit`` or ``market``. A market order competes at the best limit of its market: a bid at the highest
            price, an ask at the lowest price that any limit order of either side names.
        ``market``, ``order``, ``participant`` (optional)
            int64 or text. Without ``market`` all orders are of one market; without ``order`` the row index is the id.
        ``time`` (optional)
            int64 nanoseconds since 1970 UTC, or datetimes with a time zone.

        ``order_id``, ``agent``, ``participant_id``, ``market_id`` and ``order_type`` are accepted as other names.
    mechanism : Uniform or Discriminatory
        The auction.
    units : Units, optional
        What price and quantity are given in, where not in ticks and lots.
    network : None
        Reserved for network limits.
    threads : int, optional
        Most threads to use, by default all that the process may use. No result depends on it.
    out : ndarray of int64, shape (n,), optional
        Receives each order's filled quantity, and is then ``clearing.filled``.

    Returns
    -------
    Clearing
        Markets, fills and trades, built when first asked for. It keeps the columns by reference: read what you need
        before you overwrite arrays of your own (trades and payments notice, and raise).

    Raises
    ------
    SchemaError
        A column is missing, unreadable or of another length. A bad order does not raise: it gets a reject code.
    MechanismError
        ``mechanism`` is no mechanism.

    Examples
    --------
    >>> import fastclear as fc
    >>> orders = {
    ...     "market": [1, 1, 2, 2],
    ...     "side": ["buy", "sell", "buy", "sell"],
    ...     "price": [30, 10, 12, 20],
    ...     "quantity": [5, 8, 5, 8],
    ... }
    >>> clearing = fc.clear(orders, fc.Uniform())
    >>> clearing.markets.select("market", "price", "volume").rows()
    [(1, 10, 5), (2, None, 0)]
    """
    # By its core and not by the protocol, whose check at run time costs more than to clear a small market.
    core = getattr(mechanism, "core", None)
    if not isinstance(core, _core.Mechanism):
        raise MechanismError(f"mechanism={mechanism!r} is none; give fc.Uniform() or fc.Discriminatory()")
    if network is not None:
        raise MechanismError("network limits are not supported by this mechanism; pass network=None")
    encoded = encode(orders, units)
    fresh = out is None
    if out is None:
        out = np.empty(encoded.n, np.int64)
    elif not (isinstance(out, np.ndarray) and out.dtype == np.int64 and out.shape == (encoded.n,)):
        got = f"{out.dtype} of shape {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
        raise SchemaError(f"out is {got}; give a writable int64 array of shape ({encoded.n},)", column="out")
    elif not (out.flags.writeable and out.flags.c_contiguous):
        raise SchemaError("out is read-only or not contiguous; give a plain int64 array", column="out")
    if threads is None:
        threads = _threads_available()
    elif isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
        raise SchemaError(f"threads={threads!r}; give a whole number from 1 up, or leave it out")
    # Prices pair by pair need the pairs anyway: keep them, rather than pair again for `.trades` or `.payment`.
    trades = isinstance(mechanism, Discriminatory)
    cleared = run(encoded, core, out, threads=min(threads, _THREADS_MAX), trades=trades)
    if fresh:
        out.flags.writeable = False
    return Clearing(encoded, mechanism, cleared, out, min(threads, _THREADS_MAX))


def _threads_available() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1
