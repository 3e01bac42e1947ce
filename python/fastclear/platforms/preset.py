"""A platform preset: five sections and settlement, every parameter with a value and a source.

A preset is a TOML file. Reading it gives a frozen :class:`Preset`; whatever is wrong with the file is one
:class:`~fastclear.errors.PresetError` that names the key, the file and the remedy.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import tomllib
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    model_validator,
)

from fastclear.errors import PresetError

TICKS_PER_CT = 10_000
"""Ticks in one ct/kWh (a tick is 1e-6 currency/kWh)."""
NANO_PER_CURRENCY = 1_000_000_000
"""Nano-currency in one unit of currency."""
PPM_PER_PERCENT = 10_000
"""Parts per million in one per cent."""

T = TypeVar("T")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


def _decimal(value: object) -> Decimal:
    """Exact decimal from text; a TOML float is refused, because 0.1 is not a tenth there."""
    if isinstance(value, Decimal):
        return value
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f'write it as text, like "{value}", so that it stays exact')  # noqa: TRY004 - pydantic
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise ValueError(f'write a decimal number as text, like "12.5", not "{value}"') from None
    if not number.is_finite():
        raise ValueError("write a finite decimal number")
    return number


def _on_grid(value: Decimal, scale: int, low: int, high: int, unit: str) -> Decimal:
    scaled = value * scale
    if scaled != scaled.to_integral_value():
        raise ValueError(f"finer than the grid of 1/{scale} {unit}: drop decimals")
    if not low <= scaled <= high:
        raise ValueError(f"must lie between {Decimal(low) / scale} and {Decimal(high) / scale} {unit}")
    return value


def _price(value: object) -> Decimal:
    return _on_grid(_decimal(value), TICKS_PER_CT, -(2**31) + 1, 2**31 - 1, "ct/kWh")


def _money(value: object) -> Decimal:
    return _on_grid(_decimal(value), NANO_PER_CURRENCY, 0, 2**63 - 1, "currency units")


def _percent(value: object) -> Decimal:
    return _on_grid(_decimal(value), PPM_PER_PERCENT, 0, 100 * PPM_PER_PERCENT, "per cent")


def _k(value: object) -> Fraction:
    if isinstance(value, Fraction):
        return value
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError('write it as text, like "1/2" or "0.5"')  # noqa: TRY004 - pydantic wants ValueError
    try:
        k = Fraction(value)
    except (ValueError, ZeroDivisionError):
        raise ValueError(f'write a fraction as text, like "1/2" or "0.5", not "{value}"') from None
    if not 0 <= k <= 1:
        raise ValueError("k must lie between 0 (the sellers' end) and 1 (the buyers' end)")
    return k


_as_text = PlainSerializer(str, return_type=str)
CtPerKwh = Annotated[Decimal, BeforeValidator(_price), _as_text]
Currency = Annotated[Decimal, BeforeValidator(_money), _as_text]
Percent = Annotated[Decimal, BeforeValidator(_percent), _as_text]
Share = Annotated[Fraction, BeforeValidator(_k), _as_text]


class Parameter(_Frozen, Generic[T]):
    """One parameter: its value, and where it comes from.

    Attributes
    ----------
    value : T
        In the unit that the key or its section documents.
    source : str
        ``"stated: ..."`` (a review of the platform gives it), ``"assumed: ..."`` (our choice) or
        ``"given: ..."`` (set for this run).
    """

    value: T
    source: str = Field(pattern=r"^(stated|assumed|given): \S")

    @property
    def origin(self) -> str:
        """``"stated"``, ``"assumed"`` or ``"given"``."""
        return self.source.partition(":")[0]


class SetUp(_Frozen):
    """Who takes part, and what is known before the gate."""

    members: Parameter[Annotated[int, Field(ge=1, le=1_000_000)]]
    feeders: Parameter[Annotated[int, Field(ge=1, le=1_000)]]
    slot_minutes: Parameter[Literal[15]]
    forecast_error_percent: Parameter[Percent]


class Platform(_Frozen):
    """How the market is organised, and what is recorded."""

    structure: Parameter[Literal["pool_auction"]]
    ledger: Parameter[Literal["private"]]
    block_per: Parameter[Literal["slot"]]


class Market(_Frozen):
    """The order of service and the auction."""

    essential_first: Parameter[bool]
    mechanism: Parameter[Literal["uniform", "discriminatory"]]
    k: Parameter[Share]
    rationing: Parameter[Literal["pro_rata", "time", "equal"]]
    price_round: Parameter[Literal["floor", "ceil", "half_up"]]
    agent: Parameter[Literal["zero_intelligence"]]


class Price(_Frozen):
    """Prices that are not found by the auction, in ct/kWh."""

    currency: Parameter[Annotated[str, Field(pattern=r"^[A-Z]{3}$")]]
    retail: Parameter[CtPerKwh]
    feed_in: Parameter[CtPerKwh]
    essential_rate: Parameter[CtPerKwh]
    platform_fee: Parameter[CtPerKwh]


class Regulation(_Frozen):
    """What the law and the distribution operator ask."""

    backstop: Parameter[Literal["retailer"]]
    network_fee: Parameter[CtPerKwh]
    tax_percent: Parameter[Percent]


class SettlementRules(_Frozen):
    """How money moves."""

    profile: Parameter[Literal["prepaid"]]
    deposit: Parameter[Currency]
    essential_deposit: Parameter[Currency]
    imbalance: Parameter[Literal["backup"]]


class Preset(_Frozen):
    """A whole platform. Make one with :func:`fastclear.platforms.load_preset`.

    Examples
    --------
    >>> from fastclear.platforms import load_preset
    >>> preset = load_preset("brooklyn")
    >>> preset.price.retail.value, preset.price.retail.origin
    (Decimal('30'), 'assumed')
    >>> preset.ticks("retail")
    300000
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    title: str = Field(min_length=1)
    summary: str
    references: tuple[str, ...] = Field(default=(), strict=False)
    set_up: SetUp
    platform: Platform
    market: Market
    price: Price
    regulation: Regulation
    settlement: SettlementRules

    @model_validator(mode="after")
    def _prices_leave_room(self) -> Preset:
        fees = self.price.platform_fee.value + self.regulation.network_fee.value
        if min(self.price.platform_fee.value, self.regulation.network_fee.value) < 0:
            raise ValueError("price.platform_fee and regulation.network_fee: a fee must not be negative")
        if self.price.feed_in.value + fees > self.price.retail.value:
            raise ValueError(
                "price.retail: feed_in + platform_fee + network_fee is above retail, so that no local trade can "
                "gain: raise retail or lower the others"
            )
        if self.price.essential_rate.value + fees > self.price.retail.value:
            raise ValueError("price.essential_rate: with both fees on top it is above retail: lower it, or the fees")
        return self

    def ticks(self, key: str) -> int:
        """Price or fee `key` in ticks (1e-6 currency/kWh), exactly."""
        section: Any = self.regulation if key == "network_fee" else self.price
        return int(getattr(section, key).value * TICKS_PER_CT)

    @property
    def tax_ppm(self) -> int:
        """The tax in parts per million."""
        return int(self.regulation.tax_percent.value * PPM_PER_PERCENT)

    def nano(self, key: str) -> int:
        """Settlement amount `key` (``"deposit"``, ``"essential_deposit"``) in nano-currency, exactly."""
        return int(getattr(self.settlement, key).value * NANO_PER_CURRENCY)

    def parameters(self) -> list[tuple[str, str, str, str]]:
        """Every parameter as ``(section.key, value, origin, source text)``, in the order of the file."""
        rows = []
        for section in SECTIONS:
            for key, parameter in getattr(self, section):
                origin, _, text = parameter.source.partition(":")
                value = parameter.value
                shown = str(value).lower() if isinstance(value, bool) else str(value)
                rows.append((f"{section}.{key}", shown, origin, text.strip()))
        return rows

    def with_values(self, why: str, **values: object) -> Preset:
        """A copy with some parameters set for one run; `why` becomes their source.

        Parameters
        ----------
        why : str
            What set them, for example ``"--mechanism"``.
        **values
            ``section__key=value``; ``None`` leaves the parameter as it is.

        Raises
        ------
        PresetError
            If a key does not exist or a value is refused.
        """
        data = self.model_dump()
        for path, value in values.items():
            if value is not None:
                section, _, key = path.partition("__")
                data.setdefault(section, {})[key] = {"value": value, "source": f"given: {why}"}
        return parse_preset(data, where=why)

    def __reduce__(self) -> tuple[Any, tuple[dict[str, Any]]]:
        """Pickle as plain values; they are checked again when read."""
        return parse_preset, (self.model_dump(),)

    def to_toml(self) -> str:
        """The preset as TOML text that :func:`parse_preset` reads back to an equal preset."""
        quote = json.dumps  # a TOML basic string takes the escapes of JSON
        lines = [
            f"name = {quote(self.name)}",
            f"title = {quote(self.title)}",
            f"summary = {quote(self.summary)}",
        ]
        lines += ["references = [", *(f"  {quote(text)}," for text in self.references), "]"]
        data = self.model_dump(mode="json")
        for section in SECTIONS:
            lines += ["", f"[{section}]"]
            for key, parameter in data[section].items():
                value = json.dumps(parameter["value"])
                lines.append(f"{key} = {{ value = {value}, source = {quote(parameter['source'])} }}")
        return "\n".join(lines) + "\n"

    def digest(self) -> str:
        """SHA-256 (hexadecimal) of the canonical JSON of every name, value and source."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


SECTIONS = ("set_up", "platform", "market", "price", "regulation", "settlement")
"""The sections of a preset file, in order."""


def _known_keys(model: Any, path: tuple[str | int, ...]) -> list[str]:
    """The keys that a preset knows at `path`."""
    for part in path:
        field = getattr(model, "model_fields", {}).get(part)
        model = field.annotation if field else None
    return list(getattr(model, "model_fields", {}))


def _explain(error: ValidationError, where: str) -> str:
    """The first fault of a preset in one line: the key, the file, what to do."""
    # an unknown key first: a misspelt key is both unknown and missing, and only the former names the misspelling
    first = min(error.errors(), key=lambda fault: fault["type"] != "extra_forbidden")
    loc: tuple[str | int, ...] = first["loc"]
    key = ".".join(str(part) for part in loc)
    context: dict[str, Any] = first.get("ctx", {})
    match first["type"]:
        case "extra_forbidden":
            known = _known_keys(Preset, loc[:-1])
            close = difflib.get_close_matches(str(loc[-1]), known, n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(close)}?" if close else f"known keys here: {', '.join(known)}"
            return f"{where}: unknown key {key}: {hint}"
        case "missing":
            remedy = (
                "every parameter needs a value and a source"
                if loc[-1] in ("value", "source")
                else "add it, see `fastclear platforms --show brooklyn`"
            )
            return f"{where}: {key} is missing: {remedy}"
        case "literal_error":
            return f"{where}: {key} must be {context['expected']}"
        case "string_pattern_mismatch" if loc[-1] == "source":
            return f'{where}: {key} must be "stated: ..." or "assumed: ..." with the reason'
        case "model_type" | "model_attributes_type":
            shape = "a section" if len(loc) == 1 else 'like { value = ..., source = "assumed: ..." }'
            return f"{where}: {key} must be {shape}"
        case "value_error":
            message = str(context["error"])
            return f"{where}: {key}: {message}" if key else f"{where}: {message}"
        case _:
            return f"{where}: {key}: {first['msg'][0].lower()}{first['msg'][1:]}"


def parse_preset(data: dict[str, Any], *, where: str = "preset") -> Preset:
    """A preset from the contents of its file.

    Parameters
    ----------
    data : dict
        What :mod:`tomllib` reads.
    where : str
        The file, for messages.

    Raises
    ------
    PresetError
        Naming the first key at fault, the file and the remedy.
    """
    try:
        return Preset.model_validate(data)
    except ValidationError as error:
        raise PresetError(_explain(error, where)) from None


def read_preset(path: Path) -> Preset:
    """The preset in the TOML file at `path`.

    Raises
    ------
    PresetError
        If the file cannot be read, is no TOML, or is no preset.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PresetError(f"{path}: cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PresetError(f"{path}: is no TOML: {error}") from None
    return parse_preset(data, where=str(path))
