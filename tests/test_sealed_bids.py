"""Sealed bids against a slow model: commitments, deposits, reveals, forfeits, and whoever tries to cheat."""

import hashlib

import numpy as np
import polars as pl
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

import fastclear as fc
from fastclear import SealedBidCode as Code

SOURCE, FORFEITS, MEMBERS = 1, 99, (7, 8, 9)
DEPOSIT, MONEY = 20, 50
BID = {"participant": [7], "side": ["buy"], "price": [30], "quantity": [5], "order": [1]}


def house():
    bank = fc.Accounts()
    bank.open([SOURCE], unlimited=True)
    bank.open([*MEMBERS, FORFEITS])
    paid = {"debit": [SOURCE] * 3, "credit": list(MEMBERS), "amount": [MONEY] * 3}
    assert not bank.submit(paid).any()
    return bank


def sale(bank=None, auction="gate 1", **options):
    ends = {"commit_until": 100, "reveal_until": 200} | options
    return fc.SealedBids(bank or house(), auction, deposit=DEPOSIT, forfeits=FORFEITS, **ends)


def posted(bank):
    return dict(zip(bank.balances["account"].to_list(), bank.balances["posted"].to_list(), strict=True))


def test_a_commitment_is_the_salted_hash_of_auction_and_order():
    commitments, salts = sale().prepare(BID, [bytes(32)])
    leaf = bytes([0xFD, 1, 1, 0, 0, 0, 0, 0]) + (1).to_bytes(8, "little") + (7).to_bytes(8, "little") + bytes(8)
    leaf += (30).to_bytes(8, "little") + (5).to_bytes(8, "little") + bytes(16)
    assert commitments == [hashlib.sha256(b"\x06" + hashlib.sha256(b"gate 1").digest() + leaf + bytes(32)).digest()]
    assert sale().prepare(BID, salts)[0] == commitments
    assert sale(auction="gate 2").prepare(BID, salts)[0] != commitments
    assert sale().prepare(BID)[0] != sale().prepare(BID)[0]


def test_a_reveal_that_is_not_the_commitment_is_refused_with_its_own_code():
    bank = house()
    bids = sale(bank)
    commitments, salts = bids.prepare(BID)
    assert bids.commit({"participant": [7], "commitment": commitments}).tolist() == [Code.OK]
    bids.advance(100)
    for name, other in (("price", 29), ("quantity", 6), ("side", "sell"), ("order", 2), ("market", 3)):
        changed = BID | {name: [other]} | {"commitment": commitments, "salt": salts}
        assert bids.reveal(changed).tolist() == [Code.REVEAL_DIFFERS], name
    assert bids.reveal(BID | {"commitment": commitments, "salt": [bytes(32)]}).tolist() == [Code.REVEAL_DIFFERS]
    assert bank.available(7) == MONEY - DEPOSIT
    assert bids.reveal(BID | {"commitment": commitments, "salt": salts}).tolist() == [Code.OK]
    assert bids.reveal(BID | {"commitment": commitments, "salt": salts}).tolist() == [Code.ALREADY_REVEALED]
    assert bank.available(7) == MONEY


def test_who_copies_a_commitment_cannot_reveal_it_and_does_not_keep_its_owner_out():
    """Also where the copy comes first: the owner's own stands beside it."""
    bank = house()
    bids = sale(bank)
    commitments, salts = bids.prepare(BID)
    both = {"participant": [8, 7], "commitment": commitments * 2}
    assert bids.commit(both).tolist() == [Code.OK, Code.OK]
    bids.advance(100)
    mine = BID | {"commitment": commitments, "salt": salts}
    assert bids.reveal(mine | {"participant": [8]}).tolist() == [Code.REVEAL_DIFFERS]
    assert bids.reveal(mine).tolist() == [Code.OK]
    bids.advance(200)
    assert posted(bank) == {SOURCE: -150, 7: 50, 8: 30, 9: 50, FORFEITS: 20}
    assert bids.commitments["state"].to_list() == ["forfeited", "revealed"]


def test_what_comes_too_early_or_too_late():
    bids = sale()
    commitments, salts = bids.prepare(BID)
    opened = BID | {"commitment": commitments, "salt": salts}
    bids.advance(99)
    assert bids.reveal(opened).tolist() == [Code.REVEAL_NOT_OPEN]
    assert bids.commit({"participant": [7], "commitment": commitments}).tolist() == [Code.OK]
    bids.advance(100)
    assert bids.commit({"participant": [8], "commitment": commitments}).tolist() == [Code.COMMIT_CLOSED]
    bids.advance(199)
    with pytest.raises(fc.SettlementError, match="reveals are not over"):
        bids.orders()
    bids.advance(200)
    assert bids.reveal(opened).tolist() == [Code.REVEAL_CLOSED]
    assert len(bids.orders()["order"]) == 0
    with pytest.raises(fc.SettlementError, match="cannot go back"):
        bids.advance(199)


def test_a_deposit_that_is_not_covered_is_refused_and_can_be_tried_again():
    bank = house()
    bids = sale(bank)
    salts = [bytes([i]) * 32 for i in range(3)]
    three = {name: column * 3 for name, column in BID.items()} | {"order": [1, 2, 3]}
    commitments, _ = bids.prepare(three, salts)
    made = bids.commit({"participant": [7] * 3, "commitment": commitments})
    assert made.tolist() == [Code.OK, Code.OK, Code.NO_DEPOSIT]
    assert not bank.submit({"debit": [SOURCE], "credit": [7], "amount": [10]}).any()
    assert bids.commit({"participant": [7], "commitment": commitments[2:]}).tolist() == [Code.OK]
    assert bids.commit({"participant": [12], "commitment": commitments[2:]}).tolist() == [Code.NO_DEPOSIT]


def test_revealed_orders_clear_in_the_order_of_their_commitments():
    bids = sale()
    book = {
        "participant": [8, 7, 9],
        "side": ["buy", "buy", "sell"],
        "price": [30, 30, 10],
        "quantity": [5, 5, 5],
        "order": [5, 4, 6],
    }
    commitments, salts = bids.prepare(pl.DataFrame(book))
    assert not bids.commit({"participant": book["participant"], "commitment": commitments}).any()
    bids.advance(150)
    backwards = {name: column[::-1] for name, column in book.items()}
    assert not bids.reveal(backwards | {"commitment": commitments[::-1], "salt": salts[::-1]}).any()
    bids.advance(200)
    clearing = fc.clear(bids.orders(), fc.Uniform(rationing="time"))
    assert clearing.fills.select("order", "filled").rows() == [(5, 5), (4, 0), (6, 5)]


def test_two_orders_of_one_id_are_not_both_revealed():
    bids = sale()
    two = {name: column * 2 for name, column in BID.items()} | {"participant": [7, 8]}
    commitments, salts = bids.prepare(two)
    assert not bids.commit({"participant": [7, 8], "commitment": commitments}).any()
    bids.advance(100)
    assert bids.reveal(two | {"commitment": commitments, "salt": salts}).tolist() == [Code.OK, Code.ORDER_TAKEN]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"participant": [7]}, "no column commitment"),
        ({"participant": [7, 8], "commitment": [b"x"]}, "differ in length"),
        ({"participant": [7.0], "commitment": [b"x"]}, "column participant, row 0"),
        ({"participant": [True], "commitment": [b"x"]}, "column participant, row 0"),
        (7, "no frame or mapping"),
    ],
)
def test_calls_that_make_no_sense_raise_and_change_nothing(columns, message):
    bids = sale()
    with pytest.raises(fc.SettlementError, match=message):
        bids.commit(columns)
    assert len(bids.commitments) == 0


def test_malformed_rows_have_a_code():
    bids = sale()
    odd = {"participant": [7, 7, -1, 2**64], "commitment": [b"short", "text", bytes(32), bytes(32)]}
    assert bids.commit(odd).tolist() == [Code.MALFORMED] * 4
    bids.advance(100)
    good = BID | {"commitment": [bytes(32)], "salt": [bytes(32)]}
    for name, value in (("price", 2**31), ("quantity", 0), ("quantity", 2**31), ("salt", b"short"), ("order", 2**64)):
        assert bids.reveal(good | {name: [value]}).tolist() == [Code.MALFORMED], (name, value)
    assert bids.reveal(good).tolist() == [Code.NOT_COMMITTED]
    with pytest.raises(fc.SettlementError, match="column side, row 0"):
        bids.reveal(good | {"side": ["hold"]})


@pytest.mark.parametrize(
    "options",
    [{"commit_until": 0}, {"reveal_until": 100}, {"commit_until": -1}, {"commit_until": 2.0}, {"auction": ""}],
)
def test_auctions_that_make_no_sense_are_refused(options):
    with pytest.raises(fc.SettlementError):
        sale(**options)
    with pytest.raises(fc.SettlementError):
        fc.SealedBids(house(), "x", deposit=0, forfeits=FORFEITS, commit_until=1, reveal_until=2)
    with pytest.raises(fc.FastclearError):
        fc.SealedBids(house(), "x", deposit=1, forfeits=12345, commit_until=1, reveal_until=2)


def test_every_code_says_what_it_means():
    assert all(code.meaning for code in Code)


class SealedBidMachine(RuleBasedStateMachine):
    """Hostile calls in any order; the model is a dict of what each (participant, commitment) is, and free money."""

    def __init__(self):
        super().__init__()
        self.bank = house()
        self.bids = sale(self.bank)
        self.time = 0
        self.free = dict.fromkeys(MEMBERS, MONEY)
        self.state = {}
        self.orders = {}

    def order(self, which):
        """One of few bids: number, owner and salt follow from `which`."""
        owner = MEMBERS[which % 3]
        bid = {"participant": owner, "side": "buy", "price": which, "quantity": 1 + which, "order": which // 2}
        return {name: [value] for name, value in bid.items()}

    def sealed(self, which):
        return self.bids.prepare(self.order(which), [bytes([which]) * 32])[0]

    @rule(which=st.lists(st.integers(0, 8), min_size=1, max_size=4), thief=st.sampled_from((None, *MEMBERS)))
    def commit(self, which, thief):
        owners = [thief or MEMBERS[item % 3] for item in which]
        hashes = [self.sealed(item)[0] for item in which]
        expected, seen = [], set()
        for key in zip(owners, hashes, strict=True):
            if self.time >= 100:
                expected.append(Code.COMMIT_CLOSED)
            elif key in self.state or key in seen:
                expected.append(Code.ALREADY_COMMITTED)
            elif self.free[key[0]] < DEPOSIT:
                expected.append(Code.NO_DEPOSIT)
            else:
                expected.append(Code.OK)
                self.free[key[0]] -= DEPOSIT
                self.state[key] = "sealed"
            seen.add(key)
        assert self.bids.commit({"participant": owners, "commitment": hashes}).tolist() == expected

    @rule(which=st.integers(0, 8), other=st.integers(0, 8), thief=st.sampled_from((None, *MEMBERS)))
    def reveal(self, which, other, thief):
        """Shows bid `which` for the commitment of `other`, often the same one, perhaps as somebody else."""
        owner = thief or MEMBERS[which % 3]
        key = owner, self.sealed(other)[0]
        place = (0, which // 2)
        if self.time < 100:
            expected = Code.REVEAL_NOT_OPEN
        elif self.time >= 200:
            expected = Code.REVEAL_CLOSED
        elif key not in self.state:
            expected = Code.NOT_COMMITTED
        elif self.state[key] == "revealed":
            expected = Code.ALREADY_REVEALED
        elif which != other or owner != MEMBERS[which % 3]:
            expected = Code.REVEAL_DIFFERS
        elif place in self.orders:
            expected = Code.ORDER_TAKEN
        else:
            expected = Code.OK
            self.state[key] = "revealed"
            self.free[owner] += DEPOSIT
            self.orders[place] = which
        row = self.order(which) | {"participant": [owner], "commitment": [key[1]], "salt": [bytes([which]) * 32]}
        assert self.bids.reveal(row).tolist() == [expected]

    @rule(step=st.sampled_from([1, 50, 99]))
    def advance(self, step):
        self.time += step
        self.bids.advance(self.time)

    @invariant()
    def money_is_where_the_model_says(self):
        lost = sum(state == "sealed" for state in self.state.values()) if self.time >= 200 else 0
        assert {member: self.bank.available(member) for member in MEMBERS} == self.free
        assert posted(self.bank)[FORFEITS] == DEPOSIT * lost
        self.bank.audit()

    @invariant()
    def orders_are_those_revealed(self):
        if self.time >= 200:
            assert sorted(self.bids.orders()["price"].tolist()) == sorted(self.orders.values())


SealedBidMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestSealedBids = SealedBidMachine.TestCase


def test_columns_may_be_arrays():
    bids = sale()
    rows = {name: np.array(column) for name, column in BID.items()} | {"side": np.array([1], np.uint8)}
    assert bids.prepare(rows, [bytes(32)])[0] == bids.prepare(BID, [bytes(32)])[0]
