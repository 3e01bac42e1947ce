"""The command `fastclear`.

Results go to standard output, everything else to standard error. Exit codes: 0 done (also where a reader such as `head`
has seen enough), 1 a ledger that does not verify, 2 input that cannot be used, 130 interrupted.
"""

from __future__ import annotations

import contextlib
import difflib
import functools
import io
import json
import os
import re
import sys
from collections.abc import Callable
from dataclasses import asdict
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, NoReturn, ParamSpec, TextIO

import typer
from rich.console import Console, RenderableType
from rich.text import Text

import fastclear
from fastclear import _startup
from fastclear.errors import FastclearError

app = typer.Typer(
    name="fastclear",
    help="A clearing house for peer-to-peer energy markets: auctions, settlement and sealed blocks, exact to the last "
    "unit.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

_WRONG_LEDGER = 1
_BAD_INPUT = 2
_INTERRUPTED = 130
_REFUSED_SHOWN = 20
_WIDTH = 100
_SEED_MAX = 2**64 - 1


class Auction(StrEnum):
    """Price rule of an auction."""

    uniform = "uniform"
    discriminatory = "discriminatory"


class YesOrNo(StrEnum):
    """A choice whose default differs from mechanism to mechanism."""

    yes = "yes"
    no = "no"


class Rounding(StrEnum):
    """What happens to energy that is not whole Wh."""

    refuse = "refuse"
    half_even = "half_even"


class _Console(Console):
    """A console that leaves a reader's going away to the command."""

    def on_broken_pipe(self) -> None:
        """Hand it on; rich would end the process with exit code 1, which says something else here."""
        raise BrokenPipeError


def _out() -> Console:
    console = _Console(highlight=False, emoji=False)
    return console if console.width <= _WIDTH else _Console(highlight=False, emoji=False, width=_WIDTH)


def _show(view: RenderableType) -> None:
    _out().print(view)


def _say(message: str) -> None:
    from fastclear.console import printable

    lines = [printable(line) for line in message.split("\n")]
    try:
        _Console(stderr=True, highlight=False, emoji=False, soft_wrap=True).print("\n".join(lines), markup=False)
    except BrokenPipeError:
        _nobody_reads(sys.stderr)


def _nobody_reads(stream: TextIO) -> None:
    """Let what is still to be written vanish; the interpreter must not complain about it at exit either."""
    with contextlib.suppress(OSError, ValueError):  # a stream of a test has no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _fail(message: str, code: int = _BAD_INPUT) -> NoReturn:
    _say(f"fastclear: {message}")
    raise typer.Exit(code)


_AS_OPTIONS = (
    (re.compile(r"""units=fc\.Units\(price="([^"]+)", quantity="([^"]+)"\)"""), r"--price-unit \1 --quantity-unit \2"),
    (re.compile(r"""\b(tz|rounding)=(?:"([^"]+)"|'([^']+)')"""), r"--\1 \2\3"),
    (re.compile(r"\ballow_gaps=True"), "--allow-gaps"),
    (re.compile(r"\bslot_minutes=(\d+)"), r"--slot-minutes \1"),
    (re.compile(r"\bmarket=\.\.\."), "--market MARKET"),
    (re.compile(r"""\border=(?:'([^']+)'|(-?\d+))"""), r"--explain \1\2"),
    (re.compile(r"""\bmarket=(?:'([^']+)'|(-?\d+))"""), r"--market \1\2"),
)


def _for_command_line(message: str) -> str:
    """A remedy in the words of the command: ``tz="Europe/Berlin"`` is ``--tz Europe/Berlin`` here."""
    for pattern, option in _AS_OPTIONS:
        message = pattern.sub(option, message)
    return message


P = ParamSpec("P")


def _guarded(command: Callable[P, None]) -> Callable[P, None]:
    """A command whose user's errors are one line on standard error and exit code 2, and an interrupt 130."""

    @functools.wraps(command)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
            sys.stdout.flush()
        except FastclearError as error:
            _fail(_for_command_line(str(error)))
        except BrokenPipeError:
            _nobody_reads(sys.stdout)
        except KeyboardInterrupt:
            _say("fastclear: interrupted; nothing was written")
            raise typer.Exit(_INTERRUPTED) from None

    return guarded


def _version(value: bool) -> None:
    if value:
        typer.echo(f"fastclear {fastclear.__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", help="Say the version and stop.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


@app.command(
    epilog="Examples:\n\n"
    "  fastclear run brooklyn\n\n"
    "  fastclear run brooklyn --days 28 --mechanism discriminatory --out four_weeks\n\n"
    "  fastclear run my_rules.toml --community my_homes.csv --report week.html"
)
@_guarded
def run(
    platform: Annotated[str, typer.Argument(help="A platform's name (see `fastclear platforms`) or a preset file.")],
    community: Annotated[
        str,
        typer.Option(help="embedded, simbench, simbench:GRIDCODE, or a .parquet or .csv file.", show_default=True),
    ] = "embedded",
    days: Annotated[int, typer.Option(min=1, help="Days to trade, from the start of the data.")] = 7,
    seed: Annotated[int, typer.Option(metavar="N", help="Everything random comes from it; 0 to 2^64 - 1.")] = 1,
    mechanism: Annotated[
        Auction | None,
        typer.Option(help="Another reading of the auction than the preset's.", show_default=False),
    ] = None,
    tz: Annotated[
        str | None, typer.Option(help="Zone of times without one in --community, such as Europe/Berlin.")
    ] = None,
    rounding: Annotated[Rounding, typer.Option(help="Energy in --community that is not whole Wh.")] = Rounding.refuse,
    allow_gaps: Annotated[
        bool, typer.Option("--allow-gaps", help="Accept slots that nobody in --community has.")
    ] = False,
    slot_minutes: Annotated[
        int | None, typer.Option(min=1, max=1440, help="Length of a slot in --community, where it cannot be seen.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="New directory for frames, ledger, preset and report.", show_default=False),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="Write the report, one HTML file that opens offline.", show_default=False),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar and no remarks.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of the table.")] = False,
) -> None:
    """Let a community trade on a platform: orders, clearing, settlement and a sealed block in every slot."""
    from fastclear.console import result_view
    from fastclear.platforms.output import summary
    from fastclear.platforms.simulation import run as simulate

    if report is not None and not report.absolute().parent.is_dir():
        _fail(f"--report {report}: the directory {report.absolute().parent} does not exist; make it first")
    result = simulate(
        platform,
        community=_community(
            community,
            {"tz": tz, "rounding": rounding.value, "allow_gaps": allow_gaps, "slot_minutes": slot_minutes},
        ),
        days=days,
        seed=_checked_seed(seed),
        mechanism=None if mechanism is None else mechanism.value,
        out=out,
        progress=not quiet and sys.stderr.isatty(),
    )
    if report is not None:
        result.report(report)
    if as_json:
        typer.echo(json.dumps({**summary(result), "out": None if out is None else str(out)}, indent=2))
    else:
        _show(result_view(result))
    if not quiet:
        for what, where in (("all files", out), ("report", report)):
            if where is not None:
                _say(f"{what}: {where}")


def _community(name: str, reading: dict[str, Any]) -> Any:
    """A community by name, or a file read as asked."""
    if name.lower().endswith((".csv", ".parquet")):
        return fastclear.community_from_frame(name, **reading)
    asked = [
        f"--{option.replace('_', '-')}" for option, value in reading.items() if value not in (None, False, "refuse")
    ]
    if asked:
        _fail(f"{', '.join(asked)}: for a .csv or .parquet file only; --community is {name!r}")
    return name


_RULE = "Rule (each mechanism takes some of these; see `fastclear mechanisms NAME`)"


def _rule(help_text: str, **settings: Any) -> Any:
    return typer.Option(help=help_text, show_default=False, rich_help_panel=_RULE, **settings)


@app.command(
    epilog="Examples:\n\n"
    "  fastclear clear orders.parquet\n\n"
    "  fastclear clear orders.csv --price-unit ct/kWh --quantity-unit kWh --out cleared\n\n"
    "  fastclear clear orders.csv --mechanism random_matching --seed 7 --explain b1 --plot market.html"
)
@_guarded
def clear(
    orders: Annotated[
        Path,
        typer.Argument(help="A .parquet or .csv file with side, price, quantity; optional market, order, ..."),
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
    k: Annotated[str | None, _rule("Share of the gain that goes to sellers, 0 to 1, like 1/2 or 0.5.")] = None,
    rationing: Annotated[
        str | None, _rule("pro_rata, time, equal, quantity or lottery, at the marginal price.")
    ] = None,
    price_rule: Annotated[
        str | None, _rule("interval, marginal_ask, marginal_bid, scarce_side, last_pair_midpoint, ...")
    ] = None,
    price_round: Annotated[str | None, _rule("floor, ceil or half_up.")] = None,
    zero_surplus: Annotated[
        YesOrNo | None, _rule("Whether a bid trades with an ask of the same price: yes or no.", metavar="YES|NO")
    ] = None,
    whole_levels: Annotated[
        YesOrNo | None,
        _rule("Whether a price level of demand trades whole or not at all: yes or no.", metavar="YES|NO"),
    ] = None,
    rule: Annotated[str | None, _rule("Price of a pair: k, bid, ask or earlier.")] = None,
    spread_to: Annotated[
        str | None, _rule("Who keeps what lies between bid and ask: seller, buyer or operator.")
    ] = None,
    pairing: Annotated[str | None, _rule("ascending or descending.")] = None,
    fee: Annotated[str | None, _rule("Inside the clearing, in the unit of prices.")] = None,
    reserve: Annotated[str | None, _rule("Lowest price for sellers, in the unit of prices.")] = None,
    cap_low: Annotated[str | None, _rule("Lowest price of an order, in the unit of prices.")] = None,
    cap_high: Annotated[str | None, _rule("Highest price of an order, in the unit of prices.")] = None,
    seed: Annotated[int | None, _rule("Of whatever is drawn, 0 to 2^64 - 1.", metavar="N")] = None,
    variant: Annotated[str | None, _rule("Of muda: lottery or vickrey.")] = None,
    deficit_to: Annotated[str | None, _rule("Who pays Vickrey's deficit: platform, dso or backstop.")] = None,
    use_p0: Annotated[
        YesOrNo | None,
        _rule("Whether trade reduction tries the price of the first pair left out: yes or no.", metavar="YES|NO"),
    ] = None,
    unit: Annotated[str | None, _rule("The one quantity of every order, in the unit of quantities.")] = None,
    buyer_step: Annotated[str | None, _rule("What a bid rises by in each round, in the unit of prices.")] = None,
    seller_step: Annotated[str | None, _rule("What an ask falls by in each round, in the unit of prices.")] = None,
    max_rounds: Annotated[int | None, _rule("Most rounds.", metavar="N")] = None,
    method: Annotated[str | None, _rule("Of blocks: auto, enumerate or branch.")] = None,
    nodes_max: Annotated[int | None, _rule("Most nodes of branch and bound.", metavar="N")] = None,
) -> None:
    """Clear a file of orders: every market in it with one auction."""
    from fastclear.console import clearing_view, printable
    from fastclear.platforms.output import check_new, new_directory

    if out is not None:
        check_new(out)
    if plot is not None:
        _check_plot(plot)
    if market is not None and plot is None and not explain:
        _fail("--market: says what --explain and --plot mean; give one of them")
    units = fastclear.Units(price=price_unit, quantity=quantity_unit)
    given: dict[str, Any] = {
        "k": None if k is None else _fraction("k", k),
        "rationing": rationing,
        "price_rule": price_rule,
        "price_round": price_round,
        "zero_surplus": _flag(zero_surplus),
        "whole_levels": _flag(whole_levels),
        "rule": rule,
        "spread_to": spread_to,
        "pairing": pairing,
        "seed": None if seed is None else _checked_seed(seed),
        "variant": variant,
        "deficit_to": deficit_to,
        "use_p0": _flag(use_p0),
        "max_rounds": max_rounds,
        "method": method,
        "nodes_max": nodes_max,
    }
    prices = {"fee": fee, "reserve": reserve, "cap_low": cap_low, "cap_high": cap_high}
    prices |= {"buyer_step": buyer_step, "seller_step": seller_step}
    given |= {name: _in_units(name, text, units.ticks, "ticks") for name, text in prices.items() if text is not None}
    given |= {} if unit is None else {"unit": _in_units("unit", unit, units.lots, "lots")}
    options = {name: value for name, value in given.items() if value is not None}
    clearing = fastclear.clear(_read_orders(orders, tz), _mechanism(mechanism, options), units=units)
    if not clearing.orders.n:
        _fail(f"{orders}: holds no orders; give at least one row")
    stories = {order: clearing.explain(*_ids(clearing, order, market)) for order in explain or ()}
    picture = None if plot is None else clearing.plot(None if market is None else _id(clearing, "market", market))
    refused = int((clearing.reject > 0).sum())
    if refused and not allow_rejects:
        _show_refused(clearing, refused)
        for story in stories.values():
            typer.echo(f"\n{printable(story)}")
        _fail(
            f"{orders}: {refused:,} of {clearing.orders.n:,} orders were refused and nothing was written: "
            "correct them, or clear the others with --allow-rejects"
        )
    if out is not None:
        with new_directory(out) as folder:
            for name in ("markets", "fills", "trades"):
                getattr(clearing, name).write_parquet(folder / f"{name}.parquet")
    if plot is not None:
        _draw(picture, plot)
    if as_json:
        summary = _clearing_summary(clearing, refused, out)
        typer.echo(json.dumps(summary | ({"explained": stories} if stories else {}), indent=2))
    else:
        _show(clearing_view(clearing))
        if refused:
            _show_refused(clearing, refused)
        for story in stories.values():
            _show(Text(f"\n{story}"))
    if plot is not None:
        _say(f"plot: {plot}")


def _mechanism(name: str, options: dict[str, Any]) -> Any:
    """A mechanism by its name on the command line; complaints name options and not parameters."""
    from fastclear.auction.registry import make, options_of

    try:
        return make(name, options)
    except fastclear.MechanismError as error:
        message = str(error)
        for option in options_of(name):
            message = re.sub(rf"(?<![\w-]){option}=", f"--{option.replace('_', '-')} ", message)
        message = re.sub(r"Fraction\((-?\d+), (\d+)\)", r"\1/\2", message).replace("/1 is", " is")
        _fail(message)


def _flag(choice: YesOrNo | None) -> bool | None:
    return None if choice is None else choice is YesOrNo.yes


def _checked_seed(seed: int) -> int:
    if not 0 <= seed <= _SEED_MAX:
        _fail(f"--seed {seed}: is outside 0 to 2^64 - 1, {_SEED_MAX}")
    return seed


def _fraction(name: str, text: str) -> Any:
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        _fail(f'--{name} {text}: is no number; write a share from 0 to 1, like "1/2" or "0.5"')


def _in_units(name: str, text: str, scale: int, whole: str) -> int:
    """A price or quantity of the command line as whole ticks or lots."""
    option = name.replace("_", "-")
    try:
        value = Fraction(text) * scale
    except (ValueError, ZeroDivisionError):
        _fail(f"--{option} {text}: is no number")
    if value.denominator != 1:
        _fail(f"--{option} {text}: is no whole number of {whole}, of which {scale:,} are 1 of its unit")
    return int(value)


def _id(clearing: Any, column: str, text: str) -> Any:
    """An id of the command line as the file has it: text, or an integer."""
    if column in clearing.orders.texts:
        return text
    try:
        return int(text)
    except ValueError:
        kind = "row numbers, counted from 0" if column == "order" and clearing.orders.order is None else "integers"
        option = "explain" if column == "order" else "market"
        _fail(f"--{option} {text}: the ids of this file are {kind}")


def _ids(clearing: Any, order: str, market: str | None) -> tuple[Any, Any]:
    return _id(clearing, "order", order), None if market is None else _id(clearing, "market", market)


_PICTURES = (".html", ".png", ".svg")


def _check_plot(path: Path) -> None:
    if path.suffix.lower() not in _PICTURES:
        _fail(f"--plot {path}: is none of {', '.join(_PICTURES)}")
    if not path.absolute().parent.is_dir():
        _fail(f"--plot {path}: the directory {path.absolute().parent} does not exist; make it first")


def _draw(chart: Any, path: Path) -> None:
    """Write a picture, whole or not at all; a page holds its plot library and opens offline."""
    part = path.with_name(f".{path.name}.part")
    try:
        match path.suffix.lower():
            case ".html":
                chart.save(part, format="html", inline=True)
            case ".png":
                chart.save(part, format="png", scale_factor=2)
            case _:
                chart.save(part, format="svg")
        part.replace(path)
    except OSError as error:
        _fail(f"--plot {path}: cannot be written: {error.strerror or error}")
    finally:
        part.unlink(missing_ok=True)


@app.command(epilog="Examples:\n\n  fastclear mechanisms\n\n  fastclear mechanisms trade_reduction")
@_guarded
def mechanisms(
    name: Annotated[
        str | None, typer.Argument(help="One of them: its rule, claims, source and options.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of the table.")] = False,
) -> None:
    """List the auctions and what each of them promises."""
    from fastclear.auction.properties import PROPERTIES
    from fastclear.auction.registry import name_of
    from fastclear.console import mechanism_view, mechanisms_view

    rows = PROPERTIES
    if name is not None:
        key = name.lower().replace("-", "_")
        rows = tuple(row for row in PROPERTIES if name_of(row.mechanism) == key)
        if not rows:
            known = list(dict.fromkeys(name_of(row.mechanism) for row in PROPERTIES))
            close = difflib.get_close_matches(key, known, n=1)
            _fail(
                f"no mechanism {name!r}: " + (f"did you mean {close[0]}?" if close else f"there is {', '.join(known)}")
            )
    if as_json:
        frame = fastclear.mechanisms().filter([row in rows for row in PROPERTIES])
        commands = [name_of(row.mechanism) for row in rows]
        typer.echo(json.dumps([{"command": c, **d} for c, d in zip(commands, frame.to_dicts(), strict=True)], indent=2))
        return
    if name is not None:
        _show(mechanism_view(rows))
        return
    _show(mechanisms_view(rows))
    _say("More about one: fastclear mechanisms NAME. Use it: fastclear clear FILE --mechanism NAME")


def _read_orders(path: Path, tz: str | None) -> Any:
    import polars as pl

    readers: dict[str, Any] = {
        ".parquet": pl.read_parquet,
        ".csv": functools.partial(pl.read_csv, try_parse_dates=True),
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        _fail(f"{path}: is neither .parquet nor .csv; convert it")
    if not path.is_file():
        _fail(f"{path}: there is no such file")
    try:
        frame = reader(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        _fail(f"{path}: cannot be read: {str(error).splitlines()[0]}")
    time = frame.schema.get("time")
    if isinstance(time, pl.Datetime) and time.time_zone is None:
        if tz is None:
            _fail(f"{path}: column 'time' holds times without a time zone; say which with --tz, such as --tz UTC")
        try:
            return frame.with_columns(frame["time"].dt.replace_time_zone(tz))
        except pl.exceptions.PolarsError as error:
            _fail(f"--tz {tz}: {str(error).splitlines()[0]}")
    if tz is not None:
        _fail(f"--tz {tz}: {path} has no column 'time' without a zone; leave it out")
    return frame


def _show_refused(clearing: Any, refused: int) -> None:
    from fastclear.console import refused_view
    from fastclear.reject import RejectReason, remedy

    rows = clearing.fills.with_row_index("row").filter(clearing.fills["reject"] > 0).head(_REFUSED_SHOWN)
    _show(
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


@app.command(epilog="Example:\n\n  fastclear verify out/ledger")
@_guarded
def verify(
    directory: Annotated[Path, typer.Argument(help="A ledger directory, or a run's --out directory that holds one.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of text.")] = False,
) -> None:
    """Check every byte of a ledger: hashes, chain, balances. Exit code 1 if anything is wrong."""
    from fastclear.block import VerificationError
    from fastclear.ledger import verify_directory

    folder = directory / "ledger" if (directory / "ledger").is_dir() else directory
    if not folder.is_dir() or not any(folder.iterdir()):
        _fail(f"{directory}: there is no ledger here")
    try:
        report = verify_directory(folder)
    except VerificationError as error:
        if as_json:
            fault = {name: getattr(error, name) for name in ("height", "record", "file", "offset", "reason")}
            typer.echo(json.dumps({"directory": str(directory), "ok": False, "first_bad_block": fault}, indent=2))
        _fail(f"{directory}: the ledger is wrong: {error}", _WRONG_LEDGER)
    if as_json:
        typer.echo(json.dumps({"directory": str(directory), "ok": True, **asdict(report)}, indent=2))
        return
    states = f", balances of {report.accounts:,} accounts replayed" if report.has_state else ""
    typer.echo(f"{report.blocks:,} blocks and {report.records:,} records are whole{states}")
    typer.echo(f"{report.orders:,} orders sealed")
    typer.echo(f"head {report.head}")


@app.command()
@_guarded
def platforms(
    show: Annotated[
        str | None,
        typer.Option(help="Print the preset of this platform, to copy and change.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of the table.")] = False,
) -> None:
    """List the platforms that come with the package."""
    from fastclear.console import platforms_view
    from fastclear.platforms import platforms as listing
    from fastclear.platforms import preset_text

    if show is not None:
        typer.echo(preset_text(show), nl=False)
        return
    frame = listing()
    if as_json:
        typer.echo(json.dumps(frame.to_dicts(), indent=2))
        return
    _show(platforms_view(frame.to_dicts()))
    _say("Run one: fastclear run NAME. Copy and change one: fastclear platforms --show NAME > my_rules.toml")


def main() -> None:
    """Run the command line."""
    _startup.ready()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that knows no dash of ours still gets its table
    app()


if __name__ == "__main__":
    main()
