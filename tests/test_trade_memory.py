"""Lists of trades in memory that is used again: nobody sees what somebody else wrote there."""

import copy
import pickle
import queue
import subprocess
import sys
import threading

import numpy as np
import pytest

import fastclear as fc

COLUMNS = ("buy_row", "sell_row", "quantity", "buy_price", "sell_price")
SIZES = (40, 3_000, 90_000, 400_000)  # of columns in the heap, on pages of their own, and on huge ones
MECHANISMS = (fc.Discriminatory(), fc.Discriminatory(fee=2), fc.Uniform(), fc.Uniform(fee=3))


def book(n, seed, *, wide=False):
    """Orders of one market."""
    r = np.random.default_rng(seed)
    price = r.integers(-(2**31) + 1, 2**31 - 1, n) if wide else np.rint(r.normal(1000, 100, n))
    columns = {
        "side": r.integers(0, 2, n, np.int8),
        "price": price.astype(np.int32),
        "quantity": r.integers(1, 1000, n),
    }
    for column in columns.values():
        column.flags.writeable = False
    return columns


def paired(columns, clearing):
    """The trades by merging the running sums of both sides' fills: what the core does otherwise, step by step."""
    price, filled = columns["price"].astype(np.int64), clearing.filled

    def ranked(side, sign):
        rows = np.flatnonzero((columns["side"] == side) & (filled > 0))
        return rows[np.argsort(sign * price[rows], kind="stable")]

    bids, asks = ranked(1, -1), ranked(0, 1)
    bought, sold = np.cumsum(filled[bids]), np.cumsum(filled[asks])
    ends = np.union1d(bought, sold)
    buy, sell = bids[np.searchsorted(bought, ends)], asks[np.searchsorted(sold, ends)]
    if isinstance(clearing.mechanism, fc.Discriminatory):
        prices = (price[buy] - clearing.mechanism.fee + price[sell]) // 2
    else:
        prices = np.full(len(ends), clearing.market_columns["price_sell"][0])
    return buy, sell, np.diff(ends, prepend=0), prices + clearing.mechanism.fee, prices


def check(columns, clearing):
    trades = clearing.trade_columns
    for name, expected in zip(COLUMNS, paired(columns, clearing), strict=True):
        assert trades[name].dtype == np.int64
        assert not trades[name].flags.writeable
        assert np.array_equal(trades[name], expected), name
    assert len(trades["market"]) == len(trades["quantity"])
    return len(trades["quantity"])


def bytes_of(trades):
    return [trades[name].tobytes() for name in COLUMNS]


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("mechanism", MECHANISMS, ids=str)
def test_lists_are_those_of_running_sums(mechanism, wide):
    # Large before small and back: what is used again is full of what was there.
    sizes = (*SIZES, *reversed(SIZES))
    traded = [check(columns := book(n, n, wide=wide), fc.clear(columns, mechanism)) for n in sizes]
    assert min(traded) > 10
    assert max(traded) > 150_000


@pytest.mark.parametrize("n", SIZES)
def test_results_outlive_fifty_more_calls(n):
    held = [(columns, fc.clear(columns, fc.Discriminatory())) for columns in (book(n, 1), book(n, 2, wide=True))]
    before = [bytes_of(clearing.trade_columns) for _, clearing in held]
    assert before[0] != before[1]
    # A column whose clearing is gone, and a part of one.
    alone = fc.clear(held[0][0], fc.Discriminatory()).trade_columns["sell_row"]
    part = fc.clear(held[1][0], fc.Discriminatory()).trade_columns["buy_price"][3:]
    for seed in range(50):
        columns = book(n - seed % 7, seed, wide=seed % 2 == 0)
        fc.clear(columns, MECHANISMS[seed % 4]).trade_columns["quantity"]
    for (columns, clearing), bytes_before in zip(held, before, strict=True):
        assert bytes_of(clearing.trade_columns) == bytes_before
        check(columns, clearing)
    assert alone.tobytes() == before[0][1]
    assert part.tobytes() == before[1][3][24:]


@pytest.mark.parametrize("again", [lambda it: pickle.loads(pickle.dumps(it)), copy.copy, copy.deepcopy])
def test_copies_stand_by_themselves(again):
    columns = book(90_000, 5)
    clearing = fc.clear(columns, fc.Discriminatory())
    before = bytes_of(clearing.trade_columns)
    copied, arrays = again(clearing), {name: again(clearing.trade_columns[name]) for name in COLUMNS}
    del clearing
    for seed in range(5):
        fc.clear(book(90_000, seed), fc.Discriminatory()).trade_columns["quantity"]
    check(columns, copied)
    assert bytes_of(copied.trade_columns) == before == [arrays[name].tobytes() for name in COLUMNS]


def test_threads_share_what_they_use_again():
    """Several clear at once, and another one drops what they made."""
    dropped: queue.SimpleQueue[object] = queue.SimpleQueue()
    failed = []

    def drop():
        while dropped.get() is not None:
            pass

    def work(first):
        try:
            for seed in range(first, first + 12):
                columns = book(SIZES[seed % 3], seed, wide=seed % 2 == 0)
                clearing = fc.clear(columns, MECHANISMS[seed % 4])
                check(columns, clearing)
                dropped.put(clearing.trade_columns["quantity"])
                dropped.put(clearing)
        except BaseException as error:
            failed.append(error)

    dropper = threading.Thread(target=drop)
    workers = [threading.Thread(target=work, args=(100 * nth,)) for nth in range(4)]
    for thread in (dropper, *workers):
        thread.start()
    for worker in workers:
        worker.join()
    dropped.put(None)
    dropper.join()
    assert not failed


@pytest.mark.skipif(sys.platform != "linux", reason="reads what Linux says of memory")
def test_memory_does_not_grow_from_call_to_call():
    program = """
import resource
import numpy as np
import fastclear as fc
def call(seed):
    r = np.random.default_rng(seed)
    n = 300_000 + 1000 * (seed % 9)
    price = np.rint(r.normal(1000, 100, n)).astype(np.int32)
    columns = {"side": r.integers(0, 2, n, np.int8), "price": price, "quantity": r.integers(1, 1000, n)}
    assert fc.clear(columns, fc.Discriminatory()).trade_columns["quantity"].sum() > n
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for seed in range(8):
    call(seed)
before = peak()
for seed in range(40):
    call(seed)
print(before, peak())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    # A list of 150,000 trades takes 5 MB, so that forty that were not freed would take 200.
    assert after - before < 30_000, f"from {before} to {after} kB"
