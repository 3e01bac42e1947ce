"""The command `fastclear`.

Results go to standard output, everything else to standard error. Exit codes: 0 done (also where a reader such as `head`
has seen enough), 1 a ledger that does not verify, 2 input that cannot be used, 130 interrupted.
"""

from __future__ import annotations

import io
import sys
from typing import Annotated

import typer

import fastclear
from fastclear import _startup
from fastclear.cli.benching import bench
from fastclear.cli.clearing import clear
from fastclear.cli.comparing import compare
from fastclear.cli.guard import guarded
from fastclear.cli.listing import mechanisms, platforms
from fastclear.cli.running import run
from fastclear.cli.verifying import verify

__all__ = ["app", "main"]

app = typer.Typer(
    name="fastclear",
    help="A clearing house for peer-to-peer energy markets: auctions, settlement and sealed blocks, exact to the last "
    "unit.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


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


# In the order in which the help lists them.
app.command(
    epilog="Examples:\n\n"
    "  fastclear run brooklyn\n\n"
    "  fastclear run brooklyn --days 28 --mechanism discriminatory --out four_weeks\n\n"
    "  fastclear run my_rules.toml --community my_homes.csv --report week.html"
)(guarded(run))
app.command(
    epilog="Examples:\n\n"
    "  fastclear compare\n\n"
    "  fastclear compare brooklyn credit-bank my_rules.toml --days 28 --out four_weeks\n\n"
    "  fastclear compare --community my_homes.csv --report platforms.html"
)(guarded(compare))
app.command(
    epilog="Examples:\n\n"
    "  fastclear clear orders.parquet\n\n"
    "  fastclear clear orders.csv --price-unit ct/kWh --quantity-unit kWh --out cleared\n\n"
    "  fastclear clear orders.csv --mechanism random_matching --seed 7 --explain b1 --plot market.html"
)(guarded(clear))
app.command(epilog="Examples:\n\n  fastclear mechanisms\n\n  fastclear mechanisms trade_reduction")(guarded(mechanisms))
app.command(epilog="Example:\n\n  fastclear verify out/ledger")(guarded(verify))
app.command()(guarded(platforms))
app.command(
    epilog="Examples:\n\n"
    "  fastclear bench\n\n"
    "  fastclear bench --orders 1000 --orders 100000 --orders 10000000 --plot time.svg\n\n"
    "  fastclear bench --json > here.json"
)(guarded(bench))


def main() -> None:
    """Run the command line."""
    _startup.ready()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that knows no dash of ours still gets its table
    app()
