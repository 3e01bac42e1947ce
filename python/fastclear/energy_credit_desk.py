"""Net metering at a bank: what a month of energy credits changes in bills that were paid at retail and feed-in."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from fastclear.energy_credits import CreditMonth
from fastclear.entries import HOUSE, line
from fastclear.errors import SettlementError
from fastclear.ratio import Ratio, ratio
from fastclear.tariff import Tariff

if TYPE_CHECKING:
    from fastclear.receipts import Receipts
    from fastclear.settlement import Settlement


def compensation(
    injected_wh: int, compensated_wh: int, *, retail: int, feed_in: int, tax_ppm: int, share: Fraction
) -> tuple[int, int, int]:
    """What net metering changes for one member, nano-currency: feed-in given back, retail and tax on it received.

    Examples
    --------
    >>> compensation(500, 300, retail=300_000, feed_in=50_000, tax_ppm=200_000, share=Fraction(1))
    (25000000, 90000000, 18000000)
    """
    price = int(retail * share)
    worth = price * compensated_wh
    return feed_in * injected_wh, worth, round(Fraction(worth * tax_ppm, 10**6))


class EnergyCreditDesk:
    """The part of a :class:`fastclear.Settlement` that knows energy credits."""

    _credit_month: str = ""

    def settle_energy_credits(self, month: CreditMonth, *, compensated: Ratio = 1) -> Receipts:
        """Turn a month that was settled at retail and feed-in into one under net metering.

        Slot by slot members paid retail for what they drew from the grid and received feed-in for what they gave it.
        Here each gives the feed-in price back for all it injected (it became credits), and has the retail price back,
        with the tax on it, for all that was set off: within the month, by other units, by credits.

        Parameters
        ----------
        month : CreditMonth
            What :meth:`fastclear.EnergyCredits.close_month` made of what members drew from the grid and gave it.
        compensated : int, str, Decimal or Fraction, default 1
            Share of the retail price that is set off, 0 to 1: below 1 where a part of the network charge is owed all
            the same (in Brazil for connections since 2023, law 14.300/2022, article 27).

        Returns
        -------
        Receipts
            Lines ``credited`` (member to backstop), ``compensated`` (backstop to member) and the tax on the latter,
            forced as all metering is.

        Raises
        ------
        SettlementError
            A stranger, a month that does not come after the last one settled, or a :class:`fastclear.TariffPlan`,
            whose prices differ by the slot; then nothing has happened.

        Examples
        --------
        >>> import fastclear as fc
        >>> bank = fc.Settlement(tariff=fc.Tariff.from_ct_per_kwh(30, 5))
        >>> bank.open("Ana")
        >>> credits = fc.EnergyCredits()
        >>> meters = {"participant": ["Ana"], "consumed_wh": [300], "injected_wh": [500]}
        >>> receipts = bank.settle_energy_credits(credits.close_month("2026-01", meters))
        >>> receipts.frame.select("line", "payer", "quantity", "amount").tail(2).rows()
        [('credited', 'Ana', 500, 25000000), ('compensated', 'backstop', 300, 90000000)]
        """
        bank = cast("Settlement", self)
        if not isinstance(month, CreditMonth):
            raise SettlementError(f"month is a {type(month).__name__}; give what EnergyCredits.close_month returned")
        if not isinstance(bank.tariff, Tariff):
            raise SettlementError("a fc.TariffPlan has prices by the slot; net metering needs a bank with a fc.Tariff")
        if month.month <= self._credit_month:
            raise SettlementError(f"month {month.month} does not come after {self._credit_month}, which is settled")
        share = ratio("compensated", compensated, most=1)
        injected, set_off = Counter[Any](), Counter[Any]()
        names = ("participant", "injected_wh", "own_wh", "from_units_wh", "from_credits_wh")
        for name, given, *parts in month.units.select(names).iter_rows():
            injected[name] += given
            set_off[name] += sum(parts)
        rows: list[tuple[tuple[int, int], int, int, int, int, int]] = []
        price = int(bank.tariff.retail * share)
        for name in injected:
            member = bank.account(name)
            back, worth, tax = compensation(
                injected[name],
                set_off[name],
                retail=bank.tariff.retail,
                feed_in=bank.tariff.feed_in,
                tax_ppm=bank.tariff.tax_ppm,
                share=share,
            )
            wh, off = injected[name], set_off[name]
            if wh:
                rows.append((line("imbalance", "credited"), member, HOUSE["backstop"], wh, bank.tariff.feed_in, back))
            if off:
                rows.append((line("imbalance", "compensated"), HOUSE["backstop"], member, off, price, worth))
            if tax:
                rows.append((line("tax", "compensated"), HOUSE["tax"], member, off, 0, tax))
        if rows:
            _enter(bank, rows)
        self._credit_month = month.month
        return bank.receipts()


def _enter(bank: Settlement, rows: list[tuple[tuple[int, int], int, int, int, int, int]]) -> None:
    """Enter lines; where a price is below zero, the other side pays."""
    lines, debit, credit, quantity, price, amount = zip(*rows, strict=True)
    kind, code = zip(*lines, strict=True)
    if max(map(abs, amount)) >= 2**63:
        raise SettlementError("a month of credits moves more money than 64 bits hold; settle fewer members at once")
    turned = [money < 0 for money in amount]
    bank._bank.enter(
        np.array(kind, np.uint8),
        np.array(code, np.uint16),
        np.where(turned, np.array(credit, np.uint64), np.array(debit, np.uint64)),
        np.where(turned, np.array(debit, np.uint64), np.array(credit, np.uint64)),
        np.abs(np.array(amount, np.int64)),
        quantity=np.array(quantity, np.int64),
        price=np.array(price, np.int64),
        forced=True,
    )
