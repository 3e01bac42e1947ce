"""Invariants of staged matching: every stage is gone through again in plain Python, from the orders and the pairs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fastclear.audit import universal
from fastclear.audit.report import AuditError, AuditReport, broken
from fastclear.audit.state import State

if TYPE_CHECKING:
    from fastclear.preference import PreferenceClearing

STAGED = "stages come in their order within every market, and no order trades more than the stages before have left it"
ADMITTED = "every deal is between two whom its stage may bring together: named and valid, wanted, near enough, not strict"
PRICED = "every deal is at the price of its pair or its stage, and its fee is that of the two zones"
TURNS = "in a stage in turn, bids by price, time and id take all they can of what they like best"
EQUAL = "in equal rounds no bid can get a lot that is spare, or that another has beyond an equal share; caps hold"
AUCTIONED = "in an auction the dearest bids and the cheapest asks trade, and none is left that reaches another"
SURPLUS = "surplus is the network's fees, and nothing without a network"
CHARGED = "the network operator receives fee x quantity of every trade"

CHECKS = (*universal.CHECKS, STAGED, ADMITTED, PRICED, TURNS, EQUAL, AUCTIONED, SURPLUS, CHARGED)


@dataclass(slots=True)
class _Order:
    row: int
    price: int
    left: int
    who: Any
    zone: Any
    turn: tuple[int, int, int]
    source: Any = None
    wants: frozenset[Any] = frozenset()
    strict: bool = False
    essential: bool = False
    reach: int | None = None
    quality: Any = None


@dataclass(slots=True)
class _Pair:
    rank: int
    cap_price: int
    cap_quantity: int
    share: int
    price: int


@dataclass(slots=True)
class _Deal:
    buy: int
    sell: int
    lots: int
    price: int
    fee: int


def check_preference(clearing: PreferenceClearing) -> AuditReport:
    """Check every invariant of a clearing by ``Preference``; see :meth:`PreferenceClearing.audit`."""
    if not len(clearing.market_columns["market"]):
        return AuditReport((universal.QUANTITIES,), clearing.orders.n, 0, 0)
    state = State(clearing)
    universal.check(state)
    books = _Books(clearing, state)
    for market in range(len(state.columns["market"])):
        _Market(books, market).check()
    fees = state.sums(clearing.deals.fee * clearing.deals.quantity, state.trade_index)
    wrong = np.flatnonzero(np.asarray(fees != state.columns["surplus"], bool))
    if len(wrong):
        raise broken(SURPLUS, f"market {state.market(int(wrong[0]))}: surplus {state.columns['surplus'][wrong[0]]}")
    if clearing.network is not None:
        trades = clearing.trade_columns
        due = sum(
            books.fee(int(b), int(s), everything=True) * int(q)
            for b, s, q in zip(trades["buy_row"], trades["sell_row"], trades["quantity"], strict=True)
        )
        if clearing.network.wires is None and due != clearing.network_revenue:
            raise broken(CHARGED, f"{clearing.network_revenue}, due {due}")
    return AuditReport(CHECKS, clearing.orders.n, len(state.columns["market"]), len(clearing.deals.quantity))


class _Books:
    """Everything that was given, as Python values."""

    def __init__(self, clearing: PreferenceClearing, state: State) -> None:
        self.clearing = clearing
        self.mechanism: Any = clearing.mechanism
        self.state = state
        orders, self.extras = clearing.orders, clearing.preference_orders.extras
        n = orders.n
        self.ids = state.ids.tolist()
        self.times = [0] * n if orders.time is None else orders.time.tolist()
        if orders.participant is None:
            self.who: list[Any] = [("row", row) for row in range(n)]
        else:
            self.who = orders.names("participant", orders.participant).to_list()
        self.zones = self.extras["zone"].to_list() if "zone" in self.extras else None
        self.columns = {name: column.to_list() for name, column in self.extras.items()}
        self.limits = state.limit.tolist()
        self.by_market: dict[int, list[int]] = defaultdict(list)
        for row in np.flatnonzero(state.accepted).tolist():
            self.by_market[int(state.index[row])].append(row)
        deals = clearing.deals
        self.deals: dict[int, list[tuple[int, _Deal]]] = defaultdict(list)
        for market, stage, *deal in zip(
            state.trade_index.tolist(),
            deals.stage.tolist(),
            deals.buy_row.tolist(),
            deals.sell_row.tolist(),
            deals.quantity.tolist(),
            deals.price.tolist(),
            deals.fee.tolist(),
            strict=True,
        ):
            self.deals[market].append((stage, _Deal(*deal)))
        self.named = [self._named(stage) for stage in self.mechanism.stages]

    def _named(self, stage: Any) -> dict[Any, list[tuple[Any, int, int, _Pair]]]:
        """Rows of pairs by buyer."""
        named: dict[Any, list[tuple[Any, int, int, _Pair]]] = defaultdict(list)
        if not hasattr(stage, "pairs"):
            return named
        accepts = getattr(stage, "accepts", None)
        others: dict[Any, list[Any]] = defaultdict(list)
        if accepts is not None:
            for row in accepts.frame.iter_rows(named=True):
                others[row["buyer"], row["source"]].append(row)
        for row in stage.pairs.frame.iter_rows(named=True):
            terms = [row] if accepts is None else others[row["buyer"], row["source"]]
            for other in terms:
                begin = max(row["valid_from"], other["valid_from"])
                end = min(row["valid_to"], other["valid_to"])
                most = min(row["cap_quantity"], other["cap_quantity"])
                share = min(row["share_ppm"], other["share_ppm"])
                pair = _Pair(row["rank"], row["cap_price"], most, share, row["price"])
                if begin < end:
                    named[row["buyer"]].append((row["source"], begin, end, pair))
        return named

    def fee(self, buy: int, sell: int, *, everything: bool = False) -> int:
        """Fee between two orders, from the parameters of the network."""
        network = self.clearing.network
        if network is None or not (network.inside or everything):
            return 0
        zones = (None, None) if self.zones is None else (self.zones[buy], self.zones[sell])
        if zones in network.fees:
            return int(network.fees[zones])
        same = self.zones is None or (zones[0] is not None and zones[0] == zones[1])
        return int(network.local if same and network.local is not None else network.between)

    def distance(self, buy: int, sell: int) -> int:
        """Distance between two orders."""
        zones = (None, None) if self.zones is None else (self.zones[buy], self.zones[sell])
        table = self.mechanism.distances
        if table is None:
            return int(self.zones is not None and (zones[0] is None or zones[0] != zones[1]))
        return int(table.get(zones, table.get((zones[1], zones[0]), 0)))


class _Market:
    """One market gone through again."""

    def __init__(self, books: _Books, market: int) -> None:
        self.books = books
        self.name = books.state.market(market)
        rows = books.by_market.get(market, [])
        columns = books.columns
        self.orders: dict[int, _Order] = {}
        for row in rows:
            wants = columns["wants"][row] if "wants" in columns else None
            self.orders[row] = _Order(
                row,
                books.limits[row],
                int(books.state.quantity[row]),
                books.who[row],
                None if books.zones is None else books.zones[row],
                (books.times[row], books.ids[row], row),
                columns["source"][row] if "source" in columns else None,
                frozenset(wants or ()),
                bool(columns["strict"][row]) if "strict" in columns else False,
                bool(columns["essential"][row]) if "essential" in columns else False,
                columns["max_distance"][row] if "max_distance" in columns else None,
                columns["quality"][row] if "quality" in columns else None,
            )
        is_bid = books.state.is_bid
        self.bids = [order for row, order in self.orders.items() if is_bid[row]]
        self.asks = sorted((o for row, o in self.orders.items() if not is_bid[row]), key=lambda o: (o.price, o.turn))
        self.bids.sort(key=lambda bid: (-bid.price, bid.turn))
        self.slot = min((columns["slot"][row] for row in rows), default=0) if "slot" in columns else 0
        self.deals = books.deals.get(market, [])
        self.begun = {ask.row: ask.left for ask in self.asks}

    def fail(self, check: str, where: str) -> AuditError:
        return broken(check, f"market {self.name!r}: {where}")

    def check(self) -> None:
        """Go through the stages."""
        stages = self.books.mechanism.stages
        places = [place for place, _ in self.deals]
        if places != sorted(places):
            raise self.fail(STAGED, "a later stage's deal stands before an earlier one's")
        matched = False
        for place, stage in enumerate(stages):
            made = [deal for at, deal in self.deals if at == place]
            kind = type(stage).__name__
            auction = kind in ("Auction", "Qualities")
            if auction or not matched:  # parts of what a source asks are taken of what it has as matching begins
                self.begun = {ask.row: ask.left for ask in self.asks}
            matched = not auction
            if kind == "Auction":
                self._auction(stage.mechanism, made, self._free(self.bids), self.asks)
            elif kind == "Qualities":
                self._qualities(stage, made)
            elif getattr(stage, "share", "in_turn") == "equal":
                self._equal(place, stage, made)
            else:
                self._in_turn(place, stage, made)

    def _take(self, deal: _Deal) -> None:
        buy, sell = self.orders[deal.buy], self.orders[deal.sell]
        buy.left -= deal.lots
        sell.left -= deal.lots
        if deal.lots < 1 or buy.left < 0 or sell.left < 0:
            raise self.fail(STAGED, f"rows {deal.buy} and {deal.sell}: {deal.lots} lots, more than there were")

    # -- who may meet whom -------------------------------------------------------------------------------------

    def _served(self, stage: Any) -> list[_Order]:
        kind = type(stage).__name__
        if kind == "Essential":
            return sorted((bid for bid in self.bids if bid.essential), key=lambda bid: bid.turn)
        return [bid for bid in self.bids if not bid.essential and not (kind == "Community" and bid.strict)]

    def _links(self, place: int, stage: Any, bid: _Order) -> Iterator[tuple[_Pair | None, _Order]]:
        if hasattr(stage, "pairs"):
            for source, begin, end, pair in self.books.named[place].get(bid.who, []):
                if begin <= self.slot < end:
                    yield from ((pair, ask) for ask in self.asks if ask.who == source)
        else:
            wanted = type(stage).__name__ == "PreferredTypes"
            yield from ((None, ask) for ask in self.asks if not wanted or ask.source in bid.wants)

    def _terms(self, stage: Any, pair: _Pair | None, bid: _Order, ask: _Order) -> tuple[int, int] | None:
        """Price and fee, or None where the two may not deal."""
        fee = self.books.fee(bid.row, ask.row)
        far = bid.reach is not None and self.books.distance(bid.row, ask.row) > bid.reach
        top = (bid.price if pair is None else min(bid.price, pair.cap_price)) - fee
        if bid.who == ask.who or far or ask.price > top:
            return None
        if hasattr(stage, "rate"):
            price = stage.rate
        elif pair is not None and pair.price != -(2**63):
            price = pair.price
        elif stage.rule == "earlier":
            price = top if bid.turn < ask.turn else ask.price
        else:
            k = {"bid": 1, "ask": 0}.get(stage.rule, stage.k)
            price = ask.price + k * (top - ask.price) // 1
        return (int(price), fee) if ask.price <= price <= top else None

    def _most(self, pair: _Pair | None, ask: _Order) -> int:
        if pair is None:
            return 2**63
        total = sum(self.begun[other.row] for other in self.asks if other.who == ask.who)
        part = 2**63 if pair.share == 1_000_000 else total * pair.share // 1_000_000
        return min(pair.cap_quantity, part)

    # -- in turn -----------------------------------------------------------------------------------------------

    def _in_turn(self, place: int, stage: Any, made: list[_Deal]) -> None:
        due: list[_Deal] = []
        nearest = getattr(stage, "first", "price") == "distance"
        for bid in self._served(stage):
            if not bid.left:
                continue
            line = []
            for number, (pair, ask) in enumerate(self._links(place, stage, bid)):
                terms = self._terms(stage, pair, bid, ask)
                if terms is None:
                    continue
                cost, far = ask.price + terms[1], self.books.distance(bid.row, ask.row)
                liked = (ask.price, 0) if pair is not None else (far, cost) if nearest else (cost, far)
                line.append(((0 if pair is None else pair.rank, liked, ask.turn, number), pair, ask, terms))
            taken: dict[int, int] = defaultdict(int)
            for _, pair, ask, (price, fee) in sorted(line, key=lambda link: link[0]):
                lots = min(bid.left, ask.left, self._most(pair, ask) - taken[id(pair)])
                if lots > 0:
                    taken[id(pair)] += lots
                    due.append(_Deal(bid.row, ask.row, lots, price, fee))
                    self._take(due[-1])
        for expected, deal in zip(due, made, strict=False):
            if expected != deal:
                same = (expected.buy, expected.sell, expected.lots) == (deal.buy, deal.sell, deal.lots)
                raise self.fail(PRICED if same else TURNS, f"stage {place}: {deal}, due {expected}")
        if len(due) != len(made):
            raise self.fail(TURNS, f"stage {place}: {len(made)} deals, due {len(due)}")

    # -- equal rounds ------------------------------------------------------------------------------------------

    def _equal(self, place: int, stage: Any, made: list[_Deal]) -> None:
        served = {bid.row: turn for turn, bid in enumerate(self._served(stage))}
        links: dict[tuple[int, int], tuple[_Pair | None, tuple[int, int]]] = {}
        for row in served:
            bid = self.orders[row]
            for pair, ask in self._links(place, stage, bid):
                terms = self._terms(stage, pair, bid, ask)
                if terms is not None:
                    links[row, ask.row] = (pair, terms)
        rank_of = {key: 0 if pair is None else pair.rank for key, (pair, _) in links.items()}
        for deal in made:
            key = (deal.buy, deal.sell)
            if key not in links:
                raise self.fail(ADMITTED, f"stage {place}: rows {deal.buy} and {deal.sell}")
            if links[key][1] != (deal.price, deal.fee):
                raise self.fail(PRICED, f"stage {place}: {deal}, due {links[key][1]}")
        order = [rank_of[deal.buy, deal.sell] for deal in made]
        if order != sorted(order):
            raise self.fail(EQUAL, f"stage {place}: a later rank's deal stands before an earlier one's")
        for rank in sorted(set(rank_of.values())):
            mine = {key: pair for key, (pair, _) in links.items() if rank_of[key] == rank}
            self._equal_rank(place, mine, [deal for deal in made if rank_of[deal.buy, deal.sell] == rank], served)

    def _equal_rank(
        self, place: int, links: dict[tuple[int, int], _Pair | None], made: list[_Deal], served: dict[int, int]
    ) -> None:
        needs = {row: self.orders[row].left for row in served}
        open_asks = {ask.row for ask in self.asks if ask.left}
        links = {key: pair for key, pair in links.items() if needs[key[0]] and key[1] in open_asks}
        given: dict[int, int] = defaultdict(int)
        carried: dict[tuple[int, int], int] = defaultdict(int)
        used: dict[tuple[int, int], int] = defaultdict(int)  # lots of a bid by way of a source
        for deal in made:
            if (deal.buy, deal.sell) not in links:
                raise self.fail(ADMITTED, f"stage {place}: rows {deal.buy} and {deal.sell} had nothing left")
            self._take(deal)
            given[deal.buy] += deal.lots
            carried[deal.buy, deal.sell] += deal.lots
            used[deal.buy, id(links[deal.buy, deal.sell])] += deal.lots
        rooms = {}
        for (buy, sell), pair in links.items():
            rooms[buy, id(pair)] = self._most(pair, self.orders[sell]) - used[buy, id(pair)]
        if min(rooms.values(), default=0) < 0:
            raise self.fail(EQUAL, f"stage {place}: a bid took more from a source than its cap")
        at_bid: dict[int, list[int]] = defaultdict(list)
        at_ask: dict[int, list[int]] = defaultdict(list)
        for buy, sell in links:
            at_bid[buy].append(sell)
            at_ask[sell].append(buy)
        for row, turn in served.items():
            if self.orders[row].left:
                self._no_more(place, row, turn, served, links, given, carried, rooms, at_bid, at_ask)

    def _no_more(
        self,
        place: int,
        row: int,
        turn: int,
        served: dict[int, int],
        links: dict[tuple[int, int], _Pair | None],
        given: dict[int, int],
        carried: dict[tuple[int, int], int],
        rooms: dict[tuple[int, int], int],
        at_bid: dict[int, list[int]],
        at_ask: dict[int, list[int]],
    ) -> None:
        """Whether a bid that is short could have a lot more, if others gave way."""
        seen: set[int] = set()
        line = [sell for sell in at_bid[row] if rooms[row, id(links[row, sell])] > 0]
        while line:
            sell = line.pop()
            if sell in seen:
                continue
            seen.add(sell)
            if self.orders[sell].left:
                raise self.fail(EQUAL, f"stage {place}: row {row} is short and row {sell} has lots left for it")
            for other in at_ask[sell]:
                if other == row or not carried[other, sell]:
                    continue
                ahead = given[other] - given[row]
                if ahead > 1 or (ahead == 1 and served[other] > turn):
                    raise self.fail(
                        EQUAL, f"stage {place}: row {other} has {given[other]}, row {row} {given[row]} and could have more"
                    )
                way = id(links[other, sell])
                line += [
                    next_one
                    for next_one in at_bid[other]
                    if rooms[other, id(links[other, next_one])] > 0 or id(links[other, next_one]) == way
                ]

    # -- auctions ----------------------------------------------------------------------------------------------

    def _free(self, bids: list[_Order]) -> list[_Order]:
        return [bid for bid in bids if not (bid.strict or bid.essential)]

    def _qualities(self, stage: Any, made: list[_Deal]) -> None:
        levels = list(enumerate(stage.classes))
        for level, name in levels if stage.order != "low_to_high" else reversed(levels):
            good = {name} if stage.order == "separate" else set(stage.classes[: level + 1])
            bids = [bid for bid in self._free(self.bids) if bid.quality == name]
            mine = [deal for deal in made if self.orders[deal.buy].quality == name]
            self._auction(stage.mechanism, mine, bids, [ask for ask in self.asks if ask.quality in good])

    def _auction(self, mechanism: Any, made: list[_Deal], bids: list[_Order], asks: list[_Order]) -> None:
        allowed = ({bid.row for bid in bids}, {ask.row for ask in asks})
        bids, asks = ([order for order in side if order.left] for side in (bids, asks))
        before = {order.row: order.left for order in bids + asks}
        fee = int(mechanism.fee) + (self.books.fee(bids[0].row, asks[0].row) if bids and asks else 0)
        for deal in made:
            if deal.buy not in allowed[0] or deal.sell not in allowed[1]:
                raise self.fail(ADMITTED, f"rows {deal.buy} and {deal.sell} took no part in this auction")
            if deal.fee != fee:
                raise self.fail(PRICED, f"{deal}: the fee is {fee}")
            self._take(deal)
        uniform = type(mechanism).__name__ == "Uniform"
        if uniform and len({deal.price for deal in made}) > 1:
            raise self.fail(AUCTIONED, f"a uniform price, and deals at {sorted({deal.price for deal in made})}")
        caps = (mechanism.cap_low, mechanism.cap_high, mechanism.reserve)
        if any(limit is not None for limit in caps) or getattr(mechanism, "whole_levels", False):
            return  # which send orders away: what they were is not looked at here
        for side, sign in ((bids, 1), (asks, -1)):
            served = [sign * order.price for order in side if order.left < before[order.row]]
            short = [sign * order.price for order in side if order.left]
            if served and short and max(short) > min(served):
                raise self.fail(AUCTIONED, "an order is served while a better one on its side is short")
        bid = max((order.price - fee for order in bids if order.left), default=None)
        ask = min((order.price for order in asks if order.left), default=None)
        least = 0 if getattr(mechanism, "zero_surplus", True) else 1
        if bid is not None and ask is not None and bid - ask >= least:
            raise self.fail(AUCTIONED, f"a bid at {bid} after fees and an ask at {ask} are left")
