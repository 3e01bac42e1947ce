//! Prices that a small book is searched for.

use super::rows::{Rows, mask};

/// The lowest price at or below which lies at least `target`, which is more than none and at most all.
///
/// Bisection, with either bound moved on to a price that occurs: about as many rounds as a sorted book has halvings.
#[inline(always)]
pub fn quantile(rows: &Rows<'_>, target: i32) -> i32 {
    let (mut least, mut most) = (i32::MAX, i32::MIN);
    for &price in rows.prices.iter() {
        least = if price < least { price } else { least };
        most = if price > most { price } else { most };
    }
    while least < most {
        let middle = least.wrapping_add((most.wrapping_sub(least) as u32 >> 1) as i32);
        let (mut weight, mut last_in, mut first_out) = (0_i32, i32::MIN, i32::MAX);
        for (&price, &quantity) in rows.prices.iter().zip(rows.quantities.iter()) {
            let is_in = price <= middle;
            weight = weight.wrapping_add(quantity & mask(is_in));
            let as_in = if is_in { price } else { i32::MIN };
            let as_out = if is_in { i32::MAX } else { price };
            last_in = if as_in > last_in { as_in } else { last_in };
            first_out = if as_out < first_out { as_out } else { first_out };
        }
        // Both are at hand: no branch to guess wrong.
        let reached = weight >= target;
        most = if reached { last_in } else { most };
        least = if reached { least } else { first_out };
    }
    least
}

/// The lowest price above `price`, or `price` itself where it is the highest.
#[inline(always)]
pub fn next_above(rows: &Rows<'_>, price: i32) -> i32 {
    let (mut next, mut is_any) = (i32::MAX, 0);
    for &at in rows.prices.iter() {
        let as_above = if at > price { at } else { i32::MAX };
        is_any |= mask(at > price);
        next = if as_above < next { as_above } else { next };
    }
    if is_any == 0 { price } else { next }
}
