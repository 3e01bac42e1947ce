"""Retail prepayment as data: emergency credit, standing charges, recovery of what is owed, times without a cut-off."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, model_validator

from fastclear.errors import SettlementError
from fastclear.tariffs.calendar import Calendar
from fastclear.tariffs.files import to_toml
from fastclear.tariffs.local_time import local_of, time_zone
from fastclear.tariffs.model import PPM, Day, Frozen, Nano, Ppm, Window, as_tuple, parse

_QUARTER_S: Final = 900
"""Clocks differ from UTC by whole quarters of an hour."""


class PrepaymentModel(Frozen):
    """A whole policy; :class:`fastclear.Prepayment` is its door."""

    emergency: Nano = 0
    offered_at: Nano = 0
    automatic: bool = True
    standing_per_day: Nano = 0
    standing_in_emergency: Literal["put_off", "taken"] = "put_off"
    instalment_per_day: Nano = 0
    recovery_cap_percent: Ppm = PPM
    recovery_cap: Nano | None = None
    time_zone: str = "UTC"
    holidays: Annotated[tuple[Day, ...], BeforeValidator(as_tuple)] = ()
    protected: dict[str, Window] = Field(default_factory=dict)
    requires_credit_before_window: bool = False

    @model_validator(mode="after")
    def _zone_is_known(self) -> PrepaymentModel:
        time_zone(self.time_zone)
        return self


class Prepayment:
    """Retail prepayment: energy is paid from credit, then from emergency credit; then the supply is off, not always.

    A profile of a bank, as data. A member's balance is its credit. Below zero it uses emergency credit, which the next
    top-up repays first. Each local day costs a standing charge: it is taken from credit, and what credit does not cover
    is put off and recovered from later top-ups. Where even emergency credit is used up the supply is off, except within
    protected windows of the local clock. Suppliers in Great Britain publish such rules, with other figures.

    Parameters
    ----------
    emergency : str, int or Decimal, default 0
        Emergency credit, in units of currency ("6.00").
    offered_at : str, int or Decimal, default 0
        Emergency credit is offered where credit is no more than this.
    automatic : bool, default True
        Whether emergency credit begins by itself; otherwise :meth:`fastclear.Settlement.use_emergency` begins it.
    standing_per_day : str, int or Decimal, default 0
        Standing charge for each local day, tax included.
    standing_in_emergency : {"put_off", "taken"}
        What becomes of the part of it that credit does not cover: it waits as a debt, or it is taken all the same.
    instalment_per_day : str, int or Decimal, default 0
        Taken from credit each local day for what was put off, as far as there is both.
    recovery_cap_percent : str, int or Decimal, default 100
        Share of a top-up that may go to what was put off.
    recovery_cap : str, int or Decimal, optional
        The most of a top-up that may.
    time_zone : str, default "UTC"
        IANA name of the clock.
    protected : mapping
        Windows in which nobody is cut off, as in a :class:`fastclear.TariffPlan`: ``days``, ``months``, ``hours``.
    holidays : list of dates
        For windows with ``days = ["holiday"]``.
    requires_credit_before_window : bool, default False
        Only who had credit when the window began is protected.

    Raises
    ------
    SettlementError
        A field that is unknown or cannot be, with its place and what to do.

    Examples
    --------
    >>> import fastclear as fc
    >>> policy = fc.Prepayment(emergency="6.00", offered_at="0.50", standing_per_day="0.50")
    >>> bank = fc.Settlement(profile=policy, tariff=fc.Tariff(300_000, 0))
    >>> bank.open("Ada")
    >>> bank.deposit("Ada", 1_200_000_000)
    >>> _ = bank.settle([], {"participant": ["Ada"], "energy_wh": [10_000]})
    >>> bank.supply.frame.select("credit", "emergency_used", "supply").row(0)
    (Decimal('0'), Decimal('1800000000'), 'emergency')
    """

    stands_on: ClassVar[str] = "prepaid"

    def __init__(self, **fields: object) -> None:
        self._read(fields, "prepayment")

    def _read(self, fields: object, where: str) -> None:
        self.model = model = parse(fields, where, PrepaymentModel)
        self._calendar = Calendar(model.time_zone, model.protected, model.holidays)
        self._zone = time_zone(model.time_zone)
        self._safe: NDArray[np.bool_] = np.asarray(self._calendar.masks.any(axis=1))
        hours = (second for window in model.protected.values() for pair in window.seconds() for second in pair)
        self._step_ns = math.gcd(_QUARTER_S, *hours) * 10**9

    @classmethod
    def from_dict(cls, fields: Mapping[str, object], *, where: str = "prepayment") -> Prepayment:
        """Make a policy from the contents of a file; ``where`` names it in messages. Errors as the constructor."""
        policy = cls.__new__(cls)
        policy._read(fields, where)
        return policy

    @classmethod
    def from_toml(cls, text: str, *, where: str = "prepayment") -> Prepayment:
        """Read a policy from TOML text.

        Raises
        ------
        SettlementError
            No TOML, or a policy that cannot be.
        """
        try:
            return cls.from_dict(tomllib.loads(text), where=where)
        except tomllib.TOMLDecodeError as error:
            raise SettlementError(f"{where}: is no TOML: {error}") from None

    @classmethod
    def load(cls, path: str | Path) -> Prepayment:
        """Read a policy from a TOML file.

        Raises
        ------
        SettlementError
            A file that cannot be read, is no TOML, or no policy.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SettlementError(f"{path}: cannot be read: {error}") from None
        return cls.from_toml(text, where=str(path))

    def to_dict(self) -> dict[str, Any]:
        """The policy as plain values that :meth:`from_dict` reads back to an equal policy."""
        return self.model.model_dump(mode="json", exclude_none=True)

    def to_toml(self) -> str:
        """The policy as TOML text that :meth:`from_toml` reads back to an equal policy."""
        return to_toml(self.to_dict())

    @property
    def terms(self) -> tuple[int, int, int, int]:
        """Unused: nobody lends."""
        return (0, 1, 0, 0)

    # -- what it says
    # ------------------------------------------------------------------------------------------

    def recoverable(self, top_up: int) -> int:
        """Return how much of a top-up may go to what was put off, in nano-currency."""
        most = top_up * self.model.recovery_cap_percent // PPM
        return most if self.model.recovery_cap is None else min(most, self.model.recovery_cap)

    def is_protected(self, time_ns: int) -> bool:
        """Return whether a protected window holds at this time (nanoseconds since 1970 UTC)."""
        return bool(self._safe[self._calendar.cell(time_ns)[1]])

    def local_day(self, time_ns: int) -> int:
        """Return the local day, counted from 1970-01-01."""
        return local_of(time_ns, self._zone)[0]

    def events(self, after_ns: int, until_ns: int) -> list[tuple[int, int | None]]:
        """Return the times in (``after_ns``, ``until_ns``] at which a local day begins (its number) or a window (None).

        In order. A day that begins where a window does comes first: its standing charge is taken from the credit that
        the window asks for.
        """
        model, step = self.model, self._step_ns
        if not (model.standing_per_day or model.instalment_per_day or model.requires_credit_before_window):
            return []
        grid = np.arange(after_ns // step, until_ns // step + 1, dtype=np.int64) * step
        local, cell = self._calendar.cells(grid)
        safe = self._safe[cell]
        begins = np.flatnonzero(np.diff(local.day) > 0) + 1
        days = [(int(grid[i]), int(local.day[i])) for i in begins]
        windows = [(int(time), None) for time in grid[1:][safe[1:] & ~safe[:-1]]]
        return sorted([*days, *windows], key=lambda event: (event[0], event[1] is None))

    # -- as a value
    # --------------------------------------------------------------------------------------------

    def __eq__(self, other: object) -> bool:
        """Whether both say the same."""
        return self.model == other.model if isinstance(other, Prepayment) else NotImplemented

    def __hash__(self) -> int:
        """Equal policies have equal hashes."""
        return hash(self.to_toml())

    def __reduce__(self) -> tuple[Any, tuple[dict[str, Any]]]:
        """Pickle as plain values; they are checked again when read."""
        return Prepayment.from_dict, (self.to_dict(),)

    def __repr__(self) -> str:
        """Say what it differs in from the default."""
        fields = ", ".join(f"{name}={value!r}" for name, value in self.model.model_dump(exclude_defaults=True).items())
        return f"Prepayment({fields})"
