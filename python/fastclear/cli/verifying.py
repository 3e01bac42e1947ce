"""``fastclear verify``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from fastclear.cli.terminal import WRONG_LEDGER, fail


def verify(
    directory: Annotated[Path, typer.Argument(help="A ledger directory, or a run's --out directory that holds one.")],
    policy: Annotated[
        Path | None,
        typer.Option(help="Whose signatures you ask for: a text, as fc.Consortium.policy writes it."),
    ] = None,
    head: Annotated[
        str | None, typer.Option(help="A header hash that you remember: it has to be in the chain.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of text.")] = False,
) -> None:
    """Check every byte of a ledger: hashes, chain, balances, signatures. Exit code 1 if anything is wrong.

    What is wrong first is named: block, record, file, byte and reason. A ledger that holds a checkpoint has it checked,
    against the policy that you give, or else against the consortium that the blocks themselves name: only the first
    shows that others than the operator vouch for it.
    """
    from fastclear.block import VerificationError
    from fastclear.ledger import verify_directory

    folder = directory / "ledger" if (directory / "ledger").is_dir() else directory
    if not folder.is_dir() or not any(folder.iterdir()):
        fail(f"{directory}: there is no ledger here")
    try:
        rules = None if policy is None else policy.read_bytes()
    except OSError as error:
        fail(f"{policy}: {error.strerror}")
    try:
        report = verify_directory(folder, head=head, policy=rules)
    except VerificationError as error:
        if as_json:
            fault = {name: getattr(error, name) for name in ("height", "record", "file", "offset", "reason")}
            typer.echo(json.dumps({"directory": str(directory), "ok": False, "first_bad_block": fault}, indent=2))
        fail(f"{directory}: the ledger is wrong: {error}", WRONG_LEDGER)
    if as_json:
        typer.echo(json.dumps({"directory": str(directory), "ok": True, **asdict(report)}, indent=2))
        return
    states = f", balances of {report.accounts:,} accounts replayed" if report.has_state else ""
    typer.echo(f"{report.blocks:,} blocks and {report.records:,} records are whole{states}")
    typer.echo(f"{report.orders:,} orders sealed")
    if report.cosigned:
        typer.echo(f"checkpoint of {report.cosigned:,} blocks signed by {', '.join(report.signers)}")
    typer.echo(f"head {report.head}")
