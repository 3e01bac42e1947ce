"""What an order book returns is settled and sealed, like the same trades from a twin that follows the events."""

import copy
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

import fastclear as fc
from fastclear.orders import encode

TARIFF = fc.Tariff(300_000, 50_000, platform_fee=5_000, network_fee=12_345, tax_ppm=190_000)
RICH = 10**15


def flow(rng, calls, *, participants=6, text=False):
    """Frames of mixed commands: ties, crossings, replacements, reductions, mass cancels, expiries."""
    known, frames, clock = 0, [], 0
    for _ in range(calls):
        n = int(rng.integers(1, 12))
        rows = []
        for _ in range(n):
            clock += int(rng.integers(0, 3))
            op = rng.choice(["new"] * 6 + ["cancel", "reduce", "replace", "replace", "mass_cancel"])
            row = {"op": op, "time": clock, "market": int(rng.integers(0, 3)), "participant": None, "order": None}
            if op == "new":
                row |= {
                    "order": known,
                    "participant": int(rng.integers(0, participants)),
                    "side": str(rng.choice(["buy", "sell"])),
                    "price": int(rng.integers(-2, 9)) * 10_000,
                    "quantity": int(rng.integers(1, 7)),
                    "tif": str(rng.choice(["gtc", "gtc", "gtc", "ioc", "fok"])),
                }
                if row["tif"] == "gtc" and rng.integers(0, 4) == 0:
                    row |= {"tif": "gtt", "expires": clock + int(rng.integers(1, 30))}
                known += 1
            elif op == "mass_cancel":
                row["participant"] = int(rng.integers(0, participants)) if rng.integers(0, 2) else None
            else:
                row |= {"order": int(rng.integers(0, known + 1)), "market": None, "quantity": int(rng.integers(1, 9))}
                if op == "replace" and rng.integers(0, 2):
                    row["price"] = int(rng.integers(-2, 9)) * 10_000
            rows.append(row)
        schema = {
            **dict.fromkeys(("op", "side", "tif"), pl.String),
            **dict.fromkeys(("time", "market", "participant", "order", "price", "quantity", "expires"), pl.Int64),
        }
        frame = pl.DataFrame(rows, schema=schema)
        if text:
            frame = frame.with_columns(
                pl.format("{}-{}", pl.lit(name[0]), name).alias(name) for name in ("market", "order", "participant")
            )
        frames.append(frame)
    return frames


def twin_of(frames, events):
    """The clearing that a reader of commands and events comes to, order by order and trade by trade."""
    orders, rows, trades = [], {}, []
    for frame, call in zip(frames, events, strict=True):
        commands = frame.rows(named=True)
        for event in call.frame.rows(named=True):
            kind, order = event["kind"], event["order"]
            command = None if event["command"] is None else commands[event["command"]]
            if kind == "accepted":
                rows[order] = len(orders)
                orders.append(
                    {
                        name: command[name]
                        for name in ("order", "market", "participant", "side", "price", "quantity", "time")
                    }
                )
                orders[-1] |= {"open": event["remaining"], "traded": 0}
            elif kind == "replaced":
                own = orders[rows[order]]
                keener = max if own["side"] == "buy" else min
                own["price"] = keener(own["price"], event["price"])
                own["open"] = event["remaining"]
                own["quantity"] = max(own["quantity"], own["traded"] + own["open"])
            elif kind == "trade":
                pair = [rows[order], rows[event["counter_order"]]]
                for row in pair:
                    orders[row]["traded"] += event["quantity"]
                    orders[row]["open"] -= event["quantity"]
                buy, sell = pair if event["side"] == "buy" else pair[::-1]
                trades.append((buy, sell, event["quantity"], event["price"]))
            elif kind in ("cancelled", "expired"):
                orders[rows[order]]["open"] = event["remaining"]
    frame = pl.DataFrame(orders).drop("open", "traded")
    buy, sell, quantity, price = (np.array(column, np.int64) for column in zip(*trades, strict=True))
    encoded = encode(frame)
    columns = {
        "buy_row": buy, "sell_row": sell, "quantity": quantity, "buy_price": price, "sell_price": price,
        "market": encoded.market[buy], "buy_order": encoded.order[buy], "sell_order": encoded.order[sell],
    }  # fmt: skip
    return SimpleNamespace(orders=encoded, trade_columns=columns, reject=np.zeros(encoded.n, np.uint16))


def bank_of(names, *, deposit=RICH, tariff=TARIFF):
    bank = fc.Settlement(tariff=tariff, audit=True)
    bank.open(names)
    bank.deposit(names, deposit)
    return bank


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("text", [False, True])
def test_many_calls_settle_and_seal_like_the_same_trades_from_a_twin(seed, text):
    rng = np.random.default_rng(seed)
    frames = flow(rng, 25, text=text)
    book = fc.OrderBook(settles=True)
    plain = fc.OrderBook()
    events = [book.apply(frame) for frame in frames]
    for frame, call in zip(frames, events, strict=True):
        assert plain.apply(frame).frame.equals(call.frame)  # to remember who came in changes nothing
    twin = twin_of(frames, events)
    assert len(twin.trade_columns["quantity"]) > 10
    names = [f"p-{index}" for index in range(6)] if text else list(range(6))
    meter = {"participant": names[:3], "energy_wh": [40, -20, 0]}
    one, other = bank_of(names), bank_of(names)
    shuffled = [events[index] for index in rng.permutation(len(events))]
    receipts, expected = one.settle(shuffled, meter, slot=0), other.settle(twin, meter, slot=0)
    assert receipts.frame.equals(expected.frame)
    assert one.balances.equals(other.balances)
    assert int(one.balances["posted"].sum()) == int(other.balances["posted"].sum())
    one.audit(receipts)

    ledgers = fc.Ledger(seed=1), fc.Ledger(seed=1)
    blocks = ledgers[0].seal(shuffled, receipts, slot=0), ledgers[1].seal(twin, expected, slot=0)
    assert blocks[0].header == blocks[1].header
    assert ledgers[0].orders(0).equals(ledgers[1].orders(0))
    trade = int((ledgers[0].records(0)["kind"] == "trade").arg_max())
    proof = ledgers[0].prove(0, trade)
    assert fc.verify(proof.leaf, proof, blocks[0].header)
    assert blocks[0].orders == len(twin.orders.side)


def test_money_and_energy_are_conserved_to_the_unit():
    rng = np.random.default_rng(5)
    book = fc.OrderBook(settles=True)
    events = [book.apply(frame) for frame in flow(rng, 60)]
    bank = bank_of(list(range(6)))
    before = bank.balances
    bank.settle(events)
    after = bank.balances
    assert int(after["posted"].sum()) == int(before["posted"].sum())
    trades = pl.concat([call.trades for call in events])
    paid = int((trades["buy_price"] * trades["quantity"]).sum())
    house = after.filter(pl.col("role") != "member")
    fees = int(trades["quantity"].sum()) * (TARIFF.platform_fee + TARIFF.network_fee)
    gained = int(house["posted"].sum()) - int(before.filter(pl.col("role") != "member")["posted"].sum())
    assert paid != 0
    assert gained >= fees  # and tax
    members = int(after.filter(role="member")["posted"].sum()) - int(before.filter(role="member")["posted"].sum())
    assert members == -gained


def small_book():
    book = fc.OrderBook(settles=True)
    first = book.submit(
        {
            "order": ["a1", "a2"], "participant": ["ann", "bob"], "side": ["sell"] * 2,
            "price": [200_000, 220_000], "quantity": [500, 500],
        }
    )  # fmt: skip
    second = book.submit(
        {"order": ["b1"], "participant": ["cem"], "side": ["buy"], "price": [220_000], "quantity": [800]}
    )
    return book, [first, second]


def test_a_slot_is_explained():
    _, events = small_book()
    bank = bank_of(["ann", "bob", "cem"])
    receipts = bank.settle(events, {"participant": ["cem"], "energy_wh": [800]})
    told = receipts.explain("cem", events)
    assert "Bid 'b1' (0.8 kWh at no more than 22 ct/kWh) bought 0.5 kWh at 20 ct/kWh with order 'a1', " in told
    assert "0.3 kWh at 22 ct/kWh with order 'a2'." in told
    told = receipts.explain("bob", events)
    assert "Ask 'a2' (0.5 kWh at no less than 22 ct/kWh) sold 0.3 kWh at 22 ct/kWh with order 'b1'." in told
    assert "did not trade" in receipts.explain("bob", events[:1])


def test_events_are_settled_once_and_an_order_that_rests_may_trade_in_a_later_slot():
    book, events = small_book()
    bank = bank_of(["ann", "bob", "cem"])
    bank.settle(events, slot=0)
    with pytest.raises(fc.SettlementError, match="settled already"):
        bank.settle(events[1], slot=1)
    with pytest.raises(fc.SchemaError, match="twice"):
        bank.settle([events[1], events[1]], slot=1)
    third = book.submit(
        {"order": ["b2"], "participant": ["cem"], "side": ["buy"], "price": [220_000], "quantity": [200]}
    )
    receipts = bank.settle(third, slot=1)  # with an order that came in with the first call
    assert receipts.by_participant().filter(participant="bob")["net"].to_list() == [-200 * 220_000]


def test_single_orders_come_with_the_next_call():
    book = fc.OrderBook(settles=True)
    book.place("sell", 20, 5, participant=1)
    book.place("buy", 21, 3, participant=2)
    events = book.advance(7)
    assert len(events.trades) == 0
    bank = bank_of([1, 2], tariff=fc.Tariff(0, 0))
    assert bank.settle(events).by_participant()["net"].to_list() == [-60, 60]


@pytest.mark.parametrize("how", ["settle", "seal"])
def test_a_book_that_does_not_know_whose_its_orders_are_says_so(how):
    book = fc.OrderBook()
    events = book.submit({"participant": [1, 2], "side": ["buy", "sell"], "price": [7, 5], "quantity": [3, 2]})
    bank, ledger = bank_of([1, 2]), fc.Ledger(seed=1)
    with pytest.raises(fc.SchemaError, match="settles=True"):
        bank.settle(events) if how == "settle" else ledger.seal(events)
    assert bank.receipts().by_participant().is_empty()
    assert ledger.height == 0


def test_orders_of_nobody_are_sealed_and_not_settled():
    book = fc.OrderBook(settles=True)
    events = book.submit({"side": ["buy", "sell"], "price": [7, 5], "quantity": [3, 2]})
    with pytest.raises(fc.SettlementError, match="participant"):
        bank_of([1]).settle(events)
    ledger = fc.Ledger(seed=1)
    block = ledger.seal(events)
    assert (block.orders, block.records) == (2, 1)
    proof = ledger.prove(0, 0)
    assert fc.verify(proof.leaf, proof, block.header)
    assert ledger.records(0).select("buy_order", "sell_order", "quantity", "price").rows() == [(0, 1, 2, 7)]
    mixed = fc.OrderBook(settles=True)
    events = [
        mixed.submit({"side": ["buy"], "price": [7], "quantity": [3]}),
        mixed.submit({"participant": [1], "side": ["sell"], "price": [5], "quantity": [2]}),
    ]
    with pytest.raises(fc.SettlementError, match="order 0 is nobody's"):
        bank_of([1]).settle(events)


def test_books_and_auctions_of_one_slot_are_settled_together():
    _, events = small_book()
    other = fc.OrderBook(settles=True)
    more = other.submit({"participant": [1, 2], "side": ["buy", "sell"], "price": [70, 50], "quantity": [3, 2]})
    auction = fc.clear(
        {"participant": [1, 2], "side": ["buy", "sell"], "price": [90, 30], "quantity": [4, 4]}, fc.Uniform()
    )
    bank = bank_of(["ann", "bob", "cem", 1, 2], tariff=fc.Tariff(0, 0))
    receipts = bank.settle([*events, auction, more])
    nets = dict(receipts.by_participant().select("participant", "net").rows())
    assert nets == {
        "ann": -500 * 200_000,
        "bob": -300 * 220_000,
        "cem": 500 * 200_000 + 300 * 220_000,
        "1": 380,
        "2": -380,
    }


def test_a_copy_remembers_for_itself():
    book, events = small_book()
    twin = copy.copy(book)
    order = {"order": ["b2"], "participant": ["cem"], "side": ["buy"], "price": [220_000], "quantity": [200]}
    for own in (book, twin):
        receipts = bank_of(["ann", "bob", "cem"]).settle([*events, own.submit(order)])
        assert receipts.by_participant().filter(participant="bob")["net"].to_list() == [-500 * 220_000]
