"""The command `fastclear`.

Results go to standard output, everything else to standard error. Exit codes: 0 done, 1 a ledger that does not verify,
2 input that cannot be used, 130 interrupted.
"""

from __future__ import annotations

import functools
import io
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn, ParamSpec

import typer
from rich.console import Console, RenderableType

import fastclear
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


class Auction(StrEnum):
    """Price rule of an auction."""

    uniform = "uniform"
    discriminatory = "discriminatory"


class Rationing(StrEnum):
    """How equal prices share what is left."""

    pro_rata = "pro_rata"
    time = "time"
    equal = "equal"


def _out() -> Console:
    console = Console(highlight=False, emoji=False)
    return console if console.width <= 100 else Console(highlight=False, emoji=False, width=100)


def _show(view: RenderableType) -> None:
    _out().print(view)


def _say(message: str) -> None:
    Console(stderr=True, highlight=False, emoji=False, soft_wrap=True).print(message, markup=False)


def _fail(message: str, code: int = _BAD_INPUT) -> NoReturn:
    _say(f"fastclear: {message}")
    raise typer.Exit(code)


P = ParamSpec("P")


def _guarded(command: Callable[P, None]) -> Callable[P, None]:
    """A command whose user's errors are one line on standard error and exit code 2, and an interrupt 130."""

    @functools.wraps(command)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except FastclearError as error:
            _fail(str(error))
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
    seed: Annotated[int, typer.Option(min=0, help="Everything random comes from it.")] = 1,
    mechanism: Annotated[
        Auction | None,
        typer.Option(help="Another reading of the auction than the preset's.", show_default=False),
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
        community=community,
        days=days,
        seed=seed,
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


@app.command(
    epilog="Examples:\n\n"
    "  fastclear clear orders.parquet\n\n"
    "  fastclear clear orders.csv --price-unit ct/kWh --quantity-unit kWh --out cleared"
)
@_guarded
def clear(
    orders: Annotated[
        Path,
        typer.Argument(help="A .parquet or .csv file with side, price, quantity; optional market, order, ..."),
    ],
    mechanism: Annotated[Auction, typer.Option(help="One price a market, or one a pair.")] = Auction.uniform,
    k: Annotated[str, typer.Option(help="Share of the gain that goes to sellers, 0 to 1, like 1/2 or 0.5.")] = "1/2",
    rationing: Annotated[
        Rationing, typer.Option(help="How orders at the marginal price share (uniform only).")
    ] = Rationing.pro_rata,
    price_unit: Annotated[str, typer.Option(help="tick (1e-6 currency/kWh), ct/kWh, EUR/kWh, EUR/MWh.")] = "tick",
    quantity_unit: Annotated[str, typer.Option(help="lot (1 Wh), Wh, kWh, MWh.")] = "lot",
    out: Annotated[
        Path | None,
        typer.Option(help="New directory for markets, fills and trades as Parquet.", show_default=False),
    ] = None,
    allow_rejects: Annotated[
        bool, typer.Option("--allow-rejects", help="Clear the good orders although others were refused.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of the table.")] = False,
) -> None:
    """Clear a file of orders: every market in it with one auction."""
    from fastclear.console import clearing_view
    from fastclear.platforms.output import check_new, new_directory

    if out is not None:
        check_new(out)
    units = fastclear.Units(price=price_unit, quantity=quantity_unit)
    share = _fraction(k)
    rule: Any = (
        fastclear.Uniform(k=share, rationing=rationing.value)
        if mechanism is Auction.uniform
        else fastclear.Discriminatory(k=share)
    )
    clearing = fastclear.clear(_read_orders(orders), rule, units=units)
    if not clearing.orders.n:
        _fail(f"{orders}: holds no orders; give at least one row")
    refused = int((clearing.reject > 0).sum())
    if refused and not allow_rejects:
        _show_refused(clearing, refused)
        _fail(
            f"{orders}: {refused:,} of {clearing.orders.n:,} orders were refused and nothing was written: "
            "correct them, or clear the others with --allow-rejects"
        )
    if out is not None:
        with new_directory(out) as folder:
            for name in ("markets", "fills", "trades"):
                getattr(clearing, name).write_parquet(folder / f"{name}.parquet")
    if as_json:
        typer.echo(json.dumps(_clearing_summary(clearing, refused, out), indent=2))
    else:
        _show(clearing_view(clearing))
        if refused:
            _show_refused(clearing, refused)


def _fraction(text: str) -> Any:
    from fractions import Fraction

    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        _fail(f'--k {text}: is no number; write a share from 0 to 1, like "1/2" or "0.5"')


def _read_orders(path: Path) -> Any:
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
        return reader(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        _fail(f"{path}: cannot be read: {str(error).splitlines()[0]}")


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
    from rich.table import Table
    from rich.text import Text

    from fastclear.platforms import platforms as listing
    from fastclear.platforms import preset_text

    if show is not None:
        typer.echo(preset_text(show), nl=False)
        return
    frame = listing()
    if as_json:
        typer.echo(json.dumps(frame.to_dicts(), indent=2))
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("name", no_wrap=True)
    table.add_column("what it is")
    table.add_column("parameters", no_wrap=True)
    for row in frame.iter_rows(named=True):
        table.add_row(
            row["name"],
            Text.assemble((row["title"], "bold"), f"\n{row['summary']}"),
            f"{row['stated']} stated\n{row['assumed']} assumed",
        )
    _show(table)
    _say("Run one: fastclear run NAME. Copy and change one: fastclear platforms --show NAME > my_rules.toml")


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that knows no dash of ours still gets its table
    try:
        app()
    except BrokenPipeError:
        # a reader such as `head` has seen enough; the interpreter must not complain about it at exit either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


if __name__ == "__main__":
    main()
