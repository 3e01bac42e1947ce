//! Lines that profiles enter from outside: what their numbers are called. The core gives them no meaning of its own.
//!
//! Numbers from 40 on, so that the lines of the core have room. Collateral moves as deposits and withdrawals, because
//! nobody gains or loses by it.

use super::posting::Kind;

/// Every such line that `code` tells apart within a kind, with its stable name.
pub const LINES: [(Kind, u16, &str); 15] = [
    // Collateral, and what stands behind it.
    (Kind::Deposit, 41, "pledged"),
    (Kind::Deposit, 42, "contributed"),
    (Kind::Deposit, 43, "guaranteed"),
    (Kind::Withdrawal, 41, "released"),
    (Kind::Withdrawal, 42, "returned"),
    (Kind::Withdrawal, 43, "guarantee_returned"),
    // A member who failed: its own layers, then those of others.
    (Kind::Net, 41, "margin_taken"),
    (Kind::Net, 42, "fund_taken"),
    (Kind::Net, 43, "covered"),
    (Kind::Net, 44, "passed_on"),
    // Retail prepayment: charges that wait, as claims.
    (Kind::Net, 51, "put_off"),
    (Kind::Net, 52, "recovered"),
    // Net metering: energy that becomes credits, energy that credits make up for, and the tax on it.
    (Kind::Imbalance, 41, "credited"),
    (Kind::Imbalance, 42, "compensated"),
    (Kind::Tax, 41, "compensated"),
];
