"""Who gains by misreporting: the auctions are not truthful, and one-lot agents gain little.

All misreports of an agent are markets of one call.
"""

import polars as pl
from hypothesis import assume, given
from reference.naive import naive_uniform

import fastclear as fc
from fastclear import testing

TOP = 45


def gains(book, row, rule):
    """Utility of every report 0..TOP of the agent in `row`, less that of the truth."""
    value = book["price"][row]
    sign = 1 if book["side"][row] == "buy" else -1
    reports = [value, *range(TOP + 1)]
    prices = book["price"].to_list()
    worlds = []
    for market, report in enumerate(reports):
        prices[row] = report
        worlds.append(book.with_columns(price=pl.Series(prices), market=pl.lit(market, dtype=pl.Int64)))
    clearing = fc.clear(pl.concat(worlds), rule)
    mine = slice(row, None, book.height)
    utility = sign * value * clearing.filled[mine] - clearing.payment[mine]
    return (utility - utility[0])[1:].tolist()


def book_of(*rows):
    columns = {"side": pl.String, "price": pl.Int64, "quantity": pl.Int64}
    book = pl.DataFrame(rows, schema=columns, orient="row")
    return book.with_columns(order=pl.int_range(pl.len()), time=pl.int_range(pl.len()))


def test_a_misreport_pays_under_uniform_prices():
    # Case A23: a partly filled bid sets the price alone.
    book = book_of(("buy", 30, 5), ("buy", 22, 1), ("sell", 10, 4))
    gain = gains(book, 0, fc.Uniform(rationing="time"))
    assert max(gain) == 60
    assert gain.index(60) == 10
    # One lot each: both sides gain, and never more than the interval.
    book = book_of(("buy", 30, 1), ("sell", 10, 1))
    assert max(gains(book, 0, fc.Uniform())) == 10
    assert max(gains(book, 1, fc.Uniform())) == 10


def test_a_misreport_pays_under_discriminatory_prices():
    book = book_of(("buy", 35, 4), ("buy", 28, 6), ("sell", 11, 5), ("sell", 18, 4), ("sell", 27, 3))
    for rule in ("bid", "k"):
        assert max(gains(book, 0, fc.Discriminatory(rule=rule))) > 0
    for rule in ("ask", "k"):
        assert max(gains(book, 2, fc.Discriminatory(rule=rule))) > 0


def test_a_price_taker_has_nothing_to_gain():
    # The search must also be able to come back empty-handed.
    book = book_of(("buy", 40, 1), ("buy", 20, 5), ("sell", 10, 3))
    assert max(gains(book, 0, fc.Uniform())) == 0
    assert max(gains(book_of(("buy", 30, 2), ("sell", 10, 2)), 0, fc.Discriminatory(rule="ask"))) == 0


@given(testing.books(max_size=7))
def test_one_lot_agents_gain_at_most_the_interval(book):
    book = book.with_columns(quantity=pl.lit(1, dtype=pl.Int64))
    assume(book.height > 0)
    (market,) = naive_uniform(book.to_dicts())["markets"]
    width = market["price_high"] - market["price_low"] if market["volume"] else 0
    for row in range(book.height):
        for rationing in ("time", "pro_rata", "equal"):
            assert max(gains(book, row, fc.Uniform(rationing=rationing))) <= width


@given(testing.books(max_size=7))
def test_a_one_lot_agent_among_larger_ones_gains_at_most_the_interval(book):
    assume(book.height > 0)
    quantity = book["quantity"].to_list()
    quantity[0] = 1
    book = book.with_columns(quantity=pl.Series(quantity))
    (market,) = naive_uniform(book.to_dicts())["markets"]
    width = market["price_high"] - market["price_low"] if market["volume"] else 0
    assert max(gains(book, 0, fc.Uniform(rationing="time"))) <= width
