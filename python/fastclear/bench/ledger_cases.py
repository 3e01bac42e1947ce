"""The ledger against a loop of hashlib: roots from a buffer, paths from a kept tree, verifying what is sealed."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import Final

import numpy as np

import fastclear as fc
from fastclear import _core, light_client
from fastclear.bench.timing import Call, Contest
from fastclear.bench.workloads import SEED
from fastclear.block import RECORD_ENTRY_LEN

PROVED: Final = 1_000
"""Leaves whose paths are read off in one call."""


def _entries(n: int) -> bytes:
    return np.random.default_rng([SEED, n, RECORD_ENTRY_LEN]).bytes(n * RECORD_ENTRY_LEN)


def by_hashlib(entries: bytes) -> bytes:
    """The same root by the plainest loop there is: one call of hashlib a leaf and a node."""
    sha256 = hashlib.sha256
    size = RECORD_ENTRY_LEN
    level = [sha256(b"\x00" + entries[at : at + size]).digest() for at in range(0, len(entries), size)]
    while len(level) > 1:
        even = len(level) - len(level) % 2
        above = [sha256(b"\x01" + level[at] + level[at + 1]).digest() for at in range(0, even, 2)]
        level = above + level[even:]
    return level[0]


def seal(n: int) -> list[Contest]:
    """The root over records that stand one after another."""
    entries = _entries(n)
    if _core.merkle_root(entries, RECORD_ENTRY_LEN) != by_hashlib(entries):
        raise AssertionError("hashlib and fastclear differ in a root")
    calls: dict[str, Call] = {
        "fastclear": partial(_core.merkle_root, entries, RECORD_ENTRY_LEN),
        "hashlib": partial(by_hashlib, entries),
    }
    return [Contest.of(calls, n)]


def prove(n: int) -> list[Contest]:
    """Paths of many leaves from a tree that is there; per level."""
    tree = _core.Tree.of_entries(_entries(n), RECORD_ENTRY_LEN)
    proved = min(n, PROVED)
    indices = np.random.default_rng([SEED, n]).integers(0, n, proved).tolist()
    if not light_client.verify_inclusion(tree.leaf(indices[0]), indices[0], n, tree.prove(indices[0]), tree.root):
        raise AssertionError("a path does not verify")
    levels = sum(len(tree.prove(index)) for index in indices)
    return [Contest.of({"fastclear": partial(tree.prove_each, indices)}, levels)]


def verify(n: int) -> list[Contest]:
    """All of a ledger verified: forms, sequence, amounts and roots; per leaf, of which two thirds are orders."""
    pairs = max(1, n // 3)
    rng = np.random.default_rng([SEED, n, 3])
    columns = {
        "market": np.repeat(np.arange(pairs), 2),
        "side": np.tile(np.array([1, 0], np.uint8), pairs),
        "price": np.tile([30, 10], pairs),
        "quantity": np.repeat(rng.integers(1, 1_000, pairs), 2),
    }
    ledger = fc.Ledger(seed=SEED)
    block = ledger.seal(fc.clear(columns, fc.Uniform()), slot=0)
    contents = ledger._chain.contents()
    if _core.Chain.restore(*contents, SEED).head.hex() != block.hash:
        raise AssertionError("a ledger is not what it was")
    calls: dict[str, Call] = {"fastclear": lambda: _core.Chain.restore(*contents, SEED).height}
    return [Contest.of(calls, block.orders + block.records)]
