"""The invariants of a clearing with blocks, recomputed from orders and result, sharing no code with the clearing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from fastclear.audit.double_auction import ration
from fastclear.audit.report import AuditError, AuditReport, broken

if TYPE_CHECKING:
    from fastclear.auction.blocks import BlockClearing

CHECKS: Final = (
    "no order is filled beyond its quantity, no refused order at all, and a block's rows are refused together",
    "in every market what is bought is what is sold, and is the reported volume",
    "blocks are all or none, children come with their parents, and of an exclusive group at most one is accepted",
    "trades add up to fills, order by order, each in one market: blocks first, then best bid with cheapest ask",
    "one price a market; payments are price x fill, and what buyers pay is what sellers receive",
    "every price is in its interval, and the interval is that of the hourly orders around the blocks",
    "no hourly order buys above its bid or sells below its ask",
    "no accepted block loses, together with its accepted descendants: none is paradoxically accepted",
    "price priority among hourly orders, and no hourly bid is left that reaches an ask that is left",
    "hourly orders of the marginal price share what is left by the rule of the mechanism",
    "welfare is bids x fills - asks x fills, over hourly orders and blocks",
    "the frame of blocks says so: accepted, surplus, family surplus, paradoxical, parent, exclusive",
    "prices are interval midpoints (rounded down) wherever no accepted block loses at them",
)


def check_blocks(clearing: BlockClearing) -> AuditReport:
    """Check every invariant of a clearing with blocks; see :meth:`BlockClearing.audit`."""
    markets = _markets(clearing)
    state = _State(clearing, markets)
    _fills(state)
    _links(state)
    _trades(state)
    for market in range(len(markets)):
        _hour(state, market)
    _no_loss(state)
    _frame(state)
    _midpoints(state)
    return AuditReport(CHECKS, clearing.orders.n, len(markets), len(clearing.trade_columns["quantity"]))


def _markets(clearing: BlockClearing) -> list[int]:
    ids = [int(market) for market in clearing.market_columns["market"]]
    if ids != sorted(set(ids)):
        raise _fail(1, "market ids do not ascend")
    return ids


def _fail(check: int, where: str) -> AuditError:
    return broken(CHECKS[check], where)


class _State:
    """Plain lists of what was asked and what came out."""

    def __init__(self, clearing: BlockClearing, markets: list[int]) -> None:
        orders, n = clearing.orders, clearing.orders.n
        self.clearing = clearing
        self.n = n
        place = {market: i for i, market in enumerate(markets)}
        self.market = [0] * n if orders.market is None else [place.get(int(m), 0) for m in orders.market]
        self.buys = [bool(side == 1) for side in orders.side]
        self.quantity = [int(lots) for lots in orders.quantity]
        self.reject = [int(code) for code in clearing.reject]
        self.filled = [int(lots) for lots in clearing.filled]
        self.payment = [int(money) for money in clearing.payment]
        self.ids = list(range(n)) if orders.order is None else [int(i) for i in orders.order]
        self.time = [0] * n if orders.time is None else [int(t) for t in orders.time]
        self.columns = {name: [int(x) for x in column] for name, column in clearing.market_columns.items()}
        self.trades = {name: [int(x) for x in column] for name, column in clearing.trade_columns.items()}
        at_market = [False] * n if orders.is_market_order is None else [bool(k) for k in orders.is_market_order]
        self.limits: list[list[int]] = [[] for _ in markets]
        for row in range(n):
            if not self.reject[row] and not at_market[row]:
                self.limits[self.market[row]].append(int(orders.price[row]))
        self.limit = [
            int(orders.price[row])
            if not at_market[row] or self.reject[row]
            else (max if self.buys[row] else min)(self.limits[self.market[row]])
            for row in range(n)
        ]
        given = clearing.block_orders
        self.blocks: dict[int, list[int]] = {}
        self.block = [int(rank) for rank in given.block]
        for row in range(n):
            if self.block[row] >= 0 and not self.reject[row]:
                self.blocks.setdefault(self.block[row], []).append(row)
        self.parent = {rank: int(given.parent[rows[0]]) for rank, rows in self.blocks.items()}
        self.group = {rank: int(given.exclusive[rows[0]]) for rank, rows in self.blocks.items()}
        self.accepted = {rank for rank, rows in self.blocks.items() if self.filled[rows[0]]}

    def earns(self, rank: int, prices: list[int]) -> int:
        """Surplus of one block at the prices."""
        return sum(
            (1 if self.buys[row] else -1) * (self.limit[row] - prices[self.market[row]]) * self.quantity[row]
            for row in self.blocks[rank]
        )

    def family(self, rank: int, prices: list[int]) -> int:
        """Surplus of a block with its accepted descendants."""
        children = [child for child in self.accepted if self.parent[child] == rank]
        return self.earns(rank, prices) + sum(self.family(child, prices) for child in children)

    def name(self, rank: int) -> object:
        return self.clearing.block_orders.blocks[rank]


def _fills(state: _State) -> None:
    together: dict[int, set[bool]] = {}
    for row in range(state.n):
        most = 0 if state.reject[row] else state.quantity[row]
        if not 0 <= state.filled[row] <= most:
            raise _fail(0, f"row {row}: filled {state.filled[row]} of {most}")
        if state.block[row] >= 0:
            together.setdefault(state.block[row], set()).add(state.reject[row] == 0)
    for rank, kinds in together.items():
        if len(kinds) > 1:
            raise _fail(0, f"block {state.name(rank)}: some rows are refused and some are not")
    for market, volume in enumerate(state.columns["volume"]):
        rows = [row for row in range(state.n) if state.market[row] == market]
        bought = sum(state.filled[row] for row in rows if state.buys[row])
        sold = sum(state.filled[row] for row in rows if not state.buys[row])
        if not bought == sold == volume:
            raise _fail(1, f"market {_market(state, market)}: bought {bought}, sold {sold}, volume {volume}")


def _market(state: _State, market: int) -> object:
    ids = np.array([state.columns["market"][market]], np.int64)
    return state.clearing.orders.names("market", ids)[0]


def _links(state: _State) -> None:
    groups: set[int] = set()
    for rank, rows in state.blocks.items():
        whole = {state.filled[row] == state.quantity[row] for row in rows} | {state.filled[row] > 0 for row in rows}
        if len(whole) > 1:
            raise _fail(2, f"block {state.name(rank)} is filled in part")
        if rank not in state.accepted:
            continue
        if state.parent[rank] != -1 and state.parent[rank] not in state.accepted:
            raise _fail(2, f"block {state.name(rank)} is accepted and its parent is not")
        if state.group[rank] in groups:
            raise _fail(2, f"block {state.name(rank)} is the second accepted of its group")
        if state.group[rank] != -1:
            groups.add(state.group[rank])


def _trades(state: _State) -> None:
    trades = state.trades
    traded, owed = [0] * state.n, [0] * state.n
    last: tuple[int, tuple[int, ...], tuple[int, ...]] | None = None
    for trade, lots in enumerate(trades["quantity"]):
        buy, sell, market = trades["buy_row"][trade], trades["sell_row"][trade], trades["market"][trade]
        places = {state.columns["market"][state.market[row]] for row in (buy, sell)}
        if lots < 1 or places != {market} or not state.buys[buy] or state.buys[sell]:
            raise _fail(3, f"trade {trade}: {lots} lots of rows {buy} and {sell} in market {market}")
        price = state.columns["price"][state.market[buy]]
        if trades["buy_price"][trade] != price or trades["sell_price"][trade] != price:
            raise _fail(4, f"trade {trade}: at {trades['buy_price'][trade]}, the market's price is {price}")
        for row, sign in ((buy, 1), (sell, -1)):
            traded[row] += lots
            owed[row] += sign * price * lots
        here = (market, _service(state, buy), _service(state, sell))
        if last is not None and last[0] == market and (here[1] < last[1] or here[2] < last[2] or here == last):
            raise _fail(3, f"trade {trade} has a better order than trade {trade - 1} of the same market")
        last = here
    for row in range(state.n):
        if traded[row] != state.filled[row]:
            raise _fail(3, f"row {row}: trades of {traded[row]}, filled {state.filled[row]}")
        if owed[row] != state.payment[row]:
            raise _fail(4, f"row {row}: pays {state.payment[row]}, trades say {owed[row]}")


def _service(state: _State, row: int) -> tuple[int, ...]:
    """Where a row stands in its side's order of service."""
    if state.block[row] >= 0:
        return (0, 0, state.time[row], state.ids[row], row)
    worse = -state.limit[row] if state.buys[row] else state.limit[row]
    return (1, worse, state.time[row], state.ids[row], row)


def _hour(state: _State, market: int) -> None:
    label = f"market {_market(state, market)}"
    rows = [row for row in range(state.n) if state.market[row] == market and not state.reject[row]]
    hourly = [row for row in rows if state.block[row] < 0]
    column = {name: values[market] for name, values in state.columns.items()}
    paid = sum(state.payment[row] for row in rows if state.buys[row])
    received = -sum(state.payment[row] for row in rows if not state.buys[row])
    if (paid, received, 0) != (
        column["buyer_payment"],
        column["seller_revenue"],
        column["surplus"],
    ) or paid != received:
        raise _fail(4, f"{label}: buyers pay {paid}, sellers receive {received}")
    welfare = sum((1 if state.buys[row] else -1) * state.limit[row] * state.filled[row] for row in rows)
    if welfare != column["welfare"]:
        raise _fail(10, f"{label}: {column['welfare']}, recomputed {welfare}")
    counts = (sum(state.buys[row] for row in rows), sum(not state.buys[row] for row in rows))
    if counts != (column["buy_orders"], column["sell_orders"]):
        raise _fail(1, f"{label}: {counts[0]} bids and {counts[1]} asks take part")

    left = [row for row in hourly if state.filled[row] < state.quantity[row]]
    served = [row for row in hourly if state.filled[row]]
    bids_left = [state.limit[row] for row in left if state.buys[row]]
    asks_left = [state.limit[row] for row in left if not state.buys[row]]
    bids_served = [state.limit[row] for row in served if state.buys[row]]
    asks_served = [state.limit[row] for row in served if not state.buys[row]]
    if bids_left and asks_left and max(bids_left) >= min(asks_left):
        raise _fail(8, f"{label}: a bid at {max(bids_left)} and an ask at {min(asks_left)} are left")
    if (bids_left and bids_served and max(bids_left) > min(bids_served)) or (
        asks_left and asks_served and min(asks_left) < max(asks_served)
    ):
        raise _fail(8, f"{label}: a worse order trades while a better one waits")
    _margin(state, label, hourly)

    if bool(column["has_price"]) != bool(column["volume"]):
        raise _fail(4, f"{label}: volume {column['volume']}, and has_price is {bool(column['has_price'])}")
    if not column["volume"]:
        return
    low = max(bids_left + asks_served, default=min(state.limits[market]))
    high = min(asks_left + bids_served, default=max(state.limits[market]))
    price = column["price"]
    if (column["price_low"], column["price_high"]) != (low, high) or not low <= price <= high:
        raise _fail(
            5,
            f"{label}: price {price} in [{column['price_low']}, {column['price_high']}], recomputed [{low}, {high}]",
        )
    if column["price_buy"] != price or column["price_sell"] != price:
        raise _fail(4, f"{label}: buyers and sellers have different prices")
    for row in served:
        if (state.limit[row] < price) if state.buys[row] else (state.limit[row] > price):
            raise _fail(6, f"row {row}: limit {state.limit[row]}, price {price}")


def _margin(state: _State, label: str, hourly: list[int]) -> None:
    rule = getattr(state.clearing.mechanism, "rationing", "pro_rata")
    for buying in (True, False):
        side = [row for row in hourly if state.buys[row] == buying]
        for price in {state.limit[row] for row in side if 0 < state.filled[row] < state.quantity[row]}:
            level = sorted((row for row in side if state.limit[row] == price), key=lambda row: _service(state, row))
            given = [state.filled[row] for row in level]
            due = ration(rule, [state.quantity[row] for row in level], sum(given))
            if given != due:
                raise _fail(9, f"{label}: at {price} orders got {given}, due {due} by {rule}")


def _no_loss(state: _State) -> None:
    prices = state.columns["price"]
    for rank in sorted(state.accepted):
        if state.family(rank, prices) < 0:
            raise _fail(7, f"block {state.name(rank)} loses {-state.family(rank, prices)}")


def _frame(state: _State) -> None:
    frame = state.clearing.blocks
    prices, priced = state.columns["price"], state.columns["has_price"]
    names, groups = state.clearing.block_orders.blocks, state.clearing.block_orders.groups
    if frame["block"].to_list() != [names[rank] for rank in sorted(state.blocks)]:
        raise _fail(11, "it lists other blocks than those that were not refused")
    for row, rank in zip(frame.to_dicts(), sorted(state.blocks), strict=True):
        known = all(priced[state.market[r]] for r in state.blocks[rank])
        surplus = state.earns(rank, prices) if known else None
        taken = rank in state.accepted
        due = {
            "block": names[rank],
            "accepted": taken,
            "surplus": surplus,
            "family_surplus": state.family(rank, prices) if taken else surplus,
            "paradoxical": not taken and surplus is not None and surplus > 0,
            "parent": names[state.parent[rank]] if state.parent[rank] >= 0 else None,
            "exclusive": groups[state.group[rank]] if state.group[rank] >= 0 else None,
        }
        if row != due:
            raise _fail(11, f"{row}, due {due}")


def _midpoints(state: _State) -> None:
    columns = state.columns
    middle = [(low + high) // 2 for low, high in zip(columns["price_low"], columns["price_high"], strict=True)]
    if all(state.family(rank, middle) >= 0 for rank in state.accepted):
        for market, price in enumerate(columns["price"]):
            if columns["volume"][market] and price != middle[market]:
                raise _fail(12, f"market {_market(state, market)}: price {price}, midpoint {middle[market]}")
