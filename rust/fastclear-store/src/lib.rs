//! The only part of fastclear that touches a disk: the ledger directory.
//!
//! | file | what it holds |
//! |---|---|
//! | `params.json` | the parameters' text, whose SHA-256 every header carries |
//! | `headers.bin` | headers, 280 bytes each |
//! | `records.bin` | record entries, 112 bytes each |
//! | `orders.bin` | order entries, 80 bytes each |
//! | `head` | text that names the last header |
//! | `signed` | the checkpoint that the log signed last, once it has signed one |
//!
//! A block is appended in three steps: entries, then the header, then the head (a new file renamed over the old).
//! With [`Durability::Sync`] each step is on disk before the next begins, so that a crash leaves at most one block
//! beyond the head. [`LedgerDir::open`] keeps that block if it is whole and valid and cuts it off otherwise;
//! everything else that does not verify is refused, with file and offset, and nothing is changed.

mod dir;
mod erasing;
mod error;
mod files;
mod ledger;
mod signed;

pub use dir::{Durability, LedgerDir, verify_dir};
pub use error::StoreError;
pub use ledger::Ledger;
