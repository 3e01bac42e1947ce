//! Passes over a book that is filled: where it was cut, and what its fills are worth.

use super::on_every_path;
use crate::auction::book::{Book, Number};

/// The orders on either side of the crossing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Margin {
    /// Lowest bid that is served; `i64::MAX` where none is.
    pub last_bid: i64,
    /// Highest ask that is served; `i64::MIN` where none is.
    pub last_ask: i64,
    /// Highest bid that is not served whole; `i64::MIN` where all are.
    pub next_bid: i64,
    /// Lowest ask that is not served whole; `i64::MAX` where all are.
    pub next_ask: i64,
}

#[inline(always)]
fn margin_body<P: Number, Q: Number>(book: &Book<'_, P, Q>, filled: &[i64]) -> Margin {
    let (mut last_bid, mut last_ask, mut next_bid, mut next_ask) = (i64::MAX, i64::MIN, i64::MIN, i64::MAX);
    for (((&side, &price), &quantity), &fill) in book.side.iter().zip(book.price).zip(book.quantity).zip(filled) {
        let (price, quantity): (i64, i64) = (price.into(), quantity.into());
        let price = price.wrapping_sub(book.fee & i64::from(side).wrapping_neg());
        let (is_bid, served, short) = (side != 0, fill > 0, fill < quantity);
        let as_last_bid = if is_bid & served { price } else { i64::MAX };
        let as_last_ask = if !is_bid & served { price } else { i64::MIN };
        let as_next_bid = if is_bid & short { price } else { i64::MIN };
        let as_next_ask = if !is_bid & short { price } else { i64::MAX };
        last_bid = if as_last_bid < last_bid { as_last_bid } else { last_bid };
        last_ask = if as_last_ask > last_ask { as_last_ask } else { last_ask };
        next_bid = if as_next_bid > next_bid { as_next_bid } else { next_bid };
        next_ask = if as_next_ask < next_ask { as_next_ask } else { next_ask };
    }
    Margin { last_bid, last_ask, next_bid, next_ask }
}

on_every_path! {
    /// Reads the margin off the fills, in prices at which orders compete.
    pub fn margin<P: Number, Q: Number>(book: &Book<'_, P, Q>, filled: &[i64]) -> Margin = margin_body
}

#[inline(always)]
fn last_served_body<P: Number, Q: Number>(book: &Book<'_, P, Q>, filled: &[i64], side: u8, price: i64) -> i64 {
    let limit = price.wrapping_add(book.fee & i64::from(side).wrapping_neg());
    let (mut last, mut position) = (-1, 0_i64);
    for ((&its_side, &its_limit), &fill) in book.side.iter().zip(book.price).zip(filled) {
        let its_limit: i64 = its_limit.into();
        let is_one = (its_side == side) & (its_limit == limit) & (fill > 0);
        last = if is_one { position } else { last };
        position = position.wrapping_add(1);
    }
    last
}

on_every_path! {
    /// The last position at which an order of `side` that competes at `price` is served; −1 where none is.
    pub fn last_served<P: Number, Q: Number>(book: &Book<'_, P, Q>, filled: &[i64], side: u8, price: i64) -> i64 = last_served_body
}

#[inline(always)]
fn largest_fills_body(side: &[u8], filled: &[i64]) -> [i64; 2] {
    let (mut ask, mut bid) = (0, 0);
    for (&side, &fill) in side.iter().zip(filled) {
        let (as_ask, as_bid) = if side != 0 { (0, fill) } else { (fill, 0) };
        ask = if as_ask > ask { as_ask } else { ask };
        bid = if as_bid > bid { as_bid } else { bid };
    }
    [ask, bid]
}

on_every_path! {
    /// The largest fill of an ask and of a bid.
    pub fn largest_fills<>(side: &[u8], filled: &[i64]) -> [i64; 2] = largest_fills_body
}

#[inline(always)]
fn served_at_most_body(side: &[u8], filled: &[i64], wanted: u8, most: i64) -> i64 {
    side.iter().zip(filled).fold(0_i64, |sum, (&side, &fill)| {
        let fill = if fill < most { fill } else { most };
        sum.wrapping_add(if side == wanted { fill } else { 0 })
    })
}

on_every_path! {
    /// Σ min(fill, `most`) over the orders of side `wanted`.
    pub fn served_at_most<>(side: &[u8], filled: &[i64], wanted: u8, most: i64) -> i64 = served_at_most_body
}

#[inline(always)]
fn welfare_body<P: Number, Q: Number>(book: &Book<'_, P, Q>, filled: &[i64]) -> i128 {
    let (mut high, mut low) = (0_i64, 0_i64);
    for ((&side, &price), &fill) in book.side.iter().zip(book.price).zip(filled) {
        let price: i64 = price.into();
        let price = if side != 0 { price } else { price.wrapping_neg() };
        // |price| and fill lie below 2³¹, the product within 2⁶², and each half of it below 2³³.
        let value = price.wrapping_mul(fill);
        high = high.wrapping_add(value >> 32);
        low = low.wrapping_add(value & 0xFFFF_FFFF);
    }
    (i128::from(high) << 32) + i128::from(low)
}

on_every_path! {
    /// Σ bid × fill − Σ ask × fill.
    pub fn welfare<P: Number, Q: Number>(book: &Book<'_, P, Q>, filled: &[i64]) -> i128 = welfare_body
}
