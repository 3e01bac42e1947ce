//! One posting as 96 bytes, and back.
//!
//! | offset | type | field | offset | type | field |
//! |---|---|---|---|---|---|
//! | 0 | u8 | tag 0xFC | 40 | u64 | sell order |
//! | 1 | u8 | version 1 | 48 | u64 | debit account |
//! | 2 | u8 | kind | 56 | u64 | credit account |
//! | 3 | u8 | flags | 64 | i64 | quantity, lots |
//! | 4 | u16 | code | 72 | i64 | price, ticks |
//! | 6 | u16 | asset | 80 | i64 | amount, nano-currency, not negative |
//! | 8 | u64 | seq | 88 | u64 | group |
//! | 16 | u64 | engine time, ns | 96 | | (end; the salt follows in the leaf entry) |
//! | 24 | u64 | market | | | |
//! | 32 | u64 | buy order | | | |

use super::bytes::{i64_at, put, u16_at, u64_at};
use super::{LedgerError, consortium};
use crate::settlement::pool::{TRADE_POOL_PAID, TRADE_POOL_RECEIVED};
use crate::settlement::posting::{Kind, Posting};
use crate::settlement::slot::{TRADE_BUYER, TRADE_SUM, TRADE_SUM_PAID};

/// Bytes of a record.
pub const RECORD_LEN: usize = 96;
/// Bytes of a salt.
pub const SALT_LEN: usize = 16;
/// Bytes of a record's leaf entry: record ‖ salt.
pub const RECORD_ENTRY_LEN: usize = RECORD_LEN + SALT_LEN;
/// First byte of a record.
pub const RECORD_TAG: u8 = 0xFC;
/// Version of records, order leaves and headers.
pub const VERSION: u8 = 1;

/// Flag: the record is part of a chain that holds or fails as a whole.
pub const FLAG_LINKED: u8 = 1;
/// Flag: the record reverses the one that `group` names.
pub const FLAG_REVERSAL: u8 = 2;
const FLAGS_DEFINED: u8 = FLAG_LINKED | FLAG_REVERSAL;

/// Codes of trades that have no price a unit, only a sum.
const SUMS: [u16; 4] = [TRADE_SUM, TRADE_SUM_PAID, TRADE_POOL_PAID, TRADE_POOL_RECEIVED];

const WHAT: &str = "record";

/// The 96 bytes of a posting.
#[inline]
pub fn encode(posting: &Posting) -> [u8; RECORD_LEN] {
    let mut out = [0_u8; RECORD_LEN];
    out[0] = RECORD_TAG;
    out[1] = VERSION;
    out[2] = posting.kind as u8;
    out[3] = posting.flags;
    put(&mut out, 4, posting.code.to_le_bytes());
    put(&mut out, 6, posting.asset.to_le_bytes());
    put(&mut out, 8, posting.seq.to_le_bytes());
    put(&mut out, 16, posting.time_ns.to_le_bytes());
    put(&mut out, 24, posting.market.to_le_bytes());
    put(&mut out, 32, posting.buy_order.to_le_bytes());
    put(&mut out, 40, posting.sell_order.to_le_bytes());
    put(&mut out, 48, posting.debit.to_le_bytes());
    put(&mut out, 56, posting.credit.to_le_bytes());
    put(&mut out, 64, posting.quantity.to_le_bytes());
    put(&mut out, 72, posting.price.to_le_bytes());
    put(&mut out, 80, posting.amount.to_le_bytes());
    put(&mut out, 88, posting.group.to_le_bytes());
    out
}

/// The posting of 96 bytes; refuses whatever [`encode`] cannot have made of a valid posting.
///
/// # Errors
/// [`LedgerError::Length`], `Tag`, `Version`, or `Field` for an unknown kind, undefined flag bits, a negative amount
/// or a sum with a price a unit.
pub fn decode(bytes: &[u8]) -> Result<Posting, LedgerError> {
    if bytes.len() != RECORD_LEN {
        return Err(LedgerError::Length { what: WHAT, expected: RECORD_LEN, got: bytes.len() });
    }
    if bytes[0] != RECORD_TAG {
        return Err(LedgerError::Tag { what: WHAT });
    }
    if bytes[1] != VERSION {
        return Err(LedgerError::Version { what: WHAT, got: bytes[1].into() });
    }
    let kind = Kind::from_number(bytes[2]).ok_or(field("kind", 2))?;
    let posting = Posting {
        kind,
        flags: bytes[3],
        code: u16_at(bytes, 4),
        asset: u16_at(bytes, 6),
        seq: u64_at(bytes, 8),
        time_ns: u64_at(bytes, 16),
        market: u64_at(bytes, 24),
        buy_order: u64_at(bytes, 32),
        sell_order: u64_at(bytes, 40),
        debit: u64_at(bytes, 48),
        credit: u64_at(bytes, 56),
        quantity: i64_at(bytes, 64),
        price: i64_at(bytes, 72),
        amount: i64_at(bytes, 80),
        group: u64_at(bytes, 88),
    };
    check(&posting)?;
    Ok(posting)
}

/// Refuses a posting that has no valid record.
///
/// # Errors
/// [`LedgerError::Field`] for undefined flag bits, a negative amount, a sum with a price a unit, or a record that carries
/// a hash and money too.
pub fn check(posting: &Posting) -> Result<(), LedgerError> {
    if posting.flags & !FLAGS_DEFINED != 0 {
        return Err(field("flags", 3));
    }
    if posting.amount < 0 {
        return Err(field("amount", 80));
    }
    if consortium::carries_hash(posting) {
        // Four fields are the hash; what else could hold money or a place is zero.
        for (used, name, offset) in [
            (posting.flags != 0, "flags", 3),
            (posting.asset != 0, "asset", 6),
            (posting.debit != 0, "debit", 48),
            (posting.credit != 0, "credit", 56),
            (posting.price != 0, "price", 72),
            (posting.amount != 0, "amount", 80),
        ] {
            if used {
                return Err(field(name, offset));
            }
        }
    }
    if posting.kind == Kind::Trade && SUMS.contains(&posting.code) && posting.price != 0 {
        return Err(field("price", 72));
    }
    Ok(())
}

/// Whether a trade's amount is |price × quantity|; true for every other kind, and for sums, which have no price a unit:
/// the line that pays a buyer whose order came to less than nothing, the payment to a seller at no whole price, and what a
/// load of a pool comes to.
pub fn trade_amount_holds(posting: &Posting) -> bool {
    posting.kind != Kind::Trade
        || posting.code == TRADE_BUYER
        || SUMS.contains(&posting.code)
        || (i128::from(posting.price) * i128::from(posting.quantity)).unsigned_abs()
            == u128::from(posting.amount.unsigned_abs())
}

const fn field(field: &'static str, offset: usize) -> LedgerError {
    LedgerError::Field { what: WHAT, field, offset }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn postings() -> impl Strategy<Value = Posting> {
        let ids = (any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>());
        let small = (1_u8..=19, 0_u8..4, any::<u16>(), any::<u16>());
        (small, ids, any::<i64>(), any::<i64>(), 0..=i64::MAX, any::<u64>()).prop_map(
            |((kind, flags, code, asset), ids, quantity, price, amount, group)| Posting {
                // Lines that carry a hash are in the tests of `consortium`.
                code: if kind > 16 && code == 2 { 3 } else { code },
                kind: Kind::from_number(kind).unwrap(),
                flags,
                asset,
                seq: ids.0,
                time_ns: ids.1,
                market: ids.2,
                buy_order: ids.3,
                sell_order: ids.4,
                debit: ids.5,
                credit: ids.6,
                quantity,
                price: if kind == 1 && SUMS.contains(&code) { 0 } else { price },
                amount,
                group,
            },
        )
    }

    proptest! {
        #[test]
        fn every_posting_survives_the_round_trip(posting in postings()) {
            prop_assert_eq!(decode(&encode(&posting)).unwrap(), posting);
        }

        #[test]
        fn whatever_decodes_encodes_to_the_same_bytes(bytes in prop::collection::vec(any::<u8>(), RECORD_LEN)) {
            let mut bytes = bytes;
            bytes[0] = RECORD_TAG;
            bytes[1] = VERSION;
            bytes[2] %= 21;
            bytes[3] &= 7;
            if let Ok(posting) = decode(&bytes) {
                prop_assert_eq!(&encode(&posting)[..], &bytes[..]);
            }
        }
    }

    fn sample() -> [u8; RECORD_LEN] {
        let mut bytes = [0_u8; RECORD_LEN];
        bytes[..3].copy_from_slice(&[RECORD_TAG, VERSION, 1]);
        bytes
    }

    #[test]
    fn what_version_1_does_not_define_is_refused() {
        assert!(decode(&sample()).is_ok());
        for (offset, value, refusal) in [
            (0, 0xFD, LedgerError::Tag { what: WHAT }),
            (1, 2, LedgerError::Version { what: WHAT, got: 2 }),
            (1, 0, LedgerError::Version { what: WHAT, got: 0 }),
            (2, 0, field("kind", 2)),
            (2, 20, field("kind", 2)),
            (3, 4, field("flags", 3)),
            (3, 0x80, field("flags", 3)),
            (87, 0x80, field("amount", 80)),
        ] {
            let mut bytes = sample();
            bytes[offset] = value;
            assert_eq!(decode(&bytes), Err(refusal), "byte {offset} = {value}");
        }
        for length in [0, 95, 97, 112] {
            let refusal = LedgerError::Length { what: WHAT, expected: RECORD_LEN, got: length };
            assert_eq!(decode(&vec![RECORD_TAG; length]), Err(refusal));
        }
    }

    #[test]
    fn a_sum_has_no_price_a_unit() {
        for (code, sum) in [(TRADE_BUYER, false), (6, false)].into_iter().chain(SUMS.map(|code| (code, true))) {
            let mut bytes = sample();
            bytes[4] = code as u8;
            bytes[80] = 7;
            assert_eq!(trade_amount_holds(&decode(&bytes).unwrap()), sum || code == TRADE_BUYER, "code {code}");
            bytes[72] = 1;
            assert_eq!(decode(&bytes).err(), sum.then_some(field("price", 72)), "code {code}");
        }
    }

    #[test]
    fn a_record_that_carries_a_hash_carries_nothing_else() {
        for kind in [17, 18] {
            let mut hash = sample();
            hash[2] = kind;
            hash[4] = 2;
            hash[24..48].fill(0xFF);
            hash[64..72].fill(0xFF);
            assert!(decode(&hash).is_ok());
            for (offset, name, start) in [
                (3, "flags", 3),
                (6, "asset", 6),
                (55, "debit", 48),
                (56, "credit", 56),
                (72, "price", 72),
                (80, "amount", 80),
            ] {
                let mut wrong = hash;
                wrong[offset] = 1;
                assert_eq!(decode(&wrong), Err(field(name, start)), "kind {kind}, byte {offset}");
                wrong[4] = 1;
                assert!(decode(&wrong).is_ok(), "another code, byte {offset}");
            }
        }
    }

    #[test]
    fn a_trade_pays_price_times_quantity() {
        let mut posting = decode(&sample()).unwrap();
        for (price, quantity, amount, holds) in [
            (3, 4, 12, true),
            (-3, 4, 12, true),
            (3, 4, 13, false),
            (i64::MAX, i64::MAX, 1, false),
            (i64::MIN, 1, i64::MAX, false),
        ] {
            (posting.price, posting.quantity, posting.amount) = (price, quantity, amount);
            assert_eq!(trade_amount_holds(&posting), holds, "{price} × {quantity} = {amount}");
        }
        posting.kind = Kind::Fee;
        assert!(trade_amount_holds(&posting));
    }
}
