"""Scales: what one tick of price and one lot of quantity are.

Inside, a price is an integer number of ticks, a quantity an integer number of lots, and money is ticks x lots. The
default tick is 10**-6 currency per kWh and the default lot 1 Wh, so that money comes out in 10**-9 currency.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from fastclear.errors import SchemaError

TICKS_PER_PRICE_UNIT: Final[dict[str, int]] = {
    "tick": 1,
    "cur/kWh": 1_000_000,
    "EUR/kWh": 1_000_000,
    "ct/kWh": 10_000,
    "EUR/MWh": 1_000,
}
"""Price units that a column may be in, and the ticks in one of each."""

LOTS_PER_QUANTITY_UNIT: Final[dict[str, int]] = {"lot": 1, "Wh": 1, "kWh": 1_000, "MWh": 1_000_000}
"""Quantity units that a column may be in, and the lots in one of each."""


@dataclass(frozen=True, slots=True)
class Units:
    """The units that price and quantity columns are given in.

    Parameters
    ----------
    price : str
        ``"tick"`` (the default: 10**-6 currency per kWh), ``"ct/kWh"``, ``"EUR/kWh"``, ``"cur/kWh"`` or ``"EUR/MWh"``.
    quantity : str
        ``"lot"`` (the default: 1 Wh), ``"Wh"``, ``"kWh"`` or ``"MWh"``.
    rounding : {"refuse", "nearest"}
        What happens to a value between two ticks or lots: its order is refused (the default, reject code
        ``price_off_grid`` or ``quantity_off_grid``), or it is rounded to the nearest, a half to the even one.

    Raises
    ------
    SchemaError
        A name that is not in the lists above.

    Examples
    --------
    >>> import fastclear as fc
    >>> units = fc.Units(price="ct/kWh", quantity="kWh")
    >>> orders = {"side": ["buy", "sell"], "price": [30.5, 10.0], "quantity": [1.25, 2.0]}
    >>> fc.clear(orders, fc.Uniform(), units=units).filled
    array([1250, 1250])
    """

    price: str = "tick"
    quantity: str = "lot"
    rounding: Literal["refuse", "nearest"] = "refuse"

    def __post_init__(self) -> None:
        for name, value, known in (
            ("price", self.price, TICKS_PER_PRICE_UNIT),
            ("quantity", self.quantity, LOTS_PER_QUANTITY_UNIT),
        ):
            if not isinstance(value, str) or value not in known:
                raise SchemaError(f"Units({name}={value!r}) is unknown; use one of {', '.join(known)}")
        if self.rounding not in ("refuse", "nearest"):
            raise SchemaError(f"Units(rounding={self.rounding!r}) is unknown; use 'refuse' or 'nearest'")

    @property
    def ticks(self) -> int:
        """Ticks in one unit of the price column."""
        return TICKS_PER_PRICE_UNIT[self.price]

    @property
    def lots(self) -> int:
        """Lots in one unit of the quantity column."""
        return LOTS_PER_QUANTITY_UNIT[self.quantity]
