"""The audit of a bank finds every lie: postings, balances, cycles and bills that are wrong in one place."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastclear as fc
from fastclear.audit import settlement as checks
from fastclear.audit.settlement import Books
from fastclear.audit.watch import Watched

HOUSE = {"boundary": 1, "clearing": 2, "platform": 3}
ADA, BO = 1000, 1001


def history(audit: bool = False) -> tuple[fc.Settlement, fc.Receipts]:
    """Ada buys 6 of 10 Wh from Bo; one bid does not trade; both are metered; Bo takes money out."""
    bank = fc.Settlement(tariff=fc.Tariff(30, 5, 1, 2, 200_000), audit=audit)
    bank.open(["Ada", "Bo"])
    bank.deposit("Ada", 1000)
    bank.set_limit("Ada", 50)
    bids = {"side": ["buy"] * 2, "price": [20, 3], "quantity": [10, 2], "participant": ["Ada"] * 2, "order": [1, 2]}
    assert not bank.reserve(bids).any()
    orders: dict[str, list[Any]] = {name: [*column] for name, column in bids.items()}
    for name, value in {"side": "sell", "price": 15, "quantity": 6, "participant": "Bo", "order": 3}.items():
        orders[name].append(value)
    with_meter = {"participant": ["Ada", "Bo"], "energy_wh": [9, -6]}
    first = bank.settle(fc.clear(orders, fc.Discriminatory(spread_to="operator")), with_meter)
    bank.withdraw("Bo", 5)
    return bank, first


def columns() -> dict[str, Any]:
    bank, first = history()
    rest = bank.receipts().columns
    return {name: np.concatenate([column, rest[name]]) for name, column in first.columns.items()}


def row(table: dict[str, Any], kind: str, code: int = 0, nth: int = 0) -> int:
    number = {name: number for number, name in fc._core.KIND_NAMES}[kind]
    return int(np.flatnonzero((table["kind"] == number) & (table["code"] == code))[nth])


def put(kind: str, field: str, value: int, code: int = 0, nth: int = 0) -> Callable[[dict[str, Any]], None]:
    def lie(table: dict[str, Any]) -> None:
        table[field][row(table, kind, code, nth)] = value

    return lie


def add(kind: str, field: str, value: int, code: int = 0, nth: int = 0) -> Callable[[dict[str, Any]], None]:
    def lie(table: dict[str, Any]) -> None:
        table[field][row(table, kind, code, nth)] += value

    return lie


def renamed(kind: str, other: str) -> Callable[[dict[str, Any]], None]:
    numbers = {name: number for number, name in fc._core.KIND_NAMES}
    return put(kind, "kind", numbers[other])


def overdrawn_reservation(table: dict[str, Any]) -> None:
    add("reserve", "amount", 2000, nth=1)(table)
    add("void", "amount", 2000)(table)


def later(table: dict[str, Any]) -> None:
    table["time_ns"][5] = table["time_ns"][4]


def without_a_posting(table: dict[str, Any]) -> None:
    gone = row(table, "limit")
    for name in table:
        table[name] = np.delete(table[name], gone)


def resolved_twice(table: dict[str, Any]) -> None:
    table["group"][row(table, "void")] = table["group"][row(table, "post")]


def other_market(table: dict[str, Any]) -> None:
    put("trade", "market", 7)(table)


POSTINGS: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "a posting is gone": (without_a_posting, checks.DENSE),
    "time stands still": (later, checks.DENSE),
    "an account is opened twice": (put("account_opened", "debit", 3, nth=3), checks.FOLD),
    "a deposit to nobody": (put("deposit", "credit", 4711), checks.FOLD),
    "a bid beyond the limit": (overdrawn_reservation, checks.COVERED),
    "a withdrawal of more than there is": (add("withdrawal", "amount", 200), checks.COVERED),
    "a member is charged for no reason": (renamed("withdrawal", "net"), checks.FORCED),
    "more is drawn than was set aside": (add("post", "amount", 1000), checks.RESOLVED),
    "less is released than was set aside": (add("void", "amount", -1), checks.RESOLVED),
    "a reservation of another": (put("void", "debit", BO), checks.RESOLVED),
    "a reservation is resolved twice": (
        lambda t: put("void", "group", int(t["group"][row(t, "post")]))(t),
        checks.RESOLVED,
    ),
    "a tax of one more": (add("tax", "amount", 1, code=1), checks.WHOLE),
    "money kept back by the house": (add("post", "amount", 1), checks.WHOLE),
    "a fee of no trade": (add("fee", "group", 3, code=1), checks.WHOLE),
    "a seller paid for more than the price": (add("trade", "amount", 1), checks.PRICED),
    "a negative amount": (put("deposit", "amount", -1), checks.PRICED),
    "an imbalance at another price": (add("imbalance", "price", 1, code=1), checks.PRICED),
    "a reading of another value": (add("meter", "quantity", 1), checks.ENERGY),
    "a line of no reading": (put("imbalance", "group", 2, code=1), checks.ENERGY),
    "sold in another market": (other_market, checks.ENERGY),
}


@pytest.mark.parametrize("name", POSTINGS)
def test_a_lie_in_the_postings(name: str) -> None:
    lie, check = POSTINGS[name]
    table = columns()
    Books().follow(table)
    lie(table)
    with pytest.raises(fc.AuditError) as caught:
        Books().follow(table)
    assert str(caught.value).startswith(f"broken: {check}; ")


def shifted(account: int, field: int, by: int) -> Callable[[dict[int, list[int]]], None]:
    def lie(rows: dict[int, list[int]]) -> None:
        rows[account][field] += by

    return lie


def both(*lies: Callable[[Any], None]) -> Callable[[Any], None]:
    def lie(rows: Any) -> None:
        for one in lies:
            one(rows)

    return lie


BALANCES: dict[str, tuple[Callable[[dict[int, list[int]]], None], str]] = {
    "money appears": (shifted(ADA, 0, 1), checks.CONSERVED),
    "money changes hands": (both(shifted(ADA, 0, 1), shifted(BO, 0, -1)), checks.FOLD),
    "a bid is forgotten": (shifted(ADA, 1, -1), checks.PENDING),
    "nobody is to be paid": (shifted(2, 2, -1), checks.PENDING),
    "a bid is another's": (both(shifted(ADA, 1, 1), shifted(BO, 1, -1)), checks.FOLD),
    "more is available": (shifted(ADA, 3, 1), checks.FOLD),
    "another limit": (shifted(BO, 4, 1), checks.FOLD),
    "touched once more": (shifted(BO, 5, 1), checks.FOLD),
    "an account is gone": (lambda rows: rows.pop(7), checks.FOLD),
    "an account nobody opened": (lambda rows: rows.update({1002: [0] * 6}), checks.FOLD),
}


@pytest.mark.parametrize("name", BALANCES)
def test_a_lie_in_the_balances(name: str) -> None:
    lie, check = BALANCES[name]
    bank, _ = history()
    bank.reserve({"side": [1], "price": [5], "quantity": [1], "participant": ["Ada"]})
    books = Books()
    table = columns()
    books.follow(table)
    with pytest.raises(fc.AuditError):
        books.check_balances(bank._bank.balances())  # the bid is not in the books yet
    untaken = bank.receipts().columns
    new = untaken["seq"] >= books.next_seq
    books.follow({field: column[new] for field, column in untaken.items()})
    books.check_balances(bank._bank.balances())
    rows = {account: list(found) for account, *found in bank._bank.balances()}
    lie(rows)
    with pytest.raises(fc.AuditError) as caught:
        books.check_balances([(account, *found) for account, found in rows.items()])
    assert str(caught.value).startswith(f"broken: {check}; ")


@pytest.mark.parametrize("field", range(1, 5))
def test_a_lie_in_a_cycle(field: int) -> None:
    bank, _ = history()
    books = Books()
    books.follow(columns())
    lines = [list(line) for line in bank._bank.close_cycle(np.empty(0, np.uint64))]
    copy.deepcopy(books).check_cycle(lines)
    lines[-1][field] += 1
    with pytest.raises(fc.AuditError, match=checks.CYCLE):
        books.check_cycle(lines)


def test_a_lie_in_a_bill() -> None:
    _, first = history()
    bills = dict(first.bill_columns)
    checks.check_bills(first.columns, bills)
    bills["net"] = bills["net"] + np.array([0, 1])
    with pytest.raises(fc.AuditError, match=checks.BILLS):
        checks.check_bills(first.columns, bills)
    only_ada = {name: column[:1] for name, column in first.bill_columns.items()}
    with pytest.raises(fc.AuditError, match=checks.BILLS):
        checks.check_bills(first.columns, only_ada)


class Liar:
    """A core that does one thing and says another."""

    def __init__(self, core: Any, lie: str) -> None:
        self.core, self.lie, self.before = core, lie, core.copy()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.core, name)

    def deposit(self, *args: Any) -> None:
        self.core.deposit(*args)
        if self.lie == "refuses what it has done":
            raise fc.SettlementError("no")

    def take(self) -> Any:
        self.before.take()
        return self.before.take() if self.lie == "keeps a posting" else self.core.take()

    def balances(self) -> Any:
        rows = self.core.balances()
        return [(*rows[0][:1], rows[0][1] - 1, *rows[0][2:]), *rows[1:]] if self.lie == "reports more" else rows


@pytest.mark.parametrize(
    ("lie", "call", "check"),
    [
        ("refuses what it has done", lambda bank: bank.deposit("Ada", 1), checks.REFUSED),
        ("keeps a posting", lambda bank: bank.receipts(), checks.HANDED),
        ("reports more", lambda bank: bank.advance(3), checks.CONSERVED),
    ],
)
def test_a_lie_of_the_core_is_found_at_once(lie: str, call: Callable[[Any], None], check: str) -> None:
    bank, _ = history(audit=True)
    watched: Any = bank._bank
    assert isinstance(watched, Watched)
    watched._core = Liar(watched._core, lie)
    with pytest.raises(fc.AuditError, match=check):
        call(bank)


def test_an_audited_bank_does_what_any_bank_does() -> None:
    plain, audited = (history(audit) for audit in (False, True))
    assert plain[0].balances.equals(audited[0].balances)
    assert plain[1].frame.equals(audited[1].frame)
    assert plain[0].close_cycle().equals(audited[0].close_cycle())
    twin = copy.copy(audited[0])
    twin.deposit("Bo", 7)
    assert twin.audit().postings == audited[0].audit().postings + 1
    with pytest.raises(fc.SettlementError, match="has no account"):
        audited[0].deposit("Zoe", 1)
    assert "Audit passed over" in str(audited[0].audit())


def test_an_audit_from_receipts_needs_all_of_them() -> None:
    bank, first = history()
    assert bank.audit(first).postings == len(first) + 1, "the withdrawal is not handed out yet"
    second = bank.receipts()
    assert bank.audit([first, second]).accounts == 9
    for some in ((), first, [second], [second, first]):
        with pytest.raises(fc.SettlementError, match="audit=True"):
            bank.audit(some)
    fresh = fc.Settlement(tariff=fc.Tariff(30, 5))
    assert fresh.audit().postings == 7
