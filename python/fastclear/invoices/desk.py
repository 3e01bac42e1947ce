"""What a bank can be asked about invoices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
import polars as pl

from fastclear.errors import SettlementError
from fastclear.tariff import Tariff

if TYPE_CHECKING:
    from fastclear.invoices.office import Office
    from fastclear.invoices.period import Period
    from fastclear.invoices.view import Invoices
    from fastclear.settlement import Settlement

_NO_OFFICE: Final = (
    "this bank writes no invoices; call bank.open_invoicing(issuer) before its first posting of a member"
)


class InvoiceDesk:
    """A bank's part that writes invoices; :class:`fastclear.Settlement` is the whole."""

    _office: Office | None

    def open_invoicing(
        self,
        issuer: str,
        *,
        number: str = "{:06d}",
        rounding: str = "half_even",
        self_billing: bool = True,
        time_zone: str | None = None,
    ) -> None:
        """Let the bank write invoices. Call it before the first slot: what was handed out before is on none.

        Parameters
        ----------
        issuer : str
            Who writes them; its numbers have no gaps.
        number : str, default "{:06d}"
            How a number is written, from its count from 1.
        rounding : {"half_even", "half_up"}
            Where half a cent goes.
        self_billing : bool, default True
            Whether lines of what a member supplies are marked as written on its behalf.
        time_zone : str, optional
            IANA name of the zone whose months are billed; that of the :class:`fastclear.TariffPlan`, else UTC.

        Raises
        ------
        SettlementError
            It was called before, slots were settled before, or an argument that cannot be.

        Notes
        -----
        Keeps about 72 bytes for each posting that costs or earns a member something.
        """
        from fastclear.invoices.office import Office, checked
        from fastclear.tariffs.local_time import time_zone as known_zone

        bank = self._self
        terms = checked(issuer, number, rounding, self_billing)
        if self._office is not None:
            raise SettlementError(f"the invoices of this bank are written by {self._office.issuer}; one issuer a bank")
        if len(bank._slots):
            raise SettlementError(f"{len(bank._slots)} slots were settled already; open invoicing before the first one")
        tariff = bank.tariff
        zone = time_zone or ("UTC" if isinstance(tariff, Tariff) else tariff.time_zone)
        known_zone(zone)
        name, template, rule, by_itself = terms
        self._office = Office(bank, name, template, rule, zone, by_itself)

    def invoice(self, period: Period) -> Invoices:
        """Write the invoices of a billing period: one a member, and what has changed since they were written.

        A line sums what the member paid or was owed (signs as on a bill: + it pays) for one thing at one rate of tax
        over the slots that began in the period; fixed charges count where the period begins that they were charged for,
        rulings where they were posted. The gross amount of each line is rounded to cents, and its tax; net is their
        difference. This is the one place where money is rounded to cents: what that changes is booked between the
        member and the account ``rounding`` (``correction``, ``cents``), so that the balance moves by the invoice,
        exactly.

        Issued again for the same period, it writes only what is missing: for a member whose lines have changed (later
        readings, rulings) a credit note that takes back the invoice, and a new invoice. What has not changed has its
        invoice already, and gets none.

        Parameters
        ----------
        period : str or tuple
            A local month, ``"2026-03"``, or (start, end) with the end excluded: dates, datetimes with a time zone, or
            nanoseconds since 1970 UTC.

        Returns
        -------
        Invoices
            The documents written by this call.

        Raises
        ------
        SettlementError
            A bank without :meth:`open_invoicing`, what is no period, or one that overlaps another that has invoices;
            then nothing is written, and no number is used.

        Notes
        -----
        Tax on a trade is taken once on energy and the fees of its rate; here the fees have their part of it, rounded to
        the nano, and the energy has the rest. The rounding of a document is at most half a cent a line. Nothing can be
        booked on an account that is closed: its invoice is in cents, and its balance was not.

        Examples
        --------
        >>> import fastclear as fc
        >>> bank = fc.Settlement(tariff=fc.Tariff.from_ct_per_kwh("30.3", 5, tax_percent=20))
        >>> bank.open(["Ada"])
        >>> bank.open_invoicing("Sunny Street")
        >>> slot = 1_772_582_400 * 10**9  # 2026-03-04
        >>> _ = bank.settle([], {"participant": ["Ada"], "energy_wh": [1_500]}, slot=slot)
        >>> bank.invoice("2026-03").frame.select("number", "line", "net", "tax", "gross", "exact").rows() == [
        ...     ("000001", "residual", 460_000_000, 90_000_000, 550_000_000, 545_400_000)
        ... ]
        True
        >>> int(bank.balances["posted"][-1])
        -550000000
        >>> len(bank.invoice("2026-03"))
        0
        """
        from fastclear.invoices.view import Invoices

        office = self._its_office()
        return Invoices(office.issue(period), office.issuer, self_billing=office.self_billing)

    @property
    def invoices(self) -> Invoices:
        """Every document, in the order of their numbers."""
        from fastclear.invoices.view import Invoices

        office = self._its_office()
        return Invoices(office.documents, office.issuer, self_billing=office.self_billing)

    def invoice_postings(self, number: str) -> pl.DataFrame:
        """What a document is made of, posting by posting.

        Returns
        -------
        DataFrame
            ``seq`` (UInt64), ``line``, ``tax_ppm``, ``tax`` (whether it is tax), ``amount`` (nano-currency, + the
            member pays), ``energy_wh``. Per line the amounts sum to ``exact``, but for tax on fees that was taken
            together with that on the energy. A credit note is made of what the invoice was that it takes back.

        Raises
        ------
        SettlementError
            No such number.
        """
        from fastclear.invoices.charges import LINES

        office = self._its_office()
        found = [document for document in office.documents if document.number == number]
        if not found:
            raise SettlementError(f"number {number!r}: no such document; see bank.invoices")
        charges, rows = office.charges_of(found[0])
        return pl.DataFrame(
            [
                pl.Series("seq", charges.seq[rows].astype(np.uint64)),
                pl.Series("line", [LINES[line] for line in charges.line[rows].tolist()], dtype=pl.String),
                pl.Series("tax_ppm", charges.rate[rows].astype(np.uint32)),
                pl.Series("tax", charges.tax[rows].astype(bool)),
                pl.Series("amount", charges.amount[rows]),
                pl.Series("energy_wh", charges.energy[rows]),
            ]
        )

    def _its_office(self) -> Office:
        if self._office is None:
            raise SettlementError(_NO_OFFICE)
        return self._office

    @property
    def _self(self) -> Settlement:
        return cast("Settlement", cast("Any", self))
