"""A file that is written whole or not at all, and is on disk before anybody hears of it."""

from __future__ import annotations

import os
from pathlib import Path

from fastclear.errors import StoreError


def write_whole(path: Path, data: bytes) -> None:
    """Write beside the file, sync, rename over it and sync the directory; raises StoreError."""
    fresh = path.with_name(path.name + ".tmp")
    try:
        with fresh.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        if os.name == "posix":
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error}") from error
