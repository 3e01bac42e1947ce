"""Types of the private Rust half. Hand-written; checked against the real thing by stubtest."""

from typing import final

import numpy as np
from numpy.typing import NDArray

__version__: str
DEBUG_BUILD: bool

def reject_reasons() -> list[tuple[str, int, str]]: ...
def text_id(text: str) -> int: ...

@final
class Mechanism:
    @staticmethod
    def uniform(
        k: tuple[int, int], rationing: str, price_round: str, zero_surplus: bool, fee: int
    ) -> Mechanism: ...
    @staticmethod
    def discriminatory(k: tuple[int, int], rule: str, price_round: str, fee: int) -> Mechanism: ...

@final
class Cleared:
    @property
    def all_accepted(self) -> bool: ...
    def reject(self) -> NDArray[np.uint16]: ...
    def payment(self) -> NDArray[np.int64] | None: ...
    def trades(self) -> dict[str, NDArray[np.int64]] | None: ...
    def markets(self) -> dict[str, NDArray[np.int64] | list[int]]: ...

def clear(
    side: NDArray[np.uint8],
    price: NDArray[np.int64] | NDArray[np.int32],
    quantity: NDArray[np.int64] | NDArray[np.int32],
    market: NDArray[np.int64] | None,
    order: NDArray[np.int64] | None,
    time: NDArray[np.int64] | None,
    is_market_order: NDArray[np.uint8] | None,
    refused: NDArray[np.uint16] | None,
    mechanism: Mechanism,
    out: NDArray[np.int64],
    payment: bool,
    trades: bool,
    threads: int,
    frozen: bool,
) -> Cleared: ...
