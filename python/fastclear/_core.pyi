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

# -- settlement
HOUSE_ACCOUNTS: list[tuple[int, str]]
FIRST_MEMBER: int
KIND_NAMES: list[tuple[int, str]]
LINE_NAMES: list[tuple[int, int, str]]

_U8 = NDArray[np.uint8]
_U16 = NDArray[np.uint16]
_U64 = NDArray[np.uint64]
_I64 = NDArray[np.int64]

def check_tariff(retail: int, feed_in: int, platform_fee: int, network_fee: int, tax_ppm: int) -> None: ...
@final
class Bank:
    def __new__(
        cls, retail: int, feed_in: int, platform_fee: int, network_fee: int, tax_ppm: int
    ) -> Bank: ...
    def open(self, names: list[str], limit: int) -> int: ...
    def set_limit(self, account: int, limit: int) -> None: ...
    def deposit(self, accounts: _U64, amounts: _I64) -> None: ...
    def withdraw(self, accounts: _U64, amounts: _I64) -> None: ...
    def reserve(
        self, side: _U8, price: _I64, quantity: _I64, account: _U64, market: _U64, order: _U64, codes: _U16
    ) -> _U16: ...
    def settle(
        self,
        clearings: list[tuple[_U8, _U64, _U64, _U64, _I64, _I64, _I64, _I64, _I64]],
        meter_account: _U64,
        meter_energy: _I64,
    ) -> None: ...
    def take(self) -> Postings: ...
    def close_cycle(self) -> list[tuple[int, int, int, int, int]]: ...
    def advance(self, time_ns: int) -> None: ...
    def balances(self) -> list[tuple[int, int, int, int, int, int, int]]: ...
    def available(self, account: int) -> int | None: ...

@final
class Postings:
    def __len__(self) -> int: ...
    def columns(self) -> dict[str, NDArray[np.generic]]: ...
    def bills(self) -> dict[str, NDArray[np.generic]]: ...
