"""Call auctions: the mechanisms, and :func:`clear`, which runs one over any number of markets."""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING, Any, cast, overload

import numpy as np
from numpy.typing import NDArray

from fastclear import _core
from fastclear.auction.blocks import BlockClearing, Blocks
from fastclear.auction.double_auction import Discriminatory, Uniform
from fastclear.auction.engines import mechanism
from fastclear.auction.matching import MaximalVolume, RandomMatching
from fastclear.auction.parameters import Mechanism, Share, receiver
from fastclear.auction.rounds import Average, MultiRound
from fastclear.auction.truthful import Huang, Muda, Sbba, TradeReduction, Vickrey
from fastclear.errors import MechanismError, SchemaError
from fastclear.orders import encode
from fastclear.orders.frames import plain_columns
from fastclear.trades import Clearing, run
from fastclear.units import Units

if TYPE_CHECKING:
    from fastclear.preference import Network, Preference, PreferenceClearing
    from fastclear.sharing import SharingClearing, SharingMechanism

__all__ = [
    "Average",
    "BlockClearing",
    "Blocks",
    "Discriminatory",
    "Huang",
    "MaximalVolume",
    "Mechanism",
    "Muda",
    "MultiRound",
    "RandomMatching",
    "Sbba",
    "Share",
    "TradeReduction",
    "Uniform",
    "Vickrey",
    "clear",
    "mechanism",
]

_warned_of: set[tuple[str, str]] = set()


@overload
def clear(
    orders: Any,
    mechanism: Blocks,
    *,
    units: Units | None = None,
    network: None = None,
    threads: int | None = None,
    out: NDArray[np.int64] | None = None,
    fills: bool = True,
) -> BlockClearing: ...


@overload
def clear(
    orders: Any,
    mechanism: SharingMechanism,
    *,
    units: Units | None = None,
    network: None = None,
    threads: int | None = None,
    out: NDArray[np.int64] | None = None,
    fills: bool = True,
) -> SharingClearing: ...


@overload
def clear(
    orders: Any,
    mechanism: Preference,
    *,
    units: Units | None = None,
    network: Network | None = None,
    threads: int | None = None,
    out: NDArray[np.int64] | None = None,
    fills: bool = True,
) -> PreferenceClearing: ...


@overload
def clear(
    orders: Any,
    mechanism: Mechanism,
    *,
    units: Units | None = None,
    network: Network | None = None,
    threads: int | None = None,
    out: NDArray[np.int64] | None = None,
    fills: bool = True,
) -> Clearing: ...


def clear(
    orders: Any,
    mechanism: Mechanism | Blocks | SharingMechanism | Preference,
    *,
    units: Units | None = None,
    network: Network | None = None,
    threads: int | None = None,
    out: NDArray[np.int64] | None = None,
    fills: bool = True,
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
            ``limit`` or ``market``. A market order competes at the cap of the mechanism (``cap_high`` for a bid,
            ``cap_low`` for an ask), or without one at the best limit of its market: a bid at the highest price, an ask
            at the lowest price that any limit order of either side names.
        ``market``, ``order``, ``participant`` (optional)
            int64 or text. Without ``market`` all orders are of one market; without ``order`` the row index is the id.
        ``time`` (optional)
            int64 nanoseconds since 1970 UTC, or datetimes with a time zone.

        ``min_quantity`` (optional)
            Least quantity in lots that an order accepts, 0 or null for any (Uniform, Discriminatory). While some order
            is served less, the last such by time, then id, leaves its market, which is cleared again: each that leaves
            costs a clearing of its market.
        ``start_price`` (optional)
            Opening quote in ticks (MultiRound).
        ``block``, ``parent``, ``exclusive`` (optional)
            int64 or text, read by :class:`Blocks` only.
        ``zone``, ``source``, ``wants``, ``strict``, ``essential``, ``max_distance``, ``quality``, ``slot`` (optional)
            Read by :class:`fastclear.Preference`, as far as its stages ask for them.

        Mechanisms without bids take loads instead: :mod:`fastclear.sharing`.

        ``order_id``, ``agent``, ``participant_id``, ``market_id`` and ``order_type`` are accepted as other names.
    mechanism : Uniform, Discriminatory, ...
        The auction or pool; :func:`fastclear.mechanisms` lists all.
    units : Units, optional
        What price and quantity are given in, where not in ticks and lots.
    network : Network, optional
        Network charges from zone to zone, inside the clearing or after it, and the network operator's veto; orders then
        have a column ``zone``, and ``vetoed`` where it applies.
    threads : int, optional
        Most threads to use, by default all that the process may use. No result depends on it.
    out : ndarray of int64, shape (n,), optional
        Receives each order's filled quantity, and is then ``clearing.filled``.
    fills : bool, default True
        False: find out prices and volumes only, which is quicker. What each order was filled is then worked out when
        first asked for, by clearing again; ``out`` has nothing to receive and is refused.

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

    Notes
    -----
    Plain columns are read as they stand, without a copy and with next to no time spent on them: contiguous numpy arrays
    or polars columns without nulls, ``side`` of bool, int8 or uint8, ``price`` and ``quantity`` of int32 or int64, ids
    and ``time`` of int64. Memory of large results is kept for the next call once they are gone:
    :mod:`fastclear.buffers`.

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
    if type(core) is _core.Mechanism and units is None and network is None and type(fills) is bool:
        columns = orders if type(orders) is dict else plain_columns(orders)
        if columns is not None:
            done = _core.clear_columns(columns, core, threads, out, fills)
            if done is not None:
                cleared, filled = done
                if columns is orders:  # the mapping stays the caller's, to change as they like
                    columns = columns.copy()
                return Clearing(columns, cast("Mechanism", mechanism), cleared, filled, threads)
    return _clear_carefully(orders, mechanism, units, network, threads, out, fills)


def _clear_carefully(
    orders: Any,
    mechanism: Mechanism | Blocks | SharingMechanism | Preference,
    units: Units | None,
    network: Network | None,
    threads: int | None,
    out: NDArray[np.int64] | None,
    fills: bool,
) -> Clearing:
    """Clear whatever was given, or say what is wrong with it."""
    core = getattr(mechanism, "core", None)
    # One that clears in Python, or one without bids.
    others = hasattr(mechanism, "clear_orders") or hasattr(mechanism, "clear_loads")
    if not isinstance(core, _core.Mechanism) and not others:
        raise MechanismError(f"mechanism={mechanism!r} is none; give fc.Uniform() or another of fc.mechanisms()")
    if threads is not None:
        if isinstance(threads, bool) or not isinstance(threads, int | np.integer) or threads < 1:
            raise SchemaError(f"threads={threads!r}; give a whole number from 1 up, or leave it out")
        threads = min(int(threads), sys.maxsize)
    if not isinstance(fills, bool | np.bool_):
        raise SchemaError(f"fills={fills!r} is neither True nor False")
    if out is not None and not fills:
        raise SchemaError("fills=False leaves nothing for out to receive; leave one of them out", column="out")
    if hasattr(mechanism, "clear_loads"):
        return mechanism.clear_loads(orders, units=units, threads=threads, out=out)
    staged = hasattr(mechanism, "wanted")
    if network is not None or staged:
        from fastclear.preference import networked

        networked.check_network(network)
        if network is not None and not staged:
            return networked.clear_networked(orders, mechanism, units=units, network=network, threads=threads, out=out)
        return cast("Any", mechanism).clear_orders(orders, units=units, out=out, network=network, threads=threads)
    if not isinstance(core, _core.Mechanism):
        return cast("Clearing", cast("Any", mechanism).clear_orders(orders, units=units, out=out))
    mechanism = cast("Mechanism", mechanism)
    encoded = encode(orders, units)
    filled = receiver(out, encoded) if fills else None
    # Prices pair by pair need the pairs anyway: keep them, rather than pair again for `.trades` or `.payment`.
    trades = core.prices_by_trade and filled is not None
    if encoded.min_quantity is not None and not core.takes_minimums:
        _warn_unused("min_quantity", mechanism)
    if encoded.start_price is not None and not core.takes_start_prices:
        _warn_unused("start_price", mechanism)
    cleared = run(encoded, mechanism, filled, threads=threads, trades=trades)
    if isinstance(mechanism, Muda):
        mechanism.warn_of_strangers(encoded)
    if filled is not None and out is None:
        filled.flags.writeable = False
    return Clearing(encoded, mechanism, cleared, filled, threads)


def _warn_unused(column: str, mechanism: Mechanism) -> None:
    kind = type(mechanism).__name__
    if (column, kind) not in _warned_of:
        _warned_of.add((column, kind))
        warnings.warn(f"column '{column}' is not used by {kind} and is ignored", UserWarning, stacklevel=4)
