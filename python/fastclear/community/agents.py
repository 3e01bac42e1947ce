"""Zero-intelligence constrained bidders, and what they know about the next slot.

The bidder is that of Gode & Sunder (1993), "Allocative efficiency of markets with zero-intelligence
traders": it draws prices at random but never one at which it could lose. Here the loss is measured against
the backstop, that is, against buying at the retail price and selling at the feed-in price.

Everything is drawn from the raw words of ``PCG64`` seeded by (seed, purpose, slot), one draw a member whether it
trades or not. So the bids of a slot depend neither on the length of a run nor on what other members do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastclear.errors import PresetError

_BIDS, _FORECAST = 0, 1  # purposes: their streams never meet
_PPM = 1_000_000
_QUANTITY_LIMIT = 2**31
_PRICE_LIMIT = 2**31


@dataclass(frozen=True, eq=False)
class OrderColumns:
    """Orders of one slot as columns, all of the same length, in the order of the members.

    Attributes
    ----------
    side : ndarray of uint8
        1 = buy, 0 = sell.
    price, quantity : ndarray of int64
        Ticks (1e-6 currency a kWh) and Wh.
    order : ndarray of int64
        ``slot * members + member``: unique over a run.
    participant : ndarray of int64
        Position of the member in the community.
    """

    side: NDArray[np.uint8]
    price: NDArray[np.int64]
    quantity: NDArray[np.int64]
    order: NDArray[np.int64]
    participant: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.side)

    def columns(self) -> dict[str, NDArray[np.uint8] | NDArray[np.int64]]:
        """Give the mapping that ``fastclear.clear`` takes."""
        return {
            "side": self.side,
            "price": self.price,
            "quantity": self.quantity,
            "order": self.order,
            "participant": self.participant,
        }


def zero_intelligence(net_wh: ArrayLike, *, retail: int, feed_in: int, fees: int, seed: int, slot: int) -> OrderColumns:
    """Bids and asks of one slot, drawn at random where nobody can lose.

    Who expects to consume buys its deficit, who expects a surplus sells it; zero stays away. Both draw a
    price uniformly from the whole ticks of ``[feed_in, retail - fees]``, both ends included.

    Why nobody is worse off than at the backstop, for energy that is delivered as traded and under any rule
    that keeps to limit prices: a buyer pays at most its bid and the fees on top, and ``bid + fees <=
    retail``; a seller receives at least its ask, and ``ask >= feed_in``. A tax that is levied at one rate
    on a bill in either case keeps that order. A fee that is charged *inside* the clearing
    (``Uniform(fee=...)``) is already within the bid: leave it out of `fees` and let `retail` be the limit.
    What is left to chance is the forecast: who bought more than it then uses sells the rest at feed-in.
    Where ``feed_in > retail - fees`` no trade can help both sides, and nobody bids.

    Parameters
    ----------
    net_wh : array_like of int, shape (members,)
        Expected load minus PV, after the battery, in Wh: + buys, - sells.
    retail, feed_in : int
        Backstop prices in ticks.
    fees : int
        What a buyer pays on top of the price of a local unit (platform and network), ticks, >= 0.
    seed : int
        Seed of the run, 0 to 2^64 - 1.
    slot : int
        Index of the slot in the run, from 0.

    Returns
    -------
    OrderColumns
        At most one order a member.

    Raises
    ------
    PresetError
        If a price, a quantity, the seed or the slot is out of range.

    Examples
    --------
    >>> prices = {"retail": 320_000, "feed_in": 80_000, "fees": 25_000}
    >>> orders = zero_intelligence([300, -500, 0], **prices, seed=1, slot=0)
    >>> orders.side, orders.quantity, orders.participant
    (array([1, 0], dtype=uint8), array([300, 500]), array([0, 1]))
    >>> bool((orders.price >= 80_000).all() and (orders.price <= 295_000).all())
    True
    """
    net = _whole(net_wh)
    for name, value in (("retail", retail), ("feed_in", feed_in), ("fees", fees)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not abs(value) < _PRICE_LIMIT:
            raise PresetError(f"{name} must be whole ticks between -2^31 and 2^31, got {value!r}")
    if fees < 0:
        raise PresetError(f"fees must not be negative, got {fees}; a subsidy belongs into the feed-in or retail price")
    low, high = int(feed_in), int(retail) - int(fees)
    price = low + _draws(seed, _BIDS, slot, len(net), max(high - low + 1, 1))
    who = np.flatnonzero(net) if low <= high else np.zeros(0, np.int64)
    return OrderColumns(
        side=(net[who] > 0).astype(np.uint8),
        price=price[who],
        quantity=np.abs(net[who]),
        order=slot * len(net) + who,
        participant=who,
    )


def forecast(net_wh: ArrayLike, *, seed: int, slot: int, error_ppm: int) -> NDArray[np.int64]:
    """Say what members expect of a slot: the truth with a relative error, in whole Wh.

    The error is the sum of three whole numbers drawn uniformly from ``[-error_ppm, error_ppm]``, in parts
    per million of the net energy: bell-shaped, mean 0, standard deviation ``sqrt(error_ppm * (error_ppm +
    1))`` (that is, `error_ppm`), never beyond ``3 * error_ppm``. Errors are independent between members and
    slots: a plain model, chosen because it needs no float; real forecast errors come in clouds and last.
    Halves of a Wh go to the even.

    Parameters
    ----------
    net_wh : array_like of int, shape (members,)
        Net energy as it will be metered, Wh.
    seed, slot : int
        As for :func:`zero_intelligence`; the two streams are independent.
    error_ppm : int
        Standard deviation in parts per million, 0 to 1,000,000; 0 means perfect foresight of the slot.

    Returns
    -------
    ndarray of int64, shape (members,)
        Expected net energy in Wh. Below an error_ppm of 333,333 it never changes sides.

    Raises
    ------
    PresetError
        If an argument is out of range.

    Examples
    --------
    >>> forecast([1000, -2000], seed=1, slot=0, error_ppm=0)
    array([ 1000, -2000])
    """
    net = _whole(net_wh)
    if isinstance(error_ppm, bool) or not isinstance(error_ppm, (int, np.integer)) or not 0 <= error_ppm <= _PPM:
        raise PresetError(f"error_ppm must be a whole number from 0 to 1000000, got {error_ppm!r}")
    draws = _draws(seed, _FORECAST, slot, 3 * len(net), 2 * int(error_ppm) + 1) - int(error_ppm)
    return _with_error(net, draws.reshape(len(net), 3).sum(axis=1))


def _with_error(net: NDArray[np.int64], error_ppm: NDArray[np.int64]) -> NDArray[np.int64]:
    """``net * (1 + error)`` in whole Wh, halves to even, kept in the range of an order."""
    whole, rest = np.divmod(net * error_ppm, _PPM)  # |net * error| < 2^31 * 3e6 < 2^53
    down = net + whole
    up = (rest > _PPM // 2) | ((rest == _PPM // 2) & (down % 2 == 1))
    expected: NDArray[np.int64] = np.clip(down + up, 1 - _QUANTITY_LIMIT, _QUANTITY_LIMIT - 1)
    return expected


def _draws(seed: int, purpose: int, slot: int, count: int, width: int) -> NDArray[np.int64]:
    """``count`` whole numbers, uniform over ``0 .. width - 1``, ``width`` being at most 2**32.

    The raw words of PCG64 are the same in every version of numpy, which its ``Generator.integers`` need not be. A word
    is scaled down as ``floor(word * width / 2**64)``, in two halves; no number is likelier than another by more than
    2**-32 of its share.
    """
    for name, value, top in (("seed", seed, 2**64), ("slot", slot, 2**31)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not 0 <= value < top:
            raise PresetError(f"{name} must be a whole number from 0 to {top - 1}, got {value!r}")
    source = np.random.PCG64(np.random.SeedSequence(int(seed), spawn_key=(purpose, int(slot))))
    words = source.random_raw(count)
    half, scale = np.uint64(32), np.uint64(width)
    low = (words & np.uint64(0xFFFF_FFFF)) * scale >> half
    drawn: NDArray[np.int64] = (((words >> half) * scale + low) >> half).astype(np.int64)
    return drawn


def _whole(net_wh: ArrayLike) -> NDArray[np.int64]:
    net = np.asarray(net_wh)
    if net.ndim != 1 or (net.size and net.dtype.kind not in "iu"):
        raise PresetError(f"net_wh must be one whole number of Wh a member, got {net.dtype} of shape {net.shape}")
    if ((net <= -_QUANTITY_LIMIT) | (net >= _QUANTITY_LIMIT)).any():
        raise PresetError("net_wh must stay between -2^31 and 2^31 Wh a slot, the range of an order")
    return net.astype(np.int64)
