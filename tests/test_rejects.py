"""Every reason to refuse an order, in precedence; a refused order never touches its market."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import refusal
from reference.compare import check_against_twin, mechanism

import fastclear as fc
from fastclear import testing

GOOD = {
    "side": "buy",
    "type": "limit",
    "price": 5,
    "quantity": 2,
    "market": 1,
    "order": 10,
    "participant": 4,
    "time": 0,
}
SCHEMA = {
    "side": pl.String,
    "type": pl.String,
    "price": pl.Int64,
    "quantity": pl.Int64,
    "market": pl.Int64,
    "order": pl.Int64,
    "participant": pl.Int64,
    "time": pl.Int64,
}
ASK = GOOD | {"side": "sell", "order": 11}

# reason -> what spoils a good order
FAULTS = {
    "unknown_side": {"side": "hold"},
    "unknown_type": {"type": "stop"},
    "price_missing": {"price": None},
    "price_out_of_range": {"price": 2**31},
    "quantity_missing": {"quantity": None},
    "quantity_out_of_range": {"quantity": 0},
    "id_missing": {"participant": None},
    "time_missing": {"time": None},
}


def frame_of(*rows):
    return pl.DataFrame([GOOD | row for row in rows], schema=SCHEMA)


def codes(frame, **options):
    return fc.clear(frame, fc.Uniform(), **options).reject.tolist()


def reason(name):
    return next(reason for reason in fc.RejectReason if reason.name.lower() == name)


def grid_frame():
    """Half a tick, then half a lot, in floats with units."""
    return pl.DataFrame({"side": ["buy"] * 2, "price": [12.00005, 12.0], "quantity": [1.0, 1.0005]})


EXAMPLES = {
    **{name: (lambda fault=fault: frame_of(ASK, fault)) for name, fault in FAULTS.items()},
    "price_off_grid": grid_frame,
    "quantity_off_grid": grid_frame,
    "duplicate_order": lambda: frame_of(ASK, {}, {}),
    "no_reference_price": lambda: frame_of({"type": "market", "price": None}),
    "price_outside_caps": lambda: frame_of(ASK, {"price": 7}),
    "min_quantity_out_of_range": lambda: frame_of(ASK, {}).with_columns(min_quantity=pl.Series([0, 3])),
    "both_sides": lambda: frame_of(ASK, {}),
    "several_orders": lambda: frame_of(ASK | {"participant": 1}, {}, {"order": 12}),
    "not_one_unit": lambda: frame_of(ASK | {"participant": 1}, {"quantity": 1}),
    "start_beyond_limit": lambda: frame_of(ASK, {}).with_columns(start_price=pl.Series([5, 6])),
}
RULES = {
    "price_outside_caps": ("uniform", {"cap_low": 0, "cap_high": 6}),
    "both_sides": ("vickrey", {}),
    "several_orders": ("huang", {}),
    "not_one_unit": ("average", {"unit": 2}),
    "start_beyond_limit": ("multi_round", {"buyer_step": 1, "seller_step": 1}),
}
"""Mechanisms that know a reason which the uniform auction, as it is, does not."""

UNITS = {"units": fc.Units(price="ct/kWh", quantity="kWh")}


OF_BOOKS = {
    "unknown_op": 22,
    "unknown_tif": 23,
    "instructions_invalid": 24,
    "expiry_invalid": 25,
    "unknown_order": 26,
    "market_closed": 27,
    "market_halted": 28,
    "would_trade": 29,
    "not_filled": 30,
    "self_trade": 31,
    "book_erased": 32,
    "display_invalid": 37,
    "stop_invalid": 38,
    "peg_invalid": 39,
    "unknown_phase": 40,
    "not_in_phase": 41,
}
"""Reasons of order books, which test_order_book.py reaches."""

OF_EXCHANGES = {"gate_not_open": 33, "unknown_participant": 34, "cancelled": 35}
"""Reasons of exchanges, which test_exchange.py reaches."""


def test_every_reason_is_reachable():
    assert len(fc.RejectReason) == 22 + len(OF_BOOKS) + len(OF_EXCHANGES)
    for code in fc.RejectReason:
        name = code.name.lower()
        if name in OF_BOOKS | OF_EXCHANGES:
            continue
        if name in ("credit_exceeded", "account_blocked", "block_invalid", "network_veto"):
            continue  # given by settlement, never by an auction; by the auction of blocks; with a network
        rule = mechanism(*RULES.get(name, ("uniform", {})))
        options = UNITS if name.endswith("off_grid") else {}
        assert int(code) in fc.clear(EXAMPLES[name](), rule, **options).reject.tolist(), name


def test_numbers_are_a_public_contract():
    names = {code.name.lower(): int(code) for code in fc.RejectReason}
    twins = {name.lower(): value for name, value in vars(refusal).items() if name.isupper() and isinstance(value, int)}
    assert len(twins) == 18
    assert (
        names
        == twins
        | {"credit_exceeded": 13, "block_invalid": 20, "account_blocked": 21, "network_veto": 36}
        | OF_BOOKS
        | OF_EXCHANGES
    )


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        ({"side": None}, "unknown_side"),
        ({"side": ""}, "unknown_side"),
        ({"side": "Buy "}, "unknown_side"),
        ({"type": None}, "unknown_type"),
        ({"type": ""}, "unknown_type"),
        ({"price": None}, "price_missing"),
        ({"price": -(2**31)}, "price_out_of_range"),
        ({"price": 2**63 - 1}, "price_out_of_range"),
        ({"price": -(2**63)}, "price_out_of_range"),
        ({"quantity": None}, "quantity_missing"),
        ({"quantity": -1}, "quantity_out_of_range"),
        ({"quantity": 2**31}, "quantity_out_of_range"),
        ({"quantity": 2**63 - 1}, "quantity_out_of_range"),
        ({"quantity": -(2**63)}, "quantity_out_of_range"),
        ({"market": None}, "id_missing"),
        ({"order": None}, "id_missing"),
        ({"participant": None}, "id_missing"),
        ({"time": None}, "time_missing"),
        ({"type": "market", "price": None, "quantity": None}, "quantity_missing"),
    ],
    ids=str,
)
def test_single_faults(fault, name):
    frame = frame_of(ASK, fault)
    assert codes(frame) == [0, int(reason(name))]
    check_against_twin(frame, "uniform", {})


@pytest.mark.parametrize("column", ["price", "quantity"])
@pytest.mark.parametrize("value", [2**31 - 1, 1])
def test_ends_of_the_ranges_are_inside(column, value):
    assert codes(frame_of(ASK, {column: value})) == [0, 0]
    if column == "price":
        assert codes(frame_of(ASK, {column: -value})) == [0, 0]


def test_an_order_with_several_faults_gets_the_first():
    reasons = list(FAULTS)
    for first, one in enumerate(reasons):
        for other in reasons[first + 1 :]:
            if set(FAULTS[one]) & set(FAULTS[other]):
                continue
            frame = frame_of(ASK, FAULTS[other] | FAULTS[one])
            assert codes(frame)[1] == int(reason(one)), (one, other)


def test_the_newer_faults_of_one_order_come_after_the_older_ones():
    """By number: what a mechanism asks of orders is looked at after what every auction asks."""
    caps = {"cap_low": 0, "cap_high": 6}
    least = pl.Series([0, 3, 3, 3])
    late = {"price": 7, "time": None}
    frame = frame_of(ASK, {"price": 7}, late | {"order": 12}, {"order": 13}).with_columns(min_quantity=least)
    clearing, _ = check_against_twin(frame, "uniform", caps)
    assert clearing.reject.tolist() == [0, 14, 10, 15]
    clearing, _ = check_against_twin(frame, "discriminatory", caps)
    assert clearing.reject.tolist() == [0, 14, 10, 15]
    # A cap is looked at before the quantity of trade reduction, and a market order has no price to be outside.
    rows = [{"price": 7, "quantity": 1}, {"order": 12, "quantity": 1}, {"order": 13, "type": "market", "price": None}]
    frame = frame_of(ASK, *rows).with_columns(participant=pl.Series([1, 2, 3, 4]))
    clearing, _ = check_against_twin(frame, "trade_reduction", caps | {"unit": 2})
    assert clearing.reject.tolist() == [0, 14, 18, 0]


def test_what_is_wrong_with_a_participant_is_looked_at_last():
    """Orders refused by themselves, twice the same id, or a market order without a price: they make nobody guilty."""
    for spoiled in ({"quantity": 0}, {"side": "hold"}, {"order": 11, "participant": 9}):
        rows = [ASK | {"participant": 1}, {"side": "sell", "order": 20} | spoiled, {"order": 21}]
        clearing, _ = check_against_twin(frame_of(*rows), "vickrey", {})
        assert clearing.reject[2] == 0, spoiled
    # Both sides come before several orders; other markets are no concern of either.
    rows = [ASK, {}, {"order": 12}, {"market": 2}, ASK | {"market": 3, "participant": 7}, {"market": 3, "order": 14}]
    for name in ("huang", "vickrey"):
        clearing, _ = check_against_twin(frame_of(*rows), name, {})
        assert clearing.reject.tolist() == [16, 16, 16, 0, 0, 0]
    # Several orders of one side: for Vickrey and MUDA the rule, for Huang a reason to refuse.
    rows = [ASK | {"participant": 7}, {}, {"order": 12}]
    for name, parameters, code in (("vickrey", {}, 0), ("muda", {"seed": 1}, 0), ("huang", {}, 17)):
        clearing, _ = check_against_twin(frame_of(*rows), name, parameters)
        assert clearing.reject.tolist() == [0, code, code]
    # Without the column every order is its own participant.
    bare = frame_of(*rows).drop("participant")
    for name, parameters in (("huang", {}), ("average", {"unit": 2}), ("sbba", {"unit": 2, "seed": 0})):
        clearing, _ = check_against_twin(bare, name, parameters)
        assert clearing.reject.tolist() == [0, 0, 0]


def test_a_market_order_competes_at_the_cap_of_its_side():
    market = {"type": "market", "price": None}
    rows = [ASK, market, {"order": 12, "price": 6}]
    clearing, _ = check_against_twin(frame_of(*rows), "discriminatory", {"rule": "bid", "cap_high": 30})
    assert clearing.trades.select("buy_order", "buy_price").rows() == [(10, 30)]
    # A cap stands in where no limit order names a price; the cap of the other side does not.
    clearing, _ = check_against_twin(frame_of(market), "uniform", {"cap_high": 30})
    assert clearing.reject.tolist() == [0]
    clearing, _ = check_against_twin(frame_of(market), "uniform", {"cap_low": 3})
    assert clearing.reject.tolist() == [12]


def test_an_opening_quote_is_checked_against_the_limit():
    rows = [ASK, {}, {"order": 12}, {"order": 13}, ASK | {"order": 14}, {"order": 15, "type": "market", "price": None}]
    rows.append({"order": 16, "type": "market", "price": None})
    # A market order opens at the price it competes at: what it names is not looked at.
    frame = frame_of(*rows).with_columns(start_price=pl.Series([5, 5, 6, -(2**31), 4, None, 2**31]))
    clearing, _ = check_against_twin(frame, "multi_round", {"buyer_step": 1, "seller_step": 1})
    assert clearing.reject.tolist() == [0, 0, 19, 19, 19, 0, 0]
    # The other mechanisms do not know the column.
    clearing, _ = check_against_twin(frame, "uniform", {})
    assert clearing.reject.tolist() == [0] * 7


def test_duplicates_are_all_refused_and_only_within_their_market():
    frame = frame_of(ASK, {}, {"price": 6}, {"market": 2}, {"side": "sell"})
    eleven = int(reason("duplicate_order"))
    assert codes(frame) == [0, eleven, eleven, 0, eleven]
    check_against_twin(frame, "uniform", {})
    names = frame.with_columns(pl.col("order").cast(pl.String))
    assert codes(names) == [0, eleven, eleven, 0, eleven]


def test_an_order_refused_for_an_earlier_reason_makes_no_duplicate():
    frame = frame_of(ASK, {}, {"quantity": 0}, {"side": "hold"}, {"time": None})
    assert codes(frame)[:2] == [0, 0]
    check_against_twin(frame, "uniform", {})


def test_a_refused_order_sets_no_reference_price():
    market = {"type": "market", "price": None}
    dear = {"order": 12, "price": 100, "quantity": 0}
    frame = frame_of(market, ASK, dear)
    clearing, _ = check_against_twin(frame, "uniform", {"k": 1})
    assert clearing.payment.tolist() == [10, -10, 0]
    double = frame_of(market, ASK, {"order": 13, "price": 100}, {"order": 13, "price": 100})
    clearing, _ = check_against_twin(double, "uniform", {"k": 1})
    assert clearing.payment.tolist()[:2] == [10, -10]
    assert codes(frame_of(market, {"order": 12, "quantity": 0})) == [12, 8]


def test_market_orders_take_the_best_price_of_either_side():
    # A bid at 9 is the highest limit of the market; the market bid is priced with it and shares its class.
    rows = [
        {"type": "market", "price": None, "order": 1, "quantity": 4},
        {"price": 9, "order": 2, "quantity": 4},
        {"side": "sell", "price": 3, "order": 3, "quantity": 4},
    ]
    clearing, _ = check_against_twin(frame_of(*rows), "uniform", {})
    assert clearing.filled.tolist() == [2, 2, 4]
    assert clearing.markets["price"].to_list() == [9]
    # A market ask takes the lowest limit, which may be that of a bid.
    rows = [
        {"side": "sell", "type": "market", "price": None, "order": 1},
        {"price": 4, "order": 2},
        {"price": 7, "order": 3, "quantity": 1},
    ]
    clearing, _ = check_against_twin(frame_of(*rows), "discriminatory", {"rule": "ask"})
    assert clearing.trades["sell_price"].to_list() == [4, 4]


def test_the_price_of_a_market_order_is_not_looked_at():
    for price in (None, 0, 2**40, -(2**63)):
        frame = frame_of(ASK, {"type": "market", "price": price})
        clearing, _ = check_against_twin(frame, "uniform", {})
        assert clearing.filled.tolist() == [2, 2]


@given(testing.orders(faults=True, market_orders=True), st.booleans())
def test_refused_rows_can_be_taken_out_without_a_change(frame, discriminatory):
    if "order" not in frame.columns:
        frame = frame.with_columns(order=pl.int_range(frame.height, dtype=pl.Int64))
    rule = fc.Discriminatory() if discriminatory else fc.Uniform()
    full = fc.clear(frame, rule)
    good = pl.Series(full.reject == 0, dtype=pl.Boolean)
    rest = fc.clear(frame.filter(good), rule)
    assert rest.reject.tolist() == [0] * int(good.sum())
    assert rest.fills.equals(full.fills.filter(good))
    assert rest.trades.equals(full.trades)


@pytest.mark.parametrize("cell", [float("nan"), None], ids=["NaN", "null"])
@pytest.mark.parametrize(("column", "code"), [("price", 3), ("quantity", 6)])
def test_nan_and_null_among_floats_are_missing(cell, column, code):
    good = {"side": ["buy", "sell"], "price": [30.0, 10.0], "quantity": [1.0, 1.0]}
    frame = pl.DataFrame(good | {column: [cell, 10.0]})
    assert codes(frame, **UNITS) == [code, 0]
    if cell is not None:
        arrays = {name: np.array(values) for name, values in (good | {column: [cell, 10.0]}).items()}
        assert codes(arrays, **UNITS) == [code, 0]


@pytest.mark.parametrize("cell", [float("inf"), float("-inf"), 1e300, -1e300])
def test_infinite_floats_are_refused_not_wrapped(cell):
    for column in ("price", "quantity"):
        good = {"side": ["buy", "sell"], "price": [30.0, 10.0], "quantity": [1.0, 1.0]}
        frame = pl.DataFrame(good | {column: [cell, 10.0]})
        names = {f"{column}_off_grid", f"{column}_out_of_range", f"{column}_missing"}
        got = codes(frame, **UNITS)
        assert fc.RejectReason(got[0]).name.lower() in names
        assert got[1] == 0
