"""What a profile does beyond the core of a bank: a desk beside it, which hears of what happens and enters lines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from typing import TYPE_CHECKING, Any, Final

from numpy.typing import NDArray

if TYPE_CHECKING:
    from fastclear.receipts import Receipts
    from fastclear.settlement import Settlement

DAY_NS: Final = 86_400 * 10**9
"""Nanoseconds of a day; days of a bank are those of UTC."""
CycleRow = tuple[int, int, int, int, int]
"""Account, opening, deposited, net, closing."""


class Desk:
    """The desk of a profile that leaves everything to the core.

    A subclass that keeps something has a ``__copy__`` that shares nothing which changes: a copy of a bank has a desk of
    its own.
    """

    def advance(self, bank: Settlement, time_ns: int) -> None:
        """The clock moves."""
        bank._bank.advance(time_ns)

    def deposit(self, bank: Settlement, accounts: NDArray[Any], amounts: NDArray[Any]) -> None:
        """Money comes in."""
        bank._bank.deposit(accounts, amounts)

    def withdraw(self, bank: Settlement, accounts: NDArray[Any], amounts: NDArray[Any]) -> None:
        """Money goes out."""
        bank._bank.withdraw(accounts, amounts)

    def close_cycle(self, bank: Settlement, failed: NDArray[Any]) -> list[CycleRow]:
        """A cycle ends."""
        return bank._bank.close_cycle(failed)

    def write_off(self, bank: Settlement, account: int) -> None:
        """What a member owes is given up."""
        bank._bank.write_off(account)

    def before_slot(self, bank: Settlement, /) -> None:
        """A slot is about to be settled."""

    def after_slot(self, bank: Settlement, receipts: Receipts, /) -> None:
        """A slot has been settled."""

    def check(self, bank: Settlement, /) -> None:
        """Hold what the desk keeps against the accounts; raises AuditError where they differ."""


@contextmanager
def all_or_none(bank: Settlement) -> Iterator[None]:
    """Several calls that are one: if one of them raises, the bank and its desk are as before. Costs a copy of both."""
    core, desk = bank._bank.copy(), copy(bank._desk)
    try:
        yield
    except BaseException:
        bank._bank, bank._desk = core, desk
        raise
