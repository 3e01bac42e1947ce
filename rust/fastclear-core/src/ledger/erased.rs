//! Leaves whose content is gone: of an erased entry only the leaf hash is left, so that every root and every proof of
//! another leaf stays what it was.
//!
//! | offset | type | field |
//! |---|---|---|
//! | 0 | u8 | tag 0xFE |
//! | 1 | u8 | version 1 |
//! | 2 | u8 | kind of the record; 0 of an order |
//! | 3 | 5 bytes | zero |
//! | 8 | u64 | `seq` of the record; 0 of an order |
//! | 16 | 32 bytes | leaf hash of what stood here |
//! | 48 | to the end of the entry | zero |
//!
//! Orders and meter readings can be erased: nothing is folded from them. Money records stay, since balances are replayed
//! from them and books must be kept for tax.

use super::LedgerError;
use super::bytes::{put, take, u64_at};
use super::merkle::{self, Hash};
use super::order_leaf::ORDER_ENTRY_LEN;
use super::record::{RECORD_ENTRY_LEN, RECORD_LEN, VERSION, decode as decode_record};
use crate::settlement::posting::Kind;

/// First byte of an erased entry.
pub const ERASED_TAG: u8 = 0xFE;

const WHAT: &str = "erased leaf";
const KIND_OFFSET: usize = 2;
const HASH_OFFSET: usize = 16;
const HASH_END: usize = 48;
const METER: u8 = Kind::Meter as u8;

/// What is left of an erased entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erased {
    /// `seq` of the record; 0 of an order.
    pub seq: u64,
    /// The leaf hash.
    pub leaf: Hash,
}

/// Whether an entry has been erased.
pub fn is_erased(entry: &[u8]) -> bool {
    entry.first() == Some(&ERASED_TAG)
}

/// Takes the content out of an entry, a record's or an order's with its salt. An erased one stays as it is.
///
/// # Errors
/// [`LedgerError::Kept`] for a record that is no meter reading, or whatever makes it no record.
pub fn erase(entry: &mut [u8]) -> Result<Hash, LedgerError> {
    if is_erased(entry) {
        return Ok(decode(entry)?.leaf);
    }
    let (kind, seq) = if entry.len() == RECORD_ENTRY_LEN {
        let record = decode_record(&entry[..RECORD_LEN])?;
        if record.kind != Kind::Meter {
            return Err(LedgerError::Kept { seq: record.seq });
        }
        (METER, record.seq)
    } else {
        (0, 0)
    };
    let leaf = merkle::leaf_hash(entry);
    entry.fill(0);
    (entry[0], entry[1], entry[KIND_OFFSET]) = (ERASED_TAG, VERSION, kind);
    put(entry, 8, seq.to_le_bytes());
    put(entry, HASH_OFFSET, leaf);
    Ok(leaf)
}

/// Reads an erased entry, strictly.
///
/// # Errors
/// [`LedgerError::Length`], `Tag`, `Version` or `Field`.
pub fn decode(entry: &[u8]) -> Result<Erased, LedgerError> {
    let kind = match entry.len() {
        RECORD_ENTRY_LEN => METER,
        ORDER_ENTRY_LEN => 0,
        got => return Err(LedgerError::Length { what: WHAT, expected: RECORD_ENTRY_LEN, got }),
    };
    if entry[0] != ERASED_TAG {
        return Err(LedgerError::Tag { what: WHAT });
    }
    if entry[1] != VERSION {
        return Err(LedgerError::Version { what: WHAT, got: entry[1].into() });
    }
    let field = |field, offset| LedgerError::Field { what: WHAT, field, offset };
    if entry[KIND_OFFSET] != kind {
        return Err(field("kind", KIND_OFFSET));
    }
    let seq = u64_at(entry, 8);
    if kind == 0 && seq != 0 {
        return Err(field("seq", 8));
    }
    match (3..8).chain(HASH_END..entry.len()).find(|&at| entry[at] != 0) {
        Some(at) => Err(field("zero", at)),
        None => Ok(Erased { seq, leaf: take(entry, HASH_OFFSET) }),
    }
}

/// The leaf hashes of entries, erased ones among them.
pub fn leaf_hashes(entries: &[u8], entry_len: usize) -> Vec<Hash> {
    let mut hashes = merkle::leaf_hashes(entries, entry_len);
    for (hash, entry) in hashes.iter_mut().zip(entries.chunks_exact(entry_len.max(1))) {
        if is_erased(entry) && entry.len() >= HASH_END {
            *hash = take(entry, HASH_OFFSET);
        }
    }
    hashes
}

/// The root over entries, erased ones among them.
pub fn root_of_entries(entries: &[u8], entry_len: usize) -> Hash {
    if entries.chunks_exact(entry_len.max(1)).any(is_erased) {
        merkle::root(leaf_hashes(entries, entry_len))
    } else {
        merkle::root_of_entries(entries, entry_len)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::ledger::OrderLeaf;
    use crate::ledger::record::encode;
    use crate::settlement::posting::Posting;

    fn order(number: u64) -> Vec<u8> {
        let leaf = OrderLeaf {
            side: 1,
            kind: 0,
            reject: 0,
            order: number,
            participant: 77,
            market: 0,
            price: 5,
            quantity: 6,
            time_ns: 7,
        };
        [leaf.encode().as_slice(), &[9; 16]].concat()
    }

    fn record(kind: Kind) -> Vec<u8> {
        let posting = Posting {
            kind,
            flags: 0,
            code: 0,
            asset: 0,
            seq: 5,
            time_ns: 1,
            market: 0,
            buy_order: 0,
            sell_order: 0,
            debit: 1000,
            credit: 1001,
            quantity: 3,
            price: 0,
            amount: 1,
            group: 5,
        };
        [encode(&posting).as_slice(), &[9; 16]].concat()
    }

    #[test]
    fn what_is_erased_is_gone_and_the_root_stays() {
        let mut entries: Vec<u8> = (0..5).flat_map(order).collect();
        let before = merkle::root_of_entries(&entries, ORDER_ENTRY_LEN);
        let leaf = erase(&mut entries[80..160]).unwrap();
        assert_eq!(root_of_entries(&entries, ORDER_ENTRY_LEN), before);
        assert_ne!(merkle::root_of_entries(&entries, ORDER_ENTRY_LEN), before);
        assert_eq!(decode(&entries[80..160]), Ok(Erased { seq: 0, leaf }));
        // Neither the salt nor the pseudonym stands there any more; erasing again changes nothing.
        let after = entries.clone();
        let pseudonym = 77_u64.to_le_bytes();
        assert!(!after[80..160].windows(4).any(|part| part == [9; 4]));
        assert!(!after[80..160].windows(8).any(|part| part == pseudonym));
        assert!(after[..80].windows(8).any(|part| part == pseudonym));
        assert_eq!(erase(&mut entries[80..160]), Ok(leaf));
        assert_eq!(entries, after);
    }

    #[test]
    fn only_meter_readings_can_be_erased_among_records() {
        let mut kept = record(Kind::Deposit);
        let before = kept.clone();
        assert_eq!(erase(&mut kept), Err(LedgerError::Kept { seq: 5 }));
        assert_eq!(kept, before);
        let mut meter = record(Kind::Meter);
        erase(&mut meter).unwrap();
        assert_eq!(decode(&meter).unwrap().seq, 5);
    }

    #[test]
    fn an_erased_entry_has_one_form() {
        for mut entry in [order(3), record(Kind::Meter)] {
            erase(&mut entry).unwrap();
            for at in (0..HASH_OFFSET).chain(HASH_END..entry.len()) {
                let mut altered = entry.clone();
                altered[at] ^= 1;
                let is_seq_of_record = entry.len() == RECORD_ENTRY_LEN && (8..16).contains(&at);
                assert_eq!(decode(&altered).is_ok(), is_seq_of_record, "byte {at}");
            }
        }
        assert!(decode(&[0xFE; 50]).is_err());
    }
}
