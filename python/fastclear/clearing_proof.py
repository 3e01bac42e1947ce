"""A second opinion on a clearing: clears a block's orders again, with nothing but the standard library.

This file and ``light_client.py`` stand alone. Given a block's header, its order and record entries and the text of the
parameters, :func:`certify` checks that they are what the header commits to, clears the orders by the rule that the
parameters state, in the plainest way there is, and holds fills, pairs and prices against what the records say. The
compiled twin (``fc.certify``) does not clear again but checks the margin; the two share no code and must agree.

What it cannot judge raises :class:`NoCertificate`; a block that is not right raises :class:`Flawed`, with a code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from fractions import Fraction
from typing import Any, NamedTuple

try:
    from fastclear import light_client
except ImportError:  # both files were copied out of the package
    import light_client  # type: ignore[import-not-found, no-redef]

RECORD_ENTRY, ORDER_ENTRY = 112, 80
ERASED = 0xFE
BOUND = 2**31
SPREAD, ROUNDING, DEFICIT = 3, 4, 5


class NoCertificate(ValueError):  # noqa: N818 - the word for what there is not
    """Something that these checks cannot judge; it says nothing about the block."""


class Flawed(ValueError):  # noqa: N818 - the word for what a block is
    """A block that was not cleared by its rule: ``code`` and what is wrong."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Rule(NamedTuple):
    """The rule that the parameters state."""

    pricing: str  # "uniform", or of pairs "k", "earlier", "apart"
    k: tuple[int, int]
    round: str
    rationing: str
    seed: int
    zero_surplus: bool
    fee: int
    reserve: int | None
    cap_low: int | None
    cap_high: int | None


class Market(NamedTuple):
    """One market of a certified block: what sellers receive a unit (None where pairs have their own price), volume."""

    market: int
    price: int | None
    volume: int
    orders: int
    refused: int


class _Entrant(NamedTuple):
    order: int
    is_bid: bool
    price: int  # at which it competes: a bid's limit less the fee
    quantity: int
    time: int


class _Deal(NamedTuple):
    seq: int
    market: int
    buy_order: int
    sell_order: int
    quantity: int
    price: int


# -- the rule ----------------------------------------------------------------------------------------------------


def stated_rule(params: bytes) -> Rule:
    """Read the rule off the text of the parameters; raises :class:`NoCertificate` for one that has no certificate."""
    try:
        mechanism = json.loads(params)["mechanism"]
        if "name" not in mechanism:
            mechanism = _of_exchange(mechanism)
        name = mechanism["name"]
        if name not in ("Uniform", "Discriminatory"):
            raise NoCertificate(f"no certificate for {name}")
        k = mechanism["k"]
        numbers = {key: mechanism[key] for key in ("fee", "reserve", "cap_low", "cap_high")}
        bad = [key for key, value in numbers.items() if not _small(value, none=key != "fee")]
        if bad or not (isinstance(k, list) and len(k) == 2 and all(type(part) is int for part in k)):
            raise NoCertificate(f"no certificate for parameters out of range: {', '.join(bad) or 'k'}")
        numerator, denominator = k
        if not 0 <= numerator <= denominator <= 10**9 or denominator == 0:
            raise NoCertificate("no certificate for parameters out of range: k")
        rounding = mechanism["price_round"] or "floor"
        if rounding not in ("floor", "ceil", "half_up"):
            raise NoCertificate(f"no certificate for price_round {rounding!r}")
        if name == "Uniform":
            pricing, rationing = "uniform", mechanism["rationing"]
            seed, zero_surplus = mechanism["seed"] or 0, mechanism["zero_surplus"]
            if mechanism["price_rule"] != "interval" or mechanism["whole_levels"]:
                raise NoCertificate(f"no certificate for price_rule {mechanism['price_rule']!r}")
            if rationing not in RATIONING and rationing != "lottery":
                raise NoCertificate(f"no certificate for rationing {rationing!r}")
            if type(seed) is not int or not 0 <= seed < 2**64 or type(zero_surplus) is not bool:
                raise NoCertificate("no certificate for parameters out of range: seed, zero_surplus")
        else:
            rationing, seed, zero_surplus = "time", 0, True
            pricing, k = _pairs(mechanism["rule"], mechanism["spread_to"], k)
        return Rule(pricing, (k[0], k[1]), rounding, rationing, seed, zero_surplus, **numbers)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        if isinstance(error, NoCertificate):
            raise
        raise NoCertificate(
            "no certificate for parameters that name no mechanism; seal fc.sealed_parameters"
        ) from error


def _of_exchange(stated: dict[str, Any]) -> dict[str, Any]:
    """The mechanism as the terms of an exchange state it, in the words of ``fc.sealed_parameters``."""
    name = {"uniform": "Uniform", "discriminatory": "Discriminatory"}.get(stated["rule"])
    if name is None:
        raise NoCertificate(f"no certificate for {stated['rule']}")
    if stated.get("rationing") == "lottery":
        raise NoCertificate("no certificate for a lottery of an exchange: it draws with another seed in every slot")
    said = {key: value for key, value in stated.items() if key not in ("rule", "price")}
    k = [stated.get("k_numerator", 1), stated.get("k_denominator", 2)]  # not stated where no price depends on it
    said |= {"name": name, "k": k, "seed": None, "spread_to": None}
    if said["price_round"] == "exact":  # of one price: whole ticks by construction, rounded down
        said["price_round"] = None
    if name == "Discriminatory":
        said["rule"] = stated["price"]
    return said


def _small(value: object, *, none: bool) -> bool:
    return (none and value is None) or (type(value) is int and -BOUND < value < BOUND)


def _pairs(rule: object, spread_to: object, k: list[int]) -> tuple[str, list[int]]:
    keeper = {"seller": "bid", "buyer": "ask", "operator": "apart"}.get(str(spread_to), rule)
    if keeper in ("bid", "ask"):
        return "k", [int(keeper == "bid"), 1]
    if keeper not in ("k", "earlier", "apart"):
        raise NoCertificate(f"no certificate for rule {rule!r}")
    return str(keeper), k


# -- what the block holds ----------------------------------------------------------------------------------------


def committed(header: bytes, params: bytes, orders: bytes, records: bytes) -> light_client.Header:
    """Check that the header commits to these bytes."""
    try:
        head = light_client.parse_header(header)
    except light_client.Refused as error:
        raise Flawed("malformed", str(error)) from error
    if hashlib.sha256(params).digest() != head.params_hash:
        raise Flawed("digest", "the header commits to other parameters")
    for what, entries, size, count, root in (
        ("orders", orders, ORDER_ENTRY, head.orders, head.orders_root),
        ("records", records, RECORD_ENTRY, head.records, head.records_root),
    ):
        if len(entries) != count * size or light_client.tree_root(leaf_hashes(entries, size)) != root:
            raise Flawed("digest", f"the header commits to other {what}")
    return head


def leaf_hashes(entries: bytes, size: int) -> list[bytes]:
    """Leaf hashes of entries; of an erased one, the hash that was kept."""
    split = (entries[at : at + size] for at in range(0, len(entries), size))
    return [item[16:48] if item[0] == ERASED else light_client.leaf_hash(item) for item in split]


def _split(entries: bytes, size: int) -> Iterable[bytes]:
    for at in range(0, len(entries), size):
        entry = entries[at : at + size]
        if entry[0] == ERASED:
            raise NoCertificate("no certificate for a block with erased leaves")
        yield entry[: size - light_client.SALT_LEN]


def _signed(number: int) -> int:
    return number - 2**64 if number >= 2**63 else number


def _deals(head: light_client.Header, records: bytes) -> tuple[list[_Deal], dict[int, int]]:
    """Trades of the block, and what buyers pay beyond the seller's price, by the trade's seq."""
    deals: dict[int, _Deal] = {}
    spreads: dict[int, int] = {}
    gross, lines = 0, []
    for index, data in enumerate(_split(records, RECORD_ENTRY)):
        try:
            record = light_client.parse_record(data)
        except light_client.Refused as error:
            raise Flawed("malformed", str(error)) from error
        if record.seq != head.first_seq + index:
            raise Flawed("sequence", f"record {index} does not stand at its place of the history")
        if record.kind == "trade":
            gross += record.amount
            if record.flags or record.code or record.asset:
                raise NoCertificate("no certificate for trades that are sums, corrections or held in escrow")
            if record.amount != abs(record.price * record.quantity) or record.quantity < 1:
                raise Flawed("amount", f"trade {record.seq} has an amount that is not |price x quantity|")
            deals[record.seq] = _Deal(
                record.seq,
                _signed(record.market),
                _signed(record.buy_order),
                _signed(record.sell_order),
                record.quantity,
                record.price,
            )
        elif record.kind == "fee" and record.code == SPREAD:
            lines.append(record)
        elif record.kind == "fee" and record.code in (ROUNDING, DEFICIT):
            raise NoCertificate("no certificate for deficits and halves")
    if gross != head.gross:
        raise Flawed("gross", "the trades do not sum to the header's gross")
    for line in lines:
        deal = deals.get(line.group)
        same = deal is not None and deal[1:5] == (
            _signed(line.market),
            _signed(line.buy_order),
            _signed(line.sell_order),
            line.quantity,
        )
        whole = line.price != 0 and line.amount == abs(line.price * line.quantity)
        if not same or not whole or line.group in spreads:
            raise Flawed(
                "spread", f"what the buyer of trade {line.group} pays beyond the price is not what the rule says"
            )
        spreads[line.group] = line.price
    return list(deals.values()), spreads


# -- clearing again ----------------------------------------------------------------------------------------------


def certify(header: bytes, params: bytes, orders: bytes, records: bytes) -> list[Market]:
    """Check that a block was cleared by the rule that its parameters state.

    Parameters
    ----------
    header : bytes
        The 280 bytes of a header that you trust.
    params : bytes
        Text of the parameters.
    orders, records : bytes
        Entries of the block, 80 and 112 bytes each.

    Returns
    -------
    list of Market
        A row a market, by ascending id as a signed number.

    Raises
    ------
    Flawed
        The block is not what the header commits to, or was not cleared by the rule.
    NoCertificate
        These checks do not know the mechanism, or something in the block.
    """
    head = committed(header, params, orders, records)
    rule = stated_rule(params)
    entrants: dict[int, dict[int, _Entrant]] = {}
    refused: dict[int, int] = {}
    for data in _split(orders, ORDER_ENTRY):
        try:
            leaf = light_client.parse_order(data)
        except light_client.Refused as error:
            raise Flawed("malformed", str(error)) from error
        market, order = _signed(leaf.market), _signed(leaf.order)
        here = entrants.setdefault(market, {})
        if leaf.reject:
            refused[market] = refused.get(market, 0) + 1
            continue
        if order in here:
            raise NoCertificate("no certificate for two orders of one id in a market")
        here[order] = _entrant(rule, leaf, order)
    deals, spreads = _deals(head, records)
    by_market: dict[int, list[_Deal]] = {}
    for deal in deals:
        if deal.market not in entrants:
            raise _stranger(deal, deal.buy_order)
        by_market.setdefault(deal.market, []).append(deal)
    found = []
    for rank, market in enumerate(sorted(entrants)):
        here = entrants[market]
        trades = by_market.get(market, [])
        price = _check(rule, here, trades, spreads, rank)
        found.append(Market(market, price, sum(deal.quantity for deal in trades), len(here), refused.get(market, 0)))
    return found


def _entrant(rule: Rule, leaf: light_client.Order, order: int) -> _Entrant:
    is_bid = leaf.side == 1
    limit: int | None = leaf.price
    if leaf.kind == 1:
        limit = rule.cap_high if is_bid else rule.cap_low
        if limit is None:
            raise NoCertificate("no certificate for market orders without a cap to compete at")
    elif (
        not -BOUND < leaf.price < BOUND
        or (rule.cap_low is not None and leaf.price < rule.cap_low)
        or (rule.cap_high is not None and leaf.price > rule.cap_high)
    ):
        raise Flawed("inadmissible", f"order {order} was accepted, with a price out of range")
    if not 1 <= leaf.quantity < BOUND:
        raise Flawed("inadmissible", f"order {order} was accepted, with a quantity out of range")
    assert limit is not None
    return _Entrant(order, is_bid, limit - rule.fee if is_bid else limit, leaf.quantity, leaf.time_ns)


def _stranger(deal: _Deal, order: int) -> Flawed:
    return Flawed("stranger", f"trade {deal.seq} names order {order}, which is not in the block or not on its side")


def _check(
    rule: Rule, entrants: dict[int, _Entrant], deals: list[_Deal], spreads: dict[int, int], rank: int
) -> int | None:
    got = dict.fromkeys(entrants, 0)
    for deal in deals:
        for order, is_bid in ((deal.buy_order, True), (deal.sell_order, False)):
            if order not in entrants or entrants[order].is_bid != is_bid:
                raise _stranger(deal, order)
            got[order] += deal.quantity
            if got[order] > entrants[order].quantity:
                raise Flawed("overfilled", f"order {order} trades more than it asks for")
    bids = [item for item in entrants.values() if item.is_bid and (rule.reserve is None or item.price >= rule.reserve)]
    asks = [item for item in entrants.values() if not item.is_bid]
    bids.sort(key=lambda item: (-item.price, item.time, item.order))
    asks.sort(key=lambda item: (item.price, item.time, item.order))
    volume, low, high = _crossing(bids, asks, zero_surplus=rule.zero_surplus)
    fills: dict[int, int] = {}
    for side in (bids, asks):
        fills |= _ration(rule, side, volume, rank)
    _same_fills(entrants, fills, got)
    if rule.pricing == "uniform":
        if volume == 0:
            return None
        floor = -BOUND * 2 if rule.reserve is None else rule.reserve
        price = _between(max(low, floor), max(high, floor), rule)
        for deal in deals:
            _priced(deal, spreads, price, price + rule.fee)
        return price
    _check_pairs(rule, bids, asks, fills, deals, spreads)
    return None


def _crossing(bids: list[_Entrant], asks: list[_Entrant], *, zero_surplus: bool) -> tuple[int, int, int]:
    """Volume, and the interval of prices: walk down the bids and up the asks as long as they meet."""
    volume = i = j = 0
    bid_left, ask_left = [item.quantity for item in bids], [item.quantity for item in asks]
    last_bid = last_ask = 0
    while i < len(bids) and j < len(asks):
        if bids[i].price < asks[j].price or (bids[i].price == asks[j].price and not zero_surplus):
            break
        lots = min(bid_left[i], ask_left[j])
        volume += lots
        last_bid, last_ask = bids[i].price, asks[j].price
        bid_left[i] -= lots
        ask_left[j] -= lots
        i += bid_left[i] == 0
        j += ask_left[j] == 0
    low = max(last_ask, bids[i].price) if i < len(bids) else last_ask
    high = min(last_bid, asks[j].price) if j < len(asks) else last_bid
    return volume, low, high


def _between(low: int, high: int, rule: Rule) -> int:
    exact = low + Fraction(*rule.k) * (high - low)
    if rule.round == "ceil":
        return -((-exact) // 1)
    return (exact + Fraction(1, 2)) // 1 if rule.round == "half_up" else exact // 1


def _ration(rule: Rule, side: list[_Entrant], volume: int, rank: int) -> dict[int, int]:
    """Fills of one side, the best first; the level that does not fit shares what is left."""
    fills: dict[int, int] = {}
    for price in dict.fromkeys(item.price for item in side):
        level = [item for item in side if item.price == price]
        wanted = sum(item.quantity for item in level)
        if wanted <= volume:
            parts = [item.quantity for item in level]
        elif volume == 0:
            parts = [0] * len(level)
        elif rule.rationing == "lottery":
            by_id = sorted(level, key=lambda item: item.order)
            level = shuffled(by_id, rule.seed, rank)
            parts = _in_turn(volume, [item.quantity for item in level])
        else:
            parts = RATIONING[rule.rationing](volume, [item.quantity for item in level])
        fills |= {item.order: part for item, part in zip(level, parts, strict=True)}
        volume -= min(wanted, volume)
    return fills


def _same_fills(entrants: dict[int, _Entrant], fills: dict[int, int], got: dict[int, int]) -> None:
    wrong = [order for order in entrants if fills.get(order, 0) != got[order]]
    margins = [
        {item.price for item in entrants.values() if item.is_bid == is_bid and _cut(item, fills)} for is_bid in (0, 1)
    ]
    inside = [order for order in wrong if entrants[order].price not in margins[entrants[order].is_bid]]
    for order in inside:
        if got[order] > fills.get(order, 0):
            raise Flawed("outside_money", f"order {order} is outside the money and traded")
    for order in inside:
        raise Flawed("left_out", f"order {order} is inside the money and was left out or cut")
    for order in wrong:
        raise Flawed(
            "rationing", f"order {order} got {got[order]} lots at the margin; the rule gives it {fills[order]}"
        )


def _cut(item: _Entrant, fills: dict[int, int]) -> bool:
    return 0 < fills.get(item.order, 0) < item.quantity


def _priced(deal: _Deal, spreads: dict[int, int], sell: int, buy: int) -> None:
    if deal.price != sell:
        raise Flawed("price", f"trade {deal.seq} is at {deal.price} ticks; the rule gives {sell}")
    if spreads.get(deal.seq, 0) != buy - sell:
        raise Flawed("spread", f"what the buyer of trade {deal.seq} pays beyond the price is not what the rule says")


def _check_pairs(
    rule: Rule,
    bids: list[_Entrant],
    asks: list[_Entrant],
    fills: dict[int, int],
    deals: list[_Deal],
    spreads: dict[int, int],
) -> None:
    expected: dict[tuple[int, int], tuple[int, int, int]] = {}
    left = dict(fills)
    i = j = 0
    while True:
        while i < len(bids) and left[bids[i].order] == 0:
            i += 1
        while j < len(asks) and left[asks[j].order] == 0:
            j += 1
        if i == len(bids) or j == len(asks):
            break
        bid, ask = bids[i], asks[j]
        lots = min(left[bid.order], left[ask.order])
        left[bid.order] -= lots
        left[ask.order] -= lots
        expected[bid.order, ask.order] = (lots, *_pair_prices(rule, bid, ask))
    pairs = sorted((deal.buy_order, deal.sell_order, deal.quantity) for deal in deals)
    if pairs != sorted((buy, sell, lots) for (buy, sell), (lots, _, _) in expected.items()):
        raise Flawed("pairing", "others are paired than the best bid with the cheapest ask")
    for deal in deals:
        _, sell, buy = expected[deal.buy_order, deal.sell_order]
        _priced(deal, spreads, sell, buy)


def _pair_prices(rule: Rule, bid: _Entrant, ask: _Entrant) -> tuple[int, int]:
    floor = -BOUND * 2 if rule.reserve is None else rule.reserve
    if rule.pricing == "apart":
        return max(ask.price, floor), max(bid.price, floor) + rule.fee
    if rule.pricing == "earlier":
        price = bid.price if (bid.time, bid.order) < (ask.time, ask.order) else ask.price
    else:
        price = _between(ask.price, bid.price, rule)
    return max(price, floor), max(price, floor) + rule.fee


# -- sharing the margin; quantities come by time, then id --------------------------------------------------------


def _in_turn(lots: int, quantities: list[int]) -> list[int]:
    parts = []
    for quantity in quantities:
        parts.append(min(quantity, lots))
        lots -= parts[-1]
    return parts


def _by_size(lots: int, quantities: list[int]) -> list[int]:
    line = sorted(range(len(quantities)), key=lambda i: -quantities[i])
    parts = dict(zip(line, _in_turn(lots, [quantities[i] for i in line]), strict=True))
    return [parts[i] for i in range(len(quantities))]


def _pro_rata(lots: int, quantities: list[int]) -> list[int]:
    total = sum(quantities)
    parts = [lots * quantity // total for quantity in quantities]
    line = sorted(range(len(quantities)), key=lambda i: -(lots * quantities[i] % total))
    for i in line[: lots - sum(parts)]:
        parts[i] += 1
    return parts


def _equal(lots: int, quantities: list[int]) -> list[int]:
    parts = [0] * len(quantities)
    while lots:
        wanting = [i for i, quantity in enumerate(quantities) if parts[i] < quantity]
        step = min(lots // len(wanting), min(quantities[i] - parts[i] for i in wanting))
        if step == 0:
            for i in wanting[:lots]:
                parts[i] += 1
            break
        for i in wanting:
            parts[i] += step
        lots -= step * len(wanting)
    return parts


RATIONING = {"time": _in_turn, "quantity": _by_size, "pro_rata": _pro_rata, "equal": _equal}
"""Rules by name; the lottery is drawn by :func:`shuffled`."""


# -- lots: ChaCha with 8 rounds (Bernstein), key = seed, stream = rank of the market -----------------------------


def _turn(x: list[int], a: int, b: int, c: int, d: int) -> None:
    for to, by, mixed, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        x[to] = (x[to] + x[by]) % 2**32
        turned = x[mixed] ^ x[to]
        x[mixed] = (turned << bits | turned >> (32 - bits)) % 2**32


def _words(seed: int, stream: int) -> Iterable[int]:
    counter = 0
    while True:
        content = b"expand 32-byte k" + seed.to_bytes(8, "little") + bytes(24)
        content += counter.to_bytes(8, "little") + stream.to_bytes(8, "little")
        start = [int.from_bytes(content[at : at + 4], "little") for at in range(0, 64, 4)]
        x = list(start)
        for _ in range(4):
            for i in range(4):
                _turn(x, i, 4 + i, 8 + i, 12 + i)
            for i in range(4):
                _turn(x, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
        yield from ((after + before) % 2**32 for after, before in zip(x, start, strict=True))
        counter += 1


def shuffled(items: list[Any], seed: int, stream: int) -> list[Any]:
    """Every order equally likely (Fisher & Yates, from the end); draws that would favour some are drawn again."""
    words = iter(_words(seed, stream))
    items = list(items)
    for i in range(len(items) - 1, 0, -1):
        drawn, n = 2**64, i + 1
        while drawn >= 2**64 - 2**64 % n:
            drawn = next(words) + 2**32 * next(words)
        items[i], items[drawn % n] = items[drawn % n], items[i]
    return items
