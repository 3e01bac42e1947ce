"""The blocks of a run, sealed one after the other behind its back."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Final, Self

from fastclear.leaves import Cleared
from fastclear.ledger import Ledger
from fastclear.platforms.recording import Recording
from fastclear.receipts import Receipts

AT_ONCE: Final = 20_000
"""A block of fewer records is sealed at once: to hand it to another thread would take longer."""


class Sealer:
    """Seals the slots of a run and notes what they cost, large ones while the run goes on with the next slot.

    One block is on its way at most, and blocks are sealed in the order in which they are given, so that the ledger's
    bytes do not depend on threads. Used as a context, which ends when nothing is on its way any more.

    Parameters
    ----------
    ledger : Ledger
        Where to; until the context ends, nobody else seals there.
    recording : Recording
        Where bills and heights are noted.
    """

    def __init__(self, ledger: Ledger, recording: Recording) -> None:
        self.ledger, self.recording = ledger, recording
        self._behind = ThreadPoolExecutor(max_workers=1, thread_name_prefix="fastclear-seal")
        self._on_its_way: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # after an error or an interrupt, too, the block that is on its way is written whole
        self._behind.shutdown(wait=True)

    def seal(self, slot: int, start: int, cleared: Sequence[Cleared], receipts: Receipts) -> None:
        """Seal a slot, by its position and its start in ns, once the one before is sealed.

        Raises
        ------
        LedgerError, StoreError
            This block could not be sealed, or the one before; then this one is not.
        """
        seals = self.ledger._prepared(cleared, receipts, slot=start)
        self.finish()

        def work() -> None:
            block = seals()
            self.recording.note_money(slot, receipts.bill_columns)
            self.recording.note_block(slot, len(receipts), block.height)

        if len(receipts) < AT_ONCE:
            work()
        else:
            self._on_its_way = self._behind.submit(work)

    def finish(self) -> None:
        """Wait until nothing is on its way.

        Raises
        ------
        LedgerError, StoreError
            What was on its way could not be sealed.
        """
        last, self._on_its_way = self._on_its_way, None
        try:
            if last is not None:
                last.result()
        finally:
            del (
                last
            )  # it holds the error, whose traceback holds it: the ledger would stay open until garbage is looked for
