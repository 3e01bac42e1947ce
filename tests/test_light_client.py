import json
import struct
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

import fastclear as fc
from fastclear import _core, light_client
from fastclear.light_client import Refused

LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
"""The eight leaves of the Certificate Transparency test vectors, and their published roots by number of leaves."""
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


# -- RFC 6962 section 2.1, word for word, over leaf data: the oracle of everything below


def split(n: int) -> int:
    k = 1
    while 2 * k < n:
        k *= 2
    return k


def mth(data: list[bytes]) -> bytes:
    if not data:
        return sha256(b"").digest()
    if len(data) == 1:
        return sha256(b"\x00" + data[0]).digest()
    k = split(len(data))
    return sha256(b"\x01" + mth(data[:k]) + mth(data[k:])).digest()


def audit_path(m: int, data: list[bytes]) -> list[bytes]:
    if len(data) == 1:
        return []
    k = split(len(data))
    if m < k:
        return [*audit_path(m, data[:k]), mth(data[k:])]
    return [*audit_path(m - k, data[k:]), mth(data[:k])]


def subproof(m: int, data: list[bytes], whole: bool) -> list[bytes]:
    if m == len(data):
        return [] if whole else [mth(data)]
    k = split(len(data))
    if m <= k:
        return [*subproof(m, data[:k], whole), mth(data[k:])]
    return [*subproof(m - k, data[k:], False), mth(data[:k])]


DATA = [struct.pack("<Q", i) for i in range(64)]


def test_published_roots():
    for count, root in enumerate(ROOTS):
        assert mth(LEAVES[:count]).hex() == root
        assert light_client.tree_root([light_client.leaf_hash(leaf) for leaf in LEAVES[:count]]).hex() == root


def test_every_inclusion_proof_of_the_rfc_holds_in_both_verifiers():
    for size in range(1, 65):
        data = DATA[:size]
        root = mth(data)
        for index in range(size):
            path = audit_path(index, data)
            assert light_client.verify_inclusion(light_client.leaf_hash(data[index]), index, size, path, root)
            assert _core.verify_inclusion(data[index], index, size, path, root)


def test_every_consistency_proof_of_the_rfc_holds_in_both_verifiers():
    roots = [mth(DATA[:size]) for size in range(65)]
    for new in range(1, 65):
        for old in range(1, new + 1):
            path = subproof(old, DATA[:new], True)
            for verify in (light_client.verify_consistency, _core.verify_consistency):
                assert verify(old, new, path, roots[old], roots[new])
                assert not verify(old, new, [*path, roots[new]], roots[old], roots[new])
                if old < new:
                    assert not verify(old, new, path, roots[new], roots[old])
                if path:
                    assert not verify(old, new, path[1:], roots[old], roots[new])
                    assert not verify(old, new, path[:-1], roots[old], roots[new])


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 13, 21])
def test_both_verifiers_refuse_whatever_is_wrong(size):
    data = DATA[:size]
    root = mth(data)
    for index in range(size):
        path = audit_path(index, data)
        leaf = data[index]

        def holds(leaf, index, size, path, root):
            found = light_client.verify_inclusion(light_client.leaf_hash(leaf), index, size, path, root)
            assert found == _core.verify_inclusion(leaf, index, size, path, root)
            return found

        assert holds(leaf, index, size, path, root)
        for bit in range(len(leaf) * 8):
            assert not holds(flip(leaf, bit), index, size, path, root)
        for level, item in enumerate(path):
            for bit in range(256):
                wrong = [*path[:level], flip(item, bit), *path[level + 1 :]]
                assert not holds(leaf, index, size, wrong, root)
        for bit in range(256):
            assert not holds(leaf, index, size, path, flip(root, bit))
        for bit in range(63):
            assert not holds(leaf, index ^ (1 << bit), size, path, root)
        assert not holds(leaf, index, size, [*path, root], root)
        assert not holds(leaf, size, size, path, root)
        assert not holds(leaf, index, 0, path, root)


def test_a_hash_of_another_length_is_refused():
    root = mth(DATA[:2])
    path = audit_path(0, DATA[:2])
    leaf = light_client.leaf_hash(DATA[0])
    assert not light_client.verify_inclusion(leaf, 0, 2, [path[0][:31]], root)
    assert not light_client.verify_inclusion(leaf, 0, 2, [path[0] + b"\0"], root)
    assert not light_client.verify_inclusion(leaf[:31], 0, 2, path, root)
    assert not light_client.verify_consistency(1, 2, [b""], leaf, root)
    with pytest.raises(ValueError, match=r"32|length"):
        _core.verify_inclusion(DATA[0], 0, 2, [b"short"], root)


# -- proofs of a real ledger


@pytest.fixture(scope="module")
def ledger():
    ledger = fc.Ledger({"market": "test"}, seed=3)
    orders = {"side": ["buy"] * 3 + ["sell"] * 3, "price": [9, 8, 7, 1, 2, 3], "quantity": [5, 4, 3, 2, 4, 6]}
    for slot in range(5):
        ledger.seal(fc.clear(orders, fc.Uniform()), slot=slot)
    return ledger


def flip(data: bytes, bit: int) -> bytes:
    out = bytearray(data)
    out[bit // 8] ^= 1 << (bit % 8)
    return bytes(out)


@pytest.mark.parametrize("tree", ["records", "orders"])
def test_every_flipped_bit_of_leaf_path_index_and_header_is_refused(ledger, tree):
    block = ledger.block(2)
    for index in range(getattr(block, tree)):
        proof = ledger.prove(2, index, tree=tree)
        document = json.loads(proof.to_json())
        assert fc.verify(proof.leaf, proof, block)
        for bit in range(len(proof.leaf) * 8):
            assert not fc.verify(flip(proof.leaf, bit), proof, block)
        for level, item in enumerate(proof.path):
            for bit in range(256):
                path = [*proof.path[:level], flip(item, bit), *proof.path[level + 1 :]]
                with pytest.raises(Refused):
                    light_client.check_leaf(proof.leaf, index, path, block.header)
        for bit in range(62):
            wrong = {**document, "index": index ^ (1 << bit)}
            with pytest.raises(Refused):
                light_client.check_proof(wrong)
        # Only the leaf's own root, count and first seq bind it to the header; the header log binds the whole header.
        for bit in range(280 * 8):
            wrong = {**document, "header": flip(block.header, bit).hex()}
            with pytest.raises(Refused):
                light_client.check_proof(wrong)


def test_every_flipped_bit_of_the_log_is_refused(ledger):
    document = json.loads(ledger.prove(3, 0).to_json())
    log = document["log"]
    for bit in range(256):
        with pytest.raises(Refused):
            light_client.check_proof({**document, "log": {**log, "root": flip(bytes.fromhex(log["root"]), bit).hex()}})
        for level, item in enumerate(log["path"]):
            path = [*log["path"][:level], flip(bytes.fromhex(item), bit).hex(), *log["path"][level + 1 :]]
            with pytest.raises(Refused):
                light_client.check_proof({**document, "log": {**log, "path": path}})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("format", "other"),
        ("version", 2),
        ("leaf", 5),
        ("leaf", "zz"),
        ("leaf", "AB"),
        ("leaf", "abc"),
        ("leaf", ""),
        ("index", -1),
        ("index", "0"),
        ("index", True),
        ("index", 1.0),
        ("index", 2**63),
        ("path", None),
        ("path", [1]),
        ("path", ["00" * 32] * 64),
        ("header", ""),
        ("log", None),
        ("log", {}),
    ],
)
def test_a_malformed_proof_is_refused(ledger, field, value):
    document = json.loads(ledger.prove(0, 0).to_json())
    with pytest.raises(Refused):
        light_client.check_proof({**document, field: value})


def test_a_leaf_of_another_block_tree_or_kind_is_refused(ledger):
    proof = ledger.prove(1, 0)
    assert not fc.verify(proof.leaf, proof, ledger.block(2))
    order = ledger.prove(1, 0, tree="orders")
    assert not fc.verify(proof.leaf, order, ledger.block(1))
    assert not fc.verify(order.leaf, proof, ledger.block(1))
    node = proof.path[0] + proof.path[1]
    assert not fc.verify(node, proof, ledger.block(1))
    assert not fc.verify(proof.leaf[:96], proof, ledger.block(1))
    assert not fc.verify(proof.leaf, proof, b"")


def test_the_header_chain_is_checked(ledger):
    data = b"".join(block.header for block in ledger.headers)
    assert [item.hex() for item in light_client.check_headers(data)] == [block.hash for block in ledger.headers]
    assert light_client.check_headers(b"") == []
    last = data[-280:]
    for bit in range(len(data[:-280]) * 8):
        with pytest.raises(Refused):
            light_client.check_headers(flip(data, bit))
    for wrong in (data[:-1], data[280:], data + last, data[:280] + data[560:]):
        with pytest.raises(Refused):
            light_client.check_headers(wrong)


def test_growth_of_the_log_is_proven(ledger):
    roots = [bytes.fromhex(ledger.log_root(size)) for size in range(6)]
    for new in range(1, 6):
        for old in range(1, new + 1):
            path = [bytes.fromhex(item) for item in ledger.prove_growth(old, new)]
            assert light_client.verify_consistency(old, new, path, roots[old], roots[new])


# -- the command line of the copied-out file


@pytest.fixture
def run(tmp_path):
    copy = tmp_path / "light_client.py"
    copy.write_text(Path(light_client.__file__).read_text(encoding="utf-8"), encoding="utf-8")

    def run(*arguments):
        # -I -S: no site packages, so that anything but the standard library would fail.
        command = [sys.executable, "-I", "-S", str(copy), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, encoding="utf-8")
        return done.returncode, done.stdout + done.stderr

    return run


def test_the_file_alone_checks_a_proof(ledger, run, tmp_path):
    proof = ledger.prove(1, 0)
    path = tmp_path / "proof.json"
    path.write_text(proof.to_json())
    headers = tmp_path / "headers.bin"
    headers.write_bytes(b"".join(block.header for block in ledger.headers))

    code, text = run(path)
    assert code == 0
    assert "agrees with itself" in text
    assert "trade" in text
    for head in (ledger.block(1).hash, proof.log_root.hex()):
        assert run(path, "--head", head)[0] == 0
    code, text = run(path, "--head", ledger.block(2).hash)
    assert code == 1
    assert "REFUSED" in text
    assert run(path, "--headers", headers, "--head", ledger.head)[0] == 0
    assert run(path, "--headers", headers, "--head", ledger.block(1).hash)[0] == 1

    document = json.loads(proof.to_json())
    path.write_text(json.dumps({**document, "leaf": flip(proof.leaf, 700).hex()}))
    assert run(path)[0] == 1
    path.write_text(ledger.prove(1, 0, tree="orders").to_json())
    assert "order" in run(path)[1]


def test_what_cannot_be_read_is_exit_code_2(ledger, run, tmp_path):
    path = tmp_path / "proof.json"
    assert run(path)[0] == 2
    for text in ("", "[]", "{", "[" * 100_000):
        path.write_text(text)
        assert run(path)[0] == 2
    path.write_text(ledger.prove(1, 0).to_json())
    for head in ("xyz", "ab"):
        assert run(path, "--head", head)[0] == 2
    assert run(path, "--headers", tmp_path / "absent")[0] == 2
    assert run()[0] == 2
