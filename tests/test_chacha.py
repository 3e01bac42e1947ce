"""The generator of the naive twins against published vectors, and its draws against their definition."""

from collections import Counter

import pytest
from reference.chacha import ChaCha8, block

# Strombergson, Test Vectors for the Stream Cipher ChaCha (draft-strombergson-chacha-test-vectors), 256-bit keys, 8
# rounds: TC1, TC3, TC4, TC7, TC8. Key, stream, first and second block.
VECTORS = [
    (
        "00" * 32,
        "00" * 8,
        "3e00ef2f895f40d67f5bb8e81f09a5a12c840ec3ce9a7f3b181be188ef711a1e"
        "984ce172b9216f419f445367456d5619314a42a3da86b001387bfdb80e0cfe42",
        "d2aefa0deaa5c151bf0adb6c01f2a5adc0fd581259f9a2aadcf20f8fd566a26b"
        "5032ec38bbc5da98ee0c6f568b872a65a08abf251deb21bb4b56e5d8821e68aa",
    ),
    (
        "00" * 32,
        "01" + "00" * 7,
        "2b8f4bb3798306ca5130d47c4f8d4ed13aa0edccc1be6942090faeeca0d7599b"
        "7ff0fe616bb25aa0153ad6fdc88b954903c22426d478b97b22b8f9b1db00cf06",
        "470bdffbc488a8b7c701ebf4061d75c5969186497c95367809afa80bd843b040"
        "a79abc6e73a91757f1db73c8eacfa543b38f289d065ab2f3032d377b8c37fe46",
    ),
    (
        "ff" * 32,
        "ff" * 8,
        "e163bbf8c9a739d18925ee8362dad2cdc973df05225afb2aa26396f2a9849a4a"
        "445e0547d31c1623c537df4ba85c70a9884a35bcbf3dfab077e98b0f68135f54",
        "81d4933f8b322ac0cd762c27235ce2b31534e0244a9a2f1fd5e94498d47ff108"
        "790c009cf9e1a348032a7694cb28024cd96d3498361edb1785af752d187ab54b",
    ),
    (
        "00112233445566778899aabbccddeeffffeeddccbbaa99887766554433221100",
        "0f1e2d3c4b5a6978",
        "db43ad9d1e842d1272e4530e276b3f568f8859b3f7cf6d9d2c74fa53808cb515"
        "7a8ebf46ad3dcc4b6c7dadde131784b0120e0e22f6d5f9ffa7407d4a21b695d9",
        "c5dd30bf55612fab9bdd118920c19816470c7f5dcd42325dbbed8c57a56281c1"
        "44cb0f03e81b3004624e0650a1ce5afaf9a7cd8163f6dbd72602257dd96e471e",
    ),
    (
        "c46ec1b18ce8a878725a37e780dfb7351f68ed2e194c79fbc6aebee1a667975d",
        "1ada31d5cf688221",
        "838751b42d8ddd8a3d77f48825a2ba752cf4047cb308a5978ef274973be374c9"
        "6ad848065871417b08f034e681fe46a93f7d5c61d1306614d4aaf257a7cff08b",
        "16f2fda170cc18a4b58a2667ed962774af792a6e7f3c77992540711a7a136d7e"
        "8a2f8d3f93816709d45a3fa5f8ce72fde15be7b841acba3a2abd557228d9fe4f",
    ),
]


def hexadecimal(words):
    return b"".join(word.to_bytes(4, "little") for word in words).hex()


@pytest.mark.parametrize(("key", "stream", "first", "second"), VECTORS)
def test_published_vectors_of_eight_rounds(key, stream, first, second):
    key, stream = bytes.fromhex(key), int.from_bytes(bytes.fromhex(stream), "little")
    assert hexadecimal(block(key, 0, stream, 8)) == first
    assert hexadecimal(block(key, 1, stream, 8)) == second


def test_published_vector_of_twenty_rounds():
    """RFC 8439, appendix A.1, vector 1."""
    assert hexadecimal(block(bytes(32), 0, 0, 20)) == (
        "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
        "da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586"
    )


@pytest.mark.parametrize(("seed", "stream"), [(0, 0), (1, 3), (2**64 - 1, 7)])
def test_numbers_come_in_the_order_of_the_key_stream(seed, stream):
    key = seed.to_bytes(8, "little") + bytes(24)
    words = [word for counter in range(3) for word in block(key, counter, stream, 8)]
    one, two = ChaCha8(seed, stream), ChaCha8(seed, stream)
    assert [one.next_u32() for _ in range(40)] == words[:40]
    assert [two.next_u64() for _ in range(20)] == [words[2 * i] + 2**32 * words[2 * i + 1] for i in range(20)]


def test_bounded_draws_again_what_would_favour_some():
    class Scripted(ChaCha8):
        def __init__(self, numbers):
            self.numbers = list(numbers)

        def next_u64(self):
            return self.numbers.pop(0)

    most = 2**64 - 1
    # 2^64 = 1 modulo 3 and 5: only the last number is over.
    assert Scripted([most, 7]).bounded(3) == 1
    assert Scripted([most, most, 9]).bounded(5) == 4
    assert Scripted([most]).bounded(4) == 3
    # For n = 2^63 + 1 nearly half of the numbers are over.
    assert Scripted([2**63 + 1, most, 5]).bounded(2**63 + 1) == 5
    # Nothing is drawn for a choice of one.
    assert Scripted([]).bounded(1) == 0
    assert Scripted([]).shuffled(["only"]) == ["only"]
    assert Scripted([]).shuffled([]) == []
    assert [Scripted([x]).coin() for x in (0, 2**63 - 1, 2**63, most)] == [0, 0, 1, 1]


def test_every_permutation_is_about_as_frequent():
    counts = Counter(tuple(ChaCha8(seed, 0).shuffled("abc")) for seed in range(600))
    assert len(counts) == 6
    assert all(70 < count < 130 for count in counts.values())
