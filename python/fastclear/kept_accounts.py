"""Accounts that are kept in a directory: when a call is safe, what it was sealed with, where the files are."""

from __future__ import annotations

import os
import re
from types import TracebackType
from typing import TYPE_CHECKING, Final, NamedTuple

from fastclear._core import Accounts as _Memory
from fastclear._core import DurableAccounts as _Directory
from fastclear.errors import StoreError

if TYPE_CHECKING:
    from typing import Self

_GROUP: Final = re.compile(r"group\((\d{1,5})\)")
SEGMENT_BYTES: Final = 64 * 2**20
"""Size of a file of the journal."""


class Seal(NamedTuple):
    """What the last call that moved money was sealed with, see chapter 4b."""

    batch: int
    """Calls sealed so far."""
    transfers: int
    """Transfers sealed so far, refused ones too."""
    root: bytes
    """RFC 9162 root over the rows of the last call."""
    chain: bytes
    """Hash over all roots so far."""


def wait_of(durability: str) -> int:
    """Milliseconds that a call waits for others; -1 where nothing is synced.

    Raises
    ------
    StoreError
        None of ``"sync"``, ``"group(ms)"``, ``"none"``.
    """
    if durability in ("sync", "none"):
        return 0 if durability == "sync" else -1
    found = _GROUP.fullmatch(durability) if isinstance(durability, str) else None
    if found is None:
        raise StoreError(f"durability is {durability!r}; give 'sync', 'group(ms)' such as 'group(2)', or 'none'")
    return int(found[1])


def directory_of(path: object) -> str | None:
    """The path as text, None for memory.

    Raises
    ------
    StoreError
        What is no path.
    """
    if path is None:
        return None
    if isinstance(path, str | bytes | os.PathLike):
        return os.fsdecode(path)
    raise StoreError(f"path is {path!r}; give the path of a directory, or leave it out for accounts in memory")


def begin(path: str | None, durability: str, segment_bytes: int) -> _Memory | _Directory:
    """Accounts in memory, or those of a directory."""
    wait = wait_of(durability)
    if path is None:
        return _Memory()
    if isinstance(segment_bytes, bool) or not isinstance(segment_bytes, int) or not 4096 <= segment_bytes <= 2**32:
        raise StoreError(f"segment_bytes is {segment_bytes!r}; give an integer of 4096 to 2^32")
    return _Directory(path, wait, segment_bytes, 4 * segment_bytes)


class Kept:
    """What accounts of a directory can do beside what those in memory do."""

    _core: _Memory | _Directory
    _path: str | None
    _is_shut = False

    def _kept(self) -> _Directory:
        if isinstance(self._core, _Directory):
            return self._core
        raise StoreError("these accounts are in memory; open them with fc.Accounts(path)")

    @property
    def path(self) -> str | None:
        """The directory, None for accounts in memory."""
        return self._path

    @property
    def seal(self) -> Seal:
        """What the last :meth:`submit` or :meth:`settle_net` was sealed with.

        Raises
        ------
        StoreError
            Accounts in memory: they are not sealed.
        """
        return Seal(*self._kept().seal())

    def state_root(self) -> bytes:
        """Hash over balances, ids, reservations and seal: equal exactly where all of it is. O(accounts + ids).

        Raises
        ------
        StoreError
            Accounts in memory.
        """
        return self._kept().root()

    def snapshot(self) -> None:
        """Write the state, so that less is replayed by the next opening. O(accounts + ids).

        It is done unasked after every four files of journal.

        Raises
        ------
        StoreError
            Accounts in memory, no room (``disk_full``: nothing has changed), or a write that failed.
        """
        self._kept().snapshot()

    def accept_clock_jump(self) -> None:
        """Believe the clock at the next call, however far it has jumped ahead; the journal says so.

        Raises
        ------
        StoreError
            Accounts in memory.
        """
        self._kept().accept_clock_jump()

    @property
    def counts(self) -> dict[str, int]:
        """What was written since the opening, and what the opening found.

        ``frames``, ``frame_bytes``, ``frame_syncs`` (one a frame), ``segments_made``, ``segments_reused``;
        ``replayed_frames``, ``snapshots_damaged``, ``cut_bytes`` (of a frame that was never finished).

        Raises
        ------
        StoreError
            Accounts in memory.
        """
        return dict(self._kept().counts())

    def shut(self) -> None:
        """Let the directory go. Leaving it open loses nothing that was answered; a second time does nothing.

        The end is written down, so that a last call that is damaged later is told from one that was never finished.

        Raises
        ------
        StoreError
            Accounts in memory, or a write that failed.
        """
        self._kept().shut()
        self._is_shut = True

    def __enter__(self) -> Self:
        """Return the accounts; leaving the block shuts them if they have a directory."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Shut the directory."""
        if isinstance(self._core, _Directory):
            self.shut()
