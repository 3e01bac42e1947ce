//! The only part of fastclear that touches a disk: the ledger directory, and the store of any state machine.
//!
//! # The store of a machine
//! [`Host`] keeps a [`fastclear_core::machine::Machine`]: commands in a journal, the state in snapshots. Files, in a
//! directory of their own:
//!
//! | file | what it holds |
//! |---|---|
//! | `journal-N.fcj` | frames of commands (`journal/frame.rs`), in segments of one size |
//! | `snapshot-LSN.fcs` | the state after a frame (`snapshot.rs`) |
//! | `lock` | nothing; it is locked |
//!
//! # The ledger directory
//! | file | what it holds |
//! |---|---|
//! | `params.json` | the parameters' text, whose SHA-256 every header carries |
//! | `headers.bin` | headers, 280 bytes each |
//! | `records.bin` | record entries, 112 bytes each |
//! | `orders.bin` | order entries, 80 bytes each |
//! | `head` | text that names the last header |
//!
//! A block is appended in three steps: entries, then the header, then the head (a new file renamed over the old).
//! With [`Durability::Sync`] each step is on disk before the next begins, so that a crash leaves at most one block
//! beyond the head. [`LedgerDir::open`] keeps that block if it is whole and valid and cuts it off otherwise;
//! everything else that does not verify is refused, with file and offset, and nothing is changed.

mod clock;
mod dir;
mod durability;
mod error;
mod exchange;
mod files;
mod group;
mod host;
mod journal;
mod ledger;
#[cfg(feature = "sim")]
pub mod sim;
mod snapshot;
mod vfs;

pub use clock::{Clock, Jump, STEP_MAX_NS, WallClock};
pub use dir::{LedgerDir, verify_dir};
pub use durability::Durability;
pub use error::StoreError;
pub use exchange::{ExchangeClock, House, Keeping};
pub use group::GroupHost;
pub use host::{Answer, Host, Opened, Options, Replayed};
pub use journal::Counts;
pub use journal::recover::Tail;
pub use ledger::Ledger;
pub use vfs::{OsVfs, Vfs, VfsFile};
