"""Where naive implementations of call auctions go wrong: a test a trap, on the naive twin and on `fastclear.clear`."""

from collections import Counter
from fractions import Fraction

import polars as pl
import pytest
from reference.compare import by_clear, by_twin

TOP = 2**31 - 1


@pytest.fixture(params=[by_twin, by_clear], ids=["twin", "clear"])
def run(request):
    def run_it(name, frame, **parameters):
        return request.param(name, frame, parameters)

    return run_it


def book(*rows, **columns):
    """Orders from (side, price, quantity, participant); ids are text, bN and sN by side and row."""
    data = {
        "order": [f"{row[0][0]}{number}" for number, row in enumerate(rows)],
        "side": [row[0] for row in rows],
        "price": [row[1] for row in rows],
        "quantity": [row[2] if len(row) > 2 else 1 for row in rows],
        "participant": [row[3] if len(row) > 3 else f"P{number}" for number, row in enumerate(rows)],
    }
    return pl.DataFrame(data | columns)


def units(bids, asks):
    return book(*[("buy", price) for price in bids], *[("sell", price) for price in asks])


def exact(result, number):
    return None if number is None else Fraction(number) / result["den"]


def market(result):
    (row,) = result["markets"]
    return row


def gain(result, frame, row):
    order = frame.row(row, named=True)
    sign = 1 if order["side"] == "buy" else -1
    return sign * order["price"] * result["filled"][row] - exact(result, result["payment"][row])


def test_u1_midpoint_of_the_last_pair_is_no_clearing_price(run):
    frame = book(("buy", 30, 5), ("buy", 26, 5), ("sell", 8, 4), ("sell", 12, 3))
    assert market(run("uniform", frame))["price"] == 26
    # Who asks for the midpoint gets it, with the interval beside it that says what it is not.
    asked = run("uniform", frame, price_rule="last_pair_midpoint")
    row = market(asked)
    assert [exact(asked, row[key]) for key in ("price", "price_low", "price_high")] == [19, 26, 26]
    average = run("average", units([30, 25, 24], [6, 11, 26]))
    row = market(average)
    assert [exact(average, row[key]) for key in ("price", "price_low", "price_high")] == [18, 24, 25]


def test_u2_only_the_marginal_class_is_rationed(run):
    frame = book(("buy", 9, 5), ("buy", 7, 4), ("buy", 7, 4), ("sell", 7, 3), ("sell", 2, 6))
    for rationing in ("pro_rata", "time", "equal", "quantity", "lottery"):
        seed = {"seed": 3} if rationing == "lottery" else {}
        result = run("uniform", frame, rationing=rationing, **seed)
        assert result["filled"][0] == 5
        assert result["filled"][3:] == [3, 6]
        assert sum(result["filled"][1:3]) == 4
        assert market(result)["volume"] == 9


def test_u3_shares_of_pro_rata_are_exact(run):
    """A float takes 10/3 + 10/3 + 10/3 for 10 or not; a lot too few or too many either way."""
    frame = book(("buy", 5, 7), ("buy", 5, 7), ("buy", 5, 7), ("sell", 1, 10))
    assert run("uniform", frame)["filled"] == [4, 3, 3, 10]
    # An order whose share is whole gets no left-over lot.
    frame = book(("buy", 5, 2), ("buy", 5, 3), ("buy", 5, 3), ("sell", 1, 4))
    assert run("uniform", frame)["filled"] == [1, 2, 1, 4]
    # Beyond 2^53 a double has no units: shares of 2^31 - 1, 2^31 - 2 and 1 lots.
    frame = book(("buy", 5, TOP), ("buy", 5, TOP - 1), ("buy", 5, 1), ("sell", 1, TOP))
    assert run("uniform", frame)["filled"] == [2**30, 2**30 - 1, 0, TOP]


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("uniform", {}),
        ("discriminatory", {}),
        ("maximal_volume", {}),
        ("maximal_volume", {"pairing": "descending"}),
        ("random_matching", {"seed": 1}),
        ("vickrey", {}),
        ("average", {}),
        ("multi_round", {"buyer_step": 1, "seller_step": 1}),
    ],
    ids=str,
)
def test_u4_equal_bid_and_ask_trade_everywhere_and_no_trade_has_no_price(run, name, parameters):
    result = run(name, units([9], [9]), **parameters)
    assert result["filled"] == [1, 1]
    assert [exact(result, money) for money in result["payment"]] == [9, -9]
    result = run(name, units([8], [9]), **parameters)
    assert result["filled"] == result["payment"] == [0, 0]
    row = market(result)
    assert [row[key] for key in ("price", "price_low", "price_high", "price_buy", "price_sell")] == [None] * 5


def test_u4_equal_prices_in_the_mechanisms_that_drop_a_pair(run):
    """k counts pairs with b >= s: two equal pairs leave one to trade."""
    for name, parameters in (("trade_reduction", {}), ("huang", {}), ("sbba", {"seed": 0})):
        result = run(name, units([9, 9], [9, 9]), **parameters)
        assert result["filled"].count(1) == 2, name
        assert market(result)["price"] == result["den"] * 9
        assert market(run(name, units([9], [9]), **parameters))["price"] is None
    assert run("uniform", units([9], [9]), zero_surplus=False)["filled"] == [0, 0]


def test_u5_orders_exactly_at_the_price_pay_and_are_paid(run):
    result = run("uniform", book(("buy", 9, 2), ("buy", 7, 3), ("sell", 7, 4), ("sell", 1, 1)))
    assert market(result)["price"] == 7
    assert result["filled"] == [2, 3, 4, 1]
    assert result["payment"] == [14, 21, -28, -7]
    # MUDA is the one that wants strictly better: at its price nobody is willing.
    frame = book(("buy", 9, 1, "L1"), ("sell", 9, 1, "L2"), ("buy", 9, 1, "R1"), ("sell", 9, 1, "R2"))
    assert run("muda", frame, partition=["L1", "L2"], seed=0)["filled"] == [0] * 4


def test_u6_offers_from_the_dearest_maximise_volume_not_welfare(run):
    frame = units([10, 6], [5, 9])
    by_price = run("discriminatory", frame)
    assert (market(by_price)["volume"], market(by_price)["welfare"]) == (1, 5)
    for pairing in ("ascending", "descending"):
        widest = run("maximal_volume", frame, pairing=pairing)
        assert (market(widest)["volume"], market(widest)["welfare"]) == (2, 2)


def test_u7_a_missing_next_order_leads_to_reduction(run):
    # No fourth ask: neither 0 nor infinity stands in for it.
    result = run("trade_reduction", units([40, 34, 27, 16], [10, 14, 20]))
    assert market(result)["branch"] == "reduced"
    assert market(result)["volume"] == 2
    assert (market(result)["price_buy"], market(result)["price_sell"]) == (27, 20)


def test_u7_a_cap_stands_in_for_a_missing_next_order(run):
    result = run("trade_reduction", units([40, 34, 27, 16], [10, 14, 20]), cap_low=0, cap_high=40)
    assert market(result)["branch"] == "reduced"  # p0 = 28 > 27
    result = run("trade_reduction", units([30, 29, 27, 16], [10, 14, 20]), cap_low=0, cap_high=30)
    assert market(result)["branch"] == "all_trade"
    assert exact(result, market(result)["price"]) == 23


@pytest.mark.parametrize(
    ("next_bid", "next_ask", "inside"),
    [(19, 21, True), (19, 20, False), (26, 28, True), (26, 29, False), (20, 21, True)],
)
def test_u7_bounds_of_p0_are_inclusive_and_exact(run, next_bid, next_ask, inside):
    """s_k = 20, b_k = 27. A floor of 19.5 or 27.5 would be wrong by half a tick, on either side."""
    result = run("trade_reduction", units([40, 34, 27, next_bid], [10, 14, 20, next_ask]))
    assert (market(result)["branch"] == "all_trade") is inside
    if inside:
        assert exact(result, market(result)["price"]) == Fraction(next_bid + next_ask, 2)
        assert result["den"] == Fraction(next_bid + next_ask, 2).denominator


@pytest.mark.parametrize("name", ["trade_reduction", "sbba", "average"])
def test_u8_orders_of_several_units_are_refused_not_exploded(run, name):
    seed = {"seed": 0} if name == "sbba" else {}
    frame = book(("buy", 9, 1), ("buy", 8, 2), ("buy", 7, 1), ("sell", 1, 1), ("sell", 2, 1), ("sell", 3, 3))
    result = run(name, frame, **seed)
    assert result["reject"] == [0, 18, 0, 0, 0, 18]
    # Nor are several orders of one unit of one participant, which would shade each other.
    frame = book(("buy", 9, 1, "a"), ("buy", 8, 1, "a"), ("buy", 7, 1, "b"), ("sell", 1, 1, "c"), ("sell", 2, 1, "d"))
    assert run(name, frame, **seed)["reject"] == [17, 17, 0, 0, 0]
    both = book(("buy", 9, 1, "a"), ("sell", 8, 1, "a"), ("buy", 7, 1, "b"), ("sell", 1, 1, "c"))
    code = 17 if name == "average" else 16
    assert run(name, both, **seed)["reject"] == [code, code, 0, 0]
    # `unit` is the quantity that everybody trades.
    thick = units([9, 8, 7], [1, 2, 3]).with_columns(quantity=pl.lit(5))
    assert run(name, thick, **seed)["reject"] == [18] * 6
    assert run(name, thick, **seed, unit=5)["reject"] == [0] * 6
    assert set(run(name, thick, **seed, unit=5)["filled"]) <= {0, 5}


def test_u9_huang_prices_are_the_two_marginal_limits(run):
    frame = book(("buy", 45, 10), ("buy", 40, 8), ("buy", 33, 6), ("sell", 10, 7), ("sell", 15, 9), ("sell", 24, 12))
    result = run("huang", frame)
    row = market(result)
    assert (row["price"], row["price_buy"], row["price_sell"]) == (None, 33, 24)
    # The marginal two trade nothing; shading or raising does not move what the others pay.
    assert result["filled"] == [9, 7, 0, 7, 9, 0]
    for price in (34, 45, 60):
        moved = frame.with_columns(price=pl.Series([price, *frame["price"].to_list()[1:]]))
        assert market(run("huang", moved))["price_buy"] == 33


def test_u9_the_burden_is_equal_not_proportional(run):
    """Burden 7 on 1, 12, 9: the one drops out, the others give 3 each. In proportion it would be 0, 4, 3."""
    bids = [("buy", 55, 1), ("buy", 48, 12), ("buy", 44, 9), ("buy", 31, 5)]
    frame = book(*bids, ("sell", 9, 8), ("sell", 14, 7), ("sell", 22, 11))
    assert run("huang", frame)["filled"] == [0, 9, 6, 0, 8, 7, 0]


def test_u9_quantity_is_not_truthful(run):
    """Asking for three of the five lots it wants, a buyer is no longer next to the margin and pays 11, not 19."""
    others = [("buy", 19, 4), ("buy", 11, 2), ("sell", 13, 5), ("sell", 8, 6), ("sell", 10, 2)]
    gains = []
    for asked in (5, 3):
        frame = book(("buy", 19, asked), *others)
        result = run("huang", frame)
        gains.append(gain(result, frame, 0))
    assert gains == [0, 24]


def test_u10_muda_splits_participants_not_orders(run):
    """Both orders of a participant are in the same half, whatever the seed."""
    frame = book(
        *[("buy", 40 - i, 2, f"B{i % 3}") for i in range(6)],
        *[("sell", 10 + i, 2, f"S{i % 3}") for i in range(6)],
    )
    owner = dict(zip(frame["order"], frame["participant"], strict=True))
    for seed in range(30):
        result = run("muda", frame, seed=seed)
        # Participants that trade with each other are of one half, so that no chain of trades may join the halves.
        halves = Counter()
        for trade in result["trades"]:
            halves[exact(result, trade["buy_price"])] += 1
        prices = {exact(result, market(result)[key]) for key in ("price_left", "price_right")}
        assert set(halves) <= prices - {None}
        price_of = {}
        for trade in result["trades"]:
            for order in (trade["buy_order"], trade["sell_order"]):
                assert price_of.setdefault(owner[order], trade["buy_price"]) == trade["buy_price"]


def test_u10_a_half_trades_at_the_price_of_the_other(run):
    left = [("buy", 40, 1, "L1"), ("sell", 20, 1, "L2")]
    right = [("buy", 33, 1, "R1"), ("sell", 26, 1, "R2")]
    result = run("muda", book(*left, *right), partition=["L1", "L2"], seed=0)
    row = market(result)
    assert (exact(result, row["price_left"]), exact(result, row["price_right"])) == (30, Fraction(59, 2))
    assert [exact(result, trade["buy_price"]) for trade in result["trades"]] == [Fraction(59, 2), 30]
    # Half ticks stay: 29.5, not 29.
    assert result["den"] == 2
    assert [exact(result, money) for money in result["payment"]] == [Fraction(59, 2), Fraction(-59, 2), 30, -30]
    # A half without one side has no price, and the other half does not trade.
    result = run("muda", book(*left, ("buy", 33, 1, "R1")), partition=["L1", "L2"], seed=0)
    assert exact(result, market(result)["price_left"]) == 30
    assert market(result)["price_right"] is None
    assert result["filled"] == [0, 0, 0]


def test_u10_fees_come_from_losing_units_of_others(run):
    """Left buyers: A with 40 x 2 and 38 x 3, B with 36 x 1; two lots for sale, price 30 from the right."""
    left = [("buy", 40, 2, "A"), ("buy", 38, 3, "A"), ("buy", 36, 1, "B"), ("sell", 10, 2, "S")]
    right = [("buy", 31, 1, "R1"), ("sell", 29, 1, "R2")]
    result = run("muda", book(*left, *right), variant="vickrey", partition=["A", "B", "S"])
    assert result["filled"][:4] == [2, 0, 0, 2]
    # A won two: it displaced the one lot of B (36 - 30); its own three lots at 38 do not count.
    assert exact(result, result["payment"][0]) == 2 * 30 + 6
    assert exact(result, result["payment"][3]) == -2 * 30


def test_u11_sbba_draws_sellers_without_replacement(run):
    frame = units([38, 33, 24, 14], [7, 12, 19, 30])
    left_out = Counter()
    for seed in range(60):
        result = run("sbba", frame, seed=seed)
        row = market(result)
        assert (row["branch"], row["price"], row["volume"]) == ("buyer_sets_price", 24, 2)
        assert result["filled"][:4] == [1, 1, 0, 0]
        assert sum(result["filled"][4:7]) == 2
        assert result["filled"][7] == 0
        left_out[result["filled"].index(0, 4)] += 1
    assert set(left_out) == {4, 5, 6}
    assert all(count >= 10 for count in left_out.values())
    # s_{k+1} == b_k belongs to the other branch.
    assert market(run("sbba", units([38, 33, 24], [7, 12, 19, 24]), seed=0))["branch"] == "seller_sets_price"


def test_u11_a_seed_decides_and_nothing_else(run):
    frame = book(*[("buy", 9, 3, f"B{i}") for i in range(5)], *[("sell", 1, 2, f"S{i}") for i in range(5)])
    for name, parameters in (
        ("uniform", {"rationing": "lottery"}),
        ("random_matching", {}),
        ("muda", {}),
        ("sbba", {"unit": 3}),
    ):
        for seed in (0, 1, 2**64 - 1):
            once = run(name, frame, seed=seed, **parameters)
            assert run(name, frame, seed=seed, **parameters) == once
            turned = run(name, frame.reverse(), seed=seed, **parameters)
            assert turned["filled"] == once["filled"][::-1]
            assert turned["payment"] == once["payment"][::-1]


def test_u12_vickrey_removes_all_orders_of_a_participant(run):
    """Without A both of its bids go: what is left for the others is 20 and 10, not 29."""
    frame = book(
        ("buy", 30, 1, "A"), ("buy", 29, 1, "A"), ("buy", 20, 1, "B"), ("buy", 10, 1, "C"), ("sell", 5, 2, "S")
    )
    result = run("vickrey", frame)
    assert result["filled"] == [1, 1, 0, 0, 2]
    assert result["payment"][:2] == [15, 15]  # 20 + 10, over two equal fills
    assert result["payment"][4] == -59
    assert market(result)["surplus"] == 30 - 59


def test_u12_the_deficit_shows(run):
    result = run("vickrey", units([33, 28, 24, 15], [8, 13, 18, 22]))
    assert result["payment"] == [18, 18, 18, 0, -22, -22, -22, 0]
    assert market(result)["surplus"] == -12
    for deficit_to in ("platform", "dso", "backstop"):
        assert run("vickrey", units([33], [8]), deficit_to=deficit_to)["payment"] == [8, -33]


def test_u25_no_number_wraps(run):
    n = 6
    frame = book(*[("buy", TOP, TOP)] * n, *[("sell", -TOP, TOP)] * n).with_columns(
        order=pl.Series(range(2 * n), dtype=pl.Int64)
    )
    welfare = 2 * n * TOP * TOP
    for name, parameters in (
        ("uniform", {}),
        ("discriminatory", {"spread_to": "operator"}),
        ("maximal_volume", {"rule": "bid"}),
        ("random_matching", {"rule": "ask", "seed": 2**64 - 1}),
        ("vickrey", {}),
        ("average", {"unit": TOP}),
        ("multi_round", {"buyer_step": 1, "seller_step": 1}),
    ):
        result = run(name, frame, **parameters)
        row = market(result)
        assert result["filled"] == [TOP] * 2 * n, name
        assert Fraction(int(row["welfare"]), result["den"]) == welfare > 2**64, name
        assert int(row["buyer_payment"]) - int(row["seller_revenue"]) == int(row["surplus"])
    # Huang and trade reduction drop a pair, and keep the largest spread there is.
    for name, parameters in (("huang", {}), ("trade_reduction", {"unit": TOP})):
        row = market(run(name, frame, **parameters))
        assert int(row["surplus"]) == 2 * (n - 1) * TOP * TOP > 2**64


def test_u25_floor_goes_down_below_zero(run):
    for name in ("uniform", "discriminatory", "maximal_volume"):
        result = run(name, units([-2], [-5]))
        assert result["payment"] == [-4, 4], name
        assert run(name, units([-2], [-5]), price_round="ceil")["payment"] == [-3, 3]
        assert run(name, units([-2], [-5]), price_round="half_up")["payment"] == [-3, 3]
    result = run("average", units([-2], [-5]))
    assert (result["payment"], result["den"]) == ([-7, 7], 2)
    # Parts of a negative sum: -7 over two equal fills is -3 and -4, the earlier of the two gets the unit more.
    frame = book(
        ("buy", -1, 1, "A"), ("buy", -1, 1, "A"), ("buy", -3, 1, "B"), ("buy", -4, 1, "C"), ("sell", -9, 2, "S")
    )
    assert run("vickrey", frame)["payment"][:2] == [-3, -4]


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("uniform", {"rationing": "time"}),
        ("uniform", {"rationing": "quantity"}),
        ("uniform", {"rationing": "lottery", "seed": 1}),
        ("discriminatory", {"rule": "earlier"}),
        ("maximal_volume", {"rule": "earlier"}),
        ("maximal_volume", {"rule": "earlier", "pairing": "descending"}),
        ("random_matching", {"seed": 1, "rule": "earlier"}),
        ("vickrey", {}),
        ("trade_reduction", {"use_p0": False}),
        ("huang", {}),
        ("sbba", {"seed": 1}),
        ("muda", {"seed": 1}),
        ("muda", {"seed": 1, "variant": "vickrey"}),
        ("average", {}),
        ("multi_round", {"buyer_step": 1, "seller_step": 1}),
    ],
    ids=str,
)
def test_u26_ties_are_resolved_by_time_and_id_not_by_row(run, name, parameters):
    """Five equal bids, three equal asks, in every rotation of their rows."""
    frame = book(*[("buy", 9)] * 5, *[("sell", 5)] * 3, time=[2, 1, 1, 2, 1, 3, 3, 0])

    def by_order(rows):
        result = run(name, rows, **parameters)
        return dict(zip(rows["order"], zip(result["filled"], result["payment"], strict=True), strict=True)), [
            (trade["buy_order"], trade["sell_order"]) for trade in result["trades"]
        ]

    first = by_order(frame)
    for shift in range(1, frame.height):
        rows = [(row * 3 + shift) % frame.height for row in range(frame.height)]
        assert by_order(frame[rows]) == first
    if name in ("discriminatory", "vickrey", "average"):
        assert first[1] == [("b1", "s7"), ("b2", "s5"), ("b4", "s6")]
