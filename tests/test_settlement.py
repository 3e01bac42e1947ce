"""Settlement through Python: properties of every history, an independent bill, calls that make no sense."""

from __future__ import annotations

import copy
import datetime
import json
import pickle
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_bill import LINES, Deal, Rates, bills

import fastclear as fc

NAMES = ["Ada", "Bo", "Cem", "Dana", "Eli"]
BIG = 2**31 - 1


class Stub:
    """A clearing by hand: any trades, whether or not an auction would make them."""

    def __init__(self, orders: Any, trades: list[tuple[int, int, int, int, int]]) -> None:
        from fastclear.orders import encode

        self.orders = encode(orders)
        names = ("buy_row", "sell_row", "quantity", "buy_price", "sell_price")
        table = np.array(trades, np.int64).reshape(-1, 5)
        self.trade_columns = {name: table[:, i] for i, name in enumerate(names)}


def bank(rates: Rates | None = None, names: Any = NAMES, deposit: int = 10**15, imbalance: Any = None) -> fc.Settlement:
    rates = rates or Rates(30, 5, 1, 2, 200_000)
    new = fc.Settlement(
        tariff=fc.Tariff(rates.retail, rates.feed_in, rates.platform_fee, rates.network_fee, rates.tax_ppm),
        imbalance=imbalance,
    )
    new.open(names)
    new.deposit(names, deposit)
    new.receipts()
    return new


def orders(rows: list[tuple[str, str, int, int]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["side", "participant", "price", "quantity"], orient="row")


PAIR = orders([("buy", "Ada", 20, 10), ("sell", "Bo", 15, 10)])


def conserved(house: fc.Settlement) -> None:
    balances = house.balances
    assert balances["posted"].sum() == 0
    assert balances["pending_out"].sum() == balances["pending_in"].sum()
    assert balances.filter(role="clearing")["posted"].item() == 0
    member = balances.filter(role="member")
    assert ((member["available"] < 0) == (member["status"] == "restricted")).all()
    house.close_cycle()  # recounts everything


# -- histories ---------------------------------------------------------------------------------

prices = st.one_of(st.integers(-3, 40), st.just(0), st.sampled_from([BIG, -BIG]))
quantities = st.one_of(st.integers(1, 50), st.just(BIG))
rates_of = st.builds(
    Rates,
    retail=st.integers(-5, 60),
    feed_in=st.integers(-5, 30),
    platform_fee=st.integers(-2, 3),
    network_fee=st.integers(0, 4),
    tax_ppm=st.sampled_from([0, 190_000, 200_000, 333_333, 500_000, 1_000_000]),
)
members = st.integers(0, len(NAMES) - 1)


@st.composite
def slots(draw: st.DrawFn) -> tuple[pl.DataFrame, list[Deal], list[tuple[int, ...]], dict[str, int]]:
    """Orders, trades among them at prices the bids allow, and readings of some members."""
    buys = draw(st.lists(st.tuples(members, prices, quantities), min_size=1, max_size=4))
    sells = draw(st.lists(members, min_size=1, max_size=4))
    rows = [("buy", NAMES[m], p, q) for m, p, q in buys] + [("sell", NAMES[m], 0, 1) for m in sells]
    left = [q for _, _, q in buys]
    trades = []
    for buy, sell in draw(
        st.lists(st.tuples(st.integers(0, len(buys) - 1), st.integers(0, len(sells) - 1)), max_size=6)
    ):
        if left[buy]:
            quantity = draw(st.integers(1, left[buy]))
            left[buy] -= quantity
            buy_price = max(-BIG, buys[buy][1] - draw(st.integers(0, 5)))
            sell_price = max(-BIG, buy_price - draw(st.integers(0, 2)))
            trades.append((buy, len(buys) + sell, quantity, buy_price, sell_price))
    deals = [Deal(rows[b][1], rows[s][1], q, bp, sp) for b, s, q, bp, sp in trades]
    meter = draw(st.dictionaries(st.sampled_from(NAMES), st.integers(-100, 100)))
    return orders(rows), deals, trades, meter


def columns(meter: dict[str, int]) -> dict[str, list[Any]]:
    return {"participant": list(meter), "energy_wh": list(meter.values())}


@settings(max_examples=150, deadline=None)
@given(rates_of, slots())
def test_the_bill_is_the_independent_one(rates: Rates, slot: Any) -> None:
    book, deals, trades, meter = slot
    house = bank(rates, deposit=2**62)
    house.set_limit("Ada", 2**62)
    try:
        receipts = house.settle(Stub(book, trades), columns(meter))
    except fc.SettlementError:  # a buyer who cannot pay, or a line beyond 64 bits: refused as a whole
        assert not fits(rates, deals)
        conserved(house)
        return
    expected = {name: bill for name, bill in bills(rates, deals, meter).items() if name in NAMES}
    found = {
        row["participant"]: {line: row[line] for line in LINES}
        for row in receipts.by_participant().iter_rows(named=True)
    }
    assert found == expected
    for row in receipts.by_participant().iter_rows(named=True):
        assert row["net"] == sum(row[line] for line in LINES)
        posted = house.balances.filter(participant=row["participant"])["posted"].item()
        assert posted == 2**62 - row["net"], "the bill is what the account lost"
    conserved(house)


def fits(rates: Rates, deals: list[Deal]) -> bool:
    """Whether every buyer can surely pay what it owes in one posting, from 2**62."""
    due: Counter[object] = Counter()
    for deal in deals:
        base = (deal.buy_price + rates.platform_fee + rates.network_fee) * deal.quantity
        due[deal.buyer] += base + base * rates.tax_ppm // 10**6 + 1
    return all(amount < 2**60 for amount in due.values()) and all(
        abs(deal.sell_price) * deal.quantity < 2**60 for deal in deals
    )


@settings(max_examples=100, deadline=None)
@given(rates_of, st.lists(st.tuples(slots(), st.booleans(), st.integers(0, 4000)), min_size=1, max_size=5))
def test_no_history_breaks_the_books(rates: Rates, history: Any) -> None:
    house = bank(rates, deposit=0)
    for step, ((book, _, trades, meter), reserve, deposit) in enumerate(history):
        house.deposit(NAMES[step % len(NAMES)], deposit)
        book = book.with_columns(market=pl.lit(step))
        restricted = {name for name, status in house.status.items() if status == "restricted"}
        if reserve:
            codes = house.reserve(book)
            buys = (book["side"] == "buy").to_numpy()
            assert set(codes[buys]) <= {0, fc.RejectReason.CREDIT_EXCEEDED}
            assert not codes[~buys].any()
            refused = book["participant"].filter(pl.Series(buys)).is_in(list(restricted))
            assert (codes[buys][refused.to_numpy()] != 0).all(), "restricted members place no bid"
            for row in house.balances.filter(role="member").iter_rows(named=True):
                assert row["available"] >= 0 or row["participant"] in restricted, "prepaid never overreaches"
            trades = [trade for trade in trades if codes[trade[0]] == 0]
        before = house.balances
        try:
            receipts = house.settle(Stub(book, trades), columns(meter))
        except fc.SettlementError:
            assert not reserve or any(abs(trade[4]) * trade[2] >= 2**62 for trade in trades)
            assert house.balances.equals(before), "a failed slot changes nothing"
        else:
            energy_adds_up(receipts, trades, book, meter)
            frame = receipts.frame
            assert (frame["amount"] >= 0).all()
            if reserve:
                assert house.balances["pending_out"].sum() == 0
        conserved(house)


def energy_adds_up(receipts: fc.Receipts, trades: Any, book: pl.DataFrame, meter: dict[str, int]) -> None:
    """Metered = traded + imbalance, member by member, from the records alone."""
    names = receipts._bank.names
    traded: Counter[str] = Counter()
    for buy, sell, quantity, *_ in trades:
        traded[book["participant"][buy]] += quantity
        traded[book["participant"][sell]] -= quantity
    frame = receipts.frame.filter(pl.col("kind") == "imbalance")
    imbalance: Counter[str] = Counter()
    for line, debit, credit, quantity in frame.select("line", "debit", "credit", "quantity").rows():
        member = names([max(debit, credit)])[0]
        imbalance[str(member)] += quantity if line in ("residual", "shortfall") else -quantity
    for name, energy in meter.items():
        assert energy == traded[name] + imbalance[name]


@settings(max_examples=60, deadline=None)
@given(slots())
def test_who_keeps_to_the_contract_pays_the_contract(slot: Any) -> None:
    book, deals, trades, _ = slot
    flat = [(b, s, q, 7, 7) for b, s, q, _, _ in trades]
    contract: Counter[object] = Counter()
    for deal in deals:
        contract[deal.buyer] += deal.quantity
        contract[deal.seller] -= deal.quantity
    house = bank(Rates(30, 5, 0, 0, 0), deposit=2**62)
    meter = {str(name): energy for name, energy in contract.items()}
    bill = house.settle(Stub(book, flat), columns(meter)).by_participant()
    assert dict(bill.select("participant", "net").rows()) == {n: 7 * e for n, e in contract.items()}


@settings(max_examples=80, deadline=None)
@given(slots(), st.integers(0, 60), st.integers(0, 60))
def test_the_residual_of_the_backup_policy(slot: Any, retail: int, feed_in: int) -> None:
    """sum(net) = grid bill + (retail - feed_in) * min(total shortfall, total surplus)."""
    book, deals, trades, meter = slot
    metered = {name: meter.get(name, 0) for name in NAMES}
    contract: Counter[str] = Counter()
    for deal in deals:
        contract[str(deal.buyer)] += deal.quantity
        contract[str(deal.seller)] -= deal.quantity
    flat = [(b, s, q, 11, 11) for b, s, q, _, _ in trades]
    house = bank(Rates(retail, feed_in, 0, 0, 0), deposit=2**62)
    total = house.settle(Stub(book, flat), columns(metered)).by_participant()["net"].sum()
    deviation = [metered[name] - contract[name] for name in NAMES]
    short, over = sum(d for d in deviation if d > 0), -sum(d for d in deviation if d < 0)
    net = sum(metered.values())
    grid_bill = retail * max(net, 0) - feed_in * max(-net, 0)
    assert total == grid_bill + (retail - feed_in) * min(short, over)
    assert house.balances.filter(role="backstop")["posted"].item() == total


@pytest.mark.parametrize(("name", "policy"), [("P01", fc.Backup()), ("P02", fc.SinglePrice())])
def test_published_case(name: str, policy: Any) -> None:
    case = json.loads((Path(__file__).parent / f"cases/settlement/{name}/case.json").read_text())
    given_, expected = case["inputs"], case["expected"]
    contract, price = given_["contract_position"], given_["market_price"]
    buyers = [name for name, energy in contract.items() if energy > 0]
    sellers = [name for name, energy in contract.items() if energy < 0]
    book = orders(
        [("buy", n, price, contract[n]) for n in buyers] + [("sell", n, price, -contract[n]) for n in sellers]
    )
    house = bank(
        Rates(given_["retail"], given_["feed_in"], 0, 0, 0), names=list(contract), deposit=1000, imbalance=policy
    )
    assert not house.reserve(book).any()
    clearing = fc.clear(book, fc.Uniform())
    receipts = house.settle(clearing, columns(given_["metered"]))
    net = dict(receipts.by_participant().select("participant", "net").rows())
    assert net == expected["net_payment"]
    backstop = house.balances.filter(role="backstop")["posted"].item()
    assert backstop == expected["grid_bill"] + expected["operator_residual"]


# -- the life of a reservation -----------------------------------------------------------------


def test_restricted_after_an_overdraft_and_free_after_a_deposit() -> None:
    house = bank(deposit=100)
    house.settle([], {"participant": ["Ada"], "energy_wh": [3]})  # 3 x 30 and 20 % tax
    assert (house.available("Ada"), house.status["Ada"]) == (-8, "restricted")
    assert house.reserve(orders([("buy", "Ada", 0, 1)])).tolist() == [fc.RejectReason.CREDIT_EXCEEDED]
    house.deposit("Ada", 7)
    assert house.status["Ada"] == "restricted"
    house.deposit("Ada", 8)
    assert house.status["Ada"] == "active"
    assert house.reserve(orders([("buy", "Ada", 0, 1)])).tolist() == [0]


def test_text_ids_are_found_again_whatever_else_is_in_the_frame() -> None:
    """Text ids arrive as ranks, which differ from frame to frame."""
    book = PAIR.with_columns(order=pl.Series(["m", "z"]), market=pl.lit("west"))
    house = bank(deposit=280)
    more = pl.concat([book, book.with_columns(order=pl.Series(["a", "b"]), market=pl.lit("east"))])
    assert house.reserve(more).tolist() == [0, 0, fc.RejectReason.CREDIT_EXCEEDED, 0]
    clearing = fc.clear(book, fc.Uniform())
    house.settle(clearing)
    assert house.balances["pending_out"].sum() == 0


def test_integers_and_text_are_different_participants() -> None:
    house = bank(names=[7, "7", -3], deposit=1000)
    receipts = house.settle([], {"participant": [7, "7"], "energy_wh": [1, 2]})
    assert receipts.by_participant()["participant"].to_list() == ["7", "7"]
    assert receipts.by_participant()["residual"].to_list() == [30, 60]
    book = {"side": [1, 0], "price": [20, 1], "quantity": [5, 5], "participant": np.array([-3, 7])}
    assert house.reserve(book).tolist() == [0, 0]
    receipts = house.settle(fc.clear(book, fc.Uniform()), {"participant": np.array([-3]), "energy_wh": [5]})
    assert receipts.by_participant()["account"].to_list() == [1000, 1002]


def test_pseudonyms_are_account_ids() -> None:
    house = bank()
    clearing = fc.clear(PAIR.with_columns(participant=pl.Series(["Bo", "stranger"])), fc.Uniform())
    assert house.receipts().pseudonyms(clearing).tolist() == [1001, 0]
    assert house.receipts().pseudonyms(fc.clear(PAIR.drop("participant"), fc.Uniform())).tolist() == [0, 0]


def test_receipts_are_the_history_without_gaps() -> None:
    house = fc.Settlement(tariff=fc.Tariff(30, 5))
    house.open(["Ada", "Bo"], limit=3)
    first = house.receipts()
    house.advance(datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC))
    house.deposit(["Ada", "Bo"], [100, 0])
    second = house.settle(Stub(PAIR, []))
    seq = np.concatenate([first.columns["seq"], second.columns["seq"]])
    times = np.concatenate([first.columns["time_ns"], second.columns["time_ns"]])
    assert seq.tolist() == list(range(7 + 4 + 1))
    assert (np.diff(times.astype(np.int64)) > 0).all()
    assert times[-1] == 1_767_225_600 * 10**9
    assert list(first.columns) == [
        *("kind", "flags", "code", "asset", "seq", "time_ns", "market", "buy_order", "sell_order"),
        *("debit", "credit", "quantity", "price", "amount", "group"),
    ]
    assert first.frame["kind"].to_list() == ["account_opened"] * 7 + ["account_opened", "limit"] * 2
    assert second.frame.select("kind", "payer", "payee", "amount").rows() == [("deposit", "boundary", "Ada", 100)]
    assert not first.columns["seq"].flags.writeable
    assert len(house.receipts()) == 0
    assert "Receipts of 1 postings" in repr(second)
    assert "<table" in second._repr_html_()


def test_a_cycle_says_what_everyone_gained() -> None:
    house = bank(deposit=300)
    house.settle(Stub(PAIR, [(0, 1, 6, 18, 18)]))
    house.withdraw("Bo", 8)
    cycle = house.close_cycle()
    assert cycle.columns == ["account", "participant", "role", "opening", "deposited", "net", "closing"]
    assert cycle["net"].sum() == 0
    rows = dict(cycle.drop_nulls().select("participant", pl.struct("deposited", "net", "closing")).rows())
    assert {key: int(value) for key, value in rows["Ada"].items()} == {
        "deposited": 300,
        "net": -151,
        "closing": 149,
    }
    assert {key: int(value) for key, value in rows["Bo"].items()} == {
        "deposited": 292,
        "net": 108,
        "closing": 400,
    }
    assert house.close_cycle()["net"].abs().sum() == 0


@pytest.mark.parametrize("make", [pl.DataFrame, pd.DataFrame, pa.table, dict], ids=["pl", "pd", "pa", "dict"])
def test_every_kind_of_frame(make: Any) -> None:
    house = bank()
    book = make(PAIR.to_dict(as_series=False))
    assert house.reserve(book).tolist() == [0, 0]
    meter = make({"participant": ["Ada", "Bo"], "energy_wh": [12, -10]})
    bill = house.settle(fc.clear(book, fc.Uniform()), meter).by_participant()
    assert bill["residual"].to_list() == [60, 0]


def test_a_bid_with_a_flaw_keeps_its_code() -> None:
    book = {
        "side": ["buy", "buy", "sell", "what", "buy", "buy"],
        "price": pl.Series([None, 1, None, 1, 1, None], dtype=pl.Int64),
        "quantity": [1, 0, 1, 1, 1, 1],
        "participant": ["Ada", "Ada", "Ada", "Ada", None, "Ada"],
        "type": ["limit"] * 5 + ["market"],
    }
    house = bank(deposit=10**6)
    reasons = fc.RejectReason
    assert house.reserve(book).tolist() == [
        reasons.PRICE_MISSING,
        reasons.QUANTITY_OUT_OF_RANGE,
        0,
        reasons.UNKNOWN_SIDE,
        reasons.ID_MISSING,
        reasons.CREDIT_EXCEEDED,
    ]
    house.deposit("Ada", 10**11)
    assert house.reserve(book).tolist()[-1] == 0, "a market order is covered at the largest price there is"


# -- once, and copies --------------------------------------------------------------------------


def test_a_clearing_is_settled_once() -> None:
    house = bank(deposit=10**6)
    clearing = fc.clear(PAIR.with_columns(market=pl.lit("west")), fc.Uniform())
    house.settle(clearing)
    before = house.balances
    with pytest.raises(
        fc.SettlementError, match=r"clearing 1 \(2 orders and 1 trades in market west\) has been settled"
    ):
        house.settle([Stub(PAIR, []), clearing])
    with pytest.raises(fc.SettlementError, match=r"clearing 2 .* is clearing 0 once more"):
        house.settle([GOOD, fc.clear(PAIR, fc.Uniform()), GOOD])
    assert house.balances.equals(before)
    bank(deposit=10**6).settle(clearing)  # another bank


def test_what_is_no_second_time_is_settled() -> None:
    """Slots alike in every order and id, clearings without trades, and calls that failed."""
    house = bank(deposit=10**6)
    nothing = fc.clear(PAIR.with_columns(price=pl.Series([1, 2])), fc.Uniform())
    for _ in range(3):
        clearing = fc.clear(PAIR, fc.Uniform())
        with pytest.raises(fc.SettlementError):
            house.settle(clearing, {"participant": ["Zoe"], "energy_wh": [1]})
        house.settle([clearing, nothing])
    assert house.close_cycle().filter(participant="Bo")["net"].item() == 3 * 170
    assert len(house._settled) <= 2, "clearings that are gone are forgotten"


def test_a_copy_of_a_bank_is_a_bank_of_its_own() -> None:
    house = bank(deposit=300)
    house.reserve(PAIR)
    house.settle(GOOD)
    for make in (copy.copy, copy.deepcopy):
        twin = make(house)
        assert twin.balances.equals(house.balances)
        twin.deposit("Ada", 50)
        twin.open("Fay")
        twin.settle(Stub(PAIR, [(0, 1, 1, 1, 1)]))
        assert twin.available("Ada") == house.available("Ada") + 50 - 5
        assert "Fay" not in house.status
        with pytest.raises(fc.SettlementError, match="settled already"):
            twin.settle(GOOD)
    with pytest.raises(fc.SettlementError, match="cannot be pickled"):
        pickle.dumps(house)


def test_one_number_is_for_each_and_a_list_for_one_each() -> None:
    house = bank(deposit=0)
    house.deposit(["Ada", "Bo"], 5)
    house.deposit(["Ada", "Bo"], np.array(5))
    house.deposit(["Ada", "Bo"], np.int64(5))
    house.deposit(np.array(["Ada"])[0], [5])
    assert (house.available("Ada"), house.available("Bo")) == (20, 15)
    house.advance(10)
    house.advance(10)


# -- calls that make no sense ------------------------------------------------------------------

GOOD = Stub(PAIR, [(0, 1, 6, 18, 18)])
STRANGE = PAIR.with_columns(participant=pl.Series(["Ada", "Zoe"]))
NONSENSE: dict[str, tuple[Any, str]] = {
    "double open": (lambda b: b.open(["Fay", "Ada"]), "'Ada' is open already"),
    "twice in one open": (lambda b: b.open(["Fay", "Fay"]), "'Fay' is open already"),
    "a bool for a name": (lambda b: b.open([True]), "name it by text or an integer"),
    "a huge name": (lambda b: b.open([2**63]), "does not fit 64 bits"),
    "negative limit": (lambda b: b.open("Fay", limit=-1), "is negative"),
    "limit of a stranger": (lambda b: b.set_limit("Zoe", 1), "'Zoe' has no account"),
    "stranger deposits": (lambda b: b.deposit(["Ada", "Zoe"], 5), "'Zoe' has no account"),
    "negative deposit": (lambda b: b.deposit("Ada", -5), "participant Ada: amount -5 is negative"),
    "float deposit": (lambda b: b.deposit("Ada", 5.0), "column 'amount' is float64"),
    "NaN deposit": (lambda b: b.deposit(["Ada", "Bo"], [1.0, float("nan")]), "row 1 is NaN"),
    "huge deposit": (lambda b: b.deposit("Ada", 2**64), "fit"),
    "two amounts for three": (lambda b: b.deposit(NAMES[:3], [1, 2]), "3 participants and 2 amounts"),
    "a list of one amount for two": (lambda b: b.deposit(NAMES[:2], [5]), "2 participants and 1 amounts"),
    "a column of one amount for two": (lambda b: b.withdraw(NAMES[:2], np.array([5])), "2 participants and 1 amounts"),
    "huge limit": (lambda b: b.set_limit("Ada", 2**64), f"limit = {2**64} does not fit 64 bits"),
    "huge limit on opening": (lambda b: b.open("Fay", limit=2**63), f"limit = {2**63} does not fit 64 bits"),
    "float limit": (lambda b: b.set_limit("Ada", 5.0), "limit = 5.0 is no integer"),
    "back in time": (lambda b: (b.advance(50), b.advance(49)), "time 49 is before 50"),
    "withdraw too much": (lambda b: b.withdraw("Ada", 301), "participant Ada: cannot withdraw 301: 300"),
    "order of a stranger": (lambda b: b.reserve(STRANGE), "'Zoe' has no account"),
    "orders without participant": (lambda b: b.reserve(PAIR.drop("participant")), "no column 'participant'"),
    "integer stranger": (lambda b: b.reserve(PAIR.with_columns(participant=pl.lit(4))), "participant 4"),
    "settle a stranger": (lambda b: b.settle(Stub(STRANGE, [(0, 1, 1, 1, 1)])), "'Zoe' has no account"),
    "settle a frame": (lambda b: b.settle(PAIR), "is no clearing"),
    "a row that is no order": (lambda b: b.settle(Stub(PAIR, [(5, 1, 1, 1, 1)])), "buy_row names no buy"),
    "beyond the bid": (lambda b: b.settle(Stub(PAIR, [(0, 1, 10, 30, 30)])), "participant Ada: order 0"),
    "meter of a stranger": (lambda b: b.settle(GOOD, columns({"Zoe": 1})), "'Zoe' has no account"),
    "two readings": (
        lambda b: b.settle(GOOD, {"participant": ["Bo", "Bo"], "energy_wh": [1, 2]}),
        "participant Bo: two meter readings",
    ),
    "NaN reading": (
        lambda b: b.settle(GOOD, {"participant": ["Bo"], "energy_wh": [float("nan")]}),
        "column 'energy_wh', row 0 is NaN",
    ),
    "float reading": (lambda b: b.settle(GOOD, columns({"Bo": 1.5})), "energy_wh' is float64"),
    "null reading": (
        lambda b: b.settle(GOOD, pl.DataFrame({"participant": ["Ada", "Bo"], "energy_wh": [1, None]})),
        "column 'energy_wh', row 1 is null",
    ),
    "null member": (
        lambda b: b.settle(GOOD, pl.DataFrame({"participant": ["Ada", None], "energy_wh": [1, 2]})),
        "row 1 is null",
    ),
    "huge reading": (lambda b: b.settle(GOOD, columns({"Bo": 2**62})), "64 bits"),
    "a longer column": (
        lambda b: b.settle(GOOD, {"participant": ["Bo"], "energy_wh": [1, 2]}),
        "energy_wh has 2 rows, the others 1",
    ),
    "no energy": (lambda b: b.settle(GOOD, {"participant": ["Bo"]}), "no column 'energy_wh'"),
    "a meter that is no frame": (lambda b: b.settle(GOOD, 5), "meter is a int"),
    "naive time": (lambda b: b.advance(datetime.datetime(2026, 1, 1)), "no time zone"),
    "negative time": (lambda b: b.advance(-1), "not between 0"),
    "account of a stranger": (lambda b: b.account("Zoe"), "'Zoe' has no account"),
}


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_is_refused_whole(name: str) -> None:
    call, message = NONSENSE[name]
    house = bank(deposit=300)
    before = house.balances
    with pytest.raises(fc.SettlementError) as caught:
        call(house)
    assert message in str(caught.value)
    assert house.balances.equals(before)
    assert len(house.receipts()) == 0
    house.settle(GOOD)  # and the bank goes on


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: fc.Tariff(30.0, 5), "retail = 30.0 is no integer"),
        (lambda: fc.Tariff(30, 2**31), "feed_in = 2147483648 ticks"),
        (lambda: fc.Tariff(30, 5, tax_ppm=-1), "tax_ppm = -1"),
        (lambda: fc.Tariff(30, 5, tax_ppm=1_000_001), "tax_ppm = 1000001"),
        (lambda: fc.Tariff(30, 2**70), "does not fit 64 bits"),
        (lambda: fc.Tariff.from_ct_per_kwh(0.1, 5), "retail = 0.1 is a float"),
        (lambda: fc.Tariff.from_ct_per_kwh("ten", 5), "'ten' is no number"),
        (lambda: fc.Tariff.from_ct_per_kwh("NaN", 5), "'NaN' is no number"),
        (lambda: fc.Tariff.from_ct_per_kwh("0.00001", 5), "lies between two ticks"),
        (lambda: fc.Settlement("bank", tariff=fc.Tariff(1, 1)), "profile 'bank' is unknown"),
        (lambda: fc.Settlement(tariff=(1, 1)), "tariff is a tuple"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_set_up(make: Any, message: str) -> None:
    with pytest.raises(fc.SettlementError, match=message.replace("(", r"\(")):
        make()


def test_feed_in_may_be_above_retail() -> None:
    house = bank(Rates(5, 30, 0, 0, 0))
    house.settle([], {"participant": ["Ada", "Bo"], "energy_wh": [4, -4]})
    assert house.balances.filter(role="backstop")["posted"].item() == (5 - 30) * 4
    conserved(house)


def test_a_tariff_from_text_is_exact() -> None:
    made = fc.Tariff.from_ct_per_kwh("0.1", Decimal("8.2"), platform_fee=1, tax_percent="19.0001")
    assert made == fc.Tariff(1_000, 82_000, 10_000, 0, 190_001)
