"""Every output of `fastclear.clear` against the naive twin, and the predicates that hold for any auction."""

from collections import Counter
from fractions import Fraction
from hashlib import sha256

import numpy as np
import polars as pl
from hypothesis import strategies as st

import fastclear as fc
from reference.twins import TWINS, class_name

KS = [Fraction(1, 2), Fraction(0), Fraction(1), Fraction(1, 3), Fraction(999_999, 1_000_000)]
ROUNDINGS = ["floor", "ceil", "half_up"]
FEES = [0, 0, 0, 1, 3, 7, 1_000_000]
SEEDS = [0, 1, 2**64 - 1]
RULES = ["k", "bid", "ask", "earlier"]
PRICE_RULES = [
    "interval",
    "marginal_ask",
    "marginal_bid",
    "last_pair_midpoint",
    "scarce_side",
    "cut_order",
    "capped_midpoint",
]
RESERVES = [None, None, None, -2, 0, 3, 12, 25]
CAPS = [(None, None)] * 3 + [(-3, 6), (0, None), (None, 4), (-(2**31) + 1, 2**31 - 1)]

uniform_parameters = st.fixed_dictionaries(
    {
        "k": st.sampled_from(KS),
        "rationing": st.sampled_from(["pro_rata", "time", "equal"]),
        "price_round": st.sampled_from(ROUNDINGS),
        "zero_surplus": st.booleans(),
        "fee": st.sampled_from(FEES),
    }
)
discriminatory_parameters = st.fixed_dictionaries(
    {
        "k": st.sampled_from(KS),
        "rule": st.sampled_from(RULES),
        "price_round": st.sampled_from(ROUNDINGS),
        "fee": st.sampled_from(FEES),
    }
)


def _caps(pick, parameters):
    low, high = pick(CAPS)
    reserve = pick(RESERVES)
    if None not in (reserve, high):
        reserve = min(reserve, high)  # a higher one is refused: nobody could trade
    return parameters | {"cap_low": low, "cap_high": high, "reserve": reserve}


def _uniform(pick):
    parameters = {"rationing": pick(["pro_rata", "time", "equal", "quantity", "lottery"]), "fee": pick(FEES)}
    if parameters["rationing"] == "lottery":
        parameters["seed"] = pick(SEEDS)
    if pick([False, False, True]):
        parameters |= {"whole_levels": True, "price_rule": "marginal_bid"}
    else:
        parameters |= {"price_rule": pick(PRICE_RULES), "zero_surplus": pick([True, True, False])}
        parameters["price_round"] = pick([None, *ROUNDINGS])
        if parameters["price_rule"] == "interval":
            parameters["k"] = pick(KS)
    return _caps(pick, parameters)


def _pair_rule(pick):
    return {"k": pick(KS), "rule": pick(RULES), "price_round": pick(ROUNDINGS)}


def _discriminatory(pick):
    parameters = {"fee": pick(FEES)}
    spread_to = pick([None, None, "seller", "buyer", "operator"])
    parameters |= _pair_rule(pick) if spread_to is None else {"spread_to": spread_to}
    return _caps(pick, parameters)


def _muda(pick):
    parameters = {"variant": pick(["lottery", "vickrey"])}
    return parameters | {"seed": pick(SEEDS)}


def _trade_reduction(pick):
    low, high = pick(CAPS)
    return {"use_p0": pick([True, True, False]), "cap_low": low, "cap_high": high}


PARAMETERS = {
    "uniform": _uniform,
    "discriminatory": _discriminatory,
    "maximal_volume": lambda pick: _pair_rule(pick) | {"pairing": pick(["ascending", "descending"])},
    "random_matching": lambda pick: _pair_rule(pick) | {"seed": pick(SEEDS)},
    "vickrey": lambda pick: {"deficit_to": pick(["platform", "dso", "backstop"])},
    "trade_reduction": _trade_reduction,
    "huang": lambda pick: {},
    "sbba": lambda pick: {"seed": pick(SEEDS)},
    "muda": _muda,
    "average": lambda pick: {},
    "multi_round": lambda pick: {
        "buyer_step": pick([0, 1, 2, 3, 7, 100]),
        "seller_step": pick([0, 1, 2, 3, 7, 100]),
        "max_rounds": pick([1, 3, 20, 60]),
    },
}
"""Parameters of a mechanism, drawn with `pick(choices)`."""


@st.composite
def parameters_of(draw, name):
    return PARAMETERS[name](lambda choices: draw(st.sampled_from(choices)))


BOOKS = {
    "uniform": {"min_quantity": True},
    "discriminatory": {"min_quantity": True},
    "vickrey": {"participants": "one_side"},
    "trade_reduction": {"participants": "one_order", "quantities": (1, 1)},
    "huang": {"participants": "one_order"},
    "sbba": {"participants": "one_order", "quantities": (1, 1)},
    "muda": {"participants": "one_side"},
    "average": {"participants": "one_order", "quantities": (1, 1)},
    "multi_round": {"start_price": True},
}
"""What the books of a mechanism need, for `fastclear.testing.orders`."""

UNPRICED = {"vickrey", "muda-vickrey"}
"""Mechanisms whose payments are not per unit."""

MARKET_NUMBERS = [
    "price",
    "price_low",
    "price_high",
    "price_buy",
    "price_sell",
    "volume",
    "buy_orders",
    "sell_orders",
    "best_bid",
    "best_ask",
    "welfare",
    "buyer_payment",
    "seller_revenue",
    "surplus",
]
EXTRA = {
    "trade_reduction": ["branch"],
    "sbba": ["branch"],
    "muda": ["price_left", "price_right"],
    "multi_round": ["rounds"],
}
"""Columns of `markets` that only some mechanisms have."""

TRADE_KEYS = ["market", "trade", "buy_order", "sell_order", "quantity", "buy_price", "sell_price"]
AMOUNTS = ["buy_amount", "sell_amount"]


def mechanism(name, parameters):
    parameters = dict(parameters)
    if "rule" in parameters and parameters["rule"] != "k":
        parameters.pop("k", None)
    return getattr(fc, class_name(name))(**parameters)


def twin(name, parameters, rows):
    return TWINS[name](rows, **parameters)


def by_twin(name, frame, parameters):
    return twin(name, parameters, frame.to_dicts())


def by_clear(name, frame, parameters):
    """What `fastclear.clear` gives, in the twin's form."""
    clearing = fc.clear(frame, mechanism(name, parameters))
    return {
        "markets": clearing.markets.to_dicts(),
        "trades": clearing.trades.to_dicts(),
        "reject": clearing.reject.tolist(),
        "filled": clearing.filled.tolist(),
        "payment": clearing.payment.tolist(),
        "den": clearing.den,
    }


def is_unpriced(name, parameters):
    return name in UNPRICED or f"{name}-{parameters.get('variant')}" in UNPRICED


def check_against_twin(frame, name, parameters, **options):
    """Clears `frame` both ways and compares all that comes out. Returns the clearing and the twin."""
    clearing = fc.clear(frame, mechanism(name, parameters), **options)
    expected = twin(name, parameters, frame.to_dicts())
    compare(frame, clearing, expected, name, unpriced=is_unpriced(name, parameters))
    clearing.audit()
    return clearing, expected


def compare(frame, clearing, expected, name, unpriced=False):
    for attribute, dtype in (("reject", np.uint16), ("filled", np.int64)):
        array = getattr(clearing, attribute)
        assert array.dtype == dtype
        assert array.tolist() == expected[attribute], attribute
    assert clearing.den == expected["den"]
    assert clearing.payment.dtype == np.int64
    assert clearing.payment.tolist() == expected["payment"]

    fills = clearing.fills
    assert fills.columns == ["order", "filled", "payment", "reject"]
    ids = frame["order"] if "order" in frame.columns else pl.Series(range(frame.height), dtype=pl.Int64)
    assert fills["order"].to_list() == ids.to_list()
    assert fills["filled"].to_list() == expected["filled"]
    assert fills["payment"].to_list() == expected["payment"]
    assert fills["reject"].to_list() == expected["reject"]

    markets = clearing.markets
    names = [market["market"] for market in expected["markets"]]
    assert markets["market"].to_list() == names
    for key in MARKET_NUMBERS:
        got = [None if value is None else int(value) for value in markets[key].to_list()]
        assert got == [market[key] for market in expected["markets"]], key
    extra = EXTRA.get(name, [])
    assert set(markets.columns) == {"market", *MARKET_NUMBERS, *extra}
    for key in extra:
        assert markets[key].to_list() == [market[key] for market in expected["markets"]], key

    trades = clearing.trades
    keys = TRADE_KEYS + AMOUNTS * unpriced
    assert trades.columns == keys
    for key in keys:
        assert trades[key].to_list() == [trade[key] for trade in expected["trades"]], key

    columns = clearing.trade_columns
    for key in ("trade", "buy_row", "sell_row", "quantity", "buy_price", "sell_price", *AMOUNTS):
        assert not columns[key].flags.writeable
        # A price that does not exist is 0 here.
        assert columns[key].tolist() == [trade[key] or 0 for trade in expected["trades"]], key

    columns = clearing.market_columns
    # One price a side: with a fee, too.
    priced = [market["price_sell"] is not None for market in expected["markets"]]
    assert columns["has_price"].tolist() == priced
    for key in ("price", "price_low", "price_high", "price_buy", "price_sell"):
        for row, market in enumerate(expected["markets"]):
            if market[key] is not None:
                assert columns[key][row] == market[key], key
    for key in ("volume", "buy_orders", "sell_orders"):
        assert columns[key].tolist() == [market[key] for market in expected["markets"]], key


STRONG = {"uniform", "discriminatory", "maximal_volume", "random_matching", "sbba", "average", "multi_round"}
WEAK = {"trade_reduction", "huang", "muda"}
"""Budget: buyers pay what sellers receive (and the fee); at least that; Vickrey at most."""


def check_universal(frame, clearing, fee=0, name="uniform", spread=False):
    """U1-U4 and U9, and the strict form of U3: from the orders and the outputs alone."""
    rows = frame.to_dicts()
    den = clearing.den
    accepted = clearing.reject == 0
    assert (clearing.filled[~accepted] == 0).all()
    assert (clearing.payment[~accepted] == 0).all()

    volumes, orders_filled = Counter(), Counter()
    money, gains = Counter(), Counter()
    for row, order in enumerate(rows):
        filled, payment = int(clearing.filled[row]), int(clearing.payment[row])
        if not accepted[row]:
            continue
        sign = 1 if order["side"] == "buy" else -1
        market = order.get("market", 0)
        assert 0 <= filled <= order["quantity"]
        assert filled > 0 or payment == 0
        volumes[market, sign] += filled
        orders_filled[market, sign] += filled > 0
        money[market] += payment
        if order.get("type", "limit") == "limit":
            # A participant's orders together, where its payment is theirs together.
            owner = order.get("participant", row) if name in ("vickrey", "muda") else row
            gains[market, owner] += den * sign * order["price"] * filled - payment
    if name in ("vickrey", "muda") and "type" in frame.columns:
        gains.clear()
    assert all(gain >= 0 for gain in gains.values())

    lots_in_trades, money_in_trades, trades_in_market = Counter(), Counter(), Counter()
    columns = clearing.trade_columns
    labels = clearing.trades["market"].to_list()
    unpriced = AMOUNTS[0] in clearing.trades.columns
    for trade, market in enumerate(labels):
        buy, sell = int(columns["buy_row"][trade]), int(columns["sell_row"][trade])
        lots = int(columns["quantity"][trade])
        assert lots > 0
        assert rows[buy].get("market") == rows[sell].get("market")
        assert rows[buy]["side"] == "buy"
        assert rows[sell]["side"] == "sell"
        buy_price, sell_price = int(columns["buy_price"][trade]), int(columns["sell_price"][trade])
        if name in STRONG and not spread:
            assert buy_price - sell_price == fee * den
        buy_amount, sell_amount = int(columns["buy_amount"][trade]), int(columns["sell_amount"][trade])
        if not unpriced:
            assert (buy_amount, sell_amount) == (buy_price * lots, sell_price * lots)
        lots_in_trades[buy] += lots
        lots_in_trades[sell] += lots
        money_in_trades[buy] += buy_amount
        money_in_trades[sell] -= sell_amount
        trades_in_market[market] += 1
    assert [lots_in_trades[row] for row in range(len(rows))] == clearing.filled.tolist()
    assert [money_in_trades[row] for row in range(len(rows))] == clearing.payment.tolist()
    for row in clearing.markets.to_dicts():
        market = row["market"] if "market" in frame.columns else 0
        assert volumes[market, 1] == volumes[market, -1] == row["volume"]
        surplus = row["surplus"]
        assert money[market] == surplus
        if name in STRONG and not spread:
            assert surplus == fee * den * row["volume"]
        elif name == "vickrey":
            assert surplus <= 0
        else:
            assert surplus >= fee * den * row["volume"]
        trades = trades_in_market[row["market"]]
        assert trades <= max(0, orders_filled[market, 1] + orders_filled[market, -1] - 1)


def fingerprint(clearing, frames=True):
    """All that a clearing says, one hash a column: equal fingerprints are equal bytes."""
    columns = {"filled": clearing.filled, "payment": clearing.payment, "reject": clearing.reject}
    columns |= {f"markets.{name}": column for name, column in clearing.market_columns.items()}
    columns |= {f"trades.{name}": column for name, column in clearing.trade_columns.items()}
    prints = {}
    for name, column in columns.items():
        # Totals beyond 64 bits are Python integers: their digits count, not where they lie in memory.
        content = repr(column.tolist()).encode() if column.dtype == object else column.tobytes()
        prints[name] = f"{column.dtype} {sha256(content).hexdigest()}"
    if frames:
        for name in ("markets", "fills", "trades"):
            frame = getattr(clearing, name)
            prints[name] = f"{frame.schema} {sha256(frame.write_json().encode()).hexdigest()}"
    return prints
