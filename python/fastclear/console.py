"""Tables for people: at most 100 columns wide, the same in a terminal, a file and a notebook's text."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from fastclear.metrics import Metric
    from fastclear.platforms.result import RunResult
    from fastclear.trades import Clearing

WIDTH: Final = 100
"""Widest line that is ever printed."""

_DIGITS: Final = {"nano": 2, "wh": 1, "ticks": 2, "share": 1, "count": 0, "seconds": 3}
_GROUPS: Final = (
    ("bills", "welfare"),
    ("price_mean", "price_min", "price_max"),
    ("local", "auction", "essential"),
    ("self_consumption", "self_sufficiency"),
    ("operator", "dso", "tax", "backstop"),
    ("blocks", "records", "seconds_clearing", "seconds_total"),
)
_MARKETS_SHOWN: Final = 20


def number(value: float | None, digits: int) -> str:
    """A number with thousands apart and a true minus sign; a dash where there is none."""
    if value is None:
        return "\u2013"
    text = f"{value:,.{digits}f}"
    zero = not text.strip("-0.,")
    return text.lstrip("-") if zero else text.replace("-", "\u2212")


def _row(metric: Metric, currency: str) -> list[str]:
    digits = _DIGITS[metric.unit]
    value, without = metric.readable(metric.value), metric.readable(metric.without)
    change = ""
    if value is not None and without is not None:
        difference = value - without
        if metric.unit == "share":
            change = f"{number(difference, digits)} points"
        elif metric.unit == "nano" and without:
            change = f"{number(100 * difference / abs(without), 1)} %"
        else:
            change = number(difference, digits)
        if difference > 0:
            change = "+" + change
    unit = metric.shown_unit(currency)
    return [
        metric.label,
        number(value, digits),
        "" if without is None else number(without, digits),
        change,
        unit,
    ]


def result_table(result: RunResult) -> Table:
    """The figures of a run, with and without the market."""
    found = {metric.key: metric for metric in result.metrics}
    currency = result.preset.price.currency.value
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("", no_wrap=True)
    for name in ("with market", "without", "change"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True, style="dim")
    for index, group in enumerate(_GROUPS):
        if index:
            table.add_row()
        for key in group:
            table.add_row(*_row(found[key], currency), style="bold" if key == "bills" else None)
    return table


def result_view(result: RunResult) -> Group:
    """All that a run prints: what it was, its figures, what a reader must know, the block head."""
    preset = result.preset
    rule = preset.market.mechanism.value
    days = "1 day" if result.days == 1 else f"{result.days} days"
    head = Text.assemble((preset.title, "bold"), f" · {rule} auction · {days} · seed {result.seed}")
    worse = int((result.members["bill_nano"] > result.members["bill_without_nano"]).sum())
    members = f"{result.better_off} of {result.members.height} members pay less than without the market"
    parts: list[RenderableType] = [
        head,
        Text(f"data: {result.data}", style="dim"),
        "",
        result_table(result),
        "",
        Text(members + (f", {worse} pay more (forecast errors)." if worse else ".")),
    ]
    parts += [Text(f"! {note}", style="yellow") for note in result.notes]
    parts.append(Text(f"block head {result.head}", style="dim"))
    return Group(*parts)


def as_text(view: RenderableType, width: int = WIDTH) -> str:
    """What a view looks like without colours, lines at most `width` wide, no spaces at their ends."""
    stream = io.StringIO()
    console = Console(file=stream, width=width, color_system=None, force_terminal=False, highlight=False, emoji=False)
    console.print(view)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines())


def result_text(result: RunResult) -> str:
    """A run as plain text."""
    return as_text(result_view(result))


def clearing_view(clearing: Clearing) -> Group:
    """The markets of a clearing in ct/kWh and kWh, the first twenty of them, and their totals."""
    markets = clearing.markets
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("market", overflow="ellipsis", max_width=24, no_wrap=True)
    for name in ("buyers pay", "sellers get", "volume", "bids", "asks", "welfare"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_row("", "ct/kWh", "ct/kWh", "kWh", "", "", "currency", style="dim")
    columns = ("market", "price_buy", "price_sell", "volume", "buy_orders", "sell_orders", "welfare")
    for market, buy, sell, volume, bids, asks, welfare in markets.head(_MARKETS_SHOWN).select(columns).iter_rows():
        table.add_row(
            Text(str(market)),
            number(None if buy is None else buy / 10_000, 4),
            number(None if sell is None else sell / 10_000, 4),
            number(volume / 1000, 3),
            number(bids, 0),
            number(asks, 0),
            number(float(welfare) / 1e9, 4),
        )
    more = markets.height - _MARKETS_SHOWN
    parts: list[RenderableType] = [table]
    if more > 0:
        parts.append(Text(f"and {more:,} more markets", style="dim"))
    refused = int((clearing.reject > 0).sum())
    traded = int((markets["volume"] > 0).sum())
    volume = int(clearing.filled[clearing.orders.side == 1].sum()) / 1000
    parts += [
        "",
        Text(
            f"{clearing.orders.n:,} orders, {refused:,} refused · {markets.height:,} markets, {traded:,} with trades · "
            f"{number(volume, 3)} kWh"
        ),
    ]
    return Group(*parts)


def refused_view(rows: Sequence[tuple[int, str, str, str]], total: int) -> Group:
    """Refused orders: row, order id, reason, remedy."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("row", justify="right", no_wrap=True)
    table.add_column("order", overflow="ellipsis", max_width=20, no_wrap=True)
    table.add_column("reason", no_wrap=True)
    table.add_column("what to do", overflow="fold")
    for row, order, reason, remedy in rows:
        table.add_row(f"{row:,}", Text(order), Text(reason), Text(remedy))
    parts: list[RenderableType] = [table]
    if total > len(rows):
        parts.append(Text(f"and {total - len(rows):,} more"))
    return Group(*parts)
