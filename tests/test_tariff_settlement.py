"""A bank under a tariff plan: the slot of a call, network fees by zone, tax by line, shares of fees."""

from __future__ import annotations

import copy
import itertools
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import reference_tariff as oracle
from hypothesis import given
from hypothesis import strategies as st
from test_golden_slot import ASKS, BIDS, ESSENTIAL, book, cleared, community, meter, tariff

import fastclear as fc
from fastclear.orders import encode

SLOT = datetime(2026, 7, 1, 12, tzinfo=UTC)
SLOT_NS = int(SLOT.timestamp()) * 10**9
LINES = [*oracle.LINES]
NAMES = ["Ada", "Bo", "Cem", "Dana", "Eli"]


class Cleared:
    """A clearing by hand: (side, participant, price, quantity) an order, (buy_row, sell_row, lots, price) a trade."""

    def __init__(self, orders: Any, trades: Any) -> None:
        frame = pl.DataFrame(orders, schema=["side", "participant", "price", "quantity"], orient="row")
        self.orders = encode(frame)
        table = np.array(trades, np.int64).reshape(-1, 4)
        names = ("buy_row", "sell_row", "quantity", "buy_price")
        self.trade_columns = {name: table[:, i] for i, name in enumerate(names)}
        self.trade_columns["sell_price"] = self.trade_columns["buy_price"]


def plan(*versions: dict[str, Any], **fields: Any) -> fc.TariffPlan:
    """A plan of these versions, in UTC, since 2020."""
    base = {"since": "2020-01-01", "retail": "30", "feed_in": "5"}
    return fc.TariffPlan(
        **{"name": "p", "time_zone": "UTC", "versions": [base | v for v in versions] or [base]} | fields
    )


def text(ticks: int) -> str:
    return str(Decimal(ticks) / 10_000)


def house_of(bank: fc.Settlement) -> dict[str, int]:
    rows = bank.balances.filter(pl.col("role") != "member").select("role", "posted").rows()
    return {role: int(amount) for role, amount in rows if role != "boundary" and amount}


def same(one: fc.Receipts, other: fc.Receipts) -> bool:
    return all(np.array_equal(one.columns[name], other.columns[name]) for name in one.columns)


# -- a plan of one price is the flat tariff --------------------------------------------------------------

GOLDEN = plan(
    {"platform_fee": "0.5", "network_fee": "2"},
    taxes=[{"since": "2020-01-01", "percent": 20}],
    zones={"a": ["B1", "S1"]},
)


def test_the_golden_slot_as_a_plan_makes_the_same_postings() -> None:
    flat, planned = community(tariff()), community(GOLDEN)  # type: ignore[arg-type]
    for orders in (book(ESSENTIAL, {}), book(BIDS, ASKS)):
        assert flat.reserve(orders).tolist() == planned.reserve(orders, slot=SLOT).tolist()
    one, other = flat.settle(cleared(), meter()), planned.settle(cleared(), meter(), slot=SLOT_NS)
    assert len(one) == len(other) > 60
    assert same(one, other)
    assert flat.balances.equals(planned.balances)


def test_a_flat_tariff_has_no_use_for_the_slot() -> None:
    flat, named = community(tariff()), community(tariff())
    for bank, slots in ((flat, (None, None)), (named, (SLOT, SLOT_NS + 10**9))):
        bank.reserve(book(BIDS, ASKS), slot=slots[0])
        bank.settle(cleared()[1], meter(), slot=slots[1])
    assert same(flat.last_receipts, named.last_receipts)  # type: ignore[arg-type]


def test_a_plan_wants_to_know_the_slot() -> None:
    bank = community(GOLDEN)  # type: ignore[arg-type]
    before = bank.balances
    for call in (lambda: bank.reserve(book(BIDS, ASKS)), lambda: bank.settle([], meter())):
        with pytest.raises(
            fc.SettlementError, match=r"the plan 'p', which depends on the slot; say which one with slot="
        ):
            call()
    for slot, message in ((datetime(2026, 1, 1), "no time zone"), (0, "begins on 2020-01-01"), ("x", "is a str")):
        with pytest.raises(fc.SettlementError, match=message):
            bank.settle([], meter(), slot=slot)  # type: ignore[arg-type]
    assert bank.balances.equals(before)
    with pytest.raises(fc.SettlementError, match=r"tariff is a dict; give a fc.Tariff or a fc.TariffPlan"):
        fc.Settlement(tariff={})  # type: ignore[arg-type]


# -- each reservation has its slot -----------------------------------------------------------------------

DEAR = plan(
    {"retail": {"noon": "50", "otherwise": "30"}, "platform_fee": {"noon": "4", "otherwise": "1"}},
    windows={"noon": {"hours": ["12:00-13:00"]}},
)
PAIR = [("buy", "Ada", 200, 10), ("sell", "Bo", 100, 10)]


def two_members(tariff: Any, deposit: int = 10**9, **kwargs: Any) -> fc.Settlement:
    bank = fc.Settlement(tariff=tariff)
    bank.open(["Ada", "Bo"], **kwargs)
    bank.deposit("Ada", deposit)
    bank.receipts()
    return bank


@pytest.mark.parametrize("cheap_first", [True, False])
@pytest.mark.parametrize("settle_first", [0, 1])
def test_two_slots_open_at_once_have_their_own_prices(cheap_first: bool, settle_first: int) -> None:
    """Orders of the same names: each slot draws the reservation that was made for it."""
    slots = {SLOT: 40_000, SLOT + timedelta(hours=1): 10_000}
    bank = two_members(DEAR)
    order = sorted(slots, reverse=cheap_first)
    for slot in order:
        assert bank.reserve(Cleared(PAIR, []).orders, slot=slot).tolist() == [0, 0]
    held = 10**9 - bank.available("Ada")
    assert held == 10 * (200 + 40_000) + 10 * (200 + 10_000)
    for slot in (order[settle_first], order[1 - settle_first]):
        before, available = bank.balances, bank.available("Ada")
        receipts = bank.settle(Cleared(PAIR, [(0, 1, 10, 150)]), slot=slot)
        assert receipts.frame.filter(kind="fee").select("price", "amount").rows() == [(slots[slot], 10 * slots[slot])]
        assert bank.available("Ada") == available + 10 * (200 - 150)
        released = (
            before.filter(participant="Ada")["pending_out"][0]
            - bank.balances.filter(participant="Ada")["pending_out"][0]
        )
        assert released == 10 * (200 + slots[slot])
    assert bank.available("Ada") == 10**9 - 10 * (150 + 40_000) - 10 * (150 + 10_000)


def test_an_order_is_settled_in_the_slot_it_was_reserved_for() -> None:
    bank = two_members(DEAR)
    bank.reserve(Cleared(PAIR, []).orders, slot=SLOT)
    before = bank.balances
    with pytest.raises(
        fc.SettlementError, match=rf"order 0 was reserved for the slot {SLOT_NS} ns .* settle it in its own slot"
    ):
        bank.settle(Cleared(PAIR, [(0, 1, 10, 150)]), slot=SLOT + timedelta(hours=1))
    assert bank.balances.equals(before)
    twin = copy.copy(bank)
    for house in (bank, twin):
        house.settle(Cleared(PAIR, [(0, 1, 10, 150)]), slot=SLOT)
    assert bank.balances.equals(twin.balances)
    # without a reservation anywhere it pays on the spot
    bank.settle(Cleared(PAIR, [(0, 1, 10, 150)]), slot=SLOT + timedelta(hours=1))
    assert bank.available("Ada") == 10**9 - 10 * (150 + 40_000) - 10 * (150 + 10_000)


def test_several_reservations_of_one_name_and_slot_are_drawn_oldest_first() -> None:
    bank = two_members(DEAR)
    other = SLOT + timedelta(hours=1)
    for slot, quantity in ((other, 3), (SLOT, 4), (SLOT, 5)):
        bank.reserve(Cleared([("buy", "Ada", 200, quantity)], []).orders, slot=slot)
    first = bank.settle([Cleared(PAIR, [(0, 1, 4, 200)])], slot=SLOT)
    assert first.frame.filter(kind="post")["amount"].to_list() == [4 * 40_200]
    assert 10**9 - bank.available("Ada") == 4 * 40_200 + 5 * 40_200 + 3 * 10_200


def test_the_meter_is_priced_by_the_slot() -> None:
    bank = two_members(DEAR)
    for slot, retail in ((SLOT, 500_000), (SLOT + timedelta(hours=1), 300_000), (SLOT - timedelta(minutes=1), 300_000)):
        receipts = bank.settle([], {"participant": ["Ada", "Bo"], "energy_wh": [7, -3]}, slot=slot)
        assert dict(receipts.by_participant().select("participant", "net").rows()) == {
            "Ada": 7 * retail,
            "Bo": -3 * 50_000,
        }


# -- network fees by zone --------------------------------------------------------------------------------

ZONED = plan(
    {
        "network_fee": {"noon": "3", "otherwise": "2"},
        "local_discount_percent": "60",
        "zone_pairs": [{"buyer": "north", "seller": "south", "network_fee": {"noon": "-0.1", "otherwise": "0.7"}}],
    },
    windows={"noon": {"hours": ["12:00-13:00"]}},
    zones={"north": ["Ada"], "south": [7, "Cem"]},
)


def test_each_pair_of_zones_pays_its_fee() -> None:
    bank = fc.Settlement(tariff=ZONED)
    bank.open(["Ada", "Bo"])
    bank.open([7, "7", 8])
    bank.open(["Dana", "Cem"], zone="south")
    bank.deposit(["Ada", "Bo", 7, "7", 8, "Dana", "Cem"], 10**9)
    zones = {"Ada": "north", "Bo": None, 7: "south", "7": None, 8: None, "Dana": "south", "Cem": "south"}
    fees = {
        ("north", "south"): (-1_000, 7_000),
        ("south", "south"): (12_000, 8_000),
        ("north", "north"): (12_000, 8_000),
    }
    for (buyer, seller), noon in itertools.product(itertools.permutations(zones, 2), (True, False)):
        if type(buyer) is not type(seller):  # a column holds text or integers
            continue
        slot = SLOT if noon else SLOT + timedelta(hours=1)
        clearing = Cleared([("buy", buyer, 200, 10), ("sell", seller, 100, 10)], [(0, 1, 10, 150)])
        receipts = bank.settle(clearing, slot=slot)
        fee = fees.get((zones[buyer], zones[seller]), (30_000, 20_000))[not noon]
        lines = receipts.frame.filter(kind="fee")
        assert lines.select("line", "price").rows() == [("network", fee)], (buyer, seller)
        assert lines["amount"][0] == abs(10 * fee)
        assert (lines["payee"][0] == "dso") == (fee > 0)
    frame = ZONED.network_fees(SLOT)
    assert frame.height == 9
    assert frame.filter(buyer="north", seller="south")["network_fee"].to_list() == [-1_000]
    assert frame.filter(pl.col("buyer").is_null())["network_fee"].to_list() == [30_000] * 3


def test_zones_are_given_once() -> None:
    bank = fc.Settlement(tariff=ZONED)
    for zone, message in (
        ("south", "participant 'Ada' is in zone north by the plan, not in south; name one"),
        (["north"], "is no name; give text"),
        ("", "is no name"),
        (3, "is no name"),
    ):
        with pytest.raises(fc.SettlementError, match=message):
            bank.open("Ada", zone=zone)  # type: ignore[arg-type]
    assert bank.balances.filter(role="member").height == 0
    bank.open("Ada", zone="north")
    with pytest.raises(fc.SettlementError, match="a flat tariff has no zones; give the bank a"):
        two_members(fc.Tariff(1, 1), zone="north")


def test_a_copy_opens_members_of_its_own() -> None:
    bank = two_members(ZONED)
    twin = copy.copy(bank)
    twin.open("Cem")
    bank.open("Dana", zone="elsewhere")
    twin.open("Dana", zone="south")
    bank.deposit("Dana", 10**9)
    twin.deposit("Dana", 10**9)
    fees = []
    for house in (bank, twin):
        clearing = Cleared([("buy", "Ada", 200, 10), ("sell", "Dana", 100, 10)], [(0, 1, 10, 150)])
        fees += house.settle(clearing, slot=SLOT).frame.filter(kind="fee")["price"].to_list()
    assert fees == [30_000, -1_000]
    # a zone that one of them has taken is new to the other
    bank.open("Eli", zone="beyond")
    twin.open(["Eli", "Fay"], zone="beyond")
    twin.deposit("Eli", 10**9)
    clearing = Cleared([("buy", "Eli", 200, 10), ("sell", "Fay", 100, 10)], [(0, 1, 10, 150)])
    assert twin.settle(clearing, slot=SLOT).frame.filter(kind="fee")["price"].to_list() == [12_000]


def ways(quantity: int, sellers: int) -> list[tuple[int, ...]]:
    """Every way to part a quantity, or some of it, over sellers."""
    return [w for w in itertools.product(range(quantity + 1), repeat=sellers) if 0 < sum(w) <= quantity]


@pytest.mark.parametrize("tax", [(0, 0, 0), (20, 20, 20), ("33.3333", 0, "66.6667"), (0, "50", "0.0001")])
def test_no_seller_makes_a_cover_fail(tax: Any) -> None:
    """Every buyer's zone, matrix of two zones, price and filling of a small order: what is held is enough, and no more
    than needed but for the rounding of tax."""
    tight = checked = 0
    names = ["none", "a", "b"]
    rules = [
        {"since": "2020-01-01", "on": [line], "percent": rate} for line, rate in zip(oracle_lines, tax, strict=True)
    ]
    for fees in itertools.product((-3, 5), repeat=3):
        pairs = [
            {"buyer": b, "seller": s, "network_fee": text(fee)}
            for (b, s), fee in zip((("a", "b"), ("b", "a"), ("b", "b")), fees, strict=True)
        ]
        for base in (-2, 4):
            one = plan(
                {"network_fee": text(base), "platform_fee": text(1), "zone_pairs": pairs, "local_discount_percent": 50},
                taxes=rules,
                zones={"a": ["a", "buyer a"], "b": ["b", "buyer b"]},
            )
            for buyer, price in itertools.product(names, (-9, 0, 3)):
                bank = fc.Settlement(tariff=one)
                bank.open([*names, *(f"buyer {name}" for name in names)])
                orders = [("buy", f"buyer {buyer}", price, 3), *(("sell", name, -20, 3) for name in names)]
                bank.deposit(f"buyer {buyer}", 1000)
                assert not bank.reserve(Cleared(orders, []).orders, slot=SLOT).any()
                held = 1000 - bank.available(f"buyer {buyer}")
                bank.withdraw(f"buyer {buyer}", 1000 - held)
                most = 0
                for way in ways(3, 3):
                    trades = [(0, 1 + i, lots, price) for i, lots in enumerate(way) if lots]
                    twin = copy.copy(bank)
                    twin.settle(Cleared(orders, trades), slot=SLOT)  # raises where the cover fails
                    left = twin.available(f"buyer {buyer}")
                    assert left >= 0
                    most, checked = max(most, held - left), checked + 1
                assert held - most <= 3 * 3, "three tax lines, rounded up a unit"
                tight += held == most
    assert checked == 8 * 2 * 9 * len(ways(3, 3))
    assert tight >= (8 * 2 * 9 if set(tax) == {0} else 1)


oracle_lines = ("energy", "platform_fee", "network_fee")
ticks = st.one_of(st.integers(-50, 400), st.sampled_from([0, 2**31 - 1, -(2**31) + 1]))
percents = st.integers(0, 1_000_000).map(lambda ppm: str(Decimal(ppm) / 10_000))
zone_names = st.sampled_from([None, "a", "b", "c"])


@st.composite
def worlds(draw: Any) -> Any:
    """A plan, the zone of each member, a book, and trades within it."""
    pairs = draw(st.sets(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")), max_size=5))
    share = st.one_of(
        st.none(), st.fixed_dictionaries({"to": st.sampled_from(["platform", "dso", "backstop"]), "percent": percents})
    )
    shares = {key: value for key in ("platform_fee_share", "network_fee_share") if (value := draw(share))}
    version = {
        "since": "2020-01-01",
        "retail": text(draw(ticks)),
        "feed_in": text(draw(ticks)),
        "platform_fee": text(draw(ticks)),
        "network_fee": text(draw(ticks) * 2 % 2**31),
        "local_discount_percent": draw(st.sampled_from([0, 50, 100])),
        "zone_pairs": [{"buyer": b, "seller": s, "network_fee": text(draw(ticks))} for b, s in sorted(pairs)],
        **shares,
    }
    rates = draw(st.lists(percents, min_size=2, max_size=4))
    taxes = [
        {"since": "2020-01-01", "on": [line], "percent": draw(st.sampled_from(rates))}
        for line in ("energy", "platform_fee", "network_fee", "residual")
    ]
    zones = {name: draw(zone_names) for name in NAMES}
    size = st.integers(1, draw(st.sampled_from([5, 1000, 2**31 - 1])))
    buys = draw(st.lists(st.tuples(st.sampled_from(NAMES[:3]), ticks, size), min_size=1, max_size=4))
    sells = draw(st.lists(st.tuples(st.sampled_from(NAMES[2:]), ticks, size), min_size=1, max_size=4))
    left = [quantity for _, _, quantity in [*buys, *sells]]
    trades = []
    for i, j in draw(st.lists(st.tuples(st.integers(0, len(buys) - 1), st.integers(0, len(sells) - 1)), max_size=8)):
        lots = min(left[i], left[len(buys) + j])
        if lots:
            lots = draw(st.integers(1, lots))
            left[i] -= lots
            left[len(buys) + j] -= lots
            trades.append((i, len(buys) + j, lots, draw(st.integers(max(-(2**31) + 1, buys[i][1] - 9), buys[i][1]))))
    orders = [*(("buy", *row[:1], *row[1:]) for row in buys), *(("sell", *row) for row in sells)]
    return {"name": "p", "time_zone": "UTC", "versions": [version], "taxes": taxes}, zones, orders, trades


@given(worlds(), st.lists(st.integers(-(2**31), 2**31), min_size=len(NAMES), max_size=len(NAMES)))
def test_what_is_covered_settles_and_every_line_is_that_of_the_oracle(world: Any, energy: list[int]) -> None:
    fields, zones, orders, trades = world
    bank = fc.Settlement(tariff=fc.TariffPlan(**fields))
    for name, zone in zones.items():
        bank.open(name, zone=zone)
    bank.deposit(NAMES, 2**62)
    before, clearing = {name: bank.available(name) for name in NAMES}, Cleared(orders, trades)
    codes = bank.reserve(clearing.orders, slot=SLOT)
    assert set(codes.tolist()) <= {0, fc.RejectReason.CREDIT_EXCEEDED}
    covered = codes == 0
    trades = [trade for trade in trades if covered[trade[0]]]
    for name in NAMES:  # nothing is left but what is held
        bank.withdraw(name, max(0, bank.available(name)))
    bank.receipts()
    meter = dict(zip(NAMES, energy, strict=True))
    clearing = Cleared(orders, trades)
    receipts = bank.settle(clearing, {"participant": NAMES, "energy_wh": energy}, slot=SLOT)
    deals = [oracle.Deal(orders[b][1], orders[s][1], lots, price) for b, s, lots, price in trades]
    bills, house = oracle.slot_bills(oracle.resolve(fields, SLOT_NS), zones, deals, meter)
    got = {
        row["participant"]: {line: row[line] for line in LINES}
        for row in receipts.by_participant().iter_rows(named=True)
    }
    assert got == bills
    assert house_of(bank) == {account: amount for account, amount in house.items() if amount}
    assert bank.balances["posted"].sum() == 0
    assert before.keys() == bills.keys()


# -- hostile ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", [-1, 2, 2**40])
def test_rows_that_are_none_are_the_cores_to_refuse(row: int) -> None:
    for trade, message in (((row, 1, 5, 150), "buy_row"), ((0, row, 5, 150), "sell_row")):
        bank = two_members(ZONED)
        with pytest.raises(fc.SettlementError, match=f"{message} names no"):
            bank.settle(Cleared(PAIR, [trade]), slot=SLOT)
    with pytest.raises(fc.SettlementError, match="buy_row names no"):
        two_members(ZONED).settle(Cleared([("sell", "Bo", 1, 1)][:0], [(0, 0, 1, 1)]), slot=SLOT)


# -- tax by line and shares, by hand ---------------------------------------------------------------------


def test_each_rate_has_a_line_of_its_own() -> None:
    rules = [
        {"since": "2020-01-01", "on": ["energy", "platform_fee"], "percent": 21},
        {"since": "2020-01-01", "on": ["network_fee"], "percent": 9},
        {"since": "2020-01-01", "on": ["residual"], "percent": "5.5"},
    ]
    fees = {"platform_fee": "0.01", "network_fee": "0.02"}
    bank = two_members(plan(fees, taxes=rules))
    receipts = bank.settle(Cleared(PAIR, [(0, 1, 10, 150)]), {"participant": ["Ada"], "energy_wh": [11]}, slot=SLOT)
    lines = receipts.frame.filter(kind="tax").select("line", "payer", "payee", "amount").rows()
    assert lines == [
        ("trade", "clearing", "tax", round(2500 * 0.21)),
        ("network", "clearing", "tax", 2000 * 9 // 100),
        ("residual", "Ada", "tax", 300_000 * 55 // 1000),
    ]
    trade = receipts.frame.filter(kind="trade")["seq"][0]
    assert receipts.frame.filter(pl.col("line").is_in(["network", "platform"]))["group"].to_list() == [trade] * 3
    reverse = [rule | {"reverse_charge": True} for rule in rules]
    bank = two_members(plan(fees, taxes=reverse))
    receipts = bank.settle(Cleared(PAIR, [(0, 1, 10, 150)]), {"participant": ["Ada"], "energy_wh": [11]}, slot=SLOT)
    assert receipts.frame.filter(kind="tax").height == 0
    assert house_of(bank) == {"platform": 1000, "dso": 2000, "backstop": 300_000}


def test_a_tax_begins_at_local_midnight() -> None:
    rules = [{"since": "2020-01-01", "percent": 19}, {"since": "2026-07-01", "percent": 16}]
    one = plan(taxes=rules, time_zone="Asia/Kathmandu")
    bank = two_members(one)
    for minute, ppm in ((14, 190_000), (15, 160_000)):
        slot = datetime(2026, 6, 30, 18, minute, tzinfo=UTC)
        receipts = bank.settle([], {"participant": ["Ada"], "energy_wh": [10]}, slot=slot)
        assert receipts.bill_columns["tax"].tolist() == [10 * 300_000 * ppm // 10**6]
        assert one.at(slot).tax_ppm == ppm


def test_a_share_of_a_fee_goes_to_its_owner_and_the_rest_stays() -> None:
    shares = {
        "platform_fee": "0.0007",
        "network_fee": "-0.0011",
        "platform_fee_share": {"to": "dso", "percent": "33.3333"},
        "network_fee_share": {"to": "backstop", "percent": 50},
    }
    bank = two_members(plan(shares, taxes=[{"since": "2020-01-01", "percent": 20}]))
    receipts = bank.settle(Cleared(PAIR, [(0, 1, 9, 150)]), slot=SLOT)
    fees = receipts.frame.filter(kind="fee").select("line", "payer", "payee", "price", "amount").rows()
    assert fees == [
        ("platform", "clearing", "platform", 0, 63 - 20),
        ("platform_share", "clearing", "dso", 0, 20),  # 63 x 0.333333 = 20.99…
        ("network", "dso", "clearing", 0, 99 - 49),
        ("network_share", "backstop", "clearing", 0, 49),  # 49.5, towards zero
    ]
    bill = dict(zip(receipts.bill_columns, (column[0] for column in receipts.bill_columns.values()), strict=True))
    assert (bill["platform"], bill["network"], bill["tax"]) == (63, -99, round((9 * 150 + 63 - 99) / 5))
    whole = bank.balances["posted"].sum()
    assert whole == 0


# -- sealed ----------------------------------------------------------------------------------------------


def test_a_ledger_of_a_plan_is_verified_and_replayed(tmp_path: Path) -> None:
    fees = {
        "platform_fee": "0.5",
        "network_fee": "2",
        "platform_fee_share": {"to": "dso", "percent": 30},
        "subscription_per_month": "4.95",
    }
    bank = fc.Settlement(
        tariff=plan(fees, taxes=[{"since": "2020-01-01", "on": ["network_fee", "subscription"], "percent": 21}])
    )
    bank.open(["Ada", "Bo"])
    bank.deposit("Ada", 10**9)
    bank.subscribe(["Ada", "Bo"], SLOT.date())
    orders = {"side": ["buy", "sell"], "price": [200, 100], "quantity": [10, 10], "participant": ["Ada", "Bo"]}
    ledger = fc.Ledger.open(tmp_path / "ledger")
    ledger.seal([], bank.receipts(), slot=0)
    bank.reserve(orders, slot=SLOT)
    clearing = fc.clear(orders, fc.Uniform())
    ledger.seal(clearing, bank.settle(clearing, {"participant": ["Ada"], "energy_wh": [11]}, slot=SLOT), slot=SLOT_NS)
    charges = bank.charge_subscriptions("2026-07")
    assert len(charges) == 4
    ledger.seal([], charges, slot=SLOT_NS + 1)
    report = fc.verify_directory(tmp_path / "ledger", head=ledger.head)
    assert report.blocks == 3
