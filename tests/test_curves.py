"""`clearing.curves` and `clearing.plot`: exact steps, and pictures that draw and say what they show."""

import json

import numpy as np
import polars as pl
import pytest

import fastclear as fc
from fastclear.curves.thinning import STEPS_DRAWN

A01 = {
    "order": ["b1", "b2", "b3", "s1", "s2", "s3"],
    "side": ["buy"] * 3 + ["sell"] * 3,
    "price": [30, 25, 18, 10, 16, 24],
    "quantity": [5, 4, 3, 4, 5, 6],
}
A14 = {
    "order": ["b1", "b2", "s1", "s2"],
    "side": ["buy"] * 2 + ["sell"] * 2,
    "price": [30, 24, 15, 24],
    "quantity": [4, 6, 4, 9],
}


def large(count, seed=1):
    rng = np.random.default_rng(seed)
    return {
        "side": rng.integers(0, 2, count).astype(np.int8),
        "price": rng.integers(50_000, 350_000, count),
        "quantity": rng.integers(100, 5_000, count),
    }


# -- the frame -----------------------------------------------------------------------------------------------------


def test_steps_of_a_small_book():
    frame = fc.clear(A01, fc.Uniform()).curves()
    assert frame.schema == {
        "side": pl.String,
        "order": pl.String,
        "price": pl.Int64,
        "quantity": pl.Int64,
        "from": pl.Int64,
        "to": pl.Int64,
        "filled": pl.Int64,
        "marginal": pl.Boolean,
    }
    assert frame.rows() == [
        ("bid", "b1", 30, 5, 0, 5, 5, False),
        ("bid", "b2", 25, 4, 5, 9, 4, True),
        ("bid", "b3", 18, 3, 9, 12, 0, False),
        ("ask", "s1", 10, 4, 0, 4, 4, False),
        ("ask", "s2", 16, 5, 4, 9, 5, True),
        ("ask", "s3", 24, 6, 9, 15, 0, False),
    ]


def test_a_margin_of_several_orders():
    tied = {"side": [1, 1, 1, 0], "price": [26, 26, 30, 14], "quantity": [3, 5, 9, 11], "time": [2, 1, 5, 3]}
    frame = fc.clear(tied, fc.Uniform()).curves()
    assert frame.filter("marginal")["order"].to_list() == [1, 0, 3]  # the earlier of equals comes first


def test_refused_orders_and_other_markets_are_no_steps():
    orders = {"market": ["m", "m", "n", "m"], "side": [1, 0, 1, 1], "price": [9, 2, 7, 8], "quantity": [1, 1, 1, 0]}
    clearing = fc.clear(orders, fc.Uniform())
    assert clearing.curves("m")["order"].to_list() == [0, 1]
    assert clearing.curves("n")["order"].to_list() == [2]
    with pytest.raises(fc.SchemaError, match=r"there are 2 markets \('m', 'n'\); say which with market=..."):
        clearing.curves()
    with pytest.raises(fc.SchemaError, match="there is no such market"):
        clearing.plot("x")
    with pytest.raises(fc.SchemaError, match="text; give '3'"):
        clearing.plot(3)


def test_market_orders_stand_where_they_compete():
    orders = {"side": [1, 1, 0, 0], "type": ["market", "limit", "limit", "market"], "price": [None, 9, 4, None]}
    frame = fc.clear(orders | {"quantity": [1, 2, 3, 4]}, fc.Uniform()).curves()
    assert frame.select("order", "price").rows() == [(0, 9), (1, 9), (2, 4), (3, 4)]
    capped = fc.clear(orders | {"quantity": [1, 2, 3, 4]}, fc.Uniform(cap_low=-5, cap_high=20)).curves()
    assert capped.select("order", "price").rows() == [(0, 20), (1, 9), (3, -5), (2, 4)]


def test_the_steps_of_large_books_add_up():
    orders = large(30_000)
    clearing = fc.clear(orders, fc.Uniform())
    frame = clearing.curves()
    assert frame.height == 30_000
    for side, code in (("bid", 1), ("ask", 0)):
        steps = frame.filter(pl.col("side") == side)
        assert (steps["to"] - steps["from"] == steps["quantity"]).all()
        assert (steps["from"][1:] == steps["to"][:-1]).all()
        assert steps["to"][-1] == orders["quantity"][orders["side"] == code].sum()
        assert steps["price"].is_sorted(descending=side == "bid")
        assert steps["filled"].sum() == clearing.markets["volume"][0]


# -- the picture ----------------------------------------------------------------------------------------------------


def picture(clearing, market=None, **settings):
    """The specification, after a renderer has drawn it."""
    chart = clearing.plot(market, **settings)
    svg = _svg(chart)
    assert svg.startswith("<svg")
    assert "NaN" not in svg
    return chart.to_dict()


def _svg(chart):
    import vl_convert

    return vl_convert.vegalite_to_svg(json.dumps(chart.to_dict()))


def words(spec):
    title = spec["title"]
    return [title["text"], *title["subtitle"]]


def rows(spec, *columns):
    """All data rows of the layers that have these columns."""
    found = [json.loads(layer["data"]["values"]) for layer in spec["layer"] if "values" in layer.get("data", {})]
    return [row for values in found for row in values if set(columns) <= set(row)]


def axes(spec):
    return {
        channel["title"]
        for layer in spec["layer"]
        for name, channel in layer["encoding"].items()
        if name in ("x", "y") and "title" in channel
    }


def domain(spec, axis):
    channels = [layer["encoding"].get(axis, {}) for layer in spec["layer"]]
    return next(channel["scale"]["domain"] for channel in channels if "scale" in channel)


def test_it_says_what_it_shows():
    spec = picture(fc.clear(A01, fc.Uniform()))
    assert words(spec) == [
        "9 lots traded at 21 ticks",
        "Uniform, 3 bids, 3 asks; shaded: the clearing prices, 18 to 24 ticks; thick: the orders at the margin",
    ]
    assert axes(spec) == {"Price (ticks of 0.0001 ct/kWh)", "Quantity (lots of 1 Wh)"}
    assert rows(spec, "low", "high") == [{"low": 18.0, "high": 24.0}]
    assert [row["volume"] for row in rows(spec, "volume")][:1] == [9.0]
    marginal = {row["orders"] for row in rows(spec, "marginal") if row["marginal"]}
    assert marginal == {"b2", "s2"}
    assert {row["words"] for row in rows(spec, "words")} == {"price 21", "traded 9 lots"}


def test_axes_are_in_the_units_of_people():
    big = {**A01, "price": [price * 10_000 for price in A01["price"]], "quantity": [100 * q for q in A01["quantity"]]}
    spec = picture(fc.clear(big, fc.Uniform()))
    assert axes(spec) == {"Price (ct/kWh)", "Energy (kWh)"}
    assert words(spec)[0] == "0.9 kWh traded at 21 ct/kWh"
    declared = fc.clear(A01, fc.Uniform(), units=fc.Units(price="EUR/MWh", quantity="MWh"))
    assert axes(picture(declared)) == {"Price (EUR/MWh)", "Energy (MWh)"}
    asked = picture(declared, units=fc.Units(price="ct/kWh", quantity="kWh"))
    assert axes(asked) == {"Price (ct/kWh)", "Energy (kWh)"}
    assert words(asked)[0] == "9,000 kWh traded at 2.1 ct/kWh"


def test_one_price_only():
    spec = picture(fc.clear(A14, fc.Uniform()))
    assert words(spec)[0] == "10 lots traded at 24 ticks"
    assert "no other price clears this market" in words(spec)[1]
    assert rows(spec, "low", "high") == []


@pytest.mark.parametrize(
    ("orders", "why"),
    [
        ({"side": [1, 0], "price": [17, 23], "quantity": [3, 4]}, "the best bid, 17, is below the best ask, 23 ticks"),
        ({"side": [1, 1], "price": [17, 23], "quantity": [3, 4]}, "there is no ask"),
        ({"side": [0], "price": [-17], "quantity": [3]}, "there is no bid"),
        ({"side": [0], "price": [17], "quantity": [0]}, "no order was accepted"),
    ],
)
def test_nothing_trades(orders, why):
    spec = picture(fc.clear(orders, fc.Uniform()))
    assert words(spec)[0] == "Nothing trades"
    assert words(spec)[1].endswith(f": {why}")
    assert not rows(spec, "volume")


def test_no_market_at_all():
    nothing = {"side": pl.Series([], dtype=pl.String), "price": pl.Series([], dtype=pl.Int64)}
    clearing = fc.clear({**nothing, "quantity": pl.Series([], dtype=pl.Int64)}, fc.Uniform())
    if clearing.markets.height == 0:
        with pytest.raises(fc.SchemaError, match="no market"):
            clearing.plot()


def test_prices_of_their_own_are_drawn_trade_by_trade():
    spec = picture(fc.clear(A01, fc.Discriminatory()))
    assert words(spec)[0] == "9 lots traded at 20 to 23 ticks"
    trades = [row for row in rows(spec, "curve", "from") if row["curve"] == "Price of each trade"]
    assert [(row["from"], row["to"], row["price"]) for row in trades] == [(0, 4, 20), (4, 5, 23), (5, 9, 20)]
    apart = picture(fc.clear(A01, fc.Discriminatory(spread_to="operator")))
    assert words(apart)[0] == "9 lots traded at 10 to 30 ticks"


def test_two_prices_a_fee_and_a_reserve():
    spec = picture(fc.clear(A01, fc.Uniform(fee=3)))
    assert words(spec)[0] == "9 lots traded, buyers pay 22, sellers get 19 ticks"
    assert "the fee of 3 ticks" in words(spec)[1]
    assert {"buyers pay 22", "sellers get 19"} <= {row["words"] for row in rows(spec, "words")}
    reserved = picture(fc.clear(A01, fc.Uniform(reserve=25)))
    assert "this is the reserve price" in words(reserved)[1]
    assert "reserve 12" in {row["words"] for row in rows(picture(fc.clear(A01, fc.Uniform(reserve=12))), "words")}


def test_a_price_outside_the_interval_is_called_so():
    a20 = {"side": [1, 1, 0, 0], "price": [30, 26, 8, 12], "quantity": [5, 5, 4, 3]}
    spec = picture(fc.clear(a20, fc.Uniform(price_rule="last_pair_midpoint")))
    assert "the clearing price would be 26 ticks" in words(spec)[1]
    h01 = {"side": [1, 1, 1, 0, 0, 0], "price": [30, 25, 24, 6, 11, 26], "quantity": [1] * 6}
    assert "24 to 25 ticks, without this one" in words(picture(fc.clear(h01, fc.Average())))[1]


@pytest.mark.parametrize(
    "mechanism",
    [
        fc.MaximalVolume(),
        fc.RandomMatching(seed=1),
        fc.Vickrey(),
        fc.TradeReduction(),
        fc.Huang(),
        fc.Sbba(seed=1),
        fc.Muda(seed=1),
        fc.Muda("vickrey", seed=1),
        fc.Average(),
        fc.MultiRound(1, 1),
    ],
    ids=lambda mechanism: type(mechanism).__name__,
)
def test_every_mechanism_has_a_picture(mechanism):
    prices = [40, 34, 27, 25, 10, 14, 20, 33]
    clearing = fc.clear({"side": [1] * 4 + [0] * 4, "price": prices, "quantity": [1] * 8}, mechanism)
    title, *more = words(picture(clearing))
    volume = clearing.markets["volume"][0]
    assert title.startswith(f"{volume} lot" if volume else "Nothing trades")
    assert more[0].startswith(type(mechanism).__name__)
    assert ("payments are sums" in more[0]) == (clearing.pays_sums and volume > 0)


def test_negative_prices():
    orders = {"side": [1, 1, 0, 0], "price": [-5.0, -12.5, -30.0, -8.25], "quantity": [3.0, 2.0, 4.5, 5.0]}
    spec = picture(fc.clear(orders, fc.Uniform(), units=fc.Units(price="ct/kWh", quantity="kWh")))
    assert words(spec)[0] == "4.5 kWh traded at -12.5 ct/kWh"
    span = domain(spec, "y")
    assert span[0] < -30 < -5 < span[1] < 0


def test_the_grid_does_not_push_the_neighbours_out_of_sight():
    orders = {"side": [1, 1, 0, 0, 0, 1], "price": [25, 20, 12, 18, 30, 8], "quantity": [3, 2, 4, 5, 10**9, 10**9]}
    spec = picture(fc.clear(orders, fc.Uniform()))
    right = domain(spec, "x")[1]
    assert 5 < right <= 40
    assert max(row["to"] for row in rows(spec, "to")) <= right
    assert "Demand runs on to 1,000,000,005 lots" in words(spec)


@pytest.mark.parametrize("count", [1, 2_000, 10_000, 100_000])
def test_large_books_are_thinned_and_say_so(count):
    clearing = fc.clear(large(count), fc.Uniform())
    spec = picture(clearing)
    drawn = [row for row in rows(spec, "orders") if row["curve"] == "Demand (bids)"]
    assert len(drawn) <= 2 * (STEPS_DRAWN + 1)
    bids = clearing.curves().filter(pl.col("side") == "bid").height
    said = [line for line in words(spec) if line.startswith(f"Demand of {bids:,} orders drawn with")]
    assert bool(said) == (bids > STEPS_DRAWN)
    if not said:
        return
    # near the margin each level of price is a step of its own
    volume = clearing.markets["volume"][0]
    near = sorted(drawn, key=lambda row: abs(row["to"] * 1_000 - volume))[:50]
    exact = clearing.curves().filter(pl.col("side") == "bid")
    levels = exact.group_by("price").agg(pl.col("from").min(), pl.col("to").max())
    assert {(round(row["from"] * 1_000), round(row["to"] * 1_000)) for row in near} <= set(
        levels.select("from", "to").rows()
    )


def test_names_are_shown_and_not_obeyed():
    name = "</script><script>alert(1)</script>\x1b[31m"
    clearing = fc.clear({**A01, "market": [name] * 6, "order": [f"{name}{i}" for i in range(6)]}, fc.Uniform())
    title = words(picture(clearing))[0]
    assert title.replace("\u200b", "").startswith(f"Market '{name[:-5]}\\x1b[31m': 9 lots")
    page = clearing.plot().to_html()
    assert "alert(1)" in page
    assert "</script><script>alert" not in page
    assert "<script>alert" not in page
