"""Tables for people: at most 100 columns wide, the same in a terminal, a file and a notebook's text.

A number is never cut: where a table does not fit, each row becomes a few lines of its own. Names come from users, so
their control characters are shown as escapes and never sent to a terminal.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from fastclear.auction.properties import Properties
    from fastclear.comparison import Comparison
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


def printable(text: object) -> str:
    r"""Text without anything that a terminal would obey: such characters as escapes.

    Examples
    --------
    >>> printable("café \x1b[31m")
    'café \\x1b[31m'
    """
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in str(text)
    )


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a :class:`Sheet`: words to the left, which may wrap, or numbers to the right, which never do."""

    name: str
    unit: str = ""
    words: bool = False
    wraps: bool = False
    dim: bool = False


_GAP = 2
_WORDS_AT_LEAST = 12  # columns of words may be made this narrow before the table becomes a list


class Sheet:
    """A table where it fits, else each row as lines of ``name value``."""

    def __init__(
        self, columns: Sequence[Column], rows: Sequence[Sequence[str]], bold: frozenset[int] = frozenset()
    ) -> None:
        self.columns = columns
        self.rows = rows
        self.bold = bold

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Choose by the width there is."""
        del console
        if self._needed() <= options.max_width:
            yield self._table()
        else:
            yield from self._lines(options.max_width)

    def _needed(self) -> int:
        cells = [
            [column.name, column.unit, *(row[at] for row in self.rows if row)] for at, column in enumerate(self.columns)
        ]
        widths = [max(map(cell_len, texts), default=0) for texts in cells]
        narrow = [min(w, _WORDS_AT_LEAST) if c.wraps else w for w, c in zip(widths, self.columns, strict=True)]
        return sum(narrow) + _GAP * (len(narrow) - 1)

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
        for column in self.columns:
            table.add_column(
                column.name,
                justify="left" if column.words else "right",
                no_wrap=not column.wraps,
                overflow="fold",
                style="dim" if column.dim else None,
            )
        if any(column.unit for column in self.columns):
            table.add_row(*(column.unit for column in self.columns), style="dim")
        for at, row in enumerate(self.rows):
            table.add_row(*(Text(cell) for cell in row), style="bold" if at in self.bold else None)
        return table

    def _lines(self, width: int) -> Iterator[RenderableType]:
        label = max(cell_len(column.name) for column in self.columns)
        for at, row in enumerate(self.rows):
            if not row:
                yield ""
                continue
            # a column without a name stands beside the others: the name of the row, and its unit
            beside = [cell for column, cell in zip(self.columns, row, strict=True) if cell and not column.name]
            if beside:
                yield Text(", ".join(beside), style="bold" if at in self.bold else "", overflow="fold")
            elif at:
                yield ""
            named = [
                (column, f"{cell} {column.unit}".rstrip())
                for column, cell in zip(self.columns, row, strict=True)
                if cell and column.name
            ]
            longest = max(
                (cell_len(word) for column, text in named if not column.wraps for word in text.split()), default=0
            )
            if 2 * _GAP + label + longest <= width:
                grid = Table.grid(padding=(0, _GAP, 0, 0), pad_edge=False)
                grid.add_column(min_width=label, no_wrap=True)
                grid.add_column(overflow="fold")
                for column, text in named:
                    grid.add_row(column.name, Text(text))
                yield Padding(grid, (0, 0, 0, _GAP))
                continue
            for column, text in named:  # not even the numbers fit beside their names: they get lines of their own
                yield Padding(Text(column.name), (0, 0, 0, _GAP))
                yield Padding(Text(text, overflow="fold"), (0, 0, 0, 2 * _GAP))


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


def result_table(result: RunResult) -> Sheet:
    """The figures of a run, with and without the market."""
    found = {metric.key: metric for metric in result.metrics}
    currency = result.preset.price.currency.value
    rows: list[list[str]] = []
    for index, group in enumerate(_GROUPS):
        if index:
            rows.append([])
        rows += [_row(found[key], currency) for key in group]
    bills = next(at for at, row in enumerate(rows) if row and row[0] == found["bills"].label)
    numbers = [Column("with market"), Column("without"), Column("change")]
    columns = [Column("", words=True), *numbers, Column("", words=True, dim=True)]
    return Sheet(columns, rows, bold=frozenset({bills}))


def result_view(result: RunResult) -> Group:
    """All that a run prints: what it was, its figures, what a reader must know, the block head."""
    preset = result.preset
    rule = preset.market.rule.says
    days = "1 day" if result.days == 1 else f"{result.days} days"
    head = Text.assemble((printable(preset.title), "bold"), f" · {rule} · {days} · seed {result.seed}")
    worse = int((result.members["bill_nano"] > result.members["bill_without_nano"]).sum())
    members = f"{result.better_off} of {result.members.height} members pay less than without the market"
    parts: list[RenderableType] = [
        head,
        Text(f"data: {printable(result.data)}", style="dim"),
        "",
        result_table(result),
        "",
        Text(members + (f", {worse} pay more." if worse else ".")),
    ]
    parts += [Text(f"! {printable(note)}", style="yellow") for note in result.notes]
    parts.append(Text(f"block head {result.head}", style="dim"))
    return Group(*parts)


def comparison_view(comparison: Comparison) -> Group:
    """Platforms side by side: what members have of them, then what others have, then what a reader must know."""
    rows = comparison.figures.to_dicts()
    members = [
        [
            row["platform"],
            number(row["bills_nano"] / 1e9, 2),
            number(_percent(row["bills_nano"] - row["bills_without_nano"], row["bills_without_nano"]), 1),
            number(row["worse_off"], 0),
            number(row["largest_loss_nano"] / 1e9, 2),
            number(row["jain"], 3),
            number(_scaled(row["price_ticks"], 10_000), 2),
            number(row["local_wh"] / 1000, 1),
            number(_scaled(row["self_consumption"], 0.01), 1),
            number(_scaled(row["self_sufficiency"], 0.01), 1),
        ]
        for row in rows
    ]
    currencies = {row["currency"] for row in rows}
    money = currencies.pop() if len(currencies) == 1 else "currency"
    columns = [
        Column("platform", words=True),
        Column("bills", money),
        Column("change", "%"),
        Column("lose", "members"),
        Column("most", money),
        Column("Jain"),
        Column("price", "ct/kWh"),
        Column("local", "kWh"),
        Column("own use", "%"),
        Column("own supply", "%"),
    ]
    others = [
        [
            row["platform"],
            row["currency"],
            *(
                number(row[key] / 1e9, 2)
                for key in ("welfare_nano", "operator_nano", "dso_nano", "tax_nano", "supplier_nano", "lender_nano")
            ),
            number(row["grid_peak_w"] / 1000, 1),
            number(row["blocks"], 0),
            number(row["seconds_clearing"], 2),
        ]
        for row in rows
    ]
    other_columns = [
        Column("platform", words=True),
        Column("in", words=True, dim=True),
        Column("welfare"),
        Column("operator"),
        Column("network"),
        Column("tax"),
        Column("supplier"),
        Column("lender"),
        Column("peak", "kW"),
        Column("blocks"),
        Column("clear", "s"),
    ]
    days = "1 day" if comparison.days == 1 else f"{comparison.days} days"
    parts: list[RenderableType] = [
        Text.assemble((_counted(len(rows), "platform"), "bold"), f" · {days} · seed {comparison.seed}"),
        Text(f"data: {printable(comparison.data)}", style="dim"),
        "",
        Sheet(columns, members),
        "",
        Sheet(other_columns, others),
        "",
        Text(
            "Bills: all that members pay, with fees, subscription and tax. Change: against no market. Lose: members "
            "that pay more than without it, and the most that one does. Jain: how evenly savings are divided (1: all "
            "alike). Own use: share of PV that stayed, own supply: share of load not from the grid.",
            style="dim",
        ),
    ]
    parts += [
        Text(f"! {printable(name)}: {printable(note)}", style="yellow")
        for name, result in comparison.runs.items()
        for note in result.notes
    ]
    return Group(*parts)


def _percent(part: float, whole: float) -> float | None:
    return 100 * part / abs(whole) if whole else None


def _scaled(value: float | None, scale: float) -> float | None:
    return None if value is None else value / scale


def as_text(view: RenderableType, width: int = WIDTH) -> str:
    """What a view looks like without colours, lines at most `width` wide, no spaces at their ends."""
    stream = io.StringIO()
    console = Console(file=stream, width=width, color_system=None, force_terminal=False, highlight=False, emoji=False)
    console.print(view)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines())


def result_text(result: RunResult) -> str:
    """A run as plain text."""
    return as_text(result_view(result))


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def clearing_view(clearing: Clearing) -> Group:
    """The markets of a clearing in ct/kWh and kWh, the first twenty of them, and their totals."""
    markets = clearing.markets
    ticks = 10_000 * clearing.den
    columns = ("market", "price_buy", "price_sell", "volume", "buy_orders", "sell_orders", "welfare")
    rows = [
        [
            printable(market),
            number(None if buy is None else buy / ticks, 4),
            number(None if sell is None else sell / ticks, 4),
            number(volume / 1000, 3),
            number(bids, 0),
            number(asks, 0),
            number(float(welfare) / (1e5 * ticks), 4),
        ]
        for market, buy, sell, volume, bids, asks, welfare in markets.head(_MARKETS_SHOWN).select(columns).iter_rows()
    ]
    table = Sheet(
        [
            Column("market", words=True, wraps=True),
            Column("buyers pay", "ct/kWh"),
            Column("sellers get", "ct/kWh"),
            Column("volume", "kWh"),
            Column("bids"),
            Column("asks"),
            Column("welfare", "currency"),
        ],
        rows,
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
            f"{_counted(clearing.orders.n, 'order')}, {refused:,} refused · {_counted(markets.height, 'market')}, "
            f"{traded:,} with trades · "
            f"{number(volume, 3)} kWh"
        ),
    ]
    return Group(*parts)


def refused_view(rows: Sequence[tuple[int, str, str, str]], total: int) -> Group:
    """Refused orders: row, order id, reason, remedy."""
    columns = [
        Column("row"),
        Column("order", words=True, wraps=True),
        Column("reason", words=True),
        Column("what to do", words=True, wraps=True),
    ]
    table = Sheet(columns, [[f"{row:,}", printable(order), reason, remedy] for row, order, reason, remedy in rows])
    parts: list[RenderableType] = [table]
    if total > len(rows):
        parts.append(Text(f"and {total - len(rows):,} more"))
    return Group(*parts)


def platforms_view(rows: Sequence[dict[str, Any]]) -> Sheet:
    """The platforms that come with the package."""
    columns = [
        Column("name", words=True),
        Column("what it is", words=True, wraps=True),
        Column("parameters", words=True),
    ]
    cells = [
        [
            row["name"],
            f"{row['title']}: {row['summary']}",
            f"{row['stated']} stated, {row['assumed']} assumed",
        ]
        for row in rows
    ]
    return Sheet(columns, cells)


def catalogue_view(rows: Sequence[dict[str, Any]]) -> Group:
    """Every system that the reviews name, and what became of it."""
    columns = [
        Column("system", words=True, wraps=True),
        Column("place", words=True),
        Column("reviews", words=True, wraps=True),
        Column("preset, or what it waits for, or why there is none", words=True, wraps=True),
    ]
    fates = (("preset", "runs: "), ("waits_for", "waits for "), ("out_of_scope", "out: "))
    cells = [
        [
            row["name"],
            row["place"] or "",
            row["source"],
            next(says + row[fate] for fate, says in fates if row[fate]),
        ]
        for row in rows
    ]
    counts = ", ".join(
        f"{sum(1 for row in rows if row[fate])} {words}"
        for fate, words in (("preset", "run"), ("waits_for", "wait"), ("out_of_scope", "are out of scope"))
    )
    return Group(Sheet(columns, cells), "", Text(f"{len(rows)} systems: {counts}"))


def mechanisms_view(rows: Sequence[Properties]) -> Group:
    """Every mechanism: its claims in a word or two, and its rule below them."""
    from fastclear.auction.registry import name_of

    cells = [["name", "budget", "truthful", "welfare"]]
    for row in rows:
        name = name_of(row.mechanism) + (f", {row.variant}" if row.variant else "")
        cells.append([name, row.budget.short, row.truthfulness.short, row.efficiency.short])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    parts: list[RenderableType] = []
    for at, row_of_cells in enumerate(cells):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row_of_cells, widths, strict=True)).rstrip()
        parts.append(Text(line, style="bold" if at == 0 else ""))
        if at:
            parts.append(Padding(Text(rows[at - 1].summary, style="dim"), (0, 0, 0, _GAP)))
    note = "All with bids are individually rational: nobody pays more, or receives less, than their limit."
    return Group(*parts, "", Text(note))


def mechanism_view(rows: Sequence[Properties]) -> Group:
    """One mechanism: its rule, claims, source and options."""
    from fastclear.auction.registry import classes, name_of, options_of

    name = name_of(rows[0].mechanism)
    parts: list[RenderableType] = []
    for row in rows:
        parts += [Text(f"{name}{f', {row.variant}' if row.variant else ''}: {row.summary}", style="bold")]
        parts += [Text(f"{column.replace('_', ' ')}: {claim}") for column, claim in row.claims().items()]
        parts += [""]
    parts.append(Text(f"time: {rows[0].complexity}"))
    parts.append(Text(f"source: {rows[0].source}"))
    if name in classes():
        own = options_of(name)
        listed = ", ".join(
            f"--{option.replace('_', '-')}{' (needed)' if needed else ''}" for option, needed in own.items()
        )
        parts.append(Text(f"options: {listed or 'none'}"))
    return Group(*parts)
