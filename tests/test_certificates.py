"""`fc.Certificates` against a list that is searched: every code, every certificate, every sum, over whole histories.

A thousand seeded histories and a state machine; `FASTCLEAR_BOOKS=10` looks at ten thousand.
"""

import itertools
import os
from copy import copy, deepcopy
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from reference.certificates_model import END, NONE_YET, Model

import fastclear as fc

HISTORIES = round(1_000 * float(os.environ.get("FASTCLEAR_BOOKS", "1")))
DEVICES = ["roof", "mill", "dam"]
HOLDERS = ["Ada", "Bo", "Cem", "roof"]
SOURCES = ["solar", None]
CODE = fc.CertificateCode


def nanoseconds(column):
    return [None if value is None else value for value in column.cast(pl.Int64).to_list()]


class Both:
    """A register and the model, which are told the same."""

    def __init__(self, term=None):
        self.fast, self.slow = fc.Certificates(term), Model(term)
        self.seen = set()

    def issue(self, rows):
        names = ("device", "slot", "generated_wh", "owner", "source", "attributes")
        found = self.fast.issue(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))
        expected = [self.slow.read(*row) for row in rows]
        assert found.rows() == expected
        self.seen |= {code for code, *_ in expected}

    def step(self, kind, rows):
        """Rows of id, name, energy, owner, slot; a field that is not given in the first row is given in none."""
        title = {"transfer": "to", "cancel": "beneficiary", "compensate": "device"}[kind]
        fields = dict(zip(("id", title, "energy_wh", "owner", "slot"), map(list, zip(*rows, strict=True)), strict=True))
        fields = {name: column for name, column in fields.items() if column[0] is not NONE_YET}
        found = getattr(self.fast, kind)(fields)
        expected = [self.slow.step(kind, *row) for row in rows]
        assert found.rows() == expected
        self.seen |= {code for code, _ in expected}

    def match(self, rows):
        columns = dict(zip(("holder", "slot", "consumed_wh"), map(list, zip(*rows, strict=True)), strict=True))
        assert self.fast.match(columns).tolist() == [self.slow.match(*row) for row in rows]

    def advance(self, time):
        assert self.fast.advance(time) == self.slow.advance(time)

    def compare(self):
        """Every certificate and sum; R39: active + cancelled + expired = issued <= metered, but for what is owed."""
        frame = self.fast.certificates
        slot, used_for = nanoseconds(frame["slot"]), nanoseconds(frame["used_for"])
        found = frame.with_columns(pl.Series("slot", slot, pl.Int64), pl.Series("used_for", used_for, pl.Int64)).rows()
        assert found == [(i, *self.slow.shown(i)) for i in range(len(self.slow.all))]
        assert self.fast.postings.with_columns(pl.col("time").cast(pl.Int64)).drop("seq").rows() == self.slow.events
        totals = self.fast.totals
        assert totals.with_columns(pl.col("slot").cast(pl.Int64)).rows() == self.slow.totals()
        for row in totals.iter_rows(named=True):
            issued = row["active_wh"] + row["cancelled_wh"] + row["expired_wh"]
            assert issued <= row["metered_wh"] + row["compensated_wh"] + row["owed_wh"]
            if issued > row["metered_wh"]:
                assert issued == row["cancelled_wh"], "all the rest was taken back"
            elif not row["compensated_wh"]:
                assert row["owed_wh"] == 0
        assert all(energy > 0 for energy in frame["energy_wh"])


def pick(draw, values):
    return values[draw % len(values)]


def energy_of(draw):
    if draw[4] % 4:
        return draw[3] % 9
    return pick(draw[3], [draw[3] % 9, draw[3] % 40, 0, -1, END, END - 1])


def some_steps(draws, given, ids, names, *, slot=True):
    """Rows of id, name, energy, owner, slot, of which some fields are given."""
    return [
        (
            d[0] % (ids + 2),
            pick(d[1], names),
            energy_of(d) if given[0] else NONE_YET,
            pick(d[5], HOLDERS) if given[1] else NONE_YET,
            d[6] % 4 if slot and given[2] else NONE_YET,
        )
        for d in draws
    ]


def history(seed):
    rng = np.random.default_rng(seed)
    both = Both(None if seed % 3 else 2)
    time = -3
    for _ in range(12):
        n = int(rng.choice([1, 2, 8]))
        draws = rng.integers(0, 1 << 30, (n, 8)).tolist()
        given = rng.integers(0, 2, 3).astype(bool).tolist()
        ids = len(both.slow.all)
        match rng.integers(8):
            case 0 | 1 | 2:
                both.issue(
                    [
                        (
                            pick(d[0], [*DEVICES * 3, None]),
                            d[1] % 4,
                            energy_of(d),
                            pick(d[5], [*HOLDERS * 3, None]),
                            SOURCES[d[6] % 9 == 0],
                            pick(d[7], [None, "new"]),
                        )
                        for d in draws
                    ]
                )
            case 3:
                both.step("transfer", some_steps(draws, given, ids, [*HOLDERS, None], slot=False))
            case 4:
                both.step("cancel", some_steps(draws, given, ids, [*HOLDERS, None]))
            case 5:
                given[2] = True
                both.step("compensate", some_steps(draws, given, ids, [*DEVICES, "wind"]))
            case 6:
                both.match([(pick(d[0], [*HOLDERS, "Eve"]), d[1] % 4, d[2] % 30 - 5) for d in draws])
            case 7:
                time += int(rng.integers(0, 5))
                both.advance(time)
        if rng.integers(4) == 0:
            both.compare()
    both.compare()
    return both.seen


@pytest.mark.parametrize("part", range(4))
def test_seeded_histories(part):
    seen = set()
    for seed in range(part, HISTORIES, 4):
        seen |= history(seed)
    assert {CODE(code) for code in seen} == set(CODE)


# -- a state machine ----------------------------------------------------------------------------------------------

SLOTS = st.integers(0, 2)
WH = st.integers(-1, 12) | st.sampled_from([END - 1, END, 2**63 - 1])
NAMES = st.sampled_from(HOLDERS)


class Register(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.both = Both(4)
        self.time = 0

    @rule(
        rows=st.lists(
            st.tuples(st.sampled_from(DEVICES), SLOTS, WH, NAMES, st.just("solar"), st.none()), min_size=1, max_size=4
        )
    )
    def issue(self, rows):
        self.both.issue(rows)

    @rule(row=st.tuples(st.integers(0, 12), NAMES, WH | st.just(NONE_YET), NAMES | st.just(NONE_YET)))
    def transfer(self, row):
        self.both.step("transfer", [(*row, NONE_YET)])

    @rule(i=st.integers(0, 12), name=NAMES | st.none(), energy=WH | st.just(NONE_YET), slot=SLOTS | st.just(NONE_YET))
    def cancel(self, i, name, energy, slot):
        self.both.step("cancel", [(i, name, energy, NONE_YET, slot)])

    @rule(i=st.integers(0, 12))
    def cancel_twice(self, i):
        row = (i, None, NONE_YET, NONE_YET, NONE_YET)
        before = len(self.both.fast)
        self.both.step("cancel", [row, row])
        again = self.both.fast.cancel({"id": [i]})["code"][0]
        assert again >= CODE.UNKNOWN_CERTIFICATE
        assert len(self.both.fast) == before

    @rule(i=st.integers(0, 12), device=st.sampled_from(DEVICES), slot=SLOTS, energy=WH | st.just(NONE_YET))
    def compensate(self, i, device, slot, energy):
        self.both.step("compensate", [(i, device, energy, NONE_YET, slot)])

    @rule(rows=st.lists(st.tuples(NAMES, SLOTS, WH), min_size=1, max_size=4))
    def match(self, rows):
        self.both.match(rows)
        before = self.both.fast.certificates
        self.both.match(rows[-1:])
        assert self.both.fast.certificates.equals(before), "the same consumption again cancels nothing more"

    @rule(by=st.integers(0, 3))
    def advance(self, by):
        self.time += by
        self.both.advance(self.time)
        if self.time:
            with pytest.raises(fc.SettlementError, match="never goes back"):
                self.both.fast.advance(self.time - 1)

    @invariant()
    def everything_agrees(self):
        self.both.compare()


Register.TestCase.settings = settings(stateful_step_count=25)
TestRegister = Register.TestCase


# -- one thing at a time ------------------------------------------------------------------------------------------


def test_wherever_two_faults_meet_the_lower_is_reported():
    """Certificates 0 active, 1 cancelled, 2 expired, 3 revoked, 4 active; the mill owes 3 Wh in slot 7."""
    both = Both(5)
    reading = lambda device, slot, wh: (device, slot, wh, "Ada", "solar", None)  # noqa: E731
    both.issue([reading("roof", 9, 5), reading("mill", 7, 5), reading("dam", 1, 5), reading("dam", 8, 5)])
    both.step("cancel", [(1, None, NONE_YET, NONE_YET, NONE_YET)])
    both.issue([reading("mill", 7, 2), reading("dam", 8, 0), reading("roof", 8, 6)])
    both.advance(6)
    assert both.fast.certificates["state"].to_list() == ["active", "cancelled", "expired", "revoked", "active"]
    before = both.fast.certificates
    pairs = set()
    names = {"transfer": ["Ada", "Bo", None], "cancel": ["Bo"], "compensate": ["mill", "roof", "wind"]}
    for kind in names:
        for row in itertools.product(range(6), names[kind], [-1, 0, 3, 4, 6, END], ["Ada", "Bo"], [7, 8]):
            given = (*row[:4], NONE_YET) if kind == "transfer" else row
            found = both.slow.faults(kind, *given)
            if found:
                both.step(kind, [given])
                pairs |= set(itertools.combinations(sorted(found), 2))
    assert both.fast.certificates.equals(before)
    assert len(pairs) > 30


def test_faults_of_readings_in_their_order():
    both = Both(5)
    both.issue([("roof", 0, 5, "Ada", "solar", None)])
    both.advance(5)
    found = set()
    for row in itertools.product(["roof", None], [0, 9], [-1, 0, 5, 6, END], ["Ada", None], ["solar", "wind"], [None]):
        both.issue([row])
        both.compare()
        found |= both.seen
    assert found >= {CODE.UNKNOWN_DEVICE, CODE.UNKNOWN_HOLDER, CODE.ENERGY_OUT_OF_RANGE}
    assert found >= {CODE.SOURCE_DIFFERS, CODE.TERM_IS_OVER, CODE.REVOKED, CODE.UNCHANGED}


def test_readings_are_totals_in_whole_wh():
    """1,999 mWh are one certificate of 1 Wh, and the next mWh makes another."""
    register = fc.Certificates()
    codes, issued = [], []
    for milli in (1999, 1999, 2000, 2000, 4999, 1000, 0):
        row = register.issue({"device": ["roof"], "slot": 0, "generated_wh": [milli]}, per_wh=1000).row(0)
        codes.append(CODE(row[0]).name)
        issued.append(row[2])
    assert issued == [1, 0, 1, 0, 2, -3, -1]
    assert codes == ["OK", "UNCHANGED", "OK", "UNCHANGED", "OK", "REVOKED", "REVOKED"]
    assert register.certificates.select("energy_wh", "owner", "state").rows() == [
        (1, "roof", "revoked"),
        (1, "roof", "revoked"),
        (2, "roof", "revoked"),
    ]


def test_what_was_cancelled_and_never_generated_is_owed_until_it_is_made_up():
    register = fc.Certificates()
    row = {"device": ["roof", "mill"], "slot": 3, "source": "solar", "owner": "Ada"}
    register.issue({**row, "generated_wh": [10, 10]})
    register.cancel({"id": [0], "energy_wh": [8], "beneficiary": "Bo"})
    assert register.issue({**row, "generated_wh": [5, 10]}).rows() == [(CODE.OWED, None, -2), (CODE.UNCHANGED, None, 0)]
    assert register.owed.select("device", "owed_wh").rows() == [("roof", 3)]
    made_up = register.compensate({"id": [1, 1], "device": "roof", "slot": 3, "energy_wh": [4, 3], "owner": "Ada"})
    assert made_up["code"].to_list() == [CODE.EXCEEDS_OWED, CODE.OK]
    assert register.owed.is_empty()
    made = register.certificates.filter(id=made_up["id"][1]).to_dicts()[0]
    assert (made["state"], made["compensates"], made["beneficiary"], made["energy_wh"]) == (
        "cancelled",
        "roof",
        None,
        3,
    )


def test_a_wh_of_consumption_is_claimed_once():
    register = fc.Certificates()
    register.issue({"device": ["a", "b", "c"], "slot": [0, 0, 1], "generated_wh": [4, 4, 9], "owner": "Ada"})
    register.cancel({"id": [2], "energy_wh": [3], "slot": 0})
    consumption = {"holder": ["Ada", "Ada", "Eve", "Ada"], "slot": [0, 0, 0, 1], "consumed_wh": [5, 8, 5, -7]}
    assert register.match(consumption).tolist() == [5, 8, 0, 0]
    assert register.certificates.filter(state="cancelled").select("device", "energy_wh").rows() == [
        ("a", 2),
        ("c", 3),
        ("a", 2),
        ("b", 1),
    ]
    assert register.holdings.select("energy_wh").to_series().to_list() == [3, 6]


def test_frames_copies_and_names():
    start = datetime(2026, 7, 1, 12, tzinfo=UTC)
    register = fc.Certificates(term=timedelta(days=2))
    readings = pl.DataFrame(
        {"device": [7, 8], "slot": [start, start], "generated_wh": [5, 6], "attributes": ["x", None]}
    )
    assert register.issue(pl.DataFrame(readings))["id"].to_list() == [0, 1]
    twins = [copy(register), deepcopy(register)]
    register.cancel({"id": [0]})
    assert [twin.certificates["state"].to_list() for twin in twins] == [["active", "active"]] * 2
    assert (register.time, register.advance(start + timedelta(days=2)), len(register)) == (None, 6, 2)
    assert repr(register) == "Certificates(2, devices=2)"
    frame = register.to_polars()
    assert frame.schema["slot"] == frame.schema["used_for"] == pl.Datetime("ns", "UTC")
    assert frame.schema["device"] == frame.schema["owner"] == pl.Int64
    assert frame["used_for"].to_list() == [start, None]
    assert frame["attributes"].to_list() == ["x", None]
    assert register.totals["expired_wh"].to_list() == [0, 6]
    assert fc.Certificates().certificates.is_empty()
    assert fc.Certificates().totals.is_empty()
    with pytest.raises(fc.SettlementError, match="pickled"):
        register.__reduce__()


READING = {"device": ["roof"], "slot": [0], "generated_wh": [5]}


@pytest.mark.parametrize(
    ("call", "error", "word"),
    [
        (lambda r: r.issue({**READING, "generated_wh": [0.5]}), fc.SettlementError, "generated_wh"),
        (lambda r: r.issue({**READING, "generated_wh": [5, 6]}), fc.SchemaError, "has"),
        (lambda r: r.issue({"device": ["roof"], "slot": [0]}), fc.SchemaError, "'generated_wh' of readings is missing"),
        (lambda r: r.issue({**READING, "slot": datetime(2026, 1, 1)}), fc.SettlementError, "no time zone"),
        (lambda r: r.issue({**READING, "device": [1.5]}), fc.SchemaError, "column 'device'"),
        (lambda r: r.issue(READING, per_wh=0), fc.SettlementError, "per_wh = 0"),
        (lambda r: r.transfer({"id": [0]}), fc.SchemaError, "'to' of rows is missing"),
        (lambda r: r.transfer({"id": [-1], "to": "Bo"}), fc.SchemaError, "column 'id', row 0"),
        (lambda r: r.cancel({"id": [0, 0], "energy_wh": [1]}), fc.SchemaError, "'energy_wh' has 1 rows"),
        (lambda r: r.match({"holder": ["roof"], "slot": 0, "consumed_wh": [1.0]}), fc.SettlementError, "consumed_wh"),
        (lambda r: r.advance(datetime(2026, 1, 1)), fc.SettlementError, "no time zone"),
    ],
)
def test_calls_that_cannot_be_change_nothing(call, error, word):
    register = fc.Certificates()
    register.issue(READING)
    before = register.certificates
    with pytest.raises(error, match=word):
        call(register)
    assert register.certificates.equals(before)
    assert register.time is None


@pytest.mark.parametrize("term", [0, -5, 1.5, timedelta(0)])
def test_terms_that_cannot_be(term):
    with pytest.raises(fc.SettlementError, match="term"):
        fc.Certificates(term)
