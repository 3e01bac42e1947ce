"""Results that hand on their main frame: to polars, pandas, pyarrow, and whoever speaks the Arrow stream interface."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, cast

import polars as pl

from fastclear.errors import MissingLibraryError


class Exported:
    """A result whose attribute named by ``_EXPORTED`` is a polars frame, which is what it exports."""

    __slots__ = ()
    _EXPORTED: ClassVar[str] = "frame"

    def to_polars(self) -> pl.DataFrame:
        """The main frame of the result."""
        return cast("pl.DataFrame", getattr(self, self._EXPORTED))

    def to_pandas(self) -> Any:
        """The main frame as a pandas frame; needs pandas and pyarrow, else raises :class:`MissingLibraryError`."""
        with self._libraries("pandas and pyarrow"):
            return self.to_polars().to_pandas()

    def to_arrow(self) -> Any:
        """The main frame as a pyarrow table; needs pyarrow, else raises :class:`MissingLibraryError`."""
        with self._libraries("pyarrow"):
            return self.to_polars().to_arrow()

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """The main frame over the Arrow PyCapsule interface."""
        return self.to_polars().__arrow_c_stream__(requested_schema)

    @contextmanager
    def _libraries(self, names: str) -> Iterator[None]:
        try:
            yield
        except ImportError as error:
            raise MissingLibraryError(
                f"this needs {names} ({error}); pip install {names.replace(' and', '')}, or use .{self._EXPORTED}, "
                "a polars frame"
            ) from error
