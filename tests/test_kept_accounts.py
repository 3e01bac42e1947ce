"""`fc.Accounts(path)`: what was answered is there after any end, once; who may open it; its syncs and bytes.

The faults of disks are tested in Rust (`rust/fastclear-store/tests`); here it is the accounts in the files.
`FASTCLEAR_KILLS=200` kills 200 processes instead of 3.
"""

import copy
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import rule
from reference.transfer_model import Transfer
from test_transfers_model import TRANSFER, Ledger, columns

import fastclear as fc

SMALL = 8192
"""Bytes of a segment: a handful of calls, so that segments and snapshots change while a test runs."""


class KeptLedger(Ledger):
    """The model's accounts, kept: shut, dropped or copied in the middle, and every submission may come again."""

    def begin(self):
        self.place = Path(tempfile.mkdtemp(prefix="fastclear-kept-"))
        self.generation = 0
        return self.opened()

    def opened(self):
        return fc.Accounts(self.place / str(self.generation), durability="none", segment_bytes=SMALL)

    @rule(how=st.sampled_from(["shut", "dropped", "copied"]))
    def reopen(self, how):
        root = self.both.fast.state_root()
        if how == "shut":
            self.both.fast.shut()
        elif how == "copied":  # what a killed process leaves
            shutil.copytree(self.place / str(self.generation), self.place / str(self.generation + 1))
            self.generation += 1
        self.both.fast = None  # lets the lock go
        self.both.fast = self.opened()
        assert self.both.fast.state_root() == root

    @rule(transfers=st.lists(TRANSFER, min_size=1, max_size=5), again=st.sampled_from(["same", "reversed", "single"]))
    def send_again(self, transfers, again):
        self.both.submit(transfers)
        self.reopen("dropped")
        if again == "single":
            for transfer in transfers:
                self.both.submit([transfer])
        else:
            self.both.submit(transfers if again == "same" else transfers[::-1])

    @rule()
    def snapshot(self):
        self.both.fast.snapshot()

    def teardown(self):
        self.both.fast = None
        shutil.rmtree(self.place)


KeptLedger.TestCase.settings = settings(stateful_step_count=25, max_examples=40, deadline=None)
TestKeptLedger = KeptLedger.TestCase


def prepared(path, **options):
    house = fc.Accounts(path, segment_bytes=options.pop("segment_bytes", 1 << 16), **options)
    house.open([1], unlimited=True)
    house.open([1000, 1001, 1002], limit=[0, 50, 0])
    return house


def leaf(transfer, code, number, engine_time):
    """The 96 bytes of docs/4b_store.md, built from the page alone."""
    field = lambda value, size: int(value).to_bytes(size, "little", signed=value < 0)  # noqa: E731
    head = b"FCT1" + field(transfer.code, 2) + bytes([transfer.kind, code])
    ids = field(transfer.id, 16) + field(transfer.reference, 16)
    sizes = [(transfer.debit, 8), (transfer.credit, 8), (transfer.amount, 8), (transfer.timeout, 8)]
    rest = b"".join(field(value, size) for value, size in sizes)
    return head + field(number, 8) + field(engine_time, 8) + ids + rest + bytes([transfer.linked]) + bytes(7)


def tree(leaves):
    """RFC 9162, by its recursive definition."""
    if len(leaves) < 2:
        return hashlib.sha256(b"\0" + leaves[0] if leaves else b"").digest()
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + tree(leaves[:half]) + tree(leaves[half:])).digest()


def frames(directory):
    """Engine time and payload of every frame, read as docs/4b_store.md says."""
    found = {}
    for segment in sorted(Path(directory).glob("journal-*.fcj")):
        data = segment.read_bytes()
        for at in range(0, len(data), 4096):
            if data[at : at + 4] == b"FCJ1":
                lsn, engine_time = (int.from_bytes(data[at + i : at + i + 8], "little") for i in (16, 24))
                size = int.from_bytes(data[at + 36 : at + 40], "little")
                found[lsn] = engine_time, data[at + 64 : at + 64 + size]
    return found


def test_a_batch_is_sealed_over_its_rows_refused_ones_too(tmp_path):
    house = prepared(tmp_path / "bank")
    rows = [Transfer(7, 1, 1000, 90, code=5), Transfer(8, 1001, 1002, 60), Transfer(9, 1000, 1001, 40, 1, timeout=3)]
    codes = house.submit(columns(rows))
    assert codes.tolist() == [0, fc.TransferCode.EXCEEDS_AVAILABLE, 0]
    engine_time, _ = frames(tmp_path / "bank")[3]
    root = tree([leaf(t, int(code), i, engine_time) for i, (t, code) in enumerate(zip(rows, codes, strict=True))])
    chain = hashlib.sha256(bytes(32) + root + (1).to_bytes(8, "little")).digest()
    assert house.seal == (1, 3, root, chain)
    house.submit(columns(rows[:1]))
    assert house.seal.chain == hashlib.sha256(chain + house.seal.root + (2).to_bytes(8, "little")).digest()
    sealed, state = house.seal, house.state_root()
    house.shut()
    again = fc.Accounts(tmp_path / "bank", segment_bytes=1 << 16)
    assert (again.seal, again.state_root(), again.counts["replayed_frames"]) == (sealed, state, 4)
    assert again.submit(columns(rows)).tolist() == [fc.TransferCode.EXISTS, fc.TransferCode.ID_ALREADY_FAILED, 12]


def test_everything_survives_a_drop(tmp_path):
    house = prepared(tmp_path)
    both = {"debit": [1, 1000, 1000], "credit": [1000, 1001, 1001], "amount": [90, 30, 20], "id": [1, 2, 3]}
    house.submit({**both, "kind": ["single", "pending", "pending"], "timeout_ns": [0, 0, 5]})
    house.set_limit(1002, 9)
    house.close(1001)
    found = fc.net({"debit": [1000], "credit": [1002], "amount": [4]})
    paid = house.settle_net(found, first_id=50)
    expired = house.advance(7)
    expected, audit, text = house.balances, house.audit(), repr(house)
    twin = copy.copy(house)
    assert twin.path is None
    assert house.path == str(tmp_path)
    del house
    again = fc.Accounts(tmp_path, segment_bytes=1 << 16)
    assert again.balances.equals(expected)
    assert twin.balances.equals(expected)
    assert (again.audit(), repr(again), again.time, len(again)) == (audit, text, 7, 4)
    assert (paid["code"].to_list(), expired["id"].to_list()) == ([0], [3])
    assert again.settle_net(found, first_id=50)["code"].to_list() == [fc.TransferCode.EXISTS]


def test_a_refused_call_raises_as_in_memory_and_changes_nothing(tmp_path):
    house, memory = prepared(tmp_path), fc.Accounts()
    memory.open([1, 1000, 1001, 1002])
    root, legs = house.state_root(), {"debit": [1, 1], "credit": [1000, 1000], "amount": [1, 1]}
    for call in (
        lambda bank: bank.open([5, 5]),
        lambda bank: bank.open([0]),
        lambda bank: bank.open([1000]),
        lambda bank: bank.set_limit(77, 1),
        lambda bank: bank.close([1000, 78]),
        lambda bank: bank.settle_net(legs, on_failure="operator", operator=9),
        lambda bank: bank.settle_net(legs, first_id=2**128 - 1),
        lambda bank: bank.submit({"debit": [1], "credit": [1000], "amount": [1, 2]}),
        lambda bank: bank.advance(-1),
        lambda bank: bank.available(4),
    ):
        with pytest.raises(fc.FastclearError) as kept:
            call(house)
        with pytest.raises(fc.FastclearError) as plain:
            call(memory)
        assert (type(kept.value), str(kept.value)) == (type(plain.value), str(plain.value))
    assert house.state_root() == root


def test_one_sync_a_batch_and_few_bytes_a_transfer(tmp_path):
    house = prepared(tmp_path, segment_bytes=1 << 21)
    before = house.counts
    n, calls = 8192, 4
    for call in range(calls):
        codes = house.submit(
            {
                "debit": np.full(n, 1, np.uint64),
                "credit": np.full(n, 1000, np.uint64),
                "amount": np.ones(n, np.int64),
                "id": np.arange(1 + call * n, 1 + (call + 1) * n, dtype=np.uint64),
                "id_high": np.full(n, 9, np.uint64),
                "kind": np.zeros(n, np.uint8),
                "reference": np.zeros(n, np.uint64),
                "reference_high": np.zeros(n, np.uint64),
                "timeout_ns": np.zeros(n, np.uint64),
                "code": np.zeros(n, np.uint16),
                "linked": np.zeros(n, bool),
            }
        )
        assert not codes.any()
    written = {name: figure - before[name] for name, figure in house.counts.items()}
    assert (written["frames"], written["frame_syncs"]) == (calls, calls)
    assert written["frame_bytes"] <= 140 * n * calls  # every column there is


def test_a_second_process_is_refused(tmp_path):
    house = prepared(tmp_path)
    with pytest.raises(fc.StoreError, match="is open for writing elsewhere"):
        fc.Accounts(tmp_path)
    program = f"import fastclear as fc; fc.Accounts({str(tmp_path)!r})"
    refused = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "is open for writing elsewhere" in refused.stderr
    house.shut()
    house.shut()
    with pytest.raises(fc.StoreError, match="were shut"):
        house.available(1)
    assert repr(house) == f"Accounts({str(tmp_path)!r}, shut)"
    with fc.Accounts(tmp_path, segment_bytes=1 << 16) as again:
        assert len(again) == 4


def test_damage_is_refused_by_file_and_byte(tmp_path):
    with prepared(tmp_path) as house:
        house.submit({"debit": [1], "credit": [1000], "amount": [5]})
    segment = tmp_path / "journal-0000000001.fcj"
    data = bytearray(segment.read_bytes())
    data[4096 + 70] ^= 1
    segment.write_bytes(data)
    with pytest.raises(fc.StoreError, match=r"journal-0000000001\.fcj is damaged at byte 4096: frame 2 should stand"):
        fc.Accounts(tmp_path)
    assert segment.read_bytes() == bytes(data)


def test_what_is_no_store_is_refused(tmp_path):
    (tmp_path / "letter.txt").write_text("Dear")
    with pytest.raises(fc.StoreError, match="is not a store"):
        fc.Accounts(tmp_path)
    for durability in ("group", "group(-1)", "fsync", 3):
        with pytest.raises(fc.StoreError, match="give 'sync'"):
            fc.Accounts(tmp_path / "new", durability=durability)
    with pytest.raises(fc.StoreError, match="segment_bytes"):
        fc.Accounts(tmp_path / "new", segment_bytes=1)
    for path in (5, ["bank"], "no\0path"):
        with pytest.raises(fc.StoreError):
            fc.Accounts(path)
    memory = fc.Accounts()
    for call in (memory.snapshot, memory.shut, memory.state_root, lambda: memory.seal, lambda: memory.counts):
        with pytest.raises(fc.StoreError, match="in memory"):
            call()
    assert not (tmp_path / "new").exists()


def test_threads_share_the_syncs_of_a_group(tmp_path):
    house = prepared(tmp_path, durability="group(3)")
    codes = []

    def work(thread):
        for call in range(10):
            id_ = 100 * thread + call + 1
            codes.extend(house.submit({"debit": [1], "credit": [1000], "amount": [1], "id": [id_]}).tolist())

    threads = [threading.Thread(target=work, args=[thread]) for thread in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [0] * 60
    assert house.available(1000) == 60
    assert house.counts["frame_syncs"] == house.counts["frames"] < 50
    house.shut()
    assert fc.Accounts(tmp_path, segment_bytes=1 << 16).available(1000) == 60


CHILD = """
import sys
import numpy as np
import fastclear as fc

house = fc.Accounts(sys.argv[1], segment_bytes=1 << 16)
if not len(house):
    house.open([1], unlimited=True)
    house.open(range(2, 10))
number = house.audit()["ids"] // 5
while True:
    ids = np.arange(5 * number + 1, 5 * number + 6, dtype=np.uint64)
    house.submit({"debit": [1] * 5, "credit": [2 + (number + i) % 8 for i in range(5)], "amount": [7] * 5, "id": ids})
    number += 1
    print(number, flush=True)
"""


def test_killed_processes_lose_nothing_that_was_answered(tmp_path):
    done = 0
    for kill in range(int(os.environ.get("FASTCLEAR_KILLS", "3"))):
        command = [sys.executable, "-c", CHILD, str(tmp_path / "bank")]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
            child.stdout.readline()  # it has begun
            time.sleep((kill * 37 % 50) / 1000)
            child.kill()
            answered = [int(line) for line in child.stdout.read().split()]
        house = fc.Accounts(tmp_path / "bank", segment_bytes=1 << 16)
        ids = house.audit()["ids"]
        assert ids % 5 == 0, "a part of a call"
        assert ids // 5 >= max([done, *answered]), f"kill {kill}"
        assert house.available(1) == -7 * ids
        done = ids // 5
        del house
    assert done > 3
