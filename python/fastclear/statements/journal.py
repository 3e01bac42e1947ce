"""The postings as a double-entry journal: rows for a general ledger, or beancount text.

Every posting that moves money is one entry: what the debited account pays, the credited account receives. Seen from
the house, members' balances are liabilities, money outside is an asset, fees are income, and the clearing account is
always empty between slots. Debit is + and credit is - in beancount, so that its balance of an account is what the
bank has ``posted`` there with the sign changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from fastclear import _core
from fastclear.errors import SettlementError
from fastclear.members import participant_series
from fastclear.receipts import MONEY
from fastclear.statements.history import HOUSE, MOVING, History
from fastclear.statements.sums import in_units
from fastclear.statements.view import CURRENCY, View, in_currency, whole_file
from fastclear.statements.words import KINDS, energy_text, lined, told

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

    ``date`` (in the journal's time zone), ``entry`` (``seq`` of the posting, or a count of days' entries; null for the
    opening entry), ``account`` (its name in the chart: ``Liabilities:Members:1000-Ada``), ``participant``, ``debit``,
    ``credit`` (one of them is null; units of currency, Decimal(38, 9)), ``currency``, ``kind``, ``group``, ``text``.
    """

    _HIDDEN = ("participant", "currency", "kind", "group")

    def __init__(self, frame: pl.DataFrame, title: str, chart: dict[str, tuple[int, str | None]]) -> None:
        super().__init__(frame, title)
        self._chart = chart

    @property
    def balances(self) -> pl.DataFrame:
        """What is left on each account, ascending name: ``account``, ``balance`` (debits less credits)."""
        left = pl.col("debit").sum() - pl.col("credit").sum()
        names = pl.DataFrame({"account": sorted(self._chart)}, schema={"account": pl.String})
        found = self.frame.group_by("account").agg(balance=left.cast(CURRENCY))
        zero = pl.lit(0, dtype=CURRENCY)
        return names.join(found, on="account", how="left", maintain_order="left").with_columns(
            pl.col("balance").fill_null(zero)
        )

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
        dates = set(self.frame["date"].to_list())  # local time may go back at midnight: not in order
        first, after = min(dates), max(dates) + timedelta(days=1)
        yield from (f'option "operating_currency" "{currency}"', "")
        for account, (number, name) in sorted(self._chart.items()):
            yield f"{first} open {account} {currency}"
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
                yield f"  {account}  {debit if credit is None else credit.copy_negate():f} {currency}"
        yield ""
        for account, balance in self.balances.iter_rows():
            yield f"{after} balance {account} {balance:f} ~ 0 {currency}"


def journal(history: History, currency: str, tz: str, by: str) -> Journal:
    """Build the journal; see :meth:`History.journal`."""
    if not isinstance(currency, str) or not _CURRENCY_CODE.fullmatch(currency):
        raise SettlementError(f"currency={currency!r} is no code in capitals, such as 'EUR'")
    if by not in ("posting", "day"):
        raise SettlementError(f"by={by!r}; use 'posting' or 'day'")
    before = history.opening
    accounts = sorted(before.keys() | history.moved.keys())
    names = history.named(accounts)
    chart = pl.DataFrame(
        [
            pl.Series("number", accounts, dtype=pl.UInt64),
            pl.Series("account", [_account_name(*pair) for pair in zip(accounts, names, strict=True)], dtype=pl.String),
            participant_series(names),
        ]
    )
    entries = _dated(history, tz)
    entries = _by_posting(entries) if by == "posting" else _by_day(entries)
    sides = pl.concat([_opening(history, before, tz), _sides(entries)])
    frame = sides.join(chart, on="number", how="left", maintain_order="left").select(
        "date",
        "entry",
        "account",
        "participant",
        "debit",
        "credit",
        pl.lit(currency).alias("currency"),
        "kind",
        "group",
        "text",
    )
    count = len(entries) + any(before.values())
    dates = sorted(set(frame["date"].to_list()))
    span = f", from {dates[0]} to {dates[-1]}" if dates else ""
    known = {
        account: (number, None if number in HOUSE or name is None else str(name))
        for number, account, name in chart.iter_rows()
    }
    return Journal(frame, f"Journal of {count:,} entries in {currency}{span}", known)


def _dated(history: History, tz: str) -> pl.DataFrame:
    """Postings that move money, with the local date of each."""
    columns = history.columns
    moving = np.isin(columns["kind"], list(MOVING)) & (columns["amount"] != 0)
    frame = pl.DataFrame([pl.Series(name, column[moving]) for name, column in columns.items()])
    return frame.with_columns(_dates(frame["time_ns"], tz).alias("date"))


def _by_posting(postings: pl.DataFrame) -> pl.DataFrame:
    """An entry a posting, named by its ``seq``."""
    texts = [told(row) for row in postings.iter_rows(named=True)]
    return postings.select(
        "date",
        pl.col("seq").alias("entry"),
        "debit",
        "credit",
        pl.col("amount").cast(MONEY),
        pl.col("kind").replace_strict(KINDS, return_dtype=pl.String),
        "group",
        pl.Series("text", texts, dtype=pl.String),
    )


def _by_day(postings: pl.DataFrame) -> pl.DataFrame:
    """An entry a day, pair of accounts and line, numbered from 0."""
    keys = ["date", "kind", "code", "debit", "credit"]
    days = (
        postings.group_by(keys)
        .agg(pl.col("amount").cast(MONEY).sum(), pl.len(), pl.col("quantity").cast(MONEY).sum())
        .sort(keys)
    )
    texts = [
        f"{count:,} postings: {lined(kind, code)}" + (f", {energy_text(int(wh))}" if wh else "")
        for kind, code, count, wh in days.select("kind", "code", "len", "quantity").iter_rows()
    ]
    entry = pl.int_range(pl.len(), dtype=pl.UInt64)
    return days.select(
        "date",
        entry.alias("entry"),
        "debit",
        "credit",
        "amount",
        pl.col("kind").replace_strict(KINDS, return_dtype=pl.String),
        entry.alias("group"),
        pl.Series("text", texts, dtype=pl.String),
    )


def _sides(entries: pl.DataFrame) -> pl.DataFrame:
    """Two rows an entry: who is debited, then who is credited."""
    nothing = pl.lit(None, dtype=CURRENCY)
    amount = in_units(entries["amount"])
    rest = ("kind", "group", "text")
    numbered = entries.with_row_index("row")
    debit = numbered.select("row", "date", "entry", pl.col("debit").alias("number"), debit=amount, credit=nothing)
    credit = numbered.select("row", "date", "entry", pl.col("credit").alias("number"), debit=nothing, credit=amount)
    both = [side.with_columns(entries.select(rest)) for side in (debit, credit)]
    return pl.concat(both).sort("row", maintain_order=True).drop("row")


def _opening(history: History, before: dict[int, int], tz: str) -> pl.DataFrame:
    """One entry over all accounts that held money: their sum is 0, so that it balances."""
    held = {account: posted for account, posted in sorted(before.items()) if posted}
    dates = _dates(pl.Series("time_ns", history.columns["time_ns"][:1]), tz)
    return pl.DataFrame(
        [
            pl.Series("date", dates.to_list() * len(held), dtype=pl.Date),
            pl.Series("entry", [None] * len(held), dtype=pl.UInt64),
            pl.Series("number", list(held), dtype=pl.UInt64),
            pl.Series("debit", [in_currency(-nano) if nano < 0 else None for nano in held.values()], dtype=CURRENCY),
            pl.Series("credit", [in_currency(nano) if nano > 0 else None for nano in held.values()], dtype=CURRENCY),
            pl.Series("kind", [_OPENING] * len(held), dtype=pl.String),
            pl.Series("group", [None] * len(held), dtype=pl.UInt64),
            pl.Series("text", [_OPENING] * len(held), dtype=pl.String),
        ]
    )


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
    printable = text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)
    return '"' + printable.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _dates(times_ns: pl.Series, tz: str) -> pl.Series:
    """Local dates of engine times."""
    times = times_ns.cast(pl.Int64).cast(pl.Datetime("ns", "UTC"))
    try:
        return times.dt.convert_time_zone(tz).dt.date()
    except (pl.exceptions.PolarsError, TypeError) as error:
        raise SettlementError(f"tz={tz!r}: {str(error).splitlines()[0]}") from None
