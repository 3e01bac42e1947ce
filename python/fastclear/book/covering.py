"""What participants of a book may have at stake: money, energy on offer, positions."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, Protocol, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear import _core
from fastclear.book.names import NULL, Names, nulled
from fastclear.columns import INT64_MAX
from fastclear.errors import SchemaError
from fastclear.orders.column import array_or_series
from fastclear.orders.frames import items

_LIMITS: Final = ("money", "energy", "position")
_MONEY: Final = pl.Decimal(38, 0)


class _Tariff(Protocol):
    """What of a :class:`fastclear.Tariff` is read."""

    @property
    def platform_fee(self) -> int: ...
    @property
    def network_fee(self) -> int: ...
    @property
    def tax_ppm(self) -> int: ...


class Covering:
    """The part of a book that knows who is covered."""

    _core: _core.OrderBook
    _names: dict[str, Names]

    def set_cover(self, cover: object, *, tariff: _Tariff | None = None, settled: bool = False) -> None:
        """Say what participants may have at stake; orders beyond it are rejected (``credit_exceeded``).

        From the first call on, an order of somebody who has no row in any of them is rejected, and so is an order that
        is nobody's. Limits that were set stay until they are set anew.

        Parameters
        ----------
        cover : frame or mapping of columns, or mapping of participants to money
            ``participant``; ``money`` (nano-currency: what it may have in open bids and pay for what it bought, in all
            markets together), ``energy`` (lots that it may have in open asks and sell, in each market), ``position``
            (lots that it could come to have bought more than sold, or sold more than bought, in each market, if all its
            open orders of that side traded). Null, or no such column, is no limit. A column ``market`` says that
            ``energy`` and ``position`` of a row hold in that market, before those of the row without a market.
        tariff : Tariff, optional
            Whose fees and tax a trade costs beside its price; by default none. Of all orders, also those that rest.
        settled : bool, default False
            Whether what traded so far has been settled: then it counts no more, for anybody.

        Raises
        ------
        SchemaError
            Columns that cannot be read, money that is no integer or below 0, a book that had orders before and was not
            made with ``settles=True``: then nothing is set.

        Notes
        -----
        A bid is covered at its limit and, under a tariff, fees and the tax on both, rounded up for each lot: never less
        than :meth:`fastclear.Settlement.reserve` sets aside where all is taxed at one rate. An ask is covered at its
        limit where that is below zero. An order without a worst price is covered at the worst there is: give market
        orders and pegs a ``price``. What traded counts at the price of the trade, so that a fill at a better price, a
        cancel, an expiry or a smaller replacement give back exactly what is no longer needed. Nothing that was received
        counts before it is settled. An order or replacement that needs no more than there was before is let in.
        A book without a cover pays nothing for it; docs/2c has what one with a cover pays.

        Examples
        --------
        >>> import fastclear as fc
        >>> import polars as pl
        >>> book = fc.OrderBook()
        >>> book.set_cover({"participant": ["ann", "bob"], "money": [105, None], "energy": [0, 6]})
        >>> orders = {"participant": ["bob", "bob", "ann", "ann"], "side": ["sell", "sell", "buy", "buy"],
        ...           "price": [20, 21, 25, 25], "quantity": [4, 3, 4, 1]}
        >>> [fc.RejectReason(code).name if code else None for code in book.submit(orders).reject]
        [None, 'CREDIT_EXCEEDED', None, None]
        >>> book.cover.select("participant", pl.exclude("participant").cast(int)).rows()  # 4 at 20, and 1 at 25 open
        [('ann', 105, 25, 80), ('bob', None, 0, 0)]
        """
        columns = _columns(cover)
        names = self._names
        if "participant" not in columns:
            raise SchemaError("column 'participant' of a cover is missing", column="participant")
        rows = len(columns["participant"])
        for name, column in columns.items():
            if len(column) != rows:
                raise SchemaError(
                    f"column '{name}' has {len(column)} rows and 'participant' has {rows}; give columns of one length",
                    column=name,
                )
        money, energy, position = (_limit(columns.get(name), name, rows) for name in _LIMITS)
        kinds = {name: names[name].kind for name in ("participant", "market")}
        try:
            participants = names["participant"].encode(columns["participant"], add=True)
            markets = np.full(rows, NULL)
            if "market" in columns:
                markets = names["market"].encode(columns["market"], add=True)
            _check_rows(participants, markets, money)
            fee, tax = (0, 0) if tariff is None else _charges(tariff)
            self._core.set_cover(participants, markets, money, energy, position, fee, tax, settled)
        except SchemaError:
            for name, kind in kinds.items():
                names[name].kind = kind
            raise

    @property
    def cover(self) -> pl.DataFrame | None:
        """Money of every participant: ``participant``, ``money``, ``at_stake``, ``paid``; None without a cover.

        Nano-currency, Decimal(38, 0); ``money`` is null where there is no limit, 0 of somebody who is let in no more.
        ``at_stake`` is in open orders, ``paid`` is for what was traded since the last ``set_cover(settled=True)``.
        """
        found = self._core.cover()
        if found is None:
            return None
        columns = found[0]
        money = [
            nulled(pl.Series(name, columns[name]), columns[name] == NULL).cast(_MONEY)
            for name in ("money", "at_stake", "paid")
        ]
        return pl.DataFrame([self._names["participant"].series("participant", columns["participant"]), *money])

    @property
    def positions(self) -> pl.DataFrame | None:
        """Lots of every participant in every market where it has any; None without a cover.

        ``participant``, ``market``, ``buying``, ``selling`` (open), ``bought``, ``sold`` (since the last
        ``set_cover(settled=True)``).
        """
        found = self._core.cover()
        if found is None:
            return None
        columns = found[1]
        names = [self._names[name].series(name, columns[name]) for name in ("participant", "market")]
        return pl.DataFrame(
            [*names, *(pl.Series(name, columns[name]) for name in ("buying", "selling", "bought", "sold"))]
        )


def _check_rows(participants: NDArray[np.int64], markets: NDArray[np.int64], money: NDArray[np.int64]) -> None:
    nobodys = participants == NULL
    if nobodys.any():
        row = int(nobodys.argmax())
        raise SchemaError(f"column 'participant', row {row} is null; name who is covered", column="participant")
    astray = (markets != NULL) & (money != NULL)
    if astray.any():
        row = int(astray.argmax())
        raise SchemaError(
            f"column 'money', row {row}: money is for all markets together; leave the row's 'market' null",
            column="money",
        )


def _columns(cover: object) -> dict[str, Any]:
    """A cover by column; a mapping whose keys are participants has money as its values."""
    if isinstance(cover, Mapping) and "participant" not in cover:
        if not all(value is None or isinstance(value, int | np.integer | Decimal) for value in cover.values()):
            raise SchemaError(
                "a cover is a frame with a column 'participant', or a mapping of participants to nano-currency",
                column="participant",
            )
        return {
            "participant": array_or_series("participant", list(cover)),
            "money": pl.Series("money", list(cover.values()), dtype=_MONEY),
        }
    known = {"participant", "market", *_LIMITS}
    columns = {name: array_or_series(name, column) for name, column in items(cover, "cover")}
    for name in columns:
        if name not in known:
            raise SchemaError(f"column '{name}' is none of a cover's: {', '.join(sorted(known))}", column=name)
    return columns


def _limit(column: Any, name: str, rows: int) -> NDArray[np.int64]:
    """Whole numbers of 0 or more, null as :data:`NULL`; beyond 64 bits as good as the largest."""
    if column is None:
        return np.full(rows, NULL)
    series = column if isinstance(column, pl.Series) else pl.Series(name, column)
    if series.dtype == pl.Null:
        return np.full(rows, NULL)
    is_whole = series.dtype.is_integer() or (isinstance(series.dtype, pl.Decimal) and series.dtype.scale == 0)
    if not is_whole:
        raise SchemaError(f"column '{name}' is {series.dtype}; give whole numbers", column=name)
    wide = series.cast(_MONEY)
    below = (wide < 0).fill_null(value=False)
    if below.any():
        row = int(cast("int", below.arg_max()))
        raise SchemaError(f"column '{name}', row {row} is {wide[row]}; give 0 or more", column=name)
    capped = pl.select(pl.when(wide > INT64_MAX).then(INT64_MAX).otherwise(wide).cast(pl.Int64)).to_series()
    return np.ascontiguousarray(capped.fill_null(NULL).to_numpy())


def _charges(tariff: object) -> tuple[int, int]:
    values = [getattr(tariff, name, None) for name in ("platform_fee", "network_fee", "tax_ppm")]
    if not all(isinstance(value, int) for value in values):
        raise SchemaError(f"tariff is a {type(tariff).__name__}; give the fc.Tariff that the trades are settled under")
    platform, network, tax = cast("list[int]", values)
    return platform + network, tax
