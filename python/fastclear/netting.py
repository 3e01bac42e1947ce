"""Netting: many obligations become few payments."""

from __future__ import annotations

from decimal import Decimal
from functools import cached_property
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear import _core
from fastclear.receipts import MONEY, read_only
from fastclear.transfer_columns import accounts, amounts, refuse_negative, same_length, small, table

_COLUMNS: Final = frozenset({"debit", "credit", "amount", "asset"})
_Money = NDArray[np.int64] | list[int]
_Obligations = tuple[NDArray[Any], NDArray[Any], NDArray[np.int64], NDArray[np.uint16] | None]


def money(name: str, values: _Money) -> pl.Series:
    """Return money of any size as a series of Decimal(38, 0)."""
    try:
        column = values if isinstance(values, np.ndarray) else np.array(values, np.int64)
        return pl.Series(name, column).cast(MONEY)
    except OverflowError:  # money that leaves 64 bits
        return pl.Series(name, [Decimal(value) for value in values], dtype=MONEY)


class Net:
    """What a netting has found; made by :func:`fastclear.net`. Frames are built when they are first asked for."""

    def __init__(self, columns: _Obligations) -> None:
        self._columns = columns
        self._positions = _core.net(*columns)

    def __len__(self) -> int:
        """Return the number of obligations."""
        return len(self._columns[2])

    @cached_property
    def positions(self) -> pl.DataFrame:
        """Who receives and who owes: one row a participant whose position is not 0, ascending.

        ``asset`` (UInt16), ``participant`` (UInt64), ``amount`` (Decimal(38, 0): + receives, - owes). The amounts of
        an asset sum to 0.
        """
        asset, participant, amount = self._positions.columns()
        columns = [pl.Series("asset", asset), pl.Series("participant", participant), money("amount", amount)]
        return pl.DataFrame(columns)

    @cached_property
    def bilateral(self) -> pl.DataFrame:
        """One payment a pair of participants that do not owe each other the same; columns as :attr:`multilateral`.

        Costs a sort of the obligations, which are read again.

        Raises
        ------
        SettlementError
            Columns that were written to since :func:`fastclear.net` read them.
        """
        return _payments(self._positions.bilateral(*self._columns))

    @cached_property
    def multilateral(self) -> pl.DataFrame:
        """At most n - 1 payments an asset, for n participants whose position is not 0.

        ``debit`` (UInt64, who pays), ``credit`` (UInt64), ``amount`` (Int64), ``asset`` (UInt16). The lowest debtor
        pays the lowest creditor until one of them is done. A payment of 2**63 and more is split into several.
        """
        return _payments(self._positions.multilateral())

    def __repr__(self) -> str:
        """Say how many obligations and positions there are."""
        return f"Net(obligations={len(self)}, positions={len(self._positions)})"


def _payments(columns: dict[str, NDArray[Any]]) -> pl.DataFrame:
    return pl.DataFrame([pl.Series(name, read_only(column)) for name, column in columns.items()])


def net(payments: object) -> Net:
    """Net obligations: what everybody receives or owes in the end, and the few payments that bring it about.

    Parameters
    ----------
    payments : frame or mapping of columns
        One row an obligation: ``debit`` (who owes) and ``credit`` (who is owed), integers of 0 or more; ``amount``,
        int64 above 0, in the smallest unit; optional ``asset``, 0 to 65535 (default 0), which never mix. Who owes
        itself changes nothing. ``uint32`` accounts are read fastest.

    Returns
    -------
    Net
        :attr:`Net.positions`, :attr:`Net.bilateral` and :attr:`Net.multilateral`. None depends on the order of rows.
        :meth:`Accounts.settle_net` pays them.

    Raises
    ------
    SchemaError
        Columns that cannot be read; the message names column and row.
    SettlementError
        An amount that is not above 0.

    Notes
    -----
    O(rows + largest id) while ids are below eight times the number of rows, about 2 ns a row where the sums fit the
    second cache; larger ids are summed in a map. Columns are read while the interpreter is held, and kept.

    Examples
    --------
    >>> import fastclear as fc
    >>> owed = {"debit": [1, 2, 3, 1, 4, 2], "credit": [2, 3, 1, 3, 1, 4], "amount": [10, 8, 6, 3, 4, 5]}
    >>> found = fc.net(owed)
    >>> found.positions["amount"].cast(int).to_list()
    [-3, -3, 5, 1]
    >>> found.multilateral.select("debit", "credit", "amount").rows()
    [(1, 3, 3), (2, 3, 2), (2, 4, 1)]
    >>> found.bilateral["amount"].sum()
    30
    """
    given = table(payments, "payments", _COLUMNS, ("debit", "credit", "amount"))
    for name in ("debit", "credit"):
        refuse_negative(name, given[name])
    debit, credit = accounts(given["debit"], given["credit"])
    columns = {"debit": debit, "credit": credit, "amount": amounts(given["amount"])}
    if "asset" in given:
        columns["asset"] = small("asset", given["asset"])
    same_length(columns)
    return Net((debit, credit, columns["amount"], columns.get("asset")))
