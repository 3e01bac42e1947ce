"""The credit desk of a bank: treasury, loans, repayments, standing, netting of a cycle."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear import _core
from fastclear.columns import Participant, checked_name, items, whole
from fastclear.errors import SettlementError
from fastclear.members import called, participant_series
from fastclear.netting import money as money_series
from fastclear.receipts import MONEY

if TYPE_CHECKING:
    from fastclear.settlement import Settlement

_HOUSE: Final = dict(_core.HOUSE_ACCOUNTS)
_UNIX_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()


class CreditDesk:
    """What a bank with the profile ``credit_bank`` or ``postpaid_netting`` can do beside what every bank does."""

    _bank: _core.Bank

    def fund(self, amount: int) -> None:
        """Put capital into the treasury of a credit bank, or take it out where ``amount`` is negative.

        Parameters
        ----------
        amount : int
            Nano-currency. What is lent, or promised to orders with a reservation, cannot be taken out.

        Raises
        ------
        SettlementError
            A bank without a treasury, a float, or more than is free.
        """
        self._bank.fund(whole("amount", amount))

    def repay(self, participant: Participant, amount: int | None = None) -> int:
        """Repay loans, due or not: penalties first, then interest, then the oldest principal.

        Parameters
        ----------
        participant : str or int
            Whose.
        amount : int, optional
            Nano-currency; without it all that is owed, or all that is posted and not reserved, if that is less.

        Returns
        -------
        int
            What was repaid, in nano-currency.

        Raises
        ------
        SettlementError
            A stranger, a negative amount, or more than is owed, or posted and not reserved; then nothing is repaid.
        """
        account = self._self.account(participant)
        return self._bank.repay(account, None if amount is None else whole("amount", amount))

    def write_off(self, participant: Participant) -> None:
        """Give up what ``participant`` owes. It is ``defaulted`` with limit 0, until somebody sets a limit again.

        Raises
        ------
        SettlementError
            A stranger, or a member with nothing overdue.
        """
        self._self._desk.write_off(self._self, self._self.account(participant))

    def close(self, participant: Participant) -> None:
        """Close an account for good: nothing moves on it any more, and its orders are refused (``account_blocked``).

        Raises
        ------
        SettlementError
            A stranger, an account closed already, one that still holds, owes or has reserved something, or a party to a
            dispute.
        """
        account = self._self.account(participant)
        dispute = self._self._in_dispute(account)
        if dispute is not None:
            raise SettlementError(f"participant {participant!r} is a party to dispute {dispute.number}; end that first")
        self._bank.close(account)

    @property
    def loans(self) -> pl.DataFrame:
        """One row a loan that is not paid back, by account and then oldest first.

        ``participant``, ``account``, ``loan`` (seq of the posting that drew it), ``lender`` (``treasury``, or
        ``platform`` where the operator paid for a failed payment), ``drawn``, ``drawn_on``, ``due_on`` (Date, UTC),
        ``principal``, ``interest``, ``penalty`` and their sum ``owed`` (nano-currency, Decimal(38, 0)), ``status``
        (``running``, ``overdue``).
        """
        rows = self._bank.loans()
        columns: list[Any] = list(zip(*rows, strict=True)) if rows else [[] for _ in range(9)]
        account, loan, lender, drawn, drawn_day, due_day, principal, interest, penalty = columns
        today = self._bank.today()
        money = {"drawn": drawn, "principal": principal, "interest": interest, "penalty": penalty}
        frame = pl.DataFrame(
            [
                participant_series(self._self.names(account)),
                pl.Series("account", account, dtype=pl.UInt64),
                pl.Series("loan", loan, dtype=pl.UInt64),
                pl.Series("lender", [_HOUSE[account] for account in lender], dtype=pl.String),
                *(money_series(name, list(values)) for name, values in money.items()),
                pl.Series("drawn_on", [_date(day) for day in drawn_day], dtype=pl.Date),
                pl.Series("due_on", [_date(day) for day in due_day], dtype=pl.Date),
                pl.Series("status", ["overdue" if day <= today else "running" for day in due_day], dtype=pl.String),
            ]
        )
        owed = (pl.col("principal") + pl.col("interest") + pl.col("penalty")).cast(MONEY).alias("owed")
        return frame.with_columns(owed).select(
            "participant",
            *("account", "loan", "lender", "drawn", "drawn_on", "due_on"),
            *("principal", "interest", "penalty", "owed", "status"),
        )

    @property
    def treasury(self) -> dict[str, int]:
        """The treasury of a credit bank, in nano-currency.

        ``money`` (what it holds) is ``capital`` (put in less taken out) + ``interest`` + ``penalty`` (received) -
        ``lent`` (principal outstanding) - ``written_off`` (principal given up).
        """
        capital, interest, penalty, written_off = self._bank.book() or (0, 0, 0, 0)
        lent = sum(row[6] for row in self._bank.loans() if _HOUSE[row[2]] == "treasury")
        money = next((row[1] for row in self._bank.balances() if _HOUSE.get(row[0]) == "treasury"), 0)
        return {
            "money": money,
            "capital": capital,
            "interest": interest,
            "penalty": penalty,
            "lent": lent,
            "written_off": written_off,
        }

    def net_payments(self, failed: Participant | Iterable[Participant] = ()) -> pl.DataFrame:
        """List the payments, fewer than there are parties, that would settle the cycle if it were closed now.

        Parameters
        ----------
        failed : str, int, or an iterable of them
            Members whose payment fails: the operator (``platform``) stands in their place.

        Returns
        -------
        DataFrame
            ``payer``, ``payee`` (participants and house accounts; ``boundary`` stands for deposits that are paid back),
            ``amount`` (nano-currency, Decimal(38, 0)). Nothing changes.

        Raises
        ------
        SettlementError
            Another profile than ``postpaid_netting``, or a member in ``failed`` that owes nothing.
        """
        payments = self._bank.net_payments(self._failed(failed))
        payers, payees, amounts = (list(column) for column in zip(*payments, strict=True)) if payments else ([], [], [])

        def who(name: str, accounts: list[int]) -> pl.Series:
            owners = self._self.names([account % _core.PURSE_STEP for account in accounts])
            return pl.Series(name, [called(*pair) for pair in zip(accounts, owners, strict=True)], dtype=pl.String)

        return pl.DataFrame([who("payer", payers), who("payee", payees), money_series("amount", amounts)])

    def _failed(self, failed: object) -> NDArray[np.uint64]:
        return np.array([self._self.account(checked_name(name)) for name in items(failed)], np.uint64)

    @property
    def _self(self) -> Settlement:
        return cast("Settlement", self)


def _date(day: int) -> date:
    return date.fromordinal(min(_UNIX_EPOCH_DAY + day, date.max.toordinal()))
