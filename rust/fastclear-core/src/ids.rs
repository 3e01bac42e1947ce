//! Identifiers. Inside the core every id is an integer; text is encoded at the border.
//!
//! Order and market ids of a clearing compare as signed integers (text ids arrive as ranks of their bytes). Ids that
//! enter the ledger must mean the same in every block, so text becomes a 64-bit pseudonym of its own bytes instead.

use sha2::{Digest, Sha256};

/// The 64-bit id under which text enters the ledger: the first eight bytes, little-endian, of
/// SHA-256(`0x02` ‖ UTF-8 bytes). The prefix keeps it apart from leaf (`0x00`) and node (`0x01`) hashes.
pub fn text_id(text: &str) -> u64 {
    let mut hasher = Sha256::new();
    hasher.update([0x02]);
    hasher.update(text.as_bytes());
    let digest = hasher.finalize();
    let mut first = [0_u8; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_le_bytes(first)
}
