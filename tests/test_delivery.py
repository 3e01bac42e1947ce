"""After delivery: every posting and bill against the same rules in exact fractions, and what each policy promises."""

from __future__ import annotations

import json
from collections import Counter
from copy import copy
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_bill import Deal, Rates, bills
from reference_delivery import Delivery, Row, TooLargeError, Trade

import fastclear as fc
from fastclear.orders import encode

NAMES = ["Ada", "Bo", "Cem", "Dana", "Eli"]
BIG = 2**31 - 1
OWNERS = ("backstop", "platform", "dso", "members")
CASES = Path(__file__).parent / "cases" / "settlement"

owners = st.sampled_from(OWNERS)
policies = st.one_of(
    st.builds(fc.Backup, residual_to=owners),
    st.just(fc.SinglePrice()),
    st.builds(fc.DualPrice, penalty=st.integers(0, 9), dead_band_wh=st.integers(0, 5), residual_to=owners),
    st.just(fc.Pooled()),
    st.builds(
        fc.ShortfallAllocation, rule=st.sampled_from(["buyer_made_whole", "buyer_pays_retail"]), residual_to=owners
    ),
)
ticks = st.integers(-9, 60) | st.sampled_from([0, 1, BIG, -BIG])
rates_of = st.builds(
    Rates,
    retail=ticks,
    feed_in=ticks,
    platform_fee=st.integers(-2, 3),
    network_fee=st.integers(0, 4),
    tax_ppm=st.sampled_from([0, 190_000, 333_333, 500_000, 1_000_000]),
)
readings = st.one_of(
    st.integers(-40, 40),
    st.sampled_from([0, 0, 7, -7, 10**9, -(10**9), 2**62, -(2**62), 2**63 - 1, 1 - 2**63]),
)


class Cleared:
    """Trades by hand: (buy row, sell row, quantity, buy, sell), prices over ``den``, or amounts over it if ``sums``."""

    def __init__(self, rows: Any, trades: Any, den: int = 1, *, sums: bool = False) -> None:
        frame = pl.DataFrame(rows, schema=["side", "participant", "price", "quantity", "market", "order"], orient="row")
        self.orders, self.den = encode(frame), den
        self.mechanism = SimpleNamespace(deficit_to="dso")
        buy_row, sell_row, quantity, buy, sell = np.array(trades, np.int64).reshape(-1, 5).T
        money = (0 * buy, 0 * sell, buy, sell) if sums else (buy, sell, buy * quantity, sell * quantity)
        names = ("buy_row", "sell_row", "quantity", "buy_price", "sell_price", "buy_amount", "sell_amount")
        self.trade_columns = dict(zip(names, (buy_row, sell_row, quantity, *money), strict=True))


class Slot:
    """One slot: the clearing, and its trades as the reference reads them."""

    def __init__(self, trades: list[tuple[str, str, int, int, int]], den: int = 1, *, sums: bool = False) -> None:
        """Trades are (buyer, seller, quantity, buy, sell); each has two orders of its own."""
        rows: list[Any] = []
        table = []
        self.trades, self.deals = [], []
        for buyer, seller, quantity, buy, sell in trades:
            at = len(rows)
            market = at % 3
            rows += [("buy", buyer, 0, quantity, market, at), ("sell", seller, 0, quantity, market, at + 1)]
            table.append((at, at + 1, quantity, buy, sell))
            paid, received = (Fraction(money * (1 if sums else quantity), den) for money in (buy, sell))
            price = 0 if sums or sell % den else sell // den
            self.trades.append(Trade(buyer, seller, quantity, paid, received, price, (market, at, at + 1)))
            self.deals.append(Deal(buyer, seller, quantity, 0, 0, paid, received))
        self.clearings = [Cleared(rows, table, den, sums=sums)] if trades else []

    @property
    def contract(self) -> Counter[str]:
        contract: Counter[str] = Counter()
        for trade in self.trades:
            contract[trade.buyer] += trade.quantity
            contract[trade.seller] -= trade.quantity
        return contract


prices = st.integers(-3, 40)
trades_of = st.lists(
    st.tuples(
        st.sampled_from(NAMES),
        st.sampled_from(NAMES),
        st.integers(1, 9) | st.integers(1, 40) | st.just(BIG),
        prices,
        prices,
    ),
    max_size=7,
)
slots = st.builds(Slot, trades_of, st.sampled_from([1, 2])) | st.builds(Slot, trades_of, st.just(2), sums=st.just(True))
lively_trades = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES), st.integers(1, 9), prices, prices), min_size=1, max_size=6
)
meters = st.dictionaries(st.sampled_from(NAMES), readings)
losses_of = st.just(0) | st.integers(0, 30) | st.sampled_from([10**9, 2**63 - 1])


def bank(rates: Rates, policy: Any) -> fc.Settlement:
    tariff = fc.Tariff(rates.retail, rates.feed_in, rates.platform_fee, rates.network_fee, rates.tax_ppm)
    new = fc.Settlement(tariff=tariff, imbalance=policy)
    new.open(NAMES)
    new.deposit(NAMES, 2**62)
    new.receipts()
    return new


def columns(meter: dict[str, int]) -> dict[str, list[Any]]:
    return {"participant": list(meter), "energy_wh": list(meter.values())}


def rows_of(frame: pl.DataFrame) -> list[Row]:
    """Postings as the reference tells them."""
    place = {seq: i for i, seq in enumerate(frame["seq"])}
    return [
        Row(
            *(row[name] for name in ("kind", "line", "payer", "payee", "quantity", "price", "amount")),
            (row["market"], row["buy_order"], row["sell_order"]),
            None if row["group"] == row["seq"] else place[row["group"]],
        )
        for row in frame.iter_rows(named=True)
    ]


def posted(house: fc.Settlement) -> dict[str, int]:
    return {role: int(money) for role, money in house.balances.select("role", "posted").rows() if role != "member"}


@st.composite
def lively(draw: st.DrawFn) -> tuple[Slot, dict[str, int]]:
    """All are metered: near the contract, at nothing, or with deviations that sum to 0, so that much is shared."""
    slot = Slot(draw(lively_trades), draw(st.sampled_from([1, 2])))
    contract = [slot.contract[name] for name in NAMES]
    around = st.lists(st.integers(-9, 9), min_size=5, max_size=5).map(
        lambda d: [c + x for c, x in zip(contract, d, strict=True)]
    )
    meter = draw(st.one_of(around, around, st.permutations(contract), st.just([0] * 5)))
    return slot, dict(zip(NAMES, meter, strict=True))


@settings(max_examples=300)
@given(policies, rates_of, slots, meters, losses_of, st.randoms())
def test_every_posting_and_every_bill(
    policy: Any, rates: Rates, slot: Slot, meter: dict[str, int], losses: int, random: Any
) -> None:
    settles_as_told(policy, rates, slot, meter, losses, random)


@settings(max_examples=500)
@given(policies, rates_of, lively(), st.just(0) | st.integers(0, 30), st.randoms())
def test_every_posting_where_all_are_metered(policy: Any, rates: Rates, both: Any, losses: int, random: Any) -> None:
    settles_as_told(policy, rates, *both, losses, random)


def settles_as_told(policy: Any, rates: Rates, slot: Slot, meter: dict[str, int], losses: int, random: Any) -> None:
    house = bank(rates, policy)
    plain = bank(rates, fc.Backup())
    losses = losses if slot.trades else 0
    try:
        expected = Delivery(rates, policy, slot.trades, meter, NAMES, losses)
    except TooLargeError:
        before = house.balances
        with pytest.raises(fc.SettlementError, match="64 bits"):
            house.settle(slot.clearings, columns(meter), losses=losses)
        assert house.balances.equals(before)
        return
    shuffled = list(meter.items())
    random.shuffle(shuffled)
    twin = copy(house)
    receipts = house.settle(slot.clearings, columns(meter), losses=losses)
    frame = receipts.frame
    trading = plain.settle(slot.clearings).frame
    assert frame[: len(trading)].equals(trading), "the policy touches no line of the trades"
    assert rows_of(frame[len(trading) :]) == expected.rows
    touched = {name for trade in slot.trades for name in (trade.buyer, trade.seller)} | set(meter)
    bill = expected.bill({name: bills(rates, slot.deals, {}).get(name, {}) for name in NAMES if name in touched})
    if all(abs(money) < 2**63 for lines in bill.values() for money in lines.values()):
        found = receipts.by_participant().drop("account").rows_by_key("participant", named=True, unique=True)
        assert {name: Counter(lines) for name, lines in found.items()} == bill
    else:
        with pytest.raises(fc.SettlementError, match="leaves 64 bits"):
            receipts.by_participant()
    noted = receipts.missing.select("participant", "contract_wh").rows()
    assert noted == [(name, slot.contract[name]) for name in NAMES if name in touched and name not in meter]
    assert house.balances["posted"].sum() == 0
    assert posted(house)["clearing"] == 0
    house.close_cycle()
    again = twin.settle(slot.clearings, columns(dict(shuffled)), losses=losses).columns
    assert all(again[name].tobytes() == column.tobytes() for name, column in receipts.columns.items())


# -- what each policy promises ------------------------------------------------------------------

plain_trades = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES), st.integers(1, 20)).map(lambda t: (*t, 7, 7)), max_size=6
)
everyone = st.fixed_dictionaries({name: st.integers(-40, 40) for name in NAMES})
fair = st.tuples(st.integers(0, 60), st.integers(0, 60)).map(lambda both: Rates(max(both), min(both), 0, 0, 0))


@settings(max_examples=200)
@given(policies, fair, st.builds(Slot, plain_trades), everyone, st.integers(0, 20))
def test_members_pay_the_grid_and_the_owners(
    policy: Any, rates: Rates, slot: Slot, meter: dict[str, int], losses: int
) -> None:
    """sum(net) = grid bill + residual, and each owner has its own."""
    house = bank(rates, policy)
    losses = losses if slot.trades else 0
    receipts = house.settle(slot.clearings, columns(meter), losses=losses)
    net = dict(receipts.by_participant().select("participant", "net").rows())
    contract = slot.contract
    if getattr(policy, "rule", None) == "buyer_pays_retail":
        for line in receipts.frame.filter(line="undelivered").iter_rows(named=True):
            contract[line["payee"]] -= line["quantity"]
            contract[line["payer"]] += line["quantity"]
    lost = dict(receipts.frame.filter(line="losses").select("payer", "quantity").rows())
    assert sum(lost.values()) == losses, "losses are shared whole"
    deviation = {name: energy + lost.get(name, 0) - contract[name] for name, energy in meter.items()}
    flow = sum(meter.values()) + losses
    grid_bill = rates.retail * max(flow, 0) - rates.feed_in * max(-flow, 0)
    lacking, left_over = (sum(max(0, sign * d) for d in deviation.values()) for sign in (1, -1))
    netting = (rates.retail - rates.feed_in) * min(lacking, left_over)
    assert netting >= 0
    owned = Counter(backstop=grid_bill)
    match policy:
        case fc.Backup() | fc.ShortfallAllocation():
            owned[policy.residual_to] += netting
        case fc.DualPrice():
            owned["backstop"] += netting
            owned[policy.residual_to] += policy.penalty * sum(
                max(0, abs(d - lost.get(name, 0)) - policy.dead_band_wh) for name, d in deviation.items()
            )
        case fc.Pooled():
            owned["rounding"] = posted(house)["rounding"]
            assert 0 <= owned["rounding"] < 2 * len(meter)
            assert not owned["rounding"] or (rates.retail + rates.feed_in) % 2
    del owned["members"]  # they have it back
    assert sum(net.values()) == sum(owned.values())
    assert {role: money for role, money in posted(house).items() if money and role != "boundary"} == {
        role: money for role, money in owned.items() if money
    }


@settings(max_examples=100)
@given(policies, fair, st.builds(Slot, plain_trades))
def test_who_keeps_to_the_contract_pays_the_contract(policy: Any, rates: Rates, slot: Slot) -> None:
    meter = {name: slot.contract[name] for name in NAMES}
    receipts = bank(rates, policy).settle(slot.clearings, columns(meter))
    assert set(receipts.frame["kind"]) <= {"reserve", "post", "trade", "meter"}
    assert dict(receipts.by_participant().select("participant", "net").rows()) == {
        name: 7 * energy for name, energy in meter.items()
    }


@settings(max_examples=100)
@given(
    st.lists(st.integers(1, 20), min_size=1, max_size=6),
    st.integers(0, 60),
    st.sampled_from(["buyer_made_whole", "buyer_pays_retail"]),
)
def test_a_seller_delivers_what_it_sold_or_generated(sold: list[int], generated: int, rule: Any) -> None:
    slot = Slot([(NAMES[1 + i % 4], "Ada", quantity, 7, 7) for i, quantity in enumerate(sold)])
    house = bank(Rates(30, 5, 0, 0, 0), fc.ShortfallAllocation(rule))
    frame = house.settle(slot.clearings, {"participant": ["Ada"], "energy_wh": [-generated]}).frame
    lacks = frame.filter(pl.col("line").is_in(["shortfall", "undelivered"]) & (pl.col("kind") == "imbalance"))
    gap = dict(lacks.select("buy_order", "quantity").rows())
    delivered = [quantity - gap.get(2 * i, 0) for i, quantity in enumerate(sold)]
    assert sum(delivered) == min(sum(sold), generated)
    for quantity, part in zip(sold, delivered, strict=True):
        assert abs(part - Fraction(quantity * min(sum(sold), generated), sum(sold))) < 1
    over = frame.filter(line="feed_in")["quantity"].sum()
    assert over == max(0, generated - sum(sold))


@settings(max_examples=100)
@given(rates_of, st.builds(Slot, plain_trades), everyone, owners)
def test_a_buyer_made_whole_is_the_bill_of_the_backup(
    rates: Rates, slot: Slot, meter: dict[str, int], owner: Any
) -> None:
    whole, backup = (
        bank(rates, policy).settle(slot.clearings, columns(meter)).by_participant()
        for policy in (fc.ShortfallAllocation("buyer_made_whole", owner), fc.Backup(owner))
    )
    assert whole.equals(backup)


def test_buyers_who_pay_retail_may_owe_more_than_they_reserved() -> None:
    house = fc.Settlement(tariff=fc.Tariff(30, 5), imbalance=fc.ShortfallAllocation("buyer_pays_retail"))
    house.open(["Ada", "Bo"])
    house.deposit("Ada", 100)
    orders = {"side": [1, 0], "price": [20, 20], "quantity": [5, 5], "participant": ["Ada", "Bo"]}
    assert not house.reserve(orders).any()
    house.settle(fc.clear(orders, fc.Uniform()), columns({"Ada": 5, "Bo": 0}))
    assert (house.available("Ada"), house.status["Ada"]) == (-50, "restricted")
    assert house.available("Bo") == 0


# -- readings that are missing ------------------------------------------------------------------


def test_a_trader_without_a_reading_is_noted_and_nothing_is_assumed() -> None:
    house = bank(Rates(30, 5, 0, 0, 0), fc.Backup())
    slot = Slot([("Ada", "Bo", 5, 7, 7), ("Cem", "Bo", 2, 7, 7)])
    receipts = house.settle(slot.clearings, columns({"Cem": 2, "Dana": 1}))
    meter = receipts.frame.filter(kind="meter").select("line", "payer", "quantity", "amount")
    assert meter.rows() == [
        (None, "Cem", 2, 0),
        (None, "Dana", 1, 0),
        ("missing", "Ada", 5, 0),
        ("missing", "Bo", -7, 0),
    ]
    assert receipts.missing.select("participant", "contract_wh").rows() == [("Ada", 5), ("Bo", -7)]
    assert receipts.missing.columns == ["seq", "participant", "contract_wh"]
    assert dict(receipts.by_participant().select("participant", "net").rows())["Bo"] == -49


@pytest.mark.parametrize(("meter", "noted"), [(None, 0), (columns({}), 2), (pl.DataFrame(columns({})), 2)])
def test_a_slot_without_meters_is_not_one_whose_readings_are_missing(meter: Any, noted: int) -> None:
    house = bank(Rates(30, 5, 0, 0, 0), fc.Backup())
    receipts = house.settle(Slot([("Ada", "Bo", 5, 7, 7)]).clearings, meter)
    assert len(receipts.missing) == noted
    assert receipts.missing.schema == {
        "seq": pl.UInt64,
        "participant": receipts.missing["participant"].dtype,
        "contract_wh": pl.Int64,
    }


def test_what_is_missing_is_found_again_in_a_ledger(tmp_path: Path) -> None:
    house = fc.Settlement(tariff=fc.Tariff(30, 6), imbalance=fc.Pooled())
    house.open(NAMES)
    house.deposit(NAMES, 1000)
    orders = {"side": [1, 0], "price": [7, 7], "quantity": [5, 5], "participant": ["Ada", "Bo"]}
    clearing = fc.clear(orders, fc.Uniform())
    ledger = fc.Ledger.open(tmp_path / "ledger", seed=1)
    ledger.seal(clearing, house.settle(clearing, columns({"Ada": 6, "Cem": -2})))
    noted = ledger.records(0).filter((pl.col("kind") == "meter") & (pl.col("code") == 1))
    assert noted.select("debit", "quantity").rows() == [(house.account("Bo"), -5)]
    fc.verify_directory(tmp_path / "ledger")


# -- losses -------------------------------------------------------------------------------------


def test_losses_are_shared_by_who_traded_as_if_metered() -> None:
    """5 Wh over 6 + 2 + 8 traded: 1.875, 0.625 and 2.5."""
    slot = Slot([("Ada", "Bo", 6, 7, 7), ("Cem", "Bo", 2, 7, 7)])
    house = bank(Rates(30, 5, 0, 0, 0), fc.Backup())
    receipts = house.settle(slot.clearings, columns({"Ada": 6, "Cem": 2, "Dana": 4}), losses=5)
    lost = receipts.frame.filter(line="losses").select("payer", "quantity", "amount")
    assert lost.rows() == [("Ada", 2, 0), ("Cem", 1, 0), ("Bo", 2, 0)]
    net = dict(receipts.by_participant().select("participant", "net").rows())
    assert net == {"Ada": 42 + 60, "Bo": -56, "Cem": 14 + 30, "Dana": 120}, "Bo's share is noted, and open"
    assert receipts.missing.select("participant", "contract_wh").rows() == [("Bo", -8)]


@pytest.mark.parametrize(
    ("trades", "losses"), [([], 1), ([("Ada", "Bo", 6, 7, 7)], -1), ([("Ada", "Bo", 6, 7, 7)], 1.0)]
)
def test_losses_that_cannot_be(trades: Any, losses: Any) -> None:
    house = bank(Rates(30, 5, 0, 0, 0), fc.Backup())
    before = house.balances
    with pytest.raises(fc.SettlementError, match="losses = "):
        house.settle(Slot(trades).clearings, columns({}), losses=losses)
    assert house.balances.equals(before)


# -- published cases ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "net"),
    [
        ("buyer_made_whole", None),
        # By hand: A pays 17 x 3 + 30 x 2, B 19 x 2 + 30 + 15 x 4; P has 17 x 3 + 19 x 2, R 15 x 4 + 8 x 2.
        ("buyer_pays_retail", {"A": 111, "B": 128, "P": -89, "R": -76}),
    ],
)
def test_p05_who_got_what(rule: Any, net: dict[str, int] | None) -> None:
    case = json.loads((CASES / "P05/case.json").read_text())
    stated, expected = case["inputs"], case["expected"]
    rows: list[Any] = []
    for trade in stated["trades"]:
        for side in ("buy", "sell"):
            rows.append((side, trade[side], trade["price"], trade["qty"], 0, len(rows)))
    table = [
        (2 * i, 2 * i + 1, trade["qty"], trade["price"], trade["price"]) for i, trade in enumerate(stated["trades"])
    ]
    house = fc.Settlement(tariff=fc.Tariff(stated["retail"], stated["feed_in"]), imbalance=fc.ShortfallAllocation(rule))
    bought = Counter(A=0, B=0)
    for trade in stated["trades"]:
        bought[trade["buy"]] += trade["qty"]
    meter = bought | {name: -energy for name, energy in stated["metered_generation"].items()}
    house.open(list(meter))
    house.deposit(list(bought), 1000)
    receipts = house.settle(Cleared(rows, table), columns(meter))
    lacks = {
        (row["buy_order"], row["sell_order"]): row["quantity"]
        for row in receipts.frame.iter_rows(named=True)
        if row["line"] in ("shortfall", "undelivered")
    }
    allocation = [
        {
            "buy": trade["buy"],
            "sell": trade["sell"],
            "contracted": trade["qty"],
            "delivered": trade["qty"] - lacks.get((2 * i, 2 * i + 1), 0),
        }
        for i, trade in enumerate(stated["trades"])
    ]
    assert allocation == expected["allocation"]
    top_up: Counter[str] = Counter()
    for trade in allocation:
        top_up[trade["buy"]] += trade["contracted"] - trade["delivered"]
    assert top_up == expected["topup_from_grid"]
    assert dict(receipts.by_participant().select("participant", "net").rows()) == (net or expected["net_payment"])
    assert posted(house)["backstop"] == expected["grid_bill"]
