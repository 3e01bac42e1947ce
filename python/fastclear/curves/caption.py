"""Title and subtitle of a picture."""

from __future__ import annotations

import numpy as np

from fastclear.curves.scene import DEMAND, SUPPLY, Scene
from fastclear.market_view import shown


def caption(scene: Scene) -> tuple[str, list[str]]:
    """What happened in the market as a title, and what is seen as the lines below it."""
    view, words = scene.view, scene.words
    # altair puts titles into the script of its pages as they are: a break of no width after each "<" ends no script
    name = shown(view.name).replace("<", "<\u200b")
    market = f"Market {name}: " if view.clearing.orders.market is not None else ""
    mechanism = type(view.clearing.mechanism).__name__
    counts = ", ".join(
        f"{steps.height:,} {noun}{'' if steps.height == 1 else 's'}"
        for noun, steps in (("bid", scene.sides[DEMAND]), ("ask", scene.sides[SUPPLY]))
    )
    lines = [f"{mechanism}, {counts}"]
    if not view.volume:
        lines[0] += f": {_why_nothing(scene)}"
        return (f"{market}nothing trades" if market else "Nothing trades"), [*lines, *scene.remarks]
    buy, sell = scene.prices["price_buy"], scene.prices["price_sell"]
    title = f"{market}{words.quantity(view.volume)} traded"
    if view.clearing.pays_sums:
        lines[0] += ": payments are sums, not a price a lot"
    elif buy is None or sell is None:
        title += _range_of_trades(scene)
    elif buy == sell:
        title += f" at {words.price(buy, of_clearing=True)}"
    else:
        title += f", buyers pay {words.bare_price(buy, of_clearing=True)}, sellers get "
        title += words.price(sell, of_clearing=True)
        if view.fee:
            lines[0] += f"; between them lies the fee of {words.price(view.fee)}"
    lines[0] += _about_interval(scene)
    lines[0] += "; thick: the orders at the margin"
    if view.block_of is not None and (view.block_of[np.concatenate([view.bids, view.asks])] >= 0).any():
        lines.append("Accepted blocks come first, whatever their limits")
    return title, [*lines, *scene.remarks]


def _about_interval(scene: Scene) -> str:
    """How the price stands to the prices that clear the market."""
    low, high, price = scene.prices["price_low"], scene.prices["price_high"], scene.prices["price_sell"]
    if low is None or high is None or price is None:
        return ""
    inside = low <= price <= high
    if low < high:
        ends = f"{scene.words.bare_price(low, of_clearing=True)} to {scene.words.price(high, of_clearing=True)}"
        return f"; shaded: the clearing prices, {ends}{'' if inside else ', without this one'}"
    reserve = scene.view.setting("reserve")
    if reserve is not None and price == reserve * scene.words.den:
        return "; this is the reserve price"
    if inside:
        return "; no other price clears this market"
    return f"; the clearing price would be {scene.words.price(low, of_clearing=True)}"


def _why_nothing(scene: Scene) -> str:
    bids, asks = scene.sides[DEMAND], scene.sides[SUPPLY]
    if not bids.height and not asks.height:
        return "no order was accepted"
    if not bids.height or not asks.height:
        return f"there is no {'bid' if not bids.height else 'ask'}"
    bid, ask = int(bids["price"][0]), int(asks["price"][0])
    if bid < ask:
        return f"the best bid, {scene.words.bare_price(bid)}, is below the best ask, {scene.words.price(ask)}"
    return "no pair that the mechanism allows"


def _range_of_trades(scene: Scene) -> str:
    columns = scene.view.clearing.trade_columns
    mine = columns["market"] == scene.view.clearing.market_columns["market"][scene.view.index]
    prices = np.concatenate([columns["buy_price"][mine], columns["sell_price"][mine]])
    low, high = int(prices.min()), int(prices.max())
    if low == high:
        return f", all at {scene.words.price(low, of_clearing=True)}"
    ends = f"{scene.words.bare_price(low, of_clearing=True)} to {scene.words.price(high, of_clearing=True)}"
    return f" at {ends}"
