"""Richer orders and sessions in one book: each in markets of its own, and neither quietly loses anything."""

import polars as pl
import pytest

import fastclear as fc

RICH = (
    {"display": [2]},
    {"min_quantity": [2]},
    {"all_or_none": [True]},
    {"stop": [7]},
    {"peg": ["best"]},
    {"flags": ["slide"]},
)
SESSIONS = (
    lambda book, market: book.set_phases({market: [(10**9, "pre_open")]}),
    lambda book, market: book.set_collar(market, 0, 100),
    lambda book, market: book.set_breaker(market, 5, 10**9),
)


def bid(market, order, price=5, quantity=4, **more):
    return {"market": [market], "order": [order], "side": ["buy"], "price": [price], "quantity": [quantity]} | more


def refusals(events):
    return [fc.RejectReason(code).name for code in events.reject if code]


@pytest.mark.parametrize("session", SESSIONS)
@pytest.mark.parametrize("rich", RICH)
def test_a_market_with_a_session_takes_plain_orders_only(session, rich):
    book = fc.OrderBook()
    session(book, 1)
    assert refusals(book.submit(bid(1, 1, **rich))) == ["INSTRUCTIONS_INVALID"]
    assert refusals(book.submit(bid(1, 2))) == []
    assert refusals(book.submit(bid(2, 3, **rich))) == []
    assert book.snapshot()["order"].to_list() == [2, 3]


def test_a_call_takes_plain_orders_only_and_none_begins_over_richer_ones():
    book = fc.OrderBook()
    opens = {"op": ["phase"], "market": [1], "phase": ["pre_open"]}
    book.submit(bid(1, 1, display=[2]))
    assert refusals(book.apply(opens)) == ["NOT_IN_PHASE"]
    assert book.phase(1) == "continuous"
    book.cancel([1])
    assert refusals(book.apply(opens)) == []
    assert refusals(book.submit(bid(1, 2, display=[2]))) == ["INSTRUCTIONS_INVALID"]
    book.apply(opens | {"phase": ["continuous"]})
    assert refusals(book.submit(bid(1, 2, display=[2]))) == []


@pytest.mark.parametrize("session", SESSIONS)
def test_no_session_begins_where_richer_orders_stand(session):
    book = fc.OrderBook()
    book.submit(bid(1, 1, stop=[9]))
    before = book.snapshot()
    with pytest.raises(fc.SchemaError, match="more than plain"):
        session(book, 1)
    assert book.snapshot().equals(before)
    assert book.phase(1) == "continuous"
    session(book, 2)
    book.cancel([1])
    session(book, 1)


def test_a_book_with_richer_orders_is_saved_and_followed():
    book = fc.OrderBook()
    book.submit(bid("north", "a"))
    book.submit(bid("south", "b", display=[1]))
    book.submit(bid("south", "c", stop=[9]))
    again = fc.OrderBook.restore(book.save())
    views = [book.view(), fc.BookView(book.snapshot().to_dict(), seq=book.next_seq)]
    sold = {"market": ["south"], "order": ["d"], "side": ["sell"], "price": [5], "quantity": [2]}
    events = book.submit(sold)
    assert again.submit(sold).frame.equals(events.frame)
    assert again.snapshot().equals(book.snapshot())
    assert again.save() == book.save()
    for view in views:
        view.update(events)
        assert view.snapshot().equals(book.snapshot().select(view.snapshot().columns))
        assert view.level2().equals(book.level2())
    assert views[0].snapshot()["shown"].to_list() == [4, 1, 0]


def test_an_iceberg_is_covered_whole_and_gives_back_what_it_does_not_need():
    book = fc.OrderBook()
    book.set_cover({"participant": ["Ada", "Bo"], "money": [100, None], "energy": [0, 50]})
    order = {"participant": ["Ada"], "side": ["buy"], "price": [10], "quantity": [10], "display": [1]}
    assert refusals(book.submit(order | {"quantity": [11]})) == ["CREDIT_EXCEEDED"]
    assert refusals(book.submit(order)) == []
    assert refusals(book.submit({name: cell for name, cell in order.items() if name != "display"})) == [
        "CREDIT_EXCEEDED"
    ]
    sold = book.submit({"participant": ["Bo"], "side": ["sell"], "price": [8], "quantity": [4]})
    assert sold.trades["quantity"].to_list() == [1, 1, 1, 1]
    assert book.best().bid_quantity == 1
    assert book.cover.filter(pl.col("participant") == "Ada").rows()[0][-1] == 40
    iceberg = book.snapshot()["order"].item()
    book.cancel([iceberg])
    again = {"participant": ["Ada"], "side": ["buy"], "price": [10], "quantity": [6]}
    assert refusals(book.submit(again)) == []


def test_a_stop_is_covered_while_it_waits():
    book = fc.OrderBook()
    book.set_cover({"participant": ["Ada"], "money": [100], "energy": [0]})
    waits = {"participant": ["Ada"], "side": ["buy"], "price": [10], "quantity": [10], "stop": [12]}
    assert refusals(book.submit(waits)) == []
    plain = {"participant": ["Ada"], "side": ["buy"], "price": [1], "quantity": [1]}
    assert refusals(book.submit(plain)) == ["CREDIT_EXCEEDED"]
    book.cancel([0])
    assert refusals(book.submit(plain)) == []


def test_an_iceberg_is_shown_a_thousand_times_at_most():
    book = fc.OrderBook()
    order = {"side": ["buy"], "price": [5], "display": [3]}
    assert refusals(book.submit(order | {"quantity": [3_001]})) == ["DISPLAY_INVALID"]
    assert refusals(book.submit(order | {"quantity": [3_000]})) == []
    assert refusals(book.replace([1], quantity=[3_001])) == ["DISPLAY_INVALID"]
    assert refusals(book.replace([1], quantity=[2_999])) == []
    events = book.submit({"side": ["sell"], "price": [5], "quantity": [2**31 - 1], "tif": ["ioc"]})
    assert events.trades.height == 1_000
