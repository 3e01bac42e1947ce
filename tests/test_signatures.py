"""Ed25519 in the core (ed25519-dalek, strictly) and in the light client (pure Python): one verdict on every input."""

import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastclear as fc
from fastclear import _core, light_client

DATA = Path(__file__).parent / "data"
PRIME = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
SMALL = [
    # Every point of small order: y of 0, 1, -1 and of the four points of order 8, with both signs (RFC 7748's curve).
    value | sign << 255
    for value in (
        0,
        1,
        PRIME - 1,
        0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
        PRIME - 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
    )
    for sign in (0, 1)
]


def agreed(key: bytes, message: bytes, signature: bytes) -> bool:
    verdict = light_client.verify_signature(key, message, signature)
    assert verdict == _core.ed25519_verify(key, message, signature), (key.hex(), message.hex(), signature.hex())
    assert light_client.is_key(key) == _core.ed25519_is_key(key), key.hex()
    return verdict


@pytest.mark.parametrize(
    ("seed", "key", "message", "signature"),
    [
        # RFC 8032, section 7.1, tests 1 to 3
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
            "d25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
            "387b2eaeb4302aeeb00d291612bb0c00",
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
            "4a7c15e9716ed28dc027beceea1ec40a",
        ),
    ],
)
def test_the_vectors_of_the_rfc(seed, key, message, signature):
    seed, key, message, signature = map(bytes.fromhex, (seed, key, message, signature))
    assert _core.ed25519_public_key(seed) == key
    assert agreed(key, message, signature)
    for bit in random.Random(1).sample(range(512), 40):
        assert not agreed(key, message, flipped(signature, bit))


def test_the_published_cases_that_tell_verifiers_apart():
    cases = json.loads((DATA / "ed25519_speccheck.json").read_text())["cases"]
    verdicts = [agreed(*(bytes.fromhex(case[name]) for name in ("pub_key", "message", "signature"))) for case in cases]
    # Only number 3, of mixed order and fulfilling the equation without the cofactor, is what verify_strict takes.
    assert verdicts == [index == 3 for index in range(10)]


def test_small_orders_and_encodings_past_the_prime_sign_nothing():
    # With such a key, R = a small point and s = 0 fulfil the equation for one message in eight.
    points = [value.to_bytes(32, "little") for value in SMALL]
    points += [(PRIME + y | sign << 255).to_bytes(32, "little") for y in range(19) for sign in (0, 1)]
    for key in points:
        assert not light_client.is_key(key)
        assert not _core.ed25519_is_key(key)
        for nonce in points[:10]:
            for scalar in (0, 1, ORDER):
                assert not agreed(key, b"any", nonce + scalar.to_bytes(32, "little"))


def test_a_second_spelling_of_s_is_refused():
    signer = fc.Signer("a", bytes(32))
    note = fc.Ledger(seed=1)
    note.seal(None, slot=0)
    read = light_client.parse_note(note.checkpoint(signer).text.encode())
    signature = read.signatures[0].signature
    assert agreed(signer.public.key, read.text.encode(), signature)
    for times in range(1, 16):
        scalar = int.from_bytes(signature[32:], "little") + times * ORDER
        if scalar < 2**256:
            assert not agreed(signer.public.key, read.text.encode(), signature[:32] + scalar.to_bytes(32, "little"))


def flipped(data: bytes, bit: int) -> bytes:
    out = bytearray(data)
    out[bit // 8] ^= 1 << (bit % 8)
    return bytes(out)


@settings(max_examples=150, deadline=None)
@given(
    seed=st.binary(min_size=32, max_size=32),
    message=st.text(alphabet="ab \n", max_size=40),
    flip=st.one_of(st.none(), st.tuples(st.sampled_from(["key", "signature"]), st.integers(0, 511))),
    swap=st.booleans(),
)
def test_both_verifiers_agree_on_true_and_broken_signatures(seed, message, flip, swap):
    text = f"o{message.count('a')}\n1\n" + "A" * 43 + "=\n"
    signer = fc.Signer("n", seed)
    line = light_client.parse_note((text + "\n" + _core.sign_log("n", seed, text)).encode()).signatures[0]
    key, signature, signed = signer.public.key, line.signature, text.encode()
    assert agreed(key, signed, signature)
    if flip is not None:
        part, bit = flip
        key = flipped(key, bit % 256) if part == "key" else key
        signature = flipped(signature, bit) if part == "signature" else signature
        assert not agreed(key, signed, signature)
    if swap:
        assert not agreed(signature[:32], signed, key + signature[32:])


@settings(max_examples=200, deadline=None)
@given(
    key=st.binary(min_size=32, max_size=32) | st.sampled_from([value.to_bytes(32, "little") for value in SMALL]),
    signature=st.binary(min_size=64, max_size=64),
)
def test_both_verifiers_agree_on_any_bytes(key, signature):
    assert not agreed(key, b"m", signature)


def test_a_secret_survives_its_file_and_is_written_once(tmp_path):
    signer = fc.Signer.generate("ann.example/1")
    signer.save(tmp_path / "key")
    assert fc.Signer.load(tmp_path / "key") == signer
    assert (tmp_path / "key").stat().st_mode & 0o077 == 0
    assert signer.secret.hex() not in repr(signer)
    assert str(signer.secret) not in repr(signer)
    with pytest.raises(fc.StoreError, match="cannot write the secret"):
        fc.Signer.generate("bob").save(tmp_path / "key")
    assert fc.Signer.load(tmp_path / "key") == signer
    text = (tmp_path / "key").read_text()
    for wrong in ("", text[:-3], text.replace("ann", "amm"), "é", text * 2):
        (tmp_path / "key").write_text(wrong, encoding="utf-8")
        with pytest.raises(fc.LedgerError, match="holds no secret"):
            fc.Signer.load(tmp_path / "key")
    with pytest.raises(fc.StoreError, match="cannot read the secret"):
        fc.Signer.load(tmp_path / "none")


@pytest.mark.parametrize("name", ["", "a b", "a+b", "é", "a\n", "x" * 256, 5, None])
def test_a_name_that_no_note_could_carry_is_refused(name):
    with pytest.raises(fc.LedgerError, match="cannot be a key's name"):
        fc.Signer(name, bytes(32))
    with pytest.raises(fc.LedgerError, match="cannot be a key's name"):
        fc.PublicKey(name, bytes(32))


def test_keys_of_the_wrong_shape_are_refused():
    with pytest.raises(fc.LedgerError, match="not 32 bytes"):
        fc.Signer("a", b"short")
    for key in (b"short", bytes(32), (PRIME + 1).to_bytes(32, "little"), "text"):
        with pytest.raises(fc.LedgerError, match=r"no Ed25519 public key|weak"):
            fc.PublicKey("a", key)
    public = fc.Signer("a", bytes(32)).public
    assert fc.PublicKey.parse(public.as_log) == fc.PublicKey.parse(public.as_validator + "\n") == public
    for wrong in ("", "a", "a+b+c", public.as_log[:-4], public.as_log.replace("a+", "b+", 1)):
        with pytest.raises(fc.LedgerError):
            fc.PublicKey.parse(wrong)
