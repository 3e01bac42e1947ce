"""The tariff of a bank: which terms a call has, and what its orders and trades cost on the network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fastclear import _core
from fastclear.columns import Participant
from fastclear.errors import SettlementError
from fastclear.imbalance import OWNERS
from fastclear.tariff import Tariff
from fastclear.tariffs.plan import TariffPlan, Terms

_Column = NDArray[np.int64]
_NO_ZONE: Final = -1


class InForce:
    """A flat tariff, which asks nothing of a call, or a plan with the zone of each member.

    Members are counted as the bank counts them: in the order of opening, from ``FIRST_MEMBER``.
    """

    def __init__(self, tariff: Tariff | TariffPlan) -> None:
        self._plan = tariff if isinstance(tariff, TariffPlan) else None
        self._zones = [] if self._plan is None else list(self._plan.zones)
        self._members = np.empty(0, np.int64)
        self._fees: tuple[Terms | None, _Column] = (None, np.zeros((1, 1), np.int64))

    def __copy__(self) -> InForce:
        """Return one whose members go on by themselves."""
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin._zones = list(self._zones)
        return twin

    def zones_of(self, names: Sequence[Participant], zone: object) -> list[str | None]:
        """The zone of each participant that is to be opened.

        Raises
        ------
        SettlementError
            A zone that is no text, is not the plan's, or that no tariff asks for.
        """
        if zone is not None and (not isinstance(zone, str) or not zone):
            raise SettlementError(f"zone {zone!r} is no name; give text, one call of open() a zone")
        if self._plan is None:
            if zone is not None:
                raise SettlementError(f"zone {zone!r}: a flat tariff has no zones; give the bank a fc.TariffPlan")
            return [None] * len(names)
        zones = [self._plan.zone_of(name) for name in names]
        for name, planned in zip(names, zones, strict=True):
            if None not in (zone, planned) and zone != planned:
                raise SettlementError(f"participant {name!r} is in zone {planned} by the plan, not in {zone}; name one")
        return [planned or zone for planned in zones]

    def open(self, zones: Sequence[str | None]) -> None:
        """Take further members, by zone."""
        for zone in zones:
            if zone is not None and zone not in self._zones:
                self._zones.append(zone)
                self._fees = (None, self._fees[1])
        codes = [_NO_ZONE if zone is None else self._zones.index(zone) for zone in zones]
        self._members = np.concatenate([self._members, np.array(codes, np.int64)])

    def terms(self, slot: object) -> Terms | None:
        """The terms of a call for `slot`; None under a flat tariff, which has no use for the slot.

        Raises
        ------
        SettlementError
            No slot under a plan, or one that the plan does not know.
        """
        if self._plan is None:
            return None
        if slot is None:
            raise SettlementError(
                f"the tariff is the plan {self._plan.name!r}, which depends on the slot; say which one with slot=…"
            )
        return self._plan.terms(slot)

    def tell(self, bank: _core.Bank, terms: Terms | None) -> None:
        """Let the core go by these terms."""
        if terms is None:
            return
        tariff, taxes = terms.tariff, terms.tax_ppm
        bank.set_terms(
            (tariff.retail, tariff.feed_in, tariff.platform_fee, tariff.network_fee),
            terms.slot,
            (taxes["energy"], taxes["platform_fee"], taxes["network_fee"], taxes["residual"]),
            [(ppm, OWNERS[to]) for ppm, to in terms.shares],
        )

    def fees_of_orders(self, terms: Terms | None, accounts: NDArray[np.uint64]) -> _Column | None:
        """The largest network fee that any seller could cause each order; None where it is the same for all."""
        if terms is None or not _depends_on_zone(terms):
            return None
        # A seller of a zone that is not known yet costs what one of no zone costs: that column is in the matrix.
        return np.ascontiguousarray(self._matrix(terms).max(axis=1)[self._zone_of(accounts)])

    def fees_of_trades(
        self, terms: Terms | None, accounts: NDArray[np.uint64], buy_row: _Column, sell_row: _Column
    ) -> _Column | None:
        """The network fee of each trade; None where it is the same for all.

        Rows that are none of the clearing get any fee: the core refuses the trade.
        """
        if terms is None or not _depends_on_zone(terms):
            return None
        if not len(accounts):
            return np.zeros(len(buy_row), np.int64)
        zones = self._zone_of(accounts)
        buyer, seller = (np.take(zones, rows, mode="clip") for rows in (buy_row, sell_row))
        return np.ascontiguousarray(self._matrix(terms)[buyer, seller])

    def _zone_of(self, accounts: NDArray[np.uint64]) -> _Column:
        """Zone of each account, -1 for none: the last row and column of the matrix."""
        members = np.append(self._members, _NO_ZONE)
        index = accounts.astype(np.int64) - _core.FIRST_MEMBER
        known = (index >= 0) & (index < len(self._members))
        return members[np.where(known, index, len(self._members))]

    def _matrix(self, terms: Terms) -> _Column:
        if self._fees[0] is not terms:
            self._fees = (terms, terms.network.matrix(self._zones))
        return self._fees[1]


def _depends_on_zone(terms: Terms) -> bool:
    network = terms.network
    return network.local != network.between or bool(network.pairs)
