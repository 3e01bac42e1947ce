"""Checkpoints, policies and proofs: the core and the light client read every note alike, hostile ones too."""

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastclear as fc
from fastclear import _core, light_client
from fastclear.light_client import Refused

DATA = Path(__file__).parent / "data"
SIGNERS = [fc.Signer(name, bytes([number] * 32)) for number, name in enumerate(("ann", "bob", "cy.example/1", "dee"))]
CONSORTIUM = fc.Consortium(SIGNERS)
LOG = fc.Signer("market.example/log", bytes([9] * 32))
BODY = f"market.example/log\n7\n{base64.b64encode(bytes(range(32))).decode()}\n"
LINES = [_core.sign_log(LOG.name, LOG.secret, BODY)] + [_core.cosign(s.name, s.secret, BODY, 1000) for s in SIGNERS]
NOTE = (BODY + "\n" + "".join(LINES)).encode()


def read_alike(note: bytes, consortium=CONSORTIUM):
    """What both readers make of a note: None if they refuse it."""
    try:
        rust = _core.read_note(note, consortium.encoded)
    except fc.LedgerError:
        rust = None
    try:
        read = light_client.parse_note(note)
        keys = [light_client.Key(key.name, light_client.TYPE_COSIGNATURE, key.key) for key in consortium.validators]
        times = [(i, light_client.cosignature_time(read, key)) for i, key in enumerate(keys)]
        lines = [tuple(line) for line in read.signatures]
        python = (*read.checkpoint, lines, [(i, time) for i, time in times if time is not None])
    except Refused:
        python = None
    assert rust == python, note
    return rust


def test_notes_made_by_the_go_programs_are_read_and_made_alike():
    notes = json.loads((DATA / "signed_notes_go.json").read_text())["notes"]
    assert len(notes) == 4
    for given_ in notes:
        note = given_["note"].encode()
        read = light_client.parse_note(note)
        keys = [fc.PublicKey.parse(one["CosigVkey"]) for one in given_["validators"]]
        assert [key.as_validator for key in keys] == [one["CosigVkey"] for one in given_["validators"]]
        found = read_alike(note, fc.Consortium(keys))
        assert [index for index, _ in found[4]] == [0, 1, 2]
        log = fc.PublicKey.parse(given_["log_key"])
        assert log.as_log == given_["log_key"]
        checkpoint = fc.Checkpoint(given_["note"])
        assert checkpoint.signed_by(log)
        # The same secrets at the same time make the same bytes.
        secrets = [base64.b64decode(text.split("+", 4)[4])[1:] for text in [given_["log_secret"]]]
        lines = [_core.sign_log(log.name, secrets[0], read.text)]
        for key, one, (_, time) in zip(keys, given_["validators"], found[4], strict=True):
            secret = base64.b64decode(one["Skey"].split("+", 4)[4])[1:]
            lines.append(_core.cosign(key.name, secret, read.text, time))
        assert (read.text + "\n" + "".join(lines)).encode() == note


def test_a_note_says_what_it_says():
    found = read_alike(NOTE)
    assert found[:3] == ("market.example/log", 7, bytes(range(32)))
    assert found[4] == [(0, 1000), (1, 1000), (2, 1000), (3, 1000)]
    checkpoint = fc.Checkpoint(NOTE.decode())
    assert (checkpoint.origin, checkpoint.size, checkpoint.root) == (found[0], 7, bytes(range(32)).hex())
    assert checkpoint.body == BODY
    assert checkpoint.signers == (LOG.name, *CONSORTIUM.names)
    assert checkpoint.signed_by(LOG.public)
    assert not checkpoint.signed_by(SIGNERS[0].public)
    assert checkpoint.verify(CONSORTIUM) == dict.fromkeys(CONSORTIUM.names, 1000)


ROOT = base64.b64encode(bytes(range(32))).decode()
MALFORMED = {
    "nothing": "",
    "no_newline_at_the_end": NOTE.decode()[:-1],
    "no_blank_line": BODY + LINES[0],
    "no_signature": BODY + "\n",
    "blank_line_behind": NOTE.decode() + "\n",
    "crlf": NOTE.decode().replace("\n", "\r\n"),
    "tab": NOTE.decode().replace("market", "mar\tket"),
    "size_007": NOTE.decode().replace("\n7\n", "\n007\n"),
    "size_07": NOTE.decode().replace("\n7\n", "\n07\n"),
    "size_plus": NOTE.decode().replace("\n7\n", "\n+7\n"),
    "size_minus": NOTE.decode().replace("\n7\n", "\n-7\n"),
    "size_blank": NOTE.decode().replace("\n7\n", "\n7 \n"),
    "size_empty": NOTE.decode().replace("\n7\n", "\n\n"),
    "size_hex": NOTE.decode().replace("\n7\n", "\n0x7\n"),
    "size_underscore": NOTE.decode().replace("\n7\n", "\n1_0\n"),
    "size_arabic_digit": NOTE.decode().replace("\n7\n", "\n\u0667\n"),
    "size_2_to_63": NOTE.decode().replace("\n7\n", f"\n{2**63}\n"),
    "size_2_to_64": NOTE.decode().replace("\n7\n", f"\n{2**64 + 7}\n"),
    "size_huge": NOTE.decode().replace("\n7\n", "\n" + "9" * 5000 + "\n"),
    "origin_empty": NOTE.decode().replace("market.example/log\n7", "\n7"),
    "extension_line": NOTE.decode().replace(ROOT + "\n", ROOT + "\nextra\n", 1),
    "two_lines": NOTE.decode().replace(ROOT + "\n", "", 1),
    "root_of_31_bytes": NOTE.decode().replace(ROOT, base64.b64encode(bytes(31)).decode()),
    "root_without_padding": NOTE.decode().replace(ROOT, ROOT.rstrip("=")),
    "root_with_stray_bits": NOTE.decode().replace(ROOT, ROOT[:-2] + "9="),
    "root_url_safe": NOTE.decode().replace(ROOT, base64.urlsafe_b64encode(b"\xff" * 32).decode()),
    "hyphen_for_dash": NOTE.decode().replace("— ann", "- ann"),
    "name_with_plus": NOTE.decode().replace("— ann", "— a+n"),
    "name_with_wide_blank": NOTE.decode().replace("— ann", "— a\u2003n"),
    "name_missing": NOTE.decode().replace("— ann ", "— "),
    "two_blanks": NOTE.decode().replace("— ann ", "— ann  "),
    "signature_of_four_bytes": BODY + "\n— ann AAAAAA==\n",
    "signature_with_newline": NOTE.decode().replace(LINES[1], LINES[1][:60] + "\n" + LINES[1][60:]),
    "too_many_signatures": BODY + "\n" + "— x AAAAAAA=\n" * 201,
    "too_long": BODY + "\n" + "— x " + base64.b64encode(bytes(60_000)).decode() + "\n",
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_note_is_refused_by_both(case):
    text = MALFORMED[case]
    assert text.encode() != NOTE, "the case changes nothing"
    assert read_alike(text.encode()) is None
    with pytest.raises(fc.LedgerError):
        fc.Checkpoint(text)


def test_what_is_unusual_but_allowed_is_read_by_both():
    for text in (
        BODY + "\n" + "— x AAAAAAA=\n" * 200,
        NOTE.decode().replace("— ann", "— änn"),
        BODY.replace("market.example/log", "a name with blanks + é") + "\n— x AAAAAAA=\n",
        BODY.replace("\n7\n", "\n0\n") + "\n— x AAAAAAA=\n",
        BODY.replace("\n7\n", f"\n{2**63 - 1}\n") + "\n— x AAAAAAA=\n",
    ):
        assert read_alike(text.encode()) is not None, text
    for raw in (b"\xff" + NOTE, NOTE.replace("—".encode(), b"\xe2\x80"), NOTE.replace(b"7", b"\x00")):
        assert read_alike(raw) is None


def test_every_flipped_bit_of_a_cosigned_note_is_refused_or_takes_a_signer_away():
    full = [(0, 1000), (1, 1000), (2, 1000), (3, 1000)]
    start = len(BODY.encode())
    policy = light_client.parse_policy(CONSORTIUM.policy(LOG.public).encode())
    for bit in range(len(NOTE) * 8):
        if bit >= start * 8 and bit % 37:
            continue  # signatures are many alike; the text and the log's line whole
        note = bytearray(NOTE)
        note[bit // 8] ^= 1 << bit % 8
        found = read_alike(bytes(note))
        if found is None:
            continue
        # A line whose name or key id was hit is one of a stranger; the text is under every signature.
        assert bytes(note).startswith(BODY.encode())
        assert len(found[4]) < 4 or found[4] == full
        if found[4] == full:
            with pytest.raises(Refused):
                light_client.check_checkpoint(bytes(note), policy)


note_pieces = st.sampled_from(
    [
        *[line.encode() for line in LINES],
        BODY.encode(),
        b"\n",
        b"\n\n",
        "— ".encode(),
        b"ann ",
        b"7\n",
        b"007\n",
        ROOT.encode() + b"\n",
        b"AAAAAAA=\n",
        b"market.example/log\n",
        "é".encode(),
        b"\xff",
        b"\r",
        b" ",
        b"+",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(note_pieces, max_size=12).map(b"".join) | st.binary(max_size=80))
def test_both_readers_agree_on_hostile_notes(note):
    read_alike(note)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_both_readers_agree_on_notes_that_are_nearly_right(data):
    note = bytearray(NOTE)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(note) - 1))
        change = data.draw(st.sampled_from(["flip", "drop", "repeat", "swap"]))
        if change == "flip":
            note[at] ^= 1 << data.draw(st.integers(0, 7))
        elif change == "drop":
            del note[at]
        elif change == "repeat":
            note.insert(at, note[at])
        else:
            lines = bytes(note).split(b"\n")
            first, second = (data.draw(st.integers(0, len(lines) - 1)) for _ in range(2))
            lines[first], lines[second] = lines[second], lines[first]
            note = bytearray(b"\n".join(lines))
    read_alike(bytes(note))


# -- policies


def policy(text: str) -> light_client.Policy:
    return light_client.parse_policy(text.encode())


KEYS = [signer.public.as_validator for signer in SIGNERS]


def test_a_policy_counts_groups_of_groups():
    text = (
        "# comment\n\n  \t\n"
        f"log {LOG.public.as_log} https://market.example\n"
        + "".join(f"witness w{i} {key}\n" for i, key in enumerate(KEYS))
        + "group homes 2 w0 w1\ngroup\tbusiness any w2 w3\ngroup both all homes business\nquorum both\n"
    )
    rules = policy(text)
    for absent, holds in (([], True), ([1], False), ([2], True), ([2, 3], False)):
        note = BODY + "\n" + LINES[0] + "".join(line for i, line in enumerate(LINES[1:]) if i not in absent)
        if holds:
            assert light_client.check_checkpoint(note.encode(), rules).checkpoint.size == 7
        else:
            with pytest.raises(Refused, match="no quorum"):
                light_client.check_checkpoint(note.encode(), rules)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "quorum none",
        "quorum none\nquorum none\n",
        "quorum a\n",
        f"log {KEYS[0]}\nquorum none\n",
        f"witness a {LOG.public.as_log}\nquorum a\n",
        f"witness none {KEYS[0]}\nquorum none\n",
        f"witness a {KEYS[0]}\nwitness a {KEYS[1]}\nquorum a\n",
        f"witness a {KEYS[0]}\nwitness b {KEYS[0]}\nquorum a\n",
        f"witness a {KEYS[0]}\ngroup a 1 a\nquorum a\n",
        f"witness a {KEYS[0]}\ngroup g 2 a\nquorum g\n",
        f"witness a {KEYS[0]}\ngroup g 0 a\nquorum g\n",
        f"witness a {KEYS[0]}\ngroup g 1 a a\nquorum g\n",
        f"witness a {KEYS[0]}\ngroup g 1 a\ngroup h 1 a\nquorum g\n",
        f"group g 1 a\nwitness a {KEYS[0]}\nquorum g\n",
        f"witness a {KEYS[0]}\ngroup g \u0661 a\nquorum g\n",
        f"witness a {KEYS[0][:-4]}\nquorum a\n",
        f"witness a {KEYS[0].replace('ann', 'amm')}\nquorum a\n",
        "witness a\nquorum none\n",
        "unknown x\nquorum none\n",
        "quorum none\r\n",
        "quorum\x0bnone\n",
    ],
)
def test_a_malformed_policy_is_refused(text):
    with pytest.raises(Refused):
        policy(text)


def test_a_policy_with_a_weak_key_is_refused():
    weak = light_client.Key("a", light_client.TYPE_COSIGNATURE, (1).to_bytes(32, "little"))
    text = f"a+{light_client.key_id(weak).hex()}+{base64.b64encode(bytes([4]) + weak.key).decode()}"
    with pytest.raises(Refused, match="weak"):
        policy(f"witness a {text}\nquorum a\n")


# -- published probes of both proofs


def test_the_probes_of_the_transparency_projects():
    data = json.loads((DATA / "transparency_dev_merkle_0_0_2.json").read_text())
    leaves = [light_client.leaf_hash(bytes.fromhex(leaf)) for leaf in data["leaves"]]
    for size, root in enumerate(data["roots"], 1):
        assert light_client.tree_root(leaves[:size]).hex() == root
    leaf_of = {hash_: bytes.fromhex(leaf) for hash_, leaf in zip(leaves, data["leaves"], strict=True)}
    seen = {"inclusion": 0, "consistency": 0}
    for probe in data["inclusion"]:
        leaf, root, path = (
            bytes.fromhex(probe["leafHash"]),
            bytes.fromhex(probe["root"]),
            [bytes.fromhex(item) for item in probe["proof"]],
        )
        index, size, holds = probe["leafIdx"], probe["treeSize"], not probe["wantErr"]
        assert light_client.verify_inclusion(leaf, index, size, path, root) == holds, probe
        # The core takes the entry and 32 bytes a hash: what is shorter never reaches it.
        if leaf in leaf_of and all(len(item) == 32 for item in path):
            assert _core.verify_inclusion(leaf_of[leaf], index, size, path, root) == holds, probe
            seen["inclusion"] += 1
    for probe in data["consistency"]:
        roots = [bytes.fromhex(probe[name]) for name in ("root1", "root2")]
        path = [bytes.fromhex(item) for item in probe["proof"]]
        sizes, holds = (probe["size1"], probe["size2"]), not probe["wantErr"]
        assert light_client.verify_consistency(*sizes, path, *roots) == holds, probe
        if all(len(item) == 32 for item in (*path, *roots)):
            assert _core.verify_consistency(*sizes, path, *roots) == holds, probe
            seen["consistency"] += 1
    assert seen["inclusion"] > 60
    assert seen["consistency"] > 60


hashes = st.sampled_from([bytes([value]) * 32 for value in range(4)] + [light_client.leaf_hash(b"")])
sizes = st.integers(0, 70) | st.sampled_from([2**62, 2**63 - 1, 2**63, 2**64 - 1])


@settings(max_examples=500, deadline=None)
@given(index=sizes, size=sizes, path=st.lists(hashes, max_size=66), root=hashes)
def test_both_verifiers_agree_on_hostile_inclusion_proofs(index, size, path, root):
    found = light_client.verify_inclusion(light_client.leaf_hash(b""), index, size, path, root)
    assert found == _core.verify_inclusion(b"", index, size, path, root)


@settings(max_examples=500, deadline=None)
@given(old=sizes, new=sizes, path=st.lists(hashes, max_size=66), roots=st.tuples(hashes, hashes))
def test_both_verifiers_agree_on_hostile_consistency_proofs(old, new, path, roots):
    found = light_client.verify_consistency(old, new, path, *roots)
    assert found == _core.verify_consistency(old, new, path, *roots)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_both_verifiers_agree_on_true_proofs_with_one_thing_changed(data):
    size = data.draw(st.integers(1, 40))
    leaves = [bytes([number]) for number in range(size)]
    hashed = [light_client.leaf_hash(leaf) for leaf in leaves]
    old = data.draw(st.integers(1, size))
    roots = [light_client.tree_root(hashed[:old]), light_client.tree_root(hashed)]
    path = subproof(old, hashed, True)
    sizes_ = [old, size]
    assert light_client.verify_consistency(*sizes_, path, *roots)
    what = data.draw(st.sampled_from(["nothing", "size", "root", "drop", "repeat", "swap", "bit"]))
    if what == "size":
        sizes_[data.draw(st.integers(0, 1))] += data.draw(st.sampled_from([-1, 1, 64]))
    elif what == "root":
        roots.reverse()
    elif path and what != "nothing":
        at = data.draw(st.integers(0, len(path) - 1))
        if what == "drop":
            del path[at]
        elif what == "repeat":
            path.insert(at, path[at])
        elif what == "swap":
            path[at], path[0] = path[0], path[at]
        else:
            path[at] = bytes([path[at][0] ^ 1]) + path[at][1:]
    if min(sizes_) >= 0:
        found = light_client.verify_consistency(*sizes_, path, *roots)
        assert found == _core.verify_consistency(*sizes_, path, *roots)


def subproof(old: int, hashed: list[bytes], whole: bool) -> list[bytes]:
    """RFC 9162, section 2.1.4.1, word for word."""
    size = len(hashed)
    if old == size:
        return [] if whole else [light_client.tree_root(hashed)]
    split = 1 << (size - 1).bit_length() - 1
    if old <= split:
        return [*subproof(old, hashed[:split], whole), light_client.tree_root(hashed[split:])]
    return [*subproof(old - split, hashed[split:], False), light_client.tree_root(hashed[:split])]


# -- pymerkle: a third implementation, with which both have to agree


def test_roots_and_proofs_are_those_of_pymerkle():
    pymerkle = pytest.importorskip("pymerkle")  # GPL: in the test group, never imported by the package
    theirs = pymerkle.InmemoryTree(algorithm="sha256")
    leaves = [bytes([number]) * 3 for number in range(33)]
    hashed = [light_client.leaf_hash(leaf) for leaf in leaves]
    for size, leaf in enumerate(leaves, 1):
        theirs.append_entry(leaf)
        assert theirs.get_root(size) == light_client.tree_root(hashed[:size])
    for size in range(1, 34):
        root = theirs.get_root(size)
        for index in range(size):
            path = theirs.prove_inclusion(index + 1, size).serialize()["path"]
            own = [bytes.fromhex(item) for item in path if item != hashed[index].hex()]  # theirs holds the leaf itself
            assert light_client.verify_inclusion(hashed[index], index, size, own, root)
            assert _core.verify_inclusion(leaves[index], index, size, own, root)
        for old in range(1, size):
            path = subproof(old, hashed[:size], True)
            pymerkle_proof = theirs.prove_consistency(old, size)
            pymerkle.verify_consistency(theirs.get_root(old), root, pymerkle_proof)
            assert light_client.verify_consistency(old, size, path, theirs.get_root(old), root)
            assert _core.verify_consistency(old, size, path, theirs.get_root(old), root)
