"""Types of the private Rust half. Hand-written; checked against the real thing by stubtest."""

from typing import Any, final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BILATERAL_CODES",
    "BILATERAL_KINDS",
    "BILATERAL_STATES",
    "BOOK_KINDS",
    "BOOK_NULL",
    "BOOK_OFF_GRID",
    "BOOK_OPS",
    "BOOK_POST_ONLY",
    "BOOK_SELF_TRADE",
    "BOOK_TIFS",
    "CERTIFICATE_EVENTS",
    "CERTIFICATE_STATES",
    "DEBT_OFFSET",
    "DEBUG_BUILD",
    "FIRST_MEMBER",
    "FIXED_COST_MAX",
    "HOUSE_ACCOUNTS",
    "KIND_NAMES",
    "LINE_NAMES",
    "MARKET_COUNTS",
    "MARKET_VALUES",
    "PURSES",
    "PURSE_STEP",
    "SIMD",
    "STORAGE_KINDS",
    "TRANSFER_KINDS",
    "Accounts",
    "Bank",
    "Bilateral",
    "Certificates",
    "Chain",
    "Cleared",
    "Events",
    "Mechanism",
    "OrderBook",
    "Positions",
    "Postings",
    "SharingRule",
    "Storage",
    "__version__",
    "certificate_codes",
    "check_tariff",
    "clear",
    "clear_columns",
    "clear_with_fees",
    "equal",
    "match_preferences",
    "net",
    "reject_reasons",
    "share",
    "storage_codes",
    "text_id",
    "text_ids",
    "transfer_codes",
    "verify_consistency",
    "verify_inclusion",
    "verify_ledger",
]

__version__: str
DEBUG_BUILD: bool
SIMD: str

BOOK_KINDS: list[tuple[int, str]]
BOOK_NULL: int
BOOK_OFF_GRID: int
BOOK_OPS: list[str]
BOOK_POST_ONLY: int
BOOK_SELF_TRADE: list[str]
BOOK_TIFS: list[str]

@final
class OrderBook:
    def __new__(cls, self_trade: str, erase_after_trade: bool, small_max: int | None = None) -> OrderBook: ...
    def apply(
        self,
        rows: int,
        op: NDArray[np.uint8] | None,
        market: NDArray[np.int64] | None,
        order: NDArray[np.int64] | None,
        participant: NDArray[np.int64] | None,
        side: NDArray[np.uint8] | None,
        is_market_order: NDArray[np.uint8] | None,
        tif: NDArray[np.uint8] | None,
        price: NDArray[np.int64] | NDArray[np.int32] | None,
        quantity: NDArray[np.int64] | NDArray[np.int32] | None,
        expires: NDArray[np.int64] | None,
        flags: NDArray[np.uint8] | None,
        time: NDArray[np.int64] | None,
        trades_only: bool,
    ) -> Events: ...
    def place(
        self,
        buys: bool,
        price: int | None,
        quantity: int,
        market: int,
        participant: int | None,
        order: int | None,
        tif: int,
    ) -> tuple[int, int, int, int]: ...
    def advance(self, now: int) -> Events: ...
    def set_gates(self, market: NDArray[np.int64], gate: NDArray[np.int64]) -> None: ...
    def depth(
        self, market: int, side: int, most: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]: ...
    def best(self, market: int) -> tuple[tuple[int, int] | None, tuple[int, int] | None]: ...
    def snapshot(self, market: int | None) -> dict[str, NDArray[np.int64]]: ...
    def markets(self) -> dict[str, NDArray[np.int64]]: ...
    @property
    def clock(self) -> int | None: ...
    @property
    def next_seq(self) -> int: ...
    def __len__(self) -> int: ...
    def copy(self) -> OrderBook: ...

@final
class Events:
    def get(self, name: str, trades: bool) -> NDArray[np.int64]: ...
    @property
    def first_seq(self) -> int: ...
    @property
    def count(self) -> int: ...
    @property
    def trades(self) -> int: ...
    def __len__(self) -> int: ...

def equal(one: NDArray[np.int64], other: NDArray[np.int64]) -> bool: ...
def reject_reasons() -> list[tuple[str, int, str]]: ...
def text_id(text: str) -> int: ...

@final
class Mechanism:
    @staticmethod
    def uniform(
        k: tuple[int, int],
        rationing: str,
        price_rule: str,
        seed: int | None,
        price_round: str | None,
        zero_surplus: bool,
        whole_levels: bool,
        fee: int,
        reserve: int | None,
        cap_low: int | None,
        cap_high: int | None,
    ) -> Mechanism: ...
    @staticmethod
    def discriminatory(
        k: tuple[int, int],
        rule: str,
        price_round: str,
        fee: int,
        reserve: int | None,
        cap_low: int | None,
        cap_high: int | None,
    ) -> Mechanism: ...
    @staticmethod
    def maximal_volume(k: tuple[int, int], rule: str, price_round: str, ascending: bool) -> Mechanism: ...
    @staticmethod
    def random_matching(k: tuple[int, int], rule: str, price_round: str, seed: int) -> Mechanism: ...
    @staticmethod
    def vickrey() -> Mechanism: ...
    @staticmethod
    def trade_reduction(use_p0: bool, unit: int, cap_low: int | None, cap_high: int | None) -> Mechanism: ...
    @staticmethod
    def huang() -> Mechanism: ...
    @staticmethod
    def sbba(seed: int, unit: int) -> Mechanism: ...
    @staticmethod
    def muda(vickrey: bool, seed: int) -> Mechanism: ...
    @staticmethod
    def average(unit: int) -> Mechanism: ...
    @staticmethod
    def multi_round(buyer_step: int, seller_step: int, max_rounds: int) -> Mechanism: ...
    @property
    def pays_sums(self) -> bool: ...
    @property
    def prices_by_trade(self) -> bool: ...
    @property
    def takes_minimums(self) -> bool: ...
    @property
    def takes_start_prices(self) -> bool: ...

@final
class Cleared:
    @property
    def all_accepted(self) -> bool: ...
    @property
    def den(self) -> int: ...
    @property
    def has_payment(self) -> bool: ...
    @property
    def has_trades(self) -> bool: ...
    @property
    def pays_prices(self) -> bool: ...
    def agrees_with(self, other: Cleared) -> bool: ...
    def pay(
        self,
        side: NDArray[np.uint8],
        market: NDArray[np.int64] | None,
        filled: NDArray[np.int64],
        out: NDArray[np.int64],
    ) -> bool: ...
    def reject(self) -> NDArray[np.uint16]: ...
    def payment(self) -> NDArray[np.int64] | None: ...
    def trades(self) -> dict[str, NDArray[np.int64]] | None: ...
    def trade_markets(self) -> NDArray[np.int64] | None: ...
    def markets(
        self,
    ) -> tuple[
        NDArray[np.int64], NDArray[np.bool_], NDArray[np.uint32], dict[str, NDArray[np.int64]], dict[str, list[int]]
    ]: ...

MARKET_VALUES: list[str]
MARKET_COUNTS: list[str]

def match_preferences(
    orders: dict[str, Any],
    zones: tuple[int, NDArray[np.int64], NDArray[np.int64] | None],
    stages: list[dict[str, Any]],
    participants: int,
    markets: int,
    threads: int | None,
) -> dict[str, NDArray[Any]]: ...
def clear_with_fees(
    orders: dict[str, Any],
    zones: tuple[int, NDArray[np.int64], NDArray[np.int64]],
    rule: dict[str, Any],
    markets: int,
    threads: int | None,
) -> dict[str, NDArray[Any]]: ...

BILATERAL_CODES: list[str]
BILATERAL_KINDS: list[str]
BILATERAL_STATES: list[str]

@final
class Bilateral:
    def __new__(cls) -> Bilateral: ...
    @property
    def clock(self) -> int | None: ...
    def apply(
        self,
        kind: NDArray[np.uint8],
        time: NDArray[np.int64],
        offer: NDArray[np.int64],
        party: NDArray[np.int64],
        counterparty: NDArray[np.int64],
        sells: NDArray[np.uint8],
        terms: list[NDArray[np.int64]],
    ) -> NDArray[np.uint8]: ...
    def advance(self, time: int) -> bool: ...
    def offers(self) -> dict[str, NDArray[np.int64]]: ...

def clear(
    side: NDArray[np.uint8],
    price: NDArray[np.int64] | NDArray[np.int32],
    quantity: NDArray[np.int64] | NDArray[np.int32],
    market: NDArray[np.int64] | None,
    order: NDArray[np.int64] | None,
    time: NDArray[np.int64] | None,
    is_market_order: NDArray[np.uint8] | None,
    participant: NDArray[np.int64] | None,
    min_quantity: NDArray[np.int64] | None,
    start_price: NDArray[np.int64] | None,
    half: NDArray[np.uint8] | None,
    turn: NDArray[np.int64] | None,
    refused: NDArray[np.uint16] | None,
    mechanism: Mechanism,
    out: NDArray[np.int64] | None,
    payment: bool,
    trades: bool,
    threads: int | None,
    frozen: bool,
) -> Cleared: ...
def clear_columns(
    orders: dict[str, object],
    mechanism: Mechanism,
    threads: object,
    out: object,
    fills: bool,
) -> tuple[Cleared, NDArray[np.int64] | None] | None: ...

# -- sharing
FIXED_COST_MAX: int

@final
class SharingRule:
    @staticmethod
    def bill_sharing(fixed_cost: int, equally: bool) -> SharingRule: ...
    @staticmethod
    def mid_market_rate(fee: int) -> SharingRule: ...
    @staticmethod
    def supply_demand_ratio(compensation: int, fee: int) -> SharingRule: ...
    @staticmethod
    def fixed_price(price: int, fee: int, key: str) -> SharingRule: ...

def share(
    net: NDArray[np.int64],
    market: NDArray[np.int64] | None,
    order: NDArray[np.int64] | None,
    period: NDArray[np.int64] | None,
    share: NDArray[np.int64] | None,
    retail: int | NDArray[np.int64],
    feed_in: int | NDArray[np.int64],
    refused: NDArray[np.uint16] | None,
    rule: SharingRule,
    filled: NDArray[np.int64],
    payment: NDArray[np.int64],
    threads: int | None,
    frozen: bool,
) -> dict[str, Any] | tuple[str, int, tuple[int, int]]: ...

# -- settlement
DEBT_OFFSET: int
HOUSE_ACCOUNTS: list[tuple[int, str]]
PURSES: list[tuple[int, str]]
PURSE_STEP: int
FIRST_MEMBER: int
KIND_NAMES: list[tuple[int, str]]
LINE_NAMES: list[tuple[int, int, str]]

_U8 = NDArray[np.uint8]
_U16 = NDArray[np.uint16]
_U32 = NDArray[np.uint32]
_U64 = NDArray[np.uint64]
_I64 = NDArray[np.int64]

def check_tariff(retail: int, feed_in: int, platform_fee: int, network_fee: int, tax_ppm: int) -> None: ...

@final
class Bank:
    def __new__(
        cls, tariff_values: tuple[int, int, int, int, int], policy: str, terms: tuple[int, int, int]
    ) -> Bank: ...
    def open(self, names: list[str], limit: int) -> int: ...
    def set_terms(
        self,
        prices: tuple[int, int, int, int],
        slot: int,
        tax_ppm: tuple[int, int, int, int],
        shares: list[tuple[int, int]],
    ) -> None: ...
    def charge(self, accounts: _U64, amounts: _I64, tax_ppm: _U32) -> None: ...
    def set_limit(self, account: int, limit: int) -> None: ...
    def deposit(self, accounts: _U64, amounts: _I64) -> None: ...
    def withdraw(self, accounts: _U64, amounts: _I64) -> None: ...
    def reserve(
        self,
        side: _U8,
        price: _I64,
        quantity: _I64,
        account: _U64,
        market: _U64,
        order: _U64,
        codes: _U16,
        network_fee: _I64 | None,
    ) -> _U16: ...
    def settle(
        self,
        clearings: list[
            tuple[_U8, _U64, _U64, _U64, _I64, _I64, _I64, _I64, _I64, tuple[_I64, _I64, int, bool, int, _I64 | None]]
        ],
        meter_account: _U64,
        meter_energy: _I64,
        due: bool,
        losses: int,
    ) -> None: ...
    def resettle(self, slot: int, meter_account: _U64, meter_energy: _I64) -> None: ...
    def freeze(self, slots: list[int]) -> None: ...
    def set_confirm_after(self, ns: int) -> None: ...
    def reverse(self, slot: int) -> None: ...
    def earnings(self, account: int) -> tuple[int, int]: ...
    def slots(self) -> list[tuple[int, int, int, int, bool, str]]: ...
    def slots_between(self, first_seq: int, end_seq: int) -> list[int]: ...
    def frozen(self, slot: int) -> bool: ...
    def readings(self, slot: int) -> dict[int, int]: ...
    def versions(self, slot: int) -> list[tuple[int, int, int, int, int]]: ...
    def enter(
        self,
        kind: _U8,
        code: _U16,
        debit: _U64,
        credit: _U64,
        amount: _I64,
        *,
        group: _I64 | None = None,
        quantity: _I64 | None = None,
        price: _I64 | None = None,
        market: _U64 | None = None,
        buy_order: _U64 | None = None,
        sell_order: _U64 | None = None,
        forced: bool = False,
    ) -> _U64: ...
    def now(self) -> int: ...
    def postings(self) -> int: ...
    def take(self) -> Postings: ...
    def close_cycle(self, failed: _U64) -> list[tuple[int, int, int, int, int]]: ...
    def set_profile(self, profile: str, terms: tuple[int, int, int, int]) -> None: ...
    def set_rules(self, minimum_holding: int, bond_ppm: int | None, proceeds_ppm: tuple[int, int]) -> None: ...
    def fund(self, amount: int) -> None: ...
    def repay(self, account: int, amount: int | None) -> int: ...
    def write_off(self, account: int) -> None: ...
    def close(self, account: int) -> None: ...
    def loans(self) -> list[tuple[int, int, int, int, int, int, int, int, int]]: ...
    def book(self) -> tuple[int, int, int, int] | None: ...
    def net_payments(self, failed: _U64) -> list[tuple[int, int, int]]: ...
    def today(self) -> int: ...
    def advance(self, time_ns: int) -> None: ...
    def balances(self) -> list[tuple[int, int, int, int, int, int, int, str | None]]: ...
    def available(self, account: int) -> int | None: ...
    def copy(self) -> Bank: ...

@final
class Postings:
    def __len__(self) -> int: ...
    def columns(self) -> dict[str, NDArray[np.generic]]: ...
    def bills(self) -> dict[str, NDArray[np.generic]]: ...

# -- transfers
TRANSFER_KINDS: list[str]

_Ids = _U64 | _U32
_Money = _I64 | list[int]

def transfer_codes() -> list[tuple[str, int, str]]: ...
def net(debit: _Ids, credit: _Ids, amount: _I64, asset: _U16 | None) -> Positions: ...

@final
class Accounts:
    def __new__(cls) -> Accounts: ...
    def __len__(self) -> int: ...
    @property
    def time(self) -> int: ...
    @property
    def ids(self) -> int: ...
    @property
    def open_reservations(self) -> int: ...
    def open(self, accounts: _U64, limit: _I64, asset: _U16, unlimited: _U8) -> None: ...
    def set_limits(self, accounts: _U64, limit: _I64) -> None: ...
    def set_closed(self, accounts: _U64, closed: bool) -> None: ...
    def advance(self, time_ns: int) -> tuple[_U64, _U64]: ...
    def submit(
        self,
        debit: _Ids,
        credit: _Ids,
        amount: _I64,
        id_low: _U64 | None,
        id_high: _U64 | None,
        kind: _U8 | None,
        reference_low: _U64 | None,
        reference_high: _U64 | None,
        timeout_ns: _U64 | None,
        code: _U16 | None,
        linked: _U8 | None,
    ) -> _U8: ...
    def settle_net(
        self, debit: _U64, credit: _U64, amount: _I64, asset: _U16, first_id: int, code: int, operator: int | None
    ) -> tuple[_U8, _U64, _U64]: ...
    def balances(self) -> dict[str, NDArray[np.generic] | list[int]]: ...
    def available(self, account: int) -> int | None: ...
    def audit(self) -> tuple[str | None, tuple[int, int, int, int, int]]: ...
    def copy(self) -> Accounts: ...

@final
class Positions:
    def __len__(self) -> int: ...
    def columns(self) -> tuple[_U16, _U64, _Money]: ...
    def multilateral(self) -> dict[str, NDArray[np.generic]]: ...
    def bilateral(
        self, debit: _Ids, credit: _Ids, amount: _I64, asset: _U16 | None
    ) -> dict[str, NDArray[np.generic]]: ...

# -- certificates
CERTIFICATE_EVENTS: list[str]
CERTIFICATE_STATES: list[str]

_Outcomes = tuple[_U8, _U64, _I64]

def certificate_codes() -> list[tuple[str, int, str]]: ...

@final
class Certificates:
    def __new__(cls, term_ns: int | None) -> Certificates: ...
    def __len__(self) -> int: ...
    @property
    def time(self) -> int | None: ...
    def advance(self, time_ns: int) -> int: ...
    def read(
        self, device: _U32, slot: _I64, generated: _I64, owner: _U32, source: _U32, attributes: _U32
    ) -> _Outcomes: ...
    def step(
        self, kind: str, certificate: _U64, energy: _I64 | None, owner: _U32 | None, name: _U32, slot: _I64 | None
    ) -> _Outcomes: ...
    def match_slots(self, holder: _U32, slot: _I64, consumed: _I64) -> _I64: ...
    def all(self) -> dict[str, NDArray[Any]]: ...
    def events(self) -> dict[str, NDArray[Any]]: ...
    def lots(self) -> tuple[_U32, _I64, _I64, _I64, _I64]: ...
    def copy(self) -> Certificates: ...

# -- storage
STORAGE_KINDS: list[str]

def storage_codes() -> list[tuple[str, int, str]]: ...

@final
class Storage:
    def __new__(
        cls,
        terms: tuple[int, int, int, int, int],
        limits: tuple[int | None, int | None],
        weights: _I64,
        operator: bool,
    ) -> Storage: ...
    @property
    def slot(self) -> int | None: ...
    @property
    def operator(self) -> int | None: ...
    @property
    def energy(self) -> int: ...
    def submit(self, slot: int | None, kind: _U8, member: _U32, to: _U32, energy: _I64) -> _U8: ...
    def reconcile(self, slot: int | None, physical: int) -> int: ...
    def balances(self) -> dict[str, _I64]: ...
    def log(self) -> dict[str, NDArray[Any]]: ...
    def copy(self) -> Storage: ...

# -- ledger
def text_ids(texts: list[str]) -> _U64: ...
def verify_ledger(
    path: str,
) -> tuple[int, int, int, int, str, bool] | tuple[int, int | None, str, int, str]: ...
def verify_inclusion(entry: bytes, index: int, size: int, path: list[bytes], root: bytes) -> bool: ...
def verify_consistency(old: int, new: int, path: list[bytes], old_root: bytes, new_root: bytes) -> bool: ...

@final
class Chain:
    def __new__(cls, path: str | None, params: bytes | None, key: int | bytes, sync: bool) -> Chain: ...
    @property
    def height(self) -> int: ...
    @property
    def head(self) -> bytes: ...
    @property
    def next_seq(self) -> int: ...
    @property
    def params(self) -> bytes: ...
    def seal(
        self,
        orders: list[dict[str, NDArray[np.generic]]],
        postings: dict[str, NDArray[np.generic]],
        slot: int,
        not_before: int,
    ) -> tuple[bytes, bytes]: ...
    def seal_plain(
        self,
        orders: list[dict[str, NDArray[np.generic]]],
        trades: list[dict[str, NDArray[np.generic] | int | bool]],
        slot: int,
        not_before: int,
    ) -> tuple[bytes, bytes]: ...
    def headers(self) -> bytes: ...
    def contents(self) -> tuple[bytes, bytes, bytes, bytes]: ...
    @staticmethod
    def restore(params: bytes, headers: bytes, records: bytes, orders: bytes, key: int | bytes) -> Chain: ...
    def header(self, height: int) -> tuple[bytes, bytes] | None: ...
    def records(self, height: int) -> bytes: ...
    def orders(self, height: int) -> bytes: ...
    def prove(self, height: int, index: int, order: bool) -> list[bytes]: ...
    def log_root(self, size: int) -> bytes: ...
    def prove_header(self, height: int, size: int) -> list[bytes]: ...
    def prove_growth(self, old: int, new: int) -> list[bytes]: ...
