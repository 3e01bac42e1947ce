"""The frame of a report: one HTML file that opens offline. No address is fetched, and its own policy forbids it.

Plots are Vega-Lite, drawn by the library that vl-convert bundles, all of it within the file. What comes from the user's
data (names of members, of the community) is escaped.
"""

from __future__ import annotations

import html
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from fastclear.errors import StoreError

CSS = """
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
.choose { display: flex; flex-wrap: wrap; gap: 8px 16px; align-items: center; margin: 8px 0; color: var(--soft); }
select, button { font: inherit; padding: 4px 10px; border: 1px solid var(--line); border-radius: 6px; background: #fff;
  color: var(--ink); }
button { cursor: pointer; background: var(--tile); }
textarea { width: 100%; height: 150px; font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: 12px;
  border: 1px solid var(--line); border-radius: 6px; padding: 8px; color: var(--ink); background: var(--tile); }
details { margin: 6px 0; } summary { cursor: pointer; overflow-wrap: anywhere; }
.wide { overflow-x: auto; } .wide th { white-space: normal; vertical-align: bottom; }
.wide td, .wide th { padding: 6px 7px; } .wide td:first-child { white-space: normal; min-width: 8em; }
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
function draw(id, spec) {
  return vegaEmbed("#" + id, spec, {mode: "vega-lite", renderer: "svg",
    actions: {export: {svg: true, png: true}, source: false, compiled: false, editor: false}, downloadFileName: id});
}
for (const [id, spec] of Object.entries(specs)) if (id !== "curves") draw(id, spec);
for (const button of document.querySelectorAll("button[data-copy]")) {
  button.addEventListener("click", () => {
    const area = document.getElementById(button.dataset.copy);
    area.select();
    document.execCommand("copy");
    button.textContent = "Copied";
  });
}
"""

# the orders of a slot as a step curve, and the clearing over it: what charts.curves draws, for a slot of one's choice
_CURVES = """
const books = JSON.parse(document.getElementById("books").textContent);
const named = (name) => specs.curves.layer.find((layer) => layer.data && layer.data.name === name);
function steps(orders, buy) {
  const ranked = orders.filter((order) => order[0] === buy).sort((a, b) => buy ? b[1] - a[1] : a[1] - b[1]);
  const points = [];
  let reached = 0;
  for (const [, price, wh] of ranked) {
    for (const at of [reached, reached + wh]) points.push({curve: buy ? "Demand (bids)" : "Supply (asks)",
      at: points.length, kwh: at / 1000, price: price / 10000});
    reached += wh;
  }
  return points;
}
function show(platform, slot) {
  const {orders, price, low, high, wh} = books[platform].slots[slot];
  const demand = steps(orders, 1), supply = steps(orders, 0);
  const end = (points) => points.length ? points[points.length - 1].kwh : 0;
  const ends = [end(demand), end(supply)].sort((a, b) => a - b);
  const ct = (ticks) => (ticks / 10000).toFixed(2);
  const span = books[platform].pool ? "which stay in the community"
    : !books[platform].one_price ? `on average, from ${ct(low)} to ${ct(high)}`
    : low < high ? `interval ${ct(low)} to ${ct(high)}` : "the interval is this one price";
  const lines = named("points");
  lines.data.values = demand.concat(supply);
  lines.encoding.x.scale.domain = [0, Math.min(ends[1], 2 * ends[0]) || ends[1]];
  named("interval").data.values = [{low: low / 10000, high: high / 10000}];
  const text = `${(wh / 1000).toFixed(2)} kWh at ${ct(price)} ct/kWh, ${span}`;
  for (const layer of specs.curves.layer) if (layer.data && layer.data.name === "outcome") {
    layer.data.values = [{kwh: wh / 1000, price: price / 10000, text}];
    // in a pool there is no room to the right of the mark
    const side = books[platform].pool ? {align: "right", dx: -12} : {align: "left", dx: 12};
    if (layer.mark.type === "text") Object.assign(layer.mark, side);
  }
  draw("curves", specs.curves);
}
const platformChoice = document.getElementById("platform"), slotChoice = document.getElementById("slot");
function fill() {
  const kept = slotChoice.value;
  slotChoice.replaceChildren(...Object.keys(books[platformChoice.value].slots).map((slot) => new Option(slot, slot)));
  const first = books[platformChoice.value].busiest;
  slotChoice.value = kept in books[platformChoice.value].slots ? kept : first;
}
platformChoice.parentElement.hidden = Object.keys(books).length < 2;
platformChoice.replaceChildren(...Object.keys(books).map((name) => new Option(name, name)));
const asked = new URLSearchParams(location.hash.slice(1));
if (asked.get("platform") in books) platformChoice.value = asked.get("platform");
fill();
if (asked.get("slot") in books[platformChoice.value].slots) slotChoice.value = asked.get("slot");
platformChoice.addEventListener("change", () => { fill(); show(platformChoice.value, slotChoice.value); });
slotChoice.addEventListener("change", () => show(platformChoice.value, slotChoice.value));
show(platformChoice.value, slotChoice.value);
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


def escaped(value: object) -> str:
    """Text that is no markup."""
    return html.escape(str(value))


DASH = "\u2013"


def number(value: float | None, digits: int) -> str:
    """A number with narrow spaces between thousands and a true minus sign; a dash where there is none."""
    return DASH if value is None else f"{value:,.{digits}f}".replace(",", "\u202f").replace("-", "\u2212")


def tile(figure: str, label: str) -> str:
    """A figure in large letters, and what it is."""
    return f'<div class="tile"><b>{escaped(figure)}</b><span>{escaped(label)}</span></div>'


def table(head: list[tuple[str, bool]], rows: list[list[str]]) -> str:
    """A table of escaped cells; the names of columns, and whether each holds numbers."""
    names = "".join(f'<th class="n">{name}</th>' if numbers else f"<th>{name}</th>" for name, numbers in head)
    cells = "".join(
        "<tr>"
        + "".join(
            f'<td class="n">{cell}</td>' if numbers else f"<td>{cell}</td>"
            for cell, (_, numbers) in zip(row, head, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table><thead><tr>{names}</tr></thead><tbody>{cells}</tbody></table></div>'


CHOOSER = """<div class="choose"><label>Platform <select id="platform"></select></label>
<label>Slot (UTC) <select id="slot"></select></label></div>
<div class="plot" id="curves"></div>"""
"""Where the curves of a chosen slot are drawn; the page needs its books."""


def page(title: str, body: str, specs: dict[str, Any], version: str, books: dict[str, Any] | None = None) -> str:
    """A whole report.

    Parameters
    ----------
    title : str
        Of the document; escaped here.
    body : str
        Markup, with a ``<div class="plot" id="...">`` for each of `specs`.
    specs : dict
        Vega-Lite by id.
    version : str
        Of the library, for the foot.
    books : dict, optional
        By platform the orders of its slots, which :data:`CHOOSER` shows; see ``order_books`` in ``report.py``.
    """
    chooser = "" if books is None else f'<script type="application/json" id="books">{_json(books)}</script>\n'
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escaped(title)}</title>
<style>{CSS}</style>
</head>
<body>
<main>
{body}
<footer>Made by fastclear {escaped(version)}. This file fetches nothing from any network.</footer>
</main>
<script type="application/json" id="charts">{_json(specs)}</script>
{chooser}<script>{_library()}</script>
<script>{_DRAW}{"" if books is None else _CURVES}</script>
</body>
</html>
"""


def write(text: str, path: str | Path) -> Path:
    """Write a report to `path`, whole or not at all.

    Raises
    ------
    StoreError
        If the file cannot be written.
    """
    target = Path(path)
    part = target.with_name(f".{target.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(target)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise StoreError(f"{target}: the report cannot be written: {error.strerror}") from None
    return target
