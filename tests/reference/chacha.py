"""ChaCha as Bernstein published it (64-bit counter, 64-bit stream), and the draws the auctions make from it.

Words 0-3 are constants, 4-11 the key, 12-13 the block counter from 0, 14-15 the stream; all little-endian.
"""

MASK32 = 2**32 - 1
CONSTANTS = b"expand 32-byte k"


def rotate(x, bits):
    return (x << bits | x >> 32 - bits) & MASK32


def quarter_round(x, a, b, c, d):
    for first, second, third, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        x[first] = (x[first] + x[second]) & MASK32
        x[third] = rotate(x[third] ^ x[first], bits)


def words(content):
    return [int.from_bytes(content[i : i + 4], "little") for i in range(0, len(content), 4)]


def block(key, counter, stream, rounds):
    """Sixteen words of key stream: `key` is 32 bytes, `counter` and `stream` are 64-bit integers."""
    start = words(CONSTANTS + key + counter.to_bytes(8, "little") + stream.to_bytes(8, "little"))
    x = list(start)
    for _ in range(rounds // 2):
        for column in range(4):
            quarter_round(x, column, column + 4, column + 8, column + 12)
        for column in range(4):
            quarter_round(x, column, 4 + (column + 1) % 4, 8 + (column + 2) % 4, 12 + (column + 3) % 4)
    return [(end + begin) & MASK32 for end, begin in zip(x, start, strict=True)]


class ChaCha8:
    """The generator of one market: seed of the call, stream = rank of the market."""

    def __init__(self, seed, stream):
        self.seed = seed
        self.key = seed.to_bytes(8, "little") + bytes(24)
        self.stream = stream
        self.counter = 0
        self.waiting = []

    def anew(self):
        return ChaCha8(self.seed, self.stream)

    def next_u32(self):
        if not self.waiting:
            self.waiting = block(self.key, self.counter, self.stream, 8)
            self.counter += 1
        return self.waiting.pop(0)

    def next_u64(self):
        low = self.next_u32()
        return low + 2**32 * self.next_u32()

    def bounded(self, n):
        """An integer from 0 to n - 1, each as likely as any other: what would favour some is drawn again."""
        if n == 1:
            return 0
        while True:
            x = self.next_u64()
            if x < 2**64 - 2**64 % n:
                return x % n

    def coin(self):
        return self.next_u64() >> 63

    def shuffled(self, members):
        """Fisher-Yates from the end."""
        members = list(members)
        for i in range(len(members) - 1, 0, -1):
            j = self.bounded(i + 1)
            members[i], members[j] = members[j], members[i]
        return members
