"""Loads of a pool: what they share, and what that saves against the grid alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from fastclear.market_view import shown

if TYPE_CHECKING:
    from fastclear.explanation.story import Story
    from fastclear.sharing import SharingClearing

_SHOWN_DIGITS = 4


def load(story: Story) -> str:
    """Everything about one load, in a few sentences."""
    clearing, row, words = cast("SharingClearing", story.clearing), story.row, story.words
    net, paid, alone = int(clearing.loads.net[row]), int(clearing.payment[row]), int(clearing.alone[row])
    title = f"Load {shown(clearing.orders.order_ids()[row])}{story.where}"
    market = clearing.loads.market
    prices = clearing.exact_prices(None if market is None else story.view.name)
    if net == 0:
        share = f"and pays {words.money(paid)} of the fixed cost" if paid else "and pays nothing"
        return f"{title} neither imports nor exports {share}."
    verb, source = ("imports", "from") if net > 0 else ("exports", "to")
    money = f"pays {words.money(paid)}" if paid >= 0 and (net > 0 or paid > 0) else f"receives {words.money(-paid)}"
    price = prices[0 if net > 0 else 1]
    each = ""
    if price is not None and type(clearing.mechanism).__name__ != "FixedPrice":
        value = round(float(price) / words.units.ticks, _SHOWN_DIGITS)
        unit = "ticks" if words.units.price == "tick" else words.units.price
        text = f"{value:,.{_SHOWN_DIGITS}f}".rstrip("0").rstrip(".")
        each = f": {'about ' if value * words.units.ticks != price else ''}{text} {unit} a {_lot(story)}"
    local, rest = story.fill, abs(net) - story.fill
    came = "come" if net > 0 else "go"
    split = [f"{words.quantity(local)} {came} {source} the community"] if local else []
    split += [f"{words.quantity(rest)} {'' if split else came + ' '}{source} the grid"] if rest else []
    saved = alone - paid
    verdict = f"it saves {words.money(saved)}" if saved > 0 else f"it loses {words.money(-saved)}"
    before = f"pay {words.money(alone)}" if alone >= 0 and net > 0 else f"receive {words.money(-alone)}"
    return (
        f"{title} {verb} {words.quantity(abs(net))} and {money}{each}. {', '.join(split)}. "
        f"Alone it would {before}: {verdict if saved else 'the same'}."
    )


def _lot(story: Story) -> str:
    return "lot" if story.words.units.price == "tick" else "kWh"
