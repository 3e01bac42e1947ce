"""The office that writes invoices: numbers without gaps, documents that never change, cents that are booked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from fastclear import _core
from fastclear.columns import Participant
from fastclear.errors import SettlementError
from fastclear.imbalance import ShortfallAllocation
from fastclear.invoices.charges import (
    BOUGHT,
    LINES,
    SELF_BILLED,
    SUBSCRIPTION,
    Charges,
    Rates,
    charges,
    joined,
    sellers_of,
)
from fastclear.invoices.period import span
from fastclear.invoices.rounding import CENT, Rule, checked_rule, part_of, to_cents
from fastclear.statements.sums import sums
from fastclear.statements.words import KIND_NUMBERS, LINE_CODES
from fastclear.tariff import Tariff

if TYPE_CHECKING:
    from fastclear.receipts import Receipts
    from fastclear.settlement import Settlement

_ROUNDING: Final = next(account for account, name in _core.HOUSE_ACCOUNTS if name == "rounding")
_CORRECTION: Final = KIND_NUMBERS["correction"]
_CENTS: Final = LINE_CODES["correction", "cents"]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an invoice; money in nano-currency, whole cents but for ``exact``."""

    line: str
    tax_ppm: int
    energy_wh: int
    net: int
    tax: int
    gross: int
    exact: int
    postings: int
    first_seq: int
    last_seq: int

    @property
    def self_billed(self) -> bool:
        """Whether it is the member that supplies."""
        return self.line in SELF_BILLED

    def reversed(self) -> Line:
        """The same line on a credit note."""
        return replace(
            self,
            energy_wh=-self.energy_wh,
            net=-self.net,
            tax=-self.tax,
            gross=-self.gross,
            exact=-self.exact,
        )


@dataclass(frozen=True, slots=True)
class Document:
    """An invoice or a credit note, as it was issued."""

    number: str
    kind: str
    replaces: str | None
    participant: Participant
    account: int
    start: int
    end: int
    issued_ns: int
    lines: tuple[Line, ...]
    charges: int  # how many charges the office knew

    @property
    def gross(self) -> int:
        """What it comes to."""
        return sum(line.gross for line in self.lines)


@dataclass(slots=True)
class _Account:
    """Where one member stands for one period: the invoice that holds, and what was rounded away."""

    document: Document | None = None
    rounded: int = 0


class Office:
    """Follows what a bank hands out, and writes invoices for it."""

    def __init__(self, bank: Settlement, issuer: str, number: str, rounding: Rule, tz: str, self_billing: bool) -> None:
        self.bank, self.issuer, self.number, self.rounding = bank, issuer, number, rounding
        self.time_zone, self.self_billing = tz, self_billing
        self.documents: list[Document] = []
        self._parts: list[Charges] = []
        self._times: list[NDArray[np.int64]] = []
        self._slots: list[int | None] = []  # of each part
        self._spans: dict[tuple[int, int], dict[int, _Account]] = {}
        self._sellers: dict[int, dict[tuple[int, int, int], int]] = {}

    def copy(self, bank: Settlement) -> Office:
        """An office of its own for a copy of the bank."""
        twin = Office(bank, self.issuer, self.number, self.rounding, self.time_zone, self.self_billing)
        twin.documents, twin._parts, twin._times = self.documents.copy(), self._parts.copy(), self._times.copy()
        twin._slots = self._slots.copy()
        twin._sellers = self._sellers.copy()
        twin._spans = {
            period: {account: _Account(kept.document, kept.rounded) for account, kept in accounts.items()}
            for period, accounts in self._spans.items()
        }
        return twin

    # -- what comes in
    # -----------------------------------------------------------------------------------------------

    def add(
        self, receipts: Receipts, subscription_ppm: list[int], period: object = None, *, reverses: bool = False
    ) -> None:
        """Follow receipts; they settle one slot at most, or take it back, or charge what is fixed for a period."""
        slot = receipts.slot_number
        if reverses:
            for index in [index for index, of in enumerate(self._slots) if of == slot]:
                part = self._parts[index]
                self._parts.append(replace(part, amount=-part.amount, energy=-part.energy))
                self._times.append(self._times[index])
                self._slots.append(None)
            slot = None  # what else was posted since is no part of it
        columns = receipts.columns
        if slot is not None and isinstance(self.bank.imbalance, ShortfallAllocation):
            self._sellers.setdefault(slot, {}).update(sellers_of(columns))
        start = None if slot is None else self.bank._slot_time(slot)
        new = charges(
            columns, self._rates(start), subscription_ppm, self._sellers.get(-1 if slot is None else slot, {})
        )
        if not len(new):
            return
        times = columns["time_ns"].astype(np.int64)[new.seq - int(columns["seq"][0])]
        if slot is not None and start is not None:
            _, first, end, *_ = self.bank._bank.versions(slot)[-1]
            times = np.where((new.seq >= first) & (new.seq < end), start, times)
        if period is not None:
            times = np.where(new.line == SUBSCRIPTION, span(period, self.time_zone)[0], times)
        self._parts.append(new)
        self._times.append(times)
        self._slots.append(slot)

    def _rates(self, start: int | None) -> Rates:
        tariff = self.bank.tariff
        if isinstance(tariff, Tariff):
            return Rates(*[tariff.tax_ppm] * 4)
        if start is None:
            return Rates(0, 0, 0, 0)  # nothing of a slot is in it
        tax = tariff.terms(start).tax_ppm
        return Rates(tax["energy"], tax["platform_fee"], tax["network_fee"], tax["residual"])

    # -- what goes out
    # ----------------------------------------------------------------------------------------------

    def issue(self, period: object) -> list[Document]:
        """Write what a period still lacks, and book the cents. Either all of it is done or nothing."""
        start, end = span(period, self.time_zone)
        for first, last in self._spans:
            if (first, last) != (start, end) and first < end and start < last:
                raise SettlementError(
                    f"period {period!r} overlaps one that has invoices; give that one again, or one beside it"
                )
        known = self._spans.get((start, end), {})
        found = self.lines(start, end)
        documents: list[Document] = []
        changed: dict[int, _Account] = {}
        for account in sorted(found.keys() | known.keys()):
            before = known.get(account, _Account())
            lines = found.get(account, ())
            rounded = sum(line.gross - line.exact for line in lines)
            old = () if before.document is None else before.document.lines
            document = before.document
            if _cents(lines) != _cents(old):
                at = len(self.documents) + len(documents)
                more = self._documents((start, end), account, at, before.document, lines)
                documents += more
                document = more[-1] if lines else None
            if (document, rounded) != (before.document, before.rounded):
                changed[account] = _Account(document, rounded)
        self._book(
            {account: kept.rounded - known.get(account, _Account()).rounded for account, kept in changed.items()}
        )
        self.documents += documents
        self._spans[start, end] = {**known, **changed}
        return documents

    def lines(self, start: int, end: int, charges_known: int | None = None) -> dict[int, tuple[Line, ...]]:
        """Lines of each member over a span of time, from all charges or from those known at some time."""
        all_charges = joined(self._parts)
        times = np.concatenate([np.empty(0, np.int64), *self._times])
        inside = (times >= start) & (times < end)
        inside[len(all_charges) if charges_known is None else charges_known :] = False
        rows = np.flatnonzero(inside)
        keys = np.stack(
            [getattr(all_charges, name)[rows] for name in ("account", "line", "rate", "joint", "tax")], axis=1
        )
        unique, index = np.unique(keys, axis=0, return_inverse=True)
        index = index.reshape(-1)
        money, energy = (sums(index, getattr(all_charges, name)[rows], len(unique)) for name in ("amount", "energy"))
        seqs = all_charges.seq[rows]
        count = np.bincount(index, minlength=len(unique)).tolist()
        first, last = np.full(len(unique), np.iinfo(np.int64).max), np.zeros(len(unique), np.int64)
        np.minimum.at(first, index, seqs)
        np.maximum.at(last, index, seqs)
        members: dict[int, _Sheet] = {}
        for key, nano, wh, n, low, high in zip(
            unique.tolist(), money, energy, count, first.tolist(), last.tolist(), strict=True
        ):
            account, *of = key
            members.setdefault(account, _Sheet()).add(of, nano, wh, (n, low, high))
        sheets = {account: sheet.lines(self.rounding) for account, sheet in members.items()}
        return {account: lines for account, lines in sheets.items() if lines}

    def charges_of(self, document: Document) -> tuple[Charges, NDArray[np.int64]]:
        """All charges, and the rows of those that a document is made of."""
        all_charges = joined(self._parts)
        times = np.concatenate([np.empty(0, np.int64), *self._times])
        inside = (times >= document.start) & (times < document.end) & (all_charges.account == document.account)
        inside[document.charges :] = False
        return all_charges, np.flatnonzero(inside)

    def numbers_of(self, account: int, time: int) -> list[tuple[str, str]]:
        """Kind and number of a member's documents for the period that a time lies in."""
        mine = (document for document in self.documents if document.account == account)
        return [(document.kind, document.number) for document in mine if document.start <= time < document.end]

    def _documents(
        self, period: tuple[int, int], account: int, at: int, old: Document | None, lines: tuple[Line, ...]
    ) -> list[Document]:
        """A credit note for what was issued, and an invoice for what there is."""
        name = self.bank.names([account])[0]
        assert name is not None, "charges are members'"
        issued = self.bank._bank.now()
        known = sum(map(len, self._parts))

        def document(kind: str, index: int, replaces: str | None, of: tuple[Line, ...], charges_known: int) -> Document:
            number = self.number.format(at + index + 1)
            return Document(number, kind, replaces, name, account, *period, issued, of, charges_known)

        documents = []
        if old is not None:
            back = tuple(line.reversed() for line in old.lines)
            documents.append(document("credit_note", 0, old.number, back, old.charges))
        if lines:
            replaces = None if old is None else old.number
            documents.append(document("invoice", len(documents), replaces, lines, known))
        return documents

    def _book(self, cents: Mapping[int, int]) -> None:
        """Move what rounding changed between members and the rounding account: their balances move by whole cents."""
        open_accounts = {account for account, *_, status in self.bank._bank.balances() if status != "closed"}
        rows = [(account, nano) for account, nano in cents.items() if nano and account in open_accounts]
        n = len(rows)
        if not n:
            return
        pays = [(account, _ROUNDING) if nano > 0 else (_ROUNDING, account) for account, nano in rows]
        self.bank._bank.enter(
            np.full(n, _CORRECTION, np.uint8),
            np.full(n, _CENTS, np.uint16),
            np.array([debit for debit, _ in pays], np.uint64),
            np.array([credit for _, credit in pays], np.uint64),
            np.array([abs(nano) for _, nano in rows], np.int64),
            forced=True,
        )


class _Sheet:
    """Sums of one member and period, on their way to lines."""

    def __init__(self) -> None:
        self._net: dict[tuple[int, int], list[int]] = {}  # (line, rate) -> nano, Wh, of it taxed with the energy
        self._tax: dict[tuple[int, int], int] = {}
        self._seen: dict[tuple[int, int], tuple[int, int, int]] = {}

    def add(self, of: list[int], nano: int, energy: int, seen: tuple[int, int, int]) -> None:
        line, rate, joint, tax = of
        key = (line, rate)
        if tax:
            self._tax[key] = self._tax.get(key, 0) + nano
            self._net.setdefault(key, [0, 0, 0])
        else:
            sums_of = self._net.setdefault(key, [0, 0, 0])
            sums_of[0] += nano
            sums_of[1] += energy
            sums_of[2] += nano if joint else 0
        n, low, high = self._seen.get(key, (0, seen[1], seen[2]))
        self._seen[key] = (n + seen[0], min(low, seen[1]), max(high, seen[2]))

    def lines(self, rule: Rule) -> tuple[Line, ...]:
        """The lines, with the tax of fees that were taxed together with the energy taken out of the energy's."""
        taxes = dict(self._tax)
        for (line, rate), (_, _, joint) in self._net.items():
            if joint and line != BOUGHT:
                part = part_of(joint, rate)
                taxes[line, rate] = taxes.get((line, rate), 0) + part
                taxes[BOUGHT, rate] = taxes.get((BOUGHT, rate), 0) - part
        lines = []
        for key in sorted(self._net):
            nano, energy, _ = self._net[key]
            exact = nano + taxes.get(key, 0)
            gross, tax = to_cents(exact, rule), to_cents(taxes.get(key, 0), rule)
            if nano or energy or exact:
                seen = self._seen[key]
                lines.append(Line(LINES[key[0]], key[1], energy, gross - tax, tax, gross, exact, *seen))
        return tuple(lines)


def _cents(lines: tuple[Line, ...]) -> list[tuple[Any, ...]]:
    """What of the lines is printed."""
    return [(line.line, line.tax_ppm, line.energy_wh, line.net, line.tax, line.gross) for line in lines]


def checked(issuer: object, number: object, rounding: object, self_billing: object) -> tuple[str, str, Rule, bool]:
    """The terms of an office.

    Raises
    ------
    SettlementError
        A name that is no text, a number that has no place for the count, or an unknown rule.
    """
    if not isinstance(issuer, str) or not issuer:
        raise SettlementError(f"issuer {issuer!r} is no name; give text")
    try:
        plain = isinstance(number, str) and number.format(1) != number.format(2) and "1" in number.format(1)
    except (LookupError, ValueError):
        plain = False
    if not plain:
        raise SettlementError(f"number={number!r} has no place for the count; write it like '2026-{{:05d}}'")
    if not isinstance(self_billing, bool):
        raise SettlementError(f"self_billing={self_billing!r}; give True or False")
    return issuer, str(number), checked_rule(rounding), self_billing


__all__ = ["CENT", "Document", "Line", "Office", "checked"]
