"""`fc.Storage` against a battery in exact fractions: every code, every account, after every call.

100,000 seeded rows; `FASTCLEAR_BOOKS=10` looks at a million.
"""

import itertools
import os
from copy import copy, deepcopy
from datetime import UTC, datetime
from fractions import Fraction

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.storage_model import DAY, KINDS, Model

import fastclear as fc

ROWS = round(100_000 * float(os.environ.get("FASTCLEAR_BOOKS", "1")))
MILLION = 10**6
NAMES = ["Ada", "Bo", 3, "Cem"]


class Both:
    """A storage and the model, which are told the same."""

    def __init__(self, capacity, weights, *, charge=MILLION, discharge=MILLION, limits=(None, None), lost=0, **more):
        virtual, operator = more.get("virtual"), more.get("op")
        self.fast = fc.Storage(
            capacity,
            weights,
            charge_efficiency_ppm=charge,
            discharge_efficiency_ppm=discharge,
            charge_limit_wh=limits[0],
            discharge_limit_wh=limits[1],
            self_discharge_ppm=lost,
            virtual_capacity_wh=virtual,
            operator=operator,
        )
        charge, discharge, kept = (Fraction(ppm, MILLION) for ppm in (charge, discharge, MILLION - lost))
        self.slow = Model(
            capacity,
            weights,
            charge=charge,
            discharge=discharge,
            limits=limits,
            kept=kept,
            virtual=virtual,
            op=operator,
        )
        self.seen, self.rows = set(), 0

    def submit(self, rows, slot=None):
        names = ("kind", "member", "to", "energy_wh")
        columns = {name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
        codes = self.fast.submit(columns, slot=slot).tolist()
        self.slow.enter(slot)
        assert codes == [self.slow.row(*row) for row in rows]
        self.seen |= set(codes)
        self.rows += len(rows)
        self.compare()
        return codes

    def reconcile(self, physical, slot=None):
        found = self.fast.reconcile(physical, slot=slot)
        self.slow.enter(slot)
        assert found == self.slow.reconcile(physical)
        self.slow.physical = Fraction(physical)
        assert self.fast.energy_wh == physical
        self.compare()

    def compare(self):
        """Accounts, R26: 0 <= virtual <= share, and what is stored is what the physical battery holds, +-1 Wh."""
        expected = [(str(row[0]), *row[1:]) for row in self.slow.balances()]
        balances = self.fast.balances.with_columns(pl.col("member").cast(pl.String)).rows()
        assert balances == expected
        members = [row for row in balances if row[1] is not None]
        assert all(0 <= stored <= share for _, share, stored, *_ in members)
        assert sum(row[1] for row in members) >= self.slow.capacity
        assert 0 <= self.fast.energy_wh <= self.slow.capacity
        assert abs(self.fast.energy_wh - self.slow.physical) <= 1

    def compare_postings(self):
        """The accounts are the sum of the postings."""
        sums = dict.fromkeys([row[0] for row in self.fast.balances.rows()], 0)
        for row in self.fast.postings.iter_rows(named=True):
            sums[row["member"]] += row["stored_wh"]
            if row["to"] is not None:
                assert row["kind"] == "transfer"
                sums[row["to"]] += row["energy_wh"]
        assert list(sums.values()) == self.fast.balances["stored_wh"].to_list()


def some_rows(rng, names, most):
    n = int(rng.choice([1, 2, 20, 200]))
    draw = rng.integers(0, 1 << 30, (n, 5)).tolist()
    return [
        (
            KINDS[d[0] % 3],
            names[d[1] % len(names)],
            names[d[2] % len(names)] if d[0] % 3 == 2 or d[2] % 7 == 0 else None,
            (d[3] % 3 - 1, d[3] % 9, d[3] % most, 2**63 - 1 - d[3] % 2, d[3] % (most // 4 + 1))[min(4, d[4] % 60)],
        )
        for d in draw
    ]


def history(seed, rows):
    rng = np.random.default_rng(seed)
    weights = {name: int(rng.integers(0, 6)) for name in NAMES[: int(rng.integers(1, 5))]}
    weights["Ada"] += 1
    capacity = int(rng.choice([1, 7, 100, 10_000, 2**61]))
    odds = iter(rng.integers(0, 1 << 30, 6).tolist())
    operator = "operator" if next(odds) % 4 == 0 else None
    both = Both(
        capacity,
        weights,
        charge=int(rng.choice([MILLION, 950_000, 333_333, 1])) if next(odds) % 3 else MILLION,
        discharge=int(rng.choice([MILLION, 930_000, 777_777, 500_000])) if next(odds) % 3 else MILLION,
        limits=(None, None) if next(odds) % 2 else (capacity // 2, capacity // 3),
        # what the operator owns is a difference, which is not lost with time
        lost=0 if next(odds) % 4 or operator else int(rng.choice([1, 1_000, 500_000, MILLION])),
        virtual=capacity + int(rng.integers(0, capacity + 1)) if next(odds) % 2 else None,
        op=operator,
    )
    slot = int(rng.integers(-5, 5)) * DAY
    both.submit([("charge", "Ada", None, 0)], slot)
    while both.rows < rows:
        slot += int(rng.choice([0, 0, 1, DAY // 7, 3 * DAY]))
        both.submit(some_rows(rng, [*weights, "nobody"], min(capacity, 2**40) + 1), slot)
        if rng.integers(4) == 0:
            both.reconcile(both.slow.room_to_read(rng), slot)
    both.compare_postings()
    return both.seen


@pytest.mark.parametrize("part", range(8))
def test_seeded_histories(part):
    seen, done = set(), 0
    for seed in itertools.count(part, 8):
        seen |= history(seed, 250)
        done += 250
        if done >= ROWS / 8:
            break
    assert {fc.StorageCode(code) for code in seen} == set(fc.StorageCode)


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=8),
    st.sampled_from([950_000, 333_333, 999_999]),
    st.sampled_from([930_000, 777_777, 3]),
    st.data(),
)
def test_any_splitting_comes_to_the_same(steps, charge, discharge, data):
    whole, parts = (
        fc.Storage(100, ["Ada"], charge_efficiency_ppm=charge, discharge_efficiency_ppm=discharge) for _ in range(2)
    )
    whole.charge("Ada", sum(steps))
    assert not parts.charge(["Ada"] * len(steps), steps).any()
    assert whole.balances.equals(parts.balances)
    out = data.draw(st.integers(0, whole.balances["dischargeable_wh"][0]))
    whole.discharge("Ada", out)
    assert not parts.discharge(["Ada"] * out, [1] * out).any()
    assert whole.balances.equals(parts.balances)


def test_wherever_two_faults_meet_the_lower_is_reported():
    both = Both(10, {"Ada": 1, "Bo": 1, "Cem": 1}, limits=(9, 3), virtual=18)
    both.submit([("charge", "Ada", None, 3), ("charge", "Bo", None, 3)], 0)
    both.submit([("charge", "Ada", None, 3), ("transfer", "Ada", "Cem", 5)], 1)
    both.submit([("discharge", "Bo", None, 1)], 2)
    pairs = set()
    before = both.fast.balances
    for row in itertools.product(KINDS, ["Ada", "Bo", "Cem", "X"], ["Ada", "Bo", "Cem", "X", None], [0, 1, 2, 4, 99]):
        found = both.slow.faults(*row)
        if found:
            assert both.submit([row]) == [min(found)]
            pairs |= set(itertools.combinations(sorted(found), 2))
    assert both.fast.balances.equals(before)
    assert len(pairs) >= 9
    assert len(both.fast.postings) == 5


def test_an_operator_owns_what_a_reading_differs():
    """Members keep what they have; a shortfall of the battery is the operator's, and so is a surplus."""
    both = Both(100, {"Ada": 1, "Bo": 1}, charge=950_000, op="operator", virtual=200)
    both.submit([("charge", "Ada", None, 33), ("charge", "Bo", None, 10)])
    both.reconcile(38)
    assert both.fast.balances["stored_wh"].to_list() == [31, 9, -2]
    both.reconcile(90)
    assert both.fast.balances["stored_wh"].to_list() == [31, 9, 50]
    assert both.submit([("charge", "Ada", None, 10), ("charge", "Ada", None, 9)]) == [8, 0]
    assert both.fast.postings.filter(kind="difference").select("member", "stored_wh").rows() == [
        ("operator", -2),
        ("operator", 52),
    ]


def test_energy_is_lost_at_midnight_wherever_the_steps_are():
    one, many = (fc.Storage(1000, ["Ada"], self_discharge_ppm=100_000) for _ in range(2))
    for storage in (one, many):
        storage.charge("Ada", 1000, slot=datetime(2026, 3, 1, 12, tzinfo=UTC))
    one.charge("Ada", 0, slot=datetime(2026, 3, 4, 1, tzinfo=UTC))
    for hour in range(1, 62):
        many.charge(
            "Ada", 0, slot=datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp().__int__() * 10**9 + hour * DAY // 24
        )
    assert one.balances.equals(many.balances)
    assert one.energy_wh == 729
    assert one.postings["stored_wh"].to_list() == [1000, -271]
    assert many.postings["stored_wh"].to_list() == [1000, -100, -90, -81]


def test_frames_and_copies():
    storage = fc.Storage(10, {7: 2, 8: 1}, charge_limit_wh=9)
    assert storage.charge([7, 9], [5, 5], slot=0).tolist() == [0, 1]
    twins = [copy(storage), deepcopy(storage)]
    storage.transfer(7, 8, 2)
    assert storage.balances.rows() == [(7, 7, 3, 0, 1, 3), (8, 3, 2, 0, 1, 2)]
    assert [twin.balances["stored_wh"].to_list() for twin in twins] == [[5, 0], [5, 0]]
    assert storage.to_polars().equals(storage.balances)
    assert repr(storage) == "Storage(5 of 10 Wh, members=2)"
    assert (storage.slot, storage.energy_wh, fc.Storage(1, ["A"]).slot) == (0, 5, None)
    postings = storage.postings
    assert postings.schema["slot"] == pl.Datetime("ns", "UTC")
    assert postings.drop("slot").rows() == [(0, "charge", 7, None, 5, 5), (1, "transfer", 7, 8, 2, -2)]
    assert fc.Storage(1, ["A"]).postings.is_empty()
    assert fc.StorageCode.OVER_POWER.meaning.startswith("the member's part")
    with pytest.raises(fc.SettlementError, match="pickled"):
        storage.__reduce__()
    with pytest.raises(ValueError, match="read-only"):
        storage.charge(7, 0)[0] = 1


@pytest.mark.parametrize(
    "rows",
    [
        pl.DataFrame({"kind": ["charge"] * 3, "member": ["Ada", None, "Bo"], "energy_wh": [1, 1, 1]}),
        {"kind": pl.Series(["charge"] * 3, dtype=pl.Categorical), "member": ["Ada", 1, "Bo"], "energy_wh": [1, 1, 1]},
        {
            "kind": np.zeros(3, np.int8),
            "member": np.array(["Ada", "x", "Bo"], object),
            "energy_wh": np.ones(3, np.int32),
        },
    ],
)
def test_any_columns(rows):
    assert fc.Storage(10, ["Ada", "Bo"]).submit(rows).tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("change", "error", "word"),
    [
        ({"kind": ["self_discharge"]}, fc.SchemaError, r"give charge \(0\), discharge \(1\), transfer \(2\)"),
        ({"kind": [3]}, fc.SchemaError, "row 0 is 3"),
        ({"member": [1.5]}, fc.SchemaError, "column 'member'"),
        ({"member": [True]}, fc.SchemaError, "column 'member', row 0"),
        ({"member": ["Ada", "Bo"]}, fc.SchemaError, "'member' has 2 rows"),
        ({"energy_wh": [1.0]}, fc.SettlementError, "energy_wh"),
        ({"energy_wh": [None]}, fc.SettlementError, "energy_wh"),
        ({"energy_wh": [2**63]}, fc.SettlementError, "64 bits"),
    ],
)
def test_rows_that_cannot_be_read(change, error, word):
    storage = fc.Storage(10, ["Ada", "Bo"])
    with pytest.raises(error, match=word):
        storage.submit({"kind": ["charge"], "member": ["Ada"], "energy_wh": [1], **change})
    assert storage.postings.is_empty()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ((0, ["Ada"], {}), "capacity_wh = 0"),
        ((10.5, ["Ada"], {}), "capacity_wh"),
        ((2**63 - 1, ["Ada"], {}), "capacity_wh"),
        ((10, [], {}), "shares"),
        ((10, {"Ada": 0}, {}), "shares"),
        ((10, {"Ada": -1, "Bo": 2}, {}), "shares"),
        ((10, ["Ada", "Ada"], {}), "two accounts"),
        ((10, ["Ada"], {"operator": "Ada"}), "two accounts"),
        ((10, ["Ada"], {"virtual_capacity_wh": 9}), "virtual_capacity_wh = 9; give 10"),
        ((10, ["Ada"], {"charge_efficiency_ppm": 0}), "charge_efficiency_ppm"),
        ((10, ["Ada"], {"discharge_efficiency_ppm": 1_000_001}), "discharge_efficiency_ppm"),
        ((10, ["Ada"], {"charge_limit_wh": -1}), "charge_limit_wh"),
    ],
)
def test_storages_that_cannot_be(arguments, word):
    capacity, shares, more = arguments
    with pytest.raises(fc.SettlementError, match=word):
        fc.Storage(capacity, shares, **more)


def test_calls_that_cannot_be_change_nothing():
    storage = fc.Storage(10, ["Ada"], charge_limit_wh=5)
    with pytest.raises(fc.SettlementError, match="slot is missing"):
        storage.charge("Ada", 1)
    storage.charge("Ada", 1, slot=5)
    for call, word in [
        (lambda: storage.charge("Ada", 1, slot=4), "never go back"),
        (lambda: storage.charge("Ada", 1, slot=datetime(2026, 1, 1)), "no time zone"),
        (lambda: storage.reconcile(11), "physical_wh = 11; give 0 to 10"),
        (lambda: storage.reconcile(-1, slot=9), "physical_wh = -1"),
    ]:
        with pytest.raises(fc.SettlementError, match=word):
            call()
    assert storage.slot == 5
    assert storage.balances["stored_wh"].to_list() == [1]
