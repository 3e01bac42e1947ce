"""A clearing house for peer-to-peer energy markets."""

from __future__ import annotations

import warnings as _warnings

from fastclear import _core

__version__: str = _core.__version__

if _core.DEBUG_BUILD:  # pragma: no cover - only in a developer's debug build
    _warnings.warn(
        "fastclear was built without optimisation and is many times slower than it should be; "
        "build with --release",
        RuntimeWarning,
        stacklevel=2,
    )
