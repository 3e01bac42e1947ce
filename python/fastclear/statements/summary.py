"""What a run of postings comes to, member by member: deposits, every line of the bill, the balance after it.

The lines are worked out again from the postings, so that they can be read off a ledger as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear import _core
from fastclear.members import participant_series
from fastclear.statements.history import History, decimals
from fastclear.statements.sums import sums
from fastclear.statements.view import View, money_text, table_width
from fastclear.statements.words import KIND_NUMBERS, LINE_CODES

BILL: Final = ("energy", "platform", "network", "residual", "feed_in", "imbalance", "tax", "other")
_ENERGY: Final = ("bought_wh", "sold_wh", "imported_wh", "exported_wh")
_ENDS: Final = ("opening", "net", "closing")
_CLEARING: Final = next(account for account, name in _core.HOUSE_ACCOUNTS if name == "clearing")
_FIRST: Final = _core.FIRST_MEMBER
_Lines = Iterator[tuple[str, NDArray[Any], NDArray[Any]]]  # line, whose, how much


class Summary(View):
    """One row a member, ascending account: what happened between two balances.

    ``participant``, ``account``; ``bought_wh``, ``sold_wh`` (traded), ``imported_wh``, ``exported_wh`` (metered
    beyond what was traded: from and to the supplier); ``opening``, ``deposited``, ``withdrawn``; the bill, + the
    member pays and - it receives: ``energy``, ``platform``, ``network``, ``residual``, ``feed_in``, ``imbalance``,
    ``tax``, ``other`` (whatever is none of these) and their sum ``net``; ``closing`` = opening + deposited -
    withdrawn - net. Money in nano-currency, energy in Wh, both Decimal(38, 0).
    """

    _MONEY = ("opening", "deposited", "withdrawn", *BILL, "net", "closing")
    _HIDDEN = ("account", *_ENERGY)

    def _printed(self) -> pl.DataFrame:
        """Lines that are not all 0; where they do not fit, the balances and the sum."""
        rows = super()._printed().select(pl.col("participant").cast(pl.String), *self._MONEY)
        lines = [name for name in self._MONEY if name not in _ENDS and (self.frame[name] != 0).any()]
        whole = rows.select("participant", _ENDS[0], *lines, *_ENDS[1:])
        widths = [max(map(len, [name, *(cell or "null" for cell in whole[name].to_list())])) for name in whole.columns]
        return whole if sum(widths) + 3 * len(widths) < table_width() else rows.select("participant", *_ENDS)


def summary(history: History) -> Summary:
    """Build the summary; see :meth:`History.summary`."""
    opening, closing = history.opening, history.closing
    members = sorted(account for account in closing if account >= _FIRST)
    total = {name: [0] * len(members) for name in ("deposited", "withdrawn", *BILL, *_ENERGY)}
    for name, accounts, values in (*_trades(history.columns), *_others(history.columns)):
        found = sums(np.searchsorted(np.array(members, np.uint64), accounts), values, len(members))
        total[name] = [before + more for before, more in zip(total[name], found, strict=True)]
    total["opening"] = [opening.get(account, 0) for account in members]
    total["closing"] = [closing[account] for account in members]
    change = [begun - ended for begun, ended in zip(total["opening"], total["closing"], strict=True)]
    total["net"] = [
        less + came - went for less, came, went in zip(change, total["deposited"], total["withdrawn"], strict=True)
    ]
    known = [sum(lines) for lines in zip(*(total[name] for name in BILL), strict=True)]
    total["other"] = [net - billed for net, billed in zip(total["net"], known, strict=True)]
    frame = pl.DataFrame(
        [
            participant_series(history.named(members)),
            pl.Series("account", members, dtype=pl.UInt64),
            *(decimals(name, total[name]) for name in (*_ENERGY, *Summary._MONEY)),
        ]
    )
    sold, paid = sum(total["sold_wh"]) / 1000, money_text(sum(total["net"]))
    return Summary(frame, f"{len(members):,} members: {sold:,.3f} kWh sold, {paid} paid to the house")


def _is(columns: dict[str, NDArray[Any]], kind: str, *lines: str) -> NDArray[np.bool_]:
    """Postings of a kind, and of some of its lines."""
    of: NDArray[np.bool_] = columns["kind"] == KIND_NUMBERS[kind]
    return of & np.isin(columns["code"], [LINE_CODES[kind, line] for line in lines]) if lines else of


def _trades(columns: dict[str, NDArray[Any]]) -> _Lines:
    """What buyers and sellers paid and received; the buyer is who the post of a trade debits."""
    debit, credit, amount, quantity = (columns[name] for name in ("debit", "credit", "amount", "quantity"))
    post, fee, tax = _is(columns, "post"), _is(columns, "fee"), _is(columns, "tax")
    sale = _is(columns, "trade") & ~_is(columns, "trade", "buyer")
    yield "bought_wh", debit[post], quantity[post]
    from_house = debit == _CLEARING
    seller = np.where(from_house, credit, debit)
    received = np.where(from_house, amount, -amount)
    yield "sold_wh", seller[sale], quantity[sale]
    yield "energy", seller[sale], -received[sale]
    head = _heads(columns)
    paid_for = sale & post[head]
    yield "energy", debit[head[paid_for]], received[paid_for]
    charged = (fee | tax) & (debit < _FIRST) & (credit < _FIRST) & sale[head] & post[head[head]]
    named = {
        "platform": _is(columns, "fee", "platform"),
        "network": _is(columns, "fee", "network"),
        "tax": tax,
        "energy": _is(columns, "fee", "spread", "rounding", "deficit"),  # part of what the buyer pays for the energy
    }
    for name, of in named.items():
        yield name, debit[head[head[charged & of]]], received[charged & of]


def _heads(columns: dict[str, NDArray[Any]]) -> NDArray[np.int64]:
    """Row of the posting that each one belongs to; its own row where that lies outside."""
    group, seq = columns["group"].astype(np.int64), columns["seq"].astype(np.int64)
    rows = np.arange(len(seq))
    head = group - (seq[0] if len(seq) else 0)
    return np.where((head >= 0) & (head < len(seq)), head, rows)


def _others(columns: dict[str, NDArray[Any]]) -> _Lines:
    """Deposits, and what metering cost."""
    debit, credit, amount, quantity = (columns[name] for name in ("debit", "credit", "amount", "quantity"))
    pays = debit >= _FIRST
    member = np.where(pays, debit, credit)
    paid = np.where(pays, amount, -amount)
    deposit, withdrawal = _is(columns, "deposit"), _is(columns, "withdrawal")
    yield "deposited", member[deposit], -paid[deposit]
    yield "withdrawn", member[withdrawal], paid[withdrawal]
    tax = _is(columns, "tax") & (member >= _FIRST)
    yield "tax", member[tax], paid[tax]
    for name, lines in {
        "residual": ("residual",),
        "feed_in": ("feed_in",),
        "imbalance": ("shortfall", "over_bought", "penalty"),
    }.items():
        of = _is(columns, "imbalance", *lines)
        yield name, member[of], paid[of]
    for name, lines in {"imported_wh": ("residual", "shortfall"), "exported_wh": ("feed_in", "over_bought")}.items():
        of = _is(columns, "imbalance", *lines)
        yield name, member[of], quantity[of]
