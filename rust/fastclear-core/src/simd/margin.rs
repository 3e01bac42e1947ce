//! Passes over a book that is filled: where it was cut, and what its fills are worth.

use super::nearest::{CHUNK, bits, competing, places};
use super::on_every_path;
use crate::auction::book::{Book, Number};

/// The orders on either side of the crossing, in prices at which orders compete.
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

impl Margin {
    const NONE: Self = Self { last_bid: i64::MAX, last_ask: i64::MIN, next_bid: i64::MIN, next_ask: i64::MAX };

    #[inline(always)]
    fn see(&mut self, is_bid: bool, price: i64, served: bool, short: bool) {
        let as_last_bid = if is_bid & served { price } else { i64::MAX };
        let as_last_ask = if !is_bid & served { price } else { i64::MIN };
        let as_next_bid = if is_bid & short { price } else { i64::MIN };
        let as_next_ask = if !is_bid & short { price } else { i64::MAX };
        self.last_bid = if as_last_bid < self.last_bid { as_last_bid } else { self.last_bid };
        self.last_ask = if as_last_ask > self.last_ask { as_last_ask } else { self.last_ask };
        self.next_bid = if as_next_bid > self.next_bid { as_next_bid } else { self.next_bid };
        self.next_ask = if as_next_ask < self.next_ask { as_next_ask } else { self.next_ask };
    }
}

#[inline(always)]
fn margin_body<P: Number, Q: Number>(book: &Book<'_, P, Q>, filled: &[i64]) -> Margin {
    let mut margin = Margin::NONE;
    for (((&side, &price), &quantity), &fill) in book.side.iter().zip(book.price).zip(book.quantity).zip(filled) {
        margin.see(side != 0, competing(side, price, book.fee), fill > 0, fill < quantity.into());
    }
    margin
}

on_every_path! {
    /// Reads the margin off the fills.
    pub fn margin<P: Number, Q: Number>(book: &Book<'_, P, Q>, filled: &[i64]) -> Margin = margin_body
}

#[inline(always)]
fn margin_at_body<P: Number, Q: Number>(book: &Book<'_, P, Q>, low: i64, filled: &[i64]) -> Margin {
    let mut margin = Margin::NONE;
    for start in (0..book.len()).step_by(CHUNK) {
        let end = (start + CHUNK).min(book.len());
        let (mut hits, mut any) = ([0; CHUNK], 0);
        for ((hit, &side), &price) in hits.iter_mut().zip(&book.side[start..end]).zip(&book.price[start..end]) {
            let price = competing(side, price, book.fee);
            let (is_bid, above, is_level) = (side != 0, price > low, price == low);
            *hit = u8::from(is_level);
            any |= *hit;
            margin.see(is_bid, price, (is_bid == above) & !is_level, (is_bid != above) & !is_level);
        }
        if any != 0 {
            for i in places(bits(&hits)).map(|place| start + place) {
                margin.see(book.is_bid(i), low, filled[i] > 0, filled[i] < book.quantity(i));
            }
        }
    }
    margin
}

on_every_path! {
    /// The margin of a book of which bids above `low` and asks below it are served whole, and of the others only some at
    /// `low`: only their fills need to be read.
    pub fn margin_at<P: Number, Q: Number>(book: &Book<'_, P, Q>, low: i64, filled: &[i64]) -> Margin = margin_at_body
}

#[inline(always)]
fn find_body<P: Number>(side: &[u8], price: &[P], wanted: u8, limit: i64, end: usize) -> Option<usize> {
    let mut end = end;
    while end > 0 {
        let start = end.saturating_sub(CHUNK);
        let (mut hits, mut any) = ([0; CHUNK], 0);
        for ((hit, &side), &price) in hits.iter_mut().zip(&side[start..end]).zip(&price[start..end]) {
            let price: i64 = price.into();
            *hit = u8::from((side == wanted) & (price == limit));
            any |= *hit;
        }
        if any != 0 {
            return Some(start + bits(&hits).ilog2() as usize);
        }
        end = start;
    }
    None
}

on_every_path! {
    /// The last position before `end` of an order of side `wanted` and this limit.
    pub fn find_last<P: Number>(side: &[u8], price: &[P], wanted: u8, limit: i64, end: usize) -> Option<usize> = find_body
}

#[inline(always)]
fn count_below_body<P: Number>(side: &[u8], price: &[P], wanted: u8, bound: i64) -> usize {
    side.iter().zip(price).fold(0_u64, |count, (&side, &price)| {
        let price: i64 = price.into();
        count.wrapping_add(u64::from((side == wanted) & (price < bound)))
    }) as usize
}

on_every_path! {
    /// Number of orders of side `wanted` whose limit is below `bound`.
    pub fn count_below<P: Number>(side: &[u8], price: &[P], wanted: u8, bound: i64) -> usize = count_below_body
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
fn below_body(side: &[u8], filled: &[i64], wanted: u8, bound: i64) -> (i64, i64) {
    side.iter().zip(filled).fold((0_i64, 0_i64), |(orders, lots), (&side, &fill)| {
        let is_one = (side == wanted) & (fill > 0) & (fill < bound);
        (orders.wrapping_add(i64::from(is_one)), lots.wrapping_add(if is_one { fill } else { 0 }))
    })
}

on_every_path! {
    /// Served orders of side `wanted` whose fill is below `bound`, and their lots.
    pub fn served_below<>(side: &[u8], filled: &[i64], wanted: u8, bound: i64) -> (i64, i64) = below_body
}

#[inline(always)]
fn cut_body(side: &[u8], filled: &mut [i64], wanted: u8, bound: i64, part: i64) {
    for (&side, fill) in side.iter().zip(filled) {
        let cut = if *fill < bound { 0 } else { fill.wrapping_sub(part) };
        *fill = if side == wanted { cut } else { *fill };
    }
}

on_every_path! {
    /// Takes all from the orders of side `wanted` whose fill is below `bound`, and `part` from the others.
    pub fn cut<>(side: &[u8], filled: &mut [i64], wanted: u8, bound: i64, part: i64) -> () = cut_body
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
