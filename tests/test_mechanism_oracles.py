"""Every auction against linear programs, order statistics and plain counting: welfare, volume, who pays how much.

The programs and the counting know the books only; nothing here is shared with the twins.
"""

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from math import ceil, floor

import numpy as np
import pytest
from reference import lies, oracles
from reference.lies import BOOKS, TOP, count, draw

import fastclear as fc

SHAPES = [(b, s) for b in (1, 2, 3) for s in (1, 2, 3)] + [(5, 4), (4, 7), (9, 9)]
PER_SHAPE = 90


def many(seed, *, orders=1, most=1, top=TOP, shapes=None, per_shape=PER_SHAPE):
    """Some thousand books, a batch of equal shape at a time."""
    for buyers, sellers in shapes or SHAPES:
        yield draw(seed, count(per_shape), buyers, sellers, orders=orders, most=most, top=top)


class Cleared:
    """One batch cleared in one call: outputs as (book, order) arrays and one entry a book."""

    def __init__(self, books, mechanism, shift=0, **more):
        price = books.price[:, None, :]
        call = lies.columns(books, price, books.quantity[:, None, :], **more)
        self.books = books
        self.clearing = fc.clear(call, mechanism)
        self.clearing.audit()
        self.den = self.clearing.den
        assert self.den in (1, 2)
        shape = books.price.shape
        self.filled = self.clearing.filled.reshape(shape)
        self.payment = self.clearing.payment.reshape(shape)
        assert (self.clearing.reject == 0).all()
        self.markets = self.clearing.market_columns
        self.volume = self.markets["volume"].tolist()
        self.surplus = [int(money) for money in self.markets["surplus"]]
        self.welfare = [int(money) for money in self.markets["welfare"]]
        self.sides = [books.sides(number) for number in range(len(books))]
        self.check_universal()

    def check_universal(self):
        """U1-U4: fills within quantities, sides equal, money conserved, nobody worse off."""
        buy = self.books.buy
        sign = np.where(buy, 1, -1)
        assert (self.filled >= 0).all()
        assert (self.filled <= self.books.quantity).all()
        assert (self.filled[:, buy].sum(axis=1) == self.volume).all()
        assert (self.filled[:, ~buy].sum(axis=1) == self.volume).all()
        assert (self.payment.sum(axis=1) == self.surplus).all()
        assert (self.payment <= self.den * sign * self.books.price * self.filled).all()
        value = (self.books.price * self.filled * sign).sum(axis=1)
        assert (self.den * value == self.welfare).all()

    @property
    def optimum(self):
        """Largest welfare of each book, over `den`."""
        return [self.den * welfare for welfare in oracles.welfare_of_many(self.sides)]

    def matched(self):
        """(k, sorted bids, sorted asks) of each book of unit orders: k best bids meet k cheapest asks."""
        for bids, asks in self.sides:
            b = sorted((price for price, _ in bids), reverse=True)
            s = sorted(price for price, _ in asks)
            k = sum(bid >= ask for bid, ask in zip(b, s, strict=False))
            yield k, b, s


def test_the_blocks_of_one_program_are_the_programs_of_each_book():
    for books in many(70, orders=2, most=6, shapes=[(1, 1), (2, 3), (5, 4)], per_shape=12):
        sides = [books.sides(number) for number in range(len(books))]
        assert oracles.welfare_of_many(sides) == [oracles.lp_welfare(*pair) for pair in sides]
        assert oracles.max_volume_of_many(sides) == [oracles.lp_max_volume(*pair) for pair in sides]
    assert oracles.welfare_of_many([([], []), ([(5, 1)], [])]) == [0, 0]
    assert oracles.max_volume_of_many([([], []), ([(5, 1)], [(7, 1)])]) == [0, 0]


# ---- uniform -----------------------------------------------------------------------------------------------


def test_uniform_volume_and_interval_by_brute_force_over_all_ticks():
    for books in many(71, most=6, top=30):
        cleared = Cleared(books, fc.Uniform())
        assert cleared.welfare == cleared.optimum
        assert cleared.surplus == [0] * len(books)
        for number, (bids, asks) in enumerate(cleared.sides):
            volume, clearing = oracles.brute_force(bids, asks, range(32))
            assert cleared.volume[number] == volume
            if volume:
                ends = (int(cleared.markets["price_low"][number]), int(cleared.markets["price_high"][number]))
                assert (clearing[0], clearing[-1]) == ends
                assert ends == oracles.order_statistics(bids, asks)


@pytest.mark.parametrize(
    "price_rule", ["interval", "marginal_ask", "marginal_bid", "last_pair_midpoint", "scarce_side", "cut_order"]
)
def test_uniform_price_rules_move_the_price_and_nothing_else(price_rule):
    for books in many(72, most=6, per_shape=30):
        reference = Cleared(books, fc.Uniform())
        cleared = Cleared(
            books, fc.Uniform(price_rule=price_rule, price_round=None if "mid" in price_rule else "floor")
        )
        assert cleared.volume == reference.volume
        assert (cleared.filled == reference.filled).all()
        assert cleared.surplus == [0] * len(books)
        for name in ("price_low", "price_high"):
            assert (cleared.markets[name] == cleared.den * reference.markets[name]).all()


@pytest.mark.parametrize("rationing", ["time", "pro_rata", "equal", "quantity", "lottery"])
def test_uniform_rationing_moves_lots_within_one_level_and_nothing_else(rationing):
    for books in many(73, most=6, top=12, per_shape=30):
        reference = Cleared(books, fc.Uniform())
        cleared = Cleared(books, fc.Uniform(rationing=rationing, seed=9 if rationing == "lottery" else None))
        assert cleared.volume == reference.volume
        for name in ("price", "price_low", "price_high"):
            assert (cleared.markets[name] == reference.markets[name]).all()
        for number in range(len(books)):
            for buy in (True, False):
                assert by_level(cleared, number, buy) == by_level(reference, number, buy)


def by_level(cleared, number, buy):
    """Lots traded at each limit price of one side."""
    lots = {}
    rows = np.flatnonzero(cleared.books.buy == buy)
    for price, filled in zip(cleared.books.price[number, rows], cleared.filled[number, rows], strict=True):
        lots[int(price)] = lots.get(int(price), 0) + int(filled)
    return lots


@pytest.mark.parametrize("make", [fc.Uniform, fc.Discriminatory])
@pytest.mark.parametrize(("fee", "reserve"), [(0, 25), (4, None), (4, 25), (7, 0)])
def test_fee_and_reserve_are_the_program_of_the_changed_book(make, fee, reserve):
    for books in many(90, orders=2, most=6, per_shape=30):
        cleared = Cleared(books, make(fee=fee, reserve=reserve))
        changed = [
            ([(bid - fee, lots) for bid, lots in bids if reserve is None or bid - fee >= reserve], asks)
            for bids, asks in cleared.sides
        ]
        net = [welfare - surplus for welfare, surplus in zip(cleared.welfare, cleared.surplus, strict=True)]
        assert net == oracles.welfare_of_many(changed)
        assert cleared.surplus == [fee * volume for volume in cleared.volume]
        trades = cleared.clearing.trade_columns
        assert (trades["buy_price"] - trades["sell_price"] == fee).all()
        assert reserve is None or (trades["sell_price"] >= reserve).all()


# ---- matching ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pairing", ["ascending", "descending"])
@pytest.mark.parametrize("rule", ["k", "bid", "ask", "earlier"])
def test_maximal_volume_is_the_largest_flow(pairing, rule):
    for books in many(74, orders=2, most=6, per_shape=25):
        cleared = Cleared(books, fc.MaximalVolume(rule=rule, pairing=pairing))
        assert cleared.volume == oracles.max_volume_of_many(cleared.sides)
        assert cleared.surplus == [0] * len(books)
        assert all(got <= best for got, best in zip(cleared.welfare, cleared.optimum, strict=True))
        crossing = Cleared(books, fc.Uniform()).volume
        assert all(q <= m <= 2 * q for q, m in zip(crossing, cleared.volume, strict=True))
        check_pairs(cleared)


def check_pairs(cleared):
    """Every trade's price lies between the ask and the bid of its two orders."""
    trades = cleared.clearing.trade_columns
    limit = cleared.den * cleared.books.price.reshape(-1)
    assert (limit[trades["sell_row"]] <= trades["sell_price"]).all()
    assert (trades["sell_price"] == trades["buy_price"]).all()
    assert (trades["buy_price"] <= limit[trades["buy_row"]]).all()
    assert (trades["buy_amount"] == trades["buy_price"] * trades["quantity"]).all()


def test_random_matching_leaves_no_pair_that_could_trade():
    for books in many(75, orders=2, most=6):
        cleared = Cleared(books, fc.RandomMatching(seed=3))
        assert cleared.surplus == [0] * len(books)
        check_pairs(cleared)
        largest = oracles.max_volume_of_many(cleared.sides)
        assert all(q <= m <= 2 * q for q, m in zip(cleared.volume, largest, strict=True))
        left = books.quantity - cleared.filled
        bids = np.where(books.buy & (left > 0), books.price, -1).max(axis=1)
        asks = np.where(~books.buy & (left > 0), books.price, TOP + 1).min(axis=1)
        assert (bids < asks).all()


# ---- truthful ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("orders", "most"), [(1, 1), (1, 6), (3, 4)])
def test_vickrey_payments_are_those_of_programs_without_each_agent(orders, most):
    for books in many(76, orders=orders, most=most, per_shape=40):
        cleared = Cleared(books, fc.Vickrey())
        optimum = cleared.optimum
        assert cleared.welfare == optimum
        assert all(surplus <= 0 for surplus in cleared.surplus)
        value = (books.price * cleared.filled * np.where(books.buy, 1, -1)).astype(np.int64)
        for agent in books.agents:
            rows = books.rows(agent)
            without = oracles.welfare_of_many([sides_without(books, number, rows) for number in range(len(books))])
            pays = cleared.payment[:, rows].sum(axis=1)
            others = np.array(optimum) - value[:, rows].sum(axis=1)
            assert (pays == np.array(without) - others).all()
        for number, (bids, asks) in enumerate(cleared.sides):
            if not cleared.volume[number]:
                continue
            low, high = oracles.order_statistics(bids, asks)
            if orders == most == 1:
                assert cleared.surplus[number] == -cleared.volume[number] * (high - low)
            filled = cleared.filled[number]
            bound = np.where(books.buy, low * filled, -high * filled)
            for agent in books.agents:
                rows = books.rows(agent)
                assert cleared.payment[number, rows].sum() <= bound[rows].sum()


def sides_without(books, number, rows):
    keep = np.ones(len(books.buy), dtype=bool)
    keep[rows] = False
    rest = replace(books, buy=books.buy[keep], price=books.price[:, keep], quantity=books.quantity[:, keep])
    return rest.sides(number)


@pytest.mark.parametrize("caps", [{}, {"cap_low": 0, "cap_high": TOP}])
@pytest.mark.parametrize("use_p0", [True, False])
def test_trade_reduction_loses_at_most_the_last_pair(use_p0, caps):
    seen = set()
    for books in many(77):
        cleared = Cleared(books, fc.TradeReduction(use_p0=use_p0, **caps))
        den = cleared.den
        optimum = cleared.optimum
        branches = cleared.clearing.markets["branch"].to_list()
        for number, (k, b, s) in enumerate(cleared.matched()):
            volume, surplus = cleared.volume[number], cleared.surplus[number]
            if k == 0:
                assert volume == surplus == 0
                assert branches[number] is None
                continue
            last = den * (b[k - 1] - s[k - 1])
            loss = optimum[number] - cleared.welfare[number]
            assert volume in (k - 1, k)
            assert surplus == (0 if volume == k else (k - 1) * last)
            assert loss == (0 if volume == k else last)
            assert loss <= last <= Fraction(optimum[number], k)
            if volume:
                assert branches[number] == ("all_trade" if volume == k else "reduced")
            next_bid = b[k] if k < len(b) else caps.get("cap_low")
            next_ask = s[k] if k < len(s) else caps.get("cap_high")
            inside = None not in (next_bid, next_ask) and 2 * s[k - 1] <= next_bid + next_ask <= 2 * b[k - 1]
            assert (volume == k) == (use_p0 and inside)
            if volume == k:
                assert cleared.markets["price"][number] * 2 == den * (next_bid + next_ask)
            seen.add(branches[number])
    assert seen == ({"all_trade", "reduced"} if use_p0 else {"reduced"})


def test_sbba_loses_at_most_one_deal():
    seen = set()
    for books in many(78):
        cleared = Cleared(books, fc.Sbba(seed=8))
        optimum = cleared.optimum
        assert cleared.surplus == [0] * len(books)
        branches = cleared.clearing.markets["branch"].to_list()
        for number, (k, b, s) in enumerate(cleared.matched()):
            volume = cleared.volume[number]
            if k == 0:
                assert volume == 0
                continue
            sells = k < len(s) and s[k] <= b[k - 1]
            assert volume == (k if sells else k - 1)
            if volume:
                assert cleared.markets["price"][number] == (s[k] if sells else b[k - 1])
                assert branches[number] == ("seller_sets_price" if sells else "buyer_sets_price")
                seen.add(branches[number])
            assert optimum[number] - cleared.welfare[number] <= (0 if sells else b[k - 1] - s[0])
    assert seen == {"seller_sets_price", "buyer_sets_price"}


def test_average_is_efficient_at_the_middle_of_the_last_pair():
    outside = 0
    for books in many(79):
        cleared = Cleared(books, fc.Average())
        assert cleared.welfare == cleared.optimum
        assert cleared.surplus == [0] * len(books)
        for number, (k, b, s) in enumerate(cleared.matched()):
            assert cleared.volume[number] == k
            if k:
                price = Fraction(int(cleared.markets["price"][number]), cleared.den)
                assert price == Fraction(b[k - 1] + s[k - 1], 2)
                low, high = oracles.order_statistics(*cleared.sides[number])
                outside += not low <= price <= high
    assert outside > BOOKS * 0


def test_huang_gives_up_both_marginal_orders():
    positive = 0
    for books in many(80, most=9, shapes=[*SHAPES, (6, 6)]):
        cleared = Cleared(books, fc.Huang())
        assert all(got <= best for got, best in zip(cleared.welfare, cleared.optimum, strict=True))
        for number in range(len(books)):
            buyers, sellers = sweep(books, number)
            if not buyers:
                assert cleared.volume[number] == 0
                continue
            # The last matched order of a side trades nothing and names the price of that side.
            assert cleared.filled[number, buyers[-1]] == cleared.filled[number, sellers[-1]] == 0
            quantity = books.quantity[number]
            volume = min(quantity[buyers[:-1]].sum(), quantity[sellers[:-1]].sum())
            assert cleared.volume[number] == volume
            width = int(books.price[number, buyers[-1]] - books.price[number, sellers[-1]])
            assert cleared.surplus[number] == volume * width >= 0
            for row in range(len(books.buy)):
                at = buyers[-1] if books.buy[row] else sellers[-1]
                sign = 1 if books.buy[row] else -1
                assert cleared.payment[number, row] == sign * books.price[number, at] * cleared.filled[number, row]
            check_burden(cleared.filled[number], quantity, buyers[:-1], sellers[:-1], books, number)
            positive += volume > 0
    assert positive > BOOKS * 300


def sweep(books, number):
    """Rows with a positive match, by side, in merit order."""
    price, quantity = books.price[number], books.quantity[number].copy()

    def rows(buy):
        sign = -1 if buy else 1
        keys = [
            (sign * price[row], books.time[number, row], books.order[number, row], row) for row in range(len(price))
        ]
        return [row for *_, row in sorted(key for key in keys if books.buy[key[-1]] == buy)]

    bids, asks = rows(True), rows(False)
    buyers, sellers = [], []
    for bid in bids:
        for ask in asks:
            lots = min(quantity[bid], quantity[ask])
            if lots and price[bid] >= price[ask]:
                quantity[[bid, ask]] -= lots
                buyers.append(bid)
                sellers.append(ask)
    return list(dict.fromkeys(buyers)), list(dict.fromkeys(sellers))


def check_burden(filled, quantity, buyers, sellers, books, number):
    """The short side trades whole. On the long one whoever trades gives up the same, but for a lot of the later."""
    sides = [buyers, sellers]
    totals = [quantity[side].sum() for side in sides]
    if not all(totals):
        return
    short, long = sides if totals[0] <= totals[1] else sides[::-1]
    assert (filled[short] == quantity[short]).all()
    share = level([int(lots) for lots in quantity[long]], abs(int(totals[0] - totals[1])))
    # Whoever has less than the share gives all it has; the others give the share, by time and id the later ones rounded
    # up and the earlier ones down.
    ranked = sorted(long, key=lambda row: (books.time[number, row], books.order[number, row]))
    given = [int(quantity[row] - filled[row]) for row in ranked if quantity[row] >= share]
    assert all(filled[row] == 0 for row in ranked if quantity[row] < share)
    assert set(given) <= {floor(share), ceil(share)}
    assert given == sorted(given)


def level(quantities, burden):
    """The share s at which the sum of min(quantity, s) is the burden."""
    done = 0
    for active, quantity in zip(range(len(quantities), 0, -1), sorted(quantities), strict=True):
        if done + active * quantity >= burden:
            return Fraction(burden - done, active)
        done += quantity
    raise AssertionError("the burden is more than there is")


# ---- MUDA --------------------------------------------------------------------------------------------------


PARTITIONS = {
    4: [[0, 2], [0, 3], [1, 2], [0, 1, 2]],
    6: [[0, 3], [0, 1, 3, 4], [2, 4, 5]],
    8: [[0, 1, 4, 5], [0, 3, 5]],
}


def muda_cases(seed, orders, most):
    for agents, partitions in PARTITIONS.items():
        for partition in partitions:
            yield partition, draw(seed, count(PER_SHAPE), agents // 2, agents // 2, orders=orders, most=most)


def half_price(books, number, members):
    """Middle of the interval of section a among the half's orders, doubled; None if a side of it is empty."""
    rows = [row for row, agent in enumerate(books.participant) if agent in members]
    part = replace(books, buy=books.buy[rows], price=books.price[:, rows], quantity=books.quantity[:, rows])
    bids, asks = part.sides(number)
    if not bids or not asks:
        return None
    if max(bids)[0] >= min(asks)[0]:
        return sum(oracles.order_statistics(bids, asks))
    return max(bids)[0] + min(asks)[0]


def willing_units(books, number, members, price2, buy):
    """(|value - price| doubled, agent) of every unit willing at price2 / 2, best first; ties by time and id."""
    sign = 1 if buy else -1
    units = []
    for row, agent in enumerate(books.participant.tolist()):
        gain = sign * (2 * int(books.price[number, row]) - price2)
        if agent in members and books.buy[row] == buy and gain > 0:
            key = (-gain, int(books.time[number, row]), int(books.order[number, row]))
            units += [(key, gain, agent)] * int(books.quantity[number, row])
    return [(gain, agent) for _, gain, agent in sorted(units)]


@pytest.mark.parametrize(("orders", "most"), [(1, 1), (1, 5), (2, 4)])
def test_muda_vickrey_counted_unit_by_unit(orders, most):
    paid_fees = 0
    for partition, books in muda_cases(81, orders, most):
        cleared = Cleared(books, fc.Muda("vickrey", partition=partition))
        optimum = cleared.optimum
        halves = [[a for a in books.agents if a in partition], [a for a in books.agents if a not in partition]]
        for number in range(len(books)):
            assert cleared.welfare[number] <= optimum[number]
            prices = [half_price(books, number, half) for half in halves]
            check_half_prices(cleared, number, prices)
            lots = dict.fromkeys(books.agents, 0)
            money = dict.fromkeys(books.agents, 0)
            fees = 0
            for half, price2 in zip(halves, prices[::-1], strict=True):
                if price2 is None:
                    continue
                units = [willing_units(books, number, half, price2, buy) for buy in (True, False)]
                traded = min(map(len, units))
                for sign, side in zip((1, -1), units, strict=True):
                    for _, agent in side[:traded]:
                        lots[agent] += 1
                        money[agent] += sign * price2
                    for agent in {agent for _, agent in side[:traded]}:
                        won = sum(winner == agent for _, winner in side[:traded])
                        fee = sum([gain for gain, other in side[traded:] if other != agent][:won])
                        money[agent] += fee
                        fees += fee
            for agent in books.agents:
                rows = books.rows(agent)
                assert cleared.filled[number, rows].sum() == lots[agent]
                assert 2 * cleared.payment[number, rows].sum() == cleared.den * money[agent]
            assert 2 * cleared.surplus[number] == cleared.den * fees
            paid_fees += fees > 0
    assert paid_fees > BOOKS * 20


def check_half_prices(cleared, number, prices):
    for name, price2 in zip(("price_left", "price_right"), prices, strict=True):
        got = cleared.clearing.markets[name][number]
        assert (None if got is None else 2 * got) == (None if price2 is None else cleared.den * price2)


@pytest.mark.parametrize(("orders", "most"), [(1, 1), (1, 5), (2, 4)])
def test_muda_lottery_balances_and_fills_the_short_side(orders, most):
    traded = 0
    for partition, books in muda_cases(82, orders, most):
        cleared = Cleared(books, fc.Muda("lottery", seed=4, partition=partition))
        assert cleared.surplus == [0] * len(books)
        optimum = cleared.optimum
        halves = [[a for a in books.agents if a in partition], [a for a in books.agents if a not in partition]]
        for number in range(len(books)):
            assert cleared.welfare[number] <= optimum[number]
            prices = [half_price(books, number, half) for half in halves]
            check_half_prices(cleared, number, prices)
            for half, price2 in zip(halves, prices[::-1], strict=True):
                rows = np.flatnonzero(np.isin(books.participant, half))
                filled, buy = cleared.filled[number, rows], books.buy[rows]
                if price2 is None:
                    assert (filled == 0).all()
                    continue
                willing = [len(willing_units(books, number, half, price2, side)) for side in (True, False)]
                assert filled[buy].sum() == filled[~buy].sum() == min(willing)
                sign = np.where(buy, 1, -1)
                assert (2 * cleared.payment[number, rows] == cleared.den * price2 * sign * filled).all()
                traded += min(willing) > 0
    assert traded > BOOKS * 100


def test_muda_throws_a_fair_coin_for_every_agent():
    books = draw(83, count(4_000), 3, 3)
    cleared = Cleared(books, fc.Muda("lottery", seed=6))
    # A half without both sides has no price: of the 64 partitions of 3 + 3 agents, 49 leave both sides in the left.
    left = np.array([price is not None for price in cleared.clearing.markets["price_left"]])
    right = np.array([price is not None for price in cleared.clearing.markets["price_right"]])
    for half in (left, right):
        assert abs(half.mean() - 49 / 64) < 5 * np.sqrt(49 * 15) / 64 / np.sqrt(len(books))
    assert abs((left & right).mean() - 36 / 64) < 5 * np.sqrt(36 * 28) / 64 / np.sqrt(len(books))


# ---- rounds ------------------------------------------------------------------------------------------------


def test_multi_round_trades_no_more_than_the_largest_flow():
    more = 0
    for books in many(84, most=6):
        start = np.where(books.buy, books.price // 2, (books.price + TOP + 1) // 2)[:, None, :]
        cleared = Cleared(books, fc.MultiRound(buyer_step=3, seller_step=4, max_rounds=50), start_price=start)
        assert cleared.surplus == [0] * len(books)
        check_pairs(cleared)
        largest = oracles.max_volume_of_many(cleared.sides)
        assert all(q <= m for q, m in zip(cleared.volume, largest, strict=True))
        # With rounds enough, whoever is left could not trade.
        left = books.quantity - cleared.filled
        bids = np.where(books.buy & (left > 0), books.price, -1).max(axis=1)
        asks = np.where(~books.buy & (left > 0), books.price, TOP + 1).min(axis=1)
        assert (bids < asks).all()
        crossing = Cleared(books, fc.Uniform()).volume
        more += sum(q > c for q, c in zip(cleared.volume, crossing, strict=True))
        assert (cleared.clearing.markets["rounds"].to_numpy() <= 50).all()
    assert more > 0 or BOOKS < 1


# ---- lotteries -----------------------------------------------------------------------------------------


def drawn(mechanism, *rows, draws=6_000):
    """Fills of many copies of one book, a market of one call each: (draw, order)."""
    one = lies.book(*rows)
    price = np.repeat(one.price[:, None, :], draws, axis=1)
    return fc.clear(lies.columns(one, price, np.repeat(one.quantity[:, None, :], draws, axis=1)), mechanism)


def assert_even(counts, of):
    """Every one of `of` outcomes as often as any other, within five standard deviations."""
    draws = sum(counts.values())
    assert len(counts) == of
    bound = 5 * np.sqrt(draws * (1 / of) * (1 - 1 / of))
    assert max(abs(count - draws / of) for count in counts.values()) < bound


def test_rationing_by_lot_is_fair():
    rows = [("buy", 9, 2)] * 4 + [("sell", 1, 3)]
    filled = drawn(fc.Uniform(rationing="lottery", seed=1), *rows).filled.reshape(-1, 5)[:, :4]
    # One is served first, one second and in part.
    assert_even(Counter(map(tuple, filled.tolist())), 12)


def test_random_matching_is_fair():
    rows = [("buy", 50 + i, 1) for i in range(3)] + [("sell", i, 1) for i in range(3)]
    trades = drawn(fc.RandomMatching(seed=1), *rows).trade_columns
    pairs = np.stack([trades["buy_row"] % 6, trades["sell_row"] % 6], axis=1).reshape(-1, 3, 2)
    assert_even(Counter(tuple(sorted(map(tuple, draw))) for draw in pairs.tolist()), 6)


def test_muda_lottery_is_fair():
    # Left: four buyers of two lots for the one seller of three. Right makes the price.
    rows = [("buy", 50 + i, 2) for i in range(4)] + [("sell", 0, 3), ("buy", 30, 1), ("sell", 20, 1)]
    filled = drawn(fc.Muda("lottery", seed=1, partition=[0, 1, 2, 3, 4]), *rows).filled.reshape(-1, 7)[:, :4]
    assert_even(Counter(map(tuple, filled.tolist())), 12)


# ---- what every auction must survive -----------------------------------------------------------------------


UNIT = [fc.TradeReduction, lambda: fc.Sbba(seed=1), fc.Average, lambda: fc.TradeReduction(use_p0=False)]
SINGLE = [fc.Huang]
ANY = [
    fc.Uniform,
    fc.Discriminatory,
    fc.MaximalVolume,
    lambda: fc.MaximalVolume(pairing="descending"),
    lambda: fc.RandomMatching(seed=1),
    fc.Vickrey,
    lambda: fc.Muda("lottery", seed=1),
    lambda: fc.Muda("vickrey", seed=1),
    lambda: fc.Uniform(rationing="lottery", seed=1),
    lambda: fc.Uniform(price_rule="last_pair_midpoint", price_round=None),
]
CASES = [(make, 1, 1) for make in UNIT] + [(make, 1, 7) for make in SINGLE] + [(make, 2, 5) for make in ANY]


@pytest.mark.parametrize(
    ("make", "orders", "most"), CASES, ids=lambda value: repr(value()) if callable(value) else None
)
@pytest.mark.parametrize("shift", [-1_000_000, -61, 1])
def test_all_prices_shifted_together(make, orders, most, shift):
    for books in many(85, orders=orders, most=most, shapes=[(1, 1), (3, 3), (6, 5)], per_shape=40):
        rule = make()
        before = Cleared(books, rule)
        after = Cleared(replace(books, price=books.price + shift), rule)
        assert (after.filled == before.filled).all()
        assert after.den == before.den
        sign = np.where(books.buy, 1, -1)
        assert (after.payment == before.payment + before.den * shift * sign * before.filled).all()
        assert after.welfare == before.welfare
        assert after.surplus == before.surplus


MIRRORED = [
    (fc.Vickrey, 2, 5),
    (fc.TradeReduction, 1, 1),
    (lambda: fc.TradeReduction(use_p0=False), 1, 1),
    (fc.Average, 1, 1),
    (fc.Huang, 1, 7),
    (lambda: fc.Muda("vickrey", partition=[0, 2, 3]), 2, 5),
    (lambda: fc.Muda("lottery", partition=[0, 2, 3], permutation=[3, 5, 1, 0, 2, 4]), 2, 5),
    (lambda: fc.Uniform(price_rule="last_pair_midpoint", price_round=None), 2, 5),
]


@pytest.mark.parametrize(
    ("make", "orders", "most"), MIRRORED, ids=lambda value: repr(value()) if callable(value) else None
)
def test_swapped_sides_with_negated_prices_mirror_the_market(make, orders, most):
    for books in many(86, orders=orders, most=most, shapes=[(3, 3)], per_shape=200):
        before = Cleared(books, make())
        after = Cleared(replace(books, buy=~books.buy, price=-books.price), make())
        assert (after.filled == before.filled).all()
        assert after.surplus == before.surplus
        # By agent: the odd unit of a sum split over an agent's orders goes by the sign of the sum.
        for agent in books.agents:
            rows = books.rows(agent)
            assert (after.payment[:, rows].sum(axis=1) == before.payment[:, rows].sum(axis=1)).all()


@pytest.mark.parametrize(
    ("make", "orders", "most"), CASES, ids=lambda value: repr(value()) if callable(value) else None
)
def test_shuffled_rows_change_nothing(make, orders, most):
    for books in many(87, orders=orders, most=most, shapes=[(3, 3), (6, 5)], per_shape=60):
        before = Cleared(books, make())
        size = len(books.buy)
        for seed in range(3):
            shuffle = np.random.default_rng(seed).permutation(size)
            columns = (books.price, books.quantity, books.order, books.time)
            moved = lies.Books(
                books.buy[shuffle], books.participant[shuffle], *(column[:, shuffle] for column in columns)
            )
            after = Cleared(moved, make())
            assert (after.filled == before.filled[:, shuffle]).all()
            assert (after.payment == before.payment[:, shuffle]).all()
            assert after.volume == before.volume


# ---- the table ---------------------------------------------------------------------------------------------


def multi_round():
    return fc.MultiRound(buyer_step=3, seller_step=4, max_rounds=50)


# Mechanism, orders an agent, lots an order; what `fc.mechanisms()` says of budget and welfare before the semicolon.
CLAIMS = {
    "Uniform": (fc.Uniform, 2, 5, "balanced", "optimal"),
    "Discriminatory": (fc.Discriminatory, 2, 5, "balanced", "optimal"),
    "MaximalVolume": (fc.MaximalVolume, 2, 5, "balanced", "lower"),
    "RandomMatching": (lambda: fc.RandomMatching(seed=2), 2, 5, "balanced", "random"),
    "Vickrey": (fc.Vickrey, 2, 5, "deficit", "optimal"),
    "TradeReduction": (fc.TradeReduction, 1, 1, "surplus", "one pair lost"),
    "Huang": (fc.Huang, 1, 7, "surplus", "margin lost"),
    "Sbba": (lambda: fc.Sbba(seed=2), 1, 1, "balanced", "one deal lost"),
    "Muda, lottery": (lambda: fc.Muda("lottery", seed=2), 2, 5, "balanced", "asymptotic"),
    "Muda, vickrey": (lambda: fc.Muda("vickrey", seed=2), 2, 5, "surplus", "asymptotic"),
    "Average": (fc.Average, 1, 1, "balanced", "optimal"),
    "MultiRound": (multi_round, 1, 5, "balanced", "path dependent"),
}


@pytest.mark.parametrize("name", CLAIMS)
def test_budget_and_welfare_are_as_the_table_claims(name):
    make, orders, most, budget, welfare = CLAIMS[name]
    surpluses, losses = set(), set()
    for books in many(88, orders=orders, most=most):
        start = np.where(books.buy, 0, TOP)[None, None, :]
        cleared = Cleared(books, make(), **({"start_price": start} if name == "MultiRound" else {}))
        surpluses |= {(money > 0) - (money < 0) for money in cleared.surplus}
        losses |= {best > got for best, got in zip(cleared.optimum, cleared.welfare, strict=True)}
        assert all(best >= got >= 0 for best, got in zip(cleared.optimum, cleared.welfare, strict=True))
    # Each claim is met, and none says less than what is so.
    assert surpluses == {"balanced": {0}, "surplus": {0, 1}, "deficit": {0, -1}}[budget]
    assert losses == ({False} if welfare == "optimal" else {False, True})


def test_muda_approaches_the_optimum_as_the_market_grows():
    # Of distinct prices: where a share of all orders has one price, who is drawn at it can cost a share of the welfare.
    means = []
    for agents in (5, 20, 80, 320):
        books = draw(89, count(30), agents, agents, most=10, top=1_000, distinct=True)
        for variant in ("lottery", "vickrey"):
            cleared = Cleared(books, fc.Muda(variant, seed=3))
            shares = [got / best for got, best in zip(cleared.welfare, cleared.optimum, strict=True) if best]
            means.append(sum(shares) / len(shares))
    lottery, vickrey = means[::2], means[1::2]
    assert lottery == sorted(lottery)
    assert vickrey == sorted(vickrey)
    assert lottery[-1] > 0.8
    assert vickrey[-1] > 0.9


def test_the_table_claims_what_is_held_here():
    auctions = [row for row in fc.mechanisms().to_dicts() if row["truthfulness"] != "no bids"]
    table = {row["name"]: row for row in auctions if row["name"] != "Blocks"}
    claims = {
        name: tuple(row[column].partition(";")[0] for column in ("budget_balance", "efficiency"))
        for name, row in table.items()
    }
    assert claims == {name: (budget, welfare) for name, (*_, budget, welfare) in CLAIMS.items()}
    # Held by the universal predicates of every batch above.
    assert {row["individual_rationality"].partition(";")[0] for row in table.values()} == {"yes"}
