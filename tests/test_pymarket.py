"""Huang and MUDA against what pymarket 0.7.6 answered to the same books (scripts/record_pymarket.py)."""

import json
from collections import Counter
from fractions import Fraction
from math import ceil, floor
from pathlib import Path

import pytest

import fastclear as fc

RECORD = json.loads((Path(__file__).parent / "data" / "pymarket_0_7_6.json").read_text(encoding="utf-8"))


def orders_of(book):
    """The columns of a book of (buying, price, quantity); an order's place is its id and its participant."""
    buying, price, quantity = zip(*book, strict=True)
    users = list(range(len(book)))
    return {
        "side": [int(side) for side in buying],
        "price": price,
        "quantity": quantity,
        "order": users,
        "participant": users,
    }


def test_the_record_is_of_the_pinned_version():
    assert RECORD["pymarket"] == "0.7.6"
    assert len(RECORD["huang"]) == 300
    assert len(RECORD["muda"]) == 400
    for case in RECORD["huang"] + RECORD["muda"]:
        prices = [price for _, price, _ in case["book"]]
        assert len(set(prices)) == len(prices)


def whole_lots(book, filled):
    """The recorded fills in whole lots, as the rule has them: of those cut by a share the later ones give the odd lot.

    pymarket gives every cut order the same part of a lot; the rule gives whole lots that sum up to the same.
    """
    lots = [floor(share) for share in filled]
    for buying in (True, False):
        side = [user for user, order in enumerate(book) if order[0] is buying]
        total = sum(filled[user] for user in side)
        assert total.denominator == 1
        cut = [user for user in side if filled[user].denominator > 1]
        # Ids are users, times are equal: the first of them keep a lot more.
        for user in cut[: int(total) - sum(lots[user] for user in side)]:
            lots[user] = ceil(filled[user])
    return lots


def test_huang_fills_and_prices():
    seen = Counter()
    for case in RECORD["huang"]:
        book = case["book"]
        clearing = fc.clear(orders_of(book), fc.Huang())
        recorded = [Fraction(share) for share in case["filled"]]
        assert clearing.filled.tolist() == whole_lots(book, recorded)
        volume = sum(share for share, (buying, *_) in zip(recorded, book, strict=True) if buying)
        market = clearing.markets.row(0, named=True)
        assert market["volume"] == volume
        if volume:
            assert (market["price_buy"], market["price_sell"]) == (case["price_buy"], case["price_sell"])
            assert market["surplus"] == volume * (case["price_buy"] - case["price_sell"])
        for (buying, *_), filled, payment in zip(book, clearing.filled, clearing.payment, strict=True):
            price = (case["price_buy"] if buying else case["price_sell"]) if filled else 0
            assert payment == (filled if buying else -filled) * price
        seen["whole" if all(share.denominator == 1 for share in recorded) else "shared"] += volume > 0
        seen["no trade"] += volume == 0
    # Books of both kinds: where the burden divides the fills are pymarket's exactly, elsewhere within the lot.
    assert seen["whole"] > 50
    assert seen["shared"] > 50
    assert seen["no trade"] > 20


@pytest.mark.parametrize("times", [2, 3])
def test_huang_fills_in_finer_lots(times):
    """In lots fine enough for the burden to divide, the fills are pymarket's exactly."""
    compared = 0
    for case in RECORD["huang"]:
        recorded = [times * Fraction(share) for share in case["filled"]]
        if any(share.denominator > 1 for share in recorded):
            continue
        book = [(buying, price, times * quantity) for buying, price, quantity in case["book"]]
        assert fc.clear(orders_of(book), fc.Huang()).filled.tolist() == recorded
        compared += 1
    assert compared > 200


def pair_midpoint(book, users):
    """Midpoint of the last bid and ask that meet among `users`, or None: pymarket's price where no order is cut."""
    bids = sorted(
        ((price, quantity) for buying, price, quantity in (book[user] for user in users) if buying), reverse=True
    )
    asks = sorted((price, quantity) for buying, price, quantity in (book[user] for user in users) if not buying)
    bids = [price for price, quantity in bids for _ in range(quantity)]
    asks = [price for price, quantity in asks for _ in range(quantity)]
    met = [(bid, ask) for bid, ask in zip(bids, asks, strict=False) if bid >= ask]
    return Fraction(sum(met[-1]), 2) if met else None


def test_muda_prices_fills_and_fees():
    prices, halves = Counter(), Counter()
    for case in RECORD["muda"]:
        book, left = case["book"], case["left"]
        users = range(len(book))
        clearing = fc.clear(orders_of(book), fc.Muda("vickrey", partition=left))
        market = clearing.markets.row(0, named=True)
        sides = {"left": left, "right": [user for user in users if user not in left]}
        ours, theirs = {}, {}
        for half, members in sides.items():
            quote = market[f"price_{half}"]
            ours[half] = None if quote is None else Fraction(quote, clearing.den)
            theirs[half] = None if case[f"price_{half}"] is None else Fraction(case[f"price_{half}"])
            if ours[half] == theirs[half]:
                prices["none" if ours[half] is None else "equal"] += 1
            elif theirs[half] is None:
                # A half with both sides that do not meet: pymarket has no price, the rule takes the middle.
                bids = [book[user][1] for user in members if book[user][0]]
                asks = [book[user][1] for user in members if not book[user][0]]
                assert max(bids) < min(asks)
                assert ours[half] == Fraction(max(bids) + min(asks), 2)
                prices["apart"] += 1
            else:
                assert theirs[half] == pair_midpoint(book, members)
                prices["marginal pair"] += 1
        for half, other in (("left", "right"), ("right", "left")):
            price = theirs[other]
            if ours[other] != price:
                halves["other price"] += 1
                continue
            if price in [book[user][1] for user in sides[half]]:
                # pymarket lets an order at the price itself trade; the rule does not.
                halves["at the price"] += 1
                continue
            for user in sides[half]:
                filled = int(clearing.filled[user])
                assert filled == case["filled"][user]
                value = 0 if price is None else price * filled * (1 if book[user][0] else -1)
                assert Fraction(int(clearing.payment[user]), clearing.den) - value == Fraction(case["fees"][user])
            halves["traded" if any(case["filled"][user] for user in sides[half]) else "idle"] += 1
            halves["fees"] += any(case["fees"][user] for user in sides[half])
    assert prices["equal"] > 100
    assert prices["marginal pair"] > 20
    assert halves["traded"] > 60
    assert halves["fees"] > 20
