//! Settlement: double-entry accounts, reservations, and the postings of a slot.
//!
//! | file | what lives there |
//! |---|---|
//! | [`posting`] | one posting, the unit of account |
//! | [`accounts`] | accounts and open reservations; [`Accounts::apply`] folds a posting into them |
//! | `by_id` | where accounts are found |
//! | [`tariff`] | retail, feed-in, fees, tax |
//! | [`terms`] | what holds in one slot: a tariff, tax by line, shares of fees; the worst case of a bid |
//! | `subscription` | fixed charges |
//! | [`amount`] | money over a denominator in whole nano-currency |
//! | [`bank`] | open, deposit, withdraw, reserve, settle: calls in, postings out |
//! | `open_orders` | which reservations each order has open |
//! | `cleared` | what was cleared for a slot, looked at before anything is posted |
//! | `claims` | what its buy orders owe, and the reservations that they are paid from |
//! | [`slot`] | the lines of one slot, in the order the ledger hashes them |
//! | [`pool`] | the lines of a pool without bids
//! | [`delivery`] | meter readings against trades, after the lines of the trades |
//! | `allocation` | a seller's shortfall over its trades, losses over who traded, deviations over a pool |
//! | [`credit`] | loans, exposure, standing, the end of a cycle |
//! | [`resettlement`] | a settled slot under later readings: what the difference moves |
//! | [`provisional`] | slots that are not final yet: earnings set aside, taken back or confirmed |
//! | [`disputes`] | codes of disputes |
//! | [`imbalance`] | what a deviation from the contract costs, and who has what is left over |
//! | [`profile_lines`] | names of the lines that profiles enter from outside |
//! | [`rules`] | what a profile adds to bids and trades: money to be kept, escrow and bonds, fees from proceeds |
//! | [`purses`] | accounts of a member for a purpose, and lines between any accounts |
//! | [`bill`] | what each member paid, read off postings |
//! | [`transfers`] | accounts of several assets: ids, credit check, linked chains, timeouts, one code a transfer |
//! | [`certificates`] | certificates of origin, from issue to claim, one code a row |
//! | [`storage`] | a shared battery: an energy account a member, one code a step |
//! | [`netting`] | obligations to few payments, bilateral or multilateral |
//! | [`error`] | why a call makes no sense |
//!
//! Money moves from left to right: a buyer's cover is reserved before the market, drawn into the clearing account
//! after it, and paid out to seller, platform, network and tax; metered energy that was not traded is settled with the
//! retail supplier.

pub mod accounts;
mod allocation;
pub mod amount;
pub mod bank;
pub mod bill;
mod by_id;
pub mod certificates;
mod claims;
mod cleared;
pub mod credit;
pub mod delivery;
pub mod disputes;
mod draft;
pub mod error;
pub mod hash_lines;
pub mod imbalance;
pub mod netting;
mod open_orders;
pub mod pool;
pub mod posting;
pub mod profile_lines;
pub mod provisional;
pub mod purses;
pub mod resettlement;
pub mod rules;
pub mod slot;
pub mod storage;
mod subscription;
pub mod tariff;
pub mod terms;
pub mod transfers;

pub use accounts::{Account, Accounts, FoldError};
pub use bank::{Bank, Orders};
pub use bill::{Bill, bill_list, bills};
pub use credit::desk::{Profile, Status};
pub use error::SettleError;
pub use imbalance::{Imbalance, Owner, Shortfall};
pub use pool::PooledSlot;
pub use posting::{Kind, Posting};
pub use purses::Entries;
pub use rules::Rules;
pub use slot::{ClearedSlot, Meter};
pub use tariff::{Tariff, TariffError};
pub use terms::{FeeShare, TaxRates, Terms};
pub use transfers::{Code, Transfer, TransferKind, Transfers};
