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
        "rule": st.sampled_from(["k", "bid", "ask", "earlier"]),
        "price_round": st.sampled_from(ROUNDINGS),
        "fee": st.sampled_from(FEES),
    }
)

MARKET_NUMBERS = [
    "price",
    "price_low",
    "price_high",
    "price_buy",
    "price_sell",
    "volume",
    "buy_orders",
    "sell_orders",
    "welfare",
    "buyer_payment",
    "seller_revenue",
    "surplus",
]
TRADE_KEYS = ["market", "trade", "buy_order", "sell_order", "quantity", "buy_price", "sell_price"]


def mechanism(name, parameters):
    parameters = dict(parameters)
    if name == "discriminatory" and parameters.get("rule", "k") in ("bid", "ask", "earlier"):
        parameters.pop("k", None)
    return getattr(fc, class_name(name))(**parameters)


def twin(name, parameters, rows):
    return TWINS[name](rows, **parameters)


def check_against_twin(frame, name, parameters, **options):
    """Clears `frame` both ways and compares all that comes out. Returns the clearing and the twin."""
    clearing = fc.clear(frame, mechanism(name, parameters), **options)
    expected = twin(name, parameters, frame.to_dicts())

    for attribute, dtype in (("filled", np.int64), ("payment", np.int64), ("reject", np.uint16)):
        array = getattr(clearing, attribute)
        assert array.dtype == dtype
        assert array.tolist() == expected[attribute], attribute

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

    trades = clearing.trades
    assert trades.columns == TRADE_KEYS
    for key in TRADE_KEYS:
        assert trades[key].to_list() == [trade[key] for trade in expected["trades"]], key

    columns = clearing.trade_columns
    for key in ("trade", "buy_row", "sell_row", "quantity", "buy_price", "sell_price"):
        assert not columns[key].flags.writeable
        assert columns[key].tolist() == [trade[key] for trade in expected["trades"]], key

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

    clearing.audit()
    return clearing, expected


def check_universal(frame, clearing, fee=0):
    """U1-U4 and U9, and the strict form of U3: from the orders and the outputs alone."""
    rows = frame.to_dicts()
    accepted = clearing.reject == 0
    assert (clearing.filled[~accepted] == 0).all()
    assert (clearing.payment[~accepted] == 0).all()

    volumes, orders_filled = Counter(), Counter()
    money = Counter()
    for row, order in enumerate(rows):
        filled, payment = int(clearing.filled[row]), int(clearing.payment[row])
        if not accepted[row]:
            continue
        sign = 1 if order["side"] == "buy" else -1
        market = order.get("market", 0)
        assert 0 <= filled <= order["quantity"]
        volumes[market, sign] += filled
        orders_filled[market, sign] += filled > 0
        money[market] += payment
        if order.get("type", "limit") == "limit":
            assert payment <= sign * order["price"] * filled
    lots_in_trades, money_in_trades, trades_in_market = Counter(), Counter(), Counter()
    columns = clearing.trade_columns
    labels = clearing.trades["market"].to_list()
    for trade, market in enumerate(labels):
        buy, sell = int(columns["buy_row"][trade]), int(columns["sell_row"][trade])
        lots = int(columns["quantity"][trade])
        assert lots > 0
        assert rows[buy].get("market") == rows[sell].get("market")
        assert rows[buy]["side"] == "buy"
        assert rows[sell]["side"] == "sell"
        assert int(columns["buy_price"][trade]) - int(columns["sell_price"][trade]) == fee
        lots_in_trades[buy] += lots
        lots_in_trades[sell] += lots
        money_in_trades[buy] += lots * int(columns["buy_price"][trade])
        money_in_trades[sell] -= lots * int(columns["sell_price"][trade])
        trades_in_market[market] += 1
    assert [lots_in_trades[row] for row in range(len(rows))] == clearing.filled.tolist()
    assert [money_in_trades[row] for row in range(len(rows))] == clearing.payment.tolist()
    for row in clearing.markets.to_dicts():
        market = row["market"] if "market" in frame.columns else 0
        assert volumes[market, 1] == volumes[market, -1] == row["volume"]
        assert money[market] == row["surplus"] == fee * row["volume"]
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
