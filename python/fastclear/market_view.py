"""One market of a clearing as small arrays, for what people read: explanations and curves.

Everything here comes from the public result and the orders; the core is not asked again for a market.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from fastclear.errors import SchemaError
from fastclear.units import Units

if TYPE_CHECKING:
    from fastclear.trades import Clearing

MoneyName = tuple[str, int]
_MONEY: Final[dict[str, MoneyName]] = {
    "tick": ("nano-currency", 1),
    "ct/kWh": ("ct", 10**7),
    "EUR/kWh": ("EUR", 10**9),
    "EUR/MWh": ("EUR", 10**9),
    "cur/kWh": ("currency", 10**9),
}
"""What money is called beside a unit of price, and the nano-currency in one of it."""
_SHOWN_IDS: Final = 5


def exact(value: int, scale: int = 1) -> str:
    """``value / scale`` as a decimal number, every digit of it; ``scale`` has no prime factors but 2 and 5.

    Examples
    --------
    >>> exact(41, 2), exact(-305_000, 10_000), exact(1_234_567)
    ('20.5', '-30.5', '1,234,567')
    """
    whole, rest = divmod(abs(value), scale)
    digits = ""
    while rest:
        digit, rest = divmod(rest * 10, scale)
        digits += str(digit)
    sign = "-" if value < 0 else ""
    return f"{sign}{whole:,}" + (f".{digits}" if digits else "")


class Wording:
    """Numbers in the units that the caller's orders were given in.

    Parameters
    ----------
    units : Units or None
        Those units; ticks and lots where the caller named none.
    den : int
        What every price and amount of the clearing is an integer over.
    """

    def __init__(self, units: Units | None, den: int) -> None:
        self.units = units or Units()
        self.den = den

    def bare_price(self, value: int, *, of_clearing: bool = False) -> str:
        """A price without its unit; ``of_clearing`` says that it is an integer over ``den``."""
        return exact(int(value), self.units.ticks * (self.den if of_clearing else 1))

    def price(self, value: int, *, of_clearing: bool = False) -> str:
        """A price with its unit."""
        text = self.bare_price(value, of_clearing=of_clearing)
        return f"{text} {_counted(text, self.units.price)}"

    def quantity(self, lots: int) -> str:
        """A quantity with its unit."""
        text = exact(int(lots), self.units.lots)
        return f"{text} {_counted(text, self.units.quantity)}"

    def bare_quantity(self, lots: int) -> str:
        """A quantity without its unit."""
        return exact(int(lots), self.units.lots)

    @property
    def unit_of_quantity(self) -> str:
        """What prices and quantities are counted by: ``lot``, ``kWh``, ..."""
        return self.units.quantity

    def money(self, amount: int) -> str:
        """Money with its unit; ``amount`` is an integer over ``den``."""
        name, nano = _MONEY[self.units.price]
        return f"{exact(int(amount), nano * self.den)} {name}"


def _counted(number: str, unit: str) -> str:
    """``ticks`` or ``tick``: only our own words have a plural."""
    return f"{unit}s" if unit in ("tick", "lot") and number not in ("1", "-1") else unit


def shown(name: object) -> str:
    """An id as people read it: text in quotes with control characters escaped, integers as they are."""
    return repr(name) if isinstance(name, str) else str(name)


def encoded(clearing: Clearing, column: str, name: object) -> int | None:
    """The integer that stands for an id of the caller's, or None where no order has it.

    Raises
    ------
    SchemaError
        ``name`` is not of the column's type.
    """
    texts = clearing.orders.texts.get(column)
    if isinstance(name, np.generic):
        name = name.item()
    if texts is not None:
        if not isinstance(name, str):
            raise SchemaError(f"{column}={name!r}: the ids are text; give '{name}'", column=column)
        at = int(texts.search_sorted(name)) if len(texts) else 0
        return at if at < len(texts) and texts[at] == name else None
    if isinstance(name, bool) or not isinstance(name, int):
        kind = "row numbers, since there is no column 'order'" if _rows_are_ids(clearing, column) else "integers"
        raise SchemaError(f"{column}={name!r}: the ids are {kind}; give an integer", column=column)
    return name


def _rows_are_ids(clearing: Clearing, column: str) -> bool:
    return column == "order" and clearing.orders.order is None


def market_names(clearing: Clearing, ids: NDArray[np.int64]) -> list[Any]:
    """Market ids as the caller wrote them."""
    return clearing.orders.names("market", ids).to_list()


def listed(names: list[Any]) -> str:
    """The first few ids of a list, and how many more there are."""
    text = ", ".join(shown(name) for name in names[:_SHOWN_IDS])
    return text if len(names) <= _SHOWN_IDS else f"{text}, and {len(names) - _SHOWN_IDS:,} more"


def market_index(clearing: Clearing, market: object) -> int:
    """The row of ``clearing.markets`` that ``market`` names; None names the only one.

    Raises
    ------
    SchemaError
        There is no such market, or there are several and none was named.
    """
    ids = clearing.market_columns["market"]
    if market is None:
        if len(ids) == 1:
            return 0
        if len(ids) == 0:
            raise SchemaError("the clearing has no market; clear at least one order", column="market")
        raise SchemaError(
            f"there are {len(ids):,} markets ({listed(market_names(clearing, ids))}); say which with market=...",
            column="market",
        )
    number = encoded(clearing, "market", market)
    at = int(np.searchsorted(ids, number)) if number is not None else len(ids)
    if at == len(ids) or ids[at] != number:
        raise SchemaError(
            f"market={market!r}: there is no such market; there is {listed(market_names(clearing, ids)) or 'none'}",
            column="market",
        )
    return at


@dataclass(eq=False)
class MarketView:
    """One market of a clearing.

    Parameters
    ----------
    clearing : Clearing
        The result.
    index : int
        Row of the market in ``clearing.markets``.
    """

    clearing: Clearing
    index: int

    def figure(self, name: str) -> int:
        """One figure of the market, from ``clearing.market_columns``."""
        return int(self.clearing.market_columns[name][self.index])

    def shown_figure(self, name: str) -> Any:
        """One figure of the market from ``clearing.markets``, None where it is null or there is no such column."""
        frame = self.clearing.markets
        return frame[name][self.index] if name in frame.columns else None

    def setting(self, name: str, default: Any = None) -> Any:
        """A parameter of the mechanism, or ``default`` where it has none of that name."""
        return getattr(self.clearing.mechanism, name, default)

    @property
    def fee(self) -> int:
        """Ticks a lot that a buyer pays on top, inside the clearing."""
        return int(self.setting("fee", 0))

    @property
    def volume(self) -> int:
        """Lots traded."""
        return self.figure("volume")

    @cached_property
    def name(self) -> Any:
        """The market's id as the caller wrote it."""
        return market_names(self.clearing, self.clearing.market_columns["market"][[self.index]])[0]

    @cached_property
    def rows(self) -> NDArray[np.intp]:
        """Rows of all orders in the market, refused ones too, ascending."""
        market = self.clearing.orders.market
        if market is None:
            return np.arange(self.clearing.orders.n)
        return np.flatnonzero(market == self.clearing.market_columns["market"][self.index])

    @cached_property
    def accepted(self) -> NDArray[np.intp]:
        """Rows of the accepted orders of the market, ascending."""
        accepted: NDArray[np.intp] = self.rows[self.clearing.reject[self.rows] == 0]
        return accepted

    def limits(self, rows: NDArray[np.intp]) -> NDArray[np.int64]:
        """Limits of accepted orders in ticks; a market order has the price at which it competes, before the fee."""
        orders = self.clearing.orders
        limits = orders.price[rows].astype(np.int64)
        if orders.is_market_order is None:
            return limits
        is_market = orders.is_market_order[rows] == 1
        if is_market.any():
            named = self.accepted[orders.is_market_order[self.accepted] == 0]
            low, high = self.setting("cap_low"), self.setting("cap_high")
            if low is None:
                low = int(orders.price[named].min())
            if high is None:
                high = int(orders.price[named].max())
            limits[is_market] = np.where(orders.side[rows[is_market]] == 1, high, low)
        return limits

    def competing(self, rows: NDArray[np.intp]) -> NDArray[np.int64]:
        """Prices at which accepted orders compete: the limit, for a bid less the fee."""
        competing: NDArray[np.int64] = self.limits(rows) - self.fee * (self.clearing.orders.side[rows] == 1)
        return competing

    def is_market_order(self, row: int) -> bool:
        """Whether the order names no price."""
        kinds = self.clearing.orders.is_market_order
        return kinds is not None and bool(kinds[row])

    @cached_property
    def block_of(self) -> NDArray[np.int64] | None:
        """Of a clearing with blocks: which block each row belongs to, below 0 for none."""
        given = getattr(self.clearing, "block_orders", None)
        block: NDArray[np.int64] | None = None if given is None else given.block
        return block

    def without_blocks(self, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """The rows that are no part of a block."""
        return rows if self.block_of is None else rows[self.block_of[rows] < 0]

    def _merit(self, *, buy: bool) -> NDArray[np.intp]:
        orders = self.clearing.orders
        rows = self.accepted[(orders.side[self.accepted] == 1) == buy]
        price = self.competing(rows)
        ids = rows if orders.order is None else orders.order[rows]
        time = np.zeros(len(rows), np.int64) if orders.time is None else orders.time[rows]
        merit: NDArray[np.intp] = rows[np.lexsort((ids, time, -price if buy else price))]
        if self.block_of is not None:  # accepted blocks are served first whatever their limits, the others never
            blocks = merit[self.block_of[merit] >= 0]
            merit = np.concatenate([blocks[self.filled(blocks) > 0], self.without_blocks(merit)])
        return merit

    @cached_property
    def bids(self) -> NDArray[np.intp]:
        """Rows of the accepted bids, dearest first, then time, then id."""
        return self._merit(buy=True)

    @cached_property
    def asks(self) -> NDArray[np.intp]:
        """Rows of the accepted asks, cheapest first, then time, then id."""
        return self._merit(buy=False)

    def quantity(self, rows: NDArray[np.intp]) -> NDArray[np.int64]:
        """Quantities in lots."""
        return self.clearing.orders.quantity[rows].astype(np.int64)

    def filled(self, rows: NDArray[np.intp]) -> NDArray[np.int64]:
        """Filled lots."""
        return self.clearing.filled[rows]

    def worst_served(self, *, buy: bool) -> int | None:
        """The competing price of the worst order that traded on a side: the lowest bid, the highest ask."""
        rows = self.without_blocks(self.bids if buy else self.asks)
        served = rows[self.filled(rows) > 0]
        if not len(served):
            return None
        prices = self.competing(served)
        return int(prices.min() if buy else prices.max())

    @cached_property
    def crossing(self) -> tuple[int, int, int]:
        """Lots that price priority would trade, and how many bids and asks take part in that (the last may be cut)."""
        bids, asks = self.bids, self.asks
        if not len(bids) or not len(asks):
            return 0, 0, 0
        demand, supply = np.cumsum(self.quantity(bids)), np.cumsum(self.quantity(asks))
        steps = np.union1d(demand, supply)
        steps = steps[steps <= min(demand[-1], supply[-1])]
        bid = self.competing(bids)[np.searchsorted(demand, steps)]
        ask = self.competing(asks)[np.searchsorted(supply, steps)]
        reached = steps[bid >= ask]
        if not len(reached):
            return 0, 0, 0
        volume = int(reached[-1])
        return volume, int(np.searchsorted(demand, volume)) + 1, int(np.searchsorted(supply, volume)) + 1

    def trades_of(self, row: int) -> dict[str, NDArray[Any]]:
        """The trades of one order: ``counter`` (row of the other order), ``quantity``, ``price`` of its own side."""
        columns = self.clearing.trade_columns
        buy = self.clearing.orders.side[row] == 1
        own, other = ("buy", "sell") if buy else ("sell", "buy")
        mine = np.flatnonzero(columns[f"{own}_row"] == row)
        return {
            "counter": columns[f"{other}_row"][mine],
            "quantity": columns["quantity"][mine],
            "price": columns[f"{own}_price"][mine],
        }
