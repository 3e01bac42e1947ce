"""Richer orders and sessions in one book: orders of every kind in every market, and nothing quietly lost."""

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
def test_a_market_with_a_session_takes_orders_of_every_kind(session, rich):
    before, after = fc.OrderBook(), fc.OrderBook()
    session(before, 1)
    assert refusals(before.submit(bid(1, 1, **rich))) == []
    assert refusals(after.submit(bid(1, 1, **rich))) == []
    session(after, 1)
    assert before.snapshot().equals(after.snapshot())
    assert before.snapshot()["order"].to_list() == [1]


@pytest.mark.parametrize("rich", RICH)
def test_a_call_takes_orders_of_every_kind_and_begins_over_them(rich):
    opens = {"op": ["phase"], "market": [1], "phase": ["pre_open"]}
    goes_on = opens | {"phase": ["continuous"]}
    ask = {"market": [1], "order": [2], "side": ["sell"], "price": [4], "quantity": [4]}
    books = [fc.OrderBook(), fc.OrderBook()]
    for book, steps in zip(books, (("order", "opens"), ("opens", "order")), strict=True):
        for step in steps:
            events = book.submit(bid(1, 1, **rich)) if step == "order" else book.apply(opens)
            assert refusals(events) == []
        assert book.phase(1) == "pre_open"
        assert book.submit(ask).trades.height == 0
    closing = [book.apply(goes_on).frame.drop("seq") for book in books]
    assert closing[0].equals(closing[1])
    is_there = "stop" not in rich and "peg" not in rich
    assert closing[0].filter(kind="trade")["quantity"].to_list() == ([4] if is_there else [])
    assert books[0].snapshot().equals(books[1].snapshot())


def test_a_call_trades_what_an_iceberg_hides_and_says_what_is_left():
    book = fc.OrderBook()
    opens = {"op": ["phase"], "market": [1], "phase": ["pre_open"]}
    book.apply(opens)
    book.submit(bid(1, 1, quantity=10, display=[2]))
    book.submit({"market": [1], "order": [2], "side": ["sell"], "price": [5], "quantity": [7]})
    assert book.best(1).bid_quantity == 2
    assert tuple(book.indicative(1)) == (5, 7, 3)
    events = book.apply(opens | {"phase": ["continuous"]})
    columns = events.frame.select("kind", "order", "counter_order", "quantity", "remaining")
    assert columns.rows()[1:] == [("trade", 1, 2, 7, 3), ("filled", 2, 1, 7, 0), ("replaced", 1, 2, 2, 3)]
    assert (book.best(1).bid_quantity, book.snapshot()["quantity"].to_list()) == (2, [3])


def test_a_collar_moves_pegs_when_the_next_call_begins():
    book = fc.OrderBook()
    book.submit(bid(1, 1))
    book.submit({"market": [1], "order": [2], "side": ["buy"], "quantity": [1], "price": [None], "peg": ["best"]})
    book.set_collar(1, 6, 20)
    moved = book.advance(1).frame.select("command", "kind", "order", "quantity")
    assert moved.rows() == [(None, "replaced", 2, 0)]
    assert book.best(1).bid_quantity == 4
    book.set_collar(1, 5, 20)
    assert tuple(book.place("sell", 6, 1, market=1)) == (3, 0, 0, 1)
    assert book.best(1) == (5, 5, 6, 1)
    with pytest.raises(fc.SchemaError, match="order 1 could trade outside"):
        book.set_collar(1, 0, 4)


def test_a_book_with_richer_orders_is_not_saved_and_not_followed():
    book = fc.OrderBook()
    book.submit(bid("north", "a"))
    book.submit(bid("south", "b", display=[1]))
    with pytest.raises(fc.SchemaError, match='market "south" has orders'):
        book.save()
    with pytest.raises(fc.SchemaError, match="display"):
        book.view()
    with pytest.raises(fc.SchemaError, match="display"):
        fc.BookView(book.snapshot().to_dict(), seq=book.next_seq)
    book.cancel(["b"])
    again = fc.OrderBook.restore(book.save())
    assert again.snapshot().equals(book.snapshot())
    assert book.view().snapshot().height == 1


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


def cover_of(book, participant):
    return book.cover.filter(participant=participant).select("at_stake", "paid").row(0)


def test_cover_follows_orders_of_every_kind_through_a_day():
    book = fc.OrderBook(settles=True)
    book.set_cover({"participant": ["Ada", "Bo"], "money": [1_000, None], "energy": [0, 50]})
    book.set_collar(1, 1, 30)
    book.apply({"op": ["phase"], "market": [1], "phase": ["pre_open"]})
    ada = {"market": [1] * 3, "participant": ["Ada"] * 3, "side": ["buy"] * 3, "order": [1, 2, 3]}
    kinds = {"display": [2, None, None], "stop": [None, 12, None], "min_quantity": [None, None, 4]}
    calls = [book.submit(ada | {"price": [20, 15, 10], "quantity": [10, 4, 5]} | kinds)]
    assert cover_of(book, "Ada") == (20 * 10 + 15 * 4 + 10 * 5, 0)
    bo = {"market": [1], "participant": ["Bo"], "side": ["sell"]}
    calls.append(book.submit(bo | {"order": [4], "price": [12], "quantity": [7]}))
    calls.append(book.apply({"op": ["phase"], "market": [1], "phase": ["continuous"]}))
    # Seven lots of the iceberg at its own price, since it is left over; then the stop comes in, and rests.
    assert calls[-1].trades["buy_price"].to_list() == [20]
    assert cover_of(book, "Ada") == (20 * 3 + 15 * 4 + 10 * 5, 20 * 7)
    calls.append(book.submit(bo | {"order": [5], "price": [10], "quantity": [11]}))
    # Three of the iceberg, two shown first, then the stop's bid; the four that are left are enough for the minimum.
    assert calls[-1].trades.select("buy_order", "quantity", "buy_price").rows() == [
        (1, 2, 20),
        (1, 1, 20),
        (2, 4, 15),
        (3, 4, 10),
    ]
    assert cover_of(book, "Ada") == (10, 20 * 10 + 15 * 4 + 10 * 4)
    book.cancel([3])
    assert cover_of(book, "Ada")[0] == 0
    bank = fc.Settlement(tariff=fc.Tariff.from_ct_per_kwh(30, 5))
    bank.open(["Ada", "Bo"])
    bank.deposit("Ada", 1_000)
    receipts = bank.settle(calls, slot=0)
    assert dict(receipts.by_participant().select("participant", "net").rows()) == {"Ada": 300, "Bo": -300}


def test_an_iceberg_is_shown_a_thousand_times_at_most():
    book = fc.OrderBook()
    order = {"side": ["buy"], "price": [5], "display": [3]}
    assert refusals(book.submit(order | {"quantity": [3_001]})) == ["DISPLAY_INVALID"]
    assert refusals(book.submit(order | {"quantity": [3_000]})) == []
    assert refusals(book.replace([1], quantity=[3_001])) == ["DISPLAY_INVALID"]
    assert refusals(book.replace([1], quantity=[2_999])) == []
    events = book.submit({"side": ["sell"], "price": [5], "quantity": [2**31 - 1], "tif": ["ioc"]})
    assert events.trades.height == 1_000
