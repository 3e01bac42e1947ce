"""The report of a comparison: one HTML file that opens offline, see :mod:`fastclear.page`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from fastclear import charts, comparison_charts
from fastclear import page as pages
from fastclear.metrics import exact_sum
from fastclear.page import escaped, number, table, tile
from fastclear.report import empty_curves, order_books, proof_html

if TYPE_CHECKING:
    from fastclear.comparison import Comparison
    from fastclear.platforms.result import RunResult


def _money(row: dict[str, Any], key: str) -> str:
    return number(row[key] / 1e9, 2)


def _scaled(value: float | None, scale: float, digits: int) -> str:
    return number(None if value is None else value / scale, digits)


def figures_html(comparison: Comparison) -> str:
    """The figures as HTML tables, for the report and for notebooks."""
    rows = comparison.figures.to_dicts()
    presets = {name: result.preset for name, result in comparison.runs.items()}
    members = [
        [
            f"<b>{escaped(row['platform'])}</b>",
            escaped(row["currency"]),
            _money(row, "bills_nano"),
            _money(row, "bills_without_nano"),
            number(row["worse_off"], 0),
            _money(row, "largest_loss_nano"),
            _scaled(row["jain"], 1, 3),
            _scaled(row["price_ticks"], 10_000, 2),
            _scaled(row["local_wh"], 1000, 1),
            _scaled(row["self_consumption"], 0.01, 1),
            _scaled(row["self_sufficiency"], 0.01, 1),
        ]
        for row in rows
    ]
    heads = [("Platform", False), ("In", False)]
    heads += [
        (name, True)
        for name in (
            *("Bills", "Without", "Worse off", "Largest loss", "Jain", "Price ct/kWh", "Local kWh"),
            *("Self-consumption %", "Self-sufficiency %"),
        )
    ]
    money = ("welfare", "operator", "dso", "tax", "supplier", "lender")
    others = [
        [
            f"<b>{escaped(row['platform'])}</b>",
            escaped(presets[row["platform"]].market.rule.says),
            escaped(presets[row["platform"]].settlement.profile.value),
            *(_money(row, f"{key}_nano") for key in money),
            _scaled(row["grid_peak_w"], 1000, 1),
            number(row["blocks"], 0),
            number(row["seconds_clearing"], 3),
        ]
        for row in rows
    ]
    names = (
        "Welfare",
        "Operator",
        "Network (DSO)",
        "Tax",
        "Supplier",
        "Lender",
        "Grid peak kW",
        "Blocks",
        "Clearing s",
    )
    return table(heads, members) + table(
        [("Platform", False), ("Rule", False), ("Payment", False), *((name, True) for name in names)], others
    )


def _flows(result: RunResult) -> dict[str, float]:
    slots = result.slots
    wh = {key: exact_sum(slots[key].to_numpy()) for key in ("load_wh", "import_wh", "local_wh", "from_grid_wh")}
    fed = exact_sum(slots["to_grid_wh"].to_numpy())
    return {
        "Own PV and battery": max(wh["load_wh"] - wh["import_wh"], 0) / 1000,
        "Neighbours": wh["local_wh"] / 1000,
        "Grid": wh["from_grid_wh"] / 1000,
        "Fed into the grid": -fed / 1000,
    }


def _hours(comparison: Comparison) -> pl.DataFrame:
    """Prices by the hour of the day."""
    parts = [
        result.slots.filter(pl.col("price_ticks").is_not_null())
        .group_by(hour=pl.col("slot").dt.hour(), maintain_order=True)
        .agg(
            low=(pl.col("price_low_ticks").min() / 10_000).round(4),
            mean=(pl.col("price_ticks").mean() / 10_000).round(4),
            high=(pl.col("price_high_ticks").max() / 10_000).round(4),
        )
        .select(pl.lit(name).alias("platform"), "hour", "low", "mean", "high")
        .sort("hour")
        for name, result in comparison.runs.items()
    ]
    return pl.concat(parts)


def _busiest_day(result: RunResult) -> pl.DataFrame:
    """The slots of the day on which most was traded."""
    days = result.slots.group_by(pl.col("slot").dt.date().alias("day"), maintain_order=True).agg(
        pl.col("auction_wh").sum()
    )
    day = days.sort("auction_wh", "day", descending=[True, False])["day"][0]
    return result.slots.filter(pl.col("slot").dt.date() == day)


def render(comparison: Comparison) -> str:
    """The report of a comparison as HTML text.

    Parameters
    ----------
    comparison : Comparison
        What :func:`fastclear.compare` returns.

    Returns
    -------
    str
        One document of about 1.5 MB. The same comparison gives the same text, up to the seconds it took.
    """
    runs = comparison.runs
    names = list(runs)
    first = runs[names[0]]
    figures = comparison.figures
    levels = {
        name: (float(result.preset.price.feed_in.value), float(result.preset.price.retail.value))
        for name, result in runs.items()
    }
    plots = {
        "receivers": comparison_charts.receivers(figures),
        "changes": comparison_charts.changes(comparison.members, names),
        "bands": comparison_charts.price_bands(_hours(comparison), names, levels),
        "flows": comparison_charts.flows({name: _flows(result) for name, result in runs.items()}),
        "trades": charts.load_and_trades(first.slots, comparison.days),
    }
    specs = {name: charts.specification(chart) for name, chart in plots.items()}
    found = {name: order_books(result, _busiest_day(result)) for name, result in runs.items()}
    books = {name: book for name, book in found.items() if book is not None} or None
    if books is None:
        curve = "<p>Nothing was traded by any auction, so there is no slot to show.</p>"
    else:
        specs["curves"] = empty_curves(books)
        curve = "<p>Any slot of the day on which a platform traded most.</p>" + pages.CHOOSER
    cheapest, dearest = (
        figures.with_columns(share=pl.col("bills_nano") / pl.col("bills_without_nano").abs()).sort(
            "share", "platform", descending=[down, False]
        )["platform"][0]
        for down in (False, True)
    )
    notes = "".join(
        f'<div class="notice">{escaped(name)}: {escaped(note)}</div>'
        for name, run in runs.items()
        for note in run.notes
    )
    summaries = "".join(
        f"<tr><td><b>{escaped(name)}</b></td><td>{escaped(run.preset.title)}. {escaped(run.preset.summary)}</td></tr>"
        for name, run in runs.items()
    )
    tiles = "".join(
        [
            tile(f"{len(names)}", "platforms, the same members on each"),
            tile(cheapest, "lowest bills, against no market"),
            tile(dearest, "highest bills, against no market"),
        ]
    )
    proofs = "".join(proof_html(run, f"p{at}") for at, run in enumerate(runs.values()))
    body = f"""<h1>Platforms side by side</h1>
<p><b>Data:</b> {escaped(comparison.data)}; seed {comparison.seed}</p>
{notes}
<div class="tiles">{tiles}</div>
<h2>Figures</h2>
<p>Money is in the currency of each platform, and no exchange rate stands between them.</p>
{figures_html(comparison)}
<h2>Who has what members pay</h2>
<p>The bar is what all members pay, by who has it at the end; the black mark is what they would pay without the market.
An operator that pays more than it earns stands left of zero.</p>
<div class="plot" id="receivers"></div>
<h2>What it changes for each member</h2>
<p>One mark a member; the diamond is the median.</p>
<div class="plot" id="changes"></div>
<h2>Prices</h2>
<p>By the hour of the day: mean (dot) and span over all days (shaded), between feed-in and retail price (dashed).</p>
<div class="wide"><div class="plot" id="bands"></div></div>
<h2>Energy flows</h2>
<p>What served the members' load, and, below zero, what left for the grid.</p>
<div class="plot" id="flows"></div>
<h2>Load, PV and trades: {escaped(names[0])}</h2>
<p>All members together: what they used, what their panels gave, and what neighbours sold each other.</p>
<div class="plot" id="trades"></div>
<h2>Supply and demand of one slot</h2>
{curve}
<h2>Rules</h2>
<table><tbody>{summaries}</tbody></table>
<h2>Ledgers</h2>
{proofs}"""
    title = f"{len(names)} platforms, {comparison.days} days, seed {comparison.seed}"
    return pages.page(title, body, specs, first.version, books)


def write(comparison: Comparison, path: str | Path) -> Path:
    """Write the report to `path`, whole or not at all.

    Raises
    ------
    StoreError
        If the file cannot be written.
    """
    return pages.write(render(comparison), path)
