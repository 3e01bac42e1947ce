"""Transfers and netting against what else moves money: a loop of Python, numpy, SQLite in memory."""

from __future__ import annotations

import sqlite3
from copy import copy
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np

import fastclear as fc
from fastclear.bench.timing import Call, Contest
from fastclear.bench.workloads import SEED, Columns, many_markets

BATCH: Final = 8_192
"""Transfers of one call, and of one transaction of SQLite, where there are ids."""
LOOPED_MOST: Final = 20_000
"""Rows that the loop of Python does."""
LIMIT: Final = 500
"""Credit of an account where some transfers shall not be covered."""
AMOUNT_MAX: Final = 1_000
_AMPLE: Final = 10**12
_PLENTY: Final = 10**17


def payments(n: int, accounts: int) -> Columns:
    """Rows of two accounts out of ``accounts``, from 1 up, and an amount; read-only."""
    rng = np.random.default_rng([SEED, n, accounts])
    columns: Columns = {
        "debit": rng.integers(1, accounts + 1, n).astype(np.uint32),
        "credit": rng.integers(1, accounts + 1, n).astype(np.uint32),
        "amount": rng.integers(1, AMOUNT_MAX + 1, n),
    }
    for column in columns.values():
        column.flags.writeable = False
    return columns


def mixed(n: int, accounts: int) -> Columns:
    """Transfers of every kind under ids: of ten, four single, three reservations, two of which are posted, one voided.

    A post or void follows its reservation at a distance; each tenth pair of single ones is a chain.
    """
    columns = payments(n, accounts)
    row = np.arange(n)
    place = row % 10
    kind = np.select([place < 4, place < 7, place < 9], [0, 1, 2], 3).astype(np.uint8)
    resolves = (kind >= 2) & (row >= 100)
    kind[(kind >= 2) & ~resolves] = 0
    ids = (row + 1).astype(np.uint64)
    return {
        "debit": np.where(resolves, 0, columns["debit"]).astype(np.uint32),
        "credit": np.where(resolves, 0, columns["credit"]).astype(np.uint32),
        "amount": np.where(kind == 3, 0, np.where(kind == 2, 1, columns["amount"])),
        "id": ids,
        "kind": kind,
        "reference": np.where(resolves, ids - np.uint64(93), 0).astype(np.uint64),
        "linked": (row % 100 == 0) & (row + 1 < n),
    }


def looped(columns: Columns, limit: int) -> tuple[list[int], dict[int, int]]:
    """Codes and balances by the plainest loop."""
    balance: dict[int, int] = {}
    codes = []
    for debit, credit, amount in zip(*(columns[name].tolist() for name in ("debit", "credit", "amount")), strict=True):
        code = fc.TransferCode.OK
        if debit == credit:
            code = fc.TransferCode.ACCOUNTS_MUST_DIFFER
        elif balance.get(debit, 0) + limit < amount:
            code = fc.TransferCode.EXCEEDS_AVAILABLE
        else:
            balance[debit] = balance.get(debit, 0) - amount
            balance[credit] = balance.get(credit, 0) + amount
        codes.append(int(code))
    return codes, balance


def house(accounts: int, limit: int) -> fc.Accounts:
    """Accounts from 1 up with one limit."""
    opened = fc.Accounts()
    opened.open(np.arange(1, accounts + 1), limit=limit)
    return opened


def postings(n: int, accounts: int) -> list[Contest]:
    """Transfers of two accounts and an amount, with the limit check: columns in, codes out."""
    columns = payments(n, accounts)
    few: Columns = {name: column[:LOOPED_MOST] for name, column in columns.items()}
    fresh = house(accounts, LIMIT)
    codes, balance = looped(few, LIMIT)
    if fresh.submit(few).tolist() != codes:
        raise AssertionError("the loop and fastclear differ in a code")
    if any(fresh.available(account) != money + LIMIT for account, money in balance.items()):
        raise AssertionError("the loop and fastclear differ in a balance")
    copied = np.empty(n, np.int64)
    calls: dict[str, Call] = {
        "fastclear": partial(house(accounts, LIMIT).submit, columns),
        "np.copyto": partial(np.copyto, copied, columns["amount"]),
    }
    return [Contest.of(calls, n)]


def netting(n: int, accounts: int) -> list[Contest]:
    """Positions of everybody from obligations of two accounts and an amount."""
    columns = payments(n, accounts)
    sums = np.zeros(accounts + 1, np.int64)

    def by_numpy() -> None:
        sums[:] = 0
        np.subtract.at(sums, columns["debit"], columns["amount"])
        np.add.at(sums, columns["credit"], columns["amount"])

    by_numpy()
    found = fc.net(columns).positions
    named = np.flatnonzero(sums)
    if found["participant"].to_list() != named.tolist() or found["amount"].cast(int).to_list() != sums[named].tolist():
        raise AssertionError("numpy and fastclear differ in a position")
    copied = np.empty(n, np.int64)
    calls: dict[str, Call] = {
        "fastclear": partial(fc.net, columns),
        "numpy usual": by_numpy,
        "np.copyto": partial(np.copyto, copied, columns["amount"]),
    }
    return [Contest.of(calls, n)]


def _batches(columns: Columns) -> list[Columns]:
    n = len(columns["amount"])
    return [{name: column[start : start + BATCH] for name, column in columns.items()} for start in range(0, n, BATCH)]


def by_sqlite(
    batches: list[list[tuple[int, int, int, int]]], accounts: int, file: str = ":memory:"
) -> sqlite3.Connection:
    """The same transfers in SQLite: ids unique, limits checked, one transaction a batch, synced if in a file."""
    database = sqlite3.connect(file, isolation_level=None)
    if file != ":memory:":
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
    database.execute("CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL CHECK (balance >= 0))")
    database.execute("CREATE TABLE transfers (id INTEGER PRIMARY KEY, debit INTEGER, credit INTEGER, amount INTEGER)")
    database.execute("BEGIN")
    database.executemany(
        "INSERT INTO accounts VALUES (?, ?)", ((account, _AMPLE) for account in range(1, accounts + 1))
    )
    database.execute("COMMIT")
    for batch in batches:
        database.execute("BEGIN")
        database.executemany("INSERT INTO transfers VALUES (?1, ?2, ?3, ?4)", batch)
        database.executemany("UPDATE accounts SET balance = balance - ?4 WHERE id = ?2", batch)
        database.executemany("UPDATE accounts SET balance = balance + ?4 WHERE id = ?3", batch)
        database.execute("COMMIT")
    return database


def slot(markets: int, mean: int) -> list[Contest]:
    """Trades of many markets paid out in one call, against clearing the markets, lists of trades and all, twice."""
    columns = many_markets(markets, mean=mean)
    n = len(columns["side"])
    members = max(2, n // 100)
    columns["participant"] = np.random.default_rng([SEED, n, members]).integers(0, members, n)
    columns["order"] = np.arange(n)
    bank = fc.Settlement(tariff=fc.Tariff.from_ct_per_kwh(30, 5))
    bank.open(range(members))
    bank.deposit(range(members), _PLENTY)
    bank.receipts()

    def clear() -> fc.Clearing:
        clearing = fc.clear(columns, fc.Uniform())
        _ = clearing.trade_columns
        return clearing

    def twice() -> None:
        for _ in range(2):
            clear()

    cleared = clear()
    receipts = bank.settle(copy(cleared))
    if len(receipts.columns["kind"]) < 2 * len(cleared.trade_columns["quantity"]):
        raise AssertionError("a trade has no postings")
    # a clearing is settled once; what is copied is another one
    calls: dict[str, Call] = {"fastclear": lambda: len(bank.settle(copy(cleared))), "cleared twice": twice}
    return [Contest.of(calls, n)]


def _covered(n: int, accounts: int) -> tuple[list[Columns], list[list[tuple[int, int, int, int]]]]:
    """Transfers under ids, in batches, as columns and as rows; all are covered, so that SQLite need not refuse any."""
    columns = payments(n, accounts)
    different = columns["debit"] != columns["credit"]
    columns = {name: column[different] for name, column in columns.items()}
    columns["id"] = np.arange(1, len(columns["amount"]) + 1, dtype=np.uint64)
    batches = _batches(columns)
    names = ("id", "debit", "credit", "amount")
    return batches, [list(zip(*(batch[name].tolist() for name in names), strict=True)) for batch in batches]


def with_ids(n: int, accounts: int) -> list[Contest]:
    """Transfers under ids into new accounts, in batches."""
    batches, rows = _covered(n, accounts)

    def ours() -> fc.Accounts:
        opened = house(accounts, _AMPLE)
        for batch in batches:
            if opened.submit(batch).any():
                raise AssertionError("a transfer was refused")
        return opened

    theirs = by_sqlite(rows, accounts).execute("SELECT balance FROM accounts ORDER BY id").fetchall()
    if [balance for (balance,) in theirs] != ours().balances["available"].cast(int).to_list():
        raise AssertionError("SQLite and fastclear differ in a balance")
    calls: dict[str, Call] = {"fastclear": ours, "sqlite": lambda: by_sqlite(rows, accounts).close()}
    return [Contest.of(calls, n)]


def kept(n: int, accounts: int) -> list[Contest]:
    """The same, on disk and sealed: one sync a batch, into a new directory; and that directory opened again."""
    batches, rows = _covered(n, accounts)
    place = TemporaryDirectory(prefix="fastclear-bench-")  # goes with the calls
    names = count()
    room = 2**20 + 30 * n  # one segment, as in the long run, where they are used again

    def opened(name: str) -> fc.Accounts:
        return fc.Accounts(Path(place.name, name), segment_bytes=room)

    def ours() -> fc.Accounts:
        house = opened(f"store-{next(names)}")
        house.open(np.arange(1, accounts + 1), limit=_AMPLE)
        for batch in batches:
            if house.submit(batch).any():
                raise AssertionError("a transfer was refused")
        return house

    def theirs() -> list[tuple[int]]:
        database = by_sqlite(rows, accounts, f"{place.name}/sqlite-{next(names)}")
        found: list[tuple[int]] = database.execute("SELECT balance FROM accounts ORDER BY id").fetchall()
        database.close()
        return found

    first = ours()
    written, sealed, balances = first.counts, first.seal, first.balances
    if (written["frames"], written["frame_syncs"]) != (len(batches) + 1, len(batches) + 1):
        raise AssertionError(f"not one sync a batch: {written}")
    if written["frame_bytes"] > 140 * n + 24 * accounts + 8192:
        raise AssertionError(f"more than 140 bytes a transfer: {written}")
    name = Path(first.path or "").name
    del first
    if (again := opened(name)).seal != sealed or not again.balances.equals(balances):
        raise AssertionError("the directory does not hold what was answered")
    del again
    if [balance for (balance,) in theirs()] != balances["available"].cast(int).to_list():
        raise AssertionError("SQLite and fastclear differ in a balance")
    calls: dict[str, Call] = {
        "fastclear": lambda: len(ours()),
        "fastclear reopened": lambda: len(opened(name)),
        "sqlite": theirs,
    }
    return [Contest.of(calls, n)]


def every_kind(n: int, accounts: int) -> list[Contest]:
    """Transfers of every kind under ids into new accounts, in batches."""
    batches = _batches(mixed(n, accounts))

    def ours() -> list[Any]:
        opened = house(accounts, 10 * LIMIT)
        return [opened.submit(batch) for batch in batches]

    codes = np.concatenate(ours())
    counted = np.bincount(codes, minlength=len(fc.TransferCode))
    expected = {fc.TransferCode.OK, fc.TransferCode.EXCEEDS_AVAILABLE, fc.TransferCode.RESERVATION_NOT_FOUND}
    rare = {fc.TransferCode.LINKED_EVENT_FAILED, fc.TransferCode.ACCOUNTS_MUST_DIFFER}
    if set(np.flatnonzero(counted).tolist()) - expected - rare or counted[0] < n // 3:
        raise AssertionError(f"codes of the mixed transfers: {counted.tolist()}")
    copied, amount = np.empty(n, np.int64), np.ones(n, np.int64)
    calls: dict[str, Call] = {"fastclear": lambda: ours(), "np.copyto": partial(np.copyto, copied, amount)}
    return [Contest.of(calls, n)]
