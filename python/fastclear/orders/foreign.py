"""Code of other libraries and of the caller, whose errors come out as ours."""

from __future__ import annotations

from typing import Final

import polars as pl

from fastclear.errors import SchemaError

_OURS: Final = (SchemaError, MemoryError)


class Foreign:
    """Run code of other libraries and of the caller: whatever it raises comes out as one SchemaError."""

    __slots__ = ("column", "what")

    def __init__(self, what: str, column: str | None = None) -> None:
        self.what = what
        self.column = column

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception | pl.exceptions.PanicException) and not isinstance(error, _OURS):
            first = next(iter(str(error).splitlines()), "") or type(error).__name__
            raise SchemaError(f"{self.what} cannot be read: {first}", column=self.column) from error
