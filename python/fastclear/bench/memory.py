"""How much memory one clearing takes beside its columns and ``out``: a process of its own, since pages stay mapped.

``python -m fastclear.bench.memory KIND N`` prints the bytes an order.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

import numpy as np

import fastclear as fc
from fastclear.bench import workloads

_STATUS: Final = Path("/proc/self/status")
_CLEAR: Final = Path("/proc/self/clear_refs")
_RESET_PEAK: Final = "5"


def can_measure() -> bool:
    """Whether the system tells a process its peak, and lets it start anew (Linux)."""
    return _STATUS.exists() and _CLEAR.exists()


def _resident(field: str) -> int:
    found = re.search(rf"^{field}:\s+(\d+) kB", _STATUS.read_text(), re.MULTILINE)
    if found is None:
        raise OSError(f"{_STATUS} has no {field}")
    return int(found[1]) * 1024


def peak_bytes(kind: str, n: int) -> int:
    """Bytes by which the resident memory rises at most while one market of ``n`` orders is cleared into ``out``."""
    columns, mechanism = workloads.book(n, kind), fc.Uniform()
    out = np.ones(n, np.int64)
    small = workloads.book(50, kind)
    fc.clear(small, mechanism, threads=1, out=np.empty(50, np.int64))  # code and constants are paged in
    _CLEAR.write_text(_RESET_PEAK)
    before = _resident("VmRSS")
    fc.clear(columns, mechanism, threads=1, out=out)
    return max(0, _resident("VmHWM") - before)


def main() -> None:
    """Print the bytes an order of the kind and size named on the command line."""
    kind, n = sys.argv[1], int(sys.argv[2])
    sys.stdout.write(f"{peak_bytes(kind, n) / n}\n")


if __name__ == "__main__":
    main()
