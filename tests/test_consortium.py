"""Validators, quorums, membership, equivocation, sub-chains; and that a log never signs two histories."""

import copy
import json
import os
import pickle
import shutil
import struct
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from test_ledger import GENESIS, postings, stand_in

import fastclear as fc
from fastclear import _core, light_client
from fastclear.light_client import Refused

GOLDEN = Path(__file__).parent / "golden"
LOG = fc.Signer("market.example", bytes([200] * 32))
SIGNERS = {name: fc.Signer(name, bytes([number] * 32)) for number, name in enumerate(("ann", "bob", "cy", "dee"), 1)}
FOUR = fc.Consortium(SIGNERS.values())
TIME = 1_700_000_000


def ledger_of(blocks=3, consortium=FOUR, place=None, **params):
    params = {"market": "test", **params}
    if place is None:
        ledger = fc.Ledger(params, seed=3, consortium=consortium)
    else:
        ledger = fc.Ledger.open(place, params, seed=3, durability="none", consortium=consortium)
    for slot in range(blocks):
        ledger.seal(stand_in(), slot=slot)
    return ledger


def cosigned(ledger, names=("ann", "bob", "cy"), time=TIME):
    """A checkpoint with the cosignatures of these, who look at nothing."""
    note = ledger.checkpoint(LOG)
    return note.having(*(_core.cosign(name, SIGNERS[name].secret, note.body, time) for name in names))


def validator(ledger, name="ann", **options):
    options = {"consortium": FOUR, **options}
    found = fc.Validator(SIGNERS[name], ledger.params, log=LOG.public, **options)
    for height in range(ledger.height):
        found.replay(ledger.block_bytes(height))
    return found


# -- bytes


def test_the_bytes_of_a_consortium_are_where_the_format_says():
    keys = sorted((name, signer.public.key) for name, signer in SIGNERS.items())
    encoded = b"FCV1" + struct.pack("<HHH6x", 1, 3, 4)
    encoded += b"".join(bytes([len(name)]) + name.encode() + key for name, key in keys)
    assert FOUR.encoded == encoded
    assert FOUR.hash == sha256(b"\x08" + encoded).hexdigest()
    assert fc.Consortium.decode(encoded) == FOUR == fc.Consortium(reversed(SIGNERS.values()))
    assert len({FOUR, fc.Consortium.decode(encoded)}) == 1
    ledger = ledger_of(1)
    assert ledger.block(0).header[208:240].hex() == FOUR.hash == ledger.block(0).validators_hash
    assert ledger_of(1, consortium=None).block(0).validators_hash is None


def test_golden_bytes_of_consortium_checkpoint_policy_and_proof():
    """What was written once is read and written alike for ever; FASTCLEAR_WRITE_GOLDEN=1 writes it anew."""
    ledger = ledger_of(2)
    ledger.change_consortium(FOUR.without("dee"))
    note = cosigned(ledger)
    main = fc.Ledger({"main": 1}, seed=4, consortium=FOUR)
    main.seal_subchains([ledger])
    made = {
        "consortium.bin": FOUR.encoded,
        "checkpoint.txt": note.text.encode(),
        "policy.txt": FOUR.policy(LOG.public).encode(),
        "membership_record.bin": ledger.prove(2, 0).leaf,
        "proof.json": ledger.prove(1, 0, checkpoint=note, since=1).to_json().encode(),
        "subchain_proof.json": main.prove_through(ledger.prove(1, 0)).to_json().encode(),
        "secret.txt": None,
    }
    path = Path(GOLDEN, "consortium")
    if os.environ.get("FASTCLEAR_WRITE_GOLDEN"):
        path.mkdir(parents=True, exist_ok=True)
        for name, content in made.items():
            if content is None:
                (path / name).unlink(missing_ok=True)
                SIGNERS["ann"].save(path / name)
            else:
                (path / name).write_bytes(content)
    for name, content in made.items():
        if content is not None:
            assert (path / name).read_bytes() == content, name
    assert fc.Signer.load(path / "secret.txt") == SIGNERS["ann"]
    proof = json.loads((path / "proof.json").read_text())
    light_client.check_proof(proof)
    rules = light_client.parse_policy((path / "policy.txt").read_bytes())
    assert set(light_client.check_checkpoint(proof["checkpoint"].encode(), rules).witnesses) == {"ann", "bob", "cy"}
    assert light_client.check_proof(json.loads((path / "subchain_proof.json").read_text())).main is not None


# -- quorum and membership (R14, R45)


def test_a_block_with_one_signature_too_few_is_refused():
    ledger = ledger_of()
    with pytest.raises(fc.LedgerError, match="2 validators have signed, 3 have to"):
        ledger.accept(cosigned(ledger, ("ann", "bob")))
    assert ledger.cosigned is None
    assert ledger.accept(cosigned(ledger)) == dict.fromkeys(("ann", "bob", "cy"), TIME)
    assert ledger.cosigned.size == 3


def test_a_removed_member_counts_for_its_last_block_and_no_longer():
    ledger = ledger_of()
    three = FOUR.without("bob")
    block = ledger.change_consortium(three)
    assert ledger.records(block.height)["kind"].to_list() == ["membership"]
    assert ledger.consortium_at(block.height) == FOUR
    assert ledger.consortium == three
    # The block that removes bob is one of the old consortium's, and bob's signature helps to agree to it.
    assert set(ledger.accept(cosigned(ledger))) == {"ann", "bob", "cy"}
    ledger.seal(stand_in(), slot=9)
    assert ledger.consortium_at(block.height + 1) == three
    with pytest.raises(fc.LedgerError, match="2 validators have signed, 3 have to"):
        ledger.accept(cosigned(ledger))
    assert set(ledger.accept(cosigned(ledger, ("ann", "cy", "dee")))) == {"ann", "cy", "dee"}
    bob = validator(ledger, "bob")
    assert refusal(lambda: bob.cosign(ledger.checkpoint(LOG))) == ("not_agreed", 0)
    bob.learn(three)
    with pytest.raises(fc.CosignError, match="does not have 'bob'") as refused:
        bob.cosign(ledger.checkpoint(LOG))
    assert refused.value.reason == "no_member"


def test_a_new_member_counts_from_the_next_height_on():
    eve = fc.Signer("eve", bytes([77] * 32))
    SIGNERS["eve"] = eve
    try:
        ledger = ledger_of()
        ledger.change_consortium(FOUR.having(eve, threshold=3))
        with pytest.raises(fc.LedgerError, match="2 validators"):
            ledger.accept(cosigned(ledger, ("ann", "bob", "eve")))
        ledger.seal(stand_in(), slot=9)
        assert "eve" in ledger.accept(cosigned(ledger, ("ann", "bob", "eve")))
    finally:
        del SIGNERS["eve"]


def test_a_validators_hash_that_no_record_announces_is_refused(tmp_path):
    ledger = ledger_of(3, place=tmp_path / "ledger")
    header = bytearray(ledger.block(2).header)
    header[208:240] = bytes.fromhex(FOUR.without("dee").hash)
    replica = validator(ledger_of(2))
    with pytest.raises(fc.VerificationError, match="validators hash does not continue the chain") as refused:
        replica.replay(bytes(header) + ledger.block_bytes(2)[280:])
    assert refused.value.height == 2
    # A refused block changes nothing: the true one still fits.
    assert replica.replay(ledger.block_bytes(2)) == ledger.block(2)


def test_a_change_that_changes_nothing_or_is_no_consortium_is_refused():
    ledger = ledger_of(1)
    with pytest.raises(fc.LedgerError, match="in force already"):
        ledger.change_consortium(FOUR)
    with pytest.raises(fc.LedgerError, match=r"give a fastclear\.Consortium"):
        ledger.change_consortium([SIGNERS["ann"]])
    banked = fc.Ledger(seed=1)
    banked.seal(None, postings(0, *GENESIS), slot=0)
    with pytest.raises(fc.LedgerError, match="seal with receipts"):
        banked.change_consortium(FOUR)
    assert ledger.height == 1


def test_a_bank_enters_the_change_among_its_postings():
    bank = fc.Settlement(tariff=fc.Tariff(retail=300_000, feed_in=80_000), audit=True)
    bank.open(["ann", "bob"])
    bank.deposit("ann", 10**9)
    ledger = fc.Ledger(seed=1, consortium=FOUR)
    ledger.seal(None, bank.receipts(), slot=0)
    bank.deposit("bob", 10**9)
    block = ledger.change_consortium(FOUR.without("dee"), bank=bank, slot=1)
    assert ledger.records(1)["kind"].to_list() == ["deposit", "membership"]
    assert block.state_root == ledger.block(1).state_root
    assert bank.last_receipts.frame["line"].to_list()[-1] == "validators"
    bank.audit(bank.last_receipts)
    bank.deposit("ann", 5)
    assert ledger.seal(None, bank.receipts(), slot=2).validators_hash == FOUR.without("dee").hash


def test_consortia_survive_the_directory_and_copies(tmp_path):
    place = tmp_path / "ledger"
    fc.Ledger.open(place, {"a": 1}, seed=1, consortium=FOUR)
    begun = fc.Ledger.open(place)
    assert begun.consortium == FOUR
    del begun
    with pytest.raises(fc.LedgerError, match="begun with another consortium"):
        fc.Ledger.open(place, consortium=FOUR.without("dee"))
    ledger = fc.Ledger.open(place, consortium=FOUR)
    ledger.seal(stand_in(), slot=0)
    ledger.change_consortium(FOUR.without("dee"))
    ledger.accept(cosigned(ledger))
    del ledger
    opened = fc.Ledger.open(place)
    assert opened.consortium == FOUR.without("dee")
    assert opened.consortium_at(1) == FOUR
    assert opened.cosigned.size == 2
    del opened
    with pytest.raises(fc.LedgerError, match="another consortium is in force"):
        fc.Ledger.open(place, consortium=FOUR)
    for twin in (copy.deepcopy(ledger_of(0)), pickle.loads(pickle.dumps(ledger_of(0)))):
        assert twin.consortium == FOUR
        assert twin.seal(stand_in(), slot=0) == ledger_of(1).block(0)


def test_a_file_that_is_not_the_consortium_of_its_name_is_refused(tmp_path):
    ledger = ledger_of(1, place=tmp_path / "ledger")
    ledger.accept(cosigned(ledger))
    del ledger
    file = tmp_path / "ledger" / "validators" / FOUR.hash
    file.write_bytes(FOUR.without("dee").encoded)
    for call in (fc.Ledger.open, fc.verify_directory):
        with pytest.raises(fc.LedgerError, match="does not hold the consortium of its name"):
            call(tmp_path / "ledger")
    file.unlink()
    with pytest.raises(fc.VerificationError, match="its file is missing"):
        fc.verify_directory(tmp_path / "ledger")


@pytest.mark.parametrize(
    ("validators", "threshold", "why"),
    [
        ([], None, "1 to 100 validators"),
        ([fc.Signer(f"v{i}", bytes([i] * 32)) for i in range(101)], None, "1 to 100 validators"),
        ([SIGNERS["ann"], SIGNERS["ann"]], None, "one name stands twice"),
        ([SIGNERS["ann"], fc.Signer("also_ann", SIGNERS["ann"].secret)], None, "nobody counts twice"),
        ([SIGNERS["ann"]], 0, "threshold"),
        ([SIGNERS["ann"]], 2, "threshold"),
        ([SIGNERS["ann"]], True, "threshold"),
        ([SIGNERS["ann"]], 1.0, "threshold"),
        (["ann"], None, "PublicKey"),
    ],
)
def test_a_consortium_that_could_be_outvoted_by_one_is_refused(validators, threshold, why):
    with pytest.raises(fc.LedgerError, match=why):
        fc.Consortium(validators, threshold)


# -- the validator's rules


def test_a_validator_signs_what_it_has_replayed_and_grows_with_the_log():
    ledger = ledger_of()
    ann = validator(ledger)
    first = ledger.checkpoint(LOG)
    line = ann.cosign(first, time=TIME)
    assert first.having(line).cosigners(FOUR) == {"ann": TIME}
    assert (ann.size, ann.height, ann.name) == (3, 3, "ann")
    # The same again, without growth: an empty proof.
    assert ann.cosign(first, 3, time=TIME) == line
    ledger.seal(stand_in(), slot=9)
    ann.replay(ledger.block_bytes(3))
    second = ledger.checkpoint(LOG)
    assert ann.cosign(second, 3, ledger.prove_growth(3, 4), time=TIME)
    assert ann.size == 4


def refusal(call):
    with pytest.raises(fc.CosignError) as refused:
        call()
    return refused.value.reason, refused.value.size


def test_a_validator_says_why_it_does_not_sign():
    ledger = ledger_of()
    ann = validator(ledger)
    note = ledger.checkpoint(LOG)
    unsigned = fc.Checkpoint(note.body + "\n" + _core.cosign("ann", SIGNERS["ann"].secret, note.body, 1))
    assert refusal(lambda: ann.cosign(unsigned)) == ("not_signed", 0)
    assert refusal(lambda: ann.cosign(note, 1)) == ("old_size", 0)
    assert refusal(lambda: ann.cosign(note, 0, [note.root])) == ("inconsistent", 0)
    ann.cosign(note, time=TIME)
    ledger.seal(stand_in(), slot=9)
    later = ledger.checkpoint(LOG)
    growth = ledger.prove_growth(3, 4)
    assert refusal(lambda: ann.cosign(later, 0)) == ("old_size", 3)
    assert refusal(lambda: ann.cosign(later, 3)) == ("inconsistent", 3)
    assert refusal(lambda: ann.cosign(later, 3, [*growth, growth[0]])) == ("inconsistent", 3)
    assert refusal(lambda: ann.cosign(later, 3, ["xx"])) == ("inconsistent", 3)
    assert refusal(lambda: ann.cosign(later, 3, growth)) == ("not_replayed", 3)
    ann.replay(ledger.block_bytes(3))
    assert ann.cosign(later, 3, growth, time=TIME)
    # Back to a smaller log, though the log has signed it.
    assert refusal(lambda: ann.cosign(note, 3)) == ("old_size", 4)


def test_a_validator_does_not_sign_another_history_than_its_own():
    ledger, other = ledger_of(3), ledger_of(2)
    other.seal(None, slot=77)
    ann = validator(other)
    assert refusal(lambda: ann.cosign(ledger.checkpoint(LOG))) == ("other_root", 0)
    ann.cosign(other.checkpoint(LOG), time=TIME)
    assert refusal(lambda: ann.cosign(ledger.checkpoint(LOG), 3)) == ("inconsistent", 3)


def test_a_validator_that_does_not_know_the_consortium_asks_for_it():
    ledger = ledger_of(1)
    ledger.change_consortium(FOUR.without("dee"))
    ann = validator(ledger)
    assert refusal(lambda: ann.cosign(ledger.checkpoint(LOG))) == ("not_agreed", 0)
    ledger.seal(None, slot=5)
    ann.replay(ledger.block_bytes(2))
    assert refusal(lambda: ann.cosign(ledger.checkpoint(LOG))) == ("not_agreed", 0)
    # One that was given the wrong consortium of genesis, and one that cosigns as a witness.
    wrong = validator(ledger, consortium=FOUR.without("bob"))
    wrong.learn(FOUR.without("dee"))
    wrong._known.pop(FOUR.without("dee").hash)
    assert refusal(lambda: wrong.cosign(ledger.checkpoint(LOG))) == ("not_agreed", 0)
    assert validator(ledger, consortium=None).cosign(ledger.checkpoint(LOG), time=TIME)
    ann.learn(FOUR.without("dee"))
    assert ann.cosign(ledger.checkpoint(LOG), time=TIME)


def test_a_validator_remembers_across_restarts_what_it_has_signed(tmp_path):
    ledger, other = ledger_of(3), ledger_of(2)
    other.seal(None, slot=77)
    file = tmp_path / "ann"
    validator(ledger, path=file).cosign(ledger.checkpoint(LOG), time=TIME)
    again = validator(other, path=file)
    assert again.size == 3
    assert refusal(lambda: again.cosign(other.checkpoint(LOG), 3)) == ("inconsistent", 3)
    assert refusal(lambda: again.cosign(other.checkpoint(LOG), 0)) == ("old_size", 3)
    # Two processes with one key: the second finds that the file has moved on.
    first, second = validator(ledger, path=tmp_path / "two"), validator(other, path=tmp_path / "two")
    first.cosign(ledger.checkpoint(LOG), time=TIME)
    with pytest.raises(fc.StoreError, match="another process"):
        second.cosign(other.checkpoint(LOG), time=TIME)
    assert second.size == 0
    file.write_text("rubbish")
    with pytest.raises(fc.LedgerError, match="does not say what was cosigned last"):
        validator(ledger, path=file)


def test_nothing_is_signed_where_it_cannot_be_kept(tmp_path):
    ledger = ledger_of()
    ann = validator(ledger, path=tmp_path / "none" / "ann")
    with pytest.raises(fc.StoreError, match="cannot write"):
        ann.cosign(ledger.checkpoint(LOG))
    assert ann.size == 0


def test_a_log_cannot_be_its_own_validator():
    with pytest.raises(fc.LedgerError, match="a key of its own"):
        fc.Validator(LOG, {}, log=LOG.public)


def test_a_validator_refuses_every_flipped_bit_of_a_block():
    ledger = ledger_of(2)
    true, note = ledger.block_bytes(1), ledger.checkpoint(LOG)
    ann = validator(ledger_of(1))
    for bit in range(8 * len(true)):
        block = bytearray(true)
        block[bit // 8] ^= 1 << bit % 8
        if 256 <= bit // 8 < 272:
            continue
        with pytest.raises(fc.VerificationError) as refused:
            ann.replay(bytes(block))
        assert refused.value.height == 1
    # Slot and a later time of sealing are the operator's word: they show in the root that is to be cosigned.
    for bit in range(8 * 256, 8 * 272):
        block = bytearray(true)
        block[bit // 8] ^= 1 << bit % 8
        other = validator(ledger_of(1))
        try:
            other.replay(bytes(block))
        except fc.VerificationError:
            continue
        assert refusal(lambda other=other: other.cosign(note)) == ("other_root", 0)
    assert ann.replay(true) == ledger.block(1)
    assert ann.cosign(note, time=TIME)


def test_blocks_of_every_wrong_length_are_refused():
    ledger = ledger_of(1)
    block = ledger.block_bytes(0)
    ann = validator(ledger_of(0))
    for length in range(len(block)):
        with pytest.raises(fc.VerificationError):
            ann.replay(block[:length])
    with pytest.raises(fc.VerificationError):
        ann.replay(block + b"\0")
    assert ann.replay(block).hash == ledger.head


# -- a log never signs two histories


def test_a_ledger_never_signs_two_histories_nor_under_two_names(tmp_path):
    place = tmp_path / "ledger"
    ledger = ledger_of(2, place=place)
    with pytest.raises(fc.LedgerError, match="no block to sign"):
        ledger_of(0).checkpoint(LOG)
    ledger.checkpoint(LOG)
    with pytest.raises(fc.LedgerError, match=r"signed under the name \"market\.example\""):
        ledger.checkpoint(fc.Signer("other", LOG.secret))
    backup = tmp_path / "backup"
    shutil.copytree(place, backup)
    ledger.seal(stand_in(), slot=8)
    ledger.checkpoint(LOG)
    signed = (place / "signed").read_text()
    assert signed == ledger.checkpoint(LOG).body
    del ledger
    # Somebody puts the blocks of the backup back, head and all: the ledger remembers.
    for name in ("headers.bin", "records.bin", "orders.bin", "head"):
        shutil.copy(backup / name, place / name)
    for call in (fc.Ledger.open, fc.verify_directory):
        with pytest.raises(fc.LedgerError, match="cut off or replaced"):
            call(place)
    with pytest.raises(fc.VerificationError) as refused:
        fc.verify_directory(place)
    assert (refused.value.height, refused.value.file) == (2, "signed")


def test_another_history_of_the_same_length_is_not_opened(tmp_path):
    place, other = tmp_path / "ledger", tmp_path / "other"
    ledger_of(2, place=place).checkpoint(LOG)
    fork = ledger_of(1, place=other)
    fork.seal(None, slot=55)
    del fork
    shutil.copy(place / "signed", other / "signed")
    with pytest.raises(fc.LedgerError, match="cut off or replaced"):
        fc.Ledger.open(other)
    (other / "signed").write_text("rubbish\n")
    with pytest.raises(fc.VerificationError, match="cut or altered"):
        fc.verify_directory(other)


def test_copies_and_pickles_remember_what_was_signed():
    ledger = ledger_of(2)
    ledger.checkpoint(LOG)
    twin = pickle.loads(pickle.dumps(ledger))
    with pytest.raises(fc.LedgerError, match="one name"):
        twin.checkpoint(fc.Signer("other", LOG.secret))
    assert twin.checkpoint(LOG) == ledger.checkpoint(LOG)


def test_a_second_process_cannot_sign(tmp_path):
    ledger = ledger_of(1, place=tmp_path / "ledger")
    ledger.checkpoint(LOG)
    code = "import sys, fastclear as fc\nfc.Ledger.open(sys.argv[1]).checkpoint(fc.Signer('market.example', bytes(32)))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "ledger")], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "open for writing elsewhere" in done.stderr


@pytest.mark.parametrize("name", ["a\nb", "a\tb"])
def test_a_log_name_that_no_checkpoint_could_carry_is_refused(name):
    with pytest.raises(fc.LedgerError, match="cannot be the name of a log"):
        ledger_of(1)._chain.release(name)


# -- accepting, verifying


def test_a_checkpoint_of_another_log_is_not_accepted():
    ledger = ledger_of()
    for other in (ledger_of(2, other=1), ledger_of(4)):
        with pytest.raises(fc.LedgerError, match="no such checkpoint"):
            ledger.accept(cosigned(other))
    ledger.checkpoint(LOG)
    note = ledger_of(3).checkpoint(fc.Signer("else", bytes(32)))
    with pytest.raises(fc.LedgerError, match=r"in the name of 'else'"):
        ledger.accept(note)
    bare = ledger_of(1, consortium=None)
    note = cosigned(bare)
    with pytest.raises(fc.LedgerError, match="has no consortium"):
        bare.accept(note)


def test_a_smaller_checkpoint_does_not_replace_a_larger_one():
    ledger = ledger_of(2)
    small = cosigned(ledger)
    ledger.seal(stand_in(), slot=8)
    large = cosigned(ledger)
    ledger.accept(large)
    ledger.accept(small)
    assert ledger.cosigned == large


def test_verifying_a_directory_checks_its_signatures(tmp_path):
    place = tmp_path / "ledger"
    ledger = ledger_of(3, place=place)
    policy = FOUR.policy(LOG.public)
    assert fc.verify_directory(place).cosigned == 0
    with pytest.raises(fc.VerificationError, match="there is no cosigned checkpoint"):
        fc.verify_directory(place, policy=policy)
    ledger.accept(cosigned(ledger))
    ledger.seal(stand_in(), slot=9)
    for given in (None, policy, policy.encode()):
        report = fc.verify_directory(place, policy=given)
        assert (report.blocks, report.cosigned, report.signers) == (4, 3, ("ann", "bob", "cy"))
    strict = fc.Consortium(SIGNERS.values(), 4).policy(LOG.public)
    with pytest.raises(fc.VerificationError, match="no quorum") as refused:
        fc.verify_directory(place, policy=strict)
    assert (refused.value.height, refused.value.file) == (2, "checkpoint")
    with pytest.raises(fc.VerificationError, match="no log of the policy"):
        fc.verify_directory(place, policy=FOUR.policy(fc.Signer("market.example", bytes(32)).public))
    with pytest.raises(fc.VerificationError, match="quorum line"):
        fc.verify_directory(place, policy="\n")
    text = (place / "checkpoint").read_text()
    for wrong, why in ((text[:-1], "no checkpoint"), (text.replace("\n3\n", "\n2\n"), "not one of these")):
        (place / "checkpoint").write_text(wrong)
        with pytest.raises(fc.LedgerError, match=why):
            fc.verify_directory(place)


# -- equivocation


def test_who_signs_two_logs_of_one_size_is_convicted_by_both():
    one, other = ledger_of(3), ledger_of(3, other=1)
    first, second = cosigned(one, ("ann", "bob")), cosigned(other, ("bob", "cy"))
    found = fc.equivocations(first, second, FOUR)
    assert [(item.key.name, item.role) for item in found] == [("bob", "validator")]
    (evidence,) = found
    assert evidence.verify()
    assert fc.Equivocation.from_json(evidence.to_json()) == evidence
    assert [(item.key.name, item.role) for item in fc.equivocations(first, second, LOG)] == [("market.example", "log")]
    assert fc.equivocations(first, first, FOUR) == []
    assert fc.equivocations(first, cosigned(ledger_of(4, other=1), ("bob",)), FOUR) == []
    # Nobody is convicted by a forged signature, nor by a changed checkpoint.
    forged = fc.Checkpoint(second.text.replace(_core.cosign("bob", SIGNERS["bob"].secret, second.body, TIME), ""))
    assert fc.equivocations(first, forged, FOUR) == []
    for wrong in (
        fc.Equivocation(SIGNERS["ann"].public, "validator", first, second),
        fc.Equivocation(SIGNERS["bob"].public, "log", first, second),
        fc.Equivocation(SIGNERS["bob"].public, "validator", first, first),
    ):
        assert not wrong.verify()
    for text in ("", "[]", "{}", evidence.to_json().replace("validator", "other", 1), "[" * 100_000):
        with pytest.raises(fc.LedgerError, match="no evidence"):
            fc.Equivocation.from_json(text)


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (lambda ledger, ann: ledger.accept("note"), "checkpoint is a str"),
        (lambda ledger, ann: ledger.checkpoint("ann"), "signer is a str"),
        (lambda ledger, ann: ledger.prove(0, 0, checkpoint="note"), "checkpoint is a str"),
        (lambda ledger, ann: ledger.prove(0, 0, size=9), "not 9"),
        (lambda ledger, ann: ledger.prove(0, 0, since=-1), "since is -1"),
        (lambda ledger, ann: ledger.prove(0, 0, since=4), "cannot be shown to grow"),
        (lambda ledger, ann: ledger.prove(0, 0, size=2, checkpoint=cosigned(ledger)), "not one of this log at 2"),
        (lambda ledger, ann: ledger.block_bytes(3), "no block 3"),
        (lambda ledger, ann: ledger.block_bytes("0"), "height is '0'"),
        (lambda ledger, ann: ledger.block_bytes(-1), "height is -1"),
        (lambda ledger, ann: ledger.consortium_at(True), "height is True"),
        (lambda ledger, ann: ledger.consortium_at(3), "no block 3"),
        (lambda ledger, ann: ledger.change_consortium(FOUR.without("dee"), slot=-1), "slot is -1"),
        (lambda ledger, ann: ledger.change_consortium(FOUR.without("dee"), time=1.5), r"time is 1\.5"),
        (lambda ledger, ann: ledger.seal_subchains(["street"]), r"ledgers\[0\] is a str"),
        (lambda ledger, ann: ledger.prove_through("proof"), "proof is a str"),
        (lambda ledger, ann: ann.cosign("note"), "checkpoint is a str"),
        (lambda ledger, ann: ann.cosign(ledger.checkpoint(LOG), time=-1), "time is -1"),
        (lambda ledger, ann: ann.cosign(ledger.checkpoint(LOG), time=2**63), "below 2"),
        (lambda ledger, ann: ann.learn("four"), "consortium is a str"),
        (lambda ledger, ann: ann.replay("block"), "give bytes"),
        (lambda ledger, ann: fc.Validator("ann", {}, log=LOG.public), "signer is a str"),
        (lambda ledger, ann: fc.Validator(SIGNERS["ann"], {}, log=LOG), "log is a Signer"),
        (lambda ledger, ann: fc.Validator(SIGNERS["ann"], {1: object()}, log=LOG.public), "params cannot be written"),
        (lambda ledger, ann: fc.Ledger(consortium="four"), "consortium is a str"),
        (lambda ledger, ann: fc.Consortium.decode("four"), "give bytes"),
        (lambda ledger, ann: FOUR.without("eve"), "'eve' is no validator"),
        (lambda ledger, ann: fc.Checkpoint(b"note"), "a checkpoint is text"),
        (lambda ledger, ann: fc.equivocations("a", "b", FOUR), "first is a str"),
        (lambda ledger, ann: fc.equivocations(cosigned(ledger), cosigned(ledger), "ann"), "a key is a str"),
    ],
)
def test_calls_that_make_no_sense_change_nothing_and_say_what_to_give(call, why):
    ledger = ledger_of()
    ann = validator(ledger)
    before = ledger.head
    with pytest.raises(fc.LedgerError, match=why):
        call(ledger, ann)
    assert (ledger.head, ledger.cosigned, ann.size, ann.height) == (before, None, 0, 3)


# -- sub-chains


def test_a_record_of_a_sub_chain_is_led_to_the_main_chains_checkpoint(tmp_path):
    streets = [ledger_of(2, feeder=number) for number in range(3)]
    main = fc.Ledger({"region": 1}, seed=9, consortium=FOUR)
    main.seal(stand_in(), slot=0)
    block = main.seal_subchains(streets, slot=1)
    assert block.records == 3
    streets[0].seal(stand_in(), slot=5)  # goes on; the main chain knows the two blocks
    note = cosigned(main)
    proof = streets[0].prove(1, 0, size=2)
    whole = main.prove_through(proof)
    whole = proof.within(main.prove(whole.main.header[8], whole.main.index, checkpoint=note))
    assert fc.Proof.from_json(whole.to_json()) == whole
    verdict = light_client.check_proof(json.loads(whole.to_json()))
    assert verdict.header.height == 1
    assert verdict.main.header.height == 1
    files = {"proof": whole.to_json(), "policy": FOUR.policy(LOG.public)}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert light_client.main([str(tmp_path / "proof"), "--policy", str(tmp_path / "policy")]) == 0
    # The digest, written out.
    chain_id = streets[0].block(0).fields.chain_id
    digest = sha256(b"\x09" + chain_id + struct.pack("<Q", 2) + bytes.fromhex(streets[0].log_root(2))).digest()
    record = light_client.parse_record(whole.main.leaf[:96])
    assert light_client.hash_of(record) == digest
    assert whole.main.leaf[24:48] + whole.main.leaf[64:72] == digest


def test_a_proof_through_another_sub_chain_or_size_is_refused():
    streets = [ledger_of(2, feeder=number) for number in range(2)]
    main = fc.Ledger({"region": 1}, seed=9)
    main.seal(stand_in(), slot=0)
    main.seal_subchains(streets, slot=1)
    good = main.prove_through(streets[0].prove(1, 0))
    with pytest.raises(fc.LedgerError, match="no block says"):
        main.prove_through(streets[0].prove(0, 0, size=1))
    wrongs = [
        streets[1].prove(1, 0).within(good.main),  # another sub-chain's leaf
        streets[0].prove(0, 0, size=1).within(good.main),  # another size
        good.within(main.prove(0, 0)),  # a trade of the main chain
        good.within(good),  # a third level
    ]
    light_client.check_proof(json.loads(good.to_json()))
    for wrong in wrongs:
        with pytest.raises(Refused):
            light_client.check_proof(json.loads(wrong.to_json()))
    document = json.loads(good.to_json())
    for main_ in (5, None, []):
        with pytest.raises(Refused):
            light_client.check_proof({**document, "main": main_})


def test_sub_chains_that_cannot_be_are_refused():
    main, street = ledger_of(1), ledger_of(1, feeder=1)
    for ledgers in ([main], [street, street], [ledger_of(0, feeder=2)]):
        with pytest.raises(fc.LedgerError):
            main.seal_subchains(ledgers)
    assert main.height == 1


def test_a_bank_keeps_sub_chains_too():
    bank = fc.Settlement(tariff=fc.Tariff(retail=300_000, feed_in=80_000))
    bank.open(["ann"])
    main = fc.Ledger(seed=1)
    streets = [ledger_of(1, feeder=number) for number in range(20)]
    main.seal_subchains(streets, bank=bank, slot=0)
    said = [light_client.parse_record(main.prove(0, index).leaf[:96]) for index in range(main.block(0).records)]
    assert np.sum([(item.kind, item.code) == ("parameter", 2) for item in said]) == 20
    for street in streets:
        light_client.check_proof(json.loads(main.prove_through(street.prove(0, 0)).to_json()))


# -- command lines


def call(*arguments):
    from typer.testing import CliRunner

    from fastclear.cli import app

    return CliRunner().invoke(app, [str(item) for item in arguments])


def test_the_command_line_verifies_signatures(tmp_path):
    place = tmp_path / "ledger"
    ledger = ledger_of(3, place=place)
    ledger.accept(cosigned(ledger))
    (tmp_path / "policy").write_text(FOUR.policy(LOG.public))
    (tmp_path / "strict").write_text(fc.Consortium(SIGNERS.values(), 4).policy(LOG.public))
    done = call("verify", place, "--policy", tmp_path / "policy", "--head", ledger.head)
    assert done.exit_code == 0, done.output
    assert "checkpoint of 3 blocks signed by ann, bob, cy" in done.output
    document = json.loads(call("verify", place, "--json").stdout)
    assert (document["cosigned"], document["signers"]) == (3, ["ann", "bob", "cy"])
    done = call("verify", place, "--policy", tmp_path / "strict", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["first_bad_block"]["file"] == "checkpoint"
    assert call("verify", place, "--head", "00" * 32).exit_code == 1
    done = call("verify", place, "--policy", tmp_path / "none")
    assert done.exit_code not in (0, 1)
    assert "No such file" in done.stderr


@pytest.fixture
def client(tmp_path):
    """The light client copied out of the package, with nothing but the standard library."""
    copied = tmp_path / "alone.py"
    shutil.copy(light_client.__file__, copied)

    def run(*arguments):
        command = [sys.executable, "-I", "-S", str(copied), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, encoding="utf-8")
        return done.returncode, done.stdout + done.stderr

    return run


def test_the_light_client_alone_takes_all_seven_steps(client, tmp_path):
    ledger = ledger_of(3)
    policy, proof, seen = (tmp_path / name for name in ("policy", "proof", "seen"))
    policy.write_text(FOUR.policy(LOG.public))
    first = cosigned(ledger)
    proof.write_text(ledger.prove(1, 0, checkpoint=first).to_json())
    options = (proof, "--policy", policy, "--remember", seen)
    code, text = client(*options)
    assert (code, seen.read_text()) == (0, first.text), text
    assert "signed by ann, bob, cy" in text
    # The log grows: the proof has to show that what was seen is its beginning.
    ledger.seal(stand_in(), slot=7)
    second = cosigned(ledger)
    proof.write_text(ledger.prove(1, 0, checkpoint=second).to_json())
    code, text = client(*options)
    assert (code, seen.read_text()) == (1, first.text)
    assert "nothing shows that the 3 blocks that you have seen" in text
    proof.write_text(ledger.prove(1, 0, checkpoint=second, since=3).to_json())
    code, text = client(*options)
    assert (code, seen.read_text()) == (0, second.text), text
    assert "still its first ones" in text
    # Back to the smaller log: refused, and the larger one stays remembered.
    proof.write_text(ledger.prove(1, 0, checkpoint=first).to_json())
    code, text = client(*options)
    assert (code, seen.read_text()) == (1, second.text)
    assert "cut off" in text
    # A fork that the same quorum has signed: only what is remembered shows it.
    fork = ledger_of(4)
    note = cosigned(fork)
    assert note.root != second.root
    proof.write_text(fork.prove(1, 0, checkpoint=note).to_json())
    assert client(proof, "--policy", policy)[0] == 0
    code, text = client(*options)
    assert (code, seen.read_text()) == (1, second.text)
    assert "forked" in text


def test_two_changes_in_one_block_are_refused():
    ledger = ledger_of(1)
    rows = [(17, 2, bytes([number] * 32)) for number in (1, 2)]
    with pytest.raises(fc.LedgerError, match="second change of validators"):
        ledger._chain.seal_hashes(rows, 0, 0)
    # As bytes of a stranger's making: one record more, with roots, count and prev made anew.
    ledger.change_consortium(FOUR.without("dee"))
    block = ledger.block_bytes(1)
    entry = bytearray(block[280:392])
    struct.pack_into(
        "<QQ", entry, 8, ledger.block(1).fields.first_seq + 1, light_client.parse_record(block[280:376]).time_ns + 1
    )
    header = bytearray(block[:280])
    entries = [block[280:392], bytes(entry)]
    header[112:144] = light_client.tree_root([light_client.leaf_hash(item) for item in entries])
    struct.pack_into("<I", header, 244, 2)
    struct.pack_into("<Q", header, 256, light_client.parse_header(block[:280]).time_ns + 1)
    with pytest.raises(fc.VerificationError, match="second change of validators"):
        validator(ledger_of(1)).replay(bytes(header) + b"".join(entries))


def changed(ledger, consortium, place):
    """Change the consortium; files with the proof, the new bytes and the policy before."""
    before = ledger.consortium
    seen = ledger.height
    block = ledger.change_consortium(consortium)
    note = cosigned(ledger, before.names[: before.threshold])
    ledger.accept(note)
    (place / "change").write_text(ledger.prove(block.height, 0, checkpoint=note, since=seen).to_json())
    (place / "consortium").write_bytes(consortium.encoded)
    return note


def test_the_light_client_renews_its_policy_by_a_change_that_the_old_quorum_signed(client, tmp_path):
    ledger = ledger_of(2)
    names = ("policy", "change", "seen", "consortium")
    policy, change, seen, consortium = (tmp_path / name for name in names)
    policy.write_text(FOUR.policy(LOG.public))
    seen.write_text(cosigned(ledger).text)
    three = FOUR.without("dee")
    changed(ledger, three, tmp_path)
    options = (change, "--policy", policy, "--remember", seen, "--renew", consortium)
    other = three.encoded.replace(b"ann", b"amm")
    for content, why in ((FOUR.encoded, "names another"), (b"", "no consortium"), (other, "names another")):
        consortium.write_bytes(content)
        code, text = client(*options)
        assert code == 1
        assert why in text
        assert policy.read_text() == FOUR.policy(LOG.public)
    consortium.write_bytes(three.encoded)
    assert client(*(item for item in options if item not in ("--remember", seen)))[0] == 2
    code, text = client(*options)
    assert code == 0, text
    assert policy.read_text() == three.policy(LOG.public)
    # The same change again: it is not one of the consortium that the policy asks for now.
    code, text = client(*options)
    assert code == 1
    assert "not one of the consortium" in text
    # Back to four, and then the first change, shown again: what is remembered is longer.
    first = change.read_text()
    changed(ledger, FOUR, tmp_path)
    code, text = client(*options)
    assert (code, policy.read_text()) == (0, FOUR.policy(LOG.public)), text
    change.write_text(first)
    consortium.write_bytes(three.encoded)
    code, text = client(*options)
    assert (code, policy.read_text()) == (1, FOUR.policy(LOG.public))
    assert "cut off" in text
    # In a later log the change is not in the last block.
    note = cosigned(ledger, ("ann", "bob", "cy", "dee"))
    change.write_text(ledger.prove(2, 0, checkpoint=note, since=4).to_json())
    code, text = client(*options)
    assert code == 1
    assert "last block of its log" in text


def test_the_light_client_reads_consortia_as_the_core_does():
    for bit in range(8 * len(FOUR.encoded)):
        data = bytearray(FOUR.encoded)
        data[bit // 8] ^= 1 << bit % 8
        alike(bytes(data))
    for length in range(len(FOUR.encoded)):
        alike(FOUR.encoded[:length])
    alike(FOUR.encoded + b"\0")
    assert alike(FOUR.encoded)
    rules = light_client.parse_policy(FOUR.policy(LOG.public).encode())
    assert light_client.policy_hash(rules).hex() == FOUR.hash
    assert light_client.policy_hash(light_client.parse_policy(b"quorum none\n")) is None


def alike(data):
    try:
        rust = fc.Consortium.decode(data)
    except fc.LedgerError:
        with pytest.raises(Refused):
            light_client.parse_consortium(data)
        return False
    threshold, keys = light_client.parse_consortium(data)
    assert (threshold, [(key.name, key.key) for key in keys]) == (
        rust.threshold,
        [(key.name, key.key) for key in rust.validators],
    )
    return True


def test_the_light_client_alone_refuses_what_is_not_signed(client, tmp_path):
    ledger = ledger_of(3)
    policy, proof, note = (tmp_path / name for name in ("policy", "proof", "note"))
    policy.write_text(FOUR.policy(LOG.public))
    proof.write_text(ledger.prove(1, 0).to_json())
    code, text = client(proof, "--policy", policy)
    assert code == 1
    assert "neither the proof nor --checkpoint" in text
    for checkpoint, why in (
        (cosigned(ledger, ("ann", "bob")), "no quorum"),
        (cosigned(ledger_of(2)), "another log"),
    ):
        note.write_text(checkpoint.text)
        code, text = client(proof, "--policy", policy, "--checkpoint", note)
        assert code == 1
        assert why in text
    note.write_text(cosigned(ledger).text)
    assert client(proof, "--policy", policy, "--checkpoint", note, "--head", ledger.block(1).hash)[0] == 0
    assert client(proof, "--policy", policy, "--checkpoint", note, "--head", "00" * 32)[0] == 1
    for arguments in (
        (proof, "--remember", note),
        (proof, "--checkpoint", note),
        (proof, "--policy", tmp_path / "none"),
    ):
        assert client(*arguments)[0] == 2
    code, text = client("--help")
    assert code == 0
    assert "The seven steps" in text
    assert "policy.txt" in text
