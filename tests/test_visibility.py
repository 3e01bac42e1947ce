"""R9: who sees what. The auctioneer sees every order; a member is handed what concerns it, and nothing about others."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastclear as fc
from fastclear import light_client
from fastclear.errors import SettlementError

SLOT = 1_777_636_800_000_000_000
NAMES = ["Ada", "Bo", "Cy", "Dee"]


def market(losing_bid: int, bid_lots: int, losing_ask: int, ask_lots: int, meters: tuple[int, int]) -> dict[str, Any]:
    """A slot in which Ada and Bo trade and Cy and Dee do not; what Ada and Bo are handed of it."""
    bank = fc.Settlement(tariff=fc.Tariff.from_ct_per_kwh(30, 5, network_fee=2, tax_percent=20))
    bank.open(NAMES)
    bank.deposit(NAMES, [10**10, 10**10, 10**10 + bid_lots, 10**10 + ask_lots])
    orders = {
        "side": ["buy", "sell", "buy", "sell"],
        "price": [260_000, 100_000, losing_bid, losing_ask],
        "quantity": [5_000, 5_000, bid_lots, ask_lots],
        "participant": NAMES,
        "order": [11, 12, 13, 14],
    }
    assert not bank.reserve(orders, slot=SLOT).any()
    # all to the seller: the price is Ada's bid, whatever the others bid
    clearing = fc.clear(orders, fc.Discriminatory(rule="bid"))
    energy = [4_800, -5_000, *meters]
    receipts = bank.settle(clearing, {"participant": NAMES, "energy_wh": energy}, slot=SLOT)
    ledger = fc.Ledger(seed=1)
    block = ledger.seal(clearing, receipts, slot=SLOT)
    frame = receipts.frame
    traded = frame.with_row_index("leaf").filter(frame["kind"] == "trade")["leaf"].to_list()
    handed: dict[str, Any] = {"orders": clearing.filled.tolist()}
    for name in ("Ada", "Bo"):
        own = receipts.by_participant().filter(receipts.by_participant()["participant"] == name)
        statement = receipts.statement(name).frame
        handed[name] = {
            "bill": own.rows(),
            # places and times of lines count what happened in between; everything else is the member's own
            "statement": statement.drop("seq", "time", strict=False).rows(),
            "words": receipts.explain(name, clearing),
            "leaves": [ledger.prove(block.height, leaf).leaf[:96] for leaf in traded],
            "path": [len(ledger.prove(block.height, leaf).path) for leaf in traded],
            "proof": [ledger.prove(block.height, leaf).to_json() for leaf in traded],
        }
    return handed


BASE = market(90_000, 700, 290_000, 900, (50, -60))
others = st.tuples(
    st.integers(1, 99_999),
    st.integers(1, 30_000),
    st.integers(270_000, 299_999),
    st.integers(1, 30_000),
    st.tuples(st.integers(1, 5_000), st.integers(-5_000, -1)),
)


@settings(max_examples=60)
@given(others)
def test_what_a_member_is_handed_does_not_change_with_what_others_ordered_and_metered(given: Any) -> None:
    """Statement, bill, words and own leaves are the same whatever the others did, so that nothing of it is in them."""
    other = market(*given)
    for name in ("Ada", "Bo"):
        for view in ("bill", "statement", "words", "leaves", "path"):
            assert other[name][view] == BASE[name][view], view


def test_no_view_of_a_member_names_another_but_the_one_it_traded_with() -> None:
    for name, stranger in (("Ada", ("Cy", "Dee", "13", "14")), ("Bo", ("Cy", "Dee", "13", "14"))):
        for view in ("bill", "statement", "words"):
            text = f" {BASE[name][view]} "
            assert name in text or view == "statement"
            for other in stranger:
                assert f"'{other}'" not in text
                assert f" {other} " not in text
        # the leaf has two accounts and two orders, its own and that of who it traded with
        for leaf in BASE[name]["leaves"]:
            record = light_client.parse_record(leaf)._asdict()
            assert {record["debit"], record["credit"]} <= {0, 2, 3, 1000, 1001}
            assert {record["buy_order"], record["sell_order"]} <= {0, 11, 12}


def test_the_auctioneer_sees_every_order_once_bids_are_opened_and_only_hashes_before() -> None:
    bank = fc.Accounts()
    bank.open([1], unlimited=True)
    bank.open([7, 8, 99])
    bank.submit({"debit": [1, 1], "credit": [7, 8], "amount": [50, 50]})
    sale = fc.SealedBids(bank, "noon", deposit=20, forfeits=99, commit_until=100, reveal_until=200)
    bids = {"participant": [7, 8], "side": ["buy", "sell"], "price": [31, 17], "quantity": [53, 59], "order": [1, 2]}
    commitments, salts = sale.prepare(bids)
    sale.commit({"participant": [7, 8], "commitment": commitments})
    # during the auction the operator itself has who bids and hashes: nothing there is a price, a quantity or a side
    seen = sale.commitments
    assert not {"price", "quantity", "side"} & set(seen.columns)
    with pytest.raises(SettlementError, match="reveals are not over"):
        sale.orders()
    sale.advance(100)
    assert not sale.reveal(bids | {"commitment": commitments, "salt": salts}).any()
    sale.advance(200)
    opened = sale.orders()
    assert (opened["price"].tolist(), opened["quantity"].tolist()) == ([31, 17], [53, 59])


def test_a_block_shows_of_orders_only_salted_hashes_to_who_has_no_leaf() -> None:
    """The header has roots; the same orders under another salt have others, so that guessing does not help."""
    roots = set()
    for seed in (1, 2):
        ledger = fc.Ledger(seed=seed)
        orders = {"side": ["buy", "sell"], "price": [2, 1], "quantity": [5, 5]}
        header = light_client.parse_header(ledger.seal(fc.clear(orders, fc.Uniform()), slot=0).header)
        roots.add((header.records_root, header.orders_root))
    assert len(roots) == 2
