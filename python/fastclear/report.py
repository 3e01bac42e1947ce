"""One HTML file about a run that opens offline: no address is fetched, and its own policy forbids it.

Plots are Vega-Lite, drawn by the library that vl-convert bundles, all of it within the file. What comes from the user's
data (names of members, of the community) is escaped.
"""

from __future__ import annotations

import html
import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from fastclear import charts, metrics
from fastclear.errors import StoreError

if TYPE_CHECKING:
    from fastclear.platforms.result import RunResult

_CSS = """
:root { color-scheme: light; --ink: #1f2937; --soft: #4b5563; --line: #e5e7eb; --tile: #f8fafc; --blue: #0072b2; }
* { box-sizing: border-box; }
body { margin: 0; background: #fff; color: var(--ink); line-height: 1.5;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", Arial, sans-serif; font-size: 15px; }
main { max-width: 1080px; margin: 0 auto; padding: 32px 24px 64px; }
h1 { font-size: 28px; line-height: 1.2; margin: 0 0 6px; }
h2 { font-size: 19px; margin: 40px 0 4px; }
p { margin: 4px 0 12px; color: var(--soft); max-width: 80ch; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(280px, 1fr)); gap: 12px; margin: 20px 0 8px; }
.tile { background: var(--tile); border: 1px solid var(--line); border-radius: 8px; padding: 14px 16px; }
.tile b { display: block; font-size: 24px; line-height: 1.25; font-weight: 650; font-variant-numeric: tabular-nums; }
.tile span { display: block; color: var(--soft); font-size: 13px; }
.notice { border-left: 4px solid #d55e00; background: #fff7f2; padding: 10px 14px; margin: 14px 0; color: var(--ink); }
.plot { width: 100%; margin: 8px 0 4px; }
.plot.vega-embed { padding-right: 0 !important; }
table { border-collapse: collapse; width: 100%; font-size: 14px; margin: 8px 0; }
th, td { text-align: left; padding: 6px 10px; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; color: var(--soft); font-size: 13px; }
td:first-child { white-space: nowrap; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
code { overflow-wrap: anywhere; font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: 13px; }
.stated, .assumed, .given { font-size: 12px; padding: 1px 8px; border-radius: 10px; border: 1px solid;
  white-space: nowrap; }
.stated { color: #00563f; border-color: #009e73; } .assumed { color: #7a4b00; border-color: #e69f00; }
.given { color: #004b75; border-color: #0072b2; }
footer { margin-top: 40px; border-top: 1px solid var(--line); padding-top: 12px; color: var(--soft); font-size: 13px; }
@media print { main { max-width: none; padding: 0; } h2 { break-after: avoid; } .plot, .tile { break-inside: avoid; } }
"""

# what a browser may do with this file: run its own script and style, fetch nothing
_POLICY = "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:"

_DRAW = """
const specs = JSON.parse(document.getElementById("charts").textContent);
for (const [id, spec] of Object.entries(specs)) {
  vegaEmbed("#" + id, spec, {mode: "vega-lite", renderer: "svg",
    actions: {export: {svg: true, png: true}, source: false, compiled: false, editor: false}, downloadFileName: id});
}
"""


@lru_cache(maxsize=1)
def _library() -> str:
    """The plot library as one script (about 0.9 MB)."""
    import altair as alt  # these two take most of a second to import, and only a report needs them
    import vl_convert

    version = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
    bundle: str = vl_convert.javascript_bundle(vl_version=version)  # type: ignore[call-arg]  # the stub forgets a default
    return bundle.replace("</script", "<\\/script")


def _json(value: object) -> str:
    """JSON that cannot end the script element it stands in."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True).replace("<", "\\u003c")


def _text(value: object) -> str:
    return html.escape(str(value))


DASH = "\u2013"


def _number(value: float | None, digits: int) -> str:
    return DASH if value is None else f"{value:,.{digits}f}".replace(",", "\u202f").replace("-", "\u2212")


_DIGITS = {"nano": 2, "wh": 1, "ticks": 2, "share": 1, "count": 0, "seconds": 2}


def _tile(number: str, label: str) -> str:
    return f'<div class="tile"><b>{_text(number)}</b><span>{_text(label)}</span></div>'


def _tiles(result: RunResult) -> str:
    found = metrics.by_key(result.metrics)
    currency = result.preset.price.currency.value

    def shown(key: str, *, without: bool = False) -> str:
        metric = found[key]
        value = metric.readable(metric.without if without else metric.value)
        unit = metric.shown_unit(currency)
        return f"{_number(value, _DIGITS[metric.unit])} {unit}".strip()

    bills = found["bills"]
    saved = None if bills.value is None or bills.without is None else bills.without - bills.value
    percent = 100 * float(saved / bills.without) if saved is not None and bills.without else None
    return "".join(
        [
            _tile(
                f"{_number(bills.readable(saved), 2)} {currency}",
                f"saved by {result.members.height} members in {result.days} days ({_number(percent, 1)} %)",
            ),
            _tile(shown("price_mean"), "mean price of the auction"),
            _tile(shown("local"), "used by neighbours"),
            _tile(
                shown("self_sufficiency"),
                f"self-sufficiency (without market {shown('self_sufficiency', without=True)})",
            ),
            _tile(
                shown("self_consumption"),
                f"self-consumption (without market {shown('self_consumption', without=True)})",
            ),
            _tile(f"{result.better_off} of {result.members.height}", "members pay less than without the market"),
        ]
    )


def _figures(result: RunResult) -> str:
    currency = result.preset.price.currency.value
    rows = []
    for metric in result.metrics:
        digits = _DIGITS[metric.unit]
        unit = metric.shown_unit(currency)
        rows.append(
            f'<tr><td>{_text(metric.label)}</td><td class="n">{_number(metric.readable(metric.value), digits)}</td>'
            f'<td class="n">{"" if metric.without is None else _number(metric.readable(metric.without), digits)}</td>'
            f"<td>{_text(unit)}</td><td>{_text(metric.formula)}</td></tr>"
        )
    head = (
        '<tr><th>Figure</th><th class="n">With market</th><th class="n">Without</th>'
        "<th>Unit</th><th>What it is</th></tr>"
    )
    return f"<table><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table>"


def figures_html(result: RunResult) -> str:
    """The figures as an HTML table, for notebooks."""
    return f"<p><b>{_text(result.preset.title)}</b>: {_text(result.data)}</p>{_notes(result)}{_figures(result)}"


def _parameters(result: RunResult) -> str:
    rows = "".join(
        f"<tr><td><code>{_text(key)}</code></td><td>{_text(value)}</td>"
        f'<td><span class="{origin}">{origin}</span></td><td>{_text(source)}</td></tr>'
        for key, value, origin, source in result.preset.parameters()
    )
    head = "<tr><th>Parameter</th><th>Value</th><th>Origin</th><th>Source or reason</th></tr>"
    return f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>"


def _provenance(result: RunResult) -> str:
    rows = "".join(
        f"<tr><td>{_text(name)}</td><td><code>{_text(value)}</code></td></tr>"
        for name, value in result.provenance.items()
    )
    return f"<table><tbody>{rows}</tbody></table>"


def _notes(result: RunResult) -> str:
    return "".join(f'<div class="notice">{_text(note)}</div>' for note in result.notes)


def _busiest(result: RunResult) -> tuple[pl.DataFrame, dict[str, float], str] | None:
    """Orders of the slot with the largest auction, its outcome, and its name; None if nothing traded."""
    slots = result.slots.filter(pl.col("price_ticks").is_not_null())
    if not slots.height:
        return None
    row = slots.sort("auction_wh", "slot", descending=[True, False]).row(0, named=True)
    orders = (
        result.orders.filter(
            (pl.col("slot") == row["slot"]) & (pl.col("tranche") == "auction") & (pl.col("reject") == 0)
        )
        .with_columns(quantity_wh=pl.col("quantity_wh") - pl.col("essential_wh"))
        .filter(pl.col("quantity_wh") > 0)
        .select(buy="buy", price=pl.col("price_ticks") / 10_000, quantity=pl.col("quantity_wh") / 1000)
    )
    outcome = {
        name: row[f"price{part}_ticks"] / 10_000 for name, part in (("price", ""), ("low", "_low"), ("high", "_high"))
    }
    return orders, {**outcome, "volume": row["auction_wh"] / 1000}, f"{row['slot']:%a %d %b %Y, %H:%M} UTC"


def render(result: RunResult) -> str:
    """The report of a run as HTML text.

    Parameters
    ----------
    result : RunResult
        What :func:`fastclear.run` returns.

    Returns
    -------
    str
        One document of about 1.5 MB. The same run gives the same text, up to the seconds it took.
    """
    preset = result.preset
    currency = preset.price.currency.value
    levels = {
        "retail": preset.price.retail,
        "feed-in": preset.price.feed_in,
    }
    if preset.market.essential_first.value and preset.price.essential_rate is not None:
        levels["essential"] = preset.price.essential_rate
    specs = {
        "prices": charts.specification(
            charts.prices(result.slots, {name: float(price.value) for name, price in levels.items()}, result.days)
        ),
        "energy": charts.specification(charts.energy(result.slots, result.days)),
        "savings": charts.specification(charts.savings(result.members, currency)),
    }
    uniform = preset.market.rule.one_price
    busiest = _busiest(result)
    if busiest is None:
        curve = "<p>Nothing was traded in the auction, so there is no slot to show.</p>"
    else:
        orders, outcome, when = busiest
        specs["curves"] = charts.specification(charts.curves(orders, **outcome, uniform=uniform))
        rule = (
            "All trade at one price within the clearing interval (shaded)."
            if uniform
            else "Each pair trades at a price of its own; the mark is their mean, the shade spans them all."
        )
        curve = (
            f"<p>The slot with the largest auction, {_text(when)}. Bids from the dearest, asks from the cheapest. "
            f'{rule}</p><div class="plot" id="curves"></div>'
        )
    price_text = (
        "Dots are the auction's price, bars its clearing interval; slots without a trade are empty."
        if uniform
        else "Dots are the volume-weighted mean of a slot's trades, bars span its lowest and highest price."
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{_text(preset.title)}: {result.days} days, seed {result.seed}</title>
<style>{_CSS}</style>
</head>
<body>
<main>
<h1>{_text(preset.title)}</h1>
<p>{_text(preset.summary)}<br><b>Data:</b> {_text(result.data)}</p>
{_notes(result)}
<div class="tiles">{_tiles(result)}</div>
<h2>Prices</h2>
<p>{price_text}</p>
<div class="plot" id="prices"></div>
<h2>Energy</h2>
<p>What served the members' load and charged their batteries, and, below zero, what left for the grid.</p>
<div class="plot" id="energy"></div>
<h2>Supply and demand of one slot</h2>
{curve}
<h2>Saving of each member</h2>
<p>Bill at retail and feed-in price alone, minus the bill with the market. Fees and tax are within both.</p>
<div class="plot" id="savings"></div>
<h2>Key figures</h2>
{_figures(result)}
<h2>Parameters</h2>
<p>Stated: a published review of the platform gives it. Assumed: our choice, because none does.
Given: set for this run.</p>
{_parameters(result)}
<h2>How to repeat this run</h2>
{_provenance(result)}
<footer>Made by fastclear {_text(result.version)}. This file fetches nothing from any network.</footer>
</main>
<script type="application/json" id="charts">{_json(specs)}</script>
<script>{_library()}</script>
<script>{_DRAW}</script>
</body>
</html>
"""


def write(result: RunResult, path: str | Path) -> Path:
    """Write the report to `path`, whole or not at all.

    Raises
    ------
    StoreError
        If the file cannot be written.
    """
    target = Path(path)
    part = target.with_name(f".{target.name}.part")
    try:
        part.write_text(render(result), encoding="utf-8")
        part.replace(target)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise StoreError(f"{target}: the report cannot be written: {error.strerror}") from None
    return target
