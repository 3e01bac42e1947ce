"""Postings as charges: whose each is, which line of an invoice it belongs to, and at which rate of tax.

The buyer of a trade is who its ``post`` debits: fee or tax, trade, post. Signs are those of a bill: + the member pays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastclear import _core
from fastclear.statements.words import KIND_NUMBERS, LINE_CODES

LINES: Final = (
    "energy_bought",
    "energy_sold",
    "platform_fee",
    "network_fee",
    "residual",
    "feed_in",
    "shortfall",
    "over_bought",
    "penalty",
    "share",
    "subscription",
    "ruling",
)
"""Lines of an invoice, in the order in which it shows them."""
SELF_BILLED: Final = frozenset({"energy_sold", "feed_in", "over_bought"})
"""What the member supplies: the platform writes the invoice for it."""
BOUGHT, SOLD, PLATFORM, NETWORK, RESIDUAL, SUBSCRIPTION = (
    LINES.index(name)
    for name in ("energy_bought", "energy_sold", "platform_fee", "network_fee", "residual", "subscription")
)
_POOLED: Final = ("pool_paid", "pool_received")
_LINE_OF: Final = {
    "residual": "residual",
    "shortfall": "shortfall",
    "feed_in": "feed_in",
    "over_bought": "over_bought",
    "penalty": "penalty",
    "netting": "share",
    "penalty_share": "share",
    "credited": "feed_in",
    "compensated": "residual",
}
_FIRST: Final = _core.FIRST_MEMBER
_CLEARING: Final = next(account for account, name in _core.HOUSE_ACCOUNTS if name == "clearing")

_Rows = NDArray[np.int64]
_Columns = Mapping[str, NDArray[Any]]


class Rates(NamedTuple):
    """Tax by line, parts per million, that is charged in a slot."""

    energy: int
    platform: int
    network: int
    residual: int


@dataclass(frozen=True, slots=True)
class Charges:
    """Charges as columns of one length.

    Attributes
    ----------
    seq, account, line, rate, joint, tax, amount, energy : ndarray of int64
        The posting; the member; index into :data:`LINES`; parts per million; 1 for a fee that is taxed in one line with
        the energy; 1 for tax; nano-currency, + the member pays; Wh.
    """

    seq: _Rows
    account: _Rows
    line: _Rows
    rate: _Rows
    joint: _Rows
    tax: _Rows
    amount: _Rows
    energy: _Rows

    def __len__(self) -> int:
        return len(self.seq)


NAMES: Final = ("seq", "account", "line", "rate", "joint", "tax", "amount", "energy")
_Part = tuple[_Rows, NDArray[Any], int, int, int, int, NDArray[Any], NDArray[Any]]


def joined(parts: list[Charges]) -> Charges:
    """Charges one after another."""
    return Charges(*(np.concatenate([np.empty(0, np.int64), *(getattr(p, name) for p in parts)]) for name in NAMES))


def charges(columns: _Columns, rates: Rates, subscription_ppm: list[int], sellers: Mapping[Any, int]) -> Charges:
    """Charges of a run of postings that settles one slot at most.

    Parameters
    ----------
    columns : mapping of str to ndarray
        As in :attr:`fastclear.Receipts.columns`.
    rates : Rates
        Tax of the slot.
    subscription_ppm : list of int
        Tax of each fixed charge, in order.
    sellers : mapping
        Account of the seller of each trade (market, buy order, sell order) that may not be delivered.
    """
    table = {name: column.astype(np.int64) for name, column in columns.items()}
    parts = [
        *_trades(table, rates),
        *_pools(table, rates),
        *_members(table, rates, sellers),
        *_fixed(table, subscription_ppm),
    ]
    return joined([_charge(table, *part) for part in parts if len(part[0])])


def sellers_of(columns: _Columns) -> dict[tuple[int, int, int], int]:
    """Seller of each trade."""
    sale = np.flatnonzero(_is(columns, "trade") & ~_is(columns, "trade", "buyer", *_POOLED))
    fields = [columns[name][sale].tolist() for name in ("market", "buy_order", "sell_order", "debit", "credit")]
    return {(market, buy, sell): max(debit, credit) for market, buy, sell, debit, credit in zip(*fields, strict=True)}


def _charge(
    table: _Columns,
    rows: _Rows,
    account: NDArray[Any],
    line: int,
    rate: int,
    joint: int,
    tax: int,
    amount: NDArray[Any],
    energy: NDArray[Any],
) -> Charges:
    def same(value: int) -> _Rows:
        return np.full(len(rows), value, np.int64)

    return Charges(
        table["seq"][rows],
        account.astype(np.int64),
        same(line),
        same(rate),
        same(joint),
        same(tax),
        amount.astype(np.int64),
        energy.astype(np.int64),
    )


def _is(columns: _Columns, kind: str, *lines: str) -> NDArray[np.bool_]:
    of: NDArray[np.bool_] = columns["kind"] == KIND_NUMBERS[kind]
    if not lines or not of.any():
        return of
    code = columns["code"]
    named: NDArray[np.bool_] = np.logical_or.reduce([code == LINE_CODES[kind, line] for line in lines])
    return of & named


def _trades(table: _Columns, rates: Rates) -> Iterator[_Part]:
    """What buyers and sellers paid and received."""
    debit, credit, amount, quantity = (table[name] for name in ("debit", "credit", "amount", "quantity"))
    sale = _is(table, "trade") & ~_is(table, "trade", "buyer", *_POOLED)
    head = _heads(table)
    received = np.where(debit == _CLEARING, amount, -amount)
    buyer_of_trade = debit[head]
    rows = np.flatnonzero(sale)
    seller = np.where(debit == _CLEARING, credit, debit)
    yield rows, seller[rows], SOLD, 0, 0, 0, -received[rows], quantity[rows]
    yield rows, buyer_of_trade[rows], BOUGHT, rates.energy, 0, 0, received[rows], quantity[rows]
    of_trade = (debit < _FIRST) & (credit < _FIRST) & sale[head]
    nothing = np.zeros_like(quantity)
    joint = (int(rates.platform == rates.energy), int(rates.network == rates.energy))
    for kind, lines, line, rate, with_energy, tax, energy in (
        ("fee", ("spread", "rounding", "deficit"), BOUGHT, rates.energy, 0, 0, nothing),
        ("fee", ("platform",), PLATFORM, rates.platform, joint[0], 0, quantity),
        ("fee", ("platform_share",), PLATFORM, rates.platform, joint[0], 0, nothing),
        ("fee", ("network",), NETWORK, rates.network, joint[1], 0, quantity),
        ("fee", ("network_share",), NETWORK, rates.network, joint[1], 0, nothing),
        ("tax", ("trade",), BOUGHT, rates.energy, 0, 1, nothing),
        ("tax", ("platform",), PLATFORM, rates.platform, 0, 1, nothing),
        ("tax", ("network",), NETWORK, rates.network, 0, 1, nothing),
    ):
        rows = np.flatnonzero(_is(table, kind, *lines) & of_trade)
        yield rows, buyer_of_trade[head[rows]], line, rate, with_energy, tax, received[rows], energy[rows]


def _pools(table: _Columns, rates: Rates) -> Iterator[_Part]:
    """What loads of a pool paid and received, and fees and tax on top, which are the member's own."""
    amount, quantity = table["amount"], table["quantity"]
    load = _is(table, "trade", *_POOLED)
    for rows, account, sign in _sides(table, load):
        paid, energy = sign * amount[rows], quantity[rows]
        takes = energy >= 0
        yield rows[takes], account[takes], BOUGHT, rates.energy, 0, 0, paid[takes], energy[takes]
        yield rows[~takes], account[~takes], SOLD, 0, 0, 0, paid[~takes], -energy[~takes]
    of_load = load[_heads(table)]
    nothing = np.zeros_like(quantity)
    joint = (int(rates.platform == rates.energy), int(rates.network == rates.energy))
    for kind, name, line, rate, with_energy, tax, energy in (
        ("fee", "platform", PLATFORM, rates.platform, joint[0], 0, quantity),
        ("fee", "platform_share", PLATFORM, rates.platform, joint[0], 0, nothing),
        ("fee", "network", NETWORK, rates.network, joint[1], 0, quantity),
        ("fee", "network_share", NETWORK, rates.network, joint[1], 0, nothing),
        ("tax", "trade", BOUGHT, rates.energy, 0, 1, nothing),
        ("tax", "platform", PLATFORM, rates.platform, 0, 1, nothing),
        ("tax", "network", NETWORK, rates.network, 0, 1, nothing),
    ):
        for rows, account, sign in _sides(table, _is(table, kind, name) & of_load):
            yield rows, account, line, rate, with_energy, tax, sign * amount[rows], energy[rows]


def _members(table: _Columns, rates: Rates, sellers: Mapping[Any, int]) -> Iterator[_Part]:
    """What metering cost, and what was corrected."""
    amount, quantity = table["amount"], table["quantity"]
    nothing, none = np.zeros_like(quantity), np.zeros(len(quantity), np.bool_)
    for kind in ("imbalance", "correction"):
        prefix = "tax_" if kind == "correction" else ""
        taxes = kind if prefix else "tax"
        for name, line in _LINE_OF.items():
            if (kind, name) not in LINE_CODES:
                continue  # nothing corrects what became credits
            rate = rates.residual if line == "residual" else 0
            for rows, account, sign in _sides(table, _is(table, kind, name)):
                yield rows, account, LINES.index(line), rate, 0, 0, sign * amount[rows], quantity[rows]
        for rows, account, sign in _sides(table, _is(table, taxes, f"{prefix}residual")):
            yield rows, account, RESIDUAL, rates.residual, 0, 1, sign * amount[rows], nothing[rows]
        for rows, account, sign in _sides(table, _is(table, "tax", "compensated") if not prefix else none):
            yield rows, account, RESIDUAL, rates.residual, 0, 1, sign * amount[rows], nothing[rows]
        for rows, account, sign in _sides(table, _is(table, taxes, f"{prefix}undelivered")):
            yield rows, account, BOUGHT, rates.energy, 0, 1, sign * amount[rows], nothing[rows]
        for rows, account, sign in _sides(table, _is(table, kind, "undelivered")):
            names = zip(*(table[name][rows].tolist() for name in ("market", "buy_order", "sell_order")), strict=True)
            seller = np.array([sellers[name] for name in names], np.int64)
            for its, rate, of in ((SOLD, 0, account == seller), (BOUGHT, rates.energy, account != seller)):
                yield rows[of], account[of], its, rate, 0, 0, (sign * amount[rows])[of], -quantity[rows][of]
    for rows, account, sign in _sides(table, _is(table, "correction", "ruled")):
        yield rows, account, LINES.index("ruling"), 0, 0, 0, sign * amount[rows], nothing[rows]


def _fixed(table: _Columns, ppm: list[int]) -> Iterator[_Part]:
    """Fixed charges, each with its tax behind it."""
    fees = np.flatnonzero(_is(table, "fee", "subscription"))
    rate_of = dict(zip(table["seq"][fees].tolist(), ppm, strict=True))
    for row in fees.tolist():
        one = np.array([row])
        rate = rate_of[int(table["seq"][row])]
        yield one, table["debit"][one], SUBSCRIPTION, rate, 0, 0, table["amount"][one], np.zeros(1, np.int64)
    for row in np.flatnonzero(_is(table, "tax", "subscription")).tolist():
        one = np.array([row])
        rate = rate_of[int(table["group"][row])]
        yield one, table["debit"][one], SUBSCRIPTION, rate, 0, 1, table["amount"][one], np.zeros(1, np.int64)


def _sides(table: _Columns, of: NDArray[np.bool_]) -> Iterator[tuple[_Rows, NDArray[Any], int]]:
    """Rows whose debited (+) and whose credited (-) account is a member's own."""
    for name, sign in (("debit", 1), ("credit", -1)):
        account = table[name]
        rows = np.flatnonzero(of & (account >= _FIRST) & (account < _core.PURSE_STEP))
        yield rows, account[rows], sign


def _heads(table: _Columns) -> _Rows:
    """Row of the posting that each one belongs to; its own row where that lies outside."""
    rows = np.arange(len(table["seq"]))
    head = table["group"] - (table["seq"][0] if len(rows) else 0)
    return np.where((head >= 0) & (head < len(rows)), head, rows)
