"""Whole numbers drawn at random, the same on every machine and in every version of numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastclear.errors import FastclearError

_STREAMS = 2**32


def check_seed(seed: int) -> int:
    """Return the seed if it is one, 0 to 2^64 - 1.

    Raises
    ------
    FastclearError
        If it is out of range or no whole number.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**64:
        raise FastclearError(f"seed={seed!r} must be a whole number from 0 to 2^64 - 1")
    return seed


def whole(seed: int, stream: tuple[int, ...], shape: tuple[int, ...], low: int, high: int) -> NDArray[np.int64]:
    """Whole numbers from `low` to `high`, both included, all equally likely.

    The raw words of ``PCG64`` are scaled down by ``floor(word * width / 2^64)`` in integers. No float is involved, and
    numpy keeps raw words the same between versions, which it does not promise of its distributions. No number is
    likelier than another by more than 2^-32 of its share.

    Parameters
    ----------
    seed : int
        0 to 2^64 - 1.
    stream : tuple of int
        What the numbers are for. Different streams of one seed are independent.
    shape : tuple of int
        Shape of the result.
    low, high : int
        Ends, fewer than 2^32 apart.

    Returns
    -------
    ndarray of int64

    Examples
    --------
    >>> whole(1, (0,), (2, 3), 1, 6)
    array([[5, 2, 4],
           [2, 1, 5]])
    """
    width = high - low + 1
    assert 0 < width < _STREAMS, "wider than 32 bits"
    words = _words(seed, stream, shape)
    half, scale = np.uint64(32), np.uint64(width)
    carried = (words & np.uint64(0xFFFF_FFFF)) * scale >> half
    drawn: NDArray[np.int64] = (((words >> half) * scale + carried) >> half).astype(np.int64)
    drawn += low
    return drawn


def shares(seed: int, stream: tuple[int, ...], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Numbers from 0 up to, but not including, 1: the top 53 bits of a raw word times 2^-53, which is exact.

    Parameters and stream as for :func:`whole`.
    """
    share: NDArray[np.float64] = (_words(seed, stream, shape) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return share


def one_seed(seed: int, stream: tuple[int, ...]) -> int:
    """A seed drawn from a seed: one raw word of the stream."""
    return int(_words(seed, stream, (1,))[0])


def _words(seed: int, stream: tuple[int, ...], shape: tuple[int, ...]) -> NDArray[np.uint64]:
    source = np.random.PCG64(np.random.SeedSequence(check_seed(seed), spawn_key=stream))
    return source.random_raw(int(np.prod(shape, dtype=np.int64))).reshape(shape)
