//! The block header: 280 bytes that commit to everything of one block and to the block before.
//!
//! | offset | type | field | offset | type | field |
//! |---|---|---|---|---|---|
//! | 0 | 4 bytes | tag `FCB1` | 176 | hash | params hash |
//! | 4 | u16 | version 1 | 208 | hash | validators hash, zero without a consortium |
//! | 6 | u16 | flags: bit 0 = state root present | 240 | u32 | orders |
//! | 8 | u64 | height | 244 | u32 | records |
//! | 16 | hash | chain id | 248 | u64 | seq of the first record |
//! | 48 | hash | header hash of the block before | 256 | u64 | engine time, ns |
//! | 80 | hash | orders root | 264 | u64 | slot, ns |
//! | 112 | hash | records root | 272 | i64 | gross: sum of the trades' amounts |
//! | 144 | hash | state root | 280 | | (end) |

use super::LedgerError;
use super::bytes::{i64_at, put, take, u16_at, u32_at, u64_at};
use super::merkle::{Hash, leaf_hash};
use super::record::VERSION;

/// Bytes of a header.
pub const HEADER_LEN: usize = 280;
/// First bytes of a header.
pub const HEADER_TAG: [u8; 4] = *b"FCB1";
/// Flag: `state_root` is present.
pub const FLAG_STATE: u16 = 1;
/// Where `prev` stands.
pub(super) const PREV_OFFSET: usize = 48;

const WHAT: &str = "header";
const ZERO: Hash = [0; 32];

/// A block header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Whether `state_root` is present.
    pub has_state: bool,
    /// Position in the chain, from 0.
    pub height: u64,
    /// The chain.
    pub chain_id: Hash,
    /// Header hash of the block before; zero in block 0.
    pub prev: Hash,
    /// Root over the order leaves.
    pub orders_root: Hash,
    /// Root over the records.
    pub records_root: Hash,
    /// Root over the account leaves after the block; zero where absent.
    pub state_root: Hash,
    /// SHA-256 of the parameters' text.
    pub params_hash: Hash,
    /// Hash of the consortium that cosigns this block; zero where there is none.
    pub validators_hash: Hash,
    /// Number of order leaves.
    pub orders: u32,
    /// Number of records.
    pub records: u32,
    /// `seq` of the first record; the next `seq` in a block without records.
    pub first_seq: u64,
    /// Engine time of sealing in ns; strictly rising, and not before any record of the block.
    pub time_ns: u64,
    /// Start of the delivery slot in ns.
    pub slot: u64,
    /// Sum of the amounts of the trade records, nano-currency.
    pub gross: i64,
}

impl Header {
    /// The 280 bytes.
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut out = [0_u8; HEADER_LEN];
        put(&mut out, 0, HEADER_TAG);
        put(&mut out, 4, u16::from(VERSION).to_le_bytes());
        put(&mut out, 6, (if self.has_state { FLAG_STATE } else { 0 }).to_le_bytes());
        put(&mut out, 8, self.height.to_le_bytes());
        put(&mut out, 16, self.chain_id);
        put(&mut out, PREV_OFFSET, self.prev);
        put(&mut out, 80, self.orders_root);
        put(&mut out, 112, self.records_root);
        put(&mut out, 144, self.state_root);
        put(&mut out, 176, self.params_hash);
        put(&mut out, 208, self.validators_hash);
        put(&mut out, 240, self.orders.to_le_bytes());
        put(&mut out, 244, self.records.to_le_bytes());
        put(&mut out, 248, self.first_seq.to_le_bytes());
        put(&mut out, 256, self.time_ns.to_le_bytes());
        put(&mut out, 264, self.slot.to_le_bytes());
        put(&mut out, 272, self.gross.to_le_bytes());
        out
    }

    /// The header of 280 bytes, strictly.
    ///
    /// # Errors
    /// [`LedgerError::Length`], `Tag`, `Version`, or `Field` for undefined flags, a state root without its flag, a
    /// previous hash in block 0 or a negative gross.
    pub fn decode(bytes: &[u8]) -> Result<Self, LedgerError> {
        if bytes.len() != HEADER_LEN {
            return Err(LedgerError::Length { what: WHAT, expected: HEADER_LEN, got: bytes.len() });
        }
        if bytes[..4] != HEADER_TAG {
            return Err(LedgerError::Tag { what: WHAT });
        }
        let version = u16_at(bytes, 4);
        if version != u16::from(VERSION) {
            return Err(LedgerError::Version { what: WHAT, got: version });
        }
        let flags = u16_at(bytes, 6);
        if flags & !FLAG_STATE != 0 {
            return Err(field("flags", 6));
        }
        let header = Self {
            has_state: flags & FLAG_STATE != 0,
            height: u64_at(bytes, 8),
            chain_id: take(bytes, 16),
            prev: take(bytes, PREV_OFFSET),
            orders_root: take(bytes, 80),
            records_root: take(bytes, 112),
            state_root: take(bytes, 144),
            params_hash: take(bytes, 176),
            validators_hash: take(bytes, 208),
            orders: u32_at(bytes, 240),
            records: u32_at(bytes, 244),
            first_seq: u64_at(bytes, 248),
            time_ns: u64_at(bytes, 256),
            slot: u64_at(bytes, 264),
            gross: i64_at(bytes, 272),
        };
        if header.height == 0 && header.prev != ZERO {
            return Err(field("prev", PREV_OFFSET));
        }
        if !header.has_state && header.state_root != ZERO {
            return Err(field("state_root", 144));
        }
        if header.gross < 0 {
            return Err(field("gross", 272));
        }
        Ok(header)
    }

    /// SHA-256(`0x00` ‖ header): leaf of the header log and `prev` of the next block.
    pub fn hash(&self) -> Hash {
        leaf_hash(&self.encode())
    }
}

const fn field(field: &'static str, offset: usize) -> LedgerError {
    LedgerError::Field { what: WHAT, field, offset }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    const SAMPLE: Header = Header {
        has_state: true,
        height: 3,
        chain_id: [1; 32],
        prev: [2; 32],
        orders_root: [3; 32],
        records_root: [4; 32],
        state_root: [5; 32],
        params_hash: [6; 32],
        validators_hash: [7; 32],
        orders: 50,
        records: 200,
        first_seq: 600,
        time_ns: 9,
        slot: 8,
        gross: 7,
    };

    #[test]
    fn a_header_survives_the_round_trip() {
        assert_eq!(Header::decode(&SAMPLE.encode()).unwrap(), SAMPLE);
    }

    #[test]
    fn what_version_1_does_not_define_is_refused() {
        for (offset, value, refusal) in [
            (0, b'G', LedgerError::Tag { what: WHAT }),
            (3, b'2', LedgerError::Tag { what: WHAT }),
            (4, 2, LedgerError::Version { what: WHAT, got: 2 }),
            (5, 1, LedgerError::Version { what: WHAT, got: 257 }),
            (6, 3, field("flags", 6)),
            (7, 1, field("flags", 6)),
            (6, 0, field("state_root", 144)),
            (8, 0, field("prev", 48)),
            (279, 0x80, field("gross", 272)),
        ] {
            let mut bytes = SAMPLE.encode();
            bytes[offset] = value;
            assert_eq!(Header::decode(&bytes), Err(refusal), "byte {offset} = {value}");
        }
        assert!(Header::decode(&SAMPLE.encode()[..279]).is_err());
    }
}
