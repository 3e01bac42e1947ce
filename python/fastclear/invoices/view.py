"""Invoices and credit notes as frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import polars as pl

from fastclear.invoices.office import Document
from fastclear.members import participant_series
from fastclear.statements.history import decimals
from fastclear.statements.view import View, money_text

_UTC: Final = pl.Datetime("ns", "UTC")


class Invoices(View):
    """One row a line of an invoice or credit note, in the order of their numbers.

    ``number``, ``kind`` (``invoice``, ``credit_note``), ``replaces`` (number of the invoice that it takes back, or
    takes the place of), ``issuer``, ``participant``, ``account``, ``start``, ``end`` (of the period, UTC, the end
    excluded), ``issued`` (engine time, UTC), ``line``, ``tax_ppm``, ``self_billed`` (the member supplies, and the
    issuer writes the invoice for it), ``energy_wh``, ``net``, ``tax``, ``gross`` (nano-currency, whole cents: + the
    member pays), ``exact`` (what the line comes to before rounding), ``postings`` (how many it is made of),
    ``first_seq``, ``last_seq``. Money and energy are Decimal(38, 0).
    """

    _MONEY = ("net", "tax", "gross")
    _HIDDEN = (
        *("issuer", "account", "start", "end", "issued", "self_billed", "exact"),
        *("postings", "first_seq", "last_seq"),
    )

    def __init__(self, documents: Sequence[Document], issuer: str, *, self_billing: bool = True) -> None:
        self._documents = tuple(documents)
        self._issuer = issuer
        rows = [(document, line) for document in self._documents for line in document.lines]
        frame = pl.DataFrame(
            [
                *self._heads([document for document, _ in rows]),
                pl.Series("line", [line.line for _, line in rows], dtype=pl.String),
                pl.Series("tax_ppm", [line.tax_ppm for _, line in rows], dtype=pl.UInt32),
                pl.Series("self_billed", [self_billing and line.self_billed for _, line in rows], dtype=pl.Boolean),
                *(
                    decimals(name, [getattr(line, name) for _, line in rows])
                    for name in ("energy_wh", "net", "tax", "gross", "exact")
                ),
                pl.Series("postings", [line.postings for _, line in rows], dtype=pl.UInt64),
                pl.Series("first_seq", [line.first_seq for _, line in rows], dtype=pl.UInt64),
                pl.Series("last_seq", [line.last_seq for _, line in rows], dtype=pl.UInt64),
            ]
        )
        total = money_text(sum(document.gross for document in self._documents))
        super().__init__(frame, f"{len(self._documents):,} documents of {issuer}, {total} in all")

    @property
    def documents(self) -> pl.DataFrame:
        """One row a document: its head as in the lines, ``net``, ``tax``, ``gross``, ``rounding``.

        ``rounding`` is what the cents are above the exact sum, nano-currency.
        """
        total = {name: [] for name in ("net", "tax", "gross", "rounding")}  # type: dict[str, list[int]]
        for document in self._documents:
            for name in ("net", "tax", "gross"):
                total[name].append(sum(getattr(line, name) for line in document.lines))
            total["rounding"].append(sum(line.gross - line.exact for line in document.lines))
        return pl.DataFrame(
            [*self._heads(self._documents), *(decimals(name, values) for name, values in total.items())]
        )

    def _heads(self, documents: Sequence[Document]) -> list[pl.Series]:
        def column(name: str, attribute: str, dtype: Any) -> pl.Series:
            return pl.Series(name, [getattr(document, attribute) for document in documents], dtype=dtype)

        return [
            column("number", "number", pl.String),
            column("kind", "kind", pl.String),
            column("replaces", "replaces", pl.String),
            pl.Series("issuer", [self._issuer] * len(documents), dtype=pl.String),
            participant_series([document.participant for document in documents]),
            column("account", "account", pl.UInt64),
            column("start", "start", pl.Int64).cast(_UTC),
            column("end", "end", pl.Int64).cast(_UTC),
            column("issued", "issued_ns", pl.Int64).cast(_UTC),
        ]
