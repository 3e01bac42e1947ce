"""The postings as a double-entry journal: rows for a general ledger, or beancount text.

Every posting that moves money is one entry: what the debited account pays, the credited account receives. Seen from
the house, members' balances are liabilities, money outside is an asset, fees are income, and the clearing account is
always empty between slots. Debit is + and credit is - in beancount, so that its balance of an account is what the
bank has ``posted`` there with the sign changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Context, Decimal, localcontext
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import polars as pl

from fastclear import _core
from fastclear.errors import SettlementError
from fastclear.receipts import participant_series
from fastclear.statements.history import HOUSE, MOVING, History
from fastclear.statements.view import CURRENCY, View, in_currency, whole_file
from fastclear.statements.words import KINDS, told

_CHART: Final = {
    "boundary": "Assets:Boundary",
    "clearing": "Liabilities:Clearing",
    "platform": "Income:Platform",
    "dso": "Liabilities:Dso",
    "tax": "Liabilities:Tax",
    "backstop": "Liabilities:Backstop",
    "rounding": "Income:Rounding",
}
_CURRENCY_CODE: Final = re.compile(r"[A-Z][A-Z0-9'._-]{0,22}[A-Z0-9]")
_OPENING: Final = "opening balance"


class Journal(View):
    """Two rows an entry, the debit before the credit; an opening entry has a row for each account that held money.

    ``date`` (in the journal's time zone), ``entry`` (``seq`` of the posting; null for the opening entry), ``account``
    (its name in the chart: ``Liabilities:Members:1000-Ada``), ``participant``, ``debit``, ``credit`` (one of them is
    null; units of currency, Decimal(38, 9)), ``currency``, ``kind``, ``group``, ``text``.
    """

    _HIDDEN = ("participant", "currency", "kind", "group")

    def __init__(self, frame: pl.DataFrame, title: str, chart: dict[str, tuple[int, str | None]]) -> None:
        super().__init__(frame, title)
        self._chart = chart

    @property
    def balances(self) -> pl.DataFrame:
        """What is left on each account, ascending name: ``account``, ``balance`` (debits less credits)."""
        zero = Decimal(0)
        left = dict.fromkeys(sorted(self._chart), zero)
        for account, debit, credit in self.frame.select("account", "debit", "credit").iter_rows():
            left[account] = _exactly(left[account], debit or zero, credit or zero)
        return pl.DataFrame([pl.Series("account", list(left)), pl.Series("balance", list(left.values()), CURRENCY)])

    @property
    def beancount(self) -> str:
        """The journal as text that beancount reads: accounts, transactions, and a check of every closing balance.

        The checks stand on the day after the last entry and tolerate nothing.
        """
        return "".join(f"{line}\n" for line in self._beancount())

    def write(self, path: str | Path) -> Path:
        """Write the journal to a ``.csv``, ``.parquet`` or ``.beancount`` file, whole or not at all.

        Raises
        ------
        StoreError
            Another suffix, or a file that cannot be written.
        """
        target = Path(path)
        if target.suffix.lower() != ".beancount":
            return super().write(target)
        with whole_file(target) as part:
            part.write_text(self.beancount, encoding="utf-8", newline="\n")
        return target

    def _beancount(self) -> Iterator[str]:
        if not len(self):
            return
        currency = self.frame["currency"][0]
        dates = self.frame["date"]
        yield from (f'option "operating_currency" "{currency}"', "")
        for account, (number, name) in sorted(self._chart.items()):
            yield f"{_first(dates)} open {account} {currency}"
            yield f"  number: {number}"
            if name is not None:
                yield f"  participant: {_quoted(name)}"
        names = ("entry", "date", "kind", "text", "group", "account", "debit", "credit")
        for entry, rows in groupby(self.frame.select(names).iter_rows(), key=itemgetter(0)):
            sides = list(rows)
            _, day, kind, text, group, *_ = sides[0]
            links = "" if entry is None else f" ^g{entry}" if group == entry else f" ^g{entry} ^g{group}"
            yield ""
            yield f"{day} * {_quoted(kind)} {_quoted(text)}{links}"
            for *_, account, debit, credit in sides:
                yield f"  {account}  {debit if credit is None else -credit:f} {currency}"
        yield ""
        after = max(dates) + timedelta(days=1)
        for account, balance in self.balances.iter_rows():
            yield f"{after} balance {account} {balance:f} ~ 0 {currency}"


def journal(history: History, currency: str, tz: str) -> Journal:
    """Build the journal; see :meth:`History.journal`."""
    if not isinstance(currency, str) or not _CURRENCY_CODE.fullmatch(currency):
        raise SettlementError(f"currency={currency!r} is no code in capitals, such as 'EUR'")
    before = history.opening
    opening = {account: posted for account, posted in sorted(before.items()) if posted}
    rows = [row for row in history.rows() if row["kind"] in MOVING and row["amount"]]
    accounts = sorted(before.keys() | history.moved.keys())
    names = dict(zip(accounts, history.named(accounts), strict=True))
    chart = {account: _account_name(account, names[account]) for account in accounts}
    numbers = dict(zip(accounts, history.called(accounts), strict=True))
    when = history.columns["time_ns"][:1].tolist() if opening else []
    dates = _dates([*when, *(row["time_ns"] for row in rows)], tz)
    sides: list[tuple[Any, ...]] = []  # date, entry, account, + debit / - credit, kind, group, text
    if opening:
        first = dates.pop(0)
        sides += [(first, None, account, -posted, _OPENING, None, _OPENING) for account, posted in opening.items()]
    for day, row in zip(dates, rows, strict=True):
        kind, text = KINDS[row["kind"]], told(row)
        for account, amount in ((row["debit"], row["amount"]), (row["credit"], -row["amount"])):
            sides.append((day, row["seq"], account, amount, kind, row["group"], text))
    days, entry, account, amount, kinds, group, texts = map(list, zip(*sides, strict=True)) if sides else [[]] * 7
    frame = pl.DataFrame(
        [
            pl.Series("date", days, dtype=pl.Date),
            pl.Series("entry", entry, dtype=pl.UInt64),
            pl.Series("account", [chart[number] for number in account], dtype=pl.String),
            participant_series([names[number] for number in account]),
            pl.Series("debit", [in_currency(nano) if nano > 0 else None for nano in amount], dtype=CURRENCY),
            pl.Series("credit", [None if nano > 0 else in_currency(-nano) for nano in amount], dtype=CURRENCY),
            pl.Series("currency", [currency] * len(sides), dtype=pl.String),
            pl.Series("kind", kinds, dtype=pl.String),
            pl.Series("group", group, dtype=pl.UInt64),
            pl.Series("text", texts, dtype=pl.String),
        ]
    )
    entries = len(rows) + bool(opening)
    title = f"Journal of {entries:,} entries in {currency}, from {_first(days)} to {days[-1] if days else 'nowhere'}"
    named = {chart[account]: (account, None if account in HOUSE else numbers[account]) for account in accounts}
    return Journal(frame, title if days else f"Journal without an entry in {currency}", named)


def _account_name(account: int, participant: object) -> str:
    """A name that no other account has, of characters that every program takes."""
    house = HOUSE.get(account)
    if house is not None:
        return _CHART.get(house, f"Liabilities:{_plain(house).capitalize()}")
    name = "" if participant is None or participant == account else _plain(str(participant))
    return f"Liabilities:{'Members' if account >= _core.FIRST_MEMBER else 'House'}:{account}" + (name and f"-{name}")


def _plain(name: str) -> str:
    return re.sub("[^A-Za-z0-9]+", "-", name).strip("-")


def _quoted(text: str) -> str:
    """Text as beancount reads it: quotes and backslashes escaped, no control characters."""
    printable = "".join(character if character.isprintable() else " " for character in text)
    return '"' + printable.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _dates(times_ns: list[int], tz: str) -> list[date]:
    """Local dates of engine times."""
    times = pl.Series(times_ns, dtype=pl.Int64).cast(pl.Datetime("ns", "UTC"))
    try:
        return times.dt.convert_time_zone(tz).dt.date().to_list()
    except (pl.exceptions.PolarsError, TypeError) as error:
        raise SettlementError(f"tz={tz!r}: {str(error).splitlines()[0]}") from None


def _first(dates: Any) -> Any:
    """The earliest date: local time may go back at midnight."""
    return min(dates) if len(dates) else None


def _exactly(left: Decimal, debit: Decimal, credit: Decimal) -> Decimal:
    with localcontext(Context(prec=60)):
        return left + debit - credit
