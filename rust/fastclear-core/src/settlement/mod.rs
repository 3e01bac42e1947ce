//! Settlement: double-entry accounts, reservations, and the postings of a slot.
//!
//! | file | what lives there |
//! |---|---|
//! | [`posting`] | one posting, the unit of account |
//! | [`accounts`] | accounts and open reservations; [`accounts::Accounts::apply`] folds a posting into them |

pub mod accounts;
pub mod posting;

pub use accounts::{Account, Accounts, FoldError};
