"""Saving a book that settles or has a cover: it goes on as the other, and what is no such state is refused."""

import hashlib
import pickle

import numpy as np
import pytest
from test_book_settling import bank_of, flow

import fastclear as fc

HEAD = 6, 38


def covered_book(rng, text):
    book = fc.OrderBook()
    names = [f"p-{index}" for index in range(6)] if text else list(range(6))
    markets = ["m-1", "m-1"] if text else [1, 1]
    book.set_cover(
        {"participant": names, "money": [int(rng.integers(0, 10**6)) for _ in range(5)] + [None], "energy": [30] * 6},
        tariff=fc.Tariff(0, 0, platform_fee=100, tax_ppm=190_000),
    )
    book.set_cover({"participant": names[:2], "market": markets, "position": [2, 4]})
    return book, names


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("covered", [False, True])
def test_a_restored_book_goes_on_as_the_other(seed, text, covered):
    rng = np.random.default_rng(seed)
    names = [f"p-{index}" for index in range(6)] if text else list(range(6))
    book = fc.OrderBook(settles=True)
    if covered:
        book, names = covered_book(rng, text)
    frames = flow(rng, 16, text=text)
    calls = [book.apply(frame) for frame in frames[:8]]
    if not text:
        book.place("buy", 50_000, 3, participant=1)  # what it did is told with the next call
        book.place("sell", 40_000, 2, participant=2)
    state = book.save()
    again = fc.OrderBook.restore(state)
    assert again.save() == state
    assert pickle.loads(pickle.dumps(book)).save() == state
    assert again.snapshot().equals(book.snapshot())
    calls = [(book.apply(frame), again.apply(frame)) for frame in frames[8:]]
    for one, other in calls:
        assert one.frame.equals(other.frame)
    if covered:
        assert again.cover.equals(book.cover)
        assert again.positions.equals(book.positions)
    else:
        assert again.cover is None
    receipts = [bank_of(names).settle([pair[index] for pair in calls]) for index in (0, 1)]
    assert receipts[0].frame.equals(receipts[1].frame)
    blocks = [fc.Ledger(seed=1).seal([pair[index] for pair in calls], receipts[index]) for index in (0, 1)]
    assert blocks[0].header == blocks[1].header
    if not text:
        steps = [own.step({"side": [0, 1], "price": [40_000, 50_000], "quantity": 2}, seed=3) for own in (book, again)]
        assert steps[0].markets.equals(steps[1].markets)
    assert book.save() == again.save()


def rehashed(state):
    return state[: HEAD[0]] + hashlib.sha256(state[: HEAD[0]] + state[HEAD[1] :]).digest() + state[HEAD[1] :]


def test_changed_bytes_raise_or_are_another_state():
    rng = np.random.default_rng(3)
    book, _ = covered_book(rng, text=False)
    for frame in flow(rng, 6):
        book.apply(frame)
    book.place("buy", 50_000, 3, participant=5)
    book.place("sell", 40_000, 2, participant=5)
    state = book.save()
    assert state.startswith(b"FCOD")
    assert rehashed(state) == state
    inner = int.from_bytes(state[38:42], "little")
    refused = accepted = 0
    for at in range(len(state)):
        changed = state[:at] + bytes([state[at] ^ int(rng.integers(1, 256))]) + state[at + 1 :]
        for given in (changed, state[:at]):
            with pytest.raises(fc.SchemaError, match="cannot be read"):
                fc.OrderBook.restore(given)
        if at < 42 + inner:
            continue
        try:
            other = fc.OrderBook.restore(rehashed(changed))
        except fc.SchemaError:
            refused += 1
            continue
        accepted += 1
        assert other.cover is not None
        assert fc.OrderBook.restore(other.save()).save() == other.save()
        other.apply({"op": ["mass_cancel"] * 3, "market": [0, 1, 2]})
        assert other.cover["at_stake"].cast(int).abs().sum() == 0
    assert refused > 50
    assert accepted > 50


def test_a_register_without_the_books_orders_is_refused():
    books = []
    for quantity in (2, 3):
        book = fc.OrderBook(settles=True)
        book.submit({"participant": [1], "side": ["buy"], "price": [5], "quantity": [quantity]})
        books.append(book.save())
    inner = [42 + int.from_bytes(state[38:42], "little") for state in books]
    mixed = rehashed(books[0][:42] + books[0][42 : inner[0]] + books[1][inner[1] :])
    with pytest.raises(fc.SchemaError, match="not those of the book"):
        fc.OrderBook.restore(mixed)
