"""What energy costs outside the auction: retail, feed-in, fees, tax."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Final

from fastclear import _core
from fastclear.columns import whole
from fastclear.errors import SettlementError

_TICKS_PER_CT: Final = 10_000
_DIGITS_MAX: Final = 40


@dataclass(frozen=True, slots=True)
class Tariff:
    """What energy costs outside the auction.

    Parameters
    ----------
    retail : int
        Price of energy that the retail supplier sells, in ticks (10**-6 currency per kWh).
    feed_in : int
        Price of energy that it buys, in ticks; above ``retail`` too, in a subsidised tariff.
    platform_fee, network_fee : int, default 0
        Fees on every unit traded, in ticks, paid by the buyer after the clearing.
    tax_ppm : int, default 0
        Tax on a buyer's energy and fees and on residual energy, in parts per million, at most 1,000,000.

    Raises
    ------
    SettlementError
        A value that is no integer or is out of range.

    Examples
    --------
    >>> import fastclear as fc
    >>> fc.Tariff.from_ct_per_kwh("30", "5", platform_fee="0.5", network_fee="2", tax_percent=20)
    Tariff(retail=300000, feed_in=50000, platform_fee=5000, network_fee=20000, tax_ppm=200000)
    """

    retail: int
    feed_in: int
    platform_fee: int = 0
    network_fee: int = 0
    tax_ppm: int = 0

    def __post_init__(self) -> None:
        values = [whole(name, getattr(self, name)) for name in self.__slots__]
        if not 0 <= values[-1] < 2**32:
            raise SettlementError(f"tariff: tax_ppm = {values[-1]}; keep it between 0 and 1000000")
        _core.check_tariff(*values)

    @classmethod
    def from_ct_per_kwh(
        cls,
        retail: str | int | Decimal,
        feed_in: str | int | Decimal,
        *,
        platform_fee: str | int | Decimal = 0,
        network_fee: str | int | Decimal = 0,
        tax_percent: str | int | Decimal = 0,
    ) -> Tariff:
        """Build a tariff from ct/kWh and percent, exactly.

        Parameters
        ----------
        retail, feed_in, platform_fee, network_fee : str, int or Decimal
            ct/kWh; at most four decimals, because a tick is 0.0001 ct/kWh. Floats are refused: 0.1 is none.
        tax_percent : str, int or Decimal
            At most four decimals.

        Raises
        ------
        SettlementError
            A float, no number, or a value between two ticks.
        """
        return cls(
            retail=scaled("retail", retail),
            feed_in=scaled("feed_in", feed_in),
            platform_fee=scaled("platform_fee", platform_fee),
            network_fee=scaled("network_fee", network_fee),
            tax_ppm=scaled("tax_percent", tax_percent),
        )


def scaled(name: str, value: object) -> int:
    """Ct/kWh in ticks, or percent in ppm: both are 10,000 to one."""
    number = exact(name, value) * _TICKS_PER_CT
    if number.denominator != 1:
        raise SettlementError(f"{name} = {value} lies between two ticks; give at most four decimals")
    return number.numerator


def exact(name: str, value: object) -> Fraction:
    """Text, an integer or a Decimal as the number that it is."""
    if isinstance(value, bool | float) or not isinstance(value, str | int | Decimal):
        raise SettlementError(f"{name} = {value!r} is a {type(value).__name__}; give text, an int or a Decimal")
    try:
        number = Decimal(value)
        if number and not -_DIGITS_MAX < number.adjusted() < _DIGITS_MAX:
            # as a fraction it would have as many digits as its exponent says
            raise SettlementError(f"{name} = {value} is out of range; give at most {_DIGITS_MAX} digits")
        return Fraction(number)
    except (InvalidOperation, ValueError, OverflowError) as error:
        if isinstance(error, SettlementError):
            raise
        raise SettlementError(f"{name} = {value!r} is no number") from error
