"""Money that is no price times quantity: halves, sums, deficits, through bank, bill and ledger."""

from __future__ import annotations

import pickle
import struct
from collections import defaultdict
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_bill import LINES, Deal, Rates, bills

import fastclear as fc
from fastclear import light_client
from fastclear.orders import encode

NAMES = ["Ada", "Bo", "Cem", "Dana"]
RICH = 10**12


class Cleared:
    """A clearing by hand: trades as rows of (buy_row, sell_row, quantity, buy, sell).

    ``buy`` and ``sell`` are prices a unit over ``den``, or whole amounts over ``den`` if ``sums``.
    """

    def __init__(
        self, rows: Any, trades: Any, *, den: int = 1, sums: bool = False, deficit_to: str = "platform"
    ) -> None:
        frame = pl.DataFrame(rows, schema=["side", "participant", "price", "quantity", "market", "order"], orient="row")
        self.orders = encode(frame)
        self.reject = np.zeros(self.orders.n, np.uint16)
        self.den = den
        self.mechanism = SimpleNamespace(deficit_to=deficit_to)
        table = np.array(trades, np.int64).reshape(-1, 5)
        buy_row, sell_row, quantity, buy, sell = table.T
        money = (0 * buy, 0 * sell, buy, sell) if sums else (buy, sell, buy * quantity, sell * quantity)
        self.trade_columns = {
            "market": self.orders.market[buy_row],
            "buy_row": buy_row,
            "sell_row": sell_row,
            "buy_order": self.orders.order[buy_row],
            "sell_order": self.orders.order[sell_row],
            "quantity": quantity,
            **dict(zip(("buy_price", "sell_price", "buy_amount", "sell_amount"), money, strict=True)),
        }


def bank(tariff: fc.Tariff, deposit: int = RICH) -> fc.Settlement:
    new = fc.Settlement(tariff=tariff)
    new.open(NAMES)
    new.deposit(NAMES, deposit)
    return new


def posted(house: fc.Settlement) -> dict[str, int]:
    rows = house.balances.filter(pl.col("role") != "member").select("role", "posted").rows()
    return {role: int(amount) for role, amount in rows}


# -- by hand -----------------------------------------------------------------------------------

FREE = fc.Tariff(0, 0)
PAIR = [("buy", "Ada", 20, 3, 1, 1), ("sell", "Bo", 10, 3, 1, 2)]


def test_a_half_unit_goes_to_rounding_and_is_part_of_the_buyers_price() -> None:
    house = bank(FREE)
    receipts = house.settle(Cleared(PAIR, [(0, 1, 3, 31, 31)], den=2))
    assert receipts.frame.filter(kind="trade").select("line", "price", "amount").rows() == [("sum", 0, 46)]
    assert receipts.frame.filter(kind="fee").select("line", "payee", "amount").rows() == [("rounding", "rounding", 1)]
    assert dict(receipts.by_participant().select("participant", "net").rows()) == {"Ada": 47, "Bo": -46}
    assert posted(house)["rounding"] == 1


@pytest.mark.parametrize("account", ["platform", "dso", "backstop"])
def test_a_deficit_is_paid_by_the_account_of_the_mechanism(account: str) -> None:
    house = bank(FREE)
    receipts = house.settle(Cleared(PAIR, [(0, 1, 3, 40, 55)], sums=True, deficit_to=account))
    fees = receipts.frame.filter(kind="fee").select("line", "payer", "payee", "amount").rows()
    assert fees == [("deficit", account, "clearing", 15)]
    assert {role: money for role, money in posted(house).items() if money and role != "boundary"} == {account: -15}
    assert receipts.by_participant()["net"].to_list() == [40, -55]


def test_an_account_that_pays_no_deficits_is_refused() -> None:
    with pytest.raises(fc.SettlementError, match="deficit_to='tax'"):
        bank(FREE).settle(Cleared(PAIR, [(0, 1, 3, 40, 55)], sums=True, deficit_to="tax"))
    with pytest.raises(fc.SettlementError, match="money over 3"):
        bank(FREE).settle(Cleared(PAIR, [(0, 1, 3, 40, 40)], den=3))
    wrong = Cleared(PAIR, [(0, 1, 3, 10, 10)])
    wrong.pays_sums = False  # type: ignore[attr-defined]
    wrong.trade_columns["buy_amount"] = np.array([31])
    with pytest.raises(fc.SettlementError, match="an amount is not price"):
        bank(FREE).settle(wrong)


def test_a_sum_is_held_against_the_cover_of_its_order() -> None:
    for amount in (60, 61):
        house = bank(FREE)
        clearing = Cleared(PAIR, [(0, 1, 3, amount, 10)], sums=True)
        assert not house.reserve(clearing.orders).any()
        if amount > 20 * 3:
            with pytest.raises(fc.SettlementError, match="order 1 owes 61 nano-currency, more than the 60 reserved"):
                house.settle(clearing)
        else:
            house.settle(clearing)


# -- whole histories ---------------------------------------------------------------------------

rates_of = st.builds(
    Rates,
    retail=st.integers(-5, 60),
    feed_in=st.integers(-5, 30),
    platform_fee=st.integers(-2, 3),
    network_fee=st.integers(0, 4),
    tax_ppm=st.sampled_from([0, 190_000, 333_333, 500_000, 1_000_000]),
)


@st.composite
def clearings(draw: st.DrawFn, first_order: int) -> tuple[Cleared, list[Deal]]:
    """Orders of four members in two markets, and trades no bid of which is paid above its limit, in one of the ways
    in which mechanisms pay: whole ticks, half ticks, or sums (of the second-price kind, with or without halves)."""
    den, sums = draw(st.sampled_from([1, 2])), draw(st.booleans())
    buys = draw(st.lists(st.tuples(st.integers(0, 2), st.integers(-3, 40), st.integers(1, 9), st.integers(0, 1))))
    rows = [("buy", NAMES[m], p, q, market, first_order + i) for i, (m, p, q, market) in enumerate(buys)]
    rows += [("sell", "Dana", 0, 1, market, first_order + 100 + market) for market in (0, 1)]
    left, table = [q for _, _, q, _ in buys], []
    for buy in draw(st.lists(st.integers(0, max(0, len(buys) - 1)), max_size=8)) if buys else []:
        if left[buy]:
            quantity = draw(st.integers(1, left[buy]))
            left[buy] -= quantity
            price = buys[buy][1] * den - draw(st.integers(0, 9))
            table.append([buy, len(buys) + buys[buy][3], quantity, price, price - draw(st.integers(-3, 3))])
    if sums:
        groups: dict[object, list[int]] = defaultdict(list)
        for row, trade in enumerate(table):
            trade[4] = trade[4] * trade[2] + draw(st.integers(-5, 5))
            groups[rows[trade[0]][1], rows[trade[0]][4]].append(row)
        for mine in groups.values():
            # What a member pays for a market is at most its lowest bid that traded a unit; divided by quantity.
            lots, upto = sum(table[row][2] for row in mine), 0
            total = min(table[row][3] for row in mine) * lots - draw(st.integers(0, 9))
            for row in mine:
                before, upto = upto, upto + table[row][2]
                table[row][3] = total * upto // lots - total * before // lots
    deals = []
    for buy, sell, quantity, paid, got in table:
        lots = 1 if sums else quantity
        money = Fraction(paid * lots, den), Fraction(got * lots, den)
        deals.append(Deal(rows[buy][1], rows[sell][1], quantity, 0, 0, *money))
    deficit_to = draw(st.sampled_from(["platform", "dso", "backstop"]))
    return Cleared(rows, table, den=den, sums=sums, deficit_to=deficit_to), deals


@settings(max_examples=80, deadline=None)
@given(st.data(), rates_of)
def test_histories_of_every_kind_of_money(data: st.DataObject, rates: Rates) -> None:
    tariff = fc.Tariff(rates.retail, rates.feed_in, rates.platform_fee, rates.network_fee, rates.tax_ppm)
    house, ledger, slots = bank(tariff), fc.Ledger(seed=3), data.draw(st.integers(1, 4))
    for slot in range(slots):
        cleared, deals = [], []
        for part in range(data.draw(st.integers(1, 2))):
            clearing, more = data.draw(clearings(1000 * (2 * slot + part)))
            cleared.append(clearing)
            deals += more
        if data.draw(st.booleans()):
            for clearing in cleared:
                assert not house.reserve(clearing.orders).any()
        meter = data.draw(st.dictionaries(st.sampled_from(NAMES), st.integers(-30, 30)))
        accounts = posted(house)
        receipts = house.settle(cleared, {"participant": list(meter), "energy_wh": list(meter.values())})
        bill = {row["participant"]: row for row in receipts.by_participant().iter_rows(named=True)}
        expected = bills(rates, deals, meter)
        assert {name: {line: row[line] for line in LINES} for name, row in bill.items()} == expected
        assert house.balances["posted"].sum() == 0
        now = posted(house)
        assert now["clearing"] == 0
        assert house.balances["pending_out"].sum() == 0
        gained = sum(now[role] - accounts[role] for role in now if role != "boundary")
        assert gained == sum(sum(lines.values()) for lines in expected.values()), "to the last unit"
        # Every market: what buyers pay is what sellers receive, its surplus or deficit, and the halves.
        exact = sum(Fraction(deal.buy_money or 0) - Fraction(deal.sell_money or 0) for deal in deals)
        spread = dict.fromkeys(("spread", "deficit", "rounding"), 0)
        for line, payer, amount in receipts.frame.filter(kind="fee").select("line", "payer", "amount").rows():
            if line in spread:
                spread[line] += amount if payer == "clearing" else -amount
        assert 0 <= spread["rounding"] <= len(deals)
        paid = sum(lines["energy"] for lines in expected.values())
        assert sum(spread.values()) == paid, "buyers' energy less sellers'"
        assert 0 <= paid - exact <= len(deals)
        block = ledger.seal(cleared, receipts, slot=slot)
        assert block.records == len(receipts)
    house.close_cycle()
    assert pickle.loads(pickle.dumps(ledger)).head == ledger.head, "reading a ledger verifies it"


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_plain_blocks_hold_every_kind_of_money(data: st.DataObject) -> None:
    ledger = fc.Ledger(seed=3)
    for slot in range(2):
        clearing, deals = data.draw(clearings(0))
        ledger.seal(clearing, slot=slot)
        frame = ledger.records(slot)
        assert frame.filter(kind="trade").height == len(deals)
        signed = [0] * len(deals)
        trades = frame.filter(kind="trade")["seq"].to_list()
        received = []
        for row in frame.iter_rows(named=True):
            negative = row["price"] < 0 or (row["kind"], row["code"]) in (("trade", 3), ("fee", 5))
            amount = -row["amount"] if negative else row["amount"]
            signed[trades.index(row["group"])] += amount
            if row["kind"] == "trade":
                received.append(amount)
        assert received == [deal.received for deal in deals]
        assert signed == [deal.paid for deal in deals], "every line together is what the buyer pays"
    assert pickle.loads(pickle.dumps(ledger)).head == ledger.head


# -- every mechanism ---------------------------------------------------------------------------

MECHANISMS = [
    fc.Uniform(),
    fc.Uniform(price_rule="last_pair_midpoint", price_round=None),
    fc.Uniform(fee=3),
    fc.Discriminatory(spread_to="operator"),
    fc.MaximalVolume(),
    fc.RandomMatching(seed=1),
    fc.Vickrey(),
    fc.Vickrey(deficit_to="dso"),
    fc.Vickrey(deficit_to="backstop"),
    fc.TradeReduction(),
    fc.Huang(),
    fc.Sbba(seed=1),
    fc.Average(),
    fc.Muda(seed=1),
    fc.Muda(variant="vickrey", seed=2),
    fc.MultiRound(buyer_step=3, seller_step=3),
]
ONE_UNIT = (fc.TradeReduction, fc.Sbba, fc.Average)


@st.composite
def books(draw: st.DrawFn, rule: object) -> pl.DataFrame:
    """Orders of many members in two markets; buyers of several orders, who never sell."""
    unit, single = isinstance(rule, ONE_UNIT), isinstance(rule, (*ONE_UNIT, fc.Huang))
    n = draw(st.integers(2, 14))
    sides = draw(st.lists(st.sampled_from(["buy", "sell"]), min_size=n, max_size=n))
    rows = []
    for row, side in enumerate(sides):
        member = row if single else draw(st.integers(0, 3))
        price, start = draw(st.integers(-4, 40)), draw(st.integers(0, 5))
        begin = price - start if side == "buy" else price + start
        rows.append(
            (
                side,
                f"{side}{member}",
                price,
                1 if unit else draw(st.integers(1, 9)),
                draw(st.integers(0, 1)),
                row,
                begin,
            )
        )
    names = ["side", "participant", "price", "quantity", "market", "order", "start_price"]
    frame = pl.DataFrame(rows, schema=names, orient="row")
    return frame if isinstance(rule, fc.MultiRound) else frame.drop("start_price")


@settings(max_examples=60, deadline=None)
@given(st.data(), rates_of)
def test_histories_of_every_mechanism(data: st.DataObject, rates: Rates) -> None:
    """Members who can pay their bids and no more; each keeps to what it reserved, and no unit is lost."""
    tariff = fc.Tariff(rates.retail, rates.feed_in, rates.platform_fee, rates.network_fee, rates.tax_ppm)
    house, ledger = fc.Settlement(tariff=tariff), fc.Ledger(seed=3)
    names = [f"{side}{member}" for side in ("buy", "sell") for member in range(14)]
    house.open(names)
    ledger.seal(None, house.receipts(), slot=0)
    for slot in range(data.draw(st.integers(1, 4))):
        cleared, deals = [], []
        for part in range(data.draw(st.integers(1, 2))):
            rule = data.draw(st.sampled_from(MECHANISMS))
            book = data.draw(books(rule)).with_columns(pl.col("order") + 100 * part)
            for member, *bids in book.filter(side="buy").group_by("participant").agg("price", "quantity").rows():
                for price, quantity in zip(*bids, strict=True):
                    unit = price + rates.platform_fee + rates.network_fee
                    tax = -(-unit * rates.tax_ppm // 10**6)
                    house.deposit(member, max(0, (unit + tax) * quantity))
            assert not house.reserve(book).any(), "a deposit of the cover is enough"
            clearing = fc.clear(book, rule)
            cleared.append(clearing)
            columns, people = clearing.trade_columns, book["participant"].to_list()
            names_of = ("buy_row", "sell_row", "quantity", "buy_amount", "sell_amount")
            for buy, sell, quantity, pays, gets in zip(*(columns[name].tolist() for name in names_of), strict=True):
                money = Fraction(pays, clearing.den), Fraction(gets, clearing.den)
                deals.append(Deal(people[buy], people[sell], quantity, 0, 0, *money))
        before = posted(house)
        receipts = house.settle(cleared)
        expected = bills(rates, deals, {})
        found = {
            row["participant"]: {line: row[line] for line in LINES}
            for row in receipts.by_participant().iter_rows(named=True)
        }
        assert found == expected
        now = {role: money - before[role] for role, money in posted(house).items()}
        surplus = sum(sum(clearing.market_columns["surplus"].tolist()) / Fraction(clearing.den) for clearing in cleared)
        lots = sum(deal.quantity for deal in deals)
        taxes = sum(lines["tax"] for lines in expected.values())
        assert now["clearing"] == 0
        assert now["tax"] == taxes
        platform = now["platform"] + now["dso"] + now["backstop"] + now["rounding"]
        assert 0 <= platform - surplus - lots * (rates.platform_fee + rates.network_fee) <= len(deals), "but for halves"
        assert 0 <= now["rounding"] <= len(deals)
        assert house.balances["pending_out"].sum() == 0
        assert house.balances["posted"].sum() == 0
        ledger.seal(cleared, receipts, slot=slot)
    house.close_cycle()
    assert pickle.loads(pickle.dumps(ledger)).head == ledger.head


@pytest.mark.parametrize("account", ["platform", "dso", "backstop"])
def test_the_deficit_of_vickrey_is_that_of_the_clearing(account: str) -> None:
    book = {
        "side": ["buy", "buy", "sell", "sell"],
        "price": [50, 10, 20, 60],
        "quantity": [4, 4, 4, 4],
        "participant": NAMES,
    }
    clearing = fc.clear(book, fc.Vickrey(deficit_to=account))
    deficit = int(clearing.market_columns["surplus"][0])
    assert deficit == (20 - 50) * 4
    house = bank(FREE)
    assert not house.reserve(book).any()
    house.settle(clearing)
    assert posted(house)[account] == deficit
    assert {role for role, money in posted(house).items() if money} == {account, "boundary"}


def test_a_block_that_pays_above_its_limit_in_one_hour() -> None:
    """Limit 40 twice, prices 45 and 30: within the block's limits, beyond one row's cover."""
    book = {
        "market": [1, 1, 2, 2],
        "side": ["buy", "sell", "buy", "sell"],
        "price": [40, 45, 40, 30],
        "quantity": [5, 9, 5, 9],
        "participant": ["Ada", "Bo", "Ada", "Bo"],
    }
    clearing = fc.clear({**book, "block": ["K", None, "K", None]}, fc.Blocks())
    reserved, direct = bank(FREE), bank(FREE)
    reserved.reserve(book)
    before = reserved.balances
    with pytest.raises(fc.SettlementError, match="owes 225 nano-currency, more than the 200 reserved"):
        reserved.settle(clearing)
    assert reserved.balances.equals(before)
    assert direct.settle(clearing).by_participant()["net"].to_list() == [375, -375]


# -- bytes -------------------------------------------------------------------------------------


def test_the_bytes_of_sums_are_where_the_format_says() -> None:
    """Half a tick: 2 Wh at 15.5; a sum that the seller pays; a deficit."""
    rows = [("buy", "Ada", 20, 9, 7, 1), ("sell", "Bo", 10, 9, 7, 2)]
    ledger = fc.Ledger(seed=5)
    halves = Cleared(rows, [(0, 1, 3, 31, 31)], den=2)
    sums = Cleared(rows, [(0, 1, 3, -8, -5)], sums=True)
    block = ledger.seal([halves, sums], slot=0)
    expected = [  # kind, code, seq, price, amount, group
        (1, 2, 0, 0, 46, 0),
        (11, 4, 1, 0, 1, 0),
        (1, 3, 2, 0, 5, 2),
        (11, 5, 3, 0, 3, 2),
    ]
    for index, (kind, code, seq, price, amount, group) in enumerate(expected):
        leaf = ledger.prove(0, index).leaf
        head = struct.pack("<4BHH", 0xFC, 1, kind, 0, code, 0)
        assert leaf[:96] == head + struct.pack("<7Q", seq, seq, 7, 1, 2, 0, 0) + struct.pack(
            "<qqqQ", 3, price, amount, group
        )
    # The golden hash: whoever changes it has changed the format.
    assert block.records_root == "2884765c8269194b41a3e623f0e345ab75c642f97bd19bf66250328929d67977"


def test_the_light_client_reads_sums(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = fc.Ledger(seed=5)
    ledger.seal([Cleared(PAIR, [(0, 1, 3, 31, 31)], den=2), Cleared(PAIR, [(0, 1, 3, 20, 20)])], slot=0)
    (tmp_path / "proof.json").write_text(ledger.prove(0, 0).to_json())
    assert light_client.main([str(tmp_path / "proof.json")]) == 0
    assert "3 Wh in one sum, 46 nano-currency" in capsys.readouterr().out
    (tmp_path / "proof.json").write_text(ledger.prove(0, 2).to_json())
    assert light_client.main([str(tmp_path / "proof.json")]) == 0
    assert "3 Wh at 20 ticks, 60 nano-currency" in capsys.readouterr().out


def sealed_by_a_liar(record: bytes) -> tuple[fc.Proof, bytes]:
    """A block that holds this one record, with a header that fits it."""
    entry = record + bytes(16)
    block = fc.Ledger(seed=1).seal(Cleared(PAIR, [(0, 1, 3, 20, 20)]), slot=0)
    header = block.header[:112] + light_client.leaf_hash(entry) + block.header[144:]
    return fc.Proof(entry, 0, (), header, 1, light_client.leaf_hash(header), ()), header


@pytest.mark.parametrize(
    ("code", "price", "amount", "why"),
    [
        (0, 20, 60, None),
        (0, 20, 61, "amount is not"),
        (0, 0, 61, "amount is not"),
        (6, 20, 61, "amount is not"),
        (1, 0, 61, None),
        (2, 0, 61, None),
        (3, 0, 61, None),
        (4, 0, 61, None),
        (5, 0, 61, None),
        (2, 20, 60, "a sum with a price"),
        (3, 20, 60, "a sum with a price"),
        (4, 20, 61, "a sum with a price"),
        (5, 20, 60, "a sum with a price"),
    ],
)
def test_what_a_sealed_trade_may_say(code: int, price: int, amount: int, why: str | None) -> None:
    head = struct.pack("<4BHH", 0xFC, 1, 1, 0, code, 0)
    record = head + bytes(56) + struct.pack("<qqqQ", 3, price, amount, 0)
    proof, header = sealed_by_a_liar(record)
    assert fc.verify(proof.leaf, proof, header) == (why is None)
    if why is not None:
        with pytest.raises(light_client.Refused, match=why):
            light_client.check_leaf(proof.leaf, 0, [], header)
