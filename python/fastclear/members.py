"""The participants of a bank and their accounts: names in, numbers out, and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear import _core
from fastclear.columns import Participant, checked_name, int64, items, plain, single
from fastclear.errors import SettlementError
from fastclear.orders import Orders

_HOUSE: Final = dict(_core.HOUSE_ACCOUNTS)
_PURSES: Final = dict(_core.PURSES)


class Members:
    """Who has which account. Accounts count up from the first member's in the order of opening."""

    def __init__(self) -> None:
        self.names: list[Participant] = []
        self._accounts: dict[Participant, int] = {}
        self._int_keys = np.empty(0, np.int64)
        self._int_accounts = np.empty(0, np.uint64)
        self._int_table: NDArray[np.uint64] | None = None  # accounts by name less the first name, then 0 for strangers

    def copy(self) -> Members:
        """Members of their own."""
        twin = Members()
        twin.names, twin._accounts = self.names.copy(), self._accounts.copy()
        twin._int_keys, twin._int_accounts, twin._int_table = self._int_keys, self._int_accounts, self._int_table
        return twin

    def new(self, participants: Participant | Iterable[Participant]) -> list[Participant]:
        """Names that may be opened.

        Raises
        ------
        SettlementError
            A name that is open already or given twice.
        """
        names = [checked_name(name) for name in items(participants)]
        seen: set[Participant] = set()
        for name in names:
            if name in self._accounts or name in seen:
                raise SettlementError(f"participant {name!r} is open already; open each one once")
            seen.add(name)
        return names

    def add(self, names: list[Participant], first: int) -> None:
        """Note that these have the accounts from ``first`` on."""
        self._accounts.update((name, first + index) for index, name in enumerate(names))
        self.names.extend(names)
        integers = sorted((name, account) for name, account in self._accounts.items() if isinstance(name, int))
        self._int_keys = np.array([name for name, _ in integers], np.int64)
        self._int_accounts = np.array([account for _, account in integers], np.uint64)
        gapless = len(integers) and integers[-1][0] - integers[0][0] == len(integers) - 1
        self._int_table = np.append(self._int_accounts, np.uint64(0)) if gapless else None

    def account(self, participant: Participant) -> int:
        """Account of one participant; a stranger raises."""
        account = self._accounts.get(checked_name(participant))
        if account is None:
            raise _stranger(participant)
        return account

    def of(self, accounts: Iterable[int]) -> list[Participant | None]:
        """Participants of these accounts; None for house accounts."""
        first, names = _core.FIRST_MEMBER, self.names
        return [names[account - first] if first <= account < first + len(names) else None for account in accounts]

    def who(self, accounts: Sequence[int]) -> list[pl.Series]:
        """The columns ``account``, ``participant``, ``role`` of these accounts."""
        return [
            pl.Series("account", accounts, dtype=pl.UInt64),
            participant_series(self.of(account % _core.PURSE_STEP for account in accounts)),
            pl.Series("role", [role(account) for account in accounts], dtype=pl.String),
        ]

    def pseudonyms(self, orders: Orders) -> NDArray[np.uint64]:
        """Account id of each order, shape (n,); 0 where the participant is none of this bank's."""
        if orders.participant is None:
            return np.zeros(orders.n, np.uint64)
        texts = orders.texts.get("participant")
        if texts is None:
            return self._of_integers(orders.participant)
        get = self._accounts.get
        table = np.array([get(text, 0) for text in texts.to_list()], np.uint64)
        return table[orders.participant]

    def of_orders(self, orders: Orders) -> NDArray[np.uint64]:
        """:meth:`pseudonyms`, but a stranger raises."""
        if orders.participant is None and orders.n:
            raise SettlementError("orders have no column 'participant'; say whose each order is")
        accounts = self.pseudonyms(orders)
        if not accounts.all():
            strange = accounts == 0
            if orders.refused is not None:
                strange &= orders.refused == 0  # an order without a participant is refused, not a stranger's
            if strange.any():
                row = int(strange.argmax())
                nobodys = orders.missing.get("participant")
                if nobodys is not None and nobodys[row]:
                    order = orders.order_ids()[row]
                    raise SettlementError(f"order {order!r} is nobody's; give orders a 'participant' to settle them")
                raise _stranger(orders.names("participant", cast("Any", orders.participant)[row : row + 1])[0])
        return accounts

    def _of_integers(self, column: NDArray[Any]) -> NDArray[np.uint64]:
        keys = self._int_keys
        if not len(keys):
            return np.zeros(len(column), np.uint64)
        if self._int_table is not None:  # names without gaps: their places are known
            return _core.looked_up(np.ascontiguousarray(column, np.int64), int(keys[0]), self._int_table)
        index = np.minimum(np.searchsorted(keys, column), len(keys) - 1)
        return np.where(keys[index] == column, self._int_accounts[index], np.uint64(0))

    def of_names(self, names: object) -> NDArray[np.uint64]:
        """Accounts of a column of participants."""
        if isinstance(names, np.ndarray) and names.dtype.kind == "i":
            accounts = self._of_integers(names)
            if not accounts.all():
                raise _stranger(names[int((accounts == 0).argmax())].item())
            return accounts
        get = self._accounts.get
        listed = names if isinstance(names, list) else [plain(name) for name in cast("Iterable[Any]", names)]
        found = [get(name) for name in listed]
        if None in found:
            row = found.index(None)
            if listed[row] is None:
                raise SettlementError(f"column 'participant', row {row} is null; name the member")
            raise _stranger(listed[row])
        return np.array(found, np.uint64)

    def money(self, participant: object, amount: object) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """Accounts and amounts, one amount each or one for all."""
        accounts = self.of_names([checked_name(name) for name in items(participant)])
        amounts = int64("amount", items(amount))
        if single(amount):
            amounts = np.repeat(amounts, len(accounts))
        if len(amounts) != len(accounts):
            raise SettlementError(f"{len(accounts)} participants and {len(amounts)} amounts; give one each")
        return accounts, amounts


def participant_series(names: Sequence[str | int | None]) -> pl.Series:
    """Names as Int64 if all of them are integers, else as text."""
    if all(isinstance(name, int) for name in names if name is not None):
        return pl.Series("participant", names, dtype=pl.Int64)
    return pl.Series("participant", [None if name is None else str(name) for name in names], dtype=pl.String)


def role(account: int) -> str:
    """``"member"``, what a member's further account is for, or the name of a house account."""
    return _HOUSE.get(account) or _PURSES.get(account // _core.PURSE_STEP, "member")


def called(account: int, owner: Participant | None) -> str | None:
    """``Ada``; ``Ada, margin`` for what a further account of hers is for; the name of a house account."""
    if owner is None:
        return _HOUSE.get(account)
    return str(owner) if account < _core.PURSE_STEP else f"{owner}, {role(account)}".replace("_", " ")


def _stranger(name: object) -> SettlementError:
    return SettlementError(f"participant {name!r} has no account; open it first")
