"""The report of a run: one HTML file that opens offline, see :mod:`fastclear.page`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from fastclear import charts, metrics
from fastclear import page as pages
from fastclear.page import escaped, number, tile

if TYPE_CHECKING:
    from fastclear.platforms.result import RunResult

BOOKS_AT_MOST = 700
"""Slots whose orders a report carries, so that a reader can choose one: a week of quarter-hours and some more."""
ORDERS_AT_MOST = 2_000
"""Orders of a slot that a report carries one by one."""

_DIGITS = {"nano": 2, "wh": 1, "ticks": 2, "share": 1, "count": 0, "seconds": 2}


def _tiles(result: RunResult) -> str:
    found = metrics.by_key(result.metrics)
    currency = result.preset.price.currency.value

    def shown(key: str, *, without: bool = False) -> str:
        metric = found[key]
        value = metric.readable(metric.without if without else metric.value)
        unit = metric.shown_unit(currency)
        return f"{number(value, _DIGITS[metric.unit])} {unit}".strip()

    bills = found["bills"]
    saved = None if bills.value is None or bills.without is None else bills.without - bills.value
    percent = 100 * float(saved / bills.without) if saved is not None and bills.without else None
    return "".join(
        [
            tile(
                f"{number(bills.readable(saved), 2)} {currency}",
                f"saved by {result.members.height} members in {result.days} days ({number(percent, 1)} %)",
            ),
            tile(shown("price_mean"), "mean price inside the pool" if _pooled(result) else "mean price of the auction"),
            tile(shown("local"), "used by neighbours"),
            tile(
                shown("self_sufficiency"),
                f"self-sufficiency (without market {shown('self_sufficiency', without=True)})",
            ),
            tile(
                shown("self_consumption"),
                f"self-consumption (without market {shown('self_consumption', without=True)})",
            ),
            tile(f"{result.better_off} of {result.members.height}", "members pay less than without the market"),
        ]
    )


def _pooled(result: RunResult) -> bool:
    """Whether nobody bids."""
    return result.preset.market.rule.pool is not None


def _figures(result: RunResult) -> str:
    currency = result.preset.price.currency.value
    rows = []
    for metric in result.metrics:
        digits = _DIGITS[metric.unit]
        unit = metric.shown_unit(currency)
        rows.append(
            f'<tr><td>{escaped(metric.label)}</td><td class="n">{number(metric.readable(metric.value), digits)}</td>'
            f'<td class="n">{"" if metric.without is None else number(metric.readable(metric.without), digits)}</td>'
            f"<td>{escaped(unit)}</td><td>{escaped(metric.formula)}</td></tr>"
        )
    head = (
        '<tr><th>Figure</th><th class="n">With market</th><th class="n">Without</th>'
        "<th>Unit</th><th>What it is</th></tr>"
    )
    return f"<table><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table>"


def figures_html(result: RunResult) -> str:
    """The figures as an HTML table, for notebooks."""
    return f"<p><b>{escaped(result.preset.title)}</b>: {escaped(result.data)}</p>{_notes(result)}{_figures(result)}"


def _parameters(result: RunResult) -> str:
    rows = "".join(
        f"<tr><td><code>{escaped(key)}</code></td><td>{escaped(value)}</td>"
        f'<td><span class="{origin}">{origin}</span></td><td>{escaped(source)}</td></tr>'
        for key, value, origin, source in result.preset.parameters()
    )
    head = "<tr><th>Parameter</th><th>Value</th><th>Origin</th><th>Source or reason</th></tr>"
    return f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>"


def _provenance(result: RunResult) -> str:
    rows = "".join(
        f"<tr><td>{escaped(name)}</td><td><code>{escaped(value)}</code></td></tr>"
        for name, value in result.provenance.items()
    )
    return f"<table><tbody>{rows}</tbody></table>"


def _notes(result: RunResult) -> str:
    return "".join(f'<div class="notice">{escaped(note)}</div>' for note in result.notes)


def order_books(result: RunResult, slots: pl.DataFrame) -> dict[str, Any] | None:
    """The orders of some slots, as the chooser of a page takes them; None where none of them traded.

    Parameters
    ----------
    result : RunResult
        A run.
    slots : polars.DataFrame
        Rows of its slots.

    Returns
    -------
    dict or None
        ``one_price``; ``pool`` (nobody bids); ``busiest`` (name of the slot that traded most); ``slots``: by name
        ``orders`` (buy 1 or 0, ticks, Wh left to the auction; of more than :data:`ORDERS_AT_MOST` a slot, those of a
        side and price as one), ``price``, ``low``, ``high`` (ticks), ``wh`` traded.
    """
    traded = slots.filter(pl.col("price_ticks").is_not_null())
    if not traded.height:
        return None
    name = pl.col("slot").dt.strftime("%Y-%m-%d %H:%M")
    each = (
        result.orders.filter((pl.col("tranche") != "essential") & (pl.col("reject") == 0))
        .select("slot", pl.col("buy").cast(pl.Int8), "price_ticks", wh=pl.col("quantity_wh") - pl.col("essential_wh"))
        .filter(pl.col("wh") > 0)
        .join(traded.select("slot"), on="slot", how="semi")
    )
    orders = _crowds_by_price(each).group_by("slot", maintain_order=True).agg("buy", "price_ticks", "wh")
    by_slot = {
        row["slot"]: list(zip(row["buy"], row["price_ticks"], row["wh"], strict=True))
        for row in orders.iter_rows(named=True)
    }
    found = {
        row["name"]: {
            "orders": by_slot[row["slot"]],
            "price": row["price_ticks"],
            "low": row["price_low_ticks"],
            "high": row["price_high_ticks"],
            "wh": row["auction_wh"],
        }
        for row in traded.with_columns(name=name).iter_rows(named=True)
    }
    busiest = max(found, key=lambda slot: found[slot]["wh"])
    one_price = result.preset.market.rule.one_price
    return {"one_price": one_price, "pool": _pooled(result), "busiest": busiest, "slots": found}


def _crowds_by_price(orders: pl.DataFrame) -> pl.DataFrame:
    """Orders, those of crowded slots added up by side and price: the curves are the same, and a page stays small."""
    crowded = pl.len().over("slot") > ORDERS_AT_MOST
    small, large = orders.filter(~crowded), orders.filter(crowded)
    if not large.height:
        return orders
    summed = large.group_by("slot", "buy", "price_ticks", maintain_order=True).agg(pl.col("wh").sum())
    return pl.concat([small, summed])


def empty_curves(books: dict[str, Any]) -> dict[str, Any]:
    """The chart of a slot's curves, drawn from the busiest slot of the first platform until another is chosen."""
    book = next(iter(books.values()))
    slot = book["slots"][book["busiest"]]
    orders = pl.DataFrame(slot["orders"], schema=["buy", "price", "quantity"], orient="row").select(
        pl.col("buy") == 1, pl.col("price") / 10_000, pl.col("quantity") / 1000
    )
    prices = {name: slot[name] / 10_000 for name in ("low", "high", "price")}
    return charts.specification(
        charts.curves(orders, **prices, volume=slot["wh"] / 1000, uniform=book["one_price"], pool=book["pool"])
    )


def proof(result: RunResult) -> tuple[int, str]:
    """A proof to copy: that the last record of the busiest block stands in it, and the block in the log."""
    height = int(result.slots.sort("records", "block", descending=[True, False])["block"][0])
    checkpoint = result.ledger.cosigned
    return height, result.ledger.prove(height, result.ledger.block(height).records - 1, checkpoint=checkpoint).to_json()


def proof_html(result: RunResult, key: str) -> str:
    """The head of a ledger, and a proof in a box with a button that copies it."""
    height, text = proof(result)
    return (
        f"<details><summary>{escaped(result.preset.title)}: head <code>{result.head}</code></summary>"
        f"<p>A proof that the last record of block {height:,} stands in it. Save it as <code>proof.json</code>; "
        f"<code>python light_client.py proof.json --head {result.ledger.block(height).hash}</code> checks it with "
        f"nothing but the standard library.</p>"
        f"{_signed_html(result, key)}"
        f'<textarea id="proof-{key}" readonly spellcheck="false">{escaped(text)}</textarea>'
        f'<button type="button" data-copy="proof-{key}">Copy the proof</button></details>'
    )


def _signed_html(result: RunResult, key: str) -> str:
    """Who has cosigned a ledger, and the policy that asks for them; nothing where there is one writer."""
    checkpoint = result.ledger.cosigned
    if result.policy is None or checkpoint is None:
        return ""
    consortium = result.ledger.consortium
    names = ", ".join(checkpoint.cosigners(consortium)) if consortium is not None else ""
    return (
        f"<p>The log of {checkpoint.size:,} blocks is cosigned by {escaped(names)}; the proof carries their "
        f"signatures. With this policy in <code>policy.txt</code> (<code>--out</code> writes it), "
        f"<code>--policy policy.txt</code> asks for them. Their keys come from the seed of the run: they vouch for a "
        f"simulation and nothing else.</p>"
        f'<textarea id="policy-{key}" readonly spellcheck="false">{escaped(result.policy)}</textarea>'
    )


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
        "trades": charts.specification(charts.load_and_trades(result.slots, result.days)),
        "energy": charts.specification(charts.energy(result.slots, result.days)),
        "savings": charts.specification(charts.savings(result.members, currency)),
    }
    uniform = preset.market.rule.one_price
    slots = result.slots.filter(pl.col("price_ticks").is_not_null())
    if slots.height > BOOKS_AT_MOST:
        slots = slots.sort("auction_wh", "slot", descending=[True, False]).head(BOOKS_AT_MOST).sort("slot")
    book = order_books(result, slots)
    books = None if book is None else {preset.name: book}
    if books is None:
        curve = "<p>Nothing was traded in the auction, so there is no slot to show.</p>"
    else:
        specs["curves"] = empty_curves(books)
        rule = (
            "Nobody bids in a pool: what was metered stands at what the grid would charge, less fees, or pay."
            if _pooled(result)
            else "All trade at one price within the clearing interval (shaded)."
            if uniform
            else "Each pair trades at a price of its own; the mark is their mean, the shade spans them all."
        )
        curve = f"<p>Bids from the dearest, asks from the cheapest. {rule}</p>{pages.CHOOSER}"
    price_text = (
        "Dots are the price of energy that stays in the community; slots in which none did are empty."
        if _pooled(result)
        else "Dots are the auction's price, bars its clearing interval; slots without a trade are empty."
        if uniform
        else "Dots are the volume-weighted mean of a slot's trades, bars span its lowest and highest price."
    )
    fixed = "Fees and tax are within both."
    if preset.price.subscription is not None:
        fixed = "Fees and tax are within both, and within the second the subscription for the days of the run."
    body = f"""<h1>{escaped(preset.title)}</h1>
<p>{escaped(preset.summary)}<br><b>Data:</b> {escaped(result.data)}</p>
{_notes(result)}
<div class="tiles">{_tiles(result)}</div>
<h2>Prices</h2>
<p>{price_text}</p>
<div class="plot" id="prices"></div>
<h2>Load, PV and trades</h2>
<p>All members together: what they used, what their panels gave, and what neighbours sold each other.</p>
<div class="plot" id="trades"></div>
<h2>Energy</h2>
<p>What served the members' load and charged their batteries, and, below zero, what left for the grid.</p>
<div class="plot" id="energy"></div>
<h2>Supply and demand of one slot</h2>
{curve}
<h2>Saving of each member</h2>
<p>Bill at retail and feed-in price alone, minus the bill with the market. {fixed}</p>
<div class="plot" id="savings"></div>
<h2>Key figures</h2>
{_figures(result)}
<h2>Parameters</h2>
<p>Stated: a published review of the platform gives it. Assumed: our choice, because none does.
Given: set for this run.</p>
{_parameters(result)}
<h2>Ledger</h2>
{proof_html(result, "run")}
<h2>How to repeat this run</h2>
{_provenance(result)}"""
    title = f"{preset.title}: {result.days} days, seed {result.seed}"
    return pages.page(title, body, specs, result.version, books)


def write(result: RunResult, path: str | Path) -> Path:
    """Write the report to `path`, whole or not at all.

    Raises
    ------
    StoreError
        If the file cannot be written.
    """
    return pages.write(render(result), path)
