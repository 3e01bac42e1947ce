"""The audit finds lies about deals in escrow, bonds of tokens, parts of proceeds and money to be kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastclear as fc
from fastclear import _core
from fastclear.audit import settlement as checks
from fastclear.audit.deals import DEALS
from fastclear.audit.settlement import Books

KIND = {name: number for number, name in _core.KIND_NAMES}
CODE = {(kind, name): code for kind, code, name in _core.LINE_NAMES}
HOUSE = {name: number for number, name in _core.HOUSE_ACCOUNTS}
ADA, BO, CEM = 1000, 1001, 1002
ESCROW, PLATFORM = HOUSE["escrow"], HOUSE["platform"]
Table = dict[str, Any]


def joined(kept: list[fc.Receipts]) -> list[Table]:
    return [{name: column.copy() for name, column in receipts.columns.items()} for receipts in kept]


def deals() -> list[Table]:
    """One call a table: two deals are funded; of the first 3 of 5 Wh are delivered; the other one goes back."""
    bank = fc.Settlement(fc.Escrow2of3(bond_ppm=400_000, shortfall_penalty=1, timeout=50), tariff=fc.Tariff(30, 5))
    bank.open(["Ada", "Bo", "Cem"])
    bank.deposit(["Ada", "Bo", "Cem"], 1000)
    kept = [bank.receipts()]
    deal = bank.offer("Ada", "Bo", [5, 7], 10)
    bank.agree(deal, "buyer")
    kept.append(bank.fund_escrow(deal))
    bank.deliver(0, 3)
    bank.approve([0, 0], ["buyer", "seller"])
    kept.append(bank.receipts())
    bank.advance(10_000)
    bank.refund(1)
    kept.append(bank.receipts())
    return joined(kept)


def tokens() -> list[Table]:
    terms = fc.DualToken(platform_ppm=100_000, dso_ppm=200_000, minimum_holding=40)
    bank = fc.Settlement(terms, tariff=fc.Tariff(30, 5))
    bank.open(["Ada", "Bo", "Cem"])
    bank.bond("Ada", 10)
    bank.join(["Bo", "Cem"], "Ada")
    bank.deposit(["Ada", "Bo"], 1000)
    orders = {"side": ["buy", "sell"], "participant": ["Ada", "Bo"], "price": [20, 20], "quantity": [10, 10]}
    bank.reserve(orders)
    kept = [bank.settle(fc.clear(orders, fc.Uniform()))]
    bank.withdraw("Ada", 700)
    bank.release_bond("Ada", 1)
    kept.append(bank.receipts())
    return joined(kept)


def put(kind: str, line: str, field: str, value: int, nth: int = 0) -> Callable[[list[Table]], None]:
    def lie(tables: list[Table]) -> None:
        code = CODE.get((KIND[kind], line), 0)
        for table in tables:
            rows = np.flatnonzero((table["kind"] == KIND[kind]) & (table["code"] == code))
            if len(rows) > nth:
                table[field][rows[nth]] = value
                return
        raise AssertionError("nothing to lie about")

    return lie


def both(*lies: Callable[[list[Table]], None]) -> Callable[[list[Table]], None]:
    def lie(tables: list[Table]) -> None:
        for one in lies:
            one(tables)

    return lie


def without(line: str, kind: str) -> Callable[[list[Table]], None]:
    """A line is gone, and those after it have moved up."""

    def lie(tables: list[Table]) -> None:
        code = CODE[KIND[kind], line]
        for index, table in enumerate(tables):
            rows = np.flatnonzero((table["kind"] == KIND[kind]) & (table["code"] == code))
            if len(rows):
                gone = table["seq"][rows[0]]
                for name in table:
                    table[name] = np.delete(table[name], rows[0])
                for later in tables[index:]:
                    for name in ("seq", "group"):
                        later[name] = later[name] - (later[name] > gone)
                return

    return lie


LIES: dict[str, tuple[Callable[[], list[Table]], Callable[[list[Table]], None], str]] = {
    "a payment in escrow is another's": (deals, put("trade", "escrowed", "credit", PLATFORM), DEALS),
    "a buyer's bond of somebody else": (deals, put("net", "buyer_bond", "debit", CEM), DEALS),
    "a bond for no deal": (deals, put("net", "seller_bond", "group", 0), DEALS),
    "a bond of more than there is": (deals, put("net", "seller_bond", "amount", 2000), checks.COVERED),
    "a buyer's bond of more than there is": (deals, put("net", "buyer_bond", "amount", 2000), checks.COVERED),
    "a bond that is not put up": (deals, without("seller_bond", "net"), DEALS),
    "the buyer is paid for the energy": (deals, put("trade", "released", "credit", ADA), DEALS),
    "the seller gets what it did not deliver": (deals, put("trade", "returned", "credit", BO), DEALS),
    "more is released": (
        deals,
        both(put("trade", "released", "amount", 40), put("trade", "released", "quantity", 4)),
        DEALS,
    ),
    "money stays in escrow": (deals, without("returned", "trade"), DEALS),
    "a bond is kept": (deals, without("bond_returned", "net"), DEALS),
    "a bond goes to a stranger": (deals, put("net", "bond_returned", "credit", CEM), DEALS),
    "a bond of another size": (deals, put("net", "bond_returned", "amount", 19), DEALS),
    "both bonds to one": (deals, put("net", "bond_returned", "credit", ADA, nth=1), DEALS),
    "a penalty between others": (deals, put("imbalance", "delivery_penalty", "credit", CEM), DEALS),
    "a penalty beyond the bond": (
        deals,
        both(put("imbalance", "delivery_penalty", "amount", 21), put("imbalance", "delivery_penalty", "quantity", 21)),
        DEALS,
    ),
    "a penalty at another price": (deals, put("imbalance", "delivery_penalty", "price", 2), checks.PRICED),
    "more energy sold than bought": (deals, put("trade", "escrowed", "quantity", 6), checks.PRICED),
    "out of another deal": (deals, put("trade", "returned", "group", 0), DEALS),
    "tokens to nobody": (tokens, put("net", "bonded", "credit", HOUSE["tokens"]), DEALS),
    "tokens as money": (tokens, put("net", "bonded", "asset", 0), checks.CONSERVED),
    "more tokens back than were bonded": (tokens, put("net", "unbonded", "amount", 11), checks.PURSES),
    "proceeds of somebody else": (tokens, put("fee", "platform_proceeds", "debit", CEM), checks.WHOLE),
    "more than the proceeds": (tokens, put("fee", "dso_proceeds", "amount", 181), checks.WHOLE),
    "proceeds of no sale": (tokens, put("fee", "dso_proceeds", "group", 0), checks.WHOLE),
    "less is kept than has to be": (tokens, put("withdrawal", "", "amount", 761), checks.COVERED),
    "more has to be kept": (tokens, put("parameter", "minimum_holding", "amount", 801), checks.COVERED),
}


def followed(tables: list[Table]) -> None:
    books = Books()
    for table in tables:
        books.follow(table)


@pytest.mark.parametrize("name", LIES)
def test_a_lie(name: str) -> None:
    history, lie, check = LIES[name]
    tables = history()
    followed(tables)
    lie(tables)
    with pytest.raises(fc.AuditError) as caught:
        followed(tables)
    assert str(caught.value).startswith(f"broken: {check}; "), caught.value


def test_the_bills_of_deals_and_proceeds_are_what_was_lost() -> None:
    bank = fc.Settlement(fc.Escrow2of3(), tariff=fc.Tariff(30, 5), audit=True)
    bank.open(["Ada", "Bo"])
    bank.deposit(["Ada", "Bo"], 1000)
    deal = bank.offer("Ada", "Bo", 5, 10)
    bank.agree(deal, "buyer")
    receipts = bank.fund_escrow(deal)
    bills = dict(receipts.bill_columns)
    checks.check_bills(receipts.columns, bills)
    bills["net"] = bills["net"] - 1
    with pytest.raises(fc.AuditError, match=checks.BILLS):
        checks.check_bills(receipts.columns, bills)
