//! One order of a gate as 64 bytes, and the order in which leaves stand.
//!
//! | offset | type | field | offset | type | field |
//! |---|---|---|---|---|---|
//! | 0 | u8 | tag 0xFD | 16 | u64 | participant's pseudonym, 0 = none |
//! | 1 | u8 | version 1 | 24 | u64 | market |
//! | 2 | u8 | side: 0 sell, 1 buy, 255 unknown | 32 | i64 | price, ticks |
//! | 3 | u8 | type: 0 limit, 1 market, 255 unknown | 40 | i64 | quantity, lots |
//! | 4 | u16 | reject code, 0 = accepted | 48 | i64 | time, ns |
//! | 6 | u16 | zero | 56 | u64 | zero |
//! | 8 | u64 | order | 64 | | (end; the salt follows in the leaf entry) |

use core::cmp::Ordering;

use super::LedgerError;
use super::bytes::{i64_at, put, u16_at, u64_at};
use super::record::{SALT_LEN, VERSION};
use crate::reject::RejectReason;

/// Bytes of an orders leaf.
pub const ORDER_LEN: usize = 64;
/// Bytes of its leaf entry: leaf ‖ salt.
pub const ORDER_ENTRY_LEN: usize = ORDER_LEN + SALT_LEN;
/// First byte of an orders leaf.
pub const ORDER_TAG: u8 = 0xFD;
/// Side or type of a refused order that names none.
pub const UNKNOWN: u8 = 255;

const WHAT: &str = "order leaf";

/// One order as it reached the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderLeaf {
    /// 1 buy, 0 sell, [`UNKNOWN`] in a refused order that names neither.
    pub side: u8,
    /// 0 limit, 1 market, [`UNKNOWN`] in a refused order that names neither.
    pub kind: u8,
    /// Reject code, 0 = accepted.
    pub reject: u16,
    /// Order id.
    pub order: u64,
    /// Pseudonym of the participant, 0 if there is none.
    pub participant: u64,
    /// Market id.
    pub market: u64,
    /// Price in ticks.
    pub price: i64,
    /// Quantity in lots.
    pub quantity: i64,
    /// Time in ns, 0 if there is none.
    pub time_ns: i64,
}

impl OrderLeaf {
    /// The 64 bytes.
    pub fn encode(&self) -> [u8; ORDER_LEN] {
        let mut out = [0_u8; ORDER_LEN];
        out[0] = ORDER_TAG;
        out[1] = VERSION;
        out[2] = self.side;
        out[3] = self.kind;
        put(&mut out, 4, self.reject.to_le_bytes());
        put(&mut out, 8, self.order.to_le_bytes());
        put(&mut out, 16, self.participant.to_le_bytes());
        put(&mut out, 24, self.market.to_le_bytes());
        put(&mut out, 32, self.price.to_le_bytes());
        put(&mut out, 40, self.quantity.to_le_bytes());
        put(&mut out, 48, self.time_ns.to_le_bytes());
        out
    }

    /// The order of 64 bytes, strictly.
    ///
    /// # Errors
    /// [`LedgerError::Length`], `Tag`, `Version` or `Field`.
    pub fn decode(bytes: &[u8]) -> Result<Self, LedgerError> {
        if bytes.len() != ORDER_LEN {
            return Err(LedgerError::Length { what: WHAT, expected: ORDER_LEN, got: bytes.len() });
        }
        if bytes[0] != ORDER_TAG {
            return Err(LedgerError::Tag { what: WHAT });
        }
        if bytes[1] != VERSION {
            return Err(LedgerError::Version { what: WHAT, got: bytes[1].into() });
        }
        let leaf = Self {
            side: bytes[2],
            kind: bytes[3],
            reject: u16_at(bytes, 4),
            order: u64_at(bytes, 8),
            participant: u64_at(bytes, 16),
            market: u64_at(bytes, 24),
            price: i64_at(bytes, 32),
            quantity: i64_at(bytes, 40),
            time_ns: i64_at(bytes, 48),
        };
        leaf.check()?;
        if u16_at(bytes, 6) != 0 {
            return Err(field("zero", 6));
        }
        if u64_at(bytes, 56) != 0 {
            return Err(field("zero", 56));
        }
        Ok(leaf)
    }

    /// Refuses an order that has no valid leaf.
    ///
    /// # Errors
    /// [`LedgerError::Field`] for an unknown side or type of an accepted order, or an unknown reject code.
    pub fn check(&self) -> Result<(), LedgerError> {
        let names = |value: u8| value <= 1 || (value == UNKNOWN && self.reject != 0);
        if !names(self.side) {
            return Err(field("side", 2));
        }
        if !names(self.kind) {
            return Err(field("type", 3));
        }
        if self.reject != 0 && RejectReason::ALL.iter().all(|reason| reason.code() != self.reject) {
            return Err(field("reject", 4));
        }
        Ok(())
    }

    /// The order of leaves in a block: market, order id, then every other byte.
    pub fn order(&self, other: &Self) -> Ordering {
        (self.market, self.order).cmp(&(other.market, other.order)).then_with(|| self.encode().cmp(&other.encode()))
    }
}

const fn field(field: &'static str, offset: usize) -> LedgerError {
    LedgerError::Field { what: WHAT, field, offset }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    const SAMPLE: OrderLeaf = OrderLeaf {
        side: 1,
        kind: 0,
        reject: 0,
        order: 7,
        participant: 1001,
        market: 3,
        price: -250_000,
        quantity: 1_500,
        time_ns: 99,
    };

    #[test]
    fn an_order_survives_the_round_trip() {
        assert_eq!(OrderLeaf::decode(&SAMPLE.encode()).unwrap(), SAMPLE);
        let refused = OrderLeaf { side: UNKNOWN, kind: UNKNOWN, reject: 1, ..SAMPLE };
        assert_eq!(OrderLeaf::decode(&refused.encode()).unwrap(), refused);
    }

    #[test]
    fn what_version_1_does_not_define_is_refused() {
        for (offset, value, refusal) in [
            (0, 0xFC, LedgerError::Tag { what: WHAT }),
            (1, 3, LedgerError::Version { what: WHAT, got: 3 }),
            (2, 2, field("side", 2)),
            (2, UNKNOWN, field("side", 2)),
            (3, 2, field("type", 3)),
            (4, 200, field("reject", 4)),
            (6, 1, field("zero", 6)),
            (7, 1, field("zero", 6)),
            (56, 1, field("zero", 56)),
            (63, 1, field("zero", 56)),
        ] {
            let mut bytes = SAMPLE.encode();
            bytes[offset] = value;
            assert_eq!(OrderLeaf::decode(&bytes), Err(refusal), "byte {offset} = {value}");
        }
        assert!(OrderLeaf::decode(&[ORDER_TAG; 63]).is_err());
        assert!(OrderLeaf::decode(&[ORDER_TAG; 80]).is_err());
    }

    #[test]
    fn leaves_stand_by_market_then_order_as_numbers() {
        let at = |market, order| OrderLeaf { order, market, ..SAMPLE };
        assert_eq!(at(1, 256).order(&at(2, 0)), Ordering::Less);
        assert_eq!(at(1, 255).order(&at(1, 256)), Ordering::Less);
        assert_eq!(SAMPLE.order(&SAMPLE), Ordering::Equal);
        assert_eq!(SAMPLE.order(&OrderLeaf { side: 0, ..SAMPLE }), Ordering::Greater);
    }
}
