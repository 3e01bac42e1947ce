"""Lines between any accounts, and accounts of a member for a purpose: what they do, and what the audit says."""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np
import pytest

import fastclear as fc
from fastclear import _core

ESCROW = {name: number for number, name in _core.HOUSE_ACCOUNTS}["escrow"]
MARGIN = {name: number for number, name in _core.PURSES}["margin"] * _core.PURSE_STEP
KIND = {name: number for number, name in _core.KIND_NAMES}
PAID_OUT = {(kind, name): code for kind, code, name in _core.LINE_NAMES}[KIND["net"], "paid_out"]


def bank() -> fc.Settlement:
    bank = fc.Settlement(tariff=fc.Tariff(0, 0), audit=True)
    bank.open(["Ada", "Bo"])
    bank.deposit(["Ada", "Bo"], [100, 10])
    return bank


def enter(
    bank: fc.Settlement, *lines: tuple[str, int, int, int], forced: bool = False, group: list[int] | None = None
) -> Any:
    kind, debit, credit, amount = zip(*lines, strict=True)
    return bank._bank.enter(
        np.array([KIND[name] for name in kind], np.uint8),
        np.full(len(lines), PAID_OUT, np.uint16),
        np.array(debit, np.uint64),
        np.array(credit, np.uint64),
        np.array(amount, np.int64),
        group=None if group is None else np.array(group, np.int64),
        forced=forced,
    )


def posted(bank: fc.Settlement) -> dict[str, int]:
    shown = bank.balances.select("participant", "role", "posted").rows()
    return {f"{name or ''} {role}".strip(): int(money) for name, role, money in shown if money}


def test_a_purse_has_its_members_name_and_its_purpose() -> None:
    settlement = bank()
    ada = settlement.account("Ada")
    seqs = enter(settlement, ("net", ada, MARGIN + ada, 60), ("net", ada, ESCROW, 5), group=[-1, -2])
    assert posted(settlement) == {"Ada member": 35, "Bo member": 10, "Ada margin": 60, "escrow": 5, "boundary": -110}
    assert settlement.next_seq == seqs[1] + 1
    receipts = settlement.receipts()
    assert receipts.columns["group"][-1] == seqs[0]
    assert "Ada, margin" in str(receipts.frame.tail(3).rows())
    assert settlement.audit().postings == settlement.next_seq


@pytest.mark.parametrize("forced", [False, True])
def test_what_is_not_there_is_not_paid_and_the_member_is_named(forced: bool) -> None:
    settlement = bank()
    ada, bo = settlement.account("Ada"), settlement.account("Bo")
    with pytest.raises(fc.SettlementError, match=r"participant Ada \(margin\): lacks 1"):
        enter(settlement, ("net", MARGIN + ada, ada, 1), forced=forced)
    with pytest.raises(fc.SettlementError, match="account 10: lacks 3"):
        enter(settlement, ("net", ESCROW, bo, 3), forced=forced)
    with pytest.raises(fc.SettlementError, match="line 1: its credit"):
        enter(settlement, ("net", ada, bo, 3), ("net", ada, 77, 1), forced=forced)
    assert posted(settlement) == {"Ada member": 100, "Bo member": 10, "boundary": -110}


def test_copies_keep_holds_apart() -> None:
    settlement = bank()
    ada = settlement.account("Ada")
    (hold,) = enter(settlement, ("reserve", ada, ESCROW, 40)).tolist()
    twin = copy(settlement)
    enter(twin, ("void", ada, ESCROW, 40), group=[hold])
    enter(settlement, ("post", ada, ESCROW, 25), group=[hold])
    assert (twin.available("Ada"), settlement.available("Ada")) == (100, 75)
    for each in (twin, settlement):
        with pytest.raises(fc.SettlementError, match="line 0: its group"):
            enter(each, ("void", ada, ESCROW, 40), group=[hold])


def test_the_audit_finds_an_escrow_below_zero() -> None:
    settlement = bank()
    ada = settlement.account("Ada")
    enter(settlement, ("net", ada, ESCROW, 5))
    receipts = settlement.receipts()
    columns = {name: column.copy() for name, column in receipts.columns.items()}
    columns["debit"][-1], columns["credit"][-1] = ESCROW, ada
    from fastclear.audit.settlement import PURSES, Books

    with pytest.raises(fc.AuditError, match=PURSES):
        Books().follow(columns)


def test_no_two_lines_have_one_number_or_one_name() -> None:
    numbers = [(kind, code) for kind, code, _ in _core.LINE_NAMES]
    names = [(kind, name) for kind, _, name in _core.LINE_NAMES]
    assert len(set(numbers)) == len(numbers)
    assert len(set(names)) == len(names)
