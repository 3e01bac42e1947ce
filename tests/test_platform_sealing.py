"""Blocks that are sealed behind a run: same bytes, errors come out, an interrupt leaves whole blocks."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastclear as fc
from fastclear.block import Block
from fastclear.errors import StoreError
from fastclear.ledger import Ledger
from fastclear.platforms import load_preset, sealing, simulation
from fastclear.platforms.result import RunResult

SLOTS = 12
FRAMES = ("slots", "members", "trades", "orders")


def town(platform: str) -> tuple[Any, fc.Community]:
    preset = load_preset(platform)
    day = simulation.choose_community(preset, None).days(1)
    noon = slice(len(day.slots) // 2, len(day.slots) // 2 + SLOTS)
    return preset, fc.Community(
        day.name, day.source, day.slots[noon], day.slot_ns, day.members, day.load_wh[noon], day.pv_wh[noon]
    )


def simulated(platform: str, folder: Path | None = None, advance: Callable[[], None] = lambda: None) -> RunResult:
    preset, community = town(platform)
    return simulation.simulate(preset, community, 1, 7, folder, advance)


def behind() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("fastclear-seal")]


def headers(ledger: Ledger) -> list[bytes]:
    return [block.header for block in ledger.headers]


@pytest.fixture
def every_block_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "AT_ONCE", 0)


def broken(monkeypatch: pytest.MonkeyPatch, replace: Callable[[int, Callable[[], Block]], Block]) -> list[str]:
    """Let something happen when block n is sealed; the names of the threads that sealed."""
    prepared, count, names = Ledger._prepared, iter(range(10**6)), []

    def wrapped(*args: Any, **kwargs: Any) -> Callable[[], Block]:
        seals = prepared(*args, **kwargs)
        number = next(count)

        def call() -> Block:
            names.append(threading.current_thread().name)
            return replace(number, seals)

        return call

    monkeypatch.setattr(Ledger, "_prepared", wrapped)
    return names


@pytest.mark.parametrize("platform", ["brooklyn", "piclo", "credit-bank", "vandebron", "community"])
def test_threads_change_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, platform: str) -> None:
    alone = simulated(platform)
    monkeypatch.setattr(sealing, "AT_ONCE", 0)
    names = broken(monkeypatch, lambda number, seals: (time.sleep(0.004 * (number % 3 == 1)), seals())[1])
    together = simulated(platform, tmp_path)
    assert any(name.startswith("fastclear-seal") for name in names)
    assert together.head == alone.head
    assert together.house == alone.house
    for name in FRAMES:
        assert together.frame(name).equals(alone.frame(name), null_equal=True), name
    assert fc.verify_directory(tmp_path / "ledger").head == alone.head
    assert not behind()


@pytest.mark.parametrize("number", [1, 5, SLOTS])
def test_what_fails_behind_the_run_fails_the_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: int, every_block_behind: None
) -> None:
    whole = headers(simulated("brooklyn").ledger)
    advanced = []

    def full(at: int, seals: Callable[[], Block]) -> Block:
        if at == number:
            raise StoreError("the disk is full")
        return seals()

    with monkeypatch.context() as context:
        broken(context, full)
        with pytest.raises(StoreError, match="the disk is full"):
            simulated("brooklyn", tmp_path, lambda: advanced.append(1))
    assert len(advanced) <= number + 1, "the run goes on for one slot at most"
    assert not behind()
    assert headers(Ledger.open(tmp_path / "ledger")) == whole[:number], "nothing is sealed behind a block that failed"


@given(st.integers(1, SLOTS))
def test_an_interrupt_leaves_whole_blocks(tmp_path_factory: pytest.TempPathFactory, slot: int) -> None:
    folder, ticks = tmp_path_factory.mktemp("run"), iter(range(1, SLOTS + 1))

    def interrupt() -> None:
        if next(ticks) == slot:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as context:
        context.setattr(sealing, "AT_ONCE", 0)
        broken(context, lambda _, seals: (time.sleep(0.002), seals())[1])
        with pytest.raises(KeyboardInterrupt):
            simulated("brooklyn", folder, interrupt)
    assert not behind()
    left = headers(Ledger.open(folder / "ledger"))
    assert left == headers(simulated("brooklyn").ledger)[:slot]  # that of genesis, and those of the slots before


def test_an_interrupted_run_leaves_no_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, every_block_behind: None
) -> None:
    def interrupt(at: int, seals: Callable[[], Block]) -> Block:
        if at == 4:
            raise KeyboardInterrupt
        return seals()

    broken(monkeypatch, interrupt)
    with pytest.raises(KeyboardInterrupt):
        fc.run("brooklyn", days=1, out=tmp_path / "out")
    assert not list(tmp_path.iterdir())
    assert not behind()


def paid() -> tuple[fc.Settlement, Any]:
    bank = fc.Settlement(tariff=fc.Tariff.from_ct_per_kwh(30, 5))
    bank.open([1, 2])
    bank.deposit(1, 10**9)
    orders = {"side": ["buy", "sell"], "price": [200_000, 100_000], "quantity": [900, 900], "participant": [1, 2]}
    bank.reserve(orders)
    clearing = fc.clear(orders, fc.Uniform())
    return clearing, bank.settle(clearing, {"participant": [1], "energy_wh": [1000]})


def test_receipts_are_sealed_alike_whether_or_not_their_columns_were_read() -> None:
    clearing, receipts = paid()
    assert receipts.unread is not None
    unread = Ledger(seed=1).seal(clearing, receipts, slot=0)
    columns = receipts.columns
    assert receipts.unread is None
    assert Ledger(seed=1).seal(clearing, receipts, slot=0) == unread
    changed = {**columns, "amount": np.where(columns["kind"] == 5, columns["amount"] + 1, columns["amount"])}
    receipts.columns = changed
    assert Ledger(seed=1).seal(clearing, receipts, slot=0) != unread
    receipts.columns = {**columns, "seq": columns["seq"] + np.uint64(1)}
    with pytest.raises(fc.errors.LedgerError, match="record 0"):
        Ledger(seed=1).seal(clearing, receipts, slot=0)


@pytest.mark.parametrize("members", [3, 2_000, 4_095, 4_096, 4_097, 9_000])
def test_postings_of_small_and_large_calls_stay_in_order(members: int) -> None:
    bank = fc.Settlement(tariff=fc.Tariff.from_ct_per_kwh(30, 5))
    names = np.arange(members)
    bank.open(names.tolist())
    bank.deposit(names.tolist(), [10**9] * members)
    ledger = Ledger(seed=1)
    ledger.seal([], bank.receipts(), slot=0)
    buy = names % 3 > 0
    orders = {"side": buy.astype(np.int8), "price": np.full(members, 200_000), "quantity": np.full(members, 900)}
    for slot in range(1, 4):
        columns = {**orders, "participant": names, "order": names + slot * members}
        bank.reserve(columns)  # a run of its own, a small one or a large one
        bank.deposit(0, 1)
        clearing = fc.clear(columns, fc.Uniform())
        receipts = bank.settle(clearing, {"participant": names[: 1 + slot], "energy_wh": names[: 1 + slot]})
        block = ledger.seal(clearing, receipts, slot=slot)
        seq = receipts.columns["seq"]
        assert seq.tolist() == list(range(int(seq[0]), int(seq[0]) + len(receipts)))
        assert block.records == len(receipts) > members
    bank.close_cycle()
