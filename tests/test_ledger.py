import copy
import dataclasses
import json
import pickle
import random
import shutil
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

import fastclear as fc
from fastclear import light_client

FILES = ("params.json", "headers.bin", "records.bin", "orders.bin", "head")
SLOT = 900 * 10**9


def stand_in(n=4, **orders):
    """A clearing as the ledger sees it: n orders, the first half buying, one trade a pair."""
    half = n // 2
    columns = {
        "n": n,
        "side": np.array([1] * half + [0] * half, np.uint8),
        "price": np.arange(n, dtype=np.int64) - 1,
        "quantity": np.full(n, 5, np.int64),
        "market": None,
        "order": None,
        "participant": None,
        "time": None,
        "texts": {},
        **orders,
    }
    pairs = np.arange(half, dtype=np.int64)
    ids = columns["order"] if columns["order"] is not None else np.arange(n)
    market = np.zeros(half, np.int64) if columns["market"] is None else columns["market"][:half]
    trades = {
        "market": market,
        "trade": pairs.astype(np.uint64),
        "buy_order": ids[pairs],
        "sell_order": ids[pairs + half],
        "quantity": np.full(half, 5, np.int64),
        "buy_price": np.full(half, 7, np.int64),
        "sell_price": np.full(half, 7, np.int64),
    }
    return SimpleNamespace(orders=SimpleNamespace(**columns), reject=np.zeros(n, np.uint16), trade_columns=trades)


def postings(ledger_seq, *rows):
    """Receipts made by hand: rows of (kind, debit, credit, amount) and further fields by name."""
    columns = {
        name: np.zeros(len(rows), dtype)
        for name, dtype in {
            "kind": np.uint8,
            "flags": np.uint8,
            "code": np.uint16,
            "asset": np.uint16,
            "seq": np.uint64,
            "time_ns": np.uint64,
            "market": np.uint64,
            "buy_order": np.uint64,
            "sell_order": np.uint64,
            "debit": np.uint64,
            "credit": np.uint64,
            "quantity": np.int64,
            "price": np.int64,
            "amount": np.int64,
            "group": np.uint64,
        }.items()
    }
    for row, (kind, debit, credit, amount, *more) in enumerate(rows):
        seq = ledger_seq + row
        fields = {"seq": seq, "time_ns": seq + 1, "group": seq, **(more[0] if more else {})}
        fields |= {"kind": kind, "debit": debit, "credit": credit, "amount": amount}
        for name, value in fields.items():
            columns[name][row] = value
    return SimpleNamespace(columns=columns)


GENESIS = ((16, 1, 0, 0), (16, 1000, 0, 0), (5, 1, 1000, 500))


# -- the format, byte by byte, by an encoder of its own


def chacha8(key: bytes, stream: int, length: int) -> bytes:
    """ChaCha of 8 rounds, 64-bit counter from 0 and 64-bit stream (Bernstein 2008)."""
    out = b""
    counter = 0
    while len(out) < length:
        state = [0x61707865, 0x3320646E, 0x79622D32, 0x6B206574, *struct.unpack("<8I", key)]
        state += [*struct.unpack("<2I", struct.pack("<Q", counter)), *struct.unpack("<2I", struct.pack("<Q", stream))]
        x = list(state)

        def quarter(a, b, c, d, x=x):
            for target, other, source, turn in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
                x[target] = (x[target] + x[other]) & 0xFFFFFFFF
                mixed = x[source] ^ x[target]
                x[source] = (mixed << turn | mixed >> (32 - turn)) & 0xFFFFFFFF

        for _ in range(4):
            for column in range(4):
                quarter(column, column + 4, column + 8, column + 12)
            for diagonal in range(4):
                quarter(diagonal, 4 + (diagonal + 1) % 4, 8 + (diagonal + 2) % 4, 12 + (diagonal + 3) % 4)
        out += struct.pack("<16I", *((a + b) & 0xFFFFFFFF for a, b in zip(x, state, strict=True)))
        counter += 1
    return out[:length]


def tree(entries):
    if not entries:
        return sha256(b"").digest()
    if len(entries) == 1:
        return sha256(b"\x00" + entries[0]).digest()
    k = 1
    while 2 * k < len(entries):
        k *= 2
    return sha256(b"\x01" + tree(entries[:k]) + tree(entries[k:])).digest()


def i128(value):
    return value.to_bytes(16, "little", signed=True)


def account(number, posted, version, pend_out=0, pend_in=0, limit=0):
    return (
        b"FCA1"
        + bytes(4)
        + struct.pack("<Q", number)
        + i128(posted)
        + i128(pend_out)
        + i128(pend_in)
        + i128(limit)
        + struct.pack("<Q", version)
        + bytes(8)
    )


def test_every_byte_of_a_block_is_where_the_format_says(tmp_path):
    ledger = fc.Ledger.open(tmp_path / "ledger", {"b": 1, "a": "ü"}, seed=5, durability="none")
    reserve = (2, 1000, 1, 60, {"market": 2**64 - 1, "buy_order": 4, "quantity": 3, "price": -20, "code": 515})
    limit = (7, 1000, 0, 40)
    orders = {
        "market": np.array([-1, 3, 3, -1], np.int64),
        "order": np.array([300, 9, 2, 5], np.int64),
        "participant": np.array([1, 0, 1, 0], np.int64),
        "time": np.array([-1, 0, 1, 2], np.int64),
        "texts": {"participant": pl.Series(["home-1", "höme-2"])},
    }
    clearing = stand_in(4, **orders)
    clearing.reject[1] = 13
    block = ledger.seal(clearing, postings(0, *GENESIS, limit, reserve), slot=SLOT)

    params = '{"a":"ü","b":1}'.encode()
    key = sha256(b"\x04" + struct.pack("<Q", 5)).digest()
    params_hash = sha256(params).digest()
    chain_id = sha256(b"\x03" + params_hash + chacha8(key, 2**64 - 1, 32)).digest()

    rows = []
    for seq, row in enumerate((*GENESIS, limit, reserve)):
        kind, debit, credit, amount, *more = row
        extra = more[0] if more else {}
        market, buy = extra.get("market", 0), extra.get("buy_order", 0)
        head = struct.pack("<4BHH", 0xFC, 1, kind, 0, extra.get("code", 0), 0)
        ids = struct.pack("<7Q", seq, seq + 1, market, buy, 0, debit, credit)
        rows.append(head + ids + struct.pack("<qqqQ", extra.get("quantity", 0), extra.get("price", 0), amount, seq))
    salts = chacha8(key, 0, 16 * len(rows))
    records = [row + salts[16 * i : 16 * i + 16] for i, row in enumerate(rows)]

    def text_id(text):
        return sha256(b"\x02" + text.encode()).digest()[:8]

    leaves = []
    for row, (market, order, person, time) in enumerate(
        # in leaf order: market 3 before market 2^64-1, order 2 before 9
        [(3, 2, "höme-2", 1), (3, 9, "home-1", 0), (2**64 - 1, 5, "home-1", 2), (2**64 - 1, 300, "höme-2", -1)]
    ):
        place = [2, 1, 3, 0][row]
        leaves.append(
            struct.pack("<4BHHQ", 0xFD, 1, int(place < 2), 0, 13 if place == 1 else 0, 0, order)
            + text_id(person)
            + struct.pack("<QqqqQ", market, place - 1, 5, time, 0)
        )
    salts = chacha8(key, 2**63, 16 * len(leaves))
    entries = [leaf + salts[16 * i : 16 * i + 16] for i, leaf in enumerate(leaves)]

    state = [account(1, -500, 3, pend_in=60), account(1000, 500, 4, pend_out=60, limit=40)]
    header = (
        struct.pack("<4sHHQ", b"FCB1", 1, 1, 0)
        + chain_id
        + bytes(32)
        + tree(entries)
        + tree(records)
        + tree(state)
        + params_hash
        + bytes(32)
        + struct.pack("<IIQQQq", 4, 5, 0, 5, SLOT, 0)
    )
    digest = sha256(b"\x00" + header).hexdigest()
    head = f"fastclear ledger 1\nheight 1\nheader {digest}\nparams {params_hash.hex()}\n"
    expected = (params, header, b"".join(records), b"".join(entries), head.encode())
    for name, content in zip(FILES, expected, strict=True):
        assert (tmp_path / "ledger" / name).read_bytes() == content, name
    assert (block.header, block.hash) == (header, digest)
    # The golden hash: whoever changes it has changed the format.
    assert digest == GOLDEN


GOLDEN = "6e32fea4f7776d4cc97c9f7b24a60d56ee388f9b35692d49a5a5c57585293d27"


# -- sealing


def test_one_seed_gives_the_same_blocks_and_another_seed_others():
    def heads(seed):
        ledger = fc.Ledger(seed=seed)
        return [ledger.seal(stand_in(), slot=slot).hash for slot in range(3)]

    assert heads(1) == heads(1)
    assert not set(heads(1)) & set(heads(2))
    assert not set(heads(None)) & set(heads(None))


def test_memory_and_directory_seal_the_same_blocks(tmp_path):
    memory = fc.Ledger(seed=1)
    kept = fc.Ledger.open(tmp_path / "ledger", seed=1)
    for slot in range(3):
        assert memory.seal(stand_in(), slot=slot) == kept.seal(stand_in(), slot=slot)
    assert memory.records(1).equals(kept.records(1))
    assert memory.orders(2).equals(kept.orders(2))
    del kept
    again = fc.Ledger.open(tmp_path / "ledger", seed=1)
    assert again.headers == memory.headers
    assert again.seal(stand_in()) == memory.seal(stand_in())


def test_orders_and_trades_of_a_real_clearing():
    orders = pl.DataFrame(
        {
            "side": ["buy", "sell", "buy", "nonsense"],
            "price": [300_000, 100_000, 200_000, 1],
            "quantity": [1500, 2000, 1000, 1],
            "market": ["north", "north", "south", "south"],
            "order": ["a", "b", "c", "d"],
            "participant": ["ann", "bob", "cy", "dee"],
        }
    )
    clearing = fc.clear(orders, fc.Discriminatory(k=1))
    ledger = fc.Ledger(seed=1)
    block = ledger.seal(clearing, slot=5)
    assert (block.height, block.slot, block.orders, block.records, block.state_root) == (0, 5, 4, 1, None)
    assert block.gross == 300_000 * 1500
    row = ledger.records(0).row(0, named=True)

    def text_id(text):
        return int.from_bytes(sha256(b"\x02" + text.encode()).digest()[:8], "little")

    assert (row["kind"], row["quantity"], row["price"], row["amount"]) == ("trade", 1500, 300_000, 450_000_000)
    assert (row["market"], row["buy_order"], row["sell_order"]) == tuple(map(text_id, ("north", "a", "b")))
    assert (row["debit"], row["credit"], row["group"], row["seq"]) == (0, 0, 0, 0)
    leaves = {leaf["order"]: leaf for leaf in ledger.orders(0).iter_rows(named=True)}
    assert leaves[text_id("d")]["reject"] == fc.RejectReason.UNKNOWN_SIDE
    assert leaves[text_id("d")]["side"] == 255
    assert leaves[text_id("c")]["participant"] == text_id("cy")
    for index in range(4):
        proof = ledger.prove(0, index, tree="orders")
        assert fc.verify(proof.leaf, proof, block)


def test_a_spread_is_a_fee_record_of_its_own():
    clearing = fc.clear({"side": ["buy", "sell"], "price": [300, 100], "quantity": [10, 10]}, fc.Uniform(k=0, fee=50))
    ledger = fc.Ledger(seed=1)
    block = ledger.seal([clearing, clearing])
    frame = ledger.records(0)
    assert frame["kind"].to_list() == ["trade", "fee"] * 2
    assert frame["code"].to_list() == [0, 3] * 2
    assert frame["group"].to_list() == [0, 0, 2, 2]
    assert set(frame["amount"].to_list()[1::2]) == {500}
    assert block.orders == 4


def test_a_settled_slot_is_sealed_and_replayed(tmp_path):
    bank = fc.Settlement(profile="prepaid", tariff=fc.Tariff(retail=300_000, feed_in=80_000))
    people = ["ann", "bob"]
    bank.open(people)
    bank.deposit(people, [10**12, 10**12])
    ledger = fc.Ledger.open(tmp_path / "ledger", seed=1)
    orders = {"side": ["buy", "sell"], "price": [250_000, 100_000], "quantity": [1500, 2000], "participant": people}
    for slot in range(3):
        clearing = fc.clear(orders, fc.Uniform())
        receipts = bank.settle(clearing)
        block = ledger.seal(clearing, receipts, slot=slot * SLOT)
        assert block.records == len(receipts)
        assert block.state_root is not None
        assert ledger.orders(slot)["participant"].to_list() == receipts.pseudonyms(clearing).tolist()
    report = fc.verify_directory(tmp_path / "ledger", head=block.hash)
    assert (report.blocks, report.accounts, report.has_state) == (3, 9, True)
    with pytest.raises(fc.LedgerError, match="carries account states"):
        ledger.seal(clearing)
    # Receipts sealed twice do not continue the history.
    with pytest.raises(fc.LedgerError, match="seal every posting once"):
        ledger.seal(clearing, receipts)
    assert ledger.height == 3


def test_an_empty_block_and_the_engine_time():
    ledger = fc.Ledger(seed=1)
    times = [
        ledger.seal(None, slot=10).time,
        ledger.seal([], slot=5).time,
        ledger.seal(stand_in(), slot=20).time,
        ledger.seal(None, time=100).time,
    ]
    assert times == [10, 11, 21, 100]
    assert ledger.records(0).height == 0
    assert ledger.orders(0).height == 0
    assert ledger.block(0).records_root == sha256(b"").hexdigest()


def refusals():
    ok = dict(zip(("kind", "debit", "credit", "amount"), (5, 1, 1000, 10), strict=True))
    yield "kind 99", {**ok, "kind": 99}, "kind 99"
    yield "flags", {**ok, "more": {"flags": 128}}, "flags"
    yield "negative", {**ok, "amount": -1}, "amount"
    yield "unknown account", {**ok, "credit": 55}, "account 55"
    yield "seq", {**ok, "more": {"seq": 9}}, "seq 9"
    yield "time", {**ok, "more": {"time_ns": 1}}, "engine time 1"
    yield "price x quantity", {**ok, "kind": 1, "more": {"price": 3, "quantity": 3}}, "price . quantity"
    yield "no reservation", {**ok, "kind": 3}, "reservation"


@pytest.mark.parametrize(("row", "message"), [(row, text) for _, row, text in refusals()])
def test_a_refused_posting_leaves_the_ledger_as_it_was(row, message):
    ledger = fc.Ledger(seed=1)
    ledger.seal(None, postings(0, *GENESIS))
    head = ledger.head
    more = (row["more"],) if "more" in row else ()
    good = (5, 1, 1000, 10)
    bad = (row["kind"], row["debit"], row["credit"], row["amount"], *more)
    with pytest.raises(fc.LedgerError, match=message):
        ledger.seal(None, postings(3, good, bad))
    assert (ledger.head, ledger.next_seq) == (head, 3)
    assert ledger.seal(None, postings(3, good)).records == 1


@pytest.mark.parametrize(
    "call",
    [
        lambda ledger: ledger.seal(None, slot=-1),
        lambda ledger: ledger.seal(None, slot=1.5),
        lambda ledger: ledger.seal(None, slot=True),
        lambda ledger: ledger.seal(None, time=2**64),
        lambda ledger: ledger.block(1),
        lambda ledger: ledger.block(-1),
        lambda ledger: ledger.records(1),
        lambda ledger: ledger.prove(0, 2),
        lambda ledger: ledger.prove(0, -1),
        lambda ledger: ledger.prove(1, 0),
        lambda ledger: ledger.prove(0, b"nothing"),
        lambda ledger: ledger.prove(0, bytes(112)),
        lambda ledger: ledger.prove(0, 0, tree="accounts"),
        lambda ledger: ledger.prove_growth(0),
        lambda ledger: ledger.prove_growth(2, 1),
        lambda ledger: ledger.log_root(2),
        lambda ledger: fc.Ledger(seed=-1),
        lambda ledger: fc.Ledger(seed=2**64),
        lambda ledger: fc.Ledger({"x": float("nan")}),
        lambda ledger: fc.Ledger({"x": object()}),
        lambda ledger: fc.Proof.from_json("{}"),
        lambda ledger: fc.Proof.from_json("[" * 100_000),
        lambda ledger: fc.Ledger.open("unused", durability="maybe"),
    ],
)
def test_calls_that_make_no_sense_raise(call):
    ledger = fc.Ledger(seed=1)
    ledger.seal(stand_in())
    with pytest.raises(fc.LedgerError):
        call(ledger)
    assert ledger.height == 1


def test_a_proof_survives_its_json():
    ledger = fc.Ledger(seed=1)
    ledger.seal(stand_in(8))
    for tree_name, size in (("records", 4), ("orders", 8)):
        for index in range(size):
            proof = ledger.prove(0, index, tree=tree_name)
            assert fc.Proof.from_json(proof.to_json()) == proof
            assert light_client.check_proof(json.loads(proof.to_json())).place == index
            for leaf in (proof.leaf, proof.leaf[:-16]):
                assert ledger.prove(0, leaf) == proof


def test_receipts_without_a_column_are_refused():
    receipts = postings(0, *GENESIS)
    del receipts.columns["asset"]
    with pytest.raises(fc.LedgerError, match="asset"):
        fc.Ledger(seed=1).seal(None, receipts)
    floats = postings(0, *GENESIS)
    floats.columns["amount"] = floats.columns["amount"].astype(float)
    with pytest.raises(fc.LedgerError, match="float64"):
        fc.Ledger(seed=1).seal(None, floats)


def test_columns_of_other_lengths_are_refused():
    clearing = stand_in()
    clearing.reject = np.zeros(3, np.uint16)
    with pytest.raises(fc.SchemaError, match="reject"):
        fc.Ledger(seed=1).seal(clearing)


# -- the directory


@pytest.fixture
def directory(tmp_path):
    ledger = fc.Ledger.open(tmp_path / "ledger", {"tariff": 1}, seed=1, durability="none")
    ledger.seal(None, postings(0, *GENESIS), slot=1)
    ledger.seal(stand_in(), postings(3, (6, 1000, 1, 20), (9, 1000, 0, 0)), slot=2)
    ledger.seal(None, postings(5), slot=3)
    return tmp_path / "ledger"


def test_random_flipped_bits_are_caught(directory):
    choose = random.Random(1)
    for name in FILES:
        path = directory / name
        content = path.read_bytes()
        for _ in range(60):
            bit = choose.randrange(len(content) * 8)
            flipped = bytearray(content)
            flipped[bit // 8] ^= 1 << (bit % 8)
            path.write_bytes(flipped)
            with pytest.raises(fc.VerificationError) as caught:
                fc.verify_directory(directory)
            assert 0 <= caught.value.height < 3
            if name == "records.bin":
                assert caught.value.file == name
                assert caught.value.height == (0 if bit // 8 < 3 * 112 else 1)
            with pytest.raises(fc.LedgerError):
                fc.Ledger.open(directory)
        path.write_bytes(content)
    assert fc.verify_directory(directory).blocks == 3


def test_every_cut_is_caught(directory):
    for name in FILES:
        path = directory / name
        content = path.read_bytes()
        for length in range(len(content)):
            path.write_bytes(content[:length])
            with pytest.raises(fc.VerificationError):
                fc.verify_directory(directory)
        path.write_bytes(content)


def test_the_error_names_block_record_file_and_offset(directory):
    path = directory / "records.bin"
    content = bytearray(path.read_bytes())
    content[4 * 112 + 2] = 77  # the kind of record 1 of block 1
    path.write_bytes(content)
    with pytest.raises(fc.VerificationError, match=r"block 1, record 1 \(records.bin at byte 448\): .*kind") as caught:
        fc.verify_directory(directory)
    error = caught.value
    assert (error.height, error.record, error.file, error.offset) == (1, 1, "records.bin", 448)


def test_a_remembered_head_shows_that_blocks_were_cut_off(directory, tmp_path):
    remembered = fc.verify_directory(directory).head
    assert fc.verify_directory(directory, head=remembered).head == remembered
    shorter = fc.Ledger.open(tmp_path / "shorter", {"tariff": 1}, seed=1)
    shorter.seal(None, postings(0, *GENESIS), slot=1)
    assert fc.verify_directory(tmp_path / "shorter").blocks == 1
    with pytest.raises(fc.VerificationError, match="cut off or replaced"):
        fc.verify_directory(tmp_path / "shorter", head=remembered)


def test_a_broken_append_is_repaired_by_opening(directory):
    good = {name: (directory / name).read_bytes() for name in FILES}
    with (directory / "records.bin").open("ab") as file:
        file.write(b"\xfc" * 100)
    with pytest.raises(fc.VerificationError, match="opening the ledger repairs"):
        fc.verify_directory(directory)
    assert fc.Ledger.open(directory).height == 3
    assert {name: (directory / name).read_bytes() for name in FILES} == good


def test_one_writer_at_a_time(directory):
    first = fc.Ledger.open(directory)
    with pytest.raises(fc.StoreError, match="open for writing elsewhere"):
        fc.Ledger.open(directory)
    code = "import sys, fastclear as fc\ntry: fc.Ledger.open(sys.argv[1])\nexcept fc.StoreError: sys.exit(3)"
    assert subprocess.run([sys.executable, "-c", code, str(directory)], check=False).returncode == 3
    del first
    assert fc.Ledger.open(directory).height == 3


def test_parameters_belong_to_the_ledger(directory):
    assert fc.Ledger.open(directory).params == {"tariff": 1}
    with pytest.raises(fc.LedgerError, match="other parameters"):
        fc.Ledger.open(directory, {"tariff": 2})


def test_a_directory_with_other_content_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(fc.StoreError, match="not a ledger directory"):
        fc.Ledger.open(tmp_path)
    with pytest.raises(fc.StoreError, match="not a ledger directory"):
        fc.verify_directory(tmp_path)
    with pytest.raises(fc.StoreError):
        fc.verify_directory(tmp_path / "absent")
    assert [item.name for item in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("prices", [(5, -10), (-10, -10), (-1, -400_000), (0, 0)])
@pytest.mark.parametrize("fees", [{}, {"platform_fee": 3, "network_fee": 2, "tax_ppm": 190_000}])
@pytest.mark.parametrize("rule", [fc.Uniform(), fc.Discriminatory(rule="bid")])
def test_receipts_of_negative_prices_are_sealed_and_verified(tmp_path, prices, fees, rule):
    bank = fc.Settlement(tariff=fc.Tariff(retail=300_000, feed_in=0, **fees))
    bank.open(["a", "b"])
    bank.deposit(["a", "b"], 10**15)
    orders = {"side": ["buy", "sell"], "price": prices, "quantity": [9, 9], "participant": ["a", "b"], "order": [1, 2]}
    ledger = fc.Ledger.open(tmp_path / "ledger", seed=1, durability="none")
    for slot in range(2):
        bank.reserve(orders)
        clearing = fc.clear(orders, rule)
        ledger.seal(clearing, bank.settle(clearing), slot=slot)
    assert clearing.filled.tolist() == [9, 9]
    del ledger
    assert fc.verify_directory(tmp_path / "ledger").blocks == 2


# -- what goes wrong and what then


def test_receipts_are_sealed_again_after_an_error():
    bank = fc.Settlement(tariff=fc.Tariff(retail=300_000, feed_in=0))
    assert bank.last_receipts is None
    bank.open(["a", "b"])
    bank.deposit("a", 10**15)
    orders = {"side": ["buy", "sell"], "price": [9, 5], "quantity": [9, 9], "participant": ["a", "b"]}
    ledger, straight = fc.Ledger(seed=1), fc.Ledger(seed=1)
    clearing = fc.clear(orders, fc.Uniform())
    with pytest.raises(fc.LedgerError, match="slot is -1"):
        ledger.seal(clearing, bank.settle(clearing), slot=-1)
    first = bank.last_receipts
    later = fc.clear(orders, fc.Uniform())
    receipts = bank.settle(later)
    with pytest.raises(fc.LedgerError, match="the history goes on at 0"):
        ledger.seal(later, receipts, slot=1)
    for chain in (ledger, straight):
        chain.seal(clearing, first, slot=0)
        chain.seal(later, bank.last_receipts, slot=1)
    assert ledger.head == straight.head


def test_a_ledger_whose_disk_was_full_is_opened_again_and_goes_on(tmp_path):
    script = """
import resource, signal, sys
import fastclear as fc
bank = fc.Settlement(tariff=fc.Tariff(300_000, 0))
bank.open(["a", "b"])
bank.deposit("a", 10**15)
orders = {"side": ["buy", "sell"], "price": [9, 5], "quantity": [9, 9], "participant": ["a", "b"]}
ledger = fc.Ledger.open(sys.argv[1], seed=1)
clearing = fc.clear(orders, fc.Uniform())
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (700, resource.RLIM_INFINITY))
try:
    ledger.seal(clearing, bank.settle(clearing), slot=0)
    raise SystemExit("sealed on a full disk")
except fc.StoreError:
    pass
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
try:
    ledger.seal(clearing, bank.last_receipts, slot=0)
    raise SystemExit("sealed without looking")
except fc.StoreError as error:
    assert "open it again" in str(error), error
ledger.reopen()
assert ledger.next_seq == 0
block = ledger.seal(clearing, bank.last_receipts, slot=0)
memory = fc.Ledger(seed=1)
assert memory.seal(clearing, bank.last_receipts, slot=0).hash == block.hash
print(fc.verify_directory(sys.argv[1], head=block.hash).blocks)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "ledger")], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "1"), done.stderr


def test_opening_again_lets_go_of_the_lock_and_says_what_is_wrong(tmp_path):
    ledger = fc.Ledger.open(tmp_path / "ledger", seed=1)
    ledger.seal(stand_in())
    ledger.reopen()
    assert ledger.seal(stand_in()).height == 1
    (tmp_path / "ledger" / "head").write_text("nonsense")
    for _ in range(2):
        with pytest.raises(fc.LedgerError):
            ledger.reopen()
        with pytest.raises(fc.LedgerError, match=r"call reopen\(\) once more"):
            ledger.seal(stand_in())
    with pytest.raises(fc.LedgerError, match="lives in memory"):
        fc.Ledger().reopen()


def test_opening_again_takes_no_other_ledger_for_this_one(tmp_path):
    ledger = fc.Ledger.open(tmp_path / "ledger", seed=1)
    ledger.seal(stand_in())
    (tmp_path / "ledger").rename(tmp_path / "moved")
    with pytest.raises(fc.LedgerError, match="was the directory moved"):
        ledger.reopen()
    assert not (tmp_path / "ledger").exists()
    fc.Ledger.open(tmp_path / "ledger", seed=2).seal(stand_in())
    with pytest.raises(fc.LedgerError, match="holds another ledger"):
        ledger.reopen()
    shutil.rmtree(tmp_path / "ledger")
    (tmp_path / "moved").rename(tmp_path / "ledger")
    ledger.reopen()
    assert ledger.height == 1


def test_a_ledger_in_memory_is_copied_and_pickled_whole(tmp_path):
    for seed in (1, None):
        ledger = fc.Ledger({"market": "demo"}, seed=seed)
        ledger.seal(stand_in(), slot=3)
        ledger.seal(None, slot=4)
        for make in (copy.copy, copy.deepcopy, lambda ledger: pickle.loads(pickle.dumps(ledger))):
            twin = make(ledger)
            assert twin.headers == ledger.headers
            assert twin.params == ledger.params
            assert twin.records(0).equals(ledger.records(0))
            assert twin.orders(0).equals(ledger.orders(0))
            one = twin.seal(stand_in(), slot=5)
            assert (twin.height, ledger.height) == (3, 2), "nothing is shared"
            again = make(ledger).seal(stand_in(), slot=5)
            # Without a seed nobody keeps what salts were made from, so that each copy draws its own.
            assert (again == one) is (seed is not None)
            assert again.fields.prev == one.fields.prev
    kept = fc.Ledger.open(tmp_path / "ledger")
    for make in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(fc.LedgerError, match="one writer"):
            make(kept)


def test_a_pickle_that_was_tampered_with_is_refused():
    ledger = fc.Ledger(seed=1)
    ledger.seal(stand_in(), slot=3)
    rebuild, (cls, contents, *rest) = ledger.__reduce__()
    for place in range(4):
        content = bytearray(contents[place])
        content[len(content) // 2] ^= 1
        with pytest.raises(fc.LedgerError):
            rebuild(cls, (*contents[:place], bytes(content), *contents[place + 1 :]), *rest)
    with pytest.raises(fc.LedgerError):
        rebuild(cls, (contents[0], contents[1][:-1], *contents[2:]), *rest)


@pytest.mark.parametrize("place", ["memory", "directory"])
def test_threads_seal_at_once(tmp_path, place):
    ledger = fc.Ledger(seed=1) if place == "memory" else fc.Ledger.open(tmp_path / "ledger", seed=1, durability="none")
    with ThreadPoolExecutor(8) as pool:
        blocks = list(pool.map(lambda slot: ledger.seal(stand_in(40), slot=slot), range(200)))
    assert sorted(block.height for block in blocks) == list(range(200))
    assert ledger.next_seq == 200 * 20
    if place == "memory":
        assert pickle.loads(pickle.dumps(ledger)).head == ledger.head
    else:
        assert fc.verify_directory(tmp_path / "ledger").blocks == 200


def malformed():
    ledger = fc.Ledger(seed=1)
    block = ledger.seal(stand_in())
    proof = ledger.prove(0, 1)
    change = dataclasses.replace
    yield "no leaf", (None, proof, block)
    yield "leaf as text", ("00", proof, block)
    yield "no proof", (proof.leaf, None, block)
    yield "proof as text", (proof.leaf, proof.to_json(), block)
    yield "no header", (proof.leaf, proof, None)
    yield "height for a header", (proof.leaf, proof, 0)
    yield "index as text", (proof.leaf, change(proof, index="1"), block)
    yield "no index", (proof.leaf, change(proof, index=None), block)
    yield "index as bool", (proof.leaf, change(proof, index=True), block)
    yield "float index", (proof.leaf, change(proof, index=1.0), block)
    yield "no path", (proof.leaf, change(proof, path=None), block)
    yield "path of text", (proof.leaf, change(proof, path=("00" * 32,)), block)
    yield "path of numbers", (proof.leaf, change(proof, path=(1, 2)), block)


@pytest.mark.parametrize("arguments", [pytest.param(arguments, id=name) for name, arguments in malformed()])
def test_a_malformed_proof_is_a_ledger_error(arguments):
    with pytest.raises(fc.LedgerError):
        fc.verify(*arguments)


def test_a_well_formed_proof_of_nothing_is_false():
    ledger = fc.Ledger(seed=1)
    block = ledger.seal(stand_in())
    proof = ledger.prove(0, 1)
    assert fc.verify(proof.leaf, proof, block)
    for wrong in ({"index": -1}, {"index": 2**200}, {"path": ()}, {"path": (b"", b"x")}, {"path": proof.path * 99}):
        assert not fc.verify(proof.leaf, dataclasses.replace(proof, **wrong), block)
    for leaf in (b"", proof.leaf[:-1], bytes(112)):
        assert not fc.verify(leaf, proof, block)
    assert not fc.verify(proof.leaf, proof, b"")


@pytest.mark.parametrize("text", ["", "5", "[]", "{}", '{"log": 5}', None, 5, b"\xff"])
def test_text_that_is_no_proof_is_a_ledger_error(text):
    with pytest.raises(fc.LedgerError, match="no fastclear proof"):
        fc.Proof.from_json(text)


def test_an_endless_index_is_a_ledger_error():
    ledger = fc.Ledger(seed=1)
    ledger.seal(stand_in())
    document = json.loads(ledger.prove(0, 1).to_json())
    for wrong in (float("inf"), float("nan"), "one", None, [1]):
        with pytest.raises(fc.LedgerError, match="no fastclear proof"):
            fc.Proof.from_json(json.dumps({**document, "index": wrong}))


def test_parameters_and_paths_that_cannot_be(tmp_path):
    deep: dict[str, object] = {}
    for _ in range(100_000):
        deep = {"a": deep}
    for params in ({"a": "\ud800"}, {"\ud800": 1}, {"a": {1}}, {"a": float("nan")}, 5, deep):
        with pytest.raises(fc.LedgerError, match="params cannot be written as JSON"):
            fc.Ledger(params)
    for path in (None, 5, ["a"]):
        with pytest.raises(fc.LedgerError, match="path is a"):
            fc.Ledger.open(path)
        with pytest.raises(fc.LedgerError, match="path is a"):
            fc.verify_directory(path)
    name = bytes(tmp_path / "ledger")
    head = fc.Ledger.open(name, seed=1).seal(stand_in()).hash
    assert fc.verify_directory(name, head=head).blocks == 1
    with pytest.raises(fc.StoreError):
        fc.Ledger.open("a\0b")
    with pytest.raises(fc.StoreError):
        fc.verify_directory("a\0b")
