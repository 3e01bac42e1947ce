"""One member's statement: every posting that touches it, with the balance after each."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import polars as pl

from fastclear.columns import Participant
from fastclear.market_view import exact, shown
from fastclear.statements.history import MOVING, POST, RESERVE, VOID, History, decimals
from fastclear.statements.view import View, money_text, right
from fastclear.statements.words import KINDS, LINES, told


class Statement(View):
    """Every posting that touches one member, in order.

    ``seq``, ``time`` (UTC), ``text``, ``kind``, ``line``, ``counterparty`` (who paid or was paid), ``market``,
    ``order`` (its bid or ask), ``quantity`` (Wh), ``price`` (ticks), ``amount`` (+ received, - paid, 0 where nothing
    was paid; Int64), ``held`` (+ set aside for a bid, - free again; null where it was set aside before the first
    posting), ``balance`` (Decimal(38, 0)), ``group``. Money in nano-currency.

    Attributes
    ----------
    participant : str or int
        Who.
    account : int
        Its account.
    opening, closing : int
        Balance before the first posting and after the last, nano-currency.
    """

    _MONEY = ("amount", "held", "balance")
    _HIDDEN = ("kind", "line", "counterparty", "market", "order", "price", "group")

    def __init__(self, frame: pl.DataFrame, participant: Participant, account: int, opening: int, closing: int) -> None:
        super().__init__(
            frame,
            f"Statement of {shown(participant)}, account {account}: "
            f"{money_text(opening)} before, {money_text(closing)} after {len(frame):,} postings",
        )
        self.participant = participant
        self.account = account
        self.opening = opening
        self.closing = closing

    def _printed(self) -> pl.DataFrame:
        rows = super()._printed()
        return rows.with_columns(
            pl.col("time").dt.strftime("%Y-%m-%d %H:%M:%S"),
            right("kWh", rows["quantity"], lambda wh: exact(wh, 1000)).alias("quantity"),
        ).rename({"quantity": "kWh"})


def _sells(row: dict[str, Any]) -> bool:
    return KINDS.get(row["kind"]) == "trade" and LINES.get((row["kind"], row["code"])) not in ("buyer", "returned")


def statement(history: History, participant: Participant) -> Statement:
    """Build the statement; see :meth:`History.statement`."""
    account = history.account(participant)
    columns = history.columns
    rows = history.rows((columns["debit"] == account) | (columns["credit"] == account))
    reserved = {row["seq"]: row["amount"] for row in rows if row["kind"] == RESERVE}
    amounts: list[int] = []
    held: list[int | None] = []
    for row in rows:
        moves = row["amount"] if row["kind"] in MOVING else 0
        amounts.append(moves * ((row["credit"] == account) - (row["debit"] == account)))
        if row["debit"] != account:
            held.append(0)
        elif row["kind"] == RESERVE:
            held.append(row["amount"])
        elif row["kind"] in (POST, VOID):
            cover = reserved.get(row["group"], row["amount"] if row["kind"] == VOID else None)
            held.append(None if cover is None else -cover)
        else:
            held.append(0)
    opening = history.opening.get(account, 0)
    balance = list(accumulate(amounts, initial=opening))
    others = history.called([row["credit"] if row["debit"] == account else row["debit"] for row in rows])
    frame = pl.DataFrame(
        [
            pl.Series("seq", [row["seq"] for row in rows], dtype=pl.UInt64),
            pl.Series("time", [row["time_ns"] for row in rows], dtype=pl.Int64).cast(pl.Datetime("ns", "UTC")),
            pl.Series("text", [told(row) for row in rows], dtype=pl.String),
            pl.Series("kind", [KINDS.get(row["kind"]) for row in rows], dtype=pl.String),
            pl.Series("line", [LINES.get((row["kind"], row["code"])) for row in rows], dtype=pl.String),
            pl.Series("counterparty", others, dtype=pl.String),
            pl.Series("market", [row["market"] for row in rows], dtype=pl.UInt64),
            pl.Series("order", [row["sell_order" if _sells(row) else "buy_order"] for row in rows], dtype=pl.UInt64),
            pl.Series("quantity", [row["quantity"] for row in rows], dtype=pl.Int64),
            pl.Series("price", [row["price"] for row in rows], dtype=pl.Int64),
            pl.Series("amount", amounts, dtype=pl.Int64),
            pl.Series("held", held, dtype=pl.Int64),
            decimals("balance", balance[1:]),
            pl.Series("group", [row["group"] for row in rows], dtype=pl.UInt64),
        ]
    )
    return Statement(frame, participant, account, opening, balance[-1])
