"""ChaCha with 8 rounds in plain Python, and the draws that lotteries make of it."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_T = TypeVar("_T")
_MASK = 0xFFFF_FFFF
_CONSTANTS = tuple(int.from_bytes(b"expand 32-byte k"[i : i + 4], "little") for i in range(0, 16, 4))
# Columns, then diagonals, of the state as a square of four by four.
_QUARTERS = (
    *((i, 4 + i, 8 + i, 12 + i) for i in range(4)),
    *((i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4) for i in range(4)),
)


class Draws:
    """The random numbers of one market.

    Parameters
    ----------
    seed : int
        The mechanism's seed, 64 bits: the first 8 bytes of the key, little-endian; the other 24 are zero.
    stream : int
        Rank of the market among the markets of the call, in ascending id.

    Notes
    -----
    Layout of Bernstein 2008: four constants, eight words of key, a 64-bit block counter from 0, a 64-bit stream.
    A block costs some 50 microseconds here.

    Examples
    --------
    >>> draws = Draws(seed=1, stream=0)
    >>> sorted(draws.shuffled(range(5)))
    [0, 1, 2, 3, 4]
    >>> draws.below(1)
    0
    """

    def __init__(self, seed: int, stream: int) -> None:
        self._words = _words(seed, stream)

    def next(self) -> int:
        """Return 64 bits: two words of the output, the low half first."""
        low = next(self._words)
        return low | next(self._words) << 32

    def below(self, n: int) -> int:
        """Return one of 0 to n - 1, each as likely; with n = 1 nothing is drawn."""
        if n == 1:
            return 0
        limit = 2**64 - 2**64 % n
        while (drawn := self.next()) >= limit:
            pass
        return drawn % n

    def coin(self) -> bool:
        """Return a fair coin: the top bit of the next 64."""
        return bool(self.next() >> 63)

    def shuffled(self, items: Iterable[_T]) -> list[_T]:
        """Return the items in random order (Fisher-Yates, from the last place down)."""
        order = list(items)
        for i in range(len(order) - 1, 0, -1):
            j = self.below(i + 1)
            order[i], order[j] = order[j], order[i]
        return order


def _words(seed: int, stream: int) -> Iterator[int]:
    key = (seed & _MASK, seed >> 32 & _MASK, 0, 0, 0, 0, 0, 0)
    for block in count():
        start = (*_CONSTANTS, *key, block & _MASK, block >> 32, stream & _MASK, stream >> 32)
        state = list(start)
        for _ in range(4):
            for a, b, c, d in _QUARTERS:
                _quarter_round(state, a, b, c, d)
        yield from ((word + first) & _MASK for word, first in zip(state, start, strict=True))


def _quarter_round(state: list[int], a: int, b: int, c: int, d: int) -> None:
    one, two, three, four = state[a], state[b], state[c], state[d]
    one = (one + two) & _MASK
    four ^= one
    four = (four << 16 | four >> 16) & _MASK
    three = (three + four) & _MASK
    two ^= three
    two = (two << 12 | two >> 20) & _MASK
    one = (one + two) & _MASK
    four ^= one
    four = (four << 8 | four >> 24) & _MASK
    three = (three + four) & _MASK
    two ^= three
    two = (two << 7 | two >> 25) & _MASK
    state[a], state[b], state[c], state[d] = one, two, three, four
