"""Times pymarket, as a process of its own: it needs an older pandas than the rest.

``python pymarket_child.py N`` prints ``{"seconds": ..., "traded": ...}`` for its Huang auction over N orders: the
nearest it has to a uniform price: bids and asks are ranked and the first k - 1 units trade, buyers at the k-th bid and
sellers at the k-th ask, so that it gives up the last pair, knows no fill in proportion and does not balance its budget.
It gets the same book, with prices made distinct (its curves assume so).
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from typing import Any


def _columns(n: int) -> tuple[list[bool], list[float], list[int]]:
    # workloads.py is not imported: this child has its own, older numpy.
    import numpy as np

    rng = np.random.default_rng([20_260_101, n])
    price = rng.permutation(n) + 1.0
    return (rng.integers(0, 2, n) == 1).tolist(), price.tolist(), rng.integers(1, 1_001, n).tolist()


def main() -> None:
    """Build the market outside the clock, run the auction inside."""
    warnings.simplefilter("ignore")
    import pymarket

    n = int(sys.argv[1])
    seconds = []
    traded: Any = 0
    for _ in range(3):
        market = pymarket.Market()
        for user, (buying, price, quantity) in enumerate(zip(*_columns(n), strict=True)):
            market.accept_bid(quantity, price, user, buying, 0)
        start = time.process_time_ns()
        transactions, _ = market.run("huang")
        seconds.append((time.process_time_ns() - start) / 1e9)
        traded = transactions.get_df()["quantity"].sum() / 2
    print(json.dumps({"seconds": sorted(seconds)[1], "traded": float(traded)}))


if __name__ == "__main__":
    main()
