"""Anything at all at the border: a clearing that passes its audit, or a FastclearError, and nothing else.

Orders are mappings of columns of any kind, length and content; mechanisms are of every class with any parameters, right
or wrong. Sound orders give the same bytes whatever the row order, the threads and the instruction set.
"""

import hashlib
import os
import subprocess
import sys
import warnings
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastclear as fc
from fastclear import testing

TOP = testing.PRICE_MAX
EXAMPLES = {"ci": 1_600, "long": 20_000}.get(settings.get_current_profile_name(), 300)

# -- mechanisms ------------------------------------------------------------------------------------------------

SHARES = [0, 1, 0.5, 0.3, Fraction(1, 3), (2, 7), np.float32(0.25), np.int8(1)]
ROUNDS = ["floor", "ceil", "half_up"]
RATIONING = ["pro_rata", "time", "equal", "quantity", "lottery"]
RULES = ["k", "bid", "ask", "earlier"]
SEEDS = [0, 1, 7, 2**63, 2**64 - 1]
FEES = [0, 0, 0, 1, 3, TOP]
TICKS = [None, None, -TOP, -3, 0, 2, 5, TOP]
PEOPLE = [None, [], [0], [1, 3], [99, 0]]
PRICE_RULES = ["interval", "marginal_ask", "marginal_bid", "last_pair_midpoint", "scarce_side", "cut_order"]

# A list of participants may name some who have no order.
pytestmark = pytest.mark.filterwarnings("ignore:(partition|permutation) names participant:UserWarning")

VALID = {
    "Uniform": {
        "k": SHARES,
        "rationing": RATIONING,
        "price_rule": [*PRICE_RULES, "capped_midpoint"],
        "seed": SEEDS,
        "zero_surplus": [True, False],
        "price_round": [None, *ROUNDS],
        "fee": FEES,
        "reserve": TICKS,
        "cap_low": TICKS,
        "cap_high": TICKS,
    },
    "Discriminatory": {
        "k": SHARES,
        "rule": RULES,
        "price_round": ROUNDS,
        "fee": FEES,
        "spread_to": [None, "seller", "buyer", "operator"],
        "reserve": TICKS,
        "cap_low": TICKS,
        "cap_high": TICKS,
    },
    "MaximalVolume": {"k": SHARES, "rule": RULES, "price_round": ROUNDS, "pairing": ["ascending", "descending"]},
    "RandomMatching": {"seed": SEEDS, "k": SHARES, "rule": RULES, "price_round": ROUNDS},
    "Vickrey": {"deficit_to": ["platform", "dso", "backstop"]},
    "TradeReduction": {"use_p0": [True, False], "unit": [1, 2, 5], "cap_low": TICKS, "cap_high": TICKS},
    "Huang": {},
    "Sbba": {"seed": SEEDS, "unit": [1, 2, 5]},
    "Average": {"unit": [1, 2, 5]},
    "Muda": {"variant": ["lottery", "vickrey"], "seed": SEEDS, "partition": PEOPLE, "permutation": PEOPLE},
    "MultiRound": {"buyer_step": [1, 2, 100, TOP], "seller_step": [1, 3, TOP], "max_rounds": [1, 3, 50]},
}
NEEDED = {
    "RandomMatching": ["seed"],
    "Sbba": ["seed"],
    "Muda": ["seed"],
    "MultiRound": ["buyer_step", "seller_step"],
}

JUNK = [
    None,
    True,
    "",
    "no",
    b"floor",
    -1,
    0,
    1.5,
    2**31,
    -(2**31),
    2**64,
    2**200,
    float("nan"),
    float("inf"),
    1j,
    (),
    (1,),
    (1, 0),
    (-1, 2),
    ("a", "b"),
    [1, 1],
    {"a": 1},
    np.zeros(2),
    np.float64("nan"),
    np.array(0.5),
    Decimal("NaN"),
    Fraction(-1, 2),
    object(),
    fc.Uniform,
    pl.Series([1]),
    pd.NA,
]


@st.composite
def mechanisms(draw, junk=False):
    """One mechanism, or None where its parameters contradict each other."""
    name = draw(st.sampled_from(sorted(VALID)))
    parameters = VALID[name]
    chosen = draw(st.lists(st.sampled_from(sorted(parameters)), unique=True, max_size=3)) if parameters else []
    arguments = {key: draw(st.sampled_from(parameters[key])) for key in [*NEEDED.get(name, []), *chosen]}
    if name == "Uniform":  # a seed is for the lottery alone
        arguments.pop("seed", None)
        if arguments.get("rationing") == "lottery":
            arguments["seed"] = draw(st.sampled_from(SEEDS))
    if junk and arguments:
        arguments[draw(st.sampled_from(sorted(arguments)))] = draw(st.sampled_from(JUNK))
    return made(name, arguments)


def made(name, arguments):
    try:
        return getattr(fc, name)(**arguments)
    except fc.MechanismError:
        return None


def needed(name):
    return {key: VALID[name][key][0] for key in NEEDED.get(name, [])}


def test_every_valid_parameter_is_accepted():
    for name, parameters in VALID.items():
        for key, values in parameters.items():
            for value in values:
                arguments = needed(name) | {key: value}
                if name == "Uniform" and (key == "seed" or value == "lottery"):
                    arguments = {"rationing": "lottery", "seed": 1} | arguments
                assert made(name, arguments) is not None, arguments


# -- orders ----------------------------------------------------------------------------------------------------

SMALL = [1, 2, 3, 5, 5, 7]
NUMBERS = [*SMALL, *SMALL, *SMALL, 0, -1, -4, TOP, -TOP, TOP + 1, 2**40, 2**63 - 1, -(2**63), 2**64, None]
FLOATS = [0.5, 1.0, 0.1 + 0.2, 1e300, float("nan"), float("inf"), -0.0]
ODD = ["5", True, Decimal("0.5"), Decimal("NaN"), b"x", [1], {"a": 1}, date(2026, 1, 1), object(), pd.NA, 1j]
SIDES = [*["buy", "sell"] * 4, "bid", "ask", "offer", "BUY", "hold", "", None]
IDS = [0, 1, 2, 3, 4, 5, 6, 7, -1, 2**63 - 1, -(2**63), None]
TEXTS = ["a", "b", "B", "ä", "", "a\x00", "10", "9", None]
POOLS = {
    "side": [SIDES, SIDES, SIDES, [True, False], [1, 0], [0, 1, 2, None], NUMBERS],
    "price": [SMALL, NUMBERS, FLOATS, NUMBERS + FLOATS],
    "quantity": [SMALL, NUMBERS, FLOATS],
    "type": [["limit", "limit", "market"], ["limit", "market", "stop", None, ""], [1]],
    "market": [[0, 1], IDS, TEXTS],
    "order": [list(range(50)), IDS, TEXTS],
    "participant": [[0, 1, 2, 3], IDS, TEXTS],
    "time": [[0, 1, 2], IDS, [datetime(2026, 1, 1, tzinfo=UTC), None], [datetime(2026, 1, 1)]],
    "min_quantity": [[0, 1, 2, 3], NUMBERS, FLOATS],
    "start_price": [[1, 2, 3, 4], NUMBERS, FLOATS],
    "nonsense": [ODD],
}
# What polars, pandas or Arrow themselves refuse to build; never around a call of ours.
REFUSED = (
    TypeError,
    ValueError,
    OverflowError,
    NotImplementedError,
    pl.exceptions.PolarsError,
    pl.exceptions.PanicException,
)
CONTAINERS = ["list", "list", "tuple", "numpy", "object", "typed", "masked", "strided", "polars", "pandas", "arrow"]
DTYPES = ["i1", "u1", "i4", "i8", ">i8", "u8", "f2", "f4", "f8", ">f8", "?", "U3", "S3", "M8[s]", "m8[ns]", "c8", "V4"]


def contained(cells, container, dtype):
    """Build the container; what its library refuses to build stays a list."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of numpy, where a number does not fit
        return built(cells, container, dtype)


def built(cells, container, dtype):
    try:
        if container == "numpy":
            return np.array(cells)
        if container == "object":
            return np.array(cells, dtype=object)
        if container == "typed":
            return np.array(cells, dtype=dtype)
        if container == "masked":
            return np.ma.array(cells, mask=[row % 3 == 0 for row in range(len(cells))])
        if container == "strided":
            return np.repeat(np.array(cells), 2)[::2]
        if container == "polars":
            return pl.Series(cells)
        if container == "pandas":
            return pd.Series(cells)
        if container == "arrow":
            return pa.array(cells)
    except REFUSED:
        return list(cells)
    return tuple(cells) if container == "tuple" else list(cells)


@st.composite
def columns(draw):
    """A mapping of columns: most sound enough to trade, some of wrong length, type or content."""
    n = draw(st.integers(0, 9))
    names = ["side", "price", "quantity"]
    names += draw(st.lists(st.sampled_from(sorted(POOLS)), unique=True, max_size=5))
    wild = draw(st.integers(0, 3)) == 0
    orders = {}
    for name in dict.fromkeys(names):
        pools = POOLS[name]
        pool = draw(st.sampled_from([*pools, ODD])) if wild else pools[draw(st.integers(0, min(1, len(pools) - 1)))]
        rows = n + draw(st.sampled_from([0] * 20 + [1, -1])) if wild else n
        cells = draw(st.lists(st.sampled_from(pool), min_size=max(rows, 0), max_size=max(rows, 0)))
        container = draw(st.sampled_from(CONTAINERS)) if wild else draw(st.sampled_from(["list", "numpy", "polars"]))
        orders[name] = contained(cells, container, draw(st.sampled_from(DTYPES)) if container == "typed" else "")
    return orders


UNITS = [None, None, fc.Units(price="ct/kWh", quantity="kWh"), fc.Units(price="EUR/MWh", rounding="nearest")]


def read(clearing):
    """Everything a caller may look at."""
    clearing.audit()
    for frame in (clearing.markets, clearing.fills, clearing.trades):
        assert frame.width
    assert repr(clearing)
    return clearing


cleared = dict.fromkeys(VALID, 0)


@settings(max_examples=EXAMPLES)
@given(columns(), mechanisms(), st.sampled_from(UNITS), st.booleans())
def test_any_columns(orders, mechanism, units, as_frame):
    if mechanism is None:
        return
    if as_frame:
        try:
            orders = pl.DataFrame(orders, strict=False)
        except REFUSED:
            return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            clearing = fc.clear(orders, mechanism, units=units)
        except fc.FastclearError:
            return
    read(clearing)
    cleared[type(mechanism).__name__] += 1


def test_the_fuzz_did_clear():
    """Guard: not every example was refused."""
    if not any(cleared.values()):
        pytest.skip("run with the whole file")
    assert sum(cleared.values()) > EXAMPLES // 4, cleared
    # Which mechanisms are drawn is chance; that nearly all of them turn up is not.
    assert sum(count > 0 for count in cleared.values()) > len(cleared) // 2, cleared


BOOK = {
    "side": ["buy", "buy", "buy", "sell", "sell", "sell"],
    "price": [9, 7, 5, 2, 4, 6],
    "quantity": [1, 2, 5, 1, 2, 5],
    "participant": [0, 1, 2, 3, 4, 5],
}


@settings(max_examples=EXAMPLES // 2)
@given(mechanisms(junk=True))
def test_any_parameters(mechanism):
    if mechanism is None:
        return
    assert repr(mechanism)
    named = [*(getattr(mechanism, "partition", None) or ()), *(getattr(mechanism, "permutation", None) or ())]
    if any(isinstance(name, str) for name in named):
        with pytest.raises(fc.SchemaError, match="names participants by text"):
            fc.clear(BOOK, mechanism)
    else:
        read(fc.clear(BOOK, mechanism))


# -- sound orders: the same bytes, however they are handed over ------------------------------------------------


@st.composite
def sound(draw):
    frame = draw(testing.orders(market_orders=draw(st.booleans()), faults=draw(st.booleans())))
    n = frame.height
    if "order" not in frame.columns:
        frame = frame.with_columns(order=pl.Series(draw(st.permutations(range(n))), dtype=pl.Int64))
    if draw(st.booleans()):
        least = st.sampled_from([None, 0, 1, 2, 5, TOP])
        cells = draw(st.lists(least, min_size=n, max_size=n))
        frame = frame.with_columns(min_quantity=pl.Series(cells, dtype=pl.Int64))
    if draw(st.booleans()):
        cells = draw(st.lists(st.sampled_from([None, 0, 1, 5]), min_size=n, max_size=n))
        frame = frame.with_columns(start_price=pl.Series(cells, dtype=pl.Int64))
    return frame


@settings(max_examples=EXAMPLES // 2)
@given(sound(), mechanisms(), st.randoms(use_true_random=False))
def test_row_order_does_not_matter(frame, mechanism, random):
    if mechanism is None:
        return
    if "participant" not in frame.columns:  # who names participants in a partition must have some
        frame = frame.with_columns(participant=pl.int_range(frame.height, dtype=pl.Int64))
    one = read(fc.clear(frame, mechanism))
    rows = list(range(frame.height))
    random.shuffle(rows)
    two = fc.clear(frame[rows], mechanism, threads=2) if rows else one
    assert two.fills.equals(one.fills[rows] if rows else one.fills)
    assert two.markets.equals(one.markets)
    assert two.trades.equals(one.trades)


def many(rows, unit_lots):
    orders = testing.random_orders(rows, markets=rows // 8, seed=3, distribution="narrow")
    if unit_lots:  # mechanisms of single units take these, the others too
        orders = orders | {"quantity": np.ones(rows, np.int64)}
    return orders


def digest(clearing):
    sha = hashlib.sha256()
    for array in (clearing.filled, clearing.payment, clearing.reject):
        sha.update(array.tobytes())
    for columns_of in (clearing.market_columns, clearing.trade_columns):
        for name in sorted(columns_of):
            sha.update(name.encode())
            column = columns_of[name]
            sha.update(repr(column.tolist()).encode() if column.dtype == object else column.tobytes())
    return sha.hexdigest()


def standard(name):
    return getattr(fc, name)(**needed(name))


@pytest.mark.parametrize("name", sorted(VALID))
def test_threads_do_not_matter(name):
    orders = many(70_000, unit_lots=True)  # rows enough for three threads
    one, two, sixteen = (fc.clear(orders, standard(name), threads=threads) for threads in (1, 2, 16))
    assert digest(one) == digest(two) == digest(sixteen)
    assert one.filled.sum() > 0


SCALAR = """
import sys
sys.path.insert(0, sys.argv[1])
import test_border_fuzz as fuzz
import fastclear as fc
for name in sorted(fuzz.VALID):
    for unit_lots in (True, False):
        print(name, unit_lots, fuzz.digest(fc.clear(fuzz.many(12_000, unit_lots), fuzz.standard(name))))
"""


def test_the_instruction_set_does_not_matter():
    def run(simd):
        here = os.path.dirname(__file__)  # noqa: PTH120 - it goes on sys.path
        environment = {name: value for name, value in os.environ.items() if name != "FASTCLEAR_SIMD"}
        done = subprocess.run(
            [sys.executable, "-c", SCALAR, here],
            env=environment | simd,
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        return done.stdout

    scalar, best = run({"FASTCLEAR_SIMD": "scalar"}), run({})
    assert scalar == best
    assert scalar.count("\n") == 2 * len(VALID)
