"""The worked examples of tests/cases through the naive twins and through `fastclear.clear`."""

from fractions import Fraction

import polars as pl
import pytest
from reference import cases, oracles
from reference.compare import by_clear, check_against_twin
from reference.twins import TWINS

import fastclear as fc

EVERY = [case for name in TWINS for case in cases.load(name)]


def label(case):
    return f"{case['mechanism']['name']}-{case['id']}"


def by_id(name):
    return next(case for case in EVERY if case["id"] == name)


def check(case, result):
    """Compares what a case states with a result in the twin's form."""
    expected = case["expected"]
    (market,) = result["markets"]
    den = result["den"]
    names = [order["order"] for order in case["orders"]]

    def exact(number):
        return None if number is None else Fraction(number) / den

    assert result["reject"] == [0] * len(names)
    for key in ("volume", "branch", "rounds"):
        if key in expected:
            assert market[key] == expected[key], key
    money = ["welfare", "surplus"]
    for key in (*money, "price", "price_low", "price_high", "price_buy", "price_sell", "price_left", "price_right"):
        if key in expected:
            assert exact(market[key]) == expected[key], key
    if "den" in expected:
        assert den == expected["den"]
    if "deals" in expected:
        assert market["volume"] == len(result["trades"]) == expected["deals"]
    fills = dict(zip(names, result["filled"], strict=True))
    payments = {name: exact(money) for name, money in zip(names, result["payment"], strict=True)}
    if "fills" in expected:
        assert fills == expected["fills"]
    for order, payment in expected.get("payments", {}).items():
        assert payments[order] == payment, order
    if "trades" in expected:
        trades = [[t["buy_order"], t["sell_order"], t["quantity"], t["sell_price"]] for t in result["trades"]]
        assert trades == expected["trades"]
        assert all(trade["buy_price"] == trade["sell_price"] for trade in result["trades"])
    if "pairs" in expected:
        assert [[t["buy_order"], t["sell_order"], t["quantity"]] for t in result["trades"]] == expected["pairs"]
    if "utility" in expected:
        stated = expected["utility"]
        order = stated["order"]
        assert stated["value"] * fills[order] - payments[order] == stated["utility"]
    if "net_payments" in expected:
        net = {}
        for order in case["orders"]:
            net[order["participant"]] = net.get(order["participant"], 0) + payments[order["order"]]
        assert {agent: money for agent, money in net.items() if money} == expected["net_payments"]
    if "buyers" in expected:
        assert [trade["buy_order"] for trade in result["trades"]] == expected["buyers"]
    if expected.get("sellers") is not None:
        assert [trade["sell_order"] for trade in result["trades"]] == expected["sellers"]
    if expected.get("lottery_pool"):
        sellers = [trade["sell_order"] for trade in result["trades"]]
        assert len(set(sellers)) == len(sellers) == expected["seats"]
        assert set(sellers) < set(expected["lottery_pool"])
    if "history" in expected:
        pairs = [(*pair, cases.fraction(r["price"])) for r in expected["history"] for pair in r["pairs"]]
        got = [(t["buy_order"], t["sell_order"], t["quantity"], exact(t["sell_price"])) for t in result["trades"]]
        assert got == pairs
        assert market["rounds"] == len(expected["history"])
        assert market["volume"] == sum(r["volume"] for r in expected["history"])
        quantities = {order["order"]: order["quantity"] for order in case["orders"]}
        assert {name: quantities[name] - fills[name] for name in names} == expected["unmatched"]


def test_cases_are_all_there():
    names = {label(case) for case in EVERY}
    assert len(names) == len(EVERY) == 33
    for name in ("uniform-A20", "uniform-A23-truthful", "discriminatory-B07", "maximal_volume-B07", "muda-G06"):
        assert name in names
    for case in EVERY:
        assert case["source"]
        assert (cases.FOLDER / case["mechanism"]["name"] / case["id"] / "case.json").is_file()


@pytest.mark.parametrize("case", EVERY, ids=label)
def test_twin(case):
    check(case, cases.naive(case))


@pytest.mark.parametrize("case", EVERY, ids=label)
def test_clear(case):
    frame = pl.DataFrame(case["orders"])
    check_against_twin(frame, case["mechanism"]["name"], cases.parameters(case))
    check(case, by_clear(case["mechanism"]["name"], frame, cases.parameters(case)))


@pytest.mark.parametrize("case", EVERY, ids=label)
def test_oracles_agree_with_the_stated_numbers(case):
    bids, asks = cases.sides(case)
    expected = case["expected"]
    optimal = case["mechanism"]["name"] in ("uniform", "discriminatory", "vickrey")
    if optimal and "volume" in expected:
        assert oracles.lp_volume(bids, asks) == expected["volume"]
    if optimal and "welfare" in expected:
        assert oracles.lp_welfare(bids, asks) == expected["welfare"]
    if "first_best" in expected:
        assert oracles.lp_welfare(bids, asks) == expected["first_best"]
        assert expected["welfare"] <= expected["first_best"]
    if "first_best_volume" in expected:
        assert oracles.lp_volume(bids, asks) == expected["first_best_volume"]
    if "one_shot_volume" in expected:
        assert oracles.lp_volume(bids, asks) == expected["one_shot_volume"]
    if "equilibrium_interval" in expected:
        assert list(oracles.lp_interval(bids, asks)) == expected["equilibrium_interval"]
    if expected.get("price_low") is not None:
        assert oracles.lp_interval(bids, asks) == (expected["price_low"], expected["price_high"])
    if "max_volume" in expected:
        assert oracles.lp_max_volume(bids, asks) == expected["max_volume"]
    if "k" in expected:
        deals = zip(sorted((b for b, _ in bids), reverse=True), sorted(a for a, _ in asks), strict=True)
        assert sum(b >= a for b, a in deals) == expected["k"]


def test_without_a_trade_the_interval_is_indicative_only():
    case = by_id("A12")
    (market,) = cases.naive(case)["markets"]
    assert market["indicative"] == tuple(case["expected"]["indicative"])


def test_midpoint_of_the_last_matched_pair_is_a_trap():
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
    (market,) = cases.naive(case, price_rule="last_pair_midpoint", price_round=None)["markets"]
    assert (market["price"], market["price_low"], market["price_high"]) == (midpoint, 26, 26)


def test_order_statistics_view():
    case = by_id("A22")
    expected = case["expected"]
    bids, asks = cases.sides(case)
    units = sorted((price for price, quantity in bids + asks for _ in range(quantity)), reverse=True)
    assert units == expected["unit_prices_descending"]
    assert sum(quantity for _, quantity in asks) == expected["supplied_units"]
    assert oracles.order_statistics(bids, asks) == (expected["price_low"], expected["price_high"])


def test_huang_marginal_orders():
    for name in ("F01", "F03"):
        case = by_id(name)
        (market,) = cases.naive(case)["markets"]
        assert market["marginal"] == tuple(case["expected"]["marginal"])


def test_muda_prices_come_from_the_other_half_and_fees_from_others():
    for name in ("G05", "G06"):
        case = by_id(name)
        expected = case["expected"]
        assert expected["price_used_left"] == expected["price_right"]
        assert expected["price_used_right"] == expected["price_left"]
        (market,) = cases.naive(case)["markets"]
        assert market["fees"] == expected["fees"]
        assert market["surplus"] == sum(expected["fees"].values())


def test_quotes_of_every_round():
    case = by_id("I03")
    (market,) = cases.naive(case)["markets"]
    for got, stated in zip(market["history"], case["expected"]["history"], strict=True):
        assert got["quotes"] == stated["quotes"]
        assert got["price"] == cases.fraction(stated["price"])
        assert [list(pair) for pair in got["pairs"]] == stated["pairs"]
        assert sum(lots for _, _, lots in got["pairs"]) == stated["volume"]


def utilities(case, result):
    """Gain of every order at its limit, exact."""
    gains = {}
    for order, filled, payment in zip(case["orders"], result["filled"], result["payment"], strict=True):
        sign = 1 if order["side"] == "buy" else -1
        gains[order["order"]] = sign * order["price"] * filled - Fraction(payment, result["den"])
    return gains


@pytest.mark.parametrize("name", ["G01", "G02"])
def test_expected_utilities_over_the_lottery(name):
    """Every outcome of the lottery is as likely as any other: their mean is what is stated."""
    case = by_id(name)
    outcomes = {}
    for seed in range(40):
        result = cases.naive(case, seed=seed)
        outcomes[tuple(result["filled"])] = utilities(case, result)
    assert len(outcomes) == max(1, len(case["expected"]["lottery_pool"]))
    for order, stated in case["expected"]["expected_utilities"].items():
        mean = sum(gains[order] for gains in outcomes.values()) / len(outcomes)
        assert mean == cases.fraction(stated), order


def test_best_misreport_of_the_average_mechanism():
    case = by_id("H01")
    stated = case["expected"]["best_misreport"]
    low, high = case["expected"]["equilibrium_interval"]
    assert (low <= case["expected"]["price"] <= high) is case["expected"]["price_in_equilibrium_interval"]
    truthful = utilities(case, cases.naive(case))[stated["order"]]
    gains = {}
    for report in range(61):
        orders = [dict(order) for order in case["orders"]]
        for order in orders:
            if order["order"] == stated["order"]:
                order["price"] = report
        result = cases.naive(case | {"orders": orders})
        gains[report] = utilities(case, result)[stated["order"]] - truthful
    assert gains[stated["report"]] == stated["gain"] == max(gains.values())


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
    case = by_id("I03")
    result = cases.naive(case)
    result["den"] = 1
    with pytest.raises(AssertionError):
        check(case, result)
