"""``fastclear clear``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

import fastclear
from fastclear.cli.files import check_plot, draw, read_orders
from fastclear.cli.options import YesOrNo, checked_seed, chosen_mechanism, flag, fraction, in_units, rule_option
from fastclear.cli.terminal import display, fail, say

_REFUSED_SHOWN = 20


def clear(
    orders: Annotated[
        Path,
        typer.Argument(
            help="A .parquet or .csv file with side, price, quantity (or net_load, for pools); optional market, ..."
        ),
    ],
    mechanism: Annotated[str, typer.Option(help="A name that `fastclear mechanisms` lists.")] = "uniform",
    price_unit: Annotated[str, typer.Option(help="tick (1e-6 currency/kWh), ct/kWh, EUR/kWh, EUR/MWh.")] = "tick",
    quantity_unit: Annotated[str, typer.Option(help="lot (1 Wh), Wh, kWh, MWh.")] = "lot",
    tz: Annotated[
        str | None, typer.Option(help="Zone of times without one, such as Europe/Berlin.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="New directory for markets, fills and trades as Parquet.", show_default=False),
    ] = None,
    explain: Annotated[
        list[str] | None,
        typer.Option(
            help="Say why this order did or did not trade; may be repeated.", show_default=False, metavar="ORDER"
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(help="Draw supply and demand of one market: .html, .png or .svg.", show_default=False),
    ] = None,
    market: Annotated[
        str | None, typer.Option(help="The market that --explain and --plot mean.", show_default=False)
    ] = None,
    allow_rejects: Annotated[
        bool, typer.Option("--allow-rejects", help="Clear the good orders although others were refused.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of the table.")] = False,
    k: Annotated[str | None, rule_option("Share of the gain that goes to sellers, 0 to 1, like 1/2 or 0.5.")] = None,
    rationing: Annotated[
        str | None, rule_option("pro_rata, time, equal, quantity or lottery, at the marginal price.")
    ] = None,
    price_rule: Annotated[
        str | None, rule_option("interval, marginal_ask, marginal_bid, scarce_side, last_pair_midpoint, ...")
    ] = None,
    price_round: Annotated[str | None, rule_option("floor, ceil or half_up.")] = None,
    zero_surplus: Annotated[
        YesOrNo | None, rule_option("Whether a bid trades with an ask of the same price: yes or no.", metavar="YES|NO")
    ] = None,
    whole_levels: Annotated[
        YesOrNo | None,
        rule_option("Whether a price level of demand trades whole or not at all: yes or no.", metavar="YES|NO"),
    ] = None,
    rule: Annotated[str | None, rule_option("Price of a pair: k, bid, ask or earlier.")] = None,
    spread_to: Annotated[
        str | None, rule_option("Who keeps what lies between bid and ask: seller, buyer or operator.")
    ] = None,
    pairing: Annotated[str | None, rule_option("ascending or descending.")] = None,
    fee: Annotated[str | None, rule_option("Inside the clearing, in the unit of prices.")] = None,
    reserve: Annotated[str | None, rule_option("Lowest price for sellers, in the unit of prices.")] = None,
    cap_low: Annotated[str | None, rule_option("Lowest price of an order, in the unit of prices.")] = None,
    cap_high: Annotated[str | None, rule_option("Highest price of an order, in the unit of prices.")] = None,
    seed: Annotated[int | None, rule_option("Of whatever is drawn, 0 to 2^64 - 1.", metavar="N")] = None,
    variant: Annotated[str | None, rule_option("Of muda: lottery or vickrey.")] = None,
    deficit_to: Annotated[str | None, rule_option("Who pays Vickrey's deficit: platform, dso or backstop.")] = None,
    use_p0: Annotated[
        YesOrNo | None,
        rule_option("Whether trade reduction tries the price of the first pair left out: yes or no.", metavar="YES|NO"),
    ] = None,
    unit: Annotated[str | None, rule_option("The one quantity of every order, in the unit of quantities.")] = None,
    buyer_step: Annotated[str | None, rule_option("What a bid rises by in each round, in the unit of prices.")] = None,
    seller_step: Annotated[
        str | None, rule_option("What an ask falls by in each round, in the unit of prices.")
    ] = None,
    max_rounds: Annotated[int | None, rule_option("Most rounds.", metavar="N")] = None,
    method: Annotated[str | None, rule_option("Of blocks: auto, enumerate or branch.")] = None,
    nodes_max: Annotated[int | None, rule_option("Most nodes of branch and bound.", metavar="N")] = None,
    retail: Annotated[str | None, rule_option("Of pools: price from the grid, in the unit of prices.")] = None,
    feed_in: Annotated[str | None, rule_option("Of pools: price to the grid, in the unit of prices.")] = None,
    price: Annotated[str | None, rule_option("Of fixed_price: of local energy, in the unit of prices.")] = None,
    compensation: Annotated[
        str | None, rule_option("Of supply_demand_ratio: added to the feed-in price, in the unit of prices.")
    ] = None,
    key: Annotated[str | None, rule_option("Of fixed_price, who gets local energy: dynamic, static or hybrid.")] = None,
    fixed_cost: Annotated[
        int | None, rule_option("Of bill_sharing: of each period, in nano-currency.", metavar="N")
    ] = None,
    fixed_cost_by: Annotated[str | None, rule_option("Of bill_sharing, who pays it: bought or equal.")] = None,
) -> None:
    """Clear a file of orders: every market in it with one auction."""
    from fastclear.console import clearing_view, printable
    from fastclear.platforms.output import check_new, new_directory

    if out is not None:
        check_new(out)
    if plot is not None:
        check_plot(plot)
    if market is not None and plot is None and not explain:
        fail("--market: says what --explain and --plot mean; give one of them")
    units = fastclear.Units(price=price_unit, quantity=quantity_unit)
    given: dict[str, Any] = {
        "k": None if k is None else fraction("k", k),
        "rationing": rationing,
        "price_rule": price_rule,
        "price_round": price_round,
        "zero_surplus": flag(zero_surplus),
        "whole_levels": flag(whole_levels),
        "rule": rule,
        "spread_to": spread_to,
        "pairing": pairing,
        "seed": None if seed is None else checked_seed(seed),
        "variant": variant,
        "deficit_to": deficit_to,
        "use_p0": flag(use_p0),
        "max_rounds": max_rounds,
        "method": method,
        "nodes_max": nodes_max,
        "key": key,
        "fixed_cost": fixed_cost,
        "fixed_cost_by": fixed_cost_by,
    }
    prices = {"fee": fee, "reserve": reserve, "cap_low": cap_low, "cap_high": cap_high}
    prices |= {"buyer_step": buyer_step, "seller_step": seller_step}
    prices |= {"retail": retail, "feed_in": feed_in, "price": price, "compensation": compensation}
    given |= {name: in_units(name, text, units.ticks, "ticks") for name, text in prices.items() if text is not None}
    given |= {} if unit is None else {"unit": in_units("unit", unit, units.lots, "lots")}
    options = {name: value for name, value in given.items() if value is not None}
    clearing = fastclear.clear(read_orders(orders, tz), chosen_mechanism(mechanism, options), units=units)
    if not clearing.orders.n:
        fail(f"{orders}: holds no orders; give at least one row")
    stories = {order: clearing.explain(*_ids(clearing, order, market)) for order in explain or ()}
    picture = None if plot is None else clearing.plot(None if market is None else _id(clearing, "market", market))
    refused = int((clearing.reject > 0).sum())
    if refused and not allow_rejects:
        _show_refused(clearing, refused)
        for story in stories.values():
            typer.echo(f"\n{printable(story)}")
        fail(
            f"{orders}: {refused:,} of {clearing.orders.n:,} orders were refused and nothing was written: "
            "correct them, or clear the others with --allow-rejects"
        )
    if out is not None:
        with new_directory(out) as folder:
            for name in ("markets", "fills", "trades"):
                getattr(clearing, name).write_parquet(folder / f"{name}.parquet")
    if plot is not None:
        draw(picture, plot)
    if as_json:
        summary = _clearing_summary(clearing, refused, out)
        typer.echo(json.dumps(summary | ({"explained": stories} if stories else {}), indent=2))
    else:
        display(clearing_view(clearing))
        if refused:
            _show_refused(clearing, refused)
        for story in stories.values():
            display(Text(f"\n{story}"))
    if plot is not None:
        say(f"plot: {plot}")


def _id(clearing: Any, column: str, text: str) -> Any:
    """An id of the command line as the file has it: text, or an integer."""
    if column in clearing.orders.texts:
        return text
    try:
        return int(text)
    except ValueError:
        kind = "row numbers, counted from 0" if column == "order" and clearing.orders.order is None else "integers"
        option = "explain" if column == "order" else "market"
        fail(f"--{option} {text}: the ids of this file are {kind}")


def _ids(clearing: Any, order: str, market: str | None) -> tuple[Any, Any]:
    return _id(clearing, "order", order), None if market is None else _id(clearing, "market", market)


def _show_refused(clearing: Any, refused: int) -> None:
    from fastclear.console import refused_view
    from fastclear.reject import RejectReason, remedy

    rows = clearing.fills.with_row_index("row").filter(clearing.fills["reject"] > 0).head(_REFUSED_SHOWN)
    display(
        refused_view(
            [
                (row, str(order), RejectReason(code).name.lower(), remedy(code))
                for row, order, code in rows.select("row", "order", "reject").iter_rows()
            ],
            refused,
        )
    )


def _clearing_summary(clearing: Any, refused: int, out: Path | None) -> dict[str, Any]:
    markets = clearing.markets
    money = ("welfare", "buyer_payment", "seller_revenue", "surplus")
    return {
        "fastclear": fastclear.__version__,
        "orders": clearing.orders.n,
        "refused": refused,
        "markets": [
            {name: int(value) if name in money else value for name, value in row.items()}
            for row in markets.iter_rows(named=True)
        ],
        "units": {"price": "tick (1e-6 currency/kWh)", "quantity": "Wh", "money": "nano-currency"},
        "den": clearing.den,
        "out": None if out is None else str(out),
    }
