"""A light client: checks that one trade or order stands in a sealed block, with nothing but the standard library.

This file stands alone. Copy it out, and run it on the proof that the operator of your market gave you::

    python light_client.py proof.json --policy policy.txt --remember seen.txt

The seven steps, and what each of them settles:

1. the leaf (your record or order, 112 or 80 bytes) is hashed;
2. its path leads to the root in the block's header: the leaf is in that block;
3. the header is hashed;
4. the second path leads from it to the root of the header log: the block is in that log;
5. the checkpoint states size and root of that log in three lines;
6. a consistency proof shows that the log you saw last time (``--remember``) is the beginning of this one: nothing
   was rewritten or cut off since;
7. enough validators of your policy (``--policy``) have signed the checkpoint: everybody is shown the same log.

Without a policy, steps 5 to 7 fall away, and ``--head`` is a hash that you trust, because you wrote it down earlier or
got it from somebody else than the operator: the header hash of the block, or the root of the header log that the proof
names. With ``--headers headers.bin`` the whole chain of headers is checked instead, and ``--head`` is the hash of its
last header.

A policy is a text, in the format of c2sp.org/tlog-policy; keys are verifier keys of c2sp.org/signed-note. Get it once,
from people, not from the operator::

    log market.example+7a1b2c3d+AQ...
    witness ann  ann.example+11223344+BA...
    witness bob  bob.example+55667788+BA...
    witness cy   cy.example+99aabbcc+BA...
    group validators 3 ann bob cy
    quorum validators

When validators change, the operator shows a block that says so, with the bytes of the new consortium, and signed by
the validators that you know. Your policy is then written anew::

    python light_client.py change.json --policy policy.txt --remember seen.txt --renew consortium.bin

Exit code 0: everything agrees. 1: it does not. 2: the files or arguments cannot be read. Without ``--head`` and
``--policy`` the check shows only that the proof agrees with itself, and says so.

The byte formats are those of ``docs/4_ledger.md``; the trees and both verifiers are RFC 9162, sections 2.1.3.2 and
2.1.4.2; signatures are RFC 8032, checked as strictly as ``verify_strict`` of ed25519-dalek. Integers are little-endian
but for the times of cosignatures.
"""

from __future__ import annotations

import argparse
import base64
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
PAID_TO_BUYER, SUM, SUM_PAID, POOL_PAID, POOL_RECEIVED = 1, 2, 3, 4, 5
SUMS = (SUM, SUM_PAID, POOL_PAID, POOL_RECEIVED)
"""Codes of trades whose amount is a sum: paid out to a buyer; what a seller receives; what a seller pays."""

HASH_LINES = (("membership", 2), ("parameter", 2))
"""Kinds and codes of the records that carry a hash: of the next consortium; of where a sub-chain stands."""

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
    validators_hash: bytes
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
    if record.kind == "trade" and code in SUMS and record.price != 0:
        raise Refused("a sum with a price a unit")
    if (record.kind, code) in HASH_LINES and any(
        (flags, asset, record.debit, record.credit, record.price, record.amount)
    ):
        raise Refused("a record that carries a hash, and money too")
    return record


def hash_of(record: Record) -> bytes:
    """Read the hash that a record of :data:`HASH_LINES` carries in four of its fields."""
    return struct.pack("<QQQq", record.market, record.buy_order, record.sell_order, record.quantity)


def is_sum(record: Record) -> bool:
    """Whether a trade's amount is a sum, which has no price a unit, instead of |price x quantity|."""
    return record.kind == "trade" and record.code in (PAID_TO_BUYER, *SUMS)


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
        *rest,
    ) = _HEADER.unpack(data)
    if tag != b"FCB1":
        raise Refused("these bytes are no block header")
    if version != 1:
        raise Refused(f"header version {version}; this program knows version 1")
    if flags & ~1:
        raise Refused(f"undefined flag bits in {flags:#06x}")
    header = Header(bool(flags), height, chain_id, prev, orders_root, records_root, state_root, *rest)
    if (height == 0 and prev != _ZERO) or (not flags and state_root != _ZERO):
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
    main: Verdict | None = None
    """What the proof in the main chain shows, where the block is one of a sub-chain."""


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
    main = None
    if "main" in proof:
        inner = proof["main"]
        if not isinstance(inner, dict) or "main" in inner:
            raise Refused("'main' is no proof in a main chain")
        main = check_proof(inner)
        said = main.leaf
        if not isinstance(said, Record) or (said.kind, said.code) != HASH_LINES[1]:
            raise Refused("the record of the main chain does not speak of a sub-chain")
        if hash_of(said) != subchain_hash(parsed.chain_id, size, root):
            raise Refused("the record of the main chain speaks of another sub-chain, or of it at another time")
    return Verdict(leaf, index, parsed, leaf_hash(header), size, root, main)


def subchain_hash(chain_id: bytes, size: int, root: bytes) -> bytes:
    """SHA-256(0x09 || chain id || size || root): what a main chain's record says of a sub-chain's header log."""
    return hashlib.sha256(b"\x09" + chain_id + struct.pack("<Q", size) + root).digest()


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


# -- signatures: RFC 8032, Ed25519 ---------------------------------------------------------------------------------

_P = 2**255 - 19
_ORDER_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_ROOT_OF_MINUS_1 = pow(2, (_P - 1) // 4, _P)
_Point = tuple[int, int, int, int]
_NEUTRAL: _Point = (0, 1, 1, 0)


def _add(a: _Point, b: _Point) -> _Point:
    """Add two points in extended coordinates (RFC 8032, section 5.1.4)."""
    left, right = (a[1] - a[0]) * (b[1] - b[0]) % _P, (a[1] + a[0]) * (b[1] + b[0]) % _P
    both, depth = 2 * a[3] * b[3] * _D % _P, 2 * a[2] * b[2] % _P
    e, f, g, h = right - left, depth - both, depth + both, right + left
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _double(a: _Point) -> _Point:
    x, y = a[0] * a[0] % _P, a[1] * a[1] % _P
    h = x + y
    e, g = h - (a[0] + a[1]) ** 2, x - y
    f = 2 * a[2] * a[2] + g
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _point(data: bytes) -> _Point | None:
    """Read a point; None if the 32 bytes are none, or not in their one spelling."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if x * x % _P != square:
        x = x * _ROOT_OF_MINUS_1 % _P
    if x * x % _P != square or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = _P - x
    return x, y, 1, x * y % _P


def _bytes_of(point: _Point) -> bytes:
    inverse = pow(point[2], -1, _P)
    x, y = point[0] * inverse % _P, point[1] * inverse % _P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _is_small(point: _Point) -> bool:
    """Whether eight times the point is nothing: such keys and nonces sign everything."""
    eight = _double(_double(_double(point)))
    return eight[0] == 0 and eight[1] == eight[2]


_BASE = _point((4 * pow(5, -1, _P) % _P).to_bytes(32, "little")) or _NEUTRAL


def is_key(key: bytes) -> bool:
    """Whether these 32 bytes are a public key that may sign."""
    point = _point(key) if len(key) == 32 else None
    return point is not None and not _is_small(point)


def verify_signature(key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the 64 bytes are the Ed25519 signature of the key over the message, strictly (about 2 ms)."""
    if len(key) != 32 or len(signature) != 64:
        return False
    point, scalar = _point(key), int.from_bytes(signature[32:], "little")
    if point is None or _is_small(point) or scalar >= _ORDER_L:
        return False
    challenge = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % _ORDER_L
    minus = (_P - point[0], point[1], 1, _P - point[3])
    table = (_NEUTRAL, _BASE, minus, _add(_BASE, minus))
    # scalar * base - challenge * key, bit by bit, both at once
    nonce = _NEUTRAL
    for bit in range(max(scalar.bit_length(), challenge.bit_length()) - 1, -1, -1):
        nonce = _double(nonce)
        digit = scalar >> bit & 1 | (challenge >> bit & 1) << 1
        if digit:
            nonce = _add(nonce, table[digit])
    return not _is_small(nonce) and _bytes_of(nonce) == signature[:32]


# -- checkpoints and policies ------------------------------------------------------------------------------------

MAX_NOTE_LEN = 1 << 16
MAX_SIGNATURES = 200
TYPE_LOG, TYPE_COSIGNATURE = 1, 4
"""Signature types of c2sp.org/signed-note: a log over its checkpoint; a timestamped cosignature."""


class Checkpoint(NamedTuple):
    """Where a header log stands."""

    origin: str
    size: int
    root: bytes


class SignatureLine(NamedTuple):
    """One signature under a checkpoint, not checked."""

    name: str
    key_id: bytes
    signature: bytes


class Note(NamedTuple):
    """A checkpoint, its text and the signatures under it, not checked."""

    checkpoint: Checkpoint
    text: str
    signatures: tuple[SignatureLine, ...]


class Key(NamedTuple):
    """A named public key."""

    name: str
    kind: int
    key: bytes


class Policy(NamedTuple):
    """Whose signatures a reader asks for."""

    logs: tuple[Key, ...]
    witnesses: dict[str, Key]
    groups: dict[str, tuple[int, tuple[str, ...]]]
    quorum: str


class Cosigned(NamedTuple):
    """Whose signatures a checkpoint carries."""

    checkpoint: Checkpoint
    logs: tuple[str, ...]
    witnesses: dict[str, int]
    """Time of signing in seconds since 1970 UTC, by the witness's name in the policy."""


def _unbase64(text: str) -> bytes | None:
    """Read base64 in its one spelling."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    return data if base64.b64encode(data).decode() == text else None


def _is_text(text: str) -> bool:
    return all(letter >= " " or letter == "\n" for letter in text)


def parse_checkpoint(text: str) -> Checkpoint:
    """Read the three lines of a checkpoint, strictly; raises :class:`Refused`."""
    if not _is_text(text):
        raise Refused("the checkpoint holds a control character")
    lines = text.split("\n")
    if len(lines) != 4 or lines[3] or not lines[0]:
        raise Refused("the checkpoint is not three lines: origin, size, root")
    origin, size, encoded, _ = lines
    if not size.isascii() or not size.isdecimal() or (size[0] == "0" and size != "0") or len(size) > 19:
        raise Refused("the checkpoint's size is no number without leading zeros")
    if int(size) >= 2**63:
        raise Refused("the checkpoint's size is not below 2^63")
    root = _unbase64(encoded)
    if root is None or len(root) != 32:
        raise Refused("the checkpoint's root is not the base64 of 32 bytes")
    return Checkpoint(origin, int(size), root)


def parse_note(data: bytes) -> Note:
    """Read a checkpoint with its signatures, strictly; raises :class:`Refused`. No signature is checked."""
    try:
        text = data.decode() if len(data) <= MAX_NOTE_LEN else ""
    except UnicodeDecodeError:
        text = ""
    if not text or not _is_text(text):
        raise Refused("the note is empty, too long, not UTF-8, or holds a control character")
    before, blank, after = text.rpartition("\n\n")
    if not blank or not after.endswith("\n"):
        raise Refused("the note is not lines of text, a blank line and lines of signatures")
    body = before + "\n"
    checkpoint = parse_checkpoint(body)
    lines = after[:-1].split("\n")
    signatures = tuple(_signature_line(line) for line in lines[:MAX_SIGNATURES])
    if len(lines) > MAX_SIGNATURES:
        raise Refused(f"the note has more than {MAX_SIGNATURES} signatures")
    return Note(checkpoint, body, signatures)


def _is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(letter.isspace() for letter in name)


def _signature_line(line: str) -> SignatureLine:
    name, blank, encoded = line[2:].partition(" ")
    data = _unbase64(encoded)
    if not line.startswith("\u2014 ") or not blank or not _is_name(name) or data is None or len(data) < 5:
        raise Refused("a signature line is not '\u2014 name base64'")
    return SignatureLine(name, data[:4], data[4:])


def key_id(key: Key) -> bytes:
    """First four bytes of SHA-256(name || newline || type || key)."""
    return hashlib.sha256(key.name.encode(errors="surrogateescape") + bytes((10, key.kind)) + key.key).digest()[:4]


def parse_key(text: str) -> Key:
    """Read a verifier key, ``name+key id+base64``, strictly; raises :class:`Refused`."""
    name, *rest = text.split("+", 2)
    data = _unbase64(rest[1]) if len(rest) == 2 else None
    if data is None or not _is_name(name) or len(data) != 33 or data[0] not in (TYPE_LOG, TYPE_COSIGNATURE):
        raise Refused(f"{text!r} is no Ed25519 verifier key")
    key = Key(name, data[0], data[1:])
    if rest[0] != key_id(key).hex():
        raise Refused(f"the key id of {name!r} is not that of its key")
    if not is_key(key.key):
        raise Refused(f"the key of {name!r} is weak or no point: anybody could sign for it")
    return key


def parse_policy(data: bytes) -> Policy:
    """Read a policy, as c2sp.org/tlog-policy has it, strictly; raises :class:`Refused`."""
    if any((byte < 0x20 and byte not in (9, 10)) or byte == 0x7F for byte in data) or not data.endswith(b"\n"):
        raise Refused("the policy is no text of whole lines")
    logs: list[Key] = []
    witnesses: dict[str, Key] = {}
    groups: dict[str, tuple[int, tuple[str, ...]]] = {}
    used: set[str] = set()
    quorum = None
    for number, line in enumerate(data.decode(errors="surrogateescape").split("\n"), 1):
        words = line.replace("\t", " ").split(" ")
        words = [word for word in words if word]
        if not words or words[0].startswith("#"):
            continue

        def wrong(why: str, number: int = number) -> Refused:
            return Refused(f"line {number} of the policy: {why}")

        if words[0] == "log" and len(words) in (2, 3):
            key = parse_key(words[1])
            if key.kind != TYPE_LOG or any(key.key == other.key for other in logs):
                raise wrong("a log needs a key of type 1 of its own")
            logs.append(key)
        elif words[0] == "witness" and len(words) in (3, 4):
            name, key = words[1], parse_key(words[2])
            if name in witnesses or name in groups or name == "none":
                raise wrong(f"the name {name!r} is taken")
            if key.kind != TYPE_COSIGNATURE or any(key.key == other.key for other in witnesses.values()):
                raise wrong("a witness needs a key of type 4 of its own")
            witnesses[name] = key
        elif words[0] == "group" and len(words) >= 4:
            name, members = words[1], tuple(words[3:])
            if name in witnesses or name in groups or name == "none":
                raise wrong(f"the name {name!r} is taken")
            for member in members:
                if member not in witnesses and member not in groups:
                    raise wrong(f"{member!r} is not defined before")
                if member in used:
                    raise wrong(f"{member!r} is in a group already")
                used.add(member)
            needed = {"any": "1", "all": str(len(members))}.get(words[2], words[2])
            if not (needed.isascii() and needed.isdecimal() and len(needed) < 6 and 1 <= int(needed) <= len(members)):
                raise wrong(f"{words[2]!r} of {len(members)} members cannot be")
            groups[name] = int(needed), members
        elif words[0] == "quorum" and len(words) == 2 and quorum is None:
            quorum = words[1]
            if quorum not in witnesses and quorum not in groups and quorum != "none":
                raise wrong(f"{quorum!r} is not defined before")
        else:
            raise wrong(f"{words[0]!r} is not understood here")
    if quorum is None:
        raise Refused("the policy has no quorum line")
    return Policy(tuple(logs), witnesses, groups, quorum)


def cosignature_time(note: Note, key: Key) -> int | None:
    """Time at which a key cosigned, or None; raises :class:`Refused` if a line of that key does not verify."""
    latest = None
    for line in note.signatures:
        if line.name != key.name or line.key_id != key_id(key):
            continue
        time = int.from_bytes(line.signature[:8], "big")
        message = f"cosignature/v1\ntime {time}\n{note.text}".encode()
        if len(line.signature) != 72 or time >= 2**63 or not verify_signature(key.key, message, line.signature[8:]):
            raise Refused(f"the signature of {key.name} does not verify")
        latest = time if latest is None else max(latest, time)
    return latest


def log_signed(note: Note, key: Key) -> bool:
    """Whether a log signed; raises :class:`Refused` if a line of that key does not verify."""
    lines = [line for line in note.signatures if line.name == key.name and line.key_id == key_id(key)]
    for line in lines:
        if not verify_signature(key.key, note.text.encode(), line.signature):
            raise Refused(f"the signature of {key.name} does not verify")
    return bool(lines)


def check_checkpoint(data: bytes, policy: Policy) -> Cosigned:
    """Check a signed checkpoint against a policy; raises :class:`Refused`.

    Lines of keys that the policy does not name are passed over; a line of a named key that does not verify refuses the
    whole. However often a key has signed, it counts once.
    """
    note = parse_note(data)
    logs = tuple(key.name for key in policy.logs if log_signed(note, key) and key.name == note.checkpoint.origin)
    if policy.logs and not logs:
        raise Refused(f"no log of the policy has signed as {note.checkpoint.origin!r}")
    times = {name: cosignature_time(note, key) for name, key in policy.witnesses.items()}
    signed = {name: time for name, time in times.items() if time is not None}
    holds = dict.fromkeys(signed, True)
    for name, (needed, members) in policy.groups.items():
        holds[name] = sum(holds.get(member, False) for member in members) >= needed
    if policy.quorum != "none" and not holds.get(policy.quorum, False):
        who = ", ".join(sorted(signed)) or "nobody"
        raise Refused(f"the checkpoint is signed by {who}, and that is no quorum")
    return Cosigned(note.checkpoint, logs, signed)


class Consortium(NamedTuple):
    """Validators by name, and how many of them make a quorum."""

    threshold: int
    validators: tuple[Key, ...]


def parse_consortium(data: bytes) -> Consortium:
    """Read the bytes of a consortium, strictly; raises :class:`Refused`."""
    if len(data) < 16 or data[:4] != b"FCV1":
        raise Refused("these bytes are no consortium")
    version, threshold, count = struct.unpack_from("<HHH", data, 4)
    if version != 1 or any(data[10:16]):
        raise Refused("a consortium of another version, or with undefined bytes that are not zero")
    keys, at = [], 16
    for _ in range(count):
        end = at + 33 + data[at] if at < len(data) else at + 1
        name, key = data[at + 1 : end - 32], data[end - 32 : end]
        if end > len(data) or not name or not all(0x21 <= byte <= 0x7E and byte != 0x2B for byte in name):
            raise Refused("a consortium that is cut short, or with a name that no note could carry")
        if not is_key(key):
            raise Refused("a consortium with a weak key")
        keys.append(Key(name.decode("ascii"), TYPE_COSIGNATURE, key))
        at = end
    names = [key.name for key in keys]
    if at != len(data) or names != sorted(set(names)) or len({key.key for key in keys}) < count:
        raise Refused("a consortium out of order, with somebody twice, or with bytes left over")
    if not 1 <= threshold <= count <= 100:
        raise Refused(f"a consortium of {count} with a threshold of {threshold}")
    return Consortium(threshold, tuple(keys))


def policy_hash(policy: Policy) -> bytes | None:
    """Validators hash of the consortium that a policy asks for; None if it is not one group of all its witnesses."""
    needed, members = policy.groups.get(policy.quorum, (0, ()))
    keys = sorted(policy.witnesses[name] for name in members if name in policy.witnesses)
    if not keys or len(keys) < len(members) or len(keys) < len(policy.witnesses):
        return None
    data = b"FCV1" + struct.pack("<HHH6x", 1, needed, len(keys))
    for key in keys:
        name = key.name.encode(errors="surrogateescape")
        data += bytes([len(name) & 255]) + name + key.key
    return hashlib.sha256(b"\x08" + data).digest()


def renewed_policy(verdict: Verdict, data: bytes, policy: Policy) -> str:
    """Write the policy that asks for the consortium which a record names; raises :class:`Refused`.

    The record has to have been shown under a checkpoint that satisfies the policy so far. It counts only in the last
    block of that log, and only if the block is one of the policy's own consortium: an earlier change, shown again,
    changes nothing.
    """
    consortium, leaf = parse_consortium(data), verdict.leaf
    if verdict.main is not None or verdict.header.height != verdict.log_size - 1:
        raise Refused("a change of validators counts in the last block of its log")
    if verdict.header.validators_hash != policy_hash(policy):
        raise Refused("the change is not one of the consortium that the policy asks for")
    if not isinstance(leaf, Record) or (leaf.kind, leaf.code) != HASH_LINES[0]:
        raise Refused("the leaf is no change of validators")
    if hash_of(leaf) != hashlib.sha256(b"\x08" + data).digest():
        raise Refused("the record names another consortium")
    lines = [f"log {_key_text(key)}" for key in policy.logs]
    lines += [f"witness {key.name} {_key_text(key)}" for key in consortium.validators]
    names = [key.name for key in consortium.validators]
    group = "quorum"
    while group in names:
        group += "-"
    lines += [f"group {group} {consortium.threshold} {' '.join(names)}", f"quorum {group}"]
    return "\n".join(lines) + "\n"


def _key_text(key: Key) -> str:
    return f"{key.name}+{key_id(key).hex()}+{base64.b64encode(bytes([key.kind]) + key.key).decode()}"


def check_growth(seen: Checkpoint, now: Checkpoint, old: int, path: list[bytes]) -> None:
    """Check that the log seen last is the beginning of the log now; raises :class:`Refused`.

    ``old`` and ``path`` are a consistency proof; where both checkpoints have one size none is needed.
    """
    if seen.origin != now.origin:
        raise Refused(f"you remember the log {seen.origin!r}, and this is {now.origin!r}")
    if now.size < seen.size:
        raise Refused(f"you have seen {seen.size} blocks, and this log has {now.size}: blocks were cut off")
    if now.size == seen.size:
        if now.root != seen.root:
            raise Refused(f"two different logs of {now.size} blocks: the log was forked; keep both checkpoints")
        return
    if seen.size and (old != seen.size or not verify_consistency(old, now.size, path, seen.root, now.root)):
        raise Refused(f"nothing shows that the {seen.size} blocks that you have seen are the first of these {now.size}")


# -- command line ------------------------------------------------------------------------------------------------


def describe(verdict: Verdict) -> str:
    """Say in one line what the leaf holds."""
    leaf, header = verdict.leaf, verdict.header
    if verdict.main is not None:
        return f"{describe(verdict._replace(main=None))[:-1]}, of a sub-chain.\n{describe(verdict.main)}"
    place = f"block {header.height} (slot {header.slot} ns)"
    if isinstance(leaf, Record) and (leaf.kind, leaf.code) in HASH_LINES:
        return f"Record {leaf.seq} of {place} carries the hash {hash_of(leaf).hex()}."
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


def _judge_checkpoint(
    proof: dict[str, Any], verdict: Verdict, note: bytes | None, policy: bytes, seen: bytes | None
) -> tuple[str, bytes]:
    """Steps 5 to 7; raises :class:`Refused`, returns what was established and the checkpoint to remember."""
    if note is None:
        text = proof.get("checkpoint")
        if not isinstance(text, str):
            raise Refused("neither the proof nor --checkpoint holds a checkpoint")
        note = text.encode(errors="surrogatepass")
    signed = check_checkpoint(note, parse_policy(policy))
    now, outer = signed.checkpoint, verdict.main or verdict
    if (now.size, now.root) != (outer.log_size, outer.log_root):
        raise Refused("the checkpoint is of another log, or of this one at another time")
    established = f"The log of {now.size} blocks is signed by {', '.join(sorted(signed.witnesses)) or 'its log'}."
    if seen is not None:
        remembered = parse_note(seen).checkpoint
        growth = proof.get("growth")
        old, path = (_integer(growth, "old"), _path(growth)) if isinstance(growth, dict) else (0, [])
        check_growth(remembered, now, old, path)
        established += f"\nThe {remembered.size} blocks that you have seen are still its first ones."
    return established, note


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    lesson = (__doc__ or "").replace("``", "").replace("::\n", ":\n")
    parser = argparse.ArgumentParser(
        description=lesson.partition("\n")[0],
        epilog=lesson.partition("\n")[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("proof", type=Path, help="proof file (JSON)")
    parser.add_argument("--policy", type=Path, help="whose signatures you ask for (text)")
    parser.add_argument("--checkpoint", type=Path, help="the signed checkpoint, where the proof does not hold it")
    parser.add_argument(
        "--remember", type=Path, help="file with the checkpoint seen last; written anew when all agrees"
    )
    parser.add_argument("--renew", type=Path, help="bytes of the consortium that the leaf names; renews the policy")
    parser.add_argument("--head", metavar="HEX", help="a hash that you trust")
    parser.add_argument("--headers", type=Path, help="headers.bin of the ledger, to check the whole chain")
    given = parser.parse_args(arguments)
    if given.renew and not given.remember:
        return _unreadable("--renew needs --remember, so that no old change is taken for a new one")
    if given.policy is None and (given.remember or given.checkpoint or given.renew):
        return _unreadable("--checkpoint, --remember and --renew need a --policy")
    try:
        head = None if given.head is None else bytes.fromhex(given.head)
        proof = json.loads(given.proof.read_text(encoding="utf-8"))
        headers = None if given.headers is None else given.headers.read_bytes()
        policy = None if given.policy is None else given.policy.read_bytes()
        note = None if given.checkpoint is None else given.checkpoint.read_bytes()
        consortium = None if given.renew is None else given.renew.read_bytes()
        seen = given.remember.read_bytes() if given.remember and given.remember.exists() else None
    except (OSError, ValueError, RecursionError) as error:
        return _unreadable(str(error))
    if head is not None and len(head) != 32:
        return _unreadable("--head has not 64 hexadecimal digits")
    if not isinstance(proof, dict):
        return _unreadable("the proof file holds no JSON object")
    try:
        verdict = check_proof(proof)
        established, renewed = [], None
        if policy is not None:
            signed, note = _judge_checkpoint(proof, verdict, note, policy, seen)
            established.append(signed)
            if consortium is not None:
                renewed = renewed_policy(verdict, consortium, parse_policy(policy))
                established.append(f"{given.policy} asks for the new validators from now on.")
        if policy is None or head is not None or headers is not None:
            established.append(judge(verdict, head, headers))
    except Refused as error:
        print(f"REFUSED: {error}.")  # noqa: T201
        return 1
    try:
        if given.remember and note is not None:
            _write_whole(given.remember, note)
        if renewed is not None:
            _write_whole(given.policy, renewed.encode())
    except OSError as error:
        return _unreadable(str(error))
    print(f"OK. {describe(verdict)}", *established, sep="\n")  # noqa: T201
    return 0


def _write_whole(path: Path, data: bytes) -> None:
    """Write beside the file and rename over it: the old text or the new one is there, never half of one."""
    fresh = path.with_name(path.name + ".tmp")
    fresh.write_bytes(data)
    fresh.replace(path)


def _unreadable(why: str) -> int:
    print(f"Cannot check: {why}", file=sys.stderr)  # noqa: T201
    return 2


if __name__ == "__main__":
    sys.exit(main())
