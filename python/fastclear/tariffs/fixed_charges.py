"""The calls of a bank that charge by the month."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from fastclear import _core
from fastclear.columns import Participant, checked_name, items
from fastclear.tariffs.subscriptions import Month, Subscriptions

if TYPE_CHECKING:
    from fastclear.receipts import Receipts


class FixedCharges(ABC):
    """A bank's part that has nothing to do with slots; :class:`fastclear.Settlement` is the whole."""

    _bank: _core.Bank
    _subscriptions: Subscriptions

    @abstractmethod
    def account(self, participant: Participant) -> int:
        """Return the account id of ``participant``."""

    @abstractmethod
    def receipts(self) -> Receipts:
        """Every posting since the last receipts."""

    @abstractmethod
    def _hand_out(
        self,
        slot_number: int | None = None,
        subscription_ppm: Sequence[int] = (),
        *,
        period: object = None,
        reverses: bool = False,
    ) -> Receipts:
        """What is new, with what its postings do not say."""

    def subscribe(
        self,
        participants: Participant | Iterable[Participant],
        since: date,
        *,
        per_month: int | None = None,
    ) -> None:
        """Let a fixed charge run from a local day on.

        Parameters
        ----------
        participants : str, int, or an iterable of them
            Who pays it; each has one at a time.
        since : date
            First local day that is charged.
        per_month : int, optional
            Nano-currency a month; by default what the :class:`fastclear.TariffPlan` says of each day.

        Raises
        ------
        SettlementError
            A stranger, one who has a charge already on that day, or no amount; then nothing changes.
        """
        names = [checked_name(name) for name in items(participants)]
        for name in names:
            self.account(name)
        self._subscriptions.begin(names, since, per_month)

    def unsubscribe(self, participants: Participant | Iterable[Participant], until: date) -> None:
        """End a fixed charge: ``until`` is the first local day that is charged no more.

        Raises
        ------
        SettlementError
            One who has no charge, or a day that has been charged already; then nothing changes.
        """
        self._subscriptions.end([checked_name(name) for name in items(participants)], until)

    def charge_subscriptions(self, period: Month) -> Receipts:
        """Charge everybody's fixed charge for the days of a period.

        A month is charged by the day: after *d* of its *D* local days a member has paid floor(amount x d / D), so that
        what joins up, moves house or is charged week by week sums exactly to the month. The lines are ``fee``
        (``subscription``) and their ``tax``. They never block: a member may go below zero by them, and is restricted
        then.

        Parameters
        ----------
        period : str or tuple of two dates
            ``"2026-03"``, or (first day, first day after it), local days.

        Returns
        -------
        Receipts
            Every posting since the last receipts.

        Raises
        ------
        SettlementError
            A period that reaches into days that were charged, or cannot be read; then nothing is charged.
        """
        charges = self._subscriptions.charges(period)
        accounts = np.array([self.account(charge.participant) for charge in charges], np.uint64)
        amounts = np.array([charge.amount for charge in charges], np.int64)
        self._bank.charge(accounts, amounts, np.array([charge.tax_ppm for charge in charges], np.uint32))
        self._subscriptions.charged(period)
        return self._hand_out(subscription_ppm=[charge.tax_ppm for charge in charges if charge.amount], period=period)
