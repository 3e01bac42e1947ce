"""The exchange against its slow twin, at the edges of its gate, and as an operator meets it first."""

import random
import uuid
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from reference.exchange_twin import CLOSED, NOT_OPEN, Book, RefusedError, Twin

import fastclear as fc
from fastclear import light_client
from fastclear.amounts import trade_amounts

SLOT = 900_000_000_000
TARIFF = fc.Tariff(300, 50, 5, 20, 190_000)
GATE = fc.Gate(2 * SLOT, 1_000)
MECHANISMS = [
    fc.Uniform(),
    fc.Uniform(k=0.25, rationing="time", price_round="half_up", fee=3, reserve=60),
    fc.Uniform(price_rule="last_pair_midpoint", rationing="equal"),
    fc.Discriminatory(k=0.5),
    fc.Discriminatory(rule="earlier", price_round="ceil"),
    fc.Vickrey(deficit_to="backstop"),
    fc.Huang(),
    fc.MaximalVolume(),
    fc.MultiRound(buyer_step=5, seller_step=5),
    fc.Uniform(rationing="lottery", seed=2**64 - 1),
    fc.RandomMatching(seed=4),
    fc.Muda(seed=3),
    fc.Sbba(seed=2, unit=5),
    fc.Average(unit=5),
    fc.TradeReduction(unit=5),
]


def pair(mechanism=None, gate=None, seed=3, imbalance=None, path=None, **options):
    """An exchange and its twin under the same terms."""
    mechanism = fc.Uniform() if mechanism is None else mechanism
    terms = {"mechanism": mechanism, "tariff": TARIFF, "gate": gate, "seed": seed, "imbalance": imbalance}
    if path is None:
        ex = fc.Exchange(**terms, **options)
    else:
        ex = fc.Exchange.open(path, **terms, clock="manual", durability="none", segment_bytes=1 << 20, **options)
    return ex, Twin(ex.params, mechanism, TARIFF, gate, SLOT, seed, imbalance)


def frame(rows):
    return {
        "side": np.array([row["side"] for row in rows], np.uint8),
        **{
            name: np.array([row[name] for row in rows], np.int64)
            for name in ("price", "quantity", "market", "order", "participant", "time")
        },
    }


def same_money(ex, twin):
    """Every figure of every account."""
    assert ex.balances.equals(twin.bank.balances)


def same_block(ex, block, twin, other):
    """Every byte of a block."""
    assert block.header == other.header
    for tree in ("records", "orders"):
        mine, its = getattr(ex.ledger, tree)(block.height), getattr(twin.ledger, tree)(other.height)
        assert mine.equals(its)
    assert ex.ledger._chain.records(block.height) == twin.ledger._chain.records(block.height)
    assert ex.ledger._chain.orders(block.height) == twin.ledger._chain.orders(block.height)


def same_postings(answer, receipts):
    for name, column in receipts.columns.items():
        assert np.array_equal(answer.receipts.columns[name], column), name


def random_rows(rng, count, first, members, times):
    return [
        {
            "side": rng.choice([0, 0, 0, 1, 1, 1, 1, 7]) if rng.random() < 0.1 else rng.randrange(2),
            "price": rng.choice([100, 110, 120, 120, 150, 0, -20, 2**31]) if rng.random() < 0.9 else rng.randrange(400),
            "quantity": rng.choice([1, 5, 10, 100, 0, 2**31]) if rng.random() < 0.5 else rng.randrange(1, 50),
            "market": rng.randrange(-1, 2),
            "order": first + row if rng.random() < 0.95 else first,
            "participant": rng.choice(members),
            "time": times[0] if rng.random() < 0.7 else rng.choice(times),
        }
        for row in range(count)
    ]


def one_day(mechanism, gate, seed, imbalance=None, path=None, slots=4):
    """A few slots of random business on both, compared step by step."""
    rng = random.Random(seed)
    ex, twin = pair(mechanism, gate, imbalance=imbalance, path=path)
    clock, first = 1_000, 1

    def at(time):
        nonlocal clock
        clock = max(clock + 1_000_000, time)  # more than a nanosecond for every posting
        ex.advance(clock)
        twin.at(clock)

    members = list(range(1, 9))
    at(0)
    ex.open_accounts(members)
    twin.open(members)
    for member in members[:-1]:
        amount = rng.choice([0, 1_000, 100_000, 10**9])
        at(0)
        ex.deposit(member, amount)
        twin.bank.deposit(member, amount)
    for slot in range(2, 2 + slots):
        slot *= SLOT
        opens, closes = (slot - 2 * SLOT, slot - 1_000) if gate is None else gate.of(slot)
        at(max(opens, 0) if rng.random() < 0.8 else max(opens, 0) - 10)
        for _ in range(3):
            rows = random_rows(
                rng,
                rng.randrange(0, 25),
                first,
                [*members, 99],
                (clock, opens - 1, opens, closes - 1, closes),
            )
            first += 30
            at(0)
            assert ex.submit(frame(rows), slot).reject.tolist() == twin.submit(slot, rows)
            same_money(ex, twin)
            if rows and rng.random() < 0.7:
                some = rng.sample(rows, min(len(rows), 3)) + rows[:1]
                at(0)
                names = ("order", "participant", "market")
                gone = ex.cancel({name: [row[name] for row in some] for name in names}, slot)
                assert gone.reject.tolist() == twin.cancel(slot, some)
                same_money(ex, twin)
        at(closes)
        result, clearing = ex.close_gate(slot), twin.close_gate(slot)
        if clearing is not None:
            columns = clearing.trade_columns
            rows = twin.slots[slot]["rows"]
            assert result.trades["buy_order"].to_list() == [rows[row]["order"] for row in columns["buy_row"]]
            assert result.trades["seller"].to_list() == [rows[row]["participant"] for row in columns["sell_row"]]
            money = trade_amounts(clearing)
            for side in ("buy", "sell"):
                assert result.trades[f"{side}_amount"].to_list() == getattr(money, f"{side}_amount").tolist()
                prices = getattr(money, f"{side}_price").tolist() if money.per_unit else [None] * len(money.buy_price)
                assert result.trades[f"{side}_price"].to_list() == prices
            assert result.fills["filled"].to_list() == clearing.filled.tolist()
            assert result.fills["payment"].to_list() == clearing.payment.tolist()
            assert result.markets["volume"].to_list() == clearing.markets["volume"].to_list()
            assert result.event_columns("filled")["code"].tolist() == clearing.reject.tolist()
        if rng.random() < 0.8:
            readings = {member: rng.randrange(-60, 60) for member in rng.sample(members, rng.randrange(9))}
            at(0)
            ex.meter({"participant": list(readings), "energy_wh": np.array(list(readings.values()), np.int64)}, slot)
            twin.meter(slot, readings)
        at(0)
        same_postings(ex.settle(slot), twin.settle(slot))
        same_money(ex, twin)
        at(0)
        same_block(ex, ex.seal(slot), twin, twin.seal(slot))
    at(0)
    assert ex.close_cycle().equals(twin.bank.close_cycle())
    at(0)
    ex.deposit(1, 5)
    twin.bank.deposit(1, 5)
    at(0)
    same_block(ex, ex.seal(), twin, twin.seal())
    return ex, twin


@pytest.mark.parametrize("mechanism", MECHANISMS, ids=lambda mechanism: type(mechanism).__name__)
def test_a_day_is_that_of_the_twin_byte_for_byte(mechanism):
    for seed in range(3):
        one_day(mechanism, GATE if seed else None, seed)


@pytest.mark.parametrize(
    "imbalance",
    [
        fc.Backup("members"),
        fc.SinglePrice(),
        fc.DualPrice(7, 2, "dso"),
        fc.Pooled(),
        fc.ShortfallAllocation("buyer_pays_retail", "platform"),
        fc.ShortfallAllocation("buyer_made_whole"),
    ],
    ids=repr,
)
def test_every_imbalance_policy_is_that_of_the_twin(imbalance):
    one_day(fc.Uniform(), GATE, 11, imbalance)


def test_a_lottery_draws_other_lots_in_every_slot():
    rule = fc.Uniform(rationing="lottery", seed=40)
    ex = fc.Exchange(mechanism=rule, tariff=TARIFF)
    ex.open_accounts([1, 2], limit=10**12)
    orders = {
        "side": ["sell"] + ["buy"] * 30,
        "price": [10] * 31,
        "quantity": [10] + [1] * 30,
        "participant": [1] + [2] * 30,
        "order": list(range(31)),
        "time": [0] * 31,
    }
    filled = []
    for slot in (0, SLOT, 2 * SLOT):
        ex.submit(orders, slot)
        filled.append(ex.close_gate(slot).fills["filled"].to_list())
        twin = fc.clear(orders, fc.Uniform(rationing="lottery", seed=40 + slot))
        assert filled[-1] == twin.filled.tolist()
    assert filled[0] != filled[1] != filled[2]


# -- the gate
# --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offset", "code"), [(-1, NOT_OPEN), (0, 0), ("close-1", 0), ("close", CLOSED), ("close+1", CLOSED)]
)
def test_the_gate_is_half_open_to_the_nanosecond(offset, code):
    slot = 10 * SLOT
    opens, closes = GATE.of(slot)
    time = {"close-1": closes - 1, "close": closes, "close+1": closes + 1}.get(offset) or opens + offset
    order = {"side": ["sell"], "price": [1], "quantity": [1], "participant": [1]}
    by_column, by_clock = (fc.Exchange(tariff=TARIFF, gate=GATE) for _ in range(2))
    for ex in (by_column, by_clock):
        ex.open_accounts(1)
    by_clock.advance(time)
    assert by_column.submit(order | {"time": [time]}, slot).reject.tolist() == [code]
    assert by_clock.submit(order, slot).reject.tolist() == [code]
    assert by_clock.time == time


def test_a_hundred_thousand_random_times_agree_with_the_predicate():
    slot, n = 10 * SLOT, 100_000
    opens, closes = GATE.of(slot)
    rng = np.random.default_rng(5)
    times = rng.integers(opens - 3 * SLOT, closes + 3 * SLOT, n)
    near = rng.integers(-3, 4, n) + rng.choice([opens, closes], n)
    times = np.where(rng.random(n) < 0.3, near, times)
    ex = fc.Exchange(tariff=TARIFF, gate=GATE)
    ex.open_accounts(1)
    orders = {"side": np.zeros(n, np.uint8), "price": np.ones(n, np.int64), "quantity": np.ones(n, np.int64)}
    found = ex.submit(orders | {"participant": np.ones(n, np.int64), "time": times}, slot).reject
    expected = np.where(times < opens, NOT_OPEN, np.where(times >= closes, CLOSED, 0))
    assert np.array_equal(found, expected)
    assert set(found.tolist()) == {0, CLOSED, NOT_OPEN}


def test_a_gate_cannot_be_closed_before_its_time_nor_twice():
    ex = fc.Exchange(tariff=TARIFF, gate=GATE)
    slot = 10 * SLOT
    ex.advance(GATE.of(slot)[1] - 1)
    with pytest.raises(fc.ExchangeError, match="is open until") as early:
        ex.close_gate(slot)
    assert early.value.status == "gate_open"
    ex.advance(GATE.of(slot)[1])
    ex.close_gate(slot)
    with pytest.raises(fc.ExchangeError, match="closed already"):
        ex.close_gate(slot)


def test_what_comes_after_the_gate_does_not_change_its_digest():
    orders = {"side": ["buy"], "price": [9], "quantity": [2], "participant": ["Ada"], "order": [5]}
    digests = []
    for late in (False, True):
        ex = fc.Exchange(tariff=TARIFF, seed=1)
        ex.open_accounts("Ada", limit=10**9)
        ex.submit(orders, 0)
        result = ex.close_gate(0, key=7)
        if late:
            assert ex.submit(orders | {"order": [6]}, 0).reject.tolist() == [CLOSED]
            assert ex.cancel(orders, 0).reject.tolist() == [CLOSED]
            result = ex.close_gate(0, key=7)
            assert result.repeated
        ex.settle(0)
        digests.append((result.digest, ex.ledger.orders(ex.seal(0).height).rows()))
    assert digests[0] == digests[1]


# -- keys
# --------------------------------------------------------------------------------------------------------


def test_the_same_command_under_the_same_key_is_done_once():
    ex = fc.Exchange(tariff=TARIFF, seed=1)
    key = uuid.uuid4()
    ex.open_accounts(["Ada", "Bo"], key=key)
    assert ex.open_accounts(["Ada", "Bo"], key=key).repeated
    assert ex.participants == ["Ada", "Bo"]
    first = ex.deposit("Ada", 500, key=1)
    again = ex.deposit("Ada", 500, key=1)
    assert (first.repeated, again.repeated) == (False, True)
    assert first.raw[2:] == again.raw[2:]
    assert ex.available("Ada") == 500
    with pytest.raises(fc.ExchangeError, match="used for another command") as reused:
        ex.deposit("Ada", 501, key=1)
    assert reused.value.status == "key_reused"
    order = {"side": ["sell"], "price": [1], "quantity": [1], "participant": ["Bo"]}
    assert ex.submit(order, 0, key=2).order.tolist() == ex.submit(order, 0, key=2).order.tolist() == [1]
    ex.close_gate(0)
    ex.settle(0)
    block = ex.seal(0, key=3)
    assert ex.seal(0, key=3) == block
    assert ex.ledger.height == 1


def test_a_refusal_is_remembered_too():
    ex = fc.Exchange(tariff=TARIFF)
    ex.open_accounts("Ada")
    for _ in range(2):
        with pytest.raises(fc.SettlementError, match="participant Ada"):
            ex.withdraw("Ada", 10, key=9)
        ex.deposit("Ada", 10)
    ex.withdraw("Ada", 10, key=10)


def test_only_so_many_keys_are_remembered():
    ex = fc.Exchange(tariff=TARIFF, remember=2)
    ex.open_accounts("Ada")
    for key in (1, 2, 3):
        ex.deposit("Ada", key, key=key)
    assert ex.deposit("Ada", 3, key=3).repeated
    assert not ex.deposit("Ada", 1, key=1).repeated  # forgotten: done again
    assert ex.available("Ada") == 1 + 2 + 3 + 1


def test_random_sealing_is_the_same_when_asked_again():
    ex = fc.Exchange(tariff=TARIFF)  # without a seed each block has salts of its own
    assert ex.seal(key=1) == ex.seal(key=1)
    assert ex.ledger.height == 1


# -- an operator's first ten minutes
# --------------------------------------------------------------------------------------------------------


def test_a_platform_by_name_from_frame_to_proof():
    ex = fc.Exchange("brooklyn", seed=1)
    assert '"platform":"brooklyn"' in ex.params
    ex.open_accounts(["Ada", "Bo"])
    ex.deposit(["Ada", "Bo"], 10**9)
    slot = datetime(2026, 5, 1, 12, tzinfo=UTC)
    orders = pl.DataFrame(
        {
            "side": ["buy", "sell", "buy"],
            "price": [200_000, 100_000, 200_000],
            "quantity": [1000, 700, 10],
            "participant": ["Ada", "Bo", "Cy"],
            "order": ["a", "b", "c"],
            "market": ["north"] * 3,
        }
    )
    answer = ex.submit(orders, slot)
    assert answer.frame["reject"].to_list() == [None, None, "unknown_participant"]
    assert answer.frame["order"].to_list() == ["a", "b", "c"]
    assert ex.orders(slot)["reject"].to_list() == [0, 0, 34]
    result = ex.close_gate(slot)
    assert result.trades.select("market", "buy_order", "sell_order", "buyer", "seller", "quantity").rows() == [
        ("north", "a", "b", "Ada", "Bo", 700)
    ]
    assert result.markets["price"].to_list() == result.trades["buy_price"].to_list()
    ex.meter({"participant": ["Ada", "Bo"], "energy_wh": [900, -700]}, slot)
    receipts = ex.settle(slot).receipts
    assert receipts.by_participant()["participant"].to_list() == ["Ada", "Bo"]
    block = ex.seal(slot)
    assert block.slot == int(slot.timestamp()) * 10**9
    trade = ex.ledger.records(block.height)["kind"].to_list().index("trade")
    proof = ex.ledger.prove(block.height, trade)
    assert fc.verify(proof.leaf, proof, block)
    assert light_client.parse_header(block.header).orders == 3
    assert "1 blocks" in repr(ex)
    assert "1 trades" in repr(result)
    assert ex.slots.is_empty()


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: fc.Exchange(), fc.ExchangeError, "say a platform"),
        (lambda: fc.Exchange(mechanism=fc.Uniform()), fc.ExchangeError, "tariff"),
        (lambda: fc.Exchange("brookland"), fc.PresetError, "brooklyn"),
        (lambda: fc.Exchange(tariff=TARIFF, mechanism=fc.Blocks()), fc.MechanismError, "cannot run"),
        (lambda: fc.Exchange(tariff=TARIFF, mechanism="nobody"), fc.MechanismError, "nobody"),
        (lambda: fc.Exchange(tariff=TARIFF, slot=0), fc.ExchangeError, "at least"),
        (lambda: fc.Exchange(tariff=TARIFF, slot=1.5), fc.ExchangeError, "timedelta"),
        (lambda: fc.Exchange(tariff=TARIFF, gate=(1, 0)), fc.ExchangeError, "fc.Gate"),
        (lambda: fc.Exchange(tariff=TARIFF, remember=-1), fc.ExchangeError, "remember"),
        (lambda: fc.Exchange(tariff=TARIFF, clock="atomic"), fc.ExchangeError, "clock"),
        (lambda: fc.Exchange(tariff=TARIFF, seed=-1), fc.ExchangeError, "seed"),
        (lambda: fc.Gate(1, 1), fc.ExchangeError, "never open"),
        (lambda: fc.Gate(timedelta(1), "soon"), fc.ExchangeError, "timedelta"),
    ],
)
def test_terms_that_cannot_be_are_refused_by_name(call, error, match):
    with pytest.raises(error, match=match):
        call()


ORDER = {"side": ["buy"], "price": [1], "quantity": [1], "participant": ["Ada"]}


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda ex: ex.open_accounts("Ada"), fc.ExchangeError, "open already"),
        (lambda ex: ex.open_accounts(["Cy", "Cy"]), fc.ExchangeError, "Cy"),
        (lambda ex: ex.open_accounts(""), fc.ExchangeError, "1 to 255"),
        (lambda ex: ex.open_accounts("x" * 256), fc.ExchangeError, "256 bytes"),
        (lambda ex: ex.open_accounts("Cy", limit=-1), fc.SettlementError, "negative|-1"),
        (lambda ex: ex.deposit("Cy", 1), fc.SettlementError, "Cy"),
        (lambda ex: ex.deposit("Ada", -1), fc.SettlementError, "Ada"),
        (lambda ex: ex.withdraw("Ada", 11), fc.SettlementError, "Ada"),
        (lambda ex: ex.set_limit("Ada", -5), fc.SettlementError, "-5"),
        (lambda ex: ex.submit(ORDER, 1), fc.ExchangeError, "no slot starts"),
        (lambda ex: ex.submit(ORDER, -SLOT), fc.ExchangeError, "no slot starts"),
        (lambda ex: ex.submit(ORDER, "noon"), fc.SettlementError, "noon"),
        (lambda ex: ex.submit({"side": ["buy"], "price": [1], "quantity": [1]}, 0), fc.SchemaError, "participant"),
        (lambda ex: ex.submit(ORDER | {"start_price": [1]}, 0), fc.SchemaError, "start_price"),
        (lambda ex: ex.submit(ORDER, 0, key=0), fc.ExchangeError, "key"),
        (lambda ex: ex.submit(ORDER, 0, key=2**128), fc.ExchangeError, "key"),
        (lambda ex: ex.cancel({"order": [1]}, 0), fc.SchemaError, "participant"),
        (lambda ex: ex.meter({"participant": ["Cy"], "energy_wh": [1]}, 0), fc.SettlementError, "Cy"),
        (lambda ex: ex.meter({"participant": ["Ada"], "energy_wh": [1.5]}, 0), fc.SettlementError, "energy_wh"),
        (lambda ex: ex.meter({"participant": ["Ada"], "energy_wh": [2**31]}, 0), fc.ExchangeError, "Wh"),
        (lambda ex: ex.settle(0), fc.ExchangeError, "close it first"),
        (lambda ex: ex.seal(0), fc.ExchangeError, "settle it first"),
        (lambda ex: ex.advance(-1), fc.ExchangeError, "not between"),
        (lambda ex: ex.ledger.seal(None), fc.LedgerError, "its own blocks"),
        (lambda ex: ex.ledger.reopen(), fc.LedgerError, "opened with it"),
        (lambda ex: ex.__reduce__(), fc.ExchangeError, "pickled"),
    ],
)
def test_a_call_that_makes_no_sense_says_why_and_changes_nothing(call, error, match):
    ex = fc.Exchange(tariff=TARIFF, seed=1)
    ex.open_accounts(["Ada"])
    ex.deposit("Ada", 10)
    before = ex.balances, ex.slots, ex.participants, ex.ledger.height
    with pytest.raises(error, match=match):
        call(ex)
    assert ex.balances.equals(before[0])
    assert ex.slots.equals(before[1])
    assert (ex.participants, ex.ledger.height) == before[2:]


def test_late_readings_and_second_settlements_are_refused():
    ex = fc.Exchange(tariff=TARIFF, seed=1)
    ex.open_accounts("Ada", limit=10**9)
    reading = {"participant": ["Ada"], "energy_wh": [5]}
    ex.meter(reading, 0)
    ex.meter(reading | {"energy_wh": [7]}, 0)
    ex.close_gate(0)
    assert ex.settle(0).receipts.frame.filter(kind="meter")["quantity"].to_list() == [7]
    for sealed in (False, True):
        with pytest.raises(fc.ExchangeError, match="settled"):
            ex.meter(reading, 0)
        with pytest.raises(fc.ExchangeError, match="settled"):
            ex.settle(0)
        if not sealed:
            ex.seal(0)
    with pytest.raises(fc.ExchangeError, match="sealed already"):
        ex.seal(0)
    assert ex.submit(ORDER, 0).reject.tolist() == [CLOSED]


def test_bytes_from_a_wire_are_answered_in_bytes():
    ex = fc.Exchange(tariff=TARIFF)
    for junk in (b"", b"\x00", b"\x01\x09" + bytes(16) + b"x", random.Random(1).randbytes(300)):
        reply = ex.execute(junk)
        assert reply[:4] == b"\x01\x00\x01\x00"  # version, no flags, status malformed
    name = b"\x01\x03Ada"
    command = b"\x01\x01" + bytes(16) + (0).to_bytes(8, "little") + (1).to_bytes(4, "little") + name
    assert ex.execute(command)[:4] == b"\x01\x00\x00\x00"
    assert ex.participants == ["Ada"]
    ex.deposit("Ada", 3)
    assert ex.available("Ada") == 3


def test_the_twin_refuses_what_the_exchange_refuses():
    ex, twin = pair()
    twin.open([1])
    ex.open_accounts(1)
    for call in (lambda: twin.close_gate(5), lambda: twin.settle(0), lambda: twin.seal(0), lambda: twin.open([1])):
        with pytest.raises(RefusedError):
            call()
    assert len(Book([]).orders.side) == 0
