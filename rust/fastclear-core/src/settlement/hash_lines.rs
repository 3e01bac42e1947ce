//! Lines that carry a hash of 32 bytes instead of money: who vouches for the ledger from now on, and where the ledger of
//! a sub-chain stands. The bank enters them among its postings, so that the history stays one.
//!
//! The hash stands in the fields market, buy order, sell order and quantity, 8 bytes each, little-endian; every other
//! field that could hold money or a place is zero.

use super::bank::Bank;
use super::draft::{Draft, Line};
use super::error::SettleError;
use super::posting::Kind;

/// `code` of a [`Kind::Membership`]: other validators from the next block on.
pub const MEMBERSHIP_VALIDATORS: u16 = 2;
/// `code` of a [`Kind::Parameter`]: where the log of a sub-chain stands.
pub const PARAMETER_SUBCHAIN: u16 = 2;
/// The lines, by kind, code and name.
pub const LINES: [(Kind, u16, &str); 2] =
    [(Kind::Membership, MEMBERSHIP_VALIDATORS, "validators"), (Kind::Parameter, PARAMETER_SUBCHAIN, "subchain")];

/// Whether a posting of this kind and code carries a hash.
pub fn carries_hash(kind: Kind, code: u16) -> bool {
    LINES.iter().any(|line| (line.0, line.1) == (kind, code))
}

/// The fields market, buy order, sell order and quantity that carry a hash.
pub fn fields(hash: &[u8; 32]) -> (u64, u64, u64, i64) {
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(hash.chunks_exact(8)) {
        *word = bytes.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
    }
    (words[0], words[1], words[2], words[3] as i64)
}

impl Bank {
    /// Enters lines that carry hashes, all of them or none, and returns the seq of each.
    ///
    /// # Errors
    /// [`SettleError::BadEntry`] for a kind and code that carries none; `AmountOutOfRange` never.
    pub fn enter_hashes(&mut self, rows: &[(Kind, u16, [u8; 32])]) -> Result<Vec<u64>, SettleError> {
        let mut draft = Draft::new(&mut self.accounts, self.next);
        let mut seqs = Vec::with_capacity(rows.len());
        for (row, &(kind, code, ref hash)) in rows.iter().enumerate() {
            if !carries_hash(kind, code) {
                return Err(SettleError::BadEntry { row, column: "kind" });
            }
            let (market, buy_order, sell_order, quantity) = fields(hash);
            seqs.push(draft.push(Line {
                code,
                market,
                buy_order,
                sell_order,
                quantity,
                ..Line::new(kind, 0, 0, 0)
            })?);
        }
        let (postings, next) = draft.commit();
        self.keep(postings, next);
        Ok(seqs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_the_words_of_the_hash() {
        let mut hash = [0; 32];
        hash.iter_mut().zip(1..).for_each(|(byte, value)| *byte = value);
        let (market, buy_order, sell_order, quantity) = fields(&hash);
        let words = [market, buy_order, sell_order, quantity as u64];
        assert_eq!(words.map(u64::to_le_bytes).concat(), hash);
        assert_eq!(fields(&[0xFF; 32]), (u64::MAX, u64::MAX, u64::MAX, -1));
    }

    #[test]
    fn other_lines_carry_no_hash() {
        for kind in Kind::ALL {
            for code in 0..5 {
                let carries = matches!(kind, Kind::Membership | Kind::Parameter) && code == 2;
                assert_eq!(carries_hash(kind, code), carries, "{kind:?}, code {code}");
            }
        }
    }
}
