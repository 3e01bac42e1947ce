"""Parameters of mechanisms: what is of the wrong type or out of range is one MechanismError that names it."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import polars as pl
import pytest

import fastclear as fc

BOOK = {
    "side": ["buy", "buy", "sell", "sell"],
    "price": [10_000, 9_000, 5_000, 6_000],
    "quantity": [1, 1, 1, 1],
    "participant": [1, 2, 3, 4],
}
NEEDED = {
    "RandomMatching": {"seed": 1},
    "Sbba": {"seed": 1},
    "Muda": {"seed": 1},
    "MultiRound": {"buyer_step": 1, "seller_step": 1},
}
NO_WORD = [None, 3, "", "Time", b"time", ["time"], ("time",), object(), np.str_("hours"), True]
NO_FLAG = [None, "no", "", 0, 1, 1.0, [], np.int8(1), object()]
NO_WHOLE = [1.0, 1.5, "1", True, float("nan"), 1j, [1], (1, 2), np.array([1]), np.float64(1), Decimal(1), Fraction(1)]
NO_SHARE = [None, True, "1/2", "0.5", float("nan"), float("inf"), 1j, (), (1,), (1, 0), (1, 2, 3), (0.5, 1), ("1", "2")]
NO_SHARE += [-0.1, 1.1, (3, 2), (-1, 2), 10**400, [1, 2], np.array(0.5), np.array([0.5]), Decimal("NaN"), np.float32(2)]
NO_PEOPLE = [
    5,
    "ab",
    b"ab",
    1.5,
    [1.5],
    [None],
    [[1]],
    [True],
    ["a", 1],
    [1, 1],
    np.array(0.5),
    np.zeros((2, 2)),
    object(),
]

WRONG = [
    *[(name, parameter, NO_WORD) for name, parameter in [
        ("Uniform", "rationing"), ("Uniform", "price_rule"),
        ("Discriminatory", "rule"), ("Discriminatory", "price_round"),
        ("MaximalVolume", "rule"), ("MaximalVolume", "pairing"), ("MaximalVolume", "price_round"),
        ("RandomMatching", "rule"), ("Vickrey", "deficit_to"), ("Muda", "variant"),
    ]],
    ("Uniform", "price_round", NO_WORD[1:]),
    ("Discriminatory", "spread_to", NO_WORD[1:]),
    ("Uniform", "zero_surplus", NO_FLAG),
    ("Uniform", "whole_levels", NO_FLAG),
    ("TradeReduction", "use_p0", NO_FLAG),
    *[(name, "k", NO_SHARE) for name in ("Uniform", "Discriminatory", "MaximalVolume", "RandomMatching")],
    *[(name, "fee", [None, -1, 2**31, 2**64, *NO_WHOLE]) for name in ("Uniform", "Discriminatory")],
    *[(name, parameter, [2**31, -(2**31), 2**200, *NO_WHOLE]) for name, parameter in [
        ("Uniform", "reserve"), ("Uniform", "cap_low"), ("Uniform", "cap_high"), ("Discriminatory", "reserve"),
        ("Discriminatory", "cap_low"), ("TradeReduction", "cap_low"), ("TradeReduction", "cap_high"),
    ]],
    *[(name, "unit", [None, 0, -1, 2**31, *NO_WHOLE]) for name in ("TradeReduction", "Sbba", "Average")],
    *[(name, "seed", [-1, 2**64, *NO_WHOLE]) for name in ("RandomMatching", "Sbba", "Muda")],
    ("RandomMatching", "seed", [None]),
    ("Sbba", "seed", [None]),
    ("MultiRound", "buyer_step", [None, -1, 2**31, *NO_WHOLE]),
    ("MultiRound", "seller_step", [None, -1, 2**31, *NO_WHOLE]),
    ("MultiRound", "max_rounds", [None, 0, -1, 2**40, *NO_WHOLE]),
    ("Muda", "partition", NO_PEOPLE),
    ("Muda", "permutation", NO_PEOPLE),
]  # fmt: skip


@pytest.mark.parametrize(("name", "parameter", "values"), WRONG, ids=lambda value: value if type(value) is str else "")
def test_what_is_wrong_is_named(name, parameter, values):
    for value in values:
        with pytest.raises(fc.MechanismError, match=parameter):
            getattr(fc, name)(**NEEDED.get(name, {}) | {parameter: value})


@pytest.mark.parametrize(
    "k",
    [
        0.5,
        np.float32(0.5),
        np.float16(0.5),
        np.longdouble(0.5),
        Fraction(1, 2),
        Decimal("0.5"),
        (1, 2),
        (np.int64(1), 2),
    ],
)
def test_k_is_any_real_number(k):
    for name in ("Uniform", "Discriminatory", "MaximalVolume"):
        clearing = fc.clear(BOOK, getattr(fc, name)(k=k))
        clearing.audit()
        assert clearing.payment.tolist() == fc.clear(BOOK, getattr(fc, name)()).payment.tolist()


def test_numpy_numbers_do_not_overflow_later():
    for number in (np.int8, np.uint8, np.int16, np.int32, np.uint64):
        one = number(1)
        rules = [
            fc.Uniform(k=one, fee=one, reserve=one, cap_low=one),
            fc.Discriminatory(k=one, fee=one, reserve=one, cap_low=one),
            fc.TradeReduction(unit=one, cap_low=one),
            fc.Sbba(seed=one, unit=one),
            fc.Average(unit=one),
            fc.RandomMatching(seed=one, k=one),
            fc.MultiRound(one, one, one),
            fc.Muda(seed=one, partition=np.array([1, 3], number)),
        ]
        for rule in rules:
            fc.clear(BOOK, rule).audit()


def test_flags_of_numpy():
    for flag in (np.True_, np.False_):
        assert fc.clear(BOOK, fc.Uniform(zero_surplus=flag)).audit()
        assert fc.clear(BOOK, fc.TradeReduction(use_p0=flag)).audit()


def test_caps_that_cross():
    for name in ("Uniform", "Discriminatory", "TradeReduction"):
        with pytest.raises(fc.MechanismError, match="cap_low"):
            getattr(fc, name)(cap_low=5, cap_high=4)


def test_seeds_have_64_bits():
    for seed in (0, 1, 2**63, 2**64 - 1):
        for rule in (fc.RandomMatching(seed=seed), fc.Sbba(seed=seed), fc.Muda(seed=seed)):
            fc.clear(BOOK, rule).audit()


def test_a_partition_may_name_strangers_but_not_in_another_language():
    for partition in ([], pl.Series([1, 2]), (value for value in [1, 2]), {3, 4}, range(1, 3)):
        fc.clear(BOOK, fc.Muda(seed=1, partition=partition)).audit()
    for partition in ([99], [1, 99], [98, 1, 99]):
        with pytest.warns(UserWarning, match="partition names participant 9.* who has no order here"):
            clearing = fc.clear(BOOK, fc.Muda(seed=1, partition=partition))
        clearing.audit()
    for partition in (["1"], ["a", "b"]):
        with pytest.raises(fc.SchemaError, match="partition"):
            fc.clear(BOOK, fc.Muda(seed=1, partition=partition))
    without = {name: column for name, column in BOOK.items() if name != "participant"}
    with pytest.raises(fc.SchemaError, match="participant"):
        fc.clear(without, fc.Muda(seed=1, partition=[1]))


def test_a_reserve_that_no_bid_can_reach_is_refused():
    for kind in (fc.Uniform, fc.Discriminatory):
        kind(reserve=30, cap_high=30)
        with pytest.raises(fc.MechanismError, match="reserve=31 is above cap_high=30"):
            kind(reserve=31, cap_high=30)


def test_a_partition_may_name_both_halves():
    pair = fc.Muda(variant="vickrey", partition=([1, 3], [2, 4]))
    assert pair == fc.Muda(variant="vickrey", partition=[1, 3])
    assert pair.partition == (1, 3)
    assert fc.Muda(variant="vickrey", partition=(["a", "b"], ["c"])).partition == ("a", "b")
    with pytest.raises(fc.MechanismError, match="partition puts 3 into both halves"):
        fc.Muda(variant="vickrey", partition=([1, 3], [3, 4]))
    with pytest.raises(fc.MechanismError, match="mixes kinds"):
        fc.Muda(variant="vickrey", partition=([1, "b"], [4]))
