//! Checks and extremes of whole columns, and columns in 32 bits.

use super::on_every_path;
use crate::auction::book::{Book, Number};
use crate::order::BUY;

/// Bits that show a value out of range, over any number of rows.
#[derive(Default)]
struct Sound {
    side: u8,
    price: u64,
    quantity: u64,
}

impl Sound {
    #[inline(always)]
    fn look<P: Number, Q: Number>(&mut self, side: &[u8], price: &[P], quantity: &[Q]) {
        for &side in side {
            self.side |= side;
        }
        // As unsigned, a number of 1..2³¹ has no high bit, and neither has its predecessor; any other number has.
        for &quantity in quantity {
            let quantity: i64 = quantity.into();
            self.quantity |= (quantity | quantity.wrapping_sub(1)) as u64;
        }
        // The same for −2³¹ < price < 2³¹, moved up by 2³¹.
        for &price in price {
            let price: i64 = price.into();
            let up = price.wrapping_add(1 << 31);
            self.price |= (up | up.wrapping_sub(1)) as u64;
        }
    }

    fn is_sound(&self) -> bool {
        self.side <= BUY && self.price >> 32 == 0 && self.quantity >> 31 == 0
    }
}

#[inline(always)]
pub(super) fn all_in_range_body<P: Number, Q: Number>(side: &[u8], price: &[P], quantity: &[Q]) -> bool {
    let mut sound = Sound::default();
    sound.look(side, price, quantity);
    sound.is_sound()
}

on_every_path! {
    /// Whether every side is 0 or 1 and every price and quantity is one that an order may carry.
    pub fn all_in_range<P: Number, Q: Number>(side: &[u8], price: &[P], quantity: &[Q]) -> bool = all_in_range_body
}

#[inline(always)]
fn all_units_body<P: Number, Q: Number>(price: &[P], quantity: &[Q], unit: i64, (low, high): (i64, i64)) -> bool {
    let mut other = false;
    for &quantity in quantity {
        let quantity: i64 = quantity.into();
        other |= quantity != unit;
    }
    if low == i64::MIN && high == i64::MAX {
        return !other;
    }
    for &price in price {
        let price: i64 = price.into();
        other |= (price < low) | (price > high);
    }
    !other
}

on_every_path! {
    /// Whether every quantity is `unit`, and every limit lies between the caps.
    pub fn all_units<P: Number, Q: Number>(price: &[P], quantity: &[Q], unit: i64, caps: (i64, i64)) -> bool = all_units_body
}

#[inline(always)]
fn best_limits_body<P: Number, Q: Number>(book: &Book<'_, P, Q>) -> (i64, i64) {
    let (mut best_bid, mut best_ask) = (i64::MIN, i64::MAX);
    for (&side, &price) in book.side.iter().zip(book.price) {
        let price: i64 = price.into();
        let as_bid = if side != 0 { price } else { i64::MIN };
        let as_ask = if side != 0 { i64::MAX } else { price };
        best_bid = if as_bid > best_bid { as_bid } else { best_bid };
        best_ask = if as_ask < best_ask { as_ask } else { best_ask };
    }
    (best_bid, best_ask)
}

on_every_path! {
    /// Highest bid and lowest ask; the far ends of the integers where a side is empty.
    pub fn best_limits<P: Number, Q: Number>(book: &Book<'_, P, Q>) -> (i64, i64) = best_limits_body
}

#[inline(always)]
fn narrow_body<P: Number>(
    side: &[u8],
    price: &[P],
    fee: i64,
    base: i64,
    limits: &mut [i32],
    competing: &mut [i32],
) -> bool {
    const MOST: i64 = i32::MAX as i64;
    let mut beyond = 0;
    for (((&side, &price), limit), near) in side.iter().zip(price).zip(limits).zip(competing) {
        let price: i64 = price.into();
        let up = price.wrapping_add(1 << 31);
        beyond |= (up | up.wrapping_sub(1)) as u64; // see `Sound`
        *limit = price as i32;
        let off = price.wrapping_sub(fee & i64::from(side).wrapping_neg()).wrapping_sub(base);
        let off = if off < -MOST { -MOST } else { off };
        *near = (if off > MOST { MOST } else { off }) as i32;
    }
    beyond >> 32 == 0
}

on_every_path! {
    /// Limits, and the prices at which orders compete counted from `base` (the ends of 32 bits where they are further
    /// off), in 32 bits each. Whether every limit was one that an order may carry.
    pub fn narrow<P: Number>(
        side: &[u8],
        price: &[P],
        fee: i64,
        base: i64,
        limits: &mut [i32],
        competing: &mut [i32],
    ) -> bool = narrow_body
}
