"""The golden slot: one slot of a small community, from orders to every member's bill, to the last unit.

A clinic H is served first at a fixed rate; the rest of the book clears at one price. Worked by hand in
``docs/3_settlement.md``. Prices in ct/kWh and energy in kWh here; ticks and Wh inside.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

import fastclear as fc

CT = 10_000  # ticks in 1 ct/kWh
KWH = 1_000  # Wh
CENT = CT * KWH  # nano-currency in 1 ct

BIDS = {"B1": (5, 26), "B2": (4, 22), "B3": (6, 18), "B4": (3, 12)}
ASKS = {"S1": (4, 8), "S2": (5, 11), "S3": (4, 16), "S4": (5, 21)}
ESSENTIAL = {"H": (3, 20)}
METERED = {"B1": 6, "B2": 4, "B3": 6, "B4": 3, "H": 3, "S1": -4, "S2": -4, "S3": -4, "S4": -5}
DEPOSIT = 300 * CENT

#         energy platform network residual feed_in imbalance  tax    net; ct, + pays, - receives
BILLS = {
    "H": (60.0, 1.5, 6.0, 0.0, 0.0, 0.0, 13.5, 81.0),
    "B1": (90.0, 2.5, 10.0, 30.0, 0.0, 0.0, 26.5, 159.0),
    "B2": (72.0, 2.0, 8.0, 0.0, 0.0, 0.0, 16.4, 98.4),
    "B3": (18.0, 0.5, 2.0, 150.0, 0.0, 0.0, 34.1, 204.6),
    "B4": (0.0, 0.0, 0.0, 90.0, 0.0, 0.0, 18.0, 108.0),
    "S1": (-78.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -78.0),
    "S2": (-90.0, 0.0, 0.0, 0.0, 0.0, 30.0, 0.0, -60.0),
    "S3": (-72.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -72.0),
    "S4": (0.0, 0.0, 0.0, 0.0, -25.0, 0.0, 0.0, -25.0),
}
HOUSE = {"clearing": 0.0, "platform": 6.5, "dso": 26.0, "tax": 108.5, "backstop": 275.0, "rounding": 0.0}
LINES = ("energy", "platform", "network", "residual", "feed_in", "imbalance", "tax", "net")


def book(buys: dict[str, tuple[int, int]], sells: dict[str, tuple[int, int]]) -> pl.DataFrame:
    rows = [("buy", name, *order) for name, order in buys.items()]
    rows += [("sell", name, *order) for name, order in sells.items()]
    frame = pl.DataFrame(rows, schema=["side", "participant", "quantity", "price"], orient="row")
    return frame.select(
        "side",
        "participant",
        order="participant",
        quantity=pl.col("quantity") * KWH,
        price=pl.col("price") * CT,
    )


def tariff(*, after: bool = True) -> fc.Tariff:
    fees: dict[str, Any] = {"platform_fee": "0.5", "network_fee": 2} if after else {}
    return fc.Tariff.from_ct_per_kwh(30, 5, tax_percent=20, **fees)


def community(tariff: fc.Tariff) -> fc.Settlement:
    bank = fc.Settlement(tariff=tariff)
    bank.open([*ESSENTIAL, *BIDS, *ASKS])
    bank.deposit([*ESSENTIAL, *BIDS, *ASKS], DEPOSIT)
    return bank


def meter() -> dict[str, Any]:
    return {"participant": list(METERED), "energy_wh": np.array(list(METERED.values())) * KWH}


def cleared(fee: int = 0) -> list[fc.Clearing]:
    """The clinic against every ask, then everyone against what is left."""
    first = fc.clear(book(ESSENTIAL, ASKS), fc.Discriminatory(rule="bid"))
    sold = dict(zip(first.orders.names("order", first.orders.order), first.filled // KWH, strict=True))
    rest = {name: (quantity - int(sold[name]), price) for name, (quantity, price) in ASKS.items()}
    return [first, fc.clear(book(BIDS, rest), fc.Uniform(fee=fee))]


def cents(amount: Any) -> float:
    assert amount % (CENT // 10) == 0, "to the tenth of a cent, exactly"
    return float(amount) / CENT


def test_the_clearing() -> None:
    first, second = cleared()
    assert first.trades.select("buy_order", "sell_order", "quantity", "buy_price").rows() == [
        ("H", "S1", 3 * KWH, 20 * CT)
    ]
    assert second.markets["price"].to_list() == [18 * CT]
    assert second.markets["volume"].to_list() == [10 * KWH]


def test_every_number_of_the_table() -> None:
    bank = community(tariff())
    assert bank.reserve(book(ESSENTIAL, {})).tolist() == [0]
    assert bank.reserve(book(BIDS, ASKS)).tolist() == [0] * 8
    receipts = bank.settle(cleared(), meter())
    bills = {
        row["participant"]: tuple(cents(row[line]) for line in LINES)
        for row in receipts.by_participant().iter_rows(named=True)
    }
    assert bills == BILLS
    posted = dict(zip(bank.balances["role"], bank.balances["posted"], strict=True))
    assert {role: cents(posted[role]) for role in HOUSE} == HOUSE
    assert bank.balances["posted"].sum() == 0
    for name, bill in BILLS.items():
        row = bank.balances.row(by_predicate=pl.col("participant") == name, named=True)
        assert cents(DEPOSIT - row["posted"]) == bill[-1]
        assert row["pending_out"] == 0
        assert row["available"] == row["posted"]


def test_energy_in_is_energy_out() -> None:
    receipts = (bank := community(tariff())).settle(cleared(), meter())
    lines = receipts.frame.filter(pl.col("kind") == "imbalance")
    energy = dict(lines.group_by("line").agg(pl.col("quantity").sum()).rows())
    assert energy == {"residual": 9 * KWH, "shortfall": 1 * KWH, "feed_in": 5 * KWH}
    consumed = sum(energy for energy in METERED.values() if energy > 0)
    generated = -sum(energy for energy in METERED.values() if energy < 0)
    backstop = (energy["residual"] + energy["shortfall"] - energy["feed_in"]) // KWH
    assert (consumed, generated, backstop) == (22, 17, 5)
    assert repr(bank) == "Settlement(profile='prepaid', members=9, restricted=0)"


def test_the_same_without_reservations() -> None:
    reserved, direct = community(tariff()), community(tariff())
    reserved.reserve(book(ESSENTIAL, {}))
    reserved.reserve(book(BIDS, ASKS))
    for bank in (reserved, direct):
        bank.settle(cleared(), meter())
    assert direct.balances.equals(reserved.balances)


def test_a_fee_inside_the_clearing() -> None:
    """2.5 ct inside: B3, who bids 18, does not reach 16 + 2.5."""
    fee = 5 * CT // 2
    clearing = cleared(fee)[1]
    markets = clearing.markets.row(0, named=True)
    assert (markets["volume"], markets["price_sell"], markets["price_buy"]) == (9 * KWH, 16 * CT, 18.5 * CT)
    filled = dict(zip(clearing.fills["order"], clearing.filled // KWH, strict=True))
    assert filled == {"B1": 5, "B2": 4, "B3": 0, "B4": 0, "S1": 1, "S2": 5, "S3": 3, "S4": 0}
    bank = community(tariff(after=False))
    assert not bank.reserve(book(BIDS, ASKS)).any()
    receipts = bank.settle(clearing)
    net = dict(receipts.by_participant().select("participant", "net").rows())
    assert {name: cents(amount) for name, amount in net.items()} == {
        "B1": 111.0,  # 5 x 18.5 and 20 % tax
        "B2": 88.8,
        "S1": -16.0,
        "S2": -80.0,
        "S3": -48.0,
    }
    posted = dict(zip(bank.balances["role"], bank.balances["posted"], strict=True))
    assert cents(posted["platform"]) == 22.5  # 9 x 2.5
    assert bank.available("B3") == DEPOSIT  # what does not trade is released


@pytest.mark.parametrize("member", ["H", "B1"])
def test_a_deposit_that_does_not_reach_refuses_the_bid(member: str) -> None:
    bank = fc.Settlement(tariff=tariff())
    bank.open([*ESSENTIAL, *BIDS, *ASKS])
    orders = book({**ESSENTIAL, **BIDS}, ASKS)
    quantity, price = {**ESSENTIAL, **BIDS}[member]
    cover = int(quantity * (price + 2.5) * 1.2 * CENT)
    bank.deposit(member, cover - 1)
    codes = bank.reserve(orders)
    assert codes.tolist() == [fc.RejectReason.CREDIT_EXCEEDED] * 5 + [0] * 4
    bank.deposit(member, 1)
    codes = bank.reserve(orders)
    accepted = orders["participant"].filter(pl.Series(codes == 0) & (orders["side"] == "buy"))
    assert accepted.to_list() == [member]
