"""Network fees by zone: what a trade costs on the network, and the most that a bid can."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class NetworkFees:
    """Network fees of one slot, ticks a unit.

    Attributes
    ----------
    between : int
        Of a trade between two zones, or with a participant of no zone.
    local : int
        Of a trade within a zone.
    pairs : mapping
        Of a trade from (buyer's zone, seller's zone); it stands above both.
    """

    between: int
    local: int
    pairs: Mapping[tuple[str, str], int]

    def fee(self, buyer: str | None, seller: str | None) -> int:
        """The fee of a trade between participants of these zones; None: of no zone."""
        if buyer is None or seller is None:
            return self.between
        return self.pairs.get((buyer, seller), self.local if buyer == seller else self.between)

    def matrix(self, zones: Sequence[str]) -> NDArray[np.int64]:
        """Every fee: row by the buyer's zone, column by the seller's; the last of each is for those of no zone."""
        named: list[str | None] = [*zones, None]
        return np.array([[self.fee(buyer, seller) for seller in named] for buyer in named], np.int64)
