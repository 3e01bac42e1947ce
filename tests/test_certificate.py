"""Clearing certificates: right blocks pass, forged ones are caught, by both implementations alike."""

import json
import pathlib

import numpy as np
import pytest
from block_forgery import Evidence
from hypothesis import given, settings
from hypothesis import strategies as st

import fastclear as fc
from fastclear import clearing_proof

RATIONING = ("pro_rata", "time", "equal", "quantity", "lottery")
GOLDEN = pathlib.Path(__file__).parent / "data" / "golden_block.json"


def judged(parts):
    """What both verifiers say: rows, a flaw's code, or that there is no certificate."""
    try:
        fast = [tuple(row) for row in fc.certify_block(*parts).markets.rows()]
    except fc.CertificateRefusedError as error:
        fast = error.code
    except fc.NoCertificateError:
        fast = "unsupported"
    try:
        slow = [tuple(row) for row in clearing_proof.certify(*parts)]
    except clearing_proof.Flawed as error:
        slow = error.code
    except clearing_proof.NoCertificate:
        slow = "unsupported"
    return fast, slow


def both(evidence):
    fast, slow = judged(evidence.parts())
    assert fast == slow
    return fast


def sealed(orders, mechanism, **more):
    ledger = fc.Ledger(fc.sealed_parameters(mechanism, **more), seed=5)
    ledger.seal(fc.clear(orders, mechanism), slot=0)
    return Evidence.of(ledger)


# Bids 30 x 5, 25 x 4, 18 x 3 and two at the margin; asks 10 x 4, 16 x 5, 18 x 2, 24 x 6. Price 18: 5 + 4 + 2 of 3 + 5.
BOOK = {
    "order": [11, 12, 13, 14, 21, 22, 23, 24],
    "side": ["buy"] * 4 + ["sell"] * 4,
    "price": [30, 25, 18, 18, 10, 16, 18, 24],
    "quantity": [5, 4, 3, 5, 4, 5, 2, 6],
    "time": [1, 2, 4, 3, 5, 6, 7, 8],
}


def uniform(**options):
    return sealed(BOOK, fc.Uniform(**options))


def trade_of(evidence, order):
    """Row of the first trade of an order."""
    named = (evidence.records["buy_order"] == order) | (evidence.records["sell_order"] == order)
    return int(np.flatnonzero(named & (evidence.records["kind"] == 1))[0])


# -- right blocks ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rationing", RATIONING)
def test_a_block_that_was_cleared_right_has_a_certificate(rationing):
    evidence = uniform(rationing=rationing, seed=3 if rationing == "lottery" else None)
    assert both(evidence) == [(0, 18, 11, 8, 0)]


markets = st.lists(st.sampled_from([-3, 0, 2]), min_size=1, max_size=3, unique=True)
mechanisms = st.one_of(
    st.builds(
        lambda rationing, seed, **options: fc.Uniform(
            rationing=rationing, seed=seed if rationing == "lottery" else None, **options
        ),
        rationing=st.sampled_from(RATIONING),
        seed=st.integers(0, 2**64 - 1),
        k=st.sampled_from([(0, 1), (1, 1), (1, 2), (1, 3)]),
        zero_surplus=st.booleans(),
        price_round=st.sampled_from([None, "floor", "ceil", "half_up"]),
        fee=st.sampled_from([0, 0, 1, 3]),
        reserve=st.sampled_from([None, None, 4, -2]),
        cap_low=st.sampled_from([None, -5]),
        cap_high=st.sampled_from([None, 7]),
    ),
    st.builds(
        fc.Discriminatory,
        rule=st.sampled_from(["k", "bid", "ask", "earlier"]),
        k=st.sampled_from([(0, 1), (1, 2), (1, 3)]),
        price_round=st.sampled_from(["floor", "ceil", "half_up"]),
        fee=st.sampled_from([0, 2]),
        reserve=st.sampled_from([None, 4]),
    ),
    st.builds(
        fc.Discriminatory, spread_to=st.sampled_from(["seller", "buyer", "operator"]), fee=st.sampled_from([0, 2])
    ),
)


@st.composite
def books(draw):
    """Few prices, so that there are ties; quantities from 1 lot to the most there is; refused ones among them."""
    n = draw(st.integers(0, 14))
    column = lambda values: draw(st.lists(values, min_size=n, max_size=n))  # noqa: E731
    most = draw(st.sampled_from([3, 9, 2**31 - 1]))
    return {
        "order": draw(st.permutations(range(-n, 2 * n, 3)))[:n],
        "market": column(st.sampled_from(draw(markets))),
        "side": column(st.sampled_from(["buy", "sell"])),
        "price": column(st.integers(-6, 8)),
        "quantity": column(st.integers(0, most)),
        "time": column(st.integers(0, 2)),
    }


@settings(max_examples=250, deadline=None)
@given(books(), mechanisms)
def test_whatever_the_engine_clears_both_verifiers_accept(book, mechanism):
    ledger = fc.Ledger(fc.sealed_parameters(mechanism), seed=5)
    clearing = fc.clear(book, mechanism)
    ledger.seal(clearing, slot=0)
    found = both(Evidence.of(ledger))
    assert isinstance(found, list), found
    volumes = {row["market"]: row["volume"] for row in clearing.markets.iter_rows(named=True)}
    assert {market: volume for market, _, volume, _, _ in found if volume} == {m: v for m, v in volumes.items() if v}


@settings(max_examples=250, deadline=None)
@given(books(), mechanisms, st.data())
def test_a_change_of_one_number_is_judged_alike_by_both(book, mechanism, data):
    evidence = sealed(book, mechanism)
    table = data.draw(st.sampled_from([evidence.orders, evidence.records]))
    if not len(table):
        return
    row = data.draw(st.integers(0, len(table) - 1))
    name = data.draw(st.sampled_from(["price", "quantity", "side", "time", "reject", "buy_order", "sell_order"]))
    if name not in table.dtype.names:
        return
    one = table[name][row : row + 1]  # a slice, so that ids wrap around
    if name == "side":
        one ^= 1
    else:
        one += np.array([data.draw(st.sampled_from([1, 2]))], one.dtype)
    if table is evidence.records:
        evidence.repriced(evidence.records["price"])
    fast, slow = judged(evidence.rehashed().parts())
    assert isinstance(fast, list) == isinstance(slow, list), (fast, slow)
    assert fast == slow or isinstance(fast, str), (fast, slow)


def settled(mechanism):
    """A block of a bank: deposits, reservations, trades, tariff fees, taxes, meter readings and imbalance lines."""
    tariff = fc.Tariff(retail=300_000, feed_in=50_000, platform_fee=7, network_fee=3)
    bank = fc.Settlement(tariff=tariff)
    bank.open(range(8))
    bank.deposit(range(8), 10**12)
    book = BOOK | {"participant": list(range(8))}
    bank.reserve(book)
    clearing = fc.clear(book, mechanism)
    receipts = bank.settle(clearing, slot=0, meter={"participant": [0, 4], "energy_wh": [6, -4]})
    ledger = fc.Ledger(fc.sealed_parameters(mechanism), seed=5)
    ledger.seal(clearing, receipts, slot=0)
    return ledger


@pytest.mark.parametrize(
    ("mechanism", "price"),
    [
        (fc.Uniform(fee=1), 17),
        (fc.Uniform(k=0), 18),
        (fc.Discriminatory(), None),
        (fc.Discriminatory(spread_to="operator"), None),
    ],
)
def test_a_block_that_a_bank_settled_has_a_certificate(mechanism, price):
    ledger = settled(mechanism)
    kinds = set(ledger.records(0)["kind"].to_list())
    assert kinds >= {"trade", "fee", "deposit", "reserve", "post", "meter", "imbalance"}
    evidence = Evidence.of(ledger)
    found = both(evidence)
    assert [row[1] for row in found] == [price]
    trades = evidence.records["kind"] == 1
    evidence.repriced(evidence.records["price"][trades] + 1, trades)
    assert both(evidence.rehashed()) == "price"


# -- forged blocks, each consistent in itself --------------------------------------------------------------------


def test_forged_price_outside_the_interval():
    assert both(uniform().repriced(17).rehashed()) == "price"


def test_forged_price_inside_the_interval_but_not_at_k():
    book = {"side": ["buy", "sell"], "price": [30, 10], "quantity": [5, 5]}
    evidence = sealed(book, fc.Uniform(k=0.5))
    assert both(evidence.repriced(20).rehashed()) == [(0, 20, 5, 2, 0)]
    assert both(evidence.repriced(29).rehashed()) == "price"


def test_forged_price_of_one_trade_only():
    assert both(uniform().repriced(19, slice(0, 1)).rehashed()) == "price"


def test_forged_amount():
    evidence = uniform()
    evidence.records["amount"][0] += 1
    assert both(evidence.rehashed()) == "amount"


def test_forged_trade_of_no_energy():
    assert both(uniform().moved(0, 0).rehashed()) == "amount"


def test_forged_trade_of_an_order_outside_the_money():
    evidence = uniform()
    evidence.records["sell_order"][trade_of(evidence, 23)] = 24  # 2 lots at 18 from an ask of 24
    assert both(evidence.rehashed()) == "outside_money"


def test_forged_block_that_leaves_out_an_order_inside_the_money():
    evidence = uniform()
    evidence.records = evidence.records[evidence.records["buy_order"] != 12]
    assert both(evidence.rehashed()) == "left_out"


def test_forged_block_that_cuts_an_order_inside_the_money():
    evidence = uniform()
    row = trade_of(evidence, 11)
    assert both(evidence.moved(row, evidence.records["quantity"][row] - 1).rehashed()) == "left_out"


def test_forged_block_that_drops_an_order_that_would_have_traded():
    """Whoever forges must drop the leaf too, or the trades show it; then the margin is wrong instead."""
    evidence = uniform()
    evidence.orders = evidence.orders[evidence.orders["order"] != 11]
    assert both(evidence.rehashed()) == "stranger"


def test_forged_block_that_says_an_order_was_refused():
    evidence = uniform()
    evidence.order(11)["reject"] = 1
    assert both(evidence.rehashed()) == "stranger"


def test_forged_block_without_any_trade():
    evidence = uniform()
    evidence.records = evidence.records[:0]
    assert both(evidence.rehashed()) == "left_out"


@pytest.mark.parametrize("rationing", RATIONING)
def test_forged_share_at_the_margin(rationing):
    evidence = uniform(rationing=rationing, seed=3 if rationing == "lottery" else None)
    at_margin = [order for order in (13, 14) if (evidence.records["buy_order"] == order).any()]
    row = trade_of(evidence, at_margin[0])
    other = 27 - at_margin[0]
    if evidence.records["quantity"][row] == 1:
        evidence.records["buy_order"][row] = other
    else:  # one lot goes from one to the other
        more = evidence.records[row : row + 1].copy()
        more["buy_order"], more["quantity"] = other, 1
        evidence.records = np.concatenate([evidence.records, more])
        evidence.moved(row, evidence.records["quantity"][row] - 1)
    assert both(evidence.rehashed()) == "rationing"


def test_forged_fill_beyond_the_order():
    evidence = uniform()
    row = trade_of(evidence, 21)
    assert both(evidence.moved(row, evidence.records["quantity"][row] + 2).rehashed()) == "overfilled"


def test_forged_trade_of_an_order_that_nobody_gave():
    evidence = uniform()
    evidence.records["buy_order"][0] = 99
    assert both(evidence.rehashed()) == "stranger"


def test_forged_trade_of_a_buyer_as_seller():
    evidence = uniform()
    evidence.records["sell_order"][0] = 13
    assert both(evidence.rehashed()) == "stranger"


def test_forged_trade_in_a_market_that_is_not_there():
    evidence = uniform()
    evidence.records["market"][0] = 7
    assert both(evidence.rehashed()) == "stranger"


def test_forged_order_with_a_quantity_out_of_range():
    evidence = uniform()
    evidence.order(24)["quantity"] = 2**31
    assert both(evidence.rehashed()) == "inadmissible"


def test_forged_order_outside_the_caps():
    evidence = uniform(cap_low=0, cap_high=40)
    evidence.order(24)["price"] = 41
    assert both(evidence.rehashed()) == "inadmissible"


def test_forged_time_of_an_order_at_the_margin():
    evidence = uniform(rationing="time")
    evidence.order(13)["time"] = 0  # now the earlier one went empty-handed
    assert both(evidence.rehashed()) == "rationing"


def test_forged_gross():
    evidence = uniform().rehashed()
    evidence.header = evidence.header[:272] + (1).to_bytes(8, "little")
    assert both(evidence) == "gross"


def test_forged_parameters():
    evidence = uniform()
    evidence.params = evidence.params.replace(b'"k":[1,2]', b'"k":[1,1]')
    assert both(evidence) == "digest"


def test_forged_parameters_hashed_anew_give_another_price():
    book = {"side": ["buy", "sell"], "price": [30, 10], "quantity": [5, 5]}
    evidence = sealed(book, fc.Uniform(k=0.5))
    evidence.params = evidence.params.replace(b'"k":[1,2]', b'"k":[1,1]')
    assert both(evidence.rehashed()) == "price"


def test_forged_salt_of_a_leaf():
    evidence = uniform()
    raw = bytearray(evidence.orders.tobytes())
    raw[-1] ^= 1
    assert judged((evidence.header, evidence.params, bytes(raw), evidence.records.tobytes())) == ("digest", "digest")


def test_forged_order_of_records():
    evidence = uniform().rehashed()
    evidence.records["seq"][:2] = evidence.records["seq"][1::-1]
    parts = evidence.parts()
    fields = bytearray(parts[0])
    from block_forgery import root

    fields[112:144] = root(evidence.records)
    assert judged((bytes(fields), *parts[1:])) == ("sequence", "sequence")


def test_forged_fee_that_the_buyer_pays():
    evidence = uniform(fee=2)
    rows = evidence.records["kind"] == 11
    assert rows.any()
    assert isinstance(both(evidence), list)
    evidence.records["price"][rows] += 1
    assert both(evidence.repriced(evidence.records["price"]).rehashed()) == "spread"


def test_forged_block_without_the_fee():
    evidence = uniform(fee=2)
    group = evidence.records["group"].copy()
    evidence.records = evidence.records[evidence.records["kind"] == 1]
    assert len(evidence.records) < len(group)
    assert both(evidence.rehashed()) == "spread"


def test_forged_bid_below_the_reserve_that_traded():
    evidence = sealed(
        {"order": [1, 2, 3], "side": ["buy", "buy", "sell"], "price": [30, 12, 10], "quantity": [5, 5, 20]},
        fc.Uniform(reserve=15),
    )
    assert isinstance(both(evidence), list)
    more = evidence.records[:1].copy()
    more["buy_order"] = 2
    evidence.records = np.concatenate([evidence.records, more])
    assert both(evidence.rehashed()) == "outside_money"


def test_forged_pairs_of_a_discriminatory_auction():
    book = {
        "order": [1, 2, 3, 4],
        "side": ["buy", "buy", "sell", "sell"],
        "price": [30, 25, 10, 16],
        "quantity": [5] * 4,
    }
    evidence = sealed(book, fc.Discriminatory())
    assert isinstance(both(evidence), list)
    evidence.records["buy_order"] = evidence.records["buy_order"][::-1]
    assert both(evidence.rehashed()) == "pairing"


def test_forged_price_of_a_pair():
    book = {"order": [1, 2], "side": ["buy", "sell"], "price": [30, 10], "quantity": [5, 5]}
    assert both(sealed(book, fc.Discriminatory(rule="bid")).repriced(29).rehashed()) == "price"


# -- what there is no certificate for ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "mechanism",
    [fc.Vickrey(), fc.Average(), fc.MaximalVolume(), fc.Uniform(price_rule="marginal_ask")],
    ids=lambda mechanism: type(mechanism).__name__,
)
def test_other_mechanisms_are_refused_honestly(mechanism):
    evidence = sealed(BOOK, mechanism)
    assert both(evidence) == "unsupported"
    with pytest.raises(fc.NoCertificateError, match="no certificate for"):
        fc.certify_block(*evidence.parts())


def test_a_ledger_whose_parameters_name_no_mechanism_has_no_certificate():
    ledger = fc.Ledger({"market": "demo"}, seed=1)
    ledger.seal(fc.clear(BOOK, fc.Uniform()), slot=0)
    with pytest.raises(fc.NoCertificateError, match="sealed_parameters"):
        ledger.certify(0)
    with pytest.raises(fc.LedgerError, match="there is no block 1"):
        ledger.certify(1)


@pytest.mark.parametrize("change", ['"fee":99999999999', '"fee":"2"', '"fee":true', '"fee":null', '"fee":0.5'])
def test_hostile_parameters_are_refused(change):
    evidence = uniform()
    evidence.params = evidence.params.replace(b'"fee":0', change.encode())
    assert both(evidence.rehashed()) == "unsupported"


@pytest.mark.parametrize(
    "k", ["[1,0]", "[-1,2]", "[3,2]", "[1,2,3]", "1", "[1,99999999999999999999]", "null", "[true,2]"]
)
def test_hostile_shares_are_refused(k):
    evidence = uniform()
    evidence.params = evidence.params.replace(b'"k":[1,2]', f'"k":{k}'.encode())
    assert both(evidence.rehashed()) == "unsupported"


@pytest.mark.parametrize(
    "params", [b"", b"[]", b"{", b'{"mechanism":1}', b'{"mechanism":{"name":[]}}', b"\xff", b"[" * 99999]
)
def test_parameters_that_are_no_parameters_are_refused(params):
    evidence = uniform()
    evidence.params = params
    assert both(evidence.rehashed()) == "unsupported"


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_cut_and_altered_bytes_raise_nothing_else(data):
    parts = list(uniform().parts())
    which = data.draw(st.integers(0, 3))
    raw = bytearray(parts[which])
    at = data.draw(st.integers(0, len(raw) - 1))
    if which > 0 and data.draw(st.booleans()):  # the header is the one that is trusted
        raw[at] ^= data.draw(st.integers(1, 255))
    else:
        del raw[at:]
    parts[which] = bytes(raw)
    fast, slow = judged(parts)
    assert isinstance(fast, str)
    assert isinstance(slow, str)


def test_market_orders_compete_at_the_cap_or_have_no_certificate():
    book = {"side": ["buy", "sell"], "price": [None, 10], "type": ["market", "limit"], "quantity": [5, 5]}
    assert both(sealed(book, fc.Uniform(cap_high=40))) == [(0, 25, 5, 2, 0)]
    assert both(sealed(book, fc.Uniform())) == "unsupported"


# -- parameters, and blocks of yesterday -------------------------------------------------------------------------


def test_sealed_parameters_name_mechanism_options_engine_tariff_and_time_zones():
    found = fc.sealed_parameters(fc.Uniform(k=0.25, fee=3), tariff={"import": 300_000}, platform="demo")
    assert found["mechanism"]["name"] == "Uniform"
    assert (found["mechanism"]["k"], found["mechanism"]["fee"]) == ([1, 4], 3)
    assert found["engine"] == fc.__version__
    assert found["tzdata"]
    assert (found["tariff"], found["platform"]) == ({"import": 300_000}, "demo")
    assert json.loads(json.dumps(found)) == found
    assert fc.Ledger(found, seed=1).params == found


def test_every_mechanism_can_be_sealed():
    for mechanism in (fc.Vickrey(), fc.Sbba(seed=1), fc.Muda(seed=1), fc.Huang(), fc.Average()):
        found = fc.sealed_parameters(mechanism)
        assert found["mechanism"]["name"] == type(mechanism).__name__
        assert json.loads(json.dumps(found)) == found


def test_sealed_parameters_refuse_what_is_no_mechanism_and_names_that_are_taken():
    with pytest.raises(fc.LedgerError, match=r"give one such as fc\.Uniform"):
        fc.sealed_parameters("uniform")
    with pytest.raises(fc.LedgerError, match="engine is filled in"):
        fc.sealed_parameters(fc.Uniform(), engine="mine")


def test_a_block_sealed_by_an_older_version_clears_again_to_the_same_trades():
    """`golden_block.json` holds blocks as they were sealed when the format was new; whoever changes it breaks R54."""
    for stored in json.loads(GOLDEN.read_text()):
        parts = tuple(bytes.fromhex(stored[name]) for name in ("header", "params", "orders", "records"))
        fast, slow = judged(parts)
        assert fast == slow == [tuple(row) for row in stored["markets"]]
        # Cleared again by today's engine, sealed with today's code: the same leaves but for their salts.
        options = json.loads(parts[1])["mechanism"]
        name = options.pop("name")
        if "k" in options:
            options["k"] = tuple(options["k"])
        book = stored["book"]
        mechanism = getattr(fc, name)(**options)
        ledger = fc.Ledger(json.loads(parts[1]), seed=5)
        again = ledger.seal(fc.clear(book, mechanism), slot=0)
        assert again.header == parts[0]
        assert ledger._chain.orders(0) == parts[2]
        assert ledger._chain.records(0) == parts[3]


# -- blocks of an exchange ---------------------------------------------------------------------------------------

EXCHANGES = [
    *(fc.Uniform(k=(1, 3), rationing=rationing) for rationing in ("pro_rata", "time", "equal", "quantity")),
    fc.Uniform(k=(1, 2), price_round="ceil", fee=2, reserve=3, zero_surplus=False),
    *(fc.Discriminatory(rule=rule) for rule in ("k", "bid", "ask", "earlier")),
    fc.Discriminatory(spread_to="operator"),
]


def sealed_by_an_exchange(mechanism, seed=1):
    """The ledger of an exchange with one slot of thirty orders, with ties and refusals; price and volume as cleared."""
    tariff = fc.Tariff(retail=300_000, feed_in=0, platform_fee=7, network_fee=3, tax_ppm=190_000)
    ex = fc.Exchange(tariff=tariff, mechanism=mechanism, seed=seed)
    names = [f"m{at}" for at in range(30)]
    ex.open_accounts(names)
    ex.deposit(names, 10**9)
    draw = np.random.default_rng(seed)
    orders = {
        "side": draw.permutation(np.repeat([0, 1], 15)).astype(np.int8),
        "price": draw.integers(1, 9, 30),
        "quantity": np.where(draw.random(30) < 0.1, 2**31, draw.integers(1, 50, 30)),
        "participant": names,
    }
    slot = 900 * 10**9
    ex.submit(orders, slot)
    gate = ex.close_gate(slot)
    assert gate.trades.height > 3
    ex.settle(slot)
    ex.seal(slot)
    return ex.ledger, gate.markets.select("price_sell", "volume").rows()


@pytest.mark.parametrize("mechanism", EXCHANGES, ids=repr)
def test_a_block_of_an_exchange_has_a_certificate(mechanism):
    for seed in range(1, 6):
        ledger, cleared = sealed_by_an_exchange(mechanism, seed)
        header, params = ledger.block(0).header, ledger._chain.params
        orders, records = ledger._chain.orders(0), ledger._chain.records(0)
        judged = clearing_proof.certify(header, params, orders, records)
        assert ledger.certify(0).markets.rows() == [tuple(market) for market in judged]
        assert [(market.price, market.volume) for market in judged] == [
            (None if isinstance(mechanism, fc.Discriminatory) else price, volume) for price, volume in cleared
        ]


@pytest.mark.parametrize(
    ("mechanism", "why"),
    [(fc.Huang(), "no certificate for huang"), (fc.Uniform(rationing="lottery", seed=3), "lottery of an exchange")],
)
def test_exchanges_without_certificates_say_so(mechanism, why):
    with pytest.raises(fc.NoCertificateError, match=why):
        sealed_by_an_exchange(mechanism)[0].certify(0)
