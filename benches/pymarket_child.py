"""Times pymarket's Huang auction, in the environment of the peers: ``python pymarket_child.py N``.

It prints ``{"seconds": ..., "volume": ...}``. The Huang auction is the nearest that pymarket has to a uniform price: of
the ranked bids and asks the last pair is given up; all other buyers pay the last bid, all other sellers get the last
ask. fastclear's `Huang` trades the same volume.
"""

from __future__ import annotations

import sys
import warnings

from peer import book, report, timed


def main() -> None:
    """Build the market outside the clock, run the auction inside."""
    warnings.simplefilter("ignore")
    import pymarket

    columns = book(int(sys.argv[1]))
    orders = list(zip(*(columns[name].tolist() for name in ("side", "price", "quantity")), strict=True))

    def built() -> pymarket.Market:
        market = pymarket.Market()
        for user, (side, price, quantity) in enumerate(orders):
            market.accept_bid(quantity, float(price), user, side == 1, 0)
        return market

    seconds, (transactions, _) = timed(built, lambda market: market.run("huang"))
    report(seconds, transactions.get_df()["quantity"].sum() / 2)


if __name__ == "__main__":
    main()
