"""Times that a caller gives one by one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastclear.errors import SchemaError
from fastclear.orders.column import array_or_series
from fastclear.orders.flaws import Flaws
from fastclear.orders.times import nanoseconds


def times_of(times: list[object]) -> NDArray[np.int64]:
    """Times as nanoseconds; none may be missing.

    Raises
    ------
    SchemaError
        A time that cannot be read, or that is missing.
    """
    flaws = Flaws(len(times))
    stamps = nanoseconds(array_or_series("time", times), flaws)
    if flaws.codes is not None:
        raise SchemaError("a time is missing; give nanoseconds since 1970 UTC, or datetimes with a zone", column="time")
    return stamps
