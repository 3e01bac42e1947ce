"""What the value of a preset's parameter may be: exact numbers, with their units, and where each comes from."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

TICKS_PER_CT = 10_000
"""Ticks in one ct/kWh (a tick is 1e-6 currency/kWh)."""
NANO_PER_CURRENCY = 1_000_000_000
"""Nano-currency in one unit of currency."""
PPM_PER_PERCENT = 10_000
"""Parts per million in one per cent."""

_RATE_PARTS = 1_000_000

T = TypeVar("T")


class Frozen(BaseModel):
    """A part of a preset: no unknown keys, and nothing changes after reading."""

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


def _rate(value: object) -> Decimal:
    return _on_grid(_decimal(value), _RATE_PARTS, 1, 10**12, "units for a unit")


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
ExchangeRate = Annotated[Decimal, BeforeValidator(_rate), _as_text]
Share = Annotated[Fraction, BeforeValidator(_k), _as_text]
Days = Annotated[int, Field(ge=1, le=36_500)]


class Parameter(Frozen, Generic[T]):
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


def ticks(price: Parameter[Decimal]) -> int:
    """A price in ct/kWh as ticks, exactly."""
    return int(price.value * TICKS_PER_CT)


def nano(amount: Parameter[Decimal]) -> int:
    """An amount in currency units as nano-currency, exactly."""
    return int(amount.value * NANO_PER_CURRENCY)


def ppm(percent: Parameter[Decimal]) -> int:
    """Per cent as parts per million, exactly."""
    return int(percent.value * PPM_PER_PERCENT)


def exchanged(amount: Parameter[Decimal], rate: Parameter[Decimal]) -> tuple[int, int]:
    """An amount times an exchange rate: whole nano-currency, and what is left of it in millionths."""
    return divmod(nano(amount) * int(rate.value * _RATE_PARTS), _RATE_PARTS)
