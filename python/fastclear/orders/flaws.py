"""What the columns themselves show to be wrong with an order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Flaws:
    """Reject codes that the border finds; the first reason in precedence wins."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.codes: NDArray[np.uint16] | None = None

    def mark(self, rows: NDArray[np.bool_], reason: int) -> None:
        """Give ``rows`` this reject code where they have none, or one that comes later."""
        if not rows.any():
            return
        if self.codes is None:
            self.codes = np.zeros(self.n, np.uint16)
        worse = rows & ((self.codes == 0) | (self.codes > reason))
        self.codes[worse] = reason
