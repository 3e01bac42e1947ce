//! What can go wrong with a ledger directory.

use std::fmt;
use std::io;
use std::path::PathBuf;

use fastclear_core::ledger::{Fault, LedgerError};

use crate::clock::Jump;

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
    /// A directory with other content.
    NotAStore {
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
    /// A journal or snapshot is not what was written, and it is no broken append at the end either.
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// What is wrong there.
        reason: String,
    },
    /// The store was written for another machine, or by another version of this library.
    OtherFormat {
        /// The file.
        path: PathBuf,
        /// What it is.
        found: String,
        /// What it should be.
        expected: String,
    },
    /// There is no room for another journal segment. Nothing was changed; what is there can be read.
    DiskFull {
        /// The directory.
        path: PathBuf,
        /// How much room is needed.
        bytes: u64,
    },
    /// A batch that is larger than a journal segment.
    TooLarge {
        /// Its size as a frame.
        bytes: u64,
        /// The largest frame.
        most: u64,
    },
    /// The wall clock has jumped ahead: engine time would never come back from there.
    ClockJump(Jump),
    /// An exchange that is to be begun, and terms that cannot be, or none.
    NoTerms {
        /// The directory.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The ledger of an exchange does not hold the blocks that its journal makes.
    LedgerDiffers {
        /// The ledger's directory.
        path: PathBuf,
        /// The first such block.
        height: u64,
        /// What is wrong.
        reason: &'static str,
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
                write!(f, "{} is open for writing elsewhere; close it there first", path.display())
            }
            Self::NotALedger { path } => {
                write!(f, "{} exists and is not a ledger directory; choose a new or empty directory", path.display())
            }
            Self::NotAStore { path } => {
                write!(f, "{} exists and is not a store; choose a new or empty directory", path.display())
            }
            Self::OtherParams { path } => write!(
                f,
                "{} was begun with other parameters (see its params.json); open it without params, or with the same",
                path.display()
            ),
            Self::Corrupt { path, fault } => write!(f, "{}: {fault}", path.display()),
            Self::Ledger(error) => error.fmt(f),
            Self::Poisoned { path } => {
                write!(f, "an earlier write to {} failed; open it again before writing more", path.display())
            }
            Self::Damaged { path, offset, reason } => write!(
                f,
                "{} is damaged at byte {offset}: {reason}; nothing was changed, restore the directory from a copy",
                path.display()
            ),
            Self::OtherFormat { path, found, expected } => {
                write!(f, "{} is of {found} and this is {expected}; open it with what wrote it", path.display())
            }
            Self::DiskFull { path, bytes } => write!(
                f,
                "disk_full: no room for {bytes} bytes of journal in {}; nothing was changed, make room and try again",
                path.display()
            ),
            Self::TooLarge { bytes, most } => {
                write!(f, "a batch of {bytes} bytes leaves a journal segment of {most}; give smaller ones")
            }
            Self::ClockJump(Jump { wall_ns, expected_ns }) => write!(
                f,
                "the clock says {wall_ns} ns and should say about {expected_ns}; set it right, or accept the jump"
            ),
            Self::NoTerms { path, reason } => write!(f, "{}: {reason}", path.display()),
            Self::LedgerDiffers { path, height, reason } => write!(
                f,
                "{}, block {height}: {reason}; nothing was changed, restore journal and ledger from one copy",
                path.display()
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

impl StoreError {
    /// The same error for another caller of the same batch.
    pub(crate) fn again(&self) -> Self {
        match self {
            Self::Io { action, path, source } => {
                let source = io::Error::new(source.kind(), source.to_string());
                Self::Io { action, path: path.clone(), source }
            }
            Self::DiskFull { path, bytes } => Self::DiskFull { path: path.clone(), bytes: *bytes },
            &Self::TooLarge { bytes, most } => Self::TooLarge { bytes, most },
            &Self::ClockJump(jump) => Self::ClockJump(jump),
            Self::Poisoned { path } => Self::Poisoned { path: path.clone() },
            // A batch fails in no other way; whoever asks again is told more.
            other => Self::Poisoned { path: other.to_string().into() },
        }
    }
}

impl From<LedgerError> for StoreError {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(error)
    }
}
