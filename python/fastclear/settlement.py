"""Settlement: accounts, reservations before the market, postings after it.

A :class:`Settlement` is a bank. Before a gate it sets money aside for every bid (:meth:`Settlement.reserve`);
after it, it draws what the trades cost, pays everybody, and prices what was metered but not traded
(:meth:`Settlement.settle`). What it hands out are postings (:class:`~fastclear.receipts.Receipts`), the only
thing that ever changes an account.

Money is an integer number of nano-currency (10**-9), price ticks times Wh. ``docs/3_settlement.md`` has the
rules.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Protocol, cast, runtime_checkable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear import _core
from fastclear.amounts import trade_amounts
from fastclear.columns import INT64_MAX, Participant, checked_name, int64, items, plain, single, whole
from fastclear.errors import SettlementError
from fastclear.imbalance import OWNERS, Backup, Imbalance, encoded
from fastclear.orders import Orders, encode
from fastclear.receipts import MONEY, Receipts, participant_series, read_only
from fastclear.tariff import Tariff
from fastclear.units import Units

_ClearedColumns = tuple[
    NDArray[np.uint8],
    NDArray[np.uint64],
    NDArray[np.uint64],
    NDArray[np.uint64],
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.int64],
    tuple[NDArray[np.int64], NDArray[np.int64], int, bool, int],
]
PRICE_MAX: Final = 2**31 - 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HOUSE: Final = dict(_core.HOUSE_ACCOUNTS)


@runtime_checkable
class Cleared(Protocol):
    """What :meth:`Settlement.settle` reads of a clearing; :class:`fastclear.Clearing` is one."""

    @property
    def orders(self) -> Orders:
        """The orders that were cleared."""

    @property
    def trade_columns(self) -> Mapping[str, NDArray[Any]]:
        """``buy_row``, ``sell_row``, ``quantity``, ``buy_price``, ``sell_price``: one row a trade.

        ``buy_amount`` and ``sell_amount`` too where money is not price x quantity; it is over ``den`` where the
        clearing has one, and ``mechanism.deficit_to`` says who makes up for what buyers do not pay.
        """


class Settlement:
    """The accounts of a community, and what happens to them slot by slot.

    Parameters
    ----------
    profile : {"prepaid"}
        ``"prepaid"``: a member can bid for what its balance and credit limit cover, and no more; every slot
        is final.
    tariff : Tariff
        Retail and feed-in price, fees and tax.
    imbalance : Backup, SinglePrice or DualPrice, default Backup()
        What a deviation between metered and traded energy costs.

    Raises
    ------
    SettlementError
        An unknown profile, or a tariff or policy of another type.

    Notes
    -----
    State is a fold over postings. Every call either does all it says or raises and changes nothing. Available
    money is ``posted + limit - pending_out``; only metering may take it below zero, because energy that has
    flowed must be paid; then the member is ``restricted`` and every bid is refused until a deposit lifts it
    to zero again. Reserving and settling a slot of 60 members costs about 0.2 ms; text ids cost a little more
    than integers.

    Examples
    --------
    >>> import fastclear as fc
    >>> bank = fc.Settlement(tariff=fc.Tariff.from_ct_per_kwh(30, 5))
    >>> bank.open(["Ada", "Bo"])
    >>> bank.deposit("Ada", 1_000_000_000)  # one currency unit
    >>> orders = {
    ...     "side": ["buy", "sell"],
    ...     "price": [200_000, 100_000],
    ...     "quantity": [1000, 1000],
    ...     "participant": ["Ada", "Bo"],
    ... }
    >>> bank.reserve(orders)
    array([0, 0], dtype=uint16)
    >>> receipts = bank.settle(fc.clear(orders, fc.Uniform()), {"participant": ["Ada"], "energy_wh": [1000]})
    >>> receipts.by_participant()["net"].to_list()
    [150000000, -150000000]
    """

    def __init__(self, profile: str = "prepaid", *, tariff: Tariff, imbalance: Imbalance | None = None) -> None:
        if profile != "prepaid":
            raise SettlementError(f"profile {profile!r} is unknown; use 'prepaid'")
        if not isinstance(tariff, Tariff):
            raise SettlementError(f"tariff is a {type(tariff).__name__}; give a fc.Tariff")
        self.profile = profile
        self.tariff = tariff
        self.imbalance = Backup() if imbalance is None else imbalance
        rates = (tariff.retail, tariff.feed_in, tariff.platform_fee, tariff.network_fee, tariff.tax_ppm)
        self._bank = _core.Bank(rates, *encoded(self.imbalance))
        self._accounts: dict[Participant, int] = {}
        self._names: list[Participant] = []
        self._int_keys = np.empty(0, np.int64)
        self._int_accounts = np.empty(0, np.uint64)
        self._settled: dict[int, weakref.ref[Cleared]] = {}
        self._last: Receipts | None = None

    def __copy__(self) -> Settlement:
        """Return a bank of its own with the same accounts, reservations and untaken postings."""
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin._bank = self._bank.copy()
        twin._accounts, twin._names = copy(self._accounts), copy(self._names)
        twin._settled = {}
        twin._remember([clearing for ref in list(self._settled.values()) if (clearing := ref()) is not None])
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> Settlement:
        """Return what :func:`copy.copy` does: nothing is shared."""
        return self.__copy__()

    def __reduce__(self) -> Any:
        """Refuse to be pickled: the postings are what a bank is kept by."""
        raise SettlementError("a bank cannot be pickled; keep its receipts (a ledger does), or copy.copy() the bank")

    # -- accounts
    # ----------------------------------------------------------------------------------------------

    def open(self, participants: Participant | Iterable[Participant], limit: int = 0) -> None:
        """Open one account a participant.

        Parameters
        ----------
        participants : str, int, or an iterable of them
            Names; text and integers may be mixed, and ``1`` is not ``"1"``.
        limit : int, default 0
            Credit below zero that each of them has, in nano-currency.

        Raises
        ------
        SettlementError
            A name that is open already or given twice, a negative limit, or one that does not fit 64 bits; then no
            account is opened.
        """
        names = [checked_name(name) for name in items(participants)]
        seen: set[Participant] = set()
        for name in names:
            if name in self._accounts or name in seen:
                raise SettlementError(f"participant {name!r} is open already; open each one once")
            seen.add(name)
        first = self._bank.open([str(name) for name in names], whole("limit", limit))
        self._accounts.update((name, first + index) for index, name in enumerate(names))
        self._names.extend(names)
        integers = sorted((name, account) for name, account in self._accounts.items() if isinstance(name, int))
        self._int_keys = np.array([name for name, _ in integers], np.int64)
        self._int_accounts = np.array([account for _, account in integers], np.uint64)

    def set_limit(self, participant: Participant, limit: int) -> None:
        """Set the credit limit of one participant, in nano-currency.

        Raises
        ------
        SettlementError
            A stranger, a negative limit, or one that does not fit 64 bits.
        """
        self._bank.set_limit(self.account(participant), whole("limit", limit))

    def deposit(self, participant: Participant | Iterable[Participant], amount: int | Iterable[int]) -> None:
        """Bring money in.

        Parameters
        ----------
        participant : str, int, or an iterable of them
            Whose.
        amount : int, or an iterable of them
            Nano-currency, 0 or more: one a participant, or one number for each of them. A list of one amount is for
            one participant.

        Raises
        ------
        SettlementError
            A stranger, a negative amount, a float, or columns of different lengths; then nothing is
            deposited.
        """
        self._bank.deposit(*self._money(participant, amount))

    def withdraw(self, participant: Participant | Iterable[Participant], amount: int | Iterable[int]) -> None:
        """Pay money out: at most what is posted and not reserved, never credit.

        Parameters as in :meth:`deposit`.

        Raises
        ------
        SettlementError
            As in :meth:`deposit`, and more than is free; then nothing is paid out.
        """
        self._bank.withdraw(*self._money(participant, amount))

    def account(self, participant: Participant) -> int:
        """Return the account id of ``participant``.

        Raises
        ------
        SettlementError
            A stranger.
        """
        account = self._accounts.get(checked_name(participant))
        if account is None:
            raise _stranger(participant)
        return account

    def available(self, participant: Participant) -> int:
        """Nano-currency that ``participant`` may still reserve: ``posted + limit - pending_out``."""
        return cast("int", self._bank.available(self.account(participant)))

    def advance(self, time: int | datetime) -> None:
        """Move the engine clock, which stamps postings, forward to ``time``.

        The bank has no clock of its own: without this call postings are stamped 0, 1, 2, … ns. The clock never goes
        back; where the postings since the last call, 1 ns each, have passed ``time``, nothing changes.

        Parameters
        ----------
        time : int or datetime
            Nanoseconds since 1970 UTC, or a datetime with a time zone.

        Raises
        ------
        SettlementError
            A negative time, one before that of the last call, or a datetime without a time zone.
        """
        if isinstance(time, datetime):
            if time.tzinfo is None:
                raise SettlementError("time has no time zone; say which, for example tz=datetime.UTC")
            time = (time - _EPOCH) // timedelta(microseconds=1) * 1000
        if not 0 <= (value := whole("time", time)) <= INT64_MAX:
            raise SettlementError(f"time {value} is not between 0 and 2^63 ns")
        self._bank.advance(value)

    # -- a slot
    # ------------------------------------------------------------------------------------------------

    def reserve(self, orders: object, *, units: Units | None = None) -> NDArray[np.uint16]:
        """Set money aside for every bid, in row order.

        A bid is covered at its worst case: (price + fees) x quantity and the tax on it; a market order at the
        largest price there is, so that only a very rich member can place one. Asks need no cover.
        Reservations are found again by (participant, market, order): give orders ids that are unique among
        what a member has open.

        Parameters
        ----------
        orders : frame or mapping of columns, or Orders
            As in :func:`fastclear.clear`, with ``participant``.
        units : Units, optional
            As in :func:`fastclear.clear`.

        Returns
        -------
        ndarray of uint16, shape (n,)
            0 where the order may go to the market, else a :class:`fastclear.RejectReason`; asks are always 0.

        Raises
        ------
        SettlementError
            An order of a stranger, or orders without ``participant``; then nothing is reserved.
        SchemaError
            Columns that cannot be read.
        """
        encoded = encode(orders, units)
        n = encoded.n
        side = np.ascontiguousarray(encoded.side)
        price = np.ascontiguousarray(encoded.price, np.int64)
        if encoded.is_market_order is not None:
            price = np.where(encoded.is_market_order == 1, PRICE_MAX, price)
        if encoded.refused is None:
            codes = np.zeros(n, np.uint16)
        else:
            codes = np.where(side == 0, 0, encoded.refused).astype(np.uint16)
        return read_only(
            self._bank.reserve(
                side,
                price,
                np.ascontiguousarray(encoded.quantity, np.int64),
                self._of_orders(encoded),
                _ids(encoded, "market"),
                _ids(encoded, "order"),
                codes,
            )
        )

    def settle(self, clearing: Cleared | Sequence[Cleared], meter: object = None) -> Receipts:
        """Settle one slot.

        Reservations of the orders in ``clearing`` are drawn or released, each trade is paid, then each meter
        reading is compared with what its member bought and sold: energy beyond the contract is bought at
        retail, energy left over is sold at feed-in.

        Parameters
        ----------
        clearing : Clearing or sequence of them
            Everything that was cleared for the slot. Each with trades can be settled once; what is cleared again
            from the same orders counts as another.
        meter : frame or mapping of columns, optional
            ``participant`` and ``energy_wh`` (integer, net: + consumption, - generation). A member without a
            row has no reading and no imbalance line; zero is never assumed.

        Returns
        -------
        Receipts
            Every posting since the last receipts.

        Raises
        ------
        SettlementError
            A stranger, a clearing that was settled already, two readings of one member, a reading that is no integer,
            or a buyer whose cover does not reach; then nothing has happened.
        """
        clearings = clearing if isinstance(clearing, Sequence) else [clearing]
        columns = [self._cleared(item) for item in clearings]
        self._check_new(clearings)
        accounts, energy = self._metered(meter)
        self._bank.settle(columns, accounts, energy)
        self._remember(clearings)
        return self.receipts()

    def receipts(self) -> Receipts:
        """Every posting since the last receipts (those of :meth:`settle` included)."""
        self._last = Receipts(self._bank.take(), self)
        return self._last

    @property
    def last_receipts(self) -> Receipts | None:
        """What :meth:`settle` or :meth:`receipts` handed out last, None before the first time.

        The bank goes on whether or not its postings are sealed. Where :meth:`fastclear.Ledger.seal` has failed, these
        are what it has to be given again.
        """
        return self._last

    def close_cycle(self) -> pl.DataFrame:
        """End a settlement cycle: recount everything, and say what each account gained.

        Under ``prepaid`` every slot is final, so no money moves. Open reservations stay open.

        Returns
        -------
        DataFrame
            One row an account: ``account``, ``participant``, ``role``, ``opening``, ``deposited`` (less
            withdrawals),
            ``net`` (sums to 0), ``closing``; money in nano-currency, Decimal(38, 0).
        """
        lines = self._bank.close_cycle()
        accounts, *money = zip(*lines, strict=True)
        names = ("opening", "deposited", "net", "closing")
        return pl.DataFrame(
            [
                *self._who(accounts),
                *(_decimal(name, values) for name, values in zip(names, money, strict=True)),
            ]
        )

    @property
    def balances(self) -> pl.DataFrame:
        """One row an account, ascending id.

        ``account`` (UInt64), ``participant`` (null for house accounts), ``role`` (``member`` or the house
        account's name), ``posted``, ``pending_out``, ``pending_in``, ``available``, ``limit`` (nano-currency,
        Decimal(38, 0)),
        ``status`` (``active``, ``restricted``; null for house accounts).
        """
        accounts, *money, _version = zip(*self._bank.balances(), strict=True)
        names = ("posted", "pending_out", "pending_in", "available", "limit")
        frame = pl.DataFrame(
            [
                *self._who(accounts),
                *(_decimal(name, values) for name, values in zip(names, money, strict=True)),
            ]
        )
        status = pl.when(pl.col("available") < 0).then(pl.lit("restricted")).otherwise(pl.lit("active"))
        return frame.with_columns(pl.when(pl.col("role") == "member").then(status).alias("status"))

    @property
    def status(self) -> dict[Participant, str]:
        """``"active"`` or ``"restricted"`` (available below zero: bids are refused) for each participant."""
        rows = self._bank.balances()
        return {
            name: "restricted" if row[4] < 0 else "active"
            for name, row in zip(self._names, rows[len(_HOUSE) :], strict=True)
        }

    def __repr__(self) -> str:
        """Say how many accounts there are and how they stand."""
        restricted = sum(status == "restricted" for status in self.status.values())
        return f"Settlement(profile={self.profile!r}, members={len(self._names)}, restricted={restricted})"

    # -- names
    # -------------------------------------------------------------------------------------------------

    def names(self, accounts: Iterable[int]) -> list[Participant | None]:
        """Participants of these account ids; None for house accounts."""
        first, names = _core.FIRST_MEMBER, self._names
        return [names[account - first] if first <= account < first + len(names) else None for account in accounts]

    def pseudonyms(self, orders: Orders) -> NDArray[np.uint64]:
        """Account id of each order, shape (n,); 0 where the participant is none of this bank's."""
        if orders.participant is None:
            return np.zeros(orders.n, np.uint64)
        texts = orders.texts.get("participant")
        if texts is None:
            return self._of_integers(orders.participant)
        get = self._accounts.get
        table = np.array([get(text, 0) for text in texts.to_list()], np.uint64)
        return table[orders.participant]

    def _of_orders(self, orders: Orders) -> NDArray[np.uint64]:
        """:meth:`pseudonyms`, but a stranger raises."""
        if orders.participant is None and orders.n:
            raise SettlementError("orders have no column 'participant'; say whose each order is")
        accounts = self.pseudonyms(orders)
        if not accounts.all():
            strange = accounts == 0
            if orders.refused is not None:
                strange &= orders.refused == 0  # an order without a participant is refused, not a stranger's
            if strange.any():
                row = int(strange.argmax())
                raise _stranger(orders.names("participant", cast("Any", orders.participant)[row : row + 1])[0])
        return accounts

    def _of_integers(self, column: NDArray[Any]) -> NDArray[np.uint64]:
        keys = self._int_keys
        if not len(keys):
            return np.zeros(len(column), np.uint64)
        index = np.minimum(np.searchsorted(keys, column), len(keys) - 1)
        return np.where(keys[index] == column, self._int_accounts[index], np.uint64(0))

    def _of_names(self, names: object) -> NDArray[np.uint64]:
        """Accounts of a column of participants."""
        if isinstance(names, np.ndarray) and names.dtype.kind == "i":
            accounts = self._of_integers(names)
            if not accounts.all():
                raise _stranger(names[int((accounts == 0).argmax())].item())
            return accounts
        get = self._accounts.get
        listed = names if isinstance(names, list) else [plain(name) for name in cast("Iterable[Any]", names)]
        found = [get(name) for name in listed]
        if None in found:
            row = found.index(None)
            if listed[row] is None:
                raise SettlementError(f"column 'participant', row {row} is null; name the member")
            raise _stranger(listed[row])
        return np.array(found, np.uint64)

    def _who(self, accounts: Sequence[int]) -> list[pl.Series]:
        names = self.names(accounts)
        return [
            pl.Series("account", accounts, dtype=pl.UInt64),
            participant_series(names),
            pl.Series("role", [_HOUSE.get(account, "member") for account in accounts]),
        ]

    # -- columns
    # -----------------------------------------------------------------------------------------------

    def _money(self, participant: object, amount: object) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        accounts = self._of_names([checked_name(name) for name in items(participant)])
        amounts = int64("amount", items(amount))
        if single(amount):
            amounts = np.repeat(amounts, len(accounts))
        if len(amounts) != len(accounts):
            raise SettlementError(f"{len(accounts)} participants and {len(amounts)} amounts; give one each")
        return accounts, amounts

    def _check_new(self, clearings: Sequence[Cleared]) -> None:
        """Refuse a clearing with trades that was settled before, in this call or an earlier one: the object itself."""
        seen: dict[int, int] = {}
        for index, clearing in enumerate(clearings):
            if not len(clearing.trade_columns["quantity"]):
                continue
            known = self._settled.get(id(clearing))
            if id(clearing) in seen:
                raise SettlementError(
                    f"clearing {index} {_described(clearing)} is clearing {seen[id(clearing)]} once more; "
                    "settle each clearing once"
                )
            if known is not None and known() is clearing:
                raise SettlementError(
                    f"clearing {index} {_described(clearing)} has been settled already; settle each clearing once"
                )
            seen[id(clearing)] = index

    def _remember(self, clearings: Iterable[Cleared]) -> None:
        """Keep in mind that these are settled, for as long as they live."""
        settled = self._settled
        for clearing in clearings:
            key = id(clearing)
            try:
                settled[key] = weakref.ref(clearing, _forget(settled, key))
            except TypeError:  # an object of another kind that cannot be watched
                settled.pop(key, None)

    def _cleared(self, clearing: Cleared) -> _ClearedColumns:
        if not isinstance(clearing, Cleared):
            raise SettlementError(f"{type(clearing).__name__} is no clearing; give what fc.clear returned")
        orders, trades, money = clearing.orders, clearing.trade_columns, trade_amounts(clearing)
        deficit_to = getattr(getattr(clearing, "mechanism", None), "deficit_to", "platform")
        if deficit_to not in OWNERS:
            raise SettlementError(f"deficit_to={deficit_to!r} is no account; use 'platform', 'dso' or 'backstop'")

        def column(name: str) -> NDArray[np.int64]:
            return np.ascontiguousarray(trades[name], np.int64)

        return (
            np.ascontiguousarray(orders.side, np.uint8),
            self._of_orders(orders),
            _ids(orders, "market"),
            _ids(orders, "order"),
            column("buy_row"),
            column("sell_row"),
            column("quantity"),
            money.buy_price,
            money.sell_price,
            (money.buy_amount, money.sell_amount, money.den, money.per_unit, OWNERS[deficit_to]),
        )

    def _metered(self, meter: object) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        if meter is None:
            return np.empty(0, np.uint64), np.empty(0, np.int64)
        if not isinstance(meter, Mapping | pl.DataFrame) and not hasattr(meter, "iloc"):
            if not hasattr(meter, "__arrow_c_stream__"):
                raise SettlementError(f"meter is a {type(meter).__name__}; give a frame with participant and energy_wh")
            meter = pl.DataFrame(cast("Any", meter))
        columns = cast("Mapping[str, Any]", meter)
        for name in ("participant", "energy_wh"):
            if name not in columns:
                raise SettlementError(f"meter has no column '{name}'; give participant and energy_wh")
        names = columns["participant"]
        if isinstance(names, pl.Series):
            names = names.to_list()
        return self._of_names(names), int64("energy_wh", columns["energy_wh"])


def _forget(settled: dict[int, weakref.ref[Cleared]], key: int) -> Callable[[object], None]:
    """What to do when a clearing that was settled is gone: another object may get its number."""

    def forget(_: object) -> None:
        settled.pop(key, None)

    return forget


def _described(clearing: Cleared) -> str:
    """Which clearing it is: its markets and its size."""
    markets = [0] if clearing.orders.market is None else np.unique(clearing.orders.market).tolist()
    named = clearing.orders.names("market", np.array(markets[:3], np.int64)).to_list()
    listed = ", ".join(str(name) for name in named) + (", …" if len(markets) > 3 else "")
    trades = len(clearing.trade_columns["quantity"])
    return f"({clearing.orders.n} orders and {trades} trades in market {listed})"


def _stranger(name: object) -> SettlementError:
    return SettlementError(f"participant {name!r} has no account; open it first")


def _ids(orders: Orders, column: str) -> NDArray[np.uint64]:
    """Ids that mean the same in every slot: integers in two's complement, text by its hash."""
    ids = getattr(orders, column)
    if ids is None:  # one market; the row is the order's id
        return np.zeros(orders.n, np.uint64) if column == "market" else np.arange(orders.n, dtype=np.uint64)
    texts = orders.texts.get(column)
    if texts is None:
        return cast("NDArray[np.uint64]", np.ascontiguousarray(ids, np.int64).view(np.uint64))
    table = np.array([_core.text_id(text) for text in texts.to_list()], np.uint64)
    return cast("NDArray[np.uint64]", table[ids])


def _decimal(name: str, values: Iterable[int]) -> pl.Series:
    return pl.Series(name, [Decimal(value) for value in values], dtype=MONEY)
