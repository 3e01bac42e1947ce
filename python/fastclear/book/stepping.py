"""The agents' view of a book: one call a step, columns or arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear import _core
from fastclear.book.commands import encode
from fastclear.book.events import BookEvents
from fastclear.book.names import Names
from fastclear.errors import SchemaError
from fastclear.orders.frames import ALIASES
from fastclear.units import Units

Quotes = Literal["add", "replace"]
Int64 = NDArray[np.int64]

_NEEDED: Final = ("participant", "side", "price", "quantity")
_NOT_ASKED: Final = ("op", "order", "phase", "time")
_DIMENSIONS_MAX: Final = 3
_SEED_END: Final = 2**64


@dataclass(frozen=True, slots=True, repr=False)
class BookStep:
    """What a step of a simulation came to: read-only arrays; ticks, lots and nano-currency.

    Attributes
    ----------
    reject : ndarray of uint16, shape of the actions
        Reject code of each action; 0 where it was taken, or did nothing.
    order : ndarray of int64, shape of the actions
        Id of its order; the least integer of 64 bits where there is none.
    traded, cash : ndarray of int64, shape of the actions
        Lots of it that traded within the step, at once or while resting, and the money: + received, - paid.
    bid, bid_quantity, ask, ask_quantity : ndarray of int64, shape (markets,)
        The best of each side after the step; 0 and 0 where a side is empty.
    last_price : ndarray of int64, shape (markets,)
        Of the latest trade, in this step or before; 0 where ``has_price`` (bool) is false: there was none.
    volume, trades : ndarray of int64, shape (markets,)
        Lots and trades of the step.
    bought, sold, agent_cash : ndarray of int64, shape (markets, agents)
        Of every agent in every market, orders of earlier steps included. Where actions named their agents: shape
        (rows of ``agents``,).
    events : BookEvents
        What happened; ``command`` is the row of the action (in C order). It can be settled and sealed.
    """

    reject: NDArray[np.uint16]
    order: Int64
    traded: Int64
    cash: Int64
    bid: Int64
    bid_quantity: Int64
    ask: Int64
    ask_quantity: Int64
    last_price: Int64
    has_price: NDArray[np.bool_]
    volume: Int64
    trades: Int64
    bought: Int64
    sold: Int64
    agent_cash: Int64
    events: BookEvents
    _market: Int64
    _agents: Mapping[str, Int64]
    _names: Mapping[str, Names]

    @property
    def markets(self) -> pl.DataFrame:
        """One row a market that an action names, ascending: its id and the arrays of shape (markets,)."""
        names = ("bid", "bid_quantity", "ask", "ask_quantity", "last_price", "has_price", "volume", "trades")
        market = self._names["market"].series("market", self._market)
        return pl.DataFrame([market, *(pl.Series(name, getattr(self, name)) for name in names)])

    @property
    def agents(self) -> pl.DataFrame:
        """One row an agent and market, ascending, of those that an action names or that traded.

        ``market``, ``agent``, ``bought``, ``sold``, ``cash``.
        """
        own = self._agents
        market = self._names["market"].series("market", own["market"])
        agent = self._names["participant"].series("agent", own["agent"])
        return pl.DataFrame([market, agent, *(pl.Series(name, own[name]) for name in ("bought", "sold", "cash"))])

    def __repr__(self) -> str:
        """Say how much was traded by how many actions."""
        actions, markets = self.traded.size, len(self._market)
        return f"BookStep({actions:,} actions in {markets:,} markets: {int(self.volume.sum()):,} lots traded)"


class Stepping:
    """The part of a book that agents of a simulation act on."""

    _core: _core.OrderBook
    _names: dict[str, Names]
    _units: Units | None

    def step(self, actions: object, *, seed: int, quotes: Quotes = "add") -> BookStep:
        """Let many agents act once in many markets, in an order drawn by lot.

        Parameters
        ----------
        actions : frame or mapping of columns, or mapping of arrays
            Either columns, one row an action: ``agent`` (or ``participant``), ``side``, ``price``, ``quantity``,
            optional ``market``, ``type``, ``tif``, ``expires``, ``post_only`` and the columns of richer orders, as in
            :meth:`submit`. Or, without ``agent``, arrays of one shape or that broadcast to one: (agents,), (markets,
            agents) or (markets, agents, orders); agents and markets are then called by their place. An action of
            quantity 0 does nothing.
        seed : int
            Of the order of arrival: 0 or more, below 2**64. Steps of one seed draw apart from each other.
        quotes : {"add", "replace"}, default "add"
            Whether orders are added to those that an agent has in the market, or replace them: with "replace" its turn
            begins with taking out all that it has there, also where it then does nothing else.

        Returns
        -------
        BookStep
            What came of each action, the markets afterwards, and what each agent bought, sold, paid and received.

        Raises
        ------
        SchemaError
            Columns that cannot be read, no seed, or a book that had orders before its first step and was not made with
            ``settles=True``: then nothing has happened.

        Notes
        -----
        All actions of one agent in one market are a turn. The turns of a market are shuffled (Fisher and Yates,
        ChaCha8: key = seed, stream = rank of the market, begun anew at each step from the number of the book's next
        event); in a turn asks come before bids, then the smaller price, the smaller quantity, and what else they ask
        for. So the same book, seed and actions give the same result in any order of rows; of rows that say the same the
        first is served first.
        Limits of :meth:`set_cover` hold. :meth:`advance` lets time go by between steps. An action costs about a fifth
        of what :meth:`place` does.

        Examples
        --------
        Two markets, three agents; the third does nothing in the first market:

        >>> import fastclear as fc
        >>> book = fc.OrderBook()
        >>> price, quantity = [[9, 8, 7], [5, 6, 4]], [[2, 3, 0], [1, 1, 1]]
        >>> step = book.step({"side": [1, 0, 1], "price": price, "quantity": quantity}, seed=1)
        >>> step.traded.tolist(), step.cash.tolist()
        ([[2, 2, 0], [0, 0, 0]], [[-16, 16, 0], [0, 0, 0]])
        >>> step.markets.select("market", "bid", "ask", "ask_quantity", "last_price", "volume").rows()
        [(0, 0, 8, 1, 8, 2), (1, 5, 6, 1, 0, 0)]
        """
        if quotes not in get_args(Quotes):
            raise SchemaError(f'quotes={quotes!r}; give "add" or "replace"')
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= int(seed) < _SEED_END:
            raise SchemaError(f"seed={seed!r}; give a whole number of 0 or more, below 2**64")
        shape: tuple[int, ...] | None = None
        if isinstance(actions, Mapping) and not {"agent", "participant", "participant_id"} & set(actions):
            shape, actions = _by_place(actions)
        encoded = encode(actions, self._names, self._units, "actions")
        for name in _NOT_ASKED:
            if encoded[name] is not None:
                remedy = "advance() the book" if name == "time" else "hand it to apply()"
                raise SchemaError(f"column '{name}' is none of an action's; {remedy}", column=name)
        for needed in _NEEDED:
            if encoded[needed] is None:
                raise SchemaError(f"column '{needed}' of actions is missing", column=needed)
        self._names["order"].left_out()
        if encoded["market"] is None:
            self._names["market"].left_out()
        rows = encoded["rows"]
        core, acted, seen, agents = self._core.step(encoded, int(seed), quotes == "replace")
        own = agents
        form = (rows,) if shape is None else shape
        table: tuple[int, ...] = (len(agents["agent"]),)
        if shape is not None:
            # agents of other steps, which are called otherwise, are in the frame only
            table = (1, shape[0]) if len(shape) == 1 else shape[:2]
            named = (agents["agent"] >= 0) & (agents["agent"] < table[1])
            own = {name: column[named] for name, column in agents.items()}
        return BookStep(
            reject=_frozen(acted["reject"].astype(np.uint16).reshape(form)),
            **{name: _frozen(acted[name].reshape(form)) for name in ("order", "traded", "cash")},
            **{name: _frozen(seen[name]) for name in _SEEN},
            has_price=_frozen(seen["has_price"] != 0),
            **{name: _frozen(own[name].reshape(table)) for name in ("bought", "sold")},
            agent_cash=_frozen(own["cash"].reshape(table)),
            events=BookEvents(core, self._names, rows, clock=self._core.clock),
            _market=seen["market"],
            _agents=agents,
            _names=self._names,
        )


_SEEN: Final = ("bid", "bid_quantity", "ask", "ask_quantity", "last_price", "volume", "trades")


def _by_place(actions: Mapping[str, object]) -> tuple[tuple[int, ...], dict[str, Any]]:
    """Arrays of one shape as columns, with the places of markets and agents as their ids."""
    arrays: dict[str, NDArray[Any]] = {}
    for name, given in actions.items():
        array = np.asarray(given)
        if array.dtype.kind == "O":
            raise SchemaError(f"column '{name}' has cells of several kinds; give one array", column=str(name))
        if ALIASES.get(name, name) == "market":
            raise SchemaError("column 'market' comes with 'agent'; give both, or arrays of shape (markets, agents)")
        arrays[name] = array
    try:
        shape = np.broadcast_shapes(*(array.shape for array in arrays.values()))
    except ValueError:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise SchemaError(
            f"arrays of actions have different shapes ({shapes}); give one shape, or name the agents"
        ) from None
    if not 1 <= len(shape) <= _DIMENSIONS_MAX:
        raise SchemaError(
            f"actions have {len(shape)} dimensions; give (agents,), (markets, agents) or (markets, agents, orders)"
        )
    columns: dict[str, Any] = {name: np.broadcast_to(array, shape).ravel() for name, array in arrays.items()}
    places = np.indices(shape if len(shape) > 1 else (1, *shape)).reshape(max(len(shape), 2), -1)
    columns["market"], columns["participant"] = (np.ascontiguousarray(places[axis], np.int64) for axis in (0, 1))
    return shape, columns


def _frozen(array: NDArray[Any]) -> Any:
    array.flags.writeable = False
    return array
