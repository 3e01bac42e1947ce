//! What can go wrong with a ledger directory.

use std::fmt;
use std::io;
use std::path::PathBuf;

use fastclear_core::ledger::{Fault, LedgerError};

/// What can go wrong with a ledger directory.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// The operating system refused.
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// Another process or object has the directory open for writing.
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// A directory with other content.
    NotALedger {
        /// The directory.
        path: PathBuf,
    },
    /// The ledger was begun with other parameters.
    OtherParams {
        /// The directory.
        path: PathBuf,
    },
    /// The directory does not verify.
    Corrupt {
        /// The directory.
        path: PathBuf,
        /// The first bad block.
        fault: Fault,
    },
    /// The next block cannot be sealed.
    Ledger(LedgerError),
    /// An earlier write failed: what is on disk is unknown until the directory is opened again.
    Poisoned {
        /// The directory.
        path: PathBuf,
    },
    /// A log without blocks has no checkpoint.
    NothingToSign,
    /// A name that no log can have.
    Origin {
        /// The name.
        origin: String,
    },
    /// The log has signed under another name.
    OtherOrigin {
        /// That name.
        origin: String,
    },
    /// The log has signed another history.
    Inconsistent {
        /// Number of headers that it signed.
        size: u64,
    },
    /// No such block.
    NoBlock {
        /// What was asked for.
        height: u64,
        /// How many there are.
        blocks: u64,
    },
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { action, path, source } => write!(f, "cannot {action} {}: {source}", path.display()),
            Self::Locked { path } => {
                write!(f, "{} is open for writing elsewhere; close that ledger first", path.display())
            }
            Self::NotALedger { path } => {
                write!(f, "{} exists and is not a ledger directory; choose a new or empty directory", path.display())
            }
            Self::OtherParams { path } => write!(
                f,
                "{} was begun with other parameters (see its params.json); open it without params, or with the same",
                path.display()
            ),
            Self::Corrupt { path, fault } => write!(f, "{}: {fault}", path.display()),
            Self::Ledger(error) => error.fmt(f),
            Self::Poisoned { path } => {
                write!(f, "an earlier write to {} failed; open the ledger again before sealing", path.display())
            }
            Self::NothingToSign => f.write_str("there is no block to sign yet; seal one first"),
            Self::Origin { origin } => {
                write!(f, "{origin:?} cannot be the name of a log; give one line of visible characters")
            }
            Self::OtherOrigin { origin } => {
                write!(f, "this log has signed under the name {origin:?}, and a log has one name")
            }
            Self::Inconsistent { size } => write!(
                f,
                "this log has signed a checkpoint of {size} blocks that is not part of these blocks; it never signs \
                 two histories"
            ),
            Self::NoBlock { height, blocks } => {
                write!(f, "there is no block {height}; the ledger has {blocks} blocks")
            }
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Corrupt { fault, .. } => Some(fault),
            Self::Ledger(error) => Some(error),
            _ => None,
        }
    }
}

impl From<LedgerError> for StoreError {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(error)
    }
}
