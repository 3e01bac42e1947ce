"""Accounts of several assets, and transfers between them: columns in, one code a transfer out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear import _core
from fastclear.audit import AuditError
from fastclear.columns import INT64_MAX, single, whole
from fastclear.errors import SchemaError, SettlementError
from fastclear.kept_accounts import SEGMENT_BYTES, Kept, begin, directory_of
from fastclear.netting import Net, money
from fastclear.receipts import read_only
from fastclear.transfer_columns import accounts, amounts, flags, halves, kinds, same_length, small, table, unsigned

_CODES: Final = _core.transfer_codes()

if TYPE_CHECKING:

    class TransferCode(IntEnum):
        """What became of a transfer, as :meth:`Accounts.submit` says it. Of several faults the lowest is reported."""

        OK = 0
        LINKED_EVENT_FAILED = 1
        LINKED_EVENT_CHAIN_OPEN = 2
        ID_MUST_NOT_BE_ZERO = 3
        EXISTS_WITH_DIFFERENT_KIND = 4
        EXISTS_WITH_DIFFERENT_DEBIT = 5
        EXISTS_WITH_DIFFERENT_CREDIT = 6
        EXISTS_WITH_DIFFERENT_AMOUNT = 7
        EXISTS_WITH_DIFFERENT_REFERENCE = 8
        EXISTS_WITH_DIFFERENT_TIMEOUT = 9
        EXISTS_WITH_DIFFERENT_CODE = 10
        EXISTS_WITH_DIFFERENT_LINKED = 11
        EXISTS = 12
        ID_ALREADY_FAILED = 13
        AMOUNT_MUST_BE_POSITIVE = 14
        REFERENCE_MUST_BE_ZERO = 15
        REFERENCE_MUST_NOT_BE_ZERO = 16
        TIMEOUT_MUST_BE_ZERO = 17
        TIMEOUT_OUT_OF_RANGE = 18
        RESERVATION_NOT_FOUND = 19
        RESERVATION_ALREADY_POSTED = 20
        RESERVATION_ALREADY_VOIDED = 21
        RESERVATION_EXPIRED = 22
        RESERVATION_DIFFERS = 23
        EXCEEDS_RESERVATION = 24
        DEBIT_NOT_FOUND = 25
        CREDIT_NOT_FOUND = 26
        ACCOUNTS_MUST_DIFFER = 27
        ASSETS_DIFFER = 28
        DEBIT_CLOSED = 29
        CREDIT_CLOSED = 30
        EXCEEDS_AVAILABLE = 31
        OUT_OF_RANGE = 32

        @property
        def meaning(self) -> str:
            """What it means or what to do, in one line."""

else:
    # The numbers live in Rust; a type checker needs to see the names.
    class _Meaning(IntEnum):
        @property
        def meaning(self) -> str:
            """What it means or what to do, in one line."""
            return _MEANING[int(self)]

    TransferCode = _Meaning("TransferCode", {name.upper(): code for name, code, _ in _CODES})
    TransferCode.__doc__ = (
        "What became of a transfer, as :meth:`Accounts.submit` says it. Of several faults the lowest is reported."
    )
    TransferCode.__module__ = __name__

_MEANING: Final = {code: meaning for _, code, meaning in _CODES}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_REQUIRED: Final = ("debit", "credit", "amount")
_TRANSFER: Final = frozenset(
    {*_REQUIRED, "id", "id_high", "kind", "reference", "reference_high", "timeout_ns", "code", "linked"}
)
_READERS: Final[dict[str, Callable[[object], NDArray[Any]]]] = {
    "kind": kinds,
    "timeout_ns": partial(unsigned, "timeout_ns"),
    "code": partial(small, "code"),
    "linked": partial(flags, "linked"),
}
_LEG: Final = frozenset({*_REQUIRED, "asset"})


class Accounts(Kept):
    """Double-entry accounts, and transfers between them.

    An account belongs to one asset, has a balance ``posted`` (credits less debits) and a credit limit, and may pay what
    is available: ``posted + limit - pending_out``. Money enters through accounts opened with ``unlimited=True``. A
    transfer moves money at once (``single``), or reserves it (``pending``) until another one moves all or part of it
    (``post``) or releases it (``void``), or until it expires.

    Parameters
    ----------
    path : path, optional
        Keep the accounts in this directory: a call that changes something is on disk when it returns, and is sealed
        (chapter 4b). A new or empty directory is begun, an existing one goes on where it ended. Without it they are in
        memory.
    durability : {"sync", "group(ms)", "none"}
        With a directory: synced before a call returns; the same, but waiting so many milliseconds for the calls of
        other threads to share the sync; or left to the operating system (simulations).
    segment_bytes : int
        Size of a file of the journal, which is filled with zeros when it is made. A call must fit in one.

    Raises
    ------
    StoreError
        The directory has other content, is open elsewhere, is damaged (file and byte are named), or the disk refuses.

    Notes
    -----
    No clock, no names, and in memory no I/O: time moves by :meth:`advance`, accounts and ids are integers. The order of
    the rows of a call is the order of the transfers. Balances have 128 bits, amounts 64. Calls hold the interpreter,
    but not while they write. Memory is about 90 bytes an account and 75 an id; no id is ever forgotten.

    Examples
    --------
    >>> import fastclear as fc
    >>> house = fc.Accounts()
    >>> house.open([1], unlimited=True)  # where money comes from
    >>> house.open([1000, 1001], limit=[0, 50])
    >>> codes = house.submit({"debit": [1, 1000, 1000], "credit": [1000, 1001, 1001], "amount": [100, 70, 70]})
    >>> [fc.TransferCode(code).name for code in codes]
    ['OK', 'OK', 'EXCEEDS_AVAILABLE']
    >>> house.available(1000), house.available(1001)
    (30, 120)
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        durability: str = "sync",
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        self._path = directory_of(path)
        self._core = begin(self._path, durability, segment_bytes)

    def __len__(self) -> int:
        """Return the number of accounts."""
        return len(self._core)

    def __copy__(self) -> Accounts:
        """Return accounts of their own, in memory, in the same state, for what-if questions."""
        twin = object.__new__(type(self))
        twin._core, twin._path = self._core.copy(), None
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> Accounts:
        """Return what :func:`copy.copy` does: nothing is shared."""
        return self.__copy__()

    def __reduce__(self) -> Any:
        """Refuse to be pickled: the transfers are what accounts are kept by."""
        raise SettlementError("accounts cannot be pickled; keep the transfers, or copy.copy() the accounts")

    # -- accounts
    # ----------------------------------------------------------------------------------------------

    def open(
        self,
        ids: int | Iterable[int],
        *,
        limit: int | Iterable[int] = 0,
        asset: int | Iterable[int] = 0,
        unlimited: bool | Iterable[bool] = False,
    ) -> None:
        """Open accounts.

        Parameters
        ----------
        ids : int, or a column of them
            1 to 2**64 - 1, in any order. Numbers that follow each other are found fastest.
        limit : int, or one an account
            Credit below zero, 0 or more, in the smallest unit.
        asset : int, or one an account
            0 to 65535; a transfer stays inside one.
        unlimited : bool, or one an account
            Not held to a limit at all: a boundary of the system.

        Raises
        ------
        SettlementError
            Id 0, a negative limit, or an id that is open already or given twice: then no account is opened.
        SchemaError
            Columns that cannot be read, or of different lengths.
        """
        columns: dict[str, NDArray[Any]] = {"ids": _ids(ids)}
        rows = len(columns["ids"])
        columns["limit"] = _repeated(amounts([limit], "limit"), rows) if single(limit) else amounts(limit, "limit")
        columns["asset"] = _repeated(small("asset", [asset]), rows) if single(asset) else small("asset", asset)
        only = single(unlimited)
        flag = flags("unlimited", [unlimited] if only else unlimited)
        columns["unlimited"] = _repeated(flag, rows) if only else flag
        same_length(columns)
        self._core.open(*columns.values())

    def set_limit(self, ids: int | Iterable[int], limit: int | Iterable[int]) -> None:
        """Set credit limits. One below what is used refuses further debits and takes nothing back.

        Parameters
        ----------
        ids : int, or a column of them
            Accounts.
        limit : int, or one an account
            0 or more, in the smallest unit.

        Raises
        ------
        SettlementError
            A negative limit or an account that is not open: then no limit is changed.
        SchemaError
            Columns that cannot be read, or of different lengths.
        """
        columns: dict[str, NDArray[Any]] = {"ids": _ids(ids)}
        rows = len(columns["ids"])
        columns["limit"] = _repeated(amounts([limit], "limit"), rows) if single(limit) else amounts(limit, "limit")
        same_length(columns)
        self._core.set_limits(*columns.values())

    def close(self, ids: int | Iterable[int]) -> None:
        """Close accounts: they pay and receive nothing more. What is reserved can still be voided, or expires.

        Raises
        ------
        SettlementError
            An account that is not open: then none is closed.
        """
        self._core.set_closed(_ids(ids), True)

    def reopen(self, ids: int | Iterable[int]) -> None:
        """Open closed accounts again; others stay as they are.

        Raises
        ------
        SettlementError
            An account that was never opened: then none is changed.
        """
        self._core.set_closed(_ids(ids), False)

    def available(self, account: int) -> int:
        """What ``account`` may still pay or reserve: ``posted + limit - pending_out``.

        Raises
        ------
        SettlementError
            An account that is not open.
        """
        number = whole("account", account) if not isinstance(account, int) else account
        found = self._core.available(number) if 0 <= number < 2**64 else None
        if found is None:
            raise SettlementError(f"account {account} is not open; open it first")
        return found

    @property
    def balances(self) -> pl.DataFrame:
        """One row an account, ascending.

        ``account`` (UInt64), ``asset`` (UInt16), ``posted``, ``pending_out``, ``pending_in``, ``available``, ``limit``
        (Decimal(38, 0), smallest unit), ``unlimited``, ``closed`` (Boolean).
        """
        columns: dict[str, Any] = self._core.balances()
        amounts_of = ("posted", "pending_out", "pending_in", "available", "limit")
        return pl.DataFrame(
            [money(name, column) if name in amounts_of else pl.Series(name, column) for name, column in columns.items()]
        )

    # -- time
    # --------------------------------------------------------------------------------------------------

    @property
    def time(self) -> int:
        """Engine time, ns."""
        return self._core.time

    def advance(self, time: int | datetime) -> pl.DataFrame:
        """Move engine time to ``time`` and release the reservations that have expired by then.

        Parameters
        ----------
        time : int or datetime
            Nanoseconds since 1970 UTC (or since any other moment), or a datetime with a time zone.

        Returns
        -------
        DataFrame
            Ids of what has expired, in order of expiry, then of reservation: ``id``, ``id_high`` (UInt64).

        Raises
        ------
        SettlementError
            A time before the present one, or a datetime without a time zone.
        """
        if isinstance(time, datetime):
            if time.tzinfo is None:
                raise SettlementError("time has no time zone; say which, for example tz=datetime.UTC")
            time = (time - _EPOCH) // timedelta(microseconds=1) * 1000
        if not 0 <= (value := whole("time", time)) <= INT64_MAX:
            raise SettlementError(f"time {value} is not between 0 and 2^63 ns")
        low, high = self._core.advance(value)
        return pl.DataFrame([pl.Series("id", low), pl.Series("id_high", high)])

    # -- transfers
    # ---------------------------------------------------------------------------------------------

    def submit(self, transfers: object) -> NDArray[np.uint8]:
        """Execute transfers in the order of their rows.

        Parameters
        ----------
        transfers : frame or mapping of columns
            One row a transfer, any number of them. ``debit`` (who pays), ``credit``: integers; 0 in a post or void
            means as reserved. ``amount``: int64, in the smallest unit; a void may leave it 0. Optional:

            ``id`` : 128 bits, unique for all time; 0 or left out is none, and such a transfer, sent again, is another.
            Either integers of 64 bits, with the upper half in ``id_high`` if there is one; or whole ids: 16 bytes each
            (``V16``, as ``uuid.UUID.bytes``), a 128-bit column of polars, or a list of Python integers or UUIDs.
            ``kind`` : ``single`` (0, default), ``pending`` (1), ``post`` (2), ``void`` (3), by word or number.
            ``reference``, ``reference_high`` : id of the reservation that a post or void resolves.
            ``timeout_ns`` : how long a reservation holds; 0 is for ever.
            ``code`` : 0 to 65535, your own reason; compared when an id comes again.
            ``linked`` : whether the next row shares its fate; the last row of a chain says False.

        Returns
        -------
        ndarray of uint8, shape (rows,)
            A :class:`fastclear.TransferCode` a row, read-only; 0 is accepted. A bad transfer fails nothing but its own
            chain.

        Raises
        ------
        SchemaError
            Columns that cannot be read; the message names column and row, and nothing has happened.

        Notes
        -----
        O(rows). Rows of two accounts and an amount alone cost a few nanoseconds, with ids about 0.2 to 0.35
        microseconds. ``uint32`` accounts are read fastest; lists of large ids cost a Python integer each.

        Examples
        --------
        >>> import fastclear as fc
        >>> house = fc.Accounts()
        >>> house.open([1, 2], limit=100)
        >>> both = {"debit": [1, 0], "credit": [2, 0], "amount": [60, 45]}
        >>> house.submit({**both, "id": [7, 8], "kind": ["pending", "post"], "reference": [0, 7]})
        array([0, 0], dtype=uint8)
        >>> house.available(1)
        55
        """
        given = table(transfers, "transfers", _TRANSFER, _REQUIRED)
        debit, credit = accounts(given["debit"], given["credit"])
        columns: dict[str, NDArray[Any]] = {"debit": debit, "credit": credit, "amount": amounts(given["amount"])}
        for name in ("id", "reference"):
            high = f"{name}_high"
            if name in given:
                low, upper = halves(name, given[name], given.get(high))
                columns |= {name: low} if upper is None else {name: low, high: upper}
            elif high in given:
                raise SchemaError(f"column '{high}' is given without '{name}'; give both halves", column=high)
        columns |= {name: read(given[name]) for name, read in _READERS.items() if name in given}
        same_length(columns)
        optional = ("id", "id_high", "kind", "reference", "reference_high", "timeout_ns", "code", "linked")
        return read_only(
            self._core.submit(debit, credit, columns["amount"], *(cast("Any", columns.get(name)) for name in optional))
        )

    def settle_net(
        self,
        payments: Net | object,
        *,
        on_failure: Literal["chain", "operator"] = "chain",
        operator: int | None = None,
        first_id: int | None = None,
        code: int = 0,
    ) -> pl.DataFrame:
        """Pay what netting has left as one linked chain: all of it, or nothing.

        Parameters
        ----------
        payments : Net, or frame or mapping of columns
            Of a :class:`Net`, its multilateral payments; else ``debit``, ``credit``, ``amount`` and optional ``asset``,
            such as ``net.bilateral``.
        on_failure : {"chain", "operator"}
            What becomes of a leg that cannot be paid. ``"chain"``: nothing is paid. ``"operator"``: the operator pays
            for a debtor that is closed or has too little available, and receives for a creditor that is closed; any
            other fault, and an operator that cannot pay either, fails the chain.
        operator : int, optional
            The account that stands in, with ``on_failure="operator"``.
        first_id : int, optional
            Id of the first leg; they count up. Without it a chain that is sent again is paid again.
        code : int
            Your own reason, 0 to 65535.

        Returns
        -------
        DataFrame
            One row a leg: ``debit``, ``credit``, ``amount``, ``asset``; ``payer`` and ``payee``, who differ where the
            operator stood in; ``code`` (UInt8), a :class:`fastclear.TransferCode`. Either all are 0, or no money moved.

        Raises
        ------
        SettlementError
            An operator that is not open or not asked for, an unknown rule, or an id that leaves 128 bits.
        SchemaError
            Columns that cannot be read.

        Examples
        --------
        >>> import fastclear as fc
        >>> house = fc.Accounts()
        >>> house.open([1, 2, 3], limit=10)
        >>> found = fc.net({"debit": [1, 2], "credit": [2, 3], "amount": [8, 5]})
        >>> house.settle_net(found).select("payer", "payee", "amount", "code").rows()
        [(1, 2, 3, 0), (1, 3, 5, 0)]
        """
        if not isinstance(on_failure, str) or on_failure not in ("chain", "operator"):
            raise SettlementError(f"on_failure={on_failure!r}; use 'chain' or 'operator'")
        if (on_failure == "operator") != (operator is not None):
            raise SettlementError(
                f"on_failure={on_failure!r}, operator={operator}; an operator goes with 'operator' only"
            )
        given = table(payments.multilateral if isinstance(payments, Net) else payments, "payments", _LEG, _REQUIRED)
        debit, credit = (column.astype(np.uint64) for column in accounts(given["debit"], given["credit"]))
        amount = amounts(given["amount"])
        asset = small("asset", given["asset"]) if "asset" in given else np.zeros(len(debit), np.uint16)
        columns: dict[str, NDArray[Any]] = {"debit": debit, "credit": credit, "amount": amount, "asset": asset}
        same_length(columns)
        id_, reason = _bounded("first_id", 0 if first_id is None else first_id, 2**128), _bounded("code", code, 2**16)
        stand_in = None if operator is None else _bounded("operator", operator, 2**64)
        codes, payers, payees = self._core.settle_net(debit, credit, amount, asset, id_, reason, stand_in)
        columns |= {"payer": payers, "payee": payees, "code": codes}
        return pl.DataFrame([pl.Series(name, read_only(column)) for name, column in columns.items()])

    def audit(self) -> dict[str, int]:
        """Recompute everything: L-I1, L-I2, L-I4, L-I5.

        The balances of each asset sum to 0; what every account has pending is what the open reservations say; every id
        is found, and every reservation that expires is awaited.

        Returns
        -------
        dict
            ``accounts``, ``assets``, ``ids``, ``open`` (reservations) and ``reserved`` (their sum).

        Raises
        ------
        AuditError
            The first invariant that does not hold: a fault of this library.

        Notes
        -----
        O(accounts + ids).
        """
        broken, counted = self._core.audit()
        if broken is not None:
            raise AuditError(broken)
        return dict(zip(("accounts", "assets", "ids", "open", "reserved"), counted, strict=True))

    def __repr__(self) -> str:
        """Say how many accounts, ids and open reservations there are."""
        if self._is_shut:
            return f"Accounts({self._path!r}, shut)"
        return f"Accounts(accounts={len(self)}, ids={self._core.ids}, open={self._core.open_reservations})"


def _ids(ids: object) -> NDArray[np.uint64]:
    return unsigned("ids", [ids] if single(ids) else ids)


def _repeated(one: NDArray[Any], rows: int) -> NDArray[Any]:
    return np.full(rows, one[0], one.dtype)


def _bounded(name: str, value: object, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not 0 <= int(value) < most:
        raise SettlementError(f"{name} = {value!r}; give an integer of 0 to {most - 1}")
    return int(value)
