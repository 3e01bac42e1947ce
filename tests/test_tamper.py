"""Every way of tampering that the ledger has to catch, one named test each, and flipped bits exhaustively.

Who catches it stands in the test: the verifier of the whole directory (in Rust, replaying), the light client (in
Python, from a proof, a policy and what it remembers), or both.
"""

import base64
import dataclasses
import json
import os
import random
import shutil
import struct
from hashlib import sha256

import pytest
from test_consortium import FOUR, LOG, SIGNERS, TIME, cosigned
from test_ledger import GENESIS, account, postings, stand_in, tree

import fastclear as fc
from fastclear import _core, light_client
from fastclear.light_client import Refused

CASES = {
    "flip any bit of any record": "test_any_flipped_bit_of_any_record",
    "flip any bit of any header": "test_any_flipped_bit_of_any_header",
    "flip any bit of any proof": "test_any_flipped_bit_of_any_proof",
    "flip any bit of any signature": "test_any_flipped_bit_of_any_signature",
    "drop a record": "test_a_dropped_record",
    "repeat a record": "test_a_repeated_record",
    "swap two records": "test_two_swapped_records",
    "change count": "test_a_changed_count",
    "move a record to another block": "test_a_record_moved_to_another_block",
    "replace a whole block and re-hash it": "test_a_block_replaced_and_rehashed",
    "rewrite history from block k and re-sign with the operator key alone": "test_history_rewritten_by_the_operator",
    "truncate the last blocks": "test_the_last_blocks_cut_off",
    "fork: two checkpoints of one size": "test_a_fork_of_one_size",
    "shrink": "test_a_log_that_shrinks",
    "internal node passed as a leaf": "test_an_internal_node_passed_as_a_leaf",
    "duplicated last leaf": "test_a_duplicated_last_leaf",
    "proof for index i shown for j": "test_a_proof_for_one_index_shown_for_another",
    "sorted-pair permutation": "test_a_sorted_pair_permutation",
    "proof against another chain_id": "test_a_proof_against_another_chain",
    "params or tariff changed without params_hash": "test_parameters_changed_without_their_hash",
    "unknown or duplicate cosigner counted twice toward k": "test_strangers_and_repeats_do_not_count",
    "small-order Ed25519 keys": "test_keys_of_small_order",
    "non-zero padding": "test_padding_that_is_not_zero",
    "non-minimal size text or missing newline in a checkpoint": "test_a_checkpoint_spelled_otherwise",
    "balance proof from an old state_root": "test_a_balance_proven_from_an_old_state",
    "amount not equal to price x quantity": "test_an_amount_that_is_not_price_times_quantity",
    "validators replaced without a membership record": "test_validators_replaced_without_a_record",
}


def test_every_case_has_its_test():
    assert len(CASES) == len(set(CASES.values())) == 27
    for name in CASES.values():
        assert callable(globals()[name]), name


ORDERS = {"side": ["buy", "buy", "sell", "sell"], "price": [9, 8, 1, 2], "quantity": [5, 4, 6, 3]}


def begin(place, seed=7, **params):
    return fc.Ledger.open(place, {"market": "tamper", **params}, seed=seed, durability="none", consortium=FOUR)


@pytest.fixture(scope="module")
def sealed(tmp_path_factory):
    """Four blocks in a directory with a cosigned checkpoint."""
    place = tmp_path_factory.mktemp("tamper") / "ledger"
    ledger = begin(place)
    clearing = fc.clear(ORDERS, fc.Uniform())
    for slot in range(4):
        ledger.seal(clearing, slot=slot)
    ledger.accept(cosigned(ledger))
    return place


@pytest.fixture
def place(sealed, tmp_path):
    shutil.copytree(sealed, tmp_path / "ledger")
    return tmp_path / "ledger"


@pytest.fixture(scope="module")
def ledger(sealed, tmp_path_factory):
    copied = tmp_path_factory.mktemp("tamper") / "open"
    shutil.copytree(sealed, copied)
    return fc.Ledger.open(copied, seed=7)


POLICY = light_client.parse_policy(FOUR.policy(LOG.public).encode())
RECORD, HEADER = 112, 280


def caught(place, height=None, match=None):
    """The directory is refused, and the first bad block is named."""
    with pytest.raises(fc.VerificationError, match=match) as refused:
        fc.verify_directory(place)
    if height is not None:
        assert refused.value.height == height
    return refused.value


def edit(file, change):
    content = bytearray(file.read_bytes())
    change(content)
    file.write_bytes(content)


def flip(data, bit):
    out = bytearray(data)
    out[bit // 8] ^= 1 << bit % 8
    return bytes(out)


def document(ledger, height=1, index=0, **options):
    return json.loads(ledger.prove(height, index, **options).to_json())


def client_refuses(proof):
    with pytest.raises(Refused):
        light_client.check_proof(proof)


# -- bits


def first_bad(place):
    """Height of the first bad block, from the verifier of the core alone; None if the directory is sound."""
    found = _core.verify_ledger(str(place))
    return found[0] if len(found) == 5 else None


def flips(file):
    """Flip each bit of a file in turn, and back again."""
    with file.open("r+b", buffering=0) as content:
        for place in range(file.stat().st_size):
            content.seek(place)
            (true,) = content.read(1)
            for bit in range(8):
                content.seek(place)
                content.write(bytes([true ^ 1 << bit]))
                yield place
            content.seek(place)
            content.write(bytes([true]))


def test_any_flipped_bit_of_any_record(place):
    each = (place / "records.bin").stat().st_size // 4
    assert all(first_bad(place) == at // each for at in flips(place / "records.bin"))
    assert first_bad(place) is None


def test_any_flipped_bit_of_any_header(place):
    assert all(first_bad(place) == at // HEADER for at in flips(place / "headers.bin"))
    assert first_bad(place) is None


def test_any_flipped_bit_of_any_proof(ledger):
    proof = document(ledger)
    light_client.check_proof(proof)
    for name, holder in (("leaf", proof), ("header", proof), ("root", proof["log"])):
        true = holder[name]
        for bit in range(4 * len(true)):
            holder[name] = flip(bytes.fromhex(true), bit).hex()
            client_refuses(proof)
        holder[name] = true
    for path in (proof["path"], proof["log"]["path"]):
        for level, true in enumerate(path):
            for bit in range(256):
                path[level] = flip(bytes.fromhex(true), bit).hex()
                client_refuses(proof)
            path[level] = true
    for name, holder in (("index", proof), ("size", proof["log"])):
        true = holder[name]
        for bit in range(63):
            # A log of another size can have the same path: the size is bound by the checkpoint.
            holder[name] = true ^ 1 << bit
            if name == "index":
                client_refuses(proof)
        holder[name] = true
    growth = [bytes.fromhex(item) for item in ledger.prove_growth(3, 4)]
    roots = [bytes.fromhex(ledger.log_root(size)) for size in (3, 4)]
    for level, true in enumerate(growth):
        for bit in range(256):
            wrong = [*growth[:level], flip(true, bit), *growth[level + 1 :]]
            assert not light_client.verify_consistency(3, 4, wrong, *roots)
            assert not _core.verify_consistency(3, 4, wrong, *roots)


def test_any_flipped_bit_of_any_signature(ledger):
    note = light_client.parse_note(cosigned(ledger, ("ann", "bob", "cy")).text.encode())
    for signature in note.signatures[:2]:
        rules = POLICY if signature.name == LOG.name else light_client.parse_policy(FOUR.policy().encode())
        for bit in range(8 * len(signature.signature)):
            wrong = signature._replace(signature=flip(signature.signature, bit))
            line = f"\u2014 {wrong.name} {base64.b64encode(wrong.key_id + wrong.signature).decode()}\n"
            forged = fc.Checkpoint(note.text + "\n" + line)
            with pytest.raises(fc.LedgerError, match="does not verify"):
                forged.signed_by(LOG.public) if signature.name == LOG.name else forged.cosigners(FOUR)
            if bit % 11 == 0:  # the light client, one in eleven: 2 ms each
                with pytest.raises(Refused, match="does not verify"):
                    light_client.check_checkpoint(forged.text.encode(), rules)


# -- records


def test_a_dropped_record(place):
    edit(place / "records.bin", lambda content: content.__delitem__(slice(2 * RECORD, 3 * RECORD)))
    assert caught(place).file == "records.bin"


def test_a_repeated_record(place):
    edit(place / "records.bin", lambda content: content.__setitem__(slice(RECORD, RECORD), content[:RECORD]))
    assert caught(place, 0).record == 1


def test_two_swapped_records(place):
    def swap(content):
        content[: 2 * RECORD] = content[RECORD : 2 * RECORD] + content[:RECORD]

    edit(place / "records.bin", swap)
    assert caught(place, 0).record == 0


def rehash(place, ledger_hashes_from=0):
    """Make prev, header log and head agree again, as whoever holds the files can."""
    headers = bytearray((place / "headers.bin").read_bytes())
    previous = bytes(32)
    for start in range(0, len(headers), HEADER):
        if start >= HEADER * ledger_hashes_from and start:
            headers[start + 48 : start + 80] = previous
        previous = sha256(b"\0" + headers[start : start + HEADER]).digest()
    (place / "headers.bin").write_bytes(headers)
    params = sha256((place / "params.json").read_bytes()).hexdigest()
    text = f"fastclear ledger 1\nheight {len(headers) // HEADER}\nheader {previous.hex()}\nparams {params}\n"
    (place / "head").write_text(text)
    for name in ("signed", "checkpoint"):
        (place / name).unlink(missing_ok=True)


@pytest.mark.parametrize(("offset", "by"), [(240, 1), (240, -1), (244, 1), (244, -1)])
def test_a_changed_count(place, offset, by):
    def change(content):
        (count,) = struct.unpack_from("<I", content, HEADER + offset)
        struct.pack_into("<I", content, HEADER + offset, count + by)

    edit(place / "headers.bin", change)
    rehash(place)
    caught(place, 1)


def test_a_record_moved_to_another_block(place, ledger):
    # The last record of block 0 becomes the first of block 1: only the counts and roots change.
    content = (place / "records.bin").read_bytes()
    entries = [content[at : at + RECORD] for at in range(0, len(content), RECORD)]
    each = len(entries) // 4
    headers = bytearray((place / "headers.bin").read_bytes())
    for height, part in ((0, entries[: each - 1]), (1, entries[each - 1 : 2 * each])):
        headers[height * HEADER + 112 : height * HEADER + 144] = tree(part)
        struct.pack_into("<I", headers, height * HEADER + 244, len(part))
    struct.pack_into("<Q", headers, HEADER + 248, each - 1)
    (place / "headers.bin").write_bytes(headers)
    rehash(place)
    caught(place, 0, "gross")  # the sum of the trades has moved with it
    proof = ledger.prove(0, each - 1)
    assert not fc.verify(proof.leaf, proof, ledger.block(1))


# -- blocks and histories


def fork(tmp_path, name, **params):
    """A history that is true to itself and to nobody else, signed by the operator alone."""
    other = begin(tmp_path / name, **params)
    clearing = fc.clear({**ORDERS, "quantity": [5, 4, 5, 3]}, fc.Uniform())
    true = fc.clear(ORDERS, fc.Uniform())
    for slot in range(4):
        other.seal(clearing if slot == 2 else true, slot=slot)
    return other


def test_a_block_replaced_and_rehashed(place, ledger, tmp_path):
    other = fork(tmp_path, "fork")
    assert other.block(1) == ledger.block(1)
    assert other.block(2) != ledger.block(2)
    del other
    # Everything but the signatures is replaced: the chain is sound, and only what was signed shows it.
    for name in ("headers.bin", "records.bin", "orders.bin", "head"):
        shutil.copy(tmp_path / "fork" / name, place / name)
    assert caught(place, match="replaced").file == "signed"
    (place / "signed").unlink()
    assert caught(place, match="replaced").file == "checkpoint"
    (place / "checkpoint").unlink()
    fc.verify_directory(place)
    with pytest.raises(fc.VerificationError, match="remember"):
        fc.verify_directory(place, head=ledger.head)
    with pytest.raises(fc.VerificationError, match="no cosigned checkpoint"):
        fc.verify_directory(place, policy=FOUR.policy(LOG.public))


def test_history_rewritten_by_the_operator(ledger, tmp_path):
    other = fork(tmp_path, "fork")
    clearing = fc.clear(ORDERS, fc.Uniform())
    other.seal(clearing, slot=4)
    note = other.checkpoint(LOG)
    # No cosigner: no quorum.
    with pytest.raises(Refused, match="no quorum"):
        light_client.check_checkpoint(note.text.encode(), POLICY)
    # And nothing leads from the log that was seen to this one.
    seen, now = (light_client.parse_note(item.text.encode()).checkpoint for item in (cosigned(ledger), note))
    path = [bytes.fromhex(item) for item in other.prove_growth(4, 5)]
    with pytest.raises(Refused, match="nothing shows"):
        light_client.check_growth(seen, now, 4, path)
    # A validator that has replayed the true history does not sign it.
    ann = fc.Validator(SIGNERS["ann"], ledger.params, log=LOG.public, consortium=FOUR)
    for height in range(4):
        ann.replay(ledger.block_bytes(height))
    with pytest.raises(fc.VerificationError, match="previous hash"):
        ann.replay(other.block_bytes(4))
    with pytest.raises(fc.CosignError) as refused:
        ann.cosign(note)
    assert refused.value.reason == "not_replayed"


def test_the_last_blocks_cut_off(place, ledger):
    for name, width in (("headers.bin", HEADER), ("records.bin", RECORD), ("orders.bin", 80)):
        content = (place / name).read_bytes()
        (place / name).write_bytes(content[: len(content) * 3 // 4])
        assert len(content) % (4 * width) == 0
    signed = {name: (place / name).read_bytes() for name in ("signed", "checkpoint")}
    rehash(place)  # a sound ledger of three blocks
    assert fc.verify_directory(place).blocks == 3
    for name, content in signed.items():
        (place / name).write_bytes(content)
        assert caught(place, match="cut off").file == name
        (place / name).unlink()
    with pytest.raises(fc.VerificationError, match="remember"):
        fc.verify_directory(place, head=ledger.head)


def test_a_fork_of_one_size(ledger, tmp_path):
    first, second = cosigned(ledger), cosigned(fork(tmp_path, "fork"))
    seen, now = (light_client.parse_note(item.text.encode()).checkpoint for item in (first, second))
    with pytest.raises(Refused, match="forked"):
        light_client.check_growth(seen, now, 4, [])
    assert [found.key.name for found in fc.equivocations(first, second, FOUR)] == ["ann", "bob", "cy"]


def test_a_log_that_shrinks(ledger):
    size = [light_client.Checkpoint("market.example", size, bytes.fromhex(ledger.log_root(size))) for size in (4, 3)]
    with pytest.raises(Refused, match="cut off"):
        light_client.check_growth(*size, 3, [])
    for verify in (light_client.verify_consistency, _core.verify_consistency):
        assert not verify(4, 3, [], size[0].root, size[1].root)


# -- trees


def test_an_internal_node_passed_as_a_leaf(ledger):
    proof = ledger.prove(0, 0)
    header = proof.header
    node = light_client.leaf_hash(proof.leaf) + proof.path[0]
    assert len(node) == 64  # as long as an order leaf without its salt
    root = light_client.parse_header(header).records_root
    count = ledger.block(0).records
    for verify in (
        lambda entry, index, size, path: light_client.verify_inclusion(
            light_client.leaf_hash(entry), index, size, path, root
        ),
        lambda entry, index, size, path: _core.verify_inclusion(entry, index, size, path, root),
    ):
        for size in range(1, 2 * count):
            assert not verify(node, 0, size, list(proof.path[1:]))
            assert not verify(b"\x01" + node, 0, size, list(proof.path[1:]))
    assert not fc.verify(node, dataclasses.replace(proof, path=proof.path[1:]), header)


def test_a_duplicated_last_leaf(place):
    # In trees that pair an odd last leaf with itself, [a b c] and [a b c c] have one root (CVE-2012-2459).
    entries = [bytes([number]) for number in range(3)]
    hashes = [light_client.leaf_hash(entry) for entry in entries]
    assert light_client.tree_root(hashes) != light_client.tree_root([*hashes, hashes[-1]])
    content = (place / "records.bin").read_bytes()
    (place / "records.bin").write_bytes(content + content[-RECORD:])
    edit(
        place / "headers.bin",
        lambda headers: struct.pack_into("<I", headers, 3 * HEADER + 244, len(content) // RECORD // 4 + 1),
    )
    rehash(place)
    caught(place, 3)


def test_a_proof_for_one_index_shown_for_another(ledger):
    count = ledger.block(1).records
    assert count > 1
    for index in range(count):
        proof = ledger.prove(1, index)
        for shown in range(-1, 2 * count):
            held = fc.verify(proof.leaf, dataclasses.replace(proof, index=shown), proof.header)
            assert held == (shown == index)


def test_a_sorted_pair_permutation(ledger):
    # Trees that sort each pair before hashing cannot tell left from right: here every exchange changes the root.
    hashes = [light_client.leaf_hash(bytes([number])) for number in range(8)]
    root = light_client.tree_root(hashes)
    for a in range(8):
        for b in range(a):
            swapped = list(hashes)
            swapped[a], swapped[b] = swapped[b], swapped[a]
            assert light_client.tree_root(swapped) != root
    proof = ledger.prove(1, 0)
    sibling = light_client.leaf_hash(ledger.prove(1, 1).leaf)
    assert light_client.node_hash(light_client.leaf_hash(proof.leaf), sibling) != light_client.node_hash(
        sibling, light_client.leaf_hash(proof.leaf)
    )


# -- chains, parameters, validators


def test_a_proof_against_another_chain(ledger, tmp_path):
    other = fork(tmp_path, "fork", seed=8)
    assert other.block(0).fields.chain_id != ledger.block(0).fields.chain_id
    proof = ledger.prove(1, 0)
    assert not fc.verify(proof.leaf, proof, other.block(1))
    mixed = document(ledger)
    mixed["header"] = other.block(1).header.hex()
    client_refuses(mixed)
    mixed = document(ledger)
    mixed["log"] = document(other)["log"]
    client_refuses(mixed)
    # A checkpoint of the other chain under a proof of this one, and under another name.
    verdict = light_client.check_proof(document(ledger))
    with pytest.raises(Refused, match="another log"):
        light_client._judge_checkpoint(
            {}, verdict, cosigned(other).text.encode(), FOUR.policy(LOG.public).encode(), None
        )
    renamed = fc.Checkpoint(cosigned(ledger).text.replace("market.example\n", "other.example\n", 1))
    with pytest.raises(Refused):
        light_client.check_checkpoint(renamed.text.encode(), POLICY)


def test_parameters_changed_without_their_hash(place):
    text = (place / "params.json").read_text()
    (place / "params.json").write_text(text.replace("tamper", "temper"))
    assert caught(place, 0).file == "params.json"

    # With the hash in head and headers changed too, the signatures no longer fit.
    def change(headers):
        for start in range(0, len(headers), HEADER):
            headers[start + 176 : start + 208] = sha256((place / "params.json").read_bytes()).digest()

    edit(place / "headers.bin", change)
    signed = (place / "signed").read_bytes()
    rehash(place)
    fc.verify_directory(place)
    (place / "signed").write_bytes(signed)
    caught(place, match="replaced")


def test_validators_replaced_without_a_record(place):
    mine = fc.Consortium([fc.Signer(f"mine{number}", bytes([90 + number] * 32)) for number in range(4)])
    edit(
        place / "headers.bin",
        lambda headers: headers.__setitem__(slice(3 * HEADER + 208, 3 * HEADER + 240), bytes.fromhex(mine.hash)),
    )
    rehash(place)
    caught(place, 3, "validators hash")


def test_strangers_and_repeats_do_not_count(ledger):
    note = ledger.checkpoint(LOG)
    stranger = fc.Signer("eve", bytes([99] * 32))
    also_ann = fc.Signer("ann", bytes([98] * 32))  # her name, another key
    lines = {
        name: [_core.cosign(signer.name, signer.secret, note.body, TIME + i) for i in range(3)]
        for name, signer in {**SIGNERS, "eve": stranger, "also_ann": also_ann}.items()
    }
    under_other_name = _core.cosign("bob", SIGNERS["ann"].secret, note.body, TIME)
    for extra in (
        lines["ann"] + lines["bob"],
        [lines["ann"][0]] * 5 + [lines["bob"][0]],
        [lines["ann"][0], lines["bob"][0], *lines["eve"]],
        [lines["ann"][0], *lines["also_ann"], lines["cy"][0]],
        [lines["ann"][0], lines["cy"][0], under_other_name],
    ):
        text = note.text + "".join(extra)
        assert len(fc.Checkpoint(text).cosigners(FOUR)) == 2
        with pytest.raises(fc.LedgerError, match="2 validators have signed, 3 have to"):
            fc.Checkpoint(text).verify(FOUR)
        with pytest.raises(Refused, match="no quorum"):
            light_client.check_checkpoint(text.encode(), POLICY)
    whole = note.text + lines["ann"][0] + lines["bob"][1] + lines["dee"][2]
    assert light_client.check_checkpoint(whole.encode(), POLICY).witnesses == fc.Checkpoint(whole).verify(FOUR)


def test_keys_of_small_order():
    # R = the key and s = 0 verify in a lax verifier for one message in eight, for a key that nobody owns.
    for key in (bytes(32), (1).to_bytes(32, "little"), (2**255 - 20).to_bytes(32, "little")):
        with pytest.raises(fc.LedgerError, match="weak"):
            fc.PublicKey("a", key)
        for number in range(16):
            message = bytes([number])
            assert not _core.ed25519_verify(key, message, key + bytes(32))
            assert not light_client.verify_signature(key, message, key + bytes(32))


def test_padding_that_is_not_zero(place):
    order = (place / "orders.bin").read_bytes()
    for offset in (6, 7, *range(56, 64)):
        (place / "orders.bin").write_bytes(flip(order, 8 * offset))
        assert caught(place, 0).record == 0
    (place / "orders.bin").write_bytes(order)
    header = (place / "headers.bin").read_bytes()[:HEADER]
    for bit in (*range(8 * 6 + 1, 8 * 8), 8 * 48, 8 * 144):
        with pytest.raises(Refused):
            light_client.parse_header(flip(header, bit))
    consortium = FOUR.encoded
    for offset in range(10, 16):
        with pytest.raises(fc.LedgerError, match="padding"):
            fc.Consortium.decode(flip(consortium, 8 * offset))


def test_a_checkpoint_spelled_otherwise(ledger):
    text = cosigned(ledger).text
    for wrong in (
        text.replace("\n4\n", "\n04\n"),
        text.replace("\n4\n", "\n004\n"),
        text.replace("\n4\n", "\n+4\n"),
        text[:-1],
        text.replace("=\n\n", "=\n"),
        text.replace("\n", "\r\n"),
    ):
        assert wrong != text
        with pytest.raises(fc.LedgerError):
            fc.Checkpoint(wrong)
        with pytest.raises(Refused):
            light_client.check_checkpoint(wrong.encode(), POLICY)


def test_a_balance_proven_from_an_old_state():
    ledger = fc.Ledger(seed=1)
    ledger.seal(None, postings(0, *GENESIS), slot=0)
    old = tree([account(1, -500, 2), account(1000, 500, 2)])
    assert ledger.block(0).state_root == old.hex()
    ledger.seal(None, postings(3, (6, 1000, 1, 200)), slot=1)
    now = bytes.fromhex(ledger.block(1).state_root)
    assert now == tree([account(1, -300, 3), account(1000, 300, 3)])
    richer = account(1000, 500, 2)
    path = [light_client.leaf_hash(account(1, -500, 2))]
    for root, holds in ((old, True), (now, False)):
        assert light_client.verify_inclusion(light_client.leaf_hash(richer), 1, 2, path, root) == holds
        assert _core.verify_inclusion(richer, 1, 2, path, root) == holds


def test_an_amount_that_is_not_price_times_quantity(place, ledger):
    # With every hash made anew, so that the amount alone is wrong.
    content = bytearray((place / "records.bin").read_bytes())
    struct.pack_into("<q", content, 80, struct.unpack_from("<q", content, 80)[0] + 1)
    (place / "records.bin").write_bytes(content)
    each = len(content) // RECORD // 4
    headers = bytearray((place / "headers.bin").read_bytes())
    entries = [bytes(content[at : at + RECORD]) for at in range(0, each * RECORD, RECORD)]
    headers[112:144] = tree(entries)
    struct.pack_into("<q", headers, 272, struct.unpack_from("<q", headers, 272)[0] + 1)
    (place / "headers.bin").write_bytes(headers)
    rehash(place)
    assert caught(place, 0, "price").record == 0
    hashes = [light_client.leaf_hash(entry) for entry in entries]
    path = subpath(0, hashes)
    with pytest.raises(Refused, match="price x quantity"):
        light_client.check_leaf(entries[0], 0, path, bytes(headers[:HEADER]))


def subpath(index, hashes):
    if len(hashes) == 1:
        return []
    split = 1 << (len(hashes) - 1).bit_length() - 1
    if index < split:
        return [*subpath(index, hashes[:split]), light_client.tree_root(hashes[split:])]
    return [*subpath(index - split, hashes[split:]), light_client.tree_root(hashes[:split])]


# -- two implementations, random chains (R32)


def test_core_and_light_client_agree_on_random_chains():
    """FASTCLEAR_RANDOM_CHAINS=100000 looks at so many chains instead of 1000."""
    chains = int(os.environ.get("FASTCLEAR_RANDOM_CHAINS", "1000"))
    accepted = refused = 0
    for number in range(chains):
        draw = random.Random(number)
        ledger = fc.Ledger({"number": number}, seed=number, consortium=FOUR if number % 2 else None)
        blocks = draw.randrange(1, 6)
        for slot in range(blocks):
            ledger.seal(stand_in(2 * draw.randrange(4)) if draw.random() < 0.8 else None, slot=slot)
        headers = b"".join(block.header for block in ledger.headers)
        assert [item.hex() for item in light_client.check_headers(headers)] == [item.hash for item in ledger.headers]
        for block in ledger.headers:
            for name, width in (("records", 112), ("orders", 80)):
                content = getattr(ledger._chain, name)(block.height)
                entries = [content[at : at + width] for at in range(0, len(content), width)]
                assert light_client.tree_root([light_client.leaf_hash(entry) for entry in entries]).hex() == getattr(
                    block, f"{name}_root"
                )
        # One change somewhere, or none: both replay to the same verdict on the blocks as they stand.
        content = bytearray(b"".join(ledger.block_bytes(height) for height in range(blocks)))
        if draw.random() < 0.7:
            content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        params = json.dumps({"number": number}, separators=(",", ":")).encode()
        replica = _core.Replica(params)
        at, rust = 0, True
        for height in range(blocks):
            size = len(ledger.block_bytes(height))
            if replica.append(bytes(content[at : at + size])) is not None:
                rust = False
                break
            at += size
        python = replayed(params, bytes(content), [len(ledger.block_bytes(height)) for height in range(blocks)])
        assert rust == python, number
        accepted, refused = accepted + rust, refused + (not rust)
    assert accepted > chains // 5
    assert refused > chains // 5


def replayed(params, content, sizes):
    """Whether a chain of plain blocks holds, with the light client's functions alone."""
    at, headers, seq, last_time, validators = 0, b"", 0, -1, None
    try:
        for size in sizes:
            block, at = content[at : at + size], at + size
            headers += block[:HEADER]
            light_client.check_headers(headers)
            head = light_client.parse_header(block[:HEADER])
            records, orders = head.records * 112, head.orders * 80
            if len(block) != HEADER + records + orders or head.has_state or head.first_seq != seq:
                return False
            if validators is not None and head.validators_hash != validators:
                return False
            validators = head.validators_hash
            entries = [block[HEADER + i : HEADER + i + 112] for i in range(0, records, 112)]
            leaves = [block[HEADER + records + i :][:80] for i in range(0, orders, 80)]
            for found, root in ((entries, head.records_root), (leaves, head.orders_root)):
                hashes = [light_client.leaf_hash(item) for item in found]
                if light_client.tree_root(hashes) != root:
                    return False
                for index, item in enumerate(found):
                    light_client.check_leaf(item, index, subpath(index, hashes), block[:HEADER])
            parsed = [light_client.parse_record(item[:96]) for item in entries]
            for record in parsed:
                if record.seq != seq or record.time_ns <= last_time:
                    return False
                seq, last_time = seq + 1, record.time_ns
            if last_time > head.time_ns or sum(r.amount for r in parsed if r.kind == "trade") != head.gross:
                return False
            if head.params_hash != sha256(params).digest():
                return False
            # Leaves stand by market, then order, as unsigned numbers, then all other bytes.
            keys = [(item[24:32][::-1], item[8:16][::-1]) for item in leaves]
            if keys != sorted(keys):
                return False
    except Refused:
        return False
    return True
