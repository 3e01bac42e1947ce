"""A light client: checks that one trade or order stands in a sealed block, with nothing but the standard library.

This file stands alone. Copy it out, and run it on the proof that the operator of your market gave you::

    python light_client.py proof.json --head 5d41402a...

It reads the leaf (your record or order), hashes it, follows the path to the root in the block's header, hashes the
header and follows the second path to the root of the header log. ``--head`` is a hash that you trust, because you
wrote it down earlier or got it from somebody else than the operator: the header hash of the block, or the root of the
header log that the proof names. With ``--headers headers.bin`` the whole chain of headers is checked instead, and
``--head`` is the hash of its last header.

Exit code 0: everything agrees. 1: it does not. 2: the files or arguments cannot be read. Without ``--head`` the check
shows only that the proof agrees with itself, and says so.

The byte formats are those of ``docs/4_ledger.md``; the trees and both verifiers are RFC 9162, sections 2.1.3.2 and
2.1.4.2. All integers are little-endian.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import struct
import sys
from pathlib import Path
from typing import Any, NamedTuple

RECORD_LEN = 96
ORDER_LEN = 64
SALT_LEN = 16
HEADER_LEN = 280
KINDS = (
    "trade",
    "reserve",
    "post",
    "void",
    "deposit",
    "withdrawal",
    "limit",
    "net",
    "meter",
    "imbalance",
    "fee",
    "tax",
    "certificate",
    "correction",
    "market_opened",
    "account_opened",
    "membership",
    "parameter",
    "dispute",
)
"""Names of the record kinds, from 1."""
PAID_TO_BUYER, SUM, SUM_PAID = 1, 2, 3
"""Codes of trades whose amount is a sum: paid out to a buyer; what a seller receives; what a seller pays."""

_RECORD = struct.Struct("<4BHH7QqqqQ")
_ORDER = struct.Struct("<4BHH3Q3qQ")
_HEADER = struct.Struct("<4sHHQ" + "32s" * 7 + "IIQQQq")
_ZERO = bytes(32)


class Refused(ValueError):  # noqa: N818 - the word for what happens to a proof
    """A leaf, header, proof or chain that does not hold, with the reason."""


class Record(NamedTuple):
    """One posting: what a record says."""

    kind: str
    flags: int
    code: int
    asset: int
    seq: int
    time_ns: int
    market: int
    buy_order: int
    sell_order: int
    debit: int
    credit: int
    quantity: int
    price: int
    amount: int
    group: int


class Order(NamedTuple):
    """One order as it reached the gate."""

    side: int
    kind: int
    reject: int
    order: int
    participant: int
    market: int
    price: int
    quantity: int
    time_ns: int


class Header(NamedTuple):
    """One block header."""

    has_state: bool
    height: int
    chain_id: bytes
    prev: bytes
    orders_root: bytes
    records_root: bytes
    state_root: bytes
    params_hash: bytes
    orders: int
    records: int
    first_seq: int
    time_ns: int
    slot: int
    gross: int


# -- reading -----------------------------------------------------------------------------------------------------


def parse_record(data: bytes) -> Record:
    """Read the 96 bytes of a record, strictly; raises :class:`Refused`."""
    if len(data) != RECORD_LEN:
        raise Refused(f"a record has {RECORD_LEN} bytes, not {len(data)}")
    tag, version, kind, flags, code, asset, *rest = _RECORD.unpack(data)
    if tag != 0xFC:
        raise Refused("these bytes are no record")
    if version != 1:
        raise Refused(f"record version {version}; this program knows version 1")
    if not 1 <= kind <= len(KINDS):
        raise Refused(f"unknown record kind {kind}")
    if flags & ~3:
        raise Refused(f"undefined flag bits in {flags:#04x}")
    record = Record(KINDS[kind - 1], flags, code, asset, *rest)
    if record.amount < 0:
        raise Refused("a record with a negative amount")
    if record.kind == "trade" and code in (SUM, SUM_PAID) and record.price != 0:
        raise Refused("a sum with a price a unit")
    return record


def is_sum(record: Record) -> bool:
    """Whether a trade's amount is a sum, which has no price a unit, instead of |price x quantity|."""
    return record.kind == "trade" and record.code in (PAID_TO_BUYER, SUM, SUM_PAID)


def parse_order(data: bytes) -> Order:
    """Read the 64 bytes of an order leaf, strictly; raises :class:`Refused`."""
    if len(data) != ORDER_LEN:
        raise Refused(f"an order leaf has {ORDER_LEN} bytes, not {len(data)}")
    tag, version, side, kind, reject, zero, order, participant, market, price, quantity, time_ns, zeros = _ORDER.unpack(
        data
    )
    if tag != 0xFD:
        raise Refused("these bytes are no order leaf")
    if version != 1:
        raise Refused(f"order version {version}; this program knows version 1")
    if zero or zeros:
        raise Refused("undefined bytes of the order leaf are not zero")
    for value in (side, kind):
        if value > 1 and not (value == 255 and reject):
            raise Refused("an order leaf with an undefined side or type")
    return Order(side, kind, reject, order, participant, market, price, quantity, time_ns)


def parse_header(data: bytes) -> Header:
    """Read the 280 bytes of a header, strictly; raises :class:`Refused`."""
    if len(data) != HEADER_LEN:
        raise Refused(f"a header has {HEADER_LEN} bytes, not {len(data)}")
    (
        tag,
        version,
        flags,
        height,
        chain_id,
        prev,
        orders_root,
        records_root,
        state_root,
        params,
        validators,
        *rest,
    ) = _HEADER.unpack(data)
    if tag != b"FCB1":
        raise Refused("these bytes are no block header")
    if version != 1:
        raise Refused(f"header version {version}; this program knows version 1")
    if flags & ~1:
        raise Refused(f"undefined flag bits in {flags:#06x}")
    header = Header(bool(flags), height, chain_id, prev, orders_root, records_root, state_root, params, *rest)
    if validators != _ZERO or (height == 0 and prev != _ZERO) or (not flags and state_root != _ZERO):
        raise Refused("a header field that must be zero is not")
    if header.gross < 0:
        raise Refused("a header with a negative gross")
    return header


def _amount_holds(record: Record) -> bool:
    return record.kind != "trade" or is_sum(record) or record.amount == abs(record.price * record.quantity)


# -- hashing -----------------------------------------------------------------------------------------------------


def leaf_hash(entry: bytes) -> bytes:
    """SHA-256(0x00 || entry)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def tree_root(hashes: list[bytes]) -> bytes:
    """Root over leaf hashes; SHA-256 of nothing where there is none."""
    if not hashes:
        return hashlib.sha256().digest()
    level = list(hashes)
    while len(level) > 1:
        paired = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = paired + level[len(paired) * 2 :]
    return level[0]


def verify_inclusion(leaf: bytes, index: int, size: int, path: list[bytes], root: bytes) -> bool:
    """Whether the leaf hash stands at ``index`` of the tree of ``size`` leaves with this root."""
    if not 0 <= index < size < 2**63 or any(len(item) != 32 for item in (leaf, root, *path)):
        return False
    node, last, value = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if node & 1 or node == last:
            value = node_hash(sibling, value)
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            value = node_hash(value, sibling)
        node >>= 1
        last >>= 1
    return last == 0 and hmac.compare_digest(value, root)


def verify_consistency(old: int, new: int, path: list[bytes], old_root: bytes, new_root: bytes) -> bool:
    """Whether the tree of ``old`` leaves is a prefix of the tree of ``new`` leaves: nothing was rewritten."""
    if not 1 <= old <= new < 2**63 or any(len(item) != 32 for item in (old_root, new_root, *path)):
        return False
    if old == new:
        return not path and old_root == new_root
    rest = list(path)
    if old & (old - 1) == 0:
        first = old_root
    elif rest:
        first = rest.pop(0)
    else:
        return False
    node, last = old - 1, new - 1
    while node & 1:
        node >>= 1
        last >>= 1
    old_value = new_value = first
    for sibling in rest:
        if last == 0:
            return False
        if node & 1 or node == last:
            old_value = node_hash(sibling, old_value)
            new_value = node_hash(sibling, new_value)
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            new_value = node_hash(new_value, sibling)
        node >>= 1
        last >>= 1
    return last == 0 and old_value == old_root and new_value == new_root


# -- checking ----------------------------------------------------------------------------------------------------


def check_leaf(entry: bytes, index: int, path: list[bytes], header: bytes) -> Record | Order:
    """Check that a record (112 bytes with its salt) or order (80 bytes) stands in the block of this header.

    The number of leaves is taken from the header, never from the proof. Raises :class:`Refused`; returns what the
    leaf says.
    """
    head = parse_header(header)
    leaf: Record | Order
    if len(entry) == RECORD_LEN + SALT_LEN:
        leaf = parse_record(entry[:RECORD_LEN])
        size, root = head.records, head.records_root
        if leaf.seq != head.first_seq + index:
            raise Refused(f"record {index} of block {head.height} cannot have seq {leaf.seq}")
    elif len(entry) == ORDER_LEN + SALT_LEN:
        leaf = parse_order(entry[:ORDER_LEN])
        size, root = head.orders, head.orders_root
    else:
        raise Refused(f"a leaf of {len(entry)} bytes; a record with its salt has 112, an order 80")
    if not verify_inclusion(leaf_hash(entry), index, size, path, root):
        raise Refused(f"the leaf does not stand at place {index} of block {head.height}")
    if isinstance(leaf, Record) and not _amount_holds(leaf):
        raise Refused(f"record {index} of block {head.height} is a trade whose amount is not |price x quantity|")
    return leaf


def check_headers(data: bytes) -> list[bytes]:
    """Check the chain of a ``headers.bin``; returns the hash of each header, raises :class:`Refused`."""
    if len(data) % HEADER_LEN:
        raise Refused(f"{len(data)} bytes are no whole number of headers")
    hashes: list[bytes] = []
    before: Header | None = None
    for height, start in enumerate(range(0, len(data), HEADER_LEN)):
        raw = data[start : start + HEADER_LEN]
        header = parse_header(raw)
        if header.height != height or header.prev != (hashes[-1] if hashes else _ZERO):
            raise Refused(f"header {height} does not continue the header before")
        if before is not None:
            same = ("chain_id", "params_hash", "has_state")
            if any(getattr(header, name) != getattr(before, name) for name in same):
                raise Refused(f"header {height} belongs to another chain")
            if header.time_ns <= before.time_ns or header.first_seq != before.first_seq + before.records:
                raise Refused(f"header {height} does not continue in time and seq")
        hashes.append(leaf_hash(raw))
        before = header
    return hashes


class Verdict(NamedTuple):
    """What a proof file shows."""

    leaf: Record | Order
    place: int
    header: Header
    header_hash: bytes
    log_size: int
    log_root: bytes


def check_proof(proof: dict[str, Any]) -> Verdict:
    """Check a proof as :meth:`fastclear.ledger.Proof.to_json` writes it; raises :class:`Refused`."""
    if proof.get("format") != "fastclear proof" or proof.get("version") != 1:
        raise Refused("this is no fastclear proof of version 1")
    header = _bytes(proof, "header")
    index = _integer(proof, "index")
    leaf = check_leaf(_bytes(proof, "leaf"), index, _path(proof), header)
    parsed = parse_header(header)
    log = proof.get("log")
    if not isinstance(log, dict):
        raise Refused("the proof has no 'log'")
    size, root = _integer(log, "size"), _bytes(log, "root")
    if not verify_inclusion(leaf_hash(header), parsed.height, size, _path(log), root):
        raise Refused(f"the header of block {parsed.height} does not stand in the header log")
    return Verdict(leaf, index, parsed, leaf_hash(header), size, root)


def _bytes(where: dict[str, Any], name: str) -> bytes:
    return _unhex(where.get(name), name)


def _unhex(text: object, name: str) -> bytes:
    # bytes.fromhex skips blanks and takes capitals: only one spelling counts here.
    if not isinstance(text, str) or any(digit not in "0123456789abcdef" for digit in text) or len(text) % 2:
        raise Refused(f"'{name}' is not written in lower-case hexadecimal digits")
    return bytes.fromhex(text)


def _integer(where: dict[str, Any], name: str) -> int:
    value = where.get(name)
    if type(value) is not int or not 0 <= value < 2**63:
        raise Refused(f"'{name}' is no number below 2^63")
    return value


def _path(where: dict[str, Any]) -> list[bytes]:
    path = where.get("path")
    if not isinstance(path, list) or len(path) > 63:
        raise Refused("'path' is no list of at most 63 hashes")
    return [_unhex(item, "path") for item in path]


# -- command line ------------------------------------------------------------------------------------------------


def describe(verdict: Verdict) -> str:
    """Say in one line what the leaf holds."""
    leaf, header = verdict.leaf, verdict.header
    place = f"block {header.height} (slot {header.slot} ns)"
    if isinstance(leaf, Record):
        price = "in one sum" if is_sum(leaf) else f"at {leaf.price} ticks"
        return (
            f"Record {leaf.seq}, {leaf.kind}, is number {verdict.place} of {header.records} in {place}: "
            f"{leaf.quantity} Wh {price}, {leaf.amount} nano-currency from account {leaf.debit} to "
            f"account {leaf.credit}, market {leaf.market}, buy order {leaf.buy_order}, sell order {leaf.sell_order}."
        )
    side = {0: "Sell", 1: "Buy"}.get(leaf.side, "Refused")
    fate = f"refused with code {leaf.reject}" if leaf.reject else "accepted"
    return (
        f"{side} order {leaf.order} of participant {leaf.participant} is number {verdict.place} of {header.orders} "
        f"in {place}, {fate}: {leaf.quantity} Wh at {leaf.price} ticks, market {leaf.market}."
    )


def judge(verdict: Verdict, head: bytes | None, headers: bytes | None) -> str:
    """Hold a verdict against what the reader trusts; raises :class:`Refused`, returns what was established."""
    if headers is not None:
        hashes = check_headers(headers)
        height = verdict.header.height
        if height >= len(hashes) or hashes[height] != verdict.header_hash:
            raise Refused(f"the block's header is not header {height} of the headers file")
        if head is not None and hashes[-1] != head:
            raise Refused("the headers file does not end in the head that you trust")
        if verdict.log_size <= len(hashes) and tree_root(hashes[: verdict.log_size]) != verdict.log_root:
            raise Refused("the header log of the proof is not that of the headers file")
        return f"The chain of {len(hashes)} headers holds" + (" and ends in your head." if head else ".")
    if head is None:
        return f"The proof agrees with itself. Compare the header log's root yourself: {verdict.log_root.hex()}"
    if head == verdict.header_hash:
        return "The block's header hash is the head that you trust."
    if head == verdict.log_root:
        return f"The header log of {verdict.log_size} blocks is the head that you trust."
    raise Refused("neither the block's header hash nor the header log's root is the head that you trust")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="Check a fastclear proof.")
    parser.add_argument("proof", type=Path, help="proof file (JSON)")
    parser.add_argument("--head", metavar="HEX", help="a hash that you trust")
    parser.add_argument("--headers", type=Path, help="headers.bin of the ledger, to check the whole chain")
    given = parser.parse_args(arguments)
    try:
        head = None if given.head is None else bytes.fromhex(given.head)
        proof = json.loads(given.proof.read_text(encoding="utf-8"))
        headers = None if given.headers is None else given.headers.read_bytes()
    except (OSError, ValueError, RecursionError) as error:
        return _unreadable(str(error))
    if head is not None and len(head) != 32:
        return _unreadable("--head has not 64 hexadecimal digits")
    if not isinstance(proof, dict):
        return _unreadable("the proof file holds no JSON object")
    try:
        verdict = check_proof(proof)
        established = judge(verdict, head, headers)
    except Refused as error:
        print(f"REFUSED: {error}.")  # noqa: T201
        return 1
    print(f"OK. {describe(verdict)}\n{established}")  # noqa: T201
    return 0


def _unreadable(why: str) -> int:
    print(f"Cannot check: {why}", file=sys.stderr)  # noqa: T201
    return 2


if __name__ == "__main__":
    sys.exit(main())
