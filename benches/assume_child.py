"""Times ASSUME's pay-as-clear market, in the environment of the peers: ``python assume_child.py N``.

It prints ``{"seconds": ..., "volume": ...}``. The orders are dictionaries as ASSUME's agents send them, built outside
the clock; only the role's `clear` is timed.
"""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from typing import Any

from peer import book, report, timed

_START = datetime(2026, 1, 1)
_HOUR = timedelta(hours=1)


def main() -> None:
    """Build the order book outside the clock, clear it inside."""
    from assume.common.market_objects import MarketConfig, MarketProduct
    from assume.markets.clearing_algorithms.simple import PayAsClearRole
    from dateutil.rrule import HOURLY, rrule

    columns = book(int(sys.argv[1]))
    hours = rrule(HOURLY, dtstart=_START, until=_START + 24 * _HOUR)
    role = PayAsClearRole(
        MarketConfig(market_id="m", opening_hours=hours, market_products=[MarketProduct(_HOUR, 1, _HOUR)])
    )
    product = (_START, _START + _HOUR, None)

    def built() -> list[dict[str, Any]]:
        orders = zip(*(columns[name].tolist() for name in ("side", "price", "quantity")), strict=True)
        return [
            {
                "bid_id": f"order_{row}",
                "start_time": product[0],
                "end_time": product[1],
                "only_hours": product[2],
                "volume": -quantity if side else quantity,  # ASSUME: supply is positive
                "price": price,
                "agent_addr": "agent",
                "node": "node",
            }
            for row, (side, price, quantity) in enumerate(orders)
        ]

    seconds, (_, _, meta, _) = timed(built, lambda orders: role.clear(orders, [product]))
    report(seconds, meta[0]["supply_volume"])


if __name__ == "__main__":
    main()
