"""An order book as a candidate for the suites of tracebook-conformance, over its external adapter.

The suite and the engine are two processes that exchange one JSON object a line. Nothing of tracebook is imported here::

    pip install tracebook-conformance
    tracebook-conformance sample ./suite
    tracebook-conformance suite ./suite --candidate python -m fastclear.integrations.tracebook

How its words are put into ours:

- ``replace`` there always loses its place. Ours keeps it where lots become fewer at the same price, so that such a one
  is a cancellation and a new order of the same id here; any other is our ``replace``.
- ``reduce`` by more than there is is an error there; here it takes the order out. It is refused before the book sees
  it.
- A price between two ticks is moved to the nearest there, and refused here: it is moved first.
- ``clear`` is our ``mass_cancel`` of a market. Trading by pro rata is no rule of a book here: such a suite is declined.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from decimal import Decimal
from importlib.metadata import version
from typing import Any, Final, TextIO

from fastclear.book import OrderBook

PROTOCOL: Final = "tracebook.conformance"
LOT: Final = Decimal("0.000001")
SELF_TRADE: Final = {"NONE": "off", "CANCEL_RESTING": "cancel_resting", "CANCEL_INCOMING": "cancel_incoming"}
NOBODY: Final = -1

_TIF: Final = {"LIMIT": "gtc", "IOC": "ioc", "FOK": "fok", "MARKET": "ioc"}
_TICKS_END: Final = 2**31


class DeclinedError(ValueError):
    """What the other side asks for is none of the book's rules; the message says which."""


class Candidate:
    """One order book that is asked event by event.

    Parameters
    ----------
    config : dict
        ``matching_algorithm``, ``tick_size``, ``self_trade_policy`` as the suite sends them.

    Raises
    ------
    DeclinedError
        Another algorithm than price and time, or an unknown policy.

    Examples
    --------
    >>> candidate = Candidate({"tick_size": "0.01"})
    >>> order = {"op": "new", "symbol": "A", "order_id": 7, "side": "SELL", "price": 5.004, "quantity": 2, "owner": 1}
    >>> candidate.obey(order)
    ({'status': 'applied', 'reason': None, 'message': None}, [])
    >>> candidate.state()["books"][0]["asks"][0]["price"]
    '5'
    """

    def __init__(self, config: dict[str, Any]) -> None:
        algorithm = config.get("matching_algorithm", "fifo")
        if algorithm != "fifo":
            raise DeclinedError(f"a book trades by price and time, not by {algorithm}")
        policy = config.get("self_trade_policy", "NONE")
        if policy not in SELF_TRADE:
            raise DeclinedError(f"self_trade_policy {policy!r} is unknown")
        self._tick = Decimal(str(config.get("tick_size", "0.01")))
        self._book = OrderBook(self_trade=SELF_TRADE[policy])  # type: ignore[arg-type]  # every value is a rule
        self._symbols: set[str] = set()
        self._ids: dict[tuple[str, int], int] = {}  # our id of each of theirs, as it was used last
        self._theirs: dict[int, int] = {}
        self._owners: dict[int, int] = {}
        self._next = 0

    def obey(self, event: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Do what an event says; outcome and trades.

        Parameters
        ----------
        event : dict
            ``op``, ``symbol`` and what goes with them.
        """
        op, symbol = event["op"], event["symbol"].strip().upper()
        if op in ("new", "clear"):
            self._symbols.add(symbol)
        if op == "clear":
            self._book.apply({"op": ["mass_cancel"], "market": [symbol]})
            return _applied(), []
        own = self._resting(symbol, event["order_id"])
        if op == "new":
            if own is not None:
                return _rejected("DUPLICATE_ORDER_ID"), []
            return self._new(event, symbol)
        if own is None:
            return _rejected("ORDER_NOT_ACTIVE"), []
        if op == "cancel":
            self._book.apply({"op": ["cancel"], "order": [own["order"]]})
            return _applied(), []
        if op == "reduce":
            lots = _lots(event["quantity"])
            if not 0 < lots <= own["quantity"]:
                return _rejected("INVALID_ORDER"), []
            self._book.apply({"op": ["reduce"], "order": [own["order"]], "quantity": [lots]})
            return _applied(), []
        return self._replace(event, symbol, own)

    def _new(self, event: dict[str, Any], symbol: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        kind = event.get("order_type") or "LIMIT"
        price = None if kind == "MARKET" else self._ticks(event["price"])
        lots = _lots(event["quantity"])
        if lots <= 0 or (price is not None and not 0 < price < _TICKS_END):
            return _rejected("INVALID_ORDER"), []
        order, self._next = self._next, self._next + 1
        owner = event.get("owner", NOBODY)
        self._ids[symbol, event["order_id"]] = order
        self._theirs[order], self._owners[order] = event["order_id"], owner
        columns: dict[str, list[Any]] = {
            "market": [symbol],
            "order": [order],
            "side": [event["side"].lower()],
            "type": ["market" if kind == "MARKET" else "limit"],
            "tif": [_TIF[kind]],
            "price": [price],
            "quantity": [lots],
        }
        if owner != NOBODY:
            columns["participant"] = [owner]
        return _applied(), self._trades(self._book.submit(columns), symbol)

    def _replace(
        self, event: dict[str, Any], symbol: str, own: dict[str, Any]
    ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        price = own["price"] if event.get("price") is None else self._ticks(event["price"])
        lots = own["quantity"] if event.get("quantity") is None else _lots(event["quantity"])
        if lots <= 0 or not 0 < price < _TICKS_END:
            return _rejected("INVALID_REPLACEMENT"), []
        order = own["order"]
        if price != own["price"] or lots >= own["quantity"]:
            return _applied(), self._trades(self._book.replace(order, price=price, quantity=lots), symbol)
        columns: dict[str, list[Any]] = {
            "op": ["cancel", "new"],
            "market": [symbol] * 2,
            "order": [order] * 2,
            "side": [own["side"]] * 2,
            "price": [None, price],
            "quantity": [None, lots],
        }
        if self._owners[order] != NOBODY:
            columns["participant"] = [self._owners[order]] * 2
        return _applied(), self._trades(self._book.apply(columns), symbol)

    def state(self) -> dict[str, Any]:
        """Every order that rests, by symbol, in the order in which it would trade."""
        books: dict[str, dict[str, Any]] = {
            symbol: {"symbol": symbol, "bids": [], "asks": []} for symbol in sorted(self._symbols)
        }
        for row in self._book.snapshot().rows(named=True):
            books[row["market"]]["bids" if row["side"] == "buy" else "asks"].append(
                {
                    "order_id": self._theirs[row["order"]],
                    "price": _text(row["price"] * self._tick),
                    "remaining_quantity": _text(row["quantity"] * LOT),
                    "owner": self._owners[row["order"]],
                    "order_type": "LIMIT",
                }
            )
        return {"books": list(books.values())}

    def _resting(self, symbol: str, theirs: int) -> dict[str, Any] | None:
        """The order of this id, if it rests."""
        order = self._ids.get((symbol, theirs))
        if order is None:
            return None
        found = [row for row in self._book.snapshot(symbol).rows(named=True) if row["order"] == order]
        return found[0] if found else None

    def _trades(self, events: Any, symbol: str) -> list[dict[str, Any]]:
        return [
            {
                "symbol": symbol,
                "buy_order_id": self._theirs[row["buy_order"]],
                "sell_order_id": self._theirs[row["sell_order"]],
                "price": _text(row["buy_price"] * self._tick),
                "quantity": _text(row["quantity"] * LOT),
            }
            for row in events.trades.rows(named=True)
        ]

    def _ticks(self, price: float) -> int:
        return round(price / float(self._tick))


def serve(asked: TextIO, answers: TextIO) -> int:
    """Answer one line a line until the other side has finished; 0 if it has, else 2.

    Parameters
    ----------
    asked, answers : text files
        Lines in, lines out.
    """

    def say(kind: str, **content: object) -> None:
        answers.write(json.dumps({"type": kind, **content}, separators=(",", ":")) + "\n")
        answers.flush()

    done = 0
    try:
        hello = json.loads(asked.readline())
        if hello.get("protocol") != PROTOCOL or hello.get("protocol_version") != 1:
            raise DeclinedError(f"this is a candidate of {PROTOCOL}, version 1")
        candidate = Candidate(hello.get("config", {}))
        engine = {"name": "fastclear", "version": version("fastclear"), "language": "Rust"}
        say("ready", protocol=PROTOCOL, protocol_version=1, engine=engine)
        for line in asked:
            message = json.loads(line)
            if message["type"] == "event":
                outcome, trades = candidate.obey(message["event"])
                done, state = message["index"], candidate.state()
                resting = sum(len(book["bids"]) + len(book["asks"]) for book in state["books"])
                digest = hashlib.sha256(
                    json.dumps(state, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
                ).hexdigest()
                say(
                    "observation",
                    index=done,
                    outcome=outcome,
                    trades=trades,
                    state_hash=digest,
                    resting_order_count=resting,
                )
            elif message["type"] == "snapshot":
                say("snapshot", index=done, state=candidate.state())
            elif message["type"] == "finish":
                say("complete", event_count=done)
                return 0
            else:
                raise DeclinedError(f"a message of type {message['type']!r} is unknown")
    except (ValueError, KeyError, TypeError) as error:
        say("error", code="PROTOCOL_ERROR", message=f"{type(error).__name__}: {error}")
    return 2


def _lots(quantity: float) -> int:
    lots = Decimal(str(quantity)) / LOT
    if lots != lots.to_integral_value():
        raise DeclinedError(f"quantity {quantity} is no whole number of {LOT}")
    return int(lots)


def _text(number: Decimal) -> str:
    return format(number.normalize(), "f")


def _applied() -> dict[str, Any]:
    return {"status": "applied", "reason": None, "message": None}


def _rejected(reason: str) -> dict[str, Any]:
    return {"status": "rejected", "reason": reason, "message": None}


if __name__ == "__main__":
    # at once: the suite gives a process half a second to end, and to take down an interpreter may take longer
    os._exit(serve(sys.stdin, sys.stdout))
