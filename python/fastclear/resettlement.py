"""Slots that a bank has settled: later readings, versions, the date before which nothing changes any more."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear import _core
from fastclear.clearing_columns import meter_columns, meter_frame
from fastclear.columns import INT64_MAX, Participant, int64, whole
from fastclear.errors import SettlementError
from fastclear.netting import money
from fastclear.receipts import Receipts
from fastclear.tariffs.local_time import slot_ns

if TYPE_CHECKING:
    from fastclear.settlement import Settlement

Slot = int | datetime | Receipts
"""A slot that was settled: its start, or receipts that hold its settlement."""

_U64 = NDArray[np.uint64]
_I64 = NDArray[np.int64]


class SettledSlots:
    """Which slots a bank has settled, counted from 0: their starts, and the versions of their readings."""

    def __init__(self) -> None:
        self._starts: list[int | None] = []
        self._at: dict[int, tuple[int, ...]] = {}
        self._reading: dict[tuple[int, int], int] = {}  # (slot, account) -> version of the reading that holds
        self.frozen_before: int | None = None
        self.origin = object()  # a bank and its copies have the same

    def copy(self) -> SettledSlots:
        """The same slots, going on by themselves."""
        twin = SettledSlots()
        twin._starts, twin._at, twin._reading = self._starts.copy(), self._at.copy(), self._reading.copy()
        twin.origin, twin.frozen_before = self.origin, self.frozen_before
        return twin

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._starts)

    def start(self, slot: int) -> int | None:
        """Start of a slot, ns since 1970 UTC; None where it was settled without one."""
        return self._starts[slot]

    def check_open(self, start: int | None) -> None:
        """Refuse a slot of a period that is closed.

        Raises
        ------
        SettlementError
            It begins before the freeze date.
        """
        if start is not None and self.frozen_before is not None and start < self.frozen_before:
            raise SettlementError(
                f"slot {_shown(start)} lies before {_shown(self.frozen_before)}, up to where all is final; "
                "what changes it now must be agreed on outside of the accounts"
            )

    def add(self, start: int | None, accounts: _U64, versions: _I64 | None) -> None:
        """Note that a slot has been settled."""
        slot = len(self._starts)
        self._starts.append(start)
        if start is not None:
            self._at[start] = (*self._at.get(start, ()), slot)
        self.note(slot, accounts, versions)

    def note(self, slot: int, accounts: _U64, versions: _I64 | None) -> None:
        """Note the versions of readings that hold now."""
        if versions is not None:
            self._reading.update(((slot, a), v) for a, v in zip(accounts.tolist(), versions.tolist(), strict=True))

    def take_back(self, slot: int) -> None:
        """A slot is no more found by its start."""
        start = self._starts[slot]
        if start is not None:
            self._at[start] = tuple(other for other in self._at[start] if other != slot)
        self.forget([slot])

    def forget(self, slots: list[int]) -> None:
        """Forget versions of readings that are final."""
        final = set(slots)
        self._reading = {key: version for key, version in self._reading.items() if key[0] not in final}

    def newer(self, slot: int, accounts: _U64, versions: _I64) -> NDArray[np.bool_]:
        """Readings whose version is not below the one that holds."""
        held = [self._reading.get((slot, account)) for account in accounts.tolist()]
        return np.array([old is None or new >= old for old, new in zip(held, versions.tolist(), strict=True)], bool)

    def version(self, slot: int, account: int) -> int | None:
        """Version of the reading that holds, None where none was named."""
        return self._reading.get((slot, account))

    def find(self, core: _core.Bank, slot: object) -> int:
        """Number of a slot.

        Raises
        ------
        SettlementError
            It was not settled, or more than once.
        """
        if isinstance(slot, Receipts):
            if slot.bank._slots.origin is not self.origin:
                raise SettlementError("these receipts are another bank's; give those of this one, or the slot's start")
            seq = slot.columns["seq"]
            found = core.slots_between(int(seq[0]), int(seq[-1]) + 1) if len(seq) else []
            if slot.slot_number is not None:  # a slot in which nothing happened has no posting
                found = [slot.slot_number]
            what = "these receipts"
        else:
            start = slot_ns(slot)
            found, what = list(self._at.get(start, ())), f"slot {_shown(start)}"
        if len(found) == 1:
            return found[0]
        if found:
            raise SettlementError(f"{what}: settled {len(found)} times; give the receipts of one of them")
        raise SettlementError(f"{what}: no slot was settled there; give the slot= of a settle(), or what it returned")

    def before(self, core: _core.Bank, time: int) -> list[int]:
        """Slots that began before a time; those without a start go by the engine time at which they were settled."""
        settled = core.slots()
        starts = (row[2] if start is None else start for start, row in zip(self._starts, settled, strict=True))
        return [slot for slot, start in enumerate(starts) if start < time and not settled[slot][4]]


class Resettlement:
    """A bank's part that changes slots after they were settled; :class:`fastclear.Settlement` is the whole."""

    _bank: _core.Bank
    _slots: SettledSlots

    def resettle(self, slot: Slot, meter: object) -> Receipts:
        """Settle a slot anew under later readings, by what they change.

        The trades stand and the imbalance moves: every line after delivery is worked out under the readings that hold
        and under those that come, by the tariff and the policy of the slot, and the difference is posted as
        ``correction`` lines. Each has the Wh and the money by which its line changes, and belongs (``group``) to the
        line that it corrects where there is one, else to the reading. The first version and all corrections sum to what
        the last readings would have come to at once, member by member and line by line. Like all metering, this may
        take a member below zero.

        Parameters
        ----------
        slot : int, datetime or Receipts
            Start of the slot as it was given to :meth:`settle`, or receipts that hold its settlement.
        meter : frame or mapping of columns
            ``participant`` and ``energy_wh`` as in :meth:`settle`; members without a row keep their reading, or go on
            having none. A column ``version`` (integers) guards against what comes out of order: a row is passed over if
            a higher version of the reading is known, and the same version with another value is refused.

        Returns
        -------
        Receipts
            Every posting since the last receipts. The same readings again post nothing.

        Raises
        ------
        SettlementError
            A slot that was not settled or is final (:meth:`freeze`), a stranger, two readings of one member, a reading
            that is no integer, or money to be moved on an account that is closed; then nothing has happened.

        Notes
        -----
        Costs about as much as settling the readings of the slot three times.

        Examples
        --------
        >>> import fastclear as fc
        >>> bank = fc.Settlement(tariff=fc.Tariff(30, 5))
        >>> bank.open(["Ada", "Bo"])
        >>> estimated = bank.settle([], {"participant": ["Ada", "Bo"], "energy_wh": [10, -4]})
        >>> measured = bank.resettle(estimated, {"participant": ["Ada"], "energy_wh": [12]})
        >>> measured.frame.select("kind", "line", "payer", "payee", "quantity", "amount", "group").rows()
        [('meter', 'revised', 'Ada', None, 12, 0, 9), ('correction', 'residual', 'Ada', 'backstop', 2, 60, 10)]
        >>> len(bank.resettle(estimated, {"participant": ["Ada"], "energy_wh": [12]}))
        0
        """
        number = self._slots.find(self._bank, slot)
        self._check_open(number)
        if meter is None:
            raise SettlementError("there are no readings; give a frame with participant and energy_wh")
        frame = meter_frame(meter)
        accounts, energy = meter_columns(frame, self._self._members)
        versions = reading_versions(frame)
        if versions is not None:
            newer = self._slots.newer(number, accounts, versions)
            accounts, energy, versions = accounts[newer], energy[newer], versions[newer]
            self._check_same(number, accounts, energy, versions)
        self._bank.resettle(number, accounts, energy)
        self._slots.note(number, accounts, versions)
        return self._self._hand_out(slot_number=number)

    def reverse(self, slot: Slot) -> Receipts:
        """Take a provisional slot back: balances and reservations are what they would be without it.

        Every line is posted once more the other way round (``correction``, ``reversed``, its ``group`` the line that it
        takes back), and the reservations of its orders are made again. Clearings and orders may be settled again. Who
        has spent since what it had back by the settlement may be left below zero, and is restricted then.

        Parameters
        ----------
        slot : int, datetime or Receipts
            As in :meth:`resettle`.

        Returns
        -------
        Receipts
            Every posting since the last receipts.

        Raises
        ------
        SettlementError
            A slot that was not settled, is confirmed, was taken back already or lies before the freeze date, or one
            that moved money on an account that is closed by now; then nothing has happened.

        Examples
        --------
        >>> import fastclear as fc
        >>> bank = fc.Settlement(tariff=fc.Tariff(30, 5), confirm_after=60 * 10**9)
        >>> bank.open(["Ada", "Bo"], limit=100)
        >>> earned = bank.settle([], {"participant": ["Ada", "Bo"], "energy_wh": [2, -10]})
        >>> bank.unconfirmed("Bo"), bank.available("Bo")  # 50 were earned, and cannot be used yet
        (50, 100)
        >>> _ = bank.reverse(earned)
        >>> bank.balances["posted"].to_list()[-2:] == [0, 0]
        True
        """
        number = self._slots.find(self._bank, slot)
        self._check_open(number)
        self._bank.reverse(number)
        self._slots.take_back(number)
        self._self._settled.forget(number)
        return self._self._hand_out(slot_number=number, reverses=True)

    def unconfirmed(self, participant: Participant) -> int:
        """Nano-currency that a member earned, slot by slot, in slots that may still be taken back.

        It is set aside: no bid and no withdrawal can use it, and it makes up for nothing that the member lacks.

        Raises
        ------
        SettlementError
            A stranger.
        """
        return self._bank.earnings(self._self.account(participant))[0]

    def confirmed_income(self, participant: Participant) -> int:
        """Nano-currency that a member has earned, slot by slot, in slots that were provisional and are confirmed now.

        What :func:`fastclear.credit_limit` may go by: differences of it over a time are the income of that time.

        Raises
        ------
        SettlementError
            A stranger, or a bank whose slots are final at once: there all income is confirmed.
        """
        if not self._self.confirm_after:
            raise SettlementError(
                "every slot of this bank is final at once; read income off bills, or use confirm_after="
            )
        return self._bank.earnings(self._self.account(participant))[1]

    @property
    def slots(self) -> pl.DataFrame:
        """One row a slot, in the order of settling.

        ``slot`` (UInt32, counted from 0), ``start`` (UTC; null where none was given), ``settled`` (engine time, UTC),
        ``first_seq``, ``end_seq`` (UInt64: postings of its first version, the end excluded), ``versions`` (UInt32),
        ``standing`` (``provisional``, ``confirmed``, ``reversed``), ``frozen``.
        """
        rows = self._bank.slots()
        columns: list[Any] = list(zip(*rows, strict=True)) if rows else [[] for _ in range(6)]
        first, end, settled, versions, frozen, standing = columns
        utc = pl.Datetime("ns", "UTC")
        return pl.DataFrame(
            [
                pl.Series("slot", range(len(rows)), dtype=pl.UInt32),
                pl.Series("start", [self._slots.start(slot) for slot in range(len(rows))], dtype=pl.Int64).cast(utc),
                pl.Series("settled", settled, dtype=pl.Int64).cast(utc),
                pl.Series("first_seq", first, dtype=pl.UInt64),
                pl.Series("end_seq", end, dtype=pl.UInt64),
                pl.Series("versions", versions, dtype=pl.UInt32),
                pl.Series("standing", standing, dtype=pl.String),
                pl.Series("frozen", frozen, dtype=pl.Boolean),
            ]
        )

    def freeze(self, before: int | datetime) -> int:
        """Make everything final that was delivered before a time: no later readings, no settlement.

        What only later readings would have needed is forgotten.

        Parameters
        ----------
        before : int or datetime
            Nanoseconds since 1970 UTC, or a datetime with a time zone. Slots that were settled without ``slot=`` go by
            the engine time at which that was done.

        Returns
        -------
        int
            How many slots have become final.

        Raises
        ------
        SettlementError
            No time, or one before an earlier freeze: what is final stays so. Nothing changes then.
        """
        time = slot_ns(before)
        if self._slots.frozen_before is not None and time < self._slots.frozen_before:
            raise SettlementError(f"all before {_shown(self._slots.frozen_before)} is final already; give a later time")
        slots = self._slots.before(self._bank, time)
        self._bank.freeze(slots)
        self._slots.forget(slots)
        self._slots.frozen_before = time
        return len(slots)

    def versions(self, slot: Slot) -> pl.DataFrame:
        """Every settlement of a slot, the first one first.

        Returns
        -------
        DataFrame
            ``version`` (UInt32, from 0), ``time`` (engine time, UTC), ``first_seq`` and ``end_seq`` (UInt64: its
            postings, the end excluded), ``readings`` (UInt32: how many it brought or changed), ``moved``
            (nano-currency, Decimal(38, 0): what its lines after delivery move in all).

        Raises
        ------
        SettlementError
            A slot that was not settled.
        """
        return self._versions(self._slots.find(self._bank, slot))

    def _slot_time(self, number: int) -> int:
        """Start of a slot, or the engine time at which it was settled where none was given."""
        start = self._slots.start(number)
        return self._bank.versions(number)[0][0] if start is None else start

    def _versions(self, number: int) -> pl.DataFrame:
        rows = self._bank.versions(number)
        time, first, end, readings, moved = (list(column) for column in zip(*rows, strict=True))
        return pl.DataFrame(
            [
                pl.Series("version", range(len(rows)), dtype=pl.UInt32),
                pl.Series("time", time, dtype=pl.Int64).cast(pl.Datetime("ns", "UTC")),
                pl.Series("first_seq", first, dtype=pl.UInt64),
                pl.Series("end_seq", end, dtype=pl.UInt64),
                pl.Series("readings", readings, dtype=pl.UInt32),
                money("moved", moved),
            ]
        )

    def _check_open(self, number: int) -> None:
        self._slots.check_open(self._slots.start(number))
        if self._bank.frozen(number):
            raise SettlementError("the slot was settled before the freeze date; its readings are final")

    def _check_same(self, number: int, accounts: _U64, energy: _I64, versions: _I64) -> None:
        """A version of a reading has one value."""
        held = self._bank.readings(number)
        for account, value, version in zip(accounts.tolist(), energy.tolist(), versions.tolist(), strict=True):
            if self._slots.version(number, account) == version and held.get(account) != value:
                name = self._self.names([account])[0]
                raise SettlementError(
                    f"participant {name!r}: version {version} of the reading was {held.get(account)} Wh and is {value} "
                    "Wh now; give a later version to a reading that changes"
                )

    @property
    def _self(self) -> Settlement:
        return cast("Settlement", self)


def delay(value: object, profile: str) -> int:
    """Nanoseconds for which slots are provisional.

    Raises
    ------
    SettlementError
        What is none, or a profile whose slots cannot be provisional.
    """
    ns = value // timedelta(microseconds=1) * 1000 if isinstance(value, timedelta) else whole("confirm_after", value)
    if not 0 <= ns <= INT64_MAX:
        raise SettlementError(f"confirm_after = {value}; give nanoseconds or a timedelta, 0 or more")
    if ns and profile != "prepaid":
        raise SettlementError(f"confirm_after: slots of profile {profile!r} are final at once; use 'prepaid', or 0")
    return ns


def reading_versions(meter: Mapping[str, Any] | None) -> _I64 | None:
    """The column ``version`` of readings, None where there is none.

    Raises
    ------
    SettlementError
        A column that is no integers, or of another length.
    """
    if meter is None or "version" not in meter:
        return None
    versions = int64("version", meter["version"])
    if len(versions) != len(meter["energy_wh"]):
        raise SettlementError(f"column 'version' has {len(versions)} rows, energy_wh {len(meter['energy_wh'])}")
    return versions


def _shown(ns: int) -> str:
    seconds, rest = divmod(ns, 10**9)
    text = np.datetime64(seconds, "s").item()
    return f"{text:%Y-%m-%d %H:%M:%S}{f'.{rest:09d}' if rest else ''} UTC" if isinstance(text, datetime) else f"{ns} ns"
