"""Certificates of origin: whole Wh of a device and slot, issued, handed on, claimed once, expired or taken back."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear import _core
from fastclear.codes import codes
from fastclear.columns import int64, single, whole
from fastclear.errors import SettlementError
from fastclear.exports import Exported
from fastclear.names import Names
from fastclear.receipts import read_only
from fastclear.tariffs.local_time import slot_column, slot_ns
from fastclear.transfer_columns import same_length, table, unsigned

if TYPE_CHECKING:

    class CertificateCode(IntEnum):
        """What became of a row of :class:`Certificates`.

        The first four say what a reading came to; of several faults, which are the others, the lowest is reported.
        """

        OK = 0
        UNCHANGED = 1
        REVOKED = 2
        OWED = 3
        UNKNOWN_DEVICE = 4
        UNKNOWN_HOLDER = 5
        UNKNOWN_CERTIFICATE = 6
        ENERGY_OUT_OF_RANGE = 7
        ALREADY_CANCELLED = 8
        EXPIRED = 9
        ALREADY_REVOKED = 10
        NOT_OWNER = 11
        OWNERS_MUST_DIFFER = 12
        EXCEEDS_CERTIFICATE = 13
        EXCEEDS_OWED = 14
        SOURCE_DIFFERS = 15
        TERM_IS_OVER = 16

        @property
        def meaning(self) -> str:
            """What it means or what to do, in one line."""

else:
    # The numbers live in Rust; a type checker needs to see the names.
    CertificateCode = codes(
        "CertificateCode",
        _core.certificate_codes(),
        """What became of a row of :class:`Certificates`.

        The first four say what a reading came to; of several faults, which are the others, the lowest is reported.
        """,
        __name__,
    )

_STATES: Final = _core.CERTIFICATE_STATES
_EVENTS: Final = _core.CERTIFICATE_EVENTS
_NO_ID: Final = 2**64 - 1
_NO_SLOT: Final = -(2**63)
_TIME: Final = pl.Datetime("ns", "UTC")
_READING: Final = frozenset({"device", "slot", "generated_wh", "owner", "source", "attributes"})


class Certificates(Exported):
    """A register of certificates of origin.

    A certificate says that a device generated so many whole Wh in a slot. It has one holder, can be handed on whole or
    in part, and is cancelled once, which is the claim to have used that energy. For each device and slot no more is
    active, cancelled and expired than its latest reading says; what had been cancelled before a lower reading came is
    owed, and can be made up for.

    Parameters
    ----------
    term : timedelta or int, optional
        How long after the start of its slot a certificate expires, more than 0 (an integer: nanoseconds); by default
        never.

    Raises
    ------
    SettlementError
        A term of 0 or less.

    Notes
    -----
    Certificates have ids that count up from 0 in the order in which they come about; what is handed on, cancelled or
    taken back in part is split off under a new id, and ``parent`` names the old one. A row costs about 1 us, a
    certificate about 250 bytes, expiry and matching O(log certificates) each. No clock and no I/O: time moves by
    :meth:`advance`. Whole Wh, rounded down, and slots of an hour or less follow the granular certificates of EnergyTag.

    Examples
    --------
    >>> import fastclear as fc
    >>> register = fc.Certificates()
    >>> reading = {"device": ["roof"], "slot": 0, "generated_wh": [700], "owner": "Ada", "source": "solar"}
    >>> issued = register.issue(reading)
    >>> register.transfer({"id": issued["id"], "to": ["Bo"], "energy_wh": [300]})["id"].to_list()
    [1]
    >>> register.match({"holder": ["Bo", "Ada"], "slot": 0, "consumed_wh": [250, 900]})
    array([250, 400])
    >>> register.totals.select("metered_wh", "active_wh", "cancelled_wh").rows()
    [(700, 50, 650)]
    """

    _EXPORTED = "certificates"

    def __init__(self, term: timedelta | int | None = None) -> None:
        if isinstance(term, timedelta):
            term = term // timedelta(microseconds=1) * 1000
        self._core = _core.Certificates(None if term is None else whole("term", term))
        self._devices, self._holders, self._sources, self._attributes = Names(), Names(), Names(), Names()

    def __len__(self) -> int:
        """Return the number of certificates, of any state."""
        return len(self._core)

    def __copy__(self) -> Certificates:
        """Return a register of its own in the same state, for what-if questions."""
        twin = object.__new__(type(self))
        twin._core = self._core.copy()
        for name in ("_devices", "_holders", "_sources", "_attributes"):
            setattr(twin, name, getattr(self, name).copy())
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> Certificates:
        """Return what :func:`copy.copy` does: nothing is shared."""
        return self.__copy__()

    def __reduce__(self) -> Any:
        """Refuse to be pickled: the rows that were submitted are what a register is kept by."""
        raise SettlementError("a register cannot be pickled; keep the rows, or copy.copy() the register")

    def __repr__(self) -> str:
        """Say how many certificates there are."""
        return f"Certificates({len(self)}, devices={len(self._devices)})"

    # -- issue
    # -------------------------------------------------------------------------------------------------

    def issue(self, readings: object, *, per_wh: int = 1) -> pl.DataFrame:
        """Take readings of generation: issue what they say beyond earlier ones, or take back what is beyond them.

        The reading of a device and slot is a total: the same one again issues nothing, a higher one the difference. A
        lower one takes back what is beyond it, the latest certificates first, active or expired, whoever holds them.
        What is cancelled stays, and is owed.

        Parameters
        ----------
        readings : frame or mapping of columns
            ``device`` (text or integers), ``slot`` (its start, as elsewhere), ``generated_wh`` (integers, 0 or more);
            optional ``owner`` (who gets the certificates; by default a holder of the device's name), ``source`` (one a
            device and slot) and ``attributes`` (text that goes with the certificates). In a mapping all but device and
            ``generated_wh`` may be one value for all rows.
        per_wh : int, default 1
            How many of the units of ``generated_wh`` are a Wh, for example 1000 for mWh; what is no whole Wh issues
            nothing.

        Returns
        -------
        DataFrame
            One row a reading: ``code`` (UInt8, a :class:`CertificateCode`), ``id`` (UInt64, what was issued, else
            null), ``issued_wh`` (Int64; below 0: taken back).

        Raises
        ------
        SettlementError
            Slots or energy that cannot be read, or ``per_wh`` below 1; then nothing happens.
        SchemaError
            Columns that are missing, of different lengths or of another type.
        """
        if whole("per_wh", per_wh) < 1:
            raise SettlementError(f"per_wh = {per_wh}; give how many units are a Wh, 1 or more")
        given = table(readings, "readings", _READING, ("device", "slot", "generated_wh"))
        generated = int64("generated_wh", given["generated_wh"]) // per_wh
        rows = len(generated)
        owner = given.get("owner", given["device"])
        columns: dict[str, NDArray[Any]] = {
            "device": self._devices.places("device", _spread(given["device"], rows), add=True),
            "slot": _slots(given["slot"], rows),
            "generated_wh": generated,
            "owner": self._holders.places("owner", _spread(owner, rows), add=True),
            "source": self._sources.places("source", _spread(given.get("source"), rows), add=True),
            "attributes": self._attributes.places("attributes", _spread(given.get("attributes"), rows), add=True),
        }
        same_length(columns)
        code, ids, issued = self._core.read(*columns.values())
        return _outcomes(code, ids).with_columns(pl.Series("issued_wh", read_only(issued)))

    # -- what becomes of them
    # -------------------------------------------------------------------------------------------------

    def transfer(self, rows: object) -> pl.DataFrame:
        """Hand certificates on, whole or in part.

        Parameters
        ----------
        rows : frame or mapping of columns
            ``id``, ``to`` (the new holder); optional ``energy_wh`` (by default all of it) and ``owner`` (whose it has
            to be). ``to`` and ``owner`` may be one value for all rows of a mapping.

        Returns
        -------
        DataFrame
            One row each: ``code`` (UInt8, a :class:`CertificateCode`), ``id`` (UInt64, what the new holder has: another
            id where it was split; null where the row has a fault, which changes nothing).

        Raises
        ------
        SettlementError, SchemaError
            Columns that are missing, of different lengths or of another type; then nothing happens.
        """
        return self._step("transfer", rows, "to", self._holders)

    def cancel(self, rows: object) -> pl.DataFrame:
        """Claim certificates, once and for all.

        Parameters
        ----------
        rows : frame or mapping of columns
            ``id``; optional ``energy_wh`` (by default all of it), ``owner`` (whose it has to be), ``beneficiary`` (who
            claims it; by default its owner) and ``slot`` (in which what it is claimed for was consumed; by default its
            own). All but ``id`` and ``energy_wh`` may be one value for all rows of a mapping.

        Returns
        -------
        DataFrame
            As :meth:`transfer`; ``id`` is what was cancelled.

        Raises
        ------
        SettlementError, SchemaError
            As :meth:`transfer`.
        """
        return self._step("cancel", rows, "beneficiary", self._holders)

    def compensate(self, rows: object) -> pl.DataFrame:
        """Cancel certificates to make up for what a device owes: more was cancelled than it turned out to generate.

        Parameters
        ----------
        rows : frame or mapping of columns
            ``id``, ``device`` and ``slot`` that owe (see :attr:`owed`); optional ``energy_wh`` (by default all of the
            certificate) and ``owner`` (whose it has to be). All but ``id`` and ``energy_wh`` may be one value for all
            rows of a mapping.

        Returns
        -------
        DataFrame
            As :meth:`cancel`.

        Raises
        ------
        SettlementError, SchemaError
            As :meth:`transfer`.
        """
        return self._step("compensate", rows, "device", self._devices)

    def _step(self, kind: str, given: object, title: str, names: Names) -> pl.DataFrame:
        known = {"id", "energy_wh", "owner", title} | (set() if kind == "transfer" else {"slot"})
        required = {"transfer": ("id", "to"), "cancel": ("id",), "compensate": ("id", "device", "slot")}[kind]
        given = table(given, "rows", frozenset(known), required)
        columns: dict[str, NDArray[Any]] = {"id": unsigned("id", given["id"])}
        rows = len(columns["id"])
        columns[title] = names.places(title, _spread(given.get(title), rows), add=names is self._holders)
        if "energy_wh" in given:
            columns["energy_wh"] = int64("energy_wh", given["energy_wh"])
        if "owner" in given:
            columns["owner"] = self._holders.places("owner", _spread(given["owner"], rows))
        if "slot" in given:
            columns["slot"] = _slots(given["slot"], rows)
        same_length(columns)
        get = columns.get
        code, ids, _ = self._core.step(kind, columns["id"], get("energy_wh"), get("owner"), columns[title], get("slot"))
        return _outcomes(code, ids)

    def match(self, consumption: object) -> NDArray[np.int64]:
        """Claim what holders have of a slot against what they consumed in that slot.

        Certificates with the lowest ids first; the last one is split. What a holder has claimed for a slot before, as
        beneficiary of :meth:`cancel` too, counts: the same consumption again cancels nothing more.

        Parameters
        ----------
        consumption : frame or mapping of columns
            ``holder``, ``slot`` (in a mapping one value for all rows will do), ``consumed_wh`` (integers; 0 or less is
            no consumption, so that net readings can be given as they are).

        Returns
        -------
        ndarray of int64, shape (n,)
            Wh of the consumption that are matched now, by what was claimed before too.

        Raises
        ------
        SettlementError, SchemaError
            Columns that are missing, of different lengths or of another type; then nothing happens.
        """
        known = ("holder", "slot", "consumed_wh")
        given = table(consumption, "consumption", frozenset(known), known)
        consumed = int64("consumed_wh", given["consumed_wh"])
        columns: dict[str, NDArray[Any]] = {
            "holder": self._holders.places("holder", _spread(given["holder"], len(consumed))),
            "slot": _slots(given["slot"], len(consumed)),
            "consumed_wh": consumed,
        }
        same_length(columns)
        return read_only(self._core.match_slots(*columns.values()))

    def advance(self, time: int | datetime) -> int:
        """Move engine time forward, and say how many Wh have expired: those whose slot began a term ago.

        Raises
        ------
        SettlementError
            A time before that of the last call, or a datetime without a time zone.
        """
        return self._core.advance(slot_ns(time))

    # -- views
    # -------------------------------------------------------------------------------------------------

    @property
    def time(self) -> int | None:
        """Engine time, nanoseconds since 1970 UTC; None before it was first set."""
        return self._core.time

    @property
    def certificates(self) -> pl.DataFrame:
        """Every certificate, by id.

        ``id`` (UInt64), ``device``, ``slot`` (Datetime ns UTC), ``energy_wh`` (Int64), ``source``, ``attributes``,
        ``owner``, ``state`` (active, cancelled, expired, revoked), ``parent`` (UInt64: what it was split off),
        ``beneficiary``, ``used_for`` (Datetime ns UTC: when what it was claimed for was consumed, or the slot it makes
        up for), ``compensates`` (the device it makes up for); null where there is none.
        """
        columns = self._core.all()
        ids = pl.Series("id", np.arange(len(self), dtype=np.uint64))
        return pl.DataFrame(
            [
                ids,
                self._devices.series("device", columns["device"]),
                _times("slot", columns["slot"]),
                pl.Series("energy_wh", columns["energy_wh"]),
                self._sources.series("source", columns["source"]),
                self._attributes.series("attributes", columns["attributes"]),
                self._holders.series("owner", columns["owner"]),
                pl.Series("state", _STATES).gather(pl.Series(columns["state"]).cast(pl.UInt32)),
                _ids("parent", columns["parent"]),
                self._holders.series("beneficiary", columns["beneficiary"]),
                _times("used_for", columns["used_for"]),
                self._devices.series("compensates", columns["compensates"]),
            ]
        )

    @property
    def postings(self) -> pl.DataFrame:
        """Everything that happened, one row each, oldest first.

        ``seq`` (UInt64); ``time`` (Datetime ns UTC, null before engine time was set); ``kind`` (issue, transfer,
        cancel, compensate, expire, revoke); ``id`` (UInt64), ``energy_wh`` (Int64, all of that certificate then),
        ``from`` (whose it was), ``to`` (who has it, or claims it); null where there is nobody.
        """
        columns = self._core.events()
        return pl.DataFrame(
            [
                pl.Series("seq", np.arange(len(columns["id"]), dtype=np.uint64)),
                _times("time", columns["time"]),
                pl.Series("kind", _EVENTS).gather(pl.Series(columns["kind"]).cast(pl.UInt32)),
                pl.Series("id", columns["id"]),
                pl.Series("energy_wh", columns["energy_wh"]),
                self._holders.series("from", columns["from"]),
                self._holders.series("to", columns["to"]),
            ]
        )

    @property
    def holdings(self) -> pl.DataFrame:
        """What is active: ``owner``, ``slot`` (Datetime ns UTC), ``source``, ``energy_wh``, by the first id."""
        active = self.certificates.filter(state="active")
        return active.group_by("owner", "slot", "source", maintain_order=True).agg(pl.col("energy_wh").sum())

    @property
    def totals(self) -> pl.DataFrame:
        """One row a device and slot, in the order in which devices came, then of slots.

        ``device``, ``slot`` (Datetime ns UTC); ``metered_wh`` (the latest reading); ``active_wh``, ``cancelled_wh``,
        ``expired_wh``, whose sum is what was issued and stands; ``revoked_wh``; ``compensated_wh`` (cancelled of others
        to make up for it) and ``owed_wh``; all Int64. Issued is at most metered + compensated + owed.
        """
        device, slot, metered, compensated, owed = self._core.lots()
        columns = self._core.all()
        of_lot = pl.DataFrame({name: columns[name] for name in ("device", "slot", "state", "energy_wh")})
        sums = of_lot.group_by("device", "slot").agg(
            [
                pl.col("energy_wh").filter(pl.col("state") == number).sum().alias(f"{word}_wh")
                for number, word in enumerate(_STATES)
            ]
        )
        lots = pl.DataFrame(
            {"device": device, "slot": slot, "metered_wh": metered, "compensated_wh": compensated, "owed_wh": owed}
        )
        frame = lots.join(sums, on=["device", "slot"], how="left", maintain_order="left").with_columns(
            pl.col([f"{word}_wh" for word in _STATES]).fill_null(0)
        )
        return frame.select(
            self._devices.series("device", device),
            _times("slot", slot),
            "metered_wh",
            *[f"{word}_wh" for word in _STATES],
            "compensated_wh",
            "owed_wh",
        )

    @property
    def owed(self) -> pl.DataFrame:
        """Devices and slots of which more was cancelled than generated: ``device``, ``slot``, ``owed_wh``."""
        return self.totals.filter(pl.col("owed_wh") > 0).select("device", "slot", "owed_wh")


def _spread(column: object, rows: int) -> object:
    """One value for all rows as a column."""
    return [column] * rows if single(column) else column


def _slots(column: object, rows: int) -> NDArray[np.int64]:
    if isinstance(column, datetime) or single(column):
        return np.full(rows, slot_ns(column), np.int64)
    return slot_column(column)


def _times(title: str, column: NDArray[np.int64]) -> pl.Series:
    times = pl.Series(title, column)
    return times.set(times == _NO_SLOT, None).cast(_TIME)


def _ids(title: str, column: NDArray[np.uint64]) -> pl.Series:
    ids = pl.Series(title, column)
    return ids.set(ids == _NO_ID, None)


def _outcomes(code: NDArray[np.uint8], ids: NDArray[np.uint64]) -> pl.DataFrame:
    return pl.DataFrame([pl.Series("code", read_only(code)), _ids("id", ids)])
