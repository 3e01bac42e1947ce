"""A clearing house for peer-to-peer energy markets.

Orders go in as columns; an auction clears them; settlement pays for them; a ledger seals them.

>>> import fastclear as fc
>>> orders = {"side": ["buy", "sell"], "price": [300_000, 100_000], "quantity": [1500, 2000]}
>>> clearing = fc.clear(orders, fc.Uniform())
>>> clearing.filled
array([1500, 1500])
"""

from __future__ import annotations

import importlib as _importlib
import sys as _sys
import warnings as _warnings

from fastclear import _core
from fastclear import _startup as _startup

__version__: str = _core.__version__

# Where each name lives. A room is entered when one of its names is first asked for, so that whoever clears an auction
# does not wait for platforms and invoices. Type checkers read the same names in `__init__.pyi`.
_NAMES_OF = {
    "auction": (
        "Average BlockClearing Blocks Discriminatory Huang MaximalVolume Muda MultiRound RandomMatching Sbba "
        "TradeReduction Uniform Vickrey clear mechanism"
    ),
    "auction.properties": "mechanisms",
    "audit": "AuditError AuditReport",
    "block": "Block Proof VerificationError VerificationReport",
    "book": "BookEvents BookStep BookView OrderBook bars",
    "certificate": "CertificateRefusedError ClearingCertificate NoCertificateError certify_block sealed_parameters",
    "certificates": "CertificateCode Certificates",
    "checkpoints": "Checkpoint Equivocation equivocations",
    "community": (
        "Community DeferrableLoads DevicePlan DieselGenerators EvChargers HeatPumps SharedStorage Windows "
        "community_from_frame load_community plan_devices"
    ),
    "comparison": "Comparison compare",
    "consortium": "Consortium",
    "energy_credits": "CreditMonth EnergyCredits",
    "erasure": "Erasure",
    "errors": (
        "ExchangeError FastclearError LedgerError MechanismError MissingLibraryError PresetError SchemaError "
        "SettlementError StoreError"
    ),
    "escrow_deals": "Escrow2of3",
    "exchange": "Exchange Gate",
    "imbalance": "Backup DualPrice Pooled ShortfallAllocation SinglePrice",
    "invoices": "Invoices",
    "keys": "PublicKey Signer",
    "ledger": "Ledger verify verify_directory",
    "lending": "Borrower LoanPrice credit_limit credit_score loan_price",
    "limits": "LimitPolicy",
    "losses": "network_losses",
    "margins": "CcpMargin Waterfall initial_margin waterfall",
    "netting": "Net net",
    "orders": "Orders",
    "platforms": "Preset catalogue load_preset",
    "platforms.result": "RunResult",
    "platforms.simulation": "run",
    "preference": "Bilateral BilateralCode Network Preference PreferenceClearing",
    "prepayment": "Prepayment",
    "profiles": "CreditBank PostpaidNetting Prepaid",
    "proof_desk": "BalanceProof verify_balance",
    "pseudonyms": "Pseudonyms",
    "receipts": "Receipts",
    "reject": "RejectReason",
    "sealed_bids": "SealedBidCode SealedBids",
    "settlement": "Settlement",
    "sharing": "BillSharing FixedPrice MidMarketRate SharingClearing SupplyDemandRatio",
    "statements": "History",
    "storage": "Storage StorageCode",
    "tariff": "Tariff",
    "tariffs": "TariffPlan",
    "token_bonds": "DualToken",
    "trades": "Clearing",
    "transfers": "Accounts TransferCode",
    "units": "Units",
    "validator": "CosignError Validator",
}
_ROOM_OF = {name: room for room, names in _NAMES_OF.items() for name in names.split()}

__all__ = sorted([*_ROOM_OF, "__version__"])


def __getattr__(name: str) -> object:
    """Bring a public name, or a room, when it is first asked for."""
    room = _ROOM_OF.get(name)
    if room is not None:
        value = getattr(_importlib.import_module(f"fastclear.{room}"), name)
        globals()[name] = value
        return value
    if not name.startswith("_"):
        try:
            return _importlib.import_module(f"fastclear.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"fastclear.{name}":
                raise
    raise AttributeError(f"module 'fastclear' has no attribute {name!r}", name=name, obj=_sys.modules[__name__])


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if _core.DEBUG_BUILD:  # pragma: no cover - only in a developer's debug build
    _warnings.warn(
        "fastclear was built without optimisation and is many times slower than it should be; build with --release",
        RuntimeWarning,
        stacklevel=2,
    )
