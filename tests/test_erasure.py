"""Erasing: the content is gone from every file, the chain and everybody else's proofs stand, and nobody can guess."""

import hashlib
import json
import struct

import numpy as np
import pytest

import fastclear as fc
from fastclear import clearing_proof, light_client
from fastclear.leaves import ORDER_DTYPE

ORDERS = {
    "side": ["buy", "sell", "sell", "buy"],
    "price": [300_000, 100_000, 200_000, 250_000],
    "quantity": [1500, 1000, 2000, 700],
    "participant": [71_717_171_717, 82_828_282_828, 93_939_393_939, 71_717_171_717],
}
ANN = ORDERS["participant"][0]


def fill(ledger, blocks=3):
    for height in range(blocks):
        ledger.seal(fc.clear(ORDERS, fc.Uniform()), slot=height)
    return ledger


def files(path):
    return {file.name: file.read_bytes() for file in path.iterdir()}


def settled(ledger):
    """Two slots with a bank, whose meter readings are records."""
    bank = fc.Settlement(tariff=fc.Tariff(retail=300_000, feed_in=50_000))
    bank.open(["ann", "bob"])
    bank.deposit(["ann", "bob"], 10**12)
    book = {"side": ["buy", "sell"], "price": [30, 10], "quantity": [5, 5], "participant": ["ann", "bob"]}
    for slot in range(2):
        bank.reserve(book)
        clearing = fc.clear(book, fc.Uniform())
        receipts = bank.settle(clearing, slot=slot, meter={"participant": ["ann", "bob"], "energy_wh": [-5, 5]})
        ledger.seal(clearing, receipts, slot=slot)
    return bank


def test_the_chain_and_everybody_elses_proofs_still_verify(tmp_path):
    ledger = fill(fc.Ledger.open(tmp_path / "ledger"))
    block, head = ledger.block(1), ledger.head
    handed_out = [ledger.prove(1, leaf, tree="orders") for leaf in range(4)]
    event = ledger.erase(1, 2, reason="asked for it")
    report = fc.verify_directory(tmp_path / "ledger", head=head)
    assert (report.blocks, report.orders, report.erased, ledger.head) == (3, 12, 1, head)
    assert ledger.block(1) == block
    for leaf in (0, 1, 3):
        again = ledger.prove(1, leaf, tree="orders")
        assert again.path == handed_out[leaf].path
        assert fc.verify(again.leaf, again, block)
    assert all(fc.verify(ledger.prove(1, i).leaf, ledger.prove(1, i), block) for i in range(block.records))
    with pytest.raises(fc.LedgerError, match="has been erased"):
        ledger.prove(1, 2, tree="orders")
    # Whoever has kept leaf and salt can still prove; the event names the hash of just that leaf.
    assert fc.verify(handed_out[2].leaf, handed_out[2], block)
    assert event.hashes == (light_client.leaf_hash(handed_out[2].leaf).hex(),)
    assert ledger.erased().rows() == [(1, "orders", 2, event.hashes[0])]
    assert json.loads(event.to_json())["reason"] == "asked for it"
    # And the chain goes on.
    fill(ledger, 1)
    assert fc.verify_directory(tmp_path / "ledger").blocks == 4


def test_the_bytes_are_gone_from_every_file(tmp_path):
    path = tmp_path / "ledger"
    ledger = fill(fc.Ledger.open(path))
    entries = np.frombuffer(ledger._chain.orders(0), ORDER_DTYPE)
    places = np.flatnonzero(entries["participant"] == ANN).tolist()
    secret = [ANN.to_bytes(8, "little"), *(entries[place : place + 1]["salt"].tobytes() for place in places)]
    assert all(any(item in content for content in files(path).values()) for item in secret)
    ledger.erase_member(ANN)
    for name, content in files(path).items():
        assert not any(item in content for item in secret), name
    assert "erasing" not in files(path)
    ledger.reopen()
    assert sorted(set(ledger.orders(1)["participant"].to_list())) == sorted(set(ORDERS["participant"]) - {ANN})


def test_what_is_erased_in_memory_does_not_come_back_with_a_copy():
    import pickle

    ledger = fill(fc.Ledger())
    ledger.erase_member(ANN)
    text = pickle.dumps(ledger)
    assert ANN.to_bytes(8, "little") not in text
    again = pickle.loads(text)
    assert (again.head, again.erased().rows()) == (ledger.head, ledger.erased().rows())
    fill(again, 1)


def test_meter_readings_can_be_erased_and_balances_still_replay(tmp_path):
    ledger = fc.Ledger.open(tmp_path / "ledger")
    bank = settled(ledger)
    records = ledger.records(1)
    readings = [row for row, kind in enumerate(records["kind"].to_list()) if kind == "meter"]
    assert readings
    ledger.erase(1, readings, tree="records")
    report = fc.verify_directory(tmp_path / "ledger")
    assert (report.erased, report.has_state) == (len(readings), True)
    assert "meter" not in ledger.records(1)["kind"].to_list()
    account = bank.account("ann")
    proof = ledger.prove_balance(0, account)
    assert fc.verify_balance(proof, ledger.block(0)).account == account
    ledger.reopen()
    assert ledger.height == 2
    member = ledger.erase_member(account, reason="left")
    assert {item.tree for item in member} == {"orders", "records"}
    assert fc.verify_directory(tmp_path / "ledger").blocks == 2


def test_money_records_are_kept():
    ledger = fc.Ledger()
    settled(ledger)
    before = ledger._chain.contents()
    kinds = ledger.records(0)["kind"].to_list()
    readings = [row for row, kind in enumerate(kinds) if kind == "meter"]
    for kind in set(kinds) - {"meter"}:
        with pytest.raises(fc.LedgerError, match="is kept"):
            ledger.erase(0, [*readings, kinds.index(kind)], tree="records")
    assert ledger._chain.contents() == before


@pytest.mark.parametrize(
    ("height", "leaves", "tree", "message"),
    [
        (9, 0, "orders", "no block 9"),
        (0, 4, "orders", "leaf 4 is outside a tree of 4"),
        (0, [0, -1], "orders", "leaves holds -1"),
        (0, [True], "orders", "leaves holds True"),
        (0, 0, "headers", "tree is 'headers'"),
        (0, 0.5, "orders", None),
    ],
)
def test_calls_that_make_no_sense_erase_nothing(height, leaves, tree, message):
    ledger = fill(fc.Ledger())
    before = ledger._chain.contents()
    with pytest.raises(fc.LedgerError if message else TypeError, match=message):
        ledger.erase(height, leaves, tree=tree)
    assert ledger._chain.contents() == before


def test_members_are_found_by_integers_and_texts():
    for names in ([-5, 6], ["ann", "bob"]):
        ledger = fc.Ledger()
        book = {"side": ["buy", "sell"], "price": [3, 1], "quantity": [2, 2], "participant": names}
        ledger.seal(fc.clear(book, fc.Uniform()), slot=0)
        assert [event.leaves for event in ledger.erase_member(names[0])] == [(0,)]
        assert ledger.erase_member(names[0]) == []
        assert len(ledger.orders(0)) == 1
    for bad in (0, 1.5, True, 2**64, None):
        with pytest.raises(fc.LedgerError):
            ledger.erase_member(bad)


def test_erasing_twice_changes_nothing_and_an_altered_hash_is_found(tmp_path):
    path = tmp_path / "ledger"
    ledger = fill(fc.Ledger.open(path))
    first = ledger.erase(0, [0, 1])
    content = files(path)
    assert ledger.erase(0, [1, 0]) == first
    assert files(path) == content
    del ledger
    for at in range(80):
        raw = bytearray(content["orders.bin"])
        raw[at] ^= 1
        (path / "orders.bin").write_bytes(raw)
        with pytest.raises(fc.VerificationError):
            fc.verify_directory(path)


def test_a_power_cut_anywhere_leaves_all_or_nothing(tmp_path):
    """What is to stand there is on disk before the first byte is overwritten: any mixture of old and new is mended."""
    path = tmp_path / "ledger"
    ledger = fill(fc.Ledger.open(path, seed=3))
    before = files(path)
    ledger.erase(1, [1, 2])
    after = files(path)
    del ledger
    old, new = before["orders.bin"], after["orders.bin"]
    start, end = 4 * 80, 8 * 80
    text = b"o" + struct.pack("<Q", start) + new[start:end]
    begun = text + hashlib.sha256(b"\x00" + text).digest()
    for written in [0, 1, 79, 80, 81, 150, 160, 239, 240, 319, 320]:
        at = start + written
        mixed = old[:at] + new[at:] if written % 2 else new[:at] + old[at:]
        (path / "orders.bin").write_bytes(mixed)
        (path / "erasing").write_bytes(begun)
        assert fc.verify_directory(path).erased in (0, 1, 2)  # read as what it will be
        fc.Ledger.open(path).height  # noqa: B018 - opening mends
        assert files(path) == after
    # Broken off while it was written down: nothing had been overwritten.
    for cut in (0, 5, 9, len(begun) - 1):
        (path / "orders.bin").write_bytes(old)
        (path / "erasing").write_bytes(begun[:cut])
        assert fc.verify_directory(path).erased == 0
        fc.Ledger.open(path).height  # noqa: B018
        assert files(path) == before


def guesses(leaf_without_salt, hashes, salts):
    """Which of 10^6 guesses at the quantity hits a leaf hash, under each of these salts."""
    found = []
    base = bytearray(leaf_without_salt)
    wanted = set(hashes)
    for salt in salts:
        for quantity in range(10**6 // len(salts)):
            base[40:48] = quantity.to_bytes(8, "little")
            if hashlib.sha256(b"\x00" + base + salt).digest() in wanted:
                found.append(quantity)
    return found


def test_a_dictionary_of_a_million_guesses_finds_nothing_without_the_salt():
    ledger = fill(fc.Ledger(), 1)
    entry = ledger.prove(0, 3, tree="orders").leaf
    leaf, salt = entry[:64], entry[64:]
    event = ledger.erase(0, 3)
    hashes = [bytes.fromhex(item) for item in event.hashes]
    # The guesser knows everything but the quantity, and tries no salt, a zero one, and all that are left of others.
    left = [row["salt"].tobytes() for row in np.frombuffer(ledger._chain.orders(0), ORDER_DTYPE)[:3]]
    assert guesses(leaf, hashes, [bytes(16), b"", *left]) == []
    assert guesses(leaf, hashes, [salt]) == [700]  # with the salt the same dictionary finds it at once


def test_no_salt_can_be_made_again_from_what_is_kept():
    """The key of a block is replaced when it is sealed; a seed's is not, which is why seeds are for simulations."""
    for make, known in ((lambda: fc.Ledger(seed=4), True), (fc.Ledger, False)):
        ledger = fill(make(), 2)
        salt = np.frombuffer(ledger._chain.orders(0), ORDER_DTYPE)["salt"][0].tobytes()
        kept = repr(vars(ledger)) + repr(ledger.__reduce__()[1][2])
        assert (fill(fc.Ledger(seed=4), 1)._chain.orders(0)[64:80] == salt) is known
        assert ("4" in kept) is known or "_seed': None" in kept


def test_a_block_with_erased_orders_has_no_certificate():
    rule = fc.Uniform()
    ledger = fc.Ledger(fc.sealed_parameters(rule))
    ledger.seal(fc.clear(ORDERS, rule), slot=0)
    assert ledger.certify(0).volume > 0
    ledger.erase(0, 0)
    with pytest.raises(fc.NoCertificateError, match="erased"):
        ledger.certify(0)
    chain = ledger._chain
    with pytest.raises(clearing_proof.NoCertificate, match="erased"):
        clearing_proof.certify(ledger.block(0).header, chain.params, chain.orders(0), chain.records(0))
