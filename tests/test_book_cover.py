"""Cover before acceptance: what participants may have at stake, against a slow twin that reads commands and events."""

import copy
from decimal import Decimal
from fractions import Fraction
from math import ceil

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastclear as fc

EXCEEDED = int(fc.RejectReason.CREDIT_EXCEEDED)
WORST = 2**31 - 1


class Twin:
    """Every open order and every trade, added up anew at each question."""

    def __init__(self, limits, market_limits, fee=0, tax=0):
        self.limits, self.market_limits, self.fee, self.tax = limits, market_limits, fee, tax
        self.open, self.trades = {}, []

    def lot(self, side, price):
        """The most that one lot can cost."""
        if side == "sell":
            return max(-price, 0)
        base = Fraction(price + self.fee)
        return max(ceil(base + base * self.tax / 1_000_000), 0)

    def used(self, participant):
        at_stake = sum(
            self.lot(o["side"], o["limit"]) * o["open"] for o in self.open.values() if o["who"] == participant
        )
        paid = 0
        for trade in self.trades:
            for side in ("buy", "sell"):
                if trade[side] == participant:
                    paid += self.lot(side, trade["price"]) * trade["quantity"]
        return at_stake, paid

    def lots(self, participant, market):
        mine = [o for o in self.open.values() if o["who"] == participant and o["market"] == market]
        of_market = [t for t in self.trades if t["market"] == market]
        return (
            sum(o["open"] for o in mine if o["side"] == "buy"),
            sum(o["open"] for o in mine if o["side"] == "sell"),
            sum(t["quantity"] for t in of_market if t["buy"] == participant),
            sum(t["quantity"] for t in of_market if t["sell"] == participant),
        )

    def lets_in(self, order):
        """Whether an order may come in that is not among the open ones now."""
        who, old = order["who"], order.get("old")
        if who not in self.limits:
            return False
        money, energy, position = self.limits[who]
        here = self.market_limits.get((who, order["market"]), (None, None))
        energy, position = here[0] if here[0] is not None else energy, here[1] if here[1] is not None else position
        more = self.lot(order["side"], order["limit"]) * order["open"]
        more_lots = order["open"]
        if old:
            more -= self.lot(old["side"], old["limit"]) * old["open"]
            more_lots -= old["open"]
        buying, selling, bought, sold = self.lots(who, order["market"])
        if money is not None and more > 0 and sum(self.used(who)) + more > money:
            return False
        if order["side"] == "sell" and energy is not None and more_lots > 0 and selling + sold + more_lots > energy:
            return False
        net = buying + bought - sold if order["side"] == "buy" else selling + sold - bought
        return not (position is not None and more_lots > 0 and net + more_lots > position)

    def follow(self, command, events):
        for event in events.rows(named=True):
            kind, order = event["kind"], event["order"]
            if kind == "accepted":
                self.open[order] = {
                    "who": command["participant"], "market": event["market"], "side": command["side"],
                    "limit": limit_of(command), "open": event["remaining"],
                }  # fmt: skip
            elif kind == "replaced":
                self.open[order] |= {"limit": event["price"], "open": event["remaining"]}
            elif kind == "trade":
                pair = [self.open[order], self.open[event["counter_order"]]]
                for one in pair:
                    one["open"] -= event["quantity"]
                buy, sell = pair if event["side"] == "buy" else pair[::-1]
                self.trades.append(
                    {
                        "buy": buy["who"],
                        "sell": sell["who"],
                        "market": event["market"],
                        "price": event["price"],
                        "quantity": event["quantity"],
                    }
                )
            elif kind == "cancelled":
                self.open[order]["open"] = event["remaining"]
            if kind in ("filled", "expired") or (kind == "cancelled" and not event["remaining"]):
                del self.open[order]


def limit_of(command):
    """The worst price of an order; one that names none takes any."""
    if command["price"] is not None:
        return command["price"]
    return WORST if command["side"] == "buy" else -WORST


SCHEMA = {
    **dict.fromkeys(("op", "side", "tif", "type"), pl.String),
    **dict.fromkeys(("time", "market", "participant", "order", "price", "quantity", "expires"), pl.Int64),
}


@st.composite
def flows(draw):
    """Commands of a few participants: ties, prices around zero, replacements, expiries, mass cancels, protections."""
    clock, commands = 0, []
    for nth in range(draw(st.integers(5, 40))):
        clock += draw(st.integers(0, 2))
        op = draw(st.sampled_from(["new"] * 6 + ["cancel", "reduce", "replace", "replace", "mass_cancel"]))
        row = dict.fromkeys(SCHEMA) | {"op": op, "time": clock}
        if op == "new":
            row |= {
                "order": nth,
                "market": draw(st.integers(0, 1)),
                "participant": draw(st.integers(0, 3)),
                "side": draw(st.sampled_from(["buy", "sell"])),
                "price": draw(st.integers(-2, 6)),
                "quantity": draw(st.integers(1, 6)),
                "tif": draw(st.sampled_from(["gtc", "gtc", "gtc", "ioc", "fok"])),
                "type": "limit",
            }
            if row["tif"] == "gtc" and draw(st.integers(0, 3)) == 0:
                row |= {"tif": "gtt", "expires": clock + draw(st.integers(1, 9))}
            elif draw(st.integers(0, 9)) == 0:
                row |= {"type": "market", "price": draw(st.none() | st.integers(-2, 6))}
        elif op == "mass_cancel":
            row |= {"market": draw(st.integers(0, 1)), "participant": draw(st.none() | st.integers(0, 3))}
        else:
            row |= {"order": draw(st.integers(0, nth)), "quantity": draw(st.integers(1, 9))}
            if op == "replace" and draw(st.booleans()):
                row["price"] = draw(st.integers(-2, 6))
        commands.append(row)
    return commands


few = st.none() | st.integers(0, 40)


@settings(max_examples=60, deadline=None)
@given(
    flows(),
    st.lists(st.tuples(few, few, few), min_size=3, max_size=3),
    st.dictionaries(st.tuples(st.integers(0, 2), st.integers(0, 1)), st.tuples(few, few), max_size=3),
    st.sampled_from(["off", "cancel_resting", "cancel_both", "decrement"]),
    st.booleans(),
    st.integers(0, 2),
    st.sampled_from([0, 1, 190_000, 1_000_000]),
)
def test_every_order_is_let_in_or_not_as_by_a_slow_twin(flow, limits, market_limits, self_trade, erases, fee, tax):
    """Participant 3 has no limits, so that it may have nothing; the others have, and some in one market only."""
    book = fc.OrderBook(self_trade=self_trade, erase_after_trade=erases)
    twin = Twin(dict(enumerate(limits)), market_limits, fee, tax)
    cover = [(who, None, *own) for who, own in twin.limits.items()]
    cover += [(who, market, None, *own) for (who, market), own in market_limits.items()]
    names = ["participant", "market", "money", "energy", "position"]
    book.set_cover(
        pl.DataFrame(cover, schema=dict.fromkeys(names, pl.Int64), orient="row"),
        tariff=fc.Tariff(0, 0, platform_fee=fee, tax_ppm=tax),
    )
    for command in flow:
        before = book.snapshot()
        expected = None
        if command["op"] == "new":
            expected = {
                "who": command["participant"], "market": command["market"], "side": command["side"],
                "limit": limit_of(command), "open": command["quantity"],
            }  # fmt: skip
        events = book.apply(pl.DataFrame([command], schema=SCHEMA))
        frame = events.frame
        expired = frame.filter(kind="expired")
        twin.follow(command, expired)  # time goes by before a command is asked about
        if command["op"] == "replace" and command["order"] in twin.open:
            old = twin.open[command["order"]]
            price = command["price"] if command["price"] is not None else old["limit"]
            expected = old | {"limit": price, "open": command["quantity"], "old": old}
        refused = EXCEEDED in frame["reject"].to_list()
        if expected is not None and ("rejected" not in frame["kind"].to_list() or refused):
            assert refused == (not twin.lets_in(expected)), (command, frame)
        if refused:
            gone = expired["order"].implode()
            assert book.snapshot().equals(before.filter(~pl.col("order").is_in(gone)))
        twin.follow(command, frame.filter(pl.col("kind") != "expired"))
        for who, money, at_stake, paid in book.cover.rows():
            assert (at_stake, paid) == twin.used(who)
            if who in twin.limits and money is not None:
                assert at_stake + paid <= money
        told = {(who, market): tuple(lots) for who, market, *lots in book.positions.rows()}
        every = {(who, market): twin.lots(who, market) for who in range(4) for market in (0, 1)}
        assert told == {key: lots for key, lots in every.items() if any(lots)}
    book.apply({"op": ["mass_cancel", "mass_cancel"], "market": [0, 1]})
    assert all(at_stake == 0 for _, _, at_stake, _ in book.cover.rows())


def test_calls_of_many_rows_come_to_the_same():
    rng = np.random.default_rng(3)
    n = 400
    orders = pl.DataFrame(
        {
            "participant": rng.integers(0, 5, n),
            "side": rng.choice(["buy", "sell"], n),
            "price": rng.integers(1, 9, n),
            "quantity": rng.integers(1, 9, n),
        }
    )
    books = [fc.OrderBook(), fc.OrderBook(), fc.OrderBook()]
    for book in books:
        book.set_cover(dict.fromkeys(range(4), 150))
    whole = books[0].submit(orders).frame
    parts = pl.concat([books[1].submit(part).frame for part in orders.iter_slices(1)])
    assert whole.drop("command").equals(parts.drop("command"))
    assert 50 < (whole["reject"] == EXCEEDED).sum() < 350
    trades = books[2].submit(orders, keep="trades").trades
    told = whole.filter(kind="trade")
    assert trades["quantity"].equals(told["quantity"])
    assert trades["buy_price"].equals(told["price"], check_names=False)
    assert books[2].snapshot().equals(books[0].snapshot())
    assert books[2].cover.equals(books[0].cover)


def test_a_bank_takes_no_more_than_the_cover_held():
    """Whatever trades under a cover of what members have available, the bank can settle, fees and tax and all."""
    tariff = fc.Tariff(300, 50, platform_fee=7, network_fee=13, tax_ppm=190_001)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        bank = fc.Settlement(tariff=tariff, audit=True)
        bank.open(list(range(5)))
        bank.deposit(list(range(5)), [int(money) for money in rng.integers(0, 4000, 5)])
        book = fc.OrderBook()
        events = []
        for _ in range(3):
            members = bank.balances.filter(role="member")
            book.set_cover(members.select("participant", money="available"), tariff=tariff, settled=True)
            n = 60
            orders = {
                "participant": rng.integers(0, 5, n), "side": rng.choice(["buy", "sell"], n),
                "price": rng.integers(1, 60, n), "quantity": rng.integers(1, 5, n),
            }  # fmt: skip
            events = [book.submit(orders), book.apply({"op": ["mass_cancel"]})]
            held = {who: at_stake + paid for who, _, at_stake, paid in book.cover.rows()}
            receipts = bank.settle(events)
            for who, net in receipts.by_participant().select("participant", "net").rows():
                assert net <= held[int(who)]
        assert len(events[0].trades) > 0 or seed


def test_limits_change_while_orders_rest():
    book = fc.OrderBook()
    book.set_cover({"ann": 100, "bob": None})
    order = {"participant": ["ann"], "side": ["buy"], "price": [10], "quantity": [8]}
    assert not book.submit(order).reject.any()
    book.set_cover({"ann": 40})  # less than what rests: nothing is taken out, and nothing more comes in
    assert len(book) == 1
    assert book.submit(order | {"quantity": [1]}).reject.tolist() == [EXCEEDED]
    assert not book.replace(0, price=9, quantity=8).reject.any()  # needs no more than before
    assert book.replace(0, price=10).reject.tolist() == [EXCEEDED]
    assert book.cover.rows() == [("ann", Decimal(40), Decimal(72), Decimal(0)), ("bob", None, Decimal(0), Decimal(0))]
    book.submit({"participant": ["bob"], "side": ["sell"], "price": [5], "quantity": [8]})
    assert book.cover["paid"].to_list() == [Decimal(72), Decimal(0)]
    book.set_cover({"ann": 28}, settled=True)
    assert book.cover["paid"].to_list() == [Decimal(0), Decimal(0)]
    assert not book.submit(order | {"quantity": [2]}).reject.any()
    with pytest.raises(fc.SchemaError, match="integers"):
        book.set_cover({1: 5})
    assert fc.OrderBook().cover is None
    assert fc.OrderBook().positions is None


def test_fees_hold_for_orders_that_rest_when_they_change():
    book = fc.OrderBook()
    book.set_cover({1: 1000})
    book.submit({"participant": [1], "side": ["buy"], "price": [10], "quantity": [8]})
    book.set_cover({1: 1000}, tariff=fc.Tariff(0, 0, platform_fee=2, tax_ppm=500_000))
    assert book.cover["at_stake"].to_list() == [Decimal(18 * 8)]
    book.apply({"op": ["cancel"], "order": [0]})
    assert book.cover["at_stake"].to_list() == [Decimal(0)]


def test_single_orders_and_steps_are_covered_and_orders_of_nobody_are_not():
    book = fc.OrderBook()
    book.set_cover({"participant": [0, 1], "energy": [5, 5]})
    assert book.place("sell", 5, 6, participant=0).reject == EXCEEDED
    assert book.place("sell", 5, 5, participant=0).reject == 0
    assert book.place("sell", 5, 1).reject == EXCEEDED
    step = book.step({"side": [0, 0], "price": 5, "quantity": [1, 5]}, seed=1)
    assert step.reject.tolist() == [EXCEEDED, 0]
    assert book.place("buy", None, 1, participant=1).reject == 0  # money is not limited


HUGE = 2**80


@pytest.mark.parametrize(
    ("cover", "column"),
    [
        ({"participant": [1], "money": [-1]}, "money"),
        ({"participant": [1], "money": [1.5]}, "money"),
        ({"participant": [1], "energy": ["much"]}, "energy"),
        ({"participant": [1, 2], "money": [1]}, "money"),
        ({"participant": [1], "money": [5], "market": [0]}, "money"),
        ({"participant": [None], "money": [5]}, "participant"),
        ({"participant": pl.Series([None, 1]), "money": [5, 5]}, "participant"),
        ({"participant": [1], "cash": [5]}, "cash"),
        ({"money": [5]}, "participant"),
        ({"participant": [1.5]}, "participant"),
    ],
)
def test_a_cover_that_makes_no_sense_raises_and_changes_nothing(cover, column):
    book = fc.OrderBook()
    with pytest.raises(fc.SchemaError) as caught:
        book.set_cover(cover)
    assert caught.value.column == column
    assert book.cover is None
    assert not book.submit({"participant": ["x"], "side": ["buy"], "price": [1], "quantity": [1]}).reject.any()


def test_a_cover_comes_before_the_first_order_or_to_a_book_that_settles():
    orders = {"participant": [1], "side": ["buy"], "price": [3], "quantity": [2]}
    book = fc.OrderBook()
    book.submit(orders)
    with pytest.raises(fc.SchemaError, match="settles=True"):
        book.set_cover({1: 5})
    with pytest.raises(fc.SchemaError, match="settles=True"):
        book.step({"side": [1], "price": [1], "quantity": [1]}, seed=0)
    book = fc.OrderBook(settles=True)
    book.submit(orders)
    book.set_cover({1: HUGE})
    assert book.cover["at_stake"].to_list() == [Decimal(6)]
    with pytest.raises(fc.SchemaError, match="Tariff"):
        book.set_cover({1: 5}, tariff=object())
    twin = copy.copy(book)
    twin.cancel(0)
    assert book.cover["at_stake"].to_list() == [Decimal(6)]
    assert twin.cover["at_stake"].to_list() == [Decimal(0)]
