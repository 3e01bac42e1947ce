"""Pseudonyms: other ones every period, nobody's without the secret, and nobody's for good once that is erased."""

import hmac

import numpy as np
import polars as pl
import pytest

import fastclear as fc
from fastclear.leaves import ORDER_DTYPE

MEMBERS = ["ann", "bob", "cy", 17, 18, "17"]
PERIODS = [f"2027-{month:02}" for month in range(1, 13)]


def test_no_pseudonym_of_one_period_stands_in_another():
    names = fc.Pseudonyms()
    seen = [set(names.of(MEMBERS, period).tolist()) for period in PERIODS]
    assert all(len(item) == len(MEMBERS) for item in seen)
    assert len(set().union(*seen)) == len(MEMBERS) * len(PERIODS)
    for period in PERIODS:
        assert [names.member(item, period) for item in names.of(MEMBERS, period).tolist()] == MEMBERS
        assert names.member(int(names.of(["ann"], PERIODS[0])[0]), period) == ("ann" if period == PERIODS[0] else None)


def test_a_pseudonym_is_the_keyed_hash_of_the_period():
    names = fc.Pseudonyms()
    found = int(names.of(["ann"], "p")[0])
    assert found == int.from_bytes(hmac.digest(names._secrets["ann"], b"p", "sha256")[:8], "little") >> 1
    assert found != int(fc.Pseudonyms().of(["ann"], "p")[0])
    assert int(fc.Pseudonyms(seed=2).of(["ann"], "p")[0]) == int(fc.Pseudonyms(seed=2).of(["ann"], "p")[0])
    assert "ann" not in repr(names)


def test_the_public_data_of_two_periods_share_no_identifier():
    names = fc.Pseudonyms()
    ledger = fc.Ledger()
    seen = []
    for height, period in enumerate(PERIODS[:4]):
        book = {"side": ["buy", "sell"], "price": [30, 10], "quantity": [5, 5], "participant": ["ann", "bob"]}
        ledger.seal(fc.clear(names.rotate(pl.DataFrame(book), period), fc.Uniform()), slot=height)
        leaves = np.frombuffer(ledger._chain.orders(height), ORDER_DTYPE)
        seen.append(set(leaves["participant"].tolist()) | {row["salt"].tobytes() for row in leaves})
    assert sum(map(len, seen)) == len(set().union(*seen)) == 16
    # The operator, who holds the secrets, finds a member's leaves; once they are erased, nobody does.
    assert [len(ledger.erase_member(item)) for item in names.all("ann").values()] == [1] * 4
    names.erase("ann")
    for period, found in zip(PERIODS, seen, strict=False):
        members = [names.member(item, period) for item in found if isinstance(item, int)]
        assert sorted(members, key=str) == [None, "bob"]


def test_accounts_rotate_by_moving_what_they_hold():
    """As the chapter says: new accounts under the new period's pseudonyms; no account number stands in both blocks."""
    names, ledger = fc.Pseudonyms(), fc.Ledger()
    bank = fc.Settlement(tariff=fc.Tariff(retail=300_000, feed_in=50_000))
    old = names.of(["ann", "bob"], "2027-01").tolist()
    bank.open(old)
    bank.deposit(old, [700, 900])
    seen = []
    for slot, period in enumerate(("2027-01", "2027-02")):
        now = names.of(["ann", "bob"], period).tolist()
        if now != old:
            ledger.seal(None, bank.receipts(), slot=10)
            held = [int(bank.available(member)) for member in old]
            bank.open(now)
            bank.withdraw(old, held)
            bank.deposit(now, held)
            ledger.seal(None, bank.receipts(), slot=11)
        book = names.rotate(
            {"side": ["buy", "sell"], "price": [3, 1], "quantity": [5, 5], "participant": ["ann", "bob"]}, period
        )
        bank.reserve(book)
        clearing = fc.clear(book, fc.Uniform())
        block = ledger.seal(clearing, bank.settle(clearing), slot=20 + slot)
        seen.append(set(ledger.orders(block.height)["participant"].to_list()))
    assert not seen[0] & seen[1]
    assert [bank.available(member) for member in now] == [700 - 20, 900 + 20]
    assert [bank.available(member) for member in old] == [0, 0]


def test_erasing_a_secret_is_for_good():
    names = fc.Pseudonyms()
    before = int(names.of(["ann"], "p")[0])
    other = int(names.of(["bob"], "p")[0])
    secret = names._secrets["ann"].hex()
    assert secret in names.to_json()
    names.erase("ann")
    assert secret not in names.to_json()
    assert "ann" not in names.to_json()
    assert names.member(before, "p") is None
    assert names.member(other, "p") == "bob"
    for call in (names.erase, names.all):
        with pytest.raises(fc.LedgerError, match="has no secret"):
            call("ann")
    assert int(names.of(["ann"], "p")[0]) != before  # who comes back is somebody new
    seeded = fc.Pseudonyms(seed=1)
    seeded.of(["ann"], "p")
    seeded.erase("ann")
    for again in (seeded, fc.Pseudonyms.from_json(seeded.to_json())):
        with pytest.raises(fc.LedgerError, match="was erased"):
            again.of(["ann"], "p")


def test_pseudonyms_survive_being_written_and_read():
    names = fc.Pseudonyms()
    found = [names.of(MEMBERS, period).tolist() for period in PERIODS]
    again = fc.Pseudonyms.from_json(names.to_json())
    assert [again.of(MEMBERS, period).tolist() for period in PERIODS] == found
    assert again.all(17) == names.all(17)
    assert len(again) == len(MEMBERS)
    for text in ("", "[]", "{}", names.to_json().replace('"version": 1', '"version": 2'), '{"format": 1}'):
        with pytest.raises(fc.LedgerError, match="holds no pseudonyms"):
            fc.Pseudonyms.from_json(text)


@pytest.mark.parametrize("member", [1.5, None, True, b"ann"])
def test_members_are_integers_or_texts(member):
    with pytest.raises(fc.LedgerError, match="give an integer or text"):
        fc.Pseudonyms().of([member], "p")


def test_calls_that_make_no_sense_are_refused():
    names = fc.Pseudonyms()
    for period in ("", None, 7):
        with pytest.raises(fc.LedgerError, match="period"):
            names.of(["ann"], period)
    with pytest.raises(fc.LedgerError, match="no column 'participant'"):
        names.rotate({"side": ["buy"]}, "p")
    for seed in (-1, 2**64, True, 1.0):
        with pytest.raises(fc.LedgerError, match="seed"):
            fc.Pseudonyms(seed=seed)
