//! What is wrong with a ledger, and where.

use core::fmt;

use crate::ledger::LedgerError;

/// The file at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// `params.json`.
    Params,
    /// `headers.bin`.
    Headers,
    /// `records.bin`.
    Records,
    /// `orders.bin`.
    Orders,
    /// `head`.
    Head,
    /// `signed`.
    Signed,
}

impl Part {
    /// The file's name in a ledger directory.
    pub const fn file(self) -> &'static str {
        match self {
            Self::Params => "params.json",
            Self::Headers => "headers.bin",
            Self::Records => "records.bin",
            Self::Orders => "orders.bin",
            Self::Head => "head",
            Self::Signed => "signed",
        }
    }
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// A header whose hash is not the one that the next header names.
    HeaderAltered,
    /// The head names another last header.
    HeadDiffers,
    /// The head is no head text.
    HeadMalformed,
    /// The parameters are not those that the header or the head commits to.
    Params,
    /// A header field that does not continue the chain.
    Place(&'static str),
    /// A file that ends before the block does.
    Truncated,
    /// Bytes behind the last sealed block.
    Trailing {
        /// How many.
        bytes: u64,
    },
    /// A leaf or header that breaks the format or the history.
    Malformed(LedgerError),
    /// Order leaves out of order.
    Unsorted,
    /// The order leaves have another root.
    OrdersRoot,
    /// The records have another root.
    RecordsRoot,
    /// The accounts after the block have another root.
    StateRoot,
    /// The trades have another sum.
    Gross,
    /// What the log signed last is no checkpoint.
    SignedMalformed,
    /// What the log signed last is not what it holds.
    SignedDiffers,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeaderAltered => f.write_str("the header was altered: its hash is not the one the chain names"),
            Self::HeadDiffers => f.write_str("the head names another last header: header or head was altered"),
            Self::HeadMalformed => f.write_str("the head is missing, cut or altered"),
            Self::Params => f.write_str("the parameters do not have the hash that the ledger commits to"),
            Self::Place(field) => write!(f, "the header's {field} does not continue the chain"),
            Self::Truncated => f.write_str("the file ends before the block does: bytes were cut off"),
            Self::Trailing { bytes } => write!(
                f,
                "{bytes} bytes stand behind the last sealed block: an append was broken off (opening the ledger \
                 repairs that) or they were added"
            ),
            Self::Malformed(error) => error.fmt(f),
            Self::Unsorted => f.write_str("the order leaves are not in their order"),
            Self::OrdersRoot => f.write_str("the orders do not hash to the orders root: an order or salt was altered"),
            Self::RecordsRoot => {
                f.write_str("the records do not hash to the records root: a record or salt was altered")
            }
            Self::StateRoot => f.write_str("replaying the records gives another state root"),
            Self::Gross => f.write_str("the trades do not sum to the header's gross"),
            Self::SignedMalformed => f.write_str("what the log signed last is cut or altered"),
            Self::SignedDiffers => {
                f.write_str("the log signed a checkpoint that these blocks do not have: they were cut off or replaced")
            }
        }
    }
}

/// The first bad block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its height.
    pub height: u64,
    /// Record (or order leaf) in the block, where one can be named.
    pub record: Option<u64>,
    /// The file.
    pub part: Part,
    /// Byte in the file where the bad leaf, block or end begins.
    pub offset: u64,
    /// What is wrong.
    pub reason: Reason,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "block {}", self.height)?;
        if let Some(record) = self.record {
            let leaf = if self.part == Part::Orders { "order" } else { "record" };
            write!(f, ", {leaf} {record}")?;
        }
        write!(f, " ({} at byte {}): {}", self.part.file(), self.offset, self.reason)
    }
}

impl core::error::Error for Fault {}
