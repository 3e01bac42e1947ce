"""Large columns of results: on huge pages, and used again once nobody holds them any more.

To touch fresh memory for the first time costs more than to clear the orders that it holds the results of. Memory of a
result that is gone is therefore kept for the next one, up to :data:`KEPT_BYTES_MAX`; where the system runs short of
memory, it takes the pages back.
"""

from __future__ import annotations

import mmap
from contextlib import suppress
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

LARGE_BYTES: Final = 1 << 22
"""From here on a column has memory of its own."""

KEPT_BYTES_MAX: Final = 1 << 28
"""Most that is kept for later."""

_PAGE: Final = 1 << 21  # of the larger kind
_HUGE: Final = getattr(mmap, "MADV_HUGEPAGE", None)
_FREE: Final = getattr(mmap, "MADV_FREE", None)  # content may go, the address stays


class _Memory:
    """Pages of the system."""

    __slots__ = ("address", "pages", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self.pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        if _HUGE is not None:
            with suppress(OSError):  # a system may know no such pages
                self.pages.madvise(_HUGE)
        self.address: int = np.frombuffer(self.pages, np.uint8).ctypes.data


_kept: list[_Memory] = []


class _Loan:
    """What arrays over kept memory hold on to; when the last of them is gone, the memory comes back."""

    __slots__ = ("__array_interface__", "_memory")

    def __init__(self, memory: _Memory, n: int) -> None:
        self._memory = memory
        self.__array_interface__: dict[str, Any] = {
            "version": 3,
            "typestr": np.dtype(np.int64).str,
            "shape": (n,),
            "data": (memory.address, False),
        }

    def __del__(self, kept: list[_Memory] = _kept, most: int = KEPT_BYTES_MAX, free: int | None = _FREE) -> None:
        # No lock: this may run in the middle of `empty`, of the same thread. Every step is one that nobody interrupts.
        memory = self._memory
        if free is not None and memory.size + sum(other.size for other in tuple(kept)) <= most:
            with suppress(OSError):  # what the system does not take back when it must is not kept
                memory.pages.madvise(free)
                kept.append(memory)


def empty(n: int) -> NDArray[np.int64]:
    """Return a new array of n int64, of any content.

    Parameters
    ----------
    n : int
        Number of rows.
    """
    size = n * 8
    if size < LARGE_BYTES or _FREE is None:
        return np.empty(n, np.int64)
    size = -(-size // _PAGE) * _PAGE
    fitting = [memory for memory in tuple(_kept) if size <= memory.size <= 2 * size]
    for memory in sorted(fitting, key=lambda memory: memory.size):
        try:
            _kept.remove(memory)
        except ValueError:  # another thread was quicker
            continue
        return np.asarray(_Loan(memory, n))
    try:
        return np.asarray(_Loan(_Memory(size), n))
    except OSError:  # of which numpy knows to say more
        return np.empty(n, np.int64)
