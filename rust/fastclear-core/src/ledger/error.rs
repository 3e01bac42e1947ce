//! Why a leaf, block or proof is refused.
//!
//! Decoding: `Length`, `Tag`, `Version`, `Field`. Sealing: `Sequence`, `Time`, `TradeAmount`, `Fold`, `Gross`,
//! `TooMany`, `StateChange`, `NotNext`. Proofs: the rest.

use core::fmt;

use crate::settlement::accounts::FoldError;

/// Why a leaf, block or proof is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LedgerError {
    /// A leaf or header of the wrong length.
    Length {
        /// What was read.
        what: &'static str,
        /// Its length in the format.
        expected: usize,
        /// The length found.
        got: usize,
    },
    /// The first bytes name something else.
    Tag {
        /// What should have been read.
        what: &'static str,
    },
    /// A format version this code does not know.
    Version {
        /// What was read.
        what: &'static str,
        /// The version found.
        got: u16,
    },
    /// A field outside what version 1 defines.
    Field {
        /// What was read.
        what: &'static str,
        /// The field.
        field: &'static str,
        /// Its offset in the leaf.
        offset: usize,
    },
    /// A record whose `seq` is not the next of the history.
    Sequence {
        /// Record in the block.
        record: u64,
        /// The next `seq`.
        expected: u64,
        /// The `seq` found.
        got: u64,
    },
    /// A record that is not later than the one before it.
    Time {
        /// Record in the block.
        record: u64,
        /// Time of the record before, ns.
        previous: u64,
        /// Time found, ns.
        got: u64,
    },
    /// A trade record whose amount is not |price × quantity|.
    TradeAmount {
        /// Record in the block.
        record: u64,
    },
    /// A record that the accounts refuse.
    Fold {
        /// Record in the block.
        record: u64,
        /// Why.
        error: FoldError,
    },
    /// The trades of one block exceed 64 bits of money.
    Gross,
    /// More leaves than a block can count.
    TooMany {
        /// What there is too much of.
        what: &'static str,
    },
    /// A block with account states in a ledger without, or the reverse.
    StateChange {
        /// Whether the ledger carries account states.
        ledger_has_state: bool,
    },
    /// A block that was not drafted on the last block of this chain, or a time that cannot rise any more.
    NotNext,
    /// A leaf index at or beyond the size of the tree.
    Index {
        /// The index.
        index: u64,
        /// The size.
        size: u64,
    },
    /// Tree sizes that no proof can relate.
    Sizes {
        /// The older size.
        old: u64,
        /// The newer size.
        new: u64,
    },
    /// A proof with more or fewer hashes than the tree has levels.
    ProofLength,
    /// A proof that leads to another root.
    RootMismatch,
    /// A record that must be kept, asked to be erased.
    Kept {
        /// Its seq.
        seq: u64,
    },
}

impl fmt::Display for LedgerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { what, expected, got } => write!(f, "{what} has {got} bytes instead of {expected}"),
            Self::Tag { what } => write!(f, "{what} does not start with its tag"),
            Self::Version { what, got } => write!(f, "{what} has version {got}; this program knows version 1"),
            Self::Field { what, field, offset } => {
                write!(f, "{what}: {field} at byte {offset} has a value that version 1 does not define")
            }
            Self::Sequence { record, expected, got } => write!(
                f,
                "record {record} has seq {got}; the history goes on at {expected} (seal every posting once, in order)"
            ),
            Self::Time { record, previous, got } => {
                write!(f, "record {record} has engine time {got} ns, not later than {previous} ns of the record before")
            }
            Self::TradeAmount { record } => {
                write!(f, "record {record} is a trade whose amount is not |price × quantity|")
            }
            Self::Fold { record, error } => write!(f, "record {record} does not fit the accounts: {error}"),
            Self::Gross => {
                f.write_str("the trades of the block sum to more than 64 bits of money; seal them in several blocks")
            }
            Self::TooMany { what } => write!(f, "a block holds at most 2^32-1 {what}"),
            Self::StateChange { ledger_has_state: true } => {
                f.write_str("this ledger carries account states in every block; seal with receipts")
            }
            Self::StateChange { ledger_has_state: false } => f.write_str(
                "this ledger was begun without account states; seal without receipts, or begin a new ledger",
            ),
            Self::NotNext => f.write_str("the block does not continue this chain"),
            Self::Index { index, size } => write!(f, "leaf {index} is outside a tree of {size} leaves"),
            Self::Sizes { old, new } => write!(f, "a tree of {old} leaves cannot be shown to grow into {new}"),
            Self::ProofLength => f.write_str("the proof has the wrong number of hashes for this tree"),
            Self::RootMismatch => f.write_str("the proof leads to another root"),
            Self::Kept { seq } => {
                write!(
                    f,
                    "record {seq} moves money or rights and is kept; only orders and meter readings can be erased"
                )
            }
        }
    }
}

impl core::error::Error for LedgerError {}
