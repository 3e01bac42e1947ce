"""A battery that several members own: an energy account a member, columns in, one code a row out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear import _core
from fastclear.codes import codes
from fastclear.columns import Participant, checked_name, int64, items, single, whole
from fastclear.errors import SettlementError
from fastclear.exports import Exported
from fastclear.names import NOBODY, Names
from fastclear.receipts import read_only
from fastclear.tariffs.local_time import slot_ns
from fastclear.transfer_columns import kinds, same_length, table

if TYPE_CHECKING:

    class StorageCode(IntEnum):
        """What became of a row, as :meth:`Storage.submit` says it. Of several faults the lowest is reported."""

        OK = 0
        UNKNOWN_MEMBER = 1
        UNKNOWN_COUNTERPARTY = 2
        MEMBERS_MUST_DIFFER = 3
        ENERGY_MUST_BE_POSITIVE = 4
        OVER_POWER = 5
        EMPTY = 6
        OVER_SHARE = 7
        OVER_CAPACITY = 8

        @property
        def meaning(self) -> str:
            """What it means or what to do, in one line."""

else:
    # The numbers live in Rust; a type checker needs to see the names.
    StorageCode = codes(
        "StorageCode",
        _core.storage_codes(),
        "What became of a row, as :meth:`Storage.submit` says it. Of several faults the lowest is reported.",
        __name__,
    )

_WORDS: Final = _core.STORAGE_KINDS
_ASKED: Final = {word: number for number, word in enumerate(_WORDS[:3])}
_REQUIRED: Final = ("kind", "member", "energy_wh")
_KNOWN: Final = frozenset({*_REQUIRED, "to"})


class Storage(Exported):
    """Energy accounts of the members of a battery: one of their own, a shared one, or a virtual pool of several.

    A member owns a share of the capacity. What it charges is stored less what charging loses, what it discharges takes
    what discharging loses on top, and it can hand on what it has stored. All of it is integers in Wh, metered outside
    the battery; parts of a Wh are carried in the member's account, exactly, so that many small steps come to what one
    large step does.

    Parameters
    ----------
    capacity_wh : int
        What the battery can hold, more than 0.
    shares : mapping of participant to int, or iterable of participants
        Weight of each member, 0 or more, or members with equal shares. Wh are divided by largest remainder, ties to the
        first member.
    charge_efficiency_ppm, discharge_efficiency_ppm : int, default 1,000,000
        Of a million Wh, how many are stored; and how many come out of a million Wh taken from what is stored.
    charge_limit_wh, discharge_limit_wh : int, optional
        Wh a slot that can go in and out, divided like the capacity; by default as much as there is.
    self_discharge_ppm : int, default 0
        Of a million Wh stored, how many are lost at each UTC midnight.
    virtual_capacity_wh : int, optional
        Wh that are divided into shares, ``capacity_wh`` or more: more than there is where not everybody fills its share
        at a time. Then a charge may be ``OVER_CAPACITY``.
    operator : str or int, optional
        Who owns what a reading of the battery differs from the accounts; by default the members share it.

    Raises
    ------
    SettlementError
        A figure outside its range, a name given twice, no member, or an operator that is a member.

    Notes
    -----
    Always: 0 <= stored <= share for each member; the sum of what is charged x efficiency, less what is discharged /
    efficiency, lost with time and found to differ, is what is stored, without any rounding; what is stored after a
    :meth:`reconcile` is what was read. O(rows): about 0.2 us each with names that are integers, and 48 bytes of log. No
    clock, no I/O, no money: what is paid for stored energy goes through a :class:`Settlement`.

    Examples
    --------
    >>> import fastclear as fc
    >>> battery = fc.Storage(1000, ["Ada", "Bo"], charge_efficiency_ppm=950_000)
    >>> rows = {"kind": ["charge", "transfer", "discharge"], "member": ["Ada", "Ada", "Bo"], "to": [None, "Bo", None]}
    >>> [fc.StorageCode(code).name for code in battery.submit({**rows, "energy_wh": [400, 80, 100]})]
    ['OK', 'OK', 'EMPTY']
    >>> battery.balances.select("member", "share_wh", "stored_wh").rows()
    [('Ada', 500, 300), ('Bo', 500, 80)]
    """

    _EXPORTED = "balances"

    def __init__(
        self,
        capacity_wh: int,
        shares: Mapping[Participant, int] | Iterable[Participant],
        *,
        charge_efficiency_ppm: int = 1_000_000,
        discharge_efficiency_ppm: int = 1_000_000,
        charge_limit_wh: int | None = None,
        discharge_limit_wh: int | None = None,
        self_discharge_ppm: int = 0,
        virtual_capacity_wh: int | None = None,
        operator: Participant | None = None,
    ) -> None:
        members = [checked_name(name) for name in items(shares)]
        given = list(shares.values()) if isinstance(shares, Mapping) else [1] * len(members)
        weights = np.array([whole("shares", weight) for weight in given], np.int64)
        self.operator = None if operator is None else checked_name(operator)
        named = set() if self.operator is None else {self.operator}
        for name in members:
            if name in named:
                raise SettlementError(f"participant {name!r} has two accounts of this storage; give it one")
            named.add(name)
        capacity = whole("capacity_wh", capacity_wh)
        terms = (
            capacity,
            capacity if virtual_capacity_wh is None else whole("virtual_capacity_wh", virtual_capacity_wh),
            whole("charge_efficiency_ppm", charge_efficiency_ppm),
            whole("discharge_efficiency_ppm", discharge_efficiency_ppm),
            whole("self_discharge_ppm", self_discharge_ppm),
        )
        limits = (
            None if charge_limit_wh is None else whole("charge_limit_wh", charge_limit_wh),
            None if discharge_limit_wh is None else whole("discharge_limit_wh", discharge_limit_wh),
        )
        self.capacity_wh = capacity
        self._names = Names(members)
        self._core = _core.Storage(terms, limits, weights, operator is not None)

    def __copy__(self) -> Storage:
        """Return a storage of its own in the same state, for what-if questions."""
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin._core = self._core.copy()
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> Storage:
        """Return what :func:`copy.copy` does: nothing is shared."""
        return self.__copy__()

    def __reduce__(self) -> Any:
        """Refuse to be pickled: the postings are what a storage is kept by."""
        raise SettlementError("a storage cannot be pickled; keep its postings, or copy.copy() the storage")

    def __repr__(self) -> str:
        """Say what the battery holds."""
        return f"Storage({self.energy_wh} of {self.capacity_wh} Wh, members={len(self._names)})"

    # -- steps
    # -------------------------------------------------------------------------------------------------

    def submit(self, rows: object, *, slot: int | datetime | None = None) -> NDArray[np.uint8]:
        """Charge, discharge and transfer, in row order: each row sees what the rows before it left.

        Parameters
        ----------
        rows : frame or mapping of columns
            ``kind`` (``"charge"``, ``"discharge"``, ``"transfer"``, or 0, 1, 2), ``member``, ``energy_wh`` (integers:
            Wh metered outside the battery, or stored Wh that are handed on), ``to`` (who receives a transfer; not read
            in other rows).
        slot : int or datetime, optional
            Start of the slot that the rows are in, nanoseconds since 1970 UTC or a datetime with a time zone; by
            default the slot that the storage is in. The first is needed where power is limited or energy is lost with
            time.

        Returns
        -------
        ndarray of uint8, shape (n,)
            A :class:`StorageCode` a row; what is not ``OK`` has changed nothing.

        Raises
        ------
        SettlementError
            A slot before the last one or none where it is needed, or energy that is no integer; then nothing happens.
        SchemaError
            Columns that cannot be read, are missing or of different lengths.
        """
        given = table(rows, "rows", _KNOWN, _REQUIRED)
        columns: dict[str, NDArray[Any]] = {"kind": kinds(given["kind"], _ASKED)}
        columns["member"] = self._names.places("member", given["member"])
        columns["to"] = (
            self._names.places("to", given["to"]) if "to" in given else np.full(len(columns["kind"]), NOBODY, np.uint32)
        )
        columns["energy_wh"] = int64("energy_wh", given["energy_wh"])
        same_length(columns)
        return read_only(self._core.submit(_slot(slot), *columns.values()))

    def charge(
        self,
        member: Participant | Iterable[Participant],
        energy_wh: int | Iterable[int],
        *,
        slot: int | datetime | None = None,
    ) -> NDArray[np.uint8]:
        """Put metered energy in; one member or a column, as :meth:`submit`."""
        return self._same("charge", member, energy_wh, None, slot)

    def discharge(
        self,
        member: Participant | Iterable[Participant],
        energy_wh: int | Iterable[int],
        *,
        slot: int | datetime | None = None,
    ) -> NDArray[np.uint8]:
        """Take metered energy out; one member or a column, as :meth:`submit`."""
        return self._same("discharge", member, energy_wh, None, slot)

    def transfer(
        self,
        member: Participant | Iterable[Participant],
        to: Participant | Iterable[Participant],
        energy_wh: int | Iterable[int],
        *,
        slot: int | datetime | None = None,
    ) -> NDArray[np.uint8]:
        """Hand stored energy on; one member or a column, as :meth:`submit`."""
        return self._same("transfer", member, energy_wh, to, slot)

    def _same(
        self, kind: str, member: object, energy_wh: object, to: object, slot: int | datetime | None
    ) -> NDArray[np.uint8]:
        columns = {
            name: [column] if single(column) else column
            for name, column in {"member": member, "energy_wh": energy_wh, "to": to}.items()
            if column is not None
        }
        rows = len(int64("energy_wh", columns["energy_wh"]))
        return self.submit({"kind": np.full(rows, _ASKED[kind], np.uint8), **columns}, slot=slot)

    def reconcile(self, physical_wh: int, *, slot: int | datetime | None = None) -> int:
        """Bring the accounts to what the battery was found to hold.

        With an ``operator``, its account takes the difference (below zero where less is there) and members keep what
        they have. Without one the reading overrules what is carried: parts of a Wh are dropped, and members share the
        difference to their whole Wh in proportion to these, by largest remainder, as far as their shares have room;
        where nobody who has something stored has room left, all in proportion to the room they have.

        Parameters
        ----------
        physical_wh : int
            Metered state of charge, 0 to ``capacity_wh``.
        slot : int or datetime, optional
            As in :meth:`submit`.

        Returns
        -------
        int
            Wh read beyond what the accounts said; below zero where it is less.

        Raises
        ------
        SettlementError
            A reading that cannot be, or a slot as in :meth:`submit`; then nothing happens.
        """
        return self._core.reconcile(_slot(slot), whole("physical_wh", physical_wh))

    # -- views
    # -------------------------------------------------------------------------------------------------

    @property
    def slot(self) -> int | None:
        """Start of the slot that the storage is in, nanoseconds since 1970 UTC; None before the first."""
        return self._core.slot

    @property
    def energy_wh(self) -> int:
        """What the battery holds by its accounts, the operator's with it: the exact sum, rounded down once."""
        return self._core.energy

    @property
    def balances(self) -> pl.DataFrame:
        """One row a member in the order of the shares, then the operator if there is one.

        ``member``; ``share_wh`` (null for the operator), ``stored_wh``, ``carried_nwh`` (parts of a Wh beyond it, in
        10**-9, rounded down), ``chargeable_wh``, ``dischargeable_wh`` (the most that a charge and a discharge may be
        now; null for the operator), all Int64.
        """
        columns = {name: pl.Series(name, column) for name, column in self._core.balances().items()}
        frame = pl.DataFrame([self._named("member", np.arange(len(self._names), dtype=np.uint32)), *columns.values()])
        held = self._core.operator
        if held is None:
            return frame
        own = {"member": self._named("member", np.array([NOBODY], np.uint32)), "stored_wh": [held], "carried_nwh": [0]}
        schema = dict.fromkeys(frame.columns[1:], pl.Int64)
        last = pl.DataFrame(own).with_columns(
            [pl.lit(None, dtype).alias(name) for name, dtype in schema.items() if name not in own]
        )
        return frame.vstack(last.select(frame.columns))

    @property
    def postings(self) -> pl.DataFrame:
        """Everything that happened, one row each, oldest first.

        ``seq`` (UInt64); ``slot`` (Datetime ns UTC, null where none was given); ``kind`` (charge, discharge, transfer,
        self_discharge, difference); ``member``, ``to`` (who received a transfer, else null); ``energy_wh`` (as
        submitted; lost or found in the last two kinds), ``stored_wh`` (what the member has more than before in whole
        Wh), Int64. The sum of a member's ``stored_wh``, with what it received in transfers, is what it has stored.
        """
        log = self._core.log()
        slot = pl.Series("slot", log["slot"]).cast(pl.Datetime("ns", "UTC"))
        dated = pl.Series(log["dated"])
        to = log["to"]
        return pl.DataFrame(
            [
                pl.Series("seq", np.arange(len(to), dtype=np.uint64)),
                slot.zip_with(dated, pl.Series("none", [None] * len(to), dtype=slot.dtype)),
                pl.Series("kind", _WORDS).gather(pl.Series(log["kind"]).cast(pl.UInt32)),
                self._named("member", log["member"]),
                self._names.series("to", to),
                pl.Series("energy_wh", log["energy_wh"]),
                pl.Series("stored_wh", log["stored_wh"]),
            ]
        )

    def _named(self, title: str, places: NDArray[np.uint32]) -> pl.Series:
        """Names at places, where :data:`NOBODY` is the operator."""
        if self.operator is None:
            return self._names.series(title, places)
        names = Names([*self._names.listed, self.operator])
        return names.series(title, np.where(places == NOBODY, len(self._names), places).astype(np.uint32))


def _slot(slot: int | datetime | None) -> int | None:
    return None if slot is None else slot_ns(slot)
