"""Trees and balance proofs: hashed as hashlib does, proven as RFC 9162 says, refused where anything differs."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastclear as fc
from fastclear import _core, balance_proof, light_client
from fastclear.leaves import ORDER_DTYPE

LENGTHS = (33, 80, 96, 112, 280)


def slow_root(hashes):
    """RFC 9162 2.1.1, word by word."""
    if len(hashes) < 2:
        return hashes[0] if hashes else hashlib.sha256().digest()
    left = 1
    while 2 * left < len(hashes):
        left *= 2
    return hashlib.sha256(b"\x01" + slow_root(hashes[:left]) + slow_root(hashes[left:])).digest()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 200), st.sampled_from(LENGTHS), st.integers(0, 2**32))
def test_every_digest_is_that_of_hashlib(count, size, seed):
    entries = np.random.default_rng(seed).bytes(count * size)
    leaves = [hashlib.sha256(b"\x00" + entries[at : at + size]).digest() for at in range(0, len(entries), size)]
    tree = _core.Tree.of_entries(entries, size)
    assert [tree.leaf(index) for index in range(count)] == leaves
    assert tree.root == _core.merkle_root(entries, size) == slow_root(leaves) == _core.Tree(b"".join(leaves)).root
    assert len(tree) == count
    for index in range(count):
        assert light_client.verify_inclusion(leaves[index], index, count, tree.prove(index), tree.root)


def test_the_portable_path_hashes_alike():
    entries = np.random.default_rng(5).bytes(112 * 1000)
    program = "import sys; from fastclear import _core; print(_core.merkle_root(sys.stdin.buffer.read(), 112).hex())"
    for path in ("scalar", "avx2"):
        environment = os.environ | {"FASTCLEAR_SIMD": path}
        found = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", program],
            input=entries,
            env=environment,
            capture_output=True,
            check=True,
        )
        assert found.stdout.decode().strip() == _core.merkle_root(entries, 112).hex()


def test_many_paths_come_at_once():
    entries = np.random.default_rng(6).bytes(112 * 37)
    tree = _core.Tree.of_entries(entries, 112)
    found = tree.prove_each([0, 36, 5])
    for place, index in enumerate((0, 36, 5)):
        path = b"".join(tree.prove(index))
        assert found[place * 192 : (place + 1) * 192] == path.ljust(192, b"\x00")
    for call in (lambda: tree.prove_each([37]), lambda: tree.prove(37), lambda: tree.leaf(37)):
        with pytest.raises(fc.LedgerError, match="37"):
            call()


def test_bytes_that_are_no_whole_entries_are_refused():
    for call in (
        lambda: _core.merkle_root(b"abc", 2),
        lambda: _core.Tree.of_entries(b"abc", 0),
        lambda: _core.Tree(b"abc"),
    ):
        with pytest.raises(fc.LedgerError, match=r"no(t a)? whole number"):
            call()


# -- balances ----------------------------------------------------------------------------------------------------


def settled(blocks=3, members=("ann", "bob", "cy")):
    """Blocks of a bank, and what each member held after each of them."""
    bank = fc.Settlement(tariff=fc.Tariff(retail=300_000, feed_in=50_000))
    bank.open(members)
    bank.deposit(members, 10**9)
    ledger, held = fc.Ledger(seed=1), []
    for slot in range(blocks):
        book = {"side": ["buy", "sell"], "price": [30, 10], "quantity": [5, 5 + slot], "participant": ["ann", "bob"]}
        bank.reserve(book)
        clearing = fc.clear(book, fc.Uniform())
        ledger.seal(clearing, bank.settle(clearing), slot=slot)
        held.append(dict(zip(bank.balances["participant"], bank.balances["posted"], strict=True)))
    return bank, ledger, held


def test_a_balance_is_proven_at_every_block():
    bank, ledger, held = settled()
    for height in range(3):
        for member in ("ann", "bob", "cy"):
            proof = ledger.prove_balance(height, bank.account(member))
            block = ledger.block(height)
            ours = fc.verify_balance(fc.BalanceProof.from_json(proof.to_json()), block)
            alone = balance_proof.check_balance(proof.leaf, proof.index, proof.accounts, list(proof.path), block.header)
            assert ours == alone == proof.balance
            assert (ours.account, ours.posted) == (bank.account(member), int(held[height][member]))
            assert ours.available == ours.posted + ours.limit - ours.pending_out


def test_a_balance_of_an_old_state_is_refused():
    bank, ledger, held = settled()
    account = bank.account("ann")
    assert held[0]["ann"] != held[2]["ann"]
    old = ledger.prove_balance(0, account)
    for call in (
        lambda: fc.verify_balance(old, ledger.block(2)),
        lambda: balance_proof.check_balance(old.leaf, old.index, old.accounts, list(old.path), ledger.block(2).header),
    ):
        with pytest.raises((fc.LedgerError, light_client.Refused), match=r"did not stand so|does not stand so"):
            call()


def test_no_bit_of_a_balance_proof_can_be_flipped():
    bank, ledger, _ = settled()
    proof = ledger.prove_balance(2, bank.account("bob"))
    header = ledger.block(2).header
    path = b"".join(proof.path)
    for bit in range(8 * (len(proof.leaf) + len(path))):
        raw = bytearray(proof.leaf + path)
        raw[bit // 8] ^= 1 << bit % 8
        leaf, rest = bytes(raw[:96]), bytes(raw[96:])
        altered = [rest[at : at + 32] for at in range(0, len(rest), 32)]
        forged = fc.BalanceProof(leaf, proof.index, proof.accounts, tuple(altered), header)
        with pytest.raises(fc.LedgerError):
            fc.verify_balance(forged, header)
        with pytest.raises(light_client.Refused):
            balance_proof.check_balance(leaf, proof.index, proof.accounts, altered, header)


def test_a_record_or_node_is_no_account():
    bank, ledger, _ = settled()
    proof = ledger.prove_balance(2, bank.account("bob"))
    record = ledger.prove(2, 0)
    for leaf in (record.leaf, record.leaf[:96], proof.path[0] + proof.path[0], b""):
        with pytest.raises(light_client.Refused):
            balance_proof.check_balance(leaf, 0, proof.accounts, list(proof.path), proof.header)


def test_calls_that_make_no_sense_are_refused():
    bank, ledger, _ = settled()
    account = bank.account("ann")
    with pytest.raises(fc.LedgerError, match="there is no block 3"):
        ledger.prove_balance(3, account)
    with pytest.raises(fc.LedgerError, match="account 12345 was not open after block 0"):
        ledger.prove_balance(0, 12345)
    for bad in (-1, 2**64, 1.0, True, "ann"):
        with pytest.raises(fc.LedgerError, match="account is"):
            ledger.prove_balance(0, bad)
    plain = fc.Ledger(seed=1)
    plain.seal(None, slot=0)
    with pytest.raises(fc.LedgerError, match="no account states"):
        plain.prove_balance(0, account)
    proof = ledger.prove_balance(0, account)
    with pytest.raises(fc.LedgerError, match="did not stand so"):
        fc.verify_balance(proof, plain.block(0))
    with pytest.raises(light_client.Refused, match="no account states"):
        balance_proof.check_balance(proof.leaf, 0, 1, [], plain.block(0).header)
    with pytest.raises(fc.LedgerError, match=r"give a fastclear\.BalanceProof"):
        fc.verify_balance("proof", proof.header)
    for text in (
        "",
        "[]",
        "{}",
        proof.to_json().replace("leaf", "loaf"),
        proof.to_json().replace('"index": ', '"index": "x'),
    ):
        with pytest.raises(fc.LedgerError, match="no fastclear balance proof"):
            fc.BalanceProof.from_json(text)
    for index, accounts in ((-1, 5), (2**70, 2**71), (0, -1), (9, 3)):
        odd = fc.BalanceProof(proof.leaf, index, accounts, proof.path, proof.header)
        with pytest.raises(fc.LedgerError):
            fc.verify_balance(odd, proof.header)


def test_the_stand_alone_files_stand_alone(tmp_path):
    """Copied out of the package, with nothing but the standard library and the light client beside them."""
    folder = os.path.dirname(light_client.__file__)  # noqa: PTH120 - a text is as good
    rule = fc.Uniform()
    ledger = fc.Ledger(fc.sealed_parameters(rule), seed=1)
    block = ledger.seal(fc.clear({"side": ["buy", "sell"], "price": [3, 1], "quantity": [2, 2]}, rule), slot=0)
    assert np.frombuffer(ledger._chain.orders(0), ORDER_DTYPE)["order"].tolist() == [0, 1]
    for name in ("light_client.py", "clearing_proof.py", "balance_proof.py"):
        with open(f"{folder}/{name}", "rb") as file:  # noqa: PTH123
            (tmp_path / name).write_bytes(file.read())
    parts = (block.header, ledger._chain.params, ledger._chain.orders(0), ledger._chain.records(0))
    look = f"import sys; sys.path.insert(0, {str(tmp_path)!r})"
    program = f"{look}; import balance_proof, clearing_proof; print(clearing_proof.certify(*{parts!r})[0].price)"
    command = [sys.executable, "-I", "-S", "-c", program]
    found = subprocess.run(command, capture_output=True, check=True, text=True)
    assert found.stdout.strip() == "2"
