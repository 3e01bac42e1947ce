"""Directories that appear whole or not at all, and what a run puts into one."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastclear.errors import StoreError

if TYPE_CHECKING:
    from fastclear.platforms.result import RunResult

FRAMES = ("slots", "members", "trades", "orders")
"""Names of the frames of a run; each becomes a Parquet file."""


def check_new(directory: str | Path) -> Path:
    """The path of a directory that does not exist yet.

    Raises
    ------
    StoreError
        If there is something already, or no parent to put it into.
    """
    target = Path(directory)
    if target.exists() or target.is_symlink():
        raise StoreError(f"{target}: exists already; name a new directory or remove it")
    if not target.absolute().parent.is_dir():
        raise StoreError(f"{target}: the directory {target.absolute().parent} does not exist; make it first")
    return target


@contextmanager
def new_directory(directory: str | Path) -> Iterator[Path]:
    """A temporary directory that becomes `directory` when the block ends well, and vanishes when it does not.

    It lies beside its target, so that the last step is one rename. An interrupt counts as not ending well.

    Raises
    ------
    StoreError
        If `directory` exists already, or the disk refuses.
    """
    target = check_new(directory)
    # named before it is made, so that an interrupt at any moment finds what to remove
    folder = target.absolute().parent / f".{target.name}.{secrets.token_hex(8)}.part"
    try:
        folder.mkdir()
        yield folder
        check_new(target)
        folder.rename(target)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, StoreError):
            raise
        raise StoreError(f"{target}: cannot be written: {error.strerror}") from None
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _plain(value: int | float | Fraction | None) -> int | float | None:
    return float(value) if isinstance(value, Fraction) else value


def summary(result: RunResult) -> dict[str, Any]:
    """A run as one JSON document: figures in exact smallest units, what made them, and the block head."""
    return {
        "fastclear": result.version,
        "platform": result.preset.name,
        "preset_sha256": result.preset.digest(),
        "community": {
            "name": result.community.name,
            "source": result.data,
            "sha256": result.community.digest,
            "members": result.members.height,
        },
        "days": result.days,
        "seed": result.seed,
        "mechanism": result.preset.market.mechanism.value,
        "currency": result.preset.price.currency.value,
        "first_slot": f"{result.slots['slot'][0]:%Y-%m-%dT%H:%M:%SZ}",
        "slots": result.slots.height,
        "metrics": {
            metric.key: {
                "value": _plain(metric.value),
                "without_market": _plain(metric.without),
                "unit": metric.unit,
            }
            for metric in result.metrics
        },
        "ledger": {"blocks": result.blocks, "records": result.records, "head": result.head},
        "seconds": {name: round(value, 6) for name, value in result.seconds.items()},
        "notes": list(result.notes),
    }


def write_result(result: RunResult, folder: Path) -> None:
    """Write a run's files, all but the ledger, into a directory such as :func:`new_directory` gives."""
    write_frames(result, folder)
    result.report(folder / "report.html")


def write_frames(result: RunResult, folder: Path) -> None:
    """Write a run's frames, its preset as applied, and its figures."""
    for name in FRAMES:
        result.frame(name).write_parquet(folder / f"{name}.parquet")
    (folder / "preset.toml").write_text(result.preset.to_toml(), encoding="utf-8")
    if result.policy is not None:
        (folder / "policy.txt").write_text(result.policy, encoding="utf-8")
    (folder / "run.json").write_text(json.dumps(summary(result), indent=2) + "\n", encoding="utf-8")
