"""The worked examples of tests/cases through the naive twin and through `fastclear.clear`."""

import polars as pl
import pytest
from reference import cases, oracles
from reference.compare import check_against_twin

import fastclear as fc

UNIFORM = cases.load("uniform")
DISCRIMINATORY = cases.load("discriminatory")
EVERY = UNIFORM + DISCRIMINATORY


def by_id(name):
    return next(case for case in EVERY if case["id"] == name)


def check(case, result):
    """Compares what a case states with a result in the twin's form."""
    expected = case["expected"]
    (market,) = result["markets"]
    names = [order["order"] for order in case["orders"]]
    for key in ("volume", "welfare", "price", "price_low", "price_high"):
        if key in expected:
            assert market[key] == expected[key], key
    fills = dict(zip(names, result["filled"], strict=True))
    payments = dict(zip(names, result["payment"], strict=True))
    if "fills" in expected:
        assert fills == expected["fills"]
    for order, payment in expected.get("payments", {}).items():
        assert payments[order] == payment, order
    if "trades" in expected:
        trades = [[t["buy_order"], t["sell_order"], t["quantity"], t["sell_price"]] for t in result["trades"]]
        assert trades == expected["trades"]
        assert all(trade["buy_price"] == trade["sell_price"] for trade in result["trades"])
    if "utility" in expected:
        stated = expected["utility"]
        order = stated["order"]
        assert stated["value"] * fills[order] - payments[order] == stated["utility"]


def test_cases_are_all_there():
    names = {case["id"] for case in EVERY}
    assert len(names) == len(EVERY) == 20
    assert {"A01", "A20", "A22", "A23-truthful", "A23-misreport", "B01", "B07"} <= names
    for case in EVERY:
        assert case["source"]
        assert (cases.FOLDER / case["mechanism"]["name"] / case["id"] / "case.json").is_file()


@pytest.mark.parametrize("case", EVERY, ids=lambda case: case["id"])
def test_twin(case):
    check(case, cases.naive(case))


@pytest.mark.parametrize("case", EVERY, ids=lambda case: case["id"])
def test_clear(case):
    frame = pl.DataFrame(case["orders"])
    clearing, _ = check_against_twin(frame, case["mechanism"]["name"], cases.parameters(case))
    result = {
        "markets": clearing.markets.to_dicts(),
        "trades": clearing.trades.to_dicts(),
        "filled": clearing.filled.tolist(),
        "payment": clearing.payment.tolist(),
    }
    check(case, result)


@pytest.mark.parametrize("case", EVERY, ids=lambda case: case["id"])
def test_oracles_agree_with_the_stated_numbers(case):
    bids, asks = cases.sides(case)
    expected = case["expected"]
    assert oracles.lp_volume(bids, asks) == expected["volume"]
    if "welfare" in expected:
        assert oracles.lp_welfare(bids, asks) == expected["welfare"]
    if expected.get("price_low") is not None:
        assert oracles.lp_interval(bids, asks) == (expected["price_low"], expected["price_high"])
    if "max_volume" in expected:
        assert oracles.lp_max_volume(bids, asks) == expected["max_volume"]


def test_without_a_trade_the_interval_is_indicative_only():
    case = by_id("A12")
    (market,) = cases.naive(case)["markets"]
    assert market["indicative"] == tuple(case["expected"]["indicative"])


def test_midpoint_of_the_last_pair_is_a_trap():
    case = by_id("A20")
    expected = case["expected"]
    bids, asks = cases.sides(case)
    accepted_asks = [order["price"] for order in case["orders"] if order["side"] == "sell"]
    midpoint = (26 + max(accepted_asks)) // 2
    assert midpoint == expected["pair_midpoint_price"]
    _, clearing = oracles.brute_force(bids, asks, range(60))
    assert midpoint not in clearing
    assert clearing == [expected["price"]]
    willing = oracles.demand(bids, midpoint + 1) - expected["volume"]
    assert willing == expected["unfilled_quantity_willing_at_pair_price"]
    assert fc.clear(pl.DataFrame(case["orders"]), fc.Uniform()).markets["price"].to_list() == [26]


def test_order_statistics_view():
    case = by_id("A22")
    expected = case["expected"]
    bids, asks = cases.sides(case)
    units = sorted((price for price, quantity in bids + asks for _ in range(quantity)), reverse=True)
    assert units == expected["unit_prices_descending"]
    assert sum(quantity for _, quantity in asks) == expected["supplied_units"]
    assert oracles.order_statistics(bids, asks) == (expected["price_low"], expected["price_high"])


def test_a_checker_that_is_given_wrong_numbers_fails():
    case = by_id("B01")
    result = cases.naive(case)
    result["trades"][1]["sell_price"] += 1
    with pytest.raises(AssertionError):
        check(case, result)
    case = by_id("A08")
    result = cases.naive(case)
    result["filled"][:2] = [3, 2]
    with pytest.raises(AssertionError):
        check(case, result)
