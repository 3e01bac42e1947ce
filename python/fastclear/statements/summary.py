"""What a run of postings comes to, member by member: deposits, every line of the bill, the balance after it.

The lines are worked out again from the postings, so that they can be read off a ledger as well.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Final

import polars as pl

from fastclear import _core
from fastclear.receipts import participant_series
from fastclear.statements.history import History, decimals
from fastclear.statements.view import View, money_text
from fastclear.statements.words import KINDS, LINES

BILL: Final = ("energy", "platform", "network", "residual", "feed_in", "imbalance", "tax", "other")
_ENERGY: Final = ("bought_wh", "sold_wh", "imported_wh", "exported_wh")
_Row = dict[str, Any]


class Summary(View):
    """One row a member, ascending account: what happened between two balances.

    ``participant``, ``account``; ``bought_wh``, ``sold_wh`` (traded), ``imported_wh``, ``exported_wh`` (metered
    beyond what was traded: from and to the supplier); ``opening``, ``deposited``, ``withdrawn``; the bill, + the
    member pays and - it receives: ``energy``, ``platform``, ``network``, ``residual``, ``feed_in``, ``imbalance``,
    ``tax``, ``other`` (whatever is none of these) and their sum ``net``; ``closing`` = opening + deposited -
    withdrawn - net. Money in nano-currency, Decimal(38, 0).
    """

    _MONEY = ("opening", "deposited", "withdrawn", *BILL, "net", "closing")
    _HIDDEN = ("account", *_ENERGY)

    def _printed(self) -> pl.DataFrame:
        shown = [name for name in self._MONEY if name in ("opening", "net", "closing") or (self.frame[name] != 0).any()]
        return super()._printed().select("participant", *shown)


def summary(history: History) -> Summary:
    """Build the summary; see :meth:`History.summary`."""
    opening, closing = history.opening, history.closing
    members = sorted(account for account in closing if account >= _core.FIRST_MEMBER)
    lines = _lines(history)
    columns: dict[str, list[int]] = defaultdict(list)
    for account in members:
        line = lines[account]
        begun, ended = opening.get(account, 0), closing[account]
        net = begun + line["deposited"] - line["withdrawn"] - ended
        line["other"] = net - sum(line[name] for name in BILL if name != "other")
        for name, value in {**line, "opening": begun, "net": net, "closing": ended}.items():
            columns[name].append(value)
    energy = [pl.Series(name, columns[name], dtype=pl.Int64) for name in _ENERGY]
    frame = pl.DataFrame(
        [
            participant_series(history.named(members)),
            pl.Series("account", members, dtype=pl.UInt64),
            *energy,
            *(decimals(name, columns[name]) for name in Summary._MONEY),
        ]
    )
    total = sum(columns["net"])
    sold = frame["sold_wh"].sum() / 1000
    return Summary(frame, f"{len(members):,} members: {sold:,.3f} kWh sold, {money_text(total)} paid to the house")


def _lines(history: History) -> dict[int, dict[str, int]]:
    """Each member's lines but ``other``."""
    out: dict[int, dict[str, int]] = defaultdict(lambda: dict.fromkeys(("deposited", "withdrawn", *BILL, *_ENERGY), 0))
    buyer: dict[int, int] = {}  # seq of a post, and of the trades that belong to it -> who bought
    for row in history.rows():
        kind = KINDS.get(row["kind"])
        line = LINES.get((row["kind"], row["code"]))
        paid_out = row["debit"] < _core.FIRST_MEMBER  # by a house account
        member = row["credit"] if paid_out else row["debit"]
        amount = -row["amount"] if paid_out else row["amount"]  # + the member pays
        match kind:
            case "post":
                buyer[row["seq"]] = row["debit"]
                out[row["debit"]]["bought_wh"] += row["quantity"]
            case "trade" if line != "buyer":
                out[member]["energy"] += amount
                out[member]["sold_wh"] += row["quantity"]
                if row["group"] in buyer:
                    buyer[row["seq"]] = buyer[row["group"]]
                    out[buyer[row["group"]]]["energy"] -= amount
            case "fee" | "tax" if member < _core.FIRST_MEMBER:
                if row["group"] in buyer:
                    name = "tax" if kind == "tax" else line if line in ("platform", "network") else "energy"
                    sign = 1 if _buyer_pays(row) else -1
                    out[buyer[row["group"]]][str(name)] += sign * row["amount"]
            case "tax":
                out[member]["tax"] += amount
            case "imbalance":
                out[member][line if line in ("residual", "feed_in") else "imbalance"] += amount
                if line != "penalty":
                    imported = line in ("residual", "shortfall")
                    out[member]["imported_wh" if imported else "exported_wh"] += row["quantity"]
            case "deposit":
                out[member]["deposited"] -= amount
            case "withdrawal":
                out[member]["withdrawn"] += amount
            case _:
                pass
    return out


_CLEARING: Final = next(account for account, name in _core.HOUSE_ACCOUNTS if name == "clearing")


def _buyer_pays(row: _Row) -> bool:
    """Whether the buyer's money pays this line; at negative prices it is the other way round."""
    return bool(row["debit"] == _CLEARING)
