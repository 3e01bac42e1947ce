"""Losses: the energy identity to the Wh, the 15 % case, and what cannot be."""

from copy import copy
from fractions import Fraction
from math import floor

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastclear as fc
from fastclear.audit.settlement import ENERGY, Books

SIGN = {"residual": 1, "shortfall": 1, "feed_in": -1, "over_bought": -1}
METER_LOSSES = {(kind, name): code for kind, code, name in fc._core.LINE_NAMES}[9, "losses"]
LOSS = 150_000  # of a million
BIG = 2**31 - 1


def trade(buyer, seller, quantity, price=20):
    book = {"side": [1, 0], "participant": [buyer, seller], "quantity": [quantity] * 2, "price": [price] * 2}
    return fc.clear(book, fc.Uniform())


def house(names, policy=None):
    bank = fc.Settlement(tariff=fc.Tariff(retail=30, feed_in=8, tax_ppm=190_000), imbalance=policy, audit=True)
    bank.open(names)
    bank.deposit(names, 2**62)
    bank.receipts()
    return bank


def imbalance_wh(receipts, name):
    """What the lines of a member say that it drew from the supplier or the pool, net."""
    lines = receipts.frame.filter(kind="imbalance")
    found = 0
    for row in lines.iter_rows(named=True):
        if row["line"] in SIGN and name in (row["payer"], row["payee"]):
            mine = row["payer"] if row["line"] in ("residual", "shortfall") else row["payee"]
            found += SIGN[row["line"]] * row["quantity"] * (mine == name)
    return found


names = st.lists(st.sampled_from("ABCDE"), min_size=2, max_size=2, unique=True)
trades_of = st.lists(st.tuples(names, st.integers(1, 60) | st.just(BIG)), min_size=1, max_size=6)
policies = st.sampled_from(
    [
        fc.Backup(),
        fc.Backup("members"),
        fc.SinglePrice(),
        fc.Pooled(),
        fc.DualPrice(penalty=4),
        fc.DualPrice(penalty=4, dead_band_wh=2, residual_to="members"),
        fc.ShortfallAllocation("buyer_made_whole"),
        fc.ShortfallAllocation("buyer_pays_retail"),
    ]
)


@settings(max_examples=150, deadline=None)
@given(trades_of, policies, st.integers(0, 40) | st.just(10**12), st.data())
def test_metered_and_lost_is_traded_and_imbalance(trades, policy, losses, data):
    """For every member and in all; whatever the network lost, and more than anybody traded."""
    bank = house(list("ABCDE"), policy)
    metered = {name: data.draw(st.integers(-90, 90), name) for name in "ABCDE"}
    clearings = [trade(*pair, quantity) for pair, quantity in trades]
    receipts = bank.settle(
        clearings, {"participant": list(metered), "energy_wh": list(metered.values())}, losses=losses
    )
    lost = dict(receipts.frame.filter(line="losses").select("payer", "quantity").rows())
    assert sum(lost.values()) == losses
    traded = dict.fromkeys(metered, 0)
    volume = dict.fromkeys(metered, 0)
    for (buyer, seller), quantity in trades:
        traded[buyer] += quantity
        traded[seller] -= quantity
        volume[buyer] += quantity
        volume[seller] += quantity
    for row in receipts.frame.filter(kind="imbalance", line="undelivered").iter_rows(named=True):
        traded[row["payer"]] += row["quantity"]
        traded[row["payee"]] -= row["quantity"]
    for name in metered:
        assert metered[name] + lost.get(name, 0) == traded[name] + imbalance_wh(receipts, name)
        exact = Fraction(losses * volume[name], sum(volume.values()))
        assert abs(lost.get(name, 0) - exact) < 1, "a share is rounded down or up"
    assert sum(metered.values()) + losses == sum(imbalance_wh(receipts, name) for name in metered)
    assert bank.balances["posted"].sum() == 0


def test_fifteen_percent_are_paid_by_both_sides_in_halves():
    """1,000 Wh are sent, 850 arrive: 75 each, at what the supplier asks and pays."""
    lost = int(fc.network_losses([1000], LOSS).sum())
    bank = house(["B", "S"])
    receipts = bank.settle(
        trade("B", "S", 1000), {"participant": ["B", "S"], "energy_wh": [1000 - lost, -1000]}, losses=lost
    )
    assert lost == 150
    assert receipts.frame.filter(line="losses").select("payer", "quantity").rows() == [("B", 75), ("S", 75)]
    lines = receipts.frame.filter(kind="imbalance").select("line", "payer", "payee", "quantity", "amount").rows()
    assert lines == [("over_bought", "backstop", "B", 75, 600), ("shortfall", "S", "backstop", 75, 2250)]


def test_ties_go_to_the_account_opened_first_whatever_the_rows():
    for order in (1, -1):
        bank = house(["Z", "A", "M", "B"])
        pairs = [("A", "Z"), ("B", "M")][::order]
        receipts = bank.settle([trade(*pair, 5) for pair in pairs], {"participant": [], "energy_wh": []}, losses=2)
        assert receipts.frame.filter(line="losses").select("payer", "quantity").rows() == [("Z", 1), ("A", 1)]


def test_no_losses_leave_every_posting_as_it_was():
    bank = house(["B", "S"])
    twin = copy(bank)
    meter = {"participant": ["B", "S"], "energy_wh": [9, -9]}
    clearing = trade("B", "S", 10)
    assert bank.settle(clearing, meter, losses=0).frame.equals(twin.settle(clearing, meter).frame)


def test_losses_of_a_slot_without_meters_are_noted_beside_what_is_missing():
    bank = house(["B", "S"])
    receipts = bank.settle(trade("B", "S", 1000), losses=3)
    noted = receipts.frame.filter(kind="meter").select("line", "payer", "quantity", "amount").rows()
    assert noted == [
        ("missing", "B", 1000, 0),
        ("losses", "B", 2, 0),
        ("missing", "S", -1000, 0),
        ("losses", "S", 1, 0),
    ]
    assert not len(receipts.frame.filter(kind="imbalance"))


@pytest.mark.parametrize(("field", "change"), [("quantity", 1), ("quantity", -75), ("group", 1), ("debit", 1)])
def test_the_audit_finds_a_lie_about_losses(field, change):
    bank = fc.Settlement(tariff=fc.Tariff(retail=30, feed_in=8))
    bank.open(["B", "S"])
    bank.deposit(["B", "S"], 2**40)
    meter = {"participant": ["B", "S"], "energy_wh": [1000, -1000]}
    table = {
        name: column.copy() for name, column in bank.settle(trade("B", "S", 1000), meter, losses=150).columns.items()
    }
    Books().follow({name: column.copy() for name, column in table.items()})
    row = int(np.flatnonzero((table["kind"] == 9) & (table["code"] == METER_LOSSES))[0])
    table[field][row] += change
    with pytest.raises(fc.AuditError, match="broken: ") as caught:
        Books().follow(table)
    assert str(caught.value).startswith(f"broken: {ENERGY}; ")


def test_a_ledger_seals_losses(tmp_path):
    bank = fc.Settlement(tariff=fc.Tariff(retail=30, feed_in=8))
    bank.open(["B", "S"])
    bank.deposit("B", 2**40)
    clearing = trade("B", "S", 1000)
    ledger = fc.Ledger.open(tmp_path / "ledger", seed=1)
    ledger.seal(clearing, bank.settle(clearing, {"participant": ["B"], "energy_wh": [1000]}, losses=150))
    noted = ledger.records(0).filter((pl.col("kind") == "meter") & (pl.col("code") == METER_LOSSES))
    assert noted["quantity"].to_list() == [75, 75]
    fc.verify_directory(tmp_path / "ledger")


def test_a_share_is_told_in_words():
    bank = house(["B", "S"])
    receipts = bank.settle(trade("B", "S", 1000), {"participant": ["B"], "energy_wh": [1000]}, losses=150)
    story = receipts.explain("B")
    assert "Losses: 0.075 kWh, a share of what the network lost." in story
    assert story.count("Meter: ") == 1
    assert receipts.missing["contract_wh"].to_list() == [-1000]


@given(st.lists(st.integers(0, 10**7) | st.just(2**60), max_size=7), st.integers(0, 10**6))
def test_received_is_sent_times_one_less_the_loss(sent, ppm):
    lost = fc.network_losses(sent, ppm).tolist()
    exact = [Fraction(wh * ppm, 10**6) for wh in sent]
    cut = sorted(range(len(sent)), key=lambda i: (floor(exact[i]) - exact[i], i))
    more = set(cut[: floor(sum(exact)) - sum(map(floor, exact))])
    assert lost == [floor(share) + (i in more) for i, share in enumerate(exact)]
    assert all(0 <= gone <= wh for gone, wh in zip(lost, sent, strict=True))


@pytest.mark.parametrize(
    ("sent", "ppm", "word"),
    [([1, -1], 1, "row 1 is -1"), ([1], 10**6 + 1, "loss_ppm"), ([1], -1, "loss_ppm"), ([1], 0.15, "loss_ppm"),
     ([2**62, 2**62], 1, "2\\^63"), ([0.5], 1, "quantity_wh")],
)  # fmt: skip
def test_losses_of_what_cannot_be_sent(sent, ppm, word):
    with pytest.raises(fc.SettlementError, match=word):
        fc.network_losses(sent, ppm)
