"""The exchange itself: commands in, answers out, in memory or kept in a directory."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, TypeVar, cast
from uuid import UUID

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear import _core
from fastclear.auction.parameters import Mechanism
from fastclear.block import Block
from fastclear.clearing_columns import ids, meter_columns
from fastclear.columns import INT64_MAX, Participant, checked_name, items, whole
from fastclear.errors import ExchangeError, LedgerError, SchemaError, SettlementError
from fastclear.exchange.answers import Answer, GateResult, Submitted
from fastclear.exchange.blocks import ExchangeLedger
from fastclear.exchange.terms import Gate, terms_of
from fastclear.exchange.views import Views
from fastclear.imbalance import Imbalance
from fastclear.members import Members
from fastclear.netting import money as money_series
from fastclear.orders import Orders, encode
from fastclear.platforms import Preset
from fastclear.tariff import Tariff
from fastclear.tariffs.local_time import slot_ns
from fastclear.units import Units

Key = int | UUID | None
_AnswerT = TypeVar("_AnswerT", bound=Answer)
_REFUSALS: Final = {"settlement": SettlementError, "ledger": LedgerError}
_NONE: Final[dict[Any, NDArray[Any]]] = {
    dtype: np.empty(0, dtype) for dtype in (np.uint8, np.uint16, np.uint64, np.int64)
}


class Exchange(Views):
    """The whole house: accounts, a book a slot, clearing, settlement and a ledger, behind commands.

    This one lives in memory; :meth:`open` keeps one in a directory.

    Parameters
    ----------
    platform : str, Path or Preset, optional
        A platform of :func:`fastclear.platforms.platforms`, or a preset file: its auction, tariff and slots. Whatever
        is given beside it takes the place of the platform's. (Essential loads that a platform serves first are an
        order of service of :func:`fastclear.run`; here every order meets in the auction.)
    mechanism : mechanism or str, optional
        How a gate is cleared, such as ``fc.Discriminatory()`` or ``"assume"``; by default ``fc.Uniform()``. One that
        draws lots draws other ones in every slot: its seed is the given one + the slot, mod 2**64.
    tariff : Tariff, optional
        Needed unless a platform says it.
    imbalance : Backup, SinglePrice, DualPrice, Pooled or ShortfallAllocation, optional
        As in :class:`fastclear.Settlement`.
    gate : Gate, optional
        When orders are taken. Without one they are taken until :meth:`close_gate`.
    slot : int or timedelta, optional
        Length of a slot, a quarter of an hour by default; slots start at whole multiples of it since 1970 UTC.
    remember : int, default 10_000
        How many of the last commands with a ``key`` are remembered; see Notes.
    seed : int, optional
        Makes salts, and with them every block, repeatable: for simulations. Without it each block's salts are random.
    clock : {"manual", "wall"}, default "manual"
        Where engine time comes from: :meth:`advance`, or the machine.

    Raises
    ------
    ExchangeError, MechanismError, PresetError
        Terms that cannot be, or too few.

    Notes
    -----
    State is a fold over commands. A call does all it says or raises and changes nothing; of a batch of orders each has
    a code of its own. The worst case of a bid is set aside when it is taken, so every trade is paid for.

    Each command takes a ``key``, an integer below 2**128 or a :class:`uuid.UUID`: sent again under the same key it is
    not done again but answered again, and another command under that key is refused. That is how a caller whose answer
    was lost finds out what came of it.

    The terms never change. They are hashed into every block.

    Examples
    --------
    >>> import fastclear as fc
    >>> ex = fc.Exchange(tariff=fc.Tariff.from_ct_per_kwh(30, 5), seed=1)
    >>> _ = ex.open_accounts(["Ada", "Bo"])
    >>> _ = ex.deposit("Ada", 1_000_000_000)
    >>> orders = {
    ...     "side": ["buy", "sell"],
    ...     "price": [200_000, 100_000],
    ...     "quantity": [1000, 1000],
    ...     "participant": ["Ada", "Bo"],
    ... }
    >>> ex.submit(orders, slot=0)
    Submitted(2 accepted)
    >>> ex.close_gate(0).trades.select("buyer", "seller", "quantity", "buy_price").rows()
    [('Ada', 'Bo', 1000, 150000)]
    >>> _ = ex.meter({"participant": ["Ada", "Bo"], "energy_wh": [1000, -1000]}, slot=0)
    >>> ex.settle(0).receipts.by_participant()["net"].to_list()
    [150000000, -150000000]
    >>> block = ex.seal(0)
    >>> proof = ex.ledger.prove(block.height, 0)
    >>> fc.verify(proof.leaf, proof, block)
    True
    """

    def __init__(
        self,
        platform: str | Path | Preset | None = None,
        *,
        mechanism: Mechanism | str | None = None,
        tariff: Tariff | None = None,
        imbalance: Imbalance | None = None,
        gate: Gate | None = None,
        slot: int | timedelta | None = None,
        remember: int = 10_000,
        seed: int | None = None,
        clock: Literal["manual", "wall"] = "manual",
    ) -> None:
        terms = terms_of(
            platform,
            mechanism=mechanism,
            tariff=tariff,
            imbalance=imbalance,
            gate=gate,
            slot=slot,
            remember=remember,
        )
        if terms is None:
            raise ExchangeError(
                'an exchange needs terms; say a platform such as "brooklyn", or give a tariff and a mechanism'
            )
        self._begin(_core.House.in_memory(terms.core, _is_manual(clock)), seed)

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        platform: str | Path | Preset | None = None,
        *,
        mechanism: Mechanism | str | None = None,
        tariff: Tariff | None = None,
        imbalance: Imbalance | None = None,
        gate: Gate | None = None,
        slot: int | timedelta | None = None,
        remember: int = 10_000,
        seed: int | None = None,
        clock: Literal["manual", "wall"] = "wall",
        durability: Literal["sync", "none"] = "sync",
        segment_bytes: int = 64 << 20,
    ) -> Exchange:
        """Open the exchange in a directory, or begin one where there is none.

        Every command is journalled before it is done, and with ``durability="sync"`` it is on disk before it is
        answered: whatever happens to process or power, what was answered is there when the directory is opened again.
        Its blocks are in ``path/ledger``, which :func:`fastclear.verify_directory` and ``fastclear verify`` read.

        Parameters
        ----------
        path : path
            The directory of an exchange, an empty one, or one that does not exist yet.
        platform, mechanism, tariff, imbalance, gate, slot, remember, seed
            As for :class:`Exchange`. An exchange that is there keeps its terms: leave them out, or give the same.
        clock : {"wall", "manual"}, default "wall"
            As for :class:`Exchange`.
        durability : {"sync", "none"}, default "sync"
            ``"none"`` leaves writing to the operating system: for simulations.
        segment_bytes : int, default 64 MiB
            The journal grows in pieces of this size, each written before it is used. A command has to fit in one.

        Raises
        ------
        ExchangeError, MechanismError, PresetError
            Terms that cannot be.
        LedgerError
            The exchange that is there has other terms, or its ledger is not what its journal makes.
        StoreError
            The directory has other content, is open elsewhere, is damaged (file and offset are named), or holds no
            exchange and no terms were given.

        Notes
        -----
        The directory is for the operator alone: it has names, and what salts come from until the journal is cut. The
        ledger in it is what others may read.
        """
        if durability not in ("sync", "none"):
            raise ExchangeError(f"durability is {durability!r}; give 'sync' or 'none'")
        size = whole("segment_bytes", segment_bytes)
        if not 4096 <= size <= 1 << 40:
            raise ExchangeError(f"segment_bytes={segment_bytes}; give 4096 to 2^40")
        terms = terms_of(
            platform,
            mechanism=mechanism,
            tariff=tariff,
            imbalance=imbalance,
            gate=gate,
            slot=slot,
            remember=remember,
        )
        exchange = cls.__new__(cls)
        core = None if terms is None else terms.core
        house = _core.House.open(os.fspath(path), core, durability == "sync", _is_manual(clock), size)
        exchange._begin(house, seed, str(Path(os.fspath(path), "ledger")))
        return exchange

    def _begin(self, house: _core.House, seed: int | None, folder: str | None = None) -> None:
        if seed is not None and not 0 <= whole("seed", seed) < 2**63:
            raise ExchangeError(f"seed={seed}; give a whole number from 0 to 2^63-1")
        self._house = house
        self._seed = seed
        self._members = Members()
        self._members.add(list(house.names), _core.FIRST_MEMBER)
        self._texts: dict[int, str] = {}
        self._ledger = ExchangeLedger(house, folder)

    def close(self) -> None:
        """Close the directory; nothing more can be asked of the exchange. Dropping it without loses nothing either."""
        self._house.close()

    def __enter__(self) -> Exchange:
        """Give the exchange."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def __reduce__(self) -> Any:
        """Refuse to be pickled."""
        raise ExchangeError("an exchange cannot be pickled or copied; open its directory, or a copy of it")

    # -- accounts
    # ----------------------------------------------------------------------------------------------

    def open_accounts(
        self, participants: Participant | Iterable[Participant], limit: int = 0, *, key: Key = None
    ) -> Answer:
        """Open one account a participant.

        Parameters
        ----------
        participants : str, int, or an iterable of them
            Names; text of at most 255 bytes and integers may be mixed, and ``1`` is not ``"1"``.
        limit : int, default 0
            Credit below zero that each of them has, in nano-currency.
        key : int or UUID, optional
            See Notes of :class:`Exchange`.

        Raises
        ------
        ExchangeError
            A name that is open already or given twice; then no account is opened.
        SettlementError
            A name that is none, or a negative limit.
        """
        names = [checked_name(name) for name in items(participants)]
        answer = self._answer(Answer, self._house.open_accounts(names, whole("limit", limit), _key(key)))
        fresh = list(self._house.names)[len(self._members.names) :]
        self._members.add(fresh, _core.FIRST_MEMBER + len(self._members.names))
        return answer

    def set_limit(self, participant: Participant, limit: int, *, key: Key = None) -> Answer:
        """Set the credit limit of one participant, in nano-currency.

        Raises
        ------
        SettlementError
            A stranger or a negative limit.
        """
        account = self._members.account(participant)
        return self._answer(Answer, self._house.set_limit(account, whole("limit", limit), _key(key)))

    def deposit(
        self, participant: Participant | Iterable[Participant], amount: int | Iterable[int], *, key: Key = None
    ) -> Answer:
        """Bring money in: nano-currency, one amount a participant or one for all.

        Raises
        ------
        SettlementError
            A stranger, or a negative amount; then nothing is deposited.
        """
        return self._answer(Answer, self._house.deposit(*self._members.money(participant, amount), _key(key)))

    def withdraw(
        self, participant: Participant | Iterable[Participant], amount: int | Iterable[int], *, key: Key = None
    ) -> Answer:
        """Pay money out: as much as leaves every open bid covered, and never credit.

        Raises
        ------
        SettlementError
            A stranger, a negative amount, or more than is free; then nothing is paid out.
        """
        return self._answer(Answer, self._house.withdraw(*self._members.money(participant, amount), _key(key)))

    # -- a slot
    # ------------------------------------------------------------------------------------------------

    def submit(self, orders: object, slot: int | datetime, *, units: Units | None = None, key: Key = None) -> Submitted:
        """Put orders into the book of a slot.

        Parameters
        ----------
        orders : frame or mapping of columns
            As in :func:`fastclear.clear`, with ``participant``. Without ``order`` the exchange gives ids. Without
            ``time`` an order comes at the engine time of the call; a ``time`` is when it reached the operator, and the
            gate goes by it. Text ids of markets and orders are known by their hash; ties on ids compare those.
        slot : int or datetime
            Start of the slot: nanoseconds since 1970 UTC, or a datetime with a time zone.
        units : Units, optional
            As in :func:`fastclear.clear`.
        key : int or UUID, optional
            See Notes of :class:`Exchange`.

        Returns
        -------
        Submitted
            One code a row: ``gate_not_open`` before the gate opens, ``market_closed`` at its end and after,
            ``unknown_participant``, ``duplicate_order`` where the id stands in that market already, ``credit_exceeded``
            where the cover does not reach the worst case, and those of :func:`fastclear.clear`.

        Raises
        ------
        ExchangeError
            No slot starts there.
        SchemaError
            Columns that cannot be read.
        """
        encoded = encode(orders, units)
        if encoded.participant is None and encoded.n:
            raise SchemaError("orders have no column 'participant'; say whose each order is", column="participant")
        if encoded.start_price is not None:
            raise SchemaError("an exchange takes no start_price; leave the column out", column="start_price")
        self._note_texts(encoded)
        none = _NONE
        reply = self._house.submit(
            slot_ns(slot),
            np.ascontiguousarray(encoded.side),
            np.ascontiguousarray(encoded.price, np.int64),
            np.ascontiguousarray(encoded.quantity, np.int64),
            self._members.pseudonyms(encoded),
            none[np.uint64] if encoded.market is None else ids(encoded, "market"),
            none[np.uint64] if encoded.order is None else ids(encoded, "order"),
            none[np.int64] if encoded.time is None else np.ascontiguousarray(encoded.time),
            none[np.uint8] if encoded.is_market_order is None else np.ascontiguousarray(encoded.is_market_order),
            none[np.int64] if encoded.min_quantity is None else np.ascontiguousarray(encoded.min_quantity),
            none[np.uint16] if encoded.refused is None else encoded.refused,
            _key(key),
        )
        return self._answer(Submitted, reply)

    def cancel(self, orders: object, slot: int | datetime, *, key: Key = None) -> Submitted:
        """Take orders back while the gate of their slot is open.

        Parameters
        ----------
        orders : frame or mapping of columns
            ``order`` and ``participant`` (whose order it is), optional ``market``; the ``frame`` of a
            :class:`Submitted` will do.
        slot : int or datetime
            Start of the slot.
        key : int or UUID, optional
            See Notes of :class:`Exchange`.

        Returns
        -------
        Submitted
            One code a row: ``unknown_order`` for what does not stand, or not as this participant's, ``market_closed``
            where the gate is closed.

        Raises
        ------
        ExchangeError
            No slot starts there.
        SchemaError
            Columns that cannot be read.
        """
        given = orders if isinstance(orders, Mapping | pl.DataFrame) else pl.DataFrame(cast("Any", orders))
        for name in ("order", "participant"):
            if name not in given:
                raise SchemaError(f"there is no column '{name}'; give order and participant", column=name)
        n = len(given["order"])
        columns: dict[str, Any] = {
            "side": np.zeros(n, np.uint8),
            "price": np.zeros(n, np.int64),
            "quantity": np.ones(n, np.int64),
            **{name: given[name] for name in ("order", "participant", "market") if name in given},
        }
        encoded = encode(columns)
        market = np.zeros(n, np.uint64) if encoded.market is None else ids(encoded, "market")
        accounts = self._members.pseudonyms(encoded)
        reply = self._house.cancel(slot_ns(slot), market, ids(encoded, "order"), accounts, _key(key))
        return self._answer(Submitted, reply)

    def close_gate(self, slot: int | datetime, *, key: Key = None) -> GateResult:
        """Close the gate of a slot and clear its book: from now on it is fixed.

        Raises
        ------
        ExchangeError
            No slot starts there, its gate is closed already, or it has not come to its end yet.
        """
        return self._answer(GateResult, self._house.close_gate(slot_ns(slot), _key(key)))

    def meter(self, readings: object, slot: int | datetime, *, key: Key = None) -> Answer:
        """Bring meter readings of a slot, as often as they come; the last reading of a member counts.

        Parameters
        ----------
        readings : frame or mapping of columns
            ``participant`` and ``energy_wh`` (integer, net: + consumption, - generation).
        slot : int or datetime
            Start of the slot.
        key : int or UUID, optional
            See Notes of :class:`Exchange`.

        Raises
        ------
        ExchangeError
            The slot is settled, none starts there, or a reading is beyond 2**31 Wh.
        SettlementError
            A stranger, or readings that are no integers.
        """
        accounts, energy = meter_columns(readings, self._members)
        return self._answer(Answer, self._house.meter(slot_ns(slot), accounts, energy, _key(key)))

    def settle(self, slot: int | datetime, *, losses: int = 0, key: Key = None) -> Answer:
        """Pay every trade of a slot, and price what was metered but not traded; its ``receipts`` have the postings.

        Members that traded and have no reading are noted as missing, unless no reading came at all.

        Parameters
        ----------
        slot : int or datetime
            Start of a slot whose gate is closed.
        losses : int, default 0
            As in :meth:`fastclear.Settlement.settle`.
        key : int or UUID, optional
            See Notes of :class:`Exchange`.

        Raises
        ------
        ExchangeError
            The gate is not closed, or the slot is settled.
        SettlementError
            Losses below zero, or where nobody traded.
        """
        return self._answer(Answer, self._house.settle(slot_ns(slot), whole("losses", losses), _key(key)))

    def seal(self, slot: int | datetime | None = None, *, key: Key = None) -> Block:
        """Seal every posting since the last block, and every order of a settled slot, into the next block.

        Parameters
        ----------
        slot : int or datetime, optional
            Start of a settled slot; without it the block has postings alone.
        key : int or UUID, optional
            See Notes of :class:`Exchange`.

        Raises
        ------
        ExchangeError
            The slot is not settled, or sealed already.
        """
        start = None if slot is None else slot_ns(slot)
        salts = os.urandom(32) if self._seed is None else self._seed
        answer = self._answer(Answer, self._house.seal(start, salts, _key(key)))
        header, digest = cast("tuple[bytes, bytes]", answer._reply.header)
        return Block(header, digest.hex())

    def close_cycle(self, *, key: Key = None) -> pl.DataFrame:
        """End a settlement cycle: recount everything, and say what each account gained.

        Returns
        -------
        DataFrame
            As :meth:`fastclear.Settlement.close_cycle`.
        """
        answer = self._answer(Answer, self._house.close_cycle(_key(key)))
        accounts, *money = zip(*answer._reply.cycle(), strict=True)
        names = ("opening", "deposited", "net", "closing")
        return pl.DataFrame(
            [
                *self._members.who(accounts),
                *(money_series(name, list(values)) for name, values in zip(names, money, strict=True)),
            ]
        )

    def execute(self, command: bytes) -> bytes:
        """Do a command that comes as its canonical bytes, as from a wire, and return those of the answer.

        Nothing raises but the store: bytes that are no command are refused in the answer. ``docs/4c_exchange.md`` has
        every byte.
        """
        reply = self._house.execute(command)
        fresh = list(self._house.names)[len(self._members.names) :]
        self._members.add(fresh, _core.FIRST_MEMBER + len(self._members.names))
        return reply

    # -- time and disk
    # -----------------------------------------------------------------------------------------

    @property
    def time(self) -> int:
        """Engine time of the last command, ns since 1970 UTC."""
        return self._house.time_ns

    def advance(self, time: int | datetime) -> None:
        """Set a manual clock forward; the next command is done at ``time``, or 1 ns after the one before it.

        Raises
        ------
        ExchangeError
            An exchange that goes by the wall clock, or a time that is negative or past 2**63 ns.
        """
        value = slot_ns(time)
        if not 0 <= value <= INT64_MAX:
            raise ExchangeError(f"time {value} is not between 0 and 2^63 ns")
        if not self._house.set_time(value):
            raise ExchangeError('this exchange goes by the wall clock; open it with clock="manual" to set the time')

    def accept_clock_jump(self) -> None:
        """Believe the wall clock at the next command, however far it has jumped ahead."""
        self._house.accept_clock_jump()

    def snapshot(self) -> None:
        """Write the state down, so that less is replayed by the next opening; done by itself from time to time."""
        self._house.snapshot()

    def __repr__(self) -> str:
        """Show how large it is and where it stands."""
        return (
            f"Exchange({len(self._members.names)} members, {len(self._house.slots())} open slots, "
            f"{self._ledger.height} blocks)"
        )

    # -- helpers
    # -----------------------------------------------------------------------------------------------

    def _answer(self, kind: type[_AnswerT], reply: _core.ExchangeReply) -> _AnswerT:
        """The answer, or what a refusal raises."""
        if reply.status != "done":
            refusal = _REFUSALS.get(reply.status)
            raise ExchangeError(reply.message, reply.status) if refusal is None else refusal(reply.message)
        return kind(reply, self)

    def _note_texts(self, orders: Orders) -> None:
        """Remember how ids are written that enter as hashes."""
        for column in ("market", "order"):
            texts = orders.texts.get(column)
            if texts is not None:
                self._texts.update((_core.text_id(text), text) for text in texts.to_list())


def _key(key: Key) -> int:
    """An idempotency key as a number, 0 for none."""
    if key is None:
        return 0
    number = key.int if isinstance(key, UUID) else key
    if isinstance(number, bool) or not isinstance(number, int | np.integer) or not 0 < number < 2**128:
        raise ExchangeError(f"key={key!r}; give an integer from 1 to 2^128-1, or a uuid.UUID")
    return int(number)


def _is_manual(clock: object) -> bool:
    if clock not in ("manual", "wall"):
        raise ExchangeError(f"clock is {clock!r}; give 'manual' or 'wall'")
    return clock == "manual"
