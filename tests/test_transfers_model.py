"""`fc.Accounts` against a model of dicts: every code, every balance, after every step.

A state machine looks for the odd sequence; seeded histories look at a hundred thousand transfers.
`FASTCLEAR_BOOKS=10` looks at a million.
"""

import itertools
import os

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from reference.transfer_model import PENDING, POST, SINGLE, VOID, Account, Model, Transfer

import fastclear as fc

HISTORIES = round(10 * float(os.environ.get("FASTCLEAR_BOOKS", "1")))
TRANSFERS = 10_000
OUT_OF_RANGE = fc.TransferCode.OUT_OF_RANGE  # a balance of 2^126 takes 2^63 transfers: the Rust tests start there
LOW = 2**64 - 1


def columns(transfers):
    """Transfers as the columns of a call."""
    fields = {name: [getattr(t, name) for t in transfers] for name in Transfer._fields}
    ids, references = fields["id"], fields["reference"]
    return {
        "id": np.array([value & LOW for value in ids], np.uint64),
        "id_high": np.array([value >> 64 for value in ids], np.uint64),
        "reference": np.array([value & LOW for value in references], np.uint64),
        "reference_high": np.array([value >> 64 for value in references], np.uint64),
        "debit": np.array(fields["debit"], np.uint64),
        "credit": np.array(fields["credit"], np.uint64),
        "amount": np.array(fields["amount"], np.int64),
        "kind": np.array(fields["kind"], np.uint8),
        "timeout_ns": np.array(fields["timeout"], np.uint64),
        "code": np.array(fields["code"], np.uint16),
        "linked": np.array(fields["linked"], bool),
    }


class Both:
    """Accounts and model, which are told the same."""

    def __init__(self, fast=None):
        self.fast, self.slow = fc.Accounts() if fast is None else fast, Model()
        self.resolved, self.steps, self.seen = set(), 0, set()

    def open(self, ids, *, limit=0, asset=0, unlimited=False):
        self.fast.open(ids, limit=limit, asset=asset, unlimited=unlimited)
        for account in ids:
            self.slow.accounts[account] = Account(0, 0, 0, limit, asset, unlimited, False)

    def change(self, account, **fields):
        if "limit" in fields:
            self.fast.set_limit(account, fields["limit"])
        elif fields["closed"]:
            self.fast.close(account)
        else:
            self.fast.reopen([account])
        self.slow.accounts[account] = self.slow.accounts[account]._replace(**fields)

    def advance(self, time):
        gone = self.fast.advance(time)
        ids = [low + (high << 64) for low, high in gone.rows()]
        assert ids == self.slow.advance(time)
        assert not self.resolved & set(ids)
        self.resolved |= set(ids)

    def submit(self, transfers):
        codes = self.fast.submit(columns(transfers)).tolist()
        assert codes == self.slow.submit(transfers)
        self.check_history(transfers, codes)
        if codes == [0] and transfers[0].kind in (SINGLE, PENDING):  # L-I3
            payer = self.slow.accounts[transfers[0].debit]
            assert payer.unlimited or self.fast.available(transfers[0].debit) >= 0
        self.steps += len(codes)
        self.seen.update(codes)
        return codes

    def check_history(self, transfers, codes):
        """L-I4, L-I5 and L-I9, of what was accepted, without asking either of them."""
        chain = []
        for t, code in zip(transfers, codes, strict=True):
            chain.append(code)
            if not t.linked:
                assert not any(chain) or all(chain)
                chain = []
            if code == 0 and t.kind in (POST, VOID):
                assert t.reference not in self.resolved
                self.resolved.add(t.reference)
                assert 0 <= t.amount <= self.slow.entries[t.reference].transfer.amount
        assert all(chain)

    def compare(self):
        """Every balance, and L-I1, L-I2, L-I5 by the frame and by the audit."""
        frame = self.fast.balances
        found = dict(zip(frame["account"].to_list(), frame.drop("account").rows(), strict=True))
        expected = {
            id_: (a.asset, a.posted, a.out, a.into, self.slow.available(a), a.limit, a.unlimited, a.closed)
            for id_, a in sorted(self.slow.accounts.items())
        }
        assert found == expected
        assert list(found) == list(expected)
        open_entries = [entry.transfer.amount for entry in self.slow.entries.values() if entry.fate == "open"]
        for (_,), of_asset in frame.group_by("asset"):
            assert of_asset["posted"].sum() == 0
        assert frame["pending_out"].sum() == frame["pending_in"].sum() == sum(open_entries)
        assert self.fast.audit() == {
            "accounts": len(expected),
            "assets": len({a.asset for a in self.slow.accounts.values()}),
            "ids": len(self.slow.entries),
            "open": len(open_entries),
            "reserved": sum(open_entries),
        }


# -- seeded histories ---------------------------------------------------------------------------------------------


def random_transfers(rng, n, ids, reservations, earlier, accounts):
    """Transfers of which most are in order, and each kind of fault occurs."""
    made = []
    for _ in range(n):
        draw = rng.integers(0, 1 << 30, 12).tolist()
        if earlier and draw[0] % 10 == 0:  # sent again, as it was or with one field changed
            t = earlier[draw[1] % len(earlier)]
            field = Transfer._fields[draw[2] % 18 % 9] if draw[2] % 2 else None
            change = {field: (getattr(t, field) + 1) % (2 if field == "linked" else 3)} if field else {}
            made.append(t._replace(**change))
            continue
        kind = (SINGLE, SINGLE, PENDING, PENDING, POST, VOID)[draw[0] % 6]
        resolves, odd = kind in (POST, VOID), draw[1] % 30 == 0
        t = Transfer(
            id=next(ids) if draw[2] % 9 else 0,
            debit=0 if resolves and draw[3] % 9 else accounts[draw[4] % len(accounts)],
            credit=0 if resolves and draw[3] % 9 else accounts[draw[5] % len(accounts)],
            amount=(draw[6] % 9, draw[6] % 40, 2**63 - 1 - draw[6] % 2, -(draw[6] % 3))[min(3, draw[7] % 60 // 18)],
            kind=kind,
            reference=reservations[draw[8] % len(reservations)] if resolves != odd and reservations else 7 * odd,
            timeout=(draw[9] % 200 if draw[9] % 500 else LOW) if (kind == PENDING) != odd else 0,
            code=draw[10] % 2,
            linked=draw[11] % 8 == 0,
        )
        if t.kind == PENDING and t.id:
            reservations.append(t.id)
            if len(reservations) > 50:
                del reservations[0]
        earlier.append(t)
        if len(earlier) > 200:
            del earlier[0]
        made.append(t)
    return made


def history(seed, steps):
    rng = np.random.default_rng(seed)
    both = Both()
    stride = (1, 977, 0x9E3779B97F4A7C15)[seed % 3]  # ids next to each other, close to each other, anywhere
    of = lambda place: place * stride & LOW  # noqa: E731
    both.open([of(place) for place in (3, 2, 4)], limit=30)
    both.open([of(place) for place in (5, 6, 7, 8)])
    both.open([of(1)], unlimited=True)
    both.open([of(9), of(10)], asset=1, limit=2**63 - 1)
    accounts = [of(place) for place in [*range(1, 9)] * 4 + [9, 10, 11, 12]]
    ids, reservations, earlier, time = itertools.count(1 << 63 if seed % 2 else 1), [], [], 0
    while both.steps < steps:
        n = int(rng.choice([1, 3, 60, 200]))
        both.submit(random_transfers(rng, n, ids, reservations, earlier, accounts))
        if rng.integers(3) == 0:
            time += int(rng.integers(0, 60))
            both.advance(time)
        account = of(int(rng.integers(2, 11)))
        match rng.integers(4):
            case 0:
                both.change(account, limit=int(rng.integers(0, 60)))
            case 1:
                both.change(account, closed=bool(rng.integers(3) == 0))
        both.compare()
    return both


@pytest.mark.parametrize("part", range(10))
def test_seeded_histories(part):
    seen = set()
    for seed in range(part, HISTORIES, 10):
        both = history(seed, TRANSFERS)
        seen |= both.seen
    if part < HISTORIES:
        assert {fc.TransferCode(code) for code in seen} == set(fc.TransferCode) - {OUT_OF_RANGE}


# -- a state machine ----------------------------------------------------------------------------------------------

ACCOUNTS = st.integers(0, 9)
AMOUNTS = st.one_of(st.integers(-1, 12), st.sampled_from([2**63 - 1, 2**62, 2**61 + 1, 2**60, 2**60 + 1, -(2**63)]))
IDS = st.one_of(st.integers(0, 12), st.integers(2**64, 2**64 + 3), st.just(2**128 - 1))
TRANSFER = st.builds(
    Transfer,
    id=IDS,
    debit=ACCOUNTS,
    credit=ACCOUNTS,
    amount=AMOUNTS,
    kind=st.integers(0, 3),
    reference=st.one_of(st.just(0), IDS),
    timeout=st.sampled_from([0, 0, 0, 1, 5, LOW]),
    code=st.integers(0, 1),
    linked=st.booleans(),
)


class Ledger(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.both = Both(self.begin())
        self.both.open([1, 2], unlimited=True)

    def begin(self):
        return fc.Accounts()

    @rule(ids=st.sets(st.integers(3, 9), min_size=1), limit=st.integers(0, 12), asset=st.sampled_from([0, 0, 0, 1]))
    def open(self, ids, limit, asset):
        new = sorted(ids - set(self.both.slow.accounts))
        if len(new) < len(ids):
            with pytest.raises(fc.SettlementError, match="is open already"):
                self.both.fast.open(sorted(ids))
        if new:
            self.both.open(new, limit=limit, asset=asset)

    @precondition(lambda self: len(self.both.slow.accounts) > 2)
    @rule(data=st.data(), limit=st.one_of(st.none(), st.integers(0, 12), st.just(2**63 - 1)), closed=st.booleans())
    def change(self, data, limit, closed):
        account = data.draw(st.sampled_from(sorted(self.both.slow.accounts)))
        self.both.change(account, **({"closed": closed} if limit is None else {"limit": limit}))

    @rule(by=st.integers(0, 6))
    def advance(self, by):
        self.both.advance(self.both.slow.now + by)

    @rule(transfer=TRANSFER)
    def submit_one(self, transfer):
        self.both.submit([transfer])

    @rule(transfers=st.lists(TRANSFER, max_size=6))
    def submit(self, transfers):
        self.both.submit(transfers)

    @rule(rows=st.lists(st.tuples(ACCOUNTS, ACCOUNTS, AMOUNTS), max_size=8))
    def submit_plain(self, rows):
        debit, credit, amount = zip(*rows, strict=True) if rows else ((), (), ())
        codes = self.both.fast.submit({"debit": list(debit), "credit": list(credit), "amount": list(amount)})
        assert codes.tolist() == self.both.slow.submit([Transfer(0, *row) for row in rows])

    @rule(time=st.integers(0, 3))
    def time_never_goes_back(self, time):
        if time < self.both.slow.now:
            with pytest.raises(fc.SettlementError, match="never goes back"):
                self.both.fast.advance(time)

    @invariant()
    def everything_agrees(self):
        self.both.compare()


Ledger.TestCase.settings = settings(stateful_step_count=40)
TestLedger = Ledger.TestCase


# -- the order of the codes ---------------------------------------------------------------------------------------


def prepared():
    """Accounts 1 (unlimited), 2 and 3; 4 closed, 5 of another asset, 7 closed and of another.

    Under the ids: 1 moved, 2 open, 3 posted, 4 voided, 5 expired, 6 failed, 7 open and its debit closed, 8 and its
    credit.
    """
    both = Both()
    both.open([1], unlimited=True)
    both.open([2, 3, 4, 8, 9], limit=50)
    both.open([5, 7], asset=1)
    hold = [Transfer(id_, 2, 3, 10, PENDING) for id_ in (2, 3, 4)]
    first = [Transfer(1, 2, 3, 10, timeout=0), *hold, Transfer(5, 2, 3, 1, PENDING, timeout=1)]
    ends = [Transfer(0, 0, 0, 10, POST, 3), Transfer(0, 0, 0, 0, VOID, 4)]
    closing = [Transfer(7, 8, 3, 10, PENDING), Transfer(8, 3, 9, 10, PENDING)]
    assert not any(both.submit([*first, *ends, *closing]))
    assert both.submit([Transfer(6, 2, 99, 1)]) == [fc.TransferCode.CREDIT_NOT_FOUND]
    both.advance(1)
    for account in (4, 7, 8, 9):
        both.change(account, closed=True)
    return both


FRESH = 50
FIELD_VALUES = {
    "id": [0, 1, 2, 6, FRESH],
    "debit": [0, 2, 4, 5, 7, 99],
    "credit": [0, 2, 3, 4, 5, 99],
    "amount": [-1, 0, 10, 11, 2**63 - 1],
    "kind": [SINGLE, PENDING, POST, VOID],
    "reference": [0, 1, 2, 3, 4, 5, 6, 7, 8, 99],
    "timeout": [0, 3, LOW],
}


def test_wherever_two_faults_meet_the_lower_is_reported():
    """Every combination of these values: the model lists all faults of each, and what has a fault changes nothing."""
    both = prepared()
    rows = [Transfer(*values) for values in itertools.product(*FIELD_VALUES.values())]
    rows += [t._replace(code=1) for t in rows if t.id == 1]
    rows += [Transfer(1, 2, 3, 10)._replace(**{field: 3}) for field in Transfer._fields[1:-1]]
    fresh = itertools.count(100)
    rows = [t._replace(id=next(fresh)) if t.id == FRESH else t for t in rows]
    faults = [sorted(set(both.slow.faults(t))) for t in rows]
    before = both.fast.balances
    wrong = [(t, found) for t, found in zip(rows, faults, strict=True) if found]
    codes = both.fast.submit(columns([t for t, _ in wrong])).tolist()
    assert codes == [found[0] for _, found in wrong]
    assert both.fast.balances.equals(before)
    pairs = {pair for _, found in wrong for pair in itertools.combinations(found, 2)}
    lowest = set(codes) | {fc.TransferCode.LINKED_EVENT_FAILED, fc.TransferCode.LINKED_EVENT_CHAIN_OPEN}
    assert set(fc.TransferCode) - lowest <= {
        fc.TransferCode.OK,
        OUT_OF_RANGE,
        fc.TransferCode.EXISTS_WITH_DIFFERENT_LINKED,
    }
    assert len(pairs) > 150


def test_the_codes_of_a_chain():
    """A chain reports the one that failed it; where it never ends, that too."""
    code = fc.TransferCode
    both = prepared()
    good, bad = Transfer(0, 2, 3, 1), Transfer(0, 2, 3, 0)
    for chain, expected in [
        ([good], [code.OK]),
        ([good, bad, good], [code.LINKED_EVENT_FAILED, code.AMOUNT_MUST_BE_POSITIVE, code.LINKED_EVENT_FAILED]),
        ([bad, bad], [code.AMOUNT_MUST_BE_POSITIVE, code.LINKED_EVENT_FAILED]),
    ]:
        linked = [t._replace(linked=1) for t in chain[:-1]]
        assert both.submit([*linked, chain[-1]]) == expected
        never_ends = [*linked, chain[-1]._replace(linked=1)]
        wanted = [code.LINKED_EVENT_FAILED if found == code.OK else found for found in expected]
        assert both.submit(never_ends) == [*wanted[:-1], code.LINKED_EVENT_CHAIN_OPEN]
    again = Transfer(1, 2, 3, 10, linked=1)
    assert both.submit([again, good])[0] == code.EXISTS_WITH_DIFFERENT_LINKED
    both.compare()
