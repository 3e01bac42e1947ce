"""Lines that a profile enters: names in, one call of the core out, all of them or none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from fastclear import _core

KINDS: Final = {name: number for number, name in _core.KIND_NAMES}
"""Number of each kind."""
CODES: Final = {(kind, name): code for kind, code, name in _core.LINE_NAMES}
"""Code of each line, by number of its kind and name."""
_PURPOSES: Final = {name: number for number, name in _core.PURSES}
HOUSE: Final = {name: number for number, name in _core.HOUSE_ACCOUNTS}
"""Number of each house account."""


def line(kind: str, name: str) -> tuple[int, int]:
    """Numbers of a kind and of a line within it."""
    return KINDS[kind], CODES[KINDS[kind], name]


class Entry(NamedTuple):
    """One line: ``amount`` goes from ``debit`` to ``credit``."""

    kind: str
    line: str
    debit: int
    credit: int
    amount: int
    group: int = -1
    """Seq of the posting it belongs to; -1: none, -2 - k: row k of the same call."""


def purse(purpose: str, member: int) -> int:
    """Account of a member for a purpose."""
    return _PURPOSES[purpose] * _core.PURSE_STEP + member


def enter(core: _core.Bank, entries: Sequence[Entry], *, forced: bool = False) -> list[int]:
    """Enter lines, all or none, and return the seq of each; without lines nothing happens.

    Raises
    ------
    SettlementError
        An account that lacks what it pays.
    """
    if not entries:
        return []
    kinds, codes = zip(*(line(entry.kind, entry.line) for entry in entries), strict=True)
    seqs = core.enter(
        np.array(kinds, np.uint8),
        np.array(codes, np.uint16),
        np.array([entry.debit for entry in entries], np.uint64),
        np.array([entry.credit for entry in entries], np.uint64),
        np.array([entry.amount for entry in entries], np.int64),
        group=np.array([entry.group for entry in entries], np.int64),
        forced=forced,
    )
    return [int(seq) for seq in seqs]
