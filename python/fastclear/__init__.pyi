from fastclear.auction import (
    Average,
    BlockClearing,
    Blocks,
    Discriminatory,
    Huang,
    MaximalVolume,
    Muda,
    MultiRound,
    RandomMatching,
    Sbba,
    TradeReduction,
    Uniform,
    Vickrey,
    clear,
    mechanism,
)
from fastclear.auction.properties import (
    mechanisms,
)
from fastclear.audit import (
    AuditError,
    AuditReport,
)
from fastclear.block import (
    Block,
    Proof,
    VerificationError,
    VerificationReport,
)
from fastclear.book import (
    BookEvents,
    BookStep,
    BookView,
    OrderBook,
    bars,
)
from fastclear.certificate import (
    CertificateRefusedError,
    ClearingCertificate,
    NoCertificateError,
    certify_block,
    sealed_parameters,
)
from fastclear.certificates import (
    CertificateCode,
    Certificates,
)
from fastclear.checkpoints import (
    Checkpoint,
    Equivocation,
    equivocations,
)
from fastclear.community import (
    Community,
    DeferrableLoads,
    DevicePlan,
    DieselGenerators,
    EvChargers,
    HeatPumps,
    SharedStorage,
    Windows,
    community_from_frame,
    load_community,
    plan_devices,
)
from fastclear.comparison import (
    Comparison,
    compare,
)
from fastclear.consortium import (
    Consortium,
)
from fastclear.energy_credits import (
    CreditMonth,
    EnergyCredits,
)
from fastclear.erasure import (
    Erasure,
)
from fastclear.errors import (
    ExchangeError,
    FastclearError,
    LedgerError,
    MechanismError,
    MissingLibraryError,
    PresetError,
    SchemaError,
    SettlementError,
    StoreError,
)
from fastclear.escrow_deals import (
    Escrow2of3,
)
from fastclear.exchange import (
    Exchange,
    Gate,
)
from fastclear.imbalance import (
    Backup,
    DualPrice,
    Pooled,
    ShortfallAllocation,
    SinglePrice,
)
from fastclear.invoices import (
    Invoices,
)
from fastclear.keys import (
    PublicKey,
    Signer,
)
from fastclear.ledger import (
    Ledger,
    verify,
    verify_directory,
)
from fastclear.lending import (
    Borrower,
    LoanPrice,
    credit_limit,
    credit_score,
    loan_price,
)
from fastclear.limits import (
    LimitPolicy,
)
from fastclear.losses import (
    network_losses,
)
from fastclear.margins import (
    CcpMargin,
    Waterfall,
    initial_margin,
    waterfall,
)
from fastclear.netting import (
    Net,
    net,
)
from fastclear.orders import (
    Orders,
)
from fastclear.platforms import (
    Preset,
    catalogue,
    load_preset,
)
from fastclear.platforms.result import (
    RunResult,
)
from fastclear.platforms.simulation import (
    run,
)
from fastclear.preference import (
    Bilateral,
    BilateralCode,
    Network,
    Preference,
    PreferenceClearing,
)
from fastclear.prepayment import (
    Prepayment,
)
from fastclear.profiles import (
    CreditBank,
    PostpaidNetting,
    Prepaid,
)
from fastclear.proof_desk import (
    BalanceProof,
    verify_balance,
)
from fastclear.pseudonyms import (
    Pseudonyms,
)
from fastclear.receipts import (
    Receipts,
)
from fastclear.reject import (
    RejectReason,
)
from fastclear.sealed_bids import (
    SealedBidCode,
    SealedBids,
)
from fastclear.settlement import (
    Settlement,
)
from fastclear.sharing import (
    BillSharing,
    FixedPrice,
    MidMarketRate,
    SharingClearing,
    SupplyDemandRatio,
)
from fastclear.statements import (
    History,
)
from fastclear.storage import (
    Storage,
    StorageCode,
)
from fastclear.tariff import (
    Tariff,
)
from fastclear.tariffs import (
    TariffPlan,
)
from fastclear.token_bonds import (
    DualToken,
)
from fastclear.trades import (
    Clearing,
)
from fastclear.transfers import (
    Accounts,
    TransferCode,
)
from fastclear.units import (
    Units,
)
from fastclear.validator import (
    CosignError,
    Validator,
)

__version__: str

__all__ = [
    "Accounts",
    "AuditError",
    "AuditReport",
    "Average",
    "Backup",
    "BalanceProof",
    "Bilateral",
    "BilateralCode",
    "BillSharing",
    "Block",
    "BlockClearing",
    "Blocks",
    "BookEvents",
    "BookStep",
    "BookView",
    "Borrower",
    "CcpMargin",
    "CertificateCode",
    "CertificateRefusedError",
    "Certificates",
    "Checkpoint",
    "Clearing",
    "ClearingCertificate",
    "Community",
    "Comparison",
    "Consortium",
    "CosignError",
    "CreditBank",
    "CreditMonth",
    "DeferrableLoads",
    "DevicePlan",
    "DieselGenerators",
    "Discriminatory",
    "DualPrice",
    "DualToken",
    "EnergyCredits",
    "Equivocation",
    "Erasure",
    "Escrow2of3",
    "EvChargers",
    "Exchange",
    "ExchangeError",
    "FastclearError",
    "FixedPrice",
    "Gate",
    "HeatPumps",
    "History",
    "Huang",
    "Invoices",
    "Ledger",
    "LedgerError",
    "LimitPolicy",
    "LoanPrice",
    "MaximalVolume",
    "MechanismError",
    "MidMarketRate",
    "MissingLibraryError",
    "Muda",
    "MultiRound",
    "Net",
    "Network",
    "NoCertificateError",
    "OrderBook",
    "Orders",
    "Pooled",
    "PostpaidNetting",
    "Preference",
    "PreferenceClearing",
    "Prepaid",
    "Prepayment",
    "Preset",
    "PresetError",
    "Proof",
    "Pseudonyms",
    "PublicKey",
    "RandomMatching",
    "Receipts",
    "RejectReason",
    "RunResult",
    "Sbba",
    "SchemaError",
    "SealedBidCode",
    "SealedBids",
    "Settlement",
    "SettlementError",
    "SharedStorage",
    "SharingClearing",
    "ShortfallAllocation",
    "Signer",
    "SinglePrice",
    "Storage",
    "StorageCode",
    "StoreError",
    "SupplyDemandRatio",
    "Tariff",
    "TariffPlan",
    "TradeReduction",
    "TransferCode",
    "Uniform",
    "Units",
    "Validator",
    "VerificationError",
    "VerificationReport",
    "Vickrey",
    "Waterfall",
    "Windows",
    "__version__",
    "bars",
    "catalogue",
    "certify_block",
    "clear",
    "community_from_frame",
    "compare",
    "credit_limit",
    "credit_score",
    "equivocations",
    "initial_margin",
    "load_community",
    "load_preset",
    "loan_price",
    "mechanism",
    "mechanisms",
    "net",
    "network_losses",
    "plan_devices",
    "run",
    "sealed_parameters",
    "verify",
    "verify_balance",
    "verify_directory",
    "waterfall",
]
