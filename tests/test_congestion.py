"""R34: a busy slot is no dearer. Fees are those of the tariff, whoever else trades and however many."""

from __future__ import annotations

from typing import Any

import pytest

import fastclear as fc

TARIFF = fc.Tariff.from_ct_per_kwh(30, 5, platform_fee="0.5", network_fee=2, tax_percent=20)


def bill_of_ann(others: int, **profile: Any) -> dict[str, int]:
    """What Ann pays for 500 Wh that Bob sells her, in a slot in which so many pairs trade beside them."""
    bank = fc.Settlement(tariff=TARIFF, **profile)
    names = ["ann", "bob", *(f"b{at}" for at in range(others)), *(f"s{at}" for at in range(others))]
    bank.open(names)
    bank.deposit(names, 10**11)
    orders = {
        "side": ["buy", "sell"] + ["buy"] * others + ["sell"] * others,
        "price": [200_000, 100_000] + [200_000] * others + [100_000] * others,
        "quantity": [500] * (2 + 2 * others),
        "participant": names,
    }
    assert not bank.reserve(orders).any()
    clearing = fc.clear(orders, fc.Uniform())
    assert int(clearing.filled[0]) == 500
    meter = {"participant": names, "energy_wh": [500 if side == "buy" else -500 for side in orders["side"]]}
    rows = bank.settle(clearing, meter).by_participant()
    own = rows.filter(rows["participant"] == "ann").row(0, named=True)
    return {name: value for name, value in own.items() if name not in ("participant", "account")}


@pytest.mark.parametrize("profile", ["prepaid", "postpaid_netting"])
def test_what_a_trade_pays_does_not_depend_on_how_many_trade(profile: str) -> None:
    quiet, ten_times, rush = (bill_of_ann(others, profile=profile) for others in (9, 99, 1999))
    assert quiet == ten_times == rush
    assert quiet["platform"] == 500 * 5_000
    assert quiet["network"] == 500 * 20_000
    assert quiet["net"] == (500 * 150_000 + quiet["platform"] + quiet["network"]) * 12 // 10
