//! Why a call to the bank makes no sense. Whatever the error, the bank is as it was before the call.

use std::fmt;

use super::accounts::FoldError;

/// The call, and what is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SettleError {
    /// Columns of different lengths.
    Length {
        /// The column at fault.
        column: &'static str,
        /// Its length.
        len: usize,
        /// The length of the others.
        expected: usize,
    },
    /// An account that is no open member's.
    UnknownMember {
        /// The id.
        account: u64,
    },
    /// A deposit, withdrawal or limit below zero.
    NegativeAmount {
        /// Whose.
        account: u64,
        /// The amount.
        amount: i64,
    },
    /// A withdrawal of more than is there and not reserved.
    WithdrawalTooLarge {
        /// Whose.
        account: u64,
        /// The amount.
        amount: i64,
        /// What may be withdrawn.
        free: i128,
    },
    /// A trade whose rows, quantity or prices cannot be.
    BadTrade {
        /// Which clearing of the call.
        clearing: usize,
        /// Which trade of it.
        trade: usize,
        /// What is wrong.
        fault: TradeFault,
    },
    /// A denominator of money other than 1 or 2.
    Denominator {
        /// Which clearing of the call.
        clearing: usize,
        /// The denominator.
        den: i64,
    },
    /// A buyer owes more than was reserved for the order.
    ExceedsCover {
        /// Whose.
        account: u64,
        /// The order.
        order: u64,
        /// What it owes.
        due: i128,
        /// What was reserved.
        reserved: i64,
    },
    /// A buyer's order was reserved for another slot than the one that is settled.
    OtherSlot {
        /// Whose.
        account: u64,
        /// The order.
        order: u64,
        /// The slot it was reserved for, ns since 1970 UTC; none where it was reserved without one.
        reserved_for: Option<i64>,
    },
    /// A buyer traded without a reservation and cannot pay.
    NotCovered {
        /// Whose.
        account: u64,
        /// The order.
        order: u64,
        /// What it owes.
        due: i128,
        /// What is available.
        available: i128,
    },
    /// Two meter readings of one member.
    DuplicateMeter {
        /// Whose.
        account: u64,
    },
    /// A member whose account is closed.
    ClosedMember {
        /// Whose.
        account: u64,
    },
    /// A line to enter that cannot be.
    BadEntry {
        /// Which line of the call.
        row: usize,
        /// What is wrong with it.
        column: &'static str,
    },
    /// An account that cannot pay what a line takes from it.
    Lacks {
        /// Whose.
        account: u64,
        /// Nano-currency, or units of another asset.
        lacks: i128,
    },
    /// A seller that cannot put up its bond.
    NoBond {
        /// Whose.
        account: u64,
        /// Nano-currency.
        lacks: i128,
    },
    /// Rules of a profile that cannot be.
    BadRules,
    /// A pool under a profile that keeps payments in escrow, deal by deal.
    PoolInEscrow,
    /// A bank that gives no credit.
    NoCredit,
    /// A bank without a treasury.
    NoTreasury,
    /// A bank whose cycles are not netted.
    NoNetting,
    /// More than can be taken out of the treasury.
    TreasuryTooLow {
        /// The amount, below zero.
        amount: i64,
        /// What is neither lent nor promised.
        free: i128,
    },
    /// A repayment of more than is owed, or than is there and not reserved.
    RepaymentTooLarge {
        /// Whose.
        account: u64,
        /// The amount.
        amount: i64,
        /// What can be repaid.
        most: i128,
    },
    /// A write-off where nothing is overdue.
    NothingOverdue {
        /// Whose.
        account: u64,
    },
    /// A failed payment of a member that owes nothing, or named twice.
    OwesNothing {
        /// Whose.
        account: u64,
    },
    /// An account to be closed that still holds, owes or has reserved something.
    NotEmpty {
        /// Whose.
        account: u64,
        /// Its balance.
        posted: i128,
        /// What it has reserved.
        reserved: i128,
        /// Whether it owes a loan.
        owes: bool,
    },
    /// A slot that was never settled.
    UnknownSlot {
        /// Which one was asked for, counted from 0.
        slot: usize,
    },
    /// A slot that can no longer be taken back.
    ConfirmedSlot {
        /// Which one, counted from 0.
        slot: usize,
    },
    /// A slot that was taken back already.
    ReversedSlot {
        /// Which one, counted from 0.
        slot: usize,
    },
    /// A slot whose readings are final.
    FrozenSlot {
        /// Which one, counted from 0.
        slot: usize,
    },
    /// Losses below zero, or of a slot in which nobody traded.
    Losses {
        /// Wh.
        losses: i64,
    },
    /// A line or quantity that does not fit 64 bits.
    AmountOutOfRange {
        /// Whose line.
        account: u64,
    },
    /// An engine time before the one that was set last.
    TimeBackwards {
        /// The time.
        time_ns: u64,
        /// The one set last.
        last: u64,
    },
    /// An engine time past 2⁶³ ns.
    TimeOutOfRange {
        /// The time.
        time_ns: u64,
    },
    /// The clearing account is not empty after a slot: a fault of this library.
    ClearingNotEmpty {
        /// What is left.
        posted: i128,
    },
    /// The full audit of a cycle failed: a fault of this library.
    AuditFailed,
    /// A posting that cannot be folded.
    Fold(FoldError),
}

/// What is wrong with one trade of a clearing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TradeFault {
    /// `buy_row` is no buy order of the clearing.
    BuyRow,
    /// `sell_row` is no sell order of the clearing.
    SellRow,
    /// The quantity is outside 1 ≤ q < 2³¹.
    Quantity,
    /// A price is outside −2³¹ < p < 2³¹.
    Price,
    /// An amount is not price × quantity.
    Amount,
    /// A network fee is outside −2³¹ < ticks < 2³¹.
    NetworkFee,
}

impl SettleError {
    /// The account the error is about.
    pub const fn account(&self) -> Option<u64> {
        match *self {
            Self::UnknownMember { account }
            | Self::NegativeAmount { account, .. }
            | Self::WithdrawalTooLarge { account, .. }
            | Self::ExceedsCover { account, .. }
            | Self::OtherSlot { account, .. }
            | Self::NotCovered { account, .. }
            | Self::DuplicateMeter { account }
            | Self::ClosedMember { account }
            | Self::RepaymentTooLarge { account, .. }
            | Self::NothingOverdue { account }
            | Self::OwesNothing { account }
            | Self::Lacks { account, .. }
            | Self::NoBond { account, .. }
            | Self::NotEmpty { account, .. }
            | Self::AmountOutOfRange { account } => Some(account),
            _ => None,
        }
    }
}

impl From<FoldError> for SettleError {
    fn from(error: FoldError) -> Self {
        Self::Fold(error)
    }
}

impl fmt::Display for SettleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Length { column, len, expected } => {
                write!(f, "column {column} has {len} rows, the others {expected}")
            }
            Self::UnknownMember { account } => {
                write!(f, "account {account} is no member's; open it first")
            }
            Self::BadEntry { row, column } => {
                write!(f, "line {row}: its {column} cannot be; see the kinds, accounts and assets of the ledger")
            }
            Self::Lacks { lacks, .. } => write!(f, "lacks {lacks}; pay it in first, or move less"),
            Self::NoBond { lacks, .. } => {
                write!(f, "lacks {lacks} nano-currency of its bonds as a seller; deposit it, or leave its asks out")
            }
            Self::PoolInEscrow => f.write_str("a pool has no deals to hold in escrow; settle it under another profile"),
            Self::BadRules => f.write_str("a minimum, bond or share of proceeds is out of range"),
            Self::NegativeAmount { amount, .. } => {
                write!(f, "amount {amount} is negative; give nano-currency, 0 or more")
            }
            Self::WithdrawalTooLarge { amount, free, .. } => write!(
                f,
                "cannot withdraw {amount}: {free} nano-currency is there and not reserved; withdraw less, or after the slot"
            ),
            Self::BadTrade { clearing, trade, fault } => {
                let fault = match fault {
                    TradeFault::BuyRow => "buy_row names no buy order of this clearing",
                    TradeFault::SellRow => "sell_row names no sell order of this clearing",
                    TradeFault::Quantity => "quantity is not between 1 and 2^31-1 lots",
                    TradeFault::Price => "a price is not below 2^31 ticks in size",
                    TradeFault::Amount => "an amount is not price × quantity",
                    TradeFault::NetworkFee => "the network fee is not below 2^31 ticks in size",
                };
                write!(f, "clearing {clearing}, trade {trade}: {fault}; settle a result of fc.clear as it is")
            }
            Self::Denominator { clearing, den } => {
                write!(f, "clearing {clearing} has money over {den}; settle a result of fc.clear as it is")
            }
            Self::ExceedsCover { order, due, reserved, .. } => write!(
                f,
                "order {order} owes {due} nano-currency, more than the {reserved} reserved for it; \
                 clear the orders that were reserved, at the same prices and fees"
            ),
            Self::OtherSlot { order, reserved_for: Some(slot), .. } => {
                write!(f, "order {order} was reserved for the slot {slot} ns after 1970; settle it in its own slot")
            }
            Self::OtherSlot { order, .. } => {
                write!(f, "order {order} was reserved for no slot; settle it before the bank is given a slot")
            }
            Self::NotCovered { order, due, available, .. } => write!(
                f,
                "order {order} was not reserved and owes {due} nano-currency of {available} available; \
                 reserve orders before clearing them and leave the refused ones out"
            ),
            Self::DuplicateMeter { .. } => f.write_str("two meter readings for one slot; give one row a member"),
            Self::ClosedMember { .. } => f.write_str("the account is closed; open another one"),
            Self::NoCredit => f.write_str("this bank gives no credit; use profile credit_bank or postpaid_netting"),
            Self::NoTreasury => f.write_str("this bank has no treasury; use profile credit_bank"),
            Self::NoNetting => f.write_str("cycles of this bank are not netted; use profile postpaid_netting"),
            Self::TreasuryTooLow { amount, free } => write!(
                f,
                "cannot take {} nano-currency out of the treasury: {free} is neither lent nor promised",
                amount.unsigned_abs()
            ),
            Self::RepaymentTooLarge { amount, most, .. } => {
                write!(f, "cannot repay {amount}: {most} nano-currency is owed, there and not reserved; repay less")
            }
            Self::NothingOverdue { .. } => f.write_str("nothing is overdue; only what is overdue can be written off"),
            Self::OwesNothing { .. } => f.write_str("owes nothing for this cycle, or is named twice"),
            Self::NotEmpty { posted, reserved, owes, .. } => {
                let loan = if owes { ", a loan open" } else { "" };
                write!(
                    f,
                    "cannot be closed with {posted} nano-currency posted, {reserved} reserved{loan}; \
                     settle, repay and withdraw first"
                )
            }
            Self::UnknownSlot { slot } => write!(f, "slot number {slot} was never settled"),
            Self::ConfirmedSlot { slot } => write!(f, "slot number {slot} is confirmed; correct it by later readings"),
            Self::ReversedSlot { slot } => write!(f, "slot number {slot} was taken back; settle it again"),
            Self::FrozenSlot { slot } => write!(f, "slot number {slot} is frozen; its readings are final"),
            Self::Losses { losses } => {
                write!(f, "losses = {losses} Wh; give 0 or more, and only where members have traded, who share them")
            }
            Self::AmountOutOfRange { .. } => f.write_str("a line of this slot does not fit 64 bits; check quantities"),
            Self::TimeBackwards { time_ns, last } => {
                write!(f, "time {time_ns} is before {last}, to which the clock was advanced; it never goes back")
            }
            Self::TimeOutOfRange { time_ns } => write!(f, "time {time_ns} is past 2^63 ns"),
            Self::ClearingNotEmpty { posted } => write!(f, "the clearing account is left with {posted}; please report"),
            Self::AuditFailed => f.write_str("accounts and totals disagree; please report"),
            Self::Fold(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for SettleError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Fold(error) => Some(error),
            _ => None,
        }
    }
}
