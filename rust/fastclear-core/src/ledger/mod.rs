//! Ledger: canonical bytes, RFC 9162 trees, blocks, chain and proofs.
//!
//! A block covers everything sealed at one gate: the orders, and the postings that settlement made of them. Both are
//! leaves of a Merkle tree of their own; the two roots, the root of the account states and the hash of the previous
//! header stand in a fixed header of 280 bytes. `docs/4_ledger.md` gives every byte.
//!
//! | file | what it holds |
//! |---|---|
//! | [`record`] | posting ↔ 96 bytes |
//! | [`order_leaf`] | order ↔ 64 bytes, and the order of leaves |
//! | [`account_leaf`] | account → 96 bytes, state root |
//! | [`erased`] | what is left of a leaf whose content is gone |
//! | [`header`] | block header ↔ 280 bytes |
//! | [`merkle`] | RFC 9162 tree: roots, inclusion and consistency proofs, strict verifiers |
//! | [`signature`] | Ed25519, strictly |
//! | [`consortium`] | who vouches for the blocks ↔ bytes; the records that carry a hash |
//! | [`note`] | checkpoints of the header log and their (co)signatures, C2SP |
//! | [`salt`] | the 16 bytes that keep a leaf from being guessed |
//! | [`certificate`] | whether a block was cleared right, from the block alone |
//! | [`chain`] | appends blocks; the only place that makes a header |
//! | [`plain`] | postings of a clearing that no bank has settled |
//! | [`head`] | the text that names the last block |
//! | [`mod@verify`] | replays a ledger from its bytes and names the first bad block |
//!
//! Two first bytes keep hashes apart: `0x00` ‖ leaf, `0x01` ‖ two nodes (RFC 9162); each leaf starts with a tag and
//! has one length, so that a record, an order, an account and a header can never stand for each other.

pub mod account_leaf;
mod bytes;
pub mod certificate;
pub mod chain;
pub mod consortium;
pub mod erased;
mod error;
pub mod head;
pub mod header;
pub mod merkle;
pub mod note;
pub mod order_leaf;
pub mod plain;
pub mod record;
pub mod salt;
pub mod signature;
pub mod verify;

pub use chain::{Block, Chain, Draft};
pub use consortium::Consortium;
pub use error::LedgerError;
pub use header::Header;
pub use merkle::Hash;
pub use note::{Checkpoint, Note, NoteError};
pub use order_leaf::OrderLeaf;
pub use verify::{Fault, verify};
