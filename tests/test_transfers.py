"""`fc.Accounts` and `fc.net` by example: what they say, what they refuse, and what an attacker would try."""

import copy
import pickle
import uuid
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

import fastclear as fc
from fastclear.bench import settlement_cases
from fastclear.transfer_columns import KINDS

CODE = fc.TransferCode
MOST = 2**63 - 1


def house(*, limit=0, members=4):
    """Account 1 is the boundary, the others are members."""
    accounts = fc.Accounts()
    accounts.open([1], unlimited=True)
    accounts.open(range(2, members + 2), limit=limit)
    return accounts


def submit(accounts, *rows, **columns):
    """Rows of debit, credit and amount, with further columns."""
    debit, credit, amount = (list(column) for column in zip(*rows, strict=True))
    codes = accounts.submit({"debit": debit, "credit": credit, "amount": amount, **columns})
    accounts.audit()
    return [CODE(code) for code in codes]


def posted(accounts):
    return accounts.balances["posted"].cast(int).to_list()


# -- what goes in -------------------------------------------------------------------------------------------------

COLUMNS = {
    "debit": np.array([1, 2, 0], np.int64),
    "credit": np.array([2, 3, 0], np.int64),
    "amount": np.array([100, 60, 45], np.int64),
    "id": np.array([7, 8, 9], np.int64),
    "kind": np.array([0, 1, 2], np.int64),
    "reference": np.array([0, 0, 8], np.int64),
    "timeout_ns": np.array([0, 5, 0], np.int64),
    "code": np.array([1, 2, 3], np.int64),
    "linked": np.array([True, False, False]),
}


@pytest.mark.parametrize(
    "given",
    [
        COLUMNS,
        {name: column.tolist() for name, column in COLUMNS.items()},
        {name: column.astype(np.uint8) for name, column in COLUMNS.items()},
        {name: column.astype(np.uint32) for name, column in COLUMNS.items()},
        {name: column.astype(">i8") for name, column in COLUMNS.items()},
        {name: np.repeat(column, 2)[::2] for name, column in COLUMNS.items()},
        pl.DataFrame(COLUMNS),
        pl.DataFrame(COLUMNS).lazy(),
        pl.DataFrame(COLUMNS).to_pandas(),
        pl.DataFrame(COLUMNS).to_arrow(),
        {**COLUMNS, "kind": ["single", "pending", "post"]},
        {**COLUMNS, "kind": pl.Series(["single", "pending", "post"], dtype=pl.Categorical)},
        {**COLUMNS, "linked": [1, 0, 0]},
        {**COLUMNS, "linked": pl.Series([True, False, False])},
    ],
)
def test_columns_of_every_kind_say_the_same(given):
    accounts = house()
    codes = accounts.submit(given)
    assert codes.dtype == np.uint8
    assert not codes.flags.writeable
    assert codes.tolist() == [0, 0, 0]
    assert posted(accounts) == [-100, 55, 45, 0, 0]
    assert accounts.submit(COLUMNS).tolist() == [CODE.EXISTS, CODE.LINKED_EVENT_FAILED, CODE.EXISTS]


IDS = [1, 2**64 - 1, 2**64, 2**128 - 1]
BYTES = b"".join(value.to_bytes(16, "big") for value in IDS)


@pytest.mark.parametrize(
    "columns",
    [
        {"id": IDS},
        {"id": tuple(uuid.UUID(int=value) for value in IDS)},
        {"id": np.frombuffer(BYTES, "V16")},
        {"id": np.frombuffer(BYTES, "S16")},
        {"id": pl.Series(IDS, dtype=pl.UInt128)} if hasattr(pl, "UInt128") else {"id": IDS},
        {"id": [value % 2**64 for value in IDS], "id_high": [value // 2**64 for value in IDS]},
    ],
)
def test_ids_of_128_bits(columns):
    rows = [(1, 2, 5)] * 4
    accounts = house()
    assert submit(accounts, *rows, **columns) == [CODE.OK] * 4
    low, high = (
        np.array([part(value) for value in IDS], np.uint64) for part in (lambda v: v % 2**64, lambda v: v >> 64)
    )
    assert submit(accounts, *rows, id=low, id_high=high) == [CODE.EXISTS] * 4
    assert submit(accounts, *rows, id=[2] * 4, id_high=[1] * 4) == [CODE.OK, *[CODE.EXISTS] * 3]


def test_no_rows_and_many():
    accounts = house(limit=9)
    assert accounts.submit({"debit": [], "credit": [], "amount": []}).tolist() == []
    assert accounts.submit(pl.DataFrame({"debit": [], "credit": [], "amount": [], "kind": []})).tolist() == []
    n = 100_003
    codes = accounts.submit({"debit": np.full(n, 1), "credit": np.full(n, 2), "amount": np.arange(1, n + 1)})
    assert not codes.any()
    assert accounts.available(2) == n * (n + 1) // 2 + 9


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"amount": [1.0, 2, 3]}, "column 'amount' is float64; give integers"),
        ({"amount": [1, None, 3]}, "column 'amount', row 1 is null"),
        ({"amount": np.array([1, 2, 2**63], np.uint64)}, "column 'amount', row 2 is 9223372036854775808; give less"),
        ({"debit": ["a", "b", "c"]}, "column 'debit' is String; give an account number"),
        ({"debit": [1, 2]}, "'credit' has 3 rows and 'debit' has 2"),
        ({"kind": ["single", "pend", "post"]}, "column 'kind', row 1 is 'pend'; give single"),
        ({"kind": [0, 1, 4]}, "column 'kind', row 2 is 4; give single"),
        ({"kind": [0, None, 1]}, "column 'kind', row 1 is null"),
        ({"id": [1, -2, 3]}, "column 'id', row 1 is -2"),
        ({"id": [1, 2**128, 3]}, "column 'id', row 1 is 3402"),
        ({"reference": [1, "x", 3]}, "column 'reference'"),
        ({"id": [1, 2, 3], "id_high": [0, 0, -1]}, "column 'id_high', row 2 is -1"),
        ({"timeout_ns": [0, -5, 0]}, "column 'timeout_ns', row 1 is -5"),
        ({"code": [0, 1, 65_536]}, "column 'code', row 2 is 65536; give 0 to 65535"),
        ({"linked": [0, 2, 0]}, "column 'linked', row 1 is 2; give True or False"),
        ({"linked": [True, False]}, "'linked' has 2 rows"),
        ({"amount": np.ones((3, 1), int)}, "column 'amount' has 2 dimensions"),
    ],
)
def test_what_cannot_be_read_names_column_row_and_remedy(change, words):
    accounts = house()
    before = accounts.balances
    given = {name: column for name, column in COLUMNS.items() if name in ("debit", "credit", "amount")} | change
    with pytest.raises(fc.SchemaError, match="column") as caught:
        accounts.submit(given)
    assert words in str(caught.value)
    assert caught.value.column in given
    assert accounts.balances.equals(before)


JUNK = [
    None, 3, "abc", b"x", [None], [[1]], [1, "a"], [True], [1.5], [float("nan")], [datetime(2026, 1, 1)], [Decimal(1)],
    [2**200], [-(2**200)], {}, {"a": 1}, object(), [object()], range(1), {1}, memoryview(b"a"), float("inf"), len,
    np.array([1], object), np.array(["a"]), np.array([1 + 2j]), np.array([[1]]), np.array(5), np.float16([1]),
    np.array([np.datetime64("2020-01-01")]), np.ma.masked_array([1], [True]), np.zeros(1, "V16"), np.zeros(1, "S3"),
    pl.Series([None]), pl.Series(["x"]), pl.Series([[1]]), pl.Series([1.0]), pl.Series([b"a" * 16]),
    pl.Series([2**100], dtype=pl.Int128), [np.uint64(2**64 - 1)], [np.int8(-3)],
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:column")
@pytest.mark.parametrize("junk", JUNK, ids=lambda junk: type(junk).__name__)
def test_whatever_is_given_only_our_own_errors_come_out(junk):
    accounts = house(limit=10**6)
    base = {"debit": [1], "credit": [2], "amount": [3], "id": [4], "reference": [0]}
    legs = {"debit": [1], "credit": [2], "amount": [3]}
    names = [*base, "id_high", "kind", "reference_high", "timeout_ns", "code", "linked"]
    calls = [partial(accounts.submit, {**base, name: junk}) for name in names]
    calls += [partial(fc.net, {**legs, name: junk}) for name in (*legs, "asset")]
    calls += [partial(accounts.settle_net, {**legs, name: junk}) for name in (*legs, "asset")]
    calls += [partial(accounts.settle_net, legs, **{name: junk}) for name in ("first_id", "code", "on_failure")]
    calls += [partial(accounts.settle_net, legs, on_failure="operator", operator=junk)]
    calls += [partial(call, junk) for call in (accounts.submit, fc.net, accounts.settle_net, accounts.open)]
    calls += [partial(call, junk) for call in (accounts.close, accounts.reopen, accounts.advance, accounts.available)]
    calls += [partial(accounts.open, [50], **{name: junk}) for name in ("limit", "asset", "unlimited")]
    calls += [partial(accounts.set_limit, [1], junk), partial(accounts.set_limit, junk, 1)]
    refused = 0
    for call in calls:
        try:
            call()
        except fc.FastclearError:
            refused += 1
    assert refused
    accounts.audit()


def test_columns_that_are_missing_unknown_or_without_their_half():
    accounts = house()
    with pytest.raises(fc.SchemaError, match=r"column 'credit' of transfers is missing \(columns given: debit\)"):
        accounts.submit({"debit": [1]})
    with pytest.raises(fc.SchemaError, match="'id_high' is given without 'id'"):
        submit(accounts, (1, 2, 3), id_high=[1])
    with pytest.raises(fc.SchemaError, match="transfers is a int"):
        accounts.submit(3)
    with pytest.warns(UserWarning, match="column 'memo' is no column of transfers"):
        assert submit(accounts, (1, 2, 3), memo=["x"]) == [CODE.OK]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda a: a.open([7, 0]), "account, row 1 is 0"),
        (lambda a: a.open([7, 2]), "account, row 1: 2 is open already"),
        (lambda a: a.open([7, 8, 7]), "account, row 2: 7 is open already or given twice"),
        (lambda a: a.open([7], limit=-1), "limit, row 0 is -1"),
        (lambda a: a.set_limit([2, 9], 5), "account, row 1: 9 is not open"),
        (lambda a: a.set_limit([2, 3], [5, -1]), "limit, row 1 is -1"),
        (lambda a: a.close([2, 9]), "account, row 1: 9 is not open"),
        (lambda a: a.reopen(9), "account, row 0: 9 is not open"),
        (lambda a: a.available(9), "account 9 is not open"),
        (lambda a: a.available(-1), "account -1 is not open"),
        (lambda a: a.advance(-1), "time -1 is not between"),
        (lambda a: a.advance(datetime(2026, 1, 1)), "no time zone"),
        (lambda a: a.settle_net(([], [], []), on_failure="pray"), "on_failure='pray'"),
        (lambda a: a.settle_net([], on_failure="operator"), "an operator goes with 'operator' only"),
        (lambda a: a.settle_net([], operator=1), "an operator goes with 'operator' only"),
        (lambda a: net_of(a, on_failure="operator", operator=99), "99 is not open"),
        (lambda a: net_of(a, first_id=2**128), "first_id = "),
        (
            lambda a: a.settle_net({"debit": [1, 1], "credit": [2, 2], "amount": [1, 1]}, first_id=2**128 - 1),
            "leave 128 bits",
        ),
        (lambda a: net_of(a, code=-1), "code = -1"),
        (pickle.dumps, "cannot be pickled"),
    ],
)
def test_calls_that_make_no_sense_change_nothing(call, words):
    accounts = house()
    before = accounts.balances
    with pytest.raises(fc.SettlementError, match=words):
        call(accounts)
    assert accounts.balances.equals(before)
    assert (len(accounts), accounts.time) == (5, 0)


@pytest.mark.parametrize(
    "call",
    [
        lambda a: a.open([7.5]),
        lambda a: a.open([-7]),
        lambda a: a.open([7], limit=0.5),
        lambda a: a.open([7], limit=2**63),
        lambda a: a.open([7], asset=70_000),
        lambda a: a.open([7], unlimited=2),
        lambda a: a.open([7, 8], limit=[1]),
        lambda a: a.set_limit([2, 3], [1]),
    ],
)
def test_accounts_that_cannot_be_read(call):
    accounts = house()
    with pytest.raises(fc.SchemaError, match="column"):
        call(accounts)
    assert len(accounts) == 5


def net_of(accounts, **options):
    return accounts.settle_net({"debit": [1], "credit": [2], "amount": [3]}, **options)


def test_the_codes_are_named_and_explained():
    assert [code.value for code in CODE] == list(range(33))
    assert CODE.EXCEEDS_AVAILABLE.meaning == "the debit account has less available"
    assert all(code.meaning for code in CODE)
    assert KINDS == {"single": 0, "pending": 1, "post": 2, "void": 3}


def test_a_copy_is_of_its_own():
    accounts = house()
    twin, deep = copy.copy(accounts), copy.deepcopy(accounts)
    assert submit(accounts, (1, 2, 5), id=[1]) == [CODE.OK]
    assert posted(twin) == posted(deep) == [0] * 5
    assert repr(accounts) == "Accounts(accounts=5, ids=1, open=0)"
    assert repr(twin) == "Accounts(accounts=5, ids=0, open=0)"


def test_balances_are_a_frame_in_ascending_account():
    accounts = fc.Accounts()
    accounts.open([2**64 - 1, 5], limit=[1, 2], asset=3, unlimited=[True, False])
    accounts.close(5)
    assert accounts.balances.rows() == [(5, 3, 0, 0, 0, 2, 2, False, True), (2**64 - 1, 3, 0, 0, 0, 1, 1, True, False)]
    money = dict.fromkeys(("posted", "pending_out", "pending_in", "available", "limit"), pl.Decimal(38, 0))
    flags = dict.fromkeys(("unlimited", "closed"), pl.Boolean)
    assert dict(accounts.balances.schema) == {"account": pl.UInt64, "asset": pl.UInt16, **money, **flags}
    assert fc.Accounts().balances.shape == (0, 9)


# -- what an attacker would try -----------------------------------------------------------------------------------


def test_a_batch_that_is_sent_again_or_in_another_order_pays_once():
    accounts = house()
    rows = [(1, 2, 100), (2, 3, 60), (3, 4, 60), (4, 5, 60)]
    ids = [11, 12, 13, 14]
    assert submit(accounts, *rows, id=ids) == [CODE.OK] * 4
    once = accounts.balances
    assert submit(accounts, *rows, id=ids) == [CODE.EXISTS] * 4
    assert submit(accounts, *rows[::-1], id=ids[::-1]) == [CODE.EXISTS] * 4
    assert accounts.balances.equals(once)
    # In another order from the start, what came too early has failed for good.
    other = house()
    assert submit(other, *rows[::-1], id=ids[::-1]) == [CODE.EXCEEDS_AVAILABLE] * 3 + [CODE.OK]
    assert submit(other, *rows, id=ids) == [CODE.EXISTS] + [CODE.ID_ALREADY_FAILED] * 3


def test_a_reservation_is_released_once():
    accounts = house(limit=100)
    assert submit(accounts, (2, 3, 100), id=[1], kind=["pending"], timeout_ns=[10]) == [CODE.OK]
    ends = [(0, 0, 0), (0, 0, 0), (0, 0, 100), (0, 0, 1)]
    codes = submit(accounts, *ends, kind=["void", "void", "post", "post"], reference=[1] * 4)
    assert codes == [CODE.OK, *[CODE.RESERVATION_ALREADY_VOIDED] * 3]
    assert accounts.advance(10).rows() == []
    assert accounts.available(2) == 100
    assert submit(accounts, (2, 3, 100), id=[2], kind=["pending"], timeout_ns=[10]) == [CODE.OK]
    assert accounts.advance(20).rows() == [(2, 0)]
    assert submit(accounts, (0, 0, 0), kind=["void"], reference=[2]) == [CODE.RESERVATION_EXPIRED]
    assert (accounts.available(2), accounts.balances["pending_in"].sum()) == (100, 0)


def test_nobody_pays_itself_spends_twice_or_spends_what_is_only_promised():
    accounts = house()
    assert submit(accounts, (2, 2, 5), (1, 2, 5), (2, 2, 5)) == [
        CODE.ACCOUNTS_MUST_DIFFER,
        CODE.OK,
        CODE.ACCOUNTS_MUST_DIFFER,
    ]
    kinds = ["pending", "single", "single"]
    codes = submit(accounts, (2, 3, 5), (2, 4, 1), (3, 4, 1), id=[1, 2, 3], kind=kinds)
    assert codes == [CODE.OK, CODE.EXCEEDS_AVAILABLE, CODE.EXCEEDS_AVAILABLE]


def test_time_never_goes_back_and_expiry_is_exact():
    accounts = house(limit=9)
    accounts.advance(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))
    assert accounts.time == 10**9
    assert submit(accounts, (2, 3, 4), id=[5], kind=[1], timeout_ns=[1]) == [CODE.OK]
    with pytest.raises(fc.SettlementError, match="never goes back"):
        accounts.advance(10**9 - 1)
    assert accounts.advance(10**9).rows() == []
    assert accounts.advance(10**9 + 1).rows() == [(5, 0)]
    assert submit(accounts, (2, 3, 4), id=[6], kind=[1], timeout_ns=[2**64 - 1]) == [CODE.TIMEOUT_OUT_OF_RANGE]


def test_a_limit_cut_with_reservations_open_takes_nothing_back():
    accounts = house(limit=100)
    assert submit(accounts, (2, 3, 80), id=[1], kind=[1]) == [CODE.OK]
    accounts.set_limit(2, 10)
    assert accounts.available(2) == -70
    assert submit(accounts, (2, 3, 1)) == [CODE.EXCEEDS_AVAILABLE]
    assert submit(accounts, (0, 0, 80), kind=["post"], reference=[1]) == [CODE.OK]
    assert submit(accounts, (1, 2, 70), (2, 3, 1)) == [CODE.OK, CODE.EXCEEDS_AVAILABLE]
    assert submit(accounts, (1, 2, 1), (2, 3, 1)) == [CODE.OK, CODE.OK]


def test_a_member_who_leaves_with_open_positions():
    accounts = house(limit=100)
    assert submit(accounts, (2, 3, 30), (3, 2, 20), id=[1, 2], kind=[1, 1], timeout_ns=[5, 0]) == [CODE.OK, CODE.OK]
    accounts.close(2)
    assert submit(accounts, (2, 3, 1), (3, 2, 1)) == [CODE.DEBIT_CLOSED, CODE.CREDIT_CLOSED]
    assert submit(accounts, (0, 0, 30), (0, 0, 20), kind=[2, 2], reference=[1, 2]) == [
        CODE.DEBIT_CLOSED,
        CODE.CREDIT_CLOSED,
    ]
    assert accounts.advance(5).rows() == [(1, 0)]
    assert submit(accounts, (0, 0, 0), kind=[3], reference=[2]) == [CODE.OK]
    accounts.reopen(2)
    assert submit(accounts, (2, 3, 1)) == [CODE.OK]


def test_amounts_and_balances_at_the_edges_of_64_bits():
    accounts = house()
    assert submit(accounts, *[(1, 2, MOST)] * 3) == [CODE.OK] * 3
    assert accounts.available(2) == 3 * MOST
    assert accounts.balances["posted"].to_list()[:2] == [-3 * MOST, 3 * MOST]
    assert submit(accounts, (2, 3, MOST), (3, 2, MOST), (3, 2, 1)) == [CODE.OK, CODE.OK, CODE.EXCEEDS_AVAILABLE]
    assert submit(accounts, (2, 3, -(2**63)), (2, 3, 0)) == [CODE.AMOUNT_MUST_BE_POSITIVE] * 2
    accounts.set_limit(4, MOST)
    codes = submit(
        accounts, (4, 5, MOST), (4, 5, 1), (2, 4, MOST), (2, 4, MOST), (4, 1, MOST), (4, 1, MOST), (4, 1, MOST)
    )
    assert codes == [CODE.OK, CODE.EXCEEDS_AVAILABLE, *[CODE.OK] * 4, CODE.EXCEEDS_AVAILABLE]
    assert accounts.available(4) == 0
    ids = [1, 2, 3, 4]
    rows = [(2, 3, MOST), (2, 3, 1), (5, 3, MOST), (5, 3, 1)]
    expected = [CODE.OK, CODE.EXCEEDS_AVAILABLE] * 2
    assert submit(accounts, *rows, id=ids, kind=[1] * 4) == expected


def test_an_account_below_zero_or_past_every_number_is_not_found():
    accounts = house()
    rows = [(-1, 2, 1), (1, -(2**63), 1), (6, 2, 1), (0, 2, 1)]
    assert submit(accounts, *rows) == [
        CODE.DEBIT_NOT_FOUND,
        CODE.CREDIT_NOT_FOUND,
        CODE.DEBIT_NOT_FOUND,
        CODE.DEBIT_NOT_FOUND,
    ]
    narrow = {"debit": np.array([6, 1], np.uint32), "credit": np.array([2, 2**32 - 1], np.uint32), "amount": [1, 1]}
    assert accounts.submit(narrow).tolist() == [CODE.DEBIT_NOT_FOUND, CODE.CREDIT_NOT_FOUND]


# -- netting ------------------------------------------------------------------------------------------------------


def test_the_worked_example_nets_36_to_30_and_to_6():
    found = fc.net({"debit": [1, 2, 3, 1, 4, 2], "credit": [2, 3, 1, 3, 1, 4], "amount": [10, 8, 6, 3, 4, 5]})
    assert found.positions.rows() == [(0, 1, -3), (0, 2, -3), (0, 3, 5), (0, 4, 1)]
    assert found.bilateral["amount"].sum() == 30
    assert found.multilateral.rows() == [(1, 3, 3, 0), (2, 3, 2, 0), (2, 4, 1, 0)]
    assert repr(found) == "Net(obligations=6, positions=4)"
    schema = {"debit": pl.UInt64, "credit": pl.UInt64, "amount": pl.Int64, "asset": pl.UInt16}
    assert dict(found.multilateral.schema) == dict(found.bilateral.schema) == schema
    empty = fc.net({"debit": [], "credit": [], "amount": []})
    assert [frame.height for frame in (empty.positions, empty.bilateral, empty.multilateral)] == [0, 0, 0]


def net_twin(debit, credit, amount, asset):
    """Positions and bilateral payments by dicts."""
    positions, pairs = {}, {}
    for who, to, money, kind in zip(debit, credit, amount, asset, strict=True):
        positions[kind, who] = positions.get((kind, who), 0) - money
        positions[kind, to] = positions.get((kind, to), 0) + money
        low, high = min(who, to), max(who, to)
        pairs[kind, low, high] = pairs.get((kind, low, high), 0) + (money if who == low else -money)
    payments = [
        (low, high, owed, kind) if owed > 0 else (high, low, -owed, kind)
        for (kind, low, high), owed in sorted(pairs.items())
        if owed and low != high
    ]
    return [(*key, money) for key, money in sorted(positions.items()) if money], payments


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("dtype", [np.uint32, np.int64, np.uint64])
def test_netting_agrees_with_dicts_in_any_order_of_rows(seed, dtype):
    rng = np.random.default_rng(seed)
    n, people = int(rng.integers(1, 400)), int(rng.integers(2, 40))
    stride = (1, 1000, 2**31 // 40 if dtype == np.uint32 else 2**63 // 40)[seed % 3]
    debit, credit = (rng.integers(0, people, n).astype(dtype) * dtype(stride) for _ in range(2))
    amount = rng.integers(1, 2 ** int(rng.integers(1, 63)), n)
    asset = rng.integers(0, 1 + seed % 3, n)
    positions, pairs = net_twin(debit.tolist(), credit.tolist(), amount.tolist(), asset.tolist())
    order = rng.permutation(n)
    given = {"debit": debit, "credit": credit, "amount": amount, "asset": asset}
    for rows in (np.arange(n), order):
        found = fc.net({name: column[rows] for name, column in given.items()})
        assert [tuple(map(int, row)) for row in found.positions.rows()] == positions
        rejoined = found.bilateral.group_by("asset", "debit", "credit").agg(
            pl.col("amount").cast(pl.Decimal(38, 0)).sum()
        )
        expected = {(kind, who, to): money for who, to, money, kind in pairs}
        assert {row[:3]: int(row[3]) for row in rejoined.rows()} == expected
        few = found.multilateral
        for (kind,), of_asset in few.group_by("asset"):
            moving = sum(row[0] == kind for row in positions)
            assert len(of_asset.unique(["debit", "credit"])) <= moving - 1


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("way", ["bilateral", "multilateral"])
def test_gross_and_net_postings_give_the_same_balances(seed, way):
    """L-I11."""
    rng = np.random.default_rng(seed)
    gross, net = fc.Accounts(), fc.Accounts()
    for accounts in (gross, net):
        accounts.open(range(1, 30), limit=10**9)
        accounts.open(range(30, 40), asset=7, limit=10**9)
    first = rng.integers(1, 30, 500)
    rows = {"debit": first, "credit": first % 29 + 1, "amount": rng.integers(1, 10**6, 500)}
    other = {"debit": [30, 31, 32], "credit": [31, 32, 33], "amount": [5, 6, 7]}
    both = {name: np.concatenate([rows[name], other[name]]) for name in rows}
    assert not gross.submit(both).any()
    found = fc.net({**both, "asset": np.repeat([0, 7], [500, 3])})
    paid = net.settle_net(found if way == "multilateral" else found.bilateral, first_id=2**100)
    assert not paid["code"].sum()
    assert net.balances.equals(gross.balances)
    assert net.audit()["ids"] == len(paid)


def test_a_net_too_large_for_one_transfer_is_split():
    accounts = house()
    found = fc.net({"debit": [1, 1, 1], "credit": [2, 2, 2], "amount": [MOST] * 3})
    assert found.positions["amount"].to_list() == [-3 * MOST, 3 * MOST]
    assert found.multilateral["amount"].to_list() == [MOST] * 3
    assert not accounts.settle_net(found)["code"].sum()
    assert accounts.available(2) == 3 * MOST


def test_a_failed_leg_fails_the_chain_or_falls_to_the_operator():
    accounts = house()
    assert submit(accounts, (1, 3, 5)) == [CODE.OK]
    before = accounts.balances
    legs = {"debit": [3, 2], "credit": [4, 5], "amount": [5, 7]}
    assert accounts.settle_net(legs)["code"].to_list() == [CODE.LINKED_EVENT_FAILED, CODE.EXCEEDS_AVAILABLE]
    assert accounts.balances.equals(before)
    paid = accounts.settle_net(legs, on_failure="operator", operator=1)
    assert paid.rows() == [(3, 4, 5, 0, 3, 4, 0), (2, 5, 7, 0, 1, 5, 0)]
    assert paid.columns == ["debit", "credit", "amount", "asset", "payer", "payee", "code"]
    assert posted(accounts) == [-12, 0, 0, 5, 7]
    accounts.close([4, 5])
    before = accounts.balances
    legs = {"debit": [4, 1], "credit": [2, 5], "amount": [5, 6]}
    poor = accounts.settle_net(legs, on_failure="operator", operator=3)
    assert poor["code"].to_list() == [CODE.EXCEEDS_AVAILABLE, CODE.LINKED_EVENT_FAILED]
    itself = accounts.settle_net(legs, on_failure="operator", operator=1)
    assert itself["code"].to_list() == [CODE.LINKED_EVENT_FAILED, CODE.ACCOUNTS_MUST_DIFFER]
    assert accounts.balances.equals(before)
    accounts.open([7], unlimited=True)
    paid = accounts.settle_net(legs, on_failure="operator", operator=7)
    assert paid.select("payer", "payee", "code").rows() == [(7, 2, 0), (1, 7, 0)]
    accounts.audit()


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"amount": [1, 0]}, fc.SettlementError, "column 'amount', row 1 is 0, not above 0"),
        ({"amount": [1, -(2**63)]}, fc.SettlementError, "column 'amount', row 1 is -9223372036854775808"),
        ({"debit": [1, -1]}, fc.SchemaError, "column 'debit', row 1 is -1"),
        ({"credit": [1]}, fc.SchemaError, "'credit' has 1 rows"),
        ({"asset": [0, 70_000]}, fc.SchemaError, "column 'asset', row 1 is 70000"),
        ({"amount": np.array([1, 2.5])}, fc.SchemaError, "column 'amount' is"),
    ],
)
def test_obligations_that_cannot_be_netted(change, error, words):
    with pytest.raises(error, match=words):
        fc.net({"debit": [1, 2], "credit": [2, 1], "amount": [1, 1], **change})


def test_columns_that_change_under_a_netting_are_noticed():
    amount = np.array([5, 6])
    found = fc.net({"debit": [1, 2], "credit": [2, 3], "amount": amount})
    amount[0] = 7
    with pytest.raises(fc.SettlementError, match="columns have changed"):
        found.bilateral  # noqa: B018, it is built when it is asked for
    assert fc.net(pa.table({"debit": [1], "credit": [2], "amount": [3]})).multilateral.rows() == [(1, 2, 3, 0)]


# -- the benchmarks' own contestants ------------------------------------------------------------------------------


@pytest.mark.parametrize("accounts", [2, 30, 3_000])
def test_the_yardsticks_agree(accounts):
    for races in (
        settlement_cases.postings,
        settlement_cases.netting,
        settlement_cases.slot,
        settlement_cases.with_ids,
        settlement_cases.every_kind,
    ):
        (contest,) = races(3_000, accounts)
        assert "fastclear" in contest.calls
        for call in contest.calls.values():
            call()
