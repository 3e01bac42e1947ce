"""What an exchange shows of itself: terms, members, money, books, blocks."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear import _core
from fastclear.columns import Participant
from fastclear.exchange.answers import participants, shown_ids
from fastclear.exchange.blocks import ExchangeLedger
from fastclear.ledger import Ledger
from fastclear.members import Members
from fastclear.netting import money as money_series
from fastclear.orders import Orders
from fastclear.tariffs.local_time import slot_ns


class Views:
    """The half of an exchange that changes nothing."""

    _house: _core.House
    _members: Members
    _texts: dict[int, str]
    _ledger: ExchangeLedger

    @property
    def params(self) -> str:
        """The terms as canonical JSON text; its SHA-256 stands in every header."""
        return self._house.params

    @property
    def participants(self) -> list[Participant]:
        """Every member, in the order of opening."""
        return self._members.names.copy()

    @property
    def ledger(self) -> Ledger:
        """The blocks, to read and to prove with; :meth:`seal` adds to them."""
        return self._ledger

    @property
    def state_root(self) -> str:
        """Hash over the whole state, hexadecimal: equal exactly where everything is equal, the engine time too."""
        return self._house.root().hex()

    def available(self, participant: Participant) -> int:
        """Nano-currency that ``participant`` may still reserve; raises SettlementError for a stranger."""
        account = self._members.account(participant)
        return next(row[4] for row in self._house.balances() if row[0] == account)

    @property
    def balances(self) -> pl.DataFrame:
        """One row an account, as :attr:`fastclear.Settlement.balances`."""
        accounts, *money, _version, status = zip(*self._house.balances(), strict=True)
        names = ("posted", "pending_out", "pending_in", "available", "limit")
        return pl.DataFrame(
            [
                *self._members.who(accounts),
                *(money_series(name, list(values)) for name, values in zip(names, money, strict=True)),
                pl.Series("status", status, dtype=pl.String),
            ]
        )

    @property
    def slots(self) -> pl.DataFrame:
        """One row a slot that is not sealed yet.

        ``slot`` (ns), ``phase`` (``open``, ``cleared``, ``settled``), ``orders`` that stand, ``refused`` or taken back,
        ``readings``.
        """
        rows = self._house.slots()
        schema = {"slot": pl.Int64, "phase": pl.String, "orders": pl.Int64, "refused": pl.Int64, "readings": pl.Int64}
        return pl.DataFrame(rows, schema=schema, orient="row")

    def orders(self, slot: int | datetime) -> pl.DataFrame:
        """Every order of a slot that is not sealed yet, one row an order, those that were refused at last.

        ``market``, ``order``, ``participant``, ``side`` (1 = buy), ``type`` (1 = market), ``price``, ``quantity``,
        ``time``, ``min_quantity``, ``reject`` (a code; 0 stands).
        """
        found = self._house.orders(slot_ns(slot))
        columns = cast("dict[str, NDArray[Any]]", {} if found is None else found)

        def column(name: str, dtype: Any = np.int64) -> NDArray[Any]:
            return columns.get(name, np.empty(0, dtype))

        return pl.DataFrame(
            [
                self._shown("market", column("market", np.uint64)),
                self._shown("order", column("order", np.uint64)),
                self._participants("participant", column("account", np.uint64)),
                pl.Series("side", column("side", np.uint8)),
                pl.Series("type", column("kind", np.uint8)),
                *(pl.Series(name, column(name)) for name in ("price", "quantity", "time", "min_quantity")),
                pl.Series("reject", column("reject", np.uint16)),
            ]
        )

    def names(self, accounts: Iterable[int]) -> list[Participant | None]:
        """Participants of these account ids; None for house accounts."""
        return self._members.of(accounts)

    def account(self, participant: Participant) -> int:
        """Return the account id of ``participant``; raises SettlementError for a stranger."""
        return self._members.account(participant)

    def pseudonyms(self, orders: Orders) -> NDArray[np.uint64]:
        """Account id of each order, shape (n,); 0 where the participant has none."""
        return self._members.pseudonyms(orders)

    def _shown(self, name: str, column: NDArray[np.uint64]) -> pl.Series:
        return shown_ids(name, column, self._texts)

    def _participants(self, name: str, accounts: NDArray[np.uint64]) -> pl.Series:
        return participants(name, accounts, self._members.of)
