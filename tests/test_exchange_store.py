"""An exchange in a directory: what was answered is there when it is opened again, whatever happened in between."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from test_exchange import GATE, SLOT, TARIFF, one_day

import fastclear as fc

TERMS = {"tariff": TARIFF, "mechanism": fc.Uniform(), "seed": 7}
KEEPING = {"clock": "manual", "durability": "none", "segment_bytes": 1 << 16}


def opened(path, **terms):
    return fc.Exchange.open(path, **(terms or TERMS), **KEEPING)


def business(ex, slots, first=0):
    """Some slots from first order to block."""
    for slot in range(first, first + slots):
        start = slot * SLOT
        orders = {
            "side": ["buy", "sell", "buy"],
            "price": [120, 100, 90],
            "quantity": [10, 15, 5 + slot],
            "participant": ["Ada", "Bo", "Ada"],
        }
        ex.submit(orders, start)
        ex.close_gate(start)
        ex.meter({"participant": ["Ada", "Bo"], "energy_wh": [12, -15]}, start)
        ex.settle(start)
        ex.seal(start)


def begin(path):
    ex = opened(path)
    ex.open_accounts(["Ada", "Bo", 7])
    ex.deposit("Ada", 10**6)
    return ex


def files(path):
    return {name: (path / name).read_bytes() for name in ("headers.bin", "records.bin", "orders.bin", "head")}


def test_reopening_replays_to_the_same_root_and_blocks(tmp_path):
    ex = begin(tmp_path / "ex")
    business(ex, 3)
    ex.submit({"side": ["buy"], "price": [100], "quantity": [3], "participant": ["Ada"]}, 5 * SLOT)
    root, head, money = ex.state_root, ex.ledger.head, ex.balances
    for how in ("dropped", "closed", "snapshot"):
        if how == "snapshot":
            ex.snapshot()
        ex.close()
        with pytest.raises(fc.StoreError, match="closed"):
            _ = ex.time
        with pytest.raises(fc.StoreError, match="closed"):
            _ = ex.ledger.height
        ex = opened(tmp_path / "ex")
        assert (ex.state_root, ex.ledger.head) == (root, head)
        assert ex.balances.equals(money)
        assert ex.participants == ["Ada", "Bo", 7]
        assert ex.slots["orders"].to_list() == [1]
    report = fc.verify_directory(tmp_path / "ex" / "ledger")
    assert (report.blocks, report.head) == (3, head)
    business(ex, 1, first=5)
    assert fc.verify_directory(tmp_path / "ex" / "ledger").blocks == 4


@pytest.mark.parametrize("seed", range(3))
def test_a_day_in_a_directory_is_that_of_the_twin_and_is_replayed(tmp_path, seed):
    ex, twin = one_day(fc.Uniform(), GATE, seed, path=tmp_path / "ex")
    root = ex.state_root
    written = files(tmp_path / "ex" / "ledger")
    ex.close()
    shutil.rmtree(tmp_path / "ex" / "ledger")
    again = fc.Exchange.open(tmp_path / "ex", **KEEPING)
    assert again.state_root == root
    assert files(tmp_path / "ex" / "ledger") == written  # every block was made again, byte for byte
    assert again.ledger.head == twin.ledger.head
    assert fc.verify_directory(tmp_path / "ex" / "ledger").blocks == twin.ledger.height


def test_a_block_that_was_not_written_is_written_when_it_is_opened_again(tmp_path):
    ex = begin(tmp_path / "ex")
    business(ex, 2)
    shutil.copytree(tmp_path / "ex" / "ledger", tmp_path / "early")
    business(ex, 2, first=2)
    written = files(tmp_path / "ex" / "ledger")
    ex.close()
    shutil.rmtree(tmp_path / "ex" / "ledger")
    shutil.move(tmp_path / "early", tmp_path / "ex" / "ledger")
    opened(tmp_path / "ex").close()
    assert files(tmp_path / "ex" / "ledger") == written


def test_a_ledger_of_another_story_is_refused(tmp_path):
    for name in ("one", "other"):
        ex = begin(tmp_path / name)
        if name == "other":
            ex.deposit("Bo", 1)
        business(ex, 2)
        ex.close()
    shutil.rmtree(tmp_path / "one" / "ledger")
    shutil.copytree(tmp_path / "other" / "ledger", tmp_path / "one" / "ledger")
    with pytest.raises(fc.LedgerError, match="block 0: the ledger has another block there"):
        opened(tmp_path / "one")


def test_a_ledger_that_is_ahead_is_refused(tmp_path):
    ex = begin(tmp_path / "ex")
    business(ex, 1)
    ex.close()
    shutil.copytree(tmp_path / "ex", tmp_path / "old")
    ex = opened(tmp_path / "ex")
    business(ex, 1, first=1)
    ex.close()
    shutil.rmtree(tmp_path / "old" / "ledger")
    shutil.copytree(tmp_path / "ex" / "ledger", tmp_path / "old" / "ledger")
    with pytest.raises(fc.LedgerError, match="block 1: the journal does not have that block"):
        opened(tmp_path / "old")


def test_a_ledger_whose_blocks_are_lost_for_good_is_refused(tmp_path):
    ex = begin(tmp_path / "ex")
    business(ex, 2)
    ex.snapshot()
    business(ex, 1, first=2)
    ex.snapshot()
    business(ex, 1, first=3)
    ex.close()
    shutil.rmtree(tmp_path / "ex" / "ledger")
    with pytest.raises(fc.LedgerError, match="block 0: the block is neither"):
        opened(tmp_path / "ex")


def test_terms_cannot_change(tmp_path):
    ex = begin(tmp_path / "ex")
    params = ex.params
    ex.close()
    for other in (TERMS | {"mechanism": fc.Discriminatory()}, TERMS | {"gate": GATE}, TERMS | {"remember": 4}):
        with pytest.raises(fc.LedgerError, match="other parameters"):
            opened(tmp_path / "ex", **other)
    with fc.Exchange.open(tmp_path / "ex", **KEEPING) as again:
        assert again.params == params


def test_a_directory_without_an_exchange_needs_terms(tmp_path):
    with pytest.raises(fc.StoreError, match="platform or its terms"):
        fc.Exchange.open(tmp_path / "new", **KEEPING)
    assert not (tmp_path / "new").exists()
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "letter.txt").write_text("dear")
    with pytest.raises(fc.StoreError, match="not a store"):
        opened(tmp_path / "else")


def test_one_writer_at_a_time(tmp_path):
    ex = begin(tmp_path / "ex")
    with pytest.raises(fc.StoreError, match="open for writing elsewhere"):
        opened(tmp_path / "ex")
    ex.close()
    opened(tmp_path / "ex").close()


def test_keys_outlive_the_process(tmp_path):
    ex = begin(tmp_path / "ex")
    first = ex.deposit("Bo", 5, key=77)
    ex.snapshot()
    order = {"side": ["sell"], "price": [1], "quantity": [1], "participant": ["Bo"]}
    orders = ex.submit(order, 0, key=78)
    ex.close()
    ex = opened(tmp_path / "ex")
    again = ex.deposit("Bo", 5, key=77)
    assert again.repeated
    assert again.raw[2:] == first.raw[2:]
    assert ex.submit(order, 0, key=78).order.tolist() == orders.order.tolist()
    assert ex.available("Bo") == 5
    with pytest.raises(fc.ExchangeError, match="another command"):
        ex.deposit("Bo", 6, key=77)


def test_the_wall_clock_is_the_default_and_goes_on(tmp_path):
    with fc.Exchange.open(tmp_path / "ex", **TERMS, durability="sync", segment_bytes=1 << 16) as ex:
        before = time.time_ns()
        ex.open_accounts("Ada")
        assert abs(ex.time - before) < 60 * 10**9
        with pytest.raises(fc.ExchangeError, match="wall clock"):
            ex.advance(0)
        ex.accept_clock_jump()
        last = ex.time
    with fc.Exchange.open(tmp_path / "ex") as ex:
        assert ex.time == last
        ex.deposit("Ada", 1)
        assert ex.time > last


def test_a_command_larger_than_the_journal_is_refused_and_nothing_lost(tmp_path):
    ex = begin(tmp_path / "ex")
    n = 4000
    orders = {"side": np.zeros(n, np.uint8), "price": np.ones(n, np.int64), "quantity": np.ones(n, np.int64)}
    with pytest.raises(fc.StoreError, match="give smaller ones"):
        ex.submit(orders | {"participant": ["Bo"] * n}, 0)
    assert ex.submit(
        {name: column[:500] for name, column in orders.items()} | {"participant": ["Bo"] * 500}, 0
    ).accepted


@pytest.mark.parametrize(("name", "value"), [("durability", "maybe"), ("segment_bytes", 5), ("clock", "sun")])
def test_ways_of_keeping_that_cannot_be(tmp_path, name, value):
    with pytest.raises(fc.ExchangeError, match=name):
        fc.Exchange.open(tmp_path / "ex", **TERMS, **(KEEPING | {name: value}))


# -- pulling the plug
# --------------------------------------------------------------------------------------------------------

ROUNDS = int(os.environ.get("FASTCLEAR_KILL_ROUNDS", "20"))


def step_of(ex, step):
    """One step of an endless story, six steps a slot, each under a key of its own."""
    slot, key = step // 6 * SLOT, 10 + step
    ex.advance((step + 1) * 1_000_000)  # opening and closing take engine time of their own
    match step % 6:
        case 0:
            ex.deposit("Ada", 1000, key=key)
        case 1:
            orders = {"side": ["buy", "sell"], "price": [9, 3], "quantity": [5, 4], "participant": ["Ada", "Bo"]}
            ex.submit(orders, slot, key=key)
        case 2:
            ex.close_gate(slot, key=key)
        case 3:
            ex.meter({"participant": ["Ada"], "energy_wh": [6]}, slot, key=key)
        case 4:
            ex.settle(slot, key=key)
        case 5:
            ex.seal(slot, key=key)


def kept(path):
    return fc.Exchange.open(path, tariff=TARIFF, segment_bytes=1 << 14, clock="manual", seed=3)


def work(path, step):
    """What a process does until it is killed: a step, then a line that says that it was answered."""
    ex = kept(path)
    if not ex.participants:
        ex.open_accounts(["Ada", "Bo"])
    while True:
        step_of(ex, step)
        sys.stdout.write(f"{step} {ex.state_root} {ex.ledger.head}\n")
        sys.stdout.flush()
        step += 1


FORKING = """
import os, sys
sys.path.insert(0, sys.argv[1])
from test_exchange_store import work
for line in sys.stdin:
    path, step = line.split()
    child = os.fork()
    if child == 0:
        try:
            work(path, int(step))
        finally:
            os._exit(1)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), "ended", flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes to kill are forked, so that each starts at once")
def test_nothing_that_was_answered_is_lost_when_the_process_is_killed(tmp_path):
    """Kill at random moments; whatever was answered is there, and at most the one step that was under way beside it."""
    rng = random.Random(11)
    roots, step = {}, 0
    path = tmp_path / "ex"
    command = [sys.executable, "-c", FORKING, os.path.dirname(__file__)]  # noqa: PTH120
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as forking:
        assert forking.stdin is not None
        assert forking.stdout is not None
        for _ in range(ROUNDS):
            forking.stdin.write(f"{path} {step}\n")
            forking.stdin.flush()
            lines, child = [], None
            while child is None or not lines:  # until it is known and has answered something
                line = forking.stdout.readline().split()
                if len(line) == 1:
                    child = int(line[0])
                else:
                    lines.append(line)
            time.sleep(rng.random() * 0.05)
            os.kill(child, signal.SIGKILL)
            while (line := forking.stdout.readline().split())[1] != "ended":
                lines.append(line)
            assert int(line[0]) == -signal.SIGKILL
            for number, root, head in lines:
                roots[int(number)] = (root, head)
            answered = max(roots)
            with kept(path) as ex:
                found = ex.state_root, ex.ledger.head
                assert fc.verify_directory(path / "ledger").blocks == ex.ledger.height
            # the step that was under way may be done, but not more
            step = answered + 1 if found == roots[answered] else answered + 2
            roots.setdefault(step - 1, found)
    assert len(roots) > ROUNDS
    # the same story without any kill, in memory
    twin = fc.Exchange(tariff=TARIFF, clock="manual", seed=3)
    twin.open_accounts(["Ada", "Bo"])
    for number in range(max(roots) + 1):
        step_of(twin, number)
        assert roots.get(number, (twin.state_root, twin.ledger.head)) == (twin.state_root, twin.ledger.head), number
