"""What a tariff plan may say: the file read field by field, every fault named with its place and its remedy.

Prices are ct/kWh as text, like those of :meth:`fastclear.Tariff.from_ct_per_kwh`; inside they are ticks. Percent are
parts per million inside, and money is nano-currency.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationError, model_validator

from fastclear.columns import INT64_MAX, checked_name
from fastclear.errors import SettlementError
from fastclear.tariff import exact, scaled
from fastclear.tariffs.local_time import time_zone

_Model = TypeVar("_Model", bound=BaseModel)

OTHERWISE: Final = "otherwise"
"""The price of a schedule where no window holds."""
PPM: Final = 1_000_000
TAXED_LINES: Final = ("energy", "platform_fee", "network_fee", "residual", "subscription")
"""The lines that a tax rule can be for."""
DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

_PRICE_MAX: Final = 2**31 - 1
_NANO: Final = 1_000_000_000
_HOURS: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|24:00)")


class Frozen(BaseModel):
    """A table of a file: no key that is not known, no value that is turned into another type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


def _price(value: object) -> int:
    ticks = scaled("price", value)
    if abs(ticks) > _PRICE_MAX:
        raise ValueError(f"a price of {value} ct/kWh; keep it between -214748.3647 and 214748.3647")
    return ticks


def _percent(value: object) -> int:
    ppm = scaled("percent", value)
    if not 0 <= ppm <= PPM:
        raise ValueError(f"{value} per cent; keep it between 0 and 100")
    return ppm


def _money(value: object) -> int:
    nano = exact("amount", value) * _NANO
    if nano.denominator != 1 or not 0 <= nano <= INT64_MAX:
        raise ValueError(f"{value} is no amount of currency of 0 or more, with at most nine decimals")
    return nano.numerator


def _date(value: object) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise ValueError(f"write a date, like 2026-03-29, not {value!r}")


def _schedule(value: object) -> object:
    """One price for all times is a schedule too."""
    return value if isinstance(value, Mapping) else {OTHERWISE: value}


def as_tuple(value: object) -> object:
    """A list or set as a tuple."""
    return tuple(value) if isinstance(value, list | set | frozenset) else value


def _hours(value: object) -> str:
    if not isinstance(value, str) or not (match := _HOURS.fullmatch(value)):
        raise ValueError(f'write hours like "07:00-23:00", the end up to 24:00, not {value!r}')
    start, end = value.split("-")
    if start == end:
        raise ValueError(f'"{value}" is empty; leave hours out for the whole day')
    return match.string


def _text(scale: int, value: int) -> str:
    whole, rest = divmod(abs(value), scale)
    digits = str(rest).zfill(len(str(scale)) - 1).rstrip("0")
    return ("-" if value < 0 else "") + str(whole) + ("." + digits if digits else "")


Ticks = Annotated[int, BeforeValidator(_price), PlainSerializer(lambda value: _text(10_000, value), return_type=str)]
Ppm = Annotated[int, BeforeValidator(_percent), PlainSerializer(lambda value: _text(10_000, value), return_type=str)]
Nano = Annotated[int, BeforeValidator(_money), PlainSerializer(lambda value: _text(_NANO, value), return_type=str)]
Day = Annotated[date, BeforeValidator(_date)]
Schedule = Annotated[dict[str, Ticks], BeforeValidator(_schedule)]
Name = Annotated[str, Field(min_length=1)]
Participants = Annotated[tuple[Annotated[str | int, BeforeValidator(checked_name)], ...], BeforeValidator(as_tuple)]


class Window(Frozen):
    """Times of the local clock: each key narrows it, and one that is left out does not.

    Attributes
    ----------
    days : tuple of str
        ``"weekday"`` and ``"weekend"`` (no holidays), ``"holiday"``, or names of days (holidays too).
    months : tuple of int
        1 to 12.
    hours : tuple of str
        Half-open, ``"07:00-23:00"``; ``"23:00-07:00"`` is the night at both ends of one local day.
    """

    days: Annotated[
        tuple[Literal["weekday", "weekend", "holiday", *DAYS], ...],  # type: ignore[valid-type]  # mypy: no unpacking
        BeforeValidator(as_tuple),
    ] = ()
    months: Annotated[tuple[Annotated[int, Field(ge=1, le=12)], ...], BeforeValidator(as_tuple)] = ()
    hours: Annotated[tuple[Annotated[str, BeforeValidator(_hours)], ...], BeforeValidator(as_tuple)] = ()

    def seconds(self) -> list[tuple[int, int]]:
        """The hours as half-open intervals of seconds within a local day."""
        intervals: list[tuple[int, int]] = []
        for text in self.hours:
            start, end = (int(part[:2]) * 3600 + int(part[3:]) * 60 for part in text.split("-"))
            intervals += [(start, end)] if start < end else [(0, end), (start, 86_400)]
        return intervals


class FeeShare(Frozen):
    """The part of a fee that another house account receives."""

    to: Literal["platform", "dso", "backstop"]
    percent: Ppm


class ZonePair(Frozen):
    """The network fee of a trade between these zones."""

    buyer: Name
    seller: Name
    network_fee: Schedule


class Version(Frozen):
    """Prices and fees from local midnight of ``since`` until the next version."""

    since: Day
    retail: Schedule
    feed_in: Schedule
    platform_fee: Schedule = Field(default_factory=lambda: {OTHERWISE: 0})
    network_fee: Schedule = Field(default_factory=lambda: {OTHERWISE: 0})
    local_discount_percent: Ppm = 0
    zone_pairs: Annotated[tuple[ZonePair, ...], BeforeValidator(as_tuple)] = ()
    platform_fee_share: FeeShare | None = None
    network_fee_share: FeeShare | None = None
    subscription_per_month: Nano = 0

    def schedules(self) -> dict[str, dict[str, int]]:
        """Every schedule of it, by its key."""
        named = {key: getattr(self, key) for key in ("retail", "feed_in", "platform_fee", "network_fee")}
        pairs = {f"zone_pairs.{i}.network_fee": pair.network_fee for i, pair in enumerate(self.zone_pairs)}
        return named | pairs

    @model_validator(mode="after")
    def _local_fee_in_whole_ticks(self) -> Version:
        for price in self.network_fee.values():
            if price * self.local_discount_percent % PPM:
                raise ValueError(
                    f"local_discount_percent of a network_fee of {_text(10_000, price)} ct/kWh lies between two ticks; "
                    "give the fee itself in zone_pairs"
                )
        return self

    @model_validator(mode="after")
    def _pairs_once(self) -> Version:
        pairs = [(pair.buyer, pair.seller) for pair in self.zone_pairs]
        if twice := sorted({pair for pair in pairs if pairs.count(pair) > 1}):
            raise ValueError(f"zone_pairs has {twice[0][0]} to {twice[0][1]} twice; give each pair once")
        return self


class TaxRule(Frozen):
    """The tax on some lines from local midnight of ``since`` until the next rule for the line. The buyer pays it."""

    since: Day
    on: Annotated[
        tuple[Literal[TAXED_LINES], ...],  # type: ignore[valid-type]  # mypy: no names of tuples
        BeforeValidator(as_tuple),
        Field(min_length=1),
    ] = TAXED_LINES
    percent: Ppm
    reverse_charge: bool = False


class PlanModel(Frozen):
    """A whole plan; :class:`fastclear.TariffPlan` is its door."""

    name: Name
    time_zone: Name
    holidays: Annotated[tuple[Day, ...], BeforeValidator(as_tuple)] = ()
    windows: dict[str, Window] = Field(default_factory=dict)
    versions: Annotated[tuple[Version, ...], BeforeValidator(as_tuple), Field(min_length=1)]
    taxes: Annotated[tuple[TaxRule, ...], BeforeValidator(as_tuple)] = ()
    zones: dict[str, Participants] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _windows_are_known(self) -> PlanModel:
        time_zone(self.time_zone)
        if OTHERWISE in self.windows:
            raise ValueError(f"windows.{OTHERWISE}: this is what no window covers; call the window another name")
        for i, version in enumerate(self.versions):
            for key, schedule in version.schedules().items():
                place = f"versions.{i}.{key}"
                if OTHERWISE not in schedule:
                    raise ValueError(f'{place}: no price where no window holds; add {OTHERWISE} = "…"')
                if unknown := [name for name in schedule if name != OTHERWISE and name not in self.windows]:
                    listed = ", ".join(self.windows) or "none"
                    raise ValueError(f"{place}: no window {unknown[0]!r}; the windows are: {listed}")
        return self

    @model_validator(mode="after")
    def _dates_once(self) -> PlanModel:
        since = [version.since for version in self.versions]
        if since != sorted(set(since)):
            raise ValueError("versions: give each a later since than the one before")
        for line in TAXED_LINES:
            dates = [rule.since for rule in self.taxes if line in rule.on]
            if twice := sorted({day for day in dates if dates.count(day) > 1}):
                raise ValueError(f"taxes: two rules for {line} since {twice[0]}; give one")
        return self

    @model_validator(mode="after")
    def _one_zone_each(self) -> PlanModel:
        seen: dict[tuple[type, object], str] = {}
        for zone, participants in self.zones.items():
            for name in participants:
                if (other := seen.setdefault((type(name), name), zone)) != zone:
                    raise ValueError(f"zones: participant {name!r} is in {other} and in {zone}; name one")
        return self


def parse(data: object, where: str, model: type[_Model]) -> _Model:
    """Read the fields of a file.

    Raises
    ------
    SettlementError
        The first fault with its place and what to do.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise SettlementError(f"{where}: {_explained(error, model)}") from None


def _explained(error: ValidationError, model: type[BaseModel]) -> str:
    # an unknown key first: a misspelt key is both unknown and missing, and only the former names the misspelling
    first = min(error.errors(), key=lambda fault: fault["type"] != "extra_forbidden")
    key = ".".join(str(part) for part in first["loc"])
    context: dict[str, Any] = first.get("ctx", {})
    match first["type"]:
        case "extra_forbidden":
            known = _known(first["loc"][:-1], model)
            close = difflib.get_close_matches(str(first["loc"][-1]), known, n=1)
            return f"unknown key {key}; " + (f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}")
        case "missing":
            return f"{key} is missing; add it"
        case "literal_error":
            return f"{key} must be {context['expected']}"
        case "value_error":
            return f"{key}: {context['error']}" if key else str(context["error"])
        case "tuple_type":
            return f"{key} must be a list"
        case "model_type" | "dict_type" | "model_attributes_type":
            return f"{key or 'the plan'} must be a table of keys and values"
        case _:
            return f"{key}: {first['msg'][0].lower()}{first['msg'][1:]}"


def _known(path: tuple[str | int, ...], model: type[BaseModel]) -> list[str]:
    """The keys there are at `path`."""
    table: dict[str, type[BaseModel]] = {
        "": model,
        "windows": Window,
        "protected": Window,
        "versions": Version,
        "taxes": TaxRule,
        "zone_pairs": ZonePair,
        "platform_fee_share": FeeShare,
        "network_fee_share": FeeShare,
    }
    named = [part for part in path if isinstance(part, str) and part in table]
    return list(table[named[-1] if named else ""].model_fields)
