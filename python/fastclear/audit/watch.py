"""A bank under audit: every call to the core goes through here, and is checked when it is done."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fastclear import _core
from fastclear.audit.report import broken
from fastclear.audit.settlement import BILLS, CYCLE, HANDED, REFUSED, Books, SettlementReport, check_bills
from fastclear.errors import SettlementError

_QUESTIONS: Final = frozenset({"balances", "available", "loans", "book", "today", "net_payments", "postings"})


class Watched:
    """The core of a bank that keeps :class:`Books` beside it, and compares the two after every call.

    Whatever a call returns or raises, the postings it made are folded once more in Python, and every balance is
    compared. It takes the place of the core inside :class:`fastclear.Settlement`.
    """

    def __init__(self, core: _core.Bank, books: Books | None = None, handed_out: int = 0) -> None:
        self._core = core
        self._handed_out = handed_out
        self.books = Books() if books is None else books
        self.check()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._core, name)
        return method if name in _QUESTIONS or not callable(method) else self._checked(method)

    def copy(self) -> Watched:
        """A bank of its own, under an audit of its own."""
        return Watched(self._core.copy(), deepcopy(self.books), self._handed_out)

    def take(self) -> _core.Postings:
        """Postings on their way out; their bills are checked."""
        postings = self._core.take()
        columns = postings.columns()
        seq = columns["seq"].tolist()
        if seq != list(range(self._handed_out, self.books.next_seq)):
            raise broken(HANDED, f"{len(seq)} of {self.books.next_seq - self._handed_out} are")
        self._handed_out = self.books.next_seq
        try:
            bills = postings.bills()
        except SettlementError:  # a total that leaves 64 bits; the postings are right all the same
            return postings
        check_bills(columns, bills)
        return postings

    def close_cycle(self, failed: NDArray[np.uint64]) -> list[tuple[int, int, int, int, int]]:
        """What each account gained, checked; then what is netted is paid."""
        self.check()
        before = deepcopy(self.books)
        lines = self._core.close_cycle(failed)
        before.check_cycle(lines)
        self.check()
        self.books.begin_cycle()
        return lines

    def check(self) -> SettlementReport:
        """Fold what is new, and compare every balance."""
        fold_untaken(self.books, self._core)
        self.books.check_balances(self._core.balances())
        report = self.books.report()
        return replace(report, checks=(*report.checks, REFUSED, HANDED, CYCLE, BILLS))

    def _checked(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            before = self.books.next_seq
            try:
                result = method(*args, **named)
            except Exception:
                self.check()
                if self.books.next_seq != before:
                    raise broken(REFUSED, f"{self.books.next_seq - before} postings were made") from None
                raise
            self.check()
            return result

        return call


def fold_untaken(books: Books, core: _core.Bank) -> None:
    """Let the books follow what the bank has not handed out yet; the bank keeps it."""
    columns = core.copy().take().columns()
    new = columns["seq"].astype(np.uint64) >= books.next_seq
    if new.any():
        books.follow({name: column[new] for name, column in columns.items()})


def audited(core: _core.Bank, receipts: Iterable[Any], handed_out: int) -> SettlementReport:
    """Fold all postings of a bank from the first one, and check them; see :meth:`fastclear.Settlement.audit`."""
    books = Books()
    for item in receipts:
        if len(item) and int(item.columns["seq"][0]) != books.next_seq:
            raise SettlementError(
                f"receipts begin with posting {item.columns['seq'][0]}, posting {books.next_seq} is missing; give all "
                "that the bank has handed out, in order, or open the bank with audit=True"
            )
        books.follow(item.columns)
    if books.next_seq != handed_out:
        raise SettlementError(
            f"the bank has handed out {handed_out} postings, the receipts hold {books.next_seq}; give all of them, or "
            "open the bank with audit=True"
        )
    fold_untaken(books, core)
    books.check_balances(core.balances())
    return books.report()
