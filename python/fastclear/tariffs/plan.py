"""A tariff plan: prices by the local clock, versions by date, and what they come to in a slot."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear.columns import Participant
from fastclear.errors import SettlementError
from fastclear.tariff import Tariff
from fastclear.tariffs.calendar import Calendar, date_of, day_number
from fastclear.tariffs.files import to_toml
from fastclear.tariffs.local_time import slot_column, slot_ns
from fastclear.tariffs.model import OTHERWISE, PPM, TAXED_LINES, PlanModel, parse
from fastclear.tariffs.network import NetworkFees

if TYPE_CHECKING:
    from fastclear.charts import AnyChart

_PRICES: Final = ("retail", "feed_in", "platform_fee", "network_fee")
_KEPT: Final = 1024
"""Slots whose terms are kept: a bank asks for those of a slot at its gate and again after delivery."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a plan says of one slot.

    Attributes
    ----------
    slot : int
        Start, nanoseconds since 1970 UTC.
    tariff : Tariff
        Prices and fees; its tax is the one on energy, its network fee the one between zones.
    tax_ppm : mapping
        Tax that is charged, by line: ``energy``, ``platform_fee``, ``network_fee``, ``residual``, ``subscription``.
    reverse_charge : frozenset
        Lines whose tax the buyer accounts for itself: it is not charged.
    network : NetworkFees
        By zone.
    shares : tuple
        (ppm, house account) of the platform fee and of the network fee that another than its owner receives.
    """

    slot: int
    tariff: Tariff
    tax_ppm: Mapping[str, int]
    reverse_charge: frozenset[str]
    network: NetworkFees
    shares: tuple[tuple[int, str], tuple[int, str]]


class TariffPlan:
    """Tariffs as data: time-of-use prices in local time, by date, zone and line.

    A plan resolves to a flat :class:`fastclear.Tariff` for every slot. Give it to a bank in place of one, and name the
    slot: ``bank.reserve(orders, slot=…)``, ``bank.settle(clearing, meter, slot=…)``.

    Parameters
    ----------
    **fields
        What a file says; ``docs/3c_tariffs.md`` lists every key. ``name``, ``time_zone`` (IANA) and ``versions`` are
        needed, ``windows``, ``holidays``, ``taxes`` and ``zones`` are not. Prices are ct/kWh as text, an int or a
        Decimal, at most four decimals; floats are refused.

    Raises
    ------
    SettlementError
        A field that is unknown, missing, or cannot be, with its place and what to do.

    Notes
    -----
    Slots are UTC instants and a slot has the price that holds at its start. Where clocks are set back, both passes
    through an hour have its price. Versions and tax rules begin at local midnight.

    Examples
    --------
    >>> import fastclear as fc
    >>> from datetime import datetime, UTC
    >>> plan = fc.TariffPlan(
    ...     name="day and night",
    ...     time_zone="Europe/Amsterdam",
    ...     windows={"night": {"hours": ["23:00-07:00"]}},
    ...     versions=[{"since": "2026-01-01", "retail": {"night": "22", "otherwise": "30"}, "feed_in": "5"}],
    ... )
    >>> plan.at(datetime(2026, 7, 1, 4, 45, tzinfo=UTC))  # 06:45 there
    Tariff(retail=220000, feed_in=50000, platform_fee=0, network_fee=0, tax_ppm=0)
    >>> plan.at(datetime(2026, 7, 1, 5, 0, tzinfo=UTC)).retail
    300000
    """

    def __init__(self, **fields: object) -> None:
        self._read(fields, "tariff plan")

    def _read(self, fields: object, where: str) -> None:
        self._model = parse(fields, where, PlanModel)
        model = self._model
        self._calendar = Calendar(model.time_zone, model.windows, model.holidays)
        self._since = np.array([day_number(version.since) for version in model.versions], np.int64)
        # one row a version, one column a cell of the calendar
        self._prices = {
            key: np.array([self._scheduled(getattr(version, key)) for version in model.versions]) for key in _PRICES
        }
        self._rules = {
            line: sorted((rule for rule in model.taxes if line in rule.on), key=lambda rule: rule.since)
            for line in TAXED_LINES
        }
        self._tax_since = {
            line: np.array([day_number(rule.since) for rule in rules], np.int64) for line, rules in self._rules.items()
        }
        self._zone_of: dict[tuple[type, Participant], str] = {
            (type(name), name): zone for zone, names in self._model.zones.items() for name in names
        }
        # bound to the instance, so that the plan and what it keeps go together
        self._terms = lru_cache(_KEPT)(self._resolve)
        self._alike = lru_cache(_KEPT)(self._resolve_alike)

    @classmethod
    def from_dict(cls, fields: Mapping[str, object], *, where: str = "tariff plan") -> TariffPlan:
        """Make a plan from the contents of a file; ``where`` names it in messages.

        Raises
        ------
        SettlementError
            As the constructor.
        """
        plan = cls.__new__(cls)
        plan._read(fields, where)
        return plan

    @classmethod
    def from_toml(cls, text: str, *, where: str = "tariff plan") -> TariffPlan:
        """Read a plan from TOML text.

        Raises
        ------
        SettlementError
            No TOML, or a plan that cannot be.
        """
        try:
            fields = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise SettlementError(f"{where}: is no TOML: {error}") from None
        return cls.from_dict(fields, where=where)

    @classmethod
    def load(cls, path: str | Path) -> TariffPlan:
        """Read a plan from a TOML file.

        Raises
        ------
        SettlementError
            A file that cannot be read, is no TOML, or no plan.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except OSError as error:
            raise SettlementError(f"{path}: cannot be read: {error.strerror}") from None
        except UnicodeDecodeError as error:
            raise SettlementError(f"{path}: is no TOML: {error}") from None
        return cls.from_toml(text, where=str(path))

    def to_dict(self) -> dict[str, Any]:
        """The plan as plain values that :meth:`from_dict` reads back to an equal plan."""
        return self._model.model_dump(mode="json", exclude_none=True)

    def to_toml(self) -> str:
        """The plan as TOML text that :meth:`from_toml` reads back to an equal plan."""
        return to_toml(self.to_dict())

    # -- what it says
    # ------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Its name."""
        return self._model.name

    @property
    def time_zone(self) -> str:
        """IANA name of the zone whose clock it goes by."""
        return self._model.time_zone

    def at(self, slot: object) -> Tariff:
        """The flat tariff of one slot.

        Its network fee is the one between zones, and its tax the one on energy: :meth:`terms` has all of them.

        Parameters
        ----------
        slot : int or datetime
            Start: nanoseconds since 1970 UTC, or a datetime with a time zone.

        Raises
        ------
        SettlementError
            A slot before the first version, or none at all.
        """
        return self.terms(slot).tariff

    def terms(self, slot: object) -> Terms:
        """Everything that the plan says of one slot. Parameters and errors as in :meth:`at`."""
        return self._terms(slot_ns(slot))

    def table(self, slots: object) -> pl.DataFrame:
        """What the plan says of many slots, to be looked at.

        Parameters
        ----------
        slots : array, Series or iterable
            Starts: int64 nanoseconds since 1970 UTC, or datetimes with a time zone.

        Returns
        -------
        DataFrame
            One row a slot, in the order given: ``slot`` (UTC), ``local`` (what the clock shows), ``utc_offset_s``,
            ``version`` (its first day), ``windows`` (those that hold, by name), prices and fees in ticks (10**-6
            currency per kWh): ``retail``, ``feed_in``, ``platform_fee``, ``network_fee``, ``local_network_fee``; the
            tax that is charged, in parts per million: ``energy_tax``, ``platform_fee_tax``, ``network_fee_tax``,
            ``residual_tax``, ``subscription_tax``.

        Raises
        ------
        SettlementError
            A slot before the first version, or a column that is no slots.
        """
        column = slot_column(slots)
        local, cell = self._calendar.cells(column)
        version = self._version(local.day)
        prices = {key: self._prices[key][version, cell] for key in _PRICES}
        discount = np.array([item.local_discount_percent for item in self._model.versions], np.int64)
        prices["local_network_fee"] = _discounted(prices["network_fee"], discount[version])
        names = np.array(self._calendar.names, object)
        held = [names[mask].tolist() for mask in self._calendar.masks]
        return pl.DataFrame(
            [
                pl.Series("slot", column).cast(pl.Datetime("ns", "UTC")),
                pl.Series("local", column + local.offset * 1_000_000_000).cast(pl.Datetime("ns")),
                pl.Series("utc_offset_s", local.offset),
                pl.Series("version", self._since[version].astype(np.int32)).cast(pl.Date),
                pl.Series("windows", held, dtype=pl.List(pl.String)).gather(cell),
                *(pl.Series(key, values) for key, values in prices.items()),
                *(pl.Series(f"{line}_tax", self._charged(line, local.day)) for line in TAXED_LINES),
            ]
        )

    def plot(self, slots: object) -> AnyChart:
        """Draw prices and fees over some slots, by the local clock. Parameters and errors as in :meth:`table`."""
        from fastclear.tariffs.picture import drawn  # altair, which nothing else here needs

        return drawn(self.table(slots), self.name, self.time_zone)

    # -- zones and dates
    # ---------------------------------------------------------------------------------------

    def zone_of(self, participant: Participant) -> str | None:
        """The zone that the plan names for a participant, None if it names none."""
        return self._zone_of.get((type(participant), participant))

    @property
    def zones(self) -> tuple[str, ...]:
        """Every zone that it names, sorted."""
        pairs = (pair for version in self._model.versions for pair in version.zone_pairs)
        return tuple(sorted({*self._model.zones, *(zone for pair in pairs for zone in (pair.buyer, pair.seller))}))

    def network_fees(self, slot: object) -> pl.DataFrame:
        """The network fee of every pair of zones in one slot: ``buyer``, ``seller`` (null: no zone), ``network_fee``.

        Errors as in :meth:`at`.
        """
        zones = self.zones
        fees = self.terms(slot).network.matrix(zones)
        named = [*zones, None]
        rows = [(buyer, seller, int(fees[i, j])) for i, buyer in enumerate(named) for j, seller in enumerate(named)]
        return pl.DataFrame(
            rows, schema={"buyer": pl.String, "seller": pl.String, "network_fee": pl.Int64}, orient="row"
        )

    def subscription(self, day: date) -> tuple[int, int]:
        """Nano-currency a month and its tax in parts per million on one local day.

        Raises
        ------
        SettlementError
            A day before the first version.
        """
        number = np.array([day_number(day)], np.int64)
        version = self._model.versions[int(self._version(number)[0])]
        return version.subscription_per_month, int(self._charged("subscription", number)[0])

    def changes(self) -> list[date]:
        """The days on which a version or a tax rule begins, ascending."""
        return sorted({*(item.since for item in self._model.versions), *(rule.since for rule in self._model.taxes)})

    # -- how it is resolved
    # ------------------------------------------------------------------------------------

    def _scheduled(self, schedule: Mapping[str, int]) -> NDArray[np.int64]:
        """The price in each cell: that of the first window that holds."""
        out = np.full(len(self._calendar.masks), schedule[OTHERWISE], np.int64)
        for name in reversed([name for name in schedule if name != OTHERWISE]):
            out[self._calendar.masks[:, self._calendar.names.index(name)]] = schedule[name]
        return out

    def _version(self, day: NDArray[np.int64]) -> NDArray[np.int64]:
        version = np.searchsorted(self._since, day, side="right") - 1
        if (version < 0).any():
            early = date_of(int(day[(version < 0).argmax()]))
            first = self._model.versions[0].since
            raise SettlementError(
                f"tariff plan {self.name!r} begins on {first}, {early} is before it; add a version that holds then"
            )
        return version

    def _charged(self, line: str, day: NDArray[np.int64]) -> NDArray[np.int64]:
        """The tax rate of a line on each day, 0 where the buyer accounts for it."""
        rates = np.array([0, *(0 if rule.reverse_charge else rule.percent for rule in self._rules[line])], np.int64)
        return rates[np.searchsorted(self._tax_since[line], day, side="right")]

    def _resolve(self, slot: int) -> Terms:
        day, cell = self._calendar.cell(slot)
        version = int(self._version(np.array([day], np.int64))[0])
        begun = tuple(int(since.searchsorted(day, side="right")) for since in self._tax_since.values())
        return replace(self._alike(cell, version, begun), slot=slot)

    def _resolve_alike(self, cell: int, index: int, begun: tuple[int, ...]) -> Terms:
        """The terms of all slots in one cell, under one version and so many tax rules of each line as have begun."""
        version = self._model.versions[index]
        prices = {key: int(self._prices[key][index, cell]) for key in _PRICES}
        rules = {line: self._rules[line][count - 1] for line, count in zip(TAXED_LINES, begun, strict=True) if count}
        reverse = frozenset(line for line, rule in rules.items() if rule.reverse_charge)
        taxes = {line: rules[line].percent if line in rules and line not in reverse else 0 for line in TAXED_LINES}
        pairs = {(pair.buyer, pair.seller): int(self._scheduled(pair.network_fee)[cell]) for pair in version.zone_pairs}
        local_fee = _discounted(self._prices["network_fee"][index, [cell]], np.array([version.local_discount_percent]))
        platform, network = (
            (0, "platform") if share is None else (share.percent, share.to)
            for share in (version.platform_fee_share, version.network_fee_share)
        )
        return Terms(
            slot=0,
            tariff=Tariff(**prices, tax_ppm=taxes["energy"]),
            tax_ppm=taxes,
            reverse_charge=reverse,
            network=NetworkFees(prices["network_fee"], int(local_fee[0]), pairs),
            shares=(platform, network),
        )

    # -- as a value
    # --------------------------------------------------------------------------------------------

    def __eq__(self, other: object) -> bool:
        """Whether both say the same; the order of windows within a price counts, because the first that holds does."""
        return self.to_toml() == other.to_toml() if isinstance(other, TariffPlan) else NotImplemented

    def __hash__(self) -> int:
        """Equal plans have equal hashes."""
        return hash(self.to_toml())

    def __reduce__(self) -> tuple[Any, tuple[dict[str, Any]]]:
        """Pickle as plain values; they are checked again when read."""
        return TariffPlan.from_dict, (self.to_dict(),)

    def __copy__(self) -> TariffPlan:
        """A plan never changes: itself."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> TariffPlan:
        """A plan never changes: itself."""
        return self

    def __repr__(self) -> str:
        """Say where and since when it holds."""
        versions = ", ".join(str(version.since) for version in self._model.versions)
        return f"TariffPlan({self.name!r}, {self.time_zone}, versions since {versions})"


def _discounted(fee: NDArray[np.int64], ppm: NDArray[np.int64]) -> NDArray[np.int64]:
    """The local network fee, a whole number of ticks: the model has looked."""
    return fee - fee * ppm // PPM
